"""Paying by card in a real browser: on the shop's own page with the Payment Element, and on the provider's page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from chalicelib.foundation import settings
from chalicelib.purchases import store
from tests import builders, invariants
from tests.browser import stripe_js
from tests.payment_pages import AUTHENTICATION_REQUIRED, BANK_SUCCEEDS, DECLINED, REFUNDS_PENDING, VISA
from tests.waiting_room.sale import create_sale

TIER = "Floor"
LAST_TIER_TICKETS = 4


@pytest.fixture
def own_page(origin, shop) -> Iterator[None]:
    """A shop whose own page takes cards, as with a real publishable key."""
    with settings.override(checkout_origins=origin, stripe_publishable_key=shop.fake.publishable_key):
        yield


@pytest.fixture
def hosted_page(origin, shop) -> Iterator[None]:
    """A shop whose buyers pay on the provider's page, as in `make run` without a key."""
    with settings.override(checkout_origins=origin, stripe_publishable_key=shop.fake.publishable_key, checkout_page="hosted"):
        yield


def _reserve(buyer, shop, quantity: int = 2) -> None:
    buyer.page.goto(f"/events/{shop.event_id}")
    buyer.choose(TIER, quantity)


def _pay(buyer, payment_method: str) -> None:
    buyer.page.get_by_label("Card").fill(payment_method)
    buyer.page.get_by_role("button", name="Pay $").click()


def _show_element(buyer) -> None:
    buyer.press("Continue to payment")
    expect(buyer.page.get_by_label("Card")).to_be_visible()


def _buyer_with_element(new_buyer, shop):
    """A buyer who has reserved two tickets and sees the card form."""
    buyer = new_buyer()
    stripe_js.serve(buyer.page, shop.fake)
    _reserve(buyer, shop)
    _show_element(buyer)
    return buyer


@pytest.mark.journey
@pytest.mark.usefixtures("own_page")
def test_a_card_is_declined_and_another_pays_on_the_shops_own_page(new_buyer, shop, time):
    buyer = new_buyer()
    asked = stripe_js.serve(buyer.page, shop.fake)
    _reserve(buyer, shop)
    buyer.page.get_by_label("Ticket 1, Floor").fill("Ada Lovelace")
    assert asked == []  # Stripe.js is loaded to pay, not before
    _show_element(buyer)
    assert asked == ["https://js.stripe.com/endive/stripe.js"]
    assert buyer.page.evaluate("paymentMethodOrder") == ["apple_pay", "google_pay", "link", "card"]
    _pay(buyer, DECLINED)
    expect(buyer.page.get_by_role("alert")).to_contain_text("Your card has insufficient funds.")
    buyer.page.get_by_label("Card").fill(VISA)
    buyer.page.get_by_role("button", name="Pay $100").dblclick()
    buyer.see("You are going!")
    buyer.see_tickets(2)
    assert shop.received_and_kept() == (10_000, 10_000)
    buyer.page.go_back()
    expect(buyer.page.get_by_role("heading", name="Checkout")).to_have_count(0)


@pytest.mark.usefixtures("own_page")
def test_the_policy_of_pages_allows_stripe_only_where_cards_are_taken(new_buyer, shop):
    buyer = new_buyer()
    page = f"/events/{shop.event_id}"
    policies = {
        path: buyer.page.request.get(path).headers["content-security-policy"]
        for path in ("/", page, f"{page}/line", f"{page}/checkout", f"{page}/card")
    }
    assert [path for path, policy in policies.items() if "stripe" in policy] == [f"{page}/checkout", f"{page}/card"]
    with settings.override(stripe_publishable_key=""):
        assert "stripe" not in buyer.page.request.get(f"{page}/checkout").headers["content-security-policy"]


@pytest.mark.usefixtures("own_page")
def test_a_saved_card_gives_a_place_in_the_waiting_room(new_buyer, shop, time):
    event_id, _ = create_sale(shop.api, time, entry="payment_card", opens_in=60)
    for card in (VISA, AUTHENTICATION_REQUIRED):  # the bank asks the owner of the second card
        buyer = new_buyer()
        asked = stripe_js.serve(buyer.page, shop.fake)
        buyer.page.goto(f"/events/{event_id}/line")
        buyer.see("each payment card gets one place")
        assert asked == []  # the page of the waiting room loads nothing of Stripe's
        buyer.page.get_by_role("link", name="Save a card").click()
        field = buyer.page.get_by_label("Card", exact=True)
        expect(field).to_be_visible()
        assert buyer.page.evaluate("[wallets, cardTypes]") == [{"applePay": "never", "googlePay": "never", "link": "never"}, ["card"]]
        buyer.press("Save the card")
        buyer.see("The form is not complete.")
        field.fill(DECLINED)
        buyer.press("Save the card")
        buyer.see("Your bank has not confirmed this card")
        buyer.problems.clear()  # the browser logs the refusal
        field.fill(card)
        buyer.press("Save the card")
        buyer.press("Join the waiting room")
        buyer.see("You are in.")
    assert (shop.fake.objects("charge"), shop.fake.objects("payment_intent")) == ([], [])
    invariants.check(time.now)


