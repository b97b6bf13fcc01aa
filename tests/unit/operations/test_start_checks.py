"""Which database goes with which files, and what happens when a start is killed on the way."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import threading
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import NoRoom, StartError
from server.core.records import DataProduct
from server.operations import schema
from server.operations.accepted import Accepted
from server.operations.start_checks import StartChecks
from server.operations.storage_root import ID_FILE, StorageRoot
from server.store import Store
from server.store.driver.collection import Collection
from server.store.driver.connection import Database
from server.store.installation import Facts

MISSING, OLDER, OTHER = (f"--accept-{name.replace('_', '-')}" for name in (
    "missing_database", "older_database", "other_files"
))  # fmt: skip


@pytest.fixture(params=["folder", "remote"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an empty storage of each kind."""
    return str(tmp_path / "files") if request.param == "folder" else f"memory://{tmp_path}"


async def start(store: Store, place: str, **accepted: bool) -> Facts:
    """Check as a start does; return what the database then says about itself."""
    await StartChecks(store, StorageRoot(place), Accepted(**accepted)).check()
    facts = await store.installation.get()
    assert facts is not None
    return facts


async def refused(store: Store, place: str, option: str, **accepted: bool) -> None:
    """Check that a start is refused, naming this option, and changes nothing."""
    before = await everything(store, place)
    with pytest.raises(StartError, match=option):
        await start(store, place, **accepted)
    assert await everything(store, place) == before


async def everything(store: Store, place: str) -> tuple[Any, ...]:
    root = StorageRoot(place)
    counted = await store.counters.last("dataproduct")
    return await store.installation.get(), counted, await root.read_id(), await root.highest_pk()


async def upload(store: Store, place: str, count: int = 1) -> int:
    """Store products as an upload does; return the PK of the last one."""
    root = StorageRoot(place)
    for _ in range(count):
        pk = await store.counters.next("dataproduct")
        product = DataProduct(
            pk=pk, created=1.0, name="a.fits", target=1, size=1, sha256="x", content_type="x"
        )
        root._remote.makedirs(f"{root._root}/{pk}", exist_ok=True)
        root._remote.pipe_file(f"{root._root}/{product.key}", b"x")
        await store.products.insert_many([product])
    return pk


async def lose_files(place: str) -> None:
    root = StorageRoot(place)
    root._remote.rm(root._root, recursive=True)


@pytest.fixture
def another(runner: asyncio.Runner, engine_uri: str) -> Any:
    """Yield the store of another empty database."""
    name = f"heliograph_test_{secrets.token_hex(6)}"
    database = runner.run(Database.open(engine_uri, name))
    yield Store(database)
    runner.run(drop(database, name))
    database.close()


async def drop(database: Database, name: str) -> None:
    await database._client.drop_database(name)


async def test_the_first_start_makes_one_id_in_both(
    runner: asyncio.Runner, store: Store, place: str
) -> None:
    facts = await start(store, place)
    assert await StorageRoot(place).read_id() == facts.id
    await upload(store, place)
    assert await start(store, place) == await start(store, place)
    assert (await start(store, place)).id == facts.id


async def test_servers_that_start_at_once_agree(
    runner: asyncio.Runner, store: Store, place: str
) -> None:
    ids = {facts.id for facts in await asyncio.gather(*(start(store, place) for _ in range(5)))}
    assert ids == {await StorageRoot(place).read_id()}


async def test_an_installation_from_before_gets_an_id_without_complaint(
    runner: asyncio.Runner, store: Store, place: str
) -> None:
    await upload(store, place, 3)
    facts = await start(store, place)
    assert await StorageRoot(place).read_id() == facts.id


@pytest.mark.parametrize("known", [True, False], ids=["with an id", "from before"])
async def test_files_without_their_database_are_refused(
    runner: asyncio.Runner, store: Store, another: Store, place: str, known: bool
) -> None:
    if known:
        await start(store, place)
    last = await upload(store, place, 3)
    await refused(another, place, MISSING)
    await refused(another, place, MISSING, older_database=True, other_files=True)
    await start(another, place, missing_database=True)
    assert await another.counters.next("dataproduct") == last + 1  # no file is overwritten
    await start(another, place)


@pytest.mark.parametrize("known", [True, False], ids=["with an id", "from before"])
async def test_a_database_older_than_its_files_is_refused(
    runner: asyncio.Runner, store: Store, place: str, known: bool
) -> None:
    await upload(store, place)
    if known:
        await start(store, place)
    last = await upload(store, place, 3)
    await store.products.delete_many([last, last - 1])
    await store.counters._collection.change({"_id": "dataproduct"}, set={"last": last - 2})
    await refused(store, place, OLDER)
    await refused(store, place, OLDER, missing_database=True)
    await start(store, place, older_database=True)
    assert await store.counters.next("dataproduct") == last + 1
    await start(store, place)


@pytest.mark.parametrize("uploads", [0, 2])
async def test_a_database_that_does_not_know_of_a_sealed_log_is_older(
    runner: asyncio.Runner, store: Store, place: str, uploads: int
) -> None:
    await start(store, place)
    if uploads:
        await upload(store, place, uploads)
    root = StorageRoot(place)
    for name in ("log-7", "log-x9", "log-"):
        root._remote.makedirs(f"{root._root}/{name}", exist_ok=True)
        root._remote.pipe_file(f"{root._root}/{name}/1-abcd.segment", b"x")
    await refused(store, place, OLDER)
    await start(store, place, older_database=True)
    assert await store.counters.next("processes") == 8  # it takes no other log for its own
    await start(store, place)


