"""Accounts: register, sign in, change and reset passwords, and end sessions. No reply reveals whether an address has an account."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, structs

from chalicelib.accounts import factors, login_attempts, mails, members, profiles, sessions, store
from chalicelib.accounts.mails import AccountMail
from chalicelib.accounts.model import (
    Account,
    AccountChanging,
    AccountLocked,
    AddressNotVerified,
    AlreadyRegistered,
    ChallengePurpose,
    Credentials,
    LinkExpired,
    LoginFailed,
    NoAccount,
    NoSecondFactor,
    Passkey,
    PasskeyRefused,
    PasskeySignature,
    Profile,
    SecondFactorRequired,
    TooManyPasskeys,
    WrongPassword,
    email_key,
)
from chalicelib.accounts.sessions import GUEST_GENERATION, Device, Session, SessionEnded, SessionNotFound
from chalicelib.accounts.store import MailedLink
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge import auth, rate_limits
from chalicelib.edge.auth import EventRole, Forbidden, Identity, Role
from chalicelib.edge.languages import Language
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import ids, log, parallel, settings
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.log import logger
from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import recipient_key

GUEST_ROLES: tuple[Role, ...] = ("user", "guest")
MAX_ATTEMPTS = 5
MAX_PASSKEYS = 10
MAX_USER_AGENT_LENGTH = 200
PENDING_SECRET_SECONDS = 3600  # after a new secret was made, the owner of the account has this long to enter a code for it
_MANAGER_ROLES = frozenset(("promoter", "admin"))


class Tokens(Struct, frozen=True):
    """The tokens and rights of a user. `account` is None for a guest. The refresh token is valid for `refresh_seconds`."""

    user_id: str
    roles: tuple[Role, ...]
    events: Mapping[str, EventRole]
    access_token: str
    refresh_token: str
    account: Account | None
    refresh_seconds: int
    lacks_second_factor: bool = False


class Registration(Struct, frozen=True):
    """A registration. `guest` is the guest who gets this account and keeps their tickets, unless the guest's session has ended.

    `invitation` is the token from an invitation's link, and proves that the address is the user's.
    """

    email: str
    password: str
    is_promoter: bool
    profile: Profile
    guest: Identity | None
    invitation: str | None = None


def register(new: Registration, language: Language, now: int) -> bool:
    """Create an account, unless the address has one, and mail a link for the next step.

    If an invitation has verified the address, mails nothing and returns True. Raises CommonPassword or AlreadyRegistered.
    """
    factors.refuse_common(new.password, new.email, *structs.astuple(new.profile))
    password_hash = factors.hash_password(new.password)
    existing = find_login(new.email)[1]
    roles: tuple[Role, ...] = ("user", "promoter") if new.is_promoter else ("user",)
    # The access token of a session that has ended stays valid for a few minutes, but the guest's data may have been erased or moved.
    is_guest = new.guest is not None and _find_session(new.guest, GUEST_GENERATION, now) is not None
    user_id = new.guest.user_id if new.guest is not None and is_guest else ids.new_id()
    link = _find_invitation(new, now)
    verified_at = None if link is None else now
    account = Account(user_id=user_id, email=new.email, roles=roles, created_at=now, verified_at=verified_at, **structs.asdict(new.profile))
    try:
        dynamo.transact([*_create_items(account, password_hash), *([] if link is None else [store.use_link_item(link)])])
    except dynamo.ConditionFailed as cancelled:
        if cancelled.failed(1):
            raise AlreadyRegistered() from None
        if link is not None and cancelled.failed(-1):  # another request has just used the invitation
            return register(structs.replace(new, invitation=None), language, now)
        _mail_reset(new.email, "already_registered", existing or find_login(new.email)[1], language, now)
        return False
    if link is None:
        mails.mail_link(new.email, "verify_email", "verify_email", user_id, language, now)
    return link is not None


def _find_invitation(new: Registration, now: int) -> MailedLink | None:
    """Return the invitation that proves the address of a registration. Returns None if it has expired or is for another address."""
    if new.invitation is None:
        return None
    try:
        link = mails.get_link(new.invitation, ("invitation",), now)
    except LinkExpired:
        return None
    return link if email_key(link.email) == email_key(new.email) else None


def log_in(request: RequestContext, email: str, password: str, code: str | None = None, marks: Sequence[str] = ()) -> Tokens:
    """Begin a session. `marks` are signed values that identify browsers in which this person has signed in.

    If the account has a second factor, `code` must be a code that `_use_code` accepts. Each call counts as an attempt. Raises LoginFailed,
    TooManyAttempts, AccountLocked or SecondFactorRequired.
    """
    device = login_attempts.find_mark(marks, email)
    counter = login_attempts.sign_in_counter(email, device)
    # The account is read in parallel, but used only once the attempt has been counted.
    _, (credentials, account) = parallel.both(
        lambda: login_attempts.count_attempt(request, counter, is_known=device is not None), lambda: find_login(email)
    )
    if device is not None and (
        account is None or device.generation != account.generation
    ):  # all sessions have ended since the device got the mark
        device, counter = None, login_attempts.sign_in_counter(email)
        login_attempts.count_attempt(request, counter)
    is_correct = factors.is_correct(password, credentials.password_hash if credentials else None)
    if credentials is None or account is None or not is_correct or not _may_log_in(account):
        logger.info("login.failed", user_id=account.user_id if account else None, is_password_correct=is_correct)
        raise LoginFailed()
    if account.locked_at is not None:
        logger.info("login.failed", user_id=account.user_id, is_password_correct=True)
        raise AccountLocked()
    if not _has_code(request, account, code):
        logger.info("login.failed", user_id=account.user_id, is_password_correct=True, has_code=code is not None)
        raise SecondFactorRequired()
    if factors.is_outdated(credentials.password_hash):
        store.replace_hash(credentials, factors.hash_password(password))
    _, tokens = parallel.both(
        lambda: login_attempts.forgive_attempt(request, counter, is_known=device is not None), lambda: _begin_session(request, account)
    )
    logger.info("login.succeeded", user_id=account.user_id, is_known_device=device is not None)
    return tokens


def begin_second_factor(request: RequestContext, user_id: str, password: str, code: str | None = None) -> tuple[str, str]:
    """Return a new secret for an authenticator app, and the account's address. An account with a second factor needs a `code`.

    The secret takes effect once `confirm_second_factor` gets a code for it within PENDING_SECRET_SECONDS and before the sessions end. Until
    then, an existing second factor stays. Raises NoAccount and what `check_owner` raises.
    """
    account = get_account(user_id)
    check_owner(request, account, password, code)
    secret = factors.new_secret()
    if not store.set_pending_secret(account, secret, request.now + PENDING_SECRET_SECONDS):
        raise NoAccount()
    return secret, account.email


def confirm_second_factor(request: RequestContext, identity: Identity, code: str) -> list[str]:
    """Make the new secret the account's second factor, mail a notice, and return new recovery codes. Earlier recovery codes stop working.

    All sessions except the current one end, because one of them may belong to somebody who signed in with the password alone. Raises
    NoAccount, NoSecondFactor or SecondFactorRequired.
    """
    account = get_account(identity.user_id)
    if account.totp_pending is None or (account.totp_pending_until or 0) <= request.now:
        raise NoSecondFactor()
    step = factors.find_step(account.totp_pending, code, request.now)
    if step is None:
        raise SecondFactorRequired()
    codes = factors.new_recovery_codes()
    new = store.set_second_factor_item(account, step, set(map(factors.recovery_hash, codes)))
    _change_second_factor(
        request, account, "second_factor_set", [new, *_keep_session_items(identity, account, request.now)], NoSecondFactor()
    )
    return codes


def remove_second_factor(request: RequestContext, user_id: str, password: str, code: str) -> None:
    """Remove the account's authenticator app, and mail a notice.

    Raises NoAccount, NoSecondFactor, TooManyAttempts, WrongPassword, AccountLocked or SecondFactorRequired.
    """
    account = get_account(user_id)
    if account.totp_secret is None:
        raise NoSecondFactor()
    check_password(request, account, password)
    if factors.is_passkey_code(code):
        if not _use_code(request, account, code):
            raise SecondFactorRequired()
        removal = store.remove_app_item(account, None, None)
    else:
        login_attempts.count_code(account.user_id, request.now)
        removal = store.remove_app_item(account, _find_step(account, code, request.now), factors.recovery_hash(code))
    _change_second_factor(request, account, "second_factor_removed", [removal], SecondFactorRequired())


def _change_second_factor(
    request: RequestContext,
    account: Account,
    change: Literal["second_factor_set", "second_factor_removed", "passkey_added", "passkey_removed"],
    items: Sequence[dynamo.TransactItem],
    refusal: ApiError,
) -> None:
    """Commit a change for which the person has entered a correct code, and mail a notice. Raises `refusal` if the transaction fails."""
    try:
        dynamo.transact([*items, audit.entry_item(f"account#{account.user_id}", f"account.{change}", account.user_id, request.now, {})])
    except dynamo.ConditionFailed:
        raise refusal from None
    parallel.both(
        lambda: login_attempts.forgive_codes(account.user_id),
        lambda: mail_notice(change, account.email, request.language, request.now),
    )


def _has_code(request: RequestContext, account: Account, code: str | None) -> bool:
    """Use up the code and return whether it was correct. Returns True if the account needs no code. Raises TooManyAttempts."""
    return not account.has_second_factor or (code is not None and _use_code(request, account, code))


def _use_code(request: RequestContext, account: Account, code: str) -> bool:
    """Use up a code from the account's authenticator app, a recovery code, or a code from a passkey.

    Returns False if the code is wrong or was used before. Wrong codes have their own counter. Only a correct code resets this counter, not
    a password, because a guesser may know the password or have reset it by email. If a recovery code is used, the owner gets an email,
    because somebody may have found the code. Raises TooManyAttempts.
    """
    login_attempts.count_code(account.user_id, request.now)
    step, is_recovery = _find_step(account, code, request.now), False
    if step is not None:
        is_correct = store.use_step(account, step)
    elif factors.is_passkey_code(code):
        is_correct = mails.use_challenge(_own_code(account, code), "passkey_code", account.user_id, request.now)
    else:
        is_correct = is_recovery = store.use_recovery_code(account, factors.recovery_hash(code))
    if is_correct:
        login_attempts.forgive_codes(account.user_id)
    if is_recovery:
        mail_notice("recovery_code_used", account.email, request.language, request.now)
    return is_correct


def _find_step(account: Account, code: str, now: int) -> int | None:
    """Return the time step of a code from the account's authenticator app. Returns None for other codes."""
    return None if account.totp_secret is None else factors.find_step(account.totp_secret, code.replace(" ", ""), now)


