"""Backups under load, killed and restored: a few rounds of the tool; and on disks that are full."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.__main__ import main
from server.core.disk.data_folder import DataFolder
from server.core.errors import StartError
from tests.fakes.kept import backed_up, files_of, names
from tests.fakes.old_data import config_of, unpack
from tests.reliability.test_full_disk import fill, remount, small_disk
from tests.reliability.tools.backups import backups, figures


def test_a_backup_on_a_full_disk_says_so_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = unpack(tmp_path)
    for mebibytes in (1, 3):  # too little for the database, and for its copy
        with small_disk(tmp_path / f"disk{mebibytes}", mebibytes) as disk:
            fill(disk).write_bytes(bytes(mebibytes * 2**20 - 40_000))
            assert main(["backup", str(disk / "to"), "--data", str(data)]) == 2
            assert names(disk) == ["filler"]
    said = capsys.readouterr().err
    assert said.count("not enough room") == 2
    assert "Errno" not in said


def test_a_read_only_disk_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = unpack(tmp_path)
    with small_disk(tmp_path / "disk", 8) as disk:
        remount(disk, "ro")
        assert main(["backup", str(disk / "to"), "--data", str(data)]) == 2
        assert main(["restore", str(disk / "to"), "--data", str(tmp_path / "new")]) == 2
    assert "read-only" in capsys.readouterr().err


def test_a_backup_of_a_read_only_disk_can_be_taken(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        data = unpack(disk)
        remount(disk, "ro")
        assert main(["backup", str(tmp_path / "to"), "--data", str(data)]) == 0
        assert files_of(tmp_path / "to" / "files") == files_of(data / "files")


def test_a_restore_on_a_full_disk_goes_on_once_there_is_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backed_up(config_of(unpack(tmp_path)), tmp_path / "backup")
    with small_disk(tmp_path / "disk", 4) as disk:
        filler = fill(disk)
        filler.write_bytes(bytes(3 * 2**20))
        arguments = ["restore", str(tmp_path / "backup"), "--data", str(disk / "data")]
        assert main(arguments) == 2
        assert "not enough room" in capsys.readouterr().err
        with pytest.raises(StartError, match="restore"):
            DataFolder.open(disk / "data")
        filler.unlink()
        assert main(arguments) == 0
        assert files_of(disk / "data" / "files") == files_of(tmp_path / "backup" / "files")


@pytest.mark.slow
@pytest.mark.gen_test(timeout=290)
@pytest.mark.timeout(300)
async def test_backups_under_load_that_are_killed_leave_none_or_a_whole_one() -> None:
    done = await backups(rounds=2, seed=3)
    assert done.wrong == []
    assert (done.rounds, done.whole) == (2, 2)
    assert done.backups_killed + done.restores_killed >= 1


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_a_backup_under_load_is_restored_whole_20_times_out_of_20() -> None:
    done = await backups(rounds=20, seed=1)
    print(figures(1, done))
    assert (done.wrong, done.whole) == ([], 20)
    assert done.backups_killed > 10
