"""Copies the files that the records name to another storage, and reads each of them back.

A file that is there already, and is the right one, is left alone; so a copy can be made again, and
go on after a kill. No file is ever deleted but a wrong one that the source has right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from server.archive.storage.file_storage import TOGETHER
from server.config import Config
from server.core.errors import DamagedFile, NotDone, NotFound
from server.operations.keeping import layout
from server.operations.keeping.expected import (
    PRODUCTS,
    SEGMENTS,
    Expected,
    expected_files,
    under_way,
)
from server.operations.keeping.layout import Missing, Progress
from server.operations.keeping.stored_files import StoredFiles
from server.operations.moving.source import Source
from server.operations.storage_root import StorageRoot

#: How many files may wait for a thread.
_AHEAD = 2


@dataclass(frozen=True)
class _Brought:
    """What became of a file: copied or not, and why it is lost, None if it is not."""

    file: Expected
    copied: bool = False
    lost: str | None = None


@dataclass
class Files:
    """The storage `target` at `place` that is filled, and those that may have the files.

    `identity` is that of the installation.
    `stay` is whether the files are there already, so that nothing is written.
    """

    place: str
    target: StoredFiles
    root: StorageRoot
    sources: list[StoredFiles]
    identity: str
    stay: bool
    #: whether the storage says already whose files it has: an earlier migration may have said so
    identified: bool
    count: int = 0
    size: int = 0
    copied: int = 0
    lost: list[Missing] = field(default_factory=list)
    _again: bool = False

    async def prepare(self) -> None:
        """Have the storage say whose files it has."""
        self._again = self.identified
        if not (self.stay or self.identified):
            await self.root.write_id(self.identity)
            self.identified = True

    def run(self, source: Source, progress: Progress) -> None:
        """Copy all files and compare them.

        :raises NotDone: the target cannot be written to, or does not keep what it is given.
        """
        total = source.count(PRODUCTS) + source.count(SEGMENTS)
        way = under_way(source.database)
        for number, brought in enumerate(self._brought(source), 1):
            progress("Copying files", number, max(number, total))
            file = brought.file
            if brought.lost is None:
                self.count += 1
                self.size += file.size
                self.copied += brought.copied
            elif not way.explains(file, source.database):
                self.lost.append(
                    Missing(
                        file=file.key,
                        product=file.product,
                        process=file.process,
                        reason=brought.lost,
                    )
                )

    def _brought(self, source: Source) -> Iterator[_Brought]:
        """Bring all files, some of a remote storage at the same time, in their order."""
        together = 1 if self.target.folder is not None else TOGETHER
        waiting: deque[Future[_Brought]] = deque()
        with ThreadPoolExecutor(together, "files") as threads:
            try:
                for file in expected_files(source.database):
                    waiting.append(threads.submit(self._bring, file))
                    if len(waiting) >= together * _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _bring(self, file: Expected) -> _Brought:
        wrong = False
        try:
            self.target.compare(file.key, file)
            return _Brought(file)
        except NotFound:
            reason = "it is not there"
        except DamagedFile as error:
            wrong, reason = True, error.reason
        for source in self.sources:
            try:
                if wrong:
                    source.compare(file.key, file)
                    self.target.remove(file.key)
                    wrong = False
                elif self._again:
                    self.target.forget_partial(file.key)
                self.target.take(source, file.key, file)
            except (NotFound, DamagedFile) as error:
                reason = error.reason if isinstance(error, DamagedFile) else "it is not there"
                continue
            self._check(file)
            return _Brought(file, copied=True)
        return _Brought(file, lost=reason)

    def _check(self, file: Expected) -> None:
        try:
            self.target.compare(file.key, file)
        except (NotFound, DamagedFile) as error:
            raise NotDone(
                f"The storage of the files does not keep what it is given: the {file} came back "
                "otherwise; see files.url"
            ) from error


async def files_of(config: Config, url: str | None, source: Source) -> Files:
    """Return the files of an installation on their way to a URL, by default `files.url`.

    Nothing is written.

    :raises NotDone: the target holds something else, or the source has lost its files.
    :raises StartError: a storage cannot be used.
    :raises StorageAway: one does not answer.
    """
    seconds = config.files.timeout_seconds
    own = config.data / "files"
    place = url or config.files.url or str(own)
    identity = source.facts.id
    target, root = StoredFiles(place, seconds), StorageRoot(place, seconds)
    stay = _is_same(target, own)
    written = await root.read_id()
    others: list[str | Path] = [own]
    if config.files.url is not None and config.files.url != place:
        others.append(config.files.url)
    ours = [each for each in others if await StorageRoot(each, seconds).read_id() == identity]
    if not ours and not source.facts.in_storage:
        ours = [own]
    if not ours and written != identity:
        raise NotDone(
            f"The files of this data folder are not in {own}, nor in files.url: mount or restore "
            "them, or correct files.url or --data"
        )
    sources = [StoredFiles(each, seconds) for each in ours if not (stay and each == own)]
    if not stay:
        _check_apart(target, own, config.data)
        await _check_admitted(root, written, source)
    return Files(
        place, target, root, sources, identity, stay or not ours, identified=written == identity
    )


async def _check_admitted(root: StorageRoot, written: str | None, source: Source) -> None:
    """Refuse a storage that holds what is not of this installation, or what is newer."""
    if written is None:
        if not await root.is_empty():
            raise NotDone(
                "The storage of the files is not empty, and nothing says that it belongs to this "
                "installation: name an empty one (--files)"
            )
        return
    if written != source.facts.id:
        raise NotDone(
            "The storage of the files belongs to another installation: name an empty one (--files)"
        )
    newer = await root.highest_pk() > source.counted("dataproduct")
    if newer or await root.highest_log() > source.counted("processes"):
        raise NotDone(
            "The storage of the files has newer files than this data folder knows, so servers have "
            "used it: name an empty one (--files)"
        )


def _check_apart(target: StoredFiles, own: Path, data: Path) -> None:
    """Refuse a folder that holds the data folder or its files, or is a part of them."""
    folder = target.folder
    if folder is None:
        return
    for taken in (data, own):
        if layout.is_within(folder, taken) or layout.is_within(taken, folder):
            raise NotDone(
                f"The files cannot be copied to {folder}: name a folder apart from {data}"
            )


def _is_same(target: StoredFiles, own: Path) -> bool:
    return target.folder is not None and target.folder.resolve() == own.resolve()
