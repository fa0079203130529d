"""Paying by card on the shop's own page, and where the money is when something is refunded."""

from playwright.sync_api import expect

from chalicelib.foundation import settings
from chalicelib.purchases import store
from tests import builders
from tests.browser.scenes.stage import CardScene, CardStage, abort, never_answer
from tests.payment_pages import AUTHENTICATION_REQUIRED, BANK_SUCCEEDS, DECLINED, REFUNDS_FAIL, REFUNDS_PENDING, VISA

LAST_TICKETS = 4


def card_form(stage: CardStage) -> None:
    stage.show_form()


def card_form_loading(stage: CardStage) -> None:
    stage.page.context.unroute("https://js.stripe.com/**")
    stage.page.context.route("https://js.stripe.com/**", never_answer)
    stage.buyer.press("Continue to payment")
    expect(stage.page.locator(".skeleton")).to_be_visible()


def card_form_blocked(stage: CardStage) -> None:
    stage.page.context.unroute("https://js.stripe.com/**")
    stage.page.context.route("https://js.stripe.com/**", abort)
    stage.buyer.press("Continue to payment")
    stage.buyer.see("The payment form could not be loaded.")


def card_declined(stage: CardStage) -> None:
    stage.pay(DECLINED)
    stage.buyer.see("Your card has insufficient funds.")


def card_needs_3d_secure(stage: CardStage) -> None:
    """The bank's page, as the fake Stripe draws it."""
    stage.pay(AUTHENTICATION_REQUIRED)
    expect(stage.page.get_by_role("button", name="Complete authentication")).to_be_visible()


def card_failed_3d_secure(stage: CardStage) -> None:
    card_needs_3d_secure(stage)
    stage.buyer.press("Fail authentication")
    stage.buyer.see("The payment was not completed.")


def card_on_the_providers_page(stage: CardStage) -> None:
    with settings.override(checkout_page="hosted"):
        stage.buyer.press("Continue to payment")
        stage.buyer.see("You pay on our payment provider's page")


def card_checked_while_the_api_is_down(stage: CardStage) -> None:
    stage.page.route("**/checkout/confirm", abort)
    stage.pay(VISA)
    stage.buyer.see("this page keeps trying.")
    stage.shop.fake.deliver()  # the shop learns of the payment all the same


def bank_has_the_payment(stage: CardStage) -> None:
    stage.pay(BANK_SUCCEEDS)
    stage.buyer.see("Your bank is processing the payment")


def card_was_late(stage: CardStage) -> None:
    _pay_late(stage, VISA)


def card_was_late_and_the_refund_is_pending(stage: CardStage) -> None:
    _pay_late(stage, REFUNDS_PENDING)


def _pay_late(stage: CardStage, card: str) -> None:
    """The hold ended while the buyer was at the bank, and somebody else has bought the tickets."""
    stage.show_form()
    [purchase] = store.scan_purchases()
    stage.shop.expire_without_asking_stripe(purchase.id)
    stage.shop.buy("bob", LAST_TICKETS)
    stage.page.get_by_label("Card").fill(card)
    stage.page.get_by_role("button", name="Pay $").click()
    stage.buyer.see("Your payment arrived too late")
    stage.buyer.see("money ")


def order_refunded(stage: CardStage) -> None:
    _refund(stage, VISA)


def order_with_a_refund_on_its_way(stage: CardStage) -> None:
    _refund(stage, REFUNDS_PENDING)


def order_with_a_refund_that_is_tried_again(stage: CardStage) -> None:
    _refund(stage, REFUNDS_FAIL)
    stage.shop.fake.complete_pending()
    stage.shop.fake.deliver()
    stage.page.reload()
    stage.buyer.see("Refund on")


def wallet_with_a_refund_on_its_way(stage: CardStage) -> None:
    _refund(stage, REFUNDS_PENDING)
    stage.page.goto("/tickets")
    expect(stage.buyer.heading("Refunds")).to_be_visible()


def _refund(stage: CardStage, card: str) -> None:
    stage.pay(card)
    stage.buyer.see_tickets(2)
    [purchase] = store.scan_purchases()
    reply = builders.refund(stage.shop.api, purchase.id)
    assert reply.status == 201, reply.json
    stage.page.goto(f"/orders/{purchase.id}")
    stage.buyer.see("Refund on")


SCENES: list[CardScene] = [
    card_form,
    card_form_loading,
    card_form_blocked,
    card_declined,
    card_needs_3d_secure,
    card_failed_3d_secure,
    card_on_the_providers_page,
    card_checked_while_the_api_is_down,
    bank_has_the_payment,
    card_was_late,
    card_was_late_and_the_refund_is_pending,
    order_refunded,
    order_with_a_refund_on_its_way,
    order_with_a_refund_that_is_tried_again,
    wallet_with_a_refund_on_its_way,
]
