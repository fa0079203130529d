"""Payments for purchases and checkouts that another region has lost: which of them get tickets, and which become open cases."""

import pytest
from msgspec.structs import replace

from chalicelib.catalog.model import RegionClaim
from chalicelib.catalog.snapshots import claim_sales
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import memory, settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.store import ShardRow, scan_shards
from chalicelib.purchases import store
from chalicelib.purchases.store import BuyerRow, PurchaseRow
from infra import region_recovery
from tests.reconciliation.comparing import compare_last_hour, list_findings, recheck
from tests.stripe_shop import sdk_client

FEE = {"application_fee_cents": 100, "application_fee_basis_points": 250}  # for two tickets of 50.00: 2.00 + 2.50


@pytest.fixture(autouse=True)
def standby(api, time):
    """Let the stage have a standby, and sell in the current region."""
    region = settings.current().region
    with settings.override(regions=f"{region},eu-west-1,eu-west-3", **FEE):
        claim_sales([region], RegionClaim(region, 1, 0, is_alone=True), time.now + 86_400)
        memory.forget_everything()
        yield


def lose_checkout(purchase_id):
    """Let the store have only the reservation, as if the checkout had not been copied to this region."""
    dynamo.update_now(PurchaseRow(purchase_id), [PurchaseRow.state.set("held"), PurchaseRow.payment.remove()])
    memory.forget_everything()


def lose_purchase(purchase_id):
    """Let the store have no part of a purchase."""
    purchase = store.load(purchase_id)
    inventory.release_holds(purchase.holds)
    dynamo.batch_delete([PurchaseRow(purchase_id)])
    dynamo.batch_delete([BuyerRow(purchase.user_id, purchase.event_id)])
    memory.forget_everything()


def recover(shop):
    memory.forget_everything()
    return region_recovery.recover(shop.time.now - 3600, shop.time.now, shop.time.now)


LOSSES = pytest.mark.parametrize("lose", [lose_checkout, lose_purchase])


def pay_and_lose(shop, lose):
    """Pay for two tickets, and lose the checkout or the whole purchase before any event of the payment. Returns the purchase's id."""
    session = shop.open_checkout()
    shop.pay(session)
    lose(session["id"])
    return session["id"]


def deliver(shop, via):
    """Let the shop notice all payments, by webhooks or by a comparison."""
    if via == "webhook":
        shop.fake.deliver()
    else:
        shop.lose_webhooks()
        compare_last_hour(shop)


VIAS = pytest.mark.parametrize("via", ["webhook", "comparison"])


@VIAS
@LOSSES
@pytest.mark.parametrize("has_account", [False, True])
def test_a_payment_gets_the_tickets_that_it_has_bought(shop, has_account, lose, via):
    if has_account:
        shop.connect_account()
    purchase_id = pay_and_lose(shop, lose)
    deliver(shop, via)
    assert (shop.load_purchase(purchase_id).state, shop.ticket_states(purchase_id)) == ("paid", ["valid", "valid"])
    assert shop.list_open_cases() == []


@pytest.mark.parametrize("ends_by", ["expiry", "release"])
@pytest.mark.parametrize("has_account", [False, True])
def test_a_payment_whose_checkout_is_lost_gets_the_tickets_after_the_reservation_has_ended(shop, has_account, ends_by):
    if has_account:
        shop.connect_account()
    purchase_id = pay_and_lose(shop, lose_checkout)
    if ends_by == "release":
        assert shop.api.delete(f"/reservations/{purchase_id}", user="ada").status == 200
    else:
        shop.expire_without_asking_stripe(purchase_id)
    memory.forget_everything()
    shop.fake.deliver()
    assert (shop.load_purchase(purchase_id).state, shop.ticket_states(purchase_id)) == ("paid", ["valid", "valid"])
    assert shop.list_refunds() == []


