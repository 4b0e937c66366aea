"""Exact outcomes as rows of the summary table, with the error of the quadrature."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sim.endpoints import Endpoint, endpoints_of
from sim.errors import LimitError
from sim.exact.nodes import STEPS, Reals
from sim.exact.reach import check_reach, event_rules, level_rules
from sim.exact.recursion import solve
from sim.exact.sums import ExpectedSums
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import Loaded, load_scenario
from sim.scenario.scenario import Scenario
from sim.summary import SUMMARY_COLUMNS

TOLERANCE = 1e-6
MOST_STEPS = 480
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
        smaller: it falls geometrically with the nodes. At most 1e-6, but for integrals that
        need more than 480 nodes.
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


def exact_summary(
    scenario: Scenario | Loaded | str | os.PathLike[str], overrides: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the summary table of a scenario without simulation: mcse 0, no n.

    scenario is a file, the name of a shipped one, or a loaded Scenario; overrides are path=value
    texts for the first two. Raises LimitError, with every reason, if it is out of reach.
    """
    if isinstance(scenario, str | os.PathLike):
        scenario = load_scenario(scenario, overrides)
    elif overrides:
        raise LimitError("overrides need a scenario's file or name, not a loaded scenario")
    own = scenario.scenario if isinstance(scenario, Loaded) else scenario
    return exact_outcomes(compile_plan(own)).summary


def exact_outcomes(plan: Plan) -> ExactOutcomes:
    """Solve a plan; raise LimitError with every reason if it is out of reach of exact mode.

    An integral whose coarser rule is off by more than the tolerance is solved again with twice
    the nodes, up to a limit; `error` then says what is left.
    """
    check_reach(plan)
    rules, steps = (level_rules(plan), event_rules(plan)), list(STEPS)
    while True:
        recursion = solve(plan, *rules, steps)
        left_out = {} if recursion.passage.tells_toxicity else dict(_without_durations(plan))
        rows, errors = _rows(plan, recursion.sums, left_out)
        coarse = [
            integral
            for integral, error in zip(recursion.nodes.integrals, errors, strict=True)
            if error > TOLERANCE and steps[integral] < MOST_STEPS
        ]
        if not coarse:
            break
        for integral in coarse:
            steps[integral] *= 2
    frame = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    frame["cycle"] = frame["cycle"].astype("Int64")
    frame["n"] = frame["n"].astype("Int64")
    return ExactOutcomes(plan, frame, max(errors, default=0.0), left_out, recursion.most_states)


def _rows(
    plan: Plan, sums: ExpectedSums, left_out: dict[str, str]
) -> tuple[list[tuple[object, ...]], list[float]]:
    """Return the rows of the summary table, and the largest error of every coarser rule."""
    rows: list[tuple[object, ...]] = []
    errors = np.zeros(len(sums.nodes.integrals))
    for endpoint in endpoints_of(plan):
        if endpoint.name in left_out:
            continue
        for cycle, value in _values(plan, sums, endpoint):
            estimate = float(value[0])
            off = np.abs(value[1:] - estimate) / max(1.0, abs(estimate))
            errors = np.fmax(errors, off)
            label, population = endpoint.label, endpoint.population
            interval = (estimate, 0.0, estimate, estimate)
            name = plan.scenario.name
            rows.append((name, endpoint.name, label, cycle, population, *interval, None))
    return rows, [float(error) for error in errors]


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
