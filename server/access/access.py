"""Who is let in: checks secrets, and keeps what is known of tokens and sessions up to date."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from server.access.guesses import Guesses
from server.access.identity import Identity, NotIdentified
from server.access.known_tokens import KnownToken, KnownTokens
from server.access.roles import ANYBODY
from server.access.secrets_file import read_secrets
from server.access.sessions import Sessions
from server.access.shared_guesses import SharedGuesses
from server.access.token_file import TokenFile
from server.access.tokens import TokenStore, digest_of
from server.config import Config
from server.config.config import is_loopback
from server.core.concurrency import repeat_every
from server.core.errors import StartError
from server.store import Store
from server.store.access.wrong_secrets import WrongSecrets

log = logging.getLogger(__name__)

#: How often tokens and sessions are looked at, by one server alone and by one of several, where
#: what another has written is to be seen within a second.
REFRESH_SECONDS, SHARED_SECONDS = 2.0, 0.4
#: Between two lines in the log about uses of the same expired token.
REPORT_SECONDS = 60.0


async def load_tokens(config: Config, store: TokenStore) -> KnownTokens:
    """Return the tokens that there are at the start.

    :raises StartError: they cannot be read, or there are none although others can reach the server.
    """
    tokens = KnownTokens(store, config.http.tokens, config.http.tokens_file)
    await tokens.load()
    if not tokens.any and not is_loopback(config.http.host):
        raise StartError(
            f"http.host: {config.http.host!r} is not allowed without a token, as it can be reached "
            "from elsewhere: make a token with `heliograph token add NAME --role admin`, set "
            "http.tokens or http.tokens_file, or listen on 127.0.0.1, ::1 or localhost"
        )
    return tokens


async def check_tokens(config: Config) -> None:
    """Check before anything is opened what can be: the configuration, and files of tokens.

    :raises StartError: as of `load_tokens`.
    """
    if config.mongodb.uri is None:
        await load_tokens(config, TokenFile(config.data))
    elif config.http.tokens_file is not None:
        await asyncio.to_thread(read_secrets, config.http.tokens_file)


def token_store(config: Config, store: Store) -> TokenStore:
    """Return what keeps the named tokens: the data folder, or a database of several servers."""
    return TokenFile(config.data) if config.mongodb.uri is None else store.tokens


class Access:
    """The tokens, sessions and guesses of a server.

    Without tokens, a server that only this machine can reach lets everybody in. Once it has had
    one, it does so no more, also when the last one has been revoked: a server must not become open
    to all by that.
    """

    def __init__(
        self,
        tokens: KnownTokens,
        sessions: Sessions,
        *,
        loopback: bool,
        shared: WrongSecrets | None = None,
    ) -> None:
        self.tokens = tokens
        self.sessions = sessions
        self.guesses = Guesses()
        self._shared = None if shared is None else SharedGuesses(shared, self.guesses)
        self.needs_token = tokens.any or not loopback
        self.anybody = Identity(ANYBODY, lambda: not self.needs_token)
        self._reported: dict[str, float] = {}
        self._refreshing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for changes; return at once."""
        if self.needs_token and not self.tokens.any_valid:
            log.warning(
                "No token is valid any more, so nobody is let in: make one with "
                "`heliograph token add`",
                extra={"action": "no_valid_token"},
            )
        self._refreshing = asyncio.create_task(
            repeat_every(
                REFRESH_SECONDS if self._shared is None else SHARED_SECONDS,
                self.refresh,
                name="tokens",
                log=log,
                away_level=logging.DEBUG,
            )
        )

    async def stop(self) -> None:
        """Look for changes no more."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refreshing

    async def refresh(self) -> None:
        """Take account of what has changed since the last time."""
        await self.tokens.refresh()
        self.needs_token = self.needs_token or self.tokens.any
        await self.sessions.refresh()
        if self._shared is not None:
            await self._shared.refresh()

    def check_secret(self, secret: str, address: str) -> KnownToken:
        """Return the token with this secret, which came from this address.

        :raises NotIdentified: it is wrong, or has expired.
        :raises TooManyGuesses: too many wrong ones came from there.
        """
        token = self.tokens.find(secret)
        if token is None:
            self.refuse(address, digest_of(secret))
            raise NotIdentified("This token is not valid")
        if not self.tokens.is_valid(token.digest):
            self._report_expired(token, address)
            raise NotIdentified("This token has expired")
        if not token.random:
            self.guesses.check_right(address, token.digest)
        self.tokens.note_use(token.digest)
        return token

    async def holder_of(self, token: str | None) -> Identity | None:
        """Return who has the token with this digest, None if it is not valid any more.

        Without one, that is everybody as long as no token is needed.
        """
        if token is None:
            return self.anybody if self.anybody.holds() else None
        if self.tokens.get(token) is None:  # made a moment ago, perhaps, on another server
            await self.tokens.refresh()
        known = self.tokens.get(token)
        return None if known is None else known.identity

    def refuse(self, address: str, digest: str) -> None:
        """Count a wrong secret. :raises TooManyGuesses: there were too many before."""
        last = self.guesses.add(address, digest)
        log.info(
            "A wrong token or cookie came from %s",
            address,
            extra={"action": "access_refused", "address": address},
        )
        if last:
            log.warning(
                "Too many wrong tokens or cookies came from %s, further ones get 429 for a while",
                address,
                extra={"action": "guessing_limited", "address": address},
            )

    def _report_expired(self, token: KnownToken, address: str) -> None:
        now = time.monotonic()
        if now - self._reported.get(token.digest, -REPORT_SECONDS) < REPORT_SECONDS:
            return
        self._reported[token.digest] = now
        log.info(
            "Token %s has expired, but is still used from %s",
            token.name,
            address,
            extra={"action": "expired_token_used", "token": token.name, "address": address},
        )
