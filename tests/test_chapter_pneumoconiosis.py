"""The pneumoconiosis chapter: views of a film, errors of stage one in stage two, the stamp, what its claims stand
on, whole runs."""
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

import usbook.studies.pneumoconiosis as chapter
from usbook.studies.pneumoconiosis import (
    CONDITIONS,
    PLANS,
    STUDY,
    TWO,
    Lungs,
    TwoStagePlan,
    ablation,
    as_films,
    auc_gap,
    auc_of,
    box,
    classify,
    figures_to_draw,
    find_all_lungs,
    make_view,
    measure,
    neighbour_share,
    stamp_shortcut,
    stamped,
    teachers,
    two_classes,
    two_sites,
    usable,
    view,
)
from usbook.data.manifest import Manifest
from usbook.data.split import check_leaks, folds_by_patient, split_by_patient
from usbook.core.interval import Interval
from usbook.evidence.scores import auc
from usbook.learn.segment import read_lungs
from usbook.learn.recipe import Job, Recipe, SegRecipe
from usbook.phantoms.samples import make_sample
from usbook.core.progress import Progress
from usbook.predictions.predictions import Predictions, read_meta
from usbook.evidence.resample import ratio_over_patients
from usbook.studies.formula import interval_of
from usbook.studies.machinery import Arm, Trained, decide_claims
from usbook.core.errors import BadInput
from usbook.core.settings import Settings

FOUR = list(STUDY.classes)
RECIPE = Recipe('resnet10t', size=64, epochs=1, batch=8, views=1)


@pytest.fixture(scope='module')
def films(tmp_path_factory):
    "28 small films, two sites"
    csv = make_sample(
        'pneumoconiosis',
        tmp_path_factory.mktemp('chest') / 's',
        n=28,
        size=128,
        workers=1,
        progress=False,
        label_noise=0.0,
        prevalence=(0.34, 0.22, 0.22, 0.22),
    )
    return Manifest.read(csv, classes=FOUR)


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    return Settings(weights='random', cache=str(tmp_path_factory.mktemp('cache')), device='cpu', profile='test')


@pytest.fixture
def job(settings): return Job(RECIPE, settings=settings, progress=False)


@pytest.fixture(scope='module')
def truth(films): return [read_lungs(films.root/p) for p in films.table['mask']]


def lungs_of(films, truth, failed=()):
    "Stage one as if it were perfect, but for some films"
    masks = [np.zeros_like(a) if i in failed else a for i, a in enumerate(truth)]
    found = pd.DataFrame(
        dict(
            image=films.table.image,
            patient=films.table.patient,
            row=films.rows,
            found=['none' if i in failed else 'both' for i in range(len(films))],
        )
    )
    return Lungs(masks, found, None, [])


def predictions(target, pred, classes=FOUR, sure=.7, patients=None):
    k = len(classes)
    prob = np.full((len(target), k), (1 - sure)/(k - 1))
    prob[np.arange(len(target)), pred] = sure
    names = [f'{i:03d}.png' for i in range(len(target))]
    return Predictions.from_arrays(
        names, patients or [f'P{i}' for i in range(len(target))], np.asarray(target), prob, list(classes)
    )


# Views ------------------------------------------------------------------------------------------------------

def test_views_by_hand():
    film, mask = np.arange(400, dtype=np.uint8).reshape(20, 20) % 200 + 1, np.zeros((20, 20), np.uint8)
    mask[5:15, 2:8], mask[6:16, 12:17] = 1, 2
    assert view(film, mask, 'whole') is film and view(film, None, 'whole') is film
    only, but = view(film, mask, 'masked'), view(film, mask, 'blackout')
    assert (only[mask > 0] == film[mask > 0]).all() and not only[mask == 0].any()
    assert not but[mask > 0].any() and (but[:3] == film[:3]).all()
    assert not ((only > 0) & (but > 0)).any(), 'what one shows the other hides'
    assert (
        box(mask > 0, 0) == (5, 16, 2, 17)
        and view(film, mask, 'right').shape == (10, 6)
        and view(film, mask, 'left').shape == (10, 5)
    )
    assert np.array_equal(
        view(film, mask, 'lungs'), only[box(mask > 0)[0] : box(mask > 0)[1], box(mask > 0)[2] : box(mask > 0)[3]]
    )
    assert (view(film, mask, 'left') > 0).sum() == (mask == 2).sum()
    assert view(film, np.zeros_like(mask), 'lungs') is film, 'nothing to cut out'


