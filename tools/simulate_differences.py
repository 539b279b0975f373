"How often the interval of a paired difference excludes 0 although two models are equally good (nominal: .05)."
import argparse

import numpy as np
from scipy import stats

from usbook.evidence.compare import difference_interval, effective_patients
from usbook.evidence.decide import sign
from usbook.evidence.resample import boot_interval


def sizes(patients, unequal):
    "Images per patient: 10 each, or 50 for a tenth of the patients and 1 for the others"
    if not unequal: return np.full(patients, 10)
    return np.where(np.arange(patients) < max(1, round(patients / 10)), 50, 1)


def gaps(rng, who, patients, share, icc):
    "Differences in being right, summed per patient, of two equally good models"
    ease = .3**.5 * rng.normal(size=patients)[who] + .2**.5 * rng.normal(size=len(who))
    def model():
        own = (.5 * icc)**.5 * rng.normal(size=patients)[who] + (.5 * (1 - icc))**.5 * rng.normal(size=len(who))
        return ease + own > -stats.norm.ppf(share)
    return model().astype(float) - model()


def rates(patients, unequal, share, icc, runs, seed=0):
    "Share of runs in which percentiles, and t on the effective number, exclude 0; share without an interval"
    rng, m = np.random.default_rng(seed), sizes(patients, unequal)
    who, wrong = np.repeat(np.arange(patients), m), np.zeros(3)
    for _ in range(runs):
        d = gaps(rng, who, patients, share, icc)
        own, w = np.bincount(who, d, patients), rng.multinomial(patients, np.full(patients, 1 / patients), 500)
        reps, value = (w @ own) / (w @ m), d.mean()
        old = boot_interval(value, reps, patients, least=0)
        new = difference_interval(value, reps, patients, effective_patients(who), len(np.unique(who[d != 0])))
        wrong += sign(old) != 0, sign(new) != 0, new.low is None
    return wrong / runs


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--runs', type=int, default=2000)
    p.add_argument('--patients', type=int, nargs='+', default=[5, 7, 12, 25, 50])
    args = p.parse_args()
    print('patients sizes    share icc  percentiles  effective t  no interval')
    for k in args.patients:
        for unequal in (False, True):
            for share, icc in ((.8, .4), (.8, 0.), (.95, .1)):
                r = rates(k, unequal, share, icc, args.runs)
                print(f"{k:8d} {'unequal' if unequal else 'equal':8s} {share:5.2f} {icc:3.1f} {r[0]:12.3f} {r[1]:12.3f} {r[2]:12.3f}", flush=True)


if __name__ == '__main__': main()
