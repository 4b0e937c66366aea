"""The source trial simulated: dose escalation on toxicities of cycle 1, then expansion.

Every dose level is an arm of its own, run by the fast engine. A patient's number holds the
level, the trial and the place in it, so that no virtual patient is treated twice and trial t
is the same whether 10 trials are run or 10,000.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sim.engines.run import Progress, recorded_blocks
from sim.errors import LimitError
from sim.phase_1.collection import (
    Endpoint,
    Flags,
    Floats,
    Metric,
    Patients,
    Toxicity,
    Whole,
    can_be_toxic,
    collect,
    endpoints_of,
    exposure,
    join,
)
from sim.plan.plan import compile_plan
from sim.scenario.scenario import Scenario

# Table 1 of doi:10.1007/s10637-016-0346-7: patients with PK and outcome by level [mg/m2].
TABLE_1: Mapping[float, int] = {0.48: 1, 0.80: 3, 1.20: 2, 1.68: 4, 2.23: 3, 2.97: 26, 3.95: 5}
TREATED = 60
EVALUABLE = 44
COHORT = 3
TWO_COHORTS = 2 * COHORT
EXPANDED_AT_MOST = TREATED - COHORT
MAX_TRIALS = 20_000
LEVEL_STRIDE = 1 << 32
EXPANSION_OFFSET = 1 << 31
DESIGNS = ("3+3", "fixed")
Design = Literal["3+3", "fixed"]


@dataclass(frozen=True)
class TrialSettings:
    """What decides the numbers of a set of simulated source trials, beside the scenario.

    complete: nobody leaves, every patient has the reference course.
    """

    trials: int = 1_000
    design: Design = "3+3"
    seed: int = 1
    toxicity: Toxicity = field(default_factory=Toxicity)
    complete: bool = False


@dataclass(frozen=True)
class Escalation:
    """The outcome of 3+3 escalation, one row per trial.

    treated holds the patients escalated at each level (trials, levels): 0, 3 or 6; mtd the
    place of the level found, -1 where the lowest is already too toxic.
    """

    treated: Whole
    mtd: Whole


@dataclass(frozen=True)
class SourceTrials:
    """Simulated source trials.

    patients are all who were treated, in order of trial and of enrolment; trial and evaluable
    go with them. mtd is -1 where none was found, and everywhere in the fixed design.
    toxic_share is the probability of a dose-limiting toxicity by level, NaN where nobody was
    treated, with its Monte Carlo standard error.
    """

    scenario: Scenario
    settings: TrialSettings
    endpoints: tuple[Endpoint, ...]
    patients: Patients
    trial: Whole
    evaluable: Flags
    mtd: Whole
    toxic_share: Floats
    toxic_se: Floats
    auc_per_mg: float
    doses_per_day: float

    @property
    def levels(self) -> tuple[float, ...]:
        """The dose levels, in the scenario's unit."""
        return tuple(self.scenario.posology.levels_mg)

    def typical_auc_per_day(self, dose_mg: float) -> float:
        """Return the typical patient's AUC/day at a dose in mg, at the planned pace."""
        per_day = self.auc_per_mg * self.doses_per_day * dose_mg
        return per_day / self.scenario.pharmacokinetics.cl_f_l_per_h

    def exposure(self, place: int, metric: Metric) -> Floats:
        """Return the AUC/day of every patient that goes with one endpoint, by its place."""
        return exposure(self.patients, place, metric, self.auc_per_mg, self.doses_per_day)