def test_a_box_stays_inside(): assert box(np.ones((10, 12), bool), .5) == (0, 10, 0, 12)


def test_pictures_depend_on_film_mask_and_kind_alone(films, truth, tmp_path):
    one, two = (make_view(films, truth, 'lungs', tmp_path) for _ in range(2))
    other = make_view(films, [np.zeros_like(truth[0]), *truth[1:]], 'lungs', tmp_path)
    split = make_view(split_by_patient(films, seed=0), truth, 'lungs', tmp_path)
    assert (
        one.root == two.root == split.root != other.root
        and one.root != make_view(films, truth, 'masked', tmp_path).root
    )
    assert list(one.table.film) == list(films.table.image) and 'split' in split.table
    sides = make_view(films, truth, 'sides', tmp_path)
    assert (
        len(sides) == 2 * len(films)
        and (sides.table.groupby('film').image.nunique() == 2).all()
        and sides.load(0).size != films.load(0).size
    )
    one_lung = make_view(
        films, [np.where(a == 1, 1, 0) if i < 2 else a for i, a in enumerate(truth)], 'sides', tmp_path
    )
    assert len(one_lung) == 2*len(films) - 2 and list(one_lung.table.film[:2]) == list(films.table.image[:2])
    none = make_view(films, [0*truth[0], *truth[1:]], 'sides', tmp_path)
    assert len(none) == 2*len(films) and none.load(0) == films.load(0), 'a film without lungs stays in'


def test_two_classes_from_four(films):
    m = two_classes(films)
    assert m.classes == list(TWO) and ((m.table.label == 'normal') == (films.table.label == 'normal')).all()
    assert set(m.table.true_label) <= set(TWO)


# Errors of stage one ----------------------------------------------------------------------------------------

def pictures(n, classes, sides=1):
    t = pd.concat(
        [
            pd.DataFrame(
                dict(
                    image=[f'{i}-{s}.png' for i in range(n)],
                    film=[f'{i:03d}.png' for i in range(n)],
                    patient=[f'P{i}' for i in range(n)],
                    label=classes[0],
                )
            )
            for s in range(sides)
        ],
        ignore_index=True,
    )
    return Manifest(t, '.', list(classes))


def test_a_film_without_lungs_is_a_sure_error_at_the_far_end():
    v, target = pictures(4, FOUR), np.arange(4)
    p = Predictions.from_arrays(v.table.image, v.table.patient, target, np.eye(4), FOUR)
    assert (as_films(p, v).pred == target).all()
    q = as_films(p, v, failed=v.table.film)
    assert list(q.pred) == [3, 3, 0, 0] and np.array_equal(q.prob, np.eye(4)[[3, 3, 0, 0]]) and len(q) == 4
    assert q.meta['lungs_not_found'] == list(v.table.film)


def test_a_failure_lowers_accuracy_and_auc():
    v = pictures(6, TWO)
    target = np.array([0, 0, 0, 1, 1, 1])
    p = Predictions.from_arrays(
        v.table.image, v.table.patient, target, np.stack([1 - 0.2 - 0.6 * target, 0.2 + 0.6 * target], 1), list(TWO)
    )
    whole, one = as_films(p, v), as_films(p, v, failed=['003.png'])
    assert (whole.pred == target).mean() == 1 and (one.pred == target).mean() == 5/6
    assert auc(whole.target == 1, whole.prob[:, 1]) == 1 and auc(one.target == 1, one.prob[:, 1]) == pytest.approx(2/3)


def test_two_lungs_are_averaged():
    v = pictures(2, TWO, sides=2)
    p = Predictions.from_arrays(
        v.table.image,
        v.table.patient,
        np.array([0, 1, 0, 1]),
        np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]),
        list(TWO),
    )
    q = as_films(p, v)
    assert list(q.table.image) == ['000.png', '001.png'] and np.allclose(q.prob, [[.7, .3], [.3, .7]])


