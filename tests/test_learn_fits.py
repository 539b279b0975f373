"""Fits are made once, kept whole or not at all, and the same however many run side by side."""
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
from usbook.learn import fits as f
from usbook.learn.export import load_network, save_network
from usbook.learn.recipe import Job, Recipe

TINY = Recipe('resnet10t', size=32, epochs=1, batch=8, views=1)
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    "24 noisy images of 12 patients, two classes that differ in brightness"
    folder, rng, rows = tmp_path_factory.mktemp('images'), np.random.default_rng(0), []
    for p in range(12):
        for i in range(2):
            Image.fromarray(np.uint8(rng.normal(80 + 90 * (p % 2), 20, (32, 32)).clip(0, 255))).save(
                folder / f'{p}-{i}.png'
            )
            rows.append(
                (f'{p}-{i}.png', f'P{p}', ('dark', 'bright')[p % 2], ('train', 'valid', 'test')[(p >= 6) + (p >= 8)])
            )
    pd.DataFrame(rows, columns='image patient label split'.split()).to_csv(folder/'manifest.csv', index=False)
    return Manifest.read(folder/'manifest.csv', classes=['dark', 'bright'])


def job(tmp_path, **kw):
    return Job(
        **dict(
            recipe=TINY,
            settings=Settings(weights='random', cache=str(tmp_path / 'cache'), device='cpu'),
            progress=False,
        )
        | kw
    )


def same(a, b):
    assert set(a.predictions) == set(b.predictions)
    for k in a.predictions:
        pd.testing.assert_frame_equal(a.predictions[k].table, b.predictions[k].table, check_exact=True)
    pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)
    x, y = a.network.state_dict(), b.network.state_dict()
    assert all(torch.equal(x[k], y[k]) for k in x)


@pytest.mark.parametrize('mode', ['frozen', 'finetuned'])
def test_a_fit_is_made_once_and_read_as_it_was(images, tmp_path, mode):
    seen = []
    first = f.stored_fit(images, job(tmp_path, mode=mode))
    again = f.stored_fit(images, job(tmp_path, mode=mode, progress=lambda text, fraction: seen.append(text)))
    same(first, again)
    assert again.notes[-1].startswith('trained before, ') and again.notes[-1] in seen and again.seconds == first.seconds
    assert again.frozen == first.frozen and again.predictions['test'].meta['mode'] == mode
    assert f.stored_fit(images, job(tmp_path, mode=mode), retrain=True).learner is not None
    files = {p.name for p in next(f.fits_folder(job(tmp_path).settings).glob('[0-9a-f]*')).iterdir()}
    assert {'card.json', 'history.csv', 'network.safetensors', 'predictions-valid.csv', 'predictions-test.csv'} <= files


def test_the_key_holds_whatever_could_change_the_outcome(images, tmp_path):
    j = job(tmp_path)
    key = lambda m, j: f.fit_key(f.fit_inputs(m, j))
    flipped = images.table.split.replace(dict(valid='test', test='valid'))
    others = [
        key(images, j.but(seed=1)),
        key(images, j.but(mode='finetuned')),
        key(images, j.but(recipe=replace(TINY, lr=1e-3))),
        key(replace(images, classes=['bright', 'dark']), j),
        key(images.with_split(flipped), j),
    ]
    assert len({key(images, j), *others}) == 6 and key(images, j) == key(images, job(tmp_path/'elsewhere'))


@pytest.mark.parametrize('spoil', ['truncated', 'foreign', 'card', 'emptied', 'missing'])
def test_a_damaged_fit_is_left_out_and_made_again(images, tmp_path, spoil):
    first = f.stored_fit(images, job(tmp_path))
    folder = next(f.fits_folder(job(tmp_path).settings).glob('[0-9a-f]*'))
    net, card = folder/'network.safetensors', folder/'card.json'
    if spoil == 'truncated': net.write_bytes(net.read_bytes()[:-100])
    if spoil == 'foreign': net.write_bytes(b'MZ')
    if spoil == 'card': card.write_text('[1, 2]')
    if spoil == 'emptied': card.write_text('')
    if spoil == 'missing': (folder/'predictions-test.csv').unlink()
    again = f.stored_fit(images, job(tmp_path))
    same(first, again)
    assert 'made again' in again.notes[0] and '\n' not in again.notes[0]
    assert 'trained before' in f.stored_fit(images, job(tmp_path)).notes[0]


