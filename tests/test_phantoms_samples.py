"Samples: the same bytes for any order of work; nothing half-made is taken for whole; clear sentences"
import csv
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usbook.phantoms import samples
from usbook.phantoms.nuisance import Knobs, patient_of, rng, turn
from usbook.phantoms.samples import SAMPLES, make_image, make_sample, png_bytes, sample_difference, study_knobs
from usbook.core.errors import BadInput

ROOT = Path(__file__).parent.parent
SMALL = dict(size=48, progress=False)
ULTRASOUND = 'lung_signs', 'abdomen', 'breast_cine'

def digest(folder): return {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest()
                            for f in Path(folder).rglob('*') if f.is_file()}
def images(folder): return {k: v for k, v in digest(folder).items() if k.startswith(('images', 'masks'))}

def test_workers_and_number_change_nothing(tmp_path):
    make_sample('lung_signs', tmp_path/'one', 12, workers=1, **SMALL)
    make_sample('lung_signs', tmp_path/'two', 12, workers=2, **SMALL)
    make_sample('lung_signs', tmp_path/'more', 20, workers=1, **SMALL)
    assert digest(tmp_path/'one') == digest(tmp_path/'two')
    more = images(tmp_path/'more')
    assert all(more[k] == v for k, v in images(tmp_path/'one').items())

@pytest.mark.parametrize('study', ULTRASOUND)
def test_an_image_is_the_same_alone_and_in_any_order(study):
    k = study_knobs(study)
    there = [make_image(study, 3, i, 48, k) for i in (0, 5, 2)]
    back = [make_image(study, 3, i, 48, k) for i in (2, 5, 0)]
    for a, b in zip(there, back[::-1]):
        assert np.array_equal(a.image, b.image) and a.truth == b.truth and a.lesions == b.lesions

@pytest.mark.parametrize('study', ULTRASOUND)
def test_seed_and_number_matter(study):
    k = study_knobs(study)
    a, b, c = (make_image(study, s, i, 48, k).image for s, i in ((0, 0), (1, 0), (0, 1)))
    assert not np.array_equal(a, b) and not np.array_equal(a, c)

@pytest.mark.parametrize('study', SAMPLES)
def test_every_study_has_its_phantom(study):
    p = make_image(study, 0, 1, 64, study_knobs(study))
    assert p.image.dtype == np.uint8 and p.image.ndim in (2, 3) and p.image.std() > 5
    assert p.patient.startswith('P') and p.label and p.true_label
    if p.mask is not None: assert p.mask.shape == p.image.shape

def test_interrupted_generation_goes_on(tmp_path, monkeypatch):
    whole = tmp_path/'whole'
    make_sample('abdomen', whole, 6, workers=1, **SMALL)
    kept, calls = samples._make, []
    def stop(job):
        if len(calls) == 3: raise KeyboardInterrupt
        calls.append(job)
        return kept(job)
    monkeypatch.setattr(samples, '_make', stop)
    with pytest.raises(KeyboardInterrupt): make_sample('abdomen', tmp_path/'part', 6, workers=1, **SMALL)
    assert not (tmp_path/'part/manifest.csv').exists()
    monkeypatch.setattr(samples, '_make', kept)
    made = []
    monkeypatch.setattr(samples, 'make_image', lambda *a: made.append(a[2]) or make_image(*a))
    make_sample('abdomen', tmp_path/'part', 6, workers=1, **SMALL)
    assert made == [3, 4, 5] and digest(tmp_path/'part') == digest(whole)

@pytest.mark.skipif(sys.platform == 'win32', reason='process groups are killed another way on Windows')
def test_killed_worker_processes_leave_no_manifest(tmp_path):
    code = (
        "from usbook.phantoms.samples import make_sample\n"
        f"if __name__ == '__main__': make_sample('lung_signs', {str(tmp_path / 's')!r}, 400, size=64, workers=2, "
        f"progress=False)"
    )
    script = tmp_path/'go.py'
    script.write_text(code)
    run = subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, 'PYTHONPATH': str(ROOT)}, start_new_session=True
    )
    for _ in range(600):
        if len(list((tmp_path/'s'/'images').glob('*.png'))) > 4 or run.poll() is not None: break
        time.sleep(.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (tmp_path/'s/manifest.csv').exists()
    for f in (tmp_path/'s/images').glob('*.png'): Image.open(f).load()   # what has its name is whole
    # and a half-written file never has one
    assert all(f.name.endswith('.part') or f.suffix == '.png' for f in (tmp_path/'s/images').iterdir())

def test_full_disk_is_one_sentence_and_nothing_half_made(tmp_path, monkeypatch):
    kept, written = samples.write_file, []
    def full(path, content):
        if len(written) > 9: raise OSError(errno.ENOSPC, 'No space left on device')
        written.append(path)
        kept(path, content)
    monkeypatch.setattr(samples, 'write_file', full)
    with pytest.raises(BadInput, match='No space left.*goes on where it stopped'):
        make_sample('lung_signs', tmp_path/'s', 8, workers=1, **SMALL)
    assert not (tmp_path/'s/manifest.csv').exists()
    monkeypatch.setattr(samples, 'write_file', kept)
    make_sample('lung_signs', tmp_path/'s', 8, workers=1, **SMALL)
    make_sample('lung_signs', tmp_path/'t', 8, workers=1, **SMALL)
    assert digest(tmp_path/'s') == digest(tmp_path/'t')

def test_a_write_that_fails_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, 'replace', lambda *a: (_ for _ in ()).throw(OSError(errno.ENOSPC, 'No space left on device'))
    )
    with pytest.raises(OSError): samples.write_file(tmp_path/'a.png', b'x')
    assert not list(tmp_path.iterdir())

