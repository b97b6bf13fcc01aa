"""The tables of each program and archive give the light curves that their authors meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runners.fits.tables import table_json
from tests.fakes import tables

ONE, TWO, THREE = 59000.75, 59001.0, 59001.25


def light_curve(folder: Path, text: str | bytes, name: str = "a.csv", **options: Any) -> Any:
    """Return the light curve that is read from a text."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    table_json(path, folder / "out.json", options.pop("most_points", 1000), **options)
    return json.loads((folder / "out.json").read_text("utf-8"))["lightcurve"]


MAGNITUDES: dict[str, list[list[Any]]] = {
    "AAVSO_EXTENDED": [
        [ONE, 11.135, 0.003, "V", False],
        [TWO, 14.2, None, "B", True],
        [THREE, 11.2, None, "V", False],
    ],
    "AAVSO_WEBOBS": [
        [ONE, 11.1, None, "Vis.", False],
        [TWO, 13.9, None, "Vis.", True],
        [THREE, 11.15, 0.02, "V", False],
        [59001.75, 11.2, 0.01, "V", False],
    ],
    "ZTF_IRSA": [[ONE, 17.01, 0.02, "g", False], [TWO, 16.52, 0.01, "r", False]],
    "ALERCE": [
        [ONE, 17.01, 0.02, "g", False],
        [TWO, 19.8, None, "r", True],
        [THREE, 16.52, 0.01, "r", False],
    ],
    "ASASSN": [
        [ONE, 13.701, 0.012, "V", False],
        [TWO, 16.9, None, "g", True],
        [THREE, 13.721, 0.012, "g", False],
    ],
    "ASASSN_OLD": [[ONE, 13.701, 0.012, "V", False], [TWO, 16.9, None, "V", True]],
    "SEMICOLON": [[ONE, 11.135, 0.003, None, False], [TWO, 11.2, None, None, False]],
    "ISO_TIMES": [
        [ONE, 11.135, 0.003, None, False],
        [TWO, 11.2, 0.004, None, False],
        [THREE, 11.3, None, None, False],
        [59001.5, 11.4, None, None, False],
    ],
    "DAY_AND_CLOCK": [
        [ONE, 11.135, 0.003, None, False],
        [TWO, 11.2, 0.004, None, False],
        [59001.250005787, 11.3, 0.004, None, False],
    ],
    "NO_HEADER": [[ONE, 11.135, 0.003, "V", False], [TWO, 11.2, 0.004, "R", False]],
    "SENTINELS": [[ONE, 11.135, 0.003, "V", False], [THREE, 11.2, None, "V", False]],
    "BANDS_ABREAST": [
        [ONE, 12.1, 0.01, "B", False],
        [ONE, 11.1, 0.02, "V", False],
        [TWO, 11.2, 0.02, "V", False],
    ],
    "SIRIL": [
        [ONE, -1.135, 0.003, None, False],
        [TWO, -1.2, 0.004, None, False],
        [THREE, -1.1, 0.004, None, False],
    ],
    "ECSV": [[ONE, 11.1, None, "V", False]],
    "VOTABLE": [[ONE, 11.1, None, None, False]],
}
MAGNITUDES["AAVSO_SPACED"] = MAGNITUDES["AAVSO_EXTENDED"]
MAGNITUDES["ZTF_IPAC"] = MAGNITUDES["ZTF_IRSA"]
FLUXES: dict[str, list[list[Any]]] = {
    "EXOTIC_AAVSO": [[ONE, 0.9987, 0.0031, None, False], [TWO, 1.0012, 0.0032, None, False]],
    "ASTROIMAGEJ": [[ONE, 0.4981, 0.0021, None, False], [TWO, 0.5012, 0.0022, None, False]],
    "ATLAS": [[ONE, 520.0, 10.0, "o", False], [TWO, -98.0, 12.0, "c", False]],
    "TESS_CSV": [
        [59000.75, 1001.5, 1.25, None, False],
        [59001.25, 999.999, 1.25, None, False],
    ],
}
FLUXES["EXOTIC_FINAL"] = FLUXES["NO_HEADER_FLUX"] = FLUXES["EXOTIC_AAVSO"]


@pytest.mark.parametrize("kind", sorted(MAGNITUDES))
def test_magnitudes_of_each_kind_are_read(tmp_path: Path, kind: str) -> None:
    found = light_curve(tmp_path, getattr(tables, kind))
    assert (found["quantity"], found["mjd"], found["cut"]) == ("magnitude", True, False)
    assert found["points"] == MAGNITUDES[kind]


