"""What a learner hands in and what a teacher gets: packs made safely, read with care, graded in another process."""
import copy, csv, io, json, os, zipfile
from pathlib import Path

import pytest
from usbook.classroom.generate import make_notebook, sources, write_exercises
from usbook.classroom.gradebook import Gradebook, add_ids, canvas_csv, moodle_csv, write_gradebook
from usbook.classroom.grading import (ENDED, Graded, Limits, Mark, closed, grade, hidden_tasks, rerun_checks, runnable,
                                      study_of, tasks_of)
from usbook.classroom.pack import MOST_FILES, read_pack, read_packs, submit
from usbook.core.errors import BadInput

STUDY = 'breast_cine' # its exercises need no images: the quickest
HIDDEN = '''
from usbook.classroom.answers import check, expect

@check
def check_apart(overlap):
    "Boxes that do not touch"
    expect(overlap((0, 0, 1, 1), (5, 5, 1, 1)) == 0, 'boxes that do not touch overlap by nothing.')
    return 'nothing for boxes apart.'
'''
TRICKS = ['import socket; socket.create_connection(("127.0.0.1", 9))', 'big = bytearray(10**12)',
          'import sys; sys.exit()',
          'open("%s", "w")', 'import subprocess; subprocess.run(["touch", "%s"])', 'x = ', '!rm -rf /', '1/0']

@pytest.fixture
def solved(tmp_path):
    "A notebook with the solutions, as a file"
    return write_exercises(tmp_path/'made', studies=[STUDY], solutions=True)[0][-1]

def with_cells(nb, before, *cells):
    "A notebook with cells put in before the one that calls a check"
    nb = copy.deepcopy(nb)
    at = next(i for i, c in enumerate(nb['cells']) if before in ''.join(c['source']))
    nb['cells'][at:at] = [dict(cell_type='code', source=c) for c in cells]
    return nb

# Packs -----------------------------------------------------------------------------------------------------

def test_a_pack_holds_what_was_named_and_no_more(solved, tmp_path):
    (solved.parent/'secret.txt').write_text('private')
    (tmp_path/'reader_ada.csv').write_text('image,label\na.png,mass\n')
    (tmp_path/'p.csv').write_text('image,patient,target,p_a,p_b\ni,P1,a,.5,.5\n')
    path = submit([solved, tmp_path/'reader_ada.csv', tmp_path/'p.csv'], 'Ada L.', 'ada@school.org', tmp_path)
    assert path.name == 'submission-Ada_L..zip'
    pack = read_pack(path)
    assert sorted(pack.files) == ['answers/reader_ada.csv', f'notebooks/{solved.name}', 'predictions/p.csv']
    assert (pack.name, pack.id) == ('Ada L.', 'ada@school.org')
    assert submit([solved], 'Ada L.', out=tmp_path).name == 'submission-Ada_L.-2.zip'

def test_outputs_stay_at_home(tmp_path):
    "A notebook's outputs may hold a home folder's path or a patient's image"
    out = dict(output_type='stream', name='stdout', text='/home/ada/patients')
    cell = dict(cell_type='code', source='1', outputs=[out], metadata=dict(secret=1), execution_count=3)
    (tmp_path/'a.ipynb').write_text(json.dumps(dict(cells=[cell], metadata=dict(author='Ada'), nbformat=4)))
    data = next(iter(read_pack(submit([tmp_path/'a.ipynb'], 'ada', out=tmp_path)).files.values()))
    assert b'patients' not in data and b'secret' not in data and b'author' not in data

@pytest.mark.parametrize('name,text,said', [
    ('a.txt', 'x', "'.txt' is not handed in"), ('a.ipynb', '{"cells": 3}', 'not a Jupyter notebook'),
    ('a.ipynb', '[' * 100000, 'not a Jupyter notebook'), ('a.csv', 'x,y\n1,2\n', 'neither answers'),
    ('', '', 'no such file')])
def test_what_is_not_handed_in(tmp_path, name, text, said):
    if name: (tmp_path/name).write_text(text)
    with pytest.raises(BadInput, match=said): submit([tmp_path/(name or 'gone.ipynb')], 'ada', out=tmp_path)
    assert not list(tmp_path.glob('*.zip'))

@pytest.mark.parametrize('name', ['', '../ada', 'a/b', '=1+1', 'x'*99, '\n'])
def test_names_fit_a_file_and_a_table(solved, tmp_path, name):
    with pytest.raises(BadInput, match='letters, digits'): submit([solved], name, out=tmp_path)

