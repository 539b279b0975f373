"What people hand in: every slip ends in one sentence, and names survive as they were"
import os
import string
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from usbook.predictions.detections import Detections
from usbook.predictions.predictions import Predictions, paired
from usbook.core.tables import read_table
from usbook.predictions.readers import read_answers, reader_file, write_answers
from usbook.core.errors import BadInput

GOOD = 'image,patient,target,p_a,p_b\n1.png,007,a,0.75,0.25\n2.png,007,b,0.5,0.5\n'


def read(tmp_path, text, name='p.csv', encoding='utf-8'):
    f = tmp_path/name
    f.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return Predictions.read(f)


@pytest.mark.parametrize('text', [
    GOOD, '\ufeff' + GOOD, GOOD.replace('\n', '\r\n'), GOOD.replace(',', ';'), GOOD.replace(',', '\t'), GOOD + '\n\n',
    GOOD.replace('0.', '0,').replace(',', ';').replace('0;', '0,'), GOOD.replace(',', ' , '), GOOD + ',,,,\n'])
def test_dialects(tmp_path, text):
    assert_good(read(tmp_path, text))

def test_utf_16_as_spreadsheets_write_unicode_text(tmp_path):
    assert_good(read(tmp_path, GOOD.replace(',', '\t'), encoding='utf-16'))
def test_sep_line(tmp_path): assert_good(read(tmp_path, 'sep=;\n' + GOOD.replace(',', ';')))

def assert_good(p):
    assert p.patient.tolist() == ['007', '007'] and p.classes == ['a', 'b'] and p.prob[0].tolist() == [.75, .25]


@pytest.mark.parametrize('text,says', [
    ('', 'is empty; the first line'), ('\n\n', 'is empty; the first line'), ('hello', "no column image and no column "
                                                                                      "patient"),
    ('image,patient,target\n1,1,a\n', '0 columns p_'), ('image,patient,target,p_a\n1,1,a,1\n', '1 column p_'),
    (GOOD.splitlines()[0] + '\n', 'no image'), (GOOD.replace('patient', 'person'), "no column patient;.*rename person "
                                                                                   "to patient"),
    (GOOD.replace('p_b', 'p_a'), 'row 1: column p_a is there twice; keep one'), (GOOD.replace('p_b', 'p_'),
        'names no class'),
    (GOOD.replace('0.75', ''), 'row 2: p_a is missing'), (GOOD.replace('0.75', 'nan'), 'row 2: p_a is missing or NaN'),
    (GOOD.replace('0.75', '-0.75'), 'negative'), (GOOD.replace('0.75', '0.8'), 'row 2: the probabilities sum to 1.05; '
                                                                               'they must sum to 1 within 0.02'),
    (GOOD.replace('0.75', 'much'), "p_a is 'much'"), (GOOD.replace('0.75', 'inf'), 'finite'),
    (GOOD.replace('0.75', '75').replace('0.25', '25').replace('0.5', '50'), 'divide by 100'),
    (GOOD.replace('2.png,007,b', '2.png,007,c'), "row 3: target is 'c'"), (GOOD.replace('2.png,007,b', '2.png,007,'),
        'row 3: target is empty'),
    (GOOD.replace('2.png,007', '2.png,'), 'row 3: patient is empty'), (GOOD.replace('2.png', '1.png'), 'second time'),
    (GOOD.replace('2.png', ''), 'row 3: image is empty'), (GOOD + '3.png,8,a,0.5,0.5,9\n', 'row 4: has 6 cells where '
                                                                                           'the header has 5'),
    ('image,patient,target,p_a,p_b\n1,1,a,.5,.5,9\n', 'row 2: has 6 cells where the header has 5'), (GOOD + '3.png,8\n',
        'row 4: p_a is missing|row 4: target is empty'),
    ('image,patient,target,p_a,"p_b', 'no image'), (b'PK\3\4', 'is a spreadsheet file; save it as CSV UTF-8'),
    (b'\x89PNG\r\n', 'a PNG image'), (GOOD + '3\0', 'not a text file'), 
    ('胸腔积液,patient\n'.encode('gbk') * 50, 'UTF-8'),
    (GOOD.encode() + b'\xff\xfe', 'UTF-8'),
])
def test_slips(tmp_path, text, says):
    with pytest.raises(BadInput, match=says) as e: read(tmp_path, text)
    assert 'p.csv' in str(e.value) and '\n' not in str(e.value)


