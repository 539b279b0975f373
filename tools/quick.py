"""What CI would say first, in ten seconds: style, one source, clean notebooks, shell and YAML that can be read"""
import json, re, subprocess, sys
from pathlib import Path

try: import tomllib
except ImportError: import tomli as tomllib # Python 3.10

ROOT = Path(__file__).parents[1]

def changed():
    "Files of this change: what is not committed, and what is staged"
    said = subprocess.run(['git', 'status', '--porcelain', '-z'], cwd=ROOT, capture_output=True, text=True).stdout
    return [ROOT/l[3:] for l in said.split('\0') if l[3:] and (ROOT/l[3:]).is_file()]

def style():
    words = [sys.executable, '-m', 'ruff', 'check', '--quiet', '--output-format', 'concise', 'nbs', 'tests', 'tools',
             'benchmarks']
    yield from subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()

def source(nb):
    "Exported cells of a changed notebook are in its module"
    cells = [''.join(c['source']) for c in nb['cells'] if c['cell_type'] == 'code']
    if not (said := re.search(r'^#\|\s*default_exp (\S+)', '\n'.join(cells), re.M)): return
    name = said[1]
    module = ROOT/'usbook'/(name.replace('.', '/') + '.py')
    text = module.read_text(encoding='utf-8') if module.is_file() else ''
    for c in (c for c in cells if re.match(r'#\|\s*exports?\b', c)):
        lines = [l for l in c.splitlines()[1:] if l.strip() and not re.match(r'\s*(from|import) ', l)]
        for l in [l for l in lines if l.rstrip() not in text][:1]: yield f'{l.strip()[:60]!r} is not in {module.name}'

def notebook(path):
    try: nb = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as e:
        yield f'is no notebook: {e}'
        return
    yield from (f'{s}; run make export' for s in source(nb))
    if any(c.get('execution_count') for c in nb['cells']): yield 'holds counts of execution; run make export'
    if re.search(r'/(?:home|Users|root)/\w', json.dumps([c.get('outputs', []) for c in nb['cells']])):
        yield 'an output names a folder of this machine'

def text(path):
    try:
        if path.suffix == '.toml': tomllib.loads(path.read_text(encoding='utf-8'))
        if path.suffix in ('.yml', '.yaml', '.cff'):
            import yaml
            yaml.safe_load(path.read_text(encoding='utf-8'))
    except Exception as e: yield f'can\'t be read: {e}'.splitlines()[0]
    if path.suffix == '.sh' and subprocess.run(['bash', '-n', path], capture_output=True).returncode:
        yield 'is no shell'
    if path.stat().st_size > 4e6: yield 'is larger than 4 MB'

def main():
    found = list(style())
    for p in changed():
        found += [f'{p.relative_to(ROOT)}: {s}' for s in (notebook(p) if p.suffix == '.ipynb' else text(p))]
    print('\n'.join(found) or 'Nothing found. `make test` runs everything.')
    return bool(found)

if __name__ == '__main__': sys.exit(main())
