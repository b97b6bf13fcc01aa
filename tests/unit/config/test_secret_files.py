"""Secrets that are read from files: what is taken, and what is refused without being repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.config import Config, load
from server.core.errors import StartError

URI = "mongodb://me:hush-hush@db.example/"
SECRET = "hush-hush"


def of(path: Path | str, **more: str) -> Config:
    """Load a configuration whose URI is in a file, named by the environment."""
    return load(None, {"HELIOGRAPH_MONGODB_URI_FILE": str(path), **more}, {})


@pytest.mark.parametrize("written", [URI, f"{URI}\n", f"\ufeff{URI}\r\n", f"  {URI}  \n\n"])
def test_a_uri_is_read_from_a_file(tmp_path: Path, written: str) -> None:
    (tmp_path / "uri").write_text(written, encoding="utf-8", newline="")
    config = of(tmp_path / "uri")
    assert config.mongodb.uri == URI
    assert config.mongodb.uri_file == str(tmp_path / "uri")
    assert SECRET not in repr(config)


def test_so_is_the_url_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("sftp://me:hush-hush@nas/files\n")
    config = load(None, {}, {"files.url_file": str(tmp_path / "url")})
    assert config.storage_url == "sftp://me:hush-hush@nas/files"


def test_so_is_the_password_of_mails(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush-hush\n")
    config = load(None, {}, {"mail.password_file": str(tmp_path / "password")})
    assert config.mail.password == SECRET
    assert SECRET not in repr(config)


def test_a_relative_path_starts_at_the_folder_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "etc", tmp_path / "elsewhere"
    for each in (folder, elsewhere):
        each.mkdir()
        (each / "uri").write_text(f"mongodb://{each.name}/")
    monkeypatch.chdir(elsewhere)
    (folder / "config.yml").write_text("mongodb: {uri_file: uri}")
    config = load(folder / "config.yml", {}, {})
    assert config.mongodb.uri == "mongodb://etc/"
    assert config.secret_files() == [folder / "config.yml", folder / "uri"]
    assert of("uri").mongodb.uri == "mongodb://elsewhere/"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; it has to hold the value of mongodb.uri"),
        (b" \n", "is empty"),
        (b"hush-hush", "holds is not allowed; allowed is a text that starts with mongodb://"),
        (URI.encode() + b"\nmongodb://hush-hush/", "holds is not allowed"),
        (b"mongodb://hush-hush\0/", "holds is not allowed"),
        (b"mongodb://hush-hush/\xff", "is not UTF-8: see the byte at 20"),
        (b"mongodb://hush-hush/" + b"x" * 20_000, "is over 16384 bytes, too large for one value"),
    ],
)
def test_what_is_no_uri_is_refused_and_not_repeated(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "uri").write_bytes(content)
    with pytest.raises(StartError) as refused:
        of(tmp_path / "uri")
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("mongodb.uri_file: ")
    assert "HELIOGRAPH_MONGODB_URI_FILE" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="missing cannot be read: No such file or directory"):
        of(tmp_path / "missing")
    with pytest.raises(StartError, match="is not a regular file"):
        of(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StartError, match="is not a regular file"):
        of(tmp_path / "fifo")
    with pytest.raises(StartError, match="nobody-at-all/uri is not the path of a file"):
        of("~nobody-at-all/uri")


def test_the_uri_and_a_file_of_it_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "uri").write_text(URI)
    with pytest.raises(StartError, match=r"mongodb.uri_file: mongodb.uri is given as well") as said:
        of(tmp_path / "uri", HELIOGRAPH_MONGODB_URI="mongodb://hush-hush/")
    assert SECRET not in str(said.value)
    assert of(tmp_path / "uri", HELIOGRAPH_MONGODB_URI="null").mongodb.uri == URI


@pytest.mark.parametrize("place", ["", "runs", ".."])
def test_runs_cannot_be_let_write_to_the_data_folder(tmp_path: Path, place: str) -> None:
    written = str((tmp_path / "data" / place).resolve())
    for text, key in (
        (f"limits: {{writable: [{written}]}}", "limits.writable"),
        (
            f"pipelines: {{A: {{class: a.B, limits: {{writable: [{written}]}}}}}}",
            "pipelines.A.limits.writable",
        ),
    ):
        path = tmp_path / "config.yml"
        path.write_text(f"data: data\n{text}\n")
        with pytest.raises(StartError) as refused:
            load(path, {}, {})
        assert str(refused.value).startswith(f"{key}: '{written}' is not allowed ({path}); ")


@pytest.mark.parametrize("value", ["relative", "./x", "~other/x", ""])
def test_a_folder_of_runs_is_an_absolute_one(value: str) -> None:
    with pytest.raises(StartError, match=r"limits\.writable"):
        load(None, {}, {"limits.writable": [value]})
    assert load(None, {}, {"limits.writable": []}).limits.writable == ()
    assert load(None, {}, {"limits.writable": None}).limits.writable is None


@pytest.mark.parametrize("value", ["HELIOGRAPH_HTTP_TOKENS", "A=B", "1A", "", "A B", "Ä"])
def test_a_variable_of_runs_has_a_name_and_is_not_ours(value: str) -> None:
    with pytest.raises(StartError, match=r"limits\.environment"):
        load(None, {}, {"limits.environment": [value]})
    given = {"HELIOGRAPH_LIMITS_ENVIRONMENT": "PATH, HOME"}
    assert load(None, given, {}).limits.environment == ("PATH", "HOME")
