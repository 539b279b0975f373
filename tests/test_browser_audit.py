"The paper audit in a real browser: its arithmetic, its presets, what happens when a figure is typed"
import pytest
from browser_tools import EVIL, expect

from usbook.evidence.audit.printed import allowed_n
from usbook.evidence.audit.findings import audit
from usbook.studies.study import STUDIES
from usbook.widgets.audit import audit_paper


def test_allowed_numbers_equal_the_library(module):
    call = module('audit')
    for printed in ('97.51 %', '.838', '92.46 %', '0 %', '100 %', '.5', '0.9', '1.00', '76.6 %', '.00', '33.333 %'):
        assert call('m.allowedN(x, 1700)', printed) == allowed_n(printed, 1700).tolist(), printed
    assert call('["", "abc", "97.51", "-.5", "1e3"].map(s => m.allowedN(s, 50))') == [None]*5


def text(f): return f.text.replace('\n', ' ')


def test_presets(show):
    page = show(audit_paper('lung_signs'))
    for s in STUDIES:
        page.locator('[data-name=study]').select_option(s)
        want = audit(STUDIES[s])
        got = page.locator('.findings li').all_text_contents()
        assert len(got) == len(want) and page.locator('.findings li.impossible').count() == sum(
            f.kind == 'impossible' for f in want
        )
        assert all(any(text(f) in g for g in got) for f in want)
    page.locator('[data-name=study]').select_option('lung_signs')
    assert page.locator('[data-name=margins] .num').all_text_contents() == ['1043', '946']


def test_typing_searches_again(live):
    w = audit_paper('pneumoconiosis')
    page = live(w)
    page.locator('[data-number="0"]').fill('92.50 %')
    expect(page.locator('.findings li.impossible')).to_have_count(0)
    assert w.numbers[0]['printed'] == '92.50 %' and not any(f.kind == 'impossible' for f in w.findings)
    page.locator('[data-number="0"]').fill('92.50')
    expect(page.get_by_role('alert')).to_contain_text('write per cents with their sign')
    page.locator('[data-number="0"]').fill('92.46 %')
    expect(page.locator('.findings li.impossible')).to_have_count(1)


def test_an_empty_sheet(live):
    w = audit_paper('')
    page = live(w)
    page.locator('[data-name=classes]').fill(f'{EVIL}, none')
    page.locator('[data-name=classes]').press('Tab')
    for name, label, value in (
        ('recall', EVIL, '.961'),
        ('specificity', EVIL, '.883'),
        ('n', EVIL, '361'),
        ('n', 'none', '573'),
    ):
        page.get_by_label('Number', exact=True).select_option(name)
        page.get_by_label('Class', exact=True).select_option(label)
        page.get_by_label('Printed value').fill(value)
        page.locator('[data-name=add]').click()
    expect(page.locator('[data-name=margins] .num').first).to_have_text('934')
    assert page.title() != 'owned' and page.locator('.usbook-widget img').count() == 0


def test_without_a_kernel_typing_says_so(show):
    page = show(audit_paper('head_ct'))
    page.locator('[data-number="4"]').fill('.9')
    assert 'needs the running notebook' in page.get_by_role('status').first.text_content()


@pytest.mark.parametrize('study', STUDIES)
def test_fits_a_phone(show, study):
    page = show(audit_paper(study), width=375)
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
