"""Web push: send a message to a browser through its push service (RFC 8030), encrypted for the browser (RFC 8291) and signed (RFC 8292).

The browser names the address of its push service, so requests to this address are guarded like webhooks. Each message is sent at most
once: a run takes the message out of the queue before it sends the message, and puts it back only if the push service has refused it for
now. `cryptography` is imported where it is used, because few instances send messages.
"""

import hmac
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from email.utils import parseaddr
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.messages import store
from chalicelib.addons.messages.model import PushSubscription
from chalicelib.foundation import clock, deadline, log, outbound_http, parallel, secret_settings, settings
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.log import logger
from chalicelib.foundation.outbound_http import Destination, DestinationRefused, SendFailed
from chalicelib.notifications import delivery
from chalicelib.notifications.delivery import Postponed
from chalicelib.notifications.model import Notification
from chalicelib.notifications.store import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PORTION = 1000  # messages that are read at once
MAX_UNANSWERED = 3  # requests in a row without an answer; the service's other messages then wait for their retry
RUN_SECONDS = 12  # for all push messages of a run, because the run sends the emails afterwards
SEND_SECONDS = 3.0
SECONDS_RESERVED = 30  # of each run, for sending emails
TOKEN_SECONDS = 12 * 3600  # RFC 8292 allows 24 hours
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
KEY_BYTES, AUTH_BYTES = 65, 16

# Other push services work too, but only for these services does each host count as a service (see `_service`).
_BROWSER_SERVICES = re.compile(
    r"fcm\.googleapis\.com|updates\.push\.services\.mozilla\.com|web\.push\.apple\.com|[^.]+\.notify\.windows\.com"
)

# The curve P-256: y² = x³ - 3x + B modulo P. It has ORDER points.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class PushMessage(Struct, frozen=True):
    """A message to a browser. The push service keeps it for `ttl_seconds`, or until a later message with the same `topic` replaces it.

    `forget` is called if the browser has ended its subscription.
    """

    subscription: PushSubscription
    content: dict[str, str]
    ttl_seconds: int
    topic: str
    forget: Callable[[], None]


Compose = Callable[[Notification], PushMessage | None]


def check_subscription(subscription: PushSubscription) -> None:
    """Check the form of a browser's subscription. Raises InvalidInput with the path of the wrong field."""
    try:
        outbound_http.parse(subscription.endpoint)
    except DestinationRefused as error:
        raise InvalidInput(str(error), path="$.push.endpoint") from None
    if not _is_public_key(_decode(subscription.p256dh)):
        raise InvalidInput("Send the key of a push subscription: a point on P-256, as 65 bytes in base64url.", path="$.push.p256dh")
    if len(_decode(subscription.auth)) != AUTH_BYTES:
        raise InvalidInput("Send the secret of a push subscription: 16 bytes in base64url.", path="$.push.auth")


def public_key() -> str:
    """Return the shop's public key, the `applicationServerKey` to which browsers tie their subscriptions (RFC 8292)."""
    return _encode(_public_bytes(_private_key()))


def send_due(compose: Compose, now: int) -> None:
    """Send the due push messages, messages about turns first. An error does not stop the emails that are sent afterwards.

    `compose` returns the message for a notification, or None if the message is no longer needed. It may raise Postponed.
    """
    ends_at = clock.monotonic() + RUN_SECONDS
    unanswered: dict[str, int] = {}

    def has_time() -> bool:
        return clock.monotonic() < ends_at and deadline.remaining() > SECONDS_RESERVED

    def attempt(key: str, notification: Notification) -> None:
        if has_time() and store.take_push(key):
            _attempt(notification, compose, now, unanswered)

    try:
        is_full = True
        while is_full and has_time():
            due = store.list_due_pushes(now, PORTION)
            is_full = len(due) == PORTION
            # Retries come last, so that push services that do not answer delay only each other's messages.
            due.sort(key=lambda entry: (entry[1].attempts, entry[1].kind == "place_drawn"))
            parallel.call_each(lambda entry: attempt(*entry), due)
    except Exception:
        logger.exception("push.failed")


def _attempt(notification: Notification, compose: Compose, now: int, unanswered: dict[str, int]) -> None:
    """Send a push message. Queues the message again only if it is not due yet, or if the push service refuses it for now."""
    try:
        message = compose(notification)
        if message is not None:
            _send(notification, message, now, unanswered)
    except Postponed as postponed:
        store.put_push(replace(notification, next_at=postponed.until))
    except Exception:
        logger.exception("push.failed", event_id=notification.event_id, kind=notification.kind)


