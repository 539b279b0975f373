"""Features computed once against fastai's usual freeze() and fit, at equal epochs, as a ratio measured in one process.

    python benchmarks/bench_features.py --arch resnet34 --epochs 5

The usual way passes every image through the backbone in every epoch. Both ways train the same head for the same number
of epochs on the same images and end with predictions for the test images. Times are CPU seconds, so that other work on
the machine disturbs the ratio little.
"""
import argparse, json, tempfile, time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from usbook.data.manifest import Manifest
from usbook.learn import transfer as t
from usbook.learn.weights import Weights
from usbook.core.settings import Settings


def images(folder, n, size=160):
    "A manifest of n noise images, two classes, four images a patient"
    rng, rows = np.random.default_rng(0), []
    for i in range(n):
        Image.fromarray(rng.integers(0, 255, (size, size), dtype='uint8')).save(folder/f'{i}.png')
        p = i//4
        rows.append((f'{i}.png', f'P{p}', 'ab'[p % 2], ('train', 'train', 'train', 'test')[p//2 % 4]))
    pd.DataFrame(rows, columns='image patient label split'.split()).to_csv(folder/'manifest.csv', index=False)
    return Manifest.read(folder/'manifest.csv')


def usual(m, recipe, fast):
    "freeze(), then fit: what a reader would write; `fast`: with the arithmetic that usbook uses"
    weights = Weights(recipe.arch, 'random')
    started, net = time.process_time(), t.network(recipe, weights, len(m.classes))
    net.dtype = t.pick_dtype(net[0], t.torch.device('cpu')) if fast else None
    dls = t.dataloaders(m, recipe, weights)
    learn = t.Learner(
        dls, net, loss_func=t.loss_function(m, recipe), splitter=t.layer_groups, train_bn=False, cbs=t.KeepFrozen()
    )
    learn.freeze()
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(recipe.epochs, recipe.lr)
        t.probabilities(learn, t.rows_loader(dls, t.split_rows(m, 'test')))
    return time.process_time() - started


def once(m, recipe, cache):
    "usbook's frozen mode with an empty cache, or a full one"
    started, settings = time.process_time(), Settings(weights='random', cache=str(cache), device='cpu')
    t.train(m, t.Job(recipe, 'frozen', Weights(recipe.arch, 'random'), settings, progress=False))
    return time.process_time() - started


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--arch', default='squeezenet1_0')
    p.add_argument('--n', type=int, default=160)
    p.add_argument('--size', type=int, default=128)
    p.add_argument('--epochs', type=int, default=5)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as d:
        m, recipe = images(Path(d), a.n), t.Recipe(arch=a.arch, size=a.size, epochs=a.epochs)
        once(m.subset(np.arange(len(m)) < 64), recipe, Path(d)/'warm-up')
        cold, warm = once(m, recipe, Path(d)/'cache'), once(m, recipe, Path(d)/'cache')
        plain, fast = usual(m, recipe, False), usual(m, recipe, True)
    print(
        json.dumps(
            dict(
                arch=a.arch,
                epochs=a.epochs,
                images=a.n,
                size=a.size,
                usual=plain,
                usual_fast_arithmetic=fast,
                once=cold,
                once_again=warm,
                ratio=plain / cold,
                ratio_same_arithmetic=fast / cold,
                ratio_next_seed_or_fold=plain / warm,
            ),
            indent=1,
        )
    )


if __name__ == '__main__': main()
