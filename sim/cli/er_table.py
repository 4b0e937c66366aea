"""`titrasim er table`: logistic coefficients from a published table, with what rounding allows."""

import json
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from sim.cli.options import AsJson, Overrides, ScenarioName, flag, number
from sim.cli.published_files import check_csv, model_entry, write_csv
from sim.cli.published_input import Given, design_behind, design_sources, read_given

if TYPE_CHECKING:
    from sim.exposure_response.anomalies import Anomaly
    from sim.exposure_response.design import Design
    from sim.exposure_response.published import (
        Boxed,
        PublishedModel,
        PublishedTable,
    )

MTD_MG = 5.5
COLUMN = 25
LABEL = 35
TEXT_WIDTH = 96
LARGE = 1e5
# Less than this is what subtraction leaves of 0.
ROUNDING = 1e-9
HEADS = {"T": "T typical patient", "M": "M mean exposure", "A": "A average over patients"}
Reading = Literal["all", "T", "M", "A"]


@dataclass(frozen=True)
class Solved:
    """One endpoint: its model under every reading asked for, and what is odd about it."""

    table: "PublishedTable"
    models: "dict[str, PublishedModel]"
    anomalies: "list[Anomaly]"


def table(
    scenario: ScenarioName | None = None,
    /,
    *,
    probability: Annotated[
        tuple[str, ...],
        Parameter(
            help="A published table instead of a scenario: NAME=DOSE:P,DOSE:P,... with doses in "
            "mg, for example rash=3:0.08,4:0.10 or rash=3:8%,4:10%. Repeatable.",
            negative="",
            show_default=False,
        ),
    ] = (),
    reading: Annotated[
        Reading, Parameter(help="Whose probability is printed; all shows three side by side.")
    ] = "all",
    beyond: Annotated[
        float, Parameter(help="A dose in mg beyond the table; default the MTD of ixazomib.")
    ] = MTD_MG,
    design: Annotated[
        str | None,
        Parameter(
            help="The study behind the table: paper, or DOSE:PATIENTS,... in mg/m2, with the body "
            "surface area of the paper. Judges printed p-values, and gives --model its covariance."
        ),
    ] = None,
    half_unit: Annotated[
        float | None,
        Parameter(help="Half a unit of the last printed digit. Default: from the digits given."),
    ] = None,
    cl_f: Annotated[
        float | None, Parameter(help="Typical CL/F in L/h; default the scenario's, or 3.207.")
    ] = None,
    cl_f_sd_log: Annotated[
        float | None, Parameter(help="SD of log CL/F; default the scenario's, or 0.391.")
    ] = None,
    doses_per_cycle: Annotated[
        int | None, number("Doses per cycle; with --probability only, default 3.")
    ] = None,
    cycle_days: Annotated[
        int | None, number("Days of a cycle; with --probability only, default 28.")
    ] = None,
    csv: Annotated[
        Path | None, Parameter(help="Also write every number to this file, NAME.csv.")
    ] = None,
    model: Annotated[
        Path | None,
        Parameter(
            help="Also write a model file, NAME.toml, that a scenario can name; needs --design."
        ),
    ] = None,
    overwrite: Annotated[
        bool, flag("Replace such a table and such a model file if they are there already.")
    ] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Turn published probabilities by dose into logistic coefficients, with their rounding box.

    Two doses are solved exactly, more by least squares on the logit with the
    residuals shown. T, M and A say whose probability is printed: the typical
    patient's, that of the mean exposure, or the average over patients. In
    brackets stands all that the printed digits allow. The sampling error is
    much larger: titrasim er design.

    Try:  titrasim er table ixazomib-maintenance --design paper
    Or:   titrasim er table --probability rash=3:0.08,4:0.10 --cl-f 3.207 --reading T
    """
    from sim.errors import LimitError
    from sim.exposure_response.model_file import check_target

    given = read_given(
        scenario, probability, cl_f, cl_f_sd_log, doses_per_cycle, cycle_days, half_unit, set_
    )
    if model is not None and design is None:
        raise LimitError(
            "--model needs --design: a printed table says nothing of its sampling error, and a "
            "model without it would look exact. Give --design paper, or the study's dose groups"
        )
    if csv is not None:
        check_csv(csv, overwrite, given.inputs)
    if model is not None:
        check_target(model, overwrite)
    study = None if design is None else design_behind(given, design)
    if design is not None:
        given.sources[:0] = design_sources(design, False, None, "--design")
    readings: dict[str, str] = HEADS if reading == "all" else {reading: HEADS[reading]}
    solved = [_solve(one, given, tuple(readings), beyond, study) for one in given.tables]
    rows = [row for one in solved for row in _rows(one)]
    if csv is not None:
        write_csv(csv, rows, given.population)
    if model is not None:
        assert study is not None
        chosen = given.reading if reading == "all" else reading
        _write_model(model, solved, given, study, chosen, overwrite)
    if as_json:
        print(json.dumps(_content(solved, given), indent=2, allow_nan=False))
        return
    print("\n".join(_text(solved, given, readings)))


def _solve(
    table: "PublishedTable",
    given: Given,
    letters: Sequence[str],
    beyond_mg: float,
    design: "Design | None",
) -> Solved:
    from sim.errors import LimitError
    from sim.exposure_response.anomalies import anomalies
    from sim.exposure_response.published import READINGS, check_box, solve_published

    check_box(table, beyond_mg)
    models, impossible = {}, {}
    for letter in letters:
        try:
            models[letter] = solve_published(table, given.scale, READINGS[letter], beyond_mg)
        except LimitError as error:
            impossible[letter] = str(error)
    if not models:
        raise LimitError(f"{table.name}: {'; '.join(impossible.values())}")
    odd = anomalies(table.name, models, impossible, given.scale, design, given.studied_mg)
    return Solved(table, models, odd)


def _rows(solved: Solved) -> Iterator[dict[str, Any]]:
    """One row per endpoint, reading, quantity and dose."""
    for letter, model in solved.models.items():
        boxed: list[tuple[str, float | None, Boxed]] = [
            ("intercept", None, model.intercept),
            ("slope_per_auc_per_day", None, model.slope),
            ("odds_ratio_per_mg", None, model.odds_ratio_per_mg),
            ("probability_typical_patient", 0.0, model.at_zero),
            ("probability_typical_patient", model.beyond_mg, model.beyond),
        ]
        start = {"endpoint": solved.table.name, "reading": letter}
        for quantity, dose, box in boxed:
            yield {**start, "quantity": quantity, "dose_mg": dose, **_plain(asdict(box))}
        plain: list[tuple[str, float, float]] = [
            ("probability_average_over_patients", model.beyond_mg, model.beyond_average)
        ]
        by_dose: Mapping[str, Mapping[str, float]] = {
            "average_minus_printed": model.jensen_gap,
            "residual_logit": model.residual_logit,
            "residual_probability": model.residual_probability,
        }
        for quantity, values in by_dose.items():
            plain += [(quantity, float(dose), value) for dose, value in values.items()]
        for quantity, dose, value in plain:
            row = {"quantity": quantity, "dose_mg": dose, "value": value}
            yield {**start, **row, "low": None, "high": None}


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    """NaN becomes null: a range that is open because no model holds at a corner."""
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def _text(solved: Sequence[Solved], given: Given, readings: Mapping[str, str]) -> Iterator[str]:
    yield "Logistic coefficients of published probabilities: logit P = intercept + slope * AUC/day"
    yield f"AUC/day of the typical patient: {given.scale.auc_per_day_per_mg:.2f} ng*h/mL per mg"
    yield "In brackets: all that the printed digits allow. Sampling error is larger: er design."
    for one in solved:
        yield ""
        yield _printed(one.table)
        yield from _aligned([("", list(readings.values())), *_lines(one, readings)])
    yield ""
    yield "Anomalies"
    yield from wrapped(_grouped(solved) or ["none found"])
    if given.left_out:
        yield from ["", "Left out", *wrapped(given.left_out)]
    yield from ["", "Sources", *wrapped(given.sources)]
    yield from ["", "Limits", *wrapped(given.limits)]


def _aligned(lines: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Yield labels with their cells in columns, at least two spaces between them."""
    label_width = max(LABEL - 2, *(len(label) + 2 for label, _ in lines))
    width = max(COLUMN, *(len(cell) + 2 for _, cells in lines for cell in cells))
    for label, cells in lines:
        row = "".join(f"{cell:<{width}}" for cell in cells)
        yield f"  {label:<{label_width}}{row}".rstrip()


def _grouped(solved: Sequence[Solved]) -> list[str]:
    """Anomalies with the endpoints they are about; the same words stand once."""
    endpoints: dict[str, list[str]] = {}
    for one in solved:
        for odd in one.anomalies:
            endpoints.setdefault(odd.words, []).append(odd.endpoint)
    return [f"{', '.join(names)}: {words}" for words, names in endpoints.items()]


def wrapped(texts: Sequence[str]) -> Iterator[str]:
    """Yield paragraphs as a list, wrapped to the width of the terminal's tables."""
    for text in texts:
        yield from textwrap.wrap(
            text, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False
        )


def _printed(table: "PublishedTable") -> str:
    from sim.exposure_response.published import dose_text

    listed = ", ".join(
        f"{100 * printed:.6g} % at {dose_text(float(dose))} mg"
        for dose, printed in table.probability_by_dose_mg.items()
    )
    return f"{table.name}: {listed} (each ±{100 * table.half_unit:g} points by rounding)"


def _lines(one: Solved, readings: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The lines of an endpoint, one cell per reading; "-" where a reading has no solution."""
    from sim.exposure_response.published import dose_text

    models = [one.models.get(letter) for letter in readings]

    def cells(text_of: "Callable[[PublishedModel], str]") -> list[str]:
        return ["-" if model is None else text_of(model) for model in models]

    some = next(model for model in models if model is not None)
    beyond = f"{dose_text(some.beyond_mg)} mg"
    yield "intercept", cells(lambda m: _box(m.intercept, 1, 3))
    yield "slope x 1000", cells(lambda m: _box(m.slope, 1000, 2))
    yield "odds ratio per mg", cells(lambda m: _box(m.odds_ratio_per_mg, 1, 2))
    yield "P at 0 mg, %", cells(lambda m: _box(m.at_zero, 100, 1))
    yield f"P at {beyond}, typical patient, %", cells(lambda m: _box(m.beyond, 100, 1))
    yield (
        f"P at {beyond}, average, %",
        cells(lambda m: f"{100 * m.beyond_average:.1f}"),
    )
    for dose in one.table.probability_by_dose_mg:
        label = f"average - printed at {dose_text(float(dose))} mg, pt"
        yield label, cells(lambda m, dose=dose: f"{round(100 * m.jensen_gap[dose], 1) + 0.0:+.1f}")  # type: ignore[misc]
    if len(one.table.probability_by_dose_mg) > 2:
        for dose in one.table.probability_by_dose_mg:
            label = f"residual at {dose_text(float(dose))} mg, logit (pt)"
            yield label, cells(lambda m, dose=dose: _residual(m, dose))  # type: ignore[misc]


def _residual(model: "PublishedModel", dose: str) -> str:
    return f"{model.residual_logit[dose]:+.3f} ({100 * model.residual_probability[dose]:+.1f})"


def _box(box: "Boxed", factor: float, digits: int) -> str:
    value, low, high = (_number(factor * one, digits) for one in (box.value, box.low, box.high))
    return f"{value} [{low}, {high}]"


def _number(value: float, digits: int) -> str:
    """A number with so many decimals; 4 significant digits where it is large, 2 where small."""
    if math.isnan(value):
        return "open"
    if abs(value) >= LARGE:
        return f"{value:.4g}"
    shown = round(value, digits) + 0.0
    return f"{value:.2g}" if shown == 0.0 and abs(value) > ROUNDING else f"{shown:.{digits}f}"


def _content(solved: Sequence[Solved], given: Given) -> dict[str, Any]:
    """What --json prints."""
    return {
        "auc_per_day_per_mg": given.scale.auc_per_day_per_mg,
        "cl_f_l_per_h": given.cl_f_l_per_h,
        "cl_f_sd_log": given.scale.sd_log,
        "endpoints": [
            {
                "endpoint": one.table.name,
                "probability_by_dose_mg": dict(one.table.probability_by_dose_mg),
                "half_unit": one.table.half_unit,
                "numbers": list(_rows(one)),
                "anomalies": [{"code": odd.code, "words": odd.words} for odd in one.anomalies],
            }
            for one in solved
        ],
        "population": given.population,
        "left_out": given.left_out,
        "sources": given.sources,
        "limits": given.limits,
    }


def _write_model(
    path: Path, solved: Sequence[Solved], given: Given, study: "Design", letter: str, replace: bool
) -> None:
    """Write the coefficients with the covariance that the design implies."""
    from sim.errors import LimitError
    from sim.exposure_response.design import sampling_law
    from sim.exposure_response.model_file import write_models

    entries = []
    for one in solved:
        if letter not in one.models:
            raise LimitError(f"{one.table.name}: reading {letter} has no solution to write")
        found = one.models[letter].coefficients
        law = sampling_law(study, found)
        source = f"{_printed(one.table)}, reading {letter}. {' | '.join(given.sources)}"
        entries.append(model_entry(one.table.name, found, law, study, given.population, source))
    write_models(path, entries, replace)
