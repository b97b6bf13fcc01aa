"""Everything an observatory has stored, taken directly from its database and its folders."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient

from server.operations.storage_root import ID_FILE

Document = dict[str, Any]
Entry = list[Any]


@dataclass
class Snapshot:
    """What is stored. Entries are a log's lines, each with the attempt that wrote it."""

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
    memberships: set[int] = field(default_factory=set)
    submissions: list[Document] = field(default_factory=list)
    journal: list[Document] = field(default_factory=list)
    #: size and sha256 by key
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    incoming: list[str] = field(default_factory=list)


def socket_uri(data: Path) -> str:
    """Return the URI of the embedded engine in a data folder with a short path."""
    return f"mongodb://{quote(str(data / 'database' / 'engine.sock'), safe='')}"


def take(uri: str, *data: Path, files: Path | None = None, name: str = "heliograph") -> Snapshot:
    """Take a snapshot of a database and the data folders of its servers; blocks."""
    with MongoClient[Document](uri, serverSelectionTimeoutMS=10_000) as client:
        database = client[name]
        everything = {
            name: list(database[name].find({}))
            for name in ("processes", "dataproducts", "groups", "submissions", "journal")
        }
        memberships = {found["_id"] for found in database["memberships"].find({})}
        logs = _logs(list(database["log_chunks"].find({})))
        chunks = list(database["light_curves"].find({}))
        series = _series([chunk for chunk in chunks if chunk["process"] is not None])
        imports = _imports(chunks, list(database["light_curve_imports"].find({})))
        receipts = {found["process"] for found in database["receipts"].find({})}
    return Snapshot(
        processes={found["_id"]: found for found in everything["processes"]},
        products={found["_id"]: found for found in everything["dataproducts"]},
        groups={found["_id"]: found for found in everything["groups"]},
        logs=logs,
        series=series,
        imports=imports,
        receipts=receipts,
        memberships=memberships,
        submissions=everything["submissions"],
        journal=everything["journal"],
        files=_files(data[0] / "files" if files is None else files),
        runs=_names(folder / "runs" for folder in data),
        incoming=_names(folder / "incoming" for folder in data),
    )


def documents(
    uri: str, collection: str, filter: Document | None = None, name: str = "heliograph"
) -> list[Document]:
    """Return what one collection holds; blocks."""
    with MongoClient[Document](uri, serverSelectionTimeoutMS=10_000) as client:
        return list(client[name][collection].find(filter or {}))


def _logs(chunks: list[Document]) -> dict[int, list[tuple[int, Entry]]]:
    logs = defaultdict(list)
    for chunk in sorted(chunks, key=lambda chunk: (chunk["process"], chunk["first"])):
        for entry in json.loads(f"[{chunk['entries']}]"):
            logs[chunk["process"]].append((chunk["attempt"], entry))
    return dict(logs)


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
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ID_FILE:
            data = path.read_bytes()
            key = str(path.relative_to(folder))
            found[key] = (len(data), hashlib.sha256(data).hexdigest())
    return found


def _names(folders: Any) -> list[str]:
    return [str(path) for folder in folders if folder.is_dir() for path in folder.iterdir()]
