"""axe-core in Chromium: nothing serious on what a reader opens; keyboard alone is enough; contrast by light and dark"""
import numpy as np
from browser_tools import table, without_a_mouse
from PIL import Image

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


def player():
    "Four clips of twelve frames and a detector's boxes"
    import pandas as pd
    from usbook.predictions.detections import Detections
    from usbook.widgets.cine import play_cine
    scans = pd.DataFrame(dict(scan=list('abcd'), patient=list('abcd'), n_frames=12))
    lesions = pd.DataFrame([('a', 3, '1', 4, 4, 9, 9)], columns=['scan', 'frame', 'lesion', 'x', 'y', 'w', 'h'])
    marks = lesions.drop(columns='lesion').assign(score=.7)
    return play_cine(lambda scan: np.full((12, 32, 32), 99, np.uint8), {'net': Detections(scans, lesions, marks)})


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


def test_every_control_of_a_widget_is_reached_by_keyboard(show):
    from usbook.widgets.audit import audit_paper
    for name, w in (widgets() | dict(cine=player(), audit=audit_paper('lung_signs'))).items():
        assert without_a_mouse(show(w)) == [], name


def test_a_reader_needs_no_mouse(live, tmp_path):
    from usbook.widgets.reader import read_cases
    page = live(read_cases(table(n=6, per=2), lambda name: Image.new('L', (80, 60), 9), 'ada', tmp_path, seed=1))
    assert without_a_mouse(page) == []


def test_nor_does_the_page_without_installation(chromium, tmp_path):
    (tmp_path/'judge.html').write_text(standalone_page(), encoding='utf-8')
    page = chromium.new_page()
    page.goto((tmp_path/'judge.html').as_uri())
    page.wait_for_selector('.usbook-widget')
    assert without_a_mouse(page) == []
    files = dict(name='a.csv', mimeType='text/csv', buffer=table(n=60).table.to_csv(index=False).encode())
    page.locator('[data-name=file]').set_input_files(files)
    page.wait_for_selector('[data-name=numbers]')
    assert without_a_mouse(page) == []
    page.close()


def test_nor_does_a_report(chromium, tmp_path):
    import usbook
    page = chromium.new_page()
    page.goto(usbook.evaluate(toy_predictions(40, 4, ['a', 'b', 'c'], seed=1)).report(tmp_path/'report.html').as_uri())
    page.wait_for_selector('.usbook-widget')
    assert without_a_mouse(page) == []
    assert page.evaluate('[...document.images].filter(i => !i.alt.trim()).length') == 0
    page.close()
