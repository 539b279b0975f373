"""How often intervals that should be right 95 times in 100 exclude 0 where nothing differs.

    python tools/simulate_differences.py           two models that are equally good; metrics pooled over folds
    python tools/simulate_differences.py --runs 400 fewer runs
"""
import argparse

import numpy as np
from scipy import stats

from usbook.evidence.compare import right_difference
from usbook.evidence.decide import decide, sign
from usbook.evidence.resample import Pairs, Spread, Support, interval_from
from usbook.predictions.predictions import Predictions
from usbook.studies.head_ct import slice_gain


def sizes(patients, unequal):
    "Images per patient: 10 each, or 50 for a tenth of the patients and 1 for the others"
    if not unequal: return np.full(patients, 10)
    return np.where(np.arange(patients) < max(1, round(patients / 10)), 50, 1)


def pair(rng, who, patients, share, icc):
    "Two equally good models: of which images is each of them right?"
    ease = .3**.5 * rng.normal(size=patients)[who] + .2**.5 * rng.normal(size=len(who))
    def model():
        own = (.5 * icc)**.5 * rng.normal(size=patients)[who] + (.5 * (1 - icc))**.5 * rng.normal(size=len(who))
        return ease + own > -stats.norm.ppf(share)
    return model(), model()


def percentiles(reps, patients):
    "Percentiles of resamples, widened as Student's t widens the normal (Hesterberg 2015): the kit's older interval"
    tail = stats.norm.cdf((patients / (patients - 1))**.5 * stats.t.ppf(.025, patients - 1))
    return (reps.mean(), *np.quantile(reps, [tail, 1 - tail])) if np.ptp(reps) > 1e-12 else None


def rates(patients, unequal, share, icc, runs, seed=0):
    "Share of runs in which each interval excludes 0: percentiles, `compare`; share without an interval"
    rng, m = np.random.default_rng(seed), sizes(patients, unequal)
    who, wrong = np.repeat(np.arange(patients), m), np.zeros(3)
    for _ in range(runs):
        a, b = pair(rng, who, patients, share, icc)
        gap, w = np.bincount(who, a * 1. - b, patients), rng.multinomial(patients, np.full(patients, 1 / patients), 500)
        old, new = percentiles(w @ gap / (w @ m), patients), right_difference(a, b, who)
        wrong += sign(old) != 0, sign(new) != 0, new.low is None
    return wrong / runs


def films(rng, n, features=30):
    "Images without any signal: truth, features"
    return rng.permutation(np.arange(n) % 2) > 0, rng.normal(size=(n, features))


def ridge(y, x, fold):
    "Cross-validated scores by ridge regression"
    x, s = np.c_[x, np.ones(len(y))], np.empty(len(y))
    for f in np.unique(fold):
        a = x[fold != f]
        s[fold == f] = x[fold == f] @ np.linalg.solve(a.T @ a + np.eye(x.shape[1]), a.T @ (2. * y[fold != f] - 1))
    return s


def scores(rng, y, x, folds):
    "Cross-validated scores, the folds drawn over images"
    return ridge(y, x, rng.permutation(np.arange(len(y)) % folds))


def pooled(n, folds, runs, seed=0):
    "No signal: SD of the pooled AUC, the SD that its interval implies, how often plain and widened intervals miss .5"
    rng, seen = np.random.default_rng(seed), []
    for _ in range(runs):
        y, x = films(rng, n)
        pairs, half = Pairs(y, scores(rng, y, x, folds), np.arange(n), n), n // 2
        se = Spread(pairs.auc, 'share', half).add(pairs.auc_left()).se
        each = [interval_from(pairs.auc, se, Support(half, half, half, half, folds=o)) for o in (1, folds)]
        seen.append((pairs.auc, se * pairs.auc * (1 - pairs.auc), *(not i.low <= .5 <= i.high for i in each)))
    auc, implied, plain, widened = np.array(seen, float).T
    return auc.std(), implied.mean(), plain.mean(), widened.mean()


def gains(n, folds, runs, seed=0):
    "Two cross-validations of the same images without signal: how often the difference of their AUCs excludes 0"
    rng, seen = np.random.default_rng(seed), []
    for _ in range(runs):
        y, x = films(rng, n)
        a, b = (Pairs(y, scores(rng, y, x, folds), np.arange(n), n) for _ in range(2))
        value, half = a.auc - b.auc, n // 2
        se = Spread(value, 'any').add(a.auc_left() - b.auc_left()).se
        seen.append([sign(interval_from(value, se, Support(half, half, half, half, folds=o), 'any')) > 0
                     for o in (1, folds)])
    return np.mean(seen, 0)


