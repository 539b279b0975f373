"""Catalogues for translators: what learners read, sentence by sentence, as gettext PO files under usbook/locale/<lang>.

`python tools/translate.py` brings them up to date with the sources and prints how much is translated;
`--check` writes nothing and ends with 1 where a translation contradicts its source; `--new fr` begins a language.
A translation whose source has changed is kept, marked fuzzy, and not shown until somebody has looked at it.
"""

import argparse
import ast
import json
import re
import sys
from pathlib import Path

from babel.messages import pofile
from babel.messages.catalog import Catalog

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / 'usbook' / 'locale'
HEADER = (
    '# Translations of usbook.\n'
    '# A translation belongs to one source text; `make translate` marks it fuzzy when the source changes.'
)

# -------------------------------------------------------------------------------------- notebooks

_HEAD = re.compile(r'(#{1,6} +)(.*)')
_ITEM = re.compile(r'(\s*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?)(.*)', re.S)
_RULE = re.compile(r'\s*(\|?[\s:|-]+\|[\s:|-]*|-{3,}|\*{3,}|:{3,}.*|<!--.*-->)\s*')
_TAG = re.compile(r'<[^>]*>')
_LETTERS = re.compile(r'[^\W\d_]{2,}')


def _wants(text):
    "Whether there is anything to translate: words outside of code, formulas, links' targets and tags"
    bare = re.sub(r'`[^`]*`|\$[^$]+\$|\]\([^)]*\)|https?://\S+', ' ', _TAG.sub(' ', text))
    return bool(_LETTERS.search(re.sub(r'[\u4e00-\u9fff]+', ' ', bare)))


def segments(
    markdown: str,  # a cell
) -> list:  # of (text, whether it is for translation); joined, the texts are the cell
    "A cell's paragraphs, headings, items and table cells, and what is between them"
    out, lines, i = [], markdown.splitlines(keepends=True), 0

    def add(text, unit=False):
        if unit and not _wants(text):
            unit = False
        if unit:
            body = text.strip()
            lead, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
            out.extend([(lead, False), (body, True), (tail, False)])
        else:
            out.append((text, False))

    while i < len(lines):
        line = lines[i]
        bare = line.strip()
        if bare.startswith(('```', '~~~', '$$', '\\begin')):
            end = {'$$': '$$', '\\b': '\\end'}.get(bare[:2], bare[:3])
            add(line)
            i += 1
            if not (end == '$$' and len(bare) > 2 and bare.endswith('$$')):
                while i < len(lines):
                    add(lines[i])
                    i += 1
                    if lines[i - 1].strip().startswith(end) or lines[i - 1].rstrip().endswith(end) and end == '$$':
                        break
            continue
        if not bare or _RULE.fullmatch(bare):
            add(line)
        elif bare.startswith('|'):
            for piece in re.split(r'((?<!\\)\|)', line):
                add(piece, piece != '|')
        elif m := _HEAD.fullmatch(line.rstrip('\n')):
            add(m[1])
            add(m[2], True)
            add(line[len(m[0]) :])
        else:
            quote = re.match(r'(\s*>\s?)*', line)[0]
            block = [line[len(quote) :]]
            while i + 1 < len(lines) and _goes_on(lines[i + 1], quote):  # a paragraph or an item runs on
                i += 1
                block.append(lines[i][len(quote) :] if lines[i].startswith(quote) else lines[i].lstrip())
            m = _ITEM.fullmatch(block[0])
            mark, text = (m[1], m[2] + ''.join(block[1:])) if m else ('', ''.join(block))
            add(quote + mark)
            add(text if not quote else text.replace('\n', '\n' + quote).removesuffix(quote), True)
        i += 1
    return [(t, u) for t, u in out if t]


def _goes_on(line, quote):
    "Whether a line belongs to the paragraph above it"
    bare = line[len(quote) :] if quote and line.startswith(quote) else line
    if not bare.strip() or quote and not line.startswith(quote):
        return False
    if not quote and re.match(r'\s*>', bare):
        return False
    return not (
        _HEAD.match(bare)
        or _ITEM.fullmatch(bare)
        or _RULE.fullmatch(bare.strip())
        or bare.strip().startswith(('|', '```', '~~~', '$$'))
    )


