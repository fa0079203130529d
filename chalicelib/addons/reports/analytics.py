"""The figures of an event for its promoter, read from the table `reports` and never from orders."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import asdict

from chalicelib.addons.reports import store
from chalicelib.addons.reports.figures import GATE, GATES, TOTALS, Figures
from chalicelib.admin.sale_status import PurchaseFigures, RevenueFigures
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.edge.auth import Identity
from chalicelib.foundation import addons, clock, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import FORM
from chalicelib.foundation.money import TaxShare
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import EntryKind, RevenueTotals
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.views import AdminRoomView

DEFAULT_DAYS = 31
MAX_DAYS = 366
MAX_GATES = 50  # the busiest gates are shown; an event may have many gates, because door staff type the names of gates


class AnalyticsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The first and last day (UTC) of the time series: by default the last 31 days, and at most 366 days. Totals cover all time."""

    first_day: date | None = field(default=None, name="from")
    last_day: date | None = field(default=None, name="to")


class TierFigures(Struct, frozen=True, kw_only=True):
    """How many of a tier's tickets were `sold`, were `returned`, and are still `kept` by their owners.

    `complimentary` counts the tickets that were issued for free from holdbacks and not revoked; they do not count as sold. `tier_name` is
    null for a deleted tier. `capacity` is null for a deleted tier, and for a tier without its own limit. `people_expected` is the number of
    people whom the kept and complimentary tickets admit, and `people_admitted` is the number of people inside.
    """

    tier_id: str
    tier_name: str | None
    capacity: int | None
    sold: int
    returned: int
    kept: int
    complimentary: int
    people_expected: int
    people_admitted: int
    gross_cents: dict[str, int]


class HourFigures(Struct, frozen=True, kw_only=True):
    """One tier's figures for the hour that begins at `hour`: tickets sold, and people admitted for the first time with these tickets.

    People who went out and came back count once, in the hour of their first check-in.
    """

    hour: Timestamp
    tier_id: str
    sold: int
    people_admitted: int
    gross_cents: dict[str, int]


class FunnelFigures(PurchaseFigures, frozen=True, kw_only=True):
    """The purchase funnel. `joined` and `admitted` count people in the current waiting room; they are null without a waiting room."""

    joined: int | None
    admitted: int | None


class ConversionRates(Struct, frozen=True, kw_only=True):
    """Rates between 0 and 1. A rate is null while its denominator is 0.

    `queue_to_hold` is the number of reservations per admitted person. It may exceed 1, because a person may reserve more than once.
    """

    queue_to_hold: float | None
    hold_to_checkout: float | None
    checkout_to_order: float | None
    hold_to_order: float | None


class RefundFigures(Struct, frozen=True, kw_only=True):
    """The number of refunds for returned tickets, and the number of returned tickets."""

    refunds: int
    tickets: int


class AdmissionFigures(Struct, frozen=True, kw_only=True):
    """How many people the kept tickets admit, and how many people are inside. `progress` is the ratio, or null if nobody is expected."""

    people_expected: int
    people_admitted: int
    progress: float | None


class TierAdmission(Struct, frozen=True, kw_only=True):
    """How many people one tier's kept tickets admit, and how many of these people are inside."""

    tier_id: str
    tier_name: str | None
    people_expected: int
    people_admitted: int


class EventAdmissionView(AdmissionFigures, frozen=True, kw_only=True):
    """The progress of an event's admission for door staff, without any figures about money."""

    event_id: str
    tiers: list[TierAdmission]


class GateFigures(Struct, frozen=True):
    """How many of the people inside came in at this gate. `gate` is null for check-ins without a gate."""

    gate: str | None
    people_admitted: int


class AnalyticsView(Struct, frozen=True, kw_only=True):
    """The figures of an event, at most a few seconds old. `gates` lists the 50 busiest gates.

    `payment_success_rate` is the share of payment attempts that succeeded. `purchase_success_rate` is the share of ended purchases that
    became orders. `waitlist_conversion` is the share of ended waitlist offers that were paid. A rate is null while its denominator is 0.
    `capacity` is the limit across all tiers, or null if the event has no such limit.
    """

    event_id: str
    event_name: str
    capacity: int | None
    revenue: list[RevenueFigures]
    tickets_sold: int
    tiers: list[TierFigures]
    by_hour: list[HourFigures]
    funnel: FunnelFigures
    conversion: ConversionRates
    refunds: RefundFigures
    admission: AdmissionFigures
    gates: list[GateFigures]
    payment_success_rate: float | None
    purchase_success_rate: float | None
    waitlist_conversion: float | None


class FiguresQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The ids of up to 50 events, separated by commas."""

    event_ids: Annotated[
        str,
        Meta(
            max_length=15_000,
            pattern=rf"^{FORM}(,{FORM}){{0,49}}\Z",
            examples=["summits-v-harbor"],
            description="Ids of up to 50 events, separated by commas.",
        ),
    ]


class EventFigures(Struct, frozen=True, kw_only=True):
    """The number of an event's tickets that were sold and not returned, and its revenue.

    `balance_cents` is the revenue by currency, after refunds and disputes, but before the provider's fees. `capacity` is null if there is
    no limit.
    """

    event_id: str
    tickets_kept: int
    capacity: int | None
    balance_cents: dict[str, int]


class FiguresView(Struct, frozen=True):
    events: list[EventFigures]


class SaleTotals(Struct, frozen=True, kw_only=True):
    """Sales totals of an event. `kept` counts tickets sold and not returned, by tier. `balance_cents` is in minor units of `currency`."""

    kept: dict[str, int]
    balance_cents: int
    currency: str
    by_hour: list[HourFigures]


def event_analytics(event: Event, query: AnalyticsQuery, now: int) -> AnalyticsView:
    """Return the figures of an event. Raises InvalidInput if the period ends before it begins or is too long."""
    first_day, last_day = _days(query, now)
    (parts, days), (room, conversion) = parallel.both(
        lambda: _load_figures(event.id, first_day, last_day, TOTALS, GATES),
        lambda: parallel.both(lambda: waiting_room.admin_overview(event, now), lambda: _waitlist_conversion(event.id)),
    )
    totals = parts.get(TOTALS, {})
    funnel = _funnel(room, totals)
    tiers = _tiers(event, totals)
    captured, declined = _entry_count(totals, "captured"), _entry_count(totals, "declined")
    ended = funnel.orders + funnel.expired + funnel.cancelled + funnel.declined + funnel.rejected
    return AnalyticsView(
        event_id=event.id,
        event_name=event.name,
        capacity=event.capacity,
        revenue=_revenue(totals),
        tickets_sold=sum(tier.sold for tier in tiers),
        tiers=tiers,
        by_hour=_by_hour(days),
        funnel=funnel,
        conversion=ConversionRates(
            queue_to_hold=_share(funnel.reservations, funnel.admitted),
            hold_to_checkout=_share(funnel.checkouts, funnel.reservations),
            checkout_to_order=_share(funnel.orders, funnel.checkouts),
            hold_to_order=_share(funnel.orders, funnel.reservations),
        ),
        refunds=RefundFigures(refunds=totals.get("refunds", 0), tickets=sum(tier.returned for tier in tiers)),
        admission=_admission(tiers),
        gates=_gates(parts.get(GATES, {})),
        payment_success_rate=_share(captured, captured + declined),
        purchase_success_rate=_share(funnel.orders, ended),
        waitlist_conversion=conversion,
    )


def _waitlist_conversion(event_id: str) -> float | None:
    if not addons.is_on("waitlist"):
        return None
    from chalicelib.addons.waitlist.store import find_line

    line = find_line(event_id)
    return line.conversion if line is not None else None


def purchases_and_takings(event_id: str) -> tuple[PurchaseFigures, list[RevenueFigures]]:
    """Return the purchase figures of an event, and its revenue by provider and currency. Takes two round trips."""
    totals = store.load_totals(store.load_generations().current, event_id)
    return PurchaseFigures(**_purchase_counts(totals)), _revenue(totals)


def revenue_totals(event_id: str) -> list[RevenueTotals]:
    """Return the totals of an event's ledger entries, by provider and currency. Takes two round trips."""
    return _ledger_totals(store.load_totals(store.load_generations().current, event_id))


