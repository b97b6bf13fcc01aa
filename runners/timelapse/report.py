"""What a film says of its frames: a line in the log for each, with facts, and what is missing."""

from __future__ import annotations

import math
import time
from typing import Any

from runners.fits.files import FrameError
from runners.fits.images import Frame
from runners.pipeline.process import Reporter
from runners.timelapse.order import LeftOut, one_line, title_of
from runners.timelapse.rendering import Picture

#: A frame that is turned by less than this many degrees is not said to be turned.
LEAST_TURN = 0.5


class FilmReport:
    """Reports the frames of a film one by one; `done` are in the film, of a `total` so far."""

    def __init__(self, reporter: Reporter, *, is_aligned: bool) -> None:
        self._reporter = reporter
        self._is_aligned = is_aligned
        self._unaligned = 0
        self.left_out: list[LeftOut] = []
        self.done = 0
        self.total = 0

    def leave_out(self, each: LeftOut) -> None:
        """Warn of a file or frame that is not in the film."""
        self.left_out.append(each)
        line = f"Left out: {each.name} {each.reason}"
        self._reporter.frame(line, each._asdict(), level="warning")

    def leave_out_read(self, error: FrameError, frame: Frame) -> None:
        """Warn of a frame that turned out to be illegible when it was read."""
        self.total -= 1
        self.leave_out(LeftOut(frame.product, title_of(frame), error.problem))

    def frame(self, picture: Picture) -> None:
        """Report a frame of the film."""
        self.done += 1
        title = title_of(picture.frame)
        line = f"Processing frame {self.done}/{self.total}: {title}, {_facts(picture)}"
        self._reporter.frame(line, self._fields(picture))
        if self._is_aligned and not picture.aligned:
            self._unaligned += 1
            self._reporter.text(f"{title} could not be aligned\n", level="warning")

    def conclude(self) -> None:
        """Warn of how many frames are left out, and how many are not aligned."""
        if self.left_out:
            self._warn(len(self.left_out), self.done + len(self.left_out), "left out")
        if self._unaligned:
            self._warn(self._unaligned, self.done, "not aligned")

    def _warn(self, count: int, total: int, what: str) -> None:
        verb = "is" if count == 1 else "are"
        frames = "frame" if total == 1 else "frames"
        self._reporter.text(f"{count} of {total} {frames} {verb} {what}\n", level="warning")

    def _fields(self, picture: Picture) -> dict[str, Any]:
        frame, motion = picture.frame, picture.motion
        return {
            "frame": self.done,
            "product": frame.product,
            "name": one_line(frame.name),
            "date": frame.date,
            "exposure": frame.exposure,
            "filter": frame.layout.filter,
            "sky": _rounded(picture.sky, 6),
            "shift": None if motion is None else [round(motion.x, 2), round(motion.y, 2)],
        }


def _facts(picture: Picture) -> str:
    return f"{_date(picture.frame.date)}, sky {picture.sky:.5g}, {_shift(picture)}"


def _date(date: float | None) -> str:
    """Return when a frame was taken, to the second."""
    if date is None:
        return "no date"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(date))
    except (OverflowError, ValueError, OSError):
        return "no date"


def _shift(picture: Picture) -> str:
    """Return by how much a frame was off, in pixels to the right and up."""
    motion = picture.motion
    if motion is None:
        return "no shift" if picture.aligned else "shift unknown"
    # Adding 0.0 turns -0.0 into 0.0.
    x, y = round(motion.x, 1) + 0.0, round(motion.y, 1) + 0.0
    said = f"shift {x:+.1f} {y:+.1f}"
    return said if abs(motion.degrees) < LEAST_TURN else f"{said}, turned {motion.degrees:.1f}°"


def _rounded(value: float, digits: int) -> float | None:
    """Return a number with so many digits, None if it is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
