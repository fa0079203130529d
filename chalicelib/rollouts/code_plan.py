"""What an apply would do with promo codes: computed from those of a document, those of the store and their uses."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from chalicelib.inventory.model import Stock
from chalicelib.promotions import declarations
from chalicelib.promotions.declarations import Key
from chalicelib.promotions.model import CodeWithUses, PromoCode
from chalicelib.promotions.transactions import with_uses
from chalicelib.rollouts.changes import ChangedField, EntryChange, Sign, new_field
from chalicelib.rollouts.differences import as_text, differences
from chalicelib.rollouts.refusals import Refusal, in_use


class CodeChange(Struct, frozen=True):
    """Bring a promo code from what is `stored` to what is `declared`: None is one that is not there, with its uses as they are now."""

    stored: CodeWithUses | None
    declared: PromoCode | None

    @property
    def key(self) -> Key:
        promo_code = self.declared or (self.stored.promo_code if self.stored else None)
        assert promo_code is not None
        return promo_code.event_id, promo_code.code

    @property
    def name(self) -> str:
        return "/".join(self.key)

    @property
    def refusal(self) -> Refusal | None:
        """Why the change cannot be made."""
        if self.stored is None or self.declared is None:
            return None
        uses = self.stored.uses
        if self.stored.promo_code.managed_by == "api":
            return Refusal("code_of_api", {}, "promo code", self.name)
        if uses.sold + uses.held > self.declared.capacity:
            figures = {"limit": self.declared.capacity, "in_use": uses.sold + uses.held, **in_use(uses)}
            return Refusal("uses_in_use", figures, "promo code", self.name)
        return None

    @property
    def reduces(self) -> bool:
        """Whether buyers lose a discount that they have now."""
        if self.stored is None or not self.stored.promo_code.is_active:
            return False
        return self.declared is None or not self.declared.is_active or self.declared.capacity < self.stored.promo_code.capacity

    @property
    def sign(self) -> Sign:
        return "+" if self.stored is None else "-" if self.declared is None else "~"

    @property
    def text(self) -> str:
        if self.stored is None:
            return _terms(self.declared) if self.declared else ""
        figures = _figures(self.stored.uses)
        if self.declared is None:
            return f"is no longer in the file: it stops working ({figures}; buyers who used it keep the discount)"
        return f"{as_text(self.fields)} ({figures})"

    @property
    def fields(self) -> list[ChangedField]:
        """The fields that differ; of a new code its terms, none of one that is no longer in the file."""
        if self.declared is None:
            return []
        return _new_fields(self.declared) if self.stored is None else differences(self.stored.promo_code, self.declared)

    @property
    def _currency(self) -> str | None:
        if self.declared is None or (self.stored is not None and self.stored.promo_code.currency != self.declared.currency):
            return None
        return self.declared.currency

    def as_entry(self) -> EntryChange:
        """The change as one of a plan."""
        uses = None if self.stored is None else self.stored.uses
        return EntryChange(self.sign, "promo code", self.name, self.text, self.fields, uses, self.reduces, self._currency)


def load_changes(codes: Iterable[PromoCode], event_ids: Iterable[str]) -> list[CodeChange]:
    """What is to change so that the store has these codes, and of those that files declared earlier no others that can be used.

    `event_ids` are those of all events that files have ever named.
    """
    declared = {(promo_code.event_id, promo_code.code): promo_code for promo_code in codes}
    stored = declarations.load(declared, event_ids)
    changes = [_change(stored, key, promo_code) for key, promo_code in declared.items() if _differs(stored.get(key), promo_code)]
    left = [promo_code for key, promo_code in stored.items() if key not in declared and promo_code.is_active]
    return [*changes, *(CodeChange(with_uses(promo_code), None) for promo_code in left)]


def carry_out(change: CodeChange, version: int, actor: str, now: int) -> None:
    """Make a change while this version of the catalog is served. Raises what `declarations.put` raises."""
    if change.declared is None:
        declarations.withdraw(*change.key, version, actor, now)
    else:
        declarations.put(change.declared, version, actor, now)


def _change(stored: Mapping[Key, PromoCode], key: Key, declared: PromoCode) -> CodeChange:
    known = stored.get(key)
    return CodeChange(None if known is None else with_uses(known), declared)


def _differs(stored: PromoCode | None, declared: PromoCode) -> bool:
    return stored is None or declarations.with_own_fields(stored, declared) != stored


def _terms(promo_code: PromoCode) -> str:
    is_percentage = promo_code.discount_type == "percentage"
    value = f"{promo_code.discount_value} percent" if is_percentage else f"discount_cents {promo_code.discount_value} {promo_code.currency}"
    uses = "without a limit" if promo_code.max_total_uses is None else f"{promo_code.max_total_uses} uses"
    return f"{value} off, {uses} (event {promo_code.event_id})"


def _new_fields(promo_code: PromoCode) -> list[ChangedField]:
    discount = "discount_value" if promo_code.discount_type == "percentage" else "discount_cents"
    limit = "no limit" if promo_code.max_total_uses is None else str(promo_code.max_total_uses)
    return [new_field(discount, str(promo_code.discount_value)), new_field("max_total_uses", limit)]


def _figures(uses: Stock) -> str:
    return f"used {uses.sold}, in use {uses.held}"
