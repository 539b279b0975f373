"""The notebooks, with the outputs they hold, as a static site: `python tools/book/book.py [FOLDER]` (build/book)

What nbdev's directives ask for is done, and the directives are taken out. In the library's rooms each exported
definition gets an entry made of its signature, docstring and parameter comments; its source is folded."""
import contextlib, gc, io, json, re, shutil, sys, tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NBS = ROOT/'nbs'
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT)]
import api
from plots import with_plots

from usbook.classroom.stored import notebook_as_shown
from usbook.core.language import set_language, translated
from usbook.core.settings import languages

VIEW = 'application/vnd.jupyter.widget-view+json'
ALONE = ('This moves only while a kernel runs: open the notebook in JupyterLab and run the cell. The figure beneath '
         'shows its state.')
DIRECTIVE = re.compile(r'^#\s*\|\s*(.*)\n?', re.M)
TAGS = {
    'hide_input': 'remove-input',
    'echo: false': 'remove-input',
    'hide_output': 'remove-output',
    'output: false': 'remove-output',
    'code-fold: true': 'hide-input',
}
EXERCISES = 'classroom/exercises'
ROOMS = (
    'chapters',
    EXERCISES,
    'classroom',
    'core',
    'data',
    'phantoms',
    'predictions',
    'learn',
    'evidence',
    'studies',
    'runs',
    'widgets',
    'cli',
)
CAPTIONS = {'chapters': 'Chapters', EXERCISES: 'Exercises', 'classroom': 'For teachers'}
FOLDED = {
    'solution': 'A solution',
    'check': 'What the check says to it',
    'wrong': 'A wrong answer that comes up',
    'export': 'How the answer is checked',
}  # in exercises

EXPLAINED = ('chapters', EXERCISES) # where the first use of a term leads to its entry

def notebooks()->list: # paths relative to nbs/, in the order of the book
    found = [
        p.relative_to(NBS)
        for p in NBS.rglob('*.ipynb')
        if not any(s.startswith(('_', '.')) for s in p.relative_to(NBS).parts)
    ]
    room = lambda p: p.parent.as_posix().removeprefix('.')
    order = lambda p: (ROOMS.index(room(p)) if room(p) in ROOMS else len(ROOMS), p.as_posix())
    return sorted((p for p in found if p.name != 'index.ipynb'), key=order)

def output(o:dict)->dict|None: # a cell's output, fit for a page
    data = o.get('data', {})
    if VIEW in data and not {'text/html', 'image/png', 'text/markdown'} & set(data):
        return None if _is_progress(data) else _says(f'*{translated(ALONE)}*')
    if re.fullmatch(r'\s*<style>.*?</style>\s*', ''.join(data.get('text/html', '')), re.S): return None
    if 'text/html' in data: data.pop('text/markdown', None)
    if 'text/html' in data: data['text/html'] = aligned(''.join(data['text/html']))
    data.pop(VIEW, None)
    o.get('metadata', {}).pop(VIEW, None)
    return o

def aligned(html:str)->str: # a table of numbers is marked as such: it reads from the right
    cells = re.findall(r'<td[^>]*>(.*?)</td>', html, re.S)
    said = [c for c in cells if c.strip()]
    numbers = sum(bool(re.fullmatch(r'[-\s\d.,()%–−+e:]*|NaN|None|nan|inf', c.strip())) for c in said) > .6*len(said)
    return html.replace('class="dataframe', 'class="numbers dataframe') if numbers else html

def wraps(o:dict)->bool: # printed text without columns: its long lines may be broken
    text = ''.join(o.get('text', o.get('data', {}).get('text/plain', '')))
    return not re.search(r'\S {2,}\S|array\(|^ *\[+ *-?\d', text, re.M)

def shows_widget(source:str)->bool: # a widget is made, and stands in the last line
    return bool(
        re.search(r'\b(explore|play)_\w+\(', source)
        and re.match(r'(\w+$|(explore|play)_\w+\()', source.splitlines()[-1])
    )

