"""Metadata: what headers say, and that no file is bad enough to raise an error."""

from __future__ import annotations

import errno
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runners.fits.metadata import fits_metadata
from tests.fakes.sky import DATE, declare, noise, write_fits

NOTHING = dict.fromkeys(["date", "exposure", "filter", "instrument", "width", "height"])


def test_the_facts_of_an_image_are_told(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise(), EXPTIME=60, FILTER=" V ", INSTRUME="kb26")

    assert fits_metadata(path) == {
        "date": 1772323200.0,
        "exposure": 60.0,
        "filter": "V",
        "instrument": "kb26",
        "width": 80,
        "height": 64,
    }


def test_facts_not_told_are_none(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", None, DATE_OBS="soon", EXPTIME=-1.0, FILTER="")

    assert fits_metadata(path) == NOTHING


def test_an_extension_with_the_image_speaks_before_the_primary_header(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU(header=fits.Header({"FILTER": "none", "INSTRUME": "fa01"}))
    header = fits.Header({"DATE-OBS": DATE, "FILTER": "rp", "EXPOSURE": 2.5})
    image = fits.CompImageHDU(noise(), header)
    fits.HDUList([primary, image]).writeto(tmp_path / "a.fits.fz")
    facts = fits_metadata(tmp_path / "a.fits.fz")

    assert facts is not None
    assert (facts["filter"], facts["instrument"], facts["exposure"]) == ("rp", "fa01", 2.5)
    assert (facts["width"], facts["height"], facts["date"]) == (80, 64, 1772323200.0)


def test_tables_have_dates_but_no_sides(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    primary = fits.PrimaryHDU(header=fits.Header({"DATE-OBS": DATE}))
    fits.HDUList([primary, table]).writeto(tmp_path / "a.fits")

    assert fits_metadata(tmp_path / "a.fits") == NOTHING | {"date": 1772323200.0}


def test_sides_are_told_however_absurd_and_no_data_is_read(tmp_path: Path) -> None:
    facts = fits_metadata(declare(tmp_path / "a.fits", -64, 200_000, 200_000))

    assert facts is not None
    assert (facts["width"], facts["height"]) == (200_000, 200_000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name,ra,dec\n",
        b"\x89PNG\r\n\x1a\n",
        b"\x1f\x8b",
        b"SIMPLE  =",
        b"SIMPLE  =" + b"?" * 10_000,
        gzip.compress(b"SIMPLE  =" + b" " * 10_000, mtime=0)[:-20],
        b"BZh9" + b"?" * 100,
        b"PK\x03\x04" + b"?" * 100,
    ],
)
def test_what_is_no_legible_fits_file_has_no_facts(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.fits").write_bytes(content)

    assert fits_metadata(tmp_path / "a.fits") is None


def test_a_file_that_is_not_there_has_no_facts(tmp_path: Path) -> None:
    assert fits_metadata(tmp_path / "gone.fits") is None


def test_a_full_disk_says_nothing_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fits(tmp_path / "a.fits", noise())
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    def full(*_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    with pytest.raises(OSError, match="No space left on device"):
        fits_metadata(packed)


def test_a_disk_that_fails_says_nothing_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fits(tmp_path / "a.fits", noise())

    def fail(*_options: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(OSError, match="Input/output error"):
        fits_metadata(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2879), junk=st.binary(min_size=1, max_size=80))
def test_no_damage_to_a_header_makes_it_raise(tmp_path: Path, place: int, junk: bytes) -> None:
    path = tmp_path / "a.fits"
    path.unlink(missing_ok=True)
    write_fits(path, noise(20, 20).astype("i2"), EXPTIME=60.0, FILTER="V")
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + junk + whole[place + len(junk) :])
    facts = fits_metadata(path)

    if facts is not None:
        json.dumps(facts, allow_nan=False)
