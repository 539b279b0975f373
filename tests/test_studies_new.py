"A study of one's own: from an empty folder to a report, and one clear sentence for each slip"
import json
from types import SimpleNamespace

import pytest

from usbook.core.errors import BadInput
from usbook.learn.recipe import Recipe
from usbook.studies.kinds import WAYS
from usbook.studies import study as studies
from usbook.studies.new import as_notebook, new_study
from usbook.studies.own import own_machinery, own_plans
from usbook.studies.study import get_study, read_study


@pytest.fixture
def folder(tmp_path): return new_study(tmp_path/'thyroid', ['benign', 'malignant'], 'Thyroid nodules')


def changed(folder, old, new):
    f = folder/'study.toml'
    text = f.read_text(encoding='utf-8')
    assert old in text
    f.write_text(text.replace(old, new, 1), encoding='utf-8')
    return str(folder)


@pytest.mark.parametrize('kind,classes', [('classes', ['a', 'b']), ('grades', ['none', 'mild', 'severe', 'worst'])])
def test_a_new_study_can_be_read(tmp_path, kind, classes):
    study = get_study(str(new_study(tmp_path/'mine', classes, 'Quotes " and \\ and 汉字', kind)))
    assert study.kind == kind and list(study.classes) == classes and study.title == 'Quotes " and \\ and 汉字'
    assert len(study.claims) == (3 if kind == 'grades' else 2) and own_machinery(study).plans['quick'].folds == 3


def test_notebooks_are_whole(folder):
    import nbformat
    for f in folder.glob('*.ipynb'): nbformat.validate(nbformat.read(f, 4))
    assert json.loads(as_notebook('# %%\n1\n'))['cells'][0]['source'] == ['1']


def test_the_chapter_follows_the_anatomy(folder):
    from test_project import SECTIONS
    cells = json.loads((folder/'chapter.ipynb').read_text(encoding='utf-8'))['cells']
    lines = [s.strip() for c in cells if c['cell_type'] == 'markdown' for s in c['source']]
    assert [s[3:] for s in lines if s[3:] in SECTIONS and s.startswith('## ')] == SECTIONS


def test_from_an_empty_folder_to_a_report(tmp_path, monkeypatch):
    "The commands of the README, on a simulated stand-in; then the chapter, which finds the same trainings"
    from usbook.cli.main import main
    monkeypatch.chdir(tmp_path)
    for k, v in dict(PROFILE='test', CACHE=str(tmp_path/'cache'), RUNS=str(tmp_path/'runs'), OFFLINE='yes').items():
        monkeypatch.setenv(f'USBOOK_{k}', v)
    assert main(['new', 'thyroid', '--classes', 'benign,malignant']) == 0
    assert main(['audit', 'thyroid']) == 0
    assert main(['reproduce', 'thyroid', '--modes', 'frozen']) == 0
    run, = (tmp_path/'runs').iterdir()
    said = json.loads((run/'results.json').read_text(encoding='utf-8'))
    assert (run/'report.html').is_file() and [c['id'] for c in said['claims']] == ['a', 'b']
    from usbook.runs.holds import record_of, outdated
    kept = record_of(said, 'usbook reproduce thyroid')  # code_now knew the five only
    assert len(kept.rows) == 2 and outdated(kept, said['claims_hash'], said['data']['sha256']) == []
    assert said['claims'][1]['verdict'] == 'not tested' and said['made']['options']['study'] == str(tmp_path/'thyroid')
    cells = json.loads((tmp_path/'thyroid'/'chapter.ipynb').read_text(encoding='utf-8'))['cells']
    page = {}
    monkeypatch.chdir(tmp_path/'thyroid')
    for c in cells: # as a person would, cell by cell
        if c['cell_type'] == 'code': exec(''.join(c['source']), page)
    assert set(page['preds']) == {'frozen', 'finetuned'} and page['arms']


NEW = dict(grades=['none', 'mild', 'severe'], labels=['a_lines', 'effusion'], detection=['mass'],
           segmentation=['nodule'])


@pytest.fixture(scope='module')
def cache(tmp_path_factory): return tmp_path_factory.mktemp('cache')


