"""Laws of parameters: about a number that is there, within what it may be (K03, N02, R01, R03)."""

from collections.abc import Iterator

from pydantic import ValidationError

from sim.errors import quoted
from sim.scenario.flaw import Case, Flaw
from sim.scenario.locate import Path
from sim.scenario.parameter import NoSuchParameterError, value_at, with_value
from sim.scenario.scenario import Scenario
from sim.scenario.uncertainty import BetaLaw, LogNormalLaw, NormalLaw, ParameterLaw, UniformLaw
from sim.scenario.wording import number_text

COEFFICIENTS = ("intercept", "slope_per_auc_per_day")


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
    seen: set[str] = set()
    for index, law in enumerate(uncertainty.parameter):
        at: Path = ("uncertainty", "parameter", index)
        if law.path in seen:
            yield Flaw((*at, "path"), "R03", f"{quoted(law.path)} has a law already")
        seen.add(law.path)
        yield from _law(case, law, at)


def check_recalibration(case: Case) -> Iterator[Flaw]:
    """Counts can only be drawn where there are some (K03)."""
    uncertainty = case.scenario.uncertainty
    if uncertainty is not None and uncertainty.calibration_counts:
        at: Path = ("uncertainty", "calibration_counts")
        if case.scenario.calibration is None:
            yield Flaw(at, "K03", "there is no [calibration], so no counts to draw")


def _law(case: Case, law: ParameterLaw, at: Path) -> Iterator[Flaw]:
    try:
        center = value_at(case.scenario, law.path)
    except NoSuchParameterError as error:
        message = f"{quoted(law.path)} leads to no number: {error}"
        yield Flaw((*at, "path"), "R01", message, error.hint)
        return
    if law.path.endswith(COEFFICIENTS):
        message = 'coefficients are drawn together: give "uncertainty" of the adverse event'
        yield Flaw((*at, "path"), "K04", message)
    if isinstance(law, BetaLaw):
        if law.events > law.patients:
            yield Flaw((*at, "events"), "N02", f"{law.events} events in {law.patients} patients")
        bounds = {"low": 0.0, "high": 1.0}
    else:
        bounds = {k: getattr(law, k) for k in ("low", "high") if getattr(law, k) is not None}
    low, high = bounds.get("low", center), bounds.get("high", center)
    if low > high or (isinstance(law, UniformLaw) and low == high):
        message = f"low is {number_text(low)} and high is {number_text(high)}; they must increase"
        yield Flaw((*at, "low"), "N02", message)
    elif not low <= center <= high:
        message = f"the scenario's own value {number_text(center)} is outside the law"
        yield Flaw(at, "N07", message, severity="warning")
    if isinstance(law, BetaLaw):
        return
    for key, bound in bounds.items():
        if not _is_allowed(case.scenario, law.path, bound):
            message = f"{law.path} cannot be {number_text(bound)}"
            yield Flaw((*at, key), "N02", message)
    if isinstance(law, NormalLaw | LogNormalLaw):
        yield from _open_end(case, law, at)


def _open_end(case: Case, law: NormalLaw | LogNormalLaw, at: Path) -> Iterator[Flaw]:
    """A law without a limit must not leave what the number may be."""
    for key, extreme in (("low", -9e8), ("high", 9e8)):
        far = 1e-300 if isinstance(law, LogNormalLaw) and key == "low" else extreme
        if getattr(law, key) is None and not _is_allowed(case.scenario, law.path, far):
            message = f'{law.path} has a limit; give "{key}", so that draws cannot pass it'
            yield Flaw(at, "K03", message)


def _is_allowed(scenario: Scenario, path: str, value: float) -> bool:
    try:
        changed = with_value(scenario, path, value)
        Scenario.model_validate(changed.model_dump(by_alias=True, exclude_none=True))
    except ValidationError:
        return False
    return True
