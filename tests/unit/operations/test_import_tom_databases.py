"""Old databases on a server, by SQLAlchemy: here with SQLite, whose dialect needs no server."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import NotDone
from server.operations.moving.tom import server_database
from server.operations.moving.tom.database import OldDatabase
from server.operations.moving.tom.opening import is_url, opened
from server.operations.moving.tom.server_database import opened_url
from server.operations.moving.tom.server_failures import connecting, reading
from server.operations.moving.tom.site import Site
from server.operations.moving.tom.values import excerpt, text
from tests.fakes.modules import Overlay
from tests.fakes.tom_site import TomSite, small_site

SECRET = "hunter2hunter2"


@pytest.fixture
def site(tmp_path: Path) -> TomSite:
    """Return the small site."""
    return small_site(tmp_path / "site")


@pytest.fixture
def database(site: TomSite) -> Iterator[OldDatabase]:
    """Yield its database as SQLAlchemy reads it."""
    pytest.importorskip("sqlalchemy")
    with opened_url(f"sqlite:///{site.database}") as database:
        yield database


def everything(database: OldDatabase) -> dict[str, Any]:
    """Return all that is read of a site."""
    site = Site(database)
    kinds = ("target", "dataproduct", "group", "processes")
    return {
        "id": site.id,
        "counts": [site.count(kind) for kind in kinds],
        "pks": [list(site.pks(kind)) for kind in kinds],
        "targets": list(site.targets()),
        "products": list(site.products()),
        "groups": list(site.groups()),
        "processes": list(site.processes()),
        "logs": [site.log(pk) for pk in site.pks("processes")],
        "data": list(site.data()),
        "makers": dict(site.makers(list(site.pks("dataproduct")))),
        "created": site.created_of([1, 2, 3]),
    }


def test_a_database_on_a_server_is_read_as_a_file_is(site: TomSite, database: OldDatabase) -> None:
    with opened(str(site.database)) as file:
        assert everything(database) == everything(file)
        assert Site(file).log_bytes() == Site(database).log_bytes() > 100
        assert (Site(file).last("target"), Site(database).last("target")) == (3, 2)


def test_a_path_and_the_url_of_a_file_are_read_directly(site: TomSite) -> None:
    assert not is_url(str(site.database))
    assert not is_url(f"sqlite:///{site.database}")
    assert is_url(f"postgresql+psycopg://tom:{SECRET}@localhost/tom")
    with opened(f"sqlite:///{site.database}") as database:
        assert Site(database).count("target") == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"nothing://tom:{SECRET}@localhost/tom", "not a URL that SQLAlchemy knows"),
        (f"postgresql+nothing://tom:{SECRET}@localhost/tom", "not a URL that SQLAlchemy knows"),
        (f"://tom:{SECRET}@localhost", "not a URL that SQLAlchemy knows"),
        (f"postgresql://tom:a@b:{SECRET}@localhost/tom", "not a URL that SQLAlchemy knows"),
        (f"postgresql:/tom:{SECRET}@localhost/tom", "neither a file that is there nor a URL"),
        (f"dbname=tom password={SECRET}", "neither a file that is there nor a URL"),
        (f"sqlite:///tom.db?passphrase={SECRET}", "neither a file that is there nor a URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_sentence_without_it(url: str, words: str) -> None:
    pytest.importorskip("sqlalchemy")
    with pytest.raises(NotDone) as raised, opened(url):
        pass
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_missing_driver_or_sqlalchemy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name}", name=name)

    monkeypatch.setattr(server_database, "importlib", Overlay(importlib, import_module=missing))
    with pytest.raises(NotDone) as raised, opened(f"mysql://tom:{SECRET}@localhost/tom"):
        pass
    assert "pip install 'heliograph[tom]'" in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_driver_that_is_not_installed_is_named() -> None:
    pytest.importorskip("sqlalchemy")
    with pytest.raises(NotDone) as raised, opened(f"oracle+cx_oracle://tom:{SECRET}@localhost/t"):
        pass
    assert "its driver is not installed: pip install cx_Oracle" in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_driver_that_is_not_called_as_its_module_is_named_as_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")

    def missing(url: str) -> Any:
        raise ImportError("No module named MySQLdb", name="MySQLdb")

    monkeypatch.setattr(
        server_database,
        "importlib",
        Overlay(importlib, import_module=lambda name: Overlay(sqlalchemy, create_engine=missing)),
    )
    with pytest.raises(NotDone, match=r"pip install pymysql, .* with mysql\+pymysql://"):
        opened_url(f"mysql://tom:{SECRET}@localhost/tom").__enter__()


def test_a_driver_for_asynchronous_programs_is_refused() -> None:
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg")
    url = f"postgresql+psycopg_async://tom:{SECRET}@localhost/tom"
    with pytest.raises(NotDone, match="use postgresql\\+psycopg://") as raised, opened(url):
        pass
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (TypeError(f"unexpected keyword {SECRET}"), "behind the \\?"),
        (RuntimeError(f"'cryptography' package is required {SECRET}"), "pip install cryptography"),
    ],
)
def test_what_a_driver_raises_beside_its_own_errors_is_a_sentence(
    failure: Exception, words: str
) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    with pytest.raises(NotDone, match=words) as raised, connecting(sqlalchemy):
        raise failure
    assert SECRET not in str(raised.value)


class _Told(Exception):
    """An error of a driver, with its number or its SQLSTATE."""

    def __init__(self, *args: object, sqlstate: str | None = None) -> None:
        super().__init__(*args)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("kind", "told", "words"),
    [
        ("ProgrammingError", _Told(SECRET, sqlstate="42501"), "may not read all of its tables"),
        ("OperationalError", _Told(1142, SECRET, sqlstate="42000"), "may not read all of its"),
        ("OperationalError", _Told(2013, SECRET), "has stopped answering"),
        ("InternalError", _Told(SECRET, sqlstate="25P03"), "has stopped answering"),
        ("DataError", _Told(SECRET), "cannot read a value"),
        ("ProgrammingError", _Told(SECRET, sqlstate="42883"), "refuses a question \\(42883\\)"),
        ("ProgrammingError", _Told(SECRET), "refuses a question \\(no code\\)"),
    ],
)
def test_a_failure_while_reading_is_told_by_its_code(kind: str, told: _Told, words: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    with pytest.raises(NotDone, match=words) as raised, reading(sqlalchemy):
        raise getattr(sqlalchemy.exc, kind)(f"SELECT {SECRET}", {}, told)
    assert SECRET not in str(raised.value)


def test_json_that_a_driver_has_read_is_shown_as_json() -> None:
    assert excerpt({"x": [1, None], "\u03b1": True}) == '{"x": [1, null], "\u03b1": true}'
    assert text([1, "a"]) == '[1, "a"]'