@pytest.mark.parametrize("kind", sorted(FLUXES))
def test_fluxes_of_each_kind_stay_fluxes(tmp_path: Path, kind: str) -> None:
    found = light_curve(tmp_path, getattr(tables, kind))
    assert (found["quantity"], found["mjd"]) == ("flux", True)
    assert found["points"] == FLUXES[kind]


def test_every_kind_has_its_light_curve() -> None:
    kinds = {name for name in vars(tables) if name.isupper()}
    assert kinds == MAGNITUDES.keys() | FLUXES.keys()


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("AAVSO_EXTENDED", "HJD \N{MINUS SIGN} 2400000.5"),
        ("EXOTIC_AAVSO", "BJD_TDB \N{MINUS SIGN} 2400000.5"),
        ("ASTROIMAGEJ", "BJD_TDB \N{MINUS SIGN} 2400000.5"),
        ("SENTINELS", "MJD"),
        ("ISO_TIMES", "MJD"),
    ],
)
def test_the_axis_of_times_says_what_they_are(tmp_path: Path, kind: str, label: str) -> None:
    assert light_curve(tmp_path, getattr(tables, kind))["time"] == label


def test_what_is_left_out_is_said_with_its_rows(tmp_path: Path) -> None:
    found = light_curve(tmp_path, tables.SENTINELS)
    assert found["left_out"] == [
        {"reason": "no magnitude", "count": 3, "rows": [2, 3, 4]},
        {"reason": "no time", "count": 1, "rows": [6]},
    ]


FLAGGED = [
    ("hjd,mag,catflags", "2459000.5,12.1,{}", {0: True, 1: True, 16384: True, 32768: False}),
    ("mjd,mag,catflags", "59000,12.1,{}", {"": True, 32770: False, -32768: False}),
    ("TIME,PDCSAP_FLUX,QUALITY", "2000.5,12.1,{}", {0: True, 1: False, 4096: False}),
    ("TIME,CADENCENO,FLUX,SAP_QUALITY", "2000.5,7,12.1,{}", {0: True, 128: False, "?": True}),
    ("JD,Mag,Quality", "2459000.5,12.1,{}", {0: True, 1: True, "A": True}),
]


@pytest.mark.parametrize(("columns", "row", "flags"), FLAGGED)
def test_what_a_quality_flag_spoils_is_left_out(
    tmp_path: Path, columns: str, row: str, flags: dict[Any, bool]
) -> None:
    rows = [row.format(0), *(row.format(each) for each in flags)]
    found = light_curve(tmp_path, "\n".join((columns, *rows)))
    spoilt = [at for at, is_good in enumerate(flags.values(), 2) if not is_good]
    reason = {"reason": "a quality flag set", "count": len(spoilt), "rows": spoilt}
    assert found["left_out"] == ([reason] if spoilt else [])
    assert len(found["points"]) == len(rows) - len(spoilt)


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("J.D.-2400000", 2_400_000),
        ("HJD-2450000", 2_450_000),
        ("BJD - 2457000", 2_457_000),
        ("HJD(+2450000)", 2_450_000),
        ("TJD", 2_457_000),
        ("BKJD", 2_454_833),
    ],
)
def test_zero_points_in_names_of_columns_are_heeded(tmp_path: Path, name: str, offset: int) -> None:
    found = light_curve(tmp_path, f"{name},mag\n{2459001.25 - offset},11\n")
    assert found["points"] == [[ONE, 11.0, None, None, False]]


def test_times_from_an_unknown_zero_point_stay_as_they_are(tmp_path: Path) -> None:
    found = light_curve(tmp_path, "time,mag\n1.5,11\n2.5,12\n")
    assert (found["mjd"], found["time"]) == (False, "time")
    assert [point[0] for point in found["points"]] == [1.5, 2.5]


@pytest.mark.parametrize(
    "text",
    [
        "words, and more\nand no, numbers\n",
        "name,ra,dec\nM13,250.4,36.5\n",
        "1 2 3 4 5\n3 1 2 4 5\n2 5 1 3 4\n",
        "time,e_mag\n59000,0.1\n",
        "x,y,flux\n1,2,3\n2,3,4\n",
    ],
)
def test_other_tables_are_no_light_curves(tmp_path: Path, text: str) -> None:
    assert light_curve(tmp_path, text) is None
