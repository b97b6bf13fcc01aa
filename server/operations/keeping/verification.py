"""Whether a backup is whole: files are as its list says, and the list has what records need."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

from server.core.errors import DamagedFile, HeliographError, NotDone, NotFound, reason_of
from server.operations import schema
from server.operations.keeping import layout
from server.operations.keeping.expected import expected_files, installed, under_way
from server.operations.keeping.layout import Line, Manifest, Progress
from server.operations.keeping.stored_files import StoredFiles
from server.store.engine.database_file import DatabaseFile
from server.store.installation import Facts

#: How many damaged files are named; a disk that cannot be read would have all of them.
MOST_DAMAGED = 1_000


@dataclass(frozen=True)
class Content:
    """What the list says of a file, with the size that it has."""

    size: int
    sha256: str


@dataclass
class Verified:
    """The facts of a backup, and what is wrong with its files: a sentence for each path."""

    manifest: Manifest
    facts: Facts
    lines: list[Line] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)


def verify(backup: Path, progress: Progress) -> Verified:
    """Read a whole backup and compare everything in it; nothing is written.

    :raises NotDone: it is no backup, or its list or its database is damaged.
    :raises StartError: a newer program has written it.
    """
    manifest = layout.read_manifest(backup)
    lines = list(layout.read_listing(backup, manifest))
    found = Verified(manifest, _check_database(backup, manifest, lines), lines)
    for number, line in enumerate(lines, 1):
        progress("Comparing files", number, len(lines))
        if line.path != layout.DATABASE and len(found.damaged) < MOST_DAMAGED:
            try:
                content_of(backup, line)
            except (HeliographError, OSError) as error:
                found.damaged[line.path] = _why(error)
    return found


def content_of(backup: Path, line: Line) -> Content:
    """Compare a file with its line and return what it has.

    :raises HeliographError: it is missing, damaged, or not a regular file.
    """
    files, key = in_backup(backup, line.path)
    content = Content(files.measure(key), line.sha256)
    files.compare(key, content)
    return content


def in_backup(backup: Path, path: str) -> tuple[StoredFiles, str]:
    """Return the storage that a path of a backup is in, and its key there."""
    folder, _, key = path.partition("/")
    return StoredFiles(backup / folder), key


def _check_database(backup: Path, manifest: Manifest, lines: list[Line]) -> Facts:
    """Compare the database with the list, and the list with what the database expects."""
    wanted = [line.sha256 for line in lines if line.path == layout.DATABASE]
    with layout.open_plain(backup, layout.DATABASE) as file:
        if wanted != [layout.sha256_of_open(file)]:
            raise NotDone(f"The database in the backup {backup} is damaged: use another backup")
    with DatabaseFile(backup / layout.DATABASE, frozen=True) as database:
        facts = installed(database)
        if facts is None or database.foreign_parts() or database.damage(thorough=False):
            raise NotDone(f"The database in the backup {backup} is damaged: use another backup")
        schema.check_not_newer(facts.schema)
        _check_complete(backup, manifest, {line.path for line in lines}, database)
    return facts


def _check_complete(
    backup: Path, manifest: Manifest, listed: Set[str], database: DatabaseFile
) -> None:
    expected: set[str] = set()
    known = {each.file for each in manifest.missing}
    way = under_way(database)
    for file in expected_files(database):
        path = f"{layout.FILES}/{file.key}"
        expected.add(path)
        if path not in listed and file.key not in known and not way.explains(file, database):
            raise NotDone(f"The backup {backup} is not whole: it lacks the {file}")
    for path in listed:
        if path.startswith(f"{layout.FILES}/") and path not in expected:
            raise NotDone(f"The backup {backup} is damaged: nothing belongs to its file {path}")


def _why(error: Exception) -> str:
    if isinstance(error, NotFound):
        return "it is missing"
    if isinstance(error, DamagedFile):
        return error.reason
    if isinstance(error, OSError):
        return f"it cannot be read: {reason_of(error)}"
    return str(error)
