"""Conditions: what a rule looks at. Each clause filters the patient's own ledgers.

The ledgers hold what the history tables hold, so a clause means the same to the engines,
to a reader of the tables, and to the diary. Only known events are seen, and of an event
that goes on only that it goes on: its end is never looked at before it is over.
"""

from sim.codes import Clause, EventState, Operation, Status, Value, Window
from sim.model.jit import inlined, njit

EVENT_CLAUSE = int(Clause.EVENT)
HISTORY_CLAUSE = int(Clause.HISTORY)
ACTIVE_ONLY = int(EventState.ACTIVE)
NEW_ONLY = int(EventState.NEW)
ACTIVE = int(Status.ACTIVE)
EVER = int(Window.EVER)
CYCLES = int(Window.CYCLES)
LAST_CYCLES = int(Window.LAST_CYCLES)
LAST_DAYS = int(Window.LAST_DAYS)
DOSE_MG = int(Value.DOSE_MG)
CYCLES_AT_LEVEL = int(Value.CYCLES_AT_LEVEL)
OPERATION_CLAUSE = int(Operation.CLAUSE)
OPERATION_ALL = int(Operation.ALL)
OPERATION_ANY = int(Operation.ANY)


@inlined
def _first_cycle_of_window(plan, state, clause):
    if plan.clause_window[clause] == CYCLES:
        return plan.clause_window_range[clause, 0]
    cycles = plan.clause_window_range[clause, 0]
    # At the start of a cycle the n cycles before it count, and what already belongs to it.
    if state.asked_cycle > state.cycle:
        return state.asked_cycle - cycles
    return state.cycle - cycles + 1


@inlined
def _last_cycle_of_window(plan, state, clause):
    if plan.clause_window[clause] == CYCLES:
        return plan.clause_window_range[clause, 1]
    return state.asked_cycle


@inlined
def _first_day_of_window(plan, state, clause):
    if plan.clause_window[clause] == LAST_DAYS:
        return state.day - plan.clause_window_range[clause, 0] + 1
    return state.last_change_day


@inlined
def _event_in_window(plan, state, clause, event):
    window = plan.clause_window[clause]
    if window == EVER:
        return True
    onset_only = plan.clause_onset_only[clause]
    if window in (CYCLES, LAST_CYCLES):
        first = _first_cycle_of_window(plan, state, clause)
        cycle = state.event_cycle[event]
        if cycle > _last_cycle_of_window(plan, state, clause):
            return False
        if cycle >= first:
            return True
        if onset_only or first > state.cycle:
            return False
        return state.event_end[event] >= state.cycle_start[max(first, 1)]
    first_day = _first_day_of_window(plan, state, clause)
    if state.event_onset[event] >= first_day:
        return True
    return not onset_only and state.event_end[event] >= first_day


@inlined
def _event_matches(plan, state, clause, event, rule, focus):
    if state.event_known_day[event] == 0:
        return False
    kind = state.event_kind[event]
    if plan.clause_kind[clause] >= 0 and plan.clause_kind[clause] != kind:
        return False
    if plan.clause_class[clause] >= 0 and plan.clause_class[clause] != plan.kind_class[kind]:
        return False
    grade = state.event_grade[event]
    if grade < plan.clause_grade[clause, 0] or grade > plan.clause_grade[clause, 1]:
        return False
    related = plan.clause_related[clause]
    if related >= 0 and related != state.event_related[event]:
        return False
    wanted = plan.clause_state[clause]
    if wanted == ACTIVE_ONLY and state.event_status[event] != ACTIVE:
        return False
    if wanted == NEW_ONLY:
        if focus >= 0:
            if event != focus:
                return False
        elif (state.event_asked[event] >> rule) & 1:
            return False
    return _event_in_window(plan, state, clause, event)


