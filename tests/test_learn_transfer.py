"Frozen is frozen, caches are whole, both modes judge the same images"
import errno
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from usbook.data.manifest import Manifest
from usbook.learn import transfer as t
from usbook.learn.recipe import MODES
from usbook.learn.weights import Weights
from usbook.core.errors import BadInput
from usbook.core.settings import Settings

SMALL = t.Recipe(arch='resnet10t', size=32, epochs=2, batch=8, views=1, precision='float32')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    "36 noisy images of 12 patients, two classes that differ in brightness"
    folder, rng, rows = tmp_path_factory.mktemp('images'), np.random.default_rng(0), []
    for p in range(12):
        for i in range(3):
            level = 80 + 90*(p % 2)
            Image.fromarray(np.uint8(rng.normal(level, 20, (40, 40)).clip(0, 255))).save(folder/f'{p}-{i}.png')
            rows.append(
                (f'{p}-{i}.png', f'P{p}', ('dark', 'bright')[p % 2], ('train', 'valid', 'test')[(p >= 6) + (p >= 8)])
            )
    pd.DataFrame(rows, columns='image patient label split'.split()).to_csv(folder/'manifest.csv', index=False)
    return Manifest.read(folder/'manifest.csv', classes=['dark', 'bright'])


@pytest.fixture
def settings(tmp_path): return Settings(weights='random', cache=str(tmp_path/'cache'), device='cpu')


def kept(settings): return sorted((settings.path('cache')/'features').glob('[!.]*'))  # locks are hidden


@pytest.fixture(scope='module')
def both(images, tmp_path_factory):
    s = Settings(weights='random', cache=str(tmp_path_factory.mktemp('both')), device='cpu')
    return {mode: t.train(images, t.Job(SMALL, mode, settings=s, progress=False)) for mode in MODES}


def learner(images, **kwargs):
    weights = Weights(SMALL.arch, 'random')
    net = t.network(SMALL, weights, 2)
    learn = t.Learner(
        t.dataloaders(images, SMALL, weights),
        net,
        loss_func=t.CrossEntropyLossFlat(),
        splitter=t.layer_groups,
        **kwargs,
    )
    learn.freeze()
    before = t.snapshot(net[0])
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    return before, net


def test_plain_freeze_is_caught_because_batch_norm_learns(images):
    before, net = learner(images)
    with pytest.raises(t.NotFrozen, match='tensors of the body moved'): t.assert_frozen(before, net[0])
    names = t.moved(before, net[0])
    assert any(n.endswith('running_mean') for n in names) and any(n.endswith('bn1.weight') for n in names)


def test_buffers_that_move_are_caught_even_where_no_parameter_learns(images):
    before, net = learner(images, train_bn=False)
    names = t.moved(before, net[0])
    assert names and all(n.rsplit('.', 1)[1] in ('running_mean', 'running_var', 'num_batches_tracked') for n in names)
    with pytest.raises(t.NotFrozen): t.assert_frozen(before, net[0])


def test_keep_frozen_keeps_parameters_and_buffers(images):
    before, net = learner(images, train_bn=False, cbs=t.KeepFrozen())
    assert t.assert_frozen(before, net[0])['moved'] == 0
    table = t.what_is_frozen(net)
    assert table.trainable[table.part == 'body'].sum() == 0 < table.trainable[table.part == 'head'].sum()


def test_frozen_is_proven_and_finetuned_moves(both):
    assert both['frozen'].frozen['moved'] == 0 and both['frozen'].frozen['buffers'] > 0
    first = t.snapshot(t.network(SMALL, both['frozen'].weights, 2)[0])
    assert not t.moved(first, both['frozen'].network[0])
    assert len(t.moved(first, both['finetuned'].network[0])) > 60 and both['finetuned'].frozen is None


def test_both_modes_start_from_one_head_and_judge_the_same_rows(both, images):
    a, b = (both[m].predictions for m in MODES)
    for part in ('valid', 'test'):
        same = ['image', 'patient', 'target']
        assert a[part].table[same].equals(b[part].table[same])
        assert list(a[part].table.image) == list(images.subset(part).table.image)
        np.testing.assert_allclose(a[part].prob.sum(1), 1)
    w = both['frozen'].weights
    assert t.snapshot(t.network(SMALL, w, 2, 0)[1]) == t.snapshot(
        t.network(replace(SMALL, arch='resnet10t'), w, 2, 0)[1]
    )
    assert len(both['frozen'].history) == 1 and len(both['finetuned'].history) == SMALL.epochs


