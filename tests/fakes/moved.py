"""A data folder to be migrated, and a database of its own to migrate it to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from server.access.token_file import TokenFile
from server.access.tokens import make_token
from server.config import Config
from server.config.sections import Files, Leases, MongoDB
from server.operations.schema import newest
from server.store.driver.connection import Database
from server.store.driver.reading import MongoDocuments
from server.store.engine.database_file import DatabaseFile, database_path
from tests.fakes.kept import changing, segment, silent, store

IDENTITY = f"h{'0a' * 16}"
#: What is of one database alone.
OWN = frozenset({"installation", "servers", "locks", "announcements"})

Documents = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Moving:
    """A data folder, and where it goes."""

    config: Config
    uri: str
    files: Path

    @property
    def moved(self) -> Config:
        """The configuration of a server on the copy, with a data folder of its own."""
        return replace(
            self.config,
            data=self.files.with_name("moved"),
            mongodb=MongoDB(uri=self.uri),
            files=Files(url=str(self.files)),
        )

    @property
    def database(self) -> Path:
        """The file of the database that is copied."""
        return database_path(self.config.data / "database", self.config.mongodb.database)

    def arguments(self, *more: str) -> list[str]:
        """Return the arguments of the command."""
        data = str(self.config.data)
        return ["migrate", "--to", self.uri, "--files", str(self.files), "--data", data, *more]

    def there(self) -> Documents:
        """Return all documents of the copy that are not of one database alone."""
        with MongoDocuments(self.uri, "none") as found:
            return {
                name: by_id(found.documents(name))
                for name in sorted(found.collections())
                if name not in OWN
            }

    def raw(self) -> Documents:
        """Return everything that is in the database, marks included."""
        with MongoDocuments(self.uri, "none") as found:
            return {name: by_id(found.documents(name)) for name in sorted(found.collections())}

    def here(self) -> Documents:
        """Return all documents that the copy is to have."""
        with DatabaseFile(self.database) as found:
            documents = {
                name: by_id(found.documents(name))
                for name in found.collections()
                if name not in OWN
            }
        tokens = TokenFile(self.config.data).read()
        documents["tokens"] = by_id({"_id": f"={each.name}", **vars(each)} for each in tokens)
        return {name: each for name, each in sorted(documents.items()) if each}


def by_id(documents: Any) -> dict[str, Any]:
    """Return documents by `_id`, as plain JSON has them, with none of them twice."""
    found: dict[str, Any] = {}
    for document in documents:
        assert repr(document["_id"]) not in found
        found[repr(document["_id"])] = json.loads(json.dumps(document))
    return found


def prepare(config: Config, *names: str) -> None:
    """Make an old data folder one that a server of this version has used, with named tokens."""
    path = database_path(config.data / "database", config.mongodb.database)
    facts = {"_id": "installation", "id": IDENTITY, "schema": newest(), "in_storage": True}
    store(path, "installation", facts)
    (config.data / "files" / "heliograph-id").write_text(f"{IDENTITY}\n")
    content = b"lines " * 1000
    document = segment(3, content)
    (config.data / "files" / "log-3").mkdir()
    (config.data / "files" / document["file"]).write_bytes(content)
    store(path, "log_segments", document)
    with changing(path) as connection:  # a server that was stopped has left
        connection.execute("DELETE FROM servers")
    for name in names:
        token, _ = make_token(name, "operator", None, 1000.5)
        asyncio.run(TokenFile(config.data).insert(token))


@contextmanager
def moving(config: Config, uri: str, files: Path) -> Iterator[Moving]:
    """Yield a migration to a database that is deleted afterwards."""
    name = f"heliograph_test_{secrets.token_hex(6)}"
    leases = Leases(heartbeat_seconds=0.1, lease_seconds=0.5, check_seconds=0.05)
    config = replace(config, leases=leases)
    start, _, options = uri.rstrip("/").partition("/?")
    try:
        yield Moving(config, f"{start}/{name}" + (f"?{options}" if options else ""), files)
    finally:
        with ThreadPoolExecutor(1) as thread:  # also while a loop runs
            thread.submit(lambda: asyncio.run(_drop(uri, name))).result()


async def _drop(uri: str, name: str) -> None:
    database = await Database.open(uri)
    await database._client.drop_database(name)
    database.close()


def checksums(folder: Path) -> dict[str, str]:
    """Return the checksums of the files in the folders of a storage, by key."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*/*")
    }


__all__ = ["Moving", "checksums", "moving", "prepare", "silent"]
