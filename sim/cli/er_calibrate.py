"""`titrasim er calibrate`: q and phi from counts of discontinuations, without simulation."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sim.cli.options import AsJson, Overrides, ScenarioName, flag, number

if TYPE_CHECKING:
    from sim.cli.er_calibrate_tables import Setting
    from sim.exposure_response.discontinuation import Course, Exposures
    from sim.exposure_response.table import Coefficients
    from sim.scenario.risk import AdverseEvent
    from sim.scenario.scenario import Scenario

Alternative = Literal["front-loaded", "early-late-q", "mover-stayer", "background-stream"]
PAPER = {"stopped": 31, "patients": 275, "early": 27}
EARLY_CYCLES, HORIZON_CYCLES, MEDIAN_STAY = 4, 12, 6.0
MEAN_BSA_M2 = 1.97
EXIT_AT_A_LIMIT = 2


def _real(text: str) -> Parameter:
    return Parameter(help=text, show_default=False)


@Parameter(name="*")
@dataclass(frozen=True)
class Question:
    """What is to be met, and in which setting; what is not given comes from the scenario."""

    stopped: Annotated[
        int | None, number("Patients who stopped for adverse events; the paper: 31.")
    ] = None
    patients: Annotated[int | None, number("Of how many patients; the paper: 275.")] = None
    early: Annotated[
        int | None, number("How many of them by the end of the early cycles; the paper: 27.")
    ] = None
    early_cycles: Annotated[int | None, number("How many cycles are early; the paper: 4.")] = None
    dose_mg: Annotated[
        float | None, _real("Dose of these patients; default the scenario's (4 mg, ASSUMED).")
    ] = None
    design: Annotated[
        bool, flag("The phase 1 mix of doses (the paper's Table 1) instead of one dose.")
    ] = False
    median_stay: Annotated[
        float | None,
        _real("Cycles until half have left for other reasons: m = 1 - 0.5^(1/median)."),
    ] = None
    other_exit: Annotated[
        float | None, _real("The same as a probability m per cycle; default the scenario's.")
    ] = None
    phi: Annotated[
        float | None, _real("Hold phi at this value and solve q from the total alone.")
    ] = None
    every_kind: Annotated[
        bool, flag("Also count kinds of adverse event without an exposure-response.")
    ] = False


DEFAULTS = Question()


def calibrate(
    scenario: ScenarioName = "ixazomib-maintenance",
    /,
    *,
    question: Question = DEFAULTS,
    alternative: Annotated[
        Alternative, Parameter(help="The reading of the counts to solve with intervals.")
    ] = "front-loaded",
    every_table: Annotated[
        bool, flag("Also q and phi by dose and stay, and every reading by stay.", "--all")
    ] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> int:
    """Solve q and phi from counts of discontinuations; exact, nothing is simulated.

    q is the probability that one adverse event ends treatment, phi the share of
    the course's hazard in the early cycles. They follow from two counts (31 of
    275 stopped for adverse events, 27 of them by the end of cycle 4), a dose and
    a stay, by a recursion over cycles averaged over clearance.

    titrasim calibrate (without er) is another thing: it solves, by simulation, one
    multiplier on the probabilities of a scenario's own stop rules, with all its
    holds, delays and reductions. Here no rule of the scenario is run: only its
    adverse events, their hazards, and the clearance count.

    Readings of the same counts (--alternative):
    front-loaded: onset is early, every event stops treatment with the same q.
    early-late-q: onset is constant, an early event is more often a reason to stop.
    mover-stayer: only some patients can stop, at a constant probability per cycle.
    background-stream: background events are constant, the drug's front-loaded.

    Exit code 2 if no q and phi inside 0 to 1 meet the counts; the nearest are printed.

    Try:  titrasim er calibrate
    Or:   titrasim er calibrate --dose-mg 3 --median-stay 12
    Or:   titrasim er calibrate --design --all
    """
    from sim.cli.er_calibrate_tables import answer_of
    from sim.cli.er_calibrate_text import text_of
    from sim.scenario.file import load_scenario

    setting = _setting(load_scenario(scenario, set_).scenario, question, alternative)
    answer = answer_of(setting, alternative, every_table)
    print(json.dumps(answer, indent=2, allow_nan=False) if as_json else text_of(answer))
    return EXIT_AT_A_LIMIT if answer["solution"]["at_limit"] else 0


def _setting(scenario: "Scenario", question: Question, alternative: str) -> "Setting":
    """Return everything the solutions need; raise LimitError with all that does not fit."""
    from sim.cli.er_calibrate_tables import Setting
    from sim.errors import LimitError
    from sim.exposure_response.discontinuation import Counts
    from sim.plan.risk import auc_per_mg

    counts = _counts(scenario, question)
    kinds = [kind for kind in scenario.adverse_event if question.every_kind or _has_slope(kind)]
    problems = [
        *_count_problems(scenario, counts),
        *_setting_problems(scenario, question, alternative),
    ]
    if not kinds:
        problems.append(
            f"no kind of adverse event of {scenario.name} has an exposure-response; "
            "--every-kind counts those without"
        )
    if problems:
        raise LimitError("; ".join(problems))
    exposures, dose_text = _exposures(scenario, question)
    pk = scenario.pharmacokinetics
    return Setting(
        scenario=scenario,
        models=[_model(scenario, kind) for kind in kinds],
        kinds=[kind.name for kind in kinds],
        left_out=[kind.name for kind in scenario.adverse_event if kind not in kinds],
        bars=[kind.ae_class == "non_hematologic" for kind in kinds],
        auc_per_day_per_mg=auc_per_mg(scenario) * pk.exposure_multiplier / pk.cl_f_l_per_h,
        exposures=exposures,
        dose_text=dose_text,
        course=_course(scenario, question),
        counts=Counts(**counts),  # type: ignore[arg-type]
        phi=question.phi,
        frailty_variance=scenario.exposure_response.frailty_variance,
    )


def _has_slope(kind: "AdverseEvent") -> bool:
    return kind.probability is None


def _model(scenario: "Scenario", kind: "AdverseEvent") -> "Coefficients":
    """Return intercept and slope; a kind without a slope has slope 0."""
    from math import log

    from sim.exposure_response.table import Coefficients
    from sim.plan.risk import coefficients_of

    if kind.probability is None:
        return coefficients_of(scenario, kind)
    return Coefficients(log(kind.probability / (1.0 - kind.probability)), 0.0)


def _counts(scenario: "Scenario", question: Question) -> dict[str, int | None]:
    """Return the counts: as asked, else of the scenario, else of the paper if it is its drug."""
    stated = scenario.calibration
    known: dict[str, int | None] = dict.fromkeys(PAPER)
    if stated is not None:
        known = {
            "stopped": stated.stopped_patients,
            "patients": stated.patients,
            "early": stated.early_stopped_patients,
        }
    elif scenario.drug == "ixazomib":
        known = dict(PAPER)
    asked = {"stopped": question.stopped, "patients": question.patients, "early": question.early}
    return {name: known[name] if asked[name] is None else asked[name] for name in known}


def _count_problems(scenario: "Scenario", counts: dict[str, int | None]) -> Iterator[str]:
    missing = [f"--{name}" for name, value in counts.items() if value is None]
    if missing:
        yield f"{scenario.name} does not state these counts: give {', '.join(missing)}"
        return
    stopped, patients, early = (counts[name] or 0 for name in ("stopped", "patients", "early"))
    if stopped < 1:
        yield f"--stopped is {stopped}; at least 1 is needed"
    if patients <= stopped:
        yield f"--patients is {patients}; it must be more than the {stopped} who stopped"
    if not 0 <= early <= max(stopped, 0):
        yield f"--early is {early}; it counts some of the {stopped} who stopped"


def _setting_problems(scenario: "Scenario", question: Question, alternative: str) -> Iterator[str]:
    if question.design and question.dose_mg is not None:
        yield "--design and --dose-mg exclude each other: a mix of doses, or one"
    if question.dose_mg is not None and not 0.0 < question.dose_mg < 1e6:
        yield f"--dose-mg is {question.dose_mg:g}; it must be above 0"
    if scenario.posology.unit != "mg" and question.dose_mg is None and not question.design:
        yield f"doses of {scenario.name} are in {scenario.posology.unit}: give --dose-mg"
    if question.median_stay is not None and question.other_exit is not None:
        yield "--median-stay and --other-exit say the same thing: give one of them"
    if question.median_stay is not None and not 0.0 < question.median_stay < 1e6:
        yield f"--median-stay is {question.median_stay:g}; it must be above 0"
    if question.other_exit is not None and not 0.0 <= question.other_exit < 1.0:
        yield f"--other-exit is {question.other_exit:g}; allowed: 0 to below 1"
    longest = min(_horizon(scenario), scenario.exposure_response.reference_cycles)
    if not 0 < _early_cycles(scenario, question) < longest:
        yield (
            f"--early-cycles is {_early_cycles(scenario, question)}; at least 1 and fewer than "
            f"the {longest} cycles of the course"
        )
    if question.phi is not None and not 0.0 <= question.phi <= 1.0:
        yield f"--phi is {question.phi:g}; allowed: 0 to 1"
    if question.phi is not None and alternative in ("early-late-q", "mover-stayer"):
        yield f"--phi does not enter --alternative {alternative}"


def _horizon(scenario: "Scenario") -> int:
    return scenario.calibration.cycles if scenario.calibration else HORIZON_CYCLES


def _early_cycles(scenario: "Scenario", question: Question) -> int:
    if question.early_cycles is not None:
        return question.early_cycles
    return scenario.calibration.early_cycles if scenario.calibration else EARLY_CYCLES


def _course(scenario: "Scenario", question: Question) -> "Course":
    from sim.exposure_response.discontinuation import Course, other_exit_of_median_stay

    if question.other_exit is not None:
        other_exit = question.other_exit
    elif question.median_stay is None and scenario.calibration is not None:
        other_exit = scenario.calibration.other_exit_per_cycle
    else:
        other_exit = other_exit_of_median_stay(question.median_stay or MEDIAN_STAY)
    reference = scenario.exposure_response.reference_cycles
    return Course(other_exit, _horizon(scenario), _early_cycles(scenario, question), reference)


def _exposures(scenario: "Scenario", question: Question) -> "tuple[Exposures, str]":
    """Return the exposures of the reference dose or mix, and how to call it."""
    from sim.cli.er_calibrate_tables import design_exposures
    from sim.plan.risk import auc_per_mg
    from sim.recalibration import reference_exposures

    pk = scenario.pharmacokinetics
    typical = auc_per_mg(scenario) * pk.exposure_multiplier / pk.cl_f_l_per_h
    if question.design:
        bsa = scenario.population.bsa_m2
        area = MEAN_BSA_M2 if bsa is None else bsa.mean
        text = f"phase 1 mix of doses (Table 1, 44 patients, {area:g} m2)"
        return design_exposures(typical, pk.cl_f_sd_log, area), text
    stated = scenario.calibration
    dose = question.dose_mg
    if dose is None:
        dose = stated.dose_mg if stated else scenario.posology.reference_dose_mg
    source = "" if question.dose_mg is not None else " (the scenario's reference, ASSUMED)"
    return reference_exposures(scenario, dose), f"{dose:g} mg{source}"
