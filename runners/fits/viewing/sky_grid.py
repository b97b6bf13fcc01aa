"""Where the pixels of an image are in the sky: a grid from which a viewer interpolates.

Astropy finds the positions of the nodes, with whatever distortions a header has (SIP, TPV, lookup
tables). The grid is made finer until what is interpolated between them is right to a part of a
pixel. Pixels count from 0: (0, 0) is the centre of the first one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import ICRS, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from numpy.typing import NDArray

from runners.fits.cards import Cards
from runners.fits.selection import Amplifier, Candidate

#: What interpolation may be wrong by, in pixels, and how many cells a side the grid has for it.
MOST_ERROR, CELLS = 0.05, (2, 4, 8, 16, 32, 64)
#: Amplifiers whose coordinates differ by more than this many pixels have none in common.
MOST_DIFFERENCE = 0.1
#: Closer to a pole than this, right ascension cannot be interpolated.
POLAR_DEGREES = 85.0
#: Keywords of a world coordinate system (FITS standard 4.0, section 8) and of its distortions.
_OF_WCS = re.compile(
    r"WCSAXES|NAXIS\d?|C(?:TYPE|RPIX|RVAL|UNIT|DELT|ROTA)\d|(?:CD|PC)0*\d_0*\d|P[VS]\d_\d+"
    r"|LONPOLE|LATPOLE|EQUINOX|EPOCH|RADE?C?SYS|(?:A|B|AP|BP)_(?:ORDER|DMAX|\d_\d)|MJD-OBS"
)
_LOOKUP_TABLES = ("CPDIS1", "CPDIS2", "D2IMDIS1", "D2IMDIS2")

Array = NDArray[np.float64]
#: From pixels, counted from 0, to right ascension and declination in degrees.
Positions = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class SkyGrid:
    """The coordinates of an image, in degrees ICRS, or FK5 of J2000 where a header says so.

    `centre` is that of the image. `scale` is in arcseconds per pixel. `rotation` is the direction
    of north at the centre, in degrees from the columns' direction towards smaller x. `parity` is 1
    where east is to the left of north, as in the sky, -1 in a mirrored image. `grid` has its nodes
    row by row, `columns` in each: x, y, right ascension and declination, of which the last two are
    None where the projection does not reach. Right ascension does not jump within a grid, so it may
    leave 0 to 360. `error` is what interpolation was found to be wrong by, in pixels.
    """

    centre: tuple[float, float]
    scale: float
    rotation: float
    parity: int
    columns: int
    grid: list[tuple[float, float, float | None, float | None]]
    error: float

    def fields(self) -> dict[str, Any]:
        """Return the coordinates as JSON has them."""
        return {
            "centre": list(self.centre),
            "scale": self.scale,
            "rotation": self.rotation,
            "parity": self.parity,
            "columns": self.columns,
            "error": self.error,
            "grid": [list(node) for node in self.grid],
        }


def image_sky(hdus: fits.HDUList, image: Candidate, width: int, height: int) -> SkyGrid | None:
    """Return the coordinates of an image HDU, None if its header gives none."""
    try:
        with np.errstate(all="ignore"):
            positions = _positions(hdus, image)
            return None if positions is None else grid_of(positions, width, height)
    except Exception:  # astropy and wcslib raise errors of every kind
        return None


def detector_sky(
    hdus: fits.HDUList,
    parts: Sequence[tuple[Candidate, Amplifier]],
    width: int,
    height: int,
) -> SkyGrid | None:
    """Return the coordinates of a detector, None unless those of its amplifiers agree."""
    try:
        with np.errstate(all="ignore"):
            return _common_sky(hdus, parts, width, height)
    except Exception:
        return None


def grid_of(positions: Positions, width: int, height: int) -> SkyGrid | None:
    """Return a grid that is fine enough, None if there are no positions in the middle."""
    middle = ((width - 1) / 2, (height - 1) / 2)
    local = _local(positions, *middle)
    if local is None:
        return None
    centre, scale, rotation, parity = local
    nodes: tuple[Array, Array, Array, Array] | None = None
    error = math.inf
    for cells in CELLS:
        nodes = _nodes(positions, width, height, cells)
        error = _error(positions, nodes, scale)
        if error <= MOST_ERROR:
            break
    assert nodes is not None
    x, y, ra, dec = (each.ravel() for each in nodes)
    grid = [(float(x[at]), float(y[at]), _number(ra[at]), _number(dec[at])) for at in range(x.size)]
    columns = nodes[0].shape[1]
    return SkyGrid(centre, scale, rotation, parity, columns, grid, round(error, 4))


def _positions(hdus: fits.HDUList, image: Candidate) -> Positions | None:
    cards = image.cards
    if any(keyword in cards for keyword in _LOOKUP_TABLES):
        wcs = WCS(image.hdu.header, fobj=hdus, naxis=2)
    else:
        wcs = WCS(_header(cards), naxis=2)
    if not wcs.has_celestial:
        return None
    frame = wcs_to_celestial_frame(wcs)
    as_is = frame.name == "icrs" or (frame.name == "fk5" and frame.equinox.value == "J2000.000")

    def positions(x: Array, y: Array) -> tuple[Array, Array]:
        world = wcs.all_pix2world(np.column_stack([x.ravel(), y.ravel()]), 0)
        longitude, latitude = world[:, wcs.wcs.lng], world[:, wcs.wcs.lat]
        if as_is:
            ra, dec = longitude, latitude
        else:
            known = np.isfinite(longitude) & np.isfinite(latitude)
            ra, dec = np.full(longitude.shape, np.nan), np.full(longitude.shape, np.nan)
            there = SkyCoord(
                longitude[known] * units.deg, latitude[known] * units.deg, frame=frame
            ).transform_to(ICRS())
            ra[known], dec[known] = there.ra.deg, there.dec.deg
        return ra.reshape(x.shape), dec.reshape(x.shape)

    return positions


def _header(cards: Cards) -> fits.Header:
    """Return the cards that are about coordinates, as far as they can be read."""
    header = fits.Header()
    for keyword in cards:
        if not _OF_WCS.fullmatch(keyword):
            continue
        value = cards[keyword]
        if isinstance(value, str | int | float):
            header[keyword] = value[:60] if isinstance(value, str) else value
    if "ZIMAGE" in cards:  # of a compressed image, these are the sides of the table
        for axis in (1, 2):
            header.pop(f"NAXIS{axis}", None)
        header.pop("NAXIS", None)
    return header


def _common_sky(
    hdus: fits.HDUList,
    parts: Sequence[tuple[Candidate, Amplifier]],
    width: int,
    height: int,
) -> SkyGrid | None:
    own = [_of_detector(hdus, *part) for part in parts]
    known = [each for each in own if each is not None]
    if not known or known[0] is None:
        return None
    grid = grid_of(known[0], width, height)
    if grid is None:
        return None
    for (_, part), positions in zip(parts, own, strict=True):
        if positions is None:
            continue
        x = np.array([(part.place.left + part.place.right - 1) / 2])
        y = np.array([(part.place.lower + part.place.upper - 1) / 2])
        apart = _apart(*known[0](x, y), *positions(x, y))
        if not float(apart[0]) * 3600 <= MOST_DIFFERENCE * grid.scale:
            return None
    return grid


def _of_detector(hdus: fits.HDUList, image: Candidate, part: Amplifier) -> Positions | None:
    """Return the positions of a detector's pixels by the header of one amplifier."""
    positions = _positions(hdus, image)
    if positions is None:
        return None
    source, place = part.source, part.place

    def of_detector(x: Array, y: Array) -> tuple[Array, Array]:
        own, along = source.section, x - place.left
        up = y - place.lower
        return positions(
            own.left + (place.width - 1 - along if source.mirrored else along),
            own.lower + (place.height - 1 - up if source.flipped else up),
        )

    return of_detector


