"""Confines a run by Landlock: it writes to a few folders, and reads nothing that is hidden.

What is hidden (the data folder, files with secrets) is left out when everything else is granted,
as Landlock knows no rule that takes a right away. So the folders above what is hidden cannot be
listed by the run, and what is added to them later cannot be read.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from runners.confinement import landlock
from runners.confinement.landlock import READ, LandlockError, Right, Ruleset

SHARED_MEMORY = "/dev/shm"
#: What programs write to that is no file of anybody's.
DEVICES = tuple(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
)
#: Folders of libraries that cannot do without, within the folder of caches.
CACHE_VARIABLES = {"MPLCONFIGDIR": "matplotlib", "NUMBA_CACHE_DIR": "numba"}


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is confined to.

    `own` is its folder, None where a class is only described; `hidden` are real paths.
    """

    own: str | None
    writable: list[str]
    hidden: list[str]


class InForce(msgspec.Struct, frozen=True):
    """The version of Landlock that confines a process, or else the reason why none does.

    `writable` are the real paths of the folders that it may write to.
    """

    landlock: int | None
    reason: str | None = None
    writable: Sequence[str] = ()


class NotConfined(Exception):
    """The process could not be confined although the system has Landlock."""


def confine(confinement: Confinement, inputs: Iterable[str] = ()) -> InForce:
    """Confine this process and all that it starts. It must not have started a thread yet.

    `inputs` are the stored files that it may read. Where the system has no Landlock, nothing
    happens. Raise NotConfined for any other failure.
    """
    try:
        version = landlock.version()
    except LandlockError as error:
        return InForce(None, str(error))
    try:
        writable = writable_folders(confinement)
        _place_caches(confinement, writable)
        rules = Ruleset(version)
        try:
            _grant_reading(rules, confinement.hidden, inputs)
            _grant_writing(rules, writable)
            rules.restrict()
        finally:
            rules.close()
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise NotConfined(f"The run could not be confined (limits.writable): {reason}") from error
    return InForce(version, writable=writable)


def writable_folders(confinement: Confinement) -> list[str]:
    """Return where a run may write: its own folder, the temporary folder, memory, what is listed.

    One that has something hidden in it is left out, and a temporary folder replaced by one of the
    run's own.
    """
    temporary = os.path.realpath(tempfile.gettempdir())
    if holds(temporary, confinement.hidden) and confinement.own is not None:
        temporary = _own_temporary(confinement.own)
    listed = [os.path.realpath(Path(each).expanduser()) for each in confinement.writable]
    general = [each for each in (temporary, SHARED_MEMORY) if not holds(each, confinement.hidden)]
    own = [] if confinement.own is None else [os.path.realpath(confinement.own)]
    return list(dict.fromkeys([*own, *_own_if_inside(temporary, own), *general, *listed]))


def holds(folder: str, paths: Iterable[str]) -> bool:
    """Return whether one of the paths is this folder or in it; all are real paths."""
    return any(is_within(path, folder) for path in paths)


def is_within(path: str, folder: str) -> bool:
    """Return whether a real path is that of the folder or leads into it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _own_if_inside(temporary: str, own: Sequence[str]) -> list[str]:
    return [temporary] if any(is_within(temporary, each) for each in own) else []


def _own_temporary(own: str) -> str:
    folder = Path(own) / "tmp"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return os.path.realpath(folder)


def _place_caches(confinement: Confinement, writable: Sequence[str]) -> None:
    """Have libraries keep their caches in the run's folder, unless it may write to the home's."""
    home = _home()
    present = os.path.realpath(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    if confinement.own is None or any(is_within(present, each) for each in writable):
        return
    caches = Path(confinement.own) / "caches"
    caches.mkdir(mode=0o700, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(caches)
    for variable, name in CACHE_VARIABLES.items():
        os.environ[variable] = str(caches / name)
    if not (home / ".astropy" / "cache").is_dir():
        # Without this folder, it would make one in the home; one that is there is read on.
        (caches / "astropy").mkdir(exist_ok=True)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without one
        return Path("/")


def _grant_reading(rules: Ruleset, hidden: Sequence[str], inputs: Iterable[str]) -> None:
    for folder, name in outside(hidden):
        rules.grant(READ, name, folder)
    for path in map(os.path.realpath, filter(None, sys.path)):
        if holds(path, hidden) and path not in hidden:
            rules.grant(Right.READ_DIR, path)  # else no module in it would be found
        elif any(is_within(path, each) and path != each for each in hidden):
            rules.grant(READ, path)
    for stored in inputs:
        rules.grant(Right.READ_FILE, stored)


def _grant_writing(rules: Ruleset, writable: Iterable[str]) -> None:
    for folder in writable:
        rules.grant(rules.handled, folder)
    for device in DEVICES:
        rules.grant(Right.READ_FILE | Right.WRITE_FILE | Right.IOCTL_DEV, device)
    rules.grant(Right.WRITE_FILE | Right.TRUNCATE, f"/proc/{os.getpid()}")


def outside(hidden: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield everything that has nothing hidden in it: an open folder, and a name in it.

    Links are left out, as what they lead to counts.
    """
    yield from _outside("/", {Path(path).parts[1:] for path in hidden})


def _outside(folder: str, hidden: set[tuple[str, ...]]) -> Iterator[tuple[int, str]]:
    inner = {parts[0] for parts in hidden if parts}
    with contextlib.suppress(OSError), _opened(folder) as descriptor:
        with os.scandir(descriptor) as entries:
            names = [each.name for each in entries if not each.is_symlink()]
        for name in names:
            if name not in inner:
                yield descriptor, name
        for name in inner:
            deeper = {parts[1:] for parts in hidden if parts and parts[0] == name}
            if () not in deeper:
                yield from _outside(f"{folder}{name}/", deeper)


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