def test_the_head_trained_on_features_is_the_head_of_the_whole_network(both, images):
    f = both['frozen']
    dls = t.dataloaders(images, SMALL, f.weights)
    with torch.inference_mode():
        out = torch.cat([f.network(x).softmax(1) for (x,) in t.rows_loader(dls, t.split_rows(images, 'test'))])
    np.testing.assert_allclose(out.numpy(), f.predictions['test'].prob, atol=2e-5)


@pytest.mark.parametrize('mode', MODES)
def test_same_seed_same_numbers_other_seed_others(mode, images, both, settings):
    p = both[mode].predictions['test'].prob
    assert np.array_equal(
        p, t.train(images, t.Job(SMALL, mode, settings=settings, progress=False)).predictions['test'].prob
    )
    assert not np.array_equal(
        p, t.train(images, t.Job(SMALL, mode, settings=settings, seed=1, progress=False)).predictions['test'].prob
    )


def test_the_answers_of_the_test_images_are_not_used(images, both, settings):
    turned = images.table.assign(
        label=np.where(
            images.table.split == 'test', np.where(images.table.label == 'dark', 'bright', 'dark'), images.table.label
        )
    )
    f = t.train(replace(images, table=turned), t.Job(SMALL, 'frozen', settings=settings, progress=False))
    assert np.array_equal(f.predictions['test'].prob, both['frozen'].predictions['test'].prob)


def test_the_key_changes_with_bytes_frame_preprocessing_weights_and_view(images, tmp_path):
    body = t.snapshot(t.network(SMALL, Weights(SMALL.arch, 'random'), 2)[0])
    name = next(iter(body))
    base, how = ['a', 'b'], dict(size=32, mean=(0, 0, 0))
    keys = [
        t.feature_key(base, body, **how),
        t.feature_key(['a', 'c'], body, **how),
        t.feature_key(['a', 'b#1'], body, **how),
        t.feature_key(base, body, **dict(how, size=64)),
        t.feature_key(base, body, **dict(how, mean=(1, 1, 1))),
        t.feature_key(base, {**body, name: 'x'}, **how),
        t.feature_key(base, body, **how, view=1),
    ]
    assert len(set(keys)) == len(keys)
    assert t.feature_key(['b', 'a', 'a'], body, **how) == keys[0], 'order and repeats of images do not matter'
    f = tmp_path/'x.png'
    one = Manifest(pd.DataFrame(dict(image=['x.png'], patient=['p'], label=['a'])), tmp_path, ['a'])
    digests = []
    for level in (10, 11):
        Image.new('L', (8, 8), level).save(f)
        digests += t.image_digests(one)
    assert digests[0] != digests[1]


def test_a_changed_image_is_not_answered_from_the_cache(images, settings, tmp_path):
    for p in images.paths: (tmp_path/p.name).write_bytes(p.read_bytes())
    m = replace(images, root=tmp_path)
    a = t.train(m, t.Job(SMALL, 'frozen', settings=settings, progress=False)).predictions['test'].prob
    test = m.subset('test').paths[0]
    Image.new('L', (40, 40), 250).save(test)
    b = t.train(m, t.Job(SMALL, 'frozen', settings=settings, progress=False)).predictions['test'].prob
    assert not np.array_equal(a[0], b[0]) and len(kept(settings)) == 2


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def half(tensors, path):
        with open(path, 'wb') as f: f.write(b'half')
        raise KeyboardInterrupt
    monkeypatch.setattr(t, 'save_file', half)
    with pytest.raises(KeyboardInterrupt): t.write_features(tmp_path/'features'/'x.safetensors', torch.zeros(3))
    assert list((tmp_path/'features').iterdir()) == []


