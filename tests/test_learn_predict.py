"""A run's networks on new images: asked, judged, exported; and the run made again."""
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import make_tree
from test_cli import sentence
from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
from usbook.learn import export as x
from usbook.learn import predict as p
from usbook.learn.recipe import Job, Recipe
from usbook.predictions.predictions import Predictions

CLASSES = ('a_lines', 'b_lines')
RULE = r'(P\d+)_'


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "A run of both modes on own images, its folder and its cache; made once"
    from usbook.cli.study import reproduce_study
    from usbook.studies.images import Reading
    home = tmp_path_factory.mktemp('made')
    tree = make_tree(home/'images', CLASSES, patients=6)
    s = Settings(data=str(tree), weights='random', profile='test', device='cpu', offline=True, home=str(home),
                 runs=str(home/'runs'), cache=str(home/'cache'))
    out = reproduce_study('lung_signs', s, progress=lambda text, fraction=None: None, reading=Reading(patients=RULE))
    return out, home


@pytest.fixture
def asked(made, usbook):
    "A command that finds the run's store"
    out, home = made
    return lambda *words: usbook(*words, USBOOK_CACHE=str(home/'cache'))


def test_external_validation_takes_two_commands(made, asked, tmp_path):
    out, home = made
    make_tree(tmp_path/'new', CLASSES, patients=5, seed=7)
    r = asked('predict', out.folder, 'new', '--patients', RULE, '--out', 'p.csv')
    assert r.returncode == 0 and 'usbook evaluate p.csv' in r.stdout and 'validation images' in r.stderr, r
    said, meta = Predictions.read(tmp_path/'p.csv'), json.loads((tmp_path/'p.json').read_text())
    assert len(said) == 20 and said.n_patients == 10 and said.classes == list(CLASSES)
    assert meta['run'] == out.folder.name and meta['arm'] in out.arms and meta['views'] == 1
    e = json.loads(asked('evaluate', 'p.csv', '--json').stdout)
    assert e['overall']['accuracy']['low'] is not None
    assert 'is there already' in sentence(asked('predict', out.folder, 'new', '--out', 'p.csv'))


def test_the_run_s_own_test_images_get_the_run_s_own_answers(made, asked, tmp_path):
    out, home = made
    for arm, trained in out.arms.items():
        r = asked('predict', out.folder, home/'images', '--arm', arm, '--out', f'{arm}.csv', '--patients', RULE)
        assert 'may have learned from them' in r.stderr
        t = pd.read_csv(tmp_path/f'{arm}.csv').set_index('image').loc[list(trained.test.table.image)]
        assert np.allclose(t[[f'p_{c}' for c in CLASSES]], trained.test.prob, atol=2e-3)


def test_images_without_labels_and_patients(made, asked, tmp_path):
    out, home = made
    (tmp_path/'loose').mkdir()
    for f in sorted((home/'images').rglob('*.png'))[:4]: shutil.copy(f, tmp_path/'loose')
    r = asked('predict', out.folder, 'loose', '--arm', 'frozen', '--views', 3)
    t = pd.read_csv(tmp_path/'predictions-loose.csv', keep_default_na=False)
    assert r.returncode == 0 and set(t.target) == {''} and 'patient' not in t
    assert 'fill in the column target' in r.stdout
    assert 'target is empty' in sentence(asked('evaluate', 'predictions-loose.csv', '--independent'))
    first = t.copy()
    asked('predict', out.folder, 'loose', '--arm', 'frozen', '--views', 3, '--out', 'again.csv')
    pd.testing.assert_frame_equal(first, pd.read_csv(tmp_path/'again.csv', keep_default_na=False))


@pytest.mark.parametrize('spoil, word', [
    ('class', 'none of the classes'), ('damaged', 'is not an image'), ('empty', 'holds no image'),
    ('gone', 'is missing'),
    ('gap', 'has no label'), ('twice', 'listed again'), ('arm', '--arm other'), ('run', 'no results.json'),
    ('views', 'out of range'), ('patient', 'no patient id')])
