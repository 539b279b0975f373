"""DICOM files made here, and those that come with pydicom."""
import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_windowing
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, generate_uid
from usbook.data.dicom import (
    WINDOWS,
    dicom_frame,
    hounsfield,
    identifiers,
    pseudonym,
    read_dicom,
    to_png,
    window,
    window_of,
)
from usbook.data.manifest import Manifest
from usbook.data.images import load_image
from usbook.core.errors import BadInput

def make(path, pixels, modality='CT', **tags):
    "Write a small DICOM file"
    pixels = np.asarray(pixels)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = tags.pop('syntax', ExplicitVRLittleEndian)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = '1.2.840.10008.5.1.4.1.1.2'
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    colour, n = pixels.shape[-1] == 3 and pixels.ndim > 2, pixels.dtype.itemsize*8
    ds.Modality, ds.SamplesPerPixel = modality, 3 if colour else 1
    ds.PhotometricInterpretation = 'RGB' if colour else 'MONOCHROME2'
    ds.Rows, ds.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    if colour: ds.PlanarConfiguration = 0
    elif pixels.ndim == 3: ds.NumberOfFrames = len(pixels)
    ds.BitsAllocated = ds.BitsStored = n
    ds.HighBit, ds.PixelRepresentation = n - 1, int(pixels.dtype.kind == 'i')
    ds.PixelData = pixels.tobytes()
    for k, v in tags.items(): setattr(ds, k, v)
    ds.save_as(path, enforce_file_format=True)
    return path

HU = np.arange(-1024, 1024, dtype='int16').reshape(32, 64)
CT = dict(RescaleSlope=1, RescaleIntercept=-1024)

def said(f, *args, **kwargs):
    with pytest.raises(BadInput) as e: f(*args, **kwargs)
    assert '\n' not in str(e.value)
    return str(e.value)

