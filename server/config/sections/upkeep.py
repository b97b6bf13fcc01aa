"""What the server does by itself: how long it keeps things, and whom it tells."""

from __future__ import annotations

import dataclasses
import re

from server.config.rules import choice, integer, list_of, nullable, number, setting, size, text

#: A mail address as far as it is checked: something, an @, a host.
ADDRESS = re.compile(r"[^@\s<>,;\"]{1,64}@[A-Za-z0-9.\[\]:-]{1,255}")
SMTP_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}", re.ASCII)
PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[!-~]*)?", re.ASCII)
MOST_DAYS = 36_500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retention:
    """How long what has ended is kept. Uploads are never removed."""

    process_days: float | None = setting(
        None,
        nullable(number(0, MOST_DAYS, above=True), "keeping all"),
        "days since its end after which a process is deleted, with its log and outputs",
    )
    log_days: float | None = setting(
        None,
        nullable(number(0, MOST_DAYS, above=True), "keeping all"),
        "days since its end after which the log of a process is deleted",
    )
    output_days: float | None = setting(
        None,
        nullable(number(0, MOST_DAYS, above=True), "keeping all"),
        "days since its end after which the outputs of a process are deleted",
    )
    free_bytes: int | None = setting(
        None,
        nullable(size(), "keeping none free"),
        "space to keep free on the disk of `data`: with less, processes are deleted, the one that"
        " ended first before the others",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mail:
    """Mails about runs that failed, sent over SMTP."""

    host: str | None = setting(
        None,
        nullable(text("a host name or an IP address", SMTP_HOST.fullmatch), "no mails"),
        "the mail server; with it, `mail.sender` and `mail.recipients` are needed",
    )
    port: int = setting(587, integer(1, 65535), "port of the mail server")
    security: str = setting(
        "starttls",
        choice("starttls", "tls", "none"),
        "how the connection is encrypted; a user and a password need encryption",
    )
    user: str | None = setting(
        None, nullable(text("a text", bool), "none"), "user for the mail server"
    )
    password: str | None = setting(
        None, nullable(text("a text", bool, secret=True), "none"), "password of this user"
    )
    password_file: str | None = setting(
        None,
        nullable(text("the path of a file", bool), "none"),
        "file with the password, in place of `mail.password`",
    )
    sender: str | None = setting(
        None,
        nullable(text("a mail address", ADDRESS.fullmatch), "none"),
        "address from which mails come",
    )
    recipients: tuple[str, ...] = setting(
        (), list_of(text("mail addresses", ADDRESS.fullmatch)), "addresses to which mails go"
    )
    url: str | None = setting(
        None,
        nullable(text("a URL such as https://heliograph.example", PUBLIC_URL.fullmatch), "none"),
        "address of this server as people know it, for the links in mails",
    )
