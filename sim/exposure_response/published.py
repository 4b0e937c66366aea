"""What a published table of probabilities by dose says about a logistic model, and how little.

A table is solved under a reading (`table.solve_table`). Every number gets the range that the
rounding of the print allows: each percentage may be half a unit of its last digit away, and
intercept and slope move together (`reference/methods.md` 1.2 and 1.3). Sampling error is a
matter of the design, see `design`, and much larger.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sim.errors import DataError, LimitError, Problem, quoted
from sim.exposure_response.table import Coefficients, averages, solve_table

DOSE_FROM_MG = 1e-6
DOSE_BELOW_MG = 10_000.0
FORM = "write NAME=DOSE:P,DOSE:P,..., for example rash=3:0.08,4:0.10"
READINGS = {"T": "typical", "M": "mean", "A": "population"}


@dataclass(frozen=True)
class ExposureScale:
    """AUC/day of the typical patient per mg [ng*h/mL per day], and the SD of log CL/F."""

    auc_per_day_per_mg: float
    sd_log: float


@dataclass(frozen=True)
class PublishedTable:
    """Probabilities of one endpoint by dose in mg; half a unit of their last printed digit."""

    name: str
    probability_by_dose_mg: Mapping[str, float]
    half_unit: float

    def doses_mg(self) -> list[float]:
        """Return the doses in the order of the table."""
        return [float(dose) for dose in self.probability_by_dose_mg]


@dataclass(frozen=True)
class Boxed:
    """A number at the printed probabilities, and its range over the rounding box.

    The range is NaN where no model holds at an edge of the box.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Corner:
    """The models at two opposite corners of the box, between which a number ranges."""

    low: Coefficients | None
    high: Coefficients | None


@dataclass(frozen=True)
class PublishedModel:
    """One endpoint under one reading.

    odds_ratio_per_mg and beyond hold for the patient of typical CL/F; jensen_gap is the average
    of P over patients minus the printed probability, by dose; residual_logit and
    residual_probability are printed minus fitted, as the reading has it; 0 for two doses.
    """

    table: PublishedTable
    reading: str
    coefficients: Coefficients
    intercept: Boxed
    slope: Boxed
    odds_ratio_per_mg: Boxed
    at_zero: Boxed
    beyond_mg: float
    beyond: Boxed
    beyond_average: float
    jensen_gap: Mapping[str, float]
    residual_logit: Mapping[str, float]
    residual_probability: Mapping[str, float]
    steepest: Corner


def half_unit_of(texts: list[str]) -> float:
    """Return half a unit of the last digit, from probabilities as they were written.

    The entry with most decimals tells how many the table has: 0.10 and 0.1 are one number.
    A text that ends with % counts in percent.
    """
    decimals = 0
    for text in texts:
        number, percent = text.strip("% "), text.rstrip().endswith("%")
        exponent = Decimal(number).as_tuple().exponent
        assert isinstance(exponent, int)
        decimals = max(decimals, (2 if percent else 0) - exponent)
    return 0.5 * 10.0**-decimals


def dose_text(dose_mg: float) -> str:
    """Return a dose as short as it can stand without becoming another: 3, 0.8, 1234.567."""
    return repr(float(dose_mg)).removesuffix(".0")


def published_tables(texts: Sequence[str], half_unit: float | None = None) -> list[PublishedTable]:
    """Read "NAME=DOSE:P,DOSE:P,..." with doses in mg and P such as 0.08 or 8%.

    Raises DataError with every fault of every text.
    """
    tables: list[PublishedTable] = []
    problems: list[Problem] = []
    for text in texts:
        name, _, listed = text.partition("=")
        pairs, faults = _pairs(listed)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
            faults.append(f"{quoted(name)} is not a letter followed by letters, digits, _ or -")
        if name in [table.name for table in tables]:
            faults.append(f"{quoted(name)} is given twice")
        if not faults and len(pairs) < 2:
            faults.append("one dose is not enough; a slope needs at least two")
        if faults:
            problems += [_problem(name, fault) for fault in faults]
            continue
        given = half_unit_of([printed for printed, _ in pairs.values()])
        values = {dose_text(dose): value for dose, (_, value) in pairs.items()}
        tables.append(PublishedTable(name, values, given if half_unit is None else half_unit))
    if problems:
        raise DataError(problems)
    return tables


