"""Disks without room, folders that may not be written, two of everything at once, terminals of six kinds."""
import contextlib
import os
import shutil
import subprocess
from collections import Counter

from .children import Output, Runs, command, finish, said_badly, size_of, start, undisturbed

TERMINALS = {
    'UTF-8': Output(), 'ASCII': Output('ascii'), 'GBK': Output('gbk'), 'cp1252': Output('cp1252'),
    'closed': Output(closed=True), 'full': Output(to='/dev/full'),
}


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    "A disk of a given size, mounted there; `None` where that may not be done"
    folder.mkdir(parents=True, exist_ok=True)
    size = f'size={kilobytes}k'
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', size, 'tmpfs', folder], capture_output=True).returncode == 0
    try: yield folder if done else None
    finally:
        if done: subprocess.run(['umount', '-l', folder], capture_output=True)


def refused(w, d, says, room):
    "A command without room: one sentence, nothing half-written; with room again, it ends well. The complaint, if any"
    pid = start(w.run, d, CAMPAIGN_SAYS=str(says), **w.env)
    code, err, _ = finish(pid, says)
    if bad := said_badly(code, err): return bad
    if code not in (0, 2): return f'exit {code}: {err[-300:]}'
    if code == 2 and not err.strip(): return 'ended with 2 and said nothing'
    if broken := w.broken(d): return f'half-written: {broken[:3]}'
    subprocess.run(['mount', '-o', f'remount,rw,size={room}k', d], check=True)
    code, err, _ = finish(start(w.run, d, CAMPAIGN_SAYS=str(says), **w.env), says)
    if code not in w.again: return f'with room again: exit {code}: {err[-500:]}'
    if missing := w.complete(d): return f'with room again: {missing[:3]}'
    return ''


SHARES, OF_RUNS = (0, .1, .5, .9), (.3, .9)  # of the room that is needed; runs: without, then with trainings


def disks(w, folder, shares=None, say=lambda line: None):
    "(counts, failures): a disk on which a share of what is needed has room, and one that may only be read"
    counts, failures = Counter(), []
    if bad := undisturbed(w, folder/'d'): return Counter(failed=1), [(w.name, 'disk', bad)]
    need = w.need
    shares = shares or (OF_RUNS if isinstance(w, Runs) else SHARES)
    says = folder/'says'
    says.mkdir(parents=True, exist_ok=True)
    for share in (*shares, 'read-only'):
        with small_disk(folder/'disk', 10*need + 4000) as d:
            if d is None: return Counter(skipped=1), []
            w.prepare(d)
            if w.warm and share != shares[0]: shutil.copytree(w.warm, d/'cache', dirs_exist_ok=True)
            how = 'remount,ro' if share == 'read-only' else f'remount,size={used(d) + int(share*left(w, d, need)) + 4}k'
            if subprocess.run(['mount', '-o', how, d], capture_output=True).returncode: continue
            bad = refused(w, d, says, 10*need + 4000)
        counts['read-only' if share == 'read-only' else 'full'] += 1
        if bad:
            counts['failed'] += 1
            failures.append((w.name, f'disk: {share}', bad))
    say(f'{w.name}: {dict(counts)}')
    return counts, failures


def left(w, d, need):
    "Kilobytes that a command still needs, where what it computes on the way may be there"
    return need if not (d/'cache').is_dir() else max(50, need - size_of(d) // 1000)


def used(d):
    s = os.statvfs(d)
    return (s.f_blocks - s.f_bfree) * s.f_frsize // 1000


def two_at_once(w, folder, n=2, say=lambda line: None):
    "(counts, failures): the same command, started several times in one folder"
    d = folder/'d'
    if bad := undisturbed(w, d): return Counter(failed=1), [(w.name, 'at once', bad)]
    shutil.rmtree(d, ignore_errors=True)
    d.mkdir(parents=True)
    w.prepare(d)
    pids, wrong = [start(w.run, d, **w.env) for _ in range(n)], []
    for pid in pids:
        code, err, _ = finish(pid, d)
        if bad := said_badly(code, err): wrong.append(bad)
        elif code not in w.again: wrong.append(f'exit {code}: {err[-400:]}')
    if missing := w.complete(d): wrong.append(f'afterwards: {missing[:3]}')
    if isinstance(w, Runs) and len(list((d/'runs').glob('[a-z]*'))) != n: wrong.append('a run is missing')
    say(f'{w.name}: {n} at once')
    return Counter({'at once': n, 'failed': bool(wrong)}), [(w.name, f'{n} at once', b) for b in wrong]


def files_to_show(d):
    "Tables whose names hold what few terminals can show"
    lines = [f'[red]{i},p{i // 3},{("[/x]", "积液 – é")[i % 2]},0.{i + 10},0.{90 - i},[/x]' for i in range(30)]
    (d/'p.csv').write_text('image,patient,target,p_[/x],p_积液 – é,reader_é\n' + '\n'.join(lines), encoding='utf-8')
    (d/'bad.csv').write_text('image,patient,target,p_a,p_b\n1,,积液,.5,.5\n', encoding='utf-8')


SHOWS = [
    ('list',), ('list', '--json'), ('audit', 'all'), ('audit', 'abdomen', '--json'), ('audit', '--example'),
    ('evaluate', 'p.csv'), ('evaluate', 'p.csv', '--json'), ('evaluate', 'bad.csv'), ('compare', 'p.csv', 'p.csv'),
    ('compare', 'p.csv', '--reader', 'é'), ('evaluate', '--example'), ('--help',), ('reproduce', 'nosuch'), ('nosuch',),
]


def terminals(folder, say=lambda line: None):
    "(counts, failures): every command that shows something, in every kind of terminal"
    folder.mkdir(parents=True, exist_ok=True)
    files_to_show(folder)
    counts, failures = Counter(), []
    for name, output in TERMINALS.items():
        for words in SHOWS:
            code, err, _ = finish(start(command(*words), folder, output), folder)
            bad = said_badly(code, err)
            slips = words in (('evaluate', 'bad.csv'), ('reproduce', 'nosuch'), ('nosuch',))
            expected = 2 if slips or name == 'full' else 0
            if not bad and code != expected: bad = f'exit {code} in place of {expected}: {err[-300:]}'
            counts[name] += 1
            if bad:
                counts['failed'] += 1
                failures.append((' '.join(words), name, bad))
    say(f'terminals: {dict(counts)}')
    return counts, failures
