"""Exact outcomes of benchmark model M: a forward recursion over cycles, nothing simulated.

Two readings of M. `RESTATED` is what `model-m.toml` says and every program of the benchmark
does; `ORIGINAL` is M as it was first written down, whose published values prove the recursion
(tests/test_model_m.py). Nothing here imports `sim` or another program of the benchmark.

State: dose level, barred from the increase, delay of the running cycle, weeks of delay so far,
and for each kind how many events there were: none, odd, even. CL/F is integrated by
Gauss-Hermite quadrature. Given a level, kinds are independent; how a cycle goes on depends
on the events only through how many there are, whether one is non-hematologic, and whether one
makes the count of its kind even.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Table = NDArray[np.float64]
KINDS = ("neutropenia", "thrombocytopenia", "rash", "fatigue", "diarrhea")
N_KINDS = len(KINDS)
NONHEMATOLOGIC = 0b11100
P_3MG = np.array([0.10, 0.23, 0.08, 0.19, 0.19])
P_4MG = np.array([0.16, 0.28, 0.10, 0.26, 0.24])
LEVELS_MG = np.array([1.5, 2.3, 3.0, 4.0])
START_LEVEL = 2
CYCLES = 26
DAYS = 28
ESCALATION_CYCLE = 5
WATCHED_CYCLES = (3, 4)
TYPICAL_CL_F = 3.1
SD_LOG_CL_F = 0.44
PROGRESSION = 0.03
STOP = 0.10
# Nothing, hold, 7 and 14 days late.
CONSEQUENCES = (0.15, 0.60, 0.125, 0.125)
HOLD = 1
DELAY_WEEKS = (0, 0, 1, 2)
LEVEL_MG = LEVELS_MG[None, :, None, None, None, None]
WEEKS = 3  # delays of one cycle: 0, 1 or 2 weeks


@dataclass(frozen=True)
class Reading:
    """How the sentences of M are read; the defaults are the restatement."""

    several: str = "first acts, none while held"  # or "earliest hold and longest delay"
    levels_down: str = "one"  # or "one for each kind"
    events_that_stop: int = 2  # so many events of a cycle can stop treatment, each with STOP
    progression_by_days: bool = True  # a cycle that started late has a longer assessment
    stop_day: int = 1  # days that a stop for adverse events adds to the full cycle


RESTATED = Reading()
ORIGINAL = Reading("earliest hold and longest delay", "one for each kind", N_KINDS, False, 0)


def _aftermath(reading: Reading, days: tuple[int, ...], what: tuple[int, ...]) -> tuple[int, int]:
    """Return (doses withheld, or -1 without a hold; weeks of delay) of a cycle's events."""
    if reading == ORIGINAL or reading.several.startswith("earliest"):
        holds = [day for day, consequence in zip(days, what, strict=True) if consequence == HOLD]
        delay = max((DELAY_WEEKS[consequence] for consequence in what), default=0)
        return (2 - min(holds) if holds else -1), delay
    withheld, delay = -1, 0
    for day in range(3):
        if withheld >= 0:
            break
        acts = [c for when, c in zip(days, what, strict=True) if when == day and c > 0]
        if acts and acts[0] == HOLD:
            withheld = 2 - day
        elif acts:
            delay = max(delay, DELAY_WEEKS[acts[0]])
    return withheld, delay


@cache
def aftermath_law(reading: Reading, events: int) -> tuple[Table, Table]:
    """Return the law of [held, weeks of delay] after so many events, and doses times it."""
    law, doses = np.zeros((2, WEEKS)), np.zeros((2, WEEKS))
    for days in itertools.product(range(3), repeat=events):
        for what in itertools.product(range(len(CONSEQUENCES)), repeat=events):
            p = math.prod(CONSEQUENCES[c] for c in what) / 3.0**events
            withheld, delay = _aftermath(reading, days, what)
            law[int(withheld >= 0), delay] += p
            doses[int(withheld >= 0), delay] += p * (3 - max(withheld, 0))
    return law, doses


def cycle_probabilities(normals: Table) -> Table:
    """Return P(event in a cycle) [kind, level, patient] for the normals behind log CL/F."""
    per_mg = 3.0 * 1000.0 / (DAYS * TYPICAL_CL_F)
    mean_per_mg = per_mg * math.exp(SD_LOG_CL_F**2 / 2.0)
    logit_3, logit_4 = (np.log(p / (1.0 - p)) for p in (P_3MG, P_4MG))
    slope = (logit_4 - logit_3) / mean_per_mg
    intercept = logit_3 - 3.0 * mean_per_mg * slope
    auc = per_mg * LEVELS_MG[:, None] * np.exp(-SD_LOG_CL_F * normals)
    course = np.logaddexp(0.0, intercept[:, None, None] + slope[:, None, None] * auc)
    return -np.expm1(-course / 12.0)


