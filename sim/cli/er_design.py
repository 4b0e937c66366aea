"""`titrasim er design`: what a phase 1 design can tell when individual data are unpublished."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sim.cli.er_design_text import OneSpread, design_sources, design_text, own_limits
from sim.cli.options import AsJson, Overrides, ScenarioName, Seed, flag, number
from sim.cli.published_input import Given, groups_behind, read_given

if TYPE_CHECKING:
    from sim.exposure_response.design import Design
    from sim.phase_1.first_event_metric import MetricBias
    from sim.phase_1.small_sample import SmallSample

SIGNIFICANT = "significant"


def design(
    scenario: ScenarioName = "ixazomib-maintenance",
    /,
    *,
    levels: Annotated[
        str | None,
        Parameter(
            help="DOSE:PATIENTS,... of the study. Default for ixazomib: Table 1 of the paper, "
            "0.48:1,0.80:3,1.20:2,1.68:4,2.23:3,2.97:26,3.95:5."
        ),
    ] = None,
    flat: Annotated[bool, flag("The levels are in mg, not in mg/m2.")] = False,
    bsa: Annotated[
        str, Parameter(help="Mean and SD of body surface area in m2, normal: MEAN:SD.")
    ] = "1.97:0.24",
    sd_log: Annotated[
        tuple[float, ...],
        Parameter(help="SD of log CL/F; repeatable. Default the scenario's.", negative=""),
    ] = (),
    cl_f: Annotated[
        float | None, Parameter(help="Typical CL/F in L/h; default the scenario's.")
    ] = None,
    at: Annotated[str, Parameter(help="Doses in mg for intervals of P, beside zero dose.")] = "3,4",
    trials: Annotated[
        int, number("Simulated trials to refit; 0 leaves the simulations out.")
    ] = 20_000,
    metric: Annotated[
        bool, flag("Also show what AUC/day to the first event does to the fit.")
    ] = False,
    shrink: Annotated[
        str,
        Parameter(
            help="Divide every slope by this and keep the logit at the pivot; significant divides "
            "by the mean excess given p < 0.05, simulated per endpoint."
        ),
    ] = "1",
    slope_multiplier: Annotated[
        float,
        Parameter(
            help="Multiply every slope and keep the logit at the pivot; 0.7 is a usual test."
        ),
    ] = 1.0,
    model: Annotated[
        Path | None,
        Parameter(
            help="Also write the models (first SD) with their covariance, for a scenario to name."
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        Parameter(help="Also draw the models with their bands (first SD): FILE.png or FILE.svg."),
    ] = None,
    overwrite: Annotated[
        bool, flag("Replace the model file and the figure if they are there already.")
    ] = False,
    seed: Seed = 1,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Work out the sampling error of printed probabilities from the study's design.

    Expected information of the dose groups gives covariance, and the pivot x0
    at which logit and slope are uncorrelated. Then trials are simulated and
    refitted: power, bias, coverage, and how much larger slopes look once they
    were reported for p < 0.05. What the data would show, nobody knows:
    individual data are not public.

    Try:  titrasim er design ixazomib-maintenance --sd-log 0.391 --sd-log 0.575
    Or:   titrasim er design --trials 5000 --metric
    Or:   titrasim er design --shrink significant --model shrunk.toml
    """
    from sim.errors import LimitError

    given = read_given(scenario, (), cl_f, None, 0, 0, None, set_)
    spreads = list(dict.fromkeys(sd_log)) or [given.scale.sd_log]
    designs = [_read_design(given, levels, flat, bsa, spread) for spread in spreads]
    doses = _read_doses(at)
    divisor = _read_shrink(shrink, trials)
    if not 0.0 <= slope_multiplier <= 100.0:
        raise LimitError(f"--slope-multiplier is {slope_multiplier:g}; 0 to 100 is allowed")
    found = _all_spreads(given, designs, trials, seed, divisor, slope_multiplier)
    biases = _biases(found[0], trials, seed, doses[0]) if metric and trials else []
    if figure is not None:
        _check_figure(figure, overwrite)
    if model is not None:
        _write_model(model, found[0], given, overwrite)
    if figure is not None:
        _draw(figure, found[0], given, doses)
    if as_json:
        print(json.dumps(_content(found, biases, given, doses), indent=2))
        return
    print("\n".join(design_text(found, biases, given, doses, seed)))


