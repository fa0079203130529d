"""Simulated payments: offered by a setting, and ended as the caller says."""

import pytest

from chalicelib.foundation import settings
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, PaymentsUnavailable, SimulationRequired
from chalicelib.payments.providers import simulated

PAYMENT = Payment("simulated", "open", 5000, "USD")


@pytest.mark.parametrize(("setting", "is_offered"), [("on", True), ("off", False)])
def test_simulated_payments_are_offered_where_the_setting_is_on(setting, is_offered):
    with settings.override(payment_simulation=setting):
        assert simulated.is_offered() == is_offered
    assert not payments.is_external("simulated")


@pytest.mark.parametrize(("simulate", "status"), [("success", "captured"), ("fail", "declined")])
def test_the_caller_says_how_the_payment_ends(simulate, status):
    assert simulated.local_outcome(PAYMENT, simulate) == Payment("simulated", status, 5000, "USD")


def test_the_caller_must_say_how_the_payment_ends():
    with pytest.raises(SimulationRequired) as refusal:
        simulated.local_outcome(PAYMENT, None)
    assert refusal.value.details == {"path": "$.simulate"}


@pytest.mark.parametrize("simulate", [None, "success"])
def test_without_simulation_no_payment_can_be_simulated(simulate):
    with settings.override(payment_simulation="off"), pytest.raises(PaymentsUnavailable):
        simulated.local_outcome(PAYMENT, simulate)
