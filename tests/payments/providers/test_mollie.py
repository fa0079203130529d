"""A shop that takes payments through Mollie: the official client calls the fake Mollie over HTTP, whose webhooks come to the app."""

import contextlib
from collections.abc import Iterator

import pytest
import requests

from chalicelib.edge import error_replies
from chalicelib.foundation import clock, deadline, memory, settings
from chalicelib.ledger import money_cases
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, ProviderNotOffered, ProviderUnavailable
from chalicelib.payments.providers import mollie, protocol
from chalicelib.purchases import store
from chalicelib.reconciliation import compare, jobs
from tests import builders
from tests.mollie_shop import SECRETS, WEBHOOK, MollieShop, open_mollie_shop
from tests.simulation import faults


@pytest.fixture
def shop(api, time) -> Iterator[MollieShop]:
    """At the end, the books balance, and a comparison with Mollie's finds nothing."""
    with open_mollie_shop(api, time) as shop:
        yield shop
        shop.fake.deliver()
        shop.assert_books_balance()
        assert shop.compare().findings == {}


# Buying.


def test_a_buyer_pays_on_mollies_page_and_the_webhook_issues_the_tickets(shop):
    reply = shop.request_checkout(shop.reserve())
    assert reply.json["payment"]["provider"] == "mollie"
    [payment] = shop.fake.objects["payments"]
    assert (payment["amount"], payment["description"]) == ({"currency": "USD", "value": "100.00"}, "2 x Floor")
    assert payment["metadata"]["purchase_id"] == reply.json["id"]
    page = requests.post(reply.json["payment"]["url"], data={"status": "paid"}, allow_redirects=False, timeout=60)
    assert page.headers["location"] == f"https://shop.test/?checkout_id={reply.json['id']}"
    assert shop.state(reply.json["id"]) == "paying"
    assert shop.fake.deliver() == [200]
    assert shop.state(reply.json["id"]) == "paid"
    assert shop.confirm(reply.json["id"]).status == 201


def test_the_confirmation_may_come_before_the_webhook(shop):
    purchase_id = shop.open()
    refused = shop.confirm(purchase_id)
    assert (refused.status, refused.json["error"]) == (409, "payment_not_completed")
    shop.finish(purchase_id)
    assert shop.confirm(purchase_id).status == 201
    assert shop.fake.deliver() == [200]
    assert shop.state(purchase_id) == "paid"


def test_a_doubled_webhook_changes_nothing(shop):
    purchase_id = shop.buy()
    before = store.load(purchase_id)
    address, body = shop.fake.objects["payments"][0]["webhookUrl"], f"id={shop.payment_id(purchase_id)}".encode()
    assert [shop.send(address, body).json["received"] for _ in range(2)] == ["paid", "paid"]
    assert store.load(purchase_id) == before


@pytest.mark.parametrize("status", ["failed", "canceled", "expired"])
def test_a_payment_that_ends_unpaid_gives_the_tickets_back(shop, status):
    purchase_id = shop.open(quantity=4)
    shop.finish(purchase_id, status)
    assert shop.fake.deliver() == [200]
    assert shop.state(purchase_id) == "cancelled"
    shop.buy("bob", 4)


def test_an_expired_hold_cancels_the_payment(shop):
    purchase_id = shop.open(quantity=4)
    shop.time.advance(3600)
    builders.run_sweep()
    assert shop.state(purchase_id) == "expired"
    assert shop.fake.find("payments", shop.payment_id(purchase_id))["status"] == "canceled"


def test_tickets_wait_for_a_payment_that_cannot_be_cancelled(shop):
    shop.fake.is_cancelable = False
    purchase_id = shop.open(quantity=4)
    shop.time.advance(600)
    builders.run_sweep()
    assert shop.state(purchase_id) == "paying"
    shop.time.advance(300)
    shop.fake.expire()
    assert shop.fake.deliver() == [200]
    assert shop.state(purchase_id) == "cancelled"


