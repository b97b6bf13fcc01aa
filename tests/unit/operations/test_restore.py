"""A restore: all comes back, whenever it is killed, and nothing of a backup is trusted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.config import Config
from server.config.sections import Files, MongoDB
from server.core.disk.data_folder import DataFolder, lock_folder
from server.core.errors import HeliographError, NotDone, StartError
from server.operations.keeping import layout
from server.operations.keeping.restore import restore
from server.operations.keeping.stored_files import StoredFiles
from server.operations.keeping.verification import verify
from tests.fakes.kept import (
    backed_up,
    changing,
    documents_of,
    files_of,
    names,
    relist,
    relisted,
    segment,
    silent,
    store,
)
from tests.fakes.old_data import config_of

IDENTITY = f"h{'0a' * 16}"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, original: Path) -> Path:
    """Return a backup, which is copied before anything is done to it."""
    folder = tmp_path_factory.mktemp("whole")
    config = config_of(shutil.copytree(original, folder / "data"))
    database = config.data / "database" / "heliograph.db"
    store(database, "installation", {"_id": "installation", "id": IDENTITY, "schema": 2})
    document = segment(3, b"lines")
    (config.data / "files" / "log-3").mkdir()
    (config.data / "files" / document["file"]).write_bytes(b"lines")
    store(database, "log_segments", document)
    backed_up(config, folder / "backup")
    return folder / "backup"


@pytest.fixture
def backup(whole: Path, tmp_path: Path) -> Path:
    """Return a backup of the test's own."""
    shutil.copytree(whole, tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the configuration of a data folder that does not exist."""
    return config_of(tmp_path / "new")


def restored(config: Config, backup: Path, **options: bool) -> None:
    """Restore a backup."""
    restore(config, backup, progress=silent, **options)


def check_whole(config: Config, backup: Path) -> None:
    """Check that everything of a backup is in the data folder."""
    database = config.data / "database" / "heliograph.db"
    assert documents_of(database) == documents_of(backup / "database.db")
    folder = StoredFiles(config.storage_url).folder
    assert folder is not None
    assert files_of(folder) == files_of(backup / "files")
    assert (folder / "heliograph-id").read_text().strip() == IDENTITY
    assert names(config.data / "database") == ["heliograph.db"]
    server = (backup / "server" / "server-id").read_text().strip()
    with_lock = DataFolder.open(config.data)
    assert with_lock.server_id == server
    with_lock.close()


def test_everything_comes_back(config: Config, backup: Path) -> None:
    restored(config, backup)
    check_whole(config, backup)
    assert not [path for path in config.data.iterdir() if path.stat().st_mode & 0o077]
    assert not [
        path for path in config.data.glob("files/*/*") if path.stat().st_mode & 0o777 != 0o400
    ]


def test_an_empty_folder_and_a_new_disk_are_filled(config: Config, backup: Path) -> None:
    (config.data / "lost+found").mkdir(parents=True)
    restored(config, backup)
    check_whole(config, backup)


def test_a_folder_in_use_is_refused_or_moved_aside(config: Config, backup: Path) -> None:
    config.data.mkdir()
    (config.data / "server-id").write_text("s1\n")
    with pytest.raises(NotDone, match="--replace"):
        restored(config, backup)
    assert names(config.data) == ["server-id"]
    done = restore(config, backup, progress=silent, replace=True)
    check_whole(config, backup)
    [aside] = done.moved_to
    assert (aside / "server-id").read_text() == "s1\n"


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_a_server_uses_is_left_alone(
    config: Config, backup: Path, replace: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_folder, "__defaults__", (0.0,))
    server = DataFolder.open(config.data)
    before = names(config.data)
    with pytest.raises(HeliographError, match=r"Another server|--replace"):
        restored(config, backup, replace=replace)
    assert names(config.data) == before
    server.close()


def test_a_storage_elsewhere_is_filled_if_it_is_empty(
    config: Config, backup: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    config = config_of(config.data, files=Files(url=str(elsewhere)))
    (elsewhere / "1").mkdir(parents=True)
    with pytest.raises(NotDone, match="is not empty"):
        restored(config, backup)
    (elsewhere / "1").rmdir()
    restored(config, backup)
    check_whole(config, backup)


def test_a_remote_storage_is_filled_if_it_is_empty(
    config: Config, backup: Path, tmp_path: Path
) -> None:
    config = config_of(config.data, files=Files(url=f"memory:/{tmp_path}/remote"))
    restored(config, backup)
    files = StoredFiles(config.storage_url)
    assert {file.key for file in files.listed()} == files_of(backup / "files").keys()
    with pytest.raises(NotDone, match="is not empty"):
        restored(config_of(tmp_path / "another", files=config.files), backup)


def test_the_database_gets_the_name_that_is_configured(config: Config, backup: Path) -> None:
    config = config_of(config.data, mongodb=MongoDB(database="survey"))
    restored(config, backup)
    assert names(config.data / "database") == ["survey.db"]


class Killed(BaseException):
    """Ends a command as a kill does: nothing is tidied up."""


@pytest.mark.parametrize("step", range(0, 18, 3))
def test_a_killed_restore_is_no_data_folder_until_another_one_completes_it(
    config: Config, backup: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, count = StoredFiles.copy, 0

    def dies(self: StoredFiles, key: str, place: Path, expected: Any) -> None:
        nonlocal count
        count += 1
        if count > step:
            place.write_bytes(b"half of i")
            raise Killed
        copy(self, key, place, expected)

    monkeypatch.setattr(StoredFiles, "copy", dies)
    with pytest.raises(Killed):
        restored(config, backup)
    with pytest.raises(StartError, match="heliograph restore"):
        DataFolder.open(config.data)
    monkeypatch.undo()
    restored(config, backup)
    check_whole(config, backup)
    assert not [name for name in names(config.data) if name.endswith(".new")]


def test_a_restore_that_follows_a_killed_one_of_another_backup_leaves_nothing_of_that(
    config: Config, backup: Path, tmp_path: Path
) -> None:
    restored(config, backup)
    (config.data / "restoring").touch()
    (config.data / "files" / "99").mkdir()
    (config.data / "files" / "99" / "other.fits").write_bytes(b"of another backup")
    restored(config, backup)
    check_whole(config, backup)


def test_verifying_changes_nothing(
    config: Config, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in backup.rglob("*")}
    arguments = ["restore", str(backup), "--verify", "--data", str(config.data)]
    assert main(arguments) == 0
    assert "15 files" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in backup.rglob("*")} == before
    assert not config.data.exists()


def one(backup: Path) -> Path:
    """Return a file of the backup."""
    return backup / "files" / "1" / "frame 0.fits"


def cut(backup: Path) -> None:
    one(backup).write_bytes(one(backup).read_bytes()[:-1])


def garble(backup: Path) -> None:
    one(backup).write_bytes(bytes(one(backup).stat().st_size))


def lose(backup: Path) -> None:
    one(backup).unlink()


def link_file(backup: Path) -> None:
    one(backup).rename(backup.parent / "moved")
    one(backup).symlink_to(backup.parent / "moved")


def link_folder(backup: Path) -> None:
    one(backup).parent.rename(backup.parent / "moved")
    one(backup).parent.symlink_to(backup.parent / "moved")


def pipe(backup: Path) -> None:
    one(backup).unlink()
    os.mkfifo(one(backup))


DAMAGES = [cut, garble, lose, link_file, link_folder, pipe]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_all_others_are_restored_on_request(
    config: Config,
    backup: Path,
    damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(backup)
    arguments = ["restore", str(backup), "--data", str(config.data)]
    assert main(arguments) == 2
    assert "files/1/frame 0.fits" in capsys.readouterr().err
    assert not config.data.exists()
    assert main([*arguments, "--verify"]) == 1
    assert main([*arguments, "--skip-damaged"]) == 1
    assert "files/1/frame 0.fits" in capsys.readouterr().out
    assert len(files_of(config.data / "files")) == 14
    DataFolder.open(config.data).close()


def no_manifest(backup: Path) -> None:
    (backup / layout.MANIFEST).unlink()


def manifest_of(text: str) -> Callable[[Path], None]:
    def write(backup: Path) -> None:
        (backup / layout.MANIFEST).write_text(text)

    return write


def manifest_with(**facts: Any) -> Callable[[Path], None]:
    def change(backup: Path) -> None:
        manifest = json.loads((backup / layout.MANIFEST).read_text())
        (backup / layout.MANIFEST).write_text(json.dumps(manifest | facts))

    return change


def linked_manifest(backup: Path) -> None:
    (backup / layout.MANIFEST).rename(backup.parent / "moved")
    (backup / layout.MANIFEST).symlink_to(backup.parent / "moved")


def other_list(backup: Path) -> None:
    (backup / layout.LISTING).write_text("")


def listed_as(path: str) -> Callable[[Path], None]:
    def change(backup: Path) -> None:
        relist(backup, "files/1/frame 0.fits", path)

    return change


def listed_twice_as(path: str) -> Callable[[Path], None]:
    def change(backup: Path) -> None:
        with (backup / layout.LISTING).open("a") as listing:
            listing.write(f"{'0' * 64}  {path}\n")
        relisted(backup)

    return change


def list_without(path: str) -> Callable[[Path], None]:
    def change(backup: Path) -> None:
        kept = [
            line
            for line in (backup / layout.LISTING).read_text().splitlines(keepends=True)
            if path not in line
        ]
        (backup / layout.LISTING).write_text("".join(kept))
        relisted(backup)

    return change


def list_of_bytes(backup: Path) -> None:
    (backup / layout.LISTING).write_bytes(bytes(range(256)) * 100)
    relisted(backup)


def cut_database(backup: Path) -> None:
    path = backup / layout.DATABASE
    path.write_bytes(path.read_bytes()[:-4096])


def cut_database_and_list(backup: Path) -> None:
    before = layout.sha256_of(backup / layout.DATABASE)
    cut_database(backup)
    relist(backup, before, layout.sha256_of(backup / layout.DATABASE))


def changed_database(statement: str) -> Callable[[Path], None]:
    def change(backup: Path) -> None:
        before = layout.sha256_of(backup / layout.DATABASE)
        with changing(backup / layout.DATABASE) as connection:
            connection.execute(statement)
        relist(backup, before, layout.sha256_of(backup / layout.DATABASE))

    return change


HOSTILE = {
    "no manifest": (no_manifest, "not a backup"),
    "empty manifest": (manifest_of(""), "damaged"),
    "manifest of bytes": (manifest_of("\x00\x01"), "damaged"),
    "manifest that is nested": (manifest_of("[" * 100_000), "damaged"),
    "manifest that is a list": (manifest_of("[]"), "damaged"),
    "manifest of wrong types": (manifest_with(files="many"), "damaged"),
    "manifest that is a link": (linked_manifest, "cannot be read"),
    "newer format": (manifest_with(format=99, version="9.9"), r"newer Heliograph \(9.9\)"),
    "newer format of another form": (manifest_of('{"format": 2, "version": "9"}'), "newer"),
    "newer schema": (
        changed_database("UPDATE installation SET data = json_set(data, '$.schema', 99)"),
        "newer",
    ),
    "other list": (other_list, "another checksum"),
    "list of bytes": (list_of_bytes, "no backup has"),
    "path upwards": (listed_as("files/../../escaped"), "no backup has"),
    "path upwards as a name": (listed_as("files/1/.."), "no backup has"),
    "absolute path": (listed_as("/tmp/escaped"), "no backup has"),
    "path without a folder": (listed_as("files/escaped"), "no backup has"),
    "path that is deeper": (listed_as("files/1/2/escaped"), "no backup has"),
    "path of the server upwards": (listed_twice_as("server/../../escaped"), "no backup has"),
    "path elsewhere in the backup": (listed_twice_as("other/escaped"), "no backup has"),
    "file that no record names": (listed_twice_as("files/77/x.fits"), "nothing belongs"),
    "record without its file": (list_without("files/1/"), "lacks the data product 1"),
    "log without its file": (list_without("files/log-3/"), "lacks the part of the log"),
    "no database": (list_without("database.db"), "damaged"),
    "cut database": (cut_database, "database in the backup .* is damaged"),
    "cut database, listed": (cut_database_and_list, "damaged"),
    "trigger": (
        changed_database("CREATE TRIGGER t AFTER INSERT ON targets BEGIN SELECT 1; END"),
        "damaged",
    ),
    "view": (changed_database("CREATE VIEW v AS SELECT 1"), "damaged"),
    "record of another form": (changed_database("UPDATE dataproducts SET data = '{}'"), "damaged"),
    "record that is not JSON": (changed_database("UPDATE log_segments SET data = '{'"), "damaged"),
    "record of a path": (
        changed_database("UPDATE dataproducts SET data = json_set(data, '$.name', '../../x')"),
        "lacks",
    ),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_not_a_sound_backup_is_refused_and_changes_nothing(
    config: Config, backup: Path, what: str
) -> None:
    tamper, sentence = HOSTILE[what]
    tamper(backup)
    before = names(config.data.parent)
    with pytest.raises(HeliographError, match=sentence) as raised:
        restored(config, backup, skip_damaged=True)
    assert "Errno" not in str(raised.value)
    assert names(config.data.parent) == before


def test_a_huge_manifest_is_not_read(
    config: Config, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_MANIFEST_BYTES", 100)
    with pytest.raises(NotDone, match="too large"):
        restored(config, backup)


@pytest.mark.parametrize("what", ["nothing", "file", "empty folder", "data folder"])
def test_what_is_no_backup_is_said_to_be_none(
    config: Config, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "place"
    if what == "file":
        place.write_text("x")
    elif what != "nothing":
        place.mkdir()
    if what == "data folder":
        DataFolder.open(place).close()
    assert main(["restore", str(place), "--data", str(config.data)]) == 2
    assert "backup" in capsys.readouterr().err


@pytest.mark.parametrize("inside", ["backup", "backup/files", "backup/data"])
def test_a_backup_is_not_restored_into_itself(backup: Path, inside: str) -> None:
    before = sorted(backup.rglob("*"))
    with pytest.raises(NotDone, match="cannot be restored to"):
        restored(config_of(backup.parent / inside), backup, replace=True)
    assert sorted(backup.rglob("*")) == before


def test_a_name_that_the_server_makes_anew_is_not_restored(config: Config, backup: Path) -> None:
    for name in ("restoring", "reserve", "heliograph.lock", "database", "files"):
        (backup / "server" / name).write_text("x")
        with (backup / layout.LISTING).open("a") as listing:
            listing.write(f"{layout.sha256_of(backup / 'server' / name)}  server/{name}\n")
    relisted(backup)
    restored(config, backup)
    check_whole(config, backup)


def test_a_mongodb_is_left_to_its_own_tools(config: Config, backup: Path) -> None:
    config = config_of(config.data, mongodb=MongoDB(uri="mongodb://me:hunter2@db/"))
    with pytest.raises(NotDone, match="mongorestore") as raised:
        restored(config, backup)
    assert "hunter2" not in str(raised.value)


def test_a_full_disk_is_said_in_a_sentence_and_another_restore_goes_on(
    config: Config, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = StoredFiles.copy

    def full(self: StoredFiles, key: str, place: Path, expected: Any) -> None:
        if key.startswith("6/"):
            raise OSError(28, "No space left on device")
        copy(self, key, place, expected)

    monkeypatch.setattr(StoredFiles, "copy", full)
    with pytest.raises(NotDone, match="not enough room"):
        restored(config, backup)
    with pytest.raises(StartError):
        DataFolder.open(config.data)
    monkeypatch.undo()
    restored(config, backup)
    check_whole(config, backup)


def test_a_backup_from_before_there_were_ids_can_be_restored(old: Config, tmp_path: Path) -> None:
    backed_up(old, tmp_path / "to")
    found = verify(tmp_path / "to", silent)
    assert (found.facts.id, found.facts.schema) == ("", 1)
    restored(config_of(tmp_path / "new"), tmp_path / "to")
    assert not (tmp_path / "new" / "files" / "heliograph-id").exists()
    DataFolder.open(tmp_path / "new").close()
