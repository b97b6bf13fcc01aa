"""Collections of `server.store.access`, kept in dictionaries."""

from __future__ import annotations

from server.store.access.shares import Share
from server.store.access.tickets import StoredTicket


class FakeTickets:
    """The tickets, by their secrets."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredTicket] = {}

    async def insert(self, secret: str, ticket: StoredTicket) -> None:
        self.stored[secret] = ticket

    async def take(self, secret: str) -> StoredTicket | None:
        return self.stored.pop(secret, None)

    async def delete_ended(self, now: float) -> int:
        before = len(self.stored)
        self.stored = {key: each for key, each in self.stored.items() if each.expires >= now}
        return before - len(self.stored)


class FakeShares:
    """The shares, by their ids; `read` counts how often one was looked up."""

    def __init__(self) -> None:
        self.stored: dict[str, Share] = {}
        self.read = 0

    async def insert(self, share: Share) -> None:
        self.stored[share.id] = share

    async def get(self, id: str) -> Share | None:
        self.read += 1
        return self.stored.get(id)

    async def of_process(self, process: int) -> list[Share]:
        found = [each for each in self.stored.values() if each.process == process]
        return sorted(found, key=lambda each: -each.created)

    async def delete(self, process: int) -> int:
        gone = [id for id, each in self.stored.items() if each.process == process]
        for id in gone:
            del self.stored[id]
        return len(gone)

    async def delete_ended(self, now: float) -> int:
        gone = [id for id, each in self.stored.items() if each.expires < now]
        for id in gone:
            del self.stored[id]
        return len(gone)


class FakeKeys:
    """The keys that are signed with."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    async def get_or_keep(self, purpose: str, new: bytes) -> bytes:
        return self.stored.setdefault(purpose, new)
