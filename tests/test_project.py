"""The project's own rules: one source, clean notebooks, arrows between rooms, the anatomy of a chapter."""
import ast, filecmp, json, re, shlex, shutil, statistics, subprocess, sys
from pathlib import Path

import pytest

try: import tomllib
except ImportError: import tomli as tomllib

ROOT = Path(__file__).parents[1]
NBS = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
CHAPTERS = sorted((ROOT/'nbs'/'chapters').glob('[0-9]*.ipynb'))
PROJECT = tomllib.loads((ROOT/'pyproject.toml').read_text(encoding='utf-8'))

def cells(nb): return json.loads(nb.read_text(encoding='utf-8'))['cells']
def source(cell): return ''.join(cell['source'])

# One source ------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    "The project without what is generated, exported and cleaned anew"
    d = tmp_path_factory.mktemp('copy')/'usbook-project'
    d.mkdir()
    shutil.copy(ROOT/'pyproject.toml', d)
    shutil.copytree(ROOT/'nbs', d/'nbs', ignore=shutil.ignore_patterns('.ipynb_checkpoints'))
    (d/'usbook').mkdir()
    for p in (ROOT/'usbook').rglob('__*__.py'): # written by hand
        (d/p.relative_to(ROOT)).parent.mkdir(exist_ok=True)
        shutil.copy(p, d/p.relative_to(ROOT))
    for code in ('from nbdev.doclinks import nbdev_export; nbdev_export()', 'from nbdev.clean import nbdev_clean; '
                                                                            'nbdev_clean()'):
        subprocess.run([sys.executable, '-c', code], cwd=d, check=True, capture_output=True, text=True)
    return d

def test_library_and_notebooks_agree(copy):
    made = {p.relative_to(copy) for p in (copy/'usbook').rglob('*.py')}
    kept = {p.relative_to(ROOT) for p in (ROOT/'usbook').rglob('*.py')}
    assert made == kept, f'only one side has {sorted(map(str, made ^ kept))}; run make export'
    differ = [str(p) for p in sorted(made) if (copy/p).read_bytes() != (ROOT/p).read_bytes()]
    assert not differ, f'{differ} differ from their notebooks; run make export'

def test_notebooks_are_clean(copy):
    noisy = [str(p.relative_to(ROOT)) for p in NBS if not filecmp.cmp(p, copy/p.relative_to(ROOT), shallow=False)]
    assert not noisy, f'{noisy} hold noise; run make export'

def test_readme_is_the_index():
    from readme import readme
    assert (ROOT/'README.md').read_text(encoding='utf-8') == readme(), 'run make export'
    assert (ROOT/'README.zh.md').read_text(encoding='utf-8') == readme('zh'), 'run make export'

def commands(nb):
    "(words after usbook, words after make) of every command in a notebook's texts"
    for c in cells(nb):
        for code in re.findall(r'```sh\n(.*?)```|`([^`\n]+)`', source(c), re.S) if c['cell_type'] == 'markdown' else ():
            for line in (code[0] or code[1]).splitlines():
                words = shlex.split(line, comments=True)
                if words and Path(words[0]).name == 'usbook': yield words[1:], None
                if words and words[0] == 'make': yield None, words[1:]

@pytest.mark.parametrize('name', ['index', 'guide', 'welcome'])
def test_every_command_of_the_readme_can_be_typed(name, capsys):
    "A command that is only named, such as `usbook check`, has to exist"
    from usbook.cli.main import parser
    def understood(typed):
        try: return bool(parser().parse_args(typed if len(typed) > 1 else [*typed, '--help']))
        except SystemExit as e: return e.code == 0
    targets = set(re.findall(r'^([a-z]+):', (ROOT/'Makefile').read_text(encoding='utf-8'), re.M))
    found = list(commands(ROOT/'nbs'/f'{name}.ipynb'))
    assert found
    for typed, made in found:
        if made: assert made[0] in targets, made
        if typed: assert understood(typed), typed

