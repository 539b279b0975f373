"""What the shipped backbone is worth on real images, beside random weights and ImageNet: `make probes` runs this.

It trains a plain head and a plain loop of its own; `judge_recipe.py` judges what users get.

Five sets, patient-grouped cross-validation, three seeds, area under the ROC curve (macro, one class against the rest).
Nothing is tuned here: image size, folds, penalty, rates and epochs are fixed for all networks alike.
Frozen takes minutes, fine-tuned (--finetuned) an hour on two cores; what is done is kept in the cache.
--ablate asks what helped: short pretrainings, each with one thing left out, judged frozen; half an hour on two cores.
"""
import argparse, os, sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from heads import head_of, who
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from usbook.data.manifest import Manifest
from usbook.data.images import load_image
from usbook.phantoms.textures import TEXTURES
from usbook.learn.pretrain import PretextRecipe, make_backbone
from usbook.learn.weights import Weights, backbone, find_weights
from usbook.core.settings import Settings, read_settings
from usbook.runs.record import Record, figures_of_rows

RECORD = Path(__file__).parents[1]/'nbs'/'records'/'backbone_realdata.json'
ABLATION = RECORD.with_name('backbone_ablation.json')
SETS = dict(
    lung_signs=['a_lines', 'b_lines', 'effusion', 'consolidation'],
    head_ct=['no_finding', 'finding'],
    gallbladder=['no_atresia', 'atresia'],
    chest_shenzhen=['normal', 'tuberculosis'],
    breast=['benign', 'malignant'],
)
NETS = dict(random='resnet10t', usbook='resnet10t', squeezenet1_0='squeezenet1_0', mobilenet_v2='mobilenet_v2',
            alexnet_random='alexnet', alexnet='alexnet')
SHIPPED, FROZEN_ONLY = ('usbook', 'alexnet'), ('alexnet_random', 'alexnet')
BESIDE = dict.fromkeys(NETS, ('random', 'usbook')) | dict(alexnet=('alexnet_random', 'usbook')) # differences from these
SIZE, FOLDS, SEEDS, PENALTY = 160, 5, (0, 1, 2), .01
EPOCHS, RATE_BODY, RATE_HEAD, BATCH, FINE_SIZE, FINE_FOLDS = 8, 5e-4, 2e-3, 32, 128, 3
SMALL = dict(gallbladder=64)                           # its images have 60 pixels
SHORT = dict(steps=300, sizes=((0., 64),))             # an eighth of the steps, small images
ABLATIONS = {
    'short': {},
    'textures only': dict(families=TEXTURES),
    'naming only': dict(contrast=0.0),
    'SimCLR only': dict(name_it=0.0),
}

def load(folder, name):
    ("(images (n, SIZE, SIZE) uint8, classes (n,), patients (n,)); rows with other labels are left out, twins are one "
     "patient")
    m = Manifest.open(Path(folder)/name, classes=SETS[name], drop_other=True, same_patient=True)
    x = np.stack([np.asarray(load_image(p, SIZE).convert('L')) for p in m.paths])
    patients = m.patients
    if name == 'head_ct':
        grey = [np.asarray(m.load(i).convert('L')) for i in range(len(m))]
        patients = who(grey, [head_of(a) for a in grey])
    return x, np.asarray(m.targets), np.asarray(patients)

def body_of(net, folder, seed):
    "The network's body and the statistics its images are standardised with"
    w = weights_of(net, folder)
    return backbone(w.arch, w, seed=seed), w

def weights_of(net, folder):
    "Of one of NETS, or of a folder with a resnet10t"
    arch = NETS.get(net, 'resnet10t')
    where = net if net not in NETS else 'auto' if net in SHIPPED else str(Path(folder)/'weights')
    if net.endswith('random'): return Weights(arch, 'random')
    return find_weights(arch, Settings(weights=where, offline=True))

def tensor(x, w):
    x = torch.from_numpy(x)[:, None].expand(-1, 3, -1, -1).float()/255
    return (x - torch.tensor(w.mean).view(1, 3, 1, 1))/torch.tensor(w.std).view(1, 3, 1, 1)

def folds(y, patients, seed, k=FOLDS):
    return StratifiedGroupKFold(k, shuffle=True, random_state=seed).split(y, y, patients)

