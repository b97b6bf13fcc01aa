"""A small site of tom_education, made here: its database, with the tables of 1.1.9, and its media.

It is made as Django makes it: times are texts in UTC without a zone, truth values are numbers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: When everything of a site happened that says nothing else, in UTC.
FIRST = datetime(2019, 7, 22, 16, 39, 20, 500_000, tzinfo=UTC)

_KEY = '"id" integer NOT NULL PRIMARY KEY AUTOINCREMENT'
_NUMBERS = (
    "ra", "dec", "epoch", "parallax", "pm_ra", "pm_dec", "galactic_lng", "galactic_lat", "distance",
    "distance_err", "mean_anomaly", "arg_of_perihelion", "eccentricity", "lng_asc_node",
    "inclination", "mean_daily_motion", "semimajor_axis", "ephemeris_period",
    "ephemeris_period_err", "ephemeris_epoch", "ephemeris_epoch_err", "epoch_of_perihelion",
    "perihdist", "epoch_of_elements",
)  # fmt: skip
SCHEMA = f"""
CREATE TABLE "django_migrations" ({_KEY}, "app" varchar(255) NOT NULL,
    "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
CREATE TABLE "auth_user" ({_KEY}, "password" varchar(128) NOT NULL, "username" varchar(150));
CREATE TABLE "tom_targets_target" ({_KEY}, "name" varchar(100) NOT NULL UNIQUE,
    "type" varchar(100) NOT NULL, "created" datetime NOT NULL, "modified" datetime NOT NULL,
    {", ".join(f'"{name}" real NULL' for name in _NUMBERS)}, "scheme" varchar(50) NOT NULL);
CREATE TABLE "tom_targets_targetextra" ({_KEY}, "key" varchar(200) NOT NULL,
    "target_id" integer NOT NULL, "bool_value" bool NULL, "float_value" real NULL,
    "time_value" datetime NULL, "value" text NOT NULL);
CREATE TABLE "tom_targets_targetname" ({_KEY}, "name" varchar(100) NOT NULL UNIQUE,
    "created" datetime NOT NULL, "modified" datetime NOT NULL, "target_id" integer NOT NULL);
CREATE TABLE "tom_dataproducts_dataproductgroup" ({_KEY}, "name" varchar(200) NOT NULL,
    "created" datetime NOT NULL, "modified" datetime NOT NULL);
CREATE TABLE "tom_dataproducts_dataproduct" ({_KEY}, "product_id" varchar(255) NULL UNIQUE,
    "data" varchar(100) NULL, "extra_data" text NOT NULL, "created" datetime NOT NULL,
    "modified" datetime NOT NULL, "featured" bool NOT NULL, "observation_record_id" integer NULL,
    "target_id" integer NOT NULL, "thumbnail" varchar(100) NULL,
    "data_product_type" varchar(50) NOT NULL);
CREATE TABLE "tom_dataproducts_dataproduct_group" ({_KEY}, "dataproduct_id" integer NOT NULL,
    "dataproductgroup_id" integer NOT NULL);
CREATE INDEX "members" ON "tom_dataproducts_dataproduct_group" ("dataproductgroup_id");
CREATE INDEX "groups" ON "tom_dataproducts_dataproduct_group" ("dataproduct_id");
CREATE TABLE "tom_dataproducts_reduceddatum" ({_KEY}, "source_name" varchar(100) NOT NULL,
    "source_location" varchar(200) NOT NULL, "timestamp" datetime NOT NULL, "value" text NOT NULL,
    "data_product_id" integer NULL, "target_id" integer NOT NULL,
    "data_type" varchar(100) NOT NULL);
CREATE TABLE "tom_education_asyncprocess" ({_KEY}, "created" datetime NOT NULL,
    "status" varchar(50) NOT NULL, "terminal_timestamp" datetime NULL,
    "failure_message" varchar(255) NOT NULL, "target_id" integer NULL,
    "process_type" varchar(100) NULL, "identifier" varchar(100) NOT NULL UNIQUE);
CREATE TABLE "tom_education_pipelineprocess" (
    "asyncprocess_ptr_id" integer NOT NULL PRIMARY KEY, "logs" text NULL, "flags_json" text NULL,
    "group_id" integer NULL);
CREATE INDEX "of_groups" ON "tom_education_pipelineprocess" ("group_id");
CREATE TABLE "tom_education_pipelineprocess_input_files" ({_KEY},
    "pipelineprocess_id" integer NOT NULL, "dataproduct_id" integer NOT NULL);
CREATE INDEX "inputs" ON "tom_education_pipelineprocess_input_files" ("pipelineprocess_id");
"""


def written(time: float | datetime) -> str:
    """Return a time as Django writes it into SQLite."""
    if not isinstance(time, datetime):
        time = datetime.fromtimestamp(time, UTC)
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def fits_bytes(seed: int) -> bytes:
    """Return a small FITS file (FITS standard 4.0, section 4): an image of 16 by 12 pixels."""
    cards = {
        "SIMPLE": "T", "BITPIX": 16, "NAXIS": 2, "NAXIS1": 16, "NAXIS2": 12,
        "DATE-OBS": f"'2019-07-22T16:{seed % 60:02d}:00'", "FILTER": "'V'", "EXPTIME": 30.0,
    }  # fmt: skip
    lines = [f"{name:<8}= {value:>20}" for name, value in cards.items()]
    header = "".join(f"{line:<80}" for line in [*lines, "END"]).ljust(2880)
    pixels = b"".join(struct.pack(">h", (seed * 31 + at) % 997) for at in range(16 * 12))
    return header.encode() + pixels.ljust(2880, b"\0")


@dataclass
class TomSite:
    """A site in a folder: `db.sqlite3`, and `data` with its media."""

    folder: Path
    #: when the site was set up, which tells it from others
    applied: str = "2019-07-01 08:00:00.123456"
    _seconds: float = field(default=0.0)

    def __post_init__(self) -> None:
        if self.database.exists():  # a copy of one that was made before
            return
        self.media.mkdir(parents=True)
        with self.changing() as connection:
            connection.executescript(SCHEMA)
        self.add("django_migrations", app="contenttypes", name="0001_initial", applied=self.applied)
        self.add("auth_user", password="pbkdf2_sha256$x", username="admin")

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "db.sqlite3"

    @property
    def media(self) -> Path:
        """The media folder."""
        return self.folder / "data"

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that changes the database."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            yield connection
            connection.commit()

    def add(self, table: str, **fields: Any) -> int:
        """Insert a row and return its PK."""
        with self.changing() as connection:
            return insert(connection, table, fields)

    def change(self, statement: str, *values: Any) -> None:
        """Change rows."""
        with self.changing() as connection:
            connection.execute(statement, values)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]

    def now(self) -> str:
        """Return the next time, a little later than the one before."""
        self._seconds += 0.123457
        return written(FIRST.timestamp() + self._seconds)

    def target(self, name: str, extras: dict[str, Any] | None = None, **fields: Any) -> int:
        """Add a target."""
        now = self.now()
        default = {"type": "SIDEREAL", "created": now, "modified": now, "scheme": ""}
        pk = self.add("tom_targets_target", name=name, **default | fields)
        for key, value in (extras or {}).items():
            self.add("tom_targets_targetextra", target_id=pk, key=key, **_extra(value))
        return pk

    def product(
        self,
        target: int,
        name: str,
        content: bytes | None = b"a,b\n",
        *,
        data: str | None = None,
        groups: Iterable[int] = (),
        **fields: Any,
    ) -> int:
        """Add a product and, unless its content is None, its file."""
        folder = next(row["name"] for row in self.rows("tom_targets_target") if row["id"] == target)
        path = f"{folder}/none/{name}" if data is None else data
        if content is not None:
            (self.media / path).parent.mkdir(parents=True, exist_ok=True)
            (self.media / path).write_bytes(content)
        now = self.now()
        default = {
            "data": path, "extra_data": "", "created": now, "modified": now, "featured": 0,
            "thumbnail": "", "data_product_type": "", "target_id": target,
        }  # fmt: skip
        pk = self.add("tom_dataproducts_dataproduct", **default | fields)
        for group in groups:
            self.member(pk, group)
        return pk

    def member(self, product: int, group: int) -> None:
        """Put a product into a group."""
        self.add(
            "tom_dataproducts_dataproduct_group", dataproduct_id=product, dataproductgroup_id=group
        )

    def group(self, name: str) -> int:
        """Add a group."""
        now = self.now()
        return self.add("tom_dataproducts_dataproductgroup", name=name, created=now, modified=now)

    def process(
        self,
        target: int | None,
        identifier: str,
        *,
        inputs: Iterable[int] = (),
        logs: str | None = None,
        flags_json: str | None = None,
        group: int | None = None,
        **fields: Any,
    ) -> int:
        """Add a process that has ended well, unless the fields say something else."""
        default = {
            "created": self.now(), "status": "created", "terminal_timestamp": self.now(),
            "failure_message": "", "target_id": target, "process_type": "PipelineProcess",
        }  # fmt: skip
        pk = self.add("tom_education_asyncprocess", identifier=identifier, **default | fields)
        self.add(
            "tom_education_pipelineprocess",
            asyncprocess_ptr_id=pk, logs=logs, flags_json=flags_json, group_id=group,
        )  # fmt: skip
        for product in inputs:
            table = "tom_education_pipelineprocess_input_files"
            self.add(table, pipelineprocess_id=pk, dataproduct_id=product)
        return pk

    def datum(self, target: int, value: Any, **fields: Any) -> int:
        """Add a measurement, or a text."""
        default = {
            "source_name": "lco", "source_location": "", "timestamp": self.now(),
            "value": value if isinstance(value, str) else json.dumps(value),
            "target_id": target, "data_type": "photometry",
        }  # fmt: skip
        return self.add("tom_dataproducts_reduceddatum", **default | fields)

    def contents(self) -> dict[str, tuple[str, int, int]]:
        """Return checksum, permissions and time of change of all files, for comparisons."""
        found = {}
        for path in sorted(each for each in self.folder.rglob("*") if each.is_file()):
            facts = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            name = str(path.relative_to(self.folder))
            found[name] = (digest, facts.st_mode, facts.st_mtime_ns)
        return found


def insert(connection: sqlite3.Connection, table: str, fields: dict[str, Any]) -> int:
    """Insert a row and return its PK."""
    names = ", ".join(f'"{name}"' for name in fields)
    marks = ", ".join("?" * len(fields))
    statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'
    return connection.execute(statement, list(fields.values())).lastrowid or 0


def copy_of(site: TomSite, folder: Path) -> TomSite:
    """Copy a site."""
    shutil.copytree(site.folder, folder)
    return TomSite(folder, site.applied, site._seconds)


def small_site(folder: Path) -> TomSite:
    """Make a site with two targets: frames, runs, films, groups, and measurements."""
    site = TomSite(folder)
    names = {"M 13": 250.42, "Proxima Centauri b; the planet (\u03b1 Cen C)": 217.4}
    for target_name, ra in names.items():
        extras = {"mission": "LCO", "mag": 5.8, "active": True}
        target = site.target(target_name, extras, ra=ra, dec=-30.0, epoch=2000.0)
        _fill(site, target, target_name)
    site.target("Gone", ra=1.0, dec=2.0)
    site.change("DELETE FROM tom_targets_target WHERE name = 'Gone'")
    return site


def _fill(site: TomSite, target: int, name: str) -> None:
    good = site.group(f"Good quality data {name}")
    frames = [
        site.product(
            target, f"frame{number}.fits", fits_bytes(number), groups=[good],
            product_id=f"{name}-{number}", data_product_type="fits_file",
        )
        for number in range(3)
    ]  # fmt: skip
    log = "".join(f"Processing {number}\n" for number in range(10))
    site.process(
        target, f"dummy_{target}_20190722163920", inputs=frames, logs=log, status="failed",
        failure_message="All stars removed", flags_json='{"deep": true, "fast": false}',
    )  # fmt: skip
    for kind, identifier, suffix, logs in (
        ("PipelineProcess", f"dummy_{target}_20190722163921", "csv", f"{log}no end \u03b1"),
        ("TimelapsePipeline", f"tl_{target}_20190722164000", "gif", None),
    ):
        group = site.group(f"{identifier}_outputs")
        site.product(
            target, f"{identifier}_t.{suffix}", b"GIF89a", groups=[group],
            product_id=f"{identifier}_t.{suffix}",
        )  # fmt: skip
        site.process(target, identifier, inputs=frames, logs=logs, group=group, process_type=kind)
    for number in range(5):
        value = {"magnitude": 12 + number / 10, "error": 0.01}
        site.datum(target, value, timestamp=f"2019-01-02 03:0{number}:00")


def _extra(value: Any) -> dict[str, Any]:
    """Return the columns that the toolkit fills for the value of an extra field."""
    number: float | None
    try:
        number = float(value)
    except ValueError:
        number = None
    return {"value": str(value), "float_value": number, "bool_value": bool(value)}
