"""Store of purchases: the tables `purchases`, `buyers` and `checkout-details`, and this instance's copies of recent purchases.

Every change to a purchase is a compare-and-set on its version, and updates the buyer's record in the same transaction. A purchase is
therefore `held` or `paying` exactly while the buyer's record names it as the active purchase. `create` enforces the purchase limit within
that transaction.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.accounts.model import email_key
from chalicelib.catalog.model import ReturnPolicy
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import parallel, settings
from chalicelib.foundation.gcra import Charge
from chalicelib.foundation.ids import KeyUse
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.inventory.model import Hold
from chalicelib.payments.model import Payment, SavedCard
from chalicelib.purchases.model import (
    ACTIVE_STATES,
    ANY_USES,
    MAX_PAST_ORDERS,
    MOVED_PREFIX,
    BoxOfficeSale,
    BuyerRecord,
    CheckoutDetails,
    Dispute,
    LatePayment,
    LineItem,
    Purchase,
    Refund,
    ReturnRequest,
)

T = TypeVar("T")
MAX_ATTEMPTS = 5
# No address has these endings. Anybody can enter somebody else's address at a checkout, so checkouts without a payment are listed under a
# separate key. Otherwise, they could hide orders that were paid for.
BANK_TRANSFER, UNPAID, UNPAID_OF_USER = "#bank_transfer", "#unpaid", "#unpaid_of_user"
ENDED_TRANSFER = "#ended_transfer"
MAX_ENDED_TRANSFERS = 5000  # per event: anybody with the code can order and cancel again and again


class PurchaseRow(dynamo.Table):
    """A purchase, or a tombstone: a row with only id, state, version and ttl, for a purchase that was never written and never will be."""

    feature = "purchases"
    contents = "Purchases, and tombstones of purchases that were never written."
    personal_data = dynamo.PersonalData("what a user has bought", export="yes, as orders", erasure="stays, with the user id")
    has_stream = True

    id = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute()
    version = NumberAttribute()
    user_id = UnicodeAttribute(null=True)
    event_id = UnicodeAttribute(null=True)
    lines = StructAttribute(list[LineItem], null=True)
    currency = UnicodeAttribute(null=True)
    created_at = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)
    payment = StructAttribute(Payment, null=True)
    checkout_at = NumberAttribute(null=True)
    checkout_key = StructAttribute(KeyUse, null=True)
    ended_at = NumberAttribute(null=True)
    confirmed_at = NumberAttribute(null=True)
    has_details = BooleanAttribute(null=True)
    pass_id = UnicodeAttribute(null=True)
    refunds = StructAttribute(list[Refund], null=True)
    disputes = StructAttribute(list[Dispute], null=True)
    pool_holds = StructAttribute(list[Hold], null=True)
    promo_code = UnicodeAttribute(null=True)
    promo_holds = StructAttribute(list[Hold], null=True)
    needs_code = BooleanAttribute(null=True)
    holdback_id = UnicodeAttribute(null=True)
    bank_transfer_days = NumberAttribute(null=True)
    waitlist_entry_id = UnicodeAttribute(null=True)
    language = UnicodeAttribute(null=True)
    is_erased = BooleanAttribute(null=True)
    moved_from = UnicodeAttribute(null=True)
    resent_at = StructAttribute(list[int], null=True)
    box_office = StructAttribute(BoxOfficeSale, null=True)
    returns = StructAttribute(ReturnPolicy, null=True)
    transfers = UnicodeAttribute(null=True)
    return_requests = StructAttribute(list[ReturnRequest], null=True)
    accepted_terms = UnicodeAttribute(null=True)
    saved_card = StructAttribute(SavedCard, null=True)
    ttl = NumberAttribute(null=True)


_JSON = [name for name, attribute in PurchaseRow.get_attributes().items() if isinstance(attribute, StructAttribute)]
_TIMES = ("expires_at", "checkout_at", "ended_at", "confirmed_at")
# The attributes that a save may change.
_CHANGEABLE = (*_JSON, *_TIMES, "state", "promo_code", "has_details", "language", "is_erased", "accepted_terms")


class BuyerRow(dynamo.Table):
    feature = "buyers"
    contents = "The tickets that a user has bought or received for an event, and how often the user reserves."
    personal_data = dynamo.PersonalData("what a user has bought", export="yes, as orders", erasure="stays, with the user id")

    user_id = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)
    active_id = UnicodeAttribute(null=True)
    active_until = NumberAttribute(null=True)
    active_quantity = NumberAttribute(null=True)
    bought = NumberAttribute(null=True)
    orders = UnicodeSetAttribute(null=True)
    past_orders = UnicodeSetAttribute(null=True)
    received = UnicodeSetAttribute(null=True)
    passes = UnicodeSetAttribute(null=True)
    promo_uses = UnicodeSetAttribute(null=True)
    reserve_tat = NumberAttribute(null=True)


class AddressIndex(GlobalSecondaryIndex[Any]):
    """Purchases by the buyer's address, and received tickets by the owner's address, oldest purchase first.

    The key of a purchase that nobody has paid money for, such as a free order, is the address with the ending UNPAID. Unpaid checkouts of
    earlier releases have the address itself.
    """

    class Meta:
        index_name = "address"
        projection = KeysOnlyProjection()

    email_key = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class CheckoutDetailsRow(dynamo.Table):
    """The details that the buyer sent with the checkout of the purchase `id`, stored separately to keep the purchase small.

    If `id` is the id of a ticket, the item has the address that the ticket's current owner gave when accepting the ticket.

    If `id` ends with BANK_TRANSFER, the item only adds the purchase to its event's list of purchases by bank transfer. If such a purchase
    ended unpaid, the `email_key` ends with ENDED_TRANSFER. If `id` ends with UNPAID_OF_USER, the item only adds the purchase to its buyer's
    list of checkouts that ended unpaid.
    """

    feature = "checkout-details"
    contents = "The details that buyers sent with a checkout, and the addresses of people who accepted a ticket."
    personal_data = dynamo.PersonalData("the buyer's address, names and answers", export="yes", erasure="emptied")

    id = UnicodeAttribute(hash_key=True)
    details = StructAttribute(CheckoutDetails, null=True)
    email_key = UnicodeAttribute(null=True)
    ttl = NumberAttribute(null=True)
    address_index = AddressIndex()


class Conflict(Exception):
    """The purchase or another item of the transaction has changed since it was read. Nothing was written: read again and retry."""


class OtherConflict(Conflict):
    """Neither the purchase nor its buyer's record has changed, but another purchase or item of the transaction has."""


