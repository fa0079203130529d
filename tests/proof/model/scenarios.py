"""Small setups that together run every process of the protocol beside each other process that it can conflict with."""

from tests.proof.model.explorer import Run, Scenario
from tests.proof.model.world import Setup


def _runs(*texts: str) -> tuple[Run, ...]:
    """`reserve A 1` is the process `reserve("A", "1")`; shards and tickets are numbers."""
    runs = []
    for text in texts:
        method, *words = text.split()
        is_numbered = method in ("sweep", "request_refund", "hold_back", "release_holdback", "list_ticket", "withdraw_listing", "scan")
        runs.append(Run(method, tuple(int(word) if is_numbered and word.isdigit() else word for word in words)))
    return tuple(runs)


BUYERS = {"A": "ann", "B": "bob"}
ONE_BUYER = {"A": "ann"}
WAITING = {"A": "ann", "O": "bob", "P": "bob", "C": "cat"}
A = frozenset("A")
# An order of two tickets from two shards, paid and converted.
SOLD_PAIR = Setup((1, 1), {"A": (0, 1)}, ONE_BUYER, with_provider=A, initial={"A": "paid and converted"})

AB = frozenset("AB")
# A's ticket is for resale, and B holds it.
LISTED_ONE = Setup(
    *((1, 0), {"A": (0,), "B": (1,)}, BUYERS),
    with_provider=AB,
    initial={"A": "paid and converted", "B": "held"},
    resale=1,
    from_resale=frozenset("B"),
    listed=(("A", 0),),
)

# Bob has an offer of a ballot, and has saved a card.
CHARGED = Setup(
    *((1,), {"O": (0,)}, {"O": "bob"}),
    with_provider=frozenset("O"),
    initial={"O": "held"},
    extra_payments={"O2": "O"},
    with_card=frozenset("O"),
)