def twin(cells:list, i:int)->bool: # cell i is the still picture of a widget just above it that moves without a kernel
    above = next((c for c in reversed(cells[:i]) if c['cell_type'] == 'code'), None)
    still = re.fullmatch(r'(\w+)\.figure\(\)', ''.join(cells[i]['source']).strip())
    return bool(
        still
        and above
        and shows_widget(''.join(above['source']))
        and any('text/html' in o.get('data', {}) for o in above['outputs'])
    )

def _is_progress(data): return 'Progress' in ''.join(data.get('text/plain', ''))

def _says(text): return dict(output_type='display_data', metadata={}, data={'text/markdown': text})

def markdown(text:str, key:str)->dict: return dict(cell_type='markdown', metadata={}, id=key, source=text)

def code(cell:dict, source:str, *tags, prompt='', alt='')->dict:
    outs = [o for o in map(output, cell['outputs']) if o]
    prompt = translated(prompt)
    more = dict(code_prompt_show=prompt, code_prompt_hide=prompt) if prompt else {}
    if alt and any('image/png' in o.get('data', {}) for o in outs): more['image'] = dict(alt=alt)
    meta = dict(tags=[*tags]) | (dict(mystnb=more) if more else {})
    if not outs and shows_widget(source): outs = [_says(f'*{translated(ALONE)}*')]
    if all(map(wraps, outs)): meta['tags'].append('wrap')
    return cell | dict(source=source, metadata=meta, outputs=outs, execution_count=None)

def spoken(text:str)->str: # what a picture shows, for those who can't see it: the sentence that announces its cell
    last = [p for p in re.split(r'\n\s*\n', text.strip()) if p.strip()][-1:]
    plain = re.sub(r'!?\[([^\]]*)\]\([^)]*\)|<[^>]+>|[`*#|$]', r'\1', ' '.join(last))
    plain = re.sub(r'\s+', ' ', plain).strip(' :-')
    return plain if len(plain) <= 300 else plain[:299].rsplit(' ', 1)[0] + ' …'

def exported(cell:dict, source:str, seen:dict, module:str)->list: # cells
    "A definition of the library: its entries, then its source, folded"
    out = []
    for name, said, text in api.entries(source):
        if name in seen: continue
        seen[name] = said
        out.append(markdown(text, f'{cell["id"]}-{len(out)}'))
    defined = ', '.join(api.names(source))
    prompt = f'Source of {defined}' if defined else 'Imports' if api.only_imports(source) else 'Source'
    return [*out, code(cell, source, 'hide-input', prompt=prompt)]

def merged(cells:list)->list:
    "Folded imports that follow one another become one"
    out = []
    for c in cells:
        both = (
            [
                x['metadata'].get('mystnb', {}).get('code_prompt_show') == translated('Imports') and not x['outputs']
                for x in (out[-1], c)
                if x['cell_type'] == 'code'
            ]
            if out
            else []
        )
        if len(both) == 2 and all(both): out[-1]['source'] += '\n' + c['source']
        else: out.append(c)
    return out

def page(nb:dict, library:bool, room='')->tuple: # notebook for Sphinx, module name, {name: first line}
    from terms import PAGE, link_terms
    cells, seen, module, terms = [], {}, '', set()
    announced = ''
    for i, c in enumerate(nb['cells']):
        c['id'], text = f'cell{i}', ''.join(c['source'])
        if c['cell_type'] != 'code':
            if text.strip(): announced = spoken(text)
            if room in EXPLAINED: text = link_terms(text, terms, '../'*(room.count('/') + 1) + f'{PAGE}.html')
            if text.strip() and not (room == EXERCISES and text.startswith('**For the teacher')):
                cells.append(markdown(text, c['id']))
            continue
        said, source = [d.strip() for d in DIRECTIVE.findall(text)], DIRECTIVE.sub('', text).strip('\n')
        module = next((d.split()[1] for d in said if d.startswith('default_exp')), module)
        if 'hide' in said or not source.strip(): continue
        fold = (
            next((FOLDED[w] for d in said for w in [d.split()[0].rstrip(':')] if w in FOLDED), '')
            if room == EXERCISES
            else ''
        )
        if room == 'chapters' and twin(nb['cells'], i): cells.append(code(c, source, 'hide-cell', prompt=
            'The same as a picture', alt=announced))
        elif fold:
            how = 'hide-cell' if c['outputs'] else 'hide-input'
            cells.append(code(c, source, how, prompt=fold, alt=announced))
        elif library and any(d.split()[0] in ('export', 'exporti', 'exports') for d in said if d):
            cells += exported(c, source, seen, module)
        else: cells.append(code(c, source, *{TAGS[d] for d in said if d in TAGS}, alt=announced))
    cells = merged(cells)
    if module and seen:
        at = next((i for i, c in enumerate(cells) if c['cell_type'] == 'markdown'), -1) + 1
        cells.insert(at, markdown(f'```{{py:module}} usbook.{module}\n```', 'module'))
    kernel = dict(
        kernelspec=dict(name='python3', display_name='Python 3', language='python'), language_info=dict(name='python')
    )
    return dict(nbformat=4, nbformat_minor=5, metadata=kernel, cells=cells), module, seen

