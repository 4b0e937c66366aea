"""Logistic fits against statsmodels, R's glm and logistf, and brute force."""

import csv
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar

from sim.errors import LimitError
from sim.exposure_response.logistic import (
    LogisticFit,
    explain_separation,
    explain_tops,
    find_separation,
    fit_logistic,
    fit_many,
)
from sim.exposure_response.observed import by_median, by_quantile, clopper_pearson

Floats = NDArray[np.float64]
CHI_SQUARE_95 = 3.841458820694124

# R's data set mtcars: weight in 1000 lb, and whether the transmission is manual.
WEIGHT = np.array(
    [2.620, 2.875, 2.320, 3.215, 3.440, 3.460, 3.570, 3.190, 3.150, 3.440, 3.440, 4.070, 3.730]
    + [3.780, 5.250, 5.424, 5.345, 2.200, 1.615, 1.835, 2.465, 3.520, 3.435, 3.840, 3.845, 1.935]
    + [2.140, 1.513, 3.170, 2.770, 3.570, 2.780]
)
MANUAL = np.array([1] * 3 + [0] * 14 + [1] * 3 + [0] * 5 + [1] * 7)

# Deaths by arm in the trial "CAO" of github.com/alainamstutz/JAKi-IPDMA: 3 of 21 and 0 of 20.
ARM = np.repeat([0.0, 1.0], [21, 20])
DIED = np.repeat([1, 0, 0], [3, 18, 20])


def log_likelihood(a: float, b: float, x: Floats, y: Floats) -> float:
    eta = a + b * x
    return float(np.sum(y * eta - np.log1p(np.exp(-np.abs(eta))) - np.maximum(eta, 0.0)))


def penalised(a: float, b: float, x: Floats, y: Floats) -> float:
    p = 1.0 / (1.0 + np.exp(-(a + b * x)))
    design = np.column_stack([np.ones_like(x), x])
    sign, value = np.linalg.slogdet(design.T @ np.diag(p * (1 - p)) @ design)
    return log_likelihood(a, b, x, y) + 0.5 * value if sign > 0 else -math.inf


def made_up(seed: int, patients: int = 44) -> tuple[Floats, Floats]:
    """Exposures like AUC/day and events that neither separate nor fail."""
    random = np.random.default_rng(seed)
    while True:
        x = random.lognormal(5.1, 0.5, patients)
        y = (random.random(patients) < 1.0 / (1.0 + np.exp(2.6 - 0.012 * x))).astype(float)
        if x[y == 0].max() > x[y == 1].min() and 3 <= y.sum() <= patients - 3:
            return x, y


@pytest.mark.parametrize("seed", range(12))
def test_maximum_likelihood_is_that_of_statsmodels(seed: int) -> None:
    x, y = made_up(seed, 20 + 8 * seed)
    theirs = sm.Logit(y, sm.add_constant(x)).fit(disp=0, method="newton", tol=1e-14, maxiter=200)
    ours = fit_logistic(x, y)
    np.testing.assert_allclose([ours.intercept, ours.slope], theirs.params, rtol=1e-8)
    np.testing.assert_allclose([ours.se_intercept, ours.se_slope], theirs.bse, rtol=1e-8)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=1e-8)
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)
    events = y.sum()
    null = events * math.log(y.mean()) + (len(y) - events) * math.log(1.0 - y.mean())
    assert ours.null_log_likelihood == pytest.approx(null, rel=1e-12)
    assert ours.likelihood_ratio == pytest.approx(2.0 * (theirs.llf - null), rel=1e-8)
    assert ours.p_value == pytest.approx(theirs.llr_pvalue, rel=1e-6)
    wald = theirs.conf_int()
    for interval, (low, high) in zip(ours.wald_intervals(), wald, strict=True):
        assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-8)
    at = np.array([40.0, 100.2, 133.6, 300.0])
    new = theirs.get_prediction(sm.add_constant(at)).summary_frame(alpha=0.05)
    found = ours.predict(at)
    np.testing.assert_allclose(found.probability, new["predicted"], rtol=1e-8)
    frame = theirs.get_prediction(sm.add_constant(at), which="linear").summary_frame()
    for mine, column in ((found.low, "ci_lower"), (found.high, "ci_upper")):
        np.testing.assert_allclose(mine, 1.0 / (1.0 + np.exp(-frame[column])), rtol=1e-7)


