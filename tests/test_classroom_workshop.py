"A box made of small parts and installed into a new environment where no index can be asked"
import json, os, re, shutil, subprocess, sys, zipfile
from pathlib import Path

import pytest
from usbook.classroom import workshop as ws
from usbook.core.errors import BadInput

ROOT = Path(__file__).parents[1]
PYTHON = '.'.join(map(str, sys.version_info[:2]))
pytestmark = pytest.mark.skipif(sys.platform == 'win32', reason='install.sh is for Linux and macOS')

def wheel(folder, name, needs=()):
    "A pure wheel with one module"
    info = f'{name}-1.0.dist-info'
    files = {
        f'{name}.py': 'here = True\n',
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
        f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n'
        + ''.join(f'Requires-Dist: {n}\n' for n in needs),
    }
    files[f'{info}/RECORD'] = ''.join(f'{f},,\n' for f in [*files, f'{info}/RECORD'])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder/f'{name}-1.0-py3-none-any.whl', 'w') as z:
        for f, text in files.items(): z.writestr(f, text)

@pytest.fixture(scope='module')
def pip(tmp_path_factory): return ws.Pip(tmp_path_factory.mktemp('pip'))

@pytest.fixture(scope='module')
def box(tmp_path_factory):
    d = tmp_path_factory.mktemp('workshop')
    wheel(d/'shop', 'usb_one', ['usb_two'])
    wheel(d/'shop', 'usb_two')
    said = []
    parts = ws.make_workshop(
        d / 'box',
        pythons=[PYTHON],
        packages=ws.Packages(('--no-index', '--find-links', str(d / 'shop')), only=('usb_one',)),
        book=False,
        key=True,
        say=said.append,
    )
    return d/'box', parts, said

def links_lead_somewhere(lab):
    "From a chapter or an exercise to another notebook of the lab"
    for nb in [*lab.glob('chapters/*.ipynb'), *lab.glob('exercises/*.ipynb')]:
        for c in json.loads(nb.read_text(encoding='utf-8'))['cells']:
            for link in re.findall(r'\]\((\.\.?/[^)#]+\.ipynb)', ''.join(c['source'])):
                assert (nb.parent / link).is_file(), (nb.name, link)
    return True

def test_it_holds_what_a_class_needs(box):
    out, parts, said = box
    assert {p.name for p in (out / 'wheels').iterdir() if not p.name.startswith('usbook')} == {
        'usb_one-1.0-py3-none-any.whl',
        'usb_two-1.0-py3-none-any.whl',
    }
    chapters = {p.name for p in (ROOT/'nbs'/'chapters').glob('*.ipynb')}
    assert {p.name for p in (out/'lab'/'chapters').glob('*.ipynb')} == chapters
    assert len(list((out / 'lab' / 'classroom' / 'exercises').glob('*.ipynb'))) == 5 and not list(
        (out / 'lab').rglob('solutions')
    )
    assert len(list((out/'key').glob('*.ipynb'))) == len(list((out/'solutions').glob('*.ipynb'))) == 5
    assert links_lead_somewhere(out/'lab')
    for s in filter(Path.is_dir, (ROOT/'data_samples').iterdir()):
        assert (out/'lab'/'data_samples'/s.name/'manifest.csv').is_file()
    assert 'offline = yes' in (out/'lab'/'settings.ini').read_text()

def test_sizes_are_said(box):
    out, parts, said = box
    text = (out/'README.txt').read_text()
    for name, n in parts.items(): assert name in text and n == ws.size(out/name)
    assert (
        ws.size_text(sum(parts.values())) in text
        and any('wheels so far' in l for l in said)
        and any(l.startswith('chapters') for l in said)
    )
    assert '@' not in text and ws.PLATFORMS[ws.this_platform()].title in text

def test_the_wheel_holds_exercises_and_weights(box):
    names = zipfile.ZipFile(next((box[0]/'wheels').glob('usbook-*.whl'))).namelist()
    assert 'usbook/_exercises/01_lung_signs.ipynb' in names and 'usbook/_lab/settings.ini' in names
    weights = (
        {p.name for p in (ROOT / 'usbook' / 'weights').glob('*') if p.is_file()}
        if (ROOT / 'usbook' / 'weights').is_dir()
        else set()
    )
    assert weights <= {n.rsplit('/', 1)[-1] for n in names}

