"""The data products of a target as an observer sorts them: by night, and inputs apart from outputs.

A night is told by the frames themselves, as the headers of few say where they were taken: frames
with less than `PAUSE_SECONDS` between them are of one night, named by the UTC date on which it
began. Where they go on for longer than a night is, as those of telescopes around the Earth do, a
night is a UTC date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from server.core.records import DataProduct
from server.store.base import Page

#: Between two nights there is a longer pause than this …
PAUSE_SECONDS = 6 * 3600.0
#: … and no night is longer than this.
NIGHT_SECONDS = 16 * 3600.0
#: So many data products of a target are listed, the newest ones.
MOST = 10_000
_AT_ONCE = 1_000
#: A file of such a name that is not FITS cannot be read, whatever it is.
_FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz", ".fts.gz", ".fits.bz2")


class Products(Protocol):
    """Where the data products come from."""

    async def find(
        self, target: int, *, before: int | None = None, limit: int = 100
    ) -> Page[DataProduct]:
        """Return a page of a target's data products, newest first."""

    async def fields(self, products: Sequence[DataProduct]) -> list[dict[str, Any]]:
        """Return data products as the API shows them."""


async def frames_of(products: Products, target: int) -> tuple[list[dict[str, Any]], bool]:
    """Return the newest data products of a target, newest first, and whether there are more.

    Each has the fields of the API and, besides, `kind` ("input" or "output"), `night` (a date as
    text, None without a date of observation), and `problem`, why it cannot be read, or None.
    """
    found: list[dict[str, Any]] = []
    before: int | None = None
    while True:
        page = await products.find(target, before=before, limit=_AT_ONCE)
        fields = await products.fields(page.items)
        found += map(_listed, page.items, fields)
        before = page.next
        if before is None or len(found) >= MOST:
            break
    return await asyncio.to_thread(_with_nights, found), before is not None


def nights_of(dates: Iterable[float]) -> dict[float | None, str]:
    """Return the night of each of these times, in Unix seconds, as `2017-12-20`."""
    nights: dict[float | None, str] = {}
    for run in _runs(sorted(set(dates))):
        one = run[-1] - run[0] <= NIGHT_SECONDS
        nights |= {date: _day(run[0] if one else date) for date in run}
    return nights


def problem_of(product: DataProduct) -> str | None:
    """Return why a data product cannot be read: what follows its name, None if nothing is known."""
    if product.fits is not None:
        problem: str | None = product.fits.get("problem")
        return problem
    if product.examinations_left or not product.name.lower().endswith(_FITS_SUFFIXES):
        return None
    return "is not a FITS file, or its header is damaged"


def _with_nights(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    nights = nights_of(_dates(frames))
    return [frame | {"night": nights.get(_date(frame))} for frame in frames]


def _listed(product: DataProduct, fields: dict[str, Any]) -> dict[str, Any]:
    kind = "input" if product.process is None else "output"
    return fields | {"kind": kind, "problem": problem_of(product)}


def _date(frame: dict[str, Any]) -> float | None:
    date = (frame["fits"] or {}).get("date")
    return date if isinstance(date, int | float) else None


def _dates(frames: Iterable[dict[str, Any]]) -> Iterator[float]:
    for frame in frames:
        if (date := _date(frame)) is not None:
            yield date


def _runs(dates: Sequence[float]) -> Iterator[Sequence[float]]:
    """Split ascending times where the pauses between them are long."""
    start = 0
    for at in range(1, len(dates) + 1):
        if at == len(dates) or dates[at] - dates[at - 1] >= PAUSE_SECONDS:
            yield dates[start:at]
            start = at


def _day(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # before the year 1, or after 9999
        return "unknown"