def test_maximum_likelihood_is_that_of_r_glm() -> None:
    """summary(glm(am ~ wt, data = mtcars, family = binomial)) as R prints it.

    Printed with nine digits in "Aula 07 - Modelando" of curso-r.github.io. R's standard errors
    are those of its last step but one; the walk of glm.fit below ends at the printed ones.
    """
    fit = fit_logistic(WEIGHT, MANUAL)
    assert fit.intercept == pytest.approx(12.040370, abs=5e-7)
    assert fit.slope == pytest.approx(-4.023970, abs=5e-7)
    assert -2.0 * fit.null_log_likelihood == pytest.approx(43.229733, abs=5e-7)
    assert -2.0 * fit.log_likelihood == pytest.approx(19.176085, abs=5e-7)
    assert (fit.patients, fit.events, fit.separation) == (32, 13, "none")
    assert (fit.se_intercept, fit.se_slope) == pytest.approx((4.510, 1.4365), abs=1e-4)
    design = np.column_stack([np.ones(32), WEIGHT])
    p = (MANUAL + 0.5) / 2.0
    eta = np.log(p / (1.0 - p))
    before, now = math.inf, 0.0
    while abs(now - before) / (abs(now) + 0.1) >= 1e-8:
        before = now
        weight = p * (1.0 - p)
        information = design.T @ (weight[:, None] * design)
        response = weight * eta + MANUAL - p
        eta = design @ np.linalg.solve(information, design.T @ response)
        p = 1.0 / (1.0 + np.exp(-eta))
        now = -2.0 * float(np.sum(np.log(np.where(MANUAL == 1, p, 1.0 - p))))
    printed = np.sqrt(np.diag(np.linalg.inv(information)))
    assert printed == pytest.approx([4.509706, 1.436416], abs=5e-7)


def test_firth_is_that_of_r_logistf() -> None:
    """summary(logistf(mort_28 ~ trt)) as printed for the trial "CAO" in two_stage.md there.

    logistf up to 1.23 and Heinze and Schemper (2002) invert the information of the patients,
    as here; from 1.24 on it is that of augmented data, which Firth's weights (n + 1 a cell
    of the 2 x 2 table) give by hand.
    """
    fit = fit_logistic(ARM, DIED, "firth")
    assert fit.intercept == pytest.approx(-1.665008, abs=5e-7)
    assert fit.slope == pytest.approx(-2.048564, abs=5e-7)
    intercept, slope = fit.profile_intervals()
    assert (intercept.low, intercept.high) == pytest.approx((-2.996461, -0.6391919), abs=5e-7)
    assert (slope.low, slope.high) == pytest.approx((-6.975291, 0.3788351), abs=5e-7)
    assert fit.likelihood_ratio == pytest.approx(2.610367, abs=5e-7)
    assert fit.p_value == pytest.approx(0.1061671667, abs=5e-9)
    control, treated = 3.5 / 22.0, 0.5 / 21.0
    information = [21 * control * (1 - control), 20 * treated * (1 - treated)]
    assert fit.se_intercept == pytest.approx(information[0] ** -0.5, rel=1e-9)
    assert fit.se_slope == pytest.approx(sum(1 / one for one in information) ** 0.5, rel=1e-9)
    augmented = [22 * control * (1 - control), 21 * treated * (1 - treated)]
    assert augmented[0] ** -0.5 == pytest.approx(0.5828965, abs=5e-7)
    assert sum(1 / one for one in augmented) ** 0.5 == pytest.approx(1.5454930, abs=5e-7)


@pytest.mark.parametrize("seed", range(6))
def test_firth_maximises_the_penalised_likelihood(seed: int) -> None:
    x, y = made_up(seed + 100, 30)
    fit = fit_logistic(x, y, "firth")
    scale = np.array([1.0, 0.01])

    def height(c: Floats) -> float:
        return -penalised(c[0], c[1] * 0.01, x, y)

    best = minimize(height, np.zeros(2), method="BFGS", options={"gtol": 1e-9})
    best = minimize(height, best.x, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13})
    np.testing.assert_allclose([fit.intercept, fit.slope], best.x * scale, rtol=2e-6)
    assert fit.log_likelihood == pytest.approx(-best.fun, rel=1e-11)
    assert fit.log_likelihood >= -best.fun - 1e-10
    flat = minimize_scalar(lambda a: -penalised(a, 0.0, x, y), (-3.0, 0.0), tol=1e-10)
    assert fit.null_log_likelihood == pytest.approx(-flat.fun, rel=1e-11)