def event_figures(identity: Identity, query: FiguresQuery) -> FiguresView:
    """Return the figures of the events whose money the caller may see, in the order of the query. Takes two round trips."""
    known = catalog.snapshot().events
    wanted = [known[event_id] for event_id in dict.fromkeys(query.event_ids.split(",")) if event_id in known]
    events = [event for event in wanted if permissions.may_see_money(identity, event.id)]
    totals = store.load_many_totals(store.load_generations().current, [event.id for event in events]) if events else {}
    return FiguresView([_event_figures(event, totals.get(event.id, {})) for event in events])


def _event_figures(event: Event, totals: Mapping[str, int]) -> EventFigures:
    balance: Counter[str] = Counter()
    for revenue in _revenue(totals):
        balance[revenue.currency] += revenue.balance_cents
    limits = [tier.capacity for tier in catalog.snapshot().event_tiers(event.id)]
    summed = None if None in limits else sum(filter(None, limits))
    kept = sum(tier.kept for tier in _tiers(event, totals))
    return EventFigures(
        event_id=event.id,
        tickets_kept=kept,
        capacity=event.capacity if event.capacity is not None else summed,
        balance_cents=dict(balance),
    )


def sale_totals(event: Event, query: AnalyticsQuery | None = None, now: int = 0) -> SaleTotals:
    """Return the sales totals of an event and, if there is a query, its sales by hour. Raises what `event_analytics` raises."""
    days: Figures = {}
    if query is None:
        totals = store.load_totals(store.load_generations().current, event.id)
    else:
        parts, days = _load_figures(event.id, *_days(query, now), TOTALS)
        totals = parts.get(TOTALS, {})
    revenue = _revenue(totals)
    tiers = catalog.snapshot().event_tiers(event.id)
    currency = next((tier.currency for tier in tiers), revenue[0].currency if revenue else "USD")
    return SaleTotals(
        kept={tier.tier_id: tier.kept for tier in _tiers(event, totals)},
        balance_cents=sum(figures.balance_cents for figures in revenue if figures.currency == currency),
        currency=currency,
        by_hour=_by_hour(days),
    )


def event_admission(event: Event) -> EventAdmissionView:
    """Return how many people are expected at an event, and how many are inside, in total and by tier."""
    tiers = _tiers(event, store.load_totals(store.load_generations().current, event.id))
    tier_admissions = [TierAdmission(**{name: getattr(tier, name) for name in TierAdmission.__struct_fields__}) for tier in tiers]
    return EventAdmissionView(event_id=event.id, tiers=tier_admissions, **asdict(_admission(tiers)))


def _admission(tiers: list[TierFigures]) -> AdmissionFigures:
    expected, admitted = sum(tier.people_expected for tier in tiers), sum(tier.people_admitted for tier in tiers)
    return AdmissionFigures(people_expected=expected, people_admitted=admitted, progress=_share(admitted, expected))


def _gates(people: Mapping[str, int]) -> list[GateFigures]:
    """Return the busiest gates, busiest first. Leaves out gates whose check-ins were all undone."""
    counts = [GateFigures(name.removeprefix(GATE) or None, count) for name, count in people.items() if count]
    return sorted(counts, key=lambda gate: (-gate.people_admitted, gate.gate or ""))[:MAX_GATES]


def _load_figures(event_id: str, first_day: date, last_day: date, *parts: str) -> tuple[Figures, Figures]:
    """Load these parts of an event's figures, and the event's figures for these days."""
    generation = store.load_generations().current
    return store.load_parts(generation, event_id, parts), store.load_days(generation, event_id, first_day.isoformat(), last_day.isoformat())


def _days(query: AnalyticsQuery, now: int) -> tuple[date, date]:
    last_day = query.last_day or max(date.fromisoformat(clock.iso(now)[:10]), query.first_day or date.min)
    first_day = query.first_day or last_day - timedelta(days=min(DEFAULT_DAYS - 1, last_day.toordinal() - 1))
    if first_day > last_day:
        raise InvalidInput("`to` must not be before `from`.", path="to")
    if (last_day - first_day).days >= MAX_DAYS:
        raise InvalidInput(f"The period is longer than {MAX_DAYS} days. Request it in parts.", path="from")
    return first_day, last_day


