"""Versions and plans as admins see them."""

from typing import Literal

from msgspec import Struct

from chalicelib.bootstrap_file.findings import DocumentWarning, EntryChange, Refusal
from chalicelib.foundation.clock import Timestamp

ShownAction = Literal["create", "change", "close"]
ShownKind = Literal["event", "tier", "state", "promo_code"]
_ACTIONS: dict[str, ShownAction] = {"+": "create", "~": "change", "-": "close"}
_KINDS: dict[str, ShownKind] = {"event": "event", "tier": "tier", "state": "state", "promo code": "promo_code"}


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
    """A change of an entry of the file; `text` says it in a line. `sold` and `held` are tickets, or uses of a promo code.

    They are null where they do not matter. `reduces`: it closes or shrinks what is on sale. `currency` is that of the
    fields in cents, null if it changes too. `is_back`: what is created was there before, and goes on with what was sold. A new
    entry has its most important fields, which were `none` before.
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
    is_back: bool


class PlanRefusalView(Struct, frozen=True, kw_only=True):
    """Why nothing can be applied: `text` says it in a line, `code` and `figures` for other languages.

    `kind` and `id` are the entry that it is about; both are null if it is about the whole file.
    """

    code: str
    kind: ShownKind | None
    id: str | None
    figures: dict[str, int | str]
    text: str


class PlanWarningView(Struct, frozen=True, kw_only=True):
    """What is allowed, but perhaps a mistake in the entry with this `name`: `text` in a line, `code` and `figures` for other languages."""

    code: str
    name: str
    figures: dict[str, int]
    text: str


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
    refusals: list[PlanRefusalView]
    warnings: list[PlanWarningView]


class AppliedView(Struct, frozen=True, kw_only=True):
    """How an apply ended: `applied` as the new `version`; `healed`: the version is served already and its stock or codes were corrected."""

    result: Literal["applied", "healed", "unchanged"]
    version: int


def change_view(change: EntryChange) -> PlannedChangeView:
    return PlannedChangeView(
        action=_ACTIONS[change.sign],
        kind=_KINDS[change.kind],
        id=change.name,
        text=change.text,
        fields=[PlannedFieldView(field.name, field.before, field.after) for field in change.fields],
        sold=None if change.stock is None else change.stock.sold,
        held=None if change.stock is None else change.stock.held,
        reduces=change.reduces,
        currency=change.currency,
        is_back=change.is_back,
    )


def refusal_view(refusal: Refusal) -> PlanRefusalView:
    kind = None if refusal.kind is None else _KINDS[refusal.kind]
    return PlanRefusalView(code=refusal.code, kind=kind, id=refusal.name, figures=refusal.figures, text=str(refusal))


def warning_view(warning: DocumentWarning) -> PlanWarningView:
    return PlanWarningView(code=warning.code, name=warning.name, figures=warning.figures, text=str(warning))
