"""The endpoints: what is reported, by name, population and label. Names are a contract.

Every endpoint is a share of sums over patients: sum of amounts / sum of denominators, so one
rule gives its estimate and its Monte Carlo standard error. Summary, comparison, figures and
exports iterate this list; adding an endpoint is one entry here and, if it needs a new count,
one line in `sim/model/tally.py` and `sim/outcomes.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sim.codes import Cause, Route, label
from sim.model.counts import (
    AUC_UNIT,
    BENEFIT_UNIT,
    FIRST_EVENT,
    FIRST_ROUTE,
    FIRSTS,
    RDI_UNIT,
    VALUE_ASKS,
    VALUE_CLAUSE,
    VALUE_DELAY_OVER,
    VALUE_EVENTS,
    VALUE_FIRED,
    VALUE_RELATED,
    VALUE_SUCCESS,
    VALUES,
)
from sim.model.layout import GRADES
from sim.plan.plan import Plan

ALL = "all patients"
WHILE_ON = "all patients; while on treatment"
COMPETING = "all patients; other ends of treatment compete"
Family = Literal["first", "on_treatment", "level", "escalated_on", "value"]


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of one scenario.

    family says how it is tallied and index where; values are `unit` per whole number and
    divided by the value numbered `denominator`, or by the number of patients (-1).
    """

    name: str
    label: str
    population: str
    family: Family
    index: int = 0
    unit: float = 1.0
    denominator: int = -1
    is_proportion: bool = True

    @property
    def by_cycle(self) -> bool:
        """Whether it is reported for each cycle."""
        return self.family != "value"


def endpoints_of(plan: Plan) -> tuple[Endpoint, ...]:
    """Return every endpoint of a scenario, in the order of the tables."""
    return (
        *_titration(plan),
        *_disposition(plan),
        *_levels(plan),
        *_adverse_events(plan),
        *_modifications(plan),
        *_rules(plan),
        *_dose(plan),
    )


def _first(name: str, text: str, index: int, population: str = COMPETING) -> Endpoint:
    return Endpoint(name, text, population, "first", index)


def _share(name: str, text: str, population: str = WHILE_ON) -> Endpoint:
    return Endpoint(name, text, population, "value", VALUES.index(name))


def _mean(name: str, text: str, unit: float = 1.0, population: str = WHILE_ON) -> Endpoint:
    return Endpoint(name, text, population, "value", VALUES.index(name), unit, is_proportion=False)


def _titration(plan: Plan) -> Iterator[Endpoint]:
    yield _first("escalated", "Escalated by the cycle", FIRSTS.index("escalated"))
    yield Endpoint(
        "escalated_if_on_treatment",
        "Escalated, of those who reach the cycle",
        "patients on treatment on day 1 of the cycle",
        "escalated_on",
    )
    target = plan.names.levels[int(plan.record.target_level)]
    for place, cycle in enumerate(plan.scenario.outcomes.titration_success_cycles):
        if cycle > int(plan.record.max_cycles):
            continue
        yield Endpoint(
            f"titration_success:{cycle}",
            f"On the target of {target} {plan.names.unit} at cycle {cycle}, never reduced",
            ALL,
            "value",
            VALUE_SUCCESS + place,
        )


def _disposition(plan: Plan) -> Iterator[Endpoint]:
    yield Endpoint("on_treatment", "On treatment on day 1 of the cycle", ALL, "on_treatment")
    for cause in list(Cause)[1:]:
        name = f"discontinued:{label(cause)}"
        text = (
            "Stopped for adverse event" if cause == Cause.ADVERSE_EVENT else f"Left: {label(cause)}"
        )
        yield _first(name, text, FIRSTS.index(name))
        if cause == Cause.ADVERSE_EVENT:
            for route in list(Route)[1:]:
                words = label(route).replace("_", " ")
                yield _first(f"{name}:{label(route)}", f"... by route {words}", FIRST_ROUTE + route)
    any_cause = "discontinued:any"
    yield _first(any_cause, "Treatment ended before completion", FIRSTS.index(any_cause), ALL)
    yield _share("completed", "Completed all cycles", ALL)


def _levels(plan: Plan) -> Iterator[Endpoint]:
    for level, dose in enumerate(plan.names.levels):
        yield Endpoint(
            f"dose_level:{dose}",
            f"On {dose} {plan.names.unit} on day 1 of the cycle",
            ALL,
            "level",
            level,
        )


