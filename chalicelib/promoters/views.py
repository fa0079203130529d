"""Promoters, their events and event members as the API shows them."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.accounts.members import ApiKey, Membership
from chalicelib.accounts.model import Account, BankAccount
from chalicelib.accounts.profiles import InvoiceIssuer, InvoiceSeller, LegalKind, LegalText, LegalTextEntry, Promoter
from chalicelib.accounts.views import AccountView, account_view
from chalicelib.catalog import service as catalog
from chalicelib.catalog.images import ImageView, image_view
from chalicelib.catalog.model import Catalog, Event, PaymentAccountState, PublicEventStatus
from chalicelib.catalog.sale_rules import public_event_status
from chalicelib.catalog.views import BrandView, Stocks, iso_or_none, promoter_brand
from chalicelib.edge.auth import EventRole
from chalicelib.foundation import clock, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.money import DefaultTax
from chalicelib.promoters.service import Invitation, PaymentAccount


class PromoterView(Struct, frozen=True, kw_only=True):
    """A promoter of events. `verified` means that an admin has checked the name, company and website.

    `default_taxes` are the taxes in the prices at the promoter's events, by country and region, for tiers without a tax of their own. With
    `automatic_tax`, the payment provider instead calculates the taxes of the payments that it takes. `brand` is how the pages of the
    promoter's events look; null means that they look like the shop. `invoices` is the seller on the promoter's invoices, and buyers may pay
    to the `bank_account` by transfer. Both are null if they are not set, and for everybody but the promoter and admins.
    """

    id: str
    name: str
    company: str | None
    description: str
    website: str | None
    email: str | None
    policies: str
    default_taxes: list[DefaultTax]
    automatic_tax: bool
    brand: BrandView | None
    verified: bool
    invoices: InvoiceSeller | None
    bank_account: BankAccount | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class ShopInvoicesView(Struct, frozen=True):
    """The seller on the `invoices` of the shop itself, and since when its sales get invoices. Both are null if they get none."""

    invoices: InvoiceSeller | None
    since: Timestamp | None


class DefaultTaxesView(Struct, frozen=True):
    """The taxes in the prices at a promoter's events, by country and region, for tiers without a tax of their own.

    With `automatic_tax`, the payment provider instead calculates the taxes of the payments that it takes.
    """

    default_taxes: list[DefaultTax]
    automatic_tax: bool


class LegalTextView(Struct, frozen=True, kw_only=True):
    """A legal text of a promoter, or of the shop with the `owner_id` `shop`: plain `text`, or the `url` of a page that has it."""

    id: str
    owner_id: str
    kind: LegalKind
    language: str
    url: str | None
    text: str | None
    created_at: Timestamp


class LegalTextsView(Struct, frozen=True):
    """The legal texts that a promoter or the shop shows, by kind and language, English first."""

    legal_texts: list[LegalTextEntry]


class PromotersView(Struct, frozen=True):
    """A page of promoters, ordered by id."""

    promoters: list[PromoterView]
    next_cursor: str | None


class PromoterEventView(Struct, frozen=True, kw_only=True):
    """A promoter's event. Only the promoter and admins see events with the status `draft` or `test`. A draft may have no start.

    While the sale is `paused`, nobody can reserve tickets, whatever the `status`.
    """

    id: str
    name: str
    venue: str
    starts_at: Timestamp | None
    ends_at: Timestamp | None
    on_sale_at: Timestamp | None
    timezone: str
    status: PublicEventStatus | Literal["draft", "test"]
    paused: bool
    image_url: str | None
    image: ImageView | None


class PromoterEventsView(Struct, frozen=True):
    """A page of a promoter's events, ordered by start time."""

    events: list[PromoterEventView]
    next_cursor: str | None


class MemberView(Struct, frozen=True, kw_only=True):
    """A person with a role at an event. While the person has not accepted the invitation, the role is `pending` and has no effect."""

    id: str
    event_id: str
    email: str
    role: EventRole
    invited_by: str
    invited_at: Timestamp
    pending: bool
    message: str | None = None


class MembersView(Struct, frozen=True):
    """A page of an event's members."""

    members: list[MemberView]
    next_cursor: str | None


class WorkInvitationView(Struct, frozen=True, kw_only=True):
    """An invitation to work at an event. `event_name` is null while the shop has not verified the event's promoter.

    `page` is the address of the page on which the work begins, once the invitation has been accepted.
    """

    event_id: str
    event_name: str | None
    role: EventRole
    invited_at: Timestamp
    page: str


class WorkInvitationsView(Struct, frozen=True):
    """The latest invitations that were not accepted yet, newest first."""

    invitations: list[WorkInvitationView]


class ApiKeyView(Struct, frozen=True, kw_only=True):
    """An API key of a promoter. It has its `role` at the `events`, or at all events of the promoter if `events` is empty.

    `used_at` is up to an hour older than the last use. It is null before the first use.
    """

    id: str
    name: str
    role: EventRole
    events: list[str]
    created_at: Timestamp
    expires_at: Timestamp
    used_at: Timestamp | None


class ApiKeysView(Struct, frozen=True):
    """The API keys of a promoter, oldest first."""

    api_keys: list[ApiKeyView]


class NewApiKeyView(Struct, frozen=True):
    """A new API key. `key` is its text, which software sends as `Authorization: Bearer <key>`. It cannot be shown again."""

    api_key: ApiKeyView
    key: str


