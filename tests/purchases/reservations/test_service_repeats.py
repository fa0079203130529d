"""Requests that are repeated because their answer was lost: a buyer who has a reservation hears of it, never of a refusal."""

import pytest

from chalicelib.edge import idempotency
from chalicelib.inventory import service as inventory
from chalicelib.purchases import reservations
from chalicelib.purchases.model import RequestedItem, ReservationRequest
from devtools.stripe import account_state
from tests import builders, invariants
from tests.payment_pages import BANK_FAILS, BANK_SUCCEEDS
from tests.simulation import faults
from tests.waiting_room import sale

PATH = "/events/{}/reservations"


@pytest.fixture
def last_tickets(api, time):
    """An event and its tier, which has two tickets left."""
    return builders.create_shop(api, capacity=2)


def reserve(api, shop, *, quantity=2, key="", user="ada", **fields):
    body = {"tier_id": shop[1], "quantity": quantity, **fields}
    return api.post(PATH.format(shop[0]), json=body, user=user, headers={"Idempotency-Key": key} if key else {})


def lose_answer_of_reserve(api, shop, **fields):
    """Reserve, and lose the answer to the transaction that writes the purchase."""
    api.get(f"/events/{shop[0]}")
    with faults.lose_answer(1, operation="TransactWriteItems"):
        assert reserve(api, shop, key="k", **fields).status == 503


def pause(api, time, event_id):
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200


def resume_nothing(api, time, event_id):
    """The tickets are gone, because the caller has them."""


@pytest.mark.parametrize("happens", [resume_nothing, pause])
def test_a_retry_with_the_key_returns_the_reservation_despite_refusals(api, time, last_tickets, happens):
    lose_answer_of_reserve(api, last_tickets)
    happens(api, time, last_tickets[0])
    again = reserve(api, last_tickets, key="k")
    assert (again.status, again.json["quantity"]) == (201, 2), again.json
    assert again.json["id"] == api.get(PATH.format(last_tickets[0]), user="ada").json["id"]
    assert reserve(api, last_tickets, key="k").status == 200
    invariants.check(time.now)


def test_a_retry_after_a_crash_returns_the_reservation_after_the_lock(api, time, last_tickets):
    api.get(f"/events/{last_tickets[0]}")
    with faults.crash_after(1, operation="TransactWriteItems"):
        reserve(api, last_tickets, key="k")
    assert reserve(api, last_tickets, key="k").json["error"] == "request_in_flight"
    time.advance(idempotency.LOCK_SECONDS)
    assert reserve(api, last_tickets, key="k").status == 201
    invariants.check(time.now)


def test_a_retry_returns_the_reservation_also_after_the_pass_has_run_out(api, time):
    shop = sale.create_sale(api, time, capacity=2)
    token = sale.join(api, shop[0], "ada")
    time.advance(sale.SECONDS_TO_OPENING)
    lose_answer_of_reserve(api, shop, token=token)
    time.advance(60)
    assert sale.get_status(api, shop[0], token)["pass_expired"]
    assert reserve(api, shop, key="k", token=token).status == 201
    without_key = reserve(api, shop, token=token)
    assert (without_key.status, without_key.json["error"]) == (409, "active_reservation_exists")
    invariants.check(time.now)


def test_a_retry_takes_one_read_and_holds_nothing_again(api, time, last_tickets):
    lose_answer_of_reserve(api, last_tickets)
    with faults.record_calls() as calls:
        assert reserve(api, last_tickets, key="k").status == 201
    assert calls == ["PutItem", "UpdateItem", "GetItem", "UpdateItem"]  # the key, its lock, the purchase, the kept reply


def test_a_retry_whose_reservation_has_ended_says_so(api, time, last_tickets):
    lose_answer_of_reserve(api, last_tickets)
    time.advance(180)
    ended = reserve(api, last_tickets, key="k")
    assert (ended.status, ended.json["error"]) == (409, "reservation_expired_or_invalid")
    assert reserve(api, last_tickets, key="k").status == 201  # the refused key is unused again
    invariants.check(time.now)


