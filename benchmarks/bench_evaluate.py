"""How long `evaluate` takes and how much memory: the jackknife beside the loop one would write, and three large tables

    python benchmarks/bench_evaluate.py          all of it
    python benchmarks/bench_evaluate.py --quick  the jackknife beside the loop alone

Each large table is made and evaluated in a process of its own. Memory is shown as the process holds it once the table
is there, and at its highest while it is evaluated; what making the invented table took before is not counted.
"""
import ctypes
import gc
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn import metrics as sk

from usbook.evidence.metrics import evaluate
from usbook.evidence.resample import Resampler, jackknife
from usbook.predictions.predictions import toy_predictions

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


def memory(what):
    "Bytes that this process holds now ('VmRSS'), or held at most since the mark was last put back ('VmHWM')"
    lines = Path('/proc/self/status').read_text().splitlines()
    return 1024 * int(next(o for o in lines if o.startswith(what)).split()[1])


def child(patients, images):
    "Make a table and evaluate it: seconds to evaluate, memory with the table, highest memory, in bytes"
    p = toy_predictions(patients, images, CLASSES, skill=2)
    gc.collect()
    try: ctypes.CDLL('libc.so.6').malloc_trim(0)
    except OSError: pass                           # another C library keeps what it has freed
    Path('/proc/self/clear_refs').write_text('5')  # puts the mark of the highest memory back (Linux)
    before, start = memory('VmRSS'), time.perf_counter()
    evaluate(p)
    print(time.perf_counter() - start, before, memory('VmHWM'))


def large(patients, images):
    "The numbers of `child`, from a process of its own"
    done = subprocess.run([sys.executable, __file__, '--child', f'{patients}', f'{images}'], check=True,
                          capture_output=True)
    return map(float, done.stdout.split())


def main():
    r, slow, fast = ratio()
    print(f'2000 images of 200 patients, 11 classes: {1e3 * slow:.1f} ms per patient left out in a loop, '
          f'{1e3 * fast:.3f} ms here: {r:.0f} times as fast', flush=True)
    good = r >= 50
    if '--quick' in sys.argv: return good
    for text, (patients, images, seconds, most) in GOALS.items():
        took, before, peak = large(patients, images)
        good &= took <= seconds and peak <= (most or np.inf)
        print(f'{text}, 11 classes: {took:.1f} s (at most {seconds}); {before / 1e9:.2f} GB with the table, at most '
              f'{peak / 1e9:.2f} GB while it is evaluated{" (1 GB allowed)" if most else ""}', flush=True)
    return good


if __name__ == '__main__':
    if '--child' in sys.argv: child(int(sys.argv[2]), int(sys.argv[3]))
    else: sys.exit(0 if main() else 1)
