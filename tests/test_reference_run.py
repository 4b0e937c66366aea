"""The committed reference run of the flagship is reproduced byte for byte.

Regenerate with `./job reference` when a change of results is meant, and say why in the commit.
"""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

import sim

REFERENCE = Path(__file__).parent.parent / "results" / "flagship"
MANIFEST = json.loads((REFERENCE / "manifest.json").read_text())
NOT_RESULTS = ("libraries", "program", "files", "root_hash")
SAME_MATPLOTLIB = MANIFEST["libraries"]["matplotlib"] == version("matplotlib")


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the reference study again into an empty folder."""
    names = [one["name"] for one in MANIFEST["scenarios"]]
    settings = MANIFEST["settings"]
    study = sim.compare(names, patients=settings["patients"], seed=MANIFEST["seed"])
    return study.write(tmp_path_factory.mktemp("reference") / "flagship")


def test_every_file_has_the_same_bytes(again: Path) -> None:
    for name in MANIFEST["files"]:
        if name.startswith("figures/") and not SAME_MATPLOTLIB:
            continue
        assert (again / name).read_bytes() == (REFERENCE / name).read_bytes(), name


def test_the_manifest_describes_the_same_run(again: Path) -> None:
    new = json.loads((again / "manifest.json").read_text())
    assert set(new["files"]) == set(MANIFEST["files"])
    for key in MANIFEST.keys() - set(NOT_RESULTS):
        assert new[key] == MANIFEST[key], key


def test_every_rule_acts_and_every_clause_bars_somebody() -> None:
    rows = [
        line.split(",")
        for line in (REFERENCE / "summary.csv").read_text().splitlines()
        if line.startswith("ixazomib-maintenance,")
    ]
    shares = {row[1]: float(row[-5]) for row in rows if row[1].startswith(("rule_fired", "barred"))}
    assert len(shares) == 12 + 5
    assert all(share > 0.0 for share in shares.values()), shares
