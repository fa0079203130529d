"""Tokens: arrivals signed by the shop. A token cannot be forged, used for another event or passed on to another user.

`service.require_pass` decides whether the token's user may reserve tickets now. For an event whose tickets another shop sells, this user
gets a pass for the shop, which the shop's server can check without us.

Rooms with a rule of entry require another kind of token: the proof that a user can read the email sent to an address, or has a card.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Literal, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog.model import Event
from chalicelib.foundation import memory, secret_settings, settings
from chalicelib.notifications.model import mailbox_key
from chalicelib.waiting_room.model import DEMO_PREFIX, GUEST_PREFIX, Arrival, EntryReason, TokenUnknown

MAX_LENGTH = 1024
_PURPOSE = "waiting room token v1"
_DIGEST_PURPOSE = "waiting room user v1"
_ADDRESS_PURPOSE, _CODE_PURPOSE, _PROOF_PURPOSE = "waiting room address v1", "waiting room code v1", "waiting room address proof v1"
_REFUSAL_PURPOSE, _APPEAL_PURPOSE, _GRANT_PURPOSE = "waiting room refusal v1", "waiting room appeal v1", "waiting room granted appeal v1"
_CARD_PURPOSE, _CARD_OWNER_PURPOSE, _CARD_PROOF_PURPOSE = "waiting room card v1", "waiting room card owner v1", "waiting room card proof v1"
_INVITATION_PURPOSE = "waiting room invitation v1"
_SHOP_PURPOSE = "waiting room pass v1"

PassAlgorithm = Literal["EdDSA", "HS256"]


def sign_arrival(arrival: Arrival) -> str:
    """Return the token of an arrival: `<payload>.<HMAC-SHA256>`, both base64url. The payload is JSON, which the buyer's browser reads."""
    payload = _encode(msgspec.json.encode(replace(arrival, user=name_in_tokens(arrival.user))))
    return f"{payload}.{_signature(payload)}"


