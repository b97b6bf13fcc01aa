"""The outputs of a run: described, stored, and kept only if the record of its process names them.

The measurements in files of reduced data are stored in the same way, all or none.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.pipeline.measurements import MOST_MEASUREMENTS, Measurement, read_measurements
from runners.pipeline.process import REDUCED_DATUM
from server.archive.file_names import output_name
from server.archive.light_curves import chunks_of
from server.archive.rollback import Rollback
from server.archive.storage import LocalFile, in_thread
from server.archive.transactions import FileTransactions
from server.core.data_folder import DataFolder
from server.core.errors import InvalidInput
from server.core.records import ProcessRecord
from server.store import Store
from server.store.archive.light_curves import LightCurveChunk

PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class OutputFile:
    """A file that a run has made; `output_type` is the type that the pipeline has declared."""

    path: Path
    name: str
    output_type: str | None = None


@dataclass(frozen=True)
class Publication:
    """What the record has to name, and the PK of the journal entry to remove after that."""

    products: list[int]
    group: int | None
    series: int | None
    journal: int | None


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
        self._data_folder = data_folder

    async def publish(self, run: ProcessRecord, files: Sequence[OutputFile]) -> Publication:
        """Store the outputs and their group, invisible until the run's record names them.

        The files stay where they are, so that this can be tried again after a failure.

        :raises InvalidInput: a file of reduced data is not a table of measurements.
        :raises NoRoom: the disk is full.
        """
        if not files:
            return Publication([], None, None, None)
        self._data_folder.reserve.check()
        tables = [file.path for file in files if file.output_type == REDUCED_DATUM]
        files = [file for file in files if file.output_type != REDUCED_DATUM]
        chunks = await self._chunks(tables, run)
        folder = self._data_folder.incoming / secrets.token_hex(8)
        alone = run.process_type == "timelapse" and len(files) == 1
        try:
            described = [
                await in_thread(
                    self._describe,
                    file.path,
                    run.identifier if alone else output_name(run.identifier, file.name),
                    folder / str(number),
                )
                for number, file in enumerate(files)
            ]
            deposit = await self._transactions.add(described, run.target, run, chunks)
        finally:
            await in_thread(shutil.rmtree, folder, True)
        entry = deposit.entry
        return Publication(entry.products, entry.group, entry.series, entry.pk)

    async def confirm(self, publication: Publication) -> None:
        """Keep what the run's record names by now. May be repeated."""
        if publication.journal is not None:
            await self._journal.delete(publication.journal)

    async def discard(self, process: int, attempt: int) -> None:
        """Delete what an attempt has stored, unless the record names it. May be repeated."""
        for entry in await self._journal.of_process(process):
            if entry.attempt == attempt:
                await self._rollback.resolve(entry)

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
        return await in_thread(chunks_of, measurements, first, run)

    def _describe(self, path: Path, name: str, copy: Path) -> LocalFile:
        source = path.resolve(strict=True)
        if not source.is_relative_to(self._data_folder.path.resolve()):
            # Not linked, as others may change it later and it must not become read-only.
            copy.parent.mkdir(exist_ok=True, mode=0o700)
            shutil.copyfile(source, copy)
            source = copy
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
        return LocalFile(source, name, size, digest.hexdigest())
