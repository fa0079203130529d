"""Promoters, their events and event members as the API shows them."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.accounts.members import Membership
from chalicelib.accounts.model import Account
from chalicelib.accounts.profiles import Promoter
from chalicelib.accounts.views import AccountView, account_view
from chalicelib.catalog.images import ImageView, image_view
from chalicelib.catalog.model import Catalog, Event, PublicEventStatus
from chalicelib.catalog.sale_rules import public_event_status
from chalicelib.catalog.views import Stocks, iso_or_none
from chalicelib.edge.auth import EventRole
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp


class PromoterView(Struct, frozen=True, kw_only=True):
    """A promoter of events. `verified` means that an admin has checked the name, company and website."""

    id: str
    name: str
    company: str | None
    description: str
    website: str | None
    email: str | None
    policies: str
    verified: bool
    created_at: Timestamp
    updated_at: Timestamp
    version: int


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
    """A person with a role at an event. The role takes effect when the person signs in with this address and has verified it."""

    id: str
    event_id: str
    email: str
    role: EventRole
    invited_by: str
    invited_at: Timestamp
    message: str | None = None


class MembersView(Struct, frozen=True):
    """A page of an event's members."""

    members: list[MemberView]
    next_cursor: str | None


class ChangedAccountView(AccountView, frozen=True, kw_only=True):
    """An account after its roles were changed, or after it was locked or unlocked.

    `suspended_events` counts the published events that the change took off sale, and `resumed_events` counts the events that are no longer
    suspended.
    """

    suspended_events: int
    resumed_events: int


def changed_account_view(account: Account, suspended_count: int, resumed_count: int) -> ChangedAccountView:
    return ChangedAccountView(**asdict(account_view(account)), suspended_events=suspended_count, resumed_events=resumed_count)


def promoter_view(promoter: Promoter) -> PromoterView:
    return PromoterView(
        id=promoter.id,
        name=promoter.name,
        company=promoter.company,
        description=promoter.description,
        website=promoter.website,
        email=promoter.email,
        policies=promoter.policies,
        verified=promoter.state == "verified",
        created_at=clock.iso(promoter.created_at),
        updated_at=clock.iso(promoter.updated_at),
        version=promoter.version,
    )


def promoter_event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> PromoterEventView:
    """Return an event as its promoter sees it, including the status `draft` or `test`."""
    return PromoterEventView(
        id=event.id,
        name=event.name,
        venue=event.venue,
        starts_at=iso_or_none(event.starts_at or None),
        ends_at=iso_or_none(event.ends_at),
        on_sale_at=iso_or_none(event.on_sale_at),
        status=event.status if event.status in ("draft", "test") else public_event_status(catalog, event, now, stocks),
        paused=event.is_paused,
        timezone=event.timezone,
        image_url=event.image_url,
        image=image_view(event.image),
    )


def member_view(membership: Membership) -> MemberView:
    return MemberView(
        id=membership.member_id,
        event_id=membership.event_id,
        email=membership.email_key,
        role=membership.role,
        invited_by=membership.invited_by,
        invited_at=clock.iso(membership.invited_at),
    )
