"""Whose image it is, what looks the same, and the page that shows it: on small trees and on the real sets."""
import json

import numpy as np
import pydicom
import pytest
from conftest import make_tree
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file
from usbook.core.errors import BadInput
from usbook.data.dicom import header_codes, own_key, slice_order
from usbook.data.duplicates import LOOKALIKE, alike_pairs, fingerprint, likeness
from usbook.data.manifest import Manifest, folder_table
from usbook.data.rules import propose_rules
from usbook.data.split import check_leaks, split_by_patient
from usbook.data.survey import survey, survey_page, text_boxes


def picture(seed, size=64, noise=0):
    "Soft blobs, another picture for another seed; `noise` makes another frame of it"
    from scipy.ndimage import gaussian_filter
    a = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 3)*600 + 90
    a = a + noise*np.random.default_rng(seed + 99).normal(size=a.shape)
    return Image.fromarray(a.clip(0, 255).astype('uint8'))

@pytest.fixture
def alike(tmp_path):
    "Eight patients of two classes; patients 6 and 7 have frames of one clip"
    for p in range(8):
        to = tmp_path/'set'/('cyst' if p % 2 else 'solid')
        to.mkdir(parents=True, exist_ok=True)
        for i in range(2):
            frame = picture(p*10 + i) if p < 6 else picture(70, noise=2 + p + .3*i)
            frame.save(to/f'P{p}_{i}.png')
    return tmp_path/'set'

# Near-duplicates --------------------------------------------------------------------------------------------

def test_an_export_looks_the_same_and_another_image_does_not():
    import io
    a = picture(0, 200)
    a.resize((140, 140)).save(b := io.BytesIO(), 'JPEG', quality=60)
    framed = Image.new('L', (260, 200))
    framed.paste(a, (30, 0))
    others = [Image.open(b), a.point(lambda v: 30 + .7*v), framed, picture(1, 200), Image.new('L', (50, 50), 7)]
    r = likeness([fingerprint(a)], [fingerprint(o) for o in others])[0]
    assert (r[:3] > LOOKALIKE).all() and (r[3:] < .5).all() and r[4] == 0

def test_pairs_are_of_two_groups_and_each_is_named_once():
    small = [fingerprint(picture(0))]*3 + [fingerprint(picture(1)), b'']
    assert [(p.a, p.b) for p in alike_pairs(small, ['A', 'A', 'B', 'C', 'D'])] == [(0, 2), (1, 2)]
    assert alike_pairs([], []) == []

def test_a_manifest_notes_look_alikes_and_same_patient_merges_them(alike):
    m = Manifest.open(alike, r'^(P\d+)_')
    note = next(n for n in m.notes if 'look the same' in n)
    assert '4 pairs of images of different patients' in note and '(P6)' in note and '--same-patient' in note
    one = Manifest.open(alike, r'^(P\d+)_', same_patient=True)
    assert len(set(one.patients)) == 7 and any('P7 as P6' in n and 'looks the same' in n for n in one.notes)
    assert not any('pairs of images' in n for n in one.notes)

def test_the_leak_check_warns_of_look_alikes_on_two_sides(alike):
    m = Manifest.open(alike, r'^(P\d+)_')
    sides = ['test' if p in ('P6', 'P5') else 'train' for p in m.patients]
    assert '4 pairs of images on two sides of the split look the same' in check_leaks(m.with_split(sides))
    apart = ['test' if p in ('P6', 'P7') else 'train' for p in m.patients]
    assert check_leaks(m.with_split(apart)) == 'No patient is on two sides: 6 in train, 2 in test.'

def test_simulated_images_are_not_compared(tmp_path):
    "Whose they are is known, and simulated heads are more alike than real ones"
    from pathlib import Path
    m = Manifest.open(Path(__file__).parents[1]/'data_samples'/'pneumoconiosis')
    assert m.small is None and 'look the same' not in check_leaks(split_by_patient(m))

@pytest.mark.parametrize('name,pairs,most', [('chest_shenzhen', 0, 180), ('breast', 5, 145), ('head_ct', 26, 185)])
def test_look_alikes_of_real_sets(realdata, name, pairs, most):
    "Counted by looking at every pair: each of these shows one person"
    m = Manifest.open(realdata/name, same_patient=True)
    assert len(set(m.patients)) <= most
    table = Manifest.open(realdata/name)
    assert len(alike_pairs(table.small, table.patients)) == pairs

# Whose image? -----------------------------------------------------------------------------------------------

def test_the_folder_as_patient(tmp_path):
    for i in range(8):
        to = tmp_path/('cyst' if i % 2 else 'solid')/f'case {i//2}{i % 2}'
        to.mkdir(parents=True)
        for k in range(2): picture(10*i + k).save(to/f'{k}.png')
    m = Manifest.open(tmp_path, 'folder')
    assert len(m) == 16 and set(m.patients) == {f'case {i//2}{i % 2}' for i in range(8)}
    picture(500).save(tmp_path/'cyst'/'loose.png')
    with pytest.raises(BadInput) as e: Manifest.open(tmp_path, 'folder')
    assert 'cyst/loose.png gets no patient from folder' in str(e.value)

