"""The whole campaign, and its counts in nbs/records/campaign.json.

`make campaign` runs all of it (about an hour on two quiet cores); parts: inputs, kills, disks, two, terminals.
"""
import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from . import children, ends, inputs, kills

RECORD = children.ROOT/'nbs'/'records'/'campaign.json'
KILLS = {'phantom': 20, 'list': 12, 'workshop': 8, 'reproduce': 6}  # per command; 24 of the others
PARTS = ('inputs', 'kills', 'disks', 'two', 'terminals')


def say(line): print(line, flush=True)


def kills_of(w, share):
    n = next((n for k, n in KILLS.items() if w.name.startswith(k)), 24)
    return max(1, round(n*share))


def run(part, folder, share=1., only=''):
    "(counts, failures) of a part"
    def place(w): return folder/part/''.join(c if c.isalnum() else '_' for c in w.name)
    def each(one): return [(w.name, one(w, place(w))) for w in children.writers() if only in w.name]
    if part == 'inputs':
        seeds = range(round(120*share) or 1)
        done = [(t.__name__, inputs.spoil(t, seeds, folder/part, say)) for t in inputs.READERS if only in t.__name__]
    elif part == 'kills': done = each(lambda w, d: kills.series(w, kills_of(w, share), d, say=say))
    elif part == 'disks': done = each(lambda w, d: ends.disks(w, d, say=say))
    elif part == 'two': done = each(lambda w, d: ends.two_at_once(w, d, say=say))
    else: done = [('commands that show', ends.terminals(folder/part, say))]
    return [(name, c) for name, (c, _) in done], [f for _, (_, found) in done for f in found]


def figures(part, done):
    "As the record wants them"
    slow = ('slowest',)
    return [dict(study='all', arm=f'{part}: {name}', metric=k, value=v) for name, c in done for k, v in c.items()
            if v and k not in slow or k == 'failed']


def main():
    p = argparse.ArgumentParser(prog='make campaign', description=__doc__.splitlines()[0])
    p.add_argument('parts', nargs='*', choices=[*PARTS, []], help='default: all')
    p.add_argument('--share', type=float, default=1., help='of the whole campaign, from 0 to 1')
    p.add_argument('--only', default='', help='readers or commands whose name holds this text')
    p.add_argument('--record', default=str(RECORD), help="where the counts go; '' writes none")
    a = p.parse_args()
    children.load()
    found, all_figures, seconds = [], [], {}
    with tempfile.TemporaryDirectory(prefix='usbook-campaign-') as d:
        for part in a.parts or PARTS:
            began = time.monotonic()
            done, failures = run(part, Path(d), a.share, a.only)
            seconds[part] = round(time.monotonic() - began)
            total = sum((c for _, c in done), Counter())
            total.pop('slowest', None)
            say(f'{part}: {dict(total)}, {len(failures)} failures, {seconds[part]} s')
            all_figures += figures(part, [(n, Counter(failed=0) | c | Counter()) for n, c in done])
            found += failures
            shutil.rmtree(Path(d)/part, ignore_errors=True)
    for f in found: print('FAILED', *map(str, f), sep=' | ')
    if a.record and all_figures: write(Path(a.record), all_figures, seconds, found)
    return bool(found)


def write(file, rows, seconds, found):
    "Into the record; what this run did not look at stays as it was"
    from usbook.core.files import lock
    from usbook.runs.record import Record
    with lock(file):
        old = Record.read(file) if file.is_file() else None
        done = {r['arm'] for r in rows}
        rows = [r for r in (old.figures if old else ()) if r['arm'] not in done] + rows
        how = dict(seconds=(old.how.get('seconds', {}) if old else {}) | seconds)
        if found: how['failures'] = [' | '.join(map(str, f))[:500] for f in found]
        data = dict(spoilt=dict(note='made from a seed by tools/campaign'))
        Record('make campaign', data, sorted(rows, key=lambda r: (r['arm'], r['metric'])), how=how).write(file)
    file.with_name(f'.{file.name}.lock').unlink(missing_ok=True)


if __name__ == '__main__': sys.exit(main())
