"""Each open case has advice of its own (web/src/manage/cases/suggestions.ts)."""

from tests.javascript import run_module

SCRIPT = """
import { createInterface } from "node:readline";
import { referenceOf, suggestionFor } from "$WEB/src/manage/cases/suggestions.ts";
for await (const line of createInterface({ input: process.stdin })) {
  const found = JSON.parse(line);
  console.log(JSON.stringify([suggestionFor(found), referenceOf(found)]));
}
"""
KINDS = [
    "amounts_differ",
    "tickets_without_payment",
    "unknown_purchase",
    "payment_unknown",
    "payment_unreachable",
    "account_refused",
    "not_dealt_with",
    "kept_of_dispute",
    "won_on_appeal",
    "paid_back_twice",
    "records_differ",
]


def suggest(*cases):
    return [suggestion for suggestion, _ in read(*cases)]


def read(*cases):
    return run_module(SCRIPT, [{"next_try_at": None, "id": "re_1"} | case for case in cases])


def test_each_kind_of_finding_has_its_advice():
    assert suggest(*({"kind": "finding", "id": f"{kind}-pi_1"} for kind in KINDS)) == KINDS
    assert suggest({"kind": "finding", "reason": "by_hand"}, {"kind": "finding"}) == ["by_hand", "other"]


def test_a_refund_that_is_tried_again_needs_nobody():
    waiting, failed = {"kind": "refund", "next_try_at": "2026-06-01T12:00:00Z"}, {"kind": "refund"}
    assert suggest(waiting, failed, {"kind": "dispute"}) == ["refund_waits", "refund_failed", "dispute"]


def test_people_read_what_to_look_for_and_no_code_of_a_kind():
    found = [
        *({"kind": "finding", "id": f"{kind}-pi_1"} for kind in KINDS),
        {"kind": "finding", "id": "pi_2"},
        {"kind": "dispute", "id": "dp-1"},
    ]
    assert [reference for _, reference in read(*found)] == ["pi_1"] * len(KINDS) + ["pi_2", "dp-1"]
