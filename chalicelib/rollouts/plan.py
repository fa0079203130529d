"""What an apply would do: a plan, whose changes a person can read, with the steps that carry it out."""

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog.model import CatalogHead, DisplayState, Event, Tier, VersionContent
from chalicelib.catalog.service import new_stock_id
from chalicelib.rollouts.changes import EntryChange, EntryKind
from chalicelib.rollouts.code_plan import CodeChange
from chalicelib.rollouts.refusals import Refusal, lines

NEW_POOL = ""  # the pool of an event that never existed, until the version has a number


class NewStock(Struct, frozen=True):
    """The stock of a tier that never existed, or the pool of an event that never did; `owner` is what its id begins with."""

    owner: str
    capacity: int
    sold: int
    shards: int
    is_open: bool
    is_pooled: bool = False


class Resize(Struct, frozen=True):
    """Bring a stock from its present capacity to that of the file. The number of shards never shrinks. `kind` and `name`: whose it is."""

    kind: EntryKind
    name: str
    stock_id: str
    old_capacity: int
    new_capacity: int
    old_shards: int
    new_shards: int
    is_open: bool


class OpenChange(Struct, frozen=True):
    """Open or close a stock that missed a pause or a resume of its event."""

    stock_id: str
    shards: int
    is_open: bool


class Plan(Struct, frozen=True):
    """`entries` are what changes; with `refusals` nothing may be applied. `is_served`: the head already is this document."""

    head: CatalogHead
    checksum: str
    entries: list[EntryChange]
    refusals: list[Refusal]
    is_served: bool
    events: list[Event]
    tiers: list[Tier]
    states: dict[str, DisplayState]
    new_stocks: list[NewStock]
    resizes: list[Resize]
    open_changes: list[OpenChange]
    code_changes: list[CodeChange]

    @property
    def changes(self) -> list[str]:
        """The lines of the diff."""
        return [str(change) for change in self.entries]

    @property
    def reductions(self) -> list[str]:
        """Those of the lines that close or shrink what is on sale."""
        return [str(change) for change in self.entries if change.reduces]

    @property
    def reasons(self) -> list[str]:
        """The lines of the refusals."""
        return lines(self.refusals)

    @property
    def is_empty(self) -> bool:
        """Whether the catalog, the stock and the promo codes have nothing to change."""
        return self.is_served and not (self.resizes or self.open_changes or self.code_changes or self.refusals)

    def content(self, version: int) -> VersionContent:
        """What readers will load as this version; a tier or pool that never existed gets a stock named after it."""
        events = [
            replace(event, pool_id=new_stock_id(pool_owner(event), version)) if event.pool_id == NEW_POOL else event
            for event in self.events
        ]
        tiers = [replace(tier, stock_id=tier.stock_id or new_stock_id(tier.id, version)) for tier in self.tiers]
        return VersionContent(events, tiers, self.states)


def pool_owner(event: Event) -> str:
    """What the id of an event's pool begins with."""
    return f"event:{event.id}"  # no tier has this id
