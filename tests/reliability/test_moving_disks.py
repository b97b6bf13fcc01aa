"""Migrations from a disk that is read-only, and to one that is full."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.__main__ import main
from server.core.errors import StartError
from tests.fakes.kept import silent
from tests.fakes.moved import checksums, moving, prepare
from tests.fakes.old_data import config_of, unpack
from tests.reliability.test_full_disk import fill, remount, small_disk
from tests.unit.operations.test_moving import migrate, start


def test_a_read_only_disk_is_migrated(tmp_path: Path, shared_uri: str) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        config = config_of(unpack(disk))
        prepare(config, "alice")
        remount(disk, "ro")
        with moving(config, shared_uri, tmp_path / "elsewhere") as move:
            assert migrate(move.config, move.uri, str(move.files), silent).lost == []
            assert move.there() == move.here()
            start(move)


def test_a_full_disk_is_told_and_the_same_command_goes_on(
    tmp_path: Path, shared_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(unpack(tmp_path))
    prepare(config)
    with small_disk(tmp_path / "disk", 2) as disk:
        filler = fill(disk)
        filler.write_bytes(bytes(2 * 2**20 - 30_000))
        with moving(config, shared_uri, disk / "files") as move:
            assert main(move.arguments()) == 2
            said = capsys.readouterr().err
            assert "not enough room in the target" in said
            assert "Errno" not in said
            with pytest.raises(StartError, match="run the same command again"):
                start(move)
            filler.unlink()
            assert main(move.arguments()) == 0
            assert checksums(move.files) == checksums(config.data / "files")
            start(move)
