"""Numbers, conditions, actions and rules in plain English, for explain and the diary."""

from collections.abc import Iterable, Iterator
from typing import Any

from sim.replay_facts import clause_names, looks_at_holds
from sim.scenario.condition import Predicate, action_kind, actions
from sim.scenario.policy import (
    Combination,
    Comparison,
    EventPredicate,
    HistoryPredicate,
    Policy,
    Rule,
    ValuePredicate,
)
from sim.scenario.scenario import Scenario

ACTS = {
    "missed": ("a withheld dose", "withheld doses"),
    "hold": ("a hold", "holds"),
    "delay": ("a delayed cycle start", "delayed cycle starts"),
    "reduction": ("a dose reduction", "dose reductions"),
    "increase": ("a dose increase", "dose increases"),
}


def number(value: float) -> str:
    """A number without trailing zeros, at most four significant digits after rounding."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def percent(probability: float) -> str:
    """A probability as a percentage."""
    return f"{100.0 * probability:.3g} %"


def count_of(how_many: int, one: str, many: str = "") -> str:
    """`1 cycle`, `2 cycles`."""
    return f"{how_many} {one if how_many == 1 else many or one + 's'}"


def listing(items: Iterable[object], last: str = "and") -> str:
    """`a, b and c`."""
    words = [str(item) for item in items]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def ranges(numbers: Iterable[int], last: str = "and") -> str:
    """`1, 8 and 15`, `1 to 14`: three or more in a row are told as a range."""
    runs: list[list[int]] = []
    for value in sorted(numbers):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    words: list[object] = []
    for run in runs:
        words += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else run
    return listing(words, last)


def kind_name(name: str) -> str:
    """Name of a kind of adverse event as it stands in a sentence."""
    words = name.replace("_", " ")
    return f"{words} event" if words.startswith("other") else words


def steps_words(steps: int) -> str:
    """`one level`, `two levels`."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return f"{words[steps]} level{'' if steps == 1 else 's'}"


def class_name(ae_class: str) -> str:
    """`hematologic` or `non-hematologic`."""
    return ae_class.replace("_", "-")


def bounds(comparison: Comparison | ValuePredicate) -> str:
    """`2 or more`, `more than 7`, `exactly 2`, joined by and."""
    words = []
    if comparison.eq is not None:
        words.append(number(comparison.eq))
    if comparison.ge is not None:
        words.append(f"{number(comparison.ge)} or more")
    if comparison.gt is not None:
        words.append(f"more than {number(comparison.gt)}")
    if comparison.le is not None:
        words.append(f"at most {number(comparison.le)}")
    if comparison.lt is not None:
        words.append(f"less than {number(comparison.lt)}")
    return " and ".join(words)


def grade_words(comparison: Comparison | None) -> str:
    """` of grade 2 or higher` and the like; empty for any grade."""
    if comparison is None:
        return ""
    if comparison.eq is not None:
        return f" of grade {number(comparison.eq)}"
    whole = comparison
    if comparison.gt is not None and comparison.ge is None:
        whole = Comparison(ge=float(int(comparison.gt) + 1), le=comparison.le, lt=comparison.lt)
    return f" of grade {bounds(whole).replace('or more', 'or higher')}"


def window_words(window: str) -> str:
    """A window as it ends a sentence."""
    if window == "since change":
        return "since the dose last changed"
    if window == "cycle":
        return "in this cycle (asked at a cycle start: in the one before)"
    if window.startswith("cycles"):
        first, last = window.split()[1].split("-")
        return f"in cycle {first}" if first == last else f"in cycles {first} to {last}"
    return f"in the {window}" if window != "last 1 cycle" else "in the last cycle"


def predicate_words(predicate: Predicate) -> str:
    """What a clause looks for, as a noun phrase, or for a value as a statement."""
    if isinstance(predicate, EventPredicate):
        return _event_words(predicate)
    if isinstance(predicate, HistoryPredicate):
        return _history_words(predicate)
    if predicate.value == "dose_mg":
        return f"the dose is {bounds(predicate)} mg"
    what = {
        "cycles_at_level": "the number of cycles at the present dose",
        "days_on_treatment": "the day of treatment",
    }[predicate.value]
    return f"{what} is {bounds(predicate)}"


def _counted(comparison: Comparison, one: str, many: str) -> str:
    if comparison == Comparison(ge=1):
        return one
    return f"{bounds(comparison)} {many}" if comparison.eq != 0 else f"no {many}"