def _local(
    positions: Positions, x: float, y: float
) -> tuple[tuple[float, float], float, float, int] | None:
    """Return centre, scale in arcseconds, rotation and parity at a pixel."""
    ra, dec = positions(
        np.array([x, x - 0.5, x + 0.5, x, x]), np.array([y, y, y, y - 0.5, y + 0.5])
    )
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        return None
    east, north = _offsets(ra, dec, ra[0], dec[0])
    jacobian = np.array([[east[2] - east[1], east[4] - east[3]],
                         [north[2] - north[1], north[4] - north[3]]])  # fmt: skip
    determinant = float(np.linalg.det(jacobian))
    scale = abs(determinant) ** 0.5 * 3600
    if not 0 < scale < math.inf:
        return None
    right, up = np.linalg.solve(jacobian, [0.0, 1.0])
    rotation = math.degrees(math.atan2(-right, up))
    return (float(ra[0]) % 360, float(dec[0])), scale, rotation, 1 if determinant < 0 else -1


def _offsets(ra: Array, dec: Array, ra0: float, dec0: float) -> tuple[Array, Array]:
    """Return offsets to the east and to the north in degrees, in the tangential plane."""
    along = np.radians(ra - ra0)
    dec, dec0 = np.radians(dec), math.radians(dec0)
    depth = math.sin(dec0) * np.sin(dec) + math.cos(dec0) * np.cos(dec) * np.cos(along)
    east = np.cos(dec) * np.sin(along) / depth
    north = (math.cos(dec0) * np.sin(dec) - math.sin(dec0) * np.cos(dec) * np.cos(along)) / depth
    return np.degrees(east), np.degrees(north)


