"""Individual kinetics from a file, and the law of CL/F between them that a scenario can take."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.errors import DataError, LimitError, Problem, quoted
from sim.pharmacokinetics.disposition import Kinetics
from sim.pharmacokinetics.parameter_columns import Column, Columns, recognise
from sim.pharmacokinetics.parameter_table import (
    ParameterTable,
    Row,
    printable,
    read_parameter_table,
)
from sim.scenario.nearest import nearest
from sim.scenario.posology import Pharmacokinetics

MAX_SAMPLED = 4_096
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MISSING = ("", ".", "NA", "NaN", "nan", "NULL", "null")
# What a number may be, by what it holds; everything else from SMALLEST to LARGEST.
SMALLEST, LARGEST = 1e-9, 1e9
LARGEST_BIOAVAILABILITY = 10.0
LARGEST_LAG_H = 24.0
LARGEST_ETA = 20.0
ODD_RATIO = 1.5
_OF_CL_F = ("cl", "clf", "f", "eta_cl", "eta_clf", "eta_f")
# Relative difference that CL over F and CL/F of one patient may have by rounding.
CONTRADICTION = 0.01
# How NONMEM writes the patient 1: 1.0000E+00.
_NONMEM_REAL = re.compile(r"-?\d\.\d+E[+-]\d+")
_FORTRAN_DOUBLE = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))[dD]([-+]?\d+)")


@dataclass(frozen=True)
class Individual:
    """One individual of a file; kinetics is None where the file has CL/F only."""

    id: str
    cl_f_l_per_h: float
    kinetics: Kinetics | None


@dataclass(frozen=True)
class Individuals:
    """The individuals of a file in its order, and how its columns were understood."""

    name: str
    individuals: tuple[Individual, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def cl_f_l_per_h(self) -> NDArray[np.float64]:
        """CL/F [L/h] of each, shape (n,)."""
        return np.array([one.cl_f_l_per_h for one in self.individuals])

    def of(self, identifier: str) -> Individual:
        """Return one individual; raises LimitError with the nearest id if there is none."""
        wanted = _plain(identifier)
        ids = [one.id for one in self.individuals]
        if wanted in ids:
            return self.individuals[ids.index(wanted)]
        close = nearest(wanted, ids)
        shown = ", ".join(printable(one) for one in ids[:8]) + (" ..." if len(ids) > 8 else "")
        hint = f"did you mean {quoted(close)}?" if close else f"the file has {shown}"
        raise LimitError(f"{self.name} has no individual {quoted(identifier)}; {hint}")


@dataclass(frozen=True)
class ClearanceLaw:
    """CL/F [L/h] between individuals: n, geometric mean, SD of its logarithm, quantiles.

    sd_log (n - 1 in the denominator) and its standard error under normality,
    sd_log / sqrt(2 (n - 1)), are NaN for a single individual.
    """

    n: int
    typical_l_per_h: float
    typical_se_log: float
    sd_log: float
    sd_log_se: float
    quantiles_l_per_h: dict[str, float]


def read_individuals(path: Path, pk: Pharmacokinetics) -> Individuals:
    """Read a file of individual parameters; etas deviate from the scenario's typical CL/F.

    Raises FileError when it cannot be read, DataError with every problem when it is not as
    it should be: no table (D30, D31), columns (D32-D34), values (D35, D36), a patient whose
    parameters change (D37).
    """
    table = read_parameter_table(path)
    columns = recognise(table)
    values, problems = _values(table, columns, pk)
    if problems:
        raise DataError(problems)
    individuals = [_individual(one, of, columns, pk) for one, of in values.items()]
    notes = [*columns.notes, *_notes(individuals, columns, pk)]
    return Individuals(table.name, tuple(individuals), tuple(notes))


def clearance_law(individuals: Individuals) -> ClearanceLaw:
    """Return the log-normal law of CL/F that the individuals follow."""
    logs = np.log(individuals.cl_f_l_per_h)
    n = len(logs)
    sd = float(np.std(logs, ddof=1)) if n > 1 else math.nan
    marks = np.quantile(individuals.cl_f_l_per_h, QUANTILES)
    return ClearanceLaw(
        n=n,
        typical_l_per_h=math.exp(float(np.mean(logs))),
        typical_se_log=sd / math.sqrt(n),
        sd_log=sd,
        sd_log_se=sd / math.sqrt(2 * (n - 1)) if n > 1 else math.nan,
        quantiles_l_per_h={
            f"{100 * share:g} %": float(mark) for share, mark in zip(QUANTILES, marks, strict=True)
        },
    )


def scenario_lines(
    law: ClearanceLaw, name: str, values_l_per_h: NDArray[np.float64] | None = None
) -> str:
    """Return the lines of TOML that give a scenario this law of CL/F, and these values if any.

    Raises LimitError when there are fewer or more values than a scenario takes.
    """
    spread = "0.0" if math.isnan(law.sd_log) else f"{law.sd_log:.4g}"
    title = "".join(
        character for character in name if character.isprintable() and character not in '"\\'
    )
    return (
        "[pharmacokinetics]\n"
        f"cl_f_l_per_h = {law.typical_l_per_h:.6g}\n"
        f"cl_f_sd_log = {spread}\n"
        f"{_sample_line(values_l_per_h)}"
        f'source = "geometric mean and SD of log of {law.n} individual CL/F, file {title}"\n'
    )


def _sample_line(values_l_per_h: NDArray[np.float64] | None) -> str:
    if values_l_per_h is None:
        return ""
    if not 2 <= len(values_l_per_h) <= MAX_SAMPLED:
        raise LimitError(
            f"{len(values_l_per_h)} individuals; a scenario takes 2 to {MAX_SAMPLED} to sample from"
        )
    listed = ", ".join(f"{value:.6g}" for value in sorted(values_l_per_h))
    return f"cl_f_individuals_l_per_h = [{listed}]\n"


def _values(
    table: ParameterTable, columns: Columns, pk: Pharmacokinetics
) -> tuple[dict[str, dict[str, float]], list[Problem]]:
    """Return the used values of each patient, from the first row of each, and all problems."""
    values: dict[str, dict[str, float]] = {}
    first: dict[str, Row] = {}
    problems: list[Problem] = []
    changing: set[str] = set()
    for row in table.rows:
        identifier = _plain(row.fields[columns.id.place])
        if identifier in MISSING:
            problems.append(_problem(table, row, "D35", "this row names no patient"))
            continue
        earlier = first.get(identifier)
        if earlier is None:
            first[identifier] = row
            own, wrong = _numbers(table, row, columns)
            values[identifier] = own
            problems += wrong or _impossible_clearance(table, row, own, columns, pk)
        elif identifier not in changing and (change := _change(earlier, row, columns)):
            changing.add(identifier)
            column, before, now = change
            message = f"patient {printable(identifier)}: {column.name} is {now} here, {before} in"
            message += f" line {earlier.line}; parameters must stay the same within a patient"
            hint = "keep one row for each patient (one replicate, one occasion)"
            problems.append(_problem(table, row, "D37", message, hint))
    return values, problems


def _numbers(
    table: ParameterTable, row: Row, columns: Columns
) -> tuple[dict[str, float], list[Problem]]:
    """Return the values of a row; problems where one is missing, no number, or out of range."""
    own: dict[str, float] = {}
    problems = []
    for base, column in columns.used.items():
        text = row.fields[column.place]
        number = _number(text)
        if text in MISSING:
            problems.append(_problem(table, row, "D35", f"{column.name} is missing"))
        elif number is None:
            message = f"{column.name} is {quoted(text)}; it must be a number"
            hint = "write a decimal point" if "," in text else None
            problems.append(_problem(table, row, "D35", message, hint))
        elif not _is_possible(base, number):
            message = f"{column.name} is {printable(text)}; it must be {_rule(base, number)}"
            problems.append(_problem(table, row, "D36", message))
        else:
            own[base] = number
    return own, problems


def _limits(base: str) -> tuple[float, float]:
    """Return the smallest and the largest number that a column of this kind may hold."""
    if base.startswith("eta_"):
        return -LARGEST_ETA, LARGEST_ETA
    if base == "lag":
        return 0.0, LARGEST_LAG_H
    return SMALLEST, LARGEST_BIOAVAILABILITY if base == "f" else LARGEST


def _is_possible(base: str, number: float) -> bool:
    low, high = _limits(base)
    return low <= number <= high


def _rule(base: str, number: float) -> str:
    low, high = _limits(base)
    if low == SMALLEST and number <= 0.0:
        return "more than 0"
    return f"from {low:g} to {high:g}" + (", as a fraction" if base == "f" else "")


def _impossible_clearance(
    table: ParameterTable, row: Row, own: dict[str, float], columns: Columns, pk: Pharmacokinetics
) -> Iterator[Problem]:
    """Yield what is wrong with numbers that are possible one by one (D36)."""
    clearance, share, cl_f = _clearance(own, pk)
    names = ", ".join(column.name for base, column in columns.used.items() if base in _OF_CL_F)
    if not _is_possible("clf", cl_f):
        message = f"CL/F from {names} is {cl_f:g} L/h; it must be {_rule('clf', cl_f)}"
        yield _problem(table, row, "D36", message)
    elif not _is_possible("f", share):
        message = f"F from {names} is {share:g}; it must be {_rule('f', share)}"
        yield _problem(table, row, "D36", message)
    elif "clf" in own and abs(own["clf"] - cl_f) > CONTRADICTION * cl_f:
        message = f"{columns.used['clf'].name} is {own['clf']:g}, but {columns.used['cl'].name} "
        message += f"over {columns.used['f'].name} is {clearance / share:.6g}; they must agree"
        hint = "remove the column that is not the individual's"
        yield _problem(table, row, "D36", message, hint)


def _number(text: str) -> float | None:
    """Return a number, Fortran's 1.86D+00 too, or None."""
    try:
        number = float(_FORTRAN_DOUBLE.sub(r"\1E\2", text) if "d" in text.lower() else text)
    except ValueError:
        return None
    return number if "_" not in text else None