@cache
def _moves(statuses: int, kinds: int) -> tuple[tuple[int, csr_array], ...]:
    """Return how the counts move when these kinds (bits) have an event, by number made even."""
    size = statuses**N_KINDS
    targets = np.zeros(size, np.int64)
    made_even = np.zeros(size, np.int64)
    for number, status in enumerate(itertools.product(range(statuses), repeat=N_KINDS)):
        after = list(status)
        for kind in range(N_KINDS):
            if (kinds >> kind) & 1:
                # none, odd, even; with two statuses even is none.
                after[kind] = 1 if status[kind] != 1 else statuses - 1
                made_even[number] += status[kind] == 1
        targets[number] = np.ravel_multi_index(after, [statuses] * N_KINDS)
        if statuses == 2:
            targets[number] = number ^ sum(
                1 << (N_KINDS - 1 - kind) for kind in range(N_KINDS) if (kinds >> kind) & 1
            )
    moves = []
    for count in np.unique(made_even):
        source = np.flatnonzero(made_even == count)
        ones = np.ones(len(source))
        moves.append((int(count), csr_array((ones, (targets[source], source)), (size, size))))
    return tuple(moves)


def _lowered(array: Table, down: int) -> Table:
    """Return the array some levels down, the delay of the ended cycle forgotten."""
    lower = np.zeros_like(array)
    for level in range(len(LEVELS_MG)):
        lower[:, max(level - down, 0)] += array[:, level]
    return lower.sum(axis=3)


def _shifted(array: Table, weeks: int) -> Table:
    """Return the array with so many weeks more of delay; a single bin counts none."""
    most = array.shape[-2]
    if most == 1 or weeks == 0:
        return array
    later = np.zeros_like(array)
    later[..., weeks:, :] = array[..., : most - weeks, :]
    return later


class Recursion:
    """Probability, and milligrams times probability, of every state, cycle by cycle."""

    def __init__(self, reading: Reading, statuses: int, most_weeks: int, nodes: int) -> None:
        normals, weights = np.polynomial.hermite_e.hermegauss(nodes)
        self.reading = reading
        self.statuses = statuses
        self.p = cycle_probabilities(normals)
        # status, level, barred, weeks of this cycle's delay, weeks so far, node
        shape = (statuses**N_KINDS, len(LEVELS_MG), 2, WEEKS, most_weeks + 1, nodes)
        self.share, self.mg = np.zeros(shape), np.zeros(shape)
        self.share[0, START_LEVEL, 0, 0, 0] = weights / weights.sum()
        self.first = np.zeros((N_KINDS, CYCLES))
        self.progressed, self.stopped = np.zeros(CYCLES), np.zeros(CYCLES)
        self.escalated = self.cycles = self.days = self.given_mg = self.rdi = 0.0

    def run(self) -> "Recursion":
        """Run all cycles; who is left has completed."""
        for cycle in range(1, CYCLES + 1):
            self._run_cycle(cycle)
        self.completed = float(self.share.sum())
        self._leave(CYCLES, self.share, self.mg, 0)
        return self

    def _leave(self, cycle: int, share: Table, mg: Table, more_days: int) -> float:
        """Book those who leave after a cycle; return their share."""
        weeks = np.arange(share.shape[4])
        days = DAYS * cycle + 7 * weeks + more_days
        by_weeks = share.sum(axis=(0, 1, 2, 3, 5))
        mg_by_weeks = mg.sum(axis=(0, 1, 2, 3, 5))
        self.cycles += cycle * by_weeks.sum()
        self.days += days @ by_weeks
        self.given_mg += mg_by_weeks.sum()
        self.rdi += (mg_by_weeks / days).sum() * DAYS / 9.0
        return float(by_weeks.sum())

    def _events(self) -> Iterator[tuple[int, int, int, Table, Table]]:
        """Yield (events, non-hematologic, made even, share, mg) after this cycle's events."""
        size = self.share.shape[0]
        for kinds in range(1 << N_KINDS):
            law = np.ones(self.p.shape[1:])
            for kind in range(N_KINDS):
                law = law * (self.p[kind] if (kinds >> kind) & 1 else 1.0 - self.p[kind])
            law = law[None, :, None, None, None, :]
            share, mg = (self.share * law).reshape(size, -1), (self.mg * law).reshape(size, -1)
            for even, move in _moves(self.statuses, kinds):
                shape = self.share.shape
                yield (
                    kinds.bit_count(),
                    int(kinds & NONHEMATOLOGIC != 0),
                    even,
                    (move @ share).reshape(shape),
                    (move @ mg).reshape(shape),
                )

    def _count_first_events(self, cycle: int) -> None:
        by_status = self.share.sum(axis=(2, 3, 4)).reshape(
            *[self.statuses] * N_KINDS, *self.p.shape[1:]
        )
        for kind in range(N_KINDS):
            none_yet = np.moveaxis(by_status, kind, 0)[0].sum(axis=tuple(range(N_KINDS - 1)))
            self.first[kind, cycle - 1] = (none_yet * self.p[kind]).sum()

    def _run_cycle(self, cycle: int) -> None:
        self._count_first_events(cycle)
        shares: dict[tuple[int, int, int], Table] = {}
        mgs: dict[tuple[int, int, int], Table] = {}
        for events, watched, even, share, mg in self._events():
            down = min(even, 1) if self.reading.levels_down == "one" else even
            key = events, watched, down
            shares[key] = shares.get(key, 0.0) + share
            mgs[key] = mgs.get(key, 0.0) + mg
        share, mg = np.zeros_like(self.share), np.zeros_like(self.mg)
        late = np.arange(WEEKS) * 7.0 if self.reading.progression_by_days else np.zeros(WEEKS)
        stays = ((1.0 - PROGRESSION) ** ((DAYS + late) / DAYS))[None, None, None, :, None, None]
        for key, part in shares.items():
            # Milligrams before this cycle; its doses go with what its events led to.
            before, doses = mgs[key], aftermath_law(self.reading, key[0])[1]
            after = before + LEVEL_MG * doses.sum() * part
            self.progressed[cycle - 1] += self._leave(
                cycle, part * (1.0 - stays), after * (1.0 - stays), 0
            )
            stop = 1.0 - (1.0 - STOP) ** min(key[0], self.reading.events_that_stop)
            self.stopped[cycle - 1] += self._leave(
                cycle, part * stays * stop, after * stays * stop, self.reading.stop_day
            )
            on = stays * (1.0 - stop)
            if cycle == CYCLES:
                share += part * on
                mg += after * on
            else:
                self._go_on(cycle, key, part * on, before * on, share, mg)
        self.share, self.mg = share, mg
        if cycle == ESCALATION_CYCLE - 1:
            self._escalate()

    def _go_on(
        self,
        cycle: int,
        key: tuple[int, int, int],
        part: Table,
        before: Table,
        share: Table,
        mg: Table,
    ) -> None:
        """Carry those who stay into the next cycle: doses, level, bar, delay."""
        events, watched, down = key
        law, doses = aftermath_law(self.reading, events)
        dosed = _lowered(LEVEL_MG * part, down)
        part, before = _lowered(part, down), _lowered(before, down)
        for held, weeks in itertools.product(range(2), range(WEEKS)):
            p = law[held, weeks]
            if p == 0.0:
                continue
            in_window = cycle in WATCHED_CYCLES and (watched or held or weeks == 2)
            barred = cycle < ESCALATION_CYCLE and (down > 0 or in_window)
            for into, moved in ((share, p * part), (mg, p * before + doses[held, weeks] * dosed)):
                later = _shifted(moved, weeks)
                if barred:
                    into[:, :, 1, weeks] += later.sum(axis=2)
                else:
                    into[:, :, :, weeks] += later

    def _escalate(self) -> None:
        """Raise everyone not barred by one level; nobody is barred from anything after that."""
        for array in (self.share, self.mg):
            free = array[:, :, 0].copy()
            raised = np.zeros_like(free)
            raised[:, 1:] = free[:, :-1]
            raised[:, -1] += free[:, -1]
            if array is self.share:
                self.escalated = float(free[:, :-1].sum())
            array[:, :, 0] = raised + array[:, :, 1]
            array[:, :, 1] = 0.0


