"""What is not known for certain: the laws of parameters, drawn anew for every parameter draw.

Apart from the luck of patients and from structural choices, which are scenarios of their own.
"""

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.noun import NotNegative, Noun, Number, Positive, SourcedNoun

ParameterPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]+$", max_length=200)]


class CoefficientUncertainty(SourcedNoun):
    """Independent normal errors of the log-odds at a central exposure and of the slope."""

    center_auc_per_day: Number = Field(
        description="Exposure at which log-odds and slope are uncorrelated, -cov / var(slope)."
    )
    sd_logit: NotNegative = Field(description="Standard error of the log-odds there.")
    sd_slope: NotNegative = Field(description="Standard error of the slope.")


class UniformLaw(SourcedNoun):
    """Any value of a range alike."""

    law: Literal["uniform"]
    path: ParameterPath = Field(description="The number it is about, as after --set.")
    low: Number
    high: Number


class NormalLaw(SourcedNoun):
    """Normal around the scenario's value; what falls outside the limits is set to them."""

    law: Literal["normal"]
    path: ParameterPath = Field(description="The number it is about, as after --set.")
    sd: Positive
    low: Number | None = None
    high: Number | None = None


class LogNormalLaw(SourcedNoun):
    """The scenario's value times a log-normal factor; cut to the limits like the normal law."""

    law: Literal["log_normal"]
    path: ParameterPath = Field(description="The number it is about, as after --set.")
    sd_log: Annotated[float, Field(gt=0.0, le=5.0)] = Field(
        description="Standard deviation of the logarithm of the factor."
    )
    low: Number | None = None
    high: Number | None = None


class BetaLaw(SourcedNoun):
    """A probability known from a count: Beta(events + 1/2, others + 1/2)."""

    law: Literal["beta"]
    path: ParameterPath = Field(description="The number it is about, as after --set.")
    events: Annotated[int, Field(ge=0, le=10_000_000)] = Field(description="Those with it.")
    patients: Annotated[int, Field(ge=1, le=10_000_000)] = Field(description="Of so many.")


ParameterLaw = Annotated[
    UniformLaw | NormalLaw | LogNormalLaw | BetaLaw, Field(discriminator="law")
]


class Uncertainty(Noun):
    """Laws of single numbers, and whether the calibration is drawn and solved anew."""

    parameter: Annotated[tuple[ParameterLaw, ...], Field(max_length=64)] = Field(
        (), description="One law per number; numbers without one stay as they are."
    )
    calibration_counts: bool = Field(
        False,
        description="Draw the counts of [calibration] from their Beta laws and solve the "
        "multiplier, and the early share of piecewise weights, anew in every draw.",
    )
