"""Clips and boxes: every kind of clip reads the same, and every slip gets one sentence with its file and row."""
import sys

import numpy as np
import pytest
from PIL import Image

from usbook.data.clips import Clips, read_clip, read_clips, stills_with_masks
from usbook.data.manifest import IMAGE_LEVEL, Manifest
from usbook.core.errors import LeakageError
from usbook.data.split import check_leaks, split_by_patient
from usbook.phantoms.samples import png_bytes
from usbook.core.errors import BadInput
from usbook.data.samples import samples_folder


def movie(seed, n=6, shape=(48, 64)): return np.random.default_rng(seed).integers(0, 255, (n, *shape), dtype='uint8')


def write_frames(folder, frames, first=0):
    folder.mkdir(parents=True)
    for k, f in enumerate(frames): Image.fromarray(f).save(folder/f'frame_{k + first:03}.png')


def write_gif(path, frames):
    ims = [Image.fromarray(f) for f in frames]
    ims[0].save(path, save_all=True, append_images=ims[1:])


def write_dicom(path, frames, **tags):
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID, ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = (
        ExplicitVRLittleEndian,
        UltrasoundMultiFrameImageStorage,
        generate_uid(),
    )
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = UltrasoundMultiFrameImageStorage, generate_uid(), 'US'
    ds.Rows, ds.Columns, ds.NumberOfFrames, ds.SamplesPerPixel = *frames.shape[1:], len(frames), 1
    ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = (
        'MONOCHROME2',
        8,
        8,
        7,
        0,
    )
    for k, v in tags.items(): setattr(ds, k, v)
    ds.PixelData = frames.tobytes()
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path):
    "Four clips of four kinds, of three patients; two have a lesion"
    write_frames(tmp_path/'P1_folder', movie(1), first=1)
    write_gif(tmp_path/'P1_gif.gif', movie(2))
    (tmp_path/'P2_png.png').write_bytes(png_bytes(movie(3)))
    write_dicom(tmp_path/'P3_dicom.dcm', movie(4))
    (tmp_path / 'lesions.csv').write_text(
        'scan,frame,x,y,w,h\n' + ''.join(f'P1_folder,{k},10,8,20,16\n' for k in (2, 3)) + 'P2_png,0,0,0,5,5\n'
    )
    (tmp_path/'scans.csv').write_text('scan,patient\nP1_folder,007\nP1_gif,007\nP2_png,8\nP3_dicom,9\n')
    return tmp_path


def said(f, *args, **kw):
    with pytest.raises(BadInput) as e: f(*args, **kw)
    assert '\n' not in str(e.value)
    return str(e.value)


def edit(folder, old, new, name='lesions.csv'):
    text = (folder/name).read_text()
    assert old in text
    (folder/name).write_text(text.replace(old, new, 1))
    return said(read_clips, folder)


def test_every_kind_of_clip_reads_the_same(folder):
    c = read_clips(folder)
    assert len(c) == 4 and c.n_lesions == 2 and list(c.scans.n_frames) == [6]*4
    for k, s in enumerate(('P1_folder', 'P1_gif', 'P2_png', 'P3_dicom'), 1):
        assert np.array_equal(c.clip(s), movie(k)), s
    assert set(c.patients) == {'007', '8', '9'} and c.table.set_index('scan').label.to_dict() == dict(
        P1_folder='mass', P1_gif='no_mass', P2_png='mass', P3_dicom='no_mass'
    )


def test_video(tmp_path, monkeypatch):
    (tmp_path/'a.mp4').write_bytes(b'not a film')
    monkeypatch.setitem(sys.modules, 'av', None)
    assert "pip install 'usbook[video]'" in said(read_clip, tmp_path/'a.mp4')
    monkeypatch.delitem(sys.modules, 'av')
    av = pytest.importorskip('av')
    assert 'cut short or damaged' in said(read_clip, tmp_path/'a.mp4')
    frames = np.repeat(np.repeat(movie(0, 6, (6, 8)), 8, 1), 8, 2)//2 + 60
    for name, codec in (('b.mp4', 'mpeg4'), ('c.avi', 'mjpeg')):
        with av.open(str(tmp_path/name), 'w') as out:
            s = out.add_stream(codec, rate=25)
            s.width, s.height, s.pix_fmt = 64, 48, 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
            for f in frames: out.mux(s.encode(av.VideoFrame.from_ndarray(np.stack([f]*3, 2), format='rgb24')))
            out.mux(s.encode(None))
        got = read_clip(tmp_path/name).astype(int)
        assert got.shape == frames.shape and np.abs(got - frames).mean() < 30, name


