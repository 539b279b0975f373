("The widgets in JupyterLab itself: run a notebook, move the slider by keyboard, click a cell, ask Python; save, lose "
 "the kernel, reopen; then each chapter")
import json
import re
import time
from pathlib import Path

import pytest
from browser_tools import ASK, expect, is_ready, jupyterlab, open_lab, table

from usbook.cli.lab import lab_folder, lab_words
from usbook.widgets.confusion import explore_confusion
from usbook.widgets.threshold import explore_threshold

ROOT = Path(__file__).parents[1]
CELLS = (
    'import sys; sys.path.insert(0, TESTS)\nfrom browser_tools import table\nfrom usbook.widgets.threshold import '
    'explore_threshold\nfrom usbook.widgets.confusion import explore_confusion',
    'w = explore_threshold(table(), paper=(.961, .883)); w',
    'c = explore_confusion(table(classes=("A", "B", "C"), noise=.7)); c',
)


PLAIN = json.dumps(
    {'@jupyterlab/notebook-extension:tracker': dict(windowingMode='none')}
)  # every cell on the page, not only those in sight


@pytest.fixture(scope='module')
def lab(tmp_path_factory, chromium):
    "One JupyterLab for all: what `usbook lab` puts into a folder, the samples, and a notebook to play in"
    folder = lab_folder(tmp_path_factory.mktemp('lab'))
    cells = [dict(cell_type='code', source=c.replace('TESTS', repr(str(ROOT/'tests'))), outputs=[], metadata={},
                  execution_count=None, id=str(i)) for i, c in enumerate(CELLS)]
    kernel = dict(kernelspec=dict(name='python3', display_name='python3', language='python'))
    book = dict(cells=cells, metadata=kernel, nbformat=4, nbformat_minor=5)
    (folder/'play.ipynb').write_text(json.dumps(book), encoding='utf-8')
    (folder/'data_samples').symlink_to(ROOT/'data_samples')
    config = folder/'.jupyter'/'config'/'labconfig'
    config.mkdir(parents=True)
    (config/'default_setting_overrides.json').write_text(PLAIN)
    with jupyterlab(folder, USBOOK_PROFILE='test') as url: yield url


@pytest.fixture(scope='module')
def desk(lab, chromium):
    "A browser's page with JupyterLab, where notebooks are opened one after another: it takes seconds to load"
    context, page = open_lab(chromium, lab('welcome.ipynb'), kernel=False)
    yield page
    context.close()


OPEN = '''async ({ path, id }) => {
    const app = window.jupyterapp, kernel = id ? { kernel: { id } } : {};
    app.shell.activateById((await app.commands.execute("docmanager:open", { path, ...kernel })).id); }'''
CLOSE = '''async end => { // and forget what was not saved
    const w = window.jupyterapp.shell.currentWidget;
    if (end) await w.sessionContext.shutdown();
    w.dispose(); }'''


@pytest.fixture
def opened(desk):
    "A function that opens a notebook on the desk; it is closed after the test, and a kernel of its own ended"
    given = []
    def open_notebook(path, kernel=None):
        given.append(kernel)
        desk.evaluate(OPEN, dict(path=path, id=kernel))
        desk.wait_for_function('path => window.jupyterapp.shell.currentWidget?.context?.path === path', arg=path)
        is_ready(desk)
        return desk
    desk.set_default_timeout(30000)
    yield open_notebook
    desk.evaluate(CLOSE, given[-1:] == [None])


def test_the_welcome_page_is_rendered_and_leads_to_four_doors(opened, tmp_path):
    "JupyterLab began among `_book` and `00_settings`"
    (tmp_path/'welcome.ipynb').touch()
    assert '--LabApp.default_url=/lab/tree/welcome.ipynb' in lab_words(tmp_path)
    page = opened('welcome.ipynb')
    expect(page.locator('.jp-RenderedMarkdown h1', has_text='Welcome to usbook')).to_be_visible(timeout=40000)
    rows = page.locator('.jp-RenderedMarkdown table').first.locator('tbody tr')
    assert [t.split()[1] for t in rows.locator('td:first-child').all_inner_texts()] == [
        'learner', 'teacher', 'researcher', 'developer']
    links = page.locator('.jp-RenderedMarkdown a:not(.jp-InternalAnchorLink)')
    assert links.count() >= 8
    page.locator('a', has_text='four signs in the lung').first.click()
    page.wait_for_function("window.jupyterapp.shell.currentWidget.context.path === 'chapters/01_lung_signs.ipynb'")


