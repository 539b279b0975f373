"""Both modes on real lung ultrasound: three folds of patients, ImageNet weights and random ones beside them.

The quick form runs with the other tests and asserts what has to be true of any honest result. The slow form
(`make realdata`) uses larger images and more epochs, and writes its figures to nbs/records/real_lung_signs.json.
"""
import time
from pathlib import Path

import pandas as pd
import pytest
import several_signs

from usbook.data.manifest import Manifest
from usbook.data.split import check_leaks, folds_by_patient
from usbook.evidence.compare import compare
from usbook.evidence.metrics import evaluate
from usbook.learn.recipe import MODES, Job, Recipe
from usbook.learn.transfer import train
from usbook.predictions.predictions import Predictions
from usbook.core.settings import Settings
from usbook.runs.record import Record, figures_of_arms

CLASSES = ['a_lines', 'b_lines', 'effusion', 'consolidation']
RECORD = Path(__file__).parents[1]/'nbs'/'records'/'real_lung_signs.json'
QUICK = Recipe(arch='squeezenet1_0', size=96, epochs=2, views=1)
FULLER = Recipe(arch='squeezenet1_0', size=224, epochs=12)


@pytest.fixture(scope='module')
def folds(realdata):
    "413 frames that show exactly one of the four signs, in three folds of patients"
    m = Manifest.read(realdata/'lung_signs'/'manifest.csv', classes=CLASSES, drop_other=True)
    assert (len(m), len(set(m.patients))) == (413, 52)
    return folds_by_patient(m, 3, seed=0)


def arm(folds, recipe, mode, settings, seed=0):
    "Predictions for every image by a network that never saw its patient, and the fits"
    fits = [train(m, Job(recipe, mode, settings=settings, seed=seed, progress=False)) for m in folds]
    table = pd.concat([f.predictions['test'].table for f in fits], ignore_index=True)
    return Predictions(
        table, CLASSES, fits[0].predictions['test'].meta, f'{mode}, {fits[0].weights.source} weights'
    ), fits


def arms(folds, recipe, realdata, cache, seeds=(0,), sources=('imagenet', 'random')):
    "(weights, mode) -> [(Predictions, fits) for each seed]"
    where = dict(imagenet=str(realdata/'weights'), random='random')
    settings = {k: Settings(weights=where[k], cache=str(cache), device='cpu', offline=True) for k in sources}
    return {
        (k, mode): [arm(folds, recipe, mode, settings[k], seed) for seed in (seeds if mode == 'frozen' else seeds[:1])]
        for k in sources
        for mode in MODES
    }


def test_patients_are_on_one_side_and_tested_once(folds):
    for m in folds:
        check_leaks(m)
        assert {s: set(m.subset(s).table.label) for s in m.splits} == {
            s: set(CLASSES) for s in ('train', 'valid', 'test')
        }
    tested = [set(m.subset('test').patients) for m in folds]
    assert sum(map(len, tested)) == len(set.union(*tested)) == 52


def test_both_modes_on_real_images(folds, realdata, tmp_path):
    done = {k: v[0] for k, v in arms(folds, QUICK, realdata, tmp_path, sources=('imagenet',)).items()}
    for (_, mode), (preds, fits) in done.items():
        assert len(preds) == 413 and preds.n_patients == 52
        assert all((f.weights.source, f.weights.name[:13]) == ('folder', 'squeezenet1_0') for f in fits)
        assert all(f.frozen == dict(parameters=50, buffers=0, moved=0) for f in fits) or mode == 'finetuned'
        assert all(len(f.history) == (QUICK.epochs if mode == 'finetuned' else 1) for f in fits)
    rows = [p.table[['image', 'patient', 'target']] for p, _ in done.values()]
    assert all(r.equals(rows[0]) for r in rows)
    e = evaluate(done['imagenet', 'frozen'][0])
    figures = [e.overall['balanced_accuracy'], e.overall['macro_auc'], *(e.per_class[c]['recall'] for c in CLASSES)]
    shown = [v for v in figures if v.low is not None]
    assert all(v.low <= v.value <= v.high and v.high - v.low > .02 for v in shown), 'not those of independent images'
    assert all(v.note for v in figures if v.low is None), 'a metric without an interval says why'
    accuracy, balanced, auc = (e.overall[k] for k in ('accuracy', 'balanced_accuracy', 'macro_auc'))
    assert accuracy.low > 1/len(CLASSES), 'above chance'
    assert balanced.value > 1/len(CLASSES) + .1 and balanced.note and balanced.patients < 15
    assert auc.value > .5 + .1 and auc.note and auc.patients < 15  # as sure as its rarest class


def summary(predictions):
    "Metrics of the first seed with intervals over patients; the other seeds, and the counts behind them"
    keep = ('accuracy', 'balanced_accuracy', 'macro_f1', 'macro_auc', 'brier')
    all_seeds = [evaluate(p) for p in predictions]
    e = all_seeds[0]
    figures = {k: e.overall[k] for k in keep}
    figures['per_class'] = {c: {k: e.per_class[c][k] for k in ('precision', 'recall', 'f1', 'auc')} for c in CLASSES}
    return figures, dict(
        seeds=[{k: round(s.overall[k].value, 4) for k in keep} for s in all_seeds],
        confusion=e.confusion.tolist(),
        notes=list(e.notes),
    )


