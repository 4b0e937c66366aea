"""The command `titrasim pk`: one patient's concentrations, and individual CL/F from a file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from sim.cli.options import AsJson, Overrides, ScenarioName, Seed, flag, number

if TYPE_CHECKING:
    import pandas as pd

    from sim.concentrations import PatientProfile
    from sim.pharmacokinetics.individuals import ClearanceLaw, Individuals
    from sim.scenario.scenario import Scenario

FILES = (
    "concentration.csv",
    "auc_by_cycle.csv",
    "dose_ledger.csv",
    "pharmacokinetics.svg",
    "pharmacokinetics.png",
)
TEXT_WIDTH = 96
RELAPSED = (
    "Exposure-response of this program comes from relapsed/refractory patients and is applied to "
    "maintenance patients; the kinetics come from many studies and are population values."
)


def pk(
    scenario: ScenarioName,
    /,
    *,
    patient: Annotated[int | None, number("Number of the patient, from 0.")] = None,
    parameters: Annotated[
        Path | None,
        Parameter(help="Individual parameters, see above; without --patient: their summary."),
    ] = None,
    individual: Annotated[
        str | None,
        Parameter(name="--id", help="Draw the kinetics of this individual of the file."),
    ] = None,
    varies: Annotated[
        Literal["bioavailability", "clearance"],
        Parameter(help="What makes a patient's CL/F differ from the typical one."),
    ] = "bioavailability",
    seed: Seed = 1,
    set_: Overrides = (),
    sample: Annotated[
        bool,
        flag("Also print the individuals' CL/F for the scenario, so that patients have those."),
    ] = False,
    out: Annotated[
        Path | None, Parameter(help="Folder for tables and the figure. Default: print only.")
    ] = None,
    overwrite: Annotated[bool, flag("Replace the folder of an earlier pk.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one patient's concentrations, AUC/day by cycle and dose ledger.

    It is the patient that run, compare and diary simulate under this number
    and seed. AUC/day from concentrations stands beside the nominal AUC/day
    that the exposure-response model looks at.

    A file of individual parameters has one row a patient (repeated rows are
    passed over while the parameters stay the same), separated by commas,
    semicolons, tabs, bars or blanks, as NONMEM, Monolix and nlmixr2 write it:
    ID; CL [L/h] with F1, or CL/F; for full sets also KA [1/h], volumes [L]
    and exchanges [L/h], such as V2 Q3 V3 Q4 V4, V1 Q2 V2 Q3 V3 or
    V Q VP Q2 VP2, with endings such as _mode; or ETA_CL.

    Try:  titrasim pk ixazomib-maintenance --patient 17 --out patient-17
    Or:   titrasim pk ixazomib-maintenance --parameters individuals.csv --sample
    """
    _check_options(patient, parameters, individual, sample, out)
    from sim.pharmacokinetics.individuals import read_individuals
    from sim.scenario.file import load_scenario

    loaded = load_scenario(scenario, set_).scenario
    people = None
    if parameters is not None:
        people = read_individuals(parameters, loaded.pharmacokinetics)
    chosen = None if people is None or individual is None else people.of(individual)
    if patient is None:
        assert people is not None
        _print_individuals(people, sample, as_json)
        return
    from sim.concentrations import assumptions, patient_profile
    from sim.plan.plan import compile_plan

    profile = patient_profile(compile_plan(loaded, seed), patient, varies, chosen)
    notes = (*assumptions(profile, varies), *_notes_of(loaded))
    if out is not None:
        _write(profile, out, overwrite)
    if as_json:
        print(json.dumps(_content(profile, notes, people, out), indent=1, allow_nan=False))
        return
    print(_text(profile, notes))
    if people is not None:
        print("\n".join(_wrapped(people.notes)))
    if out is not None:
        from sim.folder import shown

        print(f"\nTables and figure: {shown(out)}")


def _notes_of(scenario: "Scenario") -> tuple[str, ...]:
    """Return the scenario's own limits; where it states none, ixazomib's."""
    if scenario.notes:
        return scenario.notes
    return (RELAPSED,) if scenario.drug.lower() == "ixazomib" else ()


