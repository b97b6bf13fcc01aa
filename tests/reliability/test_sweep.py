"""The sweep over the database calls of a scenario: samples by default, all of them with `long`."""

from __future__ import annotations

import pytest

from tests.reliability.tools.faults import (
    FAIL,
    KILL_AFTER,
    KILL_ENGINE,
    KILL_EXAMINER,
    KILL_TEMPLATE,
    UNHEARD,
    Orders,
)
from tests.reliability.tools.observer import Observer
from tests.reliability.tools.scenario import wrongs
from tests.reliability.tools.serving import Client, Server, short_folder
from tests.reliability.tools.sweep import KILLS, SWEPT_KINDS, figures, sweep

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=290), pytest.mark.timeout(300)]

#: The scenario makes about 250 calls.
SAMPLES = [
    (KILL_AFTER, 90, True),
    (UNHEARD, 40, False),
    (KILL_ENGINE, 100, False),
    pytest.param(KILL_TEMPLATE, 40, False, marks=pytest.mark.long),
    pytest.param(KILL_EXAMINER, 50, False, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("kind", "every", "twice"), SAMPLES)
async def test_faults_at_some_calls_of_a_scenario_lose_nothing(
    kind: str, every: int, twice: bool
) -> None:
    swept = await sweep(kind, every, seed=3, twice=twice, tell=False, jobs=2)
    assert swept.wrong == []
    assert swept.faults >= 2
    assert (swept.kills >= swept.faults) is (kind in KILLS)


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("kind", "twice"),
    [*((kind, False) for kind in SWEPT_KINDS), *((kind, True) for kind in KILLS)],
)
async def test_faults_at_every_call_of_a_scenario_lose_nothing(kind: str, twice: bool) -> None:
    swept = await sweep(kind, 1, seed=1, twice=twice, jobs=3)
    print(figures(kind, swept))
    assert swept.wrong == []


async def test_a_run_is_not_lost_when_the_database_fails_at_its_log() -> None:
    with short_folder() as folder:
        server = Server(folder / "data", orders=folder / "orders.json")
        try:
            await server.start()
            observer = Observer(Client(server))
            await observer.begin("failing")
            products = await observer.upload("a.fits")
            server.follow(Orders(kinds=(FAIL,), at=(1, 2), only="log_chunks"))
            record = await observer.ended(await observer.submit("Makes", products, slow=True))
            assert (record["state"], record["attempt"]) == ("succeeded", 1)
            assert len(server.calls) >= 3
            assert await wrongs(observer, server.data, set()) == []
        finally:
            await server.close()
