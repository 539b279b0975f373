"""Eight questions before and after a course: the same in both languages, a table that is checked, gains by learner."""
import csv, io, json
from pathlib import Path

import numpy as np
import pytest

from usbook.classroom.before_after import (BeforeAfter, course_test, gain_sentence, plot_before_after,
                                           read_before_after, sheet_page, write_sheets)
from usbook.core.errors import BadInput

HEAD = 'learner,when,q1,q2,q3,q4,q5,q6,q7,q8'

def table(folder, *rows):
    path = Path(folder)/'answers.csv'
    path.write_text('\n'.join([HEAD, *rows]) + '\n', encoding='utf-8')
    return path

def row(word, when, letters): return ','.join([word, when, *letters.ljust(8, '-').replace('-', ' ')])

@pytest.mark.parametrize('lang', ['en', 'zh'])
def test_eight_questions_with_one_right_answer_each(lang):
    test = course_test(lang)
    assert test.lang == lang and len(test) == 8
    for q in test.questions:
        assert len(q.options) == 4 and sum(o.right for o in q.options) == 1
        assert len({o.say for o in q.options}) == 4 and all(len(o.answer) > 4 for o in q.options)
    assert {test.key.count(c) for c in 'abcd'} == {2} # guessing one letter throughout gains nothing

def test_both_languages_have_one_key(): assert course_test('zh').key == course_test('en').key
def test_a_language_that_is_not_there_is_english(): assert course_test('xx').lang == 'en'

def test_the_sheet_gives_nothing_away():
    test = course_test()
    page, key = sheet_page(test), sheet_page(test, key=True)
    for q in test.questions:
        assert q.ask.partition('"')[0] in page and all(o.answer[:20] not in page for o in q.options)
    assert '✓' not in page and key.count('✓') == 8 and 'class=right' not in page
    assert '<script' not in key and '<html lang="en">' in page

def test_gains_by_hand(tmp_path):
    key = course_test().key
    read = read_before_after(table(tmp_path, row('owl', 'before', ''), row('owl', 'after', key),
                                   row('fox', 'After', key.upper()), row('fox', 'before', key[:4]),
                                   row('elk', 'before', key[:2]), row('elk', 'after', key[:2])))
    assert read.learners == ['owl', 'fox', 'elk'] and not read.left_out
    assert read.before.sum(1).tolist() == [0, 4, 2] and read.after.sum(1).tolist() == [8, 8, 2]
    assert float(read.gain()) == pytest.approx((8 + 4 + 0)/24)
    each = read.each()
    assert each.loc['q1', 'before'].value == pytest.approx(2/3) and each.loc['q8', 'gain'].value == pytest.approx(2/3)

def test_an_interval_holds_the_mean_of_learners_and_stays_possible():
    rng = np.random.default_rng(1)
    read = BeforeAfter(rng.random((30, 8)) < .3, rng.random((30, 8)) < .6, [f'l{i}' for i in range(30)])
    gain, d = read.gain(), (read.after.mean(1) - read.before.mean(1))
    assert gain.value == pytest.approx(d.mean()) and gain.low > 0 and gain.patients == 30
    assert (gain.high - gain.low)/2 == pytest.approx(2.045*d.std(ddof=1)/30**.5, rel=.05)
    sure = BeforeAfter(np.zeros((3, 8), bool), rng.random((3, 8)) < .9, list('abc')).gain()
    assert -1 <= sure.low < sure.high <= 1

def test_nothing_changed_is_no_sure_nothing():
    same = np.ones((5, 8), bool)
    gain = BeforeAfter(same, same, list('abcde')).gain()
    assert gain.value == 0 and gain.low is None and 'fewer than three learners' in gain.note

@pytest.mark.parametrize('rows,said', [
    ([row('owl', 'during', 'a')], "row 2: when is 'during'"),
    ([row('owl', 'before', 'abcx')], "row 2: q4 is 'x'"),
    ([row('owl', 'before', 'a'), row('owl', 'before', 'b')], "listed a second time"),
    ([row('', 'before', 'a')], 'learner is empty'),
    ([row('owl', 'before', 'a'), row('owl', 'after', 'b')], 'fewer than two learners'),
])
def test_a_slip_is_named(tmp_path, rows, said):
    with pytest.raises(BadInput) as e: read_before_after(table(tmp_path, *rows))
    assert said in str(e.value) and '\n' not in str(e.value)

def test_sheets_replace_nothing(tmp_path):
    files = write_sheets(tmp_path/'p', 'zh')
    assert [f.name for f in files] == ['before-after.html', 'before-after-key.html', 'before-after.csv']
    assert next(csv.reader(io.StringIO(files[2].read_text()))) == HEAD.split(',')
    with pytest.raises(BadInput, match='there already'): write_sheets(tmp_path/'p')
    assert 'lang="zh"' in files[0].read_text(encoding='utf-8')

def test_sheets_interrupted_halfway_are_completed(tmp_path):
    sheet, key, empty = write_sheets(tmp_path/'p')
    key.unlink()
    assert write_sheets(tmp_path/'p') == [sheet, key, empty] and key.is_file()
    empty.write_text(empty.read_text() + 'owl,before,a,a,a,a,a,a,a,a\n')
    with pytest.raises(BadInput, match='before-after.csv is there already'): write_sheets(tmp_path/'p')

def test_the_plot_shows_each_question_twice():
    read = BeforeAfter(np.eye(8, dtype=bool), np.ones((8, 8), bool), list('abcdefgh'), ['late'])
    ax = plot_before_after(read).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == [f'q{i}' for i in range(1, 9)]
    assert 'left out, with one sheet only: late' in gain_sentence(read)

def test_the_command(usbook, tmp_path):
    r = usbook('before-after', '--out', 'print', '--json')
    assert r.returncode == 0 and all(Path(f).is_file() for f in json.loads(r.stdout)['files'])
    key = course_test().key
    rows = [row(f'l{i}', w, key[:n]) for i in range(4) for w, n in (('before', i), ('after', 8))]
    file = table(tmp_path, *rows)
    r = usbook('before-after', str(file), '--json')
    said = json.loads(r.stdout)
    assert said['learners'] == 4 and said['gain']['value'] == pytest.approx(1 - 6/32)
    assert Path(said['files'][0]).read_bytes()[:4] == b'\x89PNG'
    assert usbook('before-after', 'nothing.csv').returncode == 2
