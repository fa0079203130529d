"""Invoices and credit notes: their content, their table, and the follower that numbers and issues them (decision 200).

The entries of the ledger say which documents are due. A document is stored under the key of its entry, and never changes.
"""

import random
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, zip_longest
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.accounts.profiles import SHOP, InvoiceIssuer, InvoiceSeller, find_shop_issuer
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, timezone_of
from chalicelib.changes.model import Change, DisputeDecided, OrderPaid, RefundFailed, RefundSucceeded
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, deadline, log, memory, parallel, settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.money import Tax, TaxShare
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import EntryKind, LedgerEntry
from chalicelib.promoters.service import find_verified_promoter
from chalicelib.purchases import queries
from chalicelib.purchases.model import CheckoutDetails, InvoiceBuyer, Purchase, Refund
from chalicelib.tickets.model import order_number

KEPT_YEARS = 10  # after the end of a document's year; tax laws commonly require up to ten years
MAX_LOST_RACES = 8  # how often other followers may win the race before the changes are delivered again
VIES_SECONDS = 3.0  # how long to wait for an answer of VIES
VIES_NEEDS_SECONDS = 20.0  # without this much time left for all changes of the batch, VIES is not asked
VIES_REPLY_BYTES = 8192  # a reply has the name and the address of the company
MAX_AT_ONCE = dynamo.MAX_TRANSACT_ITEMS - 1  # documents in a transaction, which also writes the row of their series

Series = Literal["C", "I", "S"]  # credit notes, invoices with a buyer's details, and simplified invoices without them
_CAUSES = (OrderPaid, RefundSucceeded, RefundFailed, DisputeDecided)
_UNPAID = ("complimentary", "free", "imported")  # providers of orders for which no money came in here


class InvoiceLine(Struct, frozen=True, omit_defaults=True):
    """Tickets of one type on an invoice. `discount_cents` is the discount of a promo code on all of these tickets together.

    `included_fee_cents` is the fee that the discounted price of all these tickets includes.
    """

    text: str
    quantity: int
    price_cents: int
    discount_cents: int = 0
    tax: Tax | None = None
    included_fee_cents: int = 0


class VatCheck(Struct, frozen=True, omit_defaults=True):
    """The result of checking the buyer's VAT id before the invoice was issued, and when the check was made (epoch seconds).

    `malformed` and `well_formed` describe the form and the check digits, `valid` and `invalid` are the answer of VIES, and `unavailable`
    means that VIES did not answer. `reference` is the number with which the seller can prove that VIES was asked.
    """

    result: Literal["malformed", "well_formed", "valid", "invalid", "unavailable"]
    at: int
    reference: str | None = None


class Invoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An invoice or a credit note, with everything that its PDF shows. Times are epoch seconds, and `paid_at` is when the money moved.

    `total_cents`, and the `taxes` and `included_fee_cents` in it, have the signs of the ledger: those of a credit note are negative.
    `corrects` is the number of the document that this document takes back, in whole or in part. `cause` is the kind of the ledger entry
    that made the document due. Only the invoice of the sale has `lines`. `event_name`, `order_number` and `timezone` are as they were at
    the time of issue.
    """

    number: str
    cause: EntryKind
    issued_at: int
    paid_at: int
    seller_id: str
    seller: InvoiceSeller
    buyer: InvoiceBuyer | None = None
    vat_check: VatCheck | None = None
    order_id: str
    order_number: str
    event_id: str
    event_name: str
    starts_at: int = 0
    timezone: str
    language: Language = "en"
    lines: list[InvoiceLine] = []
    total_cents: int
    currency: str
    taxes: list[TaxShare] = []
    included_fee_cents: int = 0
    corrects: str | None = None

    @property
    def is_credit_note(self) -> bool:
        return self.total_cents < 0

    @property
    def series(self) -> Series:
        return "C" if self.is_credit_note else "I" if self.buyer is not None else "S"

    @property
    def position(self) -> str:
        """The place in the list of the seller's documents of the year: the letter of the series and the number."""
        return f"{self.series}{int(self.number.rpartition('-')[2]):09}"


class _Draft(Struct, frozen=True):
    """A document without a number, and the key under which it will be stored. It must not be issued before its `issued_at`."""

    source: str
    document: Invoice


Issued = dict[str, Invoice]  # the documents of a purchase by source


