"""explain: a scenario told whole, with its sources, its solved numbers and its readings."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from sim.explanation import explain
from sim.plan.risk import coefficients
from sim.readings import open_readings
from sim.replay_facts import clause_names
from sim.scenario.file import load_scenario
from sim.scenario.library import shipped_names
from sim.scenario.scenario import Scenario


def scenario_of(name: str) -> Scenario:
    """A shipped scenario."""
    return load_scenario(name).scenario


def flat(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def sources_in(value: Any) -> Iterator[str]:
    """Every source text of a scenario."""
    if isinstance(value, BaseModel):
        for key in type(value).model_fields:
            part = getattr(value, key)
            if key == "source":
                yield from [part] if isinstance(part, str) else (part or {}).values()
            else:
                yield from sources_in(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from sources_in(part)


@pytest.mark.parametrize("name", shipped_names())
def test_everything_is_told(name: str) -> None:
    scenario = scenario_of(name)
    text = flat(explain(scenario))
    for rule in scenario.rule:
        assert f"{rule.id}: " in text
        assert flat(rule.why) in text
        for clause in (*clause_names(rule)[0], *clause_names(rule)[1]):
            assert f"[{clause}]" in text
    for kind in scenario.adverse_event:
        assert f"({kind.name};" in text
    for leaving in scenario.exit:
        assert f"{leaving.cause.capitalize()}: " in text
    for note in scenario.notes:
        assert flat(note) in text


@pytest.mark.parametrize("name", shipped_names())
def test_every_source_is_told(name: str) -> None:
    scenario = scenario_of(name)
    text = flat(explain(scenario))
    for source in sources_in(scenario):
        assert flat(source) in text
    assert "None" not in text


@pytest.mark.parametrize("name", shipped_names())
def test_lines_fit_and_nothing_is_left_open(name: str) -> None:
    text = explain(scenario_of(name))
    assert max(len(line) for line in text.splitlines()) <= 120  # only an address may be longer
    for mark in ("{", "}", " ,", " .", ".."):
        assert mark not in text.replace("...", "")


def test_solved_coefficients_are_those_that_run() -> None:
    scenario = scenario_of("ixazomib-maintenance")
    text = flat(explain(scenario))
    for kind in scenario.adverse_event:
        if kind.probability_by_dose_mg is not None:
            solved = coefficients(scenario, kind.probability_by_dose_mg)
            assert f"log-odds {solved.intercept:.4f} + {solved.slope:.5f} for each" in text
    # Neutropenia: 10 % and 16 % at 100.2 and 133.6 ng*h/mL per day (by hand).
    assert "log-odds -3.8142 + 0.01613" in text
    assert "which is 2.16 % at zero dose" in text


def readings_of(name: str) -> dict[str, str]:
    """Answers by letter."""
    return {letter: answer for letter, _, answer in open_readings(scenario_of(name))}


def test_readings_tell_the_flagship_from_the_literal_variant() -> None:
    flagship, literal = readings_of("ixazomib-maintenance"), readings_of("ixazomib-literal")
    assert flagship["a"].startswith("yes") and literal["a"].startswith("no")
    assert "active" in flagship["d"] and literal["d"].startswith("in the cycle of its onset only")
    assert "a guard bars" in flagship["d"] and "no guard" in literal["d"]
    for letter in "bcefghi":
        assert flagship[letter] == literal[letter]
    assert "visit" in flagship["g"]
    assert readings_of("ixazomib-minimal")["g"] == "on the day of onset"
    assert "28 days" in flagship["h"]
    assert "hold-for-cytopenia-4 (hematologic) at the same level" in flagship["i"]


def test_a_scenario_without_escalation_says_so() -> None:
    text = flat(explain(scenario_of("no-drug")))
    assert "No rule raises the dose, so (a) to (d) do not arise." in text
    assert "(a) " not in text.split("do not arise.")[1]


def test_calibration_is_told_with_its_target() -> None:
    scenario = scenario_of("ixazomib-maintenance")
    text = flat(explain(scenario))
    assert scenario.calibration is not None
    assert f"share one multiplier, {scenario.calibration.multiplier:.4g}." in text
    assert "31 of 275 patients (11.3 %)" in text


def test_explain_loads_nothing_heavy() -> None:
    """`titrasim explain --help` and a scenario without a table need no numpy and no compiler."""
    code = (
        "import sys; from sim.explanation import explain; "
        "print([m for m in ('numba', 'numpy', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
