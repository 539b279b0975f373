"Heat maps from frozen networks, and what they are worth"
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from usbook.data.manifest import Manifest
from usbook.learn import explain as e
from usbook.learn.transfer import Network, network
from usbook.learn.recipe import Recipe
from usbook.learn.weights import Weights
from usbook.core.errors import BadInput


def net(arch='resnet10t', classes=3):
    out = network(Recipe(arch=arch, size=96), Weights(arch, 'random'), classes, seed=1).eval()
    for p in out.parameters(): p.requires_grad_(False)
    return out


X = torch.randn(4, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def test_by_hand():
    "Two feature maps, a head that takes the mean of the first minus that of the second: only the first is left"
    body = torch.nn.Conv2d(3, 2, 1, bias=False)
    body.weight.data = torch.tensor([[1., 0, 0], [0, 1., 0]])[..., None, None]
    head = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(2, 2, bias=False))
    head[2].weight.data = torch.tensor([[1., -1.], [-1., 1.]])
    x = torch.zeros(1, 3, 4, 4)
    x[0, 0, 0, 0], x[0, 1, 3, 3] = 8., 4.
    cam = e.grad_cam(Network(body, head), x, 0)[0]
    want = np.zeros((4, 4)); want[0, 0] = 1
    np.testing.assert_allclose(cam, want)
    assert e.hottest(e.grad_cam(Network(body, head), x, 1)[0]) == (3, 3)


@pytest.mark.parametrize('arch', ['resnet10t', 'squeezenet1_0'])
def test_a_frozen_network_has_maps_and_they_depend_on_the_class(arch):
    maps = [e.grad_cam(net(arch), X, k) for k in range(3)]
    assert all(m.shape == (4, 96, 96) and m.min() >= 0 and m.max() <= 1 for m in maps)
    assert not np.allclose(maps[0], maps[1])
    each = e.grad_cam(net(arch), X, [0, 1, 2, 1])
    np.testing.assert_allclose(each[1], maps[1][1], atol=1e-5)


@pytest.mark.parametrize('arch', ['resnet10t', 'squeezenet1_0'])
def test_the_maps_are_those_of_captum(arch):
    attr = pytest.importorskip('captum.attr', reason='captum, whose maps are the reference, is not installed')
    own = net(arch)
    a = attr.LayerGradCam(own, own[0]).attribute(
        X.clone().requires_grad_(), target=torch.tensor([0, 1, 2, 1]), relu_attributions=True
    )
    a = attr.LayerAttribution.interpolate(a, (96, 96), 'bilinear').detach()[:, 0].numpy()
    np.testing.assert_allclose(
        a / np.maximum(a.max((1, 2), keepdims=True), 1e-12), e.grad_cam(own, X, [0, 1, 2, 1]), atol=1e-5
    )


def test_nothing_is_left_behind_in_the_network():
    own = net()
    before = {k: v.clone() for k, v in own.state_dict().items()}
    e.grad_cam(own, X, 0)
    assert all(p.grad is None for p in own.parameters())
    assert all(torch.equal(v, before[k]) for k, v in own.state_dict().items())
    other = e.randomise(own, seed=3)
    assert all(torch.equal(v, before[k]) for k, v in own.state_dict().items())
    same = [
        k for k, v in other.state_dict().items() if v.is_floating_point() and v.ndim > 1 and torch.equal(v, before[k])
    ]
    assert not same
    head = e.randomise(own, seed=3, head_only=True).state_dict()
    assert all(torch.equal(v, before[k]) == k.startswith('0.') for k, v in head.items() if v.ndim > 1)


def test_a_uniform_map_scores_the_chance_level():
    rng = np.random.default_rng(0)
    mask = rng.random((40, 50)) < .2
    assert e.energy_in_mask(np.ones((40, 50)), mask) == pytest.approx(mask.mean())
    hits = []
    for _ in range(4000):
        cam = np.zeros((40, 50)); cam[rng.integers(40), rng.integers(50)] = 1
        hits.append(e.pointing_game(cam, mask))
    assert np.mean(hits) == pytest.approx(mask.mean(), abs=.025)


def test_plateaus_and_tolerance():
    cam = np.zeros((9, 9)); cam[2:5, 4:7] = .7
    assert e.hottest(cam) == (3, 5) and e.hottest(0*cam) is None
    mask = np.zeros((9, 9), bool); mask[3, 8] = True
    assert not e.pointing_game(cam, mask, 2) and e.pointing_game(cam, mask, 3)


@pytest.fixture
def study(tmp_path):
    "Six patients, oblong images with a bright square, and its mask"
    rows = []
    for p in range(6):
        a, k = np.full((40, 60), 30, 'uint8'), np.zeros((40, 60), 'uint8')
        a[10:20, 10+5*p:20+5*p] = 200; k[10:20, 10+5*p:20+5*p] = 255
        Image.fromarray(a).save(tmp_path/f'{p}.png'); Image.fromarray(k).save(tmp_path/f'{p}-mask.png')
        rows.append((f'{p}.png', f'P{p}', 'ab'[p % 2], 'train' if p < 4 else 'test', f'{p}-mask.png'))
    return Manifest(pd.DataFrame(rows, columns='image patient label split mask'.split()), tmp_path, ['a', 'b'])


def test_masks_are_fitted_as_the_images_are(study):
    masks = e.lesion_masks(study, range(6), 48)
    for i, k in enumerate(masks):
        bright = np.asarray(study.load(i, 48)) > 115
        assert k.shape == (48, 48) and (bright == k).mean() > .98
    table = e.score_maps(masks.astype(float), masks, study, np.arange(6))
    assert table.pointing.all() and (table.energy == 1).all() and list(table.patient) == [f'P{i}' for i in range(6)]
    np.testing.assert_allclose(table.area, table.chance)
    assert (e.score_maps(masks.astype(float), masks, study, np.arange(6), 3).chance > table.area).all()


def test_random_labels_go_by_patient_and_leave_the_tests_alone(study):
    turned = {tuple(e.with_random_labels(study, s).table.label) for s in range(20)}
    assert len(turned) > 2 and all(t[4:] == ('a', 'b') and sorted(t[:4]) == ['a', 'a', 'b', 'b'] for t in turned)


def test_slips(study):
    with pytest.raises(BadInput, match='empty'): e.score_maps(np.ones((1, 4, 4)), np.zeros((1, 4, 4), bool), study, [0])
    with pytest.raises(BadInput, match='column mask'):
        e.lesion_masks(Manifest(study.table.drop(columns='mask'), study.root, study.classes), [0], 48)
    with pytest.raises(BadInput, match='convolutional'):
        e.grad_cam(Network(torch.nn.Flatten(), torch.nn.Linear(3 * 96 * 96, 2)), X, 0)