def test_a_lost_image_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, '_finish', lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt): make_sample('lung_signs', tmp_path/'s', 4, workers=1, **SMALL)
    monkeypatch.undo()
    (tmp_path/'s/images/00002.png').unlink()
    make_sample('lung_signs', tmp_path/'s', 4, workers=1, **SMALL)
    assert (tmp_path/'s/images/00002.png').exists() and not (tmp_path/'s/.parts').exists()

def test_asking_again_does_nothing_and_other_settings_are_refused(tmp_path):
    first = make_sample('lung_signs', tmp_path/'s', 3, **SMALL)
    before = {f: f.stat().st_mtime_ns for f in (tmp_path/'s').rglob('*')}
    assert make_sample('lung_signs', tmp_path/'s', 3, **SMALL) == first
    assert {f: f.stat().st_mtime_ns for f in (tmp_path/'s').rglob('*')} == before
    for other in (dict(n=4), dict(n=3, seed=1), dict(n=3, difficulty=.1)):
        with pytest.raises(BadInput, match='other settings'): make_sample('lung_signs', tmp_path/'s', **other, **SMALL)

@pytest.mark.parametrize(
    'ask, what',
    [
        (dict(study='lungs'), 'no phantom'),
        (dict(n=0), 'at least one'),
        (dict(size=8), 'outside 32'),
        (dict(difficulty=2), 'outside 0 to 1'),
        (dict(dificulty=0.2), 'no knob'),
        (dict(site='Z'), 'site'),
        (dict(seed=-1), 'negative'),
        (dict(prevalence=(1, 1)), 'shares'),
        (dict(probe='phased'), 'probe'),
        (dict(overlay_shortcut=0.5), 'overlay_shortcut'),
        (dict(prevalence='lots'), 'prevalence'),
        (dict(difficulty='hard'), 'difficulty'),
        (dict(images_per_patient=0), 'images_per_patient'),
    ],
)
def test_slips_are_named(tmp_path, ask, what):
    with pytest.raises(BadInput, match=what):
        make_sample(**{**dict(study='lung_signs', out=tmp_path / 's', n=2), **SMALL, **ask})

def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path/'letter.txt').write_text('dear')
    with pytest.raises(BadInput, match='not empty'): make_sample('lung_signs', tmp_path, 2, **SMALL)
    assert [f.name for f in tmp_path.iterdir()] == ['letter.txt']

def test_torn_records_are_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, '_finish', lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt): make_sample('lung_signs', tmp_path/'s', 3, workers=1, **SMALL)
    monkeypatch.undo()
    (tmp_path/'s/.parts/00001.json').write_text('{"i": 1, "ro')
    make_sample('lung_signs', tmp_path/'s', 3, workers=1, **SMALL)
    make_sample('lung_signs', tmp_path/'t', 3, workers=1, **SMALL)
    assert digest(tmp_path/'s') == digest(tmp_path/'t')

def test_cine_files_and_tables_agree(tmp_path):
    make_sample('breast_cine', tmp_path, 5, workers=1, **SMALL)
    table = lambda name: list(csv.DictReader((tmp_path/name).open(encoding='utf-8')))
    scans, lesions, rows = table('scans.csv'), table('lesions.csv'), table('manifest.csv')
    assert len(scans) == 5 and len(rows) == sum(int(s['n_frames']) for s in scans) and lesions
    boxes = {(b['scan'], int(b['frame'])) for b in lesions}
    assert {(r['scan'], int(r['frame'])) for r in rows if r['label'] == 'mass'} == boxes
    for s in scans:
        with (
            Image.open(tmp_path / 'images' / f"{s['scan']}.png") as film,
            Image.open(tmp_path / 'masks' / f"{s['scan']}.png") as mask,
        ):
            assert film.n_frames == mask.n_frames == int(s['n_frames']) and film.size == mask.size
            for b in (b for b in lesions if b['scan'] == s['scan']):
                mask.seek(int(b['frame']))
                x, y, w, h = (int(b[k]) for k in 'xywh')
                inside = np.asarray(mask.convert('L'))[y:y+h, x:x+w]
                assert inside.any(0)[[0, -1]].all() and inside.any(1)[[0, -1]].all()

