"""Every way a table of images can be wrong, and the sentence for it."""
import os, shutil, struct, zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from usbook.data.manifest import IMAGE_LEVEL, Manifest, problems
from usbook.data.images import load_image, to_8bit
from usbook.core.errors import LeakageError, refuse
from usbook.core.errors import BadInput

HEAD = 'image,patient,label\n'
GOOD = HEAD + ''.join(f'im/{p}{i}.png,00{p},{"ab"[p % 2]}\n' for p in range(6) for i in range(2))

def grey(seed, shape=(12, 12)): return np.random.default_rng(seed).integers(1, 255, shape, dtype='uint8')

def bomb():
    "A tiny PNG that says it is 60 000 pixels wide and high"
    chunk = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 8, 0, 0, 0, 0))
        + chunk(b'IDAT', zlib.compress(b''))
        + chunk(b'IEND', b'')
    )

@pytest.fixture(scope='module')
def root(tmp_path_factory):
    "Twelve good images of six patients, and one file for each thing that can be wrong with a file"
    d = tmp_path_factory.mktemp('set')
    (d/'im').mkdir()
    for p in range(6):
        for i in range(2): Image.fromarray(grey(2*p + i)).save(d/'im'/f'{p}{i}.png')
    png = (d/'im'/'00.png').read_bytes()
    (d/'cut.png').write_bytes(png[:-40])
    (d/'empty.png').write_bytes(b'')
    (d/'text.png').write_text('not an image')
    (d/'bomb.png').write_bytes(bomb())
    (d/'folder.png').mkdir()
    Image.fromarray(grey(50, (64, 64))).save(d/'whole.jpg')
    (d/'cut.jpg').write_bytes((d/'whole.jpg').read_bytes()[:-300])
    Image.fromarray(grey(51).astype('uint16')*256).save(d/'deep.png')
    Image.fromarray(grey(51).astype('uint16')*256).save(d/'deep.tif')
    Image.fromarray(grey(51).astype('float32')).save(d/'float.tif')
    Image.new('CMYK', (12, 12), (9, 9, 9, 9)).save(d/'print.jpg')
    frames = [Image.fromarray(grey(60 + i)) for i in range(3)]
    frames[0].save(d/'cine.tif', save_all=True, append_images=frames[1:])
    (d.parent/'secret.png').write_bytes(png)
    (d/'eps.png').write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n')
    return d

