"""What `titrasim er calibrate` answers: the solutions as plain values, ready for JSON."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sim.exposure_response.design import PAPER_LEVELS, dose_groups
from sim.exposure_response.discontinuation import (
    PHI_AT_0,
    PHI_AT_1,
    Q_AT_1,
    Counts,
    Course,
    Exposures,
    Hazards,
    Logistic,
    Shares,
    dose_exposures,
    hazards,
    incidence,
    other_exit_of_median_stay,
    solve_hazards,
    solve_q,
)
from sim.exposure_response.discontinuation_alternatives import (
    ALL_SUSCEPTIBLE,
    MORE_EVEN_THAN_CONSTANT,
    STOP_AT_ONCE,
    constant_hazard_early_share,
    constant_phi,
    crude_stop_rates,
    escalated_share,
    phi_of_ratio,
    solve_early_late_q,
    solve_mover_stayer,
)
from sim.exposure_response.observed import clopper_pearson
from sim.plan.rules import raises_dose
from sim.scenario.scenario import Scenario

Row = dict[str, float | None]
ALTERNATIVES = ("front-loaded", "early-late-q", "mover-stayer", "background-stream")
STAYS = (4.0, 6.0, 12.0)
TABLE_DOSES_MG = (3.0, 4.0, 5.5)
LONG_HORIZON = 26
SENSITIVITY_FRAILTY = 2.0
PAPER_COUNTS = (31, 275)
FIVE_STUDIES = (
    "The 275 patients came from five phase 1/2 studies (weekly and twice-weekly, alone and in "
    "combination, several doses), which are not the study of the 44 patients behind the logistic "
    "models: dose and stay are ASSUMED, and 31/275 fixes only q times the hazard. 31/275 is "
    "11.3 %, though the paper prints 12 %."
)
SETTING = (
    "The counts and the coefficients are from relapsed/refractory patients; they are applied to "
    "maintenance, where both may be lower, hematologic events above all."
)
ONSET = (
    "The counts are about stopping, not about onset. They cannot choose between readings that meet "
    "them, which leave different shares to escalate."
)
ESCALATION = (
    "Escalation: share of those on treatment at cycle 5 without an event in cycles 3 and 4 that "
    "bars it, starting dose, every non-hematologic event called related, no reduction. Typical: "
    "the typical patient, no such event. Average: over clearance, in those who did not stop."
)
MOVER = (
    "Mover-stayer says nothing about onset; its escalation is that of a constant onset (ASSUMED). "
    "Of those on treatment after cycle {}, {:.1%} can still stop for an adverse event."
)
ALL_EVENTS = "Every counted event may stop treatment, called related or not."
EXPLANATIONS = {
    Q_AT_1: "even if every event stopped treatment, too few patients would stop",
    PHI_AT_1: "so few late stops need all of the front-loaded hazard early, or more than all",
    PHI_AT_0: "so few early stops need none of the front-loaded hazard early, or less than none",
    MORE_EVEN_THAN_CONSTANT: "the early share is below what a constant hazard gives; no mixture "
    "of patients lowers it",
    ALL_SUSCEPTIBLE: "more patients would have to be susceptible than there are",
    STOP_AT_ONCE: "all stops are early; the probability per cycle has no upper limit",
}


@dataclass(frozen=True)
class Setting:
    """All that the solutions need; bars (kinds,) is true where an event bars the escalation."""

    scenario: Scenario
    models: Sequence[Logistic]
    kinds: Sequence[str]
    left_out: Sequence[str]
    bars: Sequence[bool]
    auc_per_day_per_mg: float
    exposures: Exposures
    dose_text: str
    course: Course
    counts: Counts
    phi: float | None
    frailty_variance: float

    @property
    def sd_log(self) -> float:
        """SD of log CL/F."""
        return self.scenario.pharmacokinetics.cl_f_sd_log

    def hazards(self, is_flat: bool, exposures: Exposures | None = None) -> Hazards:
        """Return the hazards at the reference dose, or at other exposures."""
        at = self.exposures if exposures is None else exposures
        return hazards(self.models, at, self.frailty_variance, is_flat)


@dataclass(frozen=True)
class Finding:
    """One reading solved: parameters, what could not be met, and what the model then gives."""

    parameters: dict[str, float]
    boundary: tuple[str, ...] = ()
    total: float | None = None


def design_exposures(auc_per_day_per_mg: float, sd_log: float, area_m2: float) -> Exposures:
    """Return the mix of Table 1: each level times one body surface area, by its patients.

    The spread of the area (SD 0.24 m2) is left out, as in methods 5.1; it lowers q by 0.5 %.
    """
    groups = dose_groups(PAPER_LEVELS)
    doses = [group.dose * area_m2 for group in groups]
    return dose_exposures(doses, [group.patients for group in groups], auc_per_day_per_mg, sd_log)


def solve(setting: Setting, alternative: str, shares: Shares) -> Finding:
    """Solve one reading of the counts."""
    if alternative == "mover-stayer":
        moving = solve_mover_stayer(setting.course, shares)
        named = {"susceptible": moving.susceptible, "stop_per_cycle": moving.stop_per_cycle}
        return Finding(named, moving.boundary)
    found = setting.hazards(alternative == "background-stream")
    if alternative == "early-late-q":
        two = solve_early_late_q(found, setting.course, shares)
        total = incidence(
            found, (two.early, two.late), constant_phi(setting.course), setting.course
        )
        return Finding({"q_early": two.early, "q_late": two.late}, two.boundary, total[1])
    if setting.phi is not None:
        q, is_cut = solve_q(found, setting.course, shares.total, setting.phi)
        total = incidence(found, q, setting.phi, setting.course)
        boundary = (Q_AT_1,) if is_cut else ()
        return Finding({"q": q, "phi": setting.phi}, boundary, total[1])
    both = solve_hazards(found, setting.course, shares)
    return Finding({"q": both.q, "phi": both.phi}, both.boundary, both.total)


ESCALATION_CYCLE = 5


def _ranges(setting: Setting, alternative: str) -> dict[str, dict[str, Any]]:
    """Return the parameters at the ends of the exact intervals of the two counts, one at a time."""
    counts, middle = setting.counts, setting.counts.shares
    totals = clopper_pearson(counts.stopped, counts.patients)
    parts = clopper_pearson(counts.early, counts.stopped)
    ends = {
        "over_stopped": [replace(middle, total=total) for total in totals],
        "over_early": [replace(middle, early_share=part) for part in parts],
    }
    ranges: dict[str, dict[str, Any]] = {}
    for name, pair in ends.items():
        found = [solve(setting, alternative, shares) for shares in pair]
        for parameter in found[0].parameters:
            values = sorted(one.parameters[parameter] for one in found)
            ranges.setdefault(parameter, {})[name] = values
        ranges.setdefault("at_limit", {})[name] = sorted({b for one in found for b in one.boundary})
    return ranges


def _escalation(setting: Setting, alternative: str, finding: Finding) -> dict[str, float]:
    """Return the typical and the average share escalated; none for other rules than the paper's."""
    rises = [rule for rule in setting.scenario.rule if raises_dose(setting.scenario, rule)]
    asked = [rule.on.cycle for rule in rises if rule.on is not None]
    if setting.scenario.drug != "ixazomib" or asked != [(ESCALATION_CYCLE,)]:
        return {}
    posology, population = setting.scenario.posology, setting.scenario.population
    start = posology.start_mg
    if posology.unit != "mg" and population.bsa_m2 is not None:
        start *= population.bsa_m2.mean
    q = finding.parameters.get("q", finding.parameters.get("q_early", 0.0))
    phi = finding.parameters.get("phi", constant_phi(setting.course))
    shares = {}
    for name, sd_log, stop in (("typical", 0.0, 0.0), ("average", setting.sd_log, q)):
        at = dose_exposures([start], [1.0], setting.auc_per_day_per_mg, sd_log)
        found = setting.hazards(alternative == "background-stream", at)
        shares[name] = escalated_share(found, setting.bars, stop, phi, setting.course)
    return shares


