"""The target and the input files of a run, as a pipeline sees them: local, without a database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class RunTarget:
    """The target of a run. `ra` and `dec` in degrees (ICRS), or None."""

    pk: int
    identifier: str
    name: str
    ra: float | None = None
    dec: float | None = None
    extra_fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InputData:
    """The content of an input: `path` is a local file, not to be changed; `name` as uploaded."""

    path: str
    name: str

    def open(self, mode: str = "rb") -> IO[Any]:
        """Open the file for reading."""
        return Path(self.path).open(mode)

    def read(self) -> bytes:
        """Return the content of the file."""
        return Path(self.path).read_bytes()

    @property
    def file(self) -> IO[bytes]:
        """The file opened for reading as bytes, under the predecessor's name."""
        return self.open()


@dataclass(frozen=True)
class InputProduct:
    """One data product among the inputs."""

    pk: int
    name: str
    data: InputData


class InputFiles:
    """The inputs of a run, in the order in which they were submitted."""

    def __init__(self, products: list[InputProduct]) -> None:
        self._products = products

    def all(self) -> list[InputProduct]:
        """Return all inputs."""
        return list(self._products)

    def first(self) -> InputProduct | None:
        """Return the first input, or None."""
        return self._products[0] if self._products else None

    def count(self) -> int:
        """Return how many inputs there are."""
        return len(self._products)

    def exists(self) -> bool:
        """Return whether there are any inputs."""
        return bool(self._products)

    def __iter__(self) -> Iterator[InputProduct]:
        return iter(self._products)

    def __len__(self) -> int:
        return len(self._products)
