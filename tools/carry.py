"""Simulated images that teach real ones: train on simulated images only, test on real ones. `make carry` runs this.

Before anything was tried, the real patients were parted: one half may be looked at while the simulation is improved
(`development`), the other is tested once, at the end (`aside`). `half_of` is that parting, a hash of who a patient is.
"""
import argparse
import hashlib
import json
import os
import sys
import time
from dataclasses import replace
from functools import cache as remembered
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from heads import head_of, who
from judge_backbone import weights_of
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from usbook.core.files import read_json, write_file
from usbook.core.settings import Settings, read_settings
from usbook.data.clips import stills_with_masks
from usbook.data.duplicates import LOOKALIKE, alike_pairs, fingerprint
from usbook.data.manifest import Manifest
from usbook.data.split import folds_by_patient
from usbook.evidence.froc import froc
from usbook.learn.detect import merge_places, train_detector
from usbook.learn.fits import one_thread
from usbook.learn.recipe import MODES, DetectRecipe, Job, Recipe, SegRecipe
from usbook.learn.segment import find_lungs, score_lungs, train_unet
from usbook.learn.transfer import split_rows, train
from usbook.phantoms.nuisance import INGREDIENTS
from usbook.phantoms.samples import cached_folder, make_image, make_sample, png_bytes, study_knobs
from usbook.predictions.detections import Detections
from usbook.runs.record import Record, figures_of_rows
from usbook.studies.breast_cine import HIT, chance

HALVES = ('development', 'aside')
SETS = dict(
    lung_signs=['a_lines', 'b_lines', 'effusion', 'consolidation'],
    head_ct=['no_finding', 'finding'],
    abdomen_organs=['liver', 'gallbladder', 'spleen', 'kidney'],
    chest_shenzhen=['normal', 'tuberculosis'],
    breast=['normal', 'benign', 'malignant'],
)


def half_of(name:str,   # of the set
            patient:str # who it is
           )->str:      # one of `HALVES`
    "Which half a patient belongs to, for good: the parity of a hash of the set's and the patient's name"
    return HALVES[hashlib.sha256(f'{name}/{patient}'.encode()).digest()[0] % 2]


@remembered
def real(name:str     # of the set
        )->Manifest:  # with a column `half`; images that look alike are of one patient where nobody says whose they are
    "A set of real images, each with its half"
    folder = Path(os.environ['USBOOK_REALDATA'])/name
    if name == 'abdomen_organs': m = _without_patients(folder)
    else: m = Manifest.open(folder, classes=SETS[name], drop_other=True, same_patient=name != 'breast')
    if name in ('abdomen_organs', 'breast'): m = replace(m, table=m.table.assign(patient=_first_of(m, _alike(m))))
    if name == 'head_ct':
        grey = [np.asarray(m.load(i).convert('L')) for i in range(len(m))]
        m = replace(m, table=m.table.assign(patient=_first_of(m, who(grey, [head_of(a) for a in grey]))))
    return replace(m, table=m.table.assign(half=[half_of(name, p) for p in m.patients]))


def _without_patients(folder):
    "The abdomens: each image stands for itself until look-alikes are merged"
    t = pd.read_csv(folder/'manifest_without_patients.csv', dtype=str)
    t = t[t.label.isin(SETS['abdomen_organs'])].assign(patient=t.image).reset_index(drop=True)
    return Manifest(t[['image', 'patient', 'label']], folder, SETS['abdomen_organs'])


def _alike(m):
    "Groups of images that look alike"
    small = [fingerprint(Image.open(p)) for p in m.paths]
    found = alike_pairs(small, pd.Series(range(len(m))).astype(str), LOOKALIKE, False)
    a, b = ([getattr(p, k) for p in found] for k in ("a", "b"))
    return connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(len(m), len(m))))[1]


def _first_of(m, groups):
    "A group's name is that of its first image, which stays when others come"
    names = pd.Series(list(m.table.image)).map(lambda s: Path(s).stem)
    return names.groupby(np.asarray(groups)).transform('min').to_numpy()


# Simulated images ----------------------------------------------------------------------------------------------