def new_passkey_challenge(now: int) -> str:
    """Return a new challenge for `log_in_with_passkey` or `create_passkey_code`. It works once, within five minutes."""
    return _new_challenge("passkey", mails.NO_USER, now)


def begin_passkey(request: RequestContext, user_id: str, password: str, code: str | None) -> tuple[Account, str]:
    """Return the account and a new challenge for `add_passkey`, which works until the sessions end.

    Raises NoAccount, TooManyPasskeys and what `check_owner` raises.
    """
    account = get_account(user_id)
    if len(account.passkeys) >= MAX_PASSKEYS:
        raise TooManyPasskeys()
    check_owner(request, account, password, code)
    return account, _new_challenge("new_passkey", user_id, request.now, account.generation)


def add_passkey(request: RequestContext, identity: Identity, name: str, client_data: str, attestation: str) -> tuple[Passkey, list[str]]:
    """Add a passkey to the caller's account, and mail a notice. Returns the passkey and any recovery codes.

    If the account had no second factor, it gets recovery codes, and all sessions except the current one end. Raises NoAccount,
    PasskeyRefused, TooManyPasskeys or AccountChanging.
    """
    challenge, account = factors.challenge_of(client_data), get_account(identity.user_id)
    if not mails.use_challenge(challenge, "new_passkey", account.user_id, request.now, account.generation):
        raise PasskeyRefused()
    credential, counter = factors.read_new_passkey(client_data, attestation)
    if len(account.passkeys) >= MAX_PASSKEYS:
        raise TooManyPasskeys()
    passkey = Passkey(id=ids.new_id(), name=name, credential=credential, created_at=request.now, counter=counter)
    passkeys = [*account.passkeys, passkey]
    if account.has_second_factor:
        codes, items = [], [store.set_passkeys_item(account, passkeys)]
    else:
        codes = factors.new_recovery_codes()
        first = store.set_passkeys_item(account, passkeys, set(map(factors.recovery_hash, codes)))
        items = [first, *_keep_session_items(identity, account, request.now)]
    _change_second_factor(request, account, "passkey_added", items, AccountChanging())
    return passkey, codes


