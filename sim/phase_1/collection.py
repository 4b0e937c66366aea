"""What a phase 1 study writes down of its patients, and the exposures an analyst makes of it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sim.codes import AdverseEventClass
from sim.histories import Histories
from sim.model.draws import latent_uniform
from sim.model.jit import njit
from sim.plan.plan import Plan
from sim.plan.risk import coefficients_of
from sim.plan.streams import Streams
from sim.scenario.scenario import Scenario

BENEFIT = "clinical_benefit"
METRICS = ("first-event", "nominal", "actual")
Metric = Literal["first-event", "nominal", "actual"]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Toxicity:
    """Which related event of cycle 1 limits the dose; the paper does not say: ASSUMED."""

    hematologic_grade: int = 4
    non_hematologic_grade: int = 3

    def text(self) -> str:
        """Return the definition in words."""
        return (
            f"drug-related in cycle 1, non-hematologic of grade >= {self.non_hematologic_grade} "
            f"or hematologic of grade >= {self.hematologic_grade}"
        )


@dataclass(frozen=True)
class Endpoint:
    """What happens to a patient or not; the true model is logit P = intercept + slope * A.

    A is AUC/day in ng*h/mL per day. multiplier is that of the hazard, kind the place among the
    scenario's adverse events, -1 for clinical benefit.
    """

    name: str
    label: str
    intercept: float
    slope: float
    multiplier: float = 1.0
    kind: int = -1

    def probability(self, auc_per_day: Floats | float) -> Floats:
        """Return the true probability over the reference course at an exposure."""
        spared = expit(-self.intercept - self.slope * np.asarray(auc_per_day))
        return np.asarray(1.0 - spared**self.multiplier)


@dataclass(frozen=True)
class Patients:
    """What is collected of each patient, in columns of shape (n,) or (n, endpoints).

    Doses in mg, days from the first dose (day 1). event_day is the first onset, 0 for never,
    and mg_to_event what had been given by the end of that day. chance_evaluable is uniform:
    of the patients of a trial those with the lowest are evaluable.
    """

    number: Whole
    level: Whole
    dose_mg: Floats
    bsa_m2: Floats
    cl_f_l_per_h: Floats
    toxic: Flags
    stop_day: Whole
    given_mg: Floats
    event_day: Whole
    mg_to_event: Floats
    chance_evaluable: Floats

    def take(self, rows: Any) -> "Patients":
        """Return some of the patients: rows are numbers or flags."""
        return Patients(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def __len__(self) -> int:
        return len(self.number)


def join(parts: Iterable[Patients]) -> Patients:
    """Return the patients of several parts as one, in the order of the parts."""
    parts = list(parts)
    columns = {one.name: [getattr(part, one.name) for part in parts] for one in fields(Patients)}
    return Patients(**{name: np.concatenate(values) for name, values in columns.items()})


def endpoints_of(scenario: Scenario) -> tuple[Endpoint, ...]:
    """Return what the paper's models describe: kinds with a slope, then clinical benefit."""
    found = []
    for kind, event in enumerate(scenario.adverse_event):
        if event.probability is None:
            model = coefficients_of(scenario, event)
            label = event.label or event.name.replace("_", " ")
            multiplier = event.setting_multiplier
            found.append(
                Endpoint(event.name, label, model.intercept, model.slope, multiplier, kind)
            )
    if scenario.clinical_benefit is not None:
        model = coefficients_of(scenario, scenario.clinical_benefit)
        label = "Clinical benefit, stable disease or better"
        found.append(Endpoint(BENEFIT, label, model.intercept, model.slope))
    return tuple(found)


@njit
def _fill_uniforms(plans, stream, first, uniforms):  # type: ignore[no-untyped-def]
    for i in range(uniforms.shape[0]):
        uniforms[i] = latent_uniform(plans[0], first + i, stream)


def addressed_uniforms(plan: Plan, name: str, first: int, patients: int) -> Floats:
    """Return the uniforms of a stream, given by its name, of consecutive patients."""
    streams = Streams()
    for used in plan.streams.values():
        streams.number(used)
    uniforms = np.empty(patients)
    _fill_uniforms(plan.numbers, streams.number(name), first, uniforms)
    return uniforms