# The follower.


def follow(changes: Sequence[Change]) -> None:
    """Issue the documents that are due because of these changes. Ignores copied items."""
    issue_due([change.purchase for change in changes if isinstance(change, _CAUSES) and not change.is_copy])


def issue_due(orders: Sequence[Purchase]) -> int:
    """Issue all documents that are due for the current state of these orders. Returns the approximate number of items that were read.

    Safe to repeat. Raises Contention after losing MAX_LOST_RACES races with other followers; a repeated call then continues.
    """
    paid = {order.id: order.event_id for order in orders if _has_money(order)}
    events = {event_id: catalog.find_event(event_id) for event_id in sorted(set(paid.values()))}
    shop = find_shop_issuer() if any(event is not None and event.promoter_id is None for event in events.values()) else None
    issuers = {event_id: _find_issuer(event, shop) for event_id, event in events.items()}
    returned = {order.id for order in orders if order.refunds or order.disputes}
    # An invoice is corrected even if the event now has another seller, or has no seller.
    issued = _load_issued(sorted(order_id for order_id, event_id in paid.items() if order_id in returned or issuers[event_id] is not None))
    due = [order_id for order_id, documents in issued.items() if documents or issuers[paid[order_id]] is not None]
    reads = len(issued) + 3 * len(due)
    wanted = [found for found in queries.load_many(due).values() if found is not None]
    if not wanted:
        return reads
    entries, details = parallel.both(
        lambda: parallel.call_each(lambda purchase: ledger.list_purchase_entries(purchase.event_id, purchase.id), wanted),
        lambda: parallel.call_each(queries.load_details, wanted),
    )
    pending, races = list(zip(wanted, entries, details, strict=True)), 0
    checks: dict[tuple[str, str], VatCheck | None] = {}
    while True:
        drafts = {
            purchase.id: list(
                _due_documents(purchase, its_entries, issued[purchase.id], issuers[purchase.event_id], events[purchase.event_id], detail)
            )
            for purchase, its_entries, detail in pending
        }
        pending = [order for order in pending if drafts[order[0].id]]
        if not pending:
            return reads
        if not _issue(_check_vat_ids([draft for due_drafts in drafts.values() for draft in due_drafts], checks), clock.now()):
            races += 1
            if races > MAX_LOST_RACES:
                raise dynamo.Contention("other followers kept issuing documents of the same series")
            deadline.wait(random.uniform(0, 0.01 * 2**races))
        issued = _load_issued([purchase.id for purchase, _, _ in pending])


def _has_money(purchase: Purchase) -> bool:
    return purchase.payment is not None and purchase.payment.provider not in _UNPAID and purchase.total_cents > 0


def _find_issuer(event: Event | None, shop: InvoiceIssuer | None) -> InvoiceIssuer | None:
    """Return the issuer for the sales of an event: its verified promoter, or the `shop` if it has no promoter. None without invoices."""
    if event is None or event.status == "test":
        return None
    if event.promoter_id is None:
        return shop
    promoter = find_verified_promoter(event)
    return promoter.issuer if promoter is not None else None


def _load_issued(order_ids: Sequence[str]) -> dict[str, Issued]:
    found = parallel.call_each(lambda order_id: {row.sk: row.document for row in InvoiceRow.query(order_id)}, order_ids)
    return dict(zip(order_ids, found, strict=True))


# What is due.


def _due_documents(
    purchase: Purchase,
    entries: Sequence[LedgerEntry],
    issued: Issued,
    issuer: InvoiceIssuer | None,
    event: Event | None,
    details: CheckoutDetails,
) -> Iterator[_Draft]:
    """Yield the documents of a purchase that are due and can be issued now. A credit note must wait until its invoice has a number."""
    paid = next((entry for entry in entries if entry.kind == "captured" and "refused" not in entry.details), None)
    if paid is None or not purchase.was_order:
        return
    invoice = issued.get(_source(paid))
    if invoice is None:
        if issuer is not None and (paid.seller_id or SHOP) == issuer.id and paid.at >= issuer.since:
            yield _Draft(_source(paid), _invoice(purchase, paid, issuer, event, details.invoice))
        return
    for left, returned, is_final in _movements(purchase, entries):
        credit_note = issued.get(_source(left))
        if credit_note is None:
            if returned is None and is_final:
                yield _Draft(_source(left), _correction(invoice, left))
        elif returned is not None and _source(returned) not in issued:
            yield _Draft(_source(returned), _correction(credit_note, returned))


