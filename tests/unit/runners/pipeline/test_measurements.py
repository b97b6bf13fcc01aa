"""Measurements: which tables are read, how, and the message for the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.pipeline import measurements
from runners.pipeline.measurements import Measurement, mjd, read_measurements


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns_are_found_by_name_in_any_order_and_case(tmp_path: Path) -> None:
    path = table(
        tmp_path, "\ufeffAirmass, Filter,Magnitude ,time,ERROR\n1.2, V,12.5,58000.5,0.01\n"
    )
    assert read_measurements(path) == [Measurement(58000.5, 12.5, 0.01, "V")]


def test_error_and_filter_may_be_missing_or_empty(tmp_path: Path) -> None:
    assert read_measurements(table(tmp_path, "time,magnitude\r\n1,2\r\n")) == [
        Measurement(1.0, 2.0, None, None)
    ]
    path = table(tmp_path, "time,magnitude,error,filter\n1,2,,\n\n3,-4\n")
    assert read_measurements(path) == [
        Measurement(1.0, 2.0, None, None),
        Measurement(3.0, -4.0, None, None),
    ]


def test_julian_dates_become_modified_ones(tmp_path: Path) -> None:
    path = table(tmp_path, "time,magnitude\n2458545.5,1\n58545.0,1\n")
    assert [each.time for each in read_measurements(path)] == [58545.0, 58545.0]
    assert mjd(2_400_000.5) == 0.0


@pytest.mark.parametrize("value", [{"time": 1, "Magnitude": "2"}, [{"time": 1, "magnitude": 2.0}]])
def test_json_is_read_as_well(tmp_path: Path, value: object) -> None:
    path = table(tmp_path, json.dumps(value))
    assert read_measurements(path) == [Measurement(1.0, 2.0, None, None)]


def test_a_table_without_rows_has_no_measurements(tmp_path: Path) -> None:
    assert read_measurements(table(tmp_path, "time,magnitude\n")) == []
    assert read_measurements(table(tmp_path, "[]")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column time and no column magnitude"),
        ("time,flux\n1,2", "has no column magnitude"),
        ("1,2\n3,4", "has no column time and no column magnitude"),
        ("time,magnitude\n1,2\nx,3", "measurement 2: time 'x' is no finite number"),
        ("time;magnitude\n1,5;2\n2,5;2,5,5", "measurement 2: magnitude '2,5,5' is no finite"),
        ("time,magnitude\n1,1e999", "magnitude '1e999' is no finite number"),
        ("time,magnitude,error\n1,2,-1", "error -1 is below 0"),
        ("time,magnitude,error\n1,2,inf", "error 'inf' is no finite number"),
        ("time,magnitude,filter\n1,2,\x07", "filter is not up to 50 visible characters"),
        (f"time,magnitude,filter\n1,2,{'V' * 51}", "filter is not up to 50 visible characters"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "is no list of objects"),
        ('[{"time": true, "magnitude": 1}]', "time True is no finite number"),
        ('[{"time": [1], "magnitude": 1}]', r"time \[1\] is no finite number"),
        ('[{"time": 1, "magnitude": ' + "9" * 400 + "}]", "is no finite number"),
        (b"\x89PNG\xff", "is a picture, not a table"),
        (b"\xff\xfea", "is not valid UTF-16"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_row(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(ValueError, match=rf"^table\.csv.*{said}"):
        read_measurements(table(tmp_path, text))


def test_blanks_are_left_out_and_counted_and_the_rest_is_kept(tmp_path: Path) -> None:
    read = read_measurements(
        table(
            tmp_path,
            "time,magnitude,error,filter\n1,12.5,0.1,V\n2,,0.1,V\n3,nan,nan,\n4\n5,99.999,9.999,V\n"
            ",12,0.1,V\n7,12.25,9.999,V\n8,<14.5,,R\n",
        )
    )
    assert read == [
        Measurement(1.0, 12.5, 0.1, "V"),
        Measurement(7.0, 12.25, None, "V"),
        Measurement(8.0, 14.5, None, "R", limit=True),
    ]
    assert read.left_out.sentences() == [
        "4 rows have no magnitude: 2, 3, 4, 5",
        "1 row has no time: 6",
    ]


def test_null_in_json_is_a_blank_too(tmp_path: Path) -> None:
    rows = [{"time": 1, "magnitude": None}, {"time": 2, "magnitude": 3, "error": float("nan")}]
    read = read_measurements(table(tmp_path, json.dumps(rows)))
    assert read == [Measurement(2.0, 3.0, None, None)]
    assert read.left_out.counts == {"no magnitude": 1}


def test_more_than_a_run_may_give_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path, "time,magnitude\n" + "1,2\n" * 5)
    monkeypatch.setattr(measurements, "MOST_MEASUREMENTS", 4)
    with pytest.raises(ValueError, match="more than 4 measurements"):
        read_measurements(path)
    monkeypatch.setattr(measurements, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="larger than 10 bytes"):
        read_measurements(path)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = table(tmp_path_factory.mktemp("any"), b"time,magnitude,error,filter\n" + data)
    refused = ""
    try:
        read = read_measurements(path)
    except ValueError as error:
        refused, read = str(error), []
    assert refused.startswith("table.csv") if refused else len(read) <= len(data)
