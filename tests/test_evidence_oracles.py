"Every figure against an implementation by somebody else, and against numbers that were worked out independently"
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from usbook.evidence import calibration, compare, resample, scores
from usbook.core.interval import Interval
from usbook.evidence.resample import Resampler, draws, proportion_of, wilson
from usbook.evidence.metrics import evaluate, evaluate_matrix
from usbook.predictions.predictions import Predictions, toy_predictions
from usbook.core.errors import BadInput

warnings.filterwarnings('ignore', module='sklearn')
seeds = st.integers(0, 2**32 - 1)
LUNG = np.array([[235, 10, 10, 5], [1, 227, 26, 7], [2, 9, 246, 4], [3, 14, 6, 238]])
HEAD = np.array([[506, 67], [14, 347]])
DONNER = [
    np.array(o)
    for o in (
        [7, 6, 7, 6, 4, 6, 5, 8, 4, 7, 3, 6, 7, 6, 5, 4, 6, 5, 4, 3, 5, 4, 4, 2, 3, 2, 2, 3, 1],
        [0, 1, 1, 1, 0, 3, 3, 3, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0],
        [4, 2, 3, 2, 1, 3, 0, 2, 2, 4, 2, 4, 3, 2, 1, 3, 1, 2, 0, 0, 0, 2, 1, 2, 2, 0, 0, 1, 1],
    )
]


def close(a, b): return a == pytest.approx(b, rel=1e-9, abs=1e-12)


def table(seed, k=3, n=60, patients=7, ties=False):
    rng = np.random.default_rng(seed)
    target = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    prob = rng.dirichlet(np.ones(k), n) if not ties else rng.integers(1, 5, (n, k)).astype(float)
    return Predictions.from_arrays(
        range(n), rng.integers(0, patients, n), target, prob / prob.sum(1, keepdims=True), [f'c{i}' for i in range(k)]
    )


# ---- figures of one table

@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 6), st.booleans())
def test_figures_against_scikit_learn(seed, k, ties):
    p = table(seed, k, ties=ties)
    y, pred, s = p.target, p.pred, Resampler(p.target, p.pred, k, p.patient_codes, p.prob)
    whole, each = s.values()
    assert close(whole['accuracy'], sk.accuracy_score(y, pred))
    assert close(whole['balanced_accuracy'], sk.balanced_accuracy_score(y, pred)) and close(
        whole['mcc'], sk.matthews_corrcoef(y, pred)
    )
    for w in (None, 'linear', 'quadratic'):
        assert close(whole['kappa' + (f'_{w}' if w else '')], sk.cohen_kappa_score(y, pred, weights=w))
    for avg in ('macro', 'micro', 'weighted'):
        if avg != 'micro' and len(set(pred)) < k: continue
        p_, r_, f_, _ = sk.precision_recall_fscore_support(y, pred, average=avg, zero_division=0)
        assert close([whole[f'{avg}_{o}'] for o in ('precision', 'recall', 'f1')], [p_, r_, f_])
    m = sk.multilabel_confusion_matrix(y, pred, labels=range(k))
    assert close(each['specificity'], m[:, 0, 0] / m[:, 0].sum(1)) and close(
        each['f1'], sk.f1_score(y, pred, average=None, labels=range(k))
    )
    auc = [sk.roc_auc_score(y == c, p.prob[:, c]) for c in range(k)]
    assert (
        close(each['auc'], auc)
        and close(whole['macro_auc'], np.mean(auc))
        and close([scores.auc(y == c, p.prob[:, c]) for c in range(k)], auc)
    )
    assert close(each['average_precision'], [sk.average_precision_score(y == c, p.prob[:, c]) for c in range(k)])
    assert close(whole['log_loss'], sk.log_loss(y, p.prob)) and close(
        whole['brier'], sum(np.mean((p.prob[:, c] - (y == c)) ** 2) for c in range(k))
    )
    if k > 2 and not ties:
        assert close(whole['top2_accuracy'], sk.top_k_accuracy_score(y, p.prob, k=2, labels=range(k)))


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 4), st.booleans())
def test_each_metric_without_a_patient_is_that_of_the_other_patients(seed, k, ties):
    "Every metric of the jackknife, that of ranking among them, against a table from which the patient is gone"
    p = table(seed, k, 40, 5, ties)
    s = Resampler(p.target, p.pred, k, p.patient_codes, p.prob)
    whole, each = resample.jackknife(s)
    for j in range(s.n_clusters):
        rows = p.patient_codes != j
        y, pred, prob = p.target[rows], p.pred[rows], p.prob[rows]
        own = Resampler(y, pred, k, np.zeros(len(y), int), prob).values()
        first_order = ('average_precision', 'macro_average_precision')
        for o in set(whole) - set(first_order): assert whole[o][j] == pytest.approx(own[0][o], rel=1e-9, nan_ok=True), o
        for o in set(each) - set(first_order): assert each[o][j] == pytest.approx(own[1][o], rel=1e-9, nan_ok=True), o
        for c in range(k):
            if 0 < (y == c).sum() < len(y):
                assert each['auc'][j, c] == pytest.approx(sk.roc_auc_score(y == c, prob[:, c]), rel=1e-9)


