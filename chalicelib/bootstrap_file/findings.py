"""Results of checking and planning a bootstrap file: errors, warnings, refusals and changed entries."""

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from msgspec import Struct

from chalicelib.foundation.errors import ApiError
from chalicelib.inventory.model import Stock

MAX_QUOTE_LENGTH = 80
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class DocumentFault(Struct, frozen=True):
    """An error at the JSON `path` (such as `$.events.spring-fest.date`); `message` says what is wrong and what is allowed."""

    path: str
    message: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.message}" if self.file else f"{self.path}: {self.message}"


class DocumentWarning(Struct, frozen=True):
    """A warning about a value in the entry `name` that is allowed but probably a mistake.

    Pages build a translated text from `code` and `figures`.
    """

    fault: DocumentFault
    code: str
    name: str
    figures: dict[str, int]

    def __str__(self) -> str:
        return str(self.fault)


class InvalidDocument(Exception):
    """The files cannot be used; `faults` lists everything that is wrong with them."""

    def __init__(self, faults: list[DocumentFault]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} faults")


def member_path(path: str, key: str | int) -> str:
    """Return the JSON path of a member of `path`: `path` followed by `.key`, `['an odd key']` or `[3]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if _SIMPLE_KEY.fullmatch(key) else f"{path}[{_shortened(ascii(key))}]"


def quoted(value: Any) -> str:
    """Return a value from the file as JSON for a message, in at most 80 characters of printable ASCII."""
    return _shortened(json.dumps(value).replace("\x7f", "\\u007f"))


def printable(text: str) -> str:
    """Return a text for a terminal, with unprintable characters escaped, because they could change what is on the screen."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_QUOTE_LENGTH else text[: MAX_QUOTE_LENGTH - 3] + "..."


EntryKind = Literal["event", "tier", "state", "promo code"]


Sign = Literal["+", "~", "-"]  # new, changed, no longer in the file


class ChangedField(Struct, frozen=True):
    """A changed field, with its old and new values as text."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} -> {self.after}"


def new_field(name: str, value: str) -> ChangedField:
    """Return a field of a new entry, with `none` as its old value."""
    return ChangedField(name, "none", value)


class EntryChange(Struct, frozen=True):
    """A change to an entry. `stock` has the entry's sold and held tickets if they matter.

    `reduces` means that the change closes or shrinks a sale. `currency` is the currency of the fields in cents; it is None if the currency
    changes too. `is_back` means that the entry was in an earlier file, but not in the served one.
    """

    sign: Sign
    kind: EntryKind
    name: str
    text: str
    fields: Sequence[ChangedField] = ()
    stock: Stock | None = None
    reduces: bool = False
    currency: str | None = None
    is_back: bool = False

    def __str__(self) -> str:
        return f"{self.sign} {self.kind} {self.name}: {self.text}"


_SENTENCES = {
    "event_of_api": "an event with this id was created through the API; use another id",
    "tier_of_api": "a ticket type with this id was created through the API; use another id",
    "code_of_api": "a promo code with this name was created through the API; use another name, or delete that code",
    "limit_too_late": "it is too late for an overall capacity, because tickets may be on sale without one; limit the ticket types instead",
    "above_date_capacity": (
        "its date {date_id} has a capacity of {capacity}, but its ticket types can sell {tickets} tickets for it, including types that are "
        "no longer in the file; keep these types in the file with a smaller max_quantity, or raise the capacity of the date"
    ),
    "too_many_tiers": (
        "it would have {tiers} ticket types, including types that are no longer in the file, but an event may have {limit}; "
        "add the new ones to another event"
    ),
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
    "holdback_issued": (
        "{issued} complimentary tickets were issued from the holdback {holdback_id}; keep it in `holdbacks` with this quantity or more, "
        "and do not move the ticket type to another event"
    ),
    "holdbacks_in_use": (
        "{held_back} tickets are held back, but only {maximum} are neither sold nor on hold (sold {sold}, on hold {held}); "
        "hold back fewer in `holdbacks`, or raise the capacity"
    ),
    "round_public": (
        "the public random number that decides the draw of its waiting room is already known, so the sale cannot be postponed; "
        "reset the waiting room first"
    ),
    "frozen": (
        "{field} cannot change in this way until {until}, because buyers rely on it around the opening of the sale; "
        "wait, or apply the rest of the file with --defer"
    ),
    "uses_in_use": "max_total_uses {limit} is below {in_use} (used {sold}, in use {held}); use {in_use} or more",
    "code_not_written": "{reason}. Version {version} is served without this change; correct the code and apply again",
    "applied_meanwhile": "{by} has applied version {version} in the meantime; review the plan and apply again",
    "kept_changing": "the catalog kept changing during the apply; run the command again",
}
CODES = frozenset(_SENTENCES)


class Refusal(Struct, frozen=True):
    """A reason not to apply a document. `code` is one of CODES.

    `kind` and `name` identify the entry; both are None if the reason concerns the whole document.
    """

    code: str
    figures: dict[str, int | str]
    kind: EntryKind | None = None
    name: str | None = None

    @property
    def reason(self) -> str:
        """The reason without the name of the entry."""
        return _SENTENCES[self.code].format(**self.figures)

    def __str__(self) -> str:
        return f"! {self.reason}" if self.kind is None else f"! {self.kind} {self.name}: {self.reason}"


def in_use(stock: Stock) -> dict[str, int | str]:
    """Return the sold and held tickets of a stock for the `figures` of a refusal."""
    return {"sold": stock.sold, "held": stock.held}


def refusal_lines(refusals: Sequence[Refusal]) -> list[str]:
    """Return the refusals as the lines that commands print."""
    return [str(refusal) for refusal in refusals]


class PlanOutdated(ApiError):
    code: ClassVar[str] = "plan_outdated"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The plan for this version has changed since you saw it. Review the new plan, then apply it."


class VersionUnusable(ApiError):
    code: ClassVar[str] = "version_unusable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The file of this version breaks a current rule. Export it, correct it and apply it from the command line."
    )


class VersionRefused(ApiError):
    code: ClassVar[str] = "version_refused"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This version cannot be applied at the moment. `reasons` lists why and what to do."