class PurchaseInconsistent(Exception):
    """The store refuses every change to a purchase, although the purchase itself does not change: it contradicts another item.

    For example, its tickets exist although it is unpaid, because its tables were not restored to the same second. Only a person can help.
    """


class CreateConflict(Exception):
    """The new purchase was not written: `existing` already has its id, or the record `buyer` does not allow the purchase.

    If both are None, a tombstone has taken the id.
    """

    def __init__(self, existing: Purchase | None, buyer: BuyerRecord | None) -> None:
        self.existing, self.buyer = existing, buyer
        super().__init__()


class LimitReached(Exception):
    """A late payment gets no tickets.

    The buyer has another active purchase, would exceed the limit, or has since used a promo code or the purchase's pass.
    """


def load(purchase_id: str) -> Purchase | None:
    """Load a purchase with a strongly consistent read. Returns None for an unknown id and for a tombstone."""
    row = PurchaseRow.find(purchase_id)
    return _purchase(row) if row is not None else None


def load_many(ids: Iterable[str]) -> dict[str, Purchase | None]:
    """Load purchases by id with strongly consistent reads. None stands for a tombstone; unknown ids are left out.

    Takes one round trip per 100 ids. Raises msgspec.DecodeError for a purchase that this version cannot decode. Lists use `load_readable`,
    so that they can show the other purchases.
    """
    return {row.id: _purchase(row) for row in _load_rows(ids)}


def load_readable(ids: Iterable[str]) -> tuple[dict[str, Purchase | None], set[str]]:
    """Load purchases like `load_many`, and also return the ids of the purchases that this version cannot decode.

    After a rollback, a purchase may have values that only the newer version knows. Such a purchase must be left alone: it exists, and the
    newer version can continue it.
    """
    return _decode(_load_rows(ids))


def _decode(rows: Iterable[PurchaseRow]) -> tuple[dict[str, Purchase | None], set[str]]:
    found: dict[str, Purchase | None] = {}
    unreadable = set[str]()
    for row in rows:
        try:
            found[row.id] = _purchase(row)
        except msgspec.DecodeError:
            logger.exception("purchase.not_readable", purchase_id=row.id)
            unreadable.add(row.id)
    return found, unreadable


def _load_rows(ids: Iterable[str]) -> list[PurchaseRow]:
    return PurchaseRow.find_all(ids)


def read_image(image: dict[str, Any] | None) -> Purchase | None:
    """Return the purchase of an item in wire format, as in the change stream. Returns None if there is no item, and for a tombstone."""
    return _purchase(PurchaseRow.from_raw_data(image)) if image else None


