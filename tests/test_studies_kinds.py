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


RUNS = {}  # kind -> `Outcome`: each is run once


def run_of(kind, kept):
    "A run of each kind, in the folder that the tests of this file share"
    if kind not in RUNS:
        where = dict(profile='test', runs=str(kept/'runs'), cache=str(kept/'cache'), offline=True)
        RUNS[kind] = usbook.reproduce(write(kept/kind, kind), where, progress=lambda *a: None, modes=KINDS[kind][2])
    return RUNS[kind]


@pytest.mark.parametrize('kind', KINDS)
def test_from_an_empty_folder_to_a_report(kind, kept):
    out, modes = run_of(kind, kept), KINDS[kind][2]
    said = json.loads((out.folder/'results.json').read_text(encoding='utf-8'))
    page = (out.folder/'report.html').read_text(encoding='utf-8')
    assert len(said['runs']) == len(modes) and 'could not be made' not in page and 'A plot is missing' not in page
    verdict = said['claims'][0]
    assert verdict['verdict'] != 'not tested', verdict
    assert all({'value'} <= set(m) for ms in said['runs'].values() for m in ms.values() if 'note' not in m)
    assert said['data']['patients'] and 'simulated' in said['data']['source']
    if kind not in ('classes', 'grades'): assert verdict['tested'][0]['patients'] > 1


# What a run is good for afterwards ----------------------------------------------------------------------

@pytest.fixture
def here(kept, tmp_path, monkeypatch):
    "A command line in an empty folder, with the fits of these tests"
    from usbook.cli.main import main
    monkeypatch.chdir(tmp_path)
    for k, v in dict(PROFILE='test', CACHE=str(kept/'cache'), RUNS=str(kept/'runs'), OFFLINE='yes').items():
        monkeypatch.setenv(f'USBOOK_{k}', v)
    return main


def drawn(kind, folder, seed=5):
    "Images of another place"
    from usbook.studies.images import DRAWN
    DRAWN[kind](folder, KINDS[kind][0], 48, seed)
    return folder


def test_predict_several_labels(kept, here, tmp_path, capsys):
    run = run_of('labels', kept).folder
    drawn('labels', tmp_path/'new')
    full = pd.read_csv(tmp_path/'new'/'manifest.csv', dtype=str, keep_default_na=False)[:30]
    full.to_csv(tmp_path/'new'/'manifest.csv', index=False)
    assert here(['predict', str(run), 'new', '--out', 'p.csv']) == 0
    t = pd.read_csv(tmp_path/'p.csv', dtype=str, keep_default_na=False)
    meta = json.loads((tmp_path/'p.json').read_text())
    assert list(t.image) == list(full.image) and list(t.target) == list(full.label.replace('none', ''))
    inside = json.loads((run/f"predictions-{meta['arm']}.json").read_text())['thresholds']
    for c, at in inside.items():
        assert meta['thresholds'][c] == pytest.approx(np.mean(at))
        assert [(c in x.split(';')) for x in t.predicted] == list(t[f'p_{c}'].astype(float) >= meta['thresholds'][c])
    assert here(['evaluate', 'p.csv', '--json']) == 0
    said = json.loads(capsys.readouterr().out.split('evaluate p.csv\n')[-1])
    assert set(said['per_class']) == set(KINDS['labels'][0]) and 'exact_match' in said['overall']
    full.drop(columns=['label', 'patient']).to_csv(tmp_path/'new'/'bare.csv', index=False)
    assert here(['predict', str(run), '--manifest', 'new/bare.csv', '--out', 'q.csv', '--arm', 'frozen']) == 0
    assert 'target' not in pd.read_csv(tmp_path/'q.csv') and 'truth is not known' in capsys.readouterr().out
    full.assign(label='a_line').to_csv(tmp_path/'new'/'manifest.csv', index=False)
    assert here(['predict', str(run), 'new', '--out', 'r.csv']) == 2
    assert "'a_line' is unknown" in capsys.readouterr().err
    assert here(['export', str(run), 'x.onnx']) == 2 and 'for each label' in capsys.readouterr().err


def test_predict_boxes(kept, here, tmp_path, capsys):
    "A detector of a person's own study marks clips, and stills whose boxes nobody knows"
    run = run_of('detection', kept).folder
    drawn('detection', tmp_path/'new')
    assert here(['predict', str(run), 'new', '--out', 'marks']) == 0
    assert here(['froc', 'marks/detections.csv', 'marks/lesions.csv', '--scans', 'marks/scans.csv', '--hit', 'centre',
                 '--n-boot', '20', '--json']) == 0
    assert '"lesions": 26' in capsys.readouterr().out
    (tmp_path/'stills').mkdir()
    for i in range(3): (tmp_path/'new'/f'C{i:03d}'/'0.png').rename(tmp_path/'stills'/f'{i}.png')
    (tmp_path/'stills'/'manifest.csv').write_text('image,patient\n0.png,a\n1.png,b\n2.png,c\n')
    assert here(['predict', str(run), 'stills', '--out', 'm2']) == 0
    assert len(pd.read_csv(tmp_path/'m2'/'scans.csv')) == 3 and not (tmp_path/'m2'/'lesions.csv').exists()