def read_token(token: str) -> Arrival | None:
    """Return the arrival in a token, or None if this shop did not sign the token."""
    if len(token) > MAX_LENGTH or not token.isascii():
        return None
    payload, _, signature = token.partition(".")
    if not hmac.compare_digest(signature, _signature(payload)):
        return None
    try:
        return memory.decoder(Arrival).decode(_decode(payload))
    except (Base64Error, msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_event_id(token: str) -> str:
    """Return the id of the token's event. Raises TokenUnknown if this shop did not sign the token."""
    arrival = read_token(token)
    if arrival is None:
        raise TokenUnknown()
    return arrival.event_id


def user_key(user_id: str) -> str:
    """Return the name of a user in the table: a keyed digest of the user's id. A guest's id is used unchanged."""
    return user_id if user_id.startswith((GUEST_PREFIX, DEMO_PREFIX)) else _digest(user_id)


def belongs_to(arrival: Arrival, user_id: str) -> bool:
    """Return whether the arrival in a token belongs to the user. Tokens from earlier versions contain a guest's id."""
    key = user_key(user_id)
    return (arrival.holder or arrival.user) in (key, name_in_tokens(key))


# Addresses and payment cards. The shop stores and signs only a keyed digest, which differs between events.


def address_key(event_id: str, email: str) -> str:
    """Return the name of an address in the table: a keyed digest of the event and the address's mailbox."""
    return _mac(_ADDRESS_PURPOSE, event_id, mailbox_key(email)).hex()[:32]


def code_digest(event_id: str, address: str, user_id: str, code: str) -> str:
    """Return the digest of a mailed code."""
    return _mac(_CODE_PURPOSE, event_id, address, user_id, code).hex()


def sign_address(event_id: str, address: str, user_id: str) -> str:
    """Return the proof that the user can read the email sent to the address: `<address key>.<HMAC-SHA256>`."""
    return _sign_key(_PROOF_PURPOSE, event_id, address, user_id)


def read_address(proof: str, event_id: str, user_id: str) -> str | None:
    """Return the key of the address in a proof, or None if this shop did not sign the proof for this event and user."""
    return _read_key(_PROOF_PURPOSE, proof, event_id, user_id)


def card_key(event_id: str, fingerprint: str) -> str:
    """Return the name of a payment card in the table: a keyed digest of the event and the fingerprint that the provider gives the card."""
    return _mac(_CARD_PURPOSE, event_id, fingerprint).hex()[:32]


def card_owner(event_id: str, user_id: str) -> str:
    """Return the name under which the provider keeps the check of a user's card: a keyed digest."""
    return _mac(_CARD_OWNER_PURPOSE, event_id, user_id).hex()[:32]


def sign_card(event_id: str, card: str, user_id: str) -> str:
    """Return the proof that a bank has confirmed the card for the user: `<card key>.<HMAC-SHA256>`."""
    return _sign_key(_CARD_PROOF_PURPOSE, event_id, card, user_id)


def read_card(proof: str, event_id: str, user_id: str) -> str | None:
    """Return the key of the card in a proof, or None if this shop did not sign the proof for this event and user."""
    return _read_key(_CARD_PROOF_PURPOSE, proof, event_id, user_id)


def _sign_key(purpose: str, event_id: str, key: str, user_id: str) -> str:
    return f"{key}.{_encode(_mac(purpose, event_id, key, user_id))}"


def _read_key(purpose: str, proof: str, event_id: str, user_id: str) -> str | None:
    key = proof.partition(".")[0]
    is_signed = proof.isascii() and hmac.compare_digest(proof, _sign_key(purpose, event_id, key, user_id))
    return key if is_signed else None


# Appeals. A refusal is signed, so only users whom the waiting room has refused can appeal.


def sign_refusal(event_id: str, user_id: str, reason: EntryReason) -> str:
    """Return the proof that the waiting room has refused the user: `<reason>.<HMAC-SHA256>`."""
    return f"{reason}.{_encode(_mac(_REFUSAL_PURPOSE, event_id, user_id, reason))}"


def read_refusal(refusal: str, event_id: str, user_id: str) -> EntryReason | None:
    """Return the reason of a refusal, or None if this shop has not refused this user at this event."""
    reason = cast("EntryReason", refusal.partition(".")[0])
    is_signed = refusal.isascii() and hmac.compare_digest(refusal, sign_refusal(event_id, user_id, reason))
    return reason if is_signed else None


def appeal_key(event_id: str, user_id: str) -> str:
    """Return the id of the user's appeal, which is also the name of the place in the table that the appeal may give."""
    return _mac(_APPEAL_PURPOSE, event_id, user_id).hex()[:32]


def sign_grant(event_id: str, user_id: str) -> str:
    """Return the proof that the user's appeal was granted. It replaces the proof of an address."""
    return _sign_key(_GRANT_PURPOSE, event_id, appeal_key(event_id, user_id), user_id)


def read_grant(proof: str, event_id: str, user_id: str) -> str | None:
    """Return the key of the user's appeal if the proof shows that it was granted."""
    is_signed = proof.isascii() and hmac.compare_digest(proof, sign_grant(event_id, user_id))
    return appeal_key(event_id, user_id) if is_signed else None


def sign_invitation(event_id: str, room: int, group: str) -> str:
    """Return the invitation to a group: `<group>.<HMAC-SHA256>`. Anybody who has the invitation may use it."""
    return f"{group}.{_encode(_mac(_INVITATION_PURPOSE, event_id, str(room), group))}"


def read_invitation(invitation: str, event_id: str, room: int) -> str | None:
    """Return the group of an invitation, or None if this shop did not sign it for this room."""
    group = invitation.partition(".")[0]
    is_signed = invitation.isascii() and hmac.compare_digest(invitation, sign_invitation(event_id, room, group))
    return group if is_signed else None


def _mac(purpose: str, *parts: str) -> bytes:
    return hmac.digest(secret_settings.derived_key(purpose), msgspec.json.encode(parts), "sha256")


def name_in_tokens(key: str) -> str:
    """Return the name of a user in tokens: a keyed digest, so that nobody can learn a user's id from a token.

    In a demo stage, the token of a user who did not identify themselves contains the id, because only the token identifies this user.
    """
    return _digest(key) if key.startswith(GUEST_PREFIX) else key


def _digest(user_id: str) -> str:
    return hmac.digest(secret_settings.derived_key(_DIGEST_PURPOSE), user_id.encode(), "sha256").hex()[:16]


def _signature(payload: str) -> str:
    return _encode(hmac.digest(secret_settings.derived_key(_PURPOSE), payload.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# Passes for other shops: JSON Web Tokens (RFC 7519). PyJWT cannot sign them here, because the API loads it without `cryptography`
# (`edge/auth.py`).


class PassClaims(Struct, frozen=True):
    """The claims of a pass. `aud` is the origin of the shop, `sub` names the user within the event, and `jti` is the id of the pass.

    Times are epoch seconds.
    """

    iss: str
    aud: str
    sub: str
    event: str
    jti: str
    iat: int
    exp: int


class PassKey(Struct, frozen=True):
    """The public key of passes with EdDSA, as a JSON Web Key (RFC 8037). `kid` is its thumbprint (RFC 7638)."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class _PassHeader(Struct, frozen=True):
    alg: PassAlgorithm
    kid: str
    typ: str = "JWT"


def sign_pass(event: Event, arrival: Arrival, now: int, expires_at: int) -> str:
    """Return the pass of an arrival for the shop that sells the event's tickets."""
    claims = PassClaims(
        iss=issuer(),
        aud=audience(event),
        sub=name_in_tokens(arrival.user),
        event=event.id,
        # The members of a group have one number, but each of them may buy.
        jti=f"{event.id}.{arrival.pass_id}" if arrival.group is None else f"{event.id}.{arrival.pass_id}.{arrival.user}",
        iat=now,
        exp=expires_at,
    )
    header = _PassHeader(algorithm(event), public_key().kid if algorithm(event) == "EdDSA" else event.id)
    signed = f"{_encode(msgspec.json.encode(header))}.{_encode(msgspec.json.encode(claims))}"
    return f"{signed}.{_encode(_sign(event, signed.encode()))}"


def read_pass(event: Event, text: str) -> PassClaims | None:
    """Return the claims of a pass, which may have expired. Returns None unless we signed it for the event's current shop."""
    signed, _, signature = text.rpartition(".")
    # The event alone determines the algorithm. Both algorithms are deterministic: signing a pass again gives the same signature.
    if len(text) > MAX_LENGTH or not text.isascii() or not hmac.compare_digest(signature, _encode(_sign(event, signed.encode()))):
        return None
    try:
        claims = memory.decoder(PassClaims).decode(_decode(signed.split(".")[1]))
    except (IndexError, Base64Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return claims if (claims.iss, claims.aud, claims.event) == (issuer(), audience(event), event.id) else None


def issuer() -> str:
    """Return the name of this stage in passes."""
    return f"fairgate-{settings.current().stage}"


def audience(event: Event) -> str:
    """Return the origin of the shop that sells the event's tickets."""
    assert event.shop_url is not None
    parts = urlsplit(event.shop_url)
    return f"{parts.scheme}://{parts.netloc}"


def public_key() -> PassKey:
    """Return the public key with which shops check passes that are signed with EdDSA."""
    x = _encode(secret_settings.derived_signing_key(_SHOP_PURPOSE).public_key().public_bytes_raw())
    thumbprint = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
    return PassKey(_encode(thumbprint), x)


def shared_key(event: Event) -> str:
    """Return the secret with which the event's shop checks passes that are signed with HS256: 43 characters, whose ASCII bytes are the key.

    The secret belongs to one event and one shop, so a manager who knows it cannot make passes for other events or shops.
    """
    name = f"{event.id} {audience(event)}".encode()
    return _encode(hmac.digest(secret_settings.derived_key(_SHOP_PURPOSE), name, "sha256"))


def algorithm(event: Event) -> PassAlgorithm:
    """Return the algorithm that signs the event's passes."""
    return "EdDSA" if event.waiting_room is None else event.waiting_room.pass_algorithm


def _sign(event: Event, data: bytes) -> bytes:
    if algorithm(event) == "HS256":
        return hmac.digest(shared_key(event).encode(), data, "sha256")
    return secret_settings.derived_signing_key(_SHOP_PURPOSE).sign(data)