def load_details(purchase: Purchase) -> CheckoutDetails:
    """Load what the buyer sent with the checkout. If the buyer sent nothing, the result is empty and nothing is read."""
    return _find_details(purchase.id) if purchase.has_details else CheckoutDetails()


def find_owner_email(ticket_id: str) -> str | None:
    """Find the address that a ticket's owner gave when accepting the ticket. Returns None if the owner gave no address."""
    return _find_details(ticket_id).email


def _find_details(row_id: str) -> CheckoutDetails:
    row = CheckoutDetailsRow.find(row_id)
    return row.details if row is not None and row.details is not None else CheckoutDetails()


def load_many_details(purchases: Iterable[Purchase]) -> dict[str, CheckoutDetails]:
    """Load what buyers sent with these checkouts, by purchase id; checkouts without details are left out. Takes one round trip per 100."""
    return _load_details(purchase.id for purchase in purchases if purchase.has_details)


def load_owner_emails(ticket_ids: Iterable[str]) -> dict[str, str]:
    """Load the addresses that owners gave when they accepted these tickets, by ticket id. Takes one round trip per 100 tickets."""
    return {ticket_id: details.email for ticket_id, details in _load_details(ticket_ids).items() if details.email}


def _load_details(ids: Iterable[str]) -> dict[str, CheckoutDetails]:
    rows = CheckoutDetailsRow.find_all(ids, consistent_read=False)
    return {row.id: row.details for row in rows if row.details is not None}


def details_item(purchase: Purchase, details: CheckoutDetails) -> dynamo.TransactItem:
    """Return the transaction item that stores what the buyer sent with a checkout, for as long as its purchase is kept."""
    return dynamo.transact_put(
        CheckoutDetailsRow(purchase.id, **_details_attributes(details, is_paid=_is_paid(purchase)), ttl=_ttl(purchase))
    )


def list_ids_of_address(email: str, limit: int | None, before: str | None = None, *, is_paid: bool = True) -> list[str]:
    """Return up to `limit` ids of purchases and received tickets with this address, newest purchase first. A `limit` of None means all.

    The purchases are those that somebody has paid money for, and unpaid checkouts of earlier releases. With `is_paid=False`, they are the
    other checkouts. If the id `before` is given, only older purchases and tickets are included. May miss writes from the last second.
    """
    return _list_ids(_address_key(email, is_paid=is_paid), limit, before)


def list_unpaid_ids(user_id: str) -> list[str]:
    """Return the ids of the user's checkouts that sent details and ended unpaid. May miss writes from the last second."""
    return [row_id.removesuffix(UNPAID_OF_USER) for row_id in _list_ids(f"{user_id}{UNPAID_OF_USER}", None, None)]


def _list_ids(key: str, limit: int | None, before: str | None) -> list[str]:
    beyond: Any = None if before is None else CheckoutDetailsRow.id < before
    return [row.id for row in CheckoutDetailsRow.address_index.query(key, beyond, scan_index_forward=False, limit=limit)]


def bank_transfer_item(purchase: Purchase) -> dynamo.TransactItem:
    """Return the transaction item that adds a purchase to its event's list of bank transfers.

    It stays in the list as long as the purchase is kept, for late transfers.
    """
    kind, ttl = (ENDED_TRANSFER, _ttl(purchase)) if _has_ended_unpaid(purchase) else (BANK_TRANSFER, None)
    actions = CheckoutDetailsRow.set_or_remove({"email_key": f"{purchase.event_id}{kind}", "ttl": ttl})
    return dynamo.transact_update(CheckoutDetailsRow(f"{purchase.id}{BANK_TRANSFER}"), actions)


def list_bank_transfers(event_id: str, limit: int | None = None, before: str | None = None) -> list[str]:
    """Return the ids of the event's purchases that are paid by bank transfer, newest first. May miss writes from the last second.

    Without a `limit`, returns all, but only the latest MAX_ENDED_TRANSFERS of those that ended unpaid.
    """
    kinds = ((BANK_TRANSFER, limit), (ENDED_TRANSFER, limit or MAX_ENDED_TRANSFERS))
    found = parallel.call_each(lambda kind: _list_ids(f"{event_id}{kind[0]}", kind[1], before), kinds)
    return [row_id.removesuffix(BANK_TRANSFER) for row_id in sorted((row_id for ids in found for row_id in ids), reverse=True)[:limit]]


def erase_details(row_id: str) -> None:
    """Erase what the buyer sent with a checkout, or the address of a received ticket's owner, if there is any. Keeps the empty item."""
    erased = [CheckoutDetailsRow.details.remove(), CheckoutDetailsRow.email_key.remove()]
    dynamo.update_if(CheckoutDetailsRow(row_id), erased, CheckoutDetailsRow.id.exists())


