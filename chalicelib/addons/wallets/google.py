"""Google Wallet: the class of an event and tier, the object of a ticket with its rotating barcode, and the Google Wallet API.

Google's phones compute the passwords of the rotating barcode themselves, from the key in the object. The link that saves an object only
names it, so that the key never appears in an address. `cryptography` and joserfc are imported where they are used, because few requests
need them.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.edge import languages
from chalicelib.foundation import clock, deadline, memory, outbound_http, secret_settings, settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.foundation.outbound_http import DestinationRefused, HostReply, SendFailed
from chalicelib.tickets import qr, service, signature
from chalicelib.tickets.model import Ticket, order_number

SAVE_URL = "https://pay.google.com/gp/v/save/"
SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
TOKEN_SECONDS = 3600
MAX_REPLY_BYTES = 16_384
SECONDS = 4.0  # per call; saving a ticket makes up to five
# Google accepts 20 calls a second from all instances of a stage. The job has two, and the rest is for buyers who save their tickets.
JOB_RATE = 8
PAUSE_SECONDS = 30  # in which the job makes no calls after Google has refused one because there were too many

Kind = Literal["eventTicketClass", "eventTicketObject"]


class GoogleFailed(Exception):
    """Google did not accept a request, or did not answer. `status` is the HTTP status, or None if there was no answer."""

    def __init__(self, status: int | None, what: str) -> None:
        super().__init__(f"{what}: {status or 'no answer'}")
        self.status = status

    @property
    def is_limit(self) -> bool:
        """Whether there are too many calls at the moment, so the request is as good as any other and may be repeated soon."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS


class ServiceAccount(Struct, frozen=True):
    """The fields of a service account's key file that this module uses."""

    client_email: str
    private_key: str
    private_key_id: str
    token_uri: str


_tokens: Memory[str, tuple[str, int]] = Memory()  # the account's address -> its access token, and when it expires
_turns: Memory[str, float] = Memory()  # "next" -> when the job may make its next call, on the clock of `clock.monotonic`


def is_configured() -> bool:
    return bool(settings.current().google_wallet_issuer and secret_settings.optional_secret("google_wallet_key"))


def find_setup_error() -> str | None:
    """Return the code of the key's error, or None if the key is usable."""
    try:
        _private_key(_account().private_key)
    except (ValueError, TypeError, msgspec.MsgspecError):
        return "GoogleWalletKeyInvalid"
    return None


def class_id(event_id: str, tier_id: str) -> str:
    return f"{_prefix()}.{event_id}.{tier_id}"


def event_class(event: Event, tier: Tier | None, tier_id: str, issuer_name: str, color: str, logo: str | None) -> dict[str, Any]:
    """Return the class that all tickets of a tier share: the event with the dates, times and place for which they are valid.

    `logo` is the address of a picture. Google reads the picture when the class is written, and only over https.
    """
    valid = event.for_tiers([tier])
    address = ", ".join(part for part in (valid.address, valid.city) if part) or valid.venue
    times = service.all_door_times(valid)
    return {
        "id": class_id(event.id, tier_id),
        "issuerName": issuer_name[:100],
        "reviewStatus": "UNDER_REVIEW",
        "eventId": event.id,
        "eventName": _localized(event.name, event.names),
        "venue": {"name": _localized(valid.venue), "address": _localized(address)},
        "dateTime": {
            "doorsOpen": clock.iso(min(each.opens_at for each in times)),
            "start": clock.iso(valid.starts_at),
            **({"end": clock.iso(valid.ends_at)} if valid.ends_at is not None else {}),
        },
        "hexBackgroundColor": color,
        "logo": {"sourceUri": {"uri": logo}} if logo is not None and logo.startswith("https://") else None,
        "multipleDevicesAndHoldersAllowedStatus": "ONE_USER_ALL_DEVICES",
    }


def ticket_object(ticket: Ticket, serial: str, event: Event | None, tier: Tier | None, *, is_valid: bool) -> dict[str, Any]:
    """Return the object of a ticket. The object of a ticket that is not valid is inactive and has no barcode and no name."""
    if not is_valid:
        return {
            "id": f"{_prefix()}.{serial}",
            "classId": class_id(ticket.event_id, ticket.tier_id),
            "state": "INACTIVE",
            "rotatingBarcode": None,
            "ticketHolderName": None,
        }
    return {
        "id": f"{_prefix()}.{serial}",
        "classId": class_id(ticket.event_id, ticket.tier_id),
        "state": "ACTIVE",
        "ticketHolderName": ticket.attendee.name if ticket.attendee is not None else None,
        "ticketNumber": ticket.seat_number(1),
        "ticketType": _localized(tier.name, tier.names) if tier is not None else None,
        "reservationInfo": {"confirmationCode": order_number(ticket.purchase_id, event)},
        "groupingInfo": {"groupingId": ticket.purchase_id, "sortIndex": ticket.number},
        "passConstraints": {"screenshotEligibility": "INELIGIBLE"},
        "rotatingBarcode": {
            "type": "QR_CODE",
            "valuePattern": qr.rotating_text(ticket, "{totp_value_0}"),
            "totpDetails": {
                "periodMillis": str(signature.ROTATION_SECONDS * 1000),
                "algorithm": "TOTP_SHA1",
                "parameters": [
                    {"key": signature.totp_key(ticket.code, ticket.qr_sig).hex(), "valueLength": signature.ROTATING_DIGITS},
                ],
            },
        },
    }


