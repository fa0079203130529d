"""Payments on a promoter's own account: where the money is, what the operator gets, and what promoters cannot do with it."""

import random

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.catalog import event_states
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, settings
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import AccountUnreachable, Payment
from chalicelib.purchases import provider_events
from tests import builders
from tests.catalog.requests import open_flags
from tests.payment_pages import DECLINED, REFUNDS_FAIL, VISA, on_either_page
from tests.reconciliation.comparing import assert_no_differences, compare_last_hour, list_findings, recheck
from tests.simulation.call_log import record_calls
from tests.stripe_shop import sdk_client

PRICE = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "A poster"}}
FEE = {"application_fee_cents": 100, "application_fee_basis_points": 250}  # for two tickets of 50.00: 2.00 + 2.50


@pytest.fixture
def account(shop):
    """The account on which buyers pay in this shop. The operator gets a fee."""
    with settings.override(**FEE):
        yield shop.connect_account()


def test_a_default_provider_without_accounts_leaves_the_payment_to_the_provider_of_the_account(shop, account):
    with settings.override(payment_provider="mollie", mollie_api_key="test_key"):
        session = shop.open_checkout()
        refused = shop.request_checkout(shop.reserve("bob"), "bob", provider="mollie")
    assert session["payment"]["provider"] == "stripe"
    assert (refused.status, refused.json["error"]) == (400, "payment_provider_not_offered")


def fees(shop):
    """Return the application fees at Stripe, newest first, as (cents, returned cents)."""
    return [(fee["amount"], fee["amount_refunded"]) for fee in reversed(shop.fake.objects("application_fee"))]


def used_accounts(shop, route):
    return {request.account for request in shop.fake.request_log if f"{request.method} {request.route}" == route}


@on_either_page
def test_the_money_goes_to_the_promoter_less_the_fee(shop, account, page):
    session = shop.open_checkout(page=page)
    assert session["payment"]["account"] == account
    shop.pay(session)
    assert shop.confirm(session).status == 201
    shop.fake.deliver()
    [charge] = shop.fake.objects("charge", account=account)
    assert (charge["amount"], charge["application_fee_amount"], fees(shop)) == (10_000, 450, [(450, 0)])
    assert shop.fake.objects("charge") == [], "the operator has no payment"
    shown = shop.fetch_order(session["id"])["payment"]
    assert (shown["account"], shown["fee_cents"]) == (account, 450)
    payment = shop.load_purchase(session["id"]).payment
    assert (payment.account, payment.connected.fee_cents, payment.connected.returns_fee) == (account, 450, True)
    assert_no_differences(shop)


def test_the_hosted_page_of_an_account_has_our_prices_because_stripes_are_the_operators(shop, account):
    shop.event_id, shop.tier_id = builders.create_promoted_shop("pat")
    assert catalog.load_current().tiers[shop.tier_id].stripe_price_id == "price_fest-pass"
    session = shop.open_checkout(page="hosted")
    assert shop.fetch_hosted_page(session).amount_total == 10_000
    shop.pay(session)
    assert shop.confirm(session).status == 201


def test_a_webhook_of_the_account_issues_the_tickets(shop, account):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.deliver()
    assert shop.purchase_state(session) == "paid"


def test_a_declined_card_can_be_tried_again(shop, account):
    session = shop.open_checkout()
    shop.pay(session, DECLINED, expect="declined")
    shop.pay(session)
    assert shop.confirm(session).status == 201


def test_a_shop_without_accounts_stores_and_replies_what_it_did_before(shop):
    session = shop.open_checkout()
    assert set(session["payment"]) == {"provider", "status", "client_secret", "publishable_key"}
    assert shop.load_purchase(session["id"]).payment.connected is None
    shop.pay(session)
    shop.confirm(session)
    assert set(shop.fetch_order(session["id"])["payment"]) == {"provider", "reference", "capture"}
    assert used_accounts(shop, "POST /v1/payment_intents") == {None}


def test_without_a_fee_stripe_gets_none(shop):
    account = shop.connect_account()
    shop.buy()
    assert (shop.fake.objects("charge", account=account)[0]["application_fee_amount"], fees(shop)) == (None, [])