def answer_of(setting: Setting, alternative: str, every_table: bool) -> dict[str, Any]:
    """Return all numbers and notes, ready for JSON."""
    shares, counts, course = setting.counts.shares, setting.counts, setting.course
    chosen = solve(setting, alternative, shares)
    crude = crude_stop_rates(course, shares)
    readings = {}
    for name in ALTERNATIVES:
        plain = replace(setting, phi=None) if name != alternative else setting
        one = solve(plain, name, shares)
        escalation = _escalation(plain, name, one)
        readings[name] = {**one.parameters, "at_limit": list(one.boundary), "escalated": escalation}
    answer: dict[str, Any] = {
        "scenario": setting.scenario.name,
        "counts": {
            "stopped": counts.stopped,
            "patients": counts.patients,
            "early": counts.early,
            "stopped_share": [shares.total, *clopper_pearson(counts.stopped, counts.patients)],
            "early_share": [shares.early_share, *clopper_pearson(counts.early, counts.stopped)],
        },
        "setting": {
            "dose": setting.dose_text,
            "other_exit_per_cycle": course.other_exit_per_cycle,
            "median_stay_cycles": _median_stay(course.other_exit_per_cycle),
            "cycles": course.horizon_cycles,
            "early_cycles": course.early_cycles,
            "cl_f_sd_log": setting.sd_log,
            "frailty_variance": setting.frailty_variance,
            "kinds": list(setting.kinds),
            "left_out": list(setting.left_out),
        },
        "solution": {
            "alternative": alternative,
            "parameters": chosen.parameters,
            "ranges": _ranges(setting, alternative),
            "total": chosen.total,
            "phi_held": setting.phi is not None,
            "at_limit": [f"{name}: {EXPLANATIONS[name]}" for name in chosen.boundary],
        },
        "counts_alone": {
            "early_share_if_constant": constant_hazard_early_share(course, shares.total),
            "early_late_ratio": _finite(crude.ratio),
            "phi": phi_of_ratio(crude.ratio, course),
        },
        "readings": readings,
        "notes": list(_notes(setting)),
    }
    if every_table:
        answer["tables"] = _tables(replace(setting, phi=None))
    return answer


