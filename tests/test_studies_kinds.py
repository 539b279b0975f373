"A study of every kind of task, from a TOML that the suite writes itself: an empty folder, a run, a report"
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import usbook
from usbook.core.errors import BadInput
from usbook.studies.own import own_machinery
from usbook.studies.study import get_study

HEAD = '''
id = "mine"
kind = "{kind}"
title = "A study of my own"
title_original = ""
authors = ""
journal = ""
doi = ""
modality = "ultrasound"
task = "{kind}"
unit = "image"
backbone = ""
unknown = ["everything"]

[classes]
{classes}

[run]
size = 48

[[claims]]
id = "a"
text = "It can be done."
paper = ""
test = "The interval lies on one side."
holds_if = {formula}
'''
# kind -> classes, a formula of its own, the networks that a run trains
KINDS = dict(
    classes=(['cyst', 'nodule'], 'recall.cyst - specificity.cyst > -1.1', ['frozen']),
    grades=(['none', 'mild', 'severe'], 'kappa_quadratic > .99', ['frozen']),
    labels=(['a_lines', 'effusion'],
            ['min(f1.a_lines, f1.effusion) > 0', 'finetuned.exact_match - frozen.macro_f1 < 9'],
            ['frozen', 'finetuned']),
    detection=(['mass'], 'finetuned.sensitivity_at_0.5 - frozen.sensitivity_at_0.5 > 2',
               ['frozen', 'finetuned']),
    segmentation=(['nodule', 'cyst'], ['dice.nodule - dice.cyst < 1.5', 'hd95 > 0'], ['finetuned']),
)


def write(folder, kind, **changes):
    classes, formula, _ = KINDS[kind]
    names = '\n'.join(f'{c} = ""' for c in classes)
    text = HEAD.format(kind=kind, classes=names, formula=json.dumps(formula))
    for old, new in changes.items(): text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    (folder/'study.toml').write_text(text, encoding='utf-8')
    return str(folder)


@pytest.fixture(scope='module')
def kept(tmp_path_factory): return tmp_path_factory.mktemp('kinds')


@pytest.mark.parametrize('kind', KINDS)
def test_from_an_empty_folder_to_a_report(kind, kept):
    where = dict(profile='test', runs=str(kept/'runs'), cache=str(kept/'cache'), offline=True)
    modes = KINDS[kind][2]
    out = usbook.reproduce(write(kept/kind, kind), where, progress=lambda *a: None, modes=modes)
    said = json.loads((out.folder/'results.json').read_text(encoding='utf-8'))
    page = (out.folder/'report.html').read_text(encoding='utf-8')
    assert len(said['runs']) == len(modes) and 'could not be made' not in page and 'A plot is missing' not in page
    verdict = said['claims'][0]
    assert verdict['verdict'] != 'not tested', verdict
    assert all({'value'} <= set(m) for ms in said['runs'].values() for m in ms.values() if 'note' not in m)
    assert said['data']['patients'] and 'simulated' in said['data']['source']
    if kind not in ('classes', 'grades'): assert verdict['tested'][0]['patients'] > 1


