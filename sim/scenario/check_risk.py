"""Checks of adverse events, benefit, exits and exposure-response."""

import math
from collections.abc import Iterator, Mapping

from sim.scenario.flaw import Case, Flaw, dose_text
from sim.scenario.locate import Path
from sim.scenario.risk import (
    AdverseEvent,
    ClinicalBenefit,
    DiscreteOnset,
    PiecewiseWeights,
    TriangularOnset,
)
from sim.scenario.scenario import Scenario
from sim.scenario.wording import number_text

SUM_TOLERANCE = 1e-9
HIGHEST_GRADE = 5
ODD_PROBABILITY = 0.99


def check_adverse_events(case: Case) -> Iterator[Flaw]:
    """One way of giving the probability (K04), possible doses, grades and shares."""
    for index, event in enumerate(case.scenario.adverse_event):
        at: Path = ("adverse_event", index)
        yield from _ways(event, at)
        yield from _grade_shares(event, at)
        if event.probability_by_dose_mg is not None:
            yield from _by_dose(event.probability_by_dose_mg, (*at, "probability_by_dose_mg"))
        if event.probability is not None and event.probability >= ODD_PROBABILITY:
            message = f"nearly every patient has the event (probability {event.probability:g})"
            yield Flaw((*at, "probability"), "N07", message, severity="warning")
        if event.setting_multiplier == 0:
            message = f"{event.name} never happens (setting_multiplier 0)"
            yield Flaw((*at, "setting_multiplier"), "N07", message, severity="warning")


def check_durations(case: Case) -> Iterator[Flaw]:
    """Duration laws go up by grade and the first covers the counting grade (Y04)."""
    for index, event in enumerate(case.scenario.adverse_event):
        before = None
        for place, law in enumerate(event.duration):
            at: Path = ("adverse_event", index, "duration", place)
            if place == 0 and law.grade is not None and law.grade > event.counting_grade:
                message = f"no duration for grade {event.counting_grade}, the counting grade"
                yield Flaw((*at, "grade"), "Y04", f"{message}; the first is from grade {law.grade}")
            elif place and law.grade is None:
                message = 'every duration after the first needs "grade", the grade it applies from'
                yield Flaw(at, "K03", message)
            elif place and before is not None and law.grade is not None and law.grade <= before:
                message = f"grades must increase: {before} is followed by {law.grade}"
                yield Flaw((*at, "grade"), "Y04", message)
            before = law.grade or event.counting_grade


def check_onsets(case: Case) -> Iterator[Flaw]:
    """Onset days lie within the cycle and their probabilities add to 1 (N02, N04, Y04)."""
    length = case.scenario.posology.cycle_length_days
    for index, event in enumerate(case.scenario.adverse_event):
        at: Path = ("adverse_event", index, "onset")
        if isinstance(event.onset, TriangularOnset):
            yield from _triangle(event.onset, at, length)
        elif isinstance(event.onset, DiscreteOnset):
            yield from _discrete(event.onset, at, length)


def check_benefit(case: Case) -> Iterator[Flaw]:
    """The benefit is given in one way, and doses of its probabilities are possible."""
    benefit = case.scenario.clinical_benefit
    if benefit is None:
        return
    yield from _one_way(benefit, "clinical_benefit", ("clinical_benefit",))
    if benefit.probability_by_dose_mg is not None:
        at: Path = ("clinical_benefit", "probability_by_dose_mg")
        yield from _by_dose(benefit.probability_by_dose_mg, at)


def check_exits(case: Case) -> Iterator[Flaw]:
    """Exits that never happen (N07)."""
    for index, leaving in enumerate(case.scenario.exit):
        if leaving.probability_per_cycle == 0:
            at: Path = ("exit", index, "probability_per_cycle")
            message = f"{leaving.cause} never happens (probability 0)"
            yield Flaw(at, "N07", message, severity="warning")


def check_exposure_response(case: Case) -> Iterator[Flaw]:
    """Early cycles are part of the reference course; the source range is a range (N02)."""
    response = case.scenario.exposure_response
    weights = response.weights
    if isinstance(weights, PiecewiseWeights) and weights.early_cycles >= response.reference_cycles:
        course = f"the reference course of {response.reference_cycles} cycles"
        message = f"early_cycles is {weights.early_cycles}; it must be less than {course}"
        key = "early_cycles"
        path: Path = ("exposure_response", "weights", key)
        if not case.is_given(path):
            path = ("exposure_response", "reference_cycles")
        yield Flaw(path, "N02", message)
    source = response.table_source_range_mg
    if source is not None and source[0] >= source[1]:
        message = f"the range must increase: {number_text(source[0])} to {number_text(source[1])}"
        yield Flaw(("exposure_response", "table_source_range_mg"), "N02", message)


