"""A data folder moves up: all of it arrives, once, whatever is in the way or interrupts it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.access.token_file import TokenFile
from server.access.tokens import make_token
from server.config import Config
from server.config.sections import Files
from server.core.disk.data_folder import DataFolder, lock_folder
from server.core.errors import HeliographError, NotDone, StartError
from server.operations.accepted import Accepted
from server.operations.checks.database import check_database, check_identity, check_indexes
from server.operations.checks.results import Level
from server.operations.checks.storage import check_files
from server.operations.checks.subject import Subject
from server.operations.keeping.stored_files import StoredFiles
from server.operations.moving.migration import migrate
from server.operations.start_checks import StartChecks
from server.operations.storage_root import StorageRoot
from server.store import Store
from server.store.driver.collection import Collection
from server.store.driver.connection import Database
from server.store.peers.heartbeats import Program, Servers
from tests.fakes.kept import changing, delete, silent, store
from tests.fakes.moved import IDENTITY, Moving, checksums, moving, prepare


@pytest.fixture
def move(old: Config, shared_uri: str, tmp_path: Path) -> Iterator[Moving]:
    """Yield a data folder with two named tokens, and an empty database to migrate it to."""
    prepare(old, "alice", "bob")
    with moving(old, shared_uri, tmp_path / "elsewhere") as move:
        yield move


def migrated(move: Moving, **options: Any) -> Any:
    """Migrate, and return what was done."""
    return migrate(move.config, move.uri, options.pop("url", str(move.files)), silent)


def check_moved(move: Moving) -> None:
    """Check that the copy has everything once, and says so."""
    assert move.there() == move.here()
    files = checksums(move.config.data / "files")
    assert checksums(move.files) == files
    assert len(files) > 10
    assert (move.files / "heliograph-id").read_text().strip() == IDENTITY
    installation = move.raw()["installation"]
    assert installation["'installation'"]["migrating"] is None
    assert installation["'installation'"]["id"] == IDENTITY
    assert installation["'installation'"]["in_storage"] is True


def start(move: Moving) -> None:
    """Do what a server does with database and storage at its start."""

    async def check() -> None:
        database = await Database.open(move.uri)
        try:
            root = StorageRoot(move.files)
            await StartChecks(Store(database), root, Accepted()).check()
        finally:
            database.close()

    asyncio.run(check())


def in_store(move: Moving, work: Callable[[Store], Any]) -> Any:
    """Return what some work on the collections of the copy returns."""

    async def do() -> Any:
        database = await Database.open(move.uri)
        try:
            return await work(Store(database))
        finally:
            database.close()

    return asyncio.run(do())


def problems(move: Moving) -> list[str]:
    """Return what `heliograph check` finds wrong with the copy and its files."""
    subject = Subject(move.moved, silent, every_byte=True)
    looks = (check_database, check_indexes, check_identity, check_files)
    results = [result for look in looks for result in look(subject)]
    assert len(results) >= len(looks)
    return [result.text for result in results if result.level is not Level.OK]


def test_everything_arrives_and_the_source_stays(
    move: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    before = move.here(), checksums(move.config.data / "files")
    assert main(move.arguments()) == 0
    assert (move.here(), checksums(move.config.data / "files")) == before
    check_moved(move)
    start(move)
    said = capsys.readouterr().out
    assert "Migrated 3 targets, 14 data products, 15 processes, 2 named tokens" in said
    assert str(move.files) in said
    stored = [path for path in move.files.glob("*/*") if path.stat().st_mode & 0o777 != 0o400]
    assert stored == []


def test_all_indexes_are_there_and_counters_go_on(move: Moving) -> None:
    migrated(move)
    assert problems(move) == []
    before = move.here()["counters"]["'dataproduct'"]["last"]
    assert in_store(move, lambda store: store.counters.next("dataproduct")) == before + 1


def _as_options(move: Moving) -> list[str]:
    path = move.files.with_name("moved.json")
    path.write_text(json.dumps({"mongodb": {"uri": move.uri}, "files": {"url": str(move.files)}}))
    return ["--config", str(path), "--data", str(move.files.with_name("moved"))]


def test_what_the_configuration_says_is_the_default(move: Moving) -> None:
    options = [*_as_options(move)[:2], "--data", str(move.config.data)]
    assert main(["migrate", *options]) == 0
    check_moved(move)


def test_a_second_time_nothing_is_written(move: Moving, capsys: pytest.CaptureFixture[str]) -> None:
    migrated(move)
    before = move.raw()
    again = migrated(move)
    assert (again.written, again.copied, again.files) == (0, 0, len(checksums(move.files)))
    assert move.raw() == before
    assert main(move.arguments()) == 0
    assert "Nothing was left to do" in capsys.readouterr().out


def test_what_a_killed_trial_has_left_is_no_reason_to_refuse(move: Moving) -> None:
    in_store(move, lambda store: store.installation.begin_trial("migration", "t1"))
    migrated(move)
    check_moved(move)


def test_what_has_changed_in_the_source_follows(move: Moving) -> None:
    migrated(move)
    file = next(path for path in move.files.glob("*/*") if not path.parent.name.startswith("log"))
    file.chmod(0o600)
    file.write_bytes(b"wrong")
    delete(move.database, "processes", 4)
    with changing(move.database) as connection:
        connection.execute(
            "UPDATE processes SET data = json_set(data, '$.status', 'Ünders\u2028') WHERE _id = '5'"
        )
    store(move.database, "receipts", {"_id": 2**40, "process": 2**20, "facts": "{}"})
    asyncio.run(TokenFile(move.config.data).delete("bob"))
    again = migrated(move)
    assert (again.written, again.copied) == (4, 1)
    check_moved(move)


def test_a_database_that_does_not_keep_what_it_is_given_is_found_out(
    move: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = Collection.insert_many

    async def lossy(self: Collection, documents: Any) -> None:
        await insert(self, documents[1:] if self.name == "groups" else documents)

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "insert_many", lossy)
        with pytest.raises(NotDone, match="The copy of groups is not the same"):
            migrated(move)
    with pytest.raises(StartError, match="not complete"):
        start(move)
    migrated(move)
    check_moved(move)


def test_a_storage_that_does_not_keep_what_it_is_given_is_found_out(
    move: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = StoredFiles.take

    def lossy(self: StoredFiles, source: StoredFiles, key: str, expected: Any) -> None:
        take(self, source, key, expected)
        place = move.files / key
        place.chmod(0o600)
        place.write_bytes(b"x" * expected.size)

    with monkeypatch.context() as patch:
        patch.setattr(StoredFiles, "take", lossy)
        with pytest.raises(NotDone, match="came back otherwise"):
            migrated(move)
    migrated(move)
    check_moved(move)


class Interrupted(BaseException):
    """A stop in the middle, which nothing catches."""


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_what_is_interrupted_is_not_served_and_goes_on(
    move: Moving, seed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = random.Random(seed).randrange(2, 130)
    tried, take = Collection._tried, StoredFiles.take

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Interrupted

    async def counted(self: Collection, work: Any) -> Any:
        count()
        found = await tried(self, work)
        count()
        return found

    def taken(self: StoredFiles, *args: Any) -> None:
        count()
        take(self, *args)
        count()

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "_tried", counted)
        patch.setattr(StoredFiles, "take", taken)
        try:
            migrated(move)
            interrupted = False
        except (Interrupted, HeliographError):  # some of several calls at once
            interrupted = True
    if interrupted and "'installation'" in move.raw().get("installation", {}):
        for _ in range(2):
            with pytest.raises(StartError, match="run the same command again"):
                start(move)
        secret = main(["token", "add", "carol", "--role", "viewer", *_as_options(move)])
        assert secret == 2
        assert "is not complete" in problems(move)[0]
        assert "run the same command again" in capsys.readouterr().err
    migrated(move)
    check_moved(move)
    start(move)


def test_a_server_that_starts_at_the_same_moment_is_refused(move: Moving) -> None:
    """The mark comes between the server's look at the database and its first write."""

    class Late(StartChecks):
        async def _check_belong(self, *args: Any) -> None:
            await asyncio.to_thread(migrated_until_marked)

    def migrated_until_marked() -> None:
        def stop(*_: object) -> None:
            raise Interrupted

        with pytest.raises(Interrupted):
            migrate(move.config, move.uri, str(move.files), stop)

    async def check() -> None:
        database = await Database.open(move.uri)
        try:
            root = StorageRoot(move.files.with_name("other"))
            await Late(Store(database), root, Accepted()).check()
        finally:
            database.close()

    with pytest.raises(StartError, match="not complete"):
        asyncio.run(check())


