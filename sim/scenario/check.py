"""All checks across keys and tables of a scenario whose values are each well formed."""

from sim.errors import Problem
from sim.scenario.check_names import check_names
from sim.scenario.check_posology import (
    check_calendar,
    check_calibration,
    check_horizon,
    check_ladder,
    check_pharmacokinetics,
    check_population,
    check_unit,
)
from sim.scenario.check_risk import (
    check_adverse_events,
    check_benefit,
    check_durations,
    check_exits,
    check_exposure_ranges,
    check_exposure_response,
    check_extrapolation,
    check_onsets,
)
from sim.scenario.check_rules import (
    check_actions,
    check_draws,
    check_references,
    check_rule_keys,
    check_unused_events,
)
from sim.scenario.check_sources import check_sources
from sim.scenario.check_timing import check_contradictions, check_reachable, check_windows
from sim.scenario.check_uncertainty import (
    check_coefficients,
    check_laws,
    check_recalibration,
)
from sim.scenario.flaw import Case, Check, Flaw
from sim.scenario.merge import Merged

# A law may be about a number of any of these.
TABLES = (
    "posology",
    "pharmacokinetics",
    "population",
    "exposure_response",
    "adverse_event",
    "clinical_benefit",
    "exit",
    "policy",
    "rule",
    "calibration",
)
# Each check with the tables that must be well formed for it to make sense.
CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("posology",), check_ladder),
    (("posology",), check_calendar),
    (("posology", "outcomes"), check_horizon),
    (("posology", "population"), check_unit),
    (("population",), check_population),
    (("pharmacokinetics",), check_pharmacokinetics),
    (("calibration",), check_calibration),
    (("exposure_response",), check_exposure_response),
    (("exposure_response", "posology"), check_extrapolation),
    (("adverse_event",), check_adverse_events),
    (("adverse_event",), check_durations),
    (("adverse_event", "posology"), check_onsets),
    (("clinical_benefit",), check_benefit),
    (
        ("adverse_event", "clinical_benefit", "posology", "pharmacokinetics", "population"),
        check_exposure_ranges,
    ),
    (("exit",), check_exits),
    (("adverse_event", "exit", "rule"), check_names),
    (("rule",), check_rule_keys),
    (("rule", "calibration"), check_draws),
    (("rule", "posology"), check_actions),
    (("rule", "posology", "adverse_event"), check_references),
    (("rule", "adverse_event"), check_unused_events),
    (("rule", "posology", "policy"), check_reachable),
    (("rule", "posology"), check_windows),
    (("rule", "policy"), check_contradictions),
    (("adverse_event",), check_coefficients),
    (("uncertainty", *TABLES), check_laws),
    (("uncertainty", "calibration", "posology"), check_recalibration),
    ((), check_sources),
)


def cross_checks(case: Case) -> list[Problem]:
    """Every flaw of every check whose tables are sound, with its place."""
    problems = []
    for needs, check in CHECKS:
        if case.sound.issuperset(needs):
            problems += [_placed(flaw, case.merged) for flaw in check(case)]
    return problems


def _placed(flaw: Flaw, merged: Merged) -> Problem:
    place = merged.key_place(flaw.path) if flaw.at_key else merged.value_place(flaw.path)
    return place.problem(flaw.code, flaw.message, flaw.hint, flaw.severity)
