"""Versions and plans as the API shows them to admins."""

from typing import Literal

from msgspec import Struct

from chalicelib.bootstrap_file.findings import DocumentWarning, EntryChange, Refusal
from chalicelib.foundation.clock import Timestamp

ShownAction = Literal["create", "change", "close"]
ShownKind = Literal["event", "tier", "state", "promo_code"]
_ACTIONS: dict[str, ShownAction] = {"+": "create", "~": "change", "-": "close"}
_KINDS: dict[str, ShownKind] = {"event": "event", "tier": "tier", "state": "state", "promo code": "promo_code"}


class VersionView(Struct, frozen=True, kw_only=True):
    """A version that was served at some time. `applied_by` is the id of an account, or the name passed to a command."""

    version: int
    applied_at: Timestamp
    applied_by: str
    checksum: str
    is_served: bool


class VersionsView(Struct, frozen=True, kw_only=True):
    """Versions of the catalog, newest first."""

    versions: list[VersionView]
    next_cursor: str | None


class PlannedFieldView(Struct, frozen=True):
    """A field that changes, with its current and new values as text."""

    name: str
    before: str
    after: str


class PlannedChangeView(Struct, frozen=True, kw_only=True):
    """A change to an entry of the file; `text` describes it in one line. `sold` and `held` count tickets, or uses of a promo code.

    Both are null if they do not matter. `reduces` means that the change closes or shrinks a sale. `currency` is the currency of the
    fields in cents, or null if the currency changes too. `is_back` means that the created entry existed earlier and keeps its sales. A new
    entry lists its most important fields, with `none` as their former value.
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
    """A reason why nothing can be applied. `text` gives the reason in one line; translations use `code` and `figures`.

    `kind` and `id` identify the entry; both are null if the reason concerns the whole file.
    """

    code: str
    kind: ShownKind | None
    id: str | None
    figures: dict[str, int | str]
    text: str


class PlanWarningView(Struct, frozen=True, kw_only=True):
    """A warning about a value in the entry `name` that is allowed but may be a mistake.

    `text` gives the warning in one line; translations use `code` and `figures`.
    """

    code: str
    name: str
    figures: dict[str, int]
    text: str


class CatalogPlanView(Struct, frozen=True, kw_only=True):
    """The changes that applying the file of `version` again would make. `served` is the version that is served now.

    If both versions are the same, the changes are the drift: the differences between the shop and the file. An apply must send the value of
    `plan`. `more` counts the changes that are not listed. If there are `refusals`, nothing can be applied; `warnings` do not prevent an
    apply.
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
    """The result of an apply, and the `version` that is now served.

    `applied` means that this version is new. `healed` means that stock or codes of the served version were corrected.
    """

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
