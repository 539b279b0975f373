"""Both modes on real head CT slices, three folds of patients, ImageNet weights; and whether the network reads the
letters in the corners.

The set gives every slice its own patient, yet some slices are plainly of one head: neighbours in a stack, or a
picture taken twice
with another letter on it. Slices that look alike are therefore merged into one patient before anything is split.
The quick form runs with the other tests. The slow form (`make realdata`) writes its figures to
nbs/records/real_head_ct.json.
"""
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from heads import head_of, who
from PIL import Image
from scipy import ndimage

from usbook.studies.head_ct import STUDY
from usbook.data.manifest import Manifest
from usbook.data.split import check_leaks, folds_by_patient
from usbook.evidence.compare import compare
from usbook.evidence.metrics import evaluate
from usbook.learn.explain import energy_in_mask, heat_maps
from usbook.learn.recipe import MODES, Job, Recipe
from usbook.learn.transfer import dataloaders, rows_loader, split_rows, train
from usbook.predictions.predictions import Predictions
from usbook.core.settings import Settings
from usbook.runs.record import Record, figures_of_arms

CLASSES = list(STUDY.classes)
RECORD = Path(__file__).parents[1]/'nbs'/'records'/'real_head_ct.json'
QUICK = Recipe(arch='squeezenet1_0', size=96, epochs=2, views=1)
FULLER = Recipe(arch='squeezenet1_0', size=128, epochs=6, flip=True)


def letters_of(a, head):
    "Letters and numbers: small bright things that stand clear of the head (H, W)"
    parts, n = ndimage.label(
        ndimage.binary_dilation((a > 110) & ~ndimage.binary_dilation(head, iterations=5), iterations=2)
    )
    boxes = ndimage.find_objects(parts)
    small = [k + 1 for k, b in enumerate(boxes) if all(5 < s.stop - s.start < 45 for s in b)]
    return np.isin(parts, small)


@pytest.fixture(scope='module')
def slices(realdata):
    "Manifest with look-alikes merged, grey images, heads, letters"
    m = Manifest.read(realdata/'head_ct'/'manifest.csv', classes=CLASSES)
    assert (len(m), len(set(m.patients))) == (199, 199)
    grey = [np.asarray(m.load(i).convert('L')) for i in range(len(m))]
    heads = [head_of(a) for a in grey]
    m = replace(m, table=m.table.assign(given=m.table.patient, patient=who(grey, heads)))
    return m, grey, heads, [letters_of(a, h) for a, h in zip(grey, heads)]


def settings_for(realdata, cache, weights='folder'):
    return Settings(
        weights=str(realdata / 'weights') if weights == 'folder' else 'random',
        cache=str(cache),
        device='cpu',
        offline=True,
    )


def arm(m, recipe, mode, settings, by='patient', seed=0):
    "Each slice tested once: predictions in the order of the manifest, and the fits"
    folds = [
        m.with_split(f.table.split)
        for f in folds_by_patient(replace(m, table=m.table.assign(patient=m.table[by])), 3, seed=seed)
    ]
    fits = [train(f, Job(recipe, mode, settings=settings, seed=seed, progress=False)) for f in folds]
    table = pd.concat([f.predictions['test'].table for f in fits]).sort_values('image', ignore_index=True)
    return Predictions(table, CLASSES, {}, mode), fits, folds


def test_one_person_has_several_slices(slices):
    m, grey, heads, letters = slices
    n = m.table.patient.nunique()
    assert 150 < n < 185, 'of the 199 "patients" dozens are somebody else\'s neighbour slice'
    twice = m.table.groupby('patient').label.nunique()
    assert (twice == 1).all(), 'no head has a haemorrhage in one slice and none in its double'
    assert all(.3 < h.mean() < .95 for h in heads)
    share = pd.Series([k.any() for k in letters]).groupby(m.table.label).mean()
    assert share.between(.05, .9).all(), 'letters stand in some slices of either class'


def test_both_modes_on_real_slices(slices, realdata, tmp_path):
    m = slices[0]
    done = {('folder', mode): arm(m, QUICK, mode, settings_for(realdata, tmp_path)) for mode in MODES}
    done['random', 'frozen'] = arm(m, QUICK, 'frozen', settings_for(realdata, tmp_path, 'random'))
    for (weights, mode), (p, fits, folds) in done.items():
        for f in folds: check_leaks(f)
        assert list(p.table.image) == list(m.table.image) and p.n_patients == m.table.patient.nunique()
        assert all(f.weights.source == weights for f in fits)
        assert mode == 'finetuned' or all(f.frozen['moved'] == 0 for f in fits)
    e = {k: evaluate(p).per_class['finding']['auc'] for k, (p, *_) in done.items()}
    assert all(v.low < v.value < v.high and v.high - v.low > .02 for v in e.values())
    assert e['folder', 'frozen'].low > .7 and e['folder', 'finetuned'].low > .6
    assert e['folder', 'frozen'].value > e['random', 'frozen'].value


