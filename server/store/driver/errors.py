"""Translates the driver's errors into the domain's, for MongoDB and the embedded engine alike."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pymongo import errors
from pymongo.errors import OperationFailure, PyMongoError

from server.core.errors import AlreadyTaken, DatabaseAway, HeliographError, NoRoom

AUTHENTICATION_FAILED = 18
_DUPLICATE_KEY = 11000
_OUT_OF_DISK_SPACE = 14031
#: Shutting down, stepping down, interrupted: the server will be back, or another one.
_AWAY = frozenset({50, 64, 91, 189, 262, 10107, 11600, 11602, 13435, 13436})


def translated(error: PyMongoError, collection: str) -> HeliographError | PyMongoError:
    """Return the domain's error for one of the driver's, or the same error if it has none."""
    message = str(error).lower()
    if meant := _meaning(_codes(error), message, collection):
        return meant
    if isinstance(error, errors.ConnectionFailure | errors.ExecutionTimeout | errors.WTimeoutError):
        return DatabaseAway()
    if isinstance(error, errors.InvalidOperation) and "after close" in message:
        return DatabaseAway()  # while the server stops, requests still come in
    return error


@contextlib.contextmanager
def refusals_told() -> Iterator[None]:
    """Raise the domain's errors, or a sentence, for all errors of the driver: for commands."""
    try:
        yield
    except PyMongoError as error:
        meant = translated(error, "database")
        if isinstance(meant, HeliographError):
            raise meant from error
        raise HeliographError(
            "The database refuses what is asked of it; see mongodb.uri"
        ) from error


def _meaning(codes: set[int], message: str, collection: str) -> HeliographError | None:
    """Return what error codes or a lower-case message mean, if they mean anything special."""
    if _DUPLICATE_KEY in codes:
        return AlreadyTaken(collection)
    if _OUT_OF_DISK_SPACE in codes or "disk is full" in message or "no space left" in message:
        return NoRoom()
    if codes & _AWAY or "database is locked" in message:
        return DatabaseAway()
    return None


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, errors.BulkWriteError):
        details = error.details or {}
        complaints = details.get("writeErrors", []) + details.get("writeConcernErrors", [])
        return {complaint.get("code", 0) for complaint in complaints}
    if isinstance(error, OperationFailure) and error.code is not None:
        return {error.code}
    return set()