def load_buyer(user_id: str, event_id: str) -> BuyerRecord | None:
    """Load the user's record for the event with a strongly consistent read. Returns None if the user has no record."""
    row = BuyerRow.find(user_id, event_id)
    return _buyer_record(row) if row is not None else None


def load_buyers(user_ids: Iterable[str], event_id: str) -> list[BuyerRecord]:
    """Load the records of several users for an event, with strongly consistent reads. Takes one round trip per 100 users."""
    return list(map(_buyer_record, BuyerRow.find_all([(user_id, event_id) for user_id in user_ids])))


def list_buyer_records(user_id: str) -> list[BuyerRecord]:
    """List the user's records, one for each event, with a strongly consistent read."""
    return [_buyer_record(row) for row in BuyerRow.query(user_id)]


def owner_email_item(ticket_id: str, email: str | None) -> dynamo.TransactItem:
    """Return the transaction item that replaces a ticket owner's address with the new owner's. None leaves an empty item."""
    return dynamo.transact_put(
        CheckoutDetailsRow(ticket_id, **(_details_attributes(CheckoutDetails(customer_email=email), is_paid=True) if email else {}))
    )


def receive_ticket_items(event_id: str, ticket_id: str, before: str, after: str) -> list[dynamo.TransactItem]:
    """Return the transaction items that move a received ticket from the record of the user `before` to that of the user `after`."""
    return [
        dynamo.transact_update(BuyerRow(after, event_id), [BuyerRow.received.add({ticket_id})]),
        dynamo.transact_update(BuyerRow(before, event_id), [BuyerRow.received.delete({ticket_id})]),
    ]


def create(
    purchase: Purchase,
    limit: int,
    charge: Charge | None = None,
    expected_tat: int = 0,
    items: Sequence[dynamo.TransactItem] = (),
    *,
    promo_uses: int = ANY_USES,
) -> None:
    """Write a new purchase and `items`, and make it the buyer's active purchase, in one transaction. Raises CreateConflict.

    `limit` is how many tickets of the event the buyer may have in total. The caller must check that the new tickets alone do not exceed the
    limit. A `charge` counts the reservation in the buyer's record, whose `reserve_tat` must be `expected_tat`. The record may have at most
    `promo_uses` uses of promo codes, and fewer than MAX_PAST_ORDERS returned orders. Raises Conflict if only a condition of `items` fails.
    """
    row, quantity = _new_row(purchase), purchase.quantity
    # The buyer must have no active purchase: two concurrent reservations of one user must not both hold tickets.
    # bought + quantity <= limit, compared in the write itself, because another order may have been paid since the record was read.
    allowed = _may_buy(limit - quantity, purchase.pass_id)
    allowed &= BuyerRow.past_orders.does_not_exist() | (size(BuyerRow.past_orders) < MAX_PAST_ORDERS)
    if promo_uses < ANY_USES:
        allowed &= _has_used_at_most(promo_uses)
    actions = _activate(purchase)
    if charge is not None:
        # This also limits a user who keeps reserving and releasing, however many instances serve the requests.
        count, may_count = charge.update(BuyerRow.reserve_tat, expected_tat)
        allowed &= may_count
        actions.append(count)
    buyer = BuyerRow(purchase.user_id, purchase.event_id)
    try:
        # Fails if a tombstone or another execution took the same id first.
        dynamo.transact([dynamo.transact_put(row, _ABSENT), dynamo.transact_update(buyer, actions, allowed), *items])
    except dynamo.ConditionFailed as cancelled:
        if not (cancelled.failed(0) or cancelled.failed(1)):
            raise Conflict from cancelled
        existing, buyer_row = cancelled.row(0, PurchaseRow), cancelled.row(1, BuyerRow)
        raise CreateConflict(
            existing=_purchase(existing) if existing is not None else None,
            buyer=_buyer_record(buyer_row) if buyer_row is not None else None,
        ) from cancelled


def move_pass_items(event_id: str, pass_id: str, from_user_id: str, to_user_id: str, *, is_return: bool) -> list[dynamo.TransactItem]:
    """Return transaction items that mark a pass as used in one user's record, so that only the other user can buy with it.

    The items fail once the first user has used the pass, and while that user has an active purchase. This includes an expired purchase,
    because it can be paid until the sweep ends it. With `is_return`, the pass had moved away from the other user, so the mark in the other
    user's record is removed.
    """
    free = BuyerRow.active_id.does_not_exist()
    marks = {pass_id, MOVED_PREFIX + pass_id}
    items = [
        dynamo.transact_update(BuyerRow(from_user_id, event_id), [BuyerRow.passes.add(marks)], free & ~BuyerRow.passes.contains(pass_id))
    ]
    return [*items, regain_pass_item(event_id, pass_id, to_user_id)] if is_return else items


