"""Lost tickets in a real browser: a mailed link shows them on another device."""

import json

from playwright.sync_api import expect

from chalicelib.foundation import clock
from chalicelib.purchases import guest_orders, store
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.accounts.conftest import Mailbox, mailbox  # noqa: F401
from tests.browser.doors import EVENT, door, new_staff  # noqa: F401
from tests.browser.page_checks import check
from tests.browser.test_accounts import TIER, buy, event_id  # noqa: F401


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


def test_a_link_that_was_used_is_replaced_by_a_new_one(new_buyer, event_id, mailbox: Mailbox):  # noqa: F811
    buyer = new_buyer()
    buy(buyer, event_id)
    buyer.page.goto("/find-tickets")
    buyer.page.get_by_label("Email address").fill("guest@example.con")
    buyer.press("Send the link")
    buyer.see("We have sent an email to guest@example.con")
    buyer.press("Request a new link")  # to another address
    buyer.page.get_by_label("Email address").fill("guest@example.com")
    buyer.press("Send the link")
    buyer.see("We have sent an email to guest@example.com")
    used = f"/find-tickets#token={mailbox.token('find_tickets')}"
    for answer in ("1 ticket", "This link has expired or has already been used."):
        buyer.page.goto("/")
        buyer.page.goto(used)
        buyer.press("Find my tickets")
        buyer.see(answer)
    expect(buyer.page.get_by_role("main").get_by_role("button")).to_have_text("Send the link")
    expect(buyer.page.get_by_label("Email address")).to_have_value("guest@example.com")


def test_a_guest_who_lost_the_phone_gets_in(door, new_buyer, new_staff, mailbox: Mailbox):  # noqa: F811
    """Buy on one phone, lose it, find the tickets on another one by the address alone, and be let in."""
    phone = new_buyer()
    phone.page.goto("/")
    phone.page.get_by_role("link", name=EVENT).click()
    phone.choose(TIER, 2)
    phone.pay()
    phone.see_tickets(2)
    phone.page.context.close()
    other = new_buyer()
    other.page.goto("/")
    other.follow("My tickets")
    other.follow("Find my tickets")
    other.page.get_by_label("Email address").fill("guest@example.com")
    other.press("Send the link")
    other.see("We have sent an email to guest@example.com")
    other.page.goto("about:blank")  # the email opens the link in a page of its own
    other.page.goto(f"/find-tickets#token={mailbox.token('find_tickets')}")
    other.press("Find my tickets")
    other.see("take screenshots")
    other.page.get_by_role("button", name="Show at the door").nth(1).click()
    shown = other.page.get_by_role("dialog")
    expect(shown.get_by_role("img", name="QR code of ticket")).to_be_visible()
    check(other.page, "lost_tickets_at_the_door")
    code = shown.locator(".code").inner_text()
    staff = new_staff()
    staff.type(code)
    staff.see_verdict("Come in")
    staff.type(code)
    staff.see_verdict("Already in")
    shown.get_by_role("button", name="Close").click()
    expect(other.page.get_by_role("button", name="Show at the door").nth(1)).to_be_focused()
    [order_id] = store.list_ids_of_address("guest@example.com", 2)
    assert [tickets.get_ticket(ticket_id).inside_count for ticket_id in builders.ticket_ids(order_id, 1, 2)] == [0, 1]


def test_a_guest_returns_tickets_of_an_event_that_moved(new_buyer, api, time, event_id):  # noqa: F811
    phone, other = new_buyer(), new_buyer()
    buy(phone, event_id, 2)
    moved = {"starts_at": clock.iso(time.now + 40 * 86_400), "refundable_until": clock.iso(time.now + 7 * 86_400)}
    assert api.patch(f"/events/{event_id}", json=moved, token=builders.admin_token()).status == 200
    [order_id] = store.list_ids_of_address("guest@example.com", 2)
    other.page.goto(f"/find-tickets#token={guest_orders.order_token(order_id, 'guest@example.com')}")
    other.press("Find my tickets")
    other.page.get_by_text("Return tickets and get $100 back").click()
    check(other.page, "lost_tickets_to_return")
    other.press("Return 2 tickets")
    expect(other.heading("You have returned your tickets")).to_be_visible()
    expect(other.page.get_by_role("img", name="QR code of ticket")).to_have_count(0)
    check(other.page, "lost_tickets_returned")
    phone.page.goto(f"/orders/{order_id}")
    expect(phone.page.get_by_role("heading", name="Receipt")).to_be_visible()
    phone.see("Refunded")
    expect(phone.page.get_by_text("You can return your tickets")).to_have_count(0)
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
