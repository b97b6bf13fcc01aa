"""Windows of pixels are those of the file, of every kind that cameras and programs write."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from runners.fits.files import FrameError
from runners.fits.viewing.errors import WrongRequest
from runners.fits.viewing.views import view_of
from runners.fits.viewing.windows import SHAPE, Window, bin_mean, read_window, write_window
from tests.fakes.sky import declare, noise, write_fits

NUMBERS = np.arange(30 * 40).reshape(30, 40)


def blocks(pixels: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Return the means of squares one by one, as nobody would who is in a hurry."""
    rows = range(0, pixels.shape[0], step)
    columns = range(0, pixels.shape[1], step)
    with np.errstate(all="ignore"):
        found = [
            [
                np.nan if np.isnan(square := pixels[y : y + step, x : x + step]).all()
                else float(np.nanmean(square))
                for x in columns
            ]
            for y in rows
        ]  # fmt: skip
    return np.array(found)


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_every_type_of_number_is_read_as_it_is(tmp_path: Path, kind: str) -> None:
    pixels = (NUMBERS % 200).astype(kind)
    path = write_fits(tmp_path / "a.fits", pixels)
    found = read_window(path, Window(x=3, y=5, width=20, height=11))
    assert found.dtype == np.float32
    assert (found == pixels[5:16, 3:23]).all()


def test_scaled_numbers_and_blanks_are_as_astropy_has_them(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(NUMBERS.astype("i2"))
    hdu.header.update({"BSCALE": 0.25, "BZERO": -7.5, "BLANK": 77})
    hdu.writeto(tmp_path / "a.fits")
    expected = fits.getdata(tmp_path / "a.fits")
    found = read_window(tmp_path / "a.fits", Window())
    assert np.isnan(found[1, 37])
    assert np.isnan(found).sum() == 1
    np.testing.assert_array_equal(found, expected.astype("f4"))


def test_infinite_values_are_blank_and_huge_ones_stay_within_float32(tmp_path: Path) -> None:
    pixels = NUMBERS.astype("f8")
    pixels[0, :3] = np.inf, -np.inf, 1e300
    found = read_window(write_fits(tmp_path / "a.fits", pixels), Window(width=4, height=1))
    assert np.isnan(found[0, :2]).all()
    assert np.isfinite(found[0, 2])
    assert found[0, 2] > 1e38
    assert found[0, 3] == 3


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gz", "bz2"])
def test_packed_files_are_read_too(tmp_path: Path, pack: Any) -> None:
    plain = write_fits(tmp_path / "a.fits", NUMBERS.astype("i2"))
    path = tmp_path / "packed"
    path.write_bytes(pack(plain.read_bytes()))
    assert (read_window(path, Window(x=2, width=9)) == NUMBERS[:, 2:11]).all()


@pytest.mark.parametrize("kind", ["i2", "f4"])
def test_compressed_images_are_read_by_their_tiles(tmp_path: Path, kind: str) -> None:
    pixels = (noise(70, 90) * 2).astype(kind)
    image = fits.CompImageHDU(pixels, tile_shape=(16, 24), quantize_level=0)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits.fz")
    expected = fits.getdata(tmp_path / "a.fits.fz", 1)
    found = read_window(tmp_path / "a.fits.fz", Window(x=11, y=13, width=50, height=40))
    np.testing.assert_array_equal(found, expected[13:53, 11:61].astype("f4"))


def test_planes_of_cubes_are_in_the_order_of_numpy(tmp_path: Path) -> None:
    cube = np.arange(2 * 5 * 20 * 18, dtype="i2").reshape(2, 5, 20, 18)
    path = write_fits(tmp_path / "a.fits", cube)
    for plane in (0, 4, 7):
        found = read_window(path, Window(plane=plane, y=3))
        assert (found == cube.reshape(10, 20, 18)[plane, 3:]).all()


def test_colours_of_each_pixel_become_planes(tmp_path: Path) -> None:
    pixels = np.arange(20 * 18 * 3, dtype="i2").reshape(20, 18, 3)
    found = read_window(write_fits(tmp_path / "a.fits", pixels), Window(plane=2))
    assert (found == pixels[..., 2]).all()


def test_an_hdu_is_chosen_by_its_number(tmp_path: Path) -> None:
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(NUMBERS + n * 1000.0) for n in (1, 2))]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    for hdu in (1, 2):
        found = read_window(tmp_path / "a.fits", Window(hdu=hdu))
        assert (found == NUMBERS + hdu * 1000.0).all()


