"""Which frames a film has, and in what order: what cannot be used is left out, with the reason.

Reading headers is left to `runners.fits.images`, pixels to `rendering`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from runners.fits.images import Frame


class LeftOut(NamedTuple):
    """A file, or a frame of one, that is not in the film; `reason` follows its name in a sentence.

    `product` is the PK of its data product.
    """

    product: int
    name: str
    reason: str


def usable(frames: Iterable[Frame]) -> tuple[list[Frame], list[LeftOut]]:
    """Return the frames of a film in order, and those that are left out of it.

    These have no date, unless all are of one file (then none is needed), or are not of the size
    that most have; of sizes that are equally frequent, that of the earliest frame counts.
    """
    given = list(frames)
    left_out: list[LeftOut] = []
    if len({frame.path for frame in given}) > 1:
        left_out += [_without(frame, frame.undated) for frame in given if frame.date is None]
        given = [frame for frame in given if frame.date is not None]
    ordered = in_order(given)
    if not ordered:
        return [], left_out
    # The first of those that are equally frequent, as `Counter` keeps the order.
    [((width, height), _)] = Counter((each.width, each.height) for each in ordered).most_common(1)
    kept = [each for each in ordered if (each.width, each.height) == (width, height)]
    left_out += [
        _without(each, f"is {each.sides} pixels, and most are {kept[0].sides}")
        for each in ordered
        if each.sides != kept[0].sides
    ]
    return kept, left_out


def in_order(frames: Iterable[Frame]) -> list[Frame]:
    """Return frames by date, then by name as people number them, then by place in their file."""
    return sorted(frames, key=lambda each: (each.date or 0.0, natural(each.name), each.plane))


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people number them: `frame2` before `frame10`."""
    pieces = re.split(r"(\d{1,18})", name, flags=re.ASCII)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def title_of(frame: Frame) -> str:
    """Return the name of a frame on one line, with its number if its file holds several."""
    name = one_line(frame.name)
    return name if frame.planes == 1 else f"{name} [{frame.plane + 1}]"


def one_line(name: str) -> str:
    """Return a name of a file without characters that end lines or are not shown."""
    return "".join(each if each.isprintable() else "\ufffd" for each in name)


def none_left(left_out: Sequence[LeftOut]) -> str:
    """Return why there is no film at all, in a sentence."""
    first, others = left_out[0], len(left_out) - 1
    if not others:
        return f"{first.name} {first.reason}"
    return f"No frame can be used: {first.name} {first.reason}, and {others} more are left out"


def _without(frame: Frame, reason: str) -> LeftOut:
    return LeftOut(frame.product, title_of(frame), reason)
