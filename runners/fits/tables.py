"""Tables of files, whether FITS or text, as CSV and as JSON: what pages show of them.

What the columns of a table mean is left to `runners.tables`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from runners.fits import FITS_SUFFIXES
from runners.fits.files import FrameError, looks_like_fits, open_fits, quiet, walk
from runners.fits.packing import other_format, unpacker
from runners.tables.columns import roles_of
from runners.tables.formats import parse
from runners.tables.summary import MOST_CURVE_ROWS, SHOWN_ROWS, summary
from runners.tables.table import Row, Table
from runners.tables.text import TableError, read_text

#: The largest table that is read, and how much of it is written as CSV.
MOST_TABLE_BYTES = 256 * 2**20
MOST_ROWS = 50_000
MOST_COLUMNS = 200
MOST_CSV_BYTES = 4_000_000
LONGEST_CELL = 200
SAMPLE_ROWS = 60
#: How much of a text is read: wide tables have some 100 bytes for each of their rows.
MOST_TEXT_BYTES = 16 * 2**20
#: Tables of which the first is taken, before any other.
LIGHT_CURVES = ("LIGHTCURVE", "LC", "PHOTOMETRY", "RATE")


def table_csv(path: str | Path, out_path: str | Path, hdu: int | None = None) -> None:
    """Write the first rows of a file's table as CSV, with the names of the columns above them.

    Without the number of an HDU, a light curve is preferred. Blank values are empty; cells with
    several values say how many. Raise ValueError, with a sentence that names the file, if there is
    no table.
    """
    with opened_table(Path(path), MOST_ROWS, hdu) as table:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow([_shown(name) for name in table.columns[:MOST_COLUMNS]])
        for row in islice(table.rows, MOST_ROWS):
            rows.writerow([_shown(cell) for cell in row.cells[:MOST_COLUMNS]])
            if text.tell() > MOST_CSV_BYTES:
                break
    _write(text.getvalue(), Path(out_path))


def table_json(
    path: str | Path, out_path: str | Path, most_points: int, strict: bool = False
) -> None:
    """Write a file's table as `runners.tables.summary` has it.

    Raise ValueError, with a sentence that names the file, if there is no table, and for `strict`
    if there is no light curve in it, or a cell of it that is not valid.
    """
    with opened_table(Path(path), SHOWN_ROWS) as table:
        text = summary(table, most_points, strict=strict)
    _write(text, Path(out_path))


@contextmanager
def opened_table(path: Path, whole_rows: int, hdu: int | None = None) -> Iterator[Table]:
    """Open the table of a file. Raise ValueError, with a sentence that names the file.

    Of a FITS file, only the first rows are `whole`; the others have what the light curve needs.
    """
    if _is_text(path):
        text, cut = read_text(path, MOST_TEXT_BYTES)
        yield parse(text, path.name, cut=cut)
        return
    problem = None
    with quiet(), open_fits(path, path.name) as hdus:
        try:
            yield _fits_table(_chosen(hdus, path.name, hdu), path.name, whole_rows)
        except TableError as error:  # which is about the table, not about the file
            problem = error
    if problem is not None:
        raise problem


def _is_text(path: Path) -> bool:
    if path.name.lower().endswith(FITS_SUFFIXES) or other_format(path) is not None:
        return False
    return unpacker(path) is None and not looks_like_fits(path)


def _write(text: str, out_path: Path) -> None:
    # Renamed at the end, so that a kill never leaves half a file.
    partial = Path(f"{out_path}.part")
    partial.write_text(text, "utf-8", errors="replace")
    partial.replace(out_path)


def _chosen(hdus: fits.HDUList, name: str, wanted: int | None) -> Any:
    found = {
        index: hdu for index, hdu in walk(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
    }
    if wanted is not None:
        if wanted not in found:
            raise FrameError(name, f"holds no table in HDU {wanted}")
        return found[wanted]
    tables = list(found.values())
    if not tables:
        raise FrameError(name, "holds no table")
    named = (hdu for hdu in tables if str(hdu.name).upper() in LIGHT_CURVES)
    return next(named, tables[0])


def _fits_table(hdu: Any, name: str, whole_rows: int) -> Table:
    _check_extent(hdu, name)
    columns = [column.name or "" for column in hdu.columns][:MOST_COLUMNS]
    units = {at: str(column.unit) for at, column in enumerate(hdu.columns) if column.unit}
    # TESS and Kepler: the zero point of their times, in days.
    if zero := hdu.header.get("BJDREFI"):
        units |= {at: f"BJD - {zero}" for at, title in enumerate(columns) if title == "TIME"}
    whole = Table(
        name=name,
        columns=columns,
        sample=[row.cells for row in _fits_rows(hdu, None, 0, SAMPLE_ROWS)],
        rows=_fits_rows(hdu, None, 0, whole_rows),
        units=units,
        most_rows=int(hdu.header["NAXIS2"]),
    )
    # Of the many columns of a survey, a light curve is in five.
    places = None if (roles := roles_of(whole)) is None else roles.places
    rest = _fits_rows(hdu, places or set(), whole_rows, MOST_CURVE_ROWS + 1)
    return replace(whole, rows=chain(whole.rows, rest))


def _fits_rows(hdu: Any, places: set[int] | None, start: int, stop: int) -> Iterator[Row]:
    """Yield rows from `start` to before `stop`; cells of columns not at the places are None."""
    stop = min(stop, int(hdu.header["NAXIS2"]))
    if start >= stop or not len(hdu.columns):
        return
    data = hdu.data[start:stop]
    shown = [
        _cells(data.field(at), hdu.columns[at].null)
        if places is None or at in places
        else repeat(None, stop - start)
        for at in range(min(len(hdu.columns), MOST_COLUMNS))
    ]
    for number, cells in enumerate(zip(*shown, strict=True), start + 1):
        yield Row(cells, number)


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
    return _shown(text.strip())


def _shown(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST_CELL])
