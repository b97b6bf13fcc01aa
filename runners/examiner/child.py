"""The examiner's child: it reads the files, within limits on its memory and on the time of each."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import IO, Any

from runners.confinement.wording import in_words
from runners.examiner import ANSWER_SECONDS

ADDRESS_SPACE_BYTES = 4 * 2**30

#: From a request to its answer.
Answering = Callable[[dict[str, Any]], dict[str, Any]]


def main() -> None:
    """Answer requests until standard input ends: the child's side."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Answers go where standard output went; what libraries print must not mix with them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers, *sys.argv[1:2])


def serve(requests: IO[str], answers: IO[str], subject: str = "files") -> None:
    """Import the libraries, report that they are ready, then answer each line of `requests`."""
    answer = _answering_sky() if subject == "sky" else _answering_files(subject)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in requests:
        # A request that hangs must end even if the server has died meanwhile.
        signal.setitimer(signal.ITIMER_REAL, 2 * ANSWER_SECONDS)
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answering_sky() -> Answering:
    """Import what computes the sky, and return what answers."""
    from astropy.utils.data import conf

    conf.allow_internet = False  # before anything is imported that fetches tables
    from runners.examiner.ephemeris.night import sky_of_night

    # The first night takes several times as long as others, as tables are read for it.
    now = time.time()
    greenwich = {"latitude": 51.48, "longitude": 0.0, "elevation": 0.0}
    sky_of_night(greenwich, 0.0, 0.0, now, now + 3600.0)
    return lambda request: {"sky": sky_of_night(**request["sky"])}


def _answering_files(subject: str) -> Answering:
    """Import what reads files, and return what answers."""
    from runners.fits.viewing import description, windows
    from runners.fits.viewing.errors import WrongRequest

    if subject == "files":
        from runners.imaging import preview  # noqa: F401

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        try:
            if "description" in request:
                description.write_description(*request["description"])
            elif "window" in request:
                path, out_path, wanted = request["window"]
                windows.write_window(path, out_path, windows.Window(**wanted))
            else:
                return _examined(request)
        except WrongRequest as error:
            return {"error": str(error), "field": error.field}
        except (ValueError, OSError, MemoryError) as error:
            return {"error": _sentence(error)}
        return {}

    return answer


def _examined(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request that is not of a viewer. Raise what is wrong with the file."""
    from runners.fits import headers, metadata, tables
    from runners.imaging import preview

    if "metadata" in request:
        return {"metadata": metadata.fits_metadata(request["metadata"])}
    if "headers" in request:
        return {"headers": headers.fits_headers(request["headers"])}
    if "table" in request:
        tables.table_csv(*request["table"])
    elif "light_curve" in request:
        tables.table_json(*request["light_curve"])
    else:
        preview.preview_png(*request["preview"])
    return {}


def _sentence(error: Exception) -> str:
    """Return what a user is told of an error; those of files and tables are sentences already."""
    from runners.fits.files import FrameError
    from runners.tables.text import TableError

    return (
        str(error)
        if isinstance(error, FrameError | TableError)
        else f"It failed: {in_words(error)}"
    )
