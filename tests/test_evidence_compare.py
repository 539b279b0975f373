"Comparisons: what is said, what it rests on, and how often it is wrong"
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables as ct
from statsmodels.stats.inter_rater import cohens_kappa

from usbook.evidence.compare import (
    agreement,
    auc_difference,
    cochrans_q,
    cluster_se,
    compare,
    delong,
    difference_interval,
    obuchowski,
    right_difference,
    unpaired_aucs,
)
from usbook.evidence.decide import decide, sign
from usbook.evidence.metrics import evaluate
from usbook.evidence.resample import DIFFER, Support, difference, kish
from usbook.predictions.predictions import Predictions, toy_predictions
from usbook.studies.formula import Condition
from usbook.studies.study import Claim


def table(right, who, classes=('a', 'b')):
    "Predictions of class a that are right where `right` is"
    p = np.where(np.asarray(right)[:, None], [.9, .1], [.1, .9])
    names = [f'i{i}' for i in range(len(p))]
    return Predictions.from_arrays(names, [f'p{o}' for o in who], ['a'] * len(p), p, list(classes))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 9))
def test_sentence_and_verdict_never_disagree(seed, patients):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
    a, b = (table(rng.random(len(who)) < p, who) for p in (.8, rng.choice([.3, .6, .8])))
    c = compare(a, b, names=('one', 'two'))
    def decided(rule):
        return Claim('a', '', '', '', (Condition('d', rule, 0.0),)).decide(dict(d=c.differences['accuracy'])).verdict
    up, down = map(decided, ('above', 'below'))
    assert ('one is right more often than two' in c.sentence) == (up == 'supported') == (down == 'not supported')
    assert ('two is right more often than one' in c.sentence) == (down == 'supported') == (up == 'not supported')
    assert c.decide().verdict == up and c['sentence'] == c.sentence == str(c)


def test_a_difference_of_nothing_has_no_interval():
    a = toy_predictions(12, 5, list('ab'))
    same = compare(a, a)
    for o in (*same.differences.values(), *same.class_differences['a'].values()): assert o.low is None and o.note
    assert same.differences['accuracy'].value == 0 and same.decide('accuracy', 'within', .1).verdict == 'inconclusive'


def test_two_patients_who_differ_are_too_few():
    who, right = np.repeat(np.arange(100), 10), np.ones(1000, bool)
    other = right.copy(); other[[0, 1, 10]] = False
    found = compare(table(right, who), table(other, who)).differences['accuracy']
    assert found.low is None and '2 of the patients' in found.note and found.events == 3


def test_unequal_patients_widen_the_interval():
    sizes = np.array([50] + [1] * 24)
    assert kish(sizes) == pytest.approx(74**2 / (2500 + 24)) and kish([4] * 9) == 9
    even, odd = (difference_interval(0., .1, Support(k, o, o, 74)) for k, o in ((25, 25), (6, 3.5)))
    assert (odd.high - odd.low) / (even.high - even.low) == pytest.approx(
        stats.t.ppf(0.975, 2.5) / stats.t.ppf(0.975, 24)
    )
    assert difference_interval(0., .1, Support(25, kish(sizes), 2., 74)).low is None
    assert 'an interval needs 10' in difference_interval(0., .1, Support(50, 6.9, 6.9, 295)).note
    assert difference_interval(0., .1, Support(25, 25, 25, 74), differ=5).low is None


def test_the_interval_of_the_accuracy_is_the_t_interval_over_patients():
    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(40), 6)
    right, other = rng.random(240) < .8, rng.random(240) < .7
    d = compare(table(right, who), table(other, who)).differences['accuracy']
    half = stats.t.ppf(.975, 39) * cluster_se(right * 1. - other, who)[0]
    assert d.high - d.low == pytest.approx(2 * half) and d.patients == 40 and d.events == (right != other).sum()


@pytest.mark.parametrize('sizes', [[10] * 25, [1] * 45 + [50] * 5])
def test_two_equal_models_are_seldom_told_apart(sizes):
    rng, wrong, runs = np.random.default_rng(2), 0, 300
    who = np.repeat(np.arange(len(sizes)), sizes)
    for i in range(runs):
        ease, own = rng.normal(size=len(sizes))[who], rng.normal(size=(2, len(sizes)))[:, who] * .6
        a, b = (ease + o + rng.normal(size=len(who)) > -1 for o in own)
        found = right_difference(a, b, who)
        wrong += sign(found) != 0
        if i < 5: assert tuple(compare(table(a, who), table(b, who)).differences['accuracy']) == tuple(found)
    assert wrong / runs < .09   # .05 and three standard errors


def test_what_a_test_cannot_reach_is_said():
    for k in (2, 3, 4):
        assert obuchowski([9] * k, [0] * k)['p'] > 0.05 and "can't fall below" in obuchowski([9] * k, [0] * k)['note']
    assert 'note' not in obuchowski([9] * 5, [0] * 5)
    who = np.repeat(np.arange(4), 5)
    right = np.ones(20, bool); other = right.copy(); other[[0, 5, 10, 15]] = False
    notes = ' '.join(compare(table(right, who), table(other, who)).notes)
    assert '0.125' in notes and 'Obuchowski' in notes