def toctree(caption, pages)->str:
    return '\n'.join(['```{toctree}', ':hidden:', f':caption: {translated(caption)}', '', *pages, '```', ''])

def names_page(modules:dict)->str:
    "Every public name of the library, with its first line"
    out = [
        f"# {translated('Every name')}\n\n> " + translated('What the library offers, module by module; each name leads '
        'to its entry, with examples beneath.') + '\n'
    ]
    for module, (doc, names) in modules.items():
        out += [f'\n## [usbook.{module}]({doc}.ipynb)\n']
        out += [
            f'- {{py:obj}}`{n} <usbook.{module}.{n}>`' + (f': {api.plain(said)}' if said else '')
            for n, said in sorted(names.items(), key=lambda x: x[0].lower())
        ]
    return '\n'.join(out) + '\n'

def prepare(src:Path, lang='en'):
    "What Sphinx reads: every notebook as a page, a page of all names, and the table of contents"
    from terms import PAGE, glossary_page
    modules, rooms = {}, {}
    for p in [Path('index.ipynb'), *notebooks()]:
        nb = json.loads((NBS/p).read_text(encoding='utf-8'))
        if lang != 'en': nb = _in_language(nb, p, lang)
        room = p.parent.as_posix().removeprefix('.')
        made, module, seen = page(nb, room not in EXPLAINED, room)
        if p.with_suffix('').as_posix() == PAGE:
            made['cells'][1:1] = [markdown(text, key) for key, text in glossary_page()]  # the terms before the code
        if seen: modules[module] = p.with_suffix('').as_posix(), seen
        if p.name != 'index.ipynb': rooms.setdefault(room, []).append(p.with_suffix('').as_posix())
        else: index = made
        if p.name != 'index.ipynb': write(src/p, made)
    trees = [toctree(CAPTIONS.get(r, f'Library: {r}'), pages) for r, pages in rooms.items()] + [
        toctree('Library: reference', ['names'])
    ]
    index['cells'].append(markdown('\n'.join(trees), 'contents'))
    write(src/'index.ipynb', index)
    (src/'names.md').write_text(names_page(modules), encoding='utf-8')
    if (NBS/'images').is_dir(): shutil.copytree(NBS/'images', src/'images')

def _in_language(nb, p, lang):
    "A notebook in another language; what is for the teacher, known by its English beginning, is left out"
    def kept(c): return p.parent.as_posix() != EXERCISES or not ''.join(c['source']).startswith('**For the teacher')
    nb = nb | dict(cells=[c for c in nb['cells'] if kept(c)])
    return notebook_as_shown(with_plots(nb, p, lang), p.with_suffix('').as_posix())

def write(path, nb):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(nb), encoding='utf-8')

def build(out:Path, jobs='1', langs=None)->int: # Sphinx's exit code: anything it warns of is an error
    "English at the top, each other language in a folder of its own, and a switch on each page"
    if (out/'objects.inv').exists(): shutil.rmtree(out)          # pages of notebooks that are gone
    langs = languages() if langs is None else langs
    code = 0
    gc.disable()              # Sphinx keeps millions of nodes: to look through them took a third of the time
    for lang in langs:
        gc.collect()
        code = build_one(out if lang == 'en' else out/lang, lang, jobs) or code
    gc.freeze()
    gc.enable()
    set_language('en')
    for lang in langs:
        if lang != 'en': switch(out, lang)
    return code

