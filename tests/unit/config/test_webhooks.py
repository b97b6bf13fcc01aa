"""The webhooks and mails of the configuration: what is taken, what is refused, what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import Config, load
from server.config.webhooks import ENDS, Webhook
from server.core.errors import StartError

URL = "https://someone:hunter2@chat.example:8443/hooks/s3cret?key=t0ken"
SECRETS = ("hunter2", "s3cret", "t0ken", "long-secret")


def from_file(folder: Path, written: str) -> Config:
    """Return the configuration that this config.yml alone makes."""
    path = folder / "config.yml"
    path.write_text(written, encoding="utf-8")
    return load(path, {}, {})


def refusal(folder: Path, written: str) -> str:
    """Return the message with which this config.yml stops the start."""
    with pytest.raises(StartError) as caught:
        from_file(folder, written)
    return str(caught.value)


def test_a_webhook_is_a_url_or_a_mapping(tmp_path: Path) -> None:
    config = from_file(
        tmp_path,
        f"webhooks:\n- {URL}\n- {{url: 'http://127.0.0.1:1/', events: [queued, failed], "
        "secret: long-secret}\n",
    )
    assert config.webhooks == (
        Webhook(url=URL, events=ENDS),
        Webhook(url="http://127.0.0.1:1/", events=("queued", "failed"), secret="long-secret"),
    )
    assert config.notifies


def test_the_environment_gives_them_as_yaml() -> None:
    config = load(None, {"HELIOGRAPH_WEBHOOKS": "[{url: 'http://a.example/'}]"}, {})
    assert [webhook.url for webhook in config.webhooks] == ["http://a.example/"]


def test_nothing_that_may_be_a_secret_is_shown() -> None:
    webhook = Webhook(url=URL, secret="long-secret")
    assert webhook.shown == "https://chat.example:8443/…"
    assert Webhook(url="http://[::1]:9/x").shown == "http://[::1]:9/…"
    for secret in SECRETS:
        assert secret not in repr(Config(webhooks=(webhook,))) + webhook.id


@pytest.mark.parametrize(
    "written",
    [
        f"webhooks: {URL}",
        "webhooks: {url: x}",
        "webhooks: [7]",
        "webhooks: [{}]",
        "webhooks: [{secret: long-secret}]",
        f"webhooks: [{{url: '{URL}', events: []}}]",
        f"webhooks: [{{url: '{URL}', events: [exploded]}}]",
        f"webhooks: [{{url: '{URL}', secret: short}}]",
        f"webhooks: [{{url: '{URL}', secrets: long-secret}}]",
        f"webhooks: ['{URL}', '{URL}']",
        "webhooks: ['ftp://chat.example/s3cret']",
        "webhooks: ['https:///s3cret']",
        "webhooks: ['https://chat.example:99999/s3cret']",
        "webhooks: ['https://chat.example/s3cret with blanks']",
        "webhooks: [" + ", ".join(f"'http://h{n}.example/'" for n in range(101)) + "]",
    ],
)
def test_what_is_wrong_stops_the_start_without_showing_secrets(
    tmp_path: Path, written: str
) -> None:
    message = refusal(tmp_path, written)
    assert message.startswith("webhooks")
    assert not any(secret in message for secret in SECRETS)


MAIL = "mail: {host: smtp.example, sender: a@b.example, recipients: [c@d.example]"


def test_mail_needs_only_host_sender_and_recipients(tmp_path: Path) -> None:
    mail = from_file(tmp_path, MAIL + "}").mail
    assert (mail.host, mail.port, mail.security) == ("smtp.example", 587, "starttls")
    assert mail.recipients == ("c@d.example",)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("mail: {host: smtp.example, recipients: [c@d.example]}", "mail.sender"),
        ("mail: {host: smtp.example, sender: a@b.example}", "mail.recipients"),
        (MAIL + ", user: someone, security: none}", "mail.security"),
        (MAIL + ", password: hunter2, password_file: x}", "mail.password_file"),
        (MAIL + ", port: 0}", "mail.port"),
        (MAIL + ", url: 'javascript:alert(1)'}", "mail.url"),
        ("mail: {host: smtp.example, sender: 'a@b.example\\nBcc: x@y.example'}", "mail.sender"),
        ("mail: {recipients: 'c@d.example'}", "mail.recipients"),
    ],
)
def test_mails_that_could_not_be_sent_stop_the_start(
    tmp_path: Path, written: str, key: str
) -> None:
    message = refusal(tmp_path, written)
    assert message.startswith(key)
    assert "hunter2" not in message


@pytest.mark.parametrize("value", ["0", "-1", "40000", ".nan", "soon", "true"])
def test_days_of_retention_are_numbers_above_0(tmp_path: Path, value: str) -> None:
    for key in ("process_days", "log_days", "output_days"):
        message = refusal(tmp_path, f"retention: {{{key}: {value}}}")
        assert message.startswith(f"retention.{key}")