@pytest.mark.parametrize(
    ("cents", "basis_points", "amount", "count", "fee"),
    [
        (0, 0, 5000, 1, 0),
        (100, 0, 5000, 2, 200),
        (0, 250, 5000, 1, 125),
        (0, 250, 4999, 1, 125),
        (0, 250, 4980, 1, 125),
        (0, 250, 4979, 1, 124),
        (100, 10_000, 5000, 1, 5000),
        (9999, 0, 5000, 1, 5000),
    ],
)
def test_the_fee_is_rounded_half_up_and_at_most_the_total(cents, basis_points, amount, count, fee):
    with settings.override(application_fee_cents=cents, application_fee_basis_points=basis_points):
        assert payments.application_fee(amount, "USD", count) == fee


def purchase_cost(shop, user):
    """Return the round trips to the store, the read units and the write units of a purchase of one ticket."""
    with record_calls(measured=True) as log:
        session = shop.open_checkout(user, 1)
        shop.pay(session)
        assert shop.confirm(session, user).status == 201
    return log.round_trips, *log.capacity


def test_an_account_costs_no_trip_and_its_fee_one_entry_of_the_ledger(shop):
    shop.buy("ada", 1)  # fills all caches
    trips, reads, writes = purchase_cost(shop, "bob")
    with settings.override(**FEE):
        shop.connect_account()
        shop.buy("cem", 1)
        assert purchase_cost(shop, "dan") == (trips, reads, writes + 2)


# Refunds.


@pytest.mark.parametrize(("setting", "returned"), [("on", 225), ("off", 0)])
def test_a_refund_is_made_on_the_account_with_or_without_the_fee(shop, account, setting, returned):
    with settings.override(application_fee_refunds=setting):
        order_id = shop.buy()
    reply = builders.refund(shop.api, order_id, tickets=[f"{order_id}-2"])
    assert reply.json["refund"]["status"] == "succeeded"
    assert (shop.list_refunds(), fees(shop)) == ([(5000, "succeeded")], [(450, returned)])
    shop.fake.deliver()
    assert_no_differences(shop)


def test_a_new_account_of_the_promoter_leaves_earlier_payments_where_they_are(shop, account):
    order_id, later = shop.buy(), shop.open_checkout("bob", quantity=1)
    assert shop.remove_account().status == 200
    other = shop.connect_account()
    assert other != account
    shop.fake.request_log.clear()
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "succeeded"
    assert used_accounts(shop, "POST /v1/refunds") == {account}
    shop.browser = sdk_client(shop.fake, shop.fake.publishable_key, account)
    shop.pay(later)
    assert shop.confirm(later, "bob").status == 201
    newest = shop.open_checkout("cem", quantity=1)
    assert (shop.load_purchase(later["id"]).account, newest["payment"]["account"]) == (account, other)
    report = compare_last_hour(shop)
    assert (report.payments, report.refunds, report.findings) == (3, 1, {})
    shop.account = account  # the books are those of the account with the money


def test_a_changed_checkout_stays_on_the_account(shop, account):
    reservation_id = shop.reserve()
    shop.request_checkout(reservation_id)
    shop.remove_account()
    builders.create_promo_code(shop.api, shop.event_id, "HALF", discount_value=50)
    reply = shop.request_checkout(reservation_id, key="again", promo_code="HALF", replace=True)
    assert reply.json["payment"]["account"] == account
    shop.pay(reply.json)
    assert shop.confirm(reply.json).status == 201


def test_late_money_that_gets_no_tickets_takes_the_fee_back(shop, account):
    """All other tickets are sold meanwhile."""
    with settings.override(application_fee_refunds="off"):
        session = shop.open_checkout(quantity=4)
    shop.expire_without_asking_stripe(session["id"])
    shop.buy("bob", 4)
    shop.pay(session)
    shop.fake.deliver()
    assert shop.purchase_state(session) == "refunded"
    assert fees(shop)[0] == (900, 900)


def test_a_refund_that_fails_is_tried_again_on_the_account(shop, account):
    order_id = shop.buy(card=REFUNDS_FAIL)
    builders.refund(shop.api, order_id)
    shop.fake.complete_pending()
    shop.fake.deliver()
    shop.time.advance(3601)
    shop.fake.request_log.clear()
    builders.run_sweep()
    assert used_accounts(shop, "POST /v1/refunds") == {account}


