"""What `titrasim er design` prints for people."""

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
    """Everything about one SD of log CL/F, by endpoint; changed holds the replaced models."""

    design: "Design"
    laws: "dict[str, SamplingLaw]"
    simulated: "dict[str, SmallSample]"
    factors: dict[str, float]
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
    yield from ["Sources", *wrapped([*design_sources(), *given.sources])]
    if given.left_out:
        yield from ["", "Left out", *wrapped(given.left_out)]
    yield from ["", "Limits", *wrapped([*own_limits(), *given.limits])]


def design_sources() -> list[str]:
    return [
        "dose levels, patients and body surface area, unless given as options: "
        "doi:10.1007/s10637-016-0346-7, Table 1; normal law of BSA ASSUMED",
        "doses as planned, none reduced or left out: ASSUMED",
    ]


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


def _law_lines(one: OneSpread, doses: Sequence[float]) -> Iterator[str]:
    from sim.exposure_response.design import probability_intervals

    yield ""
    yield "Expected from the design, by quadrature (x0: AUC/day of the pivot; eta0: logit P there)"
    heads = "".join(f"{f'P at {dose:g} mg, %':>{WIDE}}" for dose in [*doses, 0.0])
    yield (
        f"  {'':<{NAME}}{'x0':>7}{'eta0 (SE)':>17}{'slope x1000 (SE)':>18}{'z':>6}"
        f"{'events':>8}{heads}"
    )
    for name, law in one.laws.items():
        shown = probability_intervals(law, one.design, [*doses, 0.0]).values()
        cells = "".join(
            f"{f'{100 * p:.1f} [{100 * low:.1f}, {100 * high:.1f}]':>{WIDE}}"
            for p, low, high in shown
        )
        eta = f"{law.eta_at_pivot:.3f} ({law.se_eta:.3f})"
        slope = f"{1e3 * law.coefficients.slope:.2f} ({1e3 * law.se_slope:.2f})"
        yield (
            f"  {name:<{NAME}}{law.pivot:>7.1f}{eta:>17}{slope:>18}{law.z:>6.2f}"
            f"{law.expected_events:>8.1f}{cells}"
        )
    yield "In brackets 95 % Wald intervals. Covariance of intercept and slope: V11, V12, V22, r"
    for name, law in one.laws.items():
        v11, v12, v22 = law.covariance_entries
        correlation = v12 / (v11 * v22) ** 0.5
        yield f"  {name:<{NAME}}{v11:>9.4f}{v12:>12.3e}{v22:>12.3e}{correlation:>8.2f}"


def _simulated_lines(one: OneSpread, seed: int) -> Iterator[str]:
    trials = next(iter(one.simulated.values())).trials
    yield ""
    yield f"{trials:,} simulated trials, refitted by maximum likelihood, seed {seed}"
    yield (
        f"  {'':<{NAME}}{'power, %':>13}{'mean ratio':>15}{'median':>15}{'coverage, %':>14}"
        f"{'if p < 0.05':>15}{'separated, %':>15}{'slope < 0, %':>15}"
    )
    for name, found in one.simulated.items():
        yield (
            f"  {name:<{NAME}}{_percent(found.power, 1):>13}{_ratio(found.mean_ratio):>15}"
            f"{_ratio(found.median_ratio):>15}{_percent(found.coverage, 1):>14}"
            f"{_ratio(found.mean_ratio_if_significant):>15}{_percent(found.separated, 2):>15}"
            f"{_percent(found.negative_slope, 2):>15}"
        )
    yield (
        "  power: likelihood-ratio test at 5 %; ratio: fitted over true slope, without separated "
        "trials;"
    )
    yield "  coverage: of the true slope by the 95 % Wald interval; ±: Monte Carlo standard error"
    yield "The printed claim p < 0.05 if the printed slope is the truth: expected z by design"
    for name, found in one.simulated.items():
        yield (
            f"  {name:<{NAME}}median z {found.median_z.value:.2f} ± {found.median_z.mcse:.3f}; "
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
    from sim.exposure_response.published import probability

    yield ""
    yield "Slopes changed, logit at the pivot kept"
    heads = "".join(f"{f'P at {dose:g} mg, %':>14}" for dose in [*doses, 0.0])
    yield f"  {'':<{NAME}}{'factor':>8}{'intercept':>11}{'slope x1000':>13}{heads}"
    per_mg = one.design.auc_per_day_per_mg
    for name, changed in one.changed.items():
        cells = "".join(
            f"{100 * probability(changed, dose * per_mg):>14.1f}" for dose in [*doses, 0.0]
        )
        yield (
            f"  {name:<{NAME}}{one.factors[name]:>8.3f}{changed.intercept:>11.3f}"
            f"{1e3 * changed.slope:>13.2f}{cells}"
        )


def _bias_lines(biases: "Sequence[MetricBias]", dose_mg: float) -> Iterator[str]:
    yield "Metric: AUC/day to the first event (doses taken by days to it) against nominal AUC/day"
    last = None
    for one in biases:
        truth = "no exposure-response" if one.true_slope == 0.0 else "the printed slopes"
        if (truth, one.timing) != last:
            last = (truth, one.timing)
            yield (
                f"Truth: {truth}; events {one.timing.name} (ASSUMED); exits "
                f"{one.timing.exit_per_cycle:g} per cycle (ASSUMED); {one.trials:,} trials"
            )
            yield (
                f"  {'':<{NAME}}{'events':>8}{'metric/nominal':>16}{'without':>9}"
                f"{'p < 0.05, %':>14}{'upwards':>9}{'nominal, %':>13}{'slope x1000':>15}"
                f"{'(true)':>8}{f'P at {dose_mg:g} mg, %':>14}{'nominal':>9}"
            )
        slope = f"{1e3 * one.slope_by_metric.value:.2f} ± {1e3 * one.slope_by_metric.mcse:.2f}"
        yield (
            f"  {one.endpoint:<{NAME}}{one.events.value:>8.1f}"
            f"{_ratio(one.ratio_with_event):>16}{one.ratio_without.value:>9.2f}"
            f"{_percent(one.rejected_by_metric, 1):>14}{100 * one.rejected_upwards.value:>7.0f} %"
            f"{_percent(one.rejected_by_nominal, 1):>13}{slope:>15}{1e3 * one.true_slope:>8.2f}"
            f"{100 * one.probability_by_metric.value:>14.1f}"
            f"{100 * one.probability_by_nominal.value:>9.1f}"
        )
    yield ""


def _percent(estimate: "Estimate", digits: int) -> str:
    return f"{100 * estimate.value:.{digits}f} ± {100 * estimate.mcse:.{digits + 1}f}"


def _ratio(estimate: "Estimate") -> str:
    return f"{estimate.value:.3f} ± {estimate.mcse:.3f}"
