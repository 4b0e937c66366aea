"""`titrasim pk`: what it prints, writes and refuses; the figure."""

import csv
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from sim.cli.main import main
from sim.concentrations import patient_profile
from sim.figures_pharmacokinetics import profile_figure
from sim.plan.plan import compile_plan
from sim.scenario.file import load_scenario

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
FILES = {
    "concentration.csv", "auc_by_cycle.csv", "dose_ledger.csv", "pharmacokinetics.svg",
    "pharmacokinetics.png",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def say(words: str, capsys) -> str:
    """Run a command that works; return what it prints."""
    assert main(words.split()) == 0
    streams = capsys.readouterr()
    assert streams.err == ""
    return streams.out


def refusal(words: str, capsys) -> str:
    """Run a command that is refused; return why."""
    assert main(words.split()) in (2, 3)
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    return streams.err


def test_the_patient_is_that_of_the_diary(capsys):
    text = say("pk ixazomib-maintenance --patient 137", capsys)
    diary = say("diary ixazomib-maintenance --patient 137", capsys)
    clearance = re.search(r"CL/F (\d+\.\d+) L/h \(simulated\)", text)
    assert f"CL/F {float(clearance[1]):.2f} L/h" in diary
    assert "day 64 withheld by hold-for-related-grade-3" in text
    assert "terminal half-life 9.4 days" in text
    assert "ratio 1.71" in text
    assert "ASSUMED" in text
    assert "relapsed/refractory" in text
    assert not Path("runs").exists()


def test_json_holds_what_the_table_shows(capsys):
    table = json.loads(say("pk fixed-4mg --patient 0 --seed 3 --json", capsys))
    assert table["patient"] == 0
    assert table["seed"] == 3
    first = table["cycles"][0]
    nominal = 3000.0 * first["level"] / (28.0 * table["cl_f_l_per_h"])
    assert first["nominal_auc_per_day"] == pytest.approx(nominal)
    assert first["auc_per_day"] < nominal
    ratio = table["parameters"]["clearance_l_per_h"] / table["parameters"]["bioavailability"]
    assert ratio == pytest.approx(table["cl_f_l_per_h"])
    assert table["doses"][0] == {
        "cycle": 1, "day": 1, "day_of_cycle": 1, "level": 4.0, "given": True, "drug_mg": 4.0,
        "withheld_by_rule": "",
    }  # fmt: skip
    assert table["results"] is None


def test_what_varies_changes_the_shape_and_not_the_area(capsys):
    words = "pk ixazomib-maintenance --patient 17 --json --varies "
    tables = [json.loads(say(words + what, capsys)) for what in ("bioavailability", "clearance")]
    assert tables[0]["cl_f_l_per_h"] == pytest.approx(tables[1]["cl_f_l_per_h"])
    assert tables[0]["terminal_half_life_days"] > 1.01 * tables[1]["terminal_half_life_days"]


def test_a_built_up_axis_has_a_column_of_its_own(capsys):
    words = "pk ixazomib-maintenance --patient 17"
    assert "built up" not in say(words, capsys)
    text = say(f"{words} --set pharmacokinetics.exposure=accumulation", capsys)
    assert "built up" in text


def test_the_folder_holds_tables_and_figure_and_comes_out_the_same(capsys):
    words = "pk ixazomib-maintenance --patient 137 --out"
    assert "Tables and figure: one" in say(f"{words} one", capsys)
    say(f"{words} two", capsys)
    assert {path.name for path in Path("one").iterdir()} == FILES
    for name in FILES:
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes(), name
    rows = list(csv.DictReader(Path("one/concentration.csv").read_text().splitlines()))
    heights = [float(row["concentration_ng_per_ml"]) for row in rows]
    assert heights[0] == 0.0
    assert min(heights[1:]) > 0.0
    areas = [float(row["cumulative_auc_ng_h_per_ml"]) for row in rows]
    assert areas == sorted(areas)
    cycles = list(csv.DictReader(Path("one/auc_by_cycle.csv").read_text().splitlines()))
    peak = max(float(row["cmax_ng_per_ml"]) for row in cycles)
    assert 0.97 * peak < max(heights) <= peak
    ledger = list(csv.DictReader(Path("one/dose_ledger.csv").read_text().splitlines()))
    assert [row["given"] for row in ledger].count("False") == 2
    svg = ElementTree.parse("one/pharmacokinetics.svg").getroot()
    assert svg.tag.endswith("svg")
    assert Path("one/pharmacokinetics.png").read_bytes().startswith(b"\x89PNG")


def test_the_figure_shows_what_the_tables_hold():
    plan = compile_plan(load_scenario("ixazomib-maintenance").scenario, 1)
    profile = patient_profile(plan, 137)
    close_up, course, doses, areas = profile_figure(profile).axes
    crosses = [line for line in doses.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[64, 71]]
    dots = [line for line in doses.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in dots) == len(profile.ledger.mg)
    assert len({line.get_color() for line in dots}) == 3
    assert course.get_yscale() == "log"
    assert close_up.lines[0].get_ydata().max() == pytest.approx(14.721, abs=0.01)
    steps = [list(patch.get_data().values) for patch in areas.patches]
    assert steps == [list(profile.cycles["auc_per_day"]), list(profile.cycles["risk_auc_per_day"])]


def test_daily_doses_are_steps_and_a_single_cycle_has_weeks():
    overrides = [f"posology.dose_days={list(range(1, 29))}", "posology.max_cycles=6"]
    loaded = load_scenario("ixazomib-maintenance", overrides)
    profile = patient_profile(compile_plan(loaded.scenario, 1), 137)
    assert len(profile.doses) > 100
    _, _, doses, areas = profile_figure(profile).axes
    assert not any(line.get_marker() == "o" for line in doses.lines)
    pieces = [piece for some in doses.collections for piece in some.get_segments()]
    assert len(pieces) == profile.doses["given"].sum()
    assert all(start[1] == end[1] and end[0] > start[0] for start, end in pieces)
    assert [label.get_text() for label in areas.get_xticklabels()][:2] == ["1", "2"]
    loaded = load_scenario("fixed-4mg", ["posology.max_cycles=1"])
    single = profile_figure(patient_profile(compile_plan(loaded.scenario, 1), 17)).axes[3]
    assert list(single.get_xticks())[:4] == [1.0, 8.0, 15.0, 22.0]
    assert single.get_xlabel() == "day"


def test_the_line_of_the_profile_is_no_colour_of_a_dose():
    plan = compile_plan(load_scenario("ixazomib-maintenance").scenario, 1)
    close_up, _, doses, _ = profile_figure(patient_profile(plan, 137)).axes
    own = np.array(matplotlib.colors.to_rgb(close_up.lines[0].get_color()))
    for line in doses.lines:
        assert np.abs(own - matplotlib.colors.to_rgb(line.get_color())).max() > 0.3


def test_notes_are_those_of_the_scenario(capsys):
    text = " ".join(say("pk ixazomib-maintenance --patient 17", capsys).split())
    assert "P at zero dose is an extrapolation" in text
    full = f"--patient 1 --parameters {DATA}/pk_nonmem.csv --id 1"
    text = " ".join(say(f"pk axitinib-titration {full}", capsys).split())
    assert "total daily doses, given as two halves" in text
    assert "relapsed" not in text
    text = " ".join(say(f"pk ixazomib-maintenance --set notes=[] {full}", capsys).split())
    assert "relapsed/refractory patients and is applied to maintenance" in text


def test_what_is_said_of_an_individual_holds_for_it(capsys):
    """With an own set no area acts on V4 and nothing is reached by F; with CL/F alone both do."""
    words = "pk bsa-dosing --patient 3 --parameters"
    text = " ".join(say(f"{words} {DATA}/pk_nonmem.csv --id 2", capsys).split())
    assert "volumes and CL/F are the individual's own" in text
    assert "--sample" in text
    for absent in ("(V4)", "ASSUMED; --varies", "do not sample"):
        assert absent not in text
    text = " ".join(say(f"{words} {DATA}/pk_semicolon.csv --id P3", capsys).split())
    assert "third compartment (V4)" in text
    assert "the individual's CL/F is reached by bioavailability alone (ASSUMED; --varies" in text


def test_extreme_values_give_a_report_and_never_a_broken_table(capsys):
    full = "ID,CL,F1,KA,V2,Q3,V3,Q4,V4\n"
    Path("far.csv").write_text(full + "1,1.86,0.58,1e9,1e9,5.18,309,26.1,205\n")
    words = "pk ixazomib-maintenance --patient 17 --id 1 --json --parameters"
    assert "rates are too far apart" in refusal(f"{words} far.csv", capsys)
    Path("small.csv").write_text(full + "1,1e-320,0.58,0.34,13.7,5.18,309,26.1,205\n")
    assert "CL is 1e-320; it must be from 1e-09 to 1e+09" in refusal(f"{words} small.csv", capsys)
    Path("edge.csv").write_text("ID,CLF\n1,1e-9\n2,1e9\n")
    table = say(f"{words} edge.csv", capsys)
    assert "NaN" not in table
    assert "Infinity" not in table


def test_an_id_that_would_colour_the_terminal_is_escaped(capsys):
    Path("odd.csv").write_text("ID,CLF\na\x1b[31m$\\q$,3\n")
    words = ["pk", "ixazomib-maintenance", "--patient", "17", "--parameters", "odd.csv", "--out"]
    assert main([*words, "o", "--id", "a\x1b[31m$\\q$"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert text.count("a\\u001b[31m") == 2


def test_a_folder_of_others_is_left_alone(capsys):
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("mine")
    words = "pk ixazomib-maintenance --patient 17"
    assert "other origin (thesis.txt)" in refusal(f"{words} --out mine --overwrite", capsys)
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]
    say(f"{words} --out own", capsys)
    before = Path("own/dose_ledger.csv").read_bytes()
    assert "--overwrite" in refusal(f"{words} --out own", capsys)
    say("pk ixazomib-maintenance --patient 137 --out own --overwrite", capsys)
    assert Path("own/dose_ledger.csv").read_bytes() != before
    assert "not a folder" in refusal(f"{words} --out mine/thesis.txt", capsys)


def test_doses_per_square_metre(capsys):
    text = say("pk bsa-dosing --patient 3 --out bsa", capsys)
    assert "Body surface area" in text
    assert "V4" in text
    table = json.loads(say("pk bsa-dosing --patient 3 --json", capsys))
    assert table["doses"][0]["drug_mg"] == pytest.approx(2.03 * table["bsa_m2"])


def test_one_dose_per_cycle_and_one_level(capsys):
    words = "pk fixed-3mg --patient 2 --out q --set posology.dose_days=[1]"
    text = say(f"{words} --set posology.max_cycles=1", capsys)
    assert "AUC over" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pk ixazomib-minimal --patient 1", "has no [pharmacokinetics.three_compartments]"),
        ("pk no-drug --patient 1", "every dose level is 0"),
        (
            "pk fixed-4mg --patient 1 --set pharmacokinetics.exposure_multiplier=0",
            "exposure_multiplier is 0 (placebo)",
        ),
        ("pk fixed-4mg", "give --patient"),
        ("pk fixed-4mg --patient -1", "patients are numbered from 0"),
        (
            "pk fixed-4mg --patient 999999999999999",
            "patient is 999999999999999; patients are numbered from 0 to",
        ),
        ("pk fixed-4mg --patient x", "is not a whole number"),
        ("pk fixed-4mg --patient 1 --id 2", "--parameters"),
        ("pk fixed-4mg --patient 1 --parameters {data}/pk_nonmem.csv", "need --id"),
        ("pk fixed-4mg --id 1 --parameters {data}/pk_nonmem.csv", "give --patient"),
        ("pk fixed-4mg --out o --parameters {data}/pk_nonmem.csv", "give --patient"),
        ("pk fixed-4mg --patient 1 --id 9 --parameters {data}/pk_nonmem.csv", "has 1, 2, 3"),
        ("pk fixed-4mg --parameters none.csv", "file not found"),
        ("pk fixed-4mg --parameters {data}/pk_bad.csv", "6 errors in pk_bad.csv"),
        ("pk fixed-4mg --patient 1 --varies cl", "clearance"),
    ],
)
def test_what_is_refused_is_one_clear_report(words, message, capsys):
    assert message in refusal(words.format(data=DATA), capsys)