def test_an_auc_of_one_and_one_of_a_half_do_not_rank_alike():
    y = np.array([1, 1, 1, 0, 0, 0])
    found = auc_difference(*delong(y, [9, 8, 7, 1, 2, 3], [1] * 6))
    assert found['difference'] == .5 and 'alike' not in found['note']
    assert 'alike' in auc_difference(*delong(y, [1] * 6, [1] * 6))['note']


def test_unpaired_aucs_add_their_variances():
    found = unpaired_aucs((.9, .001), (.8, .002))
    assert found['z'] == pytest.approx(.1 / .003**.5) and found['p'] == pytest.approx(2 * stats.norm.sf(found['z']))
    y = np.array([1, 0, 1, 1, 0, 0]); s = np.array([.9, .2, .4, .8, .5, .3])
    (one, v), (two, w) = delong(y, s), delong(y[::-1], 1 - s)
    assert unpaired_aucs((one, v), (two, w))['difference'] == pytest.approx(float(one[0] - two[0]))


def test_cochrans_q_against_statsmodels():
    models = {str(i): toy_predictions(30, 1, list('abc'), skill=s, model=i) for i, s in enumerate((2., 1.5, 1.))}
    right = np.array([o.pred == o.target for o in models.values()]).T.astype(float)
    want, found = ct.cochrans_q(right), cochrans_q(models)
    assert found['statistic'] == pytest.approx(want.statistic) and found['p'] == pytest.approx(want.pvalue)
    two = {k: models[k] for k in ('0', '2')}   # with two models the clustered test is the paired t test over patients
    d = right[:, 2] - right[:, 0]
    assert cochrans_q(two)['clustered']['p'] == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    assert 'note' in cochrans_q({'x': models['0'], 'y': models['0']})


def test_kappa_and_its_interval_against_statsmodels():
    p = toy_predictions(300, 1, list('abc'), reader='x')
    found, both = agreement(p, 'x', 'target'), np.zeros((3, 3))
    np.add.at(both, (p.readers['x'], p.target), 1)
    want = cohens_kappa(both)
    assert found.value == pytest.approx(want.kappa)
    assert found.low == pytest.approx(want.kappa_low, abs=0.015) and found.high == pytest.approx(
        want.kappa_upp, abs=0.015
    )
    assert found.patients == 300 and found.events == both.sum() - np.trace(both)


def test_a_comparison_is_ready_for_json():
    a, b = (toy_predictions(20, 4, list('ab'), model=i) for i in (0, 1))
    c = compare(a, b, margin=.1)
    d = c.as_dict()
    json.dumps(d, allow_nan=False)
    assert {
        'b',
        'c',
        'mcnemar_exact',
        'mcnemar_midp',
        'obuchowski',
        'durkalski',
        'yang',
        'delong',
        'differences',
        'class_differences',
        'equivalence',
        'accuracy_a',
        'accuracy_b',
        'n',
        'n_patients',
        'notes',
        'sentence',
    } <= set(d)
    assert dict(c) == d and '<p>' in c._repr_html_()
    assert decide(c.differences['accuracy'], 'above').patients == 20


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_pages_and_reports_have_one_interval_of_a_difference(seed):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(9), rng.integers(1, 9, 9))
    right, other = (rng.random(len(who)) < p for p in (.8, .5))
    if len(np.unique(who[right != other])) < DIFFER: return
    one, two = compare(table(right, who), table(other, who)).differences['accuracy'], difference(other, right, who)
    assert one.value == pytest.approx(two.value) and one.events == two.events
    if two.low is not None: assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=1e-9)
    else: assert one.low is None


def test_folds_widen_a_difference():
    a, b = (toy_predictions(40, 4, list('ab'), model=i) for i in (0, 1))
    folded = [Predictions(o.table, o.classes, dict(o.meta, folds=3)) for o in (a, b)]
    one, three = compare(a, b).differences['macro_auc'], compare(*folded).differences['macro_auc']
    assert three.high - three.low == pytest.approx(2**.5 * (one.high - one.low))


def test_an_answer_redirected_beside_its_table_is_no_metadata(tmp_path):
    "`usbook evaluate x.csv --json > x.json`: the shell makes x.json, empty, before the table is read"
    a = toy_predictions(20, 2, list('ab'))
    a.table.to_csv(tmp_path / 'x.csv', index=False)
    beside = tmp_path / 'x.json'
    for text in ('', json.dumps(compare(a, a).as_dict()), json.dumps(evaluate(a).as_dict())):
        beside.write_text(text)
        assert Predictions.read(tmp_path / 'x.csv').meta == {}
    beside.write_text('{"study": "lung_signs"}')
    assert Predictions.read(tmp_path / 'x.csv').meta == {'study': 'lung_signs'}
