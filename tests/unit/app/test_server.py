"""The composition root before it has built anything."""

from __future__ import annotations

import pytest

from server.app.server import Server
from server.config import Config
from server.config.sections import Http


def test_a_server_that_has_not_started_has_no_services() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = Server(Config()).services


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_address_is_that_of_the_first_page(host: str) -> None:
    server = Server(Config(http=Http(host=host)))
    server.port = 8642
    assert server.address == f"http://{host}:8642/"


def test_an_ipv6_address_stands_in_brackets() -> None:
    server = Server(Config(http=Http(host="::1")))
    server.port = 8642
    assert server.address == "http://[::1]:8642/"
