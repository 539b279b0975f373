"Where weights come from, and what is refused"
import json
import os
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from usbook.learn import weights as w
from usbook.core.errors import BadInput
from usbook.core.settings import Settings

ARCH = 'squeezenet1_1'
REAL = os.environ.get('USBOOK_REALDATA')


@pytest.fixture(autouse=True)
def nothing_elsewhere(tmp_path, monkeypatch):
    "No shipped backbone, no library cache, no network"
    monkeypatch.setattr(w, 'shipped_folder', lambda: tmp_path/'shipped')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path/'torch'))
    monkeypatch.setattr(w.socket, 'create_connection', lambda *a, **k: (_ for _ in ()).throw(OSError('no network')))


def state(seed=0):
    torch.manual_seed(seed)
    return torchvision.models.squeezenet1_1().state_dict()


def put(folder, tensors, stem=ARCH, suffix='.safetensors'):
    "Write a weight file under the name that its hash asks for"
    folder.mkdir(exist_ok=True)
    tmp = folder/f'tmp{suffix}'
    save_file(tensors, tmp) if suffix == '.safetensors' else torch.save(tensors, tmp)
    return tmp.rename(folder/f'{stem}-{w.digest(tmp)[:8]}{suffix}')


def load(folder, arch=ARCH): return w.backbone(arch, w.find_weights(arch, Settings(weights=str(folder), offline=True)))


def test_order_is_folder_then_shipped_then_download_and_random_only_when_asked(tmp_path, monkeypatch):
    auto, mine = Settings(weights='auto', offline=True), Settings(weights=str(tmp_path/'mine'), offline=True)
    (tmp_path/'mine').mkdir()
    with pytest.raises(BadInput, match='weights = random'): w.find_weights(ARCH, auto)
    monkeypatch.setattr(w, '_from_torchvision', lambda a, offline: w.Weights(a, 'download', 'x'))
    assert w.find_weights(ARCH, auto).source == 'download'
    put(tmp_path/'shipped', state(1))
    assert w.find_weights(ARCH, auto).source == w.find_weights(ARCH, mine).source == 'shipped'
    put(tmp_path/'mine', state(2))
    assert w.find_weights(ARCH, mine).source == 'folder'
    assert w.find_weights('alexnet', auto).source == 'download', (
        'the shipped backbone serves its own architecture alone'
    )
    assert w.find_weights(ARCH, Settings(weights='random')).source == 'random'


def test_offline_never_looks_at_the_network(monkeypatch):
    monkeypatch.setattr(w.socket, 'create_connection', lambda *a, **k: pytest.fail('looked at the network'))
    for arch in ('resnet34', 'resnet10t'):
        with pytest.raises(BadInput, match='offline'): w.find_weights(arch, Settings(offline=True))


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    for k in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(k, raising=False)
    with pytest.raises(BadInput, match="doesn't answer.*put a file"):
        w.find_weights('resnet34', Settings(weights='auto'))


def test_the_librarys_cache_is_used_offline(tmp_path, monkeypatch):
    f = put(tmp_path/'w', state(), suffix='.pth')
    entry = torchvision.models.get_model_weights(ARCH).DEFAULT
    cached = tmp_path/'torch/hub/checkpoints'/entry.url.rsplit('/', 1)[-1]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(f.read_bytes())
    found = w.find_weights(ARCH, Settings(offline=True))
    assert (found.source, found.path) == ('download', cached)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_halves_and_features_alone_load(tmp_path, suffix):
    full = state(3)
    put(tmp_path, {k: v.half() for k, v in full.items() if k.startswith('features')}, f'{ARCH}_features_fp16', suffix)
    got = load(tmp_path).state_dict()
    assert {v.dtype for v in got.values()} == {torch.float32}
    k = next(iter(got))
    torch.testing.assert_close(got[k], full['features.' + k.split('.', 1)[1]], atol=1e-3, rtol=1e-3)


def test_a_foreign_head_is_fine(tmp_path):
    full = state()
    full['classifier.1.weight'], full['classifier.1.bias'] = torch.zeros(7, 512, 1, 1), torch.zeros(7)
    put(tmp_path, full)
    load(tmp_path)


@pytest.mark.parametrize('spoil, said', [
    (lambda s: s.pop('features.0.weight'), 'lacks 1'),
    (lambda s: s.update(extra=torch.zeros(2)), 'unknown'),
    (lambda s: s.update({'features.0.bias': torch.zeros(3)}), 'another shape'),
    (lambda s: s.update({'features.0.bias': torch.full((64,), torch.nan)}), 'not finite')])
def test_misfits_are_named(tmp_path, spoil, said):
    tensors = state()
    spoil(tensors)
    put(tmp_path, tensors)
    with pytest.raises(BadInput, match=said): load(tmp_path)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_damaged_file_is_refused(tmp_path, suffix):
    f = put(tmp_path, state(), suffix=suffix)
    f.write_bytes(f.read_bytes()[:-1000])
    with pytest.raises(BadInput, match='damaged or was renamed'): load(tmp_path)
    f.rename(tmp_path/f'{ARCH}-{w.digest(f)[:8]}{suffix}')
    with pytest.raises(BadInput, match="can't be read|more than tensors"): load(tmp_path)


class Malice:
    def __init__(self, path): self.path = path
    def __reduce__(self): return Path.touch, (self.path,)


def test_a_program_in_a_pickle_does_not_run(tmp_path):
    put(tmp_path/'w', {'features.0.weight': Malice(tmp_path/'ran')}, suffix='.pth')
    with pytest.raises(BadInput, match='more than tensors'): load(tmp_path/'w')
    assert not (tmp_path/'ran').exists()


