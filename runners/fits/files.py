"""Opening FITS files that nobody vouches for, and walking their HDUs without touching data.

What is no FITS, cut short, hostile or huge ends in a `FrameError` that names the file. What the
HDUs mean is left to `frames` and `facts`.
"""

from __future__ import annotations

import gzip
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from astropy.io import fits

SIGNATURE = b"SIMPLE  ="  # FITS standard 4.0, section 4.4.1
GZIP_SIGNATURE = b"\x1f\x8b"
#: A file with more is not walked to its end.
MOST_HDUS = 1000
#: Noise does not compress: what unpacks to more than this many times its size shows no sky …
MOST_TIMES_UNPACKED = 200
#: … unless it is small enough not to matter.
HARMLESS_BYTES = 64 * 2**20


class FrameError(ValueError):
    """A file cannot be used as a frame; the message is a sentence that names the file."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep astropy's remarks on odd headers to itself. Not for threads: warnings are global."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def looks_like_fits(path: Path) -> bool:
    """Whether the first bytes, unpacked if need be, are those of a FITS file."""
    try:
        with path.open("rb") as file:
            start = file.read(len(SIGNATURE))
        if start.startswith(GZIP_SIGNATURE):
            with gzip.open(path) as unpacked:
                start = unpacked.read(len(SIGNATURE))
    except (OSError, EOFError, ValueError):
        return False
    return start == SIGNATURE


@contextmanager
def open_fits(path: Path, name: str) -> Iterator[fits.HDUList]:
    """The HDUs of a file that may be packed by gzip; `name` is what people call it.

    Raises FrameError on entering, and for any error that reading within the block raises.
    """
    if path.stat().st_size == 0:
        raise FrameError(name, "is empty")
    if not looks_like_fits(path):
        raise FrameError(name, "is not a FITS file")
    # Not memory-mapped: a file that shrinks meanwhile would kill the process with SIGBUS.
    with (
        reading(name),
        _unpacked(path, name) as file,
        fits.open(file, memmap=False) as hdus,
    ):
        yield hdus


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Make any error within the block a FrameError."""
    try:
        yield
    except FrameError:
        raise
    except MemoryError as error:
        raise FrameError(name, "needs more memory than there is") from error
    except Exception as error:  # astropy, cfitsio and zlib raise whatever comes to mind
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise FrameError(name, f"cannot be read: {said:.200}") from error


def walk(hdus: fits.HDUList) -> Iterator[tuple[int, Any]]:
    """Each HDU with its index, read no sooner than asked for; ends where the file gets illegible.

    Raises whatever astropy does if not even the first can be read.
    """
    for index in range(MOST_HDUS):
        try:
            hdu = hdus[index]
        except IndexError:
            return
        except Exception:
            if index == 0:
                raise
            return
        yield index, hdu


def check_ratio(name: str, packed_bytes: int, unpacked_bytes: int) -> None:
    """Raise FrameError for what unpacks to absurdly more than it is."""
    most = max(HARMLESS_BYTES, MOST_TIMES_UNPACKED * packed_bytes)
    if unpacked_bytes > most:
        raise FrameError(name, f"is a bomb: its {packed_bytes:,} bytes unpack to over {most:,}")


@contextmanager
def _unpacked(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The file's bytes; one packed by gzip is unpacked to disk first, as far as is harmless."""
    with path.open("rb") as file:
        if file.read(2) != GZIP_SIGNATURE:
            file.seek(0)
            yield file
            return
    size, unpacked_bytes = path.stat().st_size, 0
    with gzip.open(path) as packed, tempfile.NamedTemporaryFile() as plain:
        while piece := packed.read(2**20):
            unpacked_bytes += len(piece)
            check_ratio(name, size, unpacked_bytes)
            plain.write(piece)
        plain.flush()
        # Opened anew, as astropy takes no file for reading that can be written to.
        with Path(plain.name).open("rb") as file:
            yield file
