"""Statistics of an image and its histogram: where its values are, so that a viewer can cut them.

Whole numbers of at most 16 bits are all counted. Of others, extremes, mean and deviation are of
all, percentiles and histogram of a sample of regular rows and columns if there are many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.fits.raw_pixels import Scaling
from runners.fits.science import Section
from runners.fits.viewing.pixels import Pixels, valued
from runners.fits.viewing.windows import bands

#: In percent of the pixels that are not blank.
PERCENTILES = (0.1, 0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9)
#: Columns of the histogram, which goes from and to these percentiles.
COLUMNS, FROM, TO = 256, 0.1, 99.9
#: Of an image with more pixels a sample is ranked.
MOST_RANKED = 500_000
#: Between these numbers the histogram has columns of a width that is a number.
_FARTHEST, _LEAST = float(np.finfo(np.float64).max) / 4, float(np.finfo(np.float64).tiny) * 2**20


@dataclass(slots=True)
class _Sums:
    """What is added up of the pieces of an image."""

    low: float = np.inf
    high: float = -np.inf
    count: int = 0
    pieces: list[tuple[int, float, float]] = field(default_factory=list)
    ranked: list[NDArray[Any]] = field(default_factory=list)


def levels_of(pixels: Pixels, plane: int) -> dict[str, Any]:
    """Return `statistics` and `histogram` of a plane, each None if no pixel is finite.

    The statistics are `pixels` (how many are not blank), `min`, `max`, `mean`, `median`, `sigma`
    (standard deviation) and `percentiles`. The histogram has `counts` of `pixels` pixels in columns
    of one width `from` one value `to` another, and how many are `below` and `above` these.
    """
    whole = Section(0, 0, pixels.width, pixels.height)
    with np.errstate(all="ignore"):
        first, scaling = pixels.stored(plane, Section(0, 0, pixels.width, 1))
        if first.dtype.kind in "iu" and first.dtype.itemsize <= 2:
            values, counts = _counted(pixels, plane, whole, scaling)
        else:
            values, counts = None, None
        return _summary(pixels, plane, whole, values, counts)


def _summary(
    pixels: Pixels,
    plane: int,
    whole: Section,
    values: NDArray[Any] | None,
    counts: NDArray[Any] | None,
) -> dict[str, Any]:
    if values is not None and counts is not None:
        if not counts.size:
            return {"statistics": None, "histogram": None}
        return _of_counts(values, counts)
    sums = _added_up(pixels, plane, whole)
    if not sums.count:
        return {"statistics": None, "histogram": None}
    ranked = np.concatenate(sums.ranked).astype(np.float64)
    if not ranked.size:  # all that is not blank is between the rows of the sample
        ranked = np.array([sums.low, sums.high])
    mean, sigma = _mean_and_sigma(sums)
    at = np.percentile(ranked, PERCENTILES)
    statistics = _statistics(sums.count, sums.low, sums.high, mean, sigma, at)
    low, high = _range(at)
    shares, _ = np.histogram(ranked, COLUMNS, (low, high))
    return {"statistics": statistics, "histogram": _histogram(ranked, None, shares, low, high)}


def _mean_and_sigma(sums: _Sums) -> tuple[float, float]:
    """Return the mean and the standard deviation; of values near the largest, infinite ones."""
    counts, means, squares = np.array(sums.pieces, np.float64).T
    mean = float((counts * means).sum() / sums.count)
    # By numpy, whose squares may overflow: those of Python's numbers raise an error then.
    return mean, float(np.sqrt((squares + counts * (means - mean) ** 2).sum() / sums.count))


def _counted(
    pixels: Pixels, plane: int, whole: Section, scaling: Scaling
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the values that occur, ascending, and how often each does."""
    counts, kind = np.zeros(65536, np.int64), None
    for band in bands(whole, 1):
        stored, _ = pixels.stored(plane, band)
        kind = stored.dtype.newbyteorder("=")
        native = np.ascontiguousarray(stored, kind).reshape(-1)
        if kind.itemsize == 2:
            counts += np.bincount(native.view(np.uint16), minlength=65536)
        else:
            counts[:256] += np.bincount(native.view(np.uint8), minlength=256)
    assert kind is not None
    places = np.flatnonzero(counts)
    unsigned = np.uint16 if kind.itemsize == 2 else np.uint8
    values = valued(places.astype(unsigned).view(kind), scaling).astype(np.float64)
    counts = counts[places]
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    return values[known][order], counts[known][order]


