"""Mails of a real server: a run that fails makes one, over a mail server that is made here."""

from __future__ import annotations

import asyncio
import email
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import Path

import pytest

from server.config.sections import Mail
from tests.integration.api.test_webhooks import deliveries
from tests.integration.conftest import Client, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=60)


@dataclass
class Mailbox:
    """A mail server that takes everything (RFC 5321, as much of it as smtplib speaks)."""

    mails: list[tuple[list[str], Message]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.upper()
            if word.startswith("RCPT TO:"):
                recipients.append(line[8:].partition(">")[0].lstrip("<"))
            if word == "DATA":
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append((recipients, email.message_from_bytes(text[:-5])))
            writer.write(b"221 bye\r\n" if word == "QUIT" else b"250 fine\r\n")
            if word == "QUIT":
                break
        writer.close()


async def test_a_failure_makes_a_mail_and_a_success_none(tmp_path: Path) -> None:
    box = Mailbox()
    post = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    settings = Mail(
        host="127.0.0.1",
        port=post.sockets[0].getsockname()[1],
        security="none",
        sender="heliograph@b.example",
        recipients=("a@b.example", "c@d.example"),
        url="https://heliograph.example",
    )
    with serving(replace(make_config(tmp_path), mail=settings)) as running:
        client = Client(running.url)
        await client.run("Counts")
        failed = await client.run("Fails")
        (delivery,) = await deliveries(client, 1)
    post.close()
    assert (delivery["receiver"], delivery["state"]) == ("mail", "delivered")
    ((recipients, mail),) = box.mails
    assert recipients == ["a@b.example", "c@d.example"]
    assert failed["identifier"] in str(mail["Subject"])
    text = str(mail.get_payload())
    assert failed["failure_message"] in text
    assert f"https://heliograph.example{failed['view_url']}" in text


async def test_a_mail_server_that_is_away_is_said_and_the_mail_is_kept(tmp_path: Path) -> None:
    post = await asyncio.start_server(Mailbox().serve, "127.0.0.1", 0)
    port = post.sockets[0].getsockname()[1]
    post.close()
    settings = Mail(
        host="127.0.0.1",
        port=port,
        security="none",
        sender="heliograph@b.example",
        recipients=("a@b.example",),
    )
    with serving(replace(make_config(tmp_path), mail=settings)) as running:
        client = Client(running.url)
        await client.run("Fails")
        async with asyncio.timeout(30):
            while True:
                shown = (await client.call("/api/webhooks/"))["deliveries"]
                if shown and shown[0]["error"]:
                    break
                await asyncio.sleep(0.02)
    assert shown[0]["state"] == "waiting"
    assert shown[0]["error"] == "The mail server cannot be reached"
    assert shown[0]["next_try"] > shown[0]["last_try"]
