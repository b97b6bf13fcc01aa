"""The astrosource pipeline: what it refuses, and what it makes of the package's tables.

None of this needs the package; a run of it is among the integration tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.astrosource import package
from runners.astrosource.pipeline import AstroSource, measurements, results, write_light_curve
from runners.pipeline.inputs import RunTarget
from runners.pipeline.measurements import Measurement, read_measurements
from runners.pipeline.process import AsyncError
from tests.fakes.sky import run_of
from tests.fakes.variable_star import write_tables

NAME = "star_V_2458545d6_2019d03d03_1a2_30d.psx"


def test_what_to_install_is_said_when_the_package_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(package, "NEEDED", ("numpy", "no_such_package"))
    expected = "no_such_package is not installed: pip install 'heliograph[astrosource]'"
    assert AstroSource.unavailable() == expected
    monkeypatch.setattr(package, "NEEDED", ("numpy",))
    assert AstroSource.unavailable() is None


def refusal(folder: Path, names: list[str], target: RunTarget | None = None) -> str:
    """Return the message with which a run refuses files of these names."""
    run, _ = run_of(AstroSource, [folder / name for name in names])
    if target is not None:
        run.target = target
    with pytest.raises(AsyncError) as raised:
        list(run.do_pipeline(folder))
    return str(raised.value)


def test_a_target_without_coordinates_is_refused(tmp_path: Path) -> None:
    target = RunTarget(1, "x", "Nameless", ra=1.0)
    said = refusal(tmp_path, [NAME] * 3, target)
    assert said == "Nameless has no coordinates, and astrosource needs them"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([NAME] * 2, "At least 3 files are needed"),
        ([NAME, "a.fits", NAME], "Tables (.psx) and images (.fits, .fz) cannot be used together"),
        ([NAME, NAME, "field.PSX"], "field.PSX is not named object_filter_JD_date_airmass"),
        ([NAME, NAME, "a_V_night_date_1a2_.psx"], "a_V_night_date_1a2_.psx is not named"),
    ],
)
def test_files_that_do_not_go_together_are_refused(
    tmp_path: Path, names: list[str], said: str
) -> None:
    assert refusal(tmp_path, names).startswith(said)


def test_the_synthetic_tables_have_names_that_are_taken(tmp_path: Path) -> None:
    run, _ = run_of(AstroSource, write_tables(tmp_path))
    assert len(run._paths()) == 60


def test_whole_rows_become_measurements_by_time() -> None:
    rows = np.arange(48.0).reshape(3, 16)
    rows[:, 6] = (2_458_545.5, 58_540.0, 2_458_546.5)
    rows[2, 11] = np.nan
    assert measurements(rows, [6, 10, 11], "V") == [
        Measurement(58_540.0, 26.0, 27.0, "V"),
        Measurement(58_545.0, 10.0, 11.0, "V"),
    ]
    assert measurements(rows, [6, -2, -1], "V")[0] == Measurement(58_540.0, 30.0, 31.0, "V")


@pytest.mark.parametrize("nothing", [np.empty((0,)), np.empty((0, 2)), []])
def test_a_table_of_nothing_has_no_measurements(nothing: Any) -> None:
    assert measurements(nothing, [6, 10, 11], "V") == []


def test_the_light_curve_that_is_written_can_be_read(tmp_path: Path) -> None:
    curve = [Measurement(58_540.123456, 12.5, 0.01, "V"), Measurement(58_541.0, -1.0, 0.5, "ip")]
    assert read_measurements(write_light_curve(tmp_path / "lightcurve.csv", curve)) == curve


def test_pickles_empty_files_and_second_copies_are_no_results(tmp_path: Path) -> None:
    for name in ("results/a.csv", "results/b.txt", "results/c.eps", "outputplots/d.png", "e.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (tmp_path / "results" / "empty.csv").touch()
    found = [path.name for path in results(tmp_path, plots=True)]
    assert found == ["a.csv", "b.txt", "d.png"]
    assert [path.name for path in results(tmp_path, plots=False)] == ["a.csv", "b.txt"]
