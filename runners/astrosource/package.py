"""Imports the package astrosource so that it works offline, quietly and with checked certificates.

By itself it downloads a table of the Earth's rotation while it is imported, always asks VizieR for
known variables and repeats that for ever without an answer, disables the check of certificates,
draws progress bars, and logs everything twice.
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

#: The package, and what it imports without declaring it.
NEEDED = ("astrosource", "tqdm")
ENVIRONMENT = {
    "PYTHONHTTPSVERIFY": "1",
    # It has pools of its own.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "TQDM_DISABLE": "1",
    # It has breakpoints, and a run has no terminal.
    "PYTHONBREAKPOINT": "0",
}

log = logging.getLogger("astrosource")


def missing() -> str | None:
    """Return the first of the needed packages that is not installed. Import nothing."""
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            return name
    return None


@contextlib.contextmanager
def prepared(folder: Path, online: bool) -> Iterator[ModuleType]:
    """Import the package for use within the block; `online` allows it to ask VizieR.

    Its cache is in the folder. This process is changed for good, so it must be a child.
    """
    os.environ.update(ENVIRONMENT)
    # Its pools then inherit these changes; with another start method they would import it anew.
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
    """Put the bundled table of the Earth's rotation (IERS-B) in the place of the one online."""
    from astropy.utils import iers
    from astropy.utils.data import import_file_to_cache

    iers.conf.auto_download = False
    import_file_to_cache(iers.IERS_B_URL, str(iers.IERS_B_FILE))


def _logger(name: str, verbose: object = False) -> logging.Logger:
    """Replace the package's own function, which adds a second handler and colours."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    return logger


def _array(given: Any, dtype: Any = None) -> Any:
    """Replace `numpy.asarray`, which turns tables of equal length into one matrix."""
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
        """Return an empty answer; for known variables, the package expects an empty table."""
        known = Table(names=("RAJ2000", "DEJ2000"))
        return TableList([("B/vsx/vsx", known)] if catalogue == "VSX" else [])

    class Vizier(VizierClass):  # type: ignore[misc]  # astroquery has no types
        """Answers with nothing offline and after an error, where the package would ask for ever."""

        def query_region(self, *given: Any, **options: Any) -> Any:
            """Ask VizieR for a region, if that is allowed."""
            if not online:
                return nothing(options.get("catalog"))
            try:
                return super().query_region(*given, **options)
            except Exception as error:
                log.warning(
                    "VizieR did not answer: %.300s", error, extra={"action": "vizier_failed"}
                )
                return nothing(options.get("catalog"))

    return Vizier