def test_a_refund_on_an_account_for_which_stripe_refuses_calls_is_left_to_a_person(shop, account):
    order_id = shop.buy()
    shop.fake.refuse_calls(account)
    builders.refund(shop.api, order_id)
    for seconds in (3601, 86_401):
        shop.time.advance(seconds)
        builders.run_sweep()
    [refund] = shop.load_purchase(order_id).refunds
    assert (refund.status, refund.failure) == ("failed", "account_refused")
    assert shop.open_case_kinds() == ["refund"]
    shop.fake.refuse_calls(account, None)
    assert shop.retry_refund(order_id, refund.id).status == 200
    assert shop.list_refunds() == [(10_000, "succeeded")]


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("status", [429, 500])
def test_an_account_without_an_answer_does_not_keep_the_tickets_of_others_off_sale(shop, account, status):
    """The checkouts of the account expired first, and there are more of them than a run tries without an answer."""
    own = shop.event_id, builders.create_tier(shop.api, shop.event_id, capacity=10, name="Many")
    other = builders.create_shop(shop.api, capacity=1)  # an event of the operator
    sessions = []
    for user, (event_id, tier_id) in [*((f"user-{number}", own) for number in range(5)), ("bob", other)]:
        reply = shop.request_checkout(builders.reserve(shop.api, user, event_id, tier_id, 1).json["id"], user)
        sessions.append(reply.json)
    shop.time.advance(200)
    shop.fake.refuse_calls(account, status)
    builders.run_sweep()
    assert [shop.purchase_state(session) for session in sessions] == ["paying"] * 5 + ["expired"]
    shop.fake.refuse_calls(account, None)
    shop.time.advance(60)
    builders.run_sweep()
    assert {shop.purchase_state(session) for session in sessions} == {"expired"}


def test_a_refund_in_the_promoters_dashboard_is_recorded(shop, account):
    order_id = shop.buy()
    shop.refund_in_dashboard(order_id, 10_000)
    shop.fake.deliver()
    assert shop.ticket_states(order_id) == ["void", "void"]


def returned_fees(shop, order_id):
    entries = ledger.list_purchase_entries(shop.event_id, order_id)
    return sorted((entry.net_cents, entry.details.get("by_hand", False)) for entry in entries if entry.kind == "fee_returned")


def count_lists_of_parts(shop):
    routes = [(request.method, request.route) for request in shop.fake.request_log]
    return routes.count(("GET", "/v1/application_fees/:id/refunds"))


def test_a_fee_that_the_operator_returns_by_hand_is_recorded(shop, account):
    """Once for each time, and whatever came with refunds is not recorded again, though it has the same amount."""
    order_id = shop.buy()
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-2"])
    shop.time.advance(60)
    shop.return_fee_in_dashboard(25)
    shop.fake.deliver()
    assert returned_fees(shop, order_id) == [(25, True), (225, False)]
    shop.time.advance(60)
    shop.fake.duplicate_webhooks("application_fee.*", times=2)
    shop.return_fee_in_dashboard(100)
    shop.return_fee_in_dashboard(100)
    shop.fake.deliver()
    assert returned_fees(shop, order_id) == [(25, True), (100, True), (100, True), (225, False)]
    assert [totals.fee_cents for totals in ledger.statement(shop.event_id)] == [0]
    assert count_lists_of_parts(shop) == 0, "the fee carries its newest parts"
    assert_no_differences(shop)


def test_more_parts_of_a_fee_than_it_carries_are_recorded_too(shop, account):
    order_id = shop.buy()
    for _ in range(11):
        shop.time.advance(60)
        shop.return_fee_in_dashboard(10)
    shop.fake.deliver()
    assert returned_fees(shop, order_id) == [(10, True)] * 11
    assert count_lists_of_parts(shop) == 11


