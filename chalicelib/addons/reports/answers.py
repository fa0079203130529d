"""The answers of buyers and guests to the questions of an event's packages: counts by choice, and a list of texts.

Buyers' answers are read from their checkouts, and guests' answers from their tickets. There is no copy, so an erased answer appears in no
report. Each answer keeps the label that its question had at the time, so the answer stays readable if the question is changed or deleted.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from chalicelib.addons.reports import store
from chalicelib.addons.reports.audit_views import record_reading
from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import AnswerValue, AskedPer, OptionType
from chalicelib.catalog.model import Event
from chalicelib.edge import cursors
from chalicelib.edge.csv_replies import Cell, csv_part
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Reply
from chalicelib.foundation import clock, ids, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.ids import Id
from chalicelib.purchases import queries
from chalicelib.purchases.model import CheckoutDetails, Purchase
from chalicelib.tickets import seats
from chalicelib.tickets.model import Seat, ticket_id
from chalicelib.tickets.store import load_readable_tickets

Asked = Literal["buyer", "guest"]


# Add new columns at the end: programs may read the file by column position.
COLUMNS = ("at", "order_id", "user_id", "package_id", "package", "ticket", "option_id", "label", "answer", "seat", "guest")

MAX_SEATS = 2000  # in the orders of a page; each seat may have a guest with answers


class GivenAnswer(Struct, frozen=True, kw_only=True):
    """An answer with the label that its question had at the time. `ticket` is None if the answer is about the whole order.

    `seat` and `guest` are the seat and the name of the guest who answered; both are None if the buyer answered. `option_id` is None for a
    text that belongs to no option.
    """

    purchase: Purchase
    tier_id: str
    option_id: str | None
    option_type: OptionType
    label: str
    value: AnswerValue
    ticket: int | None
    seat: int | None = None
    guest: str | None = None

    @property
    def asked(self) -> Asked:
        """Who answered: the buyer or a guest."""
        return "buyer" if self.seat is None else "guest"

    @property
    def chosen(self) -> list[str]:
        """The choices of the answer. The list is empty for a text answer."""
        if isinstance(self.value, list):
            return self.value
        return [] if isinstance(self.value, str) else ["true" if self.value else "false"]

    @property
    def text(self) -> str:
        """The answer in one line."""
        return self.value if isinstance(self.value, str) else "; ".join(self.chosen)


def load_answers(purchases: Sequence[Purchase]) -> list[GivenAnswer]:
    """Load the answers of orders, order by order: first the buyer's answers, then the guests' answers."""
    details, guests = parallel.both(lambda: queries.load_many_details(purchases), lambda: _load_guests(purchases))
    given: list[GivenAnswer] = []
    for purchase in purchases:
        if purchase.id in details:
            given += buyer_answers(purchase, details[purchase.id])
        for seat in guests.get(purchase.id, []):
            given += guest_answers(purchase, seat)
    return given


def kept_ticket_numbers(purchase: Purchase, tier_id: str) -> list[int]:
    """Return the numbers of a tier's tickets that were not returned."""
    return [number for number in purchase.kept_tickets if purchase.ticket_line(number).tier_id == tier_id]


def _load_guests(purchases: Sequence[Purchase]) -> dict[str, list[Seat]]:
    """Load the seats that have a guest, by order id. Leaves out the seats of returned tickets."""
    ids = [ticket_id(purchase.id, number) for purchase in purchases for number in purchase.kept_tickets]
    issued = sorted(load_readable_tickets(ids), key=lambda ticket: ticket.number)
    found: dict[str, list[Seat]] = {}
    for seat in seats.list_seats((ticket, guest.seat) for ticket in issued for guest in ticket.guests):
        found.setdefault(seat.ticket.purchase_id, []).append(seat)
    return found


def buyer_answers(purchase: Purchase, details: CheckoutDetails) -> Iterator[GivenAnswer]:
    """Iterate over the buyer's answers. Leaves out answers that concern only returned tickets."""
    for answer in details.answers:
        if answer.ticket in purchase.kept_tickets if answer.ticket is not None else kept_ticket_numbers(purchase, answer.tier_id):
            yield GivenAnswer(
                purchase=purchase,
                tier_id=answer.tier_id,
                option_id=answer.option_id,
                option_type=answer.option_type,
                label=answer.label,
                value=answer.value,
                ticket=answer.ticket,
            )


