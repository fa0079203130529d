"""Account routes: registration, sign-in, sessions, profiles, passwords and mailed links, and the routes with which admins manage accounts.

A session's refresh token is sent in bodies, or in a cookie if the client requests a cookie (`session_cookie`).
"""

from contextlib import suppress
from typing import Annotated

from chalice.app import Blueprint
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from chalicelib.accounts import addresses, directory, factors, service, session_cookie
from chalicelib.accounts.directory import UserChanging
from chalicelib.accounts.login_attempts import TooManyAttempts
from chalicelib.accounts.model import (
    AccountChanging,
    AccountLocked,
    AddressBody,
    AddressNotVerified,
    AlreadyRegistered,
    CommonPassword,
    Company,
    Email,
    EnteredPassword,
    FactorCode,
    LinkExpired,
    LoginFailed,
    LongBytes,
    MailedToken,
    NewPassword,
    NoAccount,
    NoSecondFactor,
    OwnRole,
    PasskeyName,
    PasskeyRefused,
    PasskeySignature,
    PersonName,
    Phone,
    Profile,
    ProviderText,
    RefreshToken,
    SecondFactorRequired,
    StaffAddressRefused,
    StaffSignInExpired,
    StaffSignInRefused,
    StaffSignInUnavailable,
    TooManyPasskeys,
    WrongPassword,
)
from chalicelib.accounts.service import Registration, Tokens
from chalicelib.accounts.sessions import SessionEnded, SessionNotFound
from chalicelib.accounts.store import Group
from chalicelib.accounts.views import (
    AccountsView,
    AccountView,
    AddedPasskeyView,
    NewPasskeyView,
    NewSecondFactorView,
    PasskeyChallengeView,
    PasskeyCodeView,
    PasskeysView,
    RecoveryCodesView,
    RegistrationView,
    SessionsView,
    StaffSignInView,
    TokensView,
    UserView,
    account_view,
    passkey_view,
    session_view,
    tokens_view,
    user_view,
)
from chalicelib.edge import cursors
from chalicelib.edge.auth import Forbidden, Unauthenticated
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.rate_limits import INVITE, MAIL, SIGN_UP, RateLimited, limited, limited_by_address, limited_for_caller
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import settings
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.notifications.model import recipient_key

bp = Blueprint(__name__)

_SESSION_POSITION = r"\d{11}#[0-9a-f]{32}"


class NewAccount(Struct, forbid_unknown_fields=True):
    """A registration. A request with a guest's access token turns the guest into this account, which keeps the guest's tickets.

    `invitation` is the token in the link of an invitation to work at an event. The token verifies the address to which it was mailed.
    """

    email: Email
    password: NewPassword
    first_name: PersonName | None = None
    last_name: PersonName | None = None
    phone: Phone | None = None
    role: OwnRole = "user"
    company: Company | None = None
    invitation: MailedToken | None = None


class LoginBody(Struct, forbid_unknown_fields=True):
    """`code` is needed only if the account has a second factor: a code from the authenticator app or from a passkey, or a recovery code."""

    email: Email
    password: EnteredPassword
    code: FactorCode | None = None


class RefreshBody(Struct, forbid_unknown_fields=True):
    """`refresh_token` is required unless the cookie contains it."""

    refresh_token: RefreshToken | None = None


class LogoutBody(Struct, forbid_unknown_fields=True):
    """`refresh_token` is required unless the cookie contains it. `everywhere` ends all of the user's sessions, on all devices."""

    refresh_token: RefreshToken | None = None
    everywhere: bool = False


