"""The keys of what stands in front: `http.tls.*`, `http.prefix` and `http.trusted_proxies`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.config import load
from server.core.errors import StartError

LONG = "/" + "a" * 199


def loaded(key: str, value: object) -> Any:
    config = load(None, {}, {key: value})
    return getattr(config.http, key.rpartition(".")[2])


def refused(options: dict[str, object], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(StartError) as raised:
        load(None, environ or {}, options)
    [sentence] = str(raised.value).splitlines()
    return sentence


@pytest.mark.parametrize(
    "prefix", ["", "/heliograph", "/a/b/c", "/user/j.doe@example", "/~astro", "/v1.2+x_y-z", LONG]
)
def test_a_prefix_is_a_plain_path(prefix: str) -> None:
    assert loaded("http.prefix", prefix) == prefix


@pytest.mark.parametrize(
    "prefix",
    [
        *("/", "heliograph", "/heliograph/", "//a", "/a//b", "/.", "/..", "/a/../b", "/a b", "/é"),
        *(
            "/a?b",
            "/a#b",
            "/a%20b",
            "/a\\b",
            "/a:b",
            '/a"b',
            "/a'b",
            "/<a>",
            "/{a}",
            "/a\n",
            "/a;b",
        ),
        *(f"{LONG}a", None, 5, True, ["/a"], {"a": "b"}),
    ],
)
def test_anything_else_is_no_prefix(prefix: object) -> None:
    assert refused({"http.prefix": prefix}).startswith("http.prefix: ")


def test_proxies_are_addresses_and_networks() -> None:
    given = ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0"]
    assert loaded("http.trusted_proxies", given) == tuple(given)
    config = load(None, {"HELIOGRAPH_HTTP_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8"}, {})
    assert config.http.trusted_proxies == ("127.0.0.1", "10.0.0.0/8")


@pytest.mark.parametrize(
    "proxies",
    [
        *(
            ["localhost"],
            ["10.0.0.1/8"],
            ["10.0.0.0/33"],
            ["*"],
            ["fe80::1%eth0"],
            [""],
            [1],
            [None],
        ),
        *(["127.0.0.1:80"], ["[::1]"], ["127.1"], [True], {"a": 1}, 7, ["1" * 100_000]),
    ],
)
def test_anything_else_is_no_proxy(proxies: object) -> None:
    sentence = refused({"http.trusted_proxies": proxies})
    assert sentence.startswith("http.trusted_proxies: ")
    assert len(sentence) < 400


@pytest.mark.parametrize("given", ["certificate", "key"])
def test_one_file_without_the_other_is_refused_where_it_was_given(given: str) -> None:
    other = {"certificate": "key", "key": "certificate"}[given]
    sentence = refused({}, {f"HELIOGRAPH_HTTP_TLS_{given.upper()}": "/etc/a.pem"})
    assert sentence.startswith(f"http.tls.{given}: '/etc/a.pem' is not allowed (environment")
    assert f"http.tls.{other}" in sentence


@pytest.mark.parametrize("path", [5, True, [], "~nobody-of-that-name/a.pem", "a\0b", "a\nb"])
def test_a_file_is_a_path(path: object) -> None:
    options = {"http.tls.certificate": path, "http.tls.key": "/etc/key.pem"}
    assert refused(options).startswith("http.tls.certificate: ")


def test_paths_of_the_file_start_at_its_folder(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("http: {tls: {certificate: a.pem, key: ../keys/b.pem}}")
    tls = load(tmp_path / "config.yml", {}, {}).http.tls
    assert tls.enabled
    assert (tls.certificate, tls.key) == (tmp_path / "a.pem", tmp_path / "../keys/b.pem")
    plain = load(tmp_path / "config.yml", {}, {"http.tls.certificate": None, "http.tls.key": None})
    assert not plain.http.tls.enabled
