"""Patients with the CL/F of listed individuals: the sample, both engines, the screen's bound."""

from pathlib import Path

import numpy as np
import pytest

from sim.cli.main import main
from sim.engines.run import outcome_blocks, record
from sim.errors import ScenarioError
from sim.explanation import explain
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario

VALUES = (9.1, 2.0, 3.3, 3.3, 1.1, 4.7, 2.9)
TEXT = """
format = 1
extends = "{parent}"
name = "individuals"
title = "Patients with the clearance of listed individuals"
[pharmacokinetics]
cl_f_l_per_h = {typical}
cl_f_sd_log = {sd}
cl_f_individuals_l_per_h = {values}
source = "ASSUMED"
"""


def plan_of(tmp_path: Path, parent: str, values: tuple[float, ...] = VALUES) -> Plan:
    """A scenario over a shipped one, with these individuals."""
    logs = np.log(values)
    file = tmp_path / "trial.toml"
    file.write_text(
        TEXT.format(
            parent=parent,
            typical=repr(float(np.exp(logs.mean()))),
            sd=repr(float(logs.std(ddof=1))),
            values=list(values),
        )
    )
    return compile_plan(load_scenario(file).scenario, 5)


def test_every_individual_is_drawn_alike(tmp_path: Path) -> None:
    histories, _ = record(plan_of(tmp_path, "ixazomib-minimal"), 0, 7_000)
    drawn = histories.latents[:, 0]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == sorted(set(VALUES))
    expected = 7_000 * np.array([VALUES.count(value) for value in values]) / len(VALUES)
    assert (np.abs(counts - expected) < 4.5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("parent", ["ixazomib-minimal", "ixazomib-maintenance"])
def test_engines_agree_and_the_screen_loses_no_event(tmp_path: Path, parent: str) -> None:
    plan = plan_of(tmp_path, parent)
    by_kernel, _ = record(plan, 0, 300, engine="kernel")
    by_events, of_events = record(plan, 0, 300, engine="events")
    for name, frame in by_kernel.frames().items():
        assert frame.equals(by_events.frames()[name]), name
    screened = np.concatenate(list(outcome_blocks(plan, 0, 300, threads=2, block=64)))
    assert screened.tobytes() == of_events.tobytes()


def test_more_individuals_come_closer_to_the_law_they_are_from(tmp_path: Path) -> None:
    """4,096 quantiles of the log-normal law give the law's patients, one for one, nearly."""
    from scipy.stats import norm

    places = (np.arange(4_096) + 0.5) / 4_096
    values = tuple(np.exp(np.log(3.2) + 0.391 * norm.ppf(places)).tolist())
    by_list = plan_of(tmp_path, "ixazomib-minimal", values)
    by_law = compile_plan(by_list.scenario.model_copy(
        update={
            "pharmacokinetics": by_list.scenario.pharmacokinetics.model_copy(
                update={"cl_f_individuals_l_per_h": None, "cl_f_sd_log": 0.391}
            )
        }
    ), 5)  # fmt: skip
    listed, law = (record(plan, 0, 2_000)[0].latents[:, 0] for plan in (by_list, by_law))
    inner = np.abs(np.log(law / 3.2)) < 1.0
    assert np.abs(np.log(listed / law))[inner].max() < 0.005


def test_a_typical_patient_beside_the_individuals_is_warned_about(tmp_path: Path) -> None:
    file = tmp_path / "trial.toml"
    file.write_text(TEXT.format(parent="ixazomib-minimal", typical=9.0, sd=0.6, values=[3.0, 4.0]))
    messages = [problem.message for problem in load_scenario(file).warnings]
    assert "cl_f_l_per_h is 9; of the 2 individuals it is 3.464" in messages
    assert "cl_f_sd_log is 0.6; of the 2 individuals it is 0.2034" in messages


@pytest.mark.parametrize("values", ["[3.2]", "[3.2, 0.0]", "[3.2, -1.0]", '[3.2, "4"]'])
def test_values_that_cannot_be(tmp_path: Path, values: str) -> None:
    file = tmp_path / "trial.toml"
    file.write_text(TEXT.format(parent="ixazomib-minimal", typical=3.2, sd=0.4, values=values))
    with pytest.raises(ScenarioError, match="cl_f_individuals_l_per_h"):
        load_scenario(file)


def test_a_file_becomes_a_scenario_that_samples_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{number},{value}\n" for number, value in enumerate(VALUES, start=1))
    (tmp_path / "people.csv").write_text(f"ID,CLF\n{rows}")
    call = ["pk", "ixazomib-minimal", "--parameters", str(tmp_path / "people.csv"), "--sample"]
    assert main(call) == 0
    printed = capsys.readouterr().out
    lines = printed[printed.index("[pharmacokinetics]") :].split("\n\n")[0]
    head = 'format = 1\nextends = "ixazomib-minimal"\nname = "people"\ntitle = "People"\n'
    (tmp_path / "people.toml").write_text(head + lines + "\n")
    loaded = load_scenario(tmp_path / "people.toml")
    assert loaded.scenario.pharmacokinetics.cl_f_individuals_l_per_h == tuple(sorted(VALUES))
    assert not loaded.warnings
    assert "one of 7 individuals, all alike, from 1.1 to 9.1 L/h" in " ".join(
        explain(loaded.scenario).split()
    )