def collect(
    plan: Plan,
    endpoints: tuple[Endpoint, ...],
    toxicity: Toxicity,
    histories: Histories,
) -> Patients:
    """Return what the study writes down of consecutive patients, from their histories.

    Clinical benefit is read at the end of the scenario's window, or on the last day of
    treatment before that, with the probability of the AUC/day until then; whether it came is
    an addressed draw. The engine spreads the doses over the whole window instead, which for
    whoever leaves within it is no exposure that an analyst of the trial would compute.
    """
    end = histories.disposition
    first, n, stop_day = int(end[0, 0]), len(end), end[:, 2]
    event_day = first_onset_days(histories, endpoints, first, n)
    patient, day, mg = _doses_given(histories, first)
    if endpoints and endpoints[-1].kind < 0:
        seen = np.minimum(int(plan.record.benefit_days), stop_day)
        within = day <= seen[patient]
        given_mg = np.bincount(patient[within], mg[within], n)
        auc_per_mg = float(plan.record.auc_per_mg) * plan.record.cycle_days / plan.record.n_doses
        auc_per_day = auc_per_mg * given_mg / (histories.latents[:, 0] * np.maximum(seen, 1))
        chance = addressed_uniforms(plan, f"source_trial/{BENEFIT}", first, n)
        happened = chance < endpoints[-1].probability(auc_per_day)
        event_day[:, -1] = np.where(happened, seen, 0)
    mg_to_event = np.zeros(event_day.shape)
    for place in range(len(endpoints)):
        before = day <= event_day[patient, place]
        mg_to_event[:, place] = np.bincount(patient[before], mg[before], n)
    level, bsa_m2 = int(plan.record.start_level), histories.latents[:, 1]
    return Patients(
        number=end[:, 0],
        level=np.full(n, level),
        dose_mg=float(plan.record.level_mg[level]) * bsa_m2,
        bsa_m2=bsa_m2,
        cl_f_l_per_h=histories.latents[:, 0],
        toxic=_toxic(plan, toxicity, histories, first, n),
        stop_day=stop_day,
        given_mg=np.bincount(patient, mg, n).astype(np.float64),
        event_day=event_day,
        mg_to_event=mg_to_event,
        chance_evaluable=addressed_uniforms(plan, "source_trial/evaluable", first, n),
    )


def first_onset_days(
    histories: Histories, endpoints: tuple[Endpoint, ...], first: int, patients: int
) -> Whole:
    """Return the first onset day of shape (patients, endpoints), 0 for never."""
    never = np.iinfo(np.int64).max
    days = np.full((patients, len(endpoints)), never, np.int64)
    events = histories.adverse_events
    for place, endpoint in enumerate(endpoints):
        own = events[events[:, 2] == endpoint.kind]
        np.minimum.at(days[:, place], own[:, 0] - first, own[:, 3])
    return np.where(days == never, 0, days)


def _doses_given(histories: Histories, first: int) -> tuple[Whole, Whole, Floats]:
    """Return patient, day and mg of every dose given."""
    doses = histories.doses[histories.doses[:, 5] == 1]
    levels = np.array([float(level) for level in histories.names.levels])
    patient = doses[:, 0] - first
    return patient, doses[:, 3], levels[doses[:, 4]] * histories.latents[patient, 1]


def can_be_toxic(plan: Plan, toxicity: Toxicity) -> bool:
    """Say whether any kind of event has a grade that limits the dose."""
    kinds = np.arange(int(plan.record.n_kinds))
    needed = _limiting_grades(plan, toxicity, kinds)
    return bool((np.asarray(plan.record.grade_share)[kinds, needed] > 0.0).any())


def _limiting_grades(plan: Plan, toxicity: Toxicity, kinds: Whole) -> Whole:
    """Return the grade from which an event of each kind limits the dose."""
    hematologic = np.asarray(plan.record.kind_class)[kinds] == AdverseEventClass.HEMATOLOGIC
    return np.where(hematologic, toxicity.hematologic_grade, toxicity.non_hematologic_grade)


def _toxic(
    plan: Plan, toxicity: Toxicity, histories: Histories, first: int, patients: int
) -> Flags:
    """Say who had a dose-limiting toxicity: its onset lies within the first cycle's days."""
    events = histories.adverse_events
    limiting = events[:, 5] >= _limiting_grades(plan, toxicity, events[:, 2])
    limiting &= events[:, 7] == 1
    limiting &= events[:, 3] <= int(plan.record.cycle_days)
    toxic = np.zeros(patients, np.bool_)
    toxic[events[limiting, 0] - first] = True
    return toxic


def exposure(
    patients: Patients, place: int, metric: Metric, auc_per_mg: float, doses_per_day: float
) -> Floats:
    """Return the AUC/day [ng*h/mL per day] that goes with one endpoint, by its place.

    first-event, the paper's: dose taken so far over days so far at the first event; over the
    whole treatment without one. actual: over the whole treatment. nominal: the assigned dose
    at the planned pace. auc_per_mg is 1000 ng*h/mL per mg at a CL/F of 1 L/h.
    """
    if metric == "nominal":
        return auc_per_mg * doses_per_day * patients.dose_mg / patients.cl_f_l_per_h
    mg, days = patients.given_mg, patients.stop_day
    if metric == "first-event":
        happened = patients.event_day[:, place] > 0
        mg = np.where(happened, patients.mg_to_event[:, place], mg)
        days = np.where(happened, patients.event_day[:, place], days)
    return auc_per_mg * mg / (patients.cl_f_l_per_h * np.maximum(days, 1))
