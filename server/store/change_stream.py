"""What is read off a change stream: which document changed, and to which version.

Opening the stream is left to `database`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

#: Of a change, what tells what was changed, without what it was changed to.
WATCHED = [
    {
        "$project": {
            "operationType": 1,
            "documentKey": 1,
            "fullDocument.version": 1,
            "updateDescription.updatedFields.version": 1,
        }
    }
]


async def changes(stream: Any) -> AsyncIterator[tuple[int, int | None]]:
    """The `_id` of each change of a stream of `WATCHED`, and the `version` set, if any."""
    async for change in stream:
        fields: dict[str, Any] = {}
        if change["operationType"] != "delete":
            fields |= change.get("fullDocument") or {}
            fields |= (change.get("updateDescription") or {}).get("updatedFields") or {}
        yield int(change["documentKey"]["_id"]), fields.get("version")
