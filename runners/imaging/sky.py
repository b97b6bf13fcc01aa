"""Finds the sky of an image: which part is sky, how bright it is, how it slopes, how noisy it is.

The image is looked at in cells. The noise of a cell comes from second differences of pixels that
are near each other, where no slope counts. Cells whose larger structure exceeds their noise are
objects (a planet, the moon); cells without any noise, cells far below the others (overscan, the
dark around an all-sky camera's circle) and blank cells hold no sky. What is left is described by a
smooth surface, which is vignetting, moonlight and twilight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runners.fits.images import Image
from runners.imaging.products import product
from runners.imaging.slope import POWERS, STIFF, TERMS, bases, slope_of

Numbers = NDArray[np.float64]

#: Pixels sampled, whose levels are then known to about 1 % of sigma.
SAMPLES = 20_000
#: Cells along the longest side, and the least number of samples along the side of a cell.
CELLS, LEAST_CELL = 12, 8
#: Differences are taken over at least so many pixels: nearer ones share light, and are correlated
#: once an image has been rescaled.
LAG_PIXELS = 3
#: The mean of the lowest 60 % of |x|, where x is Gaussian, in sigma.
LOW_RANKS, LOW_MEAN = 0.6, 0.3966
#: A cell whose larger structure exceeds its noise by this factor holds no sky …
MOST_STRUCTURE = 2.5
#: … and neither does one so many times as noisy as the quietest fifth: that is structure …
MOST_TIMES_NOISIER = 40.0
#: … and neither are cells that are equally bright as each other and fewer than this part of all.
LEAST_PART = 0.12
#: Cells fall into two groups if few lie between these parts of their range, at most this part of
#: all (some cells are at the border between both), and these are so many sigma apart …
GAP, FEW_PART, GAP_SIGMA = (0.3, 0.7), 0.14, 10.0
#: … and the brighter one is an object unless it has this part of all cells (an all-sky camera's
#: circle has more) …
UPPER_PART = 0.25
#: … and no sky either, but the moon, if it is so many sigma above the other.
MOST_GAP_SIGMA = 150.0
#: The surface goes so much further than in the middles of the cells, as a part of its range.
OUTER_PART = 0.12


@dataclass(frozen=True, slots=True)
class Sky:
    """The sky of an image, in its units: the level, the noise (one sigma), and how it slopes.

    `slope` holds the factors of the powers of y and x, shape (5, 5); it lies between `lowest` and
    `highest`, and is None where the sky is level.
    """

    level: float
    sigma: float
    slope: Numbers | None = None
    lowest: float = 0.0
    highest: float = 0.0
    #: How far it is sure that this is a slope and no object, from 0 to 1.
    trust: float = 1.0
    #: By how much each cell differs from that, shape (down, across); 0 where there is no sky.
    mesh: Image | None = None
    #: The middle rows and columns of the cells, in pixels.
    middles: tuple[Numbers, ...] = ()

    def background(self, shape: tuple[int, int]) -> Image:
        """Return the sky of each pixel, as it differs from cell to cell."""
        background = self.unevenness(shape)
        background += np.float32(self.level)
        return background

    def unevenness(self, shape: tuple[int, int]) -> Image:
        """Return by how much the sky of each pixel, as of its cell, differs from the level."""
        if self.mesh is None:
            slope = self.departure(shape)
            return np.zeros(shape, np.float32) if slope is None else slope
        rows, columns = _between_cells(shape, *map(tuple, self.middles))
        if self.slope is None:
            return product(rows @ self.mesh, columns)
        far_rows, far_columns = _powers_of(shape)
        factors = far_rows @ self.slope.astype(np.float32)
        if self._is_clipped(factors, far_columns):
            uneven = product(factors, far_columns).clip(self.lowest, self.highest)
            uneven += product(rows @ self.mesh, columns)
            return uneven
        # The sum of two products is one of longer rows and columns.
        return product(np.hstack((rows @ self.mesh, factors)), np.vstack((columns, far_columns)))

    def departure(self, shape: tuple[int, int], step: int = 1) -> Image | None:
        """Return by how much the sky of each pixel differs from the level, None if nowhere.

        With a `step`, return that of every step-th pixel.
        """
        if self.slope is None:
            return None
        rows, columns = _powers_of(shape)
        rows, columns = rows[::step], columns[:, ::step]
        factors = rows @ self.slope.astype(np.float32)
        surface = product(factors, columns)
        if self._is_clipped(factors, columns):
            np.clip(surface, self.lowest, self.highest, out=surface)
        return surface

    def _is_clipped(self, rows: Image, columns: Image) -> bool:
        """Return whether the product of these goes beyond the least and the most."""
        near, along = rows[:: max(1, len(rows) // 8)], max(1, columns.shape[1] // 8)
        ends = near @ columns[:, ::along]
        return bool(ends.min() < self.lowest or ends.max() > self.highest)


class _Grid(NamedTuple):
    """Cells of `high` x `wide` samples, which are every step-th pixel."""

    down: int
    across: int
    high: int
    wide: int
    step: int

    def middles(self) -> tuple[Numbers, Numbers]:
        """Return the middle rows and columns of cells, in pixels."""
        rows, columns = (
            np.float64(self.step) * (np.arange(count) * side + (side - 1) / 2)
            for count, side in ((self.down, self.high), (self.across, self.wide))
        )
        return rows, columns


def find_sky(image: Image, *, in_cells: bool = False, trust: float = 1.0) -> Sky:
    """Return the sky of a 2-D image, in which NaN pixels do not count.

    With `in_cells`, also return how cells differ from it, for `Sky.background`. With a `trust`
    below 1 the slope is taken for an object in part, as it was in another colour. An image without
    any finite pixel has a sky of 0.
    """
    step = max(1, round(math.sqrt(image.size / SAMPLES)))
    cells, grid = _cells(image[::step, ::step], step)
    cells, kept = _filled(cells)
    if not len(cells):
        return Sky(0.0, 0.0)
    ranked = np.sort(cells.reshape(len(cells), -1), axis=1)
    count = ranked.shape[1]
    middle = ranked[:, int(count * 0.3) : max(int(count * 0.7), int(count * 0.3) + 1)]
    bright = _means(middle)
    noise, structure = _noise(cells, max(1, math.ceil(LAG_PIXELS / step)))
    found = _sky_cells(bright, noise, structure)
    places = _places_of(grid, image.shape)[kept]
    sky = _surface(bright[found], places[found], _middle_mean(noise[found]), trust)
    if not in_cells:
        return sky
    off = np.zeros((grid.down, grid.across))
    off.flat[kept[found]] = bright[found] - sky.level
    if sky.slope is not None:
        off.flat[kept[found]] -= _at_cells(sky.slope, grid, image.shape).flat[kept[found]]
    return replace(sky, mesh=_smooth(off), middles=grid.middles())


def _at_cells(slope: Numbers, grid: _Grid, shape: tuple[int, int]) -> Numbers:
    rows, columns = _cell_powers(grid, shape)
    at: Numbers = rows @ slope @ columns.T
    return at


def _smooth(mesh: Numbers) -> Image:
    """Return the median of 3 x 3 cells, so that one with a bright star does not count."""
    wide = np.pad(mesh, 1, mode="edge")
    down, across = mesh.shape
    near = [wide[y : y + down, x : x + across] for y in range(3) for x in range(3)]
    smooth: Image = np.sort(near, axis=0)[4].astype(np.float32)
    return smooth


def _cells(some: Image, step: int) -> tuple[Image, _Grid]:
    """Return the samples as cells, shape (cells, rows, columns), and where these are."""
    height, width = some.shape
    side = max(LEAST_CELL, max(height, width) // CELLS)
    down, across = max(1, height // side), max(1, width // side)
    rows, columns = height // down, width // across
    whole = some[: down * rows, : across * columns].reshape(down, rows, across, columns)
    cells = whole.swapaxes(1, 2).reshape(down * across, rows, columns)
    return cells, _Grid(down, across, rows, columns, step)


def _filled(cells: Image) -> tuple[Image, NDArray[np.intp]]:
    """Return the cells of which at least half is there, blanks filled, and which these are."""
    blank = np.isnan(cells)
    if not blank.any():
        return cells, np.arange(len(cells))
    missing = blank.mean(axis=(1, 2))
    least = 0.0 if (missing == 0).mean() > LEAST_PART else max(0.5, float(missing.min()))
    kept = np.flatnonzero((missing <= least) & (missing < 1))
    cells, blank = cells[kept], blank[kept]
    if least and len(kept):
        usual = np.nanmedian(cells, axis=(1, 2), keepdims=True)
        cells = np.where(blank, usual, cells)
    return cells, kept


def _noise(cells: Image, lag: int) -> tuple[Numbers, Numbers]:
    """Return the noise of each cell, and the same as measured over a third of its width."""
    width = cells.shape[2]
    lag = min(lag, (width - 1) // 2)
    if lag < 1:
        spread = cells.std(axis=(1, 2), dtype=np.float64)
        return spread, spread
    return _bend(cells, lag), _bend(cells, max(lag, width // 3))


def _bend(cells: Image, lag: int) -> Numbers:
    count, _, width = cells.shape
    # One after the other, as long rows are quicker; differences across the end of a row are left
    # out afterwards.
    flat = cells.reshape(-1)
    bend = np.empty_like(flat)
    whole = bend[: -2 * lag]
    np.multiply(flat[lag:-lag], np.float32(-2), out=whole)
    whole += flat[: -2 * lag]
    whole += flat[2 * lag :]
    np.abs(whole, out=whole)
    ranked = bend.reshape(cells.shape)[:, :, : width - 2 * lag].reshape(count, -1)
    ranked.sort(axis=1)
    low = ranked[:, : max(1, int(ranked.shape[1] * LOW_RANKS))]
    bent: Numbers = _means(low) / (LOW_MEAN * math.sqrt(6))
    return bent


def _means(rows: Image) -> Numbers:
    """Return the means of rows as `mean` does, which takes twice as long for short ones."""
    means: Numbers = np.add.reduce(rows, axis=1, dtype=np.float64) / rows.shape[1]
    return means


def _sky_cells(bright: Numbers, noise: Numbers, structure: Numbers) -> NDArray[np.intp]:
    """Return the indices of the cells that hold sky."""
    least = LEAST_PART * len(bright)
    noisy = noise > np.abs(bright) * 1e-6
    smooth = structure <= MOST_STRUCTURE * noise
    if noisy.any():
        smooth &= noise <= MOST_TIMES_NOISIER * _quantile(noise[noisy], 0.2)
    for candidates in (noisy & smooth, ~noisy & smooth, noisy):
        if candidates.sum() >= max(least, 1):
            found = np.flatnonzero(candidates)
            return found[_population(bright[found], noise[found], len(bright))]
    return np.arange(len(bright))


def _population(bright: Numbers, noise: Numbers, total: int) -> NDArray[np.intp]:
    """Return which cells are the brightest large group, if they fall into groups at all."""
    order = np.argsort(bright)
    while len(order) > 1:
        ranked = bright[order]
        lowest, height = ranked[0], ranked[-1] - ranked[0]
        begin, end = (int(np.searchsorted(ranked, lowest + part * height)) for part in GAP)
        sigma = _median(noise[order[end:]])
        gap = (GAP[1] - GAP[0]) * height
        if end - begin > FEW_PART * len(order) or gap <= max(GAP_SIGMA * sigma, 1e-300):
            break
        is_moon = gap > MOST_GAP_SIGMA * sigma and begin >= LEAST_PART * total
        is_object = is_moon or len(order) - end < UPPER_PART * total
        order = order[:begin] if is_object else order[end:]
    return order


def _surface(bright: Numbers, places: Numbers, sigma: float, trust: float) -> Sky:
    if len(bright) < 3 * STIFF:
        return Sky(_middle_mean(bright), sigma)
    level = _median(bright)
    height = bright - level
    scale = max(float(np.abs(height).max()), 1e-300)
    factors, fitted, trust = slope_of(height / scale, places, sigma / scale, trust)
    fitted = fitted * scale
    middle = _middle_mean(fitted)
    powers = ((factors * scale) @ bases().reshape(len(TERMS), -1)).reshape(POWERS, POWERS)
    powers[0, 0] -= middle
    lowest, highest = (float(end - middle) for end in (fitted.min(), fitted.max()))
    # The outer half of the outer cells lies beyond their middles.
    beyond = OUTER_PART * (highest - lowest) + sigma
    return Sky(level + middle, sigma, powers, lowest - beyond, highest + beyond, trust)


def _median(values: Numbers) -> float:
    return float(np.sort(values)[len(values) // 2])


def _quantile(values: Numbers, part: float) -> float:
    """Return a quantile as numpy does, which takes ten times as long for so few values."""
    ranked, place = np.sort(values), (len(values) - 1) * part
    low, high = ranked[int(place)], ranked[math.ceil(place)]
    return float(low + (high - low) * (place % 1))


def _middle_mean(values: Numbers) -> float:
    """Return the mean of the middle 40 %: as robust as a median, and steady for whole numbers."""
    ranked = np.sort(values)
    count = len(ranked)
    middle = ranked[int(count * 0.3) : max(int(count * 0.7), int(count * 0.3) + 1)]
    return float(np.add.reduce(middle) / len(middle))


@lru_cache(maxsize=8)
def _places_of(grid: _Grid, shape: tuple[int, int]) -> Numbers:
    """Return the value of each term at the middle of each cell, shape (cells, terms)."""
    terms: Numbers = np.einsum("tij,yi,xj->yxt", bases(), *_cell_powers(grid, shape))
    return terms.reshape(grid.down * grid.across, len(TERMS))


@lru_cache(maxsize=8)
def _cell_powers(grid: _Grid, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """Return the powers of y of each row of cells, and of x of each column."""
    rows, columns = (
        np.vander(_axis(side, shape)[0] + middles / _half(shape), POWERS, increasing=True)
        for side, middles in zip(shape, grid.middles(), strict=True)
    )
    return rows, columns


@lru_cache(maxsize=8)
def _between_cells(
    shape: tuple[int, int], rows: tuple[float, ...], columns: tuple[float, ...]
) -> tuple[Image, Image]:
    """Return the shares of rows of cells in rows of pixels, and of columns, transposed."""
    down, across = _between(shape[0], np.array(rows)), _between(shape[1], np.array(columns))
    return down, np.ascontiguousarray(across.T)


def _between(side: int, middles: Numbers) -> Image:
    """Return the shares of the cells in each pixel of a side, linear between their middles."""
    wide = middles[1] - middles[0] if len(middles) > 1 else 1.0
    places = ((np.arange(side) - middles[0]) / wide).clip(0, len(middles) - 1)
    off: Image = np.abs(places[:, np.newaxis] - np.arange(len(middles))).astype(np.float32)
    return (1 - off).clip(0)


@lru_cache(maxsize=8)
def _powers_of(shape: tuple[int, int]) -> tuple[Image, Image]:
    """Return the powers of y by row, and of x by column."""
    y, x = (
        np.vander(_axis(side, shape), POWERS, increasing=True).astype(np.float32) for side in shape
    )
    return y, np.ascontiguousarray(x.T)


def _axis(side: int, shape: tuple[int, int]) -> Numbers:
    """Return the places of rows or columns, from -1 to 1 along the longest side."""
    axis: Numbers = (np.arange(side, dtype=np.float64) - (side - 1) / 2) / _half(shape)
    return axis


def _half(shape: tuple[int, int]) -> float:
    return max(max(shape) - 1, 1) / 2
