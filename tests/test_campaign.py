"""A small slice of what a stranger may do, always; the whole of it by `make campaign`, marked slow here."""
import os

import pytest

if os.name == 'nt': pytest.skip('forks, signals and pipes', allow_module_level=True)

from campaign import children, ends, inputs, kills
from campaign.__main__ import PARTS, figures, run

QUICK = ('manifest', 'predictions', 'detections', 'class_files', 'audit_toml', 'settings', 'archives', 'dicom',
         'pictures', 'records')


@pytest.mark.parametrize('name', QUICK)
def test_spoilt_files_are_read_or_refused_in_one_sentence(name, tmp_path):
    counts, failures = inputs.spoil(getattr(inputs, name), range(1000, 1005), tmp_path)
    assert not failures, failures
    assert counts['read'] + counts['refused'] == 5


def test_a_reader_that_falls_over_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, 'CLOCKS', [(s, timer, 2) for s, timer, _ in inputs.CLOCKS])
    def falls(d):
        (d/'f.csv').write_text('a,b\n1,2\n')
        return ['f.csv'], inputs.TABLE, lambda: int((d/'f.csv').read_text().splitlines()[1][0])
    def dies(d):
        (d/'f.csv').write_text('a,b\n1,2\n')
        return ['f.csv'], inputs.TABLE, lambda: (d/'f.csv').read_text() == 'a,b\n1,2\n' or os._exit(3)
    for target in (falls, dies):
        counts, failures = inputs.spoil(target, range(4), tmp_path)
        assert counts['failed'] and failures


@pytest.fixture(scope='module')
def loaded(): return children.load()


def writer(name): return next(w for w in children.writers() if w.name == name)


@pytest.mark.parametrize('name', ['exercises', 'phantom'])
def test_killed_at_random_moments(name, loaded, tmp_path):
    counts, failures = kills.series(writer(name), 2, tmp_path)
    assert not failures and counts['kills'] == 2, failures


def test_what_is_half_written_is_noticed(loaded, tmp_path):
    def half(d):
        import time
        (d/'out').mkdir(exist_ok=True)
        with open(d/'out'/'f', 'w') as f:
            for _ in range(20):
                f.write('x' * 9000)
                f.flush()
                time.sleep(.02)
    counts, failures = kills.series(children.Writer('half', half), 6, tmp_path)
    assert any('half-written' in f[2] or 'changed' in f[2] for f in failures), failures


@pytest.mark.parametrize('terminal', ends.TERMINALS)
def test_every_terminal(terminal, loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(ends, 'TERMINALS', {terminal: ends.TERMINALS[terminal]})
    monkeypatch.setattr(ends, 'SHOWS', [('list',), ('evaluate', 'p.csv'), ('evaluate', 'bad.csv'), ('nosuch',)])
    counts, failures = ends.terminals(tmp_path)
    assert not failures and counts[terminal] == 4, failures


def test_full_and_read_only_disks(loaded, tmp_path):
    counts, failures = ends.disks(writer('class'), tmp_path, (0, .5))
    if counts['skipped']: pytest.skip('no disk can be mounted here')
    assert not failures and counts['full'] == 2 and counts['read-only'] == 1, failures


def test_two_at_once(loaded, tmp_path):
    counts, failures = ends.two_at_once(writer('exercises'), tmp_path)
    assert not failures and counts['at once'] == 2, failures


def test_figures_are_of_the_one_form():
    from collections import Counter
    rows = figures('kills', [('phantom', Counter(kills=3, failed=0))])
    assert {r['metric']: r['value'] for r in rows} == dict(kills=3, failed=0) and rows[0]['arm'] == 'kills: phantom'


def test_the_record_does_not_change_while_its_own_campaign_copies_it(tmp_path, monkeypatch):
    import sys
    from collections import Counter
    from campaign import __main__ as m
    record, seen = tmp_path/'campaign.json', []
    def each(part, folder, share, only):
        yield 'a', Counter(read=1), []
        seen.append(record.exists())
        yield 'b', Counter(read=2), []
    monkeypatch.setattr(m, 'each', each)
    monkeypatch.setattr(m, 'SO_FAR', tmp_path/'build'/'campaign.json')
    monkeypatch.setattr(m.children, 'load', lambda: None)
    monkeypatch.setattr(sys, 'argv', ['campaign', 'disks', '--record', str(record)])
    assert not m.main() and seen == [False] and '"b"' not in record.read_text() and 'disks: b' in record.read_text()


@pytest.mark.slow
@pytest.mark.parametrize('part', PARTS)
def test_the_whole_campaign(part, loaded, tmp_path):
    done, failures = run(part, tmp_path, 1.)
    assert done and not failures, failures