def escalate(toxic: Flags) -> Escalation:
    """Decide 3+3 escalation from the dose-limiting toxicities of (trials, levels, 6) patients.

    Three patients at a level: none toxic, go up; one, treat three more and go up if none of
    them is; two or more, stop. The MTD is the highest level below the stop, or of all, at
    which at most one of six is toxic; where only three were treated, three more are.
    """
    few, six = toxic[:, :, :COHORT].sum(axis=2), toxic.sum(axis=2)
    levels = few.shape[1]
    passes = (few == 0) | ((few == 1) & (six == 1))
    # The level that stopped escalation; one above the highest where none did.
    stopped = np.where(passes.all(axis=1), levels, np.argmin(passes, axis=1))
    place = np.arange(levels)
    below = place < stopped[:, None]
    mtd = np.where(below & (six <= 1), place, -1).max(axis=1)
    needs_six = (few == 1) | (below & (place >= mtd[:, None]))
    reached = place <= stopped[:, None]
    treated = np.where(reached, np.where(needs_six, TWO_COHORTS, COHORT), 0)
    return Escalation(treated.astype(np.int64), mtd.astype(np.int64))


def scenario_at(scenario: Scenario, level: float, complete: bool) -> Scenario:
    """Return the scenario at a fixed level; complete leaves out every reason to stop."""
    posology = scenario.posology.model_copy(update={"start_mg": level, "target_mg": level})
    changes: dict[str, Any] = {"posology": posology}
    if complete:
        changes |= {"exit": (), "rule": ()}
    return scenario.model_copy(update=changes)


class Arms:
    """The dose levels of a scenario, ready to treat patients."""

    def __init__(self, scenario: Scenario, settings: TrialSettings) -> None:
        self.endpoints = endpoints_of(scenario)
        self._toxicity = settings.toxicity
        self.plans = [
            compile_plan(scenario_at(scenario, level, settings.complete), settings.seed)
            for level in scenario.posology.levels_mg
        ]

    def treat(self, level: int, first: int, patients: int) -> Patients:
        """Simulate consecutive patients of one level; first counts within the level."""
        return join(self._blocks(level, level * LEVEL_STRIDE + first, patients))

    def _blocks(self, level: int, first: int, patients: int) -> Iterator[Patients]:
        plan = self.plans[level]
        for histories, _ in recorded_blocks(plan, first, patients):
            yield collect(plan, self.endpoints, self._toxicity, histories)


def steps_of(scenario: Scenario, settings: TrialSettings) -> int:
    """Return what the progress of `simulate_source_trials` adds to."""
    if settings.design == "fixed":
        return settings.trials * EVALUABLE
    return settings.trials * (TWO_COHORTS * len(scenario.posology.levels_mg) + TREATED)


def simulate_source_trials(
    scenario: Scenario, settings: TrialSettings, progress: Progress | None = None
) -> SourceTrials:
    """Simulate the trials of one design; raise LimitError where it does not fit the scenario."""
    if not 1 <= settings.trials <= MAX_TRIALS:
        raise LimitError(f"trials is {settings.trials}; it must be from 1 to {MAX_TRIALS:,}")
    _check_fixed_dose(scenario)
    arms = Arms(scenario, settings)
    if not arms.endpoints:
        raise LimitError(f"{scenario.name} has no exposure-response model to refit")
    if settings.design == "3+3" and not can_be_toxic(arms.plans[0], settings.toxicity):
        raise LimitError(
            f"no adverse event of {scenario.name} has a grade that limits the dose; give grade "
            "shares or --design fixed"
        )
    run = _fixed if settings.design == "fixed" else _escalated
    parts, trials, mtd, pools = run(arms, scenario, settings, progress or (lambda _done: None))
    order = np.argsort(np.concatenate(trials), kind="stable")
    patients, trial = join(parts).take(order), np.concatenate(trials)[order]
    treated = np.array([len(pool) for pool in pools], np.float64)
    toxic = np.array([pool.sum() for pool in pools], np.float64)
    share = np.divide(toxic, treated, out=np.full(len(pools), np.nan), where=treated > 0)
    record, posology = arms.plans[0].record, scenario.posology
    doses_per_day = len(posology.dose_days) / posology.cycle_length_days
    return SourceTrials(
        scenario=scenario,
        settings=settings,
        endpoints=arms.endpoints,
        patients=patients,
        trial=trial,
        evaluable=choose_evaluable(trial, patients.chance_evaluable, settings.design),
        mtd=mtd,
        toxic_share=share,
        toxic_se=np.sqrt(share * (1.0 - share) / np.maximum(treated, 1.0)),
        auc_per_mg=float(record.auc_per_mg) / doses_per_day,
        doses_per_day=doses_per_day,
    )


