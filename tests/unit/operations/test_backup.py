"""A backup: what is in it, where it may be, and what happens while it is being made."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.config import Config
from server.config.sections import Files, MongoDB
from server.core.errors import NotDone
from server.operations.keeping import backup as backup_module
from server.operations.keeping import layout
from server.operations.keeping.backup import back_up
from server.operations.keeping.copies import Copies
from server.operations.keeping.expected import Expected
from server.operations.keeping.stored_files import StoredFiles
from server.operations.keeping.verification import verify
from tests.fakes.kept import (
    backed_up,
    delete,
    documents_of,
    files_of,
    names,
    segment,
    silent,
    store,
)
from tests.fakes.old_data import config_of


@pytest.fixture
def config(old: Config) -> Config:
    """Return the configuration of an installation that has something of everything."""
    return old


def database(config: Config) -> Path:
    """Return the file of the database."""
    return config.data / "database" / "heliograph.db"


def a_file(config: Config, pk: int = 1) -> Path:
    """Return the file of a data product."""
    [path] = (config.data / "files" / str(pk)).iterdir()
    return path


def test_a_backup_has_the_database_the_files_and_the_id_of_the_server(
    config: Config, tmp_path: Path
) -> None:
    made = backed_up(config, tmp_path / "to")
    assert documents_of(tmp_path / "to" / "database.db") == documents_of(database(config))
    assert files_of(tmp_path / "to" / "files") == files_of(config.data / "files")
    name = "server-id"
    assert (tmp_path / "to/server" / name).read_bytes() == (config.data / name).read_bytes()
    assert (made.files, made.counts["targets"], made.schema) == (14, 3, 1)
    assert layout.read_manifest(tmp_path / "to") == made
    assert names(tmp_path) == ["data", "to"]


def test_its_list_is_one_that_sha256sum_reads(config: Config, tmp_path: Path) -> None:
    backed_up(config, tmp_path / "to")
    command = ["sha256sum", "--check", "--strict", "--quiet", layout.LISTING]
    assert subprocess.run(command, cwd=tmp_path / "to", check=False).returncode == 0
    listed = (tmp_path / "to" / layout.LISTING).read_text().splitlines()
    assert len(listed) == 14 + 1 + 1


def test_only_its_owner_can_read_it(config: Config, tmp_path: Path) -> None:
    backed_up(config, tmp_path / "to")
    every = [tmp_path / "to", *(tmp_path / "to").rglob("*")]
    assert not [path for path in every if path.stat().st_mode & 0o077]


def test_a_backup_changes_nothing_in_its_source(config: Config, tmp_path: Path) -> None:
    def facts() -> dict[Path, Any]:
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in config.data.rglob("*")
            if path.name not in ("database",)
        }

    before = facts()
    backed_up(config, tmp_path / "to")
    assert facts() == before


def test_no_secret_is_in_the_list_or_the_manifest(config: Config, tmp_path: Path) -> None:
    (config.data / "tokens.json").write_text('{"hash": "hunter2hunter2"}')
    (config.data / "tokens.lock").touch()
    backed_up(config, tmp_path / "to")
    assert (tmp_path / "to/server/tokens.json").read_text() == '{"hash": "hunter2hunter2"}'
    assert names(tmp_path / "to" / "server") == ["server-id", "tokens.json"]
    for name in (layout.LISTING, layout.MANIFEST):
        assert "hunter2" not in (tmp_path / "to" / name).read_text()


def test_parts_of_logs_are_in_it_also_those_that_are_just_being_sealed(
    config: Config, tmp_path: Path
) -> None:
    contents = {1: b"first", 11: b"second"}
    for first, content in contents.items():
        document = segment(3, content, first)
        path = config.data / "files" / document["file"]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        if first == 1:
            store(database(config), "log_segments", document)
            continue
        fields = {name: value for name, value in document.items() if name not in ("_id", "key")}
        entry = {"_id": 900, "pk": 900, "server": "s1", "products": [], "keys": [document["file"]]}
        store(database(config), "journal", entry | {"sealing": True, "segment": fields})
    made = backed_up(config, tmp_path / "to")
    sealed = sorted(path.read_bytes() for path in (tmp_path / "to/files/log-3").iterdir())
    assert (sealed, made.missing) == ([b"first", b"second"], [])


@pytest.mark.parametrize("damage", ["cut", "other bytes", "gone", "link"])
def test_a_lost_or_damaged_file_is_named_and_the_rest_is_backed_up(
    config: Config, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_file(config)
    content = path.read_bytes()
    path.chmod(0o600)
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "other bytes":
        path.write_bytes(bytes(len(content)))
    else:
        path.rename(tmp_path / "elsewhere")
        if damage == "link":
            path.symlink_to(tmp_path / "elsewhere")
    status = main(["backup", str(tmp_path / "to"), "--data", str(config.data)])
    [missing] = layout.read_manifest(tmp_path / "to").missing
    assert (missing.product, missing.file) == (1, "1/frame 0.fits")
    assert "Not in the backup: 1/frame 0.fits: " in capsys.readouterr().out
    assert (status, len(files_of(tmp_path / "to" / "files"))) == (1, 13)


def test_a_file_that_is_being_deleted_or_stored_is_no_loss(config: Config, tmp_path: Path) -> None:
    a_file(config).unlink()
    entry = {"_id": 901, "pk": 901, "server": "s1", "products": [1], "keys": ["1/frame 0.fits"]}
    store(database(config), "journal", entry)
    assert backed_up(config, tmp_path / "to").missing == []


def test_a_backup_is_of_one_moment_although_files_are_deleted_meanwhile(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring, deleted = Copies.bring, []

    def deletes_first(self: Copies, file: Expected) -> bool:
        """Delete the record and the file just before the file is to be copied."""
        if file.product == 2 and not deleted:
            deleted.append(file)
            delete(database(config), "dataproducts", 2)
            a_file(config, 2).unlink()
        return bring(self, file)

    monkeypatch.setattr(Copies, "bring", deletes_first)
    monkeypatch.setattr(backup_module, "MOST_ROUNDS", 0)
    made = backed_up(config, tmp_path / "to")
    assert (made.missing, made.counts["dataproducts"], made.files) == ([], 13, 13)


@pytest.mark.parametrize("stage", ["Copying files", "Copying the database"])
def test_what_is_stored_after_the_moment_is_not_in_the_backup(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(backup_module, "MOST_ROUNDS", 0)
    [first, *_] = documents_of(database(config))["dataproducts"]
    stored: list[int] = []

    def stores_one(doing: str, done: int, total: int | None) -> None:
        if doing == stage and not stored:
            stored.append(500)
            late = first | {"_id": 500, "pk": 500, "by_target": 2**32 + 500}
            store(database(config), "dataproducts", late)

    made = back_up(config, tmp_path / "to", version="1", progress=stores_one)
    assert stored == [500]
    assert (made.counts["dataproducts"], made.files, made.missing) == (14, 14, [])
    assert len(documents_of(tmp_path / "to/database.db")["dataproducts"]) == 14
    assert verify(tmp_path / "to", silent).damaged == {}


def test_what_was_copied_and_then_deleted_is_not_in_the_backup(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = backup_module._Backup._copy_ahead

    def deletes_afterwards(self: Any) -> None:
        finish(self)
        delete(database(config), "dataproducts", 2)
        a_file(config, 2).unlink()

    monkeypatch.setattr(backup_module._Backup, "_copy_ahead", deletes_afterwards)
    made = backed_up(config, tmp_path / "to")
    assert (made.files, (tmp_path / "to" / "files" / "2").exists()) == (13, False)


class Killed(BaseException):
    """Ends a command as a kill does: nothing is tidied up."""


def test_what_a_killed_backup_has_copied_is_used_if_it_is_sound(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, copied = StoredFiles.copy, []

    def dies_at_the_ninth(self: StoredFiles, key: str, place: Path, expected: Expected) -> None:
        if len(copied) == 8:
            place.write_bytes(b"half of i")
            raise Killed
        copied.append(key)
        copy(self, key, place, expected)

    monkeypatch.setattr(StoredFiles, "copy", dies_at_the_ninth)
    for _ in range(2):  # the second one finds all that the first one has
        with pytest.raises(Killed):
            backed_up(config, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    partial = tmp_path / ".to.partial"
    damaged = next(path for path in partial.rglob("*.fits"))
    damaged.chmod(0o600)
    damaged.write_bytes(bytes(damaged.stat().st_size))
    copied.clear()

    def counts(self: StoredFiles, key: str, place: Path, expected: Expected) -> None:
        copied.append(key)
        copy(self, key, place, expected)

    monkeypatch.setattr(StoredFiles, "copy", counts)
    backed_up(config, tmp_path / "to")
    assert len(copied) == 14 - 8 + 1
    assert files_of(tmp_path / "to" / "files") == files_of(config.data / "files")
    assert not partial.exists()
    assert names(tmp_path / "to") == [
        "SHA256SUMS", "database.db", "files", "manifest.json", "server"
    ]  # fmt: skip


def test_a_failure_leaves_nothing_behind(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StoredFiles, "copy", full)
    with pytest.raises(NotDone, match="not enough room") as raised:
        backed_up(config, tmp_path / "to")
    assert "Errno" not in str(raised.value)
    assert names(tmp_path) == ["data"]


def test_since_an_earlier_backup_only_what_is_new_is_copied(config: Config, tmp_path: Path) -> None:
    backed_up(config, tmp_path / "first")
    damaged = tmp_path / "first/files/2/frame 1.fits"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    backed_up(config, tmp_path / "second", since=tmp_path / "first")
    inodes = [
        (tmp_path / name / "files/1/frame 0.fits").stat().st_ino for name in ("first", "second")
    ]
    assert inodes[0] == inodes[1]
    assert files_of(tmp_path / "second" / "files") == files_of(config.data / "files")


@pytest.mark.parametrize("what", ["file", "folder", "dangling link", "link"])
def test_a_place_that_is_taken_is_refused_and_left_alone(
    config: Config, tmp_path: Path, what: str
) -> None:
    to = tmp_path / "to"
    if what == "file":
        to.write_text("mine")
    elif what == "folder":
        to.mkdir()
        (to / "mine").write_text("mine")
    else:
        (tmp_path / "empty").mkdir()
        to.symlink_to(tmp_path / ("empty" if what == "link" else "nowhere"))
    with pytest.raises(NotDone, match="exists already"):
        backed_up(config, to)
    assert not (tmp_path / ".to.partial").exists()


@pytest.mark.parametrize("inside", ["data/to", "data/files/to", "data/files/1/to"])
def test_a_backup_cannot_be_within_what_it_is_of(
    config: Config, tmp_path: Path, inside: str
) -> None:
    with pytest.raises(NotDone, match="cannot be in"):
        backed_up(config, tmp_path / inside)
    (tmp_path / "other").symlink_to(config.data)
    with pytest.raises(NotDone, match="cannot be in"):
        backed_up(config, tmp_path / "other" / "to")


def test_a_place_without_a_parent_is_refused_as_a_disk_may_not_be_mounted(
    config: Config, tmp_path: Path
) -> None:
    with pytest.raises(NotDone, match="does not exist"):
        backed_up(config, tmp_path / "disk" / "to")
    assert not (tmp_path / "disk").exists()


def test_two_backups_to_the_same_place_do_not_get_in_each_others_way(
    config: Config, tmp_path: Path
) -> None:
    with backup_module._partial_of(tmp_path / "to"), pytest.raises(NotDone, match="Another backup"):
        backed_up(config, tmp_path / "to")
    backed_up(config, tmp_path / "to")


def test_an_empty_folder_is_filled(config: Config, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    assert backed_up(config, tmp_path / "to").files == 14


def test_files_in_a_storage_elsewhere_are_backed_up(config: Config, tmp_path: Path) -> None:
    (config.data / "files").rename(tmp_path / "elsewhere")
    config = config_of(config.data, files=Files(url=str(tmp_path / "elsewhere")))
    assert backed_up(config, tmp_path / "to").files == 14
    with pytest.raises(NotDone, match="cannot be in"):
        backed_up(config, tmp_path / "elsewhere" / "to")


def test_a_mongodb_is_left_to_its_own_tools_without_telling_its_password(tmp_path: Path) -> None:
    config = config_of(tmp_path, mongodb=MongoDB(uri="mongodb://me:hunter2@db/"))
    with pytest.raises(NotDone, match="mongodump") as raised:
        backed_up(config, tmp_path / "to")
    assert "hunter2" not in str(raised.value)


def test_where_there_is_nothing_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["backup", str(tmp_path / "to"), "--data", str(tmp_path / "none")]
    assert main(arguments) == 2
    assert "There is no database" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_a_damaged_database_is_not_backed_up(config: Config, tmp_path: Path) -> None:
    database(config).write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    status = main(["backup", str(tmp_path / "to"), "--data", str(config.data)])
    assert (status, (tmp_path / "to").exists()) == (2, False)
