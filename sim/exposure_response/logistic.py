"""Logistic regression of one event on one exposure: maximum likelihood and Firth's.

logit P = intercept + slope * exposure. Everything is solved on a centred and scaled exposure
and told on the given one. Firth's estimate maximises l + log(det I) / 2 (Firth, Biometrika
1993;80:27; Heinze and Schemper, Stat Med 2002;21:2409); its tests and intervals profile that
penalised likelihood with the information of both coefficients, as R's logistf does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2, norm

from sim.errors import LimitError
from sim.exposure_response.likelihood import Floats, design_of, information, maximise
from sim.exposure_response.logistic_many import ManyFits, fit_many

__all__ = [
    "Interval",
    "LogisticFit",
    "ManyFits",
    "Method",
    "Prediction",
    "Separation",
    "explain_separation",
    "find_separation",
    "fit_logistic",
    "fit_many",
]

Method = Literal["ml", "firth"]
Separation = Literal["none", "quasi", "complete"]
INTERCEPT, SLOPE = 0, 1
BOTH = (INTERCEPT, SLOPE)
BOUND_STEPS_AT_MOST = 60


@dataclass(frozen=True)
class Interval:
    """Bounds of a confidence interval; infinite where the data set no bound."""

    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """Probabilities at given exposures with pointwise intervals, each of the exposures' shape."""

    probability: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class LogisticFit:
    """logit P = intercept + slope * exposure.

    covariance is the inverse information (2, 2) of (intercept, slope). Under separation maximum
    likelihood has no finite estimate: slope is then infinite and the covariance NaN, while
    log_likelihood is the supremum, so that the likelihood-ratio test and the finite profile
    bound still hold. For Firth's method both log-likelihoods are penalised.
    """

    intercept: float
    slope: float
    covariance: Floats
    log_likelihood: float
    null_log_likelihood: float
    patients: int
    events: int
    method: Method
    separation: Separation
    exposure: Floats = field(repr=False, compare=False)
    event: Floats = field(repr=False, compare=False)

    @property
    def is_finite(self) -> bool:
        """False where separation leaves maximum likelihood without an estimate."""
        return bool(np.isfinite(self.slope))

    @property
    def se_intercept(self) -> float:
        """Standard error of the intercept; NaN without a finite estimate."""
        return float(np.sqrt(self.covariance[0, 0]))

    @property
    def se_slope(self) -> float:
        """Standard error of the slope, per unit of exposure; NaN without a finite estimate."""
        return float(np.sqrt(self.covariance[1, 1]))

    @property
    def likelihood_ratio(self) -> float:
        """Twice the gain of (penalised) log-likelihood over slope 0."""
        return max(0.0, 2.0 * (self.log_likelihood - self.null_log_likelihood))

    @property
    def p_value(self) -> float:
        """Likelihood-ratio test of slope 0, chi-square with 1 degree of freedom."""
        return float(chi2.sf(self.likelihood_ratio, 1))

    def wald_intervals(self, level: float = 0.95) -> tuple[Interval, Interval]:
        """Return estimate -+ quantile * SE of (intercept, slope)."""
        quantile = _normal_quantile(level)
        pairs = ((self.intercept, self.se_intercept), (self.slope, self.se_slope))
        low, high = (
            Interval(value - quantile * se, value + quantile * se)
            if np.isfinite(value) and np.isfinite(se)
            else Interval(float("nan"), float("nan"))
            for value, se in pairs
        )
        return low, high

    def profile_intervals(self, level: float = 0.95) -> tuple[Interval, Interval]:
        """Return the (penalised) profile-likelihood intervals of (intercept, slope).

        Without a finite estimate the slope has one finite bound and the intercept's are NaN.
        """
        _check_level(level)
        return _profile(self, INTERCEPT, level), _profile(self, SLOPE, level)

    def predict(self, exposure: ArrayLike, level: float = 0.95) -> Prediction:
        """Return probabilities at exposures, intervals by the delta method on the logit.

        Raises LimitError where separation leaves no finite estimate.
        """
        if not self.is_finite:
            raise LimitError("no probability can be predicted: there is no finite estimate")
        quantile = _normal_quantile(level)
        at = np.asarray(exposure, np.float64)
        eta = self.intercept + self.slope * at
        v = self.covariance
        variance = v[0, 0] + 2.0 * at * v[0, 1] + at**2 * v[1, 1]
        margin = quantile * np.sqrt(np.maximum(variance, 0.0))
        return Prediction(
            *(np.asarray(expit(x), np.float64) for x in (eta, eta - margin, eta + margin))
        )


