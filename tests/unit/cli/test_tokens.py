"""`heliograph token`: what it prints, where it keeps tokens, and how it refuses."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from server.__main__ import main
from server.access.token_file import TokenFile
from server.access.tokens import digest_of

ADD = ["token", "add", "jane", "--role", "operator"]


@pytest.fixture(params=["folder", "database"])
def where(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Return options that lead to an empty place for tokens: a data folder, or a database."""
    monkeypatch.chdir(tmp_path)
    if request.param == "database":
        monkeypatch.setenv("HELIOGRAPH_MONGODB_URI", request.getfixturevalue("engine_uri"))
        monkeypatch.setenv("HELIOGRAPH_MONGODB_DATABASE", f"tokens_{secrets.token_hex(6)}")
    return ["--data", str(tmp_path / "made" / "data")]


def done(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> tuple[list[str], list[str]]:
    """Run a command; return the lines of its two outputs."""
    try:
        ended = main(arguments)
    except SystemExit as error:  # of argparse
        ended = int(str(error.code))
    printed = capsys.readouterr()
    assert (ended, printed.err if status == 0 else "") == (status, "")
    return printed.out.splitlines(), printed.err.splitlines()


def test_a_token_is_added_listed_and_revoked(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    [secret], _ = done(capsys, *ADD, *where)
    [other], _ = done(capsys, "token", "add", "a7", "--role", "viewer", "--expires", "2", *where)
    assert secret != other
    listed, _ = done(capsys, "token", "list", *where)
    assert [line.split()[:2] for line in listed] == [
        ["NAME", "ROLE"],
        ["a7", "viewer"],
        ["jane", "operator"],
    ]
    for hidden in (secret, other, digest_of(secret).removeprefix("sha256:")):
        assert hidden not in "".join(listed)
    done(capsys, "token", "revoke", "a7", *where)
    listed, _ = done(capsys, "token", "list", *where)
    assert [line.split()[0] for line in listed] == ["NAME", "jane"]


def test_revoking_the_last_token_says_what_that_means(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    done(capsys, *ADD, *where)
    assert main(["token", "revoke", "jane", *where]) == 0
    assert "No named token is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (ADD, "There is a token jane already"),
        (["token", "add", "x\ny", "--role", "viewer"], "The name of a token is"),
        (["token", "add", "x" * 100_000, "--role", "viewer"], "The name of a token is"),
        (["token", "add", "x", "--role", "boss"], "viewer, operator, admin"),
        (["token", "add", "x"], "--role"),
        (["token", "add", "x", "--role", "viewer", "--expires", "0"], "days"),
        (["token", "add", "x", "--role", "viewer", "--expires", "-1"], "days"),
        (["token", "add", "x", "--role", "viewer", "--expires", "9" * 5000], "days"),
        (["token", "add", "x", "--role", "viewer", "--expires", "nan"], "days"),
        (["token", "revoke", "nobody"], "no token of this name"),
        (["token", "revoke", "x\x1b[31m"], "no token of this name"),
        (["token", "frob"], "add"),
        (["token"], "required"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--data", str(tmp_path / "data")]
    done(capsys, *ADD, *where)
    given = [*arguments, *where] if len(arguments) > 2 else arguments
    printed, errors = done(capsys, *given, status=2)
    assert printed == []
    assert len(errors) == 1
    assert said in errors[0]
    assert errors[0].isprintable()
    assert [each.name for each in TokenFile(tmp_path / "data").read()] == ["jane"]


def test_a_folder_that_cannot_be_made_and_a_database_that_is_away_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    _, [sentence] = done(capsys, *ADD, "--data", str(tmp_path / "file" / "x"), status=2)
    assert "cannot be used: Not a directory" in sentence
    uri = f"mongodb://me:password@{str(tmp_path / 'none.sock').replace('/', '%2F')}"
    monkeypatch.setenv("HELIOGRAPH_MONGODB_URI", uri)
    _, [sentence] = done(capsys, *ADD, "--data", str(tmp_path / "data"), status=2)
    assert "database is away" in sentence
    assert "password" not in sentence