def test_one_and_two_workers_and_any_number_of_threads_give_the_same_numbers(images, tmp_path):
    def tasks(where): return [(images, job(tmp_path/where, seed=s)) for s in (0, 1)]
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try: alone = f.stored_fits(tasks('one'), workers=1)
    finally: torch.set_num_threads(before)
    both = f.stored_fits(tasks('two'), workers=2, progress=lambda text, fraction=None: seen.append(text))
    for a, b in zip(alone, both): same(a, b)
    assert any(text.startswith('1 of 2 fits') for text in seen) and not any(x.notes for x in both)
    third = f.stored_fits(tasks('two'), workers=2)
    assert all(x.notes[-1].startswith('trained before') for x in third)
    others_may_use_joblib_after_us()


def others_may_use_joblib_after_us():
    "Our processes are not those that joblib keeps for everybody: scikit-learn's n_jobs failed after a training"
    from joblib import Parallel, delayed
    assert Parallel(2)(delayed(abs)(-k) for k in range(3)) == [0, 1, 2]


CODE = '''
import sys; sys.path.insert(0, {root!r})
from usbook.learn import fits as f
from usbook.learn.recipe import Job, Recipe
from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
m = Manifest.read({manifest!r}, classes=['dark', 'bright'])
jobs = [Job(Recipe('resnet10t', size=32, epochs=n, batch=8, views=1), 'finetuned' if n > 1 else 'frozen',
            progress={progress}, settings=Settings(weights='random', cache={cache!r}, device='cpu')) for n in {epochs}]
print([f.stored_fit(m, job).notes for job in jobs], flush=True)
'''


def start(aside, images, tmp_path, epochs=(1,), progress='False'):
    code = CODE.format(
        root=str(ROOT),
        manifest=str(images.root / 'manifest.csv'),
        cache=str(tmp_path / 'cache'),
        epochs=epochs,
        progress=progress,
    )
    return aside(code)


def test_two_processes_that_ask_for_one_fit_make_it_once(aside, images, tmp_path):
    said = sorted(p.end().stdout.strip() for p in [start(aside, images, tmp_path) for _ in 'ab'])
    assert said[0].startswith("[['trained before") and said[1] == '[[]]', said


def test_killed_in_the_middle_nothing_half_made_is_left_and_the_next_one_makes_it(aside, images, tmp_path):
    p = start(aside, images, tmp_path, epochs=(1, 400), progress='lambda text, fraction=None: print(text, flush=True)')
    while 'epoch 2 ' not in p.said()[0]:
        assert p.process.is_alive()
        time.sleep(.05)
    p.process.kill()
    assert p.end().returncode == -signal.SIGKILL
    folder = f.fits_folder(job(tmp_path).settings)
    assert len(list(folder.glob('[0-9a-f]*'))) == 1
    first, second = f.stored_fits([(images, job(tmp_path)), (images, job(tmp_path, seed=1))])
    assert first.notes[0].startswith('trained before') and second.notes == []
    same(first, f.stored_fit(images, job(tmp_path/'undisturbed')))
    assert not list(folder.glob('.*.partial'))


class Stop(BaseException):
    "In place of a power cut"


def stopping_after(epoch):
    def say(text, fraction=None):
        if text.startswith(f'epoch {epoch + 1} '): raise Stop
    return say


@pytest.mark.parametrize('weights', ['random', 'auto'])
def test_a_long_fit_goes_on_after_its_last_epoch_and_comes_to_the_same_bits(images, tmp_path, weights, monkeypatch):
    def four(where, **kw):
        j = job(tmp_path/where, mode='finetuned', recipe=replace(TINY, epochs=5, views=2), **kw)
        return j.but(settings=replace(j.settings, weights=weights, offline=True), weights=None)
    whole = f.stored_fit(images, four('undisturbed'))
    monkeypatch.setattr(f, 'LONG', 0)
    with pytest.raises(Stop): f.stored_fit(images, four('cut', progress=stopping_after(2)))
    with pytest.raises(Stop): f.stored_fit(images, four('cut', progress=stopping_after(3)))
    rest = f.stored_fit(images, four('cut'))
    same(whole, rest)
    assert any(n.startswith('went on after epoch') for n in rest.notes)
    assert not list(f.fits_folder(four('cut').settings).glob('.*.stage*'))


