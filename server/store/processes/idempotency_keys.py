"""The idempotency keys of submits: which process a key and body made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from server.store.driver.connection import Database


@dataclass(frozen=True)
class Submission:
    """A submit that was made with an idempotency key; `digest` is of what it asked for.

    `gone` says that the process was deleted since, or was about to be.
    """

    key: str
    digest: str
    process: int
    created: float
    gone: bool = False


class Submissions:
    """All submits that may be repeated."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("submissions")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods upper_bound need."""
        for field in ("created", "process"):
            await self._collection.ensure_index(field)

    async def insert(self, submission: Submission) -> None:
        """Store a new one. :raises AlreadyTaken: the key was used already."""
        await self._collection.insert({"_id": _id(submission.key), **vars(submission)})

    async def get(self, key: str) -> Submission | None:
        """The submission with this key."""
        document = await self._collection.get(_id(key))
        if document is None:
            return None
        names = Submission.__dataclass_fields__
        return Submission(**{name: document[name] for name in names if name in document})

    async def mark_gone(self, process: int) -> None:
        """Note that the process of a key is being deleted; one without a key is fine."""
        await self._collection.change({"process": process}, set={"gone": True})

    async def delete(self, key: str) -> None:
        """Forget a key; a missing one is fine."""
        await self._collection.delete({"_id": _id(key)})

    async def delete_older(self, than: float) -> int:
        """Forget what was made before this time; returns how many that were."""
        return await self._collection.delete({"created": {"$lt": than}})


def _id(key: str) -> str:
    # A client's text could look like a number or an ObjectId, which the embedded engine would make
    # of it. The letter in front keeps a digest of digits from looking like one.
    return f"k{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
