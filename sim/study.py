"""The public functions: simulate one scenario, or compare several over the same patients.

`prepare` loads and checks everything before anything runs; `run` counts patients block by
block. Histories go to a sink as they come, so that their number does not matter for memory.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.cautions import limits_of, warnings_of
from sim.comparison import compare_arms
from sim.engines.run import ENGINES, Progress, outcome_blocks, recorded_blocks
from sim.errors import LimitError, quoted
from sim.histories import Histories, join
from sim.plan.plan import Plan, check_patients, compile_plan
from sim.prediction import predict, trial_estimates
from sim.scenario.file import Loaded, load_scenario
from sim.scenario.nearest import nearest
from sim.scenario.scenario import Scenario
from sim.summary import summarize
from sim.tallies import Arm, PairOfArms, check_amounts, count_arms

MAX_TRIALS = 10_000
ScenarioLike = Scenario | Loaded | str | os.PathLike[str]
Sink = Callable[[int, Histories], None]
Blocks = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a study, beside its scenarios."""

    patients: int = 10_000
    trials: int = 1
    seed: int = 1
    engine: str = "kernel"
    histories: bool = False
    overrides: tuple[str, ...] = ()

    @property
    def patients_per_arm(self) -> int:
        """Patients of all replicate trials together."""
        return self.patients * self.trials


@dataclass(frozen=True)
class Prepared:
    """A study that may be run: scenarios checked, plans compiled, nothing simulated yet."""

    loaded: tuple[Loaded, ...]
    plans: tuple[Plan, ...]
    settings: Settings

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenarios, the reference first."""
        return tuple(plan.scenario.name for plan in self.plans)


@dataclass(frozen=True)
class Study:
    """The results of a run.

    Attributes
    ----------
    summary
        One row per scenario, endpoint and cycle, with Monte Carlo error and 95 % interval.
    comparison
        Paired differences from the first scenario; None for a single scenario.
    prediction
        Mean and 95 % prediction interval over replicate trials; None for one trial.
    histories
        For each scenario the tables doses, adverse_events, decisions and disposition.
    warnings, limits
        What to know about this run, and about the model.
    """

    prepared: Prepared = field(repr=False)
    summary: pd.DataFrame = field(repr=False)
    comparison: pd.DataFrame | None = field(repr=False)
    prediction: pd.DataFrame | None = field(repr=False)
    histories: dict[str, dict[str, pd.DataFrame]] | None = field(repr=False)
    warnings: tuple[str, ...]
    limits: tuple[str, ...] = field(repr=False)

    def write(
        self, folder: str | os.PathLike[str], *, overwrite: bool = False, figures: bool = True
    ) -> Path:
        """Write the results folder; nothing half-written ever stands under its name."""
        from sim.results import write_study

        return write_study(self, Path(folder), overwrite=overwrite, figures=figures)


def simulate(
    scenario: ScenarioLike,
    patients: int = 10_000,
    trials: int = 1,
    seed: int = 1,
    engine: str = "kernel",
    histories: bool = False,
    overrides: Sequence[str] = (),
    threads: int | None = None,
    progress: Progress | None = None,
) -> Study:
    """Simulate one scenario: a file, the name of a shipped one, or a loaded Scenario.

    With trials above 1, trial r holds patients r * patients and following. The same seed
    gives the same numbers with any engine and any number of threads. `progress` is told
    the number of patients done since its last call.
    """
    return compare(
        [scenario], patients, trials, seed, engine, histories, overrides, threads, progress
    )


def compare(
    scenarios: Sequence[ScenarioLike],
    patients: int = 10_000,
    trials: int = 1,
    seed: int = 1,
    engine: str = "kernel",
    histories: bool = False,
    overrides: Sequence[str] = (),
    threads: int | None = None,
    progress: Progress | None = None,
) -> Study:
    """Simulate several scenarios on the same virtual patients; the first is the reference."""
    settings = Settings(patients, trials, seed, engine, histories, tuple(overrides))
    prepared = prepare(scenarios, settings)
    kept: list[list[Histories]] = [[] for _ in prepared.plans]
    sink: Sink | None = (lambda arm, part: kept[arm].append(part)) if histories else None
    study = run(prepared, sink, threads, progress)
    if not histories:
        return study
    frames = {name: join(parts).frames() for name, parts in zip(prepared.names, kept, strict=True)}
    return Study(**{**vars(study), "histories": frames})


def prepare(scenarios: Sequence[ScenarioLike], settings: Settings) -> Prepared:
    """Load and compile everything, or raise SimError before anything runs."""
    _check_settings(settings)
    loaded = tuple(_load(scenario, settings.overrides) for scenario in scenarios)
    if not loaded:
        raise LimitError("no scenario was given")
    names = [one.scenario.name for one in loaded]
    for name in names:
        if names.count(name) > 1:
            raise LimitError(
                f"two scenarios are named {quoted(name)}; give them different names, tables "
                "tell arms apart by name"
            )
    plans = tuple(compile_plan(one.scenario, settings.seed) for one in loaded)
    for plan in plans[1:]:
        _share_reference_dose(plan, plans[0])
    for plan in plans:
        check_amounts(plan)
    return Prepared(loaded, plans, settings)


def _load(scenario: ScenarioLike, overrides: Sequence[str]) -> Loaded:
    if isinstance(scenario, str | os.PathLike):
        return load_scenario(scenario, overrides)
    if overrides:
        raise LimitError("overrides need a scenario's file or name, not a loaded scenario")
    return scenario if isinstance(scenario, Loaded) else Loaded(scenario, [], b"", ())


def _check_settings(settings: Settings) -> None:
    check_patients(0, settings.patients)
    if not 1 <= settings.trials <= MAX_TRIALS:
        raise LimitError(f"trials is {settings.trials}; it must be from 1 to {MAX_TRIALS:,}")
    check_patients(0, settings.patients_per_arm)
    if settings.engine not in ENGINES:
        close = nearest(settings.engine, ENGINES)
        hint = f"; did you mean {close}?" if close else ""
        raise LimitError(
            f"engine is {quoted(settings.engine)}; it must be {' or '.join(ENGINES)}{hint}"
        )


def _share_reference_dose(plan: Plan, first: Plan) -> None:
    """Dose intensity of all arms is relative to one dose: that of the first scenario."""
    if plan.scenario.posology.unit != first.scenario.posology.unit:
        raise LimitError(
            f"{first.scenario.name} doses in {first.scenario.posology.unit}, "
            f"{plan.scenario.name} in {plan.scenario.posology.unit}; they cannot be compared"
        )
    plan.numbers["reference_ug"] = first.numbers["reference_ug"]


def run(
    prepared: Prepared,
    sink: Sink | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Study:
    """Simulate a prepared study; histories, when asked for, go to the sink and are not kept."""
    if threads is not None and threads < 1:
        raise LimitError(f"threads is {threads}; at least 1 is needed")
    settings = prepared.settings
    if settings.trials == 1 and not settings.histories:
        arms, pairs = count_arms(
            prepared.plans, 0, settings.patients, settings.engine, threads, progress=progress
        )
        return _study(prepared, arms, pairs, [])
    arms = [Arm(plan) for plan in prepared.plans]
    pairs = [PairOfArms(arm, arms[0]) for arm in arms[1:]]
    trials: list[NDArray[np.float64]] = []
    streams = [
        _stream(prepared, arm, sink if settings.histories else None, threads)
        for arm in range(len(arms))
    ]
    counting = _count_trials if settings.trials > 1 else _count_all
    for blocks in counting(zip(*streams, strict=True), arms, settings.patients, trials):
        for pair, outcomes in zip(pairs, blocks[1:], strict=True):
            pair.count(outcomes, blocks[0])
        if progress is not None:
            progress(len(blocks[0]) * len(arms))
    return _study(prepared, arms, pairs, trials)


def _stream(
    prepared: Prepared, arm: int, sink: Sink | None, threads: int | None
) -> Iterator[NDArray[Any]]:
    """Yield one arm's outcome blocks in order, handing histories to the sink on the way."""
    plan, settings = prepared.plans[arm], prepared.settings
    patients = settings.patients_per_arm
    if sink is None:
        yield from outcome_blocks(plan, 0, patients, settings.engine, threads)
        return
    for part, outcomes in recorded_blocks(plan, 0, patients, settings.engine, threads):
        sink(arm, part)
        yield outcomes


