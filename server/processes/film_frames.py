"""What is known of the frames of a film: those that are in it, and those that are left out.

A run reports them one by one, and whatever it reports is checked. They are kept as JSON, in chunks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from server.core.records import LARGEST_INTEGER
from server.store.processes.film_frames import FramesChunk

#: The most frames of an attempt that are kept, in the film and left out together.
FRAMES_LIMIT = 50_000
#: How many are stored in one document.
CHUNK_FRAMES = 100
#: The longest texts; what is longer is cut.
NAME_CHARACTERS, REASON_CHARACTERS = 200, 500

_Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INTEGER)]

_encode = msgspec.json.Encoder().encode


class FilmFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a film: its number in the film, from 1, and what is known of it.

    `date` in Unix seconds, `exposure` in seconds, `sky` in the units of the file, `shift` in pixels
    (right, up), each None where unknown. `line` is the number of its line in the log, None if that
    was not stored.
    """

    frame: _Count
    product: _Count
    name: str
    date: float | None = None
    exposure: float | None = None
    filter: str | None = None
    sky: float | None = None
    shift: tuple[float, float] | None = None
    line: int | None = None


class LeftOutFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a frame of one, that is not in the film; `reason` follows its name."""

    product: _Count
    name: str
    reason: str


Reported = FilmFrame | LeftOutFrame


def reported_frame(facts: dict[str, Any]) -> Reported | None:
    """Return what a run reports of a frame, None when it is malformed."""
    try:
        if "reason" in facts:
            left_out = msgspec.convert(facts, LeftOutFrame)
            return msgspec.structs.replace(
                left_out,
                name=left_out.name[:NAME_CHARACTERS],
                reason=left_out.reason[:REASON_CHARACTERS],
            )
        frame = msgspec.convert({**facts, "line": None}, FilmFrame)
    except msgspec.ValidationError:  # a pipeline may write to the pipe as well
        return None
    filter = None if frame.filter is None else frame.filter[:NAME_CHARACTERS]
    return msgspec.structs.replace(frame, name=frame.name[:NAME_CHARACTERS], filter=filter)


def chunk_of(reported: Iterable[Reported]) -> FramesChunk:
    """Return the document of these frames."""
    frames: list[bytes] = []
    left_out: list[bytes] = []
    for each in reported:
        (frames if isinstance(each, FilmFrame) else left_out).append(_encode(each))
    return FramesChunk(b",".join(frames).decode(), b",".join(left_out).decode())


def frames_body(chunks: Iterable[FramesChunk]) -> bytes:
    """Return the frames of all chunks as the API shows them, in JSON."""
    found = list(chunks)
    frames = ",".join(chunk.frames for chunk in found if chunk.frames)
    left_out = ",".join(chunk.left_out for chunk in found if chunk.left_out)
    return f'{{"frames":[{frames}],"left_out":[{left_out}]}}'.encode()
