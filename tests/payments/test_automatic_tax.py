"""Taxes that Stripe calculates: the price stays, the order keeps the calculated amounts, and no payment is opened with wrong taxes."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, settings
from chalicelib.ledger import service as ledger
from chalicelib.purchases import checkout
from tests import builders, invariants
from tests.addons.waitlist.ballots import create_ballot, draw, register
from tests.addons.waitlist.test_ballot_cards import finish, purchase_of, save_card
from tests.client import Client
from tests.payments.test_connected_accounts import purchase_cost
from tests.reconciliation.comparing import assert_no_differences
from tests.stripe_shop import StripeShop

DENVER = {"address": "1 Main Street", "city": "Denver", "postal_code": "80202", "region": "CO", "country": "US"}
CALCULATIONS, LOCATIONS, INTENTS = "/v1/tax/calculations", "/v1/tax/locations", "/v1/payment_intents"


@pytest.fixture(autouse=True)
def own_page():
    with settings.override(checkout_page="own", stripe_publishable_key="pk_test_fairgate_local_fake"):
        yield


def place(shop: StripeShop, **parts: str | None):
    return shop.api.patch(f"/events/{shop.event_id}", json=DENVER | parts, token=builders.admin_token())


def turn_on(api: Client, promoter: str = "pat", **caller: str):
    body = {"default_taxes": [], "automatic_tax": True}
    return api.put(f"/promoters/{promoter}/default-taxes", json=body, **(caller or {"token": builders.token(promoter, "promoter")}))


@pytest.fixture
def account(shop) -> str:
    """The account of a promoter who has chosen automatic taxes. The event is in Denver."""
    account = shop.connect_account()
    assert place(shop).status == 200
    turned_on = turn_on(shop.api)
    assert (turned_on.status, turned_on.json) == (200, {"default_taxes": [], "automatic_tax": True})
    return account


def calls(shop, path: str) -> list[str | None]:
    """Return the accounts of the calls of a path that created something."""
    return [request.account for request in shop.fake.request_log if (request.method, request.route) == ("POST", path)]


def taxes(shown: dict) -> list[tuple[str, int, int]]:
    """Return the taxes of an order or a checkout session."""
    return [(share["percent"], share["gross_cents"], share["tax_cents"]) for share in shown.get("reservation", shown)["taxes"]]


def reported(shop, session) -> int:
    """Return the tax of a payment that is in Stripe's tax reports, less what its refunds took off."""
    tax = shop.dashboard.v1.tax
    intent = shop.load_purchase(session["id"]).payment.provider_id
    attempts = tax.associations.find({"payment_intent": intent}).tax_transaction_attempts
    return sum(line.amount_tax for attempt in attempts for line in tax.transactions.line_items.list(attempt.committed.transaction).data)


def test_the_order_keeps_the_taxes_that_stripe_has_calculated_and_the_price_stays(shop, account):
    session = shop.open_checkout()
    assert (session["reservation"]["total_price_cents"], taxes(session)) == (10_000, [("17.71", 10_000, 1505)])
    shop.pay(session)
    assert shop.confirm(session).status == 201
    order = shop.api.get(f"/orders/{session['id']}", user="ada").json["order"]
    assert (order["total_price_cents"], taxes(order)) == (10_000, [("17.71", 10_000, 1505)])
    assert order["items"][0]["tax"] == {"percent": "17.71"}
    [totals] = ledger.statement(shop.event_id)
    assert [(share.percent, share.tax_cents) for share in totals.taxes] == [("17.71", 1505)]
    assert reported(shop, session) == 1505
    assert {*calls(shop, CALCULATIONS), *calls(shop, LOCATIONS)} == {account}, "the promoter owes the taxes"
    invariants.check(shop.time.now)
    assert_no_differences(shop)


