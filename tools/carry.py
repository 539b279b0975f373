"""Simulated images that teach real ones: train on simulated images only, test on real ones. `make carry` runs this.

Before anything was tried, the real patients were parted: one half may be looked at while the simulation is improved
(`development`), the other is tested once, at the end (`aside`). `half_of` is that parting, a hash of who a patient is.
"""
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from heads import head_of, who
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from usbook.data.duplicates import LOOKALIKE, alike_pairs, fingerprint
from usbook.data.manifest import Manifest

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
