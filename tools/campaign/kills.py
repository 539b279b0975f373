"""Kills at random moments: what was finished stays, what was begun is never taken for whole, the next run ends well."""
import os
import random
import shutil
import signal
import time
from collections import Counter

from .children import Runs, finish, said_badly, start, undisturbed, visible

KINDS = [signal.SIGKILL] * 8 + [signal.SIGTERM, signal.SIGINT]
CODES = {signal.SIGKILL: (-9, 0), signal.SIGTERM: (143, 0), signal.SIGINT: (130, 0)}


def kill_at(w, d, moment, kind):
    "Start, wait, kill; the complaint, if any, and how long it took where it ended before the kill"
    before = visible(d/w.out)
    pid = start(w.run, d, **w.env)
    began = time.monotonic()
    hit, took = True, 0.
    while hit and took < moment:
        time.sleep(min(.01, moment - took))
        hit = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        took = time.monotonic() - began
    if hit:
        for send in (os.killpg, os.kill):
            try:
                send(pid, kind)
                break
            except ProcessLookupError: continue  # it had no time to lead a group of its own
    code, err, _ = finish(pid, d, 60)
    took = 0. if hit else took
    if bad := said_badly(code, err): return bad, took
    if hit and code not in (*CODES[kind], *w.again): return f'{kind.name}: exit {code}, {err[-300:]}', took
    after = visible(d/w.out)
    lost = [k for k, v in before.items() if after.get(k) != v]
    if lost: return f'finished before, and changed or gone: {lost[:3]}', took
    if broken := w.broken(d): return f'half-written: {broken[:3]}', took
    return '', took


def again(w, d):
    "The same command afterwards ends well and leaves all that it should; the complaint, if any"
    code, err, _ = finish(start(w.run, d, **w.env), d)
    if code not in w.again: return f'afterwards: exit {code}, {err[-1200:]}'
    if bad := said_badly(code, err): return f'afterwards: {bad}'
    if missing := w.complete(d): return f'afterwards: {missing[:3]}'
    return ''


def fresh(w, d, warm):
    "An empty folder; where a series goes on, what was finished and what was computed stay"
    if not warm or not d.is_dir():
        shutil.rmtree(d, ignore_errors=True)
        d.mkdir(parents=True)
    w.prepare(d)


def series(w, n, folder, seed=0, say=lambda line: None):
    "(counts, failures) of `n` kills of one command"
    d, rng, counts, failures = folder/'d', random.Random(f'{w.name}{seed}'), Counter(), []
    if bad := undisturbed(w, d): return Counter(failed=1), [(w.name, None, bad)]
    spans, done = {False: w.seconds, True: w.seconds}, False  # seconds that it takes, unfinished and finished before
    for k in range(3*n):
        if counts['kills'] >= n: break
        warm = k % (4 if isinstance(w, Runs) else 3)
        fresh(w, d, warm)
        done = done and bool(warm)
        kind, moment = rng.choice(KINDS), rng.uniform(0, spans[done])
        if kind != signal.SIGKILL: moment = max(moment, .2)  # before it can listen, any program just ends
        bad, took = kill_at(w, d, moment, kind)
        hit = not took
        if took: spans[done], done = min(spans[done], took), True
        counts['kills'] += hit
        counts['done before the kill'] += not hit
        counts[kind.name] += hit
        if not bad and (k % 5 == 4 or counts['kills'] == n):
            bad = again(w, d)
            done = True
            counts['run again'] += 1
        if bad:
            counts['failed'] += 1
            failures.append((w.name, f'kill {k}, {kind.name} after {moment:.2f} s', bad))
            shutil.rmtree(d, ignore_errors=True)
    say(f'{w.name} ({w.seconds:.1f} s): {dict(counts)}')
    return counts, failures
