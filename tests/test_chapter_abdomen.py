"""The abdomen chapter: what its claims are measured on, its reader, its text, its nets; and real images without
patients."""
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import make_tree
from usbook.studies.abdomen import (
    KINDS,
    PLANS,
    STUDY,
    confusable,
    copy_with_text,
    human_readers,
    learn_from,
    measure,
    readers_folder,
    rescued_by_second,
    text_shortcut,
    stand_ins,
    tested_on as of_kind,
    with_readers,
    without_strip,
)
from usbook.data.manifest import Manifest
from usbook.data.split import check_leaks, split_by_patient
from usbook.evidence.metrics import evaluate
from usbook.phantoms.abdomen import abdomen_image
from usbook.phantoms.samples import study_knobs
from usbook.predictions.predictions import Predictions
from usbook.studies.machinery import Arm, Measured, Trained, decide_claims
from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.predictions.readers import write_answers

CLASSES = list(STUDY.classes)


def predictions(right=.7, patients=12, each=22, seed=0):
    "A network that is right about so often, and whose second guess is right on half of its errors"
    rng, n = np.random.default_rng(seed), patients*each
    target = np.arange(n) % 11
    order = np.array([rng.permutation([c for c in range(11) if c != t]) for t in target])
    first = np.where(rng.random(n) < right, target, order[:, 0])
    second = np.where((first != target) & (np.arange(n) % 2 == 0), target, order[:, 1])
    prob = np.full((n, 11), .1/9)
    prob[np.arange(n), second], prob[np.arange(n), first] = .3, .6
    return Predictions.from_arrays(
        [f'{i:04d}.png' for i in range(n)],
        [f'P{i // each}' for i in range(n)],
        target,
        prob / prob.sum(1, keepdims=True),
        CLASSES,
    )


def tree(folder, classes=CLASSES, patients=6):
    "One image a class and patient, no two alike"
    rng, rows = np.random.default_rng(0), []
    folder.mkdir()
    for k, c in enumerate(classes):
        for p in range(patients):
            Image.fromarray(rng.integers(0, 255, (44, 44)).astype('uint8')).save(folder/f'{k}-{p}.png')
            rows.append((f'{k}-{p}.png', f'P{p}', c))
    pd.DataFrame(rows, columns=['image', 'patient', 'label']).to_csv(folder/'manifest.csv', index=False)
    return Manifest.read(folder/'manifest.csv', classes=list(classes))


def arms(*preds): return {f'net{k}-frozen': Trained(Arm(f'net{k}', 'frozen'), p, p) for k, p in enumerate(preds)}


def shortcut_of(p):
    tests = {(a, b): predictions(r) for (a, b), r in zip([(a, b) for a in KINDS for b in KINDS], (.6, .4, .2, .95))}
    return Predictions(p.table, p.classes, p.meta | dict(shortcut=text_shortcut(tests)))


# What the claims stand on ----------------------------------------------------------------------------------

def test_every_declared_measure_is_delivered_with_a_human_reader():
    caffe, vgg = (shortcut_of(predictions(s, seed=k)) for k, s in enumerate((.8, .8)))
    said = [c if i % 4 else 'spleen' for i, c in enumerate(caffe.table.target)]
    caffe, vgg = (Predictions(p.table.assign(reader_ada=said), p.classes, p.meta) for p in (caffe, vgg))
    found = measure(arms(caffe, vgg))
    assert set(found.values) == set(STUDY.measures) and list(found.tables) == ['caffenet', 'vggnet']
    assert all(v.low is not None for v in found.values.values())
    verdicts = {v.claim: v for v in decide_claims(STUDY, found)}
    assert all(x.low is not None for v in verdicts.values() for x, _, _ in v.tested)
    assert (
        verdicts['a'].verdict == 'supported'
        and verdicts['e'].verdict == 'supported'
        and verdicts['d'].verdict == 'supported'
    )
    assert verdicts['c'].verdict != 'not tested' and 'ada' in verdicts['c'].reason


