"""Published tables for the command line: of a scenario, or as given in options."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.exposure_response.design import Design, DoseGroup
    from sim.exposure_response.published import ExposureScale, PublishedTable
    from sim.scenario.risk import AdverseEvent, ClinicalBenefit
    from sim.scenario.scenario import Scenario

PAPER = "paper"
PAPER_DRUG = "ixazomib"
PAPER_TABLE_1 = "doi:10.1007/s10637-016-0346-7, Table 1"
PAPER_BSA = (1.97, 0.24)
DOSES_PER_CYCLE = 3
CYCLE_DAYS = 28
NOT_STATED = "not stated"
UNKNOWN_PATIENTS = (
    "The probabilities were given on the command line: whose they are, and whether they hold for "
    "the patients of your trial, this program cannot know."
)


@dataclass(frozen=True)
class Given:
    """Published tables with the scale of exposure, and where the numbers come from.

    population says whose probabilities they are; inputs are the files they were read from.
    """

    drug: str
    tables: "list[PublishedTable]"
    scale: "ExposureScale"
    cl_f_l_per_h: float
    dose_days: tuple[int, ...]
    cycle_days: int
    studied_mg: tuple[float, float] | None
    reading: str
    left_out: list[str]
    sources: list[str]
    limits: list[str]
    population: str = NOT_STATED
    inputs: tuple[Path, ...] = ()


def read_given(
    scenario: str | None,
    probability: Sequence[str],
    cl_f: float | None,
    cl_f_sd_log: float | None,
    doses_per_cycle: int | None,
    cycle_days: int | None,
    half_unit: float | None,
    overrides: tuple[str, ...],
) -> Given:
    """Return the tables of a scenario or of the command line; raise every fault at once."""
    from sim.errors import LimitError
    from sim.exposure_response.published import READINGS, ExposureScale

    if (scenario is None) == (not probability):
        raise LimitError("give a scenario, or --probability, and not both; see --help")
    if scenario is None:
        if overrides:
            raise LimitError("--set changes a scenario; with --probability there is none")
        return _from_options(
            probability,
            cl_f,
            cl_f_sd_log,
            DOSES_PER_CYCLE if doses_per_cycle is None else doses_per_cycle,
            CYCLE_DAYS if cycle_days is None else cycle_days,
            half_unit,
        )
    if doses_per_cycle is not None or cycle_days is not None:
        raise LimitError(
            "--doses-per-cycle and --cycle-days go with --probability; a scenario has its posology"
        )
    from sim.plan.risk import auc_per_mg
    from sim.scenario.file import load_scenario

    loaded = load_scenario(scenario, overrides).scenario
    pk, posology = loaded.pharmacokinetics, loaded.posology
    clearance = pk.cl_f_l_per_h if cl_f is None else cl_f
    spread = pk.cl_f_sd_log if cl_f_sd_log is None else cl_f_sd_log
    _check_scale(clearance, spread, len(posology.dose_days), posology.cycle_length_days)
    tables, left_out, sources = _tables_of(loaded, half_unit)
    if not tables:
        raise LimitError(f"{loaded.name} has no adverse event and no benefit with probabilities")
    given = [
        text
        for text, value in (("--cl-f", cl_f), ("--cl-f-sd-log", cl_f_sd_log))
        if value is not None
    ]
    origin = " and ".join(given) if given else _source_of(pk.source, "cl_f_l_per_h")
    return Given(
        loaded.drug,
        tables,
        ExposureScale(auc_per_mg(loaded) / clearance, spread),
        clearance,
        tuple(posology.dose_days),
        posology.cycle_length_days,
        loaded.exposure_response.table_source_range_mg,
        next(key for key, value in READINGS.items() if value == loaded.exposure_response.reading),
        left_out,
        [f"CL/F {clearance:.4g} L/h, SD of the log {spread:g}: {origin}", *sources],
        list(loaded.notes),
        next((note for note in loaded.notes if "relapsed" in note.lower()), NOT_STATED),
        (Path(scenario),),
    )


def _tables_of(
    scenario: "Scenario", half_unit: float | None
) -> "tuple[list[PublishedTable], list[str], list[str]]":
    from sim.exposure_response.published import PublishedTable, half_unit_of

    tables, left_out = [], []
    sources: dict[str, list[str]] = {}
    endpoints: list[tuple[str, AdverseEvent | ClinicalBenefit]] = [
        (event.name, event) for event in scenario.adverse_event
    ]
    if scenario.clinical_benefit is not None:
        endpoints.append(("clinical_benefit", scenario.clinical_benefit))
    for name, endpoint in endpoints:
        printed = endpoint.probability_by_dose_mg
        if printed is None:
            why = "has coefficients" if endpoint.intercept is not None else "has no slope"
            left_out.append(f"{name}: {why}, no printed table")
            continue
        # A TOML number keeps no closing zeros: whole percents are the least that is printed.
        digits = half_unit_of(["0.00", *(f"{value:.12g}" for value in printed.values())])
        tables.append(PublishedTable(name, printed, digits if half_unit is None else half_unit))
        where = _source_of(endpoint.source, "probability_by_dose_mg")
        sources[where] = [*sources.get(where, []), name]
    return tables, left_out, [f"{', '.join(names)}: {text}" for text, names in sources.items()]


def _source_of(source: str | dict[str, str] | None, key: str) -> str:
    if isinstance(source, dict):
        return source.get(key, "no source given")
    return source or "no source given"


def _check_scale(cl_f: float, sd_log: float, doses: int, cycle_days: int) -> None:
    from sim.errors import DataError, Problem
    from sim.exposure_response.design import CL_F_L_PER_H

    faults = []
    low, high = CL_F_L_PER_H
    if not low <= cl_f <= high:
        faults.append(("--cl-f", f"CL/F is {cl_f:g} L/h; {low:g} to {high:g} is allowed"))
    if not 0.0 <= sd_log <= 3.0:
        faults.append(("--cl-f-sd-log", f"SD of log CL/F is {sd_log:g}; 0 to 3 is allowed"))
    if not (cycle_days <= 10_000 and 1 <= doses <= cycle_days):
        found = f"{doses} doses in {cycle_days} days"
        faults.append(("--doses-per-cycle", f"{found}; 1 to one a day are allowed"))
    if faults:
        raise DataError([Problem(at, None, None, "E21", "error", text) for at, text in faults])


def _from_options(
    texts: Sequence[str],
    cl_f: float | None,
    cl_f_sd_log: float | None,
    doses_per_cycle: int,
    cycle_days: int,
    half_unit: float | None,
) -> Given:
    from sim.exposure_response.published import ExposureScale, published_tables

    clearance = 1.86 / 0.58 if cl_f is None else cl_f
    spread = 0.391 if cl_f_sd_log is None else cl_f_sd_log
    _check_scale(clearance, spread, doses_per_cycle, cycle_days)
    known = "doi:10.1007/s40262-017-0526-4 (ixazomib)"
    clearance_origin = known if cl_f is None else "--cl-f"
    spread_origin = known if cl_f_sd_log is None else "--cl-f-sd-log"
    # Only their number matters here; weekly where the cycle has room for it.
    apart = min(7, cycle_days // doses_per_cycle)
    return Given(
        "",
        published_tables(texts, half_unit),
        ExposureScale(1000.0 * doses_per_cycle / (cycle_days * clearance), spread),
        clearance,
        tuple(1 + apart * number for number in range(doses_per_cycle)),
        cycle_days,
        None,
        "T",
        [],
        [
            f"CL/F {clearance:.4g} L/h: {clearance_origin}",
            f"SD of log CL/F {spread:g}: {spread_origin}",
            "probabilities: --probability",
        ],
        [UNKNOWN_PATIENTS],
    )


def design_sources(levels: str | None, flat: bool, bsa: str | None, option: str) -> list[str]:
    """Say where dose groups and body surface area come from; option is that of the groups."""
    is_papers = levels in (None, PAPER)
    groups = PAPER_TABLE_1 if is_papers else option
    sources = [f"dose levels and patients: {groups}"]
    if not flat:
        mean, sd = PAPER_BSA
        area = f"body surface area {mean} (SD {sd}) m2: {PAPER_TABLE_1}"
        if not is_papers:
            area += f"; that it holds for the study of {option}: ASSUMED"
        sources.append("body surface area: --bsa" if bsa is not None else area)
        sources.append("normal law of body surface area: ASSUMED")
    return [*sources, "doses as planned, none reduced or left out: ASSUMED"]


def groups_behind(
    given: Given, text: str | None, option: str = "--levels"
) -> "tuple[DoseGroup, ...]":
    """Return dose groups as given with an option, or those of the paper for its drug.

    Raises LimitError where the paper's are asked for another drug, DataError for faulty groups.
    """
    from sim.errors import LimitError
    from sim.exposure_response.design import PAPER_LEVELS, dose_groups

    if text not in (None, PAPER):
        assert text is not None
        return dose_groups(text, option)
    if given.drug not in ("", PAPER_DRUG):
        raise LimitError(
            f"the paper's design is of {PAPER_DRUG}, the scenario of {given.drug}; give the dose "
            "groups of its study as DOSE:PATIENTS,..."
        )
    return dose_groups(PAPER_LEVELS)


def design_behind(given: Given, text: str) -> "Design":
    """Return the design named by "paper" or by dose groups, with the clearance of the tables."""
    from sim.exposure_response.design import Design, check_design

    design = Design(
        groups_behind(given, text, "--design"),
        given.cl_f_l_per_h,
        given.scale.sd_log,
        dose_days=given.dose_days,
        cycle_days=given.cycle_days,
    )
    check_design(design)
    return design
