"""Tickets for websockets, where no header can be sent: good once, within half a minute."""

from __future__ import annotations

import re
import secrets
import time
from collections import deque
from dataclasses import asdict, dataclass

import msgspec

from server.access.roles import Caller
from server.core.errors import HeliographError
from server.store.access.tickets import StoredTicket
from server.store.access.tickets import Tickets as TicketStore

TICKET_SECONDS = 30.0
#: How many tickets one caller, and all together, can get from a server in that time.
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

    async def make(self, caller: Caller) -> Ticket:
        """Return a new ticket that lets its holder in as this caller. Raises TooManyTickets."""
        now = time.time()
        ticket = Ticket(secrets.token_urlsafe(32), now + TICKET_SECONDS)
        ended = self._forget_ended(now)
        self._count(caller, ticket.expires)
        if ended:
            await self._store.delete_ended(now)
        text = msgspec.json.encode(asdict(caller)).decode()
        await self._store.insert(ticket.secret, StoredTicket(text, ticket.expires))
        return ticket

    async def take(self, secret: str) -> Caller | None:
        """Return whom a ticket lets in, and use it up; None for any that is not good."""
        if not SECRET.fullmatch(secret):
            return None
        stored = await self._store.take(secret)
        if stored is None or stored.expires < time.time():
            return None
        return msgspec.json.decode(stored.caller, type=Caller)

    def _forget_ended(self, now: float) -> bool:
        ended = False
        while self._made and self._made[0][0] < now:
            self._made.popleft()
            ended = True
        return ended

    def _count(self, caller: Caller, expires: float) -> None:
        of_one = sum(name == caller.name for _, name in self._made)
        if len(self._made) >= MOST or of_one >= MOST_OF_ONE:
            raise TooManyTickets
        self._made.append((expires, caller.name))
