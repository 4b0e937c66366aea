"""Logistic regression of one event on one exposure: maximum likelihood and Firth's.

logit P = intercept + slope * exposure. Everything is solved on a centred and scaled exposure
and told on the given one. Firth's estimate maximises l + log(det I) / 2 (Firth, Biometrika
1993;80:27; Heinze and Schemper, Stat Med 2002;21:2409); its tests and intervals profile that
penalised likelihood with the information of both coefficients, as R's logistf does. The
penalised likelihood can have several tops; the highest is the estimate, the others are kept.
Firth's probabilities lean towards one half, so predictions take the intercept of FLIC (Puhr,
Heinze, Nold, Lusa and Geroldinger, Stat Med 2017;36:2302): maximum likelihood at Firth's slope.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import chi2, norm

from sim.errors import LimitError
from sim.exposure_response.likelihood import INTERCEPT, SLOPE, Floats, Surface
from sim.exposure_response.logistic_many import (
    ManyFits,
    check_values,
    fit_many,
)
from sim.exposure_response.logistic_profile import Interval, Profiled, Top, profile_interval
from sim.exposure_response.logistic_search import find_tops

__all__ = [
    "Interval",
    "LogisticFit",
    "ManyFits",
    "Method",
    "Prediction",
    "Separation",
    "Top",
    "explain_separation",
    "explain_tops",
    "find_separation",
    "fit_logistic",
    "fit_many",
]

Method = Literal["ml", "firth"]
Separation = Literal["none", "quasi", "complete"]
CHI_SQUARE_95 = 3.841458820694124


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
    bound still hold. For Firth's method both log-likelihoods are penalised, other_tops are the
    lower ones found, highest first, and flic_intercept and flic_covariance (2, 2) what predictions
    take: the intercept that predicts as many events as were observed, and the inverse information
    there.
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
    other_tops: tuple[Top, ...] = ()
    flic_intercept: float | None = None
    flic_covariance: Floats | None = field(default=None, repr=False, compare=False)

    @property
    def prediction_intercept(self) -> float:
        """The intercept that predictions take: FLIC's for Firth's method, else the estimate."""
        return self.intercept if self.flic_intercept is None else self.flic_intercept

    @property
    def prediction_covariance(self) -> Floats:
        """The inverse information (2, 2) at the coefficients that predictions take."""
        return self.covariance if self.flic_covariance is None else self.flic_covariance

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
        Where the profile crosses its limit more than once, the outermost crossings are taken.
        Raises LimitError where the profile cannot be followed.
        """
        return self.profile_interval(INTERCEPT, level), self.profile_interval(SLOPE, level)

    def profile_interval(self, which: int, level: float = 0.95) -> Interval:
        """Return one of profile_intervals: which is 0 for the intercept, 1 for the slope."""
        _check_level(level)
        tops = (Top(self.intercept, self.slope, self.log_likelihood), *self.other_tops)
        profiled = Profiled(self.exposure, self.event, self.method == "firth", tops)
        return profile_interval(profiled, which, float(chi2.isf(1.0 - level, 1)))

    def predict(self, exposure: ArrayLike, level: float = 0.95) -> Prediction:
        """Return probabilities at exposures, intervals by the delta method on the logit.

        Both use the intercept and covariance for predictions.

        Raises LimitError where separation leaves no finite estimate.
        """
        if not self.is_finite:
            raise LimitError("no probability can be predicted: there is no finite estimate")
        quantile = _normal_quantile(level)
        at = np.asarray(exposure, np.float64)
        eta = self.prediction_intercept + self.slope * at
        v = self.prediction_covariance
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
    firth = method == "firth"
    surface = Surface((x - centre) / scale, y, firth)
    start = np.array([_logit(float(y.mean())), 0.0])
    flat = surface.climb(start[None, :], (INTERCEPT,)).highest()
    if flat is None:
        raise LimitError("the logistic fit did not converge; look for extreme exposures")
    # The penalty of the given exposure differs from the scaled one's by log(scale).
    shift = float(np.log(scale)) if firth else 0.0
    found = find_tops(surface, flat[0])
    tops = [
        Top(float(top[0] - top[1] * centre / scale), float(top[1] / scale), height + shift)
        for top, height in found
    ]
    best, at = tops[0], found[0][0]
    flic = _flic(surface, at) if firth else None
    return LogisticFit(
        intercept=best.intercept,
        slope=best.slope,
        covariance=_covariance(surface, at, centre, scale),
        log_likelihood=best.log_likelihood,
        null_log_likelihood=flat[1] + shift,
        patients=len(x),
        events=int(y.sum()),
        method=method,
        separation=separation,
        exposure=x,
        event=y,
        other_tops=tuple(tops[1:]),
        flic_intercept=None if flic is None else float(flic[0] - flic[1] * centre / scale),
        flic_covariance=None if flic is None else _covariance(surface, flic, centre, scale),
    )


def _flic(surface: Surface, top: Floats) -> Floats:
    """Return the coefficients (2,) with the slope kept and as many events as were observed."""
    plain = Surface(surface.exposure, surface.event, firth=False)
    found = plain.climb(top[None, :], (INTERCEPT,)).highest()
    if found is None:
        raise LimitError("the intercept for predictions was not found; look for extreme exposures")
    return found[0]


def _covariance(surface: Surface, at: Floats, centre: float, scale: float) -> Floats:
    """Return the inverse information (2, 2) of coefficients of the given exposure."""
    at_mean, mean, slope = surface.variances(at)
    mean, slope = centre + scale * mean, slope / (scale * scale)
    return np.array([[at_mean + mean * mean * slope, -mean * slope], [-mean * slope, slope]])


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


def explain_tops(fit: LogisticFit) -> str:
    """Return a warning where another top fits about as well as the estimate; else empty."""
    close = [
        top for top in fit.other_tops if fit.log_likelihood - top.log_likelihood < CHI_SQUARE_95 / 2
    ]
    if not close:
        return ""
    slopes = ", ".join(f"{top.slope:.4g}" for top in close[:3])
    return (
        f"the penalised likelihood has {len(close) + 1} tops of about the same height: the "
        f"highest has slope {fit.slope:.4g}, {'others' if len(close) > 1 else 'another'} {slopes}. "
        "The data do not tell these models apart; look for exposures far from the others. The "
        "profile interval encloses all of them, Wald interval, band and covariance only the highest"
    )


def _checked(exposure: ArrayLike, event: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.array(exposure, np.float64), np.array(event, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise LimitError(f"exposure of shape {x.shape} and event of shape {y.shape} do not match")
    check_values(x, y)
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
