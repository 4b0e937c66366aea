"""Parameter draws: one scenario becomes many, each with its own values of what is uncertain.

A draw has an address like every other: (seed, draw, stream of the parameter). Draws that meet
a limit are set to it and counted, never dropped; a slope below 0 is kept and counted.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from sim.errors import LimitError
from sim.model.draws import philox, uniform_of_words
from sim.model.elementary import exp, normal_quantile
from sim.plan.plan import MAX_SEED
from sim.plan.risk import coefficients_of
from sim.plan.streams import Streams
from sim.recalibration import EARLY_SHARE, MULTIPLIER, Drawn, recalibrated
from sim.scenario.parameter import NoSuchParameterError, value_at, with_value
from sim.scenario.risk import AdverseEvent, ClinicalBenefit
from sim.scenario.scenario import Scenario
from sim.scenario.uncertainty import BetaLaw, LogNormalLaw, NormalLaw, ParameterLaw, UniformLaw

LOW_32 = 0xFFFFFFFF
MAX_DRAWS = 1_000_000
SOLVED = (MULTIPLIER, EARLY_SHARE)
SMALLEST, LARGEST = 1e-9, 1e9
SLOPE_BELOW_0 = "slope below 0"


@dataclass(frozen=True)
class Draw:
    """One draw: the scenario it gives, the values drawn by path, the limits that were met."""

    number: int
    scenario: Scenario
    values: dict[str, float]
    at_limit: tuple[str, ...]


@dataclass
class _Drawing:
    """A draw in the making."""

    scenario: Scenario
    values: dict[str, float] = field(default_factory=dict)
    at_limit: list[str] = field(default_factory=list)


class ParameterDraws:
    """The parameter draws of a scenario, each by its number from 1."""

    def __init__(self, scenario: Scenario, seed: int = 1) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise LimitError(f"seed is {seed}; it must be a whole number from 0 to {MAX_SEED}")
        self.scenario = scenario
        self.seed = seed
        self._streams = Streams()
        self._laws: Sequence[ParameterLaw] = ()
        self._counts = False
        if scenario.uncertainty is not None:
            self._laws = scenario.uncertainty.parameter
            self._counts = scenario.uncertainty.calibration_counts
        if not self._laws and not self._counts and not _uncertain(scenario):
            raise LimitError(
                f"{scenario.name} says of no parameter how uncertain it is; give [uncertainty], or "
                '"uncertainty" of an adverse event'
            )

    def draw(self, number: int) -> Draw:
        """Return one draw; it depends on its number and the seed alone."""
        if not 1 <= number <= MAX_DRAWS:
            raise LimitError(f"draw is {number}; it must be from 1 to {MAX_DRAWS}")
        made = _Drawing(self.scenario)
        for law in self._laws:
            self._draw_number(made, law, number)
        for name, model in _uncertain(made.scenario):
            self._draw_coefficients(made, name, model, number)
        if self._counts:
            self._draw_calibration(made, number)
        return Draw(number, made.scenario, made.values, tuple(made.at_limit))

    def draws(self, count: int) -> Iterator[Draw]:
        """Yield the draws from 1 to count."""
        for number in range(1, count + 1):
            yield self.draw(number)

    def centers(self) -> dict[str, float]:
        """Return the scenario's own value of everything that is drawn."""
        centers = {law.path: value_at(self.scenario, law.path) for law in self._laws}
        for name, model in _uncertain(self.scenario):
            solved = coefficients_of(self.scenario, model)
            centers[f"{name}.intercept"] = solved.intercept
            centers[f"{name}.slope_per_auc_per_day"] = solved.slope
        calibration = self.scenario.calibration
        if self._counts and calibration is not None:
            stopped, early = calibration.stopped_patients, calibration.early_stopped_patients
            centers["calibration.stopped_share"] = stopped / calibration.patients
            if early is not None:
                centers["calibration.early_share"] = early / stopped
            for path in SOLVED:
                with suppress(NoSuchParameterError):
                    centers[path] = value_at(self.scenario, path)
        return centers

    def _uniform(self, name: str, number: int) -> float:
        stream = self._streams.number(f"uncertainty/{name}")
        w0, w1, _, _ = philox(0, 0, stream, number, self.seed & LOW_32, self.seed >> 32)
        return float(uniform_of_words(w0, w1))

    def _normal(self, name: str, number: int) -> float:
        return float(normal_quantile(self._uniform(name, number)))

    def _draw_number(self, made: _Drawing, law: ParameterLaw, number: int) -> None:
        center = value_at(self.scenario, law.path)
        if isinstance(law, UniformLaw):
            value = law.low + (law.high - law.low) * self._uniform(law.path, number)
        elif isinstance(law, BetaLaw):
            value = beta_quantile(law.events, law.patients, self._uniform(law.path, number))
        else:
            value = self._near(law, center, number)
            low = -np.inf if law.low is None else law.low
            high = np.inf if law.high is None else law.high
            if not low <= value <= high:
                made.at_limit.append(law.path)
                value = min(max(value, low), high)
        made.scenario = with_value(made.scenario, law.path, value)
        made.values[law.path] = value

    def _near(self, law: NormalLaw | LogNormalLaw, center: float, number: int) -> float:
        z = self._normal(law.path, number)
        if isinstance(law, NormalLaw):
            return center + law.sd * z
        return min(max(center * float(exp(law.sd_log * z)), SMALLEST), LARGEST)

    def _draw_coefficients(
        self, made: _Drawing, name: str, model: AdverseEvent | ClinicalBenefit, number: int
    ) -> None:
        """Draw log-odds at the center and slope: uncorrelated there, methods of the design."""
        uncertainty = model.uncertainty
        assert uncertainty is not None
        solved = coefficients_of(made.scenario, model)
        # A table is about doses: with another typical clearance its exposures move, and with
        # them the center and the scale of the slope.
        scale = 1.0
        if model.probability_by_dose_mg is not None:
            own, drawn_cl = (
                s.pharmacokinetics.cl_f_l_per_h for s in (self.scenario, made.scenario)
            )
            scale = own / drawn_cl
        center = uncertainty.center_auc_per_day * scale
        logit = solved.intercept + solved.slope * center
        logit += uncertainty.sd_logit * self._normal(f"{name}/logit", number)
        slope = solved.slope + uncertainty.sd_slope / scale * self._normal(f"{name}/slope", number)
        drawn = {"intercept": logit - slope * center, "slope_per_auc_per_day": slope}
        if slope < 0.0:
            made.at_limit.append(f"{name}: {SLOPE_BELOW_0}")
        made.scenario = _with_coefficients(made.scenario, name, drawn)
        made.values |= {f"{name}.{key}": value for key, value in drawn.items()}

    def _draw_calibration(self, made: _Drawing, number: int) -> None:
        """Draw the published counts and solve again what was solved from them."""
        calibration = made.scenario.calibration
        assert calibration is not None
        stopped, patients = calibration.stopped_patients, calibration.patients
        share = beta_quantile(stopped, patients, self._uniform("calibration/stopped", number))
        made.values["calibration.stopped_share"] = share
        early: float | None = None
        if calibration.early_stopped_patients is not None:
            uniform = self._uniform("calibration/early", number)
            early = beta_quantile(calibration.early_stopped_patients, stopped, uniform)
            made.values["calibration.early_share"] = early
        solved = recalibrated(made.scenario, Drawn(share, early), self.seed, number)
        made.scenario = solved.scenario
        made.values |= solved.values
        made.at_limit += solved.at_limit


