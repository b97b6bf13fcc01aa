"""Synthetic observations: the same each time, valid, and with the faults they promise."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from runners.fits.images import find_frame, read_frame
from runners.fits.metadata import fits_metadata
from runners.synthetic import synthesise_series


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return synthesise_series(tmp_path_factory.mktemp("series"), count=8, size=(90, 110))


def test_the_same_seed_gives_the_same_bytes(series: list[Path], tmp_path: Path) -> None:
    again = synthesise_series(tmp_path / "again", count=8, size=(90, 110))
    other = synthesise_series(tmp_path / "other", count=1, size=(90, 110), seed=14)

    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in series]
    assert other[0].read_bytes() != series[0].read_bytes()


def test_files_are_plain_and_compressed_by_turns(series: list[Path]) -> None:
    assert [path.name for path in series[:3]] == [
        "m13_0001.fits", "m13_0002.fits.fz", "m13_0003.fits",
    ]  # fmt: skip
    assert {find_frame(path).hdu for path in series} == {0, 1}


def test_whole_numbers_unsigned_ones_and_floats_are_all_there(series: list[Path]) -> None:
    kinds = set()
    for path in series:
        with fits.open(path) as hdus:
            kinds.add(hdus[find_frame(path).hdu].data.dtype.newbyteorder("=").str[1:])

    assert kinds == {"i2", "u2", "f4"}


def test_headers_tell_all_facts(series: list[Path]) -> None:
    facts = [fits_metadata(path) for path in series]
    dates = [each["date"] for each in facts if each is not None]

    assert facts[0] == {
        "date": 1774058400.0,
        "exposure": 60.0,
        "filter": "V",
        "instrument": "synthetic",
        "width": 110,
        "height": 90,
    }
    assert np.diff(dates).tolist() == [90.0] * 7


def test_the_wcs_follows_the_cluster(series: list[Path]) -> None:
    for index in (0, 6):
        header = fits.getheader(series[index], find_frame(series[index]).hdu)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y = WCS(header).world_to_pixel_values(250.4235, 36.4613)

        assert (float(x), float(y)) == pytest.approx((55 + 0.35 * index, 45 - 0.2 * index))


def test_the_sky_brightens_towards_dawn(series: list[Path]) -> None:
    skies = [float(np.median(read_frame(find_frame(path)))) for path in series]

    assert skies == sorted(skies)
    assert skies[-1] > skies[0] + 300
