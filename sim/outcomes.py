"""Outcome records rebuilt from the four history tables: the second way to every endpoint.

Written from what the tables mean (MODEL.md sections 1, 7, 8, 10, 11), in columns and without
`sim/model/outcome.py`, which reads the same record off a patient's state. Tests hold the two
equal, so that a run without histories reports what its histories would.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.codes import Action, Ask, Cause, Route
from sim.histories import Histories
from sim.model.counts import OUTCOME
from sim.model.elementary import expit
from sim.model.layout import (
    DISPOSITION_COLUMNS,
    DOSE_COLUMNS,
    EVENT_COLUMNS,
    GRADES,
    LOG_COLUMNS,
    MAX_CYCLES,
)
from sim.plan.plan import Plan

Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]

NEVER = MAX_CYCLES + 2
BEGIN, BEFORE_RULES, AFTER_RULES, BEFORE_DOSE, AT_DOSE, AT_END = range(6)


@dataclass(frozen=True)
class _Table:
    """Rows of a history table with the place of each row's patient among the patients."""

    patient: Whole
    columns: dict[str, Whole]

    def __getitem__(self, column: str) -> Whole:
        return self.columns[column]

    def where(self, rows: Mask | Whole) -> "_Table":
        return _Table(self.patient[rows], {key: v[rows] for key, v in self.columns.items()})


def _table(rows: Whole, columns: tuple[str, ...], patients: Whole) -> _Table:
    places = np.searchsorted(patients, rows[:, 0])
    return _Table(places, {name: rows[:, place] for place, name in enumerate(columns)})


def _count(n: int, table: _Table, rows: Mask | None = None) -> Whole:
    """Rows per patient."""
    places = table.patient if rows is None else table.patient[rows]
    return np.bincount(places, minlength=n).astype(np.int64)


def _sum(n: int, places: Whole, amounts: Whole) -> Whole:
    total = np.zeros(n, np.int64)
    np.add.at(total, places, amounts)
    return total


def _first(n: int, places: Whole, cycles: Whole) -> Whole:
    """The lowest cycle of each patient's rows; 0 without rows."""
    first = np.full(n, NEVER, np.int64)
    np.minimum.at(first, places, cycles)
    return np.where(first == NEVER, 0, first)


def outcomes_of(histories: Histories, plan: Plan) -> NDArray[Any]:
    """Return one OUTCOME record per patient, as the engines would."""
    patients = histories.disposition[:, 0]
    ends = _table(histories.disposition, DISPOSITION_COLUMNS, patients)
    doses = _table(histories.doses, DOSE_COLUMNS, patients)
    events = _table(histories.adverse_events, EVENT_COLUMNS, patients)
    log = _table(histories.decisions, LOG_COLUMNS, patients)
    out = np.zeros(len(patients), OUTCOME)
    out["patient"] = patients
    out["last_cycle"], out["last_day"] = ends["last_cycle"], ends["day"]
    out["cause"], out["route"] = ends["cause"], ends["route"]
    starts = _cycle_starts(plan, ends, doses)
    levels = _levels(plan, ends, doses, log, starts)
    _fill_levels(out, plan, doses, levels)
    _fill_delays(out, plan, ends, log, starts)
    _fill_modifications(out, doses, log, levels)
    _fill_events(out, events)
    _fill_rules(out, plan, log, events, starts)
    _fill_dose(out, plan, doses, histories.latents)
    return out


# ---- the calendar


def _cycle_starts(plan: Plan, ends: _Table, doses: _Table) -> Whole:
    """Return the actual day 1 of every cycle, starts[patient, cycle]; 0 = not started.

    Cycles begin with a dose, given or withheld. Only the last may lack it, when treatment ended
    on that very day before the dose.
    """
    starts = np.zeros((len(ends.patient), MAX_CYCLES + 2), np.int64)
    first = doses.where(doses["dose"] == 1)
    starts[first.patient, first["cycle"]] = first["day"]
    last = ends["last_cycle"]
    place = np.arange(len(last))
    bare = (last > 0) & (starts[place, last] == 0)
    starts[place[bare], last[bare]] = ends["day"][bare]
    return starts


def _planned_day(plan: Plan, starts: Whole) -> Whole:
    """Return the planned day 1, planned[patient, cycle], of cycles that follow a started one."""
    planned = np.zeros_like(starts)
    planned[:, 1] = 1
    started = starts[:, 1:-1]
    planned[:, 2:] = np.where(started > 0, started + int(plan.record.cycle_days), 0)
    return planned