def pay_as_promoter(shop, account, purchase_id, cents=10_000, fee_cents=0, price_cents=5000, lines=None):
    """Pay on an account with the metadata of the shop's event, as only the account's owner can."""
    metadata = shop.payment_metadata(purchase_id) | {"lines": lines or f"{shop.tier_id}*2*{price_cents}"}
    body = {"amount": cents, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, "metadata": metadata}
    body |= {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    if fee_cents:
        body["application_fee_amount"] = fee_cents
    return sdk_client(shop.fake, shop.fake.api_key, account).v1.payment_intents.create(body).id


@pytest.fixture
def rival(shop):
    """The account of a promoter who does not sell the shop's event."""
    account = shop.connect_account("rival")
    shop.give_to_promoter("pat")
    shop.account = None
    return account


@VIAS
def test_a_promoter_cannot_pay_for_a_reservation_at_another_event_on_their_own_account(shop, rival, via):
    purchase_id = shop.reserve()
    pay_as_promoter(shop, rival, purchase_id, fee_cents=450)
    deliver(shop, via)
    assert shop.load_purchase(purchase_id).state == "held"


@VIAS
def test_a_promoter_cannot_invent_a_purchase_at_another_event(shop, rival, via):
    pay_as_promoter(shop, rival, "01JZQ4T8M3V6W9X2Y5A7B0C1D2", fee_cents=450)
    deliver(shop, via)
    assert list(store.scan_purchases()) == []


@VIAS
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(
    "amounts", [{"cents": 9_999, "fee_cents": 450}, {"fee_cents": 0}, {"cents": 100, "price_cents": 50, "fee_cents": 100}]
)
def test_a_payment_on_the_sellers_account_that_does_not_fit_is_an_open_case(shop, amounts, is_known, via):
    account = shop.connect_account()
    purchase_id = shop.reserve()
    if not is_known:
        lose_purchase(purchase_id)
    intent_id = pay_as_promoter(shop, account, purchase_id, **amounts)
    deliver(shop, via)
    purchase = store.load(purchase_id)
    assert purchase.state == "held" if is_known else purchase is None
    recheck(shop)
    assert list_findings(shop) == {purchase_id: f"unknown_purchase-{intent_id}"}, "it stays until the money is back"
    shop.account = account
    shop.dashboard.v1.refunds.create({"payment_intent": intent_id})
    recheck(shop)
    assert list_findings(shop) == {}
    shop.account = None


@pytest.mark.parametrize("purchase_id", ["x", "01JZQ4T8M3V6W9X2Y5A7B0C1DI", "../../etc"])
def test_a_payment_whose_purchase_id_is_not_one_of_ours_creates_no_purchase(shop, purchase_id):
    pay_as_promoter(shop, shop.connect_account(), purchase_id, fee_cents=450)
    shop.fake.deliver()
    assert list(store.scan_purchases()) == []
    shop.account = None


FORGED_LINES = {
    "one tier three times": (["{tier}*1*5000"] * 3, 15_000),
    "more tickets than a purchase may have": (["{tier}*60*5000"], 300_000),
    "more tickets than fit into memory": (["{tier}*1000000000000*5000"], 50),
    "a number without an end": (["{tier}*" + "9" * 30 + "*5000"], 50),
    "no tickets": (["{tier}*0*5000"], 50),
    "digits of another script": (["{tier}*\N{ARABIC-INDIC DIGIT TWO}*5000"], 10_000),
}


@pytest.mark.parametrize("forged", FORGED_LINES)
def test_a_promoter_cannot_invent_lines_that_no_reservation_has(shop, forged):
    lines, cents = FORGED_LINES[forged]
    account = shop.connect_account()
    with settings.override(application_fee_cents=0, application_fee_basis_points=0):
        text = " ".join(lines).format(tier=shop.tier_id)
        intent_id = pay_as_promoter(shop, account, "01JZQ4T8M3V6W9X2Y5A7B0C1D2", cents, lines=text)
        recover(shop)
        shop.fake.deliver()
        compare_last_hour(shop)
    assert list(store.scan_purchases()) == []
    assert list_findings(shop) == {"01JZQ4T8M3V6W9X2Y5A7B0C1D2": f"unknown_purchase-{intent_id}"}
    assert shop.available_tickets() == 4
    shop.account = account
    shop.dashboard.v1.refunds.create({"payment_intent": intent_id})
    shop.account = None


def test_a_payment_on_another_promoters_account_frees_no_sold_tickets_in_a_recovery(shop, rival):
    [shard] = scan_shards()
    sell = [ShardRow.sold.add(2), ShardRow.available.add(-2)]
    dynamo.update_now(ShardRow(shard.id), sell)
    pay_as_promoter(shop, rival, "01JZQ4T8M3V6W9X2Y5A7B0C1D2", fee_cents=450)
    report = recover(shop)
    assert list(report.lost_sales.values()) == [2]
    assert shop.available_tickets() == 2
    dynamo.update_now(ShardRow(shard.id), [ShardRow.sold.add(-2), ShardRow.available.add(2)])


def test_an_order_that_arrives_as_a_reservation_keeps_its_tickets_although_the_event_is_sold_out(shop):
    purchase_id = shop.buy()
    shop.buy("bob")
    lost = replace(shop.load_purchase(purchase_id).payment, status="open", payment_intent_id=None)
    dynamo.update_now(PurchaseRow(purchase_id), PurchaseRow.set_or_remove({"state": "paying", "payment": lost, "ended_at": None}))
    report = recover(shop)
    assert (shop.load_purchase(purchase_id).state, shop.ticket_states(purchase_id)) == ("paid", ["valid", "valid"])
    assert (shop.list_refunds(), report.lost_sales) == ([], {})


def test_the_seats_of_an_order_that_the_other_region_has_refunded_are_for_sale(shop):
    purchase_id = shop.buy()
    shop.lose_webhooks()
    shop.refund_in_dashboard(purchase_id, 10_000)
    report = recover(shop)
    assert (report.orders_returned, report.lost_sales, shop.available_tickets()) == ([purchase_id], {}, 4)


@LOSSES
def test_a_payment_on_the_operators_account_that_does_not_fit_is_refunded(shop, lose):
    purchase_id = shop.reserve()
    if lose is lose_purchase:
        lose_purchase(purchase_id)
    pay_as_promoter(shop, None, purchase_id, cents=9_999)
    shop.fake.deliver()
    assert shop.list_refunds() == [(9_999, "succeeded")]
