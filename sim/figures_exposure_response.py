"""Figures of fitted exposure-response models: the paper's Fig. 1 and Fig. 2.

SVG and PNG come out byte for byte the same for the same data.
"""

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sim.exposure_response.design import Design, SamplingLaw
from sim.exposure_response.endpoint_fit import Doses, EndpointFit
from sim.exposure_response.individual_data import NOT_STATED, IndividualData
from sim.exposure_response.observed import INTERVAL, Proportion
from sim.figures import ARM_COLOURS, LEVEL_COLOURS, STYLE

OBSERVED, CURVES = "observed_proportions", "model_curves"
FIGURES = tuple(f"{name}.{kind}" for name in (OBSERVED, CURVES) for kind in ("svg", "png"))
PANEL_WIDTH, PANEL_HEIGHT = 3.4, 2.9
COLUMNS_AT_MOST = 3
CURVE_POINTS = 241
TICKS_AT_MOST = 2000
GREY = "#555555"
MEDIAN_COLOURS = (LEVEL_COLOURS[1], LEVEL_COLOURS[3])
MODEL_COLOUR, POINT_COLOUR, DOSE_COLOUR = ARM_COLOURS[0], ARM_COLOURS[1], ARM_COLOURS[2]


def draw_all(
    data: IndividualData, fits: Sequence[EndpointFit], doses: Doses | None
) -> Iterator[tuple[str, bytes]]:
    """Yield every figure as (file name, bytes), SVG and PNG."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        for name, figure in (
            (OBSERVED, observed_proportions(data, fits)),
            (CURVES, model_curves(data, fits, doses)),
        ):
            yield f"{name}.svg", _bytes(figure, "svg")
            yield f"{name}.png", _bytes(figure, "png")


def draw_design(design: Design, laws: Mapping[str, SamplingLaw], doses: Doses, kind: str) -> bytes:
    """Return Fig. 2 of models known from a printed table and a design alone, as svg or png."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        return _bytes(design_curves(design, laws, doses), kind)


