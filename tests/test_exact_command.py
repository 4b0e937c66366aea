"""`titrasim exact`: a table, a file, and a plain refusal with every reason."""

import json
from pathlib import Path

import pytest

from sim.cli.main import main


def test_it_prints_and_writes_the_exact_outcomes(tmp_path: Path) -> None:
    """The table of a run, without Monte Carlo error, in a folder of its own."""
    assert main(["exact", "ixazomib-minimal", "--out", str(tmp_path / "exact")]) == 0
    lines = (tmp_path / "exact" / "exact.csv").read_text().splitlines()
    assert lines[0].startswith("scenario,endpoint,label,cycle,population,")
    assert any(",escalated," in line for line in lines)


def test_json_has_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """What a machine reads holds the shares of both levels, which add to those on treatment."""
    assert main(["exact", "ixazomib-minimal", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["exact"]
    last = {row["endpoint"]: row for row in rows if row["cycle"] == 12}
    levels = sum(last[name]["estimate"] for name in ("dose_level:3", "dose_level:4"))
    assert levels == pytest.approx(last["on_treatment"]["estimate"], abs=1e-12)


def test_out_of_reach_is_one_report(capsys: pytest.CaptureFixture[str]) -> None:
    """The flagship holds and delays; every reason is named at once."""
    assert main(["exact", "ixazomib-maintenance"]) == 2
    report = capsys.readouterr().err
    assert "out of reach" in report
    assert "stop-at-grade-4" in report
    assert "hold-for-cytopenia-4" in report
