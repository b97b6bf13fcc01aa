"""A run's output is stored whole, in order and once, or its log says what is missing."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psutil
import pytest

from server.archive.storage import FileStorage
from server.config import PipelineEntry
from server.core.errors import NoRoom
from server.execution.child.messages import ChildMessages
from server.store.driver.collection import Collection
from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, eventually, scripted_config

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=100), pytest.mark.timeout(120)]

WRITING = {"insert", "insert_many", "change", "replace"}
LIMIT_BYTES = 20_000


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server of this module."""
    config = scripted_config(tmp_path_factory.mktemp("storing"))
    short = {"log_bytes": LIMIT_BYTES}
    entries = {
        "Short log": PipelineEntry(path="scripted.Scripted", limits=short),
        "Short log, twice": PipelineEntry(
            path="scripted.Scripted", limits=short, retries_on_failure=1
        ),
    }
    pipelines = {**config.pipelines, **entries}
    with serving(dataclasses.replace(config, pipelines=pipelines)) as running:
        yield Scripts(Client(running.url))


class Disk:
    """A disk that is full or not, as the database sees it."""

    def __init__(self) -> None:
        self.full = False
        self.refused = 0


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Yield a disk that can be full."""
    disk = Disk()
    call = Collection._call

    async def on_disk(self: Collection, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if disk.full and operation in WRITING and self.name != "servers":
            disk.refused += 1
            raise NoRoom
        return await call(self, operation, work)

    monkeypatch.setattr(Collection, "_call", on_disk)
    yield disk
    disk.full = False


FLOOD = """
    import time
    from pathlib import Path
    while not Path({gate!r}).exists():
        time.sleep(0.01)
    for number in range(200_000):
        self.log(f"line {{number}} of a flood that has to wait for room on the disk")
        if number % 100 == 0:
            Path({count!r}).write_text(str(number))
    (tmpdir / "made").write_text("made")
    outputs = [tmpdir / "made"]
    """


async def test_a_full_disk_holds_a_run_back_and_loses_nothing(
    scripts: Scripts, disk: Disk, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gate, count = tmp_path / "gate", tmp_path / "count"
    pk = await scripts.submit(FLOOD.format(gate=str(gate), count=str(count)))
    await scripts.client.until(pk, lambda record: record["state"] == "running")
    disk.full = True
    gate.touch()
    await eventually(lambda: disk.refused > 3 and count.exists())
    reached, since = "", time.monotonic()

    def held_back() -> bool:
        nonlocal reached, since
        if reached != (now := count.read_text()):
            reached, since = now, time.monotonic()
        return time.monotonic() - since > 1.5

    await eventually(held_back, 60)
    assert int(reached) < 150_000
    assert (await scripts.client.call(f"/api/processes/{pk}/"))["state"] == "running"
    disk.full = False
    record = await scripts.client.ended(pk)
    assert (record["state"], record["attempt"]) == ("succeeded", 1)
    lines = await scripts.client.lines(pk)
    lines += (await scripts.client.call(f"/api/processes/{pk}/logs/?after=100000&limit=100000"))[
        "lines"
    ]
    expected = [
        f"line {number} of a flood that has to wait for room on the disk"
        for number in range(200_000)
    ]
    assert [entry[3] for entry in lines] == expected
    assert [entry[0] for entry in lines] == list(range(1, 200_001))
    told = "Writing is delayed: The server's disk is full"
    assert [each.message for each in caplog.records].count(told) == 1


async def test_the_end_of_a_run_waits_for_room_too(scripts: Scripts, disk: Disk) -> None:
    pk = await scripts.submit("import time; self.log('begun'); time.sleep(0.5)")
    await scripts.client.until(pk, lambda record: record["log_lines"] == 1)
    disk.full = True
    await eventually(lambda: disk.refused > 3)
    assert (await scripts.client.call(f"/api/processes/{pk}/"))["state"] == "running"
    disk.full = False
    assert (await scripts.client.ended(pk))["state"] == "succeeded"


async def test_outputs_for_which_there_is_no_room_fail_the_run_and_leave_nothing(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = await scripts.submit("""
        import time
        while not (tmpdir / "go").exists() and not self._reporter.cancelled:
            self.update_status("waits")
            time.sleep(0.2)
            (tmpdir / "go").touch()
        (tmpdir / "made").write_text("made")
        outputs = [tmpdir / "made"]
        """)

    async def no_room(self: FileStorage, *_: object) -> None:
        raise NoRoom

    monkeypatch.setattr(FileStorage, "put_many", no_room)
    record = await scripts.client.ended(pk)
    message = "The outputs could not be stored: The server's disk is full"
    assert (record["state"], record["failure_message"]) == ("failed", message)
    assert (record["outputs"], record["group"]) == ([], None)
    assert (await scripts.texts(pk))[-1] == message


async def test_a_defect_of_ours_is_no_lost_lease_and_ends_after_its_retries(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    feed = ChildMessages.feed_messages

    def broken(self: ChildMessages, data: bytes) -> None:
        if b"the defect" in data:
            raise ZeroDivisionError("a defect of ours")
        feed(self, data)

    monkeypatch.setattr(ChildMessages, "feed_messages", broken)
    pk = await scripts.submit("""
        import time
        self.log("the defect")
        time.sleep(600)
        """)
    record = await scripts.client.ended(pk)
    assert (record["state"], record["attempt"]) == ("failed", 2)
    tracebacks = [each for each in caplog.records if each.exc_info and "broke off" in each.message]
    assert len(tracebacks) == 2
    assert all(each.levelno == logging.ERROR for each in tracebacks)
    assert all(isinstance(each.exc_info[1], ZeroDivisionError)  # type: ignore[index]
               for each in tracebacks)  # fmt: skip


async def test_a_log_ends_at_its_limit_visibly_and_with_a_count(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        for number in range(5_000):
            self.log(f"line {number}")
        self.update_status("after all lines")
        (tmpdir / "made").write_text("made")
        outputs = [tmpdir / "made"]
        """,
        "Short log",
    )
    assert (record["state"], len(record["outputs"])) == ("succeeded", 1)
    entries = await scripts.client.lines(record["pk"])
    *kept, notice, summary = entries
    assert [entry[3] for entry in kept] == [f"line {number}" for number in range(len(kept))]
    assert 200 < len(kept) < 1_000
    assert notice[2:] == [
        "warning",
        f"The log has reached its limit of {LIMIT_BYTES} bytes (limits.log_bytes): "
        "what follows is counted and not stored",
    ]
    left = 5_000 - len(kept)
    size = sum(len(f"line {number}\n") for number in range(len(kept), 5_000))
    assert summary[2:] == [
        "warning",
        f"The log's limit of {LIMIT_BYTES} bytes was reached: "
        f"{left} lines ({size} bytes) were not stored",
    ]
    assert record["log_lines"] == len(entries)


