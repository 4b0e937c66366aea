"""The lines of a delimited text file, whatever its delimiter."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Delimited:
    """Lines that hold something: line number and cells without spaces about them.

    fault_line is where a quotation mark makes the rest unreadable.
    """

    delimiter: str
    lines: list[tuple[int, list[str]]]
    fault_line: int | None

    @property
    def header(self) -> list[str]:
        """The cells of the first line; none where nothing could be read."""
        return self.lines[0][1] if self.lines else []

    @property
    def is_even(self) -> bool:
        """Whether it could be read to the end and every line has the header's several cells."""
        width = len(self.header)
        even = all(len(cells) == width for _, cells in self.lines)
        return self.fault_line is None and width > 1 and even


def read_delimited(text: str, asked: Sequence[str]) -> Delimited:
    """Split a text that is not empty by the delimiter that suits it.

    That is the one under which most of the columns asked for are in the header, then the one
    under which every line has as many cells, then the one that gives most cells.
    """
    first = next(line for line in text.splitlines() if line.strip())
    tried = [_split(text, one) for one in DELIMITERS if one in first]

    def suits(one: Delimited) -> tuple[int, bool, int]:
        return sum(column in one.header for column in asked), one.is_even, len(one.header)

    return max(tried, key=suits) if tried else _split(text, DELIMITERS[0])


def _split(text: str, delimiter: str) -> Delimited:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                lines.append((before + 1, [cell.strip() for cell in record]))
            before = reader.line_num
    except csv.Error:
        return Delimited(delimiter, lines, before + 1)
    return Delimited(delimiter, lines, None)
