"""Accounts, sessions and tokens in HTTP replies."""

from msgspec import Struct

from chalicelib.accounts.model import Account, Passkey
from chalicelib.accounts.service import Tokens
from chalicelib.accounts.sessions import Session
from chalicelib.edge.auth import ACCESS_SECONDS, EventRole, Identity
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp


class AccountView(Struct, frozen=True, kw_only=True):
    """A person with an account. `locked_at` is when an admin locked the account; it is null if the account is not locked."""

    id: str
    email: str
    email_verified: bool
    roles: list[str]
    locked_at: Timestamp | None
    first_name: str | None
    last_name: str | None
    company: str | None
    created_at: Timestamp
    second_factor: bool


class AccountsView(Struct, frozen=True):
    """A page of accounts, sorted by address. `next_cursor` is null on the last page."""

    users: list[AccountView]
    next_cursor: str | None


def account_view(account: Account) -> AccountView:
    return AccountView(
        id=account.user_id,
        email=account.email,
        email_verified=account.verified_at is not None,
        roles=sorted(account.roles),
        locked_at=None if account.locked_at is None else clock.iso(account.locked_at),
        first_name=account.first_name,
        last_name=account.last_name,
        company=account.company,
        created_at=clock.iso(account.created_at),
        second_factor=account.has_second_factor,
    )


class UserView(Struct, frozen=True):
    """A user. For a guest, the personal fields are null. `events` has the user's roles at other people's events, by event id.

    With a `second_factor`, a sign-in needs a code from an authenticator app, or a passkey. `lacks_second_factor` means that this shop
    requires a second factor from managers, and that the user is a manager without one. Until the user sets one up, `roles` and `events`
    grant only the rights of buyers and door staff.
    """

    id: str
    email: str | None
    email_verified: bool
    roles: list[str]
    events: dict[str, EventRole]
    first_name: str | None
    last_name: str | None
    phone: str | None
    company: str | None
    created_at: str | None
    second_factor: bool = False
    lacks_second_factor: bool = False


class NewSecondFactorView(Struct, frozen=True):
    """A secret for an authenticator app: as text to type (`secret`), as an `otpauth:` address, and as a QR code in an SVG document."""

    secret: str
    address: str
    qr_code: str


class StaffSignInView(Struct, frozen=True):
    """The address at the operator's identity provider where people sign in. The provider then sends them back to the sign-in page."""

    address: str


class PasskeyChallengeView(Struct, frozen=True):
    """A `challenge` that a passkey of this `site` (the relying party id) may sign once, in the next five minutes."""

    challenge: str
    site: str


class NewPasskeyView(Struct, frozen=True):
    """What `navigator.credentials.create` needs for a new passkey: `user_handle` and `known_credentials` are in base64url.

    Ask for a discoverable credential and for user verification. `algorithms` are COSE algorithm numbers.
    """

    challenge: str
    site: str
    site_name: str
    user_handle: str
    user_name: str
    algorithms: list[int]
    known_credentials: list[str]


class PasskeyView(Struct, frozen=True):
    """A passkey. `used_at` is when its owner last used it, or null if the owner has not used it yet."""

    id: str
    name: str
    created_at: Timestamp
    used_at: Timestamp | None


class PasskeysView(Struct, frozen=True):
    """All passkeys of the caller's account, oldest first, and whether the account also has an authenticator app."""

    passkeys: list[PasskeyView]
    authenticator_app: bool


class AddedPasskeyView(Struct, frozen=True):
    """A new passkey. The `recovery_codes`, which are shown only once, are empty if the account already had a second factor."""

    passkey: PasskeyView
    recovery_codes: list[str]


class PasskeyCodeView(Struct, frozen=True):
    """A code that proves once, within five minutes, that the caller has a passkey of their account."""

    code: str


class RecoveryCodesView(Struct, frozen=True):
    """Ten recovery codes. Each code works once, in place of the authenticator app or a passkey. The codes are shown only once."""

    recovery_codes: list[str]


class TokensView(Struct, frozen=True):
    """The tokens of a session. Send `access_token` in the `Authorization` header, and `refresh_token` to POST /auth/refresh.

    Each token expires after the given number of seconds. `refresh_token` is null if the client keeps it in the cookie.
    """

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str | None
    refresh_expires_in: int
    user: UserView


class SessionView(Struct, frozen=True):
    """An active session: its start, the time and origin of its last refresh, and whether it is the caller's current session."""

    id: str
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp
    address: str | None
    user_agent: str | None
    current: bool


class SessionsView(Struct, frozen=True):
    """A page of the caller's sessions, newest first. `next_cursor` is null on the last page."""

    sessions: list[SessionView]
    next_cursor: str | None


class RegistrationView(Struct, frozen=True):
    """The reply to a registration. Without an invitation, it is the same whether or not the address has an account.

    `verification_required` means that people must verify the address before they can sign in.
    """

    email: str
    verification_required: bool
    message: str


def tokens_view(tokens: Tokens, refresh_token: str | None) -> TokensView:
    identity = Identity(tokens.user_id, frozenset(tokens.roles), tokens.events)
    user = user_view(identity, tokens.account, lacks_second_factor=tokens.lacks_second_factor)
    return TokensView(tokens.access_token, "Bearer", ACCESS_SECONDS, refresh_token, tokens.refresh_seconds, user)


def session_view(session: Session, identity: Identity) -> SessionView:
    return SessionView(
        id=session.id,
        created_at=clock.iso(session.begun_at),
        last_used_at=clock.iso(session.rotated_at),
        expires_at=clock.iso(session.expires_at),
        address=session.device.address,
        user_agent=session.device.user_agent,
        current=session.id == identity.session_id,
    )


def user_view(identity: Identity, account: Account | None, *, lacks_second_factor: bool = False) -> UserView:
    """Return the view of a user with the rights of `identity` and the data of `account`, which is None for a guest."""
    if account is None:
        return UserView(identity.user_id, None, False, sorted(identity.roles), dict(identity.events), None, None, None, None, None)
    return UserView(
        id=identity.user_id,
        email=account.email,
        email_verified=account.verified_at is not None,
        roles=sorted(identity.roles),
        events=dict(identity.events),
        first_name=account.first_name,
        last_name=account.last_name,
        phone=account.phone,
        company=account.company,
        created_at=clock.iso(account.created_at),
        second_factor=account.has_second_factor,
        lacks_second_factor=lacks_second_factor,
    )


def passkey_view(passkey: Passkey) -> PasskeyView:
    used_at = None if passkey.used_at is None else clock.iso(passkey.used_at)
    return PasskeyView(passkey.id, passkey.name, clock.iso(passkey.created_at), used_at)
