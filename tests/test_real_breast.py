"""Single frames on real images: masses on 150 stills of BUSI, boxes from the masks, each still tested once.

The quick form runs with the other tests, on one part of three, and asserts what has to be true of any honest result.
The slow form (`make realdata`) tries ImageNet and random weights, frozen and fine-tuned, and writes its figures to
nbs/records/real_breast.json. The set does not say which stills are of one woman, so its intervals draw stills.
"""
import time
from pathlib import Path

import pandas as pd
import pytest

from usbook.studies.breast_cine import HIT, RATES, chance, read
from usbook.data.split import check_leaks, folds_by_patient
from usbook.evidence.froc import froc
from usbook.learn.recipe import DetectRecipe, Job
from usbook.learn.detect import merge_places, train_detector
from usbook.predictions.detections import Detections
from usbook.core.settings import Settings
from usbook.runs.record import Record, figures_of_arms

RECORD = Path(__file__).parents[1]/'nbs'/'records'/'real_breast.json'
QUICK = DetectRecipe('squeezenet1_0', size=96, epochs=5, every=1, views=1, lr=2e-3)
FULLER = DetectRecipe('squeezenet1_0', size=160, epochs=12, every=1, lr=2e-3)


@pytest.fixture(scope='module')
def folds(realdata):
    "150 stills, 100 with a mass, in three parts"
    c = read(realdata/'breast')
    assert len(c) == 150 and c.scans.n_frames.max() == 1 and c.n_lesions == (c.table.label == 'mass').sum()
    return folds_by_patient(c, 3, seed=0)


def arm(folds, recipe, mode, settings):
    "Marks of every still by a detector that never saw it, and the fits"
    fits = [
        train_detector(c, Job(recipe, mode, settings=settings, seed=0, progress=False), splits=('test',)) for c in folds
    ]
    marks = pd.concat([merge_places(f.marks['test']) for f in fits], ignore_index=True)
    tests = [c.subset('test') for c in folds]
    scans, boxes = (
        pd.concat([getattr(t, k) if k == 'scans' else t.boxes() for t in tests], ignore_index=True)
        for k in ('scans', 'boxes')
    )
    return Detections(scans, boxes, marks), fits


def test_each_still_is_tested_once(folds):
    for c in folds: check_leaks(c)
    tested = pd.concat([c.subset('test').table.scan for c in folds])
    assert tested.is_unique and len(tested) == 150


def test_masses_are_found_on_real_stills(folds, realdata, tmp_path):
    settings = Settings(weights=str(realdata/'weights'), cache=str(tmp_path), device='cpu', offline=True)
    for mode in ('frozen', 'finetuned'):
        d, (fit,) = arm(folds[:1], QUICK, mode, settings)
        assert fit.weights.source == 'folder' and (mode == 'finetuned' or fit.frozen['moved'] == 0)
        f, luck = froc(d, RATES, n_boot=400, **HIT), chance(d).chance
        assert f.sensitivity[0.5].value > luck['0.5'] + 0.15 and f.sensitivity[0.5].low > luck['0.5'], (
            mode,
            f.sensitivity,
            luck,
        )
        assert f.sensitivity[.5].high - f.sensitivity[.5].low > .05


@pytest.mark.slow
def test_fuller_form_writes_the_record(folds, realdata, tmp_path):
    started, arms, weights_of, seconds = time.perf_counter(), {}, {}, {}
    for name, weights in dict(imagenet=str(realdata/'weights'), random='random').items():
        for mode in ('frozen', 'finetuned'):
            d, fits = arm(
                folds, FULLER, mode, Settings(weights=weights, cache=str(tmp_path), device='cpu', offline=True)
            )
            f, strict = froc(d, RATES, **HIT), froc(d, RATES, min_iou=.5)
            k = f'{name}-{mode}'
            weights_of[k], seconds[k] = fits[0].weights.name, round(sum(x.seconds for x in fits))
            arms[k] = dict(
                jafroc=f.jafroc,
                chance=chance(d).chance.to_dict(),
                sensitivity={f'{r:g}': i for r, i in f.sensitivity.items()},
                sensitivity_iou_half={f'{r:g}': i for r, i in strict.sensitivity.items()},
            )
    data = dict(
        sha256=folds[0].with_split(None).sha256(), images=150, with_mass=int((folds[0].table.label == 'mass').sum())
    )
    assert all(a['sensitivity']['0.5'].low > a['chance']['0.5'] for k, a in arms.items() if k.startswith('imagenet'))
    how = dict(hit='centre', parts=3, recipe=vars(FULLER), weights=weights_of, seconds=seconds)
    Record('make realdata', dict(busi=data), figures_of_arms('breast_cine', arms), how=how).write(RECORD)
    print(f'\nwritten to {RECORD} in {time.perf_counter() - started:.0f} s')