@pytest.mark.slow
def test_of_two_migrations_at_once_one_is_complete(move: Moving) -> None:
    def take_over(*_: object) -> None:
        in_store(move, _other_mark)

    async def _other_mark(store: Store) -> None:
        facts = await store.installation.get()
        assert facts is not None
        await store.installation.begin_migration(facts, "mother")

    done = []

    def once(*_: object) -> None:
        if not done:
            done.append(1)
            from threading import Thread

            thread = Thread(target=take_over)
            thread.start()
            thread.join()

    with pytest.raises(NotDone, match="Another migration"):
        migrate(move.config, move.uri, str(move.files), once)
    with pytest.raises(StartError):
        start(move)
    migrated(move)
    check_moved(move)


def refused(move: Moving, match: str, **options: Any) -> None:
    """Check that a migration is refused, and that nothing is written."""
    before = move.raw(), _all_files(move.files)
    with pytest.raises(HeliographError, match=match) as refusal:
        migrated(move, **options)
    assert "\n" not in str(refusal.value)
    assert (move.raw(), _all_files(move.files)) == before
    if "url" not in options:
        assert main(move.arguments()) == 2


def _all_files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_a_database_with_something_else_is_refused(move: Moving) -> None:
    async def foreign(store: Store) -> None:
        await store.counters.next("something")

    in_store(move, foreign)
    refused(move, r"something else already \(counters\)")


