"""Texts about a storage without its credentials."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^/\s@\"']*@")
_QUERY = re.compile(r"(\w://[^\s?\"']*\?)[^\s\"']+")
#: Shorter parts would hide harmless words.
_LEAST_CHARACTERS = 4
_SECRETS = re.compile(r"(SECRET|TOKEN|PASSWORD|ACCESS_KEY|ACCOUNT_KEY|CREDENTIAL)", re.IGNORECASE)
_OURS = ("AWS_", "FSSPEC_", "AZURE_", "GOOGLE_")


def masked(text: str, url: str = "") -> str:
    """Return a text with users and queries of URLs, and the secrets of this storage, hidden."""
    for secret in sorted(_secrets_of(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


def _secrets_of(url: str) -> set[str]:
    found = {
        value
        for name, value in os.environ.items()
        if name.startswith(_OURS) and _SECRETS.search(name)
    }
    try:
        parts = urlsplit(url)
        found |= {unquote(parts.password or ""), parts.password or "", parts.query}
    except ValueError:
        found.add(url)
    return {secret for secret in found if len(secret) >= _LEAST_CHARACTERS}
