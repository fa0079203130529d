"""Requests for refunds: who may make them, which are refused, and what a repeated one does."""

import msgspec
import pytest

from chalicelib.audit import service as audit
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation import faults


def test_a_refund_is_in_the_audit_log(api, event_and_tier):
    order_id = builders.create_order(api, event_and_tier)
    reply = builders.refund(
        api, order_id, tickets=builders.ticket_ids(order_id, 2), fee_cents=100, note="Broke a leg.", reason="requested_by_customer"
    )
    refund = reply.json["refund"]
    assert (refund["note"], refund["by"], refund["reason"]) == ("Broke a leg.", "root", "requested_by_customer")
    [entry] = audit.list_entries(f"order#{order_id}")
    assert (entry.action, entry.actor, entry.details["refund_id"]) == ("order.refunded", "root", refund["id"])
    assert (entry.details["tickets"], entry.details["amount_cents"], entry.details["fee_cents"]) == ([2], 4900, 100)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tickets": ["nonsense"]}, "$.tickets[0]"),
        ({"tickets": ["{own}-1", "{other}-1"]}, "$.tickets[1]"),
        ({"tickets": ["{own}-4"]}, "$.tickets[0]"),
        ({"tickets": ["{own}-1", "{own}-1"]}, "$.tickets"),
        ({"tickets": ["{own}-1", "{own}-3"]}, "$.tickets[1]"),  # refunded before
        ({"tickets": []}, "$.tickets"),
        ({"tickets": [1]}, "$.tickets[0]"),
        ({"tickets": "{own}-1"}, "$.tickets"),
        ({"reason": "because"}, "$.reason"),
        ({"reason": None}, "$.reason"),
        ({"fee_cents": -1}, "$.fee_cents"),
        ({"fee_cents": 1.5}, "$.fee_cents"),
        ({"return_seats": "yes"}, "$.return_seats"),
        ({"note": "x" * 501}, "$.note"),
        ({"amount_cents": 5000}, "$.amount_cents"),
    ],
)
def test_invalid_input_is_refused_with_its_field_and_changes_nothing(api, event_and_tier, fields, path):
    own, other = builders.create_order(api, event_and_tier, 3), builders.create_order(api, event_and_tier, 1, "bob")
    builders.refund(api, own, key="1", tickets=builders.ticket_ids(own, 3))
    before = store.load(own)
    body = msgspec.json.decode(msgspec.json.encode(fields).replace(b"{own}", own.encode()).replace(b"{other}", other.encode()))
    reply = builders.refund(api, own, key="2", **body)
    assert (reply.status, reply.json["path"]) == (400, path), reply.json
    assert store.load(own) == before


def test_a_refund_needs_an_idempotency_key(api, event_and_tier):
    order_id = builders.create_order(api, event_and_tier)
    reply = builders.refund(api, order_id, key="")
    assert (reply.status, reply.json["path"]) == (400, "Idempotency-Key")
    assert store.load(order_id).state == "paid"


def test_only_orders_with_tickets_can_be_refunded(api, event_and_tier):
    assert builders.refund(api, "01KB6Z5C0V8S3J5Y7N9Q2R4T6W").status == 404
    held = builders.reserve(api, "bob", *event_and_tier).json["id"]
    assert builders.refund(api, held).status == 404
    builders.start_checkout(api, "bob", held)
    assert builders.refund(api, held).status == 404
    order_id = builders.create_order(api, event_and_tier)
    builders.refund(api, order_id)
    again = builders.refund(api, order_id, key="2")
    assert (again.status, again.json["error"], again.json["state"]) == (409, "not_refundable", "refunded")


def test_only_admins_and_the_events_promoter_may_refund(api, event_and_tier):
    order_id = builders.create_order(api, event_and_tier, 3)
    path, body, headers = f"/admin/orders/{order_id}/refunds", {"reason": "goodwill"}, {"Idempotency-Key": "k"}
    assert api.post(path, json=body, headers=headers).status == 401
    assert api.post(path, json=body, headers=headers, user="root").status == 403  # the demo header is never an admin
    for role in ("user", "staff"):
        assert builders.refund(api, order_id, by=builders.token("eve", role)).status == 403
    assert builders.refund(api, order_id, by=builders.token("eve", "promoter")).status == 404
    assert store.load(order_id).state == "paid"


def test_a_promoter_may_refund_orders_of_their_own_events(api, time):
    order_id = builders.create_order(api, builders.create_promoted_shop("eve"))
    assert builders.refund(api, order_id, by=builders.token("bob", "promoter")).status == 404
    assert builders.refund(api, order_id, by=builders.token("eve")).status == 403
    reply = builders.refund(api, order_id, by=builders.token("eve", "promoter"))
    assert (reply.status, reply.json["refund"]["by"]) == (201, "eve")
    invariants.check(time.now)


def test_a_request_repeated_with_its_idempotency_key_makes_one_refund(shop):
    order_id = shop.buy(quantity=3)
    first = builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1))
    again = builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1))
    assert (again.status, again.json["refund"]) == (200, first.json["refund"])
    other = builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 2))
    assert (other.status, other.json["error"]) == (409, "idempotency_key_reused")
    assert shop.list_refunds() == [(5000, "succeeded")]


@pytest.mark.parametrize(
    ("number", "operation", "table"), [(1, "UpdateItem", "inventory"), (1, "TransactWriteItems", ""), (2, "", "purchases")]
)
def test_a_request_repeated_after_a_crash_makes_one_refund(shop, number, operation, table):
    order_id = shop.buy(quantity=3)
    with faults.crash_after(number, operation=operation, table=table):
        builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1))
    assert builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1)).json["error"] == "request_in_flight"
    shop.time.advance(31)
    reply = builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1))
    assert (reply.status, reply.json["refund"]["tickets"]) == (201, builders.ticket_ids(order_id, 1))
    shop.time.advance(60)
    builders.run_sweep()
    assert shop.list_refunds() == [(5000, "succeeded")]
    assert store.load(order_id).kept_tickets == [2, 3]


def test_the_idempotency_key_of_a_refused_request_can_be_used_again(api, event_and_tier):
    order_id = builders.create_order(api, event_and_tier)
    assert builders.refund(api, order_id, tickets=["nonsense"]).status == 400
    assert builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1)).status == 201


def test_a_request_that_loses_every_race_gets_503_and_changes_nothing(api, event_and_tier, monkeypatch):
    save = store.save

    def lose_the_race(before, *_, **__):
        save(before, before)  # another request was faster
        raise store.Conflict

    order_id = builders.create_order(api, event_and_tier)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save", lose_the_race)
        assert builders.refund(api, order_id).status == 503
    assert builders.refund(api, order_id).status == 201
