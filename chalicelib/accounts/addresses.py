"""Verify and change the email addresses of accounts. A mailed link proves who owns the address, the password who owns the account."""

from chalicelib.accounts import login_attempts, mails, service, store
from chalicelib.accounts.mails import AccountMail
from chalicelib.accounts.model import Account, AccountChanging, Credentials, LinkExpired, WrongPassword, email_key
from chalicelib.accounts.store import MailedLink
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.edge.rate_limits import MAIL, limited, may_notify
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import parallel
from chalicelib.foundation.errors import InvalidInput
from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import recipient_key

MAX_ATTEMPTS = 5


def mail_verification(email: str, language: Language, now: int) -> None:
    """Mail another verification link, or a notice that the address is already verified or has no account."""
    _, account = service.find_login(email)
    kind: AccountMail = "no_account" if account is None else "verify_email" if account.verified_at is None else "already_verified"
    user_id = account.user_id if account is not None and kind == "verify_email" else None
    mails.mail_link(email, kind, "verify_email", user_id, language, now)


def mail_change(request: RequestContext, user_id: str, email: str, password: str) -> None:
    """Mail a link to an account's new address, and a notice to the current address. The link and the password complete the change.

    If the new address already has an account, the owner of that account gets an email without a link, and the reply is the same. Only
    requests with the right password count toward the new address's rate limit. Raises NoAccount, TooManyAttempts, WrongPassword,
    AccountLocked, RateLimited, or InvalidInput if the new address is the current address.
    """
    account = service.get_account(user_id)
    _, existing = parallel.both(lambda: service.check_password(request, account, password), lambda: store.find_credentials(email))
    if email_key(email) == email_key(account.email):
        raise InvalidInput("This is already your address.", path="$.email", rule="same_address")
    kind: AccountMail = "address_taken" if existing else "change_email"
    new_user_id = None if existing else user_id
    with limited(request, MAIL, recipient_key(email), scope="change_email"):
        _, may_tell_owner = parallel.both(
            lambda: mails.mail_link(email, kind, "change_email", new_user_id, request.language, request.now, generation=account.generation),
            lambda: may_notify("change_requested", recipient_key(account.email), request.now),
        )
    if may_tell_owner:
        notifications.send(mails.draft("change_requested", account.email, request.language))


def verify_email(request: RequestContext, token: str, password: str | None) -> MailedLink:
    """Use a mailed link: mark its address as verified, or make its address the account's address. Returns the link.

    Both actions also require the account's password. Otherwise, people could register or ask for somebody else's address, and hope that the
    address's owner follows the link. Raises LinkExpired, WrongPassword, TooManyAttempts, AccountLocked or AccountChanging.
    """
    link = mails.get_link(token, ("verify_email", "change_email"), request.now)
    account = store.find_account(str(link.user_id))
    if account is None or link.generation not in (None, account.generation):
        raise LinkExpired()
    if link.purpose == "verify_email" and link.email_key != email_key(account.email):
        raise LinkExpired()  # the link proves an address other than the account's
    if password is None:
        raise WrongPassword("Send the password of the account.")
    credentials = service.check_password(request, account, password)
    if link.purpose == "change_email":
        _change_email(link, account, credentials, request.language, request.now)
    else:
        mails.use_link(link, [store.set_verified_item(account, request.now)])
    return link


def _change_email(link: MailedLink, account: Account, credentials: Credentials | None, language: Language, now: int) -> None:
    """Change an account's address to the address of a link, and end all sessions, in one transaction that also moves the password.

    Raises LinkExpired if another account has taken the address. Also raises it if the account's password or address has changed, or all of
    its sessions have been ended, since the link was mailed. Raises AccountChanging if every attempt loses a race.
    """
    for _ in range(MAX_ATTEMPTS):
        if credentials is None or account.generation != link.generation:
            raise LinkExpired()
        entry = audit.entry_item(f"account#{account.user_id}", "account.email_changed", account.user_id, now, {})
        others = [login_attempts.reset_item(link.email), entry]
        try:
            mails.use_link(link, [*store.change_email_items(account, credentials, link.email, now), *others])
        except LinkExpired as error:
            if not _is_rehash_conflict(error):
                raise
            credentials = store.find_credentials(account.email)
            continue
        if may_notify("email_changed", recipient_key(account.email), now):
            notifications.send(mails.draft("email_changed", account.email, language))
        return
    raise AccountChanging()


def _is_rehash_conflict(error: LinkExpired) -> bool:
    """Return whether the only conflict is that a sign-in has stored a new hash of the same password in the meantime."""
    cancelled = error.__cause__
    return isinstance(cancelled, dynamo.ConditionFailed) and [
        index for index in range(len(cancelled.reasons)) if cancelled.failed(index)
    ] == [1 + store.OLD_CREDENTIALS_ITEM]