def test_predict_outlines(kept, here, tmp_path, capsys):
    run = run_of('segmentation', kept).folder
    drawn('segmentation', tmp_path/'new')
    full = pd.read_csv(tmp_path/'new'/'manifest.csv', dtype=str)[:4]
    full.to_csv(tmp_path/'new'/'manifest.csv', index=False)
    assert here(['predict', str(run), 'new', '--out', 'out', '--json']) == 0
    said = json.loads(capsys.readouterr().out)
    mask = np.asarray(Image.open(tmp_path/'out'/'images'/'0000.png'))
    scores = pd.read_csv(tmp_path/'out'/'outlines.csv')
    assert said['images'] == 4 and mask.shape == (48, 48) and set(np.unique(mask)) <= {0, 1, 2}
    assert set(said['dice']) == set(scores.structure) == set(KINDS['segmentation'][0])
    full[['image']].to_csv(tmp_path/'new'/'bare.csv', index=False)
    assert here(['predict', str(run), '--manifest', 'new/bare.csv', '--out', 'o2']) == 0
    assert not (tmp_path/'o2'/'outlines.csv').exists() and (tmp_path/'o2'/'images'/'0003.png').is_file()


@pytest.mark.parametrize('kind', ['labels', 'detection', 'segmentation'])
def test_an_outside_test(kind, kept, here, tmp_path, capsys):
    "--test: the same metrics inside and outside, and the drop; a mistake in the other images is found first"
    drawn(kind, tmp_path/'other')
    where = 'other' if kind == 'detection' else 'other/manifest.csv'
    words = ['reproduce', write(kept/kind, kind), '--modes', KINDS[kind][2][-1]]
    (kept/'runs').mkdir(exist_ok=True)
    before = set((kept/'runs').iterdir())
    assert here([*words, '--test', 'nowhere']) == 2 and 'nowhere' in capsys.readouterr().err
    if kind == 'labels':
        pd.read_csv(tmp_path/'other'/'manifest.csv').assign(label='x').to_csv(tmp_path/'other'/'bad.csv', index=False)
        assert here([*words, '--test', 'other/bad.csv']) == 2
    assert set((kept/'runs').iterdir()) == before
    assert here([*words, '--test', where, '--json']) == 0
    out = json.loads(capsys.readouterr().out)
    found = next(iter(out['outside']['arms'].values()))['metrics']
    name = dict(labels='macro auc', detection='sensitivity at 0.5', segmentation='dice')[kind]
    assert {'inside', 'outside', 'drop'} == set(found[name]) and out['outside']['patients'] >= 40
    a, b, d = (found[name][k].get('value') for k in ('inside', 'outside', 'drop'))
    if None not in (a, b): assert d == pytest.approx(b - a)
    assert 'Tested elsewhere' in (kept/'runs'/out['folder'].rsplit('/')[-1]/'outside.html').read_text()


def work_of(kind, kept, **changes):
    "A run of a kind, up to the training"
    from dataclasses import replace
    from usbook.core.settings import read_settings
    from usbook.studies.images import Reading, find_images
    from usbook.studies.machinery import plan_work
    machinery = own_machinery(get_study(write(kept/kind, kind)))
    s = read_settings(profile='test', runs=str(kept/'runs'), cache=str(kept/'cache'), offline=True)
    images, _ = find_images(machinery.study, s, reading=Reading(read=machinery.read))
    return plan_work(images, replace(machinery.plans['test'], **changes), s, KINDS[kind][2][-1:], False)


