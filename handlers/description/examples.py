"""Each operation by curl and by Python's `requests`, with the example of its body."""

from __future__ import annotations

import json
import shlex
from pprint import pformat
from urllib.parse import urlencode

from handlers.description.document import Described
from handlers.description.operation import JSON, Body

#: Where a server listens by default.
SERVER = "localhost:8642"
#: What stands for the parts of paths in examples; a PK is that of the operation.
PARTS = {"pk2": "1", "name": "frame0.fits", "path": "styles/style.css"}
FORM = "application/x-www-form-urlencoded"
WIDTH = 90


def curl(each: Described) -> str:
    """Return the command that asks for an operation."""
    url = f"{SERVER}{_path(each)}"
    if query := each.operation.example_query:
        url = shlex.quote(f"{url}?{urlencode(query)}")
    body = each.operation.body
    method = "" if each.method == ("GET" if body is None else "POST") else f" -X {each.method}"
    if _is_file(each):
        return f"curl -sO {url}"
    if body is None:
        return f"curl -s{method} {url}"
    return f"curl -s{method} {url} {_curl_body(body)}"


def python(each: Described) -> str:
    """Return the call of `requests` that asks for an operation."""
    url = f'f"{{server}}{_path(each)}"'
    function = f"requests.{each.method.lower()}"
    body = each.operation.body
    if query := each.operation.example_query:
        return f"{function}({url}, params={dict(query)})".replace("'", '"')
    if body is None:
        return f"{function}({url})"
    if body.media_type == JSON:
        example = pformat(body.example, width=WIDTH, sort_dicts=False, compact=True)
        return f"{function}({url}, json={example})".replace("'", '"')
    if body.media_type == FORM:
        return f"{function}({url}, data={body.example!r})".replace("'", '"')
    return f'{function}({url}, files={{"file": open("frame0.fits", "rb")}})'


def has_examples(each: Described) -> bool:
    """Return whether an operation can be asked for so: a websocket cannot."""
    return not each.live


def _path(each: Described) -> str:
    path = each.path.replace("{pk}", str(each.operation.example_pk))
    named = each.operation.example_name
    given = {} if named is None else {"name": named, "path": named}
    for name, value in (PARTS | given).items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _is_file(each: Described) -> bool:
    """Return whether an operation answers with a file to be saved by the name in its path."""
    last = each.path.rpartition("/")[2]
    return each.method == "GET" and ("." in last or last in ("{name}", "{path}"))


def _curl_body(body: Body) -> str:
    if body.media_type == JSON:
        text = shlex.quote(json.dumps(body.example, ensure_ascii=False))
        return f"\\\n    -H 'Content-Type: {JSON}' -d {text}"
    if body.media_type == FORM:
        pairs = (f"-d {name}={value}" for name, value in body.example.items())
        return " ".join(pairs)
    return "-F file=@frame0.fits"