def profile_height(
    which: int, value: float, fit: LogisticFit, height: Callable[..., float]
) -> float:
    """Maximise over the other coefficient by brute force."""
    x, y = fit.exposure, fit.event

    def lost(other: float) -> float:
        a, b = (value, other * 0.01) if which == 0 else (other, value)
        return -height(a, b, x, y)

    # The conditional optimum is smooth: a grid finds its valley, Brent its floor.
    grid = np.linspace(-60.0, 60.0, 481)
    start = min(grid, key=lost)
    found = minimize_scalar(lost, (start - 0.5, start, start + 0.5), tol=1e-11)
    return -float(found.fun)


@pytest.mark.parametrize("method", ["ml", "firth"])
@pytest.mark.parametrize("seed", range(3))
def test_profile_bounds_lose_what_the_chi_square_allows(seed: int, method: str) -> None:
    x, y = made_up(seed + 40)
    height = penalised if method == "firth" else log_likelihood
    fit = fit_logistic(x, y, method)  # type: ignore[arg-type]
    best = height(fit.intercept, fit.slope, x, y)
    for which, interval in enumerate(fit.profile_intervals()):
        estimate = (fit.intercept, fit.slope)[which]
        assert interval.low < estimate < interval.high
        for bound in (interval.low, interval.high):
            lost = 2.0 * (best - profile_height(which, bound, fit, height))
            assert lost == pytest.approx(CHI_SQUARE_95, abs=1e-6)


def test_profile_of_another_level() -> None:
    fit = fit_logistic(WEIGHT, MANUAL)
    _, slope = fit.profile_intervals(0.68)
    best = fit.log_likelihood
    lost = 2.0 * (best - profile_height(1, slope.low, fit, log_likelihood))
    assert lost == pytest.approx(0.98894645, abs=1e-6)  # qchisq(0.68, 1)


COMPLETE = ([10, 20, 30, 40, 50, 60], [0, 0, 0, 1, 1, 1])
TOUCHING = ([10, 20, 30, 30, 30, 60], [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (*COMPLETE, "complete"),
        (COMPLETE[0], [1, 1, 1, 0, 0, 0], "complete"),
        (*TOUCHING, "quasi"),
        (TOUCHING[0], [1, 1, 1, 0, 0, 0], "quasi"),
        ([10, 20, 30, 40, 50, 60], [0, 0, 1, 0, 1, 1], "none"),
        ([10, 10, 20, 20], [0, 1, 0, 1], "none"),
        ([10, 10, 20, 20], [0, 1, 1, 1], "quasi"),
    ],
)
def test_separation_is_found(x: list[float], y: list[int], expected: str) -> None:
    assert find_separation(np.array(x), np.array(y)) == expected
    fit = fit_logistic(x, y)
    assert fit.separation == expected
    assert fit.is_finite == (expected == "none")
    firth = fit_logistic(x, y, "firth")
    assert firth.separation == expected
    assert firth.is_finite
    assert all(math.isfinite(b) for i in firth.profile_intervals() for b in (i.low, i.high))


def test_without_an_estimate_the_likelihood_still_speaks() -> None:
    """Complete separation: the supremum of the log-likelihood is 0; touching: 3 log-odds."""
    complete = fit_logistic(*COMPLETE)
    assert complete.slope == math.inf
    assert complete.intercept == -math.inf
    assert complete.likelihood_ratio == pytest.approx(12 * math.log(2), rel=1e-12)
    assert np.isnan(complete.covariance).all()
    touching = fit_logistic(*TOUCHING)
    assert touching.log_likelihood == pytest.approx(2 * math.log(2 / 3) + math.log(1 / 3))
    for fit in (complete, touching):
        intercept, slope = fit.profile_intervals()
        assert math.isnan(intercept.low)
        assert slope.high == math.inf
        lost = 2.0 * (fit.log_likelihood - profile_height(1, slope.low, fit, log_likelihood))
        assert lost == pytest.approx(CHI_SQUARE_95, abs=1e-6)
        with pytest.raises(LimitError, match="no finite estimate"):
            fit.predict([10.0])
    falling = fit_logistic(COMPLETE[0], [1, 1, 1, 0, 0, 0])
    assert falling.slope == -math.inf
    _, fall = falling.profile_intervals()
    _, rise = complete.profile_intervals()
    assert (fall.low, fall.high) == pytest.approx((-math.inf, -rise.low))