def _decided_without_start(plan: Plan, ends: _Table, log: _Table, starts: Whole) -> Mask:
    """Say who was stopped by the level decision itself, on the actual day 1 of the next cycle.

    A rule asked there stopped treatment, or a reduction that fell due could not be made; the
    cycle does not count as started, but its delay and its reductions happened.
    """
    n, last = len(ends.patient), ends["last_cycle"]
    place = np.arange(n)
    planned = _planned_day(plan, starts)[place, np.minimum(last + 1, MAX_CYCLES)]
    waits_over = (ends["cause"] == Cause.ADVERSE_EVENT) & (ends["day"] >= planned)
    at_level = log.where(log["ask"] == Ask.LEVEL)
    asked = np.zeros(n, bool)
    asked[at_level.patient[at_level["cycle"] == last[at_level.patient] + 1]] = True
    no_step_left = np.isin(ends["route"], (Route.BELOW_LOWEST, Route.MAX_REDUCTIONS))
    return waits_over & (last < int(plan.record.max_cycles)) & (asked | no_step_left)


def _fill_delays(out: NDArray[Any], plan: Plan, ends: _Table, log: _Table, starts: Whole) -> None:
    """Delay = actual minus planned day 1; it belongs to the cycle that starts late."""
    n, place = len(out), np.arange(len(out))
    starts = starts.copy()
    decided = _decided_without_start(plan, ends, log, starts)
    following = ends["last_cycle"] + 1
    planned = _planned_day(plan, starts)
    starts[place[decided], following[decided]] = ends["day"][decided]
    late = np.where(starts > 0, starts - planned, 0)
    late[:, 0] = 0
    out["delays"] = (late > 0).sum(axis=1)
    out["delay_days"] = late.sum(axis=1)
    out["longest_delay"] = late.max(axis=1)
    who, cycle = np.nonzero(late)
    out["first_modification_cycle"] = _first(n, who, cycle)


# ---- levels


@dataclass(frozen=True)
class _Levels:
    """The level of each patient wherever the tables show it, in order of time."""

    patient: Whole
    cycle: Whole
    level: Whole

    def changes(self) -> tuple[Whole, Whole, Whole]:
        """Return (patient, cycle, levels gained) of every change."""
        gained = np.diff(self.level)
        changed = (np.diff(self.patient) == 0) & (gained != 0)
        return self.patient[1:][changed], self.cycle[1:][changed], gained[changed]


def _levels(plan: Plan, ends: _Table, doses: _Table, log: _Table, starts: Whole) -> _Levels:
    """Collect levels: at the beginning, before and after level rules, at dose rules, at doses.

    A level changes on the actual day 1, by what fell due and by level rules, and at the dose
    after a hold. One of these rows follows at once, but for an exit on that very day.
    """
    n = len(ends.patient)
    at_level, at_dose = log.where(log["ask"] == Ask.LEVEL), log.where(log["ask"] == Ask.DOSE)
    won = at_level.where(at_level["won"] == 1)
    zeros = np.zeros(n, np.int64)
    seen = [
        (np.arange(n), zeros, zeros, BEGIN, zeros + int(plan.record.start_level)),
        _seen(at_level, BEFORE_RULES, at_level["level_before"]),
        _seen(won, AFTER_RULES, won["level_after"]),
        _seen(at_dose, BEFORE_DOSE, at_dose["level_before"]),
        _seen(doses, AT_DOSE, doses["level"]),
        _unseen(ends, starts),
    ]
    patient, cycle, day, level = (
        np.concatenate([part[column] for part in seen]) for column in (0, 1, 2, 4)
    )
    order = np.concatenate([np.full(len(part[0]), part[3], np.int64) for part in seen])
    sorted_by_time = np.lexsort((order, day, patient))
    return _Levels(patient[sorted_by_time], cycle[sorted_by_time], level[sorted_by_time])


_Seen = tuple[Whole, Whole, Whole, int, Whole]


def _seen(table: _Table, order: int, level: Whole) -> _Seen:
    return table.patient, table["cycle"], table["day"], order, level


def _unseen(ends: _Table, starts: Whole) -> _Seen:
    """The level of a last cycle that ended on its day 1: no dose need show it."""
    place, last = np.arange(len(ends.patient)), ends["last_cycle"]
    on_day_1 = place[(last > 0) & (starts[place, last] == ends["day"])]
    return on_day_1, last[on_day_1], ends["day"][on_day_1], AT_END, ends["level"][on_day_1]


def _fill_levels(out: NDArray[Any], plan: Plan, doses: _Table, levels: _Levels) -> None:
    """The level of a cycle is that of its actual day 1; escalated: the first increase."""
    out["level_of_cycle"] = -1
    patient, cycle, gained = levels.changes()
    out["escalated_cycle"] = _first(len(out), patient[gained > 0], cycle[gained > 0])
    out["reductions"] = np.bincount(patient[gained < 0], minlength=len(out))
    out["first_reduction_cycle"] = _first(len(out), patient[gained < 0], cycle[gained < 0])
    day_1 = doses.where(doses["dose"] == 1)
    out["level_of_cycle"][day_1.patient, day_1["cycle"]] = day_1["level"]
    last = out["last_cycle"]
    place = np.arange(len(out))
    bare = (last > 0) & (out["level_of_cycle"][place, last] < 0)
    # Of a cycle without its first dose, the level known last; cycles not started do not count.
    counts = levels.cycle <= last[levels.patient]
    final = np.zeros(len(out), np.int64)
    final[levels.patient[counts]] = levels.level[counts]
    out["level_of_cycle"][place[bare], last[bare]] = final[bare]


