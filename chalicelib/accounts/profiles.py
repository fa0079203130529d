"""The profiles of promoters, and the legal texts of promoters and of the shop.

A promoter's account is created with a profile; only admins can verify the profile.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.accounts.model import Account, BankAccount, Company, PostalAddress, TaxId
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.money import Country

MAX_ATTEMPTS = 5
# Fields that admins check when they verify a promoter.
_VERIFIED_FIELDS = ("name", "company", "website", "bank_account")

SHOP = "shop"  # owns the legal texts and the invoices of the shop itself
MAX_LEGAL_TEXTS = 30  # per owner, in all languages together
_KEPT_KINDS = ("terms", "refunds")  # kept, because they are promises to buyers; other texts are deleted with their owner
MAX_FORMER_TEXTS = 30  # replaced texts of the other kinds that are kept per owner; older texts are deleted

State = Literal["verified", "unverified"]
LegalKind = Literal["imprint", "terms", "privacy", "refunds", "accessibility"]


class InvoiceSeller(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The seller as invoices must name it. The seller's invoice numbers begin with `prefix`, unlike those of invoices made elsewhere.

    If the seller has a `country`, the PDF of an invoice is also an electronic invoice if the buyer is a company whose country is known.
    """

    name: Company
    address: PostalAddress
    tax_id: TaxId
    prefix: Annotated[str, Meta(pattern=r"\A[A-Z0-9]{0,10}\Z", examples=["FG"], description="Up to 10 capital letters and digits.")] = ""
    country: Country | None = None


class InvoiceIssuer(Struct, frozen=True):
    """An issuer of invoices: a promoter, or the shop (`SHOP`). `seller` issues invoices for its sales since `since` (epoch seconds)."""

    id: str
    seller: InvoiceSeller
    since: int


class Promoter(Struct, frozen=True, kw_only=True):
    """A promoter, who puts events on sale. `id` is the user id of the account. `version` counts the changes.

    `email` is public, and may differ from the account's address. `policies` says what buyers must know before they buy, such as when they
    get refunds. If `invoices` is set, sales since `invoices_since` (epoch seconds) get invoices. Buyers who pay by bank transfer pay to
    the `bank_account`.
    """

    id: str
    name: str
    company: str | None = None
    description: str = ""
    website: str | None = None
    email: str | None = None
    policies: str = ""
    state: State = "unverified"
    invoices: InvoiceSeller | None = None
    invoices_since: int | None = None
    bank_account: BankAccount | None = None
    created_at: int
    updated_at: int
    version: int = 1

    @property
    def seller_name(self) -> str:
        """The name under which buyers know the promoter."""
        return self.company or self.name

    @property
    def issuer(self) -> InvoiceIssuer | None:
        """The promoter as the issuer of invoices. None if invoices are off."""
        return InvoiceIssuer(self.id, self.invoices, self.invoices_since or 0) if self.invoices is not None else None


class ShopInvoicesChanging(ApiError):
    code: ClassVar[str] = "shop_invoices_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing the invoices of the shop right now. Try again."


class PromoterChanging(ApiError):
    code: ClassVar[str] = "promoter_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing this promoter right now. Try again."


class PromoterChange(Struct, frozen=True):
    """The new content of a profile. If `verified` is None, the verification stays unchanged, and so do fields that are UNSET."""

    name: str
    company: str | None
    description: str
    website: str | None
    email: str | None
    policies: str
    verified: bool | None
    invoices: InvoiceSeller | UnsetType | None = UNSET
    bank_account: BankAccount | UnsetType | None = UNSET


class LegalText(Struct, frozen=True, kw_only=True):
    """A legal text of a promoter or of the shop in one language, as plain text or as the address of a page.

    A text never changes: a new wording is a new text. So its `id`, a digest of owner and content, identifies what a buyer has accepted.
    """

    owner_id: str
    kind: LegalKind
    language: str
    url: str | None = None
    text: str | None = None
    created_at: int = 0

    @property
    def id(self) -> str:
        content = [self.owner_id, self.kind, self.language, self.url, self.text]
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:32]


class LegalTextEntry(Struct, frozen=True, omit_defaults=True):
    """One of the texts that an owner currently shows."""

    id: str
    kind: LegalKind
    language: str
    url: str | None = None


class LegalTextsChanging(ApiError):
    code: ClassVar[str] = "legal_texts_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing these legal texts right now. Try again."


class TooManyLegalTexts(ApiError):
    code: ClassVar[str] = "too_many_legal_texts"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = f"There can be at most {MAX_LEGAL_TEXTS} legal texts. Remove one first."


