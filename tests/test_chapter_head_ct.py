"""The head CT chapter: what its claims are measured on, by hand and on phantoms; what is said where it can't be
measured."""
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from usbook.studies.head_ct import (
    PLANS,
    STUDY,
    cross_predict,
    gain_of_slices,
    lesion_rows,
    look,
    map_measures,
    maps_to_draw,
    measure,
    slice_gain,
)
from usbook.data.manifest import Manifest
from usbook.data.split import split_by_patient
from usbook.evidence.scores import auc
from usbook.learn.recipe import Job, Recipe
from usbook.learn.transfer import train
from usbook.learn.weights import find_weights
from usbook.phantoms.samples import make_sample
from usbook.predictions.predictions import Predictions
from usbook.core.interval import Interval
from usbook.evidence.resample import mean_over_patients
from usbook.studies.machinery import Arm, Trained, decide_claims
from usbook.core.settings import Settings

CLASSES = list(STUDY.classes)
RECIPE = Recipe('resnet10t', size=64, epochs=2, batch=16, views=1)


@pytest.fixture(scope='module')
def slices(tmp_path_factory):
    "A small phantom"
    csv = make_sample(
        'head_ct', tmp_path_factory.mktemp('head') / 's', n=84, size=64, workers=1, progress=False, label_noise=0.0
    )
    return Manifest.read(csv, classes=CLASSES)


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    return Settings(weights='random', cache=str(tmp_path_factory.mktemp('cache')), device='cpu', profile='test')


@pytest.fixture(scope='module')
def fit(slices, settings):
    return train(split_by_patient(slices, seed=0), Job(RECIPE, 'frozen', settings=settings, progress=False))


def predictions(good, patients=40, each=5, seed=0):
    "Scores that are right to a degree; ill patients have findings in most slices"
    rng, n = np.random.default_rng(seed), patients*each
    ill = np.repeat(rng.random(patients) < .5, each) & (rng.random(n) < .8)
    p = 1/(1 + np.exp(-(good*(2*ill - 1) + rng.normal(size=n))))
    return Predictions.from_arrays(
        [f'{i}.png' for i in range(n)],
        [f'P{i // each}' for i in range(n)],
        np.where(ill, 0, 1),
        np.c_[p, 1 - p],
        CLASSES,
    )


def scored(pointing, energy, area, patient=None):
    n = len(pointing)
    return pd.DataFrame(
        dict(
            image=[f'{i}.png' for i in range(n)],
            patient=patient or [f'P{i}' for i in range(n)],
            pointing=pointing,
            energy=energy,
            area=area,
        )
    )


# Claim b ---------------------------------------------------------------------------------------------------

def test_measures_of_maps_by_hand():
    ours = scored([True, True, False, True], [.5, .3, .2, .4], [.1, .1, .2, .2])
    rival = pd.concat(
        [
            scored([False] * 4, [0.1, 0.1, 0.2, 0.2], [0.1, 0.1, 0.2, 0.2]),
            scored([True] * 4, [0.3, 0.1, 0.2, 0.2], [0.1, 0.1, 0.2, 0.2]),
        ]
    )
    got = {k: v.value for k, v in map_measures({'trained': ours, 'random weights': rival}).items()}
    want = dict(energy_minus_chance=.35 - .15, energy_minus_random_weights=.35 - np.mean([.2, .1, .2, .2]),
                pointing_minus_chance=.75 - .15, pointing_minus_random_weights=.75 - .5)
    assert got == pytest.approx(want) and set(got) == {
        k.expression for c in STUDY.claims if c.id == 'b' for k in c.conditions
    }


def test_an_empty_map_counts_as_chance():
    "Otherwise a rival with empty maps would be beaten for nothing"
    none = scored([False]*3, [np.nan]*3, [.1, .2, .3])
    assert all(v.value == pytest.approx(0) for v in map_measures({'trained': none, 'random weights': none}).values())


def test_slices_of_one_patient_are_no_new_evidence():
    x, who = np.repeat([0., 0, 1, 1, 1, 0], 8), np.repeat(list('abcdef'), 8)
    few, many = mean_over_patients(x, who), mean_over_patients(x, np.arange(48))
    assert few.value == many.value == .5 and few.high - few.low > 2*(many.high - many.low)
    assert mean_over_patients([.2]*4, list('aabb')).low is None


def test_a_map_that_is_the_mask_is_supported_and_noise_is_not():
    rng = np.random.default_rng(0)
    area = rng.uniform(.01, .05, 60)
    who = [f'P{i//4}' for i in range(60)]
    noise = scored(rng.random(60) < area, area*rng.uniform(.5, 1.5, 60), area, who)
    good = scored(rng.random(60) < .6, area + rng.uniform(.1, .3, 60), area, who)
    claim = next(c for c in STUDY.claims if c.id == 'b')
    assert claim.decide(map_measures({'trained': good, 'random weights': noise})).verdict == 'supported'
    assert claim.decide(map_measures({'trained': noise, 'random weights': good})).verdict == 'not supported'


