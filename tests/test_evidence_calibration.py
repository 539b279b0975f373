"Calibration line, thresholds and their intervals"
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special

from usbook.evidence.calibration import at_threshold, calibration_line, scale
from usbook.evidence.resample import proportion
from usbook.predictions.predictions import Predictions, toy_predictions


def true_probabilities(n, seed=0, patients=None):
    "Predictions whose probabilities are the truth"
    rng = np.random.default_rng(seed)
    p = special.expit(rng.normal(size=n))
    y = np.where(rng.random(n) < p, 'sick', 'well')
    who = np.arange(n) if patients is None else np.arange(n) % patients
    return Predictions.from_arrays(
        [f'i{i}' for i in range(n)], [f'p{o}' for o in who], y, np.column_stack([p, 1 - p]), ['sick', 'well']
    )


def test_slope_and_intercept_against_a_logistic_regression():
    p = true_probabilities(400)
    y, x = (p.target == 0).astype(float), special.logit(p.prob[:, 0])
    found = calibration_line(p, 'sick')
    slope = sm.Logit(y, sm.add_constant(x)).fit(disp=0).params[1]
    level = sm.GLM(y, np.ones(len(y)), family=sm.families.Binomial(), offset=x).fit().params[0]
    assert found['slope'].value == pytest.approx(slope, abs=1e-6) and found['intercept'].value == pytest.approx(
        level, abs=1e-6
    )
    assert found['slope'].low < 1 < found['slope'].high and found['intercept'].low < 0 < found['intercept'].high


def test_sharper_probabilities_have_half_the_slope():
    p = true_probabilities(300, 1)
    one, half = (calibration_line(o, 'sick')['slope'].value for o in (p, scale(p, .5)))
    assert half == pytest.approx(one / 2, rel=1e-5)


def test_the_line_of_a_true_model_is_covered():
    lines = [calibration_line(true_probabilities(300, s, patients=60), 'sick') for s in range(100)]
    for k, truth in dict(slope=1, intercept=0).items():
        assert np.mean([o[k].low <= truth <= o[k].high for o in lines]) >= 0.88


def test_what_cannot_be_fitted_has_no_line():
    p = toy_predictions(12, 2, list('ab'))
    y = p.target
    clear = Predictions.from_arrays(
        p.table.image, p.table.patient, y, np.where(y[:, None] == [0, 1], 0.9, 0.1), ['a', 'b']
    )
    assert calibration_line(clear, 'a')['slope'].low is None
    one = p.subset(y == 0)
    assert calibration_line(one, 'a')['slope'].value is None


def test_an_operating_point_has_the_intervals_of_a_proportion():
    p = toy_predictions(40, 5, list('abc'))
    found, y, positive = at_threshold(p, 'b', .4), p.target == 1, p.prob[:, 1] >= .4
    assert found['sensitivity'] == proportion(positive, y, p.patient_codes)
    assert found['youden'].value == pytest.approx(found['sensitivity'].value + found['specificity'].value - 1)
    assert found['youden'].low < found['youden'].value < found['youden'].high
