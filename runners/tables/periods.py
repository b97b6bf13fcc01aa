"""Search for the period of a light curve: a Lomb-Scargle periodogram by astropy.

Each filter has an offset of its own: its mean at first, then that of a sinusoid of the best period
fitted to all filters together. False-alarm probabilities are those of Baluev (2008, MNRAS 385,
1279): the chance that noise alone has so high a peak anywhere in the range that was searched.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.timeseries import LombScargle
from numpy.typing import NDArray

from runners.tables.text import WrongSearch

Floats = NDArray[np.float64]

#: Fewer points have a period of any length, and more take too long.
LEAST_POINTS, MOST_POINTS = 5, 100_000
MOST_FREQUENCIES = 500_000
MOST_BANDS = 30
SAMPLES_PER_PEAK = 5
#: The shortest period unless another is asked for, in days, and in gaps between points of a night.
USUAL_SHORTEST, USUAL_GAPS = 0.1, 4.0
#: Up to so many sines the sum is made exactly, beyond that by the fast transform.
EXACT_TERMS = 10_000_000
PEAKS = 5
#: A peak's top is looked for in so many steps on each side of the best one of the grid.
FINE_STEPS = 12
#: The least error as a part of the largest: with less, its point would outweigh all numbers.
LEAST_ERROR = 1e-12
#: How many values of the periodogram are kept: the highest of each stretch.
SHOWN = 1_500
UNLIKELY = 0.01


@dataclass(frozen=True)
class Points:
    """Detections sorted by time, in days; `error` is None unless all are known and above 0."""

    time: Floats
    value: Floats
    error: Floats | None
    band: NDArray[np.int64]
    names: list[str | None]

    @property
    def span(self) -> float:
        """The days between the first and the last point."""
        return float(self.time[-1] - self.time[0])


def write_periodogram(path: str, out_path: str, wanted: Mapping[str, float | None]) -> None:
    """Search a light curve for its period, and write what was found, both as JSON.

    `path` holds the lists `time` (days), `value`, `error` and `filter`; `wanted` the `minimum` and
    the `maximum` of the period in days, None for the usual ones. Raise WrongSearch, of "detail"
    where the points are at fault.
    """
    points = _points(json.loads(Path(path).read_bytes()))
    frequencies = _grid(points, wanted.get("minimum"), wanted.get("maximum"))
    with np.errstate(all="ignore"):  # with few points some probabilities are not defined
        found = search(points, frequencies)
    Path(out_path).write_text(json.dumps(found, allow_nan=False))


def search(points: Points, frequencies: Floats) -> dict[str, Any]:
    """Return the periodogram with its highest peaks, as JSON holds it."""
    values = _centred(points)
    power = _power(_model(points, values), frequencies)
    if len(points.names) > 1:
        values = _offset(points, float(frequencies[int(np.argmax(power))]))
        power = _power(_model(points, values), frequencies)
    model, most = _model(points, values), float(frequencies[-1])
    level = float(model.false_alarm_level(UNLIKELY, method="baluev", maximum_frequency=most))
    return {
        "points": len(points.time),
        "filters": points.names,
        "weighted": points.error is not None,
        "span": points.span,
        "minimum": 1 / most,
        "maximum": 1 / float(frequencies[0]),
        "frequencies": len(frequencies),
        "peaks": sorted(
            (_peak(model, frequencies, at) for at in _peaks(points, frequencies, power)),
            key=lambda peak: -peak["power"],
        ),
        "unlikely": {"probability": UNLIKELY, "power": level if math.isfinite(level) else None},
        "periodogram": _shown(frequencies, power),
    }


def _points(given: Mapping[str, list[Any]]) -> Points:
    """Return the points that count: of filters with one alone, the offset takes all there is."""
    names: list[str | None] = sorted(set(given["filter"]), key=lambda name: name or "")
    if len(names) > MOST_BANDS:
        raise WrongSearch("filter", f"There are {len(names)} filters, over {MOST_BANDS}: name one")
    places = {name: place for place, name in enumerate(names)}
    band = np.array([places[name] for name in given["filter"]], dtype=np.int64)
    kept = np.bincount(band, minlength=len(names))[band] > 1 if len(names) > 1 else band >= 0
    order = np.flatnonzero(kept)[np.argsort(np.array(given["time"])[kept], kind="stable")]
    used = sorted(set(band[order].tolist()))
    error = np.array([each or np.nan for each in given["error"]], dtype=float)[order]
    points = Points(
        time=np.array(given["time"], dtype=float)[order],
        value=_scaled(np.array(given["value"], dtype=float)[order]),
        error=np.maximum(_scaled(error), LEAST_ERROR) if np.all(error > 0) else None,
        band=np.searchsorted(used, band[order]),
        names=[names[place] for place in used],
    )
    _check(points)
    return points


def _scaled(numbers: Floats) -> Floats:
    """Return numbers from -1 to 1: squares of fluxes in any unit are neither infinite nor 0.

    Only the proportions count, of values as of errors.
    """
    return numbers / (float(np.max(np.abs(numbers), initial=0.0)) or 1.0)


def _check(points: Points) -> None:
    count = len(points.time)
    if count < LEAST_POINTS:
        what = "there is none" if not count else f"there {'is' if count == 1 else 'are'} {count}"
        raise WrongSearch(
            "detail",
            f"A period needs at least {LEAST_POINTS} points; {what} (neither those left out, nor "
            "non-detections, nor the only one of a filter count).",
        )
    if points.span <= 0:
        raise WrongSearch("detail", "All points are of the same time, so they have no period.")
    values = _centred(points)
    if not np.all(np.isfinite(values)) or np.ptp(values) <= 1e-12 * np.max(np.abs(points.value)):
        raise WrongSearch("detail", "All points have the same value, so they have no period.")


def _grid(points: Points, minimum: float | None, maximum: float | None) -> Floats:
    """Return the frequencies to search, in cycles a day. Raise WrongSearch for the range."""
    span = points.span
    longest = min(span, maximum or span)
    finest = SAMPLES_PER_PEAK * span / MOST_FREQUENCIES
    shortest = minimum or max(_usual_shortest(points), 1 / (1 / longest + 1 / finest))
    if shortest >= longest:
        if minimum is None:
            shortest = max(longest / 2, 1 / (1 / longest + 1 / finest))
        else:
            raise WrongSearch(
                "minimum", f"The points span {span:.4g} days; the shortest period must be less."
            )
    step = 1 / (SAMPLES_PER_PEAK * span)
    count = (1 / shortest - 1 / longest) / step + 1
    if not count <= MOST_FREQUENCIES * 1.001 + 1:  # which rounding leads to
        least = 1 / (1 / longest + 1 / finest)
        raise WrongSearch(
            "minimum",
            f"Periods from {shortest:.3g} days are too many for points of {span:.4g} days: "
            f"search from {_up(least):.3g} days.",
        )
    return np.asarray(1 / longest + step * np.arange(max(2, math.ceil(count))), dtype=np.float64)


def _usual_shortest(points: Points) -> float:
    gaps = np.diff(np.unique(points.time))
    return float(min(USUAL_SHORTEST, USUAL_GAPS * np.median(gaps)))


def _up(number: float) -> float:
    """Return a number rounded up to three digits."""
    scale = 10.0 ** (2 - math.floor(math.log10(number)))
    return math.ceil(number * scale) / scale


def _centred(points: Points) -> Floats:
    weights = np.ones(len(points.value)) if points.error is None else points.error**-2
    total = np.bincount(points.band, points.value * weights)
    means: Floats = total / np.bincount(points.band, weights)
    return np.asarray(points.value - means[points.band], dtype=np.float64)


def _offset(points: Points, frequency: float) -> Floats:
    """Return the values less the offsets of the filters beside a sinusoid of this frequency."""
    angle = 2 * np.pi * frequency * points.time
    filters = points.band[:, None] == np.arange(len(points.names))
    columns = np.column_stack([np.sin(angle), np.cos(angle), filters])
    scale = np.ones(len(angle)) if points.error is None else 1 / points.error
    best = np.linalg.lstsq(columns * scale[:, None], points.value * scale, rcond=None)[0]
    offsets = np.asarray(best[2:], dtype=np.float64)
    return points.value - offsets[points.band]


def _model(points: Points, values: Floats) -> LombScargle:
    # Times from 0 on keep their digits.
    return LombScargle(points.time - points.time[0], values, points.error)


def _power(model: LombScargle, frequencies: Floats) -> Floats:
    exact = len(model.t) * len(frequencies) <= EXACT_TERMS
    power = model.power(
        frequencies, method="cython" if exact else "fast", assume_regular_frequency=True
    )
    return np.asarray(np.clip(np.nan_to_num(power), 0.0, 1.0), dtype=np.float64)


def _peaks(points: Points, frequencies: Floats, power: Floats) -> list[int]:
    """Return the places of the highest peaks that are not each other's flanks."""
    padded = np.concatenate([[-1.0], power, [-1.0]])
    tops = np.flatnonzero((power >= padded[:-2]) & (power > padded[2:]))
    found: list[int] = []
    for at in tops[np.argsort(-power[tops], kind="stable")]:
        if all(abs(frequencies[at] - frequencies[other]) > 1 / points.span for other in found):
            found.append(int(at))
        if len(found) == PEAKS:
            break
    return found or [int(np.argmax(power))]


