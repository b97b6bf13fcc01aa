"""Failures of a database, a storage or a disk, as the commands that move things word them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from server.core.errors import DatabaseAway, NoRoom, NotDone, StorageAway, reason_of

_FULL = (errno.ENOSPC, errno.EDQUOT)
_AGAIN = "run the same command again, which goes on from there"


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say what is wrong, and that what was done is not lost."""
    try:
        yield
    except NoRoom as error:
        raise NotDone(f"There is not enough room in the target: make some, and {_AGAIN}") from error
    except DatabaseAway as error:
        raise NotDone(f"The database does not answer: {_AGAIN}") from error
    except StorageAway as error:
        raise NotDone(f"The storage of the files does not answer: {_AGAIN}") from error
    except OSError as error:
        if error.errno in _FULL:
            raise NotDone(
                f"There is not enough room in the target: make some, and {_AGAIN}"
            ) from error
        raise NotDone(f"Files cannot be read or written: {reason_of(error)}; {_AGAIN}") from error