def regain_pass_item(event_id: str, pass_id: str, user_id: str) -> dynamo.TransactItem:
    """Return a transaction item that removes the mark that a pass has moved away from the user."""
    marks, is_marked = {pass_id, MOVED_PREFIX + pass_id}, BuyerRow.passes.contains(MOVED_PREFIX + pass_id)
    return dynamo.transact_update(BuyerRow(user_id, event_id), [BuyerRow.passes.delete(marks)], is_marked)


def create_order_items(order: Purchase) -> list[dynamo.TransactItem]:
    """Return the transaction items that write a new order and its buyer's record for the event. They fail if either exists."""
    counted = [BuyerRow.bought.add(order.quantity), BuyerRow.orders.add({order.id})]
    buyer = dynamo.transact_update(BuyerRow(order.user_id, order.event_id), counted, BuyerRow.user_id.does_not_exist())
    return [dynamo.transact_put(_new_row(order), _ABSENT), buyer]


def insert(purchase: Purchase) -> bool:
    """Write a purchase that another region has lost, without its buyer's record. Returns False if a purchase or tombstone has its id."""
    return dynamo.put_if(_new_row(purchase), _ABSENT)


def save(
    before: Purchase,
    after: Purchase,
    items: Sequence[dynamo.TransactItem] = (),
    *,
    details: CheckoutDetails | None = None,
    late: LatePayment | None = None,
    others: Sequence[tuple[Purchase, Purchase]] = (),
) -> Purchase:
    """Replace the purchase `before` with `after`, update the buyer's record to match and write `items`, in one transaction.

    `details` replace the stored details of the checkout. `others` are orders of other buyers that change in the same transaction, each
    before and after the change. Returns the saved purchase, with its version raised by one. Raises Conflict if the purchase has changed
    since it was read or a condition of `items` fails, OtherConflict if it is certain that neither the purchase nor its buyer's record is
    the cause, and LimitReached for a `late` payment that the buyer's record does not allow.
    """
    after = replace(after, version=before.version + 1, has_details=after.has_details or details is not None)
    row = PurchaseRow(before.id)
    buyer = _buyer_update_item([(before, after)], late)
    if others:
        items = [*items, *_other_items(others)]
    if details is not None:
        stored = CheckoutDetailsRow.set_or_remove(_details_attributes(details, is_paid=_is_paid(after)) | {"ttl": _ttl(after)})
        items = [*items, dynamo.transact_update(CheckoutDetailsRow(before.id), stored)]
    elif before.has_details and (_ttl(after) != _ttl(before) or (before.state in ACTIVE_STATES and after.state not in ACTIVE_STATES)):
        items = [*items, *_file_details_items(after)]
    if after.is_by_transfer and _has_ended_unpaid(after) != _has_ended_unpaid(before):
        items = [*items, bank_transfer_item(after)]
    actions = PurchaseRow.set_or_remove(_changed_attributes(before, after))
    if buyer is None and not items:
        if not dynamo.update_if(row, actions, _unchanged(before)):
            raise Conflict
        return after
    try:
        dynamo.transact([dynamo.transact_update(row, actions, _unchanged(before)), *([buyer] if buyer else []), *items])
    except dynamo.ConditionFailed as cancelled:
        if late is not None and not cancelled.failed(0) and cancelled.failed(1):
            raise LimitReached from cancelled
        is_own = cancelled.failed(0) or (buyer is not None and cancelled.failed(1))
        raise (Conflict if is_own else OtherConflict) from cancelled
    return after


def _file_details_items(purchase: Purchase) -> list[dynamo.TransactItem]:
    """Return the transaction items that keep the details of a checkout for as long as its purchase, and list them for their buyer."""
    items = [dynamo.transact_update(CheckoutDetailsRow(purchase.id), CheckoutDetailsRow.set_or_remove({"ttl": _ttl(purchase)}))]
    if purchase.state not in ACTIVE_STATES and not purchase.was_order:
        listed = CheckoutDetailsRow.set_or_remove({"email_key": f"{purchase.user_id}{UNPAID_OF_USER}", "ttl": _ttl(purchase)})
        items.append(dynamo.transact_update(CheckoutDetailsRow(f"{purchase.id}{UNPAID_OF_USER}"), listed))
    return items


