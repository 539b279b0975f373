"""How long `evaluate` takes and how much memory: the jackknife beside the loop one would write, and three large tables

    python benchmarks/bench_evaluate.py          all of it
    python benchmarks/bench_evaluate.py --quick  the jackknife beside the loop alone

Each large table is made and written by one process, and read and evaluated by another, whose highest memory is shown.
"""
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn import metrics as sk

from usbook.evidence.metrics import evaluate
from usbook.evidence.resample import Resampler, jackknife
from usbook.predictions.predictions import Predictions, toy_predictions

CLASSES = [f'class {i}' for i in range(11)]
GOALS = {'100 000 images of 5000 patients': (5_000, 20, 4, None), '1 000 000 images of 20 000 patients': (20_000, 50,
    30, 1e9), '1 000 000 patients with one image': (1_000_000, 1, 60, None)} # patients, images each, seconds, bytes


def loop(p, patients):
    "What one would write: leave a patient out, and ask scikit-learn"
    out, k = [], len(p.classes)
    for i in range(patients):
        some = p.patient_codes != i
        y, pred, prob = p.target[some], p.pred[some], p.prob[some]
        precision, recall, f1, _ = sk.precision_recall_fscore_support(y, pred, average='macro', zero_division=0)
        aucs = [sk.roc_auc_score(y == c, prob[:, c]) for c in range(k)]
        sk.multilabel_confusion_matrix(y, pred)
        out.append([sk.accuracy_score(y, pred), precision, recall, f1, sk.cohen_kappa_score(y, pred),
                    sk.matthews_corrcoef(y, pred), np.mean(aucs)])
    return np.array(out)


def ratio(looped=20):
    "Seconds per patient of the loop over seconds per patient here; both must give the same"
    p = toy_predictions(200, 10, CLASSES, skill=2)
    start = time.perf_counter()
    slow = loop(p, looped)
    slow_each, start = (time.perf_counter() - start) / looped, time.perf_counter()
    fast = jackknife(Resampler(p.target, p.pred, 11, p.patient_codes, p.prob))[0]
    fast_each = (time.perf_counter() - start) / p.n_patients
    names = ('accuracy', 'macro_precision', 'macro_recall', 'macro_f1', 'kappa', 'mcc', 'macro_auc')
    assert np.allclose(np.column_stack([fast[o][:looped] for o in names]), slow, rtol=1e-9)
    return slow_each / fast_each, slow_each, fast_each


def child(file):
    "Read a table and evaluate it: seconds to read, seconds to evaluate, highest memory in bytes"
    start = time.perf_counter()
    p = Predictions.read(file)
    read, start = time.perf_counter() - start, time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    evaluate(p)
    print(read, time.perf_counter() - start, before * 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def large(patients, images, folder):
    "The numbers of `child` for a table that another process makes"
    file = Path(folder)/f'{patients}.parquet'
    def run(*args): return subprocess.run([sys.executable, __file__, *map(str, args)], check=True, capture_output=True)
    run('--make', patients, images, file)
    return map(float, run('--child', file).stdout.split())


def main():
    r, slow, fast = ratio()
    print(f'2000 images of 200 patients, 11 classes: {1e3 * slow:.1f} ms per patient left out in a loop, '
          f'{1e3 * fast:.3f} ms here: {r:.0f} times as fast', flush=True)
    good = r >= 50
    if '--quick' in sys.argv: return good
    for text, (patients, images, seconds, most) in GOALS.items():
        with tempfile.TemporaryDirectory() as folder:
            read, took, before, peak = large(patients, images, folder)
        good &= took <= seconds and peak <= (most or np.inf)
        print(f'{text}, 11 classes: read in {read:.1f} s, evaluated in {took:.1f} s (at most {seconds}); highest '
              f'memory {before / 1e9:.2f} GB after reading, {peak / 1e9:.2f} GB in all{" (at most 1)" if most else ""}',
              flush=True)
    return good


if __name__ == '__main__':
    if '--make' in sys.argv:
        toy_predictions(int(sys.argv[2]), int(sys.argv[3]), CLASSES, skill=2).write(Path(sys.argv[4]))
    elif '--child' in sys.argv: child(Path(sys.argv[2]))
    else: sys.exit(0 if main() else 1)
