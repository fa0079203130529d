"""Guests' answers are in the same report as buyers' answers: each seat once, and only for tickets that were not returned."""

import csv
import io

import pytest

from chalicelib.addons.reports import answers
from chalicelib.edge import cursors
from tests import builders, invariants
from tests.addons.packages.requests import call, create_event, create_option, create_package
from tests.addons.reports.test_answers import counts, get

SEATS = 3


@pytest.fixture
def asked(api, time, poller):
    """An event with a table for three that asks each guest for a dish and a song, and buyers whether they park."""
    event = create_event(api)
    table = create_package(api, event, name="Table", price=10, seats_per_package=SEATS)["id"]
    dish = create_option(api, event, table, label="Dish", choices=["Fish", "Vegan"], per="guest")["id"]
    song = create_option(api, event, table, label="Song", option_type="text_input", choices=[], per="guest", is_required=False)["id"]
    parks = create_option(api, event, table, label="Parking", option_type="boolean", choices=[], is_required=False)["id"]
    yield event, table, dish, song, parks
    invariants.check(time.now)


@pytest.fixture
def buy(api, asked, poller):
    def buy(user, quantity=1, **fields):
        reply = builders.buy(api, user, asked[0], asked[1], quantity, **fields)
        assert reply.status == 201, reply.json
        poller.drain()
        return reply.json["order"]["id"]

    return buy


@pytest.fixture
def name(api):
    def name(user, seat, guest, **answers):
        reply = api.put(f"/seats/{seat}/guest", json={"name": guest, "answers": answers}, user=user)
        assert reply.status == 200, reply.json

    return name


def shown_texts(api, asked, **query):
    return [(text["guest"], text["seat"], text["label"], text["value"]) for text in get(api, asked, **query).json["texts"]]


def test_answers_of_guests_are_counted_by_seat(api, asked, buy, name):
    _, _, dish, song, parks = asked
    order = buy("ada", 2, responses={parks: True})
    name("ada", f"{order}-1.1", "Bob", **{dish: ["Fish"], song: "Waltz"})
    name("ada", f"{order}-1.3", "Eve", **{dish: ["Fish", "Vegan"]})
    name("ada", f"{order}-2.2", "Kim", **{dish: ["Vegan"]})
    body = get(api, asked).json
    assert counts(body) == {dish: (3, 3, {"Fish": 2, "Vegan": 2}), song: (1, 5, {}), parks: (1, 0, {"true": 1, "false": 0})}
    assert [(option["label"], option["asked"]) for option in body["options"]] == [
        ("Dish", "guest"),
        ("Song", "guest"),
        ("Parking", "buyer"),
    ]
    [text] = body["texts"]
    assert (text["order_id"], text["ticket"], text["seat"], text["guest"], text["value"]) == (order, 1, 1, "Bob", "Waltz")
    name("ada", f"{order}-1.1", "Bob", **{dish: ["Vegan"]})
    assert counts(get(api, asked).json)[dish] == (3, 3, {"Fish": 1, "Vegan": 3}), "a corrected answer counts once"


def test_only_guests_with_a_seat_count(api, asked, buy, name):
    _, _, dish, song, _ = asked
    order = buy("ada", 2)
    for seat, guest in ((f"{order}-1.1", "Bob"), (f"{order}-1.2", "Eve"), (f"{order}-2.1", "Kim")):
        name("ada", seat, guest, **{dish: ["Fish"], song: f"Song of {guest}"})
    assert api.delete(f"/seats/{order}-1.1/guest", user="ada").status == 200
    assert counts(get(api, asked).json)[dish] == (2, 4, {"Fish": 2, "Vegan": 0})
    assert builders.refund(api, order, tickets=[f"{order}-2"]).status == 201
    assert counts(get(api, asked).json)[dish] == (1, 2, {"Fish": 1, "Vegan": 0})
    assert shown_texts(api, asked) == [("Eve", 2, "Song", "Song of Eve")]
    token = api.get(f"/tickets/{order}-1/seats", user="ada").json["seats"][1]["guest"]["url"].partition("#token=")[2]
    assert api.delete(f"/guests/{token}").status == 200
    assert (counts(get(api, asked).json)[dish], shown_texts(api, asked)) == ((0, 3, {"Fish": 0, "Vegan": 0}), [])