def read(root, text, tmp_name='m.csv', **kwargs):
    (root/tmp_name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Manifest.read(root/tmp_name, **kwargs)

def said(f, *args, error=BadInput, **kwargs):
    with pytest.raises(error) as e: f(*args, **kwargs)
    text = str(e.value)
    assert '\n' not in text and len(text) < 700
    return text, getattr(e.value, 'problems', [])

def test_good(root):
    m = read(root, GOOD)
    assert len(m) == 12 and m.classes == ['a', 'b'] and problems(m) == [] and m.notes == []
    assert m.targets.tolist() == [0, 0, 1, 1]*3 and m.patients.tolist()[:3] == ['000', '000', '001']
    assert all(p.is_file() for p in m.paths) and m.splits == [] and m.frames == [None]*12

# Tables as spreadsheets write them -------------------------------------------------------------------------

@pytest.mark.parametrize(
    'change',
    [
        lambda t: t.encode('utf-8-sig'),
        lambda t: t.encode('utf-16'),
        lambda t: t.replace(',', ';').encode(),
        lambda t: t.replace(',', '\t').encode(),
        lambda t: ('sep=;\n' + t.replace(',', ';')).encode(),
        lambda t: t.replace('\n', '\r\n').encode(),
        lambda t: t.replace('im/', 'im\\').encode(),
        lambda t: t.replace('im/', './im//').encode(),
        lambda t: t.replace(',', ' , ').encode(),
        lambda t: t.replace('image', 'Image').replace('label', 'LABEL').encode(),
        lambda t: t.replace('\n', '\n\n').encode(),
        lambda t: t.replace('\n', ',,\n').encode(),
        lambda t: t.rstrip('\n').encode(),
    ],
    ids='bom utf16 semicolon tab sep crlf backslash detours spaces capitals blank-lines trailing no-newline'.split(),
)
def test_what_spreadsheets_do(root, change):
    pd.testing.assert_frame_equal(read(root, change(GOOD)).table, read(root, GOOD).table)

@pytest.mark.parametrize('text,says', [
    (b'', 'is empty; the first line should be image,patient,label'), ('\n \n', 'is empty'), (HEAD,
        'has a header and no rows'),
    ('file,pid,diagnosis\na,b,c\n', 'rename file to image, pid to patient, diagnosis to label'),
    ('image,label\nim/00.png,a\n', 'no column patient; it has image, label; patient ids are never invented'),
    ('image,patient,label,label\na,b,c,d\n', 'column label is there twice'),
    ('im/00.png,001,a\n', 'has no column image and no column patient and no column label'),
    (GOOD.encode().replace(b'000', '\u75c5\u4eba'.encode('gb18030')), 'is not UTF-8 text; in the spreadsheet program '
                                                                      'choose'),
    (b'PK\3\4\0\0', 'is a spreadsheet file; save it as CSV'), (b'\x89PNG\r\n', 'is not UTF-8'), (b'a\0b',
        'is not a text file'),
    (HEAD + '"im/00.png,000,a\nim/01.png,000,a\n', 'line break inside a cell'), (GOOD.replace('00.png,000,a',
        '00.png,000,a,b,c'), 'row 2: has 5 cells where the header has 3'),
], ids=range(13))
def test_not_a_table(root, text, says): assert says in said(read, root, text)[0]

def test_no_file(tmp_path):
    assert 'is missing' in said(Manifest.read, tmp_path/'none.csv')[0]
    assert 'is missing; give a CSV, a folder' in said(Manifest.open, tmp_path/'none')[0]
    assert 'm.csv: can\'t be read' in said(Manifest.read, (tmp_path/'m.csv').mkdir() or tmp_path/'m.csv')[0]

# Files -----------------------------------------------------------------------------------------------------

BAD_FILES = {
    'gone.png': 'is missing',
    'cut.png': 'is cut short or damaged',
    'cut.jpg': 'is cut short or damaged',
    'empty.png': 'is empty (0 bytes)',
    'text.png': 'is not an image usbook can read',
    'eps.png': 'is not an image usbook can read',
    'folder.png': 'is a folder, not an image',
    'bomb.png': 'more than 64 million pixels',
    'deep.png': 'has 16 or more bits per pixel',
    'deep.tif': 'has 16 or more bits',
    'float.tif': 'has 16 or more bits',
    'print.jpg': 'is a CMYK image',
    'cine.tif': 'has 3 frames; say which one',
    '../secret.png': 'climbs out of the folder',
    'im/../../secret.png': 'climbs out',
    r'..\secret.png': 'climbs out',
    '/etc/passwd': 'absolute path',
    r'C:\a.png': 'absolute path',
    r'\\server\a.png': 'absolute path',
    'x' * 300 + '.png': '',
    'a\x01b.png': 'is missing',
    '.': 'is a folder',
    '': 'no image is named',
}

@pytest.mark.parametrize('name,says', BAD_FILES.items(), ids=[n[:24] or 'blank' for n in BAD_FILES])
def test_bad_file_in_a_manifest(root, name, says):
    text, found = said(read, root, GOOD.replace('im/30.png', name))
    assert 'm.csv, row 8: ' in text and says in text
    assert [(p.row, p.column) for p in found] == [(8, 'image')]

@pytest.mark.parametrize('name', [n for n in BAD_FILES if '.' in n and not any(c in n for c in '/\\\x01')])
def test_bad_file_alone(root, name):
    text, _ = said(load_image, root/name)
    assert text.startswith(str(root)) and (BAD_FILES[name] in text)

@pytest.mark.skipif(os.name == 'nt', reason='links need rights on Windows')
def test_link_out_of_the_folder(root):
    (root/'link.png').unlink(missing_ok=True)
    (root/'link.png').symlink_to(root.parent/'secret.png')
    assert 'is a link to another place' in said(read, root, GOOD.replace('im/30.png', 'link.png'))[0]

@pytest.mark.parametrize(
    'mode,to', [('L', 'L'), ('RGB', 'RGB'), ('1', 'L'), ('P', 'RGB'), ('LA', 'RGB'), ('RGBA', 'RGB')]
)
def test_modes(tmp_path, mode, to):
    Image.fromarray(grey(1, (9, 7, 3))).convert(mode).save(tmp_path/'a.png')
    im = load_image(tmp_path/'a.png')
    assert im.mode == to and im.size == (7, 9)

def test_transparent_is_black(tmp_path):
    Image.new('RGBA', (4, 4), (255, 255, 255, 0)).save(tmp_path/'a.png')
    assert np.asarray(load_image(tmp_path/'a.png')).max() == 0

def test_size_keeps_the_aspect(tmp_path):
    Image.new('L', (80, 40), 200).save(tmp_path/'a.png')
    a = np.asarray(load_image(tmp_path/'a.png', size=32))
    assert a.shape == (32, 32) and a[:7].max() == 0 and a[9:23].min() == 200

def test_camera_orientation(tmp_path):
    im = Image.fromarray(grey(3, (6, 10)))
    exif = im.getexif(); exif[0x112] = 6
    im.save(tmp_path/'a.jpg', exif=exif)
    assert load_image(tmp_path/'a.jpg').size == (6, 10)

def test_16_bit_by_hand(root, tmp_path):
    a = np.asarray(load_image(to_8bit(root/'deep.png', tmp_path/'a.png', 0, 65280)))
    assert np.array_equal(a, grey(51))
    assert 'must be smaller' in said(to_8bit, root/'deep.png', tmp_path/'a.png', 5, 5)[0]

# Frames ----------------------------------------------------------------------------------------------------

FRAMED = 'image,patient,label,frame\n' + ''.join(f'im/{p}0.png,{p},{"ab"[p % 2]},\n' for p in range(4))

def test_frames_of_one_file(root):
    m = read(root, FRAMED + 'cine.tif,8,a,0\ncine.tif,8,b,2\n')
    assert m.frames == [None]*4 + [0, 2] and len(set(m.digests)) == 6
    assert np.array_equal(np.asarray(m.load(5)), grey(62)) and np.array_equal(
        np.asarray(load_image(root / 'cine.tif', frame=1)), grey(61)
    )

@pytest.mark.parametrize(
    'rows,says',
    [
        ('cine.tif,8,a,\n', 'say which one in a column named frame (0 to 2)'),
        ('cine.tif,8,a,3\n', 'has no frame 3; its frames are 0 to 2'),
        ('cine.tif,8,a,one\n', 'frame is not a whole number'),
        ('cine.tif,8,a,1.5\n', 'frame is not a whole number'),
        ('cine.tif,8,a,-1\n', 'frame is not a whole number'),
        ('cine.tif,8,a,1\ncine.tif,8,b,1\n', 'is listed with two labels, a in row 6 and b here'),
        ('cine.tif,8,a,1\ncine.tif,8,a,1\n', 'is listed again (first in row 6)'),
        ('im/40.png,8,a,1\nim/40.png,8,a,2\n', 'is listed again'),
    ],
)
def test_bad_frames(root, rows, says): assert says in said(read, root, FRAMED + rows)[0]

def test_a_still_may_have_a_number_in_its_clip(root):
    assert read(root, FRAMED.replace(',\n', ',7\n')).table.frame.tolist() == [7]*4

# Cells -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('pid', ['', ' ', 'NaN', 'nan', 'NA', 'None', 'null', 'unknown', '?', '#N/A'])
def test_missing_patient(root, pid):
    text, found = said(read, root, GOOD.replace('im/01.png,000', f'im/01.png,{pid}'))
    assert 'row 3: has no patient id' in text and 'never invented' in text and len(found) == 1

@pytest.mark.parametrize('old,new,row,says', [
    ('20.png,002', '20.png,1.2E+11', 6, 'was spoilt by a spreadsheet'), ('20.png,002,a', '20.png,002,', 6,
        'has no label'), ('20.png,002,a', '20.png,002,nan', 6, 'has no label'),
    ('20.png,002,a', '20.png,002,A', 6, "label 'A' and label 'a' differ only in capitals"), ('20.png,002,a',
        '20.png,002,c', 6, 'class c has images of one patient only (002)'),
    ('20.png', '10.png', 6, 'is listed with two labels, b in row 4 and a here'), ('20.png', '21.png', 7,
        'is listed again (first in row 6)')])
def test_slips_in_cells(root, old, new, row, says):
    text, found = said(read, root, GOOD.replace(old, new))
    assert f'row {row}: ' in text and says in text and found[0].row == row

def test_unknown_label_and_absent_class(root):
    slip = GOOD.replace('a\n', 'cyst\n').replace('002,cyst', '002,cysts')
    assert (
        "row 6: label 'cysts' is unknown; did you mean cyst? (and 1 more problem)"
        in said(read, root, slip, classes=['cyst', 'b'])[0]
    )
    text, found = said(read, root, GOOD, classes=['b', 'c'])
    assert "row 2: label 'a' is unknown; known are b, c" in text and found[-1].what.startswith(
        'there is no image of class c'
    )
    m = read(root, GOOD + 'im/gone.png,9,none\n', classes=['b', 'a'], drop_other=True)
    assert len(m) == 12 and m.targets[0] == 1 and '1 row' in m.notes[0]
    assert 'no row has one of the labels' in said(read, root, GOOD, classes=['x', 'y'], drop_other=True)[0]

def test_ids_stay_text(root):
    m = read(root, GOOD.replace(',001,', ',1E5,').replace(',002,', ',0002,').replace(',003,', ',2,'))
    assert {'1E5', '0002', '2', '000'} <= set(m.patients)
    assert any('look alike' in n and '0002 and 2' in n for n in m.notes)

def test_frames_made_in_memory_are_plain_text():
    m = Manifest(
        pd.DataFrame({'image': ['a.png', 'b.png'], 'patient': [7.0, None], 'label': [0, 1], 'frame': [0.0, None]}),
        '.',
        ['0', '1'],
    )
    assert m.table.patient.tolist() == ['7', ''] and m.table.label.tolist() == ['0', '1'] and m.frames == [0, None]

# Copies ----------------------------------------------------------------------------------------------------

def copied(root, a, b, to='im/copy.png'):
    Image.open(root/f'im/{a}.png').convert('RGB').save(root/to, format='BMP')
    return GOOD.replace(f'im/{b}.png', to)

def test_same_pixels_two_patients(root):
    text, found = said(read, root, copied(root, '00', '20'))
    assert (
        'row 6: im/copy.png has exactly the pixels of im/00.png (row 2), but the patients are 002 and 000' in text
        and '--same-patient' in text
    )
    m = read(root, copied(root, '00', '20'), same_patient=True)
    assert m.patients[4] == m.patients[5] == '000' and '002 as 000' in m.notes[0]

def test_same_pixels_chain_of_patients(root):
    copied(root, '21', '41', 'im/copy2.png')
    text = copied(root, '00', '20').replace('im/41.png', 'im/copy2.png').replace('im/51.png,005,b', 'im/51.png,7,a')
    m = read(root, text, same_patient=True)
    assert len(set(m.patients)) == 5 and m.table.groupby('patient').size()['000'] == 6

def test_same_pixels_two_labels(root):
    assert 'but the labels are b and a' in said(read, root, copied(root, '00', '10'), same_patient=True)[0]

def test_same_pixels_same_patient_is_a_note(root):
    assert '1 image has exactly the pixels' in read(root, copied(root, '00', '01')).notes[0]

# Splits ----------------------------------------------------------------------------------------------------

def with_split(text, rule):
    return '\n'.join(l + ',' + ('split' if i == 0 else rule(i + 1, l)) for i, l in enumerate(text.splitlines())) + '\n'
def thirds(i, l): return ['train', 'valid', 'test'][int(l.split(',')[1])//2]

def test_given_split(root):
    m = read(root, with_split(GOOD, thirds))
    assert (
        m.splits == ['train', 'valid', 'test']
        and len(m.subset('test')) == 4
        and m.subset('test').rows.tolist() == [10, 11, 12, 13]
    )
    assert 'there is no split' in said(m.with_split(None).subset, 'test')[0]

@pytest.mark.parametrize('rule,says,error', [
    (lambda i, l: 'val' if i == 3 else thirds(i, l), "split 'val' is unknown; write train, valid or test", BadInput),
    (lambda i, l: '' if i == 3 else thirds(i, l), 'has no split, other rows have', BadInput),
    (lambda i, l: 'test' if i == 3 else thirds(i, l), 'row 3: patient 000 is in train (im/00.png, row 2), in test '
                                                      '(im/01.png, row 3)', LeakageError),
    (lambda i, l: 'test' if i > 11 else 'train', 'split test has no image of class a', BadInput)])
def test_bad_splits(root, rule, says, error):
    text, found = said(read, root, with_split(GOOD, rule), error=error)
    assert says in ' '.join([text, *(p.what for p in found)])

def test_same_pixels_two_splits_is_a_leak(root):
    text, found = said(read, root, with_split(copied(root, '00', '20'), thirds), error=LeakageError)
    assert 'one is in train, the other in valid' in text and found[0].leak

def test_an_empty_split_column_is_none(root):
    assert read(root, with_split(GOOD, lambda i, l: '')).splits == []

# Masks -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('mask,says', [('im/01.png', ''), ('', ''), ('gone.png', 'mask gone.png is missing'), (
    'whole.jpg', 'mask whole.jpg is 64x64 pixels and its image 12x12'), ('../x.png', 'climbs out')])