def test_files_that_are_not_there(tmp_path):
    for name in ('no.csv', 'no.parquet', ''):
        with pytest.raises(BadInput): Predictions.read(tmp_path/name)
    (tmp_path/'x.parquet').write_text('nonsense')
    with pytest.raises(BadInput, match='Parquet'): Predictions.read(tmp_path/'x.parquet')
    read(tmp_path, GOOD)
    (tmp_path/'p.json').write_text('[1]')
    with pytest.raises(BadInput, match='p.json'): Predictions.read(tmp_path/'p.csv')


def test_classes_that_look_like_something_else(tmp_path):
    names = ['NA', '007', '1.0', 'null', 'True', 'B-lines, "many"', '积液', 'p_', 'nan']
    prob = np.full((9, 9), 1/9)
    p = Predictions.from_arrays([f'{i:03d}' for i in range(9)], ['None'] * 9, names, prob, names, note='x')
    for end in ('csv', 'parquet'):
        q = Predictions.read(p.write(tmp_path/f'odd.{end}'))
        assert q.classes == names and q.target.tolist() == list(range(9)) and q.patient[0] == 'None'
        assert (
            q.table['image'].tolist() == p.table['image'].tolist()
            and q.meta == {'note': 'x'}
            and (q.prob == p.prob).all()
        )


text = (
    st.text(string.ascii_letters + string.digits + ' ,;"\'-_/.积液é', min_size=1, max_size=8)
    .map(str.strip)
    .filter(bool)
)

@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(text, min_size=2, max_size=5, unique=True), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_round_trip(tmp_path, classes, n, seed):
    rng = np.random.default_rng(seed)
    p = Predictions.from_arrays(
        [f'i{i}' for i in range(n)],
        rng.integers(0, 3, n).astype(str),
        rng.integers(0, len(classes), n),
        rng.dirichlet(np.ones(len(classes)), n),
        classes,
        readers={'r': rng.integers(-1, len(classes), n)},
    )
    q = Predictions.read(p.write(tmp_path/'r.csv'))
    assert (
        q.classes == p.classes
        and (q.prob == p.prob).all()
        and (q.target == p.target).all()
        and (q.readers['r'] == p.readers['r']).all()
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda s: ('image,patient,target,p_a,p_b\n' + s).encode(
    'utf-8', 'ignore'))
       | st.text('1ab,;\n".\t-0p_', max_size=120).map(lambda s: ('image,patient,target,p_a,p_b\n' + s).encode()))
def test_any_bytes_give_predictions_or_one_sentence(tmp_path, raw):
    try: read(tmp_path, raw)
    except BadInput as e: assert len(str(e).splitlines()) == 1


def test_paired(tmp_path):
    p = read(tmp_path, GOOD)
    q = read(tmp_path, 'image,patient,target,p_b,p_a\n2.png,007,b,0.5,0.5\n1.png,007,a,0.25,0.75\n', 'q.csv')
    assert (paired(p, q).prob == p.prob).all() and paired(p, q).classes == p.classes
    for text, says in ((GOOD.replace('2.png', '3.png'), "'2.png'"), (GOOD.replace('2.png,007', '2.png,008'),
        'patient of image'),
                       (GOOD.replace('2.png,007,b', '2.png,007,a'), 'target of image'), (GOOD + '9.png,1,a,1,0\n',
                           "'9.png'"),
                       (GOOD.replace('p_b', 'p_c').replace(',b,', ',c,'), 'class')):
        with pytest.raises(BadInput, match=says): paired(p, read(tmp_path, text, 'z.csv'))


SCANS = pd.DataFrame(dict(scan=['01', '2'], patient=['1', '2'], n_frames=[2, 2]))
BOX = pd.DataFrame(dict(scan=['01', '2'], frame=[0, 1], x=[1., 2], y=[1, 2], w=[3, 4], h=[3, 4]))
LESIONS, MARKS = BOX.assign(lesion=['1', '1']), BOX.assign(score=[.5, .25])

