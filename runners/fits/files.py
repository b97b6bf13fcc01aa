"""Opening untrusted FITS files, and walking their HDUs without touching the data.

A file that is not FITS, cut short, hostile or huge ends in a `FrameError` that names it. What the
HDUs mean is left to `images`, `metadata` and `headers`.
"""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from astropy.io import fits

from runners.confinement.wording import in_words
from runners.fits.mending import MOST_HDUS, legible_part
from runners.fits.packing import beginning, other_format, unpacked

SIGNATURE = b"SIMPLE  ="  # FITS standard 4.0, section 4.4.1
#: Noise does not compress: a file that unpacks to more than this many times its size shows no sky …
MOST_TIMES_UNPACKED = 200
#: … unless it is small enough not to matter.
HARMLESS_BYTES = 64 * 2**20
#: Errors of the machine, not of the file: it may be legible another time.
MACHINE_ERRORS = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}
)
#: What is said of a file when the error of the library that reads it is not fit for users.
DAMAGED = "it is damaged"


class FrameError(ValueError):
    """A file that cannot be used as a frame; the message is a sentence that names the file.

    `problem` is what follows the name.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.problem = problem


@contextmanager
def quiet() -> Iterator[None]:
    """Silence astropy's warnings about odd headers. Not for threads: warnings are global."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def looks_like_fits(path: Path) -> bool:
    """Return whether a file begins as FITS files do, once unpacked if need be.

    Raise OSError if the machine is why it cannot be read.
    """
    try:
        return beginning(path, len(SIGNATURE)) == SIGNATURE
    except Exception as error:  # gzip, lzma and the others raise errors of every kind
        if is_of_machine(error):
            raise
        return False


def is_of_machine(error: BaseException) -> bool:
    """Return whether an error is the machine's, so that the file may be legible another time."""
    return isinstance(error, OSError) and error.errno in MACHINE_ERRORS


@contextmanager
def open_fits(path: Path, name: str, *, keep: bool = False) -> Iterator[fits.HDUList]:
    """Open a file that may be packed, and yield its HDUs; errors call it `name`.

    The data are as they are stored: neither scaled nor with blanks. With `keep` a packed file that
    is opened again need not be unpacked again. Raise FrameError on entering, and in place of any
    error within the block.
    """
    with reading(name):
        if path.stat().st_size == 0:
            raise FrameError(name, "is empty")
        if not looks_like_fits(path):
            raise FrameError(name, refusal(path, "is not a FITS file"))
        packed_bytes = path.stat().st_size
        checked = partial(check_ratio, name, packed_bytes)
        with unpacked(path, checked, keep=keep) as file, _opened(file) as hdus:
            yield hdus


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise FrameError in place of any error within the block."""
    try:
        yield
    except FrameError:
        raise
    except MemoryError as error:
        raise FrameError(name, "needs more memory than there is") from error
    except Exception as error:  # astropy, cfitsio and zlib raise errors of every kind
        raise FrameError(name, f"cannot be read: {in_words(error, DAMAGED)}") from error


def walk(hdus: fits.HDUList) -> Iterator[tuple[int, Any]]:
    """Yield each HDU with its index, read only when it is needed, up to the first illegible one.

    Raise whatever astropy raises if that is the very first.
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
    """Raise FrameError for a file that unpacks to absurdly more than its own size."""
    most = max(HARMLESS_BYTES, MOST_TIMES_UNPACKED * packed_bytes)
    if unpacked_bytes > most:
        sizes = f"its {packed_bytes:,} bytes unpack to over {most:,}"
        raise FrameError(name, f"is a decompression bomb: {sizes}")


def refusal(path: Path, otherwise: str) -> str:
    """Return why a file of another format is not read, by the format's name if it is known."""
    other = other_format(path)
    if other is None:
        return otherwise
    return f"is {other}, which cannot be read here: save it as FITS"


def _opened(file: IO[bytes]) -> fits.HDUList:
    legible = legible_part(file)
    # Not memory-mapped: a file that shrinks meanwhile would kill the process with SIGBUS.
    return fits.open(legible or file, memmap=False, do_not_scale_image_data=True)
