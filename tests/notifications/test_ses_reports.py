"""What SES reports through SNS: only what Amazon has signed for our topic counts, in whatever order it comes."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from chalicelib.foundation import clock, log, settings
from chalicelib.notifications import outbox, ses_reports
from chalicelib.notifications.store import list_problem_notifications

TOPIC = "arn:aws:sns:eu-central-1:123456789012:fairgate-mails"
CERTIFICATE_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE_URL = f"https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"


def make_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEY = make_key()


def certificate(key):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=900)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


class Topic:
    """Posts messages as SNS does, unless a test says otherwise."""

    def __init__(self, api):
        self.api, self.fetched = api, []

    def fetch(self, url):
        self.fetched.append(url)
        return certificate(KEY)

    def post(self, report=None, key=KEY, version="2", **changes):
        body = {
            "Type": "Notification",
            "MessageId": "m-1",
            "TopicArn": TOPIC,
            "Message": json.dumps(report or {}),
            "Timestamp": clock.iso(clock.now()),
            "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL,
        }
        late = {name: changes.pop(name) for name in list(changes) if name.startswith("Late")}
        body |= changes
        names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{body[name]}\n" for name in names if name in body)
        signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA1() if version == "1" else hashes.SHA256())
        body |= {"Signature": b64encode(signature).decode()} | {name.removeprefix("Late"): value for name, value in late.items()}
        return self.api.request(
            "POST", "/webhooks/ses", body=json.dumps(body).encode(), headers={"Content-Type": "text/plain; charset=UTF-8"}
        )


@pytest.fixture
def topic(api, time, monkeypatch):
    made = Topic(api)
    monkeypatch.setattr(ses_reports, "fetch", made.fetch)
    with settings.override(ses_topic_arn=TOPIC):
        yield made


def report(kind, **details):
    return {
        "eventType": kind,
        "mail": {"messageId": "0100", "tags": {"notification": ["order_confirmed.p.3"], "ses:source-ip": ["1"]}},
    } | details


def bounce(kind="Permanent"):
    return report("Bounce", bounce={"bounceType": kind, "bouncedRecipients": [{"emailAddress": "Ada@Example.com"}]})


COMPLAINT = report("Complaint", complaint={"complainedRecipients": [{"emailAddress": "ada@example.com"}]})


@pytest.fixture
def notification(topic, time):
    """A notification that was queued; its status is read by calling it."""
    outbox.queue_notification(outbox.new_notification("order_confirmed", "p", 3, user_id="ada", event_id="e", now=time.now))
    return lambda: outbox.get_notification("order_confirmed.p.3").status


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_delivery_is_written_to_the_notification(topic, notification, version):
    before = log.total("mails_delivered")
    assert topic.post(report("Delivery"), version=version).json == {"received": "delivered"}
    assert topic.post(report("Delivery"), version=version).json == {"received": "known"}
    assert (notification(), log.total("mails_delivered") - before) == ("delivered", 1)
    assert topic.fetched == [CERTIFICATE_URL]  # once


def test_a_mail_that_ses_refused_to_send_is_listed_and_no_failure_of_ours(topic, notification):
    counts = ("mails_rejected", "mails_failed")
    before = [log.total(name) for name in counts]
    assert topic.post(report("Reject", reject={"reason": "Bad content"})).json == {"received": "rejected"}
    assert topic.post(report("Reject", reject={"reason": "Bad content"})).json == {"received": "known"}
    assert [log.total(name) - count for name, count in zip(counts, before, strict=True)] == [1, 0]
    assert (notification(), ses_reports.is_suppressed("ada@example.com")) == ("failed", False)
    assert [found.id for found in list_problem_notifications("failed", 10, None)[0]] == ["order_confirmed.p.3"]


def test_a_permanent_bounce_suppresses_and_lists_the_address(topic, notification):
    topic.post(bounce("Transient"))
    assert (notification(), ses_reports.is_suppressed("ada@example.com")) == ("bounced", False)
    topic.post(bounce())
    assert ses_reports.is_suppressed("ADA@example.com ")
    assert [found.id for found in list_problem_notifications("bounced", 10, None)[0]] == ["order_confirmed.p.3"]


def test_a_report_that_was_a_dead_letter_for_two_weeks_still_counts(topic, notification):
    topic.post(bounce(), Timestamp=clock.iso(clock.now() - 14 * 86_400))
    assert (notification(), ses_reports.is_suppressed("ada@example.com")) == ("bounced", True)


def test_reports_in_another_order_leave_the_strongest(topic, notification):
    topic.post(COMPLAINT)
    for weaker in (report("Delivery"), bounce("Transient")):
        assert topic.post(weaker).json == {"received": "known"}
    assert (notification(), ses_reports.is_suppressed("ada@example.com")) == ("complained", True)


def test_a_subscription_is_confirmed_at_amazon_alone(topic):
    fields = {"Type": "SubscriptionConfirmation", "Token": "abc", "SubscribeURL": SUBSCRIBE_URL}
    assert topic.post(**fields).json == {"received": "subscribed"}
    assert topic.fetched[-1] == SUBSCRIBE_URL
    for elsewhere in ("https://evil.test/?Action=ConfirmSubscription&x=1", "https://sns.eu-central-1.amazonaws.com.evil.test/?Action=a"):
        assert topic.post(**fields | {"SubscribeURL": elsewhere}).status == 400
    assert topic.fetched[-1] == SUBSCRIBE_URL


@pytest.mark.parametrize(
    "changes",
    [
        {"key": make_key()},
        {"TopicArn": TOPIC + "x"},
        {"Timestamp": "2026-05-17T11:59:59Z"},
        {"Timestamp": "2026-06-01T13:00:02Z"},
        {"Timestamp": "yesterday"},
        {"LateMessage": json.dumps(COMPLAINT)},
        {"LateSignature": "AAAA"},
        {"LateSignature": "not base64!"},
        {"LateSignatureVersion": "1"},
        {"LateSignatureVersion": "3"},
        {"LateSigningCertURL": "https://evil.test/SimpleNotificationService-0.pem"},
        {"LateSigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.test/SimpleNotificationService-0.pem"},
        {"LateSigningCertURL": "https://sns.eu-central-1.amazonaws.com/../SimpleNotificationService-0.pem"},
        {"LateSigningCertURL": "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0.pem"},
        {"Type": "UnsubscribeConfirmation"},
    ],
)
def test_a_report_without_a_valid_signature_changes_nothing(topic, notification, changes):
    reply = topic.post(bounce(), **changes)
    assert (reply.status, reply.json["error"], notification()) == (400, "sns_message_refused", "queued")
    assert not ses_reports.is_suppressed("ada@example.com")
    assert all(url == CERTIFICATE_URL for url in topic.fetched)


def test_without_a_topic_everything_is_refused(topic, notification):
    with settings.override(ses_topic_arn=""):
        assert topic.post(bounce(), TopicArn="").status == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"Type": "Notification"}'])
def test_an_invalid_message_is_refused(topic, body):
    assert topic.api.request("POST", "/webhooks/ses", body=body).json["error"] == "sns_message_refused"


def test_a_report_of_another_kind_is_accepted_and_changes_nothing(topic, notification):
    assert topic.post(report("Open")).json == {"received": "ignored"}
    assert topic.post({"hello": 1}).status == 400
    assert notification() == "queued"
