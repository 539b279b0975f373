"Head CT and chest phantoms: labels follow masks and rules, knobs do what they say, tissues have their numbers"
import numpy as np
import pytest

from usbook.phantoms.chest import (CHEST_KNOBS, CLASSES, Film, chest_film, chest_image, detect, draw_chest, draw_dust,
                                   film_grid, lung_insides, splat, stage, to_pixel)
from usbook.phantoms.head_ct import (
    HEAD_CT_KNOBS,
    HU,
    KINDS,
    PAINTERS,
    cut_slice,
    draw_exam,
    draw_head,
    draw_lesion,
    head_ct_hu,
    head_ct_image,
    lesion_run,
    place_in_patient,
    in_window,
)
from usbook.phantoms.nuisance import rng, turn

HEIGHTS = np.linspace(34, 110, 8)

def lesion(kind, j, difficulty=.3):
    g = rng(1, 'test', kind, j)
    head = draw_head(g, atrophy=.93 if kind == 'atrophy' else None)
    return head, draw_lesion(g, head, kind, *lesion_run(g, kind, HEIGHTS, .5), difficulty)

# Head CT ---------------------------------------------------------------------------------------------------

def test_place_in_patient_agrees_with_its_neighbours():
    rows = [place_in_patient(0, i, HEAD_CT_KNOBS) for i in range(60)]
    for (p, k, m, v), (q, k2, m2, v2) in zip(rows, rows[1:]):
        if p == q: assert (k2, m2) == (k+1, m)
        else: assert (k, k2) == (m-1, 0)

def test_patients_come_back_for_another_visit():
    k = turn(HEAD_CT_KNOBS, n_patients=3)
    seen = {place_in_patient(0, i, k)[::3] for i in range(60)}
    assert {p for p, _ in seen} == {0, 1, 2} and {v for _, v in seen} >= {0, 1}

def test_label_follows_the_mask_and_findings_are_contiguous():
    k = turn(HEAD_CT_KNOBS, label_noise=0., prevalence=.6)
    ps = [head_ct_image(2, i, 64, k) for i in range(56)]
    for p in ps:
        assert (p.label == p.true_label == 'finding') == (p.mask is not None) == bool(p.truth['finding'])
        if p.mask is not None: assert set(np.unique(p.mask)) == {0, 1+KINDS.index(p.truth['finding'])}
    for name in {p.patient for p in ps}:
        found = [p.mask is not None for p in ps if p.patient == name]
        assert ''.join('01'[f] for f in found).strip('0').count('0') == 0, (name, found)

@pytest.mark.parametrize('kind', KINDS)
def test_each_finding_can_be_seen_where_its_mask_is(kind):
    head, l = lesion(kind, 0)
    z = max(np.linspace(l.low+2, l.high-2, 5), key=lambda z: (cut_slice(head, l, z, 96).mask > 0).sum())
    with_it, without = cut_slice(head, l, z, 96), cut_slice(head, None, z, 96)
    inside = with_it.mask > 0
    assert set(PAINTERS) == set(KINDS) and inside.sum()*with_it.mm**2 >= 60
    assert not without.mask.any() and cut_slice(head, l, l.high+5, 96).mask.sum() == 0
    change = (with_it.hu-without.hu)[inside].mean()
    if kind in ('intracerebral', 'epidural', 'subarachnoid', 'intraventricular', 'calcification'): assert change > 5
    elif kind == 'infarct': assert change < -2

def test_difficulty_takes_size_and_contrast_away():
    easy, hard = (lesion('intracerebral', 3, d)[1] for d in (0., 1.))
    assert easy.radii[0] > 1.5*hard.radii[0] and easy.hu > hard.hu + 8

def test_windows():
    hu = np.array([[-1000., 0, 40, 80, 3000]])
    assert in_window(hu)[0].tolist() == [0, 0, 128, 255, 255]
    assert in_window(hu, (50, 100))[0, 1] == 0 and 60 < in_window(hu, 'bone')[0, 2] < 90

def test_tissues_have_their_hounsfield_units():
    hu, s, exam = head_ct_hu(0, 3, 128, turn(HEAD_CT_KNOBS, prevalence=0., site='A', difficulty=0.))
    white = hu[s.tissue['white'] > .97]
    assert abs(np.median(white) - HU['white'] - exam.head.gain) < 4 and 1 < white.std() < 6
    assert np.median(hu[(s.depth > -5) & (s.depth < -3)]) > 300 and hu[:4].max() < -900

def test_prevalence_is_met_on_average():
    for p in (0., .4, 1.):
        k = turn(HEAD_CT_KNOBS, prevalence=p)
        exams = [(draw_exam(0, q, 7, 0, k)) for q in range(300)]
        share = np.mean([e.lesion is not None and e.lesion.low < z < e.lesion.high for e in exams for z in e.heights])
        assert abs(share - p) < .1

