"""Promoters' accounts at the payment provider over HTTP: who may connect, see and remove them, and what they say."""

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, deadline, settings
from chalicelib.notifications import service as notifications
from chalicelib.reconciliation import jobs
from tests import builders
from tests.accounts.conftest import Mailbox
from tests.devtools.stripe.browser import visit

PATH = "/promoters/pat/payment-account"


@pytest.fixture(autouse=True)
def _accounts_on():
    with settings.override(connected_accounts="standard"):
        yield


@pytest.fixture
def pat(shop):
    """The token of a verified promoter."""
    profile = {"name": "Pat", "verified": True}
    assert shop.api.put("/promoters/pat", json=profile, token=builders.admin_token()).status == 200
    return {"token": builders.token("pat", "promoter")}


def stored():
    return catalog.load_current().accounts.get("pat")


def test_a_promoter_connects_an_account_and_completes_it_at_stripe(shop, pat):
    before = shop.api.get(PATH, **pat).json
    assert (before["state"], before["account_id"], before["can_connect"]) == ("none", None, True)
    link = shop.api.post(PATH, **pat).json
    shown = shop.api.get(PATH, **pat).json
    assert (shown["state"], shown["takes_payments"], shown["account_id"]) == ("pending", False, stored().id)
    assert "external_account" in shown["missing"]
    assert visit(link["url"], outcome="complete")[2] == f"{settings.current().shop_url}/manage/profile"
    shown = shop.api.get(PATH, **pat).json  # before any webhook
    assert (shown["state"], shown["takes_payments"], shown["gets_payouts"], shown["missing"]) == ("active", True, True, [])
    assert stored().state == "active"
    changes = [entry.changes["state"] for entry in audit.list_entries("promoter#pat") if entry.action == "promoter.account_changed"]
    assert [(change.before, change.after) for change in changes] == [("pending", "active"), (None, "pending")]


def test_a_repeated_request_continues_with_the_same_account(shop, pat):
    links = [shop.api.post(PATH, **pat).json["url"] for _ in range(2)]
    assert len(set(links)) == 2
    assert len(shop.fake.objects("account")) == 1


def test_a_crash_after_stripe_has_made_the_account_leaves_one_account(shop, pat):
    shop.fake.fail_next_request("POST", "/v1/accounts", status=500, times=3, execute=True)
    assert shop.api.post(PATH, **pat).status == 503
    assert shop.api.post(PATH, **pat).status == 200
    assert len(shop.fake.objects("account")) == 1


@pytest.mark.parametrize("kind", ["standard", "express"])
def test_the_setting_decides_the_kind_of_account(shop, pat, kind):
    with settings.override(connected_accounts=kind):
        shop.api.post(PATH, **pat)
    [account] = shop.fake.objects("account")
    assert (account["type"], set(account["capabilities"])) == (kind, {"card_payments", "transfers"} if kind == "express" else set())
    assert account["metadata"] == {"promoter_id": "pat", "namespace": settings.current().provider_namespace}


def test_where_accounts_are_off_nobody_connects_one_but_those_that_exist_go_on(shop, pat):
    with settings.override(connected_accounts="off"):
        refused = shop.api.post(PATH, **pat)
        assert (refused.status, refused.json["error"]) == (409, "payment_accounts_not_offered")
        assert shop.api.get(PATH, **pat).json["can_connect"] is False
    shop.api.post(PATH, **pat)
    with settings.override(connected_accounts="off"):
        assert shop.api.post(PATH, **pat).status == 200
        assert shop.api.get(PATH, **pat).json["state"] == "pending"


def test_only_verified_promoters_connect_accounts(shop):
    shop.api.put("/promoters/pat", json={"name": "Pat"}, token=builders.admin_token())
    refused = shop.api.post(PATH, token=builders.token("pat", "promoter"))
    assert (refused.status, refused.json["error"]) == (403, "forbidden")
    assert shop.fake.objects("account") == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_another_promoter_sees_and_connects_nothing(shop, pat, method):
    shop.api.post(PATH, **pat)
    assert getattr(shop.api, method)(PATH, token=builders.token("eve", "promoter")).status == 403


def test_only_admins_remove_an_account(shop, pat):
    """A stolen session of a promoter must not lead the money elsewhere."""
    shop.api.post(PATH, **pat)
    assert shop.api.delete(PATH, **pat).status == 403
    removed = shop.api.delete(PATH, token=builders.admin_token()).json
    assert (removed["state"], removed["account_id"], removed["can_connect"]) == ("removed", None, True)
    first = stored().id
    shop.api.post(PATH, **pat)
    assert (stored().state, stored().former_ids) == ("pending", [first])
    assert shop.api.delete("/promoters/eve/payment-account", token=builders.admin_token()).json["state"] == "none"


def test_the_promoter_gets_an_email_at_every_address_about_each_link_to_the_account(shop, pat, monkeypatch):
    """Otherwise, somebody with a stolen session could connect an account, or finish one, and the money would go there unseen."""
    mailbox, admin = Mailbox(), {"token": builders.admin_token()}
    monkeypatch.setattr(notifications, "send", lambda draft, **_: bool(mailbox.mails.append(draft.compose())) or True)
    accounts.create_account(Account(user_id="pat", email="pat@example.com", roles=("user",), created_at=shop.time.now), "seven grey owls")
    assert shop.api.put("/promoters/pat", json={"name": "Pat", "email": "Office@example.com"}, **admin).status == 200
    for _ in range(2):
        assert shop.api.post(PATH, **pat, headers={"Accept-Language": "es"}).status == 200
    assert [(mail.kind, mail.to) for mail in mailbox.mails] == [
        ("payment_account_link", "Office@example.com"),
        ("payment_account_link", "pat@example.com"),
    ] * 2
    assert mailbox.mails[-1].subject == "Cuenta de cobro de tus eventos"
    assert shop.api.put("/promoters/pat", json={"name": "Pat", "email": "PAT@example.com"}, **admin).status == 200
    assert shop.api.post(PATH, **admin).status == 200
    assert [mail.to for mail in mailbox.mails[4:]] == ["pat@example.com"]


