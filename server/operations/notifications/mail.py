"""Sends mails about runs that failed; several in one mail when they come together."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from typing import Any

import msgspec

from server.config.sections import Mail
from server.operations.notifications.receivers import NotDelivered
from server.store.notifications.deliveries import Delivery

#: What the recipients of mails are called in the database.
MAIL = "mail"
TIMEOUT_SECONDS = 20.0
#: Characters of a run's message that a subject and a text have at most.
SUBJECT_CHARACTERS, MESSAGE_CHARACTERS = 120, 2_000


class MailReceiver:
    """The recipients of mails."""

    id = MAIL
    events = ("failed",)
    at_once = 50
    #: So that a series of failures makes one mail a minute at most.
    pause_seconds = 60.0
    #: A mail server is waited for in several steps.
    claim_seconds = 6 * TIMEOUT_SECONDS

    def __init__(self, settings: Mail) -> None:
        self._settings = settings
        self.shown = f"mail by {settings.host}"

    async def send(self, deliveries: Sequence[Delivery]) -> None:
        """Send one mail about all of these. Raise NotDelivered."""
        message = self.message([msgspec.json.decode(each.body)["process"] for each in deliveries])
        try:
            await asyncio.to_thread(self._send, message)
        except smtplib.SMTPAuthenticationError as error:
            raise NotDelivered("The mail server refuses user and password") from error
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(f"The mail server answered {error.smtp_code}") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise NotDelivered("The mail server refuses the recipients") from error
        except ssl.SSLError as error:
            raise NotDelivered("The connection to the mail server cannot be encrypted") from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotDelivered("The mail server cannot be reached") from error

    async def close(self) -> None:
        """Do nothing: there is a connection only while a mail is sent."""

    def message(self, processes: Sequence[dict[str, Any]]) -> EmailMessage:
        """Return the mail about these failed processes."""
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.recipients)
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain="heliograph.invalid")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers by a machine
        message["Subject"] = _subject(processes)
        message.set_content("\n\n".join(self._paragraph(each) for each in processes))
        return message

    def _paragraph(self, process: dict[str, Any]) -> str:
        reason = str(process["failure_message"] or "")[:MESSAGE_CHARACTERS]
        # `mail.url` is the whole address, with `http.prefix` if there is one.
        path = f"/{'pipeline' if process['view_url'] else 'processes'}/{process['pk']}"
        link = "" if self._settings.url is None else f"\n{self._settings.url.rstrip('/')}{path}"
        return f"{process['identifier']} ({process['pipeline']}) failed:\n{reason}{link}"

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        assert settings.host is not None
        context = ssl.create_default_context()
        if settings.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            connection = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS)
        with connection:
            if settings.security == "starttls":
                connection.starttls(context=context)
            if settings.user is not None:
                connection.login(settings.user, settings.password or "")
            connection.send_message(message)


def _subject(processes: Sequence[dict[str, Any]]) -> str:
    if len(processes) > 1:
        return f"Heliograph: {len(processes)} runs failed"
    reason = " ".join(str(processes[0]["failure_message"] or "").split())
    text = f"Heliograph: {processes[0]['identifier']} failed: {reason}"
    return "".join(each if each.isprintable() else " " for each in text)[:SUBJECT_CHARACTERS]
