"""An archive on a real database for tests, and database calls that fail."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.archive.archive import Archive
from server.archive.light_curves import Curve, Imported
from server.archive.outputs import OutputFile
from server.archive.storage import FileStorage
from server.core.disk.data_folder import DataFolder
from server.core.errors import DatabaseAway
from server.core.records import DataProduct, ProcessRecord, State, Target
from server.store import Store
from server.store.driver.collection import Collection
from tests.fakes.folders import living_files


@dataclass(frozen=True)
class Limits:
    """The limits of uploads in these tests."""

    limit_bytes: int = 3_000_000
    limit_parts: int = 3


async def examine(path: Path) -> dict[str, Any] | None:
    """Return metadata for a file with the suffix of FITS, None for others."""
    return {"date": None, "exposure": 1.5} if path.suffix == ".fits" else None


class Bench:
    """An archive, what it is built on, and what tests ask about both."""

    def __init__(self, store: Store, folder: DataFolder) -> None:
        self.store = store
        self.folder = folder
        self.shown: list[ProcessRecord] = []
        self.deleted: list[int] = []
        self.archive = self.restarted()

    def restarted(self) -> Archive:
        """Return the archive as after a restart, with nothing in memory."""
        storage = FileStorage(self.folder.files)
        return Archive(
            *(self.store, storage, self.folder, examine, Limits()),
            changed=self.shown.append,
            deleted=self.deleted.append,
        )

    async def target(self) -> Target:
        return await self.archive.targets.create("M 13")

    async def upload(self, target: int, *names: str) -> list[DataProduct]:
        """Upload small files with these names; return their products."""
        async with self.archive.products.upload(target) as upload:
            for name in names:
                await upload.add(name)
                await upload.write(f"content of {name}".encode())
            return await upload.commit()

    async def run(self, target: int, identifier: str = "dummy_m13", **fields: Any) -> ProcessRecord:
        """Claim a new run; return its record."""
        pk = await self.store.counters.next("process")
        known = {"process_type": "pipeline", "pipeline": "Dummy", "products": [], "flags": {}}
        record = ProcessRecord(
            pk=pk, created=1.5, identifier=identifier, target=target, **known | fields
        )
        await self.store.processes.insert(record)
        claimed = await self.store.processes.claim("s1", 2.5)
        assert claimed is not None
        return claimed

    def outputs(self, run: ProcessRecord, *names: str) -> list[OutputFile]:
        """Write files as a run would; return them."""
        folder = self.folder.runs / str(run.pk)
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text(f"content of {name}")
        return [OutputFile(folder / name, name) for name in names]

    def measurements(self, run: ProcessRecord, count: int) -> OutputFile:
        """Write a light curve as a run would, with one measurement a day; return it."""
        [file] = self.outputs(run, "light curve.csv")
        rows = [f"{58000 + day},{12 + day / 100},0.01,V\n" for day in range(count)]
        file.path.write_text("time,magnitude,error,filter\n" + "".join(rows))
        return OutputFile(file.path, file.name, "ReducedDatum")

    async def import_days(self, product: DataProduct, count: int) -> Imported:
        """Import a light curve with one measurement a day, as if the product were its table."""
        points = [(58000.0 + day, 12 + day / 100, 0.01, "V", False) for day in range(count)]
        curve = Curve(quantity="magnitude", points=list(points), left_out=[])
        return await self.archive.light_curves.add(product, curve)

    async def end(
        self,
        run: ProcessRecord,
        products: list[int],
        group: int | None,
        series: int | None = None,
    ) -> None:
        ending = {
            "state": State.SUCCEEDED,
            "outputs": products,
            "group": group,
            "series": series,
        }
        await self.store.processes.end(run.pk, run.attempt, "s1", ending)

    async def content(self, product: DataProduct) -> bytes:
        return b"".join([piece async for piece in self.archive.products.read(product)])

    def stored(self) -> list[str]:
        """Return the keys of all files in storage."""
        found = living_files(self.folder.files)
        return sorted(str(path.relative_to(self.folder.files)) for path, _ in found)

    async def documents(self) -> list[str]:
        """Return the keys of all products in the database, visible or not."""
        found = await self.store.products._collection.find({})
        return sorted(f"{document['_id']}/{document['name']}" for document in found)

    async def check_consistent(self) -> None:
        """Check that each file has its product, and each product its file and groups."""
        assert self.stored() == await self.documents()
        imports = {found["_id"]: found for found in await self.store.imports._collection.find({})}
        chunks = await self.store.light_curves._collection.find({})
        left_out = await self.store.light_curves._left_out.find({})
        assert {each["_id"] for each in left_out} <= {chunk["_id"] for chunk in chunks}
        for chunk in chunks:
            if chunk["process"] is None:
                assert chunk["series"] in imports
            else:
                named = await self.store.processes.published_by([chunk["process"]])
                assert named[chunk["process"]].series == chunk["series"]
        assert await self.store.journal.all() == []
        assert list(self.folder.incoming.iterdir()) == []
        products = {found["_id"] for found in await self.store.products._collection.find({})}
        assert {found["product"] for found in imports.values()} <= products
        groups = await self.store.groups._collection.find({})
        members = {pk for group in groups for pk in group["products"]}
        assert members <= products
        joined = await self.store.groups.containing(sorted(products))
        for group in groups:
            assert all(group["_id"] in joined[pk] for pk in group["products"])


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Iterator[Bench]:
    """Yield an archive on an empty database."""
    folder = DataFolder.open(tmp_path / "data")
    yield Bench(store, folder)
    folder.close()


class Faults:
    """Lets the n-th database call fail, before or after it takes effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self._fail_at = 0
        self._after = False
        self._for_good = False
        real, here = Collection._call, threading.get_ident()

        async def call(collection: Collection, operation: str, work: Any) -> Any:
            if threading.get_ident() != here:  # from a server that other tests use
                return await real(collection, operation, work)
            self.calls += 1
            now = self.calls == self._fail_at
            if (now and not self._after) or (self._for_good and 0 < self._fail_at < self.calls):
                raise DatabaseAway
            answer = await real(collection, operation, work)
            if now:
                raise DatabaseAway
            return answer

        monkeypatch.setattr(Collection, "_call", call)

    def at(self, number: int, after: bool, for_good: bool) -> None:
        """Fail at this call from now on, and at all later ones if `for_good`."""
        self.calls, self._fail_at, self._after, self._for_good = 0, number, after, for_good

    def none(self) -> None:
        self.at(0, False, False)

    @property
    def met(self) -> bool:
        """Whether the call that fails was reached."""
        return self.calls >= self._fail_at


class Pauses:
    """Lets something else happen just before the n-th database call."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Awaitable[None]]
    ) -> None:
        self.calls = 0
        self._pause_at = 0
        real, here = Collection._call, threading.get_ident()

        async def call(collection: Collection, operation: str, work: Any) -> Any:
            if threading.get_ident() != here:  # from a server that other tests use
                return await real(collection, operation, work)
            self.calls += 1
            if self.calls == self._pause_at:
                await meanwhile()
            return await real(collection, operation, work)

        monkeypatch.setattr(Collection, "_call", call)

    def at(self, number: int) -> None:
        """Pause before this call from now on."""
        self.calls, self._pause_at = 0, number

    @property
    def met(self) -> bool:
        """Whether the call was reached."""
        return self.calls >= self._pause_at