def _send(notification: Notification, message: PushMessage, now: int, unanswered: dict[str, int]) -> None:
    """Send a push message. `unanswered` counts the consecutive requests of this run that got no answer, by service."""
    status, retry_after, service = None, None, ""
    try:
        destination = outbound_http.parse(message.subscription.endpoint)
        service = _service(destination)
        if unanswered.get(service, 0) >= MAX_UNANSWERED:
            raise SendFailed("timeout")
        body = _encrypt(message.subscription, json.dumps(message.content, ensure_ascii=False).encode())
        headers = {
            "Authorization": _authorization(message.subscription.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(message.ttl_seconds),
            "Topic": message.topic,
            "Urgency": "high",
        }
        reply = outbound_http.post(destination, outbound_http.resolve(destination), headers, body, SEND_SECONDS)
        status, retry_after = reply.status, reply.retry_after
        unanswered[service] = 0
        failure = None if reply.is_success else f"status {status}"
    except DestinationRefused as error:
        status, failure = None if error.unresolved else HTTPStatus.GONE, "address_refused"
        if error.unresolved:  # the look-up of a name may take as long as a request
            unanswered[service] = unanswered.get(service, 0) + 1
    except SendFailed as error:
        failure = error.error
        unanswered[service] = unanswered.get(service, 0) + 1
    if failure is None:
        log.count("pushes_sent")
        return
    log.count("pushes_failed")
    logger.info("push.refused", event_id=notification.event_id, kind=notification.kind, error=failure)
    if status in GONE:
        message.forget()
    elif _is_temporary(status) and notification.attempts + 1 < delivery.MAX_ATTEMPTS:
        attempts = notification.attempts + 1
        wait_seconds = max(delivery.wait_seconds(attempts), min(retry_after or 0, MAX_WAIT_SECONDS))
        store.put_push(replace(notification, attempts=attempts, next_at=now + wait_seconds))


def _service(destination: Destination) -> str:
    """Return the service of a destination: the last two labels of its host's name, or "" for all bare addresses together.

    Anyone can create any number of names below their own domain, and name any number of bare addresses, which real push services do not
    use. But each host in `_BROWSER_SERVICES` is a separate service. Otherwise, anyone could name unresponsive hosts or ports of the same
    domain, and hold up the messages to all browsers of one vendor.
    """
    host = destination.host
    if destination.port == outbound_http.HTTPS_PORT and _BROWSER_SERVICES.fullmatch(host):
        return host
    labels = host.rstrip(".").split(".")
    return "" if ":" in host or labels[-1][:1].isdigit() else ".".join(labels[-2:])


def _is_temporary(status: int | None) -> bool:
    return status is None or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def topic_of(text: str) -> str:
    """Return a topic that does not reveal the text: 32 characters of base64url."""
    return _encode(sha256(text.encode()).digest()[:24])


def _encrypt(subscription: PushSubscription, content: bytes) -> bytes:
    """Encrypt the content for the browser as RFC 8291 requires: as one record in the format of RFC 8188, with a separate key."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    receiver, own_key, salt = _decode(subscription.p256dh), ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
    shared = own_key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver))
    sender = _public_bytes(own_key)
    secret = _derive_key(_decode(subscription.auth), shared, b"WebPush: info\0" + receiver + sender, 32)
    key = _derive_key(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive_key(salt, secret, b"Content-Encoding: nonce\0", 12)
    record = AESGCM(key).encrypt(nonce, content + b"\x02", None)  # 2 marks the last record
    return salt + (4096).to_bytes(4, "big") + bytes([len(sender)]) + sender + record


def _derive_key(salt: bytes, secret: bytes, purpose: bytes, length: int) -> bytes:
    """Derive a key of at most 32 bytes with HKDF-SHA256 (RFC 5869)."""
    return hmac.digest(hmac.digest(salt, secret, "sha256"), purpose + b"\x01", "sha256")[:length]


def _authorization(endpoint: str) -> str:
    """Return the header that proves which shop sends the message (RFC 8292): a JWT signed with ES256, and the public key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    key, current = _private_key(), settings.current()
    contact = parseaddr(current.mail_from)[1]
    claims = {
        "aud": "/".join(endpoint.split("/")[:3]),
        "exp": clock.now() + TOKEN_SECONDS,
        "sub": f"mailto:{contact}" if contact else current.shop_url,
    }
    parts = [_encode(json.dumps(part, separators=(",", ":")).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims)]
    r, s = decode_dss_signature(key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    signature = _encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={'.'.join([*parts, signature])}, k={_encode(_public_bytes(key))}"


def _private_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    number = int.from_bytes(secret_settings.derived_key("web push"), "big")
    return ec.derive_private_key(1 + number % (_ORDER - 1), ec.SECP256R1())


def _public_bytes(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _is_public_key(point: bytes) -> bool:
    """Return whether the bytes are an uncompressed point on the curve P-256."""
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    is_on_curve = x < _P and y < _P and (y * y - x**3 + 3 * x - _B) % _P == 0
    return len(point) == KEY_BYTES and point[0] == 4 and is_on_curve


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Decode base64url without padding. Returns empty bytes for any other text."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
