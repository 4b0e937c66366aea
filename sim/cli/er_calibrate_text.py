"""What `titrasim er calibrate` prints for people, from the values of its tables."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from sim.cli.er_calibrate_tables import LONG_HORIZON, STAYS, Row

TEXT_WIDTH = 96


def text_of(answer: dict[str, Any]) -> str:
    """Return the answer for people."""
    lines = [*_heading(answer), "", *_solution(answer), "", *_readings(answer)]
    if "tables" in answer:
        lines += ["", *_table_lines(answer["tables"])]
    lines.append("")
    for note in answer["notes"]:
        lines += textwrap.wrap(note, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(lines)


def _heading(answer: dict[str, Any]) -> Iterator[str]:
    counts, setting = answer["counts"], answer["setting"]
    total, part = counts["stopped_share"], counts["early_share"]
    stay = setting["median_stay_cycles"]
    median = f"median stay {stay:.1f} cycles" if stay else "nobody leaves otherwise"
    yield f"{answer['scenario']}: q and phi from counts, exact, nothing simulated"
    yield (
        f"  stopped for adverse events {counts['stopped']} of {counts['patients']}: "
        f"{total[0]:.1%}, exact 95 % interval {total[1]:.1%} to {total[2]:.1%}"
    )
    yield (
        f"  by the end of cycle {setting['early_cycles']}, {counts['early']} of these "
        f"{counts['stopped']}: {part[0]:.1%}, {part[1]:.1%} to {part[2]:.1%}"
    )
    yield f"  dose: {setting['dose']}"
    yield (
        f"  {setting['cycles']} cycles; other exit {setting['other_exit_per_cycle']:.3f} per "
        f"cycle, after its adverse events ({median}; ASSUMED)"
    )
    yield (
        f"  averaged over CL/F, SD of the log {setting['cl_f_sd_log']:g}; frailty variance "
        f"{setting['frailty_variance']:g}"
    )
    yield from textwrap.wrap(
        "kinds: " + ", ".join(setting["kinds"]),
        TEXT_WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
    )


def _solution(answer: dict[str, Any]) -> Iterator[str]:
    solution = answer["solution"]
    counts, ranges = answer["counts"], solution["ranges"]
    heads = (
        f"{counts['stopped']}/{counts['patients']} over its interval",
        f"{counts['early']}/{counts['stopped']} over its interval",
    )
    if solution["phi_held"]:
        heads = (heads[0], "")
    yield f"{'Solved: ' + solution['alternative']:<30}{'':>8}{heads[0]:>28}{heads[1]:>28}".rstrip()
    for name, value in solution["parameters"].items():
        cells = []
        for column in ("over_stopped", "over_early"):
            low, high = ranges[name][column]
            mark = "*" if ranges["at_limit"][column] else " "
            cells.append(f"{low:.3f} to {high:.3f}{mark}")
        if solution["phi_held"]:
            cells = [cells[0] if name == "q" else "held", ""]
        yield f"  {name:<28}{value:>8.4f}{cells[0]:>28}{cells[1]:>28}".rstrip()
    limits = sorted({b for column in ranges["at_limit"].values() for b in column})
    if limits:
        yield f"  * at an end of the interval the solution is at a limit: {', '.join(limits)}"
    for text in solution["at_limit"]:
        yield from textwrap.wrap(f"AT A LIMIT. {text}", TEXT_WIDTH, subsequent_indent="  ")
    if solution["at_limit"] and solution["total"] is not None:
        yield f"  these values give {solution['total']:.1%} stopped"


def _readings(answer: dict[str, Any]) -> Iterator[str]:
    alone = answer["counts_alone"]
    ratio = alone["early_late_ratio"]
    shown = "only early stops" if ratio is None else f"early/late probability ratio {ratio:.1f}"
    yield (
        f"Counts and stay alone: {alone['early_share_if_constant']:.0%} of the stops would be "
        f"early if constant; {shown}, phi {alone['phi']:.2f}"
    )
    has_rule = any(reading["escalated"] for reading in answer["readings"].values())
    title = f"{'escalation, %:':>20}{'typical':>10}{'average':>10}" if has_rule else ""
    yield f"{'Readings of the same counts':<46}{title}".rstrip()
    for name, reading in answer["readings"].items():
        values = {key: reading[key] for key in reading if key not in ("at_limit", "escalated")}
        text = ", ".join(f"{key} {value:.3f}" for key, value in values.items())
        shares = "".join(f"{100.0 * share:>10.1f}" for share in reading["escalated"].values())
        missing = f"  at a limit: {', '.join(reading['at_limit'])}" if reading["at_limit"] else ""
        yield f"  {name:<20}{text:<44}{shares}{missing}".rstrip()


def _table_lines(tables: dict[str, Any]) -> list[str]:
    stays = "".join(f"{f'{stay:g} cycles':>16}" for stay in STAYS)
    lines = [f"{'q, phi by dose and median stay':<48}{stays}"]
    for label, row in tables["q_phi_by_dose_and_stay"].items():
        lines.append(f"  {label:<46}{_cells(row, ('q', 'phi'))}")
    label = next(key for key in tables if "frailty" in key)
    lines.append(
        f"  {'reference dose, frailty variance 2':<46}{_cells(tables[label], ('q', 'phi'))}"
    )
    lines.append("Readings by median stay, reference dose")
    for name, row in tables["readings_by_stay"].items():
        keys = [key for key in row["4"] if key != "is_met"]
        lines.append(f"  {name + ': ' + ', '.join(keys):<46}{_cells(row, keys)}")
    lines.append("Counts and stay alone")
    labels = {
        "other_exit_per_cycle": "other exit per cycle",
        "early_share_if_constant": "early share if constant",
        "early_late_ratio": "early/late ratio",
        "early_late_ratio_long": f"early/late ratio, {LONG_HORIZON} cycles",
        "phi": "phi",
    }
    for key, text in labels.items():
        lines.append(f"  {text:<46}{_cells(tables['counts_alone_by_stay'], (key,))}")
    if any("*" in line for line in lines):
        lines.append("  * at a limit: the nearest values")
    return lines


def _cells(row: dict[str, Row], keys: Sequence[str]) -> str:
    cells = []
    for values in row.values():
        mark = "" if values.get("is_met", 1.0) else " *"
        found = [values[key] for key in keys]
        cells.append(", ".join("-" if one is None else f"{one:.3f}" for one in found) + mark)
    return "".join(f"{cell:>16}" for cell in cells)
