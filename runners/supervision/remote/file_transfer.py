"""The content of files on a connection: sent in pieces, each read without blocking the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from runners.confinement.confine import is_within
from runners.confinement.wording import in_words
from runners.pipeline.file_copies import NotAFile, open_file
from runners.supervision.remote.wire import PIECE_BYTES, Wire


async def send_file(
    wire: Wire, channel: int, path: Path, *, follow: bool, within: Sequence[str] | None = None
) -> str | None:
    """Send a file as it is now, and then `sent`; return why it could not be read, None if it was.

    `follow` allows a link. It must be in one of the folders `within`, unless that is None. Raise
    WireBroken.
    """
    problem = None
    try:
        descriptor = await asyncio.to_thread(open_file, path, follow=follow)
    except (FileNotFoundError, NotADirectoryError, NotAFile):
        problem = "is not a file any more"
    except PermissionError:
        problem = "may not be read"
    except OSError as error:
        problem = f"cannot be read: {in_words(error)}"
    else:
        try:
            if _is_elsewhere(descriptor, within):
                problem = "is not in a folder that the run may write to"
            else:
                problem = await _send_content(wire, channel, descriptor)
        finally:
            os.close(descriptor)
    await wire.send("sent", channel=channel, problem=problem)
    return problem


def _is_elsewhere(descriptor: int, within: Sequence[str] | None) -> bool:
    if within is None:
        return False
    # Of what is open: the path may lead elsewhere by now.
    place = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    return not any(is_within(place, folder) for folder in within)


async def _send_content(wire: Wire, channel: int, descriptor: int) -> str | None:
    position, size = 0, os.fstat(descriptor).st_size
    while position < size:
        count = min(PIECE_BYTES, size - position)
        try:
            piece = await asyncio.to_thread(os.pread, descriptor, count, position)
        except OSError as error:
            return f"cannot be read: {in_words(error)}"
        if not piece:
            break
        await wire.send_data(channel, piece)
        position += len(piece)
    return None
