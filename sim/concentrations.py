"""One simulated patient's concentrations: the dose ledger, the profile, and AUC/day by cycle.

The simulator's risk looks at a nominal axis: AUC/day at steady state of the level decided on
day 1 of the cycle (docs/model.md). Here it stands beside the AUC/day of the doses that were
really given. The profile takes nothing back into the simulation.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sim.engines.run import record
from sim.errors import LimitError
from sim.histories import Histories, dose_frame
from sim.model.draws import MAX_PATIENTS
from sim.pharmacokinetics.disposition import (
    HOURS_PER_DAY,
    Carrier,
    Floats,
    Kinetics,
    check_rates,
    typical,
)
from sim.pharmacokinetics.individuals import Individual
from sim.pharmacokinetics.parameter_table import printable
from sim.pharmacokinetics.profile import (
    Ledger,
    auc_between,
    concentration,
    cumulative_auc,
    peaks_between,
)
from sim.plan.plan import Plan

# Hours after a dose at which a profile is written: dense while it changes fast.
SAMPLED_HOURS = (
    0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0, 24.0, 36.0, 48.0, 72.0,
    96.0, 120.0, 144.0,
)  # fmt: skip
AFTER_END_DAYS = 28
BSA_DRUG = "ixazomib"


@dataclass(frozen=True)
class PatientProfile:
    """One patient's doses and concentrations.

    Attributes
    ----------
    doses
        One row per planned dose: cycle, day of the cycle, given or withheld and by which rule.
    cycles
        One row per started cycle: nominal and concentration-based AUC/day, Cmax, Tmax, Ctrough.
    concentrations
        Concentration [ng/mL] and cumulative AUC [ng*h/mL] by hour.
    """

    plan: Plan
    patient: int
    individual: str | None
    has_own_set: bool
    cl_f_l_per_h: float
    bsa_m2: float | None
    kinetics: Kinetics
    ledger: Ledger
    last_day: int
    doses: pd.DataFrame
    cycles: pd.DataFrame
    concentrations: pd.DataFrame

    @property
    def accumulation(self) -> tuple[float, float, float] | None:
        """AUC over one dosing interval after the first and after the last dose of a cycle.

        Of a dose of the first level that was given, in the first cycle with every dose given;
        hours of the interval, the two AUC per dose [ng*h/mL]; None with one dose a cycle.
        """
        days = self.plan.scenario.posology.dose_days
        if len(days) < 2:
            return None
        hours = HOURS_PER_DAY * min(np.diff(days))
        given = self.ledger.mg[self.ledger.mg > 0.0]
        planned = Ledger(np.array(days, dtype=float), np.full(len(days), given[0]))
        starts = planned.hours[[0, -1]]
        first, last = (
            float(auc_between(self.kinetics, planned, [start, start + hours])[0])
            for start in starts
        )
        return float(hours), first, last


def patient_profile(
    plan: Plan,
    patient: int,
    carrier: Carrier = "bioavailability",
    individual: Individual | None = None,
) -> PatientProfile:
    """Simulate one patient and return the concentrations over the doses given.

    Volumes and absorption are the typical patient's, scaled to the simulated CL/F; with an
    individual of a file they are the individual's. Raises LimitError when the scenario has no
    three compartments, its rates are no patient's, there is no such patient, or the patient got
    no drug.
    """
    if not 0 <= patient < MAX_PATIENTS:
        raise LimitError(
            f"patient is {patient}; patients are numbered from 0 to {MAX_PATIENTS - 1}"
        )
    histories, _ = record(plan, patient, 1, threads=1)
    cl_f, area = (float(value) for value in histories.latents[0, :2])
    bsa = area if plan.names.unit == "mg/m2" else None
    kinetics = kinetics_of(plan, cl_f, bsa, carrier, individual)
    check_rates(kinetics)
    doses = _doses(plan, histories, area)
    ledger = _ledger(doses)
    if not (ledger.mg > 0.0).any():
        raise LimitError(
            f"patient {patient} of {plan.scenario.name} was given no drug, "
            f"{_why_no_drug(plan)}; there are no concentrations to show"
        )
    last_day = int(histories.disposition[0, 2])
    return PatientProfile(
        plan,
        patient,
        None if individual is None else individual.id,
        individual is not None and individual.kinetics is not None,
        kinetics.cl_f_l_per_h,
        bsa,
        kinetics,
        ledger,
        last_day,
        doses,
        _cycles(plan, doses, kinetics, ledger, area),
        _concentrations(kinetics, ledger, doses, last_day),
    )


def kinetics_of(
    plan: Plan, cl_f: float, bsa: float | None, carrier: Carrier, individual: Individual | None
) -> Kinetics:
    """Return the parameters of a simulated patient, or those of an individual of a file.

    Raises LimitError when the scenario has no three-compartment parameters to start from.
    """
    if individual is not None and individual.kinetics is not None:
        return individual.kinetics
    parameters = plan.scenario.pharmacokinetics.three_compartments
    if parameters is None:
        raise LimitError(
            f"{plan.scenario.name} has no [pharmacokinetics.three_compartments], so that it has "
            "AUC but no concentrations; add the table (ixazomib-maintenance has one) or give "
            "--parameters with full sets"
        )
    start = typical(parameters)
    if bsa is not None and _is_bsa_drug(plan):
        start = start.at_bsa(bsa)
    return start.with_cl_f(cl_f if individual is None else individual.cl_f_l_per_h, carrier)


def _is_bsa_drug(plan: Plan) -> bool:
    """Whether the published effect of body surface area on V4 is this drug's."""
    return plan.scenario.drug.lower() == BSA_DRUG


