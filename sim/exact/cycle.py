"""One cycle of patients who share a state: what they live through, by day.

Given the node, kinds are independent, each with at most one event. With p_k the probability of
an event, Q_k that it stops treatment and O_k(x) that it is known by day x,

    G(x) = prod_k (1 - p_k Q_k O_k(x))

is the probability that no event has stopped treatment by the end of day x, and an event of kind
k counts if the other kinds have not stopped it before: the same product without k.
Arrays have the axes (states, ..., nodes).
"""

from dataclasses import dataclass

import numpy as np

from sim.exact.calendar import CycleCalendar
from sim.exact.nodes import Reals


@dataclass(frozen=True)
class Risks:
    """What may happen in a cycle, by state.

    event (states, kinds, nodes) is P(an event of the kind); related P(it is called related);
    grade (kinds, grades) P(exactly this grade); stop (states, kinds, grades, 2, rules) P(it is
    stopped first by a rule) by attribution.
    """

    event: Reals
    related: Reals
    grade: Reals
    stop: Reals

    def of_type(self, kind: int, grade: int, related: int) -> Reals:
        """Return P(an event of the kind has this grade and attribution), (states, nodes)."""
        called = self.related[:, kind]
        return self.grade[kind, grade] * (called if related else 1.0 - called)

    def goes_on(self, kind: int, grade: int, related: int) -> Reals:
        """Return P(such an event does not stop treatment), (states,)."""
        return np.asarray(1.0 - self.stop[:, kind, grade, related].sum(axis=-1))

    def stops(self, lowest_grade: int = 0) -> Reals:
        """Return P(an event of the kind has at least a grade and stops by one of the first rules).

        (rules, states, kinds, nodes), cumulative over the rules.
        """
        stop = np.cumsum(self.stop, axis=-1)
        stop = np.where((np.arange(stop.shape[2]) >= lowest_grade)[:, None, None], stop, 0.0)
        by_related = np.einsum("kg,skgri->iskr", self.grade, stop)
        return np.asarray(
            by_related[..., :1] * (1.0 - self.related) + by_related[..., 1:] * self.related
        )


@dataclass(frozen=True)
class CycleLaw:
    """stay (states, stop days + 1, nodes): not stopped by the i-th stop day; others (states,
    kinds, nodes): P(an event of the kind counts); stopped (states, rules, stop days, nodes)."""

    stay: Reals
    others: Reals
    stopped: Reals


def cycle_law(risks: Risks, calendar: CycleCalendar) -> CycleLaw:
    """Return the law of a cycle's stops and of what counts before them."""
    by_rules = risks.stops()
    stops = by_rules[-1] if len(by_rules) else np.zeros_like(risks.event)
    loads = (risks.event * stops)[:, None] * calendar.known_by[None, :, :, None]
    alone = 1.0 - loads
    stay = alone.prod(axis=2)
    others = np.einsum("ik,sikn->skn", calendar.counted, _without_one(alone))
    shape = (stay.shape[0], len(by_rules), len(calendar.stop_days), stay.shape[2])
    stopped = np.zeros(shape)
    known = np.diff(calendar.known_by, axis=0)[None, :, :, None]
    before = np.zeros((shape[0], *shape[2:]))
    for place, first_rules in enumerate(by_rules):
        # By day x - 1 nothing stopped, and on day x none of the first rules did either.
        none = (alone[:, :-1] - (risks.event * first_rules)[:, None] * known).prod(axis=2)
        upto = stay[:, :-1] - none
        stopped[:, place] = upto - before
        before = upto
    return CycleLaw(stay, others, stopped)


def _without_one(factors: Reals) -> Reals:
    """Return the products over all kinds (axis 2) but one."""
    products, kinds = np.empty_like(factors), factors.shape[2]
    running = np.ones_like(factors[:, :, 0])
    for kind in range(kinds):
        products[:, :, kind] = running
        running = running * factors[:, :, kind]
    running = np.ones_like(running)
    for kind in reversed(range(kinds)):
        products[:, :, kind] *= running
        running = running * factors[:, :, kind]
    return products


def toxic_days(risks: Risks, calendar: CycleCalendar, law: CycleLaw, lowest_grade: int) -> Reals:
    """Return the expected days on treatment with an event of a grade or higher, (states, nodes).

    Events last to the end of the cycle: a day is toxic unless all such events begin after it.
    """
    by_rules, high_by_rules = risks.stops(), risks.stops(lowest_grade)
    none = np.zeros_like(risks.event)
    stops = by_rules[-1] if len(by_rules) else none
    low_stops = stops - high_by_rules[-1] if len(by_rules) else none
    high = risks.grade[:, lowest_grade:].sum(axis=1)[:, None]
    days = np.zeros_like(law.stay[:, 0])
    for day in range(1, calendar.days + 1):
        before = calendar.stops_by(day - 1)
        # No event of a high grade by this day, and none of a lower grade stopped before it.
        clean = 1.0 - risks.event * (
            high * calendar.begun_by[day][:, None] + low_stops * calendar.known_by[before][:, None]
        )
        days = days + law.stay[:, before] - clean.prod(axis=1)
    return days
