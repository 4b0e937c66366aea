"""The CSV tables that `titrasim er fit` writes of its fits."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence

from sim.cli.er_fit_text import exp_or_infinite, odds_ratio
from sim.exposure_response.endpoint_fit import Doses, EndpointFit
from sim.exposure_response.individual_data import IndividualData
from sim.exposure_response.logistic import Interval
from sim.exposure_response.observed import INTERVAL


def coefficients_csv(data: IndividualData, fits: Sequence[EndpointFit], doses: Doses | None) -> str:
    """Return one row a coefficient; empty where there is no value."""
    names = "endpoint group patients events term estimate se wald_low wald_high profile_low"
    names += " profile_high covariance likelihood_ratio p_value method separation population"
    rows: list[list[object]] = []
    for one in fits:
        fit = one.fit
        if fit is None or one.wald is None:
            continue
        start = [one.endpoint, one.group, fit.patients, fit.events]
        end = [fit.likelihood_ratio, fit.p_value, fit.method, fit.separation, data.population]
        both = float(fit.covariance[0, 1])
        for number, (term, value, se) in enumerate(
            (("intercept", fit.intercept, fit.se_intercept), ("slope", fit.slope, fit.se_slope))
        ):
            bounds = _four(one.wald[number], one.profile[number])
            rows.append([*start, term, value, se, *bounds, both, *end])
        if fit.flic_intercept is not None:
            v = fit.prediction_covariance
            se = math.sqrt(float(v[0, 0]))
            values = [fit.flic_intercept, se, *[math.nan] * 4, float(v[0, 1])]
            rows.append([*start, "intercept_flic", *values, *end])
        if doses is not None:
            per_mg = doses.auc_per_day_per_mg
            bounds = _four(*(odds_ratio(pair[1], per_mg) for pair in (one.wald, one.profile)))
            ratio = exp_or_infinite(fit.slope * per_mg)
            rows.append([*start, "odds_ratio_per_mg", ratio, math.nan, *bounds, math.nan, *end])
    return _csv(names.split(), rows)


def _four(wald: Interval | None, profile: Interval | None) -> list[float]:
    none = Interval(math.nan, math.nan)
    return [bound for pair in (wald or none, profile or none) for bound in (pair.low, pair.high)]


def observed_csv(_data: IndividualData, fits: Sequence[EndpointFit], _doses: Doses | None) -> str:
    """Return one row an exposure group."""
    names = "endpoint group split label exposure_low exposure_median exposure_high patients events"
    rows = [
        [
            *(one.endpoint, one.group, split, part.label),
            *(part.exposure_low, part.exposure_median, part.exposure_high),
            *(part.patients, part.events, part.share, part.low, part.high, INTERVAL),
        ]
        for one in fits
        for split, parts in (("median", one.about_median), ("quantile", one.by_quantile))
        for part in parts
    ]
    return _csv([*names.split(), "share", "low", "high", "interval"], rows)


def predicted_csv(_data: IndividualData, fits: Sequence[EndpointFit], _doses: Doses | None) -> str:
    """Return one row a dose; none without doses or a finite estimate."""
    names = "endpoint group dose_mg auc_per_day probability low high beyond_data"
    rows = [
        [
            *(one.endpoint, one.group, at.dose_mg, at.exposure),
            *(at.probability, at.low, at.high, str(at.is_beyond).lower()),
        ]
        for one in fits
        for at in one.predictions
    ]
    return _csv(names.split(), rows)


def _csv(header: list[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.12g}"
    return str(value)


TABLES: dict[str, Callable[[IndividualData, Sequence[EndpointFit], Doses | None], str]] = {
    "coefficients.csv": coefficients_csv,
    "observed.csv": observed_csv,
    "predicted.csv": predicted_csv,
}
