"""How many numbers `usbook audit --text` finds in papers' texts, and how many it names rightly, into nbs/records.

The texts, and what a person reads in them, are in tests/audit_texts.toml. `python tools/audit_texts.py` takes seconds.
"""
from collections import Counter
from pathlib import Path

from usbook.core.files import digest
from usbook.evidence.audit.printed import SYNONYMS, parse_printed
from usbook.evidence.audit.text import spot_numbers
from usbook.runs.record import Record, figures_of_arms

try: import tomllib
except ImportError: import tomli as tomllib

ROOT = Path(__file__).parents[1]
FILE, RECORD = ROOT/'tests'/'audit_texts.toml', ROOT/'nbs'/'records'/'audit_texts.json'
TEXTS = tomllib.loads(FILE.read_text(encoding='utf-8'))
GROUPS = {'the five abstracts': TEXTS['text'][:5], 'ten more texts': TEXTS['text'][5:],
          'five, written later': TEXTS['fresh'], 'five by a stranger': TEXTS['later']}
# When a text was read for the first time, before any rule was mended because of it; this can't be measured again
FIRST = {
    'five, written later': {'right, clear': 14, 'right, guess': 14, 'wrong, clear': 1, 'wrong, guess': 10,
                                  'open': 1, 'missed': 1},
    'five by a stranger': {'right, clear': 10, 'right, guess': 7, 'wrong, clear': 8, 'wrong, guess': 18,
                                   'open': 1, 'missed': 7},
}

def marks(text):
    "Each number that a person reads in a text -> what became of it; and those that no person would name"
    left, out = spot_numbers(text['text']), Counter()
    for name, of, printed in text['figures']:
        value = parse_printed(printed)
        alike = [o for o in left if '/' not in o.printed and parse_printed(o.printed) == value]
        right = lambda o: (SYNONYMS.get(o.name, o.name), o.label or o.arm) == (SYNONYMS.get(name, name), of)
        best = max(alike, key=lambda o: (right(o), o.name == name), default=None)
        if best: left.remove(best)
        if not best or not best.name: out['open' if best else 'missed'] += 1
        else: out[f"{'right' if right(best) else 'wrong'}, {best.sure}"] += 1
    return out + Counter(f'wrong, {o.sure}' for o in left if o.name)

def shares(found, n):
    "Counts of `marks` as precision and recall; `n` numbers are in the texts"
    right, wrong = (sum(v for k, v in found.items() if k.startswith(o)) for o in ('right', 'wrong'))
    clear = {o: found.get(f'{o}, clear', 0) for o in ('right', 'wrong')}
    return dict(numbers=n, rightly_named=right, wrongly_named=wrong, clear=sum(clear.values()),
                clear_and_wrong=clear['wrong'], precision=right/(right + wrong), recall=right/n,
                precision_of_the_clear=clear['right']/sum(clear.values()))

def measured():
    "The record as it is now"
    n = {k: sum(len(t['figures']) for t in ts) for k, ts in GROUPS.items()}
    now = {k: shares(sum(map(marks, ts), Counter()), n[k]) for k, ts in GROUPS.items()}
    now |= {f'{k}, at the first reading': shares(found, n[k]) for k, found in FIRST.items()}
    data = dict(sha256=digest(FILE.read_text(encoding='utf-8').encode()), texts=sum(map(len, GROUPS.values())))
    return Record('python tools/audit_texts.py', dict(texts=data), figures_of_arms('audit_texts', now),
                  [dict(texts=k, **v) for k, v in now.items()])

if __name__ == '__main__': print(measured().write(RECORD))
