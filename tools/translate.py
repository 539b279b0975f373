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
from html import unescape
from pathlib import Path

from babel.messages import pofile
from babel.messages.catalog import Catalog

import plots
from usbook.core.shown import segments

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / 'usbook' / 'locale'
HEADER = (
    '# Translations of usbook.\n'
    '# A translation belongs to one source text; `make translate` marks it fuzzy when the source changes.'
)

# -------------------------------------------------------------------------------------- notebooks

_LETTERS = re.compile(r'[^\W\d_]{2,}')
_TAG = re.compile(r'<[^>]*>')


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
    r'^#!|^\s*(?:[<.@]|\{[{}\s"\'])|;\n|\w=\"|^(from|import|SELECT|def|const|var) |^[\w.]+\([^)]*\)$'
    r'|doi:10|https?://\S+$|^[a-z_]+,[a-z_,<>]+$|\\[dswb]\b|\(\?[:=!P]'
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


_NOBODY = {'export default', 'export function', 'text-align: left', 'input, select', 'Backspace', 'True'}
_STYLES = re.compile(
    r'(w\d+ )?panel( .*)?|ctl grow|dot \{.*|matrix quad|rotate\(.*|rgba\(.*|\(prefers-.*|# \{.*|body\{.*'
    r'|widget\.render\(.*', re.S
)  # classes of a style sheet, drawing, the card of a data set


def _unspoken(text):
    return text in _NOBODY or _STYLES.fullmatch(text)


_LEAD = re.compile(r'^[;,.] ')  # what is added to a sentence is looked up without the sign before it


def _prose(text):
    "Whether a string is meant for people"
    if _unspoken(text) or re.fullmatch('(?:outside )?(upper|lower|center) (left|right|center)', text):
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
            if isinstance(n.body[0].value, ast.Constant):
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
                'rng',
                'query',
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
    yield from tree_units(ast.parse(path.read_text(encoding='utf-8')), path.relative_to(ROOT).as_posix())


# what shows its texts in a lesson: print, a timed step, plots
_SAYING = {
    'print', 'times', 'set', 'set_title', 'set_xlabel', 'set_ylabel', 'suptitle', 'supxlabel', 'supylabel', 'title',
    'xlabel', 'ylabel', 'legend', 'text', 'annotate', 'plot', 'bar', 'barh', 'scatter', 'hist', 'errorbar', 'step',
    'fill_between', 'axhline', 'axvline', 'subplots', 'grid_of', 'set_xticks', 'set_yticks', 'set_xticklabels',
    'set_yticklabels', 'colorbar', 'set_label',
}


def lesson_units(path):
    "Of (text, place) of what the code cells of a lesson print and write into plots; in a chapter every text of theirs"
    for c in json.loads(path.read_text(encoding='utf-8'))['cells']:
        source = ''.join(c['source'])
        if c['cell_type'] != 'code' or re.search(r'^#\s*\|\s*(exports?i?|hide|default_exp)\b', source, re.M):
            continue
        tree = ast.parse(re.sub(r'^[ \t]*[%!].*', 'pass', source, flags=re.M))
        dicts = [n for n in ast.walk(tree) if isinstance(n, ast.Dict)]
        if 'chapters' not in path.parts:
            calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _says(n)]
            within = {id(o) for n in calls for o in ast.walk(n) if o is not n}
            tree.body = [ast.copy_location(ast.Expr(value=n), n) for n in calls if id(n) not in within]
            dicts = dicts if calls else []
        for text, place in tree_units(tree, f"{path.relative_to(ROOT).as_posix()}#{c.get('id', '')}"):
            if not re.fullmatch(r'[\w.]+ (=|>|<) ?[\w.]*|.*==.*', text, re.S):
                yield text, place
        for n in ast.walk(tree):
            if isinstance(n, ast.Call) and _called(n) == 'times' and isinstance(n.args[0], ast.Constant):
                yield n.args[0].value, f"{path.relative_to(ROOT).as_posix()}#{c.get('id', '')}"
        for n in dicts:  # what a plot calls its lines
            for k in n.keys:
                if isinstance(k, ast.Constant) and re.fullmatch('[A-Za-z]{2,}( [a-z]+)+', str(k.value)):
                    yield k.value, f"{path.relative_to(ROOT).as_posix()}#{c.get('id', '')}"


