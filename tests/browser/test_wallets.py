"""Buttons for wallets below a ticket, and a rotating code at the door with and without a network."""

import pytest
from playwright.sync_api import expect

from chalicelib.foundation import settings
from chalicelib.tickets import qr, signature
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.addons.wallets import fakes
from tests.browser.doors import door, new_staff  # noqa: F401

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


@pytest.fixture
def google_wallet():
    """A stage that puts tickets into Google Wallet."""
    with settings.override(google_wallet_issuer=fakes.ISSUER):
        yield


def rotating_code(ticket, at):
    """The text of the code that a ticket's wallet shows at a time (epoch seconds)."""
    return qr.rotating_text(ticket, signature.totp(signature.totp_key(ticket.code, ticket.qr_sig), at))


@pytest.mark.usefixtures("google_wallet")
def test_the_door_checks_the_rotation_online_and_says_without_a_network_that_it_did_not(door, time, new_staff):  # noqa: F811
    first, second, third = door.sell(quantity=3)
    staff = new_staff()
    warning = "This device could not check whether the code is current"
    staff.type(rotating_code(first, time.now - 120))
    staff.see_verdict("Old picture")
    staff.press("Next")
    staff.type(rotating_code(first, time.now))
    expect(staff.see_verdict("Come in")).not_to_contain_text(warning)
    staff.lose_network()
    staff.type(rotating_code(second, time.now - 120))
    staff.see_verdict("Come in", "Decided offline", warning)
    staff.press("Next")
    staff.type(third.code)
    expect(staff.see_verdict("Come in", "Decided offline")).not_to_contain_text(warning)
    staff.press("Next")
    staff.type(rotating_code(second, time.now))
    staff.see_verdict("Already in")
    staff.press("Next")
    staff.type(f"FG2:{third.id}:AAAABBBBCCCCDDDDEEEEFFFF:12345678")
    staff.see_verdict("Not on the list")
    staff.find_network()
    expect(staff.page.get_by_text("not sent yet")).to_have_count(0)
    assert [door.admitted(ticket) for ticket in (first, second, third)] == [1, 1, 1]


@pytest.mark.usefixtures("google_wallet")
def test_a_device_at_the_door_keeps_no_secrets_of_tickets(door, time, new_staff):  # noqa: F811
    tickets = door.sell(quantity=2)
    staff = new_staff()
    staff.type(rotating_code(tickets[0], time.now))
    staff.see_verdict("Come in")
    staff.wait_until_kept()
    kept = staff.kept_text()
    assert all(ticket.id in kept for ticket in tickets)
    for ticket in tickets:
        key = signature.totp_key(ticket.code, ticket.qr_sig)
        secrets = (ticket.code, ticket.qr_sig, key.hex(), signature.wallet_fixed_part(ticket.code, ticket.qr_sig))
        assert [secret for secret in secrets if secret in kept] == []