def test_boxes_that_cant_be(folder):
    good = 'P1_folder,2,10,8,20,16'
    for new, what in [
        ('P1_folder,2,50,8,20,16', 'reaches 6 pixels out of the frame of 64x48'),
        ('P1_folder,2,-9,8,20,16', 'reaches 9 pixels out'),
        ('P1_folder,2,10,8,0,16', 'has no size'),
        ('P1_folder,2,10,8,20,-16', 'has no size'),
        ('P1_folder,2,10,8,20,nan', "h is 'nan'"),
        ('P1_folder,6,10,8,20,16', 'frame 6 is not in the clip, which has 6 frames'),
        ('P1_folder,1.5,10,8,20,16', 'whole number'),
        ('P1_fodler,2,10,8,20,16', 'did you mean P1_folder?'),
        ('P1_folder,3,10,8,20,16', 'appears twice in frame 3'),
    ]:
        text = edit(folder, good, new)
        assert what in text and 'lesions.csv, row' in text, text
        (folder/'lesions.csv').write_text((folder/'lesions.csv').read_text().replace(new, good, 1))
    read_clips(folder)


def test_a_box_may_touch_the_edge_and_is_cut_there(folder):
    (folder/'lesions.csv').write_text('scan,frame,x,y,w,h\nP1_gif,0,-0.6,40,20,8.9\n')
    b = read_clips(folder).boxes().iloc[0]
    assert (b.x, b.w, b.y + b.h) == (0, 19.4, 48)


def test_wrong_units(folder, tmp_path_factory):
    head = 'scan,frame,x,y,w,h\n'
    (folder/'lesions.csv').write_text(head + 'P1_gif,0,.2,.2,.3,.4\nP2_png,1,.1,.1,.5,.5\n')
    assert 'row 2' in (text := said(read_clips, folder)) and 'fractions of the frame' in text
    big = tmp_path_factory.mktemp('big')
    for i in range(2): write_gif(big/f'c{i}.gif', movie(i, 3, (240, 320)))
    (big/'scans.csv').write_text('scan,patient\nc0,1\nc1,2\n')
    (big/'lesions.csv').write_text(head + 'c0,0,20,30,15,12\nc1,1,60,70,30,25\n')
    assert 'look like per cent' in said(read_clips, big)
    (big/'lesions.csv').write_text('scan,frame,x,y,w,h,unit\nc0,0,20,30,15,12,px\nc1,1,60,70,30,25,px\n')
    assert read_clips(big).n_lesions == 2


def test_frames_missing(folder):
    assert 'clip P1_gif has 6 frames where the table says 9' in edit(
        folder,
        'scan,patient\nP1_folder,007\nP1_gif,007\nP2_png,8\nP3_dicom,9',
        'scan,patient,n_frames\nP1_folder,007,6\nP1_gif,007,9\nP2_png,8,6\nP3_dicom,9,6',
        'scans.csv',
    )
    (folder/'P1_folder'/'frame_003.png').unlink()
    assert 'frame 3 is missing between 1 and 6' in said(read_clips, folder)
    (folder/'P1_folder'/'frame_001.png').unlink(), (folder/'P1_folder'/'frame_002.png').unlink()
    assert 'begins with frame 4' in said(read_clips, folder)


