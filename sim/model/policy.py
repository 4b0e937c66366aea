"""The policy: rules are data, and this reads them; what they change is in `levels.py`.

At an ask every rule of that occasion is considered and logged; one of those that fire wins
(stop > hold = delay = skip > down > up, then file order, or file order alone) and acts.
A firing counts, for lists and for max_fires, when it wins.
"""

from sim.codes import Action, Ask, Cause, History, Route, Then
from sim.model.conditions import condition_holds
from sim.model.draws import word_of_cycle
from sim.model.jit import inlined, njit
from sim.model.levels import change_level, end_treatment, make_due_changes, may_rise, remember

NO_ACTION = int(Action.NONE)
UP = int(Action.UP)
DOWN = int(Action.DOWN)
SET = int(Action.SET)
SKIP = int(Action.SKIP)
DELAY = int(Action.DELAY)
HOLD = int(Action.HOLD)
STOP = int(Action.STOP)
RESUME = int(Action.RESUME)
ASK_EVENT = int(Ask.EVENT)
ASK_STOP = int(Ask.STOP)
ASK_GATE = int(Ask.GATE)
ASK_LEVEL = int(Ask.LEVEL)
ASK_UNTIL = int(Ask.UNTIL)
MISSED = int(History.MISSED)
HELD = int(History.HOLD)
DELAYED = int(History.DELAY)
REDUCTION = int(History.REDUCTION)
INCREASE = int(History.INCREASE)
ADVERSE_EVENT = int(Cause.ADVERSE_EVENT)
ROUTE_MAX_DELAY = int(Route.MAX_DELAY)
ROUTE_MAX_HOLD = int(Route.MAX_HOLD)
ROUTE_BELOW_LOWEST = int(Route.BELOW_LOWEST)
ROUTE_MAX_REDUCTIONS = int(Route.MAX_REDUCTIONS)
THEN_DOWN = int(Then.DOWN)


@inlined
def is_asked(plan, state, rule):
    if not (plan.rule_cycles[rule] >> state.asked_cycle) & 1:
        return False
    day = 1
    if state.asked_cycle <= state.cycle:
        day = min(state.day - state.cycle_start[state.cycle] + 1, plan.rule_days.shape[1] - 1)
    if (plan.rule_off_cycles[rule] >> state.asked_cycle) & 1 and plan.rule_off_days[rule, day]:
        return False
    return plan.rule_days[rule, day] != 0


@inlined
def word_of_rule(plan, state, rule, event):
    """Return the word that decides whether a rule with a probability acts."""
    if event >= 0:
        stream = plan.rule_kind_stream[rule, state.event_kind[event]]
        return word_of_cycle(plan, state.patient, stream, state.event_cycle[event], 0)
    stream = plan.rule_stream[rule]
    return word_of_cycle(plan, state.patient, stream, state.asked_cycle, state.ask)


@inlined
def _action_of(plan, state, rule, event):
    """Return (action, argument) of a rule whose condition holds; NO_ACTION if its draw fails."""
    n_choices = plan.rule_n_choices[rule]
    if n_choices > 0:
        word = word_of_rule(plan, state, rule, event)
        for choice in range(n_choices):
            if word < plan.choice_threshold[rule, choice]:
                return plan.choice_action[rule, choice], plan.choice_argument[rule, choice]
        return NO_ACTION, 0
    certain = plan.rule_threshold[rule] == 1 << 32
    if not certain and word_of_rule(plan, state, rule, event) >= plan.rule_threshold[rule]:
        return NO_ACTION, 0
    step = min(state.rule_fires[rule], plan.rule_n_steps[rule] - 1)
    return plan.step_action[rule, step], plan.step_argument[rule, step]


@inlined
def _direction(state, action, argument):
    """Return UP or DOWN for SET; other actions as they are."""
    if action == SET:
        return UP if argument > state.level else DOWN
    return action


@inlined
def _severity(plan, state, action, argument):
    if plan.order_by_file:
        return 1
    direction = _direction(state, action, argument)
    if direction == STOP:
        return 4
    if direction in (HOLD, DELAY, SKIP):
        return 3
    return 2 if direction == DOWN else 1


