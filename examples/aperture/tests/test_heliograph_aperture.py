"""The pipeline on frames made here, without a server."""

import numpy as np
import pytest
from astropy.io import fits
from heliograph_aperture import AperturePhotometry

from runners import AsyncError
from runners.testing import run_pipeline

SIDE = 96
#: (x, y) of the stars, that of the variable one first.
PLACES = [(48, 48), (20, 70), (75, 25), (15, 15)]


def frame(folder, number, brightness):
    """Write a frame of four stars, the middle one with this brightness, and return its path."""
    image = np.random.default_rng(number).normal(100, 3, (SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    for place, light in zip(PLACES, (brightness, 1, 1, 1)):
        image += 1000 * light * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 4)
    path = folder / f"frame{number}.fits"
    header = fits.Header({"DATE-OBS": f"2026-03-01T22:0{number}:00", "FILTER": "V"})
    fits.writeto(path, image.astype("float32"), header)
    return path


@pytest.mark.parametrize("wide", [False, True])
def test_a_star_that_is_half_as_bright_is_three_quarters_of_a_magnitude_fainter(tmp_path, wide):
    """Half the flux is 0.75 magnitudes; with an aperture of either size."""
    files = [frame(tmp_path, 0, 1.0), frame(tmp_path, 1, 0.5)]
    run = run_pipeline(AperturePhotometry, files, wide=wide)
    first, second = run.measurements
    assert second.magnitude - first.magnitude == pytest.approx(0.7526, abs=0.05)
    assert second.time - first.time == pytest.approx(1 / 1440)
    assert first.filter == "V"
    assert 0 < first.error < 0.05


def test_it_says_what_it_does_and_makes_its_files(tmp_path):
    """Log, statuses, progress and the names of the outputs are what users see."""
    run = run_pipeline(AperturePhotometry, [frame(tmp_path, 0, 1.0)])
    assert run.log == ["frame0.fits: 4 stars"]
    assert run.statuses == ["Measuring frame 1 of 1", "Plotting"]
    assert run.progress_made == [(1, 1)]
    names = [output.name for output in run.outputs]
    assert names == ["stars_0001.csv", "lightcurve.png", "lightcurve.csv", "lightcurve.csv"]
    assert run.path("stars_0001.csv").read_text().startswith("x,y,flux,error")


def test_a_frame_without_stars_is_an_error(tmp_path):
    """The run fails with a message instead of an empty light curve."""
    path = tmp_path / "empty.fits"
    image = np.random.default_rng(1).normal(100, 3, (SIDE, SIDE)).astype("float32")
    fits.writeto(path, image)
    with pytest.raises(AsyncError, match="No frame has two stars"):
        run_pipeline(AperturePhotometry, [path])
