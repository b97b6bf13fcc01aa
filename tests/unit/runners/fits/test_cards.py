"""Cards: what observatories write, also against the standard, is read; nothing raises an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from runners.fits.cards import Cards, number
from runners.fits.headers import fits_headers
from runners.fits.images import find_frame, read_frame
from runners.fits.metadata import fits_metadata
from tests.fakes.sky import noise, write_fits


def cards(*lines: str | bytes) -> Cards:
    raw = [line.encode() if isinstance(line, str) else line for line in (*lines, "END")]
    return Cards(b"".join(line.ljust(80) for line in raw))


def with_cards(path: Path, *lines: bytes) -> Path:
    """Write a frame in whose header these lines stand before the end, as they are."""
    header = fits.PrimaryHDU(noise()).header.tostring(padding=False).encode()
    whole = header[:-80] + b"".join(line.ljust(80) for line in (*lines, b"END"))
    data = noise().astype(">f4").tobytes()
    path.write_bytes(whole.ljust(-(-len(whole) // 2880) * 2880) + data.ljust(23040, b"\0"))
    return path


@pytest.mark.parametrize(
    ("line", "value", "comment"),
    [
        ("EXPTIME =                 30.5 / s", 30.5, "s"),
        ("EXPTIME =                 30,5 / s", 30.5, "s"),
        ("EXPTIME = 30,5/ s", 30.5, "s"),
        ("EXPTIME = 1.5D2", 150.0, ""),
        ("exptime = 7", 7, ""),
        ("EXPTIME =", None, ""),
        ("EXPTIME = / seconds", None, "seconds"),
        ("EXPTIME = T", True, ""),
        ("EXPTIME = 'it''s / 3  ' / a / b", "it's / 3", "a / b"),
        ("EXPTIME = 'not closed", "not closed", ""),
        ("EXPTIME = 2025/03/04", "2025/03/04", ""),
        ("EXPTIME = a word / why", "a word", "why"),
        ("EXPTIME = 'M\t31'", "M\t31", ""),
        ("EXPTIME = 'Müller' / größer", "Müller", "größer"),
        ("EXPTIME = 'Müller'".encode("latin-1"), "Müller", ""),
        ("EXPTIME =1", 1, ""),
        ("EXPTIME = " + "9" * 70, "9" * 70, ""),
    ],
)
def test_each_card_has_the_value_that_was_meant(
    line: str | bytes, value: object, comment: str
) -> None:
    read = cards(line)
    if value == "9" * 70:
        value = int("9" * 70)

    assert read["EXPTIME"] == value
    assert read.card(0) == ("EXPTIME", value, comment)


def test_of_equal_cards_the_first_that_is_not_blank_counts() -> None:
    read = cards("OBJECT  = ''", "OBJECT  = 'M 13'", "OBJECT  = 'M 31'", "FILTER  = ''")

    assert (read["OBJECT"], read["FILTER"]) == ("M 13", "")


def test_long_texts_and_long_keywords_are_read() -> None:
    read = cards(
        "TEXT    = 'begun &'",
        "CONTINUE  'and ended' / why",
        "HIERARCH ESO INS FILT1 NAME = 'V' / f",
    )

    assert read["TEXT"] == "begun and ended"
    assert read["ESO INS FILT1 NAME"] == "V"
    assert [card.keyword for card in read.first(9)] == ["TEXT", "ESO INS FILT1 NAME"]


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    read = Cards(b"EXPTIME = " + raw)
    for keyword in read:
        assert read[keyword] is None or number(read[keyword]) is not False
    assert len(read.first(5)) <= 5


def test_what_astropy_reads_is_read_alike() -> None:
    header = fits.Header(
        [("A", 1, "one"), ("B", -2.5e-7, "two"), ("C", True), ("D", "it's / so", "x"), ("E", None)]
    )
    header["F"] = "long " * 30
    read = Cards(header.tostring().encode())

    for keyword in "ABCDF":
        expected = header[keyword]
        assert read[keyword] == (expected.rstrip() if isinstance(expected, str) else expected)
    assert read["E"] is None


BAD_CARDS = {
    "comma": b"EXPTIME = 30,5",
    "tab": b"OBJECT  = 'M\t31 core'",
    "bell": b"FILTER  = 'V \x07     '",
    "latin-1": "OBSERVER= 'Jürgen'".encode("latin-1"),
    "no value": b"FOCUS   = ???",
    "lower case": b"object  = 'm31'",
    "no equals": b"JUSTTEXT whatever that is",
    "nul": b"OBJECT  = 'M31\0\0'",
}


@pytest.mark.parametrize("kind", BAD_CARDS)
def test_a_bad_card_costs_neither_the_facts_nor_the_picture(tmp_path: Path, kind: str) -> None:
    lines = [BAD_CARDS[kind], b"DATE-OBS= '2026-03-01T00:00:00'", b"INSTRUME= 'kb26'"]
    path = with_cards(tmp_path / "a.fits", *lines)
    facts = fits_metadata(path)

    assert facts is not None
    assert (facts["date"], facts["instrument"], facts["width"]) == (1772323200.0, "kb26", 80)
    assert facts["exposure"] == (30.5 if kind == "comma" else None)
    np.testing.assert_array_equal(read_frame(find_frame(path)), noise())
    [hdu] = fits_headers(path)["hdus"]
    assert ["INSTRUME", "kb26", ""] in hdu["cards"]
    assert len(hdu["cards"]) >= 8


@pytest.mark.parametrize(
    ("card", "line"),
    [
        (b"BSCALE  =", b"BSCALE  = 1,0"),
        (b"BZERO   =", b"BZERO   = 32768,000"),
        (b"BSCALE  =", b"BSCALE  = one"),
        (b"BSCALE  =", b"BSCALE  = 1E999"),
        (b"EXTNAME =", "EXTNAME = 'Jürgen'".encode("latin-1")),
        (b"EXTNAME =", b"EXTNAME = 'SCI\t'"),
        (b"EXTVER  =", b"EXTVER  = 1,5"),
        (b"EXTEND  =", b"EXTEND  = yes"),
    ],
)
def test_cards_that_astropy_always_reads_cost_only_themselves(
    tmp_path: Path, card: bytes, line: bytes
) -> None:
    image = fits.ImageHDU(noise().astype("u2"), name="SCI")
    image.header["EXTVER"] = 1
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits")
    whole = (tmp_path / "a.fits").read_bytes()
    place = whole.index(card)
    (tmp_path / "a.fits").write_bytes(whole[:place] + line.ljust(80) + whole[place + 80 :])

    np.testing.assert_array_equal(read_frame(find_frame(tmp_path / "a.fits")), noise().astype("u2"))
    assert len(fits_headers(tmp_path / "a.fits")["hdus"]) == 2
    assert fits_metadata(tmp_path / "a.fits") is not None


def test_text_in_headers_is_shown_as_it_was_written(tmp_path: Path) -> None:
    lines = [
        "OBSERVER= 'Jürgen'".encode("latin-1"),
        "SITE    = 'Teide ☾'".encode(),
        b"OBJECT  = 'a\tb'",
    ]
    path = with_cards(tmp_path / "a.fits", *lines)
    [hdu] = fits_headers(path)["hdus"]

    assert ["OBSERVER", "Jürgen", ""] in hdu["cards"]
    assert ["SITE", "Teide ☾", ""] in hdu["cards"]
    assert ["OBJECT", "a b", ""] in hdu["cards"]


def test_a_compressed_image_is_shown_with_the_cards_of_the_image(tmp_path: Path) -> None:
    hdu = fits.CompImageHDU(noise().astype("i2"), fits.Header({"FILTER": "V"}))
    hdu.writeto(tmp_path / "a.fits.fz")
    shown = {card[0]: card[1] for card in fits_headers(tmp_path / "a.fits.fz")["hdus"][1]["cards"]}

    assert (shown["NAXIS1"], shown["BITPIX"], shown["FILTER"]) == ("80", "16", "V")
    assert not {"ZNAXIS1", "TFORM1", "ZCMPTYPE"} & set(shown)


@pytest.mark.parametrize("value", ["30.0", "30,0", " 30 ", "30 s", "30.0s", "30sec", 30, "3D1"])
def test_numbers_are_read_in_texts(value: object, tmp_path: Path) -> None:
    assert number(value) == 30.0
    assert fits_metadata(write_fits(tmp_path / "a.fits", noise(), EXPTIME=value))["exposure"] == 30


@pytest.mark.parametrize("value", [True, None, "", "thirty", "1 2 3", [3], "T"])
def test_what_is_no_number_is_none(value: object) -> None:
    assert number(value) is None


def test_a_keyword_that_is_not_there_has_the_default() -> None:
    cards = Cards(b"GAIN    = 2".ljust(80) + b"FILTER  =".ljust(80) + b"END".ljust(80))

    assert cards.get("GAIN", 1) == 2
    assert cards.get("FILTER", "V") is None  # it is there, but has no value
    assert (cards.get("OFFSET"), cards.get("OFFSET", 0)) == (None, 0)
    assert "FILTER" in cards
    assert "OFFSET" not in cards