def test_lung_matrix_to_each_printed_digit():
    e = evaluate_matrix(LUNG, list('ABEC'))
    v = {o: round(i.value, 6) for o, i in e.overall.items()}
    assert {
        o: v[o]
        for o in ('macro_precision', 'macro_recall', 'macro_f1', 'micro_f1', 'weighted_f1', 'f1_of_averages', 'kappa')
    } == dict(
        macro_precision=0.909839,
        macro_recall=0.906996,
        macro_f1=0.907493,
        micro_f1=0.906999,
        weighted_f1=0.907464,
        f1_of_averages=0.908415,
        kappa=0.875996,
    )
    assert [
        round(100 * v, 4) for v in (e.overall[f'{o}_specificity'].value for o in ('macro', 'micro', 'weighted'))
    ] == [96.8992, 96.9, 96.8970]
    assert [round(d['specificity'].value, 6) for d in e.per_class.values()] == [.992337, .957801, .946292, .979540]
    assert [round(100 * d['f1'].value, 4) for d in e.per_class.values()] == [93.8124, 87.1401, 89.6175, 92.4272]
    a = e.overall['accuracy']
    assert [round(100 * o, 2) for o in a[:3]] == [90.70, 88.78, 92.32] and a.method == 'Wilson'


def test_head_ct_matrix_to_each_printed_digit():
    e = evaluate_matrix(HEAD, ['none', 'finding'])
    v, f = {o: i.value for o, i in e.overall.items()}, e.per_class['finding']
    assert [round(v[o], 6) for o in ('accuracy', 'balanced_accuracy', 'kappa', 'mcc')] == [
        0.913276,
        0.922145,
        0.821966,
        0.827601,
    ]
    assert [
        round(f['f1'].value, 6),
        round(f['youden'].value, 6),
        round(f['lr_plus'].value, 4),
        round(f['lr_minus'].value, 6),
    ] == [0.895484, 0.844290, 8.2206, 0.043916]
    assert [tuple(round(x, 4) for x in f[o][1:3]) for o in ('recall', 'specificity', 'precision', 'npv')] == [
        (.9360, .9768), (.8542, .9069), (.7996, .8705), (.9553, .9839)]


def test_top_k_and_calibration_vectors():
    prob = np.array([[.5, .2, .2], [.3, .4, .2], [.2, .4, .3], [.7, .2, .1]])
    assert scores.in_top(prob, [0, 1, 2, 2], 2).mean() == .75
    p, y = [.25, .25, .55, .75, .75], [0, 0, 1, 1, 1]
    assert [round(scores.calibration_error(p, y, 2, o), 6) for o in ('l1', 'l2', 'max')] == [.29, .291833, .316667]


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 12))
def test_calibration_bins_against_scikit_learn(seed, bins):
    rng = np.random.default_rng(seed)
    p, y = rng.random(80), rng.integers(0, 2, 80)
    observed, confidence = calibration_curve(y, p, n_bins=bins)
    t = scores.calibration_bins(p, y, bins)
    assert close(t.observed.to_numpy(), observed) and close(t.confidence.to_numpy(), confidence) and t.n.sum() == 80


def test_predictive_values_vectors():
    for prevalence, ppv, npv in ((.10, .4774, .9951), (.05, .3020, .9977), (.01, .0767, .9996)):
        assert tuple(round(o, 4) for o in scores.predictive_values(347/361, 506/573, prevalence)) == (ppv, npv)


