"""Where the scenes play: a shop, and a buyer in front of it. A scene brings the buyer to one page in one state.

The pictures are drawn of them, and `test_pages.py` checks on them what holds on every page.
"""

from collections.abc import Callable
from typing import get_args

from playwright.sync_api import Page, Route, expect

from chalicelib.edge.languages import Language
from chalicelib.foundation import clock
from tests import builders
from tests.browser import stripe_js
from tests.browser.buyers import Buyer
from tests.client import Client
from tests.conftest import Time
from tests.stripe_shop import StripeShop

Scene = Callable[["Stage"], None]
CardScene = Callable[["CardStage"], None]
TEXT = (
    "One night, one stage, and a room that listens. Doors open ninety minutes before the start.\nThe artists: https://example.org/artists"
)
EVENTS = [
    ("Nova Lights: Afterglow Tour", "The Paramount Hall, Denver"),
    ("Marisol Vega: An Acoustic Evening", "Cedar Street Chapel, Santa Fe"),
    ("Mile High Summits vs. Harbor City Gulls", "Foothills Arena, Denver"),
    ("City Strings: Winter Gala", "Orchard Concert House, Boston"),
    ("Iron Harvest: Ten Years Loud", "Foundry No. 9, Pittsburgh"),
]
INCLUDED = {"included_fee": {"percent": "10"}, "tax": {"percent": "8.875"}}
UPPER_LEVEL = {"name": "Upper level", "price_cents": 3500, "capacity": 12, "description": "Unreserved seats with a view."} | INCLUDED
FRONT_ROWS = {"name": "Front rows", "price_cents": 8950, "capacity": 400, "description": "Close enough to hear it."} | INCLUDED


class Stage:
    """A shop with several events, and a buyer who looks at it. `page` is what is shown in the end."""

    def __init__(self, buyer: Buyer, api: Client, time: Time) -> None:
        self.buyer, self.page, self.api, self.time = buyer, buyer.page, api, time
        self.drop = self.create_drop("Rivalry Cup: The Final", "Bayline Center, Oakland", UPPER_LEVEL, FRONT_ROWS)
        self.event, self.sold_out, *_ = [
            self.create_event(name, venue, *([UPPER_LEVEL] if name == EVENTS[1][0] else [UPPER_LEVEL, FRONT_ROWS]))
            for name, venue in EVENTS
        ]
        self.orders = [self.buy_as(user, self.sold_out, 4) for user in ("b", "c", "d")]
        self.time.advance(5)

    def create_event(self, name: str, venue: str, *tiers: dict[str, object], **fields: object) -> str:
        event_id = builders.create_event(self.api, name, venue=venue, description=TEXT, **fields)
        for tier in tiers:
            reply = self.api.post(f"/events/{event_id}/tiers", json={"currency": "USD"} | tier, token=builders.admin_token())
            assert reply.status == 201, reply.json
        return event_id

    def create_drop(self, name: str, venue: str, *tiers: dict[str, object], **options: object) -> str:
        """An event that opens in twelve and a half minutes; its waiting room lets in three every half minute."""
        room = {"enabled": True, "wave_size": 3, "wave_seconds": 30} | options
        return self.create_event(name, venue, *tiers, on_sale_at=clock.iso(self.time.now + 754), waiting_room=room)

    def buy_as(self, user: str, event_id: str, quantity: int, tier: int = 0) -> str:
        """Buy tickets of an event's cheapest tier, or another one, as somebody else. Returns the id of the order."""
        tier_id = self.api.get(f"/events/{event_id}").json["tiers"][tier]["id"]
        return str(builders.buy(self.api, user, event_id, tier_id, quantity).json["order"]["id"])

    def open(self, path: str) -> None:
        self.page.goto(path)

    def open_second_tab(self, path: str) -> Page:
        """The first tab stays as it is."""
        self.buyer = Buyer(self.page.context.new_page())
        self.page = self.buyer.page
        self.page.set_viewport_size({"width": 390, "height": 844})
        self.page.emulate_media(reduced_motion="reduce")
        self.open(path)
        return self.page

    def as_admin(self, path: str, expect_status: int = 200) -> None:
        reply = self.api.post(path, json={}, token=builders.admin_token())
        assert reply.status == expect_status, reply.json

    def checkout(self) -> None:
        self.open(f"/events/{self.event}")
        self.buyer.choose("Front rows", 2)
        self.page.get_by_label("Ticket 1, Front rows").fill("Ada Lovelace")

    def payment(self) -> None:
        self.checkout()
        self.buyer.press("Continue to payment")
        self.buyer.see("no money moves")

    def line(self, arrivals: int) -> None:
        """Join the drop with so many others."""
        self.let_join("other", arrivals)
        self.buyer.join(self.drop)

    def let_join(self, name: str, arrivals: int) -> None:
        """So many others join the drop."""
        for number in range(arrivals):
            self.api.post(f"/events/{self.drop}/waiting-room/join", json={}, user=f"{name}-{number}")

    def pass_time(self, seconds: int) -> None:
        self.time.advance(seconds)
        self.buyer.look_again()

    def lose_network(self) -> None:
        """The page has all languages by then, because it is drawn in each, and is in English."""
        for language in reversed(get_args(Language)):
            self.page.locator("footer select").select_option(language)
            self.page.locator(f"html[lang={language}]").wait_for(state="attached")
        self.page.context.set_offline(True)

    def lose_api(self) -> None:
        self.page.route("**/api/**", abort)


class CardStage:
    """A shop that takes cards on its own page, with a fake Stripe.js, and a buyer who has chosen two tickets."""

    def __init__(self, buyer: Buyer, shop: StripeShop) -> None:
        self.buyer, self.page, self.shop = buyer, buyer.page, shop
        stripe_js.serve(buyer.page, shop.fake)
        self.page.goto(f"/events/{shop.event_id}")
        buyer.choose("Floor", 2)

    def show_form(self) -> None:
        self.buyer.press("Continue to payment")
        expect(self.page.get_by_label("Card")).to_be_visible()

    def pay(self, payment_method: str) -> None:
        self.show_form()
        self.page.get_by_label("Card").fill(payment_method)
        self.page.get_by_role("button", name="Pay $").click()


def abort(route: Route) -> None:
    route.abort()


def never_answer(route: Route) -> None:
    """The page keeps waiting."""
