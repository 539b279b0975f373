"""The networks of the five papers, taught on the committed samples: `make published`.

`full` trains them as published, which takes a graphics card. Here each of them, with the layers it has there, learns
from one part of a sample, from random weights, on smaller images and for fewer passes, and is tested on the patients
left out. It answers one question: does it learn, that is, is it better than chance? Sizes and passes fit the time
(an hour and a half on two cores), and no figure is one of a paper.

Three plans were changed after trials. ResNet152 learned little in 8 passes (.57), FCOS nothing at the rate of `full`
(.17, as much as chance). ResNet34 learned nothing of small opacities from random weights: fine-tuned .45 to .50 on the
96 films of the sample (whole or single lungs, 128 to 160 pixels, four rates) and .48 on 400, frozen .36 and .53 on 96
and .42 on 400. So it is first pretrained on procedural textures, as the shipped backbone is, and gets the 400 films
that `quick` simulates, cut to their lungs. Pretrained, its frozen features tell nothing of 96 films either (.40, .43),
and .60 of 400 that are whole; fine-tuned at 192 pixels and five times the rate it came to .49.
"""
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from usbook.cli.study import machinery_of
from usbook.core.settings import read_settings
from usbook.data.split import folds_by_patient, split_by_patient
from usbook.evidence.froc import froc
from usbook.evidence.metrics import evaluate
from usbook.evidence.resample import mean_over_patients
from usbook.evidence.scores import auc
from usbook.learn.detect import as_detections
from usbook.learn.fits import Task, stored_fits
from usbook.learn.pretrain import PretextRecipe, make_backbone
from usbook.learn.recipe import Job, Recipe
from usbook.learn.segment import dice, find_lungs, read_lungs, score_lungs
from usbook.runs.record import Record, figures_of_arms
from usbook.studies.breast_cine import HIT, RATES, chance
from usbook.studies.images import Reading, find_images
from usbook.studies.machinery import pool
from usbook.studies.pneumoconiosis import make_view, two_classes

RECORD = Path(__file__).parents[1]/'nbs'/'records'/'published_networks.json'
MACHINERY = {s: machinery_of(s) for s in ('lung_signs', 'head_ct', 'breast_cine', 'abdomen', 'pneumoconiosis')}
FULL = {s: m.plans['full'] for s, m in MACHINERY.items()}
SMALL, OWN = dict(size=64, epochs=20, views=1), dict(size=128, epochs=1, views=1, head_epochs=6, batch=64)
FILMS = dict(size=256, epochs=4, views=1, lr=1e-4)
PRETEXT = PretextRecipe('resnet34', pairs=64, steps=900, sizes=((0., 64),), lr=1e-3)
CLIPS = dict(size=96, epochs=16, batch=8, lr=1e-4)
FOLDS = 3 # of classifiers whose samples are too small to test on one part of their patients
NETWORKS = {  # name -> study, recipe of `full` with what is smaller, mode
    'ResNet152': ('lung_signs', replace(FULL['lung_signs'].recipe, **SMALL), 'finetuned'),
    'ResNet50': ('head_ct', replace(FULL['head_ct'].recipe, **SMALL), 'finetuned'),
    'AlexNet, own layers': ('abdomen', replace(FULL['abdomen'].recipe, **OWN), 'frozen'),
    'VGG16, own layers': ('abdomen', replace(FULL['abdomen'].others[0], **OWN), 'frozen'),
    'U-Net on ResNet34': ('pneumoconiosis', replace(FULL['pneumoconiosis'].unet, size=64, epochs=8), 'finetuned'),
    'ResNet34, frozen': ('pneumoconiosis', replace(FULL['pneumoconiosis'].recipe, **FILMS), 'frozen'),
    'ResNet34, fine-tuned': ('pneumoconiosis', replace(FULL['pneumoconiosis'].recipe, **FILMS), 'finetuned'),
    'FCOS on ResNet50': ('breast_cine', replace(FULL['breast_cine'].recipe, **CLIPS), 'finetuned'),
}

def passes(recipe, mode): return recipe.epochs if mode == 'finetuned' else getattr(recipe, 'head_epochs', 0)

def sample(study, settings, **how):
    "The committed images of a study, or others that `find_images` is asked for"
    m = MACHINERY[study]
    return find_images(m.study, settings, reading=Reading(read=m.read), progress=False, **how)[0]

def lungs_alone(images, settings):
    "Films of two classes, cut by the true outlines of their lungs"
    masks = [read_lungs(images.root/f) for f in images.table['mask']]
    return make_view(two_classes(images), masks, 'lungs', settings.path('cache'))

