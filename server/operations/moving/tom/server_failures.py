"""What is wrong with a database on a server, in sentences without a driver's words.

A driver's words may quote the URL, and the password in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from server.core.errors import NotDone

NO_URL = (
    "The old database cannot be read: this is not a URL that SQLAlchemy knows, such as "
    "postgresql+psycopg://user@host/name; in a password, write @ as %40, : as %3A and / as %2F"
)
_AWAY = (
    "The old database does not answer, or refuses the user or password: look at the URL, "
    "and run the same command again"
)
_LOST = (
    "The old database has stopped answering: when it is there again, run the same command again, "
    "which goes on from there"
)
_NOT_GRANTED = (
    "The old database cannot be read: the user in its URL may not read all of its tables: let it "
    "do so (GRANT SELECT), or name another user"
)
_OPTIONS = (
    "The old database cannot be read: its driver does not take what the URL says: look at what is "
    "behind the ? in it"
)
_ENCRYPTION = (
    "The old database cannot be read: its driver lacks what the kind of its password needs: pip "
    "install cryptography"
)
_VALUE = (
    "The old database cannot be read: its driver cannot read a value in it, such as a time behind "
    "the year 9999 or a text in another encoding: change it there, and run the same command again"
)
_REFUSES = "The old database cannot be read: it refuses a question"
#: The codes with which PostgreSQL, and MySQL and MariaDB, refuse to show a table or a column.
_REFUSED: frozenset[object] = frozenset({"42501", 1142, 1143})
#: The code with which PostgreSQL ends a transaction that has stood idle.
_IDLE = "25P03"
#: What installs a driver, where that is not called as its module is.
_DRIVERS = {
    "MySQLdb": "pymysql, and begin the URL with mysql+pymysql://",
    "psycopg2": "psycopg2-binary",
    "psycopg": "'psycopg[binary]'",
}


@contextlib.contextmanager
def connecting(sqlalchemy: Any) -> Iterator[None]:
    """Say what is wrong with a URL, or with what it leads to."""
    failures = sqlalchemy.exc
    try:
        yield
    except (failures.ArgumentError, failures.NoSuchModuleError) as error:
        raise NotDone(NO_URL) from error
    except ImportError as error:
        raise NotDone(
            "The old database cannot be read: its driver is not installed: pip install "
            f"{_DRIVERS.get(error.name or '', error.name or 'it')}"
        ) from error
    except (failures.OperationalError, failures.InterfaceError) as error:
        raise NotDone(_AWAY) from error
    except (failures.SQLAlchemyError, TypeError, ValueError) as error:
        raise NotDone(_OPTIONS) from error
    except RuntimeError as error:  # of PyMySQL, for passwords as MySQL 8 keeps them
        raise NotDone(_ENCRYPTION) from error


@contextlib.contextmanager
def reading(sqlalchemy: Any) -> Iterator[None]:
    """Say what is wrong while a database is read."""
    failures = sqlalchemy.exc
    try:
        yield
    except failures.DBAPIError as error:
        if _code(error) in _REFUSED:
            raise NotDone(_NOT_GRANTED) from error
        away = (failures.OperationalError, failures.InterfaceError)
        if isinstance(error, away) or _code(error) == _IDLE:
            raise NotDone(_LOST) from error
        if isinstance(error, failures.DataError):
            raise NotDone(_VALUE) from error
        raise NotDone(f"{_REFUSES} ({_code(error)})") from error
    except failures.SQLAlchemyError as error:
        raise NotDone(_REFUSES) from error


def _code(error: Any) -> object:
    """Return the SQLSTATE of PostgreSQL, or the number of MySQL and MariaDB."""
    given = error.orig
    # PyMySQL's errors have a SQLSTATE too, which says less than the number.
    numbers = (each for each in getattr(given, "args", ()) if isinstance(each, int))
    state = getattr(given, "sqlstate", None) or getattr(given, "pgcode", None)
    return next(numbers, state or "no code")
