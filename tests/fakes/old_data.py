"""The data folder of version 0.1 that is kept in `tests/samples/version_0_1`, unpacked."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from server.config import Config
from server.config.sections import Http

SAMPLE = Path(__file__).parent.parent / "samples" / "version_0_1"


def unpack(folder: Path) -> Path:
    """Unpack it into a folder and return its path."""
    with tarfile.open(SAMPLE / "data.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    data = folder / "data"
    data.chmod(0o700)
    return data


def expected() -> dict[str, Any]:
    """Return what version 0.1 said about it: `answers` by path, and the PK that was `running`."""
    text = (SAMPLE / "expected.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def config_of(data: Path, **sections: Any) -> Config:
    """Return the configuration of a server on a data folder."""
    return Config(data=data, http=Http(port=0), **sections)
