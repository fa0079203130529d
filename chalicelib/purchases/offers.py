"""Offers: reservations of returned tickets for people on the waitlist, and the cards that these people saved to pay for them.

An offer needs no admission by the waiting room.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation import ids, log, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import Case
from chalicelib.payments import service as payments
from chalicelib.payments.model import AccountUnreachable, SavedCard
from chalicelib.payments.provider_tasks import RETRY_SECONDS, Failure, ProviderTask
from chalicelib.purchases import holds, store
from chalicelib.purchases.errors import ActiveReservationExists, OwnTicketsForResale, PurchaseLimitExceeded
from chalicelib.purchases.model import ACTIVE_STATES, BuyerRecord, LineItem, Purchase
from chalicelib.purchases.store import Conflict

__all__ = [
    "Conflict",
    "card_item",
    "check_buyer",
    "check_limit",
    "create_offer",
    "find_blocked",
    "find_sellers",
    "removal_task",
    "return_tickets",
]

# How long tickets are held until the purchase is written. Only then are the holds extended to the end of the offer, so holds that a crash
# leaves behind expire within a minute.
WRITE_SECONDS = 60
CREATION_SECONDS = 20 * 3600  # less than the day for which a repeated creation returns the same customer
CARD_CHECK_SECONDS = 86_400


def check_limit(user_id: str, event: Event, quantity: int) -> None:
    """Raise PurchaseLimitExceeded if this many tickets, added to what the user has bought and holds, would exceed the event's limit."""
    buyer = store.load_buyer(user_id, event.id)
    if buyer is not None:
        _check_limit(buyer, event, quantity, buyer.active_quantity)


def find_blocked(event: Event, quantities: Mapping[str, int]) -> dict[str, ApiError]:
    """Return, by user id, the errors that `check_buyer` would raise for users who cannot have an offer of their quantity now."""
    blocked: dict[str, ApiError] = {}
    for buyer in store.load_buyers(quantities, event.id):
        try:
            _check(buyer, event, quantities[buyer.user_id])
        except (ActiveReservationExists, PurchaseLimitExceeded) as error:
            blocked[buyer.user_id] = error
    return blocked


def find_sellers(event: Event, user_ids: Iterable[str]) -> set[str]:
    """Return which of these users have offered tickets of the event for resale. They may not be offered their own tickets."""
    from chalicelib.purchases import resale  # few runs need it

    return resale.find_sellers(store.load_buyers(user_ids, event.id))


def check_buyer(user_id: str, event: Event, quantity: int) -> None:
    """Raise ActiveReservationExists or PurchaseLimitExceeded if the user cannot have an offer of this many tickets now."""
    _check(store.load_buyer(user_id, event.id), event, quantity)


def create_offer(
    user_id: str,
    event: Event,
    tier: Tier,
    quantity: int,
    entry_id: str,
    expires_at: int,
    items_for: Callable[[str], Sequence[dynamo.TransactItem]],
    now: int,
    language: Language | None = None,
    saved_card: SavedCard | None = None,
) -> Purchase:
    """Hold tickets for a user on the waitlist, and write the purchase and `items_for(purchase id)` in one transaction.

    `language` is the language of emails about the offer. The sweep charges the `saved_card`.

    The offer may take tickets that are kept for the waitlist. Raises NotEnoughTickets, SalePaused, PoolMismatch, ActiveReservationExists,
    PurchaseLimitExceeded and OwnTicketsForResale. Raises Conflict if a condition of the items fails or the buyer's record has just changed.
    """
    if tier.is_resale:
        from chalicelib.purchases import resale  # few runs need it

        if resale.has_listed(user_id, event.id):  # nobody can buy their own ticket
            raise OwnTicketsForResale()
    offered = Purchase(
        id=ids.new_id(),
        user_id=user_id,
        event_id=event.id,
        state="held",
        version=1,
        lines=[LineItem.for_tier(tier, quantity, catalog.effective_tax(event, tier))],
        currency=tier.currency,
        created_at=now,
        expires_at=expires_at,
        waitlist_entry_id=entry_id,
        language=language,
        saved_card=saved_card,
    ).with_terms(event)
    tiers = {tier.id: tier}
    requests = holds.hold_requests(offered, event, tiers, expires_at=now + WRITE_SECONDS, now=now, takes_kept=True)
    purchase = holds.with_holds(offered, event, tiers, inventory.hold_all(requests))
    try:
        charge = [] if saved_card is None else [money_cases.open_case_item(purchase.id, "charge", "card", now, {}, now)]
        store.create(purchase, event.limit(settings.current().event_purchase_limit), items=[*items_for(purchase.id), *charge])
    except store.CreateConflict as conflict:
        inventory.release_holds(purchase.holds)
        if conflict.existing is None and conflict.buyer is not None:
            _check(conflict.buyer, event, quantity)
        raise Conflict from conflict
    except Conflict:
        inventory.release_holds(purchase.holds)
        raise
    holds.extend_holds(purchase, expires_at)
    log.count("waitlist_offers")
    logger.info("waitlist.offered", purchase_id=purchase.id, event_id=event.id, entry_id=entry_id, quantity=quantity, expires_at=expires_at)
    return purchase


