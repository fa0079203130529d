"""Promoters and event staff: read and change profiles and event roles with permission checks, and invite people.

`catalog/quotas.py` limits how many events a promoter may have, and `catalog/permissions.py` says who may do what at an event.
"""

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from chalicelib.accounts import directory, mails, members, profiles
from chalicelib.accounts import service as accounts
from chalicelib.accounts.directory import RightsChange
from chalicelib.accounts.members import ApiKey, Membership, TooManyApiKeys
from chalicelib.accounts.model import Account
from chalicelib.accounts.profiles import SHOP, LegalKind, LegalText, LegalTextEntry, Promoter, PromoterChange
from chalicelib.catalog import event_states, permissions, sharing
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Brand, Catalog, Event, PromoterAccount, PromoterChoices, PromoterStop
from chalicelib.catalog.permissions import may_appoint_coordinators
from chalicelib.catalog.revisions import Expected
from chalicelib.catalog.sale_rules import TAX_ADDRESS_NEEDED, event_phase
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge.auth import EventRole, Forbidden, Identity
from chalicelib.edge.languages import Language
from chalicelib.edge.rate_limits import LEGAL_TEXT, count_effect_or_refuse, may_notify
from chalicelib.edge.routes import CacheableReply, RequestContext
from chalicelib.foundation import addons, clock, parallel, settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.foundation.money import DefaultTax
from chalicelib.inventory.availability import cached_stock
from chalicelib.inventory.model import Stock
from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import mailbox_key, recipient_key
from chalicelib.notifications.service import MailDraft
from chalicelib.payments.model import AccountLink, AccountUnreachable, ProviderAccount

if TYPE_CHECKING:
    from chalicelib.payments.providers.protocol import AccountProvider

API_KEY_SECONDS = 30  # how long an instance keeps an API key; a deleted key works for at most this long
SELLER_MAX_AGE = 60  # seconds
# How many attempts to stop a promoter also write an entry to the catalog's log. Such an attempt fails if somebody edits an event in the
# meantime. Without the entry, every instance reads all entries of the catalog, which have a single key.
LOGGED_ATTEMPTS = 25
MAX_INVITATIONS = 20  # listed at most
MAX_NOTIFIED = 20  # admins, and coordinators of an event, who get an email about the event
MAX_MEMBERS = 500  # members of an event who are searched for coordinators
_HIDDEN_STATUSES = ("draft", "test")  # event statuses that public lists leave out
_OWN_KEYS = "You can only manage your own API keys."
_api_keys: TtlCache[tuple[ApiKey, Identity] | None] = TtlCache(lambda: API_KEY_SECONDS, max_keys=1000)  # by the digest of the text
_sellers: TtlCache[CacheableReply["Seller"]] = TtlCache(lambda: SELLER_MAX_AGE, max_keys=1000)  # by promoter id


class Seller(Struct, frozen=True, kw_only=True):
    """Who sells the tickets of an event, as buyers see it: the event's promoter, or the shop."""

    name: str
    contact: Annotated[str, Meta(description="The website and the email address on one line.")]
    email: str | None
    policies: Annotated[str, Meta(description="What buyers should know before they buy, such as when they get refunds.")]
    promoter_id: Annotated[str | None, Meta(description="The id of the event's promoter; null if the shop is the seller.")] = None
    invoices: Annotated[bool, Meta(description="Whether buyers get invoices, which name a company if the checkout has one.")] = False
    legal_texts: Annotated[list[LegalTextEntry], Meta(description="The seller's imprint, terms and other legal texts.")] = []


class NewApiKey(Struct, frozen=True):
    """The API key that somebody wants to create. It expires after `days`, and is for all events of the promoter if it names none."""

    name: str
    role: EventRole
    event_ids: frozenset[str]
    days: int


class AccountsNotOffered(ApiError):
    code: ClassVar[str] = "payment_accounts_not_offered"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Promoters cannot connect payment accounts to this shop. Buyers pay into the shop's account."


class AccountNeedsVerification(Forbidden):
    default_message: ClassVar[str] = "An admin has to verify you before you can connect a payment account. Complete your profile first."


