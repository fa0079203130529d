"""Connected accounts: onboarding, restriction, calls for an account, application fees, and the webhooks of accounts."""

import json

import pytest
import stripe

from devtools.stripe.fake import CONNECT_WEBHOOK_SECRET, FakeStripe
from tests.devtools.stripe.browser import visit
from tests.devtools.stripe.sdk_shop import SdkShop
from tests.devtools.stripe.webhook_inbox import WebhookInbox, verified_event

BACK = "https://shop.test/profile"


def create_account(shop: SdkShop, **params):
    return shop.client.v1.accounts.create({"type": "standard", "metadata": {"promoter_id": "pat"}, **params})


def create_link(shop: SdkShop, account_id: str, **params):
    urls = {"refresh_url": f"{BACK}?again", "return_url": BACK}
    return shop.client.v1.account_links.create({"account": account_id, "type": "account_onboarding", **urls, **params})


@pytest.fixture
def account(shop: SdkShop, fake):
    """An account that takes payments."""
    return fake.complete_onboarding(create_account(shop).id)["id"]


def pay(shop: SdkShop, account: str, fee: int | None = 500, **params):
    """Pay 50.00 on an account, with an application fee."""
    params |= {"amount": 5000, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"}
    params |= {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    params |= {} if fee is None else {"application_fee_amount": fee}
    return shop.intents.create(params, {"stripe_account": account})


def net(fake, account: str | None) -> int:
    return sum(moved["net"] for moved in fake.objects("balance_transaction", account=account))


def test_a_new_account_lacks_what_stripe_needs_and_takes_no_payments(shop):
    account = create_account(shop, type="express", capabilities={"card_payments": {"requested": True}})
    assert (account.type, account.metadata.to_dict(), account.capabilities.card_payments) == ("express", {"promoter_id": "pat"}, "inactive")
    assert (account.charges_enabled, account.payouts_enabled, account.details_submitted) == (False, False, False)
    assert account.requirements.currently_due == ["business_profile.url", "external_account", "tos_acceptance.date"]
    with pytest.raises(stripe.InvalidRequestError, match="cannot currently make charges"):
        pay(shop, account.id)


def test_its_owner_completes_it_on_the_page_of_a_link(shop):
    account = create_account(shop)
    later = create_link(shop, account.id).url
    assert "Set up your account" in visit(later)[1]
    assert visit(later, outcome="later")[2] == BACK
    assert not shop.client.v1.accounts.retrieve(account.id).charges_enabled
    assert visit(later)[0] == 404, "a link works once"
    assert visit(create_link(shop, account.id).url, outcome="complete")[2] == BACK
    completed = shop.client.v1.accounts.retrieve(account.id)
    assert (completed.charges_enabled, completed.details_submitted, completed.requirements.currently_due) == (True, True, [])


def test_an_old_link_leads_back_to_the_shop_for_a_new_one(shop, clock):
    link = create_link(shop, create_account(shop).id)
    clock.advance(301)
    assert link.expires_at < clock.now
    assert visit(link.url)[2] == f"{BACK}?again"


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"account": "acct_nobody"}, "No such account"), ({"type": "account_update"}, "only create `account_onboarding`")],
)
def test_links_that_stripe_refuses(shop, changes, message):
    with pytest.raises(stripe.InvalidRequestError, match=message):
        create_link(shop, create_account(shop).id, **changes)


def test_objects_belong_to_the_account_for_which_they_were_made(shop, fake, account):
    on_account, own = pay(shop, account), shop.pay()
    other = fake.complete_onboarding(create_account(shop).id)["id"]
    for options, visible, hidden in (({"stripe_account": account}, on_account, own), ({}, own, on_account)):
        assert [intent.id for intent in shop.intents.list({}, options).data] == [visible.id]
        assert shop.intents.retrieve(visible.id, {"expand": ["latest_charge"]}, options).latest_charge.paid
        with pytest.raises(stripe.InvalidRequestError) as missing:
            shop.intents.retrieve(hidden.id, {}, options)
        assert missing.value.code == "resource_missing"
    for kind in (shop.intents, shop.charges, shop.refunds, shop.disputes, shop.events):
        made = [] if kind is not shop.events else ["account.updated"]
        assert [found.type for found in kind.list({}, {"stripe_account": other}).data] == made


def test_an_idempotency_key_is_an_accounts_own(shop, account):
    params = {"amount": 5000, "currency": "usd"}
    ids = {shop.intents.create(params, {"idempotency_key": "one", "stripe_account": whose}).id for whose in (account, None, account, None)}
    assert len(ids) == 2


def test_a_disconnected_or_unknown_account_cannot_be_called(shop, fake, account):
    fake.revoke_access(account)
    for account_id in (account, "acct_nobody"):
        with pytest.raises(stripe.PermissionError) as refused:
            shop.intents.list({}, {"stripe_account": account_id})
        assert (refused.value.http_status, refused.value.error.code) == (403, "account_invalid")
        with pytest.raises(stripe.PermissionError):
            shop.client.v1.accounts.retrieve(account_id)
    assert [event["type"] for event in fake.events(account=account)][-1] == "account.application.deauthorized"


def test_a_restricted_account_takes_no_payments_until_it_is_completed(shop, fake, account):
    restricted = fake.restrict_account(account, "requirements.past_due", ["individual.id_number"])
    assert (restricted["charges_enabled"], restricted["requirements"]["disabled_reason"]) == (False, "requirements.past_due")
    assert shop.client.v1.accounts.retrieve(account).requirements.past_due == ["individual.id_number"]
    with pytest.raises(stripe.InvalidRequestError, match="cannot currently make charges"):
        pay(shop, account)
    fake.complete_onboarding(account)
    assert pay(shop, account).status == "succeeded"


