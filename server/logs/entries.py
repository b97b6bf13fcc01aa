"""Log entries: numbered lines, encoded once as the JSON that is stored and sent.

An entry is `[number, time, level, text]`, with a fifth element `true` if no line end follows the
text. A comma and a line end separate entries: JSON escapes line ends within a text, so entries are
the inside of a JSON array that can be cut at line ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

SEPARATOR = b",\n"

_encode_lines = msgspec.json.Encoder().encode_lines
_decode_entries = msgspec.json.Decoder(list[list[int | float | str | bool]]).decode


class Line(NamedTuple):
    """A line of a log without its number. `unended` says that no line end follows the text."""

    time: float
    level: str
    text: str
    unended: bool = False


def encode_entries(first: int, lines: Sequence[Line]) -> bytes:
    """Return the lines as the inside of a JSON array of entries, numbered from `first`."""
    numbered = [
        (number, *line) if line[3] else (number, line[0], line[1], line[2])
        for number, line in enumerate(lines, first)
    ]
    return _encode_lines(numbered)[:-1].replace(b"\n", SEPARATOR)


def entries_text(entries: bytes) -> str:
    """Return the text of these entries, with the line ends that the log shows."""
    return "".join(
        [
            f"{entry[3]}\n" if len(entry) == 4 else str(entry[3])
            for entry in _decode_entries(b"[%b]" % entries)
        ]
    )