def fit_logistic(exposure: ArrayLike, event: ArrayLike, method: Method = "ml") -> LogisticFit:
    """Fit P(event) on exposure, both of shape (n,), event 0 or 1.

    Raises LimitError where every patient or none has the event, where the exposure has one
    value only, or where a value is missing. See LogisticFit for what separation gives.
    """
    x, y = _checked(exposure, event)
    separation = find_separation(x, y)
    if method == "ml" and separation != "none":
        return _without_estimate(x, y, separation)
    centre, scale = float(x.mean()), float(x.std())
    design = design_of((x - centre) / scale)
    firth = method == "firth"
    start = np.array([_logit(y.mean()), 0.0])
    null, null_value = maximise(design, y, start, (INTERCEPT,), firth)
    found, value = maximise(design, y, null, BOTH, firth)
    # From (a, b) on the scaled exposure to the given one.
    back = np.array([[1.0, -centre / scale], [0.0, 1.0 / scale]])
    covariance = back @ np.linalg.inv(information(design, found)) @ back.T
    intercept, slope = back @ found
    # The penalty of the given exposure differs from the scaled one's by log(scale).
    shift = float(np.log(scale)) if firth else 0.0
    return LogisticFit(
        intercept=float(intercept),
        slope=float(slope),
        covariance=0.5 * (covariance + covariance.T),
        log_likelihood=value + shift,
        null_log_likelihood=null_value + shift,
        patients=len(x),
        events=int(y.sum()),
        method=method,
        separation=separation,
        exposure=x,
        event=y,
    )


def find_separation(exposure: ArrayLike, event: ArrayLike) -> Separation:
    """Compare the ranges of exposure with and without the event; exact for one covariate."""
    x, y = np.asarray(exposure, np.float64), np.asarray(event, np.float64)
    with_event, without = x[y == 1.0], x[y == 0.0]
    gap = max(with_event.min() - without.max(), without.min() - with_event.max())
    if gap > 0.0:
        return "complete"
    return "quasi" if gap == 0.0 else "none"


def explain_separation(fit: LogisticFit) -> str:
    """Return in words what separates the patients and what to do; empty when nothing does."""
    if fit.separation == "none":
        return ""
    with_event, without = fit.exposure[fit.event == 1.0], fit.exposure[fit.event == 0.0]
    rising = with_event.max() > without.max() or with_event.min() > without.min()
    high, low = (with_event, without) if rising else (without, with_event)
    names = ("with the event", "without it") if rising else ("without the event", "with it")
    ranges = (
        f"all {len(high)} patients {names[0]} have an exposure of {high.min():g} or more, "
        f"all {len(low)} {names[1]} of {low.max():g} or less"
    )
    advice = (
        "Maximum likelihood has no finite estimate: the fit improves for ever as the slope "
        f"{'grows' if rising else 'falls'}. Firth's penalised likelihood has one: use --method "
        "firth, and read its profile interval, not the Wald interval"
    )
    if fit.method == "firth":
        advice = (
            "Maximum likelihood would have no finite estimate; Firth's, shown here, is finite, "
            "but rests on its penalty: read its profile interval, not the Wald interval"
        )
    touching = "" if fit.separation == "complete" else ", which touch at one value"
    return f"{fit.separation} separation: {ranges}{touching}. {advice}"