def create_promoter_item(account: Account, now: int) -> dynamo.TransactItem:
    """Return a transaction item that creates a new promoter's profile. The transaction fails if the profile exists."""
    name = account.company or " ".join(filter(None, (account.first_name, account.last_name))) or account.email.partition("@")[0]
    return _put_item(Promoter(id=account.user_id, name=name, company=account.company, created_at=now, updated_at=now))


def find_promoter(promoter_id: str) -> Promoter | None:
    """Return the promoter's profile. Returns None if it does not exist. The read is strongly consistent."""
    row = PromoterRow.find(promoter_id)
    return None if row is None else _promoter(row)


class PublicSeller(Struct, frozen=True):
    """The name under which buyers know a verified promoter, and the address of the promoter's website."""

    name: str
    website: str | None


def load_sellers(promoter_ids: Iterable[str]) -> dict[str, PublicSeller]:
    """Return the verified promoters by their ids, and leave out the others.

    May miss writes from the last second. Makes one round trip per 100 promoters.
    """
    promoters = map(_promoter, PromoterRow.find_all(promoter_ids, consistent_read=False))
    verified = (promoter for promoter in promoters if promoter.state == "verified")
    return {promoter.id: PublicSeller(promoter.seller_name, promoter.website) for promoter in verified}


def is_verified(promoter_id: str) -> bool:
    """Return whether an admin has verified the promoter. The read is strongly consistent."""
    promoter = find_promoter(promoter_id)
    return promoter is not None and promoter.state == "verified"


def list_promoters(state: State, limit: int, after: str | None) -> list[Promoter]:
    """Return up to `limit` promoters in this state, sorted by id, after the id `after`. May miss writes from the last second."""
    follows = PromoterRow.id > after if after is not None else None
    return [_promoter(row) for row in PromoterRow.state_index.query(state, follows, limit=limit)]


def delete_promoter_items(promoter_id: str, *, may_have_texts: bool) -> list[dynamo.TransactItem]:
    """Return transaction items that delete a promoter's profile and legal texts, except terms and refund policies.

    The items have no effect if there is no profile. The transaction fails if the texts have changed in the meantime. If `may_have_texts` is
    False, this function reads nothing, and the transaction fails if there are texts.
    """
    row = LegalTextsRow.find(_shown_key(promoter_id)) if may_have_texts else None
    texts = [entry.id for entry in row.shown if entry.kind not in _KEPT_KINDS] + (row.former or []) if row is not None else []
    items = [
        dynamo.transact_delete(PromoterRow(promoter_id)),
        dynamo.transact_delete(LegalTextsRow(_shown_key(promoter_id)), _is_unchanged(row)),
    ]
    return [*items, *map(_delete_text_item, texts)]


def find_shop_issuer() -> InvoiceIssuer | None:
    """Return the shop as the issuer of invoices for events without a promoter. Returns None if the shop issues no invoices."""
    row = ShopInvoicesRow.find(_SHOP_INVOICES)
    return InvoiceIssuer(SHOP, row.seller, int(row.since)) if row is not None and row.seller is not None else None


def save_shop_issuer(seller: InvoiceSeller | None, actor: str, now: int) -> InvoiceIssuer | None:
    """Turn the shop's invoices on with this seller, or off if `seller` is None, with an audit entry. Returns the shop as the issuer.

    Replacing the seller changes only the details on invoices: all sales since the invoices were turned on still get invoices. Raises
    ShopInvoicesChanging.
    """
    for _ in range(MAX_ATTEMPTS):
        row = ShopInvoicesRow.find(_SHOP_INVOICES)
        before, version = (row.seller, int(row.version)) if row is not None else (None, 0)
        since = int(row.since) if row is not None and before is not None else now
        if seller != before:
            is_unchanged = ShopInvoicesRow.id.does_not_exist() if row is None else ShopInvoicesRow.version == version
            saved = ShopInvoicesRow(_SHOP_INVOICES, seller=seller, since=since, version=version + 1)
            entry = audit.entry_item(f"promoter#{SHOP}", "promoter.changed", actor, now, {"fields": ["invoices"]})
            try:
                dynamo.transact([dynamo.transact_put(saved, is_unchanged), entry])
            except dynamo.ConditionFailed:
                continue
        return InvoiceIssuer(SHOP, seller, since) if seller is not None else None
    raise ShopInvoicesChanging()


def list_legal_texts(owner_id: str) -> list[LegalTextEntry]:
    """Return the legal texts that a promoter, or the shop (`SHOP`), shows now, by kind and language."""
    row = LegalTextsRow.find(_shown_key(owner_id))
    return [] if row is None else row.shown


def find_legal_text(text_id: str) -> LegalText | None:
    """Return a legal text, even if its owner no longer shows it. Returns None if it does not exist."""
    row = LegalTextRow.find(_text_key(text_id), consistent_read=False)
    return None if row is None else row.text


