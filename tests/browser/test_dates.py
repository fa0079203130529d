"""An event with several dates: a manager adds them and chooses them for tickets, and a buyer sees which tickets are for which dates."""

import re

from playwright.sync_api import expect

from chalicelib.foundation import clock
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser.managers import Manager
from tests.browser.page_checks import check
from tests.checkin.test_dates import Tour


def test_a_manager_makes_an_event_of_several_evenings_and_a_buyer_buys_one(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin()
    event_id = builders.create_event(api)
    tier_ids = [builders.create_tier(api, event_id, name) for name in ("First evening", "All evenings")]
    manager.open(f"/events/{event_id}/facts")
    panel = manager.page.locator("section", has=manager.page.get_by_role("heading", name="Several dates"))
    for number, name in enumerate(("Opening", "Finale"), start=1):
        panel.get_by_role("button", name="Add a date").click()
        row = panel.get_by_role("group", name=f"Date {number}")
        row.get_by_label("Starts").fill(clock.iso(time.now + (9 + number) * 86_400)[:16])
        row.get_by_label("Name (optional)").fill(name)
    panel.get_by_role("button", name="Save dates").click()
    expect(manager.page.get_by_label("Starts")).to_have_count(2)  # one for each date; the event has no field of its own
    expect(manager.page.get_by_text("Someone else has saved changes")).to_have_count(0)
    check(manager.page, "dates")
    manager.page.get_by_text("Add dates that repeat").click()
    manager.page.get_by_label("First date").fill(clock.iso(time.now + 10 * 86_400)[:16])  # which the event has
    manager.page.get_by_label("Repeats").select_option("DAILY")
    manager.page.get_by_label("Number of dates").fill("3")
    manager.press("Add these dates")
    expect(manager.page.get_by_role("group", name="Date 3")).to_be_visible()
    manager.open(f"/events/{event_id}/tickets/{tier_ids[0]}")
    panel = manager.page.locator("section", has=manager.page.get_by_role("heading", name="Dates of these tickets"))
    panel.get_by_label(re.compile("Opening")).check()
    panel.get_by_role("button", name="Save dates").click()
    expect(panel.get_by_role("button", name="Save dates")).to_be_enabled()
    expect(panel.get_by_label(re.compile("Opening"))).to_be_checked()
    buyer = new_buyer()
    buyer.use_demo_identity()
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.locator(".event-dates li")).to_have_count(3)
    rows = buyer.page.locator(".tier")
    expect(rows).to_have_count(2)
    for dates in ("Opening ·", "All dates"):
        expect(rows.filter(has_text=dates)).to_have_count(1)
    check(buyer.page, "event with dates")
    buyer.choose("All evenings", 1)
    buyer.pay()
    buyer.see_tickets(1)
    expect(buyer.page.locator(".pass .event-dates li")).to_have_count(3)


def test_dates_that_repeat_get_the_ticket_types_of_a_date(new_buyer, api, time):
    tour = Tour(api, time)
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin()
    manager.open(f"/events/{tour.event_id}/facts")
    manager.page.get_by_text("Add dates that repeat").click()
    manager.page.get_by_label("Number of dates").fill("2")
    manager.page.get_by_label("With copies of the ticket types of").select_option("friday")
    manager.press("Add these dates")
    expect(manager.page.get_by_role("group", name="Date 4")).to_be_visible()
    manager.open(f"/events/{tour.event_id}/tickets")
    expect(manager.page.get_by_text(re.compile(r"friday, 2026-\d\d-\d\d"))).to_be_visible()


def test_a_manager_cancels_an_evening_and_a_buyer_sees_it(new_buyer, api, time):
    tour = Tour(api, time)
    for name, quantity, user in (("friday", 2, "ada"), ("pass", 1, "bob")):
        tour.buy(name, quantity, user)
    builders.reserve_items(api, "cleo", tour.event_id, {tour.tier_ids["friday"]: 1})
    time.advance(10)
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin()
    manager.open(f"/events/{tour.event_id}/facts")
    panel = manager.page.locator("section", has=manager.page.get_by_role("heading", name="Several dates"))
    panel.get_by_text("Cancel a date").first.click()
    panel.get_by_role("button", name=re.compile("Cancel a date: .*Friday")).click()
    dialog = manager.page.get_by_role("dialog")
    for text in (
        "1 person has tickets that will no longer be valid.",
        "1 order is refunded in full: $100.",
        "1 ticket is reserved or in a checkout.",
        "These tickets stay valid for the other dates, with the number sold: pass (1).",
        "Passes and tickets for several dates stay valid",
    ):
        expect(dialog.get_by_text(text)).to_be_visible()
    dialog.get_by_label("Reason (optional)").fill("The hall is flooded.")
    dialog.get_by_label("To confirm, type the name of the event: Night").fill("Night")
    check(manager.page, "cancel a date")
    dialog.get_by_role("button", name="Yes, cancel this date").click()
    expect(panel.get_by_text("This date is cancelled.")).to_have_count(1)
    expect(manager.page.get_by_text("Someone else has saved changes")).to_have_count(0)
    check(manager.page, "cancelled date")
    buyer = new_buyer()
    buyer.use_demo_identity()
    buyer.page.goto(f"/events/{tour.event_id}")
    expect(buyer.page.locator(".event-dates li s")).to_have_count(1)
    expect(buyer.page.locator(".event-dates")).to_contain_text("The hall is flooded.")
    expect(buyer.page.locator(".tier", has_text="friday")).to_contain_text("cancelled")
    check(buyer.page, "event with a cancelled date")
