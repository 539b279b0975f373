"""Fits on a cluster: a real scheduler and two worker processes on this machine, one of which is killed."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

pytest.importorskip('distributed', reason="needs the extra 'cluster'")

from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
from usbook.learn import fits as f
from usbook.learn.cluster import connected
from usbook.learn.recipe import Job, Recipe

ROOT = Path(__file__).parents[1]
RECIPE = Recipe('resnet10t', size=32, epochs=4, batch=8, views=1)


def images_in(folder):
    "24 noisy images of 12 patients"
    rng, rows = np.random.default_rng(0), []
    for p in range(12):
        for i in range(2):
            a = np.uint8(rng.normal(80 + 90*(p % 2), 20, (32, 32)).clip(0, 255))
            Image.fromarray(a).save(folder/f'{p}-{i}.png')
            split = ('train', 'valid', 'test')[(p >= 6) + (p >= 8)]
            rows.append((f'{p}-{i}.png', f'P{p}', ('dark', 'bright')[p % 2], split))
    pd.DataFrame(rows, columns=['image', 'patient', 'label', 'split']).to_csv(folder/'manifest.csv', index=False)
    return Manifest.read(folder/'manifest.csv', classes=['dark', 'bright'])


def tasks(m, cache, on='', n=2):
    s = Settings(weights='random', cache=str(cache), device='cpu', on=on)
    return [(m, Job(RECIPE, 'finetuned', settings=s, seed=k, progress=False)) for k in range(n)]


def dask(*words, cache=''):
    env = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', USBOOK_CACHE=str(cache))
    return subprocess.Popen([sys.executable, '-m', 'dask', *map(str, words)], env=env,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def workers_at(address):
    "Name -> address of the workers that have reported"
    from distributed import Client
    with Client(address, set_as_default=False) as c:
        return {w['name']: k for k, w in c.scheduler_info()['workers'].items()}


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
    "The address of a scheduler with two workers, and their processes"
    folder = tmp_path_factory.mktemp('dask')
    where, ours = folder/'scheduler.json', []
    try:
        ours.append(dask('scheduler', '--host', '127.0.0.1', '--port', 0, '--no-dashboard',
                         '--scheduler-file', where))
        wait(lambda: where.is_file() and where.stat().st_size)
        address = json.loads(where.read_text())['address']
        for k in 'ab':
            ours.append(dask('worker', address, '--no-nanny', '--nthreads', 1, '--no-dashboard', '--local-directory',
                             folder/k, '--name', k, cache=folder/'away'))
        wait(lambda: len(workers_at(address)) == 2)
        yield address, ours[1:]
    finally:
        for p in ours: p.kill()
        for p in ours: p.wait()


def wait(ready, seconds=240):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, 'nothing happened'
        time.sleep(.05)


@pytest.mark.slow
def test_a_killed_worker_costs_its_fit_in_progress_and_the_numbers_are_those_of_this_machine(cluster, tmp_path):
    (address, workers), m = cluster, images_in(tmp_path)
    def kill_one():
        name = workers_at(address)['a']
        with connected(address) as client:
            wait(lambda: client.processing().get(name) and list((tmp_path/'far').glob('fits/.*.lock')))
        workers[0].send_signal(signal.SIGKILL)
    killer = threading.Thread(target=kill_one)
    killer.start()
    far = f.stored_fits(tasks(m, tmp_path/'far', address))
    killer.join()
    assert workers[0].wait(5) == -signal.SIGKILL
    near = f.stored_fits(tasks(m, tmp_path/'near'))
    for a, b in zip(far, near):
        assert a.key == b.key
        pd.testing.assert_frame_equal(a.predictions['test'].table, b.predictions['test'].table, check_exact=True)
        x, y = a.network.state_dict(), b.network.state_dict()
        assert all(torch.equal(x[k], y[k]) for k in x)


@pytest.mark.slow
def test_workers_that_do_not_see_the_store_send_the_fits_home(cluster, tmp_path, monkeypatch):
    m = images_in(tmp_path)
    monkeypatch.setattr(f, '_ask_workers', lambda *a: False)
    [fit] = f.stored_fits(tasks(m, tmp_path/'here', cluster[0], n=1))
    assert (tmp_path/'here'/'fits'/fit.key/'card.json').is_file()


def test_a_scheduler_that_does_not_answer_gets_one_sentence_in_ten_seconds(tmp_path):
    started = time.monotonic()
    with socket.socket() as silent:
        silent.bind(('127.0.0.1', 0))
        silent.listen()
        with pytest.raises(BadInput, match='no scheduler answers at') as e:
            with connected(f'tcp://127.0.0.1:{silent.getsockname()[1]}'): pass
    assert time.monotonic() - started < 10 and '\n' not in str(e.value)
    with pytest.raises(BadInput, match='write the address'):
        with connected('scheduler'): pass
