"""Buying in a real browser: from the storefront, through the waiting room, to the tickets, and every way in which that can end."""

import re

import pytest
from playwright.sync_api import Locator, expect

from chalicelib.foundation import clock
from tests import builders, invariants
from tests.browser.async_checks import wait_until
from tests.browser.buyers import Buyer
from tests.browser.keyboard import Keyboard

TIER = "Floor"
# Whether these are all amounts on the page.
SHOWS_AMOUNTS = """([pattern, amounts]) => {
  const shown = new Set([...document.body.innerText.matchAll(pattern)].map(([, found]) => found.replace(",", ".")));
  return JSON.stringify([...shown].sort()) === JSON.stringify(amounts);
}"""


@pytest.fixture
def event_id(api, time) -> str:
    """An event on sale without a waiting room, with ten tickets at $50."""
    event_id = builders.create_event(api, "Night of the Proms")
    builders.create_tier(api, event_id, TIER)
    return event_id


@pytest.fixture
def drop_id(api, time) -> str:
    """An event that opens in a minute; its waiting room admits one buyer every half minute."""
    opens_at = clock.iso(time.now + 60)
    room = {"enabled": True, "wave_size": 1, "wave_seconds": 30}
    event_id = builders.create_event(api, "The Drop", on_sale_at=opens_at, waiting_room=room)
    builders.create_tier(api, event_id, TIER)
    return event_id


def see_amounts(buyer: Buyer, *amounts: str) -> None:
    """See that the page shows these amounts and no others, in both languages."""
    for language, pattern in (("es", r"([\d,]+)\sUS\$"), ("en", r"\$([\d.]+)")):
        buyer.page.locator("footer select").select_option(language)
        buyer.page.locator(f"html[lang={language}]").wait_for(state="attached")
        wait_until(buyer.page, SHOWS_AMOUNTS, [pattern, sorted(amounts)])


def test_every_page_shows_the_final_price_and_names_its_fee(new_buyer, api, time):
    opens_at = clock.iso(time.now + 60)
    event_id = builders.create_event(api, "The Drop", on_sale_at=opens_at, waiting_room={"enabled": True})
    body = {
        "name": TIER,
        "price_cents": 4321,
        "currency": "USD",
        "capacity": 10,
        "included_fee": {"percent": "10"},
        "tax": {"percent": "20"},
    }
    assert api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token()).status == 201
    buyer = new_buyer()
    for path in ("/", f"/events/{event_id}"):
        buyer.page.goto(path)
        buyer.see("Includes $4.32 in fees")
        see_amounts(buyer, "43.21", "4.32")
    buyer.join(event_id)
    buyer.see("Includes $4.32 in fees")
    see_amounts(buyer, "43.21", "4.32")
    time.advance(61)
    buyer.look_again()
    buyer.see("It is your turn")
    buyer.page.get_by_label(f"Number of tickets: {TIER}").select_option("2")
    see_amounts(buyer, "43.21", "4.32", "86.42")
    buyer.choose(TIER, 2)
    see_amounts(buyer, "86.42", "8.64", "14.40")
    buyer.press("Continue to payment")
    buyer.see("no money moves")
    see_amounts(buyer, "86.42", "8.64", "14.40")
    buyer.page.get_by_role("button", name="Pay $86.42").click()
    buyer.see_tickets(2)
    buyer.page.goto("/orders")
    buyer.see("2 tickets")
    see_amounts(buyer, "86.42", "8.64")
    buyer.page.get_by_role("main").get_by_role("link").click()
    buyer.see("$14.40")  # the list has the fee too, but not the tax
    see_amounts(buyer, "43.21", "86.42", "8.64", "14.40")


@pytest.mark.journey
def test_two_buyers_go_through_the_waiting_room_and_one_card_is_declined(new_buyer, api, time, drop_id):
    buyers = [new_buyer(), new_buyer(viewport={"width": 1280, "height": 800})]
    for buyer in buyers:
        buyer.join(drop_id)
        buyer.see("in the waiting room")
    time.advance(61)
    for buyer in buyers:
        buyer.look_again()
        expect(buyer.page.locator(".figure")).to_be_visible()
    first = next(buyer for buyer in buyers if _is_first(buyer))
    second = next(buyer for buyer in buyers if buyer is not first)
    second.see("You are next.")
    second.page.reload()
    second.see("You are next.")  # a reload keeps the place

    first.see("It is your turn")
    expect(first.page).to_have_title(re.compile("Your turn!"))
    first.see("Your place was drawn fairly")
    first.choose(TIER, 2)
    first.page.get_by_label("Ticket 1, Floor").fill("Ada Lovelace")
    first.pay()
    first.see("You are going!")
    first.see_tickets(2)

    time.advance(30)
    second.look_again()
    second.see("It is your turn")
    second.choose(TIER, 1)
    second.page.get_by_label("Ticket 1, Floor").fill("Bob")
    second.pay("Card is declined")
    second.see("Your card was declined.")
    second.see("we still hold your ticket.")
    time.advance(5)  # figures that are shown may be some seconds old
    line = api.get(f"/events/{drop_id}/availability").json["availability"][0]
    assert (line["available"], line["reserved"], line["sold"]) == (7, 1, 2)
    second.page.get_by_role("button", name="Pay $").click()  # with another card, as it were
    second.see_tickets(1)
    invariants.check(time.now)


