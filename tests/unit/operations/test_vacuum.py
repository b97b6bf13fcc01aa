"""What a vacuum gives back, and what it leaves: beside a running server and without one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.__main__ import main
from server.config import Config
from server.config.sections import MongoDB
from server.core.disk.data_folder import DataFolder
from server.core.errors import NotDone
from server.operations.keeping.vacuum import vacuum
from tests.fakes.kept import changing, documents_of, files_of, segment, store
from tests.fakes.old_data import config_of, unpack

IDENTITY = "h0123"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the configuration of an installation with some things that nothing needs."""
    config = config_of(unpack(tmp_path))
    files = config.data / "files"
    store(database(config), "installation", {"_id": "installation", "id": IDENTITY, "schema": 2})
    (files / "heliograph-id").write_text(f"{IDENTITY}\n")
    document = segment(3, b"lines")
    store(database(config), "log_segments", document)
    for key in (document["file"], "log-3/99-00.segment", "log-77/1-00.segment"):
        (files / key).parent.mkdir(exist_ok=True)
        (files / key).write_bytes(b"lines")
    (files / "1" / f".{'0a' * 8}").write_bytes(b"half")
    (files / "99").mkdir()
    (files / "99" / "newer.fits").write_bytes(b"newer than the database")
    with changing(database(config)) as connection:
        connection.execute("DELETE FROM log_chunks")
    return config


@pytest.fixture
def running(config: Config) -> Iterator[None]:
    """Have a server use the data folder."""
    folder = DataFolder.open(config.data)
    yield
    folder.close()


def database(config: Config) -> Path:
    """Return the file of the database."""
    return config.data / "database" / "heliograph.db"


def kept(config: Config) -> dict[str, bytes]:
    """Return the files that are to stay, the files of data products and one part of a log."""
    gone = {"log-3/99-00.segment", "log-77/1-00.segment", f"1/.{'0a' * 8}"}
    return {key: file for key, file in files_of(config.data / "files").items() if key not in gone}


def test_a_vacuum_gives_back_what_nothing_needs_and_nothing_else(config: Config) -> None:
    files, documents = kept(config), documents_of(database(config))
    before = database(config).stat().st_size
    done = vacuum(config)
    assert files_of(config.data / "files") == files
    assert documents_of(database(config)) == documents
    assert "log-3/1-0a0b0c0d.segment" in files
    assert database(config).stat().st_size == done.after < before / 2
    assert {each.what: (each.count, each.size) for each in done.removed} == {
        "parts of logs that no process has": (2, 10),
        "files that were never complete": (1, 4),
        "leftovers in runs": (1, 0),
    }
    assert (done.unknown, done.running) == (1, False)
    assert done.size == before - done.after + 14


@pytest.mark.usefixtures("running")
def test_beside_a_server_what_it_may_be_writing_stays(config: Config) -> None:
    partial = config.data / "files" / "1" / f".{'0a' * 8}"
    done = vacuum(config)
    assert (done.running, partial.exists()) == (True, True)
    assert (config.data / "runs").is_dir()
    assert not (config.data / "files" / "log-77" / "1-00.segment").exists()
    os.utime(partial, (1, 1))
    vacuum(config)
    assert not partial.exists()


@pytest.mark.usefixtures("running")
def test_beside_a_server_the_database_is_compacted_in_steps(config: Config) -> None:
    with changing(database(config)) as connection:
        [(mode,)] = connection.execute("PRAGMA auto_vacuum")
    done = vacuum(config)
    assert mode == 2
    assert done.after < done.before / 2


def test_parts_that_are_being_stored_stay(config: Config) -> None:
    entry = {"_id": 9, "pk": 9, "server": "s", "products": [], "keys": ["log-77/1-00.segment"]}
    store(database(config), "journal", entry)
    vacuum(config)
    assert (config.data / "files" / "log-77" / "1-00.segment").exists()


def test_previews_of_deleted_products_go(config: Config) -> None:
    [product] = [each for each in documents_of(database(config))["dataproducts"] if each["pk"] == 1]
    previews = config.data / "previews"
    previews.mkdir()
    for checksum in (product["sha256"], "0" * 64):
        (previews / f"{checksum}-256-linear-1.png").write_bytes(b"picture")
    (previews / "mine.txt").write_text("mine")
    vacuum(config)
    left = {path.name for path in previews.iterdir()}
    assert left == {f"{product['sha256']}-256-linear-1.png", "mine.txt"}


def test_a_link_is_not_followed(config: Config, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "1-00.segment").write_text("mine")
    (config.data / "files" / "log-88").symlink_to(tmp_path / "mine")
    (config.data / "incoming" / "link").symlink_to(tmp_path / "mine")
    vacuum(config)
    assert (tmp_path / "mine" / "1-00.segment").read_text() == "mine"
    assert not (config.data / "incoming" / "link").is_symlink()


def test_files_of_another_database_are_left_alone(config: Config) -> None:
    (config.data / "files" / "heliograph-id").write_text("hother\n")
    before = files_of(config.data / "files")
    with pytest.raises(NotDone, match="do not belong"):
        vacuum(config)
    assert files_of(config.data / "files") == before


def test_a_mongodb_is_left_to_its_own_tools(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="MongoDB"):
        vacuum(config_of(tmp_path, mongodb=MongoDB(uri="mongodb://me:hunter2@db/")))


def test_the_command_says_what_was_given_back(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vacuum", "--data", str(config.data)]) == 0
    said = capsys.readouterr().out
    assert "Removed 2 parts of logs that no process has (10 bytes)" in said
    assert "Given back: " in said
    assert main(["vacuum", "--data", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
