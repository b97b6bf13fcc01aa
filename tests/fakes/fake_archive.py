"""An archive for the tests of the handlers, kept in dictionaries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from server.archive.derived.activity import Active, ActiveTarget
from server.archive.light_curves import LightCurvePage
from server.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from server.core.records import DataProduct, DataProductGroup, Target
from server.store.base import Page
from tests.fakes.some_records import NOW, a_product, a_target

T = TypeVar("T")


class FakeUpload:
    """An upload that remembers whether it was left without a commit."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive
        self.parts: list[tuple[str, bytearray]] = []
        self.committed = False

    async def add(self, name: str) -> None:
        if not name:
            raise InvalidInput.of("file", "No name.")
        self.parts.append((name, bytearray()))

    async def write(self, data: bytes) -> None:
        if self.archive.write_fault is not None:
            raise self.archive.write_fault
        await self.archive.may_write.wait()
        self.parts[-1][1].extend(data)
        if len(self.parts[-1][1]) > self.archive.limit_bytes:
            raise TooLarge(self.archive.limit_bytes)

    async def commit(self) -> list[DataProduct]:
        if not self.parts:
            raise InvalidInput.of("file", "No file was sent.")
        self.committed = True
        return [
            self.archive.keep(10 + index, name, bytes(data))
            for index, (name, data) in enumerate(self.parts)
        ]


class FakeArchive:
    """The archive as handlers see it."""

    def __init__(self) -> None:
        self.targets = FakeTargets(self)
        self.activity = FakeActivity(self)
        self.products = FakeProducts(self)
        self.groups = FakeGroups(self)
        self.light_curves = FakeLightCurves()
        self.old_urls = FakeOldUrls(self)
        self.stored_targets: dict[int, Target] = {1: a_target()}
        self.stored_products: dict[int, DataProduct] = {}
        self.stored_groups: dict[int, DataProductGroup] = {}
        self.bytes: dict[int, bytes] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.uploads: list[FakeUpload] = []
        self.left: list[FakeUpload] = []
        self.limit_bytes = 10**9
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.write_fault: Exception | None = None
        self.read_fault: Exception | None = None
        self.most_at_once = 0  #: how many pages of products were read at the same time

    def keep(self, pk: int, name: str, data: bytes, **changes: Any) -> DataProduct:
        """Store a data product."""
        self.stored_products[pk] = a_product(pk, name, data, **changes)
        self.bytes[pk] = data
        return self.stored_products[pk]


class FakeOldUrls:
    """Where the URLs of a site that was moved in lead; nothing was, unless a test says so."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive
        self.renumbered: dict[tuple[str, int], int] = {}
        self.kept: set[tuple[str, int]] = set()
        self.paths: dict[str, tuple[int, bool]] = {}

    async def new_pk(self, kind: str, old: int) -> int | None:
        return self.renumbered.get((kind, old))

    async def has_kept(self, kind: str, pk: int) -> bool:
        return (kind, pk) in self.kept

    async def file(self, path: str) -> tuple[DataProduct, bool]:
        if path not in self.paths:
            raise NotFound("file", path)
        pk, moved = self.paths[path]
        return await self.archive.products.get(pk), moved


class FakeActivity:
    """The last activity of the targets of a fake archive: each when it was made."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive

    async def find(
        self, behind: Active | None, limit: int
    ) -> tuple[list[ActiveTarget], Active | None]:
        self.archive.calls.append(("active", behind, limit))
        found = [ActiveTarget(each, each.created) for each in self.archive.stored_targets.values()]
        return found, Active(1_564_740_586.5, 1)

    async def times(self, targets: Sequence[int]) -> dict[int, float]:
        return {}

    async def named(self, words: Sequence[str], limit: int) -> list[Target]:
        self.archive.calls.append(("named", words))
        stored = self.archive.stored_targets.values()
        return [each for each in stored if words and words[0] in each.identifier]


