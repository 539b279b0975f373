("Every exercise: the solution passes, the stub doesn't, a written-down wrong answer gets a hint of its own; and "
 "nothing of a solution reaches a learner")
import ast, json, re
from pathlib import Path

import pytest
from usbook.classroom.answers import EMPTY
from usbook.classroom.answers import UNUSABLE, NotYet, check, expect_number, expect_word, number_of
from usbook.core.interval import Interval
from usbook.classroom.generate import make_notebook, prove, read_pieces, sources, stub, write_exercises
from usbook.core.errors import BadInput
from usbook.studies.study import STUDIES

ROOT, SOURCES = Path(__file__).parents[1], sources()
PROOFS = {}

@pytest.fixture(params=list(SOURCES))
def study(request): return request.param

@pytest.fixture
def proofs(study, monkeypatch):
    monkeypatch.setenv('MPLBACKEND', 'agg')
    monkeypatch.chdir(SOURCES[study].parent)
    if study not in PROOFS: PROOFS[study] = prove(SOURCES[study])
    return PROOFS[study]

def lines_of(nb, kind='code'): return '\n'.join(''.join(c['source']) for c in nb['cells'] if c['cell_type'] == kind)

def test_every_study_has_exercises(): assert set(SOURCES) == set(STUDIES)

def test_proved(proofs):
    "Solution, untouched stub, wrong answer with its own hint"
    assert 4 <= len(proofs) <= 6
    for p in proofs: assert not p.problems(), (p.task, p.problems())

def test_hints_are_their_own(proofs):
    texts = [p.wrong.text for p in proofs]
    assert len(set(texts)) == len(texts) and EMPTY not in texts
    for p in proofs:
        assert len(p.wrong.text) < 260 and p.wrong.text.endswith('.') and p.solution.text.endswith('.'), p.wrong

def test_chapter_and_exercises_lead_to_one_another(study):
    chapter = next((ROOT/'nbs'/'chapters').glob(f'[0-9]*_{study}.ipynb'))
    assert f'](../classroom/exercises/{SOURCES[study].name})' in lines_of(
        json.loads(chapter.read_text(encoding='utf-8')), 'markdown'
    )
    assert f'](../../chapters/{chapter.name})' in lines_of(make_notebook(SOURCES[study], 'learner'), 'markdown')