class TextsNeedVerification(Forbidden):
    default_message: ClassVar[str] = "An admin has to verify you before you can publish legal texts. Complete your profile first."


class TaxesNeedVerification(Forbidden):
    default_message: ClassVar[str] = (
        "An admin has to verify you before you can set default taxes. Until then, set the tax of each ticket type."
    )


class BrandNeedsVerification(Forbidden):
    default_message: ClassVar[str] = "An admin has to verify you before you can add your colors and logo. Complete your profile first."


class CoordinatorForbidden(Forbidden):
    default_message: ClassVar[str] = "Only the event's promoter and admins may add, change or remove coordinators."


def get_promoter(identity: Identity | None, promoter_id: str) -> Promoter:
    """Return a promoter. Raises NotFound if there is no such promoter or the caller may not see the promoter.

    Only admins and the promoter see an unverified promoter, and only admins see a locked promoter.
    """
    promoter = profiles.find_promoter(promoter_id)
    if promoter is None or not (is_public(promoter) or may_act_for(identity, promoter_id)):
        raise NotFound("There is no promoter with this id.", promoter_id=promoter_id)
    return promoter


def is_public(promoter: Promoter) -> bool:
    """Return whether everybody may see the promoter: an admin has verified the promoter, and has not locked them since."""
    return promoter.state == "verified" and promoter.id not in catalog.snapshot().stopped_promoters


def save_promoter(identity: Identity, promoter_id: str, change: PromoterChange, expected: Expected, now: int) -> Promoter:
    """Write a promoter's profile. Raises Forbidden, NotFound, PromoterChanging, VersionConflict or PreconditionFailed."""
    require_own(identity, promoter_id, "You can only change your own profile.")
    is_admin = "admin" in identity.roles
    if change.verified is not None and not is_admin:
        current = profiles.find_promoter(promoter_id)
        if change.verified != (current is not None and current.state == "verified"):
            raise Forbidden("Only admins may verify a promoter.")
    return profiles.save_promoter(promoter_id, change, identity.user_id, now, by_admin=is_admin, check=expected.check)


def save_taxes(identity: Identity, promoter_id: str, taxes: list[DefaultTax], automatic_tax: bool | UnsetType, now: int) -> PromoterChoices:
    """Replace a promoter's default taxes, and turn automatic taxes on or off. Returns the new choices.

    A promoter needs to be verified, unless all promoters may publish events: every instance keeps the taxes in its memory, and anybody can
    register any number of promoters. Raises Forbidden, NotFound, CatalogChanging, and InvalidInput if automatic taxes are not possible.
    """
    require_own(identity, promoter_id, "You can only change your own default taxes.")
    is_free = "admin" in identity.roles or settings.current().publishing == "all" or not (taxes or automatic_tax is True)
    if get_promoter(identity, promoter_id).state != "verified" and not is_free:
        raise TaxesNeedVerification()
    if automatic_tax is True:
        _require_automatic_tax(promoter_id, now)
    changes: dict[str, Any] = {"taxes": taxes} | ({} if automatic_tax is UNSET else {"automatic_tax": automatic_tax})
    _, after = event_states.change_choices(promoter_id, lambda before: structs.replace(before, **changes), identity.user_id, now)
    return after


def _require_automatic_tax(promoter_id: str, now: int) -> None:
    """Raise InvalidInput unless a provider can calculate the taxes at all published events of the promoter that sell tickets for money."""
    from chalicelib.payments import service as payments  # functions that only look for sellers load no payment provider

    if payments.find_tax_calculator() is None:
        message = "No payment provider of this shop can calculate taxes on the shop's own payment page. Set default taxes instead."
        raise InvalidInput(message, path="$.automatic_tax", rule="automatic_tax_not_offered")
    current = catalog.load_current()
    for event in current.events.values():
        is_on_sale = event.promoter_id == promoter_id and event.status in ("active", "test") and event.deleted_at is None
        costs_money = any(tier.price_cents for tier in current.event_tiers(event.id) if not tier.removed)
        if is_on_sale and costs_money and event.tax_address is None and event.last_sale_at > now:
            message = f"{TAX_ADDRESS_NEEDED} Complete the address of {event.name} first."
            raise InvalidInput(message, path="$.automatic_tax", rule="tax_address_needed", event_id=event.id)