def _other_items(others: Sequence[tuple[Purchase, Purchase]]) -> list[dynamo.TransactItem]:
    """Return the transaction items that save these orders and the records of their buyers. A buyer may have several of the orders."""
    by_buyer: dict[tuple[str, str], list[tuple[Purchase, Purchase]]] = {}
    items = []
    for before, after in others:
        after = replace(after, version=before.version + 1)
        items.append(
            dynamo.transact_update(
                PurchaseRow(before.id), PurchaseRow.set_or_remove(_changed_attributes(before, after)), _unchanged(before)
            )
        )
        by_buyer.setdefault((after.user_id, after.event_id), []).append((before, after))
    buyers = [_buyer_update_item(changes, None) for changes in by_buyer.values()]
    return [*items, *(buyer for buyer in buyers if buyer is not None)]


def move_to_user(before: Purchase, user_id: str, received: Collection[str], items: Sequence[dynamo.TransactItem]) -> Purchase:
    """Give a guest's purchase to another user, update both buyers' records and write `items`, in one transaction.

    The user may then have more tickets than the limit. The tickets, pass and promo code of the purchase also stay in the guest's record.
    Otherwise, the guest could buy with the same pass again after each move. `received` are tickets of the purchase that the guest gave away
    and got back. Returns the saved purchase. Raises Conflict if the purchase has changed since it was read, if a condition of `items`
    fails, or if both users have an active purchase.
    """
    after = replace(before, user_id=user_id, moved_from=before.user_id, version=before.version + 1)
    is_active = before.state in ACTIVE_STATES
    taken = before.quantity if is_active else len(before.kept_tickets)
    counted: list[Action] = [BuyerRow.bought.add(taken)] if taken else []
    if before.pass_id is not None and (is_active or before.is_order):
        counted.append(BuyerRow.passes.add({before.pass_id}))
    if before.promo_code is not None:
        counted.append(BuyerRow.promo_uses.add({f"{before.promo_code}#{before.id}"}))
    guest_may_give, user_may_take = _buyer_condition(before, None, 0), None
    if is_active:  # the guest's record does not count the purchase yet, and the user's record counts it once it is paid
        given, taken_over, user_may_take = [*_DEACTIVATE, *counted], _activate(before), BuyerRow.active_id.does_not_exist()
    else:
        orders = BuyerRow.orders if before.is_order else BuyerRow.past_orders
        given, taken_over = [orders.delete({before.id})], [*counted, orders.add({before.id})]
    if received:
        given.append(BuyerRow.received.delete(set(received)))
    moved = {"user_id": user_id, "moved_from": before.user_id, "version": after.version}
    transaction = [
        dynamo.transact_update(PurchaseRow(before.id), PurchaseRow.set_or_remove(moved), _unchanged(before)),
        dynamo.transact_update(BuyerRow(before.user_id, before.event_id), given, guest_may_give),
        dynamo.transact_update(BuyerRow(user_id, before.event_id), taken_over, user_may_take),
    ]
    try:
        dynamo.transact([*transaction, *items])
    except dynamo.ConditionFailed as cancelled:
        raise Conflict from cancelled
    return after


def retry_on_conflict(purchase: Purchase, attempt: Callable[[Purchase], T]) -> T:
    """Return the result of `attempt(purchase)`. On Conflict, read the purchase again and repeat the attempt.

    Raises Contention if the purchase keeps changing, and PurchaseInconsistent if all attempts with its current version fail.
    """
    has_changed = False
    for number in range(MAX_ATTEMPTS):
        try:
            return attempt(purchase)
        except Conflict:
            current = load(purchase.id) or purchase
            # The first attempt may have begun with an old copy.
            has_changed = has_changed or (number > 0 and current.version != purchase.version)
            purchase = current
    if not has_changed:
        raise PurchaseInconsistent(purchase.id)
    raise dynamo.Contention("the purchase kept changing")


def put_tombstone(purchase_id: str, now: int) -> None:
    """Take the id of an unwritten purchase, so that the purchase can never be written. Raises Conflict if it has been written."""
    row = PurchaseRow(purchase_id, state="expired", version=1, ttl=now + settings.current().purchase_ttl_seconds)
    if not dynamo.put_if(row, _ABSENT):
        raise Conflict


def scan_purchases(segments: int = 1) -> Iterator[Purchase]:
    """Yield all purchases except tombstones, and read `segments` pages at once.

    Reads the whole table, so only checks and the demo may call it, never requests. Raises msgspec.DecodeError for a purchase that this
    version cannot decode. The next call of `next` continues after this purchase.
    """
    return filter(None, map(_purchase, PurchaseRow.scan(segments=segments)))


def scan_slice(after: str | None, limit: int) -> tuple[list[Purchase], str | None]:
    """Read up to `limit` items of the whole table, and return the `after` of the next slice (`dynamo.Table.scan_slice`).

    Tombstones, and purchases that this version cannot decode, are left out.
    """
    rows, following = PurchaseRow.scan_slice(after, limit)
    return list(filter(None, _decode(rows)[0].values())), following