def test_the_calculated_amount_counts_even_if_the_percentage_says_something_else(shop, account):
    assert builders.create_promo_code(shop.api, shop.event_id, "SAVE", discount_value=70) is not None
    session = shop.open_checkout(promo_code="SAVE")  # 30.00 with 4.52 of taxes, each rounded; 17.71 % of it would be 4.51
    assert taxes(session) == [("17.71", 3000, 452)]
    shop.pay(session)
    assert shop.confirm(session).status == 201
    for number in (1, 2):
        assert builders.refund(shop.api, session["id"], key=f"{number}", tickets=[f"{session['id']}-{number}"]).status == 201
    shop.fake.deliver()
    entries = ledger.list_purchase_entries(shop.event_id, session["id"])
    assert [share.tax_cents for entry in entries for share in entry.taxes] == [452, -226, -226]
    assert reported(shop, session) == 0
    invariants.check(shop.time.now)


def test_an_order_with_a_default_tax_has_the_calculated_one(shop, account):
    body = {"default_taxes": [{"country": "US", "tax": {"percent": "8"}}]}
    assert shop.api.put("/promoters/pat/default-taxes", json=body, token=builders.admin_token()).status == 200
    session = shop.open_checkout()
    assert taxes(session) == [("17.71", 10_000, 1505)]
    shop.pay(session)
    assert shop.confirm(session).status == 201
    assert builders.refund(shop.api, session["id"], tickets=[f"{session['id']}-1"]).status == 201
    entries = ledger.list_purchase_entries(shop.event_id, session["id"])
    assert [(share.percent, share.tax_cents) for entry in entries for share in entry.taxes] == [("17.71", 1505), ("17.71", -752)]
    invariants.check(shop.time.now)


def test_another_promo_code_has_another_calculation(shop, account):
    builders.create_promo_code(shop.api, shop.event_id, "SAVE", discount_value=70)
    reservation = shop.reserve()
    first = shop.request_checkout(reservation)
    changed = shop.request_checkout(reservation, key="again", replace=True, promo_code="SAVE")
    assert (taxes(first.json), taxes(changed.json)) == ([("17.71", 10_000, 1505)], [("17.71", 3000, 452)])
    shop.pay(changed.json)
    assert shop.confirm(changed.json).status == 201
    assert reported(shop, changed.json) == 452


def test_an_order_that_has_become_free_keeps_no_taxes(shop, account):
    builders.create_promo_code(shop.api, shop.event_id, "FREE", discount_value=100)
    reservation = shop.reserve(quantity=1)
    assert taxes(shop.request_checkout(reservation).json) == [("17.71", 5000, 752)]
    changed = shop.request_checkout(reservation, key="again", replace=True, promo_code="FREE")
    assert (changed.status, taxes(changed.json)) == (200, [])
    invariants.check(shop.time.now)


def test_a_lost_dispute_takes_the_calculated_taxes_back(shop, account):
    session = shop.open_checkout()
    shop.pay(session)
    shop.confirm(session)
    shop.fake.deliver()
    dispute = shop.fake.create_dispute(shop.fetch_charge(session["id"]).id)
    shop.fake.close_dispute(dispute["id"], won=False)
    shop.fake.deliver()
    entries = ledger.list_purchase_entries(shop.event_id, session["id"])
    assert sum(share.tax_cents for entry in entries for share in entry.taxes) == 0
    assert reported(shop, session) == 1505, "Stripe takes no disputes off its reports"


def test_a_checkout_takes_one_call_more(shop, account):
    shop.buy("ada", 1)  # fills all caches; the first payment at an address also makes the location
    calls_before = len(shop.fake.request_log)
    with_tax = purchase_cost(shop, "bob")
    calls_with_tax = len(shop.fake.request_log) - calls_before
    off = {"default_taxes": [], "automatic_tax": False}
    assert shop.api.put("/promoters/pat/default-taxes", json=off, token=builders.admin_token()).status == 200
    shop.buy("cem", 1)
    calls_before, calculations = len(shop.fake.request_log), len(calls(shop, CALCULATIONS))
    without = purchase_cost(shop, "dan")
    assert (len(calls(shop, CALCULATIONS)), len(calls(shop, LOCATIONS))) == (calculations, 1)
    assert len(shop.fake.request_log) - calls_before == calls_with_tax - 1
    assert with_tax == without


