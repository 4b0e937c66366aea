"""Individual kinetics from a file, and the law of CL/F between them that a scenario can take."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.errors import DataError, LimitError, Problem, quoted
from sim.pharmacokinetics.disposition import Kinetics
from sim.pharmacokinetics.parameter_columns import Column, Columns, recognise
from sim.pharmacokinetics.parameter_table import ParameterTable, Row, read_parameter_table
from sim.scenario.nearest import nearest
from sim.scenario.posology import Pharmacokinetics

MAX_SAMPLED = 4_096
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MISSING = ("", ".", "NA", "NaN", "nan", "NULL", "null")
LARGEST = 1e9
ODD_RATIO = 1.5


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
        shown = ", ".join(ids[:8]) + (" ..." if len(ids) > 8 else "")
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
    values, problems = _values(table, columns)
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
    table: ParameterTable, columns: Columns
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
            problems += wrong
        elif identifier not in changing and (change := _change(earlier, row, columns)):
            changing.add(identifier)
            column, before, now = change
            message = f"patient {identifier}: {column.name} is {now} here, {before} in line "
            message += f"{earlier.line}; parameters must stay the same within a patient"
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
            low = "0 or more" if base == "lag" else "more than 0"
            rule = "from -20 to 20" if column.is_eta else f"{low}, at most {LARGEST:g}"
            message = f"{column.name} is {text}; it must be {rule}"
            problems.append(_problem(table, row, "D36", message))
        else:
            own[base] = number
    return own, problems


def _is_possible(base: str, number: float) -> bool:
    if base.startswith("eta_"):
        return abs(number) <= 20.0
    return (number > 0.0 or (base == "lag" and number == 0.0)) and number <= LARGEST


def _number(text: str) -> float | None:
    try:
        number = float(text)
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
    if "eta_clf" in own or "eta_cl" in own:
        eta = own.get("eta_clf", own.get("eta_cl", 0.0) - own.get("eta_f", 0.0))
        return Individual(identifier, pk.cl_f_l_per_h * math.exp(eta), None)
    share = own.get("f", own["cl"] / own["clf"] if "cl" in own and "clf" in own else 1.0)
    clearance = own["cl"] if "cl" in own else own["clf"] * share
    if columns.layout is None:
        return Individual(identifier, clearance / share, None)
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
    return Individual(identifier, clearance / share, kinetics)


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
    middle = math.exp(float(np.mean(np.log([one.cl_f_l_per_h for one in individuals]))))
    if not 1.0 / ODD_RATIO < middle / pk.cl_f_l_per_h < ODD_RATIO:
        yield (
            f"the typical CL/F of the file is {middle:.4g} L/h, the scenario's "
            f"{pk.cl_f_l_per_h:.4g}: check that units are L/h and that CL is over F"
        )


def _plain(identifier: str) -> str:
    """Return 1.0000E+00, as NONMEM writes a patient's number, as 1."""
    number = _number(identifier)
    if number is not None and math.isfinite(number) and number == int(number):
        is_written_as_real = any(mark in identifier for mark in ".eE")
        return str(int(number)) if is_written_as_real else identifier.strip()
    return identifier.strip()


def _problem(
    table: ParameterTable, row: Row, code: str, message: str, hint: str | None = None
) -> Problem:
    return Problem(table.name, row.line, None, code, "error", message, hint)