@inlined
def write_log(book, state, ask, rule, event, holds, fired, action, argument):
    """Write one row of the decision log; return its number, or -1 when nothing is recorded."""
    if not book.recording:
        return -1
    row = book.n_log
    book.log[row, 0] = state.patient
    book.log[row, 1] = state.asked_cycle
    book.log[row, 2] = state.day
    book.log[row, 3] = ask
    book.log[row, 4] = rule
    book.log[row, 5] = state.event_kind[event] if event >= 0 else -1
    book.log[row, 6] = holds
    book.log[row, 7] = fired
    book.log[row, 8] = 0
    book.log[row, 9] = state.match_clauses
    book.log[row, 10] = action
    book.log[row, 11] = argument
    book.log[row, 12] = state.level
    book.log[row, 13] = state.level
    book.n_log = row + 1
    return row


@njit
def consider(plan, state, book, rule, event, ask):
    """Ask one rule; return (action or NO_ACTION, argument, row of the book)."""
    first, length = plan.rule_when[rule, 0], plan.rule_when[rule, 1]
    holds = condition_holds(plan, state, first, length, rule, event)
    may_fire = state.rule_fires[rule] < plan.rule_max_fires[rule]
    if plan.rule_raises[rule] and may_fire:
        state.rule_asks[rule] += 1
        clause = plan.rule_first_clause[rule]
        held = state.match_clauses
        while held:
            state.clause_held[clause] += held & 1
            held >>= 1
            clause += 1
    action, argument = NO_ACTION, 0
    if holds:
        repeated = ask == ASK_GATE and (state.gate_fired >> rule) & 1
        if repeated or may_fire:
            action, argument = _action_of(plan, state, rule, event)
    row = write_log(
        book, state, ask, rule, event, int(holds), int(action != NO_ACTION), action, argument
    )
    return action, argument, row


@inlined
def mark_winner(book, state, row):
    if row >= 0:
        book.log[row, 8] = 1
        book.log[row, 13] = state.level


@inlined
def open_hold(state, rule, related):
    """Open a hold; it is counted when it opens."""
    state.hold_rule = rule
    state.hold_day = state.day
    state.hold_related = related
    state.rule_holds[rule] += 1
    remember(state, HELD, state.asked_cycle, rule, related, 0)


@inlined
def count_firing(plan, state, rule):
    """Count a firing of a rule; it may forbid increases from now on."""
    state.rule_fires[rule] += 1
    if plan.rule_lock_cycles[rule] > 0:
        state.lock_to_cycle = max(
            state.lock_to_cycle, state.asked_cycle + plan.rule_lock_cycles[rule]
        )


@njit
def act(plan, state, action, argument, rule, related, ask):
    """Carry out the winner of an ask; return False if an increase was refused."""
    if action == STOP:
        end_treatment(state, ADVERSE_EVENT, plan.rule_route[rule], rule, state.day)
    elif action == HOLD:
        open_hold(state, rule, related)
    elif action == SKIP:
        state.skip_rule = rule
        state.skip_related = related
    elif action == DELAY:
        state.delay_ordered_days = max(state.delay_ordered_days, argument)
        state.ordered_rule = rule
        state.ordered_related |= related
    elif ask == ASK_LEVEL:
        level = (
            argument if action == SET else state.level + (argument if action == UP else -argument)
        )
        if _direction(state, action, argument) == UP and not may_rise(plan, state, rule, level):
            return False
        change_level(plan, state, level, rule, related)
    else:
        if action == DOWN:
            state.due_down += argument
        else:
            state.due_level = argument
        state.due_rule = rule
        state.due_related = related
    count_firing(plan, state, rule)
    return True


@inlined
def event_rules_to_ask(plan, state, book):
    """Return the event rules, as bits, that some known event has not been asked about."""
    todo = 0
    for event in range(state.first_open_event, state.n_events):
        if state.event_known_day[event] > 0:
            todo |= ~state.event_asked[event]
    todo &= plan.asked_at[ASK_EVENT]
    if state.hold_rule >= 0:
        todo &= plan.stop_rules
    return todo


@njit
def ask_event_rules(plan, state, book):
    """Ask event rules once about every event that is known; only stops while a hold is open."""
    todo = event_rules_to_ask(plan, state, book)
    best, best_severity, best_argument, best_action, best_row, best_related = -1, 0, 0, 0, -1, 0
    for rule in range(plan.n_rules if todo else 0):
        if not (todo >> rule) & 1 or not is_asked(plan, state, rule):
            continue
        for event in range(state.first_open_event, state.n_events):
            if state.event_known_day[event] == 0 or (state.event_asked[event] >> rule) & 1:
                continue
            action, argument, row = consider(plan, state, book, rule, event, ASK_EVENT)
            state.event_asked[event] |= 1 << rule
            if action == NO_ACTION:
                continue
            severity = _severity(plan, state, action, argument)
            if severity > best_severity:
                best, best_severity, best_row = rule, severity, row
                best_action, best_argument = action, argument
                best_related = state.match_related
            elif rule == best and action == best_action and argument == best_argument:
                best_related |= state.match_related
    if best >= 0:
        act(plan, state, best_action, best_argument, best, best_related, ASK_EVENT)
        mark_winner(book, state, best_row)