def _read_design(given: Given, levels: str | None, flat: bool, bsa: str, spread: float) -> "Design":
    from sim.errors import LimitError
    from sim.exposure_response.design import Design, check_design

    mean, _, sd = bsa.partition(":")
    try:
        area = (float(mean), float(sd))
    except ValueError:
        raise LimitError(f'--bsa is "{bsa[:40]}"; write MEAN:SD, for example 1.97:0.24') from None
    made = Design(
        groups_behind(given, levels),
        given.cl_f_l_per_h,
        spread,
        None if flat else area[0],
        area[1],
        given.dose_days,
        given.cycle_days,
    )
    check_design(made)
    return made


def _read_doses(text: str) -> list[float]:
    from sim.errors import LimitError

    try:
        doses = [float(part) for part in text.split(",")]
    except ValueError:
        doses = []
    if not doses or not all(0.0 < dose < 10_000.0 for dose in doses):
        raise LimitError(f'--at is "{text[:40]}"; write doses in mg above 0, for example 3,4')
    return doses


def _read_shrink(text: str, trials: int) -> float | None:
    """Return the divisor of the slopes; None where it is to be simulated."""
    from sim.errors import LimitError

    if text == SIGNIFICANT:
        if trials == 0:
            raise LimitError("--shrink significant needs simulated trials; --trials is 0")
        return None
    try:
        divisor = float(text)
    except ValueError:
        divisor = float("nan")
    if not 0.01 <= divisor <= 100.0:
        raise LimitError(
            f'--shrink is "{text[:40]}"; a number from 0.01 to 100, or the word significant'
        )
    return divisor


def _all_spreads(
    given: Given,
    designs: "Sequence[Design]",
    trials: int,
    seed: int,
    divisor: float | None,
    multiplier: float,
) -> list[OneSpread]:
    from sim.cli.progress import progress_bar
    from sim.exposure_response.design import change_slope, sampling_law
    from sim.exposure_response.published import READINGS
    from sim.exposure_response.table import solve_table
    from sim.phase_1.small_sample import check_trials, simulate_and_refit

    if trials:
        check_trials(trials, designs[0].patients)
    found = []
    with progress_bar(trials * len(given.tables) * len(designs), "fits") as advance:
        for one in designs:
            models = {
                table.name: solve_table(
                    table.probability_by_dose_mg,
                    given.scale.auc_per_day_per_mg,
                    one.cl_f_sd_log,
                    READINGS[given.reading],
                )
                for table in given.tables
            }
            laws = {name: sampling_law(one, model) for name, model in models.items()}
            simulated = simulate_and_refit(one, models, trials, seed, advance) if trials else {}
            factors = {
                name: multiplier / (_excess(name, simulated[name]) if divisor is None else divisor)
                for name in models
            }
            changed = {name: change_slope(law, factors[name]) for name, law in laws.items()}
            found.append(OneSpread(one, laws, simulated, factors, changed))
    return found


def _excess(name: str, simulated: "SmallSample") -> float:
    """Return how much too large slopes are on average once they were reported for p < 0.05."""
    from sim.errors import LimitError

    excess = simulated.mean_ratio_if_significant.value
    if not excess > 0.0:
        raise LimitError(
            f"--shrink significant: among {simulated.trials} simulated trials too few of {name} "
            "reach p < 0.05 with the right sign; take more --trials, or give a number"
        )
    return excess


def _biases(one: OneSpread, trials: int, seed: int, dose_mg: float) -> "list[MetricBias]":
    """The metric under no exposure-response at several timings, and under the table's slopes."""
    from sim.cli.progress import progress_bar
    from sim.exposure_response.design import without_slope
    from sim.phase_1.first_event_metric import EARLY, NULL_TIMINGS, metric_bias

    nulls = {name: without_slope(one.design, law) for name, law in one.laws.items()}
    truths = {name: law.coefficients for name, law in one.laws.items()}
    runs = [*((nulls, timing) for timing in NULL_TIMINGS), (truths, EARLY)]
    found: list[MetricBias] = []
    with progress_bar(trials * len(nulls) * len(runs), "trials") as advance:
        for models, timing in runs:
            found += metric_bias(one.design, models, timing, trials, seed, dose_mg, advance)
    return found