def test_slope_intercept_and_window(tmp_path):
    f = make(tmp_path/'a.dcm', HU + 1024, **CT)
    assert np.array_equal(hounsfield(f), HU)
    assert np.array_equal(
        hounsfield(make(tmp_path / 'b.dcm', (HU + 1024) // 2, RescaleSlope=2, RescaleIntercept=-1024)),
        (HU + 1024) // 2 * 2 - 1024,
    )
    assert np.array_equal(np.asarray(load_image(f, window='brain')), window(HU, 40, 80))
    assert np.array_equal(np.asarray(load_image(f, window=(40, 80))), np.asarray(load_image(f, window='40/80')))

@pytest.mark.parametrize('name', WINDOWS)
def test_window_is_pydicoms(name):
    "Against `apply_windowing`, the reference implementation of the same formula"
    level, width = WINDOWS[name]
    ds = Dataset()
    ds.WindowCenter, ds.WindowWidth, ds.BitsStored, ds.PixelRepresentation, ds.PhotometricInterpretation = (
        level,
        width,
        8,
        0,
        'MONOCHROME2',
    )
    assert np.abs(apply_windowing(HU, ds) - window(HU, level, width).astype(float)).max() <= .5 + 1e-9

def test_hand_worked_window():
    "Standard, PS3.3 C.11.2.1.2: c=2048, w=4096 maps 0 to black and 4095 to white; c=0, w=1 splits at -0.5"
    assert window(np.array([-9, 0, 4095, 5000]), 2048, 4096).tolist() == [0, 0, 255, 255]
    assert window(np.array([-1, 0]), 0, 1).tolist() == [0, 255]
    assert (
        'at least 1' in said(window, HU, 40, 0) and 'is unknown' in said(window_of, 'brian') and window_of('') is None
    )

def test_header_window_first_of_several_and_other_functions(tmp_path):
    a = np.asarray(load_image(make(tmp_path/'a.dcm', HU + 1024, WindowCenter=[40, 300], WindowWidth=[80, 1500], **CT)))
    assert np.array_equal(a, window(HU, 40, 80))
    exact = np.asarray(
        load_image(
            make(tmp_path / 'b.dcm', HU + 1024, WindowCenter=0, WindowWidth=1024, VOILUTFunction='LINEAR_EXACT', **CT)
        )
    )
    assert exact[HU == -512][0] == 0 and exact[HU == 512][0] == 255 and exact[HU == 0][0] == 128
    soft = np.asarray(
        load_image(make(tmp_path / 'c.dcm', HU + 1024, WindowCenter=0, WindowWidth=400, VOILUTFunction='SIGMOID', **CT))
    )
    assert soft[HU == 0][0] == 128 and soft[HU == 200][0] == round(255/(1 + np.exp(-2)))

def test_lookup_table(tmp_path):
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [256, 0, 16], (np.arange(255, -1, -1)*257).astype('<u2').tobytes()
    f = make(tmp_path/'a.dcm', np.arange(256, dtype='uint16').reshape(16, 16), 'DX', VOILUTSequence=[lut])
    assert np.array_equal(np.asarray(load_image(f)).ravel(), np.arange(255, -1, -1))

def test_low_values_bright_is_turned_round(tmp_path):
    a = np.arange(256, dtype='uint8').reshape(16, 16)
    assert np.array_equal(
        np.asarray(load_image(make(tmp_path / 'a.dcm', a, 'CR', PhotometricInterpretation='MONOCHROME1'))), 255 - a
    )

def test_colour_and_frames(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (8, 9, 3), dtype='uint8')
    im = load_image(make(tmp_path/'a.dcm', rgb, 'US'))
    assert im.mode == 'RGB' and np.array_equal(np.asarray(im), rgb)
    cine = make(tmp_path/'cine.dcm', np.arange(3*16, dtype='uint8').reshape(3, 4, 4), 'US')
    assert np.asarray(load_image(cine, frame=2))[0, 0] == 32 and dicom_frame(cine, 0)[1] == 3
    assert 'has 3 frames; say which one' in said(load_image, cine) and 'has no frame 3' in said(
        load_image, cine, frame=3
    )

def test_a_file_without_suffix(tmp_path):
    f = make(tmp_path/'IM00001', np.zeros((4, 4), 'uint8'), 'US')
    assert load_image(f).size == (4, 4)

def test_no_pixels(tmp_path):
    f = make(tmp_path/'a.dcm', HU)
    ds = pydicom.dcmread(f); del ds.PixelData; ds.save_as(f)
    assert 'has no pixels; take it out' in said(load_image, f)
    ds.Modality = 'SR'; ds.save_as(f)
    assert 'it is a report (SR)' in said(load_image, f)

def test_compressed_without_decoder(tmp_path):
    from pydicom.encaps import encapsulate
    f = make(tmp_path/'a.dcm', HU, **CT)
    ds = pydicom.dcmread(f)
    ds.PixelData = encapsulate([b'\xff\xd8\xff\xc3' + bytes(100)])
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    ds['PixelData'].VR = 'OB'
    ds.save_as(f)
    assert 'compressed (JPEG Lossless' in said(load_image, f, window='brain') and 'export uncompressed' in said(
        load_image, f, window='brain'
    )

def test_wrong_modality_and_no_scale(tmp_path):
    f = make(tmp_path/'a.dcm', HU, 'MR')
    assert 'its modality is MR and CT is needed' in said(hounsfield, f)
    assert 'its header names no window' in said(load_image, f)
    assert 'no rescale slope and intercept' in said(hounsfield, make(tmp_path/'b.dcm', HU))

def test_damaged(tmp_path):
    f = make(tmp_path/'a.dcm', HU, WindowCenter=40, WindowWidth=80, **CT)
    raw = f.read_bytes()
    (tmp_path/'cut.dcm').write_bytes(raw[:-500])
    (tmp_path/'empty.dcm').write_bytes(b'')
    (tmp_path/'text.dcm').write_text('no')
    assert 'cut short or damaged' in said(load_image, tmp_path/'cut.dcm')
    assert 'is not a DICOM file' in said(load_image, tmp_path / 'text.dcm') and 'empty.dcm: is' in said(
        load_image, tmp_path / 'empty.dcm'
    )
    big = make(tmp_path/'big.dcm', HU, Rows=60000, Columns=60000, **CT)
    assert 'million pixels' in said(load_image, big) and 'is missing' in said(read_dicom, tmp_path/'none.dcm')

def test_every_file_of_pydicom_is_read_or_refused_in_a_sentence():
    from pathlib import Path
    files = sorted(Path(get_testdata_file('CT_small.dcm')).parent.glob('*.dcm'))
    read = 0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for f in files:
            try: im = load_image(f, frame=0)
            except BadInput as e: assert str(e).startswith(f'{f}: ') and '\n' not in str(e), f
            else:
                assert im.mode in ('L', 'RGB')
                read += 1
    assert len(files) > 50 and read > 20

def test_manifest_of_dicom(tmp_path):
    rng = np.random.default_rng(0)
    for p in range(4): make(tmp_path/f'{p}.dcm', rng.integers(0, 99, (2, 8, 8), dtype='uint8'), 'US')
    rows = [(f'{p}.dcm', f'0{p}', 'ab'[p % 2], f) for p in range(4) for f in range(2)]
    pd.DataFrame(rows, columns='image patient label frame'.split()).to_csv(tmp_path/'manifest.csv', index=False)
    m = Manifest.read(tmp_path/'manifest.csv')
    assert len(m) == 8 and m.load(1).size == (8, 8) and len(set(m.digests)) == 8

def test_png_keeps_nothing_of_the_header(tmp_path):
    f = make(
        tmp_path / 'a.dcm', HU + 1024, PatientName='Doe^Jane', PatientID='4711', InstitutionName='St. Elsewhere', **CT
    )
    assert set(identifiers(pydicom.dcmread(f))) == {'PatientName', 'PatientID', 'InstitutionName'}
    out = to_png(f, tmp_path/'a.png', 'brain')
    assert b'Doe' not in out.read_bytes() and np.array_equal(np.asarray(Image.open(out)), window(HU, 40, 80))

def test_pseudonym():
    "RFC 4231, test case 2 has a short key; ours must be long, so the golden value is Python's own hmac of a long one"
    import hashlib, hmac
    key = 'sixteen letters and more'
    assert pseudonym('7', key) == hmac.new(key.encode(), b'7', hashlib.sha256).hexdigest()[:12] and pseudonym(
        '7', key
    ) != pseudonym('07', key)
    assert 'at least 16' in said(pseudonym, '7', 'short')


def test_whatever_pydicom_ships_is_read_or_refused_in_a_sentence():
    "Compressed, truncated, multi-frame, colour, reports and plans: all its test files, each with a plain answer"
    import warnings
    from pathlib import Path

    import pydicom.data
    from usbook.core.errors import BadInput
    from usbook.data.images import load_image
    files = sorted((Path(pydicom.data.__file__).parent/'test_files').glob('*.dcm'))
    answers = {}
    for f in files:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try: answers[f.name] = load_image(f, None, 0).size
            except BadInput as e: answers[f.name] = e.what
    said = {n: a for n, a in answers.items() if isinstance(a, str)}
    known = ('names no window', 'has no pixels', 'not a DICOM file', 'no decoder that can read them', 'cut short')
    assert len(files) > 70 and len(files) - len(said) >= (48 if find_spec("gdcm") else 42)
    assert all(any(k in a for k in known) for a in said.values()), said


def test_twelve_bits_of_extended_jpeg_are_read_or_the_sentence_says_what_to_install():
    "Neither Pillow nor gdcm reads them; pylibjpeg-libjpeg does"
    from usbook.data.dicom import read_dicom, stored_values
    f = get_testdata_file('JPGExtended.dcm', download=False)
    if find_spec('libjpeg'):
        a = stored_values(read_dicom(f), f)
        assert a[[420, 230, 260], [140, 120, 120]].tolist() == [244, 95, 66]
        return
    for name in ('JPGExtended.dcm', 'JPEG-lossy.dcm'):
        f = get_testdata_file(name, download=False)
        told = said(load_image, f)
        assert told.startswith(f'{f}: its pixels are compressed (JPEG Extended') and '\n' not in told
        assert told.endswith('export uncompressed, or pip install pylibjpeg pylibjpeg-libjpeg')
