"Processes that have imported the large libraries before they start: a script in one of them need not wait for PyTorch"
import gc, multiprocessing, os, sys, traceback
from pathlib import Path
from types import SimpleNamespace

import pytest

LIBRARIES = ['anywidget', 'fastai.vision.all', 'matplotlib.pyplot', 'nbdev.test', 'pydicom', 'scipy.stats',
             'sklearn.linear_model', 'sklearn.metrics', 'sklearn.model_selection', 'statsmodels.api',
             'torchvision.transforms.v2']


def begin(*files):
    "First in such a process: what it says goes into these files, and no collection looks through the libraries again"
    gc.freeze()
    for fd, file in zip((1, 2), files): os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), fd)


def run_script(code, words, cwd, env, out, err):
    "As `python -c` runs it; the exit code is the process's"
    begin(out, err)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv, end = ['-c', *words], 0
    try: exec(compile(code, '<script>', 'exec'), dict(__name__='__main__'))
    except SystemExit as e: end = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        traceback.print_exc()
        end = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end)


class Script:
    "A script that runs aside, and what it has said so far"
    def __init__(self, context, folder, code, words, cwd, env):
        self.files = [str(folder/name) for name in ('out', 'err')]
        for f in self.files: Path(f).touch()
        args = (code, [str(w) for w in words], str(cwd), os.environ | env, *self.files)
        self.process = context.Process(target=run_script, args=args)
        self.process.start()

    def said(self): return [Path(f).read_text(encoding='utf-8', errors='replace') for f in self.files]

    def end(self, seconds=300):
        "Wait; exit code and output, as subprocess has it"
        self.process.join(seconds)
        if self.process.exitcode is None: self.process.kill()
        self.process.join()
        return SimpleNamespace(returncode=self.process.exitcode, **dict(zip(('stdout', 'stderr'), self.said())))


@pytest.fixture(scope='session')
def fresh():
    "A context whose processes have the large libraries, and nothing of ours"
    os.environ['MPLBACKEND'] = 'agg'
    context = multiprocessing.get_context('forkserver' if sys.platform.startswith('linux') else 'spawn')
    if hasattr(context, 'set_forkserver_preload'): context.set_forkserver_preload(LIBRARIES)
    return context


@pytest.fixture(scope='session')
def aside(fresh, tmp_path_factory):
    "A function that starts a script (words, working folder, changes to the environment) in a fresh process"
    def start(code, *words, cwd='.', **env):
        return Script(fresh, tmp_path_factory.mktemp('aside'), code, words, cwd, {k: str(v) for k, v in env.items()})
    return start
