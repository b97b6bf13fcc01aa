"""Calls webhooks: a POST of JSON, signed where there is a secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from server.config.webhooks import Webhook
from server.operations.notifications.receivers import NotDelivered
from server.store.notifications.deliveries import Delivery

# They log URLs, which may hold a secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

#: For connection, request and answer together.
TIMEOUT_SECONDS = 10.0
#: How much of an answer is read: its status is all that counts.
ANSWER_BYTES = 65_536
SIGNATURE = "X-Heliograph-Signature"
EVENT = "X-Heliograph-Event"
DELIVERY = "X-Heliograph-Delivery"
#: The receiver is gone for good (RFC 9110, section 15.5.11).
GONE = 410


class WebhookReceiver:
    """A webhook of the configuration."""

    at_once = 1
    pause_seconds = 0.0
    claim_seconds = 2 * TIMEOUT_SECONDS

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self.id = webhook.id
        self.shown = webhook.shown
        self.events = webhook.events
        self._client: Any = None

    async def send(self, deliveries: Sequence[Delivery]) -> int:
        """Call the webhook once, and return the status. Raise NotDelivered unless it is 2xx."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._post(deliveries[0])
        except TimeoutError as error:
            raise NotDelivered(f"It did not answer within {TIMEOUT_SECONDS:.0f} s") from error
        if 200 <= status < 300:
            return status
        raise NotDelivered(f"It answered {status}", answer=status, final=status == GONE)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _post(self, delivery: Delivery) -> int:
        import httpx  # only needed where there are webhooks

        body = delivery.body.encode()
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=TIMEOUT_SECONDS, trust_env=not _is_local(self._webhook.url)
            )
        headers = headers_of(delivery, body, self._webhook.secret)
        try:
            async with self._client.stream(
                "POST", self._webhook.url, content=body, headers=headers
            ) as response:
                read = 0
                async for piece in response.aiter_raw():
                    read += len(piece)
                    if read > ANSWER_BYTES:
                        break
                return int(response.status_code)
        except httpx.TimeoutException as error:
            raise TimeoutError from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotDelivered("It cannot be reached") from error


def headers_of(delivery: Delivery, body: bytes, secret: str | None) -> dict[str, str]:
    """Return the headers of a call, with the signature of the body if there is a secret."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Heliograph",
        EVENT: delivery.event,
        DELIVERY: delivery.id,
    }
    return headers if secret is None else headers | {SIGNATURE: signature(body, secret)}


def signature(body: bytes, secret: str) -> str:
    """Return the HMAC-SHA256 of a body in hexadecimal, as `sha256=<digest>`."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _is_local(url: str) -> bool:
    """Return whether a URL is of this machine, which no proxy can reach."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
