"A report on predictions: one page from any table, subgroups, one answer for an examination, tables of other tools"
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from usbook.core.errors import BadInput
from usbook.evidence.compare import compare
from usbook.evidence.froc import froc, toy_detections
from usbook.evidence.metrics import evaluate, evaluate_matrix
from usbook.evidence.subgroups import about_many, group_names, subgroups
from usbook.predictions.combined import combine
from usbook.predictions.predictions import Predictions, toy_predictions
from usbook.predictions.reading import read_predictions
from usbook.widgets.evaluation import evaluation_page, froc_page

EVIL = '<img src=x onerror=alert(1)>'


def clinic(seed=0, skill=1.5, model=0):
    p = toy_predictions(40, 3, skill=skill, model=model)
    return Predictions(p.table.assign(site=np.where(p.patient_codes < 20, 'A', EVIL), age=20 + p.patient_codes,
                                      scan=[f'{o}-{i % 2}' for i, o in enumerate(p.patient)]), p.classes, name='c.csv')


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp('report')
    p = clinic()
    for o in p.table['image']: Image.new('L', (30, 20), 90).save(folder/o)
    return evaluate(p).report(folder/'out.html', by='site,age:20', images=folder)


def test_one_page_holds_everything_and_asks_for_nothing(page, chromium):
    context, asked, wrong = chromium.new_context(viewport=dict(width=390, height=800)), [], []
    tab = context.new_page()
    tab.on('request', lambda r: asked.append(r.url))
    tab.on('pageerror', lambda e: wrong.append(str(e)))
    tab.on('dialog', lambda d: (wrong.append('dialog'), d.dismiss()))
    tab.goto(page.as_uri())
    tab.wait_for_selector('.usbook-widget')
    assert [u for u in asked if not u.startswith(('data:', 'blob:'))] == [page.as_uri()] and not wrong
    assert tab.locator('.usbook-widget').count() == 2 and tab.locator('.figs img').count() == 5
    assert tab.evaluate('document.documentElement.scrollWidth') <= 390
    accuracy = str(evaluate(clinic()).overall['accuracy']).split(' ')[0]
    assert tab.locator('.heads b').first.inner_text() == accuracy
    assert tab.locator('.wrong img').count() > 0 and tab.locator('#groups tbody tr').count() == 4
    for o in ('headline', 'plots', 'explore', 'classes', 'groups', 'wrong', 'reviewers', 'made'):
        assert tab.locator(f'#{o}').count() == 1
    context.close()


def test_what_comes_from_outside_is_text(page):
    text = page.read_text(encoding='utf-8')
    assert EVIL not in text and '&lt;img src=x' in text


def test_the_page_says_what_evaluate_says(page):
    text, e = page.read_text(encoding='utf-8'), evaluate(clinic())
    for i in (*e.overall.values(), *e.per_class['mass'].values()):
        if i.value is not None: assert f'{i.value:.3f}' in text


def test_two_models_and_a_detector(tmp_path):
    a, b = clinic(), clinic(skill=1., model=1)
    c = compare(a, b, names=('first', 'second'))
    text = c.report(tmp_path/'two.html').read_text(encoding='utf-8')
    assert c.sentence.split('(')[0] in re.sub(r'</?span[^>]*>', '', text) and text.count('class="heads"') == 2
    three = evaluation_page({n: evaluate(o) for n, o in zip('abc', (a, b, clinic(model=2)))})
    assert three.count('class="heads"') == 3 and 'Obuchowski' in three
    f = froc(toy_detections(12), n_boot=30)
    assert f'{f.jafroc}'.split(' ')[0] in froc_page({'x': f})
    with pytest.raises(BadInput, match='only counts'): evaluate_matrix([[3, 1], [1, 3]]).report(tmp_path/'x.html')


