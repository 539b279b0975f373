"""Adapters on made-up trees of the real shape, downloads from a server of our own, archives that mean harm."""
import http.server, io, json, os, re, stat, struct, tarfile, threading, zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from usbook.data.sets import adapters, facts, fetch as fetching
from usbook.data.manifest import IMAGE_LEVEL, Manifest
from usbook.core.errors import BadInput

rng = np.random.default_rng(0)

def png(path, pixels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (8, 8), dtype='uint8') if pixels is None else pixels).save(path)

def gif(path, n=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    ims = [Image.fromarray(rng.integers(0, 255, (8, 8), dtype='uint8')) for _ in range(n)]
    ims[0].save(path, save_all=True, append_images=ims[1:], duration=40)

def nifti(path, a):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack('<i36x8h14xh36xfff', 348, 3, *a.shape, 1, 1, 1, 1, 4, 352, 1, 0).ljust(352, b'\0')
    path.write_bytes(head + a.astype('<i2').tobytes(order='F'))

def said(f, *args, **kwargs):
    with pytest.raises(BadInput) as e: f(*args, **kwargs)
    assert '\n' not in str(e.value)
    return str(e.value)

# The list --------------------------------------------------------------------------------------------------

def test_two_sets_a_study_with_all_facts():
    studies = ['lung_signs', 'head_ct', 'breast_cine', 'abdomen', 'pneumoconiosis']
    assert {s: sum(o.study == s for o in facts.OPEN.values()) for s in studies} == dict.fromkeys(studies, 2) | dict(
        breast_cine=3
    )
    for name, s in facts.OPEN.items():
        assert name == s.name and s.page.startswith('https://') and s.licence and s.citation and s.manual and s.labels
        assert bool(s.url) != bool(s.gate) and (s.sha256 is None or len(s.sha256) == 64)
        assert s.url is None or s.url.startswith('https://')
        assert '//github.com/' not in (s.url or '') or re.search(r'/archive/[0-9a-f]{40}\.zip$', s.url), 'it may change'

def test_names():
    assert facts.get_set('open:busi').name == 'busi'
    assert 'did you mean open:montgomery?' in said(
        facts.get_set, 'open:montgomary'
    ) and 'known are covid-blues' in said(facts.get_set, 'zzz')

# Adapters --------------------------------------------------------------------------------------------------

def few(monkeypatch, name, **counts): monkeypatch.setitem(facts.OPEN, name, replace(facts.OPEN[name], counts=counts))

def test_covid_blues(tmp_path, monkeypatch):
    top, rows = tmp_path/'COVID-BLUES-main', ['video_file,Severity Score,A-lines,B-lines,comments']
    signs = [('yes', 'no'), ('no', 'yes '), ('yes', 'yes'), ('no ', 'no')]
    for p in range(1, 9):
        for i, point in enumerate(('L1', 'R2')):
            (top/'lus_videos').mkdir(parents=True, exist_ok=True)
            (top/'lus_videos'/f'patient_{p}_{point}.mp4').write_bytes(b'')
            rows.append(f'patient_{p}_{point},{i}.0,{",".join(signs[p % 4])},"broken pleura line, B-lines"')
    (top/'severity.csv').write_text('\n'.join(rows))
    monkeypatch.setattr(
        adapters,
        'some_frames',
        lambda clip, n: [Image.fromarray(rng.integers(0, 255, (8, 8), dtype='uint8')) for _ in range(n)],
    )
    assert 'has 16 clips where the covid-blues set has 362' in said(adapters.adapt, 'covid-blues', tmp_path)
    few(monkeypatch, 'covid-blues', clips=16, patients=8)
    m = adapters.adapt('covid-blues', tmp_path)
    assert (
        len(m) == 128 and len(set(m.patients)) == 8 and m.classes == ['a_lines', 'a_lines;b_lines', 'b_lines', 'none']
    )
    two = adapters.adapt('covid-blues', tmp_path, classes=['effusion', 'b_lines', 'a_lines'])
    assert (
        two.classes == ['b_lines', 'a_lines']
        and adapters.adapt('covid-blues', tmp_path, classes=['x', 'y']).classes == m.classes
    )
    assert (
        len(two) == 64 and any('were left out' in n for n in two.notes) and any('CC BY-NC-ND' in n for n in two.notes)
    )
    assert any('32 images with several signs and 32 with none of them' in n for n in two.notes)
    all_of_them = adapters.adapt('covid-blues', tmp_path, classes=['effusion', 'b_lines', 'a_lines'], several=True)
    assert len(all_of_them) == 128 and all_of_them.several and all_of_them.classes == ['b_lines', 'a_lines']
    assert all_of_them.counts().images.to_dict() == dict(b_lines=64, a_lines=64)
    one = adapters.adapt('covid-blues', tmp_path, classes=['b_lines', 'x'], several=True)
    assert one.table.label.value_counts().to_dict() == dict(b_lines=64, none=64)
    assert "package: pip install 'usbook[video]'" in said(read_clip, top/'lus_videos'/'patient_1_L1.mp4')


def test_signs_joined_by_a_plus(tmp_path):
    "Some public sets write a_lines+b_lines; a name that holds a + itself stays whole"
    from usbook.data.manifest import read_manifest
    for i in range(8): Image.fromarray(np.full((9, 9), 30*i, np.uint8)).save(tmp_path/f'{i}.png')
    labels = ['x+y', 'x;y', 'none', 'HER2+', 'x', 'y', 'HER2+;x', 'none']
    rows = '\n'.join(f'{i}.png,P{i},{l}' for i, l in enumerate(labels))
    (tmp_path/'m.csv').write_text('image,patient,label\n' + rows)
    m = read_manifest(tmp_path/'m.csv', ['x', 'y', 'HER2+'], several=True)
    assert m.counts().images.to_dict() == {'x': 4, 'y': 3, 'HER2+': 2}

read_clip = adapters.some_frames

@pytest.fixture(autouse=True)
def no_video_reader(monkeypatch):
    "As on a computer without the package av"
    monkeypatch.setitem(__import__('sys').modules, 'av', None)

def test_pocus(tmp_path):
    top, head = (
        tmp_path / 'covid19_ultrasound-master' / 'data',
        'Filename,License,Type,Probe,Patient ID / Name,Effusion,Consolidations,B-lines,A-lines',
    )
    rows = [head]
    for p in range(4):
        gif(top/'pocus_videos'/'convex'/f'Cov-Atlas+({p}).gif')
        rows.append(f'Cov-Atlas+({p}),CC BY-NC 4.0,video,convex,{p},0,0,{p % 2},{1 - p % 2}')
    png(top/'pocus_images'/'convex'/'still.png')
    rows += [
        'still,CC BY 4.0,image,convex,9,0,0,1,0',
        'elsewhere,None,video,convex,3,0,0,1,0',
        'Cov-Atlas+(1),twice,video,convex,7,1,1,1,1',
    ]
    (top/'dataset_metadata.csv').write_text('\n'.join(rows))
    m = adapters.adapt('pocus', tmp_path, classes=['a_lines', 'b_lines'])
    assert (
        len(m) == 4 * 8 + 1
        and set(m.patients) == {'P0', 'P1', 'P2', 'P3', 'P9'}
        and set(m.table.licence) == {'CC BY-NC 4.0', 'CC BY 4.0'}
    )

def test_head_ct(tmp_path):
    for i in range(200): png(tmp_path/'head_ct'/'head_ct'/f'{i:03}.png')
    (tmp_path/'labels.csv').write_text('id, hemorrhage\n' + ''.join(f'{i}, {int(i < 100)}\n' for i in range(200)))
    m = adapters.adapt('head-ct', tmp_path)
    assert m.counts().patients.tolist() == [100, 100] and m.table.label[0] == 'finding'
    (tmp_path/'head_ct'/'head_ct'/'007.png').unlink()
    assert 'head_ct/head_ct/007.png is missing' in said(adapters.adapt, 'head-ct', tmp_path)

def test_ct_ich(tmp_path, monkeypatch):
    rows = [
        'PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,'
        'No_Hemorrhage,Fracture_Yes_No'
    ]
    for p in (49, 50, 51, 52):
        hu = rng.integers(-20, 90, (6, 5, 3))
        nifti(tmp_path/'ct_scans'/f'{p:03}.nii', hu)
        nifti(tmp_path/'masks'/f'{p:03}.nii', np.where(hu > 60, 255, 0))
        rows += [f'{p},{n},0,0,0,0,{int(n == 2)},{int(n != 2)},0' for n in (1, 2, 3)]
    (tmp_path/'hemorrhage_diagnosis_raw_ct.csv').write_text('\n'.join(rows) + '\n59,1,0,0,0,0,0,1,0\n')
    few(monkeypatch, 'ct-ich', patients=4)
    m = adapters.adapt('ct-ich', tmp_path)
    assert (
        len(m) == 12
        and m.counts().images.tolist() == [4, 8]
        and m.load(0).size == (6, 5)
        and m.table['mask'][0] == 'slice_masks/049_01.png'
    )
    last = np.asarray(m.load(11))
    assert np.array_equal(last, np.rot90(adapters.window(hu[:, :, 2].astype(float), 40, 80)))
    (tmp_path/'masks'/'049.nii').write_bytes(b'short')
    assert 'is not a NIfTI-1 file' in said(adapters.adapt, 'ct-ich', tmp_path)

def test_bus_bra(tmp_path, monkeypatch):
    rows = ['ID,Case,Histology,Pathology,BIRADS']
    for c in range(1, 5):
        for side in 'lr':
            png(tmp_path/'BUSBRA'/'Images'/f'bus_{c:04}-{side}.png')
            png(tmp_path/'BUSBRA'/'Masks'/f'mask_{c:04}-{side}.png')
            rows.append(f'bus_{c:04}-{side},{c},x,{["benign", "malignant"][c % 2]},4')
    (tmp_path/'BUSBRA'/'bus_data.csv').write_text('\n'.join(rows))
    few(monkeypatch, 'bus-bra', images=8, patients=4)
    m = adapters.adapt('bus-bra', tmp_path)
    assert (
        len(m) == 8
        and set(m.patients) == {'C0001', 'C0002', 'C0003', 'C0004'}
        and m.table['mask'][0].endswith('mask_0001-l.png')
    )

def test_busi(tmp_path, monkeypatch):
    same = rng.integers(0, 255, (8, 8), dtype='uint8')
    for c in ('benign', 'malignant', 'normal'):
        for i in range(1, 5):
            png(tmp_path/'Dataset_BUSI_with_GT'/c/f'{c} ({i}).png', same if i == 4 and c != 'normal' else None)
            png(tmp_path/'Dataset_BUSI_with_GT'/c/f'{c} ({i})_mask.png', np.full((8, 8), 10*i, 'uint8'))
    png(tmp_path/'Dataset_BUSI_with_GT'/'benign'/'benign (1)_mask_1.png', np.full((8, 8), 200, 'uint8'))
    few(monkeypatch, 'busi', images=12, benign=4, malignant=4, normal=4)
    assert 'say --image-level' in said(adapters.adapt, 'busi', tmp_path)
    m = adapters.adapt('busi', tmp_path, image_level=True)
    assert (
        len(m) == 10
        and m.notes[0] == IMAGE_LEVEL
        and any('2 images were left out because copies' in n for n in m.notes)
    )
    assert np.asarray(Image.open(tmp_path/m.table['mask'][0])).max() == 200

def test_buv(tmp_path, monkeypatch):
    "COCO-VID files; only annotated frames are used, and a lesion keeps its number"
    from usbook.studies.breast_cine import read
    top = tmp_path/'Miccai 2022 BUV Dataset'
    for part, names in (('train_15frames', ('benign/a1', 'malignant/b2')), ('val', ('benign/c3', 'malignant/d4'))):
        d = dict(videos=[], images=[], annotations=[])
        for v, name in enumerate(names, 1):
            d['videos'].append(dict(id=v, name=name))
            for k in range(0, 12, 3):
                png(top/'rawframes'/name/f'{k:06}.png')
                i = 100*v + k
                d['images'].append(
                    dict(id=i, video_id=v, frame_id=k, file_name=f'{name}/{k:06}.png', width=8, height=8)
                )
                if k:
                    d['annotations'].append(
                        dict(image_id=i, video_id=v, instance_id=v, category_id=1, bbox=[1, 2, 3, 4])
                    )
            png(top/'rawframes'/name/'000001.png')
        (top/'annotations').mkdir(exist_ok=True)
        (top/'annotations'/f'instances_imagenet_vid_{part}.json').write_text(json.dumps(d))
    assert 'say --image-level' in said(adapters.adapt, 'buv', tmp_path)
    assert 'has 4 clips where the buv set has 188' in said(adapters.adapt, 'buv', tmp_path, image_level=True)
    few(monkeypatch, 'buv', clips=4)
    m = adapters.adapt('buv', tmp_path, image_level=True)
    assert (
        len(m) == 16
        and m.splits == ['train', 'test']
        and m.table.label.value_counts().to_dict() == dict(mass=12, no_mass=4)
    )
    clips = read(m)
    assert (
        len(clips) == 4
        and clips.n_lesions == 4
        and set(clips.scans.n_frames) == {4}
        and any('arXiv 2207.00141' in n for n in clips.notes)
    )
    assert clips.splits == ['train', 'test'] and clips.boxes().frame.tolist().count(0) == 0
    (top/'rawframes'/'benign'/'a1'/'000003.png').unlink()
    __import__('shutil').rmtree(tmp_path/'clips')
    assert '000003.png: is missing' in said(adapters.adapt, 'buv', tmp_path, image_level=True)

def test_gallbladder(tmp_path, monkeypatch):
    for part, n in (('training_data', 8), ('test_data', 6)):
        lines = []
        for p in range(n):
            name = f'{p}_0.{"JPG" if p % 3 else "jpg"}'
            png(tmp_path/'repo'/'data'/part/name.replace('JPG', 'png').replace('jpg', 'png'))
            os.replace(
                tmp_path / 'repo' / 'data' / part / name.replace('JPG', 'png').replace('jpg', 'png'),
                tmp_path / 'repo' / 'data' / part / name,
            )
            lines.append(f'{name},{p % 2}')
        (tmp_path/'repo'/'data'/part/'label.csv').write_text('\n'.join(lines))
    few(monkeypatch, 'gallbladder', test=6)
    m = adapters.adapt('gallbladder', tmp_path)
    assert (
        m.splits == ['train', 'test']
        and len(m) == 14
        and {'train-0', 'test-0'} <= set(m.patients)
        and m.table.label[0] == 'atresia'
    )

def test_usanotai(tmp_path, monkeypatch):
    organs = list(facts.OPEN['usanotai'].labels)
    for o in organs:
        for i in (1, 51): png(tmp_path/'USAnotAI-master'/('train' if i < 50 else 'test')/f'{o}-{i:04}.png')
    few(monkeypatch, 'usanotai', images=12, **dict.fromkeys(organs, 2))
    assert 'never invented' in said(adapters.adapt, 'usanotai', tmp_path)
    assert adapters.adapt('usanotai', tmp_path, image_level=True).counts().images.tolist() == [2]*6

@pytest.mark.parametrize('name,prefix,masks', [('shenzhen', 'CHNCXR', False), ('montgomery', 'MCUCXR', True)])
def test_nlm(tmp_path, monkeypatch, name, prefix, masks):
    for i in range(8):
        png(tmp_path/'Set'/'CXR_png'/f'{prefix}_{i:04}_{i % 2}.png')
        for side in ('leftMask', 'rightMask') * masks:
            png(tmp_path / 'Set' / 'ManualMask' / side / f'{prefix}_{i:04}_{i % 2}.png')
    few(monkeypatch, name, images=8, normal=4, tuberculosis=4)
    m = adapters.adapt(name, tmp_path)
    assert m.patients[0] == '0000' and ('mask' in m.table) == masks and m.counts().images.tolist() == [4, 4]

BUSI_LAYOUTS = {
    'authors': ('{c}/{c} ({i}).png', '{c}/{c} ({i})_mask.png'),
    'folders below': ('{c}/images/{c} ({i}).png', '{c}/mask/{c} ({i}).png'),
    'folders below, named masks': ('{c}/image/{c} ({i}).png', '{c}/mask/{c} ({i})_mask.png'),
    'two folders': ('images/{c} ({i}).png', 'masks/{c} ({i}).png'),
    'other marks': ('{c}/{c}_{i}.png', '{c}/{c}_{i}_mask.png'),
}

@pytest.mark.parametrize('layout', BUSI_LAYOUTS)
def test_busi_as_people_have_it(tmp_path, monkeypatch, layout):
    image, mask = BUSI_LAYOUTS[layout]
    for c in ('benign', 'malignant', 'normal'):
        for i in (1, 2, 3):
            png(tmp_path/'a set'/image.format(c=c, i=i))
            png(tmp_path/'a set'/mask.format(c=c, i=i), np.full((8, 8), 10*i, 'uint8'))
    few(monkeypatch, 'busi', images=9, benign=3, malignant=3, normal=3)
    for _ in range(2): # what was joined the first time is no image of the set
        m = adapters.adapt('busi', tmp_path, image_level=True)
        assert len(m) == 9 and m.counts().images.tolist() == [3, 3, 3]
        for i, mask_file in zip(m.table.image, m.table['mask']):
            number = int(''.join(ch for ch in i.rsplit('/', 1)[-1] if ch.isdigit()))
            assert np.asarray(Image.open(tmp_path/mask_file)).max() == 10*number

def test_half_a_set_says_all_that_it_lacks(tmp_path, monkeypatch):
    for c, n in (('benign', 3), ('malignant', 2)):
        for i in range(1, n + 1): png(tmp_path/c/f'{c} ({i}).png')
    few(monkeypatch, 'busi', images=9, benign=3, malignant=3, normal=3)
    text = said(adapters.adapt, 'busi', tmp_path, image_level=True)
    assert 'has 5 images where the busi set has 9, 2 malignant (3), 0 normal (3)' in text
    assert 'missing are malignant (3).png, normal (1).png, normal (2).png and 1 more' in text

def test_a_later_version_is_noted(tmp_path, monkeypatch):
    for c in ('benign', 'malignant', 'normal'):
        for i in range(1, 5): png(tmp_path/c/f'{c} ({i}).png')
    few(monkeypatch, 'busi', images=9, benign=3, malignant=3, normal=3)
    m = adapters.adapt('busi', tmp_path, image_level=True)
    assert any('a later version than the one known here: 12 images where the busi set has 9' in n for n in m.notes)

NLM_LAYOUTS = {
    'loose': ('{f}.png', '{f}_mask.png'),
    'two folders': ('images/{f}.png', 'mask/{f}_mask.png'),
    'one name': ('Lung Segmentation/CXR_png/{f}.png', 'Lung Segmentation/masks/{f}.png'),
}

@pytest.mark.parametrize('layout', NLM_LAYOUTS)
@pytest.mark.parametrize('name,prefix,other', [('shenzhen', 'CHNCXR', 'MCUCXR'), ('montgomery', 'MCUCXR', 'CHNCXR')])
def test_nlm_as_people_have_it(tmp_path, monkeypatch, layout, name, prefix, other):
    image, mask = NLM_LAYOUTS[layout]
    for i in range(8):
        for who in (prefix, other): # both sets are often in one folder
            png(tmp_path/image.format(f=f'{who}_{i:04}_{i % 2}'))
            if i < 6: png(tmp_path/mask.format(f=f'{who}_{i:04}_{i % 2}'), np.full((8, 8), 255, 'uint8'))
    few(monkeypatch, name, images=8, normal=4, tuberculosis=4)
    m = adapters.adapt(name, tmp_path)
    assert len(m) == 8 and (m.table['mask'] != '').sum() == 6 and '6 of 8 films have a lung mask.' in m.notes
    assert all(f'{prefix}_{p}' in k for p, k in zip(m.patients, m.table['mask']) if k)

def test_montgomery_with_one_lung_only(tmp_path, monkeypatch):
    for i in range(4):
        png(tmp_path/'CXR_png'/f'MCUCXR_{i:04}_{i % 2}.png')
        png(tmp_path/'ManualMask'/'leftMask'/f'MCUCXR_{i:04}_{i % 2}.png')
    few(monkeypatch, 'montgomery', images=4, normal=2, tuberculosis=2)
    assert 'has a mask of the left lung alone' in said(adapters.adapt, 'montgomery', tmp_path)

def test_linked_folders_are_walked(tmp_path, monkeypatch):
    for i in range(8): png(tmp_path/'disk'/'films'/f'CHNCXR_{i:04}_{i % 2}.png')
    (tmp_path/'set').mkdir()
    os.symlink(tmp_path/'disk'/'films', tmp_path/'set'/'CXR_png', target_is_directory=True)
    few(monkeypatch, 'shenzhen', images=8, normal=4, tuberculosis=4)
    assert len(adapters.adapt('shenzhen', tmp_path/'set')) == 8

def test_a_set_that_is_not_here_says_what_was_looked_for(tmp_path):
    png(tmp_path/'holiday.png')
    text = said(adapters.adapt, 'shenzhen', tmp_path)
    assert 'holds no image named like CHNCXR_0001_0.png among its 1 files' in text and 'CXR_png/CHNCXR_0001' in text

def test_instructions_say_what_has_to_be_said(tmp_path):
    assert 'start again with --same-patient' in facts.by_hand(facts.OPEN['gallbladder'], tmp_path)
    for s in facts.OPEN.values(): assert s.patients or '--image-level' in s.options

def test_zipped_volumes(tmp_path):
    import gzip
    nifti(tmp_path/'a.nii', np.arange(12).reshape(2, 3, 2))
    (tmp_path/'a.nii.gz').write_bytes(gzip.compress((tmp_path/'a.nii').read_bytes()))
    assert np.array_equal(adapters.read_nifti(tmp_path/'a.nii.gz'), np.arange(12).reshape(2, 3, 2))
    (tmp_path/'b.nii.gz').write_bytes(b'\x1f\x8b broken')
    assert 'is cut short or damaged' in said(adapters.read_nifti, tmp_path/'b.nii.gz')

@pytest.mark.parametrize('name', facts.OPEN)
def test_the_wrong_folder(tmp_path, name):
    text = said(adapters.adapt, name, tmp_path, image_level=True)
    assert str(tmp_path) in text and (f'the {name} set' in text)

@pytest.mark.parametrize('name', facts.OPEN)
def test_offline_or_gated_says_how_by_hand(tmp_path, name):
    text = said(fetching.fetch, name, tmp_path, offline=True, image_level=True)
    assert facts.OPEN[name].manual in text and facts.OPEN[name].licence in text and facts.OPEN[name].page in text
    if facts.OPEN[name].gate: assert "can't be downloaded by a program" in said(fetching.fetch, name, tmp_path)

# Real sets that are here -----------------------------------------------------------------------------------

def test_real_shenzhen_subset(realdata, tmp_path, monkeypatch):
    (tmp_path/'ChinaSet_AllFiles').mkdir()
    (tmp_path/'ChinaSet_AllFiles'/'CXR_png').mkdir()
    for f in (realdata / 'chest_shenzhen' / 'images').glob('*.png'):
        (tmp_path / 'ChinaSet_AllFiles' / 'CXR_png' / f.name).write_bytes(f.read_bytes())
    few(monkeypatch, 'shenzhen', images=180, normal=90, tuberculosis=90)
    m, there = adapters.adapt('shenzhen', tmp_path), Manifest.open(realdata/'chest_shenzhen')
    assert m.digests.tolist() == there.digests.tolist() and m.table.label.tolist() == there.table.label.tolist()

def test_real_abdomen_organs(realdata, tmp_path):
    for f in (realdata/'abdomen_organs'/'images').glob('*.png'):
        part, name = f.name.split('_', 1)
        (tmp_path/part).mkdir(exist_ok=True)
        (tmp_path/part/name).write_bytes(f.read_bytes())
    m = adapters.adapt('usanotai', tmp_path, image_level=True)
    assert len(m) == 366 and len(set(m.patients)) == 361

def test_real_shenzhen_with_masks(realdata, tmp_path, monkeypatch):
    "As Stirenko et al. give it: films and masks side by side, a mask's name ends in _mask"
    there = realdata/'chest_shenzhen'
    for f in sorted((there/'images').glob('*.png'))[::6]:
        (tmp_path/f.name).symlink_to(f)
        mask = (there/'masks'/f.name).read_bytes()
        (tmp_path/f'{f.stem}_mask.png').write_bytes(mask)
        (tmp_path/f.name).unlink()
        (tmp_path/f.name).write_bytes(f.read_bytes())
    few(monkeypatch, 'shenzhen')
    m = adapters.adapt('shenzhen', tmp_path)
    assert len(m) == 30 and (m.table['mask'] != '').all()

@pytest.mark.parametrize('layout', ['{c}/{c} ({i}).png|{c}/{c} ({i})_mask.png', '{c}/images/{f}|{c}/mask/{f}'])
def test_real_busi(realdata, tmp_path, monkeypatch, layout):
    there, image = realdata/'breast', layout.split('|')[0]
    for k, f in enumerate(sorted((there/'images').glob('*.png'))[::5]):
        c, i = dict(b='benign', m='malignant', n='normal')[f.stem[0]], int(f.stem[1:])
        for part, name in zip(('images', 'masks'), layout.split('|')):
            to = tmp_path/name.format(c=c, i=i, f=f'{c} ({i}).png')
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes((there/part/f.name).read_bytes())
    few(monkeypatch, 'busi')
    m = adapters.adapt('busi', tmp_path, image_level=True)
    assert len(m) == k + 1 and (m.table['mask'] != '').all()
    of = Manifest.open(there, image_level=True).table.groupby('label').size()
    assert {c: n > 0 for c, n in m.counts().images.items()} == {c: True for c in of.index} and image

def test_real_gallbladder(realdata, tmp_path, monkeypatch):
    "Its own test part: infants share images, which the instructions say"
    import pandas as pd
    t = pd.read_csv(realdata/'gallbladder'/'manifest.csv')
    infants = sorted(t.patient.unique())
    for part, some in (('training_data', infants[:180]), ('test_data', infants[180:])):
        (tmp_path/'data'/part).mkdir(parents=True)
        rows = t[t.patient.isin(some)]
        for f in rows.image: (tmp_path/'data'/part/f[7:]).write_bytes((realdata/'gallbladder'/f).read_bytes())
        lines = [f'{f[7:]},{int(y == "no_atresia")}' for f, y in zip(rows.image, rows.label)]
        (tmp_path/'data'/part/'label.csv').write_text('\n'.join(lines))
    few(monkeypatch, 'gallbladder', test=int((~t.patient.isin(infants[:180])).sum()))
    m = adapters.adapt('gallbladder', tmp_path, same_patient=True)
    assert len(m) == 855 and m.splits == ['train', 'test']

def test_real_head_ct(realdata, tmp_path, monkeypatch):
    import pandas as pd
    t = pd.read_csv(realdata/'head_ct'/'manifest.csv')
    for f in t.image[::4]: png_copy(realdata/'head_ct'/f, tmp_path/'head_ct'/f.rsplit('/', 1)[-1])
    png_copy(realdata/'head_ct'/t.image[0], tmp_path/'head_ct'/'000.png')
    rows = [f'{int(f[-7:-4])}, {int(y == "finding")}' for f, y in zip(t.image[::4], t.label[::4])]
    (tmp_path/'labels.csv').write_text('id, hemorrhage\n' + '\n'.join(rows))
    few(monkeypatch, 'head-ct')
    m = adapters.adapt('head-ct', tmp_path)
    assert len(m) == 50 and m.table.label.tolist() == t.label[::4].tolist()

def png_copy(src, to):
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(src.read_bytes())

def test_real_pocus(realdata, tmp_path):
    "Frames of four clips, put together as the clips that they were cut from, below the set's own folders"
    import pandas as pd
    t = pd.read_csv(realdata/'lung_signs'/'manifest.csv', dtype=str).fillna('')
    names = {'A-lines': 'a_lines', 'B-lines': 'b_lines', 'Effusion': 'effusion', 'Consolidations': 'consolidation'}
    lines, top = ['Filename,License,Type,Probe,Patient ID / Name,' + ','.join(names)], tmp_path/'repo'/'data'
    few_scans = t.drop_duplicates(['label', 'patient']).groupby('label').scan.head(2)
    plain = t[t.scan.isin(few_scans) & t.label.isin(['b_lines', 'consolidation', 'none'])]
    for scan, g in plain.groupby('scan'):
        ims = [Image.open(realdata/'lung_signs'/f).convert('L').resize((64, 64)) for f in g.image]
        out = top/'pocus_videos'/'convex'/f'{scan}.gif'
        out.parent.mkdir(parents=True, exist_ok=True)
        ims[0].save(out, save_all=True, append_images=ims[1:], duration=80)
        r = g.iloc[0]
        lines.append(f'{scan},{r.licence},video,{r.probe},{r.patient[1:]},' + ','.join(r[c] for c in names.values()))
    (top/'dataset_metadata.csv').write_text('\n'.join(lines))
    m = adapters.adapt('pocus', tmp_path)
    first = t.groupby('scan').first()
    assert set(m.table.scan) <= set(first.index) and len(set(m.table.scan)) == len(lines) - 1
    same = [set(l.split('+')) == set(first.label[s].split('+')) for s, l in zip(m.table.scan, m.table.label)]
    assert all(same), [(s, l, first.label[s]) for s, l, ok in zip(m.table.scan, m.table.label, same) if not ok][:3]

# Downloads -------------------------------------------------------------------------------------------------

class Server(http.server.BaseHTTPRequestHandler):
    body, etag, ranges, breaks, log = b'', '"1"', True, 0, []
    def do_GET(self):
        cls, asked = type(self), self.headers.get('Range')
        cls.log.append(asked)
        start = int(asked[6:-1]) if asked and cls.ranges and self.headers.get('If-Range') == cls.etag else 0
        self.send_response(206 if start else 200)
        self.send_header('ETag', cls.etag)
        self.send_header('Content-Length', str(len(cls.body) - start))
        self.end_headers()
        stop, cls.breaks = cls.breaks or len(cls.body), 0
        self.wfile.write(cls.body[start:stop])
        self.close_connection = True
    def log_message(self, *args): pass

@pytest.fixture
def server():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as z:
        for i in range(8):
            f = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (64, 64), dtype='uint8')).save(f, 'PNG')
            z.writestr(f'S/CXR_png/CHNCXR_{i:04}_{i % 2}.png', f.getvalue())
    handler = type('Handler', (Server,), dict(body=buffer.getvalue(), log=[]))
    s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=s.serve_forever, args=(.02,), daemon=True).start()
    handler.url = f'http://127.0.0.1:{s.server_port}/set.zip'
    yield handler
    s.shutdown()

