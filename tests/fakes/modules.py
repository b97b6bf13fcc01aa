"""Stand-ins for modules, seen by the module under test alone."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class Overlay:
    """A module in which some names are replaced.

    Replacing `time.monotonic` itself would change it for every thread of the tests' process, and
    the calls of threads of other tests would be counted.
    """

    def __init__(self, module: ModuleType, **replaced: object) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