def _content(
    found: Sequence[OneSpread],
    biases: "Sequence[MetricBias]",
    given: Given,
    doses: Sequence[float],
) -> dict[str, Any]:
    """What --json prints."""
    from sim.exposure_response.design import exposure_moments, probability_intervals

    spreads = []
    for one in found:
        mean, sd = exposure_moments(one.design)
        endpoints = []
        for name, law in one.laws.items():
            shown = probability_intervals(law, one.design, [*doses, 0.0])
            endpoints.append(
                {
                    "endpoint": name,
                    "intercept": law.coefficients.intercept,
                    "slope_per_auc_per_day": law.coefficients.slope,
                    "center_auc_per_day": law.pivot,
                    "logit_at_center": law.eta_at_pivot,
                    "sd_logit": law.se_eta,
                    "sd_slope": law.se_slope,
                    "z": law.z,
                    "covariance": law.covariance_entries,
                    "expected_events": law.expected_events,
                    "probability": [
                        {"dose_mg": dose, "value": p, "low": low, "high": high}
                        for dose, (p, low, high) in shown.items()
                    ],
                    "simulated": _finite(asdict(one.simulated[name])) if one.simulated else None,
                    "slope_factor": one.factors[name],
                    "changed": asdict(one.changed[name]),
                }
            )
        spreads.append(
            {
                "design": asdict(one.design),
                "auc_per_day": {"mean": mean, "sd": sd},
                "endpoints": endpoints,
            }
        )
    return {
        "spreads": spreads,
        "first_event_metric": [_finite(asdict(bias)) for bias in biases],
        "left_out": given.left_out,
        "sources": [*design_sources(), *given.sources],
        "limits": [*own_limits(), *given.limits],
    }


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN becomes null."""
    return {
        key: _finite(value)
        if isinstance(value, dict)
        else None
        if isinstance(value, float) and value != value
        else value
        for key, value in values.items()
    }


def _check_figure(path: Path, overwrite: bool) -> None:
    from sim.errors import LimitError

    if path.suffix not in (".png", ".svg"):
        raise LimitError(f'--figure is "{path.name}"; its name must end in .png or .svg')
    if path.exists() and not overwrite:
        raise LimitError(f"{path.name} is there already; nothing was written. Use --overwrite")


def _draw(path: Path, one: OneSpread, given: Given, doses: Sequence[float]) -> None:
    from sim.exposure_response.endpoint_fit import Doses
    from sim.figures_exposure_response import draw_design
    from sim.folder import write_bytes

    marked = Doses(tuple(doses), given.scale.auc_per_day_per_mg, "")
    write_bytes(path, draw_design(one.design, one.laws, marked, path.suffix[1:]))


def _write_model(path: Path, one: OneSpread, given: Given, overwrite: bool) -> None:
    """Write the models, changed if so asked, with the covariance of the unchanged ones."""
    from sim.exposure_response.model_file import EXPOSURE_UNIT, ModelEntry, write_models

    entries = []
    for table in given.tables:
        law, changed = one.laws[table.name], one.changed[table.name]
        doses = [dose * given.scale.auc_per_day_per_mg for dose in table.doses_mg()]
        factor = one.factors[table.name]
        by = "" if factor == 1.0 else f", slope times {factor:.4f} at a fixed logit at the pivot"
        entries.append(
            ModelEntry(
                name=table.name,
                intercept=changed.intercept,
                slope_per_auc_per_day=changed.slope,
                method="table",
                patients=one.design.patients,
                events=round(law.expected_events),
                covariance=law.covariance_entries,
                exposure_unit=EXPOSURE_UNIT,
                exposure_range=(min(doses), max(doses)),
                source=(
                    f"printed probabilities, reading {given.reading}{by}; covariance and events "
                    f"expected from the design, not observed. {' | '.join(given.sources)}"
                )[:2000],
            )
        )
    write_models(path, entries, overwrite)
