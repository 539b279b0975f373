"""What happens to files in the hands of strangers, from a seed: bytes, cells, values and the file itself go wrong."""
import json
import os
import random
import re
from pathlib import Path

HUGE = ['9' * 5000, '1e400', '-1e400', '1e-400', '9' * 25, '-1', '0', 'nan', 'inf', '-inf', '0x10', '1_000', '1,5', '½']
TEXTS = [
    '', ' ', '\0', '"', "'", '"""', '\n', '\r', '=1+1', '../../etc/passwd', '/dev/zero', 'C:\\x', '~nosuch/x', '%s%n',
    '[/x]', '[red]', '$\\frac{$', '<script>', '积液', 'e\u0301', '\u202e', '\ufeff', '\ud7ff', 'a' * 300, 'a' * 40_000,
    'p_', 'None', 'true', '{}', '[]',
]
VALUES = [None, True, False, 0, -1, 3, 10**30, 1e308, -1e-308, '', 'x', 'x' * 400, [], [1], [[]], {}, {'a': 1}, [None]]


def piece(rng, raw):
    a, b = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
    return a, min(b, a + 1 + rng.randrange(4000))


# Bytes -------------------------------------------------------------------------------------------------------

def flipped(rng, raw):
    out = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        if out: out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def head_flipped(rng, raw):
    out = bytearray(raw)
    for _ in range(rng.choice([1, 2, 4])):
        if out: out[rng.randrange(min(len(out), 300))] = rng.randrange(256)
    return bytes(out)


def truncated(rng, raw): return raw[:rng.randrange(len(raw) + 1)]


def doubled(rng, raw): return raw * rng.choice([2, 2, 3])


def cut_out(rng, raw):
    a, b = piece(rng, raw)
    return raw[:a] + raw[b:]


def repeated(rng, raw):
    a, b = piece(rng, raw)
    return raw[:a] + raw[a:b] * rng.choice([2, 3, 50]) + raw[b:]


def zeroed(rng, raw):
    a, b = piece(rng, raw)
    return raw[:a] + bytes(b - a) + raw[b:]


def noise(rng, raw):
    a, _ = piece(rng, raw)
    return raw[:a] + rng.randbytes(rng.choice([1, 10, 1000])) + raw[a:]


def only_noise(rng, raw): return rng.randbytes(rng.choice([0, 1, 7, 500, 5000]))


def other_encoding(rng, raw):
    text = raw.decode('utf-8', 'replace')
    return text.encode(rng.choice(['utf-16', 'utf-16-le', 'utf-32', 'latin-1', 'gbk', 'utf-7', 'utf-8-sig']), 'replace')


def line_ends(rng, raw): return raw.replace(b'\n', rng.choice([b'\r\n', b'\r', b'\n\n', b'\x0b', b'\0', b'']))


BYTES = [flipped, head_flipped, truncated, doubled, cut_out, repeated, zeroed, noise, only_noise]


# Tables ------------------------------------------------------------------------------------------------------

def cells(change):
    "A mutation of the cells of a table of text"
    def mutate(rng, raw):
        lines = raw.decode('utf-8', 'replace').split('\n')
        rows = [line.split(',') for line in lines if line]
        if not rows: return raw
        change(rng, rows)
        return '\n'.join(','.join(r) for r in rows).encode('utf-8', 'surrogatepass') + b'\n'
    mutate.__name__ = change.__name__
    return mutate


def any_cell(rng, rows, body=True):
    r = rng.choice(rows[1:] if body and len(rows) > 1 else rows)
    return r, rng.randrange(len(r))


@cells
def odd_text(rng, rows):
    r, i = any_cell(rng, rows, rng.random() < .8)
    r[i] = rng.choice(TEXTS)


@cells
def odd_number(rng, rows):
    r, i = any_cell(rng, rows)
    r[i] = rng.choice(HUGE)


@cells
def odd_column(rng, rows):
    i, v = rng.randrange(len(rows[0])), rng.choice([*HUGE[1:], *TEXTS[:-6]])
    for r in rows[1:]:
        if i < len(r): r[i] = v


@cells
def swapped(rng, rows):
    r, i = any_cell(rng, rows, rng.random() < .7)
    j = rng.randrange(len(r))
    r[i], r[j] = r[j], r[i]


@cells
def columns_swapped(rng, rows):
    i, j = (rng.randrange(len(rows[0])) for _ in range(2))
    for r in rows[1:]:
        if max(i, j) < len(r): r[i], r[j] = r[j], r[i]


@cells
def column_gone(rng, rows):
    i = rng.randrange(len(rows[0]))
    for r in rows: del r[i:i + 1]


@cells
def column_twice(rng, rows):
    i = rng.randrange(len(rows[0]))
    for r in rows: r.extend(r[i:i + 1])


@cells
def cell_more(rng, rows): any_cell(rng, rows, False)[0].append(rng.choice(TEXTS[:20]))


@cells
def cell_less(rng, rows): any_cell(rng, rows, False)[0].pop()


@cells
def row_twice(rng, rows): rows.append(list(rng.choice(rows)))


@cells
def rows_gone(rng, rows): del rows[rng.randrange(len(rows)):]


@cells
def head_gone(rng, rows): del rows[0]


@cells
def many_columns(rng, rows):
    n = rng.choice([50, 3000, 100_000])
    for r in rows[:3]: r.extend(f'c{i}' for i in range(n))


