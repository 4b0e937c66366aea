"""Interleaved rounds and ratios within a round: what a busy machine disturbs least."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass
class Series:
    """One program at one number of patients: seconds of every round it took part in.

    `cores` are CPU seconds of all threads by wall second: what a busy machine let it have.
    """

    key: str
    label: str
    patients: int
    seconds: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)

    @property
    def nanoseconds(self) -> float:
        """Median nanoseconds per patient."""
        return statistics.median(self.seconds) / self.patients * 1e9

    def as_row(self) -> dict[str, object]:
        """Return the median, the fastest and the slowest round, per patient."""
        return {
            "program": self.key,
            "label": self.label,
            "patients": self.patients,
            "rounds": len(self.seconds),
            "ns_per_patient": self.nanoseconds,
            "ns_low": min(self.seconds) / self.patients * 1e9,
            "ns_high": max(self.seconds) / self.patients * 1e9,
        }


@dataclass(frozen=True)
class Job:
    """A program to time: what to call, and in how many rounds."""

    key: str
    label: str
    patients: int
    run: Callable[[], object]
    rounds: int


def interleave(jobs: Sequence[Job], clock: Clock = time.process_time) -> dict[str, Series]:
    """Time jobs in rounds, each round in another order, and return their series by key."""
    series = {job.key: Series(job.key, job.label, job.patients) for job in jobs}
    for number in range(max((job.rounds for job in jobs), default=0)):
        turn = number % len(jobs)
        for job in [*jobs[turn:], *jobs[:turn]]:
            if number >= job.rounds:
                continue
            started = clock(), time.process_time(), time.perf_counter()
            job.run()
            series[job.key].seconds.append(clock() - started[0])
            wall = time.perf_counter() - started[2]
            series[job.key].cores.append((time.process_time() - started[1]) / wall)
    return series


def ratio(own: Series, other: Series) -> tuple[float, float, float]:
    """Return median, lowest and highest of own / other per patient, round by round."""
    scale = other.patients / own.patients
    ratios = [a / b * scale for a, b in zip(own.seconds, other.seconds, strict=False)]
    return statistics.median(ratios), min(ratios), max(ratios)
