"""What must be said with every result: the known limits, and what looks odd in this run."""

from collections.abc import Iterator, Sequence

import pandas as pd

from sim.errors import Problem
from sim.scenario.scenario import Scenario

MONTE_CARLO_ONLY = (
    "Intervals show Monte Carlo error only: they shrink with the number of simulated patients and "
    "say nothing about uncertain coefficients or assumptions."
)
INDEPENDENT = (
    "Background and drug-caused events are independent of each other, given exposure and frailty."
)
AT_ZERO = (
    "Risk at zero dose is extrapolated below the studied doses, with a wide interval; it sets how "
    "many events count as background."
)
ASSUMED = (
    "Grade split, durations and dose-modification rules are assumptions with a named source or the "
    "word ASSUMED in the scenario."
)
SELECTION = (
    "The escalation rule selects patients with low exposure: patients who escalated and patients "
    "who did not must not be compared."
)


def limits_of(scenarios: Sequence[Scenario]) -> tuple[str, ...]:
    """Return the limits of these scenarios: their own notes first, then the model's."""
    own = {
        scenario.name: [*scenario.notes, *_fitted(scenario), *_extrapolations(scenario)]
        for scenario in scenarios
    }
    texts = []
    for name, sentences in own.items():
        for text in sentences:
            # One that not all scenarios have is marked with its scenario's name.
            shared = all(text in others for others in own.values())
            texts.append(text if shared else f"{name}: {text}")
    # A scenario that states these limits in its own words need not hear them twice.
    said = " ".join(texts).lower()
    if "zero dose" not in said and any(_has_slope(scenario) for scenario in scenarios):
        texts.append(AT_ZERO)
    if "background and drug" not in said:
        texts.append(INDEPENDENT)
    if "grade split" not in said:
        texts.append(ASSUMED)
    texts += [SELECTION, MONTE_CARLO_ONLY]
    return tuple(dict.fromkeys(texts))


def _has_slope(scenario: Scenario) -> bool:
    return any(event.probability is None for event in scenario.adverse_event)


def _fitted(scenario: Scenario) -> Iterator[str]:
    """Models of a file were fitted to somebody else's patients: say whose."""
    models = [(event.name, event) for event in scenario.adverse_event]
    for name, model in models:
        if model.fitted_model is not None:
            source = model.source if isinstance(model.source, str) else (model.source or {})
            where = source if isinstance(source, str) else source.get("intercept", "not stated")
            yield (
                f"Coefficients of {name} come from {model.fitted_model} and are applied to the "
                f"patients of this scenario: {where}."
            )


def _extrapolations(scenario: Scenario) -> Iterator[str]:
    risk, last = scenario.exposure_response, scenario.posology.max_cycles
    if last > risk.reference_cycles:
        yield (
            f"Published risks cover a course of {risk.reference_cycles} cycles; everything from "
            f"cycle {risk.reference_cycles + 1} to {last} is extrapolated (after_reference = "
            f"{risk.after_reference})."
        )


def warnings_of(
    scenario: Scenario, problems: Sequence[Problem], summary: pd.DataFrame, patients: int
) -> list[str]:
    """Return what to know about one scenario's run: its file's warnings and silent rules."""
    texts = []
    for problem in problems:
        where = f"{problem.file}:{problem.line}" if problem.line else problem.file
        texts.append(f"{where}: warning[{problem.code}]: {problem.message}")
    own = summary[summary["scenario"] == scenario.name]
    estimates = dict(zip(own["endpoint"], own["estimate"], strict=True))
    few = f"(below {3.0 / patients:.2g} per patient with 95 % confidence)"
    for name, estimate in estimates.items():
        kind, _, what = name.partition(":")
        if kind == "rule_fired" and estimate == 0.0:
            texts.append(
                f'{scenario.name}: rule "{what}" never acted in {patients:,} patients {few}'
            )
        elif kind == "barred" and estimate == 0.0:
            texts.append(f'{scenario.name}: clause "{what}" never barred an escalation')
        elif kind == "barred" and estimate != estimate:
            texts.append(f'{scenario.name}: clause "{what}" was never looked at')
    return texts
