"""`heliograph check`: look at everything that a server needs, and say what is wrong.

Nothing is changed. It works beside a running server, which is asked whether it is ready; all else
is read from where that server reads it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from runners.execution.pool import Pool, WarmUpFailed
from runners.execution.registry import BUILT_IN
from server.app.connections.tls import load
from server.cli.api_client import ApiClient, Refused
from server.cli.commands import ProgressLine, new_parser, sentence_of
from server.cli.exit_status import ExitStatus
from server.cli.local_server import reachable
from server.cli.options import add_common_options, load_config
from server.config import Config
from server.config.sources import remove_variables
from server.core.disk.data_folder import announced, announced_certificate
from server.core.errors import HeliographError, StartError
from server.core.records import PipelineDescription
from server.operations.checks.access import check_tokens
from server.operations.checks.database import check_database, check_identity, check_indexes
from server.operations.checks.machine import check_data_folder, check_open_files, check_room
from server.operations.checks.results import Level, Result, ok, problem, warning
from server.operations.checks.storage import check_files, check_storage
from server.operations.checks.subject import Subject
from server.processes.bounds import isolation_in_force
from server.processes.pipelines import find_pipelines


class Check(NamedTuple):
    """A subject by its name, and what looks at it; a HeliographError raised there is a problem."""

    name: str
    look: Callable[[Subject], Iterable[Result]]


def check_server(subject: Subject) -> Iterator[Result]:
    """Ask the server that uses the data folder, if there is one, whether it is ready."""
    if not subject.running:
        yield ok("none is running on this data folder")
        return
    address = announced(subject.config.data)
    if address is None:
        yield warning("one uses the data folder and has not told its address yet")
        return
    client = ApiClient(reachable(address), certificate=announced_certificate(subject.config.data))
    try:
        with contextlib.closing(client):
            client.get("/readyz")
    except Refused as error:
        yield problem(f"the one at {address} is not ready: {error}")
    else:
        yield ok(f"the one at {address} is ready")


def check_tls(subject: Subject) -> Iterator[Result]:
    """Look whether certificate and key can be used, where the server is to speak HTTPS."""
    tls = subject.config.http.tls
    if tls.certificate is not None and tls.key is not None:
        load(tls.certificate, tls.key)
        yield ok("certificate and key can be used")


def check_isolation(subject: Subject) -> Iterator[Result]:
    """Look at what runs are kept from; what is set and not in force is a warning."""
    for finding in isolation_in_force(subject.config):
        yield warning(finding.sentence) if finding.wanting else ok(finding.sentence)


def check_pipelines(subject: Subject) -> Iterator[Result]:
    """Import and describe each pipeline, as a start does."""
    try:
        described = asyncio.run(_described(subject.config))
    except WarmUpFailed as error:
        yield problem(f"no run could start here: {error}")
        return
    for name, each in sorted(described.items()):
        if each.error is None:
            yield ok(f"{name} can run")
        elif each.path in BUILT_IN.values():
            yield warning(f"{name} cannot run: {each.error}")
        else:
            yield problem(f"{name} cannot run: {each.error}")


async def _described(config: Config) -> dict[str, PipelineDescription]:
    # What an author's module can see holds no secret, as at a start.
    remove_variables(os.environ)
    pool = Pool(1)
    with _output_to_errors():
        try:
            await pool.start()
            return await find_pipelines(config, pool)
        finally:
            pool.close()


@contextlib.contextmanager
def _output_to_errors() -> Iterator[None]:
    """Let children print to standard error: standard output is the report's alone."""
    sys.stdout.flush()
    output, errors = 1, 2
    kept = os.dup(output)
    os.dup2(errors, output)
    try:
        yield
    finally:
        os.dup2(kept, output)
        os.close(kept)


#: All checks, in the order of the report. A new one is one line here.
CHECKS: Sequence[Check] = (
    Check("data folder", check_data_folder),
    Check("server", check_server),
    Check("database", check_database),
    Check("indexes", check_indexes),
    Check("storage", check_storage),
    Check("database and files", check_identity),
    Check("files", check_files),
    Check("tokens", check_tokens),
    Check("TLS", check_tls),
    Check("free space", check_room),
    Check("open files", check_open_files),
    Check("isolation", check_isolation),
    Check("pipelines", check_pipelines),
)


def main(argv: Sequence[str]) -> int:
    """Check everything and return the exit status: 1 if there is a problem."""
    parser = new_parser(
        "check",
        "Check configuration, database, files, disk and pipelines. Nothing is changed; a server "
        "may be running.",
    )
    parser.add_argument(
        "--files", action="store_true", help="read every stored file and compare its checksum"
    )
    add_common_options(parser)
    args = parser.parse_args(argv[1:])
    try:
        config = load_config(args)
    except StartError as error:
        results = [problem(line) for line in str(error).splitlines()]
        return _report([("configuration", result) for result in results])
    try:
        return _report(_results(config, args))
    except KeyboardInterrupt:
        return ExitStatus.CANCELLED


def _results(config: Config, args: argparse.Namespace) -> Iterator[tuple[str, Result]]:
    progress = ProgressLine()
    subject = Subject(config, progress, every_byte=args.files)
    yield "configuration", ok("it can be used")
    for check in CHECKS:
        try:
            for result in check.look(subject):
                progress.clear()
                yield check.name, result
        except (HeliographError, OSError) as error:
            progress.clear()
            yield check.name, problem(sentence_of(error))


def _report(results: Iterable[tuple[str, Result]]) -> int:
    """Print the results as they come, and return the exit status."""
    counts = dict.fromkeys(Level, 0)
    for name, result in results:
        counts[result.level] += 1
        print(f"{result.level:<8} {name}: {result.text}", flush=True)
    problems, warnings = counts[Level.PROBLEM], counts[Level.WARNING]
    print(f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    sys.stdout.flush()
    return ExitStatus.FAILED if problems else ExitStatus.SUCCEEDED