def _check_options(
    patient: int | None,
    parameters: Path | None,
    individual: str | None,
    sample: bool,
    out: Path | None,
) -> None:
    """Raise LimitError when options do not fit together."""
    from sim.errors import LimitError

    if patient is None and parameters is None:
        raise LimitError(
            "give --patient with a patient's number, or --parameters with a file of individuals"
        )
    if patient is not None and patient < 0:
        raise LimitError(f"patient is {patient}; patients are numbered from 0")
    if sample and (patient is not None or parameters is None):
        raise LimitError("--sample prints the individuals of a file: give --parameters alone")
    if individual is not None and parameters is None:
        raise LimitError("--id names an individual of a file; give the file with --parameters")
    if patient is None and individual is not None:
        raise LimitError("--id draws an individual over a patient's doses; give --patient as well")
    if patient is not None and parameters is not None and individual is None:
        raise LimitError("--parameters and --patient need --id: which individual is to be drawn?")
    if patient is None and out is not None:
        raise LimitError("--out holds the tables and the figure of one patient; give --patient")


def _write(profile: "PatientProfile", target: Path, overwrite: bool) -> None:
    """Write tables and figure; the folder appears whole or not at all."""
    from sim.figures_pharmacokinetics import draw_profile
    from sim.folder import may_replace, whole_folder, write_bytes
    from sim.results import csv_bytes

    replace = may_replace(target, FILES.__contains__, overwrite, "a patient")
    tables = {
        "concentration.csv": profile.concentrations,
        "auc_by_cycle.csv": profile.cycles,
        "dose_ledger.csv": profile.doses,
    }
    with whole_folder(target, replace) as folder:
        for name, table in tables.items():
            write_bytes(folder / name, csv_bytes(table))
        for name, data in draw_profile(profile):
            write_bytes(folder / name, data)


def _print_individuals(people: "Individuals", sample: bool, as_json: bool) -> None:
    """Print the law of CL/F of a file and the lines that give it to a scenario."""
    from sim.pharmacokinetics.individuals import clearance_law, scenario_lines

    law = clearance_law(people)
    lines = scenario_lines(law, people.name, people.cl_f_l_per_h if sample else None)
    if as_json:
        full = [one for one in people.individuals if one.kinetics is not None]
        content = {
            "file": people.name,
            "n": law.n,
            "full_sets": len(full),
            "typical_cl_f_l_per_h": law.typical_l_per_h,
            "typical_se_log": _known(law.typical_se_log),
            "cl_f_sd_log": _known(law.sd_log),
            "cl_f_sd_log_se": _known(law.sd_log_se),
            "quantiles_l_per_h": law.quantiles_l_per_h,
            "individuals": [
                {"id": one.id, "cl_f_l_per_h": one.cl_f_l_per_h} for one in people.individuals
            ],
            "scenario_lines": lines,
            "notes": list(people.notes),
        }
        print(json.dumps(content, indent=1, allow_nan=False))
        return
    print(_law_text(people, law))
    print(lines, end="")
    print("\n".join(["", *_wrapped([*people.notes, *_law_notes(law)])]))


def _known(value: float) -> float | None:
    return None if value != value else value


def _law_text(people: "Individuals", law: "ClearanceLaw") -> str:
    sets = sum(one.kinetics is not None for one in people.individuals)
    what = "with full three-compartment sets" if sets else "CL/F only"
    count = "1 individual" if law.n == 1 else f"{law.n} individuals"
    lines = [f"{people.name}: {count}, {what}", ""]
    if law.n > 1:
        typical = f"{law.typical_l_per_h:.4g} L/h, SE of its log {law.typical_se_log:.2g}"
        lines.append(f"  CL/F, typical (geometric mean)   {typical}")
        spread = f"{law.sd_log:.3g}, SE {law.sd_log_se:.2g}"
        lines.append(f"  SD of log CL/F                   {spread}")
    else:
        lines.append(f"  CL/F                             {law.typical_l_per_h:.4g} L/h")
    marks = ", ".join(f"{name} {value:.4g}" for name, value in law.quantiles_l_per_h.items())
    lines += [f"  quantiles, L/h                   {marks}", "", "For a scenario:", ""]
    return "\n".join(lines)


def _law_notes(law: "ClearanceLaw") -> list[str]:
    """Return what holds for every summary of individual estimates."""
    notes = [
        "Estimates of single patients (modes, post hoc) are shrunk towards the typical patient: "
        "their SD understates the spread. A model's omega, or simulated individuals, do not.",
        "CL/F is drawn from the log-normal law of these two numbers, unless the scenario has "
        "cl_f_individuals_l_per_h too (--sample): then every patient has that of an individual.",
    ]
    if law.n == 1:
        notes.insert(0, "One individual says nothing of the spread: cl_f_sd_log is written as 0.")
    return notes