def test_a_simulated_reader_decides_nothing(tmp_path):
    p = with_readers(shortcut_of(predictions()), tmp_path)
    assert (
        list(p.readers) == ['simulated']
        and p.meta['readers']['simulated'].startswith('simulated')
        and human_readers(p) == []
    )
    wrong = p.readers['simulated'] != p.target
    assert .15 < wrong.mean() < .4 and wrong[p.target == CLASSES.index('gallbladder')].mean() < .3
    found = measure(arms(p, p))
    assert not [k for k in found.values if k.endswith('_minus_reader')]
    v = decide_claims(STUDY, found)[2]
    assert v.verdict == 'not tested' and v.reason.startswith('simulated reader')


def test_files_of_human_readers_are_used(tmp_path):
    p, folder = predictions(), tmp_path/'readers'
    write_answers(
        folder / 'reader_ada.csv', [dict(image=i, label='spleen', seconds='1', when='') for i in p.table.image[:40]]
    )
    write_answers(
        folder / 'reader_bo.csv', [dict(image=i, label='pancreas', seconds='1', when='') for i in p.table.image]
    )
    assert human_readers(with_readers(p, folder)) == ['bo', 'ada']


def test_another_set_of_test_images_has_another_folder_of_readers(tmp_path):
    m, s = tree(tmp_path/'a'), Settings(runs=str(tmp_path/'runs'), home=str(tmp_path))
    one, two = (split_by_patient(m, seed=k) for k in (0, 1))
    assert readers_folder(one, s) == readers_folder(split_by_patient(m, seed=0), s)
    assert set(one.subset('test').patients) == set(two.subset('test').patients) or readers_folder(
        one, s
    ) != readers_folder(two, s)


def test_second_guess_by_hand():
    p = predictions(.5)
    wrong, second = p.pred != p.target, np.argsort(-p.prob, axis=1)[:, 1]
    share = rescued_by_second(p)
    assert share.value == (second == p.target)[wrong].mean() and share.events == wrong.sum()
    assert rescued_by_second(predictions(1.)).value is None, 'no error, no share'

def test_one_rescued_error_is_no_evidence():
    "200 patients with 30 images each, one error, its second guess right: no interval and no verdict"
    n, target = 6000, np.arange(6000) % 11
    prob = np.full((n, 11), .1/9)
    prob[np.arange(n), target], prob[np.arange(n), (target + 1) % 11] = .6, .3
    prob[7, [target[7], (target[7] + 1) % 11]] = .3, .6
    p = Predictions.from_arrays(
        [f'{i:04d}.png' for i in range(n)], [f'P{i // 30}' for i in range(n)], target, prob, CLASSES
    )
    share = rescued_by_second(p)
    assert share.value == 1 and share.low is None and share.patients == share.events == 1
    assert decide_claims(STUDY, Measured(dict(rescued_by_second=share)))[3].verdict == 'inconclusive'


def test_without_frozen_networks_nothing_is_claimed():
    found = measure({'net-finetuned': Trained(Arm('net', 'finetuned'), predictions(), predictions())})
    assert found.values == {} and {v.verdict for v in decide_claims(STUDY, found)} == {'not tested'}


def test_confusable_pairs_by_hand():
    p = predictions(1.)
    kidneys = [CLASSES.index(c) for c in ('left_kidney_long', 'right_kidney_long')]
    prob = p.prob.copy()
    rows = np.flatnonzero(p.target == kidneys[0])[:6]
    prob[rows] = np.eye(11)[kidneys[1]]
    q = Predictions.from_arrays(p.table.image, p.patient, p.target, prob, CLASSES)
    top = confusable(evaluate(q)).iloc[0]
    assert {top.one, top.other} == {'left_kidney_long', 'right_kidney_long'} and top.share == 6/48
    assert top.one_as_other + top.other_as_one == 6


# The text --------------------------------------------------------------------------------------------------