def remove_passkey(request: RequestContext, user_id: str, passkey_id: str, code: str) -> None:
    """Remove a passkey, and mail a notice. Raises NoAccount, NotFound, TooManyAttempts, SecondFactorRequired or AccountChanging."""
    account = get_account(user_id)
    others = [passkey for passkey in account.passkeys if passkey.id != passkey_id]
    if len(others) == len(account.passkeys):
        raise NotFound("Your account has no passkey with this id.", passkey_id=passkey_id)
    if not _use_code(request, account, code):
        raise SecondFactorRequired()
    _change_second_factor(request, account, "passkey_removed", [store.set_passkeys_item(account, others)], AccountChanging())


def log_in_with_passkey(request: RequestContext, sent: PasskeySignature) -> Tokens:
    """Begin a session for the owner of a passkey, without a password, because the authenticator has verified its user.

    Raises PasskeyRefused, AccountLocked or AccountChanging.
    """
    account = _use_passkey(request, sent)
    if account.locked_at is not None:
        raise AccountLocked()
    tokens = _begin_session(request, account)
    logger.info("login.succeeded", user_id=account.user_id, by="passkey")
    return tokens


def create_passkey_code(request: RequestContext, user_id: str, sent: PasskeySignature) -> str:
    """Return a code that proves the use of a passkey.

    `_use_code` accepts it from this user once, within five minutes, and until the account's passkeys change.

    Raises PasskeyRefused or AccountChanging.
    """
    if factors.user_id_of(sent.user_handle) != user_id:
        raise PasskeyRefused()
    account = _use_passkey(request, sent)
    code = factors.new_passkey_code()
    mails.put_challenge(_own_code(account, code), "passkey_code", user_id, request.now)
    return code


