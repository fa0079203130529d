"""The waitlist, each state with how a buyer gets there."""

from playwright.sync_api import expect

from chalicelib.waiting_room import store, tokens
from chalicelib.waiting_room.model import OddsKey
from tests import builders
from tests.addons.waitlist import lines
from tests.browser.scenes.stage import FRONT_ROWS, UPPER_LEVEL, Scene, Stage


def waitlist_of_a_stranger(stage: Stage) -> None:
    stage.open(f"/events/{stage.sold_out}")
    stage.buyer.see("You need an account to join.")


def waitlist_to_join(stage: Stage) -> None:
    """Two kinds of tickets are sold out, and the buyer wants the dearer ones first."""
    few = [{**UPPER_LEVEL, "capacity": 1}, {**FRONT_ROWS, "capacity": 1}]
    event_id = stage.create_event("Night at the Foundry", "Foundry No. 9, Pittsburgh", *few)
    for tier, user in enumerate(("b", "c")):
        stage.buy_as(user, event_id, 1, tier)
    stage.time.advance(5)
    stage.buyer.use_demo_identity()
    stage.open(f"/events/{event_id}")
    stage.page.get_by_label("Which tickets?").select_option(index=2)
    expect(stage.page.get_by_label("Choice 2")).to_be_visible()


def waitlist_waiting(stage: Stage) -> None:
    lines.join(stage.api, "eve", stage.sold_out, 2)
    _join(stage)
    stage.buyer.see("Ahead of you: 1 person")


def waitlist_left(stage: Stage) -> None:
    _join(stage)
    stage.page.get_by_text("Leave the waitlist").click()
    stage.buyer.press("Leave now")
    stage.buyer.see("You have left the waitlist.")


def waitlist_offered(stage: Stage) -> None:
    _join(stage)
    _bring_offer(stage)
    expect(stage.buyer.heading("There is a ticket for you")).to_be_visible()


def waitlist_expired(stage: Stage) -> None:
    waitlist_offered(stage)
    stage.pass_time(86_500)
    stage.buyer.see("You did not buy the tickets in time.")


def ballot_of_a_stranger(stage: Stage) -> None:
    _open_ballot(stage)
    stage.buyer.see("You need an account to join.")


def ballot_to_register(stage: Stage) -> None:
    stage.buyer.use_demo_identity()
    _open_ballot(stage)
    stage.buyer.press("Take part")
    stage.buyer.see("You are not registered until you send your choices.")


def ballot_registered(stage: Stage) -> None:
    ballot_to_register(stage)
    stage.page.get_by_label("Which tickets?").select_option(index=2)
    stage.buyer.press("Register")
    expect(stage.buyer.heading("You are registered for the ballot")).to_be_visible()
    stage.buyer.see("You are in the draw.")


def ballot_withdrawn(stage: Stage) -> None:
    ballot_registered(stage)
    stage.buyer.see("You asked for 1 ticket: Front rows")
    stage.page.get_by_text("Withdraw from the ballot").click()
    stage.buyer.press("Withdraw now")
    stage.buyer.see("You are not registered until you send your choices.")


def ballot_with_an_offer(stage: Stage) -> None:
    ballot_registered(stage)
    stage.time.advance(754)
    for _ in range(2):
        lines.run_allocator()
        stage.time.advance(60)
    stage.buyer.look_again()
    expect(stage.buyer.heading("There is a ticket for you")).to_be_visible()


def ballot_without_its_card(stage: Stage) -> None:
    stage.buyer.use_demo_identity()
    _open_ballot(stage, ballot_cards="required")
    stage.buyer.press("Take part")
    stage.page.get_by_label("Which tickets?").select_option(index=2)
    stage.buyer.press("Register")
    expect(stage.buyer.heading("Your registration is not complete")).to_be_visible()
    stage.buyer.see("You are not in the draw yet.")
    stage.buyer.see("One step is missing: save a card.")


def ballot_card_form(stage: Stage) -> None:
    ballot_without_its_card(stage)
    stage.page.get_by_role("link", name="Save a card").click()
    expect(stage.buyer.heading("Your card for the ballot")).to_be_visible()
    stage.buyer.see("If I get tickets in the draw, you may charge this card once")


def ballot_with_a_card(stage: Stage) -> None:
    ballot_card_form(stage)
    stage.page.get_by_label("A card that the bank declines when it is charged").check()
    stage.page.get_by_role("checkbox").check()
    stage.buyer.press("Save the card")
    stage.buyer.see("Your card is saved.")