def return_tickets(purchase: Purchase) -> None:
    """Release the holds that a crash left after an offer ended unpaid. Otherwise, they would expire with the offer, by default in a day."""
    if not purchase.was_order and purchase.state not in ACTIVE_STATES:
        inventory.release_holds(purchase.holds, is_unpaid=True)


# The provider keeps a saved card as a customer. The case of the customer is opened before the customer is created, so no crash leaves a
# customer behind.


def card_item(owner: str, event: Event | None, card: SavedCard, now: int, *, is_needed: bool) -> dynamo.TransactItem:
    """Return the item that opens or updates the case of a saved card. The sweep deletes the card once nobody needs it.

    `owner` is the id under which the customer is created.
    """
    next_at = now if not is_needed else now + CREATION_SECONDS if card.customer_id is None else _next_check(event, now)
    details = {"provider": card.provider, "account": card.account, "customer": card.customer_id, "is_needed": is_needed}
    return money_cases.open_case_item(owner, "card", card.account or "operator", now, details | {"event_id": event and event.id}, next_at)


def removal_task(case: Case, _purchase: object, now: int) -> ProviderTask:
    """Return the task that deletes a saved card at the provider, unless its event may still need it."""
    details = case.details
    event = catalog.snapshot().events.get(details["event_id"] or "")
    is_open = event is not None and event.status != "cancelled" and event.last_sale_at > now
    is_kept = is_open and details["is_needed"] and details["customer"] is not None

    def ask() -> None:
        if is_kept:
            return
        with suppress(AccountUnreachable):  # the account's owner has disconnected it, so nobody can use the card
            customer_id = details["customer"] or payments.create_customer(details["provider"], case.purchase_id, details["account"])
            payments.delete_customer(details["provider"], customer_id, details["account"])

    def finish(_: object) -> None:
        if is_kept:
            money_cases.postpone_case(case, _next_check(event, now))
        else:
            money_cases.close_case(case)

    def postpone(failure: Failure) -> None:
        money_cases.postpone_case(case, now + RETRY_SECONDS[failure])

    return ProviderTask(f"card of {case.purchase_id}", ask, finish, postpone, account=details["account"])


def _next_check(event: Event | None, now: int) -> int:
    return now if event is None else max(now, min(event.last_sale_at, now + CARD_CHECK_SECONDS))


def _check(buyer: BuyerRecord | None, event: Event, quantity: int) -> None:
    if buyer is None:
        return
    if buyer.active_id is not None:
        raise ActiveReservationExists(reservation_id=buyer.active_id, active_holds=buyer.active_quantity)
    _check_limit(buyer, event, quantity, 0)


def _check_limit(buyer: BuyerRecord, event: Event, quantity: int, held: int) -> None:
    limit = event.limit(settings.current().event_purchase_limit)
    if not buyer.may_buy(held + quantity, limit):
        raise PurchaseLimitExceeded.for_buyer(limit, quantity, buyer)
