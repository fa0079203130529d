"""Export all data of a promoter: the content of an archive, read from the tables.

The archive has no user ids, passwords, keys or sessions. It has the codes of tickets that are valid, so it is as confidential as the
tickets themselves.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, to_builtins
from msgspec.structs import replace

from bootstrap import event_export
from bootstrap.promoter_archive import Member
from bootstrap.sale_import import name_uniquely, without_empty
from bootstrap.ticket_file import FIELDS
from chalicelib.accounts import members, profiles
from chalicelib.accounts import service as accounts
from chalicelib.accounts.profiles import LegalText, Promoter
from chalicelib.addons.waitlist.store import read_pages
from chalicelib.bootstrap_file.validation import Tree
from chalicelib.catalog.forms import Color
from chalicelib.catalog.model import Catalog, Event, Holdback, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.edge.csv_replies import csv_text
from chalicelib.foundation import addons, clock
from chalicelib.inventory.availability import read_stock
from chalicelib.promoters.api import LegalTextBody, ProfileFields
from chalicelib.promotions import service as promotions
from chalicelib.purchases import queries
from chalicelib.purchases.model import Buyer, CheckoutDetails, Purchase
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.store import iterate_ticket_ids, load_tickets, position_at

PROFILE_FIELDS = ProfileFields.__struct_fields__
TEAM_COLUMNS, WAITING_COLUMNS = ("event", "email", "role"), ("email", "tier")
NO_MORE_THAN = 10_000  # members of an event
LEFT_OUT = (
    "passwords, sessions, API keys, webhook endpoints and payment accounts",
    "bank account, details for invoices, and taxes of the promoter",
    "invoices, the money ledger, disputes and payouts",
    "uses of promo codes, places in waiting rooms, announcements and the audit log",
    "codes of guests of seats, and transfers and resales that are open",
)


class Profile(ProfileFields, kw_only=True, forbid_unknown_fields=True):
    """`promoter.json`: the profile, the colors and the legal texts of a promoter."""

    color: Color | None = None
    dark_color: Color | None = None
    legal_texts: Annotated[list["TextEntry"], Meta(max_length=profiles.MAX_LEGAL_TEXTS)] = []


class TextEntry(LegalTextBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A legal text, as plain text or as the address of a page."""

    kind: profiles.LegalKind
    language: Annotated[str, Meta(pattern=r"\A[a-z]{2}\Z")]


def export_members(promoter: Promoter, current: Catalog, stage: str, left_out: list[str]) -> Iterator[Member]:
    """Yield the files of a promoter's archive, and add to `left_out` what they lack."""
    events = [event for event in current.events.values() if event.promoter_id == promoter.id and is_kept(event)]
    left_out += LEFT_OUT
    yield Member("promoter.json", "", [_json(_profile(promoter, current))])
    team = [(event.id, person.email_key, person.role) for event in events for person in members.list_members(event.id, NO_MORE_THAN, None)]
    yield _table("team.csv", TEAM_COLUMNS, team)
    for event in sorted(events, key=lambda event: event.id):
        exported = event_export.to_document(current, event, promotions.list_codes(event.id), stage)
        left_out += exported.differences
        yield Member(f"events/{event.id}.json", "", [_json(_movable(exported.tree, event, current, left_out))])
        rows: list[Mapping[str, str]] = []
        yield Member(f"orders/{event.id}.jsonl", "", _orders(event, current, rows, left_out))
        yield _table(
            f"tickets/{event.id}.csv", tuple(FIELDS), ([row[field] for field in FIELDS] for row in sorted(rows, key=itemgetter("code")))
        )
        yield _table(f"waiting/{event.id}.csv", WAITING_COLUMNS, _waiting(event.id, left_out))


def is_kept(event: Event) -> bool:
    """Return whether the catalog still shows an event to its promoter."""
    return not event.removed and event.deleted_at is None