def cells_of(file): return json.loads(file.read_text(encoding='utf-8'))['cells']


@pytest.mark.parametrize('kind', [pytest.param(k, marks=[pytest.mark.slow]*(k != 'detection')) for k in NEW])
def test_the_chapter_of_each_kind_runs(kind, tmp_path, monkeypatch, cache):
    "Cell by cell, on the stand-in images; one epoch, small images"
    import matplotlib.pyplot as plt
    out = new_study(tmp_path/'mine', NEW[kind], kind=kind)
    changed(out, '[run]', '[run]\nepochs = 1')
    monkeypatch.chdir(out)
    monkeypatch.setattr(plt, 'show', lambda *a, **k: None)
    for k, v in dict(PROFILE='test', CACHE=str(cache), OFFLINE='yes', WIDGETS='static').items():
        monkeypatch.setenv(f'USBOOK_{k}', v)
    page = {'display': lambda *a: None}
    for c in cells_of(out/'chapter.ipynb'):
        if c['cell_type'] == 'code': exec(''.join(c['source']), page)
    assert page['study'].kind == kind and page['study'].claims
    plt.close('all')


FOREST = {'missed': 'int(((preds.target == 0) & (preds.pred != 0)).sum())',
          'between': 'tuple(evaluate(preds).overall["accuracy"])[1:]'}
ANSWERS = dict(
    classes=FOREST,
    grades=FOREST,
    labels={'patients': 'len(set(images.patients))',
            'right': '1 - np.mean([has_label(images, c) for c in images.classes])'},
    detection={'patients': 'len(set(images.patients))', 'empty': 'len(images) - images.boxes().scan.nunique()'},
    segmentation={'patients': 'len(set(images.patients))', 'dice': '2*75/(80 + 120)'},
)


@pytest.mark.parametrize('kind', [pytest.param(k, marks=[pytest.mark.slow]*(k == 'classes')) for k in ANSWERS])
def test_exercises_of_each_kind(kind, tmp_path, monkeypatch, capsys, cache):
    "An untouched stub is not accepted, a right answer is; the README names what is there"
    out = new_study(tmp_path/'mine', NEW.get(kind, ['a', 'b']), kind=kind)
    monkeypatch.chdir(out)
    for k, v in dict(PROFILE='test', CACHE=str(cache), OFFLINE='yes').items(): monkeypatch.setenv(f'USBOOK_{k}', v)
    page, stubs = {'display': lambda *a: None}, []
    for c in cells_of(out/'exercises.ipynb'):
        text = ''.join(c['source'])
        if c['cell_type'] != 'code': continue
        exec(text, page)
        if text.strip().endswith('= ...'): stubs.append(text.split(' =')[0].split('\n')[-1])
        for name in stubs if text.startswith('@check') else ():
            if f'check_{name}(' not in text: continue
            assert eval(f'check_{name}({name})', page).kind == 'empty'
            said = eval(f'check_{name}({ANSWERS[kind][name]})', page)
            assert said.ok, (name, said)
    assert stubs == list(ANSWERS[kind])
    read = (out/'README.md').read_text(encoding='utf-8')
    assert all(w in read for w in ('study.toml', 'chapter.ipynb', 'usbook audit', 'usbook reproduce'))
    assert ('boxes.csv' in read) == (kind == 'detection') and ('`mask`' in read) == (kind == 'segmentation')


SLIPS = [
    ('kind = "classes"', 'kind = "regression"', 'regression'), ('kind = "classes"', '', 'kind is missing'),
    ('id = "thyroid"', 'id = "head_ct"', 'is the name of a study of usbook'), ('size = 128', 'sizes = 128', 'size?'),
    ('holds_if = "balanced_accuracy > .75"', 'holds_if = "balanced_accuracy"', 'line'),
    ('holds_if = "balanced_accuracy > .75"', 'holds_if = "balanced_acuracy > .75"', 'balanced_accuracy'),
    ('holds_if = "balanced_accuracy > .75"', 'holds_if = "recall.benin > .75"', 'benign'),
    ('title = "Thyroid nodules"', 'titel = "Thyroid nodules"', 'title'),
]


