"""What a log consists of, read from its segments and chunks without the server's own reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from server.logs.segments.blocks import Block
from server.logs.segments.index import SegmentIndex

Entry = list[Any]


def entries_of_segment(index: str, data: bytes) -> list[Entry]:
    """Return the entries of a segment's file."""
    return [
        entry
        for block in SegmentIndex.from_text(index).blocks
        for entry in json.loads(
            b"[%b]" % Block(block, data[block.offset : block.offset + block.size]).entries()
        )
    ]


def sealed_entries(
    segments: Iterable[Mapping[str, Any]], files: Mapping[str, bytes]
) -> list[Entry]:
    """Return the entries of all segments of a log, whose files must be what the segments say."""
    entries: list[Entry] = []
    for segment in sorted(segments, key=lambda segment: segment["first"]):
        data = files[segment["file"]]
        found = (len(data), hashlib.sha256(data).hexdigest())
        assert found == (segment["size"], segment["sha256"]), segment["file"]
        entries += entries_of_segment(segment["index"], data)
    return entries