def _why_no_drug(plan: Plan) -> str:
    if plan.scenario.pharmacokinetics.exposure_multiplier == 0.0:
        return "exposure_multiplier is 0 (placebo)"
    if plan.scenario.posology.levels_mg[-1] == 0.0:
        return "every dose level is 0"
    return "every dose was withheld"


def _doses(plan: Plan, histories: Histories, area: float) -> pd.DataFrame:
    """One row per planned dose; drug_mg is what reached the patient, 0 for placebo."""
    frame = dose_frame(histories)
    days = np.array(plan.scenario.posology.dose_days)
    multiplier = plan.scenario.pharmacokinetics.exposure_multiplier
    level = frame["level_mg"].to_numpy(dtype=float)
    return pd.DataFrame(
        {
            "cycle": frame["cycle"],
            "day": frame["day"],
            "day_of_cycle": days[frame["dose"].to_numpy() - 1],
            "level": level,
            "given": frame["given"],
            "drug_mg": np.where(frame["given"], level * area * multiplier, 0.0),
            "withheld_by_rule": frame["withheld_by_rule"].astype(object).fillna(""),
        }
    )


def _ledger(doses: pd.DataFrame) -> Ledger:
    given = doses[doses["given"]]
    return Ledger(given["day"].to_numpy(dtype=float), given["drug_mg"].to_numpy(dtype=float))


def _starts(plan: Plan, doses: pd.DataFrame) -> tuple[pd.DataFrame, Floats]:
    """Return the first planned dose of every started cycle, and the days on which cycles begin.

    The last one is given its planned length; earlier ones end where the next begins.
    """
    first = doses.groupby("cycle", sort=True).first().reset_index()
    begin = (first["day"] - first["day_of_cycle"] + 1).to_numpy(dtype=float)
    length = plan.scenario.posology.cycle_length_days
    return first, np.append(begin, begin[-1] + length)


def _cycles(
    plan: Plan, doses: pd.DataFrame, kinetics: Kinetics, ledger: Ledger, area: float
) -> pd.DataFrame:
    """One row per started cycle, from its day 1 to the next one's."""
    first, edges = _starts(plan, doses)
    hours = HOURS_PER_DAY * (edges - 1.0)
    days = np.diff(edges)
    given = doses[doses["given"]].groupby("cycle")
    cycles = first["cycle"]
    peaks = peaks_between(kinetics, ledger, hours)
    level = first["level"].to_numpy(dtype=float)
    nominal = float(plan.record.auc_per_mg) * area * level / kinetics.cl_f_l_per_h
    return pd.DataFrame(
        {
            "cycle": cycles,
            "start_day": edges[:-1].astype(int),
            "days": days.astype(int),
            "level": level,
            "doses_given": cycles.map(given.size()).fillna(0).astype(int),
            "drug_mg": cycles.map(given["drug_mg"].sum()).fillna(0.0),
            "nominal_auc_per_day": nominal,
            "risk_auc_per_day": _risk_axis(plan, nominal),
            "auc_per_day": auc_between(kinetics, ledger, hours) / days,
            "cmax_ng_per_ml": peaks.cmax_ng_per_ml,
            "tmax_day": 1.0 + peaks.tmax_hours / HOURS_PER_DAY,
            "tmax_h_after_dose": _since_dose(ledger, peaks.tmax_hours),
            "ctrough_ng_per_ml": concentration(kinetics, ledger, hours[1:]),
        }
    )