def test_masks(root, mask, says):
    text = with_split(GOOD, lambda i, l: mask if i == 2 else 'im/00.png').replace(',split', ',mask')
    if not says: assert read(root, text).table['mask'][0] == mask
    else: assert says in said(read, root, text)[0] and 'row 2' in said(read, root, text)[0]

# All at once -----------------------------------------------------------------------------------------------

def test_everything_is_found_at_once(root):
    text = (
        GOOD.replace('im/00.png', 'gone.png')
        .replace('im/11.png,001', 'im/11.png,')
        .replace('im/20.png,002,a', 'im/20.png,002,zz')
        .replace('im/30', '../30')
    )
    sentence, found = said(read, root, text, classes=['a', 'b'])
    assert [(p.row, p.column) for p in found] == [(2, 'image'), (5, 'patient'), (6, 'label'), (8, 'image')]
    assert sentence.endswith('(and 3 more problems)') and all(type(p.row) is int for p in found)
    assert refuse('m', found).problems == found

def test_written_and_read_back(root, tmp_path):
    m = read(root, GOOD)
    assert Manifest.read(m.write(root/'again.csv')).sha256() == m.sha256()
    above = Manifest.read(m.write(root.parent/'above.csv'))
    assert above.table.image[0] == f'{root.name}/im/00.png' and above.digests.tolist() == m.digests.tolist()
    assert 'may not climb' in said(m.write, tmp_path/'elsewhere.csv')[0]

