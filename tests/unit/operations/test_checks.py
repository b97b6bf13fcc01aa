"""What the checks find, each with what to do about it; nothing is changed by looking."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runners.confinement import landlock
from runners.confinement.landlock import LandlockError
from server.cli import check as command
from server.cli.check import CHECKS, check_isolation, check_server, check_tls
from server.config import Config, Limits
from server.config.sections import Http, MongoDB, Retention
from server.config.sections.front import Tls
from server.core.disk.data_folder import DataFolder
from server.core.errors import HeliographError, NotDone
from server.operations.checks import machine
from server.operations.checks.access import check_tokens
from server.operations.checks.database import check_database, check_identity, check_indexes
from server.operations.checks.machine import check_data_folder, check_open_files, check_room
from server.operations.checks.results import Level, Result
from server.operations.checks.storage import check_files, check_storage
from server.operations.checks.subject import Subject
from tests.fakes.kept import changing, delete, segment, silent, store
from tests.fakes.old_data import config_of

Look = Callable[[Subject], Iterable[Result]]


@pytest.fixture
def config(old: Config) -> Config:
    """Return the configuration of an installation that is as it should be."""
    config = old
    facts = {"_id": "installation", "id": "h1", "schema": 2, "in_storage": True}
    store(database(config), "installation", facts)
    (config.data / "files" / "heliograph-id").write_text("h1\n")
    return config


def database(config: Config) -> Path:
    """Return the file of the database."""
    return config.data / "database" / "heliograph.db"


def a_file(config: Config, pk: int = 1) -> Path:
    """Return the file of a data product, which can be written to."""
    [path] = (config.data / "files" / str(pk)).iterdir()
    path.chmod(0o600)
    return path


def found(config: Config, look: Look, **options: Any) -> dict[Level, list[str]]:
    """Return what a check says, by how serious it is."""
    said: dict[Level, list[str]] = {level: [] for level in Level}
    for result in look(Subject(config, silent, **options)):
        said[result.level].append(result.text)
    return said


def problems(config: Config, look: Look, **options: Any) -> list[str]:
    """Return the problems that a check finds."""
    return found(config, look, **options)[Level.PROBLEM]


def contents(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return all there is in a folder, with sizes and times."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.name != "database"
    }


LOOKS = [check.look for check in CHECKS if check.name not in ("pipelines", "indexes")]


@pytest.mark.parametrize("look", LOOKS)
def test_a_sound_installation_has_no_problem_and_is_left_as_it_is(
    config: Config, look: Look
) -> None:
    before = contents(config.data)
    said = found(config, look, every_byte=True)
    assert (said[Level.PROBLEM], said[Level.WARNING]) == ([], [])
    assert contents(config.data) == before


@pytest.mark.parametrize("look", [*LOOKS, check_indexes])
def test_where_nothing_is_yet_there_is_no_problem_and_nothing_is_made(
    tmp_path: Path, look: Look
) -> None:
    said = found(config_of(tmp_path / "none"), look)
    assert (said[Level.PROBLEM], said[Level.WARNING]) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_index_is_named(config: Config) -> None:
    [said] = found(config, check_indexes)[Level.WARNING]
    assert "log_segments.key" in said
    assert "the next start makes them" in said


def test_a_lost_file_is_told_by_its_product(config: Config) -> None:
    a_file(config).unlink()
    [said] = problems(config, check_files)
    assert "data product 1 (frame 0.fits)" in said


def test_a_file_of_another_size_is_found_without_reading_it(config: Config) -> None:
    a_file(config).write_bytes(b"short")
    [said] = problems(config, check_files)
    assert "5 bytes instead of 11,520" in said


def test_other_bytes_are_found_by_reading_them(config: Config) -> None:
    path = a_file(config)
    path.write_bytes(bytes(path.stat().st_size))
    assert problems(config, check_files) == []
    [said] = problems(config, check_files, every_byte=True)
    assert "data product 1 (frame 0.fits)" in said
    assert "checksum" in said


@pytest.mark.timeout(20)
def test_a_link_and_a_pipe_are_no_files(config: Config, tmp_path: Path) -> None:
    a_file(config).rename(tmp_path / "moved")
    (config.data / "files" / "1" / "frame 0.fits").symlink_to(tmp_path / "moved")
    a_file(config, 2).unlink()
    os.mkfifo(config.data / "files" / "2" / "frame 1.fits")
    for every_byte in (False, True):
        assert len(problems(config, check_files, every_byte=every_byte)) == 2


def test_a_lost_part_of_a_log_is_told_by_its_process(config: Config) -> None:
    store(database(config), "log_segments", segment(3, b"lines"))
    [said] = problems(config, check_files)
    assert "part of the log of process 3" in said


def test_what_is_being_deleted_is_no_loss(config: Config) -> None:
    a_file(config).unlink()
    entry = {"_id": 9, "pk": 9, "server": "s", "products": [1], "keys": ["1/frame 0.fits"]}
    store(database(config), "journal", entry)
    assert problems(config, check_files) == []


def test_what_was_deleted_since_the_look_is_no_loss(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.operations.checks import storage

    look = storage._look

    def deletes_afterwards(subject: Subject) -> Any:
        looked = look(subject)
        delete(database(config), "dataproducts", 1)
        return looked

    a_file(config).unlink()
    monkeypatch.setattr(storage, "_look", deletes_afterwards)
    assert problems(config, check_files) == []


def test_a_log_that_was_removed_since_the_look_is_no_loss(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.operations.checks import storage

    document, look = segment(3, b"lines"), storage._look
    store(database(config), "log_segments", document)

    def deletes_afterwards(subject: Subject) -> Any:
        looked = look(subject)
        delete(database(config), "log_segments", document["_id"])
        return looked

    monkeypatch.setattr(storage, "_look", deletes_afterwards)
    assert problems(config, check_files) == []


def test_files_that_no_record_names_are_told(config: Config) -> None:
    files = config.data / "files"
    for key in ("99/newer.fits", "log-99/1-00.segment", f"1/.{'0a' * 8}"):
        (files / key).parent.mkdir(exist_ok=True)
        (files / key).write_bytes(b"x")
    said = found(config, check_files)[Level.WARNING]
    assert len(said) == 2
    assert "2 parts of logs or of files" in said[0]
    assert "'99/newer.fits'" in said[1]


def test_many_unknown_files_are_counted(config: Config) -> None:
    folder = config.data / "files" / "99"
    folder.mkdir()
    for number in range(25):
        (folder / f"{number}.fits").touch()
    said = found(config, check_files)[Level.WARNING]
    assert (len(said), said[-1]) == (21, "no record names 5 more files")


def test_a_damaged_database_is_a_problem(config: Config) -> None:
    content = bytearray(database(config).read_bytes())
    content[8192:40960] = os.urandom(32768)
    database(config).write_bytes(content)
    try:
        said = problems(config, check_database)
    except HeliographError as error:
        said = [str(error)]
    assert "damaged" in said[0]


def test_no_database_at_all_is_a_problem(config: Config) -> None:
    database(config).write_bytes(b"x" * 10_000)
    with pytest.raises(HeliographError, match="damaged"):
        problems(config, check_database)


def test_a_newer_schema_is_a_problem(config: Config) -> None:
    with changing(database(config)) as connection:
        connection.execute("UPDATE installation SET data = json_set(data, '$.schema', 99)")
    [said] = problems(config, check_database)
    assert "newer Heliograph" in said


def test_files_without_their_database_are_a_problem(config: Config) -> None:
    shutil.rmtree(config.data / "database")
    with pytest.raises(NotDone, match="their database is missing"):
        problems(config, check_database)


def test_files_of_another_database_are_a_problem(config: Config) -> None:
    path = config.data / "files" / "heliograph-id"
    path.write_text("hother\n")
    assert "another database" in problems(config, check_identity)[0]
    path.unlink()
    assert "has no id" in problems(config, check_identity)[0]


def test_a_database_older_than_its_files_is_a_problem(config: Config) -> None:
    (config.data / "files" / "1000").mkdir()
    (config.data / "files" / "log-2000").mkdir()
    assert len(problems(config, check_identity)) == 2


def test_a_missing_storage_is_a_problem(config: Config) -> None:
    (config.data / "files").rename(config.data / "unmounted")
    assert "missing" in problems(config, check_storage)[0]


def test_a_restore_that_is_not_complete_is_a_problem(config: Config) -> None:
    (config.data / "restoring").touch()
    assert "restore" in problems(config, check_data_folder)[0]


def test_a_folder_that_others_can_read_is_a_warning(config: Config) -> None:
    config.data.chmod(0o755)
    [said] = found(config, check_data_folder)[Level.WARNING]
    assert "chmod 700" in said


def test_little_room_is_a_warning_and_hardly_any_a_problem(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(config.data).free
    monkeypatch.setattr(machine, "LITTLE_BYTES", free * 2)
    assert len(found(config, check_room)[Level.WARNING]) == 1
    monkeypatch.setattr(machine, "HARDLY_ANY_BYTES", free * 2)
    assert len(problems(config, check_room)) == 1


def test_few_open_files_are_a_warning(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "OPEN_FILES", 10**9)
    assert "LimitNOFILE" in found(config, check_open_files)[Level.WARNING][0]


def test_a_server_that_does_not_answer_is_a_problem(config: Config) -> None:
    folder = DataFolder.open(config.data)
    try:
        assert len(found(config, check_server)[Level.WARNING]) == 1
        folder.announce("http://127.0.0.1:1/")
        assert "is not ready" in problems(config, check_server)[0]
    finally:
        folder.close()


@pytest.mark.timeout(30)
def test_a_mongodb_that_is_away_is_a_problem_that_tells_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.store.driver import reading

    monkeypatch.setattr(reading, "_SELECTION_MILLISECONDS", 200)
    config = config_of(tmp_path, mongodb=MongoDB(uri="mongodb://me:hunter2@127.0.0.1:1/"))
    with pytest.raises(HeliographError, match="is away") as raised:
        problems(config, check_database)
    assert "hunter2" not in str(raised.value)


def test_a_mongodb_can_be_checked(engine_uri: str, runner: asyncio.Runner, tmp_path: Path) -> None:
    from server.store import Store
    from server.store.driver.connection import Database
    from server.store.installation import Facts

    async def prepare() -> None:
        database = await Database.open(engine_uri, "checked")
        opened = await Store.open(database)
        await opened.installation.create(Facts("h1", 2))
        await opened.counters.next("dataproduct")
        database.close()

    runner.run(prepare())
    config = config_of(tmp_path, mongodb=MongoDB(uri=engine_uri, database="checked"))
    for look in (check_database, check_indexes, check_files, check_identity):
        said = found(config, look)
        assert (said[Level.PROBLEM], said[Level.WARNING]) == ([], [])


def test_tokens_are_counted_and_damaged_ones_are_a_problem(config: Config) -> None:
    path = config.data / "tokens.json"
    facts = {"role": "viewer", "digest": f"sha256:{'0' * 64}", "created": 1.0}
    tokens = [facts | {"name": "a", "expires": 2.0}, facts | {"name": "b", "expires": None}]
    path.write_text(json.dumps({"version": 1, "tokens": tokens}))
    assert found(config, check_tokens)[Level.OK] == ["2 named tokens, 1 expired"]
    path.write_text("{")
    with pytest.raises(HeliographError, match="damaged"):
        found(config, check_tokens)


def test_a_certificate_that_cannot_be_used_is_a_problem(tmp_path: Path) -> None:
    tls = Tls(certificate=tmp_path / "none.pem", key=tmp_path / "none.key")
    config = Config(data=tmp_path / "data", http=Http(tls=tls))
    with pytest.raises(HeliographError, match=r"http\.tls\.certificate"):
        found(config, check_tls)


def test_isolation_that_is_set_and_not_in_force_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confined = config_of(tmp_path, limits=Limits(writable=()))

    def no_landlock() -> int:
        raise LandlockError("this kernel has no Landlock")

    monkeypatch.setattr(landlock, "version", no_landlock)
    said = found(confined, check_isolation)
    assert said[Level.WARNING] == [
        "Runs are not confined although limits.writable is set: this kernel has no Landlock"
    ]
    monkeypatch.setattr(landlock, "version", lambda: landlock.SCOPES_ABI)
    said = found(confined, check_isolation)
    assert said[Level.WARNING] == []
    assert any("are confined by Landlock" in text for text in said[Level.OK])


def test_all_complaints_about_the_configuration_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yml").write_text("pool: {workers: none}\nunknown: 1\nretries: -1\n")
    assert command.main(["check", "--config", str(tmp_path / "c.yml")]) == 1
    said = capsys.readouterr().out
    assert said.count("problem  configuration: ") == 3
    assert "3 problems, 0 warnings" in said


def test_a_check_that_fails_is_a_problem_and_the_others_are_made(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(config.data / "database")
    monkeypatch.setattr(command, "CHECKS", [check for check in CHECKS if check.name != "pipelines"])
    assert command.main(["check", "--data", str(config.data)]) == 1
    said = capsys.readouterr().out
    assert "problem  database: There are files here, but their database is missing" in said
    assert "ok       open files: " in said


def test_an_empty_database_beside_files_is_a_problem_as_for_a_start(config: Config) -> None:
    database(config).write_bytes(b"")
    [found_problem] = problems(config, check_identity)
    assert "their database is missing" in found_problem


def test_a_data_folder_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [found_problem] = problems(Config(data=tmp_path / "file" / "data"), check_data_folder)
    assert "cannot be made" in found_problem


def test_more_free_space_than_the_disk_has_is_a_problem(config: Config) -> None:
    wanted = shutil.disk_usage(config.data).total + 1
    wanting = replace(config, retention=Retention(free_bytes=wanted))
    assert any("retention.free_bytes" in each for each in problems(wanting, check_room))
    enough = replace(config, retention=Retention(free_bytes=1))
    assert not any("retention.free_bytes" in each for each in problems(enough, check_room))
