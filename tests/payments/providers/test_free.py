"""Free orders: always offered, always captured."""

import pytest

from chalicelib.foundation import settings
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, PaymentMetadata
from chalicelib.payments.providers import free

PAYMENT = Payment("free", "open", 0, "USD")


def test_free_orders_are_offered_whatever_the_settings_are():
    with settings.override(payment_simulation="off", payment_provider="stripe"):
        assert free.is_offered()


@pytest.mark.parametrize("simulate", [None, "success", "fail"])
def test_a_free_order_is_captured_whatever_is_simulated(simulate):
    assert free.local_outcome(PAYMENT, simulate) == Payment("free", "captured", 0, "USD")


def test_a_free_order_has_nothing_to_open_or_cancel():
    free.open_payment(PAYMENT, PaymentMetadata("p1", "fest", "ada"), None)
    free.cancel_payment(PAYMENT)
    assert not payments.is_external("free")
