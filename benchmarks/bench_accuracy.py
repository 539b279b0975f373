"""How long usbook takes to reach what the plain fastai loop of a reader ends with, on the committed lung sample.

    python benchmarks/bench_accuracy.py            (--record writes nbs/records/bench_accuracy.json as well)

The plain loop is fastai's own (see `bench_features.py`), with the shipped backbone's weights: `fine_tune` over all
epochs, float32, images read in every epoch. usbook's frozen mode, and its fine-tuning with fewer and fewer epochs,
learn from the same images. All are scored on patients that none of them saw, by macro AUC; a row is the mean over
seeds, which deal the patients anew. Seconds are of the processor, features and predictions included.
"""
import argparse
import json
import platform
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bench_features import plain
from fastai.torch_core import set_seed
from sklearn.metrics import roc_auc_score

from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
from usbook.data.split import folds_by_patient
from usbook.learn import transfer as t
from usbook.learn.fits import one_thread
from usbook.learn.recipe import fast_bf16
from usbook.learn.weights import find_weights
from usbook.phantoms.lung import LUNG_CLASSES
from usbook.runs.holds import code_now
from usbook.runs.record import Record

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT/'data_samples'/'lung_signs'/'manifest.csv'
PLAIN = 'plain fastai'


def ours(m, recipe, settings, mode, seed):
    "The same by usbook"
    with tempfile.TemporaryDirectory() as cache:
        job = t.Job(recipe, mode, settings=replace(settings, cache=cache), seed=seed, progress=False)
        return t.train(m, job).predictions['test'].prob


def measured(run, m, *args):
    "Seconds of the processor, macro AUC on the test patients"
    start = time.process_time()
    probs = run(m, *args)
    seconds, rows = time.process_time() - start, t.split_rows(m, 'test')
    return seconds, roc_auc_score(np.eye(len(m.classes))[m.targets[rows]], probs, average='macro')


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--epochs', type=int, default=10, help='of the plain loop, and the most of ours')
    p.add_argument('--fewer', type=int, nargs='+', default=[2])
    p.add_argument('--seeds', type=int, default=3)
    p.add_argument('--size', type=int, default=128)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--record', action='store_true', help='write the record that the README quotes')
    a = p.parse_args()
    warnings.simplefilter('ignore')
    settings = Settings(device='cpu', offline=True)
    recipe = t.Recipe('resnet10t', a.size, a.epochs)
    weights, sample = find_weights(recipe.arch, settings), Manifest.read(SAMPLE, classes=list(LUNG_CLASSES))
    def alone(m, seed):
        set_seed(seed)
        return plain(m, recipe, True, t.backbone(recipe.arch, weights, seed))

    ways = {PLAIN: alone,
            'frozen': lambda m, k: ours(m, recipe, settings, 'frozen', k)}
    for n in [*a.fewer, a.epochs]:
        ways[f'fine-tuned, {n} epochs'] = lambda m, k, n=n: ours(m, replace(recipe, epochs=n), settings, 'finetuned', k)
    found = {name: [] for name in ways}
    with one_thread(torch.device('cpu')):
        torch.set_num_threads(a.threads)
        small = sample.subset(np.arange(len(sample)) % 6 == 0)
        measured(ways['frozen'], folds_by_patient(small, 3, seed=0)[0], 0)  # what happens once is not counted
        for seed in range(a.seeds):
            m = folds_by_patient(sample, 5, seed=seed)[0]
            for name, way in ways.items(): found[name].append(measured(way, m, seed))
    means = {name: np.mean(v, 0) for name, v in found.items()}
    for name, (seconds, auc) in means.items(): print(f'{name:24} {seconds:7.1f} s   AUC {auc:.3f}')
    cost, goal = means[PLAIN]
    rows = [dict(way=n, seconds=round(float(s), 1), auc=round(float(auc), 3), as_good=bool(auc >= goal),
                 times_as_fast=round(float(cost/s), 1)) for n, (s, auc) in means.items()]
    print(json.dumps({r['way']: r['times_as_fast'] for r in rows if r['as_good']}))
    if not a.record: return
    how = dict(seconds='of the processor', seeds=a.seeds, epochs=a.epochs, size=a.size, threads=a.threads,
               machine=platform.machine(), fast_bfloat16=fast_bf16(torch.device('cpu')), recipe=repr(recipe),
               code=code_now('lung_signs')['training'])
    figures = [dict(study='lung_signs', arm=r['way'], metric=m, value=r[m]) for r in rows for m in ('seconds', 'auc')]
    Record('python benchmarks/bench_accuracy.py --record', dict(lung_signs=dict(sha256=sample.sha256())), figures, rows,
           how).write(ROOT/'nbs'/'records'/'bench_accuracy.json')


if __name__ == '__main__': main()