def _checked(exposure: ArrayLike, event: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.array(exposure, np.float64), np.array(event, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise LimitError(f"exposure of shape {x.shape} and event of shape {y.shape} do not match")
    if not np.isfinite(x).all():
        raise LimitError("an exposure is missing or infinite")
    if not np.isin(y, (0.0, 1.0)).all():
        raise LimitError("an event is neither 0 nor 1")
    if y.sum() in (0, len(y)):
        share = "none" if y.sum() == 0 else "all"
        raise LimitError(f"{share} of {len(y)} patients had the event; nothing can be fitted")
    if x.min() == x.max():
        raise LimitError(f"every exposure is {x[0]:g}; a slope needs at least two values")
    return x, y


def _without_estimate(x: Floats, y: Floats, separation: Separation) -> LogisticFit:
    """Return the limit that maximum likelihood tends to on separated data."""
    with_event, without = x[y == 1.0], x[y == 0.0]
    rising = with_event.mean() > without.mean()
    slope = float("inf") if rising else float("-inf")
    low, high = (without, with_event) if rising else (with_event, without)
    split = 0.5 * (float(low.max()) + float(high.min()))
    at_split, value = float("nan"), 0.0
    if separation == "quasi":
        tied = y[x == split]
        at_split, value = _logit(float(tied.mean())), _constant_log_likelihood(tied)
    return LogisticFit(
        intercept=at_split if split == 0.0 else -slope * split,
        slope=slope,
        covariance=np.full((2, 2), np.nan),
        log_likelihood=value,
        null_log_likelihood=_constant_log_likelihood(y),
        patients=len(x),
        events=int(y.sum()),
        method="ml",
        separation=separation,
        exposure=x,
        event=y,
    )


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def _constant_log_likelihood(y: Floats) -> float:
    events, share = float(y.sum()), float(y.mean())
    return events * float(np.log(share)) + (len(y) - events) * float(np.log1p(-share))


def _normal_quantile(level: float) -> float:
    _check_level(level)
    return float(norm.isf(0.5 * (1.0 - level)))


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise LimitError(f"a confidence level lies between 0 and 1; {level:g} does not")


def _profile(fit: LogisticFit, which: int, level: float) -> Interval:
    """Find where twice the loss of profile log-likelihood reaches the chi-square quantile."""
    if which == INTERCEPT and not fit.is_finite:
        return Interval(float("nan"), float("nan"))
    x, firth = fit.exposure, fit.method == "firth"
    scale = float(x.std())
    # The intercept is a coefficient of its own only on an exposure that is not centred.
    centre = float(x.mean()) if which == SLOPE else 0.0
    design = design_of((x - centre) / scale)
    best = fit.log_likelihood - (float(np.log(scale)) if firth else 0.0)
    allowed = float(chi2.isf(1.0 - level, 1))
    other = 1 - which
    unit = 1.0 if which == INTERCEPT else scale
    middle = np.array([fit.intercept + (fit.slope * centre if centre else 0.0), fit.slope * scale])
    estimate = (fit.intercept, fit.slope)[which] * unit
    if fit.is_finite:
        forward = np.array([[1.0, centre], [0.0, scale]])
        covariance = forward @ fit.covariance @ forward.T
        width = float(np.sqrt(covariance[which, which]))
        lean = float(covariance[which, other] / covariance[which, which])
    else:
        width, lean = 1.0, 0.0

    def excess(value: float) -> float:
        start = np.zeros(2)
        start[which] = value
        if fit.is_finite:
            start[other] = middle[other] + lean * (value - middle[which])
        _, height = maximise(design, fit.event, start, (other,), firth)
        return 2.0 * (best - height) - allowed

    low, high = (_bound(excess, estimate, sign * width) for sign in (-1.0, 1.0))
    return Interval(low / unit, high / unit)


def _bound(excess: Callable[[float], float], estimate: float, step: float) -> float:
    """Return the root of excess on the side of the estimate that step points to.

    An infinite estimate has a root on its finite side only, which may lie on either side of 0.
    """
    if np.isinf(estimate):
        if estimate * step > 0.0:
            return estimate
        inside = 0.0
        if excess(0.0) >= 0.0:
            step = -step
    else:
        inside = estimate
    sign_at_start = estimate == inside or excess(inside) < 0.0
    for _ in range(BOUND_STEPS_AT_MOST):
        outside = inside + step
        if (excess(outside) < 0.0) != sign_at_start:
            return float(brentq(excess, inside, outside, xtol=1e-11, rtol=1e-13))
        inside, step = outside, 1.5 * step
    return float("inf") if step > 0.0 else float("-inf")
