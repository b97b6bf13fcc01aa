"""The built-in astrosource: the light curve of a star from photometry tables of its field.

The package does the work (Fitzgerald et al. 2021, JOSS 6(58), 2641); it comes with the extra
`astrosource`. This module handles inputs, stages and outputs; keeping the package offline and quiet
is left to `package`.
"""

from __future__ import annotations

import contextlib
import csv
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from runners.astrosource.package import missing, prepared
from runners.confinement.wording import in_words
from runners.pipeline.inputs import stored_path
from runners.pipeline.measurements import Measurement, mjd
from runners.pipeline.process import AsyncError, PipelineOutput, PipelineProcess, ReducedDatum

STAGES = ("Gathering", "Analysing", "Comparison stars", "Photometry", "Plotting")
TABLE = ".psx"
#: The parts of a table's name, separated by `_`: object, filter, JD, date, airmass, and more.
TABLE_NAME = re.compile(r"[^_]*_[^_]+_\d+d?\d*_[^_]*_\d+a?\d*_.*", re.ASCII)
#: The folders in which the package leaves results, and the suffixes of those for users: its `.eps`
#: files repeat the plots, and its pickles are for itself.
RESULTS = ("results", "outputcats", "outputplots", "checkplots", "periods")
CATALOGUES, PLOTS = {".csv", ".txt"}, {".png"}
#: Columns of its table of measurements; the last ones are calibrated magnitudes, if there are any.
TIME, DIFFERENTIAL, CALIBRATED = 6, (10, 11), (-2, -1)
#: How far a star may be from the target to be identified with it: the package's own default.
RADIUS_ARCSEC = 1.5
#: What its plots and period searches need.
LEAST_MEASUREMENTS = 3
#: The beginnings of its messages if it can use no file, for whatever reason.
NO_FILES = ("No files of type", "Either there are no files")


class Coordinates(NamedTuple):
    """The position of a target in degrees (ICRS)."""

    ra: float
    dec: float

    def __str__(self) -> str:
        return f"{self.ra:.5f} {self.dec:+.5f}"