def _change(earlier: Row, row: Row, columns: Columns) -> tuple[Column, str, str] | None:
    """Return the first used column that two rows differ in, with both texts."""
    for column in columns.used.values():
        before, now = earlier.fields[column.place], row.fields[column.place]
        if before != now and _number(before) != _number(now):
            return column, quoted(before), quoted(now)
    return None


def _individual(
    identifier: str, own: dict[str, float], columns: Columns, pk: Pharmacokinetics
) -> Individual:
    """Return an individual; without a bioavailability everything counts as apparent."""
    clearance, share, cl_f = _clearance(own, pk)
    if columns.layout is None:
        return Individual(identifier, cl_f, None)
    volume, exchange_2, peripheral_2, exchange_3, peripheral_3 = (
        own[base] * (share if columns.used[base].is_apparent else 1.0) for base in columns.layout
    )
    kinetics = Kinetics(
        own["ka"],
        clearance,
        share,
        volume,
        exchange_2,
        peripheral_2,
        exchange_3,
        peripheral_3,
        own.get("lag", 0.0),
    )
    return Individual(identifier, cl_f, kinetics)


def _clearance(own: dict[str, float], pk: Pharmacokinetics) -> tuple[float, float, float]:
    """Return clearance [L/h], bioavailability and CL/F [L/h]; CL over F before CL/F."""
    if "eta_clf" in own or "eta_cl" in own:
        eta = own.get("eta_clf", own.get("eta_cl", 0.0) - own.get("eta_f", 0.0))
        cl_f = pk.cl_f_l_per_h * math.exp(eta)
        return cl_f, 1.0, cl_f
    share = own.get("f", own["cl"] / own["clf"] if "cl" in own and "clf" in own else 1.0)
    clearance = own["cl"] if "cl" in own else own["clf"] * share
    return clearance, share, clearance / share


