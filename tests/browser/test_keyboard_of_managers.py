"""Managers' pages by keyboard alone: from signing in to a sale that is paused, resumed and cancelled."""

import pytest
from playwright.sync_api import expect

from tests.browser.keyboard import Keyboard
from tests.browser.managers import PASSWORD, Manager


@pytest.mark.journey
def test_an_event_is_run_from_start_to_end_by_keyboard(new_buyer, api, time):
    page = new_buyer(viewport={"width": 1280, "height": 800}).page
    api.post("/auth/register", json={"email": "promoter@example.com", "password": PASSWORD, "role": "promoter", "company": "Nova"})
    manager, keyboard = Manager(page, api, time), Keyboard(page)
    page.goto("/sign-in?next=/manage")
    keyboard.fill("Email address", "promoter@example.com")
    keyboard.fill("Password", PASSWORD)
    page.keyboard.press("Enter")
    manager.see_heading("No events yet")

    keyboard.press("link", "New event")
    keyboard.fill("Name", "City Strings: Winter Gala")
    keyboard.fill("Venue", "Orchard Concert House")
    keyboard.fill("Starts", "12012030")
    page.keyboard.press("ArrowRight")  # years may have more digits
    page.keyboard.type("0730PM")
    page.keyboard.press("Enter")
    manager.see_heading("Nothing to sell yet")
    keyboard.press("link", "Add ticket type")
    keyboard.fill("Name", "Stalls")
    keyboard.fill("Price", "80")
    page.keyboard.press("Enter")
    manager.see_heading("Stalls")
    keyboard.press("link", "Overview")
    keyboard.press("button", "Publish")
    manager.see_heading("Published")

    keyboard.press("link", "Live sale")
    keyboard.press("button", "Pause the sale")
    manager.see_heading("Pause the sale?")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Pause the sale", exact=True)).to_be_focused()  # where it was before
    page.keyboard.press("Enter")
    keyboard.press("button", "Pause now")
    manager.see("The sale is paused.")
    keyboard.press("link", "Overview")
    keyboard.press("button", "Cancel the event")
    manager.see("This cannot be undone.")
    keyboard.fill("To confirm, type the name of the event: City Strings: Winter Gala", "City Strings: Winter Gala")
    keyboard.press("button", "Yes, cancel the event")
    manager.see_heading("This event is cancelled")