def test_environment_yml_equals_pyproject():
    lines = re.findall(r'^ +- (.+)$', (ROOT/'environment.yml').read_text(encoding='utf-8'), re.M)
    pip = [l.strip('"') for l in lines[lines.index('pip:')+1:]]
    p = PROJECT['project']
    assert pip == [*p['dependencies'], *p['optional-dependencies']['dev'], '-e .']
    assert f"python{p['requires-python']}" in lines

def test_citation_names_this_version():
    import yaml
    import usbook
    cff = yaml.safe_load((ROOT/'CITATION.cff').read_text(encoding='utf-8'))
    assert cff['version'] == usbook.__version__ and len(cff['references']) == 5
    assert re.search(
        rf'^## (Unreleased|{re.escape(usbook.__version__)})', (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8'), re.M
    )

def test_rooms_are_on_the_map():
    text = (ROOT/'CONTRIBUTING.md').read_text(encoding='utf-8')
    packages = {p.parent.name for p in (ROOT/'usbook').glob('*/__init__.py')}
    assert packages == set(ROOMS) and all(f'| `{r}` |' in text for r in ROOMS)

def test_every_setting_is_explained():
    from dataclasses import fields
    from usbook.core.settings import Settings, read_settings
    text = (ROOT/'settings.ini').read_text(encoding='utf-8')
    for f in fields(Settings):
        if f.name != 'home':
            assert re.search(rf'^#.*\n(#.*\n)*{f.name} =', text, re.M), f'settings.ini does not explain {f.name}'
    read_settings(ROOT)

def test_no_machine_speaks_through():
    "Notebook outputs hold no path of the machine that made them"
    bad = re.compile(r'/(?:home|Users|root|work|tmp)/\w')
    found = [(p.name, m.group()) for p in NBS for c in cells(p) for m in bad.finditer(json.dumps(c.get('outputs', [])))]
    assert not found, found

def test_no_file_is_too_large():
    big = [p for p in (ROOT/'nbs').rglob('*') if p.is_file() and p.stat().st_size > 4e6]
    assert not big
    if (ROOT/'data_samples').exists():
        total = sum(p.stat().st_size for p in (ROOT/'data_samples').rglob('*') if p.is_file())
        assert total < 40e6, f'data_samples holds {total/1e6:.0f} MB'

# Arrows between rooms --------------------------------------------------------------------------------------

# an arrow may only go to a room further left
ROOMS = ('core', 'data', 'phantoms', 'predictions', 'learn', 'evidence', 'studies',
         'runs', 'widgets', 'classroom', 'cli')
NO_TORCH = {'core', 'data', 'phantoms', 'predictions', 'evidence', 'widgets', 'classroom', 'cli'}

def modules():
    for p in sorted((ROOT/'usbook').rglob('*.py')):
        rel = p.relative_to(ROOT/'usbook')
        if not rel.name.startswith('_'): yield rel, p

def imported(p, rel):
    "(room, module) of every usbook import, wherever in the file it stands"
    for node in ast.walk(ast.parse(p.read_text(encoding='utf-8'))):
        names = []
        if isinstance(node, ast.Import): names = [a.name.split('.') for a in node.names if a.name.split('.')[0] ==
            'usbook']
        elif isinstance(node, ast.ImportFrom):
            mod = (node.module or '').split('.') if node.module else []
            if node.level: base = ['usbook', *rel.parts[:-1]][:len(rel.parts) - node.level + 1] + mod
            else: base = mod
            if base[:1] == ['usbook']: names = [base] if len(base) > 1 else [base + [a.name] for a in node.names]
        for n in names:
            if len(n) > 1: yield n[1], '.'.join(n)

MODULES = [pytest.param(r, p, id=str(r)) for r, p in modules()]
def room_of(rel): return rel.parts[0].removesuffix('.py')

@pytest.mark.parametrize('rel,p', MODULES)
def test_arrows(rel, p):
    room = room_of(rel)
    if room == 'all': return
    for other, name in imported(p, rel):
        if other in ('__version__', 'weights') or other == room: continue
        assert other in ROOMS[:ROOMS.index(room)], f'{rel} imports {name}: {room} must not know {other}'

def test_studies_know_nothing_of_one_another():
    ids = {s.stem[3:] for s in (ROOT/'nbs'/'chapters').glob('[0-9]*.ipynb')}
    for rel, p in modules():
        if rel.parts[0] == 'studies' and rel.stem in ids:
            assert not [n for _, n in imported(p, rel) if n.split('.')[2:3] and n.split('.')[2] in ids - {rel.stem}], (
                rel
            )

def code_of(nb): return [source(c) for c in cells(nb) if c['cell_type'] == 'code']

def asked(nb):
    "Every module that a cell of this notebook imports from, lesson cells among them"
    for n in (n for s in code_of(nb) for n in ast.walk(_tree(s))):
        if isinstance(n, ast.Import): yield from (a.name for a in n.names)
        elif isinstance(n, ast.ImportFrom): yield from (n.module or '', *(f'{n.module}.{a.name}' for a in n.names))

@pytest.mark.parametrize('folder', sorted({p.parent for p in NBS if p.stem[0].isdigit()}), ids=lambda p: p.name)
def test_numbers_are_the_order_of_dependence(folder):
    "Each number once and none left out; no notebook imports the module of a later one in its folder"
    books = sorted(folder.glob('[0-9]*.ipynb'))
    first = int(books[0].stem[:2])
    assert first < 2 and [int(p.stem[:2]) for p in books] == list(range(first, first + len(books)))
    made = {p: m[1] for p in books if (m := re.search(r'default_exp (\S+)', '\n'.join(code_of(p))))}
    for p in books:
        later = {'usbook.' + m for q, m in made.items() if q > p}
        assert not later & set(asked(p)), f'{p.name} imports {later & set(asked(p))}'

def module_name(rel): return '.'.join(['usbook', *rel.with_suffix('').parts])

def test_no_circle_between_modules():
    "An import inside a function counts too: it only hides a circle"
    made = {module_name(r): {n for _, n in imported(p, r)} for r, p in modules()}
    edges = {
        m: {max((k for k in made if n == k or n.startswith(k + '.')), key=len, default='') for n in ns} - {'', m}
        for m, ns in made.items()
        if m != 'usbook.all'
    }
    done, path = set(), []
    def visit(m):
        assert m not in path, ' -> '.join([*path[path.index(m):], m])
        if m in done: return
        path.append(m)
        for n in sorted(edges.get(m, ())): visit(n)
        path.pop()
        done.add(m)
    for m in sorted(edges): visit(m)

def test_no_private_name_crosses_a_module():
    found = [
        f'{rel}: {node.module} {a.name}'
        for rel, p in modules()
        for node in ast.walk(ast.parse(p.read_text(encoding='utf-8')))
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or '').startswith('usbook'))
        for a in node.names
        if a.name.startswith('_') and a.name != '__version__'
    ]
    assert not found, found

