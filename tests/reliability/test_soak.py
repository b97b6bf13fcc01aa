"""The soak, a small one by default, and its parts."""

from __future__ import annotations

import pytest

from tests.reliability.tools.havoc import OTHERS
from tests.reliability.tools.soak import Options, figures, soak

pytestmark = pytest.mark.slow

SMALL = Options(processes=60, kills=4, seed=5, limit_seconds=100, tell=False)
LARGE = Options(processes=10_000, kills=200, seed=1, limit_seconds=3400)


@pytest.mark.gen_test(timeout=290)
@pytest.mark.timeout(300)
async def test_random_work_on_a_server_killed_at_random_loses_nothing() -> None:
    soaked = await soak(SMALL)
    assert soaked.wrong == []
    assert (soaked.struck.kills, soaked.lost, soaked.doubled) == (4, 0, 0)
    assert len(soaked.promises.accepted) >= 60
    assert soaked.struck.others.total() >= 2


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_ten_thousand_processes_outlive_two_hundred_kills() -> None:
    soaked = await soak(LARGE)
    print(figures(soaked))
    assert soaked.wrong == []
    assert (soaked.struck.kills, soaked.lost, soaked.doubled) == (200, 0, 0)
    assert all(soaked.struck.others[victim] > 20 for victim in OTHERS)
