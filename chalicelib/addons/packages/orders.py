"""Buy a package in one call: create the order, and pay at once if it is free or the stage simulates payments."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import SentAnswer
from chalicelib.edge.rate_limits import Attempt
from chalicelib.foundation.errors import InvalidInput
from chalicelib.payments import service as payments
from chalicelib.payments.model import SimulatedOutcome
from chalicelib.purchases import checkout, orders, queries
from chalicelib.purchases.checkout import CheckoutResult
from chalicelib.purchases.checkout_page import SentDetails
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.orders import NewOrder
from chalicelib.tickets.model import Ticket


class OptionResponse(Struct, frozen=True):
    """An answer to an option of the package. Without a `ticket`, the answer to an option asked per ticket applies to all tickets."""

    option_id: str
    value: SentAnswer
    ticket: int | None


class PackageOrder(Struct, frozen=True):
    """An order of one package with its tickets if it is paid. Externally, the buyer pays with `client_secret` or at `url`."""

    purchase: Purchase
    tickets: list[Ticket]
    client_secret: str | None = None
    url: str | None = None


def check_simulation(simulate: SimulatedOutcome | None) -> None:
    """Refuse a simulated payment where payments are real, before anything is held. Raises SimulationRefused and PaymentsUnavailable."""
    if simulate is not None:
        payments.local_outcome(payments.new_payment(1, "USD"), simulate)


def with_responses(order: NewOrder, responses: Sequence[OptionResponse]) -> NewOrder:
    """Add the checked answers to the order, before anything is held. Raises like `orders.with_answers`, but with paths of responses."""
    (item,) = order.items
    package = catalog.find_snapshot(lambda found: item.tier_id in found.tiers).tiers.get(item.tier_id)
    per_ticket = {option.id for option in package.options if option.per == "ticket"} if package is not None else set()
    for_purchase: dict[str, SentAnswer] = {}
    by_ticket: list[dict[str, SentAnswer]] = [{} for _ in range(item.quantity)]
    for index, response in enumerate(responses):
        places = by_ticket if response.option_id in per_ticket else [for_purchase]
        if response.ticket is not None:
            places = by_ticket[response.ticket - 1 : response.ticket]
        for place in places:
            if response.option_id in place:
                raise InvalidInput("This option already has an answer. Send one answer for each option.", path=_path(index))
            place[response.option_id] = response.value
        if not places:
            raise InvalidInput(f"This purchase has no ticket {response.ticket}.", path=f"$.option_responses[{index}].ticket")
    try:
        sent = SentDetails(for_purchase, by_ticket)
        return orders.with_answers(replace(order, options=replace(order.options, sent=sent)))
    except InvalidInput as refusal:
        for named in (refusal.details, *refusal.details.get("missing", ()), *refusal.details.get("wrong", ())):
            named["path"] = _response_path(responses, str(named["path"]))
        raise


def create(order: NewOrder, purchase_id: str, simulate: SimulatedOutcome | None, attempt: Attempt, now: int) -> PackageOrder:
    """Hold the packages, open their checkout, and finish it if no external payment is needed. Raises what `orders.create_order` raises."""
    return _finish(orders.create_order(order, purchase_id, attempt, now), simulate, now)


def find_earlier(order: NewOrder, purchase_id: str, simulate: SimulatedOutcome | None, now: int) -> PackageOrder | None:
    """Continue an earlier execution of the request. Returns None if it has held nothing. Raises what `create` raises."""
    purchase = queries.load(purchase_id)
    if purchase is not None and (purchase.was_order or purchase.is_declined):
        return PackageOrder(purchase, queries.load_tickets(purchase))
    result = orders.find_earlier(order, purchase_id, now)
    return _finish(result, simulate, now) if result is not None else None


def _finish(result: CheckoutResult, simulate: SimulatedOutcome | None, now: int) -> PackageOrder:
    payment = result.purchase.payment
    assert payment is not None  # its checkout is open
    if payment.provider == "free" or (payment.provider == "simulated" and simulate is not None):
        settled = checkout.confirm(result.purchase.user_id, result.purchase.id, simulate, now)
        return PackageOrder(settled.purchase, settled.tickets)
    return PackageOrder(result.purchase, [], result.client_secret, result.url)


def _response_path(responses: Sequence[OptionResponse], path: str) -> str:
    """Return the path of the response for a path in the checkout's answers."""
    option_id = path.rpartition("responses.")[2]
    found = next((index for index, response in enumerate(responses) if response.option_id == option_id), None)
    return "$.option_responses" if found is None else _path(found)


def _path(index: int) -> str:
    return f"$.option_responses[{index}].response_value"