BLOOD = ('intracerebral', 'subdural', 'epidural', 'subarachnoid', 'intraventricular')
STUDY = dict(lung_signs='lung_signs', head_ct='head_ct', abdomen_organs='abdomen', chest_shenzhen='pneumoconiosis',
             breast='breast_cine')
MADE = dict(  # images, pixels and knobs of the simulated sets; records of labels are right, marks tell nothing
    lung_signs=(400, 160, dict(images_per_patient=2, label_noise=0.)),
    head_ct=(400, 160, dict(images_per_patient=5, label_noise=0.)),
    abdomen_organs=(480, 128, dict(images_per_patient=3, label_noise=0., overlay_shortcut=None)),
    chest_shenzhen=(120, 200, dict(label_noise=0.)),
    breast=(60, 144, dict(images_per_patient=1)),
)
MANY = dict(  # of the world `many`: images, and the knobs that differ; nobody is seen more than twice or so
    lung_signs=(2400, dict(images_per_patient=1)),
    head_ct=(1200, dict(images_per_patient=2)),
    abdomen_organs=(2400, dict(images_per_patient=1, difficulty=.1)),  # `wide` machines hide enough
)
CLEAR = dict(abdomen_organs=(480, dict(difficulty=.1)))  # the same, with as many people as `wide`
STRANGERS = 1000, 120 # seed of new invented patients to test on, and how many images
CHANCE = dict(lung_signs=.25, head_ct=.5, abdomen_organs=.25)  # balanced accuracy of a guess; of AUC it is .5
WITHOUT = {f'wide without {i}': '+'.join(k for k in INGREDIENTS if k != i) for i in INGREDIENTS}
WHOLE = dict(site='site', wide='wide', clear='wide', many='wide')
WORLDS = WHOLE | WITHOUT
ASKED = *WHOLE, 'real'
FIRST = {f'first {n} of many': n for n in (150, 300, 600, 1200)}  # as if the simulation had stopped there
OTHERS = dict(clear=CLEAR, many=MANY)  # worlds with images and knobs of their own, for some of the sets


def made(name, world):
    "Images, pixels and knobs of a simulated set"
    n, size, knobs = MADE[name]
    n, more = OTHERS.get(world, {}).get(name, (n, {}))
    return n, size, dict(knobs, **more, machines=WORLDS[world])


def simulated(name:str,  # of the real set that it shall teach
              world:str, # one of `WORLDS`, or of `FIRST`
              seed:int,
              cache:Path,
              workers=None, # processes that simulate; None: one per core
              n=None        # images; None: as `made` says
             )->Manifest: # with the classes of the real set
    "A simulated set for a real one: wholly invented patients"
    if world in FIRST:
        m = simulated(name, 'many', seed, cache, workers)
        return m.subset(np.arange(len(m)) < FIRST[world])
    most, size, knobs = made(name, world)
    n = n or most
    folder = cached_folder(STUDY[name], cache/'carry', n, seed, size, **knobs)
    file = make_sample(STUDY[name], folder, n, seed, size, workers=workers, progress=False, **knobs)
    if name == 'breast': return _stills(file)
    t = pd.read_csv(file, dtype=str, keep_default_na=False)
    label = t.true_label if name != 'abdomen_organs' else t.true_label.map(_organ)
    keep = label.isin(SETS[name]) if name != 'chest_shenzhen' else label != ''
    if name == 'head_ct': keep &= t.finding.isin(('', *BLOOD))  # the real question is: blood or none
    if name == 'chest_shenzhen': label = label.where(label == 'normal', 'tuberculosis')  # its lungs alone are asked
    t = t.assign(label=label, patient=f'S{seed}-' + t.patient)[keep].reset_index(drop=True)
    columns = ['image', 'patient', 'label', *(['mask'] if name == 'chest_shenzhen' else [])]
    return Manifest(t[columns], file.parent, SETS[name])


def _organ(view): return next((o for o in SETS['abdomen_organs'] if o in view), '')


