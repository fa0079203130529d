"""What happens to an expired hold: its purchase decides, after its payment."""

import pytest
from msgspec.structs import replace

from chalicelib.foundation import settings
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import store
from chalicelib.purchases.hold_recovery import BANK_CHECK_SECONDS, RETRY_SECONDS
from devtools.stripe import account_state
from tests import builders, invariants
from tests.payment_pages import BANK_FAILS, BANK_SUCCEEDS, DECLINED, PATH, on_either_page
from tests.simulation import faults


def test_a_hold_without_a_purchase_is_released_behind_a_tombstone(api, time):
    event_id, tier_id = builders.create_shop(api)
    api.get(f"/events/{event_id}")  # warms the catalog
    with faults.crash_after(1):
        builders.reserve(api, "ada", event_id, tier_id, 2)
    (shard,) = scan_shards()
    (hold_id,) = shard.holds
    assert builders.run_sweep()["holds_over"] == 0
    time.advance(180)
    report = builders.run_sweep()
    assert (report["orphans"], report["released"]) == (1, 1)
    assert store.load_many([hold_id.partition(".")[0]]) == {hold_id.partition(".")[0]: None}
    invariants.check(time.now, recovered=True)


def test_the_hold_of_a_paid_purchase_is_converted_after_a_crash(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    with faults.crash_after(1, operation="TransactWriteItems"):
        builders.confirm(api, "ada", reservation_id)
    (shard,) = scan_shards()
    assert (shard.held, shard.sold) == (2, 0)
    invariants.check(time.now)
    time.advance(180)
    assert builders.run_sweep()["converted"] == 1
    (shard,) = scan_shards()
    assert (shard.held, shard.sold) == (0, 2)
    invariants.check(time.now, recovered=True)


def test_a_hold_is_extended_after_a_crash_of_its_checkout(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    with settings.override(checkout_seconds=600), faults.crash_after(1, table="purchases"):
        builders.start_checkout(api, "ada", reservation_id)
    assert store.load(reservation_id).state == "paying"
    time.advance(200)
    assert builders.run_sweep()["extended"] == 1
    assert builders.run_sweep()["holds_over"] == 0
    assert builders.confirm(api, "ada", reservation_id).status == 201
    invariants.check(time.now, recovered=True)


def test_a_second_hold_of_an_active_purchase_is_released_alone(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    hold_tickets(HoldRequest(tier_id, 1, 2, f"{reservation_id}.stray", time.now + 10, time.now))
    time.advance(10)
    assert builders.run_sweep()["released"] == 1
    assert api.get(f"/events/{event_id}/reservations", user="ada").status == 200
    invariants.check(time.now)


def test_an_ended_purchase_gets_a_new_version_before_its_hold_is_released(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    with faults.crash_after(2):
        api.delete(f"/reservations/{reservation_id}", user="ada")
    before = store.load(reservation_id)
    assert before.state == "cancelled"
    time.advance(180)
    assert builders.run_sweep()["released"] == 1
    assert store.load(reservation_id).version == before.version + 1
    invariants.check(time.now, recovered=True)


# Holds of purchases with a payment at Stripe.


@on_either_page
def test_a_checkout_stays_open_while_stripe_is_unreachable(shop, page):
    session = shop.open_checkout(page=page)
    shop.time.advance(181)
    shop.fake.fail_next_request("POST", f"{PATH[page]}/*/{'cancel' if page == 'own' else 'expire'}", status=500, times=3)
    assert builders.run_sweep()["undecided"] == 1
    assert shop.purchase_state(session) == "paying"
    shop.time.advance(RETRY_SECONDS["unanswered"])
    builders.run_sweep()
    assert (shop.purchase_state(session), shop.is_payment_closed(session)) == ("expired", True)


def test_a_payment_unknown_to_stripe_does_not_stop_other_expiries(shop):
    unknown, other = shop.open_checkout("ada"), shop.open_checkout("bob")
    purchase = shop.load_purchase(unknown["id"])
    store.save(purchase, replace(purchase, payment=replace(purchase.payment, provider_id="pi_gone")))
    shop.time.advance(181)
    report = builders.run_sweep()
    assert (report["expired"], report["released"], report["undecided"]) == (1, 1, 1)
    assert (shop.purchase_state(unknown), shop.purchase_state(other)) == ("paying", "expired")
    changed = shop.load_purchase(unknown["id"])
    store.save(changed, replace(changed, payment=purchase.payment))
    assert builders.run_sweep()["holds_over"] == 0
    shop.time.advance(RETRY_SECONDS["error"])
    assert builders.run_sweep()["expired"] == 1


def test_a_checkout_without_an_answer_of_stripe_goes_behind_the_others(shop):
    for user in ("ada", "bob"):
        shop.open_checkout(user, quantity=1)
    shop.reserve("eve", 1)
    shop.time.advance(181)
    shop.fake.fail_next_request("POST", "/v1/payment_intents/*/cancel", status=500, times=3)
    report = builders.run_sweep()
    assert (report["expired"], report["undecided"]) == (2, 1)
    assert builders.run_sweep()["holds_over"] == 0
    shop.time.advance(RETRY_SECONDS["unanswered"])
    assert builders.run_sweep()["expired"] == 1


# Bank debits, about which the bank decides within days.


@pytest.fixture
def slow_bank(monkeypatch):
    """Banks decide when the test says so."""
    monkeypatch.setattr(account_state, "OUTCOME_DELAY_SECONDS", 10 * 86_400)


def count_calls(shop):
    """How many requests Stripe got since its log was cleared."""
    return sum(shop.fake.request_log.counts.values())


def debit_bank_account(shop, page="own", *, fails=False):
    """Pay a checkout by a bank account, and let the purchase's time pass before the bank answers. Returns the session."""
    with settings.override(hold_seconds=5):
        session = shop.open_checkout(page=page)
    if page == "hosted":
        shop.fake.pay_session_by_bank(shop.fetch_hosted_page(session).id, fails=fails)
    else:
        shop.pay(session, BANK_FAILS if fails else BANK_SUCCEEDS, expect="processing")
    shop.time.advance(6)
    shop.fake.request_log.clear()
    return session


@on_either_page
def test_a_payment_at_the_bank_is_checked_every_three_hours(shop, slow_bank, page):
    session = debit_bank_account(shop, page)
    assert builders.run_sweep()["undecided"] == 1
    looks = count_calls(shop)
    for _ in range(10):
        shop.time.advance(60)
        assert builders.run_sweep()["holds_over"] == 0
    assert count_calls(shop) == looks == 2
    shop.time.advance(BANK_CHECK_SECONDS - 600)
    assert builders.run_sweep()["undecided"] == 1
    assert (count_calls(shop), shop.purchase_state(session), shop.available_tickets()) == (4, "paying", 2)


def test_a_refused_buyer_does_not_ask_about_a_payment_at_the_bank(shop, slow_bank):
    debit_bank_account(shop)
    builders.run_sweep()
    shop.fake.request_log.clear()
    assert builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 4).json["error"] == "not_enough_tickets"
    assert count_calls(shop) == 0


def test_the_tickets_are_back_as_soon_as_the_bank_has_declined(shop, slow_bank):
    session = debit_bank_account(shop, fails=True)
    builders.run_sweep()
    shop.fake.complete_pending()
    assert shop.post_newest_event("payment_intent.payment_failed") == "expired"
    assert (shop.purchase_state(session), shop.is_payment_closed(session), shop.available_tickets()) == ("expired", True, 4)
    shop.pay(session, expect="closed")


def test_a_declined_payment_ends_no_checkout_whose_time_is_not_over(shop, slow_bank):
    session = shop.open_checkout()
    shop.pay(session, BANK_FAILS, expect="processing")
    shop.fake.complete_pending()
    assert shop.post_newest_event("payment_intent.payment_failed") == "paying"
    shop.pay(session)
    assert shop.confirm(session).status == 201


def test_an_old_event_of_a_declined_card_leaves_a_payment_to_its_bank(shop, slow_bank):
    session = shop.open_checkout()
    shop.pay(session, DECLINED, expect="declined")
    shop.pay(session, BANK_SUCCEEDS, expect="processing")
    shop.time.advance(181)
    assert shop.post_newest_event("payment_intent.payment_failed") == "paying"
    assert (shop.purchase_state(session), shop.available_tickets()) == ("paying", 2)


def test_buyers_learn_the_banks_decision_on_their_payment_at_once(shop, slow_bank):
    """The webhook is lost, and the next look of the sweep is hours away."""
    session = debit_bank_account(shop, fails=True)
    builders.run_sweep()
    shop.fake.complete_pending()
    shop.lose_webhooks()
    assert builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).status == 201
    assert (shop.purchase_state(session), shop.available_tickets()) == ("expired", 2)


def test_a_late_bank_payment_becomes_the_order_with_the_kept_tickets(shop, slow_bank):
    session = debit_bank_account(shop)
    builders.run_sweep()
    shop.fake.complete_pending()
    assert shop.post_newest_event("payment_intent.succeeded") == "paid"
    assert [(shard.held, shard.sold) for shard in scan_shards()] == [(0, 2)]
    assert shop.confirm(session).status == 201


def test_a_purchase_that_cannot_be_read_keeps_its_holds_and_delays_no_others(api, time):
    event_id, tier_id = builders.create_shop(api)
    unreadable, other = (builders.reserve(api, user, event_id, tier_id, 2).json["id"] for user in ("ada", "bob"))
    time.advance(180)
    with builders.unreadable(unreadable):
        report = builders.run_sweep()
        assert (report["expired"], report["released"], report["undecided"], report["orphans"]) == (1, 1, 1, 0)
        assert store.load(other).state == "expired"
        assert sum(shard.held for shard in scan_shards()) == 2
    time.advance(60)
    assert builders.run_sweep()["expired"] == 1
    invariants.check(time.now, recovered=True)