@pytest.mark.parametrize(
    'which,change,says',
    [
        (0, dict(scan=['01', '01']), 'second time'),
        (0, dict(patient=['', 'x']), 'patient is empty'),
        (0, dict(n_frames=[0, 1]), 'n_frames'),
        (0, dict(n_frames=['two', 1]), 'not a number'),
        (1, dict(scan=['1', '2']), 'not listed'),
        (1, dict(w=[-1, 2]), 'no size'),
        (1, dict(h=[np.nan, 2]), 'h is missing'),
        (1, dict(x=[np.inf, 2]), 'finite'),
        (1, dict(frame=[2, 1]), 'counted from 0'),
        (1, dict(frame=[0.5, 1]), 'frame is 0.5'),
        (1, dict(scan=['2', '2'], frame=[1, 1]), 'twice'),
        (1, dict(lesion=['', '1']), 'lesion is empty'),
        (2, dict(score=['', 1]), 'score is missing'),
        (2, dict(scan=['01', '3']), "row 3: scan '3' is not listed"),
    ],
)
def test_detections(which, change, says):
    tables = [SCANS, LESIONS, MARKS]
    tables[which] = tables[which].assign(**change)
    with pytest.raises(BadInput, match=says): Detections(*tables)


def test_detections_without_marks_or_lesions(tmp_path):
    d = Detections(SCANS, LESIONS.head(0), MARKS.head(0))
    f = d.write(tmp_path)
    assert len(Detections.read(f/'detections.csv', f/'lesions.csv', f/'scans.csv')) == 2
    assert read_table(f/'lesions.csv').empty
    for k in ('scans', 'lesions', 'detections'):
        with pytest.raises(BadInput, match='no column scan'):
            Detections(**dict(dict(scans=SCANS, lesions=LESIONS, detections=MARKS), **{k: pd.DataFrame()}))


# Everything at once, and nothing that hangs -----------------------------------------------------------------

def problems(f, *args, **kwargs):
    with pytest.raises(BadInput) as e: f(*args, **kwargs)
    return [(p.row, p.column) for p in e.value.problems]

def test_every_problem_is_collected(tmp_path):
    text = GOOD + '3.png,,c,0.9,0.9\n1.png,8,a,x,0.5\n5.png,8,a,0.5,0.5,7\n'
    assert problems(read, tmp_path, text) == [
        (4, 'patient'),
        (4, 'target'),
        (4, 'p_a'),
        (5, 'image'),
        (5, 'p_a'),
        (6, 'image'),
    ]

def test_the_tables_of_a_detector_are_collected_too():
    found = problems(
        Detections, SCANS.assign(patient=['', 'x']), LESIONS.assign(w=[0, 1]), MARKS.assign(score=['high', None])
    )
    assert found == [(2, 'patient'), (2, 'w'), (2, 'score'), (3, 'score')]

def test_a_thousand_rows_alike_are_counted_not_listed():
    t = pd.DataFrame(dict(image=range(5000), patient='', target='a', p_a=.5, p_b=.5))
    with pytest.raises(BadInput) as e: Predictions(t.assign(target=['a', 'b']*2500))
    assert len(e.value.problems) == 1001 and e.value.problems[-1].what == '4000 more rows like these'

@pytest.mark.parametrize('n', [20_000, 100_000])
def test_too_many_columns_are_refused_within_a_second(tmp_path, n):
    f = tmp_path/'wide.csv'
    f.write_text('image,patient,target,' + ','.join(f'p_{i}' for i in range(n)) + '\n' + ','*(n + 2) + '\n')
    start = time.perf_counter()
    with pytest.raises(BadInput, match=f'has {n + 3} columns, and at most 2000'): Predictions.read(f)
    assert time.perf_counter() - start < 1

@pytest.mark.skipif(os.name == 'nt', reason='no pipes and devices as files')
def test_pipes_devices_and_folders_are_not_opened(tmp_path):
    os.mkfifo(tmp_path/'pipe.csv')
    for f in (tmp_path/'pipe.csv', '/dev/zero', tmp_path):
        with pytest.raises(BadInput, match="can't be read: it is a"): Predictions.read(f)

def test_a_file_too_large_says_its_size(tmp_path):
    with open(tmp_path/'p.csv', 'wb') as f: f.truncate(600_000_000)
    with pytest.raises(BadInput, match='has 600 MB, and at most 500 MB'): Predictions.read(tmp_path/'p.csv')

