"""How often 95 % intervals hold the truth: simulated patients, the intervals of the kit, one record.

    python tools/coverage.py                       all cases into nbs/records/coverage.json (make coverage)
    python tools/coverage.py --sims 100 --out x    fewer simulations, another file

Patients have 20 images each, or a tenth of them has 50 and the rest one. How alike a patient's images err is the
intraclass correlation (ICC) of a beta-binomial. Sensitivity is the same proportion with the images of one class.
"""
import argparse
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import stats

from usbook.evidence.metrics import evaluate
from usbook.evidence.resample import difference, proportion_of
from usbook.evidence.scores import auc
from usbook.predictions.predictions import Predictions
from usbook.runs.record import Record

PATIENTS, ICCS, LEVELS = (12, 25, 50, 200), (0., .1, .4), (.5, .8, .95, .99)
OLDER = [ # percentile bootstrap over patients, 2000 resamples: metric, sizes, patients, ICC, level, coverage
    ('accuracy', 'equal', 25, .4, .95, .88), ('accuracy', 'equal', 50, .4, .95, .89),
    ('accuracy', 'unequal', 50, .1, .8, .89), ('accuracy', 'unequal', 50, .4, .8, .82),
    ('accuracy', 'unequal', 50, .1, .95, .85), ('accuracy', 'unequal', 50, .4, .95, .70),
    ('accuracy', 'unequal', 200, .1, .99, .80), ('accuracy', 'unequal', 200, .4, .99, .60)]


def sizes(patients, unequal):
    "Images of each patient"
    m = np.full(patients, 1 if unequal else 20)
    if unequal: m[:max(1, round(patients / 10))] = 50
    return m


def rates(rng, p, icc, shape):
    "How often each patient's images are right"
    return rng.beta(p * (1 / icc - 1), (1 - p) * (1 / icc - 1), shape) if icc else np.full(shape, p)


def held(intervals, truth):
    "Share that holds the truth among those that exist, and the share that exists"
    there = [i for i in intervals if i.low is not None]
    share = float(np.mean([i.low <= truth <= i.high for i in there])) if there else None
    return dict(coverage=share, given=len(there) / len(intervals))


def proportions(rng, m, p, icc, sims):
    "Accuracy"
    right = rng.binomial(m, rates(rng, p, icc, (sims, len(m))))
    return dict(accuracy=held([proportion_of(r, m - r) for r in right], p))


def differences(rng, m, p, icc, sims):
    "The difference of two models that are equally good, errors alike within a patient; coverage of 0"
    who, out = np.repeat(np.arange(len(m)), m), []
    for _ in range(sims):
        hard = rates(rng, p, icc, len(m))[who]
        out.append(difference(rng.random(len(who)) < hard, rng.random(len(who)) < hard, who))
    return dict(difference=held(out, 0.))


def table(rng, m, p, icc):
    "Predictions of three classes, one of them 10 % of the images; accuracy p in each class"
    who = np.repeat(np.arange(len(m)), m)
    y = rng.choice(3, len(who), p=(.45, .45, .1))
    right = rng.random(len(who)) < rates(rng, p, icc, len(m))[who]
    pred = np.where(right, y, (y + rng.integers(1, 3, len(who))) % 3)
    prob = rng.dirichlet(np.ones(3), len(who))
    prob[np.arange(len(who)), pred] += 1
    return Predictions.from_arrays(range(len(who)), who, y, prob / prob.sum(1, keepdims=True), ['a', 'b', 'c'])


@lru_cache
def true_auc(p):
    "Macro AUC of very many images"
    t = table(np.random.default_rng(1), np.full(10_000, 10), p, 0.)
    return float(np.mean([auc(t.target == c, t.prob[:, c]) for c in range(3)]))


