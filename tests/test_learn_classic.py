"""AlexNet and VGG with fully connected layers of their own."""
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
from usbook.learn.classic import (
    ClassicRecipe, as_recipe, classic_network, has_own_layers, make_network, own_layers, train_classic, with_arch)
from usbook.learn.explain import grad_cam
from usbook.learn.export import export_network, load_network, save_network
from usbook.learn.fits import stored_fit
from usbook.learn.predict import predict, stored_ensemble
from usbook.learn.recipe import DetectRecipe, Job, Recipe
from usbook.learn.weights import Weights

SMALL = ClassicRecipe(size=64, epochs=3, batch=4, views=2, hidden=16, head_epochs=20)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    "Bright and dark noise, two images of each of twelve patients"
    folder, rng = tmp_path_factory.mktemp('classic'), np.random.default_rng(0)
    parts = ('train', 'train', 'train', 'train', 'valid', 'test')
    rows = [(f'{p}-{i}.png', f'P{p}', ('dark', 'bright')[p % 2], parts[p//2]) for p in range(12) for i in (0, 1)]
    for name, _, label, _ in rows:
        Image.fromarray(np.uint8(rng.normal(60 + 120*(label == 'bright'), 20, (64, 64)).clip(0, 255))).save(folder/name)
    table = pd.DataFrame(rows, columns=['image', 'patient', 'label', 'split'])
    return Manifest(table, folder, ['dark', 'bright'])


@pytest.fixture(scope='module')
def job(tmp_path_factory):
    settings = Settings(weights='auto', cache=str(tmp_path_factory.mktemp('cache')), device='cpu', offline=True)
    return Job(SMALL, settings=settings, seed=0, progress=False)


@pytest.mark.parametrize('arch', ['alexnet', 'vgg11', 'vgg16'])
def test_at_the_published_width_the_layers_are_torchvisions_own(arch):
    "Same layers in the same order, same shapes, and the same answers from the same weights"
    with torch.device('meta'): whole = torchvision.models.get_model(arch, weights=None).classifier
    inputs = next(p for p in whole.parameters()).shape[1]
    with torch.device('meta'): own = own_layers(ClassicRecipe(arch), inputs, 1000)
    assert [type(a) for a in own[1:]] == [type(b) for b in whole]
    assert [p.shape for p in own.parameters()] == [p.shape for p in whole.parameters()]


def test_a_file_of_weights_gives_all_but_the_last_layer(tmp_path):
    "With them, the network answers as torchvision's does up to the last layer"
    torch.manual_seed(0)
    whole = torchvision.models.alexnet(weights=None).eval()
    save_file(whole.state_dict(), tmp_path/'alexnet.safetensors')
    from usbook.core.files import digest
    path = (tmp_path/'alexnet.safetensors').rename(
        tmp_path/f"alexnet-{digest(tmp_path/'alexnet.safetensors')[:8]}.safetensors")
    net = classic_network(ClassicRecipe(size=256), Weights('alexnet', 'folder', path.name, '', path=path), 3).eval()
    x = torch.rand(2, 3, 256, 256)
    with torch.inference_mode():
        mine = net[1][:-1](net[0](x))
        theirs = whole.classifier[:-1](torch.flatten(whole.avgpool(whole.features(x)), 1))
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    narrow = classic_network(replace(SMALL, size=256), Weights('alexnet', 'folder', path.name, '', path=path), 3)
    assert narrow[1][2].out_features == 16, 'other widths begin anew'


def test_small_images_repeat_nothing():
    "AlexNet leaves 3 x 3 places of 128 pixels and 7 x 7 of 256; torchvision would blow the former up to 6 x 6"
    random = Weights('alexnet', 'random', 'random')
    for size, places in ((64, 1), (128, 3), (256, 6)):
        net = classic_network(replace(SMALL, size=size), random, 2)
        with torch.inference_mode(): assert net[0](torch.zeros(1, 3, size, size)).shape == (1, 256, places, places)


def test_frozen_learns_and_moves_nothing_else(images, job):
    fit = train_classic(images, job)
    p = fit.predictions['test']
    assert (p.pred == p.target).all() and fit.frozen['moved'] == 0 and len(fit.history) == SMALL.head_epochs
    assert fit.history.train_loss.iloc[-1] < fit.history.train_loss.iloc[0]


def test_fine_tuned_goes_on_from_the_fitted_layers(images, job):
    frozen, tuned = train_classic(images, job), train_classic(images, job.but(mode='finetuned'))
    body = lambda f: [p.detach().clone() for p in f.network[0].parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(body(frozen), body(tuned)))
    assert tuned.history.train_loss.iloc[0] == pytest.approx(frozen.history.train_loss.iloc[-1])
    assert len(tuned.history) == SMALL.epochs


def test_same_seed_same_numbers(images, job):
    a, b, c = (train_classic(images, job.but(seed=s)).predictions['test'].prob for s in (1, 1, 2))
    assert (a == b).all() and not (a == c).all()


@pytest.mark.parametrize('mode', ['frozen', 'finetuned'])
def test_progress_never_goes_back(images, job, mode, tmp_path):
    seen = []
    say = lambda text, fraction=None: seen.append(fraction)
    cold = replace(job.settings, cache=str(tmp_path))
    train_classic(images, Job(SMALL, mode, settings=cold, seed=0, progress=say))
    assert seen == sorted(seen) and seen[-1] == 1


def test_a_rate_that_is_far_too_high_is_given_up(images, job):
    fit = train_classic(images, job.but(mode='finetuned', recipe=replace(SMALL, lr=1e4, head_epochs=2)))
    assert np.isfinite(fit.predictions['test'].prob).all() and any('given up' in n for n in fit.notes)


@pytest.mark.parametrize('mode', ['frozen', 'finetuned'])
def test_kept_read_and_asked_again(images, job, mode, tmp_path):
    "Through the store of fits, through `predict`, through one file, and through ONNX: the same network"
    first = stored_fit(images, job.but(mode=mode))
    again = stored_fit(images, job.but(mode=mode))
    assert 'trained before' in again.notes[0] and again.recipe == SMALL
    for k in ('valid', 'test'): np.testing.assert_array_equal(first.predictions[k].prob, again.predictions[k].prob)
    one = images.subset('test')
    asked = predict(stored_ensemble([job.cache/'fits'/again.key], job.settings), one, progress=False)
    np.testing.assert_allclose(asked.predictions.prob, first.predictions['test'].prob, atol=2e-2)  # bfloat16 before
    save_network(again, tmp_path/'net.safetensors')
    net, facts = load_network(tmp_path/'net.safetensors')
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode(): torch.testing.assert_close(net(x), again.network.cpu().eval()(x), atol=5e-2, rtol=0)
    assert facts['recipe'] == SMALL and facts['mode'] == mode
    assert export_network(again, tmp_path/'net.onnx', images=one)['difference'] < 1e-3


def test_a_heat_map_can_be_drawn():
    net = classic_network(replace(SMALL, size=128), Weights('alexnet', 'random', 'random'), 2)
    maps = grad_cam(net, torch.rand(2, 3, 128, 128), 1)
    assert maps.shape == (2, 128, 128) and np.isfinite(maps).all()


def test_recipes_know_what_they_are():
    assert as_recipe(asdict(SMALL)) == SMALL and as_recipe(asdict(Recipe())) == Recipe()
    with pytest.raises(TypeError): as_recipe(asdict(DetectRecipe()))
    assert with_arch(SMALL, 'vgg11') == replace(SMALL, arch='vgg11')
    plain = with_arch(SMALL, 'resnet34')
    assert type(plain) is Recipe and (plain.arch, plain.size, plain.epochs) == ('resnet34', 64, 3)
    assert type(with_arch(DetectRecipe(), 'resnet18')) is DetectRecipe
    assert not has_own_layers('resnet34') and not has_own_layers('vgg_of_nobody')
    with pytest.raises(BadInput, match='no fully connected layers'):
        make_network(replace(SMALL, arch='resnet18'), Weights('resnet18', 'random'), 2)
