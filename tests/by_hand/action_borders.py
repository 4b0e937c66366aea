"""Every action, limit and order of asking on both sides of its border, worked on paper.

Doses are one sign each, a word per cycle started: the level in mg, or "-" for a withheld dose;
a word that is short, or missing, is where treatment ended. The end is "completed" (after the
last planned day, delays included) or "route day rule". Levels 1-4 mg, start 2 mg; cycles begin
on days 1, 29, 57, 85, 113, 141 when none is late; doses and visits on days 1, 8, 15.
"""

from dataclasses import dataclass, field

from by_hand.small import ALWAYS, Event, Table, ae, both, event, history, neither, rule, value

NOTHING: tuple[Event, ...] = ()
AS_USUAL = "222 222 222 222 222 222"
NEARLY_NEVER = 1e-9
NEARLY_ALWAYS = 1.0 - 1e-9


@dataclass(frozen=True)
class Case:
    """Rules, a script, and the course of one patient."""

    name: str
    why: str
    rules: tuple[Table, ...]
    script: tuple[Event, ...]
    doses: str
    end: str = "completed"
    delays: dict[int, int] = field(default_factory=dict)
    policy: Table = field(default_factory=dict)
    posology: Table = field(default_factory=dict)


START_1 = {"start_mg": 1.0}
START_3 = {"start_mg": 3.0}
START_4 = {"start_mg": 4.0}


def skip(**keys: object) -> tuple[Table, ...]:
    """One rule that skips the dose whenever it is asked."""
    return (rule("skipper", "dose", "skip", ALWAYS, **keys),)


ASKED = [
    Case("on cycle", "", skip(cycle=[2]), NOTHING, "222 --- 222 222 222 222"),
    Case("on two cycles", "", skip(cycle=[2, 4]), NOTHING, "222 --- 222 --- 222 222"),
    Case("off cycle", "", skip(off={"cycle": (2,)}), NOTHING, "--- 222 --- --- --- ---"),
    Case("on day", "", skip(day=[8]), NOTHING, "2-2 2-2 2-2 2-2 2-2 2-2"),
    Case("off day", "", skip(off={"cycle_day": (8,)}), NOTHING, "-2- -2- -2- -2- -2- -2-"),
    Case("on cycle and day", "both must be so", skip(cycle=[2], day=[8]), NOTHING,
         "222 2-2 222 222 222 222"),
    Case("off cycle and day", "not asked on day 8 of cycle 2, asked on all other days",
         skip(off={"cycle": (2,), "cycle_day": (8,)}), NOTHING, "--- -2- --- --- --- ---"),
    Case("on cycle, off day", "", skip(cycle=[2], off={"cycle_day": (8,)}), NOTHING,
         "222 -2- 222 222 222 222"),
    Case("on day, off cycle", "", skip(day=[8], off={"cycle": (2,)}), NOTHING,
         "2-2 222 2-2 2-2 2-2 2-2"),
    Case("every two cycles from 2", "", skip(every={"cycles": 2, "from": 2}), NOTHING,
         "222 --- 222 --- 222 ---"),
    Case("every cycle from 5", "", skip(every={"from": 5}), NOTHING, "222 222 222 222 --- ---"),
    Case("every three, of these cycles", "3 and 6 are every third, 6 is in the list",
         skip(cycle=[2, 5, 6], every={"cycles": 3, "from": 3}), NOTHING,
         "222 222 222 222 222 ---"),
    Case("cycle rule", "asked on the actual day 1", (rule("up", "cycle", "+1", cycle=[2]),),
         NOTHING, "222 333 333 333 333 333"),
    Case("cycle rule once per cycle", "", (rule("up", "cycle", "+1", cycle=[2, 4]),), NOTHING,
         "222 333 333 444 444 444"),
    Case("visit rule on a dose day", "before the dose of that day",
         (rule("skipper", "visit", "skip", cycle=[2], day=[8]),), NOTHING,
         "222 2-2 222 222 222 222"),
    Case("visit rule on a planned day 1", "a visit of the cycle that is to start",
         (rule("skipper", "visit", "skip", cycle=[2], day=[1]),), NOTHING,
         "222 -22 222 222 222 222"),
    Case("visit day without a dose", "day 4 asks; the next dose, day 8, is skipped",
         (rule("skipper", "visit", "skip", cycle=[2], day=[4]),), NOTHING,
         "222 2-2 222 222 222 222", posology={"visit_days": (1, 4, 8, 15)}),
    Case("not a visit day", "day 4 is no visit: never asked",
         (rule("skipper", "visit", "skip", cycle=[2], day=[4]),), NOTHING, AS_USUAL),
    Case("dose day that is no visit", "dose rules are asked at visits only",
         (rule("skipper", "dose", "skip", cycle=[2]),), NOTHING, "222 --2 222 222 222 222",
         posology={"visit_days": (1, 8)}),
    Case("event rule once per event", "known on day 8, its dose is skipped; on day 15 no more",
         (rule("skipper", "event", "skip", event(state="new")),), (ae(1, 5, 60),),
         "2-2 222 222 222 222 222"),
    Case("event rule for every event", "known on days 8 and 15",
         (rule("skipper", "event", "skip", event(state="new")),), (ae(1, 5, 2), ae(1, 10, 2)),
         "2-- 222 222 222 222 222"),
    Case("new for a rule asked each cycle", "the event is new at 2, not at 3; the second at 4",
         (rule("up", "cycle", "+1", event(state="new"), cycle=[2, 3, 4]),),
         (ae(1, 5, 3), ae(3, 5, 3)), "222 333 333 444 444 444"),
    Case("new for each rule by itself", "asked by one at 2, by the other first at 3",
         (rule("first", "cycle", "+1", event(state="new"), cycle=[2]),
          rule("second", "cycle", "+1", event(state="new"), cycle=[3])),
         (ae(1, 5, 3),), "222 333 444 444 444 444"),
]  # fmt: skip

