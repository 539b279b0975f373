"Sample sizes against published vectors and statsmodels"
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import samplesize_confint_proportion

from usbook.core.interval import Interval
from usbook.evidence.decide import decide
from usbook.evidence.power import patients_to_decide, size_for_width, size_paired, size_two_groups, upper_if_none


def test_sample_size_vectors():
    assert [round(size_for_width(.9, .05), 2), round(size_two_groups(.773, .717), 1)] == [138.29, 949.8]
    assert round(size_paired(.25, .05), 1) == 782.5 and round(upper_if_none(60), 6) == .048703
    assert np.isclose(size_for_width(.9, .05), samplesize_confint_proportion(.9, .05))
    assert np.isclose(size_for_width(.9, .05, .1, 11, .1), 20 * samplesize_confint_proportion(.9, .05))


@given(st.floats(-.5, .5), st.floats(.01, .3), st.sampled_from(['above', 'below', 'within']), st.floats(.01, .3))
def test_with_so_many_patients_the_verdict_falls(v, half, rule, limit):
    i = Interval(v, v - half, v + half, patients=40)
    k = patients_to_decide(i, rule, limit)
    if k is None: return
    narrow = half * (40 / k)**.5
    if abs(abs(v) - limit) > 1e-3: assert decide((v, v - narrow, v + narrow), rule, limit).verdict != 'inconclusive'


def test_what_cannot_be_said_is_none():
    assert patients_to_decide(Interval(.1, 0., .2), 'above') is None                   # nobody counted the patients
    assert patients_to_decide(Interval(0., -.1, .1, patients=9), 'above') is None      # no number of them would do
    assert patients_to_decide(Interval(.3, .2, .4, patients=9), 'above') == 9