@pytest.mark.usefixtures("own_page")
def test_3d_secure_returns_to_the_checkout_whether_it_was_passed_or_not(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    _pay(buyer, AUTHENTICATION_REQUIRED)
    buyer.press("Fail authentication")
    buyer.see("The payment was not completed.")
    buyer.see("You have not been charged, and we still hold your tickets. Try again, or pay another way.")
    assert "secret" not in buyer.page.url
    _pay(buyer, AUTHENTICATION_REQUIRED)
    buyer.press("Complete authentication")
    buyer.see("You are going!")
    buyer.see_tickets(2)


@pytest.mark.usefixtures("own_page")
def test_a_refused_payment_is_explained_in_the_language_of_the_page(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    _pay(buyer, AUTHENTICATION_REQUIRED)
    buyer.press("Fail authentication")
    buyer.see("The payment was not completed.")
    buyer.page.get_by_label("Language").select_option("es")
    buyer.see("El pago no se ha completado.")
    buyer.see("No te hemos cobrado nada y te seguimos guardando las entradas.")


@pytest.mark.usefixtures("own_page")
def test_a_declined_card_is_explained_in_the_language_of_the_page(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    buyer.page.get_by_label("Language").select_option("es")
    reasons = {
        DECLINED: "Tu tarjeta no tiene fondos suficientes.",
        "pm_card_chargeDeclinedExpiredCard": "Tu tarjeta está caducada.",
        "pm_card_chargeDeclinedIncorrectCvc": "El código de seguridad de la tarjeta no es correcto.",
        "pm_card_chargeDeclinedProcessingError": "No se ha podido procesar tu tarjeta.",
        "pm_card_visa_chargeDeclinedStolenCard": "Tu tarjeta ha sido rechazada.",
    }
    for card, reason in reasons.items():
        buyer.page.get_by_label("Tarjeta").fill(card)
        buyer.page.get_by_role("button", name="Pagar").click()
        expect(buyer.page.get_by_role("alert").get_by_role("paragraph").first).to_have_text(reason)
    buyer.page.get_by_label("Idioma").select_option("en")
    buyer.see("Your card was declined.")


@pytest.mark.usefixtures("own_page")
def test_the_card_form_changes_language_and_keeps_what_was_typed(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    buyer.page.get_by_label("Card").fill(VISA)
    buyer.page.get_by_label("Language").select_option("es")
    expect(buyer.page.get_by_label("Tarjeta")).to_have_value(VISA)
    buyer.page.get_by_role("button", name="Pagar").click()
    buyer.see("¡Nos vemos allí!")


@pytest.mark.usefixtures("own_page")
def test_a_reload_and_a_second_tab_continue_the_same_payment(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    buyer.page.reload()
    expect(buyer.page.get_by_label("Card")).to_be_visible()
    other = new_buyer(beside=buyer)
    other.page.goto(f"/events/{shop.event_id}/checkout")
    other.give_address()
    _show_element(other)
    _pay(buyer, VISA)
    buyer.see_tickets(2)
    _pay(other, VISA)
    other.see_tickets(2)
    assert shop.received_and_kept() == (10_000, 10_000)


def _go_back_for_a_code(buyer, api, shop) -> None:
    """Go back from the payment, change a name, and continue with a promo code of 10 %."""
    builders.create_promo_code(api, shop.event_id, "SAVE")
    buyer.press("Back to your details")
    expect(buyer.heading("Your details")).to_be_focused()
    expect(buyer.page.get_by_label("Ticket 1, Floor")).to_have_value("Ada")
    buyer.page.get_by_label("Ticket 1, Floor").fill("Grace")
    buyer.page.get_by_label("Promo code (optional)").fill("save")
    buyer.press("Apply")
    buyer.see("$10 off. New total: $90")
    buyer.page.reload()
    expect(buyer.page.get_by_label("Promo code (optional)")).to_have_value("save")
    buyer.press("Continue to payment")
    expect(buyer.heading("Payment")).to_be_focused()
    buyer.see("Discount with SAVE")


@pytest.mark.usefixtures("own_page")
def test_from_the_card_form_one_can_go_back_to_names_and_promo_code(new_buyer, api, shop):
    buyer = new_buyer()
    stripe_js.serve(buyer.page, shop.fake)
    _reserve(buyer, shop)
    buyer.page.get_by_label("Ticket 1, Floor").fill("Ada")
    _show_element(buyer)
    _go_back_for_a_code(buyer, api, shop)
    expect(buyer.page.get_by_label("Card")).to_be_visible()
    buyer.page.get_by_label("Card").fill(VISA)
    buyer.page.get_by_role("button", name="Pay $90").click()
    buyer.see_tickets(2)
    buyer.see("Grace")
    assert shop.received_and_kept() == (9_000, 9_000)


@pytest.mark.usefixtures("hosted_page")
def test_from_the_provider_s_page_one_can_go_back_to_names_and_promo_code(new_buyer, api, shop):
    buyer = new_buyer()
    _reserve(buyer, shop)
    buyer.page.get_by_label("Ticket 1, Floor").fill("Ada")
    buyer.press("Continue to payment")
    buyer.press("Pay $100")
    expect(buyer.page.get_by_label("Test card number")).to_be_visible()
    buyer.page.goto(f"/events/{shop.event_id}/checkout")
    _go_back_for_a_code(buyer, api, shop)
    buyer.press("Pay $90")
    buyer.pay_by_card("4242 4242 4242 4242")
    buyer.see_tickets(2)
    assert shop.received_and_kept() == (9_000, 9_000)


@pytest.mark.usefixtures("own_page")
def test_a_form_that_cannot_be_loaded_says_so_and_is_tried_again(new_buyer, shop):
    buyer = new_buyer()
    _reserve(buyer, shop)
    buyer.page.context.route("https://js.stripe.com/**", lambda route: route.abort())
    buyer.press("Continue to payment")
    buyer.see("The payment form could not be loaded.")
    expect(buyer.page.get_by_role("button", name="Pay $")).to_be_disabled()
    stripe_js.serve(buyer.page, shop.fake)
    buyer.press("Try again")
    _pay(buyer, VISA)
    buyer.see_tickets(2)


@pytest.mark.usefixtures("own_page")
def test_an_api_that_is_down_after_the_payment_is_asked_until_it_answers(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    buyer.page.route("**/checkout/confirm", lambda route: route.abort())
    _pay(buyer, VISA)
    buyer.see("Checking your payment")
    buyer.see("We cannot reach the shop at the moment, but this page keeps trying.")
    buyer.see("If you have paid, your payment is safe")
    buyer.page.unroute("**/checkout/confirm")
    buyer.see_tickets(2)


@pytest.mark.usefixtures("own_page")
def test_a_bank_that_takes_days_is_explained_and_the_tickets_come_later(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    _pay(buyer, BANK_SUCCEEDS)
    buyer.see("Your bank is processing the payment")
    shop.fake.complete_pending()
    shop.fake.deliver()
    buyer.page.clock.fast_forward(31_000)
    buyer.see_tickets(2)


@pytest.mark.usefixtures("own_page")
def test_a_late_payment_is_explained_with_the_state_of_its_refund(new_buyer, shop, time):
    """The hold ended while the buyer was at the bank, and somebody else has bought the tickets."""
    buyer = _buyer_with_element(new_buyer, shop)
    [purchase] = store.scan_purchases()
    shop.expire_without_asking_stripe(purchase.id)
    shop.buy("bob", LAST_TIER_TICKETS)
    _pay(buyer, VISA)
    buyer.see("Your payment arrived too late")
    buyer.see("$100")
    buyer.see("We have sent the money back to the card or account you paid with.")
    invariants.check(time.now)


@pytest.mark.usefixtures("own_page")
def test_an_order_is_shown_as_refunded_once_the_money_has_been_sent(new_buyer, shop):
    buyer = _buyer_with_element(new_buyer, shop)
    _pay(buyer, REFUNDS_PENDING)
    buyer.see_tickets(2)
    [purchase] = store.scan_purchases()
    assert builders.refund(shop.api, purchase.id).status == 201
    for path in (f"/orders/{purchase.id}", "/orders"):
        buyer.page.goto(path)
        expect(buyer.page.locator(".status")).to_have_text("Refund on its way")
    shop.fake.complete_pending()
    shop.fake.deliver()
    buyer.page.reload()
    expect(buyer.page.locator(".status")).to_have_text("Refunded")


@pytest.mark.journey
@pytest.mark.usefixtures("hosted_page")
def test_a_declined_card_and_3d_secure_on_the_hosted_page(new_buyer, shop):
    buyer = new_buyer()
    _reserve(buyer, shop)
    buyer.press("Continue to payment")
    buyer.see("You pay on our payment provider's page")
    buyer.press("Pay $100")
    buyer.pay_by_card("4000 0000 0000 0002")
    buyer.see("Your card was declined.")
    buyer.pay_by_card("4000 0025 0000 3155")
    buyer.press("Complete authentication")
    buyer.see("You are going!")
    buyer.see_tickets(2)