def _uncertain(scenario: Scenario) -> list[tuple[str, AdverseEvent | ClinicalBenefit]]:
    """Return the kinds, and the benefit, whose coefficients have standard errors."""
    found: list[tuple[str, AdverseEvent | ClinicalBenefit]] = [
        (f"adverse_event.{event.name}", event)
        for event in scenario.adverse_event
        if event.uncertainty is not None
    ]
    benefit = scenario.clinical_benefit
    if benefit is not None and benefit.uncertainty is not None:
        found.append(("clinical_benefit", benefit))
    return found


def beta_quantile(events: int, patients: int, uniform: float) -> float:
    """Return the quantile of Beta(events + 1/2, others + 1/2), the Jeffreys posterior."""
    return float(betaincinv(events + 0.5, patients - events + 0.5, uniform))


def table_of(draws: Sequence[Draw]) -> pd.DataFrame:
    """Return the drawn values, a row per draw, and the limits met in the column at_limit."""
    rows: list[dict[str, Any]] = [
        {"draw": draw.number, **draw.values, "at_limit": "; ".join(draw.at_limit)} for draw in draws
    ]
    return pd.DataFrame(rows)


def describe(draws: Sequence[Draw], centers: dict[str, float]) -> pd.DataFrame:
    """Return a row per parameter: its own value, mean, SD, 95 % range, draws at a limit."""
    table = table_of(draws)
    rows = []
    for name in table.columns.drop(["draw", "at_limit"]):
        values = table[name].to_numpy(float)
        low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
        met = sum(any(_is_about(limit, name) for limit in draw.at_limit) for draw in draws)
        rows.append(
            {
                "parameter": name,
                "scenario": centers.get(name, np.nan),
                "mean": values.mean(),
                "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
                "low": low if len(values) > 1 else np.nan,
                "median": middle,
                "high": high if len(values) > 1 else np.nan,
                "at_limit": met,
            }
        )
    return pd.DataFrame(rows)


def _is_about(limit: str, name: str) -> bool:
    if limit.endswith(SLOPE_BELOW_0):
        return name == limit.split(":")[0] + ".slope_per_auc_per_day"
    return limit.split(":")[0] == name


def _with_coefficients(scenario: Scenario, name: str, drawn: dict[str, float]) -> Scenario:
    update = {"probability_by_dose_mg": None, **drawn}
    if name == "clinical_benefit":
        assert scenario.clinical_benefit is not None
        benefit = scenario.clinical_benefit.model_copy(update=update)
        return scenario.model_copy(update={"clinical_benefit": benefit})
    events = tuple(
        event.model_copy(update=update) if f"adverse_event.{event.name}" == name else event
        for event in scenario.adverse_event
    )
    return scenario.model_copy(update={"adverse_event": events})