def _profile(promoter: Promoter, current: Catalog) -> Profile:
    brand = current.choices_of(promoter.id).brand
    texts = [text for entry in profiles.list_legal_texts(promoter.id) if (text := profiles.find_legal_text(entry.id)) is not None]
    fields = {name: getattr(promoter, name) for name in PROFILE_FIELDS}
    return Profile(**fields, color=brand.color, dark_color=brand.dark_color, legal_texts=list(map(_text_entry, texts)))


def _text_entry(text: LegalText) -> TextEntry:
    return TextEntry(kind=text.kind, language=text.language, url=text.url, text=text.text)


def _movable(tree: Tree, event: Event, current: Catalog, left_out: list[str]) -> Tree:
    """Return the document of an event without ids of other systems, and with the addresses of uploaded images.

    Tickets that were issued from a holdback move as sold tickets, so the holdback has only the others.
    """
    entry = tree["events"][event.id]
    entry["metadata"] = {key: value for key, value in entry["metadata"].items() if key != "promoter_id"} | (
        {"image_url": event.image_url} if event.image_url else {}
    )
    holdbacks = {tier_id: _unissued(current.tiers[tier_id]) for tier_id in tree["ticket_types"]}
    for tier_id, ticket in tree["ticket_types"].items():
        changes = {"image_url": current.tiers[tier_id].image_url, "holdbacks": to_builtins(holdbacks[tier_id]), "stripe_price_id": None}
        tree["ticket_types"][tier_id] = without_empty(**{**ticket, **changes})
    name_uniquely(tree["ticket_types"].values())
    codes = entry.pop("promo_codes", [])
    ids = {holdback.id for held in holdbacks.values() for holdback in held}
    kept = [code for code in codes if code.get("holdback_id") is None or code["holdback_id"] in ids]
    left_out += [f"promo code {code['code']}: its holdback was sold or released" for code in codes if code not in kept]
    return {**tree, "events": {event.id: {**entry, **without_empty(promo_codes=kept)}}}


def _unissued(tier: Tier) -> list[Holdback]:
    """Return the holdbacks that are not released, with the tickets that were not issued from them."""
    stocks = read_stock({tier.holdback_stock_id(holdback_id): 1 for holdback_id in tier.issuing})
    issued = {holdback_id: stock.sold for holdback_id in tier.issuing if (stock := stocks.get(tier.holdback_stock_id(holdback_id)))}
    left = [replace(holdback, quantity=holdback.quantity - issued.get(holdback.id, 0)) for holdback in tier.active_holdbacks]
    return [holdback for holdback in left if holdback.quantity > 0]


def _orders(event: Event, current: Catalog, rows: list[Mapping[str, str]], left_out: list[str]) -> Iterator[str]:
    """Yield the orders of an event as lines of JSON, and add its valid tickets to `rows`, the rows of `import-tickets`."""
    by_order: dict[str, list[str]] = defaultdict(list)
    cancelled = {tier.id for tier in current.event_tiers(event.id) if event.for_tiers([tier]).status == "cancelled"}
    for ticket_id, _ in iterate_ticket_ids(event.id, position_at(0)):
        by_order[ticket_id.rpartition("-")[0]].append(ticket_id)
    order_ids = sorted(by_order)
    for begin in range(0, len(order_ids), dynamo.MAX_BATCH_GET):
        portion = order_ids[begin : begin + dynamo.MAX_BATCH_GET]
        loaded, unreadable = queries.load_readable(portion)
        left_out += [f"order {order_id}: cannot be read by this release" for order_id in sorted(unreadable)]
        orders = [order for order_id in portion if (order := loaded.get(order_id)) is not None]
        tickets = {ticket.id: ticket for ticket in load_tickets(ticket_id for order_id in portion for ticket_id in by_order[order_id])}
        details, buyers = queries.load_many_details(orders), queries.load_buyers(orders)
        for order in orders:
            own = sorted((tickets[key] for key in by_order[order.id] if key in tickets), key=lambda ticket: ticket.number)
            yield _json_line(_order(order, buyers[order.id], details.get(order.id, CheckoutDetails()), own))
            rows += [
                _ticket_row(ticket, order, buyers[order.id])
                for ticket in own
                if ticket.state == "valid" and ticket.tier_id not in cancelled
            ]


