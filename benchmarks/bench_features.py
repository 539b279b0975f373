"""usbook's two modes against the plain fastai loop that a reader would write, at equal epochs, in one process.

    python benchmarks/bench_features.py --arch resnet34 --epochs 5

The plain loop is fastai's own: images read from their files in every epoch, `vision_learner`, `freeze()` and
`fit_one_cycle`, or `fine_tune`, in float32. Both ways begin with the same kind of weights, augment alike, and end with
predictions for the test images. `frozen_again` is usbook's frozen mode with its features kept; `folds_and_seeds` are
five folds by five seeds of it, against as many plain loops (one is measured). `float32` is without fast bfloat16.
CPU seconds and seconds on the clock; on a busy machine only the former mean something.
"""
import argparse
import hashlib
import json
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from fastai.vision.all import DataBlock, CategoryBlock, ImageBlock, Resize, ResizeMethod, vision_learner
from PIL import Image

from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
from usbook.data.split import folds_by_patient
from usbook.learn import transfer as t
from usbook.learn.fits import one_thread


def images(folder, n, size=160):
    "A manifest of n noise images, two classes, four images a patient"
    rng, rows = np.random.default_rng(0), []
    for i in range(n):
        Image.fromarray(rng.integers(0, 255, (size, size), dtype='uint8')).save(folder/f'{i}.png')
        p = i//4
        rows.append((f'{i}.png', f'P{p}', 'ab'[p % 2], ('train', 'train', 'train', 'test')[p//2 % 4]))
    pd.DataFrame(rows, columns='image patient label split'.split()).to_csv(folder/'manifest.csv', index=False)
    return Manifest.read(folder/'manifest.csv')


def weights(arch, folder):
    "A folder with weights for `arch`: random ones, which count as pretrained because they come from a file"
    torch.manual_seed(0)
    (folder/'weights').mkdir()
    path = folder/'weights'/'new.pth'
    torch.save(getattr(torchvision.models, arch)(weights=None).state_dict(), path)
    path.rename(path.with_name(f'{arch}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth'))
    return folder/'weights'


def plain(m, recipe, finetuned, body=None):
    "Probabilities of the test images by what a reader would write with fastai alone; `body`: weights to begin with"
    parts = [list(t.split_rows(m, s)) for s in ('train', 'test')]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock), get_x=lambda i: m.root/m.table.image[i], get_y=lambda i: m.table.label[i],
        splitter=lambda _: parts, item_tfms=Resize(recipe.size, ResizeMethod.Pad), batch_tfms=t.augmentation(recipe))
    dls = block.dataloaders(range(len(m)), bs=recipe.batch, num_workers=0, device=torch.device('cpu'))
    net = getattr(torchvision.models, recipe.arch, recipe.arch)
    learn = vision_learner(dls, net, pretrained=False, metrics=t.BalancedAccuracy())
    if body is not None: learn.model[0] = body.train()
    with learn.no_bar(), learn.no_logging():
        if finetuned: learn.fine_tune(recipe.epochs - 1)
        else:
            learn.freeze()
            learn.fit_one_cycle(recipe.epochs)
        probs = learn.get_preds()[0].numpy()
    return probs[:, [list(dls.vocab).index(c) for c in m.classes]]


def ours(m, recipe, settings, mode):
    "usbook's way"
    t.train(m, t.Job(recipe, mode, settings=settings, progress=False))


def folds_and_seeds(m, recipe, settings):
    "Five folds by five seeds, frozen, beginning with nothing kept"
    for seed in range(5):
        for fold in folds_by_patient(m, 5, seed=seed):
            t.train(fold, t.Job(recipe, 'frozen', settings=settings, seed=seed, progress=False))


def timed(run, *args):
    "CPU seconds, seconds on the clock"
    cpu, clock = time.process_time(), time.perf_counter()
    run(*args)
    return [round(time.process_time() - cpu, 2), round(time.perf_counter() - clock, 2)]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--arch', default='resnet18')
    p.add_argument('--n', type=int, default=160)
    p.add_argument('--size', type=int, default=128)
    p.add_argument('--epochs', type=int, default=5)
    p.add_argument('--views', type=int, default=4)
    p.add_argument('--threads', type=int, default=1)
    a = p.parse_args()
    warnings.simplefilter('ignore')
    with tempfile.TemporaryDirectory() as d, one_thread(torch.device('cpu')):
        d = Path(d)
        torch.set_num_threads(a.threads)
        m, recipe = images(d, a.n), t.Recipe(a.arch, a.size, a.epochs, views=a.views)
        s = Settings(weights=str(weights(a.arch, d)), cache=str(d/'cache'), device='cpu', offline=True)
        plainly = replace(recipe, precision='float32')
        ours(m.subset(np.arange(len(m)) < 32), recipe, replace(s, cache=str(d/'warm-up')), 'frozen')
        found = dict(
            frozen=timed(ours, m, recipe, s, 'frozen'), frozen_again=timed(ours, m, recipe, s, 'frozen'),
            folds_and_seeds=timed(folds_and_seeds, m, recipe, replace(s, cache=str(d/'folds'))),
            frozen_float32=timed(ours, m, plainly, replace(s, cache=str(d/'float32')), 'frozen'),
            finetuned=timed(ours, m, recipe, s, 'finetuned'), finetuned_float32=timed(ours, m, plainly, s, 'finetuned'),
            plain_frozen=timed(plain, m, recipe, False),
            plain_finetuned=timed(plain, m, recipe, True))
    ratio = lambda slow, quick: round(found[slow][0]/found[quick][0], 1)
    ratios = {k: ratio(f"plain_{k.split('_')[0]}", k) for k in found if k.startswith(('frozen', 'finetuned'))}
    ratios['folds_and_seeds'] = round(25*found['plain_frozen'][0]/found['folds_and_seeds'][0])
    print(json.dumps(vars(a) | dict(seconds_cpu_and_clock=found, ratios_cpu=ratios), indent=1))


if __name__ == '__main__': main()
