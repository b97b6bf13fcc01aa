"""The server's folder: one holder at a time, private, with an id that stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.core.disk.data_folder import DataFolder
from server.core.errors import StartError

HOLDER = """
import sys
from server.core.disk.data_folder import DataFolder
folder = DataFolder.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[bytes]:
    """Start another process that has the folder open."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    return holder


def end(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.communicate(timeout=10)


def test_missing_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "a" / "b")
    made = [folder.files, folder.incoming, folder.runs, folder.previews, folder.database]
    assert {path.stat().st_mode & 0o777 for path in [folder.path, *made]} == {0o700}
    assert {path.parent for path in made} == {tmp_path / "a" / "b"}
    folder.close()


def test_the_id_of_the_server_stays_and_is_its_own(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "one", "two"):
        folder = DataFolder.open(tmp_path / name)
        ids.append(folder.server_id)
        folder.close()
    assert ids[0] == ids[1] != ids[2]
    assert ids[0][0].isalpha()


def test_a_second_server_is_told_who_has_the_folder(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    try:
        with pytest.raises(StartError) as raised:
            DataFolder.open(tmp_path, wait_seconds=0.1)
    finally:
        end(holder)
    assert f"pid {holder.pid}" in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_the_folder_of_a_killed_server_is_free(tmp_path: Path) -> None:
    end(hold(tmp_path))
    DataFolder.open(tmp_path, wait_seconds=0).close()


def test_closing_lets_the_next_one_in_and_may_be_repeated(tmp_path: Path) -> None:
    first = DataFolder.open(tmp_path)
    first.close()
    first.close()
    DataFolder.open(tmp_path, wait_seconds=0).close()


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    assert folder._lock is not None
    assert not os.get_inheritable(folder._lock)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        folder.close()
        DataFolder.open(tmp_path, wait_seconds=0).close()
    finally:
        child.communicate(b"\n", timeout=10)


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartError, match="file"):
        DataFolder.open(tmp_path / "file")


@pytest.mark.parametrize("name", ["incoming", "runs", "previews", "database"])
def test_a_file_in_the_place_of_a_folder_stops_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("in the way")
    with pytest.raises(StartError, match=f"{name} in it is not a folder; move it away"):
        DataFolder.open(tmp_path)
    (tmp_path / name).unlink()
    DataFolder.open(tmp_path).close()


@pytest.mark.parametrize("name", ["heliograph.lock", "address", "reserve", "server-id"])
def test_a_folder_in_the_place_of_a_file_stops_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(StartError, match=f"{name} in it is not a file; move it away"):
        DataFolder.open(tmp_path)


def test_a_damaged_id_of_the_server_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "server-id").write_bytes(b"s\xff\x00")
    for _ in range(2):  # the lock is free again
        with pytest.raises(StartError, match="server-id is damaged"):
            DataFolder.open(tmp_path, wait_seconds=0)


def test_what_an_earlier_server_left_is_set_aside_and_deleted(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    for left in (folder.incoming / "abc", folder.runs / "7"):
        (left / "0").mkdir(parents=True)
        (left / "0" / "half.fits").write_bytes(b"half")
    folder.set_aside()
    assert [*folder.incoming.iterdir(), *folder.runs.iterdir()] == []
    (folder.runs / "7").mkdir()  # belongs to the next attempt, and stays
    folder.remove_leftovers()
    assert (folder.runs / "7").is_dir()
    assert not any(tmp_path.rglob("half.fits"))
    folder.remove_leftovers()
    folder.close()
