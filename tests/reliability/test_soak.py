"""The soak, a small one by default, and its parts."""

from __future__ import annotations

import pytest

from tests.reliability.tools import soak_together
from tests.reliability.tools.havoc import OTHERS
from tests.reliability.tools.soak import Options, figures, soak

pytestmark = pytest.mark.slow

SMALL = Options(processes=40, kills=3, seed=5, limit_seconds=100, tell=False)
#: More than there is time for.
ENDLESS = Options(processes=10**6, kills=10**4, seed=6, limit_seconds=250, minutes=0.2, tell=False)
LARGE = Options(processes=10_000, kills=200, seed=1, limit_seconds=3400)


@pytest.mark.gen_test(timeout=290)
@pytest.mark.timeout(300)
async def test_random_work_on_a_server_killed_at_random_loses_nothing() -> None:
    soaked = await soak(SMALL)
    assert soaked.wrong == []
    assert (soaked.struck.kills, soaked.lost, soaked.doubled) == (3, 0, 0)
    assert len(soaked.promises.accepted) >= 40
    assert soaked.struck.others.total() >= 2


@pytest.mark.gen_test(timeout=290)
@pytest.mark.timeout(300)
@pytest.mark.long
async def test_a_soak_that_is_to_end_accounts_for_what_was_done_until_then() -> None:
    soaked = await soak(ENDLESS)
    assert soaked.wrong == []
    assert len(soaked.promises.accepted) < ENDLESS.processes


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_ten_thousand_processes_outlive_two_hundred_kills() -> None:
    soaked = await soak(LARGE)
    print(figures(soaked))
    assert soaked.wrong == []
    assert (soaked.struck.kills, soaked.lost, soaked.doubled) == (200, 0, 0)
    assert all(soaked.struck.others[victim] > 20 for victim in OTHERS)


TOGETHER = soak_together.Options(servers=2, processes=20, troubles=3, seed=4, limit_seconds=100)
LARGE_TOGETHER = soak_together.Options(
    servers=3, processes=500, troubles=40, seed=1, limit_seconds=3400
)


@pytest.mark.gen_test(timeout=290)
@pytest.mark.timeout(300)
async def test_random_work_on_two_servers_in_trouble_loses_nothing() -> None:
    soaked = await soak_together.soak(TOGETHER)
    assert soaked.wrong == []
    assert soaked.struck.total() == 3
    assert len(soaked.promises.accepted) >= 20


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_hundreds_of_processes_outlive_the_troubles_of_three_servers() -> None:
    soaked = await soak_together.soak(LARGE_TOGETHER)
    print(soak_together.figures(soaked))
    assert soaked.wrong == []
    assert sorted(soaked.late)[len(soaked.late) // 2] < 1
