"""States of any page: a slow shop, a failing shop, dead links. Each says what to do and offers a way to continue."""

from playwright.sync_api import Route, expect

from chalicelib.foundation import clock, settings
from tests import builders
from tests.accounts.conftest import EMAIL, PASSWORD
from tests.browser.buyers import Buyer

FAILURE = {"error": "internal_error", "message": "Something went wrong.", "request_id": "01JXB2M4ZK8T9Q"}


def test_a_slow_shop_is_shown_until_it_answers(new_buyer, api):
    event_id = builders.create_event(api)
    buyer = new_buyer()
    held: list[Route] = []
    buyer.page.route("**/api/v1/events/*", lambda route: held.append(route))
    buyer.page.goto("/")
    buyer.page.locator(f"a[href='/events/{event_id}']").click()  # only the first page of a visit brings its reply along
    expect(buyer.page.locator(".skeleton")).to_be_visible()
    expect(buyer.page.get_by_text("The shop is slow")).to_have_count(0)
    buyer.page.clock.fast_forward(7_000)
    buyer.see("The shop is slow at the moment. This page keeps trying, and nothing is lost.")
    for route in held:
        route.continue_()
    expect(buyer.page.get_by_role("heading", level=1)).to_be_visible()
    expect(buyer.page.get_by_text("The shop is slow")).to_have_count(0)


def test_a_failure_says_what_to_do_and_shows_the_request_id(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.route("**/api/v1/events*", lambda route: route.fulfill(status=500, json=FAILURE))
    buyer.page.goto("/tickets")
    buyer.page.get_by_role("link", name="Events", exact=True).click()
    buyer.see("Something went wrong on our side. Try again in a moment.")
    buyer.see("Your tickets and your place in line are safe. Tickets on hold stay yours until your time runs out.")
    buyer.see("If you contact us, please quote this code: 01JXB2M4ZK8T9Q")
    buyer.page.unroute("**/api/v1/events*")
    buyer.press("Try again")
    buyer.see("There are no events at the moment")


def test_a_waiting_room_that_could_not_be_loaded_is_tried_again(new_buyer, api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 60), waiting_room={"enabled": True})
    buyer = new_buyer()
    fail(buyer, "**/waiting-room/state")
    buyer.page.goto(f"/events/{event_id}/line")
    try_again(buyer, "**/waiting-room/state")
    buyer.see("The sale opens in")
    fail(buyer, "**/waiting-room/state")
    buyer.press("Join the waiting room")
    buyer.see("No connection. Your place is safe")
    try_again(buyer, "**/waiting-room/state")
    buyer.see("You are in.")
    fail(buyer, "**/waiting-room/state")
    buyer.look_again()
    buyer.see("No connection. Your place is safe")
    try_again(buyer, "**/waiting-room/state")
    expect(buyer.page.get_by_text("No connection.")).to_have_count(0)
    fail(buyer, "**/waiting-room/state")
    buyer.page.reload()
    try_again(buyer, "**/waiting-room/state")
    buyer.see("You are in.")


def test_the_end_of_a_hold_that_could_not_be_asked_for_is_tried_again(new_buyer, api, time):
    event_id = builders.create_event(api)
    builders.create_tier(api, event_id)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose("Floor", 1)
    buyer.see("Your ticket is held for")  # a hold that is over before it is loaded is none
    fail(buyer, "**/checkout/sessions/*")
    time.advance(300)
    buyer.page.clock.pause_at(time.now)  # so that the page does not ask again by itself
    buyer.page.clock.run_for(500)
    buyer.see("Something went wrong on our side.")
    try_again(buyer, "**/checkout/sessions/*")
    buyer.page.clock.run_for(500)
    buyer.see("Your time ran out")


def test_a_qr_code_that_could_not_be_loaded_is_tried_again(new_buyer, api):
    event_id = builders.create_event(api)
    builders.create_tier(api, event_id)
    buyer = new_buyer()
    fail(buyer, "**/qr?*")
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose("Floor", 1)
    buyer.pay()
    buyer.see("The QR code could not be loaded.")
    try_again(buyer, "**/qr?*")
    buyer.see_tickets(1)


def test_a_link_that_could_not_be_mailed_is_asked_for_again(new_buyer, origin):
    buyer = new_buyer()
    with settings.override(email_verification="required"):
        buyer.register(EMAIL, PASSWORD)
        fail(buyer, "**/auth/email/resend")
        buyer.press("Send the email again")
        try_again(buyer, "**/auth/email/resend")
        buyer.see("Sent.")


def fail(buyer: Buyer, path: str) -> None:
    buyer.page.route(path, lambda route: route.fulfill(status=500, json=FAILURE))


def try_again(buyer: Buyer, path: str) -> None:
    """Press the button to retry, once the shop answers again."""
    expect(buyer.page.get_by_role("button", name="Try again")).to_have_count(1)
    buyer.page.unroute(path)
    buyer.press("Try again")


def test_links_that_are_not_complete_lead_on(new_buyer, origin):
    buyer = new_buyer()
    for path in ("/transfer", "/guest"):
        buyer.page.goto(path)
        expect(buyer.heading("This link is incomplete")).to_be_visible()
        expect(buyer.page.get_by_role("main").get_by_role("link", name="My tickets")).to_be_visible()
        buyer.page.get_by_role("main").get_by_role("link", name="All events").click()
        buyer.see("There are no events at the moment")
