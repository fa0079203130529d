"""The round trips that managers and people with accounts wait for, as exact numbers, on an instance that knows the catalog.

Trips that are made at once count as one. Every few seconds the head of the catalog is due to be read, and a request takes one more.
"""

import pytest

from tests import builders
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, log_in, register
from tests.catalog.requests import KIND, create_draft, create_kind, create_published, promoter
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("time")


def trips(request, status=200):
    """The round trips that a request waits for, whose reply must have this status."""
    with record_calls() as log:
        reply = request()
    assert reply.status == status, reply.json
    return log.sequential_round_trips


def test_a_state_costs_its_change_the_shards_and_a_last_look(api):
    """The head, the change, the shards of all tiers at once, the head again. The event's own room follows at the same time."""
    event_id, tier_id = create_published(api, capacity=200)
    create_kind(api, event_id, name="Balcony", capacity=200)
    api.get(f"/events/{event_id}")
    change = lambda action: trips(lambda: api.post(f"/events/{event_id}/{action}", **promoter()))  # noqa: E731
    steer = lambda action: trips(lambda: api.post(f"/admin/events/{event_id}/{action}", **promoter()))  # noqa: E731
    assert change("unpublish") == 5, "it also looks for sales first"
    api.get("/events")
    assert change("publish") == 6, "it also reads whether the stock may be sold, and the last entry of the stock ledger"
    api.get("/events")
    assert (steer("pause"), steer("resume")) == (4, 4)
    builders.reserve(api, "ada", event_id, tier_id)
    assert change("cancel") == 5, "it also reads how far the refunds are"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"price_cents": 1}, 4),  # the head, the change, the head, the stock
        ({"capacity": 200, "price_cents": 1}, 4),  # as it was: the stock is read before the head
        ({"capacity": 210}, 6),  # the last entry of the stock ledger is also read, and the stock is written
        ({"capacity": 150}, 7),  # the stock is also read and written before the change
        ({"capacity": 300}, 7),  # the stock is read and gets more shards before the change, and is written after it
    ],
)
def test_a_tier_costs_more_if_its_capacity_changes(api, fields, expected):
    event_id, tier_id = create_published(api, capacity=200)
    api.get(f"/events/{event_id}")
    assert trips(lambda: api.patch(f"/tiers/{tier_id}", json=fields, **promoter())) == expected


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (60, 7),  # larger: the head, the stock ledger, the change, the stock, its shards, the head, the stocks of all tiers
        (110, 8),  # the stock is read and gets more shards before the change, and is written after it
        (40, 8),  # smaller: the stock is read and written before the change, and read after it
    ],
)
def test_the_capacity_of_an_event_costs_about_as_much_as_that_of_a_tier(api, capacity, expected):
    event_id = create_draft(api, capacity=50)["id"]
    create_kind(api, event_id, capacity=200)
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    api.get(f"/events/{event_id}")
    assert trips(lambda: api.patch(f"/events/{event_id}", json={"description": "A gala."}, **promoter())) == 4
    assert trips(lambda: api.patch(f"/events/{event_id}", json={"capacity": capacity}, **promoter())) == expected


def test_a_draft_that_is_closed_is_deleted_without_a_write_of_its_stock(api):
    event_id = create_draft(api)["id"]
    tier_id = create_kind(api, event_id, **KIND)["id"]
    api.get("/events")
    assert trips(lambda: api.delete(f"/tiers/{tier_id}", **promoter())) == 4, "its capacity is taken away before"
    create_kind(api, event_id, **KIND)
    api.get("/events")
    assert trips(lambda: api.delete(f"/events/{event_id}", **promoter())) == 3


def test_a_refund_is_a_transaction_and_its_view(api):
    """The order, the claim of the key, the hold, the transaction, what the reply shows, the reply of the key."""
    event_id, tier_id = create_published(api)
    order_id = builders.buy(api, "ada", event_id, tier_id).json["order"]["id"]
    refund = lambda: api.post(  # noqa: E731
        f"/admin/orders/{order_id}/refunds", json={"reason": "goodwill"}, headers={"Idempotency-Key": "r"}, **promoter()
    )
    assert trips(refund, 201) == 6
    assert trips(refund) == 2


def test_a_login_reads_while_its_attempt_is_counted(api):
    """The two counters of the attempt, beside the address and the account; then the session, the roles and the counters at once."""
    register(api)
    assert trips(lambda: log_in(api)) == 3
    assert trips(lambda: log_in(api, password=OTHER_PASSWORD), 401) == 2


def test_a_change_with_a_password_reads_the_account_first(api):
    """The account, the two counters, the counters again; then the change. The data about the person is read in the meantime. Then it is
    deleted, and the sessions go before the account."""
    register(api)
    api.get("/events")
    token = log_in(api).json["access_token"]
    change = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    assert trips(lambda: api.post("/auth/password", json=change, token=token)) == 5
    assert trips(lambda: api.delete("/auth/me", json={"password": OTHER_PASSWORD}, token=token)) == 6


def test_an_erasure_reads_purchases_while_it_checks_the_password(api):
    """It takes one more trip to find unpaid checkouts. Then it marks all purchases at once, however many there
    are, with the roles at events, empties their details, so that nobody can add an address in between, and deletes the account last."""
    register(api)
    token = log_in(api).json
    event_id, tier_id = create_published(api)
    builders.buy(api, token["user"]["id"], event_id, tier_id)
    invite = {"email": EMAIL, "role": "staff"}
    assert api.post(f"/events/{event_id}/members", json=invite, **promoter()).status == 201
    builders.accept_invitation(event_id, EMAIL)
    assert trips(lambda: api.delete("/auth/me", json={"password": PASSWORD}, token=token["access_token"])) == 8
    assert log_in(api, EMAIL).status == 401


def test_the_tickets_of_an_event_are_read_in_all_lanes_at_once(api):
    event_id, tier_id = create_published(api)
    builders.buy(api, "ada", event_id, tier_id, 2)
    api.get(f"/events/{event_id}")
    assert trips(lambda: api.get(f"/events/{event_id}/manifest", **promoter())) == 2
