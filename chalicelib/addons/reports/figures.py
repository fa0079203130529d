"""Compute what each purchase, ledger entry and ticket adds to the figures of its event, using only its current state.

Figures are named numbers in parts: `totals`; `gates`, the people inside by gate; a part for each promo code, `promo#EARLY`; and a part
for each day, `day#2026-11-21`, with the hour in each name. The projector stores what a purchase added. When the purchase changes, the
projector adds the difference, so the figures stay correct even if changes are missed, delivered twice or counted again.
"""

from collections import Counter, defaultdict

from chalicelib.foundation import clock
from chalicelib.ledger.model import SIGNS, LedgerEntry
from chalicelib.purchases.model import Purchase
from chalicelib.tickets.model import Ticket

Figures = dict[str, dict[str, int]]  # part -> name -> number

TOTALS = "totals"
GATES = "gates"
DAY = "day#"  # the prefix of a day's part
GATE = "gate#"  # the prefix of a gate's name
OTHER_GATES = f"{GATE}other"
MAX_GATES = 200  # per event: people can type any number of names, but one item has to hold all figures of a part


def purchase_figures(purchase: Purchase) -> Figures:
    """Return the progress of a purchase, and its sold and returned tickets by tier.

    Complimentary tickets are counted separately, because nobody bought them, but their holders are expected.
    """
    if purchase.is_complimentary:
        return {TOTALS: _complimentary_figures(purchase)}
    totals: Counter[str] = Counter({"reservations": 1})
    totals["checkouts"] += purchase.checkout_at is not None or purchase.was_order  # an imported order had no checkout here
    totals["expired"] += purchase.state == "expired"
    totals["declined"] += purchase.is_declined
    totals["cancelled"] += purchase.state == "cancelled" and not purchase.is_declined
    totals["rejected"] += purchase.state == "refunded" and not purchase.was_order
    figures: Figures = {TOTALS: totals}
    if purchase.was_order:
        hours: Counter[str] = Counter()
        day, hour = _day_and_hour(purchase.ended_at or purchase.created_at)
        totals["orders"] += 1
        totals["refunds"] += sum(1 for refund in purchase.refunds if refund.tickets)
        for line in purchase.lines:
            totals[f"tier#{line.tier_id}#sold"] += line.quantity
            totals[f"tier#{line.tier_id}#admits"] += line.quantity * line.admits
            totals[f"tier#{line.tier_id}#gross#{purchase.currency}"] += line.total_cents
            hours[f"{hour}#tier#{line.tier_id}#sold"] += line.quantity
            hours[f"{hour}#tier#{line.tier_id}#gross#{purchase.currency}"] += line.total_cents
        for number in purchase.returned_tickets:
            line = purchase.ticket_line(number)
            totals[f"tier#{line.tier_id}#returned"] += 1
            totals[f"tier#{line.tier_id}#returned_admits"] += line.admits
        figures[day] = hours
        if purchase.promo_code is not None:
            figures[promo_part(purchase.promo_code)] = _promo_figures(purchase)
    return {part: {name: number for name, number in numbers.items() if number} for part, numbers in figures.items()}


def _complimentary_figures(order: Purchase) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for number in range(1, order.quantity + 1):
        line = order.ticket_line(number)
        is_revoked = number in order.returned_tickets
        totals[f"tier#{line.tier_id}#complimentary"] += not is_revoked
        totals[f"tier#{line.tier_id}#admits"] += line.admits
        totals[f"tier#{line.tier_id}#returned_admits"] += line.admits if is_revoked else 0
    return {name: number for name, number in totals.items() if number}


def promo_part(promo_code: str) -> str:
    """Return the part for a promo code. Each code has its own part because an event may have thousands of codes."""
    return f"promo#{promo_code}"


