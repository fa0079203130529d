"""Versions and plans as admins see them."""

from typing import Literal

from msgspec import Struct

from chalicelib.clock import Timestamp

ShownAction = Literal["create", "change", "close"]
ShownKind = Literal["event", "tier", "state", "promo_code"]


class VersionView(Struct, frozen=True, kw_only=True):
    """A version that was served once. `applied_by` is the id of an account, or the name that a command was given."""

    version: int
    applied_at: Timestamp
    applied_by: str
    checksum: str
    is_served: bool


class VersionsView(Struct, frozen=True, kw_only=True):
    """Versions of the catalog, the newest first."""

    versions: list[VersionView]
    next_cursor: str | None


class PlannedFieldView(Struct, frozen=True):
    """A field that changes, as text: as it is now, and as it would be."""

    name: str
    before: str
    after: str


class PlannedChangeView(Struct, frozen=True, kw_only=True):
    """What would become of an entry of the file; `text` says it in a line. `sold` and `held` are tickets, or uses of a promo code.

    They are null where they do not matter. `reduces`: it closes or shrinks what is on sale. `currency` is that of the
    fields in cents, null if it changes too.
    """

    action: ShownAction
    kind: ShownKind
    id: str
    text: str
    fields: list[PlannedFieldView]
    sold: int | None
    held: int | None
    reduces: bool
    currency: str | None


class CatalogPlanView(Struct, frozen=True, kw_only=True):
    """What applying the file of `version` again would change. `served` is the version that is served now.

    If both are the same, the changes are the drift: where the shop is not as the file says. `plan` names what was seen: an apply needs it.
    `more` counts the changes that are not listed. With `refusals` nothing can be applied; `warnings` stop nothing.
    """

    version: int
    served: int
    plan: str
    is_empty: bool
    changes: list[PlannedChangeView]
    more: int
    refusals: list[str]
    warnings: list[str]


class AppliedView(Struct, frozen=True, kw_only=True):
    """How an apply ended: `applied` as the new `version`; `healed`: the version is served already and its stock or codes were corrected."""

    result: Literal["applied", "healed", "unchanged"]
    version: int
