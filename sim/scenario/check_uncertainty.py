"""Laws of parameters: about a number that is there, within what it may be (K03, N02, R01, R03)."""

from collections.abc import Iterator

from pydantic import ValidationError

from sim.errors import quoted
from sim.scenario.flaw import Case, Flaw, doses_text
from sim.scenario.locate import Path
from sim.scenario.parameter import NoSuchParameterError, place_of, value_at, with_value
from sim.scenario.scenario import Scenario
from sim.scenario.uncertainty import BetaLaw, LogNormalLaw, NormalLaw, ParameterLaw
from sim.scenario.wording import number_text

COEFFICIENTS = ("intercept", "slope_per_auc_per_day")
SOLVED = ("calibration.multiplier", "exposure_response.weights.early_share")


def check_coefficients(case: Case) -> Iterator[Flaw]:
    """Uncertainty of coefficients needs a slope (K03)."""
    for index, event in enumerate(case.scenario.adverse_event):
        if event.uncertainty is not None and event.probability is not None:
            at: Path = ("adverse_event", index, "uncertainty")
            message = f"{event.name} has no slope, so that there is none to be uncertain about"
            hint = f'give a law for "adverse_event.{event.name}.probability" under [uncertainty]'
            yield Flaw(at, "K03", message, hint)


def check_laws(case: Case) -> Iterator[Flaw]:
    """Every law is about one number of the scenario and keeps it in range."""
    uncertainty = case.scenario.uncertainty
    if uncertainty is None:
        return
    seen: set[tuple[str | int, ...]] = set()
    for index, law in enumerate(uncertainty.parameter):
        at: Path = ("uncertainty", "parameter", index)
        try:
            place = place_of(case.scenario, law.path)
            center = value_at(case.scenario, law.path)
        except NoSuchParameterError as error:
            message = f"{quoted(law.path)} leads to no number: {error}"
            yield Flaw((*at, "path"), "R01", message, error.hint)
            continue
        if place in seen:
            yield Flaw((*at, "path"), "R03", f"{quoted(law.path)} has a law already")
        seen.add(place)
        yield from _drawn_otherwise(case, law, at)
        yield from _law(case, law, center, at)


def check_recalibration(case: Case) -> Iterator[Flaw]:
    """Counts can only be drawn where there are some (K03), at a dose that can be given (N07)."""
    uncertainty, calibration = case.scenario.uncertainty, case.scenario.calibration
    if uncertainty is None or not uncertainty.calibration_counts:
        return
    at: Path = ("uncertainty", "calibration_counts")
    if calibration is None:
        yield Flaw(at, "K03", "there is no [calibration], so no counts to draw")
    elif calibration.dose_mg not in case.scenario.posology.levels_mg:
        dose, levels = number_text(calibration.dose_mg), doses_text(case)
        message = (
            f"the counts are of {dose} {case.scenario.posology.unit}, no dose level ({levels})"
        )
        message += ", so that parameter draws cannot be calibrated"
        hint = "set calibration_counts = false under [uncertainty]"
        yield Flaw(at, "N07", message, hint, severity="warning")


def _drawn_otherwise(case: Case, law: ParameterLaw, at: Path) -> Iterator[Flaw]:
    """Numbers that other draws replace would have no effect (K04)."""
    parts = law.path.split(".")
    uncertainty = case.scenario.uncertainty
    if parts[-1] in COEFFICIENTS:
        message = 'coefficients are drawn together: give "uncertainty" of the adverse event'
        yield Flaw((*at, "path"), "K04", message)
    elif "uncertainty" in parts:
        yield Flaw((*at, "path"), "K04", "a law says how uncertain a number is and has none itself")
    elif "probability_by_dose_mg" in parts:
        owner = ".".join(parts[: parts.index("probability_by_dose_mg")])
        if _has_uncertainty(case.scenario, owner):
            message = f'{owner} has "uncertainty" already; a law of its table would be lost'
            yield Flaw((*at, "path"), "K04", message)
    elif uncertainty is not None and uncertainty.calibration_counts and law.path in SOLVED:
        message = f"{law.path} is solved anew in every draw, as calibration_counts says"
        yield Flaw((*at, "path"), "K04", message)


def _has_uncertainty(scenario: Scenario, owner: str) -> bool:
    if owner == "clinical_benefit":
        benefit = scenario.clinical_benefit
        return benefit is not None and benefit.uncertainty is not None
    place = place_of(scenario, owner)
    return scenario.adverse_event[int(place[1])].uncertainty is not None


def _law(case: Case, law: ParameterLaw, center: float, at: Path) -> Iterator[Flaw]:
    if isinstance(law, BetaLaw):
        if law.events > law.patients:
            yield Flaw((*at, "events"), "N02", f"{law.events} events in {law.patients} patients")
        bounds = {"events": 1e-9, "patients": 1.0 - 1e-9}
    else:
        bounds = {k: getattr(law, k) for k in ("low", "high") if getattr(law, k) is not None}
    low, high = min(bounds.values(), default=center), max(bounds.values(), default=center)
    if "low" in bounds and "high" in bounds and bounds["low"] >= bounds["high"]:
        span = f"low is {number_text(bounds['low'])} and high is {number_text(bounds['high'])}"
        yield Flaw((*at, "low"), "N02", f"{span}; they must increase")
        return
    if len(bounds) == 2 and not low <= center <= high:
        message = f"the scenario's own value {number_text(center)} is outside the law"
        yield Flaw(at, "N07", message, severity="warning")
    if isinstance(law, LogNormalLaw) and center <= 0.0:
        message = f"{law.path} is {number_text(center)}; a factor does not move it"
        yield Flaw((*at, "law"), "N02", message)
        return
    for key, bound in bounds.items():
        why = _why_not(case, law.path, bound)
        if why is not None:
            yield Flaw((*at, key), "N02", f"{law.path} cannot be {number_text(bound)}{why}")
    if isinstance(law, NormalLaw | LogNormalLaw):
        yield from _open_end(case, law, at)


def _open_end(case: Case, law: NormalLaw | LogNormalLaw, at: Path) -> Iterator[Flaw]:
    """A law without a limit must not leave what the number may be."""
    for key, extreme in (("low", -9e8), ("high", 9e8)):
        far = 1e-9 if isinstance(law, LogNormalLaw) and key == "low" else extreme
        if getattr(law, key) is None and _why_not(case, law.path, far) is not None:
            message = f'{law.path} has a limit; give "{key}", so that draws cannot pass it'
            yield Flaw(at, "K03", message)


def _why_not(case: Case, path: str, value: float) -> str | None:
    """Return why a number cannot have this value, "" if its own limits say so; None if it can."""
    # The other checks are needed here, and this is one of them.
    from sim.scenario.check import cross_checks

    calm = case.scenario.model_copy(update={"uncertainty": None})
    changed = with_value(calm, path, value)
    try:
        table = changed.model_dump(by_alias=True, exclude_none=True, warnings=False)
        Scenario.model_validate(table)
    except ValidationError:
        return ""
    found = cross_checks(Case(changed, case.merged, case.sound))
    faults = [problem.message for problem in found if problem.severity == "error"]
    if faults:  # what is wrong without the law as well is said elsewhere
        there = {p.message for p in cross_checks(Case(calm, case.merged, case.sound))}
        faults = [message for message in faults if message not in there]
    return f": {faults[0]}" if faults else None
