"""Both stages on real chest films: how far a U-Net carries that learned on simulated films, and a stand-in disease.

180 films of 180 patients (Shenzhen set), half of them with tuberculosis. That is not pneumoconiosis, and is said so
wherever a figure stands.
The quick form runs with the other tests. The slow form (`make realdata`) writes its figures to
nbs/records/real_chest.json.
"""
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from usbook.studies.pneumoconiosis import (
    Lungs,
    TwoStagePlan,
    auc_gap,
    auc_of,
    classify,
    find_all_lungs,
    make_view,
    outline_figures,
)
from usbook.data.manifest import Manifest
from usbook.data.split import check_leaks, folds_by_patient, split_by_patient
from usbook.evidence.metrics import evaluate
from usbook.learn.segment import check_films, read_lungs, score_lungs
from usbook.learn.recipe import Job, Recipe, SegRecipe
from usbook.learn.weights import find_weights
from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.runs.record import Record, figures_of_arms, figures_of_rows

CLASSES = ['normal', 'tuberculosis']
RECORD = Path(__file__).parents[1]/'nbs'/'records'/'real_chest.json'
QUICK = TwoStagePlan(Recipe('squeezenet1_0', size=96, epochs=3, views=1, flip=True), unet=SegRecipe(size=64, epochs=1))
FULLER = TwoStagePlan(
    Recipe('squeezenet1_0', size=192, epochs=8, flip=True), folds=3, unet=SegRecipe(size=96, epochs=8)
)


def read(realdata): return Manifest.read(realdata/'chest_shenzhen'/'manifest.csv', classes=CLASSES)


def settings_for(realdata, cache):
    "ImageNet weights for stage two; the U-Net's backbone starts from what usbook ships, else from random weights"
    stage_two = Settings(
        weights=str(realdata / 'weights'), cache=str(cache), device='cpu', offline=True, home=RECORD.parents[2]
    )
    own = replace(stage_two, weights='auto')
    try: find_weights('resnet10t', own)
    except BadInput: own = replace(own, weights='random')
    return own, stage_two


def job(recipe, settings, mode='frozen'): return Job(recipe, mode, settings=settings, progress=False)


def stage_one(m, parts, plan, settings):
    ("Lungs by a U-Net from simulated films, by U-Nets from other real patients, and by hand; the first two with their "
     "scores")
    truth = [read_lungs(m.root/p) for p in m.table['mask']]
    bare = replace(m, table=m.table.drop(columns='mask'))
    simulated = find_all_lungs(bare, [bare.with_split(['test']*len(m))], job(plan.unet, settings))
    simulated.scored = score_lungs(m, np.arange(len(m)), simulated.masks)
    found = simulated.found.assign(found='both')
    return {
        'simulated films': simulated,
        'real films of other patients': find_all_lungs(m, parts, job(plan.unet, settings)),
        'nobody: drawn by hand': Lungs(truth, found, None, []),
    }


def test_short(realdata, tmp_path):
    "50 films, one split: what must hold of any honest result"
    m = read(realdata)
    m = m.subset(np.isin(np.arange(len(m)), np.concatenate([np.flatnonzero(m.targets == k)[:25] for k in (0, 1)])))
    assert check_films(m).notes == m.notes, 'real films from the front look like films from the front'
    own, two = settings_for(realdata, tmp_path)
    m = split_by_patient(m, (.6, 0., .4), seed=0)
    check_leaks(m)
    test = np.flatnonzero(m.table.split == 'test')
    simulated = find_all_lungs(replace(m, table=m.table.drop(columns='mask')), [m], job(QUICK.unet, own), most=72)
    real = find_all_lungs(m, [m], job(replace(QUICK.unet, epochs=4), own))
    assert (
        'trained on simulated films' in simulated.note
        and real.nets[0].films == (m.table.split == 'train').sum()
        and not real.note
    )
    scored = {
        k: score_lungs(m, test, [l.masks[i] for i in test]) for k, l in dict(simulated=simulated, real=real).items()
    }
    mean = {k: t.dice.mean() for k, t in scored.items()}
    assert mean['real'] > .6 and mean['simulated'] > .3, mean
    assert set(scored['real'].unit) == {'pixels'}, 'nobody says how large these pixels are'
    v = make_view(m, real.masks, 'lungs', two.path('cache'))
    p, _ = classify(v, [m], job(QUICK.recipe, two), real.failed)
    a = auc_of(p)
    assert sorted(p.table.image) == sorted(m.table.image[test]) and a.low < a.value < a.high


