"""How the driver's errors become the domain's."""

from __future__ import annotations

import asyncio

import pytest
from pymongo import errors

from server.core.errors import AlreadyTaken, DatabaseAway, NoRoom, StartError
from server.store.driver.connection import Database
from server.store.driver.errors import translated


def a_bulk_error(code: int, said: str = "") -> errors.BulkWriteError:
    return errors.BulkWriteError({"writeErrors": [{"code": code, "errmsg": said}]})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.AutoReconnect("connection closed"), DatabaseAway),
        (errors.NetworkTimeout("timed out"), DatabaseAway),
        (errors.ServerSelectionTimeoutError("nobody there"), DatabaseAway),
        (errors.NotPrimaryError("not primary"), DatabaseAway),
        (errors.WaitQueueTimeoutError("pool"), DatabaseAway),
        (errors.ExecutionTimeout("maxTimeMS", 50), DatabaseAway),
        (errors.WTimeoutError("wtimeout", 64), DatabaseAway),
        (errors.OperationFailure("shutting down", 91), DatabaseAway),
        (errors.OperationFailure("database is locked", 8), DatabaseAway),
        (errors.DuplicateKeyError("E11000", 11000), AlreadyTaken),
        (errors.OperationFailure("UNIQUE constraint failed", 11000), AlreadyTaken),
        (a_bulk_error(11000), AlreadyTaken),
        (errors.OperationFailure("out of disk space", 14031), NoRoom),
        (errors.WriteError("database or disk is full", 8), NoRoom),
        (a_bulk_error(8, "database or disk is full"), NoRoom),
    ],
    ids=repr,
)
def test_an_error_of_the_driver_is_said_in_our_words(
    error: errors.PyMongoError, expected: type[Exception]
) -> None:
    assert isinstance(translated(error, "things"), expected)


def test_an_unknown_error_stays_what_it_is() -> None:
    error = errors.OperationFailure("unknown operator", 2)
    assert translated(error, "things") is error


@pytest.mark.parametrize("uri", ["mongodb://", "http://localhost", "mongodb://a:b:c"])
async def test_a_bad_uri_stops_the_start(runner: asyncio.Runner, uri: str) -> None:
    with pytest.raises(StartError, match=r"mongodb\.uri"):
        await Database.open(uri)


async def test_a_database_that_nobody_serves_is_away(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.store.driver.connection.SELECTION_SECONDS", 0.05)
    with pytest.raises(DatabaseAway):
        await Database.open("mongodb://%2Fnowhere%2Fengine.sock")