@pytest.mark.parametrize('old,new,said', SLIPS, ids=[s[1][:30] or 'nothing' for s in SLIPS])
def test_a_slip_is_named(folder, old, new, said):
    with pytest.raises(BadInput) as e: own_plans(get_study(changed(folder, old, new)))
    assert said in str(e.value) and '\n' not in str(e.value)


COUNT = '# printed = 0.90 and epochs = "many" mean nothing here\n'
LINES = [
    ('[run]', '[[published]]\nname = "accuracy"\nprinted = 0.90\n\n[run]', 'printed = 0.90'),
    ('id = "thyroid"', 'id = "head_ct"', 'id = "head_ct"'), ('id = "thyroid"', 'id = "a-b"', 'id = "a-b"'),
    ('[run]', '[run]\nepochs = "many"', 'epochs = "many"'), ('[run]', 'run.epochs = "many"\n[[claims]]', 'run.epochs'),
    ('holds_if = "balanced_accuracy > .75"', 'holds_if = [\n  "accuracy > .5", # acuracy\n  "acuracy > .5",\n]',
     '  "acuracy > .5"'),
    ('holds_if = "balanced_accuracy > .75"', 'hold_if = "balanced_accuracy > .75"', 'hold_if'),
    ('[classes]', '[classes]\nodd = 3', 'odd = 3'), ('unknown = [', 'unknown = [\n  "3",\n  3,', '  3,'),
]


@pytest.mark.parametrize('old,new,at', LINES, ids=[o[2].strip() for o in LINES])
def test_the_line_of_a_slip_was_that_of_an_earlier_text_alike(folder, old, new, at):
    "The line was searched by the value's text, which a comment or another table may hold too"
    changed(folder, old, new)
    changed(folder, 'id = ', COUNT + '# hold_if, odd = 3,   3, "acuracy"\nid = ')
    lines = (folder/'study.toml').read_text(encoding='utf-8').split('\n')
    line = next(n for n, o in enumerate(lines, 1) if o.startswith(at))
    with pytest.raises(BadInput, match=f'line {line}: '): get_study(str(folder))


@pytest.mark.parametrize('slip,need', [
    ('size = "big"', 'a whole number'), ('epochs = "many"', 'a whole number'), ('epochs = 2.5', 'a whole number'),
    ('batch = true', 'a whole number'), ('flip = 1', 'true or false'), ('lr = nan', 'a number'), ('arch = 3', 'a text'),
    ('images = 3', 'a text'), ('patients = "("', 'a regular expression'), ('precision = "int8"', 'one of auto'),
    ('difficulty = "hard"', 'a number'), ('folds = -1', 'a whole number from 0 to 50')])
def test_a_value_of_run_that_nothing_can_use_was_accepted_or_a_crash(tmp_path, slip, need):
    folder = new_study(tmp_path/'mine', ['a', 'b'])
    text = (folder/'study.toml').read_text(encoding='utf-8').replace('size = 128', '').replace('flip = false', '')
    (folder/'study.toml').write_text(text.replace('[run]', f'[run]\n{slip}', 1), encoding='utf-8')
    with pytest.raises(BadInput) as e: get_study(str(folder))
    key = slip.split(' =')[0]
    line = next(n for n, o in enumerate((folder/'study.toml').read_text().split('\n'), 1) if o.startswith(slip))
    assert f'study.toml: line {line}: run.{key} is ' in str(e.value) and f'has to be {need}' in str(e.value)


def test_every_key_of_run_has_its_limits():
    "A field added to a recipe without limits would end in a KeyError"
    for kind in studies.KINDS_OF_TASK:
        for key in ('no key', *vars(WAYS[kind].recipe if kind in WAYS else Recipe()), 'folds', 'difficulty', 'images'):
            with pytest.raises(BadInput, match=f'run.{key} is '): studies._run({key: []}, kind, '', 'study.toml')