def test_a_refund_with_its_fee_in_a_dashboard_is_not_taken_for_a_fee_by_hand(shop, account):
    """Stripe reports the fee first, when the shop does not know the refund yet."""
    order_id = shop.buy()
    shop.fake.deliver()
    charge = {"charge": shop.fetch_charge(order_id).id, "amount": 5000, "refund_application_fee": True}
    shop.dashboard.v1.refunds.create(charge)
    assert shop.post_newest_event("application_fee.refunded") == "with_refund"
    shop.fake.deliver()
    assert returned_fees(shop, order_id) == [(225, False)]


def test_a_returned_fee_of_an_account_that_was_disconnected_is_left_out(shop, account):
    order_id = shop.buy()
    shop.return_fee_in_dashboard(25)
    shop.fake.revoke_access(account)
    assert shop.post_newest_event("application_fee.refunded") == "with_refund"
    assert returned_fees(shop, order_id) == []
    shop.account = None  # nobody can compare the books of an account that was disconnected


# The ledger.


def test_a_fee_is_an_entry_of_the_order(shop, account):
    order_id = shop.buy()
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-2"])
    entries = [(entry.kind, entry.net_cents, entry.account) for entry in ledger.list_purchase_entries(shop.event_id, order_id)]
    moved = [("captured", 10_000), ("fee", -450), ("refunded", -5000), ("fee_returned", 225)]
    assert [entry for entry in entries if entry[1]] == [(kind, cents, account) for kind, cents in moved]
    assert shop.fetch_order(order_id)["balance_cents"] == 5000, "the balance is before the fee"


# Disputes.


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_on_the_account_freezes_and_decides_the_tickets(shop, account, won):
    order_id = shop.buy()
    dispute_id = shop.create_dispute(order_id)
    assert shop.ticket_states(order_id) == ["frozen", "frozen"]
    assert [case["account"] for case in shop.list_open_cases()] == [account]
    shop.close_dispute(dispute_id, won=won)
    assert shop.ticket_states(order_id) == ["valid" if won else "void"] * 2


# Promoters can write any metadata on their own accounts.


@pytest.fixture
def victim(shop):
    """A checkout of another seller's event: the operator's."""
    event_id, tier_id = builders.create_shop(shop.api, capacity=4)
    reservation = builders.reserve(shop.api, "vic", event_id, tier_id).json["id"]
    builders.start_checkout(shop.api, "vic", reservation, key=reservation, provider="stripe")
    return reservation


def test_a_payment_on_ones_own_account_buys_no_tickets_of_others(shop, victim, account):
    shop.pay_in_dashboard(victim, 5000)
    shop.fake.deliver()
    before = shop.load_purchase(victim)
    assert (before.state, before.refunds) == ("paying", [])
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings, shop.load_purchase(victim).version) == ({}, {}, before.version)
    shop.account = None  # its books have what the promoter made up


def test_a_payment_for_an_unknown_purchase_is_left_to_a_person(shop, account):
    purchase_id = "01H" + "0" * 23
    shop.pay_in_dashboard(purchase_id)
    shop.fake.deliver()
    assert list(list_findings(shop)) == [purchase_id]
    assert shop.list_refunds() == []
    shop.account = None


def test_made_up_payments_for_other_events_are_not_ours_and_do_not_stop_the_reconciliation(shop, account):
    ids = {"event_id": "of-somebody-else"}
    for number in range(12):
        purchase_id = f"01H{number:023}"
        shop.pay_in_dashboard(purchase_id, metadata=shop.payment_metadata(purchase_id) | ids)
    shop.fake.deliver()
    assert (compare_last_hour(shop).findings, shop.list_open_cases()) == ({}, [])
    shop.account = None


def test_text_that_is_no_id_does_not_stop_the_reconciliation(shop, account):
    """Two bytes a letter: the key of a finding about this purchase would be too long for the store."""
    intent_id = shop.pay_in_dashboard("é" * 500)
    shop.dashboard.v1.refunds.create({"payment_intent": intent_id, "amount": 1, "metadata": shop.payment_metadata("é" * 500)})
    assert (compare_last_hour(shop).findings, shop.list_open_cases()) == ({}, [])
    shop.fake.deliver()
    shop.account = None


