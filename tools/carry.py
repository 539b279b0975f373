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
from pathlib import Path

import numpy as np
import pandas as pd
from heads import head_of, who
from judge_backbone import weights_of
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from usbook.core.files import digest, read_json, write_file
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
from usbook.phantoms.samples import cached_sample, png_bytes
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
    lung_signs=(900, 160, dict(images_per_patient=2, label_noise=0., patient_spread=.3)),
    head_ct=(900, 160, dict(label_noise=0., images_per_patient=4)),
    abdomen_organs=(1100, 128, dict(images_per_patient=3, label_noise=0., overlay_shortcut=None)),
    chest_shenzhen=(240, 256, dict(label_noise=0.)),
    breast=(150, 160, dict(images_per_patient=1)),
)
WITHOUT = {f'wide without {i}': '+'.join(k for k in INGREDIENTS if k != i) for i in INGREDIENTS}
WORLDS = dict(site='site', wide='wide') | WITHOUT


def simulated(name:str,  # of the real set that it shall teach
              world:str, # one of `WORLDS`
              seed:int,
              cache:Path
             )->Manifest: # with the classes of the real set
    "A simulated set for a real one: wholly invented patients"
    n, size, knobs = MADE[name]
    file = cached_sample(STUDY[name], cache/'carry', n, seed, size, progress=False, machines=WORLDS[world], **knobs)
    if name == 'breast': return _stills(file)
    t = pd.read_csv(file, dtype=str, keep_default_na=False)
    label = t.true_label if name != 'abdomen_organs' else t.true_label.map(_organ)
    keep = label.isin(SETS[name]) if name != 'chest_shenzhen' else label != ''
    if name == 'head_ct': keep &= t.finding.isin(('', *BLOOD))  # the real question is: blood or none
    if name == 'chest_shenzhen': label = label.where(label == 'normal', 'tuberculosis')  # its lungs alone are asked
    t = t.assign(label=label, patient='S' + t.patient)[keep].reset_index(drop=True)
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


def together(sim:Manifest, # to train on
             m:Manifest    # to test on
            )->Manifest:   # with a split: train all simulated, test all real
    "Both sets as one manifest, its paths from the root of the file system"
    parts = [_rooted(a.with_split([split]*len(a))).table for a, split in ((sim, 'train'), (m, 'test'))]
    return Manifest(pd.concat(parts, ignore_index=True), Path('/'), m.classes)


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
    "The metrics of one seed (dict); a class that a resample lacks is left out of it"
    if name == 'chest_shenzhen': return {'Dice': out.mean(), 'share below .8': (out < .8).mean()}
    there = [k for k in range(out.shape[1]) if 0 < (y == k).sum() < len(y)]
    auc = np.mean([roc_auc_score(y == k, out[:, k]) for k in there]) if there else np.nan
    hit = np.mean([(out[y == k].argmax(1) == k).mean() for k in there]) if there else np.nan
    return {'balanced accuracy': hit, 'macro AUC': auc}


def resampled(name, m, outs, n=1000):
    "metric -> {value, low, high}: the mean over seeds, with the interval of `n` draws of patients"
    y, (who_, code) = m.targets, np.unique(m.patients, return_inverse=True)
    rows, g = [np.flatnonzero(code == k) for k in range(len(who_))], np.random.default_rng(0)
    def mean(i): return pd.DataFrame([metric_values(name, y[i], o[i]) for o in outs]).mean()
    draws = pd.DataFrame([mean(np.concatenate([rows[k] for k in g.integers(0, len(rows), len(rows))]))
                          for _ in range(n)])
    value = mean(np.arange(len(y)))
    return {k: _interval(value[k], draws[k]) for k in value.index}


def _interval(v, draws):
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return dict(value=round(float(v), 4), low=round(float(min(low, v)), 4), high=round(float(max(high, v)), 4))


def found_masses(m, marks):
    "Sensitivity at half a false mark per still, mean over seeds, with intervals over patients; and chance"
    c = stills_with_masks(_rooted(m.with_split(['test']*len(m))))
    ds = [Detections(c.scans, c.boxes(), t) for t in marks]
    fs, luck = [froc(d, (.5,), n_boot=400, **HIT).sensitivity[.5] for d in ds], [chance(d, 40).chance['0.5'] for d in ds]
    mean = lambda k: round(float(np.mean([getattr(f, k) for f in fs])), 4)
    return {'sensitivity at .5': dict(value=mean('value'), low=mean('low'), high=mean('high'))}, float(np.mean(luck))


def _rooted(m):
    "The same images with paths from the root of the file system"
    t = m.table.copy()
    for c in ('image', 'mask'):
        if c in t: t[c] = [str((m.root/f).absolute())[1:] if f else '' for f in t[c].fillna('')]
    return Manifest(t[[c for c in ('image', 'patient', 'label', 'mask', 'split') if c in t]], Path('/'), m.classes)


def judge(name, world, mode, half, seeds, cache, device):
    "One row of the record: trained on a simulated world, tested on half of the real patients"
    m, outs = real(name), []
    m = m.subset(m.table.half == half)
    for seed in seeds:
        job = job_of(name, mode, seed, cache, device)
        if world == 'real': outs.append(_of_folds(name, m, job, cache))
        else: outs.append(kept(cache, name, together(simulated(name, world, seed, cache), m), job, 'carry'))
    row = dict(set=name, world=world, mode=mode, half=half, n=len(m), patients=len(set(m.patients)), seeds=len(outs))
    if name == 'breast':
        figures, luck = found_masses(m, outs)
        return row | figures | dict(chance=round(luck, 3))
    return row | resampled(name, m, outs)


def _of_folds(name, m, job, cache):
    "Real to real: every image by a network that never saw its patient"
    parts = []
    for f in folds_by_patient(m, 3, seed=job.seed):
        f = replace(f, table=f.table.assign(split=f.table.split.replace('valid', 'train')))
        rows, out = split_rows(f, 'test'), kept(cache, name, _rooted(f), job, 'real')
        parts.append((rows, out))
    if name == 'breast': return pd.concat([o for _, o in parts], ignore_index=True)
    out = np.zeros((len(m), *parts[0][1].shape[1:]))
    for rows, o in parts: out[rows] = o
    return out