_HEAD = re.compile(r"[A-Za-z][A-Za-z .,:'()+-]*[A-Za-z)]")
_FILES = ({'image', 'patient'}, {'image', 'target'}, {'scan'}, {'English'})  # as `translated_table` has them
# heads of tables that no notebook is stored with: of a terminal, and two words that mean several things
HEADS = ('left side', 'right side', 'left over', 'read', 'low', 'high', 'points', 'out of', 'most often',
         'most said', 'alike')


def head_units(path):
    "Of (text, place) of the heads of the tables that a notebook is stored with; ids, files and settings stay"
    for c in json.loads(path.read_text(encoding='utf-8'))['cells']:
        for o in c.get('outputs', []):
            page = ''.join(o.get('data', {}).get('text/html', ''))
            heads = [unescape(h) for h in re.findall(r'<th\b[^>]*>([^<]+)</th>', page)] if 'dataframe' in page else []
            for h in heads if not any(f <= set(heads) for f in _FILES) else ():
                h = h.replace('_', ' ')
                if _HEAD.fullmatch(h) and _LETTERS.search(h):
                    yield h, f"{path.relative_to(ROOT).as_posix()}#{c.get('id', '')}"


def _says(node):
    return _called(node) in _SAYING or _called(node).startswith(('plot_', 'show_', 'decision_'))


def _called(node):
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')


def tree_units(tree, place):
    "Of (text, place) of every text of a piece of Python that is meant for people"
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
        text = _LEAD.sub('', text.strip())
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
    "The strings and templates of a script; one that goes on in the next line is one text"
    code = re.sub(r'(["`]) \+\n\s*\1', '', code)
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


# tags, rules of a style sheet, paths; a semicolon between words is a sentence's own
_DRAWING = re.compile(r'[<>#]|;(?! )|[a-z]: ?[^;{]*;|^\.|^\W*$|^[a-z]+(-[a-z]+)+$|px|var\(|url\(|^M ?\{|translate\(')


def js_units(path):
    "Of (text, place) of every text of a script"
    place = path.relative_to(ROOT).as_posix()
    for text in js_strings(path.read_text(encoding='utf-8')):
        text = _LEAD.sub('', text.strip())
        bare = re.sub(r'\{\w*\}', ' ', text)
        if _unspoken(text) or not re.search(r'[A-Za-z]{2,}', bare):
            continue
        if _DRAWING.search(text):
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
    "Of (text, place) of every run of text in a page's template; what is put in becomes {name}"
    place, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding='utf-8')
    text = re.sub(r'<style>.*?</style>|{#.*?#}', '', text, flags=re.S)
    for said in re.findall(r'{[{%].*?[%}]}', text, re.S):
        for word in re.findall(r"'([A-Za-z][^']*)'", said):
            if _prose(word) or re.fullmatch('[A-Z][a-z]+', word):
                yield word, place
    for spoken in re.findall(r'(?:alt|title|aria-label|data-label)="([^"{]*[a-z]{3}[^"{]*)"', text):
        yield spoken, place

    def slot(m):
        name = next(
            (w for w in re.findall(r'[A-Za-z_]\w*', m[1])[::-1] if w not in ('safe', 'join', 'replace', 'map')), 'x'
        )
        return '{' + name + '}'

    for run in re.split(r'<[^>]*>|{%.*?%}', re.sub(r'{{(.*?)}}', slot, text, flags=re.S), flags=re.S):
        run = re.sub(r'\s+', ' ', run).strip(' ;:,·')
        if re.search('[a-z]{2}', re.sub(r'\{\w*\}', '', run)):
            yield run, place


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
    for word, zh in COUNTED.items():
        yield f'{{n}} {word}', 'tools/translate.py', zh
    for text, zh in COMPOSED.items():
        yield text, 'tools/translate.py', zh
    yield 'Plots', 'tools/translate.py', '图'
    means = {'macro': '宏平均', 'micro': '微平均', 'weighted': '加权平均'}
    of = {'precision': '精确率', 'recall': '召回率', 'specificity': '特异度', 'f1': ' F1', 'auc': ' AUC'}
    for k, v in ((f'{m} {o}', zh + of[o]) for m, zh in means.items() for o in of):
        yield k, 'tools/translate.py', v
        yield k.replace(' ', '_'), 'tools/translate.py', v
    yield 'kappa linear', 'tools/translate.py', '线性加权 Kappa系数'
    yield 'kappa quadratic', 'tools/translate.py', '二次加权 Kappa系数'
    for w in ARGPARSE:
        yield w.strip(), 'tools/translate.py', ''
    for w in WORDS:
        yield w.replace('_', ' '), 'tools/translate.py', ''


