"""Links in mails: they prove that somebody reads the mails of an address. Each works once and for a limited time.

A mail is sent, and a link is stored, for every address, so that neither the answer nor the time says whether it has an account.
"""

import secrets
from collections.abc import Sequence
from hashlib import sha256

from chalicelib.accounts import mails, store
from chalicelib.accounts.mails import AccountMail
from chalicelib.accounts.model import LinkExpired, MailPurpose
from chalicelib.accounts.store import MailedLink
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.notifications import service as notifications


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
    """Store a link and mail it; for an address to which there is nothing to do (no `user_id`), the mail has no link.

    `generation`: that of the account, if the link is worthless once its sessions have ended.
    """
    token = secrets.token_urlsafe(32)
    store.put_link(MailedLink(_digest(token), purpose, to, user_id, now + mails.LINK_SECONDS[purpose], generation))
    notifications.send(mails.draft(kind, to, language, mails.link_url(purpose, token) if user_id else None))


def get_link(token: str, purposes: Sequence[MailPurpose], now: int) -> MailedLink:
    """The link with this token, for one of these purposes; raises LinkExpired if there is none that still works."""
    link = store.find_link(_digest(token))
    if link is None or link.purpose not in purposes or link.user_id is None or link.expires_at <= now:
        raise LinkExpired()
    return link


def use_link(link: MailedLink, items: Sequence[dynamo.TransactItem]) -> None:
    """Use up a link and commit what it is for; raises LinkExpired if the link was used, or something else is in the way, meanwhile."""
    try:
        dynamo.transact([store.use_link_item(link), *items])
    except dynamo.TransactionCanceled as canceled:
        raise LinkExpired() from canceled


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