def test_what_can_not_be_asked_is_said_before_anything_is_computed(made, asked, tmp_path, monkeypatch, spoil, word):
    out, home = made
    def never(*a): raise AssertionError('something was computed')
    monkeypatch.setattr(p, '_probabilities', never)
    folder, words = make_tree(tmp_path/'new', CLASSES, patients=2, each=1), []
    t = pd.DataFrame([(f'{c}/{f.name}', f.stem[:4], c) for c in CLASSES for f in sorted((folder/c).iterdir())],
                     columns=['image', 'patient', 'label'])
    if spoil == 'class': (folder/'b_lines').rename(folder/'c_lines')
    if spoil == 'damaged': (folder/'a_lines'/'bad.png').write_bytes(b'no image')
    if spoil == 'empty': folder = tmp_path/'runs'
    if spoil == 'gone': folder = tmp_path/'nowhere'
    if spoil == 'arm': words = ['--arm', 'other']
    if spoil == 'views': words = ['--views', 0]
    if spoil == 'gap': t.loc[1, 'label'] = ''
    if spoil == 'twice': t = pd.concat([t, t[:1]])
    if spoil == 'patient': t.loc[1, 'patient'] = ''
    if spoil in ('gap', 'twice', 'patient'): t.to_csv(folder/'manifest.csv', index=False)
    (tmp_path/'runs').mkdir(exist_ok=True)
    r = asked('predict', folder if spoil == 'run' else out.folder, folder, *words)
    assert word in sentence(r), r.stderr
    assert not list(tmp_path.glob('predictions-*'))


def test_other_sizes_and_colours_are_said_before(made, asked, tmp_path):
    out, home = made
    folder = make_tree(tmp_path/'new', CLASSES, patients=2, each=1, size=100)
    f = next((folder/'a_lines').iterdir())
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 120, 3), dtype='uint8')).save(f)
    r = asked('predict', out.folder, 'new', '--json')
    assert r.returncode == 0 and '100 to 120 pixels' in r.stderr and 'learned from images with 32' in r.stderr
    notes = json.loads(r.stdout)['notes']
    assert any('1 of 4 images are in colour' in n for n in notes)


def test_a_store_that_was_emptied_is_said(made, usbook, tmp_path):
    out, home = made
    r = usbook('predict', out.folder, home/'images')
    assert 'no longer in the store' in sentence(r) and 'usbook rerun' in r.stderr


