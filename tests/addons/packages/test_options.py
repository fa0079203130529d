"""Custom options of packages: the questions to buyers, and how managers change them."""

import threading
from collections import Counter

import pytest

from tests import builders
from tests.addons.packages.requests import CHOICES, call, create_event, create_option, create_package

pytestmark = pytest.mark.usefixtures("time")


@pytest.fixture
def package(api, time) -> tuple[str, str]:
    event = create_event(api)
    return event, create_package(api, event)["id"]


def listed(api, package):
    return call(api, "GET", *package, "options").json["options"]


def test_an_option_is_created_shown_changed_and_deleted(api, package):
    created = create_option(api, *package)
    defaults = {"is_required": True, "display_order": 0, "per": "purchase", "labels": {}, "other_choices": {}}
    assert created == {"id": created["id"], **CHOICES, **defaults}
    first = create_option(api, *package, label="Access", option_type="boolean", choices=[], display_order=-1, per="ticket")
    assert listed(api, package) == [first, created]
    assert call(api, "GET", *package).json["options"] == [first, created]
    assert api.get(f"/tiers/{package[1]}").json["options"] == [first, created]
    assert api.get(f"/events/{package[0]}/tickets/packages").json["packages"][0]["options"] == [first, created]
    changed = call(api, "PATCH", *package, "options", created["id"], json={"choices": ["Fish", "Meat", "Vegan"], "is_required": False})
    assert changed.json == created | {"choices": ["Fish", "Meat", "Vegan"], "is_required": False}
    for _ in range(2):  # a repetition changes nothing
        assert call(api, "DELETE", *package, "options", first["id"]).status == 200
    assert listed(api, package) == [changed.json]


def test_a_new_option_is_asked_last(api, package):
    create_option(api, *package, display_order=5)
    second, third = (create_option(api, *package, label=label) for label in ("Second", "Third"))
    assert [(option["label"], option["display_order"]) for option in listed(api, package)] == [("Dinner", 5), ("Second", 6), ("Third", 7)]
    moved = call(api, "PATCH", *package, "options", third["id"], json={"display_order": 0})
    assert moved.json["display_order"] == 0
    assert [option["label"] for option in listed(api, package)] == ["Third", "Dinner", "Second"]
    assert second["display_order"] == 6


def test_deleting_an_option_warns_once_the_package_is_sold(api, package):
    first, second = (create_option(api, *package, is_required=False, label=label) for label in ("First", "Second"))
    assert call(api, "DELETE", *package, "options", first["id"]).json["warnings"] == []
    builders.buy(api, "ada", *package, 2)
    assert "Sold: 2" in call(api, "DELETE", *package, "options", second["id"]).json["warnings"][0]


def test_each_change_is_in_the_history_of_the_package(api, package):
    option = create_option(api, *package)
    call(api, "PATCH", *package, "options", option["id"], json={"label": "Menu"})
    entry = call(api, "GET", *package, "audit").json["audit_logs"][0]
    assert (entry["action"], entry["actor"]) == ("package.options_changed", "pia")
    before, after = entry["changes"]["options"]["before"], entry["changes"]["options"]["after"]
    assert ([shown["label"] for shown in before], [shown["label"] for shown in after]) == (["Dinner"], ["Menu"])


def test_a_package_asks_four_questions_at_most(api, package):
    for number in range(4):
        create_option(api, *package, label=f"Question {number}", option_type="text_input", choices=[])
    reply = call(api, "POST", *package, "options", json=CHOICES)
    assert (reply.status, reply.json["error"]) == (409, "too_many_options")
    assert len(listed(api, package)) == 4


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"label": ""}, "$.label"),
        ({"label": "x" * 201}, "$.label"),
        ({"option_type": "radio"}, "$.option_type"),
        ({"choices": ["Fish"]}, "$.choices"),
        ({"choices": [str(number) for number in range(11)]}, "$.choices"),
        ({"choices": ["Fish", " fish "]}, "$.choices"),
        ({"choices": ["Fish", ""]}, "$.choices[1]"),
        ({"option_type": "boolean"}, "$.choices"),
        ({"option_type": "text_input"}, "$.choices"),
        ({"per": "seat"}, "$.per"),
        ({"other_choices": {"xx": ["Pescado", "Vegano"]}}, "$.other_choices"),
        ({"other_choices": {"es": ["Pescado"]}}, "$.other_choices.es"),
        ({"other_choices": {"es": ["Pescado", "Pescado"]}}, "$.other_choices.es"),
        ({"other_choices": {"es": ["Vegan", "Fish"]}}, "$.other_choices.es"),
        ({"other_choices": {"de": ["Fisch", "Vegan"], "es": ["Vegano", "Fisch"]}}, "$.other_choices.de"),
    ],
)
def test_an_invalid_option_is_refused_and_names_the_field(api, package, fields, at):
    reply = call(api, "POST", *package, "options", json=CHOICES | fields)
    assert (reply.status, reply.json["path"]) == (400, at)
    assert listed(api, package) == []


def test_a_change_must_leave_an_option_that_can_be(api, package):
    option = create_option(api, *package)
    for change in ({"option_type": "boolean"}, {"choices": []}):
        reply = call(api, "PATCH", *package, "options", option["id"], json=change)
        assert (reply.status, reply.json["path"]) == (400, "$.choices")
    assert call(api, "PATCH", *package, "options", option["id"], json={"option_type": "boolean", "choices": []}).status == 200


def test_an_unknown_option_is_a_404_and_a_stale_change_a_conflict(api, package):
    option = create_option(api, *package)
    assert call(api, "PATCH", *package, "options", "nothing", json={"label": "New"}).status == 404
    stale = call(api, "PATCH", *package, "options", option["id"], json={"label": "New", "version": 1})
    assert (stale.status, stale.json["current"]["version"]) == (409, 2)
    assert call(api, "DELETE", *package, "options", option["id"], headers={"If-Match": '"1"'}).status == 412


def test_four_of_many_simultaneous_options_are_created(threaded_store, api):
    event = create_event(api)
    package = create_package(api, event)["id"]
    barrier, statuses = threading.Barrier(6), []

    def create(number):
        barrier.wait()
        for _ in range(20):
            reply = call(api, "POST", event, package, "options", json=CHOICES | {"label": str(number)})
            if reply.json.get("error") != "catalog_changing":
                break
        statuses.append(reply.status)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(statuses) == {201: 4, 409: 2}
    assert len(listed(api, (event, package))) == 4


def test_a_copy_asks_the_same_and_its_options_are_its_own(api, package):
    option = create_option(api, *package)
    copied = call(api, "POST", *package, "duplicate").json
    assert [shown | {"id": ""} for shown in copied["options"]] == [option | {"id": ""}]
    assert copied["options"][0]["id"] != option["id"]
