"""A whole scenario in plain sentences, for a reader who will not open the file.

Every number comes with its source as the file gives it; what has none says so.
"""

import math
import textwrap
from typing import Any

from sim.explain_risk import (
    adverse_event_lines,
    benefit_lines,
    exit_lines,
    law_words,
    time_lines,
)
from sim.readings import open_readings
from sim.scenario.noun import ASSUMED, SourcedNoun
from sim.scenario.scenario import Scenario
from sim.sentences import count_of, listing, number, percent, ranges, rule_lines

WIDTH = 92


def explain(scenario: Scenario) -> str:
    """The scenario as text: posology, exposure, risks, exits, rules, readings, notes."""
    parts = [_paragraph(f"{scenario.title} ({scenario.name}; drug {scenario.drug})")]
    sections = (
        ("Posology and calendar", _posology(scenario)),
        ("Exposure and patients", _exposure(scenario)),
        ("Adverse events", _adverse_events(scenario)),
        ("How risk spreads over time", _time(scenario)),
        ("Benefit", _benefit(scenario)),
        ("Leaving treatment for other reasons", _exits(scenario)),
        ("Rules", _rules(scenario)),
        ("Limits and order of the rules", _policy(scenario)),
        ("Calibration", _calibration(scenario)),
        ("What counts", _outcomes(scenario)),
        ("What is not known for certain", _uncertainty(scenario)),
        ("Open readings, as this scenario reads them", _readings(scenario)),
        ("Notes", list(scenario.notes)),
    )
    for title, lines in sections:
        if lines:
            parts.append(
                f"{title}\n{'-' * len(title)}\n" + "\n".join(map(_paragraph, lines)).rstrip()
            )
    return "\n\n".join(parts) + "\n"