def _count_all(
    streams: Iterator[Blocks], arms: Sequence[Arm], patients: int, trials: list[Any]
) -> Iterator[Blocks]:
    for blocks in streams:
        for arm, outcomes in zip(arms, blocks, strict=True):
            arm.count(outcomes)
        yield blocks


def _count_trials(
    streams: Iterator[Blocks],
    arms: Sequence[Arm],
    patients: int,
    trials: list[NDArray[np.float64]],
) -> Iterator[Blocks]:
    """Count trial by trial; blocks are cut where a trial ends."""
    current = [Arm(arm.plan) for arm in arms]
    done = 0
    for blocks in streams:
        start, size = 0, len(blocks[0])
        while start < size:
            stop = min(size, start + patients - done)
            for one, outcomes in zip(current, blocks, strict=True):
                one.count(outcomes[start:stop])
            done += stop - start
            start = stop
            if done == patients:
                trials.append(np.concatenate([trial_estimates(one) for one in current]))
                for arm, one in zip(arms, current, strict=True):
                    arm.sums.add_sums(one.sums)
                current = [Arm(arm.plan) for arm in arms]
                done = 0
        yield blocks


def _study(
    prepared: Prepared,
    arms: Sequence[Arm],
    pairs: Sequence[PairOfArms],
    trials: Sequence[NDArray[np.float64]],
) -> Study:
    settings = prepared.settings
    summary = summarize(arms)
    warnings: list[str] = []
    for one in prepared.loaded:
        patients = settings.patients_per_arm
        warnings += warnings_of(one.scenario, one.warnings, summary, patients)
    first = prepared.loaded[0].scenario.posology
    for one in prepared.loaded[1:]:
        own = one.scenario.posology.reference_dose_mg
        if own != first.reference_dose_mg:
            warnings.append(
                f"{one.scenario.name}: dose intensity is relative to {first.reference_dose_mg:g} "
                f"{first.unit}, the first scenario's reference dose, not to its own {own:g}"
            )
    return Study(
        prepared=prepared,
        summary=summary,
        comparison=compare_arms(pairs) if pairs else None,
        prediction=predict(summary, trials, settings.patients) if trials else None,
        histories=None,
        warnings=tuple(dict.fromkeys(warnings)),
        limits=limits_of([one.scenario for one in prepared.loaded]),
    )
