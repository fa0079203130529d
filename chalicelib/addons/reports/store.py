"""Table `reports`: figures, orders and sales, which the projector derives from the stream of changes.

| lane | key | content |
| --- | --- | --- |
| `state` | `generation` | the current generation, and the generation that a rebuild is writing |
| `<generation>#<event>#figures<n>` | `<part>#<n>`, `day#<date>#<hour>-<n>` | figures of the event; each figure is an attribute |
| `<generation>#<event>#keyed<n>` | `purchase#<id>`, `ticket#<id>` | the counted state of a purchase or ticket, with the figures it added |
| | `attempt#<time>#...` | a ledger entry that moved no money |
| | `index#<id>` | the search terms of an order, each with the content of its row below, in `terms` |
| `<generation>#<event>#list<n>` | `order#<id>` | a purchase that became an order, for lists of orders |
| | `disputed#<id>` | a purchase whose payment a bank has ever disputed |
| | `failed#<id>` | a purchase that reached the payment and ended without tickets; the row stays even if a late payment is accepted |
| | `sale#<time>#<purchase>#<kind>#<reference>` | a ledger entry that moved money, or a free order, by time |
| `<generation>#<event>#terms<n>` | `name#<word>#<id>` | an order with this word in one of its names; `terms` has the names with the word |
| | `email#<address>#<id>` | an order with this email address, or with an email address that has this hash |
| | `number#<key>#<id>` | an order whose number ends with this key |

DynamoDB accepts 1,000 write units a second for a lane, so each kind of row has several lanes. Lists and searches read all lanes of a kind,
so most kinds have few lanes. Rows of the kind `keyed` are only read one by one, so this kind has more lanes. All lanes except `state` begin
with the number of a generation, because a rebuild writes a new generation beside the current generation.

Generations before FIRST_WIDE were written by earlier versions, with fewer lanes: `<generation>#<event>#figures`, and
`<generation>#<event>#<n>` for all other kinds. Earlier versions also wrote all names of an order into the row of each word.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Literal, Self
from zlib import crc32

import msgspec
from msgspec import Struct
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path

from chalicelib.addons.reports.figures import DAY, TOTALS, Figures, total
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import parallel
from chalicelib.ledger.model import SIGNS, EntryKind

Kind = Literal["figures", "keyed", "list", "terms"]

# Never change these numbers within a generation, because existing items would then be looked up in the wrong lane.
FIRST_WIDE = 1000
LANES: dict[Kind, int] = {"figures": 8, "keyed": 64, "list": 8, "terms": 16}
NARROW_LANES: dict[Kind, int] = {"figures": 2, "keyed": 4, "list": 4, "terms": 4}

OrderList = Literal["order", "disputed", "failed", "complimentary", "return_requested"]
Terms = dict[str, list[str]]  # `name#<word>` -> the order's names with this word; `email#<address>`, `number#<key>` -> an empty list

MAX_TERMS_WRITTEN = 90  # terms in one transaction, which may have 100 items

PAGE_ROWS = 1280  # rows from all lanes of a list together: 1,000 plus a margin, so that one call for each lane is enough


class Sale(Struct, frozen=True, kw_only=True):
    """Money received (positive) or paid out (negative) for an order, or 0 for a free order. `at` is in epoch seconds.

    An attempt to pay that moved no money is a sale too. Such a sale is counted but not listed.
    """

    at: int
    order_id: str
    kind: EntryKind
    amount_cents: int
    currency: str
    provider: str
    reference: str

    @property
    def moves_money(self) -> bool:
        return bool(SIGNS[self.kind])


class ReportRow(dynamo.Table):
    """One row of any kind; each kind uses some of the attributes."""

    feature = "reports"
    contents = "Figures, orders and sales of events, and the index that finds orders by person."
    personal_data = dynamo.PersonalData(
        "ids, names and addresses of buyers and guests",
        export="as account, orders and tickets",
        erasure="names and addresses are deleted; ids stay",
    )

    lane = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    position = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)
    figures = StructAttribute(Figures, null=True, always_text=True)
    forgotten = BooleanAttribute(null=True)
    state = UnicodeAttribute(null=True)
    user_id = UnicodeAttribute(null=True)
    sale = StructAttribute(Sale, null=True)
    terms = StructAttribute(Terms, null=True)
    current = NumberAttribute(null=True)
    building = NumberAttribute(null=True)


_ABSENT = ReportRow.lane.does_not_exist()


class TermRow(dynamo.Table):
    """An order with a search term. `terms` are the order's names with the term."""

    feature = "reports"

    lane = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    terms = StructAttribute(list[str], null=True)


