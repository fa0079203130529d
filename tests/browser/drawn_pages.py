"""Which scene or tour draws each page. `test_pages.py` compares it with the pages that there are, and with where each one has been."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.browser.scenes import accounts, buying, waiting_room, wallet
from tests.browser.tours import admin, door, live, money, promoter, tickets, waiting

WEB = Path(__file__).parents[2] / "web" / "src"
OTHER = "any other"  # the page that says that there is no such page
DRAWN: dict[str, Callable[..., Any]] = {
    "/": buying.storefront,
    "/events/:eventId": buying.event,
    "/events/:eventId/line": waiting_room.waiting_room_in_line,
    "/events/:eventId/card": waiting_room.card_for_the_waiting_room,
    "/events/:eventId/draw": waiting_room.draw_noted,
    "/events/:eventId/checkout": buying.checkout,
    "/tickets": wallet.wallet,
    "/transfer": wallet.transfer,
    "/guest": wallet.guest_seat,
    "/find-tickets": accounts.find_tickets,
    "/legal/:textId?": buying.terms_of_the_shop,
    "/sign-in": accounts.sign_in,
    "/register": accounts.register_refused,
    "/forgot-password": accounts.forgot_password,
    "/account": accounts.account,
    "/orders": accounts.orders,
    "/orders/:orderId": accounts.order_partly_refunded,
    "/verify-email": accounts.verify_email,
    "/reset-password": accounts.reset_password,
    OTHER: buying.unknown_page,
    "/door": door.scanning,
    "/manage": promoter.events,
    "/manage/webhooks": tickets.webhooks,
    "/manage/webhooks/:promoterId": tickets.webhooks_of_another,
    "/manage/webhooks/:promoterId/:endpointId/failed": tickets.failed_webhooks,
    "/manage/activity": promoter.activity,
    "/manage/api-keys": promoter.api_keys,
    "/manage/profile": promoter.profile,
    "/manage/events/new": promoter.events,
    "/manage/events/:eventId": promoter.published,
    "/manage/events/:eventId/facts": promoter.events,
    "/manage/events/:eventId/tickets": tickets.tickets,
    "/manage/events/:eventId/tickets/:tierId": tickets.tickets,
    "/manage/events/:eventId/promo-codes": tickets.promo_codes,
    "/manage/events/:eventId/bank-transfers": tickets.orders_by_transfer,
    "/manage/events/:eventId/people": tickets.people,
    "/manage/events/:eventId/history": tickets.people,
    "/manage/events/:eventId/live": live.live_sale,
    "/manage/events/:eventId/orders": money.orders,
    "/manage/events/:eventId/orders/:orderId": money.orders,
    "/manage/events/:eventId/attendees": money.attendees,
    "/manage/events/:eventId/waitlist": waiting.waitlist,
    "/manage/events/:eventId/messages": waiting.mails,
    "/manage/events/:eventId/sales": money.sales,
    "/manage/compare": money.sales,
    "/manage/users": admin.users,
    "/manage/promoters": admin.promoters,
    "/manage/catalog": admin.catalog,
    "/manage/catalog/versions/:version": admin.catalog,
    "/manage/system": admin.system,
    "/manage/messages": waiting.mails_with_problems,
    "/manage/cases": money.open_cases,
    "/manage/payouts": money.payouts,
}


def pages_of_the_code() -> set[str]:
    """The addresses of all pages, as the entries name them."""
    shop = re.findall(r'<Route path="([^"]+)"', (WEB / "main.tsx").read_text())
    manage = re.findall(r'\bpath: "([^"]+)"', (WEB / "manage" / "pages.ts").read_text())
    [door_page] = re.findall(r'const ADDRESS = "([^"]+)"', (WEB / "door" / "main.tsx").read_text())
    return {*shop, *manage, door_page, OTHER}


def page_of(path: str) -> str:
    """Return the page at an address; if several match, the page with the fewest variable parts."""
    fitting = [page for page in DRAWN if re.fullmatch(re.sub(r":\w+", "[^/]+", page), path)]
    return min(fitting, key=lambda page: page.count(":"), default=OTHER)


def assert_drawn(by: Callable[..., Any], paths: Iterable[str]) -> None:
    """Check that it has been on all the pages that it is to draw."""
    missing = {page for page, drawing in DRAWN.items() if drawing is by} - {page_of(path) for path in paths}
    assert not missing, f"{by.__name__} draws other pages than `drawn_pages.py` says: it lacks {missing}."
