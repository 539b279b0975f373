"The widgets in JupyterLab itself: run a notebook, move the slider by keyboard, click a cell, ask Python; save, lose the kernel, reopen"
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from browser_tools import expect, table

from usbook.widgets.confusion import explore_confusion
from usbook.widgets.threshold import explore_threshold

ROOT, TOKEN = Path(__file__).parents[1], 'usbook'
CELLS = ('import sys; sys.path.insert(0, TESTS)\nfrom browser_tools import table\nfrom usbook.widgets.threshold import explore_threshold\nfrom usbook.widgets.confusion import explore_confusion',
         'w = explore_threshold(table(), paper=(.961, .883)); w',
         'c = explore_confusion(table(classes=("A", "B", "C"), noise=.7)); c')


@pytest.fixture
def lab(tmp_path, chromium):
    "A JupyterLab with one notebook; widget state is saved with notebooks, as `make lab` sets it"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c.replace('TESTS', repr(str(ROOT/'tests')))) for c in CELLS])
    book.metadata['kernelspec'] = dict(name='python3', display_name='python3', language='python')
    nbformat.write(book, tmp_path/'play.ipynb')
    settings = tmp_path/'settings'/'@jupyter-widgets'/'jupyterlab-manager'
    settings.mkdir(parents=True)
    (settings/'plugin.jupyterlab-settings').write_text('{"saveState": true}')
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    env = os.environ | dict(PYTHONPATH=str(ROOT), JUPYTERLAB_SETTINGS_DIR=str(tmp_path/'settings'), JUPYTERLAB_WORKSPACES_DIR=str(tmp_path/'ws'),
                            JUPYTER_CONFIG_DIR=str(tmp_path/'config'), JUPYTER_RUNTIME_DIR=str(tmp_path/'run'), OMP_NUM_THREADS='1', USBOOK_WIDGETS='')
    p = subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}', f'--IdentityProvider.token={TOKEN}',
                          '--LabApp.expose_app_in_browser=True', '--LabApp.news_url=', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
                          f'--ServerApp.root_dir={tmp_path}'], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f'http://127.0.0.1:{port}'
    for _ in range(300):
        try: urllib.request.urlopen(f'{url}/api/status?token={TOKEN}', timeout=2).read(); break
        except OSError:
            assert p.poll() is None, 'JupyterLab ended before it was ready'
            time.sleep(.1)
    yield f'{url}/lab/tree/play.ipynb?token={TOKEN}&reset'
    p.terminate()
    try: p.wait(4)
    except subprocess.TimeoutExpired: p.kill()                                      # kernels end with their server


READY = '''async () => { const app = window.jupyterapp; const w = app && app.shell.currentWidget; if (!w || !w.context || !app.commands.hasCommand("notebook:run-all-cells")) return false;
    await w.context.ready; await w.sessionContext.ready; if (!KERNEL) return true; const k = w.sessionContext.session && w.sessionContext.session.kernel; if (!k) return false; await k.info; return true; }'''
ASK = '''async code => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; const f = k.requestExecute({ code }); let out = "";
    f.onIOPub = m => { if (m.header.msg_type === "stream") out += m.content.text; if (m.header.msg_type === "error") out += m.content.evalue; }; await f.done; return out; }'''


def open_lab(chromium, url, kernel=True):
    context = chromium.new_context(viewport=dict(width=1300, height=1400))
    page = context.new_page()
    page.set_default_timeout(30000)
    page.goto(url)
    for _ in range(600):
        if page.evaluate(READY.replace('KERNEL', 'true' if kernel else 'false')): break
        time.sleep(.05)
    return context, page


def test_in_jupyterlab(lab, chromium):
    context, page = open_lab(chromium, lab)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    explorer, confusion = page.get_by_role('region', name='Threshold explorer'), page.get_by_role('region', name='Confusion explorer')
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
    expect(confusion.locator('[data-name=album]')).to_contain_text(f'B, called A: {len(c.selected)} image')
    expect(confusion.locator('.thumb').first).to_contain_text(c.selected['image'].iloc[0])

    for _ in range(100):
        said = page.evaluate(ASK, 'import json; print(json.dumps([w.threshold, w.counts, c.cell, c.matrix.tolist(), w.figure() is not None]))')
        if json.loads(said)[0] == .531 and json.loads(said)[2]: break
        time.sleep(.05)
    assert json.loads(said) == [.531, w.counts, ['B', 'A'], c.matrix.tolist(), True]

    page.evaluate(ASK, 'w.threshold = .25')                                          # and back: Python moves the page
    w.threshold = .25
    expect(explorer.locator('[data-name=sensitivity]')).to_have_text(f"{w.numbers()['sensitivity'].value:.3f}")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function('!window.jupyterapp.shell.currentWidget.context.model.dirty')
    page.evaluate('window.jupyterapp.shell.currentWidget.sessionContext.shutdown()')
    context.close()

    context, page = open_lab(chromium, lab, kernel=False)                            # without a kernel, from the saved state
    explorer = page.get_by_role('region', name='Threshold explorer')
    expect(explorer).to_be_visible(timeout=40000)
    expect(explorer.get_by_role('slider', name='Threshold')).to_have_value('0.25')
    explorer.get_by_role('slider', name='Threshold').press('ArrowRight')
    w.threshold = .26
    expect(explorer.locator('[data-name=specificity]')).to_have_text(f"{w.numbers()['specificity'].value:.3f}")
    context.close()
