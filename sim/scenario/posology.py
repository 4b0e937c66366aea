"""How much drug, when, and to whom: posology, pharmacokinetics, population."""

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.noun import (
    Cycle,
    Days,
    NotNegative,
    Number,
    OpenProbability,
    Positive,
    SourcedNoun,
    Text,
)

DoseUnit = Literal["mg", "mg/m2"]


class Posology(SourcedNoun):
    """The dose levels, the start, the calendar of a cycle and the horizon."""

    unit: DoseUnit = Field("mg", description="Unit of every dose below.")
    levels_mg: Annotated[tuple[NotNegative, ...], Field(min_length=1, max_length=12)] = Field(
        description="The ladder of doses per administration, lowest first."
    )
    start_mg: NotNegative = Field(description="Dose of cycle 1; one of levels_mg.")
    reference_dose_mg: Positive = Field(
        description="Dose that relative dose intensity is measured against."
    )
    target_mg: NotNegative | None = Field(
        None,
        description="Level that counts as titration success; default the highest level when a "
        "rule can raise the dose, else start_mg.",
    )
    cycle_length_days: Annotated[int, Field(ge=1, le=126)] = Field(28, description="Cycle length.")
    dose_days: Annotated[
        tuple[Annotated[int, Field(ge=1, le=126)], ...], Field(min_length=1, max_length=28)
    ] = Field((1, 8, 15), description="Days of the cycle on which a dose is planned; from 1.")
    visit_days: (
        Annotated[tuple[Annotated[int, Field(ge=1, le=126)], ...], Field(max_length=28)] | None
    ) = Field(
        None,
        description="Days of the cycle on which rules are asked; default the dose days. "
        "Planned cycle starts and rechecks are always visits.",
    )
    max_cycles: Cycle = Field(26, description="Treatment ends after this many cycles.")
    max_days: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="No cycle starts after this day, counted from the first dose."
    )


class ThreeCompartments(SourcedNoun):
    """Typical oral three-compartment parameters, for exposure with accumulation."""

    absorption_per_h: Positive
    clearance_l_per_h: Positive
    bioavailability: OpenProbability
    central_volume_l: Positive
    intercompartmental_2_l_per_h: Positive
    peripheral_2_volume_l: Positive
    intercompartmental_3_l_per_h: Positive
    peripheral_3_volume_l: Positive


class Pharmacokinetics(SourcedNoun):
    """Clearance of the typical patient, its spread, and the exposure metric."""

    cl_f_l_per_h: Positive = Field(description="Apparent clearance CL/F of the typical patient.")
    cl_f_sd_log: Annotated[float, Field(ge=0.0, le=3.0)] = Field(
        description="Standard deviation of log CL/F between patients; 0 for none."
    )
    cl_f_individuals_l_per_h: (
        Annotated[tuple[Positive, ...], Field(min_length=2, max_length=4096)] | None
    ) = Field(
        None,
        description="Individual CL/F, for example the estimates of a population model: every "
        "patient has one of them, all alike, in place of the log-normal law.",
    )
    exposure: Literal["steady_state", "accumulation"] = Field(
        "steady_state",
        description="AUC/day of a cycle at steady state, or built up from earlier cycles.",
    )
    exposure_multiplier: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        1.0, description="0 is a blinded placebo: everything runs on capsule labels."
    )
    three_compartments: ThreeCompartments | None = None


class Spread(SourcedNoun):
    """A normal covariate cut to a range."""

    mean: Number
    sd: NotNegative
    low: Number
    high: Number


class Population(SourcedNoun):
    """Covariates of the virtual patients; body surface area matters for doses per m2."""

    bsa_m2: Spread | None = Field(None, description="Body surface area.")
    age_years: Spread | None = Field(None, description="Age, for reporting.")
    female_share: Annotated[float, Field(ge=0.0, le=1.0)] | None = Field(
        None, description="Share of women, for reporting."
    )
    description: Text = Field("", description="Who these patients are.")


class Outcomes(SourcedNoun):
    """What is reported; nothing here changes a dose."""

    titration_success_cycles: Annotated[tuple[Cycle, ...], Field(max_length=4)] = Field(
        (8, 12, 26), description="Cycles at which titration success is read."
    )
    delay_lengths_days: Annotated[tuple[Days, ...], Field(max_length=4)] = Field(
        (7, 14, 21), description="Delays longer than these are reported one by one."
    )
    count_adverse_events: Literal["to_stop", "to_30_days_after_last_dose"] = Field(
        "to_stop",
        description="AEs count to the stop day inclusive, or to 30 days after the last dose.",
    )