@pytest.mark.parametrize("step", [1, 2, 4, 8, 64])
@pytest.mark.parametrize("blank", [False, True])
def test_binned_values_are_means_of_what_is_not_blank(
    tmp_path: Path, step: int, blank: bool
) -> None:
    pixels = noise(45, 61)
    if blank:
        pixels[5:20, 7:40] = np.nan
    found = read_window(write_fits(tmp_path / "a.fits", pixels), Window(x=3, y=2, bin=step))
    np.testing.assert_allclose(found, blocks(pixels[2:, 3:], step), rtol=1e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
def test_binning_leaves_no_pixel_out(height: int, width: int, step: int) -> None:
    pixels = np.random.default_rng(height * width).normal(0, 1, (height, width))
    found = bin_mean(pixels, step)
    assert found.shape == (-(-height // step), -(-width // step))
    np.testing.assert_allclose(found, blocks(pixels, step), atol=1e-9)


def test_tiles_are_parts_of_the_whole_also_beyond_one_piece(tmp_path: Path) -> None:
    pixels = noise(700, 900)
    path = write_fits(tmp_path / "a.fits", pixels)
    whole = read_window(path, Window(bin=4))
    tile = read_window(path, Window(x=400, y=200, width=400, height=300, bin=4))
    np.testing.assert_array_equal(tile, whole[50:125, 100:200])


@pytest.mark.parametrize("mosaic", ["RGGB", "GRBG"])
@pytest.mark.parametrize("step", [1, 2, 8])
def test_one_colour_of_a_mosaic_is_seen_by_itself(tmp_path: Path, mosaic: str, step: int) -> None:
    levels = {"R": 100, "G": 200, "B": 400}
    pixels = np.zeros((40, 44), "i2")
    for place, letter in enumerate(mosaic):
        pixels[place // 2 :: 2, place % 2 :: 2] = levels[letter]
    path = write_fits(tmp_path / "a.fits", pixels, BAYERPAT=mosaic)
    for colour, letter in (("red", "R"), ("green", "G"), ("blue", "B")):
        window = Window(x=5, y=3, width=20, height=24, bin=step, colour=colour)
        assert (read_window(path, window) == levels[letter]).all()


def detector(path: Path) -> NDArray[np.float64]:
    """Write a detector of 60 x 40 pixels with four amplifiers, two of them turned; return it."""
    whole = np.arange(40 * 60, dtype="f8").reshape(40, 60)
    hdus: list[Any] = [fits.PrimaryHDU()]
    for x, y in ((0, 0), (30, 0), (0, 20), (30, 20)):
        own = whole[y : y + 20, x : x + 30]
        xs, ys = f"{x + 1}:{x + 30}", f"{y + 1}:{y + 20}"
        if x:
            own, xs = own[:, ::-1], f"{x + 30}:{x + 1}"
        if y:
            own, ys = own[::-1], f"{y + 20}:{y + 1}"
        # Eight columns of overscan stand before the sky.
        stored = np.concatenate([np.full((20, 8), 7.0), own], axis=1)
        hdu = fits.ImageHDU(stored.astype("f4"))
        hdu.header["DATASEC"] = "[9:38,1:20]"
        hdu.header["DETSEC"] = f"[{xs},{ys}]"
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return whole


@pytest.mark.parametrize("box", [(0, 0, 60, 40), (25, 15, 12, 11), (31, 3, 8, 30), (0, 39, 60, 1)])
def test_amplifiers_are_put_together_without_changing_a_value(
    tmp_path: Path, box: tuple[int, int, int, int]
) -> None:
    whole = detector(tmp_path / "a.fits")
    x, y, width, height = box
    found = read_window(tmp_path / "a.fits", Window(x=x, y=y, width=width, height=height))
    assert (found == whole[y : y + height, x : x + width]).all()


def test_a_detector_is_one_entry_more_and_its_amplifiers_stay(tmp_path: Path) -> None:
    detector(tmp_path / "a.fits")
    view, hdus = view_of(tmp_path / "a.fits", None)
    assert [hdu["kind"] for hdu in hdus] == ["header", *["image"] * 4, "detector"]
    assert hdus[-1]["shape"] == [40, 60]
    assert view.hdu == 5
    assert view_of(tmp_path / "a.fits", 5)[0].pixels.width == 60
    assert read_window(tmp_path / "a.fits", Window(hdu=2)).shape == (20, 38)


@pytest.mark.parametrize(
    ("window", "field"),
    [
        (Window(hdu=3), "hdu"),
        (Window(hdu=1), "hdu"),
        (Window(plane=1), "plane"),
        (Window(x=40), "x"),
        (Window(y=30), "y"),
        (Window(x=39, width=2), "width"),
        (Window(height=31), "height"),
        (Window(width=0), "width"),
        (Window(colour="red"), "colour"),
        (Window(hdu=10**18), "hdu"),
        (Window(x=2**62, width=2**62), "x"),
    ],
)
def test_what_the_image_does_not_have_names_its_field(
    tmp_path: Path, window: Window, field: str
) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.5])])
    fits.HDUList([fits.PrimaryHDU(NUMBERS), table]).writeto(tmp_path / "a.fits")
    with pytest.raises(WrongRequest) as refused:
        read_window(tmp_path / "a.fits", window)
    assert refused.value.field == field


