"""The process that examines files is killed, over and over, while it is needed."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.reliability.tools import victims
from tests.reliability.tools.observer import EXPOSURE_SECONDS, Observer, observing
from tests.reliability.tools.scenario import wrongs
from tests.reliability.tools.serving import Server

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=140), pytest.mark.timeout(150)]

UPLOADS, KILLS = 12, 4


async def kill_examiner(server: Server, kills: list[int]) -> None:
    """Kill one examiner after another, some before they are ready."""
    while len(kills) < KILLS:
        found = await asyncio.to_thread(victims.find, server.pid, victims.EXAMINER)
        if found is not None and found.pid not in kills and victims.kill(found):
            kills.append(found.pid)
        await asyncio.sleep(0.3 * (len(kills) % 3))


async def until_examined(observer: Observer, pks: list[int]) -> None:
    """Wait until the metadata of all of these products are known."""
    async with asyncio.timeout(60):
        for pk in pks:
            while not (fits := (await observer.client.call(f"/api/dataproducts/{pk}/"))["fits"]):
                await asyncio.sleep(0.1)
            assert fits["exposure"] == EXPOSURE_SECONDS


async def test_files_uploaded_while_the_examiner_is_killed_are_examined_in_the_end() -> None:
    async with observing("examined") as observer:
        server = observer.client.server
        kills: list[int] = []
        killing = asyncio.create_task(kill_examiner(server, kills))
        pks: list[int] = []
        while len(kills) < KILLS or len(pks) < UPLOADS:
            pks += await observer.upload(f"{len(pks)}.fits")
        await killing
        await until_examined(observer, pks)
        assert await wrongs(observer, server.data, set()) == []


async def test_a_preview_is_no_error_of_the_file_because_the_examiner_is_killed() -> None:
    async with observing("previewed") as observer:
        pks = await observer.upload("a.fits", "b.fits")
        kills: list[int] = []
        killing = asyncio.create_task(kill_examiner(observer.client.server, kills))
        answers = []
        while len(kills) < KILLS:
            # The client asks again after a 503, as it should.
            answers.append(await observer.client.fetch(f"/api/dataproducts/{pks[0]}/header/"))
        await killing
        answers.append(await observer.client.fetch(f"/dataproducts/{pks[1]}/preview.png"))
        assert [answer.body for answer in answers if answer.code != 200] == []
        assert answers[-1].body.startswith(b"\x89PNG")
        assert json.loads(answers[0].body)["hdus"]
