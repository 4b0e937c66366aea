"""Commands that run a study: run and compare."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sim.cli.progress import progress_bar
from sim.cli.reading import AsJson, Overrides

if TYPE_CHECKING:
    from sim.study import Prepared, Settings, Study

Patients = Annotated[int, Parameter(help="Virtual patients per trial and arm.")]
Trials = Annotated[
    int, Parameter(help="Replicate trials; more than 1 adds prediction intervals for one trial.")
]
Seed = Annotated[int, Parameter(help="Seed of all draws; the same seed gives the same bytes.")]
Engine = Annotated[
    Literal["kernel", "events"],
    Parameter(help="kernel (fast) or events (simpy, the reference); same results."),
]
Histories = Annotated[
    bool, Parameter(help="Also write the four history tables as Parquet.", negative="")
]
Out = Annotated[Path | None, Parameter(help="Results folder; default runs/<name>-<seed>-<digest>.")]
Threads = Annotated[int | None, Parameter(help="Threads; never changes a result.")]
DryRun = Annotated[
    bool, Parameter(help="Say the expected time, memory and disk, and run nothing.", negative="")
]
Overwrite = Annotated[
    bool, Parameter(help="Replace an earlier results folder of this program.", negative="")
]
PROBE_PATIENTS = 4_096
HISTORY_PROBE_PATIENTS = 128
BYTES_PER_ROW = {"doses": 6, "adverse_events": 14, "decisions": 4, "disposition": 20}
DISK_MARGIN = 1.2


def run(
    scenario: str,
    *,
    patients: Patients = 10_000,
    trials: Trials = 1,
    seed: Seed = 1,
    engine: Engine = "kernel",
    histories: Histories = False,
    set_: Overrides = (),
    out: Out = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Simulate one scenario: a table on the terminal, and a results folder with figures.

    Example: titrasim run ixazomib-maintenance --patients 100000 --set exposure_response.clock=reset

    Parameters
    ----------
    scenario
        A TOML file, or the name of a shipped scenario.
    """
    settings = _settings(patients, trials, seed, engine, histories, set_)
    _study([scenario], settings, out, threads, overwrite, dry_run, as_json)


def compare(
    *scenarios: str,
    patients: Patients = 10_000,
    trials: Trials = 1,
    seed: Seed = 1,
    engine: Engine = "kernel",
    histories: Histories = False,
    set_: Overrides = (),
    out: Out = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Simulate several scenarios on the same virtual patients; the first is the reference.

    Adds paired differences with their Monte Carlo error.

    Example: titrasim compare ixazomib-maintenance fixed-3mg fixed-4mg

    Parameters
    ----------
    scenarios
        TOML files, or names of shipped scenarios.
    """
    settings = _settings(patients, trials, seed, engine, histories, set_)
    _study(list(scenarios), settings, out, threads, overwrite, dry_run, as_json)


def _settings(
    patients: int, trials: int, seed: int, engine: str, histories: bool, set_: tuple[str, ...]
) -> "Settings":
    from sim.study import Settings

    return Settings(patients, trials, seed, engine, histories, set_)


def _notice_compiling() -> None:
    from sim.model.jit import is_compiled_before

    if not is_compiled_before():
        print("compiling for the first time; this takes about a minute, once", file=sys.stderr)


def _study(
    names: list[str],
    settings: "Settings",
    out: Path | None,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Prepare, run, write and print one study."""
    _notice_compiling()
    from sim.results import results_folder
    from sim.study import prepare
    from sim.study import run as simulate

    prepared = prepare(names, settings)
    target = out or default_folder(prepared)
    if dry_run or settings.histories:
        estimate = expectation(prepared, target)
        if dry_run:
            print(json.dumps(estimate, indent=2) if as_json else _expected_text(estimate))
            return
        _refuse_if_too_big(estimate)
    total = settings.patients_per_arm * len(prepared.plans)
    with results_folder(prepared, target, overwrite) as results:
        sink = results.add_histories if settings.histories else None
        with progress_bar(total, "patients") as advance:
            study = simulate(prepared, sink, threads, advance)
        results.finish(study, figures=True, threads=threads)
    _print(study, target, as_json)


def default_folder(prepared: "Prepared") -> Path:
    """Return runs/<scenario>-<seed>-<digest>; the digest covers scenarios and settings."""
    import hashlib

    from sim.manifest import identity

    text = json.dumps(identity(prepared), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Path("runs") / f"{prepared.names[0]}-{prepared.settings.seed}-{digest}"


def expectation(prepared: "Prepared", target: Path) -> dict[str, float]:
    """Return expected seconds, memory and disk of a study, from a small probe of it."""
    from sim.engines.run import outcome_blocks, recorded_blocks

    settings = prepared.settings
    patients = settings.patients_per_arm
    seconds, disk = 0.0, 2e6
    for plan in prepared.plans:
        if not settings.histories:
            probe = min(PROBE_PATIENTS if settings.engine == "kernel" else 200, patients)
            for _ in outcome_blocks(plan, 0, 64, settings.engine):
                pass
            started = time.perf_counter()
            for _ in outcome_blocks(plan, 0, probe, settings.engine):
                pass
        else:
            probe = min(HISTORY_PROBE_PATIENTS, patients)
            list(recorded_blocks(plan, 0, 1, settings.engine))
            started = time.perf_counter()
            for part, _ in recorded_blocks(plan, 0, probe, settings.engine):
                for table, size in BYTES_PER_ROW.items():
                    disk += len(part.table(table)) * size * patients / probe
        seconds += (time.perf_counter() - started) * patients / probe
    parent = target.resolve()
    while not parent.exists():
        parent = parent.parent
    return {
        "seconds": seconds,
        "memory_mib": 400.0 + (600.0 if settings.histories else 0.0),
        "disk_mib": disk / 2**20,
        "free_disk_mib": shutil.disk_usage(parent).free / 2**20,
        "patients": float(patients * len(prepared.plans)),
    }


def _expected_text(estimate: dict[str, float]) -> str:
    return (
        f"{estimate['patients']:,.0f} patients: about {estimate['seconds']:,.1f} s, "
        f"{estimate['memory_mib']:,.0f} MiB of memory, {estimate['disk_mib']:,.1f} MiB of disk "
        f"({estimate['free_disk_mib']:,.0f} MiB free). Nothing was run."
    )


def _refuse_if_too_big(estimate: dict[str, float]) -> None:
    from sim.errors import LimitError

    if estimate["disk_mib"] * DISK_MARGIN > estimate["free_disk_mib"]:
        raise LimitError(
            f"error[X02]: about {estimate['disk_mib']:,.0f} MiB of results, "
            f"{estimate['free_disk_mib']:,.0f} MiB free; run without --histories, with fewer "
            "patients, or choose another folder with --out"
        )


def _print(study: "Study", target: Path, as_json: bool) -> None:
    from sim.cli.table import study_text
    from sim.folder import shown

    if not as_json:
        print(study_text(study))
        print(f"\nresults: {shown(target)}")
        return
    content = {
        "results": shown(target),
        "summary": json.loads(study.summary.to_json(orient="records")),
        "warnings": list(study.warnings),
        "limits": list(study.limits),
    }
    if study.comparison is not None:
        content["comparison"] = json.loads(study.comparison.to_json(orient="records"))
    if study.prediction is not None:
        content["prediction"] = json.loads(study.prediction.to_json(orient="records"))
    print(json.dumps(content, indent=1))


COMMANDS = (run, compare)
