"""The slope of a sky: a smooth surface through the cells that hold no object.

Vignetting, moonlight and twilight bend a sky as a whole, so that one stiff surface explains nearly
all cells. Where it does not, a galaxy, a nebula, a cluster or a cloud fills much of the field: then
the sky is what lies beneath, and the surface the more level the fewer cells touch it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

#: The surface is a sum of products of powers of x and y: a plane, a parabola, and the terms of
#: vignetting, which need not be centred. For each, (power of y, power of x) and its factor. The
#: rest, up to the fourth power, is for a sky that is bent much and seen well, as at twilight.
TERMS: tuple[dict[tuple[int, int], float], ...] = (
    {(0, 0): 1.0},
    {(0, 1): 1.0},
    {(1, 0): 1.0},
    {(0, 2): 1.0},
    {(1, 1): 1.0},
    {(2, 0): 1.0},
    {(0, 3): 1.0, (2, 1): 1.0},
    {(3, 0): 1.0, (1, 2): 1.0},
    {(0, 4): 1.0, (2, 2): 2.0, (4, 0): 1.0},
    {(0, 3): 1.0},
    {(3, 0): 1.0},
    {(0, 4): 1.0},
    {(4, 0): 1.0},
    {(1, 3): 1.0},
    {(3, 1): 1.0},
)
#: How many powers there are, and how many of the terms make a stiff surface.
POWERS, STIFF = 5, 9
#: Cells so many times the usual distance above or below the surface do not count for it.
ABOVE, BELOW = 2.5, 4.0
#: A cell is explained if it is this near to the surface, in sigma or as a part of its range.
NEAR_SIGMA, NEAR_PART = 0.7, 0.03
#: The stiff surface counts in full if it explains the second part of the cells, and not at all if
#: it explains no more than the first.
EXPLAINED = (0.65, 0.8)
#: It is not bent enough if fewer cells than this are this near, in sigma.
BENT_SIGMA, BENT_PART = 0.35, 0.8
#: A surface beneath the cells counts by how many of the outer ones, where objects end, are within
#: so many sigma of it; those are outer that are beyond this part of the way from the middle.
TOUCHED_SIGMA, TOUCHED, OUTER = 1.0, (0.6, 0.85), 0.75
#: What a cell above it weighs, and how often it is fitted.
LIGHT, TIMES = 0.02, 15
#: The sky beneath objects everywhere is what this part of the cells does not reach.
LOWEST_PART = 0.02


@lru_cache(maxsize=1)
def bases() -> Numbers:
    """Return the factors of the powers of y and x in each term, shape (terms, powers, powers)."""
    found = np.zeros((len(TERMS), POWERS, POWERS))
    for basis, term in zip(found, TERMS, strict=True):
        for powers, factor in term.items():
            basis[powers] = factor
    return found


def slope_of(
    bright: Numbers, design: Numbers, sigma: float, trust: float = 1.0
) -> tuple[Numbers, Numbers, float]:
    """Return the factor of each term, the heights of the surface at its cells, and its trust.

    That is how sure it is, from 0 to 1 and at most `trust`, that it is a slope and no object.
    `bright` are the heights of cells with noise `sigma`, `design` the terms at each, shape (cells,
    terms).
    """
    factors, kept = _stiff(bright, design, sigma)
    fitted = design @ factors
    off = np.abs(bright - fitted)
    near = max(NEAR_SIGMA * sigma, NEAR_PART * float(np.ptp(fitted[kept])), 1e-7)
    part = min(_share(float((off < near).mean()), EXPLAINED), trust)
    if part < 1:
        beneath = _beneath(bright, design, sigma)
        factors = part * factors + (1 - part) * beneath
        return factors, design @ factors, part
    if (off[kept] < BENT_SIGMA * sigma).mean() < BENT_PART and kept.sum() > 3 * len(TERMS):
        factors = _fit(design[kept], bright[kept])
    return factors, (design @ factors)[kept], part


def _stiff(bright: Numbers, design: Numbers, sigma: float) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the factors of a stiff surface, and which cells it goes through."""
    stiff = np.ascontiguousarray(design[:, :STIFF])
    kept, terms, heights = np.ones(len(bright), bool), stiff, bright
    for _ in range(4):
        factors = _fit(terms, heights)
        off = bright - stiff @ factors
        usual = max(1.4826 * _median(np.abs(off[kept])), 0.1 * sigma, 1e-7)
        before, kept = kept, (off < ABOVE * usual) & (off > -BELOW * usual)
        if np.count_nonzero(kept) < 2 * STIFF:
            kept = before
            break
        if not np.count_nonzero(kept != before):
            break
        terms, heights = stiff[kept], bright[kept]
    return np.concatenate((factors, np.zeros(len(TERMS) - STIFF))), kept


def _median(values: Numbers) -> float:
    """Return the median as numpy does, which takes five times as long for so few values."""
    ranked = np.sort(values)
    middle = len(ranked) // 2
    return float(ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2)


def _beneath(bright: Numbers, design: Numbers, sigma: float) -> Numbers:
    """Return the factors of a surface beneath the cells: round, plane or level."""
    level = np.zeros(len(TERMS))
    level[0] = np.quantile(bright, LOWEST_PART)
    plane = np.pad(_below(bright, design[:, :3], sigma), (0, len(TERMS) - 3))
    bowl = np.column_stack((design[:, :3], design[:, 3] + design[:, 5]))
    flat, along, up, bend = _below(bright, bowl, sigma)
    round_one = np.zeros(len(TERMS))
    round_one[:6] = flat, along, up, bend, 0, bend
    away = np.abs(design[:, 1:3])
    outer = (away > OUTER * away.max(axis=0)).any(axis=1)
    found = level
    for factors in (plane, round_one):
        near = np.abs(bright - design @ factors) < TOUCHED_SIGMA * sigma
        part = _share(float(near[outer].mean()), TOUCHED)
        found = part * factors + (1 - part) * found
    return found


def _below(bright: Numbers, terms: Numbers, sigma: float) -> Numbers:
    """Return the factors of terms that most cells are above, by asymmetric least squares.

    After Eilers & Boelens 2005, with cells far above weighing as little as in a fit of medians.
    """
    weights = np.ones(len(bright))
    least = max(0.3 * sigma, 1e-7)
    for _ in range(TIMES):
        factors = _fit(terms, bright, weights)
        off = bright - terms @ factors
        weights = np.where(off > 0, LIGHT * least / np.maximum(off, least), 1.0)
    return factors


def _fit(terms: Numbers, heights: Numbers, weights: Numbers | None = None) -> Numbers:
    weighted: Numbers = terms.T if weights is None else terms.T * weights
    square: Numbers = weighted @ terms
    # A little stiffness, lest the few cells of a narrow image leave a term open.
    square.flat[:: len(square) + 1] += 1e-6 * square[0, 0]  # the diagonal
    return np.asarray(np.linalg.solve(square, weighted @ heights), np.float64)


def _share(value: float, ends: tuple[float, float]) -> float:
    """Return where a value lies between two ends, from 0 to 1."""
    return min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)
