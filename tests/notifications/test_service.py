"""Mails: to a real SMTP server, without any, and when it fails; nothing of a mail is logged."""

import smtplib
import socket
import threading
from contextlib import suppress
from email import message_from_bytes, policy

import pytest

from chalicelib.foundation import settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.settings import SettingsError
from chalicelib.notifications import providers, service, ses_reports
from chalicelib.notifications.model import EncodedMail
from chalicelib.notifications.providers import MailFailed, MailRefused, ProviderBusy, SendingStopped
from chalicelib.notifications.service import MailDraft
from infra.local.mailbox import MailReceiver
from tests.foundation.test_outbound_http import certificates  # noqa: F401

MAIL = MailDraft("reset_password", "ada@example.com", "es", {"url": "https://shop.test/x#token=secret-token"})


def test_a_mail_arrives_as_text_and_html(tmp_path, store, time):
    lines: list[str] = []
    with (
        MailReceiver(tmp_path / "mail", lines.append) as receiver,
        settings.override(smtp_url=receiver.url, mail_from="Shop <s@shop.test>"),
    ):
        assert service.send(MAIL)
        assert service.send(MAIL)
    first, second = sorted((tmp_path / "mail").glob("*.eml"))
    assert (first.name, second.name) == ("00001.eml", "00002.eml")
    with settings.override(mail_from="Shop <s@shop.test>"):
        composed = MAIL.compose()
    mail = message_from_bytes(first.read_bytes(), policy=policy.default)
    assert (mail["From"], mail["To"], mail["Subject"], mail["Auto-Submitted"]) == (
        "Shop <s@shop.test>",
        MAIL.to,
        "Elige una contraseña nueva",
        "auto-generated",
    )
    assert mail["Date"].datetime.isoformat() == "2026-06-01T12:00:00"
    assert mail.get_body(("plain",)).get_content().splitlines() == composed.text.splitlines()
    assert mail.get_body(("html",)).get_content().splitlines() == composed.html.splitlines()
    assert lines[0] == f"Mail to ada@example.com: Elige una contraseña nueva  https://shop.test/x#token=secret-token  ({first})"


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    """The log lines, with their details."""
    lines: list[str] = []
    for level in ("info", "warning"):
        monkeypatch.setattr(logger, level, lambda name, **details: lines.append(f"{name} {details}"))
    return lines


def test_without_a_server_it_is_logged_that_nothing_was_sent(lines):
    assert service.send(MAIL) is False
    assert lines == ["mail.not_sent {'kind': 'reset_password', 'reason': 'no mail server is set (FAIRGATE_SMTP_URL)'}"]


def test_a_server_that_does_not_answer_fails_no_request(store, lines):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with settings.override(smtp_url=f"smtp://user:pass-word@127.0.0.1:{port}"):
        assert service.send(MAIL) is False
    assert lines == ["mail.failed {'kind': 'reset_password', 'error': 'ConnectionRefusedError'}"]


@pytest.mark.parametrize("security", ["smtps", "smtp+starttls"])
def test_a_server_whose_certificate_nobody_trusts_gets_nothing(store, lines, certificates, security):  # noqa: F811
    received = []

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            if security == "smtp+starttls":
                for line in (b"220 mail.test\r\n", b"250-mail.test\r\n250 STARTTLS\r\n", b"220 Go ahead\r\n"):
                    connection.sendall(line)
                    if not line.startswith(b"220 Go"):
                        connection.recv(1024)
            with suppress(OSError), certificates[0].wrap_socket(connection, server_side=True) as encrypted:
                encrypted.sendall(b"220 mail.test\r\n")
                received.append(encrypted.recv(1024))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        with settings.override(smtp_url=f"{security}://user:pass-word@127.0.0.1:{listening.getsockname()[1]}"):
            assert service.send(MAIL) is False
        thread.join()
    assert (lines, received) == (["mail.failed {'kind': 'reset_password', 'error': 'SSLCertVerificationError'}"], [])


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (smtplib.SMTPDataError(454, b"Throttling failure: Maximum sending rate exceeded."), ProviderBusy),
        (smtplib.SMTPConnectError(421, b"4.7.0 Too many connections"), ProviderBusy),
        (smtplib.SMTPDataError(454, b"Throttling failure: Daily message quota exceeded."), SendingStopped),
        (smtplib.SMTPDataError(552, b"5.2.2 The daily limit of this mailbox is reached"), MailFailed),
        (smtplib.SMTPSenderRefused(550, b"5.4.5 Daily user sending limit exceeded", "a@shop.test"), SendingStopped),
        (smtplib.SMTPRecipientsRefused({"ada@example.com": (450, b"receives mail at a rate that prevents more")}), MailFailed),
        (smtplib.SMTPAuthenticationError(535, b"wrong password"), MailFailed),
        (smtplib.SMTPDataError(451, b"try later"), MailFailed),
        (smtplib.SMTPDataError(554, b"too many links"), MailRefused),
    ],
)
def test_refusals_of_a_mail_server_are_told_apart(monkeypatch, refusal, error):
    def refuse(*_):
        raise refusal

    monkeypatch.setattr(providers.SmtpServer, "_send", refuse)
    with pytest.raises(MailFailed) as raised:
        providers.parse_server("smtp://mail.test").send(EncodedMail("a@shop.test", "ada@example.com", b"x"))
    assert type(raised.value) is error
    assert "ada@" not in str(raised.value)


def test_a_link_is_mailed_in_the_readers_language_unless_suppressed(api, store, time, provider):
    def ask(address):
        reply = api.post("/auth/password/forgot", json={"email": address}, headers={"Accept-Language": "es-MX, en;q=0.5"})
        assert (reply.status, reply.json) == (200, {"message": "We have sent an email to this address."})

    ses_reports.suppress("Bob@example.com", "bounced", time.now)
    ask("ada@example.com")
    ask("bob@example.com")
    assert [(mail["To"], mail["Subject"]) for mail in provider.parsed()] == [
        ("ada@example.com", "No hay ninguna cuenta con esta dirección")
    ]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtps://ada%40x:p%3Aw@mail.test", ("smtps", "mail.test", 465, "ada@x", "p:w")),
        ("smtp+starttls://a:b@mail.test:2525", ("smtp+starttls", "mail.test", 2525, "a", "b")),
        ("smtp://mail.test", ("smtp", "mail.test", 25, "", "")),
    ],
)
def test_the_setting_names_server_and_security(url, server):
    parsed = providers.parse_server(url)
    assert (parsed.security, parsed.host, parsed.port, parsed.user, parsed.password) == server


@pytest.mark.parametrize(
    "url", ["mail.test", "http://mail.test", "smtp://", "smtp://mail.test:x", "smtp://mail.test/path", "smtps://a:sec@"]
)
def test_a_malformed_setting_is_named_and_not_repeated(url):
    with pytest.raises(SettingsError, match="FAIRGATE_SMTP_URL") as error:
        providers.parse_server(url)
    assert "sec@" not in str(error.value)
