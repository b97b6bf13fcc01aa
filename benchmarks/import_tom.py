"""How long a large site of tom_education takes to move in, and in how much memory.

    python -m benchmarks.import_tom [--products 10000] [--processes 1000] [--lines 100]

Makes such a site, each process with so many lines of log, and imports it by the command, with files
that are linked and examined as usual, twice: a tenth of it and the whole. The memory is the largest
that the command had, or one of the two processes that it starts (they end before it), so the two
rows show whether it grows. The floor copies database and files one by one, each of them durably.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.tables import head, row
from tests.fakes.tom_site import TomSite, fits_bytes, insert

#: Products, and measurements, of each target.
OF_TARGET, MEASUREMENTS = 100, 50
#: Products that are the inputs of a process, and in its group.
OUTPUTS = 10
_LINE = "Processing frame {:06d} of the night, all stars found in their places\n"


class Taken(NamedTuple):
    """What an import has taken."""

    seconds: float
    memory_bytes: int
    said: str


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=1_000)
    parser.add_argument("--lines", type=int, default=100)
    args = parser.parse_args()
    head("An old site moves in", "seconds", "floor", "ratio", "MiB")
    for part in (10, 1):
        products, processes = args.products // part, args.processes // part
        with tempfile.TemporaryDirectory() as folder:
            site = make(Path(folder) / "site", products, processes, args.lines)
            floor = copied(site, Path(folder) / "copy")
            taken = imported(site, Path(folder) / "data")
        what = f"{products:,} products, {processes:,} processes"
        mib = f"{taken.memory_bytes / 2**20:.0f}"
        row(what, taken.seconds, floor, f"{taken.seconds / floor:.1f}", mib)
    print(taken.said)


def make(folder: Path, products: int, processes: int, lines: int) -> TomSite:
    """Make a site with targets of a hundred products, all FITS."""
    site = TomSite(folder)
    log = "".join(_LINE.format(number) for number in range(lines))
    with closing(sqlite3.connect(site.database)) as connection:
        for number in range(0, products, OF_TARGET):
            _target(site, connection, number, min(OF_TARGET, products - number))
        targets = max(1, -(-products // OF_TARGET))
        for number in range(processes):
            _process(site, connection, number, number * OUTPUTS // OF_TARGET % targets + 1, log)
        connection.commit()
    return site


def _target(site: TomSite, connection: sqlite3.Connection, first: int, count: int) -> None:
    now, name = site.now(), f"Target {first // OF_TARGET}"
    pk = insert(connection, "tom_targets_target", {
        "name": name, "type": "SIDEREAL", "created": now, "modified": now, "scheme": "",
        "ra": 10.0, "dec": 20.0, "epoch": 2000.0,
    })  # fmt: skip
    folder = site.media / name / "none"
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        (folder / f"frame{number}.fits").write_bytes(fits_bytes(number))
        insert(connection, "tom_dataproducts_dataproduct", {
            "product_id": f"p{number}", "data": f"{name}/none/frame{number}.fits",
            "extra_data": "", "created": now, "modified": now, "featured": 0, "target_id": pk,
            "thumbnail": "", "data_product_type": "fits_file",
        })  # fmt: skip
    for _ in range(MEASUREMENTS):
        insert(connection, "tom_dataproducts_reduceddatum", {
            "source_name": "s", "source_location": "", "timestamp": site.now(), "target_id": pk,
            "value": '{"magnitude": 12.5, "error": 0.1}', "data_type": "photometry",
        })  # fmt: skip


def _process(
    site: TomSite, connection: sqlite3.Connection, number: int, target: int, log: str
) -> None:
    now = site.now()
    first = number * OUTPUTS + 1
    group = insert(connection, "tom_dataproducts_dataproductgroup", {
        "name": f"dummy_{target}_{number}_outputs", "created": now, "modified": now,
    })  # fmt: skip
    pk = insert(connection, "tom_education_asyncprocess", {
        "created": now, "status": "created", "terminal_timestamp": site.now(),
        "failure_message": "", "target_id": target, "process_type": "PipelineProcess",
        "identifier": f"dummy_{target}_{number}",
    })  # fmt: skip
    insert(connection, "tom_education_pipelineprocess", {
        "asyncprocess_ptr_id": pk, "logs": log, "flags_json": None, "group_id": group,
    })  # fmt: skip
    for product in range(first, first + OUTPUTS):
        insert(connection, "tom_education_pipelineprocess_input_files", {
            "pipelineprocess_id": pk, "dataproduct_id": product,
        })  # fmt: skip
        insert(connection, "tom_dataproducts_dataproduct_group", {
            "dataproductgroup_id": group, "dataproduct_id": product,
        })  # fmt: skip


def copied(site: TomSite, to: Path) -> float:
    """Return how many seconds it takes to copy the site, each file durably."""
    began = time.monotonic()
    for path in (each for each in site.folder.rglob("*") if each.is_file()):
        place = to / path.relative_to(site.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, place.open("wb") as copy:
            while piece := source.read(2**20):
                copy.write(piece)
            copy.flush()
            os.fsync(copy.fileno())
    return time.monotonic() - began


def imported(site: TomSite, data: Path) -> Taken:
    """Import a site by the command."""
    command = ["import-tom", str(site.database), str(site.media), "--data", str(data)]
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "server", *command], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the import ended with {process.returncode}:\n{said}")
    return Taken(time.monotonic() - began, usage.ru_maxrss * 1024, said)


if __name__ == "__main__":
    main()
