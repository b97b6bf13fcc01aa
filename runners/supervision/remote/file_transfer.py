"""The content of files on a connection: sent in pieces, each read without blocking the loop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from runners.pipeline.file_copies import NotAFile, open_file
from runners.supervision.remote.wire import PIECE_BYTES, Wire
from runners.wording import in_words


async def send_file(wire: Wire, channel: int, path: Path, *, follow: bool) -> str | None:
    """Send a file as it is now, and then `sent`; return why it could not be read, None if it was.

    `follow` allows a link. Raise WireBroken.
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
            problem = await _send_content(wire, channel, descriptor)
        finally:
            os.close(descriptor)
    await wire.send("sent", channel=channel, problem=problem)
    return problem


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
