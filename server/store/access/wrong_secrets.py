"""Wrong secrets that came to any server, so that all servers together count them.

They are numbered, and whoever reads goes by the numbers: times of several clocks say little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.store.driver.connection import Database

#: How many are kept for late readers.
KEPT = 5_000
_COUNTER = "wrong_secret"
_BATCH = 1_000


@dataclass(frozen=True)
class WrongSecret:
    """From which network it came to which server, and the digest of what was sent."""

    pk: int
    server: str
    client: str
    digest: str


class WrongSecrets:
    """The newest wrong secrets."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("wrong_secrets")
        self._counters = database.collection("counters")

    async def ensure_indexes(self) -> None:
        """Make the index that the methods below need."""
        await self._collection.ensure_index("pk")

    async def last(self) -> int:
        """Return the number of the newest one, 0 without any."""
        counter = await self._counters.get(_COUNTER)
        return 0 if counter is None else int(counter["last"])

    async def add(self, server: str, wrong: Sequence[tuple[str, str]]) -> None:
        """Store wrong secrets, each by client and digest, and delete very old ones."""
        last = await self._counters.add_to(_COUNTER, "last", len(wrong))
        numbered = enumerate(wrong, last - len(wrong) + 1)
        await self._collection.insert_many(
            [
                {"_id": pk, "pk": pk, "server": server, "client": client, "digest": digest}
                for pk, (client, digest) in numbered
            ]
        )
        await self._collection.delete({"pk": {"$gt": 0, "$lte": last - KEPT}})

    async def after(self, pk: int) -> list[WrongSecret]:
        """Return those with higher numbers, the lowest first; not necessarily all."""
        found = await self._collection.find({"pk": {"$gt": pk}}, sort=("pk", 1), limit=_BATCH)
        return [
            WrongSecret(each["pk"], each["server"], each["client"], each["digest"])
            for each in found
        ]
