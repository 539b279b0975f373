"""Every notebook runs from top to bottom, each in a process of its own, under the `test` profile."""
import json, os, subprocess, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(
    p.relative_to(ROOT).as_posix() for p in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts
)

RUN = '''
import sys, nbdev.test as nt
ok, seconds = nt.test_nb(sys.argv[1], basepath=sys.argv[2], cell_timeout=300)
print(f"{seconds:.0f} s")
sys.exit(not ok)
'''

def test_there_are_notebooks(): assert len(NOTEBOOKS) > 5

@pytest.mark.parametrize('nb', NOTEBOOKS)
def test_notebook(nb, tmp_path):
    env = os.environ | dict(
        USBOOK_PROFILE='test', USBOOK_RUNS=str(tmp_path / 'runs'), USBOOK_OFFLINE='yes', MPLBACKEND='agg'
    )
    r = subprocess.run(
        [sys.executable, '-c', RUN, str(ROOT / nb), str(ROOT)],
        env=env,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert r.returncode == 0, f'{nb} failed\n{r.stdout[-3000:]}\n{r.stderr[-6000:]}'

@pytest.mark.parametrize('nb', NOTEBOOKS)
def test_no_cell_is_kept_from_running(nb):
    "A cell that is never run can't be trusted"
    for c in json.loads((ROOT/nb).read_text(encoding='utf-8'))['cells']:
        src = ''.join(c['source'])
        if c['cell_type'] == 'code':
            assert not any(s in src for s in ('eval: false', '#| notest', '#|notest', 'skip_exec')), src
