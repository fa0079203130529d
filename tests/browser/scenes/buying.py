"""Browsing and paying, each state with how a buyer gets there."""

import re

from playwright.sync_api import expect

from chalicelib.foundation import clock
from tests import builders, pictures
from tests.browser.async_checks import wait_until
from tests.browser.scenes.stage import FRONT_ROWS, UPPER_LEVEL, Scene, Stage, never_answer


def storefront(stage: Stage) -> None:
    stage.open("/")
    expect(stage.page.get_by_role("listitem")).to_have_count(6)


def storefront_without_a_match(stage: Stage) -> None:
    stage.open("/")
    stage.page.get_by_role("searchbox").fill("opera")
    stage.buyer.see("No matching events")


def storefront_of_a_city(stage: Stage) -> None:
    for event_id, city, category in ((stage.event, "Denver", "Concert"), (stage.sold_out, "Santa Fe", "Acoustic")):
        fields = {"city": city, "category": category}
        assert stage.api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    stage.open("/")
    stage.page.get_by_label("City").select_option("Denver")
    expect(stage.page.get_by_role("listitem")).to_have_count(1)


def storefront_by_date(stage: Stage) -> None:
    """Events of tonight, the weekend and later, one that is cancelled, and one that is over."""
    hour, day = 3600, 86_400
    for name, seconds in {"Matinee": hour, "Supper Club": 9 * hour, "Night Market": 5 * day, "Poetry Slam": 3 * day}.items():
        event_id = stage.create_event(name, "Foundry No. 9, Pittsburgh", UPPER_LEVEL, starts_at=clock.iso(stage.time.now + seconds))
        fields = {"category": "Club", "ends_at": clock.iso(stage.time.now + seconds + 1800)}
        assert stage.api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    stage.as_admin(f"/events/{event_id}/cancel")
    stage.time.advance(2 * hour)
    stage.open("/")
    expect(stage.page.locator(".group")).to_have_count(4)


def event(stage: Stage) -> None:
    doors = {"doors_minutes": 90}
    assert stage.api.patch(f"/events/{stage.event}", json=doors, token=builders.admin_token()).status == 200
    stage.open(f"/events/{stage.event}")
    stage.buyer.see("Doors 10:30 AM")
    expect(stage.page.get_by_role("form", name="Tickets").get_by_text("Includes $3.50 in fees")).to_be_visible()
    expect(stage.page.get_by_role("button", name="Reserve tickets")).to_be_visible()


def event_with_a_brand(stage: Stage) -> None:
    """An event whose verified promoter has a logo and colors."""
    admin = {"token": builders.admin_token()}
    assert stage.api.put("/promoters/pia", json={"name": "Pia Nova", "verified": True}, **admin).status == 200
    assert stage.api.patch(f"/events/{stage.event}", json={"promoter_id": "pia"}, **admin).status == 200
    assert stage.api.put("/promoters/pia/brand", json={"color": "#17643f", "dark_color": "#77d3a2"}, **admin).status == 200
    logo = pictures.picture(size=(600, 200), color=(23, 100, 63))
    assert pictures.send(stage.api, "/promoters/pia/logo", logo, builders.admin_token()).status == 200
    stage.open(f"/events/{stage.event}")
    wait_until(stage.page, "image => image.complete && image.naturalWidth > 0", stage.page.locator(".logo").element_handle())
    expect(stage.page.get_by_role("link", name="Map")).to_have_css("color", re.compile(r"rgb\((23, 100, 63|119, 211, 162)\)"))