def test_text_is_the_phantoms_own(tmp_path):
    "Burning the label into a clean phantom gives the pixels that the phantom draws with text"
    knobs, rows = study_knobs('abdomen'), []
    for i in range(3):
        p = abdomen_image(0, i, 96, knobs)
        Image.fromarray(p.image).save(tmp_path/f'{i}.png')
        rows.append((f'{i}.png', f'P{i}', p.label))
    m = Manifest(pd.DataFrame(rows, columns=['image', 'patient', 'label']), tmp_path, CLASSES)
    both = copy_with_text(m, tmp_path/'copies')
    for i in range(3):
        assert (np.asarray(both.load(i)) == np.asarray(m.load(i))).all()
        assert (np.asarray(both.load(3 + i)) == abdomen_image(0, i, 96, replace(knobs, burned_in_text=1.)).image).all()
    assert list(both.table.image) == [f'{k}/{i:05d}.png' for k in KINDS for i in range(3)]


def test_training_sees_one_kind_and_the_test_both(tmp_path):
    m = split_by_patient(tree(tmp_path/'a'), seed=0)
    both = copy_with_text(m, tmp_path/'copies')
    for kind in KINDS:
        t = learn_from(both, kind, m.table.split)
        check_leaks(t)
        assert t.table.image[t.table.split.isin(['train', 'valid'])].str.startswith(kind).all()
        assert (t.table.split == 'test').sum() == 2*(m.table.split == 'test').sum()
    p = Predictions.from_arrays(both.table.image, both.patients, both.targets, np.full((len(both), 11), 1/11), CLASSES)
    assert list(of_kind(p, 'text').table.image) == list(of_kind(p, 'plain').table.image)


@pytest.mark.parametrize('height', [96, 131])
def test_a_strip_is_cut_away_or_covered_and_nothing_else_changes(tmp_path, height):
    pixels = np.random.default_rng(0).integers(1, 255, (height, 60), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path/'a.png')
    m = Manifest(pd.DataFrame([('a.png', 'P1', CLASSES[0])], columns=['image', 'patient', 'label']), tmp_path, CLASSES)
    top = round(height/11)
    assert (np.asarray(without_strip(m, 'cropped', tmp_path/'out').load(0)) == pixels[top:]).all()
    covered = np.asarray(without_strip(m, 'covered', tmp_path/'out').load(0))
    assert not covered[:top].any() and (covered[top:] == pixels[top:]).all()
    with pytest.raises(BadInput, match='cropped or covered'): without_strip(m, 'blurred', tmp_path/'out')


# The networks ----------------------------------------------------------------------------------------------

def test_who_stands_for_whom():
    assert list(PLANS) == ['test', 'quick', 'workshop', 'full']
    assert stand_ins(PLANS['full']) == {
        'CaffeNet': 'alexnet, 256 pixels',
        'VGGNet': 'vgg16, 256 pixels',
        'VGGNet (19 layers)': 'vgg19, 256 pixels',
    }
    for plan in PLANS.values():
        names = [r.arch for r in (plan.recipe, *plan.others)]
        assert len(set(names)) == len(names) and names[0] == 'alexnet'
        assert not any(r.flip for r in (plan.recipe, *plan.others)), 'left is not right in the abdomen'


