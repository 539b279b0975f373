"The timetables add up, and what they name exists"
import json, re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = '\n\n'.join(
    ''.join(c['source'])
    for c in json.loads((ROOT / 'nbs' / 'classroom' / '04_teaching.ipynb').read_text(encoding='utf-8'))['cells']
)
PLANS = [
    [tuple(map(int, r)) for r in re.findall(r'^\| (\d+):(\d\d) \| (\d+) \|', t, re.M)]
    for t in TEXT.split('| at | minutes |')[1:]
]

def test_minutes_add_up():
    assert [sum(m for *_, m in p) for p in PLANS] == [210, 440, 440]
    for p in PLANS:
        at = 9*60
        for h, m, minutes in p:
            assert (h, m) == divmod(at, 60)
            at += minutes

def test_what_a_course_needs_is_there():
    for head in (
        'An opening without slides',
        'Half a day',
        'Two days',
        'In groups',
        'Where learners stumble',
        'What to skip',
        'Feedback form',
    ):
        assert f'## {head}' in TEXT
    assert len(re.findall(r'^\d+\. ', TEXT.split('## Feedback form')[1], re.M)) == 10

def test_commands_and_files_exist():
    from usbook.cli.main import parser
    for line in re.findall(r'usbook (?:workshop|class) [^`\n]+', TEXT): parser().parse_args(line.split()[1:])
    for path in re.findall(r'(data_samples/[\w/.]+)', TEXT): assert (ROOT/path).exists(), path
    for link in re.findall(r'\]\(([^)#]+\.ipynb)', TEXT): assert (ROOT/'nbs'/'classroom'/link).resolve().is_file(), link

def test_exercises_that_plans_name_exist():
    from usbook.classroom.generate import read_pieces, sources
    for path in sources().values(): assert sum(p.kind == 'check' for p in read_pieces(path)) == 6
