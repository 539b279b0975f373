"Drawing boxes and masks in a real browser: mouse, touch, keyboard, undo; what is saved is what was drawn"
import numpy as np
import pandas as pd
import pytest
from browser_tools import EVIL, expect
from PIL import Image

from usbook.core.errors import BadInput
from usbook.data.masks import coco_mask, kaggle_mask, labelme_masks, mask_runs, nifti_masks, polygon_mask, runs_mask
from usbook.predictions.boxes import map_boxes
from usbook.widgets.draw import draw_regions

SIZES = dict(a=(200, 150), b=(120, 160), c=(2400, 1200))

@pytest.fixture
def folder(tmp_path):
    for k, size in SIZES.items(): Image.effect_noise(size, 60).save(tmp_path/f'{k}.png')
    return tmp_path

@pytest.fixture
def table(): return pd.DataFrame(dict(image=['a.png', 'b.png', 'c.png'], patient=['p1', 'p2', 'p2'], label='mass'))

def at(page, x, y, size):
    "Where a pixel of the picture is on the screen"
    b = page.locator('[data-name=stage]').bounding_box()
    return b['x'] + x*b['width']/size[0], b['y'] + y*b['height']/size[1]

def ready(page, i): page.wait_for_selector(f'[data-name=stage][data-at="{i}"]')

