"""What this instance knows of display items, and what it did itself that they do not show yet."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, log
from chalicelib.foundation.memory import Memory
from chalicelib.inventory.display import store
from chalicelib.inventory.display.model import Display, Figures

MOVING_SECONDS = 5  # for so long after this instance has moved tickets of a stock, it expects further changes
MAX_REFUSAL_AGE_SECONDS = 2  # figures that are older refuse no buyer


class Copy(Struct):
    """A display item as this instance knows it, and when it last asked for it (epoch seconds)."""

    display: Display
    checked_at: int


copies: Memory[tuple[str, str], Copy] = Memory()  # by table and group id
_names: Memory[Literal["instance"], str] = Memory()  # under which this instance holds leases

# When this instance last moved tickets of a stock, and when it last released some or opened or closed it, by stock id.
_moved_at: Memory[str, int] = Memory()
_changed_at: Memory[str, int] = Memory()

# Figures that were read until `at` are not used, except to show groups that this instance has refreshed since.
_invalidation: Memory[Literal["at"], int] = Memory()
_renewed: Memory[str, bool] = Memory()


def instance_name() -> str:
    return _names.entries.setdefault("instance", ids.nonce())


def find(group_id: str) -> Copy | None:
    return copies.entries.get((store.table_name(), group_id))


def find_figures(group_id: str, stock_id: str) -> Figures | None:
    copy = find(group_id)
    return None if copy is None else copy.display.figures.get(stock_id)


def keep(display: Display, now: int) -> None:
    """Keep a copy of an item, but of each stock the figures that were read last: ours may not have been written."""
    old = find(display.group_id)
    display = display if old is None else old.display.replaced_by(display, now)
    copies.entries[(store.table_name(), display.group_id)] = Copy(display, now)


def keep_figures(group_id: str, figures: Mapping[str, Figures]) -> None:
    """Keep figures that this instance has read, without asking for the item."""
    copy = find(group_id) or Copy(Display(group_id), 0)
    copies.entries[(store.table_name(), group_id)] = Copy(copy.display.with_figures(figures), copy.checked_at)


def ask(group_id: str, now: int) -> Display | None:
    """Read the item of a group; None if the store fails, since a hold can do without it."""
    try:
        display = store.read_displays([group_id])[group_id]
    except dynamo.STORE_ERRORS as error:
        log.warning("display.not_read", group_id=group_id, error=type(error).__name__)
        return None
    keep(display, now)
    return display


def note_movement(stock_id: str, now: int) -> None:
    """Remember that this instance has moved tickets of a stock."""
    _moved_at.entries[stock_id] = now


def note_change(stock_id: str) -> None:
    """Remember that this instance has released tickets of a stock, or opened or closed it: earlier figures refuse nobody here."""
    now = clock.now()
    _moved_at.entries[stock_id] = _changed_at.entries[stock_id] = now


def is_moving(stock_id: str, now: int) -> bool:
    return abs(now - _moved_at.entries.get(stock_id, 0)) <= MOVING_SECONDS


def can_refuse(stock_id: str, figures: Figures, now: int) -> bool:
    """Whether figures are new enough to refuse a buyer by them."""
    last_change = max(_changed_at.entries.get(stock_id, -1), _invalidation.entries.get("at", -1))
    return figures.is_open and figures.age(now) <= MAX_REFUSAL_AGE_SECONDS and figures.read_at > last_change


def invalidate() -> None:
    """Read the shards again before figures are used here, because an admin has changed them. Other instances see what this one reads."""
    copies.forget()
    _renewed.forget()
    _invalidation.entries["at"] = clock.now()


def note_refresh(group_id: str) -> None:
    """Remember that this instance has refreshed a group since the last invalidation."""
    _renewed.entries[group_id] = True


def shown_not_before(group_id: str) -> int:
    """Since when figures of the group must have been read to be shown (epoch seconds)."""
    return 0 if group_id in _renewed.entries else _invalidation.entries.get("at", -1) + 1
