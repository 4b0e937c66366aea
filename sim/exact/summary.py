"""Exact outcomes as rows of the summary table, with the error of the quadrature."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sim.endpoints import Endpoint, endpoints_of
from sim.exact.nodes import Reals
from sim.exact.reach import check_reach, event_rules, level_rules
from sim.exact.recursion import solve
from sim.exact.sums import ExpectedSums
from sim.plan.plan import Plan
from sim.summary import SUMMARY_COLUMNS

Key = tuple[str, int | None]


@dataclass(frozen=True)
class ExactOutcomes:
    """Every outcome of a plan without simulation.

    Attributes
    ----------
    summary
        Rows of the summary table: mcse 0, an interval of no width, and no n.
    error
        Largest difference, relative to the larger of 1 and the estimate, between the quadrature
        in use and one with every second node of an integral. The error of the one in use is far
        smaller: it falls geometrically with the nodes.
    left_out
        Endpoints that are not given, each with the reason.
    most_states
        The most states of a patient that the recursion told apart in a cycle.
    """

    plan: Plan = field(repr=False)
    summary: pd.DataFrame = field(repr=False)
    error: float
    left_out: dict[str, str]
    most_states: int

    def values(self) -> dict[Key, float]:
        """Return the estimates by endpoint and cycle; None for endpoints without cycles."""
        columns = (self.summary[name] for name in ("endpoint", "cycle", "estimate"))
        return {
            (endpoint, None if cycle is pd.NA else int(cycle)): estimate
            for endpoint, cycle, estimate in zip(*columns, strict=True)
        }


def exact_outcomes(plan: Plan) -> ExactOutcomes:
    """Solve a plan; raise LimitError with every reason if it is out of reach of exact mode."""
    check_reach(plan)
    recursion = solve(plan, level_rules(plan), event_rules(plan))
    left_out = {} if recursion.passage.tells_toxicity else dict(_without_durations(plan))
    rows, error = [], 0.0
    for endpoint in endpoints_of(plan):
        if endpoint.name in left_out:
            continue
        for cycle, value in _values(plan, recursion.sums, endpoint):
            estimate = float(value[0])
            error = max(error, *np.abs(value - value[0]) / max(1.0, abs(estimate)), 0.0)
            label, population = endpoint.label, endpoint.population
            interval = (estimate, 0.0, estimate, estimate)
            name = plan.scenario.name
            rows.append((name, endpoint.name, label, cycle, population, *interval, None))
    frame = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    frame["cycle"] = frame["cycle"].astype("Int64")
    frame["n"] = frame["n"].astype("Int64")
    return ExactOutcomes(plan, frame, error, left_out, recursion.most_states)


def _without_durations(plan: Plan) -> Iterator[tuple[str, str]]:
    for endpoint in endpoints_of(plan):
        if endpoint.name.startswith("toxicity_days"):
            yield endpoint.name, "some adverse events may go on beyond their cycle"


def _values(
    plan: Plan, sums: ExpectedSums, endpoint: Endpoint
) -> Iterator[tuple[int | None, Reals]]:
    """Yield the values of an endpoint by every quadrature rule, by cycle where it has cycles."""
    if endpoint.family == "value":
        above = sums.total[endpoint.index]
        below = sums.total[endpoint.denominator] if endpoint.denominator >= 0 else None
        yield None, endpoint.unit * (above if below is None else _ratio(above, below))
        return
    by_cycle = {
        "first": lambda: np.cumsum(sums.first[endpoint.index], axis=0),
        "on_treatment": lambda: sums.on_treatment,
        "level": lambda: sums.level[endpoint.index],
        "escalated_on": lambda: _ratio(sums.escalated_on, sums.on_treatment),
    }[endpoint.family]()
    for cycle in range(1, int(plan.record.max_cycles) + 1):
        yield cycle, by_cycle[cycle]


def _ratio(above: Reals, below: Reals) -> Reals:
    """Return the quotient; NaN where nobody is counted."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0.0)