def scan_buyers(segments: int = 1) -> Iterable[BuyerRecord]:
    """Yield all buyers' records. Reads the whole table, like `scan_purchases`."""
    return (_buyer_record(row) for row in BuyerRow.scan(segments=segments))


# Copies of purchases that this instance wrote a moment ago, so that the next step need not read them again.
#
# Use a copy only for a step that ends in a write under the copy's version: if the purchase has changed, the store refuses the write, and
# the step starts again with the purchase in the store. A step never refuses a request because of a copy.

MAX_AGE_SECONDS = 30


class _Copy(Struct, frozen=True):
    purchase: Purchase
    written_at: int  # epoch seconds


_copies: Memory[str, _Copy] = Memory(max_entries=1000)  # by purchase id


def keep_copy(purchase: Purchase, now: int) -> None:
    """Keep a copy of a purchase that was just written."""
    with _copies.lock:
        _copies.entries[purchase.id] = _Copy(purchase, now)


def take_copy(user_id: str, purchase_id: str, now: int) -> Purchase | None:
    """Remove and return this instance's copy of the user's purchase, because the next step changes the purchase.

    Returns None if there is no recent copy.
    """
    with _copies.lock:
        copy = _copies.entries.get(purchase_id)
        if copy is None or copy.purchase.user_id != user_id:
            return None
        del _copies.entries[purchase_id]
    return copy.purchase if copy.written_at <= now < copy.written_at + MAX_AGE_SECONDS else None


# Rows and conditions.


def _new_row(purchase: Purchase) -> PurchaseRow:
    return PurchaseRow(
        purchase.id,
        state=purchase.state,
        version=purchase.version,
        user_id=purchase.user_id,
        event_id=purchase.event_id,
        lines=purchase.lines,
        pool_holds=purchase.pool_holds or None,
        currency=purchase.currency,
        created_at=purchase.created_at,
        expires_at=purchase.expires_at,
        ended_at=purchase.ended_at,
        payment=purchase.payment,
        has_details=purchase.has_details or None,
        pass_id=purchase.pass_id,
        promo_code=purchase.promo_code,
        promo_holds=purchase.promo_holds or None,
        needs_code=purchase.needs_code or None,
        holdback_id=purchase.holdback_id,
        bank_transfer_days=purchase.bank_transfer_days,
        waitlist_entry_id=purchase.waitlist_entry_id,
        language=purchase.language,
        box_office=purchase.box_office,
        returns=purchase.returns,
        transfers=purchase.transfers,
        saved_card=purchase.saved_card,
        ttl=_ttl(purchase),
    )


def _changed_attributes(before: Purchase, after: Purchase) -> dict[str, Any]:
    changes: dict[str, Any] = {"version": after.version}
    for name in _CHANGEABLE:
        value = getattr(after, name)
        if value != getattr(before, name):
            changes[name] = value
    if _ttl(after) != _ttl(before):
        changes["ttl"] = _ttl(after)
    return changes


def _buyer_update_item(changes: Sequence[tuple[Purchase, Purchase]], late: LatePayment | None) -> dynamo.TransactItem | None:
    """Return the update to a buyer's record for changes to purchases, each before and after. Returns None if the record does not change.

    If there are several purchases, all of them are orders.
    """
    actions: list[Action] = []
    for before, after in changes:
        if before.state in ACTIVE_STATES and after.state not in ACTIVE_STATES:
            actions += _DEACTIVATE
        elif before.state in ACTIVE_STATES and after.expires_at != before.expires_at:
            actions.append(BuyerRow.active_until.set(after.expires_at))
    if bought_change := sum(len(after.kept_tickets) - len(before.kept_tickets) for before, after in changes):
        actions.append(BuyerRow.bought.add(bought_change))
    for _, after in [change for change in changes if change[1].is_order and not change[0].is_order]:
        actions.append(BuyerRow.orders.add({after.id}))
        if after.pass_id is not None:
            actions.append(BuyerRow.passes.add({after.pass_id}))
        if after.promo_code is not None:
            actions.append(BuyerRow.promo_uses.add({f"{after.promo_code}#{after.id}"}))
    ended = [after for before, after in changes if before.is_order and not after.is_order]
    if ended:
        # The promo code stays used, but the pass can be used again.
        ids = {after.id for after in ended}
        actions += [BuyerRow.orders.delete(ids), BuyerRow.past_orders.add(ids)]
        if passes := {after.pass_id for after in ended if after.pass_id is not None}:
            actions.append(BuyerRow.passes.delete(passes))
    if not actions:
        return None
    condition = _buyer_condition(changes[0][0], late, bought_change)
    for before, _ in changes[1:]:
        condition = condition & _buyer_condition(before, None, bought_change)
    user_id, event_id = changes[0][1].user_id, changes[0][1].event_id
    return dynamo.transact_update(BuyerRow(user_id, event_id), actions, condition)


