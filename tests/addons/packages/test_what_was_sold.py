"""Orders and reservations stay unchanged, whatever managers change afterwards by any route."""

import pytest

from chalicelib.foundation import clock
from tests import builders, invariants, pdfs, pictures
from tests.access.test_table import OPERATIONS
from tests.addons.packages.requests import create_event, create_option, create_package, path, promoter

# What those who manage an event change is below these.
ROUTES_OF_EVENTS = ("/events", "/tiers", "/admin/events", "/admin/tiers", "/admin/orders")
# Routes that change neither packages nor what they cost.
OTHERS = {
    "POST /admin/events/{event_id}/announcements/preview",
    "PUT /admin/events/{event_id}/announcements/{announcement_id}",
    "DELETE /admin/events/{event_id}/announcements/{announcement_id}",
    "POST /admin/events/{event_id}/dates",
    "POST /admin/events/{event_id}/pause",
    "POST /admin/events/{event_id}/promo-codes/batch",
    "POST /admin/events/{event_id}/resume",
    "POST /admin/events/{event_id}/waiting-room/appeals/{appeal_id}/answer",
    "POST /admin/events/{event_id}/waiting-room/let-in",
    "POST /admin/events/{event_id}/waiting-room/rate",
    "DELETE /events/{event_id}/waiting-room/clear",
    "POST /events/{event_id}/complimentary-orders",
    "POST /events/{event_id}/members",
    "POST /admin/orders/{order_id}/refunds/preview",
    "PUT /admin/orders/{order_id}/email",
    "PUT /admin/orders/{order_id}/tickets/{ticket_id}/name",
    "POST /events/{event_id}/bank-transfers/{order_id}/cancel",
    # they take back what was sold, and have tests of their own
    "POST /admin/orders/{order_id}/refunds",
    "POST /admin/orders/{order_id}/refunds/{refund_id}/retry",
    "POST /admin/orders/{order_id}/return-requests/{request_number}",
    "POST /events/{event_id}/cancel",
    "DELETE /admin/events/{event_id}/orders",
}


class Sale:
    """A table for two that ada has bought with answers and a promo code, and that bob has reserved and not paid."""

    def __init__(self, api):
        self.api = api
        self.event_id = create_event(api)
        self.table = create_package(api, self.event_id, name="Table", price=100, seats_per_package=2)["id"]
        self.dish = create_option(api, self.event_id, self.table, label="Dish", choices=["Fish", "Vegan"], per="ticket")["id"]
        self.song = create_option(api, self.event_id, self.table, label="Song", per="guest", option_type="text_input", choices=[])["id"]
        self.code = builders.create_promo_code(api, self.event_id, "SAVE", max_total_uses=5)
        sent = {"promo_code": "SAVE", "attendees": [{"name": "Ada", "responses": {self.dish: ["Fish"]}}]}
        self.order = builders.buy(api, "ada", self.event_id, self.table, **sent).json["order"]["id"]
        named = api.put(f"/seats/{self.order}-1.1/guest", json={"name": "Eve", "answers": {self.song: "Waltz"}}, user="ada")
        assert named.status == 200, named.json
        self.held = builders.reserve(api, "bob", self.event_id, self.table).json["id"]
        answers = [{"name": "Bob", "responses": {self.dish: ["Vegan"]}}]
        assert builders.start_checkout(api, "bob", self.held, promo_code="SAVE", attendees=answers).status == 201

    def as_bought(self):
        """All that the buyers and the books have of it, without what the catalog says of the event now."""
        builders.project_changes()
        order = self.api.get(f"/orders/{self.order}", user="ada").json["order"]
        ticket = self.api.get(f"/tickets/{self.order}-1", user="ada").json
        checkout = self.api.get(f"/checkout/sessions/{self.held}", user="bob").json
        seats = self.api.get(f"/orders/{self.order}/seats", user="ada").json["seats"]
        receipt = self.api.get(f"/orders/{self.order}/receipt.pdf", user="ada")
        preview = self.api.post(f"/admin/orders/{self.order}/refunds/preview", json={"reason": "goodwill"}, token=builders.admin_token())
        money = self.api.get(f"/admin/events/{self.event_id}/money", token=builders.admin_token())
        lines = pdfs.read(receipt.body)[0].text.partition("Price")[2]
        return {
            "order": {name: order[name] for name in order if not name.startswith("event_")},
            "ticket": {name: ticket[name] for name in ("code", "qr_sig", "state", "admits", "order_id")},
            "price of the ticket": ticket["tier"]["price_cents"],
            "seats": seats,
            "checkout": checkout["reservation"],
            "receipt": lines.partition("This was a demo payment")[0],
            "refund": preview.json["amount_cents"],
            "money": money.json["takings"],
        }


