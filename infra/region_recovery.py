"""Repair the records of a stage whose last seconds another region has lost, before this region sells; see docs/regions.md.

DynamoDB copies each table to the standby on its own, so an order may have arrived without its tickets, and a ticket without its order. The
purchase decides, as always. What contradicts it is brought into line, and then every payment of the last hours is applied again, through
the comparison with the provider: a purchase that is missing or unpaid here gets its tickets, or its money is refunded. Nothing is done
twice, so the recovery can be repeated. No other process may write to the tables meanwhile.

The tables are read once, into a temporary file, which is then read purchase by purchase. So the command needs little memory, however many
orders there are.
"""

import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from operator import itemgetter
from threading import Lock
from typing import Any, Literal, TypeVar

from msgspec import Struct, field, msgpack
from msgspec.structs import asdict, replace
from pynamodb.attributes import NumberAttribute
from pynamodb.expressions.update import Action

from chalicelib.catalog import service as catalog
from chalicelib.catalog import stock_ledger
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.catalog.store import increment_revision_item
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, ids, parallel, settings
from chalicelib.inventory.model import Hold, Shard, stocks_of
from chalicelib.inventory.store import ShardRow, read_shards, scan_shards
from chalicelib.ledger import money_cases
from chalicelib.ledger.model import LedgerEntry
from chalicelib.ledger.service import scan_entries
from chalicelib.ledger.store import LedgerRow, entry_key
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, ProviderPayment, ProviderRefund
from chalicelib.payments.provider_tasks import tasks_at_once
from chalicelib.purchases import holds, ledger_entries, provider_events, refunds_at_provider, settlement, store, sweep, sweep_store
from chalicelib.purchases.model import ACTIVE_STATES, MOVED_PREFIX, BuyerRecord, LineItem, Purchase, Refund
from chalicelib.purchases.store import BuyerRow, PurchaseRow
from chalicelib.reconciliation import compare
from chalicelib.reconciliation.compare import ReconciliationReport
from chalicelib.reconciliation.invariants import sold_tickets
from chalicelib.reconciliation.records import RecordsReport
from chalicelib.tickets.model import Ticket, TicketLine
from chalicelib.tickets.seat_numbers import CounterRow
from chalicelib.tickets.service import issue_tickets
from chalicelib.tickets.store import TicketRow, change_state_item, scan_tickets, void_item
from chalicelib.waiting_room.model import LATE
from chalicelib.waiting_room.store import WaitingRoomRow

SCANS = 8  # of a table at once: their pages of 1 MB are in memory together, as objects of about 15 MB each
SPAN_SECONDS = 3600  # of the provider's books that are compared together
CHUNK = 1000  # records that are written together, and orders that are in memory together
CALL_SECONDS = 0.35  # for a page of Stripe's lists
# For one promoter's account and for all of them, to list the payments and then to compare. The payments of a large sale take minutes.
ACCOUNT_SECONDS, ACCOUNTS_SECONDS = 240, 600
LOST_SECONDS = 300  # of joins that may be missing: a region that is cut off continues until its lease ends
BURST_SECONDS = 20  # in which more people may join than in the minutes before, as just before the opening
# Besides the unsold seats of an event, which may have been sold, returned and sold again, and besides the likely joins of a waiting room.
NUMBERS_SKIPPED = 100

T = TypeVar("T")


class RecoveryReport(Struct):
    """What the recovery has done, as counts. `lost_sales` are sold tickets by stock whose order did not arrive: nobody can buy them.

    `oversold` are tickets by stock that were sold beyond the capacity. `compared` says what became of payments, and `records` what still
    contradicts other records and is an open case, which is checked while the region already sells. `accounts_unread` are promoters'
    accounts that could not be read in time. Once the region sells, the schedule compares them, and the accounts without a payment, from a
    time before anything was lost.
    """

    purchases: int = 0
    tickets_issued_again: int = 0
    orders_completed: int = 0
    tickets_withdrawn: int = 0
    entries_added: int = 0
    entries_removed: int = 0
    buyers_corrected: int = 0
    shards_corrected: int = 0
    holds_released: int = 0
    orders_returned: list[str] = field(default_factory=list)
    numbers_skipped: int = 0
    lost_sales: dict[str, int] = field(default_factory=dict)
    oversold: dict[str, int] = field(default_factory=dict)
    accounts_unread: list[str] = field(default_factory=list)
    compared: ReconciliationReport | None = None
    records: RecordsReport | None = None


def recover(since: int, now: int, sold_until: int) -> RecoveryReport:
    """Repair the records of the current stage and region, and apply all payments made since `since` (epoch seconds).

    `sold_until` is when this region last sold: free orders that it made until then may contradict what the other region has sold since.
    Raises ProviderUnavailable if the operator's account gets no answer, and the store's errors; then repeat the call. Payments of unknown
    purchases are refunded, however many.
    """
    dynamo.transact([increment_revision_item()])  # the log of changes to the catalog may have gaps, so instances load the entries
    catalog.invalidate()
    recovery = _Recovery(since, now, sold_until)
    recovery.bring_into_line()
    recovery.complete_orders()
    sweep_store.save_state(replace(sweep_store.load_state(), due_minute=None, due_event=None))
    sweep.run_sweep(now)  # looks at all events again, and releases what has expired, before lost orders need the tickets
    report = recovery.report
    if payments.has_external_provider():
        report.compared = compared = ReconciliationReport(since, since)
        open_cases = money_cases.list_open_cases()
        while compared.until <= now:
            until = min(compared.until + SPAN_SECONDS, now + 1)
            compared.add(
                compare.compare_account(
                    None, compared.until, until, now, compare.Turn(until, compare.RefundLimit(None)), open_cases=open_cases
                )
            )
        paying = sorted(account for account in recovery.paying_accounts if account is not None and account not in report.accounts_unread)
        for found in recovery.call_each_account(
            lambda account: compare.compare_account(
                account, since, now + 1, now, compare.Turn(now + 1, compare.RefundLimit()), open_cases=open_cases
            ),
            paying,
        ):
            compared.add(found)
    return report