class FigureRow(dynamo.Table):
    """A row of figures. Each of the `numbers` is an attribute of the item."""

    feature = "reports"

    lane = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    numbers: dict[str, int]

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        row = super().from_raw_data(data)
        row.numbers = {name: int(value["N"]) for name, value in data.items() if name not in cls.get_attributes()}
        return row

    @property
    def part(self) -> str:
        return self.key.rpartition("#")[0]


class _Figure(Path):
    """The attribute of a figure. Its name may contain any character, even a bracket, which has a meaning in other paths of PynamoDB."""

    def serialize(self, placeholder_names: dict[str, str], expression_attribute_values: dict[str, str]) -> str:  # noqa: ARG002
        return placeholder_names.setdefault(self.path[0], f"#{len(placeholder_names)}")


class Generations(Struct, frozen=True):
    """The `current` generation, from which reports are read, and the generation that a rebuild is `building`, if any.

    Changes are written to both.
    """

    current: int = 1
    building: int | None = None

    @property
    def written(self) -> list[int]:
        return [self.current] if self.building is None else [self.current, self.building]


class CountedState(Struct, frozen=True, kw_only=True):
    """A counted state of a purchase or ticket, and the figures that this state added.

    `key` is `purchase#<id>` or `ticket#<id>`. `position` is text; a later state from the same stream has a greater position. Until its
    last step, a state that is counted in several steps has the previous position, followed by a space and the step's number. `version`
    orders the states of a ticket across streams, because a restored table has a new stream. `is_forgotten` marks a purchase that DynamoDB
    has deleted after its time to live. Its figures still count.
    """

    event_id: str
    key: str
    position: str
    figures: Figures
    version: int | None = None
    is_forgotten: bool = False

    def is_newer_than(self, known: "CountedState") -> bool:
        if self.version is not None and known.version is not None and self.version != known.version:
            return self.version > known.version
        return (self.position, self.is_forgotten) > (known.position, known.is_forgotten)


class OrderEntry(Struct, frozen=True):
    """An order in one of an event's lists. In the list `failed`, it is a purchase that did not become an order."""

    order_id: str
    state: str
    user_id: str


class CountConflict(Exception):
    """Another run has counted one of the purchases or sales in the meantime, so nothing was written. The caller must read them again."""


def load_generations() -> Generations:
    row = ReportRow.find("state", "generation")
    return Generations() if row is None else _generations(row)


def start_generations() -> Generations:
    """Return the generations. The first call chooses the first generation: 1 if an earlier version has written rows, else FIRST_WIDE."""
    row = ReportRow.find("state", "generation")
    if row is not None:
        return _generations(row)
    is_empty = next(ReportRow.scan(limit=1), None) is None
    dynamo.put_if(ReportRow("state", "generation", current=FIRST_WIDE if is_empty else 1), _ABSENT)
    return load_generations()


def save_generations(before: Generations, after: Generations) -> bool:
    """Write the generations. Returns False and writes nothing if they have changed since they were read."""
    row = ReportRow("state", "generation", current=after.current, building=after.building)
    building = ReportRow.building.does_not_exist() if before.building is None else ReportRow.building == before.building
    is_unchanged = (ReportRow.current == before.current) & building
    return dynamo.put_if(row, _ABSENT | is_unchanged if before == Generations() else is_unchanged)


def load_counted(generation: int, event_id: str, keys: Iterable[str]) -> dict[str, CountedState]:
    """Load the counted states of these purchases and tickets, by key, with one strongly consistent read per 100 keys."""
    rows = ReportRow.find_all((_lane(generation, event_id, "keyed", key), key) for key in keys)
    return {row.key: _counted(event_id, row) for row in rows}


def count_item(generation: int, after: CountedState, before: CountedState | None) -> dynamo.TransactItem:
    """Return the item that records the counted state of a purchase or ticket. The transaction fails if `before` is no longer stored."""
    row = ReportRow(
        _lane(generation, after.event_id, "keyed", after.key),
        after.key,
        position=after.position,
        version=after.version,
        figures=after.figures,
        forgotten=True if after.is_forgotten else None,
    )
    if before is None:
        return dynamo.transact_put(row, _ABSENT)
    # If another run has counted this item in the meantime, its figures must not be added a second time.
    presence = ReportRow.forgotten.exists() if before.is_forgotten else ReportRow.forgotten.does_not_exist()
    return dynamo.transact_put(row, (ReportRow.position == before.position) & presence)


