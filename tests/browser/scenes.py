"""The pages and their states, each with how a buyer gets there: for the pictures, and for the checks that hold on every page."""

from collections.abc import Callable

from playwright.sync_api import Route, expect

from chalicelib import clock
from tests import builders
from tests.browser.buyers import Buyer
from tests.client import Client
from tests.conftest import Time

Scene = Callable[["Stage"], None]
EVENTS = [
    ("Nova Lights: Afterglow Tour", "The Paramount Hall, Denver", {}),
    ("Marisol Vega: An Acoustic Evening", "Cedar Street Chapel, Santa Fe", {}),
    ("Mile High Summits vs. Harbor City Gulls", "Foothills Arena, Denver", {}),
    ("City Strings: Winter Gala", "Orchard Concert House, Boston", {}),
    ("Iron Harvest: Ten Years Loud", "Foundry No. 9, Pittsburgh", {}),
]


class Stage:
    """A shop with several events, and a buyer who looks at it."""

    def __init__(self, buyer: Buyer, api: Client, time: Time) -> None:
        self.buyer, self.page, self.api, self.time = buyer, buyer.page, api, time
        opens_at = clock.iso(time.now + 754)
        room = {"enabled": True, "wave_size": 3, "wave_seconds": 30}
        self.drop = self._create("Rivalry Cup: The Final", "Bayline Center, Oakland", on_sale_at=opens_at, waiting_room=room)
        created = [self._create(name, venue, **fields) for name, venue, fields in EVENTS]
        self.event, self.sold_out = created[0], created[1]
        for user in ("b", "c", "d"):
            tier = api.get(f"/events/{self.sold_out}").json["tiers"][0]["id"]
            builders.buy(api, user, self.sold_out, tier, 4)
        self.time.advance(5)

    def _create(self, name: str, venue: str, **fields: object) -> str:
        text = "One night, one stage, and a room that listens. Doors open ninety minutes before the start."
        event_id = builders.create_event(self.api, name, venue=venue, description=text, **fields)
        builders.create_tier(self.api, event_id, "Upper level", price_cents=3500, capacity=12, description="Unreserved seats with a view.")
        if name != EVENTS[1][0]:
            builders.create_tier(self.api, event_id, "Front rows", price_cents=8950, capacity=400, description="Close enough to hear it.")
        return event_id

    def open(self, path: str) -> None:
        self.page.goto(path)

    def checkout(self) -> None:
        self.open(f"/events/{self.event}")
        self.buyer.choose("Front rows", 2)
        self.page.get_by_label("Ticket 1, Front rows").fill("Ada Lovelace")

    def payment(self) -> None:
        self.checkout()
        self.buyer.press("Continue to payment")
        self.buyer.see("no money moves")

    def line(self, arrivals: int) -> None:
        """Join the drop first and, after the opening, look at the line; so many others have joined."""
        for number in range(arrivals):
            self.api.post(f"/events/{self.drop}/waiting-room/join", json={}, user=f"other-{number}")
        self.buyer.join(self.drop)

    def pass_time(self, seconds: int) -> None:
        self.time.advance(seconds)
        self.buyer.look_again()


def storefront(stage: Stage) -> None:
    stage.open("/")
    expect(stage.page.get_by_role("listitem")).to_have_count(6)


def event(stage: Stage) -> None:
    stage.open(f"/events/{stage.event}")
    expect(stage.page.get_by_role("button", name="Reserve tickets")).to_be_visible()


def event_that_opens(stage: Stage) -> None:
    stage.open(f"/events/{stage.drop}")
    stage.buyer.see("Go to the waiting room")


def event_sold_out(stage: Stage) -> None:
    stage.open(f"/events/{stage.sold_out}")
    stage.buyer.see("This event is sold out")


def waiting_room_before_joining(stage: Stage) -> None:
    stage.open(f"/events/{stage.drop}/line")
    stage.buyer.see("Join the waiting room")