def test_a_full_disk_is_said_in_one_sentence(tmp_path, monkeypatch):
    def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(t, 'save_file', full)
    with pytest.raises(BadInput, match='No space left on device.*cache ='):
        t.write_features(tmp_path / 'x.safetensors', torch.zeros(3))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_cache_is_made_again(images, both, settings):
    t.train(images, t.Job(SMALL, 'frozen', settings=settings, progress=False))
    file, = kept(settings)
    whole = file.read_bytes()
    file.write_bytes(whole[:len(whole)//2])
    f = t.train(images, t.Job(SMALL, 'frozen', settings=settings, progress=False))
    assert file.read_bytes() == whole and np.array_equal(
        f.predictions['test'].prob, both['frozen'].predictions['test'].prob
    )


@pytest.mark.parametrize('mode', MODES)
def test_interrupting_an_epoch_leaves_caches_whole(mode, images, both, settings):
    def stop(text, fraction):
        if text.startswith('epoch 2' if mode == 'finetuned' else 'fitting'): raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): t.train(images, t.Job(SMALL, mode, settings=settings, progress=stop))
    assert not torch.is_autocast_enabled('cpu')
    assert [f.suffix for f in kept(settings)] == ['.safetensors']*(mode == 'frozen')
    f = t.train(images, t.Job(SMALL, mode, settings=settings, progress=False))
    assert np.array_equal(f.predictions['test'].prob, both[mode].predictions['test'].prob)


def test_interrupting_the_features_leaves_no_cache(images, settings):
    def stop(text, fraction): raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): t.train(images, t.Job(SMALL, 'frozen', settings=settings, progress=stop))
    assert kept(settings) == []


@pytest.mark.parametrize('mode', MODES)
def test_progress_runs_to_the_end(mode, images, settings, capsys):
    seen = []
    t.train(
        images, t.Job(SMALL, mode, settings=settings, progress=lambda text, fraction: seen.append((text, fraction)))
    )
    what, end = ('epoch', 'epoch 2 of 2') if mode == 'finetuned' else ('', 'fitting the head')
    last = [f for text, f in seen if text.startswith(what)]
    assert last == sorted(last) and last[-1] == 1 and seen[-1][0] == end
    assert capsys.readouterr().out == ''


def test_seeds_share_the_views_that_are_drawn_alike(images, settings, tmp_path):
    r, shared = replace(SMALL, views=3), replace(settings, weights='auto', offline=True)
    alone = replace(shared, cache=str(tmp_path/'alone'))
    fit = lambda seed, s: t.train(images, t.Job(r, 'frozen', settings=s, seed=seed, progress=False))
    fit(0, shared)
    assert len(kept(shared)) == 3
    again, fresh = (fit(1, s).predictions['test'].prob for s in (shared, alone))
    assert np.array_equal(again, fresh) and len(kept(shared)) == 4


def test_batches_of_another_size_draw_other_views(images, settings):
    for batch in (8, 6): t.train(images, t.Job(replace(SMALL, views=2, batch=batch), settings=settings, progress=False))
    assert len(kept(settings)) == 3


@pytest.mark.parametrize('mode', MODES)
def test_progress_never_goes_back(mode, images, settings):
    seen, s = [], replace(settings, weights='auto', offline=True)
    say = lambda text, fraction: seen.append(fraction)
    t.train(images, t.Job(replace(SMALL, views=3), mode, settings=s, progress=say))
    assert seen == sorted(seen) and seen[-1] == 1


def test_views_are_cached_one_by_one_and_only_train_images_vary(images, settings):
    r = replace(SMALL, views=3)
    f = t.train(images, t.Job(r, 'frozen', settings=settings, progress=False))
    assert len(kept(settings)) == 3
    x = torch.arange(3.)[:, None, None].expand(3, len(images), 4)
    dls = t.feature_loaders(x, images, r)
    assert len(torch.cat([b[0][:, 0] for b in dls.train]).unique()) == 3
    assert torch.cat([b[0][:, 0] for b in dls.valid]).unique().tolist() == [0]
    assert np.array_equal(
        f.predictions['test'].prob,
        t.train(images, t.Job(r, 'frozen', settings=settings, progress=False)).predictions['test'].prob,
    )


def test_rare_classes_weigh_more(images):
    m = images.subset(np.r_[True, np.zeros(2, bool), np.ones(33, bool)])
    w = t.class_weights(m, SMALL)
    n = np.bincount(m.subset('train').targets)
    np.testing.assert_allclose(w.numpy()*n, n.sum()/2)
    assert t.class_weights(m, replace(SMALL, balance=False)).tolist() == [1, 1]


def test_frames_of_one_file_have_features_of_their_own(tmp_path):
    frames = [Image.new('L', (16, 16), v) for v in (20, 120, 220)]
    frames[0].save(tmp_path/'clip.tif', save_all=True, append_images=frames[1:])
    m = Manifest(pd.DataFrame(dict(image='clip.tif', patient='p', label='a', frame=[0, 1, 2, 0])), tmp_path, ['a'])
    a, b, c, again = t.image_digests(m)
    assert len({a, b, c}) == 3 and a == again


