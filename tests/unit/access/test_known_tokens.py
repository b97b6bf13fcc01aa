"""What a running server knows of tokens: changes are heeded and logged, faults change nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from server.access import known_tokens
from server.access.access import Access, load_tokens
from server.access.identity import NotIdentified
from server.access.roles import Role
from server.access.tokens import TokenProblem
from server.config import Config
from server.config.sections import Http
from server.core.errors import DatabaseAway, HeliographError, StartError
from tests.fakes.fake_access import FakeSessions, FakeTokens, make_access

SECRET = "an-unguessable-token"


def access_of(kept: FakeTokens, **http: object) -> Access:
    return make_access(Config(http=Http(**http)), kept, FakeSessions())  # type: ignore[arg-type]


def actions(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    return [
        (record.__dict__["action"], record.__dict__.get("token"))
        for record in caplog.records
        if "action" in record.__dict__
    ]


async def test_tokens_are_added_and_revoked_while_the_server_runs(
    runner: asyncio.Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens = FakeTokens()
    access = access_of(tokens)
    assert not access.needs_token
    assert access.anybody.holds()
    secret = tokens.make("jane", "operator")
    await access.refresh()
    identity = access.check_secret(secret, "10.0.0.1").identity
    assert (identity.caller.name, identity.caller.role) == ("jane", Role.OPERATOR)
    assert (access.needs_token, access.anybody.holds(), identity.holds()) == (True, False, True)
    await tokens.delete("jane")
    await access.refresh()
    assert not identity.holds()
    with pytest.raises(NotIdentified):
        access.check_secret(secret, "10.0.0.1")
    assert access.needs_token  # the last one is gone, and still not everybody is let in
    assert actions(caplog)[:2] == [("token_added", "jane"), ("token_revoked", "jane")]
    assert secret not in caplog.text


async def test_a_token_of_the_same_name_does_not_bring_back_the_first(
    runner: asyncio.Runner,
) -> None:
    tokens = FakeTokens()
    first = tokens.make("jane")
    access = access_of(tokens)
    identity = access.check_secret(first, "10.0.0.1").identity
    second = tokens.make("jane", "admin")
    await access.refresh()
    assert not identity.holds()
    assert access.check_secret(second, "10.0.0.1").identity.caller.role is Role.ADMIN


async def test_a_token_expires_and_its_use_is_logged_once_a_minute(
    runner: asyncio.Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens = FakeTokens()
    secret = tokens.make("jane", expires=time.time() + 3600)
    access = access_of(tokens)
    identity = access.check_secret(secret, "10.0.0.1").identity
    assert identity.holds()
    tokens.tokens["jane"] = replace(tokens.tokens["jane"], expires=time.time() - 1)
    await access.refresh()
    await access.refresh()
    assert not identity.holds()
    for _ in range(30):  # it is no guess
        with pytest.raises(NotIdentified, match="expired"):
            access.check_secret(secret, "10.0.0.1")
    assert actions(caplog) == [("token_expired", "jane"), ("expired_token_used", "jane")]


@pytest.mark.parametrize("fault", [TokenProblem("It is damaged"), DatabaseAway()])
async def test_what_cannot_be_read_stays_as_it_is(
    runner: asyncio.Runner, caplog: pytest.LogCaptureFixture, fault: HeliographError
) -> None:
    tokens = FakeTokens()
    secret = tokens.make("jane")
    access = access_of(tokens)
    tokens.fault = fault
    await access.refresh()
    await access.refresh()
    assert access.check_secret(secret, "10.0.0.1").name == "jane"
    reported = [action for action, _ in actions(caplog)]
    assert reported == (["tokens_not_read"] if isinstance(fault, TokenProblem) else [])


async def test_the_last_use_is_noted_now_and_then(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = FakeTokens()
    secret = tokens.make("jane")
    access = access_of(tokens)
    access.check_secret(secret, "10.0.0.1")
    await access.refresh()
    assert tokens.tokens["jane"].used is None
    monkeypatch.setattr(known_tokens, "USES_SECONDS", 0.0)
    await access.refresh()
    assert tokens.tokens["jane"].used == pytest.approx(time.time(), abs=60)


async def test_tokens_of_the_configuration_are_admins_without_a_name(
    runner: asyncio.Runner,
) -> None:
    access = access_of(FakeTokens(), tokens=(SECRET,))
    caller = access.check_secret(SECRET, "10.0.0.1").identity.caller
    assert (caller.name, caller.role) == (None, Role.ADMIN)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "127.1", "telescope.example"])
async def test_beyond_loopback_a_start_needs_any_token(
    runner: asyncio.Runner, tmp_path: Path, host: str
) -> None:
    tokens = FakeTokens()
    with pytest.raises(StartError, match=r"^http.host: .*token add.*http\.tokens") as caught:
        await load_tokens(Config(http=Http(host=host)), tokens)
    assert "\n" not in str(caught.value)
    path = tmp_path / "tokens"
    path.write_text(SECRET)
    path.chmod(0o600)
    for http in (Http(host=host, tokens=(SECRET,)), Http(host=host, tokens_file=path)):
        assert (await load_tokens(Config(http=http), tokens)).any_valid
    tokens.make("jane")
    assert (await load_tokens(Config(http=Http(host=host)), tokens)).any_valid


async def test_a_server_whose_tokens_have_all_expired_lets_nobody_in(
    runner: asyncio.Runner, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = FakeTokens()
    tokens.make("jane", expires=1.0)
    access = access_of(tokens)
    assert access.needs_token
    access.start()
    await access.stop()
    assert actions(caplog) == [("no_valid_token", None)]


def wrong_many_times(access: Access, address: str) -> None:
    for number in range(10):
        with pytest.raises(NotIdentified):
            access.check_secret(f"guess-{number}", address)


@pytest.mark.parametrize("used_before", [False, True])
async def test_behind_one_address_an_attacker_keeps_out_nobody_who_can_not_be_guessed(
    runner: asyncio.Runner, used_before: bool
) -> None:
    tokens = FakeTokens()
    secret = tokens.make("jane")
    access = access_of(tokens, tokens=(SECRET,))
    check: Callable[[], object] = lambda: access.check_secret(SECRET, "10.0.0.1")  # noqa: E731
    if used_before:
        check()
    wrong_many_times(access, "10.0.0.1")
    assert access.check_secret(secret, "10.0.0.1").name == "jane"
    if used_before:
        check()
    else:
        with pytest.raises(HeliographError, match="Too many"):
            check()