def require_brand(identity: Identity, promoter_id: str, *, is_removal: bool = False) -> None:
    """Require that the caller may change the brand of this promoter. Raises Forbidden and NotFound.

    A promoter needs to be verified, because a stranger could make an event look like somebody else's. A removal needs no verification.
    """
    require_own(identity, promoter_id, "You can only change your own brand.")
    if not is_removal and get_promoter(identity, promoter_id).state != "verified":
        raise BrandNeedsVerification()


def change_brand(promoter_id: str, change: Callable[[Brand], Brand], actor: str, now: int) -> tuple[Brand, Brand]:
    """Change the colors or the logo of a promoter's events. Returns the former and the new brand. Raises CatalogChanging."""
    before, after = event_states.change_choices(
        promoter_id, lambda choices: structs.replace(choices, brand=change(choices.brand)), actor, now
    )
    return before.brand, after.brand


def list_legal_texts(owner_id: str) -> list[LegalTextEntry]:
    """Return the legal texts that the shop or a verified promoter shows. Raises NotFound."""
    if owner_id != SHOP:
        get_promoter(None, owner_id)
    return profiles.list_legal_texts(owner_id)


def get_legal_text(identity: Identity | None, text_id: str) -> LegalText:
    """Return a legal text, even if its owner no longer shows it. Raises NotFound. Only admins see the texts of a locked promoter."""
    text = profiles.find_legal_text(text_id)
    if text is None or (text.owner_id in catalog.snapshot().stopped_promoters and not may_act_for(identity, text.owner_id)):
        raise NotFound("There is no legal text with this id.", text_id=text_id)
    return text


def replace_legal_text(
    identity: Identity, owner_id: str, kind: LegalKind, language: str, new: LegalText | None, now: int
) -> list[LegalTextEntry]:
    """Show another legal text of this kind in this language, or none.

    A promoter needs to be verified, so that strangers cannot publish texts on the shop's pages. Raises Forbidden, NotFound,
    TooManyLegalTexts, LegalTextsChanging and RateLimited.
    """
    if owner_id == SHOP:
        if "admin" not in identity.roles:
            raise Forbidden("Only admins can change the legal texts of the shop.")
    else:
        require_own(identity, owner_id, "You can only change your own legal texts.")
        if get_promoter(identity, owner_id).state != "verified":
            raise TextsNeedVerification()
    if new is not None:
        count_effect_or_refuse(LEGAL_TEXT, owner_id, now)
    return profiles.replace_legal_text(owner_id, kind, language, new, identity.user_id, now)


class ChangedRights(Struct, frozen=True):
    """A changed account, and the numbers of its published events that the change suspended and resumed."""

    account: Account
    suspended_count: int
    resumed_count: int


def change_rights(user_id: str, change: RightsChange, actor: str, now: int) -> ChangedRights:
    """Change a person's roles, or lock or unlock their account.

    A promoter who is locked or loses the role is stopped: all of their events are suspended. One transaction changes the account and the
    catalog, so all instances refuse reservations within `head_check_seconds`, even if this request ends early. The shards are closed or
    opened after the transaction; if this request has ended by then, the sweep closes or opens them. Even if nothing in the account changes,
    the call stops a promoter whom an earlier version of Fairgate did not stop. Raises the errors of `directory.change_rights`.
    """
    was_stopped = must_stop = False
    attempts = 0

    def stop_items(old: Account, new: Account) -> list[dynamo.TransactItem]:
        nonlocal was_stopped, must_stop, attempts
        attempts += 1
        current = catalog.load_current()
        was_stopped = must_stop = user_id in current.stopped_promoters
        is_promoter = was_stopped or "promoter" in (*old.roles, *new.roles)
        if is_promoter or ((change.locked or change.roles is not None) and _has_events(current, user_id)):
            must_stop = _is_stopped(new)
        if must_stop == was_stopped:
            return []
        stop, is_logged = PromoterStop(user_id, must_stop), attempts <= LOGGED_ATTEMPTS
        return event_states.set_promoter_stopped_items(current, stop, actor, now, is_logged=is_logged)

    try:
        account = directory.change_rights(user_id, change, actor, now, stop_items)
    finally:
        if must_stop != was_stopped:
            catalog.expire()
    if must_stop == was_stopped:
        return ChangedRights(account, 0, 0)
    count = event_states.follow_promoter(user_id, now)
    return ChangedRights(account, 0, count) if was_stopped else ChangedRights(account, count, 0)


