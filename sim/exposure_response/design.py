"""What a phase 1 design can tell about a logistic model when its individual data are unpublished.

Design -> law of AUC/day -> expected information -> covariance (`reference/methods.md` 1.4).
The expectation over body surface area and CL/F is by quadrature over the density of their
product, not by simulation.

Intercept and slope are strongly correlated. At the pivot x0 = -cov(intercept, slope) /
var(slope) the logit is uncorrelated with the slope, so that eta(x0) and the slope can be
stored and drawn one by one: intercept = eta(x0) - slope * x0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from sim.errors import DataError, LimitError, Problem, quoted
from sim.exposure_response.table import Coefficients, pole_distance

Floats = NDArray[np.float64]
Z_95 = 1.959963984540054
PATIENTS_AT_MOST = 10_000
# A normal law this narrow gives no area of 0 or less in any draw of this program.
BSA_MEAN_IN_SD_AT_LEAST = 8.0
# Likewise in the quadrature: 8 SD below the mean lies less than 1e-15 of the law.
BSA_REACH_SD = 7.9
CL_F_REACH_SD = 9.0
# Within the narrower law; its density is convolved with that of the wider one.
NARROW_STEP_SD = 0.2
# The trapezoidal rule errs by about exp(-2 pi distance to the nearest pole / step).
EXPONENT = 30.0
EXPOSURES_AT_MOST = 50_000
CL_F_L_PER_H = (1e-3, 1e5)
BSA_M2 = (0.1, 10.0)
DOSE_LIMITS = (1e-6, 1e6)
CYCLE_DAYS_AT_MOST = 10_000
PAPER_LEVELS = "0.48:1,0.80:3,1.20:2,1.68:4,2.23:3,2.97:26,3.95:5"


@dataclass(frozen=True)
class DoseGroup:
    """Patients on one dose, in mg/m2 or mg."""

    dose: float
    patients: int


@dataclass(frozen=True)
class Design:
    """Dose groups and the laws behind their exposures.

    CL/F is log-normal [L/h, SD of the log]; body surface area normal [m2], None where the
    doses are in mg; doses are given on dose_days of every cycle.
    """

    groups: tuple[DoseGroup, ...]
    cl_f_l_per_h: float
    cl_f_sd_log: float
    bsa_mean_m2: float | None = 1.97
    bsa_sd_m2: float = 0.24
    dose_days: tuple[int, ...] = (1, 8, 15)
    cycle_days: int = 28

    @property
    def patients(self) -> int:
        """Number of patients."""
        return sum(group.patients for group in self.groups)

    @property
    def auc_per_day_per_mg(self) -> float:
        """AUC/day per mg of the typical patient: 1000 * doses / (cycle days * CL/F)."""
        return 1000.0 * len(self.dose_days) / (self.cycle_days * self.cl_f_l_per_h)

    def exposure_range(self, share: float = 0.9) -> tuple[float, float]:
        """Return AUC/day [ng*h/mL per day] between which a share of the patients is expected.

        From the levels' typical exposures and the log-normal CL/F, by bisection of their mixture;
        body surface area adds little and is left out.
        """
        area = self.bsa_mean_m2 if self.bsa_mean_m2 is not None else 1.0
        typical = np.log(np.maximum(self.doses * area * self.auc_per_day_per_mg, 1e-9))
        spread = max(self.cl_f_sd_log, 1e-9)
        ends = []
        for tail in (0.5 * (1.0 - share), 0.5 * (1.0 + share)):
            low, high = float(typical.min()) - 9.0 * spread, float(typical.max()) + 9.0 * spread
            for _ in range(100):
                middle = 0.5 * (low + high)
                is_below = float(ndtr((middle - typical) / spread).mean()) < tail
                low, high = (middle, high) if is_below else (low, middle)
            ends.append(math.exp(low))
        return ends[0], ends[1]

    @property
    def doses(self) -> Floats:
        """Dose of every patient, group by group."""
        doses = [group.dose for group in self.groups]
        return np.repeat(doses, [group.patients for group in self.groups])


@dataclass(frozen=True)
class SamplingLaw:
    """What maximum likelihood would estimate from the design, to first order.

    covariance is that of (intercept, slope); expected_events the number among the patients.
    """

    coefficients: Coefficients
    covariance: Floats
    expected_events: float

    @property
    def covariance_entries(self) -> tuple[float, float, float]:
        """Variance of the intercept, covariance, variance of the slope."""
        v = self.covariance
        return float(v[0, 0]), float(v[0, 1]), float(v[1, 1])

    @property
    def pivot(self) -> float:
        """AUC/day x0 at which logit P and the slope are uncorrelated."""
        return float(-self.covariance[0, 1] / self.covariance[1, 1])

    @property
    def eta_at_pivot(self) -> float:
        """Logit of P at the pivot."""
        return self.coefficients.intercept + self.coefficients.slope * self.pivot

    @property
    def se_eta(self) -> float:
        """Standard error of the logit at the pivot, the smallest there is."""
        v = self.covariance
        return float(np.sqrt(v[0, 0] - v[0, 1] ** 2 / v[1, 1]))

    @property
    def se_slope(self) -> float:
        """Standard error of the slope."""
        return float(np.sqrt(self.covariance[1, 1]))

    @property
    def z(self) -> float:
        """Slope divided by its standard error."""
        return self.coefficients.slope / self.se_slope

    def probability_interval(
        self, auc_per_day: float, level: float = 0.95
    ) -> tuple[float, float, float]:
        """Return P at an exposure with its Wald interval on the logit: (P, low, high)."""
        x = np.array([1.0, auc_per_day])
        eta = self.coefficients.intercept + self.coefficients.slope * auc_per_day
        margin = -float(ndtri(0.5 * (1.0 - level))) * float(np.sqrt(x @ self.covariance @ x))
        return float(expit(eta)), float(expit(eta - margin)), float(expit(eta + margin))


def paper_design(cl_f_l_per_h: float = 1.86 / 0.58, cl_f_sd_log: float = 0.391) -> Design:
    """Return the phase 1 study behind the paper: Table 1, doses on days 1, 8, 15 of 28.

    Source: doi:10.1007/s10637-016-0346-7; CL/F doi:10.1007/s40262-017-0526-4.
    """
    return Design(dose_groups(PAPER_LEVELS), cl_f_l_per_h, cl_f_sd_log)


def dose_groups(text: str, option: str = "--levels") -> tuple[DoseGroup, ...]:
    """Read "DOSE:PATIENTS,DOSE:PATIENTS,..."; raise DataError with every fault found.

    option is where the text was typed.
    """
    groups, faults = [], []
    for part in text.split(","):
        dose_text, colon, patients_text = part.strip().partition(":")
        try:
            dose, patients = float(dose_text), int(patients_text)
        except ValueError:
            shown = quoted(part.strip())
            found = f"{shown} is not a dose and a number of patients"
            faults.append(found if colon else f"{shown} has no colon")
            continue
        if not (dose == 0.0 or DOSE_LIMITS[0] <= dose <= DOSE_LIMITS[1]):
            allowed = f"0 or from {DOSE_LIMITS[0]:g} to {DOSE_LIMITS[1]:g}"
            faults.append(f"dose {quoted(dose_text)} is not {allowed}")
        elif patients < 1:
            faults.append(f"{quoted(part.strip())} has no patients; at least 1")
        else:
            groups.append(DoseGroup(dose, patients))
    total = sum(group.patients for group in groups)
    if total > PATIENTS_AT_MOST:
        faults.append(f"{total} patients in all; at most {PATIENTS_AT_MOST}")
    if faults:
        hint = "write DOSE:PATIENTS,..., for example 0.48:1,0.80:3"
        raise DataError([_problem(option, fault, hint) for fault in faults])
    return tuple(groups)


def check_design(design: Design) -> None:
    """Raise DataError with everything about a design that cannot be."""
    faults = []
    low, high = CL_F_L_PER_H
    if not low <= design.cl_f_l_per_h <= high:
        found = f"CL/F of {design.cl_f_l_per_h:g} L/h"
        faults.append(("--cl-f", f"{found}; {low:g} to {high:g} is allowed"))
    if not 0.0 <= design.cl_f_sd_log <= 3.0:
        faults.append(("--sd-log", f"SD of log CL/F is {design.cl_f_sd_log:g}; 0 to 3 is allowed"))
    if not 1 <= design.cycle_days <= CYCLE_DAYS_AT_MOST:
        found = f"a cycle of {design.cycle_days} days"
        faults.append(("--cycle-days", f"{found}; 1 to {CYCLE_DAYS_AT_MOST} are allowed"))
    outside = [day for day in design.dose_days if not 1 <= day <= design.cycle_days]
    if outside or not design.dose_days or len(set(design.dose_days)) < len(design.dose_days):
        days = ",".join(map(str, design.dose_days)) or "none"
        limit = f"different days from 1 to {design.cycle_days} are allowed"
        faults.append(("--dose-days", f"dose days {days}; {limit}"))
    mean = design.bsa_mean_m2
    if mean is not None:
        allowed = mean / BSA_MEAN_IN_SD_AT_LEAST
        low, high = BSA_M2
        if not low <= mean <= high:
            found = f"mean body surface area of {mean:g} m2"
            faults.append(("--bsa", f"{found}; {low:g} to {high:g} is allowed"))
        elif not 0.0 <= design.bsa_sd_m2 <= allowed:
            found = f"SD of body surface area is {design.bsa_sd_m2:g} m2"
            faults.append(("--bsa", f"{found}; 0 to {allowed:.3g} (mean / 8) is allowed"))
    if faults:
        raise DataError([_problem(option, fault) for option, fault in faults])


def _problem(option: str, message: str, hint: str | None = None) -> Problem:
    return Problem(option, None, None, "E20", "error", message, hint)


def exposure_law(design: Design, coefficients: Coefficients | None = None) -> tuple[Floats, Floats]:
    """Return AUC/day at the quadrature nodes and their weights in patients (sum: all patients).

    The nodes are as fine as the two laws need, and with coefficients as fine as the steepness
    of P needs: expectations are then true to 1e-6 or better (tests/test_design.py). Raises
    LimitError for a line so steep that this takes too many nodes.
    """
    log_spread, weights = _spread_law(design, coefficients)
    doses = np.array([group.dose for group in design.groups])
    patients = np.array([group.patients for group in design.groups], np.float64)
    area = 1.0 if design.bsa_mean_m2 is None else design.bsa_mean_m2
    auc = design.auc_per_day_per_mg * area * doses[:, None] * np.exp(log_spread)
    return auc.ravel(), (patients[:, None] * weights).ravel()


def _spread_law(design: Design, coefficients: Coefficients | None) -> tuple[Floats, Floats]:
    """Return nodes and weights (sum 1) of the log of AUC/day over that of the typical patient.

    It is log(1 + c b) + s z with b and z standard normal, c the coefficient of variation of
    body surface area and s the SD of log CL/F; its density is an average of that of the wider
    term over the narrower one. Nodes reach s further up than down, for E[A^2] peaks there.
    """
    s = design.cl_f_sd_log
    c = 0.0 if design.bsa_mean_m2 is None else design.bsa_sd_m2 / design.bsa_mean_m2
    if s == 0.0 and c == 0.0:
        return np.zeros(1), np.ones(1)
    low = math.log1p(-BSA_REACH_SD * c) - CL_F_REACH_SD * s
    high = math.log1p(BSA_REACH_SD * c) + (CL_F_REACH_SD + 2.0 * s) * s
    step = math.hypot(s, c) / 4.0
    if coefficients is not None:
        step = min(step, 2.0 * math.pi * pole_distance(coefficients) / EXPONENT)
    count = math.ceil((high - low) / step) + 1
    if count > EXPOSURES_AT_MOST:
        raise LimitError(
            "the line is so steep that the design can say nothing certain about its slope: "
            f"intercept {coefficients.intercept if coefficients else 0.0:.4g}"
        )
    nodes = np.linspace(low, high, count)
    density = np.zeros(count)
    reach = BSA_REACH_SD if s > c else CL_F_REACH_SD
    for at in np.arange(-reach, reach + 0.5 * NARROW_STEP_SD, NARROW_STEP_SD):
        by = math.exp(-0.5 * at**2)
        if s > c:
            density += by * np.exp(-0.5 * ((nodes - math.log1p(c * at)) / s) ** 2)
        else:
            relative = np.exp(nodes - s * at)
            density += by * relative * np.exp(-0.5 * ((relative - 1.0) / c) ** 2)
    return nodes, density / density.sum()


def exposure_moments(design: Design) -> tuple[float, float]:
    """Return mean and SD of AUC/day over the patients of the design."""
    auc, weight = exposure_law(design)
    mean = float(weight @ auc) / design.patients
    return mean, math.sqrt(float(weight @ (auc - mean) ** 2) / design.patients)


def expected_information(design: Design, coefficients: Coefficients) -> Floats:
    """Return E sum_i P_i (1 - P_i) [1 A_i; A_i A_i^2], shape (2, 2)."""
    return _information(*exposure_law(design, coefficients), coefficients)


def _information(auc: Floats, weight: Floats, coefficients: Coefficients) -> Floats:
    p = expit(coefficients.intercept + coefficients.slope * auc)
    w = weight * p * (1.0 - p)
    mixed = float(w @ auc)
    return np.array([[float(w.sum()), mixed], [mixed, float(w @ auc**2)]])


def sampling_law(design: Design, coefficients: Coefficients) -> SamplingLaw:
    """Return the law of the estimates that the design would give if these were the truth.

    Raises LimitError where all patients have one exposure, no event is to be expected, or the
    line is a step.
    """
    auc, weight = exposure_law(design, coefficients)
    information = _information(auc, weight, coefficients)
    inner = information[0, 0] * information[1, 1] - information[0, 1] ** 2
    if not inner > 1e-12 * information[0, 0] * information[1, 1]:
        raise LimitError(
            "the design says nothing about the slope: all its patients have one exposure, or "
            "the event is certain or impossible in all"
        )
    p = expit(coefficients.intercept + coefficients.slope * auc)
    return SamplingLaw(
        coefficients, np.asarray(np.linalg.inv(information), np.float64), float(weight @ p)
    )


def change_slope(law: SamplingLaw, factor: float) -> Coefficients:
    """Return the model with its slope multiplied and its logit kept at the pivot.

    Shrinkage divides by the mean excess of estimates that were reported for p < 0.05
    (methods 1.4); the multiplier answers for the exposure metric (methods 1.5 item 3).
    """
    slope = law.coefficients.slope * factor
    return Coefficients(law.eta_at_pivot - slope * law.pivot, slope)


def without_slope(design: Design, law: SamplingLaw) -> Coefficients:
    """Return the model without exposure-response that expects as many events."""
    share = law.expected_events / design.patients
    return Coefficients(math.log(share) - math.log1p(-share), 0.0)


def probability_intervals(
    law: SamplingLaw, design: Design, doses_mg: Sequence[float]
) -> dict[float, tuple[float, float, float]]:
    """Return P of the typical patient with its 95 % interval, by dose in mg."""
    per_mg = design.auc_per_day_per_mg
    return {dose: law.probability_interval(dose * per_mg) for dose in doses_mg}
