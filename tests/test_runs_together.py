"""All studies in one go: the numbers of lone runs, whatever fails, is killed or interrupted."""
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import make_tree
from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.runs.rerun import compare_runs
from usbook.runs.run import reproduce
from usbook.runs.together import reproduce_all
from usbook.studies import head_ct, lung_signs
from usbook.studies.images import Reading

ROOT = Path(__file__).parents[1]


RULE = Reading(patients=r'(P\d+)_')


def small(machinery, study='', **plan):
    "A study that learns from 32 pixels"
    one = machinery.plans['test']
    one = replace(one, patients=None, recipe=replace(one.recipe, size=32, epochs=1, batch=8), **plan)
    return replace(machinery, study=replace(machinery.study, id=study or machinery.study.id), plans={'test': one})


def settings(folder, workers='2'):
    tree = folder/'images'
    if not tree.exists(): make_tree(tree, patients=6, each=1)
    return Settings(profile='test', workers=workers, runs=str(folder/'runs'), cache=str(folder/'cache'), device='cpu',
                    data=str(tree), offline=True, home=str(ROOT), weights='random')


def tables(folder): return {f.name: f.read_bytes() for f in sorted(folder.glob('predictions-*.csv'))}


def test_two_at_once_are_as_each_alone_and_one_that_fails_stops_nobody(tmp_path):
    work = [small(lung_signs.MACHINERY, folds=2), small(head_ct.MACHINERY, seeds=2)]
    bad = [small(lung_signs.MACHINERY, 'abdomen', folds=1),
           replace(small(lung_signs.MACHINERY, 'breast_cine'), train=len)]
    seen, how = [], dict(modes=('frozen',), reading=RULE)
    said = lambda text, fraction=None: seen.append((text, fraction))
    ends = reproduce_all([*work, *bad], settings(tmp_path), said, **how)
    ends = {e.study.id: e for e in ends}
    assert isinstance(ends['abdomen'].error, BadInput) and 'folds' in str(ends['abdomen'].error)
    assert isinstance(ends['breast_cine'].error, TypeError) and 'Traceback' in ends['breast_cine'].trace
    alone = replace(settings(tmp_path, '1'), cache=str(tmp_path/'another'))
    for m in work:
        one = reproduce(m, alone, **how)
        found = compare_runs(one.results, ends[m.study.id].results)
        assert found.same and found.numbers > 20, found
        assert tables(one.folder) == tables(ends[m.study.id].folder) != {}
    parts = [f for _, f in seen if f is not None]
    assert parts == sorted(parts) and parts[-1] == 1 and {t.split(':')[0] for t, _ in seen} >= {'lung_signs', 'head_ct'}


SCRIPT = '''
import json, sys
sys.path[:0] = {paths!r}
import test_runs_together as t
from pathlib import Path
work = [t.small(t.lung_signs.MACHINERY, folds=3, seeds=2), t.small(t.head_ct.MACHINERY, folds=2, seeds=2)]
said = lambda text, fraction=None: print(text, flush=True)
ends = list(t.reproduce_all(work, t.settings(Path(sys.argv[1])), said, modes=('frozen',), reading=t.RULE))
print(json.dumps(dict((e.study.id, str(e.folder)) for e in ends)))
'''


def start(folder):
    code = SCRIPT.format(paths=[str(ROOT), str(ROOT/'tests')])
    return subprocess.Popen([sys.executable, '-c', code, str(folder)], stdout=subprocess.PIPE, text=True,
                            env=os.environ | dict(OMP_NUM_THREADS='1', USBOOK_CACHE=str(folder/'cache')))


def whole(folder):
    "The tables of both studies, from a run that nobody disturbs"
    p = start(folder)
    out, _ = p.communicate(timeout=600)
    assert p.returncode == 0, out
    return {k: tables(Path(f)) for k, f in json.loads(out.splitlines()[-1]).items()}


def descendants(pid):
    "The processes below one; only where /proc says it"
    below = {}
    for f in Path('/proc').glob('[0-9]*/stat'):
        try: below.setdefault(int(f.read_text().rsplit(') ', 1)[1].split()[1]), []).append(int(f.parent.name))
        except OSError: pass
    def walk(p): return [q for c in below.get(p, []) for q in (c, *walk(c))]
    return walk(pid)


def alive(pids):
    "Those that are there and no zombies"
    def words(p):
        try: return Path(f'/proc/{p}/cmdline').read_bytes()
        except OSError: return b''
    return [p for p in pids if words(p)]


def gone(pids, seconds=30):
    end = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < end: time.sleep(.1)
    return not alive(pids)


def disturbed(folder, how, fits):
    "Send a signal when so many fits are in the store"
    p = start(folder)
    while sum(1 for _ in (folder/'cache'/'fits').glob('[0-9a-f]*')) < fits and p.poll() is None: time.sleep(.02)
    assert p.poll() is None
    children = descendants(p.pid)
    p.send_signal(how)
    p.wait(60)
    p.stdout.close()
    assert len(children) >= 2 and gone(children), 'nobody works on after the one that asked has ended'
    return p.returncode


posix = pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='needs /proc')


@pytest.mark.slow
@posix
def test_killed_in_the_middle_the_same_command_comes_to_the_same_bits(tmp_path):
    assert disturbed(tmp_path/'cut', signal.SIGKILL, 2) == -signal.SIGKILL
    again, undisturbed = whole(tmp_path/'cut'), whole(tmp_path/'whole')
    assert again == undisturbed and {k: len(t) for k, t in again.items()} == dict(lung_signs=2, head_ct=2)
    assert not [f for f in (tmp_path/'cut'/'runs').iterdir() if f.name.startswith('.') and f.is_dir()]


@pytest.mark.slow
@posix
def test_interrupted_it_leaves_neither_processes_nor_half_a_run(tmp_path):
    assert disturbed(tmp_path, signal.SIGINT, 1) != 0
    assert not [f for f in (tmp_path/'runs').iterdir() if f.is_dir()]


@pytest.mark.slow
@posix
def test_killed_again_and_again_it_comes_to_the_same_bits(tmp_path):
    for fits in (0, 1, 3, 5, 7, 9): disturbed(tmp_path/'cut', signal.SIGKILL, fits)
    assert whole(tmp_path/'cut') == whole(tmp_path/'whole')
