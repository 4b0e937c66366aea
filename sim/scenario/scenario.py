"""The whole scenario: one frozen object, every default written out."""

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.noun import Name, Noun, Text
from sim.scenario.policy import Calibration, Policy, Rule
from sim.scenario.posology import Outcomes, Pharmacokinetics, Population, Posology
from sim.scenario.risk import AdverseEvent, ClinicalBenefit, Exit, ExposureResponse
from sim.scenario.uncertainty import Uncertainty

FORMAT = 1


class Scenario(Noun):
    """One study of one posology in one kind of patient."""

    format: Literal[1] = Field(description="Version of this file format.")
    name: Name = Field(description="Short name, used in tables and folders.")
    title: Text = Field(description="One line for people.")
    drug: Name
    extends: str | None = Field(None, description="A scenario this one changes.")
    notes: Annotated[tuple[Text, ...], Field(max_length=40)] = Field(
        (), description="Believability, limits and readings, printed by explain and in results."
    )
    posology: Posology
    pharmacokinetics: Pharmacokinetics
    population: Population = Population(source=None)
    exposure_response: ExposureResponse = ExposureResponse(source=None)
    adverse_event: Annotated[tuple[AdverseEvent, ...], Field(max_length=12)] = ()
    clinical_benefit: ClinicalBenefit | None = None
    exit: Annotated[tuple[Exit, ...], Field(max_length=6)] = ()
    policy: Policy = Policy(source=None)
    rule: Annotated[tuple[Rule, ...], Field(max_length=32)] = ()
    calibration: Calibration | None = None
    uncertainty: Uncertainty | None = None
    outcomes: Outcomes = Outcomes(source=None)
