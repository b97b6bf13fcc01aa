"""What the codes and words of a database's error mean, for MongoDB and the embedded engine alike.

What the driver says by the kind of its exceptions is left to `database`.
"""

from __future__ import annotations

from pymongo import errors
from pymongo.errors import OperationFailure, PyMongoError

from server.core.errors import AlreadyTaken, DatabaseAway, HeliographError, NoRoom

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


def translated(error: PyMongoError, collection: str) -> HeliographError | PyMongoError:
    """The domain's error for one of the driver's, or the same error where there is none."""
    said = str(error).lower()
    if meant := meaning(_codes(error), said, collection):
        return meant
    if isinstance(error, errors.ConnectionFailure | errors.ExecutionTimeout | errors.WTimeoutError):
        return DatabaseAway()
    if isinstance(error, errors.InvalidOperation) and "after close" in said:
        return DatabaseAway()  # while the server stops, requests still come in
    return error


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, errors.BulkWriteError):
        details = error.details or {}
        complaints = details.get("writeErrors", []) + details.get("writeConcernErrors", [])
        return {complaint.get("code", 0) for complaint in complaints}
    if isinstance(error, OperationFailure) and error.code is not None:
        return {error.code}
    return set()
