"""What a study will cost: time, memory and disk, from a small probe of it."""

import io
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim.engines.run import RECORDED_BLOCK, outcome_blocks, recorded_blocks
from sim.errors import LimitError
from sim.histories import TABLES
from sim.plan.plan import Plan
from sim.results import TableWriter
from sim.study import Prepared

PROBE = {"kernel": 16_384, "events": 256}
TABLES_AND_FIGURES_MIB = 4.0
BASE_MIB, PER_ARM_MIB, HISTORIES_MIB = 320.0, 15.0, 500.0
DISK_MARGIN = 1.2
MIB = float(1 << 20)


@dataclass(frozen=True)
class Expectation:
    """Expected cost of a study; disk is what the results folder will hold."""

    patients: int
    seconds: float
    memory_mib: float
    disk_mib: float
    free_disk_mib: float

    def table(self) -> dict[str, float]:
        """Return it for programs."""
        return asdict(self)

    def text(self) -> str:
        """Return it for people."""
        return (
            f"{self.patients:,} patients in all: about {_duration(self.seconds)}, "
            f"{self.memory_mib:,.0f} MiB of memory and {self.disk_mib:,.0f} MiB of disk "
            f"({self.free_disk_mib:,.0f} MiB free). Nothing was run."
        )


def _duration(seconds: float) -> str:
    if seconds < 120.0:
        return f"{max(seconds, 0.1):,.1f} s"
    if seconds < 7200.0:
        return f"{seconds / 60.0:,.0f} minutes"
    return f"{seconds / 3600.0:,.1f} hours"


def expectation(prepared: Prepared, target: Path) -> Expectation:
    """Measure a few patients of every arm and extrapolate."""
    settings, arms = prepared.settings, len(prepared.plans)
    seconds, disk = 0.0, 0.0
    for plan in prepared.plans:
        costs = _with_histories if settings.histories else _without_histories
        per_patient, per_patient_mib = costs(plan, settings.engine, settings.patients_per_arm)
        seconds += per_patient * settings.patients_per_arm
        disk += per_patient_mib * settings.patients_per_arm
    parent = target.absolute()
    while not parent.exists():
        parent = parent.parent
    return Expectation(
        patients=settings.patients_per_arm * arms,
        seconds=seconds,
        memory_mib=BASE_MIB + PER_ARM_MIB * arms + HISTORIES_MIB * settings.histories,
        disk_mib=disk + TABLES_AND_FIGURES_MIB,
        free_disk_mib=shutil.disk_usage(parent).free / MIB,
    )


def _without_histories(plan: Plan, engine: str, patients: int) -> tuple[float, float]:
    """Return seconds and MiB of disk per patient."""
    probe = min(PROBE[engine], patients)
    for _ in outcome_blocks(plan, 0, 1, engine):
        pass  # so that compiling, or loading what was compiled, is not counted
    started = time.perf_counter()
    for _ in outcome_blocks(plan, 0, probe, engine):
        pass
    return (time.perf_counter() - started) / probe, 0.0


def _with_histories(plan: Plan, engine: str, patients: int) -> tuple[float, float]:
    """The same with histories, written to memory."""
    probe = min(RECORDED_BLOCK if engine == "kernel" else PROBE[engine], patients)
    for _ in recorded_blocks(plan, 0, 1, engine):
        pass
    files: dict[str, Any] = {name: io.BytesIO() for name in TABLES}
    started = time.perf_counter()
    for part, _ in recorded_blocks(plan, 0, probe, engine):
        for name, frame in part.frames().items():
            writer = TableWriter(files[name])
            writer.append(frame)
    seconds = time.perf_counter() - started
    return seconds / probe, sum(file.tell() for file in files.values()) / MIB / probe


def refuse_if_too_big(expected: Expectation) -> None:
    """Raise LimitError when the disk will not hold the results."""
    if expected.disk_mib * DISK_MARGIN > expected.free_disk_mib:
        raise LimitError(
            f"error[X02]: about {expected.disk_mib:,.0f} MiB of results, "
            f"{expected.free_disk_mib:,.0f} MiB free; run without --histories, with fewer "
            "patients, or choose another folder with --out. Nothing was run."
        )
