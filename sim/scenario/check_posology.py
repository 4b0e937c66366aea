"""Checks of posology, pharmacokinetics, population and calibration."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from sim.scenario.flaw import Case, Flaw, dose_text, doses_text
from sim.scenario.locate import Path
from sim.scenario.posology import Pharmacokinetics, Posology, Spread
from sim.scenario.wording import number_text

ODD_CV = 2.0
ODD_DOSE = 10_000.0
SAME_CLEARANCE_WITHIN = 0.01
SAME_CLEARANCE_AS_INDIVIDUALS = 0.1


def check_ladder(case: Case) -> Iterator[Flaw]:
    """Doses increase (D01); start and target are among them (D02)."""
    posology = case.scenario.posology
    levels = posology.levels_mg
    for index, (low, high) in enumerate(zip(levels, levels[1:], strict=False), start=1):
        if low >= high:
            at: Path = ("posology", "levels_mg", index)
            follows = f"{dose_text(case, low)} is followed by {dose_text(case, high)}"
            yield Flaw(at, "D01", f"dose levels must increase: {follows}", _comma_hint(case))
    for key, noun in (("start_mg", "start dose"), ("target_mg", "target dose")):
        dose = getattr(posology, key)
        if dose is not None and dose not in levels:
            ladder = doses_text(case)
            message = f"{noun} {dose_text(case, dose)} is not a dose level ({ladder})"
            yield Flaw(("posology", key), "D02", message)
    if levels[-1] > ODD_DOSE:
        message = f"{dose_text(case, levels[-1])} is a very large dose"
        yield Flaw(("posology", "levels_mg", len(levels) - 1), "N07", message, severity="warning")


def check_calendar(case: Case) -> Iterator[Flaw]:
    """Dose days and visit days increase and lie within the cycle; the first dose is on day 1."""
    posology = case.scenario.posology
    yield from _days(posology, "dose_days", posology.dose_days)
    yield from _days(posology, "visit_days", posology.visit_days or ())
    if posology.dose_days[0] > 1:
        first = posology.dose_days[0]
        message = f"the first dose day is {first}; a cycle starts with a dose on day 1"
        yield Flaw(("posology", "dose_days", 0), "N02", message)


def check_horizon(case: Case) -> Iterator[Flaw]:
    """What is to be reported happens within the treatment (D07)."""
    given: Path = ("outcomes", "titration_success_cycles")
    last = case.scenario.posology.max_cycles
    if not case.is_given(given):
        return
    for index, cycle in enumerate(case.scenario.outcomes.titration_success_cycles):
        if cycle > last:
            message = f"titration success is read at cycle {cycle}"
            message += f" but treatment lasts {last} cycles"
            yield Flaw((*given, index), "D07", message)


def check_unit(case: Case) -> Iterator[Flaw]:
    """Doses per square metre need a body surface area (U03)."""
    if case.scenario.posology.unit == "mg/m2" and case.scenario.population.bsa_m2 is None:
        message = "doses are per m2 but the population has no body surface area"
        yield Flaw(("posology", "unit"), "U03", message, "add population.bsa_m2")


def check_population(case: Case) -> Iterator[Flaw]:
    """Ranges of covariates are possible (N02)."""
    population = case.scenario.population
    if population.bsa_m2 is not None:
        yield from _spread(population.bsa_m2, "bsa_m2", least=0.1)
    if population.age_years is not None:
        yield from _spread(population.age_years, "age_years", least=0.0)


def check_pharmacokinetics(case: Case) -> Iterator[Flaw]:
    """Exposure model and its parameters go together (K03); odd values (N07)."""
    pk = case.scenario.pharmacokinetics
    at: Path = ("pharmacokinetics", "exposure")
    if pk.exposure == "accumulation" and pk.three_compartments is None:
        message = 'exposure = "accumulation" needs [pharmacokinetics.three_compartments]'
        yield Flaw(at, "K03", message)
    parts: Path = ("pharmacokinetics", "three_compartments")
    if pk.three_compartments is not None:
        ratio = pk.three_compartments.clearance_l_per_h / pk.three_compartments.bioavailability
        if abs(ratio / pk.cl_f_l_per_h - 1) > SAME_CLEARANCE_WITHIN:
            message = f"clearance / bioavailability is {ratio:.4g} L/h"
            message += f" but CL/F is {pk.cl_f_l_per_h:.4g} L/h"
            yield Flaw(parts, "N07", message, severity="warning")
    yield from _individuals(pk)
    cv = math.sqrt(math.exp(pk.cl_f_sd_log**2) - 1)
    if cv > ODD_CV:
        message = f"CL/F varies between patients with a CV of {100 * cv:.0f} %"
        yield Flaw(("pharmacokinetics", "cl_f_sd_log"), "N07", message, severity="warning")


def _individuals(pk: Pharmacokinetics) -> Iterator[Flaw]:
    """The typical patient is that of the individuals: readings of a table ask for it (N07)."""
    if pk.cl_f_individuals_l_per_h is None:
        return
    logs = [math.log(value) for value in pk.cl_f_individuals_l_per_h]
    typical, sd_log = math.exp(fmean(logs)), stdev(logs)
    for key, given, found in (
        ("cl_f_l_per_h", pk.cl_f_l_per_h, typical),
        ("cl_f_sd_log", pk.cl_f_sd_log, sd_log),
    ):
        if abs(found - given) > SAME_CLEARANCE_AS_INDIVIDUALS * max(given, found):
            message = f"{key} is {given:.4g}; of the {len(logs)} individuals it is {found:.4g}"
            yield Flaw(("pharmacokinetics", key), "N07", message, severity="warning")


def check_calibration(case: Case) -> Iterator[Flaw]:
    """Counts of patients are parts of one another (N02)."""
    calibration = case.scenario.calibration
    if calibration is None:
        return
    stopped, early = calibration.stopped_patients, calibration.early_stopped_patients
    if stopped >= calibration.patients:
        message = f"{stopped} of {calibration.patients} patients stopped; fewer than all must"
        yield Flaw(("calibration", "stopped_patients"), "N02", message)
    if early is not None and early > stopped:
        message = f"{early} patients stopped early, but only {stopped} stopped at all"
        yield Flaw(("calibration", "early_stopped_patients"), "N02", message)
    if calibration.early_cycles >= calibration.cycles:
        message = f"early_cycles is {calibration.early_cycles}; it must be less than cycles"
        yield Flaw(("calibration", "early_cycles"), "N02", f"{message} ({calibration.cycles})")


def _days(posology: Posology, key: str, days: Sequence[int]) -> Iterator[Flaw]:
    for index, day in enumerate(days):
        at: Path = ("posology", key, index)
        if index and day <= days[index - 1]:
            message = f"{key} must increase: day {days[index - 1]} is followed by day {day}"
            yield Flaw(at, "Y04", message)
        if day > posology.cycle_length_days:
            message = f"day {day} is after the end of the {posology.cycle_length_days}-day cycle"
            yield Flaw(at, "N02", message)


def _spread(spread: Spread, key: str, least: float) -> Iterator[Flaw]:
    low, high = number_text(spread.low), number_text(spread.high)
    if spread.low < least:
        message = f"{key} may be as low as {low}; low must be {number_text(least)} or more"
        yield Flaw(("population", key, "low"), "N02", message)
    if spread.low >= spread.high:
        message = f"low is {low} and high is {high}; low must be less than high"
        yield Flaw(("population", key, "low"), "N02", message)
    elif not spread.low <= spread.mean <= spread.high:
        message = f"the mean {number_text(spread.mean)} is outside the range {low} to {high}"
        yield Flaw(("population", key, "mean"), "N07", message, severity="warning")


def _comma_hint(case: Case) -> str | None:
    """3,0 in a list is the two numbers 3 and 0, which looks like a falling ladder."""
    levels = case.merged.table["posology"]["levels_mg"]
    whole = all(isinstance(level, int) for level in levels)
    if whole and len(levels) % 2 == 0 and all(level < 10 for level in levels[1::2]):
        return f"write {levels[0]}.{levels[1]} if one number with a decimal was meant"
    return None
