"""Everything the paper shows of one endpoint: fit, intervals, proportions, predictions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import LimitError
from sim.exposure_response.individual_data import IndividualData
from sim.exposure_response.logistic import (
    Interval,
    LogisticFit,
    Method,
    explain_separation,
    explain_tops,
    fit_logistic,
)
from sim.exposure_response.observed import Proportion, by_median, by_quantile

GROUPS_AT_MOST = 12
NG_PER_ML_IN_MG_PER_L = 1000.0
STEPS_AN_ENDPOINT = 3
OUTLYING_FACTOR = 20.0


@dataclass(frozen=True)
class Doses:
    """Doses in mg, the AUC/day in ng*h/mL of a mg in the typical patient, and its source."""

    doses_mg: tuple[float, ...]
    auc_per_day_per_mg: float
    source: str

    @property
    def exposure(self) -> NDArray[np.float64]:
        """AUC/day of every dose, in ng*h/mL per day."""
        return np.array(self.doses_mg, np.float64) * self.auc_per_day_per_mg


@dataclass(frozen=True)
class DosePrediction:
    """Predicted probability at one dose; is_beyond where no patient had that exposure."""

    dose_mg: float
    exposure: float
    probability: float
    low: float
    high: float
    is_beyond: bool


@dataclass(frozen=True)
class EndpointFit:
    """One endpoint in one group of patients.

    fit and wald are None, with the reason in note, where the group cannot be fitted; the fit is
    not finite where separation leaves maximum likelihood without an estimate. Where there is a
    fit but a profile cannot be followed, its interval is None and profile_fault the reason.
    """

    endpoint: str
    group: str
    left_out: int
    exposure: NDArray[np.float64]
    event: NDArray[np.float64]
    fit: LogisticFit | None
    wald: tuple[Interval, Interval] | None
    profile: tuple[Interval | None, Interval | None]
    about_median: tuple[Proportion, ...]
    by_quantile: tuple[Proportion, ...]
    predictions: tuple[DosePrediction, ...]
    note: str
    profile_fault: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The endpoint, with its group where there are groups."""
        return f"{self.endpoint}, {self.group}" if self.group else self.endpoint

    @property
    def estimate(self) -> LogisticFit | None:
        """The fit where it has a finite estimate."""
        return self.fit if self.fit is not None and self.fit.is_finite else None


def auc_per_day_per_mg(cl_f_l_per_h: float, doses_per_cycle: int, cycle_days: int) -> float:
    """Return AUC/day of 1 mg a dose, in ng*h/mL per day: 1000 * doses / (days * CL/F)."""
    return NG_PER_ML_IN_MG_PER_L * doses_per_cycle / (cycle_days * cl_f_l_per_h)


def group_labels(data: IndividualData) -> list[str]:
    """Return the groups in the order they appear in the data, or one "" without groups.

    Raises LimitError for too many.
    """
    groups = list(dict.fromkeys(data.groups))
    if len(groups) > GROUPS_AT_MOST:
        raise LimitError(
            f"{data.columns.by} has {len(groups)} different values; "
            f"at most {GROUPS_AT_MOST} groups are fitted apart"
        )
    return groups


def exposure_warnings(data: IndividualData) -> Iterator[str]:
    """Tell of exposures far above the others, of all patients and of each group."""
    labels = np.array(data.groups)
    groups = [label for label in dict.fromkeys(data.groups) if label]
    for label in ["", *groups]:
        x = data.exposure[labels == label] if label else data.exposure
        above = x[x > 0.0]
        if len(above) < 3:
            continue
        most, median = float(above.max()), float(np.median(above))
        if most > OUTLYING_FACTOR * median:
            where = f" in {data.columns.by} {label}" if label else ""
            yield (
                f"the largest {data.columns.exposure}{where}, {most:.4g}, is "
                f"{most / median:.3g} times the median, {median:.4g}: are all exposures in the "
                "same unit? One such patient can decide the slope"
            )


def fit_endpoints(
    data: IndividualData,
    method: Method,
    quantiles: int,
    doses: Doses | None,
    advance: Callable[[int], None] = lambda _: None,
) -> list[EndpointFit]:
    """Fit every endpoint, in every group in the order the groups appear in the data.

    advance is told of steps done, three for each endpoint of a group. Raises LimitError for too
    many groups, or a number of quantile groups out of range.
    """
    groups = group_labels(data)
    return [
        _fit_one(data, column, group, method, quantiles, doses, advance)
        for column in data.columns.events
        for group in groups
    ]


def _fit_one(
    data: IndividualData,
    column: str,
    group: str,
    method: Method,
    quantiles: int,
    doses: Doses | None,
    advance: Callable[[int], None],
) -> EndpointFit:
    exposure, event = data.of(column, group)
    members = sum(one == group for one in data.groups)
    empty = len(event) == 0
    about_median = () if empty else by_median(exposure, event)
    quantile_groups = () if empty else by_quantile(exposure, event, quantiles)
    fit: LogisticFit | None = None
    try:
        fit = fit_logistic(exposure, event, method)
        note = explain_separation(fit)
    except LimitError as error:
        note = f"no fit: {error}"
    advance(1)
    profile, fault = _profile(fit, advance)
    warning = explain_tops(fit) if fit is not None else ""
    return EndpointFit(
        endpoint=column,
        group=group,
        left_out=members - len(event),
        exposure=exposure,
        event=event,
        fit=fit,
        wald=None if fit is None else fit.wald_intervals(),
        profile=profile,
        about_median=about_median,
        by_quantile=quantile_groups,
        predictions=() if fit is None or doses is None else _predictions(fit, doses),
        note=note,
        profile_fault=fault,
        warnings=(warning,) if warning else (),
    )


def _profile(
    fit: LogisticFit | None, advance: Callable[[int], None]
) -> tuple[tuple[Interval | None, Interval | None], str]:
    """Return the profile intervals that could be found, and why another could not."""
    found: list[Interval | None] = []
    faults = []
    for which in (0, 1):
        interval = None
        if fit is not None:
            try:
                interval = fit.profile_interval(which)
            except LimitError as error:
                faults.append(str(error))
        found.append(interval)
        advance(1)
    return (found[0], found[1]), "; ".join(faults)


def _predictions(fit: LogisticFit, doses: Doses) -> tuple[DosePrediction, ...]:
    if not fit.is_finite:
        return ()
    found = fit.predict(doses.exposure)
    lowest, highest = fit.exposure.min(), fit.exposure.max()
    return tuple(
        DosePrediction(
            dose, float(x), float(p), float(low), float(high), bool(not lowest <= x <= highest)
        )
        for dose, x, p, low, high in zip(
            doses.doses_mg, doses.exposure, found.probability, found.low, found.high, strict=True
        )
    )