def test_in_jupyterlab(lab, opened, chromium):
    page = opened('play.ipynb')
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    explorer, confusion = (
        page.get_by_role('region', name='Threshold explorer'),
        page.get_by_role('region', name='Confusion explorer'),
    )
    expect(explorer).to_be_visible(timeout=40000)
    expect(confusion).to_be_visible(timeout=40000)

    slider = explorer.get_by_role('slider', name='Threshold')                       # in command mode, as after a run
    slider.scroll_into_view_if_needed()
    slider.focus()
    for key in ('ArrowRight', 'ArrowRight', 'ArrowRight', 'Shift+ArrowRight'): page.keyboard.press(key)
    w = explore_threshold(table(), paper=(.961, .883))
    w.threshold = .531
    for k, v in w.numbers().items():
        expect(explorer.locator(f'[data-name={k}]')).to_have_text(f'{v.value:.3f}')
        expect(explorer.locator(f'[data-name={k}-ci]')).to_have_text(f'{v.low:.3f}–{v.high:.3f}')

    c = explore_confusion(table(classes=('A', 'B', 'C'), noise=.7), cell=['B', 'A'])
    confusion.locator('button[data-row="1"][data-col="0"]').click()
    expect(confusion.locator('[data-name=album]')).to_contain_text(f'B, predicted A: {len(c.selected)} image')
    expect(confusion.locator('.thumb').first).to_contain_text(c.selected['image'].iloc[0])

    for _ in range(100):
        said = page.evaluate(
            ASK,
            'import json\n'
            'print(json.dumps([w.threshold, w.counts, c.cell, c.matrix.tolist(), w.figure() is not None]))',
        )
        if json.loads(said)[0] == .531 and json.loads(said)[2]: break
        time.sleep(.05)
    assert json.loads(said) == [.531, w.counts, ['B', 'A'], c.matrix.tolist(), True]

    page.evaluate(ASK, 'w.threshold = .25')                                          # and back: Python moves the page
    w.threshold = .25
    expect(explorer.locator('[data-name=sensitivity]')).to_have_text(f"{w.numbers()['sensitivity'].value:.3f}")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function('!window.jupyterapp.shell.currentWidget.context.model.dirty')
    page.evaluate('window.jupyterapp.shell.currentWidget.sessionContext.shutdown()')

    context, page = open_lab(chromium, lab('play.ipynb'), kernel=False)  # without a kernel, from the saved state
    explorer = page.get_by_role('region', name='Threshold explorer')
    expect(explorer).to_be_visible(timeout=40000)
    expect(explorer.get_by_role('slider', name='Threshold')).to_have_value('0.25')
    explorer.get_by_role('slider', name='Threshold').press('ArrowRight')
    w.threshold = .26
    expect(explorer.locator('[data-name=specificity]')).to_have_text(f"{w.numbers()['specificity'].value:.3f}")
    context.close()


# Each chapter, run from top to bottom in JupyterLab under the test profile ---------------------------------------

KERNEL = '''async () => { // and leave it: a listener that knows no widgets would close them
    const session = await window.jupyterapp.serviceManager.sessions.startNew({
        path: "chapters/any.ipynb", name: "", type: "notebook", kernel: { name: "python3" } });
    const id = session.kernel.id;
    session.dispose();
    return id; }'''
EMPTY = '''import ipywidgets, matplotlib.pyplot
ipywidgets.Widget.close_all()
matplotlib.pyplot.close("all")
get_ipython().run_line_magic("reset", "-f")'''


@pytest.fixture(scope='module')
def kernel(desk):
    "One kernel for all chapters, emptied before each: they would load PyTorch one by one"
    return desk.evaluate(KERNEL)


CHAPTERS = sorted((ROOT/'nbs'/'chapters').glob('*.ipynb'))
RUN = '''async () => {
    const app = window.jupyterapp, cells = app.shell.currentWidget.content.widgets;
    await app.commands.execute("notebook:run-all-cells");
    const outputs = cells.flatMap(c => c.model.type === "code" ? c.model.sharedModel.toJSON().outputs : []);
    return outputs.filter(o => o.output_type === "error").map(o => o.ename + ": " + o.evalue); }'''