def digest(body: Mapping[str, Any]) -> str:
    """Return a short digest of a class or an object."""
    return sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()[:16]


def save_link(saved: Mapping[str, Any]) -> str:
    """Return the address at which the owner of a phone saves an object that already exists at Google."""
    claims = {
        "iss": _account().client_email,
        "aud": "google",
        "typ": "savetowallet",
        "iat": clock.now(),
        "origins": [settings.current().shop_url],
        "payload": {"eventTicketObjects": [{"id": saved["id"], "classId": saved["classId"]}]},
    }
    return f"{SAVE_URL}{_sign(claims)}"


def put(kind: Kind, body: Mapping[str, Any]) -> None:
    """Create a class or an object at Google, or change it if it exists there. Raises GoogleFailed."""
    reply = _call("POST", f"/walletobjects/v1/{kind}", {name: value for name, value in body.items() if value is not None})
    if reply.status == HTTPStatus.CONFLICT:
        reply = _call("PATCH", f"/walletobjects/v1/{kind}/{body['id']}", body)
    _require_success(reply, f"{kind} not written")


def wait_for_turn(max_seconds: float) -> None:
    """Wait until the job may call Google. Raises GoogleFailed if that takes longer than `max_seconds`, or than there is time."""
    with _turns.lock:
        now = clock.monotonic()
        turn_at = max(now, _turns.entries.get("next", now))
        if turn_at - now > min(max_seconds, deadline.remaining() - SECONDS):
            raise GoogleFailed(HTTPStatus.TOO_MANY_REQUESTS, "no turn")
        _turns.entries["next"] = turn_at + 1 / JOB_RATE
    if turn_at > now:
        deadline.wait(turn_at - now)


def patch(kind: Kind, body: Mapping[str, Any]) -> bool:
    """Change a class or an object at Google. Returns False if it does not exist there. Raises GoogleFailed."""
    reply = _call("PATCH", f"/walletobjects/v1/{kind}/{body['id']}", body)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        logger.warning("wallets.google_limit")
        _turns.entries["next"] = clock.monotonic() + PAUSE_SECONDS
    if reply.status == HTTPStatus.NOT_FOUND:
        return False
    _require_success(reply, f"{kind} not changed")
    return True


def _call(method: Literal["POST", "PATCH"], path: str, body: Mapping[str, Any]) -> HostReply:
    headers = {"Authorization": f"Bearer {_access_token()}", "Content-Type": "application/json", "Accept": "application/json"}
    reply = _send(method, settings.current().google_wallet_api_base.rstrip("/") + path, headers, json.dumps(body).encode())
    if reply.status == HTTPStatus.UNAUTHORIZED:
        _tokens.forget()
    return reply


def _access_token() -> str:
    """Return an access token of the service account (RFC 7523), which this instance keeps until a minute before it expires."""
    account = _account()
    kept = _tokens.entries.get(account.client_email)
    now = clock.now()
    if kept is None or now >= kept[1]:
        claims = {"iss": account.client_email, "scope": SCOPE, "aud": account.token_uri, "iat": now, "exp": now + TOKEN_SECONDS}
        body = urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": _sign(claims)}).encode()
        reply = _send("POST", account.token_uri, {"Content-Type": "application/x-www-form-urlencoded"}, body)
        _require_success(reply, "no access token")
        granted = memory.decoder(_Grant).decode(reply.body)
        kept = _tokens.entries[account.client_email] = granted.access_token, now + granted.expires_in - 60
    return kept[0]


class _Grant(Struct, frozen=True):
    access_token: str
    expires_in: int


def _send(method: Literal["POST", "PATCH"], url: str, headers: Mapping[str, str], body: bytes) -> HostReply:
    deadline.require(SECONDS)
    try:
        destination = outbound_http.parse(url)
        addresses = outbound_http.resolve(destination)
        return outbound_http.post(destination, addresses, headers, body, SECONDS, MAX_REPLY_BYTES, method)
    except (DestinationRefused, SendFailed) as error:
        raise GoogleFailed(None, str(error)) from None


def _require_success(reply: HostReply, what: str) -> None:
    if not reply.is_success:
        raise GoogleFailed(reply.status, what)


def _sign(claims: Mapping[str, Any]) -> str:
    """Return a JWT that the service account has signed. Raises ValueError, TypeError or MsgspecError for a malformed key.

    PyJWT cannot sign here: an instance that checks access tokens has loaded it without `cryptography` (`edge.auth`).
    """
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    account = _account()
    key = RSAKey.import_key(_private_key(account.private_key))
    return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": account.private_key_id}, dict(claims), key)


def _account() -> ServiceAccount:
    return memory.decoder(ServiceAccount).decode(secret_settings.optional_secret("google_wallet_key"))


@lru_cache(maxsize=2)
def _private_key(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(text.encode(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("Google's keys are RSA keys")
    return key


def _prefix() -> str:
    current = settings.current()
    return f"{current.google_wallet_issuer}.{current.stage}"


def _localized(text: str, others: Mapping[str, str] | None = None) -> dict[str, Any]:
    translated = [{"language": language, "value": value} for language, value in (others or {}).items()]
    return {"defaultValue": {"language": languages.DEFAULT, "value": text}, **({"translatedValues": translated} if translated else {})}
