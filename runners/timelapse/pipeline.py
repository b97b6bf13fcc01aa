"""The built-in timelapse: the frames of a target, in the order in which they were taken, as a film.

All headers are read first, for dates and sizes; then each frame is rendered, encoded and dropped.
Which frames are used is left to `order`, rendering to `rendering`, encoding to `encoder`, text on
the frames to `overlay`, and what is said of them to `report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from runners.confinement.wording import in_words
from runners.fits import FITS_SUFFIXES
from runners.fits.files import DAMAGED, FrameError, quiet
from runners.fits.images import Frame, find_frames
from runners.imaging import alignment
from runners.imaging.scaling import View, view_of
from runners.imaging.stretches import STRETCHES
from runners.pipeline.inputs import InputProduct, stored_path
from runners.pipeline.process import NO_INPUTS, AsyncError, PipelineProcess
from runners.timelapse.encoder import open_film
from runners.timelapse.live_frames import KeptFrames, Preview
from runners.timelapse.order import LeftOut, none_left, one_line, usable
from runners.timelapse.overlay import Overlay
from runners.timelapse.rendering import FrameWork, film_frames
from runners.timelapse.report import FilmReport

#: The stretches that flags choose, and what they do.
STRETCH_NAMES = {
    "asinh": "faint and bright alike (asinh)",
    "zscale": "the sky and faint objects (zscale)",
    "linear": "in proportion to brightness (linear)",
    "sqrt": "square root of brightness (sqrt)",
    "log": "logarithm of brightness (log)",
}
#: What is being done, as the status says.
CHOOSING, MAKING = "Looking for the frame with most stars", "Making the film"


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """How a film is made: the limit `size` of its longest side in pixels, `fps` frames per second.

    `crop_scale` is the part of each side that the flag `crop` keeps, `stretch` that of films for
    which no flag chooses one.
    """

    format: str = "webm"
    fps: float = 10
    size: int = 500
    crop_scale: float = 0.5
    stretch: str = STRETCHES[0]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> FilmSettings:
        """Return the settings of a run that concern films."""
        return cls(**{key: settings[key] for key in cls.__slots__ if key in settings})


class Timelapse(PipelineProcess):
    """A film of the frames in the order in which they were taken."""

    short_name: ClassVar[str] = "timelapse"
    process_type: ClassVar[str] = "timelapse"
    allowed_suffixes: ClassVar[list[str] | None] = list(FITS_SUFFIXES)
    flags: ClassVar[dict[str, dict[str, Any]] | None] = {
        "normalise_background": {
            "default": False,
            "long_name": "Process each frame to achieve a consistent background brightness across "
            "the timelapse",
        },
        "crop": {
            "default": False,
            "long_name": "Crop each frame in the timelapse around its centre pixel",
        },
        "remove_cosmic_rays": {
            "default": False,
            "long_name": "Remove cosmic rays from each frame (stars must be two pixels wide)",
        },
        "align": {
            "default": False,
            "long_name": "Align the frames by their stars (needs the extra align)",
        },
        "overlay": {
            "default": False,
            "long_name": "Write target and time on each frame, with a scale bar",
        },
        **{
            f"{name}_stretch": {"default": False, "long_name": f"Stretch: {meaning}"}
            for name, meaning in STRETCH_NAMES.items()
        },
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path]:
        """Yield the film, `timelapse.<format>`. Raise AsyncError if no frame can be used.

        A missing flag is off. While the film is made, `preview.png` is its last frame, and each of
        its frames so far is a JPEG file.
        """
        settings, folder = FilmSettings.of(self.settings), Path(tmpdir)
        path = folder / f"timelapse.{settings.format}"
        if flags.get("align") and (problem := alignment.missing()):
            raise AsyncError(problem)
        stretch = stretch_of(flags, settings.stretch)
        self._report = FilmReport(self._reporter, is_aligned=flags.get("align", False))
        with quiet():
            frames = self._sorted_frames()
            self._film(path, frames, settings, flags, stretch)
        self._report.conclude()
        self.log("Finished")
        yield path

    def _sorted_frames(self) -> list[Frame]:
        self.log("Sorting frames")
        products = self.input_files.all()
        if not products:
            raise AsyncError(NO_INPUTS)
        found: list[Frame] = []
        with self.update_status(f"Sorting {len(products)} frames"):
            for product in products:
                self.check_cancelled()
                found += self._frames_of(product)
        frames, left_out = usable(found)
        for each in left_out:
            self._report.leave_out(each)
        if not frames:
            raise AsyncError(none_left(self._report.left_out))
        return frames

    def _frames_of(self, product: InputProduct) -> list[Frame]:
        """Return the frames of a file, none if it is left out."""
        try:
            frames = find_frames(stored_path(product), product.name)
        except FrameError as error:
            problem = error.problem
        except OSError as error:
            problem = f"cannot be read: {in_words(error, DAMAGED)}"
        except AsyncError as error:  # it is not as it was uploaded
            problem = f"cannot be used: {error}"
        else:
            return [replace(frame, product=product.pk) for frame in frames]
        self._report.leave_out(LeftOut(product.pk, one_line(product.name), problem))
        return []

    def _film(
        self,
        path: Path,
        frames: list[Frame],
        settings: FilmSettings,
        flags: Mapping[str, bool],
        stretch: str,
    ) -> None:
        crop_scale = settings.crop_scale if flags.get("crop") else 1.0
        view = view_of(frames[0].width, frames[0].height, settings.size, crop_scale=crop_scale)
        work = FrameWork.of(view, flags, stretch)
        overlay = overlay_of(self.target.name, frames[0], view) if flags.get("overlay") else None
        preview, kept = Preview(path.with_name("preview.png")), KeptFrames(path.parent)
        report = self._report
        report.total = len(frames)
        in_colour = any(frame.layout.mosaic or frame.layout.planes == 3 for frame in frames)
        with (
            self.update_status(CHOOSING if work.align else MAKING),
            open_film(
                path, settings.format, settings.fps, view.width, view.height, in_colour=in_colour
            ) as film,
        ):
            for picture in film_frames(frames, work, report.leave_out_read):
                self.check_cancelled()
                if self.status == CHOOSING:
                    self.update_status(MAKING)
                report.frame(picture)
                shades = picture.shades
                if overlay is not None:
                    shades = overlay.drawn(shades, picture.frame.date)
                film.add(shades)
                preview.show(shades)
                kept.keep(report.done, shades)
                self.progress(report.done, report.total)
            if not report.done:
                raise AsyncError(none_left(report.left_out))


def stretch_of(flags: Mapping[str, bool], usual: str) -> str:
    """Return the stretch that flags choose, else the usual one. Raise AsyncError for several."""
    chosen = [name for name in STRETCHES if flags.get(f"{name}_stretch")]
    if len(chosen) > 1:
        raise AsyncError(f"A film has one stretch, but {len(chosen)} are chosen: "
                         f"{', '.join(chosen)}")  # fmt: skip
    return chosen[0] if chosen else usual


def overlay_of(title: str, frame: Frame, view: View) -> Overlay:
    """Return the overlay of a film whose frames have the scale of this one."""
    shrink = (view.box[2] - view.box[0]) / view.width
    return Overlay(title, None if frame.arcsec is None else frame.arcsec * shrink)
