"""Images a second of the phantoms on one core, and for ultrasound against what they do without.

    python benchmarks/bench_phantoms.py

Wanted, with three sites' machines and with any: at least 40 lung, abdomen or breast frames a second at 256 pixels, 20
slices of head CT at 160 and 8 chest films at 400. The last line is a ratio that does not depend on the machine: our
Fourier blur (a different width at every depth) against filtering each depth on its own, which is the straightforward
way to the same picture."""
import os
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'): os.environ[name] = '1'
import json
import sys
import time
from pathlib import Path
import numpy as np
from scipy.ndimage import gaussian_filter1d
sys.path.insert(0, str(Path(__file__).parent.parent))
from usbook.phantoms.samples import make_image, png_bytes, study_knobs
from usbook.phantoms.ultrasound import Probe, blur, depths, lateral_fwhm, scatterers, spacing

def frames_a_second(study, n, size=256, **turned):
    "Processor time, so that other work on the machine does not count"
    knobs, frames = study_knobs(study, **turned), 0
    make_image(study, 0, 0, size, knobs)
    start = time.process_time()
    for i in range(n):
        p = make_image(study, 0, i, size, knobs)
        frames += len(p.image) if p.image.ndim == 3 else 1
    return frames/(time.process_time() - start)

def seconds(f, n):
    start = time.process_time()
    for _ in range(n): f()
    return (time.process_time() - start)/n

def row_by_row(field, probe):
    "The same blur, each depth with a Gaussian of its own"
    n, m = field.shape
    f = gaussian_filter1d(field.view(np.float32).reshape(n, m, 2), probe.axial/2.3548/(probe.depth/n), axis=0)
    s = lateral_fwhm(probe, depths(probe, n))/2.3548/spacing(probe, depths(probe, n), m)
    return np.stack([gaussian_filter1d(row, w, axis=0) for row, w in zip(f, s)])

WANTED = dict(lung_signs=40, abdomen=40, breast_cine=40, head_ct=20, pneumoconiosis=8)
DRAWN = dict(lung_signs=(60, 256), abdomen=(60, 256), breast_cine=(4, 256), head_ct=(40, 160), pneumoconiosis=(12, 400))

if __name__ == '__main__':
    speed = {machines: {study: round(frames_a_second(study, *how, machines=machines), 1)
                        for study, how in DRAWN.items()} for machines in ('site', 'wide')}
    image = make_image('lung_signs', 0, 0, 256, study_knobs('lung_signs')).image
    field, probe = scatterers(np.random.default_rng(0), (281, 192)), Probe()
    faster = seconds(lambda: row_by_row(field, probe), 10)/seconds(lambda: blur(field, probe), 30)
    png = 1000*seconds(lambda: png_bytes(image), 20)
    print(json.dumps(dict(frames_a_second=speed, png_ms=round(png, 1), blur_times_faster=round(faster, 1)), indent=1))
    slow = [f'{study}, {m}' for m, found in speed.items() for study, n in found.items() if n < WANTED[study]]
    if slow: sys.exit(f'slower than wanted: {"; ".join(slow)}')
