"""The whole campaign, and its counts in nbs/records/campaign.json.

`make campaign` runs all of it (about an hour on two quiet cores); parts: inputs, kills, disks, two, terminals.
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from . import children, ends, inputs, kills

RECORD = children.ROOT/'nbs'/'records'/'campaign.json'
SO_FAR = children.ROOT/'build'/'campaign.json'  # while it runs: `usbook lab` copies the records, which must not change
KILLS = {'phantom': 14, 'exercises': 14, 'class': 14, 'cutting': 14, 'workshop': 8, 'reproduce': 5}  # 12 of the others
PARTS = ('inputs', 'terminals', 'kills', 'disks', 'two')


def say(line): print(line, flush=True)


def kills_of(w, share):
    n = next((n for k, n in KILLS.items() if w.name.startswith(k)), 12)
    return max(1, round(n*share))


def each(part, folder, share=1., only=''):
    "(name, counts, failures) of every reader or command of a part"
    if part == 'terminals':
        yield 'commands that show', *ends.terminals(folder/part, say)
        return
    if part == 'inputs':
        seeds = range(round(120*share) or 1)
        yield from ((t.__name__, *inputs.spoil(t, seeds, folder/part, say)) for t in inputs.READERS
                    if only in t.__name__)
        return
    do = dict(kills=lambda w, d: kills.series(w, kills_of(w, share), d, say=say),
              disks=lambda w, d: ends.disks(w, d, say=say), two=lambda w, d: ends.two_at_once(w, d, say=say))[part]
    for w in children.writers():
        if only not in w.name: continue
        place = folder/part/''.join(c if c.isalnum() else '_' for c in w.name)
        yield w.name, *do(w, place)
        shutil.rmtree(place, ignore_errors=True)


def run(part, folder, share=1., only=''):
    "(counts, failures) of a part"
    done = list(each(part, folder, share, only))
    return [(name, c) for name, c, _ in done], [f for _, _, found in done for f in found]


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
    this = dict(commit=commit_now(), only=a.only, share=a.share, seconds=seconds)
    part_of_it = a.parts or a.only or a.share != 1  # the whole campaign begins a new record
    before = earlier(Path(a.record)) if part_of_it else None
    with tempfile.TemporaryDirectory(prefix='usbook-campaign-') as d:
        for part in a.parts or PARTS:
            began, total = time.monotonic(), Counter()
            for name, counts, failures in each(part, Path(d), a.share, a.only):
                all_figures += figures(part, [(name, dict(failed=0) | counts)])
                found += failures
                total += counts
                seconds[part] = round(time.monotonic() - began)
                if a.record: write(SO_FAR, all_figures, this, found, before)
            total.pop('slowest', None)
            say(f'{part}: {dict(total)}, {seconds.get(part, 0)} s')
            shutil.rmtree(Path(d)/part, ignore_errors=True)
    if a.record: shutil.move(SO_FAR, a.record)
    for f in found: print('FAILED', *map(str, f), sep=' | ')
    return bool(found)


def commit_now():
    "Which code this is; a sign behind it: and something changed since"
    def git(*words): return subprocess.run(['git', *words], cwd=children.ROOT, capture_output=True, text=True).stdout
    changed = git('status', '--porcelain', '--', 'usbook', 'tools/campaign').strip()
    return git('rev-parse', '--short=10', 'HEAD').strip() + ('+' if changed else '')


def earlier(file):
    "The record as it is, to be added to; `None` where there is none"
    from usbook.runs.record import Record
    return Record.read(file) if file.is_file() else None


def write(file, rows, this, found, before):
    "Into the record, after each reader or command; what this run did not look at stays, with its commit"
    from usbook.runs.record import Record
    done = {r['arm'] for r in rows}
    rows = [r for r in (before.figures if before else ()) if r['arm'] not in done] + rows
    how = dict(runs=(before.how.get('runs', []) if before else []) + [{k: v for k, v in this.items() if v}])
    if found: how['failures'] = [' | '.join(map(str, f))[:500] for f in found]
    data = dict(spoilt=dict(note='made from a seed by tools/campaign'))
    Record('make campaign', data, sorted(rows, key=lambda r: (r['arm'], r['metric'])), how=how).write(file)


if __name__ == '__main__': sys.exit(main())
