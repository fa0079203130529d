"""The invariants of invoices: numbers without gaps, and documents that add up to the ledger."""

from collections import defaultdict

from chalicelib.addons.documents.invoices import Invoice, InvoiceRow
from chalicelib.ledger import service as ledger


def check_numbers() -> list[str]:
    """Return what is wrong with the numbers: each series has each number once, up to its last one, and later numbers are not earlier."""
    last: dict[tuple[str, str], int] = {}
    found: dict[tuple[str, str], list[tuple[int, Invoice]]] = defaultdict(list)
    for row in InvoiceRow.scan():
        if row.pk.startswith("series#"):
            last[row.pk.removeprefix("series#"), row.sk] = int(row.last)
        else:
            seller_id, _, year = row.lane.rpartition("#")
            found[seller_id, f"{row.position[0]}{year}"].append((int(row.position[1:]), row.document))
    violations = [f"the series {series} has documents, but no last number" for series in found.keys() - last.keys()]
    for series, number in last.items():
        documents = sorted(found[series], key=lambda numbered: numbered[0])
        if [given for given, _ in documents] != list(range(1, number + 1)):
            violations.append(f"the series {series} has the numbers {[given for given, _ in documents]} and the last number {number}")
        times = [document.issued_at for _, document in documents]
        if times != sorted(times):
            violations.append(f"the series {series} has later numbers with earlier times")
        if any(not document.number.endswith(f"{series[1]}-{given:06}") for given, document in documents):
            violations.append(f"the series {series} has a document with the number of another")
    return violations


def check_amounts(*undecided: str) -> None:
    """Assert that the documents of each invoiced order add up to its ledger, once the changes were followed.

    `undecided` are orders with a dispute that the bank has not decided: their money is away, and no document says so.
    """
    documents: dict[tuple[str, str], list[Invoice]] = defaultdict(list)
    for row in InvoiceRow.scan():
        if row.document is not None:
            documents[row.document.event_id, row.document.order_id].append(row.document)
    for (event_id, order_id), of_order in documents.items():
        if order_id in undecided:
            continue
        entries = ledger.list_purchase_entries(event_id, order_id)
        assert sum(document.total_cents for document in of_order) == sum(entry.amount_cents for entry in entries), order_id
        taxes = [sum(share.tax_cents for found in of_each for share in found.taxes) for of_each in (of_order, entries)]
        assert taxes[0] == taxes[1], order_id
