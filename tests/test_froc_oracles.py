"FROC against plain loops, hand-made cases and the published definitions"
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from usbook.evidence import froc as fr
from usbook.predictions.detections import Detections
from usbook.core.errors import BadInput

quick = settings(max_examples=40, deadline=None)

# Plain loops -----------------------------------------------------------------------------------------------

def loop_sensitivity(m, rate, per='scan', times=None, interpolate=False):
    "The definition, threshold by threshold; `times` says how often each patient counts"
    times = np.ones(m.n_patients, int) if times is None else times
    wl, wf = times[m.scan_patient[m.lesion_scan]], times[m.scan_patient[m.fp_scan]]
    units = sum(t*(1 if per == 'scan' else f) for t, f in zip(times[m.scan_patient], m.scan_frames))
    if not wl.sum() or not units: return None
    steps = [(0., 0.)]
    for t in sorted({s for s in [*m.lesion_score, *m.fp_score] if np.isfinite(s)}, reverse=True):
        steps.append((wf[m.fp_score >= t].sum()/units, wl[m.lesion_score >= t].sum()/wl.sum()))
    if not interpolate: return max(s for x, s in steps if x <= rate + 1e-12)
    best = {}
    for x, s in steps: best[x] = max(s, best.get(x, 0))
    xs = sorted(best)
    after = next((x for x in xs if x >= rate), None)
    if after is None: return best[xs[-1]]
    before = max(x for x in xs if x <= rate)
    return (
        best[before]
        if after == before
        else best[before] + (rate - before) / (after - before) * (best[after] - best[before])
    )

scores = st.sampled_from([.1, .2, .3, .4, .5, .6, .7, .8, .9])  # few values: many ties

@st.composite
def some_marks(draw):
    n_scans = draw(st.integers(1, 6))
    patient = np.array(draw(st.lists(st.integers(0, 3), min_size=n_scans, max_size=n_scans)))
    patient = pd.factorize(patient)[0]
    lesion = draw(st.lists(st.tuples(st.integers(0, n_scans - 1), st.one_of(st.just(-np.inf), scores)), max_size=6))
    fp = draw(st.lists(st.tuples(st.integers(0, n_scans - 1), scores), max_size=8))
    part = lambda rows, i, kind: np.array([r[i] for r in rows], kind)
    return fr.Marks(part(lesion, 1, float), part(lesion, 0, int), part(fp, 1, float), part(fp, 0, int), patient,
                    np.array(draw(st.lists(st.integers(1, 9), min_size=n_scans, max_size=n_scans))), 0)

@settings(max_examples=120, deadline=None)
@given(
    some_marks(),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.sampled_from(['scan', 'image']),
    st.booleans(),
)
def test_sensitivity_for_any_weights(m, times, per, interpolate):
    times, rates = np.array(times)[:m.n_patients], (0., .1, .25, .5, 1., 3.)
    got = fr._at(rates, *fr._curves(m, per, times[:, None])[1:], interpolate)[:, 0]
    for r, g in zip(rates, got):
        want = loop_sensitivity(m, r, per, times, interpolate)
        assert np.isnan(g) if want is None else abs(g - want) < 1e-12

def repeated(m, times):
    "The same marks with each patient copied so many times, as new patients"
    ls, lc, fs, fc, who, frames = [], [], [], [], [], []
    for p, t in enumerate(times):
        for _ in range(t):
            for s in np.flatnonzero(m.scan_patient == p):
                ls += list(m.lesion_score[m.lesion_scan == s]); lc += [len(who)]*int((m.lesion_scan == s).sum())
                fs += list(m.fp_score[m.fp_scan == s]); fc += [len(who)]*int((m.fp_scan == s).sum())
                who.append(p); frames.append(m.scan_frames[s])
    return fr.Marks(
        np.array(ls, float),
        np.array(lc, int),
        np.array(fs, float),
        np.array(fc, int),
        pd.factorize(np.array(who))[0],
        np.array(frames, int),
        0,
    )