WEB = {'zh': 'zh_CN'}
NAMES = {'zh': '中文'}

def build_one(out, lang, jobs)->int:
    from sphinx.cmd.build import main
    from usbook.widgets.page import write_page
    set_language(lang)
    words = ['-q', '-E', '-W', '--keep-going', '-j', jobs, '-b', 'html', '-c', str(HERE)]
    words += ['-D', f'language={WEB.get(lang, lang)}'] if lang != 'en' else []
    with tempfile.TemporaryDirectory() as d:
        src, said = Path(d)/'nbs', io.StringIO()
        prepare(src, lang)
        with contextlib.redirect_stderr(said): code = main([*words, '-d', f'{d}/doctrees', str(src), str(out)])
        print(said.getvalue().replace(f'{src}/', 'nbs/'), end='', file=sys.stderr)
    for page in out.rglob('*.html'):
        html = accessible(page.read_text(encoding='utf-8'))
        page.write_text(html if lang == 'en' else themed(html), encoding='utf-8')
    write_page(out/'judge.html')                                 # the page that needs no installation
    return code

LONG = 60 # characters of a line of code that may not fit, so that its box scrolls

def accessible(html:str)->str:
    "What the theme leaves out: levels of headings, names of folds, a way to scroll code by keys, signatures as text"
    html = html.replace('class="caption" role="heading">', 'class="caption" role="heading" aria-level="2">')
    html = html.replace('<summary aria-label="Toggle hidden content">', '<summary>')
    html = re.sub(r'<dl>\s*((?:<dd><em class="sig-param">.*?</em>,?</dd>\s*)+)</dl>', _parameters, html, flags=re.S)
    return re.sub(r'<pre>(.*?)</pre>', _scrolls, html, flags=re.S)

THEME = ('Next', 'Previous', 'Home', 'Made with', 'On this page', 'Back to top', 'Skip to content', 'Menu', 'Expand',
         'Light mode', 'Dark mode', 'Auto light/dark, in light mode', 'Auto light/dark, in dark mode',
         'Toggle site navigation sidebar', 'Toggle Light / Dark / Auto color theme', 'Toggle table of contents sidebar')

def themed(html:str)->str: # what the theme says, in the language of the session
    for said in THEME: html = re.sub(rf'(?<=[>"])(\s*){said}(\s*)(?=[<"])', rf'\1{translated(said)}\2', html)
    return html

def _parameters(m):
    lines = m[1].replace('<dd>', '<span class="sig-line">').replace('</dd>', '</span>')
    return f'<span class="sig-lines">{lines}</span>'

def _scrolls(m):
    lines = re.sub(r'<[^>]+>', '', m[1]).splitlines()
    return f'<pre tabindex="0">{m[1]}</pre>' if len(lines) > 18 or max(map(len, lines), default=0) > LONG else m[0]

def switch(out, lang):
    "On each page a link to the same page in the other language"
    for there in (out/lang).rglob('*.html'):
        rel = there.relative_to(out/lang)
        here = out/rel
        if not here.is_file(): continue
        up = '../'*(len(rel.parts) - 1)
        _link(here, f'{up}{lang}/{rel.as_posix()}', lang, NAMES.get(lang, lang))
        _link(there, f'{up}../{rel.as_posix()}', 'en', 'English')

def _link(page, address, lang, name):
    text, link = page.read_text(encoding='utf-8'), f'<p class="lang"><a href="{address}" lang="{lang}">{name}</a></p>'
    page.write_text(text.replace('<article role="main"', f'{link}\n<article role="main"', 1), encoding='utf-8')

if __name__ == '__main__':
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/'build'/'book'
    code = build(out, langs=sys.argv[2:] or None)
    if not code: print(f'{out/"index.html"}')
    sys.exit(code)