def _problem(name: str, fault: str) -> Problem:
    return Problem(f"--probability {name[:64]}", None, None, "E21", "error", fault, FORM)


def _pairs(listed: str) -> tuple[dict[float, tuple[str, float]], list[str]]:
    """Return probabilities by dose, as written and as numbers, and what is wrong with them."""
    pairs: dict[float, tuple[str, float]] = {}
    faults = []
    for part in listed.split(","):
        typed, _, printed = (piece.strip() for piece in part.partition(":"))
        try:
            dose = float(typed)
            value = float(printed.removesuffix("%")) * (0.01 if printed.endswith("%") else 1.0)
        except ValueError:
            faults.append(f"{quoted(part.strip())} is not a dose and a probability")
            continue
        if not (dose == 0.0 or DOSE_FROM_MG <= dose < DOSE_BELOW_MG):
            faults.append(
                f"dose {quoted(typed)} is not 0 or from {DOSE_FROM_MG:g} to {DOSE_BELOW_MG:g} mg"
            )
        if not 0.0 < value < 1.0:
            faults.append(f"{quoted(printed)} is not between 0 and 1 (0 % and 100 %)")
        if dose in pairs:
            faults.append(f"{dose_text(dose)} mg is given twice")
        pairs[dose] = (printed, value)
    return pairs, faults


def population_average(coefficients: Coefficients, auc_per_day: float, sd_log: float) -> float:
    """Return E[expit(intercept + slope * AUC/day * exp(sd_log * Z))], Z standard normal."""
    found, _ = averages(coefficients, np.array([auc_per_day]), sd_log)
    return float(found[0])


def probability(coefficients: Coefficients, auc_per_day: float) -> float:
    """Return expit(intercept + slope * AUC/day)."""
    return float(expit(coefficients.intercept + coefficients.slope * auc_per_day))


def check_box(table: PublishedTable, beyond_mg: float) -> None:
    """Raise LimitError where the rounding reaches 0 or 1, or the dose beyond is none."""
    if not (beyond_mg == 0.0 or DOSE_FROM_MG <= beyond_mg < DOSE_BELOW_MG):
        raise LimitError(
            f"a dose of {beyond_mg:g} mg; 0 or {DOSE_FROM_MG:g} to {DOSE_BELOW_MG:g} mg is allowed"
        )
    if not table.half_unit >= 0.0:
        raise LimitError(f"half a unit is {table.half_unit:g}; it cannot be below 0")
    for dose, printed in table.probability_by_dose_mg.items():
        if not 0.0 < printed - table.half_unit <= printed + table.half_unit < 1.0:
            raise LimitError(
                f"{table.name}: {printed:g} at {dose} mg with a rounding of ±{table.half_unit:g} "
                "reaches 0 or 1, where no logit exists; give more digits, or --half-unit"
            )