def _funnel(room: AdminRoomView | None, totals: Mapping[str, int]) -> FunnelFigures:
    return FunnelFigures(joined=room.total if room else None, admitted=room.admitted if room else None, **_purchase_counts(totals))


def _purchase_counts(totals: Mapping[str, int]) -> dict[str, int]:
    return {name: totals.get(name, 0) for name in PurchaseFigures.__struct_fields__}


def _tiers(event: Event, totals: Mapping[str, int]) -> list[TierFigures]:
    """Return the figures of the event's tiers, and of sold tiers that are no longer in the catalog."""
    present = {tier.id: tier for tier in catalog.snapshot().event_tiers(event.id)}
    sold_ids = sorted({name.split("#")[1] for name in totals if name.startswith("tier#")} - present.keys())
    figures = []
    for tier_id in (*present, *sold_ids):
        tier, prefix = present.get(tier_id), f"tier#{tier_id}"
        sold, returned = totals.get(f"{prefix}#sold", 0), totals.get(f"{prefix}#returned", 0)
        gross = {name.split("#")[3]: cents for name, cents in totals.items() if name.startswith(f"{prefix}#gross#")}
        figures.append(
            TierFigures(
                tier_id=tier_id,
                tier_name=tier.name if tier else None,
                capacity=tier.capacity if tier else None,
                sold=sold,
                returned=returned,
                kept=sold - returned,
                complimentary=totals.get(f"{prefix}#complimentary", 0),
                people_expected=totals.get(f"{prefix}#admits", 0) - totals.get(f"{prefix}#returned_admits", 0),
                people_admitted=totals.get(f"{prefix}#admitted", 0),
                gross_cents=gross,
            )
        )
    return figures


def _by_hour(days: Figures) -> list[HourFigures]:
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: {"sold": 0, "admitted": 0})
    gross: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for part, numbers in days.items():
        for name, number in numbers.items():
            hour, kind, *rest = name.split("#")
            if kind != "tier":
                continue
            key = (f"{part.partition('#')[2]}T{hour}:00:00Z", rest[0])
            if rest[1] == "gross":
                gross[key][rest[2]] = number
            else:
                counts[key][rest[1]] += number
    return [
        HourFigures(
            hour=key[0], tier_id=key[1], sold=counts[key]["sold"], people_admitted=counts[key]["admitted"], gross_cents=gross.get(key, {})
        )
        for key in sorted({*counts, *gross})
    ]


def _revenue(totals: Mapping[str, int]) -> list[RevenueFigures]:
    """Return the revenue by provider and currency. Leaves out combinations for which no money moved."""
    moved = {tuple(name.split("#")[1:3]) for name in totals if name.startswith("money#") and name.endswith("#cents")}
    return [
        RevenueFigures(**{name: getattr(found, name) for name in RevenueFigures.__struct_fields__})
        for found in _ledger_totals(totals)
        if (found.provider, found.currency) in moved
    ]


def _ledger_totals(totals: Mapping[str, int]) -> list[RevenueTotals]:
    taxes: dict[tuple[str, str], list[TaxShare]] = defaultdict(list)
    sums: dict[tuple[str, str], dict[str, Counter[EntryKind]]] = defaultdict(lambda: {"cents": Counter(), "count": Counter()})
    for name, number in totals.items():
        if name.startswith("money#"):
            _, provider, currency, kind, unit = name.split("#")
            sums[provider, currency][unit][msgspec.convert(kind, EntryKind)] += number
        elif name.startswith("tax#"):
            _, provider, currency, percent, unit = name.split("#")
            taxes[provider, currency].append(TaxShare(percent, *((number, 0) if unit == "gross" else (0, number))))
    return [
        ledger.revenue_totals(*key, sums[key]["cents"], sums[key]["count"], taxes[key], totals.get(f"included_fee#{'#'.join(key)}", 0))
        for key in sorted(sums)
    ]


def _entry_count(totals: Mapping[str, int], kind: str) -> int:
    """Return the number of ledger entries of a kind."""
    return sum(number for name, number in totals.items() if name.startswith("money#") and name.endswith(f"#{kind}#count"))


def _share(part: int, whole: int | None) -> float | None:
    return round(part / whole, 4) if whole else None
