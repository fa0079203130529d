"""The mails about accounts. Each has one link at most; people who get such a mail without having asked for it may ignore it."""

from html import escape
from typing import ClassVar
from urllib.parse import quote

from msgspec import Struct

from chalicelib import settings
from chalicelib.accounts.model import MailPurpose
from chalicelib.notifications.service import MailMessage

VERIFY_SECONDS = 86_400
RESET_SECONDS = 3600
LINK_SECONDS: dict[MailPurpose, int] = {"verify_email": VERIFY_SECONDS, "reset_password": RESET_SECONDS, "change_email": RESET_SECONDS}

_PAGES: dict[MailPurpose, str] = {"verify_email": "verify-email", "reset_password": "reset-password", "change_email": "verify-email"}


class MailText(Struct, frozen=True):
    """What a mail says, in paragraphs; the link comes after the first."""

    kind: str
    subject: str
    paragraphs: tuple[str, ...]

    IGNORE: ClassVar[str] = "If it was not you, ignore this mail: nothing has changed."


VERIFY = MailText(
    "verify_email",
    "Confirm your e-mail address",
    ("Somebody has registered with this address. If it was you, confirm it with this link, within a day:", MailText.IGNORE),
)
RESET = MailText(
    "reset_password",
    "Choose a new password",
    (
        "Somebody wants to choose a new password for the account with this address. If it was you, use this link, within an hour:",
        MailText.IGNORE,
    ),
)
ALREADY_REGISTERED = MailText(
    "already_registered",
    "You have an account already",
    (
        "Somebody has registered with this address, which has an account already. If it was you, log in. "
        "If you do not know the password, choose a new one with this link, within an hour:",
        MailText.IGNORE,
    ),
)
NO_ACCOUNT = MailText(
    "no_account",
    "There is no account with this address",
    (
        "Somebody has asked for a mail about the account with this address, but there is none. "
        "If it was you, you may have registered with another address.",
        MailText.IGNORE,
    ),
)
ALREADY_VERIFIED = MailText(
    "already_verified",
    "Your e-mail address is confirmed already",
    ("Somebody has asked to confirm this address. It is confirmed already: you can log in.", MailText.IGNORE),
)
NEW_ADDRESS = MailText(
    "change_email",
    "Confirm your new e-mail address",
    ("Somebody wants to use this address for their account. If it was you, confirm it with this link, within an hour:", MailText.IGNORE),
)
ADDRESS_TAKEN = MailText(
    "address_taken",
    "You have an account with this address",
    (
        "Somebody wants to use this address for another account, but it has an account already. If it was you, log in with this address, "
        "or delete this account first.",
        MailText.IGNORE,
    ),
)
CHANGE_REQUESTED = MailText(
    "change_requested",
    "Somebody wants to change the e-mail address of your account",
    (
        "Somebody who knows your password wants another e-mail address for your account. It changes when they confirm the new address.",
        "If it was not you, choose a new password now: that stops the change.",
    ),
)
CHANGED = MailText(
    "email_changed",
    "The e-mail address of your account has changed",
    (
        "Your account has another e-mail address now, so you cannot log in with this one any more.",
        "If it was not you, tell us at once.",
    ),
)


def compose(to: str, text: MailText, link: str | None = None) -> MailMessage:
    """The mail as plain text and as HTML, with the link after the first paragraph."""
    first, *others = text.paragraphs
    plain = "\n\n".join([first, *([link] if link else []), *others]) + "\n"
    parts = [f"<p>{escape(first)}</p>", *([f'<p><a href="{escape(link)}">{escape(link)}</a></p>'] if link else [])]
    html = "\n".join([*parts, *(f"<p>{escape(paragraph)}</p>" for paragraph in others)]) + "\n"
    return MailMessage(text.kind, to, text.subject, plain, html)


def link_url(purpose: MailPurpose, token: str) -> str:
    """The page of the shop to which a link leads. The token is in the fragment, which browsers send to no server and no log has."""
    return f"{settings.current().shop_url.rstrip('/')}/{_PAGES[purpose]}#token={quote(token)}"
