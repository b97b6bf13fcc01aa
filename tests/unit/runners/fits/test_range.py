"""Numbers that float32 does not hold as they are, and blanks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from runners.fits.images import find_frame, read_frame, read_science
from tests.fakes.sky import noise, write_fits


@pytest.mark.parametrize("factor", [1e-300, 1e-43, 1e-12, 1.0, 1e15, 1e36, 1e290])
def test_the_range_of_float64_is_kept(tmp_path: Path, factor: float) -> None:
    pixels = noise().astype("f8") * factor
    image = read_science(find_frame(write_fits(tmp_path / "a.fits", pixels)))

    np.testing.assert_allclose(
        image.zero + image.unit * image.pixels.astype("f8"), pixels, rtol=1e-5
    )
    assert np.isfinite(image.pixels.astype("f4") ** 2).all()


@pytest.mark.parametrize("kind", ["f8", "i4"])
def test_small_differences_of_large_numbers_are_kept(tmp_path: Path, kind: str) -> None:
    pixels = (noise().astype("f8") + 1_000_000_000).astype(kind)
    image = read_science(find_frame(write_fits(tmp_path / "a.fits", pixels)))

    assert image.unit == 1.0
    np.testing.assert_allclose(image.zero + image.pixels.astype("f8"), pixels, atol=0.001)
    assert image.pixels.std() == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("factor", [1e-36, 1e30])
def test_float32_near_its_limits_is_brought_to_numbers_that_can_be_squared(
    tmp_path: Path, factor: float
) -> None:
    pixels = noise() * np.float32(factor)
    image = read_science(find_frame(write_fits(tmp_path / "a.fits", pixels)))

    assert 1e-18 < np.median(image.pixels) < 1e18
    np.testing.assert_allclose(image.unit * image.pixels.astype("f8"), pixels, rtol=1e-5)


def test_frames_of_a_series_have_one_unit(tmp_path: Path) -> None:
    units = {
        read_science(
            find_frame(write_fits(tmp_path / f"{sky}", noise(sky=sky).astype("f8") * 1e-40))
        ).unit
        for sky in (100.0, 300.0, 900.0)
    }

    assert len(units) == 1


def test_one_absurd_pixel_does_not_hide_the_others(tmp_path: Path) -> None:
    pixels = noise().astype("f8")
    pixels[3, 3], pixels[4, 4] = 1e300, -1e300
    image = read_frame(find_frame(write_fits(tmp_path / "a.fits", pixels)))

    np.testing.assert_allclose(image[10:], pixels[10:], rtol=1e-6)
    assert np.isfinite(image).all()


@pytest.mark.parametrize(
    ("kind", "zero", "blank"), [("i2", 32768, -32768), ("i2", 0, 5), ("i4", 2147483648, -1)]
)
@pytest.mark.parametrize("compressed", [False, True])
def test_blanks_are_nan_in_unsigned_images_too(
    tmp_path: Path, kind: str, zero: int, blank: int, compressed: bool
) -> None:
    stored = (noise().astype("i4") - 300).astype(kind)
    stored[stored == blank] = 0
    stored[5:9, 7:20] = blank
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BZERO"], hdu.header["BSCALE"], hdu.header["BLANK"] = zero, 1, blank
    path = tmp_path / "a.fits"
    hdu.writeto(path)
    if compressed:
        with fits.open(path, do_not_scale_image_data=True) as hdus:
            packed = fits.CompImageHDU(hdus[0].data, hdus[0].header, compression_type="RICE_1")
            packed.header.update({"BZERO": zero, "BLANK": blank})
        path = tmp_path / "a.fits.fz"
        packed.writeto(path)
    image = read_science(find_frame(path))

    np.testing.assert_array_equal(np.isnan(image.pixels), stored == blank)
    there = stored != blank
    np.testing.assert_allclose(
        image.zero + image.pixels[there].astype("f8"), stored[there].astype("f8") + zero, atol=0.01
    )


def test_scaled_integers_are_scaled(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.arange(32 * 32, dtype="i2").reshape(32, 32))
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 10.0
    hdu.writeto(tmp_path / "a.fits")

    np.testing.assert_array_equal(
        read_frame(find_frame(tmp_path / "a.fits")).ravel(), np.arange(1024) * 0.5 + 10
    )