LISTS = [
    Case("list of actions", "1st skip, 2nd skip, 3rd stop on day 64, before its dose",
         (rule("three", "dose", ["skip", "skip", "stop"], day=[8]),), NOTHING, "2-2 2-2 2",
         "grade 64 three"),
    Case("the last action repeats", "skip, then every time one lower at the next cycle start: "
         "day 8 of cycle 2 for cycle 3, of 3 for 4, which is below the lowest",
         (rule("list", "dose", ["skip", "-1"], day=[8]),), NOTHING, "2-2 222 111",
         "below_lowest 85 list"),
    Case("max_fires 2", "", (rule("skipper", "dose", "skip", day=[8], max_fires=2),), NOTHING,
         "2-2 2-2 222 222 222 222"),
    Case("max_fires 1 of two asks", "", (rule("skipper", "dose", "skip", max_fires=1),), NOTHING,
         "-22 222 222 222 222 222"),
    Case("max_fires within a list", "",
         (rule("list", "dose", ["skip", "-1"], day=[8], max_fires=2),), NOTHING,
         "2-2 222 111 111 111 111"),
    Case("a loser does not fire", "the first rule of equal severity wins on day 8 of cycle 1; "
         "the other has its one firing in cycle 2",
         (rule("winner", "dose", "skip", cycle=[1], day=[8]),
          rule("loser", "dose", "skip", day=[8], max_fires=1)), NOTHING,
         "2-2 2-2 222 222 222 222"),
    Case("a refused increase does not fire", "4 is the top at cycle 2; down at 3, up at 4",
         (rule("up", "cycle", "+1", cycle=[2, 4], max_fires=1),
          rule("down", "cycle", "-1", cycle=[3])), NOTHING, "444 444 333 444 444 444",
         posology=START_4),
    Case("a gate fires once per delayed start", "max_fires 1: asked on days 29, 36, 43 it is one "
         "firing, cycle 2 is 14 days late; the second fatigue delays nothing",
         (rule("gate", "cycle", "delay", event(term="fatigue", state="active"), max_fires=1),),
         (ae(1, 20, 20, kind="fatigue"), ae(2, 20, 20, kind="fatigue")),
         "222 222 222 222 222 222", delays={2: 14}),
]  # fmt: skip

DRAWS = [
    Case("probability nearly 1", "fires",
         (rule("skipper", "dose", "skip", probability=NEARLY_ALWAYS, day=[8]),), NOTHING,
         "2-2 2-2 2-2 2-2 2-2 2-2"),
    Case("probability nearly 0", "never fires",
         (rule("skipper", "dose", "skip", probability=NEARLY_NEVER, day=[8]),), NOTHING, AS_USUAL),
    Case("a draw that fails is no firing", "the stop of higher severity does not fire, the skip "
         "of lower severity wins",
         (rule("stopper", "dose", ["stop", "skip"], probability=NEARLY_NEVER, day=[8]),
          rule("skipper", "dose", "skip", day=[8])), NOTHING, "2-2 2-2 2-2 2-2 2-2 2-2"),
    Case("a draw only after when holds", "",
         (rule("skipper", "event", "skip", event(grade=("ge", 3), state="new"),
               probability=NEARLY_ALWAYS),), (ae(1, 5, 3, 2), ae(2, 5, 3, 3)),
         "222 2-2 222 222 222 222"),
    Case("choice: the likely one, first in the list", "",
         (rule("chooser", "dose", None, day=[8], cycle=[1],
               choices=({"probability": 1.0 - 2e-9, "do": "skip"},
                        {"probability": NEARLY_NEVER, "do": "stop"})),), NOTHING,
         "2-2 222 222 222 222 222"),
    Case("choice: the likely one, second in the list", "",
         (rule("chooser", "dose", None, day=[8], cycle=[1],
               choices=({"probability": NEARLY_NEVER, "do": "stop"},
                        {"probability": 1.0 - 2e-9, "do": "skip"})),), NOTHING,
         "2-2 222 222 222 222 222"),
    Case("choices may leave nothing", "",
         (rule("chooser", "dose", None, choices=({"probability": NEARLY_NEVER, "do": "stop"},
                                                 {"probability": NEARLY_NEVER, "do": "skip"})),),
         NOTHING, AS_USUAL),
    Case("choice: delay at an event", "known on day 8: cycle 2 starts 10 days late",
         (rule("chooser", "event", None, event(state="new"),
               choices=({"probability": NEARLY_NEVER, "do": "stop"},
                        {"probability": 1.0 - 2e-9, "do": "delay 10"})),), (ae(1, 5, 3),),
         AS_USUAL, delays={2: 10}),
]  # fmt: skip

SEVERE = event(grade=("ge", 3), state="active")
NEW_SEVERE = event(grade=("ge", 3), state="new")


def hold(resume: object = None, at: str = "dose", when: Table = SEVERE, **keys: object) -> Table:
    """A hold at grade 3 until no grade 3 is active."""
    steps = {} if resume is None else {"resume": resume}
    return rule("holder", at, "hold", when, until=neither(SEVERE), **steps, **keys)


