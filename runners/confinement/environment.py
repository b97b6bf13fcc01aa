"""The environment that runs get: the server's own without what looks like a secret, or a choice.

Secrets are told by the names of variables, and by passwords in URLs. What is withheld is known by
name only; no value is ever shown.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

#: The variables of Heliograph itself.
OWN_PREFIX = "HELIOGRAPH_"
#: A key, a password or a token, in the names that programs and clouds give them; also sockets by
#: which others sign in (ssh-agent), and the one by which a service reports to systemd.
_SECRET_NAME = re.compile(
    r"""TOKEN | SECRET | PASSW(OR)?D | PASSPHRASE | PASSCODE | CREDENTIAL | COOKIE
    | (API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)_?KEY | _KEYS?$ | _PWD$ | _PASS$ | ^PGPASS
    | _AUTH$ | _AUTH_ | _DSN$ | ^AWS_ | ^AZURE_ | ^NOTIFY_SOCKET$""",
    re.VERBOSE | re.IGNORECASE,
)
#: A URL with a password: `scheme://user:password@host`.
_PASSWORD_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@:]*:[^\s/@]+@", re.IGNORECASE)
#: Without these, runs that download would fail, so a password in them stays.
_PROXY_NAME = re.compile(r"_PROXY$", re.IGNORECASE)


def is_secret(name: str, value: str = "") -> bool:
    """Return whether a variable looks like a secret that runs have no need of."""
    if _SECRET_NAME.search(name):
        return True
    return not _PROXY_NAME.search(name) and _PASSWORD_IN_URL.search(value) is not None


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what runs get of an environment unless it is chosen by name."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(OWN_PREFIX) and not is_secret(name, value)
    }


def withheld(environ: Mapping[str, str]) -> list[str]:
    """Return the names of what runs do not get as it looks like a secret, sorted."""
    return list(_withheld(frozenset(environ.items())))


@functools.lru_cache(1)
def _withheld(variables: frozenset[tuple[str, str]]) -> list[str]:
    return sorted(name for name, value in variables if is_secret(name, value))


def chosen(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the variables of these names, as far as they are set."""
    return {name: environ[name] for name in names if name in environ}


def of_runs(environ: Mapping[str, str], names: Iterable[str] | None) -> dict[str, str]:
    """Return the environment of runs: the chosen names, or else all that is no secret."""
    return inherited(environ) if names is None else chosen(environ, names)


def replace(environment: Mapping[str, str]) -> None:
    """Give this process exactly this environment."""
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
    tempfile.tempdir = None  # which is chosen by the environment


def clear_initial() -> None:
    """Overwrite the environment that this process was started with; `os.environ` stays.

    Linux shows it in `/proc/<pid>/environ` whatever was removed since, in all forks too.
    """
    if sys.platform != "linux":
        return
    for name, value in os.environb.items():
        os.putenv(name, value)  # a copy of its own, so that nothing points to the initial one
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        start, end = int(fields[47]), int(fields[48])
        if 0 < start < end:
            ctypes.memset(start, 0, end - start)
