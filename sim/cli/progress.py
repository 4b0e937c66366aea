"""Progress on long work: a bar on the terminal, nothing when there is none."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHOWN_AFTER_SECONDS = 2.0


@contextmanager
def progress_bar(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how much has been done since its last call."""
    from tqdm import tqdm

    with tqdm(
        total=total,
        unit=f" {unit}",
        unit_scale=True,
        delay=SHOWN_AFTER_SECONDS,
        disable=not sys.stderr.isatty(),
        file=sys.stderr,
        leave=False,
    ) as bar:
        yield lambda done: _advance(bar, done)


def _advance(bar: object, done: int) -> None:
    bar.update(done)  # type: ignore[attr-defined]
