"""From a run's text to numbered log entries: assembling lines, and encoding them once and for all.

An entry is ready JSON, `[number, time, level, text]`, with a fifth element `true` where no line end
follows. Entries of a chunk stand one after the other with `,\\n` between: raw line ends do not
occur inside JSON, so a chunk is a JSON array's inside and can be cut at line ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

SEPARATOR = b",\n"

_encode_lines = msgspec.json.Encoder().encode_lines
_decode_entries = msgspec.json.Decoder(list[list[int | float | str | bool]]).decode


class Line(NamedTuple):
    """A line of a log before it has a number. `unended` says that no line end follows the text."""

    time: float
    level: str
    text: str
    unended: bool = False


def encode_entries(first: int, lines: Sequence[Line]) -> bytes:
    """The lines as the inside of a JSON array of entries, numbered from `first`."""
    numbered = [
        (number, *line) if line[3] else (number, line[0], line[1], line[2])
        for number, line in enumerate(lines, first)
    ]
    return _encode_lines(numbered)[:-1].replace(b"\n", SEPARATOR)


def entries_text(entries: bytes) -> str:
    """The bytes that the log shows for these entries: each text with its line end."""
    return "".join(
        [
            f"{entry[3]}\n" if len(entry) == 4 else str(entry[3])
            for entry in _decode_entries(b"[%b]" % entries)
        ]
    )