# what argparse says by itself
ARGPARSE = (
    'usage: ',
    'positional arguments',
    'options',
    'show this help message and exit',
    'invalid choice: {value} (choose from {choices})',
    'the following arguments are required: {names}',
    'unrecognized arguments: {names}',
    'expected one argument',
    'argument {name}: {message}',
    'expected at least one argument',
    'see {prog} --help',
    'row',
    'Note',
    "show program's version number and exit",
    '(and {more} more problem{_s})',
    '{n} of {m}',
    '{low} to {high}',
    '{value} (95 % interval)',
)

# captions of the book
BOOK = (
    'Chapters', 'Exercises', 'For teachers', 'Library: core', 'Library: data', 'Library: phantoms',
    'Library: predictions', 'Library: learn', 'Library: evidence', 'Library: studies', 'Library: runs',
    'Library: widgets', 'Library: cli', 'Library:', 'Library: reference', 'Library: data/sets',
    'Library: evidence/audit', 'Next', 'Previous', 'Made with', 'On this page', 'Back to top', 'Skip to content',
    'Menu', 'Expand', 'Home', 'Light mode',
    'Dark mode', 'Auto light/dark, in light mode', 'Auto light/dark, in dark mode', 'Toggle site navigation sidebar',
    'Toggle Light / Dark / Auto color theme', 'Toggle table of contents sidebar', 'Every name',
    'What the library offers, module by module; each name leads to its entry, with examples beneath.',
)

# what is counted: "12 images"
COUNTED = {
    'image': '{n} 幅图像',
    'images': '{n} 幅图像',
    'patient': '{n} 名患者',
    'patients': '{n} 名患者',
    'scan': '{n} 次扫查',
    'scans': '{n} 次扫查',
    'slice': '{n} 个层面',
    'slices': '{n} 个层面',
    'frame': '{n} 帧',
    'frames': '{n} 帧',
    'clip': '{n} 段动态图像',
    'clips': '{n} 段动态图像',
    'difference': '{n} 项差别',
    'differences': '{n} 项差别',
    'false positives': '{n} 个假阳性',
    'repeats': '{n} 个重复标记',
    'lesion': '{n} 个病灶',
    'lesions': '{n} 个病灶',
    'detections': '{n} 个检出',
    'mark': '{n} 个标记',
    'marks': '{n} 个标记',
    'class': '{n} 个类别',
    'classes': '{n} 个类别',
    'event': '{n} 个事件',
    'events': '{n} 个事件',
    'woman': '{n} 名女性',
    'women': '{n} 名女性',
    'reader': '{n} 名阅片者',
    'readers': '{n} 名阅片者',
    'case': '{n} 例',
    'cases': '{n} 例',
    'row': '{n} 行',
    'rows': '{n} 行',
    'study': '{n} 项研究',
    'studies': '{n} 项研究',
    'error': '{n} 处错误',
    'errors': '{n} 处错误',
    'table': '{n} 个表',
    'tables': '{n} 个表',
    'films': '{n} 张胸片',
    'learners': '{n} 名学员',
    'seconds': '{n} 秒',
    'minutes': '{n} 分钟',
    'images of {m} patients': '{m} 名患者的 {n} 幅图像',
    'with the finding': '其中 {n} 幅有该发现',
    'with the finding ({share})': '其中 {n} 幅有该发现（{share}）',
}

