"""The reserve is made where there is room, given up on a full disk, and made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from server.core.disk.disk_reserve import LEAST_BYTES, MOST_BYTES, DiskReserve
from server.core.errors import NoRoom

MEBIBYTE = 1 << 20


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


SetDisk = Callable[[int, int], None]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SetDisk:
    """Return what sets the size of the disk and the room on it, in MiB."""

    def set_disk(total: int, free: int) -> None:
        usage = Usage(total * MEBIBYTE, (total - free) * MEBIBYTE, free * MEBIBYTE)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    return set_disk


@pytest.mark.parametrize(
    ("total", "size"),
    [(8, LEAST_BYTES), (48, 3 * MEBIBYTE), (256, MOST_BYTES), (1 << 20, MOST_BYTES)],
)
def test_it_is_small_beside_the_disk(tmp_path: Path, disk: SetDisk, total: int, size: int) -> None:
    disk(total, total)
    reserve = DiskReserve(tmp_path / "reserve")
    reserve.keep()
    assert (tmp_path / "reserve").stat().st_size == size
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= size  # no hole
    assert not reserve.full
    reserve.check()


def test_it_is_given_up_on_a_full_disk_and_made_again_when_there_is_room(
    tmp_path: Path, disk: SetDisk
) -> None:
    reserve = DiskReserve(tmp_path / "reserve")
    for total, free, full in [(48, 40, False), (48, 1, False), (48, 0, True), (48, 3, True),
                              (48, 4, True), (48, 5, False), (48, 0, True)]:  # fmt: skip
        disk(total, free)
        reserve.keep()
        assert (reserve.full, (tmp_path / "reserve").exists()) == (full, not full)
        assert (reserve.problem is not None) == full
    with pytest.raises(NoRoom):
        reserve.check()


def test_a_restart_on_a_full_disk_knows_that_it_is_full(tmp_path: Path, disk: SetDisk) -> None:
    disk(48, 40)
    DiskReserve(tmp_path / "reserve").keep()
    disk(48, 0)
    DiskReserve(tmp_path / "reserve").give_up()
    disk(48, 3)  # what the reserve has freed
    again = DiskReserve(tmp_path / "reserve")
    again.keep()
    assert again.full


def test_what_a_kill_left_of_it_counts_for_nothing(tmp_path: Path, disk: SetDisk) -> None:
    (tmp_path / "reserve.new").write_bytes(b"cut off")
    disk(48, 40)
    reserve = DiskReserve(tmp_path / "reserve")
    reserve.keep()
    assert not reserve.full
    assert [path.name for path in tmp_path.iterdir()] == ["reserve"]


def test_a_reserve_that_cannot_be_written_means_a_full_disk(tmp_path: Path, disk: SetDisk) -> None:
    (tmp_path / "reserve.new").mkdir()
    disk(48, 40)
    reserve = DiskReserve(tmp_path / "reserve")
    reserve.keep()
    assert reserve.full


def test_a_folder_that_is_gone_is_left_to_others(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path / "gone" / "reserve")
    reserve.keep()
    assert not reserve.full
