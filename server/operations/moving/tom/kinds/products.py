"""The data products of an old site and their files, whose checksums are computed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from server.archive.files.names import NAME_BYTES, content_type, output_name, uploaded_name
from server.archive.storage import in_thread
from server.core.errors import InvalidInput
from server.core.records import DataProduct
from server.operations.moving.tom.database import Row
from server.operations.moving.tom.media import Brought, NotThere, new_folder, remove
from server.operations.moving.tom.site import Maker
from server.operations.moving.tom.values import excerpt, text
from server.operations.moving.tom.work import Work, missing

#: How many files are examined at the same time; they wait for one child.
_EXAMINED_AT_ONCE = 8
#: The attempt of a process whose outputs come from an old site.
ATTEMPT = 1
#: The longest `data_product_type` that the site's database takes.
TYPE_CHARACTERS = 50


@dataclass(frozen=True)
class _File:
    """A file on its way, and the row that names it."""

    row: Row
    brought: Brought


@dataclass
class _Batch:
    """Files in a folder, on their way, and the records that they will have."""

    folder: Path
    files: list[_File] = field(default_factory=list)
    products: list[DataProduct] = field(default_factory=list)


async def bring_products(work: Work) -> None:
    """Bring all products that are not here; what the media folder does not have is named."""
    total, done = work.site.count("dataproduct"), 0
    storing: asyncio.Task[None] | None = None
    try:
        for rows in work.site.products():
            # One batch is examined, which needs the processor, while another waits for the disk.
            batch = await _prepared(work, await work.unknown("dataproduct", rows))
            if storing is not None:
                await storing
                storing = None
            storing = asyncio.create_task(_bring(work, batch))
            done += len(rows)
            work.progress("Files", done, total)
    finally:
        if storing is not None:
            await storing


def is_output(maker: Maker, *names: str) -> bool:
    """Return whether a product in a group of outputs is one: people may have added others."""
    return bool(maker.identifier) and any(
        PurePosixPath(name).name.startswith(maker.identifier) for name in names
    )


async def _prepared(work: Work, rows: Sequence[Row]) -> _Batch:
    """Return the records that are to be stored, and their files on their way."""
    batch = _Batch(new_folder(work.here.incoming))
    if rows:
        try:
            targets = await work.targets_here(row["target_id"] for row in rows)
            batch.files = await in_thread(_found, work, rows, batch.folder, targets)
            makers = work.site.makers([file.row["id"] for file in batch.files])
            fields = await _examined(work, batch.files)
            # The records say at once whose outputs they are: nobody sees these before.
            batch.products = [
                _product(work, file, makers.get(file.row["id"], []), found)
                for file, found in zip(batch.files, fields, strict=True)
            ]
        except BaseException:
            await asyncio.to_thread(remove, batch.folder)
            raise
    return batch


async def _bring(work: Work, batch: _Batch) -> None:
    """Store a batch: first the files, then the records, then that they are here."""
    try:
        if batch.products:
            await _store(work, batch.files, batch.products)
            paths = {file.row["id"]: _path(file.row) for file in batch.files}
            await work.note("dataproduct", paths, paths)
    finally:
        await asyncio.to_thread(remove, batch.folder)
    if work.before:
        work.brought.update(product.pk for product in batch.products)


def _found(work: Work, rows: Sequence[Row], folder: Path, targets: set[int]) -> list[_File]:
    """Link or copy the files of a batch into a folder; name those that are not to be had."""
    files = []
    for number, row in enumerate(rows):
        stored = text(row["data"])
        try:
            if work.pks.new("target", row["target_id"]) not in targets:
                raise NotThere("is of no target")
            name = _name(row)
            files.append(_File(row, work.media.bring(stored, folder / str(number), name)))
            if name != PurePosixPath(stored).name:
                work.report.notes.add(f"The file of data product {row['id']} is named {name} here")
        except NotThere as error:
            named = excerpt(stored, 200) or "without a path"
            work.report.lost.add(f"Data product {row['id']} ({named}) {error}")
    return files


async def _examined(work: Work, files: Sequence[_File]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(files), _EXAMINED_AT_ONCE):
        part = files[start : start + _EXAMINED_AT_ONCE]
        paths = [file.brought.path for file in part]
        found += await asyncio.gather(*(work.examine(path, path.name) for path in paths))
    return found


async def _store(work: Work, files: Sequence[_File], wanted: Sequence[DataProduct]) -> None:
    """Store files, then records. A file without a record is what a killed import has left."""
    store, storage = work.here.store.products, work.here.files
    stored = await store.get_many([product.pk for product in wanted])
    lacking = missing("dataproduct", wanted, stored)
    paths = {product.pk: file.brought.path for file, product in zip(files, wanted, strict=True)}
    keys = [product.key for product in lacking]
    if work.before:
        await storage.abort_unfinished(keys)
        await storage.delete_many(keys)
    await storage.put_many([(paths[each.pk], each.key) for each in lacking], keep_modes=True)
    await store.insert_many(lacking)


def _product(
    work: Work, file: _File, makers: Sequence[Maker], found: dict[str, Any]
) -> DataProduct:
    row, brought = file.row, file.brought
    names = text(row["product_id"]), text(row["data"])
    process = next((each.process for each in makers if is_output(each, *names)), None)
    return DataProduct(
        pk=work.pk("dataproduct", row["id"]),
        created=work.created(row),
        name=brought.path.name,
        target=work.pk("target", row["target_id"]),
        size=brought.size,
        sha256=brought.sha256,
        content_type=content_type(brought.path.name),
        data_product_type=_kind(row),
        process=None if process is None else work.pks.new("processes", process),
        attempt=None if process is None else ATTEMPT,
        **found,
    )


def _name(row: Row) -> str:
    """Return what the file is called here: as there, where that can be a name."""
    last = PurePosixPath(text(row["data"])).name
    try:
        return uploaded_name(last)
    except InvalidInput:
        made = output_name(f"product-{row['id']}", last.replace("\\", "_"))
        return made if len(made.encode()) <= NAME_BYTES else f"product-{row['id']}"


def _kind(row: Row) -> str:
    """Return what kind of file it is in the words of the site; older versions call that its tag."""
    return excerpt(row["data_product_type"] or row["tag"], TYPE_CHARACTERS)


def _path(row: Row) -> str:
    """Return the path by which the old site had the file in its URLs."""
    return text(row["data"]).lstrip("/")
