"""The invariants of invoices: numbers without gaps, one document for each entry of the ledger, and amounts that add up to it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from chalicelib.addons.documents.invoices import Invoice, InvoiceRow
from chalicelib.foundation.money import TaxShare
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import LedgerEntry
from chalicelib.purchases import store


def check(*, followed: bool) -> list[str]:
    """Return what is wrong with the documents. With `followed`, all changes were followed, so that no document of an order is missing."""
    rows = list(InvoiceRow.scan())
    return [*_check_numbers(rows), *_check_entries(rows, followed)]


def _check_numbers(rows: list[InvoiceRow]) -> Iterator[str]:
    """Yield series without each number exactly once, up to the last one, and later numbers with earlier times."""
    last = {(row.pk.removeprefix("series#"), row.sk): int(row.last) for row in rows if row.document is None}
    found: dict[tuple[str, str], list[tuple[int, Invoice]]] = defaultdict(list)
    for row in rows:
        if row.document is not None:
            seller_id, _, year = row.lane.rpartition("#")
            found[seller_id, f"{row.position[0]}{year}"].append((int(row.position[1:]), row.document))
    for series in found.keys() | last.keys():
        documents = sorted(found[series], key=lambda numbered: numbered[0])
        if [given for given, _ in documents] != list(range(1, last.get(series, 0) + 1)):
            yield f"the series {series} has the numbers {[given for given, _ in documents]} and the last number {last.get(series)}"
        times = [document.issued_at for _, document in documents]
        if times != sorted(times):
            yield f"the series {series} has later numbers with earlier times"
        if any(not document.number.endswith(f"{series[1]}-{given:06}") for given, document in documents):
            yield f"the series {series} has a document with the number of another"


def _check_entries(rows: list[InvoiceRow], followed: bool) -> Iterator[str]:
    """Yield documents that differ from their entry of the ledger, and orders whose documents do not add up to their entries."""
    by_order: dict[str, dict[str, Invoice]] = defaultdict(dict)
    for row in rows:
        if row.document is not None:
            by_order[row.pk][row.sk] = row.document
    for order_id, documents in by_order.items():
        event_id = next(iter(documents.values())).event_id
        entries = {f"{entry.kind}#{entry.reference}": entry for entry in ledger.list_purchase_entries(event_id, order_id)}
        numbers = {document.number for document in documents.values()}
        for source, document in documents.items():
            entry = entries.get(source)
            if entry is None or _content(document) != _content(entry) or (document.order_id, document.cause) != (order_id, entry.kind):
                yield f"{document.number} differs from the entry {source} of {order_id}"
            if document.lines and sum(line.included_fee_cents for line in document.lines) != document.included_fee_cents:
                yield f"the lines of {document.number} do not add up to its fee"
            if (document.corrects is None) != (document.cause == "captured") or not {document.corrects} - {None} <= numbers:
                yield f"{document.number} corrects {document.corrects}, which is not a document that {order_id} can correct"
        if followed and _is_settled(order_id):
            ours, of_ledger = _total(documents.values()), _total(entries.values())
            if ours != of_ledger:
                yield f"the documents of {order_id} add up to {ours} with taxes and fees, and its entries to {of_ledger}"


def _total(found: Iterable[Invoice | LedgerEntry]) -> tuple[int, int, int]:
    """Return the sums of the amounts, of the taxes and of the fees in the prices."""
    contents = [_content(each) for each in found]
    taxes = sum(share.tax_cents for content in contents for share in content[2])
    return sum(content[0] for content in contents), taxes, sum(content[3] for content in contents)


def _content(of: Invoice | LedgerEntry) -> tuple[int, str, list[TaxShare], int]:
    return of.total_cents if isinstance(of, Invoice) else of.amount_cents, of.currency, of.taxes, of.included_fee_cents


def _is_settled(order_id: str) -> bool:
    """Whether no money of the order is on its way: that of a dispute without a decision is away, and no document says so."""
    order = store.load(order_id)
    assert order is not None
    return not any(dispute.status == "open" for dispute in order.disputes) and all(refund.status == "succeeded" for refund in order.refunds)
