"""One patient's decisions worked out again from the four tables, row by row of the log.

The walk keeps the little that the tables do not spell out (which hold is open, what change
falls due, since when a cycle start waits), asks every rule anew with `sim/replay_facts.py`,
and gives for each row of the log the facts it rested on and what each clause came to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.codes import Action, Ask
from sim.histories import Histories
from sim.model.layout import DOSE_COLUMNS, LOG_COLUMNS
from sim.replay_facts import Act, Event, Facts, clause_names, judge, looks_at_holds
from sim.replay_rows import Asked, Row, cycle_starts_of, events_of, rows_of
from sim.scenario.policy import Rule
from sim.scenario.scenario import Scenario

CHANGES = (Action.UP, Action.DOWN, Action.SET)


@dataclass
class _Open:
    """What is under way: the open hold, what falls due, and the waiting of a cycle start."""

    hold: Act | None = None
    resume: Act | None = None
    due: Act | None = None
    ordered: Act | None = None
    ordered_days: int = 0
    waits: list[tuple[int, int, Act]] = field(default_factory=list)


class Replay:
    """The walk over one patient's rows; iterate `asked()` once."""

    def __init__(self, scenario: Scenario, histories: Histories) -> None:
        self.scenario = scenario
        self.events = events_of(scenario, histories)
        self.starts = cycle_starts_of(histories)
        self.log = rows_of(histories.decisions, LOG_COLUMNS)
        self.doses = rows_of(histories.doses, DOSE_COLUMNS)
        self.acts: list[Act] = []
        self.level = scenario.posology.levels_mg.index(scenario.posology.start_mg)
        self.level_of_cycle: dict[int, int] = {}
        self.last_change_day = 0
        self.opened = 0
        self.running = 0
        self.open = _Open()
        self._asked_about: dict[str, set[int]] = {rule.id: set() for rule in scenario.rule}
        self._next_dose = 0
        self._winner: Asked | None = None
        self._group: tuple[int, int, bool] = (0, -1, False)
        self._stops_asked: set[str] = set()
        self._heeding = False
        self._also_fired: list[Asked] = []

    def asked(self) -> Iterator[Asked]:
        """Every row of the log, in order, judged anew."""
        for place, row in enumerate(self.log):
            notice = self._is_notice(row)
            group = (row["day"], row["ask"], notice)
            if group != self._group:
                self._carry_out()
                self._also_fired = []
                self._stops_asked = set()
            self._group = group
            self._reach(row, notice)
            answer = self._judge(place, row, notice)
            self._mark(answer)
            yield answer
            self._note(answer)
        self._carry_out()
        self._take_doses(None, False)

    def _is_notice(self, row: Row) -> bool:
        """Whether a row belongs to the asks after the dose of day 1, about onsets of that day.

        Asks of a day come in a fixed order, but that stop rules which count holds are asked
        again when one opens; otherwise the first that steps back belongs to the notice.
        """
        day, ask, was_notice = self._group
        if row["ask"] not in (Ask.EVENT, Ask.STOP) or row["day"] not in self.starts.values():
            return False
        rule = self.scenario.rule[row["rule"]]
        if row["ask"] == Ask.EVENT:
            focus = self._focus(row, rule.id, with_late=True)
            if focus is not None and self._is_late(focus) and focus.onset_day == row["day"]:
                return True
        if day != row["day"]:
            return False
        if was_notice:
            return True
        self._heeding = self._heeds_hold(row, rule)
        asked_again = row["ask"] == Ask.STOP == ask and rule.id in self._stops_asked
        return not self._heeding and (row["ask"] < ask or asked_again)

    def _heeds_hold(self, row: Row, rule: Rule) -> bool:
        """Whether a stop rule is asked because a hold has opened in the ask before."""
        if row["ask"] != Ask.STOP or not looks_at_holds(rule):
            return False
        if self._group[1] == Ask.STOP:
            return self._heeding and rule.id not in self._stops_asked
        return self._winner is not None and self._winner.action == Action.HOLD

    def _is_late(self, event: Event) -> bool:
        return event.onset_day == self.starts.get(event.cycle)

    def _reach(self, row: Row, notice: bool) -> None:
        """Bring everything up to the moment of a row."""
        self._take_doses(row["day"], notice)
        if row["ask"] in (Ask.LEVEL, Ask.DOSE):
            self._open_cycle(row["cycle"], row["day"], row["level_before"])
        if row["ask"] == Ask.DOSE:
            self._run_cycle(row["cycle"], row["level_before"])
        elif notice and row["cycle"] > self.running:
            self._open_cycle(row["cycle"], row["day"], row["level_before"])
            self._run_cycle(row["cycle"], row["level_before"])
        self._see_level(row["level_before"], row["cycle"], row["day"])
        if row["ask"] == Ask.DOSE:
            self._forget_resumed()
        if row["ask"] == Ask.STOP:
            self._stops_asked.add(self.scenario.rule[row["rule"]].id)

    def _take_doses(self, day: int | None, notice: bool) -> None:
        """Take the rows of doses before a day, and of that day if the dose comes before."""
        while self._next_dose < len(self.doses):
            dose = self.doses[self._next_dose]
            if day is not None and (dose["day"] > day or (dose["day"] == day and not notice)):
                return
            self._next_dose += 1
            self._open_cycle(dose["cycle"], dose["day"], dose["level"])
            self._run_cycle(dose["cycle"], dose["level"])
            self._see_level(dose["level"], dose["cycle"], dose["day"])
            self._forget_resumed()
            if dose["given"]:
                continue
            by = self.open.hold
            self.acts.append(
                Act(
                    "missed",
                    dose["cycle"],
                    dose["day"],
                    self.scenario.rule[dose["rule"]].id,
                    bool(dose["related"]),
                    dose["level"],
                    events=(by or self._last_skip()).events,
                )
            )

    def _last_skip(self) -> Act:
        return next(act for act in reversed(self.acts) if act.what == "skip")

    def _open_cycle(self, cycle: int, day: int, level: int) -> None:
        """Actual day 1: the delay enters the history, and what fell due is done."""
        if cycle <= self.opened:
            return
        self.opened = cycle
        planned = self.planned_start(cycle)
        if day > planned:
            by = self._delay_by(planned, day)
            self.acts.append(
                Act("delay", cycle, day, by.rule, by.related, self.level, day - planned, by.events)
            )
        self.open.waits = []
        self.open.ordered, self.open.ordered_days = None, 0
        self._see_level(level, cycle, day)
        self.open.resume = self.open.due = None

    def _delay_by(self, planned: int, day: int) -> Act:
        """The last rule that made the cycle wait, with the attribution of all that did."""
        waits = list(self.open.waits)
        if self.open.ordered is not None:
            steps = range(planned, day, self.scenario.policy.recheck_days)
            days = {*steps, *(wait[0] for wait in waits)}
            waits += [
                (when, 1, self.open.ordered)
                for when in days
                if when - planned < self.open.ordered_days
            ]
        waits.sort(key=lambda wait: wait[:2])
        last = waits[-1][2]
        related = any(wait[2].related for wait in waits)
        events = frozenset().union(*(wait[2].events for wait in waits))
        return Act("wait", last.cycle, last.day, last.rule, related, last.level, 0, events)

    def _run_cycle(self, cycle: int, level: int) -> None:
        if cycle > self.running:
            self.running = cycle
            self.level_of_cycle[cycle] = level

    def _see_level(self, level: int, cycle: int, day: int) -> None:
        """A level other than before shows a change that fell due: of a hold, or of a rule."""
        if level == self.level:
            return
        by = self.open.resume if self._resumes_lower() else self.open.due
        assert by is not None, "the dose changed and no rule changed it"
        self._change(level, cycle, day, by)

    def _forget_resumed(self) -> None:
        """The step of a closed hold is done at the next dose, even where it changes nothing."""
        if self.open.hold is None:
            self.open.resume = None

    def _resumes_lower(self) -> bool:
        return self.open.resume is not None and self.open.resume.days > 0

    def _change(self, level: int, cycle: int, day: int, by: Act) -> None:
        what = "reduction" if level < self.level else "increase"
        self.acts.append(Act(what, cycle, day, by.rule, by.related, self.level, 0, by.events))
        self.level = level
        self.last_change_day = day

    def _focus(self, row: Row, rule: str, with_late: bool) -> Event | None:
        kind = self.scenario.adverse_event[row["kind"]].name
        for event in self.events:
            is_open = event.known_day is not None and event.known_day <= row["day"]
            if event.kind != kind or not is_open or event.number in self._asked_about[rule]:
                continue
            if with_late or not self._is_late(event) or event.onset_day != row["day"]:
                return event
        return None

    def _judge(self, place: int, row: Row, notice: bool) -> Asked:
        rule = self.scenario.rule[row["rule"]]
        facts = self._facts(row, rule, notice)
        when, until = clause_names(rule)
        is_until = row["ask"] == Ask.UNTIL
        names = until if is_until else when
        verdict = judge(rule.until if is_until else rule.when, names, facts)
        return Asked(place, row, rule, facts, verdict, tuple(names))

    def _facts(self, row: Row, rule: Rule, notice: bool) -> Facts:
        day = row["day"]
        known = tuple(
            event
            for event in self.events
            if event.known_day is not None
            and event.known_day <= day
            and (notice or event.onset_day != day or not self._is_late(event))
        )
        focus = self._focus(row, rule.id, notice) if row["ask"] == Ask.EVENT else None
        return Facts(
            day,
            row["cycle"],
            self.running,
            row["level_before"],
            self.scenario.posology.levels_mg[row["level_before"]],
            dict(self.starts),
            dict(self.level_of_cycle),
            self.last_change_day,
            known,
            tuple(act for act in self.acts if act.what != "skip"),
            frozenset(event.number for event in known) - self._asked_about[rule.id],
            None if focus is None else focus.number,
        )

    def _mark(self, answer: Asked) -> None:
        asked = self._asked_about[answer.rule.id]
        if answer.facts.focus is not None:
            asked.add(answer.facts.focus)
        elif answer.ask != Ask.UNTIL:
            asked |= {event.number for event in answer.facts.events}

    def _note(self, answer: Asked) -> None:
        """Keep the winner of an ask until all its rules have been asked; waits act at once."""
        act = self._act_of(answer)
        if answer.ask == Ask.UNTIL:
            self._note_until(answer, answer.row["cycle"] > self.opened)
        elif answer.ask == Ask.GATE and answer.won:
            if self.waits_at(answer):
                self.open.waits.append((answer.facts.day, 2, act))
            elif isinstance(answer.rule.then, int):
                self.open.due = act
        elif answer.won:
            self._winner = answer
        elif answer.row["fired"] and answer.ask == Ask.EVENT:
            self._also_fired.append(answer)

    def waits_at(self, answer: Asked) -> bool:
        """Whether a gate rule that won makes the cycle wait; after its longest wait it does not."""
        longest = answer.rule.max_days or self.scenario.policy.max_delay_days
        return answer.facts.day - self.planned_start(answer.row["cycle"]) < longest

    def planned_start(self, cycle: int) -> int:
        """Planned day 1 of a cycle whose predecessor has started."""
        if cycle == 1:
            return 1
        return self.starts[cycle - 1] + self.scenario.posology.cycle_length_days

    def _note_until(self, answer: Asked, planned_over: bool) -> None:
        hold = self.open.hold
        assert hold is not None, "the end of a hold is tested and none is open"
        if not answer.won:
            if planned_over:
                self.open.waits.append((answer.facts.day, 0, hold))
            return
        before = self.open.resume
        down = answer.row["argument"] + (before.days if before is not None else 0)
        self.open.resume = Act(
            "resume", hold.cycle, hold.day, hold.rule, hold.related, hold.level, down, hold.events
        )
        self.open.hold = None

    def _act_of(self, answer: Asked, what: str = "") -> Act:
        """What a winner does; events that made the same rule ask for the same lend attribution."""
        facts = answer.facts
        same = ("rule", "action", "argument")
        verdicts = [answer.verdict] + [
            other.verdict
            for other in self._also_fired
            if all(other.row[key] == answer.row[key] for key in same)
        ]
        return Act(
            what,
            facts.asked_cycle,
            facts.day,
            answer.rule.id,
            any(verdict.related for verdict in verdicts),
            facts.level,
            events=frozenset().union(*(verdict.causes for verdict in verdicts)),
        )

    def _carry_out(self) -> None:
        """Do what the winner of the last ask does to the dose."""
        winner, self._winner = self._winner, None
        if winner is None:
            return
        facts, act = winner.facts, self._act_of(winner)
        if winner.action == Action.HOLD:
            self.open.hold = self._act_of(winner, "hold")
            self.acts.append(self.open.hold)
            if facts.asked_cycle > self.opened:
                self.open.waits.append((facts.day, 0, self.open.hold))
        elif winner.action == Action.SKIP:
            self.acts.append(self._act_of(winner, "skip"))
        elif winner.action == Action.DELAY:
            self._order_delay(act, winner.row["argument"])
        elif winner.action in CHANGES and winner.ask == Ask.LEVEL:
            if winner.row["level_after"] != facts.level:
                self._change(winner.row["level_after"], facts.asked_cycle, facts.day, act)
        elif winner.action in CHANGES:
            self.open.due = act

    def _order_delay(self, act: Act, days: int) -> None:
        before = self.open.ordered
        related = act.related or (before is not None and before.related)
        events = act.events | (before.events if before is not None else frozenset())
        self.open.ordered = Act("wait", act.cycle, act.day, act.rule, related, act.level, 0, events)
        self.open.ordered_days = max(self.open.ordered_days, days)
