"""What a promoter sells: tickets, packages and what their buyers are asked."""

from collections.abc import Iterator

from playwright.sync_api import expect

from tests import builders, pictures
from tests.browser.managers import Manager
from tests.browser.tours.tour import Tour


def tickets(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event(tiers=[])
    manager.open(f"/events/{event_id}/tickets")
    manager.see_heading("Nothing to sell yet")
    yield "none"
    manager.follow("Add a ticket")
    manager.fill("Name", "Front rows")
    manager.fill("Price", "89.505")
    manager.fill("Currency", "USD")
    manager.fill("Number (optional)", "400")
    manager.press("Create")
    manager.see("Enter an amount with no more digits than the currency has")
    manager.page.get_by_text("Times and limits of its own").click()
    yield "refused"
    manager.fill("Price", "89.50")
    manager.press("Create")
    manager.see_heading("Front rows")
    manager.go("Tickets")
    manager.follow("Add a package")
    manager.fill("Name", "Table for eight")
    manager.fill("Price", "1200")
    manager.press("Create")
    manager.see_heading("Table for eight")
    manager.press("Ask something")
    manager.fill("Question", "Dinner")
    manager.page.get_by_label("Kind of answer").select_option("One or more of several")
    manager.fill("Choices", "Fish, Vegan")
    yield "question"
    manager.press("Ask this")
    manager.see("must be answered · once for a purchase · Fish, Vegan")
    picture = {"name": "table.png", "mimeType": "image/png", "buffer": pictures.picture("PNG", (640, 360))}
    manager.page.locator("input[type=file]").set_input_files(picture)
    expect(manager.page.get_by_role("button", name="Remove the picture")).to_be_visible()
    yield "package"
    manager.go("Tickets")
    tiers = {tier["name"]: tier["id"] for tier in manager.api.get(f"/events/{event_id}", token=manager.token).json["tiers"]}
    manager.publish(event_id)
    builders.buy(manager.api, "ada", event_id, tiers["Front rows"], 2)
    manager.page.get_by_role("button", name="Duplicate: Table for eight").click()
    manager.see("Not on sale")
    manager.page.get_by_role("button", name="Delete: Table for eight", exact=True).click()
    manager.see("2 of 400 sold")
    yield "list"
    manager.page.keyboard.press("Escape")
    up = manager.page.get_by_role("button", name="Move up: Table for eight", exact=True)
    up.press("Enter")
    expect(manager.page.get_by_role("status").filter(has_text="Table for eight is now 1 of 3.")).to_be_attached()
    rows = manager.page.locator(".tier-row")
    expect(rows.first).to_contain_text("Table for eight")
    rows.nth(2).locator(".grip").drag_to(rows.nth(0))
    expect(manager.page.get_by_role("status").filter(has_text="is now 1 of 3.")).not_to_contain_text("Table for eight is")


TOURS: list[Tour] = [tickets]