def test_names_of_files_that_are_none(tmp_path):
    for name in ('a\0b.csv', os.fsdecode(b'\xff\xfe.csv'), 'x'*5000 + '.csv', '\ud800.csv'):
        with pytest.raises(BadInput) as e: read_table(tmp_path/name)
        assert '\0' not in str(e.value) and str(e.value).encode('utf-8')

def test_a_file_name_that_is_not_utf_8_is_read(tmp_path):
    f = tmp_path/os.fsdecode(b'\xff.csv')
    try: f.write_text(GOOD)
    except OSError: pytest.skip('this disk takes only UTF-8 names')
    assert_good(Predictions.read(f))

@pytest.mark.parametrize('text,says', [
    ('image,' + 'x'*140_000 + '\n1,2\n', 'more than 32767 characters'), ('image,' + 'x'*300 + '\n1,2\n',
        "a column's name has 300 characters"),
    ('image,x\n1,' + 'y'*40_000 + '\n', 'row 2: has a cell of more than 32767 characters'), ('image,"x\ny"\n1,2\n',
        'runs over several lines'),
    ('image,x\n1,"y\n2,z\n', 'row 2: has a line break inside a cell')])
def test_long_and_broken_cells(tmp_path, text, says):
    (tmp_path/'a.csv').write_text(text)
    with pytest.raises(BadInput, match=says): read_table(tmp_path/'a.csv')

# What other programs write ----------------------------------------------------------------------------------

@pytest.mark.parametrize('text,says', [
    (GOOD.replace('target', 'label'), 'no column target;.*rename label to target'),
    (GOOD.replace('p_', 'prob_'), 'has 0 columns p_<class>.*write p_a for prob_a, p_b for prob_b'),
    (GOOD.replace('p_a', 'a').replace('p_b', 'b'), 'write p_a for a, p_b for b'),
    (GOOD.replace('p_', 'col_'), 'it has image, patient, target, col_a, col_b')])
def test_columns_of_other_programs_are_named(tmp_path, text, says):
    with pytest.raises(BadInput, match=says): read(tmp_path, text)

def test_probabilities_rounded_to_two_decimals(tmp_path):
    p = read(tmp_path, GOOD.replace('0.75', '0.76'))
    assert abs(p.prob.sum(1) - 1).max() < 1e-12 and p.notes == (
        'The probabilities of 1 of 2 rows were divided by their sum, which was off by up to 0.010.',
    )
    assert read(tmp_path, GOOD.replace('0.75', '0.7505')).notes == () == read(tmp_path, GOOD).notes
    with pytest.raises(BadInput, match='sum to 1.03'): read(tmp_path, GOOD.replace('0.75', '0.78'))

def test_no_patients_only_where_every_image_is_said_to_be_independent(tmp_path):
    text = GOOD.replace('patient,', '').replace('007,', '')
    with pytest.raises(BadInput, match='no column patient'): read(tmp_path, text)
    p = Predictions.read(tmp_path/'p.csv', independent=True)
    assert p.n_patients == 2 and 'every image counts as a patient' in p.notes[0]

def test_predictions_of_whatever_there_is(tmp_path):
    p = read(tmp_path, GOOD)
    for given in (p, tmp_path/'p.csv', str(tmp_path/'p.csv'), p.table): assert_good(Predictions.of(given))
    with pytest.raises(BadInput, match='not list'): Predictions.of([1])

def test_a_table_with_names_instead_of_row_numbers():
    t = pd.DataFrame(dict(image=['1', '2'], patient=['', 'x'], target='a', p_a=.5, p_b=.5), index=['u', 'v'])
    assert problems(Predictions, t) == [(2, 'patient')]

def test_stills_need_no_frames(tmp_path):
    scans, les, det = SCANS.drop(columns='n_frames'), LESIONS.drop(columns='frame'), MARKS.drop(columns='frame')
    d = Detections(scans, les, det)
    assert d.scans.n_frames.tolist() == [1, 1] and d.lesions.frame.tolist() == [0, 0]
    with pytest.raises(BadInput, match='no column n_frames'): Detections(scans, LESIONS, det)
    with pytest.raises(BadInput, match='no column frame'): Detections(SCANS, les, det)
    f = d.write(tmp_path/'d')
    for given in (d, f, f/'detections.csv'): assert len(Detections.of(given).detections) == 2

