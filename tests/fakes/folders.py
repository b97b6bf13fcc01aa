"""Folders that a running server writes to and deletes from while a test reads them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def living_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files below a folder with their state, without those that go meanwhile."""
    for place, _, names in os.walk(folder):  # leaves out folders that cannot be listed
        for name in names:
            path = Path(place, name)
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue


def file_bytes(folder: Path, start: str = "") -> int:
    """Return the size of the files below a folder whose names have this start."""
    return sum(state.st_size for path, state in living_files(folder) if path.name.startswith(start))


def living_contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files below a folder and what they hold, but for the reserve and those that go."""
    for path, state in living_files(folder):
        if stat.S_ISREG(state.st_mode) and path.name != "reserve":
            with contextlib.suppress(FileNotFoundError):
                yield path, path.read_bytes()


def living_names(folder: Path) -> list[str]:
    """Return the paths of what is directly in a folder, none if it is not there."""
    with contextlib.suppress(FileNotFoundError):
        return [entry.path for entry in os.scandir(folder)]
    return []
