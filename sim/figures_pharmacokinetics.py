"""The figure of one patient's concentrations: profile, dose ledger, AUC/day by cycle.

The same profile gives the same bytes, SVG and PNG.
"""

import io
import textwrap
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sim.concentrations import PatientProfile
from sim.figures import LEVEL_COLOURS, STYLE
from sim.pharmacokinetics.disposition import HOURS_PER_DAY
from sim.pharmacokinetics.parameter_table import printable
from sim.pharmacokinetics.profile import concentration

WIDTH, HEIGHT = 9.0, 8.6
# Grey: the blues are the doses'.
PROFILE_COLOUR, NOMINAL_COLOUR, SKIPPED_COLOUR = "#3d3d3d", "#d1731f", "#c0392b"
DECADES_SHOWN = 4.0
CLOSE_UP_CYCLES = 2
POINTS_PER_DAY = 24
# More doses than this stand so close that stems run into one block.
STEMS_AT_MOST = 100


def draw_profile(profile: PatientProfile) -> Iterator[tuple[str, bytes]]:
    """Yield the figure as (file name, bytes), SVG and PNG."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        figure = profile_figure(profile)
        for kind, metadata in (
            ("svg", {"Date": None, "Creator": None}),
            ("png", {"Software": None}),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata=metadata, dpi=130)
            yield f"pharmacokinetics.{kind}", buffer.getvalue()


def profile_figure(profile: PatientProfile) -> Figure:
    """Draw the four panels: first cycles close up, whole course, doses, AUC/day."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(profile), x=0.01, ha="left", fontsize=10.5, parse_math=False)
    close_up, course, doses, areas = figure.subplots(
        4, 1, gridspec_kw={"height_ratios": (1.1, 1.2, 0.75, 1.0)}
    )
    _close_up(close_up, profile)
    _course(course, profile)
    _doses(doses, profile)
    _areas(areas, profile)
    end = float(profile.concentrations["day"].max())
    for axis in (course, doses, areas):
        _cycle_ticks(axis, profile, end)
    for axis in (course, doses):
        axis.tick_params(labelbottom=False)
    areas.set_xlabel("cycle (at its first day)" if len(profile.cycles) > 1 else "day")
    figure.align_ylabels((close_up, course, doses, areas))
    _legend(figure, profile)
    return figure


def _title(profile: PatientProfile) -> str:
    plan = profile.plan
    who = f"patient {profile.patient}, seed {profile.plan.seed}"
    if profile.individual is not None:
        who += f", kinetics of individual {printable(profile.individual)}"
    text = f"SIMULATED {plan.scenario.name}, {who}: CL/F {profile.cl_f_l_per_h:.2f} L/h"
    return "\n".join(textwrap.wrap(text, 100))


def _close_up(axis: Axes, profile: PatientProfile) -> None:
    """The first cycles, concentration on a linear scale."""
    cycles = profile.cycles.head(CLOSE_UP_CYCLES)
    end = float(cycles["start_day"].iloc[-1] + cycles["days"].iloc[-1])
    regular = np.arange(0.0, HOURS_PER_DAY * (end - 1.0), HOURS_PER_DAY / POINTS_PER_DAY)
    # A peak lies an hour or two after its dose: finer points there.
    fine = (profile.ledger.hours[:, None] + np.linspace(0.0, 6.0, 61)).ravel()
    hours = np.unique(np.concatenate([regular, fine[fine < regular[-1]]]))
    height = concentration(profile.kinetics, profile.ledger, hours)
    axis.plot(1.0 + hours / HOURS_PER_DAY, height, color=PROFILE_COLOUR, linewidth=1.2)
    axis.set_xlim(0.0, end)
    axis.set_ylim(bottom=0.0)
    first, last = int(cycles["cycle"].iloc[0]), int(cycles["cycle"].iloc[-1])
    axis.set_title(f"Cycles {first} and {last}" if last > first else f"Cycle {first}")
    axis.set_ylabel("ng/mL")
    axis.set_xlabel("day")
    axis.set_xticks(np.arange(1.0, end, 7.0))


def _course(axis: Axes, profile: PatientProfile) -> None:
    """The whole course on a logarithmic scale, cut a few decades below the highest peak."""
    table = profile.concentrations
    height = table["concentration_ng_per_ml"].to_numpy()
    shown = np.where(height > 0.0, height, np.nan)
    axis.semilogy(table["day"], shown, color=PROFILE_COLOUR, linewidth=0.7)
    top = float(np.nanmax(shown))
    axis.set_ylim(max(float(np.nanmin(shown)) / 1.5, top / 10.0**DECADES_SHOWN), top * 1.6)
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title("Whole course and four weeks after it, logarithmic scale")
    axis.set_ylabel("ng/mL")


