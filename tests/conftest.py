"""What several tests share."""
import os, sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from browser_tools import barriers, chromium, live, module, show  # noqa: F401  fixtures of test_browser_*.py
from fresh import aside, fresh  # noqa: F401  fixtures too

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'tools'))
os.environ.setdefault('USBOOK_LANG', 'en') # whatever the machine speaks

@pytest.fixture
def usbook(tmp_path, monkeypatch, capsys):
    "A command away from the project, in this process; returns exit code and output"
    def run(*words, **env):
        env = (
            dict(
                USBOOK_RUNS=str(tmp_path / 'runs'),
                USBOOK_CACHE=str(tmp_path / 'cache'),
                USBOOK_PROFILE='test',
                USBOOK_OFFLINE='yes',
                USBOOK_DEVICE='cpu',
            )
            | env
        )
        for k, v in env.items(): monkeypatch.setenv(k, v)
        monkeypatch.chdir(tmp_path)
        from usbook.cli.main import main
        why = remembered(monkeypatch)
        capsys.readouterr()
        code = main([str(w) for w in words])
        out = capsys.readouterr()
        if code == 70: pytest.fail(f'{words[0]}: a defect of its own\n{out.err}{why()}')
        return SimpleNamespace(returncode=code, stdout=out.out, stderr=out.err)
    return run

def remembered(monkeypatch):
    "A function that tells the last exception that a command explained, with its traceback: a rare one comes once"
    import traceback
    from usbook.cli import main as m
    last, explain = [], m._explain
    monkeypatch.setattr(m, '_explain', lambda args, e: last.append(e) or explain(args, e))
    return lambda: ''.join(traceback.format_exception(last[-1])) if last else ''

@pytest.fixture(scope='session')
def realdata():
    "Folder of the real public images"
    folder = os.environ.get('USBOOK_REALDATA')
    if not folder: pytest.skip('USBOOK_REALDATA is not set, so there are no real images to test on')
    return Path(folder)

def make_tree(folder, classes=('a_lines', 'b_lines', 'effusion', 'consolidation'), patients=8, each=2, size=32, seed=0):
    "A folder a class of small images; P203_1.png is the second image of patient P203"
    rng = np.random.default_rng(seed)
    for k, c in enumerate(classes):
        (folder/c).mkdir(parents=True, exist_ok=True)
        for p in range(patients):
            for i in range(each):
                a = rng.normal(60 + 40*k, 12, (size, size)) + 8*np.sin(np.arange(size)/(2 + k))[:, None]
                Image.fromarray(np.clip(a, 0, 255).astype('uint8')).save(folder/c/f'P{k}{p:02d}_{i}.png')
    return folder
