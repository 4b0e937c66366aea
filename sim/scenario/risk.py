"""What may happen to a patient: adverse events, benefit, exits.

And how the risk of a course spreads over its cycles.
"""

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.noun import (
    Cycle,
    Days,
    Grade,
    Name,
    NotNegative,
    Noun,
    Number,
    OpenProbability,
    Positive,
    Probability,
    SourcedNoun,
    Text,
)
from sim.scenario.uncertainty import CoefficientUncertainty

AdverseEventClass = Literal["hematologic", "non_hematologic"]
Recurrence = Literal["after_recovery", "next_cycle", "never"]
ExposureRange = tuple[NotNegative, NotNegative] | None
FittedModelName = Annotated[str, Field(max_length=300)] | None
ProbabilityByDose = Annotated[dict[str, OpenProbability], Field(min_length=2, max_length=12)]


class PiecewiseWeights(Noun):
    """Share `early_share` of the course's hazard in the first `early_cycles` cycles."""

    law: Literal["piecewise"]
    early_cycles: Cycle = 4
    early_share: OpenProbability = 0.76


class ConstantWeights(Noun):
    """The same hazard every cycle."""

    law: Literal["constant"]


class WeibullWeights(Noun):
    """W(t) = (t / T)^shape."""

    law: Literal["weibull"]
    shape: Annotated[float, Field(gt=0.0, le=20.0)]


class ExponentialWeights(Noun):
    """W(t) = (1 - exp(-rate t)) / (1 - exp(-rate T))."""

    law: Literal["exponential"]
    rate_per_cycle: Annotated[float, Field(gt=0.0, le=20.0)]


Weights = Annotated[
    PiecewiseWeights | ConstantWeights | WeibullWeights | ExponentialWeights,
    Field(discriminator="law"),
]


class ExposureResponse(SourcedNoun):
    """How a course probability becomes a probability in this cycle (MODEL section 5)."""

    reference_cycles: Cycle = Field(12, description="Length of the reference course, T_ref.")
    weights: Weights = Field(
        PiecewiseWeights(law="piecewise"), description="How the course's hazard spreads over it."
    )
    after_reference: Literal["held", "halved", "zero"] = Field(
        "held", description="The last weight after the reference course: a structural choice."
    )
    clock: Literal["increment", "start", "reset"] = Field(
        "increment", description="What a dose increase does to the clock of the drug hazard."
    )
    recurrence: Recurrence = Field(
        "after_recovery", description="When a kind may occur again; a kind may override it."
    )
    frailty_variance: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.0, description="Variance of the gamma frailty shared by all adverse events."
    )
    reading: Literal["typical", "mean", "population"] = Field(
        "typical", description="What exposure a published probability belongs to: T, M or A."
    )
    table_source_range_mg: tuple[float, float] | None = Field(
        None, description="Doses that the published probabilities were estimated on."
    )


class UniformOnset(Noun):
    """Any day of the cycle alike."""

    law: Literal["uniform"]


class TriangularOnset(Noun):
    """Rising to the peak day and falling after it, zero outside the range."""

    law: Literal["triangular"]
    from_day: Annotated[int, Field(ge=1, le=126)]
    peak_day: Annotated[float, Field(ge=1, le=126)]
    to_day: Annotated[int, Field(ge=1, le=126)]


class DiscreteOnset(Noun):
    """Named days with their probabilities."""

    law: Literal["discrete"]
    days: Annotated[tuple[Annotated[int, Field(ge=1, le=126)], ...], Field(min_length=1)]
    probabilities: Annotated[tuple[Probability, ...], Field(min_length=1)]


Onset = Annotated[UniformOnset | TriangularOnset | DiscreteOnset, Field(discriminator="law")]


class LogNormalDuration(Noun):
    """Median days to recovery and the standard deviation of the log."""

    law: Literal["log_normal"]
    grade: Grade | None = Field(None, description="Applies from this grade on; default all.")
    median_days: Annotated[float, Field(gt=0.0, le=10_000)]
    sd_log: Annotated[float, Field(ge=0.0, le=3.0)]


class FixedDuration(Noun):
    """Always this many days."""

    law: Literal["fixed"]
    grade: Grade | None = Field(None, description="Applies from this grade on; default all.")
    days: Days