def _has_events(snapshot: Catalog, user_id: str) -> bool:
    """Return whether the catalog has events of this user, even if the user is no longer a promoter."""
    return any(event.promoter_id == user_id for event in snapshot.events.values())


def _is_stopped(account: Account) -> bool:
    return account.locked_at is not None or "promoter" not in account.roles


def find_verified_promoter(event: Event | None) -> Promoter | None:
    """Return the event's promoter if an admin has verified the promoter and no admin has locked them."""
    if event is None or event.promoter_id is None or event.suspended:
        return None
    promoter = profiles.find_promoter(event.promoter_id)
    return promoter if promoter is not None and promoter.state == "verified" else None


def is_known(event: Event, promoter: Promoter | None) -> bool:
    """Return whether emails to strangers may contain the event's texts.

    They may if only admins manage the event, or if the event has a verified promoter, `promoter`.
    """
    return event.promoter_id is None or promoter is not None


def list_manager_ids(event: Event) -> list[str]:
    """Return the user ids of the event's promoter, or of the shop's admins if it has none, and of its coordinators.

    Returns nobody for a suspended event.
    """
    if event.suspended:
        return []
    owners = directory.list_admin_ids(MAX_NOTIFIED) if event.promoter_id is None else [event.promoter_id]
    coordinators = [
        member for member in members.list_members(event.id, MAX_MEMBERS, None) if member.role == "coordinator" and not member.pending
    ]
    found = parallel.call_each(lambda member: accounts.find_user_id(member.email_key), coordinators[:MAX_NOTIFIED])
    return list(dict.fromkeys([*owners, *(user_id for user_id in found if user_id is not None)]))


def is_manager(event: Event, account: Account) -> bool:
    """Return whether an account with a verified address manages an event now."""
    if event.suspended or account.verified_at is None or account.locked_at is not None:
        return False
    if "admin" in account.roles or ("promoter" in account.roles and event.promoter_id == account.user_id):
        return True
    membership = members.find_membership(event.id, account.email)
    return membership is not None and membership.role == "coordinator" and not membership.pending


def invitation_values(event: Event) -> dict[str, Any]:
    """Return the values of an event for an email that invites a stranger. The texts of an unverified promoter are left out."""
    values = sharing.mail_values(event)
    return (
        values
        if is_known(event, find_verified_promoter(event))
        else {**values, "name": "", "place": "", "starts": None, "doors": None, "dates": []}
    )


def find_seller(event: Event | None) -> Seller:
    """Return the event's promoter if an admin has verified the promoter, or else the shop."""
    return seller_of(find_verified_promoter(event))


def seller_of(promoter: Promoter | None) -> Seller:
    """Return a verified promoter as the seller of their events, or the shop if there is no such promoter."""
    if promoter is not None:
        contact = " · ".join(filter(None, (promoter.website, promoter.email)))
        return Seller(
            name=promoter.seller_name,
            contact=contact,
            email=promoter.email,
            policies=promoter.policies,
            promoter_id=promoter.id,
            invoices=promoter.invoices is not None and addons.is_on("documents"),
        )
    chosen = settings.current()
    contact = " · ".join(filter(None, (urlsplit(chosen.shop_url).hostname, chosen.contact_email)))
    return Seller(name=chosen.shop_name, contact=contact, email=chosen.contact_email or None, policies=chosen.shop_policies)


