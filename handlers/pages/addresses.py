"""Addresses in pages: `http.prefix` goes before each path of this server, written as `/…`.

It is done when a template is loaded, in the attributes that hold addresses, so that a page cannot
forget it. What comes from the API, such as the `url` of a data product, has the prefix already.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tornado.template import Loader, Template

#: An attribute that holds an address, up to the slash with which a path of this server begins.
PATH = re.compile(
    rb'(?<![\w-])((?:href|src|action|formaction|poster|data-(?:table|src|then|url))=")/'
)


class PrefixingLoader(Loader):
    """Loads templates, whose namespace must have `prefix`."""

    def _create_template(self, name: str) -> Template:
        source = (Path(self.root) / name).read_bytes()
        return Template(with_prefix(source), name=name, loader=self)


def with_prefix(source: bytes) -> bytes:
    """Return the source of a template with `prefix` before each path of this server."""
    return PATH.sub(rb"\1{% raw prefix %}/", source)


def page_of(process: dict[str, Any], prefix: str) -> str:
    """Return the page of a process, whose fields are those of the API."""
    return str(process["view_url"] or f"{prefix}/processes/{process['pk']}")
