"""The risks of a scenario in plain sentences: adverse events, their timing, benefit, exits."""

import math
from collections.abc import Iterator

from sim.scenario.risk import (
    AdverseEvent,
    ClinicalBenefit,
    DiscreteOnset,
    Exit,
    LogNormalDuration,
    Onset,
    PiecewiseWeights,
    TriangularOnset,
    WeibullWeights,
)
from sim.scenario.scenario import Scenario
from sim.scenario.uncertainty import (
    BetaLaw,
    CoefficientUncertainty,
    NormalLaw,
    ParameterLaw,
    UniformLaw,
)
from sim.sentences import class_name, count_of, listing, number, percent

NORMAL_95 = 1.959964
READINGS = {
    "typical": "the typical patient",
    "mean": "the mean exposure of the patients",
    "population": "the average over the patients",
}
CLOCKS = {
    "increment": "A dose increase adds its extra risk with a clock of its own: the added exposure "
    "is early again, the rest of the risk is not. A reduction takes the added part away.",
    "start": "The clock of the drug's risk starts with the first dose; an increase does not start "
    "it again.",
    "reset": "An increase starts the clock of all the drug's risk again; a reduction does not.",
}
RECURRENCES = {
    "after_recovery": "the kind may come back once it is over: while it lasts it is not drawn",
    "next_cycle": "the kind may come back in every cycle, also while an earlier one lasts",
    "never": "the kind comes once at most",
}
EXTRAPOLATION = {
    "held": "each later cycle has the hazard of the last",
    "halved": "each later cycle has half the hazard of the last",
    "zero": "later cycles have none",
}


def adverse_event_lines(scenario: Scenario, kind: AdverseEvent) -> Iterator[str]:
    """One kind of adverse event, a heading and indented sentences."""
    label = kind.label or kind.name
    yield (
        f"{label} ({kind.name}; {class_name(kind.ae_class)}, counted from grade "
        f"{kind.counting_grade})."
    )
    for sentence in (*_probabilities(scenario, kind), *_course(kind)):
        yield f"  {sentence}"


def _probabilities(scenario: Scenario, kind: AdverseEvent) -> Iterator[str]:
    cycles = count_of(scenario.exposure_response.reference_cycles, "cycle")
    if kind.probability is not None:
        yield f"{percent(kind.probability)} have it over {cycles} at every dose above 0."
        if kind.drug_share is not None:
            without = 1.0 - (1.0 - kind.probability) ** (1.0 - kind.drug_share)
            yield (
                f"{percent(kind.drug_share)} of that hazard is the drug's, so that at zero dose "
                f"{percent(without)} have it."
            )
    else:
        yield from _sloped(scenario, kind, cycles)
    if kind.background_probability is not None:
        yield (
            f"Without the drug {percent(kind.background_probability)} have it: typed, in place of "
            "the extrapolation."
        )
    if kind.setting_multiplier != 1.0:
        yield f"Its hazard is multiplied by {number(kind.setting_multiplier)} in this setting."


def _sloped(scenario: Scenario, kind: AdverseEvent, cycles: str) -> Iterator[str]:
    intercept, slope = kind.intercept or 0.0, kind.slope_per_auc_per_day or 0.0
    unit = scenario.posology.unit
    reading = READINGS[scenario.exposure_response.reading]
    if kind.probability_by_dose_mg is not None:
        table = kind.probability_by_dose_mg
        yield f"Published, over {cycles}: {_table(table)}, read as those of {reading}."
        intercept, slope = _solved(scenario, table)
        yield from _rounding(scenario, kind)
    solved = "Solved" if kind.probability_by_dose_mg is not None else "Typed"
    solved = solved if kind.fitted_model is None else f"Fitted (model file {kind.fitted_model})"
    yield (
        f"{solved}: log-odds {intercept:.4f} {'+' if slope >= 0 else '-'} {abs(slope):.5f} for "
        f"each ng*h/mL per day of AUC, which is {percent(_expit(intercept))} at zero dose (an "
        "extrapolation below the studied doses)."
    )
    typical = [_typical(scenario, intercept, slope, level) for level in scenario.posology.levels_mg]
    levels = scenario.posology.levels_mg
    shown = [f"{percent(p)} at {number(mg)} {unit}" for p, mg in zip(typical, levels, strict=True)]
    yield f"For the typical patient that gives {listing(shown)}."
    if kind.uncertainty is not None:
        yield _certainty(scenario, kind.uncertainty, intercept, slope)
    yield from _oddities(scenario, kind.name, kind)
    if slope <= 0.0:
        yield "Risk does not rise with exposure, so all of it counts as background."
    elif (
        kind.background_probability is None
        and kind.drug_share is None
        and scenario.posology.start_mg > 0.0
    ):
        at_start = intercept + slope * _typical_auc(scenario, scenario.posology.start_mg)
        share = _softplus(intercept) / _softplus(at_start)
        yield f"At the starting dose {percent(share)} of the hazard is background."