def waiting_room_before_the_draw(stage: Stage) -> None:
    stage.line(arrivals=24)
    stage.pass_time(2)
    stage.buyer.see("25 people in the waiting room")


def waiting_room_in_line(stage: Stage) -> None:
    stage.line(arrivals=2)
    stage.pass_time(760)
    for number in range(9):  # behind everybody who was drawn
        stage.api.post(f"/events/{stage.drop}/waiting-room/join", json={}, user=f"late-{number}")
    stage.page.evaluate("localStorage.clear()")
    stage.open(f"/events/{stage.drop}/line")
    stage.buyer.press("Join the waiting room")
    stage.buyer.see("before you")
    stage.page.get_by_text("Check the draw").click()


def waiting_room_paused(stage: Stage) -> None:
    stage.line(arrivals=8)
    stage.pass_time(760)
    stage.api.post(f"/admin/events/{stage.drop}/pause", token=builders.admin_token())
    stage.pass_time(6)
    stage.buyer.see("The sale is paused")


def waiting_room_closed(stage: Stage) -> None:
    stage.line(arrivals=2)
    assert stage.api.post(f"/events/{stage.drop}/cancel", json={}, token=builders.admin_token()).status == 200
    stage.pass_time(6)
    stage.buyer.see("This event is cancelled")


def waiting_room_turn(stage: Stage) -> None:
    stage.line(arrivals=0)
    stage.pass_time(760)
    stage.buyer.see("It is your turn")
    expect(stage.page.get_by_label("Number of tickets: Front rows")).to_be_visible()


def checkout(stage: Stage) -> None:
    stage.checkout()


def payment(stage: Stage) -> None:
    stage.payment()


def payment_declined(stage: Stage) -> None:
    stage.payment()
    stage.page.get_by_label("Card is declined").check()
    stage.page.get_by_role("button", name="Pay $").click()
    stage.buyer.see("The payment was declined")


def hold_almost_over(stage: Stage) -> None:
    stage.checkout()
    stage.time.advance(140)
    stage.page.clock.fast_forward(140_000)
    stage.buyer.see("Less than a minute left")


def hold_expired(stage: Stage) -> None:
    stage.checkout()
    stage.time.advance(181)
    stage.page.clock.fast_forward(181_000)
    stage.buyer.see("The time is over")


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
    first.get_by_text("Give this ticket away").click()
    first.get_by_role("button", name="Make a link").click()
    expect(first.get_by_label("Link to this ticket")).to_be_visible()


def wallet_with_a_refund(stage: Stage) -> None:
    wallet(stage)
    with stage.page.expect_response("**/api/v1/tickets?*") as response:
        stage.page.reload()
    order_id = response.value.json()["tickets"][0]["order_id"]
    builders.refund(stage.api, order_id, tickets=builders.ticket_ids(order_id, 2))
    stage.page.reload()
    stage.buyer.see("Refunded tickets")
    stage.buyer.see_tickets(1)


def wallet_without_a_network(stage: Stage) -> None:
    wallet(stage)
    stage.buyer.see("This browser keeps your tickets")
    stage.page.route("**/api/**", lambda route: _abort(route))
    stage.page.reload()
    stage.buyer.see("These are your tickets as of")
    stage.buyer.see_tickets(2)


def transfer(stage: Stage) -> None:
    stage.open("/transfer#token=none")
    stage.buyer.see("Somebody has a ticket for you")


def transfer_that_is_over(stage: Stage) -> None:
    transfer(stage)
    stage.buyer.press("Accept the ticket")
    stage.buyer.see("This link was used or taken back")


def transfer_without_a_token(stage: Stage) -> None:
    stage.open("/transfer")
    stage.buyer.see("This link is not complete")


def storefront_without_a_match(stage: Stage) -> None:
    stage.open("/")
    stage.page.get_by_role("searchbox").fill("opera")
    stage.buyer.see("No event fits")


