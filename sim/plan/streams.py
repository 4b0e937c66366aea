"""Streams: the CRC-32 of a name is the address of one kind of random decision."""

import zlib

from sim.errors import LimitError


class Streams:
    """Gives numbers to stream names and refuses two names with one number."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def number(self, name: str) -> int:
        """Return the CRC-32 of a name; raise LimitError if another name has it already."""
        number = zlib.crc32(name.encode())
        other = self._names.setdefault(number, name)
        if other != name:
            raise LimitError(
                f'the streams "{name}" and "{other}" have the same number {number}; rename one'
            )
        return number

    def names(self) -> dict[int, str]:
        """Return all streams given so far, by number."""
        return dict(self._names)
