"""Running an engine: consecutive patients, in order, as outcome blocks or with histories.

Blocks run on threads; their results come back in order. The engine, the number of threads
and the size of a block never change a result.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engines import events, kernel
from sim.errors import LimitError
from sim.histories import Histories, join
from sim.model.counts import OUTCOME
from sim.model.layout import (
    BOOK,
    DISPOSITION_COLUMNS,
    DOSE_COLUMNS,
    EVENT_COLUMNS,
    LOG_COLUMNS,
    MAX_CYCLES,
    MAX_DOSE_DAYS,
    MAX_EVENTS,
    MAX_LOG,
    STATE,
)
from sim.plan.plan import Plan, check_patients, engine_array

ENGINES = ("kernel", "events")
BLOCK = 4_096
RECORDED_BLOCK = 1_024
Progress = Callable[[int], None]
Script = Sequence[Sequence[int]]


def threads_available() -> int:
    """Return how many threads this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workspace:
    """What one thread needs to run patients: the state of one and of a blank one, and a book."""

    def __init__(self, recording: bool, script: Script | None = None) -> None:
        states = np.zeros(2, STATE)
        self.states = engine_array(states)
        self.words = states.view(np.int64).reshape(2, -1)
        self.books = engine_array(np.zeros(1, BOOK))
        book: Any = self.books.view(np.recarray)[0]
        book.recording = int(recording)
        book.n_script = -1
        if script is not None:
            book.n_script = len(script)
            for row, event in enumerate(script):
                book.script[row] = event


def _blocks(first: int, patients: int, size: int) -> list[tuple[int, int]]:
    """Split consecutive patients into blocks that do not cross a multiple of 2^32."""
    blocks = []
    start, end = first, first + patients
    while start < end:
        stop = min(start + size, end, ((start >> 32) + 1) << 32)
        blocks.append((start, stop - start))
        start = stop
    return blocks


def _in_order(
    tasks: Sequence[tuple[int, int]], work: Callable[[int, int], Any], threads: int
) -> Iterator[Any]:
    """Run blocks on threads; yield their results in order, a few ahead at most."""
    if threads == 1:
        for first, count in tasks:
            yield work(first, count)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Any] = []
        try:
            for first, count in tasks:
                waiting.append(pool.submit(work, first, count))
                if len(waiting) > 2 * threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


class OutcomeRunner:
    """Runs blocks of patients without histories; safe to call from several threads."""

    def __init__(self, plan: Plan, engine: str) -> None:
        self._plan = plan
        self._engine = engine
        self._spare: list[Workspace] = []

    def run(self, first: int, patients: int) -> NDArray[Any]:
        """Return the OUTCOME records of consecutive patients."""
        space = self._spare.pop() if self._spare else Workspace(recording=False)
        outcomes = engine_array(np.zeros(patients, OUTCOME))
        if self._engine == "events":
            patient = events.Patient(self._plan.numbers, space.states, space.books)
            for place in range(patients):
                events.run_patient(patient, first + place, outcomes, place)
        else:
            numbers = self._plan.numbers
            kernel.run_block(numbers, first, space.states, space.words, space.books, outcomes)
        self._spare.append(space)
        return outcomes.view(np.ndarray)


def map_blocks(
    work: Callable[[int, int], Any],
    first: int,
    patients: int,
    engine: str = "kernel",
    threads: int | None = None,
    block: int = BLOCK,
) -> Iterator[Any]:
    """Yield work(first, patients) of every block, in order; the events engine uses one thread."""
    check_patients(first, patients)
    workers = 1 if engine == "events" else threads or threads_available()
    yield from _in_order(_blocks(first, patients, block), work, workers)


def outcome_blocks(
    plan: Plan,
    first: int,
    patients: int,
    engine: str = "kernel",
    threads: int | None = None,
    block: int = BLOCK,
) -> Iterator[NDArray[Any]]:
    """Yield arrays of OUTCOME records of consecutive patients, in order, without histories."""
    runner = OutcomeRunner(plan, engine)
    yield from map_blocks(runner.run, first, patients, engine, threads, block)


def _check_log(plan: Plan) -> None:
    longest = int(plan.record.longest_log)
    if longest > MAX_LOG:
        raise LimitError(
            f"{plan.scenario.name}: one patient's decisions may need {longest} rows, the most is "
            f"{MAX_LOG}; use fewer rules, visit days or cycles, or run without histories"
        )


