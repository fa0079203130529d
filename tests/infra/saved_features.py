"""What a saved stage has of the features that came after the first one: `fill` writes it, over HTTP as far as there are routes."""

from typing import Any

from chalicelib.foundation import clock, settings
from chalicelib.notifications import ses_reports
from tests import builders
from tests.addons.packages.requests import create_option, create_package
from tests.addons.packages.requests import promoter as promoter_token
from tests.addons.waitlist import lines
from tests.addons.wallets import fakes
from tests.client import Client

PROMOTER = "pia"
HOST = "host@example.com"
SUPPRESSED = "gone@example.com"
# Nothing answers there, so deliveries wait for another attempt.
RECEIVER = "http://127.0.0.1:1024/fairgate"
Request = tuple[str, str | None]


def fill(api: Client, time: Any, poller: Any) -> list[Request]:
    """A gala with packages, guests, questions, promo codes and webhooks, a sold-out event with a waitlist, and a box office.

    Returns the requests that read them; `poller` passes changes on.
    """
    with settings.override(webhook_targets="local"):
        created = api.post(f"/promoters/{PROMOTER}/webhook-endpoints", json={"url": RECEIVER}, token=promoter_token())
    assert created.status == 201, created.json
    seller = {"name": "Pia Ltd", "address": "1 Harbor Street", "tax_id": "PT501234567"}
    profile = {"name": "Pia", "verified": True, "invoices": seller}
    assert api.put(f"/promoters/{PROMOTER}", json=profile, token=builders.admin_token()).status == 200
    gala = _sell_packages(api, time)
    line = _let_people_wait(api, time)
    counter = _sell_at_the_counter(api)
    _offer_for_resale(api)
    _keep_pass(api)
    ses_reports.suppress(SUPPRESSED, "bounced", time.now)
    poller.drain()
    assert lines.own(api, "offered")[0]["offer"] is not None
    later = {"starts_at": clock.iso(time.now + 40 * 86_400)}
    assert api.patch(f"/events/{gala}", json=later, token=promoter_token()).status == 200
    poller.drain()
    return [
        *((f"/admin/events/{gala}/{part}", "admin") for part in ("tickets/packages", "tickets/answers", "promo-codes")),
        (f"/events/{gala}/tickets/packages", None),
        (f"/events/{line}/waitlist", "admin"),
        (f"/events/{line}/waitlist?status=offered", "admin"),
        ("/waitlist", "waits"),
        ("/waitlist", "offered"),
        (f"/promoters/{PROMOTER}/webhook-endpoints", "admin"),
        (f"/promoters/{PROMOTER}/invoices", "admin"),
        (f"/promoters/{PROMOTER}/webhook-endpoints/{created.json['id']}/deliveries", "admin"),
        (f"/events/{gala}/sales?guests=true", "admin"),
        (f"/events/{counter}/box-office", "admin"),
        *((f"/events/{event_id}", None) for event_id in (gala, line, counter)),
    ]


def _sell_packages(api: Client, time: Any) -> str:
    """Tables whose buyer and guests answered questions, some of them bought with a promo code. Returns the event's id."""
    fields = {"name": "Ball", "venue": "Hall", "starts_at": clock.iso(time.now + 30 * 86_400)}
    event_id = str(api.post("/events", json=fields, token=promoter_token()).json["id"])
    table = create_package(api, event_id, name="Table", price=100, seats_per_package=3)["id"]
    dish = create_option(api, event_id, table, label="Dish", choices=["Fish", "Vegan"], per="guest")["id"]
    parks = create_option(api, event_id, table, label="Parking", option_type="boolean", choices=[], is_required=False)["id"]
    assert api.post(f"/events/{event_id}/publish", token=promoter_token()).status == 200
    builders.create_promo_code(api, event_id, max_total_uses=10)
    bought = builders.buy(api, "host", event_id, table, 2, responses={parks: True}, promo_code="SAVE", customer_email=HOST)
    assert bought.status == 201, bought.json
    order_id = bought.json["order"]["id"]
    guest = {"name": "Bob", "email": "bob@example.com", "answers": {dish: ["Fish"]}}
    assert api.put(f"/seats/{order_id}-1.1/guest", json=guest, user="host").status == 200
    # Left in the middle: a checkout that holds the code.
    reserved = builders.reserve(api, "choosing", event_id, table).json["id"]
    checkout = builders.start_checkout(api, "choosing", reserved, promo_code="SAVE")
    assert checkout.status == 201, checkout.json
    return event_id


def _keep_pass(api: Client) -> None:
    """A ticket in Apple Wallet."""
    order_id = builders.create_order(api, builders.create_shop(api), 1, "phone")
    with settings.override(**fakes.apple_settings()):
        made = api.post(f"/tickets/{order_id}-1/passes", json={"wallet": "apple"}, user="phone")
    assert made.status == 200, made.json


def _offer_for_resale(api: Client) -> None:
    """An event whose buyers return tickets through resale: one was sold, and one is for resale."""
    event_id, tier_id = builders.create_shop(api)
    returns = {"returns": {"policy": "resale"}}
    assert api.patch(f"/events/{event_id}", json=returns, token=builders.admin_token()).status == 200
    order_id = builders.create_order(api, (event_id, tier_id), 2, "resells")
    assert api.post(f"/orders/{order_id}/resale", json={}, user="resells").status == 200
    body = {"items": [{"tier_id": tier_id, "quantity": 1, "resale_price_cents": 5000}]}
    reserved = api.post(f"/events/{event_id}/reservations", json=body, user="replaces").json["id"]
    assert builders.start_checkout(api, "replaces", reserved).status == 201
    assert builders.confirm(api, "replaces", reserved).status == 201


def _let_people_wait(api: Client, time: Any) -> str:
    """A sold-out event for which two wait. What came back is for the first of them. Returns its id."""
    event_id, _, orders = lines.sold_out_shop(api, time)
    for user in ("offered", "waits"):
        assert lines.join(api, user, event_id).status == 201
    lines.give_back(api, orders[0])
    return event_id


def _sell_at_the_counter(api: Client) -> str:
    """An event whose box office has sold a ticket for cash. Returns its id."""
    event_id, tier_id = builders.create_shop(api, capacity=5)
    held_back = {"holdbacks": [{"id": "counter", "reason": "box_office", "quantity": 2}]}
    changed = api.patch(f"/tiers/{tier_id}", json=held_back, token=builders.admin_token())
    assert changed.status == 200, changed.json
    sale = {"id": "till-1/sale-1", "tier_id": tier_id, "holdback_id": "counter", "quantity": 1, "method": "cash"}
    price = {"price_cents": changed.json["tier"]["price_cents"] if "tier" in changed.json else changed.json["price_cents"]}
    sold = api.post(f"/events/{event_id}/box-office-orders", json=sale | price, token=builders.admin_token())
    assert sold.status == 201, sold.json
    return event_id