def _is_first(buyer) -> bool:
    """Whether it is the buyer's turn; waits until the page has drawn either."""
    expect(buyer.page.get_by_text(re.compile("It is your turn|You are next"))).to_be_visible()
    return buyer.heading("It is your turn").is_visible()


def test_an_expired_hold_is_explained_and_the_tickets_are_back(new_buyer, api, time, event_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose(TIER, 2)
    expect(buyer.page.get_by_role("timer")).to_have_text(re.compile(r"[23]:\d\d"))
    time.advance(130)
    buyer.page.clock.fast_forward(130_000)
    buyer.see("Less than a minute left")
    time.advance(51)
    buyer.page.clock.fast_forward(51_000)
    buyer.see("Your time ran out")
    buyer.follow("Choose again")
    buyer.choose(TIER, 2)
    invariants.check(time.now)


def test_reload_back_and_double_clicks_change_nothing(new_buyer, api, time, event_id):
    buyer = new_buyer()
    buyer.page.goto("/")
    buyer.follow("Night of the Proms")
    buyer.page.get_by_label(f"Number of tickets: {TIER}").select_option("2")
    buyer.page.reload()
    expect(buyer.page.get_by_label(f"Number of tickets: {TIER}")).to_have_value("2")
    buyer.page.get_by_role("button", name="Reserve tickets").dblclick()
    buyer.give_address()
    buyer.page.get_by_label("Ticket 1, Floor").fill("Ada")
    buyer.page.reload()
    expect(buyer.page.get_by_label("Ticket 1, Floor")).to_have_value("Ada")
    buyer.press("Continue to payment")
    buyer.see("no money moves")
    buyer.page.reload()
    buyer.see("no money moves")
    buyer.page.get_by_role("button", name="Pay $100").dblclick()
    buyer.see_tickets(2)
    buyer.see("You are going!")
    buyer.page.reload()
    buyer.see_tickets(2)
    expect(buyer.page.get_by_text("You are going!")).to_have_count(0)
    buyer.page.go_back()
    expect(buyer.heading("Night of the Proms")).to_be_visible()
    buyer.page.goto(f"/events/{event_id}/checkout")
    buyer.see("You have no tickets on hold")
    time.advance(5)  # figures that are shown may be some seconds old
    assert api.get(f"/events/{event_id}/availability").json["availability"][0]["sold"] == 2
    invariants.check(time.now)


def test_several_tiers_are_paid_in_one_checkout(new_buyer, api, time, event_id):
    builders.create_tier(api, event_id, "Balcony", price_cents=2000)
    builders.create_tier(api, event_id, "Standing", price_cents=0)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    for tier, quantity in ((TIER, "2"), ("Balcony", "1"), ("Standing", "1")):
        buyer.page.get_by_label(f"Number of tickets: {tier}").select_option(quantity)
    buyer.see("$120")
    buyer.press("Reserve tickets")
    buyer.give_address()
    expect(buyer.page.locator(".lines li")).to_have_text(["1 × StandingFree", "1 × Balcony$20", "2 × Floor$100"])
    names = buyer.page.get_by_label(re.compile("^Ticket [0-9]"))
    expect(names).to_have_count(4)
    for number, name in enumerate(("Ada", "Bob", "Cyd", "Dee")):
        names.nth(number).fill(name)
    buyer.pay()
    buyer.see_tickets(4)
    passes = buyer.page.locator(".pass-text").all_inner_texts()
    assert [_words(text, "Floor", "Balcony", "Standing", "Ada", "Bob", "Cyd", "Dee") for text in passes] == [
        ["Standing", "Ada"],
        ["Balcony", "Bob"],
        ["Floor", "Cyd"],
        ["Floor", "Dee"],
    ]
    time.advance(5)  # figures that are shown may be some seconds old
    lines = {line["tier_name"]: line["sold"] for line in api.get(f"/events/{event_id}/availability").json["availability"]}
    assert lines == {TIER: 2, "Balcony": 1, "Standing": 1}
    invariants.check(time.now)


def _words(text: str, *words: str) -> list[str]:
    return [word for word in words if word in text]


def test_the_purchase_limit_is_shown_before_anything_is_reserved(new_buyer, api, event_id):
    builders.create_tier(api, event_id, "Balcony", price_cents=2000)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    for tier in (TIER, "Balcony"):
        buyer.page.get_by_label(f"Number of tickets: {tier}").select_option("4")
    buyer.see("You have chosen 8 tickets, but you can buy only 6. Choose fewer.")
    expect(buyer.page.get_by_role("button", name="Reserve tickets")).to_be_disabled()
    buyer.page.get_by_label("Number of tickets: Balcony").select_option("2")
    buyer.press("Reserve tickets")
    expect(buyer.heading("Checkout")).to_be_visible()


def test_reload_back_and_forward_at_each_step_lose_nothing(new_buyer, time, drop_id):
    buyer = new_buyer()
    page = buyer.page
    quantity, name = page.get_by_label(f"Number of tickets: {TIER}"), page.get_by_label(f"Ticket 1, {TIER}")
    page.goto("/")
    buyer.follow("The Drop")
    _reload_and_return(buyer, page.get_by_role("link", name="Go to the waiting room"), back_at=page.get_by_role("searchbox"))
    buyer.follow("Go to the waiting room")
    _reload_and_return(buyer, page.get_by_role("button", name="Join the waiting room"), back_at=buyer.heading("The Drop"))
    buyer.press("Join the waiting room")
    _reload_and_return(buyer, page.get_by_text("You are in."), back_at=buyer.heading("The Drop"))
    time.advance(61)
    page.reload()
    buyer.see("It is your turn")
    quantity.select_option("2")
    _reload_and_return(buyer, buyer.heading("It is your turn"), back_at=buyer.heading("The Drop"))
    expect(quantity).to_have_value("2")
    buyer.press("Reserve tickets")
    buyer.give_address()
    name.fill("Ada")
    _reload_and_return(buyer, page.get_by_text("Who is coming?"), back_at=page.get_by_text("Your tickets are waiting"))
    expect(name).to_have_value("Ada")
    buyer.press("Continue to payment")
    _reload_and_return(buyer, page.get_by_text("no money moves"), back_at=page.get_by_text("Your tickets are waiting"))
    page.get_by_role("button", name="Pay $100").click()
    buyer.see_tickets(2)
    page.reload()
    buyer.see_tickets(2)
    page.go_back()
    expect(buyer.heading("Checkout")).to_have_count(0)
    page.go_forward()
    buyer.see_tickets(2)
    invariants.check(time.now)


def _reload_and_return(buyer, here: Locator, back_at: Locator) -> None:
    """Reload the page, then go back from it and forward to it, and look whether it is as it was."""
    expect(here).to_be_visible()
    buyer.page.reload()
    expect(here).to_be_visible()
    buyer.page.go_back()
    expect(back_at).to_be_visible()
    buyer.page.go_forward()
    expect(here).to_be_visible()


def test_tickets_returned_in_another_tab_are_not_a_late_payment(new_buyer, api, time, event_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose(TIER, 1)
    buyer.see("Night of the Proms")  # what is paid for
    other = new_buyer(beside=buyer)
    other.page.goto(f"/events/{event_id}/checkout")
    other.give_up_tickets()
    other.see("You have no tickets on hold")
    buyer.press("Continue to payment")
    buyer.see("You have no tickets on hold")
    buyer.follow("Choose again")
    buyer.choose(TIER, 1)
    invariants.check(time.now)


def test_choosing_again_leads_to_the_waiting_room_while_the_turn_lasts(new_buyer, time, drop_id):
    buyer = new_buyer()
    buyer.join(drop_id)
    time.advance(61)
    buyer.look_again()
    buyer.choose(TIER, 2)
    buyer.page.get_by_text("Cancel the reservation").click()
    buyer.see("Your tickets go back on sale at once")
    expect(buyer.page.get_by_role("timer")).to_be_visible()  # one stray tap loses nothing
    buyer.press("Give up my tickets")
    buyer.see("You have no tickets on hold")
    expect(buyer.heading("Checkout")).to_be_focused()
    buyer.follow("Choose again")
    buyer.see("It is your turn")
    buyer.choose(TIER, 1)
    buyer.pay()
    buyer.see_tickets(1)
    invariants.check(time.now)


def test_an_order_that_is_not_paid_leads_back_to_its_checkout(new_buyer, event_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose(TIER, 1)
    buyer.press("Continue to payment")
    buyer.see("no money moves")
    buyer.page.goto("/orders")
    buyer.follow("Night of the Proms")
    expect(buyer.page.get_by_role("button", name="Print the receipt")).to_have_count(0)
    buyer.follow("Continue to checkout")
    buyer.see("no money moves")


def test_a_sale_that_is_paused_or_sold_out_says_so(new_buyer, api, time, event_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.page.get_by_label(f"Number of tickets: {TIER}").select_option("1")

    def pause_first(route):
        """Before the buyer's request arrives, because a page that hears of a pause has no button."""
        if route.request.method == "POST":
            api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
        route.continue_()

    buyer.page.route("**/reservations", pause_first)
    buyer.press("Reserve tickets")
    buyer.see("The sale is paused for everyone at the moment.")
    buyer.page.unroute("**/reservations")
    with buyer.page.expect_response("**/availability"):
        buyer.page.clock.fast_forward(6_000)  # the page asks by itself
    expect(buyer.heading("The sale is paused")).to_be_visible()
    expect(buyer.page.locator(".status")).to_have_text("Paused")
    expect(buyer.page.get_by_role("button", name="Reserve tickets")).to_have_count(0)
    visitor = new_buyer()
    time.advance(5)
    visitor.page.goto("/")
    expect(visitor.page.locator(".card .status")).to_have_text("Paused")
    visitor.page.get_by_label("On sale now").check()
    visitor.see("No matching events")
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    with buyer.page.expect_response("**/availability"):
        buyer.page.clock.fast_forward(6_000)
    expect(buyer.page.get_by_label(f"Number of tickets: {TIER}")).to_have_value("1")
    tier_id = api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    for user, quantity in (("b", 4), ("c", 4), ("d", 2)):
        builders.buy(api, user, event_id, tier_id, quantity)
    time.advance(60)
    buyer.look_again()
    buyer.see("This event is sold out")


@pytest.mark.journey
def test_the_pages_speak_spanish_and_remember_it(new_buyer, event_id):
    buyer = new_buyer(locale="es-ES")
    buyer.page.goto(f"/events/{event_id}")
    buyer.see("Reservar entradas")
    expect(buyer.page.locator("html")).to_have_attribute("lang", "es")
    buyer.page.get_by_label("Idioma").select_option("en")
    buyer.see("Reserve tickets")
    buyer.page.reload()
    buyer.see("Reserve tickets")


@pytest.mark.journey
def test_a_guest_buys_in_german(new_buyer, event_id):
    buyer = new_buyer(locale="de-DE")
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.locator("html")).to_have_attribute("lang", "de")
    buyer.page.get_by_label("Anzahl der Tickets: Floor").select_option("2")
    buyer.see("Summe")
    buyer.page.get_by_role("button", name="Tickets reservieren").click()
    buyer.page.get_by_label("E-Mail-Adresse").fill("ada@example.com")
    buyer.page.get_by_role("button", name="Weiter zur Zahlung").click()
    buyer.page.get_by_role("button", name="zahlungspflichtig bestellen").click()
    buyer.see("Sie sind dabei!")
    buyer.see("Hier sind Ihre Tickets.")
    expect(buyer.page).to_have_title(re.compile("Meine Tickets"))


def test_a_language_that_the_browser_refuses_causes_no_failure(new_buyer, event_id):
    """Chromium on a machine whose LANG is C or POSIX says en-US@posix."""
    buyer = new_buyer()
    buyer.page.add_init_script("Object.defineProperty(navigator, 'languages', { get: () => ['en-US@posix'] })")
    buyer.page.goto(f"/events/{event_id}")
    buyer.see("Reserve tickets")


@pytest.mark.journey
def test_everything_can_be_bought_with_the_keyboard_alone(new_buyer, time, event_id):
    buyer = new_buyer()
    keyboard = Keyboard(buyer.page)
    buyer.page.goto("/")
    keyboard.press("link", "Night of the Proms")
    keyboard.go_to(buyer.page.get_by_label("Number of tickets: Floor"))
    buyer.page.keyboard.press("ArrowDown")
    keyboard.press("button", "Reserve tickets")
    expect(buyer.heading("Checkout")).to_be_visible()
    keyboard.fill("Email address", "ada@example.com")
    buyer.page.keyboard.press("Enter")
    buyer.see("no money moves")
    keyboard.go_to(buyer.page.get_by_label("Card is accepted"))
    buyer.page.keyboard.press("Enter")
    buyer.see_tickets(1)
