"""What a cycle's events add to the look-backs of those whom no event stopped."""

from collections.abc import Callable

import numpy as np

from sim.exact.cycle import Risks
from sim.exact.nodes import Reals

# Kinds that cannot occur again, as bits, and what is added to every look-back.
Gain = tuple[int, tuple[int, ...]]
Gains = dict[Gain, Reals]


def gains_of(
    risks: Risks,
    firsts: list[tuple[int, int]],
    gain_of: Callable[[int, int, int], Gain],
    most: tuple[int, ...],
) -> Gains:
    """Return P(this is gained, and no event stops treatment), (states, rows, nodes), by gain.

    Rows are those of `passage.py`: in the row of a first event no such event happens. gain_of
    gives the gain of an event by kind, grade and attribution; sums are cut at `most`.
    """
    states, kinds, nodes = risks.event.shape
    total: Gains = {(0, (0,) * len(most)): np.ones((states, 2 + len(firsts), nodes))}
    for kind in range(kinds):
        own = _of_kind(risks, kind, firsts, gain_of, len(most))
        joint: Gains = {}
        for gain, before in total.items():
            for more, share in own.items():
                key = _added(gain, more, most)
                part = before * share
                old = joint.get(key)
                joint[key] = part if old is None else old + part
        total = joint
    return total


def _of_kind(
    risks: Risks,
    kind: int,
    firsts: list[tuple[int, int]],
    gain_of: Callable[[int, int, int], Gain],
    looks: int,
) -> Gains:
    """Return the gains of one kind: of no event, and of every grade and attribution."""
    states, _, nodes = risks.event.shape
    rows = 2 + len(firsts)
    own: Gains = {(0, (0,) * looks): np.repeat(1.0 - risks.event[:, kind, None], rows, axis=1)}
    for grade in np.flatnonzero(risks.grade[kind] > 0.0):
        allowed = np.array([True, False] + [k != kind or grade < g for k, g in firsts])
        for related in (0, 1):
            share = risks.event[:, kind] * risks.of_type(kind, int(grade), related)
            going = share * risks.goes_on(kind, int(grade), related)[:, None]
            gain = gain_of(kind, int(grade), related)
            part = own.setdefault(gain, np.zeros((states, rows, nodes)))
            part[:, allowed] += going[:, None]
    return own


def _added(gain: Gain, more: Gain, most: tuple[int, ...]) -> Gain:
    amounts = tuple(
        min(own + other, limit) for own, other, limit in zip(gain[1], more[1], most, strict=True)
    )
    return gain[0] | more[0], amounts
