"""An old site that moves in, and the comparison of what has arrived with what there was."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.archive.storage import FileStorage
from server.config import Config
from server.config.sections import MongoDB
from server.logs.entries import entries_text
from server.operations.checks.database import check_database, check_indexes
from server.operations.checks.results import Level
from server.operations.checks.storage import check_files
from server.operations.checks.subject import Subject
from server.operations.moving.tom.destination import Destination, locked, opened
from server.store import Store
from server.store.driver.connection import Database
from tests.fakes.kept import silent
from tests.fakes.tom_site import TomSite


class FitsByName:
    """Examines files by their names alone, at once."""

    def __init__(self, **options: Any) -> None:
        self.closed = False

    async def metadata(self, path: Path) -> dict[str, Any] | None:
        """Return some facts for what is called FITS."""
        return {"width": 16, "height": 12} if path.suffix == ".fits" else None

    async def close(self) -> None:
        """Close nothing."""
        self.closed = True


@contextmanager
def empty_database(uri: str) -> Iterator[str]:
    """Yield the URI of a database that is deleted afterwards."""
    name = f"heliograph_test_{secrets.token_hex(6)}"
    start, _, options = uri.rstrip("/").partition("/?")
    try:
        yield f"{start}/{name}" + (f"?{options}" if options else "")
    finally:
        with ThreadPoolExecutor(1) as thread:  # also while a loop runs
            thread.submit(lambda: asyncio.run(_drop(uri, name))).result()


async def _drop(uri: str, name: str) -> None:
    database = await Database.open(uri)
    await database._client.drop_database(name)
    database.close()


class Moving:
    """A site, and the data folder that it is brought to."""

    def __init__(self, folder: Path, site: TomSite, uri: str | None) -> None:
        self.site = site
        self.data = folder / "data"
        self.config = replace(Config(), data=self.data, mongodb=MongoDB(uri=uri))

    def run(self, *options: str, site: TomSite | None = None) -> int:
        """Import, and return the exit status."""
        found = site or self.site
        return self.command(found.database, found.media, *options)

    def command(self, database: object, media: object, *options: str) -> int:
        """Import whatever is named, and return the exit status."""
        return main(["import-tom", str(database), str(media), "--data", str(self.data), *options])

    def here(self, work: Callable[[Destination], Awaitable[Any]]) -> Any:
        """Return what some work on the installation returns."""

        async def do() -> Any:
            if self.config.mongodb.uri is not None:
                return await self._beside(self.config.mongodb.uri, work)
            with locked(self.config) as folder:
                async with opened(self.config, folder) as found:
                    return await work(found)

        return asyncio.run(do())

    async def _beside(self, uri: str, work: Callable[[Destination], Awaitable[Any]]) -> Any:
        """Do work on a database as it is, without what a start makes of it."""
        database = await Database.open(uri)
        try:
            store, files = Store(database), FileStorage(self.config.storage_url)
            return await work(Destination(store, files, self.data))
        finally:
            database.close()

    def everything(self) -> dict[str, Any]:
        """Return all that was brought, in a form that can be compared."""
        return dict(self.here(_everything))

    def problems(self) -> list[str]:
        """Return what `heliograph check --files` finds wrong."""
        subject = Subject(self.config, silent, every_byte=True)
        looks = (check_database, check_indexes, check_files)
        results = [result for look in looks for result in look(subject)]
        assert len(results) >= len(looks)
        return [result.text for result in results if result.level is not Level.OK]


async def _everything(here: Destination) -> dict[str, Any]:
    store = here.store
    targets = (await store.targets.find(limit=1000)).items
    products = [each for target in targets for each in await _products(here, target.pk)]
    processes = [each for target in targets for each in await store.processes.of_target(target.pk)]
    logs = {record.pk: await _log(here, record.pk) for record in processes}
    rows = {target.pk: await _rows(here, target.pk) for target in targets}
    return {
        "targets": sorted(targets, key=lambda each: each.pk),
        "products": sorted(products, key=lambda each: each.pk),
        "groups": sorted((await store.groups.find(limit=1000)).items, key=lambda each: each.pk),
        "processes": sorted(processes, key=lambda each: each.pk),
        "logs": logs,
        "rows": rows,
        "active": sorted(each.target for each in await store.activity.newest(None, 100)),
        "files": {each.key: await _bytes(here, each.key) for each in products},
    }


async def _products(here: Destination, target: int) -> list[Any]:
    return (await here.store.products.find(target, limit=1000)).items


async def _log(here: Destination, process: int) -> str:
    chunks = await here.store.logs.read(process, 1, 1000)
    assert [chunk.first for chunk in chunks] == sorted(chunk.first for chunk in chunks)
    return "".join(entries_text(chunk.entries.encode()) for chunk in chunks)


async def _rows(here: Destination, target: int) -> list[Any]:
    chunks = await here.store.light_curves.read(target, limit=1000)
    visible = await here.store.imports.get_many({chunk.series for chunk in chunks})
    series = {each.series for each in visible}
    texts = [text for chunk in chunks if chunk.series in series for text in chunk.rows.split("\n")]
    return sorted((json.loads(text) for text in texts), key=lambda row: (row["time"], str(row)))


async def _bytes(here: Destination, key: str) -> bytes:
    return b"".join([piece async for piece in here.files.read(key)])


def compare(site: TomSite, found: dict[str, Any]) -> None:
    """Compare what is here with the old database and media, row by row."""
    targets = site.rows("tom_targets_target")
    assert [(each.pk, each.name) for each in found["targets"]] == [
        (row["id"], row["name"]) for row in targets
    ]
    for target, row in zip(found["targets"], targets, strict=True):
        assert (target.ra, target.dec) == (row["ra"], row["dec"])
        assert target.created == pytest.approx(stamp(row["created"]), abs=1e-6)
        assert target.extra_fields == {"mission": "LCO", "mag": 5.8, "active": True}
    products = site.rows("tom_dataproducts_dataproduct")
    assert [(each.pk, each.name, each.target) for each in found["products"]] == [
        (row["id"], row["data"].rpartition("/")[2], row["target_id"]) for row in products
    ]
    assert list(found["files"].values()) == [
        (site.media / row["data"]).read_bytes()
        for target in found["targets"]
        for row in reversed(products)
        if row["target_id"] == target.pk
    ]
    assert [each.data_product_type for each in found["products"]] == [
        row["data_product_type"] for row in products
    ]
    assert [each.fits is not None for each in found["products"]] == [
        row["data"].endswith(".fits") for row in products
    ]
    assert [(each.pk, each.name, each.products) for each in found["groups"]] == [
        (
            row["id"],
            row["name"],
            members_of(site, row["id"]),
        )
        for row in site.rows("tom_dataproducts_dataproductgroup")
    ]
    compare_processes(site, found)
    data = site.rows("tom_dataproducts_reduceddatum")
    for target in found["targets"]:
        wanted = [row for row in data if row["target_id"] == target.pk]
        rows = found["rows"][target.pk]
        assert [(row["magnitude"], row["error"]) for row in rows] == [
            (json.loads(row["value"])["magnitude"], 0.01) for row in wanted
        ]
        for row, old in zip(rows, wanted, strict=True):
            assert (row["time"] - 40587.0) * 86400 == pytest.approx(
                stamp(old["timestamp"]), abs=1e-4
            )


def compare_processes(site: TomSite, found: dict[str, Any]) -> None:
    """Compare the processes."""
    of_pipelines = {
        row["asyncprocess_ptr_id"]: row for row in site.rows("tom_education_pipelineprocess")
    }
    inputs = site.rows("tom_education_pipelineprocess_input_files")
    old = site.rows("tom_education_asyncprocess")
    assert [each.pk for each in found["processes"]] == [row["id"] for row in old]
    for record, row in zip(found["processes"], old, strict=True):
        pipeline = of_pipelines[row["id"]]
        group = pipeline["group_id"]
        assert (record.identifier, record.target) == (row["identifier"], row["target_id"])
        assert (record.status, record.state.ended) == (row["status"], True)
        assert record.created == pytest.approx(stamp(row["created"]), abs=1e-6)
        ended = stamp(row["terminal_timestamp"])
        assert record.terminal_timestamp == pytest.approx(ended, abs=1e-6)
        assert record.failure_message == (row["failure_message"] or None)
        assert record.flags == json.loads(pipeline["flags_json"] or "{}")
        assert record.products == [
            each["dataproduct_id"] for each in inputs if each["pipelineprocess_id"] == row["id"]
        ]
        assert record.group == group
        outputs = members_of(site, group)
        assert record.outputs == outputs
        by_process = [each.pk for each in found["products"] if each.process == record.pk]
        assert by_process == outputs
        film = row["process_type"] == "TimelapsePipeline"
        assert record.process_type == ("timelapse" if film else "pipeline")
        assert record.pipeline == ("Timelapse" if film else "dummy")
        assert found["logs"][record.pk] == (pipeline["logs"] or "")
        assert record.log_bytes == len((pipeline["logs"] or "").encode())


def members_of(site: TomSite, group: int | None) -> list[int]:
    """Return the products of a group, in their order."""
    links = site.rows("tom_dataproducts_dataproduct_group")
    return [each["dataproduct_id"] for each in links if each["dataproductgroup_id"] == group]


def stamp(text: str) -> float:
    """Return a time of the old database in Unix seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
