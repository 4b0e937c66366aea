"""Everything the paper shows of one endpoint: fit, intervals, proportions, predictions."""

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
    fit_logistic,
)
from sim.exposure_response.observed import Proportion, by_median, by_quantile

GROUPS_AT_MOST = 12
NG_PER_ML_IN_MG_PER_L = 1000.0


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

    fit is None, with the reason in note, where the group cannot be fitted; it is not finite
    where separation leaves maximum likelihood without an estimate.
    """

    endpoint: str
    group: str
    left_out: int
    exposure: NDArray[np.float64]
    event: NDArray[np.float64]
    fit: LogisticFit | None
    wald: tuple[Interval, Interval] | None
    profile: tuple[Interval, Interval] | None
    about_median: tuple[Proportion, ...]
    by_quantile: tuple[Proportion, ...]
    predictions: tuple[DosePrediction, ...]
    note: str

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


def fit_endpoints(
    data: IndividualData, method: Method, quantiles: int, doses: Doses | None
) -> list[EndpointFit]:
    """Fit every endpoint, in every group in the order the groups appear in the data.

    Raises LimitError for too many groups, or a number of quantile groups out of range.
    """
    groups = list(dict.fromkeys(data.groups))
    if len(groups) > GROUPS_AT_MOST:
        raise LimitError(
            f"{data.columns.by} has {len(groups)} different values; "
            f"at most {GROUPS_AT_MOST} groups are fitted apart"
        )
    return [
        _fit_one(data, column, group, method, quantiles, doses)
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
) -> EndpointFit:
    exposure, event = data.of(column, group)
    members = sum(one == group for one in data.groups)
    fit, note = None, ""
    wald = profile = None
    try:
        fit = fit_logistic(exposure, event, method)
        wald, profile = fit.wald_intervals(), fit.profile_intervals()
        note = explain_separation(fit)
    except LimitError as error:
        note = f"no fit: {error}"
    predictions: tuple[DosePrediction, ...] = ()
    if fit is not None and fit.is_finite and doses is not None:
        predictions = _predictions(fit, doses)
    empty = len(event) == 0
    return EndpointFit(
        endpoint=column,
        group=group,
        left_out=members - len(event),
        exposure=exposure,
        event=event,
        fit=fit,
        wald=wald,
        profile=profile,
        about_median=() if empty else by_median(exposure, event),
        by_quantile=() if empty else by_quantile(exposure, event, quantiles),
        predictions=predictions,
        note=note,
    )


def _predictions(fit: LogisticFit, doses: Doses) -> tuple[DosePrediction, ...]:
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