class _Spool:
    """Records of several types in a temporary file, each with a key, to read all records of one key together.

    SQLite deletes the name of the file at once, so nothing is left of the file when the process ends, in whatever way.
    """

    def __init__(self, *types: Any) -> None:
        self._decoders = [msgpack.Decoder(each) for each in types]
        self._file, self._lock = sqlite3.connect("", check_same_thread=False), Lock()
        self._file.execute("PRAGMA journal_mode = OFF")
        for number in range(len(types)):
            self._file.execute(f"CREATE TABLE records_{number} (key TEXT, record BLOB)")

    def add(self, number: int, records: Iterable[tuple[str, Any]]) -> None:
        """Add records, with their keys, of the type with this number. Several threads may do so at once."""
        rows = ((key, msgpack.encode(record)) for key, record in records)
        while chunk := list(islice(rows, CHUNK)):
            with self._lock:
                self._file.executemany(f"INSERT INTO records_{number} VALUES (?, ?)", chunk)

    def groups(self, *numbers: int) -> Iterator[tuple[str, list[list[Any]]]]:
        """Yield each key, in order, with the records that have this key: a list for each type, or for the types with these numbers."""
        chosen = numbers or range(len(self._decoders))
        tables = (f"SELECT key, {index}, record FROM records_{number}" for index, number in enumerate(chosen))
        decoders = [self._decoders[number].decode for number in chosen]
        for key, rows in groupby(self._file.execute(f"{' UNION ALL '.join(tables)} ORDER BY 1, 2"), itemgetter(0)):
            found: list[list[Any]] = [[] for _ in chosen]
            for _, index, record in rows:
                found[index].append(decoders[index](record))
            yield key, found

    def close(self) -> None:
        self._file.close()


# The types in the spool of the orders, by purchase id, and in the spool of the buyers, by buyer and event.
_PURCHASE, _PAYMENT, _TICKET, _ENTRY = range(4)
_RECORD, _OWN, _MOVED, _RECEIVED = range(4)
_MAX_SECONDS = 10**11  # less a time in epoch seconds, all of one length: the latest time sorts first


class _Counter(Struct, frozen=True):
    """A counter with its `stored` number, the `last` number that anybody got, and how many more to skip."""

    row: dynamo.Table
    stored: int
    last: int
    skipped: int


