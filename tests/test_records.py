"Every recorded figure says what it was made from, with what, when and by which command"
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from usbook.core.errors import BadInput
from usbook.core.files import read_json
from usbook.core.interval import Interval
from usbook.runs.holds import code_now
from usbook.runs.record import NOT_RECORDED, Record, figures_of_arms, figures_of_rows, json_numbers, versions_now

ROOT = Path(__file__).parents[1]
RECORDS = ROOT/'nbs'/'records'
FILES = [
    f for f in sorted(RECORDS.rglob('*.json')) if f.name != 'detections.json'
]  # those are beside tables, of predictions' form


def toy(**kw):
    return Record(
        **dict(
            command='make toy',
            data={'toy': dict(sha256='ab' * 32)},
            figures=figures_of_arms('toy', {'frozen': dict(auc=Interval(0.8, 0.7, 0.9, 'bootstrap over patients'))}),
        )
        | kw
    )


@pytest.mark.parametrize('file', FILES, ids=lambda f: f'{f.parent.name}/{f.name}')
def test_every_record_has_the_one_form(file):
    r = Record.read(file)
    assert r.command.startswith(('make ', 'python ')) and len(r.date) == 10 and r.data and r.figures
    assert all(r.versions.values()) and (r.versions == dict(all=NOT_RECORDED) or 'python' in r.versions)
    for f in r.figures:
        if 'low' in f: assert f['low'] <= f['value'] <= f['high'], f
    assert json.loads(file.read_text()) == json.loads(json.dumps(r.as_dict()))


def test_commands_exist():
    makefile = (RECORDS.parents[1]/'Makefile').read_text()
    for f in FILES:
        first, what, *_ = Record.read(f).command.split()
        assert f'\n{what}:' in makefile if first == 'make' else (RECORDS.parents[1]/what).is_file(), f


@pytest.mark.parametrize('name,arm', [('backbone_realdata', ('net', 'mode')), ('recipe_realdata', ('net', 'mode')), (
    'backbone_ablation', ('net',)), ('backbone_objectives', ('net',)), ('difficulty', ('task',))])
def test_rows_and_figures_tell_the_same(name, arm):
    r = Record.read(RECORDS/f'{name}.json')
    study = 'study' if name == 'difficulty' else 'set'
    assert r.figures == figures_of_rows(r.rows, study, arm)


def test_what_the_readme_says_of_time_is_of_the_recipe_as_it_is():
    "Whoever changes the recipe measures again"
    r = Record.read(RECORDS/'bench_accuracy.json')
    assert r.how['code'] == code_now('lung_signs')['training'], f'the recipe is another one now: {r.command}'
    faster = {row['way']: row['times_as_fast'] for row in r.rows if row['as_good']}
    readme = (ROOT/'README.md').read_text(encoding='utf-8')
    said = re.search(r'more than (\d+) times as fast, and frozen (\d+) times', readme)
    assert [int(n) for n in said.groups()] == [int(faster['fine-tuned, 2 epochs']), int(faster['frozen'])]
    assert f'{r.date[:4]}; `{r.command.removesuffix(" --record")}`' in readme


def test_numbers_that_the_lessons_quote_are_as_they_were_measured():
    of = lambda name, arm, metric: Record.read(RECORDS/f'{name}.json').metrics(arm)[metric]
    assert tuple(of('real_breast', 'imagenet-frozen', 'jafroc')) == (
        0.6938888888888889, 0.5978315042614183, 0.7756144188964563)
    assert tuple(of('real_head_ct', 'frozen', 'auc')) == (0.8887878787878788, 0.8221921166408543, 0.941615941324753)
    assert of('real_lung_signs', 'imagenet-frozen', 'macro_auc').value == 0.8328274520468371
    assert of('real_chest', '1: lungs, simulated films', 'dice, right lung').low == 0.8797215040371972
    assert (
        of('backbone_realdata', 'usbook, frozen', 'auc').patients
        and of('breast_cine/run', 'resnet10t-frozen_sequence', 'on validation/b: linked/jafroc').value == 0.946
    )


def test_written_and_read_again(tmp_path):
    r = toy(rows=[dict(net='a', auc=.8)], how=dict(seed=0))
    assert Record.read(r.write(tmp_path/'new'/'r.json')) == r and r.versions == versions_now() and r.versions['numpy']
    assert r.metrics('frozen')['auc'] == Interval(.8, .7, .9, 'bootstrap over patients')


