"""Links in mails: they prove that somebody reads the mails of an address. Each works once and for a limited time.

A mail is sent, and a link is stored, for every address, so that neither the answer nor the time says whether it has an account.
"""

import secrets
from hashlib import sha256

from chalicelib.accounts import mails, store
from chalicelib.accounts.mails import MailText
from chalicelib.accounts.model import LinkExpired, MailPurpose, email_key
from chalicelib.accounts.store import MailedLink
from chalicelib.notifications import service as notifications


def mail_link(to: str, text: MailText, purpose: MailPurpose, user_id: str | None, now: int) -> None:
    """Store a link and mail it; for an address without an account (no `user_id`), the mail has no link."""
    token = secrets.token_urlsafe(32)
    store.put_link(MailedLink(_digest(token), purpose, email_key(to), user_id, now + mails.LINK_SECONDS[purpose]))
    notifications.send(mails.compose(to, text, mails.link_url(purpose, token) if user_id else None))


def get_link(token: str, purpose: MailPurpose, now: int) -> MailedLink:
    """The link with this token; raises LinkExpired if there is none that still works."""
    link = store.find_link(_digest(token))
    if link is None or link.purpose != purpose or link.user_id is None or link.expires_at <= now:
        raise LinkExpired()
    return link


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
