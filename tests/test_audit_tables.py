"Twenty tables as papers print them: no alarm for the sound ones, and the true culprit of the others"
from pathlib import Path

import pytest

from usbook.evidence.audit.conflicts import conflicts, go_together
from usbook.evidence.audit.findings import audit
from usbook.evidence.audit.reading import numbers_in
from usbook.evidence.audit.search import find_margins

try: import tomllib
except ImportError: import tomli as tomllib

TABLES = tomllib.loads((Path(__file__).parent/'audit_tables.toml').read_text(encoding='utf-8'))

def one(kind): return pytest.mark.parametrize('table', TABLES[kind], ids=lambda t: t['title'])

def test_ten_of_each(): assert len(TABLES['sound']) == len(TABLES['wrong']) == 10

@one('sound')
def test_a_sound_table_raises_no_alarm(table):
    found = audit(numbers_in(table['numbers']))
    assert not [f.text for f in found if f.kind == 'impossible']
    assert any(table['says'] in f.text for f in found), [f.text for f in found][:3]

@one('wrong')
def test_the_true_culprit_is_named(table):
    found = [f for f in audit(numbers_in(table['numbers'])) if f.kind == 'impossible']
    assert any(
        table['culprit'] in (f.value if isinstance(f.value, list) else []) or table['culprit'] in f.text for f in found
    )
    assert any(table['says'] in f.text for f in found), [f.text for f in found]

def test_precision_is_not_blamed_for_an_accuracy_out_of_range():
    "The search without precision had been given up, and counted as a fit"
    found = audit(numbers_in(TABLES['wrong'][0]['numbers']))[0]
    assert found.kind == 'impossible' and not any('precision' in name for name in found.value)
    rest = {('recall', 'P'): '.88', ('specificity', 'P'): '.87', ('accuracy', ''): '.895'}
    assert not find_margins(rest, ('P', 'N'), 800) and not go_together(rest, ('P', 'N'), True, 1)

def test_leaving_out_a_culprit_leaves_numbers_that_go_together():
    for table in TABLES['wrong']:
        x = numbers_in(table['numbers'])
        printed = {
            (dict(sensitivity='recall', ppv='precision').get(p.name, p.name), p.label): p.printed
            for p in x.published
            if not p.arm
        }
        for c in conflicts(printed, x.classes, True, 1) if x.classes else ():
            assert not go_together({k: printed[k] for k in c.names}, x.classes, True)
            for k in c.culprits: assert go_together({n: v for n, v in printed.items() if n != k}, x.classes, True)
