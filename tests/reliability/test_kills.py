"""Runs that are killed or cancelled by the dozen, and what goes on alongside."""

from __future__ import annotations

import pytest

from tests.reliability.tools import cancels, children

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=290), pytest.mark.timeout(300)]

#: What a busy machine may need beyond the bar, mostly the grace period of a run.
SLACK_SECONDS = 6.0


async def test_the_whole_group_of_a_cancelled_run_is_gone_within_seconds() -> None:
    done = await cancels.cancels(len(cancels.KINDS), seed=1)
    assert done.wrong == []
    assert done.seconds.keys() == set(cancels.KINDS)
    assert done.worst < cancels.BAR_SECONDS + SLACK_SECONDS


async def test_children_killed_in_a_row_leave_other_runs_alone() -> None:
    done = await children.kill_children(10)
    assert (done.children, done.wrong) == (10, [])
    assert done.ticks > 20


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_a_thousand_children_killed_in_a_row_leave_other_runs_alone() -> None:
    done = await children.kill_children(1000)
    print(children.figures(done))
    assert (done.children, done.wrong) == (1000, [])


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_the_groups_of_many_cancelled_runs_are_gone_within_seconds() -> None:
    done = await cancels.cancels(350, seed=2)
    print(cancels.figures(done))
    assert done.wrong == []
    assert done.worst < cancels.BAR_SECONDS + SLACK_SECONDS