def test_a_made_up_refund_changes_nothing(shop, account):
    event_id, tier_id = builders.create_shop(shop.api, capacity=4)
    platform = sdk_client(shop.fake, shop.fake.api_key)
    reservation = builders.reserve(shop.api, "vic", event_id, tier_id).json["id"]
    session = builders.start_checkout(shop.api, "vic", reservation, key=reservation, provider="stripe").json
    platform.v1.payment_intents.confirm(
        session["payment"]["client_secret"].partition("_secret_")[0], {"payment_method": VISA, "return_url": "https://shop.test"}
    )
    shop.fake.deliver()
    intent_id = shop.pay_in_dashboard("x", metadata={})
    metadata = {"purchase_id": reservation, "namespace": settings.current().provider_namespace, "refund_id": "r", "attempt": "1"}
    shop.dashboard.v1.refunds.create({"payment_intent": intent_id, "metadata": metadata})
    shop.fake.deliver()
    purchase = shop.load_purchase(reservation)
    assert (purchase.state, purchase.refunds) == ("paid", [])
    shop.event_id, shop.account = event_id, None


def test_a_smaller_refund_with_our_metadata_does_not_stand_for_ours(shop, account):
    order_id = shop.buy()
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    refund = builders.refund(shop.api, order_id, tickets=[f"{order_id}-2"]).json["refund"]
    assert refund["status"] == "due"
    metadata = {"purchase_id": order_id, "namespace": settings.current().provider_namespace, "refund_id": refund["id"], "attempt": "1"}
    intent_id = shop.load_purchase(order_id).payment.payment_intent_id
    shop.dashboard.v1.refunds.create({"payment_intent": intent_id, "amount": 1, "metadata": metadata})
    shop.fake.deliver()
    own, external = shop.load_purchase(order_id).refunds
    assert (own.status, external.amount_cents, external.is_external) == ("due", 1, True)


def test_a_fee_that_the_promoter_has_lowered_is_found(shop, account):
    order_id = shop.buy()
    intent_id = shop.load_purchase(order_id).payment.payment_intent_id
    shop.fake.overwrite_object("payment_intent", intent_id, application_fee_amount=1)
    assert compare_last_hour(shop).findings == {"amounts_differ": 1}
    [case] = shop.list_open_cases()
    assert (case["expected"]["fee_cents"], case["found"]["fee_cents"], case["account"]) == (450, 1, account)
    for status, open_cases in ((403, ["amounts_differ", "not_dealt_with"]), (None, ["amounts_differ"])):
        shop.fake.refuse_calls(account, status)
        recheck(shop)
        assert sorted(case["id"].partition("-")[0] for case in shop.list_open_cases()) == open_cases


def test_an_account_without_an_answer_keeps_no_case_of_others_from_being_compared_again(shop, monkeypatch):
    orders = [shop.buy("bob", 1)]
    account = shop.connect_account()
    orders.append(shop.buy("ada", 1))
    intent_ids = [shop.load_purchase(order_id).payment.payment_intent_id for order_id in orders]
    for intent_id in intent_ids:
        shop.fake.overwrite_object("payment_intent", intent_id, amount_received=1)
    assert compare_last_hour(shop).findings == {"amounts_differ": 2}
    for intent_id in intent_ids:
        shop.fake.overwrite_object("payment_intent", intent_id, amount_received=5000)
    shop.fake.refuse_calls(account, 429)
    monkeypatch.setattr(random, "sample", lambda cases, _: sorted(cases, key=lambda case: "account" not in case.details))
    recheck(shop)
    assert [case["account"] for case in shop.list_open_cases()] == [account]
    shop.fake.refuse_calls(account, None)
    recheck(shop)
    assert shop.list_open_cases() == []
    shop.account = None


# What the owner of an account makes up in it.


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "setup", "currency": None, "amount_total": None},
        {"mode": "subscription"},
        {"currency": None, "amount_total": None},
    ],
)
def test_a_checkout_session_that_takes_no_payment_is_not_ours(shop, account, fields):
    order_id = shop.buy()
    params = {"mode": "payment", "line_items": [{"quantity": 1, "price_data": PRICE}], "success_url": "https://pat.example/"}
    session = shop.dashboard.v1.checkout.sessions.create({**params, "metadata": shop.payment_metadata(order_id)})
    shop.fake.overwrite_object("checkout.session", session.id, **fields)
    shop.dashboard.v1.checkout.sessions.expire(session.id)
    assert shop.post_newest_event("checkout.session.expired") == "not_ours"
    assert (compare_last_hour(shop).findings, shop.list_open_cases()) == ({}, [])