def test_a_late_payment_that_could_not_be_cancelled_gets_its_tickets(shop):
    shop.fake.is_cancelable = False
    purchase_id = shop.open()
    shop.finish(purchase_id, "pending")
    shop.time.advance(3600)
    builders.run_sweep()
    assert shop.state(purchase_id) == "paying"
    shop.finish(purchase_id)
    shop.fake.deliver()
    assert shop.state(purchase_id) == "paid"


def test_a_payment_after_the_tickets_were_sold_to_others_is_refunded(shop):
    purchase_id = shop.open(quantity=4)
    purchase = store.load(purchase_id)
    from chalicelib.inventory import service as inventory  # the hold ends as if the payment had been cancelled just before

    store.save(purchase, compare.replace(purchase, state="expired", ended_at=shop.time.now))
    inventory.release_holds(purchase.holds)
    shop.buy("bob", 4)
    shop.finish(purchase_id)
    assert shop.fake.deliver() == [200]
    assert shop.state(purchase_id) == "refunded"
    [refund] = shop.fake.objects["refunds"]
    assert refund["amount"]["value"] == "200.00"
    shop.fake.finish_refund(refund["id"], "refunded")


def test_a_lost_webhook_is_found_by_the_comparison(shop):
    purchase_id = shop.open()
    shop.finish(purchase_id)
    shop.fake.due.clear()
    report = shop.compare()
    assert (report.repaired, report.findings) == ({"paid_without_tickets": 1}, {})
    assert shop.state(purchase_id) == "paid"


def test_the_comparison_reads_all_pages_of_the_lists(shop, monkeypatch):
    monkeypatch.setattr(mollie, "MAX_PAGE_SIZE", 1)
    ids = [shop.buy(user, 1) for user in ("ada", "bob", "cy")]
    found = [payment.purchase_id for payment in payments.list_payments(shop.time.now - 60, shop.time.now + 1, None)]
    assert found == ids[::-1]
    assert list(payments.list_payments(0, shop.time.now, None)) == []


# The webhook.


def test_a_forged_webhook_is_refused_without_a_call_to_mollie(shop):
    purchase_id = shop.open()
    shop.finish(purchase_id)
    address, body = shop.fake.objects["payments"][0]["webhookUrl"], f"id={shop.payment_id(purchase_id)}".encode()
    calls = len(shop.fake.calls)
    for bad_address, bad_body in (
        (WEBHOOK, body),
        (f"{WEBHOOK}?token=", body),
        (f"{address[:-1]}x", body),
        (f"{WEBHOOK}?token=%C3%BC", body),
        (address, b""),
        (address, body + b"&id=tr_other"),
        (address, b"id=tr_" + b"a" * 65),
        (address, b"id=ord_1"),
        (address, b'{"id": "tr_1"}'),
    ):
        reply = shop.send(bad_address, bad_body)
        assert (reply.status, reply.json["error"]) == (400, "signature_refused")
    problem = "The parameter `token` of the address is missing or wrong, or the body names no payment."
    assert reply.json["message"] == f"{problem} Check FAIRGATE_MOLLIE_WEBHOOK_SECRETS."
    assert shop.send(address, b"x" * 2_000_000).status == 413
    assert len(shop.fake.calls) == calls
    assert shop.state(purchase_id) == "paying"


def test_an_unknown_payment_and_a_payment_of_another_shop_change_nothing(shop):
    purchase_id = shop.open()
    address = shop.fake.objects["payments"][0]["webhookUrl"]
    assert shop.send(address, b"id=tr_unknown").json == {"received": "not_ours"}
    metadata = shop.fake.objects["payments"][0]["metadata"]
    ours, metadata["namespace"] = metadata["namespace"], "another"
    shop.fake.finish(shop.payment_id(purchase_id), "paid")
    assert shop.send(address, f"id={shop.payment_id(purchase_id)}".encode()).json == {"received": "not_ours"}
    metadata["namespace"] = ours  # the comparison at the end finds the payment