def test_patients(folder):
    assert "scans.csv, row 4: has no patient id" in edit(folder, 'P2_png,8', 'P2_png,', 'scans.csv')
    (folder/'scans.csv').write_text('scan,patient\nP1_folder,007\n')
    assert 'is not listed; add it with its patient' in said(read_clips, folder)
    (folder/'scans.csv').unlink()
    assert 'ids are never invented' in said(read_clips, folder)
    assert sorted(set(read_clips(folder, r'^(P\d)_').patients)) == ['P1', 'P2', 'P3']
    assert read_clips(folder, image_level=True).notes[0] == IMAGE_LEVEL


def test_one_clip_under_two_patients(folder):
    (folder/'P4_copy.gif').write_bytes((folder/'P1_gif.gif').read_bytes())
    (folder/'scans.csv').write_text((folder/'scans.csv').read_text() + 'P4_copy,10\n')
    assert 'row 6' in (text := said(read_clips, folder)) and 'exactly the pixels of clip P1_gif' in text
    merged = read_clips(folder, same_patient=True)
    assert set(merged.patients) == {'007', '8', '9'} and 'count as that one' in merged.notes[-1]


def test_damaged_empty_and_unequal_clips(folder):
    Image.fromarray(movie(0)[0, :20]).save(folder/'P1_folder'/'frame_004.png')
    assert 'frame 3 is 64x20 pixels and frame 0 64x48' in said(read_clips, folder)
    write_dicom(folder/'P1_short.dcm', movie(5))
    (folder/'P1_short.dcm').write_bytes((folder/'P1_short.dcm').read_bytes()[:-4000])
    assert 'damaged' in said(read_clip, folder/'P1_short.dcm')
    for f in ('lesions.csv',): (folder/f).unlink()
    assert 'holds no lesions.csv' in said(read_clips, folder)
    assert 'no such folder' in said(read_clips, folder/'nowhere')


def test_no_lesion_at_all(folder):
    (folder/'lesions.csv').write_text('scan,frame,x,y,w,h\n')
    c = read_clips(folder)
    assert c.n_lesions == 0 and set(c.table.label) == {'no_mass'}


def test_two_lesions_in_a_frame_need_numbers(folder):
    (folder/'lesions.csv').write_text('scan,frame,x,y,w,h\nP1_gif,0,1,1,9,9\nP1_gif,0,20,20,9,9\n')
    assert 'number the lesions of a clip in a column lesion' in said(read_clips, folder)
    (folder/'boxes.csv').write_text('clip,frame,x,y,w,h\n')
    (folder/'lesions.csv').unlink()
    assert 'has no column scan' in said(read_clips, folder)


def test_splits_are_of_patients():
    c = read_clips(samples_folder('breast_cine'))
    assert (len(c), len(set(c.patients))) == (46, 23)
    s = split_by_patient(c, (.5, .2, .3), seed=0)
    assert (
        isinstance(s, Clips)
        and check_leaks(s)
        and set(s.subset('test').boxes().scan) <= set(s.subset('test').table.scan)
    )
    with pytest.raises(LeakageError): check_leaks(s.with_split(['train', 'test']*23))
    boxes = Manifest.read(samples_folder('breast_cine')/'manifest.csv').table
    assert set(boxes[boxes.label == 'mass'].scan.astype(str)) == set(c.boxes().scan)


def test_stills(tmp_path):
    rows = ['image,patient,label,mask']
    for i in range(4):
        Image.fromarray(movie(i)[0]).save(tmp_path/f'{i}.png')
        m = np.zeros((48, 64), 'uint8')
        if i < 3: m[10:20, 30:45] = 255
        Image.fromarray(m).save(tmp_path/f'm{i}.png')
        rows.append(f'{i}.png,p{i},{"ab"[i % 2]},m{i}.png')
    (tmp_path/'manifest.csv').write_text('\n'.join(rows))
    c = stills_with_masks(Manifest.read(tmp_path/'manifest.csv'))
    assert (
        c.n_lesions == 3
        and c.boxes()[['x', 'y', 'w', 'h']].iloc[0].tolist() == [30, 10, 15, 10]
        and list(c.table.label) == ['mass'] * 3 + ['no_mass']
    )
    assert c.clip('0').shape == (1, 48, 64) and 'stills' in c.notes[-1]
