"""Payment methods and test cards."""

import pytest
import stripe

from devtools.stripe import payment_methods


def test_card_numbers_have_the_outcomes_of_their_test_methods(shop):
    for name, card in payment_methods.CARDS.items():
        form = {"type": "card", "card": {"number": card.number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
        outcomes = []
        for given in ({"payment_method": name}, {"payment_method_data": form}):
            intent = shop.create_intent()
            try:
                confirmed = shop.browser.v1.payment_intents.confirm(intent.id, {**given, "client_secret": intent.client_secret})
                outcomes.append(confirmed.status)
            except stripe.CardError as error:
                outcomes.append(error.code)
        assert outcomes[0] == outcomes[1], name


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number"),
        ({"number": "4111111111111111"}, "card_declined"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2020}, "invalid_expiry_year"),
    ],
)
def test_invalid_cards_are_refused(shop, card, code):
    form = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123", **card}
    with pytest.raises(stripe.CardError) as caught:
        shop.browser.v1.payment_methods.create({"type": "card", "card": form})
    assert caught.value.code == code


def test_card_numbers_from_a_server_are_refused(shop):
    form = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
    for call in (lambda: shop.pay(None, payment_method_data=form), lambda: shop.client.v1.payment_methods.create(form)):
        with pytest.raises(stripe.CardError, match="Sending credit card numbers directly") as caught:
            call()
        assert caught.value.http_status == 402
    method = shop.browser.v1.payment_methods.create(form)
    assert shop.pay(method.id).status == "succeeded"
