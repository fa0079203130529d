"""Ballots with cards: people save a card when they register, and it is charged if the draw gives them tickets."""

from datetime import datetime

import pytest

from chalicelib.addons.waitlist import store, views
from chalicelib.foundation import clock, settings
from chalicelib.ledger.money_cases import CaseRow
from chalicelib.purchases import event_cancellation
from tests import builders, invariants
from tests.addons.waitlist.ballots import create_ballot, draw, register
from tests.addons.waitlist.lines import own, run_allocator

pytestmark = pytest.mark.usefixtures("store", "time")

VISA, LATE_DECLINE = "pm_card_visa", "pm_card_chargeCustomerFail"
ONCE, ALWAYS = "pm_card_authenticationRequiredOnSetup", "pm_card_authenticationRequired"
PRICE = 5000


@pytest.fixture
def stripe(shop):
    """A shop whose people save their cards with Stripe, on the shop's own page."""
    with settings.override(checkout_page="own", stripe_publishable_key=shop.fake.publishable_key):
        yield shop


@pytest.fixture
def ballot(stripe, time) -> str:
    return open_ballot(stripe, time)


def open_ballot(shop, time, cards="required", capacity=2) -> str:
    shop.event_id, shop.tier_id = create_ballot(shop.api, time, capacity=capacity, ballot_cards=cards)
    return shop.event_id


def entry_of(api, user):
    return own(api, user)[0]


def send_card(api, user, card=VISA, max_cents=PRICE, **fields):
    body = {"max_cents": max_cents, "card": card} | fields
    return api.post(f"/waitlist/{entry_of(api, user)['id']}/card", json=body, user=user)


def save_card(shop, user, card=VISA, **fields):
    """Save a card, with the owner's answer to the bank if the bank asks."""
    reply = send_card(shop.api, user, card, **fields)
    assert reply.status == 200, reply.json
    if reply.json["check_id"] is not None:
        shop.fake.authenticate(reply.json["check_id"], ok=True)
        reply = send_card(shop.api, user, None, check_id=reply.json["check_id"])
    assert reply.json["entry"]["card"]["status"] == "saved", reply.json
    return reply.json["entry"]


def register_with_cards(shop, event_id, **cards):
    register(shop.api, event_id, *cards)
    for user, card in cards.items():
        save_card(shop, user, card)


def finish(shop, event_id):
    """Charge the offers, send the webhooks and record how the offers ended."""
    builders.run_sweep()
    shop.fake.deliver()
    run_allocator()


def paid_charges(shop):
    return [charge for charge in shop.fake.objects("charge") if charge["status"] == "succeeded"]


def test_a_card_is_saved_and_nothing_is_charged_or_reserved(stripe, ballot):
    register(stripe.api, ballot, "ada")
    assert entry_of(stripe.api, "ada")["card"] == {"status": "missing", "max_cents": PRICE, "currency": "USD"}
    form = stripe.api.get(f"/waitlist/{entry_of(stripe.api, 'ada')['id']}/card", user="ada").json
    assert form == {
        "event_id": ballot,
        "provider": "stripe",
        "publishable_key": stripe.fake.publishable_key,
        "account": None,
        "max_cents": PRICE,
        "currency": "USD",
    }
    save_card(stripe, "ada")
    [setup], [customer], [method] = (stripe.fake.objects(kind) for kind in ("setup_intent", "customer", "payment_method"))
    assert (setup["status"], setup["usage"], setup["customer"], method["customer"]) == (
        "succeeded",
        "off_session",
        customer["id"],
        customer["id"],
    )
    assert (stripe.fake.objects("charge"), stripe.fake.objects("payment_intent")) == ([], [])
    assert "ada" not in str(customer["metadata"])


