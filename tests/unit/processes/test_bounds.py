"""The bounds of runs as the configuration has them, and what is said of those in force."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from runners.confinement import landlock
from runners.confinement.confine import InForce
from runners.confinement.landlock import LandlockError
from server.config import Config, Limits, PipelineEntry
from server.config.sections import Files
from server.processes import bounds


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the server an ordinary user, a small environment, and a Landlock of version 7."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in {"PATH": "/bin", "HOME": "/h", "A_TOKEN": "hush", "B_KEY": "hush"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(landlock, "version", lambda: 7)


def config(tmp_path: Path, limits: Limits | None = None, **pipelines: dict[str, object]) -> Config:
    """Make a configuration with these limits, and pipelines with theirs."""
    entries = {name: PipelineEntry(path="a.B", limits=given) for name, given in pipelines.items()}
    return Config(data=tmp_path / "data", limits=limits or Limits(), pipelines=entries)


def sentences(config: Config, *, wanting: bool | None = None) -> list[str]:
    """Return what is said; `wanting` selects."""
    found = bounds.isolation_in_force(config)
    return [each.sentence for each in found if wanting in (None, each.wanting)]


def test_by_default_runs_have_no_bounds_but_get_no_secrets(tmp_path: Path) -> None:
    plain = config(tmp_path)
    found = bounds.bounds_of(plain, "A", tmp_path)
    assert (found.environment, found.confinement) == (None, None)
    assert sentences(plain) == [
        "Of this environment, runs get all but A_TOKEN, B_KEY",
        "Runs may read and write what the server's user may: limits.writable is not set",
    ]
    assert sentences(plain, wanting=True) == []


def test_an_environment_is_that_of_the_pipeline_or_the_general_one(tmp_path: Path) -> None:
    made = config(
        tmp_path,
        Limits(environment=("PATH",)),
        A={"environment": ("HOME", "A_TOKEN", "MISSING")},
        B={"environment": None},
        C={},
    )
    got = {name: bounds.bounds_of(made, name).environment for name in "ABC"}
    assert got["A"] == {"HOME": "/h", "A_TOKEN": "hush"}
    assert got["B"] is not None
    assert got["B"].keys() - {"PYTEST_CURRENT_TEST"} == {"PATH", "HOME"}
    assert got["C"] == {"PATH": "/bin"}
    assert sentences(made)[0] == "Of the environment, runs get PATH (limits.environment)"


def test_what_is_stored_and_what_is_secret_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    made = Config(
        data=tmp_path / "link",
        files=Files(url=f"file://{tmp_path}/bulk"),
        limits=Limits(writable=("/srv",)),
        file=tmp_path / "config.yml",
    )
    found = bounds.bounds_of(made, "A", tmp_path / "link" / "runs" / "1-1").confinement
    assert found is not None
    assert found.own == str(tmp_path / "link" / "runs" / "1-1")
    assert found.writable == ["/srv"]
    assert found.hidden == [str(tmp_path / name) for name in ("data", "config.yml", "bulk")]


def test_what_is_in_something_hidden_is_not_named_twice(tmp_path: Path) -> None:
    made = Config(data=tmp_path, file=tmp_path / "config.yml", limits=Limits(writable=()))
    assert bounds.hidden(made) == [str(tmp_path)]


def test_storage_elsewhere_is_no_path(tmp_path: Path) -> None:
    made = Config(data=tmp_path, files=Files(url="s3://bucket/folder"))
    assert bounds.hidden(made) == [str(tmp_path)]


def test_confinement_is_said_with_its_version_and_what_that_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(tmp_path, Limits(writable=()))
    assert sentences(made)[1:] == ["Runs are confined by Landlock, version 7"]
    monkeypatch.setattr(landlock, "version", lambda: 3)
    assert sentences(made)[1:] == [
        "Runs are confined by Landlock, version 3",
        "They can send signals to other processes of the user (before Linux 6.12)",
    ]


def test_confinement_of_some_pipelines_names_them(tmp_path: Path) -> None:
    made = config(tmp_path, None, A={"writable": ()}, B={}, C={"writable": ("/",)[1:]})
    assert sentences(made)[1] == "Runs of A, C are confined by Landlock, version 7"


def test_what_was_set_but_cannot_be_had_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def version() -> int:
        raise LandlockError("this kernel has none")

    monkeypatch.setattr(landlock, "version", version)
    made = config(tmp_path, Limits(writable=()))
    with caplog.at_level(logging.WARNING):
        bounds.warn_of_missing_isolation(made)
    [record] = caplog.records
    assert record.getMessage() == (
        "Runs are not confined although limits.writable is set: this kernel has none"
    )
    assert vars(record)["action"] == "isolation_wanting"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = config(tmp_path, Limits(writable=(str(tmp_path / "missing"), "/usr")))
    assert sentences(made, wanting=True) == [
        f"limits.writable: there is no folder {tmp_path / 'missing'}"
    ]


def test_a_data_folder_where_pipelines_are_imported_from_is_said(tmp_path: Path) -> None:
    inside = Config(data=tmp_path / "data", folder=tmp_path, limits=Limits(writable=()))
    assert any(
        "can list the names of files in the data folder" in each for each in sentences(inside)
    )
    same = Config(data=tmp_path, folder=tmp_path, limits=Limits(writable=()))
    [sentence] = sentences(same, wanting=True)
    assert sentence.startswith("Pipelines cannot be imported from the folder of config.yml")


def test_root_is_said_to_see_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "runs as root" in sentences(config(tmp_path))[-1]


def test_no_sentence_holds_a_value_of_the_environment(tmp_path: Path) -> None:
    for limits in (Limits(), Limits(environment=("A_TOKEN",), writable=())):
        assert "hush" not in str(sentences(config(tmp_path, limits)))


def test_a_receipt_says_what_is_known(tmp_path: Path) -> None:
    made = config(tmp_path, Limits(writable=("/usr",)), A={"environment": ("A_TOKEN",)})
    found = bounds.isolation_of(made, "A", InForce(5))
    assert (found.environment, found.withheld) == (["A_TOKEN"], [])
    assert (found.writable, found.landlock, found.reason) == (["/usr"], 5, None)
    found = bounds.isolation_of(made, "Other", None)
    assert (found.environment, found.withheld) == (None, ["A_TOKEN", "B_KEY"])
    assert (found.landlock, found.reason) == (None, "the run has not reported it")
