"""Submits that can be repeated: one key, one process, however often and however many at once.

The key is stored with the PK of the process to be made before the process itself: whoever comes
with the same key after a crash makes that very process. A PK is never used again: the key of a
process that was deleted is refused.
"""

from __future__ import annotations

import hashlib
import time

from server.errors import AlreadyTaken, Conflict
from server.store.counters import Counters
from server.store.submissions import Submission, Submissions

KEEP_SECONDS = 30 * 86_400
KEY_LIMIT = 255


class Idempotency:
    """The keys of the last 30 days."""

    def __init__(self, submissions: Submissions, counters: Counters) -> None:
        self._submissions = submissions
        self._counters = counters

    async def find(self, key: str, body: bytes) -> int | None:
        """The PK that goes with a key. Raises Conflict when it was used for another body."""
        known = await self._submissions.get(key)
        if known is None or known.created < time.time() - KEEP_SECONDS:
            return None
        return _same(known, body)

    async def check_not_gone(self, key: str) -> None:
        """Raise Conflict when the process of a key was made once and deleted."""
        known = await self._submissions.get(key)
        if known is not None and known.gone:
            raise Conflict("The process of this Idempotency-Key was deleted")

    async def reserve(self, key: str, body: bytes) -> int:
        """The PK for a new submit with this key, or for the same one made at the same time."""
        await self._submissions.delete_older(time.time() - KEEP_SECONDS)
        pk = await self._counters.next("processes")
        try:
            await self._submissions.insert(
                Submission(key=key, digest=_digest(body), process=pk, created=time.time())
            )
        except AlreadyTaken:
            known = await self._submissions.get(key)
            return pk if known is None else _same(known, body)
        return pk


def _same(known: Submission, body: bytes) -> int:
    if known.digest != _digest(body):
        raise Conflict("This Idempotency-Key was used for another submit")
    return known.process


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