def test_the_platform_gets_its_fee_from_the_charge(shop, fake, account):
    intent = pay(shop, account, fee=500)
    charge = shop.charges.retrieve(intent.latest_charge, {"expand": ["balance_transaction"]}, {"stripe_account": account})
    [fee] = shop.client.v1.application_fees.list().data
    assert (charge.application_fee, charge.application_fee_amount) == (fee.id, 500)
    assert (fee.amount, fee.account, fee.charge, fee.amount_refunded) == (500, account, charge.id, 0)
    assert charge.balance_transaction.net == 5000 - 175 - 500
    assert {detail.type: detail.amount for detail in charge.balance_transaction.fee_details} == {"stripe_fee": 175, "application_fee": 500}
    assert (net(fake, account), net(fake, None)) == (4325, 500)


@pytest.mark.parametrize(("amounts", "returned"), [([5000], [500]), ([1000, 4000], [100, 500]), ([1, 4999], [0, 500])])
def test_a_refund_returns_the_fees_share(shop, fake, account, amounts, returned):
    intent = pay(shop, account, fee=500)
    for amount, total in zip(amounts, returned, strict=True):
        params = {"payment_intent": intent.id, "amount": amount, "refund_application_fee": True}
        assert shop.refunds.create(params, {"stripe_account": account}).status == "succeeded"
        assert shop.client.v1.application_fees.list().data[0].amount_refunded == total
    assert net(fake, account) == -175
    assert net(fake, None) == 0


def test_a_refund_without_the_fee_leaves_it_with_the_platform(shop, fake, account):
    shop.refunds.create({"payment_intent": pay(shop, account, fee=500).id}, {"stripe_account": account})
    assert (net(fake, account), net(fake, None)) == (-675, 500)


def test_the_platform_returns_a_fee_by_hand(shop, fake, account):
    pay(shop, account, fee=500)
    [fee] = shop.client.v1.application_fees.list().data
    refunds = shop.client.v1.application_fees.refunds
    first, rest = refunds.create(fee.id, {"amount": 100}), refunds.create(fee.id)
    assert [refund.amount for refund in refunds.list(fee.id).data] == [rest.amount, first.amount] == [400, 100]
    assert (net(fake, account), net(fake, None)) == (4825, 0)
    with pytest.raises(stripe.InvalidRequestError, match="greater than the fee that is left"):
        refunds.create(fee.id, {"amount": 1})


def test_fees_that_stripe_refuses(shop, account):
    with pytest.raises(stripe.InvalidRequestError, match="direct payment"):
        shop.create_intent(application_fee_amount=100)
    with pytest.raises(stripe.InvalidRequestError, match="may not exceed"):
        pay(shop, account, fee=5001)
    intent = pay(shop, account, fee=None)
    with pytest.raises(stripe.InvalidRequestError, match="no application fee"):
        shop.refunds.create({"payment_intent": intent.id, "refund_application_fee": True}, {"stripe_account": account})


def test_a_hosted_page_and_what_banks_do_belong_to_the_account(shop, fake, account):
    line = {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 5000, "product_data": {"name": "Standing"}}}
    params = {"mode": "payment", "line_items": [line], "success_url": BACK, "payment_intent_data": {"application_fee_amount": 500}}
    session = shop.sessions.create(params, {"stripe_account": account})
    assert fake.pay_session(session.id)["status"] == "complete"
    [charge] = fake.objects("charge", account=account)
    dispute = fake.create_dispute(charge["id"])
    assert shop.disputes.retrieve(dispute["id"], {}, {"stripe_account": account}).status == "needs_response"
    assert fake.close_dispute(dispute["id"], won=True)["status"] == "won"
    assert fake.create_payout(account=account)["amount"] == 5000 - 175 - 500
    assert (shop.disputes.list().data, fake.objects("payout")) == ([], [])


def test_each_account_has_a_balance_that_becomes_available(shop, fake, account, clock):
    pay(shop, account, fee=500)

    def balance(options):
        shown = shop.client.v1.balance.retrieve({}, options)
        return [[(funds.amount, funds.currency) for funds in part] for part in (shown.available, shown.pending)]

    on_account = {"stripe_account": account}
    assert balance(on_account) == [[(0, "usd")], [(4325, "usd")]]
    clock.advance(2 * 86_400)
    assert balance(on_account) == [[(4325, "usd")], [(0, "usd")]]
    fake.create_payout(account=account)
    assert balance(on_account) == [[(0, "usd")], [(0, "usd")]]
    assert balance({}) == [[(500, "usd")], [(0, "usd")]]


@pytest.mark.usefixtures("sdk_clock")
def test_endpoints_get_the_events_of_accounts_or_those_of_the_platform(shop, fake, account, inbox):
    connected = WebhookInbox()
    fake.add_webhook_endpoint(connected, connect=True)
    pay(shop, account)
    shop.pay()
    fake.deliver()
    accounts = [{json.loads(body).get("account") for body, _ in box.received} for box in (inbox, connected)]
    assert accounts == [{None}, {account}]
    assert "application_fee.created" in inbox.event_types
    assert "payment_intent.succeeded" in connected.event_types
    assert verified_event(connected.received[0], CONNECT_WEBHOOK_SECRET).account == account


def test_accounts_survive_a_restart(tmp_path, clock):
    journal = tmp_path / "journal.jsonl"
    with FakeStripe(clock=clock, journal=journal) as fake:
        shop = SdkShop(fake)
        account = fake.complete_onboarding(create_account(shop).id)["id"]
        intent = pay(shop, account)
    with FakeStripe(clock=clock, journal=journal) as fake:
        again = SdkShop(fake)
        assert again.intents.retrieve(intent.id, {}, {"stripe_account": account}).status == "succeeded"
        assert again.intents.list().data == []
