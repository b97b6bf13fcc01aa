"""Files in a local folder: linked or copied into it, durably, and opened without following links.

Which keys there are is left to `file_storage`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from runners.pipeline.file_copies import open_file
from server.core.errors import AlreadyStored, NoRoom

T = TypeVar("T")

#: Random bytes in the name of a file that is not complete yet.
PARTIAL_BYTES = 8
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Return the result of blocking work on files. :raises NoRoom: the disk is full."""
    try:
        return await asyncio.to_thread(work, *args)
    except OSError as error:
        if error.errno in _FULL:
            raise NoRoom() from error
        raise


def place_local(local: Path, place: Path, key: str, *, keep_mode: bool = False) -> None:
    """Link or copy a local file to a place, read-only. :raises AlreadyStored: it is taken.

    With `keep_mode` its permissions stay, as those of a file that others have too.
    """
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = place.parent / f".{secrets.token_hex(PARTIAL_BYTES)}"
    try:
        _link_or_copy(local, partial)
        if not (keep_mode and partial.stat().st_nlink > 1):
            partial.chmod(0o400)
        with _free(key):
            _rename_to_free(partial, place)
    finally:
        partial.unlink(missing_ok=True)


def open_below(root: str, path: str) -> int:
    """Open a file below a folder; no part of its path may be a link."""
    *parents, name = path.split("/")
    with contextlib.ExitStack() as stack:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, folder)
        for parent in parents:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            folder = os.open(parent, flags, dir_fd=folder)
            stack.callback(os.close, folder)
        return open_file(name, folder=folder)


def _link_or_copy(source: Path, copy: Path) -> None:
    try:
        os.link(source.resolve(), copy)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, copy)


def remove_folder(folder: Path) -> None:
    """Remove the folder of a deleted file, with what a `put` that was killed has left in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
        return
    with contextlib.suppress(OSError):  # not empty, or not there
        for partial in folder.glob(f".{'?' * 2 * PARTIAL_BYTES}"):
            partial.unlink()
        folder.rmdir()


def _rename_to_free(partial: Path, place: Path) -> None:
    """Give a file another name, which must be free; raise FileExistsError."""
    # The name is taken first, as `replace` would not care. Whoever is killed in between leaves an
    # empty file, which is deleted together with the rest of what was not complete.
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400))
    try:
        partial.replace(place)
    except BaseException:
        place.unlink()
        raise


@contextlib.contextmanager
def _free(key: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise AlreadyStored(key) from error
