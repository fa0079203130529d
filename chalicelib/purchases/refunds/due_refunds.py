"""The refunds that the sweep works on: those that are due, and those that are pending and were not looked at for hours."""

from collections.abc import Iterator

from msgspec import Struct

from chalicelib.cases import service as cases
from chalicelib.cases.model import Case
from chalicelib.payments.model import ProviderRefund
from chalicelib.payments.provider_tasks import RETRY_SECONDS, Failure, ProviderTask
from chalicelib.purchases.record import store
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.refunds import processing

MAX_PER_SWEEP = 100  # their purchases are read in one round trip


class DueRefunds(Struct):
    """The cases of due refunds, the one that has been due for longest first, and their purchases as they were read."""

    cases: list[Case]
    purchases: dict[str, Purchase | None]
    begun: int = 0

    @property
    def remaining(self) -> int:
        return len(self.cases) - self.begun

    def tasks(self, now: int) -> Iterator[ProviderTask]:
        """A task for each case: make the refund, or fetch it, and record its status."""
        for case in self.cases:
            self.begun += 1
            yield _task(case, self.purchases.get(case.purchase_id), now)


def load_due(now: int) -> DueRefunds:
    """The refunds that are due now, MAX_PER_SWEEP at most."""
    due = cases.list_due("refund", now, MAX_PER_SWEEP)
    return DueRefunds(due, store.load_many({case.purchase_id for case in due}) if due else {})


def _task(case: Case, purchase: Purchase | None, now: int) -> ProviderTask:
    refund = purchase.find_refund(case.id) if purchase is not None else None

    def ask() -> ProviderRefund:
        if purchase is None or refund is None:
            raise LookupError(f"the purchase {case.purchase_id} has no refund {case.id}")
        return processing.ask_provider(purchase, refund)

    def finish(provider_refund: ProviderRefund) -> None:
        assert purchase is not None  # it was asked about
        after = processing.record_status(purchase, case.id, provider_refund, now)
        if after == purchase:
            cases.postpone(case, now + processing.PENDING_CHECK_SECONDS)

    def postpone(failure: Failure) -> None:
        cases.postpone(case, now + RETRY_SECONDS[failure])

    return ProviderTask(f"refund {case.id} of {case.purchase_id}", ask, finish, postpone)