def _of_counts(values: NDArray[Any], counts: NDArray[Any]) -> dict[str, Any]:
    total, ends = int(counts.sum()), np.cumsum(counts)
    mean = float((values * counts).sum() / total)
    sigma = float(((values - mean) ** 2 * counts).sum() / total) ** 0.5
    ranks = np.array(PERCENTILES) / 100 * (total - 1)
    below = values[np.searchsorted(ends, np.floor(ranks), side="right")]
    above = values[np.searchsorted(ends, np.ceil(ranks), side="right")]
    at = below + (above - below) * (ranks - np.floor(ranks))
    statistics = _statistics(total, values[0], values[-1], mean, sigma, at)
    low, high = _range(at)
    shares, _ = np.histogram(values, COLUMNS, (low, high), weights=counts)
    histogram = _histogram(values, counts, shares, low, high)
    return {"statistics": statistics, "histogram": histogram}


def _added_up(pixels: Pixels, plane: int, whole: Section) -> _Sums:
    sums = _Sums()
    step = max(1, int(np.ceil((whole.width * whole.height / MOST_RANKED) ** 0.5)))
    for band in bands(whole, step):
        values = pixels.values(plane, band)
        some = values[::step, ::step].ravel()
        sums.ranked.append(some[~np.isnan(some)])
        blank = np.isnan(values)
        known = values[~blank] if blank.any() else values.ravel()
        if known.size:
            sums.low = min(sums.low, float(known.min()))
            sums.high = max(sums.high, float(known.max()))
            sums.count += known.size
            mean = float(known.mean(dtype=np.float64))
            squares = float(known.var(dtype=np.float64)) * known.size
            sums.pieces.append((known.size, mean, squares))
    return sums


def _statistics(
    count: int, low: float, high: float, mean: float, sigma: float, at: NDArray[Any]
) -> dict[str, Any]:
    return {
        "pixels": count,
        "min": _finite(low),
        "max": _finite(high),
        "mean": _finite(mean),
        "median": _finite(at[PERCENTILES.index(50.0)]),
        "sigma": _finite(sigma),
        "percentiles": {
            f"{percent:g}": _finite(value) for percent, value in zip(PERCENTILES, at, strict=True)
        },
    }


def _histogram(
    values: NDArray[Any], counts: NDArray[Any] | None, shares: NDArray[Any], low: float, high: float
) -> dict[str, Any]:
    ones = np.ones(values.shape, np.int64) if counts is None else counts
    return {
        "from": _finite(low),
        "to": _finite(high),
        "counts": [int(share) for share in shares],
        "below": int(ones[values < low].sum()),
        "above": int(ones[values > high].sum()),
        "pixels": int(ones.sum()),
    }


def _range(at: NDArray[Any]) -> tuple[float, float]:
    """Return the ends of the histogram, which are apart even if all values are the same.

    Their distance is a number too, so values near the largest are beyond its ends.
    """
    ends = at[PERCENTILES.index(FROM)], at[PERCENTILES.index(TO)]
    low, high = (float(np.clip(end, -_FARTHEST, _FARTHEST)) for end in ends)
    least = max(max(abs(low), abs(high)) * 1e-9, _LEAST)
    return (low, high) if high - low > least else (low - 0.5 - least, high + 0.5 + least)


def _finite(value: float) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
