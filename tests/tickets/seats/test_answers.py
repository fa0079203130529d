"""Answers about guests, for packages with questions to each guest."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.tickets.store import GuestRow
from tests import builders

DISH = {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"], "per": "guest"}


@pytest.fixture
def ask(table):
    """Ask guests of the table something; returns the option's id."""

    def create(**fields):
        reply = table.api.post(options_path(table), json=DISH | fields, token=builders.admin_token())
        assert reply.status == 201, reply.json
        return reply.json["id"]

    return create


def options_path(table):
    return f"/admin/events/{table.event_id}/tickets/packages/{table.tier_id}/options"


def test_questions_for_guests_are_shown_with_seats_not_to_buyers(table, ask):
    dish = ask()
    once = ask(label="Invoice", option_type="text_input", choices=[], per="purchase", is_required=False)
    shown = table.api.get(f"/tickets/{table.ticket.id}/seats", user="ada").json
    assert [option["id"] for option in shown["options"]] == [dish]
    assert builders.buy(table.api, "bob", table.event_id, table.tier_id).status == 201, "a required question to guests is none to buyers"
    reserved = builders.reserve(table.api, "eve", table.event_id, table.tier_id).json["id"]
    refused = builders.start_checkout(table.api, "eve", reserved, responses={dish: ["Fish"]})
    assert (refused.status, refused.json["path"]) == (400, f"$.responses.{dish}")
    assert builders.start_checkout(table.api, "eve", reserved, responses={once: "Eve Ltd"}).status == 201


def test_all_that_is_missing_is_named_and_nobody_is_named_then(table, ask, mailbox):
    dish = ask()
    lift = ask(label="Lift", option_type="boolean", choices=[])
    ask(label="Song", option_type="text_input", choices=[], is_required=False)
    refused = table.name(1, "Bob", "bob@example.com", answers={dish: []})
    assert (refused.status, refused.json["error"]) == (400, "answers_required")
    assert {(missing["label"], missing["path"]) for missing in refused.json["missing"]} == {
        ("Dinner", f"$.answers.{dish}"),
        ("Lift", f"$.answers.{lift}"),
    }
    assert (table.names(), mailbox.mails) == ({}, [])


def test_each_wrong_answer_is_named_and_so_is_one_that_nothing_asks_for(table, ask):
    dish, lift = ask(), ask(label="Lift", option_type="boolean", choices=[])
    refused = table.name(1, "Bob", answers={dish: ["Steak"], lift: "perhaps"})
    assert (refused.status, refused.json["error"]) == (400, "invalid_input")
    assert {wrong["label"] for wrong in refused.json["wrong"]} == {"Dinner", "Lift"}
    assert refused.json["path"] in (f"$.answers.{dish}", f"$.answers.{lift}")
    unknown = table.name(1, "Bob", answers={dish: "Fish", lift: True, "diet": "vegan"})
    assert (unknown.status, unknown.json["path"]) == (400, "$.answers.diet")
    assert table.names() == {}


def test_answers_are_kept_as_they_were_asked(table, ask, mailbox):
    dish, lift = ask(display_order=1), ask(label="Lift", option_type="boolean", choices=[], display_order=2)
    named = table.name(1, "Bob", "bob@example.com", answers={dish: ["Vegan", "Fish"], lift: "true"}).json["guest"]
    assert named["answers"] == {dish: ["Fish", "Vegan"], lift: True}
    changed = table.api.patch(
        f"{options_path(table)}/{dish}", json={"label": "Menu", "choices": ["Soup", "Salad"]}, token=builders.admin_token()
    )
    assert changed.status == 200
    assert table.api.delete(f"{options_path(table)}/{lift}", token=builders.admin_token()).status == 200
    asked = [(answer["label"], answer["choices"], answer["value"]) for answer in table.seats()[0]["guest"]["option_answers"]]
    assert asked == [("Dinner", ["Fish", "Vegan"], ["Fish", "Vegan"]), ("Lift", [], True)]
    token = mailbox.token("bob@example.com")
    assert table.page(token).json["option_answers"] == table.seats()[0]["guest"]["option_answers"]
    assert table.api.delete(f"/guests/{token}").status == 200
    assert "Fish" not in str(audit.list_entries(f"ticket#{table.ticket.id}"))


def test_a_guest_may_answer_the_buyers_questions_but_need_not(table, ask):
    dish = ask(per="ticket", is_required=False)
    guest = table.name(1, "Bob", answers={dish: "Fish", "diet": "vegan"}).json["guest"]
    assert guest["answers"] == {dish: ["Fish"], "diet": "vegan"}
    assert [answer["label"] for answer in guest["option_answers"]] == ["Dinner"]
    assert table.name(2, "Eve", answers={dish: "Steak"}).json["path"] == f"$.answers.{dish}"
    assert table.name(2, "Eve", answers={"diet": True}).json["path"] == "$.answers.diet"


def test_free_form_answers_about_a_guest_are_short(table):
    texts = {f"question {number}": "\U0001f600" * 500 for number in range(20)}
    refused = table.name(1, "Bob", answers=texts)
    assert (refused.status, refused.json["path"]) == (400, "$.answers")
    assert table.name(1, "Bob", answers=dict([*texts.items()][:2])).status == 200


def test_the_erasure_of_the_owner_takes_the_answers_away(table, ask):
    dish = ask()
    table.name(1, "Bob", answers={dish: "Fish"})
    assert table.api.delete("/auth/me", json={}, user="ada").status == 200
    assert [(row.answers, row.option_answers) for row in GuestRow.scan()] == [(None, None)]