def test_a_division_by_zero_left_a_claim_untested_without_a_reason(folder):
    from usbook.predictions.predictions import toy_predictions
    from usbook.studies.machinery import Measured, decide_claims
    changed(folder, '"balanced_accuracy > .75"', '["accuracy > 0", "kappa / (kappa - kappa) > 0"]')
    with pytest.raises(BadInput, match=r"line \d+: 'kappa / \(kappa - kappa\) > 0' always divides by zero"):
        get_study(str(folder))
    changed(folder, 'kappa / (kappa - kappa)', 'kappa / (precision.benign - precision.malignant)')
    everything_right = toy_predictions(6, 4, ('benign', 'malignant'), skill=60.)
    a, _ = decide_claims(get_study(str(folder)), Measured(tables=dict(frozen=everything_right)))
    assert a.verdict == 'not tested' and 'not tested (it divides by zero, or a metric in it does not exist)' in a.reason


def test_classes_that_the_images_do_not_have(folder, tmp_path, monkeypatch, capsys):
    "A study whose images had other classes was run as somebody's own images, and no claim of it was tested"
    from conftest import make_tree
    from usbook.cli.main import main
    make_tree(tmp_path/'im', classes=('benign', 'strange'))
    changed(folder, '[run]', '[run]\nimages = "../im"\npatients = "(P.*)_"')
    for k, v in dict(PROFILE='test', CACHE=str(tmp_path/'c'), RUNS=str(tmp_path/'runs')).items():
        monkeypatch.setenv(f'USBOOK_{k}', v)
    assert main(['reproduce', str(folder), '--modes', 'frozen']) == 2
    said, lines = capsys.readouterr().err, (folder/'study.toml').read_text().splitlines()
    at = lines.index('images = "../im"') + 1
    assert f'line {at}: the images show benign, strange' in said and not [*(tmp_path/'runs').glob('[a-z]*')]


def test_a_folder_is_never_overwritten(folder):
    with pytest.raises(BadInput, match='already'): new_study(folder, ['a', 'b'])


def test_packages_offer_studies(folder, monkeypatch):
    "Found by the entry point usbook.studies; two of one name are refused"
    offered = [SimpleNamespace(value='lab')]
    monkeypatch.setattr(studies, 'entry_points', lambda group: offered)
    monkeypatch.setattr(studies, 'files', lambda name: folder)
    assert get_study('thyroid') == read_study(folder/'study.toml')
    offered *= 2
    with pytest.raises(BadInput, match='two packages') as e: get_study('thyroid')
    assert str(e.value).count(f'{folder}/study.toml') == 2 and str(e.value).count('line 4') == 2


def test_a_packaged_study_whose_package_is_gone_ended_in_a_traceback(monkeypatch, capsys):
    from usbook.cli.main import main
    gone = SimpleNamespace(value='no_such_package_here', dist=SimpleNamespace(name='usbook-thyroid'))
    monkeypatch.setattr(studies, 'entry_points', lambda group: [gone])
    for command in ('audit', 'reproduce'):
        assert main([command, 'thyroid']) == 2
        err = capsys.readouterr().err.strip()
        assert 'usbook-thyroid' in err and 'no_such_package_here' in err and '\n' not in err


def test_a_finished_toml_gets_its_folder(folder, tmp_path, monkeypatch):
    "usbook new asked for classes that the person's own text file already had"
    from usbook.cli.main import main
    monkeypatch.chdir(tmp_path)
    changed(folder, 'title = "Thyroid nodules"', 'title = "As I wrote it"')
    (folder/'study.toml').rename(tmp_path/'done.toml')
    assert main(['new', 'mine', '--from', 'done.toml']) == 0
    assert (tmp_path/'mine'/'study.toml').read_bytes() == (tmp_path/'done.toml').read_bytes()
    made = {f.name: f for f in (tmp_path/'mine').iterdir()}
    assert set(made) == {'study.toml', 'chapter.ipynb', 'exercises.ipynb', 'README.md', 'test_study.py'}
    assert get_study('mine').id == 'thyroid' and '"thyroid"' in made['test_study.py'].read_text()
    assert main(['new', 'mine', '--from', 'done.toml']) == 2
    (tmp_path/'done.toml').write_text((tmp_path/'done.toml').read_text().replace('size = 128', 'sizes = 128'))
    assert main(['new', 'other', '--from', 'done.toml']) == 2 and not (tmp_path/'other').exists()


