"""`heliograph token add|list|revoke`: the named tokens, beside a running server or without one."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from server.access.token_file import TokenFile
from server.access.tokens import Token, TokenProblem, TokenStore, make_token
from server.cli.exit_status import ExitStatus
from server.cli.options import add_common_options, load_config
from server.config import Config
from server.core.errors import AlreadyTaken, HeliographError
from server.operations.start_checks import check_complete
from server.store.access.tokens import Tokens
from server.store.driver.connection import Database
from server.store.installation import Installation

NEVER = "-"


def main(argv: Sequence[str]) -> int:
    """Do what is asked, and return the exit status."""
    args = parser().parse_args(argv)
    work: Callable[[TokenStore, argparse.Namespace], Awaitable[None]] = args.work
    try:
        asyncio.run(_on_store(load_config(args), lambda store: work(store, args)))
    except HeliographError as error:
        print(f"heliograph: {error}", file=sys.stderr)
        return ExitStatus.NOT_STARTED
    return ExitStatus.SUCCEEDED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say in one sentence what is wrong with the arguments, and exit."""
        self.exit(ExitStatus.NOT_STARTED, f"heliograph: {message}; see `{self.prog} --help`\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser. What names, roles and days may be is checked by `server.access`."""
    made = _Parser(prog="heliograph", allow_abbrev=False)
    token = made.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "token", help="add, list and revoke named tokens", allow_abbrev=False
    )
    commands = token.add_subparsers(required=True, metavar="add|list|revoke")
    add = commands.add_parser(
        "add", help="make a token and print its secret, once", allow_abbrev=False
    )
    add.add_argument("name", metavar="NAME", help="whose it is, as logs and records show it")
    add.add_argument("--role", required=True, metavar="ROLE", help="viewer, operator or admin")
    add.add_argument("--expires", metavar="DAYS", help="for how many days (default: for ever)")
    add.set_defaults(work=_add)
    listing = commands.add_parser("list", help="list all tokens", allow_abbrev=False)
    listing.set_defaults(work=_list)
    revoke = commands.add_parser("revoke", help="end a token", allow_abbrev=False)
    revoke.add_argument("name", metavar="NAME", help="as `token list` shows it")
    revoke.set_defaults(work=_revoke)
    for command in (add, listing, revoke):
        add_common_options(command)
    return made


async def _on_store(config: Config, work: Callable[[TokenStore], Awaitable[None]]) -> None:
    """Do the work on what keeps the tokens; make the data folder where there is none."""
    try:
        await asyncio.to_thread(config.data.mkdir, 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TokenProblem(
            f"The data folder {config.data} cannot be used: {error.strerror}"
        ) from error
    if config.mongodb.uri is None:
        await work(TokenFile(config.data))
        return
    database = await Database.open(config.mongodb.uri, config.mongodb.database)
    try:
        await _check_complete(database)
        await work(Tokens(database))
    finally:
        database.close()


async def _check_complete(database: Database) -> None:
    """Refuse a database that is being filled: what is changed there would not stay."""
    facts = await Installation(database).get()
    if facts is not None:
        check_complete(facts)


async def _add(store: TokenStore, args: argparse.Namespace) -> None:
    token, secret = make_token(args.name, args.role, args.expires, time.time())
    try:
        await store.insert(token)
    except AlreadyTaken as error:
        raise TokenProblem(
            f"There is a token {args.name} already; revoke it first, or take another name"
        ) from error
    print(secret)


async def _list(store: TokenStore, _args: argparse.Namespace) -> None:
    rows = [("NAME", "ROLE", "CREATED", "EXPIRES", "LAST USED")]
    for token in sorted(await store.all(), key=lambda each: each.name):
        times = (_day(token.created), _end(token), _day(token.used))
        rows.append((token.name, token.role, *times))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


async def _revoke(store: TokenStore, args: argparse.Namespace) -> None:
    if not await store.delete(args.name):
        raise TokenProblem("There is no token of this name; `heliograph token list` shows all")
    print(f"Token {args.name} is revoked")
    if not await store.all():
        print(
            "No named token is left. A running server goes on asking for one; started again on a "
            "loopback address and without http.tokens, it is open to all who reach it",
            file=sys.stderr,
        )


def _day(seconds: float | None) -> str:
    if seconds is None:
        return NEVER
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _end(token: Token) -> str:
    over = token.expires is not None and token.expires <= time.time()
    return _day(token.expires) + (" (over)" if over else "")