HOLDS = [
    Case("until passes at the next visit", "days 8-14: over first thing on day 15",
         (hold(),), (ae(1, 8, 7, 3),), "2-2 222 222 222 222 222"),
    Case("until fails at the next visit", "days 8-15: held on day 15 too",
         (hold(),), (ae(1, 8, 8, 3),), "2-- 222 222 222 222 222"),
    Case("resume same", "", (hold("same"),), (ae(1, 8, 7, 3),), "2-2 222 222 222 222 222"),
    Case("resume one lower, mid-cycle", "", (hold(-1),), (ae(1, 8, 7, 3),),
         "2-1 111 111 111 111 111"),
    Case("resume one lower, at a cycle start", "held on day 15, over on day 29: no delay",
         (hold(-1),), (ae(1, 15, 14, 3),), "22- 111 111 111 111 111"),
    Case("resume list", "same, one lower, same, one lower, and the last for ever",
         (hold(("same", -1, "same", -1)),),
         tuple(ae(cycle, 8, 7, 3) for cycle in (1, 2, 3, 4, 5)),
         "4-4 4-3 3-3 3-2 2-1 111", posology=START_4),
    Case("resume two lower", "", (hold(-2),), (ae(1, 8, 7, 3),), "3-1 111 111 111 111 111",
         posology=START_3),
    Case("until is tested at visits only", "over on day 9, but the doses of 9 and 10 are before "
         "the visit of day 15", (hold(),), (ae(1, 8, 1, 3),), "2---2 " + " ".join(["22222"] * 5),
         posology={"dose_days": (1, 8, 9, 10, 15), "visit_days": (1, 8, 15)}),
    Case("a visit between doses ends it", "the visit of day 10 does, before its dose",
         (hold(),), (ae(1, 8, 1, 3),), "2--22 " + " ".join(["22222"] * 5),
         posology={"dose_days": (1, 8, 9, 10, 15), "visit_days": (1, 8, 10, 15)}),
    Case("resume acts at the next dose, visit or not", "closed on day 10, next dose on day 12",
         (hold(-1),), (ae(1, 8, 2, 3),), "2-1 111 111 111 111 111",
         posology={"dose_days": (1, 8, 12), "visit_days": (1, 8, 10)}),
    Case("open on a planned day 1: just over", "days 15-28: cycle 2 is on time", (hold(),),
         (ae(1, 15, 14, 3),), "22- 222 222 222 222 222"),
    Case("open on a planned day 1: delays", "days 15-29: rechecked on day 36", (hold(),),
         (ae(1, 15, 15, 3),), "22- 222 222 222 222 222", delays={2: 7}),
    Case("open over two rechecks", "days 15-36: over on day 43", (hold(),), (ae(1, 15, 22, 3),),
         "22- 222 222 222 222 222", delays={2: 14}),
    Case("recheck every 3 days", "days 15-33: asked on 29, 32, 35", (hold(),),
         (ae(1, 15, 19, 3),), "22- 222 222 222 222 222", delays={2: 6},
         policy={"recheck_days": 3}),
    Case("resume after a delay, then no increase", "one change per decision: the step down, not "
         "the increase", (hold(-1), rule("up", "cycle", "+1", cycle=[2])), (ae(1, 15, 15, 3),),
         "22- 111 111 111 111 111", delays={2: 7}),
    Case("same dose after a delay, then an increase", "the other cycle rules are asked",
         (hold("same"), rule("up", "cycle", "+1", cycle=[2])), (ae(1, 15, 15, 3),),
         "22- 333 333 333 333 333", delays={2: 7}),
    Case("hold and gate must both pass", "rash to day 35 holds, fatigue to day 42 delays: day 43",
         (hold(when=event(term="rash", grade=("ge", 3), state="active")),
          rule("gate", "cycle", "delay", event(term="fatigue", state="active"))),
         (ae(1, 15, 21, 3), ae(1, 20, 23, kind="fatigue")), "22- 222 222 222 222 222",
         delays={2: 14}),
    Case("hold at a visit without a dose", "day 4 opens it, day 8 ends it: no dose withheld",
         (hold(-1, at="visit"),), (ae(1, 3, 3, 3),), "211 111 111 111 111 111",
         posology={"visit_days": (1, 4, 8, 15)}),
    Case("hold at a dose would have been too late", "over before the dose of day 8",
         (hold(-1),), (ae(1, 3, 3, 3),), AS_USUAL, posology={"visit_days": (1, 4, 8, 15)}),
    Case("hold by a visit rule on a planned day 1", "delays the start it is asked at",
         (hold(-1, at="visit"),), (ae(1, 20, 12, 3),), "222 111 111 111 111 111", delays={2: 7}),
    Case("hold by a cycle rule", "cycle 2 starts, its first dose is withheld, day 36 resumes",
         (hold(at="cycle"),), (ae(1, 20, 12, 3),), "222 -22 222 222 222 222"),
    Case("hold by an event rule", "known on day 8, over on day 10; held until the visit of 15",
         (hold(at="event", when=NEW_SEVERE),), (ae(1, 7, 3, 3),), "2-2 222 222 222 222 222"),
    Case("no hold in a hold", "the second fatigue of grade 3 during the hold opens no second "
         "one: one step down", (hold(-1),), (ae(1, 8, 3, 3), ae(1, 10, 10, 3, "fatigue")),
         "2-- 111 111 111 111 111"),
    Case("an event rule waits while a hold is open", "fatigue is known on day 15 while rash "
         "holds; asked on day 36, the next visit after the hold: cycle 3 is one lower",
         (rule("holder", "dose", "hold", event(term="rash", state="active"),
               until=neither(event(term="rash", state="active"))),
          rule("lower", "event", "-1", event(term="fatigue", state="new"))),
         (ae(1, 8, 10), ae(1, 12, 3, kind="fatigue")), "2-- 222 111 111 111 111"),
    Case("a stop is asked while a hold is open", "fatigue of grade 4 is known on day 15",
         (hold(), rule("stopper", "dose", "stop", event(grade=("ge", 4), state="active"))),
         (ae(1, 8, 10, 3), ae(1, 12, 9, 4, "fatigue")), "2-", "grade 15 stopper"),
    Case("a stop by an event rule while a hold is open", "",
         (hold(), rule("stopper", "event", "stop", event(grade=("ge", 4), state="new"))),
         (ae(1, 8, 10, 3), ae(1, 12, 9, 4, "fatigue")), "2-", "event 15 stopper"),
    Case("stop rules see a hold count at once", "the second hold opens on day 36: stop that day",
         (hold(), rule("stopper", "visit", "stop", history("hold", count=("ge", 2)))),
         (ae(1, 8, 3, 3), ae(2, 8, 3, 3)), "2-2 2", "grade 36 stopper"),
    Case("one hold is not two", "",
         (hold(), rule("stopper", "visit", "stop", history("hold", count=("ge", 2)))),
         (ae(1, 8, 3, 3),), "2-2 222 222 222 222 222"),
]  # fmt: skip

