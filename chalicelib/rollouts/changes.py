"""What a plan changes, entry by entry: as a line that people read, and field by field for pages."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from chalicelib.inventory.model import Stock

EntryKind = Literal["event", "tier", "state", "promo code"]
Sign = Literal["+", "~", "-"]  # new, changed, no longer in the file


class ChangedField(Struct, frozen=True):
    """A field with its value before and after, as text."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} -> {self.after}"


def new_field(name: str, value: str) -> ChangedField:
    """A field of an entry that is new."""
    return ChangedField(name, "none", value)


class EntryChange(Struct, frozen=True):
    """One change of an entry. `stock` is what of it is sold and held, if that matters; `reduces`: it closes or shrinks what is on sale.

    `currency` is that of the fields in cents; None if it changes too. `is_back`: an earlier file had it, and a later one did not.
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
