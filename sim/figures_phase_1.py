"""Figures of the simulated source trial: how what is refitted scatters around the truth."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from sim.figures import STYLE, WIDTH
from sim.phase_1.closed_loop import DOSES_MG, HIGH, LOW, Refit
from sim.phase_1.collection import Floats, Metric
from sim.phase_1.source_trial import SourceTrials

DOSE_COLOURS = ("#6baed6", "#0b559f")
SLOPE_COLOUR = "#5d6d7e"
TRUTH = "#c0392b"
CURVES = 50
AUC_AT_MOST = 450.0
METRIC_WORDS = {
    "first-event": "AUC/day to the first event",
    "nominal": "AUC/day of the assigned dose",
    "actual": "AUC/day over the whole treatment",
}


def draw_loop(
    source: SourceTrials, refits: Sequence[Refit], metric: Metric
) -> Iterator[tuple[str, bytes]]:
    """Yield (file name, bytes) of both figures as SVG and PNG, the same for the same trials."""
    drawings = (("refitted_table_2", refitted_table), ("refitted_curves", refitted_curves))
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        for name, draw in drawings:
            figure = draw(source, refits, metric)
            yield f"{name}.svg", _bytes(figure, "svg")
            yield f"{name}.png", _bytes(figure, "png")


def _logistic(eta: Floats) -> Floats:
    """Return 1 / (1 + exp(-eta)) by the hyperbolic tangent, which cannot overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * eta))


def _bytes(figure: Figure, kind: str) -> bytes:
    metadata: dict[str, Any] = (
        {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=metadata, dpi=130)
    return buffer.getvalue()


def _figure(title: str, source: SourceTrials, metric: Metric, height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    settings = source.settings
    design = "3+3, then expansion" if settings.design == "3+3" else "the levels of Table 1"
    stay = "nobody leaves" if settings.complete else "patients leave"
    note = (
        f"SIMULATED: {_trials(settings.trials)} of 44 patients, seed {settings.seed}; {design}; "
        f"{stay}; exposure: {METRIC_WORDS[metric]}"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.supxlabel(note, x=0.99, ha="right", fontsize=7.5, color="#555555")
    return figure


def _trials(number: int) -> str:
    return "1 trial" if number == 1 else f"{number:,} trials"


def _interval(axis: Any, values: Floats, at: float, colour: str) -> None:
    """Draw the 95 % range thin, the middle half thick, and the median of values over trials."""
    if len(values) == 0:
        return
    low, lower, middle, upper, high = np.quantile(values, (LOW, 0.25, 0.5, 0.75, HIGH))
    axis.plot([low, high], [at, at], color=colour, linewidth=1.4, solid_capstyle="butt")
    axis.plot([lower, upper], [at, at], color=colour, linewidth=5.0, solid_capstyle="butt")
    axis.plot([middle], [at], "o", color="white", markeredgecolor=colour, markersize=5.5, zorder=4)


def _truth(axis: Any, value: float, at: float, half: float) -> None:
    axis.plot([value, value], [at - half, at + half], color=TRUTH, linewidth=1.8)


def refitted_table(source: SourceTrials, refits: Sequence[Refit], metric: Metric) -> Figure:
    """Table 2 and the slopes as one trial would have found them, with the truth as a tick."""
    title = "Table 2 refitted from simulated source trials"
    figure = _figure(title, source, metric, 1.5 + 0.62 * len(refits))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.2, 1.0))
    for place, one in enumerate(refits):
        for k, dose in enumerate(DOSES_MG):
            at = place + (-0.17 if k == 0 else 0.17)
            _interval(left, one.probability[one.fitted, k], at, DOSE_COLOURS[k])
            true = one.endpoint.probability(source.typical_auc_per_day(dose))
            _truth(left, float(true), at, 0.15)
        if one.endpoint.slope != 0.0:
            _interval(right, one.slope[one.fitted] / one.endpoint.slope, place, SLOPE_COLOUR)
            _truth(right, 1.0, place, 0.3)
    left.set_yticks(range(len(refits)), [_wrapped(one) for one in refits])
    left.set_ylim(len(refits) - 0.5, -0.5)
    left.xaxis.set_major_formatter(PercentFormatter(1.0))
    left.set_xlim(left=0.0)
    left.set_title("Predicted probability, typical patient")
    right.set_title("Slope, refitted over true")
    right.axvline(0.0, color="#999999", linewidth=0.8)
    right.set_xlim(-1.0, 5.0)
    for axis in (left, right):
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", visible=False)
    handles = [
        *(
            Line2D([], [], color=colour, linewidth=5.0, label=f"{dose:g} mg")
            for dose, colour in zip(DOSES_MG, DOSE_COLOURS, strict=True)
        ),
        Line2D([], [], color=TRUTH, linewidth=1.8, label="truth"),
        Line2D([], [], color="#777777", linewidth=1.4, label="95 % of trials (thick: half)"),
    ]
    left.legend(handles=handles, loc="upper right")
    return figure


def _wrapped(one: Refit) -> str:
    return one.endpoint.label.replace(", ", ",\n", 1)


def refitted_curves(source: SourceTrials, refits: Sequence[Refit], metric: Metric) -> Figure:
    """The models of the first 50 trials behind the true one, one panel per endpoint."""
    columns = min(3, len(refits))
    rows = -(-len(refits) // columns)
    drawn = min(CURVES, source.settings.trials)
    title = f"The models that {drawn} trials would have printed"
    if drawn == 1:
        title = "The models that one trial would have printed"
    figure = _figure(title, source, metric, 1.1 + 2.5 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    auc = np.linspace(0.0, AUC_AT_MOST, 226)
    for axis, one in zip(panels.flat, refits, strict=False):
        for trial in np.flatnonzero(one.fitted[:CURVES]):
            curve = _logistic(one.intercept[trial] + one.slope[trial] * auc)
            axis.plot(auc, curve, color=SLOPE_COLOUR, linewidth=0.7, alpha=0.35)
        model = one.endpoint
        axis.plot(auc, model.probability(auc), color=TRUTH, linewidth=2.0)
        for dose, colour in zip(DOSES_MG, DOSE_COLOURS, strict=True):
            at = source.typical_auc_per_day(dose)
            axis.axvline(at, color=colour, linewidth=1.0, linestyle="--", zorder=1)
        axis.set_title(model.label, fontsize=9)
    for spare in list(panels.flat)[len(refits) :]:
        spare.set_visible(False)
    panels[0, 0].set_xlim(0.0, AUC_AT_MOST)
    panels[0, 0].set_ylim(0.0, 1.0)
    panels[0, 0].yaxis.set_major_formatter(PercentFormatter(1.0))
    for axis in panels[-1]:
        axis.set_xlabel("AUC/day, ng·h/mL per day")
    handles = [
        Line2D([], [], color=TRUTH, linewidth=2.0, label="truth"),
        Line2D([], [], color=SLOPE_COLOUR, linewidth=0.7, label="one trial"),
        *(
            Line2D([], [], color=colour, linewidth=1.0, linestyle="--", label=f"{dose:g} mg")
            for dose, colour in zip(DOSES_MG, DOSE_COLOURS, strict=True)
        ),
    ]
    figure.legend(handles=handles, loc="upper right", ncols=4)
    return figure