def _rounding(scenario: Scenario, kind: AdverseEvent) -> Iterator[str]:
    """What the print alone leaves open: each percentage may be half a digit away."""
    from sim.register import published_model

    assert kind.probability_by_dose_mg is not None
    model = published_model(scenario, kind.name, kind.probability_by_dose_mg)
    if model is None:
        return
    slope, zero = model.slope, model.at_zero
    yield (
        f"Rounding of the printed probabilities alone allows slopes from {slope.low:.5f} to "
        f"{slope.high:.5f} and {percent(zero.low)} to {percent(zero.high)} at zero dose."
    )


def _oddities(
    scenario: Scenario, name: str, model: AdverseEvent | ClinicalBenefit
) -> Iterator[str]:
    from sim.register import oddities, published_model

    published = None
    if model.probability_by_dose_mg is not None:
        published = published_model(scenario, name, model.probability_by_dose_mg)
    for text in oddities(scenario, name, model, published):
        yield f"Note: {text}."


def _certainty(
    scenario: Scenario, uncertainty: CoefficientUncertainty, intercept: float, slope: float
) -> str:
    """The 95 % intervals that the standard errors of the coefficients allow."""
    center, posology = uncertainty.center_auc_per_day, scenario.posology

    def interval(auc: float) -> str:
        logit = intercept + slope * auc
        sd = math.hypot(uncertainty.sd_logit, uncertainty.sd_slope * (auc - center))
        low, high = _expit(logit - NORMAL_95 * sd), _expit(logit + NORMAL_95 * sd)
        return f"{percent(low)} to {percent(high)}"

    levels = [
        f"{interval(_typical_auc(scenario, mg))} at {number(mg)} {posology.unit}"
        for mg in posology.levels_mg
        if mg > 0.0
    ]
    return (
        f"Standard errors: {uncertainty.sd_logit:.3f} of the log-odds at "
        f"{number(center)} ng*h/mL per day, {uncertainty.sd_slope:.5f} of the slope; so 95 % "
        f"intervals for the typical patient are "
        f"{listing([f'{interval(0.0)} at zero dose', *levels])}."
        f"{_source_of(uncertainty.source)}"
    )


def _source_of(source: str | dict[str, str] | None) -> str:
    if source is None:
        return ""
    text = source if isinstance(source, str) else "; ".join(dict.fromkeys(source.values()))
    return f" Source: {text}."


def _solved(scenario: Scenario, table: dict[str, float]) -> tuple[float, float]:
    # numpy and scipy are needed for this alone, and slow to load.
    from sim.plan.risk import coefficients

    solved = coefficients(scenario, table)
    return solved.intercept, solved.slope


def _table(table: dict[str, float]) -> str:
    return listing(f"{percent(p)} at {number(float(dose))} mg" for dose, p in table.items())


def _expit(log_odds: float) -> float:
    small = math.exp(-abs(log_odds))
    return (1.0 if log_odds >= 0.0 else small) / (1.0 + small)


def _softplus(log_odds: float) -> float:
    """The cumulative hazard log(1 + e^x), also where the probability rounds to 1."""
    return max(log_odds, 0.0) + math.log1p(math.exp(-abs(log_odds)))