# ---- intervals

@pytest.mark.parametrize('k,n,w,cp', [(81, 263, (.2553, .3662), (.2527, .3676)), (15, 148, (.0624, .1605), None),
                                      (0, 20, (0, .1611), (0, .1684)), (1, 29, (.0061, .1718), None)])
def test_interval_vectors(k, n, w, cp):
    assert tuple(round(o, 4) for o in wilson(k, n)[1:3]) == w
    if cp: assert tuple(round(o, 4) for o in resample.clopper_pearson(k, n)[1:3]) == cp


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.floats(0, 1), st.floats(.001, .5))
def test_intervals_against_statsmodels(n, share, alpha):
    from statsmodels.stats.proportion import proportion_confint
    k = round(n * share)
    assert close(wilson(k, n, alpha)[1:3], proportion_confint(k, n, alpha, 'wilson'))
    assert close(resample.clopper_pearson(k, n, alpha)[1:3], proportion_confint(k, n, alpha, 'beta'))


def test_coverage_of_the_intervals():
    "50 patients with 20 images, intraclass correlation .1: by patient 92 to 97 %, by image far too few"
    rng, sims, K, m, rho = np.random.default_rng(1), 1500, 50, 20, .1
    for p in (.7, .9):
        rate = rng.beta(p * (1/rho - 1), (1 - p) * (1/rho - 1), (sims, K))
        right = rng.binomial(m, rate).astype(np.float32)
        by_patient = [proportion_of(o, m - o) for o in right]
        by_image = [wilson(k, m * K) for k in right.sum(1)]
        covered = [np.mean([o.low <= p <= o.high for o in x]) for x in (by_patient, by_image)]
        assert .92 <= covered[0] <= .97 and covered[1] < .80, (p, covered)


def test_all_right_and_all_wrong():
    n, who = 60, np.arange(60) // 3
    y = np.arange(60) % 2
    for pred, value in ((y, 1), (1 - y, 0)):
        e = evaluate(Predictions.from_arrays(range(n), who, y, np.eye(2)[pred] * .8 + .1, ['a', 'b']))
        assert e.overall['accuracy'][:3] == wilson(20 * value, 20)[:3] and 'Wilson' in e.overall['accuracy'].method
        assert e.per_class['a']['auc'].value == value and e.per_class['a']['auc'].low is not None
        if value: assert e.overall['kappa'].low is None and 'resample' in e.overall['kappa'].note
        assert (
            evaluate(
                Predictions.from_arrays(range(n), who, y, np.eye(2)[pred] * 0.8 + 0.1, ['a', 'b']), independent=True
            ).overall['accuracy'][:3]
            == wilson(60 * value, 60)[:3]
        )


def test_few_patients_are_told():
    p = toy_predictions(8, 6, ['a', 'b'])
    e = evaluate(p)
    assert 'rough guess' in e.overall['accuracy'].note and any('8 patients' in o for o in e.notes)
    rare = Predictions(p.table.assign(target=np.where(np.arange(48) < 2, 'a', 'b')))
    note = evaluate(rare).per_class['a']['recall'].note
    assert 'no interval' in note
    two = Predictions(p.table.assign(target=np.where(np.isin(np.arange(48), (0, 7)), 'a', 'b')))
    assert evaluate(two).per_class['a']['recall'].note == 'no interval: it rests on 2 patients, and an interval needs 3'


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 4), st.integers(1, 12), st.integers(1, 4), st.booleans(), st.booleans())
def test_nothing_crashes_and_nothing_is_nan(seed, k, n, patients, independent, hard):
    rng = np.random.default_rng(seed)
    prob = np.eye(k)[rng.integers(0, k, n)] if hard else rng.dirichlet(np.ones(k), n)
    p = Predictions.from_arrays(
        range(n),
        rng.integers(0, patients, n),
        rng.integers(0, rng.integers(1, k + 1), n),
        prob,
        range(k),
        {'r': rng.integers(-1, k, n)},
    )
    with np.errstate(all='raise'): e = evaluate(p, independent=independent)
    text = json.dumps(e.as_dict(), allow_nan=False)
    for v in [*e.overall.values(), *(v for d in e.per_class.values() for v in d.values())]:
        assert v.value is not None or v.note
        assert v.low is None or v.low <= v.high and np.isfinite([v.value, v.low, v.high]).all()
    assert 'NaN' not in text and e._repr_html_()
    other = Predictions(p.table[::-1].assign(**{f'p_{c}': prob[:, i] for i, c in enumerate(p.classes)}))
    json.dumps(compare.compare(p, other).as_dict(), allow_nan=False)
    if (p.readers['r'] >= 0).any(): json.dumps(compare.compare(p, 'r', margin=.1).as_dict(), allow_nan=False)
    json.dumps(compare.agreement(p, 'r', 'target').as_dict(), allow_nan=False)