def public(p):
    "(name, node) of what a module offers"
    for n in ast.parse(p.read_text(encoding='utf-8')).body:
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith('_') and not _patched(n):
            yield n.name, n

def _patched(n): return any('patch' in ast.unparse(d) for d in n.decorator_list)

PROTOCOL = {
    'measure',
    'figures',
    'plots',
    'train',
    'read',
    'compare',
}  # a study's own part in a run, always asked of its module

def test_no_two_public_names_alike():
    seen = {}
    for rel, p in modules():
        if rel.parts[:2] == ('classroom', 'exercises'): continue
        for name, _ in public(p):
            if rel.parts[0] == 'studies' and name in PROTOCOL: continue
            seen.setdefault(name, []).append(module_name(rel))
    twice = {n: m for n, m in seen.items() if len(m) > 1}
    assert not twice, twice

TWICE = { # constants whose modules stay as they are: recorded numbers belong to that code; names go away, none is added
    'BOX', 'CLASSES', 'KINDS', 'LONGEST', 'MACHINERY', 'PLANS', 'PRESETS', 'STUDY', 'SYNONYMS'}

def test_no_two_public_constants_alike():
    "`from usbook.all import *` would give one of two"
    seen = {}
    for rel, p in modules():
        if rel.parts[:2] == ('classroom', 'exercises') or rel.name == 'all.py': continue
        for n in ast.parse(p.read_text(encoding='utf-8')).body:
            for t in n.targets if isinstance(n, ast.Assign) else ():
                if isinstance(t, ast.Name) and not t.id.startswith('_'): seen.setdefault(t.id, set()).add(rel)
    assert {n for n, where in seen.items() if len(where) > 1} == TWICE

