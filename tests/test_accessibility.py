"""axe-core in Chromium: nothing serious on what a reader opens; keyboard alone is enough; contrast by light and dark"""
from browser_tools import table

from usbook.classroom.before_after import course_test, sheet_page
from usbook.predictions.predictions import toy_predictions
from usbook.widgets.base import page as html_page
from usbook.widgets.page import standalone_page


def widgets():
    from usbook.widgets.compare import explore_pair
    from usbook.widgets.confusion import explore_confusion
    from usbook.widgets.threshold import explore_threshold
    p, q = table(n=60), table(n=60, noise=.5)
    return dict(threshold=explore_threshold(p), confusion=explore_confusion(p), pair=explore_pair(p, q))


def test_widgets(barriers, tmp_path):
    for name, w in widgets().items():
        (tmp_path/f'{name}.html').write_text(html_page(w.html()), encoding='utf-8')
        assert barriers(tmp_path/f'{name}.html') == [], name


def test_the_page_without_installation(barriers, tmp_path):
    (tmp_path/'judge.html').write_text(standalone_page(), encoding='utf-8')
    assert barriers(tmp_path/'judge.html') == []


def test_a_report(barriers, tmp_path):
    import usbook
    e = usbook.evaluate(toy_predictions(40, 4, ['a', 'b', 'c'], seed=1))
    assert barriers(e.report(tmp_path/'report.html')) == []


def test_the_sheet_of_a_course(barriers, tmp_path):
    (tmp_path/'sheet.html').write_text(sheet_page(course_test('zh'), key=True), encoding='utf-8')
    assert barriers(tmp_path/'sheet.html') == []
