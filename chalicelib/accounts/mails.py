"""Emails about accounts and lost tickets, and the links in them. People who did not request such an email can ignore it."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal
from urllib.parse import quote, urlencode

from chalicelib.accounts import store
from chalicelib.accounts.model import ChallengePurpose, LinkExpired, MailPurpose
from chalicelib.accounts.store import MailedLink
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation import settings
from chalicelib.notifications import service as notifications
from chalicelib.notifications.service import MailDraft

VERIFY_SECONDS = 86_400
RESET_SECONDS = 3600
FIND_SECONDS = 900
INVITATION_SECONDS = 7 * 86_400
CHALLENGE_SECONDS = 300
LINK_SECONDS: dict[MailPurpose, int] = {
    "verify_email": VERIFY_SECONDS,
    "reset_password": RESET_SECONDS,
    "change_email": RESET_SECONDS,
    "find_tickets": FIND_SECONDS,
    "own_data": FIND_SECONDS,
    "invitation": INVITATION_SECONDS,
}

_PAGES: dict[MailPurpose, str] = {
    "verify_email": "verify-email",
    "reset_password": "reset-password",
    "change_email": "verify-email",
    "find_tickets": "find-tickets",
}

NO_USER = "none"  # the user id in links that only prove an address

# Each kind has a template (`notifications/templates`).
AccountMail = Literal[
    "verify_email",
    "reset_password",
    "already_registered",
    "no_account",
    "already_verified",
    "change_email",
    "address_taken",
    "change_requested",
    "email_changed",
    "password_changed",
    "second_factor_set",
    "second_factor_removed",
    "recovery_code_used",
    "passkey_added",
    "passkey_removed",
    "api_key_created",
    "webhook_endpoint_set",
    "payment_account_link",
    "find_tickets",
]


def draft(kind: AccountMail, to: str, language: Language, link: str | None = None) -> MailDraft:
    """Return an email about an account, with an optional link."""
    return MailDraft(kind, to, language, {"url": link or ""})


def link_url(purpose: MailPurpose, token: str) -> str:
    """Return the URL of a link. The token is in the fragment, which browsers do not send to servers, so no server logs it."""
    return settings.current().page_url(f"{_PAGES[purpose]}#token={quote(token)}")


# Links in emails. Opening a link proves that somebody reads the emails sent to an address. Each link works once and for a limited time.
# Only a link for `own_data`, which is not mailed, works any number of times for 15 minutes.
#
# Every request stores a link and sends an email, so that neither the reply nor its response time reveals whether the address has an
# account. Above the limit for the whole stage, where few emails are sent, `notifications.send_requested` reveals nothing either.


def mail_link(
    to: str,
    kind: AccountMail,
    purpose: MailPurpose,
    user_id: str | None,
    language: Language,
    now: int,
    *,
    generation: int | None = None,
) -> None:
    """Store a link and mail it. Without a `user_id`, the email has no link, because there is nothing to do for the address.

    Pass the account's `generation` if the link must stop working once the account's sessions have ended.
    """
    token = secrets.token_urlsafe(32)
    store.put_link(MailedLink(_digest(token), purpose, to, user_id, now + LINK_SECONDS[purpose], generation))
    notifications.send_requested(draft(kind, to, language, link_url(purpose, token) if user_id else None), now)


def mail_tickets_link(email: str, language: Language, now: int) -> None:
    """Mail a link that shows the tickets of an email address. The reply reveals nothing, because the tickets are not looked up yet."""
    mail_link(email, "find_tickets", "find_tickets", NO_USER, language, now)


def invitation_url(email: str, next_path: str, now: int) -> str:
    """Store a link that opens the registration page and proves the address, and return its URL. After registration, `next_path` opens."""
    token = secrets.token_urlsafe(32)
    store.put_link(MailedLink(_digest(token), "invitation", email, NO_USER, now + INVITATION_SECONDS))
    fragment = urlencode({"token": token, "email": email})
    return settings.current().page_url(f"register?{urlencode({'next': next_path})}#{fragment}")


def get_link(token: str, purposes: Sequence[MailPurpose], now: int) -> MailedLink:
    """Return the valid link with this token for one of these purposes. Raises LinkExpired if there is no such link."""
    link = store.find_link(_digest(token))
    if link is None or link.purpose not in purposes or link.user_id is None or link.expires_at <= now:
        raise LinkExpired()
    return link


def use_link(link: MailedLink, items: Sequence[dynamo.TransactItem]) -> None:
    """Use up a link and commit `items` with it. Raises LinkExpired if the link was already used or another condition fails."""
    try:
        dynamo.transact([store.use_link_item(link), *items])
    except dynamo.ConditionFailed as cancelled:
        raise LinkExpired() from cancelled


def exchange_link(link: MailedLink, purpose: MailPurpose, now: int) -> str:
    """Use up a link, and return the token of a new link for the same address. The new link is not mailed. Raises LinkExpired."""
    token = secrets.token_urlsafe(32)
    use_link(link, [store.put_link_item(MailedLink(_digest(token), purpose, link.email, NO_USER, now + LINK_SECONDS[purpose]))])
    return token


def put_challenge(
    token: str, purpose: ChallengePurpose, user_id: str, now: int, seconds: int = CHALLENGE_SECONDS, generation: int | None = None
) -> None:
    """Store the digest of a random text, which is not mailed. `use_challenge` accepts the text once, within `seconds`."""
    store.put_link(MailedLink(_digest(token), purpose, NO_USER, user_id, now + seconds, generation))


def use_challenge(token: str, purpose: ChallengePurpose, user_id: str, now: int, generation: int | None = None) -> bool:
    """Use up a text that `put_challenge` stored. Returns False if this purpose and user have no such text, or it has expired.

    Pass the account's `generation` to also refuse a text that was stored before the account's sessions ended.
    """
    return store.use_challenge(_digest(token), purpose, user_id, now, generation)


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
