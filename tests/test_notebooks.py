"""Every notebook runs from top to bottom, each in a process of its own, under the `test` profile."""
import json, os, shutil, sys, traceback
from pathlib import Path

import pytest

from fresh import begin

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(
    p.relative_to(ROOT).as_posix() for p in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts
)
IN_LAB = {nb for nb in NOTEBOOKS if '/chapters/' in nb and nb.count('/') == 2} if shutil.which('chromium') else set()


def run_notebook(nb, env, log):
    "Exit 0 if every cell ran; what was printed goes into a file"
    begin(log, log)
    os.environ.update(env)
    os.chdir(ROOT)
    try:
        import nbdev.test as nt
        ok, seconds = nt.test_nb(str(ROOT/nb), basepath=str(ROOT), cell_timeout=300)
        print(f'{seconds:.0f} s')
    except BaseException:
        traceback.print_exc()
        ok = False
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(not ok)


def test_there_are_notebooks(): assert len(NOTEBOOKS) > 5


@pytest.mark.parametrize('nb', [nb for nb in NOTEBOOKS if nb not in IN_LAB]) # test_browser_lab.py runs the chapters
def test_notebook(nb, fresh, tmp_path):
    env = dict(USBOOK_PROFILE='test', USBOOK_RUNS=str(tmp_path/'runs'), USBOOK_OFFLINE='yes', MPLBACKEND='agg')
    log = tmp_path/'log'
    child = fresh.Process(target=run_notebook, args=(nb, env, str(log)))
    child.start()
    child.join(600)
    if child.is_alive(): child.kill()
    child.join()
    assert child.exitcode == 0, f'{nb} failed\n{log.read_text(errors="replace")[-9000:] if log.exists() else ""}'


@pytest.mark.parametrize('nb', NOTEBOOKS)
def test_no_cell_is_kept_from_running(nb):
    "A cell that is never run can't be trusted"
    for c in json.loads((ROOT/nb).read_text(encoding='utf-8'))['cells']:
        src = ''.join(c['source'])
        if c['cell_type'] == 'code':
            assert not any(s in src for s in ('eval: false', '#| notest', '#|notest', 'skip_exec')), src