def test_install_needs_no_network(box, tmp_path):
    "A copy without the project beside it, an index that isn't there, a new environment"
    copy, home = shutil.copytree(box[0], tmp_path/'stick with space'), tmp_path/'home'
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PIP_', 'UV_', 'PYTHON', 'USBOOK_'))}
    env |= dict(
        HOME=str(home),
        PIP_INDEX_URL='http://127.0.0.1:9/',
        https_proxy='http://127.0.0.1:9',
        http_proxy='http://127.0.0.1:9',
        PYTHON=sys.executable,
    )
    r = subprocess.run(['sh', copy/'install.sh'], env=env, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert r.returncode == 0, r.stdout + r.stderr
    python = home/'usbook'/'.venv'/'bin'/'python'
    code = 'import usb_one, usb_two, usbook, pathlib; print(pathlib.Path(usbook.__file__).parents[1].name)'
    assert (
        subprocess.run([python, '-c', code], capture_output=True, text=True, cwd=tmp_path, env=env).stdout.strip()
        == 'site-packages'
    )
    assert subprocess.run(
        [python.parent / 'usbook', '--version'], capture_output=True, text=True, env=env
    ).stdout.startswith('usbook ')
    assert (
        (home / 'usbook' / 'lab' / 'chapters').is_dir()
        and (home / 'usbook' / 'start.sh').is_file()
        and 'Something is missing' in r.stdout
    )
    work = home/'usbook'/'lab'/'classroom'/'exercises'/'01_lung_signs.ipynb'
    work.write_text('mine')
    assert (
        subprocess.run(['sh', copy / 'install.sh'], env=env, capture_output=True, timeout=300).returncode == 0
        and work.read_text() == 'mine'
    )
    if ws.this_platform() == 'linux':    # what repo2docker runs in its image
        r = subprocess.run(
            ['sh', 'binder/postBuild'],
            cwd=copy,
            env=env | dict(PATH=f'{python.parent}:{env["PATH"]}'),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert r.returncode == 0 and not (copy/'wheels').exists(), r.stderr

def test_install_says_what_is_missing(box, tmp_path):
    copy = shutil.copytree(box[0], tmp_path/'box')
    for f in (copy/'requirements').iterdir(): f.rename(f.with_name(f.name.replace(PYTHON, '3.99')))
    r = subprocess.run(['sh', copy/'install.sh', tmp_path/'to'], capture_output=True, text=True)
    assert r.returncode == 1 and 'Python 3.99' in r.stdout and not (tmp_path/'to').exists()
    shutil.rmtree(copy/'requirements')
    r = subprocess.run(['sh', copy/'install.sh', tmp_path/'to'], capture_output=True, text=True)
    assert r.returncode == 1 and 'no packages here' in r.stdout

def test_recipes_for_servers(box):
    out, _, _ = box
    if ws.this_platform() != 'linux': pytest.skip('recipes are written for Linux servers')
    assert f'requirements/linux-{PYTHON}.txt' in (out / 'binder' / 'postBuild').read_text() and os.access(
        out / 'binder' / 'postBuild', os.X_OK
    )
    assert (out / 'binder' / 'runtime.txt').read_text() == f'python-{PYTHON}\n' and f'python-{PYTHON}' in (
        out / 'hub' / 'Dockerfile'
    ).read_text()

def test_scripts_are_sound(tmp_path):
    ws.write_scripts(tmp_path, list(ws.PLATFORMS), ['3.12', '3.13'])
    for f in ('install.sh', 'binder/postBuild', 'hub/first-start.sh'):
        assert subprocess.run(['sh', '-n', tmp_path/f]).returncode == 0
    bat = (tmp_path/'install.bat').read_bytes()
    assert bat.count(b'\r\n') == bat.count(b'\n') and b'@CASES' not in bat

def test_nothing_is_left_of_a_failure(tmp_path):
    with pytest.raises(BadInput, match='workshop: .*failed: ') as e:
        ws.make_workshop(
            tmp_path / 'box',
            packages=ws.Packages(('--no-index',), only=('usb-nowhere',)),
            book=False,
            say=lambda l: None,
        )
    assert '\n' not in str(e.value) and not list(tmp_path.iterdir())

def test_a_full_folder_is_left_alone(tmp_path):
    (tmp_path/'mine.txt').write_text('mine')
    with pytest.raises(BadInput, match='not empty'): ws.make_workshop(tmp_path)

def test_torch_without_gpu_is_tried_first(tmp_path, pip):
    "Where it can't be had, a line says so, and the usual one is taken"
    (tmp_path/'none').mkdir()
    said = []
    assert (
        ws.cpu_torch('linux', PYTHON, tmp_path, pip, str(tmp_path / 'none'), said.append) == []
        and 'taking the large one' in said[-1]
    )
    assert ws.cpu_torch('windows', PYTHON, tmp_path, pip, 'http://127.0.0.1:9/') == []

def torch_wheel(folder, name):
    "A wheel with the tags and the version of PyTorch without GPU libraries"
    tag, v = f'cp{PYTHON.replace(".", "")}', '9.0+cpu'
    files = {
        f'{name}/__init__.py': '',
        f'{name}-{v}.dist-info/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: {v}\n',
        f'{name}-{v}.dist-info/WHEEL': f'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: '
                                       f'{tag}-{tag}-manylinux_2_28_x86_64\n',
        f'{name}-{v}.dist-info/RECORD': '',
    }
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder/f'{name}-{v}-{tag}-{tag}-manylinux_2_28_x86_64.whl', 'w') as z:
        for f, text in files.items(): z.writestr(f, text)

def test_torch_without_gpu_is_taken_where_it_is(tmp_path, pip):
    for name in ('torch', 'torchvision'): torch_wheel(tmp_path/'cpu', name)
    (tmp_path/'out').mkdir()
    assert ws.cpu_torch('linux', PYTHON, tmp_path / 'out', pip, str(tmp_path / 'cpu')) == [
        'torch==9.0+cpu',
        'torchvision==9.0+cpu',
    ]
    assert len(list((tmp_path/'out').glob('torch*+cpu*.whl'))) == 2

def test_versions_are_chosen_by_pip_where_uv_is_missing(tmp_path, monkeypatch, pip):
    wheel(tmp_path/'shop', 'usb_one', ['usb_two'])
    wheel(tmp_path/'shop', 'usb_two')
    monkeypatch.setattr(ws.shutil, 'which', lambda name: None)
    source = ['--no-index', '--find-links', str(tmp_path/'shop')]
    pins = ws.pin_versions(['usb_one'], ws.this_platform(), PYTHON, pip, source)
    assert sorted(p.replace('-', '_') for p in pins) == ['usb_one==1.0', 'usb_two==1.0']
    with pytest.raises(BadInput, match='pip install uv'): ws.pin_versions(['usb_one'], 'windows', '3.12', None, source)

def test_a_box_that_is_opened_elsewhere_finds_its_fits(tmp_path, monkeypatch, capsys):
    "Another folder, another home, nothing said of a cache: the training cell only reads"
    import numpy as np
    from usbook.core.settings import Settings, read_settings
    from usbook.data.manifest import Manifest
    from usbook.data.split import split_by_patient
    from usbook.learn.fits import stored_fit
    from usbook.learn.recipe import Job, Recipe
    m = Manifest.read(ROOT/'data_samples'/'lung_signs'/'manifest.csv')
    m = split_by_patient(m.subset(np.arange(len(m))%4 == 0))
    def job(s): return Job(Recipe('resnet10t', size=32, epochs=1, views=1), 'frozen', settings=s, progress=False)
    made = stored_fit(m, job(Settings(cache=str(tmp_path/'cache'), device='cpu', offline=True)))
    (tmp_path/'stick'/'lab').mkdir(parents=True)
    shutil.copy(ROOT/'settings.ini', tmp_path/'stick'/'lab')
    bring = ws.fits_to_bring(Settings(cache=str(tmp_path/'cache')))
    assert [p.name for p, _ in bring] == [made.key]
    ws.fill_fits(bring, tmp_path/'stick')
    laptop = shutil.copytree(tmp_path/'stick'/'lab', tmp_path/'a laptop'/'lab')
    shutil.rmtree(tmp_path/'cache')
    for k in [k for k in os.environ if k.startswith('USBOOK_') or k == 'XDG_CACHE_HOME']: monkeypatch.delenv(k)
    monkeypatch.setenv('HOME', str(tmp_path/'home'))
    monkeypatch.chdir(laptop)
    there = read_settings()
    assert there.path('cache') == laptop/'cache'
    fit = stored_fit(m, job(there))
    assert fit.notes[-1].startswith('trained before, ') and fit.key.startswith('brought-')
    assert np.array_equal(fit.predictions['test'].prob, made.predictions['test'].prob)
    assert not any('trained before' in n for n in stored_fit(m, job(there), retrain=True).notes)
    assert not (tmp_path/'home').exists()

def test_command_line(usbook, tmp_path):
    assert usbook('workshop', tmp_path, '--platform', 'amiga').returncode == 2
    r = usbook('workshop', '--help')
    assert r.returncode == 0 and '--platform' in r.stdout
