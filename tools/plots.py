"""Plots of the notebooks in another language, for its book: `python tools/plots.py zh [NOTEBOOK ...]`

Runs notebooks in that language and in English, as `make notebooks` runs them, and keeps the pictures that differ: one
file per notebook under tools/book/plots/<lang>. Only where this machine draws the English picture that the notebook
holds, but for what no eye can see: else the two would show other numbers. A picture belongs to its cell's source and to that English picture; where
either has changed it is stale, and the book shows the English one."""
import argparse
import base64
import hashlib
import io
import json
import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
NBS = ROOT/'nbs'
PNG = 'image/png'
NEARLY = 32 # shades of 255: a line may lie an eighth of a pixel elsewhere, no digit may be another
BEFORE = 'from usbook.core.shown import translate_plots\ntranslate_plots();'

def store(lang, nb): # zh, a notebook's path in nbs/ -> where its pictures are kept
    return ROOT/'tools'/'book'/'plots'/lang/Path(nb).with_suffix('.json')

def notebooks(): # paths in nbs/ of those that show a picture
    found = (p.relative_to(NBS) for p in sorted(NBS.rglob('*.ipynb')) if '.ipynb_checkpoints' not in p.parts)
    return [p for p in found if any(map(pngs, cells(p)))]

def cells(nb): return json.loads((NBS/nb).read_text(encoding='utf-8'))['cells']

def pngs(cell): # its pictures, each as base64 in one line
    return [''.join(o['data'][PNG]).replace('\n', '') for o in cell.get('outputs', []) if PNG in o.get('data', {})]

def key(cell): # what its pictures depend on
    digest = lambda text: hashlib.sha256(text.encode()).hexdigest()[:16]
    return dict(source=digest(''.join(cell['source'])), english=digest(''.join(pngs(cell))))

def kept(lang, nb): # {cell's id: dict(source, english, plots)}; None among plots: as in English
    path = store(lang, nb)
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}

def fresh(cell, entry): return {k: entry[k] for k in ('source', 'english')} == key(cell)

def state(lang): # {notebook: (pictures, how many of them are fresh, ids of stale cells, ids whose cell is gone)}
    out = {}
    for nb in notebooks():
        there, own = {c['id']: c for c in cells(nb) if pngs(c)}, kept(lang, nb)
        good = [i for i, c in there.items() if i in own and fresh(c, own[i])]
        out[nb.as_posix()] = (sum(len(pngs(c)) for c in there.values()), sum(len(pngs(there[i])) for i in good),
                              [i for i in own if i in there and i not in good], [i for i in own if i not in there])
    return out

def with_plots(nb, path, lang): # a notebook, its path in nbs/ -> the same with the pictures of that language
    own = kept(lang, path)
    def cell(c):
        entry = own.get(c.get('id'))
        if not entry or not fresh(c, entry): return c
        left = iter(entry['plots'])
        def one(o):
            new = next(left) if PNG in o.get('data', {}) else None
            return o | dict(data=o['data'] | {PNG: new}) if new else o
        return c | dict(outputs=[one(o) for o in c['outputs']])
    return nb | dict(cells=[cell(c) for c in nb['cells']])

# ---- running

def executed(nb, lang, patience=3600): # its cells after a run in that language, up to the last one with a picture
    import nbformat
    from nbclient import NotebookClient
    os.environ |= dict(USBOOK_LANG=lang, USBOOK_WIDGETS='static', MATPLOTLIBRC=str(ROOT/'tools'/'book'/'matplotlibrc'))
    made = nbformat.read(NBS/nb, 4)
    last = max(i for i, c in enumerate(made.cells) if pngs(c))
    made.cells = [nbformat.v4.new_code_cell(BEFORE), *made.cells[:last + 1]]
    where = dict(metadata=dict(path=str((NBS/nb).parent)))
    NotebookClient(made, timeout=patience, interrupt_on_timeout=True, resources=where, allow_errors=True,
                   store_widget_state=False).execute()
    return made.cells[1:]

def same(a, b, most=0): # whether two pictures show the same; most: by how many of 255 shades a pixel may differ
    from PIL import Image, ImageChops
    a, b = (Image.open(io.BytesIO(base64.b64decode(p))).convert('RGBA') for p in (a, b))
    return a.size == b.size and max(high for _, high in ImageChops.difference(a, b).getextrema()) <= most

def smaller(png): # the same pixels in fewer bytes, without a word on who made them
    from PIL import Image
    out = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).save(out, 'png', optimize=True)
    return min(base64.b64encode(out.getvalue()).decode(), png, key=len)

def keep(nb, lang, patience=3600): # what is to be said about it
    said, out = [], {}
    for c, made, again in zip(cells(nb), *(executed(nb, l, patience) for l in (lang, 'en'))):
        failed = next((o for o in made.get('outputs', []) if o['output_type'] == 'error'), None)
        if failed: said.append(f'{nb}#{c["id"]}: {failed["ename"]}: {failed["evalue"][:200]}')
        ours, theirs, twins = pngs(c), pngs(made), pngs(again)
        if not ours: continue
        if not len(ours) == len(theirs) == len(twins) or not all(same(a, b, NEARLY) for a, b in zip(ours, twins)):
            said.append(f'{nb}#{c["id"]}: this machine draws another picture than the one in the notebook')
        else: out[c['id']] = key(c) | dict(plots=[None if same(a, b) else smaller(b) for a, b in zip(ours, theirs)])
    path = store(lang, nb)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(out, indent=1) + '\n', encoding='utf-8')
    return said

def told(lang): # lines: how many pictures are fresh, and which are not
    there = state(lang)
    total, good = (sum(s[k] for s in there.values()) for k in (0, 1))
    stale = [f'{nb}#{i}' for nb, s in there.items() for i in s[2] + s[3]]
    return [f'  {"plots":28}{good:6}{len(stale):6}{total:6}  {100*good//max(total, 1):3} %',
            *(f'  stale plots: {s}' for s in stale)]

def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('lang', help='zh ...')
    p.add_argument('names', nargs='*', help='of notebooks; default: all that show a picture')
    p.add_argument('--patience', type=int, default=3600, help='seconds for a cell; a longer one is interrupted (3600)')
    args = p.parse_intermixed_args()
    for nb in [Path(n).resolve().relative_to(NBS) for n in args.names] or notebooks():
        print(nb, *keep(nb, args.lang, args.patience), sep='\n  ', flush=True)
    print(*told(args.lang), sep='\n')

if __name__ == '__main__': main()
