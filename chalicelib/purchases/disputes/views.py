"""A dispute as those who manage its event see it."""

from msgspec import Struct

from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.payments.model import DisputeStatus
from chalicelib.purchases.record.model import Dispute


class DisputeView(Struct, frozen=True, kw_only=True):
    """What a buyer's bank claims back, and why. The provider takes evidence until `due_at`; null if it does not say."""

    id: str
    status: DisputeStatus
    amount_cents: int
    currency: str
    reason: str
    at: Timestamp
    due_at: Timestamp | None


def dispute_view(dispute: Dispute) -> DisputeView:
    """What a buyer's bank claims back, and why."""
    return DisputeView(
        id=dispute.id,
        status=dispute.status,
        amount_cents=dispute.amount_cents,
        currency=dispute.currency,
        reason=dispute.reason,
        at=clock.iso(dispute.at),
        due_at=clock.iso(dispute.due_at) if dispute.due_at is not None else None,
    )
