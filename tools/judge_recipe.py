"""What users get, on real images: `learn.transfer.train` with the shipped recipe, frozen and fine-tuned.

`make realdata` runs this. Folds keep every patient on one side; slices of head CT that look alike are one patient.
Beside each network stands a yardstick: plain logistic regression (C = .01) on its average-pooled features, without
views. Nothing is chosen here: the recipe is the default, the size of the images the same for all.

`ASIDE` is the set that nobody tried anything on while the recipe was made. It is judged last, and once.

A fit takes half a minute to several minutes on one core; what is done is kept in the cache, so a run that was stopped
goes on where it was, and the record holds what there is so far. `--seeds 0`, `--nets usbook` and the like ask for
less.
"""
import argparse, os, sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from heads import head_of, who
from judge_backbone import NETS, SETS, bootstrap, interval, weights_of
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from usbook.core.files import write_file
from usbook.core.settings import Settings, read_settings
from usbook.data.manifest import Manifest
from usbook.data.split import folds_by_patient
from usbook.learn.fits import fit_inputs, fit_key, one_thread
from usbook.learn.recipe import MODES, Job, Recipe
from usbook.learn.transfer import dataloaders, features, network, split_rows, train
from usbook.runs.record import Record, figures_of_rows

ROOT = Path(__file__).parents[1]
RECORD = ROOT/'nbs'/'records'/'recipe_realdata.json'
ASIDE = 'gallbladder'                    # named before anything was tried on it
TRIED = dict(                            # what the recipe was chosen on, by those who proposed it
    breast='recipes were compared on breast masses of this set',
    chest_shenzhen='recipes were compared on tuberculosis films',
    **{'sample/lung_signs': 'recipes were compared on it'},
)
SAMPLES = ('lung_signs', 'head_ct', 'abdomen', 'pneumoconiosis') # breast_cine has boxes, not classes
SIZE, SMALL = 128, dict(gallbladder=64)  # pixels; the gallbladders have 60
WAYS = ('yardstick', *MODES)

def load(name):
    "The images of a set; `sample/` before a name takes the committed sample"
    if name.startswith('sample/'): return Manifest.read(ROOT/'data_samples'/name.split('/')[1]/'manifest.csv')
    m = Manifest.open(Path(os.environ['USBOOK_REALDATA'])/name, classes=SETS[name], drop_other=True, same_patient=True)
    if name != 'head_ct': return m
    grey = [np.asarray(m.load(i).convert('L')) for i in range(len(m))]
    return replace(m, table=m.table.assign(patient=who(grey, [head_of(a) for a in grey])))

def plain(m, job):
    "Yardstick: probabilities of the test images (n, classes)"
    net = network(job.recipe, job.weights, len(m.classes), job.seed)
    x = features(net, m, dataloaders(m, job.recipe, job.weights), job.but(recipe=replace(job.recipe, views=1)))[0]
    x = x[:, x.shape[1]//2:].numpy()     # maxima first, then means
    fitted, test = split_rows(m, 'train'), split_rows(m, 'test')
    head = make_pipeline(StandardScaler(), LogisticRegression(C=.01, max_iter=2000))
    return head.fit(x[fitted], m.targets[fitted]).predict_proba(x[test])

def held_out(m, net, way, seed, a, cache):
    "Probabilities of every image by a network that never saw its patient (n, classes)"
    folder = os.environ.get('USBOOK_REALDATA', '.')
    recipe = Recipe(NETS[net], size=SMALL.get(a.name, SIZE))
    settings = Settings(cache=str(cache), device=a.device, offline=True)
    out = np.zeros((len(m), len(m.classes)))
    for f in folds_by_patient(m, a.folds, seed=seed):
        mode = way if way in MODES else 'frozen'
        job = Job(recipe, mode, weights_of(net, folder), settings, seed=seed, progress=False)
        file = cache/'judge_recipe'/f'{way}-{fit_key(fit_inputs(f, job))}.npy'
        if not file.exists():
            with one_thread(job.device):
                p = plain(f, job) if way == 'yardstick' else _trained(f, job)
            write_file(file, lambda part: _save(part, p))
        out[split_rows(f, 'test')] = np.load(file)
    return out

def _trained(m, job):
    fit = train(m, job)
    if fit.notes: print(*fit.notes, sep='\n')
    return fit.predictions['test'].prob

def _save(path, p):
    with open(path, 'wb') as f: np.save(f, p)

def judge(name, m, nets, ways, a, cache):
    "One row per network and way: area under the curve, and the differences that matter"
    probs = {(n, w): np.stack([held_out(m, n, w, s, a, cache) for s in a.seeds]) for n in nets for w in ways}
    b = bootstrap(m.targets, m.patients, probs)
    minus = lambda k, other: interval(b[k][0] - b[other][0], b[k][1] - b[other][1])
    rows = []
    for k in b:
        net, way = k
        row = dict(set=name, mode=way, net=net, n=len(m), patients=len(set(m.patients)), seeds=len(a.seeds),
                   folds=a.folds, auc=interval(*b[k]))
        if name in TRIED: row['note'] = TRIED[name]
        if name == ASIDE: row['note'] = 'kept aside until the recipe stood'
        below = dict(minus_yardstick=(net, 'yardstick'), minus_frozen=(net, 'frozen'), minus_random=('random', way))
        row |= {what: minus(k, o) for what, o in below.items() if o in b and o != k and way != 'yardstick'}
        rows.append(row)
        print(*row.values(), flush=True)
    return rows

def record(rows, shas, a):
    "Replace what was judged anew, keep the rest"
    old = Record.read(RECORD) if RECORD.exists() else None
    key = lambda r: (r['set'], r['mode'], r['net'])
    rows = [r for r in (old.rows if old else []) if key(r) not in set(map(key, rows))] + rows
    known = asdict(Recipe(''))
    how = dict(
        metric='AUC, macro one-vs-rest; mean over seeds; 95 % intervals from 1000 draws of patients',
        recipe={k: v for k, v in known.items() if k not in ('arch', 'size')}, image_size=dict(all=SIZE) | SMALL,
        yardstick='logistic regression, C=.01, standardised average-pooled features, one view', kept_aside=ASIDE,
    )
    figures = figures_of_rows(rows, 'set', ('net', 'mode'))
    Record('make realdata', (old.data if old else {}) | shas, figures, rows, how).write(RECORD)

def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    last = lambda s: s == ASIDE
    p.add_argument('--sets', nargs='+', default=sorted([*SETS, *(f'sample/{s}' for s in SAMPLES)], key=last))
    p.add_argument('--nets', nargs='+', default=['usbook', 'random', 'squeezenet1_0', 'mobilenet_v2'])
    p.add_argument('--ways', nargs='+', default=list(WAYS))
    p.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    p.add_argument('--folds', type=int, default=5)
    a = p.parse_args()
    if not os.environ.get('USBOOK_REALDATA'):
        sys.exit('USBOOK_REALDATA is not set, so there are no real images to judge on')
    a.device = 'cuda' if torch.cuda.is_available() else 'cpu'
    cache = read_settings().path('cache')
    (cache/'judge_recipe').mkdir(parents=True, exist_ok=True)
    for a.name in a.sets:
        m = load(a.name)
        record(judge(a.name, m, a.nets, a.ways, a, cache), {a.name: dict(sha256=m.sha256())}, a)

if __name__ == '__main__': main()