def seller_reply(event_id: str, now: int) -> CacheableReply[Seller]:
    """Return the seller of a visible event, at most SELLER_MAX_AGE seconds old. Raises NotFound."""
    _, event = catalog.get_visible_event(event_id)

    def load() -> CacheableReply[Seller]:
        seller = find_seller(event)
        texts = profiles.list_legal_texts(seller.promoter_id or SHOP)
        invoices = seller.invoices or (event.promoter_id is None and addons.is_on("documents") and profiles.find_shop_issuer() is not None)
        seller = structs.replace(seller, invoices=invoices, legal_texts=texts)
        return CacheableReply.encode(seller, max_age=SELLER_MAX_AGE)

    return _sellers.get(now, None, load, event.promoter_id)


def list_events(identity: Identity | None, promoter_id: str) -> tuple[Catalog, list[Event]]:
    """Return the catalog, and a promoter's events sorted by start time. Raises NotFound.

    Only the promoter and admins get drafts and test events.
    """
    get_promoter(identity, promoter_id)
    sees_all = may_act_for(identity, promoter_id)
    snapshot = catalog.snapshot_with_drafts() if sees_all else catalog.snapshot()
    events = (event for event in snapshot.events.values() if event.promoter_id == promoter_id and not event.removed)
    shown = [event for event in events if event.deleted_at is None and (sees_all or event.status not in _HIDDEN_STATUSES)]
    return snapshot, sorted(shown, key=lambda event: (event.starts_at, event.id))


def open_event_stocks(snapshot: Catalog, events: list[Event], now: int) -> dict[str, Stock]:
    """Return the displayed stock of the events that are on sale."""
    return cached_stock((snapshot.stock_group(event.id) for event in events if event_phase(event, now) == "open"), now)


# Payment accounts of promoters.


class PaymentAccount(Struct, frozen=True):
    """A promoter's payment account as we store it, and as the provider reports it.

    `stored` is null if the promoter never had one. `reported` is null if the account was removed, or its owner has disconnected it.
    """

    stored: PromoterAccount | None
    reported: ProviderAccount | None = None


def can_connect_accounts() -> bool:
    """Return whether promoters may connect payment accounts to this shop."""
    return settings.current().connected_accounts != "off" and _account_provider() is not None


def _account_provider() -> "AccountProvider | None":
    from chalicelib.payments import service as payments  # functions that only look for sellers load no payment provider

    return payments.account_provider()


def load_payment_account(identity: Identity, promoter_id: str, now: int) -> PaymentAccount:
    """Return a promoter's payment account in its current state at the provider, and record that state, in case a webhook is late.

    Raises Forbidden, ProviderUnavailable and CatalogChanging.
    """
    require_own(identity, promoter_id, "You can only see your own payment account.")
    stored, provider = catalog.load_current().accounts.get(promoter_id), _account_provider()
    if stored is None or stored.state == "removed" or provider is None:
        return PaymentAccount(stored)
    try:
        reported = provider.fetch_account(stored.id)
    except AccountUnreachable:
        reported = None
    takes_payments = reported is not None and reported.takes_payments
    current = event_states.record_account(stored, takes_payments=takes_payments, actor=identity.user_id, now=now)
    return PaymentAccount(current, reported)