# There is no purchase or tombstone with this id.
_ABSENT = PurchaseRow.id.does_not_exist()
_DEACTIVATE = [BuyerRow.active_id.remove(), BuyerRow.active_until.remove(), BuyerRow.active_quantity.remove()]


def _activate(purchase: Purchase) -> list[Action]:
    """Return the actions that make a purchase the buyer's active purchase."""
    return BuyerRow.set_or_remove({"active_id": purchase.id, "active_until": purchase.expires_at, "active_quantity": purchase.quantity})


def _unchanged(purchase: Purchase) -> Condition:
    """Return the condition that nothing has written to the purchase since it was read: every write raises the version."""
    return PurchaseRow.version == purchase.version


def _may_buy(max_bought: int, pass_id: str | None) -> Condition:
    """Return the condition that the buyer has no active purchase, at most `max_bought` tickets, and no order with the pass, if any.

    One pass buys one order, however many requests carry its token.
    """
    condition: Condition = BuyerRow.active_id.does_not_exist() & (BuyerRow.bought.does_not_exist() | (BuyerRow.bought <= max_bought))
    return condition if pass_id is None else condition & ~BuyerRow.passes.contains(pass_id)


def _has_used_at_most(promo_uses: int) -> Condition:
    """Return the condition that the buyer's record has at most this many uses of promo codes.

    Uses of codes are only ever added, so an unchanged number of uses means that no use was added.
    """
    condition: Condition = BuyerRow.promo_uses.does_not_exist() | (size(BuyerRow.promo_uses) <= promo_uses)
    return condition


def _buyer_condition(before: Purchase, late: LatePayment | None, bought_change: int) -> Condition:
    """Return the condition under which the buyer's record may be updated.

    While the purchase is an order or active, the record must still name it as such.
    """
    if late is not None:
        # The purchase has ended. Since then, the buyer may have bought or reserved other tickets, even with the same pass, or used a promo
        # code.
        may_buy: Condition = _may_buy(late.limit - bought_change, before.pass_id) & _has_used_at_most(late.promo_uses)
        return may_buy
    if before.is_order:
        return BuyerRow.orders.contains(before.id)
    if before.state in ACTIVE_STATES:
        return BuyerRow.active_id == before.id
    # The purchase has ended, so the record need not name it.
    return BuyerRow.user_id.exists()


def _ttl(purchase: Purchase) -> int | None:
    """Return when DynamoDB may delete the purchase, in epoch seconds.

    Returns None for a purchase that became an order or has a refund, because it is kept forever.
    """
    if purchase.state in ("held", "paying", "expired", "cancelled") and not purchase.refunds:
        return (purchase.ended_at or purchase.expires_at) + settings.current().purchase_ttl_seconds
    return None


def _has_ended_unpaid(purchase: Purchase) -> bool:
    return purchase.state not in ACTIVE_STATES and _ttl(purchase) is not None


def _details_attributes(details: CheckoutDetails, *, is_paid: bool) -> dict[str, Any]:
    return {"details": details, "email_key": _address_key(details.email, is_paid=is_paid) if details.email else None}


def _address_key(email: str, *, is_paid: bool) -> str:
    return email_key(email) if is_paid else f"{email_key(email)}{UNPAID}"


def _is_paid(purchase: Purchase) -> bool:
    """Whether the purchase is listed with those that somebody has paid money for."""
    return purchase.was_order and purchase.costs_money


def _purchase(row: PurchaseRow) -> Purchase | None:
    if row.user_id is None:
        return None
    values = {name: value for name, value in row.attribute_values.items() if name != "ttl"}
    for name in _JSON:
        if name in values:
            values[name] = getattr(row, name)
    return Purchase(**values)


def _buyer_record(row: BuyerRow) -> BuyerRecord:
    return BuyerRecord(
        user_id=row.user_id,
        event_id=row.event_id,
        active_id=row.active_id,
        active_until=int(row.active_until or 0),
        active_quantity=int(row.active_quantity or 0),
        bought=int(row.bought or 0),
        orders=frozenset(row.orders or ()),
        past_orders=frozenset(row.past_orders or ()),
        received=frozenset(row.received or ()),
        passes=frozenset(row.passes or ()),
        promo_uses=frozenset(row.promo_uses or ()),
        reserve_tat=int(row.reserve_tat or 0),
    )