def test_winners_are_charged_once_and_get_their_tickets(stripe, ballot, time):
    register_with_cards(stripe, ballot, ada=VISA, bob=VISA, eve=VISA)
    order = draw(stripe.api, time, "ada", "bob", "eve")
    assert [entry_of(stripe.api, user)["card"]["status"] for user in order] == ["charging", "charging", "saved"]
    finish(stripe, ballot)
    assert [entry_of(stripe.api, user)["status"] for user in order] == ["accepted", "accepted", "waiting"]
    assert [charge["amount"] for charge in paid_charges(stripe)] == [PRICE, PRICE]
    finish(stripe, ballot)
    assert len(paid_charges(stripe)) == 2
    assert len(stripe.fake.objects("customer")) == 1  # of the person who still waits
    stripe.assert_books_balance()
    time.advance(30 * 86_400)
    builders.run_sweep()
    assert stripe.fake.objects("customer") == []
    assert list(CaseRow.scan()) == []


def purchase_of(shop, user):
    return shop.load_purchase(entry_of(shop.api, user)["offer"]["id"])


@pytest.mark.parametrize("card", [LATE_DECLINE, ALWAYS])
def test_a_refused_card_leaves_a_day_to_pay_in_any_way_and_then_the_next_person_is_charged(stripe, ballot, time, card):
    register_with_cards(stripe, ballot, ada=card, bob=card, eve=card)
    order = draw(stripe.api, time, "ada", "bob", "eve")
    time.advance(3600)  # many other cards are charged first
    finish(stripe, ballot)
    entries = [entry_of(stripe.api, user) for user in order[:2]]
    assert [(entry["status"], entry["card"]["status"]) for entry in entries] == [("offered", "refused")] * 2
    assert [clock.epoch_seconds(datetime.fromisoformat(entry["offer"]["expires_at"])) - time.now for entry in entries] >= [86_400] * 2
    assert paid_charges(stripe) == []
    session = stripe.request_checkout(entries[0]["offer"]["id"], order[0])
    assert session.status in (200, 201), session.json
    stripe.pay(session.json, VISA)
    assert stripe.confirm(session.json, order[0]).status == 201
    time.advance(86_400 + 600)
    for _ in range(2):
        finish(stripe, ballot)
    assert [entry_of(stripe.api, user)["status"] for user in order] == ["accepted", "expired", "offered"]
    assert len(paid_charges(stripe)) == 1
    stripe.assert_books_balance()


def test_a_card_that_its_owner_authenticated_once_is_charged_without_the_owner(stripe, ballot, time):
    register_with_cards(stripe, ballot, ada=ONCE)
    draw(stripe.api, time, "ada")
    finish(stripe, ballot)
    assert entry_of(stripe.api, "ada")["status"] == "accepted"
    stripe.assert_books_balance()


def test_without_a_required_card_nobody_takes_part(stripe, ballot, time):
    register(stripe.api, ballot, "ada", "bob")
    save_card(stripe, "bob")
    draw(stripe.api, time, "ada", "bob")
    assert [entry_of(stripe.api, user)["status"] for user in ("ada", "bob")] == ["waiting", "offered"]
    save_card(stripe, "ada")
    run_allocator()
    finish(stripe, ballot)
    assert [entry_of(stripe.api, user)["status"] for user in ("ada", "bob")] == ["accepted", "accepted"]
    stripe.assert_books_balance()


def test_an_optional_card_can_be_left_out(stripe, time):
    event_id = open_ballot(stripe, time, "optional")
    register(stripe.api, event_id, "ada", "bob")
    save_card(stripe, "bob")
    draw(stripe.api, time, "ada", "bob")
    finish(stripe, event_id)
    entries = [entry_of(stripe.api, user) for user in ("ada", "bob")]
    assert [(entry["status"], entry["card"]) for entry in entries] == [("offered", None), ("accepted", None)]
    stripe.assert_books_balance()


def test_other_events_take_no_cards(stripe, time):
    event_id = open_ballot(stripe, time, "none")
    register(stripe.api, event_id, "ada")
    assert entry_of(stripe.api, "ada")["card"] is None
    refused = send_card(stripe.api, "ada")
    assert (refused.status, refused.json["error"]) == (409, "card_not_wanted")
    assert stripe.fake.objects("customer") == []


def test_withdrawing_deletes_the_card(stripe, ballot, time):
    register_with_cards(stripe, ballot, ada=VISA, bob=VISA)
    left = stripe.api.delete(f"/waitlist/{entry_of(stripe.api, 'ada')['id']}", user="ada")
    assert (left.status, left.json["card"]) == (200, None)
    builders.run_sweep()
    [customer] = stripe.fake.objects("customer")
    assert customer["metadata"]["owner"] == entry_of(stripe.api, "bob")["id"]
    assert "cus_" not in str(store.find_entry("ada", ballot))
    draw(stripe.api, time, "bob")
    finish(stripe, ballot)
    assert len(paid_charges(stripe)) == 1


