"""How alike images of one person and of two are, on the real sets: the record behind `LOOKALIKE`.

USBOOK_REALDATA=folder python tools/lookalikes.py
"""
import hashlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from usbook.data.duplicates import LOOKALIKE, alike_pairs, fingerprint, likeness
from usbook.data.survey import UNSURE
from usbook.runs.record import Record

OUT = Path(__file__).parents[1]/'nbs'/'records'/'lookalikes.json'
SETS = ('breast', 'chest_shenzhen', 'gallbladder', 'head_ct', 'lung_signs')

# What a person saw in pairs of two patients, at most seven drawn from each band of likeness: (looked at, one person)
EYE = {
    'head_ct': {'.98 to 1': (2, 2), '.95 to .98': (3, 3), '.92 to .95': (7, 7), '.90 to .92': (7, 7),
                '.88 to .90': (7, 6), '.85 to .88': (7, 3), '.80 to .85': (7, 1)},
    'lung_signs': {'.98 to 1': (1, 1), '.92 to .95': (3, 3), '.90 to .92': (5, 5), '.88 to .90': (5, 5),
                   '.85 to .88': (7, 4), '.80 to .85': (7, 1)},
    'breast': {'.98 to 1': (1, 1), '.95 to .98': (1, 1), '.92 to .95': (1, 1), '.90 to .92': (2, 2)},
    'chest_shenzhen': {'.85 to .88': (4, 0), '.80 to .85': (7, 0)},
}


def exported(im, how):
    "The same picture as another program would save it"
    im = im.convert('L')
    if how == 'darker': return im.point([int(.9*255*(v/255)**.7) for v in range(256)])
    if how == 'framed':
        out = Image.new('L', (int(1.15*im.width), im.height))
        out.paste(im, (int(.07*im.width), 0))
        return out
    small = im.resize((max(8, int(.7*im.width)), max(8, int(.7*im.height))), Image.Resampling.BILINEAR)
    small.save(b := io.BytesIO(), 'JPEG', quality=60)
    return Image.open(b)


def measured(folder):
    "(figures of one set as a dict, sha256 of its images)"
    t = pd.read_csv(folder/'manifest.csv', dtype=str)
    images = [Image.open(folder/f) for f in t.image]
    small = [fingerprint(im) for im in images]
    found = alike_pairs(small, t.patient, UNSURE, False)
    out = {'images': len(t), 'patients': t.patient.nunique(),
           f'pairs of two patients at {LOOKALIKE} or more': sum(p.r >= LOOKALIKE for p in found),
           f'pairs of two patients at {UNSURE} to {LOOKALIKE}': sum(p.r < LOOKALIKE for p in found)}
    some = range(0, len(t), max(1, len(t)//60))
    for how in ('smaller JPEG', 'darker', 'framed'):
        r = [likeness([small[i]], [fingerprint(exported(images[i], how))])[0, 0] for i in some]
        out[f'share of exports found: {how}'] = float(np.mean(np.array(r) >= LOOKALIKE))
    if 'scan' in t:
        g = t.assign(k=range(len(t)), f=t.frame.astype(int)).sort_values(['scan', 'f'])
        near = [(a, b) for a, b, s, u in zip(g.k, g.k[1:], g.scan, g.scan[1:]) if s == u]
        r = np.array([likeness([small[a]], [small[b]])[0, 0] for a, b in near])
        out['share of neighbouring frames found'] = float((r >= LOOKALIKE).mean())
    sha = hashlib.sha256(b''.join(hashlib.sha256((folder/f).read_bytes()).digest() for f in t.image)).hexdigest()
    return out, sha


def main():
    if not (real := os.environ.get('USBOOK_REALDATA')): sys.exit('set USBOOK_REALDATA to the folder of the real sets')
    figures, data = [], {}
    for name in SETS:
        out, sha = measured(Path(real)/name)
        for band, (n, one) in EYE.get(name, {}).items(): out[f'by eye/{band}'] = one/n
        figures += [dict(study=name, arm='likeness', metric=k, value=v) for k, v in out.items()]
        data[name] = dict(sha256=sha, images=out['images'], given_patients=out['patients'])
    how = dict(threshold=LOOKALIKE, shown_from=UNSURE, looked_at={k: dict(v) for k, v in EYE.items()},
               by_eye='at most seven pairs of two patients from each band, looked at side by side by one person')
    Record('python tools/lookalikes.py', data, figures, how=how).write(OUT)
    print(OUT)


if __name__ == '__main__': main()
