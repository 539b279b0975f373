"""Plots of the notebooks in another language, for its book: `python tools/plots.py zh [NOTEBOOK ...]`

Runs notebooks in English, as `make notebooks` runs them, and draws each picture a second time with its texts in that
language and everything else in its place. Where the two differ, the second is put into the picture that the notebook
holds: so its numbers stay those of the notebook, also where this machine learns a little otherwise. It is done only
where this machine draws beneath the texts what the notebook shows there: else it would be other words or numbers.
One file per notebook under tools/book/plots/<lang>. A picture belongs to its cell's source and to that English picture;
where either has changed it is stale, and the book shows the English one."""
import argparse
import base64
import hashlib
import io
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
NBS = ROOT/'nbs'
PNG = 'image/png'
NEARLY = 32 # shades of 255: a line may lie an eighth of a pixel elsewhere, no digit may be another
BEFORE = '''import sys
sys.path.insert(0, {tools!r})
import plots
sys.path.pop(0)
plots.draw_twins({lang!r}, {folder!r})'''

NOTHING, INTERVAL = re.compile('(?!)'), re.compile('[^A-Za-z]+ to [^A-Za-z]+')

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

def executed(nb, lang, folder, patience=3600): # its cells after a run up to the last picture; twins in a folder
    import nbformat
    from nbclient import NotebookClient
    os.environ |= dict(USBOOK_LANG='en', USBOOK_WIDGETS='static', MATPLOTLIBRC=str(ROOT/'tools'/'book'/'matplotlibrc'))
    made = nbformat.read(NBS/nb, 4)
    last = max(i for i, c in enumerate(made.cells) if pngs(c))
    before = BEFORE.format(tools=str(ROOT/'tools'), lang=lang, folder=str(folder))
    made.cells = [nbformat.v4.new_code_cell(before), *made.cells[:last + 1]]
    where = dict(metadata=dict(path=str((NBS/nb).parent)))
    NotebookClient(made, timeout=patience, interrupt_on_timeout=True, resources=where, allow_errors=True,
                   store_widget_state=False).execute()
    return made.cells[1:]

def digest(picture): return hashlib.sha256(picture).hexdigest()[:24]

def draw_twins(lang, folder): # in a kernel: from now on each picture is drawn twice more, with room for both languages
    from matplotlib.backend_bases import FigureCanvasBase
    plain, busy = FigureCanvasBase.print_figure, []
    def print_figure(self, out, *args, **how):
        if busy or not isinstance(out, io.BytesIO): return plain(self, out, *args, **how)
        busy.append(self)
        fig, engine = self.figure, self.figure.get_layout_engine()
        def drawn(box=None): # with room for both languages, or as it comes: base64, and the box
            with boxed(fig, box) as own: plain(self, png := io.BytesIO(), *args, **how)
            return base64.b64encode(png.getvalue()).decode(), own
        try:
            with boxed(fig) as own: done = plain(self, out, *args, **how)
            fig.set_layout_engine('none')
            with in_language(fig, lang): other = drawn()[1]
            dpi = how.get('dpi', 'figure')
            box, at = grown(own[0], other[0], fig.dpi if dpi == 'figure' else dpi) if own else (None, (0, 0))
            found, twins = dict(drawn=drawn(box)[0], at=at), []
            for but in (NOTHING, INTERVAL):
                with in_language(fig, lang, but): twins.append(drawn(box)[0])
        finally:
            fig.set_layout_engine(engine or 'none')
            busy.clear()
        Path(folder, f'{digest(out.getvalue())}.json').write_text(json.dumps(found | dict(twins=twins)))
        return done
    FigureCanvasBase.print_figure = print_figure

@contextmanager
def boxed(fig, box=None): # inches around what is drawn: noted, or as given
    said = []
    def measured(*args, **how):
        said.append(type(fig).get_tightbbox(fig, *args, **how))
        return box or said[-1]
    fig.get_tightbbox = measured
    try: yield said
    finally: del fig.get_tightbbox

