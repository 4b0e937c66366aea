"""`titrasim er fit`: what it prints and writes, its model file, and its answer to bad data."""

import csv
import hashlib
import json
import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from sim.cli.main import main
from sim.errors import DataError, FileError, LimitError
from sim.exposure_response.endpoint_fit import STEPS_AN_ENDPOINT, fit_endpoints
from sim.exposure_response.individual_data import Columns, read_individual_data
from sim.exposure_response.logistic import LogisticFit
from sim.exposure_response.model_file import ModelEntry, read_models, write_models
from sim.exposure_response.model_names import model_names
from sim.scenario.fitted import read_model_file

DATA = Path(__file__).parent / "data"
PHASE_1 = DATA / "simulated-phase-1.csv"
BAD = DATA / "bad-individual"
HARD = DATA / "hard-fits"
FIT = ["er", "fit", str(PHASE_1), "--exposure", "auc_per_day"]

BAD_FILES = {
    "D31-empty": ["error[D31]: the file is empty; a header line and one line a patient are needed"],
    "D31-header-only": ["1: error[D31]: there is a header and no patient"],
    "D32-latin-1": ["3: error[D32]: byte 0xFC is not UTF-8; save the table as CSV, UTF-8"],
    "D32-utf-16": [
        "error[D32]: this is UTF-16 text or a binary file; save the table as CSV, UTF-8"
    ],
    "D33-missing-column": [
        '1: error[D33]: there is no column "auc"; there are "patient", "AUC_day", "rash"; '
        'did you mean "AUC_day"?'
    ],
    "D34-column-twice": ['1: error[D34]: 2 columns are called "rash"'],
    "D35-open-quote": ["3: error[D35]: a quotation mark is not closed or stands inside a cell"],
    "D35-ragged": [
        "6: error[D35]: this line has 2 cells, the header 3",
        "9: error[D35]: this line has 4 cells, the header 3; numbers take a decimal point, "
        "texts with a comma quotation marks",
    ],
    "D36-decimal-comma": [
        '2: error[D36]: auc is "50,5", not a number; write 50.5',
        '3: error[D36]: auc is "60,5", not a number; write 60.5',
    ],
    "D36-mixed-decimals": [
        '2: error[D36]: auc is "50,5", while other lines have a decimal point; use one of the two '
        "throughout",
        '4: error[D36]: auc is "1.234,5", not a number',
    ],
    "D36-text-in-number": [
        '4: error[D36]: auc is "BLQ", not a number',
        '7: error[D36]: auc is "1_0", not a number',
    ],
    "D37-not-finite": [
        '3: error[D37]: auc is "nan"; an exposure is a finite number; a missing one is written '
        '"." or "NA"',
        '4: error[D37]: auc is "-Inf"; an exposure is a finite number; a missing one is written '
        '"." or "NA"',
        '5: error[D37]: auc is "1e999", which is too large',
    ],
    "D37-no-usable-size": [
        "3: error[D37]: auc is 1e200; an exposure is 0, or 1e-30 to 1e+30",
        "4: error[D37]: auc is 1e-165; an exposure is 0, or 1e-30 to 1e+30",
        "5: error[D37]: auc is 1e-400; an exposure is 0, or 1e-30 to 1e+30",
    ],
    "D38-negative": ["6: error[D38]: auc is -5; an exposure is 0 or more"],
    "D39-event": [
        '2: error[D39]: rash is "2"; an event is 0 or 1, no or yes, false or true',
        '11: error[D39]: rash is "grade 3"; an event is 0 or 1, no or yes, false or true',
    ],
    "D40-identifier": [
        '8: error[D40]: patient "3" was already on line 4; one line a patient',
        "10: error[D40]: patient is missing",
    ],
    "D41-all": [
        "error[D41]: rash by auc: all of 12 patients had the event; no model can be fitted to that"
    ],
    "D41-none": [
        "error[D41]: rash by auc: none of 12 patients had the event; no model can be fitted to that"
    ],
    "D42-one-exposure": [
        "error[D42]: rash by auc: every exposure is 100; a slope needs at least two values"
    ],
    "D43-few": ["error[D43]: rash by auc: 7 patients; a fit needs 10 or more"],
    "D44-nothing-left": [
        "error[D44]: rash by auc: no patient has both values; all 12 rows are left out"
    ],
    "several": [
        '2: error[D36]: auc is "x", not a number',
        '3: error[D39]: rash is "maybe"; an event is 0 or 1, no or yes, false or true',
        "5: error[D38]: auc is -1; an exposure is 0 or more",
        '13: error[D40]: patient "1" was already on line 2; one line a patient',
    ],
}