def connect_account(identity: Identity, promoter_id: str, language: Language, now: int) -> AccountLink:
    """Return a link to the provider's page on which the promoter sets up a payment account. Creates the account if necessary.

    The promoter gets an email about each link, because somebody with a stolen session could use it to get the promoter's money.
    Raises Forbidden, AccountsNotOffered, AccountUnreachable, ProviderUnavailable and CatalogChanging.
    """
    require_own(identity, promoter_id, "You can only connect your own payment account.")
    provider, stored = _account_provider(), catalog.load_current().accounts.get(promoter_id)
    is_new = stored is None or stored.state == "removed"
    if provider is None or (is_new and not can_connect_accounts()):
        raise AccountsNotOffered()
    if is_new and not profiles.is_verified(promoter_id):
        raise AccountNeedsVerification()
    if stored is None or stored.state == "removed":
        former_ids = stored.all_ids if stored is not None else []
        created = PromoterAccount(promoter_id, provider.create_account(promoter_id, len(former_ids) + 1), former_ids=former_ids)
        # Another request may have connected the account in the meantime; it has then created the same account.
        stored = event_states.change_account(
            promoter_id, lambda before: created if before is None or before.state == "removed" else before, identity.user_id, now
        )
        assert stored is not None  # `change` always returns an account
    link = provider.create_account_link(stored.id, settings.current().page_url("manage/profile"))
    account, promoter = parallel.both(lambda: accounts.find_account(promoter_id), lambda: profiles.find_promoter(promoter_id))
    addresses = (account.email if account is not None else None, promoter.email if promoter is not None else None)
    for address in {mailbox_key(address): address for address in reversed(addresses) if address is not None}.values():
        if may_notify("payment_account_link", recipient_key(address), now):
            notifications.send(mails.draft("payment_account_link", address, language, settings.current().page_url("forgot-password")))
    return link


def remove_account(promoter_id: str, actor: str, now: int) -> PaymentAccount:
    """Remove a promoter's payment account, if any: later buyers pay to the operator's account. Earlier payments stay where they are.

    Raises CatalogChanging.
    """
    return PaymentAccount(
        event_states.change_account(promoter_id, lambda before: before and structs.replace(before, state="removed"), actor, now)
    )


# API keys of promoters.


def create_api_key(request: RequestContext, promoter_id: str, wanted: NewApiKey, password: str, code: str | None) -> tuple[ApiKey, str]:
    """Create an API key for a promoter's events, and mail the promoter a notice. Returns the key and its text, which is not stored.

    The caller must prove everything that a sign-in asks for, so that somebody with a stolen session cannot gain lasting access. Raises
    Forbidden, NotFound, InvalidInput, NoAccount, TooManyApiKeys and what `accounts.check_owner` raises.
    """
    identity = request.require_user()
    require_own(identity, promoter_id, _OWN_KEYS)
    if unknown := sorted(wanted.event_ids - _events_of(promoter_id)):
        raise InvalidInput(f"The promoter has no event with the id {unknown[0]}.", path="$.events")
    (account, _), (keys, owner) = parallel.both(
        lambda: parallel.both(lambda: accounts.get_account(identity.user_id), lambda: get_promoter(identity, promoter_id)),
        lambda: parallel.both(lambda: members.list_api_keys(promoter_id), lambda: accounts.find_account(promoter_id)),
    )
    if len(keys) >= members.MAX_API_KEYS:  # simultaneous requests can create a few more
        raise TooManyApiKeys()
    accounts.check_owner(request, account, password, code)
    expires_at = request.now + wanted.days * 86_400
    created = members.create_api_key(promoter_id, wanted.name, wanted.role, wanted.event_ids, expires_at, identity.user_id, request.now)
    if owner is not None:
        accounts.mail_notice("api_key_created", owner.email, request.language, request.now)
    return created


def list_api_keys(identity: Identity, promoter_id: str) -> list[ApiKey]:
    """Return a promoter's API keys, oldest first, including expired keys. Raises Forbidden."""
    require_own(identity, promoter_id, _OWN_KEYS)
    return members.list_api_keys(promoter_id)


def delete_api_key(identity: Identity, promoter_id: str, key_id: str, now: int) -> None:
    """Delete an API key, which works for at most API_KEY_SECONDS more. Raises Forbidden, NotFound and MemberChanging."""
    require_own(identity, promoter_id, _OWN_KEYS)
    members.delete_api_key(promoter_id, key_id, identity.user_id, now)


def identify_api_key(text: str) -> Identity | None:
    """Return the caller who sends an API key, with the key's role at the promoter's events. Returns None if the key is not valid now.

    Instances keep the result for API_KEY_SECONDS.
    """
    named, now = members.parse_api_key(text), clock.now()
    if named is None:
        return None
    found = _api_keys.get(now, None, lambda: _load_api_key(text, *named, now), members.digest_of(text))
    return None if found is None or found[0].expires_at <= now else found[1]


