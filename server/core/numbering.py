"""Finding a free number for a name that is taken, without trying each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

#: Returns those of the numbers that are taken.
Taken = Callable[[Sequence[int]], Awaitable[set[int]]]

#: The highest number that is asked for, as a power of two, and how many are asked for at once.
_HIGHEST_BITS = 40
_AT_ONCE = 16


async def free_number(taken: Taken) -> int:
    """Return a number from 2 on that is free, while the one before it is taken; 1 counts as taken.

    Where numbers were given one after the other, and none was freed, that is the lowest. A few
    questions are asked, however many numbers are taken.
    """
    powers = [2**bits for bits in range(1, _HIGHEST_BITS)]
    low, high = await _between(taken, 1, powers)
    while high - low > 1:
        step = max(1, (high - low) // _AT_ONCE)
        low, high = await _between(taken, low, [*range(low + step, high, step), high])
    return high


async def _between(taken: Taken, low: int, numbers: Sequence[int]) -> tuple[int, int]:
    """Return the first of the numbers that is free, and the one before it, which is taken."""
    found = await taken(numbers)
    for number in numbers:
        if number not in found:
            return low, number
        low = number
    return low, low + 1  # taken since the question before
