"Intervals that hold the truth as often as they say, and are refused with a reason where they can't"
import sys
from pathlib import Path

import numpy as np
import pytest

from usbook.core.interval import Interval
from usbook.evidence.metrics import evaluate, evaluate_matrix
from usbook.evidence.resample import (
    Resampler,
    difference,
    jackknife,
    kish,
    proportion,
    proportion_of,
    ratio_over_patients,
    support_of,
)
from usbook.evidence.scores import auc
from usbook.predictions.predictions import Predictions, toy_predictions
from usbook.runs.record import Record

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'tools'))
import coverage


# ---- a quick part of the table

@pytest.mark.parametrize(
    'unequal,patients,icc,p,older',
    [
        (True, 50, 0.4, 0.95, 0.70),
        (True, 50, 0.1, 0.95, 0.85),
        (False, 25, 0.4, 0.95, 0.88),
        (True, 200, 0.4, 0.99, 0.60),
    ],
)
def test_accuracy_covers_where_percentiles_did_not(unequal, patients, icc, p, older):
    found = coverage.proportions(np.random.default_rng(0), coverage.sizes(patients, unequal), p, icc, 400)['accuracy']
    assert found['coverage'] >= .92 > older and found['given'] > .9


def test_a_difference_of_equal_models_covers_0():
    for unequal in (False, True):
        found = coverage.differences(np.random.default_rng(1), coverage.sizes(50, unequal), .8, .4, 400)['difference']
        assert .92 <= found['coverage'] <= .99


def test_three_folds_without_signal():
    found = coverage.folded(np.random.default_rng(2), 60)
    assert found['pooled_auc']['coverage'] >= max(.9, found['without']['coverage'])


def test_the_record_is_of_the_same_shape():
    file = ROOT/'nbs'/'records'/'coverage.json'
    if not file.exists(): pytest.skip('no record yet: make coverage writes it')
    record = Record.read(file)
    assert record.arms == ['now', 'percentiles, before'] and 'coverage.py' in record.command
    keys = {'study', 'arm', 'metric', 'of', 'sizes', 'patients', 'icc', 'level', 'value', 'given'}
    assert keys <= set(record.figures[0])


# ---- too few, and said so

def test_one_error_whose_second_guess_is_right_has_no_interval():
    error = np.arange(6000) == 7
    i = ratio_over_patients(error, error, np.arange(6000)//30, 'patients with an error')
    assert i.value == 1 and i.low is None and 'rests on 1 patient with an error' in i.note


def test_one_patient_with_a_finding_gives_no_interval_for_the_auc():
    y, who = np.arange(100) < 5, np.arange(100)//5
    score = np.where(y, .9, .1)
    e = evaluate(Predictions.from_arrays(range(100), who, y.astype(int), np.c_[1 - score, score], ['none', 'finding']))
    for i in (e.per_class['finding']['auc'], e.per_class['finding']['recall'], e.overall['macro_auc'], e.overall[
        'balanced_accuracy']):
        assert i.value == 1 and i.low is None and 'no interval' in i.note and i.patients == 1
    assert e.overall['accuracy'].low is not None and e.overall['accuracy'].patients == 20


def test_one_patient_with_most_images_counts_as_one():
    m = np.array([50] + [1]*24)
    assert 2 < kish(m) < 3 and 'unequally' in proportion_of(m - (np.arange(25) < 3), np.arange(25) < 3).note
    assert (
        proportion_of([100], [0]).low is None and proportion(np.ones(100), np.ones(100), np.zeros(100, int)).low is None
    )


def test_a_model_against_itself_has_no_interval():
    d = difference(np.ones(20), np.ones(20), np.arange(20)//2)
    assert d.value == 0 and d.low is None and 'Wilson' not in d.method + d.note


def test_every_interval_knows_what_it_stands_on():
    e = evaluate(toy_predictions(30, 6, list('abc')))
    for o, i in [*e.overall.items(), *e.per_class['a'].items()]:
        assert o == 'ece' or i.patients and i.low < i.value < i.high, o
    a = e.overall['accuracy']
    assert (a.patients, a.events) == (30, min(e.confusion.trace(), e.n - e.confusion.trace()))


def test_likelihood_ratio_of_one_false_positive():
    "Simel's 12.8 to 633 for 90 of 100 and 1 of 100; percentiles gave 22 to 94"
    i = evaluate_matrix([[99, 1], [10, 90]]).per_class['1']['lr_plus']
    assert i.value == pytest.approx(90) and (round(i.low, 1), round(i.high)) == (12.8, 633)


# ---- the jackknife is leaving patients out

def test_left_out_is_left_out():
    p = toy_predictions(12, 5, list('abc'))
    overall, each = jackknife(Resampler(p.target, p.pred, 3, p.patient_codes, p.prob))
    for i in range(12):
        q = p.subset(p.patient_codes != i)
        e = evaluate(q)
        for o in ('accuracy', 'macro_f1', 'kappa', 'kappa_quadratic', 'mcc', 'brier', 'macro_auc', 'top2_accuracy'):
            assert overall[o][i] == pytest.approx(e.overall[o].value, rel=1e-9), o
        assert each['auc'][i, 1] == pytest.approx(auc(q.target == 1, q.prob[:, 1]), rel=1e-9)


def test_the_same_interval_by_every_way():
    p = toy_predictions(25, 4, list('ab'))
    right = p.pred == p.target
    e, one = evaluate(p).overall['accuracy'], proportion(right, np.ones(len(p)), p.patient)
    hits, m = np.bincount(p.patient_codes, right), np.bincount(p.patient_codes)
    two = proportion_of(hits, m - hits)
    assert (
        tuple(e) == pytest.approx(tuple(one))
        and tuple(e) == pytest.approx(tuple(two))
        and support_of(hits, m - hits).patients == 25
    )
    assert isinstance(e, Interval)


def test_two_thousand_classes_take_no_matrix_per_patient():
    import resource
    rng = np.random.default_rng(0)
    k, n = 2000, 400
    y = rng.integers(0, k, n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    s = Resampler(y, np.where(rng.random(n) < .7, y, rng.integers(0, k, n)), k, np.arange(n)//4)
    assert len(jackknife(s)[0]['accuracy']) == 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
