"""Adverse events, benefit, exits and exposure become numbers."""

import math
from typing import Any

import numpy as np

from sim.codes import AdverseEventClass, Cause, Clock, DurationLaw, Recurrence
from sim.exposure_response.table import Coefficients, solve_table
from sim.exposure_response.weights import cycle_weights
from sim.model.draws import threshold
from sim.model.elementary import softplus
from sim.model.layout import (
    EXIT_DAYS,
    MAX_CYCLE_DAYS,
    MAX_CYCLES,
    ONSET_BINS,
    ONSET_SHIFT,
    VARIABLE,
)
from sim.model.risk import exit_threshold, with_frailty
from sim.pharmacokinetics import accumulation_shares
from sim.plan.streams import Streams
from sim.scenario.risk import AdverseEvent, ClinicalBenefit, Duration, Onset
from sim.scenario.scenario import Scenario

CERTAIN = 1 << 32


def auc_per_mg(scenario: Scenario) -> float:
    """Return AUC/day times CL/F per mg: 1000 * doses per cycle / cycle length."""
    posology = scenario.posology
    return 1000.0 * len(posology.dose_days) / posology.cycle_length_days


def coefficients(scenario: Scenario, table: dict[str, float]) -> Coefficients:
    """Return the logistic coefficients of a published table under the scenario's reading."""
    pk = scenario.pharmacokinetics
    typical = auc_per_mg(scenario) / pk.cl_f_l_per_h
    reading = scenario.exposure_response.reading
    return solve_table(table, typical, pk.cl_f_sd_log, reading)


def coefficients_of(scenario: Scenario, model: AdverseEvent | ClinicalBenefit) -> Coefficients:
    """Return the logistic coefficients of a kind or of benefit: as given, or of its table."""
    if model.probability_by_dose_mg is not None:
        return coefficients(scenario, model.probability_by_dose_mg)
    assert model.intercept is not None and model.slope_per_auc_per_day is not None
    return Coefficients(model.intercept, model.slope_per_auc_per_day)


def fill_exposure(plan: Any, scenario: Scenario, streams: Streams) -> None:
    """Fill clearance, exposure per mg, body surface area and accumulation."""
    pk = scenario.pharmacokinetics
    plan.cl_f_typical = pk.cl_f_l_per_h
    plan.cl_f_sd_log = pk.cl_f_sd_log
    if pk.cl_f_individuals_l_per_h is not None:
        plan.n_individuals = len(pk.cl_f_individuals_l_per_h)
        plan.individual_cl_f[: plan.n_individuals] = sorted(pk.cl_f_individuals_l_per_h)
    plan.cl_f_stream = streams.number("population/cl_f")
    plan.frailty_stream = streams.number("population/frailty")
    plan.bsa_stream = streams.number("population/bsa")
    plan.auc_per_mg = auc_per_mg(scenario) * pk.exposure_multiplier
    if scenario.posology.unit == "mg/m2":
        bsa = scenario.population.bsa_m2
        assert bsa is not None
        plan.per_m2 = 1
        plan.bsa_mean, plan.bsa_sd, plan.bsa_low, plan.bsa_high = (
            bsa.mean,
            bsa.sd,
            bsa.low,
            bsa.high,
        )
    if pk.exposure == "accumulation":
        assert pk.three_compartments is not None
        cycles = scenario.posology.max_cycles
        plan.n_accumulation = cycles
        plan.accumulation[:cycles] = accumulation_shares(
            pk.three_compartments, scenario.posology, cycles
        )


def onset_probabilities(onset: Onset, cycle_days: int) -> np.ndarray:
    """Return P(onset on day d) for d = 0..cycle_days; day 0 never.

    The triangular law rises linearly to the peak and reaches 0 one day outside its range.
    """
    days = np.arange(cycle_days + 1, dtype=float)
    if onset.law == "uniform":
        mass = np.where(days >= 1, 1.0, 0.0)
    elif onset.law == "triangular":
        low, high = onset.from_day - 1.0, onset.to_day + 1.0
        rising = (days - low) / (onset.peak_day - low)
        falling = (high - days) / (high - onset.peak_day)
        mass = np.clip(np.minimum(rising, falling), 0.0, None)
    else:
        mass = np.zeros(cycle_days + 1)
        for day, probability in zip(onset.days, onset.probabilities, strict=True):
            mass[day] += probability
    return mass / mass.sum()


def _duration_of(durations: tuple[Duration, ...], grade: int) -> Duration:
    """Return the law with the highest grade not above this one."""
    best = durations[0]
    for law in durations:
        if (law.grade or 1) <= grade and (law.grade or 1) >= (best.grade or 1):
            best = law
    return best


def _fill_duration(plan: Any, kind: int, event: AdverseEvent) -> None:
    for grade in range(1, 6):
        law = _duration_of(event.duration, grade)
        plan.duration_law[kind, grade] = DurationLaw[law.law.upper()]
        if law.law == "log_normal":
            plan.duration_median[kind, grade] = law.median_days
            plan.duration_sd[kind, grade] = law.sd_log
        elif law.law == "fixed":
            plan.duration_median[kind, grade] = law.days