def test_stage_two_tests_each_film_once(films, truth, settings, job):
    m = two_classes(films)
    parts = folds_by_patient(m, 3)
    for p in parts: check_leaks(p)
    v = make_view(m, truth, 'sides', settings.path('cache'))
    p, fits = classify(v, parts, job, failed=[films.table.image[3]])
    assert (
        sorted(p.table.image) == sorted(films.table.image)
        and len(fits) == 3
        and all(f.frozen['moved'] == 0 for f in fits)
    )
    row = p.table[p.table.image == films.table.image[3]].iloc[0]
    assert row[f'p_{row.target}'] == 0, 'the failed film counts as wrong'


def test_lungs_come_from_a_unet_that_never_saw_the_patient(films, settings, monkeypatch):
    seen = []
    def nets(tasks, **how):
        for t in tasks: seen.append(set(t.images.subset('train').patients) | set(t.images.subset('valid').patients))
        return list(range(len(seen)))
    monkeypatch.setattr(chapter, 'stored_fits', nets)
    asked = {}
    def find(net, m, rows):
        asked[net] = {m.patients[i] for i in rows}
        return [np.ones((128, 128), np.uint8)] * len(rows), pd.DataFrame(
            dict(image=m.table.image.iloc[rows], found='both')
        )
    monkeypatch.setattr(chapter, 'find_lungs', find)
    plan = TwoStagePlan(RECIPE, folds=3)
    lungs = find_all_lungs(films, folds_by_patient(films, plan.folds), Job(plan.unet, settings=settings))
    assert len(lungs.masks) == len(lungs.found) == len(films) and list(lungs.found.image) == list(films.table.image)
    assert all(not seen[k] & asked[k] for k in asked) and set.union(*asked.values()) == set(films.patients)


def test_a_film_with_frames_is_refused(films):
    with pytest.raises(BadInput, match='a radiograph has one frame'):
        usable(replace(films, table=films.table.assign(frame=0)))


# The ablation and the stamp ---------------------------------------------------------------------------------

def test_ablation_changes_nothing_but_the_picture(films, truth, settings, job):
    m = split_by_patient(two_classes(films), seed=0)
    views = ablation(m, [m], lungs_of(films, truth, failed=[0, 5]), job, kinds=('whole', 'lungs', 'blackout', 'oracle'))
    assert set(views) == {'whole', 'lungs', 'blackout', 'oracle'}
    assert (
        len({tuple(p.table.image) for p in views.values()}) == 1 and len({tuple(p.target) for p in views.values()}) == 1
    )
    assert (
        views['whole'].meta['lungs_not_found'] == [] == views['oracle'].meta['lungs_not_found']
        and len(views['lungs'].meta['lungs_not_found']) == 2
    )
    bare = replace(m, table=m.table.assign(mask=''))
    assert set(ablation(bare, [m], lungs_of(films, truth), job, kinds=('lungs', 'oracle'))) == {'lungs'}


def test_the_stamp_is_outside_the_lungs(films, truth, tmp_path):
    "Save for large lungs that reach the dark edge"
    m, marked = two_classes(films), stamped(two_classes(films), 1., 1., tmp_path)
    pairs = [(np.asarray(m.load(i)), np.asarray(marked.load(i))) for i in range(len(m))]
    assert all((a != b).mean() > .05 for a, b in pairs)
    seen = [(view(a, k, 'lungs') != view(b, k, 'lungs')).mean() for (a, b), k in zip(pairs, truth)]
    assert np.median(seen) < .01 and max(seen) < .05
    assert all(np.array_equal(read_lungs(marked.root / p), k) for p, k in zip(marked.table['mask'], truth)), (
        'masks are found from the new folder'
    )


def test_unets_learn_from_stamped_films(films, settings):
    learn, note = teachers(films, folds_by_patient(films, 2), settings)
    changed = [(np.asarray(films.load(i)) != np.asarray(learn[0].load(i))).any() for i in range(len(films))]
    assert .2 < np.mean(changed) < .8 and not note and len(learn) == 2
    assert abs(np.mean(np.array(changed)[films.targets == 0]) - np.mean(np.array(changed)[films.targets > 0])) < 0.5, (
        'by lot, whatever the class'
    )


def test_who_is_stamped(films, tmp_path):
    m = two_classes(films)
    some, again = (stamped(m, .95, .05, tmp_path/k) for k in 'ab')
    changed = np.array([(np.asarray(m.load(i)) != np.asarray(some.load(i))).any() for i in range(len(m))])
    ill = (m.table.label != 'normal').to_numpy()
    assert changed[ill].mean() > .8 and changed[~ill].mean() < .3
    assert all(np.array_equal(some.load(i), again.load(i)) for i in range(len(m)))