def _load_api_key(text: str, promoter_id: str, key_id: str, now: int) -> tuple[ApiKey, Identity] | None:
    """Return the API key with this text and its caller.

    Returns None if there is no such key, or if its promoter may not manage events now. The key of an admin ends with the admin's role, so
    that nobody keeps rights in the name of another person.

    For the rate limits, all keys of a promoter that may change events count as one caller, because a promoter can create keys again and
    again. Any other key has its own limits, so that no till stops the other tills.
    """
    key, account = parallel.both(lambda: members.find_api_key(promoter_id, key_id), lambda: accounts.find_account(promoter_id))
    if key is None or not members.is_text_of(key, text):
        return None
    if account is None or _is_stopped(account) or accounts.lacks_second_factor(account, {}):
        return None
    if key.admin_id is not None and not _is_admin_now(key.admin_id):
        return None
    if key.expires_at > now:
        members.record_use(key, now)
    event_ids = _events_of(promoter_id)
    roles = dict.fromkeys(sorted(key.event_ids & event_ids if key.event_ids else event_ids), key.role)
    counted_as = f"keys of {promoter_id}" if key.role == "coordinator" else None
    return key, Identity(key.user_id, frozenset(), roles, is_api_key=True, counted_as=counted_as)


def _is_admin_now(user_id: str) -> bool:
    account = accounts.find_account(user_id)
    is_admin = account is not None and account.locked_at is None and "admin" in account.roles
    return is_admin and not accounts.lacks_second_factor(account, {})


def _events_of(promoter_id: str) -> set[str]:
    """Return the ids of the promoter's events, with drafts."""
    return {event.id for event in catalog.snapshot_with_drafts().events.values() if event.promoter_id == promoter_id}


def require_appointment(identity: Identity, event_id: str, email: str, role: EventRole) -> tuple[Event, Membership | None]:
    """Require that the caller may give a person this role. Returns the event and the current membership. Raises NotFound and Forbidden."""
    event, before = permissions.require_manager(identity, event_id), members.find_membership(event_id, email)
    _check_appointment(identity, event, role, before)
    return event, before


def invite_member(
    event: Event, before: Membership | None, email: str, role: EventRole, actor: str, language: Language, now: int
) -> Membership:
    """Invite a person to take a role at an event, and mail the invitation. `before` is the person's current membership.

    The caller must check the appointment. Raises TooManyEvents or MemberChanging.
    """
    is_accepted = before is not None and not before.pending
    unverified = settings.current().publishing != "all" and not is_known(event, find_verified_promoter(event))
    membership, url = parallel.both(  # a link that is never mailed does no harm
        lambda: members.invite(event.id, email, role, actor, now, unverified=unverified),
        lambda: mails.invitation_url(email, _work_page(event.id, role) if is_accepted else "/account", now),
    )
    values = {"event": invitation_values(event), "role": role, "is_accepted": is_accepted, "url": url}
    draft = MailDraft("event_invitation", email, language, values)
    notifications.send_requested(draft, now)
    return membership


class Invitation(Struct, frozen=True):
    """An invitation to work at an event. `event_name` is None if a stranger may have written it; `page` is where the work begins."""

    membership: Membership
    event_name: str | None
    page: str


def list_invitations(user_id: str, now: int) -> list[Invitation]:
    """Return the latest invitations that a user can accept, up to MAX_INVITATIONS. Invitations of unverified promoters come last."""
    email = _verified_address(user_id)
    pending = [membership for membership in members.list_memberships(email) if membership.pending] if email is not None else []
    pending.sort(key=lambda membership: (membership.unverified, -membership.invited_at))
    invitations = ((membership, _event_of_invitation(membership, now)) for membership in pending)
    shown = islice(((membership, event) for membership, event in invitations if event is not None), MAX_INVITATIONS)
    return parallel.call_each(lambda found: _invitation(*found), list(shown))


