"""Photometry tables of a field with a variable star, as astrosource takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: The centre of the field, and the place of the variable star.
RA, DEC = 163.26, -49.9
PERIOD_DAYS, AMPLITUDE_MAGNITUDES = 0.37, 0.35
STARS = 40
FIRST_JD = 2_458_545.5
EPOCHS = 60
NIGHTS = 6.0


def write_tables(folder: Path, seed: int = 7) -> list[Path]:
    """Write tables of the stars at random times, with brightness uncertain by 1 %.

    The columns: RA and Dec in degrees, x and y in pixels, counts, their error, two more errors.
    """
    random = np.random.default_rng(seed)
    ra = RA + np.append(0, random.uniform(-0.2, 0.2, STARS))
    dec = DEC + np.append(0, random.uniform(-0.2, 0.2, STARS))
    counts = np.append(60_000, random.uniform(30_000, 200_000, STARS))
    paths = []
    for day in np.sort(random.uniform(0, NIGHTS, EPOCHS)):
        light = counts * random.normal(1, 0.01, STARS + 1) * random.uniform(0.8, 1.2)
        phase = 2 * np.pi * day / PERIOD_DAYS
        light[0] *= 10 ** (-0.4 * AMPLITUDE_MAGNITUDES * np.sin(phase))
        table = np.column_stack(
            (ra, dec, ra * 100, dec * -100, light, light * 0.01, ra * 1e-8, ra * 1e-8)
        )
        time = f"{FIRST_JD + day:.6f}".replace(".", "d")
        paths.append(folder / f"star_V_{time}_2019d03d03_1a2_30d_cam_test.psx")
        # The first row is taken for a heading.
        np.savetxt(paths[-1], table[[0, *range(STARS + 1)]], delimiter=",", fmt="%.7f")
    return paths
