"""Managers' pages show the same number of an order as the API (web/src/manage/orders/order-numbers.ts)."""

from tests import builders
from tests.javascript import run_module

SCRIPT = """
import * as readline from "node:readline";
import { orderNumber } from "$WEB/src/manage/orders/order-numbers.ts";
for await (const line of readline.createInterface({ input: process.stdin })) console.log(JSON.stringify(orderNumber(...JSON.parse(line))));
"""
NAMES = ["Nova Lights: Afterglow Tour", "A Night of Songs and Stories", "Gala", "X", "2026 Open Air", "Ñandú Fest", "Señor"]


def test_the_number_begins_with_the_initials_of_the_event(api):
    expected, cases = [], []
    for name in NAMES:
        event_id = builders.create_event(api, name)
        order_id = builders.create_order(api, (event_id, builders.create_tier(api, event_id)), 1)
        event = api.get(f"/events/{event_id}").json
        expected += [api.get(f"/orders/{order_id}", user="ada").json["order"]["number"]] * 2
        cases += [[order_id, event], [f"{order_id}-1", event]]
    assert expected[0].startswith("NLAT-")
    assert run_module(SCRIPT, cases) == expected


def test_without_an_event_it_has_no_initials_and_other_ids_stay(api):
    order_id = builders.create_order(api, builders.create_shop(api))
    number = api.get(f"/orders/{order_id}", user="ada").json["order"]["number"]
    assert run_module(SCRIPT, [[order_id], ["webhook-1", {"id": "gala", "slug": "gala"}]]) == [number.partition("-")[2], "webhook-1"]
