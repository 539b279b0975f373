"Widgets without a kernel: saved pages, the notebooks as nbconvert writes them, and what a missing browser does"
import shutil
from pathlib import Path

import pytest
from browser_tools import missing, table

from usbook.widgets.base import script, static_text
from usbook.widgets.threshold import explore_threshold

ROOT = Path(__file__).parents[1]
WIDGETS = ('threshold', 'confusion', 'pair', 'audit', 'reader', 'cine')


def test_a_saved_page_needs_nothing_else(tmp_path, chromium):
    w = explore_threshold(table(), threshold=.25)
    file = w.save(tmp_path/'sub'/'page.html')
    context = chromium.new_context(offline=True)
    page, asked = context.new_page(), []
    page.on('request', lambda r: asked.append(r.url))
    page.goto(file.as_uri())
    slider = page.get_by_role('slider', name='Threshold')
    assert slider.input_value() == '0.25'
    slider.press('ArrowRight')
    w.threshold = .26
    assert page.locator('[data-name=tp]').text_content() == str(w.counts['tp'])
    assert [u for u in asked if not u.startswith(('file:', 'blob:', 'data:'))] == []
    context.close()


def test_without_scripts_the_static_figure_stands_there(tmp_path, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(explore_threshold(table()).save(tmp_path/'page.html').as_uri())
    assert 'sensitivity' in page.locator('noscript img').get_attribute('alt')
    context.close()


def test_an_exported_notebook_still_moves(tmp_path, chromium):
    from nbconvert import HTMLExporter
    body, _ = HTMLExporter().from_filename(str(ROOT/'nbs'/'widgets'/'01_threshold.ipynb'))
    (tmp_path/'nb.html').write_text(body, encoding='utf-8')
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto((tmp_path/'nb.html').as_uri(), wait_until='domcontentloaded')
    page.get_by_role('slider', name='Threshold').first.press('PageUp')
    assert page.locator('.usbook-widget output').first.text_content() == '0.600'
    context.close()


def test_two_widgets_share_a_page(tmp_path, chromium):
    from usbook.widgets.base import page as html_page
    w = explore_threshold(table())
    (tmp_path/'two.html').write_text(html_page(w.html() + w.html()), encoding='utf-8')
    page = chromium.new_page()
    page.goto((tmp_path/'two.html').as_uri())
    page.get_by_role('slider', name='Threshold').nth(1).press('ArrowRight')
    assert page.locator('.usbook-widget output').nth(0).text_content() == '0.500'
    assert page.get_by_role('slider', name='Threshold').nth(1).input_value() == '0.51'
    page.close()


@pytest.mark.parametrize('name', WIDGETS)
def test_text_never_becomes_html(name):
    source = static_text(f'{name}.js') + static_text('base.js')
    for word in ('innerHTML', 'outerHTML', 'insertAdjacentHTML', 'document.write', 'eval(', 'http://', 'https://'):
        assert word not in source.replace('"http://www.w3.org/2000/svg"', ''), word
    assert 'from "./' not in script(name)


def test_the_static_files_travel_with_the_package():
    for name in (*WIDGETS, 'base', 'stub'): assert (ROOT/'usbook'/'widgets'/'static'/f'{name}.js').is_file()


def test_a_missing_browser(monkeypatch):
    monkeypatch.setenv('CI', '1')
    with pytest.raises(pytest.fail.Exception, match='no Chromium'): missing('no Chromium')
    monkeypatch.delenv('CI')
    with pytest.raises(pytest.skip.Exception, match='no Chromium'): missing('no Chromium')


def test_the_sources_parse():
    if shutil.which('node') is None: pytest.skip('node is not installed; the browser tests cover the same files')
    import subprocess
    for name in (*WIDGETS, 'base'):
        r = subprocess.run(
            ['node', '--input-type=module', '--check'], input=static_text(f'{name}.js'), text=True, capture_output=True
        )
        assert r.returncode == 0, r.stderr
