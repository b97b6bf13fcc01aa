"""Checks of what this machine gives: the data folder, room on its disks, open files."""

from __future__ import annotations

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from server.core.disk.data_folder import RESTORING
from server.operations.checks.results import Result, in_units, ok, problem, warning
from server.operations.checks.subject import Subject

#: Free room below which runs and uploads are likely to fail soon, or fail already.
LITTLE_BYTES, HARDLY_ANY_BYTES = 2**30, 64 * 2**20
#: Enough for about a thousand viewers.
OPEN_FILES = 4096


def check_data_folder(subject: Subject) -> Iterator[Result]:
    """Look whether the data folder is there, whole, and only its owner's."""
    data = subject.config.data
    if not data.exists():
        above = _existing(data)
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            yield problem(
                f"{data} cannot be made in {above}", "make it, or name another with --data"
            )
            return
        yield ok(f"{data} is not there yet; the first start makes it")
        return
    if not data.is_dir() or not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield problem(f"{data} cannot be used", "change its owner, or name another with --data")
        return
    if os.path.lexists(data / RESTORING):
        yield problem(f"{data} is not restored completely", "run `heliograph restore` again")
    if stat.S_IMODE(data.stat().st_mode) & 0o077:
        yield warning(f"{data} can be read by others", f"chmod 700 {data}")
    else:
        yield ok(f"{data}, which only its owner can read")


def check_room(subject: Subject) -> Iterator[Result]:
    """Look how much room is left where records and files are stored."""
    folders = {_existing(subject.config.data): "data folder"}
    if subject.files.folder is not None:
        folders.setdefault(_existing(subject.files.folder), "files")
    seen: set[int] = set()
    for folder, name in folders.items():
        if (device := folder.stat().st_dev) in seen:
            continue
        seen.add(device)
        disk = shutil.disk_usage(folder)
        free = disk.free
        text = f"{in_units(free)} free for the {name}"
        if free < HARDLY_ANY_BYTES:
            yield problem(text, "delete something, or make the disk larger")
        elif free < LITTLE_BYTES:
            yield warning(text, "delete something soon, or make the disk larger")
        else:
            yield ok(text)
        if name == "data folder":
            yield from _wanted_room(subject, disk.total)


def _wanted_room(subject: Subject, size: int) -> Iterator[Result]:
    wanted = subject.config.retention.free_bytes
    if wanted is not None and wanted > size:
        yield problem(
            f"retention.free_bytes is more than the whole disk has ({in_units(size)})", "lower it"
        )


def check_open_files(subject: Subject) -> Iterator[Result]:
    """Look how many files a server that is started as this command was may have open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= OPEN_FILES:
        yield ok("no limit" if hard == resource.RLIM_INFINITY else f"at most {hard:,}")
    else:
        yield warning(f"at most {hard:,}", "raise it (`ulimit -Hn`, or LimitNOFILE= of systemd)")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
