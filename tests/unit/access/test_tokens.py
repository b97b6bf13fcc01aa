"""Named tokens: what they may be called, how long they last, and where they are kept."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.access import token_file
from server.access.token_file import TokenFile
from server.access.tokens import Token, TokenProblem, digest_of, make_token
from server.core.errors import AlreadyTaken, NoRoom
from tests.fakes.fake_access import NOW


def a_token(name: str = "jane") -> Token:
    return make_token(name, "viewer", None, NOW)[0]


def test_a_secret_is_long_random_and_kept_as_its_digest() -> None:
    made = [make_token("jane", "admin", None, NOW) for _ in range(50)]
    secrets = {secret for _, secret in made}
    assert len(secrets) == 50
    for token, secret in made:
        assert len(secret) >= 46
        assert secret.isascii()
        assert secret.startswith("hg_")
        assert token.digest == digest_of(secret)
        assert secret not in repr(token)


@pytest.mark.parametrize("name", ["jane", "Jane.Doe@lab-3", "7", "a" * 64])
def test_names_are_letters_digits_and_a_few_signs(name: str) -> None:
    assert a_token(name).name == name


@pytest.mark.parametrize(
    "name", ["", "-x", "a b", "a\nb", "jane\n", "jané", "a" * 65, "a\x00", "../x", "=x", "\u202eab"]
)
def test_other_names_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(TokenProblem) as caught:
        a_token(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("role", ["", "Admin", "root", "viewer "])
def test_unknown_roles_are_refused(role: str) -> None:
    with pytest.raises(TokenProblem, match="viewer, operator, admin"):
        make_token("jane", role, None, NOW)


@pytest.mark.parametrize(
    ("days", "seconds"),
    [
        ("1", 86400),
        ("0.5", 43200),
        ("3650", 315360000),
        ("0.00016203703703703703", 14),  # as a program writes 14 s
    ],
)
def test_days_are_counted_from_now(days: str, seconds: float) -> None:
    assert make_token("jane", "viewer", days, NOW)[0].expires == NOW + seconds


@given(st.text(max_size=12) | st.sampled_from(["0", "-1", "3651", "1e9", "nan", "inf", "٣", " 1"]))
def test_other_days_are_refused(days: str) -> None:
    try:
        accepted = 0 < float(days) <= 3650 and set(days) <= set("0123456789.")
    except ValueError:
        accepted = False
    if not accepted:
        with pytest.raises(TokenProblem, match="3650"):
            make_token("jane", "viewer", days, NOW)


def list_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in list_of(folder)}


async def test_tokens_are_kept_in_a_file_that_only_its_owner_reads(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    kept = TokenFile(tmp_path)
    assert await kept.all() == []
    await kept.insert(a_token())
    await kept.insert(a_token("john"))
    assert [each.name for each in await TokenFile(tmp_path).all()] == ["jane", "john"]
    assert modes(tmp_path) == {0o600}
    with pytest.raises(AlreadyTaken):
        await kept.insert(a_token())
    assert await kept.delete("jane")
    assert not await kept.delete("jane")
    assert [each.name for each in await kept.all()] == ["john"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
async def test_what_root_adds_can_be_read_by_the_owner_of_the_folder(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    os.chown(tmp_path, 4711, 4712)
    await TokenFile(tmp_path).insert(a_token())
    owners = {(found.stat().st_uid, found.stat().st_gid) for found in list_of(tmp_path)}
    assert owners == {(4711, 4712)}


async def test_a_use_is_noted_of_the_token_that_is_there(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    kept, jane = TokenFile(tmp_path), a_token()
    await kept.insert(jane)
    await kept.note_uses({jane.digest: NOW + 5, "sha256:gone": NOW})
    assert await kept.all() == [replace(jane, used=NOW + 5)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"tokens": [{"name": "x"}]}',
        b'{"tokens": [], "version": 2}',
        b'{"tokens": [{"name": "x", "role": "boss", "digest": "d", "created": 1}]}',
        b"\xff",
    ],
)
async def test_a_damaged_file_is_said_to_be_and_not_written_over(
    runner: asyncio.Runner, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "tokens.json").write_bytes(content)
    kept = TokenFile(tmp_path)
    for work in (kept.all(), kept.insert(a_token()), kept.delete("jane")):
        with pytest.raises(TokenProblem, match="damaged"):
            await work
    assert (tmp_path / "tokens.json").read_bytes() == content


def test_many_change_the_file_at_once_and_none_is_lost(tmp_path: Path) -> None:
    def add(number: int) -> None:
        asyncio.run(TokenFile(tmp_path).insert(a_token(f"t{number}")))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.name for each in TokenFile(tmp_path).read()} == {f"t{n}" for n in range(12)}


async def test_a_lock_that_is_held_for_long_is_an_error(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_file, "LOCK_SECONDS", 0.1)
    descriptor = os.open(tmp_path / "tokens.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(TokenProblem, match="try again"):
        await TokenFile(tmp_path).insert(a_token())
    os.close(descriptor)
    await TokenFile(tmp_path).insert(a_token())


async def test_with_a_full_disk_tokens_are_revoked_but_not_added(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = TokenFile(tmp_path)
    await kept.insert(a_token())
    write = token_file._write

    def full(path: Path, content: bytes, flags: int) -> None:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content, flags)

    monkeypatch.setattr(token_file, "_write", full)
    with pytest.raises(NoRoom):
        await kept.insert(a_token("john"))
    assert await kept.delete("jane")
    assert await kept.all() == []
    assert json.loads(kept.path.read_text())["tokens"] == []


async def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    (tmp_path / "tokens.json.d").touch()
    with pytest.raises(TokenProblem, match="cannot be written"):
        await TokenFile(tmp_path / "tokens.json.d").insert(a_token())