def _movements(purchase: Purchase, entries: Sequence[LedgerEntry]) -> Iterator[tuple[LedgerEntry, LedgerEntry | None, bool]]:
    """Yield each outflow of the purchase's own payment: its entry, the entry of the money's return (if any), and whether it is final.

    During a dispute, the money is gone until the bank decides. An appeal moves the money again, with its own entries.
    """
    by_kind: dict[EntryKind, list[LedgerEntry]] = {}
    for entry in entries:
        by_kind.setdefault(entry.kind, []).append(entry)
    failed = {entry.reference: entry for entry in by_kind.get("refund_failed", ())}
    for entry in by_kind.get("refunded", ()):
        if _is_own_refund(purchase, entry):
            yield entry, failed.get(entry.reference), True
    for dispute in purchase.disputes:
        if purchase.is_own_payment(dispute.payment_intent_id):
            left, won = ([entry for entry in by_kind.get(kind, ()) if _concerns(entry, dispute.id)] for kind in _DISPUTE_KINDS)
            for entry, returned in zip_longest(left, won):
                if entry is not None:
                    yield entry, returned, dispute.status == "lost"


_DISPUTE_KINDS: tuple[EntryKind, EntryKind] = ("disputed", "dispute_won")


def _is_own_refund(purchase: Purchase, entry: LedgerEntry) -> bool:
    """Return whether an entry records a refund of the payment that bought the tickets."""
    ids = (entry.details.get("refund_id"), entry.reference)
    refund = next((found for found in purchase.refunds if found.id in ids or found.provider_id == entry.reference), None)
    return refund is not None and purchase.is_own_payment(refund.payment_intent_id)


def refund_sources(refund: Refund) -> set[str]:
    """Return the keys under which the credit note of a refund may be stored."""
    return {f"refunded#{reference}" for reference in (refund.provider_id, refund.id) if reference is not None}


def _concerns(entry: LedgerEntry, dispute_id: str) -> bool:
    return entry.reference == dispute_id or entry.reference.startswith(f"{dispute_id}-")


def _source(entry: LedgerEntry) -> str:
    return f"{entry.kind}#{entry.reference}"


def _invoice(purchase: Purchase, paid: LedgerEntry, issuer: InvoiceIssuer, event: Event | None, buyer: InvoiceBuyer | None) -> Invoice:
    """Return the invoice of a sale, without a number."""
    return Invoice(
        number="",
        cause=paid.kind,
        issued_at=0,
        paid_at=paid.at,
        seller_id=issuer.id,
        seller=issuer.seller,
        buyer=buyer,
        order_id=purchase.id,
        order_number=order_number(purchase.id, event),
        event_id=purchase.event_id,
        event_name=event.in_language(purchase.language).name if event is not None else purchase.event_id,
        starts_at=valid_for.starts_at if (valid_for := purchase.event_in(catalog.snapshot())) is not None else 0,
        timezone=timezone_of(event),
        language=purchase.language or "en",
        lines=[
            InvoiceLine(
                catalog.tier_name(line.tier_id, line.tier_name, purchase.language),
                line.quantity,
                line.price_cents,
                line.discount_cents,
                line.effective_tax,
                line.included_fee_cents,
            )
            for line in purchase.lines
        ],
        total_cents=paid.amount_cents,
        currency=paid.currency,
        taxes=paid.taxes,
        included_fee_cents=paid.included_fee_cents,
    )


def _correction(corrected: Invoice, entry: LedgerEntry) -> Invoice:
    """Return the document that takes back all or a part of another document because of a ledger entry. It has no number yet.

    It has the `issued_at` of the corrected document, because a correction must not be older than what it corrects.
    """
    return replace(
        corrected,
        number="",
        cause=entry.kind,
        paid_at=entry.at,
        lines=[],
        total_cents=entry.amount_cents,
        currency=entry.currency,
        taxes=entry.taxes,
        included_fee_cents=entry.included_fee_cents,
        corrects=corrected.number,
    )


# VAT ids.


