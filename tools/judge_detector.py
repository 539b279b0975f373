"""How little a detector may be trained: budgets of a quarter, a half and all of the default, into a record.

`make budget` runs this: simulated clips from seeds that no study uses and nothing was chosen on, single frames, the
shipped recipe and backbone. Beside it, at half the budget, what is left when one ingredient is taken away. The two
sets of patients are put together for the intervals. A fit takes one to three minutes on one core; what is done is
kept, two run side by side.
"""
import argparse
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from usbook.core.files import write_file
from usbook.core.settings import read_settings
from usbook.data.split import split_by_patient
from usbook.evidence.froc import froc
from usbook.learn import detect
from usbook.learn.fits import fit_inputs, fit_key, one_thread
from usbook.learn.recipe import MODES, Job
from usbook.predictions.detections import Detections
from usbook.runs.holds import code_now
from usbook.runs.record import Record, figures_of_rows
from usbook.studies import breast_cine
from usbook.studies.images import Reading, find_images

RECORD = Path(__file__).parents[1]/'nbs'/'records'/'detect_budget.json'
SEEDS = (110, 111)
PLAN = breast_cine.PLANS['quick']
SHARES = dict(zip((.25, .5, 1.), (PLAN.recipe.epochs//4, PLAN.recipe.epochs//2, PLAN.recipe.epochs)))
RATE = .5  # false marks per scan
HITS = {'centre': breast_cine.HIT, 'overlap of half': dict(min_iou=.5)}


def unlearned(*_): return SimpleNamespace(follow=SimpleNamespace(rows=[[np.inf, np.inf]]))


WITHOUT = {'': {}, 'usual boxes': dict(usual_boxes=lambda net, frames: net), 'head first': dict(_fit_head=unlearned)}
ASKED = [('', s, m) for m in MODES for s in SHARES] + [
    ('usual boxes', .5, 'frozen'), ('usual boxes', .5, 'finetuned'), ('head first', .5, 'finetuned')]


def clips_of(seed, cache):
    "Simulated clips of 50 patients, split as in the quick run"
    s = read_settings(data='phantom', profile='quick', seed=seed, offline=True, cache=str(cache), weights='auto')
    clips, _ = find_images(breast_cine.STUDY, s, PLAN.phantom, Reading(read=breast_cine.read))
    return split_by_patient(clips, PLAN.fractions, seed=seed), s


def found(seed, without, share, mode, cache):
    "The marks on the test clips, one a place, as a `Detections`; from the cache where they were made before"
    clips, settings = clips_of(seed, cache)
    job = Job(replace(PLAN.recipe, epochs=SHARES[share]), mode, settings=settings, progress=False)
    key = fit_key(fit_inputs(clips, job, n_frames=1) | dict(without=without))
    file = Path(cache)/'budget'/f'{key}.csv'
    if not file.exists():
        usual = {k: getattr(detect, k) for k in WITHOUT[without]}
        for k, f in WITHOUT[without].items(): setattr(detect, k, f)
        try:
            with one_thread(job.device): fit = detect.train_detector(clips, job, splits=('test',))
        finally:
            for k, f in usual.items(): setattr(detect, k, f)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, fit.marks['test'].to_csv(index=False))
    marks = detect.merge_places(pd.read_csv(file, dtype=dict(scan=str)))
    return detect.as_detections(clips, 'test', marks), clips.sha256()


def together(parts):
    "Several sets of patients as one"
    def renamed(t, k): return t.assign(**{c: f'{k} ' + t[c].astype(str) for c in ('scan', 'patient') if c in t})
    return Detections(*(pd.concat([renamed(getattr(d, name), k) for k, d in enumerate(parts)], ignore_index=True)
                        for name in ('scans', 'lesions', 'detections')))


def row_of(without, share, mode, parts):
    "Sensitivity with its interval, for marks whose centre hits and for boxes that overlap by half"
    d = together(parts)
    at = {f'sensitivity, {k}': froc(d, (RATE,), n_boot=1000, **hit).sensitivity[RATE] for k, hit in HITS.items()}
    return dict(without=without or 'nothing', share=share, epochs=SHARES[share], mode=mode,
                **{k: i.as_dict() for k, i in at.items()})


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--workers', type=int, default=os.cpu_count())
    a = p.parse_args()
    cache = read_settings().path('cache').absolute()
    with TemporaryDirectory() as here:
        os.chdir(here)  # so that no settings.ini of the folder counts
        for seed in SEEDS: clips_of(seed, cache)
        todo = [(s, *what) for what in ASKED for s in SEEDS]
        all_found = Parallel(a.workers, verbose=5)(delayed(found)(*t, cache) for t in todo)
    parts, shas = defaultdict(list), {}
    for (seed, *what), (d, sha) in zip(todo, all_found):
        parts[tuple(what)].append(d)
        shas[f'seed {seed}'] = dict(sha256=sha)
    rows = [row_of(*what, d) for what, d in parts.items()]
    how = dict(rate=f'{RATE} false marks per scan', seeds=SEEDS, recipe=repr(PLAN.recipe),
               code=code_now('breast_cine')['training'])
    figures = figures_of_rows(rows, 'breast_cine', ('without', 'mode', 'epochs'))
    print(Record('make budget', shas, figures, rows, how).write(RECORD))


if __name__ == '__main__': main()