TIRED = event(term="fatigue", state="active")


def tired(days: int) -> tuple[Event, ...]:
    """Fatigue from day 20 for so many days; cycle 2 is planned on day 29."""
    return (ae(1, 20, days, kind="fatigue"),)


def gate(**keys: object) -> tuple[Table, ...]:
    """A gate that waits while fatigue is active."""
    return (rule("gate", "cycle", "delay", TIRED, **keys),)


DELAYS = [
    Case("gate: over on the planned day", "days 20-28", gate(), tired(9), AS_USUAL),
    Case("gate: active on the planned day", "days 20-29: rechecked on 36", gate(), tired(10),
         AS_USUAL, delays={2: 7}),
    Case("gate: over on the recheck", "days 20-35", gate(), tired(16), AS_USUAL, delays={2: 7}),
    Case("gate: active on the recheck", "days 20-36", gate(), tired(17), AS_USUAL,
         delays={2: 14}),
    Case("the next cycle counts from the actual start", "both late: 36, then planned on 64, "
         "where rash on days 60-65 is", gate() + (rule("more", "cycle", "delay",
         event(term="rash", state="active")),), (*tired(10), ae(2, 25, 6)), AS_USUAL,
         delays={2: 7, 3: 7}),
    Case("recheck_days 5", "days 20-33: asked on 29, 34", gate(), tired(14), AS_USUAL,
         delays={2: 5}, policy={"recheck_days": 5}),
    Case("max_days proceed: over", "days 20-35: over on day 36, the last ask",
         gate(max_days=7, then="proceed"), tired(16), AS_USUAL, delays={2: 7}),
    Case("max_days proceed: still there", "7 days are over: cycle 2 starts all the same",
         gate(max_days=7, then="proceed"), tired(30), AS_USUAL, delays={2: 7}),
    Case("max_days -1: over", "", gate(max_days=7, then=-1), tired(16), AS_USUAL, delays={2: 7}),
    Case("max_days -1: still there", "active on day 36: starts that day, one lower",
         gate(max_days=7, then=-1), tired(17), "222 111 111 111 111 111", delays={2: 7}),
    Case("max_days stop: over", "", gate(max_days=7, then="stop"), tired(16), AS_USUAL,
         delays={2: 7}),
    Case("max_days stop: still there", "", gate(max_days=7, then="stop"), tired(17), "222",
         "max_delay 36 gate"),
    Case("max_days between rechecks: over", "10 days: asked on 29, 36, 39; days 20-38",
         gate(max_days=10, then="stop"), tired(19), AS_USUAL, delays={2: 10}),
    Case("max_days between rechecks: still there", "days 20-39",
         gate(max_days=10, then="stop"), tired(20), "222", "max_delay 39 gate"),
    Case("a gate that has had its days leaves it to the other", "fatigue for 100 days gives up "
         "its gate on day 36; rash on days 25-40 waits until 43; one step down, not two",
         (*gate(max_days=7, then=-1),
          rule("other", "cycle", "delay", event(term="rash", state="active"))),
         (*tired(30), ae(1, 25, 16)), "333 222 222 222 222 222", delays={2: 14},
         posology=START_3),
    Case("max_delay: over on the last day", "days 20-42: the ask of day 43 comes first",
         gate(), tired(23), AS_USUAL, delays={2: 14}, policy={"max_delay_days": 14}),
    Case("max_delay: still there", "days 20-43", gate(), tired(24), "222", "max_delay 43 gate",
         policy={"max_delay_days": 14}),
    Case("max_delay between rechecks: over", "10 days: asked on 29, 36, 39; days 20-38", gate(),
         tired(19), AS_USUAL, delays={2: 10}, policy={"max_delay_days": 10}),
    Case("max_delay between rechecks: still there", "", gate(), tired(20), "222",
         "max_delay 39 gate", policy={"max_delay_days": 10}),
    Case("max_hold: over on the last day", "opened on day 15, 10 days: day 25 is asked though no "
         "visit is planned; days 15-24", (hold(-1),), (ae(1, 15, 10, 3),),
         "22- 111 111 111 111 111", policy={"max_hold_days": 10}),
    Case("max_hold: still there", "days 15-25", (hold(-1),), (ae(1, 15, 11, 3),), "22-",
         "max_hold 25 holder", policy={"max_hold_days": 10}),
    Case("max_hold on a visit: over", "opened on day 8, 7 days: day 15; days 8-14", (hold(),),
         (ae(1, 8, 7, 3),), "2-2 222 222 222 222 222", policy={"max_hold_days": 7}),
    Case("max_hold on a visit: still there", "days 8-15", (hold(),), (ae(1, 8, 8, 3),), "2-",
         "max_hold 15 holder", policy={"max_hold_days": 7}),
    Case("max_hold between rechecks: over", "opened on day 15, 23 days: day 38, between 36 and "
         "43; days 15-37", (hold(),), (ae(1, 15, 23, 3),), "22- 222 222 222 222 222",
         delays={2: 9}, policy={"max_hold_days": 23}),
    Case("max_hold between rechecks: still there", "days 15-38", (hold(),), (ae(1, 15, 24, 3),),
         "22-", "max_hold 38 holder", policy={"max_hold_days": 23}),
    Case("the delay's limit comes first", "opened on day 15: 28 days are over on 43, the delay "
         "of 7 days on 36", (hold(),), (ae(1, 15, 60, 3),), "22-", "max_delay 36 holder",
         policy={"max_delay_days": 7}),
    Case("the hold's limit comes first", "20 days are over on day 35, the delay of 7 on 36",
         (hold(),), (ae(1, 15, 60, 3),), "22-", "max_hold 35 holder",
         policy={"max_delay_days": 7, "max_hold_days": 20}),
    Case("delay ordered at an event", "known on day 8: cycle 2 starts on day 39; rechecked on 36, "
         "then on the day it is due; cycle 3 is not late",
         (rule("order", "event", "delay 10", event(state="new")),), (ae(1, 5, 2),), AS_USUAL,
         delays={2: 10}),
    Case("delay ordered in the cycle", "a later event of the cycle delays the same start; the "
         "longer counts", (rule("order", "event", ["delay 3", "delay 8"], event(state="new")),),
         (ae(1, 5, 2), ae(1, 10, 2)), AS_USUAL, delays={2: 8}),
    Case("delay ordered twice, the longer first", "",
         (rule("order", "event", ["delay 8", "delay 3"], event(state="new")),),
         (ae(1, 5, 2), ae(1, 10, 2)), AS_USUAL, delays={2: 8}),
    Case("delay ordered on the planned day", "known on day 29, before the gate: that start",
         (rule("order", "event", "delay 10", event(state="new")),), (ae(1, 20, 2),), AS_USUAL,
         delays={2: 10}),
    Case("delay ordered beyond the limit", "30 of 28 days: the ask on day 57 stops",
         (rule("order", "event", "delay 30", event(state="new")),), (ae(1, 5, 2),), "222",
         "max_delay 57 order"),
    Case("delay ordered up to the limit", "28 days: due on the very day",
         (rule("order", "event", "delay 28", event(state="new")),), (ae(1, 5, 2),), AS_USUAL,
         delays={2: 28}),
    Case("delay ordered and a gate", "fatigue to day 43 waits longer than 10 days: day 50, as "
         "the rechecks are on 36, 39, 43, 50", (*gate(), rule("order", "event", "delay 10",
         event(term="rash", state="new"))), (ae(1, 5, 2), *tired(24)), AS_USUAL, delays={2: 21}),
]  # fmt: skip

