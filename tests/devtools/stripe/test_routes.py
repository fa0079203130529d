"""The parameters of calls: which values are refused, and how."""

import pytest
import stripe

REFUSED = [
    ({"color": "red"}, "parameter_unknown", "color"),
    ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
    ({"automatic_payment_methods": {"enabled": True, "color": "x"}}, "parameter_unknown", "automatic_payment_methods[color]"),
    ({"automatic_payment_methods": {"allow_redirects": "never"}}, "parameter_missing", "automatic_payment_methods[enabled]"),
    ({"automatic_payment_methods": "yes"}, None, "automatic_payment_methods"),
    ({"amount": "12.50"}, "parameter_invalid_integer", "amount"),
    ({"amount": 0}, "parameter_invalid_integer", "amount"),
    ({"amount": -5}, "parameter_invalid_integer", "amount"),
    ({"amount": 49}, "amount_too_small", "amount"),
    ({"amount": 100_000_000}, "amount_too_large", "amount"),
    ({"amount": None}, "parameter_missing", "amount"),
    ({"currency": None}, "parameter_missing", "currency"),
    ({"currency": "xyz"}, None, "currency"),
    ({"currency": "dollars"}, None, "currency"),
    ({"description": ""}, "parameter_invalid_empty", "description"),
    ({"confirm": "maybe"}, None, "confirm"),
    ({"capture_method": "manual"}, None, "capture_method"),
    ({"return_url": "shop"}, "url_invalid", "return_url"),
    ({"allowed_payment_method_types": "card"}, None, "allowed_payment_method_types"),
    ({"allowed_payment_method_types": ["card", "gold"]}, None, "allowed_payment_method_types[1]"),
    ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
    ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
    ({"metadata": {"k": {"deep": "v"}}}, None, "metadata[k]"),
    ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
    ({"payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
    ({"expand": ["latest_charge.color"], "confirm": True, "payment_method": "pm_card_visa"}, None, "expand"),
    ({"expand": ["amount"]}, None, "expand"),
]


@pytest.mark.parametrize(("given", "code", "param"), REFUSED)
def test_invalid_parameters_are_refused(shop, given, code, param):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.create_intent(**given)
    assert (caught.value.http_status, caught.value.error.type) == (400, "invalid_request_error")
    assert (caught.value.code, caught.value.param) == (code, param)
    assert shop.intents.list().data == []


def test_an_unknown_parameter_is_answered_with_a_suggestion(shop):
    with pytest.raises(stripe.InvalidRequestError, match=r"Received unknown parameter: amout. Did you mean amount\?"):
        shop.create_intent(amout=1)
