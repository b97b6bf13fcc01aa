"""Sessions: they end with their token, on other servers too, and take bounded room."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

import pytest

from server.access import sessions as module
from server.access.access import Access
from server.access.identity import Identity, NotIdentified
from server.access.tokens import digest_of
from server.config import Config
from tests.fakes.fake_access import FakeSessions, FakeTokens, make_access


@dataclass
class Site:
    """A server's tokens and sessions; `again` is another server, or the same one restarted."""

    tokens: FakeTokens = field(default_factory=FakeTokens)
    stored: FakeSessions = field(default_factory=FakeSessions)

    def __post_init__(self) -> None:
        self.secret = self.tokens.make("jane")
        self.access = self.again()

    def again(self, alone: bool = True) -> Access:
        return make_access(Config(), self.tokens, self.stored, alone=alone)

    async def begin(self, browser: str = "Firefox") -> tuple[str, Identity]:
        token = self.access.tokens.find(self.secret)
        assert token is not None
        digest = digest_of(await self.access.sessions.begin(token, "10.0.0.1", browser))
        identity = self.access.sessions.in_memory(digest)
        assert identity is not None
        return digest, identity


async def test_a_session_has_the_role_of_its_token_and_is_kept_hashed(
    runner: asyncio.Runner,
) -> None:
    site = Site()
    token = site.access.tokens.find(site.secret)
    assert token is not None
    secret = await site.access.sessions.begin(token, "10.0.0.1", "Fire\nfox" + "x" * 1000)
    identity = site.access.sessions.in_memory(digest_of(secret))
    assert identity is not None
    assert identity.caller == token.identity.caller
    [kept] = site.stored.sessions.values()
    assert secret not in repr(kept)
    assert site.secret not in repr(kept)
    assert kept.expires - kept.created == 30 * 86400
    assert (kept.address, kept.browser[:8], len(kept.browser)) == ("10.0.0.1", "Fire fox", 300)


async def test_a_session_is_found_after_a_restart_and_then_in_memory(
    runner: asyncio.Runner,
) -> None:
    site = Site()
    digest, _ = await site.begin()
    sessions = site.again().sessions
    assert sessions.in_memory(digest) is None
    found = await sessions.find(digest)
    assert found is not None
    assert sessions.in_memory(digest) is found


async def test_a_session_ends_with_its_token(runner: asyncio.Runner) -> None:
    site = Site()
    digest, identity = await site.begin()
    site.tokens.make("jane")  # of the same name, with another secret
    await site.access.refresh()
    assert not identity.holds()
    assert site.access.sessions.in_memory(digest) is None
    for access in (site.access, site.again()):
        with pytest.raises(NotIdentified):
            await access.sessions.find(digest)


async def test_a_session_ends_with_its_time(runner: asyncio.Runner) -> None:
    site = Site()
    site.tokens.tokens["jane"] = replace(site.tokens.tokens["jane"], expires=time.time() + 50)
    await site.access.refresh()
    digest, identity = await site.begin()
    assert site.stored.sessions[digest].expires == site.tokens.tokens["jane"].expires
    site.stored.sessions[digest] = replace(site.stored.sessions[digest], expires=time.time() - 1)
    with pytest.raises(NotIdentified):
        await site.again().sessions.find(digest)
    assert await site.access.sessions.of_token(str(identity.token)) == []
    await site.again().refresh()  # the first one cleans up
    assert site.stored.sessions == {}


async def test_a_session_ended_elsewhere_ends_here(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    site = Site()
    digest, _ = await site.begin()
    here = site.again(alone=False)
    identity = await here.sessions.find(digest)
    assert identity is not None
    await here.refresh()
    assert identity.holds()
    await site.access.sessions.end(digest)
    await here.refresh()
    assert not identity.holds()
    assert here.sessions.in_memory(digest) is None


async def test_what_is_not_used_is_looked_up_again_and_what_is_watched_goes_on(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(module, "KNOWN_SECONDS", -1.0)
    site = Site()
    digest, identity = await site.begin()
    await site.access.refresh()
    assert site.access.sessions.in_memory(digest) is None
    assert identity.holds()  # of a websocket that is open
    await site.access.sessions.end(digest)
    assert not identity.holds()


async def test_one_session_too_many_ends_the_oldest(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_A_TOKEN", 3)
    site = Site()
    begun = [await site.begin() for _ in range(5)]
    assert [identity.holds() for _, identity in begun] == [False, False, True, True, True]
    assert len(site.stored.sessions) == 3


async def test_memory_is_bounded_and_each_dead_cookie_asks_once(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KNOWN_SESSIONS", 4)
    monkeypatch.setattr(module, "DEAD_COOKIES", 4)
    site = Site()
    begun = [await site.begin() for _ in range(9)]
    assert all(identity.holds() for _, identity in begun)
    sessions = site.access.sessions
    assert len(sessions._known) == 4
    for number in range(9):
        assert await sessions.find(f"sha256:{number}") is None
    assert len(sessions._dead) == 4
    asked = site.stored.asked
    with pytest.raises(NotIdentified):
        await sessions.find("sha256:8")
    assert site.stored.asked == asked
