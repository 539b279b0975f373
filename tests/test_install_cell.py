"A chapter is opened where nothing is installed: its install cell runs, and the cells behind it"
import json, os, shutil, subprocess, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'tools'))
ADDRESS = 'git+https://github.com/usbook/usbook'

# in place of pip: the very words that the cell gives it, but this checkout's wheel in place of the published source
PIP = '''import os, sys
words = [os.environ['USBOOK_WHEEL'] if w == os.environ['USBOOK_ADDRESS'] else w for w in sys.argv[1:]]
assert words != sys.argv[1:], f'the cell asks for something else: {sys.argv[1:]}'
words = words[:1] + ['--python', sys.executable] + words[1:]
os.execvp('uv', ['uv', 'pip', *words])
'''


def code_cells(chapter): # of a chapter's file
    return [c for c in json.loads(chapter.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code']


@pytest.mark.parametrize('chapter', sorted((ROOT/'nbs'/'chapters').glob('*.ipynb')), ids=lambda p: p.stem)
def test_every_chapter_s_first_cell_installs_from_the_same_place(chapter):
    first = ''.join(code_cells(chapter)[0]['source'])
    assert first.startswith('try: import usbook\nexcept ImportError:') and f'install --quiet {ADDRESS}' in first


@pytest.mark.slow
def test_a_chapter_begins_in_an_empty_environment(tmp_path):
    "As on Colab: a kernel, a single notebook and nothing else; some minutes"
    import nbformat
    from jupyter_client import KernelManager
    from nbclient import NotebookClient
    import release
    if not shutil.which('uv'): pytest.skip('needs uv')
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PYTHON', 'USBOOK_', 'VIRTUAL_ENV', 'JUPYTER'))}
    home, place = tmp_path/'home', tmp_path/'env'
    python = place/'bin'/'python'
    def uv(*words): subprocess.run(['uv', *map(str, words)], check=True, env=env, capture_output=True, text=True)
    uv('venv', '--python', sys.executable, place)
    uv('pip', 'install', '--python', python, 'ipykernel')
    site = next(place.glob('lib/python*/site-packages'))
    (site/'pip').mkdir()
    (site/'pip'/'__init__.py').touch()
    (site/'pip'/'__main__.py').write_text(PIP)
    here = tmp_path/'content'
    here.mkdir()
    shutil.copy(ROOT/'nbs'/'chapters'/'01_lung_signs.ipynb', here)
    nb = nbformat.read(here/'01_lung_signs.ipynb', 4)
    last = next(i for i, c in enumerate(nb.cells) if c.source.startswith('## The model'))
    nb.cells = nb.cells[:last]
    env |= dict(HOME=str(home), UV_CACHE_DIR=subprocess.run(['uv', 'cache', 'dir'], capture_output=True, text=True,
                                                           check=True).stdout.strip())
    env |= dict(USBOOK_WHEEL=str(release.build(ROOT, tmp_path/'dist', 'wheel')), USBOOK_ADDRESS=ADDRESS)
    env |= dict(USBOOK_PROFILE='test', OMP_NUM_THREADS='1')
    km = KernelManager(connection_file=str(tmp_path/'kernel.json'))
    km.kernel_spec.argv = [str(python), '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    client = NotebookClient(nb, km=km, timeout=900, resources=dict(metadata=dict(path=str(here))))
    client.execute(env=env, cwd=str(here))
    seen = '\n'.join(''.join(o.get('text', '') or o.get('data', {}).get('text/plain', ''))
                     for c in nb.cells if c.cell_type == 'code' for o in c.outputs)
    assert 'No patient is on two sides' in seen and 'simulated' in seen
    asked = subprocess.run([python, '-c', 'import usbook, jupyterlab, sys; print(usbook.__file__)'], cwd=here, env=env,
                           capture_output=True, text=True, check=True).stdout
    assert str(site) in asked