def test_metadata_of_any_form_is_not_ours(shop):
    shop.buy()
    address = shop.fake.objects["payments"][0]["webhookUrl"]
    for metadata in (None, "text", ["list"], {"namespace": settings.current().stage, "purchase_id": 5}):
        fields = {"amount": {"currency": "USD", "value": "1.00"}, "status": "open", "metadata": metadata}
        assert shop.send(address, f"id={shop.fake._add('payments', fields)['id']}".encode()).json == {"received": "not_ours"}


def test_a_webhook_of_a_replaced_secret_is_still_accepted(shop):
    purchase_id = shop.open()
    shop.finish(purchase_id)
    with settings.override(mollie_webhook_secrets=f"third-secret-of-the-webhooks-of-mollie, {SECRETS.partition(',')[0]}"):
        assert shop.fake.deliver() == [200]
    assert shop.state(purchase_id) == "paid"


# Refunds and chargebacks.


def test_a_refund_is_made_once_and_follows_mollies_status(shop):
    order_id = shop.buy()
    reply = builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 2))
    assert (reply.json["refund"]["status"], shop.state(order_id)) == ("pending", "partially_refunded")
    [refund] = shop.fake.objects["refunds"]
    assert (refund["amount"]["value"], refund["metadata"]["refund_id"]) == ("50.00", reply.json["refund"]["id"])
    shop.fake.finish_refund(refund["id"], "refunded")
    assert shop.fake.deliver() == [200]
    assert [refund.status for refund in store.load(order_id).refunds] == ["succeeded"]
    builders.refund(shop.api, order_id, key="2")
    assert (shop.state(order_id), shop.kept()) == ("refunded", 0)


def test_the_sweep_asks_for_the_status_of_a_pending_refund(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id)
    shop.fake.finish_refund(shop.fake.objects["refunds"][0]["id"], "refunded")
    shop.fake.due.clear()
    shop.time.advance(7 * 3600)
    builders.run_sweep()
    assert [refund.status for refund in store.load(order_id).refunds] == ["succeeded"]


def test_a_refund_that_mollie_does_not_know_is_left_to_a_person(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id)
    shop.fake.objects["refunds"].clear()
    for _ in range(2):
        shop.time.advance(7 * 3600)
        builders.run_sweep()
    [refund] = store.load(order_id).refunds
    assert (refund.status, refund.attempt, refund.failure) == ("failed", 1, "unknown_refund")
    assert [(case.kind, case.next_at) for case in money_cases.list_open_cases()] == [("refund", None)]
    assert shop.fake.objects["refunds"] == []


def test_a_refund_that_fails_is_made_again(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id)
    shop.fake.finish_refund(shop.fake.objects["refunds"][0]["id"], "failed")
    assert shop.fake.deliver() == [200]
    [refund] = store.load(order_id).refunds
    assert (refund.status, refund.attempt) == ("due", 2)
    shop.time.advance(3700)
    builders.run_sweep()
    assert [found["status"] for found in shop.fake.objects["refunds"]] == ["failed", "pending"]


def test_a_refund_whose_answer_was_lost_is_found_even_after_the_key_was_forgotten(shop):
    order_id = shop.buy()
    shop.fake.lose_next_response("POST")
    builders.refund(shop.api, order_id)
    assert [refund.status for refund in store.load(order_id).refunds] == ["due"]
    shop.time.advance(2 * 3600)
    builders.run_sweep()
    assert [refund.status for refund in store.load(order_id).refunds] == ["pending"]
    assert len(shop.fake.objects["refunds"]) == 1


def test_a_repeated_attempt_makes_no_second_refund_even_after_the_key_was_forgotten(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id)
    [refund] = store.load(order_id).refunds
    shop.time.advance(2 * 3600)
    again = mollie.create_refund(order_id, refund.id, 1, refund.payment_intent_id, 10_000, "USD", None, returns_fee=False)
    assert (again.id, len(shop.fake.objects["refunds"])) == (refund.provider_id, 1)