def _check_vat_ids(drafts: Sequence[_Draft], checks: dict[tuple[str, str], VatCheck | None]) -> list[_Draft]:
    """Return the drafts with checks of their buyers' VAT ids, and add the checks to `checks`. A correction keeps its invoice's check."""
    wanted = [_vat_ids(draft.document) for draft in drafts]
    new = [ids for ids in dict.fromkeys(wanted) if ids is not None and ids not in checks]
    checks.update(zip(new, parallel.call_each(lambda ids: _check_vat_id(*ids), new), strict=True))
    return [
        draft if ids is None else _Draft(draft.source, replace(draft.document, vat_check=checks[ids]))
        for draft, ids in zip(drafts, wanted, strict=True)
    ]


def _vat_ids(document: Invoice) -> tuple[str, str] | None:
    """Return the ids of seller and buyer in the invoice of a sale to a company with a VAT id."""
    vat_id = document.buyer.vat_id if document.buyer is not None and document.corrects is None else None
    return (document.seller.tax_id, vat_id) if vat_id is not None else None


def _check_vat_id(seller_id: str, buyer_id: str) -> VatCheck | None:
    """Check the buyer's VAT id, and ask VIES if a setting has its address. Returns None if the id is not from the European Union."""
    from stdnum.eu import vat  # imported here, because few orders name a company

    now = clock.now()
    if buyer_id[:2].lower() not in {*vat.MEMBER_STATES, "el"}:
        return None
    if not vat.is_valid(buyer_id):
        return VatCheck("malformed", now)
    if not settings.current().vies_url:
        return VatCheck("well_formed", now)
    buyer, seller = _vies_parts(vat.validate(buyer_id)), _vies_parts(vat.validate(seller_id)) if vat.is_valid(seller_id) else None
    answer = _ask_vies(buyer, seller)
    if answer.has_refused_requester:
        answer = _ask_vies(buyer, None)
    if answer.valid is None:
        log.count("vies_failures")
        return VatCheck("unavailable", now)
    return VatCheck("valid" if answer.valid else "invalid", now, answer.reference or None)


def _vies_parts(vat_id: str) -> tuple[str, str]:
    """Split a VAT id without separators into the country code that VIES uses and the number."""
    return "EL" if vat_id.startswith("GR") else vat_id[:2], vat_id[2:]


class _ViesError(Struct):
    error: str = ""


class _ViesAnswer(Struct, rename={"reference": "requestIdentifier", "errors": "errorWrappers"}):
    """The answer of VIES. `valid` is None if VIES, or the service of the id's country, gave no answer."""

    valid: bool | None = None
    reference: str | None = None
    errors: list[_ViesError] = []

    @property
    def has_refused_requester(self) -> bool:
        return any(found.error == "INVALID_REQUESTER_INFO" for found in self.errors)


def _ask_vies(buyer: tuple[str, str], seller: tuple[str, str] | None) -> _ViesAnswer:
    """Ask VIES about the buyer's VAT id, on behalf of the seller if given. Returns an empty answer if VIES does not answer in time."""
    from chalicelib.foundation import outbound_http

    if deadline.remaining() < VIES_NEEDS_SECONDS:
        return _ViesAnswer()
    query = {"countryCode": buyer[0], "vatNumber": buyer[1]}
    if seller is not None:
        query |= {"requesterMemberStateCode": seller[0], "requesterNumber": seller[1]}
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    try:
        destination = outbound_http.parse(f"{settings.current().vies_url.rstrip('/')}/check-vat-number")
        addresses = outbound_http.resolve(destination)
        reply = outbound_http.post(destination, addresses, headers, msgspec.json.encode(query), VIES_SECONDS, VIES_REPLY_BYTES)
        return memory.decoder(_ViesAnswer).decode(reply.body)
    except (outbound_http.SendFailed, outbound_http.DestinationRefused, msgspec.DecodeError) as failure:
        logger.warning("invoices.vies_failed", reason=str(failure))
        return _ViesAnswer()


# Numbers.


def _issue(drafts: Sequence[_Draft], now: int) -> bool:
    """Number documents and store them, series by series. Returns False if another follower won the race for some of them."""

    def series_of(draft: _Draft) -> tuple[str, Series]:
        return draft.document.seller_id, draft.document.series

    in_order = sorted(drafts, key=lambda draft: (*series_of(draft), draft.document.paid_at, draft.document.order_id))
    are_all_issued = True
    for (seller_id, series), group in groupby(in_order, series_of):
        series_drafts = list(group)
        for first in range(0, len(series_drafts), MAX_AT_ONCE):
            are_all_issued &= _issue_series(seller_id, series, series_drafts[first : first + MAX_AT_ONCE], now)
    return are_all_issued


