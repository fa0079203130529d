"""What the imports from other systems have in common: a bootstrap document, sold tickets, people who wait, and what stays behind."""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from bootstrap.ticket_file import is_address
from chalicelib.bootstrap_file.findings import DocumentFault, InvalidDocument, quoted
from chalicelib.bootstrap_file.validation import Tree
from chalicelib.purchases.direct_orders import CodeUnusable, import_code

MAX_FAULTS = 100


class SaleImport(Struct, frozen=True):
    """A bootstrap document, the rows of `import-tickets` by event, the number of paid orders, and what cannot be moved, with the reason."""

    tree: Tree
    tickets: dict[str, list[dict[str, str]]]
    orders: int
    notes: list[str]


class SoldTickets:
    """The sold tickets of an export as rows of `import-tickets`, by event, their number by ticket type, and the faults of the export."""

    def __init__(self, event_ids: Iterable[str]) -> None:
        self.rows: dict[str, list[dict[str, str]]] = {event_id: [] for event_id in event_ids}
        self.sold = Counter[str]()
        self.faults: dict[str, str] = {}  # by place
        self._places: dict[str, str] = {}  # of codes

    def check_address(self, address: str, place: str) -> None:
        """Note a fault unless the address is empty or an email address."""
        if address and not is_address(address):
            self.faults[place] = f"{quoted(address)} is not an email address"

    def check_code(self, code: str, place: str, name: str = "code") -> bool:
        """Return whether the door can read the code, and no earlier ticket has it. Otherwise, note a fault."""
        try:
            first = self._places.setdefault(import_code(code), place)
        except CodeUnusable as error:
            self.faults[place] = f"{quoted(code)} {error}"
            return False
        if first != place:
            self.faults[place] = f"{quoted(code)} is also the {name} of {first}"
        return first == place

    def add(self, event_id: str, ticket_id: str, code: str, **fields: str) -> None:
        """Add a ticket; `fields` are other columns of `import-tickets`."""
        self.sold[ticket_id] += 1
        self.rows[event_id].append({"code": code, "tier": ticket_id, **fields})

    def raise_faults(self, file: str) -> None:
        """Raise InvalidDocument if the export has faults."""
        if self.faults:
            raise InvalidDocument([DocumentFault(place, text, file) for place, text in self.faults.items()][:MAX_FAULTS])


def name_uniquely(tickets: Iterable[Tree]) -> None:
    """Add the id to a name that another ticket type of the event has too."""
    taken = set[tuple[str, str]]()
    for ticket in tickets:
        key = (ticket["event_id"], ticket["name"].casefold())
        if key in taken:
            ticket["name"] += f" ({ticket['id']})"
        taken.add(key)


def left_out(counts: Mapping[str, int]) -> list[str]:
    """Return notes about what stays behind."""
    return [f"{count} {what}: left out" for what, count in counts.items() if count]


def without_empty(**fields: object) -> Tree:
    """Return the fields that have a value. False and 0 are values."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
