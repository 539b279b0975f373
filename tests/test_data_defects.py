"""What broke in a stranger's hands, one test per defect, each named for it."""
import errno, json, os, random, signal, subprocess, sys, threading, time, zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from usbook.core.errors import BadInput
from usbook.data.clips import read_clip, read_clips
from usbook.data.dicom import WINDOWS, read_dicom, window
from usbook.data.images import files_below, image_files, is_dicom, load_image, to_8bit
from usbook.data.manifest import NO_RULE, Manifest, tree_manifest
from usbook.data.sets import adapters, facts, fetch as fetching

def said(f, *args, **kwargs):
    with pytest.raises(BadInput) as e: f(*args, **kwargs)
    text = str(e.value)
    assert '\n' not in text and len(text) < 1000
    return text

def grey(seed, shape=(12, 12)): return np.random.default_rng(seed).integers(1, 255, shape, dtype='uint8')

def png(path, seed=0, shape=(12, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey(seed, shape)).save(path)

def few(monkeypatch, name, **counts): monkeypatch.setitem(facts.OPEN, name, replace(facts.OPEN[name], counts=counts))

def pocus(folder, clips=12, frames=16):
    "A set of its shape: clips as GIF, one sign each"
    top, rows = folder/'data', ['Filename,License,Type,Probe,Patient ID / Name,Effusion,Consolidations,B-lines,A-lines']
    (top/'pocus_videos'/'convex').mkdir(parents=True)
    for p in range(clips):
        ims = [Image.fromarray(grey(1000*p + k, (40, 40))) for k in range(frames)]
        ims[0].save(top/'pocus_videos'/'convex'/f'c{p}.gif', save_all=True, append_images=ims[1:], duration=40)
        rows.append(f'c{p},CC BY 4.0,video,convex,{p},0,0,{p % 2},{1 - p % 2}')
    (top/'dataset_metadata.csv').write_text('\n'.join(rows))
    return folder

# Killed, full, two at once -----------------------------------------------------------------------------------

def test_killed_while_cutting_frames(tmp_path, monkeypatch):
    "A clip whose cutting was cut short was taken for whole: 91 of 96 images, another hash, and no word"
    whole = adapters.adapt('pocus', pocus(tmp_path/'whole'))
    kept, calls = adapters.some_frames, []
    def dies(clip, n):
        for k, im in enumerate(kept(clip, n)):
            calls.append(clip)
            if len(calls) == 30: raise KeyboardInterrupt
            yield im
    monkeypatch.setattr(adapters, 'some_frames', dies)
    with pytest.raises(KeyboardInterrupt): adapters.adapt('pocus', pocus(tmp_path/'cut'))
    monkeypatch.setattr(adapters, 'some_frames', kept)
    again = adapters.adapt('pocus', tmp_path/'cut')
    assert len(again) == len(whole) == 96 and again.sha256() == whole.sha256()

LIVES = """import sys
from usbook.core.files import write_folder
with write_folder(sys.argv[1]) as part:
    (part/'f').write_text('x')
    print(part.name, flush=True)
    sys.stdin.read()"""

@pytest.mark.skipif(os.name == 'nt', reason='SIGKILL')
def test_a_live_run_of_last_week_is_not_swept_away(tmp_path):
    "A second run went by the folder's time, which stays that of the start, and deleted a run that was going on"
    from usbook.core.files import sweep
    p = subprocess.Popen([sys.executable, '-c', LIVES, str(tmp_path/'run')], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    part = tmp_path/p.stdout.readline().strip()
    os.utime(part, (time.time() - 7*86400,)*2)
    assert sweep(tmp_path) == [] and (part/'f').is_file()
    p.kill()
    p.wait()
    assert sweep(tmp_path) == [part.name] and not part.exists()

KILLED = "import sys; from usbook.data.sets.adapters import adapt; print('go', flush=True); adapt('pocus', sys.argv[1])"

@pytest.mark.skipif(os.name == 'nt', reason='SIGKILL')
def test_killed_at_random_moments(tmp_path):
    whole, rng = adapters.adapt('pocus', pocus(tmp_path/'whole')).sha256(), random.Random(0)
    folder = pocus(tmp_path/'cut')
    for _ in range(4):
        p = subprocess.Popen(
            [sys.executable, '-c', KILLED, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        p.stdout.readline()
        time.sleep(rng.uniform(0, .12))
        p.send_signal(signal.SIGKILL)
        p.wait()
    assert adapters.adapt('pocus', folder).sha256() == whole
    assert not [f for f in (folder/'frames').iterdir() if f.name.endswith('.partial')]

@pytest.mark.parametrize(
    'damage',
    [lambda f: f.write_bytes(b''), lambda f: f.write_bytes(f.read_bytes()[:90]), lambda f: f.unlink()],
    ids=['empty', 'cut short', 'all gone'],
)
def test_a_frame_that_is_no_frame_is_made_again(tmp_path, damage):
    m = adapters.adapt('pocus', pocus(tmp_path, 4))
    for f in list((tmp_path/'frames'/'c2').glob('*.png')): damage(f)
    assert adapters.adapt('pocus', tmp_path).sha256() == m.sha256()

def nlm(folder, monkeypatch):
    for i in range(8):
        png(folder/'Set'/'CXR_png'/f'MCUCXR_{i:04}_{i % 2}.png', i)
        for k, side in enumerate(('leftMask', 'rightMask')):
            png(folder / 'Set' / 'ManualMask' / side / f'MCUCXR_{i:04}_{i % 2}.png', 100 + 2 * i + k)
    few(monkeypatch, 'montgomery', images=8, normal=4, tuberculosis=4)
    return folder

def test_a_mask_half_written_is_made_again(tmp_path, monkeypatch):
    m = adapters.adapt('montgomery', nlm(tmp_path, monkeypatch))
    f = tmp_path/m.table['mask'][3]
    whole = f.read_bytes()
    for broken in (b'', whole[:60]):
        f.write_bytes(broken)
        adapters.adapt('montgomery', tmp_path)
        assert f.read_bytes() == whole

def test_a_full_disk_leaves_nothing_half(tmp_path, monkeypatch):
    full, n = pocus(tmp_path, 6), []
    def save(im, f, *args, **kwargs):
        n.append(f)
        if len(n) == 20:
            open(f, 'wb').write(b'half')
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return kept(im, f, *args, **kwargs)
    kept = Image.Image.save
    monkeypatch.setattr(Image.Image, 'save', save)
    assert 'No space left on device' in (text := said(adapters.adapt, 'pocus', full)) and 'make room' in text
    assert sorted(f.name for f in (full/'frames').iterdir() if not f.name.startswith('.')) == ['c0', 'c1']
    monkeypatch.setattr(Image.Image, 'save', kept)
    assert len(adapters.adapt('pocus', full)) == 48

def test_two_processes_at_once(tmp_path):
    folder = pocus(tmp_path)
    two = [
        subprocess.Popen(
            [sys.executable, '-c', KILLED, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for p in two: assert (p.communicate(timeout=120)[1], p.returncode)[1] == 0
    assert len(adapters.adapt('pocus', folder)) == 96

# Where a sentence is due -----------------------------------------------------------------------------------------

NUL = 'a\0b'

@pytest.mark.parametrize('f', [load_image, Manifest.open, Manifest.read, read_clips, read_clip, read_dicom,
    lambda p: adapters.adapt('pocus', p), lambda p: fetching.unpack(p, 'x'), lambda p: to_8bit(p, 'x.png', 0, 1),
    lambda p: tree_manifest(p, '(.)'), lambda p: adapters.read_nifti(p)], ids=range(11))
def test_nul_in_a_path(f): said(f, NUL)

def test_nul_in_a_path_is_no_dicom(): assert not is_dicom(NUL)

@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux allows such names')
def test_file_names_that_are_not_utf8(tmp_path):
    for c in 'ab':
        for p in range(3): png(tmp_path/c/f'{p}.png', 10*ord(c) + p)
    os.rename(tmp_path/'a'/'0.png', os.fsencode(tmp_path/'a') + b'/K\xf6ln.png')
    assert 'not UTF-8; rename the file' in said(Manifest.open, tmp_path, '(.)') and 'K·ln' in said(
        image_files, tmp_path
    )
    (tmp_path/'lesions.csv').write_text('scan,frame,x,y,w,h\n')
    os.rename(tmp_path/'a', os.fsencode(tmp_path) + b'/\xe4')
    assert 'not UTF-8' in said(read_clips, tmp_path, image_level=True)

def damaged(kind, good):
    "An archive as it must not stay in the cache"
    if kind == 'truncated': return good[:-40]
    if kind == 'flipped': return good[:200] + bytes(b ^ 255 for b in good[200:260]) + good[260:]
    raw = bytearray(good) # encrypted: the flag in the local and in the central header of the first file
    raw[6] |= 1
    raw[good.index(b'PK\1\2') + 8] |= 1
    return bytes(raw)

@pytest.mark.parametrize('kind', ['truncated', 'flipped', 'encrypted'])
def test_a_damaged_archive_does_not_stay_in_the_cache(tmp_path, monkeypatch, kind):
    with zipfile.ZipFile(tmp_path/'good.zip', 'w') as z: z.writestr('S/CXR_png/a.png', os.urandom(400))
    bad = damaged(kind, (tmp_path/'good.zip').read_bytes())
    home = tmp_path/'open'/'shenzhen'
    home.mkdir(parents=True)
    (home/'set.zip').write_bytes(bad)
    monkeypatch.setitem(
        facts.OPEN, 'shenzhen', replace(facts.OPEN['shenzhen'], url='http://127.0.0.1:9/set.zip', sha256=None)
    )
    text = said(fetching.fetch, 'shenzhen', tmp_path)
    assert 'damaged' in text and 'set aside as set.zip.damaged' in text
    assert [p.name for p in home.iterdir() if not p.name.startswith('.')] == ['set.zip.damaged']
    assert 'the download stopped' in said(fetching.fetch, 'shenzhen', tmp_path)

@pytest.mark.parametrize(
    'name,file,text,says',
    [
        ('covid-blues', 'severity.csv', 'clip,score\nx,1\n', 'has no column video_file'),
        ('pocus', 'data/dataset_metadata.csv', 'File\nx\n', 'has no column Filename'),
        ('bus-bra', 'bus_data.csv', 'id,case\n1,2\n', 'has no column ID'),
        ('ct-ich', 'hemorrhage_diagnosis_raw_ct.csv', 'Patient\n1\n', 'has no column PatientNumber'),
        ('head-ct', 'labels.csv', 'id\n0\n', 'not as it was published'),
        ('covid-blues', 'severity.csv', '', 'is empty'),
        ('bus-bra', 'bus_data.csv', 'ID,Case,Pathology\n\x00', 'is not a text file'),
        ('covid-blues', 'severity.csv', 'PK\x03\x04', 'is a spreadsheet file'),
    ],
)
def test_public_sets_with_other_columns(tmp_path, name, file, text, says):
    png(tmp_path/'000.png')
    (tmp_path/file).parent.mkdir(exist_ok=True)
    (tmp_path/file).write_text(text)
    assert says in said(adapters.adapt, name, tmp_path)

@pytest.mark.parametrize('value', [[], {}, 'x', None, 7, [{'id': 1}], {'videos': 1, 'images': 2, 'annotations': 3},
    {'videos': [{'id': 1, 'name': 5}], 'images': [], 'annotations': []}, {'videos': [], 'images': [{'video_id': 3,
        'frame_id': 1}], 'annotations': []}], ids=range(9))
def test_json_of_another_shape(tmp_path, value):
    png(tmp_path/'rawframes'/'a'/'0.png')
    (tmp_path/'train.json').write_text(json.dumps(value))
    said(adapters.adapt, 'buv', tmp_path, image_level=True)

def test_json_that_is_deep_or_broken(tmp_path):
    png(tmp_path/'rawframes'/'a'/'0.png')
    for text in ('['*100_000, '{"a": ', '', '\0'):
        (tmp_path/'train.json').write_text(text)
        said(adapters.adapt, 'buv', tmp_path, image_level=True)

@pytest.mark.parametrize('path', ['../../secret.png', '/etc/passwd', 'a/../../../secret.png', r'..\..\secret.png'])
def test_a_sets_json_copies_no_file_from_outside(tmp_path, monkeypatch, path):
    png(tmp_path/'secret.png')
    top = tmp_path/'set'
    png(top/'rawframes'/'a'/'0.png')
    few(monkeypatch, 'buv')
    d = dict(videos=[dict(id=1, name='a')], images=[dict(id=1, video_id=1, frame_id=0, file_name=path)], annotations=[])
    (top/'train.json').write_text(json.dumps(d))
    text = said(adapters.adapt, 'buv', top, image_level=True)
    assert 'climbs out' in text or 'absolute path' in text
    assert not list(top.rglob('frame_*'))

# Only ordinary files of a size that is said ------------------------------------------------------------------------

def in_time(f, *args, seconds=20):
    "The sentence of `f`, or a failure where it hangs"
    out = []
    t = threading.Thread(target=lambda: out.append(said(f, *args)), daemon=True)
    t.start()
    t.join(seconds)
    assert out, 'still waiting'
    return out[0]

@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='no pipes here')
def test_a_pipe_or_a_device_does_not_hang(tmp_path):
    for name in ('p.png', 'p.csv', 'p.dcm', 'p.gif', 'p.mp4', 'p'): os.mkfifo(tmp_path/name)
    for f, p in [
        (load_image, 'p.png'),
        (load_image, 'p.dcm'),
        (Manifest.open, 'p.csv'),
        (read_clip, 'p.gif'),
        (read_clip, 'p.mp4'),
        (load_image, 'p'),
        (read_dicom, 'p.dcm'),
        (adapters.read_nifti, 'p'),
        (adapters.some_frames, 'p.gif'),
        (lambda q: fetching.unpack(q, tmp_path / 'x'), 'p'),
    ]:
        assert 'a pipe or a device' in in_time(f, tmp_path/p), p
    for f in (load_image, Manifest.open, read_dicom, adapters.read_nifti):
        assert 'a pipe or a device' in in_time(f, '/dev/zero')
    assert files_below(tmp_path) == [] and not is_dicom(tmp_path/'p.dcm')
    (tmp_path/'t'/'a').mkdir(parents=True)
    png(tmp_path/'t'/'a'/'1.png'), png(tmp_path/'t'/'b'/'1.png', 1)
    assert 'a pipe or a device' in in_time(lambda: Manifest.open(tmp_path/'t', tmp_path/'p.csv'))

def test_a_file_that_is_too_large(tmp_path):
    with open(tmp_path/'a.png', 'wb') as f: f.truncate(5_000_000_000)
    assert 'may have 4,000 MB' in said(load_image, tmp_path/'a.png')

def test_twenty_thousand_columns(tmp_path):
    start = time.time()
    (tmp_path/'m.csv').write_text(','.join(['image', 'patient', 'label', *(f'c{i}' for i in range(20_000))]) + '\na\n')
    assert 'at most 2000' in said(Manifest.read, tmp_path/'m.csv') and time.time() - start < 5

def test_raw_bytes_are_not_echoed(tmp_path):
    (tmp_path/'m.csv').write_bytes(b'image,patient,label\n' + bytes(range(128, 256))*50)
    assert len(said(Manifest.read, tmp_path/'m.csv')) < 300
    (tmp_path / 'm.csv').write_text(
        'image,patient,label\n' + ''.join(f'\x1b[31m\x07{"x" * 4000}{i}.png,{i},a\n' for i in range(3))
    )
    text = said(Manifest.read, tmp_path/'m.csv')
    assert '\x1b' not in text and '\x07' not in text

def test_many_classes_stay_small(tmp_path):
    import tracemalloc
    (tmp_path/'m.csv').write_text('image,patient,label\n' + ''.join(f'{i}.png,{i},c{i}\n' for i in range(2000)))
    tracemalloc.start()
    said(Manifest.read, tmp_path/'m.csv')
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()

# What misled people -----------------------------------------------------------------------------------------------

def test_a_manifest_with_target_hears_label(tmp_path):
    (tmp_path/'m.csv').write_text('image,patient,target\n1.png,1,a\n')
    assert 'has no column label' in (text := said(Manifest.read, tmp_path/'m.csv')) and 'rename target to label' in text

def test_cutting_frames_shows_progress(tmp_path):
    seen = []
    adapters.adapt('pocus', pocus(tmp_path, 4), progress=lambda text, fraction: seen.append((text, fraction)))
    cut = [f for t, f in seen if t == 'cutting frames']
    assert cut == [.25, .5, .75, 1]

def test_the_rule_sees_the_path_below_the_class_folder(tmp_path):
    "The rule saw the path while message and README spoke of the file's name"
    for c in 'ab':
        for p in range(2): png(tmp_path/c/f'P{p}{c}'/'1.png', 10*ord(c) + p)
    assert set(Manifest.open(tmp_path, r'^(P\d.)/').patients) == {'P0a', 'P1a', 'P0b', 'P1b'}
    from pathlib import Path
    guide = (Path(__file__).parents[1]/'nbs'/'guide.ipynb').read_text(encoding='utf-8')
    for text in (NO_RULE, guide, said(Manifest.open, tmp_path)): assert 'path below the class folder' in text

def test_one_class_folder_is_noticed_before_an_image_is_opened(tmp_path, monkeypatch):
    for p in range(3): png(tmp_path/'cyst'/f'{p}.png', p)
    def never(*args, **kwargs): raise AssertionError('an image was opened')
    monkeypatch.setattr('usbook.data.manifest.see_files', never)
    for more in (dict(patients='(.)'), dict(image_level=True)):
        assert 'has one class folder only (cyst)' in said(Manifest.open, tmp_path, **more)

def test_one_label_in_a_manifest_is_noticed(tmp_path):
    for p in range(3): png(tmp_path/f'{p}.png', p)
    (tmp_path/'m.csv').write_text('image,patient,label\n' + ''.join(f'{p}.png,{p},a\n' for p in range(3)))
    assert 'all images have the label a' in said(Manifest.read, tmp_path/'m.csv')
    assert len(Manifest.read(tmp_path/'m.csv', classes=['a'])) == 3

@pytest.mark.skipif(os.name == 'nt', reason='links need rights on Windows')
def test_linked_folders_are_walked(tmp_path):
    "A class folder that is a link to another disk held no image"
    for c in 'ab':
        for p in range(2): png(tmp_path/'disk'/c/f'P{p}{c}.png', 10*ord(c) + p)
    tree = tmp_path/'tree'
    tree.mkdir()
    for c in 'ab': (tree/c).symlink_to(tmp_path/'disk'/c, target_is_directory=True)
    (tmp_path/'disk'/'a'/'round').symlink_to(tree, target_is_directory=True)
    (tree/'self').symlink_to('self')
    assert files_below(tree) == ['a/P0a.png', 'a/P1a.png', 'b/P0b.png', 'b/P1b.png']
    (tmp_path/'disk'/'a'/'round').unlink()
    m = Manifest.open(tree, r'^(P\d.)')
    assert len(m) == 4 and len(Manifest.read(m.write(tree/'manifest.csv'))) == 4
    (tree/'lesions.csv').write_text('scan,frame,x,y,w,h\na,0,1,1,5,5\n')
    (tree/'manifest.csv').unlink()
    assert len(read_clips(tree, image_level=True)) == 2

def test_head_ct_is_drawn_with_the_windows_that_the_chapter_teaches():
    from usbook.phantoms.head_ct import in_window
    hu = np.random.default_rng(0).uniform(-1100, 2500, (64, 64)).astype('float32')
    assert WINDOWS['bone'] == (550, 2600)
    for name, (level, width) in WINDOWS.items():
        before = np.round(np.clip((hu - level + width/2)/width, 0, 1)*255).astype(np.uint8)
        assert np.array_equal(in_window(hu, name), before) and np.abs(
            window(hu, level, width).astype(int) - before
        ).max() <= np.ceil(255 / width)

# Found by a campaign of spoilt files -----------------------------------------------------------------------------

def test_a_public_set_whose_table_names_no_image(tmp_path):
    "Other columns in a set's table left no rows, and the next step asked them for their labels"
    pocus(tmp_path, 4)
    f = tmp_path/'data'/'dataset_metadata.csv'
    f.write_text(f.read_text().replace(',0,0,', ',,,'))
    assert 'no image of the pocus set is here' in said(adapters.adapt, 'pocus', tmp_path)

def test_half_a_gigabyte_of_zeros_is_no_archive(tmp_path):
    "It was unpacked in search of a format, for minutes"
    with open(tmp_path/'a.zip', 'wb') as f: f.truncate(6*10**8)
    began = time.process_time()
    assert 'neither a zip nor a tar' in said(fetching.unpack, tmp_path/'a.zip', tmp_path/'out')
    assert time.process_time() - began < 2

@pytest.mark.parametrize('c', ['\ufeff', '\u202e', '\ud7ff', '\x1b', '\ue000'])
def test_what_a_terminal_cannot_show_is_not_sent_to_it(c):
    from usbook.core.errors import one_line
    assert one_line(f'patient {c}7') == 'patient ·7' and one_line('می\u200cخواهم 积液') == 'می\u200cخواهم 积液'

def test_json_and_digests_of_a_pipe_or_a_device(tmp_path):
    from usbook.core.files import digest, read_json
    os.mkfifo(tmp_path/'f')
    for f in (tmp_path/'f', '/dev/zero'):
        for read in (read_json, digest): assert 'is a pipe or a device' in said(read, f)

def test_killed_between_the_two_steps_of_replacing_a_folder(tmp_path):
    "The old folder had been moved aside, the new one was not in its place yet: both were lost"
    from usbook.core import files
    (tmp_path/'x').mkdir()
    (tmp_path/'x'/'f').write_text('old')
    script = ('import os, sys; from pathlib import Path; from usbook.core import files\n'
              'rename = Path.rename\n'
              'def second(self, to):\n'
              '    if self.suffix == ".partial": os._exit(9)\n'
              '    return rename(self, to)\n'
              'Path.rename = second\n'
              'with files.write_folder(sys.argv[1], replace=True) as part: (part/"f").write_text("new")')
    p = subprocess.run([sys.executable, '-c', script, str(tmp_path/'x')], capture_output=True, text=True)
    assert p.returncode == 9 and not (tmp_path/'x').exists()
    assert len(files.sweep(tmp_path)) == 1 and (tmp_path/'x'/'f').read_text() == 'old'
    with files.write_folder(tmp_path/'x', replace=True) as part: (part/'f').write_text('new')
    assert (tmp_path/'x'/'f').read_text() == 'new' and [p.name for p in tmp_path.iterdir()] == ['x']


@pytest.mark.skipif(os.name == 'nt', reason='a backslash is no part of a name there')
def test_a_folder_with_a_backslash_in_its_name_is_said(tmp_path):
    for c in ('a', 'b\\c'):
        for i in range(3): png(tmp_path/'own'/c/f'P{i}.png', i)
    with pytest.raises(BadInput, match='has a backslash in its name; rename it'):
        tree_manifest(tmp_path/'own', r'(P\d)')


def test_the_way_to_a_set_does_not_bury_what_is_wrong(tmp_path):
    png(tmp_path/'holiday.png', 0)
    with pytest.raises(BadInput) as e: adapters.adapt('buv', tmp_path, image_level=True)
    assert len(str(e.value)) - len(str(tmp_path)) < 300 and 'usbook data get buv' in str(e.value)
