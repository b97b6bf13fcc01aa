"""`http.tokens_file`: what it may hold, who may read it, and how changes of it are heeded."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from server.access.secrets_file import WatchedSecrets, read_secrets
from server.core.errors import StartError

FIRST, SECOND = "first-secret-of-the-file", "second-secret-of-the-file"


def written(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    partial = path.with_suffix(".new")
    partial.write_bytes(content if isinstance(content, bytes) else content.encode())
    partial.chmod(mode)
    return partial.replace(path)


def test_secrets_stand_one_a_line_between_comments_and_blank_lines(tmp_path: Path) -> None:
    content = f"# the robots\r\n{FIRST}\r\n\n  {SECOND}  \n#{FIRST}"
    assert read_secrets(written(tmp_path / "tokens", content)) == (FIRST, SECOND)
    assert read_secrets(written(tmp_path / "tokens", "")) == ()


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640])
def test_owner_and_group_may_read_it(tmp_path: Path, mode: int) -> None:
    assert read_secrets(written(tmp_path / "tokens", FIRST, mode)) == (FIRST,)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o777])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(StartError, match=f"mode {mode:o}") as caught:
        read_secrets(written(tmp_path / "tokens", FIRST, mode))
    assert FIRST not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    ["short", "with a space in it, it is none", "nön-ascii-of-sixteen", "x" * 1025, "\x00" * 20],
)
def test_a_bad_line_is_named_by_its_number_and_not_shown(tmp_path: Path, bad: str) -> None:
    with pytest.raises(StartError, match=r"in line 3$") as caught:
        read_secrets(written(tmp_path / "tokens", f"{FIRST}\n\n{bad}\n"))
    assert bad not in str(caught.value)
    assert FIRST not in str(caught.value)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StartError, match=r"^http.tokens_file: .* cannot be read"):
            read_secrets(path)
    with pytest.raises(StartError, match="bytes"):
        read_secrets(written(tmp_path / "large", b"#" * (1024**2 + 1)))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(StartError, match="not a file"):
        read_secrets(tmp_path / "pipe")


async def test_changes_are_heeded_and_what_is_bad_changes_nothing(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    path = written(tmp_path / "tokens", FIRST)
    secrets = WatchedSecrets(path)
    await secrets.load()
    written(path, f"{FIRST}\n{SECOND}")
    await secrets.refresh()
    assert secrets.secrets == (FIRST, SECOND)
    written(path, "short")
    await secrets.refresh()
    assert secrets.secrets == (FIRST, SECOND)
    path.unlink()
    await secrets.refresh()
    assert secrets.secrets == (FIRST, SECOND)  # somebody may be writing it anew
    await secrets.refresh()
    assert secrets.secrets == ()
    written(path, SECOND)
    await secrets.refresh()
    assert secrets.secrets == (SECOND,)