def test_same_seed_same_numbers_and_blocks_do_not_matter():
    p = toy_predictions(30, 5, list('abc'))
    assert evaluate(p).as_dict() == evaluate(p).as_dict()
    one, same, other = (next(draws(30, 200, o, 200)) for o in (3, 3, 4))
    assert (one == same).all() and (one != other).any()
    a, b = (np.concatenate(list(draws(30, 200, 0, o)), axis=1) for o in (64, 512))
    assert (a == b).all() and (a.sum(0) == 30).all()


def test_probability_zero_for_the_truth():
    p = Predictions.from_arrays(range(40), range(40), [0, 1] * 20, [[0, 1], [0, 1]] * 20, ['a', 'b'])
    e = evaluate(p)
    assert (
        e.overall['log_loss'].value is None
        and 'infinite' in e.overall['log_loss'].note
        and e.overall['brier'].value == 1
    )


# ---- comparisons

@pytest.mark.parametrize(
    'b,c,exact,midp',
    [(1, 7, 0.0703125, 0.0390625), (86, 150, 3.716e-5, 2.893e-5), (6, 16, 0.0524788, 0.0346897), (5, 5, 1, 0.8769531)],
)
def test_mcnemar_vectors(b, c, exact, midp):
    p = compare.mcnemar(b, c)
    assert float(f"{p['exact']:.4g}" if b == 86 else f"{p['exact']:.7f}") == exact
    assert float(f"{p['midp']:.4g}" if b == 86 else f"{p['midp']:.7f}") == midp


def test_mcnemar_chi_square_vector():
    p = compare.mcnemar(1, 7)
    assert (round(p['chi2'], 7), round(p['chi2_corrected'], 7)) == (.0338949, .0770999)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_against_statsmodels(b, c):
    from statsmodels.stats.contingency_tables import mcnemar
    if not b + c: return
    p, t = compare.mcnemar(b, c), [[3, b], [c, 5]]
    assert close(p['exact'], mcnemar(t, exact=True).pvalue) and close(
        p['chi2'], mcnemar(t, exact=False, correction=False).pvalue
    )
    if b != c: assert close(p['chi2_corrected'], mcnemar(t, exact=False).pvalue)
    tail = stats.binom.pmf(np.arange(b + c + 1), b + c, .5)
    assert p['midp'] == pytest.approx(2 * tail[:min(b, c)].sum() + tail[min(b, c)] * (1 if b != c else .5), rel=1e-9)


def test_clustered_mcnemar_vectors():
    n, b, c = DONNER
    assert (b.sum(), c.sum(), n.sum(), len(n)) == (21, 50, 135, 29)
    found = [
        (b - c).sum() ** 2 / (b + c).sum(),
        compare.durkalski(b, c, n)['statistic'],
        compare.obuchowski(b, c)['statistic'],
        compare.yang(b, c, n)['statistic'],
    ]
    assert [round(float(o), 4) for o in found] == [11.8451, 7.5423, 7.1858, 8.4286]
    assert close(compare.obuchowski(b, c)['p'], stats.chi2.sf(compare.obuchowski(b, c)['statistic'], 1))


def test_clusters_of_one_are_mcnemar():
    "With one image a patient Durkalski's test is McNemar's, and Obuchowski's is but for (K - 1) / K"
    b, c = np.array([1] * 9 + [0] * 30), np.array([0] * 20 + [1] * 19)
    x2 = (b - c).sum()**2 / (b + c).sum()
    assert close(compare.durkalski(b, c, np.ones(39))['statistic'], x2) and close(
        compare.obuchowski(b, c)['statistic'], x2 * 38 / 39
    )


