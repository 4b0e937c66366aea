"""The grammar's truth table of the paper's rule, fifteen rows worked on paper, on both engines."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sim.engines import run
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario

FOLDER = Path(__file__).parent / "by_hand"
ROWS = tomllib.loads((FOLDER / "truth_table_walks.toml").read_text())["row"]
KINDS = ("haem", "nonhaem")
NOMINAL_DAYS = 8 * 28
Row = dict[str, Any]


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The scenario of the table, compiled."""
    loaded = load_scenario(FOLDER / "truth_table.toml")
    assert loaded.warnings == []
    assert tuple(kind.name for kind in loaded.scenario.adverse_event) == KINDS
    return compile_plan(loaded.scenario)


def tables_of(plan: Plan, row: Row, engine: str) -> dict[str, Any]:
    """The four tables of one patient who meets the script of a row."""
    script = [
        (cycle, KINDS.index(kind), day, days, grade, int(related), int(related))
        for cycle, kind, day, days, grade, related in row["events"]
    ]
    histories, _ = run.record(plan, 0, 1, engine=engine, script=script)
    return histories.frames()


def doses_by_cycle(doses: Any) -> list[list[float]]:
    """Doses in mg of every cycle started, withheld = 0."""
    return [list(cycle["dose_mg"]) for _, cycle in doses.groupby("cycle")]


def delays_by_cycle(doses: Any) -> dict[str, int]:
    """Days between planned and actual day 1, of cycles that began late."""
    starts = list(doses[doses["dose"] == 1]["day"])
    late = [day - before - 28 for before, day in zip(starts, starts[1:], strict=False)]
    return {str(cycle): days for cycle, days in enumerate(late, start=2) if days}


def test_the_table_is_whole() -> None:
    assert [row["number"] for row in ROWS] == list(range(1, 16))


@pytest.mark.parametrize("engine", run.ENGINES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"row-{row['number']}")
def test_row(plan: Plan, row: Row, engine: str) -> None:
    tables = tables_of(plan, row, engine)
    expected = [list(map(float, cycle)) for cycle in row["doses"]]
    if "then_mg" in row:
        expected += [[row["then_mg"]] * 3] * 2
    assert doses_by_cycle(tables["doses"]) == expected
    assert delays_by_cycle(tables["doses"]) == row.get("delays", {})

    decisions = tables["decisions"]
    won = decisions[decisions["won"]][["day", "rule", "action"]]
    assert won.to_numpy().tolist() == row["won"]

    asked = decisions[decisions["rule"] == "escalate-c5"]
    if "escalate" not in row:
        assert asked.empty
    else:
        assert list(asked["cycle"]) == [5]
        fires = row["escalate"] == "fires"
        assert list(asked["won"]) == [fires]
        assert asked["clauses"].iloc[0].split() == ([] if fires else row["escalate"])

    (end,) = tables["disposition"].to_dict("records")
    if "stop" not in row:
        assert end["cause"] == "completed"
        assert end["day"] == NOMINAL_DAYS + sum(row.get("delays", {}).values())
    else:
        found = {key: end[key] for key in ("route", "day", "last_cycle", "rule")}
        assert (end["cause"], found) == ("adverse_event", row["stop"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"row-{row['number']}")
def test_scripted_events_begin_on_the_days_of_the_table(plan: Plan, row: Row) -> None:
    """The script says what the row says: study days, grade, class and attribution."""
    study_days = {
        2: [(60, 62)], 3: [(60, 62)], 4: [(40, 42)], 5: [(94, 98)], 6: [(90, 95)], 7: [(6, 12)],
        8: [(6, 12)], 9: [(85, 91)], 10: [(85, 98)], 11: [(113, 126)], 12: [(50, 200)],
        13: [(33, 33)], 14: [(6, 12), (34, 40)], 15: [(118, 124)],
    }  # fmt: skip
    events = tables_of(plan, row, "kernel")["adverse_events"]
    days = list(zip(events["onset_day"], events["end_day"], strict=True))
    assert days == study_days.get(row["number"], [])
