"""What schemathesis asks, as each kind of caller: statuses, types and schemas as described."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "tests" / "integration" / "api" / "schemathesis.toml"
#: About how many requests there are for each `--max-examples`, and how many there are besides in
#: the phases that do not depend on it, which are left out where only a few are wanted.
PER_EXAMPLE, BESIDES = 65, 1_100
ALL, SHORT = "examples,coverage,fuzzing,stateful", "fuzzing"
RUN_SECONDS = 7_200


class Asking(Protocol):
    """A kind of caller."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def secret(self) -> str | None:
        """What it sends, None for nothing."""


class Asked(Protocol):
    """A server."""

    @property
    def url(self) -> str:
        """The address without a trailing slash."""

    token: str | None


@dataclass
class Described:
    """How many requests there were, and what they found."""

    requests: int = 0
    faults: list[str] = field(default_factory=list)


def describe_requests(
    server: Asked, callers: Sequence[Asking], requests: int, seed: int
) -> Described:
    """Let schemathesis send about so many requests, an equal share as each caller."""
    found = Described()
    share = requests // len(callers)
    phases, share = (ALL, share - BESIDES) if share > 2 * BESIDES else (SHORT, share)
    for caller in callers:
        _ask(server, caller, max(1, share // PER_EXAMPLE), phases, seed, found)
    return found


def _ask(
    server: Asked, caller: Asking, examples: int, phases: str, seed: int, found: Described
) -> None:
    headers = [] if caller.secret is None else ["-H", f"Authorization: Bearer {caller.secret}"]
    with tempfile.NamedTemporaryFile(suffix=".json") as document:
        document.write(_document(server))
        document.flush()
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run",
             document.name, "--url", server.url, "--seed", str(seed), "--workers", "1",
             "--max-examples", str(examples), "--phases", phases, "--continue-on-failure",
             *headers],
            cwd=ROOT,
            env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )  # fmt: skip
    generated = re.search(r"(\d+) generated", done.stdout)
    found.requests += int(generated[1]) if generated else 0
    if done.returncode != 0:
        faults = done.stdout.partition("FAILURES")[2] or done.stdout
        faults = faults.partition("= WARNINGS")[0].strip(" =\n")
        found.faults.append(f"{caller.name}, schemathesis: {faults[:3_000]}")


def _document(server: Asked) -> bytes:
    request = urllib.request.Request(f"{server.url}/api/openapi.json")
    request.add_header("Authorization", f"Bearer {server.token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        body: bytes = answer.read()
    return body
