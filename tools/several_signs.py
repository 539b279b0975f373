"""Real lung ultrasound with every sign that a frame shows: several labels an image, frozen and fine-tuned.

`make signs` runs this on all frames in USBOOK_REALDATA/lung_signs, 588 of which show none of four signs or several, and
writes nbs/records/real_several_signs.json. The study and its claims are those that `usbook new` writes for the kind
`labels`. A fine-tuned fit takes minutes on one core, so fine-tuning has one seed and
frozen features have three; what is done is kept.
"""
import argparse
import os
import sys
import tempfile
from pathlib import Path

import usbook
from usbook.data.manifest import has_label
from usbook.runs.holds import code_now
from usbook.runs.record import Record, figures_of_arms
from usbook.studies.new import new_study
from usbook.studies.study import get_study

RECORD = Path(__file__).parents[1]/'nbs'/'records'/'real_several_signs.json'
SIGNS = ['a_lines', 'b_lines', 'effusion', 'consolidation']
SEEDS = 3

def study_in(folder, images='', seeds=1):
    "The study as `usbook new` writes it; how many seeds is the only line that is added"
    file = new_study(Path(folder)/'several_signs', SIGNS, 'Several signs', 'labels', str(images))/'study.toml'
    text = file.read_text(encoding='utf-8')
    file.write_text(text.replace('[run]', f'[run]\nseeds = {seeds}', 1), encoding='utf-8')
    return get_study(str(file.parent))

def run(images, seeds=1, **options):
    "An `Outcome`: three folds of patients, each sign by a network of its own"
    with tempfile.TemporaryDirectory() as folder:
        study = study_in(folder, images, seeds)
        settings = dict(profile='quick', data='sample', offline=True, device='cpu', runs=str(Path(folder)/'runs'))
        return usbook.reproduce(str(study.file.parent), settings, **options)

def as_record(out, more=None):
    "The part of a run that is kept; `more` are the same networks with further seeds, where there are any"
    r, m = out.results, out.images
    repeats = more.results.get('repeats', {}) if more else {}
    seeds = {f'{arm}_seed{k}': found for arm, each in repeats.items() for k, found in enumerate(each, 2)}
    how = dict(profile=r['profile'], seed=r['seed'], seeds={n: 1 + len(repeats.get(n, ())) for n in r['runs']},
               weights=r['weights'], thresholds={n: a.test.meta['thresholds'] for n, a in out.arms.items()},
               arms=r['arms'], seconds=r['seconds'], claims=r['claims_hash'], code=code_now('kinds'))
    keep = ('id', 'text', 'test', 'verdict', 'reason', 'support', 'tested')
    rows = [{k: c[k] for k in keep if k in c} for c in r['claims']]
    apart = {'finetuned - frozen': r['comparison']['differences']} if r['comparison'] else {}
    figures = figures_of_arms('several_signs', r['runs'] | seeds | apart)
    return Record('make signs', dict(lung_signs=facts_of(m) | dict(sha256=r['data']['sha256'])), figures, rows, how)

def facts_of(m):
    "How many images and patients show which sign, several or none"
    has = {c: has_label(m, c) for c in m.classes}
    shown = sum(h.astype(int) for h in has.values())
    each = {c: dict(images=int(h.sum()), patients=len(set(m.patients[h]))) for c, h in has.items()}
    return dict(images=len(m), patients=len(set(m.patients)), of_label=each, none=int((shown == 0).sum()),
                several=int((shown > 1).sum()))

def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--seeds', type=int, default=SEEDS, help='of the frozen networks; the fine-tuned ones have one')
    seeds = p.parse_args().seeds
    if not os.environ.get('USBOOK_REALDATA'):
        sys.exit('USBOOK_REALDATA is not set, so there are no real images to learn from')
    images = Path(os.environ['USBOOK_REALDATA'])/'lung_signs'/'manifest.csv'
    more = run(images, seeds, modes=('frozen',)) if seeds > 1 else None
    print(as_record(run(images), more).write(RECORD))

if __name__ == '__main__': main()
