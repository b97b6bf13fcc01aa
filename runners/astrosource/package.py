"""Imports the package astrosource so that it works offline, quietly and with checked certificates.

Left to itself it fetches a table of the Earth's rotation while it is imported, asks VizieR for
known variables in any case and again for ever when nobody answers, turns off the check of
certificates, draws progress bars and logs everything twice.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

#: The package, and what it imports but does not ask for.
NEEDED = ("astrosource", "tqdm")
ENVIRONMENT = {
    "PYTHONHTTPSVERIFY": "1",
    # It has pools of its own.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "TQDM_DISABLE": "1",
    # It has breakpoints, and nobody to type at them.
    "PYTHONBREAKPOINT": "0",
}

log = logging.getLogger("astrosource")


def missing() -> str | None:
    """The first of the needed packages that is not installed; imports nothing."""
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            return name
    return None


@contextlib.contextmanager
def prepared(folder: Path, online: bool) -> Iterator[ModuleType]:
    """The package's module, to be used within the block; `online` lets it ask VizieR.

    The Earth's rotation is kept in the folder. Changes this process for good, so it must be a
    child.
    """
    os.environ.update(ENVIRONMENT)
    # Its pools then inherit what is done here; started anew they would import it as it is.
    multiprocessing.set_start_method("fork", force=True)
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    from astropy.config import set_temp_cache

    with set_temp_cache(str(cache)):
        _seed_earth_rotation()
        package = importlib.import_module("astrosource.astrosource")
        package.setup_logger = _logger  # type: ignore[attr-defined]
        identify: Any = importlib.import_module("astrosource.identify")
        identify.asarray = _array
        comparison: Any = importlib.import_module("astrosource.comparison")
        comparison.Vizier = _vizier(online)
        yield package


def _seed_earth_rotation() -> None:
    """Give the bundled table of the Earth's rotation (IERS-B) to whoever would download it."""
    from astropy.utils import iers
    from astropy.utils.data import import_file_to_cache

    iers.conf.auto_download = False
    import_file_to_cache(iers.IERS_B_URL, str(iers.IERS_B_FILE))


def _logger(name: str, verbose: object = False) -> logging.Logger:
    """In place of the package's own, which adds a second handler and colours."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    return logger


def _array(given: Any, dtype: Any = None) -> Any:
    """In place of `numpy.asarray`, which makes a matrix of tables that are equally long."""
    if dtype is not object:
        return np.asarray(given, dtype=dtype)
    made = np.empty(len(given), dtype=object)
    for place, each in enumerate(given):
        made[place] = each
    return made


def _vizier(online: bool) -> type[Any]:
    from astropy.table import Table
    from astroquery.utils import TableList
    from astroquery.vizier import VizierClass

    def nothing(catalogue: object) -> Any:
        """No answer. Of its search for known variables the package wants a table all the same."""
        known = Table(names=("RAJ2000", "DEJ2000"))
        return TableList([("B/vsx/vsx", known)] if catalogue == "VSX" else [])

    class Vizier(VizierClass):  # type: ignore[misc]  # it comes without types
        """Answers nothing where the real one would be asked again and again."""

        def query_region(self, *given: Any, **options: Any) -> Any:
            if not online:
                return nothing(options.get("catalog"))
            try:
                return super().query_region(*given, **options)
            except Exception as error:
                log.warning("VizieR did not answer: %.300s", error)
                return nothing(options.get("catalog"))

    return Vizier