def test_erasure_and_a_cancelled_event_delete_the_cards(stripe, ballot, time):
    register_with_cards(stripe, ballot, ada=VISA, bob=VISA)
    views.PERSONAL_ITEMS.delete(store.list_user_entries("ada"), "ada", time.now)
    builders.run_sweep()
    assert len(stripe.fake.objects("customer")) == 1
    assert stripe.api.post(f"/events/{ballot}/cancel", json={}, token=builders.admin_token()).status == 200
    time.advance(86_400 + 60)
    builders.run_sweep()
    assert stripe.fake.objects("customer") == []


def test_nobody_pays_while_the_card_is_being_charged_but_the_offer_can_be_declined(stripe, ballot, time):
    register_with_cards(stripe, ballot, ada=VISA)
    draw(stripe.api, time, "ada")
    entry = entry_of(stripe.api, "ada")
    refused = stripe.request_checkout(entry["offer"]["id"], "ada")
    assert (refused.status, refused.json["error"]) == (409, "payment_not_completed")
    assert stripe.api.delete(f"/waitlist/{entry['id']}", user="ada").status == 200
    finish(stripe, ballot)
    assert (entry_of(stripe.api, "ada")["status"], stripe.fake.objects("charge")) == ("declined", [])
    assert stripe.fake.objects("customer") == []
    stripe.assert_books_balance()


def test_nobody_pays_more_than_they_accepted(stripe, ballot, time):
    register(stripe.api, ballot, "ada", quantity=2)
    refused = send_card(stripe.api, "ada")
    assert (refused.status, refused.json["error"], refused.json["max_cents"]) == (409, "amount_changed", 2 * PRICE)
    save_card(stripe, "ada", max_cents=2 * PRICE)
    tier = {"price_cents": PRICE + 1}
    assert stripe.api.patch(f"/tiers/{stripe.tier_id}", json=tier, token=builders.admin_token()).status == 200
    draw(stripe.api, time, "ada")
    finish(stripe, ballot)
    assert (entry_of(stripe.api, "ada")["card"]["status"], stripe.fake.objects("charge")) == ("refused", [])
    session = stripe.request_checkout(entry_of(stripe.api, "ada")["offer"]["id"], "ada")
    assert session.status == 201, session.json
    stripe.pay(session.json, VISA)
    assert stripe.confirm(session.json, "ada").status == 201
    stripe.assert_books_balance()


def test_a_card_is_charged_on_the_promoters_account(stripe, ballot, time):
    account = stripe.connect_account()
    register_with_cards(stripe, ballot, ada=VISA)
    assert len(stripe.fake.objects("customer", account=account)) == 1
    draw(stripe.api, time, "ada")
    finish(stripe, ballot)
    [charge] = stripe.fake.objects("charge", account=account)
    assert (charge["status"], stripe.fake.objects("charge")) == ("succeeded", [])
    finish(stripe, ballot)
    assert stripe.fake.objects("customer", account=account) == []
    stripe.assert_books_balance()


def test_a_card_on_an_account_that_no_longer_takes_the_payments_is_not_charged(stripe, ballot, time):
    register_with_cards(stripe, ballot, ada=VISA)
    stripe.connect_account()
    draw(stripe.api, time, "ada")
    finish(stripe, ballot)
    assert entry_of(stripe.api, "ada")["card"]["status"] == "refused"
    assert stripe.fake.objects("charge") == []


@pytest.mark.parametrize("card", ["pm_card_visa_chargeDeclined", "pm_unknown", "pm_usBankAccount"])
def test_a_card_that_its_bank_declines_is_not_saved(stripe, ballot, card):
    register(stripe.api, ballot, "ada")
    refused = send_card(stripe.api, "ada", card)
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "card_refused", "declined")
    assert entry_of(stripe.api, "ada")["card"]["status"] == "missing"
    save_card(stripe, "ada")
    assert len(stripe.fake.objects("customer")) == 1