class SessionsQuery(Struct, forbid_unknown_fields=True):
    """A page of the user's sessions."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class ProfileChanges(Struct, forbid_unknown_fields=True):
    """Changes to a profile. A missing field stays unchanged; null removes the value."""

    first_name: PersonName | UnsetType | None = UNSET
    last_name: PersonName | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    company: Company | UnsetType | None = UNSET


class ProviderReply(Struct, forbid_unknown_fields=True):
    """The query parameters that the provider added when it sent the browser back to the sign-in page."""

    code: ProviderText
    state: ProviderText
    iss: ProviderText | None = None


class PasswordChange(Struct, forbid_unknown_fields=True):
    current_password: EnteredPassword
    password: NewPassword


class NewSecondFactor(Struct, forbid_unknown_fields=True):
    """The password of the account. An account with a second factor also needs a `code`, as at a sign-in."""

    password: EnteredPassword
    code: FactorCode | None = None


class FactorConfirmation(Struct, forbid_unknown_fields=True):
    """A code from the authenticator app. A recovery code or a code from a passkey can also be used to remove a passkey."""

    code: FactorCode


class FactorRemoval(Struct, forbid_unknown_fields=True):
    """The password of the account, and one code: from the authenticator app, from a passkey, or a recovery code."""

    password: EnteredPassword
    code: FactorCode


class NewPasskey(Struct, forbid_unknown_fields=True):
    """What `navigator.credentials.create` returns, in base64url, and a name under which the owner recognizes the passkey."""

    name: PasskeyName
    client_data: LongBytes
    attestation: LongBytes


class NewAddress(Struct, forbid_unknown_fields=True):
    """`email` is the account's new address, and `password` is its current password."""

    email: Email
    password: EnteredPassword


class PasswordReset(Struct, forbid_unknown_fields=True):
    """`token` is the token from the link in the email."""

    token: MailedToken
    password: NewPassword


class VerificationBody(Struct, forbid_unknown_fields=True):
    """`token` is the token from the link in the email. `password` is the password of the account."""

    token: MailedToken
    password: EnteredPassword | None = None


@route(
    bp,
    "POST",
    "/auth/register",
    access="public",
    statuses=(201,),
    headers=(ACCEPT_LANGUAGE,),
    errors=(Unauthenticated, CommonPassword, AlreadyRegistered, RateLimited),
)
def register(request: RequestContext, body: NewAccount) -> Reply[RegistrationView]:
    """Register an account; the reply is the same whether or not the address already has an account."""
    identity = request.identity
    guest = identity if identity is not None and "guest" in identity.roles else None
    profile = Profile(body.first_name, body.last_name, body.phone, body.company)
    new = Registration(body.email, body.password, body.role == "promoter", profile, guest, body.invitation)
    with limited_by_address(request, SIGN_UP), limited(request, MAIL, recipient_key(body.email), scope="register"):
        is_verified = service.register(new, request.language, request.now)
    message = "Sign in." if is_verified else "We have sent an email to this address. Follow the link in it."
    is_required = settings.current().email_verification == "required" and not is_verified
    return Reply(RegistrationView(body.email, is_required, message), 201)


@route(
    bp,
    "POST",
    "/auth/login",
    access="public",
    headers=(session_cookie.HEADER, ACCEPT_LANGUAGE),
    errors=(LoginFailed, AccountLocked, SecondFactorRequired, TooManyAttempts, RateLimited),
)
def log_in(request: RequestContext, body: LoginBody) -> Reply[TokensView]:
    """Sign in with email address and password, and with a code if the account has a second factor."""
    wants_cookie = session_cookie.is_requested(request)
    marks = session_cookie.read_marks(request) if wants_cookie else []
    return _tokens_reply(request, service.log_in(request, body.email, body.password, body.code, marks), wants_cookie)


@route(bp, "POST", "/auth/staff/begin", access="public", statuses=(201,), errors=(NotFound, StaffSignInUnavailable, RateLimited))
def begin_staff_sign_in(request: RequestContext) -> Reply[StaffSignInView]:
    """Begin to sign in through the operator's identity provider. The browser stores a cookie. Then send the browser to the `address`."""
    from chalicelib.accounts import staff_sign_in  # imported here because few stages need it

    with limited_by_address(request, SIGN_UP):
        address, secret = staff_sign_in.begin(request.now)
        return Reply(StaffSignInView(address), 201, cookies=session_cookie.keep_staff_secret(secret, staff_sign_in.FLOW_SECONDS))


@route(
    bp,
    "POST",
    "/auth/staff/login",
    access="public",
    headers=(session_cookie.HEADER,),
    errors=(
        *(NotFound, StaffSignInExpired, StaffSignInRefused, StaffAddressRefused, StaffSignInUnavailable),
        *(AccountLocked, AccountChanging, RateLimited),
    ),
)
def log_in_staff(request: RequestContext, body: ProviderReply) -> Reply[TokensView]:
    """Sign in with the reply of the operator's identity provider, in the browser that began the sign-in."""
    from chalicelib.accounts import staff_sign_in

    wants_cookie, secret = session_cookie.is_requested(request), session_cookie.read_staff_secret(request)
    with limited_by_address(request, SIGN_UP):
        tokens = staff_sign_in.finish(request, secret, body.state, body.code, body.iss)
    reply = _tokens_reply(request, tokens, wants_cookie)
    return structs.replace(reply, cookies=(*reply.cookies, *session_cookie.keep_staff_secret("", 0)))