def test_a_difference_between_sites_is_found_and_an_invented_one_is_not():
    p = toy_predictions(100, 4)
    site = np.where(p.patient_codes < 70, 'A', 'B')
    bad = (site == 'B') & (np.arange(len(p)) % 2 == 0)
    prob = np.where(bad[:, None], p.prob[:, ::-1], p.prob)
    table = p.table.assign(
        site=site, coin=p.patient_codes % 2, **{f'p_{c}': prob[:, j] for j, c in enumerate(p.classes)}
    )
    found = {(s.by, s.name): s for s in subgroups(Predictions(table, p.classes), 'site,coin')}
    assert found['site', 'B'].p_holm['macro_auc'] < .01 < .05 < found['coin', '1'].p_holm['macro_auc']
    one = found['site', 'B'].differences['macro_auc']
    parts = [evaluate(Predictions(table[site == o], p.classes)).overall['macro_auc'].value for o in 'BA']
    assert one.value == pytest.approx(parts[0] - parts[1]) and '12 differences' in about_many(list(found.values()))


def test_groups_that_cannot_be():
    p = clinic()
    with pytest.raises(BadInput, match="no column 'sex' to group by"): subgroups(p, 'sex')
    with pytest.raises(BadInput, match='40 groups.*age:10'): group_names(p, 'age')
    with pytest.raises(BadInput, match='above 0'): group_names(p, 'age:x')
    assert set(group_names(p, 'age:20')) == {'20 to 39', '40 to 59'}


def test_one_answer_for_a_scan():
    p = clinic()
    s = combine(p, 'scan', 'max')
    own = p.table.groupby('scan')['p_mass'].max()
    assert s.table.set_index('image')['p_mass'].to_dict() == own.to_dict() and s.n_patients == 40
    assert set(combine(p, how='any').prob.ravel()) == {0., 1.}
    with pytest.raises(BadInput, match='has no column exam'): combine(p, 'exam')
    with pytest.raises(BadInput, match='rule any needs two classes'):
        combine(toy_predictions(4, 2, ('a', 'b', 'c')), how='any')


THEIRS = 'filename;subject;y_true;prob_x\na.png;07;0;0,2\nb.png;07;1;0,7\nc.png;09;1;0,4\n'

def test_other_names_are_said_and_have_to_be_confirmed(tmp_path):
    f = tmp_path/'p.csv'
    f.write_text(THEIRS)
    spec = 'image=filename,patient=subject,target=y_true,score=prob_x'
    with pytest.raises(BadInput) as e: read_predictions(f)
    assert f'--columns {spec}' in str(e.value) and '\n' not in str(e.value)
    p = read_predictions(f, spec)
    assert p.patient.tolist() == ['07', '07', '09'] and p.prob[:, 1].tolist() == [.2, .7, .4]
    assert (read_predictions(f, 'auto').prob == p.prob).all()
    with pytest.raises(BadInput, match='has no column subjekt.*did you mean subject'):
        read_predictions(f, 'patient=subjekt')
    with pytest.raises(BadInput, match="'patient' names no column"): read_predictions(f, 'patient')


@pytest.mark.parametrize('score,says', [([-2., .3, .5], 'row 2: score is -2: these are logits.*sigmoid'),
                                        ([20, 70, 40], 'divide them by 100')])
def test_logits_get_the_sentence_that_helps(score, says):
    t = pd.DataFrame(dict(image=list('abc'), patient=list('xxy'), target=['0', '1', '1'], score=score))
    with pytest.raises(BadInput, match=says): read_predictions(t)


@pytest.mark.parametrize('extra', [{'index_0': 1, 'index_1': 0}, {'label_0': 'tench', 'label_1': 'goldfish'}, {}])
def test_the_best_classes_in_their_order_are_no_column_per_class(extra):
    "What timm writes with --topk was read as the probabilities of class 0, 1 ..."
    g = np.random.default_rng(0)
    x = -np.sort(-g.dirichlet(np.ones(3), 12), axis=1)
    t = pd.DataFrame(x, columns=['prob_0', 'prob_1', 'prob_2'])
    t = t.assign(filename=[f'{i}.png' for i in range(12)], **extra)
    known = pd.DataFrame(dict(image=t.filename, patient=range(12), target=[str(i % 3) for i in range(12)]))
    with pytest.raises(BadInput, match='--topk 0'): read_predictions(t, 'auto', truth=known)
    all_classes = t.assign(**dict(zip(['prob_0', 'prob_1', 'prob_2'], g.permuted(x, axis=1).T))).drop(columns=[*extra])
    assert read_predictions(all_classes, 'auto', truth=known).classes == ['0', '1', '2']


