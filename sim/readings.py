"""The open readings of the escalation sentence (MODEL.md section 7), as a scenario reads them."""

from collections.abc import Iterator

from sim.scenario.condition import action_kind, actions, predicates
from sim.scenario.policy import EventPredicate, HistoryPredicate, Rule
from sim.scenario.scenario import Scenario
from sim.sentences import (
    class_name,
    count_of,
    listing,
    number,
    raises_dose,
    ranges,
    resume_words,
    window_words,
)

Reading = tuple[str, str, str]


def open_readings(scenario: Scenario) -> list[Reading]:
    """Letter, question and this scenario's answer of every open reading."""
    rising = [rule for rule in scenario.rule if raises_dose(rule)]
    readings: list[Reading] = []
    for rule in rising:
        readings += [(letter, f"{rule.id}: {what}", how) for letter, what, how in _of_rule(rule)]
    return readings + list(_of_all(scenario))


def _of_rule(rule: Rule) -> Iterator[Reading]:
    leaves = [leaf for _, leaf in predicates(rule.when, ())]
    acts = [leaf for leaf in leaves if isinstance(leaf, HistoryPredicate)]
    events = [leaf for leaf in leaves if isinstance(leaf, EventPredicate)]
    yield "a", "is the delay of the cycle that is starting counted?", _own_delay(rule, acts)
    yield "b", "when may the dose rise?", _when(rule)
    yield "c", "what is an interruption?", _interruption(acts)
    yield "d", "in which cycles does an adverse event count?", _timing(events)


def _own_delay(rule: Rule, acts: list[HistoryPredicate]) -> str:
    delays = [act for act in acts if act.history == "delay"]
    if not delays:
        return "delays do not matter to this rule"
    asked = rule.on.cycle if rule.on is not None and rule.on.cycle is not None else None
    answers = []
    for act in delays:
        if act.window.startswith("cycles") and asked is not None:
            last = int(act.window.split()[1].split("-")[1])
            counted = all(cycle <= last for cycle in asked)
            answers.append(
                f"{'yes' if counted else 'no'}: delays count {window_words(act.window)} and the "
                f"rule is asked in cycle {ranges(asked)}"
            )
        else:
            answers.append(f"yes: delays count {window_words(act.window)}, the one just ended too")
    return listing(answers)


def _when(rule: Rule) -> str:
    if rule.on is not None and rule.on.cycle is not None:
        cycles = ranges(rule.on.cycle)
        return f"at the start of cycle {cycles} only; whoever is barred then is not asked again"
    if rule.every is not None:
        step = "every cycle" if rule.every.cycles == 1 else f"every {rule.every.cycles} cycles"
        return f"at {step} from cycle {rule.every.from_cycle}"
    return "whenever a cycle starts"


def _interruption(acts: list[HistoryPredicate]) -> str:
    kinds = {act.history for act in acts} & {"missed", "hold"}
    if kinds == {"missed"}:
        return "a dose that was withheld; a hold that ends before the next dose is none"
    if kinds == {"hold"}:
        return "a hold, also one that costs no dose"
    return "a withheld dose and a hold alike" if kinds else "interruptions do not matter to it"


def _timing(events: list[EventPredicate]) -> str:
    looking_back = [leaf for leaf in events if leaf.window != "ever"]
    answers = []
    if any(leaf.timing == "active" for leaf in looking_back):
        answers.append("in every cycle on a day of which it is active")
    if any(leaf.timing == "onset" for leaf in looking_back):
        answers.append("in the cycle of its onset only")
    if not looking_back:
        answers.append("the rule looks back over no window")
    guarded = any(leaf.state == "active" for leaf in events)
    guard = "a guard bars" if guarded else "no guard of its own bars"
    return f"{listing(answers)}; {guard} the increase while one is active on the day"


def _of_all(scenario: Scenario) -> Iterator[Reading]:
    kinds, policy = scenario.adverse_event, scenario.policy
    yield "e", "which grade counts?", "an event keeps one grade for its whole course"
    true = ranges_of([kind.sensitivity for kind in kinds])
    false = ranges_of([kind.false_positive_rate for kind in kinds])
    if kinds:
        yield (
            "f",
            "who says an event is related?",
            f"an event caused by the drug is called related with probability {true}, another "
            f"with probability {false}; rules see only what is said",
        )
    seen = {
        "visit": "at the first visit on or after onset (dose days, planned cycle starts, rechecks)",
        "onset": "on the day of onset",
    }
    yield "g", "when is an event known?", seen[policy.seen]
    yield (
        "h",
        "how long may a cycle start be delayed?",
        f"{count_of(policy.max_delay_days, 'day')}; a hold {count_of(policy.max_hold_days, 'day')}",
    )
    holds = [
        f"by {rule.id} ({_classes(rule)}) {resume_words(rule)}"
        for rule in scenario.rule
        if any(action_kind(action) == "hold" for _, action in actions(rule, ()))
    ]
    yield (
        "i",
        "does the first hold resume at the same dose?",
        f"dosing resumes after a hold {'; '.join(holds)}"
        if holds
        else "nothing is held in this scenario",
    )


def _classes(rule: Rule) -> str:
    leaves = [leaf for _, leaf in predicates(rule.when, ()) if isinstance(leaf, EventPredicate)]
    classes = sorted({class_name(leaf.ae_class) for leaf in leaves if leaf.ae_class})
    return listing(classes) if classes else "any class"


def ranges_of(values: list[float]) -> str:
    """One value, or the range of several."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return number(low) if low == high else f"{number(low)} to {number(high)}"
