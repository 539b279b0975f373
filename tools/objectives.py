"""Would another objective, or other images, make a better backbone? `make objectives` runs this, an hour on one
core; what is made is kept in the cache.

Short pretrainings of equal budget, each with one thing changed, judged frozen as `judge_backbone.py` judges. Declared
before anything ran: two sets are looked at, those where the shipped backbone is weakest (`LOOKED_AT`). Whatever is
better there than `short`, the mean of the two with its interval above zero, is made in full and asked on the others;
it is shipped where their mean is better in the same way and none is clearly worse.
"""
import copy
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from judge_backbone import RECORD, SHORT, data_of, interval, load, resampled
from scipy import ndimage
from scipy.special import expit
from torch import nn

from usbook.core.settings import read_settings
from usbook.learn.pretrain import PretextRecipe, Trainer, losses, make_pool, pretrain, ship
from usbook.phantoms import textures as t
from usbook.runs.record import Record, figures_of_rows

OBJECTIVES = RECORD.with_name('backbone_objectives.json')
LOOKED_AT = ('lung_signs', 'breast')
PROTOTYPES, WARM, COLD, MOMENTUM, CENTRE = 1024, .1, .04, .99, .9   # of Caron 2021, section 3
MASKED, PATCH = .5, 8                                               # share of the view, side of a patch in pixels


class SupervisedContrast(Trainer):
    "Partners are all views of one family, not of one category (Khosla 2020, arXiv 2004.11362, equation 2)"
    def agree(self, z, family):
        z = F.normalize(z, dim=1)
        own = torch.eye(len(z), dtype=torch.bool)
        scores = (z @ z.T/self.recipe.temperature).masked_fill(own, -torch.inf)
        partner = (family[:, None] == family[None]) & ~own
        logs = F.log_softmax(scores, 1).masked_fill(~partner, 0.)
        return -(logs.sum(1)/partner.sum(1)).mean()

    def train_step(self):
        x, family, u = begin(self)
        with torch.autocast('cpu', torch.bfloat16):
            (named, log), z = asked(self, x, family, u)
            loss = named + self.agree(z, family)
        return finish(self, loss, log, x)


class SelfDistillation(Trainer):
    "A student says what its own running mean says of the partner view (DINO: Caron 2021, arXiv 2104.14294)"
    masks = False

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        c = self.model.family.in_features
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            self.model.project = nn.Sequential(nn.Linear(c, c), nn.BatchNorm1d(c), nn.GELU(), nn.Linear(c, 256),
                                               Prototypes(256, PROTOTYPES, bias=False))
        self.teacher = copy.deepcopy(self.model).requires_grad_(False)
        self.centre = torch.zeros(PROTOTYPES)
        self.opt = torch.optim.AdamW(self.model.parameters(), lr=self.recipe.lr, weight_decay=self.recipe.decay)

    @torch.no_grad()
    def targets(self, x):
        "What the teacher says, centred and sharpened; the centre and the teacher follow"
        with torch.autocast('cpu', torch.bfloat16): z = said(self.teacher, x)
        out = ((z.float() - self.centre)/COLD).softmax(1)
        self.centre = CENTRE*self.centre + (1 - CENTRE)*z.float().mean(0)
        for a, b in zip(self.teacher.state_dict().values(), self.model.state_dict().values()):
            if a.is_floating_point(): a.lerp_(b, 1 - MOMENTUM)
        return out

    def train_step(self):
        x, family, u = begin(self)
        wanted, k = self.targets(x), len(x)//2
        with torch.autocast('cpu', torch.bfloat16):
            (named, log), z = asked(self, hidden(x, self.step) if self.masks else x, family, u)
            logs = (z.float()/WARM).log_softmax(1)
            if self.masks: wanted = (wanted + wanted.roll(k, 0))/2
            else: wanted = wanted.roll(k, 0)
            loss = named - (wanted*logs).sum(1).mean()
        return finish(self, loss, log, x)


class MaskedSelfDistillation(SelfDistillation):
    "The same, and half of the student's view is hidden (MSN: Assran 2022, arXiv 2204.07141)"
    masks = True


class Prototypes(nn.Linear):
    "Cosines with vectors that are learned"
    def forward(self, x): return F.linear(F.normalize(x.float(), dim=1), F.normalize(self.weight, dim=1))


def hidden(x, step):
    "Views with half of their patches at the mean grey"
    side = x.shape[-1]//PATCH
    seen = t.pretext_rng(4, step).random((len(x), 1, side, side)) >= MASKED
    return x*torch.tensor(seen, dtype=x.dtype).repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)


