"""The blank course: what happens to a patient who has no adverse event and no exit.

Up to the first draw that may mean something every patient's course is the same, so it is run
once for a block, kept as it stands before every cycle, and taken over from there.
"""

from sim.engines.patient import run_cycle
from sim.model import calendar
from sim.model.jit import inlined, njit
from sim.model.layout import COURSE_WORDS_END, FIRST_COURSE_WORD


@njit
def run_blank_course(plan, blank, book, words, courses):
    """Keep the blank course before each cycle in courses[cycle]; return the last cycle kept.

    words are the 8-byte words of the blank patient's state. The course is everybody's as long
    as its calendar is the planned one, so that no exit but the screened ones is assessed, and
    no rule has asked for a draw. The book takes draws from its list, which is left empty.
    """
    calendar.begin(plan, blank, 0)
    blank.any_candidate = 0
    blank.exit_cycles = 0
    book.next_candidate = 0
    book.candidates_end = 0
    cycle = 1
    while True:
        for word in range(FIRST_COURSE_WORD, COURSE_WORDS_END):
            courses[cycle, word - FIRST_COURSE_WORD] = words[word]
        if cycle > plan.max_cycles or (plan.chance_cycles >> cycle) & 1:
            return cycle
        run_cycle(plan, blank, book)
        on_plan = blank.planned_day == 1 + plan.cycle_days * cycle
        if blank.ended or not on_plan or blank.planned_day > plan.max_days:
            return cycle
        cycle += 1


@inlined
def take_over_history(state, blank):
    """Copy what the blank course has done to the dose so far; the counts are there already."""
    for entry in range(state.n_history):
        state.history_kind[entry] = blank.history_kind[entry]
        state.history_cycle[entry] = blank.history_cycle[entry]
        state.history_day[entry] = blank.history_day[entry]
        state.history_rule[entry] = blank.history_rule[entry]
        state.history_related[entry] = blank.history_related[entry]
        state.history_days[entry] = blank.history_days[entry]
        state.history_level[entry] = blank.history_level[entry]