@pytest.mark.parametrize("by", ["user", "address"])
def test_nobody_runs_up_a_bill_for_calculations(shop, account, by):
    """Stripe bills each calculation, and nobody has to pay for tickets."""
    changes = {"limit_tax_calculation": "2/86400"} if by == "user" else {"limit_tax_calculation": "1/86400", "address_factor": 2}
    with settings.override(rate_limits="on", limit_reserve="100/60", **changes):
        for number in range(2):
            user = "ada" if by == "user" else f"guest-{number}"
            reservation = shop.reserve(user, 1)
            for _ in range(2):
                assert shop.request_checkout(reservation, user).status in (200, 201), "a repeated request asks Stripe for nothing"
            assert shop.api.delete(f"/reservations/{reservation}", user=user).status == 200
        user = "ada" if by == "user" else "guest-2"
        reservation = shop.reserve(user, 1)
        refused = shop.request_checkout(reservation, user)
        assert (refused.status, refused.json["limiter"], refused.json["by"]) == (429, "tax_calculation", by)
        assert len(calls(shop, CALCULATIONS)) == len(calls(shop, INTENTS)) == 2
        assert shop.load_purchase(reservation).is_active(shop.time.now), "the tickets stay on hold"
        shop.time.advance(86_400)
        assert shop.request_checkout(shop.reserve(user, 1), user).status == 201


def test_another_instance_reads_the_location(shop, account):
    shop.buy("ada", 1)
    checkout._tax_locations.forget()
    shop.buy("bob", 1)
    assert len(calls(shop, LOCATIONS)) == 1
    checkout._tax_locations.forget()
    place(shop, address="2 Main Street")
    shop.buy("cem", 1)
    assert len(calls(shop, LOCATIONS)) == 2, "another address has another location"


@pytest.mark.parametrize("failure", ["refused", "unavailable"])
def test_without_a_calculation_nothing_is_opened_and_the_hold_stays(shop, account, failure):
    reservation = shop.reserve()
    if failure == "refused":
        shop.fake.set_up_tax(is_active=False, account=account)
    else:
        shop.fake.fail_next_request("POST", CALCULATIONS, status=500, times=3)
    refused = shop.request_checkout(reservation)
    expected = {"refused": "tax_not_calculated", "unavailable": "payment_provider_unavailable"}[failure]
    assert (refused.status, refused.json["error"]) == (503, expected)
    assert calls(shop, INTENTS) == []
    assert shop.load_purchase(reservation).is_active(shop.time.now)
    shop.fake.set_up_tax(is_active=True, account=account)
    user = {"refused": "bob", "unavailable": "ada"}[failure]  # Stripe repeats a refusal for the same purchase
    session = shop.request_checkout(shop.reserve(user) if failure == "refused" else reservation, user)
    assert taxes(session.json) == [("17.71", 10_000, 1505)]
    shop.pay(session.json)
    assert shop.confirm(session.json, user).status == 201


def test_a_lost_answer_is_asked_for_again_and_the_calculation_is_the_same(shop, account):
    shop.fake.lose_next_response("POST", CALCULATIONS)
    session = shop.open_checkout()
    assert len(shop.fake.objects("tax.calculation", account=account)) == 1
    assert taxes(session) == [("17.71", 10_000, 1505)]


@pytest.mark.parametrize("fields", [{"amount_tax": 10_001}, {"amount": 9999}, {"amount_tax": -1}])
def test_an_implausible_calculation_sells_nothing(shop, account, monkeypatch, fields):
    from devtools.stripe import tax

    calculated = tax._line_item
    monkeypatch.setattr(tax, "_line_item", lambda *given: calculated(*given) | fields)
    refused = shop.request_checkout(shop.reserve())
    assert (refused.status, refused.json["error"]) == (503, "tax_not_calculated")
    assert calls(shop, INTENTS) == []


def test_an_event_without_its_address_sells_nothing(shop, account):
    """Changes of an event on sale that would remove its address are refused, but an event may have been on sale without one before."""
    refused = place(shop, postal_code=None)
    assert (refused.status, refused.json["rule"], refused.json["path"]) == (400, "tax_address_needed", "$.postal_code")
    shop.event_id, shop.tier_id = builders.create_shop(shop.api)
    with settings.override(automatic_tax="on"):
        refused = shop.request_checkout(shop.reserve())
        assert (refused.status, refused.json["error"]) == (503, "tax_not_calculated")
        body = {"event_id": shop.event_id, "name": "Box", "price_cents": 9000, "capacity": 4}
        refused = shop.api.post("/admin/tiers", json=body, token=builders.admin_token())
    assert (refused.status, refused.json["rule"], refused.json["path"]) == (400, "tax_address_needed", "$.price_cents")