@torch.inference_mode()
def features(body, w, x):
    return torch.cat([body(tensor(b, w)).mean((2, 3)) for b in np.array_split(x, -(-len(x) // 16))]).numpy()

def frozen(net, folder, x, y, patients, seed):
    "Probabilities of held-out patients: logistic regression on pooled features that never change"
    return probe(features(*body_of(net, folder, seed), x), y, patients, seed)

def probe(f, y, patients, seed, penalty=PENALTY):
    "Probabilities of held-out patients, by logistic regression on features (n, c)"
    out = np.zeros((len(y), y.max() + 1))
    for a, b in folds(y, patients, seed):
        head = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000)).fit(f[a], y[a])
        out[b] = head.predict_proba(f[b])
    return out

def finetuned(net, folder, x, y, patients, seed, device='cpu', size=FINE_SIZE):
    ("Probabilities of held-out patients: the whole network trained on, one cycle, small shifts and brightness as "
     "augmentation")
    out = np.zeros((len(y), y.max() + 1))
    for k, (a, b) in enumerate(folds(y, patients, seed, FINE_FOLDS)):
        body, w = body_of(net, folder, seed)
        g = torch.Generator().manual_seed(1000*seed + k)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000*seed + k)
            with torch.inference_mode(): c = body(torch.zeros(1, 3, 64, 64)).shape[1]
            head = nn.Linear(c, y.max() + 1)
        model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).to(
            device, memory_format=torch.channels_last
        )
        fit(model, small(tensor(x[a], w), size), torch.from_numpy(y[a]).long(), g, device)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            p = [
                model(small(tensor(xb, w), size).to(device)).float().softmax(1).cpu()
                for xb in np.array_split(x[b], -(-len(b) // 64))
            ]
        out[b] = torch.cat(p)
    return out

def small(x, size): return nn.functional.interpolate(x, size=size, mode='bilinear', antialias=True)

def fit(model, x, y, g, device):
    steps = EPOCHS*(len(x)//BATCH)
    opt = torch.optim.AdamW(
        [dict(params=model[0].parameters(), lr=RATE_BODY), dict(params=model[3].parameters(), lr=RATE_HEAD)],
        weight_decay=0.01,
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(opt, [RATE_BODY, RATE_HEAD], total_steps=steps, pct_start=.25)
    model.train()
    for _ in range(EPOCHS):
        for idx in torch.randperm(len(x), generator=g)[:len(x)//BATCH*BATCH].view(-1, BATCH):
            shift = torch.randint(-8, 9, (2,), generator=g).tolist()
            xb = x[idx].roll(shift, (2, 3)) * (0.8 + 0.4 * torch.rand(BATCH, 1, 1, 1, generator=g)) + 0.2 * torch.randn(
                BATCH, 1, 1, 1, generator=g
            )
            with torch.autocast(device, torch.bfloat16): z = model(xb.to(device, memory_format=torch.channels_last))
            opt.zero_grad()
            nn.functional.cross_entropy(z.float(), y[idx].to(device)).backward()
            opt.step()
            cycle.step()
    model.eval()

# Intervals -----------------------------------------------------------------------------------------------------

def auc(y, p):
    "Macro average over classes of the area under the ROC curve, one class against the rest (for two: the second)"
    out = []
    for c in (range(p.shape[1]) if p.shape[1] > 2 else (1,)):
        pos = y == c
        n, m = pos.sum(), (~pos).sum()
        if not n or not m: return np.nan
        out.append((rankdata(p[:, c])[pos].sum() - n*(n+1)/2)/(n*m))
    return float(np.mean(out))

def bootstrap(y, patients, probs, n_boot=1000, seed=0):
    ("probs: net -> (seeds, n, k). Mean over seeds of the AUC, of the sets and of resampled patients: net -> (value, "
     "(n_boot,))")
    who, code = np.unique(patients, return_inverse=True)
    rows = [np.flatnonzero(code == i) for i in range(len(who))]
    g = np.random.default_rng(seed)
    draws = [np.concatenate([rows[i] for i in g.integers(0, len(who), len(who))]) for _ in range(n_boot)]
    mean = lambda p, i: np.mean([auc(y[i], q[i]) for q in p])
    return {net: (mean(p, np.arange(len(y))), np.array([mean(p, i) for i in draws])) for net, p in probs.items()}

def interval(value, values):
    return dict(
        value=round(float(value), 4),
        low=round(float(np.nanpercentile(values, 2.5)), 4),
        high=round(float(np.nanpercentile(values, 97.5)), 4),
    )

# Everything ----------------------------------------------------------------------------------------------------

def probabilities(name, net, mode, seed, folder, data, cache, device):
    "Held-out probabilities, from the cache where they were made before"
    w = weights_of(net, folder)
    file = (
        cache
        / f"{name}-{Path(net).name}-{w.sha256[:8] if w.source != 'random' else 'v1'}-{mode}-{seed}.npy"
    )
    if not file.exists():
        p = (
            frozen(net, folder, *data, seed)
            if mode == 'frozen'
            else finetuned(net, folder, *data, seed, device, SMALL.get(name, FINE_SIZE))
        )
        np.save(file, p)
    return np.load(file)

def resampled(name, nets, mode, folder, data, cache, device='cpu'):
    "`bootstrap` of the held-out probabilities of all seeds; nets: name -> one of NETS, or a folder"
    probs = {
        n: np.stack([probabilities(name, net, mode, s, folder, data, cache, device) for s in SEEDS])
        for n, net in nets.items()
    }
    return bootstrap(data[1], data[2], probs)

def judge(folder, modes=('frozen',), sets=tuple(SETS), nets=tuple(NETS), cache=None, device='cpu', say=print):
    "One row for each set, mode and network"
    cache = Path(cache or read_settings().path('cache')/'judge_backbone'); cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in sets:
        data = load(folder, name)
        for mode in modes:
            mine = [net for net in nets if mode == 'frozen' or net not in FROZEN_ONLY]
            b = resampled(name, {net: net for net in mine}, mode, folder, data, cache, device)
            for net, (v, vs) in b.items():
                row = dict(
                    set=name, mode=mode, net=net, n=len(data[1]), patients=len(set(data[2])), auc=interval(v, vs)
                )
                for other in BESIDE[net]:
                    if other in b and list(NETS).index(net) > list(NETS).index(other):
                        row[f'minus_{other}'] = interval(v - b[other][0], vs - b[other][1])
                rows.append(row); say(*row.values())
    return rows

def record(rows, file=RECORD):
    "Replace what is judged anew, keep the rest"
    old = Record.read(file) if file.exists() else None
    key = lambda r: (r['set'], r['mode'], r['net'])
    kept = [r for r in (old.rows if old else []) if key(r) not in set(map(key, rows))]
    order = lambda r: (list(SETS).index(r['set']), r['mode'] != 'frozen', list(NETS).index(r['net']))
    how = dict(
        metric='AUC, macro one-vs-rest; mean over seeds; 95 % intervals from 1000 draws of patients',
        folds=FOLDS,
        seeds=list(SEEDS),
        image_size=SIZE,
        frozen=f'logistic regression, C={PENALTY}, standardised average-pooled features',
        finetuned=f'{EPOCHS} epochs, one cycle, AdamW, rates {RATE_BODY} body and {RATE_HEAD} head, batch {BATCH}, '
                  f'{FINE_SIZE} px (gallbladder {SMALL["gallbladder"]}), {FINE_FOLDS} folds',
    )
    data = (old.data if old else {}) | data_of(dict.fromkeys(r['set'] for r in rows))
    rows = sorted(kept + rows, key=order)
    Record('make probes FINETUNED=yes', data, figures_of_rows(rows, 'set', ('net', 'mode')), rows, how).write(file)

def data_of(sets):
    "The sets, each by the hash of its images and its table"
    folder = Path(os.environ['USBOOK_REALDATA'])
    return {
        k: dict(sha256=Manifest.open(folder / k, classes=SETS[k], drop_other=True, same_patient=True).sha256())
        for k in sets
    }

# What helped -----------------------------------------------------------------------------------------------------

def ablate(folder, cache=None, file=ABLATION, say=print):
    "Short pretrainings, each with one thing left out; mean over seeds of the frozen AUC on each set"
    cache, rows = Path(cache or read_settings().path('cache')), []
    nets = {'as shipped': 'usbook'}
    for name, left_out in ABLATIONS.items():
        to = cache/'backbone'/f'ablation_{name.replace(" ", "_")}'
        nets[name] = str(
            make_backbone(replace(PretextRecipe(), **SHORT, **left_out), cache / 'backbone', to, say=say).parent
        )
    for name in SETS:
        b = resampled(name, nets, 'frozen', folder, load(folder, name), cache/'judge_backbone')
        first = b['short']
        for n, (v, vs) in b.items():
            rows.append(
                dict(set=name, net=n, auc=interval(v, vs))
                | ({} if n == 'short' else dict(minus_short=interval(v - first[0], vs - first[1])))
            )
            say(*rows[-1].values())
    how = (f"{SHORT['steps']} steps of {2 * PretextRecipe().pairs} images at {SHORT['sizes'][0][1]} px; judged as the "
           f"frozen rows of {RECORD.name}")
    Record('make ablation', data_of(SETS), figures_of_rows(rows, 'set', ('net',)), rows, dict(how=how)).write(file)

if __name__ == '__main__':
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument('--finetuned', action='store_true')
    a.add_argument('--ablate', action='store_true')
    a.add_argument('--nets', nargs='+', default=list(NETS))
    a.add_argument('--sets', nargs='+', default=list(SETS))
    a = a.parse_args()
    folder = os.environ.get('USBOOK_REALDATA')
    if not folder: sys.exit('USBOOK_REALDATA is not set, so there are no real images to judge the backbone on')
    if a.ablate: sys.exit(ablate(folder))
    record(
        judge(
            folder,
            ('frozen', 'finetuned') if a.finetuned else ('frozen',),
            a.sets,
            a.nets,
            device='cuda' if torch.cuda.is_available() else 'cpu',
        )
    )
