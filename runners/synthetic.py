"""Synthetic observations: a globular cluster on an imperfect night, for demonstrations and tests.

The field drifts, a minor planet crosses it, and the sky brightens towards dawn; there are noise,
cosmic rays and every way in which FITS stores pixels. Everything is a function of the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from runners.fits.images import Image

#: M13 (NGC 6205), degrees ICRS (Goldsbury et al. 2010, AJ 140, 1830).
CENTRE_RA_DEC = (250.4235, 36.4613)
PIXEL_DEGREES = 1.8 / 3600
BEGIN = datetime(2026, 3, 21, 2, 0, tzinfo=UTC)
EXPOSURE_SECONDS = 60.0
CADENCE_SECONDS = 90.0
#: How far the field moves between frames, in pixels (right, up).
DRIFT = (0.35, -0.2)
#: The sky in ADU: in the first frame, and how much brighter the last frame and the upper edge are.
SKY, DAWN, GRADIENT = 300.0, 450.0, 60.0
ADU_PER_ELECTRON = 1 / 1.5
READ_NOISE = 4.0
PSF_SIGMA = 1.3
STAMP = 7
COSMIC_RAYS = 6
#: The pixel types in turn, and whether the tiles are compressed (`.fits.fz`).
STORED = (("i2", False), ("u2", True), ("f4", False), ("i2", True), ("u2", False), ("f4", True))


@dataclass(frozen=True, slots=True)
class Stars:
    """Positions in pixels from the lower left, and fluxes in ADU per exposure."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]


def synthesise_series(
    folder: str | Path, count: int = 24, size: tuple[int, int] = (256, 320), seed: int = 13
) -> list[Path]:
    """Write `count` frames of `size` (height, width) pixels, and return their paths in order.

    They alternate between `.fits` and `.fits.fz` and between int16, uint16 (by BZERO) and float32,
    and have DATE-OBS, EXPTIME, FILTER, INSTRUME, OBJECT and a celestial WCS. The same arguments
    give the same bytes.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    stars = _cluster(random, size)
    return [_write(folder, index, _frame(random, stars, size, index, count), seed)
            for index in range(count)]  # fmt: skip


def _cluster(random: np.random.Generator, size: tuple[int, int]) -> Stars:
    """Make cluster stars after Plummer (1911), and a third as many field stars."""
    height, width = size
    cluster, field = max(height * width // 160, 12), max(height * width // 480, 4)
    within = random.uniform(0, 0.95, cluster)
    radius = 0.12 * height * np.sqrt(within / (1 - within))
    angle = random.uniform(0, 2 * np.pi, cluster)
    x = np.append(width / 2 + radius * np.cos(angle), random.uniform(-20, width + 20, field))
    y = np.append(height / 2 + radius * np.sin(angle), random.uniform(-20, height + 20, field))
    flux = 200.0 * (1 + random.pareto(1.2, cluster + field)).clip(1, 150)
    return Stars(x, y, flux)


def _frame(
    random: np.random.Generator, stars: Stars, size: tuple[int, int], index: int, count: int
) -> Image:
    height, width = size
    part = index / max(count - 1, 1)
    rows = np.linspace(0, 1, height)[:, np.newaxis]
    light = np.zeros(size) + SKY + DAWN * part**2 + GRADIENT * rows * (1 + part)
    for x, y, flux in zip(stars.x, stars.y, stars.flux, strict=True):
        _expose(light, x + DRIFT[0] * index, y + DRIFT[1] * index, flux)
    _expose(light, width * (0.1 + 0.8 * part), height * (0.25 + 0.2 * part), 9000.0)
    electrons = random.poisson(light / ADU_PER_ELECTRON)
    image = electrons * ADU_PER_ELECTRON + random.normal(0, READ_NOISE, size)
    hits = random.integers((0, 0), size, (COSMIC_RAYS, 2))
    image[hits[:, 0], hits[:, 1]] += random.uniform(500, 8000, COSMIC_RAYS)
    return image.clip(0, 32000).astype(np.float32)


def _expose(light: NDArray[np.float64], x: float, y: float, flux: float) -> None:
    """Add a star, as a Gaussian, to the part of the image that it covers."""
    left, low = int(x) - STAMP, int(y) - STAMP
    columns = np.arange(max(left, 0), min(left + 2 * STAMP + 1, light.shape[1]))
    rows = np.arange(max(low, 0), min(low + 2 * STAMP + 1, light.shape[0]))
    if columns.size and rows.size:
        across = np.exp(-((columns - x) ** 2) / (2 * PSF_SIGMA**2))
        along = np.exp(-((rows - y) ** 2) / (2 * PSF_SIGMA**2))
        share = flux / (2 * np.pi * PSF_SIGMA**2) * np.outer(along, across)
        light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += share


def _write(folder: Path, index: int, image: Image, seed: int) -> Path:
    kind, packed = STORED[index % len(STORED)]
    pixels = image if kind == "f4" else np.rint(image).astype(kind)
    header = _header(index, image.shape)
    if packed:
        path = folder / f"m13_{index + 1:04}.fits.fz"
        hdu = fits.CompImageHDU(
            pixels, header, compression_type="RICE_1", dither_seed=seed % 10_000 + 1
        )
    else:
        path = folder / f"m13_{index + 1:04}.fits"
        hdu = fits.PrimaryHDU(pixels, header)
    hdu.writeto(path, overwrite=True)
    return path


def _header(index: int, shape: tuple[int, ...]) -> fits.Header:
    begun = BEGIN + timedelta(seconds=CADENCE_SECONDS * index)
    height, width = shape
    cards = {
        "DATE-OBS": (begun.strftime("%Y-%m-%dT%H:%M:%S.000"), "begin of exposure"),
        "TIMESYS": ("UTC", "time scale"),
        "EXPTIME": (EXPOSURE_SECONDS, "[s]"),
        "FILTER": ("V", ""),
        "INSTRUME": ("synthetic", "no light was collected"),
        "OBJECT": ("M13", ""),
        "CTYPE1": ("RA---TAN", ""), "CTYPE2": ("DEC--TAN", ""),
        "CUNIT1": ("deg", ""), "CUNIT2": ("deg", ""),
        "CRVAL1": (CENTRE_RA_DEC[0], ""), "CRVAL2": (CENTRE_RA_DEC[1], ""),
        # The pixel of the cluster's centre: FITS counts from 1.
        "CRPIX1": (width / 2 + 1 + DRIFT[0] * index, ""),
        "CRPIX2": (height / 2 + 1 + DRIFT[1] * index, ""),
        "CDELT1": (-PIXEL_DEGREES, ""), "CDELT2": (PIXEL_DEGREES, ""),
        "RADESYS": ("ICRS", ""),
    }  # fmt: skip
    header = fits.Header()
    for keyword, (value, comment) in cards.items():
        header[keyword] = (value, comment)
    return header
