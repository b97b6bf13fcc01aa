"""Aperture photometry of the star nearest to the centre of each frame.

A worked example of a pipeline for Heliograph: it has a flag, reports status and progress, can be
cancelled, and makes a catalogue of each frame, a light curve, a plot, and reduced data.
"""

import csv

import numpy as np
import sep
from astropy.io import fits
from astropy.time import Time
from PIL import Image, ImageDraw

from runners import AsyncError, PipelineOutput, PipelineProcess, ReducedDatum

THRESHOLD_SIGMA = 5.0
COLUMNS = ("x", "y", "flux", "error")
PLOT_SIZE, PLOT_MARGIN = (640, 360), 30


class AperturePhotometry(PipelineProcess):
    """Measures the star nearest to the centre of each frame against all others.

    Makes a catalogue of each frame, a light curve in differential magnitudes and its plot.
    """

    short_name = "aperture"
    allowed_suffixes = [".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz", ".fts.gz"]
    flags = {"wide": {"default": False, "long_name": "Use an aperture twice as wide"}}

    def do_pipeline(self, tmpdir, wide=False):
        """Yield the catalogues, the plot, and the light curve as a file and as reduced data."""
        radius = 8.0 if wide else 4.0
        products, curve = self.input_files.all(), []
        for done, product in enumerate(products, 1):
            self.check_cancelled()
            with self.update_status(f"Measuring frame {done} of {len(products)}"):
                image, header = read(product)
                stars = measure(image, radius)
                self.log(f"{product.name}: {len(stars)} stars")
                yield write(tmpdir / f"stars_{done:04}.csv", COLUMNS, stars)
                if len(stars) > 1:
                    curve.append((mjd(header), *differential(stars, image.shape), product.name))
            self.progress(done, len(products))
        if not curve:
            raise AsyncError("No frame has two stars, and one must be compared with another")
        curve.sort()
        name = str(header.get("FILTER", "")).strip()
        table = write(
            tmpdir / "lightcurve.csv",
            ("time", "magnitude", "error", "filter", "frame"),
            [(*row, name, frame) for *row, frame in curve],
        )
        with self.update_status("Plotting"):
            yield plot(tmpdir / "lightcurve.png", curve)
        yield table
        # The same table once more: it becomes part of the target's light curve.
        yield PipelineOutput(table, ReducedDatum)


def read(product):
    """Return the first 2-D image of a file, in the form that sep needs, and its header."""
    with fits.open(product.data.path) as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2:
                return np.ascontiguousarray(hdu.data, dtype=np.float32), hdu.header
    raise AsyncError(f"{product.name} holds no 2-D image")


def measure(image, radius):
    """Return (x, y, flux, error) of each star, brightest first."""
    background = sep.Background(image)
    light = image - background.back()
    found = sep.extract(light, THRESHOLD_SIGMA, err=background.globalrms)
    flux, error, _ = sep.sum_circle(
        light, found["x"], found["y"], radius, err=background.globalrms, gain=1.0
    )
    stars = [tuple(map(float, row)) for row in zip(found["x"], found["y"], flux, error)]
    return sorted((star for star in stars if star[2] > 0), key=lambda star: -star[2])


def differential(stars, shape):
    """Return magnitude and error of the star nearest to the centre, relative to all others."""
    height, width = shape
    star = min(stars, key=lambda each: (each[0] - width / 2) ** 2 + (each[1] - height / 2) ** 2)
    others = [each for each in stars if each is not star]
    light = sum(each[2] for each in others)
    noise = sum(each[3] ** 2 for each in others) ** 0.5
    magnitude = -2.5 * np.log10(star[2] / light)
    error = 1.0857 * ((star[3] / star[2]) ** 2 + (noise / light) ** 2) ** 0.5
    return float(magnitude), float(error)


def mjd(header):
    """Return the Modified Julian Date at which the exposure began, UTC."""
    if "DATE-OBS" not in header:
        raise AsyncError("A frame has no DATE-OBS")
    return float(Time(header["DATE-OBS"], scale="utc").mjd)


def write(path, names, rows):
    """Write a table as CSV and return its path."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        table.writerows(rows)
    return path


def plot(path, curve):
    """Plot the light curve as dots, bright at the top, and return the path."""
    times, magnitudes = (np.array(column) for column in list(zip(*curve))[:2])
    picture = Image.new("L", PLOT_SIZE, 255)
    draw = ImageDraw.Draw(picture)
    for x, y in zip(*(scaled(times, PLOT_SIZE[0]), scaled(magnitudes, PLOT_SIZE[1]))):
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=0)
    picture.save(path)
    return path


def scaled(values, size):
    """Return positions on an axis of this size in pixels."""
    span = float(np.ptp(values)) or 1.0
    return PLOT_MARGIN + (values - values.min()) / span * (size - 2 * PLOT_MARGIN)
