"""The waitlist in a real browser: joining, the place, the offer, and what becomes of it."""

import re

import pytest
from playwright.sync_api import expect

from chalicelib.foundation import clock
from tests import builders, invariants
from tests.accounts.conftest import EMAIL, PASSWORD, mailbox, register  # noqa: F401
from tests.addons.waitlist import lines
from tests.browser.buyers import Buyer


@pytest.fixture
def sold_out(api, time) -> tuple[str, list[str]]:
    """An event that is sold out, and its orders, of a ticket each."""
    event_id, _, orders = lines.sold_out_shop(api, time)
    return event_id, orders


@pytest.fixture
def ada(new_buyer, sold_out) -> Buyer:
    """Somebody who has joined the waitlist."""
    ada = new_buyer()
    ada.use_demo_identity()
    join(ada, sold_out[0])
    return ada


def join(buyer: Buyer, event_id: str) -> None:
    buyer.page.goto(f"/events/{event_id}")
    buyer.press("Join the waitlist")
    expect(buyer.heading("You are on the waitlist")).to_be_visible()


def bring_offer(buyer: Buyer, api, order_id: str) -> None:
    """A ticket comes back, and goes to the first in line."""
    lines.give_back(api, order_id)
    assert lines.run_allocator()["offered"]
    buyer.look_again()


@pytest.mark.journey
def test_a_person_on_the_waitlist_gets_and_pays_a_returned_ticket(new_buyer, api, time, sold_out):
    event_id, orders = sold_out
    lines.join(api, "eve", event_id, 2)
    ada = new_buyer(timezone_id="Asia/Tokyo")
    ada.use_demo_identity()
    join(ada, event_id)
    ada.see("Ahead of you: 1 person waiting for 2 tickets.")
    bring_offer(ada, api, orders[0])
    expect(ada.heading("There is a ticket for you")).to_be_visible()
    ada.see("1 × Floor")
    expect(ada.page.get_by_text("We are holding it for you until")).to_have_text(re.compile(r" UTC \(your time: .* GMT\+9\)"))
    ada.follow("Accept the offer")
    ada.give_address()
    ada.pay()
    ada.see_tickets(1)
    ada.page.goto("/account")
    ada.see("You have bought the tickets you were waiting for.")
    time.advance(5)
    invariants.check(time.now)


def test_the_account_shows_the_offer_which_can_be_declined_there(ada, api, sold_out):
    _, orders = sold_out
    ada.page.goto("/account")
    ada.see("Nobody is ahead of you.")
    bring_offer(ada, api, orders[0])
    ada.page.get_by_text("Decline the offer").click()
    ada.press("Decline now")
    ada.see("You have declined the offer.")
    ada.follow("Night")
    expect(ada.page.get_by_role("button", name="Join the waitlist")).to_be_visible()


def test_an_offer_that_was_taken_up_can_still_be_declined(ada, api, sold_out):
    event_id, orders = sold_out
    bring_offer(ada, api, orders[0])
    ada.follow("Accept the offer")
    expect(ada.heading("Checkout")).to_be_visible()
    ada.page.goto(f"/events/{event_id}")
    ada.page.get_by_text("Decline the offer").click()
    ada.press("Decline now")
    ada.see("You have declined the offer.")
    expect(ada.heading("Your tickets are waiting")).to_have_count(0)


def test_a_person_who_left_may_rejoin(ada, api, sold_out):
    ada.page.get_by_text("Leave the waitlist").click()
    ada.press("Leave now")
    ada.see("You have left the waitlist.")
    ada.press("Join the waitlist")
    expect(ada.heading("You are on the waitlist")).to_be_visible()


def test_an_offer_that_was_not_paid_says_so(ada, api, time, sold_out):
    bring_offer(ada, api, sold_out[1][0])
    expect(ada.heading("There is a ticket for you")).to_be_visible()
    time.advance(86_500)
    ada.look_again()
    ada.see("You did not buy the tickets in time.")


def test_an_offer_that_was_not_paid_says_so_beside_tickets_on_sale(new_buyer, api, time):
    event_id, tier_id = builders.create_shop(api, capacity=4)
    order_id = builders.buy(api, "b", event_id, tier_id, 4).json["order"]["id"]
    time.advance(5)
    ada = new_buyer()
    ada.use_demo_identity()
    join(ada, event_id)
    bring_offer(ada, api, order_id)  # the other three tickets go on sale
    time.advance(5)
    ada.page.evaluate(f"localStorage.removeItem('fairgate.waited.{event_id}')")  # as in another browser
    ada.page.goto(f"/events/{event_id}")
    expect(ada.heading("There is a ticket for you")).to_be_visible()
    time.advance(86_500)
    ada.page.goto(f"/events/{event_id}")
    ada.see("You did not buy the tickets in time. Tickets are on sale now")
    expect(ada.page.get_by_role("button", name="Reserve tickets")).to_be_visible()


def test_a_screen_reader_hears_the_time_left_more_often_near_the_end(ada, api, time, sold_out):
    bring_offer(ada, api, sold_out[1][0])
    offer = ada.page.locator(".outcome")
    spoken = offer.locator("[aria-live]")
    expect(spoken).to_have_text("Less than 24 hours left to pay.")
    left = 86_400
    for seconds_left, text in {
        85_800: "Less than 24 hours left to pay.",
        83_000: "Less than 24 hours left to pay.",
        20_000: "Less than 6 hours left to pay.",
        2700: "50 minutes left to pay.",
        270: "5 minutes left to pay.",
        45: "One minute left to pay.",
    }.items():
        time.advance(left - seconds_left)
        ada.page.clock.fast_forward((left - seconds_left) * 1000)
        left = seconds_left
        expect(spoken).to_have_text(text)
    # The seconds are in the same region of the page, and must not be read out.
    expect(offer.get_by_role("timer")).to_have_text(re.compile(r"^0:\d\d$"))