def _issue_series(seller_id: str, series: Series, drafts: Sequence[_Draft], now: int) -> bool:
    """Store documents with the next numbers of their series, all of them or none. Returns False if another follower won the race."""
    now = max(now, *(draft.document.issued_at for draft in drafts))
    year = _year(now)
    key = f"{_SERIES}{seller_id}", f"{series}{year}"
    row = InvoiceRow.find(*key)
    last, at = (int(row.last), max(now, int(row.at))) if row is not None else (0, now)
    is_unchanged = InvoiceRow.pk.does_not_exist() if row is None else InvoiceRow.last == last
    raise_item = dynamo.transact_put(InvoiceRow(*key, last=last + len(drafts), at=at), is_unchanged)
    rows = [_row(draft, year, number, at) for number, draft in enumerate(drafts, start=last + 1)]
    try:
        dynamo.transact([raise_item, *(dynamo.transact_put(document, InvoiceRow.pk.does_not_exist()) for document in rows)])
    except dynamo.ConditionFailed:
        return False
    log.count("invoices_issued", len(drafts))
    logger.info("invoices.issued", seller_id=seller_id, series=key[1], last=last + len(drafts), documents=len(drafts))
    return True


def _row(draft: _Draft, year: int, number: int, at: int) -> "InvoiceRow":
    series, seller = draft.document.series, draft.document.seller
    text = "-".join(filter(None, (seller.prefix, f"{series}{year}", f"{number:06}")))
    document = replace(draft.document, number=text, issued_at=at)
    ends_at = int(datetime(year + KEPT_YEARS + 1, 1, 1, tzinfo=UTC).timestamp())
    lane = _lane(document.seller_id, year)
    return InvoiceRow(document.order_id, draft.source, document=document, lane=lane, position=document.position, ttl=ends_at)


def _year(now: int) -> int:
    return datetime.fromtimestamp(now, UTC).year


# The table `invoices`.


_SERIES = "series#"  # differs from all order ids, which contain no `#`


class SeriesIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_series"
        projection = AllProjection()

    lane = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class InvoiceRow(dynamo.Table):
    """A document, or the last number of a series.

    In the row of a document, `pk` is the order's id, `sk` is the key of the ledger entry, `lane` is the seller and the year, and `position`
    is the position of the document. In the row of a series, `pk` is `series#<seller>`, `sk` is the letter and the year, `last` is the last
    number, and `at` is when it was given.
    """

    feature = "invoices"
    contents = "Invoices and credit notes, and the last number of each series."
    personal_data = dynamo.PersonalData(
        "companies and addresses of promoters, and of buyers who asked for an invoice", export="in their orders", erasure="after ten years"
    )

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    document = StructAttribute(Invoice, null=True)
    lane = UnicodeAttribute(null=True)
    position = UnicodeAttribute(null=True)
    last = NumberAttribute(null=True)
    at = NumberAttribute(null=True)
    ttl = NumberAttribute(null=True)
    series_index = SeriesIndex()


def list_order_invoices(order_id: str, sources: Collection[str] | None = None) -> list[Invoice]:
    """Return the documents of an order, or those from `sources`, in the order in which they were issued. Takes one consistent query."""
    found = (row.document for row in InvoiceRow.query(order_id) if sources is None or row.sk in sources)
    return sorted(found, key=lambda document: (document.issued_at, document.paid_at, document.is_credit_note, document.number))


def list_seller_invoices(seller_id: str, year: int, limit: int, after: str | None) -> tuple[list[Invoice], str | None]:
    """Return a page of a seller's documents from a year, sorted by series and number, and the position at which the next page continues.

    The position is None on the last page. May miss documents from the last second.
    """
    follows = InvoiceRow.position > after if after is not None else None
    rows = list(InvoiceRow.series_index.query(_lane(seller_id, year), follows, limit=limit + 1))
    return [row.document for row in rows[:limit]], rows[limit - 1].position if len(rows) > limit else None


def _lane(seller_id: str, year: int) -> str:
    return f"{seller_id}#{year}"