def _stills(file):
    "Every eighth frame of simulated clips as a still with its mask"
    folder = file.parent/'stills'
    if not (folder/'manifest.csv').is_file():
        rows, t = [], pd.read_csv(file, dtype=str, keep_default_na=False).drop_duplicates('image')
        for r in t.itertuples():
            with Image.open(file.parent/r.image) as clip, Image.open(file.parent/r.cine_mask) as masks:
                for f in range(3, clip.n_frames, 8):
                    clip.seek(f)
                    masks.seek(f)
                    rows.append(_still(folder, f'{Path(r.image).stem}-{f:02d}', r.patient, clip, masks))
        write_file(folder/'manifest.csv', pd.DataFrame(rows).to_csv(index=False))
    return Manifest(pd.read_csv(folder/'manifest.csv', dtype=str, keep_default_na=False), folder, SETS['breast'])


def _still(folder, name, patient, clip, masks):
    mask = np.asarray(masks.convert('L')) > 0
    write_file(folder/f'{name}.png', png_bytes(np.asarray(clip.convert('L'))))
    if mask.any(): write_file(folder/f'{name}-mask.png', png_bytes(mask))
    return dict(image=f'{name}.png', patient=f'S{patient}', label='benign' if mask.any() else 'normal',
                mask=f'{name}-mask.png' if mask.any() else '')


def _rooted(m):
    "The same images with paths from the root of the file system"
    t = m.table.copy()
    for c in ('image', 'mask'):
        if c in t: t[c] = [str((m.root/f).absolute())[1:] if f else '' for f in t[c].fillna('')]
    return Manifest(t[[c for c in ('image', 'patient', 'label', 'mask', 'split') if c in t]], Path('/'), m.classes)


def strangers(name, cache, workers=None):
    "World -> new invented patients to test on, where images are classified: what a network is worth at home and abroad"
    if name not in CHANCE: return {}
    return {w: simulated(name, w, STRANGERS[0], cache, workers, STRANGERS[1]) for w in ('site', 'wide')}


def together(sim:Manifest,   # to train on
             *tests:Manifest # to test on
            )->Manifest:     # with a split: train and test
    "All sets as one manifest, its paths from the root of the file system"
    both = [(sim, 'train'), *((t, 'test') for t in tests)]
    parts = [_rooted(a.with_split([split]*len(a))).table for a, split in both]
    return Manifest(pd.concat(parts, ignore_index=True), Path('/'), sim.classes)


# What a training is worth --------------------------------------------------------------------------------------

RECIPES = dict(chest_shenzhen=SegRecipe(size=96, epochs=8), breast=DetectRecipe(size=128, epochs=8, every=1))
SIZE = 128
METRICS = dict(lung_signs=('balanced accuracy', 'macro AUC'), abdomen_organs=('balanced accuracy', 'macro AUC'),
               head_ct=('balanced accuracy', 'macro AUC'), chest_shenzhen=('Dice', 'share below .8'))


def job_of(name, mode, seed, cache, device):
    "The shipped recipe with the shipped backbone"
    recipe = RECIPES.get(name, Recipe('resnet10t', size=SIZE))
    settings = Settings(cache=str(cache), device=device, offline=True)
    return Job(recipe, mode, weights_of('usbook', None), settings, seed=seed, progress=False)


def tested(name, m, job):
    "What a network trained on the rows `train` says of the rows `test`: probabilities, Dice, or marks"
    with one_thread(job.device):
        if name == 'chest_shenzhen':
            rows = split_rows(m, 'test')
            masks, _ = find_lungs(train_unet(m, job), m, rows)
            return score_lungs(m, rows, masks).groupby('row').dice.mean().loc[rows].to_numpy()
        if name == 'breast':
            return merge_places(train_detector(stills_with_masks(m), job, splits=('test',)).marks['test'])
        return train(m, job).predictions['test'].prob


def kept(cache, name, m, job, what):
    "`tested`, from the cache where it was made before"
    inputs = [what, repr(job.recipe), job.mode, job.seed, job.weights.sha256, m.sha256(), list(m.table.split)]
    file = cache/'carry'/f'{name}-{hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]}'
    if name == 'breast':
        if not file.exists(): write_file(file, tested(name, m, job).to_csv(index=False))
        return pd.read_csv(file, dtype=dict(scan=str))
    if not file.exists(): write_file(file, json.dumps(np.asarray(tested(name, m, job)).tolist()))
    return np.array(read_json(file))


