"""Opening untrusted FITS files, and walking their HDUs without touching the data.

A file that is not FITS, cut short, hostile or huge ends in a `FrameError` that names it. What the
HDUs mean is left to `images`, `metadata` and `headers`.
"""

from __future__ import annotations

import errno
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from astropy.io import fits

from runners.fits.cards import BLOCK_BYTES, Cards, read_header
from runners.fits.packing import beginning, other_format, unpacked
from runners.wording import in_words

SIGNATURE = b"SIMPLE  ="  # FITS standard 4.0, section 4.4.1
#: Further HDUs of a file are ignored.
MOST_HDUS = 1000
#: Noise does not compress: a file that unpacks to more than this many times its size shows no sky …
MOST_TIMES_UNPACKED = 200
#: … unless it is small enough not to matter.
HARMLESS_BYTES = 64 * 2**20
#: Errors of the machine, not of the file: it may be legible another time.
MACHINE_ERRORS = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}
)


#: What is said of a file that a library cannot read and finds no words for.
DAMAGED = "it is damaged"


class FrameError(ValueError):
    """A file that cannot be used as a frame; the message is a sentence that names the file."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")


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
def open_fits(path: Path, name: str) -> Iterator[fits.HDUList]:
    """Open a file that may be packed, and yield its HDUs; errors call it `name`.

    The data are as they are stored: neither scaled nor with blanks. Raise FrameError on entering,
    and in place of any error within the block.
    """
    if path.stat().st_size == 0:
        raise FrameError(name, "is empty")
    with reading(name):
        if not looks_like_fits(path):
            raise FrameError(name, refusal(path, "is not a FITS file"))
        packed_bytes = path.stat().st_size
        checked = partial(check_ratio, name, packed_bytes)
        with unpacked(path, checked) as file, _opened(file) as hdus:
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
        raise FrameError(name, f"is a bomb: its {packed_bytes:,} bytes unpack to over {most:,}")


def refusal(path: Path, otherwise: str) -> str:
    """Return why a file of another format is not read, by the format's name if it is known."""
    other = other_format(path)
    if other is None:
        return otherwise
    return f"is {other}, which cannot be read here: save it as FITS"


def _opened(file: IO[bytes]) -> fits.HDUList:
    # Not memory-mapped: a file that shrinks meanwhile would kill the process with SIGBUS.
    try:
        return fits.open(file, memmap=False, do_not_scale_image_data=True)
    except Exception:
        # Astropy looks for extensions at once, and fails where other bytes follow the last one.
        whole = file.seek(0, io.SEEK_END)
        end = _end_of_hdus(file, whole)
        file.seek(0)
        if not 0 < end < whole:
            raise
        return fits.open(_Beginning(file, end), memmap=False, do_not_scale_image_data=True)


class _Beginning(io.RawIOBase):
    """The first bytes of a file, as a file."""

    def __init__(self, file: IO[bytes], end: int) -> None:
        self._file, self._end = file, end

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            return self._file.seek(self._end + offset)
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        room = max(0, self._end - self._file.tell())
        return self._file.read(room if size is None or size < 0 else min(size, room))


def _end_of_hdus(file: IO[bytes], whole: int) -> int:
    """Return where the last complete HDU of a file ends, in bytes."""
    end = 0
    for index in range(MOST_HDUS):
        file.seek(end)
        header = read_header(file)
        if header is None or not header.startswith((b"XTENSION", SIGNATURE)[index == 0]):
            return end
        length = _data_bytes(Cards(header))
        if length is None or end + len(header) + length > whole:
            return end
        end = min(whole, end + len(header) + -(-length // BLOCK_BYTES) * BLOCK_BYTES)
    return end


def _data_bytes(cards: Cards) -> int | None:
    """Return the length of an HDU's data (FITS standard 4.0, equation 2), None if unknown."""
    numbers = {"BITPIX": 8, "NAXIS": 0, "PCOUNT": 0, "GCOUNT": 1}
    bits, count, parameters, groups = (cards.get(key, least) for key, least in numbers.items())
    if not all(type(value) is int for value in (bits, count, parameters, groups)):
        return None
    sides = [cards.get(f"NAXIS{axis}") for axis in range(1, min(int(str(count)), 999) + 1)]
    if not all(type(side) is int and side >= 0 for side in sides):
        return None
    pixels = 1 if sides else 0
    for side in sides:
        pixels *= int(str(side))
    return abs(int(str(bits))) // 8 * int(str(groups)) * (int(str(parameters)) + pixels)