def test_looks_at_tested_slices_with_a_mask(slices, fit):
    rows, maps, j = look(fit, slices, n_random=2)
    t = slices.table.iloc[rows]
    assert (
        len(rows)
        and set(t.patient) <= set(fit.predictions['test'].patient)
        and (t['mask'] != '').all()
        and (t.true_label == 'finding').all()
    )
    assert (
        maps.shape == (len(rows), 64, 64)
        and len(j['trained']) == len(rows)
        and len(j['random weights']) == 2 * len(rows)
    )
    assert not set(map_measures(j)) - set(STUDY.measures)


def test_frames_of_one_file_are_kept_apart(slices, fit):
    m = replace(slices, table=slices.table.assign(frame=np.arange(len(slices)) % 2, image='a.png'))
    p = fit.predictions['test']
    p = Predictions(p.table.assign(image='a.png', frame=0).drop_duplicates('frame'), CLASSES)
    assert set(m.table.frame.iloc[lesion_rows(m, p)]) == {0}


# Claim c ---------------------------------------------------------------------------------------------------

def test_every_slice_is_tested_once_and_leaks_only_where_meant(slices, settings):
    weights, seen = find_weights('resnet10t', settings), {}
    for by_slice in (False, True):
        p = cross_predict(slices, Job(RECIPE, 'frozen', weights, settings), k=3, by_slice=by_slice)
        assert list(p.table.image) == list(slices.table.image) and list(p.patient) == list(slices.patients)
        seen[by_slice] = p
    gain = slice_gain([tuple(seen.values())])
    assert gain.value > 0 and gain.low is None and 'rests on 9 patients' in gain.note


def test_gain_by_hand():
    a, b = predictions(.5), predictions(1.5)
    g = slice_gain([(a, b), (a, b)])
    assert (
        g.value == pytest.approx(auc(b.target == 0, b.prob[:, 0]) - auc(a.target == 0, a.prob[:, 0]))
        and 0 < g.low < g.value < g.high
    )
    assert slice_gain([(a, a)]).value == 0
    alone = slice_gain([(a, predictions(1.5, seed=0))])
    assert alone.high - alone.low < .3, 'the same patients are drawn for both'


def test_one_slice_a_patient_has_nothing_to_leak(slices, settings):
    single = replace(slices, table=slices.table.assign(patient=slices.table.image))
    assert gain_of_slices(single, Job(RECIPE, settings=settings)) == {}


# The chapter -----------------------------------------------------------------------------------------------

def test_declared_measures_are_delivered_or_explained():
    every, t = (
        {k.expression for c in STUDY.claims for k in c.conditions},
        Trained(Arm('a', 'finetuned'), predictions(1.0)),
    )
    found = measure({'a': t})
    assert not found.values and set(found.remarks) == {'b', 'c'} and list(found.tables) == ['finetuned']
    assert [v.verdict for v in decide_claims(STUDY, found)][1:] == ['not tested']*2
    t.measured = {k: Interval(.2, .1, .3) for k in every - {'auc.finding'}}
    found = measure({'a': t})
    assert set(found.values) == every - {'auc.finding'} and not found.remarks and maps_to_draw({'a': t}) == {}
    assert 'not tested' not in {v.verdict for v in decide_claims(STUDY, found)}


def test_the_run_from_images_to_verdicts(usbook, slices):
    r = usbook('reproduce', 'head_ct', '--data', slices.root, '--weights', 'random', '--json')
    assert r.returncode == 0, r.stderr
    out = json.loads(r.stdout[r.stdout.index('{'):])
    assert [c['id'] for c in out['claims']] == ['a', 'b', 'c'] and 'not tested' not in {
        c['verdict'] for c in out['claims']
    }
    assert all(k.expression in c['ours'] for c, d in zip(out['claims'], STUDY.claims) for k in d.conditions)
    assert 'resnet10t-frozen' in out['runs'] and 'resnet10t-finetuned' in out['runs']


def test_own_slices_without_masks(usbook, slices, tmp_path):
    for name, t in slices.table.iterrows():
        (tmp_path/'own'/t.label).mkdir(parents=True, exist_ok=True)
        Image.open(slices.root/t.image).save(tmp_path/'own'/t.label/f"{t.patient}_{name}.png")
    r = usbook(
        'reproduce',
        'head_ct',
        '--data',
        tmp_path / 'own',
        '--patients',
        r'(P\d+)_',
        '--modes',
        'frozen',
        '--weights',
        'random',
        '--json',
    )
    assert r.returncode == 0, r.stderr
    claims = {c['id']: c for c in json.loads(r.stdout[r.stdout.index('{'):])['claims']}
    assert (
        claims['b']['verdict'] == 'not tested'
        and 'mask' in claims['b']['reason']
        and claims['c']['verdict'] != 'not tested'
    )


def test_plans_name_the_papers_network():
    assert PLANS['full'].recipe.arch == 'resnet50' and set(PLANS) == {'test', 'quick', 'workshop', 'full'}
