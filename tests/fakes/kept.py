"""Installations and backups for the tests of commands: made, looked at, and tampered with."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from server.config import Config
from server.operations.keeping import layout
from server.operations.keeping.backup import back_up
from server.store.engine.database_file import DatabaseFile

COLLECTIONS = ("targets", "dataproducts", "groups", "processes", "log_chunks", "receipts")


def silent(doing: str, done: int, total: int | None) -> None:
    """Show no progress."""


def backed_up(config: Config, to: Path, **options: Any) -> layout.Manifest:
    """Make a backup."""
    return back_up(config, to, version="1.2.3", progress=silent, **options)


def documents_of(path: Path, *collections: str) -> dict[str, list[Any]]:
    """Return the documents of some collections of a database file."""
    with DatabaseFile(path, frozen=True) as database:
        return {name: list(database.documents(name)) for name in collections or COLLECTIONS}


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files in the folders of a storage, by key."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*")}


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that changes a database file."""
    with closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


def store(path: Path, collection: str, document: dict[str, Any]) -> None:
    """Store a document as the engine does."""
    with changing(path) as connection:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {collection} "
            "(id INTEGER PRIMARY KEY AUTOINCREMENT, _id TEXT, data TEXT NOT NULL)"
        )
        connection.execute(
            f"INSERT INTO {collection} (_id, data) VALUES (?, ?)",
            (str(document["_id"]), json.dumps(document)),
        )


def delete(path: Path, collection: str, pk: int) -> None:
    """Delete a document."""
    with changing(path) as connection:
        connection.execute(f"DELETE FROM {collection} WHERE _id = ?", (str(pk),))


def segment(process: int, content: bytes, first: int = 1) -> dict[str, Any]:
    """Return the document of a stretch of a log with this content."""
    return {
        "_id": process * 2**32 + first,
        "key": process * 2**32 + first,
        "process": process,
        "first": first,
        "last": first + 9,
        "file": f"log-{process}/{first}-0a0b0c0d.segment",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text_bytes": 100,
        "log_bytes": 200,
        "index": "[]",
    }


def relisted(backup: Path) -> None:
    """Have the manifest of a backup agree with its list, which was changed."""
    path = backup / layout.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["listing_sha256"] = layout.sha256_of(backup / layout.LISTING)
    path.write_text(json.dumps(manifest))


def relist(backup: Path, old: str, new: str) -> None:
    """Replace a text in the list of a backup."""
    path = backup / layout.LISTING
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    relisted(backup)
