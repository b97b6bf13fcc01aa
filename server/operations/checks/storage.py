"""Checks of the file storage: it can be used, and has what the records name and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.core.errors import DamagedFile, NotFound, reason_of
from server.operations.checks.results import Result, counted, ok, problem, warning
from server.operations.checks.subject import Subject
from server.operations.keeping.expected import Expected, expected_files, is_gone, under_way
from server.operations.keeping.stored_files import Listed
from server.operations.storage_root import LOG

#: The most files that no record names which are told one by one.
MOST_NAMED = 20


@dataclass
class _Found:
    """What a look at all files has found.

    `known` has the hashes of keys, not the keys: there may be millions of them.
    """

    known: set[int] = field(default_factory=set)
    absent: list[Expected] = field(default_factory=list)
    wrong: list[tuple[Expected, str]] = field(default_factory=list)


def check_storage(subject: Subject) -> Iterator[Result]:
    """Look whether the storage can be read and written to."""
    folder = subject.files.folder
    if folder is None:
        next(subject.files.listed(), None)
        yield ok("it answers")
    elif not folder.exists():
        if subject.is_new:
            yield ok("there is none yet; the first start makes it")
        else:
            yield problem("the folder is missing", "mount or restore it, see files.url")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem("the folder cannot be written to", "change its owner, or mount it writable")
    else:
        yield ok("it can be written to")


def check_files(subject: Subject) -> Iterator[Result]:
    """Compare the files with the records: which are lost, damaged, or named by none.

    Sizes are compared, and with `every_byte` checksums. Beside a running server, what is stored or
    deleted meanwhile is no mistake.
    """
    if subject.is_new:
        return
    found = _look(subject)
    lost = [(file, "it is not there") for file in _still_absent(subject, found.absent)]
    for file, why in lost + found.wrong:
        yield problem(f"the file of {file} is lost or damaged: {why}", "restore it from a backup")
    if not (lost or found.wrong):
        how = "compared byte by byte" if subject.every_byte else "of the right size"
        yield ok(f"{counted(len(found.known), 'file')} {how}")
    yield from _of_unknown(_unknown(subject, found.known))


def _look(subject: Subject) -> _Found:
    found = _Found()
    with subject.documents() as documents:
        for number, file in enumerate(expected_files(documents), 1):
            subject.progress("Comparing files", number, None)
            found.known.add(hash(file.key))
            try:
                if subject.every_byte:
                    subject.files.compare(file.key, file)
                elif (size := subject.files.measure(file.key)) != file.size:
                    found.wrong.append((file, f"it has {size:,} bytes instead of {file.size:,}"))
            except NotFound:
                found.absent.append(file)
            except DamagedFile as error:
                found.wrong.append((file, error.reason))
            except OSError as error:
                found.wrong.append((file, f"it cannot be read: {reason_of(error)}"))
    return found


def _still_absent(subject: Subject, absent: list[Expected]) -> list[Expected]:
    """Return what is not there without a reason: neither deleted by now nor under way."""
    if not absent:
        return []
    with subject.documents() as documents:
        way = under_way(documents)
        return [
            file
            for file in absent
            if not (way.explains(file, documents) or is_gone(file, documents))
        ]


def _unknown(subject: Subject, known: set[int]) -> list[Listed]:
    """Return the files that no record names, also none that was made since."""
    others = {file.key: file for file in subject.files.listed() if hash(file.key) not in known}
    if not others:
        return []
    with subject.documents() as documents:
        for key in under_way(documents).keys:
            others.pop(key, None)
        for file in expected_files(documents):
            others.pop(file.key, None)
    return [file for file in others.values() if not (file.is_partial and subject.running)]


def _of_unknown(unknown: list[Listed]) -> Iterator[Result]:
    """Say what is to be done about files that no record names."""
    to_remove = [file for file in unknown if file.folder.startswith(LOG) or file.is_partial]
    if to_remove:
        yield warning(
            f"{counted(len(to_remove), 'part')} of logs or of files that nothing needs",
            "`heliograph vacuum` removes them",
        )
    others = sorted(file.key for file in unknown if file not in to_remove)
    for key in others[:MOST_NAMED]:
        yield warning(f"no record names the file {key!r}")
    if len(others) > MOST_NAMED:
        yield warning(f"no record names {len(others) - MOST_NAMED:,} more files")