def test_more_values_than_are_sent_have_to_be_binned(tmp_path: Path) -> None:
    path = declare(tmp_path / "a.fits", 8, 3000, 3000, kept_bytes=9_002_880)
    with pytest.raises(WrongRequest, match="bin more"):
        read_window(path, Window())
    assert read_window(path, Window(bin=2)).shape == (1500, 1500)


@pytest.mark.parametrize("sides", [(200_000, 200_000), (300, 300, 10**6), (2**40, 2**40)], ids=str)
def test_more_pixels_than_a_file_has_are_never_looked_for(
    tmp_path: Path, sides: tuple[int, ...]
) -> None:
    path = declare(tmp_path / "a.fits", -64, *sides)
    with pytest.raises(FrameError):
        read_window(path, Window(width=10, height=10))


@pytest.mark.parametrize("content", [b"", b"no FITS", b"SIMPLE  =", b"\x1f\x8b broken"], ids=repr)
def test_what_is_no_image_is_an_error_of_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    with pytest.raises(FrameError):
        read_window(path, Window())


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", NUMBERS.astype("i2"))
    assert read_window(path, Window(bin=4))[0, 0] == NUMBERS[:4, :4].mean()
    path.unlink()
    write_fits(path, (NUMBERS[::-1] + 5000).astype("f4"))
    assert read_window(path, Window(width=1, height=1))[0, 0] == NUMBERS[-1, 0] + 5000
    assert read_window(path, Window(bin=4))[0, 0] == (NUMBERS[::-1][:4, :4] + 5000).mean()


def test_a_written_window_says_its_shape_first(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", NUMBERS.astype("i2"))
    write_window(path, tmp_path / "out", Window(x=1, width=7, height=3))
    written = (tmp_path / "out").read_bytes()
    assert SHAPE.unpack(written[: SHAPE.size]) == (3, 7)
    found = np.frombuffer(written[SHAPE.size :], "<f4").reshape(3, 7)
    assert (found == NUMBERS[:3, 1:8]).all()