def guest_answers(purchase: Purchase, seat: Seat) -> Iterator[GivenAnswer]:
    """Iterate over the answers of the guest of a seat."""
    details, guest, ticket = seat.details, seat.guest, seat.ticket
    if details is None or guest is None:
        return
    for answer in details.option_answers:
        yield GivenAnswer(
            purchase=purchase,
            tier_id=ticket.tier_id,
            option_id=answer.option_id,
            option_type=answer.option_type,
            label=answer.label,
            value=answer.value,
            ticket=ticket.number,
            seat=seat.number,
            guest=guest.name,
        )
    for question, text in details.answers.items():
        yield GivenAnswer(
            purchase=purchase,
            tier_id=ticket.tier_id,
            option_id=None,
            option_type="text_input",
            label=question,
            value=text,
            ticket=ticket.number,
            seat=seat.number,
            guest=guest.name,
        )


class AnswersQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which answers to show: the answers to all questions, to the questions of one package, or to one question.

    A page covers up to `limit` orders, newest first. It covers fewer orders if they have many seats or long answers.
    """

    package_id: Id | None = None
    option_id: Annotated[str, Meta(max_length=100)] | None = None
    format: Literal["json", "csv"] = "json"
    bom: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    cursor: Cursor | None = None


class ChoiceCount(Struct, frozen=True):
    """The number of answers with this choice."""

    choice: str
    count: int


class OptionAnswers(Struct, frozen=True, kw_only=True):
    """The answers of buyers or guests to a question. A `boolean` has the choices `true` and `false`; a `text_input` has no choices.

    `unanswered` counts the orders or tickets without an answer. For a question for guests, it counts the seats without an answer, including
    seats without a guest. It is null if the question no longer exists, has another type now, or is now asked of other people.
    """

    package_id: str
    option_id: str
    option_type: OptionType
    label: str
    asked: Asked
    answered: int
    unanswered: int | None
    choices: list[ChoiceCount]


class TextAnswer(Struct, frozen=True, kw_only=True):
    """The text answer of a buyer, or of the guest of a `seat`, with the label that its question had at the time.

    `ticket` is null if the answer is about the whole order. `option_id` is null if a guest's answer belongs to no option.
    """

    order_id: str
    package_id: str
    option_id: str | None
    label: str
    ticket: int | None
    seat: int | None
    guest: str | None
    value: str
    at: Timestamp


class AnswersView(Struct, frozen=True, kw_only=True):
    """The answers from a page of orders. The counts cover only the `orders` on this page, so add up the counts of all pages.

    Returned orders and tickets are left out. `next_cursor` is null on the last page.
    """

    orders: int
    options: list[OptionAnswers]
    texts: list[TextAnswer]
    next_cursor: str | None


class _Key(NamedTuple):
    """The key of a question. It includes the question's type, because a question whose type has changed counts as a different question."""

    tier_id: str
    option_id: str
    option_type: OptionType
    asked: Asked


def answers_reply(event: Event, query: AnswersQuery, reader: str, now: int) -> Reply[AnswersView | str]:
    """Return a page of answers as JSON or CSV, and record in the audit log that `reader` has read it. Raises InvalidInput."""
    purchases, next_cursor = _find_orders(event.id, query)
    given = [answer for answer in load_answers(purchases) if _is_wanted(answer.tier_id, answer.option_id, query)]
    by_order: dict[str, list[TextAnswer]] = {purchase.id: [] for purchase in purchases}
    for answer in given:
        by_order[answer.purchase.id].append(_text_answer(answer))
    fitting = cursors.fit(by_order.values())
    if len(fitting) < len(purchases):
        purchases = purchases[: len(fitting)]
        given, next_cursor = given[: sum(map(len, fitting))], cursors.encode(purchases[-1].id)
    record_reading(event.id, reader, now, "answers", len({answer.purchase.id for answer in given}), query.format)
    if query.format == "csv":
        return csv_part(query, f"{event.id}-answers.csv", COLUMNS, map(_csv_row, given), next_cursor)
    options = list(_count(event.id, query, purchases, given))
    texts = [_text_answer(answer) for answer in given if answer.option_type == "text_input"]
    return Reply(AnswersView(orders=len(purchases), options=options, texts=texts, next_cursor=next_cursor))


