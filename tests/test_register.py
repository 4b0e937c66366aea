"""The parameter register: every number with its source, and what is solved with its ranges."""

import json
import math
import re

import pytest

from sim.cli.main import main
from sim.explanation import explain
from sim.exposure_response.design import paper_design, sampling_law
from sim.exposure_response.table import Coefficients
from sim.register import Entry, register, register_text
from sim.scenario.file import load_scenario
from sim.scenario.library import shipped_names

# methods 1.2: slope x 1000 and probability at zero dose in percent, each with its rounding box.
BOXES = {
    "adverse_event.neutropenia": ((16.13, 13.38, 18.93), (2.2, 1.5, 3.0)),
    "adverse_event.thrombocytopenia": ((7.90, 6.31, 9.49), (11.9, 10.1, 14.0)),
    "adverse_event.rash": ((7.34, 3.66, 11.06), (4.0, 2.6, 6.0)),
    "adverse_event.fatigue": ((12.09, 10.35, 13.85), (6.5, 5.4, 7.9)),
    "adverse_event.diarrhea": ((8.90, 7.11, 10.70), (8.8, 7.2, 10.6)),
    "clinical_benefit": ((8.71, 7.46, 9.96), (19.7, 17.5, 22.1)),
}
# methods 1.4: standard error of the slope x 1000.
SE_SLOPE = (5.33, 3.65, 3.95, 4.42, 3.82, 3.93)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    """The register of the flagship."""
    return register(load_scenario("ixazomib-maintenance").scenario)


def of(entries: list[Entry], parameter: str, interval: str = "") -> Entry:
    """The one entry of a parameter, and of a kind of interval."""
    (found,) = (e for e in entries if e.parameter == parameter and e.interval == interval)
    return found


@pytest.mark.parametrize("kind", BOXES)
def test_solved_coefficients_stand_with_their_rounding_box(entries: list[Entry], kind: str) -> None:
    slope, zero = BOXES[kind]
    rounding = "rounding of the printed probabilities"
    found = of(entries, f"{kind}.slope_per_auc_per_day", rounding)
    assert found.low is not None
    assert found.high is not None
    numbers = (float(found.value), found.low, found.high)
    assert [round(1000.0 * number, 2) for number in numbers] == pytest.approx(slope, abs=0.0051)
    found = of(entries, f"{kind}.probability_at_zero_dose", rounding)
    assert found.low is not None
    assert found.high is not None
    numbers = (float(found.value), found.low, found.high)
    assert [100.0 * number for number in numbers] == pytest.approx(zero, abs=0.051)


@pytest.mark.parametrize(("kind", "se"), list(zip(BOXES, SE_SLOPE, strict=True)))
def test_and_with_their_sampling_interval(entries: list[Entry], kind: str, se: float) -> None:
    found = of(entries, f"{kind}.slope_per_auc_per_day", "95 % by the standard errors")
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2.0 / 1.96 * 1000.0 == pytest.approx(se, abs=0.006)
    assert "titrasim er design" in found.source


def test_the_flagships_standard_errors_are_those_of_the_design_command() -> None:
    scenario = load_scenario("ixazomib-maintenance").scenario
    models = [*scenario.adverse_event, scenario.clinical_benefit]
    table = of(register(scenario), "adverse_event.rash.probability_by_dose_mg")
    assert table.source == "doi:10.1007/s10637-016-0346-7, Table 2"
    for model in models:
        assert model is not None
        printed, uncertainty = model.probability_by_dose_mg, model.uncertainty
        if printed is None:
            continue
        assert uncertainty is not None
        low, high = (math.log(p / (1.0 - p)) for p in printed.values())
        slope = (high - low) / (3000.0 / (28.0 * 1.86 / 0.58))
        intercept = low - slope * 3.0 * 3000.0 / (28.0 * 1.86 / 0.58)
        law = sampling_law(paper_design(), Coefficients(intercept, slope))
        assert uncertainty.center_auc_per_day == pytest.approx(law.pivot, abs=0.051)
        assert uncertainty.sd_logit == pytest.approx(law.se_eta, abs=0.00051)
        assert uncertainty.sd_slope == pytest.approx(law.se_slope, abs=0.0000051)


def test_the_intercepts_interval_counts_both_standard_errors(entries: list[Entry]) -> None:
    found = of(entries, "adverse_event.rash.intercept", "95 % by the standard errors")
    assert found.low is not None
    assert found.high is not None
    # methods 1.4: V11 = 1.0088 for rash.
    assert (found.high - found.low) / 2.0 == pytest.approx(1.96 * math.sqrt(1.0088), abs=0.005)


