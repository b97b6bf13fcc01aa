"""Small FITS files and finished films, for the tests of the science code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from runners.pipeline.inputs import InputData, InputFiles, InputProduct, RunTarget
from runners.pipeline.own_copies import InputSource

DATE = "2026-03-01T00:00:00"


def noise(height: int = 64, width: int = 80, sky: float = 300.0, seed: int = 1) -> NDArray[Any]:
    """Return a starless sky of 300 ADU with a noise of 10 ADU, float32."""
    return np.random.default_rng(seed).normal(sky, 10, (height, width)).astype(np.float32)


def write_fits(path: Path, pixels: NDArray[Any] | None, **cards: Any) -> Path:
    """Write one image into the primary HDU; cards are keywords with `_` for `-`."""
    hdu = fits.PrimaryHDU(pixels)
    for keyword, value in ({"DATE_OBS": DATE} | cards).items():
        if value is not None:
            hdu.header[keyword.replace("_", "-")] = value
    hdu.writeto(path)
    return path


def declare(path: Path, bitpix: int, *sides: int, kept_bytes: int = 2880) -> Path:
    """Write a file whose header declares an image of these sides, whatever follows it."""
    header = fits.Header({"SIMPLE": True, "BITPIX": bitpix, "NAXIS": len(sides)})
    for axis, side in enumerate(sides, 1):
        header[f"NAXIS{axis}"] = side
    header["DATE-OBS"] = DATE
    path.write_bytes(header.tostring().encode() + bytes(kept_bytes))
    return path


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    """Return the frames of a film as shades of grey."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return [np.asarray(frame, dtype=np.uint8) for frame in frames]


class Recorder:
    """A run's reporter that keeps what it is given."""

    def __init__(self) -> None:
        self.cancelled = False
        self.texts: list[str] = []
        self.levels: list[str] = []
        self.frames: list[dict[str, Any]] = []
        self.statuses: list[str] = []
        self.steps: list[tuple[float, float]] = []

    def text(self, text: str, *, level: str = "info") -> None:
        self.texts.append(text)
        self.levels += [level] * text.count("\n")

    def frame(self, line: str, facts: Any, *, level: str = "info") -> None:
        self.text(f"{line}\n", level=level)
        self.frames.append(dict(facts))

    def status(self, text: str) -> None:
        self.statuses.append(text)

    def progress(self, done: float, total: float) -> None:
        self.steps.append((done, total))

    @property
    def log(self) -> list[str]:
        """The lines of the log."""
        return "".join(self.texts).splitlines()

    @property
    def warnings(self) -> list[str]:
        """The lines that are warnings."""
        levels = zip(self.log, self.levels, strict=True)
        return [line for line, level in levels if level == "warning"]


def run_of(pipeline: Any, paths: list[Path], settings: dict[str, Any] | None = None) -> Any:
    """Make a run of a pipeline class on these files; return it and its `Recorder`."""
    products = [
        InputProduct(pk, path.name, InputData(InputSource(str(path), f"{path}.own"), path.name))
        for pk, path in enumerate(paths, 1)
    ]
    recorder, target = Recorder(), RunTarget(1, "m13", "M13", 250.4235, 36.4613)
    identifier = f"{pipeline.short_name}_m13_2026-03-01-000000"
    return pipeline(recorder, target, InputFiles(products), identifier, settings or {}), recorder
