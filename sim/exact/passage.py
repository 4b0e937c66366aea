"""The passage of patients through one cycle: what is expected of them, and where they end up.

States run in batches: arrays have the axes (states, rows, nodes), the row of all patients first,
then that of patients without any event so far, then one for every first event reported.
"""

from typing import Any

import numpy as np

from sim.codes import Cause, DurationLaw, Recurrence
from sim.exact.calendar import calendar_of
from sim.exact.course import run_through
from sim.exact.cycle import CycleLaw, Risks, cycle_law, toxic_days
from sim.exact.decision import Decisions, State
from sim.exact.exits import Exits, Leaving
from sim.exact.gains import Gain, Gains, gains_of
from sim.exact.hazards import Hazards
from sim.exact.nodes import Nodes, Reals
from sim.exact.stops import Stops
from sim.exact.sums import ExpectedSums
from sim.model.counts import (
    FIRST_EVENT,
    FIRSTS,
    VALUE_EVENTS,
    VALUE_FIRED,
    VALUE_RELATED,
    VALUES,
)
from sim.model.layout import GRADES

LARGEST_ARRAY = 4_000_000
TOXICITY = (("toxicity_days:g2", 2), ("toxicity_days:g3", 3))
Masses = dict[State, Reals]


def grades_of(plan: Any) -> Reals:
    """Return P(exactly this grade), (kinds, grades), of an event."""
    kinds = int(plan.n_kinds)
    shares = np.array(plan.grade_share[:kinds])
    at_least = np.hstack([shares, np.zeros((kinds, 1))])
    counting = np.array(plan.counting_grade[:kinds])[:, None]
    return np.where(np.arange(GRADES) >= counting, at_least[:, :-1] - at_least[:, 1:], 0.0)


def outlast_their_cycle(plan: Any, kind: int) -> bool:
    """Say whether events of a kind may go on beyond the cycle in which they begin."""
    possible = grades_of(plan)[kind] > 0.0
    laws = np.array(plan.duration_law[kind])
    return bool(np.any(possible & (laws != DurationLaw.TO_END_OF_CYCLE)))


def first_events_of(plan: Any) -> list[tuple[int, int]]:
    """Return (kind, lowest grade) of every first event that is reported."""
    return [
        (kind, grade)
        for kind in range(int(plan.n_kinds))
        for grade in range(int(plan.counting_grade[kind]), GRADES)
        if plan.grade_share[kind, grade] > 0.0
    ]


