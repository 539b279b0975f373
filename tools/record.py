"""The verdicts of all five studies into nbs/records: `make record`; PROFILE=workshop for larger runs.

Interrupted, it goes on where it was: the trainings are kept.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from usbook.core.settings import PROFILES
from usbook.runs.holds import record_of
from usbook.studies.study import STUDIES

RECORDS = Path(__file__).parents[1]/'nbs'/'records'

def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--profile', default='quick', choices=PROFILES)
    p.add_argument('--study', default='all', choices=('all', *STUDIES))
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the run below ends too
    command = 'make record' + (f' PROFILE={args.profile}' if args.profile != 'quick' else '')
    with tempfile.TemporaryDirectory() as runs:
        words = [sys.executable, '-m', 'usbook', 'reproduce', args.study, '--profile', args.profile]
        code = subprocess.run(words, env={**os.environ, 'USBOOK_RUNS': runs}).returncode
        for f in sorted(Path(runs).glob('*/results.json')):
            r = json.loads(f.read_text(encoding='utf-8'))
            print(record_of(r, command).write(RECORDS/f'verdicts_{r["profile"]}_{r["study"]}.json'))
    return code

if __name__ == '__main__': sys.exit(main())