def drag(page, points, size):
    (x, y), *rest = [at(page, *p, size) for p in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest: page.mouse.move(x, y, steps=3)
    page.mouse.up()

def test_a_box_and_a_mask_with_the_mouse(live, folder, table):
    w = draw_regions(table, folder, folder)
    page = live(w)
    ready(page, 0)
    drag(page, [(20, 30), (80, 90)], SIZES['a'])
    expect(page.locator('[data-name=boxes] li')).to_have_count(1)
    (x, y, bw, bh), = w.boxes[0]
    assert max(abs(x - 20), abs(y - 30), abs(bw - 60), abs(bh - 60)) <= 1.5
    page.keyboard.press('m')
    drag(page, [(100, 75), (140, 75)], SIZES['a'])
    expect(page.locator('[data-name=mask]')).to_contain_text('Mask:')
    mask = w.mask(0)
    assert mask.shape == (150, 200) and mask[75, 100:140].all() and not mask[75, :84].any() and not mask[95:].any()
    before = mask.sum()
    page.keyboard.press('e')
    drag(page, [(100, 75), (101, 75)], SIZES['a'])
    expect(page.locator('.sub')).to_contain_text('1 image drawn on')
    assert 0 < w.mask(0).sum() < before and not w.mask(0)[75, 100]
    m = pd.read_csv(folder/'drawn.csv')
    assert m.to_dict('records') == [dict(image='a.png', patient='p1', label='mass', mask='drawn_masks/a.png')]
    assert list(pd.read_csv(folder/'drawn_boxes.csv'))[:7] == ['scan', 'frame', 'lesion', 'x', 'y', 'w', 'h']

def test_undo_goes_back_stroke_by_stroke_and_forth_again(live, folder, table):
    w = draw_regions(table, folder, folder)
    page = live(w)
    ready(page, 0)
    boxes = page.locator('[data-name=boxes] li')
    for x in (10, 60, 110): drag(page, [(x, 10), (x + 30, 50)], SIZES['a'])
    expect(boxes).to_have_count(3)
    for n in (2, 1, 0):
        page.keyboard.press('u')
        expect(boxes).to_have_count(n)
        assert len(w.boxes.get(0, ())) == n
    expect(page.locator('[data-name=undo]')).to_be_disabled()
    for _ in range(2): page.keyboard.press('y')
    expect(boxes).to_have_count(2)
    page.get_by_role('button', name='Remove box 1').click()
    expect(boxes).to_have_count(1)
    page.locator('[data-name=clear]').click()
    expect(boxes).to_have_count(0)
    page.locator('[data-name=undo]').click()
    expect(boxes).to_have_count(1)
    assert len(w.boxes[0]) == 1 and abs(w.boxes[0][0][0] - 60) <= 1.5

def test_the_keyboard_alone_is_enough(live, folder, table):
    w = draw_regions(table, folder, folder, at=1)
    page = live(w)
    ready(page, 1)
    page.locator('[data-name=stage]').focus()
    page.keyboard.press('Enter')                                                     # the cursor begins in the middle
    for _ in range(3): page.keyboard.press('Shift+ArrowRight')
    for _ in range(4): page.keyboard.press('ArrowDown')
    page.keyboard.press('Enter')
    expect(page.locator('[data-name=boxes] li')).to_have_text('1: x 60, y 80, 30 × 4Remove')
    assert w.boxes[1] == [(60, 80, 30, 4)]
    page.keyboard.press('Space')
    page.keyboard.press('ArrowRight')
    page.keyboard.press('Escape')                                                    # given up: nothing is saved
    assert len(w.boxes[1]) == 1
    page.keyboard.press('m')
    page.keyboard.press(' ')
    page.keyboard.press('Shift+ArrowLeft')
    page.keyboard.press(' ')
    expect(page.locator('[data-name=mask]')).to_contain_text('Mask:')
    assert w.mask(1).any()
    page.keyboard.press('n')
    ready(page, 2)
    assert w.at == 2
    page.keyboard.press('p')
    ready(page, 1)
    expect(page.locator('[data-name=boxes] li')).to_have_count(1)
    assert page.locator('[data-name=mask]').text_content() == f'Mask: {w.mask(1).sum():,} pixels.'

def test_a_finger_draws(chromium, folder, table, live):
    w = draw_regions(table, folder, folder)
    page = live(w)
    ready(page, 0)
    assert page.locator('[data-name=stage]').evaluate('n => getComputedStyle(n).touchAction') == 'none'
    (x, y), (X, Y) = at(page, 20, 20, SIZES['a']), at(page, 90, 60, SIZES['a'])
    cdp = page.context.new_cdp_session(page)
    for kind, points in (('touchStart', [(x, y)]), ('touchMove', [((x + X)/2, (y + Y)/2)]), ('touchMove', [(X, Y)]),
                         ('touchEnd', [])):
        cdp.send('Input.dispatchTouchEvent', dict(type=kind, touchPoints=[dict(x=a, y=b) for a, b in points]))
    expect(page.locator('[data-name=boxes] li')).to_have_count(1)
    assert np.abs(np.array(w.boxes[0][0]) - (20, 20, 70, 40)).max() <= 1.5

def test_a_large_image_is_drawn_on_smaller_and_saved_in_its_own_size(live, folder, table):
    w = draw_regions(table, folder, folder, at=2)
    page = live(w)
    ready(page, 2)
    assert w.size(2) == ((2400, 1200), (1024, 512))
    drag(page, [(600, 300), (1200, 900)], SIZES['c'])
    expect(page.locator('[data-name=boxes] li')).to_have_count(1)
    assert np.abs(np.array(w.boxes[2][0]) - (600, 300, 600, 600)).max() <= 6
    page.keyboard.press('m')
    drag(page, [(600, 300), (700, 300)], SIZES['c'])
    expect(page.locator('[data-name=mask]')).to_contain_text('Mask:')
    assert w.mask(2).shape == (1200, 2400)

def test_what_was_drawn_is_there_again_and_two_windows_do_not_overwrite_each_other(live, folder, table):
    one, two = (draw_regions(table, folder, folder) for _ in range(2))
    one.put(0, [(10, 10, 20, 20)], np.eye(150, 200) > 0)
    again = draw_regions(table, folder, folder)
    assert again.boxes == {0: [(10, 10, 20, 20)]} and (again.mask(0) == (np.eye(150, 200) > 0)).all()
    page = live(two)
    ready(page, 0)
    drag(page, [(60, 60), (90, 90)], SIZES['a'])
    expect(page.get_by_role('alert')).to_contain_text('somebody else')
    assert draw_regions(table, folder, folder).boxes == one.boxes

def test_the_page_alone_shows_but_does_not_draw(show, folder, table):
    w = draw_regions(table.assign(image=['a.png', 'b.png', 'c.png']), folder, folder)
    w.put(0, [(10, 20, 30, 40)])
    page = show(draw_regions(table, folder, folder))
    expect(page.locator('[data-name=boxes] li')).to_have_text('1: x 10, y 20, 30 × 40')
    assert 'a running notebook' in page.get_by_role('alert').text_content()
    assert page.locator('[data-name=clear]').is_disabled() and w.png()[:4] == b'\x89PNG'
    page = show(draw_regions(table, folder, folder), width=375)
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')

def test_names_that_are_markup(live, folder):
    Image.new('L', (60, 40)).save(folder/'x.png')
    t = pd.DataFrame(dict(image=[EVIL], patient=['p']))
    w = draw_regions(t, lambda name: folder/'x.png', folder/'out')
    page = live(w)
    ready(page, 0)
    assert page.title() != 'owned' and page.locator('img[onerror]').count() == 0
    w.put(0, mask=np.ones((40, 60)) > 0)
    assert len(list((folder/'out'/'drawn_masks').iterdir())) == 1

def test_javascript_and_python_count_runs_alike(module):
    call, rng = module('draw'), np.random.default_rng(0)
    for h, w in ((1, 1), (5, 3), (7, 12)):
        for share in (0, .3, 1):
            mask = rng.random((h, w)) < share
            runs, flat = mask_runs(mask), mask.ravel().astype(int).tolist()
            assert call('m.runsOf(x.m, x.w, x.h)', dict(m=flat, w=w, h=h)) == runs
            assert call('Array.from(m.maskOf(x.r, x.w, x.h))', dict(r=runs, w=w, h=h)) == mask.ravel().tolist()

def test_masks_in_the_forms_of_others(tmp_path):
    rng = np.random.default_rng(1)
    for _ in range(30):
        mask = rng.random(rng.integers(1, 40, 2)) < rng.random()
        assert (coco_mask(dict(size=mask.shape, counts=compressed(mask_runs(mask)))) == mask).all()
        assert (runs_mask(mask_runs(mask), mask.shape) == mask).all()
    assert map_boxes(polygon_mask([(2, 3), (12, 3), (12, 9), (2, 9)], (20, 30)), 's')[0]['w'] in (10, 11)
    for bad in (lambda: coco_mask(dict(size=[2, 2], counts=[1, 2])), lambda: coco_mask([[1, 2]], (4, 4)),
                lambda: coco_mask([[1, 2, 3, 4, 5, 6]]), lambda: runs_mask(['a'], (1, 1)),
                lambda: runs_mask([-1, 2], (1, 1)),
                lambda: kaggle_mask('1', (2, 2)), lambda: kaggle_mask('a b', (2, 2)),
                lambda: kaggle_mask('0 1', (2, 2))):
        with pytest.raises(BadInput) as e: bad()
        assert '\n' not in str(e.value)
    (tmp_path/'x.json').write_text('{"shapes": []}')
    with pytest.raises(BadInput, match='not a file of LabelMe'): labelme_masks(tmp_path/'x.json')
    (tmp_path/'x.nii').write_bytes(b'no')
    with pytest.raises(BadInput, match='not a NIfTI'): nifti_masks(tmp_path/'x.nii')

def compressed(runs):
    "COCO's own compression, written from its description (rleToString in maskApi.c)"
    out = ''
    for i, n in enumerate(runs):
        x = n - (runs[i - 2] if i > 2 else 0)
        more = True
        while more:
            c, x = x & 31, x >> 5
            more = x != -1 if c & 16 else x != 0
            out += chr(48 + (c | 32 if more else c))
    return out