def test_pieces_are_whole(study):
    "Each task has a check, a solution and a wrong answer, in this order"
    kinds = [p.kind for p in read_pieces(SOURCES[study]) if p.kind in ('solution', 'check', 'wrong')]
    assert kinds == ['solution', 'check', 'wrong']*(len(kinds)//3)

def test_graded_from_reading_to_predicting(study):
    heads = [
        l
        for p in read_pieces(SOURCES[study])
        if p.kind == 'text'
        for l in re.findall(r'^## (\d) · (.+)$', p.source, re.M)
    ]
    assert [int(n) for n, _ in heads] == list(range(1, len(heads) + 1))
    assert 'predict what happens' in heads[-1][1] and re.search('Read', heads[0][1])

def test_a_learner_gets_no_solution(study):
    nb = make_notebook(SOURCES[study], 'learner')
    import nbformat                                 # slow to load
    nbformat.validate(nbformat.from_dict(nb))
    code = lines_of(nb)
    for p in read_pieces(SOURCES[study]):
        if p.kind in ('solution', 'wrong'):
            for node in ast.walk(ast.parse(p.source)):
                if isinstance(node, (ast.Assign, ast.Return)) and not isinstance(node.value, ast.Constant):
                    assert ast.get_source_segment(p.source, node) not in code
        if p.kind == 'teacher': assert p.source not in lines_of(nb, 'markdown')
    assert (
        '#|' not in code
        and 'def check_' not in code
        and code.count('# Your answer') == sum(p.kind == 'solution' for p in read_pieces(SOURCES[study]))
    )

def test_checks_never_see_a_solution(study):
    ("No name that a solution makes, other than as a parameter, stands in a check; checks live in the package without "
     "solutions")
    import importlib
    text = Path(importlib.import_module(f'usbook.classroom.exercises.{study}').__file__).read_text(encoding='utf-8')
    for p in read_pieces(SOURCES[study]):
        if p.kind == 'solution': assert p.source.strip() not in text
    assert '#| solution' not in text

def test_key_holds_everything_and_solutions_no_remarks(study):
    pieces = read_pieces(SOURCES[study])
    key, public = make_notebook(SOURCES[study], 'key'), make_notebook(SOURCES[study], 'solutions')
    for p in pieces:
        if p.kind == 'wrong': assert p.source in lines_of(key) and p.source not in lines_of(public)
        if p.kind == 'solution': assert p.source in lines_of(key) and p.source in lines_of(public)
        if p.kind == 'teacher':
            assert p.source in lines_of(key, 'markdown') and p.source not in lines_of(public, 'markdown')

def test_made_notebooks_run_where_they_were_made(tmp_path, aside):
    "The learner's notebook runs untouched, every check says so; the solutions run, every check passes"
    written, kept = write_exercises(tmp_path, solutions=True, studies=['pneumoconiosis'])
    assert len(written) == 2 and not kept
    for path, right in zip(written, (False, True)):
        run = (
            f'import json\nns = {{}}\nfor c in json.load(open({str(path)!r}, encoding="utf-8"))["cells"]:\n    if '
            f'c["cell_type"] == "code":\n'
            '        src = "".join(c["source"])\n        exec(src, ns)\n'
            '        if src.startswith("check_"): print(bool(eval(src.strip().splitlines()[-1], ns)))'
        )
        r = aside(run, cwd=ROOT, MPLBACKEND='agg', USBOOK_CACHE=tmp_path/'cache').end(120)
        assert r.returncode == 0, r.stderr[-2000:]
        assert set(r.stdout.split()) == {str(right)} and len(r.stdout.split()) == 6

def test_work_is_never_overwritten(tmp_path):
    write_exercises(tmp_path, studies=['head_ct'])
    (path := next(tmp_path.glob('*.ipynb'))).write_text('my work')
    written, kept = write_exercises(tmp_path, key=True, studies=['head_ct'])
    assert path.read_text() == 'my work' and kept == [path] and [w.parent.name for w in written] == ['key']

def test_stub():
    assert stub('a, b = 1, 2\n_c = 3\na = 4') == 'a = ...\nb = ...'
    assert stub('def f(x): return x') == 'def f(x): ...'
    assert stub('def f(x,\n      y):\n    "Say"\n    return 1\nf(1, 2)') == 'def f(x,\n      y):\n    "Say"\n    ...'

def test_unknown_study(tmp_path):
    with pytest.raises(BadInput, match='none for .lungs.; there are lung_signs'):
        write_exercises(tmp_path, studies=['lungs'])

def test_command(usbook, tmp_path):
    r = usbook('exercises', 'class', '--study', 'abdomen', '--key', '--json')
    got = json.loads(r.stdout)
    assert r.returncode == 0 and len(got['written']) == 2 and (tmp_path/'class'/'04_abdomen.ipynb').is_file()
    r = usbook('exercises', 'class', '--study', 'abdomen')
    assert 'is there already' in r.stdout and r.returncode == 0
    assert usbook('exercises', 'class', '--study', 'lungs').returncode == 2

# Checks look at what they are given -------------------------------------------------------------------------

def checks():
    import importlib
    for study in SOURCES:
        m = importlib.import_module(f'usbook.classroom.exercises.{study}')
        for name in m.__all__:
            if name.startswith('check_'): yield pytest.param(getattr(m, name), id=f'{study}-{name}')

GARBAGE = [
    None,
    'x',
    [],
    (),
    {},
    float('nan'),
    float('inf'),
    -1,
    10**9,
    [1, 2],
    ('a', 'b'),
    {1: 2},
    object(),
    print,
    lambda *a: 1 / 0,
    lambda *a: 'word',
    type,
]

@pytest.mark.parametrize('check', [*checks()])
def test_nothing_makes_a_check_fall_over(check):
    import inspect
    import pandas as pd
    n = len(inspect.signature(check).parameters)
    for g in (*GARBAGE, pd.DataFrame(), pd.Series([1])):
        said = check(*[g]*n)
        assert not said and said.text and '\n' not in str(said.text)[:200].strip(), (g, said)

def test_an_answer_for_other_data_is_wrong():
    "The figure comes from the predictions in hand, not from a number that is stored"
    from usbook.classroom.exercises.lung_signs import check_interval, check_macro_f1, check_missed
    from usbook.evidence.metrics import evaluate
    from usbook.predictions.predictions import toy_predictions
    a, b = (toy_predictions(20, 4, STUDIES['lung_signs'].classes, seed=s) for s in (1, 2))
    def missed(p): e = p.target == p.classes.index('effusion'); return int((e & (p.pred != p.target)).sum())
    for check, f in (
        (check_missed, missed),
        (check_macro_f1, lambda p: evaluate(p).overall['macro_f1'].value),
        (check_interval, lambda p: evaluate(p).overall['accuracy'][1:3]),
    ):
        assert check(f(a), a) and check(f(b), b) and not check(f(a), b)

def test_half_an_answer():
    "Learners write per cent, strings, lists of one; each gets a sentence about it"
    from usbook.classroom.exercises.head_ct import check_false_alarms
    assert (
        'per cent' in check_false_alarms(100 * 67 / 414).text
        and 'str' in check_false_alarms('0.16').text
        and 'list' in check_false_alarms([0.16]).text
    )
    assert check_false_alarms(.162) and check_false_alarms(.16).kind != 'slip'

def test_lab_brings_exercises_to_fill_in(tmp_path, monkeypatch):
    "Away from the project: chapters and exercises as they came with the package; started again inside, the same folder"
    import usbook
    import usbook.cli.lab as cli
    pack = tmp_path/'site'/'usbook'/'_lab'
    (pack/'chapters').mkdir(parents=True)
    (pack/'chapters'/'01.ipynb').write_text('{}')
    (pack/'settings.ini').write_text('[usbook]\n')
    monkeypatch.setattr(usbook, '__file__', str(pack.parent/'__init__.py'))
    lab = cli.lab_folder(tmp_path/'home')
    assert lab == tmp_path / 'home' / 'usbook-lab' and len(
        list((lab / 'classroom' / 'exercises').glob('*.ipynb'))
    ) == len(SOURCES)
    work = next((lab/'classroom'/'exercises').glob('*.ipynb'))
    work.write_text('mine')
    assert (
        cli.lab_folder(tmp_path / 'home') == lab
        and work.read_text() == 'mine'
        and cli.lab_folder(lab / 'classroom' / 'exercises') == lab
    )


# What learners met in trials ---------------------------------------------------------------------------------

def test_an_interval_is_a_number_and_an_interval():
    from usbook.classroom.answers import expect_number, expect_pair
    i = Interval(.781, .64, .90)
    expect_number(i, .781)
    assert expect_pair(i) == expect_pair((.64, .90)) == expect_pair([.781, .64, .90]) == (.64, .90)

def test_capitals_are_no_mistake():
    assert (
        expect_word(' Higher. ', ('higher', 'lower', 'the same')) == 'higher'
        and expect_word('the_same', ('the same',)) == 'the same'
    )
    with pytest.raises(NotYet): expect_word('up', ('higher', 'lower'))

def test_a_rounded_answer_is_told_that_it_is_rounded():
    with pytest.raises(NotYet, match='2 decimals'): expect_number(.78, .7837)
    with pytest.raises(NotYet, match='is not it'): expect_number(.77, .7837)

def test_no_message_of_pythons_reaches_a_learner():
    @check
    def asks(x): return x['no such key']
    for answer in (3, 'a', [], {}): assert asks(answer).text == UNUSABLE and 'Error' not in asks(answer).text

def test_invented_accuracies_do_not_pass():
    "[.1]*3 against [.2]*3 once did"
    import pandas as pd
    names = {}
    for p in read_pieces(SOURCES['lung_signs']):
        if p.kind == 'setup': exec(p.source, names)
    from usbook.classroom.exercises.lung_signs import check_gain
    made_up = pd.DataFrame(dict(by_patient=[.1]*3, by_image=[.2]*3))
    assert not check_gain('higher', made_up, names['images'], names['x'])

def test_an_array_of_one_number_is_a_number():
    "NumPy 2.4 and newer refuse `float` of an array of shape (1,)"
    import numpy as np
    assert number_of(np.array([.5])) == number_of(np.array(.5)) == .5
    assert number_of(np.array([.5, .6])) is None and number_of(np.array([])) is None