@route(bp, "POST", "/auth/guest", access="public", statuses=(201,), headers=(session_cookie.HEADER,), errors=(RateLimited,))
def create_guest(request: RequestContext) -> Reply[TokensView]:
    """Get an identity without an account, to buy as a guest. A guest whose cookie is still valid gets the same identity again."""
    wants_cookie = session_cookie.is_requested(request)
    guest_token = session_cookie.read_guest(request) if wants_cookie else None
    if guest_token is not None:
        with suppress(SessionEnded):
            return _tokens_reply(request, service.refresh(request, guest_token), wants_cookie, 201)
    with limited_by_address(request, SIGN_UP):
        return _tokens_reply(request, service.begin_guest_session(request), wants_cookie, 201)


@route(bp, "POST", "/auth/refresh", access="public", headers=(session_cookie.HEADER,), errors=(SessionEnded,))
def refresh(request: RequestContext, body: RefreshBody) -> Reply[TokensView]:
    """Exchange a refresh token for a new access token and the next refresh token."""
    wants_cookie = session_cookie.is_requested(request)
    return _tokens_reply(request, service.refresh(request, _refresh_token(request, body.refresh_token, wants_cookie)), wants_cookie)


@route(bp, "POST", "/auth/logout", access="public", headers=(session_cookie.HEADER,), errors=(SessionEnded,))
def log_out(request: RequestContext, body: LogoutBody) -> Reply[Done]:
    """End a session, or all sessions of its user. Access tokens that were issued before expire within 15 minutes."""
    wants_cookie = session_cookie.is_requested(request)
    service.log_out(_refresh_token(request, body.refresh_token, wants_cookie), everywhere=body.everywhere, now=request.now)
    return Reply(Done("You have been signed out."), cookies=session_cookie.forget(request) if wants_cookie else ())


@route(bp, "GET", "/auth/me", access="user", errors=(NoAccount,))
def show_me(request: RequestContext) -> Reply[UserView]:
    """Show who you are and what you may do."""
    identity = request.require_user()
    account = service.find_account(identity.user_id)
    lacks_factor = not service.is_manager(identity) and service.lacks_second_factor(account, service.load_event_roles(account))
    return Reply(user_view(identity, account, lacks_second_factor=lacks_factor))


@route(
    bp,
    "POST",
    "/auth/me/second-factor",
    access="user",
    statuses=(201,),
    headers=(ACCEPT_LANGUAGE,),
    errors=(NoAccount, AddressNotVerified, WrongPassword, AccountLocked, SecondFactorRequired, TooManyAttempts, RateLimited),
)
@limited_for_caller(INVITE)
def begin_second_factor(request: RequestContext, body: NewSecondFactor) -> Reply[NewSecondFactorView]:
    """Get a secret for an authenticator app. The app becomes your second factor once you send a code from it."""
    secret, email = service.begin_second_factor(request, request.require_user().user_id, body.password, body.code)
    address = factors.app_address(secret, email, settings.current().shop_name)
    return Reply(NewSecondFactorView(secret, address, factors.qr_code(address)), 201)


@route(
    bp,
    "PUT",
    "/auth/me/second-factor",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(NoAccount, NoSecondFactor, SecondFactorRequired, RateLimited),
)
@limited_for_caller(INVITE)
def confirm_second_factor(request: RequestContext, body: FactorConfirmation) -> Reply[RecoveryCodesView]:
    """Make the authenticator app your second factor. Later sign-ins need a code from the app, or one of the recovery codes.

    Your other sessions end.
    """
    return Reply(RecoveryCodesView(service.confirm_second_factor(request, request.require_user(), body.code)))


