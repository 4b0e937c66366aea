"""Which endpoints the terminal shows, in which groups, and in which words.

The full list is in summary.csv; these are what a user came for. Texts say the cycle, so that
a line can be read alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sim.codes import Cause, Route, label
from sim.study import Study

ROUTE_TEXTS = {
    Route.EVENT: "decided at the event",
    Route.GRADE: "grade reached",
    Route.MAX_DELAY: "delay too long",
    Route.MAX_HOLD: "hold too long",
    Route.BELOW_LOWEST: "below the lowest dose",
    Route.MAX_REDUCTIONS: "too many reductions",
}
LOSS_TEXTS = {
    "not_escalated": "below the reference dose, never higher",
    "reduced": "dose reduced",
    "held": "doses withheld",
    "delayed": "cycles lost to delays",
    "stopped": "treatment ended early",
}


@dataclass(frozen=True)
class Headline:
    """One line: an endpoint at a cycle.

    main lines are shown for differences and trials too; only_if_any ones where not all zero.
    """

    endpoint: str
    cycle: int | None
    text: str
    main: bool = False
    only_if_any: bool = False


def groups(study: Study) -> Iterator[tuple[str, list[Headline]]]:
    """Yield (title, lines) in the order of the table."""
    yield "Titration", list(_titration(study))
    yield "Barred by, of those asked (clauses may hold together)", list(_bars(study))
    yield "Adverse-event discontinuation", list(_stops(study))
    yield "Other ends, and who stays", list(_stays(study))
    for cycle in _cycles(study, 12):
        yield f"First adverse event by cycle {cycle}", list(_events(study, cycle))
    yield "Dose modifications, at least one", list(_modifications(study))
    yield "Dose", list(_dose(study))


def last_cycle(study: Study) -> int:
    """Return the last cycle of the longest course."""
    return max(plan.scenario.posology.max_cycles for plan in study.prepared.plans)


def _cycles(study: Study, *wanted: int) -> list[int]:
    last = last_cycle(study)
    return [*(cycle for cycle in wanted if cycle < last), last]


def _first_rise(study: Study) -> int:
    """Return the first cycle in which somebody has escalated; the last when nobody does."""
    rows = study.summary
    rows = rows[(rows["endpoint"] == "escalated") & (rows["estimate"] > 0)]
    return last_cycle(study) if rows.empty else int(rows["cycle"].min())


def _rises_after(study: Study, cycle: int) -> bool:
    rows = study.summary[study.summary["endpoint"] == "escalated"]
    then = rows[rows["cycle"] == cycle].groupby("scenario")["estimate"].max()
    ends = rows.groupby("scenario")["estimate"].max()
    return any(ends[name] > then.get(name, 0.0) for name in ends.index)


def _titration(study: Study) -> Iterator[Headline]:
    rise, last = _first_rise(study), last_cycle(study)
    yield Headline("escalated", rise, f"escalated by cycle {rise}", main=True)
    if rise < last and _rises_after(study, rise):
        yield Headline("escalated", last, f"escalated by cycle {last}", main=True)
    text = f"escalated, of those on treatment at cycle {rise}"
    yield Headline("escalated_if_on_treatment", rise, text, main=True)
    for name, cycle in _named(study, "titration_success"):
        yield Headline(name, None, f"on target at cycle {cycle}, never reduced")


def _bars(study: Study) -> Iterator[Headline]:
    for name, clause in _named(study, "barred"):
        yield Headline(name, None, clause)


def _named(study: Study, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the endpoints of a kind, such as barred:<clause>, with what follows the colon."""
    for name in dict.fromkeys(map(str, study.summary["endpoint"])):
        first, _, rest = name.partition(":")
        if first == kind:
            yield name, rest


def _stops(study: Study) -> Iterator[Headline]:
    last = last_cycle(study)
    for cycle in _cycles(study, 4, 12):
        text = f"stopped for adverse event by cycle {cycle}"
        yield Headline("discontinued:adverse_event", cycle, text, main=True)
    for route, text in ROUTE_TEXTS.items():
        name = f"discontinued:adverse_event:{label(route)}"
        yield Headline(name, last, f"  {text}, by cycle {last}", only_if_any=True)


def _stays(study: Study) -> Iterator[Headline]:
    for cause in (Cause.PROGRESSION, Cause.WITHDRAWAL, Cause.DEATH, Cause.OTHER):
        for cycle in _cycles(study, 12):
            name = f"discontinued:{label(cause)}"
            yield Headline(name, cycle, f"{label(cause)} by cycle {cycle}", only_if_any=True)
    for cycle in _cycles(study, 5, 12):
        text = f"on treatment at cycle {cycle}"
        yield Headline("on_treatment", cycle, text, main=True)
    yield Headline("completed", None, "completed all cycles", main=True)


def _events(study: Study, cycle: int) -> Iterator[Headline]:
    kinds: dict[str, str] = {}
    for plan in study.prepared.plans:
        for kind, text in zip(plan.names.kinds, plan.names.kind_labels, strict=True):
            kinds.setdefault(kind, text)
    yield Headline("first_event:any", cycle, "any counted", main=True)
    for kind, text in kinds.items():
        yield Headline(f"first_event:{kind}", cycle, text)


def _modifications(study: Study) -> Iterator[Headline]:
    yield Headline("interruption", None, "dose withheld", main=True)
    yield Headline("delay", None, "cycle start delayed", main=True)
    lengths = {
        days for plan in study.prepared.plans for days in plan.scenario.outcomes.delay_lengths_days
    }
    for days in sorted(lengths):
        yield Headline(f"delay_over:{days}", None, f"  by more than {days} days")
    yield Headline("reduction", None, "dose reduced", main=True)


def _dose(study: Study) -> Iterator[Headline]:
    yield Headline("rdi_planned", None, "relative dose intensity, planned course", main=True)
    for cause, text in LOSS_TEXTS.items():
        yield Headline(f"rdi_loss:{cause}", None, f"  lost: {text}", only_if_any=True)
    yield Headline("rdi_on_treatment", None, "relative dose intensity, on treatment", main=True)
    unit = study.prepared.plans[0].names.unit
    yield Headline("cumulative_dose_mg", None, f"cumulative dose, {unit.split('/')[0]}", main=True)
    yield Headline("auc_per_day", None, "AUC/day on treatment, ng*h/mL", main=True)
    for grade in (2, 3):
        text = f"days with grade {grade} or higher, per 100 days"
        yield Headline(f"toxicity_days:g{grade}", None, text)
    yield Headline("clinical_benefit", None, "clinical benefit index", main=True)
