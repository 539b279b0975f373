"A study of one's own: from an empty folder to a report, and one clear sentence for each slip"
import json
from types import SimpleNamespace

import pytest

from usbook.core.errors import BadInput
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
    with pytest.raises(BadInput, match='two packages'): get_study('thyroid')
