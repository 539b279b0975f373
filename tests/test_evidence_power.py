"Sample sizes against published vectors and statsmodels"
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import raises
from scipy import stats
from statsmodels.stats.proportion import samplesize_confint_proportion

from usbook.core.errors import BadInput
from usbook.core.interval import Interval
from usbook.evidence.decide import decide
from usbook.evidence.power import (
    Design, auc_error, chance_to_decide, patients_for, patients_to_decide, size_above, size_equivalent, size_for_auc,
    size_for_width, size_paired, size_two_groups, upper_if_none,
)


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


def test_chance_of_an_answer_is_that_of_the_t_test():
    from statsmodels.stats.power import TTestPower
    for truth, n in ((.1, 20), (.05, 60), (.2, 9)):
        ref = TTestPower().power(effect_size=truth / .3, nobs=n, alpha=.05, alternative='two-sided')
        assert np.isclose(chance_to_decide(truth, .3, 'above', 0, n), ref, atol=1e-6)
        assert np.isclose(chance_to_decide(-truth, .3, 'below', 0, n), ref, atol=1e-6)
    n = patients_for(.1, .3, 'above', 0)
    assert n == np.ceil(TTestPower().solve_power(effect_size=1/3, power=.8, alpha=.05, alternative='two-sided'))


def test_chance_of_an_answer_is_that_of_simulated_studies():
    rng = np.random.default_rng(0)
    for truth, n in ((0, 24), (.08, 200), (.3, 12)):
        spread, rule, limit = .2, 'within', .1
        x = rng.normal(truth, spread, (20000, n))
        half = stats.t.ppf(.975, n - 1) * x.std(1, ddof=1) / n**.5
        m = x.mean(1)
        seen = ((m - half > -limit) & (m + half < limit) | (m - half > limit) | (m + half < -limit)).mean()
        assert abs(chance_to_decide(truth, spread, rule, limit, n) - seen) < .015


def test_sizes_are_reached_in_simulated_studies():
    rng = np.random.default_rng(1)
    n = int(np.ceil(size_above(.7 * .3, .1)))
    p = rng.binomial(n, .7, 20000) / n
    assert abs((p - 1.96 * (p * (1 - p) / n)**.5 > .6).mean() - .8) < .03
    n = int(np.ceil(size_equivalent(.1, .03)))
    d = (lambda m: (m[:, 0] - m[:, 1]) / n)(rng.multinomial(n, [.05, .05, .9], 20000))
    assert abs((np.abs(d) + 1.96 * (.1 / n)**.5 < .03).mean() - .8) < .02
    assert size_equivalent(.1, .03, .03) == np.inf and size_above(.1, 0) == np.inf


def test_auc_error_is_that_of_exponential_scores():
    "The model behind the formula of Hanley & McNeil: scores of both kinds of images are exponential"
    rng = np.random.default_rng(2)
    auc, pos, neg = .85, 30, 45
    scale = auc / (1 - auc)
    a, b = rng.exponential(scale, (3000, pos)), rng.exponential(1, (3000, neg))
    seen = (a[:, :, None] > b[:, None, :]).mean((1, 2))
    assert abs(seen.mean() - auc) < .003 and abs(seen.std() / auc_error(auc, pos, neg) - 1) < .05
    n = size_for_auc(.85, .75, .3)
    assert np.isclose(.1 / auc_error(.85, .3 * n, .7 * n), stats.norm.ppf(.975) + stats.norm.ppf(.8))


def test_a_design_counts_patients():
    d = Design('proportion', expected=.9, half=.05, prevalence=.1, per_patient=11, icc=.1)
    assert d.images == np.ceil(20 * samplesize_confint_proportion(.9, .05)) and d.patients == np.ceil(d.images / 11)
    assert Design('difference', expected=.05, discordant=.25).images == np.ceil(size_paired(.25, .05))
    assert 'No number' in str(Design('proportion', expected=.8, limit=.8))


def test_a_design_that_makes_no_sense_is_refused():
    wrong = [('chi2', {}), ('auc', dict(expected=.8)), ('auc', dict(expected=1.2, limit=.5)),
             ('difference', dict(expected=.3, discordant=.2)), ('proportion', dict(expected=.5)),
             ('proportion', dict(expected=.5, half=.1, per_patient=.5)), ('auc', dict(expected=.8, limit=.5, power=1))]
    for kind, given in wrong:
        with raises(BadInput): Design(kind, **given)


def test_power_on_the_command_line(capsys):
    from usbook.cli.main import main
    assert main(['power', 'auc', '--expected', '.85', '--limit', '.75', '--per-patient', '4', '--icc', '.3']) == 0
    n = Design('auc', expected=.85, limit=.75, per_patient=4, icc=.3).patients
    assert f'{n} patients' in capsys.readouterr().out
    assert main(['power', 'auc', '--expected', '.85']) == 2
