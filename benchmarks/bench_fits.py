"""Ten fits with one and with two workers, on quiet cores and beside a program that keeps them busy: ratios.

python benchmarks/bench_fits.py [--fits 10] [--epochs 2]
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

BUSY = 'while True: pass'
NAMES = {'before': "one after the other, torch's threads", '1': '1 worker', '2': '2 workers'}


def images(folder, n=160, size=96):
    "Noisy images of two classes, a third of the patients for validation and test"
    rng, rows = np.random.default_rng(0), []
    for i in range(n):
        pixels = rng.normal(80 + 60*(i % 2), 25, (size, size)).clip(0, 255)
        Image.fromarray(np.uint8(pixels)).save(folder/f'{i}.png')
        rows.append((f'{i}.png', f'P{i}', ('dark', 'bright')[i % 2], ('train', 'train', 'valid', 'test')[i // 2 % 4]))
    pd.DataFrame(rows, columns=['image', 'patient', 'label', 'split']).to_csv(folder/'manifest.csv', index=False)


def run(folder, cache, workers, fits, epochs):
    "Seconds of wall time that the fits take, in this process and its helpers, and a number that must not change"
    from usbook.core.settings import Settings
    from usbook.data.manifest import Manifest
    from usbook.learn.fits import Task, stored_fits
    from usbook.learn.recipe import Job, Recipe
    m = Manifest.read(folder/'manifest.csv', classes=['dark', 'bright'])
    s = Settings(weights='random', cache=str(cache), device='cpu')
    job = Job(Recipe('resnet10t', size=96, epochs=epochs, batch=16), 'finetuned', settings=s, progress=False)
    started = time.perf_counter()
    done = stored_fits([Task(m, job.but(seed=k)) for k in range(fits)], workers=workers)
    seconds = time.perf_counter() - started
    return seconds, sum(float(f.predictions['test'].prob[:, 0].sum()) for f in done)


def before(folder, cache, fits, epochs):
    "The same fits one after the other, with as many threads as torch takes by itself"
    import torch
    from usbook.core.settings import Settings
    from usbook.data.manifest import Manifest
    from usbook.learn.recipe import Job, Recipe
    from usbook.learn.transfer import train
    torch.set_num_threads(os.cpu_count())
    m = Manifest.read(folder/'manifest.csv', classes=['dark', 'bright'])
    s = Settings(weights='random', cache=str(cache), device='cpu')
    job = Job(Recipe('resnet10t', size=96, epochs=epochs, batch=16), 'finetuned', settings=s, progress=False)
    started = time.perf_counter()
    for k in range(fits): train(m, job.but(seed=k))
    return time.perf_counter() - started, 0.


def measured(folder, how, busy, fits, epochs):
    "One measurement in a process of its own, so that each starts equally cold"
    others = [subprocess.Popen([sys.executable, '-c', BUSY]) for _ in range(os.cpu_count()*busy)]
    try:
        with tempfile.TemporaryDirectory() as cache:
            words = [sys.executable, __file__, '--one', how, '--images', folder, '--cache', cache]
            words += ['--fits', str(fits), '--epochs', str(epochs)]
            env = {k: v for k, v in os.environ.items() if k != 'OMP_NUM_THREADS'}
            out = subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout.split()
        return float(out[-2]), float(out[-1])
    finally:
        for p in others: p.kill()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--fits', type=int, default=10)
    p.add_argument('--epochs', type=int, default=2)
    p.add_argument('--one', help=argparse.SUPPRESS)
    p.add_argument('--images', help=argparse.SUPPRESS)
    p.add_argument('--cache', help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.one:
        folder, cache = Path(args.images), Path(args.cache)
        same = args.fits, args.epochs
        return print(*(before(folder, cache, *same) if args.one == 'before' else
                       run(folder, cache, int(args.one), *same)))
    print(f'load of this machine before: {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores; {args.fits} fits')
    with tempfile.TemporaryDirectory() as folder:
        images(Path(folder))
        found = {}
        for busy in (0, 1):
            for how in ('before', '1', '2'):
                found[how, busy] = measured(folder, how, busy, args.fits, args.epochs)
                where = 'beside busy cores' if busy else 'quiet'
                print(f'{NAMES[how]:38} {where:18} {found[how, busy][0]:7.1f} s', flush=True)
    t = {k: v[0] for k, v in found.items()}
    same = len({v[1] for (how, _), v in found.items() if how != 'before'}) == 1
    print(f"2 workers / one after the other, quiet: {t['2', 0]/t['before', 0]:.2f} (at most .6 wanted)")
    print(f"2 workers / 1 worker, quiet: {t['2', 0]/t['1', 0]:.2f}")
    print(f"2 workers, beside busy cores / quiet: {t['2', 1]/t['2', 0]:.2f} (at most 2.5 wanted)")
    print(f"one after the other, beside busy cores / quiet: {t['before', 1]/t['before', 0]:.2f}")
    print('the same numbers for 1 and 2 workers, quiet and busy:', 'yes' if same else 'NO')


if __name__ == '__main__': main()