def test_separation_is_explained() -> None:
    text = explain_separation(fit_logistic(*COMPLETE))
    assert text == (
        "complete separation: all 3 patients with the event have an exposure of 40 or more, "
        "all 3 without it of 30 or less. Maximum likelihood has no finite estimate: the fit "
        "improves for ever as the slope grows. Firth's penalised likelihood has one: use "
        "--method firth, and read its profile interval, not the Wald interval"
    )
    firth = explain_separation(fit_logistic(*TOUCHING, "firth"))
    assert firth.startswith("quasi separation: all 3 patients with the event")
    assert "which touch at one value" in firth
    assert "rests on its penalty" in firth
    assert explain_separation(fit_logistic(WEIGHT, MANUAL)) == ""


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1.0, 2.0], [1, 1], "all of 2 patients had the event"),
        ([1.0, 2.0], [0, 0], "none of 2 patients had the event"),
        ([3.0, 3.0], [0, 1], "every exposure is 3; a slope needs at least two values"),
        ([1.0, math.nan], [0, 1], "missing or infinite"),
        ([1.0, 2.0], [0, 2], "neither 0 nor 1"),
        ([1.0, 2.0, 3.0], [0, 1], "do not match"),
    ],
)
def test_what_cannot_be_fitted_is_refused(x: list[float], y: list[int], words: str) -> None:
    with pytest.raises(LimitError, match=words):
        fit_logistic(x, y)


def test_units_of_exposure_change_only_the_slope() -> None:
    x, y = made_up(7)
    for method in ("ml", "firth"):
        one = fit_logistic(x, y, method)  # type: ignore[arg-type]
        other = fit_logistic(x * 1e6, y, method)  # type: ignore[arg-type]
        assert other.slope * 1e6 == pytest.approx(one.slope, rel=1e-9)
        assert other.intercept == pytest.approx(one.intercept, rel=1e-9)
        assert other.likelihood_ratio == pytest.approx(one.likelihood_ratio, rel=1e-8)


def test_many_trials_are_fitted_as_one_by_one() -> None:
    random = np.random.default_rng(11)
    x = random.lognormal(5.1, 0.5, (600, 18))
    y = random.random(x.shape) < 1.0 / (1.0 + np.exp(4.0 - 0.02 * x))
    x[0], y[1], y[2] = 100.0, True, False
    y[0, :2] = (True, False)
    x[3] = np.repeat([20.0, 30.0], 9)
    y[3] = np.repeat([False, True], [7, 11])
    many = fit_many(x, y)
    for trial in (0, 1, 2):
        assert not many.converged[trial]
        assert not many.separated[trial]
        assert np.isnan(many.slope[trial])
        assert many.likelihood_ratio[trial] == 0.0
    assert many.separated[3:].sum() > 5
    assert (many.converged[3:] ^ many.separated[3:]).all()
    compared = 0
    for trial in range(3, 600):
        if 0 < y[trial].sum() < 18:
            one = fit_logistic(x[trial], y[trial])
            assert many.separated[trial] == (one.separation != "none")
            mine = [many.log_likelihood[trial], many.null_log_likelihood[trial]]
            theirs = [one.log_likelihood, one.null_log_likelihood]
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11)
            if many.separated[trial]:
                assert many.slope[trial] == one.slope
                continue
            compared += 1
            mine = [many.intercept[trial], many.slope[trial], many.se_slope[trial]]
            np.testing.assert_allclose(mine, [one.intercept, one.slope, one.se_slope], rtol=1e-6)
    assert compared > 500


