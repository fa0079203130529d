"""The mail that invites a guest."""

from urllib.parse import quote

from chalicelib import clock, settings
from chalicelib.accounts.mails import MailText, compose
from chalicelib.catalog.model import Event
from chalicelib.notifications.service import MailMessage


def compose_invitation(email: str, token: str, event: Event | None) -> MailMessage:
    """The mail with the link to the guest's own page. It has nothing that the ticket's owner has written."""
    name = event.name if event else "an event"
    when = f"{event.venue}, {clock.local(event.starts_at, event.timezone):%Y-%m-%d %H:%M} ({event.timezone})" if event else ""
    paragraphs = (
        f"Somebody has a ticket for {name} and has given a seat to you. {when} Your code for the door is on this page:".replace("  ", " "),
        "The link is yours alone: anybody who has it can come in with your code. "
        "If you do not want the seat, or do not know who gave it to you, you can give it back on the same page; your name and address "
        "are deleted then.",
    )
    return compose(email, MailText("guest_invited", f"Your seat at {name}", paragraphs), page_url(token))


def page_url(token: str) -> str:
    """The page of the shop for a guest. The token is in the fragment, which browsers send to no server and no log has."""
    return f"{settings.current().shop_url.rstrip('/')}/guest#token={quote(token)}"