def test_content_hash_sees_pixels_labels_and_classes(root):
    m = read(root, GOOD)
    assert (
        Manifest(m.table.sample(frac=1, random_state=1)[m.table.columns[::-1]], root, m.classes).sha256() == m.sha256()
    )
    assert (
        m.sha256() != read(root, GOOD.replace('000,a', '000,b')).sha256()
        and m.sha256() != read(root, GOOD, classes=['b', 'a']).sha256()
    )
    assert m.sha256() != read(root, copied(root, '00', '01')).sha256()

# Trees -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    d = tmp_path_factory.mktemp('tree')
    for p in range(6):
        for i in range(2):
            f = d/'ab'[p % 2]/f'P{p}'/f'0{p}_{i}.PNG'
            f.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(grey(100 + 2*p + i)).save(f)
    (d/'.DS_Store').write_text(''); (d/'a'/'readme.txt').write_text(''); (d/'a'/'Thumbs.db').write_bytes(b'x')
    return d

@pytest.mark.parametrize(
    'rule,ids', [(r'^(P\d)/', {'P0', 'P5'}), (r'(\d+)_\d', {'00', '05'}), (r'/(?P<patient>0\d)(_)', {'00', '05'})]
)
def test_tree(tree, rule, ids):
    m = Manifest.open(tree, rule)
    assert (
        len(m) == 12
        and m.classes == ['a', 'b']
        and ids <= set(m.patients)
        and len(set(m.patients)) == 6
        and m.rows[0] == 2
    )

