"""A data folder of version 0.1 serves on: everything is there as that version showed it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from server.core.disk.data_folder import DataFolder
from server.core.errors import StartError
from server.operations import log_sealing, schema
from server.operations.accepted import Accepted
from server.operations.keeping.restore import restore
from server.operations.start_checks import StartChecks
from server.operations.storage_root import StorageRoot
from server.store import Store
from server.store.driver.collection import Collection
from server.store.driver.connection import Database
from server.store.engine.supervisor import Engine
from tests.fakes.kept import COLLECTIONS, backed_up, changing, documents_of, files_of, silent, store
from tests.fakes.old_data import config_of, expected, unpack
from tests.integration.conftest import Client, Running, make_config, serving

ROOT = Path(__file__).parents[3]
#: What an answer has of the moment, and not of what is stored.
PASSING = {"timestamp"}


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield today's server on the folder."""
    folder = tmp_path_factory.mktemp("old")
    with serving(make_config(unpack(folder))) as running:
        yield running


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Return where an answer is not what it was; it may have more keys than then."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = [f"{where} lacks {key}" for key in old.keys() - new.keys()]
        for key in (old.keys() & new.keys()) - PASSING:
            found += differences(old[key], new[key], f"{where}.{key}")
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [each for n, pair in pairs for each in differences(*pair, f"{where}[{n}]")]
    return [] if old == new else [f"{where} was {old!r}, is {new!r}"]


def test_the_comparison_notices_what_is_lost_or_other() -> None:
    old = {"a": [1, {"b": None}], "timestamp": 5}
    assert differences(old, {"a": [1, {"b": None, "new": 2}], "timestamp": 6, "more": 7}) == []
    for new in ({"timestamp": 5}, {"a": [1]}, {"a": [1, {"b": 0}]}, {"a": [1, {}]}, {"a": None}):
        assert differences(old, new | {"timestamp": 5}) != []


def digested(response: HTTPResponse, path: str) -> Any:
    """Return an answer as the expectations have it."""
    if response.code != 200:
        return {"status_code": response.code}
    if "json" not in response.headers["Content-Type"]:
        return {"sha256": hashlib.sha256(response.body).hexdigest()}
    answer = json.loads(response.body)
    if path.endswith("logs/?limit=100000"):
        lines = answer["lines"]
        digest = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
        return {"lines": len(lines), "sha256": digest}
    if path.startswith("/api/pipeline/logs/"):
        answer["logs"] = hashlib.sha256(answer["logs"].encode()).hexdigest()
    return answer


def without(answer: Any, pk: int) -> Any:
    """Return an answer without the process that was running then, and so is not in the old one."""
    if isinstance(answer, dict) and "processes" in answer:
        others = [
            each
            for each in answer["processes"]
            if each.get("pk") != pk and each.get("view_url") != f"/pipeline/{pk}"
        ]
        return answer | {"processes": others}
    return answer


@pytest.mark.gen_test(timeout=60)
async def test_everything_is_as_version_0_1_showed_it(upgraded: Running) -> None:
    old = expected()
    wrong: list[str] = []
    for path, answer in old["answers"].items():
        url = f"{upgraded.url}{path}"
        response = await AsyncHTTPClient().fetch(url, raise_error=False)
        new = without(digested(response, path), old["running"])
        wrong += differences(answer, new, path)
    assert wrong == []
    assert len(old["answers"]) > 100


@pytest.mark.gen_test(timeout=60)
async def test_what_ran_when_version_0_1_was_killed_gets_a_new_attempt(upgraded: Running) -> None:
    client = Client(upgraded.url)
    pk = expected()["running"]
    record = await client.until(pk, lambda record: record["status"] == "Waiting")
    assert record["attempt"] == 2
    await client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    record = await client.until(pk, lambda record: record["terminal_timestamp"] is not None)
    assert record["state"] == "cancelled"
    numbers = [line[0] for line in await client.lines(pk)]
    assert numbers == list(range(1, record["log_lines"] + 1))


@pytest.mark.slow
@pytest.mark.gen_test(timeout=110)
@pytest.mark.timeout(120)
async def test_the_check_of_an_upgraded_folder_is_clean_beside_its_server(
    upgraded: Running,
) -> None:
    data = str(upgraded.server.config.data)
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "check", "--files", "--data", data),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    said = (await command.communicate())[0].decode()
    assert command.returncode == 0, said
    assert "\n0 problems, " in said
    warnings = [line for line in said.splitlines() if line.startswith("warning")]
    # Of extras that are not installed here.
    assert [line for line in warnings if "pip install 'heliograph[" not in line] == []
    assert "is ready" in said
    assert f"database: schema version {schema.newest()}\n" in said


class Killed(BaseException):
    """Ends a start as a kill does."""


@pytest.mark.slow
@pytest.mark.gen_test(timeout=110)
@pytest.mark.timeout(120)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_start_that_is_killed_at_any_step_of_the_upgrade_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    data = unpack(tmp_path)
    original = data / "database" / "heliograph.db"
    before = documents_of(original)
    steps = 0
    call = Collection._call
    left: list[int] = []

    async def killed(self: Collection, operation: str, work: Any) -> Any:
        if left and left[0] == 0 and when == "before":
            raise Killed
        answer = await call(self, operation, work)
        if left:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        return answer

    monkeypatch.setattr(Collection, "_call", killed)
    folder = DataFolder.open(data)
    engine = Engine()
    try:
        uri = await engine.start(folder)
        shutil.copy(original, original.with_name("whole.db"))
        shutil.copytree(data / "files", tmp_path / "whole")
        assert await _started(uri, "whole", tmp_path / "whole")
        whole = await _documents(uri, "whole")
        assert _kept(before, whole)
        while True:
            name = f"old{steps}"
            shutil.copy(original, original.with_name(f"{name}.db"))
            files = tmp_path / name
            shutil.copytree(data / "files", files)
            left[:] = [steps]
            if await _started(uri, name, files):
                break
            left.clear()
            assert await _started(uri, name, files)
            assert await _documents(uri, name) == whole
            assert (files / "heliograph-id").exists()
            steps += 1
    finally:
        await engine.stop()
        folder.close()
    assert steps >= 8