def pretrained(settings):
    "The settings with a folder of ResNet34's weights, which are made where they are missing"
    to = settings.path('cache')/'published'
    if not list(to.glob('resnet34-*')): make_backbone(PRETEXT, settings.path('cache')/'backbone', to, device='cpu')
    return replace(settings, weights=str(to))

def task_of(study, recipe, settings):
    "Name of the images, images, the same with one split by patient or one for each fold, and settings"
    if study == 'pneumoconiosis' and isinstance(recipe, Recipe):
        quick = MACHINERY[study].plans['quick']
        images = sample(study, settings, phantom=quick.phantom, more=quick.more)
        parts = folds_by_patient(lungs_alone(images, settings), FOLDS, seed=settings.seed)
        return f'{study}, simulated', images, parts, pretrained(settings)
    images = sample(study, settings)
    if study == 'abdomen': parts = folds_by_patient(images, FOLDS, seed=settings.seed)
    else: parts = [images if {'train', 'test'} <= set(images.splits) else split_by_patient(images, seed=settings.seed)]
    return study, images, parts, settings

def classified(fits, parts):
    "Area under the curve, mean over classes; beside it the 95th percentile of answers dealt out to other patients"
    p, rng = pool([f.predictions for f in fits])['test'], np.random.default_rng(0)
    rows = {who: np.flatnonzero(p.patient == who) for who in np.unique(p.patient)}
    truth = p.target[np.concatenate(list(rows.values()))]
    def dealt(): # each patient gets the answers to another one's images
        to = dict(zip(rows, rng.permutation(list(rows))))
        prob = p.prob[np.concatenate([rng.choice(rows[to[who]], len(rows[who])) for who in rows])]
        return np.mean([auc(truth == k, prob[:, k]) for k in range(prob.shape[1])])
    return 'macro AUC', evaluate(p).overall['macro_auc'], float(np.quantile([dealt() for _ in range(400)], .95))

def outlined(fits, parts):
    "Dice of both lungs; beside it that of one outline for all, the mean of the training films' masks"
    (fit,), (m,) = fits, parts
    rows = np.flatnonzero(m.table.split == 'test')
    scored = score_lungs(m, rows, find_lungs(fit, m, rows)[0])
    known = [read_lungs(m.root/f) > 0 for f in m.table['mask'][m.table.split == 'train'] if f]
    same = np.mean(known, axis=0) > .5
    blind = np.mean([dice(same, read_lungs(m.root/m.table['mask'][i]) > 0) for i in rows])
    return 'Dice', mean_over_patients(scored.dice, scored.patient), float(blind)

def found(fits, parts):
    "Share of the masses found at half a false mark per scan; beside it the 95th percentile of marks dealt out anew"
    (fit,), (m,) = fits, parts
    marks = fit.marks['test']
    d = as_detections(m, 'test', marks.assign(track=range(len(marks))))
    return 'sensitivity at .5', froc(d, RATES, **HIT).sensitivity[.5], float(chance(d, 200).chance_95['0.5'])

MEASURE = dict(Recipe=classified, ClassicRecipe=classified, SegRecipe=outlined, DetectRecipe=found)

def main(only=()):
    settings = read_settings(data='sample', weights='random', device='cpu', offline=True)
    rows, figures, data = [], [], {}
    for name, (study, recipe, mode) in NETWORKS.items():
        if only and name not in only: continue
        started = time.perf_counter()
        source, images, parts, own = task_of(study, recipe, settings)
        fits = stored_fits([Task(m, Job(recipe, mode, settings=own, progress=False)) for m in parts])
        metric, value, luck = MEASURE[type(recipe).__name__](fits, parts)
        low, high = (None if v is None else round(v, 3) for v in (value.low, value.high))
        row = dict(network=name, study=study, mode=mode, pixels=recipe.size, epochs=passes(recipe, mode), metric=metric,
                   value=round(value, 3), low=low, high=high, chance=round(luck, 3),
                   minutes=round(sum(f.seconds for f in fits)/60, 1), better=value.value > luck)
        rows.append(row)
        figures += figures_of_arms(study, {name: {metric: value}})
        data[source] = dict(sha256=images.sha256())
        print(rows[-1], f'{time.perf_counter() - started:.0f} s', flush=True)
    if not only: print(Record('make published', data, figures, rows, dict(seed=settings.seed)).write(RECORD))

if __name__ == '__main__': main(sys.argv[1:])