def ballot_card_is_charged(stage: Stage) -> None:
    ballot_with_a_card(stage)
    stage.time.advance(754)
    for _ in range(2):
        lines.run_allocator()
        stage.time.advance(60)
    stage.buyer.look_again()
    stage.buyer.see("We are charging your saved card.")


def ballot_card_declined(stage: Stage) -> None:
    ballot_card_is_charged(stage)
    builders.run_sweep()
    stage.buyer.look_again()
    stage.buyer.see("We could not charge your saved card.")


def ballot_with_several_numbers(stage: Stage) -> None:
    """Two ballots of the promoter drew no tickets for the buyer's card."""
    stage.buyer.use_demo_identity()
    _open_ballot(stage, entry="payment_card", better_odds=True)
    stage.buyer.see("People who were not drawn in this promoter's earlier ballots have up to five numbers in this draw.")
    room = store.find_room(stage.drop)
    assert room is not None
    for lost in (2, 1):
        at = stage.time.now - lost * 86_400
        store.record_loss(OddsKey(tokens.card_key(room.realm, "card-1"), "u"), f"{at}.{at:08}", stage.time.now)
    stage.page.get_by_role("link", name="Save a card").click()
    stage.buyer.press("Save the card")
    stage.buyer.press("Take part")
    stage.buyer.see("You have 3 numbers in this draw, because you were not drawn in 2 of this promoter's earlier ballots.")


def ballot_registered_with_several_numbers(stage: Stage) -> None:
    ballot_with_several_numbers(stage)
    stage.page.get_by_label("Which tickets?").select_option(index=2)
    stage.buyer.press("Register")
    expect(stage.buyer.heading("You are registered for the ballot")).to_be_visible()
    stage.buyer.see("You have 3 numbers in this draw")


def draw_with_several_numbers(stage: Stage) -> None:
    ballot_registered_with_several_numbers(stage)
    stage.open(f"/events/{stage.drop}/draw")
    stage.pass_time(670)
    stage.pass_time(90)
    stage.buyer.see("1 place with 3 numbers")
    for summary in stage.page.locator("details.draw > summary").all():
        summary.click()
    stage.buyer.see("Your numbers were 1 to 3 of 3. The best one counts.")
    stage.buyer.see("Your number is on the list. Your browser has checked the proof.")


def ballot_closed(stage: Stage) -> None:
    _open_ballot(stage)
    stage.pass_time(800)
    expect(stage.buyer.heading("Registration has closed")).to_be_visible()


def account_with_a_waitlist(stage: Stage) -> None:
    _join(stage)
    stage.open("/account")
    expect(stage.buyer.heading("My waitlists and ballots")).to_be_visible()


def account_with_an_offer(stage: Stage) -> None:
    account_with_a_waitlist(stage)
    _bring_offer(stage)
    stage.page.get_by_text("Decline the offer").click()
    stage.buyer.see("you lose your place")


def _open_ballot(stage: Stage, **fields: object) -> None:
    stage.drop = stage.create_drop("One Night Only", "Little Theatre, Boston", UPPER_LEVEL, FRONT_ROWS, ballot=True, **fields)
    stage.open(f"/events/{stage.drop}/line")


def _join(stage: Stage) -> None:
    stage.buyer.use_demo_identity()
    stage.open(f"/events/{stage.sold_out}")
    stage.buyer.press("Join the waitlist")
    expect(stage.buyer.heading("You are on the waitlist")).to_be_visible()


def _bring_offer(stage: Stage) -> None:
    """Somebody's tickets come back."""
    lines.give_back(stage.api, stage.orders[0])
    lines.run_allocator()
    stage.buyer.look_again()


SCENES: list[Scene] = [
    waitlist_of_a_stranger,
    waitlist_to_join,
    waitlist_waiting,
    waitlist_left,
    waitlist_offered,
    waitlist_expired,
    ballot_of_a_stranger,
    ballot_to_register,
    ballot_registered,
    ballot_withdrawn,
    ballot_with_an_offer,
    ballot_without_its_card,
    ballot_card_form,
    ballot_with_a_card,
    ballot_card_is_charged,
    ballot_card_declined,
    ballot_with_several_numbers,
    ballot_registered_with_several_numbers,
    draw_with_several_numbers,
    ballot_closed,
    account_with_a_waitlist,
    account_with_an_offer,
]