def accept_invitation(user_id: str, event_id: str, now: int) -> Invitation:
    """Accept an invitation. New access tokens have the role. Raises NotFound or MemberChanging."""
    membership = _find_invitation(user_id, event_id)
    event = _event_of_invitation(membership, now) if membership is not None else None
    if membership is None or event is None:
        raise NotFound("You have no invitation to this event.", event_id=event_id)
    return _invitation(members.accept(membership, user_id, now), event)


def decline_invitation(user_id: str, event_id: str, now: int) -> None:
    """Decline an invitation. Raises NotFound or MemberChanging."""
    membership = _find_invitation(user_id, event_id)
    if membership is None or not membership.pending:
        raise NotFound("You have no invitation to this event.", event_id=event_id)
    members.remove(membership, user_id, now)


def _find_invitation(user_id: str, event_id: str) -> Membership | None:
    email = _verified_address(user_id)
    return members.find_membership(event_id, email) if email is not None else None


def _event_of_invitation(membership: Membership, now: int) -> Event | None:
    """Return the event of an invitation. Returns None if the invitation has lapsed, or nobody can work at the event now."""
    event = catalog.find_event(membership.event_id)
    return None if event is None or event.suspended or membership.has_lapsed(now) else event


def _invitation(membership: Membership, event: Event) -> Invitation:
    """Return an invitation as its recipient sees it."""
    name = event.name if is_known(event, find_verified_promoter(event)) else None
    return Invitation(membership, name, _work_page(event.id, membership.role))


def _work_page(event_id: str, role: EventRole) -> str:
    """Return the address of the page on which people with this role at an event start their work."""
    pages = {
        "coordinator": f"/manage/events/{event_id}",
        "accountant": f"/manage/events/{event_id}/sales",
        "cashier": f"/door/box-office?event={event_id}",
        "staff": "/door",
    }
    return pages[role]


def remove_member(identity: Identity, event_id: str, member_id: str, now: int) -> Membership:
    """Remove a person's role at an event, or the caller's own role. Returns the former membership.

    The member id `me` means the caller. Raises NotFound, Forbidden or MemberChanging.
    """
    own_id = _own_member_id(identity.user_id) if event_id in identity.events else None
    is_own = own_id is not None and member_id in ("me", own_id)
    event = None if is_own else permissions.require_manager(identity, event_id)
    membership = members.get_membership(event_id, own_id if own_id is not None and is_own else member_id)
    if event is not None:
        _check_appointment(identity, event, membership.role, None)
    members.remove(membership, identity.user_id, now)
    return membership


def _own_member_id(user_id: str) -> str | None:
    """Return the member id of a user's verified email address. Returns None if the user has no verified address."""
    email = _verified_address(user_id)
    return members.member_id(email) if email is not None else None


def _verified_address(user_id: str) -> str | None:
    account = accounts.find_account(user_id)
    return account.email if account is not None and account.verified_at is not None else None


def _check_appointment(identity: Identity, event: Event, role: EventRole, before: Membership | None) -> None:
    """Raise Forbidden if the caller may not make this change: an API key, or a coordinator whose change concerns a coordinator."""
    if identity.is_api_key:
        raise Forbidden("An API key cannot change who works at an event.", event_id=event.id)
    is_about_coordinators = role == "coordinator" or (before is not None and before.role == "coordinator")
    if is_about_coordinators and not may_appoint_coordinators(identity, event):
        raise CoordinatorForbidden(event_id=event.id)


def may_act_for(identity: Identity | None, promoter_id: str) -> bool:
    """Return whether the caller is an admin, or this promoter and not locked."""
    if identity is None or "admin" in identity.roles:
        return identity is not None
    is_own = "promoter" in identity.roles and identity.user_id == promoter_id
    return is_own and promoter_id not in catalog.snapshot().stopped_promoters


def require_own(identity: Identity, promoter_id: str, message: str) -> None:
    """Require that the caller may act for this promoter. Raises Forbidden with the `message`, or with a message about the lock."""
    if not may_act_for(identity, promoter_id):
        is_locked = "promoter" in identity.roles and identity.user_id == promoter_id
        raise Forbidden("Your account is locked. Contact the shop." if is_locked else message)
