"""The bodies of the logs API: correct, cached, compressed, streamed, and bounded in memory."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import NotFound
from server.core.records import State
from server.logs import bodies
from server.logs.bodies import LogBodies, LogBody
from tests.fakes.log_fakes import PK, Reading, a_process


def bodies_of(reading: Reading, cache_bytes: int = 2**20) -> LogBodies:
    return LogBodies(reading.reader, cache_bytes)


async def answer(body: LogBody, compressed: bool = False) -> dict[str, Any]:
    content = await body.read(compressed=compressed)
    if isinstance(content.pieces, list):
        data = b"".join(content.pieces)
        assert content.size == len(data)
    else:
        data = b"".join([piece async for piece in content.pieces])
    if content.compressed:
        data = gzip.decompress(data)
    found: dict[str, Any] = json.loads(data)
    return found


def text(first: int, last: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, last + 1))


@given(
    st.lists(st.integers(0, 200), max_size=6),
    st.lists(st.booleans(), min_size=7, max_size=7),
    st.sampled_from([0, 3_000, 2**20]),
)
def test_a_body_is_right_however_the_log_grew_and_whoever_asked(
    sizes: list[int], compressed: list[bool], cache_bytes: int
) -> None:
    async def scenario() -> None:
        reading = Reading()
        bodies = bodies_of(reading, cache_bytes)
        total = 0
        for version, size in enumerate([*sizes, 0], 2):
            total += size
            if size:
                await reading.write(size)
            reading.repository.accept(a_process(status=f"v{version}", version=version))
            found = await answer(
                await bodies.get(await reading.repository.get(PK)), compressed[version - 2]
            )
            assert found["logs"] == text(1, total)
            assert found["status"] == f"v{version}"
            assert list(found)[-3:] == ["logs", "group_name", "group_url"]
            assert bodies._used_bytes == sum(cached.counted for cached in bodies._cached.values())
            assert bodies._used_bytes <= cache_bytes

    asyncio.run(scenario())


def test_a_body_that_did_not_change_is_not_made_again() -> None:
    async def scenario() -> None:
        bodies = bodies_of(reading := Reading())
        await reading.write(5)
        first = await (await bodies.get(await reading.repository.get(PK))).read()
        again = await (await bodies.get(await reading.repository.get(PK))).read()
        assert isinstance(first.pieces, list)
        assert isinstance(again.pieces, list)
        assert first.pieces[0] is again.pieces[0]

    asyncio.run(scenario())


def test_a_log_that_grows_is_only_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counting(text: str) -> bytes:
        nonlocal made
        made += len(text)
        return json.dumps(text)[1:-1].encode()

    monkeypatch.setattr(bodies, "escaped", counting)

    async def scenario() -> None:
        bodies = bodies_of(reading := Reading(2**24), 2**24)
        for round in range(10):
            await reading.write(5_000)
            await answer(
                await bodies.get(await reading.repository.get(PK)), compressed=bool(round % 2)
            )

    asyncio.run(scenario())
    assert made == len(text(1, 50_000))


def test_a_log_beyond_the_limit_is_streamed_and_not_read_to_find_that_out_again() -> None:
    async def scenario() -> int:
        bodies = bodies_of(reading := Reading(), 10_000)
        await reading.write(2_000)
        body = await bodies.get(await reading.repository.get(PK))
        assert (await body.read()).size is None
        assert (await answer(body))["logs"] == text(1, 2_000)
        assert (await answer(body, compressed=True))["logs"] == text(1, 2_000)
        return bodies._used_bytes

    assert asyncio.run(scenario()) < 5_000


def test_many_who_ask_at_once_get_the_same() -> None:
    async def scenario() -> None:
        bodies = bodies_of(reading := Reading(0))
        await reading.write(3_000)
        asked = [
            answer(await bodies.get(await reading.repository.get(PK)), compressed=bool(n % 2))
            for n in range(20)
        ]
        found = await asyncio.gather(*asked)
        assert all(each["logs"] == text(1, 3_000) for each in found)

    asyncio.run(scenario())


def test_what_a_lost_run_wrote_behind_the_end_is_dropped() -> None:
    async def scenario() -> str:
        bodies = bodies_of(reading := Reading())
        await reading.write(10)
        await answer(await bodies.get(await reading.repository.get(PK)))
        reading.repository.accept(a_process(state=State.FAILED, log_lines=4, version=2))
        return str((await answer(await bodies.get(await reading.repository.get(PK))))["logs"])

    assert asyncio.run(scenario()) == text(1, 4)


def test_only_pipelines_have_one() -> None:
    async def scenario() -> None:
        reading = Reading()
        reading.repository.accept(a_process(process_type="timelapse"))
        with pytest.raises(NotFound):
            await bodies_of(reading).get(await reading.repository.get(PK))

    asyncio.run(scenario())


def test_a_deleted_process_frees_what_it_took() -> None:
    async def scenario() -> int:
        bodies = bodies_of(reading := Reading())
        await reading.write(10)
        await answer(await bodies.get(await reading.repository.get(PK)), compressed=True)
        bodies.forget(PK)
        return bodies._used_bytes

    assert asyncio.run(scenario()) == 0
