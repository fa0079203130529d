"""An event with several dates, in each language: a manager adds them, and a buyer sees which tickets are for which dates."""

import re
from typing import get_args

import pytest
from playwright.sync_api import expect

from chalicelib.edge.languages import Language
from chalicelib.foundation import clock
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser.managers import Manager
from tests.browser.page_checks import check
from tests.checkin.test_dates import Tour


@pytest.mark.parametrize("language", get_args(Language))
def test_a_manager_makes_an_event_of_several_evenings_and_a_buyer_buys_one(new_buyer, api, time, language):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin()
    event_id = builders.create_event(api)
    tier_ids = [builders.create_tier(api, event_id, name) for name in ("First evening", "All evenings")]
    manager.open(f"/events/{event_id}/facts")
    manager.speak(language)
    panel = manager.page.locator("section", has=manager.page.get_by_role("heading", name=manager.say("Several dates")))
    for number, name in enumerate(("Opening", "Finale"), start=1):
        panel.get_by_role("button", name=manager.say("Add a date")).click()
        row = panel.get_by_role("group", name=manager.say("Date {}", str(number)))
        row.get_by_label(manager.say("Starts")).fill(clock.iso(time.now + (9 + number) * 86_400)[:16])
        row.get_by_label(manager.say("Name (optional)"), exact=True).fill(name)
    panel.get_by_role("button", name=manager.say("Save dates")).click()
    expect(manager.page.get_by_label(manager.say("Starts"), exact=True)).to_have_count(
        2
    )  # one for each date; the event has no field of its own
    expect(manager.page.get_by_text(manager.say("Someone else has saved changes"))).to_have_count(0)
    if language == "en":
        check(manager.page, "dates")  # in all languages
    manager.page.get_by_text(manager.say("Add repeating dates")).click()
    manager.page.get_by_label(manager.say("First date")).fill(clock.iso(time.now + 10 * 86_400)[:16])  # which the event has
    manager.page.get_by_label(manager.say("Repeats")).select_option("DAILY")
    manager.page.get_by_label(manager.say("Number of dates")).fill("3")
    manager.press("Add these dates")
    expect(manager.page.get_by_role("group", name=manager.say("Date {}", "3"))).to_be_visible()
    manager.open(f"/events/{event_id}/tickets/{tier_ids[0]}")
    panel = manager.page.locator("section", has=manager.page.get_by_role("heading", name=manager.say("Dates of these tickets")))
    panel.get_by_label(re.compile("Opening")).check()
    panel.get_by_role("button", name=manager.say("Save dates")).click()
    expect(panel.get_by_role("button", name=manager.say("Save dates"))).to_be_enabled()
    expect(panel.get_by_label(re.compile("Opening"))).to_be_checked()
    buyer = new_buyer()
    buyer.use_demo_identity()
    buyer.speak(language)
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.locator(".event-dates li")).to_have_count(3)
    rows = buyer.page.locator(".tier")
    expect(rows).to_have_count(2)
    for dates in ("Opening ·", buyer.say("All dates")):
        expect(rows.filter(has_text=dates)).to_have_count(1)
    if language == "en":
        check(buyer.page, "event with dates")  # in all languages
    buyer.choose("All evenings", 1)
    buyer.pay()
    buyer.see_tickets(1)
    expect(buyer.page.locator(".pass .event-dates li")).to_have_count(3)


@pytest.mark.parametrize("language", get_args(Language))
def test_dates_that_repeat_get_the_ticket_types_of_a_date(new_buyer, api, time, language):
    tour = Tour(api, time)
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin()
    manager.open(f"/events/{tour.event_id}/facts")
    manager.speak(language)
    manager.page.get_by_text(manager.say("Add repeating dates")).click()
    manager.page.get_by_label(manager.say("Number of dates")).fill("2")
    manager.page.get_by_label(manager.say("Copy the ticket types from")).select_option("friday")
    manager.press("Add these dates")
    expect(manager.page.get_by_role("group", name=manager.say("Date {}", "4"))).to_be_visible()
    manager.open(f"/events/{tour.event_id}/tickets")
    expect(manager.page.get_by_text(re.compile(r"friday, 2026-\d\d-\d\d"))).to_be_visible()


@pytest.mark.parametrize("language", get_args(Language))
def test_a_manager_cancels_an_evening_and_a_buyer_sees_it(new_buyer, api, time, language):
    tour = Tour(api, time)
    for name, quantity, user in (("friday", 2, "ada"), ("pass", 1, "bob")):
        tour.buy(name, quantity, user)
    builders.reserve_items(api, "cleo", tour.event_id, {tour.tier_ids["friday"]: 1})
    time.advance(10)
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin()
    manager.open(f"/events/{tour.event_id}/facts")
    manager.speak(language)
    panel = manager.page.locator("section", has=manager.page.get_by_role("heading", name=manager.say("Several dates")))
    panel.get_by_text(manager.say("Cancel a date")).first.click()
    panel.get_by_role("button", name=re.compile(f"{manager.say('Cancel a date')}: .*Friday")).click()
    dialog = manager.page.get_by_role("dialog")
    for text in (
        "1 person has tickets that will no longer be valid.",
        "1 ticket is reserved or in a checkout. This reservation ends.",
        "These tickets (number sold in brackets) stay valid for the other dates: {}.",
        "Passes and tickets for several dates stay valid for their other dates, and their owners get an email. "
        "If you want to give some of the money back, refund part of their orders.",
    ):
        expect(dialog.get_by_text(manager.say(text, "pass (1)"))).to_be_visible()
    expect(dialog.get_by_text(re.compile(r"\$100|100(,00)?.(\$|US\$|USD)"))).to_be_visible()  # is refunded
    dialog.get_by_label(manager.say("Reason (optional)"), exact=True).fill("The hall is flooded.")
    dialog.get_by_text(manager.say("Other languages")).click()
    dialog.get_by_label(f"{manager.say('Reason (optional)')}, Español").fill("La sala se ha inundado.")
    dialog.get_by_label(manager.say("To confirm, type the name of the event: {}", "Night")).fill("Night")
    if language == "en":
        check(manager.page, "cancel a date")  # in all languages
    dialog.get_by_role("button", name=manager.say("Yes, cancel this date")).click()
    expect(panel.get_by_text(manager.say("This date is cancelled."))).to_have_count(1)
    expect(manager.page.get_by_text(manager.say("Someone else has saved changes"))).to_have_count(0)
    if language == "en":
        check(manager.page, "cancelled date")  # in all languages
    buyer = new_buyer()
    buyer.use_demo_identity()
    buyer.speak(language)
    buyer.page.goto(f"/events/{tour.event_id}")
    expect(buyer.page.locator(".event-dates li s")).to_have_count(1)
    expect(buyer.page.locator(".event-dates")).to_contain_text("La sala se ha inundado." if language == "es" else "The hall is flooded.")
    expect(buyer.page.locator(".tier", has_text="friday")).to_contain_text(re.compile("cancelled|cancelada|abgesagt"))
    if language == "en":
        check(buyer.page, "event with a cancelled date")  # in all languages
