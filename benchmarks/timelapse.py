"""Frames per second of the timelapse, as ratios to the naive way, and its peak memory.

    pip install astroscrappy fits2image imageio imageio-ffmpeg     # what the naive way needs
    python -m benchmarks.timelapse [--frames 36] [--rounds 3] [--memory 30 300] [--side 2048]
                                   [--colour]

The naive way, that of tom_education 1.1.9, makes a JPEG file of each frame with LCO's fits2image
(now 1.1.0, as the 0.4.3 it asks for fails on this numpy) and passes it to imageio with the same
options (VP8 for WebM, `-crf 30 -lossless 1` for both); with `normalise_background` it finds cosmic
rays with astroscrappy and the sky with astropy's `sigma_clip`, through a temporary FITS file. Both
make films of the same frames, 650 x 494 pixels of int16, in the same run; rounds of the two are
interleaved, and medians are shown. The floor is the encoder alone, given frames that are ready.
Previews are compared with reading by astropy, its ZScale and arcsinh, and scaling by Pillow, in one
process. Memory is the peak of a fresh process that makes a film of that many frames with such
sides, of a colour camera with `--colour`; `--rounds 0` leaves out everything else.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clip
from PIL import Image as Pictures

from runners.fits.files import quiet
from runners.fits.images import find_frame, read_frame
from runners.imaging.brightness import Shades
from runners.imaging.preview import preview_png
from runners.imaging.scaling import view_of
from runners.synthetic import synthesise_series
from runners.timelapse.encoder import open_film
from runners.timelapse.order import in_order
from runners.timelapse.rendering import FrameWork, film_frames

SIZE, FPS = 500, 10
#: (height, width) in pixels; scaled to that size, both are even.
SIDES = (494, 650)
#: The ratios to be reached, by (normalise_background, format).
BARS = {
    (True, "webm"): 25.0,
    (True, "mp4"): 25.0,
    (True, "gif"): 25.0,
    (False, "webm"): 6.0,
    (False, "mp4"): 1.5,
}
#: The parts of the encoder's own speed that are to be reached, likewise.
FLOORS = {
    (False, "webm"): 0.7,
    (False, "mp4"): 0.75,
    (False, "gif"): 0.85,
    (True, "webm"): 0.45,
    (True, "mp4"): 0.45,
    (True, "gif"): 0.45,
}
#: A preview takes at most so many times as long as with astropy and Pillow.
PREVIEW_BAR, PREVIEW_SIDE = 0.9, 1024
MEMORY_BAR = 1.3


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs=2, default=(30, 300), metavar="FRAMES")
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--colour", action="store_true", help="frames of a colour camera")
    parser.add_argument("--peak", nargs="+", metavar="FITS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    logging.disable()  # the naive way's libraries warn about each frame
    with tempfile.TemporaryDirectory() as folder:
        if given.peak:
            ours([Path(path) for path in given.peak], Path(folder) / "film.webm", False)
            print(_own_peak())
        else:
            if given.rounds:
                _compare_speeds(Path(folder), given.frames, given.rounds)
                _compare_with_encoder(Path(folder), given.frames, given.rounds)
                _compare_previews(Path(folder), given.rounds)
            _compare_memory(Path(folder), given.memory, given.side, in_colour=given.colour)


def _compare_speeds(folder: Path, count: int, rounds: int) -> None:
    paths = _plain_series(folder, count, SIDES)
    print(f"{'timelapse':<32}{'naive/s':>10}{'ours/s':>10}{'ratio':>8}{'bar':>8}")
    for normalise in (False, True):
        for format in ("webm", "mp4", "gif"):
            film = folder / f"film.{format}"
            few = paths[:: 9 if normalise else 1]  # detecting cosmic rays is slow
            rates = [
                (_rate(naive, few, film, normalise), _rate(ours, paths, film, normalise))
                for _ in range(rounds)
            ]
            slow, fast = (median(each) for each in zip(*rates, strict=True))
            name = f"{format}{', normalise_background' if normalise else ''}"
            bar = BARS.get((normalise, format), "")
            print(f"{name:<32}{slow:>10.1f}{fast:>10.1f}{fast / slow:>8.1f}{bar:>8}")


def _compare_with_encoder(folder: Path, count: int, rounds: int) -> None:
    paths = _plain_series(folder / "ready", count, SIDES)
    print()
    print(f"{'of the encoder alone':<32}{'alone/s':>10}{'ours/s':>10}{'part':>8}{'bar':>8}")
    for (normalise, format), bar in FLOORS.items():
        film = folder / f"film.{format}"
        with quiet():
            ready = _rendered(paths, normalise)
        rates = [
            (
                _rate(partial(_encode, ready), paths, film, normalise),
                _rate(ours, paths, film, normalise),
            )
            for _ in range(3 * rounds)
        ]
        alone, own = (median(each) for each in zip(*rates, strict=True))
        name = f"{format}{', normalise_background' if normalise else ''}"
        print(f"{name:<32}{alone:>10.1f}{own:>10.1f}{own / alone:>8.2f}{bar:>8}")


def _rendered(paths: list[Path], normalise: bool) -> list[Shades]:
    frames = in_order(find_frame(path) for path in paths)
    view = view_of(frames[0].width, frames[0].height, SIZE)
    work = FrameWork(view, normalise_background=normalise)
    return [picture.shades for picture in film_frames(frames, work)]


def _encode(ready: list[Shades], _: list[Path], film: Path, __: bool) -> None:
    height, width = ready[0].shape[:2]
    with open_film(film, film.suffix[1:], FPS, width, height) as out:
        for shades in ready:
            out.add(shades)


def _compare_previews(folder: Path, rounds: int) -> None:
    path = _plain_series(folder / "previews", 1, (2048, 2048))[0]
    out = folder / "preview.png"
    times = [
        (_seconds(_naive_preview, path, out), _seconds(preview_png, path, out, PREVIEW_SIDE))
        for _ in range(5 * rounds)
    ]
    naive_seconds, own = (median(each) for each in zip(*times, strict=True))
    print()
    print(f"{'previews of 2048 x 2048':<32}{'naive':>10}{'ours':>10}{'times':>8}{'bar':>8}")
    milliseconds = f"{naive_seconds * 1000:>7.0f} ms{own * 1000:>7.0f} ms"
    print(f"{'':<32}{milliseconds}{own / naive_seconds:>8.2f}{PREVIEW_BAR:>8.2f}")


def _naive_preview(path: Path, out: Path) -> None:
    from astropy.visualization import AsinhStretch, ZScaleInterval

    data = fits.getdata(path).astype(np.float32)
    part = AsinhStretch()(ZScaleInterval()(data))
    picture = Pictures.fromarray((part * 255).astype(np.uint8)[::-1])
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    picture.save(out)


def _seconds(make: Callable[..., None], *given: Any) -> float:
    begun = time.perf_counter()
    make(*given)
    return time.perf_counter() - begun


def _compare_memory(
    folder: Path, counts: Sequence[int], side: int, *, in_colour: bool = False
) -> None:
    frame = _plain_series(folder, 1, (side, side))[0]
    if in_colour:
        with fits.open(frame, "update") as hdus:
            hdus[0].header["BAYERPAT"] = "RGGB"
    peaks = [_peak_bytes(frame, folder, count) for count in counts]
    print()
    head = "".join(f"{f'{count} frames':>12}" for count in counts)
    print(f"{f'memory, {side} x {side}' + (', colour' if in_colour else ''):<32}{head}")
    megabytes = "".join(f"{peak / 2**20:>9.0f} MB" for peak in peaks)
    print(f"{'peak':<32}{megabytes}{peaks[1] / peaks[0]:>8.2f} (bar {MEMORY_BAR})")


def ours(paths: list[Path], film: Path, normalise: bool) -> None:
    """Make a film as `runners.timelapse` does."""
    with quiet():
        frames = in_order(find_frame(path) for path in paths)
        view = view_of(frames[0].width, frames[0].height, SIZE)
        in_colour = frames[0].layout.mosaic is not None
        with open_film(
            film, film.suffix[1:], FPS, view.width, view.height, in_colour=in_colour
        ) as out:
            for picture in film_frames(frames, FrameWork(view, normalise_background=normalise)):
                out.add(picture.shades)


def naive(paths: list[Path], film: Path, normalise: bool) -> None:
    """Make a film through temporary files, one frame after the other."""
    import imageio.v2 as imageio

    ordered = sorted(paths, key=lambda path: str(fits.getheader(path)["DATE-OBS"]))
    options: dict[str, Any] = {"duration": 1000 / FPS}
    if (format := film.suffix[1:]) != "gif":
        told = ["-f", format, "-crf", "30", "-lossless", "1"]
        options = {"fps": FPS, "output_params": told, "ffmpeg_log_level": "quiet"}
    if format == "webm":
        options |= {"codec": "vp8"}
    with (
        tempfile.TemporaryDirectory() as folder,
        imageio.get_writer(film, mode="I", **options) as writer,
    ):
        for path in ordered:
            writer.append_data(  # type: ignore[attr-defined]
                imageio.imread(_jpeg(path, Path(folder), normalise))
            )


def _jpeg(path: Path, folder: Path, normalise: bool) -> Path:
    from fits2image.conversions import fits_to_jpg

    temporary, jpeg = folder / "frame.fits", folder / "frame.jpg"
    if normalise:
        data, header = fits.getdata(path, header=True)
        fits.writeto(temporary, _without_sky(data.astype(np.float32)), header, overwrite=True)
    fits_to_jpg(str(temporary if normalise else path), str(jpeg), width=SIZE, height=SIZE)
    return jpeg


def _without_sky(data: Any) -> Any:
    from astroscrappy import detect_cosmics

    _, clean = detect_cosmics(data.clip(0, None), sigclip=3, sigfrac=0.05, objlim=1)
    return data - sigma_clip(clean, sigma=3, maxiters=10).filled(0)


def _rate(
    make: Callable[[list[Path], Path, bool], None], paths: list[Path], film: Path, normalise: bool
) -> float:
    """Return the frames per second."""
    begun = time.perf_counter()
    make(paths, film, normalise)
    return len(paths) / (time.perf_counter() - begun)


def _plain_series(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Write frames neither compressed nor scaled, as most cameras do; return their paths."""
    folder.mkdir(exist_ok=True)
    paths: list[Path] = []
    for path in synthesise_series(folder / "series", count, size):
        frame = find_frame(path)
        header = fits.Header({"DATE-OBS": fits.getheader(path, frame.hdu)["DATE-OBS"]})
        paths.append(folder / f"{len(paths):04}.fits")
        fits.writeto(paths[-1], np.rint(read_frame(frame)).astype(np.int16), header, overwrite=True)
    return paths


def _own_peak() -> int:
    """Return the peak memory of this process in KiB; on Linux, getrusage reports the parent's."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


def _peak_bytes(frame: Path, folder: Path, count: int) -> int:
    """Return the peak memory of a fresh process that makes a film of many links to one frame."""
    links = [folder / f"linked_{count}_{index:04}.fits" for index in range(count)]
    for link in links:
        os.link(frame, link)
    command = [sys.executable, "-m", "benchmarks.timelapse", "--peak", *map(str, links)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(answer.stdout) * 1024


if __name__ == "__main__":
    main()