def test_a_readers_answers_are_collected_too(tmp_path):
    f = reader_file(tmp_path, 'ada')
    write_answers(f, [dict(image=i, label=c, seconds='1', when='') for i, c in zip('1132', 'aaax')])
    assert problems(read_answers, f, ['1', '2'], ['a', 'b']) == [(3, 'image'), (4, 'image'), (5, 'label')]

# The top of the package -------------------------------------------------------------------------------------

def test_the_top_takes_a_path_a_table_or_the_object(tmp_path):
    import usbook
    from usbook.predictions.predictions import toy_predictions
    assert {'evaluate', 'compare', 'froc', 'audit', 'reproduce', 'Manifest', 'Predictions', 'Detections'} <= set(
        dir(usbook)
    )
    p, q = (toy_predictions(8, 4, model=m) for m in (0, 1))
    f = p.write(tmp_path/'p.csv')
    values = [
        usbook.evaluate(given).overall['accuracy'].value for given in (p, p.table, f, str(f), usbook.Predictions(f))
    ]
    assert len(set(values)) == 1
    q.write(tmp_path/'q.csv')
    said = [usbook.compare(f, b) for b in (q, q.table, tmp_path/'q.csv', str(tmp_path/'q.csv'))]
    assert len({str(c['differences'] if isinstance(c, dict) else c.differences) for c in said}) == 1
    d = Detections(SCANS, LESIONS, MARKS).write(tmp_path/'d')
    assert usbook.froc(d, n_boot=20) is not None
    with pytest.raises(AttributeError): usbook.nothing
    assert usbook.Manifest.__name__ == 'Manifest' and usbook.reproduce.__doc__

def test_the_top_audits_a_study_by_its_name(tmp_path):
    import usbook
    from usbook.evidence.audit.reading import EXAMPLE_NUMBERS
    from usbook.studies.study import get_study
    first = [str(f) for f in usbook.audit('head_ct')]
    assert first == [str(f) for f in usbook.audit(get_study('head_ct'))]
    (tmp_path/'n.toml').write_text(EXAMPLE_NUMBERS)
    assert len(usbook.audit(str(tmp_path/'n.toml'))) == len(usbook.audit(tmp_path/'n.toml')) > 0
    with pytest.raises(BadInput, match='head_ct'): usbook.audit('heda_ct')
    with pytest.raises(BadInput, match='no such file'): usbook.audit('heda_ct.toml')

def test_importing_the_package_is_light():
    code = "import sys, usbook; dir(usbook); assert not {'numpy', 'pandas', 'torch'} & set(sys.modules)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_probabilities_of_one_decimal_were_refused_without_a_remedy():
    table = pd.DataFrame(dict(image=['1', '2'], patient=['a', 'b'], target=['x', 'y'], p_x=[.3, .8], p_y=[.3, .1],
                              p_z=[.3, .1]))
    with pytest.raises(BadInput, match='sum to 0.9; they must sum to 1 within 0.02; write more decimals'):
        Predictions(table)
    with pytest.raises(BadInput, match='within 0.02$'): Predictions(table.assign(p_z=[.35, .1]))


def test_a_table_without_patients_did_not_name_independent(tmp_path, capsys):
    "usbook evaluate has --independent, usbook compare has not"
    from usbook.cli.main import main
    f = tmp_path/'x.csv'
    f.write_text('image,target,p_a,p_b\n1,a,.8,.2\n2,b,.3,.7\n')
    assert main(['evaluate', str(f)]) == 2 and 'no column patient' in (err := capsys.readouterr().err)
    assert '--independent' in err and main(['evaluate', str(f), '--independent']) == 0
    capsys.readouterr()
    assert main(['compare', str(f), str(f)]) == 2 and 'independent=' not in (err := capsys.readouterr().err)
    assert 'no column patient' in err and '--independent' not in err
    f.write_text('filename,truth,p_a,p_b\n1,a,.8,.2\n2,b,.3,.7\n')
    assert main(['evaluate', str(f)]) == 2
    assert '--columns' in (err := capsys.readouterr().err) and '--independent' in err
