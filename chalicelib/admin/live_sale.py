"""A sale while it runs, in one reply: who waits, what is held and sold, the money, and how attempts to buy have ended.

Those who watch a sale ask every two seconds. However many watch on an instance, the store is asked once in that time.
"""

from msgspec import Struct

from chalicelib.admin import sale_status
from chalicelib.admin.sale_status import SaleStatusView
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.foundation import clock, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.reports import analytics
from chalicelib.reports.analytics import PurchaseFigures, RevenueFigures

MAX_AGE_SECONDS = 2
_MAX_EVENTS = 1000


class LiveSaleView(Struct, frozen=True, kw_only=True):
    """A sale as it was at `at`, which is two seconds ago at most while the store answers.

    `sale` is as the stock and the waiting room have it. `purchases` and `takings` follow the payments within seconds; `takings` has one
    entry for each provider and currency. `on_sale_at` is null for an event that was always on sale.
    """

    at: Timestamp
    on_sale_at: Timestamp | None
    sale: SaleStatusView
    purchases: PurchaseFigures
    takings: list[RevenueFigures]


_sales: TtlCache[LiveSaleView] = TtlCache(lambda: MAX_AGE_SECONDS, max_keys=_MAX_EVENTS)  # by event id


def live_sale(event: Event, now: int) -> LiveSaleView:
    """The sale of an event, at most two seconds old; at once after a change of the catalog that this instance knows, such as a pause."""
    return _sales.get(now, catalog.snapshot().revision, lambda: _load(event, now), event.id)


def _load(event: Event, now: int) -> LiveSaleView:
    sale, (purchases, takings) = parallel.both(
        lambda: sale_status.sale_status(event.id, now), lambda: analytics.purchases_and_takings(event.id)
    )
    return LiveSaleView(
        at=clock.iso(now),
        on_sale_at=None if event.on_sale_at is None else clock.iso(event.on_sale_at),
        sale=sale,
        purchases=purchases,
        takings=takings,
    )