def _fill_hazard(plan: Any, scenario: Scenario, kind: int, event: AdverseEvent) -> None:
    plan.drug_share[kind] = -1.0 if event.drug_share is None else event.drug_share
    plan.setting_multiplier[kind] = event.setting_multiplier
    if event.probability is not None:
        plan.constant_hazard[kind] = with_frailty(plan, -math.log1p(-event.probability))
        plan.background_hazard[kind] = plan.constant_hazard[kind]
        plan.drug_share[kind] = event.drug_share or 0.0
        return
    plan.has_slope[kind] = 1
    solved = coefficients_of(scenario, event)
    plan.intercept[kind], plan.slope[kind] = solved.intercept, solved.slope
    background = softplus(float(plan.intercept[kind]))
    if event.background_probability is not None:
        background = -math.log1p(-event.background_probability)
    plan.background_hazard[kind] = with_frailty(plan, background)


def fill_adverse_events(plan: Any, scenario: Scenario, streams: Streams) -> None:
    """Fill the tables of every kind of adverse event, and the weights and clock."""
    model = scenario.exposure_response
    plan.clock = Clock[model.clock.upper()]
    plan.weight[:] = cycle_weights(model, MAX_CYCLES)
    plan.frailty_variance = model.frailty_variance
    if model.frailty_variance > 0.0:
        plan.frailty_log_gamma = math.lgamma(1.0 / model.frailty_variance)
    plan.n_kinds = len(scenario.adverse_event)
    for kind, event in enumerate(scenario.adverse_event):
        plan.kind_stream[kind] = streams.number(f"ae/{event.name}")
        plan.course_stream[kind] = streams.number(f"ae/{event.name}/course")
        plan.kind_class[kind] = AdverseEventClass[event.ae_class.upper()]
        plan.counting_grade[kind] = event.counting_grade
        plan.recurrence[kind] = Recurrence[(event.recurrence or model.recurrence).upper()]
        plan.sensitivity[kind] = threshold(event.sensitivity)
        plan.false_positive[kind] = threshold(event.false_positive_rate)
        for grade in range(6):
            plan.grade_share[kind, grade] = 1.0 if grade <= event.counting_grade else 0.0
        for grade_text, share in event.grade_shares.items():
            plan.grade_share[kind, int(grade_text)] = share
        cumulative = np.cumsum(
            onset_probabilities(event.onset, scenario.posology.cycle_length_days)
        )
        plan.onset[kind] = CERTAIN
        for day in range(scenario.posology.cycle_length_days):
            plan.onset[kind, day] = threshold(float(cumulative[day]))
        lowest_words = np.arange(ONSET_BINS, dtype=np.int64) << ONSET_SHIFT
        plan.onset_from[kind] = 1 + np.searchsorted(plan.onset[kind, 1:], lowest_words, "right")
        _fill_duration(plan, kind, event)
        _fill_hazard(plan, scenario, kind, event)
    assert plan.onset.shape[1] == MAX_CYCLE_DAYS + 1


def fill_benefit(plan: Any, scenario: Scenario) -> None:
    """Fill the exposure-response of clinical benefit."""
    benefit = scenario.clinical_benefit
    if benefit is None:
        return
    solved = coefficients_of(scenario, benefit)
    plan.has_benefit = 1
    plan.benefit_intercept, plan.benefit_slope = solved.intercept, solved.slope
    plan.benefit_days = benefit.window_days


def fill_exits(plan: Any, scenario: Scenario, streams: Streams) -> None:
    """Fill the exits; hazard of a nominal cycle = -log(1 - p)."""
    posology = scenario.posology
    reference = posology.reference_dose_mg
    plan.exit_reference_auc = (
        auc_per_mg(scenario) * reference / scenario.pharmacokinetics.cl_f_l_per_h
    )
    plan.n_exits = len(scenario.exit)
    for number, leaving in enumerate(scenario.exit):
        plan.exit_stream[number] = streams.number(f"exit/{leaving.cause}")
        plan.exit_cause[number] = Cause[leaving.cause.upper()]
        plan.exit_hazard[number] = -math.log1p(-leaving.probability_per_cycle)
        plan.exit_shape[number] = leaving.shape
        plan.exit_slope[number] = leaving.log_hazard_per_auc_per_day
        plan.exit_before_ae[number] = int(leaving.before_ae)
        plan.has_exit_ahead |= int(leaving.before_ae)
        is_constant = leaving.shape == 1.0 and leaving.log_hazard_per_auc_per_day == 0.0
        plan.exit_threshold[number] = VARIABLE
        if is_constant:
            for days in range(EXIT_DAYS):
                hazard = plan.exit_hazard[number] * (days / plan.cycle_days)
                plan.exit_threshold[number, days] = exit_threshold(hazard)
        plan.has_variable_exit |= int(not is_constant)