def _event_words(predicate: EventPredicate) -> str:
    kind = class_name(predicate.ae_class) + " " if predicate.ae_class else ""
    article = "an" if not kind else "a"
    one, many = f"{article} {kind}adverse event", f"{kind}adverse events"
    if predicate.term:
        one, many = kind_name(predicate.term), f"events of {kind_name(predicate.term)}"
    text = _counted(predicate.count, one, many) + grade_words(predicate.grade)
    if predicate.related is not None:
        text += ", called related" if predicate.related else ", called unrelated"
    text += {"active": ", active now", "new": ", newly known", "ever": ""}[predicate.state]
    if predicate.window == "ever":
        return text + (", at any time so far" if predicate.state == "ever" else "")
    window = window_words(predicate.window)
    if predicate.timing == "onset":
        return f"{text}, that began {window}"
    if predicate.window == "since change":
        return f"{text}, active on any day {window}"
    return f"{text}, active on any day of {window.removeprefix('in ')}"


def _history_words(predicate: HistoryPredicate) -> str:
    text = _counted(predicate.count, *ACTS[predicate.history])
    if predicate.days is not None:
        text += f" of {bounds(predicate.days)} days"
    if predicate.at_level == "lowest":
        text += " at the lowest level"
    if predicate.rule is not None:
        text += f" by the rule {predicate.rule}"
    if predicate.related is not None:
        text += " for an event called related" if predicate.related else " for none called related"
    if predicate.window == "ever":
        return f"{text}, at any time so far"
    return f"{text}, {window_words(predicate.window)}"


def condition_lines(condition: Any, names: Iterator[str], indent: str = "") -> list[str]:
    """A condition clause by clause with clause ids, one line each, groups indented."""
    if not isinstance(condition, Combination):
        return [f"{indent}- {predicate_words(condition)} [{next(names)}]"]
    lines = []
    heads = ("all of these hold:", "at least one of these holds:", "none of these holds:")
    for head, parts in zip(heads, (condition.all, condition.any, condition.none), strict=True):
        if parts is None:
            continue
        lines.append(f"{indent}{head}")
        for part in parts:
            lines += condition_lines(part, names, indent + "  ")
    return lines


def action_words(scenario: Scenario, action: str | int) -> str:
    """What an action does, as a statement."""
    text = str(action)
    kind = action_kind(action)
    if kind in ("up", "down"):
        steps = int(text.lstrip("+-"))
        return f"the dose goes {kind} {steps_words(steps)}"
    if kind == "set":
        return f"the dose is set to {number(float(text.split()[1]))} {scenario.posology.unit}"
    if kind == "delay" and " " in text:
        return f"the next cycle starts {text.split()[1]} days later"
    return {
        "skip": "the dose is left out",
        "hold": "doses are withheld",
        "delay": "the cycle start waits",
        "stop": "treatment stops",
    }[kind]


def is_gate(rule: Rule) -> bool:
    """Whether a rule only makes a cycle start wait."""
    return rule.at == "cycle" and all(action_kind(a) == "delay" for _, a in actions(rule, ()))


def raises_dose(rule: Rule) -> bool:
    """Whether a rule may raise the dose."""
    return any(action_kind(action) in ("up", "set") for _, action in actions(rule, ()))


def asked_words(rule: Rule, policy: Policy) -> str:
    """When a rule is asked."""
    only_stops = all(action_kind(action) == "stop" for _, action in actions(rule, ()))
    if rule.at == "event":
        text = "Asked once about every adverse event, when it becomes known"
    elif only_stops:
        text = "Asked at every visit and whenever an event becomes known"
        text += ", and as soon as a hold opens" if looks_at_holds(rule) else ""
    elif is_gate(rule):
        text = f"Asked when a cycle is due, and every {policy.recheck_days} days while it waits"
    elif rule.at == "cycle":
        text = "Asked on the day a cycle starts, before its first dose"
    else:
        text = (
            "Asked before every dose on a visit day"
            if rule.at == "dose"
            else "Asked at every visit"
        )
    return text + _occasions(rule) + "."


def _occasions(rule: Rule) -> str:
    text = ""
    for when, word in ((rule.on, "only"), (rule.off, "not")):
        if when is not None and when.cycle is not None:
            noun = "cycle" if len(when.cycle) == 1 else "cycles"
            text += f", {word} in {noun} {ranges(when.cycle)}"
        if when is not None and when.cycle_day is not None:
            text += f", {word} on cycle days {ranges(when.cycle_day)}"
    if rule.every is not None:
        step = rule.every.cycles
        text += ", every cycle" if step == 1 else f", every {step} cycles"
        text += f" from cycle {rule.every.from_cycle}"
    return text


