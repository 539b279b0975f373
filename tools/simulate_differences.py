"How often the interval of a paired difference excludes 0 although two models are equally good (nominal: .05)."
import argparse

import numpy as np
from scipy import stats

from usbook.evidence.compare import compare
from usbook.evidence.decide import sign
from usbook.evidence.resample import boot_interval
from usbook.predictions.predictions import Predictions


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


def as_predictions(right, target, who):
    "Two classes with probabilities of .9 or .1"
    p = np.where((right == (target == 0))[:, None], [.9, .1], [.1, .9])
    return Predictions.from_arrays([f'i{o}' for o in range(len(p))], [f'p{o}' for o in who], target, p, ['a', 'b'])


def rates(patients, unequal, share, icc, runs, seed=0):
    "Share of runs in which each interval excludes 0: percentiles, accuracy, macro F1; share without an interval"
    rng, m = np.random.default_rng(seed), sizes(patients, unequal)
    who, wrong = np.repeat(np.arange(patients), m), np.zeros(4)
    for _ in range(runs):
        a, b = pair(rng, who, patients, share, icc)
        target, w = rng.integers(0, 2, len(who)), rng.multinomial(patients, np.full(patients, 1 / patients), 500)
        old = boot_interval(
            (a * 1.0 - b).mean(), (w @ np.bincount(who, a * 1.0 - b, patients)) / (w @ m), patients, least=0
        )
        new = compare(*(as_predictions(o, target, who) for o in (a, b))).differences
        wrong += sign(old) != 0, sign(new['accuracy']) != 0, sign(new['macro_f1']) != 0, new['accuracy'].low is None
    return wrong / runs


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--runs', type=int, default=2000)
    p.add_argument('--patients', type=int, nargs='+', default=[5, 7, 12, 25, 50])
    p.add_argument('--share', type=float, nargs='+', default=[.8, .8, .95], help='how often both are right')
    p.add_argument('--icc', type=float, nargs='+', default=[.4, 0., .1], help='how alike the images of a patient are')
    args = p.parse_args()
    print('patients sizes    share icc  percentiles     accuracy     macro F1  no interval')
    for k in args.patients:
        for unequal in (False, True):
            for share, icc in zip(args.share, args.icc):
                r = rates(k, unequal, share, icc, args.runs)
                print(
                    f"{k:8d} {'unequal' if unequal else 'equal':8s} {share:5.2f} {icc:3.1f} {r[0]:12.3f} {r[1]:12.3f} "
                    f"{r[2]:12.3f} {r[3]:12.3f}",
                    flush=True,
                )


if __name__ == '__main__': main()