class _Recovery:
    """All records of the stage, on disk, and in memory only what is active or has changed, and sums.

    A failback also repairs what arrives late, however old it is.
    """

    def __init__(self, since: int, now: int, sold_until: int) -> None:
        self.now, self.sold_until, self.report, self._lock = now, sold_until, RecoveryReport(), Lock()
        # A stock ledger has a fork if both regions have added entries. Its last entry may be one that this region added before it stopped.
        self.forked_since = min(since, sold_until - SPAN_SECONDS) if sold_until else since
        self.shards = {shard.id: shard for shard in scan_shards(SCANS)}
        self.shards_left = defaultdict[str, list[str]](list)  # by stock: those that may have tickets for lost orders
        for shard in self.shards.values():
            self.shards_left[shard.stock_id].append(shard.id)
        self.orders = _Spool(Purchase, ProviderPayment, Ticket, LedgerEntry)
        self.buyers = _Spool(BuyerRecord, Purchase, Purchase, str)
        self.purchases = dict[str, Purchase]()  # those that are active, and those that the recovery has changed
        self.found = set[str]()  # the purchases that have holds in the shards
        self.paid = set[str]()  # active purchases whose payments have arrived at the provider
        self.unknown = list[Purchase]()  # did not arrive, but their payments did: their tickets are free for them again
        self.torn: list[tuple[Purchase | None, list[Ticket], list[LedgerEntry]]] = []  # whose purchase did not arrive, or not as an order
        self.sold = Counter[str]()  # by shard, for known orders
        self.given, self.sold_of_tier = Counter[str](), Counter[str]()  # the last seat number of each event, and tickets that are not void
        self.paying_accounts = set[str | None]()
        self.orders.add(_PURCHASE, ((purchase.id, purchase) for purchase in store.scan_purchases(SCANS)))
        self.orders.add(_TICKET, ((ticket.purchase_id, ticket) for ticket in scan_tickets(SCANS)))
        self.orders.add(_ENTRY, ((entry.purchase_id, entry) for entry in scan_entries(SCANS)))
        self.due_cases = list[dynamo.TransactItem]()
        refunds = (case for case in money_cases.list_open_cases() if case.kind == "refund")
        self.open_refunds = {(case.purchase_id, case.id, case.next_at is None) for case in refunds}
        self._add_payments(payments.list_payments(since, now + 1, None))
        accounts = sorted(catalog.snapshot().account_ids())
        self.call_each_account(lambda account: self._add_payments(payments.list_payments(since, now + 1, account)), accounts)

    def _add_payments(self, found: Iterable[ProviderPayment]) -> None:
        ours = settings.current().provider_namespace
        paid = (payment for payment in found if payment.namespace == ours and payment.amount_received)
        self.orders.add(_PAYMENT, ((payment.purchase_id or "", payment) for payment in paid))

    def call_each_account(self, act: Callable[[str], T], accounts: Sequence[str]) -> list[T]:
        """Call `act` with each promoter's account, as many at once as the provider allows, for at most ACCOUNTS_SECONDS.

        Returns the results for the accounts that could be read.
        """
        results = list[T]()
        if not accounts:
            return results
        at_once = tasks_at_once(payments.endpoint_rate(), CALL_SECONDS)

        def work(first: int) -> None:
            for account in accounts[first::at_once]:
                with self.isolate(account):
                    results.append(act(account))

        with deadline.within(ACCOUNTS_SECONDS):
            parallel.call_each(work, range(min(at_once, len(accounts))))
        return results

    @contextmanager
    def isolate(self, account: str | None) -> Iterator[None]:
        """Give calls about a promoter's account ACCOUNT_SECONDS, and report an account that cannot be read. Nobody else waits for it."""
        try:
            with deadline.within(ACCOUNT_SECONDS if account is not None else math.inf):
                yield
        except Exception as error:
            if account is None or not compare.concerns_only(account, error):
                raise
            if account not in self.report.accounts_unread:
                self.report.accounts_unread.append(account)

    # What contradicts the purchases

    def bring_into_line(self) -> None:
        self._return_lost_orders()
        self._end_earlier_reservations()
        groups = self.orders.groups()
        while chunk := list(islice(groups, CHUNK)):
            found = [(self._current(purchases), tickets, entries) for _, [purchases, _, tickets, entries] in chunk]
            for (purchase, _, entries), tickets in zip(found, parallel.call_each(self._correct_records, found), strict=True):
                self._add_up(purchase, tickets, entries)
        self.orders.close()
        self._open_cases()
        self._correct_shards()
        self._correct_buyers()
        self._skip_numbers()
        self._skip_places()
        self._continue_stock_ledgers()

    def _current(self, purchases: list[Purchase]) -> Purchase | None:
        return self.purchases.get(purchases[0].id, purchases[0]) if purchases else None

    def _correct_records(self, found: tuple[Purchase | None, list[Ticket], list[LedgerEntry]]) -> list[Ticket]:
        """Correct the tickets and the ledger entries of a purchase. Returns its tickets. Several threads do so at once.

        Leaves the records of a purchase that has tickets but is not an order here to `complete_orders`.
        """
        purchase, tickets, entries = found
        if purchase is not None and purchase.was_order:
            tickets = self._complete_records(purchase, tickets)
        elif tickets:
            return tickets
        self._correct_entries(purchase, entries)
        return tickets

    def _add_up(self, purchase: Purchase | None, tickets: list[Ticket], entries: list[LedgerEntry]) -> None:
        """Note the cases of a purchase, and what shards, buyers and counters must say."""
        if purchase is not None and purchase.was_order:
            self.sold.update(_count_sold(purchase, "shard_id"))
        elif tickets:
            self.torn.append((purchase, sorted(tickets, key=lambda ticket: ticket.number), entries))
            self.report.tickets_withdrawn += len(tickets)
            tickets = []
        if purchase is None:
            return
        self._correct_cases(purchase)
        if purchase.id not in self.purchases:
            self._note_buyers([purchase])
        received = (ticket for ticket in tickets if ticket.owner_id != purchase.user_id)
        self.buyers.add(_RECEIVED, ((_buyer_key(ticket.owner_id, ticket.event_id), ticket.id) for ticket in received))
        for ticket in tickets:
            self.sold_of_tier[ticket.tier_id] += ticket.state != "void"
            if ticket.serial is not None:
                self.given[ticket.event_id] = max(self.given[ticket.event_id], ticket.serial.first + ticket.admits - 1)

    def _active(self) -> list[Purchase]:
        return [purchase for _, purchase in sorted(self.purchases.items()) if purchase.state in ACTIVE_STATES]

    def _end_earlier_reservations(self) -> None:
        """End all but the latest active purchase of a buyer at an event: the end of the others did not arrive."""
        latest: dict[tuple[str, str], Purchase] = {}
        for purchase in self._active():
            key = purchase.user_id, purchase.event_id
            if (earlier := latest.get(key)) is not None:
                self._overwrite(replace(earlier, state="expired", ended_at=self.now))
            latest[key] = purchase

    def _overwrite(self, purchase: Purchase) -> None:
        self.purchases[purchase.id] = after = replace(purchase, version=purchase.version + 1)
        dynamo.update_now(PurchaseRow(after.id), _purchase_actions(after))

    def _return_lost_orders(self) -> None:
        """Take back orders that a region made while it was cut off, and that cannot be kept after the other region has sold.

        These are orders whose payment the other region has refunded, and the latest free ones, where more is sold than there is.
        """
        free = Counter[str]()
        for shard in self.shards.values():
            free[shard.stock_id] += shard.capacity
        for order, payment in self._look_through(free).values():
            found, intent = list[ProviderRefund](), str(payment.payment_intent_id)
            with self.isolate(payment.account):
                found = payments.external_provider(payment.provider).list_refunds_of_payment(intent, payment.account)
            made = next((refund for refund in found if refund.status != "failed"), None)
            if made is None:
                continue  # the comparison with the provider follows
            self._return(order, Refund(
                id=f"lost-{intent}", status=made.status, amount_cents=payment.amount_refunded, currency=payment.currency, reason="late",
                by="fairgate", at=self.now, payment_intent_id=intent, provider_id=made.id, provider=payment.provider,
                taxes=order.kept_taxes, included_fee_cents=order.kept_included_fee_cents,
            ))  # fmt: skip
            free.update(_count_sold(order, "stock_id"))
            free.subtract(_count_sold(self.purchases[order.id], "stock_id"))
        if any(count < 0 for count in free.values()):
            self._return_free_orders(free)

    def _look_through(self, free: Counter[str]) -> dict[str, tuple[Purchase, ProviderPayment]]:
        """Look at each purchase with its payments, once. Subtracts what the orders have from the `free` tickets of the stocks.

        Returns by id the orders whose payment the other region has refunded, each with the payment.
        """
        held_for = {Hold(shard.id, hold_id, 0).purchase_id for shard in self.shards.values() for hold_id in shard.holds}
        refunded = dict[str, tuple[Purchase, ProviderPayment]]()
        for _, [purchases, found] in self.orders.groups(_PURCHASE, _PAYMENT):
            self.paying_accounts |= {payment.account for payment in found}
            if not purchases:
                lost = (provider_events.find_lost_purchase(payment) for payment in found if payment.is_paid)
                self.unknown += (purchase for purchase in lost if purchase is not None)
                continue
            [purchase] = purchases
            self.report.purchases += 1
            if purchase.id in held_for:
                self.found.add(purchase.id)
            if purchase.state in ACTIVE_STATES:
                self.purchases[purchase.id] = purchase
                if any(payment.is_paid for payment in found):
                    self.paid.add(purchase.id)
            if purchase.was_order:
                free.subtract(_count_sold(purchase, "stock_id"))
            for payment in found:
                if _is_refunded_elsewhere(purchase, payment):
                    refunded[purchase.id] = purchase, payment
        return refunded

    def _return_free_orders(self, free: Counter[str]) -> None:
        """Take back the latest free orders of the time in which this region last sold, until no stock has less than no `free` tickets."""
        latest = _Spool(Purchase)
        orders = (self.purchases.get(order.id, order) for _, [found] in self.orders.groups(_PURCHASE) for order in found)
        late = (order for order in orders if order.is_order and order.total_cents == 0 and (order.ended_at or 0) <= self.sold_until)
        latest.add(_PURCHASE, ((f"{_MAX_SECONDS - (order.ended_at or 0)} {order.id}", order) for order in late))
        for _, [[order]] in latest.groups():
            sold = _count_sold(order, "stock_id")
            if any(free[stock_id] < 0 for stock_id in sold):
                free.update(sold)
                self._return(order, Refund(
                    id="lost", status="succeeded", amount_cents=0, currency=order.currency, reason="late", by="fairgate", at=self.now,
                    provider="free",
                ))  # fmt: skip
        latest.close()

    def _return(self, order: Purchase, refund: Refund) -> None:
        """Refund an order, and let its seats no longer count as sold, in one transaction.

        Otherwise, a recovery that is repeated after a crash would take these seats for those of a lost order.
        """
        after = replace(order.with_refunds(replace(refund, tickets=order.kept_tickets)), state="refunded", version=order.version + 1)
        items = [dynamo.transact_update(PurchaseRow(order.id), _purchase_actions(after), PurchaseRow.version == order.version)]
        for shard_id, sold in _count_sold(order, "shard_id").items():
            shard = self.shards.get(shard_id)
            if shard is not None and (returned := min(sold, shard.sold)) > 0:
                changed = replace(shard, sold=shard.sold - returned, available=shard.available + returned, version=shard.version + 1)
                self.shards[shard_id] = changed
                items.append(dynamo.transact_update(ShardRow(shard.id), _shard_actions(changed), ShardRow.version == shard.version))
        dynamo.transact(items)
        self.purchases[order.id] = after
        self.report.orders_returned.append(order.id)

    def _complete_records(self, order: Purchase, tickets: list[Ticket]) -> list[Ticket]:
        """Issue the missing tickets of an order, and give all of them the states that its refunds and disputes require.

        Returns all tickets of the order.
        """
        known = {ticket.number: ticket for ticket in tickets}
        if len(known) < order.quantity:
            lines = [TicketLine(line.tier_id, line.admits, line.ticket_prices, order.currency) for line in order.lines]
            at, attendees = order.ended_at or self.now, store.load_details(order).attendees
            owner = order.id, order.user_id, order.event_id
            issue = issue_tickets(*owner, lines, at, attendees, order.language, transfers=order.transfers)
            for ticket, item in zip(issue.tickets, issue.items, strict=True):
                if ticket.number not in known:
                    dynamo.transact([item])
                    known[ticket.number] = ticket
                    self._count("tickets_issued_again")
        kept = "frozen" if order.is_disputed else "valid"
        reasons = {number: "disputed" for dispute in order.disputes for number in dispute.voided}
        for number, ticket in known.items():
            if number not in order.kept_tickets and ticket.state != "void":
                dynamo.transact([void_item(ticket.id, reasons.get(number, "refunded"))])  # type: ignore[arg-type]
            elif number in order.kept_tickets and ticket.state != kept:
                dynamo.transact([change_state_item(ticket.id, ticket.state, kept)])  # type: ignore[arg-type]
                if ticket.state == "void":
                    dynamo.update_now(TicketRow(ticket.id), [TicketRow.void_reason.remove()])
        return list(known.values())

    def _correct_entries(self, purchase: Purchase | None, entries: list[LedgerEntry]) -> None:
        """Add the entries that a purchase's payment and refunds require, and remove the entries of changes that did not arrive."""
        if purchase is None:
            if sum(entry.amount_cents for entry in entries):  # others are payments of unknown purchases, refunded
                self._remove_entries(entries)
            return
        known = {(entry.kind, entry.reference): entry for entry in entries}
        payment = purchase.payment
        provider = payment.provider if payment is not None else next((entry.provider for entry in known.values()), "free")
        if not payments.is_external(provider) and provider != "simulated":
            return
        # A refund that failed has an entry for each direction.
        required: dict[tuple[str, str], dynamo.TransactItem] = {name: {} for name in known if ("refund_failed", name[1]) in known}
        if purchase.was_order and payment is not None:
            for item in ledger_entries.payment_items(purchase, payment, purchase.ended_at or self.now):
                required[_entry_name(item)] = item
        for refund in purchase.refunds:
            if refund.status in ("pending", "succeeded") and refund.amount_cents:
                paid = refunds_at_provider.refund_report(refund, refund.provider_id or refund.id, "succeeded", account=purchase.account)
                due = replace(refund, status="due")
                made = [(kind, reference) for kind, reference in known if kind == "refunded" and reference in (paid.id, refund.id)]
                items = ledger_entries.refund_status_items(purchase, due, refund, paid, refund.at) if not made else []
                required |= {_entry_name(item): item for item in items} | {name: {} for name in made}
            if not purchase.was_order or not purchase.is_own_payment(refund.payment_intent_id):
                required |= {name: {} for name in known if name[1] == refund.payment_intent_id}  # refused payments
        for name, item in required.items():
            if name not in known:
                dynamo.transact([item])
                self._count("entries_added")
        wrong = [entry for name, entry in known.items() if entry.kind in ("captured", "fee", "refunded") and name not in required]
        self._remove_entries(wrong)

    def _remove_entries(self, entries: Iterable[LedgerEntry]) -> None:
        removed = [entry for entry in entries if entry.net_cents]
        keys = [entry_key(entry.event_id, entry.purchase_id, entry.kind, entry.reference) for entry in removed]
        dynamo.batch_delete(LedgerRow(*key) for key in keys)
        self._count("entries_removed", len(keys))

    def _count(self, name: Literal["tickets_issued_again", "entries_added", "entries_removed"], count: int = 1) -> None:
        with self._lock:
            setattr(self.report, name, getattr(self.report, name) + count)

    def _correct_cases(self, purchase: Purchase) -> None:
        for refund in purchase.refunds:
            name = purchase.id, refund.id, payments.is_paid_back_by_hand(refund.provider)
            if refund.status in ("due", "pending") and name not in self.open_refunds:
                self.due_cases.append(refunds_at_provider.open_refund_case_item(purchase, refund, self.now))
        if len(self.due_cases) >= CHUNK:
            self._open_cases()

    def _open_cases(self) -> None:
        parallel.call_each(lambda item: dynamo.transact([item]), self.due_cases)
        self.due_cases.clear()

    def _note_buyers(self, purchases: Iterable[Purchase]) -> None:
        """Keep these purchases, in their final state, for the records of their buyers."""
        noted = [purchase for purchase in purchases if _has_record(purchase)]
        moved = ((purchase.moved_from, purchase) for purchase in noted if purchase.moved_from is not None)
        self.buyers.add(_OWN, ((_buyer_key(purchase.user_id, purchase.event_id), purchase) for purchase in noted))
        self.buyers.add(_MOVED, ((_buyer_key(user_id, purchase.event_id), purchase) for user_id, purchase in moved))

    def _correct_buyers(self) -> None:
        self._note_buyers(self.purchases.values())
        self.buyers.add(_RECORD, ((_buyer_key(record.user_id, record.event_id), record) for record in store.scan_buyers(SCANS)))
        updates = self._buyer_updates()
        while chunk := list(islice(updates, CHUNK)):
            parallel.call_each(lambda update: dynamo.update_now(*update), chunk)
            self.report.buyers_corrected += len(chunk)
        self.buyers.close()

    def _buyer_updates(self) -> Iterator[tuple[BuyerRow, list[Action]]]:
        """Yield the records of buyers that differ from their purchases, each with what corrects it."""
        none = frozenset[str]()
        for key, [records, own, moved, received] in self.buyers.groups():
            if not (records or own or received):
                continue
            event_id, _, user_id = key.partition("#")
            before = records[0] if records else BuyerRecord(user_id, event_id, None, 0, 0, 0, none, none, none, none, none, 0)
            after = _buyer_record(before, own, moved, set(received))
            if after != before:
                values = {name: set(value) if isinstance(value, frozenset) else value for name, value in asdict(after).items()}
                stored = {name: value or None for name, value in values.items() if name not in ("user_id", "event_id")}
                yield BuyerRow(user_id, event_id), BuyerRow.set_or_remove(stored)

    def _correct_shards(self) -> None:
        """Let the shards have exactly the tickets of known orders as sold, and of active purchases as held.

        Sold tickets without an order stay sold, because somebody may have them. So do holds without a purchase, until they expire. If a
        stock has too few tickets for all, the latest reservations end; a payment that comes in later is settled or refunded.
        """
        sold, wanted, free, lost = self.sold, self._wanted_again(), Counter[str](), Counter[str]()
        not_sold = self._sold_to_reservations()
        for shard in self.shards.values():
            surplus = max(0, shard.sold - sold[shard.id] - not_sold[shard.id])
            again = min(surplus, wanted[shard.stock_id])
            wanted[shard.stock_id] -= again
            lost[shard.stock_id] += surplus - again
            sold[shard.id] += surplus - again
            free[shard.stock_id] += shard.capacity - sold[shard.id]
        held = self._keep_holds(free)
        by_stock = defaultdict[str, list[Shard]](list)
        for shard in self.shards.values():
            by_stock[shard.stock_id].append(shard)
        for stock_id, shards in by_stock.items():
            taken = {shard.id: sold[shard.id] + sum(quantity for quantity, _ in held[shard.id].values()) for shard in shards}
            spare = sum(max(0, taken[shard.id] - shard.capacity) for shard in shards)  # which other shards give to those with too few
            for shard in shards:
                given = min(spare, max(0, shard.capacity - taken[shard.id]))
                spare -= given
                capacity = max(shard.capacity - given, taken[shard.id])
                available = capacity - taken[shard.id]
                after = replace(shard, capacity=capacity, available=available, sold=sold[shard.id], holds=held[shard.id])
                if after != shard:
                    self._write_shard(replace(after, version=shard.version + 1))
            if spare:
                self.report.oversold[stock_id] = spare
        self.report.lost_sales = dict(+lost)

    def _keep_holds(self, free: Counter[str]) -> dict[str, dict[str, tuple[int, int]]]:
        """Return the holds of each shard. `free` has the tickets of each stock that are not sold, from which the holds are taken."""
        held = defaultdict[str, dict[str, tuple[int, int]]](dict)
        arrived = {hold_id: hold for shard in self.shards.values() for hold_id, hold in shard.holds.items()}
        for purchase in sorted(self._active(), key=lambda each: (each.expires_at <= self.now, each.id)):
            needed = Counter[str]()
            for hold in purchase.holds:
                needed[hold.stock_id] += hold.quantity
            if any(free[stock_id] < quantity for stock_id, quantity in needed.items()):
                self._overwrite(replace(purchase, state="expired", ended_at=self.now))
                self.report.holds_released += purchase.quantity
                continue
            free -= needed
            for hold in purchase.holds:
                held[hold.shard_id][hold.hold_id] = (hold.quantity, purchase.expires_at)
        again = {tickets[0].purchase_id for purchase, tickets, _ in self.torn if purchase is None}
        again |= {purchase.id for purchase in self.unknown}
        for shard in self.shards.values():
            for hold_id, (quantity, expires_at) in shard.holds.items():
                purchase_id = Hold(shard.id, hold_id, quantity).purchase_id
                if purchase_id not in self.found and purchase_id not in again and free[shard.stock_id] >= quantity:
                    free[shard.stock_id] -= quantity
                    held[shard.id][hold_id] = (quantity, expires_at)
        kept = {hold_id for holds_here in held.values() for hold_id in holds_here}
        self.report.holds_released += sum(quantity for hold_id, (quantity, _) in arrived.items() if hold_id not in kept)
        return held

    def _sold_to_reservations(self) -> Counter[str]:
        """Return by shard the tickets that count as sold already for paid purchases that are still reservations here."""
        arrived = {hold_id for shard in self.shards.values() for hold_id in shard.holds}
        paid = self.paid | {purchase.id for purchase, _, _ in self.torn if purchase is not None}
        found = Counter[str]()
        for purchase in (purchase for purchase in self._active() if purchase.id in paid):
            for hold in purchase.holds:
                found[hold.shard_id] += hold.quantity if hold.hold_id not in arrived else 0
        return found

    def _wanted_again(self) -> Counter[str]:
        """Return how many tickets of each stock the orders need whose payments the provider knows, and whose purchases did not arrive."""
        wanted, current = Counter[str](), catalog.snapshot()
        for purchase in self.unknown:
            for line in purchase.lines:
                wanted[current.tiers[line.tier_id].stock_id] += line.quantity
                wanted[current.events[purchase.event_id].pool_id or ""] += line.quantity
        return wanted

    def _write_shard(self, shard: Shard) -> None:
        self.report.shards_corrected += 1
        dynamo.update_now(ShardRow(shard.id), _shard_actions(shard))

    def _continue_stock_ledgers(self) -> None:
        """Let each stock ledger end where the entries of two regions part, and let no count fall below the last entry."""
        current, first = catalog.snapshot(), dict[str, Shard]()
        totals = stocks_of(scan_shards(SCANS))
        for shard in self.shards.values():
            first.setdefault(shard.stock_id, shard)

        def continue_ledger(event_id: str) -> int:
            last, removed = stock_ledger.find_last(event_id), 0
            if last is not None and last.entry.at >= clock.iso(self.forked_since) and (removed := stock_ledger.cut_fork(event_id)):
                last = stock_ledger.find_last(event_id)
            counted = {line.tier_id: line for line in last.entry.lines} if last is not None else {}
            for tier in current.event_tiers(event_id):
                line, stock = counted.get(stock_ledger.public_id(tier)), totals.get(tier.stock_id)
                if line is not None and stock is not None:
                    missing = max(0, (line.returned or 0) - stock.returned), max(0, (line.unpaid or 0) - stock.unpaid)
                    if any(missing):
                        dynamo.update_now(ShardRow(first[tier.stock_id].id), [ShardRow.r.add(missing[0]), ShardRow.u.add(missing[1])])
            return removed

        self.report.entries_removed += sum(parallel.call_each(continue_ledger, list(current.events)))

    # Orders that did not arrive as orders

    def complete_orders(self) -> None:
        """Complete the orders whose tickets arrived, but which are unpaid or unknown here, unless a provider has their payment.

        Their tickets are issued again with the same codes. Until then, the records of an order stay: if the recovery fails, it finds the
        order again when it is repeated.
        """
        for purchase, tickets, entries in sorted(self.torn, key=lambda each: each[0] is not None):
            order = self._find_paid(purchase, tickets, entries)
            dynamo.batch_delete(TicketRow(ticket.id) for ticket in tickets)
            self._correct_entries(purchase, entries)
            if order is not None and order.payment is not None:
                settlement.complete_purchase(order, replace(order.payment, status="captured"), self.now, by_buyer=False)
                self.report.orders_completed += 1

    def _find_paid(self, purchase: Purchase | None, tickets: list[Ticket], entries: list[LedgerEntry]) -> Purchase | None:
        """Return the purchase of these tickets with its payment, or None if it has ended, or the comparison applies its payment."""
        if purchase is not None:
            purchase = self.purchases.get(purchase.id, purchase)
            if purchase.state not in ACTIVE_STATES:
                return None
        if purchase is None or purchase.payment is None:
            captured = next((entry for entry in entries if entry.kind == "captured"), None)
            cents = sum(ticket.price_cents for ticket in tickets)
            provider = captured.provider if captured is not None else "free"
            if payments.is_external(provider) or (cents and captured is None):
                return None
            payment = Payment(provider, "open", cents, tickets[0].currency)  # type: ignore[arg-type]
            return replace(purchase, payment=payment) if purchase is not None else self._rebuild(tickets, payment)
        return None if payments.is_external(purchase.payment.provider) else purchase

    def _rebuild(self, tickets: list[Ticket], payment: Payment) -> Purchase | None:
        """Write the purchase of these tickets again, with the tickets that were sold without an order, or with free ones."""
        first, current = tickets[0], catalog.snapshot()
        event = current.events.get(first.event_id)
        if event is None or any(ticket.tier_id not in current.tiers for ticket in tickets):
            return None
        lines: list[LineItem] = []
        for tier_id, price in dict.fromkeys((ticket.tier_id, ticket.price_cents) for ticket in tickets):
            tier, quantity = current.tiers[tier_id], sum((each.tier_id, each.price_cents) == (tier_id, price) for each in tickets)
            lines.append(replace(LineItem.for_tier(tier, quantity, catalog.effective_tax(event, tier)), price_cents=price))
        purchase = Purchase(
            id=first.purchase_id,
            user_id=first.owner_id,
            event_id=event.id,
            state="paying",
            version=1,
            lines=lines,
            currency=first.currency,
            created_at=ids.second_of(first.purchase_id),
            expires_at=self.now,
            payment=payment,
        ).with_terms(event)
        held = {}
        for request in holds.hold_requests(purchase, event, current.tiers, expires_at=self.now, now=self.now, takes_kept=True):
            hold_id = request.new_hold_id()
            held[request.stock_id] = self._take_sold(request.stock_id, hold_id, request.quantity)
            if held[request.stock_id] is None:
                return None
        purchase = holds.with_holds(purchase, event, current.tiers, {stock: taken for stock, taken in held.items() if taken is not None})
        if not store.insert(purchase):
            return None
        values = {"active_id": purchase.id, "active_until": purchase.expires_at, "active_quantity": purchase.quantity}
        dynamo.update_now(BuyerRow(purchase.user_id, purchase.event_id), BuyerRow.set_or_remove(values))
        return purchase

    def _take_sold(self, stock_id: str, hold_id: str, quantity: int) -> list[Hold] | None:
        """Hold tickets of a stock that were sold without an order, or else free ones. Returns None if there are too few.

        Reads a shard until the shard has no such tickets, and then never again.
        """
        taken: list[Hold] = []
        left = self.shards_left[stock_id]
        while quantity and left:
            [shard] = read_shards([left[-1]])
            spare = min(self.report.lost_sales.get(stock_id, 0), shard.sold, quantity)
            free = min(shard.available, quantity - spare)
            if spare + free == 0:
                left.pop()
                continue
            after = replace(shard, sold=shard.sold - spare, available=shard.available - free, version=shard.version + 1)
            self._write_shard(replace(after, holds={**shard.holds, hold_id: (spare + free, self.now)}))
            if spare:
                self.report.lost_sales[stock_id] -= spare
            taken.append(Hold(shard.id, hold_id, spare + free))
            quantity -= spare + free
        return taken if not quantity else None

    # Numbers that must not be given twice

    def _skip_numbers(self) -> None:
        """Raise the counters of seats beyond all numbers that tickets may have got in another region. The tickets may have been printed."""
        known = {counter.id: counter for counter in CounterRow.scan()}
        events = catalog.snapshot().events.values()
        open_now = {event.id for event in events if event.status != "draft" and event_phase(event, self.now) == "open"}
        counters = list[_Counter]()
        for event_id in sorted(known.keys() | open_now):
            stored = int(known[event_id].last) if event_id in known else 0
            last = max(stored, self.given[event_id])
            skipped = NUMBERS_SKIPPED + _unsold_seats(event_id, self.sold_of_tier, last)
            counters.append(_Counter(CounterRow(event_id), stored, last, skipped))
        self._skip(counters, CounterRow.last)

    def _skip_places(self) -> None:
        """Raise the counters of waiting rooms beyond the numbers of all people who are likely to have joined in another region."""
        rooms, known, highest = list[WaitingRoomRow](), dict[str, WaitingRoomRow](), Counter[str]()
        joined = defaultdict[str, list[int]](list)  # by `<event>#<room>`: when people joined
        for row in WaitingRoomRow.scan(segments=SCANS):
            kind, event_id, *_ = row.id.split("#")
            if kind == "room":
                rooms.append(row)
            elif kind == "counter":
                known[row.id] = row
            elif kind == "entry" and row.arrival is not None:
                room = f"{event_id}#{row.arrival.room}"
                counter_id = f"counter#{room}#{_counter_name(row.arrival.counter)}"
                highest[counter_id] = max(highest[counter_id], row.arrival.number + row.arrival.weight - 1)
                joined[room].append(row.arrival.joined_at)
        counters = list[_Counter]()
        for row in rooms:
            event_id = row.id.partition("#")[2]
            room, is_closed = f"{event_id}#{int(row.room)}", row.closed_counts is not None or row.n is not None
            late, drawn = range(LATE - int(row.late_counters or 1) + 1, LATE + 1), range(int(row.counters))
            skipped = self._likely_joins(event_id, joined[room])
            for counter in (*drawn, *late):
                counter_id = f"counter#{room}#{_counter_name(counter)}"
                counted = known.get(counter_id) or WaitingRoomRow(counter_id)
                if not counted.closed:
                    stored = int(counted.arrivals or 0)
                    last = max(stored, highest[counter_id])
                    share = -(-skipped // len(late if is_closed else drawn)) if (counter in late) == is_closed or last else 0
                    counters.append(_Counter(counted, stored, last, share))
        self._skip(counters, WaitingRoomRow.arrivals)

    def _likely_joins(self, event_id: str, joined: list[int]) -> int:
        """Return twice as many people as join in LOST_SECONDS, at the highest rate of the last seconds and minutes, and NUMBERS_SKIPPED.

        Returns 0 if nobody has joined within the last hour, and the sale does not begin now.
        """
        event, newest = catalog.snapshot().events.get(event_id), max(joined, default=0)
        begins_now = event is not None and event.on_sale_at is not None and abs(event.on_sale_at - self.now) < SPAN_SECONDS
        if newest < self.now - SPAN_SECONDS and not begins_now:
            return 0
        rates = [0.0]
        for seconds in (LOST_SECONDS, BURST_SECONDS):
            recent = [at for at in joined if at > newest - seconds]
            rates += [len(recent) / max(10, newest - min(recent))] if recent else []
        return NUMBERS_SKIPPED + int(2 * LOST_SECONDS * max(rates))

    def _skip(self, counters: Iterable[_Counter], attribute: NumberAttribute) -> None:
        """Let counters continue after their last numbers and what they skip."""
        behind = [each for each in counters if each.last + each.skipped > each.stored]
        parallel.call_each(lambda each: dynamo.update_now(each.row, [attribute.set(each.last + each.skipped)]), behind)
        self.report.numbers_skipped += sum(each.skipped for each in behind)


def _counter_name(counter: int) -> str:
    return "late" if counter == LATE else str(counter)


def _unsold_seats(event_id: str, sold: Counter[str], without_limit: int) -> int:
    """Return how many seats of an event were not sold, by the tickets sold of each tier: so many may have got numbers in a cut.

    Returns `without_limit` for an event that can sell any number of tickets.
    """
    current = catalog.snapshot()
    event, tiers = current.events.get(event_id), current.event_tiers(event_id)
    if event is None:
        return without_limit
    if all(tier.capacity is not None for tier in tiers):
        return sum(tier.admits * max(0, (tier.capacity or 0) - sold[tier.id]) for tier in tiers)
    admits = max(tier.admits for tier in tiers)
    return without_limit if event.capacity is None else admits * max(0, event.capacity - sum(sold[tier.id] for tier in tiers))


def _entry_name(item: dynamo.TransactItem) -> tuple[str, str]:
    """Return the kind and the reference in the key of a ledger entry."""
    _, kind, reference = item["Put"]["Item"]["entry"]["S"].split("#", 2)
    return kind, reference


def _purchase_actions(purchase: Purchase) -> list[Action]:
    """Return the actions that write the state of a purchase, its end and its refunds."""
    return PurchaseRow.set_or_remove({name: getattr(purchase, name) for name in ("state", "ended_at", "version", "refunds")})


def _shard_actions(shard: Shard) -> list[Action]:
    """Return the actions that write what a shard counts, and its holds."""
    values: dict[str, Any] = {name: getattr(shard, name) for name in ("sold", "capacity", "available", "version")}
    values["holds"] = {hold_id: list(hold) for hold_id, hold in shard.holds.items()}
    return [getattr(ShardRow, name).set(value) for name, value in values.items()]


def _count_sold(order: Purchase, by: Literal["stock_id", "shard_id"]) -> Counter[str]:
    """Return what counts as sold for an order, by stock or by shard."""
    sold = Counter[str]()
    for seat in (*order.holds_of_tickets(sold_tickets(order)), *order.promo_holds, *order.resale_holds):
        sold[getattr(seat, by)] += seat.quantity
    return sold


def _is_refunded_elsewhere(order: Purchase, payment: ProviderPayment) -> bool:
    """Return whether the provider has paid back the whole payment of an order by refunds that the order does not have."""
    intent = payment.payment_intent_id
    if not order.is_order or intent is None or not order.is_own_payment(intent) or payment.net_received:
        return False
    return order.refunded_total(intent, include_due=True) < payment.amount_refunded


def _buyer_key(user_id: str, event_id: str) -> str:
    return f"{event_id}#{user_id}"


def _has_record(purchase: Purchase) -> bool:
    return purchase.was_order or purchase.state in ACTIVE_STATES


def _buyer_record(before: BuyerRecord, own: list[Purchase], moved: list[Purchase], received: set[str]) -> BuyerRecord:
    """Return what a buyer's record must say. The record also counts orders that moved to another user."""
    active = next((purchase for purchase in own if purchase.state in ACTIVE_STATES), None)
    counted = [*own, *moved]
    noted = {entry for entry in before.passes if entry.startswith(MOVED_PREFIX)}
    passes = {purchase.pass_id for purchase in counted if purchase.pass_id is not None and purchase.is_order}
    return BuyerRecord(
        user_id=before.user_id,
        event_id=before.event_id,
        active_id=active.id if active is not None else None,
        active_until=active.expires_at if active is not None else 0,
        active_quantity=active.quantity if active is not None else 0,
        bought=sum(len(purchase.kept_tickets) for purchase in counted),
        orders=frozenset(purchase.id for purchase in own if purchase.is_order),
        past_orders=frozenset(purchase.id for purchase in own if purchase.was_order and not purchase.is_order),
        received=frozenset(received),
        passes=frozenset(passes | noted | {entry.removeprefix(MOVED_PREFIX) for entry in noted}),
        promo_uses=frozenset(f"{purchase.promo_code}#{purchase.id}" for purchase in counted if purchase.was_order and purchase.promo_code),
        reserve_tat=before.reserve_tat,
    )