# sentences that are put together from parts, as a person gets them
COMPOSED = {
    '{n} images from {m} patients': '{m} 名患者的 {n} 幅图像',
    '{n} images from {m} patients ({each})': '{m} 名患者的 {n} 幅图像（{each}）',
    'Every number of {name}': '{name} 的全部数字',
    'sensitivity at {r}': '{r} 处的灵敏度',
    'sensitivity at {r}: difference': '{r} 处灵敏度的差值',
    'operating point at {r}': '{r} 处的工作点',
    'sensitivity: difference': '灵敏度：差值',
    'specificity: difference': '特异度：差值',
    'accuracy: difference': '准确率：差值',
    'balanced accuracy: difference': '平衡准确率：差值',
    'AUC: difference': 'AUC：差值',
    'Compared': '比较',
    'pair': '一对',
    'Drop a CSV here: image, patient, target, and p_<class> for each class':
    '把 CSV 拖到这里：image、patient、target，以及每个类别一列 p_<class>',
    'wrong': '判错',
    'p holm': 'Holm 校正后的 p',
    'table of {name}': '{name} 的表',
    'marks of {name}': '{name} 的标记',
    'false positives': '假阳性数',
    'lesions': '病灶',
    'true boxes': '真实框',
    'second minus first': '第二个减第一个',
    'found by the first only': '只有第一个找到',
    'found by the second only': '只有第二个找到',
    'On these {n} image{_s} of {m} patient{_s2}': '在这 {m} 名患者的 {n} 幅图像上',
    '{image}, row {n}': '{image}，第 {n} 行',
    '{on}, no difference between {a} and {b} is shown ({value} points, 95 % interval {low} to {high}).':
    '{on}，没有显示出“{a}”和“{b}”有差别（{value} 个百分点，95 % 置信区间 {low} 至 {high}）。',
    '{on}, {a} is right more often than {b} ({value} points, 95 % interval {low} to {high}).':
    '{on}，“{a}”比“{b}”判对得更多（{value} 个百分点，95 % 置信区间 {low} 至 {high}）。',
    '{missing} and no column {missing2}': '{missing}，也没有列 {missing2}',
    'n of {name}': '{name}的 n',
    'Test changed on {date}': '检验修改于 {date}',
    '{metric} above {limit}': '{metric} 高于 {limit}',
    'In brackets 95 % intervals': '括号内为 95 % 置信区间',
    'Wilson with an effective number of images': '按有效样本量的 Wilson 法',
    'jackknife over patients': '按患者的刀切法',
    'abstract': '摘要',
    'macro AUC': '宏平均 AUC',
    '{seconds} s; at most {most} GB, each worker at most {each} GB':
    '{seconds} 秒；最多 {most} GB，每个工作进程最多 {each} GB',
    'on {n} patient{_s}, {m} event{_s2}': '依据 {n} 名患者、{m} 个事件',
    'Impossible:': '不可能：',
    '"mean of the printed values"': '“印出的各数的平均”',
    'one against the rest {value}': '一类对其余 {value}',
    'Accuracy {k}/{n} = {value}, 95 % interval {ci} if images were independent.':
    '准确率 {k}/{n} = {value}，若图像相互独立，95 % 置信区间为 {ci}。',
    'sensitivity {k}/{n} = {value}, 95 % interval {ci} if images were independent.':
    '灵敏度 {k}/{n} = {value}，若图像相互独立，95 % 置信区间为 {ci}。',
    'specificity {k}/{n} = {value}, 95 % interval {ci} if images were independent.':
    '特异度 {k}/{n} = {value}，若图像相互独立，95 % 置信区间为 {ci}。',
    '{printed} is a rounded share of n images only for n = {few}; it is no share {parts}. Impossible as a share of all '
    'images; possible as a mean over folds':
    '{printed} 只有在 n = {few} 时才是 n 幅图像的四舍五入比例；它不是{parts}的比例。'
    '作为全部图像的比例不可能；作为各折的均值则可能',
    'of all {n}': '全部 {n} 幅',
    'nor of {share} of them': '其中的 {share}',
    '{arch}, shipped weights {file}': '{arch}，随附的权重 {file}',
    'shipped': '随附',
    'takes': '耗时',
    'gap': '缺口',
    'remark': '备注',
    'Comparing': '比较',
    'formula': '公式',
    'here': '本章',
    '{k} of {n} images were used ({k2} of {n2} patients), because the profile {profile} takes no more patients; '
    'all are used with --profile {profile2}.':
    '只用了 {n} 幅图像中的 {k} 幅（{n2} 名患者中的 {k2} 名），因为配置 {profile} 不取更多患者；'
    '用 --profile {profile2} 则全部采用。',
    'Note:': '备注：',
    'a pack': '作业包',
    'learner': '学员',
    'most often': '最常见的错误',
    'most said': '最多的答案',
    'prevalence {share}': '患病率 {share}',
    '{n} frames of {m} patients': '{m} 名患者的 {n} 帧',
    '{n} slices of {m} patients': '{m} 名患者的 {n} 个层面',
    '{n} scans of {m} patients': '{m} 名患者的 {n} 次扫查',
    '{n} clips of {m} patients': '{m} 名患者的 {n} 段动态图像',
    '{n} films of {m} patients': '{m} 名患者的 {n} 张胸片',
    '{said} → {said2} ({n})': '{said} → {said2}（{n}）',
    'alike': '一致',
    'sites': '机构',
    'cropping': '裁剪',
    'photographs': '照片',
    'networks': '网络',
    'licence': '许可',
    'atresia': '胆道闭锁',
    'no_atresia': '非胆道闭锁',
    'one': '一个',
    'kept': '保留',
    '{arch}, {n} pixels for {who}': '{arch}，{n} 像素，代替 {who}',
    'real films of other patients': '其他患者的真实胸片',
    'simulated films': '模拟胸片',
    'nobody: drawn by hand': '无：手工勾画',
    'auc gain of slice split': '按层面划分的 AUC 增益',
    'energy minus chance': '能量减机遇水平',
    'energy minus random weights': '能量减随机权重',
    'pointing minus chance': '指向减机遇水平',
    'pointing minus random weights': '指向减随机权重',
    'difference at {rate}': '{rate} 处的差值',
    'rescued by second': '第二猜测挽回的比例',
    'text gain inside': '文字在库内的增益',
    'text loss outside': '文字在库外的损失',
    'neighbour share minus chance': '相邻错误的比例减机遇水平',
    'The same as a picture': '同样内容的静态图',
    'A solution': '一种解法',
    'What the check says to it': '检查对它怎么说',
    'A wrong answer that comes up': '一种常见的错误答案',
    'How the answer is checked': '答案怎样检查',
    'Source of {names}': '{names} 的源代码',
    'Imports': '导入',
    'Source': '源代码',
    'This moves only while a kernel runs: open the notebook in JupyterLab and run the cell. The figure beneath shows '
    'its state.': '只有内核运行时它才能动：请在 JupyterLab 中打开这个笔记本，运行这个单元格。下面的图显示它的状态。',
    'Merge classes: choose two or more; their probabilities are added': '合并类别：选两个或更多；它们的概率相加',
    '▲ {name}': '▲ {name}',
    '▼ {name}': '▼ {name}',
    'finds': '找到',
    'plays,': '播放，',
    'step.': '逐帧。',
    'Precision–recall': '精确率与召回率',
    'and': '和',
    'or': '或',
    'step {n} of {m}': '第 {n} 步，共 {m} 步',
    'in train': '在 train 中',
    'in valid': '在 valid 中',
    'in test': '在 test 中',
    '{a} − {b}: {d} ({d2} points), unpaired p {p}. The paired (exact McNemar) p does not follow from these counts: it '
    'lies between {low} and {high}, below {limit} if the smaller discordant cell is at most {n}.':
    '{a} − {b}：{d}（{d2} 个百分点），不配对 p {p}。配对（精确 McNemar）的 p 不能由这些计数得出：'
    '它介于 {low} 和 {high} 之间，若不一致对子中较小的一格至多为 {n}，则小于 {limit}。',
    'at {r} false positives per {per} the second finds more lesions ({value}, 95 % interval {low} to {high})':
    '假阳性数（按{per}计）为 {r} 时，第二个找到的病灶更多（{value}，95 % 置信区间 {low} 至 {high}）',
    'at {r} false positives per {per} the first finds more lesions ({value}, 95 % interval {low} to {high})':
    '假阳性数（按{per}计）为 {r} 时，第一个找到的病灶更多（{value}，95 % 置信区间 {low} 至 {high}）',
    'at {r} false positives per {per} the difference is open ({value}, 95 % interval {low} to {high})':
    '假阳性数（按{per}计）为 {r} 时，差别未定（{value}，95 % 置信区间 {low} 至 {high}）',
}