def _peak(model: LombScargle, frequencies: Floats, at: int) -> dict[str, float]:
    step = frequencies[1] - frequencies[0]
    fine = frequencies[at] + step * np.arange(-FINE_STEPS, FINE_STEPS + 1) / FINE_STEPS
    fine = fine[(fine >= frequencies[0]) & (fine <= frequencies[-1])]
    power = np.clip(np.nan_to_num(model.power(fine, method="cython")), 0.0, 1.0)
    best = int(np.argmax(power))
    place = float(fine[best])
    if 0 < best < len(fine) - 1:  # the top of the parabola through it and its neighbours
        low, top, high = (float(each) for each in power[best - 1 : best + 2])
        bend = low - 2 * top + high
        place += (step / FINE_STEPS) * (0.5 * (low - high) / bend if bend < 0 else 0.0)
    chance = float(
        model.false_alarm_probability(
            power[best], method="baluev", maximum_frequency=float(frequencies[-1])
        )
    )
    return {
        "period": 1 / place,
        "power": float(power[best]),
        "false_alarm_probability": chance if math.isfinite(chance) else 1.0,
    }


def _shown(frequencies: Floats, power: Floats) -> list[list[float]]:
    """Return period and power of the highest value of each stretch of frequencies."""
    edges = np.linspace(0, len(power), min(SHOWN, len(power)) + 1).astype(int)
    tops = [low + int(np.argmax(power[low:high])) for low, high in pairwise(edges)]
    return [[float(f"{1 / frequencies[at]:.7g}"), round(float(power[at]), 5)] for at in tops]