def _typical(scenario: Scenario, intercept: float, slope: float, dose_mg: float) -> float:
    return _expit(intercept + slope * _typical_auc(scenario, dose_mg))


def _typical_auc(scenario: Scenario, dose_mg: float) -> float:
    posology, pk = scenario.posology, scenario.pharmacokinetics
    area = scenario.population.bsa_m2
    per_m2 = area.mean if posology.unit == "mg/m2" and area is not None else 1.0
    doses = len(posology.dose_days) / posology.cycle_length_days
    return 1000.0 * doses * dose_mg * per_m2 * pk.exposure_multiplier / pk.cl_f_l_per_h


def _course(kind: AdverseEvent) -> Iterator[str]:
    if kind.grade_shares:
        shares = [f"{percent(p)} reach grade {grade}" for grade, p in kind.grade_shares.items()]
        rest = percent(1.0 - max(kind.grade_shares.values()))
        yield f"Of these events {listing(shares)}; {rest} stay at grade {kind.counting_grade}."
    yield f"It begins {_onset(kind.onset)}. {_durations(kind)}"
    yield (
        f"If the drug caused it, it is called related with probability {number(kind.sensitivity)}, "
        f"if not with probability {number(kind.false_positive_rate)}."
    )
    if kind.recurrence is not None:
        yield f"Recurrence of its own: {RECURRENCES[kind.recurrence]}."


def _onset(onset: Onset) -> str:
    if isinstance(onset, TriangularOnset):
        return (
            f"on cycle days {onset.from_day} to {onset.to_day}, most often around day "
            f"{number(onset.peak_day)} (triangular law)"
        )
    if isinstance(onset, DiscreteOnset):
        days = zip(onset.days, onset.probabilities, strict=True)
        return "on cycle day " + listing((f"{day} ({percent(p)})" for day, p in days), "or")
    return "on any day of the cycle alike"


def _durations(kind: AdverseEvent) -> str:
    parts, several = [], len(kind.duration) > 1
    for law in kind.duration:
        first = law.grade or kind.counting_grade
        higher = (
            "" if any((other.grade or 0) == first + 1 for other in kind.duration) else " or higher"
        )
        grade = f" at grade {first}{higher}" if several else ""
        if isinstance(law, LogNormalDuration):
            low, high = (
                law.median_days * math.exp(sign * 1.96 * law.sd_log) for sign in (-1.0, 1.0)
            )
            parts.append(
                f"a median of {number(law.median_days)} days{grade} (log-normal; 95 of 100 last "
                f"{low:.0f} to {high:.0f} days)"
            )
        elif law.law == "fixed":
            parts.append(f"{count_of(law.days, 'day')}{grade}")
        else:
            parts.append(f"to the last day of the cycle{grade}")
    return f"It lasts {listing(parts)}."


def time_lines(scenario: Scenario) -> Iterator[str]:
    """Weights, the clock, recurrence and frailty."""
    model = scenario.exposure_response
    cycles = model.reference_cycles
    yield (
        f"Published probabilities belong to a reference course of {count_of(cycles, 'cycle')} at "
        f"constant exposure. {_weights(scenario)} Whatever the spread, a full course at a constant "
        "dose has the published probability exactly."
    )
    if scenario.posology.max_cycles > cycles:
        yield (
            f"After cycle {cycles} {EXTRAPOLATION[model.after_reference]}: a structural choice; "
            f"what is beyond cycle {cycles} is extrapolated."
        )
    yield f"Clock: {model.clock}. {CLOCKS[model.clock]}"
    yield f"Recurrence: {model.recurrence}: {RECURRENCES[model.recurrence]}."
    if model.frailty_variance > 0.0:
        yield (
            f"Frailty: a factor shared by all adverse events of a patient, gamma with mean 1 and "
            f"variance {number(model.frailty_variance)}: some patients have more of everything. "
            "The published probabilities hold on average over it."
        )
    else:
        yield (
            "Frailty: none; given exposure, a patient's events do not depend on earlier ones "
            "except through the rules."
        )
    if model.table_source_range_mg is not None:
        low, high = model.table_source_range_mg
        yield (
            f"The published probabilities were estimated on doses from {number(low)} to "
            f"{number(high)} mg."
        )