def _bytes(figure: Figure, kind: str) -> bytes:
    metadata: dict[str, Any] = (
        {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=metadata, dpi=130)
    return buffer.getvalue()


def _figure(title: str, note: str, count: int) -> tuple[Figure, list[Any], int]:
    columns = min(count, COLUMNS_AT_MOST)
    rows = -(-count // columns)
    width = max(PANEL_WIDTH * columns + 0.3, 6.0)
    figure = Figure(figsize=(width, 0.9 + PANEL_HEIGHT * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    lines = textwrap.wrap(note, int(width * 15))
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color=GREY)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    panels = list(grid.flat)
    for spare in panels[count:]:
        spare.set_visible(False)
    return figure, panels[:count], columns


def _title(one: EndpointFit) -> str:
    return textwrap.shorten(f"{one.title} ({int(one.event.sum())}/{len(one.event)})", 42)


def _population(data: IndividualData) -> str:
    """Return a sentence for a note; empty where the population is not stated."""
    return "" if data.population == NOT_STATED else f" Population: {data.population}."


def observed_proportions(data: IndividualData, fits: Sequence[EndpointFit]) -> Figure:
    """Fig. 1: proportions about the median exposure and by quantile, n/N at the bars."""
    note = (
        f"{data.file}; bars: observed share, lines: 95 % {INTERVAL} interval, n/N above; halves: "
        f"at or below the median of {data.columns.exposure} and above it; Q: quantile groups. "
        "A patient at a limit counts in the lower group."
    ) + _population(data)
    title = "Observed share of patients with the event, by exposure"
    figure, panels, columns = _figure(title, note, len(fits))
    for place, (axis, one) in enumerate(zip(panels, fits, strict=True)):
        split = len(one.about_median)
        parts = (*one.about_median, *one.by_quantile)
        at = [number + (0.6 if number >= split else 0.0) for number in range(len(parts))]
        colours = [*MEDIAN_COLOURS[:split], *_ramp(len(one.by_quantile))]
        _bars(axis, at, parts, colours)
        many = len(parts) > 8
        half = " half" if many else "\nhalf"
        labels = [f"low{half}", f"high{half}"][:split] + [part.label for part in one.by_quantile]
        axis.set_xticks(at, labels, fontsize=6.5 if many else 7.5, rotation=60 if many else 0)
        axis.grid(visible=False, axis="x")
        axis.set_title(_title(one))
        axis.set_ylim(0.0, 1.12)
        _share_axis(axis, place % columns == 0, "share of patients")
    return figure


def _ramp(count: int) -> list[str]:
    last = len(LEVEL_COLOURS) - 3
    return [LEVEL_COLOURS[round(number * last / max(count - 1, 1))] for number in range(count)]


def _bars(
    axis: Any, at: Sequence[float], parts: Sequence[Proportion], colours: Sequence[str]
) -> None:
    shares = np.array([part.share for part in parts])
    low = shares - np.array([part.low for part in parts])
    high = np.array([part.high for part in parts]) - shares
    errors = np.maximum(np.vstack([low, high]), 0.0)
    axis.bar(at, shares, width=0.78, color=colours, edgecolor=GREY, linewidth=0.5)
    axis.errorbar(at, shares, errors, fmt="none", ecolor=GREY, elinewidth=1.0, capsize=2.5)
    size = 7.5 if len(parts) <= 6 else 6.0
    for place, part in zip(at, parts, strict=True):
        text = f"{part.events}/{part.patients}"
        axis.annotate(
            text,
            (place, part.high),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=size,
            rotation=0 if len(parts) <= 8 else 90,
        )


def _share_axis(axis: Any, is_first: bool, label: str) -> None:
    axis.set_yticks(np.linspace(0.0, 1.0, 6))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    if is_first:
        axis.set_ylabel(label)


def model_curves(data: IndividualData, fits: Sequence[EndpointFit], doses: Doses | None) -> Figure:
    """Fig. 2: the fitted curve with its band, observed quantile groups, patients and doses."""
    note = (
        f"{data.file}; line and band: logistic model with pointwise 95 % interval; points: "
        f"observed share of an exposure group at its median, with 95 % {INTERVAL} interval; "
        "ticks: patients with the event (top) and without (bottom)"
    )
    if doses is not None:
        note += "; dashed: typical patient's exposure at the dose"
    if any(one.estimate is not None and one.estimate.method == "firth" for one in fits):
        note += "; Firth's slope with the FLIC intercept, at which predicted events are observed"
    if any(_every(one) > 1 for one in fits):
        note += f"; above {TICKS_AT_MOST} patients only some have a tick"
    title = f"Probability of the event by {data.columns.exposure}"
    figure, panels, columns = _figure(title, note + "." + _population(data), len(fits))
    most = float(data.exposure.max())
    if doses is not None:
        most = max(most, float(doses.exposure.max()))
    for place, (axis, one) in enumerate(zip(panels, fits, strict=True)):
        _curve(axis, one, most)
        _points(axis, one.by_quantile)
        _rug(axis, one)
        if doses is not None:
            _dose_lines(axis, doses, most)
        axis.set_xlim(0.0, 1.04 * most)
        axis.set_ylim(-0.065, 1.06 if doses is None else 1.22)
        reason = "not fitted" if one.fit is None else "no finite estimate"
        axis.set_title(_title(one) if one.estimate is not None else f"{_title(one)}: {reason}")
        axis.set_xlabel("AUC/day, ng·h/mL per day", fontsize=8)
        _share_axis(axis, place % columns == 0, "probability")
    return figure


def design_curves(design: Design, laws: Mapping[str, SamplingLaw], doses: Doses) -> Figure:
    """Fig. 2 without data: the model of a printed table, with the band its design allows."""
    note = (
        f"line: logistic model through the printed probabilities; band: pointwise 95 % interval "
        f"that {design.patients} patients of the design would give, by expected information; "
        "dashed: typical patient's exposure at the dose; dotted line: beyond nine tenths of the "
        "design's exposures. No patient is shown, because no individual data are public."
    )
    figure, panels, columns = _figure("Probability of the event by AUC/day", note, len(laws))
    low, high = design.exposure_range()
    most = max(1.25 * high, float(doses.exposure.max()))
    x = np.linspace(0.0, 1.04 * most, CURVE_POINTS)
    inside = (x >= low) & (x <= high)
    for place, (axis, (name, law)) in enumerate(zip(panels, laws.items(), strict=True)):
        p, below, above = np.transpose([law.probability_interval(float(auc)) for auc in x])
        axis.fill_between(x, below, above, color=MODEL_COLOUR, alpha=0.15, linewidth=0)
        axis.plot(x, p, color=MODEL_COLOUR, linewidth=1.2, linestyle=(0, (2, 2)))
        axis.plot(x[inside], p[inside], color=MODEL_COLOUR, linewidth=1.8)
        _dose_lines(axis, doses, most)
        axis.set_xlim(0.0, 1.04 * most)
        axis.set_ylim(-0.065, 1.22)
        axis.set_title(name.replace("_", " "))
        axis.set_xlabel("AUC/day, ng·h/mL per day", fontsize=8)
        _share_axis(axis, place % columns == 0, "probability")
    return figure


def _curve(axis: Any, one: EndpointFit, most: float) -> None:
    fit = one.estimate
    if fit is None:
        return
    x = np.linspace(0.0, 1.04 * most, CURVE_POINTS)
    found = fit.predict(x)
    inside = (x >= fit.exposure.min()) & (x <= fit.exposure.max())
    axis.fill_between(x, found.low, found.high, color=MODEL_COLOUR, alpha=0.15, linewidth=0)
    # Beyond the patients' exposures the curve is an extrapolation, and looks like one.
    axis.plot(x, found.probability, color=MODEL_COLOUR, linewidth=1.2, linestyle=(0, (2, 2)))
    axis.plot(x[inside], found.probability[inside], color=MODEL_COLOUR, linewidth=1.8)


def _points(axis: Any, parts: Sequence[Proportion]) -> None:
    at = [part.exposure_median for part in parts]
    shares = np.array([part.share for part in parts])
    low = shares - np.array([part.low for part in parts])
    high = np.array([part.high for part in parts]) - shares
    errors = np.maximum(np.vstack([low, high]), 0.0)
    axis.errorbar(
        at, shares, errors, fmt="o", color=POINT_COLOUR, markersize=4.5, elinewidth=1.0, capsize=2.5
    )


def _every(one: EndpointFit) -> int:
    """Return 1 where every patient has a tick, k where every k-th by exposure has."""
    return -(-len(one.exposure) // TICKS_AT_MOST)


def _rug(axis: Any, one: EndpointFit) -> None:
    every = _every(one)
    for value, low, high in ((1.0, 1.01, 1.045), (0.0, -0.05, -0.015)):
        x = one.exposure[one.event == value]
        if every > 1:
            x = np.unique(np.append(np.sort(x)[::every], x[x == x.max(initial=0.0)]))
        axis.vlines(x, low, high, color=GREY, linewidth=0.7, alpha=0.8)


def _dose_lines(axis: Any, doses: Doses, most: float) -> None:
    """Mark doses, named above the data; names that would touch take turns on two rows."""
    previous, row = -np.inf, 0
    for number in np.argsort(doses.exposure):
        x, dose = float(doses.exposure[number]), doses.doses_mg[number]
        row = 1 - row if x - previous < 0.16 * most else 0
        previous = x
        top = 1.065 + 0.075 * row
        axis.vlines(x, -0.065, top, color=DOSE_COLOUR, linewidth=0.9, linestyle="--")
        axis.text(x, top, f"{dose:g} mg", fontsize=7, color=DOSE_COLOUR, ha="center", va="bottom")