def record(
    plan: Plan,
    first: int,
    patients: int,
    engine: str = "kernel",
    threads: int | None = None,
    block: int = RECORDED_BLOCK,
    script: Script | None = None,
    progress: Progress | None = None,
) -> tuple[Histories, NDArray[Any]]:
    """Return the histories and the outcome records of consecutive patients.

    script rows are (cycle, kind, day of cycle, duration, grade, caused by drug, related) and
    take the place of the adverse-event draws of every patient.
    """
    parts = list(recorded_blocks(plan, first, patients, engine, threads, block, script, progress))
    return join(part for part, _ in parts), np.concatenate([outcomes for _, outcomes in parts])


def recorded_blocks(
    plan: Plan,
    first: int,
    patients: int,
    engine: str = "kernel",
    threads: int | None = None,
    block: int = RECORDED_BLOCK,
    script: Script | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Histories, NDArray[Any]]]:
    """Yield histories and outcome records of blocks of consecutive patients, in order."""
    check_patients(first, patients)
    _check_log(plan)
    run = _record_by_events if engine == "events" else _record_by_kernel

    def work(start: int, count: int) -> tuple[Histories, NDArray[Any]]:
        return run(plan, start, count, script)

    workers = 1 if engine == "events" else threads or threads_available()
    for part in _in_order(_blocks(first, patients, block), work, workers):
        if progress is not None:
            progress(len(part[1]))
        yield part


def _record_by_kernel(
    plan: Plan, first: int, patients: int, script: Script | None
) -> tuple[Histories, NDArray[Any]]:
    space = Workspace(recording=True, script=script)
    outcomes = engine_array(np.zeros(patients, OUTCOME))
    parts: list[Histories] = []
    rows = 256 * 1024
    done = 0
    while done < patients:
        left = patients - done
        doses = np.empty((max(rows, MAX_CYCLES * MAX_DOSE_DAYS), len(DOSE_COLUMNS)), np.int64)
        adverse = np.empty((max(rows // 4, MAX_EVENTS), len(EVENT_COLUMNS)), np.int64)
        log = np.empty((max(rows, MAX_LOG), len(LOG_COLUMNS)), np.int64)
        disposition = np.empty((left, len(DISPOSITION_COLUMNS)), np.int64)
        latents = np.empty((left, 3), np.float64)
        ran, n_doses, n_events, n_log = kernel.run_recorded(
            plan.numbers,
            first + done,
            space.states,
            space.books,
            outcomes[done:],
            doses,
            adverse,
            log,
            disposition,
            latents,
        )
        parts.append(
            Histories(
                plan.names,
                doses[:n_doses].copy(),
                adverse[:n_events].copy(),
                log[:n_log].copy(),
                disposition[:ran].copy(),
                latents[:ran].copy(),
            )
        )
        done += ran
    return join(parts), outcomes.view(np.ndarray)


def _record_by_events(
    plan: Plan, first: int, patients: int, script: Script | None
) -> tuple[Histories, NDArray[Any]]:
    space = Workspace(recording=True, script=script)
    patient = events.Patient(plan.numbers, space.states, space.books)
    outcomes = engine_array(np.zeros(patients, OUTCOME))
    parts = []
    for place in range(patients):
        events.run_patient(patient, first + place, outcomes, place)
        parts.append(_rows_of(plan, space))
    return join(parts), outcomes.view(np.ndarray)


def _rows_of(plan: Plan, space: Workspace) -> Histories:
    """Return the rows of the patient just run."""
    book: Any = space.books.view(np.recarray)[0]
    state: Any = space.states.view(np.recarray)[0]
    adverse = np.empty((int(state.n_events), len(EVENT_COLUMNS)), np.int64)
    disposition = np.empty((1, len(DISPOSITION_COLUMNS)), np.int64)
    latents = np.empty((1, 3), np.float64)
    events.copy_rows(space.states, adverse, disposition, latents)
    return Histories(
        plan.names,
        book.doses[: int(book.n_doses)].copy(),
        adverse,
        book.log[: int(book.n_log)].copy(),
        disposition,
        latents,
    )