# shown alone, as heads of tables and labels; further words are added here ('_' stands for a blank)
WORDS = '''supported not_supported inconclusive not_tested image images patient patients scan scans slice slices
    frame frames woman women event events class classes metric claim verdict ours paper value all study
    chapter yes no train valid test target predicted reader readers model models accuracy sensitivity
    specificity precision recall support frozen finetuned fine-tuned answered partly open inside outside drop
    difference positive negative sample phantom own quick workshop full random left right whole masked lungs blackout
    kind set size note question counts everybody independent table columns Precision-recall macro_average_precision
    1_-_specificity p_predicted calibrated sequence clear a_guess
    not_understood epidural infarct intracerebral intraventricular subarachnoid subdural atrophy calcification
    brain missed_findings false_alarms cropped covered radiologist'''.split()

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
            add('lessons', lesson_units(f))
            add('heads', head_units(f))
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
    add('heads', [(t, 'tools/translate.py') for t in HEADS])
    add('book', [(t, 'tools/book/book.py') for t in BOOK])
    for f in sorted((ROOT / 'usbook' / 'runs').glob('*.html.j2')):
        add('reports', template_units(f))
    for f in [*sorted((ROOT / 'usbook' / 'studies').glob('*.toml')), *sorted((ROOT / 'nbs').rglob('study.toml'))]:
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
    elsewhere = known_texts(lang)
    for name, units in found.items():
        path, new = LOCALE / lang / f'{name}.po', template(lang, units)
        known = {} if name.startswith('nbs') else {u[0]: u[2] for u in units if u[2]} | elsewhere
        if path.is_file():
            old = read(path, lang)
            for m in new:
                m.string = '' if m.id else m.string
            old.update(new, no_fuzzy_matching=False, update_header_comment=True, update_creation_date=False)
            new = old
        for m in new:
            if m.id and m.id in known and (m.fuzzy or m.string != known[m.id]):
                m.string, m.previous_id = known[m.id], []
                m.flags.discard('fuzzy')
        write(path, new)
        counts[name] = coverage(new)
    for path in sorted((LOCALE / lang).rglob('*.po')):
        if path.relative_to(LOCALE / lang).with_suffix('').as_posix() not in found:
            print(f'{path.relative_to(ROOT)}: its source is gone; what it holds may be moved, then remove it')
    return counts


