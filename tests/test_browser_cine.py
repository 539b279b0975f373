"The cine player in a real browser: playing, stepping, boxes, and the point on the FROC curve"
import numpy as np
import pandas as pd
import pytest
from browser_tools import EVIL, expect

from usbook.evidence.froc import centre_inside, froc_points, iou, match
from usbook.predictions.detections import Detections
from usbook.core.errors import BadInput
from usbook.widgets.cine import frames_of_clip, play_cine, sheet

N, T = 8, 48
SCANS = [f'scan {i}' for i in range(N - 1)] + [EVIL]


def clip(scan):
    return np.uint8(
        (np.arange(256)[None, :, None] + np.arange(256) * (1 + SCANS.index(scan)) + 5 * np.arange(T)[:, None, None])
        // 4
    )


def detections(seed, strength, tracks):
    rng = np.random.default_rng(seed)
    scans = pd.DataFrame(dict(scan=SCANS, patient=[f'p{i//2}' for i in range(N)], n_frames=T))
    les = pd.DataFrame(
        [(s, t, '1', 60 + 2 * t, 80, 60, 50) for s in SCANS[:6] for t in range(10, 30)],
        columns=['scan', 'frame', 'lesion', 'x', 'y', 'w', 'h'],
    )
    d = les.drop(columns='lesion').sample(60, random_state=seed)
    d = d.assign(
        x=d['x'] + rng.normal(0, 8, 60),
        y=d['y'] + rng.normal(0, 8, 60),
        score=np.round(1 / (1 + np.exp(-rng.normal(strength, 1, 60))), 2),
    )
    fp = pd.DataFrame(
        dict(
            scan=rng.choice(SCANS, 40),
            frame=rng.integers(0, T, 40),
            x=rng.uniform(0, 190, 40),
            y=rng.uniform(0, 190, 40),
            w=50,
            h=40,
            score=np.round(rng.uniform(0.02, 0.8, 40), 2),
        )
    )
    d = pd.concat([d, fp], ignore_index=True)
    if tracks: d['track'] = rng.integers(0, 6, len(d)).astype(str)
    return Detections(scans, les, d)


@pytest.fixture(scope='module')
def dets(): return {'single frame': detections(0, 0, False), 'sequence': detections(1, 1, True)}


def said(page, w):
    "What the page says of each detector is what the library says"
    for i, (k, o) in enumerate(w.numbers().items()):
        n = w._n_lesions
        assert (
            page.locator(f'[data-name=sensitivity-{i}]').text_content()
            == f"{o['sensitivity']:.3f} ({o['hits']:.0f} of {n})"
        )
        assert (
            page.locator(f'[data-name=fp-{i}]').text_content()
            == f"{o['fp_rate']:.3f} a scan ({o['false_positives']:.0f})"
        )


def test_boxes_equal_the_library(module):
    call, rng = module('cine'), np.random.default_rng(0)
    a, b = rng.uniform(1, 60, (2, 200, 4))
    np.testing.assert_allclose(call('x.map(r => m.overlap(...r))', np.c_[a, b].tolist()), iou(a, b), atol=1e-12)
    assert call('x.map(r => m.centreIn(...r))', np.c_[a, b].tolist()) == centre_inside(a, b).tolist()


@pytest.mark.parametrize('hit', ['iou', 'centre'])
def test_thresholds_move_the_point(show, dets, hit):
    w = play_cine(clip, dets, hit=hit)
    page = show(w)
    said(page, w)
    page.locator('[data-name=threshold-0]').press('PageDown')
    page.locator('[data-name=threshold-1]').press('Shift+ArrowRight')
    w.thresholds = [.4, .501]
    said(page, w)
    page.locator('[data-name="rate-0.5"]').click()
    curves = [froc_points(match(d, hit)) for d in dets.values()]
    w.thresholds = [float(p[p['fp_rate'] <= .5]['threshold'].iloc[-1]) for p in curves]
    said(page, w)


def test_boxes_follow_frame_and_threshold(show, dets):
    w = play_cine(clip, dets, scan=SCANS[2], frame=12, thresholds=[.3, .3])
    page = show(w)
    page.wait_for_selector('canvas[data-drawn]')
    visible = lambda: page.locator('.screen svg rect').evaluate_all(
        'l => l.filter(r => Number(r.getAttribute("width")) > 0).length'
    )
    for _ in range(3):
        frame = int(page.locator('canvas').get_attribute('data-frame'))
        want = 0
        for d in dets.values():
            r = d.detections.copy()
            r['best'] = r.groupby(['scan', 'track'])['score'].transform('max') if 'track' in r else r['score']
            want += ((r['scan'] == SCANS[2]) & (r['frame'] == frame) & (r['best'] >= .3)).sum()
        les = dets['sequence'].lesions
        assert visible() == want + ((les['scan'] == SCANS[2]) & (les['frame'] == frame)).sum()
        page.locator('.usbook-widget').focus()
        page.keyboard.press('ArrowRight')
    page.locator('[data-name=show-0]').uncheck()
    page.keyboard.press('Home')
    assert page.locator('canvas').get_attribute('data-frame') in ('0', '15')


def test_plays_twenty_frames_a_second(show, dets):
    page = show(play_cine(clip, dets))
    page.wait_for_selector('canvas[data-drawn]')
    page.clock.install(time=0)  # the page's own clock, so that a busy machine doesn't count
    page.clock.pause_at(3600)
    page.locator('[data-name=play]').click()
    page.clock.run_for(150)
    drawn = lambda: int(page.locator('canvas').get_attribute('data-drawn'))
    before = drawn()
    page.clock.run_for(1500)
    rate = (drawn() - before)/1.5
    assert 18 < rate < 22
    page.locator('[data-name=play]').click()
    expect(page.locator('[data-name=play]')).to_have_text('Play')


def test_clips_come_from_the_kernel(live, dets):
    w = play_cine(clip, dets)
    page = live(w)
    page.wait_for_selector('canvas[data-drawn]')
    first = page.evaluate('document.querySelector("canvas").toDataURL()')
    page.locator('[data-name=scan]').select_option(EVIL)
    page.wait_for_function('x => document.querySelector("canvas").toDataURL() !== x', arg=first)
    assert page.title() != 'owned' and page.locator('.usbook-widget img').count() == 0


def test_a_clip_that_is_not_there_is_said(live, dets):
    page = live(play_cine({}, dets))
    expect(page.locator('.lookup')).to_contain_text('there are no frames for it')


def test_wrong_clips_are_refused(dets):
    with pytest.raises(BadInput, match='3 frames were found'):
        frames_of_clip({'a': np.zeros((3, 8, 8), np.uint8)}, 'a', 4)
    other = detections(2, 0, False)
    other = Detections(other.scans, other.lesions[:-3], other.detections)
    with pytest.raises(BadInput, match='same lesions'): play_cine(clip, {'a': dets['sequence'], 'b': other})
    data, info = sheet(frames_of_clip(clip, SCANS[0], T))
    assert len(data) < 3e6 and info['columns'] == 7
