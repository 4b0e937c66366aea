"""`titrasim er design`: what a phase 1 design can tell when individual data are unpublished."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sim.cli.er_design_text import OneSpread, design_text, own_limits
from sim.cli.options import AsJson, Overrides, ScenarioName, Seed, flag, number
from sim.cli.published_files import model_entry
from sim.cli.published_input import (
    PAPER_BSA,
    Given,
    design_sources,
    groups_behind,
    read_given,
)

if TYPE_CHECKING:
    from sim.exposure_response.design import Design
    from sim.phase_1.first_event_metric import MetricBias
    from sim.phase_1.small_sample import SmallSample

SIGNIFICANT = "significant"
# What an excess must rest on before slopes are divided by it.
SIGNIFICANT_TRIALS_AT_LEAST = 100
EXCESS_ERROR_BELOW = 0.02


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
    flat: Annotated[bool, flag("The --levels are in mg, not in mg/m2.")] = False,
    bsa: Annotated[
        str | None,
        Parameter(
            help="Mean and SD of body surface area in m2, normal: MEAN:SD. Default 1.97:0.24, "
            "Table 1 of the paper."
        ),
    ] = None,
    sd_log: Annotated[
        tuple[float, ...],
        Parameter(
            help="SD of log CL/F; repeatable. Default the scenario's.",
            negative="",
            show_default=False,
        ),
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
            "by the mean excess given p < 0.05, simulated per endpoint, from 100 such trials on."
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
            help="Also write the models (first SD) with the covariance of the unchanged ones to "
            "NAME.toml, for a scenario to name."
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
    from sim.exposure_response.model_file import check_target
    from sim.phase_1.small_sample import check_seed

    if metric and trials == 0:
        raise LimitError("--metric needs simulated trials; --trials is 0")
    check_seed(seed)
    if flat and levels is None:
        raise LimitError("--flat needs --levels: the levels of the paper are in mg/m2")
    if flat and bsa is not None:
        raise LimitError("--flat and --bsa do not go together: doses in mg know no body surface")
    given = read_given(scenario, (), cl_f, None, None, None, None, set_)
    if figure is not None:
        _check_figure(figure, overwrite)
    if model is not None:
        check_target(model, overwrite)
    spreads = list(dict.fromkeys(sd_log)) or [given.scale.sd_log]
    designs = [_read_design(given, levels, flat, bsa, spread) for spread in spreads]
    doses = _read_doses(at)
    divisor = _read_shrink(shrink, trials)
    if not 0.0 <= slope_multiplier <= 100.0:
        raise LimitError(f"--slope-multiplier is {slope_multiplier:g}; 0 to 100 is allowed")
    found = _all_spreads(given, designs, trials, seed, divisor, slope_multiplier)
    biases = _biases(found[0], trials, seed, doses[0]) if metric else []
    given.sources[:0] = design_sources(levels, flat, bsa, "--levels")
    if model is not None:
        _write_model(model, found[0], given, overwrite)
    if figure is not None:
        _draw(figure, found[0], given, doses)
    if as_json:
        print(json.dumps(_content(found, biases, given, doses), indent=2, allow_nan=False))
        return
    print("\n".join(design_text(found, biases, given, doses, seed)))


def _read_design(
    given: Given, levels: str | None, flat: bool, bsa: str | None, spread: float
) -> "Design":
    from sim.errors import LimitError, quoted
    from sim.exposure_response.design import Design, check_design

    area = PAPER_BSA
    if bsa is not None:
        mean, _, sd = bsa.partition(":")
        try:
            area = (float(mean), float(sd))
        except ValueError:
            hint = "write MEAN:SD, for example 1.97:0.24"
            raise LimitError(f"--bsa is {quoted(bsa)}; {hint}") from None
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
    from sim.errors import LimitError, quoted
    from sim.exposure_response.published import DOSE_BELOW_MG, DOSE_FROM_MG

    try:
        doses = [float(part) for part in text.split(",")]
    except ValueError:
        doses = []
    if not doses or not all(DOSE_FROM_MG <= dose < DOSE_BELOW_MG for dose in doses):
        raise LimitError(
            f"--at is {quoted(text)}; write doses in mg above 0, from {DOSE_FROM_MG:g} to "
            f"{DOSE_BELOW_MG:g}, for example 3,4"
        )
    if len(set(doses)) < len(doses):
        raise LimitError(f"--at is {quoted(text)}; every dose once")
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
            if divisor is None:
                excess = {
                    name: excess_if_significant(name, laws[name].z, simulated[name])
                    for name in models
                }
                factors = {name: multiplier / value for name, (value, _) in excess.items()}
                errors = {name: factors[name] * se / by for name, (by, se) in excess.items()}
            else:
                factors, errors = dict.fromkeys(models, multiplier / divisor), {}
            changed = {name: change_slope(law, factors[name]) for name, law in laws.items()}
            found.append(OneSpread(one, laws, simulated, factors, errors, changed))
    return found


def excess_if_significant(name: str, z: float, simulated: "SmallSample") -> tuple[float, float]:
    """Return how much too large slopes are on average once they were reported for p < 0.05.

    With its standard error. Never below 1: shrinkage does not enlarge.
    """
    from sim.errors import LimitError

    if z == 0.0:
        raise LimitError(f"--shrink significant: the slope of {name} is 0 and has no excess")
    excess, count = simulated.mean_ratio_if_significant, simulated.significant
    if count < SIGNIFICANT_TRIALS_AT_LEAST or not excess.mcse < EXCESS_ERROR_BELOW * excess.value:
        error = "unknown" if not excess.value > 0.0 else f"{100 * excess.mcse / excess.value:.1f} %"
        raise LimitError(
            f"--shrink significant: {count} of {simulated.trials} simulated trials of {name} reach "
            f"p < 0.05 (at least {SIGNIFICANT_TRIALS_AT_LEAST}), and the standard error of their "
            f"mean excess is {error} (below {100 * EXCESS_ERROR_BELOW:g} %); take more --trials, "
            "or give a number"
        )
    return max(excess.value, 1.0), excess.mcse


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
                    "slope_factor_mcse": one.factor_errors.get(name),
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
        "population": given.population,
        "left_out": given.left_out,
        "sources": given.sources,
        "limits": [*own_limits(), *given.limits],
    }


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN becomes null, and the standard error of a share that has a bound instead."""
    if values.get("bound") is not None:
        return {**values, "mcse": None}
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
    from sim.exposure_response.model_file import write_models

    entries = []
    for table in given.tables:
        name, by = table.name, ""
        factor, error = one.factors[name], one.factor_errors.get(name)
        if factor != 1.0:
            se = "" if error is None else f" (Monte Carlo SE {error:.4f})"
            by = (
                f", slope times {factor:.4f}{se} at a fixed logit at the pivot; the covariance is "
                "that of the unchanged model"
            )
        source = f"Printed probabilities, reading {given.reading}{by}. {' | '.join(given.sources)}"
        entries.append(
            model_entry(
                name, one.changed[name], one.laws[name], one.design, given.population, source
            )
        )
    write_models(path, entries, overwrite)