def test_design_effect_vectors():
    n, b, _ = DONNER
    who, x = np.repeat(np.arange(29), n), np.concatenate([np.repeat([1, 0], [k, m - k]) for k, m in zip(b, n)])
    se, naive = compare.cluster_se(x, who)
    assert [round(o, 6) for o in (x.mean(), compare.icc(x, who))] == [.155556, .156061]
    assert (round(se, 7), round(naive, 7), round((se / naive)**2, 5)) == (.0405820, .0311933, 1.69256)
    assert [round(1423 / compare.design_effect(1423 / 49, o)) for o in (.05, .1)] == [592, 374]


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_cluster_se_against_statsmodels(seed):
    import statsmodels.api as sm
    rng = np.random.default_rng(seed)
    who, x = rng.integers(0, 9, 80), rng.random(80)
    fit = sm.OLS(x, np.ones(80)).fit(cov_type='cluster', cov_kwds=dict(groups=who))
    assert close(compare.cluster_se(x, who)[0], fit.bse[0])


def test_bootstrap_agrees_with_the_linearised_error():
    n, b, _ = DONNER
    w = next(draws(29, 4000, 0, 4000))
    reps = b @ w / (n @ w)
    assert reps.std() == pytest.approx(.0405820, rel=.05)


def test_delong_vectors():
    y, A, B = [1, 1, 1, 0, 0, 0, 0], [.9, .8, .35, .7, .4, .35, .1], [.6, .7, .2, .5, .3, .65, .1]
    aucs, V = compare.delong(y, A, B)
    assert aucs.round(7).tolist() == [0.7916667, 0.6666667] and V.round(7).tolist() == [
        [0.0497685, 0.0480324],
        [0.0480324, 0.0671296],
    ]
    d = compare.auc_difference(aucs, V)
    assert (round(d['z'], 7), round(d['p'], 7)) == (.8660254, .3864762)
    neg, pos = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    y, s = np.repeat([0, 1], [sum(neg), sum(pos)]), np.concatenate([np.repeat(np.arange(5), o) for o in (neg, pos)])
    (auc,), cov = compare.delong(y, s)
    assert (
        round(auc, 7) == 0.8931711
        and round(cov[0, 0] ** 0.5, 7) == 0.0307244
        and round(compare.hanley_mcneil(auc, 51, 58), 7) == 0.0324866
    )


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans())
def test_delong_against_its_definition(seed, ties):
    rng = np.random.default_rng(seed)
    y = np.concatenate([[1, 1, 0, 0], rng.integers(0, 2, 26)]).astype(bool)
    s = rng.integers(0, 5, (2, 30)) / 4 if ties else rng.random((2, 30))
    psi = (s[:, y][:, :, None] > s[:, ~y][:, None]) + .5 * (s[:, y][:, :, None] == s[:, ~y][:, None])
    v10, v01 = psi.mean(2), psi.mean(1)
    aucs, V = compare.delong(y, *s)
    assert close(aucs, [sk.roc_auc_score(y, o) for o in s]) and close(
        V, np.cov(v10) / y.sum() + np.cov(v01) / (~y).sum()
    )
    assert close(compare.clustered_auc(y, np.arange(30), *s)[1], V)
    who = rng.integers(0, 8, 30)
    if min(len(set(who[y])), len(set(who[~y]))) < 2: return
    once, twice = (
        compare.clustered_auc(y, who, *s),
        compare.clustered_auc(np.tile(y, 2), np.tile(who, 2), *np.tile(s, 2)),
    )
    assert close(once[0], twice[0]) and close(once[1], twice[1])


def test_compare_is_antisymmetric_and_ignores_the_order_of_rows():
    a, b = (toy_predictions(30, 10, list('abc'), skill=s, model=i) for i, s in enumerate((2., 1.5)))
    one, two = compare.compare(a, b), compare.compare(b, a.subset(np.arange(300)[::-1]))
    assert (
        (one['b'], one['c']) == (two['c'], two['b'])
        and one['mcnemar_exact'] == two['mcnemar_exact']
        and close(one['obuchowski'], two['obuchowski'])
    )
    for o, d in one['differences'].items():
        assert d['value'] == pytest.approx(-two['differences'][o]['value'], abs=1e-12)
    assert close(one['differences']['accuracy']['value'], (one['b'] - one['c']) / 300)
    y = a.target == 0
    assert close(one['delong']['a']['p'], compare.auc_difference(*compare.delong(y, a.prob[:, 0], b.prob[:, 0]))['p'])


