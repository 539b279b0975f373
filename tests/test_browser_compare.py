"Two models in a real browser: tests against the library's, the four cells, the images behind them"
import numpy as np
import pytest
from browser_tools import EVIL, table
from PIL import Image

from usbook.evidence.compare import mcnemar, obuchowski
from usbook.predictions.predictions import Predictions
from usbook.widgets.compare import explore_pair

SIGNS = ('A-lines', 'B-lines', 'effusion', 'consolidation')
B = [0, 1, 1, 1, 0, 3, 3, 3, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0]   # Donner & Petryshen 1989
C = [4, 2, 3, 2, 1, 3, 0, 2, 2, 4, 2, 4, 3, 2, 1, 3, 1, 2, 0, 0, 0, 2, 1, 2, 2, 0, 0, 1, 1]


def pair(**kw): return table(classes=SIGNS, noise=.6, **kw), table(classes=SIGNS, noise=1.2, **kw)


def shown(p):
    return '–' if p is None else '< .001' if p < 0.001 else f'= {p:.3f}'.replace('0.', '.', 1) if p < 1 else '= 1.000'


def test_mcnemar_and_obuchowski_equal_the_library(module):
    call = module('base')
    for b, c in [(1, 7), (86, 150), (6, 16), (5, 5), (0, 0), (0, 12), (2400, 2600), (40000, 40500)]:
        got, want = call('m.mcnemar(x[0], x[1])', [b, c]), mcnemar(b, c)
        for k in ('exact', 'midp'): assert got[k] == pytest.approx(want[k], rel=1e-8, abs=1e-12), (b, c, k)
    for a, b in ((B, C), (C[:5], B[:5])):
        got, want = call('m.obuchowski(x)', (np.array(a) - b).tolist()), obuchowski(a, b)
        assert got['chi2'] == pytest.approx(want['statistic'], abs=1e-9) and got['p'] == pytest.approx(
            want['p'], abs=1e-12
        )
    assert call('m.obuchowski(x).chi2', (np.array(B) - C).tolist()) == pytest.approx(7.1858, abs=1e-4)
    from scipy.special import erfc
    x = np.r_[0, np.linspace(.01, 6, 60)]
    np.testing.assert_allclose(call('x.map(m.erfc)', x.tolist()), erfc(x), rtol=1e-10)


def same(page, w):
    n = w.numbers()
    for k, v in w.counts.items(): assert page.locator(f'[data-name={k}]').text_content() == str(v)
    for k in ('a', 'b'): assert page.locator(f'[data-name={k}-ci]').text_content() == f'{n[k].low:.3f}–{n[k].high:.3f}'
    d = n['difference']
    sign = lambda x: f'{100*x:+.1f}'.replace('-', '−')
    assert page.locator('[data-name=difference]').text_content() == f'{sign(d.value)} points'
    assert page.locator('[data-name=difference-ci]').text_content() == f'{sign(d.low)} to {sign(d.high)}'
    for k in ('exact', 'midp', 'obuchowski'):
        assert page.locator(f'[data-name={k}]').text_content() == f'p {shown(n[k])}'


@pytest.mark.parametrize('per', [1, 4])
def test_numbers_and_one_class(show, per):
    w = explore_pair(*pair(per=per))
    page = show(w)
    same(page, w)
    page.get_by_label('Images of class').select_option('effusion')
    w.truth = 'effusion'
    same(page, w)


def test_discordant_images(show):
    w = explore_pair(*pair(), images=lambda name: Image.new('L', (40, 30), 99), names=('mine', EVIL))
    page = show(w)
    got = lambda: page.locator('.thumb').evaluate_all('l => l.map(o => o.children[1].textContent)')
    assert got() == w.selected['image'].tolist()[:16]
    page.locator('button[data-row="0"][data-col="1"]').focus()
    for key in ('ArrowDown', 'ArrowLeft', 'Enter'): page.keyboard.press(key)
    page.locator('[data-value=least]').click()
    w.cell, w.order = 'only_b', 'least'
    assert got() == w.selected['image'].tolist()[:16]
    page.wait_for_timeout(100)
    assert page.title() != 'owned' and page.locator('img[onerror]').count() == 0


def test_rows_may_come_in_any_order():
    a, b = pair()
    w = explore_pair(a, b.subset(np.arange(len(b))[::-1]))
    assert (w.b.table['image'] == a.table['image']).all() and isinstance(w.b, Predictions)