def order_item(generation: int, event_id: str, order: OrderEntry, order_list: OrderList = "order") -> dynamo.TransactItem:
    """Return the item that adds an order to a list."""
    lane = _lane(generation, event_id, "list", order.order_id)
    return dynamo.transact_put(ReportRow(lane, f"{order_list}#{order.order_id}", state=order.state, user_id=order.user_id))


def sale_item(generation: int, event_id: str, sale: Sale, *, is_new: bool) -> dynamo.TransactItem:
    """Return the item that lists a sale. With `is_new`, the transaction fails if the sale is already listed."""
    row = ReportRow(*_sale_key(generation, event_id, sale), sale=sale)
    return dynamo.transact_put(row, _ABSENT if is_new else None)


def find_sales(generation: int, event_id: str, sales: Sequence[Sale]) -> set[tuple[str, str, str]]:
    """Return the sales that are already listed, as (order id, kind, reference). The reads are strongly consistent."""
    rows = ReportRow.find_all(_sale_key(generation, event_id, sale) for sale in sales)
    return {(sale.order_id, sale.kind, sale.reference) for sale in (row.sale for row in rows)}


def load_index(generation: int, event_id: str, order_ids: Iterable[str]) -> dict[str, Terms]:
    """Load the search terms of these orders, if they are indexed, with one strongly consistent read per 100 orders."""
    rows = ReportRow.find_all(_index_key(generation, event_id, order_id) for order_id in order_ids)
    return {row.key.removeprefix("index#"): row.terms for row in rows}


def change_indexes(generation: int, changes: Iterable[tuple[str, str, Terms, Terms]]) -> None:
    """Replace the search terms of orders, given as (event id, order id, before, after), with as many as fit in each transaction.

    Each transaction leaves the index consistent. Raises CountConflict if another run has changed the terms of an order in the meantime.
    """
    items: list[dynamo.TransactItem] = []
    for change in changes:
        for number, group in enumerate(_index_items(generation, *change)):
            # Two groups of one order change the same item, so they need two transactions.
            if number or len(items) + len(group) > dynamo.MAX_TRANSACT_ITEMS:
                commit(items)
                items = []
            items += group
    if items:
        commit(items)


def _size(names: list[str] | None) -> int:
    return len(msgspec.json.encode(names))


def _index_items(generation: int, event_id: str, order_id: str, before: Terms, after: Terms) -> Iterator[list[dynamo.TransactItem]]:
    """Yield the items that replace the search terms of an order, in groups that each leave the index consistent."""
    lane, known = _lane(generation, event_id, "terms", order_id), dict(before)
    changed = [term for term in {**before, **after} if before.get(term) != after.get(term)]
    # Terms that shrink come first, so that the index is never larger than before or after.
    changed.sort(key=lambda term: _size(after.get(term)) - _size(before.get(term)))
    for start in range(0, len(changed), MAX_TERMS_WRITTEN):
        chunk = changed[start : start + MAX_TERMS_WRITTEN]
        remaining = {term: names for term, names in known.items() if term not in chunk}
        wanted = remaining | {term: after[term] for term in chunk if term in after}
        index = ReportRow(*_index_key(generation, event_id, order_id))
        if wanted:
            index.terms = wanted
        # The index must not have changed since it was read, because a concurrent run may have read newer names.
        is_unchanged = ReportRow.terms == known if known else _ABSENT
        write = dynamo.transact_put if wanted else dynamo.transact_delete
        items = [write(index, is_unchanged)]
        for term in chunk:
            row = TermRow(lane, f"{term}#{order_id}", terms=after.get(term, []))
            items.append(dynamo.transact_put(row) if term in after else dynamo.transact_delete(row))
        yield items
        known = wanted


def query_index(generation: int, event_id: str, first: str, last: str, after: str | None) -> tuple[list[tuple[str, list[str]]], bool]:
    """Read a page of an event's index, from the key `first` or after the key `after`, up to the key `last`.

    Returns each key with the names of its entry, and whether there may be more entries. Keys are `<term>#<order id>`. Reads all lanes in
    parallel, and at most PAGE_ROWS rows.
    """
    keys, names = ReportRow.key.between(after or first, last), _lanes(generation, event_id, "terms")
    limit = PAGE_ROWS // len(names)
    lanes = parallel.call_each(lambda lane: list(TermRow.query(lane, keys, limit=limit, consistent_read=False)), names)
    # A full lane may have more rows after its last key, so the page ends at the smallest last key of all full lanes.
    ends = [rows[-1].key for rows in lanes if len(rows) == limit]
    page_end = min(ends, default=last)
    rows = heapq.merge(*lanes, key=lambda row: row.key)
    entries = [(row.key, row.terms) for row in rows if row.key != after and row.key <= page_end]
    return entries, bool(ends)