@pytest.fixture
def sale(api, time, buckets):
    yield Sale(api)
    invariants.check(time.now)


def edits(sale):
    """Operation -> the requests that change as much as the route lets them, in the order in which they are made."""
    event, package = f"/events/{sale.event_id}", path(sale.event_id, sale.table)
    codes, start = f"/admin/events/{sale.event_id}/promo-codes", clock.iso(clock.now() + 40 * 86_400)
    tier = {"name": "Bench", "price_cents": 7, "capacity": 50, "admits": 1}
    free = {"price": 0, "seats_per_package": 9, "description": "New", "is_sponsorship": True, "quantity_limit": 2}
    named = {"name": "Party", "venue": "Field", "starts_at": start}
    return [
        ("PATCH /admin/events/{event_id}/tickets/packages/{package_id}", package, {"name": "Chair", **free}),
        ("PATCH /tiers/{tier_id}", f"/tiers/{sale.table}", {"name": "Stool", "price_cents": 999_999, "admits": 5}),
        ("PUT /tiers/{tier_id}", f"/tiers/{sale.table}", tier),
        ("PATCH /admin/events/{event_id}/tickets/packages/{package_id}/options/{option_id}", f"{package}/options/{sale.dish}", {
            "label": "Drink", "option_type": "multi_select", "choices": ["Tea", "Milk"], "per": "purchase"}),
        ("POST /admin/events/{event_id}/tickets/packages/{package_id}/options", f"{package}/options", {
            "label": "Name of the dog", "option_type": "text_input"}),
        ("DELETE /admin/events/{event_id}/tickets/packages/{package_id}/options/{option_id}", f"{package}/options/{sale.dish}", None),
        ("DELETE /admin/events/{event_id}/tickets/packages/{package_id}/options/{option_id}", f"{package}/options/{sale.song}", None),
        ("PATCH /admin/events/{event_id}/promo-codes/{code_id}", f"{codes}/SAVE", {
            "discount_type": "fixed_amount", "discount_value": 99, "minimum_total": 5000, "max_total_uses": 2, "is_active": False}),
        ("POST /admin/events/{event_id}/promo-codes", codes, {"code": "MORE", "discount_type": "percentage", "discount_value": 100}),
        ("DELETE /admin/events/{event_id}/promo-codes/{code_id}", f"{codes}/SAVE", None),
        ("POST /admin/events/{event_id}/tickets/packages/{package_id}/disable", f"{package}/disable", None),
        ("POST /admin/events/{event_id}/tickets/packages/{package_id}/enable", f"{package}/enable", None),
        ("POST /admin/events/{event_id}/tickets/packages/{package_id}/duplicate", f"{package}/duplicate", None),
        ("POST /admin/events/{event_id}/tickets/packages", path(sale.event_id), {"name": "Table", "price": 3}),
        ("POST /events/{event_id}/tiers", f"{event}/tiers", {"name": "Table for 2", "price_cents": 1, "capacity": 1}),
        ("POST /admin/tiers", "/admin/tiers", {"event_id": sale.event_id, "name": "Table for 3", "price_cents": 1, "capacity": 1}),
        ("POST /admin/events/{event_id}/tickets/packages/reorder", f"{path(sale.event_id)}/reorder", "all, backwards"),
        ("POST /admin/events/{event_id}/tickets/packages/{package_id}/image", f"{package}/image", "a picture"),
        ("DELETE /admin/events/{event_id}/tickets/packages/{package_id}/image", f"{package}/image", None),
        ("POST /admin/events/{event_id}/tickets/packages/{package_id}/image/upload", f"{package}/image/upload", {
            "content_type": "image/png"}),
        ("POST /events/{event_id}/image", f"{event}/image", "a picture"),
        ("DELETE /events/{event_id}/image", f"{event}/image", None),
        ("POST /events/{event_id}/image/upload", f"{event}/image/upload", {"content_type": "image/png"}),
        ("PATCH /events/{event_id}", event, {"name": "Feast", "venue": "Hill", "timezone": "Asia/Tokyo", "purchase_limit": 1}),
        ("PUT /events/{event_id}", event, named),
        ("POST /events", "/events", named),
        ("POST /admin/events", "/admin/events", named | {"on_sale_at": clock.iso(clock.now())}),
        ("POST /events/{event_id}/publish", f"{event}/publish", None),
        ("POST /events/{event_id}/bank-transfers", f"{event}/bank-transfers", {
            "rows": [{"reference": sale.order, "amount_cents": cents, "date": "2026-06-01"} for cents in (9000, -9000)]}),
        ("DELETE /admin/events/{event_id}/tickets/packages/{package_id}", package, None),
    ]  # fmt: skip


