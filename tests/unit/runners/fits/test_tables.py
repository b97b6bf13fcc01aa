"""Tables in FITS files as CSV, for display."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from runners.fits import tables
from runners.fits.files import FrameError
from runners.fits.tables import table_csv
from tests.fakes.sky import declare, noise, write_fits


def rows_of(path: Path) -> list[list[str]]:
    table_csv(path, path.with_suffix(".csv"))
    return list(csv.reader(path.with_suffix(".csv").read_text("utf-8").splitlines()))


def light_curve(path: Path, count: int = 3) -> Path:
    columns: list[Any] = [
        fits.Column("TIME", "D", "d", array=np.arange(count) + 2459000.5),
        fits.Column("FLUX", "E", array=np.array([0.1, np.nan, 3] * count)[:count]),
        fits.Column("QUALITY", "J", null=-1, array=np.array([0, -1, 7] * count)[:count]),
        fits.Column("NAME", "4A", array=np.array(["a,b", "ü", ""] * count)[:count]),
        fits.Column("PIXELS", "5E", array=np.zeros((count, 5))),
    ]
    columns[3] = fits.Column("NAME", "4A", array=np.array(["a,b", "c", ""] * count)[:count])
    other = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    curve = fits.BinTableHDU.from_columns(columns, name="LIGHTCURVE")
    fits.HDUList([fits.PrimaryHDU(), other, curve]).writeto(path)
    return path


def test_a_light_curve_is_taken_before_other_tables(tmp_path: Path) -> None:
    assert rows_of(light_curve(tmp_path / "lc.fits")) == [
        ["TIME", "FLUX", "QUALITY", "NAME", "PIXELS"],
        ["2459000.5", "0.1", "0", "a,b", "[5 values]"],
        ["2459001.5", "", "", "c", "[5 values]"],
        ["2459002.5", "3.0", "7", "", "[5 values]"],
    ]


def test_a_table_of_text_is_read_too(tmp_path: Path) -> None:
    column = fits.Column("mag", "F8.3", array=np.array([1.5, 2.25]))
    fits.TableHDU.from_columns([column]).writeto(tmp_path / "a.fits")

    assert rows_of(tmp_path / "a.fits") == [["mag"], ["1.5"], ["2.25"]]


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[])]).writeto(tmp_path / "a.fits")

    assert rows_of(tmp_path / "a.fits") == [["x"]]


def test_a_long_table_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = light_curve(tmp_path / "lc.fits", 500)
    monkeypatch.setattr(tables, "MOST_ROWS", 100)
    assert len(rows_of(path)) == 101
    monkeypatch.setattr(tables, "MOST_CSV_BYTES", 200)
    assert 2 < len(rows_of(path)) < 10


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("image", "holds no table"), ("short", "is cut short"), ("text", "is not a FITS file")],
)
def test_what_has_no_table_is_named(tmp_path: Path, kind: str, problem: str) -> None:
    path = tmp_path / "a.fits"
    if kind == "image":
        write_fits(path, noise())
    elif kind == "text":
        path.write_text("words")
    else:
        light_curve(path, 5000)
        path.write_bytes(path.read_bytes()[:-100_000])
    with pytest.raises(FrameError, match=problem):
        table_csv(path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_an_absurd_table_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = light_curve(tmp_path / "lc.fits")
    whole = path.read_bytes()
    place = whole.rindex(b"NAXIS2  =")
    path.write_bytes(
        whole[:place] + b"NAXIS2  =          99999999999".ljust(80) + whole[place + 80 :]
    )
    with pytest.raises(FrameError, match=r"lc\.fits"):
        table_csv(path, tmp_path / "out.csv")
    assert declare(tmp_path / "b.fits", 8, 9, 9).exists()