def event_with_packages(stage: Stage) -> None:
    """Packages with a picture of their own, and what their buyers are asked."""
    table = {"name": "VIP table", "price_cents": 120_000, "capacity": 10, "admits": 8, "description": "At the stage, with dinner."}
    event_id = stage.create_event("Winter Gala", "Town Hall, Boston", table, FRONT_ROWS)
    tier_id = next(tier["id"] for tier in stage.api.get(f"/events/{event_id}").json["tiers"] if tier["name"] == "VIP table")
    package, token = f"/admin/events/{event_id}/tickets/packages/{tier_id}", builders.admin_token()
    for option in (
        {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Meat", "Vegan"]},
        {"label": "Message on the table", "option_type": "text_input", "is_required": False, "display_order": 1},
    ):
        assert stage.api.post(f"{package}/options", json=option, token=token).status == 201
    assert pictures.send(stage.api, f"{package}/image", pictures.picture(size=(1200, 800)), token).status == 200
    stage.open(f"/events/{event_id}")
    stage.buyer.see("Dinner: Fish, Meat, Vegan")
    stage.buyer.see("Message on the table (optional)")
    picture = stage.page.locator(".tier-picture")
    picture.scroll_into_view_if_needed()
    wait_until(stage.page, "image => image.complete && image.naturalWidth > 0", picture.element_handle())
    expect(picture).to_have_count(1)


def event_that_opens(stage: Stage) -> None:
    stage.open(f"/events/{stage.drop}")
    stage.buyer.see("Go to the waiting room")


def event_with_tickets_for_resale(stage: Stage) -> None:
    assert stage.api.patch(f"/events/{stage.event}", json={"returns": {"policy": "resale"}}, token=builders.admin_token()).status == 200
    stage.time.advance(5)
    order_id = stage.buy_as("b", stage.event, 3)
    assert stage.api.post(f"/orders/{order_id}/resale", json={}, user="b").status == 200
    stage.time.advance(5)
    stage.open(f"/events/{stage.event}")
    stage.page.get_by_label("Number of tickets: Upper level, Resale").select_option("2")
    stage.buyer.see("3 tickets left")


def event_sold_out(stage: Stage) -> None:
    stage.open(f"/events/{stage.sold_out}")
    stage.buyer.see("This event is sold out")


def unknown_event(stage: Stage) -> None:
    stage.open("/events/none")
    stage.buyer.see("Event not found")


def shop_unreachable(stage: Stage) -> None:
    stage.open("/tickets")
    stage.lose_api()
    _go_to_events(stage)
    stage.buyer.see("We cannot reach the shop.")


def checkout(stage: Stage) -> None:
    stage.checkout()


def checkout_with_questions(stage: Stage) -> None:
    _ask_for_dinner(stage)
    stage.checkout()
    stage.page.get_by_label("Vegan").first.check()


def checkout_with_a_wrong_promo_code(stage: Stage) -> None:
    stage.checkout()
    stage.page.get_by_label("Promo code").fill("GALA")
    stage.buyer.press("Apply")
    stage.buyer.see("This promo code is not valid")


def checkout_with_a_promo_code(stage: Stage) -> None:
    builders.create_promo_code(stage.api, stage.event, "GALA")
    stage.checkout()
    stage.page.get_by_label("Promo code").fill("GALA")
    stage.buyer.press("Apply")
    stage.buyer.see("New total")


def legal_texts(stage: Stage) -> None:
    _publish_terms(stage)
    stage.open("/legal")
    stage.buyer.see("This shop does not track you.")
    expect(stage.page.get_by_role("link", name="Terms")).to_have_attribute("target", "_blank")


def terms_of_the_shop(stage: Stage) -> None:
    stage.open(f"/legal/{_publish_terms(stage)}")
    stage.buyer.see("This version dates from")
    stage.buyer.see("Each ticket admits one person.")


def checkout_with_terms(stage: Stage) -> None:
    terms = _publish_terms(stage)
    stage.checkout()
    expect(stage.page.get_by_role("link", name="you accept the seller's terms")).to_have_attribute("href", f"/legal/{terms}")


def _publish_terms(stage: Stage) -> str:
    text = {"text": "1. Tickets\n\nEach ticket admits one person.\n\n2. Returns\n\nYou can return tickets until the day before."}
    published = stage.api.put("/promoters/shop/legal-texts/terms/en", json=text, token=builders.admin_token())
    return str(published.json["legal_texts"][0]["id"])


def payment_with_a_discount(stage: Stage) -> None:
    checkout_with_a_promo_code(stage)
    stage.buyer.press("Continue to payment")
    stage.buyer.see("Discount with GALA")


def _ask_for_dinner(stage: Stage) -> None:
    for tier in stage.api.get(f"/events/{stage.event}").json["tiers"]:
        path = f"/admin/events/{stage.event}/tickets/packages/{tier['id']}/options"
        dinner = {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"], "per": "ticket"}
        access = {"label": "Do you need step-free access?", "option_type": "boolean"}
        for option in (dinner, access):
            assert stage.api.post(path, json=option, token=builders.admin_token()).status == 201


def payment(stage: Stage) -> None:
    stage.payment()


def payment_declined(stage: Stage) -> None:
    stage.payment()
    stage.page.get_by_label("Card is declined").check()
    stage.page.get_by_role("button", name="Pay $").click()
    stage.buyer.see("Your card was declined.")


def hold_almost_over(stage: Stage) -> None:
    stage.checkout()
    stage.time.advance(140)
    stage.page.clock.fast_forward(140_000)
    stage.buyer.see("Less than a minute left")


def hold_expired(stage: Stage) -> None:
    stage.checkout()
    stage.time.advance(181)
    stage.page.clock.fast_forward(181_000)
    stage.buyer.see("Your time ran out")


def storefront_loading(stage: Stage) -> None:
    stage.page.route("**/api/v1/events*", never_answer)
    stage.open("/tickets")
    _go_to_events(stage)
    expect(stage.page.locator(".card-skeleton").first).to_be_visible()


def _go_to_events(stage: Stage) -> None:
    """Follow the link within the shop, because a page that is loaded arrives with its events."""
    stage.page.get_by_role("link", name="Events", exact=True).click()


def storefront_without_events(stage: Stage) -> None:
    stage.page.route("**/api/v1/events*", lambda route: route.fulfill(json=[]))
    stage.open("/")
    stage.buyer.see("There are no events at the moment")


def event_loading(stage: Stage) -> None:
    stage.open("/")
    stage.page.route("**/api/**", never_answer)
    stage.page.get_by_role("link", name="Nova Lights: Afterglow Tour").click()
    expect(stage.page.locator(".skeleton")).to_be_visible()


def event_slow(stage: Stage) -> None:
    event_loading(stage)
    stage.page.clock.fast_forward(7_000)
    stage.buyer.see("The shop is slow at the moment.")


def event_while_offline(stage: Stage) -> None:
    event(stage)
    stage.lose_network()
    stage.buyer.see("You are offline.")


def event_with_tickets_chosen(stage: Stage) -> None:
    event(stage)
    for tier, quantity in (("Upper level", "1"), ("Front rows", "2")):
        stage.page.get_by_label(f"Number of tickets: {tier}").select_option(quantity)
    stage.buyer.see("$214")


def event_on_hold(stage: Stage) -> None:
    """All of its tickets are on hold for people who pay."""
    event_id = stage.create_event("Late Show", "Little Theatre, Boston", {**UPPER_LEVEL, "capacity": 2})
    tier_id = stage.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    assert builders.reserve(stage.api, "somebody", event_id, tier_id, 2).status == 201
    stage.time.advance(60)
    stage.open(f"/events/{event_id}")
    stage.buyer.see("No tickets available right now")


def event_cancelled(stage: Stage) -> None:
    stage.as_admin(f"/events/{stage.event}/cancel")
    stage.time.advance(5)
    stage.open(f"/events/{stage.event}")
    stage.buyer.see("This event has been cancelled")


def event_reserved_in_another_tab(stage: Stage) -> None:
    checkout(stage)
    stage.open_second_tab(f"/events/{stage.event}")
    stage.buyer.see("Your tickets are waiting")


def event_paused(stage: Stage) -> None:
    event_with_tickets_chosen(stage)
    stage.as_admin(f"/admin/events/{stage.event}/pause")
    stage.buyer.look_again()
    expect(stage.buyer.heading("The sale is paused")).to_be_visible()


def checkout_of_several_tiers(stage: Stage) -> None:
    event_with_tickets_chosen(stage)
    stage.buyer.press("Reserve tickets")
    expect(stage.buyer.heading("Checkout")).to_be_visible()


def checkout_for_free(stage: Stage) -> None:
    event_id = stage.create_event("Open Rehearsal", "Orchard Concert House, Boston", {**FRONT_ROWS, "price_cents": 0})
    stage.open(f"/events/{event_id}")
    stage.buyer.choose("Front rows", 1)
    expect(stage.page.get_by_role("button", name="Get the ticket")).to_be_visible()


def checkout_given_back(stage: Stage) -> None:
    checkout(stage)
    stage.buyer.give_up_tickets()
    stage.buyer.see("You have no tickets on hold")


def checkout_given_back_in_another_tab(stage: Stage) -> None:
    checkout(stage)
    first, tab = stage.buyer, stage.page
    stage.open_second_tab(f"/events/{stage.event}/checkout")
    stage.buyer.give_up_tickets()
    stage.buyer.see("You have no tickets on hold")
    stage.buyer, stage.page = first, tab
    first.press("Continue to payment")
    first.see("You have no tickets on hold")


def checkout_with_the_api_down(stage: Stage) -> None:
    checkout(stage)
    stage.lose_api()
    stage.buyer.press("Continue to payment")
    stage.buyer.see("We cannot reach the shop.")
    assert stage.page.evaluate("document.activeElement.textContent").startswith("That did not work")


def failure_with_a_request_id(stage: Stage) -> None:
    failure = {"error": "internal_error", "message": "Something went wrong.", "request_id": "01JXB2M4ZK8T9Q"}
    stage.page.route("**/api/v1/events*", lambda route: route.fulfill(status=500, json=failure))
    stage.open("/tickets")
    _go_to_events(stage)
    stage.buyer.see("01JXB2M4ZK8T9Q")


def unknown_page(stage: Stage) -> None:
    stage.open("/nothing-here")
    stage.buyer.see("Page not found")


SCENES: list[Scene] = [
    storefront,
    storefront_without_a_match,
    storefront_of_a_city,
    storefront_by_date,
    event,
    event_with_a_brand,
    event_with_packages,
    event_that_opens,
    event_sold_out,
    event_with_tickets_for_resale,
    unknown_event,
    shop_unreachable,
    checkout,
    checkout_with_questions,
    checkout_with_a_wrong_promo_code,
    checkout_with_a_promo_code,
    payment,
    legal_texts,
    terms_of_the_shop,
    checkout_with_terms,
    payment_with_a_discount,
    payment_declined,
    hold_almost_over,
    hold_expired,
    storefront_loading,
    storefront_without_events,
    event_loading,
    event_slow,
    event_while_offline,
    event_with_tickets_chosen,
    event_on_hold,
    event_cancelled,
    event_reserved_in_another_tab,
    event_paused,
    checkout_of_several_tiers,
    checkout_for_free,
    checkout_given_back,
    checkout_given_back_in_another_tab,
    checkout_with_the_api_down,
    failure_with_a_request_id,
    unknown_page,
]