def parameters(p):
    "(function, parameters, those with a comment of their own) of every public function and method"
    text = p.read_text(encoding='utf-8')
    lines = text.splitlines()
    def own(node):
        for f in ast.walk(node):
            if (
                isinstance(f, ast.FunctionDef)
                and not f.name.startswith('_')
                and (f is node or any(f in c.body for c in ast.walk(node) if isinstance(c, ast.ClassDef)))
            ):
                yield f
    for n in ast.parse(text).body:
        if not isinstance(n, (ast.FunctionDef, ast.ClassDef)) or n.name.startswith('_'): continue
        for f in own(n):
            args = [a for a in [*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs] if a.arg not in ('self', 'cls')]
            if f.args.args and f.args.args[0].arg == 'cls': args = [a for a in args]
            last = {}
            for a in args: last[a.lineno] = a
            yield (
                f,
                args,
                [
                    a
                    for a in args
                    if last[a.lineno] is a
                    and '#' in lines[a.lineno - 1]
                    and [x.lineno for x in args].count(a.lineno) == 1
                ],
            )

def test_parameters_are_few():
    "At most five in 9 of 10 public functions, never above eight"
    counts = {
        f'{module_name(r)}.{f.name}': len(args)
        for r, p in modules()
        for f, args, _ in parameters(p)
        if r.parts[0] != 'cli'
    }
    many = {k: n for k, n in counts.items() if n > 8}
    assert not many, many
    assert sum(n <= 5 for n in counts.values()) >= .9*len(counts), sorted((k for k, n in counts.items() if n > 5))

def test_parameters_are_explained():
    "nbdev gives a comment to the last parameter of a line: so each parameter has a line of its own, with its comment"
    bare = {}
    for r, p in modules():
        for f, args, said in parameters(p):
            if missing := [a.arg for a in args if a not in said]: bare[f'{module_name(r)}.{f.name}'] = missing
    assert not bare, f'{sum(map(len, bare.values()))} parameters without a comment of their own: {bare}'

RETURNS = .917 # share of the functions that give something and say what, by a type or a comment; raised, never lowered

def returns(p):
    "(name, whether typed or described) of each public function and method of a module that gives something"
    text = p.read_text(encoding='utf-8')
    lines = text.splitlines()
    for n in (n for _, n in public(p)):
        inside = [n] if isinstance(n, ast.FunctionDef) else [m for m in n.body if isinstance(m, ast.FunctionDef)]
        for f in inside:
            gives = any(isinstance(o, (ast.Yield, ast.YieldFrom)) or isinstance(o, ast.Return) and o.value is not None
                        for o in ast.walk(f))
            if gives and not f.name.startswith('_'):
                end = lines[max(f.lineno, f.body[0].lineno - 1) - 1].lstrip()
                yield f.name, f.returns is not None or '#' in end and end.startswith((')', 'def '))

def test_what_a_function_gives_is_said():
    found = {f'{module_name(r)}.{name}': ok for r, p in modules() for name, ok in returns(p)}
    bare = [k for k, ok in found.items() if not ok]
    assert len(bare) <= (1 - RETURNS)*len(found), f'{len(bare)} of {len(found)} say neither: {bare}'

