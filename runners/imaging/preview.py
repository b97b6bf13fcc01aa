"""Previews of data products: FITS images stretched; PNG, JPEG and films scaled down.

Reading FITS is left to `runners.fits`, stretching to `stretches`, limits on time and memory to
`runners.examiner`. The files are untrusted, so their size is checked before any pixel is read.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image as Pictures
from PIL import ImageOps, UnidentifiedImageError

from runners.confinement.wording import in_words
from runners.fits.files import DAMAGED, FrameError, looks_like_fits, quiet, refusal
from runners.fits.images import find_frame, read_science
from runners.imaging.scaling import view_of
from runners.imaging.showing import scene_of
from runners.imaging.stretches import STRETCHES, shades

#: 10,000 x 10,000: 400 MB once unpacked.
MOST_PIXELS = 100_000_000
#: The first bytes of WebM.
MATROSKA = b"\x1a\x45\xdf\xa3"


def preview_png(
    path: str | Path, out_path: str | Path, size: int, stretch: str = STRETCHES[0]
) -> None:
    """Write a PNG whose longest side is at most `size` pixels; nothing is enlarged.

    The file is FITS (also tile-compressed, or packed as a whole), PNG, JPEG or a film (WebM, MP4)
    whose first frame is shown, recognised by its content; `stretch`, one of STRETCHES, is for FITS
    only. Raise ValueError, with a sentence that names the file, for anything else and for what is
    broken, hostile or too large.
    """
    path = Path(path)
    with quiet():
        picture = _drawn(path, size, stretch)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    # Renamed at the end, so that a kill never leaves half a file.
    partial = Path(f"{out_path}.part")
    partial.write_bytes(buffer.getvalue())
    partial.replace(out_path)


def _drawn(path: Path, size: int, stretch: str) -> Pictures.Image:
    if looks_like_fits(path):
        return _sky(path, size, stretch)
    return _first_frame(path, size) if _looks_like_film(path) else _picture(path, size)


def _looks_like_film(path: Path) -> bool:
    with path.open("rb") as file:
        beginning = file.read(8)
    return beginning.startswith(MATROSKA) or beginning[4:] == b"ftyp"


def _first_frame(path: Path, size: int) -> Pictures.Image:
    """Return the first frame of a film, which is decoded alone."""
    import av  # only where there is a film: it takes memory

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            _check_pixels(path, stream.width, stream.height)
            shades = next(container.decode(stream)).to_ndarray(format="rgb24")
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise FrameError(path.name, "is a film of which no frame can be read") from error
    picture = Pictures.fromarray(shades)
    picture.thumbnail((size, size))
    return picture


def _check_pixels(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        sides = f"{width} x {height}"
        raise FrameError(path.name, f"is {sides} pixels, too many for a preview")


def _sky(path: Path, size: int, stretch: str) -> Pictures.Image:
    frame = find_frame(path)
    view = view_of(frame.width, frame.height, size, even=False)
    drawn = shades(scene_of(read_science(frame, as_stored=True), view), stretch)
    return Pictures.fromarray(np.ascontiguousarray(drawn[::-1]))


def _picture(path: Path, size: int) -> Pictures.Image:
    try:
        with Pictures.open(path, formats=["PNG", "JPEG"]) as picture:
            _check_pixels(path, picture.width, picture.height)
            picture.thumbnail((size, size))
            return _plain(ImageOps.exif_transpose(picture))
    except FrameError:
        raise
    except UnidentifiedImageError as error:
        problem = refusal(path, "is not a FITS, PNG or JPEG image")
        raise FrameError(path.name, problem) from error
    except MemoryError as error:
        raise FrameError(path.name, "needs more memory than there is") from error
    except Exception as error:  # a broken file raises OSError, SyntaxError, struct.error …
        raise FrameError(path.name, f"cannot be read: {in_words(error, DAMAGED)}") from error


def _plain(picture: Pictures.Image) -> Pictures.Image:
    """Convert an image to a mode that every browser shows."""
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits and more
        deep = np.asarray(picture, dtype=np.float32)
        low, high = float(deep.min()), float(deep.max())
        return Pictures.fromarray(((deep - low) / max(high - low, 1.0) * 255).astype(np.uint8))
    if picture.mode in ("L", "RGB", "RGBA"):
        return picture
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