def _level_colours(profile: PatientProfile) -> dict[float, str]:
    """One colour per dose of the ladder, light to dark."""
    levels = profile.plan.scenario.posology.levels_mg
    places = np.linspace(2, len(LEVEL_COLOURS) - 2, len(levels)) if len(levels) > 1 else [4.0]
    palette = matplotlib.colors.LinearSegmentedColormap.from_list("levels", LEVEL_COLOURS)
    last = len(LEVEL_COLOURS) - 1
    return {
        level: matplotlib.colors.to_hex(palette(float(place) / last))
        for level, place in zip(levels, places, strict=True)
    }


def _doses(axis: Axes, profile: PatientProfile) -> None:
    """The dose ledger: a stem per dose given, a cross per dose withheld; steps where crowded."""
    table = profile.doses
    day = table["day"].to_numpy(dtype=float)
    following = np.append(day[1:], day[-1] + 1.0)
    for level, colour in _level_colours(profile).items():
        rows = (table["given"] & (table["level"] == level)).to_numpy()
        own = table[rows]
        if len(table) > STEMS_AT_MOST:
            axis.hlines(own["level"], day[rows], following[rows], color=colour, linewidth=2.6)
            continue
        axis.vlines(own["day"], 0.0, own["level"], color=colour, linewidth=1.4)
        axis.plot(own["day"], own["level"], "o", color=colour, markersize=2.6)
    skipped = table[~table["given"]]
    axis.plot(
        skipped["day"],
        skipped["level"],
        "x",
        color=SKIPPED_COLOUR,
        markersize=5,
        markeredgewidth=1.3,
    )
    axis.set_ylim(0.0, 1.18 * float(table["level"].max()))
    axis.set_title("Doses")
    axis.set_ylabel(profile.plan.names.unit)


def _areas(axis: Axes, profile: PatientProfile) -> None:
    """AUC/day by cycle: the model's axis, and that of the doses given."""
    table = profile.cycles
    edges = np.append(table["start_day"], table["start_day"].iloc[-1] + table["days"].iloc[-1])
    axis.stairs(table["auc_per_day"], edges, baseline=None, color=PROFILE_COLOUR, linewidth=1.6)
    axis.stairs(
        table["risk_auc_per_day"], edges, baseline=None, color=NOMINAL_COLOUR, linewidth=1.3,
        linestyle=(0, (4, 2)),
    )  # fmt: skip
    top = float(table[["auc_per_day", "risk_auc_per_day"]].to_numpy().max())
    axis.set_ylim(0.0, 1.12 * top)
    axis.set_title("AUC/day by cycle")
    axis.set_ylabel("ng·h/mL per day")


def _cycle_ticks(axis: Axes, profile: PatientProfile, end: float) -> None:
    """Mark the first day of every cycle, as many as there is room for; weeks of a single one."""
    table = profile.cycles
    step = 1 + (len(table) - 1) // 14
    shown = table.iloc[::step]
    if len(table) > 1:
        axis.set_xticks(shown["start_day"].to_numpy(), [str(cycle) for cycle in shown["cycle"]])
    else:
        weeks = 1 + int(end // 7) // 14
        axis.set_xticks(np.arange(1.0, end, 7.0 * weeks))
    axis.set_xlim(1.0 - 0.01 * end, end)


def _legend(figure: Figure, profile: PatientProfile) -> None:
    """One legend for all panels, of what was drawn."""
    table, unit = profile.doses, profile.plan.names.unit
    given = set(table[table["given"]]["level"])
    handles: list[Any] = [
        Line2D([], [], color=colour, marker="o", markersize=4, label=f"{level:g} {unit}")
        for level, colour in _level_colours(profile).items()
        if level in given
    ]
    if not table["given"].all():
        handles.append(
            Line2D([], [], color=SKIPPED_COLOUR, marker="x", linestyle="", label="dose withheld")
        )
    axis_name = (
        "model's axis, built up over cycles"
        if int(profile.plan.record.n_accumulation)
        else "model's axis: the level at steady state"
    )
    handles += [
        Line2D([], [], color=PROFILE_COLOUR, label="from concentrations"),
        Line2D([], [], color=NOMINAL_COLOUR, linestyle=(0, (4, 2)), label=axis_name),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
