"""The days of a cycle on which events are known, stop treatment, and come before doses.

Without holds and delays every cycle has the same days: day 1 of cycle c is calendar day
(c - 1) * cycle_days + 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.exact.nodes import Reals
from sim.model.draws import TWO_32


@dataclass(frozen=True)
class CycleCalendar:
    """Days count from 1 in the cycle; day cycle_days + 1 is the planned start of the next.

    stop_days ascend: those on which an event may stop treatment. known_by (stop days + 1, kinds)
    is P(an event of the cycle is known by the i-th of them), 0 for none. begun_by (days + 1,
    kinds) is P(it has begun by the end of a day). counted (stop days + 1, kinds): P(an event
    begins on a day such that it counts if nobody else stopped treatment on the first i stop days,
    and i is the least such number). dose_days, and for each the stop days on or before it.
    """

    days: int
    stop_days: NDArray[np.int64]
    known_by: Reals
    begun_by: Reals
    counted: Reals
    dose_days: NDArray[np.int64]
    stops_before_dose: NDArray[np.int64]
    within: int  # stop days that are days of the cycle itself

    def stops_by(self, day: int) -> int:
        """Return how many stop days lie on or before a day."""
        return int(np.searchsorted(self.stop_days, day, "right"))


def calendar_of(plan: Any) -> CycleCalendar:
    """Return the calendar of a plan's cycles."""
    days, kinds = int(plan.cycle_days), int(plan.n_kinds)
    points = range(int(plan.n_points))
    visits = [int(plan.point_day[p]) for p in points if plan.point_visit[p]]
    doses = np.array([int(plan.point_day[p]) for p in points if plan.point_dose[p] > 0])
    known = [_known_day(day, visits, days, bool(plan.seen_at_onset)) for day in range(1, days + 1)]
    stop_days = np.unique(np.array(known))
    begins = np.diff(np.array(plan.onset[:kinds, : days + 1]) / TWO_32, axis=1).T
    known_by = np.zeros((len(stop_days) + 1, kinds))
    counted = np.zeros_like(known_by)
    reach = [_counts_to(int(stop), doses, int(plan.follow_up_days)) for stop in stop_days]
    for day in range(1, days + 1):
        known_by[np.searchsorted(stop_days, known[day - 1]) + 1] += begins[day - 1]
        counted[sum(last < day for last in reach)] += begins[day - 1]
    return CycleCalendar(
        days=days,
        stop_days=stop_days,
        known_by=np.cumsum(known_by, axis=0),
        begun_by=np.vstack([np.zeros((1, kinds)), np.cumsum(begins, axis=0)]),
        counted=counted,
        dose_days=doses,
        # The dose of day 1 is given before any event of the cycle can be known.
        stops_before_dose=np.where(doses == 1, 0, np.searchsorted(stop_days, doses, "right")),
        within=int(np.searchsorted(stop_days, days, "right")),
    )


def _known_day(day: int, visits: list[int], days: int, at_onset: bool) -> int:
    """Return the day on which an event is known; an onset on day 1 comes after its visit."""
    if at_onset:
        return day
    return min((visit for visit in visits if visit >= day and visit > 1), default=days + 1)


def _counts_to(stop_day: int, doses: NDArray[np.int64], follow_up_days: int) -> int:
    """Return the last day of onset that counts for a patient stopped on a day."""
    if follow_up_days == 0:
        return stop_day
    given = doses[(doses == 1) | (doses < stop_day)]
    return max(stop_day, int(given.max()) + follow_up_days)