def solve_published(
    table: PublishedTable, scale: ExposureScale, reading: str, beyond_mg: float
) -> PublishedModel:
    """Solve a table under a reading, with the range of every number over the rounding box.

    Raises LimitError where no coefficients hold or are found under reading A.
    The table has passed check_box.
    """
    solved = _solved(table, scale, reading, np.zeros(len(table.probability_by_dose_mg)))
    assert solved is not None
    per_mg = scale.auc_per_day_per_mg
    at = beyond_mg * per_mg
    pull = _pulls(table, scale, reading, solved)
    steepest = _corner(table, scale, reading, pull[1])
    zero = _corner(table, scale, reading, pull[0])
    far = _corner(table, scale, reading, pull[0] + at * pull[1])
    gap, logits, misses = {}, {}, {}
    for dose, printed in table.probability_by_dose_mg.items():
        auc = float(dose) * per_mg
        gap[dose] = population_average(solved, auc, scale.sd_log) - printed
        fitted = _as_printed(solved, auc, scale.sd_log, reading)
        logits[dose] = _logit(printed) - _logit(fitted)
        misses[dose] = printed - fitted
    return PublishedModel(
        table=table,
        reading=reading,
        coefficients=solved,
        intercept=_boxed(solved, zero, lambda one: one.intercept),
        slope=_boxed(solved, steepest, lambda one: one.slope),
        odds_ratio_per_mg=_boxed(solved, steepest, lambda one: _odds_ratio(one.slope * per_mg)),
        at_zero=_boxed(solved, zero, lambda one: probability(one, 0.0)),
        beyond_mg=beyond_mg,
        beyond=_boxed(solved, far, lambda one: probability(one, at)),
        beyond_average=population_average(solved, at, scale.sd_log),
        jensen_gap=gap,
        residual_logit=logits,
        residual_probability=misses,
        steepest=steepest,
    )


def _odds_ratio(log_odds: float) -> float:
    """Return e^x, infinite where doses printed close together make it too large to hold."""
    return math.exp(log_odds) if log_odds < 700.0 else math.inf


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def _as_printed(model: Coefficients, auc: float, sd_log: float, reading: str) -> float:
    """Return the probability that the reading says is printed at this typical AUC/day."""
    if reading == "population":
        return population_average(model, auc, sd_log)
    return probability(model, auc * (math.exp(sd_log**2 / 2.0) if reading == "mean" else 1.0))


def _solved(
    table: PublishedTable, scale: ExposureScale, reading: str, shift: NDArray[np.float64]
) -> Coefficients | None:
    """Solve with every probability shifted by so many half units; None if no model holds there."""
    shifted = {
        dose: printed + float(move) * table.half_unit
        for (dose, printed), move in zip(table.probability_by_dose_mg.items(), shift, strict=True)
    }
    try:
        return solve_table(shifted, scale.auc_per_day_per_mg, scale.sd_log, reading)
    except LimitError:
        if shift.any():
            return None
        raise


def _pulls(
    table: PublishedTable, scale: ExposureScale, reading: str, solved: Coefficients
) -> NDArray[np.float64]:
    """Return d intercept and d slope / d logit of each printed probability, shape (2, doses).

    Least squares move as the pseudo-inverse of the derivatives of the fitted logits. These are
    exact for a line (readings T and M) and for two doses; for more doses under reading A they
    leave out the curvature of the averages, which the residuals multiply.
    """
    auc = np.array(table.doses_mg()) * scale.auc_per_day_per_mg
    typical = np.stack([np.ones(len(auc)), auc], axis=1)
    by = typical
    if reading == "mean":
        by = typical * np.array([1.0, math.exp(scale.sd_log**2 / 2.0)])
    elif reading == "population":
        p, by_coefficients = averages(solved, auc, scale.sd_log)
        by = by_coefficients / (p * (1.0 - p))[:, None]
    # The columns differ by the size of the exposure; scaled alike, none is lost as rounding.
    size = np.array([1.0, auc.max()])
    return np.asarray(np.linalg.pinv(by / size) / size[:, None])


def _corner(
    table: PublishedTable, scale: ExposureScale, reading: str, pull: NDArray[np.float64]
) -> Corner:
    """Solve the two corners where a number that is pulled this way is lowest and highest."""
    # A pull of rounding size is none; np.sign would take it for one.
    direction = np.where(np.abs(pull) > 1e-12 * np.abs(pull).max(), np.sign(pull), 0.0)
    return Corner(
        _solved(table, scale, reading, -direction), _solved(table, scale, reading, direction)
    )


def _boxed(
    solved: Coefficients, corner: Corner, number_of: Callable[[Coefficients], float]
) -> Boxed:
    low, high = (
        math.nan if model is None else number_of(model) for model in (corner.low, corner.high)
    )
    return Boxed(number_of(solved), low, high)
