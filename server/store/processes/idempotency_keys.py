"""The idempotency keys of submits: which process a key and a body have made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from server.store.base import load
from server.store.driver.connection import Database


@dataclass(frozen=True)
class Submission:
    """A submit that came with an idempotency key; `digest` is that of its body.

    `gone` means that the process has been deleted since, or was about to be.
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
        """Make the indexes that the methods below need."""
        for field in ("created", "process"):
            await self._collection.ensure_index(field)

    async def insert(self, submission: Submission) -> None:
        """Store a new submission. :raises AlreadyTaken: the key has been used already."""
        await self._collection.insert({"_id": _id(submission.key), **vars(submission)})

    async def get(self, key: str) -> Submission | None:
        """Return the submission with this key, if there is one."""
        document = await self._collection.get(_id(key))
        return None if document is None else load(Submission, document)

    async def mark_gone(self, process: int) -> None:
        """Mark the submission of a process that is being deleted; one without a key is fine."""
        await self._collection.change({"process": process}, set={"gone": True})

    async def delete(self, key: str) -> None:
        """Delete a submission; a missing one is fine."""
        await self._collection.delete({"_id": _id(key)})

    async def delete_older(self, than: float) -> int:
        """Delete the submissions made before this time and return how many there were."""
        return await self._collection.delete({"created": {"$lt": than}})


def _id(key: str) -> str:
    # The embedded engine would turn a client's text that looks like a number or an ObjectId into
    # one. The letter in front keeps a digest of digits only from looking like a number.
    return f"k{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
