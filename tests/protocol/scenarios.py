"""Small worlds that together have every process of the protocol in every order that matters."""

from tests.protocol.explorer import Run, Scenario
from tests.protocol.world import Cast


def _runs(*texts: str) -> tuple[Run, ...]:
    """`reserve A 1` is the process `reserve("A", "1")`; shards and tickets are numbers."""
    parts = [text.split() for text in texts]
    numbered = ("sweep", "refund")
    return tuple(Run(method, tuple(int(one) if method in numbered and one.isdigit() else one for one in rest)) for method, *rest in parts)


BUYERS = {"A": "ann", "B": "bob"}

SCENARIOS = {
    "spanning": Scenario(
        "An impatient client's reserve runs twice over two shards, while another buyer wants one of them.",
        Cast((1, 1), {"A": (0, 1), "B": (0,)}, BUYERS),
        _runs("reserve A 1", "reserve A 2", "checkout A", "simulate A success", "sweep 0", "sweep 1", "reserve B 1"),
    ),
    "retried": Scenario(
        "A delayed duplicate of a reserve arrives after everything else.",
        Cast((2,), {"A": (0,)}, {"A": "ann"}),
        _runs("reserve A 1", "reserve A 2", "checkout A", "simulate A success", "sweep 0", "sweep 0"),
    ),
    "money": Scenario(
        "Client and webhook confirm at once while the purchase is swept, and somebody else takes what was given back.",
        Cast((1,), {"A": (0,), "B": (0,)}, BUYERS, charged=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "confirm A webhook", "sweep 0", "reserve B 1"),
    ),
    "two sweeps": Scenario(
        "Two sweeps meet the same holds, those of late money too.",
        Cast((1,), {"A": (0,), "B": (0,)}, BUYERS, charged=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "sweep 0", "sweep 0", "reserve B 1"),
    ),
    "late over two shards": Scenario(
        "Money comes late for two holds of which perhaps only one can be had again.",
        Cast((1, 1), {"A": (0, 1), "B": (1,)}, BUYERS, charged=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "sweep 0", "sweep 1", "reserve B 1"),
    ),
    "one buyer": Scenario(
        "A buyer whose first purchase is over begins a second one, pays both, and may have one ticket.",
        Cast((2,), {"A": (0,), "C": (0,)}, {"A": "ann", "C": "ann"}, limit=1, charged=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "reserve C 1", "checkout C", "simulate C success", "sweep 0"),
    ),
    "second thoughts": Scenario(
        "The buyer cancels while paying, and late money meets the cancelled purchase.",
        Cast((1,), {"A": (0,), "B": (0,)}, BUYERS, charged=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "end A cancelled", "sweep 0", "reserve B 1"),
    ),
    "simulated": Scenario(
        "Success and failure are simulated at once, the buyer cancels, the sweep runs.",
        Cast((1, 1), {"A": (0, 1), "B": (0,)}, BUYERS),
        _runs("reserve A 1", "checkout A", "simulate A success", "simulate A fail", "end A cancelled", "sweep 0", "reserve B 1"),
    ),
    "refunded": Scenario(
        "Two administrators take an order back, before or after its holds were counted as sold.",
        Cast((1,), {"A": (0,), "B": (0,)}, BUYERS, charged=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "refund A 0", "refund A 0", "sweep 0", "reserve B 1"),
    ),
    "paused": Scenario(
        "An event is paused and resumed around a purchase whose money may come late.",
        Cast((1, 1), {"A": (0, 1)}, {"A": "ann"}, charged=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "sweep 0", "pause", "resume"),
    ),
    "mismatched": Scenario(
        "The money is not what was asked for, and comes in time or late.",
        Cast((1,), {"A": (0,), "B": (0,)}, BUYERS, charged=frozenset("A"), mismatched=frozenset("A")),
        _runs("reserve A 1", "checkout A", "pay A", "confirm A client", "confirm A webhook", "settle A", "sweep 0"),
    ),
    "paid twice": Scenario(
        "Two payments of one purchase come in while it is swept, and the bank of one of them opens a dispute.",
        Cast((1,), {"A": (0,)}, {"A": "ann"}, charged=frozenset("A"), begun={"A": "paying"}, second={"A2": "A"}),
        _runs("pay A", "pay A2", "confirm A client", "confirm A2 webhook", "sweep 0", "dispute A2", "hear A2 opened"),
    ),
    "single tickets": Scenario(
        "Three administrators take back tickets of one order, one of them all, before or after its holds were counted as sold.",
        Cast((1, 1), {"A": (0, 1)}, {"A": "ann"}, charged=frozenset("A"), begun={"A": "paid"}),
        _runs("refund A 0", "refund A 0 1", "refund A 1", "settle A", "sweep 0", "sweep 1"),
    ),
    "came back": Scenario(
        "Refunds of two tickets come back from the bank, which is heard of twice, while two functions pay them out.",
        Cast((1, 1), {"A": (0, 1)}, {"A": "ann"}, charged=frozenset("A"), begun={"A": "paid and sold"}),
        _runs("refund A 0", "settle A", "settle A", "bounce A", "bounce A", "hear A failed", "hear A failed"),
    ),
    "refused": Scenario(
        "Two functions pay out a refund that the provider refuses while the payment is disputed, and nobody hears of the dispute.",
        Cast((1, 1), {"A": (0, 1)}, {"A": "ann"}, charged=frozenset("A"), begun={"A": "paid and sold"}),
        _runs("refund A 0", "settle A", "settle A", "dispute A"),
    ),
    "disputed": Scenario(
        "A refund and a dispute meet, whose events come in any order.",
        Cast((1, 1), {"A": (0, 1)}, {"A": "ann"}, charged=frozenset("A"), begun={"A": "paid and sold"}),
        _runs("refund A 0", "settle A", "dispute A", "hear A opened", "hear A closed"),
    ),
    "disputed and back": Scenario(
        "A refund comes back from the bank when the payment is disputed.",
        Cast((1, 1), {"A": (0, 1)}, {"A": "ann"}, charged=frozenset("A"), begun={"A": "paid and sold"}),
        _runs("refund A 0", "settle A", "bounce A", "dispute A", "hear A failed", "hear A closed"),
    ),
}
