"""The mails about accounts, and the pages that their links lead to. People who get one without having asked for it may ignore it."""

from typing import Literal
from urllib.parse import quote

from chalicelib.accounts.model import MailPurpose
from chalicelib.edge.languages import Language
from chalicelib.foundation import settings
from chalicelib.notifications.service import MailDraft

VERIFY_SECONDS = 86_400
RESET_SECONDS = 3600
LINK_SECONDS: dict[MailPurpose, int] = {"verify_email": VERIFY_SECONDS, "reset_password": RESET_SECONDS, "change_email": RESET_SECONDS}

_PAGES: dict[MailPurpose, str] = {"verify_email": "verify-email", "reset_password": "reset-password", "change_email": "verify-email"}

# Each has a template (`notifications/templates`).
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
]


def draft(kind: AccountMail, to: str, language: Language, link: str | None = None) -> MailDraft:
    """A mail about an account, with a link at most."""
    return MailDraft(kind, to, language, {"url": link or ""})


def link_url(purpose: MailPurpose, token: str) -> str:
    """The page of the shop to which a link leads. The token is in the fragment, which browsers send to no server and no log has."""
    return f"{settings.current().shop_url.rstrip('/')}/{_PAGES[purpose]}#token={quote(token)}"