def test_a_refund_that_mollie_refuses_is_a_failed_attempt(shop):
    order_id = shop.buy()
    shop.fake.fail_next("POST", 422)
    builders.refund(shop.api, order_id)
    [refund] = store.load(order_id).refunds
    assert (refund.status, refund.attempt, refund.failure) == ("due", 2, "refused")


def test_a_refund_in_mollies_dashboard_is_recorded(shop):
    order_id = shop.buy()
    shop.fake.refund(shop.payment_id(order_id), 10_000)
    assert shop.compare().repaired == {"refunds_differ": 1}
    assert shop.state(order_id) == "refunded"


def test_a_chargeback_voids_the_tickets_and_its_reversal_is_a_case(shop):
    order_id = shop.buy()
    chargeback = shop.fake.charge_back(shop.payment_id(order_id), 10_000)
    assert shop.fake.deliver() == [200]
    assert [(dispute.status, dispute.reason) for dispute in store.load(order_id).disputes] == [("lost", "AC01")]
    assert shop.api.get(f"/orders/{order_id}", user="ada").json["tickets"][0]["state"] == "void"
    shop.assert_books_balance()
    shop.fake.reverse(chargeback)
    assert shop.fake.deliver() == [200]
    assert [dispute.status for dispute in store.load(order_id).disputes] == ["won"]
    assert [case.kind for case in money_cases.list_open_cases()] == ["finding"]


@pytest.mark.parametrize(("refunded", "charged_back", "twice"), [(2, 10_000, 10_000), (1, 10_000, 5000), (1, 5000, None)])
def test_a_chargeback_of_refunded_money_is_a_case(shop, refunded, charged_back, twice):
    order_id = shop.buy()
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-{number}" for number in (2, 1)[:refunded]])
    chargeback = shop.fake.charge_back(shop.payment_id(order_id), charged_back)
    shop.fake.deliver()
    cases = [(case.id, case.details["amount_cents"]) for case in money_cases.list_open_cases() if case.kind == "finding"]
    dispute_id = f"{shop.payment_id(order_id)}-{chargeback}"
    assert cases == ([(f"paid_back_twice-{dispute_id}", twice)] if twice else [])


def test_a_chargeback_whose_webhook_was_lost_is_found_by_the_comparison(shop):
    order_id = shop.buy()
    shop.fake.charge_back(shop.payment_id(order_id), 5000)
    shop.fake.due.clear()
    assert shop.compare().repaired == {"disputes_differ": 1}
    assert shop.state(order_id) == "partially_refunded"


def test_a_run_reads_each_list_once(shop, monkeypatch):
    """Mollie's lists have no filter and begin with the newest payment, so a span is read after all later spans."""
    monkeypatch.setattr(mollie, "MAX_PAGE_SIZE", 2)
    began = shop.time.now
    for user in ("ada", "bob"):
        shop.buy(user, 1)
        shop.time.advance(60)
    lost = shop.open("cem", 1)
    shop.finish(lost)
    shop.fake.due.clear()
    shop.time.advance(900)
    shop.fake.calls.clear()
    spans = [(began + 60 * number, began + 60 * (number + 1)) for number in range(4)]
    reports = [compare.compare_span(*span, shop.time.now) for span in spans]
    assert [report.payments for report in reports] == [1, 1, 1, 0]
    assert shop.state(lost) == "paid"
    assert shop.fake.calls.count("GET /v2/payments") == 2, "two pages"


