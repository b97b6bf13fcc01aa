"""Which files the documents of a database expect, and what was under way when they were read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from server.core.errors import DamagedDatabase
from server.core.records import DataProduct
from server.operations import schema
from server.store.archive.journal import JournalEntry
from server.store.base import load
from server.store.documents import Document, Documents
from server.store.installation import Facts, facts_of
from server.store.processes.log_segments import LogSegment

PRODUCTS, SEGMENTS, JOURNAL, PROCESSES = "dataproducts", "log_segments", "journal", "processes"


@dataclass(frozen=True)
class Expected:
    """A file that has to be there: that of a data product, or a stretch of a process's log.

    `segment` is the `_id` of the document about a stretch, None for one that is just being sealed.
    """

    key: str
    size: int
    sha256: str
    product: int | None = None
    process: int | None = None
    segment: int | None = None

    def __str__(self) -> str:
        """Return what people know it by."""
        name = self.key.partition("/")[2]
        if self.product is not None:
            return f"data product {self.product} ({name})"
        return f"part of the log of process {self.process} ({self.key})"


@dataclass(frozen=True)
class UnderWay:
    """What was being stored or deleted: the next start, or the server that runs, ends it."""

    products: set[int] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    #: processes that were being deleted, with all that they have
    processes: set[int] = field(default_factory=set)

    def explains(self, file: Expected, documents: Documents) -> bool:
        """Return whether a file may be missing, as it is being stored or deleted."""
        if file.key in self.keys or file.product in self.products:
            return True
        if file.process is None:
            return False
        return file.process in self.processes or documents.get(PROCESSES, file.process) is None


def installed(documents: Documents) -> Facts | None:
    """Return what a database says about itself, None if no server has used it yet.

    One of a server from before there were ids has no id, and the first schema.
    """
    facts = facts_of(documents)
    if facts is None and next(documents.documents("counters"), None) is not None:
        return Facts("", schema.FIRST_VERSION)
    return facts


def expected_files(documents: Documents) -> Iterator[Expected]:
    """Iterate over all files that the documents expect.

    A stretch of a log counts as soon as it was decided that it takes the place of the lines in the
    database: these go next.
    """
    for document in documents.documents(PRODUCTS):
        yield _readable(of_product, document)
    seen: set[str] = set()
    for document in documents.documents(JOURNAL):
        if document.get("segment") is not None:
            segment = _readable(_of_segment, document["segment"])
            seen.add(segment.key)
            yield segment
    for document in documents.documents(SEGMENTS):
        segment = _readable(_of_segment, document)
        if segment.key not in seen:
            yield segment


def under_way(documents: Documents) -> UnderWay:
    """Return what the journal says."""
    found = UnderWay()
    for document in documents.documents(JOURNAL):
        entry = load(JournalEntry, document)
        if entry.segment is not None:
            continue
        found.products.update(entry.products)
        found.keys.update(entry.keys)
        if entry.whole and entry.process is not None:
            found.processes.add(entry.process)
    return found


def is_gone(file: Expected, documents: Documents) -> bool:
    """Return whether the record that expected a file has been deleted."""
    if file.product is not None:
        return documents.get(PRODUCTS, file.product) is None
    if file.segment is not None and documents.get(SEGMENTS, file.segment) is None:
        return True
    return file.process is None or documents.get(PROCESSES, file.process) is None


def of_product(document: Document) -> Expected:
    """Return the file of a data product."""
    product = DataProduct.from_document(document)
    return Expected(product.key, product.size, product.sha256, product=product.pk)


def _readable(read: Callable[[Document], Expected], document: Document) -> Expected:
    try:
        return read(document)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        what = f"document {document.get('_id')} lacks what it should have"
        raise DamagedDatabase("of this installation", what) from error


def _of_segment(document: Document) -> Expected:
    segment = load(LogSegment, document)
    return Expected(
        segment.file,
        segment.size,
        segment.sha256,
        process=segment.process,
        segment=document.get("_id"),
    )
