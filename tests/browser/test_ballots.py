"""A ballot in a real browser, in each language: a promoter sets it up, people register, and the draw decides who buys."""

from typing import get_args

import pytest
from playwright.sync_api import expect

from chalicelib.edge.languages import Language
from chalicelib.foundation import clock
from tests import invariants
from tests.addons.waitlist import ballots, lines
from tests.browser.buyers import Buyer
from tests.browser.managers import Manager


@pytest.mark.parametrize("language", get_args(Language))
def test_a_promoter_sets_up_a_ballot_and_the_draw_decides_who_buys(new_buyer, api, time, language):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin()
    tiers = [{"price_cents": 3500, "currency": "USD", "name": name, "capacity": 2} for name in ("Gallery", "Floor")]
    event_id = manager.create_event("Night", tiers=tiers)
    opening = {"on_sale_at": clock.iso(time.now + ballots.DAYS)}
    assert api.patch(f"/events/{event_id}", json=opening, token=manager.token).status == 200
    set_up_ballot(manager, event_id, language)
    manager.publish(event_id)

    buyers = [register(new_buyer(), event_id, language) for _ in range(3)]
    change_wishes(buyers[0])
    withdraw_in_account(buyers[2], event_id)
    ballots.make_draw(time)
    assert lines.run_allocator()["offered"] == 1  # two people want two tickets each, and there are two
    time.advance(60)
    lines.run_allocator()
    for buyer in buyers[:2]:
        buyer.look_again()
        expect(buyer.page.get_by_text(buyer.say("You are in the draw."))).to_have_count(0)
    winner, loser = sorted(buyers[:2], key=lambda buyer: buyer.heading("You are on the waitlist").count())
    loser.see(loser.say("The draw gave you place {}.", "#").partition("#")[0])  # the person who has withdrawn may have the second place
    loser.page.get_by_text(loser.say("Leave the waitlist")).click()
    loser.press("Leave now")
    loser.see("Registration has closed")
    buy(winner)
    time.advance(5)
    invariants.check(time.now)


def set_up_ballot(manager: Manager, event_id: str, language: Language) -> None:
    manager.open(f"/events/{event_id}/facts")
    manager.speak(language)
    manager.page.get_by_text(manager.say("Limits, waiting room and returns")).click()
    manager.page.get_by_label(manager.say("Allocate tickets by ballot")).check()
    manager.press("Save")
    expect(manager.page.get_by_text(manager.say("Saved"), exact=True)).to_be_visible()


def register(buyer: Buyer, event_id: str, language: Language) -> Buyer:
    """Ask for two tickets on the floor."""
    buyer.use_demo_identity()
    buyer.speak(language)
    buyer.page.goto(f"/events/{event_id}/line")
    buyer.press("Take part")
    buyer.see("You are not registered until you send your choices.")
    wish(buyer, "2", "Floor")
    buyer.see("You asked for 2 tickets")
    buyer.see("You are in the draw.")
    return buyer


def wish(buyer: Buyer, quantity: str, *wishes: str) -> None:
    buyer.field("Number of tickets").select_option(quantity)
    for rank, name in enumerate(wishes):
        choice = buyer.page.locator(f"select[name=wish-{rank}]")
        choice.select_option(choice.locator("option", has_text=name).get_attribute("value"))
    buyer.press("Register")
    expect(buyer.heading("You are registered for the ballot")).to_be_visible()


def change_wishes(buyer: Buyer) -> None:
    """Ask for one ticket of two types in order, and then again for two tickets on the floor."""
    for quantity, asked, wishes in (("1", "You asked for 1 ticket", ["Floor", "Gallery"]), ("2", "You asked for 2 tickets", ["Floor"])):
        buyer.page.get_by_text(buyer.say("Withdraw from the ballot")).click()
        buyer.press("Withdraw now")
        wish(buyer, quantity, *wishes)
        buyer.see(buyer.say(asked) + ": " + ", ".join(wishes))


def withdraw_in_account(buyer: Buyer, event_id: str) -> None:
    buyer.page.goto("/account")
    expect(buyer.heading("My waitlists and ballots")).to_be_visible()
    buyer.see("You are in the draw.")
    expect(buyer.page.get_by_text(buyer.say("Leave the waitlist"))).to_have_count(0)
    buyer.page.get_by_text(buyer.say("Withdraw from the ballot")).click()
    buyer.press("Withdraw now")
    buyer.see("You are no longer in the draw.")
    buyer.page.goto(f"/events/{event_id}/line")
    buyer.see("You are not registered until you send your choices.")


def buy(winner: Buyer) -> None:
    expect(winner.heading("There are tickets for you")).to_be_visible()
    winner.follow("Accept the offer")
    winner.give_address()
    winner.pay()
    winner.see_tickets(2)
