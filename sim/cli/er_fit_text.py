"""What `titrasim er fit` shows: the text and the JSON of its fits."""

import math
import statistics
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sim.exposure_response.endpoint_fit import Doses, EndpointFit, exposure_warnings
from sim.exposure_response.individual_data import NOT_STATED, IndividualData
from sim.exposure_response.logistic import Interval, LogisticFit
from sim.exposure_response.observed import INTERVAL

WIDTH = 96
FLIC_SOURCE = "doi:10.1002/sim.7273"
METHODS = {
    "ml": "maximum likelihood",
    "firth": "Firth's penalised likelihood",
}


def report_text(
    data: IndividualData, fits: Sequence[EndpointFit], method: str, doses: Doses | None
) -> str:
    """Return the readable account of all fits, with the limits that hold for them."""
    lines = [*_heading(data, method)]
    for warning in exposure_warnings(data):
        lines += _warned(warning, "")
    for one in fits:
        lines += ["", *_endpoint(one, doses)]
    lines += ["", "Limits, which hold for every number above:"]
    lines += [line for text in limits(data, fits, doses) for line in _wrapped(text)]
    return "\n".join(lines)


def limits(data: IndividualData, fits: Sequence[EndpointFit], doses: Doses | None) -> Iterator[str]:
    """Say what the numbers do not."""
    whose = "" if data.population == NOT_STATED else f" ({data.population})"
    yield (
        f"The models describe the patients of {data.file}{whose}. Where these have relapsed or "
        "refractory disease, as in the paper, and the trial is maintenance, using them there is an "
        "assumption."
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
    if any(one.estimate is not None and one.estimate.method == "firth" for one in fits):
        yield (
            "Firth's probabilities lean towards one half. Predictions, curves and the model file "
            "keep his slope and take the intercept at which as many events are predicted as were "
            f"observed (FLIC, {FLIC_SOURCE}); their covariance is the inverse information there."
        )
    if len(fits) > 1:
        yield (
            "Every model is fitted on its own; how the estimates of one group of patients vary "
            "together is not estimated, and no p-value is corrected for their number."
        )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _warned(text: str, indent: str) -> list[str]:
    start = f"{indent}warning: "
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=f"{indent}  ")


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
    yield f"population: {data.population}"
    yield f"logit P = intercept + slope * {data.columns.exposure}, by {METHODS[method]}"


def _endpoint(one: EndpointFit, doses: Doses | None) -> Iterator[str]:
    events, patients = int(one.event.sum()), len(one.event)
    title = f"{one.title}: {events} of {patients} patients"
    yield title + (f", {one.left_out} left out with it missing" if one.left_out else "")
    if one.note:
        yield from textwrap.wrap(one.note, WIDTH, initial_indent="  ", subsequent_indent="  ")
    for warning in one.warnings:
        yield from _warned(warning, "  ")
    if one.fit is not None and one.wald is not None:
        yield from _coefficients(one, one.fit, one.wald, doses)
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
    return f"{indent + label:<30}{middle:>17} {count:>8} {share:>8}   {bounds}"


def _percent(value: float) -> str:
    return f"{100.0 * value:.1f} %"