def replace_legal_text(owner_id: str, kind: LegalKind, language: str, new: LegalText | None, actor: str, now: int) -> list[LegalTextEntry]:
    """Replace the text of this kind and language, or remove it if `new` is None. Returns the owner's current texts.

    Raises TooManyLegalTexts and LegalTextsChanging.
    """
    for _ in range(MAX_ATTEMPTS):
        row = LegalTextsRow.find(_shown_key(owner_id))
        before, former, version = (row.shown, row.former or [], int(row.version)) if row is not None else ([], [], 0)
        after = [entry for entry in before if (entry.kind, entry.language) != (kind, language)]
        if new is not None:
            after = sorted([*after, LegalTextEntry(new.id, kind, language, new.url)], key=_sort_key)
        if after == before:
            return before
        if len(after) > MAX_LEGAL_TEXTS:
            raise TooManyLegalTexts()
        former = [text_id for text_id in former if new is None or text_id != new.id]
        former += [entry.id for entry in before if entry not in after and entry.kind not in _KEPT_KINDS]
        shown = LegalTextsRow(_shown_key(owner_id), shown=after, former=former[-MAX_FORMER_TEXTS:], version=version + 1)
        change = {"kind": kind, "language": language, "text_id": new.id if new is not None else None}
        items = [
            dynamo.transact_put(shown, _is_unchanged(row)),
            audit.entry_item(f"promoter#{owner_id}", "legal_text.replaced", actor, now, change),
        ]
        items += map(_delete_text_item, former[:-MAX_FORMER_TEXTS])
        if owner_id != SHOP:
            items.append(dynamo.transact_check(PromoterRow(owner_id), PromoterRow.id.exists()))
        if new is not None and (new.kind not in _KEPT_KINDS or find_legal_text(new.id) is None):
            items.append(dynamo.transact_put(LegalTextRow(_text_key(new.id), text=replace(new, created_at=now))))
        try:
            dynamo.transact(items)
            return after
        except dynamo.ConditionFailed:
            continue
    raise LegalTextsChanging()


def save_promoter(
    promoter_id: str, change: PromoterChange, actor: str, now: int, *, by_admin: bool, check: Callable[[Promoter], None] = lambda _: None
) -> Promoter:
    """Write a profile, with an audit entry. Only admins can create a profile.

    `check` gets the stored profile, and raises if it is not the version that the caller has seen. A promoter who changes a verified field
    becomes unverified again. Raises NotFound or PromoterChanging.
    """
    for _ in range(MAX_ATTEMPTS):
        before = find_promoter(promoter_id)
        if before is None and not by_admin:
            raise NotFound("There is no promoter with this id.", promoter_id=promoter_id)
        if before is not None:
            check(before)
        after = _apply_change(promoter_id, before, change, now, by_admin=by_admin)
        if before is not None and not _changed_fields(before, after):
            return before
        entry = _entry_item(before, after, actor, now)
        try:
            dynamo.transact([_put_item(after), entry])
            return after
        except dynamo.ConditionFailed:
            continue
    raise PromoterChanging()


def unverify_items(promoter_id: str, actor: str, now: int) -> list[dynamo.TransactItem]:
    """Return transaction items that remove a promoter's verification and add an audit entry.

    Returns no items if the promoter is not verified. The transaction fails if the profile has changed in the meantime.
    """
    before = find_promoter(promoter_id)
    if before is None or before.state != "verified":
        return []
    after = replace(before, state="unverified", updated_at=now, version=before.version + 1)
    return [_put_item(after), _entry_item(before, after, actor, now)]


def _apply_change(promoter_id: str, before: Promoter | None, change: PromoterChange, now: int, *, by_admin: bool) -> Promoter:
    fields = {name: value for name, value in asdict(change).items() if name != "verified" and value is not UNSET}
    if before is None:
        after = Promoter(id=promoter_id, **fields, created_at=now, updated_at=now)
    else:
        after = replace(before, **fields, updated_at=now, version=before.version + 1)
    if (after.invoices is None) != (after.invoices_since is None):  # invoices were turned on or off
        after = replace(after, invoices_since=now if after.invoices is not None else None)
    if by_admin and change.verified is not None:
        return replace(after, state="verified" if change.verified else "unverified")
    if not by_admin and before is not None and any(getattr(before, name) != getattr(after, name) for name in _VERIFIED_FIELDS):
        return replace(after, state="unverified")
    return after


def _changed_fields(before: Promoter | None, after: Promoter) -> list[str]:
    names = ("name", "company", "description", "website", "email", "policies", "state", "invoices", "bank_account")
    return [name for name in names if getattr(before, name, None) != getattr(after, name)]