def leakless(patients, slices, runs, folds=5, repeats=3, features=30, seed=0):
    """Claim c of the head CT study where the slices of a patient are no more alike than any others: how often it is
    "supported". A split by slice then gains nothing, and 2.5 % are nominal.
    """
    rng, wins = np.random.default_rng(seed), 0
    who = np.repeat(np.arange(patients), slices)
    names, ids, classes = [f'{i}.png' for i in range(len(who))], [f'P{k}' for k in who], ['finding', 'none']
    def table(y, s):
        p = 1/(1 + np.exp(-3*s))
        return Predictions.from_arrays(names, ids, np.where(y, 0, 1), np.c_[p, 1 - p], classes, folds=folds)
    for _ in range(runs):
        y, x = films(rng, len(who), features)
        x[:, 0] += y
        pairs = []
        for _ in range(repeats):
            by_patient = rng.permutation(np.arange(patients) % folds)[who]
            by_slice = rng.permutation(np.arange(len(who)) % folds)
            pairs.append([table(y, ridge(y, x, fold)) for fold in (by_patient, by_slice)])
        wins += decide(slice_gain(pairs), 'above', 0.).verdict == 'supported'
    return wins/runs


def equivalent(n, folds, runs, margin=.1, seed=0):
    "No signal: how often the interval of the pooled AUC lies within `margin` of .5"
    rng, wins = np.random.default_rng(seed), 0
    for _ in range(runs):
        y, x = films(rng, n)
        pairs, half = Pairs(y, scores(rng, y, x, folds), np.arange(n), n), n // 2
        se = Spread(pairs.auc, 'share', half).add(pairs.auc_left()).se
        i = interval_from(pairs.auc, se, Support(half, half, half, half, folds=folds))
        wins += decide(i.replace(value=i.value - .5, low=i.low - .5, high=i.high - .5), 'within', margin).verdict == \
            'supported'
    return wins / runs


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--runs', type=int, default=2000)
    p.add_argument('--patients', type=int, nargs='+', default=[5, 7, 12, 25, 50])
    p.add_argument('--share', type=float, nargs='+', default=[.8, .8, .95], help='how often both are right')
    p.add_argument('--icc', type=float, nargs='+', default=[.4, 0., .1], help='how alike the images of a patient are')
    args = p.parse_args()
    print('patients sizes    share icc  percentiles  jackknife, t  no interval')
    for k in args.patients:
        for unequal in (False, True):
            for share, icc in zip(args.share, args.icc):
                old, new, none = rates(k, unequal, share, icc, args.runs)
                print(f"{k:8d} {'unequal' if unequal else 'equal':8s} {share:5.2f} {icc:3.1f} {old:12.3f} {new:13.3f} "
                      f'{none:12.3f}', flush=True)
    print('\nNo signal, AUC pooled over folds')
    print('images folds  SD of the AUC  SD implied  misses .5, plain  with the folds')
    for n, folds in ((96, 2), (96, 3), (96, 5), (96, 10), (300, 3)):
        sd, implied, plain, widened = pooled(n, folds, args.runs)
        print(f'{n:6d} {folds:5d} {sd:14.3f} {implied:11.3f} {plain:17.3f} {widened:15.3f}', flush=True)
    print('\nNo signal, difference of two cross-validations\nimages folds  above 0, plain  with the folds')
    for n, folds in ((96, 3), (96, 5)):
        plain, widened = gains(n, folds, args.runs)
        print(f'{n:6d} {folds:5d} {plain:15.3f} {widened:15.3f}', flush=True)
    print('\nNo leak: the gain of a split by slice over one by patient\npatients slices each  called a gain')
    for k, m in ((30, 8), (75, 8), (120, 7)):
        print(f'{k:8d} {m:11d} {leakless(k, m, max(args.runs // 4, 2)):14.3f}', flush=True)
    print('\nNo signal, is the pooled AUC within .1 of .5?\nimages folds  shown')
    for n in (96, 400, 550, 700, 850, 1000):
        print(f'{n:6d} {5:5d} {equivalent(n, 5, max(args.runs // 4, 2)):6.3f}', flush=True)


if __name__ == '__main__': main()
