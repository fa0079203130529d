"""SES's reports about emails (delivered, bounced, rejected, complained about), which arrive through SNS, and the suppressed addresses."""

import binascii
import hmac
import re
from base64 import b64decode
from datetime import datetime
from hashlib import sha1, sha256
from hmac import compare_digest
from typing import Literal
from urllib.request import urlopen

import msgspec
from msgspec import Struct

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, log, memory, secret_settings, settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.notifications import store
from chalicelib.notifications.model import NotificationStatus, NotSuppressed, SnsRefused
from chalicelib.notifications.providers import NOTIFICATION_TAG

Outcome = Literal["delivered", "bounced", "rejected", "complained"]

# Reports arrive in any order and repeatedly, so each outcome replaces only the statuses listed here. A report may even arrive before `sent`
# is written.
_EARLIER: dict[Outcome, tuple[NotificationStatus, ...]] = {
    "delivered": ("queued", "sent"),
    "rejected": ("queued", "sent"),
    "bounced": ("queued", "sent", "delivered"),
    "complained": ("queued", "sent", "delivered", "bounced"),
}


class Recipient(Struct, frozen=True, rename="camel"):
    """An address in a report."""

    email_address: str


class Bounce(Struct, frozen=True, rename="camel"):
    """A bounced email. `bounce_type` is `Permanent`, `Transient` or `Undetermined`."""

    bounce_type: str
    bounced_recipients: list[Recipient]


class Complaint(Struct, frozen=True, rename="camel"):
    """A complaint: a recipient marked the email as unwanted."""

    complained_recipients: list[Recipient]


class ReportedMail(Struct, frozen=True):
    """The email that a report is about. `tags` are the tags with which the email was sent."""

    tags: dict[str, list[str]] = {}


class SesReport(Struct, frozen=True, rename="camel"):
    """A report from SES, in the format of a configuration set's event publishing."""

    event_type: str
    mail: ReportedMail
    bounce: Bounce | None = None
    complaint: Complaint | None = None


def handle_message(raw: bytes, now: int) -> str:
    """Process a message from the SNS topic. Returns the outcome in one word. Raises SnsRefused."""
    message = read_message(raw, now)
    if message.type == "SubscriptionConfirmation":
        confirm_subscription(message)
        return "subscribed"
    try:
        report = memory.decoder(SesReport).decode(message.message)
    except msgspec.MsgspecError:
        raise SnsRefused() from None
    return _apply(report, now)


def _apply(report: SesReport, now: int) -> str:
    match report.event_type:
        case "Delivery":
            return _change(report, "delivered", now)
        case "Reject":
            return _change(report, "rejected", now)
        case "Bounce" if report.bounce is not None:
            if report.bounce.bounce_type == "Permanent":
                _suppress(report.bounce.bounced_recipients, "bounced", now)
            return _change(report, "bounced", now)
        case "Complaint" if report.complaint is not None:
            _suppress(report.complaint.complained_recipients, "complained", now)
            return _change(report, "complained", now)
    return "ignored"


def _suppress(recipients: list[Recipient], reason: str, now: int) -> None:
    for recipient in recipients:
        suppress(recipient.email_address, reason, now)


def _change(report: SesReport, outcome: Outcome, now: int) -> str:
    """Write the reported status to the notification. Emails without a notification, such as emails with links, are only counted."""
    ids = report.mail.tags.get(NOTIFICATION_TAG, [])
    status: NotificationStatus = "failed" if outcome == "rejected" else outcome
    is_new = all(store.change_status(notification_id, status, _EARLIER[outcome], now) for notification_id in ids)
    if is_new:
        log.count(f"mails_{outcome}")
    return outcome if is_new else "known"


# Messages from Amazon SNS over HTTPS: their signatures, and the confirmation of a subscription.
#
# https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. The certificate is authentic, because it is fetched over
# TLS and only from Amazon's hosts. The signature is compared with the expected signature, as in RFC 8017, 8.2.2.

# The dead-letter queue keeps messages for two weeks, and `fairgate replay` posts them again. An old message does no harm: no report
# replaces a later status.
MAX_AGE_SECONDS = 15 * 86_400
MAX_CLOCK_SECONDS = 3600  # how far in the future a message may be dated
MAX_CERTIFICATE_BYTES = 20_000
TIMEOUT_SECONDS = 3

_HOST = r"https://sns\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE_URL = re.compile(rf"{_HOST}/SimpleNotificationService-[A-Za-z0-9]{{1,64}}\.pem")
_SUBSCRIBE_URL = re.compile(rf"{_HOST}/\?Action=ConfirmSubscription&[A-Za-z0-9=&:%._-]{{1,1000}}")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
# Signature version -> the hash function, and the encoding of its name that precedes the hash (RFC 8017, 9.2, note 1).
_HASHES = {
    "1": (sha1, bytes.fromhex("3021300906052b0e03021a05000414")),
    "2": (sha256, bytes.fromhex("3031300d060960864801650304020105000420")),
}