@route(
    bp,
    "DELETE",
    "/auth/me/second-factor",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(NoAccount, NoSecondFactor, WrongPassword, AccountLocked, SecondFactorRequired, TooManyAttempts),
)
def remove_second_factor(request: RequestContext, body: FactorRemoval) -> Reply[Done]:
    """Remove your authenticator app. If you have no passkeys, later sign-ins need only the password."""
    service.remove_second_factor(request, request.require_user().user_id, body.password, body.code)
    return Reply(Done("Your authenticator app has been removed."))


@route(bp, "POST", "/auth/passkeys/challenge", access="public", statuses=(201,), errors=(RateLimited,))
def create_passkey_challenge(request: RequestContext) -> Reply[PasskeyChallengeView]:
    """Get a challenge for a passkey, to sign in or to get a code."""
    with limited_by_address(request, SIGN_UP):
        return Reply(PasskeyChallengeView(service.new_passkey_challenge(request.now), factors.site_id()), 201)


@route(
    bp,
    "POST",
    "/auth/passkeys/login",
    access="public",
    headers=(session_cookie.HEADER,),
    errors=(PasskeyRefused, AccountLocked, AccountChanging),
)
def log_in_with_passkey(request: RequestContext, body: PasskeySignature) -> Reply[TokensView]:
    """Sign in with a passkey, without a password."""
    wants_cookie = session_cookie.is_requested(request)
    return _tokens_reply(request, service.log_in_with_passkey(request, body), wants_cookie)


@route(bp, "GET", "/auth/me/passkeys", access="user", errors=(NoAccount,))
def list_passkeys(request: RequestContext) -> Reply[PasskeysView]:
    """List your passkeys."""
    account = service.get_account(request.require_user().user_id)
    return Reply(PasskeysView([passkey_view(passkey) for passkey in account.passkeys], account.totp_secret is not None))


@route(
    bp,
    "POST",
    "/auth/me/passkeys/challenge",
    access="user",
    statuses=(201,),
    errors=(
        NoAccount,
        AddressNotVerified,
        TooManyPasskeys,
        WrongPassword,
        AccountLocked,
        SecondFactorRequired,
        TooManyAttempts,
        RateLimited,
    ),
)
@limited_for_caller(INVITE)
def begin_passkey(request: RequestContext, body: NewSecondFactor) -> Reply[NewPasskeyView]:
    """Get a challenge for a new passkey of your account."""
    account, challenge = service.begin_passkey(request, request.require_user().user_id, body.password, body.code)
    return Reply(
        NewPasskeyView(
            challenge=challenge,
            site=factors.site_id(),
            site_name=settings.current().shop_name,
            user_handle=factors.text_of(account.user_id.encode()),
            user_name=account.email,
            algorithms=list(factors.PASSKEY_ALGORITHMS),
            known_credentials=[factors.credential_id_of(passkey.credential) for passkey in account.passkeys],
        ),
        201,
    )


@route(
    bp,
    "POST",
    "/auth/me/passkeys",
    access="user",
    statuses=(201,),
    headers=(ACCEPT_LANGUAGE,),
    errors=(NoAccount, PasskeyRefused, TooManyPasskeys, AccountChanging, RateLimited),
)
@limited_for_caller(INVITE)
def add_passkey(request: RequestContext, body: NewPasskey) -> Reply[AddedPasskeyView]:
    """Add a passkey to your account. Later sign-ins need this passkey or another second factor.

    If you had no second factor before, your other sessions end, and the reply has recovery codes.
    """
    passkey, codes = service.add_passkey(request, request.require_user(), body.name, body.client_data, body.attestation)
    return Reply(AddedPasskeyView(passkey_view(passkey), codes), 201)


@route(
    bp,
    "POST",
    "/auth/me/passkeys/code",
    access="user",
    statuses=(201,),
    errors=(PasskeyRefused, AccountChanging, RateLimited),
)
@limited_for_caller(INVITE)
def create_passkey_code(request: RequestContext, body: PasskeySignature) -> Reply[PasskeyCodeView]:
    """Use a passkey of your account to get a code, for calls that need a code."""
    return Reply(PasskeyCodeView(service.create_passkey_code(request, request.require_user().user_id, body)), 201)


@route(
    bp,
    "DELETE",
    "/auth/me/passkeys/{passkey_id}",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(NoAccount, SecondFactorRequired, TooManyAttempts, AccountChanging),
)
def remove_passkey(request: RequestContext, passkey_id: str, body: FactorConfirmation) -> Reply[Done]:
    """Remove a passkey. If you have no other second factor, later sign-ins need only the password."""
    service.remove_passkey(request, request.require_user().user_id, passkey_id, body.code)
    return Reply(Done("The passkey has been removed."))


