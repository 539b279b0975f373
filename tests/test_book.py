"The book: built without a warning, whole, silent about machines and directives, and in need of no network"
import ast, json, os, posixpath, re, subprocess, sys, tempfile, time
from html import unescape
from pathlib import Path

import pytest
from browser_tools import without_a_mouse

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(
    p.relative_to(ROOT / 'nbs') for p in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts
)
CHAPTERS = [p for p in NOTEBOOKS if p.parts[0] == 'chapters']

def code(nb):
    return [c for c in json.loads((ROOT / 'nbs' / nb).read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code']
def text(html): return unescape(re.sub(r'<(script|style)\b.*?</\1>|<[^>]+>', '', html, flags=re.S))

def build(out)->str: # '0', or what Sphinx complains of
    r = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'book' / 'book.py'), str(out), 'en'],
        capture_output=True,
        text=True,
        encoding='utf-8',
        timeout=600,
    )
    return r.stderr.strip() or str(r.returncode)

@pytest.fixture(scope='session')
def book(tmp_path_factory):
    for module in ('sphinx', 'myst_nb', 'furo'):
        pytest.importorskip(
            module, reason=f'{module} is not installed, so the book is not built: pip install -e ".[book]"'
        )
    base = tmp_path_factory.getbasetemp()
    if os.environ.get('PYTEST_XDIST_WORKER'): base = base.parent    # built once for all workers
    out, said = base/'book', base/'book.txt'
    try: out.mkdir()
    except FileExistsError:
        for _ in range(3000):
            if said.exists(): break
            time.sleep(.2)
    else: said.write_text(build(out), encoding='utf-8')
    assert said.read_text(encoding='utf-8') == '0', (
        f'the book was built with warnings:\n{said.read_text(encoding="utf-8")[-3000:]}'
    )
    return out

@pytest.fixture(scope='session')
def pages(book): return {p.relative_to(book).as_posix(): p.read_text(encoding='utf-8') for p in book.rglob('*.html')}

def test_every_notebook_has_a_page_that_the_others_lead_to(pages):
    for nb in NOTEBOOKS:
        page = nb.with_suffix('.html').as_posix()
        assert page in pages
        assert page == 'index.html' or f'href="{page}"' in pages['index.html'], (
            f'no way leads from the first page to {page}'
        )

def test_chapters_come_first(pages):
    links = re.findall(
        r'<a class="reference internal" href="([\w/]+)\.html"', pages['index.html'].split('sidebar-tree')[1]
    )
    assert links[:len(CHAPTERS)] == [p.with_suffix('').as_posix() for p in CHAPTERS]

def test_no_directive_is_seen(pages):
    for name, html in pages.items(): assert not re.search(r'^\s*#\s*\|', text(html), re.M), name

def test_hidden_cells_are_hidden(pages):
    for nb in NOTEBOOKS:
        for c in code(nb):
            lines = ''.join(c['source']).splitlines()
            long = next((l.strip() for l in lines if len(l.strip()) > 40), None)
            if lines and lines[0].startswith('#| hide') and long:
                shown = [
                    l for x in code(nb) if x is not c and x['source'] != c['source'] for l in x['source'] if long in l
                ]
                assert shown or long not in text(pages[nb.with_suffix('.html').as_posix()]), (nb, long)

def test_nothing_is_loaded_from_a_network(book, pages):
    loads = re.compile(
        r'<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc\s*=\s*["\']?(?:https?:)?//[^"\'\s>]+'
        r'|<link\b[^>]*\bhref\s*=\s*["\']?(?:https?:)?//[^"\'\s>]+|@import\s+[^;]*//[^;]+'
    )
    for name, html in pages.items(): assert not loads.findall(html), name
    for css in book.rglob('*.css'):
        assert not re.search(r'url\(\s*["\']?(?:https?:)?//|@import\s+[^;]*//', css.read_text(encoding='utf-8')), (
            css.name
        )

def test_no_machine_speaks_through(book, pages):
    here = [str(ROOT), str(Path.home()) + '/', str(book), tempfile.gettempdir() + '/']
    for name, html in pages.items(): assert not [h for h in here if h in text(html)], name

def test_exported_names_have_entries(pages):
    html = pages['evidence/02_resample.html']
    assert 'id="usbook.evidence.resample.wilson"' in html and 'successes' in html
    assert 'evidence/02_resample.html#usbook.evidence.resample.wilson' in pages['names.html']

def public_definitions(): # (module, name) of all that a module offers; exercises' checks have lessons
    for f in (ROOT/'usbook').rglob('*.py'):
        module, tree = f.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.'), ast.parse(f.read_text('utf-8'))
        if module.startswith('usbook.classroom.exercises'): continue
        listed = [n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == '__all__']
        if not listed or any(isinstance(e, ast.Starred) for e in listed[0].elts): continue
        names = set(ast.literal_eval(listed[0]))
        yield from ((module, n.name) for n in tree.body if getattr(n, 'name', None) in names)