def test_laws_and_counts_have_their_ranges(entries: list[Entry]) -> None:
    progression = of(
        entries,
        "exit.progression.probability_per_cycle",
        "95 % of the parameter draws, log-normal law",
    )
    assert progression.low == pytest.approx(0.027 * math.exp(-1.96 * 0.35), rel=1e-4)
    assert progression.source.startswith("ASSUMED")
    stopped = of(entries, "calibration.stopped_share", "95 %, Beta law of the count")
    assert stopped.low == pytest.approx(0.079, abs=0.001)  # Beta(31.5, 244.5)
    assert stopped.high == pytest.approx(0.154, abs=0.001)


def numbers_of(value: object) -> int:
    """How many numbers a resolved scenario holds, conditions and calendars of rules left out."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        return 1
    if isinstance(value, dict):
        left_out = ("when", "until", "on", "off", "every", "format")
        return sum(numbers_of(part) for key, part in value.items() if key not in left_out)
    return sum(map(numbers_of, value)) if isinstance(value, list) else 0


def test_no_number_is_missing(entries: list[Entry]) -> None:
    scenario = load_scenario("ixazomib-maintenance").scenario
    table = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    del table["uncertainty"]  # its laws stand beside what they are about
    listed = sum(
        len(re.findall(r"(?<![\w.:-])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.]*:)", entry.value))
        for entry in entries
        if not entry.interval and "probability_at_zero" not in entry.parameter
    )
    assert listed == numbers_of(table)


def test_anomalies_are_entries(entries: list[Entry]) -> None:
    notes = [e.note for e in entries if e.parameter == "adverse_event.rash"]
    assert any("flat slope" in note and "a factor of 3.0" in note for note in notes)
    assert any("slope over its standard error is 1.86, below 1.96" in note for note in notes)
    assert not any("below 1.96" in e.note for e in entries if "neutropenia" in e.parameter)


def test_explain_says_the_same() -> None:
    text = " ".join(explain(load_scenario("ixazomib-maintenance").scenario).split())
    assert "alone allows slopes from 0.00366 to 0.01106 and 2.61 % to 6.05 % at zero dose" in text
    assert "Note: flat slope" in text
    assert "What is not known for certain" in text
    assert "exit.progression.probability_per_cycle: the value above times a log-normal" in text


@pytest.mark.parametrize("name", shipped_names())
def test_every_number_has_a_source(name: str) -> None:
    for entry in register(load_scenario(name).scenario):
        has_value = entry.value != ""
        assert has_value or entry.note
        assert entry.source or entry.note or not has_value, entry
        assert entry.source != "no source given", entry


def test_the_command_prints_and_the_text_holds_every_entry(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "ixazomib-maintenance", "--register"]) == 0
    assert capsys.readouterr().out == register_text(entries) + "\n"
    assert main(["explain", "ixazomib-maintenance", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["parameter"] for row in rows] == [entry.parameter for entry in entries]


def test_what_is_set_on_the_command_line_has_that_as_its_source() -> None:
    changes = (
        "calibration.multiplier=0.05",
        'adverse_event.rash.probability_by_dose_mg."3.0"=0.02',
        "pharmacokinetics.cl_f_sd_log=0.4",
    )
    scenario = load_scenario("ixazomib-maintenance", changes).scenario
    found = {e.parameter: e.source for e in register(scenario) if not e.interval and e.value}
    for name in (
        "calibration.multiplier",
        "adverse_event.rash.probability_by_dose_mg",
        "pharmacokinetics.cl_f_sd_log",
    ):
        assert found[name] == "given by --set"
    assert found["pharmacokinetics.cl_f_l_per_h"].startswith("doi:10.1007/s40262-017-0526-4")
    rash = next(event for event in scenario.adverse_event if event.name == "rash")
    assert rash.uncertainty is None  # it was that of other coefficients


def test_uncertainty_that_is_set_stays_whatever_the_order() -> None:
    words = "adverse_event.rash.uncertainty={center_auc_per_day=200,sd_logit=0.3,sd_slope=0.001}"
    table = 'adverse_event.rash.probability_by_dose_mg={"3.0"=0.3,"4.0"=0.5}'
    for changes in ((words, table), (table, words)):
        scenario = load_scenario("ixazomib-maintenance", changes).scenario
        rash = next(event for event in scenario.adverse_event if event.name == "rash")
        assert rash.uncertainty is not None
        assert rash.uncertainty.sd_slope == 0.001