def test_labels_of_a_person(tmp_path):
    "Two labels in one cell, none in another; a label that nobody knows is named with its row"
    g = np.random.default_rng(0)
    rows = []
    for i in range(24):
        Image.fromarray(g.integers(0, 255, (32, 32), dtype=np.uint8)).save(tmp_path/f'{i}.png')
        rows.append((f'{i}.png', f'P{i//2}', ('a_lines', 'a_lines; effusion', 'none')[i//2 % 3]))
    table = pd.DataFrame(rows, columns=['image', 'patient', 'label'])
    table.to_csv(tmp_path/'manifest.csv', index=False)
    machinery = own_machinery(get_study(write(tmp_path/'study', 'labels')))
    m = machinery.read(tmp_path)
    assert m.several and m.counts().images.to_dict() == dict(a_lines=16, effusion=8)
    for wrong, said in (('a_line', 'did you mean a_lines'), ('', 'write none'), ('effusion;effusion', 'twice')):
        table.assign(label=[wrong, *table.label[1:]]).to_csv(tmp_path/'manifest.csv', index=False)
        with pytest.raises(BadInput, match=said): machinery.read(tmp_path)


def test_stills_with_boxes(tmp_path):
    rows = [(f'{i}.png', f'P{i}', 'mass' if i % 2 else 'no_mass') for i in range(8)]
    for name, *_ in rows: Image.new('L', (40, 30)).save(tmp_path/name)
    pd.DataFrame(rows, columns=['image', 'patient', 'label']).to_csv(tmp_path/'manifest.csv', index=False)
    (tmp_path/'boxes.csv').write_text('image,x,y,w,h\n1.png,3,4,5,6\n1.png,20,4,5,6\n3.png,3,4,5,6\n')
    Image.new('L', (40, 30), 9).save(tmp_path/'1.png')
    for i in range(8): Image.fromarray(np.full((30, 40), 10*i, np.uint8)).save(tmp_path/f'{i}.png')
    machinery = own_machinery(get_study(write(tmp_path/'study', 'detection')))
    c = machinery.read(tmp_path)
    assert c.n_lesions == 3 and c.classes == ['mass', 'no_mass'] and set(c.table.n_frames.astype(int)) == {1}
    (tmp_path/'boxes.csv').write_text('image,x,y,w,h\n1.png,3,4,99,6\n')
    with pytest.raises(BadInput, match='reaches'): machinery.read(tmp_path)


def test_masks_of_a_person(tmp_path):
    "White ones are taken for one structure; a value that means nothing is named with its row"
    for i in range(6):
        Image.fromarray(np.full((20, 20), 9*i, np.uint8)).save(tmp_path/f'{i}.png')
        mask = np.zeros((20, 20), np.uint8)
        mask[4:9, 5:12] = 255
        Image.fromarray(mask).save(tmp_path/f'm{i}.png')
    pd.DataFrame([(f'{i}.png', f'P{i}', 'x', f'm{i}.png') for i in range(6)],
                 columns=['image', 'patient', 'label', 'mask']).to_csv(tmp_path/'manifest.csv', index=False)
    two = own_machinery(get_study(write(tmp_path/'two', 'segmentation')))
    with pytest.raises(BadInput, match='holds the values 0, 255'): two.read(tmp_path)
    one = own_machinery(get_study(write(tmp_path/'one', 'segmentation', **{'cyst = ""\n': '', ' - dice.cyst': ''})))
    assert len(one.read(tmp_path)) == 6 and one.read(tmp_path).classes == ['nodule']


SLIPS = [
    ('labels', {'effusion = ""': 'none = ""'}, 'no name of a label'),
    ('labels', {'f1.effusion': 'kappa.effusion'}, 'there is no'),
    ('detection', {'mass = ""': 'mass = ""\ncyst = ""'}, '2 classes; a study of the kind detection has 1'),
    ('segmentation', {'cyst = ""': 'cyst = ""\nduct = ""'}, 'has 1 or 2'),
    ('segmentation', {'hd95 > 0': 'frozen.dice > 0'}, 'there is no'),
    ('classes', {'kind = "classes"': 'kind = "regression"'}, "make grades of the number"),
    ('segmentation', {'size = 48': 'size = 48\nviews = 3'}, 'run.views is unknown'),
]


@pytest.mark.parametrize('kind,change,said', SLIPS, ids=[s[2][:20] for s in SLIPS])
def test_a_slip_is_one_sentence(tmp_path, kind, change, said):
    with pytest.raises(BadInput) as e: own_machinery(get_study(write(tmp_path, kind, **change)))
    assert said in str(e.value) and '\n' not in str(e.value)


def test_a_u_net_is_never_frozen(tmp_path):
    where = dict(profile='test', runs=str(tmp_path/'runs'), cache=str(tmp_path/'cache'), offline=True)
    with pytest.raises(BadInput, match='finetuned'):
        usbook.reproduce(write(tmp_path/'s', 'segmentation'), where, progress=lambda *a: None, modes=('frozen',))
    assert not list((tmp_path/'runs').glob('mine*'))


# A measure that no formula can say ----------------------------------------------------------------------

MEASURES = {'holds_if = "recall.cyst - specificity.cyst > -1.1"': 'holds_if = "seconds_saved > 0"\n\n[measures]\n'
                                                                  'seconds_saved = "time"'}


@pytest.mark.parametrize('code,verdict', [('return 12, 8, 15', 'supported'), ('return -3, -4, -2', 'not supported'),
                                          ('return 1/0', 'not tested')])
def test_a_measure_of_ones_own(kept, code, verdict, tmp_path):
    folder = write(tmp_path/'mine', 'classes', **MEASURES)
    (tmp_path/'mine'/'measures.py').write_text(f'def seconds_saved(trained):\n    assert set(trained) == {{"frozen"}}\n'
                                               f'    {code}\n')
    where = dict(profile='test', runs=str(kept/'runs'), cache=str(kept/'cache'), offline=True)
    out = usbook.reproduce(folder, where, progress=lambda *a: None, modes=('frozen',))
    assert out.verdicts[0].verdict == verdict and ('ZeroDivisionError' in out.verdicts[0].reason) == ('1/0' in code)


def test_a_measure_that_is_missing(tmp_path):
    folder = write(tmp_path, 'classes', **MEASURES)
    before = get_study(folder).claims_hash
    with pytest.raises(BadInput, match='no measures.py'): own_machinery(get_study(folder))
    (tmp_path/'measures.py').write_text('other = 1\n')
    with pytest.raises(BadInput, match='no function seconds_saved'): own_machinery(get_study(folder))
    assert get_study(folder).claims_hash != before
    (tmp_path/'measures.py').write_text('1/0\n')
    with pytest.raises(BadInput, match='ZeroDivisionError'): own_machinery(get_study(folder))


def test_a_measure_by_entry_point(tmp_path, monkeypatch):
    "A package that offers a study brings its measures.py along"
    from types import SimpleNamespace
    from usbook.cli.study import machinery_of
    from usbook.studies import study as studies
    write(tmp_path, 'classes', **MEASURES)
    (tmp_path/'measures.py').write_text('def seconds_saved(trained): return 1, 1, 1\n')
    monkeypatch.setattr(studies, 'entry_points', lambda group: [SimpleNamespace(value='lab')])
    monkeypatch.setattr(studies, 'files', lambda name: tmp_path)
    found = machinery_of('mine').measure({})
    assert found.values['seconds_saved'].value == 1
