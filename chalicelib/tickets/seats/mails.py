"""The mail that invites a guest."""

from typing import Any
from urllib.parse import quote

from chalicelib.catalog.model import Event
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, settings
from chalicelib.notifications.service import MailDraft


def draft_invitation(email: str, token: str, event: Event | None, language: Language) -> MailDraft:
    """The mail with the link to the guest's own page. It has nothing that the ticket's owner has written."""
    values: dict[str, Any] = {"name": "", "place": "", "starts": None, "zone": ""}
    if event is not None:
        starts = clock.local(event.starts_at, event.timezone) if event.starts_at else None
        values = {"name": event.name, "place": event.place, "starts": starts, "zone": event.timezone}
    return MailDraft("guest_invited", email, language, {"event": values, "url": page_url(token)})


def page_url(token: str) -> str:
    """The page of the shop for a guest. The token is in the fragment, which browsers send to no server and no log has."""
    return f"{settings.current().shop_url.rstrip('/')}/guest#token={quote(token)}"