def notebook_units(path):
    "Of (text, place) of every text in a notebook"
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    for c in cells:
        if c['cell_type'] == 'markdown':
            for text, unit in segments(''.join(c['source'])):
                if unit:
                    yield text, f"{path.relative_to(ROOT).as_posix()}#{c.get('id', '')}"


# -------------------------------------------------------------------------------------- Python

_PLURAL = {
    '',
    's',
    'es',
    'y',
    'ies',
    'is',
    'are',
    'was',
    'were',
    'has',
    'have',
    'it',
    'they',
    'its',
    'their',
    'them',
    'this',
    'these',
    'a',
    'an',
    'does',
    'do',
    'an ',
    'a ',
    'that',
    'those',
    "doesn't",
    "don't",
    'lies',
    'lie',
}
_SHOWN = {'set_xlabel', 'set_ylabel', 'set_title', 'add_parser', 'add_argument_group', 'add_column'}
_KEYS = {'title', 'label', 'xlabel', 'ylabel', 'help', 'description', 'caption', 'tooltip'}
_CODE = re.compile(
    r'^#!|^\s*[<{.@]|;\n|\w=\"|^(from|import|SELECT|def|const|var) |^[\w.]+\([^)]*\)$|doi:10|https?://\S+$'
    r'|^[a-z_]+,[a-z_,<>]+$|\\[dswb]\b|\(\?[:=!P]'
)


def _constant_ends(node):
    "The texts a placeholder may become, where all are written in the source; else None"
    if isinstance(node, ast.IfExp):
        ends = [_constant_ends(node.body), _constant_ends(node.orelse)]
        return None if None in ends else ends[0] + ends[1]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        one = node.left if isinstance(node.left, ast.Constant) else node.right
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            return [one.value, '']
    return None


def _name_of(node):
    "A word for a placeholder"
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        s = node.slice
        return (
            s.value
            if isinstance(s, ast.Constant) and isinstance(s.value, str) and s.value.isidentifier()
            else _name_of(node.value)
        )
    if isinstance(node, ast.Call):
        f = node.func
        if isinstance(f, ast.Attribute) and f.attr == 'join':
            return _name_of(node.args[0])
        if node.args and isinstance(f, ast.Name):
            return _name_of(node.args[0])
        return _name_of(f.value) if isinstance(f, ast.Attribute) else 'x'
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and (n := _name_of(child)) != 'x':
            return n
    return 'x'


def f_text(
    node,  # ast.JoinedStr
) -> tuple:  # (text with {placeholders}, texts that stand in their places)
    "An f-string as a translator sees it; {_s} is the ending of a plural, which a translation may leave out"
    out, inside, used = [], [], {}
    for v in node.values:
        if isinstance(v, ast.Constant):
            out.append(v.value.replace('{', '{{').replace('}', '}}'))
            continue
        ends = _constant_ends(v.value)
        if ends is not None and set(ends) <= _PLURAL:
            name = '_' + (next(filter(None, ends)).strip(" '").replace("'", '') or 's')
        else:
            name = _name_of(v.value).strip('_') or 'x'
            inside += [e for e in ends or () if _LETTERS.search(e)]
        used[name] = used.get(name, 0) + 1
        out.append('{' + name + (str(used[name]) if used[name] > 1 else '') + '}')
    return ''.join(out), inside


def _sum_leaves(node):
    "What a sum of texts is made of, as values of an f-string; None for any other sum"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _sum_leaves(node.left) or [node.left], _sum_leaves(node.right) or [node.right]
        return left + right
    return None


def _joined(node):
    "A sum with a text in it as one f-string; None for anything else"
    leaves = _sum_leaves(node)
    if not leaves or not any(
        isinstance(o, ast.JoinedStr) or isinstance(o, ast.Constant) and isinstance(o.value, str) for o in leaves
    ):
        return None
    values = []
    for o in leaves:
        if isinstance(o, ast.JoinedStr):
            values += o.values
        elif isinstance(o, ast.Constant) and isinstance(o.value, str):
            values.append(o)
        else:
            values.append(ast.FormattedValue(value=o, conversion=-1, format_spec=None))
    return ast.JoinedStr(values=values)


_NOBODY = {'export default', 'panel w6', 'lower center', 'text-align: left'}