def test_the_shop_can_have_automatic_taxes_too(shop):
    place(shop)
    with settings.override(automatic_tax="on"):
        session = shop.open_checkout()
    assert taxes(session) == [("17.71", 10_000, 1505)]
    assert calls(shop, CALCULATIONS) == [None]
    shop.pay(session)
    assert shop.confirm(session).status == 201, "the order keeps its taxes if the choice changes"
    assert taxes(shop.api.get(f"/orders/{session['id']}", user="ada").json["order"]) == [("17.71", 10_000, 1505)]


def test_the_hosted_page_is_refused_by_name(shop, account):
    with settings.override(checkout_origins="https://shop.test"):
        refused = shop.request_checkout(shop.reserve(), page="hosted", success_url="https://shop.test/done")
        assert (refused.status, refused.json["rule"], refused.json["path"]) == (400, "automatic_tax_own_page", "$.page")
        session = shop.request_checkout(shop.reserve("bob"), "bob", page="either", success_url="https://shop.test/done")
    assert session.status == 201
    assert "url" not in session.json["payment"]


def test_other_providers_that_calculate_no_taxes_are_refused_and_never_the_default(shop, account):
    with settings.override(payment_provider="mollie", mollie_api_key="test_key"):
        refused = shop.request_checkout(shop.reserve("bob"), "bob", provider="mollie")
        assert (refused.status, refused.json["error"]) == (400, "payment_provider_not_offered")
    shop.remove_account()
    with settings.override(payment_provider="mollie", mollie_api_key="test_key"):
        session = shop.open_checkout()
    assert (session["payment"]["provider"], taxes(session)) == ("stripe", [("17.71", 10_000, 1505)])


def test_free_tickets_and_payments_without_stripe_ask_nobody(shop, account):
    """Free tickets have no tax. The box office, bank transfers and simulated payments have the default taxes."""
    body = {"default_taxes": [{"country": "US", "tax": {"percent": "8"}}]}
    changed = shop.api.put("/promoters/pat/default-taxes", json=body, token=builders.admin_token())
    assert changed.json == body | {"automatic_tax": True}, "a request without the field leaves it"
    builders.create_promo_code(shop.api, shop.event_id, "FREE", discount_value=100)
    free = shop.request_checkout(shop.reserve(quantity=1), promo_code="FREE")
    assert (free.status, taxes(free.json)) == (201, [])
    with settings.override(payment_simulation="on"):
        simulated = shop.request_checkout(shop.reserve("bob", 1), "bob", provider="simulated")
    assert (simulated.status, taxes(simulated.json)) == (201, [("8", 5000, 370)])
    assert calls(shop, CALCULATIONS) == calls(shop, LOCATIONS) == []


def test_where_the_seller_collects_no_tax_the_document_says_why(shop, account):
    place(shop, country="FR", region=None, postal_code="75001", city="Paris")
    session = shop.open_checkout()
    [share] = session["reservation"]["taxes"]
    assert share == {"percent": "0", "gross_cents": 10_000, "tax_cents": 0, "exempt_because": "Stripe Tax: not collecting"}


def test_a_promoter_needs_complete_addresses_first(shop):
    shop.connect_account()
    refused = turn_on(shop.api)
    assert (refused.status, refused.json["rule"], refused.json["event_id"]) == (400, "tax_address_needed", shop.event_id)
    assert not catalog.load_current().choices_of("pat").automatic_tax


def test_a_draft_needs_the_address_to_be_published(shop, account):
    admin = {"token": builders.admin_token()}
    event_id = builders.create_event(shop.api, status="draft")
    assert shop.api.patch(f"/events/{event_id}", json={"promoter_id": "pat"}, **admin).status == 200
    builders.create_tier(shop.api, event_id)
    refused = shop.api.post(f"/events/{event_id}/publish", **admin)
    assert [problem["path"] for problem in refused.json["problems"]] == ["$.postal_code"]
    assert shop.api.patch(f"/events/{event_id}", json=DENVER | {"region": None}, **admin).status == 200
    assert shop.api.post(f"/events/{event_id}/publish", **admin).status != 200, "an address in the United States needs its state"
    assert shop.api.patch(f"/events/{event_id}", json=DENVER, **admin).status == 200
    assert shop.api.post(f"/events/{event_id}/publish", **admin).status == 200


