"""The beginning of a table in a FITS file as CSV, for display: a light curve, or a catalogue."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from runners.fits.files import FrameError, open_fits, quiet, walk

#: The largest table that is read, and how much of it is written.
MOST_TABLE_BYTES = 256 * 2**20
MOST_ROWS = 50_000
MOST_COLUMNS = 200
MOST_CSV_BYTES = 4_000_000
LONGEST_CELL = 200
#: Tables of which the first is taken, before any other.
LIGHT_CURVES = ("LIGHTCURVE", "LC", "PHOTOMETRY", "RATE")


def table_csv(path: str | Path, out_path: str | Path) -> None:
    """Write the first rows of a file's table as CSV, with the names of the columns above them.

    A light curve is preferred. Blank values are empty; cells with several values say how
    many. Raise ValueError, with a sentence that names the file, if there is no table.
    """
    path = Path(path)
    with quiet(), open_fits(path, path.name) as hdus:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        for row in _rows(_table(hdus, path.name), path.name):
            rows.writerow(row)
            if text.tell() > MOST_CSV_BYTES:
                break
    # Renamed at the end, so that a kill never leaves half a file.
    partial = Path(f"{out_path}.part")
    partial.write_text(text.getvalue(), "utf-8")
    partial.replace(out_path)


def _table(hdus: fits.HDUList, name: str) -> Any:
    tables = [hdu for _, hdu in walk(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    if not tables:
        raise FrameError(name, "holds no table")
    named = (hdu for hdu in tables if str(hdu.name).upper() in LIGHT_CURVES)
    return next(named, tables[0])


def _rows(hdu: Any, name: str) -> Iterator[list[str]]:
    _check_extent(hdu, name)
    columns = [column.name or "" for column in hdu.columns][:MOST_COLUMNS]
    yield columns
    if not columns or not hdu.header["NAXIS2"]:
        return
    data = hdu.data[:MOST_ROWS]
    shown = [_cells(data.field(at), hdu.columns[at].null) for at in range(len(columns))]
    yield from map(list, zip(*shown, strict=True))


def _check_extent(hdu: Any, name: str) -> None:
    """Raise FrameError for more data than is read, or than the file holds."""
    place = hdu.fileinfo()
    length = int(hdu.header["NAXIS1"]) * int(hdu.header["NAXIS2"])
    if max(length, place["datSpan"]) > MOST_TABLE_BYTES:
        raise FrameError(name, f"holds a table of {length:,} bytes, too large to be shown")
    if place["datLoc"] + length > place["file"].size:
        raise FrameError(name, "is cut short, within its table")


def _cells(values: Any, null: object) -> Iterator[str]:
    blank = null if isinstance(null, int) and not isinstance(null, bool) else None
    for value in values:
        yield "" if blank is not None and np.ndim(value) == 0 and value == blank else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return _text(value.flat[0]) if value.size == 1 else f"[{value.size} values]"
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        # In float32 0.1 is 0.10000000149; its shortest text is 0.1.
        return "" if math.isnan(plain) else str(value)
    text = plain.decode("utf-8", "replace") if isinstance(plain, bytes) else str(plain)
    return "".join(c if c.isprintable() else " " for c in text.strip())[:LONGEST_CELL]