def said(model, x):
    "Projections of views"
    return model(x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last))[3]


def asked(trainer, x, family, u):
    "The supervised losses as they ship, and the projections of the same pass"
    kept = []
    hook = trainer.model.project.register_forward_hook(lambda *a: kept.append(a[2]))
    found = losses(trainer.model, x, family, u, replace(trainer.recipe, contrast=0.))
    hook.remove()
    return found, kept[0].float()


def begin(trainer):
    for g in trainer.opt.param_groups: g['lr'] = trainer.rate(trainer.step + 1)
    trainer.model.train()
    return trainer.batch(trainer.step)


def finish(trainer, loss, log, x):
    trainer.opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(trainer.model.parameters(), 5.)
    trainer.opt.step()
    trainer.mean_net.update_parameters(trainer.model.net)
    trainer.step += 1
    return log | dict(loss=loss.detach()), x.shape[-1]

# More families: what ultrasound shows, and `sonogram` doesn't -------------------------------------------------------

def _fanned(z, u, n):
    "On the beams of a fan, or of a linear probe"
    if u[20] < .25: return z
    where, inside = t._fan(n, round(t._lin(u[20], .15, .75), 2), round(t._log(u[21], .15, .8), 1))
    return ndimage.map_coordinates(z, where, order=1, mode='nearest')*inside

def _seen(db, u, g, n):
    "Echo strength in dB as an image with speckle"
    e = t._speckle(g, (n, n), t._log(u[12], .5, 1.4), t._log(u[13], .7, 3), 10**(db/20))
    return _fanned(t._decibel(e + 10**(t._lin(u[14], -60, -35)/20), t._lin(u[15], 40, 70), t._lin(u[17], 8, 30)), u, n)

def _plane(n): return np.linspace(0, 1, n, dtype=np.float32)[:, None], np.linspace(-1, 1, n, dtype=np.float32)[None]

def beams(u, g, n):
    "A bright line, its echoes at equal distances, and streaks that fall from it: depth, echoes, streaks, their width"
    z, b = _plane(n)
    top = t._lin(u[0], .1, .4) + t._lin(u[5], 0, .03)*t._bumps(g, n, .2)[:1]
    db = 4*t._bumps(g, n, t._log(u[6], .06, .4)) - t._lin(u[7], 0, 30)*z - 20*(z > top)
    for k in range(1, 2 + int(u[1]*5)): db = np.logaddexp2(db, 26 - t._lin(u[8], 3, 9)*k - ((z - k*top)/.008)**2)
    for _ in range(int(u[2]*9)):
        wide = t._log(u[3], .01, .12)*t._log(g.random(), .6, 1.6)
        streak = 22 - t._lin(u[9], 0, 14)*(z - top) - 12*((b - g.uniform(-1, 1))/wide)**2
        db = np.logaddexp2(db, np.where(z > top, np.maximum(streak, -60), -60))
    return _seen(db, u, g, n)

def cavities(u, g, n):
    "Fluid with walls, debris and septa, and brighter tissue behind: size, debris, septa, enhancement"
    z, b = _plane(n)
    y, x, r = g.uniform(.3, .65), g.uniform(-.5, .5), t._log(u[0], .1, .4)
    out = np.hypot((z - y)*1.3, (b - x)*t._log(u[5], .5, 1.4))/r - 1 - .2*t._bumps(g, n, .15)
    db = 4*t._bumps(g, n, t._log(u[6], .06, .4)) - t._lin(u[7], 0, 25)*z
    inside = expit(-out*40)
    layer = t._lin(u[1], -34, -6) + 6*t._bumps(g, n, .04) + 14*expit((z - y - r*.4)*40)*(u[8] > .6)
    db = db + inside*layer + t._lin(u[3], 0, 14)*(np.abs(b - x) < r)*expit((z - y - r*.6)*30)
    for _ in range(int(u[2]*5)):
        wall = np.abs(z - y - g.normal(0, .4)*r - g.normal(0, 1)*(b - x) - .03*t._bumps(g, n, .2))
        db = np.logaddexp2(db, np.where(inside > .5, 14 - (wall/.008)**2, -60))
    return _seen(np.logaddexp2(db, 12 - (out/.06)**2), u, g, n)