FOREIGN = {"'limit' in str(e)", "'Traceback' not in str(e)"} # the csv module's words, and a loader's

def test_nothing_branches_on_the_text_of_a_message():
    "Errors are data: what is wrong with a file is asked of `BadInput`'s parts, not read out of its sentence"
    def text(n):
        made = isinstance(n, ast.Call) and getattr(n.func, 'id', '') in ('str', 'repr') and n.args
        return made and getattr(n.args[0], 'id', '') in ('e', 'err', 'ex', 'error') or (
            isinstance(n, ast.Attribute) and n.attr in ('what', 'sentence', 'remedy'))
    found = {
        f'{rel}: {ast.unparse(n)}'
        for rel, p in modules()
        for n in ast.walk(ast.parse(p.read_text(encoding='utf-8')))
        if isinstance(n, ast.Compare) and any(map(text, [n.left, *n.comparators])) and ast.unparse(n) not in FOREIGN
    }
    assert not found, found

def test_rooms_that_need_no_torch():
    mods = [module_name(r) for r, _ in modules() if room_of(r) in NO_TORCH] + ['usbook', 'usbook.studies.study']
    code = (f'import sys, importlib\nfor m in {mods!r}:\n importlib.import_module(m)\n assert not {{"torch","fastai"}} '
            f'& set(sys.modules), m')
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert r.returncode == 0, r.stderr[-500:]

def test_style():
    "ruff, with the rules that agree with the house style (pyproject.toml)"
    r = subprocess.run(
        [sys.executable, '-m', 'ruff', 'check', '--output-format', 'concise', 'nbs', 'tests', 'tools', 'benchmarks'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert r.returncode == 0, r.stdout[-3000:]

def test_at_most_two_packed_names():
    "`a, b = 1, 2` is a pair; three in a row are a riddle. A function's answer may be unpacked"
    found = [
        f'{nb.relative_to(ROOT)}: {ast.unparse(n)[:90]}'
        for nb in NBS
        for c in cells(nb)
        if c['cell_type'] == 'code'
        for n in ast.walk(_tree(source(c)))
        if isinstance(n, ast.Assign)
        and isinstance(n.targets[0], ast.Tuple)
        and isinstance(n.value, ast.Tuple)
        and len(n.targets[0].elts) > 2
        and not any(isinstance(v, ast.Starred) for v in n.value.elts)
    ]
    assert not found, found

WORDS = re.compile(r'\b(?:learnt|weighed|called_[ab]|(?:was|were|those) called|'
                   r'called (?:so|wrongly|rightly|something else|in error|a finding|ill))\b')

def test_words_of_the_house():
    "Learned, weighted, predicted: in every cell, in what the widgets show, in what a study says"
    texts = {nb: '\n'.join(map(source, cells(nb))) for nb in NBS} | {
        p: p.read_text(encoding='utf-8') for kind in ('*.js', '*.toml', '*.j2') for p in (ROOT/'usbook').rglob(kind)}
    found = {str(p.relative_to(ROOT)): m for p, t in texts.items() if (m := WORDS.findall(t))}
    assert not found, found
    assert not [p.name for p in texts if p.suffix == '.js' and re.search(r'\bcalled\b', texts[p])]

STORED = re.compile( # written by a program, or kept as it came
    r'\.(png|ttf|po|ipynb|csv|json|safetensors|lock)$' # cells are ruff's; the texts of catalogues are one line each
    r'|^usbook/(?!.*__\w+__\.py$).*\.py$|^usbook/weights/README\.md$' # from the notebooks; from the backbone's facts
    r'|^README(\.zh)?\.md$|^data_samples/.*README\.md$' # from `index.ipynb`; from a sample's settings
    r'|^tests/audit_texts\.toml$') # texts of papers, with their own line breaks

def test_at_most_120_columns():
    "In every file that a person writes and reads: scripts, style sheets, templates, texts, settings"
    names = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    read = [f for f in names.split('\0') if f and not STORED.search(f) and (ROOT/f).is_file()]
    assert {'.js', '.css', '.j2', '.md', '.toml', '.py', '.yml'} <= {Path(f).suffix for f in read}
    long = [f'{f}:{i}' for f in read
            for i, l in enumerate((ROOT/f).read_text(encoding='utf-8').splitlines(), 1) if len(l) > 120]
    assert not long, long

def _tree(text):
    try: return ast.parse(re.sub(r'^\s*[%!].*$', 'pass', text, flags=re.M))
    except SyntaxError: return ast.parse('')

def test_chapters_and_library_never_import_nbdev():
    for _, p in modules(): assert not re.search(r'^\s*(from|import) nbdev', p.read_text(encoding='utf-8'), re.M), p
    for nb in CHAPTERS:
        assert not any(
            re.search(r'^\s*(from|import) nbdev', source(c), re.M) for c in cells(nb) if c['cell_type'] == 'code'
        ), nb

# Shown where defined ---------------------------------------------------------------------------------------

SHOWN = .92 # share of the public definitions that a cell uses soon after they are made; raised, never lowered

def defined_and_shown(nb):
    "(name, whether used) of each public function and class: before the next exported cell, or in the next three"
    code = [c for c in cells(nb) if c['cell_type'] == 'code']
    exported = [bool(re.search(r'^#\|\s*exports?\b', source(c), re.M)) for c in code]
    used = [_words(_tree(source(c))) if not e else set() for c, e in zip(code, exported)]
    for i in (k for k, e in enumerate(exported) if e):
        until = max(next((j for j in range(i + 1, len(code)) if exported[j]), len(code)), i + 4)
        near = set().union(*used[i + 1:until])
        for n in _tree(source(code[i])).body:
            if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith('_') and not _patched(n):
                yield n.name, n.name in near

def _words(tree):
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)
    }

