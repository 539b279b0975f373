"API entries from source text: signatures, docstrings and the comments beside parameters, without importing anything"
import ast, copy, io, re, tokenize
from functools import reduce

def comments(src:str)->dict: # line -> comment; one that stands alone goes on from the line above
    found = {}
    for t in tokenize.generate_tokens(io.StringIO(src).readline):
        if t.type != tokenize.COMMENT: continue
        row, text = t.start[0], t.string.lstrip('#').strip()
        if t.line.strip().startswith('#') and row - 1 in found: found[row-1] += ' ' + text
        else: found[row] = text
    return found

def plain(text:str)->str: # Markdown in which only `code` means something
    parts = re.split(r'(`[^`]*`)', text)
    return ''.join(p if i % 2 else re.sub(r'([\\<>*\[\]$_#&|~])', r'\\\1', p) for i, p in enumerate(parts))

def params(args:ast.arguments, notes:dict, skip=0)->list: # Markdown list: what is said of the parameters
    plain_args = [*args.posonlyargs, *args.args]
    defaults = [None]*(len(plain_args) - len(args.defaults)) + args.defaults
    rows = [*zip(plain_args, defaults)][skip:]
    if args.vararg: rows.append((args.vararg, None))
    rows += zip(args.kwonlyargs, args.kw_defaults)
    if args.kwarg: rows.append((args.kwarg, None))
    lines = {}
    for a, d in rows: lines.setdefault(max(a.end_lineno, getattr(d, 'end_lineno', 0) or 0), []).append(a.arg)
    return [
        f'- {", ".join(f"`{n}`" for n in names)}: {plain(notes[l])}' for l, names in sorted(lines.items()) if l in notes
    ]

def fields(node:ast.ClassDef)->list:
    return [s for s in node.body if isinstance(s, ast.AnnAssign) and not s.target.id.startswith('_')]

def decorators(node):
    return {
        ast.unparse(d.func if isinstance(d, ast.Call) else d).split('.')[-1]: ast.unparse(d)
        for d in node.decorator_list
    }

class NoStars(ast.NodeTransformer):
    "`(*a, b)` as `a + (b,)`: Sphinx 8.1, the last one for Python 3.10, can't read a star"
    def visit_Tuple(self, node):
        if not any(isinstance(e, ast.Starred) for e in node.elts): return node
        parts = [e.value if isinstance(e, ast.Starred) else ast.Tuple([e], ast.Load()) for e in node.elts]
        return reduce(lambda a, b: ast.BinOp(a, ast.Add(), b), parts)

def signature(args:ast.arguments, skip=0)->str:
    text = ast.unparse(NoStars().visit(copy.deepcopy(args)))
    for a in [*args.posonlyargs, *args.args][:skip]:
        text = text.removeprefix(ast.unparse(a)).removeprefix('=None').lstrip(', ')
    return re.sub(r'\s+', ' ', text)

def directive(kind, sig, body, depth)->str:
    fence = '`'*depth
    return f'{fence}{{py:{kind}}} {sig}\n' + '\n'.join(body) + f'\n{fence}\n'

def function(node, notes, owner='', depth=5)->str:
    deco, kind, skip = decorators(node), 'function', 0
    if 'patch' in deco and node.args.args and node.args.args[0].annotation:
        owner = ast.unparse(node.args.args[0].annotation).strip("'")
    if owner:
        prop = 'property' in deco or 'as_prop=True' in deco.get('patch', '')
        kind = (
            'property'
            if prop
            else 'staticmethod'
            if 'staticmethod' in deco
            else 'classmethod'
            if 'classmethod' in deco or 'cls_method=True' in deco.get('patch', '')
            else 'method'
        )
        skip = 0 if kind == 'staticmethod' else 1
    end, row = '', node.returns.end_lineno if node.returns else 0
    given = notes.get(row) if row < node.body[0].lineno else None
    said = params(node.args, {l: c for l, c in notes.items() if l != row}, skip)
    if node.returns: end = f' -> {ast.unparse(node.returns)}'
    if given: said.append(f'- returns: {plain(given)}')
    name = f'{owner}.{node.name}' if owner and depth == 5 else node.name
    body = [plain(re.sub(r'\s+', ' ', ast.get_docstring(node) or '')), '', *said]
    if kind == 'property':
        return directive(kind, name, [f':type: {ast.unparse(node.returns)}' if node.returns else '', '', *body], depth)
    return directive(kind, f'{name}({signature(node.args, skip)}){end}', body, depth)

def klass(node, notes)->str:
    init = next((s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == '__init__'), None)
    if init: sig, said = signature(init.args, 1), params(init.args, notes, 1)
    else:
        own = fields(node)
        sig = ', '.join(
            f'{ast.unparse(f.target)}: {ast.unparse(f.annotation)}' + (f' = {ast.unparse(f.value)}' if f.value else '')
            for f in own
        )
        if 'field(' in sig: sig = re.sub(r' = field\([^)]*\)', ' = ...', sig)
        said = [f'- `{f.target.id}`: {plain(notes[f.end_lineno])}' for f in own if f.end_lineno in notes]
    inner = [
        function(s, notes, node.name, 4)
        for s in node.body
        if isinstance(s, ast.FunctionDef) and not s.name.startswith('_') and ast.get_docstring(s)
    ]
    return directive(
        'class',
        f'{node.name}({sig})' if sig else node.name,
        [plain(re.sub(r'\s+', ' ', ast.get_docstring(node) or '')), '', *said, '', *inner],
        6,
    )

def entries(src:str)->list: # (name, first line of its docstring, MyST text) of what a cell defines
    notes, out = comments(src), []
    for node in ast.parse(src).body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith('_'): continue
        own = {l: c for l, c in notes.items() if node.lineno <= l <= node.end_lineno}
        text = klass(node, own) if isinstance(node, ast.ClassDef) else function(node, own)
        name = re.search(r'\{py:\w+\} ([\w.]+)', text)[1]
        out.append((name, re.sub(r'\s+', ' ', ast.get_docstring(node) or ''), text))
    return out

def names(src:str)->list: # everything a cell defines at top level
    found = []
    for n in ast.parse(src).body:
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)): found.append(n.name)
        for t in getattr(n, 'targets', [n.target] if isinstance(n, ast.AnnAssign) else []):
            found += [o.id for o in ast.walk(t) if isinstance(o, ast.Name) and isinstance(o.ctx, ast.Store)]
    return found

def only_imports(src:str)->bool:
    return all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.parse(src).body)
