"""The detector learns, stays frozen where it should, and its marks are merged, linked and rescored as said."""
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.models.detection import fcos_resnet50_fpn

from usbook.data.clips import Clips
from usbook.data.split import split_by_patient
from usbook.learn import detect
from usbook.learn.recipe import DetectRecipe, Job
from usbook.learn.detect import (
    Frames,
    Batches,
    clip_augmentation,
    find_marks,
    as_detections,
    detector,
    is_lesion,
    link,
    linked,
    merge_places,
    score_tracks,
    track_features,
    train_detector,
    train_temporal,
    usual_boxes,
)
from usbook.learn.fits import fit_inputs, fit_key, stored_fit
from usbook.learn.weights import Weights, backbone
from usbook.core.errors import BadInput
from usbook.core.settings import Settings

RECIPE = DetectRecipe(size=64, epochs=3, every=2, channels=32, convs=1, views=2)
SETTINGS = Settings(weights='random', device='cpu')
COLUMNS = ['scan', 'frame', 'x', 'y', 'w', 'h', 'score']


def toy(n=16, frames=10, size=64, seed=0):
    "Dark discs that stay, in two clips of three"
    rng, rows, boxes, kept = np.random.default_rng(seed), [], [], {}
    y, x = np.mgrid[:size, :size]
    for i in range(n):
        a = rng.normal(130, 20, (frames, size, size))
        cx, cy, r = *rng.uniform(16, size - 16, 2), rng.uniform(8, 12)
        if i % 3:
            a[1:9] -= 90*(((x - cx)/r)**2 + ((y - cy)/r)**2 < 1)
            boxes += [(f'c{i}', k, '1', cx - r, cy - r, 2*r, 2*r) for k in range(1, 9)]
        kept[f'c{i}'] = np.uint8(a.clip(0, 255))
        rows.append(
            dict(
                image=f'c{i}', patient=f'P{i // 2}', label='mass' if i % 3 else 'no_mass', scan=f'c{i}', n_frames=frames
            )
        )
    return Clips(
        pd.DataFrame(rows),
        '.',
        ['mass', 'no_mass'],
        lesions=pd.DataFrame(boxes, columns=['scan', 'frame', 'lesion', 'x', 'y', 'w', 'h']),
        kept=kept,
    )


@pytest.fixture(scope='module')
def clips(): return split_by_patient(toy(), (.5, .25, .25))


@pytest.fixture(scope='module')
def frozen(clips): return train_detector(clips, Job(RECIPE, 'frozen', settings=SETTINGS, seed=0, progress=False))


def test_a_stored_detector_is_read_as_it_was(clips, tmp_path):
    job = Job(RECIPE, 'frozen', settings=replace(SETTINGS, cache=str(tmp_path)), seed=0, progress=False)
    first, again = stored_fit(clips, job, n_frames=1), stored_fit(clips, job, n_frames=1)
    for split in ('valid', 'test'):
        found = find_marks(again.learner, again.frames, split)
        for marks in (again.marks[split], found): pd.testing.assert_frame_equal(marks, first.marks[split])
    pd.testing.assert_frame_equal(first.history, again.history, check_exact=True)
    assert again.notes[0].startswith('trained before') and again.key == first.key and again.frozen['moved'] == 0
    assert list(again.meta) == list(first.meta) and again.marks['test'].dtypes.equals(first.marks['test'].dtypes)
    a, b = fit_inputs(clips, job, n_frames=1), fit_inputs(clips, job, n_frames=3)
    moved = replace(clips, lesions=clips.lesions.assign(x=clips.lesions.x + 1))
    assert fit_key(a) == first.key != fit_key(b) and fit_inputs(moved, job)['images'] != a['images']


# The network -----------------------------------------------------------------------------------------------

def test_full_size_network_is_torchvisions_own():
    recipe = DetectRecipe('resnet50', channels=256, convs=4, levels=5)
    net = detector(recipe, Weights('resnet50', 'random', 'random'), (128, 128)).net
    theirs = fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2)
    def shapes(m): return sorted(tuple(p.shape) for p in m.parameters())
    assert shapes(net.head) == shapes(theirs.head) and shapes(net.backbone.fpn) == shapes(theirs.backbone.fpn)


