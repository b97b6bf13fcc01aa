"""Mails and the signatures of webhooks: what they hold, and what they never do."""

from __future__ import annotations

import hashlib
import hmac
import smtplib
from typing import Any

import msgspec
import pytest

from server.config.sections import Mail
from server.operations.notifications import mail as mails
from server.operations.notifications.mail import MailReceiver
from server.operations.notifications.receivers import NotDelivered
from server.operations.notifications.webhook import headers_of
from server.store.notifications.deliveries import Delivery

pytestmark = pytest.mark.gen_test(timeout=10)

SETTINGS = Mail(
    host="smtp.example",
    sender="heliograph@b.example",
    recipients=("a@b.example", "c@d.example"),
    url="https://heliograph.example/obs/",
)


def delivery(pk: int = 7, message: str = "no stars found") -> Delivery:
    process = {
        "pk": pk,
        "identifier": f"dummy_m13_{pk}",
        "pipeline": "Dummy",
        "failure_message": message,
        "view_url": f"/pipeline/{pk}",
    }
    body = msgspec.json.encode({"event": "failed", "process": process}).decode()
    return Delivery(
        pk=pk, receiver="mail", event="failed", process=pk, attempt=1, body=body, created=1.0
    )


def process_of(delivery: Delivery) -> Any:
    return msgspec.json.decode(delivery.body)["process"]


def test_the_signature_is_of_the_bytes_that_are_sent() -> None:
    body = delivery().body.encode()
    headers = headers_of(delivery(), body, "a-long-secret")
    expected = hmac.new(b"a-long-secret", body, hashlib.sha256).hexdigest()
    assert headers["X-Heliograph-Signature"] == f"sha256={expected}"
    assert headers["X-Heliograph-Event"] == "failed"
    assert headers["X-Heliograph-Delivery"] == "mail-7-1-failed"
    assert "X-Heliograph-Signature" not in headers_of(delivery(), body, None)


def test_a_mail_says_what_failed_and_where_to_look() -> None:
    message = MailReceiver(SETTINGS).message([process_of(delivery())])
    assert message["Subject"] == "Heliograph: dummy_m13_7 failed: no stars found"
    assert message["To"] == "a@b.example, c@d.example"
    text = message.get_content()
    assert "no stars found" in text
    assert "https://heliograph.example/obs/pipeline/7" in text


def test_the_prefix_is_once_in_the_link_of_a_mail() -> None:
    process = process_of(delivery()) | {"view_url": "/obs/pipeline/7"}
    text = MailReceiver(SETTINGS).message([process]).get_content()
    assert "https://heliograph.example/obs/pipeline/7" in text


def test_failures_that_come_together_are_in_one_mail() -> None:
    message = MailReceiver(SETTINGS).message(
        [process_of(delivery(pk, f"reason {pk}")) for pk in (7, 8, 9)]
    )
    assert message["Subject"] == "Heliograph: 3 runs failed"
    assert all(f"reason {pk}" in message.get_content() for pk in (7, 8, 9))


@pytest.mark.parametrize(
    "words", ["two\nlines\r\nBcc: x@y.example", "\x00\x1b[31m", "x" * 100_000, "", "☆ \u202e"]
)
def test_whatever_a_run_says_makes_no_header(words: str) -> None:
    message = MailReceiver(SETTINGS).message([process_of(delivery(7, words))])
    assert len(message["Subject"]) <= mails.SUBJECT_CHARACTERS
    assert message["Subject"].isprintable()
    assert message["Bcc"] is None
    assert len(bytes(message)) < 20_000


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConnectionRefusedError(111, "refused"), "The mail server cannot be reached"),
        (TimeoutError(), "The mail server cannot be reached"),
        (
            smtplib.SMTPAuthenticationError(535, b"no: hunter2"),
            "The mail server refuses user and password",
        ),
        (smtplib.SMTPRecipientsRefused({}), "The mail server refuses the recipients"),
        (smtplib.SMTPDataError(552, b"too large"), "The mail server answered 552"),
        (smtplib.SMTPServerDisconnected("gone"), "The mail server cannot be reached"),
    ],
)
async def test_each_failure_of_a_mail_server_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    receiver = MailReceiver(SETTINGS)
    monkeypatch.setattr(receiver, "_send", fail)
    with pytest.raises(NotDelivered) as caught:
        await receiver.send([delivery()])
    assert str(caught.value) == sentence
