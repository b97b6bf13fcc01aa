"""The data folder that is copied: locked, and only read.

Its documents are those of the embedded database, and the named tokens, which one server alone keeps
in a file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from server.access.token_file import TokenFile
from server.config import Config
from server.core.disk.data_folder import LOCK, check_restored, lock_folder
from server.core.errors import NotDone
from server.operations import schema
from server.store.access.tokens import document_of
from server.store.documents import Document
from server.store.engine.database_file import DatabaseFile, database_path
from server.store.installation import Facts, facts_of

TOKENS, INSTALLATION = "tokens", "installation"
#: What only servers that run need of each other.
PASSING = frozenset({"announcements", "locks", "servers"})
#: Documents that are read at once; of a log, one may have some hundred kilobytes.
_AT_ONCE = 20
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class Source:
    """The documents of a data folder, as they are at one moment."""

    def __init__(self, database: DatabaseFile, tokens: Sequence[Document], facts: Facts) -> None:
        self.database = database
        self.facts = facts
        self._tokens = {document["_id"]: document for document in tokens}

    def collections(self) -> set[str]:
        """Return the names of the collections that are to be copied."""
        names = self.database.collections() - PASSING - {INSTALLATION}
        return names | ({TOKENS} if self._tokens else set())

    def documents(self, collection: str) -> Iterator[Document]:
        """Iterate over the documents of a collection."""
        if collection == TOKENS:
            return iter(self._tokens.values())
        return self.database.documents(collection, _AT_ONCE)

    def get_many(self, collection: str, pks: Sequence[int | str]) -> dict[int | str, Document]:
        """Return those documents with these `_id`s that there are."""
        if collection == TOKENS:
            return {pk: self._tokens[pk] for pk in pks if pk in self._tokens}
        return self.database.get_many(collection, pks)

    def count(self, collection: str) -> int:
        """Return how many documents a collection has."""
        return len(self._tokens) if collection == TOKENS else self.database.count(collection)

    def counted(self, kind: str) -> int:
        """Return the last number that a counter has given out."""
        counter = self.database.get("counters", kind)
        return 0 if counter is None else int(counter["last"])


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Source]:
    """Have a data folder to oneself, and its database as it is now, until the block is left.

    :raises StartError: a server uses it, or it is of a newer program.
    :raises NotDone: there is nothing that could be copied.
    :raises DamagedDatabase: its database is not sound.
    """
    path = database_path(config.data / "database", config.mongodb.database)
    if not path.is_file():
        raise NotDone(f"There is no database {path.name} in {path.parent}; see --data")
    with _locked(config.data):
        check_restored(config.data)
        tokens = [document_of(token) for token in TokenFile(config.data).read()]
        with DatabaseFile(path) as database, database.at_one_moment():
            yield Source(database, tokens, _facts(database))


def _facts(database: DatabaseFile) -> Facts:
    facts = facts_of(database)
    if facts is None:
        raise NotDone(
            "No server of this version has used the data folder yet: start one on it, as before, "
            "stop it when it is ready, and migrate then"
        )
    schema.check_not_newer(facts.schema)
    if damage := database.damage(thorough=False):
        raise NotDone(f"The database in the data folder is damaged ({damage}): restore a backup")
    return facts


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Keep servers away. :raises StartError: one uses the folder."""
    lock: int | None
    try:
        lock = lock_folder(data)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        lock = _lock_read_only(data)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock_read_only(data: Path) -> int | None:
    """Lock a folder that cannot be written to, as on a disk that is mounted read-only."""
    try:
        lock = os.open(data / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise NotDone(f"A server uses the data folder {data}: stop it first") from error
    return lock
