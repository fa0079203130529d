"""The checkout page suggests the address that a buyer probably meant (web/src/email-suggestion.ts)."""

import pytest

from tests.javascript import run_module

SCRIPT = """
import { createInterface } from "node:readline";
import { suggestEmail } from "$WEB/src/email-suggestion.ts";
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(suggestEmail(...JSON.parse(line))));
}
"""


def suggest(*addresses, is_typing=False):
    return run_module(SCRIPT, [[address, is_typing] for address in addresses])


@pytest.mark.parametrize(
    ("meant", "typed"),
    [
        (
            "ada@gmail.com",
            ["ada@gmial.com", "ada@gmal.com", "ada@gmaill.com", "ada@gnail.com", "ada@gmail.co", "ada@gmail.con", "ada@gmail"],
        ),
        ("Ada.L@hotmail.es", ["Ada.L@hotmial.es", "Ada.L@hotmal.es", "Ada.L@homail.es"]),
        ("ada@outlook.com", ["ada@outlok.com", "ada@OUTLOOK.con", "ada@outloook"]),
        ("ada@mail.company.com", ["ada@mail.company.con", "ada@mail.company.cmo"]),
    ],
)
def test_a_likely_mistake_gets_a_suggestion(meant, typed):
    assert suggest(*typed) == [meant] * len(typed)


def test_an_address_without_a_mistake_gets_none():
    correct = ["ada@gmail.com", "ada@GMAIL.com", "ada@mail.com", "ada@ymail.com", "ada@yahoo.co.uk", "ada@outlook.de", "ada@example.co"]
    assert suggest(*correct, "ada", "ada@", "ada@company", "", "a b@gmial.com") == [None] * (len(correct) + 5)


def test_the_beginning_of_a_correct_address_gets_none_while_it_is_typed():
    address = "ada@gmail.com"
    assert suggest(*(address[:end] for end in range(len(address) + 1)), is_typing=True) == [None] * (len(address) + 1)
    assert suggest("ada@gmial.c", is_typing=True) == [address]