def test_definitions_are_shown():
    "A reader sees what a public definition gives, on something small, beside where it is made"
    found = {nb: list(defined_and_shown(nb)) for nb in NBS}
    bare = [f'{nb.parent.name}/{nb.stem}: {n}' for nb, f in found.items() for n, ok in f if not ok]
    total, shown = sum(map(len, found.values())), sum(ok for f in found.values() for _, ok in f)
    assert shown >= SHOWN*total, f'{shown} of {total} definitions are shown; without a cell that uses them: {bare}'

# The anatomy of a chapter ----------------------------------------------------------------------------------

SECTIONS = [
    "The paper's numbers",
    'The data',
    'The model',
    'The evidence',
    'Play',
    'The claims',
    'Your turn',
    'What to read next',
]

@pytest.mark.parametrize('nb', CHAPTERS, ids=lambda p: p.stem)
class TestAnatomy:
    def test_sections_in_order(self, nb):
        heads = [
            l[3:].strip()
            for c in cells(nb)
            if c['cell_type'] == 'markdown'
            for l in source(c).splitlines()
            if l.startswith('## ')
        ]
        assert [h for h in heads if h in SECTIONS] == SECTIONS, heads

    def test_opening(self, nb):
        text = '\n'.join(source(c) for c in cells(nb)[:4])
        assert re.search(r'\b\d+ minutes\b', text) and 'able to' in text and re.search(r'\b20\d\d\b', text)

    def test_leak_check_before_first_learner(self, nb):
        code = [source(c) for c in cells(nb) if c['cell_type'] == 'code']
        leak = next(i for i, c in enumerate(code) if 'check_leaks(' in c)
        train = next(
            i
            for i, c in enumerate(code)
            if re.search(r'Learner\(|\btrain\(|_learner\(|fit_head\(|stored_fits?\(|find_all_lungs\(', c)
            and '#| export' not in c
        )
        assert leak < train

    def test_widget_has_static_figure_beneath(self, nb):
        code = [source(c) for c in cells(nb) if c['cell_type'] == 'code']
        shown = [i for i, c in enumerate(code) if re.search(r'\bexplore_\w+\(|\bplay_\w+\(', c)]
        assert shown
        for i in shown: assert any('.figure()' in c for c in code[i:i+2]), code[i]

    def test_exports_nothing(self, nb):
        assert not any('#| export' in source(c) or 'default_exp' in source(c) for c in cells(nb))

    def test_has_gap_ledger_and_tasks(self, nb):
        text = '\n'.join(source(c) for c in cells(nb) if c['cell_type'] == 'markdown').lower()
        assert 'gap ledger' in text and 'leak' in text