@route(bp, "PATCH", "/auth/me", access="user", errors=(NoAccount, RateLimited))
@limited_for_caller(INVITE)
def update_me(request: RequestContext, body: ProfileChanges) -> Reply[UserView]:
    """Change your names, phone number or company."""
    identity = request.require_user()
    changes = {name: value for name, value in structs.asdict(body).items() if value is not UNSET}
    return Reply(user_view(identity, service.update_profile(identity.user_id, changes)))


@route(bp, "POST", "/auth/me/promoter", access="user", errors=(NoAccount, AccountLocked, Forbidden, AccountChanging, RateLimited))
def become_promoter(request: RequestContext) -> Reply[UserView]:
    """Become a promoter, who can put events on sale. Access tokens have the new role after the next refresh."""
    identity = request.require_user()
    with limited_by_address(request, SIGN_UP):
        account = service.become_promoter(identity.user_id, request.now)
    return Reply(user_view(structs.replace(identity, roles=frozenset(account.roles)), account))


@route(
    bp,
    "POST",
    "/auth/password",
    access="user",
    headers=(session_cookie.HEADER, ACCEPT_LANGUAGE),
    errors=(NoAccount, AccountLocked, CommonPassword, WrongPassword, TooManyAttempts, AccountChanging),
)
def change_password(request: RequestContext, body: PasswordChange) -> Reply[TokensView]:
    """Change your password. Your other sessions end."""
    user_id, wants_cookie = request.require_user().user_id, session_cookie.is_requested(request)
    return _tokens_reply(request, service.change_password(request, user_id, body.current_password, body.password), wants_cookie)


@route(bp, "POST", "/auth/password/forgot", access="public", headers=(ACCEPT_LANGUAGE,), errors=(RateLimited,))
def mail_reset(request: RequestContext, body: AddressBody) -> Reply[Done]:
    """Request an email with a link to choose a new password."""
    with limited(request, MAIL, recipient_key(body.email), scope="reset_password"):
        service.mail_reset(body.email, request.language, request.now)
    return Reply(Done("We have sent an email to this address."))


@route(
    bp,
    "POST",
    "/auth/password/reset",
    access="public",
    headers=(session_cookie.HEADER, ACCEPT_LANGUAGE),
    errors=(CommonPassword, LinkExpired),
)
def reset_password(request: RequestContext, body: PasswordReset) -> Reply[Done]:
    """Choose a new password with the token from a mailed link. All sessions end."""
    wants_cookie = session_cookie.is_requested(request)
    email, generation = service.reset_password(body.token, body.password, request.language, request.now)
    message = "Your password has been changed. Sign in with the new password."
    return Reply(Done(message), cookies=session_cookie.keep_mark(request, email, generation) if wants_cookie and generation else ())


@route(bp, "POST", "/auth/email/resend", access="public", headers=(ACCEPT_LANGUAGE,), errors=(RateLimited,))
def mail_verification(request: RequestContext, body: AddressBody) -> Reply[Done]:
    """Request another email to verify an address."""
    with limited(request, MAIL, recipient_key(body.email), scope="verify_email"):
        addresses.mail_verification(body.email, request.language, request.now)
    return Reply(Done("We have sent an email to this address."))


@route(
    bp,
    "POST",
    "/auth/email/verify",
    access="public",
    headers=(ACCEPT_LANGUAGE,),
    errors=(LinkExpired, WrongPassword, AccountLocked, TooManyAttempts, AccountChanging),
)
def verify_email(request: RequestContext, body: VerificationBody) -> Reply[Done]:
    """Verify an address with the token from a mailed link. The link to a new address also makes this address the account's address."""
    link = addresses.verify_email(request, body.token, body.password)
    is_new = link.purpose == "change_email"
    return Reply(
        Done(
            "Your email address has been changed. Sign in with the new address."
            if is_new
            else "Your email address has been verified. You can now sign in."
        )
    )


