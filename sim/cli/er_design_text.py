"""What `titrasim er design` prints for people."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.cli.er_table import wrapped
from sim.cli.published_input import Given

if TYPE_CHECKING:
    from sim.exposure_response.design import Design, SamplingLaw
    from sim.exposure_response.table import Coefficients
    from sim.phase_1.first_event_metric import MetricBias
    from sim.phase_1.small_sample import Estimate, SmallSample

NAME = 18
WIDE = 19


@dataclass(frozen=True)
class OneSpread:
    """Everything about one SD of log CL/F, by endpoint; changed holds the replaced models.

    factor_errors are Monte Carlo standard errors, empty where the factors were given.
    """

    design: "Design"
    laws: "dict[str, SamplingLaw]"
    simulated: "dict[str, SmallSample]"
    factors: dict[str, float]
    factor_errors: dict[str, float]
    changed: "dict[str, Coefficients]"


def design_text(
    found: Sequence[OneSpread],
    biases: "Sequence[MetricBias]",
    given: Given,
    doses: Sequence[float],
    seed: int,
) -> Iterator[str]:
    for one in found:
        yield from _design_lines(one)
        yield from _law_lines(one, doses)
        if one.simulated:
            yield from _simulated_lines(one, seed)
        if any(factor != 1.0 for factor in one.factors.values()):
            yield from _changed_lines(one, doses)
        yield ""
    if biases:
        yield from _bias_lines(biases, doses[0])
    yield from ["Sources", *wrapped(given.sources)]
    if given.left_out:
        yield from ["", "Left out", *wrapped(given.left_out)]
    yield from ["", "Limits", *wrapped([*own_limits(), *given.limits])]


def own_limits() -> list[str]:
    return [
        "Covariance between endpoints is unknown, although they come from the same patients: "
        "endpoints are drawn independently.",
        "Negative slopes are counted, not dropped: dropping them would push the rest up.",
    ]


def _design_lines(one: OneSpread) -> Iterator[str]:
    from sim.exposure_response.design import exposure_moments

    design = one.design
    unit = "mg" if design.bsa_mean_m2 is None else "mg/m2"
    groups = ", ".join(f"{group.dose:g} ({group.patients})" for group in design.groups)
    yield f"Design: {design.patients} patients, {unit} (n): {groups}"
    area = (
        ""
        if design.bsa_mean_m2 is None
        else f"BSA {design.bsa_mean_m2:g} (SD {design.bsa_sd_m2:g}) m2; "
    )
    days = ", ".join(map(str, design.dose_days))
    yield (
        f"{area}CL/F {design.cl_f_l_per_h:.4g} L/h, SD of the log {design.cl_f_sd_log:g}; "
        f"doses on days {days} of {design.cycle_days}"
    )
    mean, sd = exposure_moments(design)
    yield f"AUC/day: mean {mean:.0f}, SD {sd:.0f} ng*h/mL per day"


def _columns(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """Yield rows as lines: the first cell to the left, the others to the right of columns of at
    least these widths, two spaces apart at the least."""
    wide = [max(NAME, *(len(row[0]) + 1 for row in rows))]
    for place, width in enumerate(widths, start=1):
        wide.append(max(width, *(len(row[place]) + 2 for row in rows)))
    for row in rows:
        cells = "".join(f"{cell:>{width}}" for cell, width in zip(row[1:], wide[1:], strict=True))
        yield f"  {row[0]:<{wide[0]}}{cells}"


def _law_lines(one: OneSpread, doses: Sequence[float]) -> Iterator[str]:
    from sim.exposure_response.design import probability_intervals
    from sim.exposure_response.published import dose_text

    yield ""
    yield "Expected from the design, by quadrature (x0: AUC/day of the pivot; eta0: logit P there)"
    heads = [f"P at {dose_text(dose)} mg, %" for dose in [*doses, 0.0]]
    rows = [["", "x0", "eta0 (SE)", "slope x1000 (SE)", "z", "events", *heads]]
    for name, law in one.laws.items():
        shown = probability_intervals(law, one.design, [*doses, 0.0]).values()
        rows.append(
            [
                name,
                f"{law.pivot:.1f}",
                f"{law.eta_at_pivot:.3f} ({law.se_eta:.3f})",
                f"{1e3 * law.coefficients.slope:.2f} ({1e3 * law.se_slope:.2f})",
                f"{law.z:.2f}",
                f"{law.expected_events:.1f}",
                *(f"{100 * p:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for p, low, high in shown),
            ]
        )
    yield from _columns(rows, [7, 17, 18, 6, 8, *[WIDE] * len(heads)])
    yield "In brackets 95 % Wald intervals. Covariance of intercept and slope: V11, V12, V22, r"
    rows = []
    for name, law in one.laws.items():
        v11, v12, v22 = law.covariance_entries
        correlation = v12 / (v11 * v22) ** 0.5
        rows.append([name, f"{v11:.4f}", f"{v12:.3e}", f"{v22:.3e}", f"{correlation:.2f}"])
    yield from _columns(rows, [9, 12, 12, 8])


def _simulated_lines(one: OneSpread, seed: int) -> Iterator[str]:
    trials = next(iter(one.simulated.values())).trials
    yield ""
    yield f"{trials:,} simulated trials, refitted by maximum likelihood, seed {seed}"
    rows = [
        [
            "",
            "power, %",
            "mean ratio",
            "median",
            "coverage, %",
            "if p < 0.05",
            "separated, %",
            "slope < 0, %",
        ]
    ]
    for name, found in one.simulated.items():
        rows.append(
            [
                name,
                _percent(found.power, 1),
                _ratio(found.mean_ratio),
                _ratio(found.median_ratio),
                _percent(found.coverage, 1),
                _ratio(found.mean_ratio_if_significant),
                _percent(found.separated, 2),
                _percent(found.negative_slope, 2),
            ]
        )
    yield from _columns(rows, [13, 15, 15, 14, 15, 15, 15])
    yield (
        "  power: likelihood-ratio test at 5 %; ratio: fitted over true slope, without separated "
        "trials;"
    )
    yield "  coverage: of the true slope by the 95 % Wald interval; ±: Monte Carlo standard error;"
    yield "  (< or >): exact one-sided 95 % limit of a share that no trial, or every one, was in"
    yield "The printed claim p < 0.05 if the printed slope is the truth: expected z by design"
    for name, found in one.simulated.items():
        yield (
            f"  {name:<{NAME}}median z {_number(found.median_z, 1, 3)}; "
            f"{_percent(found.designs_significant, 1)} % of simulated designs exceed 1.96"
        )
    lost = sum(found.not_converged for found in one.simulated.values())
    nobody = {
        name: found.all_or_none.value
        for name, found in one.simulated.items()
        if found.all_or_none.value > 0.0
    }
    if nobody:
        listed = ", ".join(f"{name} {100 * value:.2f} %" for name, value in nobody.items())
        yield f"  nothing to fit, since all or none had the event: {listed}"
    if lost:
        yield f"  {lost} fits did not converge and are left out"


def _changed_lines(one: OneSpread, doses: Sequence[float]) -> Iterator[str]:
    from sim.exposure_response.published import dose_text, probability

    yield ""
    yield "Slopes changed, logit at the pivot kept"
    heads = [f"P at {dose_text(dose)} mg, %" for dose in [*doses, 0.0]]
    rows = [["", "factor", "intercept", "slope x1000", *heads]]
    per_mg = one.design.auc_per_day_per_mg
    for name, changed in one.changed.items():
        factor = f"{one.factors[name]:.3f}"
        if name in one.factor_errors:
            factor += f" ± {one.factor_errors[name]:.3f}"
        rows.append(
            [
                name,
                factor,
                f"{changed.intercept:.3f}",
                f"{1e3 * changed.slope:.2f}",
                *(f"{100 * probability(changed, dose * per_mg):.1f}" for dose in [*doses, 0.0]),
            ]
        )
    yield from _columns(rows, [8, 11, 13, *[14] * len(heads)])


def _bias_lines(biases: "Sequence[MetricBias]", dose_mg: float) -> Iterator[str]:
    from sim.exposure_response.published import dose_text

    yield "Metric: AUC/day to the first event (doses taken by days to it) against nominal AUC/day"
    head = [
        "",
        "events",
        "metric/nominal",
        "without",
        "p < 0.05, %",
        "upwards, %",
        "nominal, %",
        "slope x1000",
        "(true)",
        f"P at {dose_text(dose_mg)} mg, %",
        "nominal",
    ]
    # Every truth and timing is a table of its own.
    groups: dict[str, list[list[str]]] = {}
    for one in biases:
        truth = "no exposure-response" if one.true_slope == 0.0 else "the printed slopes"
        title = (
            f"Truth: {truth}; events {one.timing.name} (ASSUMED); exits "
            f"{one.timing.exit_per_cycle:g} per cycle (ASSUMED); {one.trials:,} trials"
        )
        groups.setdefault(title, [head]).append(_bias_row(one))
    for title, rows in groups.items():
        yield title
        yield from _columns(rows, [8, 16, 9, 14, 12, 13, 15, 8, 14, 9])
    yield ""


def _bias_row(one: "MetricBias") -> list[str]:
    return [
        one.endpoint,
        f"{one.events.value:.1f}",
        _ratio(one.ratio_with_event),
        f"{one.ratio_without.value:.2f}",
        _percent(one.rejected_by_metric, 1),
        _percent(one.rejected_upwards, 0),
        _percent(one.rejected_by_nominal, 1),
        _number(one.slope_by_metric, 1e3, 2, 2),
        f"{1e3 * one.true_slope:.2f}",
        f"{100 * one.probability_by_metric.value:.1f}",
        f"{100 * one.probability_by_nominal.value:.1f}",
    ]


def _percent(estimate: "Estimate", digits: int) -> str:
    """A share with its standard error; for none or all with a bound, rounded outwards."""
    if math.isnan(estimate.value):
        return "-"
    value = f"{100 * estimate.value:.{digits}f}"
    if estimate.bound is None:
        return f"{value} ± {100 * estimate.mcse:.{digits + 1}f}"
    size = 10.0 ** (digits + 1)
    outwards, sign = (math.ceil, "<") if estimate.value == 0.0 else (math.floor, ">")
    return f"{value} ({sign} {outwards(100 * estimate.bound * size) / size:.{digits + 1}f})"


def _ratio(estimate: "Estimate") -> str:
    return _number(estimate, 1.0, 3, 3)


def _number(estimate: "Estimate", factor: float, digits: int, error_digits: int = 3) -> str:
    """A mean or median with its standard error, "-" where no trial has one."""
    if math.isnan(estimate.value):
        return "-"
    error = "unknown"
    if not math.isnan(estimate.mcse):
        error = f"{factor * estimate.mcse:.{error_digits}f}"
    return f"{factor * estimate.value:.{digits}f} ± {error}"