@pytest.fixture
def here(server, monkeypatch):
    "The shenzhen set, served from here and small"
    import hashlib
    monkeypatch.setenv('no_proxy', '*')
    s = replace(
        facts.OPEN['shenzhen'],
        url=server.url,
        sha256=hashlib.sha256(server.body).hexdigest(),
        counts=dict(images=8, normal=4, tuberculosis=4),
    )
    monkeypatch.setitem(facts.OPEN, 'shenzhen', s)
    return s

def test_download_once(here, server, tmp_path):
    m = fetching.fetch('open:shenzhen', tmp_path)
    assert len(m) == 8 and len(server.log) == 1
    assert fetching.fetch('shenzhen', tmp_path, offline=True).sha256() == m.sha256() and len(server.log) == 1
    assert sorted(p.name for p in (tmp_path/'open'/'shenzhen').iterdir()) == ['files']

def test_a_broken_download_goes_on(here, server, tmp_path):
    server.breaks = 20_000
    assert 'the download stopped' in said(fetching.fetch, 'shenzhen', tmp_path)
    have = (tmp_path/'open'/'shenzhen'/'set.zip.part').stat().st_size
    assert 0 < have <= 20_000
    assert len(fetching.fetch('shenzhen', tmp_path)) == 8 and server.log == [None, f'bytes={have}-']