@pytest.mark.parametrize('mode', MODES)
def test_no_validation_images(mode, images, settings):
    m = images.with_split(images.table.split.replace('valid', 'train'))
    f = t.train(m, t.Job(SMALL, mode, settings=settings, progress=False))
    assert list(f.predictions) == ['test'] and list(f.history) == ['train_loss']


def test_slips(images, settings):
    for kwargs, said in [
        (dict(mode='warm'), 'mode'),
        (dict(recipe=replace(SMALL, epochs=0)), 'epoch'),
        (dict(recipe=replace(SMALL, precision='half')), 'precision'),
        (dict(recipe=replace(SMALL, arch='vit_tiny_patch16_224')), '224'),
        (dict(settings=replace(settings, device='tpu')), 'device'),
    ]:
        with pytest.raises(BadInput, match=said):
            t.train(images, t.Job(**{**dict(recipe=SMALL, mode='frozen', settings=settings), **kwargs}))
    with pytest.raises(BadInput, match='split'):
        t.train(images.with_split(None), t.Job(SMALL, 'frozen', settings=settings))
    with pytest.raises(BadInput, match='class bright'):
        t.train(
            images.subset((images.table.label == 'dark') | (images.table.split != 'train')),
            t.Job(SMALL, 'frozen', settings=settings),
        )
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match='cuda'):
            t.train(images, t.Job(SMALL, 'frozen', settings=replace(settings, device='cuda')))


@pytest.mark.parametrize('mode, keep', [('frozen', 0), ('frozen', 10**9), ('finetuned', 10**9)])
def test_an_image_spoilt_since_the_manifest_was_read_is_one_sentence(mode, keep, images, settings, tmp_path,
                                                                     monkeypatch):
    monkeypatch.setattr(t, 'KEEP_DECODED', keep)
    for p in images.paths: (tmp_path/p.name).write_bytes(p.read_bytes()[:200 if p.name == '3-1.png' else None])
    with pytest.raises(BadInput, match='3-1.png') as e:
        t.train(replace(images, root=tmp_path), t.Job(SMALL, mode, settings=settings, progress=False))
    assert '\n' not in str(e.value) and 'cut short' in str(e.value)


def test_resnet152_runs(images, settings):
    few = images.subset(np.isin(images.patients, ['P0', 'P1', 'P2', 'P3', 'P6', 'P7', 'P8', 'P9']))
    r = t.Recipe(arch='resnet152', size=48, epochs=1, batch=6, views=1)
    f = t.train(few, t.Job(r, 'frozen', settings=settings, progress=False))
    assert f.frozen['parameters'] == 465 and len(f.predictions['test']) == 6


@pytest.fixture(scope='module')
def shipped(images, tmp_path_factory):
    "Both modes from the backbone that comes with usbook"
    s = Settings(cache=str(tmp_path_factory.mktemp('shipped')), device='cpu', offline=True)
    r = replace(SMALL, epochs=3, views=2)
    return {mode: t.train(images, t.Job(r, mode, settings=s, progress=False)) for mode in MODES}


def test_fine_tuning_begins_where_the_frozen_mode_ended(shipped):
    a, b = (shipped[m].history for m in MODES)
    assert len(a) == 1 and len(b) == 3 and a.iloc[0].equals(b.iloc[0])
    assert b.train_loss.max() < .1 and not shipped['finetuned'].notes


def test_a_pretrained_body_keeps_the_statistics_of_its_batch_norm_and_random_weights_learn_them(shipped, both):
    first = t.snapshot(t.network(SMALL, shipped['finetuned'].weights, 2)[0])
    names = t.moved(first, shipped['finetuned'].network[0])
    assert any(n.endswith('bn1.weight') for n in names) and not any('running' in n for n in names)
    fresh = t.snapshot(t.network(SMALL, both['finetuned'].weights, 2)[0])
    assert any('running' in n for n in t.moved(fresh, both['finetuned'].network[0]))


@pytest.mark.parametrize('valid', (True, False))
def test_a_training_that_diverges_goes_back_to_the_head_and_says_so(valid, images, shipped, settings):
    m = images if valid else images.with_split(images.table.split.replace('valid', 'train'))
    s = replace(settings, weights='auto', offline=True)
    job = t.Job(replace(SMALL, epochs=9, views=2, lr=1e3), 'finetuned', settings=s, progress=False)
    f = t.train(m, job)
    assert len(f.notes) == 1 and 'given up in epoch' in f.notes[0] and '1000' in f.notes[0]
    head = t.train(m, job.but(mode='frozen')).predictions['test'].prob
    np.testing.assert_allclose(f.predictions['test'].prob, head, atol=2e-5)