def _own_code(account: Account, code: str) -> str:
    """Return the text whose digest is stored for a code.

    It names the account, because two accounts may have the same code, and its passkeys, because a code ends with the passkey that gave it.
    """
    passkeys = " ".join(sorted(passkey.id for passkey in account.passkeys))
    return f"{account.user_id} {passkeys} {factors.plain_code(code)}"


def _new_challenge(purpose: ChallengePurpose, user_id: str, now: int, generation: int | None = None) -> str:
    challenge = secrets.token_urlsafe(32)
    mails.put_challenge(challenge, purpose, user_id, now, generation=generation)
    return challenge


def _use_passkey(request: RequestContext, sent: PasskeySignature) -> Account:
    """Use up a challenge, and return the account whose passkey signed it. Raises PasskeyRefused or AccountChanging.

    The challenge is used up even if the signature is wrong. The passkey's new counter is stored, so that a copy of the passkey is noticed.
    """
    user_id, challenge = factors.user_id_of(sent.user_handle), factors.challenge_of(sent.client_data)
    account, is_valid = parallel.both(
        lambda: store.find_account(user_id), lambda: mails.use_challenge(challenge, "passkey", mails.NO_USER, request.now)
    )
    for _ in range(MAX_ATTEMPTS):
        if not is_valid or account is None:
            raise PasskeyRefused()
        passkey, counter = factors.check_passkey(account.passkeys, sent)
        if store.replace_passkey(account, structs.replace(passkey, counter=counter, used_at=request.now)):
            return account
        account = store.find_account(user_id)
    raise AccountChanging()


def lacks_second_factor(account: Account | None, events: Mapping[str, EventRole]) -> bool:
    """Return whether this stage requires a second factor that the account lacks. A stage can require second factors from managers."""
    if account is None or account.has_second_factor or settings.current().second_factor != "managers":
        return False
    return not _MANAGER_ROLES.isdisjoint(account.roles) or "coordinator" in events.values()


def is_manager(identity: Identity) -> bool:
    """Return whether a caller's token has the rights of a manager, which managers without a required second factor do not get."""
    return not _MANAGER_ROLES.isdisjoint(identity.roles) or "coordinator" in identity.events.values()


def load_event_roles(account: Account | None) -> Mapping[str, EventRole]:
    """Return the current event roles of an account, for `lacks_second_factor`. Reads nothing if no second factor is required."""
    return {} if settings.current().second_factor == "optional" else _event_roles(account)