def test_equal_frames_are_kept_apart():
    import io
    film = np.zeros((4, 8, 9), bool); film[2, 1, 1] = True
    with Image.open(io.BytesIO(png_bytes(film))) as again:
        assert again.n_frames == 4
        for k in range(4): again.seek(k); assert np.array_equal(np.asarray(again.convert('L')) > 0, film[k])

def test_patients_never_depend_on_how_many_images_there_are():
    k = Knobs(images_per_patient=5)
    few, many = [patient_of(7, i, k) for i in range(50)], [patient_of(7, i, k) for i in range(500)]
    assert many[:50] == few and many == sorted(many) and set(many) == set(range(100))
    assert max(patient_of(7, i, turn(k, n_patients=8)) for i in range(500)) == 7

def test_generators_do_not_touch_each_other():
    a = rng(0, 'a', 1)
    first = a.random(5)
    rng(0, 'a', 2).random(100)
    assert np.array_equal(first, rng(0, 'a', 1).random(5))

@pytest.mark.parametrize('study', SAMPLES)
def test_committed_sample_is_what_the_code_makes(study):
    folder = ROOT/'data_samples'/study
    if not (folder/'manifest.csv').is_file(): pytest.skip(f'no committed sample of {study}')
    assert sample_difference(folder) <= 1
    size = sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())
    assert size <= (12e6 if study == 'breast_cine' else 8e6)
    assert json.loads((folder/'sample.json').read_text())['study'] == study

def test_samples_are_a_taster():
    assert sum(f.stat().st_size for f in (ROOT/'data_samples').rglob('*') if f.is_file()) <= 40e6

@pytest.mark.parametrize('left', [('images',), ('images', 'masks', '.parts'), ('.sample.json.lock',), ('images',
    '.sample.json.12ab34cd.part')])
def test_an_interruption_before_the_first_marker_is_no_obstacle(tmp_path, left):
    "Such a folder was refused for ever, after 'it goes on where it stopped' was promised"
    for name in left: (tmp_path/name).write_text('{') if name.startswith('.sample') else (tmp_path/name).mkdir()
    assert samples.make_sample('lung_signs', tmp_path, n=2, size=64, workers=1, progress=False).is_file()
    assert not list(tmp_path.glob('.*'))

def test_four_at_once_into_one_folder(tmp_path):
    "9 of 24 processes failed"
    code = (f"from usbook.phantoms.samples import make_sample; print(make_sample('lung_signs', "
            f"{str(tmp_path / 'p')!r}, n=6, size=64, workers=1, progress=False))")
    runs = [
        subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [(r.communicate(timeout=300), r.returncode) for r in runs]
    assert all(code == 0 for _, code in said), said
    assert len(list((tmp_path/'p'/'images').iterdir())) == 6 and not list((tmp_path/'p').glob('.*'))

@pytest.mark.skipif(os.name == 'nt', reason='needs POSIX signals')
def test_workers_do_not_hear_an_interrupt_while_they_load(tmp_path):
    "Ctrl-C goes to every process of a terminal: a worker that was just being loaded showed a traceback"
    from usbook.phantoms.samples import _deaf_children
    sees = 'import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)'
    def child(): return subprocess.run([sys.executable, '-c', sees], capture_output=True, text=True).stdout.strip()
    found, before = signal.getsignal(signal.SIGINT), signal.default_int_handler
    signal.signal(signal.SIGINT, before) # a shell's background job starts deaf
    try:
        with _deaf_children(): assert child() == 'True'
        assert signal.getsignal(signal.SIGINT) == before and child() == 'False'
    finally: signal.signal(signal.SIGINT, found)


def test_a_script_without_a_guard_ends_with_a_sentence(tmp_path):
    "Its workers load it again; they once waited for ever for the lock that their parent holds"
    script = tmp_path/'plain.py'
    script.write_text('from usbook.phantoms.samples import make_sample\n'
                      f"make_sample('lung_signs', {str(tmp_path/'out')!r}, n=16, size=48, workers=2, progress=False)\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode and "if __name__ == '__main__'" in done.stderr.splitlines()[-1]


def test_a_process_of_another_pool_makes_its_own_images(tmp_path):
    from joblib import Parallel, delayed
    [there] = Parallel(2)([delayed(make_sample)('lung_signs', tmp_path/'there', 8, size=32, workers=2, progress=False)])
    here = make_sample('lung_signs', tmp_path/'here', 8, size=32, workers=1, progress=False)
    assert there.read_text() == here.read_text()