def test_tree_with_table(tree, tmp_path):
    t = tmp_path/'who.csv'
    t.write_text(
        'file;patient\n'.replace('file', 'image') + ''.join(f'0{p}_{i}.PNG;0{p}\n' for p in range(6) for i in range(2)),
        encoding='utf-8-sig',
    )
    assert set(Manifest.from_tree(tree, patients=t).patients) == {f'0{p}' for p in range(6)}
    t.write_text('image,patient\n00_0.PNG,1\n')
    assert '00_1.PNG gets no patient' in said(Manifest.from_tree, tree, patients=t)[0]
    t.write_text('image,patient\n00_0.PNG,1\n00_0.PNG,2\n')
    assert 'row 3: 00_0.PNG is given to two patients' in said(Manifest.from_tree, tree, patients=t)[0]

@pytest.mark.parametrize('rule,says', [(None, 'says nothing about patients'), ('', 'says nothing about patients'), ('(',
    'is not a regular expression'), (r'P\d', 'has no group'),
    (r'^(X\d)', 'gets no patient from'), (r'(_)', 'class a has images of one patient only'), ('none.csv',
        'none.csv: is missing'), (r'^(P?)0', 'gets no patient')])
def test_tree_needs_a_rule(tree, rule, says): assert says in said(Manifest.from_tree, tree, patients=rule)[0]