def test_names_are_not_mixed_up(tmp_path):
    for name in (
        'vgg16_bn-00000000.pth',
        'resnet18d-00000000.pth',
        'resnet18.a1_in1k-00000000.safetensors',
        'vgg16.pth',
        'resnet10t_176_c3-00000000.pth',
    ):
        (tmp_path/name).touch()
    names = {a: [p.name for p in w.files_for(a, tmp_path)] for a in ('vgg16', 'vgg16_bn', 'resnet18', 'resnet10t')}
    assert names == {
        'vgg16': [],
        'vgg16_bn': ['vgg16_bn-00000000.pth'],
        'resnet18': ['resnet18.a1_in1k-00000000.safetensors'],
        'resnet10t': ['resnet10t_176_c3-00000000.pth'],
    }


def test_the_card_gives_mean_and_std(tmp_path):
    f = put(tmp_path, state())
    f.with_suffix('.json').write_text(json.dumps(dict(mean=[.2, .2, .2], std=[.1, .1, .1], licence='Apache-2.0')))
    found = w.find_weights(ARCH, Settings(weights=str(tmp_path)))
    assert (found.mean, found.std) == ((.2,)*3, (.1,)*3)
    f.with_suffix('.json').write_text('{')
    with pytest.raises(BadInput, match='JSON'): w.find_weights(ARCH, Settings(weights=str(tmp_path)))


@pytest.mark.parametrize('mean', [.5, [.5], [.5, 'x', .5], [True]*3, [float('nan')]*3, None, {}])
def test_a_card_with_a_number_where_a_list_belongs_gets_a_sentence(tmp_path, mean):
    f = put(tmp_path, state())
    f.with_suffix('.json').write_text(json.dumps(dict(mean=mean)))
    with pytest.raises(BadInput, match='mean must be a list of three numbers'):
        w.find_weights(ARCH, Settings(weights=str(tmp_path)))
    f.with_suffix('.json').write_text('[1]')
    with pytest.raises(BadInput, match='no table of facts'): w.find_weights(ARCH, Settings(weights=str(tmp_path)))


@pytest.mark.parametrize('spoil, said', [
    (lambda s: s.update({'features.0.bias': torch.zeros(64).to_sparse()}), 'sparse'),
    (lambda s: s.update({'features.0.bias': torch.zeros(64, device='meta')}), 'no numbers'),
    (lambda s: s.update({3: torch.zeros(64)}), 'named by the int 3'),
    (lambda s: s.update({'features.0.bias': torch.zeros(64, dtype=torch.int32)}), 'stored as int32'),
    (lambda s: s.update({'features.0.bias': torch.zeros(64, dtype=torch.complex64)}), 'stored as complex64')])
def test_tensors_that_are_no_weights_get_a_sentence(tmp_path, spoil, said):
    tensors = state()
    spoil(tensors)
    put(tmp_path, tensors, suffix='.pth')
    with pytest.raises(BadInput, match=said) as e: load(tmp_path)
    assert '\n' not in str(e.value)


def test_random_weights_follow_the_seed_and_leave_the_global_state_alone():
    r = w.Weights(ARCH, 'random')
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    a, b, c = (next(w.backbone(ARCH, r, seed).parameters()) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    'arch, channels',
    [
        ('alexnet', 256),
        ('resnet34', 512),
        ('resnet50', 2048),
        ('resnet152', 2048),
        ('mobilenet_v2', 1280),
        ('resnet10t', 512),
        ('timm/resnet18', 512),
        ('densenet121', 1024),
    ],
)
def test_the_bodies(arch, channels):
    body = w.backbone(arch, w.Weights(arch, 'random'))
    with torch.inference_mode(): assert body(torch.zeros(1, 3, 64, 64)).shape[:2] == (1, channels)
    groups = w.layer_groups(torch.nn.Sequential(body, torch.nn.Linear(2, 2)))
    assert sum(p.numel() for g in groups for p in g) == sum(p.numel() for p in body.parameters()) + 6
    assert all(len(g) for g in groups)


def test_a_missing_folder_and_an_unknown_name():
    with pytest.raises(BadInput, match='no such folder'): w.find_weights(ARCH, Settings(weights='/nowhere'))
    for name in ('resnet35', 'googlenet', '', '../x'):
        with pytest.raises(BadInput, match='no architecture'): w.find_weights(name, Settings())


@pytest.mark.skipif(not REAL, reason='USBOOK_REALDATA is not set: no real weights to try')
@pytest.mark.parametrize('arch', ['squeezenet1_0', 'squeezenet1_1', 'mobilenet_v2'])
def test_real_weights_load_and_see_something(arch):
    found = w.find_weights(arch, Settings(weights=f'{REAL}/weights', offline=True))
    body, none = w.backbone(arch, found), w.backbone(arch, w.Weights(arch, 'random'))
    assert found.source == 'folder' and found.sha256.startswith(found.name[-12:-4])
    assert (next(body.parameters()) - next(none.parameters())).abs().max() > .1
    x = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(): assert torch.isfinite(body(x)).all() and body(x).std() > 0


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_pipe_is_no_file_of_weights(tmp_path, suffix):
    os.mkfifo(tmp_path/f'{ARCH}-00000000{suffix}')
    with pytest.raises(BadInput, match='no pretrained weights'): load(tmp_path)
    with pytest.raises(BadInput, match='is a pipe or a device'): w.read_state(tmp_path/f'{ARCH}-00000000{suffix}')
