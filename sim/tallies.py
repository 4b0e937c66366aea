"""Running tallies of arms and of pairs of arms, block by block, exact in whole numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.endpoints import Endpoint, endpoints_of
from sim.engines.run import BLOCK, OutcomeRunner, Progress, map_blocks
from sim.errors import LimitError
from sim.model.counts import (
    AUC_UNIT,
    END_LARGE,
    FIRST_EVENT,
    FIRST_LARGE,
    MAX_AMOUNT,
    MAX_TALLIED,
    N_ALWAYS,
    N_VALUES,
    NOTE,
    PAIR,
    PART_BITS,
    RDI_UNIT,
    TALLY,
    VALUE_ASKS,
    VALUE_CLAUSE,
    VALUE_EVENTS,
    VALUE_FIRED,
    VALUE_RELATED,
    VALUE_SUCCESS,
)
from sim.model.elementary import exp
from sim.model.layout import GRADES
from sim.model.tally import (
    MATCH_LEVEL,
    N_MATCHES,
    tally_outcomes,
    tally_pairs,
)
from sim.plan.plan import Plan, engine_array

LARGE = ("total", "square", "product")
# Fields whose high parts stand in another one.
REST = {"square": "large_square", "product": "large_product"}
# The uniform behind a clearance is at least 2^-53: 8.3 standard deviations.
FURTHEST_SD = 8.3


class Sums:
    """A tally or a pair of tallies by field name; sums of amounts grow without limit.

    Records are added up as they are until their 64 bits might not hold the next, and are
    then carried over into whole numbers of any length.
    """

    def __init__(self, dtype: np.dtype) -> None:
        self._recent = np.zeros(1, dtype)
        self._fields = {
            name: np.zeros(dtype[name].shape, object if name in LARGE else np.int64)
            for name in dtype.names or ()
            if name not in REST.values()
        }

    def __getitem__(self, name: str) -> Any:
        self._carry()
        return self._fields[name]

    def add(self, block: NDArray[Any]) -> None:
        """Add one block's record, of MAX_TALLIED patients at most."""
        patients = int(block["patients"][0])
        if patients > MAX_TALLIED:
            raise ValueError(f"a record of {patients} patients may hold at most {MAX_TALLIED}")
        if int(self._recent["patients"][0]) + patients > MAX_TALLIED:
            self._carry()
        self._recent.view(np.int64)[:] += block.view(np.int64)

    def add_sums(self, other: "Sums") -> None:
        """Add another tally."""
        self._carry()
        for name in self._fields:
            self._fields[name] = self._fields[name] + other[name]

    def _carry(self) -> None:
        if not self._recent["patients"][0]:
            return
        recent = self._recent[0]
        for name, field_sums in self._fields.items():
            own = recent[name].astype(object) if name in LARGE else recent[name]
            if REST.get(name) in recent.dtype.fields:
                mixed, high = recent[REST[name]].astype(object)
                first_of_four = own if own.ndim == 1 else own[:, 0]
                first_of_four[FIRST_LARGE:END_LARGE] += mixed << PART_BITS
                first_of_four[FIRST_LARGE:END_LARGE] += high << (2 * PART_BITS)
            self._fields[name] = field_sums + own
        self._recent = np.zeros(1, self._recent.dtype)


def _over(top: float, below: float) -> float:
    return top / below if below > 0.0 else math.inf


def check_amounts(plan: Plan) -> None:
    """Raise LimitError if a patient's dose or exposure could be too large for exact sums."""
    record = plan.record
    highest_ug = float(record.level_ug[: record.n_levels].max())
    doses = float(record.n_doses) * float(record.max_cycles)
    area = float(record.bsa_high) if record.per_m2 else 1.0
    daily = highest_ug * float(record.cycle_days) / float(record.n_doses)
    if record.n_individuals:
        slowest = float(record.individual_cl_f[0])
    else:
        slowest = float(record.cl_f_typical) * exp(-FURTHEST_SD * float(record.cl_f_sd_log))
    reference_ug = float(record.reference_ug)
    largest = (
        # A loss is a course at the reference dose less what was given and lost otherwise.
        ("dose", "mg", max(reference_ug + 3.0 * highest_ug, highest_ug * area) * doses, 1e3),
        ("relative dose intensity", "times", _over(daily * RDI_UNIT, reference_ug), RDI_UNIT),
        (
            "AUC/day",
            "ng*h/mL per day",
            _over(float(record.auc_per_mg) * daily * 1e-3 * area * AUC_UNIT, slowest),
            AUC_UNIT,
        ),
    )
    for what, unit, amount, per_unit in largest:
        if not amount <= MAX_AMOUNT:
            raise LimitError(
                f"{plan.scenario.name}: the {what} of a patient may reach {amount / per_unit:.3g} "
                f"{unit}; sums over patients are exact up to {MAX_AMOUNT / per_unit:.3g}. Look at "
                "the doses, the clearance and its spread"
            )


def denominators_of(endpoints: Sequence[Endpoint]) -> NDArray[np.int64]:
    """Return for every value the value it is divided by, -1 for the number of patients."""
    denominators = np.full(N_VALUES, -1, np.int64)
    for endpoint in endpoints:
        if endpoint.family == "value":
            denominators[endpoint.index] = endpoint.denominator
    return denominators