def test_the_corpus_is_whole() -> None:
    assert {path.stem for path in BAD.glob("*.csv")} == set(BAD_FILES)
    told = " ".join(line for lines in BAD_FILES.values() for line in lines)
    assert set(re.findall(r"D\d\d", told)) == {f"D{number}" for number in range(31, 45)}


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_bad_data_gets_one_clear_report(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = BAD / f"{name}.csv"
    arguments = [str(file), "--exposure", "auc", "--event", "rash", "--id", "patient"]
    assert main(["er", "fit", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [f"{file.name}:{' ' if line[0] == 'e' else ''}{line}" for line in BAD_FILES[name]]
    count = f"{len(lines)} error{'' if len(lines) == 1 else 's'} in {file.name}. Nothing was run."
    assert printed.err.splitlines() == [*lines, count]


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["er", "fit", str(DATA / "simulated-phase1.csv"), "--exposure", "a", "--event", "b"]
    assert main(arguments) == 3
    assert 'did you mean "simulated-phase-1.csv"?' in capsys.readouterr().err


def written(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_ways_to_write_the_same_data(tmp_path: Path, delimiter: str) -> None:
    rows = [[f"p{i}", f"{50 + 10 * i}", "Yes" if i % 3 else "FALSE"] for i in range(14)]
    rows[4][1], rows[5][2], rows[6][1] = "NA", ".", ""
    text = (
        "\ufeff"
        + "\r\n".join(delimiter.join(row) for row in [["id", "auc", "ae"], *rows])
        + "\r\n\r\n"
    )
    data = read_individual_data(written(tmp_path, text), Columns("auc", ("ae",), None, "id"))
    assert (data.rows, len(data.exposure), data.without_exposure) == (14, 12, 2)
    assert int(np.isnan(data.events["ae"]).sum()) == 1
    exposure, event = data.of("ae")
    assert exposure.tolist() == [50, 60, 70, 80, 120, 130, 140, 150, 160, 170, 180]
    assert event.tolist() == [0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1]
    assert data.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_one_column_cannot_play_two_parts() -> None:
    with pytest.raises(LimitError, match='column "rash" is named by two options'):
        read_individual_data(PHASE_1, Columns("auc_per_day", ("rash",), "rash"))


def phase_1(event: str) -> tuple[np.ndarray, np.ndarray]:
    with PHASE_1.open() as file:
        rows = [row for row in csv.DictReader(file) if row["auc_per_day"] != "."]
    kept = [row for row in rows if row[event] in ("0", "1")]
    return np.array([float(r["auc_per_day"]) for r in kept]), np.array(
        [int(r[event]) for r in kept]
    )


def test_json_has_the_numbers_of_statsmodels(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--event", "fatigue", "--event", "diarrhea", "--doses-mg", "3,4,12", "--json"]
    assert main([*FIT, *arguments]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["rows"], content["patients"], content["without_exposure"]) == (44, 43, 1)
    assert content["sha256"] == hashlib.sha256(PHASE_1.read_bytes()).hexdigest()
    fatigue, diarrhea = content["endpoints"]
    assert (fatigue["patients"], fatigue["without_event"]) == (42, 1)
    per_mg = 3000.0 / (28.0 * 1.86 / 0.58)
    for found in (fatigue, diarrhea):
        x, y = phase_1(found["endpoint"])
        theirs = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-14, maxiter=100)
        fit = found["fit"]
        assert [fit["intercept"], fit["slope"]] == pytest.approx(theirs.params.tolist(), rel=1e-8)
        assert fit["odds_ratio_per_mg"] == pytest.approx(math.exp(theirs.params[1] * per_mg))
        at = theirs.predict(sm.add_constant(per_mg * np.array([3.0, 4.0, 12.0])))
        assert [part["probability"] for part in found["predicted"]] == pytest.approx(at.tolist())
        assert [part["is_beyond"] for part in found["predicted"]] == [False, False, True]
        assert [part["exposure"] for part in found["predicted"][:2]] == pytest.approx(
            [100.23, 133.64],
            abs=5e-3,  # methods 1.1
        )
        low, high = found["about_median"]
        below = x <= np.median(x)
        assert (low["events"], low["patients"]) == (int(y[below].sum()), int(below.sum()))
        assert (high["events"], high["patients"]) == (int(y[~below].sum()), int((~below).sum()))
        assert sum(part["events"] for part in found["by_quantile"]) == int(y.sum())


def test_the_text_shows_what_the_paper_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FIT, "--event", "diarrhea", "--doses-mg", "3,4,12"]) == 0
    text = capsys.readouterr().out
    assert "simulated-phase-1.csv: 43 patients of 44 rows" in text
    assert "left out: 1 with auc_per_day missing" in text
    assert re.search(r"diarrhea: 15 of 43 patients\n", text)
    assert re.search(r"  intercept +-\d\.\d+ +\d\.\d+ +\[-\d.*\] +\[-\d.*\]\n", text)
    assert re.search(r"  slope +0\.0\d+ +0\.0\d+ +\[0\.0.*\] +\[0\.0.*\]\n", text)
    assert re.search(r"  odds ratio per mg +\d\.\d+ +\[1\..*\] +\[1\..*\]\n", text)
    assert re.search(r"likelihood ratio \d+\.\d{3} on 1 df, p = ", text)
    assert re.search(
        r"at or below the median +34\.2 - 174\.6 +3/22 +13\.6 % +\[2\.9 %, 34\.9 %\]", text
    )
    assert re.search(r"    Q4 +226\.6 - 334\.9 +9/11 +81\.8 % ", text)
    assert re.search(r"    3 mg +100\.2 +\d+\.\d % +\[\d+\.\d %, \d+\.\d %\]\n", text)
    assert re.search(r"    12 mg .*\]  beyond the data\n", text)
    assert "CL 1.86 L/h, F 0.58," in text
    assert "relapsed or\n    refractory disease" in text


def test_groups_are_fitted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FIT, "--event", "fatigue", "--by", "sex", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    with PHASE_1.open() as file:
        rows = [r for r in csv.DictReader(file) if r["auc_per_day"] != "." and r["fatigue"] != "NA"]
    for found in content["endpoints"]:
        mine = [row for row in rows if row["sex"] == found["group"]]
        x = np.array([float(row["auc_per_day"]) for row in mine])
        y = np.array([int(row["fatigue"]) for row in mine])
        theirs = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-14, maxiter=100)
        assert found["fit"]["slope"] == pytest.approx(theirs.params[1], rel=1e-8)
    assert sorted(one["group"] for one in content["endpoints"]) == ["female", "male"]


SEPARATED = "auc,ae,arm\n" + "".join(f"{10 * i},{int(i > 7)},{'ab'[i % 2]}\n" for i in range(1, 15))


def test_separation_is_told_and_no_model_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, SEPARATED)
    arguments = ["er", "fit", str(file), "--exposure", "auc", "--event", "ae", "--doses-mg", "3"]
    assert main(arguments) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "complete separation: all 7 patients with the event have an exposure of 80 or more" in text
    )
    assert "use --method firth" in text
    assert re.search(r"slope none - - \[0\.0\d+, inf\]", text)
    assert re.search(r"odds ratio per mg none - \[\d+\.\d+, inf\]", text)
    assert "predicted at a dose" not in text
    model = tmp_path / "m.toml"
    assert main([*arguments, "--model", str(model)]) == 2
    assert "no model can be written for ae (complete separation" in capsys.readouterr().err
    assert not model.exists()
    assert main([*arguments, "--method", "firth", "--model", str(model)]) == 0
    assert "rests on its penalty" in " ".join(capsys.readouterr().out.split())
    assert read_models(model)[0].method == "firth"


