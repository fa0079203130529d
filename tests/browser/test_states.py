"""States that people meet on any page: a slow shop, one that fails, links that lead nowhere. Each says what to do and has a way on."""

from playwright.sync_api import Route, expect

from tests import builders

FAILURE = {"error": "internal_error", "message": "Something went wrong.", "request_id": "01JXB2M4ZK8T9Q"}


def test_a_slow_shop_is_said_until_it_answers(new_buyer, api):
    event_id = builders.create_event(api)
    buyer = new_buyer()
    held: list[Route] = []
    buyer.page.route("**/api/v1/events/*", lambda route: held.append(route))
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.locator(".skeleton")).to_be_visible()
    expect(buyer.page.get_by_text("The shop is slow")).to_have_count(0)
    buyer.page.clock.fast_forward(7_000)
    buyer.see("The shop is slow at the moment. This page goes on by itself; nothing is lost.")
    for route in held:
        route.continue_()
    expect(buyer.page.get_by_role("heading", level=1)).to_be_visible()
    expect(buyer.page.get_by_text("The shop is slow")).to_have_count(0)


def test_a_failure_says_what_still_holds_what_to_do_and_the_number_of_the_request(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.route("**/api/v1/events", lambda route: route.fulfill(status=500, json=FAILURE))
    buyer.page.goto("/")
    buyer.see("Something went wrong on our side. Try again in a moment.")
    buyer.see("What you bought and your place in line stay yours, and tickets on hold until their time is over.")
    buyer.see("If you ask for help, give this number: 01JXB2M4ZK8T9Q")
    buyer.page.unroute("**/api/v1/events")
    buyer.press("Try again")
    buyer.see("There are no events at the moment")


def test_links_that_are_not_complete_lead_on(new_buyer, origin):
    buyer = new_buyer()
    for path in ("/transfer", "/guest"):
        buyer.page.goto(path)
        expect(buyer.heading("This link is not complete")).to_be_visible()
        expect(buyer.page.get_by_role("main").get_by_role("link", name="My tickets")).to_be_visible()
        buyer.page.get_by_role("main").get_by_role("link", name="All events").click()
        buyer.see("There are no events at the moment")
