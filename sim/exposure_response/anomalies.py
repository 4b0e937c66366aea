"""What is odd about a published table, in words (`reference/methods.md` 1.5)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sim.exposure_response.design import Z_95, Design, sampling_law, slope_that_reaches
from sim.exposure_response.published import ExposureScale, PublishedModel, probability

# A slope that rounding alone leaves uncertain by more than this factor is called flat.
FLAT_FACTOR = 2.0
# A share of the hazard at the lowest dose from which P at zero dose is called high.
BACKGROUND_HIGH = 0.4


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
    """Return the oddities of one endpoint, judged under its first reading.

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
            *_misfit(model),
            *([] if design is None else _support(model, design)),
        ]
        found += [Anomaly(endpoint, code, words) for code, words in pairs]
    return found


def _slope(model: PublishedModel) -> Iterator[tuple[str, str]]:
    slope = model.slope
    box = f"{1e3 * slope.low:.2f} to {1e3 * slope.high:.2f} (x 1000)"
    if slope.value < 0.0:
        yield "negative_slope", f"the slope is negative, {1e3 * slope.value:.2f} (x 1000)"
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
    lowest = min(model.table.doses_mg())
    if lowest == 0.0:
        return
    at_lowest = probability(model.coefficients, lowest * scale.auc_per_day_per_mg)
    zero = model.at_zero
    share = math.log1p(-zero.value) / math.log1p(-at_lowest)
    if share >= BACKGROUND_HIGH:
        yield (
            "high_background",
            f"P at zero dose is high, {100 * zero.value:.1f} % [{100 * zero.low:.1f}, "
            f"{100 * zero.high:.1f}]: {100 * share:.0f} % of the hazard at {lowest:g} mg would be "
            "there without the drug. It is an extrapolation below the printed doses",
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
        f"P at {at:g} mg is an extrapolation of the printed {min(doses):g} to {max(doses):g} mg "
        f"({where})",
    )


def _misfit(model: PublishedModel) -> Iterator[tuple[str, str]]:
    missed = [
        f"{100 * miss:+.1f} points at {dose} mg"
        for dose, miss in model.residual_probability.items()
        if abs(miss) > model.table.half_unit
    ]
    if missed:
        yield (
            "not_logistic",
            f"a logistic line misses printed probabilities by more than the rounding: "
            f"{', '.join(missed)}",
        )


def _support(model: PublishedModel, design: Design) -> Iterator[tuple[str, str]]:
    """Judge a printed p < 0.05 by the z to be expected if the coefficients were the truth."""
    low, high = model.steepest.low, model.steepest.high
    z = sampling_law(design, model.coefficients).z
    if low is None or high is None or model.slope.value <= 0.0:
        return
    lowest, highest = sampling_law(design, low).z, sampling_law(design, high).z
    of = f"{design.patients} patients of the design give an expected z of {z:.2f}"
    box = f"[{lowest:.2f}, {highest:.2f}] over the rounding box"
    needed = slope_that_reaches(design, low, high)
    from_where = ""
    if needed is not None:
        from_where = f"; only slopes from {1e3 * needed:.1f} (x 1000) on reach 1.96"
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