def test_a_file_gives_the_lines_of_a_scenario(capsys):
    words = f"pk ixazomib-maintenance --parameters {DATA}/pk_semicolon.csv"
    text = say(words, capsys)
    assert "3 individuals, CL/F only" in text
    assert "cl_f_l_per_h = 4\ncl_f_sd_log = 0.6931\n" in text
    assert "SE of its log 0.4" in text  # 0.6931 / sqrt(3)
    assert "0.693, SE 0.35" in text  # 0.6931 / sqrt(4)
    assert "unless the scenario has cl_f_individuals_l_per_h" in " ".join(text.split())
    assert "cl_f_individuals" not in text.split("CL/F is drawn from")[0]
    sampled = say(f"{words} --sample", capsys)
    assert "cl_f_individuals_l_per_h = [2, 4, 8]\n" in sampled
    table = json.loads(say(f"{words} --json", capsys))
    assert table["n"] == 3
    assert table["individuals"][2] == {"id": "P3", "cl_f_l_per_h": 8.0}


def test_one_individual_has_no_spread(capsys):
    Path("one.csv").write_text("ID,CLF\n1,3.3\n")
    text = say("pk ixazomib-maintenance --parameters one.csv", capsys)
    assert "cl_f_sd_log = 0.0" in text
    assert "says nothing of the spread" in text
    assert "1 individual, CL/F only" in text
    table = json.loads(say("pk ixazomib-maintenance --parameters one.csv --json", capsys))
    assert table["cl_f_sd_log"] is None


