"""Pixels read without astropy are those that astropy reads, and no others are read so."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from runners.fits import images
from runners.fits.files import FrameError
from runners.fits.images import find_frame, read_frame, read_science
from runners.fits.raw_pixels import HEADER_BYTES, plain_primary
from tests.fakes.sky import noise, write_fits


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "f4"])
def test_plain_pixels_are_those_that_astropy_reads(tmp_path: Path, kind: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 2 ** (8 * int(kind[1]) - 1), (40, 64))
    path = write_fits(tmp_path / "a.fits", pixels.astype(kind))
    frame = find_frame(path)

    assert frame.plain is not None
    np.testing.assert_array_equal(read_frame(frame), fits.getdata(path).astype(np.float32))


@pytest.mark.parametrize("kind", ["u1", "i2", "u2"])
def test_whole_numbers_can_stay_as_they_are_stored(tmp_path: Path, kind: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 2 ** (8 * int(kind[1]) - 1), (40, 64))
    frame = find_frame(write_fits(tmp_path / "a.fits", pixels.astype(kind)))
    image = read_science(frame, as_stored=True)

    assert image.pixels.dtype.kind in "iu"
    np.testing.assert_array_equal(image.zero + image.pixels.astype(np.float64), read_frame(frame))


def test_other_numbers_do_not_stay_as_they_are_stored(tmp_path: Path) -> None:
    for name, pixels, cards in (
        ("float", noise().astype(">f4"), {}),
        ("blank", noise().astype("i2"), {"BLANK": 300}),
    ):
        path = write_fits(tmp_path / f"{name}.fits", pixels, **cards)
        assert read_science(find_frame(path), as_stored=True).pixels.dtype == np.float32


def test_plain_pixels_of_a_later_hdu_are_found(tmp_path: Path) -> None:
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((3, 32, 32), "f4")), fits.ImageHDU(noise())]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    frame = find_frame(tmp_path / "a.fits")

    assert frame.plain is not None
    np.testing.assert_array_equal(read_frame(frame), noise())


@pytest.mark.parametrize(
    "cards",
    [
        {"BSCALE": 0.5},
        {"BZERO": 100},
        {"BZERO": "32768"},
        {"BZERO": 32768.5},
        {"BLANK": 300},
    ],
)
def test_what_is_scaled_or_has_blanks_is_left_to_astropy(
    tmp_path: Path, cards: dict[str, object]
) -> None:
    path = write_fits(tmp_path / "whole.fits", noise().astype("i2"))
    with fits.open(path, "update") as hdus:
        hdus[0].header.update(cards)

    assert find_frame(path).plain is None


@pytest.mark.parametrize("kind", ["i4", "i8", "f8"])
def test_what_float32_does_not_hold_is_left_to_astropy(tmp_path: Path, kind: str) -> None:
    assert find_frame(write_fits(tmp_path / "a.fits", noise().astype(kind))).plain is None


def test_what_is_packed_is_left_to_astropy(tmp_path: Path) -> None:
    plain = write_fits(tmp_path / "a.fits", noise())
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    fits.CompImageHDU(noise().astype("i2")).writeto(tmp_path / "a.fits.fz")

    assert find_frame(packed).plain is None
    assert find_frame(tmp_path / "a.fits.fz").plain is None


def test_a_file_that_shrinks_meanwhile_is_named(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "stored.fits", noise())
    frame = find_frame(path, "mine.fits")
    with path.open("r+b") as file:
        file.truncate(2880 + 4000)

    with pytest.raises(FrameError, match=r"mine\.fits .* of 5,120 pixels only 1,000 are there"):
        read_frame(frame)


def test_a_file_that_goes_meanwhile_is_named(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "stored.fits", noise())
    frame = find_frame(path, "mine.fits")
    path.unlink()

    with pytest.raises(FrameError, match=r"mine\.fits cannot be read: .*No such file"):
        read_frame(frame)


CARDS: list[dict[str, object]] = [
    {},
    {"DATE-OBS": "2026-03-01T22:00:00", "FILTER": "V", "EXPTIME": 30.0},
    {"DATE-OBS": "2026-03-01T22:00:00", "CTYPE1": "RA---TAN", "CDELT1": -1e-4, "CDELT2": 1e-4},
    {"DATE-OBS": "yesterday"},
    {"MJD-OBS": 61_100.5, "EXPTIME": "long", "FILTER": 3},
]


@pytest.mark.parametrize("cards", CARDS)
@pytest.mark.parametrize("kind", ["i2", "u2", "f4"])
def test_a_plain_file_is_found_as_astropy_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cards: dict[str, object], kind: str
) -> None:
    image = fits.PrimaryHDU(noise().astype(kind), fits.Header(cards))
    later = fits.ImageHDU(header=fits.Header({"DATE-OBS": "2026-03-02"}))
    for count in (1, 2):
        fits.HDUList([image, later][:count]).writeto(tmp_path / f"{count}.fits")
    found = [find_frame(tmp_path / name) for name in ("1.fits", "2.fits")]
    monkeypatch.setattr(images, "plain_primary", lambda _: None)

    assert found == [find_frame(tmp_path / name) for name in ("1.fits", "2.fits")]


def test_a_header_longer_than_is_looked_at_is_left_to_astropy(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())
    with fits.open(path, "update") as hdus:
        for number in range(HEADER_BYTES // 80):
            hdus[0].header.add_history(f"step {number}")

    assert plain_primary(path) is None
    np.testing.assert_array_equal(read_frame(find_frame(path)), noise())


def test_a_card_that_cannot_be_read_ends_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fits(tmp_path / "a.fits", noise(), FILTER="V")
    card = b"FILTER  = 'V       '"
    whole = path.read_bytes()
    assert card in whole
    path.write_bytes(whole.replace(card, b"FILTER  = 'V \x07     '"))
    said = []
    for _ in range(2):
        try:
            said.append(str(find_frame(path).kind))
        except FrameError as error:
            said.append(str(error))
        monkeypatch.setattr(images, "plain_primary", lambda _: None)

    assert said[0] == said[1]
