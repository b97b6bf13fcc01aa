"""A start on data that is not whole ends at once: exit status 2, one sentence, nothing changed."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.acceptance.conftest import Servers
from tests.fakes.fake_mongodb import FakeMongoDB
from tests.integration.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]

END_SECONDS = 30


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have a server store a file, and stop it; return its data folder."""
    servers = Servers(tmp_path_factory.mktemp("whole"))
    server = servers.start()
    try:
        asyncio.run(store_a_file(server.client()))
        assert server.end() == 0
    finally:
        server.close()
    return servers.data


async def store_a_file(client: Client) -> None:
    """Upload a file for a new target."""
    target = await client.make_target("Whole")
    assert await client.upload(target, ("a", b"x")) == [1]


def prepared(servers: Servers, whole: Path) -> Path:
    """Give the next server a copy of a whole data folder; return the folder of its database."""
    shutil.copytree(whole, servers.data, ignore=shutil.ignore_patterns("sockets"))
    return servers.data / "database"


def refused(servers: Servers, *options: str, **environment: str) -> str:
    """Check that a start is refused; return the sentence."""
    server = servers.start(*options, environment=environment)
    assert server.process.wait(END_SECONDS) == 2
    server.close()
    assert "Traceback" not in "".join(server.printed)
    at = server.printed.index("heliograph cannot start:\n")
    [sentence] = server.printed[at + 1 :]
    return sentence


async def test_files_without_their_database_are_not_started_with(
    servers: Servers, whole: Path
) -> None:
    database = prepared(servers, whole)
    database.rename(servers.folder / "lost")
    assert "--accept-missing-database" in refused(servers)
    assert "--accept-missing-database" in refused(servers)  # the first one has made no database
    shutil.rmtree(database)
    (servers.folder / "lost").rename(database)
    assert servers.start().client()


async def test_an_empty_database_begun_on_request_overwrites_no_file(
    servers: Servers, whole: Path
) -> None:
    shutil.rmtree(prepared(servers, whole))
    client = servers.start("--accept-missing-database").client()
    target = await client.make_target("Begun anew")
    assert await client.upload(target, ("a", b"y")) == [2]
    [kept] = (servers.data / "files" / "1").iterdir()
    assert kept.read_bytes() == b"x"


@pytest.mark.parametrize("damage", ["garbage", "a page", "half of it"])
async def test_a_damaged_database_is_named_in_one_sentence(
    servers: Servers, whole: Path, damage: str
) -> None:
    path = prepared(servers, whole) / "heliograph.db"
    content = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"not a database" * 1000)
    elif damage == "a page":
        path.write_bytes(content[:8192] + b"\xff" * 8192 + content[16384:])
    else:
        path.write_bytes(content[: len(content) // 2])
    assert "is damaged (heliograph.db)" in refused(servers)


async def test_the_files_of_another_folder_are_not_taken(servers: Servers, whole: Path) -> None:
    prepared(servers, whole)
    files = servers.data / "files"
    another = Servers(servers.folder / "another")
    server = another.start()
    try:
        await store_a_file(server.client())
        assert server.end() == 0
    finally:
        server.close()
    files.rename(servers.folder / "aside")
    shutil.copytree(another.data / "files", files)
    assert "--accept-other-files" in refused(servers)


@pytest.mark.parametrize("fault", ["wire_version", "knows_hello", "loses_changes"])
async def test_a_database_that_keeps_no_promise_is_refused(servers: Servers, fault: str) -> None:
    value = {"wire_version": 6, "knows_hello": False, "loses_changes": True}[fault]
    async with FakeMongoDB(**{fault: value}).serving() as uri:  # type: ignore[arg-type]
        sentence = await asyncio.to_thread(refused, servers, HELIOGRAPH_MONGODB_URI=uri)
    assert sentence.startswith("mongodb.uri: ")
    assert "MongoDB 4.4 or newer" in sentence
