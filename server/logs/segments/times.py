"""The times of a block's lines, packed so that they compress well and come back bit for bit.

A float64 is taken as the integer of its bits: times that follow each other closely differ little in
it. Of the differences, all first bytes are kept together, then all second ones, and so on.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from itertools import accumulate
from operator import sub

_DIFFERENCES, _BITS = b"\0", b"\1"
_WIDTH = 8


def pack_times(times: Iterable[float]) -> bytes:
    """Return the times as bytes: one that says how, and eight for each time."""
    bits = array("q", array("d", times).tobytes())
    try:
        return _DIFFERENCES + _shuffled(array("q", map(sub, bits, [0, *bits[:-1]])))
    except OverflowError:  # between times before and after 1970, which no clock shows
        return _BITS + _shuffled(bits)


def unpack_times(packed: bytes) -> array[float]:
    """Return the times. Raise ValueError or OverflowError when they are not what was packed."""
    planes = memoryview(packed)[1:]
    count, rest = divmod(len(planes), _WIDTH)
    if rest or packed[:1] not in (_DIFFERENCES, _BITS):
        raise ValueError("the times have a wrong size")
    mixed = bytearray(len(planes))
    for at in range(_WIDTH):
        mixed[at::_WIDTH] = planes[at * count : (at + 1) * count]
    bits = array("q", bytes(mixed))
    _to_native(bits)
    if packed[:1] == _DIFFERENCES:
        bits = array("q", accumulate(bits))
    return array("d", bits.tobytes())


def _shuffled(numbers: array[int]) -> bytes:
    _to_native(numbers)
    mixed = numbers.tobytes()
    return b"".join(mixed[at::_WIDTH] for at in range(_WIDTH))


def _to_native(numbers: array[int]) -> None:
    """Swap the bytes where the machine has the largest first: files have the smallest first."""
    if sys.byteorder == "big":
        numbers.byteswap()