def known_texts(lang):
    "What is translated in any of the library's catalogues: the same text is the same in all, and `words` goes first"
    paths = [p for p in sorted((LOCALE / lang).rglob('*.po')) if 'nbs' not in p.relative_to(LOCALE / lang).parts]
    paths.sort(key=lambda p: p.stem != 'words')
    return {m.id: m.string for p in reversed(paths) for m in read(p, lang) if m.id and m.string and not m.fuzzy}


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
    print(f'  {"all":28}{done:6}{fuzzy:6}{n:6}  {100 * done // max(n, 1):3} %', *plots.told(lang), sep='\n')


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


# parts (catalogues, or the folder they are in) in which nothing may be missing: a test keeps it
COMPLETE = {
    'zh': (
        'nbs/chapters', 'nbs/classroom', 'nbs/classroom/exercises', 'nbs/data', 'nbs/data/sets', 'nbs/evidence',
        'nbs/learn', 'exercises', 'studies', 'reports', 'glossary', 'checklists', 'words', 'lessons', 'book', 'heads',
        'messages', 'nbs', 'nbs/predictions', 'nbs/studies', 'nbs/runs',
        'nbs/widgets', 'nbs/cli', 'nbs/core', 'nbs/phantoms', 'nbs/evidence/audit',
    )
}


def lacking(lang, parts):  # of sentences: what has to be translated, or looked at again
    "What a part that is complete lacks, by catalogue and line"
    out = []
    for name, units in sources().items():
        if name not in parts and part(name) not in parts:
            continue
        path = LOCALE / lang / f'{name}.po'
        known = {m.id: m for m in read(path, lang)} if path.is_file() else {}
        for text, place, _ in units:
            m = known.get(text)
            if m is None or not m.string:
                out.append(f'{place}: not translated: {text[:100]!r} (make translate gives it a place)')
            elif m.fuzzy:
                where = f'{path.relative_to(ROOT)}:{m.lineno}'
                out.append(f'{where}: the source has changed, look at it again: {text[:100]!r}')
    return out


def languages():
    return sorted(p.name for p in LOCALE.iterdir() if p.is_dir() and any(p.rglob('*.po')))


def main():
    from usbook.core.language import set_language

    set_language('en')
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