def test_many_trials_of_wrong_shapes_are_refused() -> None:
    with pytest.raises(LimitError, match="do not match"):
        fit_many(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(LimitError, match="neither 0 nor 1"):
        fit_many(np.arange(6.0).reshape(2, 3), np.full((2, 3), 2))
    assert len(fit_many(np.zeros((0, 44)), np.zeros((0, 44))).slope) == 0


def test_exact_intervals_of_proportions() -> None:
    """31 of 275 has 7.8 to 15.6 % (methods 5.1); none of n has 1 - 0.025^(1/n)."""
    low, high = clopper_pearson(31, 275)
    assert (round(100 * low, 1), round(100 * high, 1)) == (7.8, 15.6)
    assert clopper_pearson(0, 11) == pytest.approx((0.0, 1.0 - 0.025 ** (1 / 11)))
    assert clopper_pearson(11, 11) == pytest.approx((0.025 ** (1 / 11), 1.0))


def test_exposure_groups_by_hand() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    y = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    low, high = by_median(x, y)
    assert (low.events, low.patients, low.exposure_low, low.exposure_high) == (1, 4, 1.0, 4.0)
    assert (high.events, high.patients, high.exposure_median) == (3, 3, 6.0)
    thirds = by_quantile(x, y, 3)  # limits 3 and 5: a patient at a limit is in the lower group
    assert [(part.label, part.events, part.patients) for part in thirds] == [
        ("Q1", 1, 3),
        ("Q2", 1, 2),
        ("Q3", 2, 2),
    ]
    tied = by_quantile(np.array([1.0, 1.0, 1.0, 1.0, 2.0]), np.array([0, 1, 0, 1.0, 1]), 4)
    assert [(part.label, part.events, part.patients) for part in tied] == [
        ("Q1", 2, 4),
        ("Q4", 1, 1),
    ]
    with pytest.raises(LimitError, match="2 to 20"):
        by_quantile(x, y, 1)


HARD = Path(__file__).parent / "data" / "hard-fits"
EVERY_SCALE = [[0, 0], [1, -1e-6], [-1, 1e-5], [-1, 0.01], [-2, 0.03], [-4, 0.05], [-8, 0.08]]


def hard(name: str) -> tuple[Floats, Floats]:
    with (HARD / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    return (
        np.array([float(row["auc"]) for row in rows]),
        np.array([float(row["rash"]) for row in rows]),
    )


def penalised_over(a: Floats, b: float, x: Floats, y: Floats) -> Floats:
    """The penalised likelihood at intercepts a, its determinant as a sum over pairs."""
    eta = a[:, None] + b * x
    plain = np.where(y == 1.0, -np.logaddexp(0.0, -eta), -np.logaddexp(0.0, eta)).sum(axis=1)
    weight = np.exp(-np.logaddexp(0.0, eta) - np.logaddexp(0.0, -eta))
    pairs = np.einsum("ki,ij,kj->k", weight, (x[:, None] - x[None, :]) ** 2, weight) / 2.0
    with np.errstate(divide="ignore"):
        return np.asarray(plain + 0.5 * np.log(pairs))


def highest_over(b: float, x: Floats, y: Floats) -> float:
    """The profile at slope b by brute force: a grid of a tenth of a logit, then a finer one."""
    ends = sorted([-b * x.min(), -b * x.max()])
    grid = np.arange(ends[0] - 8.0, ends[1] + 8.0, 0.1)
    top = grid[int(np.argmax(penalised_over(grid, b, x, y)))]
    return float(penalised_over(np.linspace(top - 0.1, top + 0.1, 2001), b, x, y).max())


@pytest.mark.parametrize("name", sorted(path.stem for path in HARD.glob("*.csv")))
def test_firth_takes_the_highest_top(name: str) -> None:
    x, y = hard(name)
    fit = fit_logistic(x, y, "firth")

    def lost(c: Floats) -> float:
        return -float(penalised_over(c[:1], float(c[1]), x, y)[0])

    found = [
        minimize(lost, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
        for start in EVERY_SCALE
    ]
    assert fit.log_likelihood >= max(-one.fun for one in found) - 1e-7
    at = lost(np.array([fit.intercept, fit.slope]))
    assert fit.log_likelihood == pytest.approx(-at, abs=1e-7)
    for top in fit.other_tops:
        assert top.log_likelihood <= fit.log_likelihood
        at = lost(np.array([top.intercept, top.slope]))
        assert top.log_likelihood == pytest.approx(-at, abs=1e-6)


@pytest.mark.parametrize("method", ["ml", "firth"])
@pytest.mark.parametrize("name", sorted(path.stem for path in HARD.glob("*.csv")))
def test_profiles_of_hard_data_are_found(name: str, method: str) -> None:
    fit = fit_logistic(*hard(name), method)  # type: ignore[arg-type]
    intercept, slope = fit.profile_intervals()
    assert slope.low < fit.slope <= slope.high
    if fit.is_finite:
        assert intercept.low < fit.intercept < intercept.high
        assert all(map(math.isfinite, (intercept.low, intercept.high, slope.low, slope.high)))


@pytest.mark.parametrize("name", ["two-hills", "two-tops-in-a-gap", "no-profile-1"])
def test_firth_profile_ends_at_the_outermost_crossing(name: str) -> None:
    """Against brute force over both coefficients: the loss at each bound, and all beyond it."""
    x, y = hard(name)
    fit = fit_logistic(x, y, "firth")
    slope = fit.profile_intervals()[1]
    for bound in (slope.low, slope.high):
        lost = 2.0 * (fit.log_likelihood - highest_over(bound, x, y))
        assert lost == pytest.approx(CHI_SQUARE_95, abs=1e-4)
    width = slope.high - slope.low
    for share in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0):
        for beyond in (slope.low - share * width, slope.high + share * width):
            assert 2.0 * (fit.log_likelihood - highest_over(beyond, x, y)) > CHI_SQUARE_95


def test_several_tops_are_told() -> None:
    hills = fit_logistic(*hard("two-hills"), "firth")
    text = explain_tops(hills)
    assert "has 2 tops of about the same height: the highest has slope 0.003246" in text
    assert "another 0.02648" in text
    slope = hills.profile_intervals()[1]
    assert slope.low < 0.003246 < 0.02648 < slope.high
    # 5.1 on the scale of chi-square lies outside a 95 % interval.
    unit_mix = fit_logistic(*hard("unit-mix"), "firth")
    assert unit_mix.slope == pytest.approx(0.02235, abs=1e-5)
    assert len(unit_mix.other_tops) == 1
    assert explain_tops(unit_mix) == ""
    assert fit_logistic(WEIGHT, MANUAL, "firth").other_tops == ()


@pytest.mark.parametrize("events", [1, 7])
def test_firth_predicts_as_many_events_as_were_observed(events: int) -> None:
    """FLIC (Puhr and others 2017): maximum likelihood for the intercept at Firth's slope."""
    random = np.random.default_rng(events)
    x = random.lognormal(5.1, 0.5, 44)
    y = np.zeros(44)
    y[np.argsort(x)[10 : 10 + 4 * events : 4]] = 1.0
    fit = fit_logistic(x, y, "firth")
    own = 1.0 / (1.0 + np.exp(-(fit.intercept + fit.slope * x)))
    assert own.sum() > events + 0.2
    assert fit.predict(x).probability.sum() == pytest.approx(events, rel=1e-9)

    def missing(a: float) -> float:
        return float((1.0 / (1.0 + np.exp(-(a + fit.slope * x)))).sum()) - events

    intercept = brentq(missing, -20.0, 5.0, xtol=1e-13)
    assert fit.prediction_intercept == pytest.approx(intercept, abs=1e-9)
    p = 1.0 / (1.0 + np.exp(-(intercept + fit.slope * x)))
    design = np.column_stack([np.ones(44), x])
    expected = np.linalg.inv(design.T @ ((p * (1.0 - p))[:, None] * design))
    np.testing.assert_allclose(fit.prediction_covariance, expected, rtol=1e-7)
    at = np.array([60.0, 300.0])
    rows = np.column_stack([np.ones(2), at])
    margin = 1.959963984540054 * np.sqrt(np.einsum("ij,jk,ik->i", rows, expected, rows))
    found = fit.predict(at)
    logit = intercept + fit.slope * at
    np.testing.assert_allclose(found.low, 1.0 / (1.0 + np.exp(margin - logit)), rtol=1e-7)
    np.testing.assert_allclose(found.high, 1.0 / (1.0 + np.exp(-margin - logit)), rtol=1e-7)
    plain = fit_logistic(WEIGHT, MANUAL)
    assert (plain.flic_intercept, plain.prediction_intercept) == (None, plain.intercept)


@pytest.mark.parametrize("size", [1e200, 1e31, 1e-31, 1e-165, 5e-324])
def test_exposures_of_no_usable_size_are_refused(size: float) -> None:
    x, y = np.arange(12.0), np.arange(12) % 3 == 0
    x[5] = size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LimitError, match="neither 0 nor within 1e-30 to 1e"):
            fit_logistic(x, y)
        with pytest.raises(LimitError, match="neither 0 nor within 1e-30 to 1e"):
            fit_many(x[None, :], y[None, :])


@pytest.mark.parametrize("size", [1e27, 1e-27])
def test_exposures_of_a_strange_unit_are_fitted(size: float) -> None:
    x, y = made_up(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in ("ml", "firth"):
            one = fit_logistic(x, y, method)  # type: ignore[arg-type]
            other = fit_logistic(x * size, y, method)  # type: ignore[arg-type]
            assert other.slope * size == pytest.approx(one.slope, rel=1e-8)
            mine, theirs = other.profile_intervals()[1], one.profile_intervals()[1]
            assert mine.high * size == pytest.approx(theirs.high, rel=1e-6)
