"""A free number is found by few questions, with gaps or without."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.numbering import free_number


def found(taken: set[int]) -> tuple[int, int, int]:
    """Return the number found, how many questions were asked, and the numbers in all of them."""
    asked: list[int] = []

    async def ask(numbers: Sequence[int]) -> set[int]:
        asked.append(len(numbers))
        return taken.intersection(numbers)

    return asyncio.run(free_number(ask)), len(asked), sum(asked)


@pytest.mark.parametrize("last", [1, 2, 3, 4, 15, 16, 17, 63, 64, 799, 800, 4_097, 100_000])
def test_the_lowest_free_number_is_found_by_few_questions(last: int) -> None:
    number, questions, numbers = found(set(range(1, last + 1)))
    assert number == last + 1
    assert questions <= 6
    assert numbers < 150


@given(st.sets(st.integers(1, 300)))
def test_with_gaps_it_is_free_and_follows_one_that_is_taken(taken: set[int]) -> None:
    number, _, _ = found(taken)
    assert number not in taken
    assert number == 2 or number - 1 in taken


def test_what_is_taken_while_it_is_looked_for_is_not_found() -> None:
    taken: set[int] = set(range(1, 10))

    async def ask(numbers: Sequence[int]) -> set[int]:
        taken.add(max(taken) + 1)
        return taken.intersection(numbers)

    number = asyncio.run(free_number(ask))
    assert number >= 10