def _median_stay(other_exit: float) -> float | None:
    return math.log(0.5) / math.log1p(-other_exit) if other_exit > 0.0 else None


def _notes(setting: Setting) -> Iterator[str]:
    scenario = setting.scenario
    if scenario.drug == "ixazomib":
        if (setting.counts.stopped, setting.counts.patients) == PAPER_COUNTS:
            yield FIVE_STUDIES
        yield SETTING
    else:
        yield from scenario.notes
    yield ONSET
    yield ALL_EVENTS
    if scenario.drug == "ixazomib":
        yield ESCALATION
        moving = solve_mover_stayer(setting.course, setting.counts.shares)
        early = setting.course.early_cycles
        yield MOVER.format(early, moving.susceptible_after(early))
    if setting.left_out:
        yield (
            f"Left out, because no exposure-response is stated: {', '.join(setting.left_out)} "
            "(--every-kind counts it; q is then lower, since more events share the stops)."
        )
    if scenario.calibration is not None:
        yield (
            f"The multiplier {scenario.calibration.multiplier:g} of {scenario.name} is a different "
            "quantity: it scales the probabilities of the scenario's own stop rules, with all "
            "routes to a stop together (titrasim calibrate), and is not q."
        )
    if any(kind.setting_multiplier != 1.0 for kind in scenario.adverse_event):
        yield "setting_multiplier is left at 1 here: it is for patients other than the counted."
    if any(kind.background_probability is not None for kind in scenario.adverse_event):
        yield "background_probability is not used here: the background is P at zero exposure."


def _tables(setting: Setting) -> dict[str, Any]:
    """Return the tables of methods 2.4 and 5.1 for these counts, and the readings by stay."""
    shares, per_mg = setting.counts.shares, setting.auc_per_day_per_mg
    bsa = setting.scenario.population.bsa_m2
    at = {
        f"{dose:g} mg": dose_exposures([dose], [1.0], per_mg, setting.sd_log)
        for dose in TABLE_DOSES_MG
    }
    at["Table 1 mix"] = design_exposures(per_mg, setting.sd_log, bsa.mean if bsa else 1.97)
    courses = {
        f"{stay:g}": replace(setting.course, other_exit_per_cycle=other_exit_of_median_stay(stay))
        for stay in STAYS
    }

    def by_stay(solved: Callable[[Course], Row]) -> dict[str, Row]:
        return {stay: solved(course) for stay, course in courses.items()}

    def reading(name: str, changed: Setting) -> dict[str, Row]:
        return by_stay(lambda course: _row(replace(changed, course=course), name, shares))

    frail = replace(setting, frailty_variance=SENSITIVITY_FRAILTY)
    return {
        "counts_alone_by_stay": by_stay(lambda course: _crude_row(course, shares)),
        "q_phi_by_dose_and_stay": {
            label: reading("front-loaded", replace(setting, exposures=exposures))
            for label, exposures in at.items()
        },
        "readings_by_stay": {name: reading(name, setting) for name in ALTERNATIVES},
        f"front-loaded, frailty variance {SENSITIVITY_FRAILTY:g}": reading("front-loaded", frail),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _row(setting: Setting, name: str, shares: Shares) -> Row:
    finding = solve(setting, name, shares)
    return {**finding.parameters, "is_met": float(not finding.boundary)}


def _crude_row(course: Course, shares: Shares) -> Row:
    long = replace(course, horizon_cycles=max(LONG_HORIZON, course.horizon_cycles))
    ratio = crude_stop_rates(course, shares).ratio
    return {
        "other_exit_per_cycle": course.other_exit_per_cycle,
        "early_share_if_constant": constant_hazard_early_share(course, shares.total),
        "early_late_ratio": _finite(ratio),
        "early_late_ratio_long": _finite(crude_stop_rates(long, shares).ratio),
        "phi": phi_of_ratio(ratio, course),
    }