@pytest.mark.parametrize('nb', NBS, ids=lambda p: p.stem)
def test_cells_are_short(nb):
    ("One idea a cell: where it is a lesson, median at most 5 lines, 9 in 10 at most 15; exported code, 9 in 10 at "
     "most 30")
    def lines(which):
        return sorted(
            len([l for l in source(c).splitlines() if l.strip()])
            for c in cells(nb)
            if c['cell_type'] == 'code' and which(c)
        )
    def nine_in_ten(n): return n[int(.9*len(n)) - 1] if n else 0
    lesson, export = (
        lines(lambda c: nb in CHAPTERS or '#| export' not in source(c)),
        lines(lambda c: '#| export' in source(c)),
    )
    if lesson: assert statistics.median(lesson) <= 5 and nine_in_ten(lesson) <= 15, lesson
    assert nine_in_ten(export) <= 30, export

def test_every_widget_of_a_chapter_has_a_picture_beneath_it():
    "A printed page, or one that is not trusted to run scripts, still teaches"
    for nb in CHAPTERS:
        figures = [
            c['outputs']
            for c in cells(nb)
            if c['cell_type'] == 'code' and re.search(r'^\w+\.figure\(\)', source(c), re.M)
        ]
        assert figures and all(any('image/png' in o.get('data', {}) for o in outs) for outs in figures), (
            f'{nb.name}: a cell with `.figure()` shows none; no semicolon after it'
        )

def test_settings_of_jupyterlab_are_known_to_it():
    "A misspelt one would be ignored in silence"
    share = Path(sys.prefix)/'share'/'jupyter'
    ours = json.loads(
        (ROOT / 'usbook' / 'widgets' / 'static' / 'labconfig' / 'default_setting_overrides.json').read_text(
            encoding='utf-8'
        )
    )
    for plugin, values in ours.items():
        package, name = plugin.split(':')
        file = next(
            f
            for f in (
                share / 'lab' / 'schemas' / package / f'{name}.json',
                share / 'labextensions' / package / 'schemas' / package / f'{name}.json',
            )
            if f.exists()
        )
        known = json.loads(file.read_text(encoding='utf-8'))['properties']
        for k, v in values.items():
            assert k in known, f'{plugin}: {k}'
            if isinstance(v, dict): assert set(v) <= set(known[k]['default']), f'{plugin}: {k}'

def test_no_notebook_uses_interact():
    ("Run by nbconvert, a figure inside ipywidgets' Output can stand still for ever (nbconvert 2029); an observed "
     "slider and an Image can't")
    for nb in NBS:
        code = '\n'.join(source(c) for c in cells(nb) if c['cell_type'] == 'code')
        assert not re.search(r'\binteract(ive)?(_output)?\(|\bOutput\(', code), nb

def test_no_dead_widgets_are_kept():
    "The view of a widget whose kernel is gone shows nothing, and its state makes megabytes"
    for nb in NBS:
        d = json.loads(nb.read_text(encoding='utf-8'))
        views = [
            o
            for c in d['cells']
            for o in c.get('outputs', [])
            if 'application/vnd.jupyter.widget-view+json' in o.get('data', {})
        ]
        assert 'widgets' not in d['metadata'] and not views, nb