@pytest.mark.parametrize('answers,made', [
    (['Thyroid nodules', '', 'benign, malignant', ''], True),
    (['T', 'grades', 'none,mild,severe', '../x', r'(P\d+)_'], True),
    (['T', '', '', ''], False), (['T'], False)])
def test_questions_at_a_terminal(answers, made, tmp_path, monkeypatch, capsys):
    "Only the classes were asked for; Ctrl-D was a mistake of our own"
    import builtins
    from types import SimpleNamespace as N
    from usbook.cli.main import main
    left = iter(answers)
    def answer(question):
        try: return next(left)
        except StopIteration: raise EOFError from None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.stdin', N(isatty=lambda: True))
    monkeypatch.setattr(builtins, 'input', answer)
    assert main(['new', 'mine']) == (0 if made else 2) and (tmp_path/'mine').exists() == made
    if not made: assert '--classes' in capsys.readouterr().err
    else:
        study = get_study('mine')
        assert study.title == answers[0] and study.kind == (answers[1] or 'classes')
        assert study.run.get('patients') == (r'(P\d+)_' if len(answers) == 5 else None)


@pytest.fixture
def offered(folder, monkeypatch):
    monkeypatch.setattr(studies, 'entry_points', lambda group: [SimpleNamespace(value='lab')])
    monkeypatch.setattr(studies, 'files', lambda name: folder)
    return folder


def test_studies_of_others_are_listed(offered, tmp_path, monkeypatch, capsys):
    "usbook list knew the five only"
    from usbook.cli.main import main
    new_study(tmp_path/'here'/'mine', ['a', 'b'])
    monkeypatch.chdir(tmp_path/'here')
    assert main(['list', '--json']) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r['id'] for r in rows[5:]] == ['thyroid', './mine'] and all(r['chapter'] for r in rows[5:])
    monkeypatch.setattr(studies, 'entry_points', lambda group: [SimpleNamespace(value='lab')]*2)
    assert main(['list', '--json']) == 0
    out = capsys.readouterr()
    assert len(json.loads(out.out)) == 6 and 'two packages offer' in out.err
    def gone(name): raise ModuleNotFoundError("No module named 'lab'")
    monkeypatch.setattr(studies, 'files', gone)
    assert main(['list', '--json']) == 0 and 'the package lab offers a study and is broken' in capsys.readouterr().err


def test_the_lab_shows_the_chapter_of_a_study(offered, tmp_path, monkeypatch, capsys):
    "Started in a study's folder, usbook lab opened the five; a packaged study was nowhere"
    from usbook.cli.lab import lab_folder, lab_words, study_folder
    from usbook.cli.main import main
    assert study_folder(offered) == offered and '/lab/tree/chapter.ipynb' in ' '.join(lab_words(offered))
    lab = lab_folder(tmp_path/'lab')
    theirs = lab/'studies'/'thyroid'
    assert {'study.toml', 'chapter.ipynb', 'exercises.ipynb'} <= {f.name for f in theirs.iterdir()}
    (theirs/'chapter.ipynb').write_text('mine')
    assert lab_folder(theirs) == lab and (theirs/'chapter.ipynb').read_text() == 'mine' and study_folder(theirs) is None
    monkeypatch.chdir(tmp_path)
    assert main(['lab', str(offered), '--no-start']) == 0 and not (tmp_path/'usbook-lab').exists()


def test_exercises_of_a_study_of_ones_own(offered, tmp_path, monkeypatch, capsys):
    "usbook exercises knew none but its own"
    from usbook.cli.main import main
    monkeypatch.chdir(tmp_path)
    for name in ('thyroid', str(offered)):
        assert main(['exercises', 'out', '--study', name]) == 0
        assert {f.name for f in (tmp_path/'out'/'thyroid').iterdir()} == {'study.toml', 'exercises.ipynb'}
    assert main(['exercises', 'out', '--study', 'nosuch']) == 2 and 'nosuch' in capsys.readouterr().err
    assert not list((tmp_path/'out').glob('*.ipynb'))
