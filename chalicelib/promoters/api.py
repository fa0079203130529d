"""Promoter routes: profiles, events, and the people who work at an event."""

import re
from functools import partial
from itertools import islice
from typing import Annotated, Literal, get_args

from chalice.app import Blueprint
from msgspec import UNSET, Meta, Struct, UnsetType, convert
from msgspec.structs import replace

from chalicelib.accounts import members, profiles
from chalicelib.accounts.directory import OwnAccount, RightsChange, UserChanging
from chalicelib.accounts.login_attempts import TooManyAttempts
from chalicelib.accounts.members import MemberChanging, TooManyApiKeys, TooManyEvents
from chalicelib.accounts.model import (
    AccountLocked,
    AddressNotVerified,
    BankAccount,
    Company,
    Email,
    EnteredPassword,
    FactorCode,
    NoAccount,
    SecondFactorRequired,
    WrongPassword,
)
from chalicelib.accounts.profiles import (
    InvoiceSeller,
    LegalKind,
    LegalText,
    LegalTextsChanging,
    PromoterChange,
    PromoterChanging,
    ShopInvoicesChanging,
    TooManyLegalTexts,
)
from chalicelib.catalog import permissions
from chalicelib.catalog.forms import Color, check_brand_colors, check_default_taxes, check_place
from chalicelib.catalog.revisions import CatalogChanging, PreconditionFailed, VersionConflict, expected_version, versioned_reply
from chalicelib.catalog.views import BrandView, brand_view
from chalicelib.edge import cursors
from chalicelib.edge.auth import EventRole, Forbidden, Role, Unauthenticated
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.idempotency import IDEMPOTENCY_KEY, execute_once
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.operation import IF_MATCH
from chalicelib.edge.rate_limits import CATALOG, INVITE, MAIL, RateLimited, limited, limited_for_caller
from chalicelib.edge.routes import CacheableReply, Done, Reply, RequestContext, route
from chalicelib.foundation import clock
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import DefaultTax
from chalicelib.notifications.model import recipient_key
from chalicelib.payments.model import PROVIDER_ERRORS
from chalicelib.promoters import service
from chalicelib.promoters.service import AccountsNotOffered, NewApiKey, Seller
from chalicelib.promoters.views import (
    AccountLinkView,
    ApiKeysView,
    ChangedAccountView,
    DefaultTaxesView,
    LegalTextsView,
    LegalTextView,
    MembersView,
    MemberView,
    NewApiKeyView,
    PaymentAccountView,
    PromoterEventsView,
    PromotersView,
    PromoterView,
    ShopInvoicesView,
    WorkInvitationsView,
    WorkInvitationView,
    api_key_view,
    changed_account_view,
    legal_text_view,
    member_view,
    payment_account_view,
    promoter_event_view,
    promoter_view,
    shop_invoices_view,
    work_invitation_view,
)

bp = Blueprint(__name__)

Website = Annotated[
    str,
    Meta(
        max_length=500,
        pattern=r"\Ahttps?://[^\s/?#]+[^\s]*\Z",
        examples=["https://example.com"],
        description="A website address without spaces, such as https://example.com.",
    ),
]

Policies = Annotated[str, Meta(max_length=2_000, description="What buyers should know before they buy, such as when they get refunds.")]

MAX_KEY_EVENTS = 100  # events that an API key may name
MAX_DEFAULT_TAXES = 50  # per promoter, because every instance keeps them in its memory
_ID = r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,299}"
_EVENT_POSITION = r"\d{1,12}#[A-Za-z0-9][A-Za-z0-9._-]{0,299}"


class PageQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The page of a list to return."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None