def find_login(email: str) -> tuple[Credentials | None, Account | None]:
    """Return the credentials and the account of an address. Always makes two reads, so that timing reveals nothing."""
    credentials = store.find_credentials(email)
    return credentials, store.find_account(credentials.user_id if credentials else "none")


def find_user_id(email: str) -> str | None:
    """Return the user id of an address's account. Returns None if the address has no account."""
    credentials = store.find_credentials(email)
    return None if credentials is None else credentials.user_id


def is_verified(email: str) -> bool:
    """Return whether an address belongs to an account that has verified it."""
    _, account = find_login(email)
    return account is not None and account.verified_at is not None


def begin_guest_session(request: RequestContext) -> Tokens:
    """Begin a session for a new guest, an identity without an account."""
    user_id = f"guest-{ids.new_id()}"
    return _issue_tokens(user_id, None, sessions.begin_session(user_id, GUEST_GENERATION, _device(request), request.now), {})


def refresh(request: RequestContext, token: str) -> Tokens:
    """Exchange a refresh token for new tokens, with the user's current roles. Raises SessionEnded."""
    session, account = _load_session(token, request.now)
    is_fixed = _is_admin(account) or session.staff_roles  # refreshing does not extend the session of an admin or of staff
    seconds = 0 if is_fixed else sessions.REFRESH_SECONDS
    refresh_token = sessions.use_token(session, token, _device(request), request.now, seconds)
    tokens = _issue_tokens(session.user_id, account, refresh_token, _event_roles(account), session.staff_roles)
    return structs.replace(tokens, refresh_seconds=max(seconds, session.expires_at - request.now))


def get_guest_session(token: str, now: int) -> Session:
    """Return the session of a guest's refresh token. Raises SessionEnded for any other token."""
    session, account = _load_session(token, now)
    if account is not None:
        raise SessionEnded()
    return session


def _load_session(token: str, now: int) -> tuple[Session, Account | None]:
    """Return the session of a valid refresh token, and the account of its user, or None for a guest. Raises SessionEnded."""
    session = sessions.get_session(token, now)
    account = _account_of(session)
    if session.generation != _generation(account):
        # Read the session again: if the user has just ended all other sessions, this session now has the account's new generation.
        session = sessions.get_session(token, now)
    if session.generation != _generation(account):
        sessions.end_session(session.id)
        raise SessionEnded()
    return session, account


def _account_of(session: Session) -> Account | None:
    """Return the account of a session's user. Returns None for a guest.

    If addresses must be verified before the first sign-in, a guest who registers stays a guest until the address is verified, because it
    may be mistyped.
    """
    account = store.find_account(session.user_id)
    return None if _is_waiting(account) and session.generation == GUEST_GENERATION else account


def is_guest(user_id: str) -> bool:
    """Return whether a user has no account, or only an account whose address must still be verified before the first sign-in."""
    account = store.find_account(user_id)
    return account is None or _is_waiting(account)


def _is_waiting(account: Account | None) -> bool:
    return account is not None and not _may_log_in(account) and account.locked_at is None


def log_out(refresh_token: str, *, everywhere: bool, now: int) -> None:
    """End the session of a refresh token. With `everywhere`, end all of the user's sessions.

    Raises SessionEnded if `everywhere` is set and the token is invalid.
    """
    if everywhere:
        session = sessions.get_session(refresh_token, now)
        if session.generation != GUEST_GENERATION:
            _end_all_sessions(session.user_id)
    sessions.end_session_by_token(refresh_token)


def list_sessions(user_id: str, limit: int, before: str | None, now: int) -> tuple[list[Session], str | None]:
    """Return up to `limit` sessions of a user, newest first, and the position of the next page.

    The position is None on the last page.
    """
    return sessions.list_sessions(user_id, _generation(store.find_account(user_id)), limit, before, now)


def end_session(user_id: str, session_id: str, now: int) -> None:
    """End one of the user's sessions. Raises SessionNotFound."""
    sessions.end_session(sessions.get_own_session(user_id, session_id, now).id)


def end_other_sessions(identity: Identity, now: int) -> None:
    """End all sessions of the caller except the current one, including sessions that begin at the same moment.

    The current session is the one that issued the caller's access token. Does nothing for a guest, who has only one session. Raises
    AccountChanging.
    """
    for _ in range(MAX_ATTEMPTS):
        account = store.find_account(identity.user_id)
        if account is None:
            return
        items = [store.end_sessions_item(account.user_id, generation=account.generation), *_keep_session_items(identity, account, now)]
        try:
            dynamo.transact(items)
            return
        except dynamo.ConditionFailed:
            continue
    raise AccountChanging()


