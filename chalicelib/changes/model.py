"""What happened, in the past tense, as consumers of the stream of changes get it.

`at` is in epoch seconds: when the store recorded the change, to a second or so.
"""

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.edge.languages import Language
from chalicelib.ledger.model import LedgerEntry
from chalicelib.purchases.model import Dispute, Purchase, Refund
from chalicelib.tickets.model import Ticket


class Change(Struct, frozen=True, kw_only=True):
    """Something that happened."""

    at: int


class PurchaseChange(Change, frozen=True, kw_only=True):
    """`purchase` is as it was after the change; its version is higher than before, and several changes may come of one version."""

    purchase: Purchase


class ReservationMade(PurchaseChange, frozen=True, kw_only=True):
    pass


class WaitlistOffered(PurchaseChange, frozen=True, kw_only=True):
    """Tickets are held for somebody who waited for them, until `purchase.expires_at`: the purchase is the offer. Follows ReservationMade.

    An offer that nobody takes up ends as ReservationExpired or ReservationCancelled, and one that is paid as OrderPaid, of a purchase with
    a `waitlist_entry_id`.
    """


class CheckoutOpened(PurchaseChange, frozen=True, kw_only=True):
    pass


class OrderPaid(PurchaseChange, frozen=True, kw_only=True):
    """Tickets were issued, also for a late payment or a free order."""


class OrderRejected(PurchaseChange, frozen=True, kw_only=True):
    """A payment came in and gets no tickets; it is refunded."""


class PaymentFailed(PurchaseChange, frozen=True, kw_only=True):
    """The payment was declined, and the purchase has ended."""


class ReservationExpired(PurchaseChange, frozen=True, kw_only=True):
    pass


class ReservationCancelled(PurchaseChange, frozen=True, kw_only=True):
    pass


class OrderRefunded(PurchaseChange, frozen=True, kw_only=True):
    """A refund was requested, and the tickets that it names are void. The provider may have yet to make it."""

    refund: Refund


class RefundSucceeded(PurchaseChange, frozen=True, kw_only=True):
    refund: Refund


class RefundFailed(PurchaseChange, frozen=True, kw_only=True):
    refund: Refund


class DisputeOpened(PurchaseChange, frozen=True, kw_only=True):
    dispute: Dispute


class DisputeDecided(PurchaseChange, frozen=True, kw_only=True):
    dispute: Dispute


class SeatsReturned(PurchaseChange, frozen=True, kw_only=True):
    """Tickets can be sold again, in the next moments: `seats` is tier id -> how many."""

    seats: dict[str, int]


class BuyerErased(PurchaseChange, frozen=True, kw_only=True):
    """The buyer had what is kept about them erased. The purchase stays."""


class PurchaseForgotten(PurchaseChange, frozen=True, kw_only=True):
    """DynamoDB deleted a purchase that ended without money, long after its end."""


class LedgerEntryAdded(Change, frozen=True, kw_only=True):
    entry: LedgerEntry


class TicketChange(Change, frozen=True, kw_only=True):
    """`ticket` is as it was after the change. `sequence` grows with each change of one ticket, and is the same when it comes again."""

    ticket: Ticket
    sequence: str


class TicketIssued(TicketChange, frozen=True, kw_only=True):
    pass


class TicketVoided(TicketChange, frozen=True, kw_only=True):
    pass


class AdmissionSuspended(TicketChange, frozen=True, kw_only=True):
    """The ticket is frozen, because its payment is disputed."""


class AdmissionRestored(TicketChange, frozen=True, kw_only=True):
    """Its dispute ended, and the ticket is valid again."""


class TicketCheckedIn(TicketChange, frozen=True, kw_only=True):
    """`people` came in with the ticket."""

    people: int


class CheckInUndone(TicketChange, frozen=True, kw_only=True):
    """The check-in of `people` was taken back."""

    people: int


class TicketTransferred(TicketChange, frozen=True, kw_only=True):
    """The ticket has another owner, and another code, than before.

    `from_language` is the one for mails to the old owner; None if it is not known.
    """

    from_user_id: str
    from_language: Language | None = None


class TicketNamesChanged(TicketChange, frozen=True, kw_only=True):
    """Somebody else is named on the ticket or as the guest of one of its seats, or nobody any more."""


class EventChanged(Change, frozen=True, kw_only=True):
    """An event was created (`before` is null), changed, or deleted (`after` is null). `file_version`: the version of the bootstrap file
    that did it; null for an event of the API. The stream has only the latter; followers get both.
    """

    event_id: str
    before: Event | None
    after: Event | None
    file_version: int | None = None


class TierChanged(Change, frozen=True, kw_only=True):
    """A tier was created (`before` is null), changed, or deleted (`after` is null). The stream has only those of the API."""

    tier_id: str
    before: Tier | None
    after: Tier | None


class EventPaused(Change, frozen=True, kw_only=True):
    event_id: str


class EventResumed(Change, frozen=True, kw_only=True):
    event_id: str


class CatalogPublished(Change, frozen=True, kw_only=True):
    """Another version of the bootstrap file is served than `before`; 0 stands for none."""

    before: int
    version: int
