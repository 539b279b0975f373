"What people hand in: every slip ends in one sentence, and names survive as they were"
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from usbook.predictions.predictions import Detections, Predictions, paired, read_table
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
    p = read(tmp_path, text)
    assert p.patient.tolist() == ['007', '007'] and p.classes == ['a', 'b'] and p.prob[0].tolist() == [.75, .25]


@pytest.mark.parametrize('text,says', [
    ('', 'first line is empty'), ('\n\n', 'first line is empty'), ('hello', "'image' is missing"),
    ('image,patient,target\n1,1,a\n', '0 columns p_'), ('image,patient,target,p_a\n1,1,a,1\n', '1 columns p_'),
    (GOOD.splitlines()[0] + '\n', 'no image'), (GOOD.replace('patient', 'person'), "'patient' is missing"),
    (GOOD.replace('p_b', 'p_a'), 'stands there 2 times'), (GOOD.replace('p_b', 'p_'), 'names no class'),
    (GOOD.replace('0.75', ''), 'row 2: p_a is missing'), (GOOD.replace('0.75', 'nan'), 'row 2: p_a is missing or NaN'),
    (GOOD.replace('0.75', '-0.75'), 'negative'), (GOOD.replace('0.75', '0.76'), 'row 2: the probabilities sum to 1.01'),
    (GOOD.replace('0.75', 'much'), "p_a is 'much'"), (GOOD.replace('0.75', 'inf'), 'finite'),
    (GOOD.replace('0.75', '75').replace('0.25', '25').replace('0.5', '50'), 'divide by 100'),
    (GOOD.replace('2.png,007,b', '2.png,007,c'), "row 3: target is 'c'"), (GOOD.replace('2.png,007,b', '2.png,007,'), 'row 3: target is empty'),
    (GOOD.replace('2.png,007', '2.png,'), 'row 3: patient is empty'), (GOOD.replace('2.png', '1.png'), 'second time'),
    (GOOD.replace('2.png', ''), 'row 3: image is empty'), (GOOD + '3.png,8,a,0.5,0.5,9\n', 'as many values'),
    ('image,patient,target,p_a,p_b\n1,1,a,.5,.5,9\n', 'row 2: more values'), (GOOD + '3.png,8\n', 'row 4: p_a is missing|row 4: target is empty'),
    ('image,patient,target,p_a,"p_b', 'p_b|table|names'), (GOOD.encode('utf-16'), 'UTF-8'), ('胸腔积液,patient\n'.encode('gbk') * 50, 'UTF-8'),
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
        assert q.table['image'].tolist() == p.table['image'].tolist() and q.meta == {'note': 'x'} and (q.prob == p.prob).all()


text = st.text(string.ascii_letters + string.digits + ' ,;"\'-_/.积液é', min_size=1, max_size=8).map(str.strip).filter(bool)

@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(text, min_size=2, max_size=5, unique=True), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_round_trip(tmp_path, classes, n, seed):
    rng = np.random.default_rng(seed)
    p = Predictions.from_arrays([f'i{i}' for i in range(n)], rng.integers(0, 3, n).astype(str), rng.integers(0, len(classes), n),
                                rng.dirichlet(np.ones(len(classes)), n), classes, readers={'r': rng.integers(-1, len(classes), n)})
    q = Predictions.read(p.write(tmp_path/'r.csv'))
    assert q.classes == p.classes and (q.prob == p.prob).all() and (q.target == p.target).all() and (q.readers['r'] == p.readers['r']).all()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda s: ('image,patient,target,p_a,p_b\n' + s).encode('utf-8', 'ignore'))
       | st.text('1ab,;\n".\t-0p_', max_size=120).map(lambda s: ('image,patient,target,p_a,p_b\n' + s).encode()))
def test_any_bytes_give_predictions_or_one_sentence(tmp_path, raw):
    try: read(tmp_path, raw)
    except BadInput as e: assert len(str(e).splitlines()) == 1


def test_paired(tmp_path):
    p = read(tmp_path, GOOD)
    q = read(tmp_path, 'image,patient,target,p_b,p_a\n2.png,007,b,0.5,0.5\n1.png,007,a,0.25,0.75\n', 'q.csv')
    assert (paired(p, q).prob == p.prob).all() and paired(p, q).classes == p.classes
    for text, says in ((GOOD.replace('2.png', '3.png'), "'2.png'"), (GOOD.replace('2.png,007', '2.png,008'), 'patient of image'),
                       (GOOD.replace('2.png,007,b', '2.png,007,a'), 'target of image'), (GOOD + '9.png,1,a,1,0\n', "'9.png'"),
                       (GOOD.replace('p_b', 'p_c').replace(',b,', ',c,'), 'class')):
        with pytest.raises(BadInput, match=says): paired(p, read(tmp_path, text, 'z.csv'))


SCANS = pd.DataFrame(dict(scan=['01', '2'], patient=['1', '2'], n_frames=[2, 2]))
BOX = pd.DataFrame(dict(scan=['01', '2'], frame=[0, 1], x=[1., 2], y=[1, 2], w=[3, 4], h=[3, 4]))
LESIONS, MARKS = BOX.assign(lesion=['1', '1']), BOX.assign(score=[.5, .25])

@pytest.mark.parametrize('which,change,says', [
    (0, dict(scan=['01', '01']), 'second time'), (0, dict(patient=['', 'x']), 'patient is empty'), (0, dict(n_frames=[0, 1]), 'n_frames'),
    (0, dict(n_frames=['two', 1]), 'not a number'), (1, dict(scan=['1', '2']), 'not listed'), (1, dict(w=[-1, 2]), 'no size'),
    (1, dict(h=[np.nan, 2]), 'h is missing'), (1, dict(x=[np.inf, 2]), 'finite'), (1, dict(frame=[2, 1]), 'counted from 0'),
    (1, dict(frame=[.5, 1]), 'frame is 0.5'), (1, dict(scan=['2', '2'], frame=[1, 1]), 'twice'), (1, dict(lesion=['', '1']), 'lesion is empty'),
    (2, dict(score=['', 1]), 'score is missing'), (2, dict(scan=['01', '3']), "row 3: scan '3' is not listed")])
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
        with pytest.raises(BadInput, match='missing'): Detections(**dict(dict(scans=SCANS, lesions=LESIONS, detections=MARKS), **{k: pd.DataFrame()}))
