"""How often 95 % intervals hold the truth: simulated patients, the intervals of the kit, one record.

    python tools/coverage.py                       all cases into nbs/records/coverage.json (make coverage)
    python tools/coverage.py --sims 100 --out x    fewer simulations, another file

There are two grids. On the cases of CHOSEN the formula of the intervals and the rules by which one is given were
chosen: patients have 20 images each, or a tenth of them has 50 and the rest one, and how often a patient's images are
right follows a beta distribution. The cases of CHECKED are others, and nothing was changed after they were run: other
numbers of patients, images and proportions, and two other ways in which the images of a patient can be alike. In both
the intraclass correlation (ICC) says how alike.

Tables are drawn as counts per patient, and the metrics without each patient follow for all tables at once; every
interval is made by the kit's own `interval_from` on its own support. An interval has two ends; a share of which only
one end can be told (a bound, whose other end is 0 or 1) is counted apart. `attainable` is how often an interval would
hold the truth that knew the distribution of the metric and missed it on either side in at most 2.5 of 100 tables. Where
the truth is near 1 such an interval can be missed on one side only, so it holds the truth in more than 97.5 of 100.
"""
import argparse
import time
from functools import lru_cache
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy import optimize, sparse, special, stats

from usbook.evidence.compare import difference_interval
from usbook.evidence.froc import froc, froc_points, match, toy_detections
from usbook.evidence.metrics import evaluate, rests_on
from usbook.evidence.resample import (
    Pairs,
    Spread,
    Support,
    freedom,
    interval_from,
    kish,
    proportion_of,
)
from usbook.evidence.scores import table_metrics
from usbook.predictions.predictions import Predictions
from usbook.runs.record import Record

CHOSEN = dict(sizes=('equal', 'unequal'), patients=(12, 25, 50, 200), iccs=(0., .1, .4), levels=(.5, .8, .95, .99),
              models=('beta',))
CHECKED = dict(sizes=('seven', 'by rank', 'by root'), patients=(8, 16, 35, 80, 120), iccs=(.05, .2, .3),
               levels=(.6, .75, .9, .97), models=('probit', 'two kinds'))
CHECKED_ALL = dict(CHECKED, sizes=('seven', 'by root'), patients=(16, 35, 120), iccs=(.05, .3), levels=(.6, .9))
PREVALENCE = np.array([.45, .45, .1])
OLDER = [ # percentile bootstrap over patients, 2000 resamples: metric, sizes, patients, ICC, level, coverage
    ('accuracy', 'equal', 25, .4, .95, .88), ('accuracy', 'equal', 50, .4, .95, .89),
    ('accuracy', 'unequal', 50, .1, .8, .89), ('accuracy', 'unequal', 50, .4, .8, .82),
    ('accuracy', 'unequal', 50, .1, .95, .85), ('accuracy', 'unequal', 50, .4, .95, .70),
    ('accuracy', 'unequal', 200, .1, .99, .80), ('accuracy', 'unequal', 200, .4, .99, .60)]


