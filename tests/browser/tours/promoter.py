"""What a promoter sees of their events, from an empty list to a cancelled night."""

import re
from collections.abc import Iterator

from playwright.sync_api import expect

from chalicelib.edge import auth
from chalicelib.foundation import clock
from tests import builders, pictures
from tests.browser.managers import PASSWORD, Manager
from tests.browser.tours.tour import Tour
from tests.client import Client


def entering(manager: Manager) -> Iterator[str]:
    manager.open("")
    manager.see_heading("Sign in to manage events")
    yield "stranger"
    manager.sign_up("visitor@example.com", role="user")
    manager.see_heading("Nothing to manage yet")
    yield "nothing"
    manager.press("Sell tickets with this account")
    manager.see_heading("Your events")
    yield "promoter"


def events(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    manager.see_heading("No events yet")
    yield "none"
    manager.follow("New event")
    manager.fill("Name", "City Strings: Winter Gala")
    yield "new"
    manager.press("Create draft")
    manager.page.wait_for_url("**/tickets")
    manager.go("Overview")
    manager.press("Publish")
    manager.see("Add a venue.")
    yield "incomplete"
    manager.page.get_by_role("link", name="Fix: Add a venue.").click()
    manager.fill("Venue", "Orchard Concert House")
    manager.fill("City (optional)", "Boston")
    manager.fill("Description (optional)", "Strings, brass and a choir of eighty.")
    manager.fill("Starts", "2030-12-01T19:30")
    manager.page.get_by_label("Time zone").select_option("America/New_York")
    manager.page.get_by_text("Limits, waiting room and returns").click()
    yield "facts"
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    manager.page.locator("input[type=file]").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    manager.see("This is not a JPEG, PNG or WebP picture.")
    yield "picture_refused"
    manager.go("Events")
    manager.see_heading("Drafts")
    manager.publish(manager.create_event())
    manager.go("Events")
    manager.page.reload()
    manager.see_heading("Upcoming and on sale")
    yield "list"


def profile(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    manager.go("Your profile")
    manager.see("A shop admin has not verified you yet.")
    manager.fill("Website (optional)", "nova example")
    manager.press("Save")
    manager.see("This is not a website address.")
    expect(manager.page.get_by_label("Website (optional)", exact=True)).to_have_attribute("aria-invalid", "true")
    yield "refused"
    manager.fill("Website (optional)", "nova.example")
    manager.fill("About you (optional)", "Concerts since 1998.")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    [own] = manager.api.get("/promoters", query={"verified": "false"}, token=builders.admin_token()).json["promoters"]
    assert (own["name"], own["website"], own["description"]) == ("Nova Nights", "https://nova.example", "Concerts since 1998.")
    body = {name: own[name] for name in ("name", "company", "description", "website")}
    manager.api.put(f"/promoters/{own['id']}", json=body | {"verified": True}, token=builders.admin_token())
    manager.page.reload()
    manager.see("You are verified")
    manager.fill("Name", "Nova Days")
    manager.see("an admin has to verify you again")
    yield "verified"
    manager.fill("On light pages", "#ffcc00")
    manager.press("Save colors")
    manager.see("Text in this color is hard to read.")  # so is the sample, which shows it
    manager.fill("On light pages", "#17643f")
    manager.fill("On dark pages", "#77d3a2")
    manager.press("Save colors")
    expect(manager.page.get_by_role("button", name="Use the shop's colors")).to_be_visible()
    logo = {"name": "logo.png", "mimeType": "image/png", "buffer": pictures.picture(size=(600, 200))}
    manager.page.locator("input[type=file]").set_input_files(logo)
    expect(manager.page.locator(".logo")).to_be_visible()
    yield "brand"
    manager.page.get_by_label("Kind", exact=True).select_option("accessibility")
    manager.press("Begin with a template")
    manager.press("Publish")
    expect(manager.page.get_by_role("link", name="Accessibility, English")).to_be_visible()
    manager.press("Change: Accessibility, English")
    expect(manager.page.get_by_label("Text", exact=True)).to_have_value(re.compile("EN 301 549"))
    yield "legal_texts"
    manager.press("Remove: Accessibility, English")
    expect(manager.page.get_by_role("link", name="Accessibility, English")).to_have_count(0)
    manager.press("Add a country or region")
    manager.fill("Country", "uk")
    manager.fill("Tax in the price, in percent", "20")
    manager.press("Save taxes")
    manager.see("There is no country with this code.")
    yield "no_such_country"
    manager.fill("Country", "gb")
    manager.press("Save taxes")
    expect(manager.page.get_by_text("Saved", exact=True)).to_have_count(2)  # that of the colors is still there
    saved = manager.api.get(f"/promoters/{own['id']}").json
    assert saved["default_taxes"] == [{"country": "GB", "tax": {"percent": "20"}}]
    yield "taxes"
    manager.page.get_by_label("Let Stripe calculate the taxes").check()
    manager.press("Save taxes")
    manager.see("No payment provider of this shop can calculate taxes.")
    yield "no_automatic_taxes"
    manager.page.get_by_label("Let Stripe calculate the taxes").uncheck()
    manager.press("Save taxes")
    expect(manager.page.get_by_text("Saved", exact=True)).to_have_count(2)


def another_ones_edit(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event()
    manager.open(f"/events/{event_id}/facts")
    manager.fill("Name", "Nova Lights: Encore")
    body = {"name": "Nova Lights: Afterglow", "venue": "Great Hall"}
    assert manager.api.patch(f"/events/{event_id}", json=body, token=builders.admin_token()).status == 200
    manager.press("Save")
    manager.see("Someone else has saved changes")
    yield "shown"
    expect(manager.page.get_by_label("Venue", exact=True)).to_have_value("Great Hall")
    expect(manager.page.get_by_label("Name", exact=True)).to_have_value("Nova Lights: Encore")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()  # the note about the other's changes says "saved" too
    saved = manager.api.get(f"/events/{event_id}", token=manager.token).json
    assert (saved["name"], saved["venue"]) == ("Nova Lights: Encore", "Great Hall")


def ballot_with_better_odds(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event()
    manager.open(f"/events/{event_id}/facts")
    manager.page.get_by_text("Limits, waiting room and returns").click()
    manager.page.get_by_label("Better odds for people who were not drawn before").check()
    manager.page.get_by_label("Allocate tickets by ballot").check()
    manager.page.get_by_label("Who gets a place in line").select_option("Accounts only, one place for each confirmed email address")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    yield "switched_on"
    room = manager.api.get(f"/events/{event_id}", token=manager.token).json["waiting_room"]
    assert (room["better_odds"], room["ballot"], room["entry"]) == (True, True, "account")


def published(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event()
    manager.open(f"/events/{event_id}")
    manager.press("Publish")
    manager.see_heading("Published")
    yield "published"
    manager.press("Duplicate")
    manager.press("Create copy")
    manager.see_heading("Nova Lights: Afterglow Tour (copy)")
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    builders.buy(manager.api, "ada", event_id, tier_id, 2)
    manager.open(f"/events/{event_id}")
    manager.press("Cancel the event")
    manager.see("1 person has tickets that will no longer be valid.")
    manager.see("1 order is refunded in full: $179.")
    manager.see("1 order has no email address")
    expect(manager.page.get_by_role("button", name="Yes, cancel the event")).to_be_disabled()
    yield "about_to_be_cancelled"
    manager.fill("To confirm, type the name of the event: Nova Lights: Afterglow Tour", "nova lights:  afterglow tour ")
    manager.press("Yes, cancel the event")
    manager.see_heading("This event is cancelled")
    manager.press("Show refund progress")
    manager.see("The rest follow in the next few minutes.")
    yield "cancelled"


def hire_staff(api: Client, event_id: str, token: str) -> str:
    """Let Dana Door work at the door. Returns her token."""
    account = {"email": "door@example.com", "password": PASSWORD}
    api.post("/auth/register", json=account | {"first_name": "Dana", "last_name": "Door"})
    assert api.post(f"/events/{event_id}/members", json={"email": account["email"], "role": "staff"}, token=token).status == 201
    builders.accept_invitation(event_id, account["email"])
    user_id = api.post("/auth/login", json=account).json["user"]["id"]
    return auth.issue_token(user_id, {"user"}, events={event_id: "staff"})


def newcomer(manager: Manager) -> Iterator[str]:
    """Who has never seen these pages gets from the overview to what people come for: pause, refund, see who scanned."""
    manager.sign_up()
    event_id = manager.create_event()
    soon = {"starts_at": clock.iso(clock.now() + 3600)}  # so the door is open
    assert manager.api.patch(f"/events/{event_id}", json=soon, token=manager.token).status == 200
    manager.open(f"/events/{event_id}")
    manager.see("Publish it to put it on sale")
    manager.press("Publish")
    manager.see_heading("What do you want to do?")
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    ticket = builders.buy(manager.api, "ada", event_id, tier_id).json["tickets"][0]
    scan = {"code": ticket["code"], "event_id": event_id, "gate": "North gate"}
    assert manager.api.post("/checkin", json=scan, token=hire_staff(manager.api, event_id, manager.token)).status == 200
    builders.project_changes()
    yield "tasks"
    manager.follow("Watch the sale, pause it or let people in")
    expect(manager.page.get_by_role("button", name="Pause", exact=False).first).to_be_visible()
    manager.go("Overview")
    manager.follow("Find an order and refund tickets")
    manager.page.get_by_role("main").get_by_role("table").get_by_role("link").first.click()
    manager.see("Refund")
    manager.go("Overview")
    manager.follow("See who was let in at the door, and who scanned them")
    manager.see("Checked in at the door")
    manager.see("North gate")
    manager.see("by Dana Door (Staff)")
    expect(manager.page.get_by_text("Event published")).to_have_count(0)
    yield "scans"
    manager.page.get_by_label("Show").select_option("")
    manager.see("Event published")


def api_keys(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    builders.verify_address("promoter@example.com")
    manager.create_event()
    manager.go("API keys")
    manager.see("Your own software can use the shop's API with a key")
    manager.fill("What it is for", "Box office till")
    manager.page.get_by_label("Role", exact=True).select_option("cashier")
    manager.fill("Your password", "wrong")
    manager.press("Create key")
    manager.see("This is not your password.")
    yield "refused"
    manager.fill("Your password", PASSWORD)
    manager.press("Create key")
    manager.see("Copy the key now")
    key = manager.page.locator(".outcome-good .code").inner_text()
    manager.see("Cashier · All events, including future ones")
    assert manager.api.get("/auth/me", token=key).json["id"].startswith("key-"), "the key is a caller of its own"
    yield "created"
    manager.press("Delete: Box office till")
    manager.press("Yes, delete it")
    expect(manager.page.get_by_role("heading", name="Box office till")).to_have_count(0)


def activity(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    manager.go("Your profile")
    manager.fill("Website (optional)", "nova.example")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    manager.go("Activity")
    manager.see("Changes to your account, profile, payments and API keys.")
    manager.see("Profile changed")
    yield "list"


def as_a_buyer(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    manager.press("View the shop as a buyer")
    manager.see("You are viewing this demo as a made-up buyer.")
    manager.page.wait_for_load_state("networkidle")
    yield "shop"


TOURS: list[Tour] = [
    entering,
    as_a_buyer,
    events,
    profile,
    api_keys,
    activity,
    newcomer,
    another_ones_edit,
    ballot_with_better_odds,
    published,
]
