"""`titrasim exact`: every outcome without simulation, beside one, or as a control of another."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sim.cli.options import AsJson, Overrides, ScenarioName, Seed, flag, number

if TYPE_CHECKING:
    from sim.plan.plan import Plan

FILES = ("exact.csv", "against_simulation.csv", "controlled.csv")
CONTROLLED_PATIENTS = 100_000


def exact(
    scenario: ScenarioName,
    /,
    *,
    compare_with_simulation: Annotated[
        int, number("Also simulate this many patients and show both with z-scores; 0 for none.")
    ] = 0,
    control_for: Annotated[
        str | None,
        Parameter(
            help="Also simulate this other scenario, on the same virtual patients, with the exact "
            "one as its control variate.",
            show_default=False,
        ),
    ] = None,
    patients: Annotated[
        int, number("Patients to simulate with --control-for.")
    ] = CONTROLLED_PATIENTS,
    seed: Seed = 1,
    out: Annotated[
        Path | None,
        Parameter(
            help="Folder for exact.csv and, where asked for, against_simulation.csv and "
            "controlled.csv.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, flag("Replace the tables of an earlier call.")] = False,
    threads: Annotated[
        int | None,
        Parameter(
            help="Threads of the simulation; all processors by default. Never changes a result.",
            show_default=False,
        ),
    ] = None,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Give every outcome of a small scenario without simulation, in well under a second.

    A forward recursion over what the scenario's rules can tell apart, with
    quadrature over CL/F, gives the rows of summary.csv to 1e-6. In reach are
    scenarios without holds, delays and skipped doses whose events do not matter
    beyond their cycle; any other is refused with every reason why. --set
    changes this scenario, not the one named with --control-for.

    Try:  titrasim exact ixazomib-minimal --set exposure_response.clock=reset
    Or:   titrasim exact ixazomib-minimal --compare-with-simulation 1000000
    Or:   titrasim exact minimal-fixed-3mg --control-for fixed-3mg
    """
    from sim.exact.summary import exact_outcomes
    from sim.plan.plan import compile_plan
    from sim.scenario.file import load_scenario

    _check_numbers(compare_with_simulation, patients, threads)
    if out is not None:
        from sim.folder import may_replace

        may_replace(out, FILES.__contains__, overwrite, "exact outcomes")
    loaded = load_scenario(scenario, set_)
    plan = compile_plan(loaded.scenario, seed)
    found = exact_outcomes(plan)
    tables: dict[str, Any] = {"exact": found.summary}
    if compare_with_simulation > 0:
        tables["against_simulation"] = _against(plan, compare_with_simulation, threads)
    if control_for is not None:
        tables["controlled"] = _controlled(plan, control_for, patients, seed, threads)
    if out is not None:
        _write(out, tables)
    _show(found, tables, compare_with_simulation, patients, seed, as_json)
    if out is not None and not as_json:
        from sim.folder import shown

        print(f"\nTables: {shown(out)}")


def _check_numbers(simulated: int, patients: int, threads: int | None) -> None:
    from sim.errors import LimitError
    from sim.plan.plan import check_patients

    check_patients(0, patients)
    if simulated != 0:
        check_patients(0, simulated)
    if threads is not None and threads < 1:
        raise LimitError(f"threads is {threads}; at least 1 is needed")


def _against(plan: "Plan", patients: int, threads: int | None) -> Any:
    from sim.cli.progress import progress_bar
    from sim.cli.running import notice_compiling
    from sim.exact.against_simulation import against_simulation

    notice_compiling()
    with progress_bar(patients, "patients") as advance:
        return against_simulation(plan, patients, threads, advance)


def _controlled(control: "Plan", other: str, patients: int, seed: int, threads: int | None) -> Any:
    from sim.cli.progress import progress_bar
    from sim.cli.running import notice_compiling
    from sim.exact.control import controlled
    from sim.study import Settings, prepare

    # The first scenario's reference dose is that of both, so that dose intensities compare.
    prepared = prepare((other, control.scenario), Settings(patients=patients, seed=seed))
    simulated, known = prepared.plans
    notice_compiling()
    with progress_bar(2 * patients, "patients") as advance:
        return controlled(simulated, known, patients, threads, advance)


def _write(out: Path, tables: dict[str, Any]) -> None:
    """Write the tables; the folder appears whole or not at all."""
    from sim.folder import whole_folder, write_bytes
    from sim.results import csv_bytes

    with whole_folder(out, out.exists()) as folder:
        for name, table in tables.items():
            write_bytes(folder / f"{name}.csv", csv_bytes(table))


def _show(
    found: Any, tables: dict[str, Any], simulated: int, patients: int, seed: int, as_json: bool
) -> None:
    from sim.cautions import MONTE_CARLO_ONLY, limits_of
    from sim.cli.exact_text import exact_text

    scenario = found.plan.scenario
    limits = [text for text in limits_of([scenario]) if text != MONTE_CARLO_ONLY]
    if not as_json:
        print(exact_text(found, tables, simulated, patients, seed, limits))
        return
    shown = {
        name: json.loads(table.to_json(orient="records", double_precision=15))
        for name, table in tables.items()
    }
    about = {
        "scenario": scenario.name,
        "quadrature_error": found.error,
        "states": found.most_states,
        "left_out": found.left_out,
    }
    print(json.dumps({**about, **shown, "limits": limits}, indent=1))