def test_tree_shapes(tree, tmp_path):
    assert 'there is no such folder' in said(Manifest.from_tree, tmp_path/'no', patients='(.)')[0]
    assert 'holds no image' in said(Manifest.from_tree, tmp_path, patients='(.)')[0]
    assert 'holds no image' in said(Manifest.open, tmp_path)[0]
    shutil.copytree(tree, tmp_path/'train'); shutil.copytree(tree, tmp_path/'test')
    assert isinstance(pytest.raises(LeakageError, Manifest.from_tree, tmp_path, r'(P\d)').value, BadInput)
    for i, f in enumerate(sorted((tmp_path/'test').rglob('*.PNG'))): Image.fromarray(grey(900 + i)).save(f)
    assert Manifest.from_tree(tmp_path, image_level=True).splits == ['train', 'test']
    (tmp_path/'loose.png').write_bytes((tree/'a/P0/00_0.PNG').read_bytes())
    assert 'loose.png is in no class folder' in said(Manifest.from_tree, tmp_path, patients=r'(P\d)')[0]

def test_tree_unknown_class(tree):
    assert "label 'a' is unknown" in said(Manifest.from_tree, tree, patients=r'(P\d)', classes=['b', 'c'])[0]
    assert Manifest.from_tree(tree, patients=r'(P\d)', classes=['b'], drop_other=True).classes == ['b']

def test_image_level_is_said(tree, root):
    m = Manifest.open(tree, image_level=True)
    assert m.image_level and m.notes[0] == IMAGE_LEVEL and len(set(m.patients)) == 12
    m = read(root, 'image,label\nim/00.png,a\nim/01.png,a\nim/10.png,b\nim/11.png,b\n', image_level=True)
    assert m.image_level and not read(root, GOOD, image_level=True).image_level

# Whatever comes --------------------------------------------------------------------------------------------

cell = st.one_of(
    st.sampled_from(
        [
            'im/00.png',
            'im/10.png',
            'im/20.png',
            'cut.png',
            'gone.png',
            '000',
            '001',
            'a',
            'b',
            'train',
            'test',
            '',
            '..',
            '"',
            'NaN',
            '3',
            '-1',
        ]
    ),
    st.text(max_size=8),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.one_of(st.just(['image', 'patient', 'label']), st.lists(st.sampled_from(['image', 'patient', 'label',
    'split', 'frame', 'mask', 'x', '']), max_size=6)),
       rows=st.lists(st.lists(cell, max_size=6), max_size=6), sep=st.sampled_from(',;\t'), same=st.booleans())