@quick
@given(some_marks(), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_weight_is_a_copy_of_the_patient(m, times):
    times = np.array(times)[:m.n_patients]
    if not times.sum(): return
    copy = repeated(m, times)
    a = fr._at((.1, .5), *fr._curves(m, 'scan', times[:, None])[1:])[:, 0]
    b = fr._at((.1, .5), *fr._curves(copy, 'scan', np.ones((copy.n_patients, 1)))[1:])[:, 0]
    assert np.allclose(a, b, equal_nan=True)
    assert np.allclose(fr._jafroc(m, times[:, None], fr._jafroc_kernel(m))[:, 0], fr.jafroc(copy), equal_nan=True)

@quick
@given(some_marks())
def test_jafroc_by_loops(m):
    normal = [s for s in range(len(m.scan_patient)) if s not in set(m.lesion_scan)]
    top = {s: max(m.fp_score[m.fp_scan == s], default=-np.inf) for s in normal}
    beats = [[1. if y > top[s] else .5 if y == top[s] else 0. for y in m.lesion_score] for s in normal]
    got = fr.jafroc(m)
    if not normal or not len(m.lesion_score): assert np.isnan(got).all(); return
    beats = np.array(beats)
    each = [beats[:, m.lesion_scan == s].mean() for s in sorted(set(m.lesion_scan))]
    assert np.allclose(got, (beats.mean(), np.mean(each)))

@quick
@given(some_marks())
def test_only_the_order_of_scores_matters(m):
    other = fr.Marks(
        np.exp(3 * m.lesion_score), m.lesion_scan, np.exp(3 * m.fp_score), m.fp_scan, m.scan_patient, m.scan_frames, 0
    )
    other.lesion_score[~np.isfinite(m.lesion_score)] = -np.inf
    a, b = fr.froc_points(m), fr.froc_points(other)
    assert a.drop(columns='threshold').equals(b.drop(columns='threshold'))
    if len(m.lesion_score): assert a['sensitivity'].is_monotonic_increasing and a['fp_rate'].is_monotonic_increasing

# Goldens ---------------------------------------------------------------------------------------------------

def marks(lesions, fps, n_scans):
    return fr.Marks(
        np.array(lesions, float),
        np.arange(len(lesions)) % n_scans,
        np.array(fps, float),
        np.arange(len(fps)) % n_scans,
        np.arange(n_scans),
        np.ones(n_scans, int),
        0,
    )

def at(m, *rates): return fr._at(rates, *fr._curves(m, 'scan', np.ones((m.n_patients, 1)))[1:])[:, 0]

def test_three_lesions_four_scans():
    assert [round(x, 4) for x in at(marks([0.9, 0.6, -np.inf], [0.7, 0.4], 4), 0.1, 0.2, 0.25, 0.5)] == [
        0.3333,
        0.3333,
        0.6667,
        0.6667,
    ]

def test_the_lowest_threshold_belongs_to_the_curve():
    m = marks([.9, .6, .3], [], 3)
    assert at(m, .1)[0] == 1 and fr.froc_points(m)['sensitivity'].iloc[-1] == 1

def test_scans_without_anything_count():
    m = marks([.9, .6, -np.inf], [.7, .4], 3)
    assert at(m, .25)[0] == 1/3            # one false positive in three scans is more than .25 ...
    assert at(marks([.9, .6, -np.inf], [.7, .4], 4), .25)[0] == 2/3   # ... in four it is not

def test_boxes():
    assert round(float(fr.iou((0, 0, 10, 10), (2, 2, 10, 10))), 6) == .470588
    assert float(fr.iou((0, 0, 20, 20), (8, 8, 4, 4))) == .04 and fr.centre_inside((0, 0, 20, 20), (8, 8, 4, 4))
    assert fr.iou((0, 0, 1, 1), (1, 0, 1, 1)) == 0

@quick
@given(st.lists(st.tuples(*[st.integers(0, 9)]*2, *[st.integers(1, 9)]*2), min_size=2, max_size=2))
def test_iou_by_counting_pixels(two):
    a, b = two
    grid = np.zeros((2, 20, 20), bool)
    for g, (x, y, w, h) in zip(grid, two): g[y:y + h, x:x + w] = True
    assert np.isclose(fr.iou(a, b), (grid[0] & grid[1]).sum() / (grid[0] | grid[1]).sum()) and fr.iou(a, b) == fr.iou(
        b, a
    )

def test_jafroc_golden():
    m = fr.Marks(
        np.array([0.8, 0.2, -np.inf]),
        np.array([3, 3, 4]),
        np.array([0.3, 0.7]),
        np.array([1, 2]),
        np.arange(5),
        np.ones(5, int),
        0,
    )
    assert np.allclose(fr.jafroc(m), (.5, .4166667), atol=5e-8)

@pytest.mark.parametrize('k', [0, 1, 10, 250])
def test_poisson_interval_by_its_definition(k):
    i = fr.poisson_interval(k)
    assert abs(stats.poisson.cdf(k, i.high) - 0.025) < 1e-9 and (
        k == 0 and i.low == 0 or abs(stats.poisson.sf(k - 1, i.low) - 0.025) < 1e-9
    )
    if k == 10: assert f'{i.low:.3f}–{i.high:.3f}' == '4.795–18.390'

# Matching --------------------------------------------------------------------------------------------------

def dets(lesions, found, scans=('s', 't'), frames=4, track=None):
    les = pd.DataFrame(lesions, columns=['scan', 'frame', 'lesion', 'x', 'y', 'w', 'h'])
    det = pd.DataFrame(found, columns=['scan', 'frame', 'x', 'y', 'w', 'h', 'score'])
    if track is not None: det['track'] = track
    return Detections(pd.DataFrame(dict(scan=list(scans), patient=[f'p{s}' for s in scans], n_frames=frames)), les, det)

def test_best_overlap_takes_the_mark():
    d = dets([('s', 0, 'a', 0, 0, 10, 10), ('s', 0, 'b', 4, 0, 10, 10)], [('s', 0, 1, 0, 10, 10, .9)])
    m = fr.match(d, min_iou=.3)
    assert list(m.lesion_score) == [.9, -np.inf] and not len(m.fp_score)

def test_second_mark_on_a_lesion_is_ignored():
    m = fr.match(
        dets(
            [('s', 0, 'a', 0, 0, 10, 10)],
            [('s', 0, 0, 0, 10, 10, 0.5), ('s', 0, 1, 0, 10, 10, 0.9), ('s', 0, 50, 0, 10, 10, 0.7)],
        )
    )
    assert list(m.lesion_score) == [.9] and list(m.fp_score) == [.7] and m.repeats == 1

def test_a_lesion_over_many_frames_is_one():
    m = fr.match(
        dets([('s', f, 'a', f, 0, 10, 10) for f in range(4)], [('s', f, f, 0, 10, 10, 0.1 * f) for f in range(3)])
    )
    assert len(m.lesion_score) == 1 and np.isclose(m.lesion_score[0], .2) and m.repeats == 2

def test_another_frame_is_no_hit():
    assert len(fr.match(dets([('s', 0, 'a', 0, 0, 10, 10)], [('s', 1, 0, 0, 10, 10, .5)])).fp_score) == 1

def test_a_track_is_one_mark_with_its_best_frame():
    rows = [
        ('s', 0, 0, 0, 10, 10, 0.5),
        ('s', 1, 50, 0, 10, 10, 0.9),
        ('s', 2, 50, 0, 10, 10, 0.3),
        ('t', 0, 50, 0, 10, 10, 0.2),
    ]
    m = fr.match(dets([('s', 0, 'a', 0, 0, 10, 10)], rows, track=['1', '1', '', '1']))
    assert sorted(m.fp_score) == [.2, .3, .9] and list(m.lesion_score) == [-np.inf]

def test_rules_of_a_hit():
    d = dets([('s', 0, 'a', 8, 8, 4, 4)], [('s', 0, 0, 0, 20, 20, .5)])
    assert (
        len(fr.match(d).fp_score) == 1
        and not len(fr.match(d, hit='centre').fp_score)
        and not len(fr.match(d, min_iou=0.04).fp_score)
    )

@quick
@given(st.integers(0, 10**6))
def test_matching_by_loops(seed):
    rng = np.random.default_rng(seed)
    box = lambda n: np.c_[rng.integers(0, 12, (n, 2)), rng.integers(3, 12, (n, 2))]
    les = [('st'[rng.integers(2)], int(rng.integers(2)), str(i), *map(int, b)) for i, b in enumerate(box(4))]
    det = [
        ('st'[rng.integers(2)], int(rng.integers(2)), *map(int, b), float(s))
        for b, s in zip(box(9), rng.permutation(9) / 10)
    ]
    best, wrong = {}, []
    for s, f, *b, score in det:
        near = [(fr.iou(b, l[3:]), l[2]) for l in les if l[:2] == (s, f) and fr.iou(b, l[3:]) >= .2 - 1e-12]
        if not near: wrong.append(score); continue
        top = max(o for o, _ in near)
        if len([1 for o, _ in near if o == top]) > 1: return  # a draw is broken by distance; left to another test
        name = max(near)[1]
        best[name] = max(score, best.get(name, -np.inf))
    m = fr.match(dets(les, det), min_iou=.2)
    assert sorted(m.fp_score) == sorted(wrong) and list(m.lesion_score) == [best.get(str(i), -np.inf) for i in range(4)]

# Whole results ---------------------------------------------------------------------------------------------

def test_order_of_rows_does_not_matter():
    d = fr.toy_detections(n_patients=12)
    mixed = Detections(d.scans, d.lesions.sample(frac=1, random_state=1), d.detections.sample(frac=1, random_state=2))
    a, b = fr.froc(d, n_boot=100), fr.froc(mixed, n_boot=100)
    assert a.points.equals(b.points) and a.sensitivity == b.sensitivity and a.jafroc == b.jafroc

def test_resamples_are_the_definition_on_drawn_patients():
    m = fr.match(fr.toy_detections(n_patients=15))
    reps, = fr._resample(m, 20, 3, lambda w: fr._at((.2, .5), *fr._curves(m, 'scan', w)[1:]))
    drawn = np.concatenate(list(fr.draws(15, 20, 3, 512)), axis=1)
    for j in range(20):
        assert np.allclose(reps[:, j], [loop_sensitivity(m, r, times=drawn[:, j].astype(int)) for r in (0.2, 0.5)])

def test_a_detector_against_itself():
    d = fr.toy_detections(n_patients=10)
    c = fr.compare_froc(d, d, n_boot=50)
    assert (
        c['difference_at_0.2']['value'] == 0
        and c['lesions_at_0.2']['only_first'] == c['lesions_at_0.2']['only_second'] == 0
    )

def test_a_comparison_turned_round():
    a, b = fr.toy_detections(n_patients=25), fr.toy_detections(n_patients=25, skill=2.5, model=1)
    x, y = fr.compare_froc(a, b, n_boot=200), fr.compare_froc(b, a, n_boot=200)
    for k in ('difference_at_0.2', 'jafroc_difference'):
        assert np.isclose(x[k]['value'], -y[k]['value']) and np.isclose(x[k]['low'], -y[k]['high'])
    one, two = (fr.froc(o, n_boot=50).sensitivity[.2].value for o in (a, b))
    assert np.isclose(x['difference_at_0.2']['value'], two - one)
    json.dumps(x.as_dict(), allow_nan=False)

def test_what_does_not_exist_is_absent():
    empty = fr.toy_detections(n_patients=3)
    none = Detections(empty.scans, empty.lesions.iloc[:0], empty.detections.iloc[:0])
    out = fr.froc_summary(none, n_boot=20)
    assert (
        'value' not in out['sensitivity_at_0.1']
        and 'lesion' in out['sensitivity_at_0.1']['note']
        and 'value' not in out['jafroc']
    )
    json.dumps(out, allow_nan=False)
    silent = Detections(empty.scans, empty.lesions, empty.detections.iloc[:0])
    out = fr.froc_summary(silent, n_boot=20)
    assert out['sensitivity_at_0.1']['value'] == 0 and 'threshold' not in out['operating_point_at_0.1']
    one = dets([('s', 0, 'a', 0, 0, 10, 10)], [('s', 0, 0, 0, 10, 10, .5)], scans=('s',))
    assert 'low' not in fr.froc_summary(one, n_boot=20)['sensitivity_at_0.1']

@pytest.mark.parametrize('kw, says', [(dict(hit='overlap'), 'hit'), (dict(min_iou=0), 'min_iou'), (dict(per='frame'),
    'per'), (dict(rates=('x',)), 'rates'),
                                      (dict(rates=()), 'rates'), (dict(rates=(-1,)), 'rates')])
def test_slips_are_named(kw, says):
    with pytest.raises(BadInput, match=says): fr.froc(fr.toy_detections(n_patients=2), n_boot=10, **kw)

def test_comparison_wants_the_same_scans():
    a, b = fr.toy_detections(n_patients=4), fr.toy_detections(n_patients=5)
    with pytest.raises(BadInput, match='compared on the same'): fr.compare_froc(a, b)

def test_same_seed_same_numbers():
    d = fr.toy_detections(n_patients=10)
    assert fr.froc_summary(d, n_boot=100) == fr.froc_summary(d, n_boot=100)

def test_intervals_know_their_patients_and_masses():
    d = fr.toy_detections(n_patients=40)
    f, m = fr.froc(d, n_boot=200), fr.match(d)
    held = len(np.unique(m.scan_patient[m.lesion_scan]))
    for i in (*f.sensitivity.values(), f.jafroc, f.wafroc):
        assert (i.patients, i.events) == (held, len(m.lesion_score)) and 0 < i.low < i.value < i.high < 1
    c = fr.compare_froc(d, fr.toy_detections(n_patients=40, skill=2.5, model=1), n_boot=200)
    assert all((i.patients, i.events) == (held, len(m.lesion_score)) for i in c.differences.values())

def test_the_sentence_of_two_detectors_is_the_verdict():
    from usbook.evidence.decide import decide
    for skill in (1.5, 2., 3.):
        c = fr.compare_froc(fr.toy_detections(40), fr.toy_detections(40, skill=skill, model=1), rates=(.2,), n_boot=200)
        verdict = decide(c.differences['difference_at_0.2'], 'above').verdict
        assert ('the second finds more' in c.sentence) == (verdict == 'supported') and ('open' in c.sentence) == (
            verdict == 'inconclusive'
        )

def test_a_detector_against_itself_has_no_interval():
    d = fr.toy_detections(n_patients=30)
    i = fr.compare_froc(d, d, n_boot=50).differences['difference_at_0.2']
    assert i.low is None and 'same answers' in i.note

def test_two_patients_with_lesions_are_too_few():
    d = fr.toy_detections(n_patients=30)
    few = d.lesions['scan'].isin(sorted(set(d.lesions['scan']))[:2])
    f = fr.froc(Detections(d.scans, d.lesions[few], d.detections), n_boot=50)
    assert f.sensitivity[.2].low is None and 'no interval' in f.sensitivity[.2].note

def test_a_merit_near_one_stays_below_one_and_covers():
    "Percentiles of the resamples covered .84 with 25 patients"
    from usbook.evidence.froc import jafroc, match
    truth = jafroc(match(fr.toy_detections(n_patients=1500, skill=3., seed=99)))[0]
    seen = [fr.froc(fr.toy_detections(n_patients=25, skill=3., seed=s), n_boot=200).jafroc for s in range(60)]
    assert np.mean([i.low <= truth <= i.high for i in seen]) > .88
    assert max(i.high for i in seen if not i.note.startswith('one end only')) < 1


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('interpolate', [False, True])
def test_a_long_tail_of_marks_changes_nothing(monkeypatch, seed, interpolate):
    "Marks below every threshold that is asked for are not resampled; the result is the same to the last digit"
    d = fr.toy_detections(6, 2, fps=150., seed=seed)
    short = fr.froc(d, n_boot=60, interpolate=interpolate)
    monkeypatch.setattr(fr, '_down_to', lambda events, most: events)
    whole = fr.froc(d, n_boot=60, interpolate=interpolate)
    assert len(whole.marks.fp_score) > 1000 and short.as_dict() == whole.as_dict() and short.band.equals(whole.band)


def test_a_resample_that_needs_more_marks_gets_them(monkeypatch):
    "Where the tail was cut too short for a resample, all marks count again"
    d = fr.toy_detections(6, 2, fps=150., seed=3)
    whole = fr.froc(d, n_boot=60)
    monkeypatch.setattr(fr, '_down_to', lambda events, most: tuple(e[:3] for e in events))
    assert fr.froc(d, n_boot=60).as_dict() == whole.as_dict()
