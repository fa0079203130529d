"""Why a document is not applied: a code with its figures, for pages in any language, and the sentence that commands print."""

from collections.abc import Sequence

from msgspec import Struct

from chalicelib.inventory.model import Stock
from chalicelib.rollouts.changes import EntryKind

_SENTENCES = {
    "event_of_api": "an event with this id was created through the API; use another id",
    "tier_of_api": "a ticket type with this id was created through the API; use another id",
    "code_of_api": "a promo code with this name was created through the API; use another name, or delete that code",
    "limit_too_late": "it is too late for an overall capacity, because tickets may be on sale without one; limit the ticket types instead",
    "stock_missing": "its stock {stock_id} is missing from the store, so the number sold is unknown; restore the table inventory",
    "sold_before": "cannot start with sold_count {sold}, because the capacity of its event only counts tickets sold here; set it to 0",
    "moves_with_sales": "cannot move from event {event_id} (sold {sold}, on hold {held}); add a new ticket type to the other event",
    "moves_between_limits": (
        "cannot move from event {event_id}, because one of the two events has an overall capacity; add a new ticket type"
    ),
    "capacity_in_use": "capacity {capacity} is below {in_use} (sold {sold}, on hold {held}); use {in_use} or more",
    "capacity_in_use_meanwhile": (
        "capacity {capacity} is now below the tickets in use (sold {sold}, on hold {held}); use a larger capacity"
    ),
    "uses_in_use": "max_total_uses {limit} is below {in_use} (used {sold}, in use {held}); use {in_use} or more",
    "code_not_written": "{reason}. Version {version} is live without this change; correct the code and apply again",
    "applied_meanwhile": "{by} has applied version {version} in the meantime; review the plan and apply again",
    "kept_changing": "the catalog kept changing during the apply; run the command again",
}
CODES = frozenset(_SENTENCES)


class Refusal(Struct, frozen=True):
    """What is refused and why. `kind` and `name` are the entry, None if it is about the whole document; `code` is one of CODES."""

    code: str
    figures: dict[str, int | str]
    kind: EntryKind | None = None
    name: str | None = None

    @property
    def reason(self) -> str:
        """Why, without the entry."""
        return _SENTENCES[self.code].format(**self.figures)

    def __str__(self) -> str:
        return f"! {self.reason}" if self.kind is None else f"! {self.kind} {self.name}: {self.reason}"


def in_use(stock: Stock) -> dict[str, int | str]:
    """What of a stock is sold and held, as figures of a refusal."""
    return {"sold": stock.sold, "held": stock.held}


def lines(refusals: Sequence[Refusal]) -> list[str]:
    """The lines that commands print."""
    return [str(refusal) for refusal in refusals]
