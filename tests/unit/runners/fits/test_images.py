"""Images: what is read from good files, and the message for each kind of bad one."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from runners.fits.files import FrameError, quiet
from runners.fits.images import find_frame, read_frame
from tests.fakes.sky import DATE, declare, noise, write_fits


def image_of(path: Path) -> np.ndarray:
    return read_frame(find_frame(path))


@pytest.mark.parametrize("kind", ["i2", "u2", "i4", "f4", "f8", "u1"])
def test_every_kind_of_pixel_becomes_native_float32(tmp_path: Path, kind: str) -> None:
    pixels = noise(sky=100.0).astype(kind)
    image = image_of(write_fits(tmp_path / "a.fits", pixels))

    assert image.dtype == np.float32
    assert image.dtype.isnative
    assert image.shape == (64, 80)
    np.testing.assert_allclose(image, pixels, rtol=1e-6)


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_1", "GZIP_2"])
def test_a_tile_compressed_image_is_found_in_the_second_hdu(
    tmp_path: Path, compression: str
) -> None:
    pixels = noise().astype("u2")
    header = fits.Header({"DATE-OBS": DATE})
    hdu = fits.CompImageHDU(pixels, header, compression_type=compression)
    hdu.writeto(tmp_path / "a.fits.fz")
    frame = find_frame(tmp_path / "a.fits.fz")

    assert (frame.hdu, frame.width, frame.height) == (1, 80, 64)
    assert frame.date == 1772323200.0
    np.testing.assert_array_equal(read_frame(frame), pixels)


def test_a_file_packed_by_gzip_is_unpacked(tmp_path: Path) -> None:
    plain = write_fits(tmp_path / "a.fits", noise())
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(plain.read_bytes()))

    np.testing.assert_array_equal(image_of(tmp_path / "a.fits.gz"), noise())


def test_tables_and_cubes_before_the_image_are_passed_over(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    cube = fits.ImageHDU(np.zeros((3, 32, 32), "f4"))
    image = fits.ImageHDU(noise())
    fits.HDUList([fits.PrimaryHDU(), table, cube, image]).writeto(tmp_path / "a.fits")

    assert find_frame(tmp_path / "a.fits").hdu == 3


def test_further_axes_of_one_pixel_do_not_matter(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise()[np.newaxis])

    assert image_of(path).shape == (64, 80)


def test_blank_and_infinite_pixels_become_nan(tmp_path: Path) -> None:
    pixels = noise()
    pixels[0, 0], pixels[1, 1] = np.inf, np.nan
    image = image_of(write_fits(tmp_path / "a.fits", pixels))
    whole = image_of(write_fits(tmp_path / "b.fits", noise().astype("i2"), BLANK=300))

    assert np.isnan(image[[0, 1], [0, 1]]).all()
    assert np.isnan(image).sum() == 2
    np.testing.assert_array_equal(np.isnan(whole), noise().astype("i2") == 300)


def test_the_date_may_be_in_another_hdu_than_the_image(tmp_path: Path) -> None:
    later = fits.ImageHDU(header=fits.Header({"DATE-OBS": DATE}))
    fits.HDUList([fits.PrimaryHDU(noise()), later]).writeto(tmp_path / "a.fits")

    assert find_frame(tmp_path / "a.fits").date == 1772323200.0


def test_a_frame_without_date_says_so(tmp_path: Path) -> None:
    frame = find_frame(write_fits(tmp_path / "a.fits", noise(), DATE_OBS=None))

    assert frame.date is None
    assert frame.undated.startswith("has no observation date")


def truncated(path: Path) -> None:
    whole = write_fits(path.with_name("whole"), noise()).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def truncated_tiles(path: Path) -> None:
    fits.CompImageHDU(noise(200, 200)).writeto(path.with_name("whole"))
    path.write_bytes(path.with_name("whole").read_bytes()[:-14400])


def truncated_gzip(path: Path) -> None:
    packed = gzip.compress(write_fits(path.with_name("whole"), noise()).read_bytes())
    path.write_bytes(packed[: len(packed) // 2])


def bomb(path: Path) -> None:
    declare(path.with_name("whole"), 16, 9000, 9000, kept_bytes=9000 * 9000 * 2 + 2880)
    path.write_bytes(gzip.compress(path.with_name("whole").read_bytes(), 1))


def only_tables(path: Path) -> None:
    fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))]).writeto(path)


def named(start: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(start + bytes(5000))


def table_and_mask(path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    mask = fits.ImageHDU(np.ones((20, 20), "i4"), name="APERTURE")
    fits.HDUList([fits.PrimaryHDU(), table, mask]).writeto(path)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.touch(), "is empty"),
    "text": (lambda path: path.write_text("SIMPLE words\n" * 99), "is not a FITS file"),
    "xisf": (named(b"XISF0100"), "is an XISF file of PixInsight, which cannot be read here: save"),
    "ser": (named(b"LUCAM-RECORDER"), "is a SER film, which cannot be read here: save it as FITS"),
    "cr2": (named(b"II*\0\x10\0\0\0CR\x02\0"), "is a CR2 raw file of a Canon camera, which"),
    "light curve": (table_and_mask, "holds no image"),
    "many pixels": (lambda path: declare(path, 8, 30_000, 12_000, 3), "over the limit of 400,00"),
    "many frames": (lambda path: declare(path, 8, 32, 32, 1000, 1000), "declares 1,000,000 frames"),
    "short cube": (lambda path: declare(path, 16, 40, 30, 5), "is cut short"),
    "png": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "is not a FITS file"),
    "garbage": (lambda path: path.write_bytes(b"SIMPLE  =" + b"?" * 9999), "cannot be read"),
    "no end": (lambda path: path.write_bytes(b"SIMPLE  =     T" + b" " * 2000), "cannot be read"),
    "truncated": (truncated, "is cut short"),
    "truncated tiles": (truncated_tiles, "is cut short"),
    "truncated gzip": (truncated_gzip, "cannot be read"),
    "bomb": (bomb, "is a decompression bomb"),
    "absurd": (lambda path: declare(path, -64, 200_000, 200_000), "over the limit of 400,000,000"),
    "zero width": (lambda path: declare(path, 8, 777_777_701, 0), "holds no 2-D image"),
    "tiny": (lambda path: write_fits(path, noise(2, 2)), "at least 16 a side"),
    "one row": (lambda path: write_fits(path, noise(1, 100)), "at least 16 a side"),
    "spectrum": (lambda path: write_fits(path, np.zeros(4000, "f4")), "but one of 4000 pixels"),
    "tables": (only_tables, "holds no image"),
    "header": (lambda path: write_fits(path, None), "holds no image"),
    "all nan": (lambda path: write_fits(path, noise() * np.nan), "has no finite pixel"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named_with_what_is_wrong_with_it(tmp_path: Path, kind: str) -> None:
    make, problem = BAD[kind]
    path = tmp_path / "stored.fits"
    make(path)
    with quiet(), pytest.raises(FrameError, match=problem) as raised:
        read_frame(find_frame(path, "mine.fits"))

    assert str(raised.value).startswith("mine.fits ")


def test_absurd_tiles_are_refused_before_room_is_made_for_them(tmp_path: Path) -> None:
    path = tmp_path / "a.fits.fz"
    fits.CompImageHDU(noise().astype("i2")).writeto(path)
    packed = path.read_bytes()
    for axis, side in (("ZNAXIS1", 80), ("ZNAXIS2", 64)):
        card = f"{axis} = {side:>20}".encode()
        assert card in packed
        packed = packed.replace(card, f"{axis} = {19_000:>20}".encode())
    path.write_bytes(packed)
    with quiet(), pytest.raises(FrameError, match="is a decompression bomb"):
        find_frame(path)