def test_a_damaged_checkpoint_is_left_out(images, tmp_path, monkeypatch):
    monkeypatch.setattr(f, 'LONG', 0)
    three = job(tmp_path, mode='finetuned', recipe=replace(TINY, epochs=3))
    with pytest.raises(Stop): f.stored_fit(images, three.but(progress=stopping_after(2)))
    for state in f.fits_folder(three.settings).glob('.*.stage*/state.pt'): state.write_bytes(b'cut')
    assert 'A damaged checkpoint was left out.' in f.stored_fit(images, three).notes


def test_a_full_disk_keeps_the_answer_and_says_so(images, tmp_path, monkeypatch):
    def full(*_, **__): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(f, 'save_fit', full)
    fit = f.stored_fit(images, job(tmp_path))
    assert 'could not be kept (No space left on device)' in fit.notes[0] and len(fit.predictions['test'])


@pytest.mark.skipif(os.name == 'nt', reason='limits of a process')
def test_a_disk_that_fills_while_a_network_is_written_is_no_mistake_of_ours(images, tmp_path):
    import resource
    from usbook.learn.export import save_network
    fit, limits = f.stored_fit(images, job(tmp_path)), resource.getrlimit(resource.RLIMIT_FSIZE)
    def room(most): resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))  # no file may be larger
    try:
        room(200_000)
        with pytest.raises(OSError): save_network(fit, tmp_path/'net.safetensors')
        room(4000)
        with pytest.raises(OSError): f.save_fit(fit, tmp_path/'fit', {})
    finally: room(limits[0])
    assert not (tmp_path/'net.safetensors').exists() and not (tmp_path/'fit').exists()
    assert f.read_fit(f.save_fit(fit, tmp_path/'fit', {}), images, job(tmp_path))


def test_the_store_is_shown_pruned_and_says_when_it_is_large(images, tmp_path):
    s = job(tmp_path).settings
    f.stored_fit(images, job(tmp_path))
    old = f.fits_folder(s)/f.kept_fits(s)[0]['key']
    os.utime(old, (time.time() - 9*86400,)*2)
    small = replace(s, fits_limit=1e-5)
    assert 'makes room' in f.stored_fit(images, job(tmp_path, seed=1, settings=small)).notes[-1] and not old.exists()
    assert [r['mode'] for r in f.kept_fits(s)] == ['frozen'] and f.kept_fits(s)[0]['study'] == images.root.name
    f.stored_fit(images, job(tmp_path, seed=2))
    os.utime(f.fits_folder(s)/f.kept_fits(s)[0]['key'], (time.time() - 9*86400,)*2)
    assert len(f.prune_fits(s, study='another')) == 0 and len(f.prune_fits(s, days=7)) == 1
    assert len(f.prune_fits(s, most=10**9)) == 0 and f.store_size(s) > sum(r['bytes'] for r in f.kept_files(s)) > 0
    gone = f.prune_fits(s, most=0)
    assert [r['mode'] for r in gone].count('frozen') == 1 and f.kept_fits(s) == f.kept_files(s) == []


def test_features_and_decoded_images_count_and_are_pruned_too(images, tmp_path, usbook):
    s = job(tmp_path).settings
    f.stored_fit(images, job(tmp_path))
    [(_, _, pixels)] = f.share_pixels([f.Task(images, job(tmp_path))])
    assert {r['mode'] for r in f.kept_files(s)} == {'features', 'pixels'}
    said = json.loads(usbook('cache', '--json').stdout)
    assert said['pixels'] == pixels.stat().st_size and said['features'] > 0
    assert not {'features', 'pixels'} & set(said['others'])
    for r in f.kept_files(s): os.utime(tmp_path/'cache'/r['key'], (time.time() - 9*86400,)*2)
    text = usbook('cache', '--prune', '--older', '7d').stdout
    assert 'Removed: 0 trainings, 1 of features, 1 of pixels' in text and '1 trainings' in text
    assert f.kept_files(s) == [] and len(f.kept_fits(s)) == 1


def test_a_problem_in_a_worker_is_one_sentence(images, tmp_path):
    bad = images.subset((images.table.label == 'dark') | (images.table.split != 'train'))
    with pytest.raises(BadInput, match='class bright'):
        f.stored_fits([(bad, job(tmp_path, seed=s)) for s in (0, 1)], workers=2)
    for w in (0, -1, 'many'):
        with pytest.raises(BadInput, match='workers'): f.worker_count(w)