class CycleDuration(Noun):
    """Ends on the last day of the cycle."""

    law: Literal["to_end_of_cycle"]
    grade: Grade | None = Field(None, description="Applies from this grade on; default all.")


Duration = Annotated[LogNormalDuration | FixedDuration | CycleDuration, Field(discriminator="law")]


class AdverseEvent(SourcedNoun):
    """One kind of adverse event, counted from its counting grade on."""

    name: Name
    label: Text = Field("", description="Display text; default the name.")
    ae_class: AdverseEventClass = Field(alias="class")
    counting_grade: Grade = Field(description="Lowest CTCAE grade that counts as the event.")
    probability_by_dose_mg: ProbabilityByDose | None = Field(
        None, description="Published course probabilities by dose; two are solved exactly."
    )
    intercept: Number | None = Field(None, description="Log-odds at zero exposure.")
    slope_per_auc_per_day: Number | None = Field(None, description="Log-odds per ng*h/mL per day.")
    fitted_model: FittedModelName = Field(
        None,
        description='"FILE.toml" or "FILE.toml#NAME": take intercept, slope and their uncertainty '
        "from a model file in the scenario's folder.",
    )
    uncertainty: CoefficientUncertainty | None = Field(
        None, description="Of intercept and slope; needs a slope."
    )
    exposure_range_auc_per_day: ExposureRange = Field(
        None, description="Exposures that intercept and slope were estimated on."
    )
    probability: OpenProbability | None = Field(
        None, description="Course probability without a slope, the same at every dose above 0."
    )
    drug_share: Probability | None = Field(
        None, description="Share of the hazard that is the drug's; removed at dose 0."
    )
    background_probability: Annotated[float, Field(ge=0.0, lt=1.0)] | None = Field(
        None, description="Course probability without drug, instead of the intercept's."
    )
    setting_multiplier: Annotated[float, Field(ge=0.0, le=100.0)] = Field(
        1.0, description="Multiplies the hazard; 1 keeps the published probabilities."
    )
    recurrence: Recurrence | None = Field(None, description="Overrides the scenario's choice.")
    grade_shares: dict[str, Probability] = Field(
        {}, description="P(grade >= g given the event) for g above the counting grade."
    )
    onset: Onset = Field(UniformOnset(law="uniform"), description="Day of onset in the cycle.")
    duration: Annotated[tuple[Duration, ...], Field(min_length=1, max_length=5)] = Field(
        description="How long it lasts, by grade."
    )
    sensitivity: Probability = Field(1.0, description="P(called related | caused by the drug).")
    false_positive_rate: Probability = Field(
        0.5, description="P(called related | not caused by the drug)."
    )


class ClinicalBenefit(SourcedNoun):
    """Exposure-response of benefit; a relapsed-disease response index, never PFS."""

    label: Text = "stable disease or better, relapsed-disease response index"
    probability_by_dose_mg: ProbabilityByDose | None = Field(
        None, description="Published probabilities by dose; two are solved exactly."
    )
    intercept: Number | None = Field(None, description="Log-odds at zero exposure.")
    slope_per_auc_per_day: Number | None = Field(None, description="Log-odds per ng*h/mL per day.")
    fitted_model: FittedModelName = Field(
        None, description="As for an adverse event; NAME defaults to clinical_benefit."
    )
    uncertainty: CoefficientUncertainty | None = Field(None, description="Of intercept and slope.")
    exposure_range_auc_per_day: ExposureRange = Field(
        None, description="Exposures that intercept and slope were estimated on."
    )
    window_days: Days = Field(336, description="Window over which AUC/day is averaged.")


class Exit(SourcedNoun):
    """A reason to leave treatment that the rules do not decide."""

    cause: Literal["progression", "withdrawal", "death", "other"]
    probability_per_cycle: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        description="Probability in a cycle of nominal length (the first, for a Weibull law)."
    )
    shape: Positive = Field(1.0, description="Weibull shape of the hazard over days; 1 constant.")
    log_hazard_per_auc_per_day: Number = Field(
        0.0, description="gamma in exp(gamma (A - A_ref)); A_ref is at the reference dose."
    )
    before_ae: bool = Field(
        False, description="Assessed on day 1 before the cycle's adverse events, not at its end."
    )