def test_random_weights_that_diverge_leave_a_fitted_head(images, settings):
    f = t.train(images, t.Job(replace(SMALL, lr=1e30), 'finetuned', settings=settings, progress=False))
    assert 'given up' in f.notes[0] and np.isfinite(f.predictions['test'].prob).all()


@pytest.mark.parametrize(
    'keep, said',
    [
        (['P0', 'P1', 'P2', 'P6', 'P8'], 'class bright are of one patient .P1'),
        (['P0', 'P2', 'P6', 'P7', 'P8', 'P9'], 'class bright'),
        (['P6', 'P7', 'P8', 'P9'], 'no training images'),
    ],
)
def test_too_few_to_learn_from_is_one_sentence_before_anything_is_computed(keep, said, images, settings, monkeypatch):
    monkeypatch.setattr(t, 'network', None)
    m = images.subset(np.isin(images.patients, keep))
    for mode in MODES:
        with pytest.raises(BadInput, match=said) as e: t.train(m, t.Job(SMALL, mode, settings=settings))
        assert '\n' not in str(e.value)


def test_a_class_with_one_training_patient_is_fitted_with_the_usual_penalty_and_that_is_said(images, settings):
    m = images.subset(np.isin(images.patients, ['P0', 'P1', 'P2', 'P6', 'P7', 'P8', 'P9']))
    f = t.train(m, t.Job(SMALL, settings=settings, progress=False))
    assert len(f.notes) == 1 and 'Class bright has one training patient (P1)' in f.notes[0]


def test_two_images_in_all(images, settings):
    m = images.subset(np.isin(np.arange(36), [0, 3])).with_split(['train', 'train'])
    with pytest.raises(BadInput, match='one patient'): t.train(m, t.Job(SMALL, settings=settings))


def test_the_head_is_the_logistic_regression_of_scikit_learn(images):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    rows = t.split_rows(images, 'train')
    x = torch.randn(1, 36, 50, generator=torch.Generator().manual_seed(0)) + torch.as_tensor(images.targets)[:, None]/3
    w, b, c = t.linear_head(x, images, SMALL)
    z = StandardScaler().fit(x[0, rows].double())
    fit = LogisticRegression(C=c, class_weight='balanced', max_iter=2000)
    fit.fit(z.transform(x[0, rows].double()), images.targets[rows])
    p = torch.nn.functional.linear(x[0], w, b).softmax(1)[:, 1]
    np.testing.assert_allclose(p, fit.predict_proba(z.transform(x[0].double()))[:, 1], atol=1e-4)


def test_the_penalty_never_sees_an_image_of_a_patient_it_fits():
    patients, y = np.repeat(np.arange(12), 3), np.repeat([0, 1], 18)
    folds = t.patient_folds(y, patients)
    assert len(folds) == 5 and all(set(patients[a]).isdisjoint(patients[b]) for a, b in folds)
    assert t.patient_folds(np.array([0, 0, 1]), np.array(['a', 'b', 'c'])) == []


def test_a_rotation_changes_no_prediction_and_a_still_feature_no_head(images):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(12, 40)), np.arange(12) % 2
    a, b = (t._logistic(q[:9], y[:9], .1, SMALL).decision_function(q[9:]) for q in (z, t._turned(z)))
    np.testing.assert_allclose(a, b, atol=1e-3)
    x = torch.as_tensor(rng.normal(size=(1, 36, 5))).float()
    x[..., 4] = 3.
    w, b, _ = t.linear_head(x, images, SMALL)
    assert torch.isfinite(w).all() and torch.isfinite(b).all()


@pytest.mark.parametrize('arch, size', [('alexnet', 64), ('squeezenet1_0', 64), ('mobilenet_v2', 32),
                                        ('convnext_atto', 32), ('vit_tiny_patch16_224', 224)])
def test_one_head_for_every_architecture(arch, size):
    r = t.Recipe(arch, size=size)
    net = t.network(r, Weights(arch, 'random'), 3).eval()
    pooling, learning = t.cut_head(net[1])
    assert [type(layer).__name__ for layer in learning] == ['Dropout', 'Linear']
    assert len(pooling) == (0 if 'vit' in arch else 2)
    with torch.inference_mode(): assert net(torch.zeros(1, 3, size, size)).shape == (1, 3)