REFUSED = {
    "DELETE /tiers/{tier_id}": "tier_has_sales",
    "POST /events/{event_id}/unpublish": "event_has_sales",
    "DELETE /events/{event_id}": "event_has_sales",
}


def send(sale, operation, address, body):
    method = operation.split(" ")[0]
    token = builders.admin_token() if OPERATIONS[operation].access == "admin" or "/promo-codes" in address else promoter()
    if body == "a picture":
        return pictures.send(sale.api, address, pictures.picture(), token)
    if body == "all, backwards":
        listed = sale.api.get(path(sale.event_id), token=token).json["packages"]
        body = {"package_ids": [package["id"] for package in listed][::-1]}
    options = {"json": body} if body is not None else {}
    return sale.api.request(method, address, token=token, headers={"Idempotency-Key": operation[:40]}, **options)


@pytest.mark.not_on_moto
def test_nothing_that_managers_change_changes_what_was_bought_or_reserved(sale):
    before = sale.as_bought()
    assert (before["order"]["total_price_cents"], before["checkout"]["total_price_cents"], before["refund"]) == (9000, 9000, 9000)
    for operation, address, body in edits(sale):
        reply = send(sale, operation, address, body)
        assert reply.status in (200, 201), (operation, reply.json)
        assert sale.as_bought() == before, operation
    paid = builders.confirm(sale.api, "bob", sale.held).json["order"]
    held = before["checkout"]
    assert (paid["items"], paid["total_price_cents"]) == (held["items"], held["total_price_cents"])
    refund = builders.refund(sale.api, sale.order).json["refund"]
    assert refund["amount_cents"] == before["order"]["total_price_cents"]


@pytest.mark.not_on_moto
@pytest.mark.parametrize("operation", REFUSED)
def test_no_operation_deletes_a_bought_package(sale, operation):
    before = sale.as_bought()
    method, address = operation.split(" ")
    address = address.replace("{event_id}", sale.event_id).replace("{package_id}", sale.table).replace("{tier_id}", sale.table)
    refused = sale.api.request(method, address, token=promoter())
    assert (refused.status, refused.json["error"]) == (409, REFUSED[operation])
    assert sale.as_bought() == before


def test_no_route_of_managers_is_left_out(sale):
    tried = {operation for operation, _, _ in edits(sale)} | REFUSED.keys()
    theirs = {
        name
        for name, operation in OPERATIONS.items()
        if operation.access in ("manager", "admin") and not name.startswith("GET ") and name.split(" ")[1].startswith(ROUTES_OF_EVENTS)
    }
    assert theirs - tried - OTHERS == set(), "try these too, or say why they change nothing that was sold"
    assert theirs >= OTHERS
