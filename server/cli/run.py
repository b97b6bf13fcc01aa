"""Single runs from the command line: `python -m server timelapse …` and `python -m server run …`.

Like every run they are submitted over the API, either of the server that uses the data folder or
of one that is started for the purpose.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runners.pipeline.process import suffix_problem
from runners.timelapse.pipeline import STRETCH_NAMES, Timelapse
from server.archive.files.names import uploaded_name
from server.cli.api_client import ApiClient, Refused
from server.cli.display import TerminalView
from server.cli.exit_status import ExitStatus
from server.cli.folders import files_of, sentences, target_name
from server.cli.local_server import server_of
from server.cli.options import add_common_options, load_config
from server.core.errors import InvalidInput, StartError

POLL_SECONDS = 0.2
UPLOAD_PARTS = 50


def main(argv: Sequence[str]) -> int:
    """Submit a run, follow it to its end, and return the exit status."""
    args = parser().parse_args(argv)
    try:
        with server_of(load_config(args)) as client:
            return _run(client, args)
    except (StartError, Refused, InvalidInput, OSError) as error:
        print(f"heliograph: {_sentence(error)}", file=sys.stderr)
        return ExitStatus.NOT_STARTED
    except KeyboardInterrupt:
        return ExitStatus.CANCELLED


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def parser() -> argparse.ArgumentParser:
    """Return the parser of both commands."""
    made = argparse.ArgumentParser(prog="heliograph", allow_abbrev=False)
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    film = commands.add_parser("timelapse", help="make a film from frames", allow_abbrev=False)
    film.set_defaults(pipeline="Timelapse")
    _add_common(film)
    stretches = {name: f"{name}_stretch" for name in STRETCH_NAMES}
    for name, flag in (Timelapse.flags or {}).items():
        if name not in stretches.values():
            option = f"--{name.replace('_', '-')}"
            film.add_argument(
                option, dest="flags", action="append_const", const=name, help=flag["long_name"]
            )
    film.add_argument(
        "--stretch",
        choices=list(stretches),
        help="how brightness is shown (default: timelapse.stretch of the configuration)",
    )
    run = commands.add_parser("run", help="run a pipeline on files", allow_abbrev=False)
    run.add_argument(
        "pipeline", metavar="PIPELINE", help="name of the pipeline, as in /api/pipelines/"
    )
    _add_common(run)
    run.add_argument(
        "--flag", dest="flags", action="append", metavar="NAME", help="switch a flag on"
    )
    run.add_argument(
        "--no-flag", dest="off", action="append", metavar="NAME", help="switch a flag off"
    )
    return made


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "target",
        metavar="TARGET",
        help="PK, identifier or name; created if it is new and files are given. A folder alone "
        "is used with a target of its name",
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=Path,
        help="files to upload and use, or folders with such files (default: all uploaded files of "
        "the target that fit)",
    )
    command.add_argument(
        "--group", metavar="PK", type=int, help="use the files of this group instead"
    )
    command.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="copy the outputs into this folder"
    )
    add_common_options(command)
    command.set_defaults(flags=[], off=[], stretch=None)


def _run(client: ApiClient, args: argparse.Namespace) -> int:
    args.pipeline, suffixes = pipeline_of(client, args.pipeline)
    if not args.files and args.group is None and _is_folder_alone(client, args.target):
        folder = Path(args.target)
        args.target, args.files = target_name(folder), [folder]
    given = bool(args.files)
    args.files, unused = files_of(args.files, suffixes)
    for path in args.files:  # report what is wrong before anything is created
        path.open("rb").close()
        uploaded_name(path.name)
        if problem := suffix_problem(suffixes, path.name):
            raise Refused(problem)
    with TerminalView() as view:
        for sentence in sentences(unused):
            view.message(sentence, "yellow")
        if given and not args.files:
            raise Refused(f"There is no file that {args.pipeline} takes")
        target = find_target(client, args.target, create=given, report=view.message)
        products = _products(client, args, target, suffixes)
        chosen = [*(args.flags or []), *([f"{args.stretch}_stretch"] if args.stretch else [])]
        flags = dict.fromkeys(chosen, True) | dict.fromkeys(args.off or [], False)
        wanted = {"target": target, "pipeline": args.pipeline, "products": products}
        record = client.post("/api/processes/", wanted | {"flags": flags})
        record = follow(client, record, view)
        return _report(client, record, args.output, view.message)


def find_target(
    client: ApiClient, given: str, *, create: bool, report: Callable[[str], object] = print
) -> int:
    """Return the PK of the target with this PK, identifier or name, or of a new one.

    Raise Refused when several have the name, or none and none is to be created.
    """
    if given.isascii() and given.isdigit():
        try:
            return int(client.get(f"/api/targets/{int(given)}/")["pk"])
        except Refused as error:
            if error.status != 404:
                raise
            raise Refused(f"There is no target {given}", status=404) from error
    found = list(client.all(f"/api/targets/?search={quote(given, safe='')}", "targets"))
    for field in ("identifier", "name"):
        same = [target["pk"] for target in found if target[field] == given]
        if len(same) == 1:
            return int(same[0])
        if same:
            raise Refused(f"Several targets are named {given}: give the identifier of one")
    if not create:
        raise Refused(f"There is no target {given}", status=404)
    made = client.post("/api/targets/", {"name": given})
    report(f"Target {made['identifier']} was made")
    return int(made["pk"])


def _is_folder_alone(client: ApiClient, given: str) -> bool:
    """Return whether what should be a target is none, but a folder."""
    if not Path(given).is_dir():
        return False
    try:
        find_target(client, given, create=False)
    except Refused as error:
        if error.status != 404:
            raise
        return True
    return False


def pipeline_of(client: ApiClient, given: str) -> tuple[str, list[str]]:
    """Return the name of a pipeline, in whatever case it is given, and the suffixes it accepts.

    Raise Refused if it is unknown.
    """
    known = {each["name"]: each for each in client.get("/api/pipelines/")["pipelines"]}
    alike = [name for name in known if name.casefold() == given.casefold()]
    if given not in known and len(alike) != 1:
        raise Refused(f"Unknown pipeline '{given}' (known: {', '.join(sorted(known))})")
    name = given if given in known else alike[0]
    return name, list(known[name]["allowed_suffixes"])


def _products(
    client: ApiClient, args: argparse.Namespace, target: int, suffixes: list[str]
) -> list[int]:
    """Return the PKs of the inputs: files uploaded now, a group, or all uploads that fit."""
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
        raise Refused(f"There is no group {group}", status=404) from error


def follow(client: ApiClient, record: dict[str, Any], view: TerminalView) -> dict[str, Any]:
    """Show a process until it has ended, and return its last record. Ctrl-C cancels it."""
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
            view.message("Cancelling; once more to leave at once", "yellow")
            try:
                client.post(f"{path}cancel/")
            except Refused as error:
                if error.status != 409:  # it has ended meanwhile
                    raise


def _report(
    client: ApiClient, record: dict[str, Any], folder: Path | None, report: Callable[..., object]
) -> int:
    """Report how the run ended, copy its outputs, and return the exit status."""
    if record["state"] != "succeeded":
        report(f"{record['identifier']} {record['state']}: {record['failure_message']}", "red")
        return ExitStatus.CANCELLED if record["state"] == "cancelled" else ExitStatus.FAILED
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    report(f"{record['identifier']} succeeded", "green")
    unaligned = _unaligned(client, record)
    if unaligned:
        report(unaligned, "yellow")
    for pk in record["outputs"]:
        product = client.get(f"/api/dataproducts/{pk}/")
        where = f"data product {pk}"
        if folder is not None:
            path = folder / product["name"]
            client.download(product["url"], path)
            where = str(path)
        report(f"Created {product['name']} ({product['size']:,} bytes): {where}")
    return ExitStatus.NOT_ALIGNED if unaligned else ExitStatus.SUCCEEDED


def _unaligned(client: ApiClient, record: dict[str, Any]) -> str | None:
    """Return how many frames of a film could not be aligned, in a sentence, None if all could."""
    if record["process_type"] != "timelapse" or not record["flags"].get("align"):
        return None
    frames = client.get(f"/api/processes/{record['pk']}/frames/")["frames"]
    count = sum(frame["shift"] is None for frame in frames)
    return f"Not aligned: {count} of {len(frames)} frames" if count else None