def test_patients_slices_share_their_anatomy():
    k = turn(HEAD_CT_KNOBS, site='A')
    a, b = (draw_exam(0, 4, 7, v, k) for v in (0, 1))
    assert a.head.half_length == b.head.half_length and not np.array_equal(a.heights, b.heights)

# Chest -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('zones,large,gathered,want', [
    ((0,)*6, False, False, 'normal'), ((1, 0, 0, 0, 0, 0), False, False, 'normal'), ((1, 1, 0, 0, 0, 0), False, False,
        'stage_1'),
    ((2, 2, 2, 2, 0, 0), False, False, 'stage_1'), ((2, 1, 1, 1, 1, 0), False, False, 'stage_2'),
    ((3, 3, 3, 3, 0, 0), False, False, 'stage_2'), ((3, 2, 2, 0, 0, 0), False, False, 'stage_1'),
    ((3, 3, 3, 3, 3, 3), False, False, 'stage_2'), ((3, 3, 3, 3, 3, 3), False, True, 'stage_3'),
    ((3, 3, 3, 3, 0, 0), False, True, 'stage_2'), ((1, 1, 0, 0, 0, 0), True, False, 'stage_3')])
def test_stages(zones, large, gathered, want): assert stage(zones, large, gathered) == want

def test_drawn_dust_has_the_stage_it_was_drawn_for():
    for label in CLASSES:
        for j in range(60):
            d = draw_dust(rng(0, label, j), label, .4)
            assert stage(d.profusion, bool(d.large), d.gathered) == label
            assert all(2*long >= 20 and 2*short >= 10 for *_, long, short, _ in d.large)

def test_small_opacities_grow_in_number_with_the_stage():
    def number(label): return np.mean([draw_dust(rng(0, label, j), label, .4).density.sum() for j in range(60)])
    assert number('normal') < .5*number('stage_1') < .5*number('stage_2')

def test_splat_keeps_the_mass():
    g = np.random.default_rng(0)
    x, y, m = g.uniform(5, 40, 500), g.uniform(5, 40, 500), g.random(500)
    assert splat((50, 50), x, y, m, .8).sum() == pytest.approx(m.sum()/(10*.64), rel=1e-5)
    assert splat((50, 50), x+100, y, m, .8).sum() == 0

def test_points_fall_where_the_grid_says():
    c, lie = draw_chest(rng(0, 'c')), (3., -5., .02)
    x, y = film_grid(c, 100, 320., lie)
    col, row = to_pixel(c, x[20:80:7, 30], y[20:80:7, 30], 100, 320., lie)
    np.testing.assert_allclose(col, 30, atol=.01)
    np.testing.assert_allclose(row, np.arange(20, 80, 7), atol=.01)

def test_lungs_are_where_a_chest_has_them():
    for j in range(6):
        c = draw_chest(rng(1, 'c', j))
        x, y = film_grid(c, 200, 320.)
        right, left = (v > 0 for v in lung_insides(c, x, y))
        assert not (right & left).any() and x[right].max() < 0 < x[left].min()
        assert .8 < right.sum()/left.sum() < 1.6 and 20000 < (right | left).sum()*1.6**2 < 60000

def test_mask_tells_the_lungs_apart_and_pixels_are_fine_enough():
    p = chest_image(0, 3)
    assert set(np.unique(p.mask)) == {0, 1, 2} and p.truth['pixel_mm'] <= .8
    assert (p.mask[:, :200] == 1).sum() > 5000 < (p.mask[:, 200:] == 2).sum()
    dark, bright = p.image[p.mask > 0].mean(), p.image[200:300, 190:200].mean()
    assert dark + 40 < bright

def test_photons_make_the_noise():
    flat = Film(np.full((200, 200), 2., np.float32), [], None, .8, None, None, 0)
    for photons in (1e5, 4e5):
        a = detect(flat, rng(0, 'p'), photons, 1e-3, grid=0.)
        assert a.std()/a.mean() == pytest.approx(1/np.sqrt(photons*.64*np.exp(-2)), rel=.03)

def test_shortcut_marks_only_whom_it_should():
    k = turn(CHEST_KNOBS, overlay_shortcut=(1., 0.), label_noise=0.)
    edges = {p.true_label: p.image[150:250, :2].max() for p in (chest_image(0, i, 256, k) for i in range(8))}
    assert all((v == 12) == (label != 'normal') for label, v in edges.items())

def test_films_of_a_patient_share_the_chest():
    k = turn(CHEST_KNOBS, n_patients=2)
    (_, a, d, _), (_, b, e, _) = (chest_film(0, i, 64, k) for i in (1, 3))
    assert a.width == b.width and d.profusion == e.profusion
