"""Backups that are taken under load, killed and restored: a few rounds of the tool."""

from __future__ import annotations

import pytest

from tests.reliability.tools.backups import backups, figures

pytestmark = pytest.mark.slow


@pytest.mark.gen_test(timeout=290)
@pytest.mark.timeout(300)
async def test_backups_under_load_that_are_killed_leave_none_or_a_whole_one() -> None:
    done = await backups(rounds=2, seed=3)
    assert done.wrong == []
    assert (done.rounds, done.whole) == (2, 2)
    assert done.backups_killed + done.restores_killed >= 1


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_a_backup_under_load_is_restored_whole_20_times_out_of_20() -> None:
    done = await backups(rounds=20, seed=1)
    print(figures(1, done))
    assert (done.wrong, done.whole) == ([], 20)
    assert done.backups_killed > 10
