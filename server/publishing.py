"""The outputs of a run: described, brought into storage, and kept only if its record names them."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.data_folder import DataFolder
from server.deposits import Deposits
from server.file_names import output_name
from server.files import LocalFile, in_thread
from server.records import ProcessRecord
from server.store.journal import Journal

PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class OutputFile:
    """A file that a run has made; `output_type` is what the pipeline says it is."""

    path: Path
    name: str
    output_type: str | None = None


@dataclass(frozen=True)
class Publication:
    """The PKs that the record has to name, and the journal's entry to settle after that."""

    products: list[int]
    group: int | None
    journal: int | None


class Publishing:
    """Publishes the outputs of runs."""

    def __init__(self, deposits: Deposits, journal: Journal, data_folder: DataFolder) -> None:
        self._deposits = deposits
        self._journal = journal
        self._data_folder = data_folder

    async def publish(self, run: ProcessRecord, files: Sequence[OutputFile]) -> Publication:
        """Store the outputs and their group, seen by nobody until the run's record names them.

        Leaves the files where they are, so that it may be tried again after a failure.
        """
        if not files:
            return Publication([], None, None)
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
            deposit = await self._deposits.bring_in(described, run.target, run)
        finally:
            await in_thread(shutil.rmtree, folder, True)
        return Publication(deposit.entry.products, deposit.entry.group, deposit.entry.pk)

    async def settle(self, publication: Publication) -> None:
        """The run's record names it: nothing is to be taken back any more. May be repeated."""
        if publication.journal is not None:
            await self._journal.delete(publication.journal)

    async def discard(self, process: int, attempt: int) -> None:
        """Take back what an attempt stored, unless the record names it. May be repeated."""
        for entry in await self._journal.of_process(process):
            if entry.attempt == attempt:
                await self._deposits.settle(entry)

    def _describe(self, path: Path, name: str, copy: Path) -> LocalFile:
        source = path.resolve(strict=True)
        if not source.is_relative_to(self._data_folder.path.resolve()):
            # Not ours to link to: it may be changed later, and must not be made read-only.
            copy.parent.mkdir(exist_ok=True, mode=0o700)
            shutil.copyfile(source, copy)
            source = copy
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
        return LocalFile(source, name, size, digest.hexdigest())
