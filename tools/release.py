"""A release, up to the tag: `make release VERSION=0.2.0`

Checks the tree, the version (usbook/__init__.py is its one place), CHANGELOG.md and CITATION.cff; builds sdist and
wheel, and the wheel once more from the sdist; installs the wheel into an empty environment away from the checkout and
uses it there. What was built is put into dist/ when all of that went well. Nothing is tagged, nothing is published."""
import argparse, hashlib, os, re, shutil, subprocess, sys, tarfile, tempfile, urllib.request, venv, zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKED = {'usbook/': 'usbook/', 'nbs/chapters/': 'usbook/_lab/chapters/', 'nbs/records/': 'usbook/_lab/records/',
          'nbs/classroom/exercises/': 'usbook/_exercises/', 'nbs/welcome.ipynb': 'usbook/_lab/welcome.ipynb',
          'nbs/evidence/00_glossary.ipynb': 'usbook/_lab/evidence/00_glossary.ipynb',
          'settings.ini': 'usbook/_lab/settings.ini'} # place in the checkout -> place in the wheel
LARGEST = 30e6 # bytes of the wheel; a package that grows beyond this has swallowed something

class Refused(SystemExit):
    "No release, for a reason that fits one line"
    def __init__(self, why): super().__init__(f'No release: {why}')

def git(root, *words):
    return subprocess.run(['git', '-C', root, *words], capture_output=True, text=True, check=True).stdout.strip()

def check_tree(root, version, tagged=False): # Refused where something is missing
    "Version, tag, tree, changelog and citation agree"
    from packaging.version import InvalidVersion, Version
    root = Path(root)
    try: plain = str(Version(version)) == version
    except InvalidVersion: plain = False
    if not plain: raise Refused(f'{version!r} is no version; write it like 0.2.0')
    if dirty := git(root, 'status', '--porcelain').splitlines():
        raise Refused(f'{len(dirty)} files are changed or new, first {dirty[0].split()[-1]}; commit or remove them')
    there = git(root, 'tag', '--list', f'v{version}')
    if there and not tagged: raise Refused(f'{version} exists already, it has the tag v{version}; choose the next one')
    if tagged and not (there and git(root, 'rev-list', '-n1', f'v{version}') == git(root, 'rev-parse', 'HEAD')):
        raise Refused(f'the tag v{version} is not at this commit')
    first = (root/'usbook'/'__init__.py').read_text(encoding='utf-8')
    own = re.search(r"""^__version__ = ['"](.+)['"]""", first, re.M)[1]
    if own != version: raise Refused(f'usbook/__init__.py says {own}; write {version} there, its one place')
    log = (root/'CHANGELOG.md').read_text(encoding='utf-8')
    said = re.search(rf'^## {re.escape(version)}\b[^\n]*\n(.*?)(?=^## |\Z)', log, re.M | re.S)
    if not said or not said[1].strip():
        raise Refused(f'CHANGELOG.md has no entry for {version}; put what is under "Unreleased" below "## {version}"')
    cited = re.search(r'^version: *(\S+)', (root/'CITATION.cff').read_text(encoding='utf-8'), re.M)
    if not cited or cited[1].strip('"\'') != version:
        raise Refused(f"CITATION.cff says {cited[1] if cited else 'no version'}; write {version} there")
    if any((root/'dist').glob(f'usbook-{version}[-.]*')):
        raise Refused(f'{version} was built already and is in dist/; remove it there to build it again')

def wanted(root): # names of the files that the wheel should hold, without its own metadata
    "What belongs into the wheel: what git knows of these places, or would"
    out = set()
    for f in git(root, 'ls-files', '-co', '--exclude-standard').splitlines():
        for place, inside in PACKED.items():
            if f == place or place.endswith('/') and f.startswith(place): out.add(inside + f[len(place):])
    return out

def held(wheel): # names of its files, without the metadata
    with zipfile.ZipFile(wheel) as z: return {n for n in z.namelist() if '.dist-info/' not in n and n[-1] != '/'}

def hashes(wheel): # name -> sha-256, for every member
    with zipfile.ZipFile(wheel) as z: return {n: hashlib.sha256(z.read(n)).hexdigest() for n in z.namelist()}

def build(root, out, kind): # path of what was built
    "An sdist or a wheel; the commit's time is the time of every member"
    env = os.environ | dict(SOURCE_DATE_EPOCH=git(ROOT, 'log', '-1', '--format=%ct'))
    words = [sys.executable, '-m', 'hatchling', 'build', '-t', kind, '-d', str(out)]
    subprocess.run(words, cwd=root, env=env, check=True, capture_output=True, text=True)
    return max(Path(out).glob('*.whl' if kind == 'wheel' else '*.tar.gz'), key=os.path.getmtime)