@pytest.mark.parametrize('kind', ['labels', 'detection', 'segmentation'])
def test_what_seeds_and_curves_train(kind, kept, monkeypatch):
    "Two seeds on the same split, one curve on fewer and fewer patients; nothing is trained here"
    from dataclasses import replace
    from types import SimpleNamespace
    from usbook.core.interval import Interval
    from usbook.studies import kinds
    asked, metric = [], kinds.HEADS[kind][0]
    def train(work):
        asked.append(work)
        e = SimpleNamespace(overall={metric: Interval(len(asked)/10)})
        t = kinds.Trained(kinds.Arm('net', work.modes[0]), f'test {len(asked)}', evaluation=e, seconds=1.,
                          keys=[f'key {len(asked)}'])
        return {t.name: t}
    monkeypatch.setitem(kinds.WAYS, kind, replace(kinds.WAYS[kind], train=train))
    work = work_of(kind, kept, seeds=2)
    t, = kinds.train_way(kind, work).values()
    assert (t.test, t.repeats, t.keys, t.seconds) == ('test 1', ['test 2'], ['key 1', 'key 2'], 2.)
    assert [w.settings.seed - work.settings.seed for w in asked] == [0, 1] and asked[1].parts == work.parts
    assert t.repeat_evaluations[0].overall[metric].value == .2
    curve = kinds.curve_way(kind, work, [12, 20])
    assert list(curve.patients) == [12, 20] and [m.value for m in curve.metric] == [.3, .4]
    for w, n in zip(asked[2:], (12, 20)):
        part, = w.parts
        assert part.subset('train').table.patient.nunique() == n and w.plan.seeds == 1
        assert list(part.subset('test').table.image) == list(work.parts[0].subset('test').table.image)
    assert set(curve['mode']) == {'finetuned' if kind == 'segmentation' else 'frozen'}


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['labels', 'detection', 'segmentation'])
def test_a_learning_curve_and_two_seeds(kind, kept):
    from dataclasses import replace
    from usbook.studies.kinds import HEADS, curve_way, train_way
    work = work_of(kind, kept, seeds=2)
    work = replace(work, plan=replace(work.plan, recipe=replace(work.plan.recipe, epochs=1)))
    t, = train_way(kind, work).values()
    assert len(t.repeats) == len(t.repeat_evaluations) == 1 and len(t.keys) == len(set(t.keys)) >= 2
    curve = curve_way(kind, work, [12, 20])
    assert list(curve.patients) == [12, 20] and curve.attrs['ylabel'] == HEADS[kind][1]


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['labels', 'detection', 'segmentation'])
def test_a_curve_at_the_command_line(kind, kept, here, tmp_path, capsys):
    "usbook reproduce STUDY --curve: in the results, in the report, in the command that repeats the run"
    study = write(tmp_path/kind, kind, **{'size = 48': 'size = 48\nepochs = 1'})
    mode = KINDS[kind][2][-1]
    assert here(['reproduce', study, '--modes', mode, '--curve', '--json']) == 0
    said = json.loads(capsys.readouterr().out)
    points = said['curve']
    learned = [p['patients'] for p in points]
    assert learned == sorted(set(learned)) and len(points) >= 2
    assert all(0 <= p['metric']['value'] <= 1 and ('low' in p['metric'] or p['metric']['note']) for p in points)
    assert {p['mode'] for p in points} == {'finetuned' if kind == 'segmentation' else 'frozen'}
    assert '--curve' in said['made']['command']
    folder = kept/'runs'/said['folder'].rsplit('/')[-1]
    page = (folder/'report.html').read_text(encoding='utf-8')
    assert 'How many patients to learn from' in page and 'could not be made' not in page
    assert 'A plot is missing' not in page
    assert here(['reproduce', study, '--modes', mode, '--curve']) == 0
    told = capsys.readouterr().out
    assert 'patients to learn from' in told and said['curve_of'] in told and str(learned[-1]) in told
    assert here(['rerun', str(folder), '--json']) == 0 and json.loads(capsys.readouterr().out)['same']


def test_frames_are_numbers():
    "Frames are texts in a manifest and numbers in predictions, and the two did not meet"
    from usbook.data.manifest import Manifest
    from usbook.predictions.predictions import Predictions
    from usbook.studies.kinds import _labels_of
    t = pd.DataFrame(dict(image=['a.png', 'a.png', 'b.png'], frame=['0', '1', '0'], patient=['p', 'p', 'q']))
    m = Manifest(t.assign(label=['x;y', 'none', 'y']), '.', ['x', 'y'], several=True)
    def said(c, p):
        table = t.assign(frame=[0, 1, 0], target=f'no_{c}', **{f'p_no_{c}': 1 - np.array(p), f'p_{c}': p})
        return Predictions(table, [f'no_{c}', c])
    out = _labels_of(m, dict(x=said('x', [.9, .1, .2]), y=said('y', [.4, .3, .8])), dict(x=.5, y=.5))
    assert list(out.target) == ['x;y', '', 'y'] and list(out.predicted) == ['x', '', 'y']


def test_seeds_of_a_study(tmp_path):
    "run.seeds is how many; it was unknown"
    plans = own_machinery(get_study(write(tmp_path, 'labels', **{'size = 48': 'size = 48\nseeds = 2'}))).plans
    assert {p.seeds for p in plans.values()} == {2}
    with pytest.raises(BadInput, match='run.seeds is 0'):
        own_machinery(get_study(write(tmp_path, 'labels', **{'size = 48': 'size = 48\nseeds = 0'})))


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
