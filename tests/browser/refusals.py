"""Which requests of a scene or tour the API refuses on purpose: every other refusal is an unwanted error line in the console."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from tests.browser.scenes import accounts, buying, waiting_room, wallet
from tests.browser.tours import admin, door, promoter, tickets, waiting

_ID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}(\.[0-9A-HJKMNP-TV-Z]{26})?\b")
# Each is `<status> <method> <path below /api/v1>`, with `*` for an id.
EXPECTED: dict[Callable[..., Any], set[str]] = {
    buying.unknown_event: {"404 GET /events/none", "404 GET /events/none/availability"},
    buying.checkout_with_a_wrong_promo_code: {"400 GET /events/*/reservations"},
    buying.payment_declined: {"409 POST /checkout/confirm"},
    buying.hold_expired: {"404 GET /checkout/sessions/*"},
    buying.checkout_given_back_in_another_tab: {"409 POST /checkout/sessions"},
    buying.failure_with_a_request_id: {"500 GET /events"},
    waiting_room.card_for_the_waiting_room: {"403 POST /events/*/waiting-room/card"},
    waiting_room.draw_of_an_unknown_event: {"404 GET /events/none"},
    wallet.transfer_that_is_over: {"404 POST /transfers/preview"},
    accounts.reset_password: {"410 POST /auth/password/reset"},
    accounts.find_tickets_with_the_link: {"410 POST /lost-tickets/open"},
    accounts.sign_in_refused: {"401 POST /auth/login"},
    accounts.sign_in_with_a_code: {"401 POST /auth/login"},
    accounts.register_refused: {"400 POST /auth/register"},
    accounts.session_over: {"401 POST /auth/refresh"},
    accounts.guest_who_stayed_away: {"401 POST /auth/refresh"},
    accounts.guest_who_stayed_away_looks_at_an_event: {"401 POST /auth/refresh"},
    accounts.account_about_to_be_deleted: {"403 DELETE /auth/me"},
    admin.promoters: {"400 PUT /admin/shop-invoices"},
    promoter.events: {"409 POST /events/*/publish"},
    promoter.api_keys: {"403 POST /promoters/*/api-keys"},
    promoter.profile: {"400 PUT /promoters/*", "400 PUT /promoters/*/brand", "400 PUT /promoters/*/default-taxes"},
    promoter.another_ones_edit: {"409 PATCH /events/*"},
    tickets.tickets: {"400 POST /events/*/tiers"},
    tickets.webhooks: {"400 POST /promoters/*/webhook-endpoints"},
    tickets.failed_webhooks: {"400 POST /promoters/*/webhook-endpoints/*/replay-failed"},
    waiting.waitlist: {"409 POST /waitlist/*/notify"},
    waiting.mails_with_problems: {"404 POST /admin/suppressed-addresses/release"},
    door.scanning: {"404 POST /checkin", "409 POST /checkin", "410 POST /checkin"},
    door.reentry: {"404 POST /checkin"},
    door.too_early: {"409 POST /checkin"},
    door.without_session: {"401 POST /auth/refresh", "403 GET /events/*/manifest"},
}


def assert_refused(scene: Callable[..., Any], refused: Iterable[str]) -> None:
    """That exactly the requests were refused which are to be; `refused` is what a buyer's browser has noted."""
    assert {_ID.sub("*", request.replace(" /api/v1/", " /")) for request in refused} == EXPECTED.get(scene, set())
