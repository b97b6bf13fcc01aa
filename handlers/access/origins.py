"""Which pages may make a browser send what changes something: `Origin` and `Sec-Fetch-Site`.

https://fetch.spec.whatwg.org/#origin-header and https://w3c.github.io/webappsec-fetch-metadata/.
Neither is proof of who sends: programs set them as they like, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from handlers.access.rules import AccessRules
from server.core.errors import HeliographError

#: What browsers say of requests that a page of ours, or the user alone, has made.
OWN_SITES = frozenset({"same-origin", "none"})
#: How much of a header is repeated in an error.
SHOWN_CHARACTERS = 200


class ForeignPage(HeliographError):
    """A page from elsewhere made a browser send a request that only our own pages may send."""

    def __init__(self, host: str, origin: str | None, site: str | None = None) -> None:
        self.host, self.origin, self.site = host, origin, site
        came = f"Host {_shown(host)} and {'no Origin' if origin is None else _origin(origin)}"
        if site is not None:
            came += f", and Sec-Fetch-Site {_shown(site)}"
        super().__init__(
            f"Pages of this origin may not do that. The request came with {came}. If it is from a "
            "page of this server, let the proxy in between pass the Host unchanged; to let in the "
            "pages of another origin, add it to http.allowed_origins"
        )


def check_page(rules: AccessRules, scheme: str, host: str, headers: Mapping[str, str]) -> None:
    """Raise ForeignPage unless the origin is our own or an allowed one; none at all is fine."""
    origin = headers.get("Origin")
    if origin is not None and not rules.knows_origin(origin, scheme, host):
        raise ForeignPage(host, origin)


def check_site(rules: AccessRules, host: str, headers: Mapping[str, str]) -> None:
    """Raise ForeignPage if the browser says that another site sends this, unless it is allowed."""
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "none")
    if site not in OWN_SITES and not (origin and rules.shares_with(origin)):
        raise ForeignPage(host, origin, site)


def _origin(origin: str) -> str:
    return f"Origin {_shown(origin)}"


def _shown(value: str) -> str:
    """Return a header's value for a sentence: quoted, and not too long."""
    cut = value[:SHOWN_CHARACTERS]
    plain = "".join(each if each.isprintable() else "?" for each in cut)
    return f"'{plain}{'…' if len(value) > SHOWN_CHARACTERS else ''}'"