class AstroSource(PipelineProcess):
    """Light curve of a variable star or exoplanet host, by astrosource.

    Takes photometry tables of one field in one filter (.psx), or reduced LCO images with a table of
    sources (e91); the target's coordinates say which star it is.
    """

    short_name: ClassVar[str] = "astrosource"
    allowed_suffixes: ClassVar[list[str] | None] = [TABLE, ".fits", ".fz"]
    flags: ClassVar[dict[str, dict[str, Any]] | None] = {
        "period": {"default": False, "long_name": "Search for a period"},
        "plot": {"default": True, "long_name": "Plot the light curve"},
        "calibrate": {
            "default": False,
            "long_name": "Calibrate magnitudes by catalogues of VizieR (needs the network)",
        },
    }

    @classmethod
    def unavailable(cls) -> str | None:
        """Return what to install if the package, or something that it needs, is missing."""
        absent = missing()
        if absent is None:
            return None
        return f"{absent} is not installed: pip install 'heliograph[astrosource]'"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path | PipelineOutput]:
        """Yield plots, catalogues and the light curve, which is reduced data too.

        Raise AsyncError if the target has no coordinates, if the files are not of one field and
        filter, and if the star was measured fewer than three times.
        """
        folder, coordinates, paths = Path(tmpdir), self._coordinates(), self._paths()
        period, calibrate = flags.get("period", False), flags.get("calibrate", False)
        plot = flags.get("plot", True)
        self.update_status(STAGES[0])  # importing the package takes seconds
        with prepared(folder, online=calibrate) as package:
            series = self._gathered(package, folder, coordinates, paths, calibrate)
            self._analyse(package, series, calibrate)
            measured = self._measured(series, coordinates)
            if plot or period:
                self._plot(series, folder, period)
        yield from results(folder, plot)
        path = write_light_curve(folder / "lightcurve.csv", measured)
        self.log(f"{len(measured)} measurements in {series.filtercode}")
        self.progress(len(STAGES), len(STAGES))
        yield path
        yield PipelineOutput(path, ReducedDatum)

    def _coordinates(self) -> Coordinates:
        if self.target.ra is None or self.target.dec is None:
            raise AsyncError(f"{self.target.name} has no coordinates, and astrosource needs them")
        return Coordinates(self.target.ra, self.target.dec)

    def _paths(self) -> list[Path]:
        """Return the inputs. Raise AsyncError unless they are enough and of one kind."""
        products = self.input_files.all()
        if len(products) < LEAST_MEASUREMENTS:
            raise AsyncError(f"At least {LEAST_MEASUREMENTS} files are needed")
        tables = [product.name for product in products if product.name.lower().endswith(TABLE)]
        if tables and len(tables) < len(products):
            raise AsyncError("Tables (.psx) and images (.fits, .fz) cannot be used together")
        for name in tables:
            if TABLE_NAME.fullmatch(name) is None:
                raise AsyncError(
                    f"{name} is not named object_filter_JD_date_airmass_….psx, which tells "
                    "astrosource filter and time"
                )
        return [stored_path(product) for product in products]

    def _gathered(
        self,
        package: Any,
        folder: Path,
        coordinates: Coordinates,
        paths: list[Path],
        calibrate: bool,
    ) -> Any:
        """Return the package's series of the files that it can use."""
        self.log(f"{len(paths)} files, target at {coordinates}")
        with self._stage("Gathering"):
            try:
                series = package.TimeSeries(
                    targets=np.array([(*coordinates, 0, 0)]),
                    indir=folder,
                    filelist=paths,
                    format="psx" if paths[0].suffix.lower() == TABLE else "fits",
                    nocalib=not calibrate,
                )
            except package.AstrosourceException as error:
                if str(error).startswith(NO_FILES):
                    raise AsyncError(f"None of the {len(paths)} files can be used") from error
                raise
        self.log(f"{len(series.files)} of {len(paths)} files can be used")
        return series

    def _analyse(self, package: Any, series: Any, calibrate: bool) -> None:
        """Find the stars of the series, and the comparison stars among them."""
        find = package.find_comparisons

        def find_comparisons(*given: Any, **options: Any) -> Any:
            with self._stage("Comparison stars"):
                return find(*given, **options)

        package.find_comparisons = find_comparisons
        with self._stage("Analysing"):
            series.analyse(calib=calibrate)
        if calibrate and not series.calibrated:
            raise AsyncError(
                "The magnitudes could not be calibrated, the log says why; without the flag "
                "calibrate they are differential"
            )

    def _measured(self, series: Any, coordinates: Coordinates) -> list[Measurement]:
        """Return the measurements of the target, by time."""
        with self._stage("Photometry"):
            series.photometry(filesave=True, targets=series.targets)
            columns = [TIME, *(CALIBRATED if series.calibrated else DIFFERENTIAL)]
            found = measurements(series.data[0], columns, str(series.filtercode))
        if len(found) < LEAST_MEASUREMENTS:
            raise AsyncError(
                f"{self.target.name} was measured in {len(found)} of {len(series.files)} files, "
                f"and {LEAST_MEASUREMENTS} are needed: is there a star within {RADIUS_ARCSEC} "
                f"arcseconds of {coordinates}?"
            )
        return found

    def _plot(self, series: Any, folder: Path, period: bool) -> None:
        with self._stage("Plotting"):
            series.plot(period=period, filesave=True)
        estimates = folder / "results" / "periodEstimates.txt"
        if estimates.is_file():
            self.log(estimates.read_text(encoding="utf-8", errors="replace"))

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Show a stage as status and progress; an error within it fails the run with a reason."""
        self.check_cancelled()
        self.update_status(name)
        self.progress(STAGES.index(name), len(STAGES))
        try:
            yield
        except AsyncError:
            raise
        except SystemExit as error:  # the package found no star but the target
            raise AsyncError(f"{name}: no stars to compare the target with") from error
        except Exception as error:
            print(traceback.format_exc(), file=sys.stderr, end="")
            reason = in_words(error, "an unexpected error; the log has its traceback")
            raise AsyncError(f"{name}: astrosource says: {reason}") from error


def measurements(table: Any, columns: Sequence[int], filter: str) -> list[Measurement]:
    """Return the complete rows of the package's table, by time; its times are JD or MJD."""
    rows = np.asarray(table, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] <= max(columns):  # nothing was measured
        return []
    whole = rows[:, columns][np.isfinite(rows[:, columns]).all(axis=1)]
    return sorted(
        Measurement(mjd(time), magnitude, error, filter)
        for time, magnitude, error in whole.tolist()
    )


def write_light_curve(path: Path, measured: list[Measurement]) -> Path:
    """Write a table of reduced data, with times to a millisecond, and return its path."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(Measurement._fields[:4])
        for time, magnitude, error, name, _ in measured:
            table.writerow([f"{time:.8f}", f"{magnitude:.6f}", f"{error:.6f}", name])
    return path


def results(folder: Path, plots: bool) -> Iterator[Path]:
    """Yield the package's results for users, in order."""
    wanted = CATALOGUES | (PLOTS if plots else set())
    for name in RESULTS:
        for path in sorted((folder / name).glob("*")):
            if path.suffix in wanted and path.stat().st_size:
                yield path
