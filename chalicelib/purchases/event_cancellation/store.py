"""Table `event-cancellations`: one item for each event that was cancelled, with how far the refunds of its orders have come."""

from collections.abc import Iterator

from msgspec import Struct
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo

_ACTIVE, _FINISHED = "active", "finished"


class Cancellation(Struct, frozen=True, kw_only=True):
    """A cancelled event. Times are epoch seconds.

    `position`: the last purchase of this pass over the event's orders that is done; null at the start of one. `began_without_holds`: when
    the pass began nothing was held any more, so it sees every order that there will ever be.
    """

    event_id: str
    by: str
    at: int
    position: str | None = None
    began_without_holds: bool = False
    reservations: int = 0
    orders: int = 0
    disputed: int = 0
    finished_at: int | None = None


class CancellationRow(dynamo.Table):
    """`progress` is `active` until all orders are refunded, then `finished`: a query finds those that are not."""

    feature = "event-cancellations"
    contents = "Cancelled events, and how many of their orders are refunded."
    personal_data = dynamo.PersonalData("ids of orders and users", export="no", erasure="stays, with the user id")

    class Meta:
        table_name = None

    progress = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)
    by = UnicodeAttribute()
    at = NumberAttribute()
    position = UnicodeAttribute(null=True)
    began_without_holds = BooleanAttribute(null=True)
    reservations = NumberAttribute(null=True)
    orders = NumberAttribute(null=True)
    disputed = NumberAttribute(null=True)
    finished_at = NumberAttribute(null=True)


def begin_item(cancellation: Cancellation) -> dynamo.TransactItem:
    """Transaction item that begins the refunds of an event that is cancelled with it."""
    return dynamo.put(_row(_ACTIVE, cancellation))


def begin(cancellation: Cancellation) -> None:
    """Begin the refunds of an event that is cancelled already, unless they have begun."""
    dynamo.put_if(_row(_ACTIVE, cancellation), "attribute_not_exists(event_id)")


def find(event_id: str) -> Cancellation | None:
    """The cancellation of an event, finished or not; strongly consistent."""
    row = CancellationRow.find(_ACTIVE, event_id) or CancellationRow.find(_FINISHED, event_id)
    return _cancellation(row) if row is not None else None


def list_active(limit: int) -> Iterator[Cancellation]:
    """Cancellations that are not finished; strongly consistent."""
    return map(_cancellation, CancellationRow.query(_ACTIVE, limit=limit, consistent_read=True))


def save(cancellation: Cancellation) -> None:
    """Save how far the refunds have come. Of two runs at once the last one wins: some orders are then looked at twice."""
    _row(_ACTIVE, cancellation).save()


def finish(cancellation: Cancellation) -> None:
    """Move a cancellation to the finished ones."""
    dynamo.transact([dynamo.delete(CancellationRow(_ACTIVE, cancellation.event_id)), dynamo.put(_row(_FINISHED, cancellation))])


def _row(progress: str, cancellation: Cancellation) -> CancellationRow:
    return CancellationRow(
        progress,
        cancellation.event_id,
        by=cancellation.by,
        at=cancellation.at,
        position=cancellation.position,
        began_without_holds=cancellation.began_without_holds,
        reservations=cancellation.reservations,
        orders=cancellation.orders,
        disputed=cancellation.disputed,
        finished_at=cancellation.finished_at,
    )


def _cancellation(row: CancellationRow) -> Cancellation:
    return Cancellation(
        event_id=row.event_id,
        by=row.by,
        at=int(row.at),
        position=row.position,
        began_without_holds=bool(row.began_without_holds),
        reservations=int(row.reservations or 0),
        orders=int(row.orders or 0),
        disputed=int(row.disputed or 0),
        finished_at=int(row.finished_at) if row.finished_at is not None else None,
    )
