"""The course of adverse events: draws of a new cycle, onset, length, cause and attribution.

All four draws of one event sit in one addressed block, so an event costs one block.
Scripted events enter here, where the draws do.
"""

from sim.codes import DurationLaw, Recurrence, Status
from sim.model.draws import uniform_of_word, word_of_cycle, words_at
from sim.model.elementary import exp, normal_quantile
from sim.model.jit import inlined, njit
from sim.model.layout import ONSET_SHIFT
from sim.model.risk import cycle_hazards, drug_threshold, grade_of_word

PENDING = int(Status.PENDING)
ACTIVE = int(Status.ACTIVE)
RECOVERED = int(Status.RECOVERED)
AFTER_RECOVERY = int(Recurrence.AFTER_RECOVERY)
NEVER = int(Recurrence.NEVER)
LOG_NORMAL = int(DurationLaw.LOG_NORMAL)
FIXED = int(DurationLaw.FIXED)
EVERY_LEVEL = -1


@inlined
def is_at_risk(plan, state, kind):
    """Say whether a kind is drawn in the cycle that starts now."""
    if plan.recurrence[kind] == NEVER:
        return not (state.had_kind >> kind) & 1
    if plan.recurrence[kind] == AFTER_RECOVERY:
        for event in range(state.first_open_event, state.n_events):
            if state.event_kind[event] == kind and state.event_status[event] != RECOVERED:
                return False
    return True


@inlined
def onset_day(plan, kind, word):
    """Return the day of the cycle, from 1, on which an event begins."""
    day = plan.onset_from[kind, word >> ONSET_SHIFT]
    while word >= plan.onset[kind, day]:
        day += 1
    return day


@inlined
def duration_days(plan, kind, grade, day_of_cycle, normal):
    """Return the length of an event in whole days, at least 1, for a standard normal."""
    law = plan.duration_law[kind, grade]
    if law == LOG_NORMAL:
        days = plan.duration_median[kind, grade] * exp(plan.duration_sd[kind, grade] * normal)
        whole = int(min(days, 100_000.0))
        if whole < days:
            whole += 1
        return max(whole, 1)
    if law == FIXED:
        return int(plan.duration_median[kind, grade])
    return max(plan.cycle_days - day_of_cycle + 1, 1)


@inlined
def add_event(plan, state, kind, cycle, onset, end, grade, is_drug, is_related):
    """Append one adverse event to the patient's ledger, not yet begun."""
    event = state.n_events
    state.event_kind[event] = kind
    state.event_cycle[event] = cycle
    state.event_onset[event] = onset
    state.event_end[event] = end
    state.event_grade[event] = grade
    state.event_drug[event] = is_drug
    state.event_related[event] = is_related
    state.event_level[event] = state.level
    state.event_status[event] = PENDING
    state.event_known_day[event] = 0
    state.event_asked[event] = 0
    state.had_kind |= 1 << kind
    state.n_events = event + 1


@inlined
def add_drawn(plan, state, kind, grade, background, drug, w_onset, w_cause, w_called, normal):
    """Add the event of a kind that occurs in the cycle now starting, by the draws of its course."""
    cycle = state.cycle
    day = onset_day(plan, kind, w_onset)
    is_drug = w_cause < drug_threshold(plan, state, kind, background, drug, cycle)
    called = plan.sensitivity[kind] if is_drug else plan.false_positive[kind]
    onset = state.cycle_start[cycle] + day - 1
    end = onset + duration_days(plan, kind, grade, day, normal) - 1
    add_event(plan, state, kind, cycle, onset, end, grade, int(is_drug), int(w_called < called))


@njit
def draw_kind(plan, state, kind):
    """Decide whether a kind occurs in the cycle now starting; add its event if so."""
    cycle = state.cycle
    background, drug = cycle_hazards(plan, state, kind, cycle)
    word = word_of_cycle(plan, state.patient, plan.kind_stream[kind], cycle, 0)
    grade = grade_of_word(plan, kind, word, state.frailty * (background + drug))
    if grade > 0:
        stream = plan.course_stream[kind]
        w_onset, w_cause, w_called, w_length = words_at(plan, state.patient, stream, cycle - 1)
        normal = normal_quantile(uniform_of_word(w_length))
        add_drawn(plan, state, kind, grade, background, drug, w_onset, w_cause, w_called, normal)


@inlined
def _take_candidate(plan, state, book, place):
    """Do what `draw_kind` does, with the words and course hazards found beforehand."""
    kind = book.candidate_kind[place]
    for level in range(plan.n_levels):
        state.course_hazard[kind, level] = book.candidate_hazard[level, place]
    state.course_hazard_known[kind] = EVERY_LEVEL
    background, drug = cycle_hazards(plan, state, kind, state.cycle)
    word = book.candidate_word[place]
    grade = grade_of_word(plan, kind, word, state.frailty * (background + drug))
    if grade > 0:
        w_onset, w_cause = book.onset_word[place], book.cause_word[place]
        w_called, normal = book.called_word[place], book.duration_normal[place]
        add_drawn(plan, state, kind, grade, background, drug, w_onset, w_cause, w_called, normal)


@inlined
def _take_candidates(plan, state, book):
    place = book.next_candidate
    while place < book.candidates_end and book.candidate_cycle[place] < state.cycle:
        place += 1
    while place < book.candidates_end and book.candidate_cycle[place] == state.cycle:
        if is_at_risk(plan, state, book.candidate_kind[place]):
            _take_candidate(plan, state, book, place)
        place += 1
    book.next_candidate = place


@njit
def _take_from_script(plan, state, book):
    for row in range(book.n_script):
        if book.script[row, 0] != state.cycle:
            continue
        onset = state.cycle_start[state.cycle] + book.script[row, 2] - 1
        end = onset + book.script[row, 3] - 1
        kind, grade = book.script[row, 1], book.script[row, 4]
        is_drug, is_related = book.script[row, 5], book.script[row, 6]
        add_event(plan, state, kind, state.cycle, onset, end, grade, is_drug, is_related)


@njit
def draw_events(plan, state, book):
    """Draw, or take from the list or the script, the adverse events of the cycle that starts."""
    if book.draws_are_listed:
        _take_candidates(plan, state, book)
        return
    if book.n_script >= 0:
        _take_from_script(plan, state, book)
        return
    for kind in range(plan.n_kinds):
        if is_at_risk(plan, state, kind):
            draw_kind(plan, state, kind)
