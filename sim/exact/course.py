"""The dose course of a state: level, layers of exposure, and what later decisions may ask of it.

What no rule, clock or outcome of the scenario can ask about is kept at a constant, so that
patients who differ in nothing that matters share a state.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sim.codes import Clause, Clock, Value
from sim.model.layout import UNLIMITED


class Course(NamedTuple):
    """What a patient's doses were, as far as it matters from now on.

    given_ug and benefit_ug are the dose given so far, the second within the window of clinical
    benefit; path holds the level of every cycle where exposure accumulates.
    """

    level: int
    highest: int
    layers: tuple[tuple[int, int], ...]
    last_increase: int
    reductions: int
    before_reduction: int
    escalated: bool
    locked_to: int
    cycles_at_level: int
    given_ug: int
    benefit_ug: int
    path: tuple[int, ...]


@dataclass(frozen=True)
class CourseMemory:
    """Which parts of a course the plan can ever ask about."""

    layers: bool
    last_increase: bool
    before_reduction: bool
    most_reductions: int
    most_cycles_at_level: int
    path: bool


def memory_of(plan: Any) -> CourseMemory:
    """Return what a plan's clock, limits and clauses look at."""
    kinds = range(int(plan.n_kinds))
    has_slope = any(plan.has_slope[kind] and plan.slope[kind] > 0.0 for kind in kinds)
    limit = int(plan.max_reductions)
    at_level = 0
    for clause in range(int(plan.n_clauses)):
        if (
            plan.clause_type[clause] == Clause.VALUE
            and plan.clause_kind[clause] == Value.CYCLES_AT_LEVEL
        ):
            bounds = [bound for bound in plan.clause_value[clause] if np.isfinite(bound)]
            at_level = max([at_level, *(int(bound) + 1 for bound in bounds)])
    return CourseMemory(
        layers=has_slope and plan.clock == Clock.INCREMENT,
        last_increase=plan.clock == Clock.RESET,
        before_reduction=bool(np.any(plan.rule_caps[: int(plan.n_rules)])),
        most_reductions=1 if limit >= UNLIMITED else limit,
        most_cycles_at_level=at_level,
        path=plan.n_accumulation > 0,
    )


def first_course(plan: Any, memory: CourseMemory) -> Course:
    """Return the course of everybody before the first dose."""
    start = int(plan.start_level)
    layers = ((start, 1),) if memory.layers else ()
    return Course(start, start, layers, 1, 0, -1, False, 0, 0, 0, 0, ())


def moved(course: Course, memory: CourseMemory, level: int, cycle: int) -> Course:
    """Return the course after a change of level on day 1 of a cycle (MODEL.md section 5)."""
    is_up = level > course.level
    return course._replace(
        level=level,
        highest=max(course.highest, level),
        layers=_moved_layers(course.layers, level, cycle, is_up) if memory.layers else (),
        last_increase=cycle if is_up and memory.last_increase else course.last_increase,
        reductions=min(course.reductions + (not is_up), memory.most_reductions),
        before_reduction=(
            course.level if memory.before_reduction and not is_up else course.before_reduction
        ),
        escalated=course.escalated or is_up,
        cycles_at_level=0,
    )


def _moved_layers(
    layers: tuple[tuple[int, int], ...], level: int, cycle: int, is_up: bool
) -> tuple[tuple[int, int], ...]:
    """An increase adds a layer; a reduction cuts the layers above and keeps the others' starts."""
    if is_up:
        return (*layers, (level, cycle))
    kept = [layer for layer in layers if layer[0] < level]
    cut = layers[len(kept)][1]
    return (*kept, (level, cut))


def run_through(course: Course, memory: CourseMemory, given_ug: int, benefit_ug: int) -> Course:
    """Return the course after a whole cycle with all its doses."""
    return course._replace(
        cycles_at_level=min(course.cycles_at_level + 1, memory.most_cycles_at_level),
        given_ug=course.given_ug + given_ug,
        benefit_ug=course.benefit_ug + benefit_ug,
        path=(*course.path, course.level) if memory.path else (),
    )
