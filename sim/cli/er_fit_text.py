"""What `titrasim er fit` shows: the text, the JSON and the CSV tables of its fits."""

import csv
import io
import math
import statistics
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sim.exposure_response.endpoint_fit import Doses, EndpointFit
from sim.exposure_response.individual_data import IndividualData
from sim.exposure_response.logistic import Interval, LogisticFit
from sim.exposure_response.observed import INTERVAL

WIDTH = 96
METHODS = {
    "ml": "maximum likelihood",
    "firth": "Firth's penalised likelihood",
}


def report_text(
    data: IndividualData, fits: Sequence[EndpointFit], method: str, doses: Doses | None
) -> str:
    """Return the readable account of all fits, with the limits that hold for them."""
    lines = [*_heading(data, method)]
    for one in fits:
        lines += ["", *_endpoint(one, doses)]
    lines += ["", "Limits, which hold for every number above:"]
    lines += [line for text in limits(data, fits, doses) for line in _wrapped(text)]
    return "\n".join(lines)


def limits(data: IndividualData, fits: Sequence[EndpointFit], doses: Doses | None) -> Iterator[str]:
    """Say what the numbers do not."""
    yield (
        f"The models describe the patients of {data.file}. Where these have relapsed or refractory "
        "disease, as in the paper, and the trial is maintenance, using them there is an assumption."
    )
    yield (
        f"{data.columns.exposure} is taken as given, in ng*h/mL per day. An exposure averaged only "
        "up to the first event is larger in patients with an early event, which makes a slope of "
        "its own; one that does not depend on the event is safer."
    )
    if any(one.predictions for one in fits) and doses is not None:
        yield (
            "Probabilities at a dose are those at the typical patient's AUC/day, not averages over "
            f"patients. AUC/day of 1 mg is {doses.auc_per_day_per_mg:.4g}: {doses.source}."
        )
    if len(fits) > 1:
        yield (
            "Every model is fitted on its own; how the estimates of one group of patients vary "
            "together is not estimated, and no p-value is corrected for their number."
        )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _heading(data: IndividualData, method: str) -> Iterator[str]:
    used, x = len(data.exposure), data.exposure
    yield f"{data.file}: {used} patients of {data.rows} rows  (sha256 {data.sha256[:16]}...)"
    for count, column in (
        (data.without_exposure, data.columns.exposure),
        (data.without_group, data.columns.by),
    ):
        if count:
            yield f"left out: {count} with {column} missing"
    span = f"{x.min():.4g} to {x.max():.4g}, median {statistics.median(x):.4g}"
    yield f"{data.columns.exposure}: {span} ng*h/mL per day"
    yield f"logit P = intercept + slope * {data.columns.exposure}, by {METHODS[method]}"


def _endpoint(one: EndpointFit, doses: Doses | None) -> Iterator[str]:
    events, patients = int(one.event.sum()), len(one.event)
    title = f"{one.title}: {events} of {patients} patients"
    yield title + (f", {one.left_out} left out with it missing" if one.left_out else "")
    if one.note:
        yield from textwrap.wrap(one.note, WIDTH, initial_indent="  ", subsequent_indent="  ")
    if one.fit is not None:
        yield from _coefficients(one, one.fit, doses)
    if one.by_quantile:
        yield _row("  ", "observed", "exposure", "n/N", "share", f"95 % {INTERVAL}")
        for part in (*one.about_median, *one.by_quantile):
            span = f"{part.exposure_low:.4g} - {part.exposure_high:.4g}"
            bounds = f"[{_percent(part.low)}, {_percent(part.high)}]"
            count = f"{part.events}/{part.patients}"
            yield _row("    ", part.label, span, count, _percent(part.share), bounds)
    if one.predictions:
        yield _row("  ", "predicted at a dose", "AUC/day", "", "P", "95 %, delta on the logit")
        for at in one.predictions:
            bounds = f"[{_percent(at.low)}, {_percent(at.high)}]"
            bounds += "  beyond the data" if at.is_beyond else ""
            dose, auc = f"{at.dose_mg:g} mg", f"{at.exposure:.4g}"
            yield _row("    ", dose, auc, "", _percent(at.probability), bounds)


def _row(indent: str, label: str, middle: str, count: str, share: str, bounds: str) -> str:
    return f"{indent + label:<30}{middle:>17}{count:>9}{share:>9}   {bounds}"


def _percent(value: float) -> str:
    return f"{100.0 * value:.1f} %"