@pytest.mark.slow
def test_fuller_form_writes_the_record(folds, realdata, tmp_path):
    started = time.perf_counter()
    done = arms(folds, FULLER, realdata, tmp_path, seeds=(0, 1, 2))
    first = {k: v[0][0] for k, v in done.items()}
    pairs = {'imagenet frozen - random frozen': (('imagenet', 'frozen'), ('random', 'frozen')),
             'imagenet finetuned - imagenet frozen': (('imagenet', 'finetuned'), ('imagenet', 'frozen')),
             'imagenet finetuned - random finetuned': (('imagenet', 'finetuned'), ('random', 'finetuned'))}
    of_class = {c: int(first['imagenet', 'frozen'].table.query('target == @c').patient.nunique()) for c in CLASSES}
    data = dict(sha256=folds[0].with_split(None).sha256(), images=413, patients=52, patients_of_class=of_class)
    found = {f'{w}-{m}': summary([p for p, _ in v]) for (w, m), v in done.items()}
    arms_ = {k: metrics for k, (metrics, _) in found.items()} | {
        k: compare(first[a], first[b])['differences'] for k, (a, b) in pairs.items()
    }
    how = dict(
        folds=3,
        classes=CLASSES,
        recipe=vars(FULLER),
        weights={f'{w}-{m}': v[0][1][0].weights.name for (w, m), v in done.items()},
        seconds={f'{w}-{m}': round(sum(f.seconds for _, fits in v for f in fits)) for (w, m), v in done.items()},
    )
    assert all(f.frozen['moved'] == 0 for (_, m), v in done.items() if m == 'frozen' for _, fits in v for f in fits)
    rows = [dict(arm=k, **more) for k, (_, more) in found.items()]
    Record('make realdata', dict(pocus=data), figures_of_arms('lung_signs', arms_), rows, how).write(RECORD)
    print(f'\nwritten to {RECORD} in {time.perf_counter() - started:.0f} s')


def test_mixed_signs_are_kept(realdata, tmp_path):
    "588 frames with several signs or with none are no longer lost: a study of the kind labels reads all 1001"
    import usbook
    from usbook.studies.new import new_study
    folder = new_study(tmp_path/'signs', CLASSES, 'Mixed signs', 'labels', str(realdata/'lung_signs'/'manifest.csv'))
    where = dict(profile='test', runs=str(tmp_path/'runs'), cache=str(tmp_path/'cache'), offline=True)
    out = usbook.reproduce(str(folder), where, progress=lambda *a: None, modes=('frozen',))
    t, = out.arms.values()
    assert out.data['given'] == dict(images=1001, patients=103) and out.images.several
    assert out.images.table.label.str.contains(';').any() and (out.images.table.label == 'none').any()
    assert set(t.evaluation.per_class) == set(CLASSES) and {'exact_match', 'macro_auc'} <= set(t.evaluation.overall)
    assert set(t.test.meta['thresholds']) == set(CLASSES)
    page = (out.folder/'report.html').read_text(encoding='utf-8')
    assert 'Thresholds, chosen among validation patients' in page


def test_the_record_of_several_signs_is_of_this_code_and_these_claims(tmp_path):
    "And complete: every sign, both networks, an interval over patients or a note on why there is none"
    from usbook.runs.holds import code_now
    r = Record.read(several_signs.RECORD)
    assert r.how['code'] == code_now('kinds'), f'the code has changed since; make it again: {r.command}'
    assert r.how['claims'] == several_signs.study_in(tmp_path).claims_hash, f'other claims; make it again: {r.command}'
    assert [c['id'] for c in r.rows] == ['a', 'b']
    assert r.how['seeds'] == {'resnet10t-frozen': 3, 'resnet10t-finetuned': 1}
    for arm in r.how['arms']:
        m, at = r.metrics(arm), r.how['thresholds'][arm]
        assert set(at) == set(CLASSES) and all(len(t) == 3 and all(0 <= o <= 1 for o in t) for t in at.values())
        for k in ('exact_match', 'macro_auc', *(f'{o}/{c}' for c in CLASSES for o in ('auc', 'recall', 'precision'))):
            assert m[k].patients and (m[k].low is not None or m[k].note), (arm, k)
        kept = r.data['lung_signs'] # what the lesson says of exact match
        assert m['exact_match'].high < kept['none']/kept['images']
    assert {'finetuned - frozen', 'resnet10t-frozen_seed2', 'resnet10t-frozen_seed3'} <= set(r.arms)


def test_the_record_of_several_signs_is_of_these_images(realdata):
    m = Manifest.read(realdata/'lung_signs'/'manifest.csv', classes=CLASSES, several=True)
    kept = Record.read(several_signs.RECORD).data['lung_signs']
    assert kept == several_signs.facts_of(m) | dict(sha256=m.sha256())
    assert (kept['images'], kept['patients'], kept['none'] + kept['several']) == (1001, 103, 588)


@pytest.mark.slow
def test_the_frozen_networks_of_the_record_can_be_made_again(realdata, tmp_path, monkeypatch):
    "Two minutes on one core; another processor rounds differently"
    monkeypatch.setenv('USBOOK_CACHE', str(tmp_path/'cache'))
    out = several_signs.run(realdata/'lung_signs'/'manifest.csv', modes=('frozen',), progress=lambda *a: None)
    kept = Record.read(several_signs.RECORD).metrics('resnet10t-frozen')
    for k, v in out.results['runs']['resnet10t-frozen'].items():
        assert kept[k].value == pytest.approx(v['value'], abs=.02), k