def _fill_modifications(out: NDArray[Any], doses: _Table, log: _Table, levels: _Levels) -> None:
    """Withheld doses, holds opened, and the first of withheld dose, delay and reduction."""
    n = len(out)
    withheld = doses["given"] == 0
    out["interruptions"] = _count(n, doses, withheld)
    out["holds"] = _count(n, log, (log["won"] == 1) & (log["action"] == Action.HOLD))
    cycles = np.stack(
        [
            _first(n, doses.patient[withheld], doses["cycle"][withheld]),
            out["first_modification_cycle"],  # of delays, so far
            out["first_reduction_cycle"],
        ]
    )
    earliest = np.where(cycles == 0, NEVER, cycles).min(axis=0)
    out["first_modification_cycle"] = np.where(earliest == NEVER, 0, earliest)


# ---- adverse events


def _fill_events(out: NDArray[Any], events: _Table) -> None:
    n = len(out)
    np.add.at(out["events"], (events.patient, events["kind"]), 1)
    np.add.at(out["related_events"], (events.patient, events["kind"]), events["related"])
    out["first_any_cycle"] = _first(n, events.patient, events["cycle"])
    for kind in np.unique(events["kind"]):
        for grade in range(1, GRADES):
            rows = (events["kind"] == kind) & (events["grade"] >= grade)
            first = _first(n, events.patient[rows], events["cycle"][rows])
            out["first_event_cycle"][:, kind, grade] = first
    for place, grade in enumerate((2, 3)):
        rows = events.where(events["grade"] >= grade)
        out["toxicity_days"][:, place] = _days_covered(n, rows, out["last_day"])


def _days_covered(n: int, events: _Table, last_day: Whole) -> Whole:
    """Count days up to the last on which at least one of the events is active."""
    order = np.lexsort((events["onset_day"], events.patient))
    covered, days, patient = 0, np.zeros(n, np.int64), -1
    for row in order:
        if events.patient[row] != patient:
            patient, covered = int(events.patient[row]), 0
        start = max(int(events["onset_day"][row]), covered + 1)
        end = min(int(events["end_day"][row]), int(last_day[patient]))
        if end >= start:
            days[patient] += end - start + 1
            covered = end
    return days


# ---- rules


def _fill_rules(out: NDArray[Any], plan: Plan, log: _Table, events: _Table, starts: Whole) -> None:
    """Asks and clauses of rules that can raise the dose and may still fire; firings of all.

    A firing counts when it wins and acts (`sim/model/policy.py`). A gate rule fires once for a
    cycle start, however often it is asked again; the rows of `until` are no firings.
    """
    rules = log.where(log["ask"] != Ask.UNTIL)
    raises = plan.record.rule_raises[rules["rule"]] != 0
    asked = rules.where(raises & ~_has_used_up(plan, rules, events, starts))
    np.add.at(out["rule_asks"], (asked.patient, asked["rule"]), 1)
    first_clause = plan.record.rule_first_clause[asked["rule"]]
    remaining, offset = asked["clauses"].copy(), 0
    while np.any(remaining):
        held = (remaining & 1) == 1
        clause = first_clause[held] + offset
        np.add.at(out["clause_held"], (asked.patient[held], clause), 1)
        remaining >>= 1
        offset += 1
    gate = rules["ask"] == Ask.GATE
    acted = rules.where(~gate & (rules["won"] == 1))
    np.add.at(out["rule_fires"], (acted.patient, acted["rule"]), 1)
    fired = rules.where(gate & (rules["fired"] == 1))
    once = np.stack([fired.patient, fired["rule"], fired["cycle"]])
    patient, rule, _ = np.unique(once, axis=1)
    np.add.at(out["rule_fires"], (patient, rule), 1)