LEVELS = [
    Case("+1", "", (rule("up", "cycle", "+1", cycle=[3]),), NOTHING, "222 222 333 333 333 333"),
    Case("+2", "", (rule("up", "cycle", "+2", cycle=[3]),), NOTHING, "222 222 444 444 444 444"),
    Case("+1 at the top", "refused", (rule("up", "cycle", "+1", cycle=[3]),), NOTHING,
         "444 444 444 444 444 444", posology=START_4),
    Case("+2 one below the top", "refused whole", (rule("up", "cycle", "+2", cycle=[3]),),
         NOTHING, "333 333 333 333 333 333", posology=START_3),
    Case("set higher", "", (rule("set", "cycle", "set 4.0", cycle=[3]),), NOTHING,
         "222 222 444 444 444 444"),
    Case("set lower", "", (rule("set", "cycle", "set 1.0", cycle=[3]),), NOTHING,
         "222 222 111 111 111 111"),
    Case("set the same", "", (rule("set", "cycle", "set 2.0", cycle=[3]),), NOTHING, AS_USUAL),
    Case("set at an event", "at the next cycle start",
         (rule("set", "event", "set 1.0", event(state="new")),), (ae(1, 5, 2),),
         "222 111 111 111 111 111"),
    Case("-1 at a cycle", "that cycle", (rule("down", "cycle", "-1", cycle=[3]),), NOTHING,
         "222 222 111 111 111 111"),
    Case("-2 at a cycle", "", (rule("down", "cycle", "-2", cycle=[3]),), NOTHING,
         "333 333 111 111 111 111", posology=START_3),
    Case("-1 at a dose", "not that dose: the next cycle start",
         (rule("down", "dose", "-1", cycle=[2], day=[8]),), NOTHING, "222 222 111 111 111 111"),
    Case("-1 at a visit", "", (rule("down", "visit", "-1", cycle=[2], day=[4]),), NOTHING,
         "222 222 111 111 111 111", posology={"visit_days": (1, 4, 8, 15)}),
    Case("-1 at an event", "known on day 8", (rule("down", "event", "-1", event(state="new")),),
         (ae(1, 5, 2),), "222 111 111 111 111 111"),
    Case("-1 at an event on the planned day", "known on day 29, before the level decision: that "
         "start", (rule("down", "event", "-1", event(state="new")),), (ae(1, 20, 2),),
         "222 111 111 111 111 111"),
    Case("below the lowest: stop", "cycle 3 is not started",
         (rule("down", "cycle", "-1", cycle=[3]),), NOTHING, "111 111", "below_lowest 57 down",
         posology=START_1),
    Case("below the lowest: stay", "", (rule("down", "cycle", "-1", cycle=[3]),), NOTHING,
         "111 111 111 111 111 111", policy={"below_lowest": "stay"}, posology=START_1),
    Case("to the lowest", "", (rule("down", "cycle", "-1", cycle=[3]),), NOTHING,
         "222 222 111 111 111 111"),
    Case("two lower from 2: stop", "", (rule("down", "cycle", "-2", cycle=[3]),), NOTHING,
         "222 222", "below_lowest 57 down"),
    Case("two lower from 2: stay on the lowest", "",
         (rule("down", "cycle", "-2", cycle=[3]),), NOTHING, "222 222 111 111 111 111",
         policy={"below_lowest": "stay"}),
    Case("below the lowest, mid-cycle", "the next dose, day 15, would be", (hold(-1),),
         (ae(1, 8, 3, 3),), "1-", "below_lowest 15 holder", posology=START_1),
    Case("below the lowest, mid-cycle: stay", "", (hold(-1),), (ae(1, 8, 3, 3),),
         "1-1 111 111 111 111 111", policy={"below_lowest": "stay"}, posology=START_1),
    Case("max_reductions: as many", "", (rule("down", "cycle", "-1", cycle=[2, 3]),), NOTHING,
         "333 222 111 111 111 111", policy={"max_reductions": 2}, posology=START_3),
    Case("max_reductions: one more", "the second would be on day 57",
         (rule("down", "cycle", "-1", cycle=[2, 3]),), NOTHING, "333 222",
         "max_reductions 57 down", policy={"max_reductions": 1}, posology=START_3),
    Case("max_reductions: an increase between is none", "", (
         rule("down", "cycle", "-1", cycle=[2]), rule("up", "cycle", "+1", cycle=[3])), NOTHING,
         "333 222 333 333 333 333", policy={"max_reductions": 1}, posology=START_3),
    Case("lock for ever", "", (rule("down", "cycle", "-1", cycle=[2], locks={"up": "ever"}),
         rule("up", "cycle", "+1", every={"from": 3})), NOTHING, "333 222 222 222 222 222",
         posology=START_3),
    Case("lock for 2 cycles", "fired at 2: locked at 3 and 4, up at 5 and 6",
         (rule("down", "cycle", "-1", cycle=[2], locks={"up": "2 cycles"}),
          rule("up", "cycle", "+1", every={"from": 3})), NOTHING, "333 222 222 222 333 444",
         posology=START_3),
    Case("lock for 1 cycle, within a cycle", "fired in cycle 2: locked at 3, up at 4",
         (rule("skipper", "dose", "skip", cycle=[2], day=[8], locks={"up": "1 cycle"}),
          rule("up", "cycle", "+1", every={"from": 3}, max_fires=1)), NOTHING,
         "222 2-2 222 333 333 333"),
    Case("lock by a rule that does not fire", "",
         (rule("skipper", "dose", "skip", SEVERE, locks={"up": "ever"}),
          rule("up", "cycle", "+1", cycle=[3])), (ae(2, 5, 3, 2),), "222 222 333 333 333 333"),
    Case("lock by a gate", "a delayed start of cycle 2 forbids increases for ever",
         (*gate(locks={"up": "ever"}), rule("up", "cycle", "+1", cycle=[3])), tired(10), AS_USUAL,
         delays={2: 7}),
    Case("lock by a gate that lets pass", "",
         (*gate(locks={"up": "ever"}), rule("up", "cycle", "+1", cycle=[3])), tired(9),
         "222 222 333 333 333 333"),
    Case("lock and set higher", "setting a higher dose is an increase",
         (rule("skipper", "dose", "skip", cycle=[2], day=[8], locks={"up": "ever"}),
          rule("set", "cycle", "set 3.0", cycle=[3])), NOTHING, "222 2-2 222 222 222 222"),
    Case("lock and set higher at an event", "asked on day 8, due at the start of cycle 2, where "
         "increases are locked since day 1",
         (rule("skipper", "dose", "skip", cycle=[1], day=[1], locks={"up": "ever"}),
          rule("set", "event", "set 3.0", event(state="new"))), (ae(1, 5, 2),),
         "-22 222 222 222 222 222"),
    Case("lock and set lower", "is no increase",
         (rule("skipper", "dose", "skip", cycle=[2], day=[8], locks={"up": "ever"}),
          rule("set", "cycle", "set 1.0", cycle=[3])), NOTHING, "222 2-2 111 111 111 111"),
    Case("cap before the reduction", "3, down to 2, up to 3 again, not to 4",
         (rule("down", "cycle", "-1", cycle=[2]),
          rule("up", "cycle", "+1", every={"from": 3}, cap="before_reduction")), NOTHING,
         "333 222 333 333 333 333", posology=START_3),
    Case("no cap", "", (rule("down", "cycle", "-1", cycle=[2]),
         rule("up", "cycle", "+1", every={"from": 3})), NOTHING, "333 222 333 444 444 444",
         posology=START_3),
    Case("cap without a reduction", "there is nothing to cap",
         (rule("up", "cycle", "+1", every={"from": 3}, cap="before_reduction"),), NOTHING,
         "333 333 444 444 444 444", posology=START_3),
    Case("cap is the last reduction's", "4 to 3 to 2: up to 3, the level before the last",
         (rule("down", "cycle", "-1", cycle=[2, 3]),
          rule("up", "cycle", "+1", every={"from": 4}, cap="before_reduction")), NOTHING,
         "444 333 222 333 333 333", posology=START_4),
]  # fmt: skip

