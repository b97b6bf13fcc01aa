"""What is kept of an upload for its examination, compared with what the whole file gives."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from runners.fits.metadata import fits_metadata
from server.archive.uploads import excerpt as excerpt_module
from server.archive.uploads.excerpt import Excerpt

SIZE = 300


def primary() -> fits.HDUList:
    hdu = fits.PrimaryHDU(np.ones((SIZE, 2 * SIZE), np.int16))
    hdu.header["EXPTIME"] = 12.5
    hdu.header["DATE-OBS"] = "2026-11-26T01:02:03"
    hdu.header["FILTER"] = "V"
    return fits.HDUList([hdu])


def extension() -> fits.HDUList:
    first = fits.PrimaryHDU(np.ones((SIZE, SIZE), np.float32))
    first.header["INSTRUME"] = "cam"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "1000E", array=np.ones((90, 1000)))])
    image = fits.ImageHDU(np.ones((SIZE, SIZE), np.uint16))
    image.header["EXPTIME"] = 2.5
    return fits.HDUList([first, table, image])


def packed() -> fits.HDUList:
    random_pixels = np.random.default_rng(1).integers(0, 30_000, (SIZE, SIZE), np.int16)
    image = fits.CompImageHDU(random_pixels)
    image.header["EXPTIME"] = 3.5
    image.header["FILTER"] = "R"
    return fits.HDUList([fits.PrimaryHDU(), image])


def long_header() -> fits.HDUList:
    found = primary()
    for number in range(400):
        found[0].header[f"KEY{number}"] = "x" * 40
    found[0].header["INSTRUME"] = "last"
    return found


def excerpt_of(content: bytes, path: Path, seed: int) -> Path | None:
    """Return the excerpt of a file that comes in pieces of random sizes."""
    excerpt, at, sizes = Excerpt(path), 0, random.Random(seed)
    while at < len(content):
        step = sizes.choice((1, 79, 2_879, 2_880, 2_881, 100_000))
        excerpt.write(content[at : at + step])
        at += step
    return excerpt.finish()


@pytest.mark.parametrize("made", [primary, extension, packed, long_header])
@pytest.mark.parametrize("seed", range(4))
def test_the_headers_of_a_large_file_are_enough(
    made: Callable[[], fits.HDUList], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpt_module, "HEAD_BYTES", 5_000)
    whole = tmp_path / "whole.fits"
    made().writeto(whole)
    found = excerpt_of(whole.read_bytes(), tmp_path / "a.fits", seed)
    assert found is not None
    assert found.stat().st_size == whole.stat().st_size
    assert found.stat().st_blocks * 512 < whole.stat().st_size / 2
    assert fits_metadata(found) == fits_metadata(whole)
    assert fits_metadata(whole) is not None


def test_a_small_file_is_kept_whole(tmp_path: Path) -> None:
    content = gzip.compress(random.Random(1).randbytes(100_000))
    found = excerpt_of(content, tmp_path / "a.fits.gz", 1)
    assert found is not None
    assert found.read_bytes() == content


def test_a_large_compressed_file_is_examined_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpt_module, "HEAD_BYTES", 5_000)
    content = gzip.compress(random.Random(1).randbytes(100_000))
    assert excerpt_of(content, tmp_path / "a.fits.gz", 1) is None


@pytest.mark.parametrize(
    "content",
    [
        b"SIMPLE  =                    T" + bytes(50_000),
        b"SIMPLE  =" + b" " * 100_000,
        (b"SIMPLE  =".ljust(80) + b"NAXIS   = 99999999999999".ljust(80) + b"END".ljust(80)).ljust(
            28_800
        ),
        (
            b"SIMPLE  =".ljust(80)
            + b"BITPIX  = -99999999999".ljust(80)
            + b"NAXIS   = 2".ljust(80)
            + b"NAXIS1  = 99999999999999999999".ljust(80)
            + b"NAXIS2  = -5".ljust(80)
            + b"END".ljust(80)
        ).ljust(28_800),
        b"time,magnitude\n" * 10_000,
        b"x",
    ],
)
def test_hostile_files_do_no_harm(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpt_module, "HEAD_BYTES", 5_000)
    found = excerpt_of(content, tmp_path / "a.fits", 2)
    assert found is not None
    assert found.stat().st_size == len(content)
