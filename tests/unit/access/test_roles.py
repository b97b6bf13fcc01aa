"""What the roles include, and which one each method of each route needs."""

from __future__ import annotations

from typing import Any, cast

import pytest

from handlers.http.access_control import GuardedHandler, needed_role
from handlers.routes import all_routes
from server.access.roles import Caller, Role, RoleNeeded

HANDLERS = sorted(
    {
        route.handler_class
        for route in all_routes(cast(Any, None))
        if issubclass(route.handler_class, GuardedHandler)
    },
    key=lambda handler: handler.__qualname__,
)


def test_each_role_includes_itself_and_those_below() -> None:
    included = {role: [each for each in Role if role.includes(each)] for role in Role}
    assert included == {
        Role.VIEWER: [Role.VIEWER],
        Role.OPERATOR: [Role.VIEWER, Role.OPERATOR],
        Role.ADMIN: [Role.VIEWER, Role.OPERATOR, Role.ADMIN],
    }


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda each: each.__name__)
def test_whoever_may_view_may_read_everything(handler: type[GuardedHandler]) -> None:
    assert needed_role(handler, "GET") is Role.VIEWER
    assert needed_role(handler, "HEAD") is Role.VIEWER


def test_the_refusal_names_both_roles() -> None:
    refusal = RoleNeeded(Role.ADMIN, Caller("nightly", Role.OPERATOR))
    assert str(refusal) == "This needs the role admin; you have the role operator"