def metric_values(name, y, out):
    "The metrics of one seed; a class that a resample lacks is left out of it"
    if name == 'chest_shenzhen': return out.mean(), (out < .8).mean()
    there = [k for k in range(out.shape[1]) if 0 < (y == k).sum() < len(y)]
    if not there: return np.nan, np.nan
    hits = out.argmax(1) == y
    return np.mean([hits[y == k].mean() for k in there]), np.mean([_auc(y == k, out[:, k]) for k in there])


def _auc(pos, score):
    n = pos.sum()
    return (rankdata(score)[pos].sum() - n*(n + 1)/2)/(n*(len(pos) - n))


def resampled(name, m, outs, n=1000):
    "metric -> {value, low, high}: the mean over seeds, with the interval of `n` draws of patients"
    y, (who_, code) = m.targets, np.unique(m.patients, return_inverse=True)
    rows, g = [np.flatnonzero(code == k) for k in range(len(who_))], np.random.default_rng(0)
    def mean(i): return np.mean([metric_values(name, y[i], o[i]) for o in outs], 0)
    draws = np.array([mean(np.concatenate([rows[k] for k in g.integers(0, len(rows), len(rows))])) for _ in range(n)])
    return {k: _interval(v, d) for k, v, d in zip(METRICS[name], mean(np.arange(len(y))), draws.T)}


def _interval(v, draws):
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return dict(value=round(float(v), 4), low=round(float(min(low, v)), 4), high=round(float(max(high, v)), 4))


def found_masses(m, marks):
    "Sensitivity at half a false mark per still, mean over seeds, with the mean ends of their intervals; and chance"
    c = stills_with_masks(_rooted(m))
    ds = [Detections(c.scans, c.boxes(), t[t.scan.isin(set(c.scans.scan))].reset_index(drop=True)) for t in marks]
    found, luck = [froc(d, (.5,), n_boot=400, **HIT).sensitivity[.5] for d in ds], [chance(d, 40).chance for d in ds]
    ends = {k: round(float(np.mean([getattr(f, k) for f in found])), 4) for k in ('value', 'low', 'high')}
    return {'sensitivity at .5': ends, 'chance': round(float(np.mean([t['0.5'] for t in luck])), 3)}


def judge(name, world, mode, halves, seeds, how):
    "Rows of the record: trained on one world, scored on new invented patients and on the halves asked for, no other"
    (cache, device, workers), m, outs = how, real(name), []
    new = strangers(name, cache, workers) if world in WORLDS else {}
    for seed in seeds:
        job = job_of(name, mode, seed, cache, device)
        if world == 'real': outs.append(_of_folds(name, m, job, cache))
        else:
            tests = together(simulated(name, world, seed, cache, workers), m, *new.values())
            outs.append(kept(cache, name, tests, job, 'carry'))
    first = len(m)
    for on, t in new.items():
        yield _row(name, world, mode, on, t, [o[first:first + len(t)] for o in outs])
        first += len(t)
    for half in halves:
        here = (m.table.half == half).to_numpy()
        mine = outs if name == 'breast' else [o[:len(m)][here] for o in outs]
        yield _row(name, world, mode, half, m.subset(here), mine)


def _row(name, world, mode, on, m, outs):
    assert name == 'breast' or all(len(o) == len(m) for o in outs)
    row = dict(set=name, world=world, mode=mode, on=on, n=len(m), patients=len(set(m.patients)), seeds=len(outs))
    if name in CHANCE: row |= dict(said=_shares(m, [o.argmax(1) for o in outs]), true=_shares(m, [m.targets]))
    return row | (found_masses(m, outs) if name == 'breast' else resampled(name, m, outs))


def _shares(m, answers):
    "Class -> share of the images"
    return {c: round(float(np.mean([a == k for a in answers])), 3) for k, c in enumerate(m.classes)}


def _of_folds(name, m, job, cache):
    "Real to real: every image by a network that never saw its patient"
    parts = []
    for f in folds_by_patient(m, 3, seed=job.seed):
        f = f.with_split(f.table.split.replace('valid', 'train'))
        parts.append((split_rows(f, 'test'), kept(cache, name, _rooted(f), job, 'real')))
    if name == 'breast': return pd.concat([o for _, o in parts], ignore_index=True)
    out = np.zeros((len(m), *parts[0][1].shape[1:]))
    for rows, o in parts: out[rows] = o
    return out