def _nodes(
    positions: Positions, width: int, height: int, cells: int
) -> tuple[Array, Array, Array, Array]:
    along = np.linspace(0, max(width - 1, 1), cells + 1)
    up = np.linspace(0, max(height - 1, 1), cells + 1)
    x, y = np.meshgrid(along, up)
    ra, dec = positions(x, y)
    return x, y, _continuous(ra), dec


def _continuous(ra: Array) -> Array:
    """Return right ascensions without jumps, those of the middle between 0 and 360."""
    middle = ra[ra.shape[0] // 2, ra.shape[1] // 2]
    if not np.isfinite(middle):
        return ra
    smooth: Array = middle % 360 + (ra - middle + 180) % 360 - 180
    return smooth


def _error(positions: Positions, nodes: tuple[Array, Array, Array, Array], scale: float) -> float:
    """Return by how many pixels interpolation is wrong in the middle of cells and of their sides.

    Both ways count: of directions as vectors, and of right ascension and declination unless a pole
    is near.
    """
    x, y, ra, dec = nodes
    exact = [positions(_between(x, *at), _between(y, *at)) for at in _BETWEEN]
    ways = [_error_of_vectors(exact, ra, dec)]
    if float(np.nanmax(np.abs(dec), initial=0)) < POLAR_DEGREES:
        pairs = zip(_BETWEEN, exact, strict=True)
        ways += [_apart(_between(ra, *at), _between(dec, *at), *there) for at, there in pairs]
    errors = np.concatenate([way.ravel() for way in ways])
    return float(np.nanmax(errors, initial=0.0)) * 3600 / scale


#: Where in a cell interpolation is compared: its middle, those of its lower and left sides, and
#: a place off the middle, where an odd error does not vanish.
_BETWEEN = ((0.5, 0.5), (0.5, 0.0), (0.0, 0.5), (0.25, 0.25))


def _between(nodes: Array, right: float, up: float) -> Array:
    """Return what is interpolated at a place within each cell."""
    lower = nodes[:-1, :-1] * (1 - right) + nodes[:-1, 1:] * right
    upper = nodes[1:, :-1] * (1 - right) + nodes[1:, 1:] * right
    return lower * (1 - up) + upper * up


def _error_of_vectors(exact: list[tuple[Array, Array]], ra: Array, dec: Array) -> Array:
    parts = _vectors(ra, dec)
    errors = []
    for at, (there_ra, there_dec) in zip(_BETWEEN, exact, strict=True):
        a, b, c = (_between(part, *at) for part in parts)
        found_dec = np.degrees(np.arctan2(c, np.hypot(a, b)))
        errors.append(_apart(np.degrees(np.arctan2(b, a)), found_dec, there_ra, there_dec))
    return np.concatenate([each.ravel() for each in errors])


def _vectors(ra: Array, dec: Array) -> tuple[Array, Array, Array]:
    along, up = np.radians(ra), np.radians(dec)
    return np.cos(up) * np.cos(along), np.cos(up) * np.sin(along), np.sin(up)


def _apart(ra: Array, dec: Array, other_ra: Array, other_dec: Array) -> Array:
    """Return angles between directions, in degrees."""
    first, second = np.stack(_vectors(ra, dec)), np.stack(_vectors(other_ra, other_dec))
    chord = np.linalg.norm(first - second, axis=0)
    angles: Array = np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1)))
    return angles


def _number(value: float) -> float | None:
    return round(float(value), 9) if math.isfinite(value) else None
