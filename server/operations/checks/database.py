"""Checks of the database: it answers, is sound, of a known schema, with its indexes and files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from server.core.errors import StartError
from server.operations import schema
from server.operations.checks.results import Result, in_units, ok, problem, warning
from server.operations.checks.subject import DATABASE_MISSING, Subject
from server.operations.keeping.expected import installed
from server.operations.start_checks import MIGRATING
from server.operations.storage_root import StorageRoot
from server.store import Store
from server.store.documents import Documents
from server.store.driver.connection import Database
from server.store.driver.reading import MongoDocuments
from server.store.engine.database_file import engine_version, size_of
from server.store.installation import Facts


def check_database(subject: Subject) -> Iterator[Result]:
    """Look whether it answers, and whether it is sound and of a schema that this program knows."""
    if subject.is_new:
        yield ok("there is none yet; the first start makes it")
        return
    with subject.documents() as documents:
        yield _answer(subject, documents)
        facts = installed(documents)
        if facts is None:
            yield warning("no server has used it yet")
            return
        if facts.migrating is not None:
            yield problem(MIGRATING)
        yield _schema(facts.schema)
    if subject.config.mongodb.uri is None:
        yield from _soundness(subject)


def check_indexes(subject: Subject) -> Iterator[Result]:
    """Look whether all indexes are there."""
    if subject.is_new:
        return
    wanted = asyncio.run(_wanted_indexes())
    with subject.documents() as documents:
        missing = sorted(wanted - documents.indexed())
    if missing:
        named = ", ".join(f"{collection}.{field}" for collection, field in missing)
        yield warning(f"missing: {named}", "the next start makes them")
    else:
        yield ok(f"all {len(wanted)} are there")


def check_identity(subject: Subject) -> Iterator[Result]:
    """Look whether database and files belong together, as a start does."""
    if subject.is_new:
        return
    root = StorageRoot(subject.config.storage_url)
    written, highest, highest_log = asyncio.run(_facts_of(root))
    with subject.documents() as documents:
        facts = installed(documents)
        counted = {each["_id"]: int(each["last"]) for each in documents.documents("counters")}
    if facts is None:
        # An empty database beside files is not theirs, though it can be opened.
        if written or highest or highest_log:
            yield problem(DATABASE_MISSING)
        return
    yield _of_ids(written, facts)
    for noun, found, counter in (
        ("data products", highest, counted.get("dataproduct", 0)),
        ("processes", highest_log, counted.get("processes", 0)),
    ):
        if found > counter:
            yield problem(
                f"the database is older than its files: it has counted {counter} {noun}, there "
                f"are files of number {found}",
                "restore the newest backup",
            )


def _of_ids(written: str | None, facts: Facts) -> Result:
    """Compare the id that is written in the storage, None without one, with the database's."""
    if written is None and facts.in_storage:
        return problem("the storage has no id", "mount or restore its own files, see files.url")
    if written is not None and written != facts.id:
        return problem(
            "the files here belong to another database",
            "mount or restore its own files, or correct files.url, mongodb.uri or --data",
        )
    return ok("they belong together" if written else "the next start gives them an id")


def _answer(subject: Subject, documents: Documents) -> Result:
    if isinstance(documents, MongoDocuments):
        return ok(f"MongoDB {documents.version()} answers")
    size = in_units(size_of(subject.database_file.path))
    return ok(f"{engine_version()} answers, {size}")


def _schema(version: int) -> Result:
    try:
        schema.check_not_newer(version)
    except StartError as error:
        return problem(str(error))
    if version < schema.newest():
        return ok(f"schema version {version}; the next start brings it to {schema.newest()}")
    return ok(f"schema version {version}")


def _soundness(subject: Subject) -> Iterator[Result]:
    subject.progress("Checking the database", 0, None)
    with subject.database_file as file:
        damage = file.damage()
        foreign = file.foreign_parts()
    if damage is not None:
        yield problem(
            f"it is damaged ({damage})",
            "restore a backup, or recover what can be read with `sqlite3 FILE .recover`",
        )
    elif foreign:
        yield problem(f"it has parts that Heliograph does not make: {', '.join(foreign)}")
    else:
        yield ok("it is sound")


async def _facts_of(root: StorageRoot) -> tuple[str | None, int, int]:
    return await root.read_id(), await root.highest_pk(), await root.highest_log()


class _Recorder:
    """A database that only notes which indexes are asked for."""

    def __init__(self) -> None:
        self.indexes: set[tuple[str, str]] = set()

    def collection(self, name: str) -> Any:
        """Return a collection of this name."""
        return _RecordedCollection(name, self.indexes)


class _RecordedCollection:
    def __init__(self, name: str, indexes: set[tuple[str, str]]) -> None:
        self._name = name
        self._indexes = indexes

    async def ensure_index(self, field: str, unique: bool = False) -> None:
        self._indexes.add((self._name, field))


async def _wanted_indexes() -> set[tuple[str, str]]:
    recorder = _Recorder()
    await Store.open(cast(Database, recorder))
    return recorder.indexes
