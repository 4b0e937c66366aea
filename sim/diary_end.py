"""The first and the last lines of a diary: who the patient is, how treatment ended, totals."""

from sim.codes import Action, Ask, Cause, Route, label
from sim.diary_course import Course
from sim.sentences import count_of, listing, number, percent, raises_dose

ROUTES = {
    Route.EVENT: "an adverse event",
    Route.GRADE: "the grade of an adverse event",
    Route.MAX_DELAY: "a cycle start that waited too long",
    Route.MAX_HOLD: "a hold that lasted too long",
    Route.BELOW_LOWEST: "a reduction below the lowest level",
    Route.MAX_REDUCTIONS: "one reduction too many",
}


def header_lines(course: Course) -> list[str]:
    """The patient, the exposure at every level, and that dates are nominal."""
    plan, (cl_f, bsa, frailty) = course.plan, course.histories.latents[0].tolist()
    typical = plan.scenario.pharmacokinetics.cl_f_l_per_h
    per_mg = float(plan.record.auc_per_mg) * bsa / cl_f
    auc = [f"{per_mg * level:.0f} at {number(level)}" for level in plan.scenario.posology.levels_mg]
    lines = [
        f"Patient {course.patient} of {plan.scenario.name}, seed {plan.seed}.",
        f"CL/F {cl_f:.2f} L/h, {cl_f / typical:.2f} times the typical patient's; AUC per day "
        f"{listing(auc)} {plan.names.unit} [ng*h/mL per day].",
    ]
    if plan.names.unit == "mg/m2":
        lines.append(f"Body surface area {bsa:.2f} m2.")
    if plan.scenario.exposure_response.frailty_variance > 0.0:
        lines.append(f"Frailty {frailty:.2f}: the factor on every hazard of an adverse event.")
    lines.append(
        f"C4D15 is day 15 of cycle 4; study day 1 is the first dose. Dates are nominal, with day 1 "
        f"on {course.labels.date(1)}. Lines with > say which change would have changed a "
        "decision: of an adverse event, tried by running the patient again with the same luck; of "
        "a dose or a delay, tried on what the rule knew."
    )
    return lines


def end_lines(course: Course) -> list[str]:
    """How treatment ended, and the totals."""
    return [_ended(course), *_totals(course), _asked(course)]


def _ended(course: Course) -> str:
    end, labels = course.end, course.labels
    cause = Cause(end["cause"])
    when = labels.long(end["day"])
    if cause == Cause.COMPLETED:
        return f"Treatment is completed on {when}, after {count_of(end['last_cycle'], 'cycle')}."
    if cause != Cause.ADVERSE_EVENT:
        return f"Treatment ends on {when}: {label(cause)}, drawn, not decided by a rule."
    rule = f" ({course.plan.names.rules[end['rule']]})" if end["rule"] >= 0 else ""
    return f"Treatment ends on {when}: adverse event, by {ROUTES[Route(end['route'])]}{rule}."


def _totals(course: Course) -> list[str]:
    posology, out = course.plan.scenario.posology, course.outcome
    given = sum(row["given"] for row in course.replay.doses)
    withheld = len(course.replay.doses) - given
    reference = posology.reference_dose_mg * len(posology.dose_days)
    mg = float(out["given_ug"]) / 1000.0
    cycles_on = course.last_day / posology.cycle_length_days
    planned = percent(mg / (reference * posology.max_cycles))
    on_treatment = percent(mg / (reference * cycles_on)) if cycles_on > 0 else "0 %"
    return [
        f"In all {count_of(course.end['last_cycle'], 'cycle')}, {count_of(given, 'dose')} given "
        f"and {withheld} withheld, {number(float(out['given_mg']))} mg; relative dose intensity "
        f"{planned} of the planned course at {number(posology.reference_dose_mg)} "
        f"{posology.unit}, {on_treatment} while on treatment; AUC averaged over treatment "
        f"{float(out['auc_per_day']):.0f} ng*h/mL per day.",
        _changes(course),
    ]


def _changes(course: Course) -> str:
    words = {"hold": "hold", "delay": "delay", "reduction": "reduction", "increase": "increase"}
    counts = [
        count_of(sum(act.what == what for act in course.acts), word)
        for what, word in words.items()
        if any(act.what == what for act in course.acts)
    ]
    return f"Changes to the plan: {listing(counts) if counts else 'none'}."


def _asked(course: Course) -> str:
    asks = [asked for asked in course.asks if asked.ask != Ask.UNTIL]
    acted = sum(asked.won for asked in asks)
    raised = sum(asked.won and asked.action == Action.UP for asked in asks)
    rises = sum(raises_dose(asked.rule) for asked in asks)
    text = f"Rules were asked {count_of(len(asks), 'time')} and acted {count_of(acted, 'time')}"
    if rises:
        text += (
            f"; those that raise the dose were asked {count_of(rises, 'time')} and acted "
            f"{count_of(raised, 'time')}"
        )
    return f"{text}. Whatever was asked and changed nothing is not told one by one."