def _adverse_events(plan: Plan) -> Iterator[Endpoint]:
    any_event = "first_event:any"
    yield _first(any_event, "Any counted adverse event", FIRSTS.index(any_event))
    for kind, (name, text) in enumerate(zip(plan.names.kinds, plan.names.kind_labels, strict=True)):
        lowest = int(plan.record.counting_grade[kind])
        yield _first(f"first_event:{name}", text, FIRST_EVENT + kind * GRADES + lowest)
        for grade in range(lowest + 1, 6):
            if plan.record.grade_share[kind, grade] > 0.0:
                yield _first(
                    f"first_event:{name}:g{grade}",
                    f"{name.replace('_', ' ')}, grade {grade} or higher",
                    FIRST_EVENT + kind * GRADES + grade,
                )
    for kind, name in enumerate(plan.names.kinds):
        words = name.replace("_", " ")
        for suffix, text, first in (
            ("", f"{words}, events per cycle", VALUE_EVENTS),
            (":related", f"{words}, related events per cycle", VALUE_RELATED),
        ):
            yield Endpoint(
                f"events_per_cycle:{name}{suffix}",
                text,
                "patient-cycles on treatment",
                "value",
                first + kind,
                denominator=VALUES.index("cycles"),
                is_proportion=False,
            )
    for name, grade in (("toxicity_days:g2", 2), ("toxicity_days:g3", 3)):
        yield Endpoint(
            name,
            f"Days with a counted event of grade {grade} or higher, per 100 treatment days",
            "treatment days",
            "value",
            VALUES.index(name),
            unit=100.0,
            denominator=VALUES.index("days"),
            is_proportion=False,
        )


def _modifications(plan: Plan) -> Iterator[Endpoint]:
    for name, text in (
        ("interruption", "dose withheld"),
        ("hold", "hold opened"),
        ("delay", "cycle start delayed"),
        ("reduction", "dose reduction"),
    ):
        yield _share(name, f"At least one {text}")
        yield _mean(f"{name}:count", f"Number per patient: {text}")
    yield _mean("delay_days:count", "Days of delay per patient")
    for place, days in enumerate(plan.scenario.outcomes.delay_lengths_days):
        yield Endpoint(
            f"delay_over:{days}",
            f"At least one delay of more than {days} days",
            WHILE_ON,
            "value",
            VALUE_DELAY_OVER + place,
        )
    for name, text in (
        ("first_modification", "First withheld dose, delay or reduction"),
        ("first_reduction", "First reduction"),
    ):
        yield _first(name, text, FIRSTS.index(name))


def _rules(plan: Plan) -> Iterator[Endpoint]:
    record, names = plan.record, plan.names
    for rule, name in enumerate(names.rules):
        yield Endpoint(
            f"rule_fired:{name}",
            f"Rule {name} acted at least once",
            WHILE_ON,
            "value",
            VALUE_FIRED + rule,
        )
    for clause, (name, rule) in enumerate(zip(names.clauses, names.clause_rules, strict=True)):
        if record.rule_raises[rule] and names.clause_bars[clause]:
            yield Endpoint(
                f"barred:{name}",
                f"Barred by {name}",
                f"asks of rule {names.rules[rule]}; clauses may hold together",
                "value",
                VALUE_CLAUSE + clause,
                denominator=VALUE_ASKS + rule,
            )


def _dose(plan: Plan) -> Iterator[Endpoint]:
    record = plan.record
    course_ug = float(record.reference_ug) * float(record.n_doses) * float(record.max_cycles)
    yield Endpoint(
        "rdi_planned",
        "Relative dose intensity over the planned course",
        ALL,
        "value",
        VALUES.index("given_ug"),
        1.0 / course_ug,
        is_proportion=False,
    )
    yield _mean(
        "rdi_on_treatment", "Relative dose intensity over the days on treatment", 1.0 / RDI_UNIT
    )
    for cause, text in (
        ("not_escalated", "level below the reference, never higher"),
        ("reduced", "reduced"),
        ("held", "doses withheld"),
        ("delayed", "cycles lost to delays"),
        ("stopped", "treatment ended"),
    ):
        name = f"rdi_loss:{cause}"
        yield _mean(name, f"Relative dose intensity lost: {text}", 1.0 / course_ug, ALL)
    yield Endpoint(
        "cumulative_dose_mg",
        "Cumulative dose, mg",
        ALL,
        "value",
        VALUES.index("dose_ug"),
        1e-3,
        is_proportion=False,
    )
    yield _mean(
        "auc_per_day", "AUC/day over the days on treatment, ng*h/mL per day", 1.0 / AUC_UNIT
    )
    yield _mean("cycles", "Cycles started")
    yield _mean("days", "Days on treatment")
    benefit = plan.scenario.clinical_benefit
    if benefit is not None:
        yield _mean(
            "clinical_benefit", f"Clinical benefit: {benefit.label}", 1.0 / BENEFIT_UNIT, ALL
        )