def test_a_database_of_others_is_refused(move: Moving) -> None:
    migrated(move)
    with changing(move.database) as connection:
        connection.execute("UPDATE installation SET data = json_set(data, '$.id', 'h99')")
    refused(move, "another installation")


def test_a_database_that_servers_have_used_is_refused(move: Moving) -> None:
    migrated(move)
    in_store(move, lambda store: store.counters.next("targets"))
    refused(move, "has changed since")


def test_a_database_on_which_a_server_runs_is_refused(
    move: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was filled before or not; one whose heart stands still is gone."""
    migrated(move)
    in_store(move, lambda store: store.servers.beat("s1", 1.0, Program("1.2")))
    again = migrated(move)
    assert again.written == 0
    peers = Servers.peers

    async def beating(self: Servers) -> Any:
        await self.beat("s1", 2.0)
        return await peers(self)

    with monkeypatch.context() as patch:
        patch.setattr(Servers, "peers", beating)
        with pytest.raises(NotDone, match=r"Servers run on .*s1 \(1\.2\)"):
            migrated(move)
    start(move)


@pytest.mark.slow
def test_a_server_that_is_seen_only_after_the_mark_keeps_the_database(
    move: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated(move)
    peers, looks = Servers.peers, 0

    async def beating(self: Servers) -> Any:
        nonlocal looks
        looks += 1
        if looks > 2:
            await self.beat("s1", 2.0)
        return await peers(self)

    with monkeypatch.context() as patch:
        patch.setattr(Servers, "peers", beating)
        with pytest.raises(NotDone, match="Servers run on"):
            migrated(move)
    start(move)
    assert move.there() == move.here()


@pytest.mark.parametrize("name", ["heliograph-id", "1/a.fits", "readme.txt"])
def test_a_storage_with_something_else_is_refused(move: Moving, name: str) -> None:
    (move.files / name).parent.mkdir(parents=True)
    (move.files / name).write_text("h98\n")
    refused(move, "another installation" if name == "heliograph-id" else "is not empty")


def test_a_storage_with_newer_files_is_refused(move: Moving) -> None:
    migrated(move)
    (move.files / "999").mkdir()
    refused(move, "newer files")
    (move.files / "999").rename(move.files / "log-999")
    refused(move, "newer files")


def test_a_new_disk_is_no_reason_to_refuse(move: Moving) -> None:
    (move.files / "lost+found").mkdir(parents=True)
    migrated(move)
    check_moved(move)


@pytest.mark.parametrize("place", ["files/inside", "previews", "..", "."])
def test_a_folder_that_is_part_of_the_source_is_refused(move: Moving, place: str) -> None:
    refused(move, "apart from", url=str(move.config.data / place))


def test_a_data_folder_that_a_server_uses_is_refused(
    move: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_folder, "__defaults__", (0.0,))
    server = DataFolder.open(move.config.data)
    try:
        refused(move, f"Another server .pid {os.getpid()}. uses the data folder")
    finally:
        server.close()
    migrated(move)


def test_no_server_starts_on_the_source_meanwhile(move: Moving) -> None:
    refusals = []

    def look(*_: object) -> None:
        if not refusals:
            with pytest.raises(StartError) as refusal:
                DataFolder.open(move.config.data, 0.0)
            refusals.append(str(refusal.value))

    migrate(move.config, move.uri, str(move.files), look)
    assert len(refusals) == 1


def _newer(move: Moving) -> None:
    with changing(move.database) as connection:
        connection.execute("UPDATE installation SET data = json_set(data, '$.schema', 99)")


def _unused(move: Moving) -> None:
    delete(move.database, "installation", "installation")  # type: ignore[arg-type]


def _restoring(move: Moving) -> None:
    (move.config.data / "restoring").write_text("")


def _no_database(move: Moving) -> None:
    move.database.rename(move.database.with_suffix(".old"))


def _damaged(move: Moving) -> None:
    content = bytearray(move.database.read_bytes())
    content[8192:-8192] = os.urandom(len(content) - 16384)
    move.database.write_bytes(content)


def _damaged_tokens(move: Moving) -> None:
    (move.config.data / "tokens.json").write_text("{")


def _no_files(move: Moving) -> None:
    (move.config.data / "files").rename(move.config.data / "other")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (_newer, "newer Heliograph"),
        (_unused, "start one on it"),
        (_restoring, "restore` again"),
        (_no_database, "There is no database"),
        (_damaged, "damaged|cannot be used"),
        (_damaged_tokens, "tokens.json is damaged"),
        (_no_files, "are not in"),
    ],
)
def test_a_source_that_is_not_whole_is_refused(
    move: Moving, spoil: Callable[[Moving], None], match: str
) -> None:
    spoil(move)
    refused(move, match)


def test_lost_and_damaged_files_are_named_and_all_else_arrives(
    move: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(checksums(move.config.data / "files"))
    lost, damaged = (move.config.data / "files" / files[0], move.config.data / "files" / files[1])
    kept = {each: each.read_bytes() for each in (lost, damaged)}
    for each in kept:
        each.chmod(0o600)
    lost.unlink()
    damaged.write_bytes(b"x" * len(kept[damaged]))
    assert main(move.arguments()) == 1
    said = capsys.readouterr().out
    assert f"Not migrated: {files[0]}: it is not there" in said
    assert f"Not migrated: {files[1]}: " in said
    assert checksums(move.files).keys() == set(files[2:])
    start(move)
    for each, content in kept.items():
        each.write_bytes(content)
    assert main(move.arguments()) == 0
    check_moved(move)


def test_a_file_that_is_being_deleted_is_not_missed(move: Moving) -> None:
    """Its entry in the journal goes along, so that the next start ends what was begun."""
    with changing(move.database) as connection:
        found = connection.execute("SELECT data FROM dataproducts LIMIT 1").fetchone()
    product = json.loads(found[0])
    entry = {"_id": 900, "pk": 900, "server": "s1", "products": [product["pk"]], "keys": []}
    store(move.database, "journal", entry)
    for path in (move.config.data / "files" / str(product["pk"])).iterdir():
        path.unlink()
    assert migrated(move).lost == []
    assert "900" in move.there()["journal"]


def test_files_that_no_record_names_stay_behind(move: Moving) -> None:
    (move.config.data / "files" / "1" / "stray").write_bytes(b"x")
    migrated(move)
    assert not (move.files / "1" / "stray").exists()


def test_without_a_storage_the_files_stay(move: Moving) -> None:
    before = _all_files(move.config.data / "files")
    done = migrate(move.config, move.uri, None, silent)
    assert (done.copied, done.files) == (0, len(checksums(move.config.data / "files")))
    assert _all_files(move.config.data / "files") == before
    assert move.there() == move.here()
    start(replace(move, files=move.config.data / "files"))


@pytest.mark.slow
def test_files_that_are_elsewhere_already_are_compared_there(move: Moving, tmp_path: Path) -> None:
    (move.config.data / "files").rename(move.files)
    config = replace(move.config, files=Files(url=str(move.files)))
    done = migrate(config, move.uri, None, silent)
    assert (done.copied, done.files) == (0, len(checksums(move.files)))
    other = str(tmp_path / "third")
    done = migrate(config, move.uri, other, silent)
    assert done.copied == done.files
    assert checksums(Path(other)) == checksums(move.files)


def test_a_remote_storage_is_filled(move: Moving, tmp_path: Path) -> None:
    url = f"memory:/{tmp_path}/remote"
    done = migrate(move.config, move.uri, url, silent)
    source = checksums(move.config.data / "files")
    there = StoredFiles(url)
    assert {file.key for file in there.listed()} == source.keys()
    assert done.copied == len(source)
    assert migrate(move.config, move.uri, url, silent).copied == 0


def test_what_a_kill_has_left_of_a_file_is_replaced(move: Moving) -> None:
    migrated(move)
    path = next(move.files.glob("*/*.fits"))
    path.unlink()
    (path.parent / f".{'0a' * 8}").write_bytes(b"half")
    migrated(move)
    check_moved(move)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_source_that_cannot_be_written_to_is_read(move: Moving) -> None:
    folders = [move.config.data, move.database.parent]
    for folder in folders:
        folder.chmod(0o500)
    try:
        migrated(move)
    finally:
        for folder in folders:
            folder.chmod(0o700)
    check_moved(move)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://ann:hush-hush@127.0.0.1:1/?serverSelectionTimeoutMS=10",
        "mongodb://ann:hush-hush/x@host",
        "mongodb://ann:hush-hush@host:77777/",
        "mongodb://ann:hush-hush@/",
        "http://ann:hush-hush@host/",
        "mongodb://ann:hush-hush@127.0.0.1:1/a.b$c",
    ],
)
def test_no_password_is_shown(move: Moving, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert main(replace(move, uri=uri).arguments()) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "hush" not in said.err + said.out
    assert time.monotonic() - began < 30


def test_no_credentials_of_a_storage_are_shown(
    move: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in ("nosuch://ann:hush-hush@host/x", "ftp://ann:hush-hush@127.0.0.1:1/x"):
        arguments = ["migrate", "--to", move.uri, "--data", str(move.config.data)]
        assert main([*arguments, "--files", url]) == 2
        said = capsys.readouterr()
        assert "hush" not in said.err + said.out
        assert move.raw() == {}


def test_a_folder_may_be_named_from_here(
    move: Moving, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(move.files.parent)
    arguments = ["migrate", "--to", move.uri, "--data", str(move.config.data)]
    assert main([*arguments, "--files", move.files.name]) == 0
    check_moved(move)
    assert "mongodb.uri and files.url" in capsys.readouterr().out


def test_it_has_to_be_told_where_to(move: Moving, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--data", str(move.config.data)]) == 2
    assert "--to" in capsys.readouterr().err


def test_a_token_made_after_a_migration_is_not_lost(move: Moving) -> None:
    migrated(move)
    token, _ = make_token("carol", "viewer", None, 5.0)
    in_store(move, lambda store: store.tokens.insert(token))
    refused(move, "has changed since")
    assert "'=carol'" in move.there()["tokens"]


def test_an_interrupted_copy_with_something_else_in_it_is_refused(move: Moving) -> None:
    def stop(*_: object) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        migrate(move.config, move.uri, str(move.files), stop)

    async def foreign() -> None:
        database = await Database.open(move.uri)
        await database.collection("observations").insert({"_id": 1})
        database.close()

    asyncio.run(foreign())
    refused(move, r"something else already \(observations\)")
