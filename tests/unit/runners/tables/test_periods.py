"""The search for the period of a light curve."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.tables import periods
from runners.tables.periods import write_periodogram
from runners.tables.text import WrongSearch

PERIOD = 0.527
#: The most frequencies in tests, which are to be quick.
MOST = 20_000
MEANS = {"V": 12.0, "B": 12.8, None: 9.0}


def star(
    count: int = 90,
    span: float = 30.0,
    filters: tuple[str | None, ...] = ("V",),
    noise: float = 0.02,
    amplitude: float = 0.3,
) -> dict[str, list[Any]]:
    """Return a star that varies with `PERIOD`, seen at odd times through some filters."""
    random = np.random.default_rng(5)
    time = 59000 + random.uniform(0, span, count)
    names = [filters[place] for place in random.integers(len(filters), size=count)]
    wave = amplitude * np.sin(2 * np.pi * time / PERIOD) + random.normal(0, noise, count)
    value = np.array([MEANS[name] for name in names]) + wave
    return {
        "time": time.tolist(),
        "value": value.tolist(),
        "error": [0.02] * count,
        "filter": names,
    }


def search(folder: Path, points: dict[str, list[Any]], **wanted: float | None) -> dict[str, Any]:
    """Return what is found in these points."""
    given, found = folder / "points.json", folder / "found.json"
    given.write_text(json.dumps(points))
    write_periodogram(str(given), str(found), wanted)
    read: dict[str, Any] = json.loads(found.read_text())
    return read


@pytest.mark.parametrize("unit", [1e-300, 1e-12, 1e300])
def test_the_period_is_found_whatever_the_unit(tmp_path: Path, unit: float) -> None:
    plain = star(count=40)
    points = {key: plain[key] for key in ("time", "filter")}
    points |= {key: [unit * number for number in plain[key]] for key in ("value", "error")}
    found = search(tmp_path, points)
    assert found["peaks"][0]["period"] == pytest.approx(PERIOD, rel=1e-3)
    assert found["weighted"]


def test_tiny_errors_of_some_points_are_no_reason_to_find_nothing(tmp_path: Path) -> None:
    points = star(count=40) | {"error": [1e-200] * 20 + [1e-3] * 20}
    assert search(tmp_path, points)["peaks"]


@pytest.mark.parametrize("filters", [("V",), ("V", "B", None)])
def test_the_period_is_found_whatever_the_filters(
    tmp_path: Path, filters: tuple[str | None, ...]
) -> None:
    found = search(tmp_path, star(filters=filters))
    best = found["peaks"][0]
    assert best["period"] == pytest.approx(PERIOD, rel=1e-3)
    assert best["false_alarm_probability"] < 1e-20
    assert best["power"] > 0.95 > found["unlikely"]["power"]
    assert set(found["filters"]) == set(filters)
    powers = [peak["power"] for peak in found["peaks"]]
    assert powers == sorted(powers, reverse=True)
    highest = max(found["periodogram"], key=lambda each: each[1])
    assert highest[0] == pytest.approx(PERIOD, rel=5e-3)


def test_the_fast_sum_finds_the_same_as_the_exact_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = search(tmp_path, star(300))
    monkeypatch.setattr("runners.tables.periods.EXACT_TERMS", 0)
    fast = search(tmp_path, star(300))
    assert fast["peaks"][0]["period"] == pytest.approx(exact["peaks"][0]["period"], rel=1e-5)


def test_noise_alone_has_no_period(tmp_path: Path) -> None:
    found = search(tmp_path, star(amplitude=0.0))
    assert found["peaks"][0]["false_alarm_probability"] > 0.01


@pytest.mark.slow
def test_the_range_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    found = search(tmp_path, star(), minimum=0.6, maximum=2.0)
    assert all(0.59 < peak["period"] < 2.01 for peak in found["peaks"])
    assert found["minimum"] == pytest.approx(0.6, rel=1e-2)
    assert found["maximum"] == pytest.approx(2.0)
    assert search(tmp_path, star(), maximum=1e-5)["maximum"] == pytest.approx(1e-5)


def test_errors_weigh_only_if_all_are_known(tmp_path: Path) -> None:
    points = star()
    assert search(tmp_path, points)["weighted"]
    for unknown in (None, 0.0):
        points["error"][3] = unknown
        assert not search(tmp_path, points)["weighted"]


def test_the_only_point_of_a_filter_does_not_count(tmp_path: Path) -> None:
    points = star(40)
    points["filter"][0], points["value"][0] = "I", 3.0
    found = search(tmp_path, points)
    assert (found["points"], found["filters"]) == (39, ["V"])


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_few_points_are_refused_with_how_many_they_are(tmp_path: Path, count: int) -> None:
    with pytest.raises(WrongSearch, match=r"at least 5 points; there (is|are)") as refused:
        search(tmp_path, star(count))
    assert refused.value.field == "detail"


def test_five_points_are_enough(tmp_path: Path) -> None:
    assert search(tmp_path, star(5))["points"] == 5


def test_points_that_do_not_vary_are_refused(tmp_path: Path) -> None:
    points = star(20, filters=("V", "B"))
    for field, value, message in (
        ("value", 12.5, "All points have the same value"),
        ("time", 59000.0, "All points are of the same time"),
    ):
        with pytest.raises(WrongSearch, match=message):
            search(tmp_path, points | {field: [value] * 20})


def test_a_range_of_too_many_periods_is_refused_with_one_that_can_be_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periods, "MOST_FREQUENCIES", MOST)
    points = star(30, span=3_000.0)
    with pytest.raises(WrongSearch, match="are too many for points") as refused:
        search(tmp_path, points, minimum=0.001)
    offered = float(re.findall(r"search from (\S+) days", str(refused.value))[0])
    found = search(tmp_path, points, minimum=offered)
    assert found["frequencies"] <= MOST * 1.001 + 2
    with pytest.raises(WrongSearch, match="the shortest period must be less"):
        search(tmp_path, points, minimum=4_000.0)


@pytest.mark.parametrize("span", [1e-4, 0.3, 40_000.0])
def test_any_span_has_a_usual_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, span: float
) -> None:
    monkeypatch.setattr(periods, "MOST_FREQUENCIES", MOST)
    found = search(tmp_path, star(12, span=span))
    assert 0 < found["minimum"] < found["maximum"] <= span
    assert len(found["periodogram"]) <= 1_500


def test_many_filters_are_refused(tmp_path: Path) -> None:
    points = star(80) | {"filter": [f"filter {number // 2}" for number in range(80)]}
    with pytest.raises(WrongSearch, match="There are 40 filters, over 30"):
        search(tmp_path, points)