def test_letters_are_found_where_they_are():
    "A ring for a head, a letter in the corner, a long arc of a head holder"
    y, x = np.mgrid[:200, :200]
    r = np.hypot(y - 100, x - 110)
    a = np.where(r < 70, np.where(r > 60, 255, 60), 0)
    a[8:24, 8:20] = 230
    a[190:192, 20:180] = 200
    head = head_of(a.astype('uint8'))
    letters = letters_of(a, head)
    assert (
        head[100, 110] and not head[10, 10] and letters[10, 10] and not letters[191, 100] and not (letters & head).any()
    )


def variant(m, images, folder):
    "The same manifest on other pixels"
    (folder/'images').mkdir(parents=True)
    for name, a in zip(m.table.image, images): Image.fromarray(np.uint8(a)).save(folder/name)
    return replace(m, root=folder)


def says(fits, folds, m):
    "Each fold's network on its own test slices, with the pixels of another manifest"
    rows = [split_rows(f, 'test') for f in folds]
    prob = np.zeros((len(m), 2))
    for fit, fold, r in zip(fits, folds, rows):
        dls = dataloaders(replace(fold, root=m.root), fit.recipe, fit.weights)
        with torch.no_grad():
            prob[r] = np.concatenate(
                [torch.softmax(fit.network.eval()(x), 1).double().numpy() for (x,) in rows_loader(dls, r)]
            )
    return Predictions(
        m.table[['image', 'patient']].assign(target=m.table.label, p_finding=prob[:, 0], p_no_finding=prob[:, 1]),
        CLASSES,
    )


def auc(p): return evaluate(p).per_class['finding']['auc'].as_dict()


@pytest.mark.slow
def test_letters_as_a_shortcut(slices, realdata, tmp_path):
    "Do the surroundings tell the label, does the network look there, and does it say otherwise without the letters?"
    started, (m, grey, heads, letters) = time.perf_counter(), slices
    settings, record = settings_for(realdata, tmp_path), {}
    others = {
        'without letters': variant(
            m,
            [np.where(k, np.median(a[~h]) if (~h).any() else 0, a) for a, h, k in zip(grey, heads, letters)],
            tmp_path / 'a',
        ),
        'head alone': variant(m, [np.where(h, a, 0) for a, h in zip(grey, heads)], tmp_path / 'b'),
        'surroundings alone': variant(m, [np.where(h, 0, a) for a, h in zip(grey, heads)], tmp_path / 'c'),
    }
    lettered = np.array([k.any() for k in letters])
    for mode in MODES:
        p, fits, folds = arm(m, FULLER, mode, settings)
        as_is, out = says(fits, folds, m), {}
        assert np.allclose(as_is.prob, p.prob, atol=.02)
        for name, v in others.items():
            q = says(fits, folds, v)
            out[f'tested on {name}'] = dict(
                auc=auc(q),
                differences={
                    k: v for k, v in compare(as_is, q)['differences'].items() if k in ('accuracy', 'macro_auc')
                },
                calls_changed=int((q.pred != as_is.pred).sum()),
            )
            if name == 'without letters':
                moved = (as_is.prob - q.prob)[lettered, 0]
                out['letters'] = dict(
                    slices=int(lettered.sum()),
                    mean_change=float(moved.mean()),
                    largest_change=float(np.abs(moved).max()),
                    calls_changed=int((q.pred != as_is.pred)[lettered].sum()),
                )
        for name in ('head alone', 'surroundings alone'):
            out[f'trained and tested on {name}'] = auc(arm(others[name], FULLER, mode, settings)[0])
        out['given patients'] = auc(arm(m, FULLER, mode, settings, by='given')[0])
        size = FULLER.size
        outside = [~(np.asarray(replace(others['head alone']).load(i, size).convert('L')) > 0) for i in range(len(m))]
        heat = [
            energy_in_mask(c, outside[i])
            for fit, fold in zip(fits, folds)
            for i, c in zip(
                split_rows(fold, 'test'), heat_maps(fit.network, fit, m, split_rows(fold, 'test'), 'finding')
            )
        ]
        out['heat outside the head'] = dict(heat=float(np.nanmean(heat)), area=float(np.mean(outside)))
        record[mode] = dict(auc=auc(p), **out)
    share = pd.Series(lettered).groupby(m.table.label).agg(['sum', 'size'])
    data = dict(sha256=m.sha256(), images=len(m), patients=int(m.table.patient.nunique()), given_patients=199,
                lettered={c: share.loc[c].tolist() for c in CLASSES})
    Record(
        'make realdata', {'head-ct': data}, figures_of_arms('head_ct', record), how=dict(folds=3, recipe=vars(FULLER))
    ).write(RECORD)
    print(f'\nwritten to {RECORD} in {time.perf_counter() - started:.0f} s')