async def test_a_database_put_back_to_the_first_start_is_older_too(
    runner: asyncio.Runner, store: Store, another: Store, place: str
) -> None:
    facts = await start(store, place)
    await upload(store, place)
    await another.installation.create(facts)
    await refused(another, place, OLDER)


async def test_files_of_another_database_are_refused(
    runner: asyncio.Runner, store: Store, another: Store, place: str
) -> None:
    await start(store, place)
    last = await upload(store, place, 2)
    await start(another, f"{place}-2")
    await upload(another, f"{place}-2")
    await refused(another, place, OTHER)
    await refused(another, place, OTHER, missing_database=True, older_database=True)
    await start(another, place, other_files=True)
    assert await another.counters.next("dataproduct") == last + 1
    await refused(store, place, OTHER)


async def test_a_database_from_before_with_files_that_are_not_its_own_is_refused(
    runner: asyncio.Runner, store: Store, another: Store, place: str
) -> None:
    await upload(store, place, 3)
    await lose_files(place)
    await refused(store, place, OTHER)
    await start(another, place)
    await refused(store, place, OTHER)


async def test_files_that_are_not_mounted_are_refused(
    runner: asyncio.Runner, store: Store, place: str
) -> None:
    await start(store, place)
    await upload(store, place)
    await lose_files(place)
    await refused(store, place, OTHER)


async def test_an_empty_storage_may_be_replaced(
    runner: asyncio.Runner, store: Store, place: str
) -> None:
    facts = await start(store, place)
    pk = await upload(store, place)
    await store.products.delete_many([pk])
    await lose_files(place)
    assert (await start(store, place)).id == facts.id == await StorageRoot(place).read_id()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"h" * 100_000])
async def test_an_id_that_was_damaged_is_not_taken_for_this_one(
    runner: asyncio.Runner, store: Store, place: str, content: bytes
) -> None:
    await start(store, place)
    await upload(store, place)
    root = StorageRoot(place)
    root._remote.pipe_file(f"{root._root}/{ID_FILE}", content)
    await refused(store, place, OTHER)


async def test_a_newer_schema_is_refused(runner: asyncio.Runner, store: Store, place: str) -> None:
    await start(store, place)
    newer = schema.newest() + 1
    await store.installation.change(schema=newer, compatible_since=schema.newest())
    assert (await start(store, place)).schema == newer  # this program can live with it
    await store.installation.change(compatible_since=newer)
    await refused(store, place, "newer Heliograph")
    every = {field.name: True for field in fields(Accepted)}
    await refused(store, place, "newer Heliograph", **every)


class Killed(BaseException):
    """Stands for a kill at one step of the start."""


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, after: bool) -> None:
    """Kill what follows at its nth write to the database or the storage, before or after it."""
    steps, own = itertools.count(), threading.get_ident()

    def fatal(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(*args: Any, **options: Any) -> Any:
            if threading.get_ident() != own:  # a server of other tests, whose heart goes on
                return await work(*args, **options)
            fatal = next(steps) == step
            if fatal and not after:
                raise Killed
            result = await work(*args, **options)
            if fatal:
                raise Killed
            return result

        return wrapped

    monkeypatch.setattr(Collection, "insert", fatal(Collection.insert))
    monkeypatch.setattr(Collection, "change", fatal(Collection.change))
    monkeypatch.setattr(StorageRoot, "write_id", fatal(StorageRoot.write_id))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("uploads", [0, 2])
async def test_a_start_killed_in_the_middle_is_followed_by_one_that_goes_through(
    runner: asyncio.Runner,
    store: Store,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    after: bool,
    uploads: int,
) -> None:
    if uploads:
        await upload(store, place, uploads)
    with monkeypatch.context() as patch:
        killed_at(patch, step, after)
        with pytest.raises(Killed):
            await start(store, place)
    facts = await start(store, place)
    assert facts.in_storage
    assert await StorageRoot(place).read_id() == facts.id


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("known", [True, False], ids=["with an id", "from before"])
async def test_an_accepted_start_killed_in_the_middle_may_be_made_again(
    runner: asyncio.Runner,
    store: Store,
    another: Store,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    after: bool,
    known: bool,
) -> None:
    if known:
        await start(store, place)
    last = await upload(store, place, 2)
    with monkeypatch.context() as patch:
        killed_at(patch, step, after)
        try:
            await start(another, place, missing_database=True)
        except Killed:
            await start(another, place, missing_database=True)
    await start(another, place)
    assert await another.counters.next("dataproduct") == last + 1


async def test_a_full_storage_keeps_no_server_from_starting(
    runner: asyncio.Runner, store: Store, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise NoRoom

    with monkeypatch.context() as patch:
        patch.setattr(StorageRoot, "write_id", full)
        assert not (await start(store, place)).in_storage
    assert (await start(store, place)).in_storage


async def test_a_storage_that_cannot_be_read_is_refused_in_one_sentence(
    runner: asyncio.Runner, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "files").write_text("no folder")
    with pytest.raises(StartError, match=r"The storage of the files cannot be used: .*files\.url"):
        await start(store, str(tmp_path / "files"))