SCENARIOS = {
    "two shards": Scenario(
        "A client's reserve over two shards runs twice, while another buyer wants a ticket of one of them.",
        Setup((1, 1), {"A": (0, 1), "B": (0,)}, BUYERS),
        _runs("reserve A 1", "reserve A 2", "checkout A", "simulate A success", "sweep 0", "sweep 1", "reserve B 1"),
    ),
    "delayed duplicate": Scenario(
        "A delayed duplicate of a reserve arrives after everything else.",
        Setup((2,), {"A": (0,)}, ONE_BUYER),
        _runs("reserve A 1", "reserve A 2", "checkout A", "simulate A success", "sweep 0", "sweep 0"),
    ),
    "client and webhook": Scenario(
        "Client and webhook confirm at once while the purchase is swept, and another buyer takes the ticket that was released.",
        Setup((1,), {"A": (0,), "B": (0,)}, BUYERS, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "confirm A webhook", "sweep 0", "reserve B 1"),
    ),
    "slow bank": Scenario(
        "The bank decides about a transfer after the purchase's time, while a sweep and the event of a declined payment look at it.",
        Setup((1,), {"A": (0,), "B": (0,)}, BUYERS, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A webhook", "decline A", "sweep 0", "reserve B 1"),
    ),
    "two sweeps": Scenario(
        "Two sweeps find the same holds, also those of a late payment.",
        Setup((1,), {"A": (0,), "B": (0,)}, BUYERS, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "sweep 0", "sweep 0", "reserve B 1"),
    ),
    "late payment over two shards": Scenario(
        "A late payment needs two holds, of which perhaps only one is available again.",
        Setup((1, 1), {"A": (0, 1), "B": (1,)}, BUYERS, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "sweep 0", "sweep 1", "reserve B 1"),
    ),
    "one buyer, two purchases": Scenario(
        "A buyer whose first purchase has expired starts a second one, pays both, and may have one ticket.",
        Setup((2,), {"A": (0,), "C": (0,)}, {"A": "ann", "C": "ann"}, limit=1, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "reserve C 1", "checkout C", "simulate C success", "sweep 0"),
    ),
    "cancelled while paying": Scenario(
        "The buyer cancels while paying, and a late payment arrives for the cancelled purchase.",
        Setup((1,), {"A": (0,), "B": (0,)}, BUYERS, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "end_purchase A cancelled", "sweep 0", "reserve B 1"),
    ),
    "simulated payment": Scenario(
        "Success and failure are simulated at once, the buyer cancels, the sweep runs.",
        Setup((1, 1), {"A": (0, 1), "B": (0,)}, BUYERS),
        _runs("reserve A 1", "checkout A", "simulate A success", "simulate A fail", "end_purchase A cancelled", "sweep 0", "reserve B 1"),
    ),
    "two refunds": Scenario(
        "Two admins refund an order, before or after its holds were converted.",
        Setup((1,), {"A": (0,), "B": (0,)}, BUYERS, with_provider=A),
        _runs(
            "reserve A 1", "checkout A", "pay A", "confirm A client", "request_refund A 0", "request_refund A 0", "sweep 0", "reserve B 1"
        ),
    ),
    "pause and resume": Scenario(
        "An event is paused and resumed around a purchase whose payment may be late.",
        Setup((1, 1), {"A": (0, 1)}, ONE_BUYER, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "sweep 0", "pause", "resume"),
    ),
    "event capacity": Scenario(
        "Two buyers want tickets of two tiers whose event has one ticket in all; a late payment needs both holds again.",
        Setup((1, 1, 1), {"A": (0,), "B": (1,)}, BUYERS, with_provider=A, initial={"A": "paying"}, pool=(2,)),
        _runs("pay A", "confirm A client", "sweep 0", "sweep 2", "reserve B 1"),
    ),
    "event capacity, repeated": Scenario(
        "A reserve runs twice, is paid and swept, while another tier's buyer wants the event's last ticket.",
        Setup((2, 1, 1), {"A": (0,), "B": (1,)}, BUYERS, pool=(2,)),
        _runs("reserve A 1", "reserve A 2", "checkout A", "simulate A success", "sweep 2", "reserve B 1"),
    ),
    "event capacity, refunds": Scenario(
        "Tickets of two tiers are refunded, before or after their holds in tiers and event were converted, while another buyer waits.",
        Setup((1, 1, 1, 1), {"A": (0, 1), "B": (0,)}, BUYERS, with_provider=A, initial={"A": "paid"}, pool=(2, 3)),
        _runs("request_refund A 0", "request_refund A 0 1", "sweep 0", "sweep 2", "sweep 3", "reserve B 1"),
    ),
    "first capacity": Scenario(
        "An event gets its first capacity while buyers reserve, whose instances may not know that yet.",
        Setup((1, 1, 1), {"A": (0,), "B": (1,)}, BUYERS, with_provider=A, pool=(2,), gets_pool=True),
        _runs("set_first_capacity", "reserve A 1", "checkout A", "pay A", "confirm A client", "sweep 0", "reserve B 1"),
    ),
    "holdback": Scenario(
        "A ticket is held back and released while two buyers want it, one of whom may pay late.",
        Setup((1,), {"A": (0,), "B": (0,)}, BUYERS, with_provider=A, holdback=0),
        _runs("hold_back 0", "reserve A 1", "checkout A", "pay A", "confirm A client", "release_holdback 0", "sweep 0", "reserve B 1"),
    ),
    "holdback, released twice": Scenario(
        "Two sweeps release a ticket that is held back, while a reserve that wants it runs twice, and another buyer wants it too.",
        Setup((2,), {"A": (0,), "B": (0,)}, BUYERS, holdback=0, is_held_back=True),
        _runs("release_holdback 0", "release_holdback 0", "reserve A 1", "reserve A 2", "checkout A", "simulate A success", "reserve B 1"),
    ),
    "holdback, waitlist": Scenario(
        "A ticket that is held back is released to Bob, who waits; a passer-by wants it too, and Bob may leave.",
        Setup((1,), {"O": (0,), "P": (0,), "C": (0,)}, WAITING, offers=frozenset("OP"), holdback=0, is_held_back=True),
        _runs("release_holdback 0", "offer O 1", "offer P 1", "leave", "checkout O", "simulate O success", "sweep 0", "reserve C 1"),
    ),
    "promo code": Scenario(
        "Two checkouts of one purchase take uses of a promo code at once, of which there is one; a sweep of the uses, another buyer.",
        Setup((2, 1), {"A": (0,), "B": (0,)}, BUYERS, initial={"A": "held", "B": "held"}, promo=1, with_code=frozenset("AB")),
        _runs("checkout A 1", "checkout A 2", "simulate A success", "sweep 0", "sweep 1", "checkout B 1"),
    ),
    "promo code, late payment": Scenario(
        "A late payment needs a use of the promo code again, of which there is one.",
        Setup(
            *((2, 1), {"A": (0,), "B": (0,)}, BUYERS),
            with_provider=A,
            initial={"A": "paying", "B": "held"},
            promo=1,
            with_code=frozenset("AB"),
        ),
        _runs("pay A", "confirm A client", "sweep 0", "sweep 1", "checkout B 1", "simulate B success"),
    ),
    "promo code, one buyer": Scenario(
        "A buyer whose first purchase has expired uses the promo code for a second one, pays both, and may use it once.",
        Setup(
            *((2, 2), {"A": (0,), "C": (0,)}, {"A": "ann", "C": "ann"}),
            with_provider=A,
            initial={"A": "paying"},
            promo=1,
            with_code=frozenset("AC"),
            use_limit=1,
        ),
        _runs("pay A", "confirm A client", "reserve C 1", "checkout C 1", "simulate C success", "sweep 0"),
    ),
    "promo code, refunds": Scenario(
        "Tickets that were bought with a promo code are refunded, before or after its use was converted, while another buyer wants one.",
        Setup(
            *((1, 1, 1), {"A": (0, 1), "B": (0,)}, BUYERS),
            with_provider=A,
            initial={"A": "paid"},
            promo=2,
            with_code=frozenset("AB"),
        ),
        _runs("request_refund A 0", "request_refund A 0 1", "confirm A client", "sweep 2", "sweep 0", "reserve B 1", "checkout B 1"),
    ),
    "waitlist": Scenario(
        "Two allocators offer the ticket that A gives back to Bob, who waits; a passer-by wants it too, and Bob may leave.",
        Setup((1,), {"A": (0,), "O": (0,), "P": (0,), "C": (0,)}, WAITING, initial={"A": "held"}, offers=frozenset("OP")),
        _runs("end_purchase A cancelled", "offer O 1", "offer P 1", "leave", "checkout O", "simulate O success", "sweep 0", "reserve C 1"),
    ),
    "waitlist, two tickets": Scenario(
        "Two allocators, one of them slow, offer a ticket of two to one who waits and pays, while nobody waits any more.",
        Setup((2,), {"O": (0,), "P": (0,), "C": (0,)}, WAITING, offers=frozenset("OP")),
        _runs("offer O 1", "offer P 1", "checkout O", "simulate O success", "stop_keeping", "sweep 0", "reserve C 1"),
    ),
    "waitlist, late payment": Scenario(
        "A payment comes late for tickets that were offered meanwhile to one who waits for two.",
        Setup(
            *((1, 1), {"A": (0,), "O": (0, 1), "P": (0, 1)}, WAITING),
            with_provider=A,
            initial={"A": "paying"},
            offers=frozenset("OP"),
        ),
        _runs("pay A", "confirm A client", "offer O 1", "offer P 1", "checkout O", "sweep 0", "sweep 1"),
    ),
    "ballot, one place": Scenario(
        "Two accounts share the one place of their address in a ballot, and two allocators offer it; a passer-by wants the ticket too.",
        Setup((2,), {"O": (0,), "P": (0,), "C": (0,)}, {"O": "bob", "P": "dan", "C": "cat"}, offers=frozenset("OP")),
        _runs("offer O 1", "offer P 1", "leave", "checkout O", "simulate O success", "sweep 0", "reserve C 1"),
    ),
    "ballot, saved card": Scenario(
        "Two sweeps charge the saved card of an offer, which may be declined, and Bob declines the offer.",
        CHARGED,
        _runs("charge O O", "charge O O2", "end_purchase O cancelled"),
    ),
    "ballot, declined card": Scenario(
        "The saved card of an offer may be declined. Bob pays in another way, perhaps too late.",
        CHARGED,
        _runs("charge O O", "pay O", "confirm O client", "sweep 0"),
    ),
    "series": Scenario(
        "A buyer whose ticket for one date has expired reserves a pass, and pays both. The limit over all dates is one ticket.",
        Setup((1, 1, 1), {"A": (0,), "C": (1,), "B": (2,)}, {"A": "ann", "C": "ann", "B": "ann"}, limit=1, with_provider=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "reserve C 1", "checkout C", "simulate C success", "sweep 0"),
    ),
    "resale": Scenario(
        "A offers a ticket for resale and withdraws it, while B buys it, perhaps too late; A's hold may not be converted yet.",
        Setup(
            *((1, 0), {"A": (0,), "B": (1,)}, BUYERS),
            with_provider=AB,
            initial={"A": "paid"},
            resale=1,
            from_resale=frozenset("B"),
        ),
        _runs("list_ticket A 0", "withdraw_listing A 0", "reserve B 1", "checkout B", "pay B", "confirm B client", "sweep 1", "sweep 0"),
    ),
    "resale, door": Scenario(
        "Somebody comes in with a ticket that is for resale, and that B is about to buy.",
        LISTED_ONE,
        _runs("scan A 0", "checkout B", "pay B", "confirm B client", "confirm B webhook", "sweep 1", "close_listings"),
    ),
    "resale, two buyers": Scenario(
        "Two buyers want the one ticket that is for resale, and its seller withdraws it.",
        Setup(
            *((1, 0), {"A": (0,), "B": (1,), "C": (1,)}, {**BUYERS, "C": "cat"}),
            with_provider=frozenset("ABC"),
            initial={"A": "paid and converted"},
            resale=1,
            from_resale=frozenset("BC"),
            listed=(("A", 0),),
        ),
        _runs("withdraw_listing A 0", "reserve B 1", "checkout B", "pay B", "confirm B client", "reserve C 1", "sweep 1"),
    ),
    "resale, two tickets": Scenario(
        "A has two tickets for resale. Managers refund one of them, or A withdraws it, while B buys one.",
        Setup(
            *((1, 1, 0), {"A": (0, 1), "B": (2,)}, BUYERS),
            with_provider=AB,
            initial={"A": "paid and converted"},
            resale=2,
            from_resale=frozenset("B"),
            listed=(("A", 0), ("A", 1)),
        ),
        _runs("request_refund A 0", "withdraw_listing A 0", "reserve B 1", "checkout B", "pay B", "confirm B client", "sweep 2"),
    ),
    "resale, refund": Scenario(
        "B's order of a resold ticket is refunded, before or after its hold in the resale stock was converted.",
        LISTED_ONE,
        _runs("checkout B", "pay B", "confirm B client", "request_refund B 0", "process_refunds A", "process_refunds B", "sweep 1"),
    ),
    "resale, dispute": Scenario(
        "The bank opens a dispute of the payment of a ticket that is for resale.",
        LISTED_ONE,
        _runs("dispute A", "handle_event A dispute_opened", "handle_event A dispute_closed", "checkout B", "pay B", "confirm B client"),
    ),
    "wrong amount": Scenario(
        "The payment has another amount than the purchase costs, and comes in time or late.",
        Setup((1,), {"A": (0,), "B": (0,)}, BUYERS, with_provider=A, mismatched=A),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "confirm A webhook", "process_refunds A", "sweep 0"),
    ),
    "two payments": Scenario(
        "Two payments of one purchase succeed while it is swept, and the bank opens a dispute of one of them.",
        Setup((1,), {"A": (0,)}, ONE_BUYER, with_provider=A, initial={"A": "paying"}, extra_payments={"A2": "A"}),
        _runs("pay A", "pay A2", "confirm A client", "confirm A2 webhook", "sweep 0", "dispute A2", "handle_event A2 dispute_opened"),
    ),
    "partial refunds": Scenario(
        "Three admins refund tickets of one order, one of them all of it, before or after its holds were converted.",
        Setup((1, 1), {"A": (0, 1)}, ONE_BUYER, with_provider=A, initial={"A": "paid"}),
        _runs("request_refund A 0", "request_refund A 0 1", "request_refund A 1", "process_refunds A", "sweep 0", "sweep 1"),
    ),
    "failed refunds": Scenario(
        "Two functions make the refund of a ticket, which fails at the bank twice, with two events.",
        SOLD_PAIR,
        _runs(
            *("request_refund A 0", "process_refunds A", "process_refunds A", "fail_refund A", "fail_refund A"),
            *("handle_event A refund_failed", "handle_event A refund_failed"),
        ),
    ),
    "refused refund": Scenario(
        "Two functions make a refund that the provider refuses while the payment is disputed, and no event of the dispute arrives.",
        SOLD_PAIR,
        _runs("request_refund A 0", "process_refunds A", "process_refunds A", "dispute A"),
    ),
    "refund and dispute": Scenario(
        "A refund is made while a dispute opens and closes, whose events arrive in any order.",
        SOLD_PAIR,
        _runs("request_refund A 0", "process_refunds A", "dispute A", "handle_event A dispute_opened", "handle_event A dispute_closed"),
    ),
    "failed refund and dispute": Scenario(
        "A refund fails at the bank while the payment is disputed.",
        SOLD_PAIR,
        _runs(
            *("request_refund A 0", "process_refunds A", "fail_refund A", "dispute A"),
            *("handle_event A refund_failed", "handle_event A dispute_closed"),
        ),
    ),
}