@pytest.mark.parametrize('arch,n', [('resnet10t', 3), ('resnet18', 3), ('squeezenet1_0', 2)])
def test_maps_are_taken_at_strides_of_8_16_32(arch, n):
    net = detector(replace(RECIPE, arch=arch), Weights(arch, 'random', 'random'), (64, 80))
    maps = net.net.backbone.maps(torch.zeros(1, 3, 64, 80, dtype=torch.uint8))
    assert len(maps) == n and abs(maps['0'].shape[-2] - 8) <= 1


def test_same_start_in_both_modes_and_another_seed_another_head():
    w = Weights('resnet10t', 'random', 'random')
    a, b, c = (detector(RECIPE, w, (64, 64), s).net.head.state_dict() for s in (0, 0, 1))
    assert all(torch.equal(a[k], b[k]) for k in a) and not all(torch.equal(a[k], c[k]) for k in a)


# Frames ----------------------------------------------------------------------------------------------------

def test_frames_keep_the_aspect_and_boxes_go_along():
    kept = {'a': np.zeros((2, 100, 200), 'uint8'), 'b': np.zeros((2, 200, 100), 'uint8')}
    t = pd.DataFrame(dict(image=['a', 'b'], patient=['1', '2'], label='mass', scan=['a', 'b'], n_frames=2))
    boxes = pd.DataFrame([('a', 0, '1', 20., 40., 60., 20.)], columns=['scan', 'frame', 'lesion', 'x', 'y', 'w', 'h'])
    f = Frames(Clips(t, '.', ['mass', 'no_mass'], lesions=boxes, kept=kept), RECIPE)
    assert f.canvas == (64, 64) and f.shape == dict(a=(32, 64), b=(64, 32))
    assert f.boxes('a', 0).tolist() == [pytest.approx([6.4, 12.8, 25.6, 19.2])] and not len(f.boxes('a', 1))


def test_three_frames_as_channels(clips):
    f = Frames(clips, RECIPE)
    assert torch.equal(f.look('c1', 5, 3), f.clip('c1')[[2, 5, 8]]) and torch.equal(
        f.look('c1', 0, 3), f.clip('c1')[[0, 0, 3]]
    )
    assert torch.equal(f.look('c1', 5), f.clip('c1')[[5, 5, 5]])


def test_augmented_boxes_stay_on_the_disc(clips):
    f = Frames(clips, RECIPE)
    torch.manual_seed(0)
    x, y = Batches(f, 1, clip_augmentation(RECIPE))([('c1', 4)]*40)
    inside = [im[0, int(t):int(b), int(l):int(r)].float().mean() for im, bs in zip(x, y) for l, t, r, b in bs if r > l]
    assert len(inside) > 25 and np.mean(inside) < 85


# Training --------------------------------------------------------------------------------------------------

def test_frozen_stays_and_finetuned_moves(clips, frozen):
    body = backbone('resnet10t', frozen.weights, 0).state_dict()
    assert frozen.frozen['moved'] == 0 and frozen.frozen['buffers'] > 0
    now = {
        k.replace('net.backbone.body.', ''): v for k, v in frozen.learner.model.state_dict().items() if '.body.' in k
    }
    assert all(torch.equal(v, body[f'model.{k}']) for k, v in now.items())
    tuned = train_detector(
        clips, Job(replace(RECIPE, epochs=1), 'finetuned', settings=SETTINGS, seed=0, progress=False), splits=()
    )
    assert tuned.frozen is None and len(tuned.history) == 1 and tuned.meta['split'] == frozen.meta['split']
    now = {k.replace('net.backbone.body.', ''): v for k, v in tuned.learner.model.state_dict().items() if '.body.' in k}
    assert sum(not torch.equal(v, body[f'model.{k}']) for k, v in now.items()) > .8*len(now)