# Why it fails --------------------------------------------------------------------------------------------------

def families_of(m, size=128):
    "What a classifier may look at to tell real from simulated: name -> (n, k) numbers per image"
    x = np.stack([np.asarray(m.load(i, size).convert('L'), np.float32) for i in range(len(m))])
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    band = np.digitize(f, np.geomspace(1/size, .5, 13)).ravel()
    power = np.log(np.abs(np.fft.fft2(x - x.mean((1, 2), keepdims=True)))**2 + 1).reshape(len(x), -1)
    power = np.stack([power[:, band == k].mean(1) for k in range(1, 13)], 1)
    inside = [a[a > 8] if (a > 8).any() else a.ravel() for a in x]
    grey = np.stack([np.histogram(a, 16, (0, 256))[0]/a.size for a in x])
    local = np.array([_snr(a) for a in x])
    return {'grey levels': grey, 'where it is bright': x.reshape(len(x), 8, 16, 8, 16).mean((2, 4)).reshape(len(x), -1),
            'coarse structure': power[:, :6], 'fine structure': power[:, 6:], 'speckle': local,
            'mean grey': np.array([[a.mean()] for a in inside])}


def _snr(a):
    "Mean over spread in small squares of what is not black: its quartiles"
    t = a.reshape(16, 8, 16, 8).transpose(0, 2, 1, 3).reshape(256, 64)
    r = (t.mean(1)/(t.std(1) + 1))[t.min(1) > 4]
    return np.percentile(r, [25, 50, 75]) if len(r) > 7 else np.zeros(3)


def why(name, world, cache, workers=None):
    "How well real (development half) and simulated images are told apart, by what is looked at: AUC, patients held out"
    m = real(name)
    m, sim = m.subset(m.table.half == 'development'), simulated(name, world, 0, cache, workers)
    sim = sim.subset(np.arange(len(sim)) < 240)
    y, who_ = np.repeat([0, 1], [len(sim), len(m)]), np.concatenate([sim.patients, [f'R{p}' for p in m.patients]])
    head = make_pipeline(StandardScaler(), LogisticRegression(C=.3, max_iter=2000, class_weight='balanced'))
    a, b = families_of(sim), families_of(m)
    for k in a:
        cv = StratifiedGroupKFold(4, shuffle=True, random_state=0)
        p = cross_val_predict(head, np.concatenate([a[k], b[k]]), y, groups=who_, cv=cv, method='predict_proba')[:, 1]
        yield dict(set=name, world=world, looked_at=k, auc=round(float(_auc(y == 1, p)), 3),
                   simulated=round(float(np.median(a[k][:, -1])), 3), real=round(float(np.median(b[k][:, -1])), 3))


# The record ----------------------------------------------------------------------------------------------------

RECORD = Path(__file__).parents[1]/'nbs'/'records'/'carrying_over.json'


# What was wanted of the half that was kept aside, before anything was measured there: metric -> at least, or at most
WANTED = dict(
    lung_signs={'balanced accuracy': '≥ .45', 'macro AUC': '≥ .78'}, head_ct={'macro AUC': '≥ .90'},
    breast={'sensitivity at .5': '≥ .55'}, chest_shenzhen={'Dice': '≥ .88', 'share below .8': '< .10'},
    abdomen_organs={'balanced accuracy': '≥ .55'})


MAKES = [(s, w) for s, w in product(SETS, WHOLE) if s in OTHERS.get(w, SETS)]


@remembered
def thumbnails(name, world):
    "Two simulated images of a set as 4 x 4 mean greys: what a test compares, to see whether the record is of this code"
    k = study_knobs(STUDY[name], **made(name, world)[2])
    images = [make_image(STUDY[name], 0, i, 96, k).image for i in (0, 1)]
    frames = [np.asarray(Image.fromarray(a if a.ndim == 2 else a[0]).resize((4, 4), Image.BOX)) for a in images]
    return [f.ravel().tolist() for f in frames]