def averages(rng, m, p, icc, sims):
    "Sensitivity of the rare class, balanced accuracy, macro F1 and macro AUC, all from `evaluate`"
    prev, k = np.array([.45, .45, .1]), 3
    cm = np.array([[prev[i] * (p if i == j else (1 - p) / 2) for j in range(k)] for i in range(k)])
    truth = dict(sensitivity=p, balanced_accuracy=p, macro_f1=float(np.mean(2 * np.diag(cm) / (cm.sum(0) + cm.sum(1)))))
    truth['macro_auc'] = true_auc(p)
    done = [evaluate(table(rng, m, p, icc)) for _ in range(sims)]
    def of(o): return [e.per_class['c']['recall'] if o == 'sensitivity' else e.overall[o] for e in done]
    return {o: held(of(o), v) for o, v in truth.items()}


def films(rng, n=96, features=30, folds=3):
    "Cross-validated scores of images without any signal, by ridge regression"
    y, x, s = rng.permutation(np.arange(n) % 2), rng.normal(size=(n, features)), np.empty(n)
    fold = rng.permutation(np.arange(n) % folds)
    for f in range(folds):
        a, b = np.c_[x[fold != f], np.ones((fold != f).sum())], 2. * y[fold != f] - 1
        s[fold == f] = np.c_[x[fold == f], np.ones((fold == f).sum())] @ np.linalg.solve(a.T @ a + np.eye(features + 1), a.T @ b)
    p = stats.norm.cdf(s)
    return Predictions.from_arrays(range(n), range(n), y, np.c_[1 - p, p], ['a', 'b'], folds=folds)


def folded(rng, sims):
    "The AUC pooled over three folds where there is no signal, with and without the allowance for folds"
    done = [films(rng) for _ in range(sims)]
    pooled = [evaluate(p).overall['macro_auc'] for p in done]
    plain = [evaluate(Predictions(p.table, p.classes)).overall['macro_auc'] for p in done]
    return dict(pooled_auc=held(pooled, .5) | dict(sd=float(np.std([i.value for i in pooled]))), without=held(plain, .5))


def run(sims=1000, seed=0, patients=PATIENTS):
    "All cases -> list of dict: metric, sizes, patients, icc, level, coverage, given"
    rows, rng = [], np.random.default_rng(seed)
    def add(found, **case): rows.extend(dict(metric=o, **case, **v) for o, v in found.items())
    for unequal in (False, True):
        for n in patients:
            m, case = sizes(n, unequal), dict(sizes='unequal' if unequal else 'equal', patients=n)
            for icc in ICCS:
                for p in LEVELS: add(proportions(rng, m, p, icc, sims), icc=icc, level=p, **case)
                add(differences(rng, m, .8, icc, max(sims // 2, 2)), icc=icc, level=.8, **case)
                for p in (.8, .95): add(averages(rng, m, p, icc, max(sims // 10, 2)), icc=icc, level=p, **case)
    add(folded(rng, max(sims // 5, 2)), sizes='one image each', patients=96, icc=0., level=.5)
    return rows


def figure(row, arm):
    "A case as a figure of the record: how often the interval of a metric held the truth"
    r = dict(row)
    metric, share = r.pop('metric'), r.pop('coverage')
    return dict(study='coverage', arm=arm, metric='coverage', of=metric, value=share, **r)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--sims', type=int, default=1000, help='simulations of a proportion; other metrics take fewer')
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--out', type=Path, default=Path(__file__).parents[1]/'nbs'/'records'/'coverage.json')
    a = p.parse_args()
    start, rows = time.time(), run(a.sims, a.seed)
    older = [dict(zip(('metric', 'sizes', 'patients', 'icc', 'level', 'coverage'), o)) for o in OLDER]
    figures = [figure(r, 'now') for r in rows] + [figure(r, 'percentiles, before') for r in older]
    data = {'simulated patients': dict(note='made by the command, from its seed')}
    seconds = round(time.time() - start)
    Record(f'python tools/coverage.py --sims {a.sims} --seed {a.seed}', data, figures, how=dict(seconds=seconds)).write(a.out)
    low = [r for r in rows if r['coverage'] is not None and r['coverage'] < .93]
    print(f'{len(rows)} cases in {seconds} s; {len(low)} below .93')
    for r in low: print(r)


if __name__ == '__main__': main()