def built(root, out): # sdist, wheel
    "Both, compared: the wheel holds what it should, and the sdist makes the same one"
    sdist, wheel = build(root, out, 'sdist'), build(root, out, 'wheel')
    if odd := sorted(held(wheel) ^ wanted(root)): raise Refused(f'{odd[0]} is in the wheel or in git, but not in both')
    if wheel.stat().st_size > LARGEST: raise Refused(f'the wheel has {wheel.stat().st_size/1e6:.0f} MB')
    with tempfile.TemporaryDirectory() as d:
        safely = {'filter': 'data'} if hasattr(tarfile, 'data_filter') else {}
        with tarfile.open(sdist) as t: t.extractall(d, **safely)
        again = build(next(Path(d).iterdir()), Path(d)/'again', 'wheel')
        differ = sorted(k for k, v in (hashes(wheel).items() ^ hashes(again).items()))
    if differ: raise Refused(f'the sdist makes another wheel: {differ[0]} differs')
    return sdist, wheel

def environment(folder, wheel): # the environment's folder of programs
    "An empty environment with the wheel and what it asks for, and nothing of the checkout"
    from usbook.classroom.workshop import CPU_TORCH
    cpu = sys.platform == 'linux' and reachable(CPU_TORCH + '/torch/')
    uv = shutil.which('uv')
    if uv: subprocess.run([uv, 'venv', '--quiet', '--python', sys.executable, str(folder)], check=True)
    else:
        venv.create(folder, with_pip=True)
        subprocess.run([str(programs(folder)/'python'), '-m', 'pip', 'install', '--quiet', 'uv'], check=True)
        uv = str(programs(folder)/'uv')
    words = [uv, 'pip', 'install', '--quiet', '--python', str(folder), *(['--torch-backend=cpu'] if cpu else [])]
    subprocess.run([*words, str(wheel)], check=True)
    return programs(folder)

def programs(folder): return Path(folder)/('Scripts' if os.name == 'nt' else 'bin')

def reachable(url):
    try: return bool(urllib.request.urlopen(url, timeout=5))
    except OSError: return False

EXERCISE = '''
from usbook.classroom.generate import make_notebook, sources
from usbook.classroom.grading import rerun_checks
import usbook
assert 'site-packages' in usbook.__file__, usbook.__file__
marks = rerun_checks(make_notebook(sources()['breast_cine'], 'solutions'), 'breast_cine')
assert all(m.ok for m in marks), marks
print(len(marks), 'exercises pass')
'''

def used(bin, away): # Refused where something fails
    "What a person does first, in an empty folder"
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'VIRTUAL_ENV')} | dict(
        USBOOK_PROFILE='test', USBOOK_OFFLINE='yes', USBOOK_CACHE=str(away/'cache'), OMP_NUM_THREADS='1')
    usbook = str(bin/'usbook')
    for words in ([usbook, '--version'], [usbook, 'list'], [usbook, 'lab', '--no-start'], [usbook, 'check'],
                  [usbook, 'reproduce', 'lung_signs', '--modes', 'frozen'], [usbook, 'exercises', 'mine'],
                  [str(bin/'python'), '-c', EXERCISE]):
        said = 'an exercise' if words[0] != usbook else ' '.join(['usbook', *words[1:]])
        print(f'  {said}', flush=True)
        r = subprocess.run(words, cwd=away, env=env, capture_output=True, text=True)
        if r.returncode:
            lines = (r.stderr.strip() or r.stdout.strip() or 'it said nothing').splitlines()
            raise Refused(f'{said} fails in an empty environment: {lines[-1][:300]}')

def main(argv=None):
    p = argparse.ArgumentParser(description='A release, up to the tag')
    p.add_argument('version')
    p.add_argument('--tagged', action='store_true', help='the tag is there, at this commit (in CI)')
    p.add_argument('--bin', help='programs of an environment that has the wheel already (for a rehearsal)')
    args = p.parse_args(argv)
    check_tree(ROOT, args.version, args.tagged)
    with tempfile.TemporaryDirectory(prefix='usbook-release-') as d:
        d = Path(d)
        print('sdist and wheel', flush=True)
        sdist, wheel = built(ROOT, d/'dist')
        (d/'away').mkdir()
        print(f'{wheel.name}, {wheel.stat().st_size/1e6:.1f} MB, in an empty environment', flush=True)
        used(Path(args.bin) if args.bin else environment(d/'env', wheel), d/'away')
        (ROOT/'dist').mkdir(exist_ok=True)
        for f in (sdist, wheel): shutil.move(f, ROOT/'dist'/f.name)
    print(f'dist/{sdist.name}, dist/{wheel.name}')
    print(f'Nothing was tagged. To publish: git tag v{args.version}, and push the tag.')

if __name__ == '__main__': main()
