"""Answers to the custom options of packages: checked at checkout, kept as they were asked for, and shown with the order."""

import pytest

from chalicelib.purchases import store
from tests import builders, invariants
from tests.addons.packages.requests import call, create_event, create_option, create_package
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.needs_addon  # packages ask the questions


@pytest.fixture
def table(api, time) -> tuple[str, str]:
    event = create_event(api)
    return event, create_package(api, event)["id"]


def ask(api, table, **fields) -> str:
    return create_option(api, *table, **fields)["id"]


def checkout(api, table, quantity=1, **fields):
    reservation = builders.reserve(api, "ada", *table, quantity).json["id"]
    return builders.start_checkout(api, "ada", reservation, key=reservation, **fields)


def answers_of(api, order_id):
    return api.get(f"/orders/{order_id}", user="ada").json["order"]["answers"]


def test_answers_of_each_type_are_kept_with_what_was_asked(api, time, table):
    dinner = ask(api, table, display_order=1)
    access = ask(api, table, label="Step-free access", option_type="boolean", choices=[], display_order=2)
    note = ask(api, table, label="Note", option_type="text_input", choices=[], is_required=False, display_order=3)
    sent = {dinner: ["Vegan", "Fish"], access: False, note: "By the window"}
    opened = checkout(api, table, responses=sent)
    assert opened.status == 201, opened.json
    order_id = builders.confirm(api, "ada", opened.json["id"]).json["order"]["id"]
    asked = {"tier_id": table[1], "ticket": None}
    expected = [
        {"option_id": dinner, "label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"], "value": ["Fish", "Vegan"]},
        {"option_id": access, "label": "Step-free access", "option_type": "boolean", "choices": [], "value": False},
        {"option_id": note, "label": "Note", "option_type": "text_input", "choices": [], "value": "By the window"},
    ]
    assert answers_of(api, order_id) == [answer | asked for answer in expected]
    call(api, "PATCH", *table, "options", dinner, json={"label": "Menu", "choices": ["Soup", "Salad"]})
    call(api, "DELETE", *table, "options", note)
    time.advance(10)
    assert answers_of(api, order_id) == [answer | asked for answer in expected], "they stay as they were asked for"
    shown = api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["order"]
    assert shown["answers"] == answers_of(api, order_id)
    assert api.get("/me/export", token=builders.token("ada")).json["orders"][0]["answers"] == shown["answers"]
    invariants.check(time.now)


def test_all_missing_answers_are_named_at_once(api, time, table):
    dinner = ask(api, table, display_order=1)
    note = ask(api, table, label="Note", option_type="text_input", choices=[], display_order=2)
    ask(api, table, label="Optional", option_type="boolean", choices=[], is_required=False)
    for sent in ({}, {"responses": {dinner: [], note: "  "}}):
        refused = checkout(api, table, **sent)
        assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "answers_required", f"$.responses.{dinner}")
        assert refused.json["message"] == "Answer the required questions: Dinner, Note."
        named = [(missing["option_id"], missing["label"], missing["ticket"]) for missing in refused.json["missing"]]
        assert named == [(dinner, "Dinner", None), (note, "Note", None)]
        reservation = api.get(f"/events/{table[0]}/reservations", user="ada").json
        assert (reservation["state"], store.load(reservation["id"]).state) == ("active", "held"), "nothing was written"
        assert api.delete(f"/reservations/{reservation['id']}", user="ada").status == 200
    assert list(store.CheckoutDetailsRow.scan()) == []