def test_fuzz(root, head, rows, sep, same):
    text = '\n'.join(sep.join(r) for r in [head, *rows]).encode('utf-8', 'replace')
    try: m = read(root, text, same_patient=same)
    except BadInput as e: assert str(e).strip() and '\n' not in str(e)
    else: assert problems(m) == [] and len(m) > 0

@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_fuzz_bytes(root, raw):
    with pytest.raises(BadInput): read(root, raw)
    (root/'fuzz.png').write_bytes((root/'im/00.png').read_bytes()[:8] + raw)
    with pytest.raises(BadInput): load_image(root/'fuzz.png')

# Real sets -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('name,n,patients', [('head_ct', 199, 199), ('breast', 150, 150), ('gallbladder', 855, 270), (
    'chest_shenzhen', 180, 180)])
def test_real_sets(realdata, name, n, patients):
    m = Manifest.open(realdata/name)
    assert len(m) == n and len(set(m.patients)) == patients

def test_real_lung_signs(realdata):
    m = Manifest.open(
        realdata / 'lung_signs', classes=['a_lines', 'b_lines', 'effusion', 'consolidation'], drop_other=True
    )
    assert len(m) == 413 and len(set(m.patients)) == 52 and m.counts().patients.tolist() == [13, 9, 9, 23]

def test_real_set_without_patients_is_refused(realdata):
    assert 'has no column patient' in said(Manifest.open, realdata/'abdomen_organs')[0]
    m = Manifest.open(realdata/'abdomen_organs', image_level=True)
    assert m.image_level and len(m) == 366 and len(set(m.patients)) == 361


def test_a_clip_is_opened_once_and_reads_as_frame_by_frame(tmp_path, monkeypatch):
    "Seeking each frame from the start made a clip's reading time grow with the square of its length"
    import usbook.data.images as di
    from usbook.core.tables import read_sheet
    from usbook.data.duplicates import see_files, pixel_hash
    frames = [Image.fromarray(np.random.default_rng(k).integers(0, 255, (8, 9), dtype='uint8')) for k in range(12)]
    for p in 'ab':
        frames[0].save(tmp_path/f'{p}.png', save_all=True, append_images=frames[1:] if p == 'a' else frames[:0:-1])
    rows = [f'{p}.png,{k},{p},{"xy"[k % 2]}' for k in (3, 11, 1, 2) for p in 'ab']
    (tmp_path/'m.csv').write_text('image,frame,patient,label\n' + '\n'.join(rows))
    opened, kept = [], di._open
    monkeypatch.setattr(di, '_open', lambda p: (opened.append(p), kept(p))[1])
    m = Manifest(read_sheet(tmp_path/'m.csv', ['image']).table, tmp_path, list('xy'))
    seen = see_files(m.root, list(m.table.image), m.frames)
    assert len(opened) == 2 and [s.digest for s in seen] == [pixel_hash(m.load(k)) for k in range(len(m))]
    assert [s.digest for s in seen][:1] == [pixel_hash(frames[3])]
    (tmp_path/'m.csv').write_text('image,frame,patient,label\n' + '\n'.join(rows) + '\na.png,40,a,x')
    m = Manifest(read_sheet(tmp_path/'m.csv', ['image']).table, tmp_path, list('xy'))
    assert [bool(s.wrong) for s in see_files(m.root, list(m.table.image), m.frames)] == [False]*8 + [True]


def test_a_file_that_could_not_be_opened_is_asked_for_again_and_its_path_is_looked_at_each_time(tmp_path, monkeypatch):
    import time
    from usbook.data import duplicates as d
    Image.new('L', (8, 8), 9).save(tmp_path/'a.png')
    time.sleep(.15)  # too new to be remembered
    read, opened = d.open_image, []
    def busy(path):
        opened.append(path)
        if len(opened) == 1: raise OSError(24, 'Too many open files')
        return read(path)
    monkeypatch.setattr(d, 'open_image', busy)
    first, second, third = (d.see_files(tmp_path, ['a.png'])[0] for _ in range(3))
    assert first.wrong and second.digest and third == second and len(opened) == 2
    monkeypatch.setattr(d, 'path_problem', lambda root, path: 'is a link')
    assert d.see_files(tmp_path, ['a.png'])[0].wrong == 'is a link'