def is_asked(name, world, mode):
    "U-Nets are only fine-tuned; of the others the frozen ones say which ingredient does the work"
    if world in FIRST: return mode == 'frozen' and name in MANY and FIRST[world] < MANY[name][0]
    if name not in OTHERS.get(world, SETS): return False
    return mode == 'finetuned' if name == 'chest_shenzhen' else mode == 'frozen' or world in ASKED


def not_run(rows):
    "What belongs to the record and was not measured: set, world, mode, on which half"
    done = {tuple(r[k] for k in ('set', 'world', 'mode', 'on')) for r in rows}
    asked = [*product(SETS, ASKED, MODES, HALVES), *product(SETS, [*WITHOUT, *FIRST], MODES, HALVES[:1])]
    return [', '.join(a) for a in asked if a not in done and is_asked(*a[:3])]


def record(rows, shas, told=()):
    "Replace what was judged anew, keep the rest; `told` is what `why` says"
    old = Record.read(RECORD) if RECORD.exists() else None
    def key(r): return [r[k] for k in ('set', 'world', 'mode', 'on')]
    known = [key(r) for r in rows]
    order = [*SETS]
    rows = sorted([r for r in (old.rows if old else []) if key(r) not in known] + rows,
                  key=lambda r: (order.index(r['set']), key(r)))
    before, new = (old.how.get('why', []) if old else []), {(t['set'], t['world']) for t in told}
    how = dict(
        metric='mean over seeds; 95 % intervals from 1000 draws of patients (breast: of the mean of the seeds\' ends)',
        halves='sha256 of set/patient, first byte even: development, odd: aside; declared before anything was tried',
        recipe=repr(Recipe('resnet10t', size=SIZE)), recipes={k: repr(v) for k, v in RECIPES.items()},
        simulated={f'{s}, {w}': dict(zip(('images', 'pixels', 'knobs'), made(s, w))) for s, w in MAKES},
        thumbnails={f'{s}, {w}': thumbnails(s, w) for s, w in MAKES},
        chance=CHANCE, wanted=WANTED, not_run=not_run(rows),
        why=[t for t in before if (t['set'], t['world']) not in new] + [*told],
        abdomen_organs='patients are unknown: images that look alike are one, and the intervals are too narrow',
        weights=weights_of('usbook', None).sha256)
    figures = figures_of_rows(rows, 'set', ('world', 'mode', 'on'))
    Record('make carry', (old.data if old else {}) | shas, figures, rows, how).write(RECORD)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--sets', nargs='+', default=list(SETS))
    p.add_argument('--worlds', nargs='+', default=list(ASKED))
    p.add_argument('--modes', nargs='+', default=list(MODES))
    p.add_argument('--halves', nargs='+', default=list(HALVES))
    p.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    p.add_argument('--without', action='store_true', help='one ingredient left out at a time, development half')
    p.add_argument('--first', action='store_true', help='with fewer and fewer invented people, development half')
    p.add_argument('--why', action='store_true', help='train nothing: what tells real from simulated')
    p.add_argument('--workers', type=int, help='processes that simulate; default: one per core')
    p.add_argument('--try', dest='dry', action='store_true', help='print, and leave the record as it is')
    a = p.parse_args()
    if not os.environ.get('USBOOK_REALDATA'): sys.exit('USBOOK_REALDATA is not set, so there are no real images')
    if parts := [*WITHOUT]*a.without + [*FIRST]*a.first: a.worlds, a.halves = parts, ['development']
    cache = read_settings().path('cache')
    (cache/'carry').mkdir(parents=True, exist_ok=True)
    how = cache, 'cpu', a.workers
    for name, mode, world in product(a.sets, ['why'] if a.why else a.modes, a.worlds):
        if world not in ('site', 'wide') if a.why else not is_asked(name, world, mode): continue
        started, rows, told = time.perf_counter(), [], []
        if a.why: told = list(why(name, world, cache, a.workers))
        else: rows = list(judge(name, world, mode, a.halves, a.seeds, how))
        for row in rows + told: print(row, round(time.perf_counter() - started), flush=True)
        if not a.dry: record(rows, {name: dict(sha256=real(name).sha256())}, told)


if __name__ == '__main__': main()