def _weights(scenario: Scenario) -> str:
    # The weights are numpy arrays; nothing else here needs numpy.
    from sim.exposure_response.weights import cycle_weights

    model = scenario.exposure_response
    law, cycles = model.weights, model.reference_cycles
    weights = cycle_weights(model, cycles)
    if isinstance(law, PiecewiseWeights):
        early = min(law.early_cycles, cycles)
        return (
            f"{percent(law.early_share)} of the hazard falls in cycles 1 to {early} "
            f"({percent(float(weights[1]))} in each), the rest in the cycles after "
            f"({percent(float(weights[cycles]))} in each)."
        )
    name = {"constant": "evenly", "exponential": "with exponential decay"}.get(law.law, "")
    if isinstance(law, WeibullWeights):
        name = f"by a Weibull law of shape {number(law.shape)}"
    if law.law == "exponential":
        name += f" at rate {number(law.rate_per_cycle)} per cycle"
    half = next(c for c in range(1, cycles + 1) if weights[1 : c + 1].sum() >= 0.5)
    return (
        f"The hazard spreads over it {name}: {percent(float(weights[1]))} in cycle 1, "
        f"{percent(float(weights[cycles]))} in cycle {cycles}, half by the end of cycle {half}."
    )


def benefit_lines(scenario: Scenario, benefit: ClinicalBenefit) -> Iterator[str]:
    """The exposure-response of benefit, and what it must not be read as."""
    intercept, slope = benefit.intercept or 0.0, benefit.slope_per_auc_per_day or 0.0
    given = "fitted" if benefit.fitted_model is not None else "typed"
    if benefit.probability_by_dose_mg is not None:
        intercept, slope = _solved(scenario, benefit.probability_by_dose_mg)
        given = _table(benefit.probability_by_dose_mg)
    yield (
        f"{benefit.label}: {given}; "
        f"log-odds {intercept:.4f} + {slope:.5f} for each ng*h/mL per day, averaged over the first "
        f"{count_of(benefit.window_days, 'day')} with zero dose after stopping."
    )
    if benefit.uncertainty is not None:
        yield _certainty(scenario, benefit.uncertainty, intercept, slope)
    yield from _oddities(scenario, "clinical_benefit", benefit)
    yield "It is an index of response, never progression-free survival."


def exit_lines(leaving: Exit) -> Iterator[str]:
    """One exit."""
    p = leaving.probability_per_cycle
    text = f"{leaving.cause.capitalize()}: {percent(p)} per cycle"
    if leaving.shape != 1.0:
        text += f" in the first cycle, Weibull with shape {number(leaving.shape)} over days"
    elif 0.0 < p < 1.0:
        half = math.log(0.5) / math.log1p(-p)
        text += f" (alone, half of the patients would have left after {half:.0f} cycles)"
    if leaving.log_hazard_per_auc_per_day != 0.0:
        per_100 = math.exp(100.0 * leaving.log_hazard_per_auc_per_day)
        text += (
            f"; the hazard changes by a factor {per_100:.3f} for each 100 ng*h/mL per day of AUC "
            "above that of the reference dose"
        )
    if leaving.before_ae:
        text += "; assessed on day 1, before the adverse events of the cycle"
    yield f"{text}."


def law_words(law: ParameterLaw) -> str:
    """The law of an uncertain number in words."""
    if isinstance(law, UniformLaw):
        return f"any value from {number(law.low)} to {number(law.high)} alike"
    if isinstance(law, BetaLaw):
        return f"as {law.events} of {law.patients} tell it (Beta law)"
    if isinstance(law, NormalLaw):
        text = f"normal around the value above with SD {number(law.sd)}"
    else:
        text = f"the value above times a log-normal factor with SD {number(law.sd_log)} of its log"
    ends = [
        f"{word} {number(end)}"
        for word, end in (("at least", law.low), ("at most", law.high))
        if end is not None
    ]
    return f"{text}, {listing(ends)}" if ends else text