def test_a_file_that_changed_meanwhile_starts_anew(here, server, tmp_path):
    server.breaks = 20_000
    said(fetching.fetch, 'shenzhen', tmp_path)
    server.etag = '"2"'
    assert len(fetching.fetch('shenzhen', tmp_path)) == 8

def test_a_server_without_ranges(here, server, tmp_path):
    server.breaks, server.ranges = 20_000, False
    said(fetching.fetch, 'shenzhen', tmp_path)
    assert len(fetching.fetch('shenzhen', tmp_path)) == 8

def test_wrong_checksum_and_no_server(here, server, tmp_path, monkeypatch):
    monkeypatch.setitem(facts.OPEN, 'shenzhen', replace(here, sha256='0'*64))
    assert 'its checksum differs' in said(fetching.fetch, 'shenzhen', tmp_path)
    monkeypatch.setitem(facts.OPEN, 'shenzhen', replace(here, url='http://127.0.0.1:9/set.zip'))
    text = said(fetching.fetch, 'shenzhen', tmp_path)
    assert 'the download stopped (ConnectionError)' in text and here.manual in text

# Archives --------------------------------------------------------------------------------------------------

def bad_zip(path, name, mode=0o644):
    with zipfile.ZipFile(path, 'w') as z:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        z.writestr(info, 'x')
    return path

