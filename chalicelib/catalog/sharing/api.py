"""Events for other programs: a file for calendars, and a page for those that draw a preview of a link."""

from urllib.parse import urlsplit

from chalice.app import Blueprint

from chalicelib.catalog import service
from chalicelib.catalog.sharing import calendar_file, preview_page
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.foundation import settings

CACHING = {"Cache-Control": "public, max-age=300"}

bp = Blueprint(__name__)


@route(bp, "GET", "/events/{event_id}/calendar.ics", access="public", media_types=(calendar_file.MEDIA_TYPE,))
def show_calendar_file(request: RequestContext, event_id: str) -> Reply[str]:
    """Return an event as a calendar file."""
    catalog, event = service.get_visible_event(event_id)
    shop_url = _shop_url()
    host = urlsplit(shop_url).hostname or "fairgate"
    text = calendar_file.render(event, _page_url(shop_url, event_id), host, catalog.revision, request.now)
    headers = {
        "Content-Type": f"{calendar_file.MEDIA_TYPE}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{event_id}.ics"',
    }
    return Reply(text, headers=headers | CACHING)


@route(bp, "GET", "/events/{event_id}/preview", access="public", media_types=(preview_page.MEDIA_TYPE,))
def show_preview_page(_: RequestContext, event_id: str) -> Reply[str]:
    """Return an event as HTML for programs that draw link previews."""
    _catalog, event = service.get_visible_event(event_id)
    shop_url = _shop_url()
    headers = {
        "Content-Type": f"{preview_page.MEDIA_TYPE}; charset=utf-8",
        "Content-Security-Policy": preview_page.POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    return Reply(preview_page.render(event, _page_url(shop_url, event_id), shop_url), headers=headers | CACHING)


def _shop_url() -> str:
    return settings.current().shop_url.rstrip("/")


def _page_url(shop_url: str, event_id: str) -> str:
    """The address of an event's page in the shop."""
    return f"{shop_url}/events/{event_id}"