def test_every_tool_that_people_use_has_an_example_that_runs():
    "The notebooks run in test_notebooks.py; here: that each tool has a cell with output behind its name"
    from pathlib import Path
    text = {}
    for f in ('04_reading', '05_boxes'):
        nb = json.loads((Path(__file__).parents[1]/'nbs'/'predictions'/f'{f}.ipynb').read_text(encoding='utf-8'))
        cells = nb['cells']
        for a, b in zip(cells, cells[1:]): text[''.join(a['source'])] = b
    tools = 'scikit-learn fastai timm MONAI Excel Parquet COCO YOLO CVAT nnU-Net'.split()
    for tool in tools:
        assert any(tool in words and cell['cell_type'] == 'code' for words, cell in text.items()), tool


def test_every_kind_of_file(tmp_path):
    p = clinic()
    t = p.table[['image', 'patient', 'target', 'p_normal', 'p_mass']]
    t.to_excel(tmp_path/'t.xlsx', index=False)
    t.to_csv(tmp_path/'t.tsv', sep='\t', index=False)
    t.to_csv(tmp_path/'t.csv', sep=';', decimal=',', index=False)
    t.to_parquet(tmp_path/'t.parquet')
    for end in ('xlsx', 'tsv', 'csv', 'parquet'):
        q = read_predictions(tmp_path/f't.{end}')
        assert q.patient.tolist() == p.patient.tolist() and np.allclose(q.prob, p.prob, atol=1e-12)
    (tmp_path/'bad.xlsx').write_text('nonsense')
    with pytest.raises(BadInput, match="can't be read as Excel"): read_predictions(tmp_path/'bad.xlsx')


def test_the_command_writes_reports(usbook, tmp_path):
    p = clinic()
    p.write(tmp_path/'a.csv')
    clinic(model=1).write(tmp_path/'b.csv')
    r = usbook('evaluate', 'a.csv', 'b.csv', '--report', 'r.html', '--json')
    d = json.loads(r.stdout)
    assert r.returncode == 0 and set(d['models']) == {'a', 'b'} and (tmp_path/'r.html').stat().st_size > 10**5
    r = usbook('evaluate', 'a.csv', '--per', 'scan', '--how', 'mean', '--by', 'age:20')
    assert r.returncode == 0 and 'One row for each of' in r.stdout and 'Holm' in r.stdout
    r = usbook('compare', 'a.csv', 'b.csv', '--report', 'c.html')
    assert r.returncode == 0 and r.stdout.rstrip().endswith('Report: c.html')
    r = usbook('evaluate', 'a.csv', '--by', 'sex', '--report', 'n.html')
    assert r.returncode == 2 and len(r.stderr.splitlines()) <= 3 and not (tmp_path/'n.html').exists()


def test_printed_it_is_short(page, chromium):
    tab = chromium.new_page()
    tab.goto(page.as_uri())
    pdf = tab.pdf(format='A4', margin=dict.fromkeys(('top', 'bottom', 'left', 'right'), '15mm'))
    tab.close()
    assert len(re.findall(rb'/Type\s*/Page\b', pdf)) <= 6


def test_a_folder_of_pictures_may_be_given_as_a_path(tmp_path):
    "A Path has an attribute root, which is no folder of pictures"
    from usbook.widgets.base import picture_source
    assert picture_source(tmp_path)('a.png') == picture_source(str(tmp_path))('a.png') == tmp_path/'a.png'


def test_at_the_top_results_write_reports(tmp_path):
    "`usbook.evaluate(...).report('out.html')`, and still without torch"
    import subprocess, sys
    clinic().write(tmp_path/'a.csv')
    code = ('import usbook, sys; usbook.evaluate("a.csv").report("o.html"); usbook.read_predictions("a.csv"); '
            'assert "read_predictions" in dir(usbook) and not {"torch", "fastai"} & set(sys.modules)')
    r = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode == 0 and (tmp_path/'o.html').is_file(), r.stderr[-500:]


