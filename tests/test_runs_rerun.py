"""A run says how it was made, and making it again says whether the same numbers came out."""
import json
import re
import shlex
from dataclasses import replace

from conftest import make_tree
from test_cli import sentence


def test_a_run_is_repeated_and_the_first_difference_is_named(usbook, tmp_path):
    make_tree(tmp_path/'mine', ('a_lines', 'b_lines'), patients=6)
    words = ['reproduce', 'lung_signs', '--data', 'mine', '--patients', r'(P\d+)_', '--weights', 'random']
    first = json.loads(usbook(*words, '--modes', 'frozen', '--json').stdout)
    made = first['made']
    assert made['options']['patients'] == r'(P\d+)_' and made['options']['modes'] == ['frozen']
    assert shlex.split(made['command'])[:3] == ['usbook', 'reproduce', 'lung_signs'] and '(P' in made['command']
    assert made['seconds'] > 0 and made['versions']['torch'] and made['peak_memory']['process'] > 1e7
    run = tmp_path/'runs'/re.split(r'[\\/]', first['folder'])[-1]
    report = (run/'report.html').read_text(encoding='utf-8')
    assert 'usbook reproduce lung_signs' in report and first['data']['sha256'] in report and 'GB' in report

    again = usbook('rerun', run)
    assert again.returncode == 0 and 'The same: all' in again.stdout, again
    assert len(list((tmp_path/'runs').glob('lung_signs-*'))) == 2

    arm, metrics = next(iter(first['runs'].items()))
    first['runs'][arm]['accuracy']['value'] = .123
    (run/'results.json').write_text(json.dumps(first), encoding='utf-8')
    other = usbook('rerun', run, '--json')
    found = json.loads(other.stdout)
    assert other.returncode == 1 and not found['same'] and found['same_images']
    assert [d['name'] for d in found['different']] == [f'{arm} accuracy'] and found['different'][0]['there'] == .123

    del first['made']
    (run/'results.json').write_text(json.dumps(first), encoding='utf-8')
    assert "doesn't say how it was made" in sentence(usbook('rerun', run))


def test_claims_that_were_changed_after_a_run_are_shown_as_changed(tmp_path):
    import os
    from usbook.runs.rerun import compare_runs
    from usbook.studies.study import STUDIES
    one = dict(data=dict(sha256='a'), runs={}, claims_hash='a', made=dict(declared='2026-11-20 09:00'))
    sentence, = compare_runs(one, one | dict(claims_hash='b', made=dict(declared='2026-11-22 14:03'))).changed
    assert 'claims were changed' in sentence and '2026-11-20 09:00' in sentence and '2026-11-22 14:03' in sentence
    assert compare_runs(one, one).changed == []
    file = tmp_path/'study.toml'
    file.write_text('')
    os.utime(file, (86_400, 86_400))
    assert replace(STUDIES['abdomen'], file=file).declared == '1970-01-02 00:00'