class FakeTargets:
    """The targets of a fake archive."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive

    async def create(self, **given: Any) -> Target:
        self.archive.calls.append(("create_target", given))
        return a_target(2, name=given["name"])

    async def edit(self, pk: int, changes: dict[str, Any]) -> Target:
        return (await self.get(pk)).evolve(**changes)

    async def delete(self, pk: int) -> None:
        del self.archive.stored_targets[pk]

    async def get(self, pk: int) -> Target:
        return _one(self.archive.stored_targets, "target", pk)

    async def by_pk(self, pks: Iterable[int]) -> dict[int, Target]:
        known = self.archive.stored_targets
        return {pk: known[pk] for pk in pks if pk in known}

    async def find(self, **wanted: Any) -> Page[Target]:
        self.archive.calls.append(("targets", wanted))
        return Page(list(self.archive.stored_targets.values()), 1)


class FakeProducts:
    """The data products of a fake archive."""

    is_remote = False

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive
        self._at_once = 0

    async def named(self, beginning: str, limit: int) -> list[DataProduct]:
        stored = self.archive.stored_products.values()
        return [each for each in stored if each.name.startswith(beginning)][:limit]

    async def count(self, _target: int, _most: int) -> int:
        return len(self.archive.stored_products)

    async def get(self, pk: int) -> DataProduct:
        self._read("product", pk)
        return _one(self.archive.stored_products, "data product", pk)

    async def get_many(self, pks: list[int]) -> list[DataProduct]:
        self._read("existing", pks)
        stored = self.archive.stored_products
        return [stored[pk] for pk in pks if pk in stored]

    async def find(self, target: int, **_wanted: Any) -> Page[DataProduct]:
        self._at_once += 1
        self.archive.most_at_once = max(self.archive.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= 1
        return Page(list(self.archive.stored_products.values()), None)

    async def fields(self, products: list[DataProduct]) -> list[dict[str, Any]]:
        self.archive.calls.append(("product_fields", [product.pk for product in products]))
        names = ("pk", "name", "target", "size", "sha256", "content_type", "created", "url")
        return [
            {name: getattr(product, name) for name in names}
            | {"groups": [], "process": product.process, "fits": product.fits}
            for product in products
        ]

    def _read(self, name: str, pks: int | list[int]) -> None:
        self.archive.calls.append((name, pks))
        if self.archive.read_fault is not None:
            raise self.archive.read_fault

    async def delete(self, pk: int) -> None:
        raise Conflict(f"Data product {pk} is needed")

    async def check(self, products: Sequence[DataProduct]) -> None:
        pass

    async def read(self, product: DataProduct, start: int, stop: int) -> AsyncIterator[bytes]:
        data = self.archive.bytes[product.pk][start:stop]
        for begin in range(0, len(data), 65_536):
            yield data[begin : begin + 65_536]

    async def path(self, product: DataProduct, _folder: Path, *, whole: bool = False) -> Path:
        return Path(f"/nowhere/{product.key}")

    @asynccontextmanager
    async def upload(self, _target: int) -> AsyncIterator[FakeUpload]:
        upload = FakeUpload(self.archive)
        self.archive.uploads.append(upload)
        try:
            yield upload
        finally:
            self.archive.left.append(upload)


class FakeLightCurves:
    """Light curves without a point."""

    async def page(self, _target: int, **_wanted: Any) -> LightCurvePage:
        return LightCurvePage([], None)


class FakeGroups:
    """The groups of a fake archive."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive

    async def get(self, pk: int) -> DataProductGroup:
        return _one(self.archive.stored_groups, "group", pk)

    async def find(self, **_wanted: Any) -> Page[DataProductGroup]:
        return Page(list(self.archive.stored_groups.values()), None)

    async def create(self, name: str, products: list[int]) -> DataProductGroup:
        group = DataProductGroup(pk=37, created=NOW, name=name, products=products)
        self.archive.stored_groups[37] = group
        return group

    async def add(self, group: DataProductGroup, products: list[int]) -> DataProductGroup:
        return group.evolve(products=[*group.products, *products])

    async def delete(self, pk: int) -> None:
        del self.archive.stored_groups[pk]


def _one(stored: dict[int, T], kind: str, pk: int) -> T:
    if pk not in stored:
        raise NotFound(kind, pk)
    return stored[pk]
