"""Numbers read out of papers' texts: how many are found, how many rightly named, how many wrongly.

The first fifteen texts of audit_texts.toml served to make the rules; five called `fresh` and five called `later` were
written afterwards. What became of them when they were read for the first time is `FIRST` in tools/audit_texts.py;
some rules were mended then."""
import json
from collections import Counter

import pytest
from audit_texts import RECORD, TEXTS, marks, measured

from usbook.core.errors import BadInput
from usbook.evidence.audit.reading import numbers_in
from usbook.evidence.audit.text import numbers_toml, paper_text, spot_numbers
from usbook.runs.record import Record

MEASURED = dict(text={'right, clear': 86, 'right, guess': 37, 'wrong, guess': 10, 'open': 5},
                fresh={'right, clear': 21, 'right, guess': 11, 'wrong, guess': 5, 'open': 2, 'missed': 1},
                later={'right, clear': 15, 'right, guess': 12, 'wrong, clear': 3, 'wrong, guess': 19, 'missed': 3})

@pytest.mark.parametrize('kind', TEXTS)
def test_how_many_are_found_and_rightly_named(kind):
    "In the texts that the rules were made with, nothing that is called clear is wrong; elsewhere it may be"
    assert len(TEXTS[kind]) == dict(text=15, fresh=5, later=5)[kind]
    assert dict(sum(map(marks, TEXTS[kind]), Counter())) == MEASURED[kind]

def test_the_record_that_the_lesson_shows_is_of_these_rules_and_these_texts():
    now, kept = measured(), Record.read(RECORD)
    assert (now.data, now.figures, now.rows) == (kept.data, kept.figures, kept.rows), f'make it again: {kept.command}'

@pytest.mark.parametrize('text', [t for ts in TEXTS.values() for t in ts], ids=lambda t: t['title'])
def test_the_file_can_be_audited_as_it_is_and_when_every_line_counts(text):
    spotted = spot_numbers(text['text'])
    draft = numbers_toml(spotted, 'paper.txt')
    clear = [o for o in spotted if o.sure == 'clear']
    assert draft.count('#? ') >= len(spotted) - len(clear)
    if clear: assert len(numbers_in(draft).published) == len(clear)
    for o in spotted: assert f'line {o.line}' in draft and o.words in draft

def test_lines_of_a_text_are_those_of_its_file():
    o, = [o for o in spot_numbers('one\n\nthe accu-\nracy\nwas 91.3 %.\n') if o.name]
    assert (o.name, o.printed, o.line, o.sure) == ('accuracy', '91.3 %', 5, 'clear')

def test_wide_forms_and_chinese_names():
    found = spot_numbers('敏感度 93.3%，特异度８８．１％（95％ＣＩ：８４．０％～９１．２％）')
    assert [(o.name, o.printed, o.beside) for o in found] == [
        ('sensitivity', '93.3 %', ''), ('specificity', '88.1 %', '84.0 to 91.2')]

@pytest.mark.parametrize('text,says', [
    ('The AUC was 0.93 here and the AUC was 0.87 there.', 'it has several values'),
    ('Accuracy improved by 3.1 %.', 'a difference?'),
    ('The network was right in 1100/1423.', 'a share of right answers?'),
    ('Sensitivity was 80.1 % and then sensitivity was 85.2 %.', 'it has several values'),
    ('It was tried on 1423 images.', 'of the test set?'),
    ('Sensitivity and specificity were about 90 %.', '2 names for 1 numbers'),
    ('Agreement between readers was good (kappa = 0.71).', 'of two readers?'),
    ('They agreed in 91 %.', 'no metric of the audit'),
])
def test_doubts_are_said(text, says):
    found = spot_numbers(text)
    assert found and all(o.sure != 'clear' and o.why == says for o in found), found

def test_what_something_rose_to_is_a_value_and_what_it_rose_by_is_none():
    assert [o.name for o in spot_numbers('The sensitivity dropped to 82.1 %.')] == ['sensitivity']
    assert [o.name for o in spot_numbers('The sensitivity dropped by 8.1 %.')] == ['']