def test_compare_what_does_not_fit():
    a, b = toy_predictions(10, 4), toy_predictions(9, 4)
    with pytest.raises(BadInput, match="don't hold the same images"): compare.compare(a, b)
    with pytest.raises(BadInput, match='no reader'): compare.compare(a, 'nobody')
    with pytest.raises(BadInput, match='margin'): compare.equivalence((-.1, .1), 0)


@pytest.mark.parametrize('low,high,verdict', [(-.02, .02, 'equivalent'), (.01, .02, 'equivalent'), (-.04, .02,
    'inconclusive'),
                                              (.031, .2, 'different'), (-.2, -.031, 'different'), (None, None,
                                                  'inconclusive'), (-.03, .03, 'inconclusive')])
def test_equivalence(low, high, verdict):
    assert compare.equivalence(Interval(0, low, high), .03)['verdict'] == verdict


def test_kappa_between_readers():
    p = toy_predictions(25, 8, list('abcd'), reader='x')
    for w in (None, 'linear', 'quadratic'):
        found = compare.agreement(p, 'x', 'model', w)
        assert (
            close(found.value, sk.cohen_kappa_score(p.readers['x'], p.pred, weights=w))
            and found.low < found.value < found.high
        )


# ---- calibration and thresholds

def test_net_benefit_vectors():
    assert [round(float(calibration.net_benefit(347, 67, 934, t)), 6) for t in (.2, .5)] == [.353587, .299786]
    assert (
        round(float(calibration.net_benefit(361, 573, 934, 0.2)), 6) == 0.233137
        and round(float(calibration.net_benefit(82, 128, 750, 0.15)), 7) == 0.0792157
    )


@settings(max_examples=30, deadline=None)
@given(seeds, st.booleans())
def test_thresholds_against_all_candidates(seed, ties):
    rng = np.random.default_rng(seed)
    y, s = np.r_[True, False, rng.random(30) < .4], rng.integers(0, 6, 32) / 5 if ties else rng.random(32)
    def at(t): return (s[y] >= t).mean(), (s[~y] < t).mean()
    points = np.array([at(t) for t in [*np.unique(s), 2]])
    for rule, best in (
        ('youden', points.sum(1).max() - 1),
        ('cost', None),
        ('sensitivity', points[points[:, 0] >= 0.8, 1].max()),
    ):
        c = calibration.choose_threshold(y, s, rule, wanted=.8)
        assert close(at(c.value), (c.sensitivity, c.specificity))
        if rule == 'youden': assert close(c.sensitivity + c.specificity - 1, best)
        if rule == 'sensitivity': assert c.sensitivity >= .8 and close(c.specificity, best)
        if rule == 'cost':
            assert close(
                5 * y.sum() * (1 - c.sensitivity) + (~y).sum() * (1 - c.specificity),
                (5 * y.sum() * (1 - points[:, 0]) + (~y).sum() * (1 - points[:, 1])).min(),
            )
    t = calibration.decision_curve(y, s, [.2, .5, .8])
    assert close(
        t.model.to_numpy(), [(s[y] >= o).sum() / 32 - (s[~y] >= o).sum() / 32 * o / (1 - o) for o in (0.2, 0.5, 0.8)]
    )


def test_temperature_is_where_the_loss_is_least():
    p = calibration.scale(toy_predictions(20, 20, list('abc')), .4)
    T = calibration.temperature(p)
    loss = [sk.log_loss(p.target, calibration.scale(p, t).prob) for t in (T * .98, T, T * 1.02)]
    assert loss[1] == min(loss) and (calibration.scale(p, T).pred == p.pred).all()
    assert close(calibration.scale(p, 1).prob, p.prob)


def test_reliability_counts_every_image():
    p = toy_predictions(20, 10, list('abc'))
    for cls in (None, 'b'):
        t = calibration.reliability(p, cls)
        assert (
            t.n.sum() == 200
            and (pd.to_numeric(t.observed_low.dropna()) <= t.observed[t.observed_low.notna()] + 1e-9).all()
        )
    with pytest.raises(BadInput, match="no class 'z'"): calibration.reliability(p, 'z')