def _prose(text):
    "Whether a string is meant for people"
    if text in _NOBODY or re.fullmatch('(?:outside )?(upper|lower|center) (left|right|center)', text):
        return False
    bare = re.sub(r'\{\w*\}', ' ', text)
    return len(re.findall(r'[A-Za-z]{2,}', bare)) >= 2 and ' ' in text.strip() and not _CODE.search(text)


def _unread(tree):
    "ids of nodes that nobody reads: docstrings, parts of f-strings, patterns, `__all__`, asserted types"
    skip = set()

    def leave(node):
        skip.update(id(n) for n in ast.walk(node))

    for n in ast.walk(tree):
        if isinstance(n, (ast.Module, ast.FunctionDef, ast.ClassDef)) and n.body and isinstance(n.body[0], ast.Expr):
            leave(n.body[0].value)
        if isinstance(n, ast.JoinedStr):
            for v in n.values:
                if isinstance(v, ast.Constant):
                    skip.add(id(v))
                elif v.format_spec is not None:
                    leave(v.format_spec)
        if isinstance(n, ast.Call):
            f = n.func
            called = f.attr if isinstance(f, ast.Attribute) else getattr(f, 'id', '')
            if called in (
                'compile',
                'findall',
                'fullmatch',
                'sub',
                'finditer',
                'getattr',
                'setattr',
                'Enum',
                'TypeVar',
            ):
                leave(n)
            if called == 'Term':  # name and Chinese are the glossary's own; what they mean is for translation
                for a in n.args[:3]:
                    leave(a)
        if isinstance(n, ast.Assign) and any(
            getattr(t, 'id', '') in ('__all__', 'CITATIONS', '_POLICY', '_STYLE') for t in n.targets
        ):
            leave(n.value)
    return skip


def _single_words(tree):
    "Single words that are shown: heads of tables, axes, titles"
    for n in ast.walk(tree):
        if not isinstance(n, ast.Call):
            continue
        f = n.func
        called = f.attr if isinstance(f, ast.Attribute) else getattr(f, 'id', '')
        seen = [k.value for k in n.keywords if k.arg in _KEYS]
        if called in _SHOWN and n.args:
            seen.append(n.args[0])
        if called == 'show_table' and n.args:
            seen += n.args[0].elts if isinstance(n.args[0], ast.List) else []
        for s in seen:
            if isinstance(s, ast.Constant) and isinstance(s.value, str) and re.fullmatch(r'[A-Za-z][a-z-]+', s.value):
                yield s.value


def _html_texts(text):
    "Texts between the tags of a string that builds a page"
    for piece in _TAG.split(text):
        piece = re.sub(r'\s+', ' ', piece).strip()
        if (
            len(re.findall(r'[A-Za-z]{2,}', re.sub(r'\{\w*\}', ' ', piece))) >= 1
            and re.search('[a-z]{3}', piece)
            and not re.search(r'[{};]\s*$|^[.#@:]|[a-z-]+:\s*[^ ]+;|function|=>', piece)
        ):
            yield piece


def python_units(path):
    "Of (text, place) of every message of a module"
    tree, place = ast.parse(path.read_text(encoding='utf-8')), path.relative_to(ROOT).as_posix()
    skip = _unread(tree)
    nodes = sorted(
        ast.walk(tree),
        key=lambda n: (getattr(n, 'lineno', 0), getattr(n, 'col_offset', 0), -getattr(n, 'end_lineno', 0)),
    )
    for n in nodes:
        if id(n) in skip:
            continue
        inside = ()
        if isinstance(n, ast.BinOp) and (whole := _joined(n)):
            for o in _sum_leaves(n):
                skip.add(id(o))
            skip.update(id(o) for o in ast.walk(n) if isinstance(o, ast.BinOp) and isinstance(o.op, ast.Add))
            skip.update(id(v) for v in whole.values if isinstance(v, ast.Constant))
            n = whole
        if isinstance(n, ast.JoinedStr):
            text, inside = f_text(n)
        elif isinstance(n, ast.Constant) and isinstance(n.value, str):
            text = n.value
        else:
            continue
        if re.search(r'<(p|h\d|td|th|li|div|title|figcaption|span|label|b|a|section|html)\b', text):
            for piece in _html_texts(text):
                yield piece, place
            continue
        text = text.strip()
        if _prose(text):
            yield text, place
        elif (
            isinstance(n, ast.JoinedStr)
            and _LETTERS.search(re.sub(r'\{\w*\}', '', text))
            and ' ' in text
            and not _CODE.search(text)
        ):
            yield text, place
        for t in inside:
            if t.strip():
                yield t.strip(), place
    for word in _single_words(tree):
        yield word, place


