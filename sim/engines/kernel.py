"""The fast engine: blocks of patients, screened in columns, then run one by one.

Blocks run on threads without the interpreter's lock. A draw depends only on its address,
so neither the number of threads nor the size of a block can change a result.
"""

import numpy as np

from sim.engines.blank import run_blank_course, take_over_history
from sim.engines.patient import copy_end, run_course
from sim.model import calendar, outcome
from sim.model.candidates import fill_candidates, fill_latents, list_candidates
from sim.model.jit import njit
from sim.model.layout import (
    COURSE_WORDS_END,
    CYCLE_SLOTS,
    FIRST_COURSE_WORD,
    MAX_CANDIDATES,
    MAX_EXITS,
    MAX_KINDS,
)
from sim.model.quiet import first_own_cycle
from sim.model.screen import screen_block


@njit
def run_block(plans, first, states, words, books, outcomes):
    """Run consecutive patients without rows and fill their outcome records.

    states are two, the running patient's and the blank one's; words are the same memory as
    8-byte words.
    """
    plan = plans[0]
    state = states[0]
    blank = states[1]
    book = books[0]
    n = outcomes.shape[0]
    uniforms = np.empty(n, np.float64)
    cl_f = np.empty(n, np.float64)
    bsa = np.empty(n, np.float64)
    frailty = np.empty(n, np.float64)
    masks = np.empty((MAX_KINDS, n), np.int64)
    exits = np.empty((MAX_EXITS, n), np.int64)
    who = np.empty(MAX_CANDIDATES, np.int64)
    ends = np.empty(n, np.int64)
    given_benefit_ug = np.empty(n, np.int64)
    courses = np.empty((CYCLE_SLOTS + 1, COURSE_WORDS_END - FIRST_COURSE_WORD), np.int64)
    fill_latents(plan, first, uniforms, cl_f, bsa, frailty)
    screen_block(plan, first, uniforms, frailty, masks, exits)
    book.draws_are_listed = 1
    last = run_blank_course(plan, blank, book, words[1], courses)
    start = 0
    while start < n:
        stop, listed = list_candidates(plan, book, masks, who, ends, start)
        fill_candidates(plan, book, first, who, cl_f, bsa, listed)
        book.candidates_end = 0
        for i in range(start, stop):
            state.patient = first + i
            state.cl_f = cl_f[i]
            state.bsa = bsa[i]
            state.frailty = frailty[i]
            calendar.forget_hazards(plan, state)
            state.exit_cycles = 0
            for number in range(plan.n_exits):
                state.exit_cycles_of[number] = exits[number, i]
                state.exit_cycles |= exits[number, i]
            state.any_candidate = 0
            for kind in range(plan.n_kinds):
                state.any_candidate |= masks[kind, i]
            book.next_candidate = book.candidates_end
            book.candidates_end = ends[i]
            cycle = first_own_cycle(plan, state, last)
            for word in range(FIRST_COURSE_WORD, COURSE_WORDS_END):
                words[0, word] = courses[cycle, word - FIRST_COURSE_WORD]
            take_over_history(state, blank)
            run_course(plan, state, book)
            outcome.drop_uncounted_events(plan, state)
            outcome.collect(plan, state, outcomes[i])
            given_benefit_ug[i] = state.given_benefit_ug
        start = stop
    outcome.collect_exposures(plan, outcomes, cl_f, bsa, given_benefit_ug)
    book.draws_are_listed = 0


@njit
def _copy_rows(rows, count, table, first):
    for row in range(count):
        for column in range(table.shape[1]):
            table[first + row, column] = rows[row, column]
    return first + count


@njit
def run_recorded(plans, first, states, books, outcomes, doses, events, log, disposition, latents):
    """Run consecutive patients with all rows, as far as the tables hold.

    Return (patients run, rows of doses, events and decisions). A patient whose rows do not
    fit is left for the next call.
    """
    plan = plans[0]
    state = states[0]
    book = books[0]
    n = outcomes.shape[0]
    n_doses, n_events, n_log = 0, 0, 0
    for i in range(n):
        book.n_log = 0
        book.n_doses = 0
        calendar.begin(plan, state, first + i)
        run_course(plan, state, book)
        outcome.drop_uncounted_events(plan, state)
        if (
            n_doses + book.n_doses > doses.shape[0]
            or n_events + state.n_events > events.shape[0]
            or n_log + book.n_log > log.shape[0]
        ):
            return i, n_doses, n_events, n_log
        outcome.collect(plan, state, outcomes[i])
        outcome.collect_exposure(plan, state, outcomes[i])
        n_doses = _copy_rows(book.doses, book.n_doses, doses, n_doses)
        n_log = _copy_rows(book.log, book.n_log, log, n_log)
        n_events = copy_end(state, events, n_events, disposition, latents, i)
    return n, n_doses, n_events, n_log
