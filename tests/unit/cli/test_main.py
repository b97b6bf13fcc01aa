"""The command line: what it passes on, and how it ends when the server cannot start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.cli.demo import make_demo_on
from server.config import Config
from server.operations.accepted import Accepted

Started = list[tuple[Config, bool]]
#: What each start of a test was told to accept.
accepting: list[Accepted] = []


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder without config.yml, and without Heliograph's variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Return what the server was started with; let it end at once with status 7."""
    calls: Started = []
    accepting.clear()

    def run(config: Config, on_ready: object, accepted: Accepted) -> int:
        calls.append((config, on_ready is make_demo_on))
        accepting.append(accepted)
        return 7

    app: Any = types.ModuleType("server.app.running")
    app.run = run
    monkeypatch.setitem(sys.modules, "server.app.running", app)
    return calls


def test_without_arguments_the_defaults_are_used(started: Started) -> None:
    assert main([]) == 7
    assert started == [(Config(), False)]


def test_the_options_go_into_the_configuration(started: Started, tmp_path: Path) -> None:
    main(["--host", "::1", "--port", "0", "--data", "kept", "--demo"])
    [(config, demo)] = started
    assert (config.http.host, config.http.port, config.data) == ("::1", 0, tmp_path / "kept")
    assert demo


@pytest.mark.parametrize("name", ["missing_database", "older_database", "other_files"])
def test_each_accepting_option_accepts_just_that(started: Started, name: str) -> None:
    main([])
    main([f"--accept-{name.replace('_', '-')}"])
    assert accepting == [Accepted(), Accepted(**{name: True})]


def test_the_file_of_the_working_directory_or_the_named_one_is_read(
    started: Started, tmp_path: Path
) -> None:
    (tmp_path / "config.yml").write_text("retries: 5\n")
    (tmp_path / "other.yml").write_text("retries: 6\n")
    main([])
    main(["--config", "other.yml"])
    assert [config.retries for config, _ in started] == [5, 6]
    assert {config.folder for config, _ in started} == {tmp_path}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "99999"], "http.port: 99999 is not allowed"),
        (["--port", "http"], "http.port: 'http' is not allowed"),
        (["--config", "none.yml"], "none.yml cannot be read"),
        (["--config", ""], "cannot be read"),
    ],
)
def test_a_server_that_cannot_start_says_why_and_ends_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], started: Started
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize("arguments", [["--prot", "1"], ["--por", "1"], ["serve"]])
def test_unknown_arguments_are_refused(arguments: list[str], started: Started) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert started == []


def test_the_version_is_told_without_starting(
    capsys: pytest.CaptureFixture[str], started: Started
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("heliograph ")
    assert started == []


def test_output_that_nobody_reads_ends_as_in_any_pipeline() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "server", "--version"],
        cwd=Path(__file__).parents[3],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.py"
    pipeline.write_text("class \u00dcber(PipelineProcess):\n    pass\n", encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "server", "check-pipeline", str(pipeline)],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert rb"class \xdcber" in ended.stdout