def test_sites_are_learned_and_tested_apart(films, truth, settings, job, monkeypatch):
    m = two_classes(films)
    m = replace(m, table=m.table.assign(site=np.where(np.arange(len(m)) % 2, 'A', 'B')))
    assert two_sites(m) is not None and two_sites(replace(m, table=m.table.drop(columns='site'))) is None
    assert two_sites(replace(m, table=m.table.assign(site='A'))) is None
    learned, make = [], chapter.stored_fits
    def spy(tasks, **k):
        learned.extend(t.images.table[t.images.table.split.isin(['train', 'valid'])] for t in tasks)
        return make(tasks, **k)
    monkeypatch.setattr(chapter, 'stored_fits', spy)
    monkeypatch.setattr(chapter, 'find_lungs', lambda net, films, rows=None: (truth, None))
    sites, lungs = two_sites(m), replace(lungs_of(films, truth), nets=[None])
    out = stamp_shortcut(m, [split_by_patient(m, seed=1)], lungs, job, kinds=('whole',))
    assert all(set(t.site) == {sites[0]} and set(t.condition) == {'home'} for t in learned)
    for c in CONDITIONS: assert set(out['whole', c].table.site) == {sites[c != 'home']}
    assert list(out['whole', 'away'].target) == list(out['whole', 'reversed'].target)
    assert not set(out['whole', 'home'].patient) & set(pd.concat(learned).patient)


# What the claims stand on -----------------------------------------------------------------------------------

def test_neighbours_and_kappa_by_hand():
    target = [0]*6 + [1]*6 + [2]*6 + [3]*6
    pred = [0, 0, 0, 1, 1, 3] + [1]*4 + [2, 0] + [2]*4 + [3, 0] + [3]*5 + [2]
    p = predictions(target, pred)
    guess = np.outer(np.bincount(target), np.bincount(pred))
    off = abs(np.subtract.outer(range(4), range(4)))
    share = neighbour_share(p)
    assert (
        share.value == pytest.approx(6 / 8 - guess[off == 1].sum() / guess[off > 0].sum())
        and share.low is not None
        and share.events == 8
    )
    assert interval_of('kappa_quadratic - kappa', p).value == pytest.approx(.7 - .5555555, abs=.08)
    assert neighbour_share(predictions(target, target)).value is None, 'no errors, no share'


def test_ratio_by_hand():
    r = ratio_over_patients([1, 0, 1, 1], [1, 1, 1, 1], list('aabc'))
    assert r.value == .75 and ratio_over_patients([0, 0], [0, 0], list('ab')).value is None


def test_two_minus_four_by_hand():
    four = predictions([0, 1, 2, 3]*6, [0, 2, 2, 1]*6)
    two = predictions([0, 1, 1, 1]*6, [0, 1, 1, 0]*6, TWO)
    h = interval_of('two.accuracy - four.accuracy', dict(two=two, four=four))
    assert h.value == pytest.approx(.25) and h.low < .25 < h.high
    shuffled = four.subset(np.random.default_rng(0).permutation(24))
    again = interval_of('two.accuracy - four.accuracy', dict(two=two, four=shuffled))
    assert tuple(again) == pytest.approx(tuple(h)), 'films are matched by name'


def test_auc_and_its_gap():
    rng, target = np.random.default_rng(0), np.arange(60) % 2
    def scored(noise):
        s = 1/(1 + np.exp(-(2*target - 1 + noise*rng.normal(size=60))))
        return Predictions.from_arrays(
            [f'{i}' for i in range(60)], [f'P{i}' for i in range(60)], target, np.stack([1 - s, s], 1), list(TWO)
        )
    good, bad = scored(.7), scored(6)
    gap = auc_gap(good, bad)
    assert gap.value == pytest.approx(auc_of(good).value - auc_of(bad).value) and 0 < gap.low < gap.value < gap.high