def test_an_event_of_an_account_that_cannot_be_processed_is_a_case_of_the_account(shop, account):
    """Anybody who owns an account can write the id of any order into its payments."""
    order_id = shop.buy()
    shop.lose_webhooks()
    intents, params = shop.dashboard.v1.payment_intents, {"amount": 500, "currency": "usd"}
    intent_id = intents.create({**params, "metadata": shop.payment_metadata(order_id)}).id
    intents.cancel(intent_id)
    shop.fake.remove_object("payment_intent", intent_id)
    assert compare_last_hour(shop).findings == {"not_dealt_with": 1}
    [case] = shop.list_open_cases()
    assert (case["order_id"], case["account"]) == (account, account)
    assert shop.close_case(account, case["id"]).status == 200


# Restriction: the sale pauses, and nothing is lost.


def test_a_restriction_pauses_the_sale_until_stripe_lifts_it(shop, account):
    paid, open_, held = shop.open_checkout("bob", 1), shop.open_checkout("cem", 1), shop.reserve("dan", 1)
    shop.pay(paid)
    shop.fake.restrict_account(account)
    shop.fake.deliver()
    assert shop.api.get(f"/events/{shop.event_id}/availability").json["paused"] is True
    assert builders.reserve(shop.api, "eve", shop.event_id, shop.tier_id).json["error"] == "event_paused"
    assert shop.request_checkout(held, "dan").json["error"] == "event_paused"
    assert shop.confirm(paid, "bob").status in (200, 201), "money that has come in counts"
    assert shop.show_account()["state"] == "restricted"
    assert shop.api.get(f"/events/{shop.event_id}", token=builders.token("pat", "promoter")).status == 200
    shop.fake.complete_onboarding(account)
    shop.fake.deliver()
    assert shop.request_checkout(held, "dan").status == 201
    shop.pay(open_)
    assert shop.confirm(open_, "cem").status == 201
    assert builders.reserve(shop.api, "eve", shop.event_id, shop.tier_id).status == 201


def test_a_crash_before_the_stock_is_closed_leaves_it_to_the_sweep(shop, account, monkeypatch):
    with monkeypatch.context() as crashing:
        crashing.setattr(event_states, "follow_promoter", lambda *_: 0)
        shop.fake.restrict_account(account)
        shop.fake.deliver()
    assert open_flags(shop.event_id) == {True}
    builders.run_sweep()
    assert open_flags(shop.event_id) == {False}


def test_a_manager_who_pauses_too_resumes_the_sale_alone(shop, account):
    shop.fake.restrict_account(account)
    shop.fake.deliver()
    promoter = {"token": builders.token("pat", "promoter")}
    shop.api.post(f"/admin/events/{shop.event_id}/pause", **promoter)
    shop.fake.complete_onboarding(account)
    shop.fake.deliver()
    assert builders.reserve(shop.api, "eve", shop.event_id, shop.tier_id).json["error"] == "event_paused"
    shop.api.post(f"/admin/events/{shop.event_id}/resume", **promoter)
    assert builders.reserve(shop.api, "eve", shop.event_id, shop.tier_id).status == 201


def test_a_lost_webhook_about_the_account_is_found_by_the_reconciliation(shop, account):
    shop.lose_webhooks()
    shop.fake.restrict_account(account)
    assert compare_last_hour(shop).repaired == {"accounts_differ": 1}
    assert catalog.load_current().accounts["pat"].state == "restricted"