@pytest.mark.parametrize("has_new_key", [False, True])
def test_runs_continue_in_a_list_that_is_too_long_for_one_run(shop, monkeypatch, has_new_key):
    """A run fetches at most eight pages of one payment each. The lost payment is followed by fourteen of another shop."""
    monkeypatch.setattr(mollie, "MAX_PAGE_SIZE", 1)
    monkeypatch.setattr(mollie, "CURSOR_PAGES", 2)
    jobs.compare_books(shop.time.now)
    lost = shop.open()
    shop.finish(lost)
    shop.fake.due.clear()
    for number in range(1, 15):
        created = {"id": f"tr_{number}", "createdAt": clock.iso(shop.time.now + 60 * number), "metadata": {}}
        shop.fake.objects["payments"].append(shop.fake.objects["payments"][0] | created)
    shop.time.advance(7200)
    call, listed = mollie._call, []

    def call_eight_times(operation, **options):
        found = call(operation, **options)
        if "payments" in found.get("_embedded", {}):
            listed.append(found["_embedded"]["payments"][0]["id"])
            if len(listed) > 8:
                raise ProviderUnavailable
        return found

    with monkeypatch.context() as limited:
        limited.setattr(mollie, "_call", call_eight_times)
        for number in range(14):
            listed.clear()
            memory.forget_everything()
            with contextlib.suppress(ProviderUnavailable):
                jobs.compare_books(shop.time.now)
            shop.time.advance(900)
            if has_new_key and number == 1:
                shop.fake.objects["payments"][8]["id"] = "tr_other"  # the next cursor, which Mollie does not know any more
    assert shop.state(lost) == "paid"
    assert jobs.ReconciliationRow.find("last").until > shop.time.now - 2700
    del shop.fake.objects["payments"][1:]


def test_a_list_that_mollie_refuses_because_of_its_limit_is_asked_for_again(shop, monkeypatch):
    waits = []
    monkeypatch.setattr(deadline, "wait", waits.append)
    lost = shop.open("cem", 1)
    shop.finish(lost)
    shop.fake.due.clear()
    shop.fake.fail_next("GET", 429, times=2)
    assert shop.compare().repaired == {"paid_without_tickets": 1}
    assert (waits, shop.state(lost)) == ([1, 2], "paid")


# Failures.


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_checkout_gets_503_while_mollie_is_down_and_can_be_tried_again(shop, status):
    reservation_id = shop.reserve()
    shop.fake.fail_next("POST", status)
    refused = shop.request_checkout(reservation_id)
    assert (refused.status, refused.json["error"]) == (503, "payment_provider_unavailable")
    assert shop.request_checkout(reservation_id).status in (200, 201)
    assert len(shop.fake.objects["payments"]) == 1


def test_a_lost_answer_leads_to_one_payment(shop):
    reservation_id = shop.reserve()
    shop.fake.lose_next_response("POST")
    refused = shop.request_checkout(reservation_id)
    assert (refused.status, refused.json["outcome"]) == (503, "unknown")
    assert shop.request_checkout(reservation_id).status in (200, 201)
    assert len(shop.fake.objects["payments"]) == 1


def test_a_webhook_that_could_not_be_processed_is_sent_again(shop):
    purchase_id = shop.open()
    shop.finish(purchase_id)
    shop.fake.fail_next("GET", 500)
    assert shop.fake.deliver() == [503]
    assert shop.fake.deliver() == [200]
    assert shop.state(purchase_id) == "paid"


def test_mollie_is_not_called_when_too_little_time_is_left(shop):
    calls = len(shop.fake.calls)
    with deadline.within(3), pytest.raises(ProviderUnavailable):
        mollie.fetch_payment_by_id("tr_1", None)
    assert len(shop.fake.calls) == calls


def test_a_currency_that_mollie_does_not_take_is_refused(shop):
    shop.event_id, shop.tier_id = builders.create_event(shop.api), ""
    shop.tier_id = builders.create_tier(shop.api, shop.event_id, currency="CLP")
    refused = shop.request_checkout(shop.reserve())
    assert (refused.status, refused.json["error"]) == (503, "price_mismatch")