def test_several_wishes_are_sent_in_their_order(new_buyer, api, time, sold_out):
    event_id = sold_out[0]
    balcony = builders.create_tier(api, event_id, "Balcony", price_cents=9000, capacity=1)
    builders.buy(api, "c", event_id, balcony)
    time.advance(5)
    ada = new_buyer()
    ada.use_demo_identity()
    ada.page.goto(f"/events/{event_id}")
    ada.page.get_by_label("Number of tickets").select_option("2")
    ada.page.get_by_label("Which tickets?").select_option(balcony)
    ada.page.get_by_label("Choice 2").select_option(index=1)
    ada.press("Join the waitlist")
    ada.see("You are waiting for 2 tickets: Balcony, Floor")


def test_a_stranger_signs_in_and_comes_back_to_join(new_buyer, api, mailbox, sold_out):  # noqa: F811
    assert register(api).status == 201
    ada = new_buyer()
    ada.page.goto(f"/events/{sold_out[0]}")
    ada.see("You need an account to join.")
    expect(ada.page.get_by_text("If tickets are returned, they appear here")).to_have_count(0)
    ada.follow("Sign in to join")
    ada.page.get_by_label("Email address").fill(EMAIL)
    ada.page.get_by_label("Password", exact=True).fill(PASSWORD)
    ada.press("Sign in")
    ada.press("Join the waitlist")
    expect(ada.heading("You are on the waitlist")).to_be_visible()
    ada.see(f"We also email the offer to {EMAIL}. You have not confirmed this address yet")
    assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
    ada.page.reload()
    ada.see(f"We also email the offer to {EMAIL}.")
    expect(ada.page.get_by_text("You have not confirmed")).to_have_count(0)


def test_a_person_without_an_address_is_not_promised_a_mail(ada):
    ada.see("A demo identity has no email address")
    expect(ada.page.get_by_text("We also email the offer")).to_have_count(0)


def test_an_event_without_a_waitlist_says_that_tickets_may_come_back(new_buyer, api, time):
    event_id = builders.create_event(api, waitlist={"enabled": False})
    builders.buy(api, "b", event_id, builders.create_tier(api, event_id, capacity=1))
    time.advance(5)
    ada = new_buyer()
    ada.page.goto(f"/events/{event_id}")
    ada.see("If tickets are returned, they appear here")
    expect(ada.heading("Waitlist")).to_have_count(0)


def test_the_waitlist_is_for_sold_out_tickets_and_below_those_that_can_be_bought(new_buyer, api, time, sold_out):
    event_id = sold_out[0]
    builders.create_tier(api, event_id, "Balcony", price_cents=9000)
    time.advance(5)
    ada = new_buyer()
    ada.use_demo_identity()
    ada.page.goto(f"/events/{event_id}")
    join_button, reserve_button = (ada.page.get_by_role("button", name=name) for name in ("Join the waitlist", "Reserve tickets"))
    expect(join_button).to_be_visible()
    assert join_button.bounding_box()["y"] > reserve_button.bounding_box()["y"]
    expect(ada.page.get_by_label("Which tickets?")).to_have_count(0), "only one kind is sold out"
    ada.press("Join the waitlist")
    ada.see("You are waiting for 1 ticket: Floor")
    coming = builders.create_event(api, "Coming")
    tier_id = builders.create_tier(api, coming)
    fields = {"sale_starts_at": clock.iso(time.now + 86_400)}
    assert api.patch(f"/tiers/{tier_id}", json=fields, token=builders.admin_token()).status == 200
    ada.page.goto(f"/events/{coming}")
    ada.see("On sale from")
    expect(ada.heading("Waitlist")).to_have_count(0)


def test_who_takes_any_sold_out_ticket_waits_for_the_cheapest_first(new_buyer, api, time, sold_out):
    event_id = sold_out[0]
    builders.buy(api, "ada", event_id, builders.create_tier(api, event_id, "Stalls", price_cents=1000, capacity=1))
    builders.create_tier(api, event_id, "Balcony", price_cents=500)
    time.advance(5)
    buyer = new_buyer()
    buyer.use_demo_identity()
    buyer.page.goto(f"/events/{event_id}")
    buyer.press("Join the waitlist")
    buyer.see("You are waiting for 1 ticket: Stalls, Floor")


def test_strangers_see_that_a_ticket_is_set_aside_for_the_waitlist(new_buyer, api, time, sold_out):
    event_id, orders = sold_out
    lines.join(api, "eve", event_id)
    lines.give_back(api, orders[0])
    assert lines.run_allocator()["offered"]
    time.advance(60)
    ada = new_buyer()
    ada.page.goto(f"/events/{event_id}")
    expect(ada.heading("This event is sold out")).to_be_visible()
    ada.see("1 ticket set aside for the waitlist.")
    expect(ada.page.get_by_text("people who are paying")).to_have_count(0)
    expect(ada.page.locator(".tier")).to_contain_text("Sold out · 1 ticket set aside for the waitlist")
