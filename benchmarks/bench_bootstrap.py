"""How much faster than the loop one would write: resample patients, collect their images, call scikit-learn

    python benchmarks/bench_bootstrap.py          the ratio, and the large table
    python benchmarks/bench_bootstrap.py --quick  the ratio alone

Both sides compute the same figures of the same resamples, and the script checks that they agree.
"""
import sys
import time

import numpy as np
from sklearn import metrics as sk

from usbook.evidence.resample import Resampler, draws, replicates
from usbook.evidence.metrics import evaluate
from usbook.predictions.predictions import toy_predictions


def loop(p, often):
    "What one would write: the figures of each resample from scikit-learn"
    rows = [np.flatnonzero(p.patient_codes == i) for i in range(p.n_patients)]
    out, k = [], len(p.classes)
    for w in often.T.astype(int):
        i = np.concatenate([np.tile(rows[j], n) for j, n in enumerate(w) if n])
        y, called, prob = p.target[i], p.pred[i], p.prob[i]
        precision, recall, f1, _ = sk.precision_recall_fscore_support(y, called, average='macro', zero_division=0)
        aucs = [sk.roc_auc_score(y == c, prob[:, c]) for c in range(k)]
        sk.multilabel_confusion_matrix(y, called)
        [sk.average_precision_score(y == c, prob[:, c]) for c in range(k)]
        out.append(
            [
                sk.accuracy_score(y, called),
                precision,
                recall,
                f1,
                sk.cohen_kappa_score(y, called),
                sk.matthews_corrcoef(y, called),
                np.mean(aucs),
            ]
        )
    return np.array(out)


def ratio(n_boot=2000, looped=20):
    "Seconds per resample of the loop over seconds per resample here"
    p = toy_predictions(200, 10, [f'class {i}' for i in range(11)], skill=2)
    sampler = Resampler(p.target, p.pred, 11, p.patient_codes, p.prob)
    often = next(draws(p.n_patients, n_boot, 0, n_boot))
    start = time.perf_counter()
    slow = loop(p, often[:, :looped])
    slow_each = (time.perf_counter() - start) / looped
    start = time.perf_counter()
    fast = replicates(sampler, n_boot)[0]
    fast_each = (time.perf_counter() - start) / n_boot
    names = ('accuracy', 'macro_precision', 'macro_recall', 'macro_f1', 'kappa', 'mcc', 'macro_auc')
    assert np.allclose(np.column_stack([fast[o][:looped] for o in names]), slow, rtol=1e-5)
    return slow_each / fast_each, slow_each, fast_each


def large(n_patients=5000, per_patient=20):
    "Seconds to evaluate 100 000 images of 11 classes with 2000 resamples"
    p = toy_predictions(n_patients, per_patient, [f'class {i}' for i in range(11)], skill=2)
    start = time.perf_counter()
    evaluate(p)
    return time.perf_counter() - start


if __name__ == '__main__':
    r, slow, fast = ratio()
    print(
        f'2000 images of 200 patients, 11 classes: {1e3 * slow:.1f} ms a resample in a loop, {1e3 * fast:.3f} ms here: '
        f'{r:.0f} times as fast'
    )
    if '--quick' not in sys.argv: print(f'100000 images of 5000 patients, 11 classes, 2000 resamples: {large():.1f} s')
    sys.exit(0 if r >= 50 else 1)