@cache
def solve(reading: Reading = RESTATED, nodes: int = 16, most_weeks: int = 12) -> dict[str, Table]:
    """Return the exact outcomes by name: shares and means of patients, first events [5, 26].

    First events need three statuses of a kind, everything else two; delays of more than
    `most_weeks` weeks in all are lost. With 16 nodes and 12 weeks shares are right to 1e-6,
    means to 1e-6 of themselves (24 nodes and 16 weeks take three times as long).
    """
    firsts = Recursion(reading, 3, 0, nodes).run()
    course = Recursion(reading, 2, most_weeks, nodes).run()
    values: dict[str, float | Table] = {
        "escalated": course.escalated,
        "progression": course.progressed.sum(),
        "adverse_event": course.stopped.sum(),
        "completed": course.completed,
        "mg": course.given_mg,
        "days": course.days,
        "cycles": course.cycles,
        "rdi": course.rdi,
        "first_event": firsts.first.cumsum(axis=1),
        "progression_by_cycle": course.progressed.cumsum(),
        "adverse_event_by_cycle": course.stopped.cumsum(),
    }
    return {name: np.asarray(value, np.float64) for name, value in values.items()}


def main() -> None:
    """Print the outcomes of both readings."""
    restated, original = solve(RESTATED), solve(ORIGINAL)
    print(f"{'outcome':<28}{'restated':>14}{'original':>14}")
    for name, value in restated.items():
        if value.ndim == 0:
            print(f"{name:<28}{value:>14.6f}{original[name]:>14.6f}")
    for number, kind in enumerate(KINDS):
        own, other = (v["first_event"][number, -1] for v in (restated, original))
        print(f"{'ever ' + kind:<28}{own:>14.6f}{other:>14.6f}")


if __name__ == "__main__":
    main()