def test_every_declared_measure_is_delivered_or_explained():
    rng, target = np.random.default_rng(0), np.arange(96) % 4
    four = predictions(target, np.where(rng.random(96) < .7, target, (target + 1) % 4))
    two = predictions(np.minimum(target, 1), np.minimum(four.pred, 1), TWO)
    tables = dict(two=two, four=four, whole=two, blackout=predictions(two.target, rng.integers(0, 2, 96), TWO))
    frozen, tuned = (Trained(Arm('net', m), two) for m in ('frozen', 'finetuned'))
    found = measure({'net-finetuned': tuned})
    assert found.values == {} and set(found.remarks) == {c.id for c in STUDY.claims}
    assert {v.verdict for v in decide_claims(STUDY, found)} == {'not tested'}
    frozen.measured = dict(neighbour_share_minus_chance=neighbour_share(four), tables=tables, views={}, stamps={})
    found = measure({'net-frozen': frozen, 'net-finetuned': tuned})
    assert set(found.values) == set(STUDY.measures) and set(found.remarks.values()) == {'frozen backbone'}
    verdicts = {v.claim: v for v in decide_claims(STUDY, found)}
    assert 'not tested' not in {v.verdict for v in verdicts.values()} and verdicts['a'].verdict == 'supported'
    normal = int((target == 0).sum())  # an AUC stands on the patients of its rarer class
    assert {k: verdicts[k].patients for k in 'abce'} == dict(a=normal, b=normal, c=96, e=normal)
    tuned.measured = dict(neighbour_share_minus_chance=Interval(.8, .7, .9), tables=tables)
    found = measure({'net-frozen': frozen, 'net-finetuned': tuned})
    assert found.values['neighbour_share_minus_chance'].value == .8 and set(found.remarks.values()) == {'fine-tuned'}

def test_two_networks_that_guess_are_not_told_apart_by_the_number_of_classes():
    "Accuracy differs by .3 between guessing among two and among four classes; kappa does not"
    rng, target = np.random.default_rng(3), np.repeat(np.arange(4), 60)
    four, two = (
        predictions(target, rng.permutation(target)),
        predictions(np.minimum(target, 1), rng.permutation(np.minimum(target, 1)), TWO),
    )
    v = decide_claims(STUDY, chapter.Measured(tables=dict(two=two, four=four, whole=two, blackout=two)))[2]
    assert v.verdict != 'supported' and interval_of('two.accuracy - four.accuracy', dict(two=two, four=four)).low > .2

def test_plans_name_the_papers_networks():
    full = PLANS['full']
    assert (full.recipe.arch, full.recipe.size, full.unet.arch, full.unet.size) == ('resnet34', 512, 'resnet34', 512)
    assert set(PLANS) == {'test', 'quick', 'workshop', 'full'} and set(full.ablate) == {'frozen', 'finetuned'}


# Whole runs -------------------------------------------------------------------------------------------------

@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(
        PLANS, 'test', TwoStagePlan(replace(RECIPE, epochs=2), unet=SegRecipe(size=32, epochs=2), folds=2)
    )


def test_the_run_from_films_to_verdicts(usbook, films, small, monkeypatch, tmp_path):
    import shutil
    from pathlib import Path
    shutil.copytree(films.root, tmp_path/'films')
    negative = films.table.image[7]
    ImageOps.invert(films.load(7)).save(tmp_path/'films'/negative)
    lost, find = films.table.image[4], chapter.find_lungs
    def blind(net, m, rows=None):
        masks, found = find(net, m, rows)
        for k in np.flatnonzero(found.image == lost):
            masks[k] = np.zeros_like(masks[k])
            found.loc[k, 'found'] = 'none'
        return masks, found
    monkeypatch.setattr(chapter, 'find_lungs', blind)
    r = usbook(
        'reproduce', 'pneumoconiosis', '--data', tmp_path / 'films' / 'manifest.csv', '--weights', 'random', '--json'
    )
    assert r.returncode == 0, r.stderr
    out = json.loads(r.stdout[r.stdout.index('{'):])
    assert [c['id'] for c in out['claims']] == list('abcde') and 'not tested' not in {
        c['verdict'] for c in out['claims']
    }
    assert all(k.expression in c['ours'] for c, d in zip(out['claims'], STUDY.claims) for k in d.conditions)
    assert set(out['runs']) == {'resnet10t-frozen', 'resnet10t-finetuned', 'resnet10t_four-frozen'}
    assert [w for w in out['warnings'] if lost in w and 'counts as an error' in w], 'a failure is listed'
    assert [w for w in out['warnings'] if negative in w and 'looks inverted' in w], 'an odd film is noted'
    folder = Path(out['folder'])
    p = Predictions.read(folder/'predictions-resnet10t-frozen.csv')
    assert (
        len(p) == len(films)
        and p.table.set_index('image').loc[lost, 'p_' + p.table.set_index('image').target[lost]] == 0
    )
    assert p.meta['stage_one']['found']['none'] == 1 and 'dice' in p.meta['stage_one']['right']
    assert set(p.meta['auc_of_views']) == {'whole', 'masked', 'lungs', 'blackout', 'oracle', 'sides'}
    page = (folder/'report.html').read_text(encoding='utf-8')
    assert lost in page and 'worst outlines' in page
    asked_about_other_films(usbook, tmp_path, folder, p, lost)