def figure_items(generation: int, event_id: str, added: Figures) -> list[dynamo.TransactItem]:
    """Return the items that add to an event's figures: one item for each part, but for a day one item for each hour.

    Chooses any lane, because reads add up all lanes. Days are divided into hours, because with many tiers, the figures of a whole day
    exceed 400 KB, the limit of an item. Earlier versions wrote one item for a day; reads add up those items too.
    """
    number = random.randrange(_lane_count(generation, "figures"))
    by_row: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for part, numbers in added.items():
        for name, value in numbers.items():
            by_row[part, f"{name[:2]}-" if part.startswith(DAY) else ""][name] = value
    return [
        dynamo.transact_update(
            FigureRow(*_figures_key(generation, event_id, part, number, hour)),
            [_Figure([name]).add(value) for name, value in sorted(numbers.items())],
        )
        for (part, hour), numbers in sorted(by_row.items())
    ]


def commit(items: Sequence[dynamo.TransactItem]) -> None:
    """Write all items or none. Raises CountConflict if a condition failed."""
    try:
        dynamo.transact(items)
    except dynamo.ConditionFailed as cancelled:
        raise CountConflict from cancelled


def load_totals(generation: int, event_id: str) -> Mapping[str, int]:
    """Load the totals of an event by name. Reads an item of each lane in one round trip."""
    return load_part(generation, event_id, TOTALS)


def load_part(generation: int, event_id: str, part: str) -> Mapping[str, int]:
    """Load one part of an event's figures by name. Reads an item of each lane in one round trip."""
    return load_parts(generation, event_id, [part]).get(part, {})


def load_parts(generation: int, event_id: str, parts: Iterable[str]) -> Figures:
    """Load these parts of an event's figures. Reads an item of each part and lane, in one round trip for 100 items."""
    return total([{row.part: row.numbers} for row in _read_parts(generation, event_id, parts)])


def load_names(generation: int, event_id: str, part: str) -> set[str]:
    """Load the names of all figures of a part, including figures that are 0 now. Reads an item of each lane in one round trip."""
    return {name for row in _read_parts(generation, event_id, [part]) for name in row.numbers}


def _read_parts(generation: int, event_id: str, parts: Iterable[str]) -> list[FigureRow]:
    lanes = range(_lane_count(generation, "figures"))
    return FigureRow.find_all(
        [_figures_key(generation, event_id, part, number) for part in parts for number in lanes], consistent_read=False
    )


def load_many_totals(generation: int, event_ids: Iterable[str]) -> Mapping[str, Mapping[str, int]]:
    """Load the totals of events, by event id and name. Reads an item of each event and lane, 100 items at once, in parallel."""
    lanes = range(_lane_count(generation, "figures"))
    keys = [_figures_key(generation, event_id, TOTALS, number) for event_id in event_ids for number in lanes]
    pages = [keys[start : start + dynamo.MAX_BATCH_GET] for start in range(0, len(keys), dynamo.MAX_BATCH_GET)]
    found = parallel.call_each(partial(FigureRow.find_all, consistent_read=False), pages)
    return total([{row.lane.split("#")[1]: row.numbers} for rows in found for row in rows])


def load_days(generation: int, event_id: str, first_day: str, last_day: str) -> Figures:
    """Load the daily figures of an event from `first_day` to `last_day`, inclusive, by part. Queries all lanes in parallel."""
    days = FigureRow.key.between(f"{DAY}{first_day}#", f"{DAY}{last_day}#~")
    lanes = parallel.call_each(
        lambda lane: list(FigureRow.query(lane, days, consistent_read=False)), _lanes(generation, event_id, "figures")
    )
    return total([{row.part: row.numbers} for rows in lanes for row in rows])


def query_orders(generation: int, event_id: str, before: str | None, order_list: OrderList = "order") -> Iterator[OrderEntry]:
    """Iterate over a list of an event's orders, newest reservation first. With `before`, yields only orders older than that order."""
    for row in _merge_lanes(
        generation, event_id, f"{order_list}#", f"{order_list}#{before}" if before else f"{order_list}#~", newest_first=True
    ):
        order_id = row.key.removeprefix(f"{order_list}#")
        if order_id != before:
            yield OrderEntry(order_id, row.state, row.user_id)


