"""What a run records of its environment and of the pipeline's source."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from runners.dummy import Dummy
from runners.execution.provenance import MOST_PACKAGES, installed_packages, provenance

import runners.dummy  # isort: skip


def test_the_source_is_that_of_the_class_s_module() -> None:
    source = provenance(Dummy)["source"]
    text = Path(runners.dummy.__file__).read_bytes()
    assert source == {
        "class": "runners.dummy.Dummy",
        "file": "dummy.py",
        "sha256": hashlib.sha256(text).hexdigest(),
    }


def test_what_runs_the_tests_is_told() -> None:
    told = provenance(None)
    assert told["source"] is None
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "astropy", "pytest"} <= told["packages"].keys()


def test_the_first_package_of_a_name_counts(tmp_path: Path) -> None:
    for folder, name in (("a", "Some_Thing-1.5.dist-info"), ("b", "some.thing-2.0.dist-info")):
        (tmp_path / folder / name).mkdir(parents=True)
    (tmp_path / "b" / "old-3-py3.11.egg-info").write_text("")
    (tmp_path / "b" / "nothing.egg-info").write_text("")
    folders = [str(tmp_path / name) for name in ("a", "missing", "b", "a")]
    assert installed_packages(folders) == {"old": "3", "some-thing": "1.5"}


def test_packages_without_end_are_not_told_without_end(tmp_path: Path) -> None:
    for number in range(MOST_PACKAGES + 5):
        (tmp_path / f"p{number}-1.dist-info").touch()
    assert len(installed_packages([str(tmp_path)])) == MOST_PACKAGES


def test_a_source_in_a_zip_is_read_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"class Zipped:\n    pass\n"
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as book:
        book.writestr("zipped_pipeline.py", text)
    monkeypatch.syspath_prepend(str(tmp_path / "all.zip"))
    import zipped_pipeline  # type: ignore[import-not-found]

    source = provenance(zipped_pipeline.Zipped)["source"]
    assert source["file"] == "zipped_pipeline.py"
    assert source["sha256"] == hashlib.sha256(text).hexdigest()
    del sys.modules["zipped_pipeline"]


@pytest.mark.parametrize("module", [None, ModuleType("made_up")])
def test_a_class_without_a_file_has_no_hash(
    module: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = type("Made", (), {"__module__": "made_up"})
    monkeypatch.setitem(sys.modules, "made_up", module)
    source = provenance(made)["source"]
    assert source == {"class": "made_up.Made", "file": None, "sha256": None}


def test_a_file_that_went_away_has_a_name_and_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("made_up")
    module.__file__ = "/nowhere/made_up.py"
    module.__loader__ = runners.dummy.__loader__
    monkeypatch.setitem(sys.modules, "made_up", module)
    source = provenance(type("Made", (), {"__module__": "made_up"}))["source"]
    assert (source["file"], source["sha256"]) == ("made_up.py", None)