def test_answers_stay_readable_after_their_question_has_changed(api, asked, buy, name):
    event, table, dish, song, _ = asked
    order = buy("ada")
    name("ada", f"{order}-1.1", "Bob", **{dish: ["Fish"], song: "Waltz"})
    assert call(api, "PATCH", event, table, "options", dish, json={"label": "Menu", "choices": ["Soup", "Vegan"]}).status == 200
    assert call(api, "DELETE", event, table, "options", song).status == 200
    body = get(api, asked).json
    assert counts(body)[dish] == (1, 2, {"Soup": 0, "Vegan": 0, "Fish": 1})
    assert counts(body)[song] == (1, None, {})
    assert shown_texts(api, asked) == [("Bob", 1, "Song", "Waltz")]


def test_guests_answers_to_questions_for_buyers_are_counted_apart(api, asked, buy, name):
    _, _, dish, _, parks = asked
    order = buy("ada", responses={parks: False})
    name("ada", f"{order}-1.1", "Bob", **{dish: ["Fish"], parks: True})
    shown = get(api, asked, option_id=parks).json["options"]
    assert [(option["asked"], option["answered"], option["unanswered"]) for option in shown] == [("buyer", 1, 0), ("guest", 1, None)]
    assert [option["choices"][0]["count"] for option in shown] == [0, 1]


def test_texts_that_no_question_asked_for_are_listed(api, asked, buy, name):
    event, *_ = asked
    plain = create_package(api, event, name="Plain", price=1, seats_per_package=2)["id"]
    order = builders.buy(api, "eve", event, plain).json["order"]["id"]
    buy("ada")
    name("eve", f"{order}-1.2", "Kim", diet="no nuts")
    [text] = get(api, asked, package_id=plain).json["texts"]
    assert (text["option_id"], text["label"], text["value"], text["guest"]) == (None, "diet", "no nuts", "Kim")


def test_the_file_has_guests_with_their_seats_and_no_formulas(api, asked, buy, name):
    _, table, dish, song, parks = asked
    order = buy("ada", responses={parks: True})
    name("ada", f"{order}-1.2", "=cmd()", **{dish: ["Fish", "Vegan"], song: "+1"})
    rows = list(csv.DictReader(io.StringIO(get(api, asked, format="csv").body.decode(), newline="")))
    assert [(row["option_id"], row["answer"], row["ticket"], row["seat"], row["guest"]) for row in rows] == [
        (parks, "true", "", "", ""),
        (dish, "Fish; Vegan", "1", "2", "'=cmd()"),
        (song, "'+1", "1", "2", "'=cmd()"),
    ]
    assert {(row["order_id"], row["user_id"], row["package_id"], row["package"]) for row in rows} == {(order, "ada", table, "Table")}


def test_a_page_ends_before_its_seats_are_too_many_and_pages_add_up(api, asked, buy, name, monkeypatch):
    _, _, dish, *_ = asked
    for user in ("ada", "bob", "eve"):
        name(user, f"{buy(user)}-1.1", user.title(), **{dish: ["Fish"]})
    monkeypatch.setattr(answers, "MAX_SEATS", 2 * SEATS)
    first = get(api, asked).json
    second = get(api, asked, cursor=first["next_cursor"]).json
    assert (first["orders"], second["orders"], second["next_cursor"]) == (2, 1, None)
    assert counts(first)[dish][0] + counts(second)[dish][0] == 3
    monkeypatch.setattr(answers, "MAX_SEATS", 1)
    assert get(api, asked).json["orders"] == 1, "an order with more seats than a page has a page of its own"


def test_a_page_is_small_however_long_the_answers_are(api, asked, buy, name, monkeypatch):
    """Lambda returns at most 6 MB, so the answers of a few guests could make the whole list fail."""
    _, _, dish, song, _ = asked
    for user in ("ada", "bob", "eve"):
        order = buy(user)
        for seat in range(1, SEATS + 1):
            name(user, f"{order}-1.{seat}", user, **{dish: ["Fish"], song: "\u0001" * 500})
    whole = get(api, asked).json
    monkeypatch.setattr(cursors, "MAX_PAGE_BYTES", 12_000)
    texts, orders, cursor = [], 0, None
    while cursor is not None or not texts:
        reply = get(api, asked, **({"cursor": cursor} if cursor else {}))
        assert len(reply.body) < 15_000
        texts, orders, cursor = texts + reply.json["texts"], orders + reply.json["orders"], reply.json["next_cursor"]
    assert (texts, orders) == (whole["texts"], 3)
