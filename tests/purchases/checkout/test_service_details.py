"""What buyers send along with a checkout: bounded, kept apart from the purchase, and shown with the order."""

import pytest

from chalicelib.foundation import settings
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation import capacity
from tests.simulation.call_log import record_calls

DETAILS = {"responses": {"diet": "none"}, "attendees": [{"name": "Ada", "email": "ada@example.org"}, {"name": "Bob"}]}
LONG_DETAILS = {"responses": {f"question-{number}": "x" * 450 for number in range(8)}}  # close to the limit


@pytest.fixture
def reservation_id(api, time):
    return builders.reserve(api, "ada", *builders.create_shop(api), 2).json["id"]


def open_checkout(api, reservation_id, **fields):
    return builders.start_checkout(api, "ada", reservation_id, key="k", **fields)


def shown_details(order):
    return {name: order[name] for name in DETAILS}


def stored_rows():
    return {row.id: (row.details, row.ttl) for row in store.CheckoutDetailsRow.scan()}


def test_the_buyer_and_admins_see_with_the_order_what_was_sent_along(api, time, reservation_id):
    assert open_checkout(api, reservation_id, **DETAILS).status == 201
    assert "diet" not in builders.confirm(api, "ada", reservation_id).body.decode()
    shown = [
        api.get(f"/orders/{reservation_id}", user="ada"),
        api.get("/me/order", user="ada", query={"event_id": store.load(reservation_id).event_id}),
        api.get(f"/admin/orders/{reservation_id}", token=builders.admin_token()),
    ]
    assert [shown_details(reply.json["order"]) for reply in shown] == [DETAILS] * 3
    invariants.check(time.now)


def test_an_order_without_them_shows_none_and_reads_nothing_more(api, time, reservation_id):
    open_checkout(api, reservation_id)
    builders.confirm(api, "ada", reservation_id)
    with record_calls() as log:
        order = api.get(f"/orders/{reservation_id}", user="ada").json["order"]
    assert shown_details(order) == {"responses": {}, "attendees": []}
    assert log.names == ["GetItem", "BatchGetItem"]
    assert stored_rows() == {}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"responses": {f"question-{number}": "x" * 500 for number in range(9)}}, "$.responses"),
        ({"responses": {"q": "ü" * 500, "r": "€" * 500, "s": "x" * 500, "t": "€" * 500}}, "$.responses"),
        ({"attendees": [{"name": "x" * 100}] * 50}, "$.attendees"),
        ({"responses": {"q": "x" * 500}, "attendees": [{"name": "x" * 400}] * 10}, "$.attendees"),
    ],
)
def test_more_than_four_kilobytes_are_refused_with_the_field(api, time, reservation_id, fields, path):
    refused = open_checkout(api, reservation_id, **fields)
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "invalid_input", path)
    assert store.load(reservation_id).state == "held"
    assert open_checkout(api, reservation_id, **LONG_DETAILS).status == 201


def test_details_add_only_a_read_and_their_expiry_to_the_confirm(api, time, reservation_id):
    assert open_checkout(api, reservation_id, **LONG_DETAILS).status == 201
    (purchase,) = store.PurchaseRow.scan()
    assert capacity.item_size(purchase.serialize()) < 1024
    with record_calls(measured=True) as log:
        assert builders.confirm(api, "ada", reservation_id).status == 201
    assert log.names == ["GetItem", "TransactWriteItems", "UpdateItem"]  # the read: the attendees come onto the tickets


def test_only_those_of_the_first_checkout_count(api, time, reservation_id):
    open_checkout(api, reservation_id, **DETAILS)
    builders.start_checkout(api, "ada", reservation_id, key="other", responses={"diet": "vegan"})
    builders.confirm(api, "ada", reservation_id)
    assert shown_details(api.get(f"/orders/{reservation_id}", user="ada").json["order"]) == DETAILS


def test_they_are_deleted_with_the_purchase_and_kept_with_an_order(api, time):
    event_id, tier_id = builders.create_shop(api)
    ids = {}
    for user, outcome in (("ada", "success"), ("bob", "fail"), ("eve", None)):
        ids[user] = builders.reserve(api, user, event_id, tier_id).json["id"]
        assert builders.start_checkout(api, user, ids[user], **DETAILS).status == 201
        if outcome:
            builders.confirm(api, user, ids[user], outcome)
    time.advance(500)
    builders.run_sweep()
    ttl = {row.id: row.ttl for row in store.PurchaseRow.scan()}
    assert ttl[ids["ada"]] is None
    assert ttl[ids["eve"]] == time.now + settings.current().purchase_ttl_seconds
    listed = {f"{ids[user]}{store.UNPAID_OF_USER}": ttl[ids[user]] for user in ("bob", "eve")}  # so that an erasure finds them
    assert {row.id: row.ttl for row in store.CheckoutDetailsRow.scan()} == ttl | listed


def test_an_order_whose_details_were_deleted_too_early_shows_none(api, time, reservation_id):
    """A payment comes in when DynamoDB has deleted them already."""
    open_checkout(api, reservation_id, **DETAILS)
    for row in store.CheckoutDetailsRow.scan():
        row.delete()
    assert builders.confirm(api, "ada", reservation_id).status == 201
    order = api.get(f"/orders/{reservation_id}", user="ada").json["order"]
    assert shown_details(order) == {"responses": {}, "attendees": []}
