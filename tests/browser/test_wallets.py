"""Buttons for wallets below a ticket, and a rotating code at the door without a network."""

from playwright.sync_api import expect

from chalicelib.foundation import settings
from tests import builders
from tests.addons.wallets import fakes

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"


def buy(new_buyer, api, **options):
    event_id = builders.create_event(api, "Night", venue="Hall")
    builders.create_tier(api, event_id)
    buyer = new_buyer(**options)
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose("Floor", 2)
    buyer.pay()
    buyer.see_tickets(2)
    return buyer


def test_each_phone_gets_the_button_of_its_wallet(new_buyer, api, time):
    google = {"google_wallet_issuer": fakes.ISSUER, "google_wallet_key": fakes.google_key("https://google.test")}
    with settings.override(**google, **fakes.apple_settings()):
        for agent, shown, other in ((IPHONE, "Apple", "Google"), (ANDROID, "Google", "Apple")):
            buyer = buy(new_buyer, api, user_agent=agent, viewport={"width": 390, "height": 844})
            expect(buyer.page.get_by_role("button", name=f"Add to {shown} Wallet")).to_have_count(2)
            expect(buyer.page.get_by_role("button", name=f"Add to {other} Wallet")).to_have_count(0)


def test_the_file_for_apple_wallet_is_downloaded(new_buyer, api, time):
    with settings.override(**fakes.apple_settings()):
        buyer = buy(new_buyer, api)
        with settings.override(shop_url=buyer.page.url.partition("/tickets")[0]), buyer.page.expect_download() as download:
            buyer.page.get_by_role("button", name="Add to Apple Wallet").first.click()
        assert download.value.suggested_filename.endswith(".pkpass")


def test_a_shop_without_wallets_shows_no_button(new_buyer, api, time):
    buyer = buy(new_buyer, api)
    expect(
        buyer.page.get_by_role("button", name="Make a transfer link").or_(buyer.page.get_by_text("Add to calendar")).first
    ).to_be_visible()
    expect(buyer.page.get_by_role("button", name="Add to")).to_have_count(0)