def lesions(u, g, n):
    "An island with a rough edge in layered tissue, with a halo and a shadow: size, roughness, contrast, shadow"
    z, b = _plane(n)
    y, x, r = g.uniform(.3, .6), g.uniform(-.6, .6), t._log(u[0], .06, .3)
    db = t._lin(u[5], 1, 6)*t._bumps(g, n, t._log(u[6], .06, .4)) - t._lin(u[7], 0, 25)*z
    for k in range(int(u[8]*6)):
        at = g.uniform(0, 1) + .05*t._bumps(g, n, .3)
        db = np.logaddexp2(db, t._lin(u[9], 4, 14) - ((z - at)/.012)**2)
    angle = np.arctan2((z - y)*1.2, b - x)
    rough = t._lin(u[1], 0, .35)*np.sin(int(3 + u[10]*14)*angle + g.uniform(0, 6)) + .2*t._bumps(g, n, .1)
    out = np.hypot((z - y)*t._lin(u[11], .8, 2), b - x)/r - 1 - rough
    db = db + t._lin(u[2], -28, 8)*expit(-out*t._lin(u[16], 4, 40)) + t._lin(u[18], 0, 8)*np.exp(-(out/.3)**2)
    return _seen(db + t._lin(u[3], -24, 10)*expit((r - np.abs(b - x))*40)*expit((z - y)*30), u, g, n)

MORE = dict(beams=(beams, ('depth', 'echoes', 'streaks', 'width')),
            cavities=(cavities, ('size', 'debris', 'septa', 'enhancement')),
            lesions=(lesions, ('size', 'roughness', 'contrast', 'shadow')))
t.FAMILIES.update(MORE)   # `PretextRecipe` was made before, so its default families are those that ship

# Everything ----------------------------------------------------------------------------------------------------

TRIED = {
    'short': (Trainer, {}),
    'supervised contrast': (SupervisedContrast, {}),
    'self-distillation': (SelfDistillation, {}),
    'masked self-distillation': (MaskedSelfDistillation, {}),
    'more families': (Trainer, dict(families=(*PretextRecipe().families, *MORE))),
    'larger images': (Trainer, dict(sizes=((0., 96),))),
}

def made(name, cache, say):
    "The folder with the network of one trial"
    kind, change = TRIED[name]
    recipe, folder = replace(PretextRecipe(), **SHORT | change), cache/'backbone'
    to = folder/f'tried_{name.replace(" ", "_")}'
    if not list(to.glob('*.safetensors')):
        trainer = kind(recipe, make_pool(recipe, folder, say=say))
        ship(pretrain(trainer, to.with_suffix('.pt'), every=10**9, say=say), to)
    return str(to)

def compared(name, nets, folder, cache, say):
    "Rows of one set, and the draws of all its networks"
    b = resampled(name, nets, 'frozen', folder, load(folder, name), cache/'judge_backbone')
    first, rows = b['short'], []
    for n, (v, vs) in b.items():
        more = {} if n == 'short' else dict(minus_short=interval(v - first[0], vs - first[1]))
        rows.append(dict(set=name, net=n, auc=interval(v, vs)) | more)
        say(*rows[-1].values())
    return rows, b

def mean_of(found, nets):
    "Rows of the mean over the sets; sets are drawn independently"
    mean = {n: [np.mean([b[n][k] for b in found], 0) for k in (0, 1)] for n in nets}
    first = mean['short']
    return [dict(set='mean', net=n, auc=interval(*m))
            | ({} if n == 'short' else dict(minus_short=interval(m[0] - first[0], m[1] - first[1])))
            for n, m in mean.items()]

def main(folder, say=print):
    cache = Path(read_settings().path('cache'))
    (cache/'judge_backbone').mkdir(parents=True, exist_ok=True)
    nets, rows, found = {n: made(n, cache, say) for n in TRIED}, [], []
    for name in LOOKED_AT:
        r, b = compared(name, nets, folder, cache, say)
        rows, found = rows + r, found + [b]
    rows += mean_of(found, nets)
    how = (f"{SHORT['steps']} steps of {2*PretextRecipe().pairs} images at {SHORT['sizes'][0][1]} px ('larger images': "
           f"96 px); judged as the frozen rows of {RECORD.name}, on two sets that were named before")
    Record('make objectives', data_of(LOOKED_AT), figures_of_rows(rows, 'set', ('net',)), rows, dict(how=how)).write(
        OBJECTIVES)

if __name__ == '__main__':
    if not os.environ.get('USBOOK_REALDATA'): sys.exit('USBOOK_REALDATA names no folder with real images')
    main(os.environ['USBOOK_REALDATA'])
