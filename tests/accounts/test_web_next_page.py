"""Where a page may lead after signing in: to another page of the shop, and nowhere else."""

import pytest

from tests.javascript import run_module

SCRIPT = """
import { createInterface } from "node:readline";
globalThis.location = { origin: "https://shop.example" };
const { safeAddress } = await import("$WEB/src/next-page.ts");
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(safeAddress(JSON.parse(line))));
"""
HOSTILE = ["https://evil.example", "//evil.example", "/\\evil.example", "/..//evil.example", "/x/..//evil.example", "/.//evil.example/x"]
OWN = {"/manage": "/manage", "/events/gala?x=1": "/events/gala?x=1", "/a//b": "/a//b"}


@pytest.fixture(scope="module")
def answers():
    addresses = [*HOSTILE, *OWN]
    return dict(zip(addresses, run_module(SCRIPT, addresses), strict=True))


@pytest.mark.parametrize("address", HOSTILE)
def test_an_address_of_another_site_is_not_followed(answers, address):
    assert answers[address] is None


@pytest.mark.parametrize("address", OWN)
def test_an_address_of_the_shop_is_followed(answers, address):
    assert answers[address] == OWN[address]
