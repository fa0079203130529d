"""Changes to purchases, the ledger, tickets and the catalog, as consumers of the stream receive them. Their names are in the past tense."""

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.edge.languages import Language
from chalicelib.ledger.model import LedgerEntry
from chalicelib.purchases.model import Dispute, Purchase, Refund, ReturnRequest
from chalicelib.tickets.model import Ticket


class Change(Struct, frozen=True, kw_only=True):
    """Something that happened. `at` is when the store recorded it, in epoch seconds, accurate to about a second.

    If `is_copy`, the item was copied into its table, for example from a backup. The change happened earlier and was reported then, so
    consumers must not announce it again.
    """

    at: int
    is_copy: bool = False


class PurchaseChange(Change, frozen=True, kw_only=True):
    """A change to a purchase. `purchase` is the state after the change. Each state has a higher version and may yield several changes."""

    purchase: Purchase


class ReservationMade(PurchaseChange, frozen=True, kw_only=True):
    pass


class WaitlistOffered(PurchaseChange, frozen=True, kw_only=True):
    """Tickets were offered to a person on the waitlist and are held until `purchase.expires_at`. Follows ReservationMade.

    If the person has saved a card, this change follows only once charging the card has failed.

    The purchase is the offer and has a `waitlist_entry_id`. An accepted offer ends with OrderPaid; an offer that is not taken up ends with
    ReservationExpired or ReservationCancelled.
    """


class CheckoutOpened(PurchaseChange, frozen=True, kw_only=True):
    pass


class OrderPaid(PurchaseChange, frozen=True, kw_only=True):
    """Tickets were issued, including for late payments and free orders."""


class OrderMoved(PurchaseChange, frozen=True, kw_only=True):
    """A guest's purchase, in any state, moved to the guest's account with its tickets and holds."""


class OrderResent(PurchaseChange, frozen=True, kw_only=True):
    """Staff sent the order's tickets again, to the order's address, which they may have changed."""


class OrderRejected(PurchaseChange, frozen=True, kw_only=True):
    """A payment came in, but the buyer gets no tickets, so the payment is refunded."""


class PaymentFailed(PurchaseChange, frozen=True, kw_only=True):
    """The payment was declined, and the purchase has ended."""


class ReservationExpired(PurchaseChange, frozen=True, kw_only=True):
    pass


class ReservationCancelled(PurchaseChange, frozen=True, kw_only=True):
    pass


class OrderRefunded(PurchaseChange, frozen=True, kw_only=True):
    """A refund was requested, and the tickets that it names are void. The provider may not have made the refund yet."""

    refund: Refund


class RefundSucceeded(PurchaseChange, frozen=True, kw_only=True):
    refund: Refund


class RefundFailed(PurchaseChange, frozen=True, kw_only=True):
    refund: Refund


class ReturnRequested(PurchaseChange, frozen=True, kw_only=True):
    """The buyer asked to return tickets, and the event's managers decide."""

    request: ReturnRequest


class ReturnDeclined(PurchaseChange, frozen=True, kw_only=True):
    """Managers declined to take tickets back. `number` counts the order's requests from 1. An accepted request is OrderRefunded."""

    request: ReturnRequest
    number: int


class DisputeOpened(PurchaseChange, frozen=True, kw_only=True):
    dispute: Dispute


class DisputeDecided(PurchaseChange, frozen=True, kw_only=True):
    dispute: Dispute


class SeatsReturned(PurchaseChange, frozen=True, kw_only=True):
    """Tickets become available for sale again within moments. `seats` maps each tier id to the number of tickets."""

    seats: dict[str, int]


class BuyerErased(PurchaseChange, frozen=True, kw_only=True):
    """The buyer's personal data was erased. The purchase remains."""


class PurchaseForgotten(PurchaseChange, frozen=True, kw_only=True):
    """DynamoDB deleted a purchase that had ended without payment, long after it ended."""


class LedgerEntryAdded(Change, frozen=True, kw_only=True):
    entry: LedgerEntry


class TicketChange(Change, frozen=True, kw_only=True):
    """A change to a ticket. `ticket` is its state after the change. Each change has a higher `sequence`, which a redelivery repeats."""

    ticket: Ticket
    sequence: str


class TicketIssued(TicketChange, frozen=True, kw_only=True):
    pass


class TicketVoided(TicketChange, frozen=True, kw_only=True):
    pass


class AdmissionSuspended(TicketChange, frozen=True, kw_only=True):
    """The ticket was frozen because its payment is disputed."""


class AdmissionRestored(TicketChange, frozen=True, kw_only=True):
    """The dispute about the ticket's payment ended, and the ticket is valid again."""


class TicketCheckedIn(TicketChange, frozen=True, kw_only=True):
    """More people are in with the ticket: they came in, or an exit was undone. `people` is their number."""

    people: int


class CheckInUndone(TicketChange, frozen=True, kw_only=True):
    """Fewer people are in with the ticket: a check-in was undone, or people went out. `people` is their number."""

    people: int


class TicketTransferred(TicketChange, frozen=True, kw_only=True):
    """The ticket has a new owner and a new code.

    `from_user_id` is the previous owner. `from_language` is the language for emails to that owner, or None if it is unknown.
    """

    from_user_id: str
    from_language: Language | None = None


class TicketNamesChanged(TicketChange, frozen=True, kw_only=True):
    """The name of the attendee or of a guest on the ticket was set, changed or removed."""


class EventChanged(Change, frozen=True, kw_only=True):
    """An event was created (`before` is None), changed, or deleted (`after` is None).

    `file_version` is the version of the bootstrap file that changed the event, or None for a change made through the API. The stream
    carries only changes made through the API; followers get both kinds.
    """

    event_id: str
    before: Event | None
    after: Event | None
    file_version: int | None = None


class TierChanged(Change, frozen=True, kw_only=True):
    """A tier was created (`before` is None), changed, or deleted (`after` is None). The stream has only changes made through the API."""

    tier_id: str
    before: Tier | None
    after: Tier | None


class EventPaused(Change, frozen=True, kw_only=True):
    event_id: str


class EventResumed(Change, frozen=True, kw_only=True):
    event_id: str


class CatalogPublished(Change, frozen=True, kw_only=True):
    """The catalog now serves `version` of the bootstrap file instead of version `before`. 0 means no version.

    If the publication made many changes, they are passed on in portions, each with its own record. `position` is the number of the first
    change in the portion.
    """

    before: int
    version: int
    position: int = 0
