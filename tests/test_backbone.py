"""The backbone that comes with usbook: its file, its random numbers, its training."""
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from usbook.learn import pretrain as B
from usbook.phantoms import textures as T
from usbook.learn.weights import backbone, find_weights
from usbook.phantoms.nuisance import rng
from usbook.core.errors import BadInput
from usbook.core.settings import Settings, read_settings
from usbook.runs.record import Record

TINY = B.PretextRecipe(categories=26, pool_size=48, pairs=8, steps=4, sizes=((0., 32), (.5, 48)))
AUTO = Settings(weights='auto', offline=True)

@pytest.fixture(scope='module')
def pool(tmp_path_factory): return B.make_pool(TINY, tmp_path_factory.mktemp('pool'), workers=1)

# Random numbers ----------------------------------------------------------------------------------------------

def seeds_in_use():
    "The seed of the settings and of every sample"
    samples = pytest.importorskip('usbook.phantoms.samples', reason='the samples are not there yet')
    found = [read_settings().seed]
    def look(v):
        if isinstance(v, dict):
            for k, w in v.items(): found.append(int(w)) if k == 'seed' else look(w)
        elif hasattr(v, 'seed'): found.append(int(v.seed))
        elif hasattr(v, '__dict__'): look(vars(v))
    look(samples.SAMPLES)
    return found

def first_word(seed): return np.random.SeedSequence([seed, 1]).entropy[0] % 2**32

def test_no_sample_uses_the_pretext_s_seed_space():
    found = seeds_in_use()
    assert len(found) > 5 and all(first_word(s) != T.SPACE for s in found)

def test_streams_differ_wherever_the_first_word_differs():
    "Phantoms seed with [seed, words]; the pretext with [SPACE, words]: equal words give unequal numbers"
    for seed in (0, 1, 2, 7, 42, 2026):
        for words in ((0, 0), (1, 5), (2, 3, 1)):
            assert not np.array_equal(rng(seed, *words).random(4), T.pretext_rng(*words).random(4))
    np.testing.assert_array_equal(
        rng(T.SPACE, 1, 5).random(4), T.pretext_rng(1, 5).random(4)
    )  # only that seed would meet it
    assert 2**31 < T.SPACE < 2**32

# Images ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('k,family', list(enumerate(T.FAMILIES)))
def test_every_family_draws(k, family):
    images = [T.draw_texture(k + len(T.FAMILIES)*c, i, 48) for c in range(6) for i in (0, 1)]
    assert all(im.shape == (48, 48) and im.dtype == np.uint8 for im in images)
    assert all(im.std() > 1 for im in images), 'an empty picture'
    np.testing.assert_array_equal(images[1], T.draw_texture(k, 1, 48))

def test_pool_does_not_depend_on_workers(pool, tmp_path):
    np.testing.assert_array_equal(pool, B.make_pool(TINY, tmp_path, workers=2))

# Training ----------------------------------------------------------------------------------------------------

def test_resumed_training_is_the_same(pool, tmp_path):
    quiet = dict(say=lambda *_: None, log_every=1)
    whole = B.pretrain(B.Trainer(TINY, pool), tmp_path/'whole.pt', **quiet)
    B.pretrain(B.Trainer(TINY, pool), tmp_path/'parts.pt', stop=2, **quiet)
    parts = B.pretrain(B.Trainer(TINY, pool), tmp_path/'parts.pt', **quiet)
    a, b = whole.mean_net.state_dict(), parts.mean_net.state_dict()
    assert whole.step == parts.step == 4 and all(torch.equal(a[k], b[k]) for k in a)
    without_time = lambda log: [{k: v for k, v in row.items() if k != 'seconds'} for row in log]
    assert without_time(whole.log) == without_time(parts.log)

def test_checkpoint_of_another_recipe_or_damaged_is_refused(pool, tmp_path):
    B.pretrain(B.Trainer(TINY, pool), f := tmp_path/'c.pt', stop=1, say=lambda *_: None)
    with pytest.raises(BadInput, match='another recipe'): B.pretrain(B.Trainer(replace(TINY, lr=1e-3), pool), f)
    f.write_bytes(f.read_bytes()[:1000])
    with pytest.raises(BadInput, match='start anew'): B.pretrain(B.Trainer(TINY, pool), f)

def test_shipping_replaces_the_file_before(pool, tmp_path):
    t = B.Trainer(TINY, pool)
    t.train_step(); t.log = [dict(simclr=1., family=.5, parameters=.1)]
    first = B.ship(t, tmp_path)
    t.train_step(); second = B.ship(t, tmp_path)
    assert first != second and not first.exists()
    w = find_weights('resnet10t', Settings(weights=str(tmp_path), offline=True))
    assert w.path == second and w.mean == (t.mean,)*3 and second.stat().st_size < 12e6