def rule_probability(scenario: Scenario, rule: Rule) -> float | None:
    """Probability with which a rule fires once its condition holds; None for certainly."""
    if rule.probability_ratio is None or scenario.calibration is None:
        return rule.probability
    return min(1.0, rule.probability_ratio * scenario.calibration.multiplier)


def done_words(scenario: Scenario, rule: Rule) -> str:
    """What a rule does once its condition holds."""
    if rule.choices is not None:
        parts = [
            f"{action_words(scenario, choice.do)} with probability {number(choice.probability)}"
            for choice in rule.choices
        ]
        return f"one draw decides: {listing(parts)}; otherwise nothing"
    steps = rule.do if isinstance(rule.do, tuple) else (rule.do,)
    words = [action_words(scenario, step) for step in steps if step is not None]
    text = words[0]
    if len(words) > 1:
        text = "; ".join(f"at firing {place}: {word}" for place, word in enumerate(words, start=1))
        text += " (and so on)"
    probability = rule_probability(scenario, rule)
    if probability is None:
        return text
    text += f" with probability {number(probability)}"
    if rule.probability_ratio is not None and scenario.calibration is not None:
        ratio, multiplier = rule.probability_ratio, scenario.calibration.multiplier
        text += f" ({number(ratio)} times the calibrated multiplier {number(multiplier)})"
    return text


def resume_words(rule: Rule) -> str:
    """The dose after a hold of a rule."""
    steps = rule.resume if isinstance(rule.resume, tuple) else (rule.resume or "same",)
    words = [
        "at the same level" if step == "same" else f"{steps_words(-int(step))} lower"
        for step in steps
    ]
    if len(words) == 1:
        return words[0]
    texts = [f"{word} after hold {place}" for place, word in enumerate(words, start=1)]
    return f"{listing(texts)} and later"


def limit_words(scenario: Scenario, rule: Rule) -> Iterator[str]:
    """Limits of a rule, one sentence each."""
    if is_gate(rule):
        days = rule.max_days or scenario.policy.max_delay_days
        then = {"proceed": "the cycle starts", "stop": "treatment stops", None: "treatment stops"}
        after = (
            f"the cycle starts {steps_words(-rule.then)} lower"
            if isinstance(rule.then, int)
            else then[rule.then]
        )
        yield f"After {days} days of waiting {after}."
    if rule.max_fires is not None:
        yield f"It acts at most {'once' if rule.max_fires == 1 else f'{rule.max_fires} times'}."
    if rule.cap is not None:
        yield "It never passes the level held before the last reduction."
    if rule.locks is not None:
        term = "again" if rule.locks.up == "ever" else f"for {rule.locks.up}"
        yield f"After it the dose is not raised {term}."
    if rule.route is not None:
        yield f"A stop by it counts under the route {rule.route}."


def _until_lines(condition: Any, names: Iterator[str]) -> list[str]:
    if isinstance(condition, Combination) and not condition.all and not condition.any:
        parts = condition.none or ()
        if len(parts) == 1 and not isinstance(parts[0], Combination | ValuePredicate):
            text = predicate_words(parts[0]).removeprefix("an ").removeprefix("a ")
            return [f"The hold lasts until there is no {text} [{next(names)}]."]
    return ["The hold lasts until", *condition_lines(condition, names, "  ")]


def rule_lines(scenario: Scenario, rule: Rule) -> list[str]:
    """A rule: when it is asked, what must hold, what is done, until when, limits."""
    when, until = (iter(names) for names in clause_names(rule))
    lines = [asked_words(rule, scenario.policy)]
    if isinstance(rule.when, Combination):
        lines.append("It holds if")
        lines += condition_lines(rule.when, when, "  ")
        lines.append(f"Then {done_words(scenario, rule)}.")
    else:
        text = predicate_words(rule.when)
        lead = "If" if isinstance(rule.when, ValuePredicate) else "If there is"
        lines.append(f"{lead} {text} [{next(when)}]: {done_words(scenario, rule)}.")
    if rule.until is not None:
        lines += _until_lines(rule.until, until)
        lines.append(f"Dosing resumes {resume_words(rule)}.")
    return lines + list(limit_words(scenario, rule))