def test_a_group_without_events_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(
        f"{10 * i},{int(i % 3 == 0 and i % 2 == 0)},{'ab'[i % 2]}\n" for i in range(1, 25)
    )
    file = written(tmp_path, "auc,ae,arm\n" + rows)
    out = tmp_path / "out"
    arguments = ["--exposure", "auc", "--event", "ae", "--by", "arm", "--out", str(out)]
    assert main(["er", "fit", str(file), *arguments]) == 0
    text = capsys.readouterr().out
    assert "ae, b: 0 of 12 patients" in text
    assert "no fit: none of 12 patients had the event" in text
    assert (out / "model_curves.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cl-f-l-per-h", "3"], "but --doses-mg is not given"),
        (["--doses-mg", "3,x"], '--doses-mg is "3,x"; it takes 1 to 12 different doses'),
        (["--doses-mg", "3,3"], "different doses"),
        (["--doses-mg", "3", "--cycle-days", "0"], "--cycle-days is 0; it must be above 0"),
        (
            ["--doses-mg", "3", "--auc-per-day-per-mg", "30", "--cycle-days", "28"],
            "--auc-per-day-per-mg already says",
        ),
        (
            ["--doses-mg", "3", "--cl-f-l-per-h", "1e-200"],
            "--cl-f-l-per-h is 1e-200; it must be within 0.001 to 10000",
        ),
        (["--doses-mg", "3", "--doses-per-cycle", "9" * 400], "--doses-per-cycle is 9999"),
        (["--doses-mg", "1e300"], "different doses of 0 to 1e+06 mg"),
        (["--population", "=1+1"], "--population takes 1 to 300 characters"),
        (["--name", "a", "--name", "b"], "--name is given 2 times and --event 1 times"),
        (["--by", "patient"], "patient has 43 different values; at most 12 groups"),
        (["--quantiles", "50"], "quantile groups: 50 is not within 2 to 20"),
        (["--model", "m.toml", "--name", "2nd rash"], "is not a letter followed by letters"),
    ],
)
def test_options_that_do_not_fit(
    options: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*FIT, "--event", "rash", *options]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_doses_by_other_options(capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--cl-f-l-per-h", "2", "--doses-per-cycle", "5", "--cycle-days", "25"]
    assert main([*FIT, "--event", "rash", "--doses-mg", "3", *own, "--json"]) == 0
    doses = json.loads(capsys.readouterr().out)["doses"]
    assert doses["auc_per_day_per_mg"] == pytest.approx(100.0)
    assert doses["source"] == "CL/F 2 L/h (given by option), 5 doses in 25 days (given by option)"
    assert main([*FIT, "--event", "rash", "--doses-mg", "3", "--auc-per-day-per-mg", "40"]) == 0
    assert re.search(r"    3 mg +120 ", capsys.readouterr().out)


FOLDER = [
    "coefficients.csv",
    "model_curves.png",
    "model_curves.svg",
    "observed.csv",
    "observed_proportions.png",
    "observed_proportions.svg",
    "predicted.csv",
]


def test_the_folder_is_the_same_twice_and_safe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*FIT, "--event", "rash", "--event", "fatigue", "--doses-mg", "3,4", "--out"]
    first, second = tmp_path / "one", tmp_path / "two"
    assert main([*arguments, str(first)]) == 0
    assert main([*arguments, str(second)]) == 0
    assert sorted(path.name for path in first.iterdir()) == FOLDER
    for name in FOLDER:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    capsys.readouterr()
    assert main([*arguments, str(first)]) == 3
    assert "error[F11]: this is there already" in capsys.readouterr().err
    (second / "notes.txt").write_text("mine")
    assert main([*arguments, str(second), "--overwrite"]) == 3
    assert "holds notes.txt, which is not of this command" in capsys.readouterr().err
    assert main([*arguments, str(first), "--overwrite"]) == 0
    with (first / "observed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (2 + 4)
    assert {row["interval"] for row in rows} == {"Clopper-Pearson"}
    with (first / "predicted.csv").open() as file:
        assert [row["dose_mg"] for row in csv.DictReader(file)] == ["3", "4", "3", "4"]
    with (first / "coefficients.csv").open() as file:
        terms = [row["term"] for row in csv.DictReader(file)]
    assert terms == ["intercept", "slope", "odds_ratio_per_mg"] * 2


def test_the_model_file_holds_the_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "fitted.toml"
    arguments = [*FIT, "--event", "rash", "--event", "benefit", "--name", "rash", "--name", "sd"]
    assert main([*arguments, "--model", str(model), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    entries = read_models(model)
    assert [one.name for one in entries] == ["rash", "sd"]
    for entry, found in zip(entries, content["endpoints"], strict=True):
        fit = found["fit"]
        assert (entry.intercept, entry.slope_per_auc_per_day) == (fit["intercept"], fit["slope"])
        (v11, v12), (_, v22) = fit["covariance"]
        assert entry.covariance == (v11, v12, v22)
        assert (entry.patients, entry.events) == (found["patients"], found["events"])
        assert content["sha256"] in entry.source
    assert entries[0].exposure_range == (34.2, 334.9)
    by_scenario = read_model_file(model).model
    assert [one.model_dump() for one in by_scenario] == [vars(one) for one in entries]
    assert main([*arguments, "--model", str(model)]) == 3
    assert "error[F11]: this file is there already" in capsys.readouterr().err
    before = model.read_bytes()
    assert main([*arguments, "--model", str(model), "--overwrite"]) == 0
    assert model.read_bytes() == before


ENTRY = ModelEntry(
    name="rash",
    intercept=-3.178,
    slope_per_auc_per_day=0.1 + 0.2,
    method="ml",
    patients=44,
    events=7,
    covariance=(1.0088, -3.582e-3, 1.558e-5),
    exposure_unit="ng*h/mL per day",
    exposure_range=(17.0, 512.25),
    source='fitted to "my \\ data".csv, \x7f column μ',
)


def test_models_read_back_identical(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    models = [ENTRY, replace(ENTRY, name="fatigue", intercept=-1e-300, method="firth")]
    write_models(path, models)
    assert read_models(path) == models
    assert tomllib.loads(path.read_text("utf-8"))["format"] == 1
    with pytest.raises(FileError, match="F11"):
        write_models(path, models)
    write_models(path, models[:1], replace=True)
    assert read_models(path) == models[:1]
    assert [one.name for one in tmp_path.iterdir()] == ["m.toml"]
    with pytest.raises(FileError, match="F10"):
        write_models(tmp_path / "no" / "m.toml", models)
    with pytest.raises(LimitError, match='two models are called "rash"'):
        write_models(path, [ENTRY, ENTRY], replace=True)
    with pytest.raises(LimitError, match="finite number"):
        write_models(path, [replace(ENTRY, intercept=math.inf)], replace=True)


def test_everything_wrong_in_a_model_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(
        'format = 2\nmodels = 1\n[[model]]\nname = "2nd"\nintercept = "x"\nslope = 1\n'
        'slope_per_auc_per_day = nan\nmethod = "mle"\npatients = 4.5\nevents = 7\n'
        "covariance = [1, 2, 3]\nexposure_range = [5, 1]\n"
        'exposure_unit = "nM"\n'
    )
    with pytest.raises(DataError) as caught:
        read_models(path)
    assert str(caught.value).splitlines() == [
        "m.toml:1:10: error[D22]: format is 2; this program reads 1",
        'm.toml:2:10: error[D24]: unknown key "models"; did you mean "model"?',
        'm.toml:6:9: error[D24]: unknown key "slope"; did you mean "slope_per_auc_per_day"?',
        'm.toml:3:1: error[D25]: "source" is missing',
        'm.toml:4:8: error[D26]: name "2nd" is not a letter followed by letters, digits, _ or -',
        'm.toml:5:13: error[D26]: intercept "x" is not a finite number',
        'm.toml:7:25: error[D26]: slope_per_auc_per_day "nan" is not a finite number',
        'm.toml:8:10: error[D26]: method "mle" is not "ml" or "firth" or "table"',
        'm.toml:9:12: error[D26]: patients "4.5" is not a whole number of 0 or more',
        "m.toml:10:10: error[D26]: events 7 is more than the 4.5 patients",
        'm.toml:13:17: error[D26]: exposure_unit "nM" is not "ng*h/mL per day"',
        "m.toml:12:18: error[D26]: exposure_range does not rise from 0 or more",
        "m.toml:11:14: error[D27]: covariance is not that of two coefficients: v11, v22 > 0, "
        "v12^2 < v11 v22",
        "13 errors in m.toml. Nothing was run.",
    ]
    for text, code in (("format = 1\n", "D23"), ("format = ", "D21")):
        path.write_text(text)
        with pytest.raises(DataError, match=code):
            read_models(path)
    with pytest.raises(FileError, match="F01"):
        read_models(tmp_path / "none.toml")


def fitted(file: Path, *more: str) -> list[str]:
    return ["er", "fit", str(file), "--exposure", "auc", "--event", "rash", *more]


@pytest.mark.parametrize("name", sorted(path.stem for path in HARD.glob("*.csv")))
@pytest.mark.parametrize("method", ["ml", "firth"])
def test_text_json_and_model_agree_on_hard_data(
    name: str, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m.toml"
    arguments = fitted(HARD / f"{name}.csv", "--method", method)
    code = main([*arguments, "--json", "--model", str(model)])
    content = json.loads(capsys.readouterr().out)
    fit = content["endpoints"][0]["fit"]
    assert (code == 0) == fit["has_estimate"] == model.exists()
    assert fit["profile_not_found"] is None
    assert content["warnings"] or name in ("two-hills", "no-profile-3")
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert ("warning: the largest auc, " in text) == bool(content["warnings"])
    if fit["has_estimate"]:
        kept = fit["flic"] or fit
        (entry,) = read_models(model)
        assert (entry.intercept, entry.slope_per_auc_per_day) == (kept["intercept"], fit["slope"])
        assert f"{fit['slope']:.4g}" in text


def test_an_estimate_without_a_profile_is_still_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(_fit: LogisticFit, which: int, _level: float = 0.95) -> None:
        raise LimitError(f"no top of coefficient {which}")

    monkeypatch.setattr(LogisticFit, "profile_interval", lost)
    model, out = tmp_path / "m.toml", tmp_path / "out"
    arguments = [*FIT, "--event", "rash", "--doses-mg", "3"]
    assert main([*arguments, "--model", str(model), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"  slope +0\.00\d+ +0\.00\d+ +\[-0\.00.*\] +not found\n", text)
    assert re.search(r"  odds ratio per mg +1\.\d+ +\[0\..*\] +not found\n", text)
    assert "profile not found: no top of coefficient 0; no top of coefficient 1" in text
    assert re.search(r"    3 mg +100\.2 ", text)
    assert main([*arguments, "--json"]) == 0
    fit = json.loads(capsys.readouterr().out)["endpoints"][0]["fit"]
    assert fit["profile"] == {"intercept": None, "slope": None}
    assert fit["profile_not_found"].startswith("no top of coefficient 0")
    assert fit["wald"]["slope"]["low"] < fit["slope"]
    assert read_models(model)[0].slope_per_auc_per_day == fit["slope"]
    with (out / "coefficients.csv").open() as file:
        slope = list(csv.DictReader(file))[1]
    assert (slope["term"], slope["profile_low"]) == ("slope", "")
    assert float(slope["wald_low"]) == pytest.approx(fit["wald"]["slope"]["low"])


def test_firth_models_predict_the_observed_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = tmp_path / "m.toml", tmp_path / "out"
    arguments = [*FIT, "--event", "rash", "--method", "firth", "--doses-mg", "3"]
    assert main([*arguments, "--model", str(model), "--out", str(out)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "for predictions and the model file" in text
    assert "as many events are predicted as were observed (FLIC, doi:10.1002/sim.7273)" in text
    (entry,) = read_models(model)
    x, y = phase_1("rash")
    p = 1.0 / (1.0 + np.exp(-(entry.intercept + entry.slope_per_auc_per_day * x)))
    assert p.sum() == pytest.approx(y.sum(), rel=1e-9)
    assert "predicted events equal observed (FLIC, doi:10.1002/sim.7273" in entry.source
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["endpoints"][0]
    own = found["fit"]["intercept"]
    assert f"Firth's intercept {own:.6g}" in entry.source
    assert own > entry.intercept
    at = found["predicted"][0]
    logit = entry.intercept + entry.slope_per_auc_per_day * at["exposure"]
    assert at["probability"] == pytest.approx(1.0 / (1.0 + math.exp(-logit)))
    with (out / "coefficients.csv").open() as file:
        rows = {row["term"]: row for row in csv.DictReader(file)}
    assert float(rows["intercept"]["estimate"]) == pytest.approx(own)
    assert float(rows["intercept_flic"]["estimate"]) == pytest.approx(entry.intercept)


def test_the_data_file_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PHASE_1.read_bytes()
    Path("data.toml").write_bytes(text)
    Path("link.toml").symlink_to("data.toml")
    Path("folder.toml").mkdir()
    Path("mine.toml").write_text("mine = 1\n")
    Path("results").mkdir()
    Path("results/observed.csv").write_bytes(text)
    arguments = ["--exposure", "auc_per_day", "--event", "rash", "--overwrite"]
    for options, code, words in (
        (["--model", "data.toml"], "F12", "this is the data file itself"),
        (["--model", "link.toml"], "F12", "this is the data file itself"),
        (["--model", "data.csv"], "F12", "a model file's name ends in .toml"),
        (["--model", "a#b.toml"], "F12", "no scenario could name this file: its name has #"),
        (["--model", "mine.toml"], "F11", "is there already and is not a model file"),
        (["--model", "folder.toml"], "F02", "this is a folder"),
        (["--model", ""], "F02", "an empty name; give a file ending in .toml"),
        (["--model", "no/m.toml"], "F10", 'there is no folder "no"'),
        (["--out", ""], "F11", "an empty name"),
        (["--out", "out", "--model", "out/m.toml"], "F10", 'there is no folder "out"'),
        (["--out", "results", "--model", "results/m.toml"], "F11", "the model file would lie in"),
    ):
        assert main(["er", "fit", "data.toml", *arguments, *options]) == 3, options
        printed = capsys.readouterr()
        assert printed.out == ""
        assert f"error[{code}]: " in printed.err
        assert words in printed.err
    own = Path("results/observed.csv")
    assert main(["er", "fit", str(own), *arguments, "--out", "results"]) == 3
    assert "the data file would lie in this folder" in capsys.readouterr().err
    assert own.read_bytes() == Path("data.toml").read_bytes() == text
    assert Path("mine.toml").read_text() == "mine = 1\n"
    assert sorted(path.name for path in Path().iterdir()) == [
        *("data.toml", "folder.toml", "link.toml", "mine.toml", "results")
    ]
    assert main(["er", "fit", "", *arguments]) == 3
    assert "this is a folder; give a CSV file" in capsys.readouterr().err


GROUPED = "auc,ae,arm\n" + "".join(
    f"{10 * i},{int(i % 3 == 0)},{'<65' if i % 2 else '>=65'}\n" for i in range(1, 41)
)


def test_groups_of_any_spelling_get_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, GROUPED + "500,1,solo one\n")
    model, out = tmp_path / "m.toml", tmp_path / "out"
    arguments = ["er", "fit", str(file), "--exposure", "auc", "--event", "ae", "--by", "arm"]
    assert main([*arguments, "--model", str(model), "--out", str(out)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "not written: ae, solo one (no fit: all of 1 patients had the event" in text
    assert "ae_lt65: ae, <65" in text
    entries = read_models(model)
    assert [one.name for one in entries] == ["ae_lt65", "ae_ge65"]
    assert entries[0].source.endswith("column ae by auc, arm <65")
    assert entries[1].source.endswith("column ae by auc, arm >=65")
    assert [one.exposure_range for one in entries] == [(10.0, 390.0), (20.0, 400.0)]
    assert (out / "model_curves.svg").exists()
    assert main([*arguments, "--json", "--model", str(model), "--overwrite"]) == 0
    plan = json.loads(capsys.readouterr().out)["model_file"]
    assert [one["name"] for one in plan["written"]] == ["ae_lt65", "ae_ge65"]
    assert [one["title"] for one in plan["skipped"]] == ["ae, solo one"]


def test_out_is_written_though_no_model_can_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, SEPARATED)
    model, out = tmp_path / "m.toml", tmp_path / "out"
    arguments = ["--exposure", "auc", "--event", "ae", "--model", str(model), "--out", str(out)]
    assert main(["er", "fit", str(file), *arguments]) == 2
    printed = capsys.readouterr()
    assert "ae: 7 of 14 patients" in printed.out
    assert "no model can be written for ae (complete separation" in printed.err
    assert (out / "coefficients.csv").exists()
    assert not model.exists()


def test_names_of_models() -> None:
    names = model_names(["Éruption (G3+)", "2nd"], [], ["<65", "> 65", "≥65", "+65", "-"])
    assert list(names.values()) == [
        *("Eruption_G3_lt65", "Eruption_G3_gt_65", "Eruption_G3_ge65", "Eruption_G3_65"),
        *("Eruption_G3_-", "event_2nd_lt65", "event_2nd_gt_65", "event_2nd_ge65", "event_2nd_65"),
        "event_2nd_-",
    ]
    same = model_names(["ae"], [], ["a b", "a_b", "a/b"])
    assert list(same.values()) == ["ae_a_b", "ae_a_b-2", "ae_a_b-3"]
    long = list(model_names(["x" * 80], [], ["a", "b"]).values())
    assert long == ["x" * 64, "x" * 62 + "-2"]
    assert model_names(["ae"], ["rash"], [""]) == {("ae", ""): "rash"}
    with pytest.raises(LimitError, match=r'"2nd" is not a letter.*"rash" is given twice'):
        model_names(["a", "b", "c"], ["rash", "2nd", "rash"], [""])


def test_names_are_checked_before_anything_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = ["--event", "rash", "--event", "fatigue", "--name", "a", "--name", "a"]
    assert main([*FIT, *twice, "--model", str(tmp_path / "m.toml")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert '--name "a" is given twice' in printed.err


WHOSE = "relapsed/refractory myeloma, median 6 regimens"


def test_the_population_goes_into_every_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, stated, model = tmp_path / "plain", tmp_path / "stated", tmp_path / "m.toml"
    arguments = [*FIT, "--event", "rash"]
    assert main([*arguments, "--out", str(plain), "--model", str(model)]) == 0
    assert "population: not stated" in capsys.readouterr().out
    assert read_models(model)[0].population == "not stated"
    more = ["--population", WHOSE, "--out", str(stated), "--model", str(model), "--overwrite"]
    assert main([*arguments, *more]) == 0
    assert f"population: {WHOSE}" in capsys.readouterr().out
    assert read_models(model)[0].population == WHOSE
    assert f'population = "{WHOSE}"' in model.read_text("utf-8")
    assert read_model_file(model).model[0].population == WHOSE
    for folder, expected in ((plain, "not stated"), (stated, WHOSE)):
        with (folder / "coefficients.csv").open() as file:
            assert {row["population"] for row in csv.DictReader(file)} == {expected}
    for name in ("model_curves.svg", "observed_proportions.svg"):
        texts = [(folder / name).read_text("utf-8") for folder in (plain, stated)]
        assert [text.count("Population: relapsed") for text in texts] == [0, 1], name


def test_json_tells_infinite_bounds_from_missing_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, SEPARATED)
    assert main(["er", "fit", str(file), "--exposure", "auc", "--event", "ae", "--json"]) == 0
    fit = json.loads(capsys.readouterr().out)["endpoints"][0]["fit"]
    assert fit["has_estimate"] is False
    assert fit["slope"] is None
    assert fit["profile"]["slope"]["low"] > 0.0
    assert fit["profile"]["slope"] == {**fit["profile"]["slope"], "high": None, "unbounded": True}
    assert fit["profile"]["intercept"] == {"low": None, "high": None, "unbounded": False}
    assert fit["wald"]["slope"] == {"low": None, "high": None, "unbounded": False}


def test_a_quoted_header_with_commas_is_no_comma_file(tmp_path: Path) -> None:
    name = "AUC, ng*h/mL, per day, ss"
    rows = "".join(f"{i};{50 + i},5;{i % 2},0\n" for i in range(12))
    data = read_individual_data(
        written(tmp_path, f'id;"{name}";rash\n{rows}'), Columns(name, ("rash",), None, "id")
    )
    exposure, event = data.of("rash")
    assert exposure.tolist() == [50.5 + i for i in range(12)]
    assert event.tolist() == [float(i % 2) for i in range(12)]
    with pytest.raises(DataError, match=r'there are "id", "AUC, ng\*h/mL, per day, ss", "rash"'):
        read_individual_data(tmp_path / "data.csv", Columns("auc", ("rash",)))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_where_they_are_plain(tmp_path: Path, delimiter: str) -> None:
    rows = "".join(f"{i}{delimiter}{i},25{delimiter}{i % 2}\n" for i in range(9))
    text = f"id{delimiter}auc{delimiter}rash\n{rows}9{delimiter}.{delimiter}1\n"
    text += f"10{delimiter}1,5e2{delimiter}1\n"
    data = read_individual_data(written(tmp_path, text), Columns("auc", ("rash",)))
    assert data.exposure.tolist() == [*(i + 0.25 for i in range(9)), 150.0]


def test_many_patients_have_few_ticks(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    x = random.lognormal(5.0, 0.5, 9000)
    y = random.random(9000) < 1.0 / (1.0 + np.exp(2.0 - 0.008 * x))
    lines = "".join(f"{a!r},{int(b)}\n" for a, b in zip(x.tolist(), y, strict=True))
    file = written(tmp_path, "auc,rash\n" + lines)
    assert main(fitted(file, "--out", str(tmp_path / "out"))) == 0
    svg = (tmp_path / "out" / "model_curves.svg").read_text("utf-8")
    told = " ".join(re.findall(r"<!-- (.*?) -->", svg))
    assert "above 2000 patients only some have a tick" in told
    assert len(svg) < 600_000


def test_steps_of_long_work_are_told() -> None:
    data = read_individual_data(PHASE_1, Columns("auc_per_day", ("rash", "fatigue"), "sex"))
    told: list[int] = []
    fits = fit_endpoints(data, "ml", 4, None, told.append)
    assert sum(told) == STEPS_AN_ENDPOINT * len(fits) == 12


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"covariance": (1.0, 1.0, 1.0)}, "covariance is not that of two coefficients"),
        ({"covariance": (1.0, 0.0, -1.0)}, "covariance is not that of two coefficients"),
        ({"slope_per_auc_per_day": 2e9}, "2e+09 is beyond 1e+09, which no scenario takes"),
        ({"population": "@x"}, "population is not a text of 1 to 300 characters"),
    ],
)
def test_models_no_scenario_could_take_are_refused(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    entry = replace(ENTRY, **changes)  # type: ignore[arg-type]
    with pytest.raises(LimitError, match=re.escape(words)):
        write_models(tmp_path / "m.toml", [entry])
    assert list(tmp_path.iterdir()) == []


def test_model_files_of_before_have_no_population(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    write_models(path, [ENTRY])
    lines = path.read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("population")]
    assert len(kept) == len(lines) - 1
    path.write_text("\n".join(kept), "utf-8")
    assert read_models(path) == [ENTRY]