async def _documents(uri: str, name: str) -> dict[str, list[Any]]:
    """Return the documents of a database that the engine has open, by collection and key."""
    database = await Database.open(uri, name)
    try:
        found = {each: await database.collection(each).find({}) for each in COLLECTIONS}
    finally:
        database.close()
    return {each: sorted(part, key=lambda one: str(one["_id"])) for each, part in found.items()}


def _kept(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> bool:
    """Return whether all that was in the documents still is; there may be more."""
    for name, documents in before.items():
        found = {each["_id"]: each for each in after[name]}
        if any(found[each["_id"]] | each != found[each["_id"]] for each in documents):
            return False
    return True


async def _started(uri: str, name: str, files: Path) -> bool:
    """Check and upgrade a database as a start does; return whether that was not killed."""
    database = await Database.open(uri, name)
    store = Store(database)
    try:
        await StartChecks(store, StorageRoot(str(files)), Accepted()).check()
        facts = await store.installation.get()
    except Killed:
        return False
    finally:
        database.close()
    assert facts is not None
    assert (facts.schema, facts.examined_logs) == (schema.newest(), 0)
    return True


#: Of these logs, the server looks at some in one go.
MANY, IN_ONE_GO = 50, 20


def _long_log(pk: int) -> list[list[Any]]:
    return [[n, 1.5, "info", f"line {n} of {pk} {'x' * 60}"] for n in range(1, 201)]


@pytest.mark.slow
@pytest.mark.gen_test(timeout=170)
@pytest.mark.timeout(180)
async def test_many_logs_are_sealed_after_the_upgrade_and_read_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sealing, "EXAMINED_AT_ONCE", IN_ONE_GO)
    data = unpack(tmp_path)
    database = data / "database" / "heliograph.db"
    _add_logs(database)
    with serving(make_config(data)) as running:
        client = Client(running.url)
        last = 1000 + MANY - 1
        async with asyncio.timeout(150):
            # They are taken up by PK.
            while not list((data / "files").glob(f"log-{last}/*")):
                await asyncio.sleep(0.1)
        for pk in (*range(1000, 1000 + MANY, 7), last):
            assert await client.lines(pk) == _long_log(pk)
    assert len(list((data / "files").glob("log-1*/*.segment"))) >= MANY


def _add_logs(database: Path) -> None:
    """Store ended processes with logs that are long enough to be sealed, as version 0.1 did."""
    [sample] = [each for each in documents_of(database)["processes"] if each["pk"] == 3]
    with changing(database) as connection:
        for pk in range(1000, 1000 + MANY):
            entries = ",".join(json.dumps(entry) for entry in _long_log(pk))
            own = {
                "_id": pk,
                "pk": pk,
                "identifier": f"many-{pk}",
                "by_identifier": f"=many-{pk}",
                "by_target": 2**32 + pk,
                "by_pipeline": f"=Dummy\x1f{pk:012d}",
                "ended": f"succeeded\x1f{pk:012d}",
                "log_lines": 200,
                "outputs": [],
                "group": None,
            }
            key = pk * 2**32 + 1
            chunk = {
                "_id": key,
                "key": key,
                "process": pk,
                "first": 1,
                "count": 200,
                "attempt": 1,
                "entries": entries,
                "log_bytes": len(entries),
            }
            for name, document in (("processes", sample | own), ("log_chunks", chunk)):
                connection.execute(
                    f"INSERT INTO {name} (_id, data) VALUES (?, ?)",
                    (str(document["_id"]), json.dumps(document)),
                )
        connection.execute(
            "UPDATE counters SET data = json_set(data, '$.last', 2000) WHERE _id = 'processes'"
        )


@pytest.mark.gen_test(timeout=60)
async def test_a_schema_that_is_newer_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    data = unpack(tmp_path)
    path = data / "database" / "heliograph.db"
    store(path, "installation", {"_id": "installation", "id": "h0", "schema": 99})
    before = documents_of(path, "installation", "processes")
    folder, engine = DataFolder.open(data), Engine()
    try:
        uri = await engine.start(folder)
        with pytest.raises(StartError, match="newer Heliograph"):
            await _started(uri, "heliograph", data / "files")
    finally:
        await engine.stop()
        folder.close()
    assert documents_of(path, "installation", "processes") == before


@pytest.mark.slow
@pytest.mark.gen_test(timeout=60)
async def test_a_backup_of_version_0_1_can_be_restored_and_upgraded(tmp_path: Path) -> None:
    backed_up(config_of(unpack(tmp_path)), tmp_path / "backup")
    config = make_config(tmp_path / "new")
    restore(config, tmp_path / "backup", progress=silent)
    with serving(config) as running:
        answer = await Client(running.url).call("/api/processes/?state=succeeded")
        assert len(answer["processes"]) == 8
    assert (
        files_of(tmp_path / "backup" / "files").items() <= files_of(config.data / "files").items()
    )