def _paragraph(line: str) -> str:
    """One line of text, wrapped; further lines stand under the first word."""
    bare = line.lstrip(" ")
    indent = " " * (len(line) - len(bare))
    hanging = indent + ("  " if indent else "")
    return textwrap.fill(
        bare,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def source_line(table: SourcedNoun, indent: str = "") -> str:
    """Where the numbers of a table come from; keys that share a source stand together."""
    source = table.source
    if isinstance(source, str):
        return f"{indent}Source: {source}."
    keys: dict[str, list[str]] = {}
    for key, text in (source or {}).items():
        keys.setdefault(text, []).append(key)
    parts = [f"{listing(names)}: {text}" for text, names in keys.items()]
    silent = sorted(_numbers_of(table) - set(source or {}))
    given = [key for key in silent if key in table.model_fields_set]
    default = [key for key in silent if key not in table.model_fields_set]
    if given:
        parts.append(f"{listing(given)}: no source given")
    if default:
        parts.append(f"{listing(default)}: {ASSUMED}, the program's default")
    return f"{indent}Sources: {'; '.join(parts)}."


def _numbers_of(table: SourcedNoun) -> set[str]:
    """Keys of a table whose values are numbers, or hold them."""
    return {
        key
        for key in type(table).model_fields
        if key != "source" and _holds_number(getattr(table, key))
    }


def _holds_number(value: Any) -> bool:
    if isinstance(value, SourcedNoun):
        return False
    if isinstance(value, tuple):
        return any(map(_holds_number, value))
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _posology(scenario: Scenario) -> list[str]:
    posology = scenario.posology
    unit, levels = posology.unit, listing(number(level) for level in posology.levels_mg)
    return [
        f"{count_of(len(posology.levels_mg), 'dose level')}: {levels} {unit}. Treatment starts at "
        f"{number(posology.start_mg)} {unit}"
        + (
            f"; the target is {number(posology.target_mg)} {unit}."
            if posology.target_mg is not None
            else "."
        ),
        f"A cycle has {count_of(posology.cycle_length_days, 'day')}, with a dose on "
        f"day{'' if len(posology.dose_days) == 1 else 's'} {ranges(posology.dose_days)}. The next "
        f"cycle is due {posology.cycle_length_days} days after the actual day 1 of this one, so "
        f"that a delay moves all that follows.",
        _visits(scenario),
        f"Treatment lasts at most {count_of(posology.max_cycles, 'cycle')}"
        + (f", and no cycle starts after day {posology.max_days}." if posology.max_days else "."),
        f"Relative dose intensity is measured against {number(posology.reference_dose_mg)} {unit}.",
        source_line(posology),
    ]


def _visits(scenario: Scenario) -> str:
    posology = scenario.posology
    if posology.visit_days is None:
        return "Rules are asked on dose days, when a cycle is due, and at rechecks while it waits."
    return (
        f"Rules are asked on cycle days {ranges(posology.visit_days)}, when a cycle is due, and at "
        "rechecks while it waits."
    )


def _exposure(scenario: Scenario) -> list[str]:
    pk, posology = scenario.pharmacokinetics, scenario.posology
    per_mg = 1000.0 * len(posology.dose_days) / posology.cycle_length_days / pk.cl_f_l_per_h
    bsa = scenario.population.bsa_m2
    area = bsa.mean if posology.unit == "mg/m2" and bsa is not None else 1.0
    auc = [
        f"{per_mg * area * level:.1f} at {number(level)} {posology.unit}"
        for level in posology.levels_mg
    ]
    low, high = (math.exp(sign * 1.96 * pk.cl_f_sd_log) for sign in (-1.0, 1.0))
    lines = [
        f"Apparent clearance CL/F is log-normal: {number(pk.cl_f_l_per_h)} L/h for the typical "
        f"patient, standard deviation of its logarithm {number(pk.cl_f_sd_log)}, so that 95 of 100 "
        f"patients lie between {low:.2f} and {high:.2f} times that.",
        f"Risk answers to the AUC per day [ng*h/mL per day], for the typical patient {listing(auc)}"
        + _exposure_kind(pk.exposure),
    ]
    if pk.cl_f_individuals_l_per_h is not None:
        people = pk.cl_f_individuals_l_per_h
        lines.append(
            f"But no patient is drawn from that law: each has the CL/F of one of "
            f"{len(people)} individuals, all alike, from {number(min(people))} to "
            f"{number(max(people))} L/h."
        )
    if pk.exposure_multiplier != 1.0:
        lines.append(f"Exposure is multiplied by {number(pk.exposure_multiplier)}.")
    lines.append(source_line(pk))
    if pk.three_compartments is not None:
        lines.append(
            "Three-compartment kinetics, for exposure that builds up and for profiles. "
            + source_line(pk.three_compartments)
        )
    return lines + _population(scenario)


def _exposure_kind(exposure: str) -> str:
    if exposure == "steady_state":
        return ". It is taken at steady state from the level decided on day 1 of the cycle."
    return ". It builds up over cycles from the levels given so far."


def _population(scenario: Scenario) -> list[str]:
    population = scenario.population
    lines = [f"Patients: {population.description}."] if population.description else []
    spreads = ((population.age_years, "Age", "years"), (population.bsa_m2, "Body surface", "m2"))
    for spread, name, unit in spreads:
        if spread is not None:
            lines.append(
                f"{name}: mean {number(spread.mean)}, SD {number(spread.sd)}, from "
                f"{number(spread.low)} to {number(spread.high)} {unit}. {source_line(spread)}"
            )
    if population.female_share is not None:
        women = percent(population.female_share)
        lines.append(f"Women: {women}. {source_line(population)}")
    return lines


def _adverse_events(scenario: Scenario) -> list[str]:
    lines: list[str] = []
    for kind in scenario.adverse_event:
        lines += [*adverse_event_lines(scenario, kind), source_line(kind, "  "), ""]
    return lines


def _time(scenario: Scenario) -> list[str]:
    if not scenario.adverse_event:
        return []
    return [*time_lines(scenario), source_line(scenario.exposure_response)]


def _benefit(scenario: Scenario) -> list[str]:
    benefit = scenario.clinical_benefit
    if benefit is None:
        return []
    return [*benefit_lines(scenario, benefit), source_line(benefit)]


def _exits(scenario: Scenario) -> list[str]:
    lines: list[str] = []
    for leaving in scenario.exit:
        lines += [*exit_lines(leaving), source_line(leaving, "  ")]
    if lines:
        lines.append(
            "Each exit has its own time; the earliest in a cycle wins. Its hazard runs on calendar "
            "days, delays included."
        )
    return lines


def _rules(scenario: Scenario) -> list[str]:
    lines: list[str] = []
    for rule in scenario.rule:
        lines.append(f"{rule.id}: {rule.why}" if rule.why else f"{rule.id}.")
        lines += [f"  {line}" for line in rule_lines(scenario, rule)]
        lines += [source_line(rule, "  "), ""]
    return lines or ["No rule: the dose is never changed."]


def _policy(scenario: Scenario) -> list[str]:
    policy = scenario.policy
    order = {
        "severity": "When several rules fire at one ask, the most severe acts: stop before hold, "
        "delay or skip, before a reduction, before an increase; then the first in the file.",
        "file": "When several rules fire at one ask, the first in the file acts.",
    }
    lowest = {
        "stop": "A step below the lowest level ends treatment.",
        "stay": "A step below the lowest level leaves the dose at the lowest level.",
    }
    lines = [
        order[policy.order],
        lowest[policy.below_lowest],
        f"A cycle start waits at most {count_of(policy.max_delay_days, 'day')} and a hold lasts at "
        f"most {count_of(policy.max_hold_days, 'day')}; then treatment stops. A waiting cycle "
        f"start is looked at every {count_of(policy.recheck_days, 'day')}.",
    ]
    if policy.max_reductions is not None:
        reductions = count_of(policy.max_reductions, "reduction")
        lines.append(f"After {reductions} the next one ends treatment instead.")
    return [*lines, source_line(policy)]


def _calibration(scenario: Scenario) -> list[str]:
    calibration = scenario.calibration
    if calibration is None:
        return []
    stopped, patients = calibration.stopped_patients, calibration.patients
    lines = [
        f"The discontinuation probabilities of the rules share one multiplier, "
        f"{number(calibration.multiplier)}. It is solved so that all routes to a stop for adverse "
        f"events together give {stopped} of {patients} patients "
        f"({percent(stopped / patients)}) in a study at {number(calibration.dose_mg)} "
        f"{scenario.posology.unit} over {count_of(calibration.cycles, 'cycle')}, with another "
        f"exit of {percent(calibration.other_exit_per_cycle)} per cycle."
    ]
    if calibration.early_stopped_patients is not None:
        early = calibration.early_stopped_patients
        lines.append(
            f"Of these stops {early} of {stopped} fell in the first "
            f"{count_of(calibration.early_cycles, 'cycle')}: the early share is checked against it."
        )
    return [*lines, source_line(calibration)]


def _outcomes(scenario: Scenario) -> list[str]:
    outcomes = scenario.outcomes
    ends = {
        "to_stop": "to the day treatment stops",
        "to_30_days_after_last_dose": "to 30 days after the last dose",
    }
    cycles = listing(map(str, outcomes.titration_success_cycles))
    delays = listing(map(str, outcomes.delay_lengths_days))
    return [
        f"Adverse events count from the first dose {ends[outcomes.count_adverse_events]}.",
        *([f"Titration success is read at cycles {cycles}."] if cycles else []),
        *([f"Delays longer than {delays} days are told apart."] if delays else []),
        source_line(outcomes),
    ]


def _uncertainty(scenario: Scenario) -> list[str]:
    uncertainty = scenario.uncertainty
    kinds = [event.name for event in scenario.adverse_event if event.uncertainty is not None]
    benefit = scenario.clinical_benefit
    if benefit is not None and benefit.uncertainty is not None:
        kinds.append("clinical benefit")
    lines: list[str] = []
    if kinds:
        lines.append(
            f"Coefficients of {listing(kinds)}: by the standard errors given with each, drawn "
            "independently of one another because their covariance is not known."
        )
    for law in uncertainty.parameter if uncertainty is not None else ():
        lines += [f"{law.path}: {law_words(law)}.", source_line(law, "  ")]
    if uncertainty is not None and uncertainty.calibration_counts:
        lines.append(
            "The counts of the calibration: drawn from their Beta laws, and the multiplier (with "
            "piecewise weights the early share of the hazard too) solved anew in every draw."
        )
    if lines:
        lines.append(
            "Structural choices (the clock, the reading of the table, what follows the reference "
            "course) are not drawn: change them and compare."
        )
    return lines


def _readings(scenario: Scenario) -> list[str]:
    readings = open_readings(scenario)
    lines = [
        f"({letter}) {question} {answer[0].upper()}{answer[1:]}."
        for letter, question, answer in readings
    ]
    if not any(letter == "a" for letter, _, _ in readings):
        lines.insert(0, "No rule raises the dose, so (a) to (d) do not arise.")
    return lines