@pytest.fixture(scope='module')
def net(tmp_path_factory):
    "A trained network, and the images it learned from"
    from usbook.learn.transfer import train
    folder = tmp_path_factory.mktemp('net')
    m = Manifest.from_tree(make_tree(folder/'images', CLASSES, patients=6), RULE)
    m = m.with_split([('train', 'valid', 'test')[int(q[2:])//2] for q in m.patients])
    s = Settings(weights='random', cache=str(folder/'cache'), device='cpu')
    recipe = Recipe('resnet10t', size=32, epochs=1, batch=4, views=1)
    return train(m, Job(recipe, 'finetuned', settings=s, progress=False)), m


@pytest.mark.parametrize('form', ['onnx', 'torchscript'])
def test_an_exported_network_gives_the_same_probabilities(net, tmp_path, form, capfd):
    if form == 'onnx': pytest.importorskip('onnxruntime', reason="needs the extra 'export'")
    fit, m = net
    nets = [fit.network]*(1 + (form == 'torchscript'))
    both = p.Ensemble(nets, fit.recipe, list(CLASSES), fit.weights, fit.mode)
    path = tmp_path/f'net{x.FORMS[form]}'
    said = x.export_network(both, path, images=m)
    assert said['difference'] < 1e-5 and said['compared_on'] == '16 images' and said['form'] == form
    assert [f.name for f in sorted(tmp_path.iterdir())] == sorted([path.name, 'net.md', 'net.json'])
    if form == 'onnx':
        import onnxruntime
        pixels = np.stack([np.asarray(m.load(i, 32).convert('RGB')) for i in range(5)]).transpose(0, 3, 1, 2)/255
        asked = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
        prob = asked.run(None, dict(images=pixels.astype('float32')))[0]
        ours = p.predict(both, m.subset(np.arange(len(m)) < 5)).predictions.prob
        assert np.allclose(prob, ours, atol=.02) # ours may compute in bfloat16


def test_saved_networks_are_asked_as_the_run_s_own(net, tmp_path):
    fit, m = net
    x.save_network(fit, tmp_path/'net.safetensors')
    card, text = json.loads((tmp_path/'net.json').read_text()), (tmp_path/'net.md').read_text()
    assert card['arch'] == 'resnet10t' and text.startswith('---\nlicense: "other"') and '## Out of scope' in text
    fit.network.dtype = None
    again = p.predict(x.saved_ensemble(tmp_path/'net.safetensors'), m).predictions
    assert np.array_equal(again.prob, p.predict(p.Ensemble.of(fit), m).predictions.prob)


def test_export_writes_a_card_with_metrics(made, asked, tmp_path):
    out, home = made
    r = asked('export', out.folder, 'net.pt', '--arm', 'frozen', '--images', home/'images')
    card = json.loads((tmp_path/'net.json').read_text())
    assert r.returncode == 0 and 'differ from the original by at most' in r.stdout
    assert 0 <= card['metrics']['accuracy']['value'] <= 1 and 'patients' in card['learned_from']
    assert 'model-index' in (tmp_path/'net.md').read_text()
    assert card['made_by'].startswith('usbook reproduce lung_signs')
    assert 'choose onnx or torchscript' in sentence(asked('export', out.folder, 'net.exe'))


def test_real_images_get_the_same_probabilities_from_the_exported_file(realdata, tmp_path):
    pytest.importorskip('onnxruntime', reason="needs the extra 'export'")
    from usbook.learn.transfer import network
    from usbook.learn.weights import find_weights
    m = Manifest.read(realdata/'head_ct'/'manifest.csv')
    w = find_weights('squeezenet1_0', Settings(weights=str(realdata/'weights')))
    recipe = Recipe('squeezenet1_0', size=128)
    e = p.Ensemble([network(recipe, w, 2).eval()], recipe, list(m.classes), w, 'frozen')
    for form, end in x.FORMS.items():
        said = x.export_network(e, tmp_path/f'net{end}', images=m)
        print(form, said)
        assert said['difference'] < 1e-4 and said['compared_on'] == '16 images'


def test_a_box_brings_trained_networks_that_are_read_on_another_machine(made, tmp_path, monkeypatch):
    from usbook.classroom import workshop as w
    from usbook.learn import fits as f
    out, home = made
    with pytest.raises(BadInput, match='and of simulated images'): w.fits_to_bring(out.settings)  # own patients stay
    bring = w.fits_to_bring(out.settings, own=True)
    assert {p.name for p, _ in bring} >= {k for keys in out.results['fits'].values() for k in keys}
    (tmp_path/'lab').mkdir()
    (tmp_path/'lab'/'settings.ini').write_text('[usbook]\ncache =\nseed = 0\n')
    w.fill_fits(bring, tmp_path)
    assert 'cache = cache\nseed' in (tmp_path/'lab'/'settings.ini').read_text()
    monkeypatch.setattr(f, 'code_version', lambda *modules: 'another machine')
    arm, trained = next(iter(out.arms.items()))
    fit = trained.fits[0]
    lab = Settings(weights='random', cache=str(tmp_path/'lab'/'cache'), device='cpu', seed=out.settings.seed)
    job = Job(fit.recipe, fit.mode, settings=lab, progress=False)
    m = Manifest.from_tree(home/'images', RULE, classes=list(out.images.classes))
    m = m.with_split(out.images.table.set_index('image').split.loc[m.table.image].to_numpy())
    again = f.stored_fit(m, job)
    assert again.notes[-1].startswith('trained before') and again.key.startswith('brought-')
    with pytest.raises(BadInput, match='no fits of this version'): w.fits_to_bring(out.settings, own=True)


def test_a_run_that_is_no_longer_one_is_one_sentence(tmp_path):
    from usbook.runs.networks import read_run
    data = dict(source='sample', sha256='1a', images=9, patients=3)
    good = dict(study='head_ct', runs={}, data=data, fits={'net-frozen': ['1a']}, made=dict(options=dict(study='x')))
    bad = [dict(fits=['1a']), dict(data={}), dict(runs=3), dict(made=3), dict(made=dict(options=[])), dict(study=None),
           dict(claims=[3]), dict(claims=[{}]), dict(fits={'net-frozen': '1a'}), dict(data=data | dict(sha256=4))]
    for b in ({}, *bad):
        (tmp_path/'results.json').write_text(json.dumps(good | b))
        if not b: assert read_run(tmp_path) == good
        else:
            with pytest.raises(BadInput, match='is not a results.json of usbook: ') as e: read_run(tmp_path)
            assert '\n' not in str(e.value) and 'make the run again' in str(e.value)
