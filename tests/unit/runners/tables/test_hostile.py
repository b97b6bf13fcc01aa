"""Tables that are wrong, huge or hostile cost a sentence, or some rows, and never more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.fits.tables import table_csv, table_json
from runners.tables import summary
from runners.tables.cells import cell
from runners.tables.text import TableError, decoded
from runners.tables.times import date_mjd


def read(folder: Path, data: str | bytes, name: str = "a.csv", **options: Any) -> Any:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    table_json(path, folder / "out.json", options.pop("most_points", 1000), **options)
    return json.loads((folder / "out.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "holds no table"),
        (b"only words", "holds no table"),
        (b"\n\n#comment\n", "holds no table"),
        (b"JD,mag\n2459000.5,12\0\n", "holds NUL characters"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an Excel workbook, not text"),
        (b"PK\x03\x04abc", "is an Excel workbook or another archive"),
        (b"<html><table><tr><td>1</table>", "is XML or HTML"),
        (b'JD,mag\n1,"' + b"2,3\n" * 50_000, "cannot be read after row"),
        (b"[" * 100_000, "is no JSON"),
        (b"# %ECSV 1.0\n# ---\n# datatype: [\n", "cannot be read as ecsv"),
        (b"\xff\xfeJ\0D\0,\0m", "is not valid UTF-16"),
    ],
)
def test_what_is_no_table_is_a_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(TableError, match=f"^a.csv {reason}"):
        read(tmp_path, data)


CURVE = "JD;Mag;Filter\r\n2459000,5;12,5;ä\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_any_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    text = CURVE if encoding != "utf-16-be" else CURVE.replace("ä", "a")
    found = read(tmp_path, text.encode(encoding))["lightcurve"]["points"]
    assert found == [[59000.0, 12.5, None, "a" if encoding == "utf-16-be" else "ä", False]]


def test_encodings_may_be_mixed(tmp_path: Path) -> None:
    data = b"MJD,mag,filter\n59000,12,\xe4\n59001,12,\xc3\xa4\n59002,12,\x81\n"
    points = read(tmp_path, data)["lightcurve"]["points"]
    assert [point[3] for point in points] == ["ä", "ä", "\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(tmp_path: Path, ends: str) -> None:
    found = read(tmp_path, f"MJD,mag{ends}59000,12{ends}59001,13")
    assert [point[1] for point in found["lightcurve"]["points"]] == [12.0, 13.0]


def test_formulas_markup_and_direction_marks_stay_text(tmp_path: Path) -> None:
    text = (
        "MJD,mag,filter\n59000,12,<script>alert(1)</script>\n59001,=1+1,V\n"
        "59002,12,\N{RIGHT-TO-LEFT OVERRIDE}V\n59003,12,=cmd|' /C calc'!A0\n"
    )
    found = read(tmp_path, text)
    assert found["rows"][2] == ["59002", "12", " V"]
    assert [point[3] for point in found["lightcurve"]["points"]] == [
        "<script>alert(1)</script>",
        None,
        "=cmd|' /C calc'!A0",
    ]
    assert found["lightcurve"]["left_out"] == [
        {"reason": "not a valid magnitude", "count": 1, "rows": [2]},
        {"reason": "not a valid filter", "count": 1, "rows": [3]},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MJD,mag\n59000,12\n59001,bright\n", "row 2, column mag: 'bright' is not a valid magn"),
        ("MJD,mag,err\n59000,12,wide\n", "row 1, column err: 'wide' is not a valid error"),
        ("date,mag\n2020-01-01T00:00,12\n2020-13-01,12\n", "row 2, column date: '2020-13-01'"),
        ("MJD,mag,band\n59000,12,\x07\n", "row 1, column band: '.x07' is not a valid filter"),
        ("time,mag\n1.5,12\n", "does not tell from when its times count"),
        ("a,b\n1,2\n", "has no column of times, or none of magnitudes or fluxes"),
        ("MJD,mag\n59000,\n", "has no measurement"),
        ("MJD,mag\n" + "59000,12\n" * 7, "has more than 5 measurements"),
    ],
)
def test_an_import_is_all_or_a_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=f"^a.csv,? {message}"):
        read(tmp_path, text, most_points=5, strict=True)


def test_many_rows_are_thinned_and_more_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{59000 + number / 100:.2f},12.5\n" for number in range(1_000))
    found = read(tmp_path, f"MJD,mag\n{rows}", most_points=90)["lightcurve"]
    assert (found["count"], found["step"], len(found["points"])) == (1000, 12, 84)
    assert not found["cut"]
    monkeypatch.setattr(summary, "MOST_CURVE_ROWS", 400)
    found = read(tmp_path, f"MJD,mag\n{rows}")["lightcurve"]
    assert (found["count"], found["cut"]) == (400, True)


def test_reading_ends_when_it_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "READ_SECONDS", -1.0)
    found = read(tmp_path, "MJD,mag\n" + "59000,12\n" * 5_000)["lightcurve"]
    assert (found["count"], found["cut"]) == (1_000, True)


def test_ten_thousand_columns_are_read_as_far_as_they_matter(tmp_path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(10_000))
    cells = ",".join(["1.5"] * 10_000)
    found = read(tmp_path, f"MJD,mag,{names}\n" + f"59000,12,{cells}\n" * 5)
    assert len(found["columns"]) == len(found["rows"][0]) == 200
    assert len(found["lightcurve"]["points"]) == 5


def test_rows_may_be_short_or_long(tmp_path: Path) -> None:
    found = read(tmp_path, "MJD,mag,err\n59000,12\n59001\n59002,13,0.1,5,6\n,,\n")["lightcurve"]
    assert [point[1:3] for point in found["points"]] == [[12.0, None], [13.0, 0.1]]
    assert found["left_out"] == [{"reason": "no magnitude", "count": 1, "rows": [2]}]


def tess(folder: Path, count: int) -> Path:
    times = np.arange(count) / 720 + 2001.25
    times[1] = np.nan
    columns = [
        fits.Column("TIME", "D", "BJD - 2457000, days", array=times),
        fits.Column("SAP_FLUX", "E", "e-/s", array=np.full(count, 990.0)),
        fits.Column("PDCSAP_FLUX", "E", "e-/s", array=np.full(count, 1000.125)),
        fits.Column("PDCSAP_FLUX_ERR", "E", "e-/s", array=np.full(count, 0.1)),
        fits.Column("APERTURE", "5J", array=np.zeros((count, 5))),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="LIGHTCURVE")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(folder / "lc.fits")
    return folder / "lc.fits"


def test_a_light_curve_of_tess_is_flux_over_time(tmp_path: Path) -> None:
    table_json(tess(tmp_path, 400), tmp_path / "out.json", 1000)
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert found["rows"][0] == ["2001.25", "990.0", "1000.125", "0.1", "[5 values]"]
    curve = found["lightcurve"]
    assert (curve["quantity"], curve["value"], curve["count"]) == ("flux", "PDCSAP_FLUX", 399)
    assert curve["points"][0] == [59000.75, 1000.125, 0.1, None, False]
    assert curve["left_out"] == [{"reason": "no time", "count": 1, "rows": [2]}]
    assert curve["points"][-1][0] == pytest.approx(59000.75 + 399 / 720)


def test_an_import_of_too_large_a_table_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tess(tmp_path, 1_200)
    rows = "JD,mag\n" + "2459000.5,12\n" * 1_200
    with monkeypatch.context() as patched:
        patched.setattr(summary, "_read", None)
        with pytest.raises(TableError, match=r"^a\.csv has more than 400 measurements"):
            read(tmp_path, rows, most_points=400, strict=True)
        with pytest.raises(TableError, match=r"^lc\.fits has more than 400 measurements"):
            table_json(path, tmp_path / "out.json", 400, True)
    with pytest.raises(TableError, match=r"^lc\.fits has more than 1,000 measurements"):
        table_json(path, tmp_path / "out.json", 1_000, True)


def test_a_text_is_written_as_csv_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# a title\nJD;mag\n2459000,5;12,5\n")
    table_csv(tmp_path / "a.txt", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == 'JD,mag\n"2459000,5","12,5"\n'


@settings(deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: f"JD,mag,filter\n{text}".encode())
    | st.text("0123456789.,;-+<># \t\n|'\"eE:/", max_size=300).map(str.encode)
)
def test_any_bytes_are_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for strict in (False, True):
        refused = ""
        try:
            read(folder, data, strict=strict)
        except ValueError as error:
            refused = str(error)
        assert not refused or refused.startswith("a.csv")


@given(st.text(max_size=60))
def test_any_cell_and_date_are_read(text: str) -> None:
    found = cell(text)
    assert found.number is None or abs(found.number) < float("inf")
    assert date_mjd(text) is None or isinstance(date_mjd(text), float)
    assert isinstance(cell(text, decimal_comma=True).wrong, bool)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_text_with_a_mark_is_decoded(text: str) -> None:
    assert decoded(text.encode("utf-8-sig"), "a") == text
    assert decoded(text.encode("utf-16"), "a") == text
