"""What buyers and guests have answered to the questions of packages, of some orders, by what they keep of them.

Read from what was sent along with the orders and from the guests of their tickets: an answer that was erased is not there.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from chalicelib.catalog.answers import AnswerValue
from chalicelib.catalog.custom_options import OptionType
from chalicelib.foundation import parallel
from chalicelib.purchases.record import queries
from chalicelib.purchases.record.model import CheckoutDetails, Purchase
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import ticket_id
from chalicelib.tickets.seats import service as seats
from chalicelib.tickets.seats.model import Seat

Asked = Literal["buyer", "guest"]


class GivenAnswer(Struct, frozen=True, kw_only=True):
    """An answer with the label that it was asked with. `ticket` is null if it is about the whole order.

    What guests have answered has their seat in the ticket, and their name. `option_id` is null for a text that no option asked for.
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
        """Who has answered."""
        return "buyer" if self.seat is None else "guest"


def load_given(purchases: Sequence[Purchase]) -> list[GivenAnswer]:
    """The answers of these orders in their order: of each the buyer's, and then those of its guests."""
    details, guests = parallel.both(lambda: queries.load_many_details(purchases), lambda: _load_guests(purchases))
    given: list[GivenAnswer] = []
    for purchase in purchases:
        if purchase.id in details:
            given += _of_buyer(purchase, details[purchase.id])
        for seat in guests.get(purchase.id, []):
            given += _of_guest(purchase, seat)
    return given


def kept_of(purchase: Purchase, tier_id: str) -> list[int]:
    """The numbers of the tickets of a tier that the buyer keeps."""
    return [number for number in purchase.kept_tickets if purchase.ticket_line(number).tier_id == tier_id]


def _load_guests(purchases: Sequence[Purchase]) -> dict[str, list[Seat]]:
    """The seats with a guest of the tickets that are kept, by the order's id."""
    ids = [ticket_id(purchase.id, number) for purchase in purchases for number in purchase.kept_tickets]
    issued = sorted(tickets.load_tickets(ids), key=lambda ticket: ticket.number)
    found: dict[str, list[Seat]] = {}
    for seat in seats.list_seats((ticket, guest.seat) for ticket in issued for guest in ticket.guests):
        found.setdefault(seat.ticket.purchase_id, []).append(seat)
    return found


def _of_buyer(purchase: Purchase, details: CheckoutDetails) -> Iterator[GivenAnswer]:
    for answer in details.answers:
        if answer.ticket in purchase.kept_tickets if answer.ticket is not None else kept_of(purchase, answer.tier_id):
            yield GivenAnswer(
                purchase=purchase,
                tier_id=answer.tier_id,
                option_id=answer.option_id,
                option_type=answer.option_type,
                label=answer.label,
                value=answer.value,
                ticket=answer.ticket,
            )


def _of_guest(purchase: Purchase, seat: Seat) -> Iterator[GivenAnswer]:
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