def _coefficients(
    one: EndpointFit, fit: LogisticFit, wald: tuple[Interval, Interval], doses: Doses | None
) -> Iterator[str]:
    yield f"  {'':<20}{'estimate':>12}{'SE':>12}   {'95 % Wald':<24}95 % profile"
    rows = (
        ("intercept", fit.intercept, fit.se_intercept),
        ("slope", fit.slope, fit.se_slope),
    )
    for (label, value, se), by_wald, by_profile in zip(rows, wald, one.profile, strict=True):
        estimate = _number(value) if fit.is_finite else "none"
        yield _line(label, estimate, _number(se), by_wald, by_profile)
    if doses is not None:
        per_mg = doses.auc_per_day_per_mg
        ratio = _number(exp_or_infinite(fit.slope * per_mg)) if fit.is_finite else "none"
        of_wald, of_profile = odds_ratio(wald[1], per_mg), odds_ratio(one.profile[1], per_mg)
        yield _line("odds ratio per mg", ratio, "", of_wald, of_profile)
    if fit.flic_intercept is not None:
        of_flic = _number(math.sqrt(float(fit.prediction_covariance[0, 0])))
        yield (
            f"  {'FLIC intercept':<20}{_number(fit.flic_intercept):>12}{of_flic:>12}   "
            f"for predictions and the model file"
        )
    if one.profile_fault:
        yield from textwrap.wrap(
            f"profile not found: {one.profile_fault}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    kind = "penalised likelihood ratio" if fit.method == "firth" else "likelihood ratio"
    yield f"  {kind} {fit.likelihood_ratio:.3f} on 1 df, p {_p(fit.p_value)}"


def _line(
    label: str, estimate: str, se: str, wald: Interval | None, profile: Interval | None
) -> str:
    return f"  {label:<20}{estimate:>12}{se:>12}   {_interval(wald):<24}{_interval(profile)}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _interval(pair: Interval | None) -> str:
    if pair is None:
        return "not found"
    if math.isnan(pair.low) and math.isnan(pair.high):
        return "-"
    return f"[{_number(pair.low)}, {_number(pair.high)}]"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def exp_or_infinite(value: float) -> float:
    """Return e to a power; a finite one too large for a number gives the largest of its order."""
    return math.inf if value == math.inf else math.exp(min(value, 700.0))


def odds_ratio(pair: Interval | None, per_mg: float) -> Interval | None:
    if pair is None:
        return None
    return Interval(exp_or_infinite(pair.low * per_mg), exp_or_infinite(pair.high * per_mg))


def report_json(
    data: IndividualData, fits: Sequence[EndpointFit], method: str, doses: Doses | None
) -> dict[str, Any]:
    """Return everything as plain values.

    What is missing is null; an infinite bound is null beside "unbounded": true.
    """
    content = {
        "file": data.file,
        "sha256": data.sha256,
        "rows": data.rows,
        "patients": len(data.exposure),
        "without_exposure": data.without_exposure,
        "without_group": data.without_group,
        "population": data.population,
        "warnings": list(exposure_warnings(data)),
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
        "warnings": list(one.warnings),
        "fit": None,
        "about_median": [{**asdict(part), "share": part.share} for part in one.about_median],
        "by_quantile": [{**asdict(part), "share": part.share} for part in one.by_quantile],
        "predicted": [asdict(part) for part in one.predictions],
    }
    if one.fit is not None and one.wald is not None:
        fit = one.fit
        wald, profile = map(_both, (one.wald, one.profile))
        ratio = exp_or_infinite(fit.slope * doses.auc_per_day_per_mg) if doses is not None else None
        content["fit"] = {
            "intercept": fit.intercept,
            "slope": fit.slope,
            "se_intercept": fit.se_intercept,
            "se_slope": fit.se_slope,
            "covariance": fit.covariance.tolist(),
            "has_estimate": fit.is_finite,
            "wald": wald,
            "profile": profile,
            "profile_not_found": one.profile_fault or None,
            "odds_ratio_per_mg": ratio,
            "log_likelihood": fit.log_likelihood,
            "null_log_likelihood": fit.null_log_likelihood,
            "likelihood_ratio": fit.likelihood_ratio,
            "p_value": fit.p_value,
            "separation": fit.separation,
            "other_tops": [asdict(top) for top in fit.other_tops],
            "flic": _flic_json(fit),
        }
    return content


def _both(pair: Sequence[Interval | None]) -> dict[str, Any]:
    return dict(zip(("intercept", "slope"), map(_bounds, pair), strict=True))


def _bounds(interval: Interval | None) -> dict[str, Any] | None:
    """Return the bounds, null where infinite or missing, and whether one is infinite."""
    if interval is None:
        return None
    return {**asdict(interval), "unbounded": math.isinf(interval.low) or math.isinf(interval.high)}


def _flic_json(fit: LogisticFit) -> dict[str, Any] | None:
    if fit.flic_intercept is None:
        return None
    return {
        "intercept": fit.flic_intercept,
        "slope": fit.slope,
        "covariance": fit.prediction_covariance.tolist(),
        "source": FLIC_SOURCE,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
