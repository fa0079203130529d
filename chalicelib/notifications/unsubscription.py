"""One-click unsubscription from emails about a waitlist offer (RFC 8058). It cancels the reminder, but the offer stays valid.

No other emails have such a link, because they are about something that the user has bought or has just requested.
"""

import hmac
from html import escape

from msgspec import Struct

from chalicelib.edge.languages import DIRECTIONS, Language, load_words
from chalicelib.foundation import secret_settings, settings
from chalicelib.notifications import store
from chalicelib.notifications.model import UnsubscribeLinkInvalid, notification_id


def new_token(offer_id: str) -> str:
    """Return the token that names an offer in a link. It is signed, so that nobody else can create it."""
    return f"{offer_id}.{_signature(offer_id)}"


def mail_headers(offer_id: str) -> dict[str, str]:
    """Return the headers that make email programs show an unsubscribe button."""
    url = settings.current().page_url(f"api/v1/unsubscribe?token={new_token(offer_id)}")
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def unsubscribe(token: str, now: int) -> None:
    """Cancel the reminder about the offer that the token names, unless the reminder was already sent.

    Safe to repeat. Raises UnsubscribeLinkInvalid.
    """
    store.change_status(notification_id("offer_expiring", read_token(token), 1), "dropped", ("queued",), now)


def read_token(token: str) -> str:
    """Return the id of the offer that a token names. Raises UnsubscribeLinkInvalid."""
    offer_id, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(offer_id).encode(), signature.encode()):
        raise UnsubscribeLinkInvalid()
    return offer_id


def _signature(offer_id: str) -> str:
    return hmac.digest(secret_settings.derived_key("unsubscribe"), offer_id.encode(), "sha256").hex()[:32]


# The HTML page behind the unsubscribe link: a button that posts, and a confirmation.
#
# Opening the link changes nothing, because link scanners open it too (RFC 8058, section 4). The form posts to the page's own address, so
# the page contains no part of the link.

MEDIA_TYPE = "text/html"
HEADERS = {
    "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address contains the token
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language",
}


class Words(Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    question: str
    button: str
    done: str


WORDS = load_words("unsubscription", Words)


def question_page(language: Language) -> str:
    """Render the page with the unsubscribe button."""
    words = WORDS[language]
    form = (
        '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
        f'<button type="submit">{escape(words.button)}</button></form>'
    )
    return _page(language, words.question, form)


def confirmation_page(language: Language) -> str:
    """Render the page that confirms the unsubscription."""
    return _page(language, WORDS[language].done)


def _page(language: Language, text: str, form: str = "") -> str:
    title = escape(WORDS[language].title)
    return (
        f'<!doctype html>\n<html lang="{language}" dir="{DIRECTIONS[language]}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{escape(text)}</p>\n{form}</main>\n</body>\n</html>\n"
    )