def test_until_it_is_complete_buyers_pay_to_the_operator(shop):
    account = shop.start_onboarding()
    shop.buy()
    assert (len(shop.fake.objects("charge")), shop.fake.objects("charge", account=account)) == (1, [])


def test_a_promoter_sees_the_payouts_of_the_own_account_only(shop):
    path, pat = "/promoters/pat/payouts", {"token": builders.token("pat", "promoter")}
    assert shop.api.get(path, **pat).json["payouts"] == []
    account = shop.connect_account()
    shop.buy()
    made = shop.fake.create_payout(account=account)
    page = shop.api.get(path, **pat).json
    assert [(payout["id"], payout["amount_cents"]) for payout in page["payouts"]] == [(made["id"], made["amount"])]
    assert (page["provider"], page["findings"]) == ("stripe", None)
    assert page["balances"] == [{"currency": "USD", "available_cents": 0, "pending_cents": 0}]
    shop.buy("bob", 1)
    [balance] = shop.api.get(path, **pat).json["balances"]
    assert balance == {"currency": "USD", "available_cents": 0, "pending_cents": 4825}
    assert shop.api.get("/admin/payouts", token=builders.admin_token()).json["payouts"] == []
    assert shop.api.get(path, token=builders.token("eve", "promoter")).status == 403


def test_payouts_of_an_account_are_compared_up_to_its_own_time(shop, monkeypatch):
    monkeypatch.setattr(deadline, "wait", lambda seconds: None)  # before a refused call is repeated
    account = shop.connect_account()
    shop.buy()
    shop.fake.create_payout(account=account)
    jobs.compare_books(shop.time.now)
    compared_until = clock.iso(jobs.load_last_run().until)
    shop.fake.refuse_calls(account, 429)
    shop.time.advance(3600)
    jobs.compare_books(shop.time.now)
    shop.fake.refuse_calls(account, None)
    page = shop.api.get("/promoters/pat/payouts", token=builders.token("pat", "promoter")).json
    assert (page["compared_until"], page["payouts"][0]["is_compared"]) == (compared_until, False)
    jobs.compare_books(shop.time.now)
    page = shop.api.get("/promoters/pat/payouts", token=builders.token("pat", "promoter")).json
    assert (page["compared_until"], page["payouts"][0]["is_compared"]) == (clock.iso(jobs.load_last_run().until), True)


def test_the_fee_is_shown(shop, pat):
    with settings.override(application_fee_cents=50, application_fee_basis_points=250):
        shown = shop.api.get(PATH, **pat).json
    assert (shown["fee_cents"], shown["fee_basis_points"]) == (50, 250)


def test_a_silent_provider_is_reported(shop, pat):
    shop.api.post(PATH, **pat)
    shop.fake.fail_next_request("GET", "/v1/accounts/*", status=500, should_retry=False)
    assert shop.api.get(PATH, **pat).json["error"] == "payment_provider_unavailable"


@pytest.mark.parametrize("price_cents", [5000, 0])
def test_where_the_setting_requires_an_account_paid_events_are_published_only_with_one(shop, pat, price_cents):
    draft = shop.api.post("/events", json={"name": "New", "venue": "Hall", "starts_at": "2030-01-01T20:00:00Z"}, **pat).json
    shop.api.post(f"/events/{draft['id']}/tiers", json={"name": "Standing", "price_cents": price_cents, "capacity": 4}, **pat)
    path = f"/events/{draft['id']}/publish"
    with settings.override(connected_account_required="on"):
        if price_cents:
            refused = shop.api.post(path, **pat)
            assert [problem["path"] for problem in refused.json["problems"]] == ["$.promoter_id"]
            shop.api.post(PATH, **pat)
            assert shop.api.post(path, **pat).status == 409, "the account is not complete"
            shop.fake.complete_onboarding(stored().id)
            shop.api.get(PATH, **pat)
        assert shop.api.post(path, **pat).status == 200


def test_where_the_setting_requires_an_account_no_money_of_a_promoters_event_goes_to_the_operator(shop, pat):
    """A free event is published, then gets tickets that cost money; and an account is removed while tickets are on sale."""
    shop.connect_account()
    draft = shop.api.post("/events", json={"name": "Free", "venue": "Hall", "starts_at": "2030-01-01T20:00:00Z"}, **pat).json
    tiers = f"/events/{draft['id']}/tiers"
    tier = shop.api.post(tiers, json={"name": "Standing", "price_cents": 0, "capacity": 4}, **pat).json
    assert shop.api.post(f"/events/{draft['id']}/publish", **pat).status == 200
    reserved = shop.reserve()
    shop.remove_account()
    shop.account = None
    with settings.override(connected_account_required="on"):
        added = shop.api.post(tiers, json={"name": "Seated", "price_cents": 5000, "capacity": 4}, **pat)
        changed = shop.api.patch(f"/tiers/{tier['id']}", json={"price_cents": 5000}, **pat)
        for refused in (added, changed):
            assert (refused.json["path"], refused.json["rule"]) == ("$.price_cents", "account_needed"), refused.json
        assert shop.api.patch(f"/tiers/{tier['id']}", json={"name": "Floor"}, **pat).status == 200
        refused = shop.request_checkout(reserved)
        assert (refused.status, refused.json["error"]) == (403, "event_paused")
    assert shop.request_checkout(reserved).status == 201