def test_torchvisions_networks_learn_too(pool, tmp_path):
    "AlexNet without its layers for classes; what is written goes back into torchvision's network"
    t = B.Trainer(replace(TINY, arch='alexnet', sizes=((0., 64),)), pool)
    before = t.model.net.features[0].weight.detach().clone()
    t.train_step(); t.log = [dict(simclr=1., family=.5, parameters=.1)]
    assert not torch.equal(before, t.model.net.features[0].weight)
    w = find_weights('alexnet', Settings(weights=str(B.ship(t, tmp_path).parent), offline=True))
    kept = t.mean_net.module.features[0].weight.half().float()
    torch.testing.assert_close(next(backbone('alexnet', w).parameters()), kept)

# What is shipped ---------------------------------------------------------------------------------------------

@pytest.fixture(scope='module', params=['resnet10t', 'alexnet'])
def shipped(request): return find_weights(request.param, AUTO)

def test_shipped_file_is_found_offline_with_its_own_statistics(shipped):
    assert shipped.source == 'shipped' and shipped.path.stat().st_size < 12e6
    assert len(set(shipped.mean)) == len(set(shipped.std)) == 1, 'grey: three equal channels'
    assert 0 < shipped.mean[0] < 1 and 0 < shipped.std[0] < 1

def test_card_says_what_it_must(shipped):
    c = json.loads((shipped.path.parent/f'{shipped.arch}.json').read_text(encoding='utf-8'))
    assert c['sha256'] == shipped.sha256 and c['file'] == shipped.name and c['recipe']['families']
    for key in ('mean', 'std', 'made', 'data', 'seeds', 'command', 'good_for', 'not_good_for', 'metrics', 'trained'):
        assert c[key], key

def test_gradients_reach_the_last_feature_map(shipped):
    "What Grad-CAM needs: a map with places, and a gradient in it"
    body = backbone(shipped.arch, shipped)
    x = torch.tensor(T.draw_texture(10, 0, 96)/255, dtype=torch.float32).expand(2, 3, 96, 96)
    f = body(x); f.retain_grad()
    (f.mean((2, 3)) @ torch.randn(f.shape[1], generator=torch.Generator().manual_seed(0))).sum().backward()
    assert f.shape[2] > 1 and f.grad.abs().sum() > 0 and torch.isfinite(f).all()

# What the notebook says of real images -----------------------------------------------------------------------

RECORDS = Path(__file__).parents[1]/'nbs'/'records'

def test_the_recorded_figures_bear_the_text():
    rows = Record.read(RECORDS/'backbone_realdata.json').rows
    clear = lambda d: (d['low'] > 0) - (d['high'] < 0)
    of = lambda net, mode, what: {r['set']: r[what] for r in rows if (r['net'], r['mode']) == (net, mode)}
    for mode, least in dict(frozen=3, finetuned=5).items():
        gain = of('usbook', mode, 'minus_random')
        assert (
            len(gain) == 5
            and all(d['value'] > 0 for d in gain.values())
            and sum(clear(d) > 0 for d in gain.values()) == least
        )
    said = {
        ('mobilenet_v2', 'finetuned'): dict(breast=1, gallbladder=-1),
        ('mobilenet_v2', 'frozen'): {},
        ('squeezenet1_0', 'frozen'): dict(lung_signs=1, head_ct=-1),
        ('squeezenet1_0', 'finetuned'): dict(head_ct=-1, gallbladder=-1, chest_shenzhen=-1),
    }
    for k, better in said.items():
        assert {s: clear(d) for s, d in of(*k, 'minus_usbook').items() if clear(d)} == better, k

def test_the_recorded_ablation_bears_the_text():
    rows = [r for r in Record.read(RECORDS/'backbone_ablation.json').rows if 'minus_short' in r]
    clear = {(r['net'], r['set']) for r in rows if not r['minus_short']['low'] < 0 < r['minus_short']['high']}
    assert len(rows) == 20 and clear == {('as shipped', 'head_ct'), ('as shipped', 'gallbladder')}


def test_what_else_was_tried_bears_the_text():
    rows = Record.read(RECORDS/'backbone_objectives.json').rows
    less = {(r['set'], r['net']): r['minus_short'] for r in rows if 'minus_short' in r}
    mean = {net: d for (name, net), d in less.items() if name == 'mean'}
    assert len(mean) == 5 and all(d['low'] < 0 for d in mean.values())
    assert [net for net, d in mean.items() if d['high'] < 0] == ['supervised contrast']
    clear = {k for k, d in less.items() if not d['low'] < 0 < d['high']}
    assert clear == {('mean', 'supervised contrast'), ('breast', 'self-distillation')}
