"The threshold explorer in a real browser: its arithmetic against the library's, its keyboard, its text"
import numpy as np
import pytest
from browser_tools import EVIL, table
from statsmodels.stats.proportion import proportion_confint

from usbook.predictions.predictions import Predictions
from usbook.widgets.threshold import explore_threshold, point_at

FIGURES = ('sensitivity', 'specificity', 'ppv', 'npv')


def close(js, py):
    "An interval of the page and one of the library"
    for k in ('value', 'low', 'high'):
        a, b = js[k], getattr(py, k)
        assert (a is None) == (b is None), (k, js, py)
        if b is not None: assert a == pytest.approx(b, abs=1e-9), (k, js, py)


def test_wilson_equals_statsmodels(module):
    call, rng = module('base'), np.random.default_rng(0)
    n = np.r_[20, 29, 148, 263, 1, 1, rng.integers(1, 5000, 200)]
    k = np.r_[0, 1, 15, 81, 0, 1, (rng.random(200)*(n[6:] + 1)).astype(int)]
    got = call(
        'x.map(([k, n]) => { const i = m.wilson(k, n); return [i.low, i.high]; })',
        [[int(a), int(b)] for a, b in zip(k, n)],
    )
    want = np.transpose(proportion_confint(k, n, method='wilson'))
    np.testing.assert_allclose(got, np.clip(want, 0, 1), atol=1e-9)
    assert call('m.wilson(0, 0).value') is None


@pytest.mark.parametrize('per', [1, 4])
def test_arithmetic_equals_the_library(module, per):
    call, preds = module('threshold'), table(per=per)
    score, pos, codes = preds.prob[:, 1], preds.target == 1, preds.patient_codes
    call('window.d = m.prepare(Float64Array.from(x.p), x.n, 2, x.t, Int32Array.from(x.g), 1)',
         dict(p=preds.prob.ravel().tolist(), n=len(preds), t=preds.target.tolist(), g=codes.tolist()))
    for t in np.r_[0, 1, score[:5], np.linspace(.02, .98, 13)]:
        for prevalence in (None, .01, .3):
            for cluster in (None, codes):
                got = call('m.point(window.d, x[0], x[1], x[2])', [float(t), prevalence, cluster is not None])
                want = point_at(score, pos, t, prevalence, cluster)
                for k in FIGURES: close(got[k], want[k])
    from sklearn.metrics import roc_auc_score
    assert call('window.d.auc') == pytest.approx(roc_auc_score(pos, score), abs=1e-12)


def test_jumps_find_what_they_say(module):
    call, preds = module('threshold'), table(seed=3)
    score, pos = preds.prob[:, 1], preds.target == 1
    call('window.d = m.prepare(Float64Array.from(x.p), x.n, 2, x.t, Int32Array.from(x.g), 1)',
         dict(p=preds.prob.ravel().tolist(), n=len(preds), t=preds.target.tolist(), g=preds.patient_codes.tolist()))
    every = np.r_[0, np.unique(score)]
    at = lambda t: ((score[pos] >= t).mean(), (score[~pos] < t).mean())
    assert sum(at(call('m.youden(window.d)'))) == pytest.approx(max(sum(at(t)) for t in every))
    bill = lambda t: .2*7*(1 - at(t)[0]) + .8*(1 - at(t)[1])
    assert bill(call('m.cheapest(window.d, .2, 7, 1)')) == pytest.approx(min(min(bill(t) for t in every), bill(1.01)))
    t = call('m.reaching(window.d, .9)')
    assert at(t)[0] >= .9 and all(at(u)[0] < .9 for u in every if u > t and at(u) != at(t))


def test_keys_move_numbers(show):
    preds = table()
    w = explore_threshold(preds, paper=(.961, .883))
    page = show(w)
    page.get_by_role('slider', name='Threshold').press('ArrowRight')
    page.get_by_role('slider', name='Threshold').press('Shift+ArrowRight')
    page.get_by_label('Prevalence').press('Home')
    w.threshold, w.prevalence = .511, .001
    for k, v in w.numbers().items():
        assert page.locator(f'[data-name={k}]').text_content() == f'{v.value:.3f}'
        if v.low is not None: assert page.locator(f'[data-name={k}-ci]').text_content() == f'{v.low:.3f}–{v.high:.3f}'
    for k, v in w.counts.items(): assert page.locator(f'[data-name={k}]').text_content() == str(v)
    assert 'Of 1000 patients 1 have the finding' in page.locator('[data-name=story]').text_content()
    page.locator('[data-name=reset]').click()
    page.locator('[data-value=images]').click()
    w.prevalence, w.independent = None, 'images'
    v = w.numbers()['ppv']
    assert page.locator('[data-name=ppv-ci]').text_content() == f'{v.low:.3f}–{v.high:.3f}'


@pytest.mark.parametrize('width', [1100, 700, 360])
def test_the_line_is_dragged(show, width):
    page = show(explore_threshold(table()), width=width)
    line = page.locator('svg.chart').first.locator('line')
    at = lambda: line.bounding_box()['x'] + line.bounding_box()['width']/2
    start, box = at(), page.locator('svg.chart').first.bounding_box()
    page.mouse.move(start, box['y'] + box['height']/2)
    page.mouse.down()
    page.mouse.move(start + 40, box['y'] + box['height']/2, steps=3)
    page.mouse.up()
    assert at() == pytest.approx(start + 40, abs=1.5)
    assert page.locator('[data-name=threshold]').input_value() == page.locator('output').first.text_content().rstrip(
        '0'
    )


def test_another_class(show):
    preds = table(classes=('A-lines', 'B-lines', 'effusion'))
    w = explore_threshold(preds)
    page = show(w)
    page.get_by_label('The finding', exact=True).select_option('effusion')
    page.get_by_role('slider', name='Threshold').press('PageDown')
    w.positive, w.threshold = 'effusion', .4
    for k, v in w.counts.items(): assert page.locator(f'[data-name={k}]').text_content() == str(v)
    assert 'effusion against the rest' in page.locator('h3').text_content()


def test_names_from_files_stay_text(show):
    p = table(n=40)
    evil = Predictions.from_arrays(p.table['image'], p.table['patient'], p.target, p.prob, ['</script><b>', EVIL])
    page = show(explore_threshold(evil, paper=dict(sensitivity=.9, specificity=.9, name=EVIL)))
    page.wait_for_timeout(100)
    assert page.title() != 'owned' and page.locator('.usbook-widget img, .usbook-widget b').count() == 0
    assert EVIL in page.locator('h3').text_content()


def test_one_class_only_is_said(show):
    p = table(n=40)
    page = show(explore_threshold(p.subset(p.target == 0)))
    assert page.locator('[data-name=sensitivity-ci]').text_content() == 'undefined'
    assert 'undefined' in page.get_by_text('ROC ·').text_content()


def test_keyboard_stays_inside(show):
    page = show(explore_threshold(table(n=40)))
    page.evaluate("window.heard = []; document.addEventListener('keydown', e => heard.push(e.key))")
    page.get_by_role('slider', name='Threshold').press('ArrowRight')
    page.get_by_role('slider', name='Threshold').press('Control+s')
    assert page.evaluate('heard.filter(k => k !== "Control")') == ['s']


def test_dark_and_narrow(show):
    page = show(explore_threshold(table(n=40)), width=360, scheme='dark')
    assert page.locator('.usbook-widget').get_attribute('data-theme') == 'dark'
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.wait_for_function("document.querySelector('.usbook-widget').dataset.theme === 'light'")