async def test_the_last_words_are_stored_beyond_the_limit(scripts: Scripts) -> None:
    record = await scripts.run(
        "self.log('x' * 50_000); raise KeyError('what was wrong')", "Short log"
    )
    texts = await scripts.texts(record["pk"])
    assert texts[-1] == "An unexpected error occurred"
    assert "were not stored" in texts[-2]


async def test_a_second_attempt_goes_on_counting_where_the_first_one_ended(
    scripts: Scripts,
) -> None:
    record = await scripts.run(
        "self.log('\\n'.join(['half of it'] * 250)); raise ValueError", "Short log, twice"
    )
    texts = await scripts.texts(record["pk"])
    assert record["attempt"] == 2
    assert "Attempt 2 begins" in texts
    second = texts[texts.index("Attempt 2 begins") :]
    assert texts.count("half of it") > 250
    assert second.count("half of it") < 250
    assert sum("has reached its limit" in text for text in texts) == 1


ENDLESS = """
    import os
    piece = {byte!r} * 65_536
    for _ in range({pieces}):
        os.write(1, piece)
    """


@pytest.mark.parametrize("byte", [b"x", b"\\n"], ids=["no line end", "nothing but line ends"])
async def test_endless_output_ends_in_the_limit_and_takes_no_memory(
    scripts: Scripts, byte: bytes
) -> None:
    before = psutil.Process().memory_info().rss
    script = ENDLESS.format(byte=byte.decode("unicode_escape").encode(), pieces=500)
    record = await scripts.run(script, "Short log")
    assert record["state"] == "succeeded"
    texts = await scripts.texts(record["pk"])
    assert "has reached its limit" in texts[-2]
    assert "were not stored" in texts[-1]
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


async def test_a_line_of_20_megabytes_is_split_and_whole(scripts: Scripts) -> None:
    await long_line(scripts, 20_000_000)


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.gen_test(timeout=2900)
async def test_a_line_of_a_gigabyte_is_split_and_whole(scripts: Scripts) -> None:
    await long_line(scripts, 10**9)


async def long_line(scripts: Scripts, length: int) -> None:
    """Run a script that prints one line of this many characters, and read all of it."""
    before = psutil.Process().memory_info().rss
    started = time.monotonic()
    pk = await scripts.submit(f"""
        import sys
        for number in range(0, {length} // 1000, 100):
            sys.stdout.write("".join(f"{{each:>1000}}" for each in range(number, number + 100)))
        self.log("next")
        """)
    record = await scripts.client.until(
        pk, lambda record: record["terminal_timestamp"] is not None, 1500
    )
    seconds = time.monotonic() - started
    grown = psutil.Process().memory_info().rss - before
    assert record["state"] == "succeeded"
    count, rest = 0, ""
    async for page in pages(scripts, pk):
        pieces = [entry for entry in page if entry[3] != "next"]
        assert all(len(piece) == 5 and len(piece[3]) <= 65_536 for piece in pieces)
        said = rest + "".join(piece[3] for piece in pieces)
        whole = len(said) // 1000
        expected = "".join(f"{number:>1000}" for number in range(count, count + whole))
        assert (said[: whole * 1000] == expected) is True
        count, rest = count + whole, said[whole * 1000 :]
    assert (count, rest) == (length // 1000, "")
    print(f"{length} characters in {seconds:.1f} s, memory grown by {grown / 2**20:.0f} MiB")
    assert grown < 300 * 2**20


async def pages(scripts: Scripts, pk: int) -> AsyncIterator[list[list[Any]]]:
    """Yield the entries of a log, a hundred at a time."""
    after = None
    page = {"next": 0}
    while page["next"] != after:
        after = page["next"]
        page = await scripts.client.call(f"/api/processes/{pk}/logs/?after={after}&limit=100")
        yield page["lines"]