_keys: Memory[str, tuple[int, int]] = Memory()  # URL of a certificate -> modulus and exponent of its key


class SnsMessage(msgspec.Struct, frozen=True, rename="pascal"):
    """A message that SNS has posted."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)
    token: str | None = None
    subject: str | None = None


def read_message(raw: bytes, now: int) -> SnsMessage:
    """Return the message. Raises SnsRefused unless SNS signed it for our topic within MAX_AGE_SECONDS."""
    try:
        message = memory.decoder(SnsMessage).decode(raw)
        sent_at = clock.epoch_seconds(msgspec.convert(message.timestamp, datetime))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise SnsRefused() from None
    topic = settings.current().ses_topic_arn
    is_ours = bool(topic) and compare_digest(message.topic_arn.encode(), topic.encode())
    is_known = message.type in _SIGNED and message.signature_version in _HASHES
    is_recent = -MAX_CLOCK_SECONDS <= now - sent_at <= MAX_AGE_SECONDS
    if not (is_ours and is_known and is_recent and _is_signed(message)):
        logger.warning("sns.refused", is_ours=is_ours, is_known=is_known)
        raise SnsRefused()
    return message


def confirm_subscription(message: SnsMessage) -> None:
    """Confirm to SNS that the shop subscribes to the topic. Raises SnsRefused for a URL that is not Amazon's."""
    if message.subscribe_url is None or not _SUBSCRIBE_URL.fullmatch(message.subscribe_url):
        raise SnsRefused()
    fetch(message.subscribe_url)
    logger.info("sns.subscribed", topic_arn=message.topic_arn)


def fetch(url: str) -> bytes:
    """Fetch one of Amazon's URLs. The caller must have checked the URL."""
    deadline.require(TIMEOUT_SECONDS)
    with urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - it begins with https://sns.
        content: bytes = response.read(MAX_CERTIFICATE_BYTES)
    return content


def _is_signed(message: SnsMessage) -> bool:
    """Return whether the signature was made with the key in Amazon's certificate."""
    if not _CERTIFICATE_URL.fullmatch(message.signing_cert_url):
        return False
    try:
        signature = b64decode(message.signature, validate=True)
        modulus, exponent = _key(message.signing_cert_url)
    except (binascii.Error, ValueError, OSError):
        return False
    size = (modulus.bit_length() + 7) // 8
    make_hash, prefix = _HASHES[message.signature_version]
    tail = prefix + make_hash(_signed_text(message)).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail
    if len(signature) != size:
        return False
    return compare_digest(pow(int.from_bytes(signature), exponent, modulus).to_bytes(size), expected)


def _signed_text(message: SnsMessage) -> bytes:
    values = msgspec.to_builtins(message)
    return "".join(f"{name}\n{values[name]}\n" for name in _SIGNED[message.type] if values[name] is not None).encode()


def _key(url: str) -> tuple[int, int]:
    """Return the modulus and the exponent of a certificate's public key. Raises ValueError or OSError.

    The key is cached, because Amazon rarely changes it.
    """
    numbers = _keys.entries.get(url)
    if numbers is None:
        from asn1crypto import pem, x509  # few requests need it

        _, _, encoded = pem.unarmor(fetch(url))
        key = x509.Certificate.load(encoded).public_key["public_key"].parsed
        numbers = _keys.entries[url] = int(key["modulus"].native), int(key["public_exponent"].native)
    return numbers


# An address is suppressed if an email to it bounced permanently or its owner complained. Addresses are stored only as keyed hashes.


def suppress(address: str, reason: str, now: int) -> None:
    """Stop sending emails to an address. `reason` is `bounced` or `complained`."""
    store.put_suppressed(_digest(address), reason, now)


def is_suppressed(address: str) -> bool:
    """Return whether an address is suppressed. The read is strongly consistent."""
    return store.is_suppressed(_digest(address))


def release_address(address: str, actor: str, now: int) -> None:
    """Allow emails to an address again. The audit entry does not contain the address. Raises NotSuppressed."""
    entry = audit.entry_item("suppressed-addresses", "address.released", actor, now, {})
    try:
        dynamo.transact([store.delete_suppressed_item(_digest(address)), entry])
    except dynamo.ConditionFailed:
        raise NotSuppressed() from None


def _digest(address: str) -> str:
    key = secret_settings.derived_key("suppressed addresses")
    return hmac.digest(key, address.strip().lower().encode(), "sha256").hex()
