"The pages' intervals are the library's: random tables with clusters, expected values from Python, equal to 1e-9"
import numpy as np
import pytest
from browser_tools import table
from scipy import special

from usbook.evidence.compare import compare
from usbook.evidence.metrics import evaluate
from usbook.evidence.resample import at_prevalence, likelihood_interval, proportion_of
from usbook.predictions.predictions import Predictions
from usbook.widgets.compare import _gap, explore_pair
from usbook.widgets.confusion import explore_confusion
from usbook.widgets.threshold import explore_threshold


def same(js, py, where=''):
    "Value and ends to 1e-9, and why there is no interval word for word"
    for k in ('value', 'low', 'high'):
        a, b = js[k], getattr(py, k)
        assert (a is None) == (b is None), (where, k, js, py, py.note)
        if b is not None: assert a == pytest.approx(b, abs=1e-9, rel=1e-9), (where, k, js, py)
    assert js['note'] == py.note, (where, js, py.note)


def sizes_of(rng, how, K):
    "Images of each patient: equal, unequal, one patient with half of all, some patients without any"
    if how == 'equal': return np.full(K, rng.integers(1, 9))
    if how == 'unequal': return rng.integers(1, 51, K)
    if how == 'giant': return np.r_[50 * K // 2, rng.integers(1, 4, K - 1)]
    return rng.integers(0, 4, K)


def tables(n=400, seed=0):
    "Per-patient counts of four cells: tp, fn, fp, tn"
    rng = np.random.default_rng(seed)
    yield from (np.array(o) for o in ([[5], [2], [1], [7]], [[0], [0], [0], [0]], [[3, 4], [0, 0], [0, 0], [2, 2]],
                                      [[0] * 9, [2] * 9, [3] * 9, [0] * 9], [[2] * 9, [2] * 9, [1] * 9, [1] * 9],
                                      [[1, 2, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [3, 3, 3, 9]]))
    for i in range(n):
        K = int(rng.choice([1, 2, 3, 4, 5, 8, 12, 25, 60, 200]))
        m, ill = sizes_of(rng, rng.choice(['equal', 'unequal', 'giant', 'sparse']), K), rng.random(K) < .5
        if rng.random() < .5: ill = rng.random(K)
        right = rng.choice([0, 1, .02, .5, .8, .9, .98])
        p = rng.beta(right * 2 + 1e-9, (1 - right) * 2 + 1e-9, K) if rng.random() < .5 else np.full(K, right)
        pos = rng.binomial(m, ill)
        tp, tn = rng.binomial(pos, p), rng.binomial(m - pos, p)
        yield np.array([tp, pos - tp, m - pos - tn, tn])


def test_students_t_equals_scipy(module):
    df = np.r_[1, 1.0000001, 1.3, 2, 2.5, 2.9999, 3, np.geomspace(1, 1e6, 400), 999.99, 1000, 1000.01]
    got = module('base')('x.map(m.tQuantile)', df.tolist())
    np.testing.assert_allclose(got, special.stdtrit(df, .975), rtol=1e-10) # SciPy 1.14 is off by 4e-11


@pytest.mark.parametrize('folds', [1, 5])
def test_random_tables_with_clusters(module, folds):
    call, all_ = module('base'), list(tables(seed=folds))
    got = call('''x[0].map(([tp, fn, fp, tn]) => {
        const o = { folds: x[1] }, add = (a, b) => a.map((v, i) => v + b[i]), pos = add(tp, fn), neg = add(fp, tn);
        const differ = fn.filter((v, i) => v || fp[i]).length;
        return [m.proportion(tp, fn, o), m.proportion(tn, fp, o),
                m.proportion(tp, fp, { beside: pos, ...o }), m.proportion(tn, fn, { beside: neg, ...o }),
                m.difference(add(fn, fp.map(v => -v)), add(pos, neg), differ, o),
                m.likelihood(tp, pos, fp, neg, o), m.likelihood(fn, pos, tn, neg, o),
                ...[.01, .3].flatMap(p => {
                    const r = sum(tp, fn) && sum(fp, tn) ? m.atPrevalence(tp, pos, fp, neg, p, o) : null;
                    return r ? [r.ppv, r.npv] : [null, null]; })];
        function sum(a, b) { return [...a, ...b].reduce((u, v) => u + v, 0); } })''',
               [[o.tolist() for o in all_], folds])
    ends = 0
    for i, ((tp, fn, fp, tn), js) in enumerate(zip(all_, got)):
        pos, neg = tp + fn, fp + tn
        who = np.repeat(np.arange(len(tp)), tp + tn + fn + fp)
        a, b = (np.concatenate([np.repeat(c, o) for o in zip(tp + tn, fn, fp)]) for c in ((1, 0, 1), (1, 1, 0)))
        want = [proportion_of(tp, fn, folds=folds), proportion_of(tn, fp, folds=folds),
                proportion_of(tp, fp, pos, folds=folds), proportion_of(tn, fn, neg, folds=folds),
                _gap(a.astype(bool), b.astype(bool), who, folds),
                likelihood_interval(tp, pos, fp, neg, folds=folds), likelihood_interval(fn, pos, tn, neg, folds=folds)]
        for p in (.01, .3):
            r = at_prevalence(tp, pos, fp, neg, p, folds=folds) if pos.sum() and neg.sum() else dict(ppv=None, npv=None)
            want += [r['ppv'], r['npv']]
        for j, (x, y) in enumerate(zip(js, want)):
            if y is None: assert x is None
            else:
                same(x, y, (i, j))
                ends += y.low is not None
    assert ends > 900


def test_a_prediction_at_a_prevalence_when_images_are_independent(module):
    call = module('base')
    for k in ((347, 361, 67, 573), (3, 3, 1, 40), (1, 2, 1, 2), (0, 9, 3, 9), (9, 9, 0, 9), (0, 9, 0, 9)):
        tp, n1, fp, n0 = k
        row = np.arange(n1 + n0)
        ill, alarm = row < n1, (row >= n1) & (row < n1 + fp)
        for p in (.01, .5, 0, 1):
            js, py = call('m.atPrevalence(...x)', [*k, p]), at_prevalence(row < tp, ill, alarm, ~ill, p, unit='images')
            for o in ('ppv', 'npv'): same(js[o], py[o], (k, p, o))


def of_arrays(patient, target, prob, classes):
    return Predictions.from_arrays(
        [f'{i}.png' for i in range(len(patient))], [f'p{o}' for o in patient], target, prob, classes
    )


def unequal(seed, K=14, k=3, n=220):
    "A table whose patients have very different numbers of images"
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.choice(K, n, p=rng.dirichlet(np.full(K, .6))))
    target, z = rng.integers(0, k, n), rng.normal(0, 1, (n, k))
    z[np.arange(n), target] += 1.5
    p = np.exp(z)
    return of_arrays(patient, target, p / p.sum(1, keepdims=True), [f'class {o}' for o in range(k)])


@pytest.mark.parametrize('seed', range(4))
def test_pages_say_what_evaluate_and_compare_say(seed):
    a, b = unequal(seed), unequal(seed)
    b = of_arrays([o[1:] for o in a.patient], a.target, np.roll(a.prob, 1, 0) * .4 + .6 * a.prob, list(a.classes))
    e, w = evaluate(a), explore_confusion(a).numbers()
    def close(x, y): same(dict(value=x.value, low=x.low, high=x.high, note=x.note), y)
    close(w['accuracy'], e.overall['accuracy'])
    for c, o in w['per_class'].items():
        for k in ('recall', 'precision'): close(o[k], e.per_class[c][k])
    at, pair = compare(a, b).differences['accuracy'], explore_pair(a, b).numbers()['difference']
    assert at.note == pair.note and at.value == pytest.approx(-pair.value)
    if at.low is not None: assert (at.low, at.high) == pytest.approx((-pair.high, -pair.low), abs=1e-9)


def test_differing_on_two_patients_is_said_as_compare_says_it(show):
    a = table(n=40)
    wrong = np.flatnonzero(a.pred == a.target)[[0, -1]]
    prob = a.prob.copy()
    prob[wrong] = prob[wrong][:, ::-1]
    b = Predictions.from_arrays(a.table['image'], a.patient, a.target, prob, list(a.classes))
    page, note = show(explore_pair(a, b)), compare(a, b).differences['accuracy'].note
    assert note == 'no interval: the two differ on 2 of the patients only, and an interval needs 6'
    assert page.locator('[data-name=difference-ci]').text_content() == note


def test_too_few_patients_are_said(show):
    p = table(n=8, per=4)
    page, w = show(explore_threshold(p)), explore_threshold(p)
    note = w.numbers()['sensitivity'].note
    assert (
        note.startswith('no interval: it rests on')
        and page.locator('[data-name=sensitivity-ci]').text_content() == note
    )
    assert page.locator('[data-name=sensitivity]').text_content() == f"{w.numbers()['sensitivity'].value:.3f}"


@pytest.mark.parametrize('n, limit', [(1000, 5), (100_000, 100)])
def test_a_key_press_is_quick(module, n, limit):
    call = module('threshold')
    took = call('''(() => { const n = x, p = new Float64Array(2 * n), t = new Uint8Array(n), g = new Int32Array(n);
        for (let i = 0; i < n; i++) {
            g[i] = i >> 2;
            t[i] = (i * 7919) % 3 === 0;
            p[2 * i + 1] = (((i * 104729) % 1000) / 1000 + t[i]) / 2;
            p[2 * i] = 1 - p[2 * i + 1];
        }
        const d = m.prepare(p, n, 2, t, g, 1), all = [];
        for (let j = 0; j < 21; j++) {
            const a = performance.now();
            m.point(d, .2 + j / 50, j % 2 ? .1 : null, true);
            all.push(performance.now() - a);
        }
        return all.sort((a, b) => a - b)[10]; })()''', n)
    print(f'{n} images: {took:.2f} ms a key press')
    assert took <= limit