@pytest.mark.parametrize(
    'change,says',
    [
        (dict(command=''), "'command' is missing"),
        (dict(data={'toy': {}}), "'toy'"),
        (dict(figures=[]), "'figures' is missing"),
        (dict(figures=[dict(study='a', arm='b', metric='c')]), 'neither a value nor a note'),
        (dict(figures=[dict(study='a', arm='b', metric='c', value=1, low=0)]), 'half an interval'),
        (dict(figures=[dict(study='a', metric='c', value=1)]), 'no arm'),
        (dict(data=['toy']), "'data' has to be a dict"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(tmp_path, change, says):
    with pytest.raises(BadInput, match=says) as e: toy(**change).write(tmp_path/'r.json')
    assert 'r.json' in str(e.value) and '\n' not in str(e.value) and not (tmp_path/'r.json').exists()
    (tmp_path/'r.json').write_text(json.dumps(toy(**change).as_dict()))
    with pytest.raises(BadInput, match=says): Record.read(tmp_path/'r.json')


@pytest.mark.parametrize(
    'text',
    [
        '',
        '[]',
        '3',
        '{',
        '{"figures": 4}',
        '{"command": "x", "date": "x", "versions": {"a": "b"}, "data": {"a": 3}, "figures": [3]}',
    ],
)
def test_a_file_that_is_no_record(tmp_path, text):
    (tmp_path/'r.json').write_text(text)
    with pytest.raises(BadInput, match='r.json'): Record.read(tmp_path/'r.json')


def test_a_record_of_other_data_or_code_is_refused():
    r = toy()
    assert r.check({'toy': 'ab'*32}, versions_now()) is r
    with pytest.raises(BadInput, match="data 'toy': abababababab there, cdcdcdcdcdcd here; make it again: make toy"):
        r.check({'toy': 'cd' * 32})
    with pytest.raises(BadInput, match="version of 'numpy'"): r.check(versions=dict(numpy='0.1'))
    with pytest.raises(BadInput, match=NOT_RECORDED): toy(data={'toy': dict(note='not hashed')}).check({'toy': 'cd'*32})


def test_flat():
    found = list(json_numbers(dict(a=1, b=dict(c=.5, d='text', e=[1, 2], f=True), g=dict(note='does not exist'))))
    assert found == [(('a',), dict(value=1)), (('b', 'c'), dict(value=.5)), (('g',), dict(note='does not exist'))]


def test_the_long_run_and_its_tables_belong_together():
    r = Record.read(RECORDS/'breast_cine'/'run.json')
    weights = r.how['weights']['sha256']
    for arm in r.how['steps']:
        assert read_json(RECORDS / 'breast_cine' / arm / 'detections.json')['detector']['weights']['sha256'] == weights


@pytest.mark.parametrize('old,new', [
    ('[classes]', '[classes]\nodd = 3'), ('per_arm = {', 'per_arm = 3 #{'), ('unknown = [', 'unknown = [3, '),
    ('holds_if = [', 'holds_if = [3, '), ('[arms]', '[arms]\nodd = []')])
def test_a_study_with_a_number_where_a_table_belongs(tmp_path, old, new):
    from importlib.resources import files
    from usbook.studies.study import read_study
    text = files('usbook.studies').joinpath('abdomen.toml').read_text(encoding='utf-8')
    assert old in text
    (tmp_path/'s.toml').write_text(text.replace(old, new, 1), encoding='utf-8')
    with pytest.raises(BadInput, match=r's\.toml: line \d+: .* has to be ') as e: read_study(tmp_path/'s.toml')
    assert '\n' not in str(e.value)


def test_recorded_verdicts_belong_to_this_code_these_claims_and_these_images():
    "A table in the README that no run would give any more is worse than none"
    from usbook.cli.study import machinery_of
    from usbook.core.settings import read_settings
    from usbook.runs.holds import outdated, read_verdicts
    from usbook.studies.images import find_images
    from usbook.studies.machinery import plan_work
    from usbook.studies.study import STUDIES
    old = []
    for profile, studies in read_verdicts(RECORDS).items():
        for study, r in studies.items():
            sample = r.data[study]['source'].endswith('(committed sample)')
            data = None
            if sample and study != 'breast_cine':
                machinery = machinery_of(study)
                settings = read_settings(profile=profile, data='sample', seed=r.how['seed'])
                images, _ = find_images(machinery.study, settings)
                data = plan_work(images, machinery.plans[profile], settings).images.sha256()
            old += outdated(r, STUDIES[study].claims_hash, data)
    assert not old, '\n'.join(old)


def test_what_the_lesson_says_of_budgets_is_of_the_detector_as_it_is():
    r = Record.read(RECORDS/'detect_budget.json')
    assert r.how['code'] == code_now('breast_cine')['training'], f'the detector is another one now: {r.command}'
    assert r.figures == figures_of_rows(r.rows, 'breast_cine', ('without', 'mode', 'epochs'))
    found = {(w['without'], w['mode'], w['share']): w['sensitivity, overlap of half']['value'] for w in r.rows}
    for mode in ('frozen', 'finetuned'): assert found['nothing', mode, .5] > found['nothing', mode, 1.] - .02
    assert found['nothing', 'frozen', .25] > found['nothing', 'frozen', 1.] - .02
    assert found['head first', 'finetuned', .5] < found['nothing', 'finetuned', .5] - .1


def test_the_long_cells_of_every_chapter_have_a_recorded_time():
    "Whoever opened a chapter for the first time read `not measured on this machine yet` at each of them"
    known = {(f['study'], f['arm'], f['metric']) for f in Record.read(RECORDS/'lesson_times.json').figures}
    for nb in (ROOT/'nbs'/'chapters').glob('0[1-5]*.ipynb'):
        text = nb.read_text(encoding='utf-8')
        study = re.search(r"LessonTimes\('(\w+)'", text)[1]
        steps = set(re.findall(r"with times\('([^']+)'\)", text))
        assert steps and not {(study, 'quick', s) for s in steps} - known, f'{nb.name}: python tools/lesson_times.py'


MODULE = """
"What it is for"
from x import y
def f(a, *b, c:int=None, **d)->str:
    "What it does"
    match a:
        case [1, *_]: return f'{a!r:>{c}} {b[0]:.2f}'
    return lambda: (yield)
class K: pass
"""

def test_the_meaning_of_code_is_the_same_in_every_python(tmp_path):
    "With 3.12 and 3.13 every record was said to be stale, since `ast.dump` writes other fields there"
    import ast
    from hashlib import sha256
    from usbook.runs import holds
    (tmp_path/'m.py').write_text(MODULE)
    meaning = holds._meaning(tmp_path/'m.py')
    assert sha256(meaning.encode()).hexdigest()[:12] == 'ba71219c6250'
    if sys.version_info[:2] == (3, 11): assert meaning == ast.dump(ast.parse(re.sub('\n *"What.*', '', MODULE)))
    (tmp_path/'n.py').write_text(MODULE.replace('[0]', '[1]'))
    assert holds._meaning(tmp_path/'n.py') != meaning


def test_a_record_of_other_code_claims_or_images_is_named(monkeypatch):
    from usbook.runs import holds
    from usbook.studies.study import STUDIES
    results = dict(study='head_ct', profile='quick', seed=0, arms={}, weights={}, claims=[],
                   claims_hash=STUDIES['head_ct'].claims_hash, runs={'a': dict(auc=.9)},
                   made=dict(command='usbook reproduce head_ct', seconds=1, versions=versions_now()),
                   data=dict(source='toy', images=2, patients=2, sha256='ab' * 32))
    r = holds.record_of(results, 'make record')
    assert holds.outdated(r, results['claims_hash'], 'ab' * 32) == []
    assert 'the declared claims' in holds.outdated(r, 'x')[0]
    assert 'the images' in holds.outdated(r, results['claims_hash'], 'cd' * 32)[0]
    monkeypatch.setattr(holds, 'code_now', lambda study: r.how['code'] | dict(training='0' * 12))
    assert 'the code of training' in holds.outdated(r, results['claims_hash'])[0]


def test_other_seeds_are_kept_and_their_spread_is_told():
    from usbook.runs import holds
    from usbook.studies.study import STUDIES
    of = lambda v: dict(accuracy=dict(value=v, low=v - .098, high=v + .098))
    results = dict(study='head_ct', profile='workshop', seed=0, arms={}, weights={}, claims=[],
                   claims_hash=STUDIES['head_ct'].claims_hash, runs={'a': of(.8), 'b': of(.7)},
                   repeats={'a': [of(.9), of(.7)]}, made=dict(command='', seconds=1, versions=versions_now()),
                   data=dict(source='toy', images=2, patients=2, sha256='ab' * 32))
    r = holds.record_of(results, 'make record PROFILE=workshop')
    assert [f['arm'] for f in r.figures] == ['a', 'b', 'a_seed2', 'a_seed3']
    row, = holds.seed_table(dict(workshop=dict(head_ct=r))).to_dict('records')
    assert row['arm'] == 'a' and row['seeds'] == 3
    assert '| head_ct, workshop |' in holds.verdict_words(dict(workshop=dict(head_ct=r)))
    assert row['over_seeds'] == pytest.approx(.1) and row['over_patients'] == pytest.approx(.05)


def test_what_is_said_of_the_recipe_is_what_was_measured():
    every = {(r['set'], r['net'], r['mode']): r for r in Record.read(RECORDS/'recipe_realdata.json').rows}
    rows = {(s, way): r for (s, net, way), r in every.items() if net == 'usbook'}
    gain = {s: rows[s, 'frozen']['minus_yardstick'] for s, way in rows if way == 'frozen'}
    assert len(gain) == 5 and all(d['high'] > 0 for d in gain.values())
    assert [s for s, d in gain.items() if d['low'] > 0] == ['gallbladder']
    tuned = {s: rows[s, 'finetuned']['minus_frozen'] for s in gain}
    assert {s for s, d in tuned.items() if d['low'] > 0} == {'lung_signs', 'breast', 'gallbladder'}
    assert all(d['high'] > 0 and d['value'] > -.02 for d in tuned.values())
    assert all(.015 < tuned[s]['value'] < .035 for s in ('lung_signs', 'breast', 'gallbladder'))
    assert all(r['seeds'] == 3 and r['folds'] == 3 for r in every.values()) and len(every) == 5 * 4 * 3
    assert all(r[k]['high'] > 0 for r in every.values() for k in ('minus_yardstick', 'minus_frozen') if k in r)
    assert all(r['minus_frozen']['value'] > -.02 for r in every.values() if 'minus_frozen' in r)
    better = {way: {s for s in gain if rows[s, way]['minus_random']['low'] > 0} for way in ('frozen', 'finetuned')}
    assert better == dict(frozen={*gain} - {'chest_shenzhen'}, finetuned={*gain})
    auc = {k: r['auc']['value'] for k, r in every.items()}
    photographs = {s for s in gain if max(auc[s, n, 'frozen'] for n in ('squeezenet1_0', 'mobilenet_v2')) >
                   auc[s, 'usbook', 'frozen'] + .01}
    assert photographs == {'lung_signs', 'breast'}
    added = {s: round(every[s, 'mobilenet_v2', 'finetuned']['minus_frozen']['value'], 2) for s in gain}
    assert (added['breast'], added['gallbladder']) == (.08, .07)


def test_the_published_networks_are_those_of_now(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT/'tools'))
    import published
    from usbook.core.settings import read_settings
    record, settings = Record.read(published.RECORD), read_settings(data='sample')
    samples = {s: dict(sha256=published.sample(s, settings).sha256()) for s in published.FULL}
    assert {s: h for s, h in record.data.items() if 'simulated' not in s} == samples
    plans = {n: (s, m, r.size, published.passes(r, m)) for n, (s, r, m) in published.NETWORKS.items()}
    assert plans == {r['network']: (r['study'], r['mode'], r['pixels'], r['epochs']) for r in record.rows}
    assert all(r['better'] and r['value'] > r['chance'] for r in record.rows) # as the notebook says

def test_the_picture_shows_the_records_of_now():
    spec = importlib.util.spec_from_file_location('picture', ROOT/'tools'/'picture.py')
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    with Image.open(ROOT/'nbs'/'images'/'usbook.png') as im:
        assert im.info.get('Description') == picture.stamp(), 'older than the records; make it again: make picture'
