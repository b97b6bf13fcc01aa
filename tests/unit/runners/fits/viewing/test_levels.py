"""Statistics and histograms are those that numpy finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from runners.fits.viewing.description import description, write_description
from tests.fakes.sky import noise, write_fits

KEYS = {"hdus", "hdu", "width", "height", "planes", "bayer", "row_order", "wcs"}


def sky(kind: str) -> NDArray[Any]:
    return (noise(300, 400) * 3).astype(kind)


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_statistics_are_those_of_all_pixels(tmp_path: Path, kind: str) -> None:
    pixels = sky(kind)
    found = description(write_fits(tmp_path / "a.fits", pixels))
    statistics, exact = found["statistics"], pixels.astype("f8")
    assert statistics["pixels"] == pixels.size
    assert (statistics["min"], statistics["max"]) == (exact.min(), exact.max())
    assert statistics["mean"] == pytest.approx(exact.mean(), rel=1e-6)
    assert statistics["sigma"] == pytest.approx(exact.std(), rel=1e-5)
    assert statistics["median"] == pytest.approx(np.median(exact), rel=1e-6)
    for percent, value in statistics["percentiles"].items():
        assert value == pytest.approx(np.percentile(exact, float(percent)), rel=1e-6)


@pytest.mark.parametrize("kind", ["i2", "f4"])
def test_a_histogram_counts_every_pixel_once(tmp_path: Path, kind: str) -> None:
    pixels = sky(kind)
    found = description(write_fits(tmp_path / "a.fits", pixels))["histogram"]
    assert sum(found["counts"]) + found["below"] + found["above"] == found["pixels"] == pixels.size
    expected, _ = np.histogram(pixels.astype("f8"), 256, (found["from"], found["to"]))
    assert found["counts"] == expected.tolist()


def test_of_many_numbers_a_sample_is_ranked(tmp_path: Path) -> None:
    pixels = noise(1200, 1500)
    statistics = description(write_fits(tmp_path / "a.fits", pixels))["statistics"]
    assert statistics["max"] == pixels.max()
    assert statistics["sigma"] == pytest.approx(pixels.std(dtype="f8"), rel=1e-6)
    assert statistics["median"] == pytest.approx(np.median(pixels), abs=0.2)


def test_blanks_do_not_count(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.array([[1, 2, 3], [-9, -9, 6]], "i2"))
    hdu.header["BLANK"] = -9
    hdu.writeto(tmp_path / "a.fits")
    found = description(tmp_path / "a.fits")["statistics"]
    assert (found["pixels"], found["min"], found["max"], found["median"]) == (4, 1, 6, 2.5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_of_blanks_has_no_levels(tmp_path: Path, value: float) -> None:
    found = description(write_fits(tmp_path / "a.fits", np.full((20, 20), value, "f4")))
    assert found["statistics"] is None
    assert found["histogram"] is None


@pytest.mark.parametrize("value", [0, 5, 30000])
@pytest.mark.parametrize("kind", ["i2", "f4"])
def test_an_even_image_has_a_histogram_too(tmp_path: Path, value: int, kind: str) -> None:
    found = description(write_fits(tmp_path / "a.fits", np.full((20, 20), value, kind)))
    histogram = found["histogram"]
    assert histogram["from"] < value < histogram["to"]
    assert sum(histogram["counts"]) == 400
    assert found["statistics"]["sigma"] == 0


def test_a_description_has_all_that_was_promised(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", sky("i2"), ROWORDER="TOP-DOWN", BAYERPAT="GRBG")
    write_description(path, tmp_path / "out")
    found = json.loads((tmp_path / "out").read_text())
    assert found.keys() > KEYS
    assert (found["width"], found["height"], found["planes"]) == (400, 300, 1)
    assert (found["row_order"], found["bayer"]) == ("TOP-DOWN", "GRBG")
    assert found["wcs"] is None
    assert found["hdus"] == [{"index": 0, "name": "PRIMARY", "kind": "image", "shape": [300, 400]}]


@pytest.mark.parametrize("value", [1e200, 1.7e308, 1e-318])
def test_numbers_near_the_limits_of_what_a_file_can_hold_have_levels(
    tmp_path: Path, value: float
) -> None:
    pixels = np.zeros((900, 600))  # more than are added up at a time
    pixels[:300], pixels[300:600] = value, -value
    found = description(write_fits(tmp_path / "a.fits", pixels))
    assert found["statistics"]["max"] == value
    assert found["statistics"]["pixels"] == pixels.size
    histogram = found["histogram"]
    counted = sum(histogram["counts"]) + histogram["below"] + histogram["above"]
    assert counted == histogram["pixels"] > 0