WIDGETS = '''import json; from usbook.widgets.base import TableWidget
shown = [(k, v) for k, v in list(globals().items()) if isinstance(v, TableWidget) and not k.startswith("_")]
print(json.dumps({k: type(v).__name__ for k, v in shown}))'''


def ask(page, code): return json.loads(page.evaluate(ASK, code))


def until(said, want):
    "Messages take a moment"
    for _ in range(100):
        got = said()
        if got == want: return
        time.sleep(.05)
    assert got == want


def region(page, name): return page.get_by_role('region', name=name).first


def drive_threshold(page, w):
    box = region(page, 'Threshold explorer')
    box.get_by_role('slider', name='Threshold').focus()
    for key in ('ArrowLeft', 'ArrowLeft', 'Shift+ArrowLeft'): page.keyboard.press(key)
    at = float(box.get_by_role('slider', name='Threshold').input_value())
    until(lambda: ask(page, f'import json; print(json.dumps({w}.threshold))'), at)
    for k, v in ask(page, f'print(json.dumps({{k: v.value for k, v in {w}.numbers().items()}}))').items():
        if v is None: continue
        either = '|'.join({re.escape(f'{v + o:.3f}') for o in (0, 1e-12)}) # a tie such as .5625 goes either way
        expect(box.locator(f'[data-name={k}]')).to_have_text(re.compile(either))


def drive_confusion(page, w):
    box = region(page, 'Confusion explorer')
    row, col = ask(
        page,
        f'import json, numpy as np; m = np.asarray({w}.matrix); m = m - np.diag(np.diag(m)) if (m - '
        f'np.diag(np.diag(m))).any() else m; '
        'print(json.dumps([int(i) for i in np.unravel_index(m.argmax(), m.shape)]))',
    )
    box.locator(f'button[data-row="{row}"][data-col="{col}"]').click()
    until(lambda: ask(page, f'print(json.dumps(bool({w}.cell)))'), True)
    n, first = ask(page, f's = {w}.selected; print(json.dumps([len(s), str(s["image"].iloc[0])]))')
    expect(box.locator('[data-name=album]')).to_contain_text(f'{n} image')
    expect(box.locator('.thumb').first).to_contain_text(Path(first).name)


def drive_pair(page, w):
    box = page.locator('.usbook-widget', has=page.locator('[data-name=only_a]'))
    for cell, n in ask(page, f'import json; print(json.dumps({w}.counts))').items():
        expect(box.locator(f'[data-name={cell}]').first).to_have_text(str(n))
    box.locator('button[data-row="0"][data-col="0"]').click()
    until(lambda: ask(page, f'print(json.dumps({w}.cell))'), 'both_right')


def drive_cine(page, w):
    box = region(page, 'Cine player')
    before = ask(page, f'import json; print(json.dumps({w}.frame))')
    box.get_by_role('slider', name='Frame', exact=True).focus()
    page.keyboard.press('ArrowRight')
    until(lambda: ask(page, f'print(json.dumps({w}.frame))'), before + 1)


def drive_leaf(page):
    "Head CT: a slider leafs through the heat maps"
    seen = lambda: ask(page, 'import hashlib, json; print(json.dumps(hashlib.sha256(picture.value).hexdigest()))')
    first = seen()
    page.locator('.widget-slider .noUi-handle').first.focus()
    page.keyboard.press('ArrowRight')
    until(lambda: ask(page, 'print(json.dumps(slider.value))'), min(5, ask(page, 'print(json.dumps(slider.max))')))
    assert seen() != first


DRIVE = dict(
    ThresholdExplorer=drive_threshold,
    ConfusionExplorer=drive_confusion,
    FrozenVersusFinetuned=drive_pair,
    CinePlayer=drive_cine,
)


@pytest.mark.parametrize('chapter', CHAPTERS, ids=lambda f: f.stem)
def test_chapter_in_jupyterlab(chapter, opened, kernel):
    page = opened(f'chapters/{chapter.name}', kernel)
    page.set_default_timeout(20000)
    assert page.evaluate(ASK, EMPTY) == ''
    assert page.evaluate(RUN) == []
    found = ask(page, WIDGETS)
    assert found, 'this chapter shows no widget'
    for name, kind in found.items():
        if kind in DRIVE: DRIVE[kind](page, name)
    assert any(kind in DRIVE for kind in found.values())
    if chapter.stem == '02_head_ct': drive_leaf(page)
