"""How the commands that look after an installation begin, speak and end."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pytest

from server.__main__ import COMMANDS, main
from server.cli.commands import ProgressLine, new_parser, run
from server.config import Config
from server.core.errors import NoRoom
from server.operations.checks.results import counted, in_units

KEEPING = ("backup", "check", "restore", "vacuum")


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", KEEPING)
def test_each_command_takes_the_options_of_the_server(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert name in COMMANDS
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--config" in said
    assert "--data" in said
    assert f"heliograph {name}" in said


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("arguments", [["--no-such-option"], ["a", "b", "c"]])
def test_wrong_arguments_end_with_status_2(name: str, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, *arguments])
    assert ended.value.code == 2


@pytest.mark.parametrize("name", KEEPING)
def test_a_configuration_that_is_not_there_is_told_without_a_traceback(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = [str(tmp_path / "x")] if name in ("backup", "restore") else []
    status = main([name, *place, "--config", str(tmp_path / "none.yml")])
    assert status == (1 if name == "check" else 2)
    said = capsys.readouterr()
    assert "none.yml" in said.out + said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (NoRoom(), 2, "disk is full"),
        (PermissionError(13, "Permission denied", "/a/file"), 2, "/a/file: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_a_sentence_and_a_status(
    error: BaseException,
    status: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    def work(config: Config, args: argparse.Namespace) -> int:
        raise error

    assert run(new_parser("vacuum", "x"), ["vacuum"], work) == status
    said = capsys.readouterr().err
    assert sentence in said
    assert "Errno" not in said


def test_progress_is_shown_in_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, shown in ((Terminal, True), (io.StringIO, False)):
        written = kind()
        monkeypatch.setattr("sys.stderr", written)
        line = ProgressLine()
        line("Copying files", 1234, 5000)
        line("Copying files", 1235, 5000)  # too soon
        line.clear()
        assert ("Copying files 1,234 of 5,000" in written.getvalue()) == shown
        assert "1,235" not in written.getvalue()


def test_numbers_and_sizes_are_said_as_people_do() -> None:
    assert [in_units(size) for size in (0, 999, 1000, 1_234_567, 5 * 10**15)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "1.23 MB",
        "5e+03 TB",
    ]
    assert [counted(1, "process"), counted(2, "process"), counted(1200, "file")] == [
        "1 process",
        "2 processes",
        "1,200 files",
    ]


def test_output_that_nobody_reads_is_no_failure_of_the_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unread(config: Config, args: argparse.Namespace) -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(new_parser("vacuum", "Test."), ["vacuum"], unread)
    assert capsys.readouterr().err == ""
