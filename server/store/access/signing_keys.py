"""Keys that an installation signs with: each is made once, whichever server is the first."""

from __future__ import annotations

from server.core.errors import AlreadyTaken
from server.store.driver.connection import Database


class SigningKeys:
    """All keys, by what they sign."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("signing_keys")

    async def ensure_indexes(self) -> None:
        """Make no index: keys are found by `_id`."""

    async def get_or_keep(self, purpose: str, new: bytes) -> bytes:
        """Return the key for a purpose, which becomes this new one if there is none yet."""
        document = await self._collection.get(purpose)
        if document is None:
            try:
                await self._collection.insert({"_id": purpose, "key": f"k{new.hex()}"})
            except AlreadyTaken:  # another server was faster
                document = await self._collection.get(purpose)
        return new if document is None else bytes.fromhex(document["key"][1:])