class Passage:
    """Takes masses through cycles and adds what is expected to the sums."""

    def __init__(
        self,
        plan: Any,
        nodes: Nodes,
        sums: ExpectedSums,
        decisions: Decisions,
        event_rules: list[int],
        cycles: int,
    ) -> None:
        self.plan = plan
        self.nodes = nodes
        self.sums = sums
        self.decisions = decisions
        self.event_rules = event_rules
        self.cycles = cycles
        self.kinds = int(plan.n_kinds)
        self.hazards = Hazards(plan, nodes)
        self.exits = Exits(plan, self.hazards.level_auc)
        self.stops = Stops(plan, event_rules)
        self.calendar = calendar_of(plan)
        self.grade = grades_of(plan)
        self.firsts = first_events_of(plan)
        self.once = [plan.recurrence[kind] == Recurrence.NEVER for kind in range(self.kinds)]
        self.tells_toxicity = not any(outlast_their_cycle(plan, k) for k in range(self.kinds))
        cells = len(nodes.cl_f) * (len(self.calendar.stop_days) + 1) * max(self.kinds, 1)
        self.batch = max(1, LARGEST_ARRAY // cells)

    def everybody(self) -> Reals:
        """Return the mass before the first dose: all patients, and none has had an event."""
        return np.ones((2 + len(self.firsts), len(self.nodes.cl_f)))

    def run(self, masses: Masses, cycle: int) -> Masses:
        """Run a cycle from its day 1, after the level decision, to the next level decision."""
        following: Masses = {}
        states = [state for state, mass in masses.items() if mass[0].any()]
        for first in range(0, len(states), self.batch):
            batch = states[first : first + self.batch]
            self._run_batch(batch, np.stack([masses[s] for s in batch]), cycle, following)
        return following

    def _run_batch(self, states: list[State], mass: Reals, cycle: int, following: Masses) -> None:
        first_day, within = (cycle - 1) * self.calendar.days, self.calendar.within
        ahead = [self.exits.of(state.course.level, cycle, True) for state in states]
        self._leave(states, mass[:, 0], ahead, cycle, first_day + 1, 0)
        mass = mass * np.stack([one.stay for one in ahead])[:, None]
        risks = self._risks(states, cycle)
        law = cycle_law(risks, self.calendar)
        self._note_events(mass, risks, law, cycle)
        self._note_doses(states, mass[:, 0], law)
        self._stop(states, mass[:, 0], law, cycle, range(within))
        leaving = [self.exits.of(state.course.level, cycle, False) for state in states]
        doses, last_day = len(self.calendar.dose_days), cycle * self.calendar.days
        self._leave(states, mass[:, 0] * law.stay[:, within], leaving, cycle, last_day, doses)
        mass = mass * np.stack([one.stay for one in leaving])[:, None]
        # What is known only on the planned start of the next cycle comes after the exits.
        self._stop(states, mass[:, 0], law, cycle, range(within, len(self.calendar.stop_days)))
        if cycle == self.cycles:
            completed = mass[:, 0] * law.stay[:, -1]
            self.sums.add_end(Cause.COMPLETED, 0, cycle, completed.sum(axis=0))
            self._end(states, completed, cycle, last_day, doses)
        else:
            self._go_on(states, mass, self._gains(risks, cycle), cycle, following)

    # ---- risks and events

    def _risks(self, states: list[State], cycle: int) -> Risks:
        shape = (len(states), self.kinds, len(self.nodes.cl_f))
        event, related = np.zeros(shape), np.zeros(shape)
        for place, state in enumerate(states):
            background, drug = self.hazards.of(state.course, cycle)
            event[place] = -np.expm1(-(background + drug))
            related[place] = self.hazards.called_related(state.course, cycle)
            for kind in range(self.kinds):
                if (state.had >> kind) & 1:
                    event[place, kind] = 0.0
        stop = np.stack([self.stops.of(state.course, cycle) for state in states])
        return Risks(event, related, self.grade, stop)

    def _note_events(self, mass: Reals, risks: Risks, law: CycleLaw, cycle: int) -> None:
        sums, counts = self.sums, risks.event * law.others
        none = (1.0 - risks.event).prod(axis=1)
        first_any = (mass[:, 1] * (1.0 - none)).sum(axis=0)
        sums.first[FIRSTS.index("first_event:any"), cycle] += sums.mean(first_any)
        for row, (kind, grade) in enumerate(self.firsts, start=2):
            share = self.grade[kind, grade:].sum()
            first = share * (mass[:, row] * counts[:, kind]).sum(axis=0)
            sums.first[FIRST_EVENT + kind * GRADES + grade, cycle] += sums.mean(first)
        everyone = mass[:, :1] * counts
        for kind in range(self.kinds):
            related = everyone[:, kind] * risks.related[:, kind]
            sums.total[VALUE_EVENTS + kind] += sums.mean(everyone[:, kind].sum(axis=0))
            sums.total[VALUE_RELATED + kind] += sums.mean(related.sum(axis=0))
        if self.tells_toxicity:
            for name, grade in TOXICITY:
                days = toxic_days(risks, self.calendar, law, grade)
                sums.add_value(name, (mass[:, 0] * days).sum(axis=0))

    # ---- doses and ends

    def _note_doses(self, states: list[State], mass: Reals, law: CycleLaw) -> None:
        """Add what doses reached lose against the reference dose."""
        planned = law.stay[:, self.calendar.stops_before_dose].sum(axis=1) * mass
        level_ug = self.plan.level_ug
        for state, doses in zip(states, planned, strict=True):
            highest, own = level_ug[state.course.highest], level_ug[state.course.level]
            self.sums.add_value("rdi_loss:not_escalated", doses, self.plan.reference_ug - highest)
            self.sums.add_value("rdi_loss:reduced", doses, highest - own)

    def _leave(
        self,
        states: list[State],
        mass: Reals,
        leaving: list[Leaving],
        cycle: int,
        last_day: int,
        doses: int,
    ) -> None:
        for place in range(len(leaving[0].by_cause)):
            cause = Cause(leaving[0].by_cause[place][0])
            left = mass * np.stack([one.by_cause[place][1] for one in leaving])
            self.sums.add_end(cause, 0, cycle, left.sum(axis=0))
            self._end(states, left, cycle, last_day, doses)

    def _stop(
        self, states: list[State], mass: Reals, law: CycleLaw, cycle: int, stop_days: range
    ) -> None:
        """End treatment of those whom an event stops on some of the stop days."""
        if not stop_days or not self.event_rules:
            return
        span = slice(stop_days.start, stop_days.stop)
        for place, rule in enumerate(self.event_rules):
            stopped = (mass * law.stopped[:, place, span].sum(axis=1)).sum(axis=0)
            route = int(self.plan.rule_route[rule])
            self.sums.total[VALUE_FIRED + rule] += self.sums.mean(stopped)
            self.sums.add_end(Cause.ADVERSE_EVENT, route, cycle, stopped)
        for number in stop_days:
            stopped = mass * (law.stay[:, number] - law.stay[:, number + 1])
            day = (cycle - 1) * self.calendar.days + int(self.calendar.stop_days[number])
            doses = int((self.calendar.stops_before_dose <= number).sum())
            self._end(states, stopped, cycle, day, doses)

    def end_before(self, state: State, mass: Reals, cycle: int) -> None:
        """End treatment on the day a cycle would have started: mass (nodes,)."""
        day = (cycle - 1) * self.calendar.days + 1
        self._end([state], mass[None], cycle, day, 0)

    def _end(self, states: list[State], mass: Reals, cycle: int, last_day: int, doses: int) -> None:
        """Note patients who end on a day with the first so many doses of a cycle given."""
        level_ug = self.plan.level_ug
        before = np.array([state.course.given_ug for state in states], float)
        within = np.array([state.course.benefit_ug for state in states], float)
        level = np.array([level_ug[state.course.level] for state in states], float)
        self.sums.add_course(mass, before + doses * level, last_day)
        self.sums.add_benefit(mass, within + self._in_window(cycle, doses) * level)

    def _in_window(self, cycle: int, doses: int) -> int:
        """Return how many of the first doses of a cycle lie within the window of benefit."""
        days = (cycle - 1) * self.calendar.days + self.calendar.dose_days[:doses]
        return int((days <= self.plan.benefit_days).sum())

    # ---- the next cycle

    def _gains(self, risks: Risks, cycle: int) -> Gains:
        """Return what the events of a cycle add to the look-backs that still matter."""
        looks = self.decisions.looks

        def gain_of(kind: int, grade: int, related: int) -> Gain:
            had = 1 << kind if self.once[kind] else 0
            return had, looks.of_event(cycle, kind, grade, related)

        return gains_of(risks, self.firsts, gain_of, tuple(one.most for one in looks.all))

    def _go_on(
        self, states: list[State], mass: Reals, gains: Gains, cycle: int, following: Masses
    ) -> None:
        """Put those who go on into their states before the next level decision."""
        doses = len(self.calendar.dose_days)
        in_window = self._in_window(cycle, doses)
        for (had, amounts), share in gains.items():
            going = mass * share
            for place, state in enumerate(states):
                if not going[place, 0].any():
                    continue
                level_ug = int(self.plan.level_ug[state.course.level])
                course = run_through(
                    state.course, self.decisions.memory, doses * level_ug, in_window * level_ug
                )
                counts = self.decisions.looks.after_cycle(state.counts, amounts)
                after = State(course, counts, state.fires, state.had | had)
                old = following.get(after)
                following[after] = going[place] if old is None else old + going[place]

    def finish(self) -> None:
        """Share out what is left of the planned course: to stops, and to days that ran out."""
        plan, sums, place = self.plan, self.sums, VALUES.index
        reference = float(plan.reference_ug) * float(plan.n_doses)
        unplanned = reference * (int(plan.max_cycles) - self.cycles)
        delayed = unplanned * sums.total[place("completed")]
        lost = [sums.total[place(f"rdi_loss:{cause}")] for cause in ("not_escalated", "reduced")]
        rest = reference * int(plan.max_cycles) - sums.total[place("given_ug")] - sum(lost)
        sums.total[place("rdi_loss:delayed")] += delayed
        sums.total[place("rdi_loss:stopped")] += rest - delayed