def row(stage, learned, tested, **figures):
    return {'stage': stage, 'learned from': learned, 'tested on': tested, **figures}


@pytest.mark.slow
def test_record(realdata, tmp_path):
    "Three folds of patients; every film tested once"
    started, m = time.perf_counter(), check_films(read(realdata))
    assert (len(m), len(set(m.patients))) == (180, 180)
    own, two = settings_for(realdata, tmp_path)
    parts = folds_by_patient(m, FULLER.folds, seed=0)
    lungs, table, aucs = stage_one(m, parts, FULLER, own), [], {}
    for name, l in lungs.items():
        if l.scored is None: continue
        f = outline_figures(l.scored)
        figures = {f'{k}, {side} lung': f[k][side].as_dict() for k in f for side in f.index}
        table.append(
            row(
                '1: lungs',
                name,
                'real patients',
                **figures,
                **{'both lungs found': f"{int((l.found.found == 'both').sum())} of {len(m)}"},
            )
        )
    for name, l in lungs.items():
        v = make_view(m, l.masks, 'lungs', two.path('cache'))
        aucs[name, 'lungs', 'frozen'] = classify(v, parts, job(FULLER.recipe, two), l.failed)[0]
    real = lungs['real films of other patients']
    for kind in ('whole', 'masked', 'blackout'):
        v = make_view(m, None if kind == 'whole' else real.masks, kind, two.path('cache'))
        aucs['', kind, 'frozen'] = classify(v, parts, job(FULLER.recipe, two), () if kind == 'whole' else real.failed)[
            0
        ]
    v = make_view(m, real.masks, 'lungs', two.path('cache'))
    aucs['real films of other patients', 'lungs', 'finetuned'] = classify(
        v, parts, job(FULLER.recipe, two, 'finetuned'), real.failed
    )[0]
    stage_two = [dict(shown=kind, mode=mode, **{'lungs learned from': name}, auc=auc_of(p).as_dict(),
                      accuracy=evaluate(p).overall['accuracy'].as_dict()) for (name, kind, mode), p in aucs.items()]
    a = aucs['real films of other patients', 'lungs', 'frozen']
    gaps = {
        k: auc_gap(a, aucs[j]).as_dict()
        for k, j in {
            'lungs minus whole': ('', 'whole', 'frozen'),
            'by U-Net minus by hand': ('nobody: drawn by hand', 'lungs', 'frozen'),
            'learned on real minus on simulated films': ('simulated films', 'lungs', 'frozen'),
        }.items()
    }
    data = dict(sha256=m.sha256(), images=180, patients=180, disease='tuberculosis, a stand-in; not pneumoconiosis')
    figures = [*figures_of_rows(table, 'pneumoconiosis', ('stage', 'learned from')),
               *figures_of_rows(stage_two, 'pneumoconiosis', ('shown', 'mode', 'lungs learned from')),
               *figures_of_arms('pneumoconiosis', dict(differences=gaps))]
    how = dict(
        unet=f"{find_weights('resnet10t', own)}, {FULLER.unet.size} pixels, {FULLER.unet.epochs} epochs",
        classifier=f"{find_weights('squeezenet1_0', two)}, {FULLER.recipe.size} pixels, {FULLER.recipe.epochs} epochs",
        minutes=round((time.perf_counter() - started) / 60, 1),
        cpu_minutes=round(time.process_time() / 60, 1),
    )
    Record('make realdata', dict(shenzhen=data), figures, dict(table=table, stage_two=stage_two), how).write(RECORD)
    assert all(r['both lungs found'] for r in table) and len(stage_two) == 7