@pytest.mark.parametrize('k', [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_the_papers_networks_take_its_images(k, tmp_path):
    "Frozen, at 256 pixels, on a few images"
    from usbook.learn.classic import train_classic
    from usbook.learn.recipe import Job
    recipe = replace((PLANS['full'].recipe, *PLANS['full'].others)[k], epochs=1, views=1, batch=4, head_epochs=1)
    m = split_by_patient(tree(tmp_path/'a', CLASSES[:2], 5), seed=0)
    fit = train_classic(
        m,
        Job(
            recipe,
            'frozen',
            settings=Settings(weights='random', cache=str(tmp_path / 'cache'), device='cpu', offline=True),
            seed=0,
            progress=False,
        ),
    )
    assert fit.frozen['moved'] == 0 and fit.predictions['test'].prob.shape[1] == 2
    assert [n.out_features for n in fit.network[1] if hasattr(n, 'out_features')] == [4096, 4096, 2]


# From the command line -------------------------------------------------------------------------------------

def answer(r): return json.loads(r.stdout[r.stdout.index('{'):])


def test_reproduce_on_the_sample(usbook):
    r = usbook(
        'reproduce',
        'abdomen',
        '--weights',
        'random',
        '--json',
        '--data',
        Path(__file__).parents[1] / 'data_samples' / 'abdomen',
    )
    assert r.returncode == 0, r.stderr
    out = answer(r)
    assert list(out['runs']) == [
        'alexnet-frozen',
        'alexnet-finetuned',
        'resnet10t-frozen',
    ]
    claims = {c['id']: c for c in out['claims']}
    assert claims['c']['verdict'] == 'not tested' and claims['c']['reason'].startswith('simulated reader')
    assert all(claims[k]['verdict'] != 'not tested' for k in 'abde'), claims
    assert (
        'alexnet, 64 pixels for CaffeNet; resnet10t, 64 pixels for VGGNet' in claims['b']['reason']
        and out['comparison']['model_b'] == 'alexnet-finetuned'
    )
    folder = Path(out['folder'])
    p = Predictions.read(folder/'predictions-alexnet-frozen.csv')
    assert list(p.readers) == ['simulated'] and set(p.meta['shortcut']) >= {'text_gain_inside', 'text_loss_outside'}
    assert 'burnt-in text' in (folder/'report.html').read_text(encoding='utf-8')


def without_patients(folder):
    make_tree(folder, classes=('kidney', 'liver', 'spleen'), patients=12, each=1)
    rows = [(f.relative_to(folder).as_posix(), f.parent.name) for f in sorted(folder.rglob('*.png'))]
    pd.DataFrame(rows, columns=['image', 'label']).to_csv(folder/'organs.csv', index=False)
    return folder/'organs.csv'


def refused_then_warned(usbook, manifest):
    "Images without patients: exit code 2 and why; with --image-level a report whose first warning says so"
    words = 'reproduce', 'abdomen', '--data', manifest, '--weights', 'random', '--modes', 'frozen', '--json'
    r = usbook(*words)
    assert r.returncode == 2 and 'patient' in r.stderr and 'Traceback' not in r.stderr
    assert len(r.stderr.strip().splitlines()) <= 3
    r = usbook(*words, '--image-level')
    assert r.returncode == 0, r.stderr
    out = answer(r)
    assert out['warnings'][0].startswith('Image-level results')
    page = (Path(out['folder'])/'report.html').read_text(encoding='utf-8')
    assert 0 < page.index('Image-level results') < page.index('How this was made')
    assert {c['verdict'] for c in out['claims']} == {'not tested'} and 'other classes' in out['claims'][0]['reason']
    return out


def test_images_without_patients(usbook, tmp_path): refused_then_warned(usbook, without_patients(tmp_path/'organs'))


# Real images -----------------------------------------------------------------------------------------------

def test_real_organs_without_patients(usbook, realdata):
    out = refused_then_warned(usbook, realdata/'abdomen_organs'/'manifest_without_patients.csv')
    assert 'resnet10t-frozen' in out['runs']


def test_real_gallbladders_by_patient(usbook, realdata):
    r = usbook(
        'reproduce',
        'abdomen',
        '--data',
        realdata / 'gallbladder' / 'manifest.csv',
        '--arch',
        'squeezenet1_1',
        '--weights',
        realdata / 'weights',
        '--modes',
        'frozen',
        '--json',
    )
    assert r.returncode == 0, r.stderr
    out = answer(r)
    assert list(out['runs']) == ['squeezenet1_1-frozen'] and out['weights']['source'] == 'folder'
    assert not any(w.startswith('Image-level') for w in out['warnings']) and {c['verdict'] for c in out['claims']} == {
        'not tested'
    }
    acc = out['runs']['squeezenet1_1-frozen']['accuracy']
    assert 0 < acc['patients'] <= out['data']['patients'] and 0 <= acc['value'] <= 1
    assert ('low' in acc) != ('no interval' in acc.get('note', ''))  # the test profile's few patients may carry none
