"""The description of the API is valid OpenAPI 3.1, and has every route and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tornado.routing import URLSpec

from handlers.api.targets import TargetHandler
from handlers.description.document import UNDESCRIBED, described, document
from handlers.description.paths import parts_of, paths_of
from handlers.description.subjects import SUBJECTS
from handlers.http.access_control import allowed_methods, needed_role
from handlers.http.base import BaseHandler
from handlers.http.query import PK
from handlers.pages.not_found import UnknownHandler
from handlers.routes import all_routes
from server.access.roles import Role
from tests.fakes.described import described as whole
from tests.fakes.described import validator

EXACT = ("Status", "ProcessStatus", "PipelineLogs", "NewTarget", "Submission", "Detail")


def real_routes() -> list[URLSpec]:
    routes = all_routes(cast(Any, None))
    return [each for each in routes if not issubclass(each.handler_class, UnknownHandler)]


def each_operation() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in whole()["paths"].items():
        for method, said in methods.items():
            yield path, method.upper(), said


def test_the_whole_description_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(whole()).validate()


def test_every_route_is_described_with_its_methods() -> None:
    said = {(method, path) for path, method, _ in each_operation()}
    for route in real_routes():
        for path in paths_of(route.regex.pattern):
            for method in set(allowed_methods(route.handler_class)) - {"HEAD", "OPTIONS"}:
                assert (method, path) in said


def test_what_is_described_is_answered_by_a_route_with_that_method() -> None:
    values = {"pk": "7", "name": "x", "path": "x", "part": "x"}
    for path, method, _ in each_operation():
        real = re.sub(r"\{(\w+?)\d*\}", lambda part: values[part[1]], path)
        matching = [each for each in real_routes() if each.regex.fullmatch(real)]
        assert matching, f"no route answers {path}"
        assert method in allowed_methods(matching[0].handler_class)


def test_nothing_is_said_of_paths_or_methods_that_are_not_there() -> None:
    for subject in SUBJECTS:
        for path, methods in subject.paths.items():
            assert methods.keys() == {name.upper() for name in whole()["paths"].get(path, {})}


def test_something_is_said_of_every_operation() -> None:
    missing = [each.path for each in described(real_routes()) if each.subject is UNDESCRIBED]
    assert not missing, "describe these in handlers/description/subjects"


def test_a_route_of_which_nothing_is_said_is_there_all_the_same() -> None:
    class Handler(BaseHandler):
        """`/api/new/`: what is new. And more."""

        def get(self) -> None:
            """Answer."""

    made = document([URLSpec(r"/api/new/", Handler)])
    assert made["paths"]["/api/new/"]["get"]["summary"] == "What is new"
    OpenAPIV31SpecValidator(made).validate()


def test_each_operation_names_the_role_that_its_handler_needs() -> None:
    roles = {
        (path, method): said.get("x-heliograph-role") for path, method, said in each_operation()
    }
    assert roles["/api/targets/{pk}/", "GET"] == "viewer"
    assert roles["/api/targets/{pk}/", "PATCH"] == "operator"
    assert roles["/api/targets/{pk}/", "DELETE"] == "admin"
    assert roles["/healthz", "GET"] is None
    assert needed_role(TargetHandler, "DELETE") is Role.ADMIN


def test_an_operation_has_the_errors_that_can_come_and_no_others() -> None:
    answers = {(path, method): set(said["responses"]) for path, method, said in each_operation()}
    submit = answers["/api/processes/", "POST"]
    assert {"400", "401", "403", "409", "411", "413", "415", "421", "429", "503", "507"} <= submit
    assert "403" not in answers["/api/processes/", "GET"]
    assert "404" not in answers["/api/processes/", "GET"]
    assert {"404", "304", "401"} <= answers["/api/processes/{pk}/", "GET"]
    assert not {"401", "403", "404", "429"} & answers["/healthz", "GET"]
    assert "411" not in answers["/api/processes/{pk}/rerun/", "POST"]
    assert "426" in answers["/ws/processes/{pk}/logs/", "GET"]
    assert {"416", "206"} <= answers["/dataproducts/{pk}/file/{name}", "GET"]


def test_operations_have_names_of_their_own_and_links_lead_to_them() -> None:
    parameters = {
        said["operationId"]: {each.get("name") for each in said.get("parameters", ())}
        for _, _, said in each_operation()
    }
    assert len(parameters) == len(list(each_operation()))
    links = [
        link
        for _, _, said in each_operation()
        for answer in said["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) > 10
    for link in links:
        assert set(link.get("parameters", ())) <= parameters[link["operationId"]]


def test_every_part_of_a_path_is_a_parameter() -> None:
    for path, _, said in each_operation():
        inside = [each["name"] for each in said.get("parameters", ()) if each.get("in") == "path"]
        assert inside == parts_of(path)


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, method, said in each_operation():
        bodies = {"body": said.get("requestBody", {}), **said["responses"]}
        for name, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                if media_type == "application/json":
                    yield f"{method} {path} {name}", content


def test_every_body_and_every_answer_in_json_has_an_example() -> None:
    missing = [
        name
        for name, content in contents()
        if "example" not in content and not name.split()[-1].startswith(("4", "5"))
    ]
    assert missing == []


@pytest.mark.parametrize(("name", "content"), [pair for pair in contents() if "example" in pair[1]])
def test_an_example_is_valid(name: str, content: dict[str, Any]) -> None:
    validator(content["schema"]).validate(content["example"])


@pytest.mark.parametrize("name", EXACT)
def test_a_body_that_is_exactly_so_has_no_other_keys(name: str) -> None:
    assert whole()["components"]["schemas"][name]["additionalProperties"] is False


@pytest.mark.parametrize("name", ["Target", "Process", "DataProduct", "Receipt"])
def test_the_next_version_of_other_answers_may_have_more_keys(name: str) -> None:
    assert "additionalProperties" not in whole()["components"]["schemas"][name]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        (r"/api/targets/$", ["/api/targets/"]),
        (rf"/api/targets/{PK}/$", ["/api/targets/{pk}/"]),
        (rf"/(?:processes|pipeline)/{PK}$", ["/processes/{pk}", "/pipeline/{pk}"]),
        (rf"/dataproducts/{PK}/file/([^/]+)$", ["/dataproducts/{pk}/file/{name}"]),
        (r"/static/(.*)$", ["/static/{path}"]),
        (rf"/a/{PK}/b/{PK}$", ["/a/{pk}/b/{pk2}"]),
        (r"/s/([A-Za-z0-9_-]+)/$", ["/s/{part}/"]),
        (rf"/processes/{PK}/logs\.txt$", ["/processes/{pk}/logs.txt"]),
        (r"/x(?:-api)?$", ["/x-api", "/x"]),
    ],
)
def test_the_pattern_of_a_route_becomes_its_paths(pattern: str, paths: list[str]) -> None:
    assert paths_of(pattern) == paths


def test_no_machine_is_named_in_it() -> None:
    text = json.dumps(whole())
    assert str(Path.home()) not in text
    assert str(Path(__file__).parents[3]) not in text