# -------------------------------------------------------------------------------------- JavaScript


def js_strings(code: str) -> list:  # of str; `${...}` of a template becomes {name}
    "The strings and templates of a script"
    out, i, last = [], 0, ''
    while i < len(code):
        c = code[i]
        if code.startswith('//', i):
            i = (code.find('\n', i) + 1) or len(code)
            continue
        if code.startswith('/*', i):
            i = code.find('*/', i) + 2
            continue
        if c == '/' and (last in '(,=:[!&|?{};\n' or re.search(r'\breturn\s*$', code[:i][-9:])):
            m = re.match(r'/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]*', code[i:])
            if m:
                i += m.end()
                last = '/'
                continue
        if c in '"\'':
            m = re.match(r'"((?:\\.|[^"\\])*)"|\'((?:\\.|[^\'\\])*)\'', code[i:])
            out.append(re.sub(r'\\(.)', r'\1', m[1] if m[1] is not None else m[2]))
            i += m.end()
            last = '"'
            continue
        if c == '`':
            text, i, deeper = _template(code, i + 1)
            out += [text, *deeper]
            last = '"'
            continue
        if not c.isspace():
            last = c
        i += 1
    return out


def _template(code, i):
    "A template from its first character on: its text, where it ends, the strings within its expressions"
    text, deeper, used = '', [], {}
    while code[i] != '`':
        if code[i] == '\\':
            text += code[i + 1]
            i += 2
            continue
        if code.startswith('${', i):
            start, depth = i + 2, 1
            i += 2
            while depth:
                if code[i] == '`':
                    _, i, more = _template(code, i + 1)
                    deeper += more
                    continue
                if code[i] in '"\'':
                    m = re.match(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', code[i:])
                    i += m.end()
                    continue
                depth += (code[i] == '{') - (code[i] == '}')
                i += 1
            inner = code[start : i - 1]
            deeper += js_strings(inner) if '`' not in inner else []
            ends = re.findall(r'"([^"]*)"', inner) if '?' in inner else []
            name = next(
                (
                    w
                    for w in re.findall(r'[A-Za-z_]\w*', re.sub(r'"[^"]*"', '', inner))
                    if w not in ('fmt', 'percent', 'plural', 'counted')
                ),
                'x',
            )
            if ends and set(ends) <= _PLURAL:
                name = '_' + (next(filter(None, ends), 's').strip())
            used[name] = used.get(name, 0) + 1
            text += '{' + name + (str(used[name]) if used[name] > 1 else '') + '}'
            continue
        text += code[i]
        i += 1
    return text, i + 1, deeper


def js_units(path):
    "Of (text, place) of every text of a script"
    place = path.relative_to(ROOT).as_posix()
    for text in js_strings(path.read_text(encoding='utf-8')):
        text = text.strip()
        bare = re.sub(r'\{\w*\}', ' ', text)
        if not re.search(r'[A-Za-z]{2,}', bare) or re.search(
            r'[<>;#]|^\.|^\W*$|^[a-z]+(-[a-z]+)+$|px|var\(|url\(|^M ?\{|translate\(', text
        ):
            continue
        if ' ' in text and _LETTERS.search(bare):
            yield text, place
        elif (
            re.fullmatch(r'[A-Z][a-z]+', text)
            and text[1:].islower()
            and not re.match(r'Arrow|Page|Home|End|Enter|Escape|Tab', text)
        ):
            yield text, place


# -------------------------------------------------------------------------------------- studies, templates, words

_TOML_LEAVE = {
    'id',
    'authors',
    'journal',
    'doi',
    'title_original',
    'summary_zh',
    'expression',
    'date',
    'backbone',
    'holds_if',
    'printed',
    'name',
    'source',
    'classes',
    'class_names',
    'unit',
    'per_class',
}


def toml_units(path):
    "Of (text, place) of every sentence of a study"
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib

    def walk(o, key=''):
        if key in _TOML_LEAVE:
            return
        if isinstance(o, dict):
            for k, v in o.items():
                yield from walk(v, k)
        elif isinstance(o, list):
            for v in o:
                yield from walk(v, key)
        elif isinstance(o, str) and _LETTERS.search(o) and (' ' in o or key in ('modality', 'task')):
            yield o.strip()

    place = path.relative_to(ROOT).as_posix()
    for text in walk(tomllib.loads(path.read_text(encoding='utf-8'))):
        yield text, place


def template_units(path):
    "Of (text, place) of what a template marks with {% trans %}"
    from jinja2 import Environment

    env = Environment(extensions=['jinja2.ext.i18n'], trim_blocks=False)
    env.policies['ext.i18n.trimmed'] = True
    for _, _, text in env.extract_translations(path.read_text(encoding='utf-8')):
        if isinstance(text, str):
            yield _named(text), path.relative_to(ROOT).as_posix()


def _named(text):  # Jinja writes %(name)s
    return re.sub(r'%\((\w+)\)s', r'{\1}', text).replace('%%', '%')


def word_units():
    "Of (text, place, known translation): metrics, terms and classes, as they are shown alone"
    from usbook.evidence.glossary import GLOSSARY
    from usbook.studies.study import STUDIES

    place = 'usbook/evidence/glossary.py'
    for t in GLOSSARY:
        for i, name in enumerate(dict.fromkeys([t.names[0], t.key.replace('_', ' ')])):
            yield name, place, t.zh.split(',')[0].strip()
    for s in STUDIES.values():
        for c, zh in s.class_names.items():
            for shown in dict.fromkeys([c, c.replace('_', ' ')]):
                yield shown, f'usbook/studies/{s.id}.toml', zh
    for w in WORDS:
        yield w.replace('_', ' '), 'tools/translate.py', ''


# shown alone, as heads of tables and labels; further words are added here ('_' stands for a blank)
WORDS = '''supported not_supported inconclusive not_tested image images patient patients scan scans slice slices
    frame frames woman women event events class classes metric claim verdict ours paper value all study
    chapter yes no train valid test target predicted reader readers model models accuracy sensitivity
    specificity precision recall support frozen finetuned fine-tuned answered partly open inside outside drop
    difference positive negative sample phantom own quick workshop full random left right kind set size note
    question'''.split()

# -------------------------------------------------------------------------------------- catalogues


def sources() -> dict:  # name of a catalogue -> list of (text, place, known translation)
    "Everything that is to be translated"
    found = {}

    def add(name, units):
        for u in units:
            found.setdefault(name, []).append((*u, '')[:3])

    add('words', word_units())
    for f in sorted((ROOT / 'nbs').rglob('*.ipynb')):
        if '.ipynb_checkpoints' not in f.parts:
            add(f.relative_to(ROOT).with_suffix('').as_posix(), notebook_units(f))
    for f in sorted((ROOT / 'usbook').rglob('*.py')):
        rel = f.relative_to(ROOT / 'usbook')
        if f.name == '_modidx.py':
            continue
        name = {
            'classroom/exercises': 'exercises',
            'evidence/glossary.py': 'glossary',
            'evidence/checklists.py': 'checklists',
        }
        own = next((v for k, v in name.items() if rel.as_posix().startswith(k)), None)
        add(own or f'messages/{rel.parts[0] if len(rel.parts) > 1 else "cli"}', python_units(f))
    for f in sorted((ROOT / 'usbook' / 'widgets' / 'static').glob('*.js')):
        add('messages/widgets', js_units(f))
    for f in sorted((ROOT / 'usbook' / 'runs').glob('*.html.j2')):
        add('reports', template_units(f))
    for f in sorted((ROOT / 'usbook' / 'studies').glob('*.toml')):
        add('studies', toml_units(f))
    return found


def template(lang, units):
    "A catalogue with nothing but sources"
    cat = Catalog(locale=lang, header_comment=HEADER, project='usbook', version='1', charset='utf-8', fuzzy=False)
    for text, place, known in units:
        cat.add(text, known if text not in cat else None, locations=[(place, 0)], flags=())
    return cat


def read(path, lang):
    with open(path, 'rb') as f:
        return pofile.read_po(f, locale=lang)


def write(path, cat):
    import io

    out = io.BytesIO()
    pofile.write_po(out, cat, width=0, include_lineno=False, omit_header=False, ignore_obsolete=False)
    head = re.sub(
        rb'"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Report-Msgid-Bugs-To|Generated-By|'
        rb'Project-Id-Version)[^\n]*\n',
        b'',
        out.getvalue(),
    )
    if path.is_file() and path.read_bytes() == head:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head)
    return True