def test_nobody_saves_the_card_of_somebody_else_or_tries_many(stripe, ballot, time):
    register(stripe.api, ballot, "ada", "bob")
    asked = send_card(stripe.api, "ada", ALWAYS).json
    save_card(stripe, "bob")
    stripe.fake.authenticate(asked["check_id"], ok=True)
    refused = send_card(stripe.api, "bob", None, check_id=asked["check_id"])
    assert (refused.status, refused.json["error"]) == (403, "card_refused")
    entry = entry_of(stripe.api, "ada")
    assert stripe.api.post(f"/waitlist/{entry['id']}/card", json={"card": VISA, "max_cents": PRICE}, user="bob").status == 404
    with settings.override(rate_limits="on", limit_card_check="3/3600"):
        tries = [send_card(stripe.api, "ada", "pm_card_visa_chargeDeclined").status for _ in range(4)]
    assert tries == [403, 403, 403, 429]


def test_simulated_cards(api, time):
    event_id, _ = create_ballot(api, time, ballot_cards="required")
    register(api, event_id, "ada", "bob")
    assert send_card(api, "ada", "declined").status == 403
    assert [send_card(api, user, card).status for user, card in (("ada", "card-1"), ("bob", "declined-later"))] == [200, 200]
    draw(api, time, "ada", "bob")
    builders.run_sweep()
    run_allocator()
    assert [entry_of(api, user)["status"] for user in ("ada", "bob")] == ["accepted", "offered"]
    checkout = builders.start_checkout(api, "bob", entry_of(api, "bob")["offer"]["id"])
    assert builders.confirm(api, "bob", checkout.json["id"]).status == 201
    invariants.check(time.now)


def test_a_refused_card_leaves_no_time_to_pay_after_the_date_of_the_tickets(stripe, ballot, time):
    starts_at = time.now + 3 * 86_400 + 1200  # 20 minutes after the draw
    dates = [{"id": name, "starts_at": clock.iso(at)} for name, at in (("first", starts_at), ("last", starts_at + 86_400))]
    for path, fields in ((f"/events/{ballot}", {"dates": dates}), (f"/tiers/{stripe.tier_id}", {"date_ids": ["first"]})):
        assert stripe.api.patch(path, json=fields, token=builders.admin_token()).status == 200
    register_with_cards(stripe, ballot, ada=LATE_DECLINE)
    draw(stripe.api, time, "ada")
    time.advance(600)
    finish(stripe, ballot)
    assert entry_of(stripe.api, "ada")["card"]["status"] == "refused"
    assert purchase_of(stripe, "ada").expires_at <= starts_at


def test_a_charge_waits_while_the_promoter_cannot_be_paid(stripe, ballot, time):
    account = stripe.connect_account()
    register_with_cards(stripe, ballot, ada=VISA)
    draw(stripe.api, time, "ada")
    stripe.fake.restrict_account(account)
    stripe.fake.deliver()
    builders.run_sweep()
    assert entry_of(stripe.api, "ada")["card"]["status"] == "charging"
    stripe.fake.complete_onboarding(account)
    stripe.fake.deliver()
    time.advance(900)
    finish(stripe, ballot)
    assert entry_of(stripe.api, "ada")["status"] == "accepted"
    stripe.assert_books_balance()


def test_nobody_is_charged_for_a_cancelled_event(stripe, ballot, time, monkeypatch):
    register_with_cards(stripe, ballot, ada=VISA)
    draw(stripe.api, time, "ada")
    assert stripe.api.post(f"/events/{ballot}/cancel", json={}, token=builders.admin_token()).status == 200
    with monkeypatch.context() as patch:
        patch.setattr(event_cancellation, "process_cancellations", lambda _: None)  # the refunds of a large event take many runs
        builders.run_sweep()
    assert purchase_of(stripe, "ada").is_being_charged  # so there is no email that the bank has declined
    builders.run_sweep()
    time.advance(86_400 + 900)
    finish(stripe, ballot)
    builders.run_sweep()
    assert (stripe.fake.objects("charge"), stripe.fake.objects("customer"), list(CaseRow.scan())) == ([], [], [])
    stripe.assert_books_balance()
