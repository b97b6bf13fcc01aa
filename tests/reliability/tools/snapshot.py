"""Everything an observatory has stored, taken directly from its database and its folders."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pymongo import MongoClient

from server.operations.storage_root import ID_FILE
from server.store.engine.database_file import DatabaseFile
from tests.fakes.folders import living_contents, living_names
from tests.fakes.sealed_logs import entries_of_segment

Document = dict[str, Any]
Entry = list[Any]
_BEGINS = re.compile(r"Attempt (\d+) begins")


@dataclass
class Snapshot:
    """What is stored. Entries are a log's lines, each with the attempt that wrote it.

    The lines of a log are those of its segments, then those of chunks that no segment has.
    """

    processes: dict[int, Document] = field(default_factory=dict)
    products: dict[int, Document] = field(default_factory=dict)
    groups: dict[int, Document] = field(default_factory=dict)
    logs: dict[int, list[tuple[int, Entry]]] = field(default_factory=dict)
    #: for each process, its series of measurements and how many each of them has
    series: dict[int, dict[int, int]] = field(default_factory=dict)
    #: for each product (None for no record) and series, how many more there are than were imported
    imports: dict[int | None, dict[int, int]] = field(default_factory=dict)
    #: processes that have receipts
    receipts: set[int] = field(default_factory=set)
    #: processes of which frames are known
    films: set[int] = field(default_factory=set)
    #: processes that have links by which they are shared
    shared: set[int] = field(default_factory=set)
    memberships: set[int] = field(default_factory=set)
    submissions: list[Document] = field(default_factory=list)
    journal: list[Document] = field(default_factory=list)
    #: the segments of logs, as the database has them
    segments: list[Document] = field(default_factory=list)
    #: size and sha256 by key
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    incoming: list[str] = field(default_factory=list)


def socket_uri(data: Path) -> str:
    """Return the URI of the embedded engine in a data folder with a short path."""
    return f"mongodb://{quote(str(data / 'database' / 'engine.sock'), safe='')}"


def take(
    uri: str,
    *data: Path,
    files: Path | None = None,
    fetch_files: Callable[[], None] = lambda: None,
    name: str = "heliograph",
) -> Snapshot:
    """Take a snapshot of a database and the data folders of its servers; blocks.

    `fetch_files` brings the files into their folder, of a database that has been read: what that
    names is stored by then.
    """
    with _reading(uri, name) as read:
        everything = {
            name: read(name)
            for name in ("processes", "dataproducts", "groups", "submissions", "journal")
        }
        memberships = {found["_id"] for found in read("memberships")}
        chunks = read("log_chunks")
        segments = read("log_segments")
        measured = read("light_curves")
        series = _series([chunk for chunk in measured if chunk["process"] is not None])
        imports = _imports(measured, read("light_curve_imports"))
        receipts = {found["process"] for found in read("receipts")}
        films = {found["process"] for found in read("film_frames")}
        shared = {found["process"] for found in read("shares")}
    fetch_files()
    files = data[0] / "files" if files is None else files
    return Snapshot(
        processes={found["_id"]: found for found in everything["processes"]},
        products={found["_id"]: found for found in everything["dataproducts"]},
        groups={found["_id"]: found for found in everything["groups"]},
        logs=_logs(segments, chunks, files),
        segments=segments,
        series=series,
        imports=imports,
        receipts=receipts,
        films=films,
        shared=shared,
        memberships=memberships,
        submissions=everything["submissions"],
        journal=everything["journal"],
        files=_files(files),
        runs=_names(folder / "runs" for folder in data),
        incoming=_names(folder / "incoming" for folder in data),
    )


@contextmanager
def _reading(uri: str, name: str) -> Iterator[Callable[[str], list[Document]]]:
    """Yield what returns all documents of a collection.

    The engine of a server serves nobody but that server, so its file is read.
    """
    socket = Path(unquote(uri.removeprefix("mongodb://")))
    file = socket.with_name(f"{name}.db")
    if socket.name == "engine.sock" and file.exists():
        with DatabaseFile(file) as database:
            yield lambda collection: list(database.documents(collection))
        return
    with MongoClient[Document](uri, serverSelectionTimeoutMS=10_000) as client:
        yield lambda collection: list(client[name][collection].find({}))


def documents(
    uri: str, collection: str, filter: Document | None = None, name: str = "heliograph"
) -> list[Document]:
    """Return what one collection holds; blocks."""
    with MongoClient[Document](uri, serverSelectionTimeoutMS=10_000) as client:
        return list(client[name][collection].find(filter or {}))


def _logs(
    segments: list[Document], chunks: list[Document], files: Path
) -> dict[int, list[tuple[int, Entry]]]:
    logs = defaultdict(list)
    for segment in sorted(segments, key=lambda segment: (segment["process"], segment["first"])):
        logs[segment["process"]] += _sealed(segment, files, logs[segment["process"]])
    sealed = {process: len(lines) for process, lines in logs.items()}
    for chunk in sorted(chunks, key=lambda chunk: (chunk["process"], chunk["first"])):
        for entry in json.loads(f"[{chunk['entries']}]"):
            # Of a log that goes on, some chunks stay beside their segment.
            if entry[0] > sealed.get(chunk["process"], 0):
                logs[chunk["process"]].append((chunk["attempt"], entry))
    return dict(logs)


def _sealed(
    segment: Document, files: Path, before: list[tuple[int, Entry]]
) -> Iterator[tuple[int, Entry]]:
    """Yield the lines of a segment; which attempt wrote them, the server's own lines tell."""
    attempt = before[-1][0] if before else 1
    try:
        entries = entries_of_segment(segment["index"], (files / segment["file"]).read_bytes())
    except (OSError, ValueError):
        return  # what is wrong with the file is found out by comparing checksums
    for entry in entries:
        if begun := _BEGINS.fullmatch(entry[3]):
            attempt = int(begun[1])
        yield attempt, entry


def _series(chunks: list[Document]) -> dict[int, dict[int, int]]:
    counts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for chunk in chunks:
        counts[chunk["process"]][chunk["series"]] += chunk["count"]
    return counts


def _imports(chunks: list[Document], records: list[Document]) -> dict[int | None, dict[int, int]]:
    products = {record["_id"]: record["product"] for record in records}
    counts: dict[int | None, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for record in records:
        counts[record["product"]][record["_id"]] -= record["count"]
    for chunk in chunks:
        if chunk["process"] is None:
            counts[products.get(chunk["series"])][chunk["series"]] += chunk["count"]
    return counts


def _files(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (len(data), hashlib.sha256(data).hexdigest())
        for path, data in living_contents(folder)
        if path.name != ID_FILE
    }


def _names(folders: Any) -> list[str]:
    return [name for folder in folders for name in living_names(folder)]