def _keep_session_items(identity: Identity, account: Account, now: int) -> list[dynamo.TransactItem]:
    """Return transaction items that keep the caller's session when the account's other sessions end."""
    current = _find_session(identity, account.generation, now)
    return [sessions.carry_over_session_item(current, account.generation + 1)] if current is not None else []


def find_accounts(user_ids: Iterable[str]) -> list[Account]:
    """Return the accounts of the users who have an account, in any order. Makes one strongly consistent round trip per 100 users."""
    return store.batch_find(user_ids)


def find_account(user_id: str) -> Account | None:
    """Return the account of a user. Returns None for guests and erased accounts. The read is strongly consistent."""
    return store.find_account(user_id)


def get_account(user_id: str) -> Account:
    """Return the account of a user. Raises NoAccount if the user has no account."""
    account = store.find_account(user_id)
    if account is None:
        raise NoAccount()
    return account


def update_profile(user_id: str, changes: Mapping[str, Any]) -> Account:
    """Change names, phone number or company. None removes a value. Raises NoAccount."""
    account = store.update_profile(user_id, changes) if changes else store.find_account(user_id)
    if account is None:
        raise NoAccount()
    return account


def change_password(request: RequestContext, user_id: str, current: str, new: str) -> Tokens:
    """Change the caller's password, end all of the caller's sessions, begin a new session, and mail a notice.

    Raises NoAccount, TooManyAttempts, WrongPassword, AccountLocked, CommonPassword or AccountChanging.
    """
    account = get_account(user_id)
    if not _may_log_in(account):  # a guest who has registered stays a guest until the address is verified
        raise NoAccount()
    credentials = check_password(request, account, current)
    factors.refuse_common(new, account.email, account.first_name, account.last_name)
    generation = account.generation + 1
    refresh_token, session_item = sessions.begin_session_item(user_id, generation, _device(request), request.now, _session_seconds(account))
    items = [
        store.set_password_item(credentials.email_key, user_id, factors.hash_password(new)),
        store.end_sessions_item(user_id, generation=account.generation),
        session_item,
    ]
    try:
        _, events = parallel.both(lambda: dynamo.transact(items), lambda: _event_roles(account))
    except dynamo.ConditionFailed:  # the address was changed, the sessions were ended, or the account was erased
        raise AccountChanging() from None
    logger.info("password.changed", user_id=user_id)
    mail_notice("password_changed", account.email, request.language, request.now)
    return _issue_tokens(user_id, structs.replace(account, generation=generation), refresh_token, events)


def mail_notice(kind: AccountMail, email: str, language: Language, now: int) -> None:
    """Tell the owner of an account how access to it has changed, with a link to the page for a forgotten password.

    An address gets only a limited number of these emails, because somebody may have registered a stranger's address.
    """
    if rate_limits.may_notify(kind, recipient_key(email), now):
        notifications.send(mails.draft(kind, email, language, settings.current().page_url("forgot-password")))


def check_password(request: RequestContext, account: Account, password: str) -> Credentials:
    """Check the password of an account and return its credentials. Raises TooManyAttempts, WrongPassword or AccountLocked.

    The access tokens of a locked account stay valid for a few minutes. In this time, its owner must not erase the account or change its
    address: the freed address could then be registered again, without the lock.
    """
    counter = login_attempts.password_counter(account.user_id)
    _, credentials = parallel.both(lambda: login_attempts.count_attempt(request, counter), lambda: store.find_credentials(account.email))
    if credentials is None or not factors.is_correct(password, credentials.password_hash):
        logger.info("password.wrong", user_id=account.user_id)
        raise WrongPassword()
    logger.info("password.confirmed", user_id=account.user_id)
    login_attempts.forgive_attempt(request, counter)
    if account.locked_at is not None:
        raise AccountLocked()
    return credentials


def check_owner(request: RequestContext, account: Account, password: str, code: str | None) -> None:
    """Check everything that a sign-in asks for. Call this before giving access that outlives a change of the password.

    The address must be verified. Otherwise, somebody could register another person's address, and keep access after the real owner resets
    the password. Raises AddressNotVerified, TooManyAttempts, WrongPassword, AccountLocked or SecondFactorRequired.
    """
    check_password(request, account, password)
    if account.verified_at is None:
        raise AddressNotVerified()
    if not _has_code(request, account, code):
        raise SecondFactorRequired()


