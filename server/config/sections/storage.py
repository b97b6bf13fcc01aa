"""Where records and files are kept, and what is kept ready beside them."""

from __future__ import annotations

import dataclasses
import re

from server.config.rules import boolean, integer, nullable, number, setting, size, text

SECRET_FILE = nullable(text("the path of a file", bool), "none")
DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MongoDB:
    """Which database keeps the records."""

    uri: str | None = setting(
        None,
        nullable(
            text(
                "a text that starts with mongodb:// or mongodb+srv://",
                lambda uri: uri.startswith(("mongodb://", "mongodb+srv://")),
                secret=True,
            ),
            "the embedded engine",
        ),
        "MongoDB to keep everything in; the embedded engine keeps it in the data folder",
    )
    uri_file: str | None = setting(
        None, SECRET_FILE, "file that holds the URI, so that no environment and no key does"
    )
    database: str = setting(
        "heliograph",
        text("1 to 63 ASCII letters, digits, _ and -", DATABASE.fullmatch),
        "name of the database in MongoDB",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """Where the bytes of data products are stored."""

    url: str | None = setting(
        None,
        nullable(
            text(
                "an fsspec URL such as s3://bucket/folder, or an absolute path",
                lambda url: url.startswith("/") or re.match(r"[a-z0-9+.-]+:/", url),
                secret=True,
            ),
            "the folder `files` in the data folder",
        ),
        "storage of the files",
    )
    url_file: str | None = setting(
        None, SECRET_FILE, "file that holds the URL, for one with a password in it"
    )
    timeout_seconds: float = setting(
        30.0,
        number(1, 3600),
        "time in which a remote storage must answer; then it counts as away",
    )
    redirect: bool = setting(
        False,
        boolean(),
        "whether downloads are redirected to signed URLs of the storage, where it has them (S3)",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uploads:
    """What an upload may be."""

    limit_bytes: int = setting(2 * 1024**3, size(), "largest file that can be uploaded")
    limit_parts: int = setting(100, integer(1, 10_000), "most parts that one upload can have")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cache:
    """What is kept to answer faster."""

    log_bytes: int = setting(64 * 1024**2, size(0), "memory for the logs read last")
    preview_bytes: int = setting(
        1024**3, size(0), "disk for pictures of data products; those unused for longest go first"
    )
