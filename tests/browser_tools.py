"What the browser tests share: one Chromium, stub pages, a table whose truth is known"
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from usbook.cli.lab import lab_environment

from usbook.predictions.predictions import Predictions
from usbook.widgets.base import page as html_page, static_text

try: from playwright.sync_api import expect, sync_playwright
except ImportError: expect = sync_playwright = None

FLAGS = ('--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update '
         '--disable-sync --no-first-run').split()


def missing(reason):
    "A browser that isn't there fails in CI and skips on a person's machine"
    if os.environ.get('CI'): pytest.fail(f'{reason} (CI is set, so this is a failure)', pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope='session')
def chromium():
    if sync_playwright is None: missing('Playwright for Python is not installed: pip install playwright')
    exe = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if exe is None: missing('no Chromium on the PATH: install the package chromium')
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=exe, args=FLAGS)
        yield browser
        browser.close()


FEWER = """() => {
    document.querySelectorAll('ul, ol, tbody, section').forEach(e => ['LI', 'TR', 'SECTION'].forEach(tag =>
        [...e.children].filter(c => c.tagName == tag).slice(20).forEach(c => c.remove())));
    [...document.querySelectorAll('pre')].slice(20).forEach(e => e.remove()); }"""

@pytest.fixture(scope='session')
def barriers(chromium):
    ("What axe-core finds serious or critical on a page, by light and in the dark; of long lists the first 20 rows, "
     "of code the first 20 boxes")
    from importlib.util import find_spec
    found = find_spec('axe_playwright_python')
    if found is None: missing('axe-core is not installed: pip install axe-playwright-python')
    axe = (Path(found.origin).parent/'axe.min.js').read_text(encoding='utf-8')

    def look(path, width=1200):
        out, context = [], chromium.new_context(viewport=dict(width=width, height=900), color_scheme='light')
        page = context.new_page()
        page.goto(Path(path).as_uri())
        page.evaluate(axe)
        page.evaluate(FEWER)
        for scheme in ('light', 'dark'):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(300)
            said = page.evaluate("() => axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
            out += [f"{scheme}: {v['id']}: {n['html'][:200]}" for v in said if v['impact'] in ('serious', 'critical')
                    for n in v['nodes'][:2]]
        context.close()
        return out
    return look


@pytest.fixture
def show(chromium, tmp_path):
    "Open a widget's standalone page; whatever the page complains of fails the test"
    pages, complaints = [], []

    def open_page(widget, width=1100, height=900, scheme='light'):
        context = chromium.new_context(viewport=dict(width=width, height=height), color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on('pageerror', lambda e: complaints.append(str(e)))
        page.on('console', lambda m: complaints.append(m.text) if m.type == 'error' else None)
        page.on('dialog', lambda d: (complaints.append(f'dialog {d.message}'), d.dismiss()))
        file = tmp_path/f'{len(pages)}.html'
        file.write_text(html_page(widget.html()), encoding='utf-8')
        page.goto(file.as_uri())
        page.wait_for_selector('.usbook-widget')
        pages.append(context)
        return page
    yield open_page
    for c in pages: c.close()
    assert not complaints, complaints


@pytest.fixture
def module(chromium, tmp_path):
    "Import a widget's JavaScript with all it exports; returns `call(expression of m, argument)`"
    page = chromium.new_page()
    (tmp_path/'empty.html').write_text('<!DOCTYPE html><title>empty</title>')
    page.goto((tmp_path/'empty.html').as_uri())

    def load(name):
        own = (
            re.sub(r'^import\s[^;]*?from "\./[^"]*";\n', '', static_text(f'{name}.js'), flags=re.M)
            if name != 'base'
            else ''
        )
        page.evaluate('''async src => {
                             const blob = new Blob([src], {type: "text/javascript"});
                             window.m = await import(URL.createObjectURL(blob)); }''',
                      f"{static_text('base.js')}\n{own}")
        return lambda code, arg=None: page.evaluate(f'x => {{ const m = window.m; return ({code}); }}', arg)
    yield load
    page.close()


def table(n=240, per=4, classes=('none', 'finding'), seed=0, noise=0., **readers):
    "Scores of `n` images, `per` images a patient, somewhat alike within a patient"
    rng, k = np.random.default_rng(seed), len(classes)
    patient = np.repeat(np.arange(n//per), per)
    target = rng.integers(0, k, n//per)[patient]
    z = rng.normal(0, 1, (n, k)) + rng.normal(0, .7, (n//per, k))[patient]
    z[np.arange(n), target] += 1.8
    z += noise*np.random.default_rng(seed + 99).normal(0, 1, (n, k))
    p = np.exp(z)
    p = np.round(p/p.sum(1, keepdims=True), 3)                       # rounded: ties, and scores equal to a threshold
    return Predictions.from_arrays([f'case-{i:05}.png' for i in range(n)], [f'p{i}' for i in patient], target,
                                   p/p.sum(1, keepdims=True), list(classes), readers=readers or None)


EVIL = '<img src=x onerror="document.title=\'owned\'">'


KERNEL = '''
{ // a block: names of its own, whatever the widgets call theirs
window.model = stub(STATE);
model.get_ = model.get; model.get = k => k === "_standalone" ? false : model.get_(k);
const ears = new Set(), on = model.on, off = model.off;
model.on = (e, f) => e === "msg:custom" ? ears.add(f) : on(e, f);
model.off = (e, f) => e === "msg:custom" ? ears.delete(f) : off(e, f);
let changed = {}, set_ = model.set;
model.set = (k, v) => { changed[k] = v; set_(k, v); };
model.send = async msg => {
  const news = changed; changed = {};
  const { state, sent } = JSON.parse(await window.python(JSON.stringify({ msg, news })));
  for (const [content, buffers] of sent) for (const f of [...ears]) f(content, buffers.map(b => unpack({ $b: b })));
  for (const [k, v] of Object.entries(state)) if (!(k in changed)) set_(k, v); // what was typed since is newer
};
widget.render({ model, el: document.body });
}
'''


@pytest.fixture
def live(chromium, tmp_path):
    "A widget's page whose messages reach the widget in this process, as a kernel would have it"
    import base64, json
    from usbook.widgets.base import TableWidget, page as html_page, safe_json
    contexts, complaints = [], []

    def open_page(w):
        sent, context = [], chromium.new_context(viewport=dict(width=1000, height=800))
        w.send = lambda content, buffers=None: sent.append(
            (content, [base64.b64encode(b).decode() for b in buffers or []])
        )

        def answer(msg):
            sent.clear()
            said = json.loads(msg)
            for k, v in said['news'].items(): setattr(w, k, v)
            w._answer(w, said['msg'], [])
            state = {k: v for k, v in TableWidget.page_state(w).items() if k not in ('_pictures', '_clips')}
            return safe_json(dict(state=state, sent=sent))
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on('pageerror', lambda e: complaints.append(str(e)))
        page.expose_function('python', answer)
        code = str(w._esm).replace('export default', 'const widget =')
        script = f"{static_text('stub.js')}\n{code}\n{KERNEL.replace('STATE', safe_json(w.page_state()))}"
        file = tmp_path/f'live{len(contexts)}.html'
        file.write_text(html_page(f'<style>{w._css}</style><script type="module">{script}</script>'), encoding='utf-8')
        page.goto(file.as_uri())
        page.wait_for_selector('.usbook-widget')
        contexts.append(context)
        return page
    yield open_page
    for c in contexts: c.close()
    assert not complaints, complaints


TOKEN = 'usbook'


@contextlib.contextmanager
def jupyterlab(folder, **env):
    ("A JupyterLab over `folder`, with the environment that `usbook lab` gives it; yields a function (notebook) -> "
     "address")
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    own = folder/'.jupyter'
    env = (
        lab_environment()
        | dict(
            PYTHONPATH=str(Path(__file__).parents[1]),
            JUPYTERLAB_SETTINGS_DIR=str(own / 'settings'),
            JUPYTERLAB_WORKSPACES_DIR=str(own / 'ws'),
            JUPYTER_CONFIG_DIR=str(own / 'config'),
            JUPYTER_RUNTIME_DIR=str(own / 'run'),
            OMP_NUM_THREADS='1',
            USBOOK_WIDGETS='',
        )
        | env
    )
    p = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'jupyterlab',
            '--no-browser',
            '--allow-root',
            '--ip=127.0.0.1',
            f'--port={port}',
            f'--IdentityProvider.token={TOKEN}',
            '--LabApp.expose_app_in_browser=True',
            '--LabApp.news_url=',
            '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
            f'--ServerApp.root_dir={folder}',
        ],
        cwd=folder,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f'http://127.0.0.1:{port}'
    for _ in range(1200):
        try: urllib.request.urlopen(f'{url}/api/status?token={TOKEN}', timeout=2).read(); break
        except OSError:
            assert p.poll() is None, 'JupyterLab ended before it was ready'
            time.sleep(.1)
    else:
        p.kill()
        pytest.fail('JupyterLab was not ready after two minutes', pytrace=False)
    try: yield lambda notebook: f'{url}/lab/tree/{notebook}?token={TOKEN}&reset'
    finally:
        p.terminate()
        try: p.wait(4)
        except subprocess.TimeoutExpired: p.kill()                                  # kernels end with their server


READY = '''async () => {
    const app = window.jupyterapp, w = app && app.shell.currentWidget;
    if (!w || !w.context || !app.commands.hasCommand("notebook:run-all-cells")) return false;
    await w.context.ready;
    await w.sessionContext.ready;
    if (!KERNEL) return true;
    const k = w.sessionContext.session && w.sessionContext.session.kernel;
    if (!k) return false;
    await k.info;
    const t = k._targetRegistry;
    return !t || "jupyter.widget" in t; }''' # a model that comes before its manager is lost
ASK = '''async code => {
    const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel, f = k.requestExecute({ code });
    let out = "";
    f.onIOPub = m => {
        if (m.header.msg_type === "stream") out += m.content.text;
        if (m.header.msg_type === "error") out += m.content.evalue;
    };
    await f.done;
    return out; }'''


def open_lab(chromium, url, kernel=True):
    context = chromium.new_context(viewport=dict(width=1300, height=1400))
    page = context.new_page()
    page.set_default_timeout(30000)
    page.goto(url)
    is_ready(page, kernel)
    return context, page


def is_ready(page, kernel=True):
    "Wait for the notebook in front, and for its kernel"
    for _ in range(600):
        if page.evaluate(READY.replace('KERNEL', 'true' if kernel else 'false')): break
        time.sleep(.05)


CONTROLS = r'''() => { // what can be operated here and is to be seen; each gets a number
  const seen = e => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
  const plain = "a[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [tabindex], " +
    "[role=button], [role=slider]";
  const passed = e => e.tabIndex < 0 && e.matches("section, li, h1, h2, h3, div, p");
  const all = [...document.querySelectorAll(plain)].filter(e => seen(e) && !e.disabled && !passed(e));
  all.forEach((e, i) => e.dataset.k = i);
  const own = e => getComputedStyle(e).cursor === "pointer" && getComputedStyle(e.parentElement).cursor !== "pointer";
  const mouse = [...document.body.querySelectorAll("*")].filter(e =>
    seen(e) && own(e) && !e.closest("[data-k], label") && !e.querySelector("[data-k]"));
  mouse.push(...[...document.querySelectorAll("label")].filter(l =>
    seen(l) && l.control && l.control.dataset.k === undefined && getComputedStyle(l).cursor === "pointer"));
  const name = e => e.outerHTML.slice(0, 110);
  return { all: all.map(name), mouse: mouse.map(name) }; }'''
FOCUS = r'''() => { // what has the focus, and whether that is to be seen
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const look = s => [s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 ? s.outline : "", s.boxShadow,
    s.backgroundColor, s.borderColor, s.textDecorationLine, s.stroke, s.strokeWidth].join(";");
  const labels = [...e.labels ?? []].flatMap(l => [l, ...l.children]);
  const parts = [e, e.closest("label"), e.nextElementSibling, ...labels].filter(Boolean);
  const on = parts.map(p => look(getComputedStyle(p)));
  e.blur();
  const off = parts.map(p => look(getComputedStyle(p)));
  e.focus({ focusVisible: true, preventScroll: true });
  return { k: e.dataset.k === undefined ? -1 : +e.dataset.k, html: e.outerHTML.slice(0, 110),
           visible: on.join() !== off.join() || e.tagName === "IFRAME",
           across: Math.round(Math.sqrt(e.closest(".matrix")?.querySelectorAll("button").length ?? 0)) }; }'''


def without_a_mouse(page):
    """What is wrong for somebody without a mouse: controls that neither Tab nor, within a group, the arrows reach; what
    only a mouse can do; where the focus is not to be seen"""
    told, reached = page.evaluate(CONTROLS), set()
    wrong = [f'only a mouse can use {m}' for m in told['mouse']]
    page.evaluate('() => { document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); }')

    def press(key):
        page.keyboard.press(key)
        now = page.evaluate(FOCUS)
        if now is None or now['k'] in reached - {-1} and key == 'Tab': return None
        if now['k'] not in reached:
            if not now['visible']: wrong.append(f'the focus is not to be seen on {now["html"]}')
        reached.add(now['k'])
        return now
    for _ in range(2*len(told['all']) + 20):             # code that runs over becomes a stop while we go
        if (now := press('Tab')) is None: break
        n = now['across']                                # a square of buttons with one stop: the arrows go through it
        for key in ['ArrowLeft', 'ArrowUp']*n: press(key)
        for i in range(n):
            for _ in range(n - 1): press('ArrowLeft' if i % 2 else 'ArrowRight')
            press('ArrowDown')
    return wrong + [f'not reached: {name}' for k, name in enumerate(told['all']) if k not in reached]
