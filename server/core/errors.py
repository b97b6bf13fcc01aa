"""The domain's errors; they know no HTTP.

HeliographError
├── NotFound            no such document
├── InvalidInput        what a caller sent cannot be accepted, field by field
├── Conflict            the request is well formed but the present state forbids it
├── TooLarge            a body or file is over its limit
├── NoRoom              the disk is full
├── DamagedFile         a stored file is not what its record says
├── AlreadyStored       a file would take the place of a stored one
├── QueueFull           too many processes are waiting already
├── DatabaseAway        the database does not answer
├── StorageAway         the storage of the files does not answer
├── AlreadyTaken        a unique value exists already (raised by the store)
├── LeaseLost           a write of a run met a newer attempt or another owner
├── CancelRequested     a run that was to succeed had been cancelled before
├── DamagedDatabase     a database file is not what the engine wrote
├── NotDone             a command could not do what it was asked for
└── StartError          the server cannot start

Each error carries facts, as attributes, and makes its own sentence of them, so whoever raises one
gives facts only. Conflict, NotDone and StartError have many causes, and are given the sentence
instead.
"""

from __future__ import annotations


class HeliographError(Exception):
    """An error of the domain; `str` of it is a sentence for people."""


class NotFound(HeliographError):
    """There is no such document."""

    def __init__(self, kind: str, pk: object) -> None:
        super().__init__(f"There is no {kind} {pk}")
        self.kind = kind
        self.pk = pk


class InvalidInput(HeliographError):
    """Input that cannot be accepted: messages by field in `fields`, or `detail` for all of it."""

    def __init__(
        self, fields: dict[str, list[str]] | None = None, detail: str | None = None
    ) -> None:
        self.fields = fields or {}
        self.detail = detail
        sentences = [f"{field}: {' '.join(texts)}" for field, texts in self.fields.items()]
        super().__init__(detail or "; ".join(sentences))

    @classmethod
    def of(cls, field: str, message: str) -> InvalidInput:
        """Return the error with one message about one field."""
        return cls({field: [message]})


class Conflict(HeliographError):
    """The present state forbids the request; the sentence says what is in the way."""


class TooLarge(HeliographError):
    """A body or a file is over its limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The limit is {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class NoRoom(HeliographError):
    """The disk is full."""

    def __init__(self) -> None:
        super().__init__("The server's disk is full")


class DamagedFile(HeliographError):
    """A stored file is not what the record of its data product says."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The stored file of {name} is damaged: {reason}")
        self.name = name
        self.reason = reason


class AlreadyStored(HeliographError):
    """A file would take the place of another one in storage."""

    def __init__(self, key: str) -> None:
        super().__init__(f"There is a stored file {key} already, and nothing takes its place")
        self.key = key


class QueueFull(HeliographError):
    """As many processes are waiting as the configuration allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} processes are waiting already, try again later")
        self.limit = limit


class DatabaseAway(HeliographError):
    """The database did not answer in time."""

    def __init__(self) -> None:
        super().__init__("The database is away, try again later")


class StorageAway(HeliographError):
    """The storage of the files did not answer in time, or could not do what it was asked."""

    def __init__(self) -> None:
        super().__init__("The storage of the files is away, try again later")


class NotExamined(HeliographError):
    """A file could not be examined this time, which says nothing about the file."""


class LockLost(HeliographError):
    """Another server has taken over a lock, as this one had not renewed it for long."""

    def __init__(self, name: str) -> None:
        super().__init__("Another server has taken this over meanwhile, try again")
        self.name = name


class AlreadyTaken(HeliographError):
    """A value that must be unique exists already."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"A unique value of {collection} is already taken")
        self.collection = collection


class LeaseLost(HeliographError):
    """A write of a run met a newer attempt, another owner or an ended record."""

    def __init__(self, pk: int, attempt: int) -> None:
        super().__init__(f"Attempt {attempt} of process {pk} no longer belongs to this server")
        self.pk = pk
        self.attempt = attempt


class CancelRequested(HeliographError):
    """A run was cancelled before its success could be stored."""

    def __init__(self, pk: int) -> None:
        super().__init__(f"Process {pk} is to be cancelled")
        self.pk = pk


class DamagedDatabase(HeliographError):
    """A database file is damaged."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The database file {name} is damaged: {reason}")
        self.name = name
        self.reason = reason


class NotDone(HeliographError):
    """A command could not do what it was asked for; the sentence says what to change."""


class StartError(HeliographError):
    """The server cannot start; the sentence says what to change."""


def reason_of(error: OSError) -> str:
    """Return what the system says of an error, to follow a colon: without its number or a path."""
    return (error.strerror or "unknown error").lower()
