"""Lost tickets in a real browser: a mailed link shows them on another device."""

import json

from playwright.sync_api import expect

from chalicelib.purchases import guest_orders, store
from tests import invariants
from tests.accounts.conftest import Mailbox, mailbox  # noqa: F401
from tests.browser.test_accounts import buy, event_id  # noqa: F401


def test_a_guests_tickets_are_found_on_another_device(new_buyer, time, event_id, mailbox: Mailbox):  # noqa: F811
    phone, other = new_buyer(), new_buyer()
    buy(phone, event_id, 2)
    other.page.goto("/tickets")
    other.follow("Find my tickets")
    other.page.get_by_label("Email address").fill("Guest@example.com")
    other.press("Send the link")
    other.see("We have sent an email to Guest@example.com")
    other.page.goto("/")
    other.page.goto(f"/find-tickets#token={mailbox.token('find_tickets')}")
    other.press("Find my tickets")
    expect(other.heading("2 tickets")).to_be_visible()
    expect(other.heading("Find my tickets")).to_be_focused()
    expect(other.page.get_by_role("img", name="QR code of ticket")).to_have_count(2)
    [order_id] = store.list_ids_of_address("guest@example.com", 2)
    other.page.goto("/")
    other.page.goto(f"/find-tickets#token={guest_orders.order_token(order_id, 'guest@example.com')}")  # as in the email with the tickets
    other.press("Find my tickets")
    expect(other.heading("2 tickets")).to_be_visible()
    other.see("Anyone who has this link can open these tickets")
    phone.page.reload()
    phone.see_tickets(2)
    invariants.check(time.now)


def test_the_link_also_downloads_and_deletes_what_is_kept_about_a_guest(new_buyer, time, event_id, mailbox: Mailbox):  # noqa: F811
    phone, other = new_buyer(), new_buyer()
    buy(phone, event_id, 2)
    other.page.goto("/find-tickets")
    other.page.get_by_label("Email address").fill("guest@example.com")
    other.press("Send the link")
    other.see("We have sent an email")
    other.page.goto("/")
    other.page.goto(f"/find-tickets#token={mailbox.token('find_tickets')}")
    other.press("Find my tickets")
    with other.page.expect_download() as download:
        other.press("Download my data")
    kept = json.loads(download.value.path().read_text())
    assert (kept["orders"][0]["customer_email"], len(kept["tickets"])) == ("guest@example.com", 2)
    other.page.get_by_text("Delete my data").click()
    other.see("Your tickets stay valid, but we can no longer email them")
    other.page.get_by_label("I have saved what I need").check()
    other.press("Delete permanently")
    other.see("Your data has been deleted")
    phone.page.reload()
    phone.see_tickets(2)
    invariants.check(time.now)