def _promo_figures(order: Purchase) -> dict[str, int]:
    """Return the figures that an order adds to its promo code. The names of amounts include the currency."""
    payment_id = order.payment.payment_intent_id if order.payment is not None else None
    return {
        "uses": 1,
        "sold": order.quantity,
        "returned": len(order.returned_tickets),
        f"discount#{order.currency}": order.discount_cents,
        f"revenue#{order.currency}": order.total_cents,
        f"refunded#{order.currency}": order.refunded_total(payment_id, include_due=True),
    }


def entry_figures(entry: LedgerEntry) -> Figures:
    """Return the money that a ledger entry moved, by provider and currency, and a count of one for the entry's kind.

    Taxes are summed by rate only, because exemptions may have any number of reasons.
    """
    key = f"money#{entry.provider}#{entry.currency}"
    figures = {TOTALS: {f"{key}#{entry.kind}#count": 1}}
    if SIGNS[entry.kind] and entry.amount_cents:
        day, hour = _day_and_hour(entry.at)
        figures[TOTALS][f"{key}#{entry.kind}#cents"] = entry.amount_cents
        figures[day] = {f"{hour}#{key}#cents": entry.amount_cents}
    included = Counter({f"included_fee#{entry.provider}#{entry.currency}": entry.included_fee_cents})
    for share in entry.taxes:
        included[f"tax#{entry.provider}#{entry.currency}#{share.percent}#gross"] += share.gross_cents
        included[f"tax#{entry.provider}#{entry.currency}#{share.percent}#tax"] += share.tax_cents
    figures[TOTALS].update({name: number for name, number in included.items() if number})
    return figures


def ticket_figures(ticket: Ticket) -> Figures:
    """Return how many people are inside with a ticket, by tier and by gate, and how many people arrived with it in each hour.

    A check-in without a gate has an empty gate name. People who went out and came back count once, in the hour of their first check-in.
    """
    if not ticket.checkins:
        return {}
    figures: Figures = {TOTALS: {f"tier#{ticket.tier_id}#admitted": ticket.inside_count}}
    for checkin in ticket.first_entries:
        day, hour = _day_and_hour(checkin.at)
        name = f"{hour}#tier#{ticket.tier_id}#admitted"
        numbers = figures.setdefault(day, {})
        numbers[name] = numbers.get(name, 0) + checkin.count
    for checkin in ticket.checkins_inside:
        gates = figures.setdefault(GATES, {})
        gate = f"{GATE}{checkin.gate or ''}"
        gates[gate] = gates.get(gate, 0) + checkin.count
    return figures


def limit_gates(figures: Figures, known: set[str]) -> Figures:
    """Return the figures with each gate beyond MAX_GATES counted as OTHER_GATES. Adds new gates within the limit to `known`."""
    gates: Counter[str] = Counter()
    for name, number in figures.get(GATES, {}).items():
        if len(known) < MAX_GATES:
            known.add(name)
        gates[name if name in known or name == GATE else OTHER_GATES] += number
    return {**figures, GATES: dict(gates)} if gates else figures


def difference(after: Figures, before: Figures) -> Figures:
    """Return the figures that must be added to `before` to get `after`, without zeros."""
    result: Figures = defaultdict(dict)
    for part in {*after, *before}:
        new, old = after.get(part, {}), before.get(part, {})
        for name in {*new, *old}:
            if change := new.get(name, 0) - old.get(name, 0):
                result[part][name] = change
    return dict(result)


def total(parts: list[Figures]) -> Figures:
    """Return the sum of figures, without zeros."""
    result: dict[str, Counter[str]] = defaultdict(Counter)
    for figures in parts:
        for part, numbers in figures.items():
            for name, number in numbers.items():
                result[part][name] += number
    summed = {part: {name: number for name, number in numbers.items() if number} for part, numbers in result.items()}
    return {part: numbers for part, numbers in summed.items() if numbers}


def _day_and_hour(at: int) -> tuple[str, str]:
    """Return the part for the day of a time, and the hour in two digits, both in UTC."""
    text = clock.iso(at)
    return f"{DAY}{text[:10]}", text[11:13]
