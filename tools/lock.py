"""workshop.lock: every package of a workshop's computers, with version and hashes, for any system: `make lock`

    uv pip install --require-hashes -r workshop.lock && uv pip install --no-deps dist/usbook-*.whl

`--check` needs no network: it says which requirement of pyproject.toml the lock does not meet, and how old it is."""
import argparse, datetime, re, shutil, subprocess, sys
from pathlib import Path

from packaging.requirements import Requirement

try: import tomllib
except ImportError: import tomli as tomllib # Python 3.10

ROOT = Path(__file__).parents[1]
LOCK = ROOT/'workshop.lock'
OLDEST = 180 # days: after that, new systems and security say "again"
HEAD = '# Packages of a workshop, for Python 3.10 and newer; made by `make lock` on {}\n'

def project(root=ROOT): return tomllib.loads((root/'pyproject.toml').read_text(encoding='utf-8'))['project']

def pinned(text): # {name: [(version, marker)]}
    "What a lock holds; a package may be there once for each Python"
    out = {}
    for name, version, rest in re.findall(r'^([\w.-]+)==(\S+)([^\\\n]*)', text, re.M):
        out.setdefault(name.lower().replace('_', '-'), []).append((version, rest.strip(' ;\\')))
    return out

def unmet(wanted, text): # sentences
    "Requirements that the lock does not meet, packages without a hash"
    there = pinned(text)
    for r in map(Requirement, wanted):
        found = there.get(r.name.lower().replace('_', '-'), [])
        if not found: yield f'{r.name} is missing'
        yield from (f'{r.name} is {v}, and pyproject.toml asks for {r.specifier}' for v, _ in found
                    if not r.specifier.contains(v, prereleases=True))
    for block in re.split(r'\n(?=[\w.-]+==)', text)[1:]:
        if '--hash=sha256:' not in block: yield f'{block.split()[0]} has no hash'

def made_on(text):
    said = re.search(r'on (\d{4}-\d\d-\d\d)$', text.partition('\n')[0])
    return datetime.date.fromisoformat(said[1]) if said else None

def make(path=LOCK):
    if not (uv := shutil.which('uv')): raise SystemExit('No lock: uv is not installed (pip install uv)')
    words = [uv, 'pip', 'compile', '--quiet', '--universal', '--generate-hashes', '--no-header', '--no-annotate',
             '--python-version', '3.10', '--upgrade', 'pyproject.toml']
    r = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if r.returncode: raise SystemExit(f'No lock: {(r.stderr.strip() or "uv said nothing").splitlines()[-1]}')
    path.write_text(HEAD.format(datetime.date.today().isoformat()) + r.stdout, encoding='utf-8')

def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--check', action='store_true', help='write nothing; say whether it is stale')
    if not p.parse_args(argv).check:
        make()
        print(f'{LOCK.name}: {len(pinned(LOCK.read_text(encoding="utf-8")))} packages')
        return 0
    text = LOCK.read_text(encoding='utf-8') if LOCK.is_file() else ''
    stale = list(unmet(project()['dependencies'], text)) if text else [f'{LOCK.name} is missing']
    if text:
        days = (datetime.date.today() - made_on(text)).days
        print(f'{LOCK.name} is {days} days old{"; make it again" if days > OLDEST else ""}')
    print('\n'.join(stale[:5] + ['Run make lock.'] if stale else ['It meets pyproject.toml.']))
    return int(bool(stale))

if __name__ == '__main__': sys.exit(main())