def test_counts_of_right_answers():
    found = spot_numbers('CaffeNet was right in 1100/1423; the best two guesses held the truth in 1287/1423.')
    assert [(o.name, o.printed) for o in found] == [('correct', '1100'), ('n', '1423'), ('correct_top2', '1287')]
    assert all(o.sure == 'guess' for o in found)

def test_what_is_no_number_of_the_audit_is_not_taken_for_one():
    text = 'From 2017 to 2020, 5-fold, batch size 16, learning rate 0.001, P < .05, 12/2020, 95 % CI, Fig. 2.'
    assert not [o for o in spot_numbers(text) if o.name]

def test_text_that_breaks_out_of_a_comment():
    "A control character in a paper would end the comment, and a quote the text"
    text = 'sensitivity was 93.3 % \x85 [overall]\x0b "] auc = 1 # 90 % of "A\\" cases'
    draft = numbers_toml(spot_numbers(text), 'a"b\n.txt')
    assert [p.printed for p in numbers_in(draft).published] == ['93.3 %']

def test_files_that_hold_no_text(tmp_path):
    f = tmp_path/'paper.txt'
    for raw, says in ((b'%PDF-1.7', 'is a PDF'), (b'  ', 'holds no text'), (b'\xff\x00\x81\x00\x00', 'holds no text')):
        f.write_bytes(raw)
        with pytest.raises(BadInput, match=says): paper_text(f)
    f.write_bytes('敏感度 93.3%'.encode('gb18030'))
    assert '敏感度' in paper_text(f)

def test_a_text_four_times_as_long_takes_no_more_than_eight_times_as_long():
    import time
    def seconds(text):
        start = time.process_time()
        spot_numbers(text)
        return time.process_time() - start
    words = '\n'.join(t['text'] for ts in TEXTS.values() for t in ts)
    odd = lambda n: '(((' * 2 * n + 'a, b and ' * 2 * n + '0.9 ' * n
    seconds(words)
    for of in (lambda n: words * n, lambda n: odd(250 * n)):
        assert seconds(of(8)) < 8 * max(seconds(of(2)), .05)

def test_the_command(tmp_path, monkeypatch, capsys):
    from usbook.cli.main import main
    monkeypatch.chdir(tmp_path)
    (tmp_path/'paper.txt').write_text(TEXTS['text'][5]['text'], encoding='utf-8')
    assert main(['audit', '--text', 'paper.txt']) == 0
    said = capsys.readouterr().out
    assert 'usbook audit --file paper-numbers.toml' in said and 'Only one set of counts' in said
    assert main(['audit', '--file', 'paper-numbers.toml', '--json']) == 0
    assert any(f['key'] == 'matrix' for f in json.loads(capsys.readouterr().out)['paper-numbers.toml'])
    assert main(['audit', '--text', 'paper.txt']) == 2
    assert 'is there already' in capsys.readouterr().err
    (tmp_path/'empty.txt').write_text('No numbers here.', encoding='utf-8')
    assert main(['audit', '--text', 'empty.txt']) == 2 and not (tmp_path/'empty-numbers.toml').exists()
    assert main(['audit', '--text', 'paper.txt', '--out', 'n.toml', '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert {'spotted', 'findings', 'file'} <= set(found) and found['spotted'][0]['line'] == 1


def test_a_number_that_nobody_prints_and_a_thicket_of_brackets_are_passed_over():
    words = 'The network reached a sensitivity of 0.84 (55/66) on 158 images, and an AUC of .86.\n'
    plain = [(n.name, n.printed) for n in spot_numbers(words)]
    for old in ('0.84', '55', '158', '.86'):
        assert isinstance(spot_numbers(words.replace(old, '9'*5000)), list)
    thick = spot_numbers(words + '(“a”: '*20_000 + words)
    assert [(n.name, n.printed) for n in thick[:len(plain)]] == plain
