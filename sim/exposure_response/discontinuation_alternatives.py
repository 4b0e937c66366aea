"""Other readings of the same two counts, and what each leaves for the decision to escalate.

27 of 31 early stops are about stopping, not about onset. Front-loaded onset with one q is one
reading; these fit the counts as well (`reference/methods.md` 2.2 and 2.4): constant onset with an
early event more often a reason to stop, and a susceptible part of the patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.exposure_response.discontinuation import (
    Q_AT_1,
    Course,
    Hazards,
    Shares,
    cycle_hazards,
    incidence,
    root_or_end,
    stay_probability,
    stopped_shares,
)

MORE_EVEN_THAN_CONSTANT = "early share below that of a constant hazard"
ALL_SUSCEPTIBLE = "susceptible share at 1"
STOP_AT_ONCE = "all of the susceptible stop in the first cycle"
CERTAIN_STOP = "all stop in one cycle"
ONE_PATIENT = np.ones(1)
NEARLY_ZERO = 1e-9


@dataclass(frozen=True)
class EarlyLate:
    """Two probabilities, of an early and of a late cycle; `boundary` names what was not met."""

    early: float
    late: float
    boundary: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Early divided by late; infinite if nothing happens late."""
        return self.early / self.late if self.late > 0.0 else float("inf")


@dataclass(frozen=True)
class MoverStayer:
    """Share of patients who can stop for an adverse event, and their probability per cycle."""

    susceptible: float
    stop_per_cycle: float
    boundary: tuple[str, ...] = ()

    def susceptible_after(self, cycles: int) -> float:
        """Return the susceptible share of those still on treatment after some cycles."""
        left = self.susceptible * (1.0 - self.stop_per_cycle) ** cycles
        return left / (left + 1.0 - self.susceptible)


def constant_phi(course: Course) -> float:
    """Return the phi of a constant hazard."""
    return course.early_cycles / course.reference_cycles


def solve_early_late_q(found: Hazards, course: Course, shares: Shares) -> EarlyLate:
    """Return q of early and q of late events under a constant hazard."""
    phi = constant_phi(course)
    early = shares.early_share * shares.total
    q_early, _ = root_or_end(lambda q: incidence(found, (q, 0.0), phi, course)[0] - early)
    q_late, _ = root_or_end(lambda q: incidence(found, (q_early, q), phi, course)[1] - shares.total)
    return EarlyLate(q_early, q_late, (Q_AT_1,) if 1.0 in (q_early, q_late) else ())


def _alike(stop_early: float, stop_late: float, course: Course) -> tuple[float, float]:
    """Return the shares stopped when all patients have the same probabilities per cycle."""
    early, late = np.array([1.0 - stop_early]), np.array([1.0 - stop_late])
    return stopped_shares(early, late, ONE_PATIENT, course)


def solve_mover_stayer(course: Course, shares: Shares) -> MoverStayer:
    """Return the susceptible share and its constant probability of stopping per cycle.

    A constant hazard of all patients gives the lowest early share this reading can give; below
    it the susceptible share is 1 and the total is met.
    """

    def early_share(stop: float) -> float:
        early, total = _alike(stop, stop, course)
        return early / total

    stop, is_cut = root_or_end(lambda p: early_share(p) - shares.early_share, NEARLY_ZERO, 1.0)
    susceptible = shares.total / _alike(stop, stop, course)[1]
    if not is_cut and susceptible <= 1.0:
        is_at_once = shares.early_share == 1.0
        return MoverStayer(susceptible, stop, (STOP_AT_ONCE,) if is_at_once else ())
    reason = MORE_EVEN_THAN_CONSTANT if is_cut else ALL_SUSCEPTIBLE
    stop, _ = root_or_end(lambda p: _alike(p, p, course)[1] - shares.total)
    return MoverStayer(1.0, stop, (reason,))


def crude_stop_rates(course: Course, shares: Shares) -> EarlyLate:
    """Return the probabilities of stopping in an early and in a late cycle, all patients alike.

    No dose and no event enters: this is what the counts and the stay say by themselves.
    """
    target = shares.early_share * shares.total
    early, _ = root_or_end(lambda p: _alike(p, 0.0, course)[0] - target)
    late, _ = root_or_end(lambda p: _alike(early, p, course)[1] - shares.total)
    return EarlyLate(early, late, (CERTAIN_STOP,) if 1.0 in (early, late) else ())


def phi_of_ratio(ratio: float, course: Course) -> float:
    """Return the early share of the reference course's hazard for an early/late ratio."""
    early, late = course.early_cycles, course.reference_cycles - course.early_cycles
    return early * ratio / (early * ratio + late) if np.isfinite(ratio) else 1.0


def constant_hazard_early_share(course: Course, total: float) -> float:
    """Return the early share of the stops if the probability per cycle were constant."""
    stop, _ = root_or_end(lambda p: _alike(p, p, course)[1] - total)
    return _alike(stop, stop, course)[0] / total


def escalated_share(
    found: Hazards,
    bars: Sequence[bool],
    q: float,
    phi: float,
    course: Course,
    escalation_cycle: int = 5,
    window_cycles: int = 2,
) -> float:
    """Return the share of those on treatment at the escalation cycle whom no event bars.

    `found` are hazards at the starting dose, bars (kinds,) is true for kinds whose events in the
    last window_cycles before it bar the escalation. The other exit cancels. With q = 0 it is the
    probability of no barring event in the window (methods 4.1, all events related, no reduction).
    """
    treated = np.ones_like(found.weights)
    free = np.ones_like(found.weights)
    early, late = cycle_hazards(found, phi, course)
    for cycle in range(1, escalation_cycle):
        hazard = early if cycle <= course.early_cycles else late
        treated = treated * stay_probability(hazard, q)
        is_in_window = cycle >= escalation_cycle - window_cycles
        chance = np.array([1.0 if is_in_window and one else q for one in bars])
        free = free * np.prod(1.0 + chance[:, None] * np.expm1(-hazard), axis=0)
    return float((found.weights @ free) / (found.weights @ treated))
