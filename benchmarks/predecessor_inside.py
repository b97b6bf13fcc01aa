"""What runs in the predecessor's own environment, with its own models: rows for polls, and logging.

    python predecessor_inside.py fill '[10, 100]' '[1000]'
    python predecessor_inside.py log 5000

Prints JSON: `fill` the PKs of the targets with this many processes and of the pipeline processes
with logs of this many bytes, `log` the lines per second. The file is copied beside the settings,
since modules in this folder share names with packages that the predecessor imports.
"""

from __future__ import annotations

import json
import sys
import time

import django

# Models cannot be imported before this, so their imports come late.
django.setup()

from django.db import transaction  # noqa: E402
from tom_education.models import PipelineProcess  # noqa: E402
from tom_targets.models import Target  # noqa: E402


def fill(counts: list[int], sizes: list[int]) -> list[list[int]]:
    """Insert the rows for the polls."""
    with transaction.atomic():
        return [[_ended(count) for count in counts], [_logged(size) for size in sizes]]


def _ended(count: int) -> int:
    target = Target.objects.create(name=f"status {count}", type="SIDEREAL")
    for number in range(count):
        PipelineProcess.objects.create(
            identifier=f"nothing_{target.pk}_{number}", target=target, status="created"
        )
    return int(target.pk)


def _logged(size: int) -> int:
    target = Target.objects.create(name=f"log {size}", type="SIDEREAL")
    logs = "".join(f"{number:<99}\n" for number in range(size // 100))
    process = PipelineProcess.objects.create(
        identifier=f"writes_{size}", target=target, status="created", logs=logs
    )
    return int(process.pk)


def log(count: int) -> float:
    """Log lines on a process of its own, each stored when `log()` returns; return lines/s."""
    target = Target.objects.create(name=f"log() {time.time_ns()}", type="SIDEREAL")
    process = PipelineProcess.objects.create(identifier=f"floods_{target.pk}", target=target)
    begun = time.perf_counter()
    for number in range(count):
        process.log(f"Processing frame {number}")
    return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    asked = {"fill": fill, "log": log}[command]
    print(json.dumps(asked(*map(json.loads, arguments))))