def test_subgroups_of_a_detector(tmp_path, monkeypatch, capsys):
    "`usbook froc --by` says what each group reaches, tests differences, and puts them on the page"
    import json
    from usbook.cli.main import main
    from usbook.evidence.scored import mark_subgroups
    from usbook.predictions.detections import Detections
    d = toy_detections(36)
    people = {p: i for i, p in enumerate(dict.fromkeys(d.scans.patient))}
    k = d.scans.patient.map(people)
    bad = set(d.scans.scan[k % 2 == 1])
    scans = d.scans.assign(site=['A' if i % 2 == 0 else 'B' for i in k], age=40 + k)
    lost = d.detections.scan.isin(bad) & (np.arange(len(d.detections)) % 20 > 0) # most marks at B are lost
    d = Detections(scans, d.lesions, d.detections[~lost].reset_index(drop=True))
    d.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ['froc', 'detections.csv', 'lesions.csv', '--scans', 'scans.csv', '--n-boot', '50', '--hit', 'centre']
    assert main([*words, '--by', 'site,age:20', '--report', 'out.html', '--json']) == 0
    said = json.loads(capsys.readouterr().out)['subgroups']
    groups = [('site', 'A'), ('site', 'B'), ('age', '40 to 59'), ('age', '60 to 79')]
    assert [(g['by'], g['name']) for g in said] == groups
    a, b = (g['differences']['sensitivity_at_0.2'] for g in said[:2])
    assert a['value'] == pytest.approx(-b['value']) and b['high'] < 0 and a['low'] == pytest.approx(-b['high'])
    assert all(0 <= p <= g['p_holm'][m] <= 1 for g in said for m, p in g['p'].items())
    alone = froc(Detections(scans[scans.site == 'B'], d.lesions[d.lesions.scan.isin(bad)],
                            d.detections[d.detections.scan.isin(bad)]), hit='centre', n_boot=50)
    assert said[1]['sensitivity_at_0.2']['value'] == alone.overall['sensitivity_at_0.2'].value
    page = (tmp_path/'out.html').read_text(encoding='utf-8')
    assert 'id="groups"' in page and '60 to 79' in page and 'Holm' in page
    assert main([*words, '--by', 'site']) == 0
    assert 'differences were tested' in ' '.join(capsys.readouterr().out.split())
    assert main([*words, '--by', 'sit']) == 2 and "no column 'sit'" in capsys.readouterr().err
    with pytest.raises(BadInput, match='12'): mark_subgroups(d, 'age')


# Two models, group by group; intervals and p values agree ------------------------------------------------

def sites():
    "Two detectors on 40 patients of two sites; the second loses most marks at B"
    from usbook.predictions.detections import Detections
    a = toy_detections(40, 1, frames=4, skill=2.)
    k = a.scans.patient.map({p: i for i, p in enumerate(dict.fromkeys(a.scans.patient))})
    scans = a.scans.assign(site=['A' if i % 2 else 'B' for i in k], age=40 + k)
    lost = a.detections.scan.isin(scans.scan[scans.site == 'B']) & (np.arange(len(a.detections)) % 10 > 0)
    return Detections(scans, a.lesions, a.detections), Detections(scans, a.lesions,
                                                                  a.detections[~lost].reset_index(drop=True))


def test_intervals_and_p_values_never_disagree():
    "The p value of a detector's difference lacked the factor n/(n-1) that its interval had"
    from usbook.core.interval import Interval
    from usbook.evidence.scored import mark_subgroups
    from usbook.evidence.subgroups import compared_subgroups, difference_p
    for seed in range(6):
        i = Interval(.1, 0., .2, df=3 + seed)
        assert difference_p(i) == pytest.approx(.05) and difference_p(i.replace(low=None)) is None
    a, b = sites()
    found = [*mark_subgroups(b, 'site,age:20', n_boot=20), *subgroups(clinic(), 'site,age:20'),
             *compared_subgroups(clinic(), clinic(skill=.5, model=1), 'site,age:20')]
    tested = [(s.differences[m], p) for s in found for m, p in s.p.items()]
    assert len(tested) > 12 and {p < .05 for _, p in tested} == {True, False}
    for d, p in tested:
        assert (p < .05) == (d.low > 0 or d.high < 0)
        from scipy import stats
        se = (d.high - d.low)/2/stats.t.ppf(.975, d.df)
        assert p == pytest.approx(2*stats.t.sf(abs(d.value)/se, d.df))


