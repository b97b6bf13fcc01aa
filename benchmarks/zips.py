"""Zips of a group, compared with `zipfile` in a thread, and with zipstream-ng, on the same files.

zipstream-ng is not a dependency; without it, its row is left out.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import os
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from benchmarks.tables import against, arguments, head
from handlers.files.zip import zipped
from server.archive.storage import FileStorage
from server.core.records import DataProduct

MIB = 2**20
#: A way to zip products, in pieces.
Zip = Callable[["Files", list[DataProduct]], AsyncIterator[bytes]]


class Files:
    """The part of an archive that a zip needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = FileStorage(folder)

    async def check(self, products: Sequence[DataProduct]) -> None:
        """Let every file pass."""

    def read(self, product: DataProduct, start: int, stop: int) -> AsyncIterator[bytes]:
        """Return the bytes of a product."""
        return self._storage.read(product.key, start, stop)

    def path(self, product: DataProduct) -> Path:
        """Return where a product is stored."""
        return self._folder / product.key


async def floor(files: Files, products: list[DataProduct]) -> AsyncIterator[bytes]:
    """Zip with `zipfile` alone, as fast as it can, and discard the result."""
    await asyncio.to_thread(_write, [files.path(product) for product in products])
    yield b""


def _write(paths: list[Path]) -> None:
    with Path(os.devnull).open("wb") as nowhere, zipfile.ZipFile(nowhere, "w") as book:
        for path in paths:
            book.write(path, path.name)


def by_zipstream(package: Any) -> Zip:
    """Return a way to zip with zipstream-ng, given each piece just before it asks for it."""

    async def zipped_by_it(files: Files, products: list[DataProduct]) -> AsyncIterator[bytes]:
        book = package.ZipStream()
        for product in products:
            arrived: deque[bytes] = deque()
            book.add(_taken(arrived), product.name, size=product.size)
            entry = book.file()
            yield next(entry)
            async for piece in files.read(product, 0, product.size):
                arrived.append(piece)
                yield next(entry)
            for rest in entry:
                yield rest
        for rest in book.finalize():
            yield rest

    return zipped_by_it


def _taken(arrived: deque[bytes]) -> Iterator[bytes]:
    while arrived:
        yield arrived.popleft()


def _products(folder: Path, count: int, size: int) -> list[DataProduct]:
    """Write files of random bytes; return them as products."""
    products = []
    for pk in range(1, count + 1):
        made = DataProduct(
            pk=pk,
            created=1_564_740_586.0,
            name=f"{pk}.fits",
            target=1,
            size=size,
            sha256="",
            content_type="application/fits",
        )
        (folder / str(pk)).mkdir()
        (folder / made.key).write_bytes(os.urandom(size))
        products.append(made)
    return products


async def _rate(way: Zip, files: Files, products: list[DataProduct]) -> float:
    """Return the MiB per second."""
    begun = time.perf_counter()
    async for _ in way(files, products):
        pass
    return sum(product.size for product in products) / MIB / (time.perf_counter() - begun)


async def _check(way: Zip, files: Files, products: list[DataProduct]) -> str:
    """Check that a zip is complete; return the date of its first file."""
    body = b"".join([piece async for piece in way(files, products)])
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        assert book.testzip() is None
        assert len(book.namelist()) == len(products)
        return "{}-{:02}-{:02}".format(*book.infolist()[0].date_time)


async def _compare(rounds: int, files: Files, products: list[DataProduct]) -> None:
    ways = {"zip, MiB/s": cast(Zip, zipped)}
    try:
        ways["by zipstream-ng, MiB/s"] = by_zipstream(importlib.import_module("zipstream"))
    except ModuleNotFoundError:
        print("zipstream-ng is not installed")
    dates = {name: await _check(way, files, products[:2]) for name, way in ways.items()}
    floors: list[float] = []
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        floors.append(await _rate(floor, files, products))
        for name, way in ways.items():
            rates[name].append(await _rate(way, files, products))
    head("files made on 2019-08-02", "floor", "measured", "ratio", "dated")
    for name, measured in rates.items():
        against(name, floors, measured, dates[name])


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--size", type=int, default=16, help="of each, in MiB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heliograph-benchmark-") as name:
        products = _products(Path(name), args.files, args.size * MIB)
        asyncio.run(_compare(args.rounds, Files(Path(name)), products))


if __name__ == "__main__":
    main()
