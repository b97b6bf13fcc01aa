"""What runs and their logs take, measured, and what many of them would take, by that.

    python -m benchmarks.sizes [--targets 1000] [--runs 10000] [--lines 1000000]

Starts a server with the embedded engine. Before and after some runs with one small output, and
before and after one run with a long log of lines of 60 characters, all documents are counted, with
their size in BSON and the entries that they have in indexes; the log is sealed before the second
count. What the arithmetic prints is these figures multiplied, for as many runs for each target,
with as many lines each. BSON is what MongoDB stores, before its own compression; how many bytes an
entry of an index takes there is not measured here, but their number is.
"""

from __future__ import annotations

import asyncio
import http.client
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bson
from pymongo import MongoClient

from benchmarks import pipelines, trivial
from benchmarks.inside import sealed
from benchmarks.requests import make_target, submit, wait_for_end
from benchmarks.serving import entries_of, forget_main
from benchmarks.tables import arguments, head, row
from server.app.server import Server
from server.config import Config
from server.config.sections import Http

#: `forget_main` makes a module that is run forget its file.
ROOT = Path(__file__).parents[1]
SEALED_SECONDS = 600
#: Documents that are deleted again, or that are few however many runs there are.
PASSING = {"announcements", "servers", "locks", "journal", "counters"}


@dataclass
class Census:
    """How many documents, bytes of BSON and entries of indexes there are, by collection."""

    documents: Counter[str] = field(default_factory=Counter)
    bson_bytes: Counter[str] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)
    #: bytes of the files of outputs and of sealed logs
    file_bytes: int = 0
    files: int = 0

    def since(self, before: Census) -> Census:
        """Return what has been added."""
        return Census(
            self.documents - before.documents,
            self.bson_bytes - before.bson_bytes,
            self.entries - before.entries,
            self.file_bytes - before.file_bytes,
            self.files - before.files,
        )


def main() -> None:
    """Measure, and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--targets", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=10_000, help="runs of each target")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of each run")
    parser.add_argument("--measured-runs", type=int, default=50)
    parser.add_argument("--measured-lines", type=int, default=1_000_000)
    given = parser.parse_args()
    forget_main()
    with tempfile.TemporaryDirectory(prefix="heliograph-benchmark-") as folder:
        short, long, status = asyncio.run(
            _measured(Path(folder), given.measured_runs, given.measured_lines)
        )
    _print_measured(short, given.measured_runs, long, given.measured_lines)
    _print_arithmetic(given, short, long, status)


async def _measured(folder: Path, runs: int, lines: int) -> tuple[Census, Census, int]:
    """Return what short runs and one long one add, and the bytes of the status of the former."""
    config = Config(
        http=Http(port=0),
        data=folder,
        folder=ROOT,
        pipelines=entries_of(pipelines) | entries_of(trivial),
        shutdown_seconds=0,
    )
    async with Server(config) as server:
        await server.start()
        port = server.port
        target, products = await asyncio.to_thread(make_target, port, "Short")
        empty = await asyncio.to_thread(_census, folder)
        for _ in range(runs):
            await asyncio.to_thread(submit, port, "Yields", target, products)
        await asyncio.to_thread(wait_for_end, port, target)
        with_short = await asyncio.to_thread(_census, folder)
        status = await asyncio.to_thread(_length, port, target)
        other, products = await asyncio.to_thread(make_target, port, "Long", count=lines)
        before = await asyncio.to_thread(_census, folder)
        pk = await asyncio.to_thread(submit, port, "Observes", other, products)
        await asyncio.to_thread(wait_for_end, port, other)
        async with asyncio.timeout(SEALED_SECONDS):
            with_long = await _sealed_census(server, pk, lines)
    return with_short.since(empty), with_long.since(before), status


async def _sealed_census(server: Server, pk: int, lines: int) -> Census:
    """Return the census once a log is sealed and its chunks are deleted."""
    while True:
        if await sealed(server, pk) >= lines:
            found = await asyncio.to_thread(_census, server.config.data)
            if not found.documents["log_chunks"]:
                return found
        await asyncio.sleep(0.5)


def _length(port: int, target: int) -> int:
    """Return the bytes of a target's status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/api/async/status/{target}/")
    length = len(connection.getresponse().read())
    connection.close()
    return length


def _census(folder: Path) -> Census:
    [socket] = folder.rglob("engine.sock")
    client: MongoClient[Any] = MongoClient(f"mongodb://{quote(str(socket), safe='')}")
    database = client["heliograph"]
    found = Census()
    for name in database.list_collection_names():
        if name in PASSING or name.startswith("system."):
            continue
        collection = database[name]
        indexed = [each["key"][0][0] for each in collection.index_information().values()]
        for document in collection.find():
            found.documents[name] += 1
            found.bson_bytes[name] += len(bson.encode(document))
            found.entries[name] += sum(document.get(key) is not None for key in indexed)
    client.close()
    paths = [path for path in (folder / "files").rglob("*") if path.is_file()]
    found.files, found.file_bytes = len(paths), sum(path.stat().st_size for path in paths)
    return found


def _print_measured(short: Census, runs: int, long: Census, lines: int) -> None:
    head("a run with one output adds", "documents", "BSON bytes", "entries")
    for name in sorted(short.documents):
        per_run = (each[name] / runs for each in (short.documents, short.bson_bytes, short.entries))
        row(name, *per_run)
    head(f"a log of {lines:,} lines adds", "documents", "BSON bytes", "entries")
    for name in sorted(long.documents):
        row(name, *(each[name] for each in (long.documents, long.bson_bytes, long.entries)))
    row("files", long.files, long.file_bytes, "")
    row("bytes of files a line", long.file_bytes / lines)


def _print_arithmetic(given: Any, short: Census, long: Census, status: int) -> None:
    """Multiply: each run is a short one, and of the long one has the segments of its lines."""
    runs, scale = given.targets * given.runs, given.lines / given.measured_lines
    logs = [each["log_segments"] for each in (long.documents, long.bson_bytes, long.entries)]
    each_run = [
        sum(counted.values()) / given.measured_runs
        for counted in (short.documents, short.bson_bytes, short.entries)
    ]
    head(
        f"{given.targets:,} targets, {given.runs:,} runs, {given.lines:,} lines",
        *("documents", "BSON GB", "entries"),
    )
    for name, (documents, size, entries) in (
        ("of the runs", each_run),
        ("of the segments of their logs", [count * scale for count in logs]),
    ):
        row(name, *_figures(runs * documents, runs * size / 1e9, runs * entries))
    row("files of logs", *_figures(runs * long.files * scale))
    row("bytes of these, TB", *_figures(runs * long.file_bytes * scale / 1e12))
    one = status / given.measured_runs
    row("status of a target, MB", *_figures(given.runs * one / 1e6))
    row("… with limit=50, KB", *_figures(min(50, given.runs) * one / 1e3))


def _figures(*figures: float) -> list[str]:
    return [f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}" for figure in figures]


if __name__ == "__main__":
    main()
