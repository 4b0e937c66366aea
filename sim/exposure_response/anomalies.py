"""What is odd about a published table, in words (`reference/methods.md` 1.5)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sim.errors import LimitError
from sim.exposure_response.design import Z_95, Design, sampling_law
from sim.exposure_response.published import ExposureScale, PublishedModel, dose_text
from sim.exposure_response.significance import path_between, scan_z, slope_that_reaches

# A slope that rounding alone leaves uncertain by more than this factor is called flat.
FLAT_FACTOR = 2.0
# A share of the hazard at the lowest dose from which P at zero dose is called high.
BACKGROUND_HIGH = 0.4
# A miss by less is the tolerance of a solution, not a misfit.
MISS_AT_LEAST = 1e-8


@dataclass(frozen=True)
class Anomaly:
    """One oddity of an endpoint: a stable code and a sentence."""

    endpoint: str
    code: str
    words: str


def anomalies(
    endpoint: str,
    models: Mapping[str, PublishedModel],
    impossible: Mapping[str, str],
    scale: ExposureScale,
    design: Design | None = None,
    studied_mg: tuple[float, float] | None = None,
) -> list[Anomaly]:
    """Return the oddities of one endpoint: its fit under every reading, all else under the first.

    models holds the solved readings by letter, impossible the readings without a solution and
    why; design is the one behind the table, if known; studied_mg the range of doses it gave.
    """
    found = [
        Anomaly(endpoint, "no_model", f"reading {reading} has no solution: {why}")
        for reading, why in impossible.items()
    ]
    for model in list(models.values())[:1]:
        pairs = [
            *_slope(model),
            *_background(model, scale),
            *_beyond(model, studied_mg),
            *_misfit(models),
            *([] if design is None else _support(model, design)),
        ]
        found += [Anomaly(endpoint, code, words) for code, words in pairs]
    return found


def _slope(model: PublishedModel) -> Iterator[tuple[str, str]]:
    slope = model.slope
    box = f"{_number(1e3 * slope.low, 2)} to {_number(1e3 * slope.high, 2)} (x 1000)"
    if slope.value < 0.0:
        yield "negative_slope", f"the slope is negative, {_number(1e3 * slope.value, 2)} (x 1000)"
    elif slope.value == 0.0:
        yield "zero_slope", "the slope is 0: the printed probabilities do not differ"
    if slope.low <= 0.0 <= slope.high:
        yield "slope_of_no_sign", f"the rounding leaves the sign of the slope open: {box}"
        return
    weakest, strongest = sorted((abs(slope.low), abs(slope.high)))
    if strongest > FLAT_FACTOR * weakest:
        factor = strongest / weakest
        yield (
            "flat_slope",
            f"flat slope: the rounding alone allows {box}, a factor of {factor:.1f}",
        )


def _background(model: PublishedModel, scale: ExposureScale) -> Iterator[tuple[str, str]]:
    lowest, solved = min(model.table.doses_mg()), model.coefficients
    # Where risk does not rise with exposure, all of it is background, and no share tells more.
    if lowest == 0.0 or solved.slope <= 0.0:
        return
    at_lowest = solved.intercept + solved.slope * lowest * scale.auc_per_day_per_mg
    hazard = float(np.logaddexp(0.0, at_lowest))
    zero = model.at_zero
    share = float(np.logaddexp(0.0, solved.intercept)) / hazard if hazard > 0.0 else 0.0
    if share >= BACKGROUND_HIGH:
        yield (
            "high_background",
            f"P at zero dose is high, {100 * zero.value:.1f} % [{_number(100 * zero.low, 1)}, "
            f"{_number(100 * zero.high, 1)}]: {100 * share:.0f} % of the hazard at "
            f"{dose_text(lowest)} mg would be there without the drug. It is an extrapolation "
            "below the printed doses",
        )


def _beyond(
    model: PublishedModel, studied: tuple[float, float] | None
) -> Iterator[tuple[str, str]]:
    doses, at = model.table.doses_mg(), model.beyond_mg
    if min(doses) <= at <= max(doses):
        return
    where = "the doses the study gave are not known"
    if studied is not None:
        inside = studied[0] <= at <= studied[1]
        where = (
            f"{'inside' if inside else 'also outside'} the {studied[0]:g} to {studied[1]:g} mg "
            "that the study gave"
        )
    yield (
        "extrapolation",
        f"P at {dose_text(at)} mg is an extrapolation of the printed {dose_text(min(doses))} to "
        f"{dose_text(max(doses))} mg ({where})",
    )


def _misfit(models: Mapping[str, PublishedModel]) -> Iterator[tuple[str, str]]:
    letters: dict[str, list[str]] = {}
    for letter, model in models.items():
        missed = [
            f"{100 * miss:+.1f} points at {dose} mg"
            for dose, miss in model.residual_probability.items()
            if abs(miss) > model.table.half_unit + MISS_AT_LEAST
        ]
        if missed:
            letters.setdefault(", ".join(missed), []).append(letter)
    if not letters:
        return
    words = "; ".join(
        text if len(models) == 1 else f"{text} ({_readings(which)})"
        for text, which in letters.items()
    )
    yield (
        "not_logistic",
        f"a logistic line misses printed probabilities by more than the rounding: {words}",
    )


def _readings(letters: list[str]) -> str:
    return f"reading{'s' if len(letters) > 1 else ''} {', '.join(letters)}"


def _number(value: float, digits: int) -> str:
    """A number with its decimals, a large one with 4 digits; "open" for a range without an end."""
    if math.isnan(value):
        return "open"
    return f"{value:.{digits}f}" if abs(value) < 1e5 else f"{value:.4g}"


def _support(model: PublishedModel, design: Design) -> Iterator[tuple[str, str]]:
    """Judge a printed p < 0.05 by the z to be expected if the coefficients were the truth."""
    if model.slope.value <= 0.0:
        return
    try:
        z = sampling_law(design, model.coefficients).z
    except LimitError as error:
        yield "no_information", f"a printed p < 0.05 cannot be judged: {error}"
        return
    path = path_between(model.steepest.low, model.coefficients, model.steepest.high)
    scan = scan_z(design, path)
    known = [value for value in scan if value is not None]
    lowest, highest = min(known), max(known)
    of = f"{design.patients} patients of the design give an expected z of {z:.2f}"
    box = f"[{lowest:.2f}, {highest:.2f}] over the rounding box"
    if None in (model.steepest.low, model.steepest.high):
        box += ", of which one end has no model"
    if len(known) < len(scan):
        box += ", as far as the design says anything about such slopes"
    needed = slope_that_reaches(design, path, scan)
    from_where = ""
    if needed is not None:
        from_where = f"; only slopes from {_number(1e3 * needed, 1)} (x 1000) on reach 1.96"
    elif lowest < Z_95 <= highest:
        from_where = "; it does not rise with the slope throughout"
    if z < Z_95:
        yield (
            "weak_design",
            f"the design could hardly support a printed p < 0.05: {of} {box}{from_where}",
        )
    elif lowest < Z_95:
        yield (
            "design_depends_on_rounding",
            f"a printed p < 0.05 depends on the rounding: {of} {box}{from_where}",
        )