def check_extrapolation(case: Case) -> Iterator[Flaw]:
    """Doses outside the range that the probabilities were estimated on (D08)."""
    source = case.scenario.exposure_response.table_source_range_mg
    if source is None or source[0] >= source[1]:
        return
    low, high = source
    posology, area = case.scenario.posology, case.scenario.population.bsa_m2
    # The range is in mg whatever the posology's unit: a dose per m2 is that of the mean patient.
    per_m2 = area.mean if posology.unit == "mg/m2" and area is not None else 1.0
    for index, level in enumerate(posology.levels_mg):
        if level > 0 and not low <= level * per_m2 <= high:
            side = "above" if level * per_m2 > high else "below"
            span = f"{number_text(low)}-{number_text(high)} mg"
            message = f"{dose_text(case, level)} is {side} the {span} range"
            message += " that these parameters were estimated on"
            at: Path = ("posology", "levels_mg", index)
            yield Flaw(at, "D08", message, severity="warning")


def check_exposure_ranges(case: Case) -> Iterator[Flaw]:
    """Exposures outside the range that coefficients were estimated on (D08, N02)."""
    scenario = case.scenario
    models: list[tuple[Path, AdverseEvent | ClinicalBenefit, str]] = [
        (("adverse_event", index), event, event.name)
        for index, event in enumerate(scenario.adverse_event)
    ]
    if scenario.clinical_benefit is not None:
        models.append((("clinical_benefit",), scenario.clinical_benefit, "clinical_benefit"))
    for at, model, name in models:
        if model.exposure_range_auc_per_day is None:
            continue
        low, high = model.exposure_range_auc_per_day
        key: Path = (*at, "exposure_range_auc_per_day")
        if low >= high:
            span = f"{number_text(low)} to {number_text(high)}"
            yield Flaw(key, "N02", f"the range must increase: {span}")
            continue
        outside = [
            dose_text(case, level)
            for level in scenario.posology.levels_mg
            if level > 0 and not low <= _typical_auc(scenario, level) <= high
        ]
        if outside:
            span = f"{number_text(round(low, 1))}-{number_text(round(high, 1))} ng*h/mL per day"
            message = f"the typical patient's exposure at {', '.join(outside)} is outside the "
            message += f"{span} that the model of {name} was estimated on"
            yield Flaw(key, "D08", message, severity="warning")


def _typical_auc(scenario: Scenario, level: float) -> float:
    posology, area = scenario.posology, scenario.population.bsa_m2
    per_m2 = area.mean if posology.unit == "mg/m2" and area is not None else 1.0
    doses = len(posology.dose_days) / posology.cycle_length_days
    return 1000.0 * doses * level * per_m2 / scenario.pharmacokinetics.cl_f_l_per_h


def _ways(event: AdverseEvent, at: Path) -> Iterator[Flaw]:
    """Exactly one way of saying how probable the event is, and one of its background."""
    yield from _one_way(event, event.name, at)
    if event.drug_share is not None and event.background_probability is not None:
        message = f'give "drug_share" or "background_probability" for {event.name}, not both'
        yield Flaw((*at, "background_probability"), "K04", message, at_key=True)
    yield from _background(event, at)


def _one_way(model: AdverseEvent | ClinicalBenefit, name: str, at: Path) -> Iterator[Flaw]:
    linear = model.intercept is not None or model.slope_per_auc_per_day is not None
    ways = {
        "probability_by_dose_mg": model.probability_by_dose_mg is not None,
        "intercept": linear,
        "probability": getattr(model, "probability", None) is not None,
    }
    given = [way for way, is_given in ways.items() if is_given]
    if not given and model.fitted_model is None:
        choice = "probability_by_dose_mg, intercept with slope_per_auc_per_day, or probability"
        yield Flaw(at, "K03", f"{name} needs a probability: give {choice}")
    elif len(given) > 1:
        message = f'give "{given[0]}" or "{given[1]}" for {name}, not both'
        yield Flaw((*at, given[1]), "K04", message, at_key=True)
    if linear and (model.intercept is None or model.slope_per_auc_per_day is None):
        there, missing = "intercept", "slope_per_auc_per_day"
        if model.intercept is None:
            there, missing = missing, there
        message = f'"{there}" needs "{missing}" beside it'
        yield Flaw((*at, there), "K03", message, at_key=True)