@pytest.mark.parametrize("number", range(1, 16))
@pytest.mark.parametrize("step", ["checkout", "webhook", "refund"])
def test_a_crash_after_any_call_to_the_store_loses_no_money(shop, step, number):
    reservation_id = shop.reserve()
    if step == "checkout":
        with faults.crash_after(number):
            shop.request_checkout(reservation_id)
    memory.forget_everything()
    purchase_id = shop.request_checkout(reservation_id).json["id"]
    assert len(shop.fake.objects["payments"]) == 1
    shop.finish(purchase_id)
    if step == "webhook":
        with faults.crash_after(number):
            shop.fake.deliver()
    memory.forget_everything()
    shop.fake.deliver()
    shop.fake.deliver()
    assert shop.state(purchase_id) == "paid"
    if step == "refund":
        with faults.crash_after(number):
            builders.refund(shop.api, purchase_id)
    memory.forget_everything()
    shop.time.advance(120)  # until then, the request that crashed counts as running
    builders.refund(shop.api, purchase_id)
    shop.time.advance(2 * 3600)
    builders.run_sweep()
    assert (shop.state(purchase_id), len(shop.fake.objects["refunds"]), shop.kept()) == ("refunded", 1, 0)


# The setup.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mollie_api_key": "live_abc"}, "a live key takes real money"),
        ({"stage": "prod"}, "a test key takes no money"),
        ({"mollie_api_key": "access_abc"}, "must be test_ or live_"),
        ({"mollie_webhook_url": ""}, "FAIRGATE_MOLLIE_WEBHOOK_URL: must be set"),
        ({"mollie_webhook_secrets": ""}, "FAIRGATE_MOLLIE_WEBHOOK_SECRETS: must be set"),
        ({"mollie_webhook_secrets": "short"}, "FAIRGATE_MOLLIE_WEBHOOK_SECRETS: must be set"),
    ],
)
def test_a_wrong_setup_is_refused_before_the_first_call(shop, changes, message):
    calls = len(shop.fake.calls)
    with settings.override(**changes), pytest.raises(settings.SettingsError, match=message):
        payments.check_setup()
    with settings.override(**changes), pytest.raises(settings.SettingsError, match=message):
        mollie.fetch_payment_by_id("tr_1", None)
    assert len(shop.fake.calls) == calls


def test_a_refused_key_is_a_setup_error_and_no_secret_is_logged(shop, capfd, caplog):
    with settings.override(mollie_api_key="test_thatWasRolledOver"):
        refused = shop.request_checkout(shop.reserve())
    assert (refused.status, refused.json["error"]) == (503, "not_set_up")
    assert "UnauthorizedError" in error_replies.list_setup_errors(clock.now())
    shop.buy("bob")
    shop.send(f"{WEBHOOK}?token=wrong", b"id=tr_1")
    logged = "".join(capfd.readouterr()) + caplog.text
    assert "mollie.key_refused" in logged
    token = shop.fake.objects["payments"][0]["webhookUrl"].partition("=")[2]
    assert [secret for secret in (shop.fake.api_key, "thatWasRolledOver", token, *SECRETS.split(", ")) if secret in logged] == []


def test_mollie_takes_no_payments_for_promoters_accounts_and_checks_no_cards(shop):
    with pytest.raises(ProviderNotOffered, match="account at another provider"):
        payments.new_payment(5000, "USD", account="acct_1", ticket_count=1)
    assert payments.account_provider() is None
    with settings.override(payment_simulation="off"):
        assert payments.find_card_checker() is None
    assert payments.new_payment(5000, "USD") == Payment("mollie", "open", 5000, "USD")


@pytest.mark.parametrize("module", protocol.MODULES, ids=lambda module: module.DESCRIPTION.name)
def test_each_provider_has_the_functions_that_its_description_promises(module):
    description = module.DESCRIPTION
    parts = [(description.has_accounts, protocol.AccountProvider), (description.checks_cards, protocol.CardChecker)]
    parts.append((description.calculates_taxes, protocol.TaxCalculator))
    for promised, part in parts:
        names = [name for name in vars(part) if not name.startswith("_")]
        assert [name for name in names if hasattr(module, name)] == (names if promised else [])