def update(lang: str) -> dict:  # name of a catalogue -> (translated, fuzzy, all)
    "Bring a language's catalogues up to date; texts that are gone stay at the end of their file"
    counts, found = {}, sources()
    for name, units in found.items():
        path, new = LOCALE / lang / f'{name}.po', template(lang, units)
        if path.is_file():
            old = read(path, lang)
            known = {u[0]: u[2] for u in units if u[2]}
            for m in new:
                m.string = '' if m.id else m.string
            old.update(new, no_fuzzy_matching=False, update_header_comment=True, update_creation_date=False)
            for m in old:
                if m.id and not m.string and m.id in known:
                    m.string = known[m.id]
            new = old
        write(path, new)
        counts[name] = coverage(new)
    for path in sorted((LOCALE / lang).rglob('*.po')):
        if path.relative_to(LOCALE / lang).with_suffix('').as_posix() not in found:
            print(f'{path.relative_to(ROOT)}: its source is gone; what it holds may be moved, then remove it')
    return counts


def coverage(cat):  # translated, fuzzy, all
    real = [m for m in cat if m.id]
    return sum(bool(m.string) and not m.fuzzy for m in real), sum(bool(m.string) and m.fuzzy for m in real), len(real)


def part(name):
    return name.rsplit('/', 1)[0] if '/' in name else name