def _content(
    profile: "PatientProfile",
    notes: tuple[str, ...],
    people: "Individuals | None",
    out: Path | None,
) -> dict[str, Any]:
    """Return everything that was worked out, for programs."""
    from dataclasses import asdict

    from sim.concentrations import as_tables
    from sim.folder import shown

    accumulation = profile.accumulation
    names = ("interval_hours", "first_dose_ng_h_per_ml", "last_dose_ng_h_per_ml")
    return {
        "scenario": profile.plan.scenario.name,
        "patient": profile.patient,
        "seed": profile.plan.seed,
        "individual": profile.individual,
        "cl_f_l_per_h": profile.cl_f_l_per_h,
        "bsa_m2": profile.bsa_m2,
        "parameters": asdict(profile.kinetics),
        "terminal_half_life_days": profile.kinetics.terminal_half_life_days,
        "accumulation": accumulation and dict(zip(names, accumulation, strict=True)),
        **as_tables(profile),
        "notes": [*notes, *(() if people is None else people.notes)],
        "results": None if out is None else shown(out),
    }


def _text(profile: "PatientProfile", notes: tuple[str, ...]) -> str:
    plan = profile.plan
    lines = [
        f"SIMULATED: patient {profile.patient} of {plan.scenario.name}, seed {plan.seed}",
        *_header(profile),
        "",
        "AUC/day and concentrations by cycle",
        *_cycle_lines(profile.cycles, plan.names.unit),
        "",
        "Doses",
        *_dose_lines(profile.doses, plan.names.unit),
        "",
        *_wrapped(notes),
    ]
    return "\n".join(lines)


def _header(profile: "PatientProfile") -> list[str]:
    from sim.pharmacokinetics.parameter_table import printable

    kinetics = profile.kinetics
    own = profile.individual
    source = "simulated" if own is None else f"individual {printable(own)}"
    lines = [
        f"CL/F {profile.cl_f_l_per_h:.3f} L/h ({source}), terminal half-life "
        f"{kinetics.terminal_half_life_days:.1f} days"
    ]
    if profile.bsa_m2 is not None:
        lines.append(f"Body surface area {profile.bsa_m2:.2f} m2")
    if profile.accumulation is not None:
        hours, first, last = profile.accumulation
        lines.append(
            f"AUC over {hours:g} h after the first and the last dose of a cycle with equal doses: "
            f"{first:.0f} and {last:.0f} ng*h/mL, ratio {last / first:.2f}"
        )
    return lines


def _cycle_lines(cycles: "pd.DataFrame", unit: str) -> list[str]:
    """Return the table of cycles; the axis of risk has a column where it is another one."""
    has_build_up = not cycles["risk_auc_per_day"].equals(cycles["nominal_auc_per_day"])
    heads = ["cycle", "days", unit, "given", "nominal", "concentr.", "Cmax", "Tmax h", "Ctrough"]
    columns = [
        ("cycle", "d"), ("days", "d"), ("level", "g"), ("doses_given", "d"),
        ("nominal_auc_per_day", ".1f"), ("auc_per_day", ".1f"), ("cmax_ng_per_ml", ".2f"),
        ("tmax_h_after_dose", ".2f"), ("ctrough_ng_per_ml", ".3f"),
    ]  # fmt: skip
    if has_build_up:
        heads.insert(5, "built up")
        columns.insert(5, ("risk_auc_per_day", ".1f"))
    lines = ["".join(f"{head:>10}" for head in heads)]
    for row in cycles.to_dict(orient="records"):
        # Before the first dose given there is no Tmax.
        lines.append(
            "".join(
                f"{'-' if row[name] != row[name] else format(row[name], style):>10}"
                for name, style in columns
            )
        )
    lines.append("AUC/day in ng*h/mL per day; Cmax, Ctrough (end of the cycle) in ng/mL;")
    lines.append("Tmax in hours after the dose before it.")
    return lines


def _dose_lines(doses: "pd.DataFrame", unit: str) -> list[str]:
    """Return one line per cycle: what was given on which study day, what was withheld and why."""
    lines = []
    for cycle, rows in doses.groupby("cycle", sort=True):
        parts = []
        for row in rows.to_dict(orient="records"):
            dose = f"{row['level']:g} {unit}"
            if unit != "mg":
                dose += f" ({row['drug_mg']:.2f} mg)"
            if not row["given"]:
                dose = f"withheld by {row['withheld_by_rule'] or 'no rule'}"
            parts.append(f"day {row['day']} {dose}")
        lines.append(f"  C{cycle}: " + "; ".join(parts))
    return lines


def _wrapped(texts: Any) -> list[str]:
    import textwrap

    return [
        line
        for text in texts
        for line in textwrap.wrap(
            text, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False
        )
    ]
