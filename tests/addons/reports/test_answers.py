"""The answers of buyers over HTTP: counted by choice, texts in pages, as CSV, and what a changed question leaves of them."""

import csv
import io

import pytest

from chalicelib.audit import service as audit
from chalicelib.purchases import erasure
from tests import builders, invariants
from tests.addons.packages.requests import call, create_event, create_option, create_package, promoter


@pytest.fixture
def asked(api, time, poller):
    """An event with a package that asks for a dish for each ticket, and for a song and whether somebody parks for each order."""
    event = create_event(api)
    table = create_package(api, event, name="Table", price=10, seats_per_package=1)["id"]
    dish = create_option(api, event, table, label="Dish", choices=["Fish", "Vegan"], per="ticket", is_required=False)["id"]
    song = create_option(api, event, table, label="Song", option_type="text_input", choices=[], is_required=False)["id"]
    parks = create_option(api, event, table, label="Parking", option_type="boolean", choices=[], is_required=False)["id"]
    yield event, table, dish, song, parks
    invariants.check(time.now)


def buy(api, asked, poller, user, responses, *dishes):
    """Buy a ticket for each dish; None: without an answer. Returns the order's id."""
    event, table, dish, *_ = asked
    attendees = [{"name": f"{user}-{n}", "responses": {} if chosen is None else {dish: chosen}} for n, chosen in enumerate(dishes)]
    reply = builders.buy(api, user, event, table, len(dishes), responses=responses, attendees=attendees)
    assert reply.status == 201, reply.json
    poller.drain()
    return reply.json["order"]["id"]


def get(api, asked, **query):
    reply = api.get(f"/admin/events/{asked[0]}/tickets/answers", query=query, token=promoter())
    assert reply.status == 200, reply.json
    return reply


def counts(body):
    """Option id -> (answered, unanswered, choice -> count)."""
    shown = ((option["option_id"], option) for option in body["options"])
    return {
        key: (option["answered"], option["unanswered"], {choice["choice"]: choice["count"] for choice in option["choices"]})
        for key, option in shown
    }


def test_answers_are_counted_by_choice_and_texts_are_listed(api, asked, poller):
    _, table, dish, song, parks = asked
    first = buy(api, asked, poller, "ada", {song: "Waltz", parks: True}, ["Fish"], ["Fish", "Vegan"])
    buy(api, asked, poller, "bob", {parks: False}, ["Vegan"], None)
    buy(api, asked, poller, "eve", {}, None)
    body = get(api, asked).json
    assert counts(body) == {
        dish: (3, 2, {"Fish": 2, "Vegan": 2}),
        song: (1, 2, {}),
        parks: (2, 1, {"true": 1, "false": 1}),
    }
    [text] = body["texts"]
    assert (text["order_id"], text["package_id"], text["label"], text["value"], text["ticket"]) == (first, table, "Song", "Waltz", None)
    assert (body["orders"], body["next_cursor"]) == (3, None)
    assert [option["option_id"] for option in get(api, asked, option_id=song).json["options"]] == [song]
    assert get(api, asked, package_id="other").json["options"] == []


def test_the_audit_log_records_who_reads_answers(api, asked, poller):
    get(api, asked)
    buy(api, asked, poller, "ada", {asked[3]: "Waltz"}, ["Fish"])
    buy(api, asked, poller, "eve", {}, None)
    for form in ("json", "csv"):
        get(api, asked, format=form)
    read = [entry for entry in audit.list_entries(f"event#{asked[0]}") if entry.action == "event.people_read"]
    assert [entry.details for entry in read] == [{"listed": "answers", "count": 1, "format": form} for form in ("csv", "json")]


def test_answers_of_tickets_that_were_taken_back_do_not_count(api, asked, poller):
    _, _, dish, song, _ = asked
    order = buy(api, asked, poller, "ada", {song: "Waltz"}, ["Fish"], ["Vegan"])
    assert builders.refund(api, order, tickets=[f"{order}-1"]).status == 201
    poller.drain()
    body = get(api, asked).json
    assert counts(body)[dish] == (1, 0, {"Fish": 0, "Vegan": 1})
    assert [text["value"] for text in body["texts"]] == ["Waltz"]
    assert builders.refund(api, order, key="rest").status == 201
    poller.drain()
    body = get(api, asked).json
    assert counts(body)[dish] == (0, 0, {"Fish": 0, "Vegan": 0})
    assert body["texts"] == []


def test_answers_stay_readable_when_the_question_is_changed_or_deleted(api, asked, poller):
    event, table, dish, song, _ = asked
    buy(api, asked, poller, "ada", {song: "Waltz"}, ["Fish"])
    changed = call(api, "PATCH", event, table, "options", dish, json={"label": "Main course", "choices": ["Vegan", "Soup"]})
    assert changed.status == 200, changed.json
    assert call(api, "DELETE", event, table, "options", song).status == 200
    buy(api, asked, poller, "bob", {}, ["Soup"])
    body = get(api, asked).json
    assert counts(body)[dish] == (2, 0, {"Vegan": 0, "Soup": 1, "Fish": 1})
    assert counts(body)[song] == (1, None, {})
    assert {option["option_id"]: option["label"] for option in body["options"]}[dish] == "Main course"
    assert [(text["label"], text["value"]) for text in body["texts"]] == [("Song", "Waltz")]


def test_pages_add_up_to_the_whole(api, asked, poller):
    _, _, dish, song, _ = asked
    for number, user in enumerate(("ada", "bob", "eve")):
        buy(api, asked, poller, user, {song: f"Song {number}"}, ["Fish"])
    answered, texts, query = 0, [], {"limit": 2}
    while query:
        body = get(api, asked, **query).json
        answered += counts(body)[dish][0]
        texts += [text["value"] for text in body["texts"]]
        query = {"limit": 2, "cursor": body["next_cursor"]} if body["next_cursor"] else {}
    assert (answered, texts) == (3, ["Song 2", "Song 1", "Song 0"])


def test_answers_are_a_file_that_no_spreadsheet_computes(api, asked, poller):
    _, table, dish, song, parks = asked
    order = buy(api, asked, poller, "ada", {song: "=HYPERLINK(1)", parks: True}, ["Fish", "Vegan"])
    reply = get(api, asked, format="csv", bom="true")
    assert reply.body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(reply.body.decode("utf-8-sig"), newline="")))
    assert {row["option_id"]: row["answer"] for row in rows} == {song: "'=HYPERLINK(1)", parks: "true", dish: "Fish; Vegan"}
    assert {(row["order_id"], row["user_id"], row["package_id"], row["package"]) for row in rows} == {(order, "ada", table, "Table")}
    assert {row["ticket"] for row in rows} == {"", "1"}


def test_answers_that_were_erased_are_in_no_report(api, asked, poller):
    _, _, dish, song, _ = asked
    buy(api, asked, poller, "ada", {song: "Waltz"}, ["Fish"])
    assert len(get(api, asked).json["texts"]) == 1
    erasure.erase_personal_details(erasure.find_personal_details("ada"))
    body = get(api, asked).json
    assert counts(body)[dish] == (0, 1, {"Fish": 0, "Vegan": 0})
    assert body["texts"] == []


def test_only_managers_of_the_event_may_read_answers(api, asked):
    path = f"/admin/events/{asked[0]}/tickets/answers"
    assert api.get(path, token=promoter("another")).status == 403
    refused = api.get(path, query={"cursor": "x"}, token=promoter())
    assert (refused.status, refused.json["path"]) == (400, "cursor")
