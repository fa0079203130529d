"""Managers' pages read lists of guests for complimentary tickets (web/src/manage/tickets/guest-list.ts)."""

from tests.javascript import run_module

SCRIPT = """
import * as readline from "node:readline";
import { readGuests } from "$WEB/src/manage/tickets/guest-list.ts";
for await (const line of readline.createInterface({ input: process.stdin })) console.log(JSON.stringify(readGuests(JSON.parse(line))));
"""


def guest(name: str, email: str, quantity: int | None = 1, times: int = 1) -> dict:
    return {"id": f"{email.lower()}#{times}", "name": name, "email": email, "quantity": quantity}


def test_files_of_all_spreadsheets_are_read():
    ada, bob = guest("Lovelace, Ada", "Ada@example.com", 2), guest('Bob "B" Ross', "bob@example.com")
    files = [
        'name,email,number\n"Lovelace, Ada",Ada@example.com,2\n"Bob ""B"" Ross",bob@example.com,\n',
        '\ufeffName;Email;Number\r\nLovelace, Ada;Ada@example.com;2\r\n\r\n"Bob ""B"" Ross";bob@example.com;1',
        'number\temail\tname\n2\tAda@example.com\tLovelace, Ada\n\tbob@example.com\t"Bob ""B"" Ross"',
    ]
    assert run_module(SCRIPT, files) == [[ada, bob]] * 3


def test_a_longer_file_keeps_the_ids_of_its_first_rows():
    first = "name,email\nAda,ada@example.com\nAnn,ADA@example.com\n"
    short, long = run_module(SCRIPT, [first, f"{first}Bob,bob@example.com\n"])
    assert short == [guest("Ada", "ada@example.com"), guest("Ann", "ADA@example.com", times=2)]
    assert long[:2] == short


def test_files_without_the_columns_have_no_guests():
    assert run_module(SCRIPT, ["", "Ada,ada@example.com", "name\nAda\n"]) == [[], [], []]
    assert run_module(SCRIPT, ["name,email,number\nAda,ada@example.com,two\n"]) == [[guest("Ada", "ada@example.com", None)]]