def test_a_retry_for_a_paid_reservation_says_that_it_is_an_order(api, time, last_tickets):
    lose_answer_of_reserve(api, last_tickets)
    reservation_id = api.get(PATH.format(last_tickets[0]), user="ada").json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    assert builders.confirm(api, "ada", reservation_id).status == 201
    again = reserve(api, last_tickets, key="k")
    assert (again.status, again.json["error"]) == (409, "reservation_converted")
    invariants.check(time.now)


def test_the_slower_of_two_executions_returns_the_same_purchase(api, time, last_tickets):
    items = [RequestedItem(last_tickets[1], 2)]
    requested = ReservationRequest(user_id="ada", event_id=last_tickets[0], items=items, token=None, now=time.now)
    first = reservations.reserve(requested, "01PURCHASE", builders.UNLIMITED)
    assert reservations.reserve(requested, "01PURCHASE", builders.UNLIMITED) == first
    invariants.check(time.now)


def test_a_holder_who_reserves_again_learns_of_their_reservation(api, time, last_tickets):
    first = reserve(api, last_tickets)
    refused = reserve(api, last_tickets)
    assert (refused.status, refused.json["error"]) == (409, "active_reservation_exists")
    expected = {"reservation_id": first.json["id"], "expires_at": first.json["expires_at"], "active_holds": 2}
    assert refused.json.items() >= expected.items()
    inventory.set_open({last_tickets[1]: 1}, False)
    assert reserve(api, last_tickets).json["error"] == "active_reservation_exists"
    assert reserve(api, last_tickets, user="bob").json["error"] == "event_paused"
    inventory.set_open({last_tickets[1]: 1}, True)
    assert reserve(api, last_tickets, quantity=2, user="bob").json["error"] == "not_enough_tickets"
    invariants.check(time.now)


def test_the_holder_learns_of_the_reservation_after_the_sale_too(api, time):
    event_id = builders.create_event(api, starts_at=builders.clock.iso(time.now + 60))
    shop = event_id, builders.create_tier(api, event_id)
    first = reserve(api, shop)
    time.advance(61)
    assert reserve(api, shop, user="bob").json["error"] in ("event_not_on_sale", "tier_not_on_sale")
    refused = reserve(api, shop)
    assert (refused.json["error"], refused.json["reservation_id"]) == ("active_reservation_exists", first.json["id"])


def test_a_reservation_that_has_expired_is_in_nobodys_way(api, time, last_tickets):
    reserve(api, last_tickets)
    time.advance(180)
    assert reserve(api, last_tickets, user="bob").status == 201
    assert reserve(api, last_tickets).json["error"] == "not_enough_tickets"
    invariants.check(time.now)


def let_the_bank_keep_all_tickets(shop, monkeypatch, *, card):
    """Ada pays for all tickets by a bank account. Her time passes, and the sweep keeps her tickets until the bank decides."""
    monkeypatch.setattr(account_state, "OUTCOME_DELAY_SECONDS", 10 * 86_400)
    session = shop.open_checkout(quantity=4)
    shop.pay(session, card, expect="processing")
    shop.time.advance(181)
    assert builders.run_sweep()["undecided"] == 1
    return session


def test_a_buyer_waiting_for_the_bank_learns_of_their_reservation(shop, monkeypatch):
    session = let_the_bank_keep_all_tickets(shop, monkeypatch, card=BANK_SUCCEEDS)
    refused = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id)
    assert (refused.json["error"], refused.json.get("reservation_id")) == ("active_reservation_exists", session["id"])
    assert builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id).json["error"] == "not_enough_tickets"


def test_a_buyer_whose_bank_has_declined_gets_the_last_tickets_again(shop, monkeypatch):
    let_the_bank_keep_all_tickets(shop, monkeypatch, card=BANK_FAILS)
    shop.fake.complete_pending()
    shop.lose_webhooks()
    assert builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 4).status == 201
