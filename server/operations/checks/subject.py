"""What the checks look at: an installation, whether or not a server uses it. Nothing is changed.

Beside a running server, the database and the storage are read as that server reads them: the
embedded engine's file through SQLite, in transactions that hold nobody up, or MongoDB itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from server.config import Config
from server.core.disk.data_folder import is_held
from server.core.errors import NotDone
from server.operations.keeping.layout import Progress
from server.operations.keeping.stored_files import StoredFiles
from server.store.documents import Documents
from server.store.driver.reading import MongoDocuments
from server.store.engine.database_file import DatabaseFile, database_path

#: What is wrong where files are stored and nothing knows of them, and what to do.
DATABASE_MISSING = (
    "There are files here, but their database is missing: restore it, or correct mongodb.uri, "
    "mongodb.database or --data"
)


@dataclass(frozen=True)
class Subject:
    """An installation; `every_byte` asks for the checksums of all files to be compared."""

    config: Config
    progress: Progress
    every_byte: bool = False

    @property
    def running(self) -> bool:
        """Whether a server uses the data folder now."""
        return self.config.data.is_dir() and is_held(self.config.data)

    @cached_property
    def files(self) -> StoredFiles:
        """The storage of the files."""
        return StoredFiles(self.config.storage_url)

    @property
    def is_new(self) -> bool:
        """Whether there is no embedded database yet, and no file that would need it."""
        if self.config.mongodb.uri is not None or self.database_file.exists():
            return False
        return next(self.files.listed(), None) is None

    @property
    def database_file(self) -> DatabaseFile:
        """The embedded engine's database, not opened."""
        folder = self.config.data / "database"
        return DatabaseFile(database_path(folder, self.config.mongodb.database))

    @contextlib.contextmanager
    def documents(self) -> Iterator[Documents]:
        """Open the database for as long as the block lasts.

        :raises NotDone: there is none.
        :raises StartError: mongodb.uri is wrong.
        :raises DatabaseAway: it does not answer.
        """
        uri = self.config.mongodb.uri
        if uri is not None:
            with MongoDocuments(uri, self.config.mongodb.database) as mongo:
                yield mongo
            return
        file = self.database_file
        if not file.exists():
            raise NotDone(DATABASE_MISSING)
        with file:
            yield file
