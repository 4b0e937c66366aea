"""Figures of a study. The only file that draws; it reads the tables of results, nothing else.

One colour per dose, per way of leaving and per arm, in every figure. SVG and PNG come out
byte for byte the same for the same tables.
"""

import io
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from sim.study import Study

STYLE: dict[str, Any] = {
    "svg.hashsalt": "titrasim",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.dpi": 100.0,
}
ARM_COLOURS = (
    "#1b4f8a",
    "#d1731f",
    "#3a8f5c",
    "#8e4a9e",
    "#a33b3b",
    "#5d6d7e",
    "#b8960c",
    "#2aa1a8",
)
LEVEL_COLOURS = ("#dcebf7", "#a9cfe8", "#6baed6", "#3282bd", "#0b559f", "#08306b")
CAUSES = {
    "adverse_event": ("adverse event", "#c0392b"),
    "progression": ("progression", "#8c8c8c"),
    "withdrawal": ("withdrawal", "#c9b27c"),
    "death": ("death", "#3d3d3d"),
    "other": ("other", "#b9b9b9"),
}
ROUTES = {
    "event": ("AE: decided at the event", "#7b241c"),
    "grade": ("AE: grade reached", "#e08a4f"),
    "max_delay": ("AE: delay too long", "#8e4a9e"),
    "max_hold": ("AE: hold too long", "#b7a3d0"),
    "below_lowest": ("AE: below lowest dose", "#6b4a2f"),
    "max_reductions": ("AE: too many reductions", "#d4a5a5"),
}
LOSSES = {
    "not_escalated": ("below the reference dose, never higher", "#6baed6"),
    "reduced": ("dose reduced", "#e08a4f"),
    "held": ("doses withheld", "#b7a3d0"),
    "delayed": ("cycles lost to delays", "#8e4a9e"),
    "stopped": ("treatment ended early", "#8c8c8c"),
}
WIDTH = 9.0
Drawing = Callable[["Tables"], Figure | None]


class Tables:
    """The tables of a study, as figures ask for them."""

    def __init__(self, study: Study) -> None:
        self.arms = list(study.prepared.names)
        self.summary = study.summary
        self.comparison = study.comparison
        self.plans = study.prepared.plans
        settings = study.prepared.settings
        self.note = (
            f"SIMULATED: {settings.patients_per_arm:,} virtual patients per arm, "
            f"seed {settings.seed}"
        )
        self._groups = {
            (str(arm), str(name)): rows
            for (arm, name), rows in self.summary.groupby(["scenario", "endpoint"], sort=False)
        }

    def rows(self, arm: str, endpoint: str) -> pd.DataFrame:
        """Rows of one endpoint; none if the arm does not have it."""
        return self._groups.get((arm, endpoint), self.summary.iloc[:0])

    def curve(self, arm: str, endpoint: str) -> dict[int, float]:
        """Estimates by cycle."""
        rows = self.rows(arm, endpoint)
        return dict(zip(rows["cycle"].astype(int), rows["estimate"].astype(float), strict=True))

    def value(self, arm: str, endpoint: str) -> pd.Series | None:
        """The last row of an endpoint: that of the last cycle, or the only one."""
        rows = self.rows(arm, endpoint)
        return None if rows.empty else rows.iloc[-1]

    def estimate(self, arm: str, endpoint: str) -> float:
        """The last estimate, 0 if there is none."""
        row = self.value(arm, endpoint)
        return 0.0 if row is None else float(row["estimate"])

    def cycles(self, arm: str) -> int:
        """Cycles of the arm's course."""
        return int(self.plans[self.arms.index(arm)].record.max_cycles)

    def levels(self) -> list[str]:
        """Doses of all arms, ascending."""
        names = {level for plan in self.plans for level in plan.names.levels}
        return sorted(names, key=float)

    @property
    def last_cycle(self) -> int:
        """The last cycle of the longest course: where every time axis ends."""
        return max(self.cycles(arm) for arm in self.arms)

    @property
    def unit(self) -> str:
        """Unit of the doses."""
        return self.plans[0].names.unit


def draw_all(study: Study) -> Iterator[tuple[str, bytes]]:
    """Yield every figure of a study as (file name, bytes), SVG and PNG."""
    drawings: tuple[tuple[str, Drawing], ...] = (
        ("dose_levels", dose_levels),
        ("discontinuation", discontinuation),
        ("first_events", first_events),
        ("dose_intensity", dose_intensity),
        ("differences", differences),
        ("benefit_and_stops", benefit_and_stops),
    )
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        tables = Tables(study)
        for name, draw in drawings:
            figure = draw(tables)
            if figure is not None:
                yield f"{name}.svg", _bytes(figure, "svg")
                yield f"{name}.png", _bytes(figure, "png")