@pytest.mark.parametrize(
    ("option", "sent"),
    [
        ({}, ["Steak"]),
        ({}, ["Fish", "Fish"]),
        ({}, "fish"),
        ({}, True),
        ({"option_type": "boolean", "choices": []}, "maybe"),
        ({"option_type": "boolean", "choices": []}, ["true"]),
        ({"option_type": "text_input", "choices": []}, True),
        ({"option_type": "text_input", "choices": []}, ["text"]),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_named(api, time, table, option, sent):
    option_id = ask(api, table, **option)
    refused = checkout(api, table, responses={option_id: sent})
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "invalid_input", f"$.responses.{option_id}")


@pytest.mark.parametrize("sent", [{"Dinner": "x" * 501}, {"Dinner": 5}, {"Dinner": None}, {"x" * 65: "text"}])
def test_an_answer_of_no_form_at_all_is_refused(api, time, table, sent):
    ask(api, table)
    refused = checkout(api, table, responses=sent)
    assert (refused.status, refused.json["error"]) == (400, "invalid_input")
    assert refused.json["path"].startswith("$.responses")


def test_single_choices_and_words_for_true_are_understood(api, time, table):
    dinner = ask(api, table, display_order=1)
    access = ask(api, table, label="Access", option_type="boolean", choices=[], display_order=2)
    order_id = checkout(api, table, responses={dinner: "Fish", access: "true"}).json["id"]
    assert [answer["value"] for answer in answers_of(api, order_id)] == [["Fish"], True]


def test_an_answer_to_nothing_that_is_asked_is_refused(api, time, table):
    ask(api, table, is_required=False)
    seat = ask(api, table, label="Seat", option_type="text_input", choices=[], is_required=False, per="ticket")
    for responses in ({"diet": "none"}, {seat: "front"}):
        refused = checkout(api, table, responses=responses)
        assert (refused.status, refused.json["path"]) == (400, f"$.responses.{next(iter(responses))}")
        release(api, table)
    refused = checkout(api, table, attendees=[{"name": "Ada", "responses": {"diet": "none"}}])
    assert (refused.status, refused.json["path"]) == (400, "$.attendees[0].responses.diet")


def release(api, table):
    held = api.get(f"/events/{table[0]}/reservations", user="ada").json["id"]
    assert api.delete(f"/reservations/{held}", user="ada").status == 200


def test_tiers_that_ask_nothing_take_texts_of_any_kind(api, time):
    shop = builders.create_shop(api)
    order_id = checkout(api, shop, responses={"diet": "none"}).json["id"]
    order = api.get(f"/orders/{order_id}", user="ada").json["order"]
    assert (order["responses"], order["answers"]) == ({"diet": "none"}, [])
    refused = builders.order(api, "bob", shop[0], {shop[1]: 1}, responses={"diet": True})
    assert (refused.status, refused.json["path"]) == (400, "$.responses.diet")
    refused = builders.order(api, "bob", shop[0], {shop[1]: 1}, attendees=[{"name": "Bob", "responses": {"diet": "none"}}])
    assert (refused.status, refused.json["path"]) == (400, "$.attendees[0].responses.diet")


def test_questions_of_each_ticket_are_answered_with_its_attendee(api, time, table):
    seat = ask(api, table, label="Dish", per="ticket")
    attendees = [{"name": "Ada", "responses": {seat: ["Fish"]}}, {"name": "Bob", "responses": {seat: ["Vegan"]}}]
    missing = checkout(api, table, 2, attendees=attendees[:1])
    assert (missing.status, missing.json["path"]) == (400, f"$.attendees[1].responses.{seat}")
    assert [named["ticket"] for named in missing.json["missing"]] == [2]
    release(api, table)
    order_id = checkout(api, table, 2, attendees=attendees).json["id"]
    tickets = builders.confirm(api, "ada", order_id).json["tickets"]
    assert [(answer["ticket"], answer["value"]) for answer in answers_of(api, order_id)] == [(1, ["Fish"]), (2, ["Vegan"])]
    order = api.get(f"/orders/{order_id}", user="ada").json["order"]
    assert order["attendees"] == [{"name": "Ada"}, {"name": "Bob"}]
    assert api.get(f"/tickets/{tickets[1]['id']}", user="ada").json["attendee"] == {"name": "Bob"}


def test_in_a_purchase_of_several_packages_each_asks_its_own(api, time, table):
    event, _ = table
    plain = create_package(api, event, name="Plain")["id"]
    dish = ask(api, table, per="ticket")
    items = {plain: 1, table[1]: 1}
    refused = builders.order(api, "ada", event, items, attendees=[{"name": "Ada", "responses": {dish: ["Fish"]}}, {"name": "Bob"}])
    assert (refused.status, refused.json["path"]) == (400, f"$.attendees[0].responses.{dish}"), "the first ticket is of the other package"
    reply = builders.order(api, "ada", event, items, attendees=[{"name": "Ada"}, {"name": "Bob", "responses": {dish: ["Fish"]}}])
    (answer,) = reply.json["order"]["answers"]
    assert (answer["ticket"], answer["tier_id"]) == (2, table[1])


def test_an_order_in_one_call_is_refused_before_anything_is_held(api, time, table):
    dinner = ask(api, table)
    with record_calls() as log:
        refused = builders.order(api, "ada", table[0], {table[1]: 1})
    assert (refused.status, refused.json["error"]) == (400, "answers_required")
    assert not {"inventory", "purchases", "buyers"} & {table.rpartition("-")[2] for entry in log.entries for table in entry.tables}
    first = builders.order(api, "ada", table[0], {table[1]: 1}, responses={dinner: ["Fish"]})
    again = builders.order(api, "ada", table[0], {table[1]: 1}, responses={dinner: ["Fish"]})
    assert (first.status, again.status) == (201, 200)
    assert first.json["order"]["answers"] == again.json["order"]["answers"] == answers_of(api, first.json["order"]["id"])


def test_long_answers_in_any_script_fit_but_not_endless_ones(api, time, table):
    ids = [ask(api, table, label=f"Text {number}", option_type="text_input", choices=[]) for number in range(4)]
    order_id = checkout(api, table, responses=dict.fromkeys(ids, "€" * 500)).json["id"]
    assert {answer["value"] for answer in answers_of(api, order_id)} == {"€" * 500}
    event, _ = table
    other = create_package(api, event, name="Other")["id"]
    ids = [ask(api, (event, other), label=f"{n}", option_type="text_input", choices=[], per="ticket") for n in range(4)]
    call(api, "PATCH", event, other, json={"quantity_limit": 50})
    api.patch(f"/tiers/{other}", json={"per_user_limit": 50}, token=builders.admin_token())
    api.patch(f"/events/{event}", json={"purchase_limit": 50}, token=builders.admin_token())
    attendees = [{"name": "Bob", "responses": dict.fromkeys(ids, "x" * 500)}] * 40
    refused = builders.order(api, "bob", event, {other: 40}, attendees=attendees)
    assert (refused.status, refused.json["path"]) == (400, "$.responses")


def test_an_erased_buyer_takes_the_answers_along(api, time, table):
    note = ask(api, table, label="Note", option_type="text_input", choices=[])
    order_id = checkout(api, table, responses={note: "Secret"}).json["id"]
    builders.confirm(api, "ada", order_id)
    assert api.delete("/auth/me", user="ada").status == 200
    assert answers_of(api, order_id) == []