UP_AT_2 = rule("up", "cycle", "+1", cycle=[2])
DOWN_AT_2 = rule("down", "cycle", "-1", cycle=[2])
SKIP_8 = rule("skipper", "dose", "skip", cycle=[1], day=[8])
DOWN_8 = rule("down-at-8", "dose", "-1", cycle=[1], day=[8])
# Closed at the next visit, and open for that one dose only.
HOLD_8 = rule("holder", "dose", "hold", cycle=[1], day=[8],
              until=value("days_on_treatment", "ge", 29))  # fmt: skip
STOP_8 = rule("stopper", "dose", "stop", cycle=[1], day=[8])
FIRST = {"order": "file"}

ORDER = [
    Case("down before up", "though up is first in the file", (UP_AT_2, DOWN_AT_2), NOTHING,
         "222 111 111 111 111 111"),
    Case("down before up, first in the file", "", (DOWN_AT_2, UP_AT_2), NOTHING,
         "222 111 111 111 111 111"),
    Case("by file: up is first", "", (UP_AT_2, DOWN_AT_2), NOTHING, "222 333 333 333 333 333",
         policy=FIRST),
    Case("by file: down is first", "", (DOWN_AT_2, UP_AT_2), NOTHING, "222 111 111 111 111 111",
         policy=FIRST),
    Case("skip before down", "the reduction does not fire", (DOWN_8, SKIP_8), NOTHING,
         "2-2 222 222 222 222 222"),
    Case("by file: down before skip", "", (DOWN_8, SKIP_8), NOTHING, "222 111 111 111 111 111",
         policy=FIRST),
    Case("hold before down", "", (DOWN_8, HOLD_8), NOTHING, "2-- 222 222 222 222 222"),
    Case("skip and hold are equal: skip is first", "", (SKIP_8, HOLD_8), NOTHING,
         "2-2 222 222 222 222 222"),
    Case("skip and hold are equal: hold is first", "", (HOLD_8, SKIP_8), NOTHING,
         "2-- 222 222 222 222 222"),
    Case("stop before hold", "", (HOLD_8, STOP_8), NOTHING, "2", "grade 8 stopper"),
    Case("stop before hold, first in the file", "", (STOP_8, HOLD_8), NOTHING, "2",
         "grade 8 stopper"),
    Case("stop before hold, of a rule that does not only stop", "so both are asked at the dose",
         (HOLD_8, rule("list", "dose", ["stop", "skip"], cycle=[1], day=[8])), NOTHING, "2",
         "grade 8 list"),
    Case("stop before up", "at the same ask",
         (UP_AT_2, rule("list", "cycle", ["stop", "+1"], cycle=[2])), NOTHING, "222",
         "grade 29 list"),
    Case("set is down or up: lower", "set 1 is a reduction and wins over up",
         (UP_AT_2, rule("set", "cycle", "set 1.0", cycle=[2])), NOTHING,
         "222 111 111 111 111 111"),
    Case("set is down or up: higher", "set 4 is an increase: up is first in the file",
         (UP_AT_2, rule("set", "cycle", "set 4.0", cycle=[2])), NOTHING,
         "222 333 333 333 333 333"),
    Case("delay before down at an event", "both are asked on day 8, cycle 2 is 7 days late at "
         "the same dose", (rule("down", "event", "-1", event(state="new")),
         rule("order", "event", "delay 7", event(state="new"))), (ae(1, 5, 2),), AS_USUAL,
         delays={2: 7}),
    Case("one change: a due reduction, then no increase", "asked for in cycle 1",
         (DOWN_8, UP_AT_2), NOTHING, "222 111 111 111 111 111"),
    Case("one change: nor another reduction", "", (DOWN_8, DOWN_AT_2), NOTHING,
         "333 222 222 222 222 222", posology=START_3),
    Case("one change: the increase is not used up", "it has its one firing at 3",
         (DOWN_8, rule("up", "cycle", "+1", cycle=[2, 3], max_fires=1)), NOTHING,
         "222 111 222 222 222 222"),
    Case("a stop rule of a cycle is asked at every ask", "known on day 8, not on day 29",
         (rule("stopper", "cycle", "stop", event(grade=("ge", 4), state="active")),),
         (ae(1, 5, 60, 4),), "2", "grade 8 stopper"),
    Case("a stop rule of some cycles only", "asked from the planned start of cycle 3",
         (rule("stopper", "cycle", "stop", event(grade=("ge", 4), state="active"), cycle=[3]),),
         (ae(1, 5, 60, 4),), "222 222", "grade 57 stopper"),
    Case("a stop rule at a recheck", "rash of grade 4 on day 30 is known on day 36",
         (*gate(), rule("stopper", "dose", "stop", event(grade=("ge", 4), state="new"))),
         (*tired(20), ae(1, 30, 3, 4)), "222", "grade 36 stopper"),
    Case("stop before the gate", "on the planned day 1",
         (*gate(), rule("stopper", "cycle", "stop", event(grade=("ge", 4), state="active"))),
         (*tired(20), ae(1, 21, 20, 4)), "222", "grade 29 stopper"),
    Case("route of an event rule", "", (rule("stopper", "event", "stop", event(state="new")),),
         (ae(1, 5, 2),), "2", "event 8 stopper"),
    Case("route of another rule", "", (rule("stopper", "visit", "stop", event(state="new")),),
         (ae(1, 5, 2),), "2", "grade 8 stopper"),
    Case("route as written: grade", "",
         (rule("stopper", "event", "stop", event(state="new"), route="grade"),), (ae(1, 5, 2),),
         "2", "grade 8 stopper"),
    Case("route as written: event", "",
         (rule("stopper", "visit", "stop", event(state="new"), route="event"),), (ae(1, 5, 2),),
         "2", "event 8 stopper"),
    Case("a stop belongs to the last cycle started", "on the planned day 1 of cycle 2",
         (rule("stopper", "event", "stop", event(state="new")),), (ae(1, 16, 2),), "222",
         "event 29 stopper"),
    Case("a stop on the first dose day", "asked before the dose of day 1 of cycle 2",
         (rule("list", "dose", ["stop", "skip"], cycle=[2]),), NOTHING, "222 ", "grade 29 list"),
    Case("asked about late events after the last cycle", "day 169; the horizon is over the day "
         "before, the event began on day 165",
         (rule("stopper", "event", "stop", event(state="new")),), (ae(6, 25, 2),), AS_USUAL,
         "event 169 stopper"),
]  # fmt: skip