def test_every_public_definition_has_its_entry(pages):
    found = {i for html in pages.values() for i in re.findall(r'id="(usbook\.[\w.]+)"', html)}
    asked = {f'{m}.{n}' for m, n in public_definitions()}
    assert len(asked) > 1000 and not sorted(asked - found)

def test_no_link_inside_the_book_is_dead(book, pages):
    ids = {k: set(re.findall(r'\bid="([^"]+)"', html)) for k, html in pages.items()}
    dead, seen = set(), 0
    for page, html in pages.items():
        bare = re.sub(r'<(script|style|pre)\b.*?</\1>', '', html, flags=re.S)
        for link in map(unescape, re.findall(r'<(?:a|img|link)\b[^>]*?\b(?:href|src)="([^"]+)"', bare)):
            if re.match(r'[a-z]+:|//', link): continue
            place, _, part = link.partition('#')
            at = posixpath.normpath(posixpath.join(posixpath.dirname(page), place.split('?')[0])) if place else page
            seen += 1
            if not (book/at).exists() or part and at in ids and part not in ids[at]: dead.add((page, link))
    assert seen > 10_000 and not sorted(dead)[:10]

@pytest.mark.parametrize('name,width', [('chapters/06_gallbladder', 1280), ('evidence/02_resample', 390)])
def test_a_page_needs_no_mouse(book, chromium, name, width):
    "The theme's menus on a phone were labels of boxes that no Tab reached"
    page = chromium.new_page(viewport=dict(width=width, height=900), reduced_motion='reduce')
    page.goto((book/f'{name}.html').as_uri())
    page.wait_for_timeout(300)
    assert without_a_mouse(page) == []
    page.close()

def test_formulas_are_drawn_without_a_script(pages):
    assert '<math' in pages['evidence/02_resample.html'] and not any('mathjax' in h.lower() for h in pages.values())

def test_widgets_move_or_say_that_they_need_a_kernel(pages):
    for nb in CHAPTERS:
        html = pages[nb.with_suffix('.html').as_posix()]
        assert 'id="usbook-' in html or 'only while a kernel runs' in html, nb

def test_in_a_browser_offline(book, chromium):
    "No request leaves the folder, nothing fails to load, no page is wider than a phone, and a slider moves"
    context = chromium.new_context(offline=True, viewport=dict(width=390, height=844))
    page, wrong = context.new_page(), []
    page.on('request', lambda r: wrong.append(r.url) if not r.url.startswith(('file:', 'blob:', 'data:')) else None)
    page.on('requestfailed', lambda r: wrong.append(r.url))
    page.on('pageerror', lambda e: wrong.append(str(e)))
    for nb in (
        'index',
        'names',
        'search',
        'evidence/02_resample',
        'widgets/01_threshold',
        *(p.with_suffix('').as_posix() for p in CHAPTERS),
    ):
        page.goto((book/f'{nb}.html').as_uri())
        assert page.evaluate('document.documentElement.scrollWidth') <= 390, nb
        assert not wrong, (nb, wrong)
    page.goto((book/'widgets'/'01_threshold.html').as_uri())
    slider = page.get_by_role('slider', name='Threshold').first
    before = slider.input_value()
    slider.press('ArrowRight')
    assert float(slider.input_value()) > float(before)
    context.close()


def test_a_page_for_every_notebook_in_chinese(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT/'tools'/'book'))
    import book
    from usbook.core.language import set_language
    try:
        set_language('zh')
        book.prepare(tmp_path/'nbs', 'zh')
    finally: set_language('en')
    assert sorted(p.relative_to(tmp_path/'nbs') for p in (tmp_path/'nbs').rglob('*.ipynb')) == NOTEBOOKS
    first = (tmp_path/'nbs'/'chapters'/'01_lung_signs.ipynb').read_text(encoding='utf-8')
    assert json.loads(first)['cells'][0]['source'].startswith('# 肺')

def test_a_switch_leads_to_the_same_page_and_back(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT/'tools'/'book'))
    import book
    for p in ('a/b.html', 'zh/a/b.html'):
        (tmp_path/p).parent.mkdir(parents=True)
        (tmp_path/p).write_text('<article role="main">', encoding='utf-8')
    book.switch(tmp_path, 'zh')
    for p in ('a/b.html', 'zh/a/b.html'):
        [address] = re.findall('<a href="([^"]*)"', (tmp_path/p).read_text(encoding='utf-8'))
        assert (tmp_path/p).parent.joinpath(address).is_file()

@pytest.mark.parametrize('name', ['names', 'evidence/02_resample', 'classroom/10_before_after'])
def test_axe_finds_no_serious_barrier(book, barriers, name): assert barriers(book/f'{name}.html') == []

def test_pictures_of_chapters_say_what_they_show(pages):
    "Their names were the hashes of their files"
    for nb in CHAPTERS:
        alts = re.findall(r'<img alt="([^"]*)" src="[./]*_images/', pages[nb.with_suffix('.html').as_posix()])
        assert alts and not [a for a in alts if len(a) < 10 or a.endswith('.png')], nb
