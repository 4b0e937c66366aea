"""`titrasim er trial`: the source trial simulated, collected and refitted."""

import json
import math
import re
import textwrap
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from sim.cli.options import AsJson, Overrides, ScenarioName, Seed, flag, number

if TYPE_CHECKING:
    from sim.phase_1.closed_loop import EndpointLoop, Loop, Refit, Scatter
    from sim.phase_1.small_sample import Estimate
    from sim.phase_1.source_trial import SourceTrials

WIDTH = 96
OWN_FILE = re.compile(r"trials\.csv|trial-\d+\.csv|loop\.json|refitted_\w+\.(svg|png)")
METRIC_WORDS = {
    "first-event": "AUC/day to the first event of each endpoint, the paper's metric",
    "nominal": "AUC/day of the assigned dose at the planned pace",
    "actual": "AUC/day over the whole treatment",
}
LIMITS = (
    "The truth is the scenario's own models: the loop shows what one trial of 44 can tell, not "
    "whether those models are right, nor whether they hold in patients of another kind.",
    "Endpoints of a patient depend on each other only through CL/F, the dose, the length of "
    "treatment and, among adverse events, the scenario's frailty where it has one.",
    "ASSUMED: all treated patients can be judged for toxicity, missing PK is missing at random, "
    "the analyst knows CL/F without error.",
)