def changed(path, **files):
    "The pack with other members"
    out = path.with_name('changed.zip')
    with zipfile.ZipFile(path) as z, zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as w:
        inside = {i: z.read(i) for i in z.namelist()} | {k.replace('__', '/'): v for k, v in files.items()}
        for k, v in inside.items(): w.writestr(k, v)
    return out

def spoilt(path, kind):
    head = json.loads(zipfile.ZipFile(path).read('pack.json'))
    nb = f"notebooks__{Path(head['files'][0]).name}"
    data = path.read_bytes()
    return {
        'outside': lambda: changed(path, **{'notebooks/../../evil.ipynb': b'{}'}),
        'absolute': lambda: changed(path, **{'/etc/passwd': b'x'}),
        'another': lambda: changed(path, **{'notebooks/more.ipynb': b'{"cells": []}'}),
        'bomb': lambda: changed(path, **{'answers/zeros.csv': b'0'*70_000_000}),
        'many': lambda: changed(path, **{f'answers/{i}.csv': b'' for i in range(MOST_FILES + 1)}),
        'no notebook': lambda: changed(path, **{nb: b'hello'}),
        'name': lambda: changed(path, **{'pack.json': json.dumps(head | dict(name='<b>')).encode()}),
        'format': lambda: changed(path, **{'pack.json': b'{"format": "other"}'}),
        'half': lambda: _written(path, data[:len(data)//2]), 'empty': lambda: _written(path, b''),
        'damaged': lambda: _written(path, data[:200] + bytes(50) + data[250:]),
    }[kind]()

def _written(path, data):
    out = path.with_name('changed.zip')
    out.write_bytes(data)
    return out

SPOILT = ('outside', 'absolute', 'another', 'bomb', 'many', 'no notebook', 'name', 'format', 'half', 'empty', 'damaged')

@pytest.mark.parametrize('kind', SPOILT)
def test_a_spoilt_pack_is_one_sentence_and_stops_nobody(solved, tmp_path, kind):
    (tmp_path/'packs').mkdir()
    good = submit([solved], 'ben', out=tmp_path/'packs')
    spoilt(submit([solved], 'ada', out=tmp_path), kind).rename(tmp_path/'packs'/'a.zip')
    packs, out = read_packs(tmp_path/'packs')
    assert [p.name for p in packs] == ['ben'] and good.exists()
    assert len(out) == 1 and out[0][0] == 'a.zip' and '\n' not in out[0][1] and str(tmp_path) in out[0][1]
    assert not list(tmp_path.rglob('evil*'))

def test_the_later_pack_counts(solved, tmp_path):
    for _ in range(2): last = submit([solved], 'Ada', '1', tmp_path)
    packs, out = read_packs(tmp_path)
    assert [p.made for p in packs] == [read_pack(last).made] and 'a later one' in out[0][1]

# Grading ---------------------------------------------------------------------------------------------------

def test_tasks_are_those_of_the_source():
    for study in sources():
        tasks = tasks_of(study)
        assert len(tasks) >= 4 and all(t.answers and t.name.startswith('check_') for t in tasks)
        assert study_of(make_notebook(sources()[study], 'learner')) == study
    assert runnable('%%time\nx = 1') == 'x = 1' and runnable('%%bash\nls') == ''

def test_no_hidden_check_is_in_a_learners_copy(tmp_path):
    (tmp_path/'hidden.py').write_text(HIDDEN)
    task, = hidden_tasks(tmp_path/'hidden.py', tasks_of(STUDY))
    assert task.answers == ('overlap',) and task.title == 'Boxes that do not touch'
    write_exercises(tmp_path/'out')
    assert not [p for p in (tmp_path/'out').rglob('*') if p.is_file() and 'check_apart' in p.read_text()]

@pytest.mark.parametrize('text,said', [('x = (', 'no Python'), ('x = 1', 'no check')])
def test_a_bad_file_of_hidden_checks(tmp_path, text, said):
    (tmp_path/'h.py').write_text(text)
    with pytest.raises(BadInput, match=said): hidden_tasks(tmp_path/'h.py', tasks_of(STUDY))

def test_the_door_is_closed(tmp_path):
    hook = closed([tmp_path])
    hook('open', (str(tmp_path/'a'), 'w', 1))
    hook('open', ('/etc/passwd', 'r', 0))
    for event, args in (('open', ('/etc/x', 'w', 1)), ('open', (str(tmp_path/'..'/'x'), 'w', 1)),
                        ('os.remove', ('/etc/x',)),
                        ('socket.connect', ()), ('subprocess.Popen', ()), ('os.system', ())):
        with pytest.raises(PermissionError): hook(event, args)

def test_tricks_and_slips_cost_nobody_else_a_mark(tmp_path):
    "Whatever a cell does, the answers of the other cells count; and nothing of it is seen outside"
    evil = tmp_path/'evil'
    nb = with_cells(make_notebook(sources()[STUDY], 'solutions'), 'check_poisson',
                    *(t % evil if '%s' in t else t for t in TRICKS))
    (tmp_path/'hidden.py').write_text(HIDDEN)
    marks = rerun_checks(nb, STUDY, tmp_path/'hidden.py')
    assert [m.ok for m in marks] == [True]*7 and marks[-1].hidden and not evil.exists()

@pytest.mark.slow
@pytest.mark.parametrize('cell', ['import os; os._exit(3)', 'import ctypes; ctypes.string_at(0)', 'while True: pass',
                                  'while True:\n    try: 1\n    except BaseException: pass',
                                  'open("b", "wb").write(bytes(10**9))'])
def test_a_cell_that_takes_the_process_with_it(cell):
    nb = with_cells(make_notebook(sources()[STUDY], 'solutions'), 'check_poisson', cell)
    assert all(m.ok for m in rerun_checks(nb, STUDY, limits=Limits(cell=5, seconds=20)))

@pytest.mark.slow
def test_an_answer_that_takes_the_process_with_it():
    "A learner's function is called by the check: that answer fails, and the others count"
    nb = with_cells(make_notebook(sources()[STUDY], 'solutions'), 'check_overlap(',
                    'def overlap(a, b):\n    import os\n    os._exit(1)')
    marks = rerun_checks(nb, STUDY)
    assert [m.task for m in marks if not m.ok] == ['check_overlap'] and marks[2].text.startswith(ENDED)

@pytest.mark.slow
@pytest.mark.parametrize('study', list(sources()))
def test_every_solution_passes_in_the_other_process(study):
    assert all(m.ok for m in rerun_checks(make_notebook(sources()[study], 'solutions'), study))

def test_a_class_from_pack_to_marks(usbook, solved, tmp_path, monkeypatch):
    "The whole way: three learners, one spoilt pack, one notebook without exercises, two files of the same name"
    monkeypatch.setattr('usbook.classroom.grading._SOUND', {STUDY}) # the solutions have a test of their own
    for k in 'ab':
        (tmp_path/k).mkdir()
        (tmp_path/k/'reader_me.csv').write_text(f'image,label\n1.png,mass\n2.png,{k}\n')
    stub = write_exercises(tmp_path/'stub', studies=[STUDY])[0][0]
    (tmp_path/'own.ipynb').write_text(json.dumps(dict(cells=[], metadata={}, nbformat=4)))
    r = usbook('submit', str(solved), '--name', 'Ada', '--id', 'ada@school.org', '--out', 'packs', '--json')
    assert r.returncode == 0 and json.loads(r.stdout)['files'] == [f'notebooks/{solved.name}']
    for f, name in ((stub, 'Ben'), (tmp_path/'own.ipynb', 'Chen')):
        answers = tmp_path/('a' if name == 'Ben' else 'b')/'reader_me.csv'
        assert usbook('submit', str(f), str(answers), '--name', name, '--out', 'packs').returncode == 0
    Path(json.loads(r.stdout)['file']).with_name('broken.zip').write_text('thesis')
    r = usbook('class', 'packs', '--json')
    assert r.returncode == 0, r.stderr
    said = json.loads(r.stdout)
    assert {g['name']: g['points'] for g in said['graded']} == {'Ada': 6, 'Ben': 0}
    assert len(said['left_out']) == 2 and [Path(f).name for f in said['files']] == [
        'grades.csv', 'grades-moodle.csv', 'grades-canvas.csv']
    assert len(said['class']['learners']) == 2

def test_nobody_is_graded_where_the_solutions_do_not_pass(monkeypatch, tmp_path, solved):
    import usbook.classroom.grading as g
    monkeypatch.setattr(g, '_SOUND', set())
    monkeypatch.setattr(g, 'rerun_checks', lambda *a: [Mark('check_x', '1 · x', False, 'not yet.')])
    submit([solved], 'Ada', out=tmp_path)
    with pytest.raises(BadInput, match='nobody is graded'): grade(read_packs(tmp_path)[0])

# The gradebook ---------------------------------------------------------------------------------------------

@pytest.fixture
def book():
    def marks(*ok): return tuple(Mark(f'check_{i}', f'{i} · task', o, 'so.') for i, o in enumerate(ok))
    return Gradebook([Graded('Ada', 'a@b.org', 'x', marks(1, 1)), Graded('Ada', 'a@b.org', 'y', marks(1, 0, 0)),
                      Graded('=1+1', '77', 'x', marks(0, 1))])

def rows(text): return list(csv.DictReader(io.StringIO(text)))

def test_moodle(book):
    ada, evil = rows(moodle_csv(book))
    assert (ada['Email address'], ada['ID number'], ada['usbook x'], ada['usbook y']) == ('a@b.org', '', '2', '1')
    assert 'not yet' in ada['usbook y feedback'] and evil['Name'] == "'=1+1" and evil['usbook y'] == '-'
    assert evil['ID number'] == '77'

@pytest.fixture
def chinese():
    from usbook.core.language import set_language
    yield set_language('zh')
    set_language('en')

def test_remarks_are_in_the_language_of_the_session(chinese):
    "Titles and sentences; columns and points stay as they are"
    tasks = tasks_of(STUDY)
    text = 'that is the top-2 accuracy; the question is about the errors.'
    marks = (Mark(tasks[0].name, tasks[0].title, True, text), Mark('x', '9 · of the teacher', False, ENDED))
    row = rows(moodle_csv(Gradebook([Graded('Ada', '7', STUDY, marks)])))[0]
    assert row[f'usbook {STUDY}'] == '1'
    assert row[f'usbook {STUDY} feedback'] == ('1 · 读数字：判对，这是前 2 准确率；题目问的是那些错误。 '
                                               '9 · of the teacher：还不对，这使程序结束，或者用完了时间或内存。')

@pytest.mark.slow
def test_a_class_in_both_languages_gets_remarks_in_the_teacher_s(chinese, tmp_path):
    "One learner hands in the English notebook, one the Chinese: the same points, the same Chinese remarks"
    from usbook.core.language import set_language
    for lang in ('en', 'zh'):
        set_language(lang)
        nb = write_exercises(tmp_path/lang, studies=[STUDY], solutions=True)[0][-1]
        assert ('练习' in nb.read_text(encoding='utf-8')) == (lang == 'zh')
        submit([nb], lang, out=tmp_path)
    two = rows(moodle_csv(Gradebook(*grade(read_packs(tmp_path)[0]))))
    assert [r[f'usbook {STUDY}'] for r in two] == ['6', '6']
    one, other = (r[f'usbook {STUDY} feedback'] for r in two)
    assert one == other and '：判对，' in one and ': right' not in one

def test_canvas(book):
    text = canvas_csv(book)
    assert text.splitlines()[0].startswith('Student,ID,SIS User ID,SIS Login ID,Section,')
    most, ada, evil = rows(text)
    assert most['Student'].strip() == 'Points Possible' and (most['usbook x'], most['usbook y']) == ('2', '3')
    assert ada['SIS Login ID'] == 'a@b.org' and evil['SIS User ID'] == '77' and evil['usbook y'] == ''

def test_a_roster_gives_ids(book, tmp_path):
    (tmp_path/'r.csv').write_text('name,id\nada,4711\n')
    ada, _, evil = add_ids(book, tmp_path/'r.csv').graded
    assert ada.id == '4711' and evil.note == 'not on the roster'
    (tmp_path/'r.csv').write_text('who,id\nada,4711\n')
    with pytest.raises(BadInput, match='no column name'): add_ids(book, tmp_path/'r.csv')

def test_nothing_to_grade_is_one_sentence(tmp_path):
    with pytest.raises(BadInput, match='usbook submit'): write_gradebook(Gradebook([]), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == 'nt', reason='pipes and devices')
def test_a_pipe_or_a_device_among_the_packs_stops_nobody(tmp_path):
    os.mkfifo(tmp_path/'submission-Ada.zip')
    (tmp_path/'submission-Ben.zip').symlink_to('/dev/zero')
    packs, out = read_packs(tmp_path)
    assert not packs and len(out) == 2 and all('a pipe or a device' in why for _, why in out)