class PaymentAccountView(Struct, frozen=True, kw_only=True):
    """A promoter's account at the payment provider. While it is `active`, it receives the payments for the promoter's events.

    While it is `pending`, `removed` or `none`, buyers pay into the shop's account. While it is `restricted`, the promoter's events are
    paused. `missing` names what the provider needs from the promoter, and `disabled_reason` says why the account may not take payments or
    get payouts, both in the provider's words. The shop's fee is `fee_cents` for each ticket that costs money, plus `fee_basis_points`
    hundredths of a percent of the total. `can_connect` says whether the promoter can connect an account, or finish its setup.
    """

    state: PaymentAccountState | Literal["none"]
    account_id: str | None
    takes_payments: bool
    gets_payouts: bool
    missing: list[str]
    disabled_reason: str | None
    fee_cents: int
    fee_basis_points: int
    can_connect: bool


class AccountLinkView(Struct, frozen=True, kw_only=True):
    """A link to the provider's page on which the promoter sets up the payment account. It works once, until `expires_at`."""

    url: str
    expires_at: Timestamp


class ChangedAccountView(AccountView, frozen=True, kw_only=True):
    """An account after its roles were changed, or after it was locked or unlocked.

    `suspended_events` counts the published events that the change took off sale, and `resumed_events` counts the events that are no longer
    suspended.
    """

    suspended_events: int
    resumed_events: int


def changed_account_view(account: Account, suspended_count: int, resumed_count: int) -> ChangedAccountView:
    return ChangedAccountView(**asdict(account_view(account)), suspended_events=suspended_count, resumed_events=resumed_count)


def promoter_view(promoter: Promoter, *, is_own: bool = False) -> PromoterView:
    """Return the view of a promoter: for the promoter and admins if `is_own`, and otherwise for everybody."""
    return PromoterView(
        id=promoter.id,
        name=promoter.name,
        company=promoter.company,
        description=promoter.description,
        website=promoter.website,
        email=promoter.email,
        policies=promoter.policies,
        default_taxes=(choices := catalog.snapshot().choices_of(promoter.id)).taxes,
        automatic_tax=choices.automatic_tax,
        brand=promoter_brand(catalog.snapshot(), promoter.id),
        verified=promoter.state == "verified",
        invoices=promoter.invoices if is_own else None,
        bank_account=promoter.bank_account if is_own else None,
        created_at=clock.iso(promoter.created_at),
        updated_at=clock.iso(promoter.updated_at),
        version=promoter.version,
    )


def shop_invoices_view(issuer: InvoiceIssuer | None) -> ShopInvoicesView:
    return ShopInvoicesView(issuer.seller, clock.iso(issuer.since)) if issuer is not None else ShopInvoicesView(None, None)


def legal_text_view(text: LegalText) -> LegalTextView:
    return LegalTextView(
        id=text.id,
        owner_id=text.owner_id,
        kind=text.kind,
        language=text.language,
        url=text.url,
        text=text.text,
        created_at=clock.iso(text.created_at),
    )


def promoter_event_view(snapshot: Catalog, event: Event, stocks: Stocks, now: int) -> PromoterEventView:
    """Return an event as its promoter sees it, including the status `draft` or `test`."""
    return PromoterEventView(
        id=event.id,
        name=event.name,
        venue=event.venue,
        starts_at=iso_or_none(event.starts_at or None),
        ends_at=iso_or_none(event.ends_at),
        on_sale_at=iso_or_none(event.on_sale_at),
        status=event.status if event.status in ("draft", "test") else public_event_status(snapshot, event, now, stocks),
        paused=event.is_paused,
        timezone=event.timezone,
        image_url=event.image_url,
        image=image_view(event.image),
    )


def payment_account_view(account: PaymentAccount, *, can_connect: bool) -> PaymentAccountView:
    stored, reported, current = account.stored, account.reported, settings.current()
    has_account = stored is not None and stored.state != "removed"
    return PaymentAccountView(
        state=stored.state if stored is not None else "none",
        account_id=stored.id if stored is not None and has_account else None,
        takes_payments=reported is not None and reported.takes_payments,
        gets_payouts=reported is not None and reported.gets_payouts,
        missing=reported.missing if reported is not None else [],
        disabled_reason=reported.disabled_reason if reported is not None else None,
        fee_cents=current.application_fee_cents,
        fee_basis_points=current.application_fee_basis_points,
        can_connect=reported is not None or (can_connect and not has_account),
    )


def member_view(membership: Membership) -> MemberView:
    return MemberView(
        id=membership.member_id,
        event_id=membership.event_id,
        email=membership.email_key,
        role=membership.role,
        invited_by=membership.invited_by,
        invited_at=clock.iso(membership.invited_at),
        pending=membership.pending,
    )


def work_invitation_view(invitation: Invitation) -> WorkInvitationView:
    membership = invitation.membership
    return WorkInvitationView(
        event_id=membership.event_id,
        event_name=invitation.event_name,
        role=membership.role,
        invited_at=clock.iso(membership.invited_at),
        page=invitation.page,
    )


def api_key_view(key: ApiKey) -> ApiKeyView:
    return ApiKeyView(
        id=key.id,
        name=key.name,
        role=key.role,
        events=sorted(key.event_ids),
        created_at=clock.iso(key.created_at),
        expires_at=clock.iso(key.expires_at),
        used_at=iso_or_none(key.used_at),
    )