def _background(event: AdverseEvent, at: Path) -> Iterator[Flaw]:
    background = event.background_probability
    with_drug = list((event.probability_by_dose_mg or {}).values())
    with_drug += [event.probability] if event.probability is not None else []
    if background is not None and with_drug and background > min(with_drug):
        message = f"without drug the probability is {background:g}"
        message += f", with drug only {min(with_drug):g}"
        yield Flaw((*at, "background_probability"), "N02", message)


def _by_dose(probabilities: Mapping[str, float], at: Path) -> Iterator[Flaw]:
    doses: dict[float, str] = {}
    for key in probabilities:
        dose = _dose(key)
        if dose is None:
            message = f'"{key}" is not a dose; write the dose in mg, for example "3.0"'
            yield Flaw((*at, key), "Y01", message, at_key=True)
        elif dose <= 0 or not math.isfinite(dose):
            message = f'dose "{key}" must be more than 0'
            yield Flaw((*at, key), "N02", message, at_key=True)
        elif dose in doses:
            message = f'"{key}" and "{doses[dose]}" are the same dose'
            yield Flaw((*at, key), "R03", message, at_key=True)
        else:
            doses[dose] = key
    ordered = sorted(doses)
    for low, high in zip(ordered, ordered[1:], strict=False):
        if probabilities[doses[low]] > probabilities[doses[high]]:
            message = f"the probability falls from {doses[low]} mg to {doses[high]} mg"
            yield Flaw((*at, doses[high]), "N07", message, severity="warning")


def _dose(key: str) -> float | None:
    try:
        return float(key)
    except ValueError:
        return None


def _grade_shares(event: AdverseEvent, at: Path) -> Iterator[Flaw]:
    grades = [str(g) for g in range(event.counting_grade + 1, HIGHEST_GRADE + 1)]
    for key in event.grade_shares:
        if key not in grades:
            allowed = ", ".join(grades) or "none"
            message = f'grade_shares has "{key}"; above counting grade {event.counting_grade}'
            message += f" the grades are: {allowed}"
            yield Flaw((*at, "grade_shares", key), "Y04", message, at_key=True)
    given = [grade for grade in grades if grade in event.grade_shares]
    if given and given != grades[: len(given)]:
        message = f'grade_shares has "{given[-1]}" but leaves out a lower grade'
        yield Flaw((*at, "grade_shares", given[-1]), "Y04", message, at_key=True)
    for low, high in zip(given, given[1:], strict=False):
        if event.grade_shares[low] < event.grade_shares[high]:
            message = f"the share of grade {high} or higher is above that of grade {low} or higher"
            yield Flaw((*at, "grade_shares", high), "N02", message)


def _triangle(onset: TriangularOnset, at: Path, length: int) -> Iterator[Flaw]:
    if not onset.from_day <= onset.peak_day <= onset.to_day or onset.from_day == onset.to_day:
        message = f"onset from day {onset.from_day}, peak {onset.peak_day:g}, to {onset.to_day}"
        yield Flaw(at, "N02", f"{message}; these must increase")
    if onset.to_day > length:
        message = f"day {onset.to_day} is after the end of the {length}-day cycle"
        yield Flaw((*at, "to_day"), "N02", message)


def _discrete(onset: DiscreteOnset, at: Path, length: int) -> Iterator[Flaw]:
    days, probabilities = onset.days, onset.probabilities
    if len(days) != len(probabilities):
        named = ", ".join(str(day) for day in days)
        counts = f"{len(probabilities)} probabilities for {len(days)} onset days ({named})"
        yield Flaw((*at, "probabilities"), "Y04", counts)
    elif abs(math.fsum(probabilities) - 1) > SUM_TOLERANCE:
        total = f"{math.fsum(probabilities):.10g}"
        message = f"onset probabilities add to {total}; they must add to 1 (tolerance 1e-9)"
        yield Flaw((*at, "probabilities"), "N04", message)
    for index, day in enumerate(days):
        if index and day <= days[index - 1]:
            message = f"onset days must increase: {days[index - 1]} is followed by {day}"
            yield Flaw((*at, "days", index), "Y04", message)
        if day > length:
            message = f"day {day} is after the end of the {length}-day cycle"
            yield Flaw((*at, "days", index), "N02", message)
