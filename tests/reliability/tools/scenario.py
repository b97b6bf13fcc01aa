"""One of everything: what is done while the server is killed at each of its database calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.reliability.tools.invariants import violations
from tests.reliability.tools.observer import Observer
from tests.reliability.tools.snapshot import socket_uri, take

#: Working folders and journal entries are removed just after the record has ended.
SETTLE_SECONDS = 30.0


async def work_through(observer: Observer, name: str) -> None:
    """Upload, run with lines, progress and outputs, cancel, run again, share, delete."""
    await observer.begin(name)
    first, second = await observer.upload("a.fits", "b.fits")
    makes = await observer.submit("Makes", [first, second])
    waits = await observer.submit("Waits", [first])
    reading = asyncio.create_task(observer.read(makes))
    record = await observer.ended(makes)
    assert record["state"] == "succeeded", record
    await observer.until(waits, lambda record: record["status"] == "Waiting")
    await observer.cancel(waits)
    record = await observer.ended(waits)
    assert record["state"] == "cancelled", record
    await reading
    again = await observer.rerun(makes)
    record = await observer.ended(again)
    assert record["state"] == "succeeded", record
    await observer.delete_product(record["outputs"][0], again)
    await observer.delete_product(second)
    await observer.share(makes)
    await observer.delete(makes)


async def wrongs(
    observer: Observer, data: Path, known: set[str], files: Path | None = None
) -> list[str]:
    """Return what is wrong in the end, after some time for tidying up.

    Problems that are `known` are left out, and new ones become known.
    """
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        found = await asyncio.to_thread(take, socket_uri(data), data, files=files)
        wrong = [each for each in violations(found, observer.promises) if each not in known]
        if not wrong or asyncio.get_running_loop().time() > deadline:
            known.update(wrong)
            return wrong
        await asyncio.sleep(0.1)