@cells
def head_renamed(rng, rows): rows[0][rng.randrange(len(rows[0]))] += rng.choice(['_x', ' ', 's', '\0', '"', 'é'])


def separators(rng, raw): return raw.replace(b',', rng.choice([b';', b'\t', b'|', b' ', b',,', b', ']))


def sep_line(rng, raw): return rng.choice([b'sep=;\n', b'sep=,\n', b'sep=\n', b'# sep\n', b'\n\n', b'"']) + raw


TABLE = [
    odd_text, odd_number, odd_column, swapped, columns_swapped, column_gone, column_twice, cell_more, cell_less,
    row_twice, rows_gone, head_gone, many_columns, head_renamed, separators, sep_line, other_encoding, line_ends, *BYTES
]


# Values in trees: JSON, TOML, ini ------------------------------------------------------------------------------

def places(tree, path=()):
    yield path
    for k, v in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(v, (*path, k))


def at(tree, path):
    for k in path: tree = tree[k]
    return tree


def other_value(rng, raw):
    tree = json.loads(raw)
    path = rng.choice(list(places(tree)))
    new = rng.choice(VALUES)
    if not path: return json.dumps(new).encode()
    at(tree, path[:-1])[path[-1]] = new
    return json.dumps(tree).encode()


def value_gone(rng, raw):
    tree = json.loads(raw)
    paths = [p for p in places(tree) if p]
    if paths:
        path = rng.choice(paths)
        del at(tree, path[:-1])[path[-1]]
    return json.dumps(tree).encode()


def key_renamed(rng, raw):
    tree = json.loads(raw)
    dicts = [d for d in (at(tree, p) for p in places(tree)) if isinstance(d, dict) and d]
    if dicts:
        d = rng.choice(dicts)
        d[rng.choice(['x', '', '\0', 'value', 'a' * 500])] = d.pop(rng.choice(list(d)))
    return json.dumps(tree).encode()


def deep(rng, raw):
    n, old = rng.choice([50, 2000, 100_000]), re.findall(rb'"[^"\n]*"|\b\d[\d.]*\b', raw)
    nest = rng.choice([b'[' * n + b']' * n, b'{"a":' * n + b'1' + b'}' * n, b'[' * n])
    return raw.replace(rng.choice(old), nest, 1) if old else nest


def digits(rng, raw):
    found = list(re.finditer(rb'\d[\d.eE+-]*', raw))
    if not found: return raw
    m = rng.choice(found)
    return raw[:m.start()] + rng.choice(HUGE).encode() + raw[m.end():]


TREE = [other_value, other_value, other_value, value_gone, key_renamed, deep, digits, other_encoding, *BYTES]


def lines_of(change):
    "A mutation of the lines of a text"
    def mutate(rng, raw):
        lines = raw.decode('utf-8', 'replace').split('\n')
        change(rng, lines, rng.randrange(len(lines)))
        return '\n'.join(lines).encode('utf-8', 'surrogatepass')
    mutate.__name__ = change.__name__
    return mutate


@lines_of
def line_gone(rng, lines, i): del lines[i]


@lines_of
def line_twice(rng, lines, i): lines.insert(i, lines[i])


@lines_of
def lines_shuffled(rng, lines, i): lines.insert(i, lines.pop(rng.randrange(len(lines))))


@lines_of
def value_replaced(rng, lines, i):
    i = rng.choice([k for k, line in enumerate(lines) if '=' in line] or [i])
    key, eq, _ = lines[i].partition('=')
    new = [json.dumps(v) for v in VALUES if v is not None] + HUGE + TEXTS
    new += ["'", '1979-05-27', '[[', '{a=1', '+', '%(x)s']
    lines[i] = f'{key}= {rng.choice(new)}'


@lines_of
def name_replaced(rng, lines, i):
    def other(m): return rng.choice([m[0] + 'x', m[0].upper(), '', 'class', '"'])
    lines[i] = re.sub(r'[A-Za-z_]+', other, lines[i], count=1)


@lines_of
def line_odd(rng, lines, i): lines[i] = rng.choice([*TEXTS, '[', '[[x]]', '[usbook]', '=', 'a.b.c = 1', '# x', 'x'])


TEXT = [
    line_gone, line_twice, lines_shuffled, value_replaced, value_replaced, value_replaced, name_replaced, line_odd,
    deep, digits, other_encoding, line_ends, *BYTES
]


# The file itself ---------------------------------------------------------------------------------------------

def unusual(rng, path):
    "The file becomes something else, or is not there"
    path.unlink()
    kind = rng.choice(['gone', 'folder', 'pipe', 'device', 'loop', 'empty', 'large'])
    if kind == 'folder': path.mkdir()
    if kind == 'pipe': os.mkfifo(path)
    if kind == 'device': path.symlink_to(rng.choice(['/dev/zero', '/dev/null', '/dev/full', '/proc/self/mem']))
    if kind == 'loop': path.symlink_to(path.name)
    if kind == 'empty': path.touch()
    if kind == 'large':
        with open(path, 'wb') as f: f.truncate(6 * 10**8)
    return kind


def mutate(path: Path, kinds, seed: str):
    "Spoil a file; what was done, in words"
    rng = random.Random(seed)
    if rng.random() < .05: return unusual(rng, path)
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        change = rng.choice(kinds)
        try: path.write_bytes(change(rng, path.read_bytes()))
        except (ValueError, RecursionError): continue  # no longer a tree that could be changed
        done.append(change.__name__)
    return ' '.join(done)
