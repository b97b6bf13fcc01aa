"""Opens the database of an old site, wherever it is."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from server.operations.moving.tom.database import OldDatabase, opened_file
from server.operations.moving.tom.server_database import opened_url

#: What is in the URL of a database on a server, as against the path of a SQLite file.
_URL = "://"
_SQLITE_URL = re.compile(r"sqlite(\+\w+)?:///")


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
    with opened_file(Path(_SQLITE_URL.sub("", database)).expanduser()) as file:
        yield file