def test_every_place_begins_with_the_usual_box(clips):
    "A ReLU gives no gradient below 0: half of the edges began there, and with an unlucky seed no box was ever placed"
    frames, w = Frames(clips, RECIPE), Weights('resnet10t', 'random', 'random')
    x, _ = Batches(frames)(frames.items('train')[:4])
    def edges(net):
        with torch.no_grad(): return net.net.head(list(net.net.backbone(x).values()))['bbox_regression']
    net = detector(RECIPE, w, frames.canvas)
    assert (edges(net) == 0).float().mean() > .3
    mine = clips.lesions[clips.lesions.scan.isin(clips.subset('train').table.scan)]
    assert edges(usual_boxes(net, frames)).mean().item()*8 == pytest.approx(mine.w.median()/2, rel=.1)
    assert (edges(net) > 0).all()


def test_large_masses_begin_in_the_unit_of_their_own_level():
    kept = dict(a=np.zeros((1, 512, 512), 'uint8'))
    t = pd.DataFrame(dict(image=['a'], patient='1', label='mass', scan='a', n_frames=1, split='train'))
    boxes = pd.DataFrame([('a', 0, '1', 0., 0., 320., 320.)], columns=['scan', 'frame', 'lesion', 'x', 'y', 'w', 'h'])
    clip, w = Clips(t, '.', ['mass', 'no_mass'], lesions=boxes, kept=kept), Weights('resnet10t', 'random', 'random')
    for levels, unit in ((1, 8), (5, 32)):
        r = replace(RECIPE, size=512, levels=levels)
        net = usual_boxes(detector(r, w, (512, 512)), Frames(clip, r))
        assert net.net.head.regression_head.bbox_reg.bias.tolist() == [pytest.approx(160/unit)]*4


@pytest.fixture(scope='module')
def pretrained(): return Settings(weights='auto', device='cpu', offline=True)


def test_finetuning_begins_where_the_frozen_mode_ends(clips, pretrained):
    frozen, tuned = (train_detector(clips, Job(RECIPE, mode, settings=pretrained, seed=0, progress=False), splits=())
                     for mode in ('frozen', 'finetuned'))
    assert tuned.weights.pretrained and len(tuned.history) == RECIPE.epochs == len(frozen.history)
    assert tuned.history.iloc[0].tolist() == frozen.history.iloc[-1].tolist()
    body = backbone('resnet10t', tuned.weights, 0).state_dict()
    now = {k.split('.body.')[1]: v for k, v in tuned.learner.model.state_dict().items() if '.body.' in k}
    assert sum(not torch.equal(v, body[f'model.{k}']) for k, v in now.items()) > .8*len(now)


def test_a_finetuning_that_diverges_leaves_the_frozen_detector(clips, pretrained):
    r = replace(RECIPE, epochs=2)
    frozen = train_detector(clips, Job(r, 'frozen', settings=pretrained, seed=0, progress=False))
    def wild(net, frames, job, *rest):
        learn = all_layers(net, frames, job, *rest)
        fit = learn.fit_one_cycle
        learn.fit_one_cycle = lambda epochs, lr: fit(epochs, 1e3)
        return learn
    with pytest.MonkeyPatch.context() as p:
        all_layers = detect._all_layers
        p.setattr(detect, '_all_layers', wild)
        tuned = train_detector(clips, Job(r, 'finetuned', settings=pretrained, seed=0, progress=False))
    assert re.search(r'given up in epoch 1: .* smaller lr than 0.001', tuned.notes[0])
    a, b = (f.learner.model.state_dict() for f in (frozen, tuned))
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize('mode', ('frozen', 'finetuned'))
def test_progress_never_goes_back(clips, pretrained, mode):
    seen = []
    say = lambda text, fraction=None: seen.append(fraction)
    train_detector(clips, Job(replace(RECIPE, epochs=2), mode, settings=pretrained, seed=0, progress=say))
    assert seen == sorted(seen) and seen[-1] == 1


def test_it_learns_in_a_few_epochs(clips):
    fit = train_detector(
        clips, Job(replace(RECIPE, epochs=8, lr=3e-3), 'finetuned', settings=SETTINGS, seed=0, progress=False)
    )
    assert fit.history.train_loss.iloc[-1] < .7*fit.history.train_loss.iloc[0]
    t = linked(fit.marks['test'])
    best = t.sort_values('score', ascending=False).drop_duplicates(['scan'])
    ill = best[best.scan.isin(clips.boxes().scan)]
    hit = is_lesion(t, pd.MultiIndex.from_frame(ill[['scan', 'track']]), clips.boxes())
    assert hit.mean() > .5
    temporal = train_temporal(fit, epochs=3)
    assert temporal is None or set(temporal.valid.scan) <= set(clips.subset('valid').table.scan)