def test_an_individual_is_drawn_over_a_patients_doses(capsys):
    words = "pk ixazomib-maintenance --patient 17 --json"
    simulated = json.loads(say(words, capsys))
    words = f"{words} --parameters {DATA}/pk_nonmem.csv --id 2 --out o"
    drawn = json.loads(say(words, capsys))
    assert drawn["doses"] == simulated["doses"]
    assert drawn["cl_f_l_per_h"] == pytest.approx(4.0)
    assert drawn["parameters"]["peripheral_3_volume_l"] == 150.0
    assert any("answered to the simulated CL/F" in note for note in drawn["notes"])
    # With CL/F only, the rest is the typical patient's.
    words = f"pk ixazomib-maintenance --patient 17 --parameters {DATA}/pk_semicolon.csv --id P3"
    typical = json.loads(say(f"{words} --json", capsys))
    assert typical["cl_f_l_per_h"] == pytest.approx(8.0)
    assert typical["parameters"]["peripheral_3_volume_l"] == 205.0


def test_a_scenario_without_compartments_takes_a_full_set(capsys):
    words = f"pk ixazomib-minimal --patient 1 --parameters {DATA}/pk_nonmem.csv --id 1"
    assert "individual 1" in say(words, capsys)
    words = f"pk ixazomib-minimal --patient 1 --parameters {DATA}/pk_semicolon.csv --id P1"
    assert "three_compartments" in refusal(words, capsys)


def test_help_states_units_and_starts_at_once(capsys):
    text = say("pk --help", capsys)
    assert all(unit in text for unit in ("[L/h]", "[1/h]", "[L]"))
    assert "Try:  titrasim pk ixazomib-maintenance --patient 17" in text
    code = (
        "import sys; from sim.cli.main import main; main(['pk', '--help']);"
        "print(sorted({'numpy', 'scipy', 'pandas', 'matplotlib', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