def _entry_item(before: Promoter | None, after: Promoter, actor: str, now: int) -> dynamo.TransactItem:
    """Return the audit entry of a change. It names the changed fields, but only gives the values of `state`, because it is never erased."""
    fields, state = _changed_fields(before, after), (before.state if before else None, after.state)
    changes = {"state": state} if "state" in fields else {}
    action = "promoter.changed" if before else "promoter.created"
    return audit.entry_item(f"promoter#{after.id}", action, actor, now, {"fields": fields}, changes=changes)


# The table `promoters`: the public profiles. The index `by_state` lists verified and unverified promoters separately.


class StateIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_state"
        projection = AllProjection()

    state = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class PromoterRow(dynamo.Table):
    """A promoter, with the fields of `Promoter`; `name` is stored as `shown_name`, because `Table` has a method `name`."""

    feature = "promoters"
    contents = "The profiles of promoters, and legal texts. Terms and refund policies stay, because buyers have accepted them."
    personal_data = dynamo.PersonalData("names and addresses", export="yes", erasure="deleted")

    id = UnicodeAttribute(hash_key=True)
    shown_name = UnicodeAttribute()
    company = UnicodeAttribute(null=True)
    description = UnicodeAttribute()
    website = UnicodeAttribute(null=True)
    email = UnicodeAttribute(null=True)
    policies = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    invoices = StructAttribute(InvoiceSeller, null=True)
    invoices_since = NumberAttribute(null=True)
    bank_account = StructAttribute(BankAccount, null=True)
    created_at = NumberAttribute()
    updated_at = NumberAttribute()
    version = NumberAttribute()
    state_index = StateIndex()


class ShopInvoicesRow(dynamo.Table):
    """The seller on the shop's invoices, the time since which the shop issues invoices, and the number of changes.

    Without a seller, the shop issues no invoices.
    """

    feature = PromoterRow.feature

    id = UnicodeAttribute(hash_key=True)
    seller = StructAttribute(InvoiceSeller, null=True)
    since = NumberAttribute()
    version = NumberAttribute()


class LegalTextsRow(dynamo.Table):
    """The texts that a promoter or the shop shows now. These rows are not in the index, because they have no state."""

    feature = PromoterRow.feature

    id = UnicodeAttribute(hash_key=True)
    shown = StructAttribute(list[LegalTextEntry])
    former = StructAttribute(list[str], null=True)  # the ids of the last texts that were replaced, without `_KEPT_KINDS`
    version = NumberAttribute()


class LegalTextRow(dynamo.Table):
    """A text that never changes. Terms and refund policies stay even if their owner's data is erased, because buyers have accepted them."""

    feature = PromoterRow.feature

    id = UnicodeAttribute(hash_key=True)
    text = StructAttribute(LegalText)


_SHOP_INVOICES = f"invoices#{SHOP}"


def _is_unchanged(row: LegalTextsRow | None) -> Condition:
    """Return the condition that the texts of an owner have not changed since they were read."""
    return LegalTextsRow.id.does_not_exist() if row is None else LegalTextsRow.version == int(row.version)


def _delete_text_item(text_id: str) -> dynamo.TransactItem:
    return dynamo.transact_delete(LegalTextRow(_text_key(text_id)))


def _sort_key(entry: LegalTextEntry) -> tuple[str, bool, str]:
    """Return the key that sorts texts by kind and language, with English first, the fallback for all readers."""
    return entry.kind, entry.language != "en", entry.language


def _shown_key(owner_id: str) -> str:
    return f"legal-texts#{owner_id}"


def _text_key(text_id: str) -> str:
    return f"legal-text#{text_id}"


def _put_item(promoter: Promoter) -> dynamo.TransactItem:
    """Return a transaction item that writes a promoter.

    The transaction fails unless the stored version is the previous version. For version 1, it fails if the promoter exists.
    """
    fields = {name: getattr(promoter, name) for name in Promoter.__struct_fields__ if name != "name"}
    row = PromoterRow(**fields, shown_name=promoter.name)
    is_new = promoter.version == 1
    return dynamo.transact_put(row, PromoterRow.id.does_not_exist() if is_new else PromoterRow.version == promoter.version - 1)


def _promoter(row: PromoterRow) -> Promoter:
    return Promoter(
        id=row.id,
        name=row.shown_name,
        company=row.company,
        description=row.description,
        website=row.website,
        email=row.email,
        policies=row.policies or "",
        state=msgspec.convert(row.state, State),
        invoices=row.invoices,
        invoices_since=int(row.invoices_since) if row.invoices_since is not None else None,
        bank_account=row.bank_account,
        created_at=int(row.created_at),
        updated_at=int(row.updated_at),
        version=int(row.version),
    )
