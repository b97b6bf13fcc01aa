"""The provenance of a run: the interpreter, the installed packages, the pipeline's source.

Determined in the child, so that it is what this run had. Storing it is left to the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

#: The name of an installed distribution's folder (PEP 376, and setuptools before it). Reading the
#: metadata within takes a hundred times as long and gives the same.
INSTALLED = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-py[\d.]+)?\.(dist|egg)-info")
MOST_PACKAGES = 2000
KNOWN_FOLDERS = 100


def provenance(pipeline: type | None) -> dict[str, Any]:
    """Return the provenance of a run of this process as plain values. Never raise.

    `python` and `platform` are text, `packages` maps normalised names to versions, and `source` is
    about the class's module: `class` (its path), `file` (its name), `sha256`. `source` is None
    without a class, `sha256` if there is no source to read.
    """
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "packages": installed_packages(sys.path),
        "source": None if pipeline is None else _source(pipeline),
    }


def installed_packages(folders: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages in these folders; the first one of a name counts."""
    found: dict[str, str] = {}
    for folder in dict.fromkeys(folders):
        with contextlib.suppress(OSError):  # missing, or an archive
            path = Path(folder).absolute()
            for name, version in _packages_in(path, path.stat().st_mtime_ns):
                found.setdefault(name, version)
    return dict(sorted(found.items())[:MOST_PACKAGES])


@lru_cache(KNOWN_FOLDERS)
def _packages_in(folder: Path, _changed: int) -> list[tuple[str, str]]:
    """Return the packages in a folder; the template has filled the cache for its runs."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith("-info")]
    matches = filter(None, map(INSTALLED.fullmatch, names))
    return [(_normalised(match["name"]), match["version"]) for match in matches]


def _normalised(name: str) -> str:
    """Normalise a distribution's name as PEP 503 does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _source(pipeline: type) -> dict[str, str | None]:
    module = sys.modules.get(pipeline.__module__)
    file, text = _source_of(module) if module is not None else (None, None)
    return {
        "class": f"{pipeline.__module__}.{pipeline.__qualname__}",
        "file": file,
        "sha256": None if text is None else hashlib.sha256(text).hexdigest(),
    }


def _source_of(module: ModuleType) -> tuple[str | None, bytes | None]:
    """Return the name and the bytes of a module's file, from its loader: it may be in a zip."""
    path = getattr(module, "__file__", None)
    if not isinstance(path, str):
        return None, None
    try:
        loader: Any = module.__loader__
        return Path(path).name, bytes(loader.get_data(path))
    except (AttributeError, OSError, TypeError, ValueError):
        return Path(path).name, None