def sizes(patients, how):
    "Images of each patient: 20; 50 for a tenth of them, else 1; 7; 60 over the patient's rank, or over its root"
    if how in ('equal', 'seven'): return np.full(patients, 20 if how == 'equal' else 7)
    if how.startswith('by'):
        rank = np.arange(1, patients + 1)
        return np.maximum(1, 60 // (rank if how == 'by rank' else rank**.5)).astype(int)
    return np.where(np.arange(patients) < max(1, round(patients / 10)), 50, 1)


@lru_cache
def latent(p, icc):
    "Of a probit model with a proportion p: the correlation of the hidden ease that gives this ICC of being right"
    x, at = stats.norm.ppf((np.arange(2000) + .5) / 2000), stats.norm.ppf(p)
    def gap(r): return special.ndtr((at + r**.5 * x) / (1 - r)**.5).var() / (p * (1 - p)) - icc
    return optimize.brentq(gap, 1e-6, .999)


def two_kinds(p, icc):
    "Share of hard patients, how often images of the others and of theirs are right"
    sd = (icc * p * (1 - p))**.5
    for share in (.1, .2, .3, .05, .02, .01):
        easy = p + sd * (share / (1 - share))**.5
        hard = p - sd * ((1 - share) / share)**.5
        if easy <= 1 and hard >= 0: return share, easy, hard
    raise ValueError(f'no two kinds of patients give {p} and {icc}')


def rates(rng, p, icc, shape, model='beta'):
    "How often each patient's images are right"
    if not icc: return np.full(shape, p)
    if model == 'beta': return rng.beta(p * (1 / icc - 1), (1 - p) * (1 / icc - 1), shape)
    if model == 'two kinds':
        share, easy, hard = two_kinds(p, icc)
        return np.where(rng.random(shape) < share, hard, easy)
    r = latent(p, icc)
    return special.ndtr((stats.norm.ppf(p) + r**.5 * rng.normal(size=shape)) / (1 - r)**.5)


def attainable(values):
    "Coverage of the interval that knows the distribution of the metric and misses on either side in at most 2.5 %"
    v = np.sort(values[np.isfinite(values)])
    if not len(v): return None
    at_most = np.searchsorted(v, v + 1e-12, 'right') / len(v)
    at_least = 1 - np.searchsorted(v, v - 1e-12, 'left') / len(v)
    return float(((at_most > .025) & (at_least > .025)).mean())


def held(intervals, truth):
    """Of the intervals with two ends: how many hold the truth, lie above it, lie below it; of all tables, how many have
    one (`given`), a wrong one (`wrong`), a bound (`bounds`); how many of the bounds hold; the mean length"""
    there = [i for i in intervals if i.low is not None and i.low != 0 and i.high != 1]
    one, n = [i for i in intervals if i.low is not None and (i.low == 0 or i.high == 1)], len(intervals)
    def share(o): return float(np.mean(o)) if o else None
    hold = [bool(i.low <= truth <= i.high) for i in there]
    length = share([i.high - i.low for i in there])
    return dict(coverage=share(hold), length=length, above=share([i.low > truth for i in there]), simulations=n,
                below=share([i.high < truth for i in there]), given=len(there) / n, wrong=hold.count(False) / n,
                bounds=len(one) / n, bounds_hold=share([i.low <= truth <= i.high for i in one]))


def proportions(rng, m, p, icc, sims, model='beta'):
    "Accuracy; `perfect` is the share of tables without an error, `carriers` the median of those who have the errors"
    right = rng.binomial(m, rates(rng, p, icc, (sims, len(m)), model))
    carriers = float(np.median(np.minimum(kish(m - right), kish(right))))
    more = dict(perfect=float((right == m).all(1).mean()), carriers=carriers)
    more |= dict(attainable=attainable(right.sum(1) / m.sum()))
    return dict(accuracy=held([proportion_of(r, m - r) for r in right], p) | more)


def sensitivities(rng, m, p, icc, sims, model='beta'):
    "Sensitivity of a class that 10 % of the images have"
    n = rng.binomial(m, PREVALENCE[2], (sims, len(m)))
    right = rng.binomial(n, rates(rng, p, icc, (sims, len(m)), model))
    best = dict(attainable=attainable(right.sum(1) / np.maximum(n.sum(1), 1)))
    return dict(sensitivity=held([proportion_of(a, b) for a, b in zip(right, n - right)], p) | best)


def differences(rng, m, p, icc, sims, model='beta'):
    "The difference of two models that are equally good, errors alike within a patient; coverage of 0"
    hard = rates(rng, p, icc, (sims, len(m)), model)
    one = rng.binomial(m, 2 * hard * (1 - hard))
    gap = one - 2 * rng.binomial(one, .5)
    left, value = (gap.sum(1, keepdims=True) - gap) / (m.sum() - m), gap.sum(1) / m.sum()
    s = Support(len(m), float(kish(m)), float(kish(m)), int(m.sum()), freedom=float(freedom(m)))
    ses = [Spread(v, 'any').add(o).se for v, o in zip(value, left)]
    found = [difference_interval(v, se, s, d) for v, se, d in zip(value, ses, (one > 0).sum(1))]
    return dict(difference=held(found, 0.))


def counted(rng, m, p, icc, sims, model='beta'):
    "Tables of three classes, one of them 10 % of the images, accuracy p in each: (sims, patients, 3, 3) counts"
    truth = rng.multinomial(np.broadcast_to(m, (sims, len(m))), PREVALENCE)
    right = rng.binomial(truth, rates(rng, p, icc, (sims, len(m)), model)[..., None])
    one = rng.binomial(truth - right, .5)
    cm = np.zeros((sims, len(m), 3, 3))
    for c, (a, b) in enumerate(((1, 2), (0, 2), (0, 1))):
        cm[..., c, c], cm[..., c, a], cm[..., c, b] = right[..., c], one[..., c], (truth - right - one)[..., c]
    return cm


def sides(cm):
    "Right ones, images and predictions of each class"
    return np.diagonal(cm, axis1=-2, axis2=-1), cm.sum(-1), cm.sum(-2)


def measured(cm):
    "Balanced accuracy and macro F1 of counts (..., 3, 3)"
    whole = table_metrics(*sides(cm), np.zeros((2, *cm.shape[:-2])))
    return {o: whole[o] for o in ('balanced_accuracy', 'macro_f1')}


def standing(cm):
    "What `rests_on` wants to know of one table of counts (patients, 3, 3)"
    tp, truth, predicted = (sparse.csr_matrix(o.T) for o in sides(cm))
    n = cm.sum((1, 2)).astype(int)
    return SimpleNamespace(tp=tp, truth=truth, predicted=predicted, k=3, n_clusters=len(n), n=int(n.sum()),
                           cluster=np.repeat(np.arange(len(n)), n))


def averages(rng, m, p, icc, sims, model='beta'):
    "Balanced accuracy, macro F1, macro AUC"
    cm = counted(rng, m, p, icc, sims, model)
    total = cm.sum(1)
    values, left = measured(total), measured(total[:, None] - cm)
    typical = np.array([[PREVALENCE[i] * (p if i == j else (1 - p) / 2) for j in range(3)] for i in range(3)])
    truth, found = measured(typical) | dict(macro_auc=expected_auc(p)), {o: [] for o in (*values, 'macro_auc')}
    for i, one in enumerate(cm):
        table = standing(one)
        for o, v in values.items():
            s, n = rests_on(table, o)
            known = np.isfinite(v[i])
            se = Spread(v[i], 'share', s.images).add(left[o][i]).se_over(n) if known else np.nan
            found[o].append(interval_from(v[i], se, s))
        found['macro_auc'].append(ranked(rng, one, table))
    best = {o: dict(attainable=attainable(v)) for o, v in values.items()}
    return {o: held(found[o], truth[o]) | best.get(o, {}) for o in found}


def scored(rng, cm):
    "Truth, patient and three scores of each image: the predicted class scores higher than the others"
    who, y, pred = (np.repeat(o.ravel(), cm.astype(int).ravel()) for o in np.indices(cm.shape))
    score = rng.normal(size=(len(y), 3))
    score[np.arange(len(y)), pred] += 1.5
    return who, y, score


def ranked(rng, cm, table):
    "Macro AUC, as `evaluate` makes its interval"
    who, y, score = scored(rng, cm)
    pairs = [Pairs(y == c, score[:, c], who, len(cm)) for c in range(3)]
    value, left = np.mean([o.auc for o in pairs]), np.mean([o.auc_left() for o in pairs], 0)
    s, _ = rests_on(table, 'macro_auc', loss=float(kish(sum(o.loss() for o in pairs))))
    return interval_from(value, Spread(value, 'share', s.images).add(left).se if np.isfinite(value) else np.nan, s)


def expected_auc(p):
    "Macro AUC of the scores of `scored`, by whether each image was predicted as the class"
    own = np.array([[PREVALENCE[i] * (p if i == j else (1 - p) / 2) for j in range(3)] for i in range(3)])
    def beats(a, b): return a * b / 2 + (1 - a) * (1 - b) / 2 + stats.norm.cdf(1.5 / 2**.5) * a * (1 - b) + \
        stats.norm.cdf(-1.5 / 2**.5) * (1 - a) * b
    return float(np.mean([beats(p, (own[:, c].sum() - own[c, c]) / (1 - PREVALENCE[c])) for c in range(3)]))


def lesions(patients, sims, skill=1.5, rate=.2):
    "Sensitivity of a detector at a rate of false positives, two scans a patient; 200 resamples of the patients"
    points = froc_points(match(toy_detections(20_000, 2, skill=skill, seed=10**6)))
    truth = float(points.sensitivity[points.fp_rate <= rate].iloc[-1])
    done = [froc(toy_detections(patients, 2, skill=skill, seed=i), rates=(rate,), n_boot=200, seed=i)
            for i in range(sims)]
    return dict(froc_sensitivity=held([f.sensitivity[rate] for f in done], truth))


def films(rng, n=96, features=30, folds=3):
    "Cross-validated scores of images without any signal, by ridge regression"
    y, x, s = rng.permutation(np.arange(n) % 2), rng.normal(size=(n, features)), np.empty(n)
    fold = rng.permutation(np.arange(n) % folds)
    for f in range(folds):
        a, b = np.c_[x[fold != f], np.ones((fold != f).sum())], 2. * y[fold != f] - 1
        s[fold == f] = np.c_[x[fold == f], np.ones((fold == f).sum())] @ np.linalg.solve(
            a.T @ a + np.eye(features + 1), a.T @ b
        )
    p = stats.norm.cdf(s)
    return Predictions.from_arrays(range(n), range(n), y, np.c_[1 - p, p], ['a', 'b'], folds=folds)


def folded(rng, sims):
    "The AUC pooled over three folds where there is no signal, with and without the allowance for folds"
    done = [films(rng) for _ in range(sims)]
    pooled = [evaluate(p).overall['macro_auc'] for p in done]
    plain = [evaluate(Predictions(p.table, p.classes)).overall['macro_auc'] for p in done]
    return dict(
        pooled_auc=held(pooled, 0.5) | dict(sd=float(np.std([i.value for i in pooled]))), without=held(plain, 0.5)
    )


def cases(grid):
    "Every case of a grid, without the models that are all the same where images are independent"
    for o in product(grid['sizes'], grid['patients'], grid['iccs'], grid['models']):
        yield dict(zip(('sizes', 'patients', 'icc', 'model'), o))


def run(grid, longer, sims=1000, seed=0):
    "All cases -> list of dict: metric, sizes, patients, icc, model, level, coverage, above, below, given"
    rows, rng = [], np.random.default_rng(seed)
    def add(found, **case): rows.extend(dict(metric=o, **case, **v) for o, v in found.items())
    for case in cases(grid):
        m, icc, model = sizes(case['patients'], case['sizes']), case['icc'], case['model']
        for p in grid['levels']:
            for metric in (proportions, sensitivities, differences):
                add(metric(rng, m, p, icc, sims, model), level=p, **case)
    for case in cases(longer):
        m, icc, model = sizes(case['patients'], case['sizes']), case['icc'], case['model']
        for p in longer['levels']: add(averages(rng, m, p, icc, max(sims * 2 // 5, 2), model), level=p, **case)
        if sims > 20: print(*case.values(), 'done', flush=True)
    return rows


def detectors(sims, patients, seed=0):
    "Detectors, and metrics pooled over folds"
    rows, rng = [], np.random.default_rng([seed, 1])
    def add(found, **case): rows.extend(dict(metric=o, model='', **case, **v) for o, v in found.items())
    for n in patients: add(lesions(n, sims), sizes='two scans each', patients=n, icc=.4, level=.67)
    add(folded(rng, max(sims // 10, 2)), sizes='one image each', patients=96, icc=0., level=.5)
    return rows


SOME = dict(sizes=('equal', 'unequal'), patients=(25, 200), iccs=(.1,), levels=(.8, .95), models=('beta',))


def sample():
    "The mean lengths of a few intervals: they change with the formulas and the rules, and then the record is stale"
    case = ('metric', 'sizes', 'patients', 'level')
    return {' '.join(f'{r[o]}' for o in case): [r['length'], r['given'], r['bounds']] for r in run(SOME, SOME, 20, 7)}


def figure(row, arm):
    "A case as a figure of the record: how often the interval of a metric held the truth"
    r = dict(row)
    metric, share = r.pop('metric'), r.pop('coverage')
    return dict(study='coverage', arm=arm, metric='coverage', of=metric, value=share, **r)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--sims', type=int, default=500, help='simulations of a proportion; other metrics take fewer')
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--out', type=Path, default=Path(__file__).parents[1]/'nbs'/'records'/'coverage.json')
    a = p.parse_args()
    start, rows = time.time(), run(CHOSEN, CHOSEN, a.sims, a.seed)
    rows += detectors(a.sims, CHOSEN['patients'], a.seed)
    checked = run(CHECKED, CHECKED_ALL, a.sims // 4, a.seed + 1)
    older = [dict(zip(('metric', 'sizes', 'patients', 'icc', 'level', 'coverage'), o)) for o in OLDER]
    figures = [figure(r, 'now') for r in rows] + [figure(r, 'checked') for r in checked]
    figures += [figure(r, 'percentiles, before') for r in older]
    data = {'simulated patients': dict(note='made by the command, from its seed')}
    seconds = round(time.time() - start)
    command, how = f'python tools/coverage.py --sims {a.sims} --seed {a.seed}', dict(seconds=seconds, sample=sample())
    Record(command, data, figures, how=how).write(a.out)
    print(f'{len(rows)} and {len(checked)} cases in {seconds} s')
    for some in (rows, checked):
        some = [r for r in some if r['given'] >= .5]
        for name, bad in (('below .93', lambda o: o < .93), ('above .98', lambda o: o > .98)):
            odd = [r for r in some if bad(r['coverage'])]
            print(f'{len(odd)} of {len(some)} cases {name}')
            for r in odd: print('  ', {k: round(v, 3) if isinstance(v, float) else v for k, v in r.items()})


if __name__ == '__main__': main()