@inlined
def _count_events(plan, state, clause, rule, focus):
    count = 0
    first = 0 if plan.clause_state[clause] == 0 else state.first_open_event
    for event in range(first, state.n_events):
        if _event_matches(plan, state, clause, event, rule, focus):
            count += 1
            state.match_related |= state.event_related[event]
    return count


@inlined
def _history_in_window(plan, state, clause, entry):
    window = plan.clause_window[clause]
    if window == EVER:
        return True
    if window in (CYCLES, LAST_CYCLES):
        cycle = state.history_cycle[entry]
        first = _first_cycle_of_window(plan, state, clause)
        return first <= cycle <= _last_cycle_of_window(plan, state, clause)
    return state.history_day[entry] >= _first_day_of_window(plan, state, clause)


@inlined
def _history_matches(plan, state, clause, entry):
    if state.history_kind[entry] != plan.clause_kind[clause]:
        return False
    if plan.clause_rule[clause] >= 0 and plan.clause_rule[clause] != state.history_rule[entry]:
        return False
    related = plan.clause_related[clause]
    if related >= 0 and related != state.history_related[entry]:
        return False
    days = state.history_days[entry]
    if days < plan.clause_days[clause, 0] or days > plan.clause_days[clause, 1]:
        return False
    if plan.clause_at_lowest[clause] and state.history_level[entry] != 0:
        return False
    return _history_in_window(plan, state, clause, entry)


@inlined
def _count_history(plan, state, clause):
    count = 0
    for entry in range(state.n_history):
        if _history_matches(plan, state, clause, entry):
            count += 1
            state.match_related |= state.history_related[entry]
    return count


@inlined
def _value(plan, state, clause):
    if plan.clause_kind[clause] == DOSE_MG:
        return plan.level_mg[state.level]
    if plan.clause_kind[clause] == CYCLES_AT_LEVEL:
        cycles = 0
        cycle = state.cycle
        while cycle >= 1 and state.level_of_cycle[cycle] == state.level:
            cycles += 1
            cycle -= 1
        return float(cycles)
    return float(state.day)


@njit
def clause_holds(plan, state, clause, rule, focus):
    """Say whether one clause holds; focus is the event an event rule is asked about, or -1."""
    if plan.clause_type[clause] == EVENT_CLAUSE:
        count = _count_events(plan, state, clause, rule, focus)
    elif plan.clause_type[clause] == HISTORY_CLAUSE:
        count = _count_history(plan, state, clause)
    else:
        value = _value(plan, state, clause)
        return plan.clause_value[clause, 0] <= value <= plan.clause_value[clause, 1]
    return plan.clause_count[clause, 0] <= count <= plan.clause_count[clause, 1]


@njit
def condition_holds(plan, state, first, length, rule, focus):
    """Evaluate a compiled condition: a stack machine whose stack is the bits of one integer.

    Every clause is evaluated, so that the log can say which held. Leaves the clauses that
    held (as bits from the rule's first clause) and the attribution of the events that made
    it hold in the state's scratch: a second stack says of every part whether a related event
    made it hold; what fails, or holds because nothing is there, has none.
    """
    state.match_clauses = 0
    stack = 0
    related = 0
    for place in range(first, first + length):
        operand = plan.operand[place]
        operation = plan.operation[place]
        if operation == OPERATION_CLAUSE:
            state.match_related = 0
            holds = clause_holds(plan, state, operand, rule, focus)
            if holds:
                state.match_clauses |= 1 << (operand - plan.rule_first_clause[rule])
            stack = (stack << 1) | int(holds)
            related = (related << 1) | int(holds and state.match_related != 0)
        else:
            mask = (1 << operand) - 1
            bits = stack & mask
            is_related = related & mask != 0
            if operation == OPERATION_ALL:
                result = bits == mask
            elif operation == OPERATION_ANY:
                result = bits != 0
            else:
                result = bits == 0
                is_related = False
            stack = ((stack >> operand) << 1) | int(result)
            related = ((related >> operand) << 1) | int(result and is_related)
    state.match_related = related & 1
    return stack & 1
