"""Tickets for websockets, where no header can be sent: good once, within half a minute."""

from __future__ import annotations

import re
import secrets
import time
from collections import deque
from dataclasses import dataclass

from server.core.errors import HeliographError
from server.store.access.tickets import StoredTicket
from server.store.access.tickets import Tickets as TicketStore

TICKET_SECONDS = 30.0
#: How many tickets the holders of one token, and all together, can get from a server in that time.
MOST_OF_ONE = 1_000
MOST = 10_000
SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class TooManyTickets(HeliographError):
    """More tickets were asked for than anybody can need at a time."""

    def __init__(self) -> None:
        super().__init__("Too many tickets were made in the last seconds, try again later")


@dataclass(frozen=True)
class Ticket:
    """A new ticket: the secret, and until when it is good in Unix seconds."""

    secret: str
    expires: float


class Tickets:
    """The tickets of an installation, as one server hands them out and takes them."""

    def __init__(self, store: TicketStore) -> None:
        self._store = store
        #: who got a ticket that has not ended yet, and when it ends
        self._made: deque[tuple[float, str | None]] = deque()

    async def make(self, token: str | None) -> Ticket:
        """Return a new ticket for who has the token with this digest, None where all are let in.

        :raises TooManyTickets: there are too many that have not ended.
        """
        now = time.time()
        ticket = Ticket(secrets.token_urlsafe(32), now + TICKET_SECONDS)
        # Those from before a restart are not known here, so the first one looks for them, too.
        ended = not self._made or self._forget_ended(now)
        self._count(token, ticket.expires)
        if ended:
            await self._store.delete_ended(now)
        await self._store.insert(ticket.secret, StoredTicket(token, ticket.expires))
        return ticket

    async def take(self, secret: str) -> StoredTicket | None:
        """Use a ticket up, and return what it stands for; None for any that is not good."""
        if not SECRET.fullmatch(secret):
            return None
        stored = await self._store.take(secret)
        if stored is None or stored.expires < time.time():
            return None
        return stored

    def _forget_ended(self, now: float) -> bool:
        ended = False
        while self._made and self._made[0][0] < now:
            self._made.popleft()
            ended = True
        return ended

    def _count(self, token: str | None, expires: float) -> None:
        of_one = sum(each == token for _, each in self._made)
        if len(self._made) >= MOST or of_one >= MOST_OF_ONE:
            raise TooManyTickets
        self._made.append((expires, token))
