"""Opens the database of an old site, wherever it is."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from server.core.errors import NotDone
from server.operations.moving.tom.database import OldDatabase, opened_file
from server.operations.moving.tom.server_database import opened_url

#: What is in the URL of a database on a server, as against the path of a SQLite file.
_URL = "://"
_SQLITE_URL = re.compile(r"sqlite(\+\w+)?:///")
#: What may be a URL that was mistyped, with a password in it.
_SECRET = re.compile(r"@|pass|^[a-z][a-z0-9+.]*:", re.IGNORECASE)


def is_url(database: str) -> bool:
    """Return whether a database is named by the URL of a server, not by a path."""
    return _URL in database and _SQLITE_URL.match(database) is None


@contextlib.contextmanager
def opened(database: str) -> Iterator[OldDatabase]:
    """Have a database as it is now, until the block is left.

    :raises NotDone: it cannot be read; the sentence says why.
    """
    if is_url(database):
        with opened_url(database) as found:
            yield found
        return
    path = Path(_SQLITE_URL.sub("", database)).expanduser()
    if not path.is_file() and _SECRET.search(str(path)):
        raise NotDone(
            "The old database cannot be read: this is neither a file that is there nor a URL, "
            "such as postgresql+psycopg://user@host/name"
        )
    with opened_file(path) as file:
        yield file