def _has_used_up(plan: Plan, rules: _Table, events: _Table, starts: Whole) -> NDArray[np.bool_]:
    """Say of every row whether its rule had fired max_fires times before that ask.

    An ask about several events fires, if at all, after all of them; a gate rule counts when it
    first fires for a cycle start.
    """
    used_up = np.zeros(len(rules.patient), bool)
    fires: dict[tuple[int, int], int] = {}
    pending: tuple[int, int] | None = None  # the winner of the ask about events now being read
    asking: tuple[int, ...] = ()
    gates: set[tuple[int, int, int]] = set()
    rows = np.flatnonzero(plan.record.rule_raises[rules["rule"]] != 0)
    for row, late in zip(rows, _is_late(rules.where(rows), events, starts), strict=True):
        patient, rule = int(rules.patient[row]), int(rules["rule"][row])
        ask = (patient, int(rules["day"][row]), int(rules["ask"][row]), int(late))
        if ask != asking and pending is not None:
            fires[pending] = fires.get(pending, 0) + 1
            pending = None
        asking = ask
        key = (patient, rule)
        used_up[row] = fires.get(key, 0) >= plan.record.rule_max_fires[rule]
        if rules["ask"][row] == Ask.GATE:
            start = (patient, rule, int(rules["cycle"][row]))
            if rules["fired"][row] and start not in gates:
                gates.add(start)
                fires[key] = fires.get(key, 0) + 1
        elif rules["won"][row]:
            pending = key
    return used_up


def _is_late(rules: _Table, events: _Table, starts: Whole) -> list[bool]:
    """Say which rows ask about an event that begins on day 1 of a cycle, after that day's dose.

    Of two events of a kind asked about on that day, it is the second.
    """
    begins = events["onset_day"] == starts[events.patient, events["cycle"]]
    first_day = events.where(begins & (events["known_day"] == events["onset_day"]))
    named = (first_day.patient, first_day["onset_day"], first_day["kind"])
    new = set(zip(*(column.tolist() for column in named), strict=True))
    rows = (rules.patient, rules["day"], rules["kind"], rules["rule"])
    told = list(zip(*(column.tolist() for column in rows), strict=True))
    left = Counter(told)
    late = []
    for row in told:
        left[row] -= 1
        late.append(row[:3] in new and left[row] == 0)
    return late


# ---- dose


def _fill_dose(out: NDArray[Any], plan: Plan, doses: _Table, latents: NDArray[np.float64]) -> None:
    """Doses given, and what a course at the reference dose would have given more, by cause.

    A dose at a level below the reference: what the reference exceeds the highest level so far
    by is not escalated, what that exceeds the level by is reduced; withheld doses are held; doses
    never planned are lost to delays in those who complete, to the stop in the others.
    """
    n, record = len(out), plan.record
    level_ug = np.array(record.level_ug)[doses["level"]]
    highest = _highest_so_far(doses, int(record.start_level))
    highest_ug = np.array(record.level_ug)[highest]
    given = doses["given"] == 1
    reference = int(record.reference_ug)
    given_ug = np.where(given, level_ug, 0)
    out["given_ug"] = _sum(n, doses.patient, given_ug)
    not_escalated = _sum(n, doses.patient, reference - highest_ug)
    reduced = _sum(n, doses.patient, highest_ug - level_ug)
    held = _sum(n, doses.patient, np.where(given, 0, level_ug))
    course = reference * int(record.n_doses) * int(record.max_cycles)
    rest = course - out["given_ug"] - not_escalated - reduced - held
    completed = out["cause"] == Cause.COMPLETED
    out["loss_not_escalated_ug"], out["loss_reduced_ug"] = not_escalated, reduced
    out["loss_held_ug"] = held
    out["loss_delayed_ug"] = np.where(completed, rest, 0)
    out["loss_stopped_ug"] = np.where(completed, 0, rest)

    cl_f, bsa = latents[:, 0], latents[:, 1]
    out["given_mg"] = out["given_ug"] * 1e-3 * bsa
    out["auc_per_day"] = _auc_per_day(plan, out["given_mg"], cl_f, np.maximum(out["last_day"], 1))
    if record.has_benefit:
        in_window = np.where(doses["day"] <= int(record.benefit_days), given_ug, 0)
        mg = _sum(n, doses.patient, in_window) * 1e-3 * bsa
        auc = _auc_per_day(plan, mg, cl_f, np.int64(record.benefit_days))
        logit = float(record.benefit_intercept) + float(record.benefit_slope) * auc
        out["benefit"] = [expit(float(value)) for value in logit]


def _auc_per_day(
    plan: Plan, mg: NDArray[np.float64], cl_f: NDArray[np.float64], days: Any
) -> NDArray[np.float64]:
    """Return 1000 mg / (CL/F days), ng*h/mL per day; a placebo's capsules give no exposure."""
    record = plan.record
    per_mg = float(record.auc_per_mg) * int(record.cycle_days) / int(record.n_doses)
    result: NDArray[np.float64] = per_mg * mg / (cl_f * days)
    return result


def _highest_so_far(doses: _Table, start_level: int) -> Whole:
    """Return the highest level of each patient up to each planned dose, from the start level."""
    lift = doses.patient * (1 << 8)  # patients rise one after the other, so one maximum serves all
    running = np.maximum.accumulate(np.maximum(doses["level"], start_level) + lift)
    return np.asarray(running - lift, np.int64)