def _check_fixed_dose(scenario: Scenario) -> None:
    for rule in scenario.rule:
        actions = rule.do if isinstance(rule.do, tuple) else (rule.do,)
        if any(action != "stop" for action in actions) or rule.choices:
            raise LimitError(
                f"{scenario.name}: rule {rule.id} does more than stop treatment; the dose of a "
                "simulated phase 1 patient is fixed"
            )


def choose_evaluable(trial: Whole, chance: Floats, design: Design) -> Flags:
    """Flag the patients with PK and outcome: 44 of 60 at random, all in the fixed design.

    Of a trial with fewer than 60 patients the same share, rounded down. trial is ascending.
    """
    if design == "fixed":
        return np.ones(len(trial), np.bool_)
    size = np.bincount(trial)
    start = np.cumsum(size) - size
    order = np.lexsort((chance, trial))
    rank = np.empty(len(trial), np.int64)
    rank[order] = np.arange(len(trial)) - start[trial]
    return np.asarray(rank < np.minimum(EVALUABLE, size * EVALUABLE // TREATED)[trial])


Parts = tuple[list[Patients], list[Whole], Whole, list[Flags]]


def _fixed(arms: Arms, scenario: Scenario, settings: TrialSettings, progress: Progress) -> Parts:
    """Treat the 44 patients of Table 1 in every trial."""
    levels = [float(level) for level in scenario.posology.levels_mg]
    missing = [level for level in TABLE_1 if level not in levels]
    if missing:
        raise LimitError(
            f"{scenario.name} has no level {', '.join(f'{level:g}' for level in missing)} "
            f"{scenario.posology.unit}; the fixed design treats the levels of Table 1"
        )
    parts, trials, pools = [], [], [np.zeros(0, np.bool_) for _ in levels]
    for dose, patients in TABLE_1.items():
        place = levels.index(dose)
        parts.append(arms.treat(place, 0, settings.trials * patients))
        trials.append(np.repeat(np.arange(settings.trials), patients))
        pools[place] = parts[-1].toxic
        progress(settings.trials * patients)
    return parts, trials, np.full(settings.trials, -1), pools


def _escalated(
    arms: Arms, scenario: Scenario, settings: TrialSettings, progress: Progress
) -> Parts:
    """Escalate, then expand at the MTD until 60 patients are treated."""
    trials, places = settings.trials, len(scenario.posology.levels_mg)
    pools = []
    for place in range(places):
        pools.append(arms.treat(place, 0, trials * TWO_COHORTS))
        progress(trials * TWO_COHORTS)
    toxic = [pool.toxic for pool in pools]
    escalation = escalate(np.stack([one.reshape(trials, TWO_COHORTS) for one in toxic], axis=1))
    parts, numbers = [], []
    for place, pool in enumerate(pools):
        slots = np.arange(TWO_COHORTS) < escalation.treated[:, place, None]
        parts.append(pool.take(slots.ravel()))
        numbers.append(np.nonzero(slots)[0])
    left = TREATED - escalation.treated.sum(axis=1)
    for first, last in _runs(escalation.mtd):
        progress((last - first) * TREATED)
        level = int(escalation.mtd[first])
        if level < 0:
            continue
        start = EXPANSION_OFFSET + first * EXPANDED_AT_MOST
        pool = arms.treat(level, start, (last - first) * EXPANDED_AT_MOST)
        slots = np.arange(EXPANDED_AT_MOST) < left[first:last, None]
        parts.append(pool.take(slots.ravel()))
        numbers.append(first + np.nonzero(slots)[0])
    return parts, numbers, escalation.mtd, toxic


def _runs(values: Whole) -> list[tuple[int, int]]:
    """Return (first, one past the last) of every run of equal values."""
    cuts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(zip(cuts[:-1], cuts[1:], strict=True))