def trial(
    scenario: ScenarioName = "phase-1-weekly",
    /,
    *,
    trials: Annotated[int, number("Simulated source trials.")] = 1_000,
    design: Annotated[
        Literal["3+3", "fixed"],
        Parameter(help="3+3: escalate, expand at the MTD to 60, keep 44. fixed: Table 1's 44."),
    ] = "3+3",
    metric: Annotated[
        Literal["first-event", "nominal", "actual"],
        Parameter(
            help="Exposure: to the first event (the paper's), of the assigned dose, or taken."
        ),
    ] = "first-event",
    complete: Annotated[
        bool, flag("Let nobody leave: every patient has the whole course.")
    ] = False,
    dlt_hematologic_grade: Annotated[
        int, number("Grade from which a hematologic event limits the dose: 3, 4 or 5.")
    ] = 4,
    seed: Seed = 1,
    data_trial: Annotated[int, number("The trial whose patients --out writes, from 1.")] = 1,
    out: Annotated[
        Path | None, Parameter(help="Folder for trials.csv, one trial's data set and figures.")
    ] = None,
    overwrite: Annotated[bool, flag("Replace the folder of an earlier run.")] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Simulate the source trial, collect its 44 patients, refit Table 2: a closed loop.

    Cohorts escalate 3+3 on the toxicities of cycle 1, the MTD is expanded, 44
    of 60 patients have PK and outcome, and one logistic model per endpoint is
    refitted. Shown is how far what comes back scatters around the truth that
    the patients were simulated from.

    Try:  titrasim er trial --metric nominal
    Or:   titrasim er trial --design fixed --complete --out loop
    Then: titrasim er fit loop/trial-1.csv --exposure auc_per_day --event rash
    """
    from sim.cli.progress import progress_bar
    from sim.errors import LimitError
    from sim.phase_1.closed_loop import refit, summarise
    from sim.phase_1.collection import Toxicity
    from sim.phase_1.source_trial import TrialSettings, simulate_source_trials, steps_of
    from sim.scenario.file import load_scenario

    if not 3 <= dlt_hematologic_grade <= 5:
        raise LimitError(f"dlt-hematologic-grade is {dlt_hematologic_grade}; it must be 3, 4 or 5")
    if not 1 <= data_trial <= max(trials, 1):
        raise LimitError(f"data-trial is {data_trial}; it must be from 1 to {trials}, the trials")
    loaded = load_scenario(scenario, set_).scenario
    toxicity = Toxicity(hematologic_grade=dlt_hematologic_grade)
    settings = TrialSettings(trials, design, seed, toxicity, complete)
    if out is not None:
        from sim.folder import may_replace

        may_replace(out, lambda name: OWN_FILE.fullmatch(name) is not None, overwrite, "a run")
    with progress_bar(steps_of(loaded, settings), "patients") as advance:
        source = simulate_source_trials(loaded, settings, advance)
    refits = refit(source, metric)
    loop = summarise(source, refits, metric)
    if out is not None:
        _write(out, source, refits, loop, data_trial)
    if as_json:
        print(json.dumps(_table(source, loop), indent=1))
        return
    print("\n".join(_lines(source, loop)))
    if out is not None:
        from sim.folder import shown

        print(f"\nTrials, data set and figures: {shown(out)}")


def _write(
    out: Path,
    source: "SourceTrials",
    refits: "list[Refit]",
    loop: "Loop",
    data_trial: int,
) -> None:
    """Write trials.csv, one trial's patients and the figures; whole or not at all."""
    from sim.figures_phase_1 import draw_loop
    from sim.folder import whole_folder, write_bytes
    from sim.phase_1.closed_loop import data_set, trial_table

    tables = {
        "trials.csv": trial_table(source, refits),
        f"trial-{data_trial}.csv": data_set(source, data_trial - 1),
    }
    with whole_folder(out, replace=True) as folder:
        for name, table in tables.items():
            text = table.to_csv(index=False, lineterminator="\n", float_format="%.10g")
            write_bytes(folder / name, text.encode())
        summary = json.dumps(_table(source, loop), indent=1) + "\n"
        write_bytes(folder / "loop.json", summary.encode())
        for name, data in draw_loop(source, refits, loop.metric):
            write_bytes(folder / name, data)


def _table(source: "SourceTrials", loop: "Loop") -> dict[str, Any]:
    """Return everything for programs; what is not known is null."""
    from dataclasses import asdict

    settings = {"scenario": source.scenario.name, **asdict(source.settings)}
    limits = [*source.scenario.notes, *LIMITS]
    return {"settings": settings, **_plain(asdict(loop)), "limits": limits}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(source: "SourceTrials", loop: "Loop") -> Iterator[str]:
    settings, scenario = source.settings, source.scenario
    design = {
        "3+3": "3+3 escalation, expansion at the MTD to 60 patients, 44 of them evaluable",
        "fixed": "the 44 patients of Table 1 by dose level",
    }[settings.design]
    stay = "nobody leaves" if settings.complete else "patients leave as the scenario says"
    trials = "1 source trial" if settings.trials == 1 else f"{settings.trials:,} source trials"
    yield f"SIMULATED: {trials}, seed {settings.seed}; {stay}"
    yield from textwrap.wrap(f"{scenario.name}: {scenario.title}", WIDTH)
    yield f"Design: {design}"
    yield f"Exposure: {METRIC_WORDS[loop.metric]}"
    yield f"Dose-limiting toxicity (ASSUMED): {settings.toxicity.text()}"
    yield ""
    yield from _level_lines(source, loop)
    yield ""
    heads = ("truth", "mean", "median", "SD", "2.5 %", "97.5 %")
    yield "Refitted, percent; ± Monte Carlo standard error"
    yield f"{'':<16}{heads[0]:>8}" + "".join(f"{head:>14}" for head in heads[1:])
    for one in loop.endpoints:
        yield from _endpoint_lines(one)
    yield ""
    yield "Limits, which hold for every number above:"
    for text in (*scenario.notes, *LIMITS):
        yield from textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _level_lines(source: "SourceTrials", loop: "Loop") -> Iterator[str]:
    unit = f"Dose level, {source.scenario.posology.unit}"
    levels = loop.levels
    yield f"{unit:<30}" + "".join(f"{one.level:>8g}" for one in levels)
    rows: list[tuple[str, list[Estimate], float]] = [
        ("Toxic in cycle 1, %", [one.toxic for one in levels], 100.0),
        ("Patients treated, mean", [one.treated for one in levels], 1.0),
        ("Patients evaluable, mean", [one.evaluable for one in levels], 1.0),
    ]
    if source.settings.design == "3+3":
        rows.insert(1, ("Found as MTD, % of trials", [one.mtd for one in levels], 100.0))
    for text, estimates, factor in rows:
        yield f"{text:<30}" + "".join(f"{_cell(one.value * factor):>8}" for one in estimates)
    percent = _largest_error([one for _, estimates, _ in rows[:-2] for one in estimates])
    patients = _largest_error([one for _, estimates, _ in rows[-2:] for one in estimates])
    yield (
        f"Monte Carlo standard errors: percentages at most {_cell(100.0 * percent)}, patients at "
        f"most {_cell(patients, 2)}"
    )
    if source.settings.design == "3+3":
        yield f"No level tolerable: {_with_error(loop.no_mtd)} % of trials; these are not refitted"


def _largest_error(estimates: "list[Estimate]") -> float:
    errors = [one.mcse for one in estimates if not math.isnan(one.mcse)]
    return max(errors, default=float("nan"))


def _endpoint_lines(one: "EndpointLoop") -> Iterator[str]:
    yield f"{one.label}: {_cell(one.events.value)} events of 44 on average"
    for dose, scatter in one.probability.items():
        yield _scatter_line(f"{dose} mg", scatter, 100.0, 1)
    yield _scatter_line("slope / true", one.slope_ratio, 1.0, 2)
    chosen, then = one.slope_ratio_if_significant, ""
    if not math.isnan(chosen.mcse):
        then = f", slope / true then {chosen.value:.2f} ± {chosen.mcse:.2f}"
    yield f"  p < 0.05 in {_with_error(one.significant)} % of trials{then}"
    yield f"  separated {_with_error(one.separated)} %, no fit {_with_error(one.unfitted)} %"


def _scatter_line(text: str, scatter: "Scatter", factor: float, digits: int) -> str:
    estimates = (scatter.mean, scatter.median, scatter.sd, scatter.low, scatter.high)
    cells = []
    for one in estimates:
        error = "" if math.isnan(one.mcse) else f" ± {factor * one.mcse:.{digits + 1}f}"
        cells.append(f"{_cell(factor * one.value, digits)}{error}")
    truth = _cell(factor * scatter.truth, digits)
    return f"  {text:<14}{truth:>8}" + "".join(f"{cell:>14}" for cell in cells)


def _with_error(share: "Estimate") -> str:
    error = "" if math.isnan(share.mcse) else f" ± {100.0 * share.mcse:.1f}"
    return f"{_cell(100.0 * share.value)}{error}"


def _cell(value: float, digits: int = 1) -> str:
    """Return a number with so many decimals, ties away from 0: 21.35 %, a share, is 21.4."""
    if math.isnan(value):
        return "-"
    # Nine decimals first: 100 * 0.2135 lies a hair below the tie that it stands for.
    return str(Decimal(f"{value:.9f}").quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