def dicom_tree(folder):
    "Two classes, three patients with two files each, from a file that pydicom ships"
    ds = pydicom.dcmread(get_testdata_file('CT_small.dcm'))
    for k in range(6):
        ds.PatientID, ds.StudyInstanceUID = f'SECRET-{k//2}', f'1.2.3.{k}'
        a = ds.pixel_array.copy()
        a[:8] = 900 + 50*k
        ds.PixelData = a.tobytes()
        ds.WindowCenter, ds.WindowWidth = 40, 400
        to = folder/('cyst' if k % 2 else 'solid')/f'{k}.dcm'
        to.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(to)
    return folder

def test_dicom_patients_are_codes_and_never_shown(tmp_path, monkeypatch, usbook):
    monkeypatch.setenv('USBOOK_CACHE', str(tmp_path/'cache'))
    m = Manifest.open(dicom_tree(tmp_path/'set'), 'dicom')
    assert len(set(m.patients)) == 3 and m.table.scan.nunique() == 6 and all(len(p) == 12 for p in m.patients)
    assert Manifest.open(tmp_path/'set', 'dicom').patients.tolist() == m.patients.tolist()
    assert (tmp_path/'cache'/'patients.key').stat().st_mode & 0o077 == 0
    shown = usbook('look', tmp_path/'set')
    page = (tmp_path/'look.html').read_text()
    assert shown.returncode == 0 and "--patients 'dicom': 3 patients, 2 images each" in shown.stdout, shown.stderr
    for secret in ('SECRET', '1.2.3.', 'JFK', 'CompressedSamples'): assert secret not in shown.stdout + page
    assert 'PatientID' in page and own_key(tmp_path/'cache') not in page

def test_a_file_without_a_header_has_no_codes(tmp_path):
    picture(0).save(tmp_path/'a.png')
    assert header_codes(tmp_path/'a.png', 'k'*20) == dict(patient='', scan='')

def test_rules_say_what_they_would_give(alike):
    rules = {r.rule: str(r) for r in propose_rules(folder_table(alike), alike)}
    assert '8 patients, 2 images each' in rules.values() and '16 patients, 1 image each' not in list(rules.values())[:1]

@pytest.mark.parametrize('names,gives', [
    (['CHNCXR_0001_0.png', 'CHNCXR_0002_0.png'], '2 patients, 1 image each'),
    (['3_0.jpg', '3_1.jpg', '4_0.jpg'], '2 patients, 1 to 2 images each'),
    (['bus_0001-l.png', 'bus_0001-r.png', 'bus_0002-l.png'], '2 patients, 1 to 2 images each'),
    (['Smith 2019-01 a.png', 'Smith 2019-01 b.png', 'Jones 2020-02 a.png'], '2 patients, 1 to 2 images each'),
    (['P12/scan3/5.png', 'P12/scan3/6.png', 'P13/scan1/1.png'], '2 patients, 1 to 2 images each')])
def test_rules_for_the_names_that_people_give(tmp_path, names, gives):
    import pandas as pd
    t = pd.DataFrame(dict(image=names, below=names, label='x'))
    assert str(propose_rules(t, tmp_path)[0]) == gives

def test_a_rule_that_mixes_classes_says_so(tmp_path):
    "BUSI counts each class from 1: the number is no patient"
    import pandas as pd
    names = [f'{c} ({i}).png' for c in ('benign', 'malignant') for i in (1, 2)]
    t = pd.DataFrame(dict(image=names, below=names, label=[n.split()[0] for n in names]))
    number = next(r for r in propose_rules(t, tmp_path) if r.told == 'the first number of the name')
    assert str(number) == '2 patients, 2 images each, 2 of them with images of several classes'

def test_real_gallbladder_rule(realdata):
    "The rule that its authors state is proposed, and gives the infants of the manifest"
    import pandas as pd
    t = pd.read_csv(realdata/'gallbladder'/'manifest.csv')
    n = t.image.str.extract(r'/(\d+)_')[0].nunique()
    t = pd.DataFrame(dict(image=t.image, below=t.image.str[7:], label=t.label))
    assert any(r.patients == n for r in propose_rules(t, realdata/'gallbladder'))

# The page ---------------------------------------------------------------------------------------------------

def test_the_page_needs_nothing_and_escapes_names(tmp_path, alike):
    picture(900).save(alike/'cyst'/'P9_<script>alert(1)<&.png')
    (alike/'cyst'/'broken_1.png').write_bytes(b'\x89PNG nothing')
    s = survey(alike)
    page = survey_page(s, tmp_path/'a.html').read_text()
    assert '<script' not in page and 'src="http' not in page and '1 files that' in page and 'broken_1.png' in page
    assert len(s.wrong) == 1 and s.copies == 0 and json.dumps(s.as_dict())