@dataclass
class Arm:
    """One scenario while it is being counted."""

    plan: Plan
    endpoints: tuple[Endpoint, ...] = field(init=False)
    denominators: NDArray[np.int64] = field(init=False)
    divided: NDArray[np.int64] = field(init=False)
    sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        check_amounts(self.plan)
        self.endpoints = endpoints_of(self.plan)
        self.denominators = denominators_of(self.endpoints)
        self.divided = np.flatnonzero(self.denominators[:N_ALWAYS] >= 0)
        self.sums = Sums(TALLY)

    def tally(self, outcomes: NDArray[Any]) -> NDArray[Any]:
        """Return the tally of a block of outcome records."""
        tally = engine_array(np.zeros(1, TALLY))
        notes = engine_array(np.zeros(1, NOTE))
        tally_outcomes(
            self.plan.numbers,
            engine_array(outcomes),
            self.denominators,
            self.divided,
            tally,
            notes,
        )
        return tally.view(np.ndarray)

    def count(self, outcomes: NDArray[Any]) -> None:
        """Add a block of outcome records."""
        self.sums.add(self.tally(outcomes))


def _match_names(own: Sequence[str], others: Sequence[str]) -> list[int]:
    return [others.index(name) if name in others else -1 for name in own]


def _matches(arm: Arm, other: Arm) -> NDArray[np.int64]:
    """Return where values, levels and firsts of one arm stand in another arm."""
    matches = np.full(N_MATCHES, -1, np.int64)
    matches[:VALUE_SUCCESS] = np.arange(VALUE_SUCCESS)
    own, others = arm.plan.names, other.plan.names
    by_name = {endpoint.name: endpoint.index for endpoint in other.endpoints}
    for endpoint in arm.endpoints:
        if endpoint.family == "value" and endpoint.name in by_name:
            matches[endpoint.index] = by_name[endpoint.name]
    for first, names, their_names in (
        (VALUE_EVENTS, own.kinds, others.kinds),
        (VALUE_RELATED, own.kinds, others.kinds),
        (VALUE_ASKS, own.rules, others.rules),
        (VALUE_FIRED, own.rules, others.rules),
        (VALUE_CLAUSE, own.clauses, others.clauses),
        (MATCH_LEVEL, own.levels, others.levels),
    ):
        for place, match in enumerate(_match_names(names, their_names)):
            base = 0 if first == MATCH_LEVEL else first
            matches[first + place] = base + match if match >= 0 else -1
    matches[N_VALUES : N_VALUES + FIRST_EVENT] = N_VALUES + np.arange(FIRST_EVENT)
    for place, match in enumerate(_match_names(own.kinds, others.kinds)):
        for grade in range(GRADES):
            number = N_VALUES + FIRST_EVENT + match * GRADES + grade if match >= 0 else -1
            matches[N_VALUES + FIRST_EVENT + place * GRADES + grade] = number
    return matches


@dataclass
class PairOfArms:
    """Sums of products of one arm with the reference arm, over the same patients."""

    arm: Arm
    reference: Arm
    sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        self.sums = Sums(PAIR)
        self._matches = _matches(self.arm, self.reference)

    def tally(self, outcomes: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
        """Return the sums of products of a block of both arms, of the same patients."""
        pair = engine_array(np.zeros(1, PAIR))
        tally_pairs(
            self.arm.plan.numbers,
            self.reference.plan.numbers,
            engine_array(outcomes),
            engine_array(others),
            self._matches,
            self.arm.denominators,
            self.reference.denominators,
            pair,
            engine_array(np.zeros(2, NOTE)),
        )
        return pair.view(np.ndarray)

    def count(self, outcomes: NDArray[Any], others: NDArray[Any]) -> None:
        """Add a block of both arms' outcome records of the same patients."""
        self.sums.add(self.tally(outcomes, others))


def count_arms(
    plans: Sequence[Plan],
    first: int,
    patients: int,
    engine: str = "kernel",
    threads: int | None = None,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> tuple[list[Arm], list[PairOfArms]]:
    """Count consecutive patients in every arm; pairs are against the first arm."""
    arms = [Arm(plan) for plan in plans]
    pairs = [PairOfArms(arm, arms[0]) for arm in arms[1:]]
    runners = [OutcomeRunner(plan, engine) for plan in plans]

    def work(start: int, count: int) -> tuple[int, list[NDArray[Any]], list[NDArray[Any]]]:
        outcomes = [runner.run(start, count) for runner in runners]
        own = [arm.tally(outcome) for arm, outcome in zip(arms, outcomes, strict=True)]
        both = [
            pair.tally(outcome, outcomes[0])
            for pair, outcome in zip(pairs, outcomes[1:], strict=True)
        ]
        return count, own, both

    for count, own, both in map_blocks(work, first, patients, engine, threads, block):
        for arm, tally in zip(arms, own, strict=True):
            arm.sums.add(tally)
        for pair, products in zip(pairs, both, strict=True):
            pair.sums.add(products)
        if progress is not None:
            progress(count * len(plans))
    return arms, pairs