def test_a_saved_network_is_the_same_and_foreign_files_are_refused(images, tmp_path):
    fit = f.stored_fit(images, job(tmp_path, mode='finetuned'))
    assert fit.learner.opt is None and all(p.grad is None for p in fit.network.parameters()), 'only weights stay'
    net, facts = load_network(save_network(fit, tmp_path/'net.safetensors'))
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    fit.network.dtype = None
    with torch.inference_mode(): assert torch.equal(net(x), fit.network(x))
    assert facts['classes'] == ['dark', 'bright'] and facts['recipe'] == TINY
    (tmp_path/'cut.safetensors').write_bytes((tmp_path/'net.safetensors').read_bytes()[:-9])
    torch.save(dict(a=torch.zeros(1)), tmp_path/'pickle.safetensors')
    (tmp_path/'text.safetensors').write_text(json.dumps([]))
    for name in ('cut', 'pickle', 'text'):
        with pytest.raises(BadInput, match='no network that usbook saved'):
            load_network(tmp_path / f'{name}.safetensors')
    with pytest.raises(BadInput, match='no such file'): load_network(tmp_path/'none.safetensors')


def test_the_tests_keep_memory_as_processes_that_train_do():
    assert f"KEPT := {f.TRAINER_ENV['GLIBC_TUNABLES']}\n" in (ROOT/'Makefile').read_text(encoding='utf-8')


def test_a_pipe_is_no_network(tmp_path):
    import os
    os.mkfifo(tmp_path/'n.safetensors')
    with pytest.raises(BadInput, match='is a pipe or a device'): load_network(tmp_path/'n.safetensors')


ELSEWHERE = """
import sys; sys.path.insert(0, {root!r})
from usbook.learn import fits as f
from usbook.learn.recipe import Job, Recipe
from usbook.core.settings import Settings
from usbook.data.manifest import tree_manifest
from usbook.data.split import split_by_patient
m = split_by_patient(tree_manifest({folder!r}, r'(P[0-9]+)'), seed=0)
s = Settings(weights='random', cache='cache', device='cpu', home={home!r})
fit = f.stored_fit(m, Job(Recipe('resnet10t', size=32, epochs=1, batch=8, views=1), settings=s, progress=False))
print(fit.key, repr(fit.predictions['test'].prob.tolist()))
"""


def test_another_folder_order_of_files_and_locale_give_the_same_numbers(aside, images, tmp_path):
    def tree(name, order):
        for r in images.table.iloc[order].itertuples():
            (tmp_path/name/r.label).mkdir(parents=True, exist_ok=True)
            new = tmp_path/name/r.label/f'{r.patient}-{Path(r.image).name}'
            new.write_bytes((images.root/r.image).read_bytes())
        return str(tmp_path/name)
    there, back = tree('there', range(24)), tree('back', range(23, -1, -1))
    def script(folder, cwd): return ELSEWHERE.format(root=str(ROOT), folder=folder, home=str(cwd))
    env = os.environ | dict(OMP_NUM_THREADS='2', LC_ALL='tr_TR.ISO-8859-9')  # from its first moment
    two = subprocess.Popen([sys.executable, '-c', script(back, tmp_path/'back')], cwd=tmp_path/'back',
                           stdout=subprocess.PIPE, text=True, env=env)
    one = aside(script(there, tmp_path), cwd=tmp_path, LC_ALL='C.UTF-8').end().stdout
    assert one == two.communicate(timeout=300)[0] and len(one) > 100


@pytest.mark.slow
def test_one_two_and_four_workers_give_the_same_numbers(images, tmp_path):
    def tasks(n): return [(images, job(tmp_path/str(n), seed=s, mode='finetuned')) for s in range(5)]
    alone = f.stored_fits(tasks(1), workers=1)
    for n in (2, 4):
        for a, b in zip(alone, f.stored_fits(tasks(n), workers=n)): same(a, b)


def test_processes_share_decoded_images(images, tmp_path):
    from usbook.learn import transfer
    plain, files = transfer.Pixels(images, 32), f.share_pixels([f.Task(images, job(tmp_path))])
    with transfer.shared_pixels(files):
        shared = transfer.Pixels(images, 32)
        assert isinstance(shared.shared, np.memmap) and shared.shared.dtype == np.uint8 and not transfer.SHARED == {}
        for i in range(len(images)): assert np.array_equal(np.asarray(plain(i)), np.asarray(shared(i)))
        assert not shared.kept
    assert transfer.SHARED == {}