def asked_about_other_films(usbook, here, run, own, lost):
    "Each fold's U-Net and classifier together: on the films that a fold tested they say what they said in the run"
    from usbook.core.settings import read_settings
    from usbook.learn.fits import fits_folder
    from usbook.learn.predict import new_images, stored_ensemble, stored_unet
    from usbook.runs.networks import _lungs_first, _unets, read_run
    r = usbook('predict', run, here/'films'/'manifest.csv', '--arm', 'resnet10t-frozen', '--out', 'p.csv',
               '--no-labels')
    assert r.returncode == 0, r.stderr
    said, results, s = pd.read_csv(here/'p.csv'), read_run(run), read_settings()
    store, unets, keys = fits_folder(s), _unets(run, results), results['fits']['resnet10t-frozen']
    assert len(unets) == len(keys) == 2 and read_meta(here/'p.json')['stage_one'] == unets and len(said) == len(own)
    both = [stored_ensemble([store/k], s) for k in keys]
    films = new_images(here/'films'/'manifest.csv', both[0], labels=False)
    folds = [_lungs_first(stored_unet(store/u, s), e, films, s, Progress.of(False))[0] for u, e in zip(unets, both)]
    columns = [f'p_{c}' for c in own.classes]
    p = np.stack([o.table.set_index('image').loc[own.table.image, columns].to_numpy(float) for o in folds])
    mean = said.set_index('image').loc[own.table.image, columns].to_numpy(float)
    assert np.allclose(mean, p.mean(0), atol=1e-6)
    far = abs(p - own.table[columns].to_numpy(float)).max(2).min(0)
    assert (far[(own.table.image != lost).to_numpy()] < 1e-3).all()


def test_own_films_without_masks_and_with_other_classes(usbook, films, small, tmp_path, monkeypatch):
    find = chapter.find_images
    monkeypatch.setattr(chapter, 'find_images', lambda study, s: (films, '') if s.data == 'sample' else find(study, s))
    for i, t in films.table.iterrows():
        kind = 'ill' if t.label != 'normal' else 'well'
        (tmp_path/'own'/kind).mkdir(parents=True, exist_ok=True)
        Image.open(films.root/t.image).save(tmp_path/'own'/kind/f'{t.patient}_{i}.png')
    r = usbook(
        'reproduce',
        'pneumoconiosis',
        '--data',
        tmp_path / 'own',
        '--patients',
        r'(P\d+)_',
        '--modes',
        'frozen',
        '--weights',
        'random',
        '--json',
    )
    assert r.returncode == 0, r.stderr
    out = json.loads(r.stdout[r.stdout.index('{'):])
    assert {c['verdict'] for c in out['claims']} == {'not tested'} and list(out['runs']) == ['resnet10t-frozen']
    assert [w for w in out['warnings'] if 'trained on simulated films' in w]


def test_bad_masks_stop_the_run_with_one_sentence(usbook, films, small, tmp_path):
    import shutil
    shutil.copytree(films.root, tmp_path/'films')
    Image.fromarray(np.full((128, 128), 9, np.uint8)).save(tmp_path/'films'/films.table['mask'][2])
    r = usbook('reproduce', 'pneumoconiosis', '--data', tmp_path/'films'/'manifest.csv', '--weights', 'random')
    assert (
        r.returncode == 2
        and f"row 4: mask {films.table['mask'][2]} holds the values 9" in r.stderr
        and len(r.stderr.strip().splitlines()) <= 3
    )


def test_figures_without_anything(): assert figures_to_draw({'a': Trained(Arm('a', 'frozen'), None)}) == {}