def test_look_in_a_terminal(usbook, alike, tmp_path):
    said = usbook('look', alike, '--patients', r'^(P\d+)_', '--json')
    out = json.loads(said.stdout)
    assert said.returncode == 0 and out['patients'] == 8 and len(out['alike']) == 4 and out['rules'] == []
    (tmp_path/'empty').mkdir()
    assert 'holds no image' in usbook('look', tmp_path/'empty').stderr
    assert 'look.html' in usbook('look', make_tree(tmp_path/'t', size=16)).stdout

def test_text_is_found_where_it_is():
    im = picture(3, 256).point(lambda v: v*.3)
    assert text_boxes(im) == []
    ImageDraw.Draw(im).text((120, 10), 'LEFT BREAST', fill=255, font_size=14)
    x, y, w, h = text_boxes(im)[0]
    assert x >= 118 and y >= 8 and 30 < w < 130 and h < 20

def test_text_in_real_images(realdata):
    "Every image that it names has letters in it, by eye; single letters, as on the heads, are not found"
    s = survey(realdata/'breast', progress=lambda *a: None)
    assert {'images/b001.png', 'images/m140.png', 'images/n031.png'} <= {i for i, _ in s.texts} and len(s.texts) == 13

# Slices -----------------------------------------------------------------------------------------------------

def test_slices_in_the_order_of_the_body(tmp_path):
    ds, files = pydicom.dcmread(get_testdata_file('CT_small.dcm')), []
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    for k, z in enumerate((30, -10, 5.5)):
        ds.ImagePositionPatient = [0, 0, z]
        ds.save_as(tmp_path/f'{k}.dcm')
        files.append(tmp_path/f'{k}.dcm')
    assert [f.stem for f in slice_order(files)] == ['1', '2', '0']
    with pytest.raises(BadInput, match='at the position of another slice'): slice_order([files[0], files[0]])
    ds.SeriesInstanceUID = '9.9'
    ds.save_as(tmp_path/'other.dcm')
    with pytest.raises(BadInput, match='slices of 2 series') as e: slice_order([files[0], tmp_path/'other.dcm'])
    assert '9.9' not in str(e.value)
    del ds.ImagePositionPatient
    ds.save_as(tmp_path/'lost.dcm')
    with pytest.raises(BadInput, match="doesn't say where its slice is"): slice_order([tmp_path/'lost.dcm'])

# What is here -----------------------------------------------------------------------------------------------

def test_the_list_of_sets(usbook, tmp_path):
    said = usbook('data')
    assert said.returncode == 0 and 'busi' in said.stdout and '0 of 11 sets are here' in said.stdout
    d = {s['name']: s for s in json.loads(usbook('data', '--json').stdout)['sets']}
    assert d['gallbladder']['options'] == '--same-patient' and d['shenzhen']['size'] == '3.8 GB'
    assert 'usbook data get' in usbook('data', 'fetch').stderr
    assert 'is not on the list of open data' in usbook('data', 'get', 'nosuch').stderr

def test_a_set_that_somebody_has_is_linked_and_left_as_it_is(usbook, tmp_path, monkeypatch):
    from dataclasses import replace
    from usbook.data.sets import facts
    monkeypatch.setitem(facts.OPEN, 'montgomery', replace(facts.OPEN['montgomery'], counts=dict(images=8)))
    own = tmp_path/'mine'
    for i in range(8):
        for part in ('CXR_png', 'ManualMask/leftMask', 'ManualMask/rightMask'):
            (own/part).mkdir(parents=True, exist_ok=True)
            picture(10*i + len(part), 32).save(own/part/f'MCUCXR_{i:04}_{i % 2}.png')
    before = sorted(str(f) for f in own.rglob('*'))
    said = usbook('data', 'get', 'montgomery', '--from', own)
    assert said.returncode == 0 and 'montgomery: 8 images, 8 patients: ' in said.stdout, said.stderr
    assert sorted(str(f) for f in own.rglob('*')) == before
    assert '1 of 11 sets are here' in usbook('data').stdout

# Few patients -----------------------------------------------------------------------------------------------

def test_few_patients_are_tested_in_folds_and_that_is_said(tmp_path):
    from types import SimpleNamespace
    from usbook.studies.machinery import FEW_PATIENTS, Plan, folds_for_few
    m = Manifest.open(make_tree(tmp_path, ('cyst', 'solid'), patients=6, each=1, size=16), r'^(P\d+)_')
    plan = Plan(SimpleNamespace())
    assert folds_for_few(plan, m).folds == 5 and 'Because 12 patients are few' in m.notes[-1] and FEW_PATIENTS > 57
    given = split_by_patient(Manifest.open(tmp_path, r'^(P\d+)_'))
    assert folds_for_few(plan, given) is plan and not any('are few' in n for n in given.notes)
    two = m.subset([p in ('P000', 'P001', 'P100', 'P101') for p in m.patients])
    assert folds_for_few(plan, two).folds == 0
