"""Headers as people read them, of files good and bad."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from runners.fits.headers import MOST_CARDS, MOST_CHARACTERS, MOST_HDUS, fits_headers
from tests.fakes.sky import declare, noise, write_fits


def test_cards_come_with_values_and_comments(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["FILTER"] = ("V", "Johnson")
        hdus[0].header["COOLED"] = True
    [hdu] = fits_headers(path)["hdus"]
    assert (hdu["name"], hdu["kind"]) == ("PRIMARY", "image")
    assert ["FILTER", "V", "Johnson"] in hdu["cards"]
    assert ["COOLED", "T", ""] in hdu["cards"]


def test_every_kind_of_hdu_is_named(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.zeros(3))], name="CAT")
    compressed = fits.CompImageHDU(noise().astype("i2"), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), compressed, table]).writeto(tmp_path / "a.fits")
    hdus = fits_headers(tmp_path / "a.fits")["hdus"]
    assert [(hdu["name"], hdu["kind"]) for hdu in hdus] == [
        ("PRIMARY", "header"),
        ("SCI", "compressed image"),
        ("CAT", "table"),
    ]


def test_a_header_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    header = fits.Header()
    for number in range(MOST_CARDS + 50):
        header.add_history(f"step {number}")
    fits.PrimaryHDU(header=header).writeto(tmp_path / "a.fits")
    found = fits_headers(tmp_path / "a.fits")
    assert found["cut"]
    assert len(found["hdus"][0]["cards"]) == MOST_CARDS


def test_hdus_without_end_are_not_read_to_it(tmp_path: Path) -> None:
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU() for _ in range(MOST_HDUS + 5))]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    found = fits_headers(tmp_path / "a.fits")
    assert found["cut"]
    assert len(found["hdus"]) == MOST_HDUS


def test_long_values_are_cut(tmp_path: Path) -> None:
    header = fits.Header({"LONGSTR": "x" * 1000})
    fits.PrimaryHDU(header=header).writeto(tmp_path / "a.fits")
    [hdu] = fits_headers(tmp_path / "a.fits")["hdus"]
    [value] = [value for keyword, value, _ in hdu["cards"] if keyword == "LONGSTR"]
    assert value == "x" * MOST_CHARACTERS


def test_a_card_against_the_standard_is_shown_as_it_is(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())
    content = path.read_bytes()
    bad = b"BROKEN  = 'no end of this text".ljust(80)
    path.write_bytes(content.replace(b"END".ljust(80), bad + b"END".ljust(80), 1)[: len(content)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [hdu] = fits_headers(path)["hdus"]
    assert any("no end of this text" in " ".join(card) for card in hdu["cards"])


def test_nothing_of_the_data_is_touched(tmp_path: Path) -> None:
    path = declare(tmp_path / "a.fits", 200_000, 200_000)
    [hdu] = fits_headers(path)["hdus"]
    assert ["NAXIS1", "200000"] in [card[:2] for card in hdu["cards"]]


@pytest.mark.parametrize("content", [b"", b"words", b"SIMPLE  = ", b"\x1f\x8bnothing"])
def test_what_is_no_fits_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.fits").write_bytes(content)
    with pytest.raises(ValueError, match=r"odd\.fits"):
        fits_headers(tmp_path / "odd.fits")