def _order(order: Purchase, buyer: Buyer, details: CheckoutDetails, tickets: Sequence[Ticket]) -> dict[str, Any]:
    is_erased = order.is_erased
    return {
        "id": order.id,
        "state": order.state,
        "created_at": clock.iso(order.created_at),
        "provider": order.payment.provider if order.payment is not None else None,
        "currency": order.currency,
        "total_cents": order.total_cents,
        "promo_code": order.promo_code,
        "language": order.language,
        "buyer": {"name": buyer.name, "email": buyer.email},
        "answers": [] if is_erased else [_answer(answer) for answer in details.answers],
        "responses": {} if is_erased else details.responses,
        "invoice": None if is_erased else to_builtins(details.invoice),
        "lines": [
            {"tier_id": line.tier_id, "quantity": line.quantity, "price_cents": line.price_cents, "discount_cents": line.discount_cents}
            for line in order.lines
        ],
        "refunds": [
            {"amount_cents": refund.amount_cents, "status": refund.status, "at": clock.iso(refund.at), "tickets": refund.tickets}
            for refund in order.refunds
        ],
        "tickets": list(map(_ticket, tickets)),
    }


def _answer(answer: Any) -> dict[str, Any]:
    return {"label": answer.label, "value": to_builtins(answer.value), "tier_id": answer.tier_id, "ticket": answer.ticket}


def _ticket(ticket: Ticket) -> dict[str, Any]:
    return {
        "number": ticket.number,
        "tier_id": ticket.tier_id,
        "code": ticket.code if ticket.state != "void" else None,
        "state": ticket.state,
        "void_reason": ticket.void_reason,
        "price_cents": ticket.price_cents,
        "admits": ticket.admits,
        "attendee": to_builtins(ticket.attendee),
        "guests": [{"seat": guest.seat, "name": guest.name} for guest in ticket.guests],
        "checkins": [{"at": clock.iso(scan.at), "count": scan.count, "gate": scan.gate} for scan in ticket.checkins],
    }


def _ticket_row(ticket: Ticket, order: Purchase, buyer: Buyer) -> dict[str, str]:
    """Return the row of `import-tickets`. The owner's address finds the ticket, even if somebody else bought it."""
    address = buyer.email
    if ticket.owner_id != order.user_id:
        account = accounts.find_account(ticket.owner_id)
        address = queries.find_owner_email(ticket.id) or (account.email if account is not None else None)
    name, email = (ticket.attendee.name, ticket.attendee.email) if ticket.attendee is not None else ("", None)
    return {"code": ticket.code, "tier": ticket.tier_id, "name": name, "email": email or "", "buyer_email": address or ""}


def _waiting(event_id: str, left_out: list[str]) -> Iterator[Sequence[str]]:
    """Yield the address and the tiers of each person who waits, once for each ticket, in order of arrival."""
    without_account = 0
    for page in read_pages(event_id) if addons.is_on("waitlist") else ():
        owners = {account.user_id: account.email for account in accounts.find_accounts(place.entry.user_id for place in page)}
        for entry in (place.entry for place in page):
            if email := owners.get(entry.user_id):
                yield from ((email, tier_id) for _ in range(entry.quantity) for tier_id in entry.tier_ids)
            else:
                without_account += 1
    left_out += [f"event {event_id}: {without_account} people on the waitlist without an account"] if without_account else []


def _table(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Member:
    return Member(name, csv_text(columns, ()), (csv_text(None, [row]) for row in rows))


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def _json_line(value: Any) -> str:
    return msgspec.json.encode(value).decode() + "\n"
