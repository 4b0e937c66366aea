"""Every random address that a run asks for, and why: run with the compiler off.

`NUMBA_DISABLE_JIT=1 python tests/traced_draws.py < requests.json` runs each request of
`whole_run.py` with histories and answers, for each, how many addresses were asked for, those
asked for more than once, and the streams and keys that occurred.

An address is the whole counter and key of one Philox block and the place of a word in it.
"""

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from sim.model import draws

Address = tuple[int, ...]
ALL_PLACES = (0, 1, 2, 3)
TRACED_HERE = "traced_draws.py"


class Trace:
    """Collects addresses; `places` are the words that the draw now under way looks at."""

    def __init__(self) -> None:
        self.asked: dict[Address, list[str]] = {}
        self.places: tuple[int, ...] = ALL_PLACES
        self.purpose = ""

    def record(self, block: Address) -> None:
        """Note the words of a block that are looked at."""
        for place in self.places:
            self.asked.setdefault((*block, place), []).append(self.purpose)


def _caller(frame: FrameType) -> str:
    """The function of the model that wants the draw."""
    here: FrameType | None = frame
    while here is not None and here.f_code.co_filename.endswith((TRACED_HERE, "draws.py")):
        here = here.f_back
    return "" if here is None else here.f_code.co_name


def install(trace: Trace) -> None:
    """Put tracing in the place of the generator, before anything imports its functions."""
    philox = draws.philox
    word_of_cycle, latent_uniform = draws.word_of_cycle, draws.latent_uniform

    def traced_philox(*block: int) -> Any:
        trace.record(tuple(int(number) for number in block))
        return philox(*block)

    def looking_at(
        function: Callable[..., Any], places: Callable[..., tuple[int, ...]]
    ) -> Callable[..., Any]:
        def traced(*arguments: Any) -> Any:
            trace.places = places(*arguments)
            details = [int(number) for number in arguments[1:]]
            trace.purpose = f"{_caller(sys._getframe())} {details}"
            try:
                return function(*arguments)
            finally:
                trace.places = ALL_PLACES

        return traced

    def place_of_cycle(_plan: Any, _patient: int, _stream: int, cycle: int, _ask: int) -> Any:
        return ((int(cycle) - 1) % 4,)

    def all_four(*_arguments: Any) -> tuple[int, ...]:
        return ALL_PLACES

    plain_words_at = draws.words_at
    direct_words_at = looking_at(plain_words_at, all_four)

    def words_at(*arguments: Any) -> Any:
        # Called by the functions below, the places are theirs; else all four are wanted.
        if sys._getframe(1).f_code.co_filename.endswith("draws.py"):
            return plain_words_at(*arguments)
        return direct_words_at(*arguments)

    module: Any = draws
    module.philox = traced_philox
    module.words_at = words_at
    module.word_of_cycle = looking_at(word_of_cycle, place_of_cycle)
    module.latent_uniform = looking_at(latent_uniform, lambda *_: (0, 1))


def answer(trace: Trace, table: dict[str, Any]) -> dict[str, Any]:
    """Run one request and tell what it asked for."""
    from whole_run import Request

    from sim.engines import run

    request = Request(**table)
    plan = request.plan()
    trace.asked.clear()
    run.record(plan, request.first, request.patients, engine=request.engine, threads=1)
    repeats = {str(a): whys for a, whys in trace.asked.items() if len(whys) > 1}
    streams = {address[2] for address in trace.asked}
    return {
        "asked": len(trace.asked),
        "repeats": repeats,
        "unknown_streams": sorted(streams - set(plan.streams)),
        "streams": sorted(plan.streams[s] for s in streams & set(plan.streams)),
        "keys": sorted({address[3:6] for address in trace.asked}),
        "highest_block": max((address[1] for address in trace.asked), default=0),
        "addresses": sorted(trace.asked) if request.patients <= 2 else [],
    }


def main() -> None:
    """Answer the requests on standard input."""
    trace = Trace()
    install(trace)
    json.dump([answer(trace, table) for table in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