class PromotersQuery(PageQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Filters of the promoter list. Only admins may pass `verified` as false, which lists promoters who are not yet verified."""

    verified: bool = True


class ProfileFields(Struct, kw_only=True):
    """The fields of a promoter that everybody sees."""

    name: Company
    company: Company | None = None
    description: Annotated[str, Meta(max_length=10_000)] = ""
    website: Website | None = None
    email: Email | None = None
    policies: Policies = ""


class PromoterBody(ProfileFields, forbid_unknown_fields=True, kw_only=True):
    """A promoter's profile. Omitted fields are cleared. Only admins may set `verified`; null leaves it unchanged.

    With `invoices`, later sales get invoices. Buyers with a code for bank transfers pay to the `bank_account`. Null turns either off; an
    omitted field changes nothing. A promoter who changes the name, company, website or bank account has to be verified again.

    If `version` is given, the change is refused when somebody else has changed the profile since that version.
    """

    verified: bool | None = None
    invoices: InvoiceSeller | UnsetType | None = UNSET
    bank_account: BankAccount | UnsetType | None = UNSET
    version: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class ShopInvoicesBody(Struct, forbid_unknown_fields=True, frozen=True):
    """The seller on the invoices of the shop. With null, later sales of the shop get no invoices."""

    invoices: InvoiceSeller | None


class DefaultTaxesBody(Struct, forbid_unknown_fields=True, frozen=True):
    """A promoter's default taxes. They replace the earlier ones, and apply to tickets that are reserved from now on.

    The default of a region takes precedence over the default of its country, which has no `region`. Events without a `country` have none.
    With `automatic_tax`, the payment provider instead calculates the taxes of the payments that it takes. Without the field, this setting
    stays unchanged.
    """

    default_taxes: Annotated[list[DefaultTax], Meta(max_length=MAX_DEFAULT_TAXES)]
    automatic_tax: bool | UnsetType = UNSET


class BrandBody(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The colors of buttons and links at a promoter's events, on light and on dark pages. A missing color is the shop's.

    Text in each color must have a contrast of 4.5:1 with the pages (WCAG 2.2, success criterion 1.4.3).
    """

    color: Color | None = None
    dark_color: Color | None = None


class LegalTextBody(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A legal text: either a plain `text`, or the `url` of a page that has it. Empty lines separate paragraphs."""

    url: Website | None = None
    text: Annotated[str, Meta(min_length=1, max_length=40_000)] | None = None


class UserChanges(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Changes to an account's roles and lock, or the removal of its second factor. A field that is missing or null stays unchanged.

    `roles` is the complete new set of roles. Every account has `user`; `admin` can only be kept or removed, not granted. `reason` is
    written to the audit log.
    """

    roles: Annotated[list[Literal["user", "promoter", "admin"]], Meta(min_length=1, max_length=3)] | None = None
    locked: bool | None = None
    removes_second_factor: bool = False
    reason: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class MemberBody(Struct, forbid_unknown_fields=True):
    """The person to invite. A coordinator manages the event; staff admit people at its door; cashiers also sell at its box office.

    An accountant sees the sales and the money of the event, and nothing about its buyers.
    """

    email: Email
    role: EventRole


class ApiKeyBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """An API key for software that works at a promoter's events.

    `password` is the password of the caller's account. An account that has a second factor also needs a `code`, as a sign-in does.

    Software that sends the key may do what a person with this `role` may do at an event, except invite and remove people. Without `events`,
    it has the role at all events of the promoter, and at events that are created later.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100, examples=["Our accounting"])]
    role: EventRole
    events: Annotated[list[Id], Meta(max_length=MAX_KEY_EVENTS)] = []
    expires_in_days: Annotated[int, Meta(ge=1, le=366)] = 90
    password: EnteredPassword
    code: FactorCode | None = None


@route(bp, "GET", "/promoters", access="public", errors=(Unauthenticated, Forbidden))
def list_promoters(request: RequestContext, query: PromotersQuery) -> Reply[PromotersView]:
    """List promoters.

    Only admins see locked promoters, so a page for others may have fewer than `limit` promoters. A page of long profiles is shorter too.
    """
    is_admin = request.identity is not None and "admin" in request.identity.roles
    if not query.verified and not is_admin:
        raise Forbidden("Only admins may list unverified promoters.")
    state: profiles.State = "verified" if query.verified else "unverified"
    found = profiles.list_promoters(state, query.limit + 1, _after(query.cursor, _ID))
    shown = found[: query.limit]
    next_cursor = cursors.encode(shown[-1].id) if len(found) > query.limit else None
    visible = [promoter_view(promoter) for promoter in shown if is_admin or service.is_public(promoter)]
    fitting = cursors.fit(visible)
    if len(fitting) < len(visible):
        next_cursor = cursors.encode(fitting[-1].id)
    return Reply(PromotersView(fitting, next_cursor))


@route(bp, "GET", "/promoters/{promoter_id}", access="public")
def show_promoter(request: RequestContext, promoter_id: str) -> Reply[PromoterView]:
    """Show a promoter."""
    is_own = service.may_act_for(request.identity, promoter_id)
    return Reply(promoter_view(service.get_promoter(request.identity, promoter_id), is_own=is_own))


@route(
    bp,
    "PUT",
    "/promoters/{promoter_id}",
    access="manager",
    headers=(IF_MATCH,),
    errors=(PromoterChanging, VersionConflict, PreconditionFailed, RateLimited),
)
@limited_for_caller(CATALOG)
def replace_promoter(request: RequestContext, promoter_id: str, body: PromoterBody) -> Reply[PromoterView]:
    """Change a promoter's profile; an admin may also create and verify a profile."""
    if body.invoices:
        check_place(body.invoices.country, None, "$.invoices")
    change = PromoterChange(**{name: getattr(body, name) for name in PromoterChange.__struct_fields__})
    saved = service.save_promoter(request.require_user(), promoter_id, change, expected_version(request, body), request.now)
    return versioned_reply(promoter_view(saved, is_own=True))


@route(bp, "PUT", "/promoters/{promoter_id}/default-taxes", access="manager", errors=(CatalogChanging, RateLimited))
@limited_for_caller(CATALOG)
def replace_default_taxes(request: RequestContext, promoter_id: str, body: DefaultTaxesBody) -> Reply[DefaultTaxesView]:
    """Change the taxes in the prices at a promoter's events, by country and region, for tiers without a tax of their own."""
    check_default_taxes(body.default_taxes)
    choices = service.save_taxes(request.require_user(), promoter_id, body.default_taxes, body.automatic_tax, request.now)
    return Reply(DefaultTaxesView(choices.taxes, choices.automatic_tax))


@route(bp, "GET", "/admin/shop-invoices", access="admin")
def show_shop_invoices(_: RequestContext) -> Reply[ShopInvoicesView]:
    """Show whether the sales of events without a promoter get invoices, which the shop itself issues."""
    return Reply(shop_invoices_view(profiles.find_shop_issuer()))


@route(bp, "PUT", "/admin/shop-invoices", access="admin", errors=(ShopInvoicesChanging,))
def replace_shop_invoices(request: RequestContext, body: ShopInvoicesBody) -> Reply[ShopInvoicesView]:
    """Turn invoices of the shop itself on, change the seller that they name, or turn them off."""
    if body.invoices is not None:
        check_place(body.invoices.country, None, "$.invoices")
    return Reply(shop_invoices_view(profiles.save_shop_issuer(body.invoices, request.require_user().user_id, request.now)))


@route(bp, "PUT", "/promoters/{promoter_id}/brand", access="manager", errors=(CatalogChanging, RateLimited))
@limited_for_caller(CATALOG)
def replace_brand(request: RequestContext, promoter_id: str, body: BrandBody) -> Reply[BrandView]:
    """Change the colors of the pages of a verified promoter's events. The logo stays."""
    check_brand_colors(body.color, body.dark_color)
    identity, (color, dark_color) = request.require_user(), (body.color, body.dark_color)
    service.require_brand(identity, promoter_id, is_removal=color is None)
    change = partial(replace, color=color, dark_color=dark_color)
    _, brand = service.change_brand(promoter_id, change, identity.user_id, request.now)
    return Reply(brand_view(brand))


@route(bp, "GET", "/promoters/{promoter_id}/legal-texts", access="public")
def list_legal_texts(_: RequestContext, promoter_id: str) -> Reply[LegalTextsView]:
    """List the legal texts that a verified promoter shows now: imprint, terms, privacy, refunds and accessibility, in any language.

    The id `shop` means the shop itself. The texts of an event's seller are also in `GET /events/{event_id}/seller`.
    """
    return Reply(LegalTextsView(service.list_legal_texts(promoter_id)))


@route(bp, "GET", "/legal-texts/{text_id}", access="public")
def show_legal_text(request: RequestContext, text_id: str) -> Reply[LegalTextView]:
    """Show a legal text.

    A text never changes. Terms and refund policies are kept even if their owner replaces them, because buyers have accepted them. Of the
    other kinds, the last 30 replaced texts are kept.
    """
    return Reply(legal_text_view(service.get_legal_text(request.identity, text_id)))


@route(
    bp,
    "PUT",
    "/promoters/{promoter_id}/legal-texts/{kind}/{language}",
    access="manager",
    errors=(LegalTextsChanging, TooManyLegalTexts, RateLimited),
)
@limited_for_caller(CATALOG)
def replace_legal_text(request: RequestContext, promoter_id: str, kind: str, language: str, body: LegalTextBody) -> Reply[LegalTextsView]:
    """Show a legal text of a verified promoter, or of the shop with the id `shop`, in place of the text of this kind and language."""
    if (body.url is None) == (body.text is None):
        raise InvalidInput("Send either `url` or `text`.", path="$.text")
    new = LegalText(owner_id=promoter_id, kind=_legal_kind(kind), language=_text_language(language), url=body.url, text=body.text)
    return Reply(LegalTextsView(service.replace_legal_text(request.require_user(), promoter_id, new.kind, new.language, new, request.now)))


@route(
    bp,
    "DELETE",
    "/promoters/{promoter_id}/legal-texts/{kind}/{language}",
    access="manager",
    errors=(InvalidInput, LegalTextsChanging, RateLimited),
)
@limited_for_caller(CATALOG)
def remove_legal_text(request: RequestContext, promoter_id: str, kind: str, language: str) -> Reply[LegalTextsView]:
    """Stop showing a legal text of this kind in this language."""
    identity = request.require_user()
    return Reply(
        LegalTextsView(service.replace_legal_text(identity, promoter_id, _legal_kind(kind), _text_language(language), None, request.now))
    )


@route(bp, "GET", "/promoters/{promoter_id}/payment-account", access="manager", errors=(CatalogChanging, RateLimited, *PROVIDER_ERRORS))
@limited_for_caller(CATALOG)
def show_payment_account(request: RequestContext, promoter_id: str) -> Reply[PaymentAccountView]:
    """Show a promoter's account at the payment provider, and what the provider still needs."""
    account = service.load_payment_account(request.require_user(), promoter_id, request.now)
    return Reply(payment_account_view(account, can_connect=service.can_connect_accounts()))


@route(
    bp,
    "POST",
    "/promoters/{promoter_id}/payment-account",
    access="manager",
    headers=(ACCEPT_LANGUAGE,),
    errors=(AccountsNotOffered, CatalogChanging, RateLimited, *PROVIDER_ERRORS),
)
@limited_for_caller(CATALOG)
def connect_payment_account(request: RequestContext, promoter_id: str) -> Reply[AccountLinkView]:
    """Connect a promoter's account at the payment provider, or continue its setup. The reply leads to the provider's page.

    The promoter gets an email about this at the addresses of the account and of the profile.
    """
    link = service.connect_account(request.require_user(), promoter_id, request.language, request.now)
    return Reply(AccountLinkView(url=link.url, expires_at=clock.iso(link.expires_at)))


@route(bp, "DELETE", "/promoters/{promoter_id}/payment-account", access="admin", errors=(CatalogChanging,))
def remove_payment_account(request: RequestContext, promoter_id: str) -> Reply[PaymentAccountView]:
    """Remove a promoter's account at the payment provider, so that later buyers pay into the shop's account."""
    account = service.remove_account(promoter_id, request.require_user().user_id, request.now)
    return Reply(payment_account_view(account, can_connect=service.can_connect_accounts()))


@route(bp, "GET", "/events/{event_id}/seller", access="public")
def show_seller(request: RequestContext, event_id: str) -> CacheableReply[Seller]:
    """Show who sells the tickets of an event, how to contact the seller, and the seller's policies.

    The seller is the event's promoter if an admin has verified the promoter, or else the shop.
    """
    return service.seller_reply(event_id, request.now)


@route(bp, "GET", "/promoters/{promoter_id}/events", access="public")
def list_promoter_events(request: RequestContext, promoter_id: str, query: PageQuery) -> Reply[PromoterEventsView]:
    """List the events of a promoter, earliest first; the promoter and admins also see drafts and test events."""
    catalog, events = service.list_events(request.identity, promoter_id)
    if (position := _after(query.cursor, _EVENT_POSITION)) is not None:
        starts_at, _, event_id = position.partition("#")
        events = [event for event in events if (event.starts_at, event.id) > (int(starts_at), event_id)]
    shown = list(islice(events, query.limit))
    stocks = service.open_event_stocks(catalog, shown, request.now)
    next_cursor = cursors.encode(f"{shown[-1].starts_at}#{shown[-1].id}") if len(events) > query.limit else None
    return Reply(PromoterEventsView([promoter_event_view(catalog, event, stocks, request.now) for event in shown], next_cursor))


@route(
    bp,
    "POST",
    "/events/{event_id}/members",
    access="manager",
    statuses=(201, 200),
    headers=(IDEMPOTENCY_KEY, ACCEPT_LANGUAGE),
    errors=(MemberChanging, TooManyEvents, RateLimited),
)
def invite_member(request: RequestContext, event_id: str, body: MemberBody) -> Reply[MemberView]:
    """Invite a person to work at an event, or change a member's role. Invited people get the role once they accept it."""
    identity = request.require_user()

    def execute(_: str) -> Reply[MemberView]:
        # Checked first, so that people who may not invite this person cannot use up the address's rate limit.
        event, before = service.require_appointment(identity, event_id, body.email, body.role)
        with limited(request, INVITE, identity.user_id, scope="members"), limited(request, MAIL, recipient_key(body.email), scope="member"):
            invited = service.invite_member(event, before, body.email, body.role, identity.user_id, request.language, request.now)
            return Reply(member_view(invited), 201)

    return execute_once(request, identity.user_id, execute)


@route(bp, "GET", "/events/{event_id}/members", access="manager")
def list_members(request: RequestContext, event_id: str, query: PageQuery) -> Reply[MembersView]:
    """List the people who work at an event."""
    permissions.require_manager(request.require_user(), event_id)
    found = members.list_members(event_id, query.limit + 1, _after(query.cursor, r"[0-9a-f]{32}"))
    shown = found[: query.limit]
    next_cursor = cursors.encode(shown[-1].member_id) if len(found) > query.limit else None
    return Reply(MembersView([member_view(membership) for membership in shown], next_cursor))


@route(bp, "DELETE", "/events/{event_id}/members/{member_id}", access="user", errors=(MemberChanging,))
def remove_member(request: RequestContext, event_id: str, member_id: str) -> Reply[MemberView]:
    """Remove a member's role at an event, or your own role (`me`); access ends within 15 minutes, when the access token expires."""
    return Reply(member_view(service.remove_member(request.require_user(), event_id, member_id, request.now)))


@route(bp, "GET", "/me/invitations", access="user")
def list_invitations(request: RequestContext) -> Reply[WorkInvitationsView]:
    """List the invitations to work at events that you have not accepted yet. They are for your account's verified address."""
    found = service.list_invitations(request.require_user().user_id, request.now)
    return Reply(WorkInvitationsView([work_invitation_view(invitation) for invitation in found]))


@route(bp, "POST", "/me/invitations/{event_id}", access="user", errors=(MemberChanging, RateLimited))
@limited_for_caller(INVITE)
def accept_invitation(request: RequestContext, event_id: str) -> Reply[WorkInvitationView]:
    """Accept an invitation to work at an event, within 30 days. Access tokens have the role after the next refresh."""
    return Reply(work_invitation_view(service.accept_invitation(request.require_user().user_id, event_id, request.now)))


@route(bp, "DELETE", "/me/invitations/{event_id}", access="user", errors=(MemberChanging,))
def decline_invitation(request: RequestContext, event_id: str) -> Reply[Done]:
    """Decline an invitation to work at an event."""
    service.decline_invitation(request.require_user().user_id, event_id, request.now)
    return Reply(Done("You have declined the invitation."))


@route(
    bp,
    "POST",
    "/promoters/{promoter_id}/api-keys",
    access="manager",
    statuses=(201,),
    headers=(ACCEPT_LANGUAGE,),
    errors=(
        NoAccount,
        AddressNotVerified,
        TooManyApiKeys,
        WrongPassword,
        AccountLocked,
        SecondFactorRequired,
        TooManyAttempts,
        RateLimited,
    ),
)
@limited_for_caller(INVITE)
def create_api_key(request: RequestContext, promoter_id: str, body: ApiKeyBody) -> Reply[NewApiKeyView]:
    """Create an API key for software that works at a promoter's events. Only this reply contains the text of the key.

    The caller's address must be verified. The promoter gets an email.
    """
    wanted = NewApiKey(body.name, body.role, frozenset(body.events), body.expires_in_days)
    key, text = service.create_api_key(request, promoter_id, wanted, body.password, body.code)
    return Reply(NewApiKeyView(api_key_view(key), text), 201)


@route(bp, "GET", "/promoters/{promoter_id}/api-keys", access="manager")
def list_api_keys(request: RequestContext, promoter_id: str) -> Reply[ApiKeysView]:
    """List a promoter's API keys, including expired keys."""
    return Reply(ApiKeysView([api_key_view(key) for key in service.list_api_keys(request.require_user(), promoter_id)]))


@route(bp, "DELETE", "/promoters/{promoter_id}/api-keys/{key_id}", access="manager", errors=(MemberChanging,))
def delete_api_key(request: RequestContext, promoter_id: str, key_id: str) -> Reply[Done]:
    """Delete an API key. It stops working within 30 seconds."""
    service.delete_api_key(request.require_user(), promoter_id, key_id, request.now)
    return Reply(Done("The API key has been deleted."))


@route(bp, "PATCH", "/admin/users/{user_id}", access="admin", errors=(OwnAccount, UserChanging))
def change_user(request: RequestContext, user_id: str, body: UserChanges) -> Reply[ChangedAccountView]:
    """Change an account's roles, or lock or unlock the account; any change ends all of its sessions.

    While a promoter is locked or lacks the role, all of their events are off sale, and the promoter receives no webhooks.
    """
    roles: frozenset[Role] | None = None if body.roles is None else frozenset(["user", *body.roles])
    change = RightsChange(roles, body.locked, body.reason, body.removes_second_factor)
    changed = service.change_rights(user_id, change, request.require_user().user_id, request.now)
    return Reply(changed_account_view(changed.account, changed.suspended_count, changed.resumed_count))


def _after(cursor: str | None, form: str) -> str | None:
    return None if cursor is None else cursors.decode(cursor, form)


def _legal_kind(text: str) -> LegalKind:
    if text not in get_args(LegalKind):
        raise InvalidInput(f"The kind must be one of {', '.join(get_args(LegalKind))}.", path="kind")
    kind: LegalKind = convert(text, LegalKind)
    return kind


def _text_language(text: str) -> str:
    """Return the language of a text, as two lower-case letters (ISO 639-1)."""
    if not re.fullmatch(r"[a-z]{2}", text):
        raise InvalidInput("The language must be two lower-case letters, such as en.", path="language")
    return text