def _bytes(figure: Figure, kind: str) -> bytes:
    metadata: dict[str, Any] = (
        {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=metadata, dpi=130)
    return buffer.getvalue()


def _figure(tables: Tables, title: str, height: float, width: float = WIDTH) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    top = 1.0 - 0.07 / height
    figure.text(0.99, top, tables.note, fontsize=7.5, color="#555555", va="top", ha="right")
    return figure


def _grid(figure: Figure, count: int, most: int, share_x: bool = True) -> tuple[list[Any], int]:
    """Panels in rows of at most `most`; returns them and the number of columns."""
    columns = min(count, most)
    rows = -(-count // columns)
    grid = figure.subplots(rows, columns, sharex=share_x, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for spare in panels[count:]:
        spare.set_visible(False)
    return panels[:count], columns


def _rows(count: int, most: int) -> int:
    return -(-count // min(count, most))


def _percent_axis(axis: Any) -> None:
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))


def _cycle_axis(axis: Any, last: int) -> None:
    step = 1 if last <= 8 else 2 if last <= 16 else 4
    axis.set_xticks([1, *range(1 + step, last + 1, step)])
    axis.set_xlim(1, max(last, 2))


def _level_colour(level: str, levels: Sequence[str]) -> str:
    if len(levels) == 1:
        return LEVEL_COLOURS[3]
    place = levels.index(level) / (len(levels) - 1)
    return LEVEL_COLOURS[round(place * (len(LEVEL_COLOURS) - 2)) + (1 if len(levels) < 5 else 0)]


def _arm_colour(tables: Tables, arm: str) -> str:
    return ARM_COLOURS[tables.arms.index(arm) % len(ARM_COLOURS)]


def dose_levels(tables: Tables) -> Figure:
    """Dose on day 1 of each cycle, as a stack with the ways of leaving on top."""
    count = len(tables.arms)
    figure = _figure(tables, "Dose on day 1 of each cycle", 0.9 + 2.9 * _rows(count, 3))
    panels, columns = _grid(figure, count, 3)
    levels = tables.levels()
    handles: dict[str, Any] = {}
    for place, (axis, arm) in enumerate(zip(panels, tables.arms, strict=True)):
        cycles = list(range(1, tables.cycles(arm) + 1))
        names, colours, stacks = [], [], []
        for level in levels:
            curve = tables.curve(arm, f"dose_level:{level}")
            names.append(f"{level} {tables.unit}")
            colours.append(_level_colour(level, levels))
            stacks.append([curve.get(cycle, 0.0) for cycle in cycles])
        for cause, (text, colour) in CAUSES.items():
            curve = tables.curve(arm, f"discontinued:{cause}")
            # Off treatment on day 1 of a cycle: left in an earlier one.
            names.append(f"off: {text}")
            colours.append(colour)
            stacks.append([curve.get(cycle - 1, 0.0) for cycle in cycles])
        # Each cycle is a step of its own width: doses change between cycles, not within.
        edges = [0.5, *cycles, len(cycles) + 0.5]
        steps = [[stack[0], *stack, stack[-1]] for stack in stacks]
        areas = axis.stackplot(
            edges, steps, colors=colours, step="mid", linewidth=0.4, edgecolor="white"
        )
        for name, area, stack in zip(names, areas, stacks, strict=True):
            if max(stack) > 0.0:
                handles.setdefault(name, area)
        axis.set(title=_short(arm, 34), ylim=(0, 1))
        _cycle_axis(axis, tables.last_cycle)
        axis.set_xlim(0.5, tables.last_cycle + 0.5)
        _percent_axis(axis)
        if place % columns == 0:
            axis.set_ylabel("share of all patients")
        axis.set_xlabel("cycle")
    order = [name for name in names if name in handles]
    _legend_below(figure, [handles[name] for name in order], order)
    return figure


def _legend_below(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    columns = min(len(names), 5)
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def _short(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder="...") if " " in text else text[:width]


def discontinuation(tables: Tables) -> Figure:
    """Cumulative incidence of leaving by cause, and of AE discontinuation by route."""
    count = len(tables.arms)
    columns, bands = min(count, 3), _rows(count, 3)
    title = "Leaving treatment, competing causes"
    figure = _figure(tables, title, 0.6 + 4.6 * bands)
    grid = figure.subplots(2 * bands, columns, squeeze=False, sharex=True, sharey="row")
    for axis in grid.flat:
        axis.set_visible(False)
    for place, arm in enumerate(tables.arms):
        band, column = divmod(place, 3)
        for row, (stem, looks) in enumerate((("", CAUSES), ("adverse_event:", ROUTES))):
            axis = grid[2 * band + row][column]
            axis.set_visible(True)
            for name, (text, colour) in looks.items():
                _step(axis, tables, arm, f"discontinued:{stem}{name}", text, colour)
            _cycle_axis(axis, tables.last_cycle)
            _percent_axis(axis)
            if column == 0:
                axis.set_ylabel("left by the cycle" if row == 0 else "stopped for AE, by route")
            axis.set_title(_short(arm, 34) if row == 0 else "")
        grid[2 * band + 1][column].set_xlabel("cycle")
    for kind in range(2):
        _from_zero([axis for row in grid[kind::2] for axis in row])
    _group_legend(figure, grid.flat)
    return figure


def _from_zero(panels: Sequence[Any]) -> None:
    """One vertical scale from 0, set once everything is drawn and the top is known."""
    drawn = [axis for axis in panels if axis.get_visible() and axis.has_data()]
    top = max((axis.get_ylim()[1] for axis in drawn), default=1.0)
    for axis in panels:
        axis.set_ylim(0.0, top)


def _group_legend(figure: Figure, panels: Iterable[Any]) -> None:
    """One legend for all panels, each name once."""
    handles: dict[str, Any] = {}
    for axis in panels:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    if handles:
        _legend_below(figure, list(handles.values()), list(handles))


def _step(axis: Any, tables: Tables, arm: str, endpoint: str, text: str, colour: str) -> None:
    """A cumulative incidence with its Monte Carlo band; nothing if it never happens."""
    rows = tables.rows(arm, endpoint)
    if rows.empty or float(rows["estimate"].max()) == 0.0:
        return
    cycles = rows["cycle"].astype(int).to_numpy()
    low, high, middle = (
        rows[name].astype(float).to_numpy() for name in ("ci_low", "ci_high", "estimate")
    )
    axis.fill_between(cycles, low, high, color=colour, alpha=0.22, linewidth=0)
    axis.plot(cycles, middle, color=colour, linewidth=1.5, label=text)


def first_events(tables: Tables) -> Figure | None:
    """First event of each kind by cycle, arms over each other."""
    labels = _kinds(tables)
    if not labels:
        return None
    count = len(labels)
    title = "First event of each kind: cumulative incidence"
    figure = _figure(tables, title, 0.9 + 2.3 * _rows(count, 3))
    panels, columns = _grid(figure, count, 3)
    for place, (axis, (kind, text)) in enumerate(zip(panels, labels.items(), strict=True)):
        for arm in tables.arms:
            endpoint = f"first_event:{kind}"
            _step(axis, tables, arm, endpoint, arm, _arm_colour(tables, arm))
        axis.set_title(_short(text, 42), fontsize=9)
        _cycle_axis(axis, tables.last_cycle)
        _percent_axis(axis)
        if place % columns == 0:
            axis.set_ylabel("had a first event")
        if place + columns >= count:
            axis.set_xlabel("cycle")
            axis.tick_params(labelbottom=True)
    _from_zero(panels)
    lines = [_arm_line(tables, arm) for arm in tables.arms]
    _legend_below(figure, lines, tables.arms)
    return figure


def _arm_line(tables: Tables, arm: str) -> Line2D:
    return Line2D([], [], color=_arm_colour(tables, arm), linewidth=1.8)


def _kinds(tables: Tables) -> dict[str, str]:
    labels: dict[str, str] = {}
    for plan in tables.plans:
        for kind, text in zip(plan.names.kinds, plan.names.kind_labels, strict=True):
            labels.setdefault(kind, text)
    return labels


def dose_intensity(tables: Tables) -> Figure:
    """Relative dose intensity over the planned course and what it was lost to."""
    count = len(tables.arms)
    figure = _figure(tables, "Planned dose: given, and lost to what", 1.5 + 0.5 * count)
    axis = figure.subplots()
    names = [_short(arm, 34) for arm in tables.arms]
    left = [0.0] * count
    reference = tables.plans[0].scenario.posology.reference_dose_mg
    parts = {"rdi_planned": ("given", "#0b559f")} | {
        f"rdi_loss:{cause}": look for cause, look in LOSSES.items()
    }
    for endpoint, (text, colour) in parts.items():
        shares = [tables.estimate(arm, endpoint) for arm in tables.arms]
        # Dose above the reference is a negative loss: it shows in what was given.
        shares = [max(share, 0.0) for share in shares]
        if max(shares) == 0.0:
            continue
        bars = axis.barh(names, shares, left=left, color=colour, label=text, height=0.62)
        for bar, share in zip(bars, shares, strict=True):
            if share >= 0.035:
                middle = bar.get_x() + bar.get_width() / 2
                ink = "white" if colour in ("#0b559f", "#8c8c8c", "#8e4a9e") else "black"
                height = bar.get_y() + bar.get_height() / 2
                axis.text(
                    middle,
                    height,
                    f"{100 * share:.0f}",
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize=8,
                )
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_xlim(0, max(1.0, *left))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_xlabel(f"share of {reference:g} {tables.unit} at every planned dose of the course")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def headline_endpoints(tables: Tables) -> list[tuple[str, int | None, str]]:
    """Endpoints of the forest plot: name, cycle, text."""
    last = min(tables.cycles(arm) for arm in tables.arms)
    middle = min(12, last)
    rows: list[tuple[str, int | None, str]] = [
        ("discontinued:adverse_event", middle, f"stopped for AE by cycle {middle}"),
        ("discontinued:adverse_event", last, f"stopped for AE by cycle {last}"),
        ("discontinued:progression", last, f"left for progression by cycle {last}"),
        ("on_treatment", middle, f"on treatment at cycle {middle}"),
        ("completed", None, "completed all cycles"),
        ("first_event:any", last, "any counted adverse event"),
        ("interruption", None, "at least one dose withheld"),
        ("delay", None, "at least one delay"),
        ("reduction", None, "at least one reduction"),
        ("rdi_planned", None, "dose intensity, planned course"),
        ("rdi_on_treatment", None, "dose intensity, on treatment"),
        ("clinical_benefit", None, "clinical benefit"),
    ]
    return list(dict.fromkeys(rows))


def differences(tables: Tables) -> Figure | None:
    """Paired differences from the first arm, with 95 % Monte Carlo intervals."""
    if tables.comparison is None:
        return None
    table, lines = tables.comparison, headline_endpoints(tables)
    others = tables.arms[1:]
    figure = _figure(
        tables, "Differences from the reference", 1.3 + (0.22 + 0.08 * len(others)) * len(lines)
    )
    axis = figure.subplots()
    axis.axvline(0.0, color="#444444", linewidth=0.9)
    gap = 0.66 / len(others)
    for number, arm in enumerate(others):
        places, middles, lows, highs = [], [], [], []
        for line, (endpoint, cycle, _) in enumerate(lines):
            rows = table[(table["scenario"] == arm) & (table["endpoint"] == endpoint)]
            rows = rows if cycle is None else rows[rows["cycle"] == cycle]
            if rows.empty:
                continue
            row = rows.iloc[-1]
            places.append(line + (number - (len(others) - 1) / 2) * gap)
            middles.append(100 * float(row["difference"]))
            lows.append(100 * float(row["difference"] - row["ci_low"]))
            highs.append(100 * float(row["ci_high"] - row["difference"]))
        axis.errorbar(
            middles, places, xerr=[lows, highs], fmt="o", markersize=4.5, capsize=2.5,
            color=_arm_colour(tables, arm), label=arm, linewidth=1.2,
        )  # fmt: skip
    axis.set_yticks(range(len(lines)), [text for _, _, text in lines])
    axis.set_ylim(len(lines) - 0.5, -0.5)
    axis.set_xlabel(
        f"percentage points: arm minus {tables.arms[0]}, same patients, 95 % Monte Carlo interval"
    )
    axis.margins(x=0.08)
    figure.legend(loc="outside lower center", ncols=min(3, len(others)))
    return figure


def benefit_and_stops(tables: Tables) -> Figure | None:
    """Clinical benefit against discontinuation for adverse events, one point per arm."""
    arms = [arm for arm in tables.arms if tables.value(arm, "clinical_benefit") is not None]
    if len(arms) < 2:
        return None
    figure = _figure(tables, "Benefit against stops for adverse events", 4.8, 7.0)
    axis = figure.subplots()
    for arm in arms:
        across, up = (
            tables.value(arm, "discontinued:adverse_event"),
            tables.value(arm, "clinical_benefit"),
        )
        assert across is not None and up is not None
        axis.errorbar(
            across["estimate"], up["estimate"], xerr=_error(across), yerr=_error(up),
            fmt="o", markersize=7, capsize=3, color=_arm_colour(tables, arm), label=arm,
        )  # fmt: skip
    row = tables.value(arms[0], "clinical_benefit")
    assert row is not None
    text = str(row["label"]).removeprefix("Clinical benefit: ")
    axis.set_xlabel("stopped for adverse event by the end of the course")
    axis.set_ylabel("\n".join(textwrap.wrap(f"clinical benefit: {text}", 48)))
    axis.margins(0.15)
    _percent_axis(axis)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    figure.legend(loc="outside lower center", ncols=min(3, len(arms)))
    return figure


def _error(row: pd.Series) -> list[list[float]]:
    return [[float(row["estimate"] - row["ci_low"])], [float(row["ci_high"] - row["estimate"])]]