def _find_orders(event_id: str, query: AnswersQuery) -> tuple[list[Purchase], str | None]:
    """Return a page of orders that still have tickets, and the cursor for the next page."""
    before = cursors.decode(query.cursor, ids.FORM) if query.cursor is not None else None
    found: list[str] = []
    next_cursor = None
    for order in store.query_orders(store.load_generations().current, event_id, before):
        if len(found) == query.limit:
            next_cursor = cursors.encode(found[-1])
            break
        found.append(order.order_id)
    loaded = queries.load_readable(found)[0]
    page: list[Purchase] = []
    seats = 0
    for place, order_id in enumerate(found):
        purchase = loaded.get(order_id)
        if purchase is None or not purchase.is_order:
            continue
        seats += sum(line.quantity * line.admits for line in purchase.lines)
        if seats > MAX_SEATS and page:
            return page, cursors.encode(found[place - 1])
        page.append(purchase)
    return page, next_cursor


def _is_wanted(tier_id: str, option_id: str | None, query: AnswersQuery) -> bool:
    return query.package_id in (None, tier_id) and query.option_id in (None, option_id)


def _count(event_id: str, query: AnswersQuery, purchases: Sequence[Purchase], given: Iterable[GivenAnswer]) -> Iterator[OptionAnswers]:
    """Count the answers to the current questions in display order, then the answers to former questions that were answered on this page."""
    by_key: dict[_Key, list[GivenAnswer]] = defaultdict(list)
    for answer in given:
        if answer.option_id is not None:
            by_key[_Key(answer.tier_id, answer.option_id, answer.option_type, answer.asked)].append(answer)
    for tier in catalog.snapshot().event_tiers(event_id):
        for option in tier.options:
            if _is_wanted(tier.id, option.id, query):
                key = _Key(tier.id, option.id, option.option_type, "guest" if option.per == "guest" else "buyer")
                expected = sum(_expected_answers(purchase, tier.id, option.per) for purchase in purchases)
                yield _option_answers(key, option.label, by_key.pop(key, []), option.choices, expected)
    for key, answers in sorted(by_key.items()):
        yield _option_answers(key, answers[0].label, answers, [], None)


def _expected_answers(purchase: Purchase, tier_id: str, per: AskedPer) -> int:
    """Return how many answers to a question are expected for an order's tickets of a tier."""
    kept = kept_ticket_numbers(purchase, tier_id)
    match per:
        case "purchase":
            return int(bool(kept))
        case "ticket":
            return len(kept)
        case "guest":
            return sum(purchase.ticket_line(number).admits for number in kept)


def _option_answers(key: _Key, label: str, answers: Sequence[GivenAnswer], choices: Iterable[str], expected: int | None) -> OptionAnswers:
    """Count the answers to one question. The choices are in the question's order, and former choices come last."""
    counts: Counter[str] = Counter()
    for answer in answers:
        counts.update(answer.chosen)
    offered = ["true", "false"] if key.option_type == "boolean" else list(choices)
    shown = [*offered, *sorted(counts.keys() - set(offered))]
    return OptionAnswers(
        package_id=key.tier_id,
        option_id=key.option_id,
        option_type=key.option_type,
        label=label,
        asked=key.asked,
        answered=len(answers),
        unanswered=max(0, expected - len(answers)) if expected is not None else None,
        choices=[ChoiceCount(choice, counts[choice]) for choice in shown],
    )


def _text_answer(answer: GivenAnswer) -> TextAnswer:
    return TextAnswer(
        order_id=answer.purchase.id,
        package_id=answer.tier_id,
        option_id=answer.option_id,
        label=answer.label,
        ticket=answer.ticket,
        seat=answer.seat,
        guest=answer.guest,
        value=str(answer.value),
        at=_sold_at(answer.purchase),
    )


def _csv_row(answer: GivenAnswer) -> list[Cell]:
    """Return an answer as a row of COLUMNS."""
    purchase = answer.purchase
    package = next((line.tier_name for line in purchase.lines if line.tier_id == answer.tier_id), "")
    about = [_sold_at(purchase), purchase.id, purchase.user_id, answer.tier_id, package, answer.ticket]
    return [*about, answer.option_id, answer.label, answer.text, answer.seat, answer.guest]


def _sold_at(purchase: Purchase) -> str:
    return clock.iso(purchase.ended_at or purchase.created_at)