@pytest.mark.parametrize('name', ['../x', 'a/../../x', '/etc/x', 'C:/x', r'..\x', r'\\server\x', ' '])
def test_zip_that_climbs(tmp_path, name):
    assert 'outside its folder' in said(fetching.unpack, bad_zip(tmp_path/'a.zip', name), tmp_path/'out')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.zip']

def test_links_and_devices(tmp_path):
    assert 'a link or a device' in said(
        fetching.unpack, bad_zip(tmp_path / 'a.zip', 'l', stat.S_IFLNK | 0o777), tmp_path / 'out'
    )
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo('l')
        info.type, info.linkname = kind, '/etc/passwd'
        with tarfile.open(tmp_path/'a.tar', 'w') as t: t.addfile(info)
        assert 'a link or a device' in said(fetching.unpack, tmp_path/'a.tar', tmp_path/'out')
    with tarfile.open(tmp_path/'b.tgz', 'w:gz') as t: t.addfile(tarfile.TarInfo('../x'))
    assert 'outside its folder' in said(fetching.unpack, tmp_path/'b.tgz', tmp_path/'out')

def test_good_tar(tmp_path):
    info, data = tarfile.TarInfo('a/b.txt'), b'hello'
    info.size = len(data)
    with tarfile.open(tmp_path/'a.tgz', 'w:gz') as t: t.addfile(info, io.BytesIO(data))
    assert (fetching.unpack(tmp_path/'a.tgz', tmp_path/'out')/'a'/'b.txt').read_bytes() == data

def test_not_an_archive_and_a_full_disk(tmp_path, monkeypatch):
    (tmp_path/'a.zip').write_text('<html>sign in</html>')
    assert 'neither a zip nor a tar' in said(fetching.unpack, tmp_path/'a.zip', tmp_path/'out')
    monkeypatch.setattr(fetching.shutil, 'disk_usage', lambda p: type('U', (), dict(free=0)))
    assert 'make room' in said(fetching.unpack, bad_zip(tmp_path/'b.zip', 'ok.txt'), tmp_path/'out')
