"""A promoter connects an account at the payment provider, and sees its state, its balance and its payouts, in both languages."""

import re

import pytest
from playwright.sync_api import expect

from chalicelib.catalog import service as catalog
from tests import builders
from tests.browser.managers import Manager
from tests.stripe_shop import open_shop, sdk_client

PROFILE = "/manage/profile"


@pytest.mark.parametrize(
    ("locale", "connect", "resume", "active", "restricted", "balance"),
    [
        ("en-US", "Connect a Stripe account", "Continue at Stripe", "pay into your Stripe account", "are paused", "Balance:"),
        ("es-ES", "Conectar una cuenta de Stripe", "Seguir en Stripe", "pagan a tu cuenta de Stripe", "está en pausa", "Saldo:"),
    ],
)
def test_a_promoter_connects_an_account(new_buyer, api, time, locale, connect, resume, active, restricted, balance):
    page = new_buyer().page
    manager = Manager(page, api, time)
    manager.sign_up()
    promoter_id = api.get("/auth/me", token=manager.token).json["id"]
    profile = {"name": "Nova Nights", "verified": True}
    assert api.put(f"/promoters/{promoter_id}", json=profile, token=builders.admin_token()).status == 200
    page = new_buyer(locale=locale, storage_state=page.context.storage_state()).page
    with open_shop(api, time, connected_accounts="standard", application_fee_cents=100) as shop:
        page.goto(PROFILE)
        page.get_by_role("button", name=connect).wait_for()
        page.get_by_role("button", name=connect).click()
        page.wait_for_url(re.compile("/setup/"))
        page.goto(PROFILE)
        page.get_by_role("button", name=resume).wait_for()
        expect(page.get_by_text("external_account")).to_be_visible()
        account = catalog.load_current().accounts[promoter_id].id
        shop.fake.complete_onboarding(account)
        page.reload()
        expect(page.get_by_text(active)).to_be_visible()
        assert api.patch(f"/events/{shop.event_id}", json={"promoter_id": promoter_id}, token=builders.admin_token()).status == 200
        shop.account = account
        shop.browser = sdk_client(shop.fake, shop.fake.publishable_key, account)
        shop.buy("ada", 2)
        shop.fake.finish_payout(shop.fake.create_payout(account=account)["id"], arrives=True)
        page.reload()
        expect(page.get_by_role("listitem").filter(has_text="·")).to_be_visible()
        expect(page.get_by_text(balance)).to_be_visible()
        page.goto(f"/manage/events/{shop.event_id}/sales")
        page.get_by_role("button", name="PDF").wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name=re.compile("PDF")).click()
        assert download.value.suggested_filename == f"{shop.event_id}-statement.pdf"
        shop.fake.restrict_account(account)
        page.goto(PROFILE)
        expect(page.get_by_text(restricted)).to_be_visible()
