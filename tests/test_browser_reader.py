"The reader study in a real browser: keys, clicks, undo, resuming, blindness; and its file"
import json
import os
import time

import pytest
from browser_tools import EVIL, expect, table
from PIL import Image

from usbook.core.errors import BadInput
from usbook.predictions.readers import add_readers, read_answers, simulate_reader
from usbook.widgets.reader import read_cases

CLASSES = ('liver', EVIL, 'spleen')


def picture(name): return Image.new('L', (80, 60), int(name[5:10])*9 % 255)


@pytest.fixture
def study(tmp_path):
    return lambda who='ada', n=6: read_cases(table(n=n, per=2, classes=CLASSES), picture, who, tmp_path, seed=1)


def test_a_person_reads(live, study, tmp_path):
    w = study()
    page = live(w)
    head = page.locator('.sub')
    page.locator('.stage').click()
    for case, key in enumerate('3121'):
        expect(head).to_contain_text(f'Case {case + 1} of 6')
        expect(page.locator('.stage img')).to_be_visible()
        page.keyboard.press(key)
    expect(head).to_contain_text('Case 5 of 6')
    page.keyboard.press('u')
    expect(head).to_contain_text('Case 4 of 6')
    expect(page.locator('.stage img')).to_be_visible()
    page.get_by_role('button', name='spleen').click()
    expect(head).to_contain_text('Case 5 of 6')
    assert [o['label'] for o in read_answers(w.path)] == ['spleen', 'liver', EVIL, 'spleen']
    assert all(0 <= float(o['seconds']) < 20 for o in w.answers)

    again = study()
    page = live(again)
    expect(page.locator('.sub')).to_contain_text('Case 5 of 6')
    page.locator('.stage').click()
    for case in (6, 7):
        expect(page.locator('.stage img')).to_be_visible()
        page.keyboard.press('1')
        expect(page.locator('.sub')).to_contain_text(f'Case {case}' if case < 7 else 'All 6 cases read')
    assert page.title() != 'owned' and page.locator('img[onerror]').count() == 0
    assert len(read_answers(w.path)) == 6 and again._names[:4] == w._names[:4]


def test_the_page_is_blind(study):
    w = study()
    w.label('liver')
    kept = json.dumps({k: v for k, v in w.get_state().items() if not isinstance(v, bytes)}, default=str)
    assert 'case-' not in kept and 'p0' not in kept and '"target"' not in kept
    assert 'case-' not in w.html()


def test_without_a_kernel_it_says_so(show, study):
    page = show(study())
    assert 'needs a running notebook' in page.get_by_role('alert').text_content()
    assert page.get_by_role('button', name='liver').is_disabled()


def test_two_windows_don_t_overwrite_each_other(live, study):
    one, two = study(), study()
    one.label('liver')
    with pytest.raises(BadInput, match='somebody else'): two.label('spleen')
    page = live(two)
    page.locator('.stage').click()
    expect(page.locator('.stage img')).to_be_visible()
    page.keyboard.press('2')
    expect(page.get_by_role('alert')).to_contain_text('somebody else')
    assert [o['label'] for o in read_answers(one.path)] == ['liver']


def test_no_answer_is_half_written(study, monkeypatch):
    w = study()
    w.label('liver')
    before = w.path.read_bytes()
    monkeypatch.setattr(os, 'replace', lambda *a: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError): w.label('spleen')
    assert w.path.read_bytes() == before and w.done == 1


def test_orders_differ_and_repeat(study):
    assert study('ada', 40)._names == study('ada', 40)._names != study('ben', 40)._names


def test_readers_join(study, tmp_path):
    for who, label in (('ada', 'liver'), ('ben', 'spleen')): study(who).label(label)
    both = add_readers(table(n=6, per=2, classes=CLASSES), tmp_path)
    assert list(both.readers) == ['ada', 'ben'] and (both.table['reader_ada'] != '').sum() == 1
    sim = simulate_reader(table(n=4000, classes=CLASSES), .25)
    assert (
        abs((sim.readers['simulated'] != sim.target).mean() - 0.25) < 0.03
        and 'seed 0' in sim.meta['readers']['simulated']
    )


def test_reading_is_quick(study):
    w = study('cat', 40)
    t = time.perf_counter()
    for _ in range(40): w.label('liver')
    assert (time.perf_counter() - t)/40 < .1