def test_two_detectors_in_each_group(tmp_path, monkeypatch, capsys):
    "`usbook compare a.csv b.csv --by`: terminal, JSON, page and Python say the same"
    from usbook.cli.main import main
    from usbook.evidence.froc import compare_froc
    from usbook.evidence.scored import compared_mark_subgroups
    a, b = sites()
    a.write(tmp_path)
    b.detections.to_csv(tmp_path/'b.csv', index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('usbook.widgets.evaluation.draw_all', lambda plots: ({}, []))
    words = ['compare', 'detections.csv', 'b.csv', '--hit', 'centre', '--by', 'site,age:20']
    assert main([*words, '--report', 'out.html', '--json']) == 0
    said = json.loads(capsys.readouterr().out)
    each = {g['name']: g for g in said['subgroups']}
    assert list(each) == ['A', 'B', '40 to 59', '60 to 79'] and each['B']['n']['patients'] == 20
    assert each['B']['differences']['sensitivity_at_0.2']['high'] < 0 and each['B']['p']['jafroc'] < .05
    assert each['A']['differences']['jafroc']['value'] == 0 and 'jafroc' not in each['A']['p']
    for s in compared_mark_subgroups(a, b, ['site'], hit='centre'):
        assert {m: d.as_dict() for m, d in s.differences.items()} == each[s.name]['differences']
        assert s.p == {m: each[s.name]['p'][m] for m in s.p}
    assert all(p <= g['p_holm'][m] for g in each.values() for m, p in g['p'].items())
    page = (tmp_path/'out.html').read_text(encoding='utf-8')
    assert 'id="groups"' in page and '60 to 79' in page and 'compared within each group' in page
    assert compare_froc(a, b, hit='centre').sentence == said['sentence']
    assert main([*words[:-1], 'site']) == 0
    shown = ' '.join(capsys.readouterr().out.split())
    assert 'differences were tested' in shown and said['sentence'].split(';')[0] in shown
    assert main([*words[:-1], 'sit']) == 2 and "no column 'sit'" in capsys.readouterr().err
    assert main(['compare', 'b.csv', 'detections.csv', '--scans', 'none.csv']) == 2


def test_two_models_in_each_group(tmp_path, monkeypatch, capsys):
    "`usbook compare --by` was silent about the groups of two models"
    from usbook.cli.main import main
    from usbook.widgets.evaluation import evaluation_page
    monkeypatch.chdir(tmp_path)
    p = clinic()
    p.write('a.csv')
    flat = {f'p_{c}': np.where(p.patient_codes < 20, .5 + .1*(p.prob[:, j] - .5), 1 - p.prob[:, j])
            for j, c in enumerate(p.classes)}
    q = Predictions(p.table.assign(**flat), p.classes)
    q.write('b.csv')
    assert main(['compare', 'a.csv', 'b.csv', '--by', 'site', '--json']) == 0
    groups = json.loads(capsys.readouterr().out)['subgroups']
    assert [g['differences']['macro_auc']['value'] > .3 for g in groups] == [g['name'] == EVIL for g in groups]
    monkeypatch.setattr('usbook.widgets.evaluation.draw_all', lambda plots: ({}, []))
    monkeypatch.setattr('usbook.widgets.evaluation.MOST_ALIVE', 0)
    page = evaluation_page(dict(a=evaluate(p), b=evaluate(q)), 'site')
    assert 'compared within each group' in page and EVIL not in page
    assert main(['compare', 'a.csv', 'b.csv', '--by', 'site']) == 0 and 'Holm' in capsys.readouterr().out


FIGURE = r'\d\.\d+ \(-?\d+\.\d+ to \+?\d+\.\d+\)|[+-]\d\.\d+ \([+-]\d\.\d+ to [+-]\d\.\d+\), p [=<] [.\d]+|\b0\.\d{3}\b'
LONG = ['hepatocellular_carcinoma_of_the_left_liver_lobe', '高度可疑的甲状腺乳头状癌伴有钙化灶的结节', 'effusion',
        'benign focal nodular hyperplasia, with a scar']


@pytest.fixture
def wide(tmp_path):
    "Predictions of two models whose classes have long names, and a detector's tables"
    g = np.random.default_rng(0)
    target = np.repeat(np.arange(60) % 4, 3)
    rows = pd.DataFrame(dict(image=[f'{i}.png' for i in range(180)], patient=[f'P{i//3}' for i in range(180)],
                             site=['Nord' if i//3 % 2 else '东院' for i in range(180)]))
    for name, lead in (('a', 1.), ('b', 2.)):
        z = np.exp(g.normal(size=(180, 4)) + lead*np.eye(4)[target])
        p = pd.DataFrame(z/z.sum(1, keepdims=True), columns=[f'p_{c}' for c in LONG])
        rows.assign(target=np.array(LONG)[target], **p).to_csv(tmp_path/f'{name}.csv', index=False)
    scans = pd.DataFrame(dict(scan=[f's{i}' for i in range(40)], patient=[f'P{i//2}' for i in range(40)], n_frames=1,
                              hospital=['Nord' if i//2 % 2 else '东院' for i in range(40)]))
    box = dict(frame=0, x=10, y=10, w=9, h=9)
    scans.to_csv(tmp_path/'scans.csv', index=False)
    scans[['scan']].assign(lesion=1, **box).to_csv(tmp_path/'lesions.csv', index=False)
    marks = scans[['scan']].assign(**box, score=g.uniform(size=40).round(3))
    false = scans[['scan']].assign(**box | dict(x=40), score=g.uniform(size=40).round(3))
    pd.concat([marks[::2], marks[1::4], false[::3]]).to_csv(tmp_path/'marks.csv', index=False)
    return tmp_path


def test_tables_fit_every_terminal_and_no_figure_is_cut(usbook, wide):
    "The same figures, whole, whether a table lies flat or its rows stack; no line of a table is too wide"
    from rich.cells import cell_len
    asked = dict(evaluate=('a.csv', '--by', 'site'), compare=('a.csv', 'b.csv', '--by', 'site'),
                 froc=('marks.csv', 'lesions.csv', '--scans', 'scans.csv', '--by', 'hospital', '--n-boot', 50))
    for command, words in asked.items():
        words = [wide/w if str(w).endswith('.csv') else w for w in words]
        seen = {}
        for columns in (40, 60, 80, 110, 200):
            out = usbook(command, *words, COLUMNS=str(columns)).stdout
            lines = [o for o in out.splitlines() if not o.startswith(('Note:', 'True class'))]
            long = [o for o in lines[1:] if cell_len(o.rstrip()) > columns and re.search(r'\d', o)]
            assert not long and '…' not in out, (columns, long)
            seen[columns] = sorted(re.findall(FIGURE, '\n'.join(lines[1:])))
        assert len(seen[40]) > 5 and all(v == seen[40] for v in seen.values()), (command, seen)
        full = json.loads(usbook(command, *words, '--json').stdout)
        rows = usbook(command, *words, '--csv').stdout.splitlines()
        assert full['subgroups'] and len(rows) > 20 and rows[0].startswith('where,metric,value,low,high')


def test_printed_and_on_a_phone_the_plots_can_be_read(page, chromium):
    "They were a third of a column on paper, and cut at the right on a phone; what a reviewer asks was an empty heading"
    print_page = chromium.new_page(viewport=dict(width=718, height=1000))
    print_page.emulate_media(media='print')
    print_page.goto(page.as_uri())
    wide = print_page.eval_on_selector_all('section > .figs img', 'them => them.map(e => e.clientWidth)')
    assert min(wide) > 300 and print_page.locator('#reviewers summary').first.is_visible()
    print_page.close()
    phone = chromium.new_page(viewport=dict(width=390, height=800))
    phone.goto(page.as_uri())
    cut = 'them => them.filter(e => e.scrollWidth > e.clientWidth).length'
    assert phone.eval_on_selector_all('section > .figs figure', cut) == 0
    phone.close()


def test_the_page_of_detectors_says_what_was_read_and_where_to_look(usbook, tmp_path):
    "It was called `detections`, told of no frame and no lost lesion, and of two detectors only the first one's marks"
    for name, model in (('yolo', 0), ('ssd', 1)):
        (tmp_path/name).mkdir()
        toy_detections(20, model=model).write(tmp_path/name)
    three = [f'yolo/{o}.csv' for o in ('detections', 'lesions', 'scans')]
    r = usbook('froc', *three[:2], '--scans', three[2], '--hit', 'centre', '--n-boot', 50, '--report', 'one.html')
    assert r.returncode == 0
    assert usbook('compare', 'yolo', 'ssd', '--hit', 'centre', '--report', 'two.html').returncode == 0
    one, two = ((tmp_path/f'{o}.html').read_text(encoding='utf-8') for o in ('one', 'two'))
    assert '<h1>yolo</h1>' in one and '<h1>yolo and ssd</h1>' in two
    assert all(f'{o}.csv, SHA-256' in re.sub('<[^>]*>', '', one) for o in ('detections', 'lesions', 'scans'))
    d = toy_detections(20)
    m = froc(d, hit='centre', n_boot=20).marks
    lost = d.lesions[['scan', 'lesion']].drop_duplicates()[np.isneginf(m.lesion_score)]
    assert len(lost) and f'{lost.iloc[0].scan} (' in re.sub('<[^>]*>', '', one)
    top = d.scans.scan.iloc[m.fp_scan[m.fp_score.argmax()]]
    frame = d.detections[(d.detections.scan == top) & (d.detections.score == m.fp_score.max())].frame.iloc[0]
    assert re.search(rf'<b>(<span class="w">)?{top}.*?data-label="frame">(<span class="w">)?{frame}<', one)
    wrong = two[two.index('id="wrong"'):]
    assert '<h3>yolo</h3>' in wrong and '<h3>ssd</h3>' in wrong and 'found by the second only' in two


def test_no_interval_is_broken_over_two_lines():
    "One with a sign was: -0.047 (-0.397 / to +0.303), p = / 1.000"
    from usbook.runs.report import page_template
    whole = page_template('report.css').environment.globals['whole']
    text = whole('-0.047 (-0.397 to +0.303), p = 1.000; 20 to 29; p < .001')
    kept = re.findall(r'<span class="w">(.*?)</span>', text)
    assert kept == ['-0.047', '(-0.397 to +0.303)', 'p = 1.000', '20 to 29', 'p &lt; .001']


@pytest.mark.parametrize('width', [390, 1200])
def test_no_figure_of_a_comparison_is_cut(tmp_path, chromium, width):
    "Beside two others the table of intervals was wider than its place"
    pair = [clinic(skill=s, model=k) for k, s in enumerate((2., 1.))]
    page = compare(*pair, names=('resnet50', 'alexnet')).report(tmp_path/'c.html')
    tab = chromium.new_page(viewport=dict(width=width, height=900))
    tab.goto(page.as_uri())
    tab.wait_for_selector('#compared .panel')
    cut = 'all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)'
    assert tab.eval_on_selector_all('#compared .panel', cut) == []
    assert 'alexnet − resnet50' in tab.locator('#compared').inner_text()
    tab.close()


def test_a_chinese_report_is_chinese():
    "What was counted, what was tested, the names of parts and the intervals in tables were left in English, or broken"
    from usbook.core.language import set_language
    set_language('zh')
    try: pages = [evaluation_page({n: evaluate(clinic(model=k)) for k, n in enumerate(('one', 'two'))}, by='site'),
                  froc_page({'x': froc(toy_detections(12), n_boot=30)})]
    finally: set_language('en')
    for text in pages:
        seen = re.sub(r'<(script|style)[\s\S]*?</\1>|<[^>]+>', '', text)
        for words in ('images from', 'were tested', 'Every number', 'compared within', 'false positives', ' and two',
                      'Compared'):
            assert words not in seen, words
        cells = re.findall(r'<td[^>]*>(.*?)(?=<t[dr]|</t)', text)
        assert any(' 至 ' in c for c in cells) and not [c for c in cells if re.search(r'\d 至 ', re.sub(
            r'<span class="w">.*?</span>', '', c)) and len(c) < 80]