def query_sales(generation: int, event_id: str, first: str, last: str) -> Iterator[tuple[Sale, str]]:
    """Iterate over an event's sales by time, each with its position, from the position `first` to `last`, inclusive."""
    for row in _merge_lanes(generation, event_id, f"sale#{first}", f"sale#{last}", newest_first=False):
        yield row.sale, row.key.removeprefix("sale#")


def sale_position(at: int) -> str:
    """Return the position before all sales of a second (epoch seconds), as text that sorts like the number."""
    return f"{at:011}"


def scan_counted(generation: int) -> Iterator[CountedState]:
    """Iterate over the counted states of all purchases and tickets in a generation. Reads the whole table: for rebuilds only."""
    for row in ReportRow.scan():
        number, _, rest = row.lane.partition("#")
        if number == str(generation) and row.position is not None:
            yield _counted(rest.rpartition("#")[0], row)


def delete_earlier_generations(kept: int) -> int:
    """Delete the items of all generations before `kept`, in batches. Returns their number. Reads the whole table: for rebuilds only.

    Another rebuild may already be writing a later generation.
    """
    earlier = (row for row in ReportRow.scan() if row.lane != "state" and int(row.lane.partition("#")[0]) < kept)
    deleted = 0
    while batch := list(islice(earlier, dynamo.MAX_BATCH_WRITE)):
        dynamo.batch_delete(batch)
        deleted += len(batch)
    return deleted


def _merge_lanes(generation: int, event_id: str, first: str, last: str, *, newest_first: bool) -> Iterator[ReportRow]:
    if first > last:
        return iter(())  # DynamoDB refuses a range that ends before it begins
    within, names = ReportRow.key.between(first, last), _lanes(generation, event_id, "list")

    def read_lane(lane: str) -> Iterator[ReportRow]:
        rows = ReportRow.query(lane, within, scan_index_forward=not newest_first, page_size=PAGE_ROWS // len(names), consistent_read=False)
        return chain(list(islice(rows, 1)), rows)  # reads the first page now, in parallel with the other lanes

    return heapq.merge(*parallel.call_each(read_lane, names), key=lambda row: row.key, reverse=newest_first)


def _sale_key(generation: int, event_id: str, sale: Sale) -> tuple[str, str]:
    kind: Kind = "list" if sale.moves_money else "keyed"
    listed = "sale" if sale.moves_money else "attempt"
    return _lane(
        generation, event_id, kind, sale.order_id
    ), f"{listed}#{sale_position(sale.at)}#{sale.order_id}#{sale.kind}#{sale.reference}"


def _index_key(generation: int, event_id: str, order_id: str) -> tuple[str, str]:
    return _lane(generation, event_id, "keyed", order_id), f"index#{order_id}"


def _figures_key(generation: int, event_id: str, part: str, number: int, hour: str = "") -> tuple[str, str]:
    """Return the key of a part of an event's figures in a lane. For a day, `hour` is the hour in two digits and a hyphen."""
    return _lane_name(generation, event_id, "figures", number), f"{part}#{hour}{number}"


def _lane_count(generation: int, kind: Kind) -> int:
    return (LANES if generation >= FIRST_WIDE else NARROW_LANES)[kind]


def _lane(generation: int, event_id: str, kind: Kind, text: str) -> str:
    """Return the lane for a row of this kind. `text` selects the lane."""
    return _lane_name(generation, event_id, kind, crc32(text.encode()) % _lane_count(generation, kind))


def _lanes(generation: int, event_id: str, kind: Kind) -> list[str]:
    """Return the lanes of this kind, without duplicates."""
    return list(dict.fromkeys(_lane_name(generation, event_id, kind, number) for number in range(_lane_count(generation, kind))))


def _lane_name(generation: int, event_id: str, kind: Kind, number: int) -> str:
    if generation >= FIRST_WIDE:
        return f"{generation}#{event_id}#{kind}{number}"
    return f"{generation}#{event_id}#{'figures' if kind == 'figures' else number}"


def _generations(row: ReportRow) -> Generations:
    return Generations(int(row.current), int(row.building) if row.building is not None else None)


def _counted(event_id: str, row: ReportRow) -> CountedState:
    return CountedState(
        event_id=event_id,
        key=row.key,
        position=row.position,
        figures=row.figures,
        version=None if row.version is None else int(row.version),
        is_forgotten=bool(row.forgotten),
    )
