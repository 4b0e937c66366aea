"""What every table of a scenario file has in common.

A noun is one table: frozen, no unknown keys, no text where a number belongs, no NaN.
Tables that hold numbers say where these come from in `source`: one text for the whole
table, or one text per key.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ASSUMED = "ASSUMED"

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
OpenProbability = Annotated[float, Field(gt=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0, le=1e9)]
NotNegative = Annotated[float, Field(ge=0.0, le=1e9)]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Cycle = Annotated[int, Field(ge=1, le=63)]
Days = Annotated[int, Field(ge=1, le=10_000)]
Grade = Annotated[int, Field(ge=1, le=5)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
Text = Annotated[str, Field(max_length=2_000, pattern=r"^([^=+\-@\t\r]|$)")]
Source = Annotated[
    Text | dict[str, Text] | None,
    Field(
        default=None,
        description=f"Where the numbers of this table come from, or the word {ASSUMED}; "
        "one text, or one text per key.",
    ),
]


class Noun(BaseModel):
    """A table of the scenario file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True
    )


class SourcedNoun(Noun):
    """A table whose numbers have a source."""

    source: Source
