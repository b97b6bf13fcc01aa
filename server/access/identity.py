"""Who a request is from, and whether that still holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.access.roles import Caller
from server.core.errors import HeliographError
from server.store.access.sessions import Session


@dataclass(frozen=True)
class Identity:
    """A caller, and what proved it.

    `holds` is asked again and again while a websocket is open: it must be cheap, and false once the
    token has expired or been revoked, the session ended, or whatever else the proof was. `token` is
    the digest of the token, None where there was none.
    """

    caller: Caller
    holds: Callable[[], bool]
    token: str | None = None
    session: Session | None = None


class NotIdentified(HeliographError):
    """Nothing in a request proves who sent it; the sentence says what is wrong."""

    def __init__(self, sentence: str = "A token is needed") -> None:
        super().__init__(sentence)
