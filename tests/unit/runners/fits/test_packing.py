"""Files packed as a whole are read like others, and damaged ones and bombs end in a sentence."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.fits import files, packing
from runners.fits.files import FrameError, looks_like_fits, quiet
from runners.fits.headers import fits_headers
from runners.fits.images import find_frame, find_frames, read_frame
from runners.fits.metadata import fits_metadata
from tests.fakes.sky import declare, noise, write_fits


def compress(data: bytes) -> bytes:
    """Pack as `compress -b 9` can: each byte a code, and a CLEAR before the table fills."""
    packed = bytearray(b"\x1f\x9d\x89")
    for start in range(0, len(data), 200):
        codes = [*data[start : start + 200], 256]
        codes += [0] * (-len(codes) % 8)  # a CLEAR is followed by padding to eight codes
        bits = sum(code << 9 * place for place, code in enumerate(codes))
        packed += bits.to_bytes(9 * len(codes) // 8, "little")
    return bytes(packed)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "Z": compress,
}


def packed(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"a.fits.{kind}"
    plain = write_fits(tmp_path / "plain.fits", noise(), FILTER="V")
    path.write_bytes(PACKERS[kind](plain.read_bytes()))
    return path


@pytest.mark.parametrize("kind", PACKERS)
def test_a_packed_file_is_read_as_it_was_before(tmp_path: Path, kind: str) -> None:
    path = packed(tmp_path, kind)
    facts = fits_metadata(path)

    assert looks_like_fits(path)
    assert facts is not None
    assert (facts["filter"], facts["width"]) == ("V", 80)
    assert ["FILTER", "V", ""] in fits_headers(path)["hdus"][0]["cards"]
    np.testing.assert_array_equal(read_frame(find_frame(path)), noise())


@pytest.mark.parametrize("part", [3, 40, 0.4, 0.9])
@pytest.mark.parametrize("kind", PACKERS)
def test_a_packed_file_that_is_cut_short_is_named(tmp_path: Path, kind: str, part: float) -> None:
    path = packed(tmp_path, kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part if part > 1 else part * len(whole))])
    with quiet(), pytest.raises(FrameError, match=r"^mine ") as raised:
        read_frame(find_frame(path, "mine"))

    assert "Error" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def test_a_packed_sequence_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write_fits(tmp_path / "plain.fits", np.stack([noise(seed=n) for n in range(4)]))
    opened: list[Path] = []

    def unpack(path: Path) -> Any:
        opened.append(path)
        return gzip.open(path)

    monkeypatch.setitem(packing.UNPACKERS, b"\x1f\x8b", unpack)
    for name in ("a.fits.gz", "b.fits.gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(plain.read_bytes()))
        frames = find_frames(path)
        before = len(opened)
        for number, frame in enumerate(frames):
            np.testing.assert_array_equal(read_frame(frame), noise(seed=number))
        # Each look at the first bytes opens the file too.
        assert len(opened) - before == 4 + 1

    path.write_bytes(
        gzip.compress(write_fits(tmp_path / "c", noise()[None] * [[[1]], [[2]]]).read_bytes())
    )
    np.testing.assert_array_equal(read_frame(find_frames(path)[1]), 2 * noise())


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_bomb_is_given_up_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(files, "HARMLESS_BYTES", 2**20)
    plain = declare(tmp_path / "plain", 16, 1000, 4000, kept_bytes=1000 * 4000 * 2 + 2880)
    path = tmp_path / "a.fits"
    path.write_bytes(PACKERS[kind](plain.read_bytes()))
    with quiet(), pytest.raises(FrameError, match="is a decompression bomb"):
        find_frame(path)
