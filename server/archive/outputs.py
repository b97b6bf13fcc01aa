"""The outputs of a run: described, stored, and kept only if the record of its process names them.

The measurements in files of reduced data are stored in the same way, all or none.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from runners.confinement.confine import is_within
from runners.pipeline.file_copies import NotAFile, copy_file, open_file
from runners.pipeline.measurements import MOST_MEASUREMENTS, Measurement, read_measurements
from runners.pipeline.process import REDUCED_DATUM
from server.archive.files.names import output_name, output_type_word, unique_names
from server.archive.light_curves import chunks_of
from server.archive.rollback import Rollback
from server.archive.storage import AT_ONCE, LocalFile, in_thread
from server.archive.transactions import FileTransactions
from server.core.disk.data_folder import DataFolder
from server.core.errors import InvalidInput
from server.core.records import ProcessRecord
from server.store import Store
from server.store.archive.journal import JournalEntry
from server.store.archive.light_curves import LightCurveChunk


@dataclass(frozen=True)
class OutputFile:
    """A file that a run has made; `output_type` is the type that the pipeline has declared.

    `main` is whether it is the one to show first, `data_product_type` its author's word for what
    kind of file it is. It must be in one of the folders `within`, unless
    that is None.
    """

    path: Path
    name: str
    output_type: str | None = None
    within: Sequence[str] | None = None
    main: bool = False
    data_product_type: str = ""


@dataclass(frozen=True)
class Publication:
    """What the record has to name, and the journal entry to remove after that."""

    products: list[int]
    group: int | None
    series: int | None
    entry: JournalEntry | None
    main: int | Literal["lightcurve"] | None = None


class OutputPublisher:
    """Publishes the outputs of runs."""

    def __init__(
        self,
        transactions: FileTransactions,
        rollback: Rollback,
        store: Store,
        data_folder: DataFolder,
    ) -> None:
        self._transactions = transactions
        self._rollback = rollback
        self._journal = store.journal
        self._counters = store.counters
        self._products = store.products
        self._data_folder = data_folder

    async def publish(self, run: ProcessRecord, files: Sequence[OutputFile]) -> Publication:
        """Store the outputs and their group, invisible until the run's record names them.

        They are copied as they are now, and stay where they are, so that this can be tried again
        after a failure.

        :raises ValueError: there is no such file any more.
        :raises InvalidInput: a file of reduced data is not a table of measurements.
        :raises NoRoom: the disk is full.
        """
        if not files:
            return Publication([], None, None, None)
        self._data_folder.reserve.check()
        folder = self._data_folder.incoming / secrets.token_hex(8)
        try:
            copies: list[LocalFile] = []
            for start in range(0, len(files), AT_ONCE):
                part = files[start : start + AT_ONCE]
                copies += await in_thread(_copied_all, part, folder / str(start))
            described, tables = _described(run, files, copies)
            chunks = await self._chunks(tables, run)
            deposit = await self._transactions.add(described, run.target, run, chunks)
        finally:
            await in_thread(shutil.rmtree, folder, True)
        entry = deposit.entry
        main = _main_of(files, entry.products)
        return Publication(entry.products, entry.group, entry.series, entry, main)

    async def confirm(self, publication: Publication) -> None:
        """Keep what the run's record names by now. May be repeated."""
        if publication.entry is not None:
            await self._journal.delete(publication.entry)

    async def discard(self, process: int, attempt: int) -> None:
        """Delete what an attempt has stored, unless the record names it. May be repeated."""
        for entry in await self._journal.of_process(process):
            if entry.attempt == attempt:
                await self._rollback.resolve(entry)

    async def withdraw(self, process: int, attempt: int) -> None:
        """Delete as `discard` does, but what storage does not let go now later."""
        for entry in await self._journal.of_process(process):
            if entry.attempt == attempt:
                await self._rollback.resolve_now_or_later(entry)

    async def _chunks(self, tables: list[Path], run: ProcessRecord) -> list[LightCurveChunk]:
        """Return the measurements of a run's reduced data. Raise InvalidInput for other tables."""
        measurements: list[Measurement] = []
        for table in tables:
            try:  # the run has checked the table, but it may have been changed since
                measurements += await in_thread(read_measurements, table)
            except ValueError as error:
                raise InvalidInput.of("outputs", str(error)) from error
            if len(measurements) > MOST_MEASUREMENTS:
                raise InvalidInput.of("outputs", f"over {MOST_MEASUREMENTS:,} measurements")
        if not measurements:
            return []
        first = await self._counters.next("measurement", len(measurements))
        frames = await self._frames(run) if any(each.frame for each in measurements) else {}
        return await in_thread(chunks_of, measurements, first, run, frames)

    async def _frames(self, run: ProcessRecord) -> dict[str, int]:
        """Return the PKs of a run's input files by name, without the names that several have."""
        inputs = await self._products.get_many(run.products)
        times = Counter(product.name for product in inputs)
        return {product.name: product.pk for product in inputs if times[product.name] == 1}


def _copied_all(files: Sequence[OutputFile], folder: Path) -> list[LocalFile]:
    return [_copied(file, folder / str(number)) for number, file in enumerate(files)]


def _copied(file: OutputFile, folder: Path) -> LocalFile:
    """Copy an output, as anybody may hold it open or have a link to it; raise ValueError."""
    folder.mkdir(parents=True, mode=0o700)
    copy = folder / file.path.name
    try:
        source = open_file(file.path, follow=True)
        try:
            _check_place(file, source)
            size, sha256 = copy_file(source, copy)
        finally:
            os.close(source)
    except (FileNotFoundError, NotADirectoryError, NotAFile) as error:
        raise ValueError(f"{file.name} is not a file any more") from error
    except PermissionError as error:
        raise ValueError(f"{file.name} may not be read") from error
    kind = output_type_word(file.data_product_type)
    return LocalFile(copy, file.name, size, sha256 or "", kind)


def _check_place(file: OutputFile, source: int) -> None:
    """Raise ValueError unless an open file is where the run may write: the server may read more."""
    if file.within is None:
        return
    # Of what is open: the path may lead elsewhere by now.
    place = str(Path(f"/proc/self/fd/{source}").readlink())
    if not any(is_within(place, folder) for folder in file.within):
        raise ValueError(f"{file.name} is not in a folder that the run may write to")


def _main_of(
    files: Sequence[OutputFile], products: Sequence[int]
) -> int | Literal["lightcurve"] | None:
    """Return the PK of the main output, or that it is the light curve; None without one."""
    kept = [file for file in files if file.output_type != REDUCED_DATUM]
    found = (pk for file, pk in zip(kept, products, strict=True) if file.main)
    curve = any(file.main and file.output_type == REDUCED_DATUM for file in files)
    return next(found, "lightcurve" if curve else None)


def _described(
    run: ProcessRecord, files: Sequence[OutputFile], copies: Sequence[LocalFile]
) -> tuple[list[LocalFile], list[Path]]:
    """Return the data products to be, each with a name of its own, and the tables."""
    pairs = list(zip(files, copies, strict=True))
    tables = [copy.path for file, copy in pairs if file.output_type == REDUCED_DATUM and copy.path]
    kept = [copy for file, copy in pairs if file.output_type != REDUCED_DATUM]
    if run.process_type == "timelapse" and len(kept) == 1:
        return [replace(kept[0], name=run.identifier)], tables
    names = unique_names([output_name(run.identifier, copy.name) for copy in kept])
    return [replace(copy, name=name) for copy, name in zip(kept, names, strict=True)], tables
