"""The mailbox of a local run: the confirmation of an order, through the real provider and receiver, as a person reads it."""

import io
import re
from base64 import b64decode

import pytest
import zxingcpp
from PIL import Image

import app
from chalicelib.addons.messages import jobs
from chalicelib.foundation import settings
from chalicelib.notifications import outbox, providers
from chalicelib.notifications.model import Attachment, MailMessage
from infra.local.event_sources import create_poller
from infra.local.gateway import GatewayResponse
from infra.local.mailbox import Mailbox, MailReceiver, with_link
from infra.local.schedules import scheduled_event
from tests import builders, engines


@pytest.fixture
def mailbox(tmp_path):
    """The mailbox, whose receiver takes all mails."""
    folder = tmp_path / "mail"
    with MailReceiver(folder, lambda _: None) as receiver, settings.override(smtp_url=receiver.url):
        yield Mailbox(folder)


def read(mailbox, target="/dev/mailbox"):
    response = mailbox.response("GET", target)
    assert response.status == 200
    return response.body.decode()


def test_a_listed_confirmation_shows_a_code_that_can_be_scanned(mailbox, threaded_store, api, time):
    assert "No mails yet" in read(mailbox)
    shop = builders.create_shop(api)
    reservation = builders.reserve(api, "ada", *shop, 1).json["id"]
    builders.start_checkout(api, "ada", reservation, customer_email="ada@home.test")
    [ticket] = builders.confirm(api, "ada", reservation).json["tickets"]
    create_poller(app.app, engines.local_engine(), window_seconds=0).drain()
    assert jobs.send_messages(scheduled_event(), None)["sent"] == 1

    assert "Your tickets for Night" in read(mailbox)
    assert "ada@home.test" in read(mailbox)
    page = read(mailbox, "/dev/mailbox/1")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox" src="/dev/mailbox/1/html"' in page
    [image] = re.findall(r'src="data:image/png;base64,([^"]+)"', read(mailbox, "/dev/mailbox/1/html"))
    scanned = zxingcpp.read_barcode(Image.open(io.BytesIO(b64decode(image)))).text
    assert scanned == f"FG1:{ticket['id']}:{ticket['code']}:{ticket['qr_sig']}"

    files = dict(re.findall(r'href="(/dev/mailbox/1/files/\d)">([^<]+)', page))
    assert sorted(name.rpartition(".")[2] for name in files.values()) == ["ics", "pdf", "png"]
    for target in files:
        response = mailbox.response("GET", target)
        assert response.headers["Content-Disposition"].startswith("attachment; ")
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_nothing_of_a_mail_runs_or_loads(mailbox, time):
    evil = "<script>alert(1)</script>"
    attached = Attachment(f'a" {evil}.html', "text/html", evil.encode())
    message = MailMessage("test", "ada@example.com", f"Hi {evil}", f"{evil}\n", f"<head></head>{evil}", (attached,))
    provider = providers.find_provider()
    assert provider is not None
    provider.send(outbox.encode_mail(message))
    for target in ("/dev/mailbox", "/dev/mailbox/1"):
        assert "<script" not in read(mailbox, target)
        assert "default-src 'none'" in mailbox.response("GET", target).headers["Content-Security-Policy"]
    shown = mailbox.response("GET", "/dev/mailbox/1/html")
    assert re.search(r"default-src 'none'.*; sandbox allow-popups ", shown.headers["Content-Security-Policy"])
    assert "allow-scripts" not in shown.headers["Content-Security-Policy"] + read(mailbox, "/dev/mailbox/1")
    assert "\r" not in mailbox.response("GET", "/dev/mailbox/1/files/0").headers["Content-Disposition"]


def test_only_pages_are_told_where_the_mailbox_is():
    page = GatewayResponse(200, {"Content-Type": "text/html; charset=utf-8"}, b"<head><title>A</title></head><body></head></body>")
    assert with_link(page).body == b'<head><title>A</title><meta name="mailbox" content="/dev/mailbox"></head><body></head></body>'
    script = GatewayResponse(200, {"Content-Type": "text/javascript"}, b"</head>")
    assert with_link(script) == script


@pytest.mark.parametrize("target", ["/", "/dev/mailboxes", "/dev/mailbox/../secrets.json", "/dev/mailbox/1/files/x", "/dev/mailbox/a"])
def test_other_addresses_are_not_its(mailbox, target):
    assert mailbox.response("GET", target) is None
    assert mailbox.response("POST", "/dev/mailbox") is None


@pytest.mark.parametrize("target", ["/dev/mailbox/7", "/dev/mailbox/7/html", "/dev/mailbox/0/files/0"])
def test_a_mail_that_there_is_not_is_a_404(mailbox, target):
    assert mailbox.response("GET", target).status == 404