def grown(box, other, dpi): # a box with room for both, whole pixels larger, and (left, top) pixels that it has more
    from math import ceil
    from matplotlib.transforms import Bbox
    left, low, right, top = (max(0, ceil(dpi*d)) for d in (box.x0 - other.x0, box.y0 - other.y0, other.x1 - box.x1,
                                                           other.y1 - box.y1))
    return Bbox.from_extents(box.x0 - left/dpi, box.y0 - low/dpi, box.x1 + right/dpi, box.y1 + top/dpi), (left, top)

@contextmanager
def in_language(fig, lang, but=NOTHING): # a figure whose texts, but for some, are in that language
    import matplotlib as mpl
    from matplotlib.text import Text
    from usbook.core import shown
    from usbook.core.language import language, set_language, translated
    texts, own, family = fig.findobj(Text), language(), mpl.rcParams['font.family']
    before = [(t, t.get_text(), t.get_fontfamily()) for t in texts]
    set_language(lang)
    shown.translate_plots()
    shown.translated = lambda text: text if but.fullmatch(str(text)) else translated(text)
    try:
        for t, text, fonts in before:
            t.set_fontfamily([*fonts, shown.plot_font(lang)])
            t.set_text(text)
        yield
    finally:
        shown.translated = translated
        set_language(own)
        mpl.rcParams['font.family'] = family
        for t, text, fonts in before:
            t.set_fontfamily(fonts)
            t.set_text(text)

def pixels(png): # base64 -> (height, width, 4)
    import numpy as np
    from PIL import Image
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert('RGBA')).astype(int)

def put_in(stored, drawn, twin, at): # base64 of three -> the first with the words of the third, or None
    import numpy as np
    from PIL import Image
    from scipy.ndimage import binary_dilation
    a, b, c = map(pixels, (stored, drawn, twin))
    if not b.shape == c.shape: return None
    room = np.broadcast_to(a[0, 0], b.shape).copy()
    (x, y), (h, w) = at, a.shape[:2]
    if room[y:y + h, x:x + w].shape != a.shape: return None
    room[y:y + h, x:x + w] = a
    words = (b != c).any(-1)
    if (abs(room - b)[binary_dilation(words, iterations=2)] > NEARLY).any(): return None
    if not words.any(): return stored
    out = io.BytesIO()
    Image.fromarray(np.where(words[..., None], c, room).astype('uint8')).save(out, 'png')
    return base64.b64encode(out.getvalue()).decode()

def smaller(png): # the same pixels in fewer bytes, without a word on who made them
    from PIL import Image
    out = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).save(out, 'png', optimize=True)
    return min(base64.b64encode(out.getvalue()).decode(), png, key=len)

def keep(nb, lang, patience=3600): # what is to be said about it
    said, out, old = [], {}, kept(lang, nb)
    with TemporaryDirectory() as folder:
        made = executed(nb, lang, folder, patience)
        for c, new in zip(cells(nb), made):
            failed = next((o for o in new.get('outputs', []) if o['output_type'] == 'error'), None)
            if failed: said.append(f'{nb}#{c["id"]}: {failed["ename"]}: {failed["evalue"][:200]}')
            if not pngs(c): continue
            found, why = twins_of(pngs(c), pngs(new), Path(folder))
            if found: out[c['id']] = key(c) | dict(plots=found)
            elif c['id'] in old and fresh(c, old[c['id']]): out[c['id']] = old[c['id']]
            else: said.append(f'{nb}#{c["id"]}: {why}')
    path = store(lang, nb)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(out, indent=1) + '\n', encoding='utf-8')
    return said

def twins_of(stored, drawn, folder): # base64 of a cell's pictures -> those in the language, or None and the reason
    if len(stored) != len(drawn): return None, 'this machine draws other pictures'
    out = []
    for ours, now in zip(stored, drawn):
        place = folder/f'{digest(base64.b64decode(now))}.json'
        it = json.loads(place.read_text()) if place.is_file() else dict(twins=[])
        new = next(filter(None, (put_in(ours, it['drawn'], t, it['at']) for t in it['twins'])), None)
        if new is None: return None, 'this machine draws something else beneath the words'
        out.append(None if new == ours else smaller(new))
    return out, ''

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