@route(
    bp,
    "POST",
    "/auth/email",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(NoAccount, WrongPassword, AccountLocked, TooManyAttempts, RateLimited),
)
def change_email(request: RequestContext, body: NewAddress) -> Reply[Done]:
    """Request a new email address for your account. The reply is the same if another account has this address.

    The new address gets an email with a link. Opening the link and entering your password completes the change.
    """
    addresses.mail_change(request, request.require_user().user_id, body.email, body.password)
    return Reply(Done("We have sent an email to the new address. Open the link in it within an hour."))


@route(bp, "GET", "/auth/sessions", access="user")
def list_sessions(request: RequestContext, query: SessionsQuery) -> Reply[SessionsView]:
    """List your sessions, which show where you are signed in."""
    identity = request.require_user()
    before = cursors.decode(query.cursor, _SESSION_POSITION) if query.cursor is not None else None
    found, last = service.list_sessions(identity.user_id, query.limit, before, request.now)
    return Reply(SessionsView([session_view(session, identity) for session in found], cursors.encode(last) if last else None))


@route(bp, "DELETE", "/auth/sessions/{session_id}", access="user", errors=(SessionNotFound,))
def end_session(request: RequestContext, session_id: str) -> Reply[Done]:
    """End one of your sessions. Its access token stays valid for up to 15 minutes."""
    service.end_session(request.require_user().user_id, session_id, request.now)
    return Reply(Done("The session has ended."))


@route(bp, "DELETE", "/auth/sessions", access="user", errors=(AccountChanging,))
def end_other_sessions(request: RequestContext) -> Reply[Done]:
    """End all of your other sessions. Their access tokens stay valid for up to 15 minutes."""
    service.end_other_sessions(request.require_user(), request.now)
    return Reply(Done("Your other sessions have ended."))


def _refresh_token(request: RequestContext, sent: str | None, wants_cookie: bool) -> str:
    """Return a request's refresh token. Raises SessionEnded if the cookie is missing, or InvalidInput if the body's field is missing."""
    if wants_cookie:
        token = session_cookie.read(request)
        if token is None:
            raise SessionEnded()
        return token
    if sent is None:
        raise InvalidInput("refresh_token is missing.", path="$.refresh_token")
    return sent


def _tokens_reply(request: RequestContext, tokens: Tokens, wants_cookie: bool, status: int = 200) -> Reply[TokensView]:
    if not wants_cookie:
        return Reply(tokens_view(tokens, tokens.refresh_token), status)
    if tokens.account is None:
        return Reply(tokens_view(tokens, None), status, cookies=session_cookie.keep_guest(request, tokens.refresh_token))
    return Reply(tokens_view(tokens, None), status, cookies=session_cookie.keep_account(request, tokens.refresh_token, tokens.account))


# Routes for admins.


class UsersQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A page of accounts, sorted by address.

    `search` is the beginning of an email address, or a whole user id. `group` is one of three groups that do not overlap: locked accounts,
    admins who are not locked, and promoters who are neither locked nor admins. Without `search` and `group`, all three groups are listed.
    """

    search: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=254,
                pattern=r"\A[!-~]+\Z",
                examples=["ada@"],
                description="The beginning of an email address, or a user id.",
            ),
        ]
        | None
    ) = None
    group: Group | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 50
    cursor: Cursor | None = None


@route(bp, "GET", "/admin/users", access="admin")
def list_users(_: RequestContext, query: UsersQuery) -> Reply[AccountsView]:
    """List accounts."""
    after = None if query.cursor is None else cursors.decode_key(query.cursor, tuple[str])[0]
    found, last = directory.list_accounts(query.search or "", query.group, query.limit, after)
    return Reply(AccountsView([account_view(account) for account in found], cursors.encode_key((last,)) if last else None))


@route(bp, "GET", "/admin/users/{user_id}", access="admin")
def show_user(_: RequestContext, user_id: str) -> Reply[AccountView]:
    """Show an account."""
    return Reply(account_view(directory.get_account(user_id)))


@route(bp, "DELETE", "/admin/users/{user_id}/sessions", access="admin", errors=(UserChanging,))
def end_user_sessions(request: RequestContext, user_id: str) -> Reply[Done]:
    """End all sessions of an account. Its access tokens stay valid for up to 15 minutes."""
    directory.end_sessions(user_id, request.require_user().user_id, request.now)
    return Reply(Done("This person has been signed out everywhere."))
