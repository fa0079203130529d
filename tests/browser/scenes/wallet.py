"""Tickets in each state, and tickets that change hands."""

from playwright.sync_api import expect

from tests import builders
from tests.browser.scenes.stage import Scene, Stage, never_answer


def wallet(stage: Stage) -> None:
    stage.payment()
    stage.page.get_by_role("button", name="Pay $").click()
    stage.buyer.see_tickets(2)


def wallet_at_the_door(stage: Stage) -> None:
    wallet(stage)
    stage.page.get_by_role("button", name="Show at the door").first.click()
    expect(stage.page.get_by_role("dialog").get_by_role("img")).to_be_visible()


def wallet_with_an_offer(stage: Stage) -> None:
    wallet(stage)
    first = stage.page.locator(".pass").first
    first.get_by_text("Change the name").click()
    first.get_by_text("Transfer this ticket").click()
    first.get_by_role("button", name="Create a link").click()
    expect(first.get_by_label("Link to this ticket")).to_be_visible()


def wallet_with_a_refund(stage: Stage) -> None:
    wallet(stage)
    with stage.page.expect_response("**/api/v1/tickets?*") as response:
        stage.page.reload()
    order_id = response.value.json()["tickets"][0]["order_id"]
    builders.refund(stage.api, order_id, tickets=builders.ticket_ids(order_id, 2))
    stage.page.reload()
    expect(stage.buyer.heading("Refunds")).to_be_visible()
    stage.buyer.see_tickets(1)


def wallet_without_a_network(stage: Stage) -> None:
    wallet(stage)
    stage.buyer.see("this page also opens without a connection")
    stage.lose_api()
    stage.page.reload()
    stage.buyer.see("These are your tickets as of")
    stage.buyer.see_tickets(2)


def wallet_empty(stage: Stage) -> None:
    stage.open("/tickets")
    stage.buyer.see("No tickets yet")


def transfer(stage: Stage) -> None:
    """The offer of the second ticket of somebody without an account, who has a name on the first."""
    tier_id = stage.api.get(f"/events/{stage.event}").json["tiers"][0]["id"]
    reservation = builders.reserve(stage.api, "ada", stage.event, tier_id, 2).json["id"]
    builders.start_checkout(stage.api, "ada", reservation, attendees=[{"name": "Ada Lovelace"}])
    builders.confirm(stage.api, "ada", reservation)
    reply = stage.api.post(f"/tickets/{reservation}-2/transfer", user="ada")
    stage.open(f"/transfer#token={reply.json['token']}")
    stage.buyer.see("Ada Lovelace has a ticket for you")


def transfer_that_is_over(stage: Stage) -> None:
    stage.open("/transfer#token=none")
    stage.buyer.see("This link has been used or cancelled")


def transfer_without_a_token(stage: Stage) -> None:
    stage.open("/transfer")
    stage.buyer.see("This link is incomplete")


def wallet_of_a_past_event(stage: Stage) -> None:
    wallet(stage)
    stage.time.advance(32 * 86_400)
    stage.page.reload()
    stage.page.get_by_text("Tickets for past events (2)").click()
    expect(stage.page.get_by_text("Event over")).to_have_count(2)


def wallet_of_a_cancelled_event(stage: Stage) -> None:
    wallet(stage)
    stage.as_admin(f"/events/{stage.event}/cancel")
    stage.time.advance(5)
    stage.page.reload()
    stage.buyer.see("Event cancelled")


def wallet_loading(stage: Stage) -> None:
    wallet_empty(stage)
    stage.page.evaluate("localStorage.setItem('fairgate.buyer', JSON.stringify({ kind: 'demo', id: 'ada' }))")
    stage.page.route("**/api/v1/tickets?*", never_answer)
    stage.page.reload()
    expect(stage.page.locator(".skeleton")).to_be_visible()


def transfer_accepted(stage: Stage) -> None:
    transfer(stage)
    stage.page.get_by_label("Email address").fill("grace@example.com")
    stage.buyer.press("Accept the ticket")
    expect(stage.buyer.heading("The ticket is yours")).to_be_visible()


def wallet_with_guests(stage: Stage) -> None:
    """A table whose host gives a seat to a guest."""
    table = {"name": "VIP table", "price_cents": 120_000, "capacity": 10, "admits": 3}
    event_id = stage.create_event("Winter Gala", "Town Hall, Boston", table)
    stage.open(f"/events/{event_id}")
    stage.buyer.choose("VIP table", 1)
    stage.buyer.pay()
    stage.buyer.see_tickets(1)
    stage.page.get_by_text("Guests", exact=True).click()
    second = stage.page.locator(".seats > li").nth(1)
    second.get_by_label("Guest's name").fill("Grace Hopper")
    second.get_by_role("button", name="Assign the seat").click()
    expect(second).to_contain_text("Grace Hopper")


def guest_seat(stage: Stage) -> None:
    wallet_with_guests(stage)
    link = stage.page.get_by_role("link", name="Link for the guest").get_attribute("href")
    assert link is not None
    stage.open(f"/guest{link.partition('/guest')[2]}")
    expect(stage.page.get_by_role("img", name="QR code of ticket")).to_have_count(1)


def guest_seat_given_back(stage: Stage) -> None:
    guest_seat(stage)
    stage.page.get_by_text("Give up my seat", exact=True).click()
    stage.buyer.press("Give up and delete")
    stage.buyer.see("You have given up your seat")


def guest_seat_without_a_token(stage: Stage) -> None:
    stage.open("/guest")
    stage.buyer.see("This link is incomplete")


SCENES: list[Scene] = [
    wallet,
    wallet_at_the_door,
    wallet_with_an_offer,
    wallet_with_a_refund,
    wallet_without_a_network,
    wallet_empty,
    transfer,
    transfer_that_is_over,
    transfer_without_a_token,
    wallet_of_a_past_event,
    wallet_of_a_cancelled_event,
    wallet_loading,
    transfer_accepted,
    wallet_with_guests,
    guest_seat,
    guest_seat_given_back,
    guest_seat_without_a_token,
]