def mail_reset(email: str, language: Language, now: int) -> None:
    """Mail a link to choose a new password, or a notice that the address has no account."""
    account = find_login(email)[1]
    _mail_reset(email, "reset_password" if account else "no_account", account, language, now)


def _mail_reset(email: str, kind: AccountMail, account: Account | None, language: Language, now: int) -> None:
    """Mail a link to choose a new password. The link works until the account's password changes or its sessions end."""
    user_id, generation = (account.user_id, account.generation) if account else (None, None)
    mails.mail_link(email, kind, "reset_password", user_id, language, now, generation=generation)


def reset_password(token: str, password: str, language: Language, now: int) -> tuple[str, int | None]:
    """Set a password with a mailed link, mark the address as verified, end all sessions, and mail a notice.

    Returns the address and the account's new generation, or None instead of the generation for a link from earlier versions. Raises
    LinkExpired or CommonPassword.
    """
    link = mails.get_link(token, ("reset_password",), now)
    factors.refuse_common(password, link.email_key)
    user_id = str(link.user_id)
    items = [
        store.set_password_item(link.email_key, user_id, factors.hash_password(password)),
        store.end_sessions_item(user_id, verified_at=now, generation=link.generation),
    ]
    mails.use_link(link, items)
    logger.info("password.reset", user_id=user_id)
    login_attempts.reset(link.email)
    mail_notice("password_changed", link.email, language, now)
    return link.email, None if link.generation is None else link.generation + 1


def create_account(account: Account, password: str) -> None:
    """Create an account without mailing a link. Does nothing if the address or the user already has an account."""
    try:
        dynamo.transact(_create_items(account, factors.hash_password(password)))
    except dynamo.ConditionFailed:
        return


def delete_account(account: Account, now: int) -> None:
    """Delete an account, its promoter profile and legal texts, with an audit entry. Does nothing if the account does not exist.

    Raises AccountChanging.
    """
    found: Account | None = account
    for attempt in range(MAX_ATTEMPTS):
        if found is None:
            return
        entry = audit.entry_item(f"account#{account.user_id}", "account.erased", account.user_id, now, {})
        # Hardly anybody has legal texts, so they are read only after the transaction has failed.
        profile_items = profiles.delete_promoter_items(account.user_id, may_have_texts=attempt > 0)
        others = [*profile_items, login_attempts.reset_item(found.email), entry]
        try:
            dynamo.transact([*store.delete_items(found), *others])
            return
        except dynamo.ConditionFailed:  # the account has been deleted, its address has changed, or there are legal texts
            found = store.find_account(account.user_id)
    raise AccountChanging()


def add_role(email: str, role: Role, actor: str, now: int) -> Account | None:
    """Add a role to the account with this address, with an audit entry. Returns the updated account, or None if there is no account."""
    credentials = store.find_credentials(email)
    account = store.find_account(credentials.user_id) if credentials else None
    if account is None or role in account.roles:
        return account
    after = structs.replace(account, roles=(*account.roles, role))
    entry = audit.entry_item(f"account#{account.user_id}", "account.role_added", actor, now, {"role": role})
    dynamo.transact([store.set_rights_item(account, after), entry])
    return store.find_account(account.user_id)


def become_promoter(user_id: str, now: int) -> Account:
    """Give the account the promoter role and a promoter profile. Raises NoAccount, AccountLocked, Forbidden or AccountChanging.

    Former promoters cannot give themselves the role again: their profile still exists, so the transaction fails.
    """
    account = store.find_account(user_id)
    if account is None:
        raise NoAccount()
    if account.locked_at is not None:
        raise AccountLocked()
    if "promoter" in account.roles:
        return account
    after = structs.replace(account, roles=(*account.roles, "promoter"))
    entry = audit.entry_item(f"account#{user_id}", "account.became_promoter", user_id, now, {})
    try:
        dynamo.transact([store.set_rights_item(account, after, ends_sessions=False), profiles.create_promoter_item(after, now), entry])
    except dynamo.ConditionFailed as cancelled:
        current = store.find_account(user_id)
        if current is not None and "promoter" in current.roles:  # another request has just given the role
            return current
        if cancelled.failed(1):
            raise Forbidden("This account lost its promoter role. To get the role back, contact the shop.") from None
        raise AccountChanging() from None
    return after