def show(lang, counts):
    parts = {}
    for name, c in counts.items():
        parts[part(name)] = [a + b for a, b in zip(parts.get(part(name), (0, 0, 0)), c)]
    print(f'{lang}: translated, to be looked at again, all')
    for k, (done, fuzzy, n) in sorted(parts.items()):
        print(f'  {k:28}{done:6}{fuzzy:6}{n:6}  {100 * done // max(n, 1):3} %')
    done, fuzzy, n = map(sum, zip(*counts.values()))
    print(f'  {"all":28}{done:6}{fuzzy:6}{n:6}  {100 * done // max(n, 1):3} %')


def todo(lang, name):  # [{en, translation ''}] of one catalogue, in the order of its source
    old = read(LOCALE / lang / f'{name}.po', lang)
    return [{'en': m.id, lang: m.string if m.fuzzy else ''} for m in old if m.id and (m.fuzzy or not m.string)]


def fill(lang, name, pairs):
    "Put translations into a catalogue; what it does not ask for is said"
    path = LOCALE / lang / f'{name}.po'
    cat = read(path, lang)
    for p in pairs:
        m = cat.get(p['en'])
        if m is None:
            print(f'{name}: no such text: {p["en"][:80]!r}')
        elif p[lang]:
            m.string = p[lang]
            m.flags.discard('fuzzy')
            m.previous_id = []
            m.user_comments = list(dict.fromkeys([*m.user_comments, *([p['comment']] if p.get('comment') else [])]))
    write(path, cat)


def languages():
    return sorted(p.name for p in LOCALE.iterdir() if p.is_dir() and any(p.rglob('*.po')))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--check', action='store_true', help='write nothing; say what contradicts its source')
    p.add_argument('names', nargs='*', help='of catalogues to check: messages/data, nbs/chapters ...; default: all')
    p.add_argument('--new', metavar='LANG', help='begin a language')
    p.add_argument('--todo', metavar='NAME', help='what a catalogue still lacks, as JSON')
    p.add_argument('--fill', metavar='NAME', help='put such JSON, from standard input, back into a catalogue')
    p.add_argument('--lang', default='zh', help='the language of --todo and --fill (zh)')
    args = p.parse_args()
    if args.todo:
        return print(json.dumps(todo(args.lang, args.todo), ensure_ascii=False, indent=0))
    if args.fill:
        return fill(args.lang, args.fill, json.load(sys.stdin))
    if args.check:
        from check_translations import problems

        wrong = [w for lang in languages() for w in problems(lang, args.names)]
        print('\n'.join(wrong) if wrong else 'No translation contradicts its source.')
        return 1 if wrong else 0
    for lang in languages() + ([args.new] if args.new else []):
        show(lang, update(lang))
    return 0


if __name__ == '__main__':
    sys.exit(main())
