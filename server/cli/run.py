"""Runs from the command line: `python -m server timelapse …` and `python -m server run …`.

They go the way of every submit: over the API of the server that uses the data folder, or of one
that is started for as long as it takes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runners.pipeline.process import suffix_problem
from runners.timelapse.pipeline import Timelapse
from server.archive.file_names import uploaded_name
from server.cli.api_client import ApiClient, Refused
from server.cli.display import TerminalView
from server.cli.local_server import server_of
from server.config import find_file, load
from server.core.errors import InvalidInput, StartError

#: How a command ends; Ctrl-C ends any program with 130.
SUCCEEDED, FAILED, REFUSED, CANCELLED = 0, 1, 2, 130
POLL_SECONDS = 0.2
UPLOAD_PARTS = 50


def main(argv: Sequence[str]) -> int:
    """Make a run and follow it to its end; the exit status."""
    args = parser().parse_args(argv)
    options = {} if args.data is None else {"data": args.data}
    try:
        path = Path(args.config) if args.config is not None else find_file()
        config = load(path, os.environ, options)
        with server_of(config) as client:
            return _run(client, args)
    except (StartError, Refused, InvalidInput, OSError) as error:
        print(f"heliograph: {_words(error)}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return CANCELLED


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def parser() -> argparse.ArgumentParser:
    """What both commands take."""
    made = argparse.ArgumentParser(prog="heliograph", allow_abbrev=False)
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    film = commands.add_parser("timelapse", help="make a film of frames", allow_abbrev=False)
    film.set_defaults(pipeline="Timelapse")
    _add_common(film)
    for name, flag in (Timelapse.flags or {}).items():
        option = f"--{name.replace('_', '-')}"
        film.add_argument(
            option, dest="flags", action="append_const", const=name, help=flag["long_name"]
        )
    run = commands.add_parser("run", help="run a pipeline on files", allow_abbrev=False)
    run.add_argument("pipeline", metavar="PIPELINE", help="its name, as in /api/pipelines/")
    _add_common(run)
    run.add_argument("--flag", dest="flags", action="append", metavar="NAME", help="switch on")
    run.add_argument("--no-flag", dest="off", action="append", metavar="NAME", help="switch off")
    return made


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "target", metavar="TARGET", help="PK, identifier or name; with files, made when missing"
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=Path,
        help="files to upload first (default: all uploaded files of the target that fit)",
    )
    command.add_argument("--group", metavar="PK", type=int, help="the files of this group instead")
    command.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="copy what was made into this folder"
    )
    command.add_argument("--config", metavar="F", help="configuration (default: ./config.yml)")
    command.add_argument("--data", metavar="DIR", help="folder of all that the server keeps")
    command.set_defaults(flags=[], off=[])


def _run(client: ApiClient, args: argparse.Namespace) -> int:
    suffixes = suffixes_of(client, args.pipeline)
    for path in args.files:  # before anything is made, say what is wrong
        path.open("rb").close()
        uploaded_name(path.name)
        if problem := suffix_problem(suffixes, path.name):
            raise Refused(None, problem)
    with TerminalView() as view:
        target = find_target(client, args.target, make=bool(args.files), say=view.say)
        products = _products(client, args, target, suffixes)
        flags = dict.fromkeys(args.flags or [], True) | dict.fromkeys(args.off or [], False)
        wanted = {"target": target, "pipeline": args.pipeline, "products": products}
        record = client.post("/api/processes/", wanted | {"flags": flags})
        record = follow(client, record, view)
        return _report(client, record, args.output, view.say)


def find_target(
    client: ApiClient, given: str, make: bool, say: Callable[[str], object] = print
) -> int:
    """The PK of the target that is meant. Raises Refused when there is none to be found or made."""
    if given.isascii() and given.isdigit():
        try:
            return int(client.get(f"/api/targets/{int(given)}/")["pk"])
        except Refused as error:
            if error.status != 404:
                raise
            raise Refused(404, f"There is no target {given}") from error
    found = list(client.all(f"/api/targets/?search={quote(given, safe='')}", "targets"))
    for field in ("identifier", "name"):
        same = [target["pk"] for target in found if target[field] == given]
        if len(same) == 1:
            return int(same[0])
        if same:
            raise Refused(None, f"Several targets are named {given}: give the identifier of one")
    if not make:
        raise Refused(None, f"There is no target {given}")
    made = client.post("/api/targets/", {"name": given})
    say(f"Target {made['identifier']} was made")
    return int(made["pk"])


def suffixes_of(client: ApiClient, pipeline: str) -> list[str]:
    """What the names of files may end in for a pipeline. Raises Refused for an unknown one."""
    known = {each["name"]: each for each in client.get("/api/pipelines/")["pipelines"]}
    if pipeline not in known:
        raise Refused(None, f"Unknown pipeline '{pipeline}' (known: {', '.join(sorted(known))})")
    return list(known[pipeline]["allowed_suffixes"])


def _products(
    client: ApiClient, args: argparse.Namespace, target: int, suffixes: list[str]
) -> list[int]:
    """The inputs: uploaded now, of a group, or what the target has that the pipeline takes."""
    if args.files:
        steps = range(0, len(args.files), UPLOAD_PARTS)
        parts = [args.files[start : start + UPLOAD_PARTS] for start in steps]
        return [pk for part in parts for pk in client.upload(target, part)]
    if args.group is not None:
        return _members(client, args.group)
    path = f"/api/targets/{target}/dataproducts/"
    return sorted(
        product["pk"]
        for product in client.all(path, "dataproducts")
        if product["process"] is None and not suffix_problem(suffixes, product["name"])
    )


def _members(client: ApiClient, group: int) -> list[int]:
    try:
        return list(client.get(f"/api/groups/{group}/")["products"])
    except Refused as error:
        if error.status != 404:
            raise
        raise Refused(404, f"There is no group {group}") from error


def follow(client: ApiClient, record: dict[str, Any], view: TerminalView) -> dict[str, Any]:
    """Show a process until it has ended; Ctrl-C cancels it. The record of its end."""
    path, line = f"/api/processes/{record['pk']}/", 0
    while True:
        try:
            record = client.get(path)
            view.record(record)
            page = client.get(f"{path}logs/?after={line}&limit=10000")
            for entry in page["lines"]:
                view.line(entry)
            line = page["next"]
            if page["ended"] and line >= record["log_lines"] and record["terminal_timestamp"]:
                return record
            if not page["lines"]:
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            view.say("Cancelling; once more to leave at once", "yellow")
            try:
                client.post(f"{path}cancel/")
            except Refused as error:
                if error.status != 409:  # it has ended meanwhile
                    raise


def _report(
    client: ApiClient, record: dict[str, Any], folder: Path | None, say: Callable[..., object]
) -> int:
    """Say how it ended, and copy what it made; the exit status."""
    if record["state"] != "succeeded":
        say(f"{record['identifier']} {record['state']}: {record['failure_message']}", "red")
        return CANCELLED if record["state"] == "cancelled" else FAILED
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    say(f"{record['identifier']} succeeded", "green")
    for pk in record["outputs"]:
        product = client.get(f"/api/dataproducts/{pk}/")
        where = f"data product {pk}"
        if folder is not None:
            path = folder / product["name"]
            client.download(product["url"], path)
            where = str(path)
        say(f"Created {product['name']} ({product['size']:,} bytes): {where}")
    return SUCCEEDED