def test_marks_lie_in_the_frame_and_make_a_table(clips, frozen):
    t = frozen.marks['test']
    assert (
        list(t) == COLUMNS
        and (t[['x', 'y']] >= 0).all(axis=None)
        and (t.x + t.w).max() <= 64.1
        and t.score.between(0.02, 1).all()
    )
    assert t.groupby(['scan', 'frame']).size().max() <= RECIPE.marks
    assert as_detections(clips, 'test', merge_places(t)).scans.n_frames.tolist() == [10]*len(clips.subset('test'))


def test_refusals(clips):
    with pytest.raises(BadInput, match='thawed'): train_detector(clips, Job(RECIPE, 'thawed', settings=SETTINGS))
    with pytest.raises(BadInput, match='choose 1 or 3'):
        train_detector(clips, Job(RECIPE, settings=SETTINGS), n_frames=2)
    with pytest.raises(BadInput, match='no training clips'):
        train_detector(clips.with_split(None), Job(RECIPE, settings=SETTINGS))
    with pytest.raises(BadInput, match='another architecture'):
        detector(
            replace(RECIPE, arch='vit_tiny_patch16_224'), Weights('vit_tiny_patch16_224', 'random', 'random'), (64, 64)
        )


# Merging and linking ---------------------------------------------------------------------------------------

def marks(*rows): return pd.DataFrame([('s', *r) for r in rows], columns=COLUMNS)


def test_places_are_merged_whatever_the_frame():
    t = marks((0, 0, 0, 10, 10, .5), (7, 1, 0, 10, 10, .8), (7, 40, 40, 10, 10, .3))
    assert merge_places(t).score.tolist() == [.8, .3] and merge_places(t.iloc[:0]).empty


def test_paths_by_hand():
    "Two objects that cross no one; one box is near both frames' boxes of the first"
    t = marks(
        *((k, 10 + 2 * k, 10, 20, 20, 0.5) for k in range(5)),
        (2, 11, 12, 20, 20, 0.2),
        *((k, 60, 60, 20, 20, 0.9) for k in (1, 3)),
    )
    out = link(t, length=4)
    size = out.groupby('track').score.agg(['size', 'max'])
    assert size['size'].tolist() == [5, 1, 1] and size['max'].tolist() == [.5, .225, .225]
    assert len(out) == 7, 'the weaker box on the first object is taken out with it'


def test_rescoring_keeps_the_best_box_on_top():
    t = marks((0, 10, 10, 20, 20, .3), (1, 10, 10, 20, 20, .9), (2, 10, 10, 20, 20, .6))
    for how, top in dict(max=.9, mean=.6, best=1.8/8).items():
        out = link(t, rescore=how)
        assert (
            out.score.max() == pytest.approx(top, abs=1e-4)
            and out.frame[out.score.idxmax()] == 1
            and out.track.nunique() == 1
        )
    with pytest.raises(BadInput, match='best, mean or max'): link(t, rescore='sum')


def test_a_flash_falls_below_what_stays():
    t = marks((5, 60, 60, 20, 20, .95), *((k, 10, 10, 20, 20, .5) for k in range(9)))
    assert link(t).groupby('track').score.max().sort_values().tolist() == pytest.approx([.95/8, .5], abs=1e-3)


def test_an_untrained_temporal_network_changes_no_order(clips, frozen):
    from usbook.learn.detect import TrackNet
    t = linked(frozen.marks['test'])
    x, mask, index = track_features(t, frozen.frames)
    assert torch.isfinite(x).all() and mask.sum() == len(t)
    new = score_tracks(TrackNet().eval(), t, frozen.frames).groupby(['scan', 'track']).score.max()
    old = t.groupby(['scan', 'track']).start.first()
    assert (
        np.argsort(new.to_numpy(), kind='stable')
        == np.argsort(old.loc[new.index].clip(0.002, 0.998).to_numpy(), kind='stable')
    ).mean() > 0.95
