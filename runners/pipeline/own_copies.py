"""A run's own copies of its inputs: made on first use, by any OS process of the run, and checked.

Beside the folder `inputs/<pk>` of a copy, `inputs/<pk>.copied` says how the copy looked when it was
made, and `inputs/<pk>.verified` that the checksum of the stored file was compared. So the server
learns of both without having to trust, or to hear from, whoever did it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.pipeline.errors import AsyncError
from runners.pipeline.file_copies import NotAFile, copy_file, open_file, sha256_of

#: More than a note holds.
NOTE_BYTES = 256


@dataclass(frozen=True)
class InputSource:
    """The stored file behind an input, and the `folder` for the run's own copy of it.

    For the server, and for the built-in pipelines, which only read. Size and checksum are compared
    where they are given.
    """

    stored: str
    folder: str
    size: int | None = None
    sha256: str | None = None


def is_made(source: InputSource) -> bool:
    """Return whether there is, or was, a copy; the run may have deleted or moved it since."""
    return Path(source.folder).is_dir()


def own_copy(source: InputSource, name: str) -> Path:
    """Return the path of the run's own copy, made if need be.

    Raise AsyncError if the stored file is damaged, or if there is no room for a copy.
    """
    folder = Path(source.folder)
    if not is_made(source):
        # Made under another name, as threads and children of the run may want it at once.
        partial = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")
        try:
            _make(source, name, partial)
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            raise AsyncError(f"{name} could not be copied for the run: {reason}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder / name


def adopt(source: InputSource, name: str) -> None:
    """Note that the stored file was fetched from afar, compared, and is the run's own already."""
    with (Path(source.folder) / name).open("rb") as copy:
        _note(source, copy.fileno())
    mark_verified(source)


def mark_verified(source: InputSource) -> None:
    """Note that the checksum of the stored file was compared."""
    with contextlib.suppress(OSError):
        Path(f"{source.folder}.verified").touch()


def is_verified(source: InputSource) -> bool:
    """Return whether the checksum of the stored file was compared."""
    return Path(f"{source.folder}.verified").exists()


@contextlib.contextmanager
def opened(source: InputSource, name: str) -> Iterator[int]:
    """Open the stored file for reading; raise AsyncError if it is not what it has to be."""
    descriptor = open_stored(source, name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_stored(source: InputSource, name: str) -> int:
    """Return a descriptor of the stored file; raise AsyncError if that is not as it has to be."""
    try:
        descriptor = open_file(source.stored, follow=source.size is None)
    except FileNotFoundError as error:
        raise AsyncError(f"The file {name} is missing") from error
    except NotAFile as error:
        raise damaged(name, "it is not a regular file") from error
    size = os.fstat(descriptor).st_size
    if source.size is not None and size != source.size:
        os.close(descriptor)
        raise damaged(name, f"it has {size:,} bytes instead of {source.size:,}")
    return descriptor


def damaged(name: str, reason: str) -> AsyncError:
    """Return the error about a stored file that is not what its record says."""
    return AsyncError(f"The stored file of {name} is damaged: {reason}")


def compare(source: InputSource, name: str, sha256: str) -> None:
    """Note that a checksum is the one expected, if known. Raise AsyncError for another."""
    if source.sha256 is not None:
        if sha256 != source.sha256:
            raise damaged(name, "its content has another checksum")
        mark_verified(source)


def used_in(folder: Path) -> set[int]:
    """Return the PKs of the inputs that have a copy, or a note about one, in a run's folder."""
    try:
        stems = {path.name.partition(".")[0] for path in folder.iterdir()}
    except OSError:  # the run has deleted all of it
        return set()
    return {int(stem) for stem in stems if stem.isdecimal()}


def change_of(source: InputSource, name: str) -> str | None:
    """Return what the run did to its copy, `deleted or moved` or `changed`, None for nothing."""
    try:
        noted = _noted(Path(f"{source.folder}.copied"))
    except OSError:
        if not is_made(source):
            return None
        noted = ""
    try:
        copy = open_file(Path(source.folder) / name)
    except (FileNotFoundError, NotADirectoryError):
        return "deleted or moved"
    except OSError:
        return "changed"
    try:
        return None if _is_unchanged(source, copy, noted) else "changed"
    except OSError:  # it cannot be read
        return "changed"
    finally:
        os.close(copy)


def _make(source: InputSource, name: str, partial: Path) -> None:
    partial.mkdir(parents=True, mode=0o700)
    with opened(source, name) as stored:
        copied = copy_file(stored, partial / name, checksum=False)
        facts = os.fstat(stored)
    if copied.sha256 is not None:  # not a clone, which is made without reading
        compare(source, name, copied.sha256)
    # The time of the original: any write from now on will change it.
    os.utime(partial / name, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with (partial / name).open("rb") as copy:
        try:
            partial.rename(source.folder)
        except OSError:
            if not is_made(source):
                raise
        else:
            _note(source, copy.fileno())


def _note(source: InputSource, copy: int) -> None:
    with contextlib.suppress(OSError):  # without the note, the content is compared
        Path(f"{source.folder}.copied").write_text(_look(copy))


def _noted(path: Path) -> str:
    # The run may have put anything in its place, even a FIFO, which reading would wait for.
    descriptor = open_file(path)
    try:
        return os.read(descriptor, NOTE_BYTES).decode("ascii", "replace")
    finally:
        os.close(descriptor)


def _look(copy: int) -> str:
    facts = os.fstat(copy)
    return f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}"


def _is_unchanged(source: InputSource, copy: int, noted: str) -> bool:
    if noted == _look(copy):
        return True
    if source.size != os.fstat(copy).st_size:
        return False
    return sha256_of(copy) == source.sha256
