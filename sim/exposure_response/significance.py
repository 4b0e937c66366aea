"""What z = slope / SE a design lets expect, along a path of models through a rounding box.

The path goes from the flattest to the steepest model that the printed digits allow, by way of
the model at the printed probabilities (`reference/methods.md` 1.5). z need not rise along it:
beyond some steepness the information falls faster than the slope rises.
"""

from collections.abc import Sequence

from sim.errors import LimitError
from sim.exposure_response.design import Z_95, Design, sampling_law
from sim.exposure_response.table import Coefficients

# On each half of a path.
PATH_STEPS = 24


def path_between(
    low: Coefficients | None, middle: Coefficients, high: Coefficients | None
) -> list[Coefficients]:
    """Return models on the way from one to another by way of a third, ends included.

    An end that is None is left out.
    """
    models = [middle]
    for end, is_before in ((low, True), (high, False)):
        if end is None:
            continue
        half = [_between(middle, end, part / PATH_STEPS) for part in range(1, PATH_STEPS)] + [end]
        models = half[::-1] + models if is_before else models + half
    return models


def _between(one: Coefficients, other: Coefficients, part: float) -> Coefficients:
    return Coefficients(
        one.intercept + part * (other.intercept - one.intercept),
        one.slope + part * (other.slope - one.slope),
    )


def scan_z(design: Design, path: Sequence[Coefficients]) -> list[float | None]:
    """Return slope / SE along a path of models; None where the design says nothing of a slope."""
    found: list[float | None] = []
    for model in path:
        try:
            found.append(sampling_law(design, model).z)
        except LimitError:
            found.append(None)
    return found


def slope_that_reaches(
    design: Design,
    path: Sequence[Coefficients],
    scan: Sequence[float | None],
    z: float = Z_95,
) -> float | None:
    """Return the slope from which on slope / SE is z or more along a path of models.

    scan is what scan_z found along it.
    None where it is below z all the way or nowhere, and where it is not first below and then
    above.
    """
    reached = [value is not None and value >= z for value in scan]
    first = reached.index(True) if True in reached else 0
    if first == 0 or None in scan or not all(reached[first:]):
        return None
    below, above = path[first - 1], path[first]
    for _ in range(50):
        middle = _between(below, above, 0.5)
        if sampling_law(design, middle).z < z:
            below = middle
        else:
            above = middle
    return above.slope
