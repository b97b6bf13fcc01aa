"""What the codes and words of a database's error mean, for MongoDB and the embedded engine alike.

What the driver says by the kind of its exceptions is left to `database`.
"""

from __future__ import annotations

from server.errors import AlreadyTaken, DatabaseAway, HeliographError, NoRoom

_DUPLICATE_KEY = 11000
_OUT_OF_DISK_SPACE = 14031
AUTHENTICATION_FAILED = 18
#: Shutting down, stepping down, interrupted: the server will be back, or another one.
_AWAY = frozenset({50, 64, 91, 189, 262, 10107, 11600, 11602, 13435, 13436})


def meaning(codes: set[int], said: str, collection: str) -> HeliographError | None:
    """The domain's error for these codes or what was said, in lower case; None for others."""
    if _DUPLICATE_KEY in codes:
        return AlreadyTaken(collection)
    if _OUT_OF_DISK_SPACE in codes or "disk is full" in said or "no space left" in said:
        return NoRoom()
    if codes & _AWAY or "database is locked" in said:
        return DatabaseAway()
    return None