def _notes(individuals: list[Individual], columns: Columns, pk: Pharmacokinetics) -> Iterator[str]:
    """Yield what a reader must know before the numbers are used."""
    if "cl" in columns.used and not {"f", "clf"} & set(columns.used):
        name = columns.used["cl"].name
        yield f"no bioavailability (F, F1, BIO): {name} is taken as apparent, CL/F"
    if any(column.is_eta for column in columns.used.values()):
        yield f"etas deviate from the scenario's typical CL/F of {pk.cl_f_l_per_h:.4g} L/h"
    if "f" in columns.used:
        above = sum(
            one.kinetics is not None and one.kinetics.bioavailability > 1.0 for one in individuals
        )
        if above:
            yield f"{above} of {len(individuals)} have a bioavailability above 1"
    values = {one.cl_f_l_per_h for one in individuals}
    if len(individuals) > 1 and len(values) == 1:
        yield (
            f"all {len(individuals)} individuals have the same CL/F of {values.pop():.4g} L/h: "
            "check that the column holds each individual's value and not the population's"
        )
    middle = math.exp(float(np.mean(np.log([one.cl_f_l_per_h for one in individuals]))))
    if not 1.0 / ODD_RATIO < middle / pk.cl_f_l_per_h < ODD_RATIO:
        yield (
            f"the typical CL/F of the file is {middle:.4g} L/h, the scenario's "
            f"{pk.cl_f_l_per_h:.4g}: check that units are L/h and that CL is over F"
        )


def _plain(identifier: str) -> str:
    """Return 1.0000E+00, as NONMEM writes a patient's number, as 1; 1E05 stays what it is."""
    text = identifier.strip()
    if _NONMEM_REAL.fullmatch(text) and float(text) == int(float(text)):
        return str(int(float(text)))
    return text


def _problem(
    table: ParameterTable, row: Row, code: str, message: str, hint: str | None = None
) -> Problem:
    return Problem(table.name, row.line, None, code, "error", message, hint)