@pytest.mark.parametrize("status", [403, 400])
def test_an_account_that_stripe_refuses_does_not_stop_the_comparison_of_the_others(shop, account, status):
    """The finding says since when the account has not been compared. The command closes the gap once Stripe answers again."""
    shop.fake.drop_webhooks("payment_intent.*", 10_000)
    shop.buy("dan", quantity=1)
    sessions = {account: shop.open_checkout("ada", quantity=1)}
    shop.pay(sessions[account])
    assert shop.remove_account().status == 200
    other = shop.connect_account()
    shop.buy("cem", quantity=1)
    sessions[other] = shop.open_checkout("bob", quantity=1)
    shop.pay(sessions[other])
    [refused, compared] = sorted(sessions)
    shop.fake.refuse_calls(refused, status)
    since = shop.time.now + 1 - 3600
    report = compare_last_hour(shop)
    assert [shop.purchase_state(sessions[name]) for name in (refused, compared)] == ["paying", "paid"]
    assert (report.repaired, report.findings) == ({"paid_without_tickets": 1}, {"account_refused": 1})
    assert compare_last_hour(shop).findings == {"account_refused": 1}
    [case] = shop.list_open_cases()
    assert (case["id"], case["account"], case["compared_until"]) == (f"account_refused-{refused}", refused, clock.iso(since))
    shop.fake.refuse_calls(refused, None)
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings) == ({"paid_without_tickets": 1}, {})
    assert shop.close_case(case["order_id"], case["id"]).status == 200
    shop.account = None


def test_a_disconnected_account_pauses_the_sale_and_ends_its_checkouts(shop, account):
    session = shop.open_checkout()
    shop.fake.revoke_access(account)
    shop.fake.deliver()
    assert builders.reserve(shop.api, "eve", shop.event_id, shop.tier_id).json["error"] == "event_paused"
    with pytest.raises(AccountUnreachable):
        payments.fetch_payment(shop.load_purchase(session["id"]).payment)
    shop.time.advance(181)
    builders.run_sweep()
    assert shop.purchase_state(session) == "expired"
    assert shop.available_tickets() == 4
    assert shop.show_account()["account_id"] == account
    assert list(payments.list_payments(0, shop.time.now, account)) == []


@pytest.mark.parametrize("ends_by", ["expiry", "release"])
def test_a_payment_that_was_under_way_when_the_account_was_disconnected_is_left_to_a_person(shop, account, ends_by):
    """The promoter has the money, and the buyer has no tickets."""
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.revoke_access(account)
    if ends_by == "expiry":
        shop.time.advance(181)
        builders.run_sweep()
    else:
        assert shop.api.delete(f"/reservations/{session['id']}", user="ada").status == 200
    assert shop.purchase_state(session) == ("expired" if ends_by == "expiry" else "cancelled")
    [case] = shop.list_open_cases()
    payment = shop.load_purchase(session["id"]).payment
    assert (case["id"], case["account"], case["amount_cents"]) == (f"payment_unreachable-{payment.provider_id}", account, 10_000)
    shop.account = None


def test_a_refund_on_a_disconnected_account_becomes_an_open_case(shop, account):
    order_id = shop.buy()
    shop.fake.revoke_access(account)
    refund = builders.refund(shop.api, order_id).json["refund"]
    assert (refund["status"], refund["failure"]) == ("due", "payment_account_unreachable")
    for seconds in (3601, 86_401):
        shop.time.advance(seconds)
        builders.run_sweep()
    assert [refund.status for refund in shop.load_purchase(order_id).refunds] == ["failed"]
    assert shop.open_case_kinds() == ["refund"]


def test_a_cancelled_event_is_refunded_from_the_account(shop, account):
    order_id = shop.buy()
    assert shop.api.post(f"/events/{shop.event_id}/cancel", json={}, token=builders.admin_token()).status == 200
    builders.run_sweep()
    assert (shop.load_purchase(order_id).state, shop.list_refunds(), fees(shop)) == ("refunded", [(10_000, "succeeded")], [(450, 450)])


def test_a_payment_of_another_account_does_not_count_for_a_purchase(shop, account):
    session = shop.open_checkout()
    provider_payment = payments.fetch_payment(shop.load_purchase(session["id"]).payment)
    result = provider_events.apply_payment(
        shop.load_purchase(session["id"]), replace(provider_payment, account="acct_other"), shop.time.now
    )
    assert (result.result, result.changed) == (provider_events.OTHER_ACCOUNT, False)


def test_a_payment_without_an_account_has_no_field_for_it():
    assert set(msgspec.to_builtins(Payment("stripe", "open", 5000, "USD"))) == {"provider", "status", "amount_cents", "currency"}
