"The confusion explorer in a real browser: counts, figures, merging, one patient, the images of a cell"
import numpy as np
import pytest
from browser_tools import EVIL, table
from PIL import Image

from usbook.predictions.predictions import Predictions
from usbook.widgets.confusion import explore_confusion
from usbook.evidence.scores import merge_classes

SIGNS = ('A-lines', 'B-lines', 'effusion', 'consolidation')


def grey(name): return Image.fromarray(np.full((60, 80), 90, np.uint8))


def matrix_of(page):
    buttons = page.locator('button[data-row]')
    k = int(len(buttons.all())**.5)
    return np.array(buttons.all_text_contents(), dtype=float).reshape(k, k)


def same(page, w):
    "Everything the page says equals what Python says"
    n = w.numbers()
    assert (matrix_of(page) == w.matrix).all()
    for k in ('accuracy', 'macro_f1', 'kappa'):
        v = n[k].value if k == 'accuracy' else n[k]
        assert page.locator(f'[data-name={k}]').text_content() == ('–' if v is None else f'{v:.3f}')
    for j, (c, o) in enumerate(n['per_class'].items()):
        row = page.locator(f'tr[data-class="{j}"]')
        assert row.locator('th').text_content() == c
        for v, text in zip((o['recall'], o['precision']), row.locator('.ci').all_text_contents()):
            assert text == ('' if v.value is None else v.note if v.low is None else f'{v.low:.3f}–{v.high:.3f}')


def test_figures_equal_the_library(module):
    from usbook.evidence.metrics import evaluate
    call, preds = module('confusion'), table(classes=SIGNS)
    data = dict(p=preds.prob.ravel().tolist(), n=len(preds), t=preds.target.tolist(), g=preds.patient_codes.tolist())
    r = call('''(() => { const g = m.groupsOf(["a", "b", "c", "d"], {});
                         const a = m.assign(Float64Array.from(x.p), x.n, 4, g.of, 4);
                         return m.figures(x.t, a.pred, 4, x.g, Math.max(...x.g) + 1, -1, false); })()''', data)
    e = evaluate(preds, independent=True)
    assert r['confusion'] == np.asarray(e.confusion).tolist()
    assert r['kappa'] == pytest.approx(e.overall['kappa'].value, abs=1e-12)
    assert r['macro_f1'] == pytest.approx(e.overall['macro_f1'].value, abs=1e-12)
    for j, c in enumerate(SIGNS):
        for k in ('recall', 'precision'):
            for part in ('value', 'low', 'high'):
                assert r['per'][j][k][part] == pytest.approx(getattr(e.per_class[c][k], part), abs=1e-9)


def test_merging_and_one_patient(show):
    w = explore_confusion(table(classes=SIGNS, noise=.5))
    page = show(w)
    same(page, w)
    for c in SIGNS[1::2]: page.get_by_role('group', name='Classes to merge').get_by_text(c).click()
    page.get_by_label('Name of the merged class').fill('abnormal')
    page.locator('[data-name=merge]').click()
    w.merged = {'abnormal': ['B-lines', 'consolidation']}
    same(page, w)
    patient = w.preds.patient[(w.preds.pred != w.preds.target).argmax()]
    page.get_by_label('Patient').select_option(patient)
    w.patient = patient
    same(page, w)
    page.locator('[data-name=split]').click()
    w.merged = {}
    same(page, w)


def test_per_cent(show):
    w = explore_confusion(table(classes=SIGNS))
    page = show(w)
    for how, axis in (('row', 1), ('column', 0)):
        page.locator(f'[data-value={how}]').click()
        np.testing.assert_allclose(matrix_of(page), 100*w.matrix/w.matrix.sum(axis, keepdims=True), atol=.0501)


def test_a_cell_by_keyboard_shows_its_images(show):
    w = explore_confusion(table(n=480, classes=SIGNS, noise=1.5), grey)
    page = show(w)
    page.locator('button[data-row="0"][data-col="0"]').focus()
    for key in ('ArrowRight', 'ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowLeft', 'Enter'): page.keyboard.press(key)
    w.cell = ['B-lines', 'A-lines']
    want = w.selected['image'].tolist()
    got = lambda: [
        o.split('\n')[0]
        for o in page.locator('.thumb').evaluate_all('l => l.map(o => o.innerText.replace("not in this page\\n", ""))')
    ]
    assert got() == want[:16] and len(want) > 2
    page.locator('[data-value=least]').click()
    w.order = 'least'
    assert got() == w.selected['image'].tolist()[:16] and page.locator('.thumb img').count() > 0


def test_names_from_files_stay_text(show):
    p = table(n=40, classes=SIGNS[:3])
    images = [f'{EVIL}{i}' for i in range(40)]
    evil = Predictions.from_arrays(
        images, [EVIL + o for o in p.patient], p.target, p.prob, ['</script>', EVIL, '__proto__']
    )
    page = show(explore_confusion(evil, cell=[EVIL, EVIL]))
    page.wait_for_timeout(100)
    assert page.title() != 'owned' and page.locator('.usbook-widget img').count() == 0
    assert EVIL in page.locator('.thumb').first.text_content()


def test_merged_probabilities_are_added():
    p = merge_classes(table(classes=SIGNS), {'fluid': ['effusion', 'consolidation']})
    assert p.classes == ['A-lines', 'B-lines', 'fluid'] and np.allclose(p.prob.sum(1), 1)


@pytest.mark.parametrize('width', [360, 700])
def test_fits(show, width):
    page = show(
        explore_confusion(table(classes=[f'quite long class {i}' for i in range(11)], n=330, per=3)), width=width
    )
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
