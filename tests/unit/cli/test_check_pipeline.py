"""`heliograph check-pipeline`: what it prints, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.__main__ import main

MOVED = Path(__file__).parents[2] / "samples" / "moved_pipelines.py"


def check(path: Path, *more: str) -> int:
    return main(["check-pipeline", str(path), *more])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_has_to_change_is_said_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.py"
    path.write_text(
        "from tom_education.models import PipelineProcess\n\n\nclass Old(PipelineProcess):\n"
        "    def do_pipeline(self, tmpdir):\n        self.logs += 'x'\n"
    )
    assert check(path) == 1
    assert capsys.readouterr().out == (
        f"{path}:1: change: from tom_education.models import PipelineProcess -> "
        "from runners.compat import PipelineProcess\n"
        f"{path}:4: works: class Old -> it is a pipeline\n"
        f"{path}:5: works: def do_pipeline -> it is called so\n"
        f"{path}:6: works: self.logs -> what this run has logged; what is added is logged, nothing"
        " can be taken away\n"
        "1 to change, 0 to look at, 3 that work as they are\n"
        "Then add to config.yml, with the names that people see:\n"
        "pipelines:\n  Old: old.Old\n"
    )


def test_settings_of_the_configuration_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "moved.py"
    path.write_text("from runners.compat import settings\nprint(settings.OBSERVER)\n")
    assert check(path) == 1
    config = tmp_path / "other.yml"
    config.write_text("compat: {settings: {OBSERVER: ana}}\n")
    assert check(path, "--config", str(config), "--data", str(tmp_path / "none")) == 0
    config.write_text("compat: {settings: {SECRET: ana}}\n")
    capsys.readouterr()
    assert check(path, "--config", str(config)) == 2
    assert "settings without secrets" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_is_moved_already_needs_nothing_but_its_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(MOVED) == 1
    lines = capsys.readouterr().out.splitlines()
    changes = [line.partition(": change: ")[2] for line in lines if ": change: " in line]
    assert [each.partition(" ->")[0] for each in changes] == [
        "settings.OBSERVER",
        "settings.SITE",
        "settings.MEDIA_ROOT",
    ]


def test_what_cannot_be_read_ends_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text("def (:\n")
    (tmp_path / "huge.py").write_bytes(b"\n" * (2 << 20))
    (tmp_path / "binary.py").write_bytes(os.urandom(100) + b"\x00")
    os.mkfifo(tmp_path / "pipe.py")
    names = ("broken.py", "huge.py", "binary.py", "pipe.py", "none.py", ".", "nul\x00.py")
    for name in names:
        assert check(tmp_path / name) == 2, name
        said = capsys.readouterr()
        assert said.out == ""
        assert " cannot be checked: " in said.err
        assert "Errno" not in said.err
        assert said.err.count("\n") == 1