def _create_items(account: Account, password_hash: str) -> list[dynamo.TransactItem]:
    """Return transaction items that create an account, and a profile for a promoter."""
    items = store.create_items(account, password_hash)
    if "promoter" in account.roles:
        items.append(profiles.create_promoter_item(account, account.created_at))
    return items


def _may_log_in(account: Account) -> bool:
    return account.verified_at is not None or settings.current().email_verification == "later"


def _end_all_sessions(user_id: str) -> None:
    try:
        dynamo.transact([store.end_sessions_item(user_id)])
    except dynamo.ConditionFailed:  # the account no longer exists, and neither do its sessions
        return


def _begin_session(request: RequestContext, account: Account) -> Tokens:
    refresh_token, events = parallel.both(
        lambda: sessions.begin_session(account.user_id, account.generation, _device(request), request.now, _session_seconds(account)),
        lambda: _event_roles(account),
    )
    return _issue_tokens(account.user_id, account, refresh_token, events)


def begin_staff_session(request: RequestContext, account: Account, roles: tuple[Role, ...], entry: dynamo.TransactItem) -> Tokens:
    """Begin a session for a person whom the operator's identity provider has signed in, with an audit entry. The session adds `roles`.

    The session lasts as long as an admin's. It needs no second factor on any stage, because the provider is responsible for second factors.
    Raises AccountChanging.
    """
    token, session_item = sessions.begin_session_item(
        account.user_id, account.generation, _device(request), request.now, sessions.ADMIN_SECONDS, roles
    )
    try:
        _, events = parallel.both(lambda: dynamo.transact([session_item, entry]), lambda: _event_roles(account))
    except dynamo.ConditionFailed:
        raise AccountChanging() from None
    return structs.replace(_issue_tokens(account.user_id, account, token, events, roles), refresh_seconds=sessions.ADMIN_SECONDS)


def _session_seconds(account: Account | None) -> int:
    """Return how many seconds a new session lasts if it is not used."""
    return sessions.ADMIN_SECONDS if _is_admin(account) else sessions.REFRESH_SECONDS


def _is_admin(account: Account | None) -> bool:
    return account is not None and "admin" in account.roles


def _find_session(identity: Identity, generation: int, now: int) -> Session | None:
    """Return the session of the caller's access token. Returns None if the session has ended."""
    try:
        session = sessions.get_own_session(identity.user_id, identity.session_id, now) if identity.session_id is not None else None
    except SessionNotFound:
        return None
    return session if session is not None and session.generation == generation else None


def _generation(account: Account | None) -> int:
    """Return the generation of valid sessions, for an account or for a guest."""
    return account.generation if account is not None else GUEST_GENERATION


def _device(request: RequestContext) -> Device:
    return Device(log.caller_address(), (request.header("user-agent") or "")[:MAX_USER_AGENT_LENGTH] or None)


def _event_roles(account: Account | None) -> Mapping[str, EventRole]:
    """Return the current event roles of an account. An account has no event roles before its address is verified."""
    return members.event_roles(account.email) if account is not None and account.verified_at is not None else {}


def _issue_tokens(
    user_id: str,
    account: Account | None,
    refresh_token: str,
    events: Mapping[str, EventRole],
    staff_roles: tuple[Role, ...] = (),
) -> Tokens:
    """Issue tokens with the current rights of a user. `account` is None for a guest. `staff_roles` are the roles that the session adds.

    Managers who lack a required second factor only get the rights of a buyer, with which they can set one up.
    """
    roles: tuple[Role, ...] = GUEST_ROLES if account is None else tuple(dict.fromkeys((*account.roles, *staff_roles)))
    lacks_factor = not staff_roles and lacks_second_factor(account, events)
    if lacks_factor:
        roles = tuple(role for role in roles if role not in _MANAGER_ROLES)
        events = {event_id: role for event_id, role in events.items() if role != "coordinator"}
    access_token = auth.issue_token(user_id, set(roles), events=events, session_id=sessions.session_id(refresh_token))
    return Tokens(user_id, roles, events, access_token, refresh_token, account, _session_seconds(account), lacks_factor)