STOP_NEW = (rule("stopper", "event", "stop", event(state="new")),)
SEEN_ONSET = {"seen": "onset"}

SEEN = [
    Case("visit: onset between visits", "begins on day 10", STOP_NEW, (ae(1, 10, 20),), "22",
         "event 15 stopper"),
    Case("onset: onset between visits", "", STOP_NEW, (ae(1, 10, 20),), "22",
         "event 10 stopper", policy=SEEN_ONSET),
    Case("visit: onset on a visit day", "before its dose", STOP_NEW, (ae(1, 8, 20),), "2",
         "event 8 stopper"),
    Case("onset: onset on a visit day", "", STOP_NEW, (ae(1, 8, 20),), "2", "event 8 stopper",
         policy=SEEN_ONSET),
    Case("visit: onset on day 1", "after that dose; known on day 8", STOP_NEW, (ae(1, 1, 20),),
         "2", "event 8 stopper"),
    Case("onset: onset on day 1", "after that dose, the same day", STOP_NEW, (ae(1, 1, 20),),
         "2", "event 1 stopper", policy=SEEN_ONSET),
    Case("visit: few visits", "only planned starts: known on day 29", STOP_NEW, (ae(1, 5, 20),),
         "222", "event 29 stopper", posology={"visit_days": (1,)}),
    Case("onset: few visits", "", STOP_NEW, (ae(1, 5, 20),), "2", "event 5 stopper",
         policy=SEEN_ONSET, posology={"visit_days": (1,)}),
    Case("visit: a recheck is a visit", "rash on day 33 is known on day 36", (*gate(),
         rule("stopper", "event", "stop", event(term="rash", state="new"))),
         (*tired(20), ae(1, 33, 2)), "222", "event 36 stopper"),
    Case("onset: between rechecks", "", (*gate(),
         rule("stopper", "event", "stop", event(term="rash", state="new"))),
         (*tired(20), ae(1, 33, 2)), "222", "event 33 stopper", policy=SEEN_ONSET),
    Case("onset: a hold opens on that day", "day 10, limit of 3 days on day 13, between visits",
         (hold(at="event", when=NEW_SEVERE),), (ae(1, 10, 20, 3),), "22", "max_hold 13 holder",
         policy={**SEEN_ONSET, "max_hold_days": 3}),
    Case("onset: dose rules wait for the visit", "the event of days 9-10 is over on day 15",
         (rule("skipper", "dose", "skip", event(state="active")),), (ae(1, 9, 2),), AS_USUAL,
         policy=SEEN_ONSET),
    Case("visit: active rules miss what is over", "days 9-10, known on day 15",
         (rule("skipper", "dose", "skip", event(state="active")),), (ae(1, 9, 2),), AS_USUAL),
    Case("visit: new rules do not", "", (rule("skipper", "dose", "skip", event(state="new")),),
         (ae(1, 9, 2),), "22- 222 222 222 222 222"),
]  # fmt: skip