def _risk_axis(plan: Plan, nominal: Floats) -> Floats:
    """Return the AUC/day that the hazard of each cycle answers to (docs/model.md, Exposure)."""
    reach = int(plan.record.n_accumulation)
    if reach == 0:
        return nominal
    shares = np.asarray(plan.record.accumulation)[:reach]
    return np.convolve(nominal, shares)[: len(nominal)]


def _since_dose(ledger: Ledger, hours: Floats) -> Floats:
    """Return the hours since the last dose given before, NaN if there is none."""
    last = np.searchsorted(ledger.hours, hours, side="right") - 1
    since = hours - ledger.hours[np.maximum(last, 0)]
    return np.where(last >= 0, since, np.nan)


def _concentrations(
    kinetics: Kinetics, ledger: Ledger, doses: pd.DataFrame, last_day: int
) -> pd.DataFrame:
    """Samples after every planned dose and daily, to four weeks after the end of treatment."""
    end_day = max(last_day, int(ledger.day[-1])) + AFTER_END_DAYS
    planned = HOURS_PER_DAY * (doses["day"].to_numpy(dtype=float) - 1.0)
    daily = HOURS_PER_DAY * np.arange(end_day, dtype=float)
    hours = np.unique(np.concatenate([(planned[:, None] + SAMPLED_HOURS).ravel(), daily]))
    hours = hours[hours <= daily[-1]]
    return pd.DataFrame(
        {
            "day": 1.0 + hours / HOURS_PER_DAY,
            "hours": hours,
            "concentration_ng_per_ml": concentration(kinetics, ledger, hours),
            "cumulative_auc_ng_h_per_ml": cumulative_auc(kinetics, ledger, hours),
        }
    )


def assumptions(profile: PatientProfile, carrier: Carrier) -> tuple[str, ...]:
    """Return what the profile rests on, in sentences for a person."""
    lines = []
    if profile.individual is not None:
        lines.append(
            f"Concentrations are those of individual {printable(profile.individual)} of the file "
            f"over the doses of simulated patient {profile.patient}: that course answered to the "
            "simulated CL/F, nominal AUC/day is the individual's. A scenario takes the file's CL/F "
            "by the lines that --parameters alone prints, one by one with --sample."
        )
    if not profile.has_own_set:
        what = "bioavailability" if carrier == "bioavailability" else "clearance"
        whose = "simulated" if profile.individual is None else "individual's"
        lines.append(
            f"Volumes, exchanges and absorption are the typical patient's; the {whose} CL/F is "
            f"reached by {what} alone (ASSUMED; --varies chooses). AUC does not depend on that, "
            "the shape does."
        )
    if profile.kinetics.bioavailability > 1.0:
        relative = (
            "it is the file's."
            if profile.has_own_set
            else "it is relative to the typical clearance, and stands for a clearance below it too."
        )
        share = profile.kinetics.bioavailability
        lines.append(f"Bioavailability {share:.2f} is above 1: {relative}")
    if profile.bsa_m2 is not None:
        lines.append(_area_sentence(profile))
    lines.append(
        "Nominal AUC/day is the axis of the exposure-response model: the level of the cycle at "
        "steady state, whatever was withheld or delayed. AUC/day from concentrations runs from "
        "day 1 of the cycle to day 1 of the next, the last cycle over its planned length; doses "
        "are taken at the start of the day, without food, and no residual error is added."
    )
    return tuple(lines)


def _area_sentence(profile: PatientProfile) -> str:
    """Return what body surface area does in this profile."""
    if profile.has_own_set:
        return "Body surface area sets the dose; volumes and CL/F are the individual's own."
    if _is_bsa_drug(profile.plan):
        return (
            "Body surface area sets the dose and the volume of the third compartment (V4), not "
            "CL/F: doi:10.1007/s40262-017-0526-4."
        )
    return "Body surface area sets the dose alone."


def as_tables(profile: PatientProfile) -> dict[str, list[dict[str, Any]]]:
    """Return doses and cycles as rows of plain values, for JSON."""
    return {
        "doses": _records(profile.doses),
        "cycles": _records(profile.cycles),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values, missing ones as null."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows
