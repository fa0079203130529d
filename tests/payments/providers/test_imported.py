"""Imported orders: another system has their money, so no buyer pays this way."""

import pytest

from chalicelib.payments.model import Payment, PaymentsUnavailable
from chalicelib.payments.providers import imported


@pytest.mark.parametrize("simulate", [None, "success", "fail"])
def test_nobody_can_pay_this_way(simulate):
    assert not imported.is_offered()
    with pytest.raises(PaymentsUnavailable):
        imported.local_outcome(Payment("imported", "open", 5000, "USD"), simulate)
