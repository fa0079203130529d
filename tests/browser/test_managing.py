"""A promoter puts an event on sale by the pages alone, and a buyer buys there."""

from playwright.sync_api import expect

from tests import invariants
from tests.browser.managers import Manager


def add(manager: Manager, kind: str, name: str, price: str, number: str) -> None:
    manager.follow(f"Add a {kind}")
    manager.fill("Name", name)
    manager.fill("Price", price)
    manager.fill("Number (optional)", number)
    manager.press("Create")
    manager.see_heading(name)


def test_a_promoter_creates_and_publishes_an_event_and_a_buyer_buys(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    manager.follow("New event")
    manager.fill("Name", "City Strings: Winter Gala")
    manager.fill("Venue", "Orchard Concert House")
    manager.fill("Starts", "2030-12-01T19:30")
    manager.press("Create the draft")
    manager.see_heading("Nothing to sell yet")
    event_id = manager.page.url.split("/")[-2]
    for kind, *ticket in (("ticket", "Balcony", "35", "200"), ("ticket", "Stalls", "80", "100"), ("package", "Table", "1200", "5")):
        add(manager, kind, *ticket)
        if kind == "package":
            manager.press("Ask something")
            manager.fill("Question", "Dinner")
            manager.page.get_by_label("Kind of answer").select_option("One or more of several")
            manager.fill("Choices", "Fish, Vegan")
            manager.press("Ask this")
            manager.see("must be answered · once for a purchase · Fish, Vegan")
        manager.go("Tickets")
    manager.go("Overview")
    manager.press("Publish")
    manager.see_heading("Published")

    buyer = new_buyer()
    buyer.use_demo_identity()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose("Table", 1)
    buyer.page.get_by_label("Fish").check()
    buyer.pay()
    buyer.see_tickets(1)
    manager.page.reload()
    expect(manager.page.get_by_role("row", name="Table")).to_contain_text("1")
    invariants.check(time.now)
