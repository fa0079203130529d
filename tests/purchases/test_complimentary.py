"""Complimentary tickets, which are issued from holdbacks only."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import capacities
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, settings
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.capacity import DirectSale
from chalicelib.purchases import event_cancellation, store
from chalicelib.tickets.store import load_tickets
from tests import builders, invariants
from tests.catalog.requests import create_draft, create_kind, create_published, promoter
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("store", "time")


def press(quantity: int = 4, **fields) -> dict:
    return {"id": "press", "reason": "press", "quantity": quantity} | fields


def row(name: str, quantity: int = 1) -> dict:
    return {"id": name, "name": name.title(), "email": f"{name}@example.com", "quantity": quantity}


def issue(api, shop: tuple[str, str], *rows: dict, holdback_id: str = "press", **who):
    event_id, tier_id = shop
    body = {"tier_id": tier_id, "holdback_id": holdback_id, "rows": list(rows)}
    return api.post(f"/events/{event_id}/complimentary-orders", json=body, **(who or promoter()))


def issued(reply) -> dict[str, str]:
    """What became of each row, by its id."""
    assert reply.status == 200, reply.json
    return {row["id"]: row["status"] for row in reply.json["rows"]}


def order_ids(reply) -> list[str]:
    return [row["order_id"] for row in reply.json["rows"]]


def revoke(api, order_id: str, *tickets: str):
    body = {"reason": "revoked"} | ({"tickets": list(tickets)} if tickets else {})
    headers = {"Idempotency-Key": f"revoke {order_id}{tickets}"}
    reply = api.post(f"/admin/orders/{order_id}/refunds", json=body, headers=headers, **promoter())
    assert reply.status == 201, reply.json
    return reply.json


def change(api, tier_id: str, *holdbacks: dict):
    return api.patch(f"/tiers/{tier_id}", json={"holdbacks": list(holdbacks)}, **promoter())


def counts(api, tier_id: str) -> tuple[int, int]:
    """How many complimentary tickets were issued from the holdback `press`, and how many are left."""
    [shown] = api.get(f"/admin/tiers/{tier_id}", token=builders.admin_token()).json["complimentary"]
    return shown["issued"], shown["left"]


def public(tier_id: str):
    """The stock that buyers see."""
    return read_stock({tier_id: 1})[tier_id]


def sweep(time, seconds: int = 0) -> None:
    time.advance(seconds)
    catalog.invalidate()
    builders.run_sweep()


@pytest.fixture
def shop(api, time):
    """A published event with a tier of 10 tickets, of which 4 are held back for the press."""
    yield create_published(api, holdbacks=[press()])
    invariants.check_recovery(time)


def test_tickets_are_issued_from_a_holdback_and_are_not_sold(api, shop):
    reply = issue(api, shop, row("ada"), row("bob", 2))
    assert issued(reply) == {"ada": "issued", "bob": "issued"}
    assert counts(api, shop[1]) == (3, 1)
    assert (public(shop[1]).capacity, public(shop[1]).sold) == (6, 0)
    shown = api.get(f"/admin/orders/{order_ids(reply)[1]}", **promoter()).json
    assert shown["order"]["buyer"] == {"name": "Bob", "email": "bob@example.com"}
    assert (shown["order"]["complimentary"], shown["order"]["total_price_cents"], shown["balance_cents"]) == (True, 0, 0)
    assert [ticket["attendee"] for ticket in shown["tickets"]] == [{"name": "Bob"}, None]
    manifest = api.get(f"/events/{shop[0]}/manifest", token=builders.staff_token(shop[0])).json
    assert len(manifest["tickets"]) == 3
    [entry] = [entry for entry in audit.list_entries(f"event#{shop[0]}") if entry.action == "complimentary.issued"]
    assert (entry.actor, entry.details) == ("pia", {"tier_id": shop[1], "holdback_id": "press", "tickets": 3})


def test_a_tier_has_only_so_many_holdbacks_with_a_stock(api, shop, monkeypatch):
    """Their stocks stay, so one promoter could make the sweep read any number of them."""
    monkeypatch.setattr("chalicelib.catalog.tier_management.MAX_HOLDBACK_IDS", 2)
    assert issued(issue(api, shop, row("ada"))) == {"ada": "issued"}
    assert change(api, shop[1], press(), press(1, id="radio")).status == 200
    assert issued(issue(api, shop, row("bob"), holdback_id="radio")) == {"bob": "issued"}
    refused = change(api, shop[1], press(), press(1, id="tv"))
    assert (refused.status, refused.json["path"]) == (400, "$.holdbacks")
    assert change(api, shop[1], press(), press(2, id="radio")).status == 200
    monkeypatch.setattr("chalicelib.catalog.tier_management.MAX_HOLDBACK_IDS", 1)
    assert change(api, shop[1], press(2), press(2, id="radio")).status == 200, "what there is already can be changed"


def test_a_repeated_list_issues_only_what_is_missing(api, shop):
    first = issue(api, shop, row("ada"), row("bob", 2))
    again = issue(api, shop, row("ada"), row("bob", 2), row("cleo"))
    assert issued(again) == {"ada": "already_issued", "bob": "already_issued", "cleo": "issued"}
    assert order_ids(again)[:2] == order_ids(first)
    assert counts(api, shop[1]) == (4, 0)


def test_never_more_tickets_are_issued_than_the_holdback_has(api, shop):
    reply = issue(api, shop, row("ada", 3), row("bob", 2), row("cleo"))
    assert issued(reply) == {"ada": "issued", "bob": "no_tickets_left", "cleo": "issued"}
    assert issued(issue(api, shop, row("bob", 2))) == {"bob": "no_tickets_left"}
    assert change(api, shop[1], press(6)).status == 200
    assert issued(issue(api, shop, row("bob", 2))) == {"bob": "issued"}
    assert public(shop[1]).capacity == 4


def test_two_lists_at_once_do_not_issue_too_many(api, shop, monkeypatch):
    take, others = DirectSale.take, [row("bob", 3)]

    def take_after_others(sale, quantity):
        if others:
            assert issued(issue(api, shop, others.pop())) == {"bob": "issued"}
        return take(sale, quantity)

    monkeypatch.setattr(DirectSale, "take", take_after_others)
    assert issued(issue(api, shop, row("ada", 2), row("cleo"))) == {"ada": "no_tickets_left", "cleo": "issued"}
    assert counts(api, shop[1]) == (4, 0)


def test_a_long_list_takes_several_transactions(api, time):
    shop = create_published(api, capacity=200, holdbacks=[press(110)])
    rows = [row(f"guest{number}") for number in range(99)]
    assert set(issued(issue(api, shop, *rows, row("ada", 11))).values()) == {"issued"}
    assert counts(api, shop[1]) == (110, 0)
    invariants.check(time.now, recovered=True)


def test_a_revoked_ticket_is_void_and_returns_to_the_holdback(api, shop):
    [order_id] = order_ids(issue(api, shop, row("ada", 2)))
    revoke(api, order_id, f"{order_id}-1")
    assert counts(api, shop[1]) == (1, 3)
    assert issued(issue(api, shop, row("ada", 2))) == {"ada": "already_issued"}
    shown = revoke(api, order_id)
    assert (shown["order"]["status"], shown["refund"]["reason"], shown["refund"]["amount_cents"]) == ("refunded", "revoked", 0)
    assert {ticket.state for ticket in load_tickets(builders.ticket_ids(order_id, 1, 2))} == {"void"}
    assert counts(api, shop[1]) == (0, 4)
    assert public(shop[1]).capacity == 6
    assert issued(issue(api, shop, row("ada", 2))) == {"ada": "revoked"}
    assert counts(api, shop[1]) == (0, 4)


def test_a_holdback_cannot_become_smaller_than_what_was_issued(api, shop):
    issue(api, shop, row("ada", 3))
    for holdbacks in ([press(2)], []):
        refused = change(api, shop[1], *holdbacks)
        assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "holdback_in_use", 3)
        assert (public(shop[1]).capacity, counts(api, shop[1])) == (6, (3, 1))
    assert change(api, shop[1], press(3)).status == 200
    assert (public(shop[1]).capacity, counts(api, shop[1])) == (7, (3, 0))


def test_tickets_sold_while_a_holdback_grows_leave_it_what_was_issued(api, time, monkeypatch):
    """Another change enlarges the stock between the shrinking of the stock and the write of the tier, and the tickets are sold."""
    event_id = create_draft(api, capacity=10)["id"]
    floor = create_kind(api, event_id, capacity=8, holdbacks=[press()])["id"]
    balcony = create_kind(api, event_id, name="Balcony", capacity=8)["id"]
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    assert issued(issue(api, (event_id, floor), row("ada", 4))) == {"ada": "issued"}
    shrink, buyers = capacities.shrink_stocks, ["bob", "cleo", "dan"]

    def shrink_and_sell(*arguments):
        shards = shrink(*arguments)
        capacities.resize_stocks(catalog.load_current().tiers[floor], with_pool=True)
        while buyers:
            builders.buy(api, buyers.pop(), event_id, balcony, 2)
        return shards

    monkeypatch.setattr(capacities, "shrink_stocks", shrink_and_sell)
    assert change(api, floor, press(6)).json["error"] == "holdbacks_too_large"
    [holdback] = api.get(f"/tiers/{floor}", **promoter()).json["holdbacks"]
    assert (holdback["quantity"], counts(api, floor)) == (4, (4, 0))
    invariants.check_recovery(time)


def test_a_removed_holdback_may_come_back(api, shop):
    [order_id] = order_ids(issue(api, shop, row("ada")))
    revoke(api, order_id)
    assert change(api, shop[1]).status == 200
    assert public(shop[1]).capacity == 10
    assert issue(api, shop, row("bob")).status == 404
    assert change(api, shop[1], press(2)).status == 200
    assert issued(issue(api, shop, row("bob", 2))) == {"bob": "issued"}
    assert (public(shop[1]).capacity, counts(api, shop[1])) == (8, (2, 0))


def test_a_release_keeps_what_was_issued(api, time):
    shop = create_published(api, holdbacks=[press(release_at=clock.iso(time.now + 60))])
    orders = order_ids(issue(api, shop, row("ada"), row("bob", 2)))
    sweep(time, 60)
    assert (public(shop[1]).capacity, counts(api, shop[1])) == (7, (3, 0))
    [release] = api.get(f"/admin/tiers/{shop[1]}", token=builders.admin_token()).json["releases"]
    assert (release["quantity"], release["issued"], release["is_complete"]) == (1, 3, True)
    assert issue(api, shop, row("cleo")).json["error"] == "holdback_released"
    revoke(api, orders[1])
    assert public(shop[1]).capacity == 7
    sweep(time)
    assert (public(shop[1]).capacity, counts(api, shop[1])) == (9, (1, 0))
    assert change(api, shop[1]).status == 200
    assert public(shop[1]).capacity == 9, "the issued ticket stays held back when the holdback leaves the list"
    invariants.check_recovery(time)


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_crashed_issue_or_release_is_completed_and_never_adds_too_many(api, time):
    def create() -> tuple[str, str]:
        event_id = create_draft(api, capacity=10)["id"]
        tier_id = create_kind(api, event_id, capacity=8, holdbacks=[press(release_at=clock.iso(time.now + 60))])["id"]
        assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
        return event_id, tier_id

    def run(shop) -> None:
        issue(api, shop, row("ada", 2), row("bob"))
        sweep(time, 60)

    shop = create()
    with faults.record_calls() as calls:
        run(shop)
    for number in range(1, len(calls) + 1):
        shop = create()
        with faults.crash_after(number):
            run(shop)
        invariants.check(time.now)
        sweep(time, 60)
        event = catalog.load_current().events[shop[0]]
        tickets = sum(issued_stock.sold for issued_stock in read_stock({f"{shop[1]}/press": 1}).values())
        assert tickets in (0, 3)
        assert public(shop[1]).capacity == 8 - tickets
        assert read_stock({event.pool_id: 1})[event.pool_id].capacity == 10 - tickets
    invariants.check_recovery(time)


def test_the_pool_of_the_event_does_not_have_them(api, time):
    event_id = create_draft(api, capacity=10)["id"]
    floor = create_kind(api, event_id, capacity=8, holdbacks=[press()])["id"]
    balcony = create_kind(api, event_id, name="Balcony", capacity=8)["id"]
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    [order_id] = order_ids(issue(api, (event_id, floor), row("ada", 4)))
    for user in ("bob", "cleo", "dan"):
        assert builders.buy(api, user, event_id, balcony, 2).status == 201
    assert builders.reserve(api, "eve", event_id, balcony).status == 409
    revoke(api, order_id)
    assert builders.reserve(api, "eve", event_id, balcony).status == 409
    assert change(api, floor, press(3)).status == 200
    assert builders.buy(api, "eve", event_id, balcony).status == 201
    invariants.check_recovery(time)


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([row("ada"), row("bob") | {"email": "bob"}], "$.rows[1].email"),
        ([row("ada") | {"name": " "}], "$.rows[0].name"),
        ([row("ada") | {"quantity": 0}], "$.rows[0].quantity"),
        ([row("ada") | {"seat": 1}], "$.rows[0].seat"),
        ([row("ada"), row("bob"), row("ada")], "$.rows[2].id"),
        ([], "$.rows"),
        ([row(f"guest{number}") for number in range(101)], "$.rows"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_issued(api, shop, rows, path):
    refused = issue(api, shop, *rows)
    assert (refused.status, refused.json["path"]) == (400, path)
    assert list(store.scan_purchases()) == []


def test_tickets_are_issued_only_for_a_published_event_that_has_not_ended(api, time):
    event_id = create_draft(api)["id"]
    shop = event_id, create_kind(api, event_id, holdbacks=[press()])["id"]
    assert issue(api, shop, row("ada")).json.items() >= {"error": "complimentary_closed", "reason": "draft"}.items()
    api.post(f"/events/{event_id}/publish", **promoter())
    assert issue(api, shop, row("ada")).status == 200
    time.advance(60 * 86_400)
    assert issue(api, shop, row("bob")).json.items() >= {"error": "complimentary_closed", "reason": "closed"}.items()


def test_only_holdbacks_of_the_events_own_tiers_have_tickets(api, shop):
    other = create_published(api, holdbacks=[press()])
    assert issue(api, (shop[0], other[1]), row("ada")).status == 404
    assert issue(api, shop, row("ada"), holdback_id="house").status == 404
    assert issue(api, shop, row("ada"), **promoter("paul")).status == 403
    assert list(store.scan_purchases()) == []


def test_an_event_with_complimentary_tickets_stays_published_and_keeps_the_tier(api, shop):
    [order_id] = order_ids(issue(api, shop, row("ada")))
    assert api.post(f"/events/{shop[0]}/unpublish", **promoter()).json["error"] == "event_has_sales"
    assert api.delete(f"/tiers/{shop[1]}", **promoter()).json["error"] == "tier_has_sales"
    assert public(shop[1]).capacity == 6
    revoke(api, order_id)
    assert api.delete(f"/tiers/{shop[1]}", **promoter()).status == 200


def test_a_copied_tier_has_a_holdback_without_issued_tickets(api, shop):
    issue(api, shop, row("ada", 4))
    path = f"/admin/events/{shop[0]}/tickets/packages/{shop[1]}/duplicate"
    copy = api.post(path, headers={"Idempotency-Key": "copy"}, **promoter()).json["id"]
    assert issued(issue(api, (shop[0], copy), row("ada", 4))) == {"ada": "issued"}


def test_a_cancelled_event_voids_them_and_counts_no_refund(api, shop, time):
    [order_id] = order_ids(issue(api, shop, row("ada", 2)))
    paid = builders.create_order(api, shop, user="bob")
    assert api.post(f"/events/{shop[0]}/cancel", **promoter()).status == 200
    for _ in range(3):
        sweep(time, 60)
    found = event_cancellation.find_cancellation(shop[0])
    assert (found.orders, found.finished_at is not None) == (1, True)
    assert [store.load(purchase_id).state for purchase_id in (order_id, paid)] == ["refunded", "refunded"]
    assert store.load(order_id).refunds[0].reason == "event_cancelled"
    assert issue(api, shop, row("cleo")).json["reason"] == "cancelled"


@pytest.mark.not_on_moto
def test_long_lists_count_by_their_writes(api):
    """A promoter may issue all tickets of a holdback, but not keep the tables busy that all sales share."""
    shop = create_published(api, capacity=3_000, holdbacks=[press(2_000)])
    many = [row(f"guest{number}", 50) for number in range(8)]
    with settings.override(rate_limits="on", limit_catalog="20/60"):
        statuses = [issue(api, shop, *({**each, "id": f"{each['id']} {number}"} for each in many)).status for number in range(5)]
        assert statuses == [200] * 3 + [429] * 2, "424 items each, so that a list counts as eight of the twenty"
        assert issue(api, shop, row("ada", 2)).status == 200


def test_no_tickets_are_given_for_a_date_that_has_passed(api, shop, time):
    dates = [{"id": name, "starts_at": clock.iso(time.now + days * 86_400)} for name, days in (("first", 1), ("last", 5))]
    for path, fields in ((f"/events/{shop[0]}", {"dates": dates}), (f"/tiers/{shop[1]}", {"date_ids": ["first"]})):
        assert api.patch(path, json=fields, **promoter()).status == 200
    assert issued(issue(api, shop, row("ada"))) == {"ada": "issued"}
    time.advance(2 * 86_400)
    refused = issue(api, shop, row("bob"))
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "complimentary_closed", "closed")
