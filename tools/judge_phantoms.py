"""How hard the committed samples are: a plain reference beside networks, all judged on patients they have not seen. `make difficulty` runs this.

Plain: logistic regression on `simple_statistics` (means and spreads of 8 x 8 tiles, a histogram). Networks: the shipped
backbone, frozen and fine-tuned, exactly as `judge_backbone.py` trains it on real images. Nothing is tuned here. What
must hold: the plain reference clearly below the better network (interval of the difference above zero), the network below 1.
"""
import sys
from pathlib import Path

import numpy as np
from judge_backbone import EPOCHS, FINE_FOLDS, FINE_SIZE, FOLDS, SIZE, bootstrap, finetuned, frozen, interval, probe
from PIL import Image

from usbook.studies.pneumoconiosis import box
from usbook.data.manifest import Manifest
from usbook.data.images import load_image
from usbook.evidence.compare import icc
from usbook.phantoms.nuisance import simple_statistics
from usbook.phantoms.samples import cached_sample
from usbook.core.settings import read_settings
from usbook.runs.record import Record, figures_of_rows

ROOT = Path(__file__).parents[1]
RECORD = ROOT/'nbs'/'records'/'difficulty.json'
FILMS = 400                                            # of the chest phantom: 96 are too few to train on
TASKS = dict(lung_signs='four signs', head_ct='finding or none', breast_cine='a mass in the frame or none',
             abdomen='eleven views', pneumoconiosis='normal or not')

def lung_window(image, mask):
    "The film cut to the box around both lungs"
    y0, y1, x0, x1 = box(mask, 0)
    return image.crop((x0, y0, x1, y1))

def images_of(study, cache):
    "The images that a study is judged on"
    if study == 'pneumoconiosis': return Manifest.read(cached_sample(study, cache, n=FILMS))
    return Manifest.read(ROOT/'data_samples'/study/'manifest.csv')

def load(study, cache):
    "(images (n, SIZE, SIZE) uint8, classes (n,), patients (n,))"
    m = images_of(study, cache)
    rows = np.arange(len(m))
    if study == 'breast_cine': rows = rows[::6]        # neighbouring frames are nearly the same image
    grey = []
    for i in rows:
        im = m.load(i).convert('L')
        if study == 'pneumoconiosis': im = lung_window(im, np.asarray(load_image(m.root/m.table['mask'][i])) > 0)
        grey.append(np.asarray(im.resize((SIZE, SIZE), Image.BILINEAR)))
    y = np.asarray(m.targets)[rows]
    if study == 'pneumoconiosis': y = (y != m.classes.index('normal')).astype(int)
    return np.stack(grey), y, np.asarray(m.patients)[rows]

def judge(study, cache, say=print):
    x, y, patients = load(study, cache)
    probs = dict(plain=probe(simple_statistics(x), y, patients, 0, .03), frozen=frozen('usbook', None, x, y, patients, 0), finetuned=finetuned('usbook', None, x, y, patients, 0))
    b = bootstrap(y, patients, {k: p[None] for k, p in probs.items()})
    best = max(('frozen', 'finetuned'), key=lambda k: b[k][0])
    alike = icc(probs[best].argmax(1) == y, np.unique(patients, return_inverse=True)[1]) # in being right; None with one image a patient
    row = dict(study=study, task=TASKS[study], images=len(y), patients=len(set(patients)), **{k: interval(*v) for k, v in b.items()},
               accuracy={k: round(float((p.argmax(1) == y).mean()), 3) for k, p in probs.items()}, commonest=round(float(np.bincount(y).max()/len(y)), 3),
               icc=alike and round(alike, 3),
               best=best, best_minus_plain=interval(b[best][0] - b['plain'][0], b[best][1] - b['plain'][1]))
    say(row)
    return row

if __name__ == '__main__':
    how = dict(metric='AUC, macro one-vs-rest, 95 % intervals from 1000 draws of patients', folds=FOLDS, image_size=SIZE,
               finetuned=f'{EPOCHS} epochs at {FINE_SIZE} px, {FINE_FOLDS} folds', pneumoconiosis=f'{FILMS} films at 400 px, cut to the lungs by the known masks')
    was = Record.read(RECORD) if RECORD.exists() else None
    old, data = ({r['study']: r for r in was.rows}, was.data) if was else ({}, {})
    cache = read_settings().path('cache')/'samples'
    for s in sys.argv[1:] or TASKS:
        old[s] = judge(s, cache)
        data[s] = dict(sha256=images_of(s, cache).sha256())
        rows = [old[k] for k in TASKS if k in old]
        Record('make difficulty', data, figures_of_rows(rows, 'study', ('task',)), rows, how).write(RECORD)