def wallet_empty(stage: Stage) -> None:
    stage.open("/tickets")
    stage.buyer.see("No tickets yet")


def shop_unreachable(stage: Stage) -> None:
    stage.page.route("**/api/**", lambda route: _abort(route))
    stage.open("/")
    stage.buyer.see("We cannot reach the shop.")


def reset_password(stage: Stage) -> None:
    stage.open("/reset-password#token=none")
    stage.page.get_by_label("New password", exact=True).fill("seven grey owls")
    stage.buyer.press("Save")
    stage.buyer.see("This link has expired")


def sign_in(stage: Stage) -> None:
    stage.open("/sign-in?next=/orders")
    stage.buyer.see("This shop is a demonstration.")


def sign_in_refused(stage: Stage) -> None:
    stage.open("/sign-in")
    stage.page.get_by_label("E-mail address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("not this one")
    stage.page.get_by_role("button", name="Show: Password").click()
    stage.buyer.press("Sign in")
    stage.buyer.see("The address or the password is wrong.")


def register_refused(stage: Stage) -> None:
    stage.open("/register")
    stage.page.get_by_label("E-mail address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("password1")
    stage.buyer.press("Create account")
    stage.buyer.see("This password is easy to guess.")


def forgot_password(stage: Stage) -> None:
    stage.open("/forgot-password")
    stage.page.get_by_label("E-mail address").fill("ada@example.com")
    stage.buyer.press("Send the link")
    stage.buyer.see("Look into your mail")


def account(stage: Stage) -> None:
    stage.open("/register")
    stage.page.get_by_label("E-mail address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("seven grey owls")
    stage.page.get_by_label("First name").fill("Ada")
    stage.buyer.press("Create account")
    expect(stage.buyer.heading("My details")).to_be_visible()


def account_of_a_guest(stage: Stage) -> None:
    stage.checkout()
    stage.open("/account")
    stage.buyer.see("You are a guest")


def session_over(stage: Stage) -> None:
    stage.checkout()
    stage.page.context.clear_cookies()
    stage.page.reload()
    stage.buyer.see("Your session has ended.")


def orders(stage: Stage) -> None:
    wallet(stage)
    stage.open("/orders")
    stage.buyer.see("2 tickets")


def order_partly_refunded(stage: Stage) -> None:
    orders(stage)
    stage.page.get_by_role("main").get_by_role("link").click()
    expect(stage.buyer.heading("Receipt")).to_be_visible()
    order_id = stage.page.url.rpartition("/")[2]
    reply = builders.refund(stage.api, order_id, tickets=builders.ticket_ids(order_id, 1))
    assert reply.status == 201, reply.json
    stage.page.reload()
    stage.buyer.see("Partly refunded")


def orders_of_a_stranger(stage: Stage) -> None:
    stage.open("/orders")
    stage.buyer.see("Sign in to see your orders")


def unknown_event(stage: Stage) -> None:
    stage.open("/events/none")
    stage.buyer.see("There is no such event")


def _abort(route: Route) -> None:
    route.abort()


SCENES: list[Scene] = [
    storefront,
    storefront_without_a_match,
    event,
    event_that_opens,
    event_sold_out,
    waiting_room_before_joining,
    waiting_room_before_the_draw,
    waiting_room_in_line,
    waiting_room_paused,
    waiting_room_closed,
    waiting_room_turn,
    checkout,
    payment,
    payment_declined,
    hold_almost_over,
    hold_expired,
    wallet,
    wallet_at_the_door,
    wallet_with_an_offer,
    wallet_with_a_refund,
    wallet_without_a_network,
    wallet_empty,
    transfer,
    transfer_that_is_over,
    transfer_without_a_token,
    shop_unreachable,
    reset_password,
    sign_in,
    sign_in_refused,
    register_refused,
    forgot_password,
    account,
    account_of_a_guest,
    session_over,
    orders,
    order_partly_refunded,
    orders_of_a_stranger,
    unknown_event,
]