def test_a_shop_without_its_own_page_offers_no_automatic_taxes(shop):
    shop.connect_account()
    place(shop)
    with settings.override(checkout_page="hosted"):
        refused = turn_on(shop.api)
    assert (refused.status, refused.json["rule"], refused.json["path"]) == (400, "automatic_tax_not_offered", "$.automatic_tax")


def test_only_the_promoter_and_admins_choose(shop, account):
    assert turn_on(shop.api, token=builders.token("mallory", "promoter")).status == 403
    assert shop.api.get("/promoters/pat").json["automatic_tax"] is True
    [entry] = [entry for entry in audit.list_entries("promoter#pat") if entry.action == "promoter.taxes_changed"]
    assert {name: change.after for name, change in entry.changes.items()} == {"automatic_tax": True}


def test_the_card_of_a_ballot_is_charged_with_calculated_taxes(shop, time):
    """The sweep opens this payment. It also makes the location, if the offer is the first payment at the address."""
    shop.event_id, shop.tier_id = create_ballot(shop.api, time, capacity=1, ballot_cards="required")
    place(shop)
    register(shop.api, shop.event_id, "ada")
    save_card(shop, "ada")
    with settings.override(automatic_tax="on"):
        draw(shop.api, time, "ada")
        finish(shop, shop.event_id)
    order = purchase_of(shop, "ada")
    assert (order.state, taxes(shop.api.get(f"/orders/{order.id}", user="ada").json["order"])) == ("paid", [("17.71", 5000, 752)])
    assert reported(shop, {"id": order.id}) == 752
    assert [(request.method, request.route) for request in shop.fake.request_log].count(("POST", LOCATIONS)) == 1


def test_a_resold_ticket_has_taxes_of_its_own_and_the_seller_gets_them_back(shop, account):
    changes = {"returns": {"policy": "resale"}, "starts_at": clock.iso(shop.time.now + 39_600)}
    assert shop.api.patch(f"/events/{shop.event_id}", json=changes, token=builders.admin_token()).status == 200
    sold = shop.buy("ada", 1)
    assert shop.api.post(f"/orders/{sold}/resale", json={}, user="ada").status == 200
    item = {"tier_id": shop.tier_id, "quantity": 1, "resale_price_cents": 5000}
    reservation = shop.api.post(f"/events/{shop.event_id}/reservations", json={"items": [item]}, user="bob")
    session = shop.request_checkout(reservation.json["id"], "bob").json
    assert taxes(session) == [("17.71", 5000, 752)]
    shop.pay(session)
    assert shop.confirm(session, "bob").status == 201
    builders.run_sweep()
    shop.fake.deliver()
    [totals] = ledger.statement(shop.event_id)
    assert [share.tax_cents for share in totals.taxes] == [752]
    assert (reported(shop, session), reported(shop, {"id": sold})) == (752, 0)


@pytest.mark.not_on_moto  # the streams wake the follower
def test_an_invoice_and_its_credit_note_have_the_calculated_taxes(shop, account):
    seller = {"name": "Pat Ltd", "address": "1 Harbor Street", "tax_id": "PT501234567"}
    profile = {"name": "Pat", "verified": True, "invoices": seller}
    assert shop.api.put("/promoters/pat", json=profile, token=builders.admin_token()).status == 200
    builders.create_promo_code(shop.api, shop.event_id, "SAVE", discount_value=70)
    session = shop.open_checkout(promo_code="SAVE")
    shop.pay(session)
    assert shop.confirm(session).status == 201
    builders.refund(shop.api, session["id"], tickets=[f"{session['id']}-1"])
    builders.project_changes()
    listed = shop.api.get("/promoters/pat/invoices", token=builders.token("pat", "promoter")).json["invoices"]
    assert sorted((invoice["total_cents"], invoice["tax_cents"]) for invoice in listed) == [(-1500, -226), (3000, 452)]