def _coefficients(one: EndpointFit, fit: LogisticFit, doses: Doses | None) -> Iterator[str]:
    assert one.wald is not None
    assert one.profile is not None
    yield f"  {'':<20}{'estimate':>12}{'SE':>12}   {'95 % Wald':<24}95 % profile"
    rows = (
        ("intercept", fit.intercept, fit.se_intercept),
        ("slope", fit.slope, fit.se_slope),
    )
    for (label, value, se), wald, profile in zip(rows, one.wald, one.profile, strict=True):
        estimate = _number(value) if fit.is_finite else "none"
        yield (
            f"  {label:<20}{estimate:>12}{_number(se):>12}   {_interval(wald):<24}"
            f"{_interval(profile)}"
        )
    if doses is not None:
        per_mg = doses.auc_per_day_per_mg
        wald, profile = (_odds_ratio(pair[1], per_mg) for pair in (one.wald, one.profile))
        ratio = _number(_exp(fit.slope * per_mg)) if fit.is_finite else "none"
        yield (
            f"  {'odds ratio per mg':<20}{ratio:>12}{'':>12}   {_interval(wald):<24}"
            f"{_interval(profile)}"
        )
    kind = "penalised likelihood ratio" if fit.method == "firth" else "likelihood ratio"
    yield f"  {kind} {fit.likelihood_ratio:.3f} on 1 df, p {_p(fit.p_value)}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _interval(pair: Interval) -> str:
    if math.isnan(pair.low) and math.isnan(pair.high):
        return "-"
    return f"[{_number(pair.low)}, {_number(pair.high)}]"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def _exp(value: float) -> float:
    return math.inf if value >= 700.0 else math.exp(value)


def _odds_ratio(pair: Interval, per_mg: float) -> Interval:
    return Interval(_exp(pair.low * per_mg), _exp(pair.high * per_mg))


def report_json(
    data: IndividualData, fits: Sequence[EndpointFit], method: str, doses: Doses | None
) -> dict[str, Any]:
    """Return everything as plain values; what is infinite or missing is null."""
    content = {
        "file": data.file,
        "sha256": data.sha256,
        "rows": data.rows,
        "patients": len(data.exposure),
        "without_exposure": data.without_exposure,
        "without_group": data.without_group,
        "exposure": data.columns.exposure,
        "exposure_unit": "ng*h/mL per day",
        "method": method,
        "doses": None if doses is None else asdict(doses),
        "endpoints": [_endpoint_json(one, doses) for one in fits],
        "limits": list(limits(data, fits, doses)),
    }
    found = _plain(content)
    assert isinstance(found, dict)
    return found


def _endpoint_json(one: EndpointFit, doses: Doses | None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "endpoint": one.endpoint,
        "group": one.group or None,
        "patients": len(one.event),
        "events": int(one.event.sum()),
        "without_event": one.left_out,
        "note": one.note or None,
        "fit": None,
        "about_median": [{**asdict(part), "share": part.share} for part in one.about_median],
        "by_quantile": [{**asdict(part), "share": part.share} for part in one.by_quantile],
        "predicted": [asdict(part) for part in one.predictions],
    }
    if one.fit is not None and one.wald is not None and one.profile is not None:
        fit = one.fit
        ratio = _exp(fit.slope * doses.auc_per_day_per_mg) if doses is not None else None
        content["fit"] = {
            "intercept": fit.intercept,
            "slope": fit.slope,
            "se_intercept": fit.se_intercept,
            "se_slope": fit.se_slope,
            "covariance": fit.covariance.tolist(),
            "wald": {"intercept": asdict(one.wald[0]), "slope": asdict(one.wald[1])},
            "profile": {"intercept": asdict(one.profile[0]), "slope": asdict(one.profile[1])},
            "odds_ratio_per_mg": ratio,
            "log_likelihood": fit.log_likelihood,
            "null_log_likelihood": fit.null_log_likelihood,
            "likelihood_ratio": fit.likelihood_ratio,
            "p_value": fit.p_value,
            "separation": fit.separation,
        }
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def coefficients_csv(fits: Sequence[EndpointFit], doses: Doses | None) -> str:
    """Return one row a coefficient; empty where there is no value."""
    names = "endpoint group patients events term estimate se wald_low wald_high profile_low"
    header = f"{names} profile_high covariance likelihood_ratio p_value method separation".split()
    rows: list[list[object]] = []
    for one in fits:
        fit = one.fit
        if fit is None or one.wald is None or one.profile is None:
            continue
        start = [one.endpoint, one.group, fit.patients, fit.events]
        end = [fit.likelihood_ratio, fit.p_value, fit.method, fit.separation]
        both = float(fit.covariance[0, 1])
        for number, (term, value, se) in enumerate(
            (("intercept", fit.intercept, fit.se_intercept), ("slope", fit.slope, fit.se_slope))
        ):
            wald, profile = one.wald[number], one.profile[number]
            bounds = [wald.low, wald.high, profile.low, profile.high]
            rows.append([*start, term, value, se, *bounds, both, *end])
        if doses is not None:
            per_mg = doses.auc_per_day_per_mg
            wald, profile = (_odds_ratio(pair[1], per_mg) for pair in (one.wald, one.profile))
            bounds = [wald.low, wald.high, profile.low, profile.high]
            ratio = _exp(fit.slope * per_mg)
            rows.append([*start, "odds_ratio_per_mg", ratio, math.nan, *bounds, math.nan, *end])
    return _csv(header, rows)


def observed_csv(fits: Sequence[EndpointFit], _doses: Doses | None) -> str:
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


def predicted_csv(fits: Sequence[EndpointFit], _doses: Doses | None) -> str:
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


TABLES: dict[str, Callable[[Sequence[EndpointFit], Doses | None], str]] = {
    "coefficients.csv": coefficients_csv,
    "observed.csv": observed_csv,
    "predicted.csv": predicted_csv,
}