@inlined
def mark_asked(state, rule):
    """A rule has now been asked about every known event; none is new to it any more."""
    for event in range(state.first_open_event, state.n_events):
        if state.event_known_day[event] > 0:
            state.event_asked[event] |= 1 << rule


@inlined
def rules_of_open_events(plan, state):
    """Return the rules, as bits, that some open event could make hold."""
    rules = 0
    for event in range(state.first_open_event, state.n_events):
        kind, grade = state.event_kind[event], state.event_grade[event]
        rules |= plan.rules_of_event[kind, grade, state.event_related[event]]
    return rules


@inlined
def rules_to_ask(plan, state, book, ask):
    """Return the rules of an occasion, as bits, that may hold or whose row is wanted."""
    rules = plan.asked_at[ask] & plan.asked_in_cycle[state.asked_cycle]
    if rules != 0 and not book.recording:
        rules &= plan.rules_without_event | rules_of_open_events(plan, state)
    return rules


@inlined
def ask_rules(plan, state, book, ask):
    """Ask the rules of one occasion and act once, if any of them may hold."""
    rules = rules_to_ask(plan, state, book, ask)
    if rules != 0:
        _ask_each(plan, state, book, ask, rules)


@njit
def _ask_each(plan, state, book, ask, rules):
    """Ask rules, given as bits; the winner acts. At a level decision a change made today
    forbids another."""
    best, best_severity, best_argument, best_action, best_row, best_related = -1, 0, 0, 0, -1, 0
    for rule in range(plan.n_rules):
        if not (rules >> rule) & 1 or not is_asked(plan, state, rule):
            continue
        action, argument, row = consider(plan, state, book, rule, -1, ask)
        if (plan.rules_about_new >> rule) & 1:
            mark_asked(state, rule)
        if action == NO_ACTION:
            continue
        severity = _severity(plan, state, action, argument)
        if severity > best_severity:
            best, best_severity, best_row = rule, severity, row
            best_action, best_argument = action, argument
            best_related = state.match_related
    if best < 0:
        return
    changed = ask == ASK_LEVEL and state.last_change_day == state.day
    if changed and best_action in (UP, DOWN, SET):
        return
    if act(plan, state, best_action, best_argument, best, best_related, ask):
        mark_winner(book, state, best_row)


@inlined
def heed_hold(plan, state, book):
    """Ask the stop rules that look at holds as soon as one has opened."""
    rules = plan.stops_about_holds & plan.asked_at[ASK_STOP]
    if state.hold_rule >= 0 and rules != 0:
        _ask_each(plan, state, book, ASK_STOP, rules)


@njit
def test_until(plan, state, book):
    """Test whether the open hold ends; if so its resume step falls due at the next dose."""
    rule = state.hold_rule
    first, length = plan.rule_until[rule, 0], plan.rule_until[rule, 1]
    holds = condition_holds(plan, state, first, length, rule, -1)
    down = 0
    if holds:
        step = min(state.rule_holds[rule], plan.rule_n_resume[rule]) - 1
        down = plan.resume_down[rule, step]
        state.resume_down += down
        state.resume_rule = rule
        state.resume_related = state.hold_related
        state.hold_rule = -1
    row = write_log(book, state, ASK_UNTIL, rule, -1, int(holds), int(holds), RESUME, down)
    if holds:
        mark_winner(book, state, row)


@inlined
def stop_if_held_too_long(plan, state):
    """Stop when a hold has lasted max_hold_days; the test on that very day came first."""
    if state.hold_rule >= 0 and state.day - state.hold_day >= plan.max_hold_days:
        end_treatment(state, ADVERSE_EVENT, ROUTE_MAX_HOLD, state.hold_rule, state.day)


@inlined
def decide_level(plan, state, book):
    """Level decision on the actual day 1 of a cycle: due reductions, then the cycle's rules."""
    make_due_changes(plan, state)
    if not state.ended:
        ask_rules(plan, state, book, ASK_LEVEL)