RELATED_G2 = event(ae_class="non_hematologic", grade=("ge", 2), related=True, window="cycles 3-4",
                   timing="onset")  # fmt: skip
GUARD = event(ae_class="non_hematologic", grade=("ge", 2), related=True, state="active")


def paper(guard: bool) -> tuple[Table, ...]:
    """The paper's rule at cycle 5, literal, with or without the guard."""
    parts = [
        RELATED_G2,
        history("missed", related=True, window="cycles 3-4"),
        history("delay", related=True, days=("gt", 7), window="cycles 3-4"),
        history("reduction"),
    ]
    return (rule("up", "cycle", "+1", neither(*parts, *([GUARD] if guard else [])), cycle=[5]),)


UP_AT_5 = "222 222 222 222 333 333"
PAPER = [
    Case("guard: active since cycle 2", "rash of grade 2 from day 40 to 120 began outside the "
         "window, but is active on day 113", paper(True), (ae(2, 12, 81),), AS_USUAL),
    Case("guard: over the day before", "days 40-112", paper(True), (ae(2, 12, 73),), UP_AT_5),
    Case("guard: last day is the day", "days 40-113", paper(True), (ae(2, 12, 74),), AS_USUAL),
    Case("no guard: active since cycle 2", "", paper(False), (ae(2, 12, 81),), UP_AT_5),
    Case("guard: unrelated", "", paper(True), (ae(2, 12, 81, related=False),), UP_AT_5),
    Case("guard: grade 1", "", paper(True), (ae(2, 12, 81, 1),), UP_AT_5),
    Case("guard: hematologic", "", paper(True), (ae(2, 12, 81, 3, "haem"),), UP_AT_5),
    Case("guard: begins on the planned day", "day 29 of cycle 4, before cycle 5: its cycle is 4, "
         "so it bars by the window too", paper(True), (ae(4, 29, 1),), AS_USUAL),
    Case("guard: begins after the dose", "drawn for day 1 of cycle 5: too late to bar",
         paper(True), (ae(5, 1, 9),), UP_AT_5),
    Case("reduction bars for ever", "in cycle 1", (*paper(False), hold(-1)), (ae(1, 8, 3, 3),),
         "3-2 222 222 222 222 222", posology=START_3),
    Case("no reduction, no bar", "same hold, same dose", (*paper(False), hold("same")),
         (ae(1, 8, 3, 3),), "3-3 333 333 333 444 444", posology=START_3),
    Case("a reduction of this very start bars", "asked for in cycle 4, it comes first",
         (*paper(False), rule("down", "dose", "-1", cycle=[4], day=[8])), NOTHING,
         "333 333 333 333 222 222", posology=START_3),
    Case("interruption, unrelated", "a hold by an unrelated event in cycle 4 bars nothing",
         (*paper(False), hold("same")), (ae(4, 8, 3, 3, related=False),),
         "222 222 222 2-2 333 333"),
    Case("interruption, related", "by a hematologic event, so that the AE clause is silent",
         (*paper(False), hold("same")), (ae(4, 8, 3, 3, "haem"),), "222 222 222 2-2 222 222"),
    Case("interruption in cycle 2", "outside the window", (*paper(False), hold("same")),
         (ae(2, 8, 3, 3, "haem"),), "222 2-2 222 222 333 333"),
    Case("conditions of two kinds", "all and none in one rule",
         (rule("up", "cycle", "+1", both(value("cycles_at_level", "ge", 4))
               | neither(event(grade=("ge", 2)))),), NOTHING, UP_AT_5),
]  # fmt: skip

CASES: tuple[Case, ...] = (
    *ASKED, *LISTS, *DRAWS, *HOLDS, *DELAYS, *LEVELS, *ORDER, *SEEN, *PAPER,
)  # fmt: skip
