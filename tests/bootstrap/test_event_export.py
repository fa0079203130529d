"""`fairgate export --event`: an event moves to another stage as a file."""

import json

import msgspec
import pytest

from bootstrap.event_export import to_document
from chalicelib.bootstrap_file.document import EventEntry, TicketEntry
from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import CustomOption
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.foundation import clock, settings
from chalicelib.promotions.model import PromoCode
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket
from tests.catalog.test_fields import samples
from tests.engines import create_tables

pytestmark = pytest.mark.usefixtures("store", "time")

# What differs between an event and its copy: who manages it, and when it was written.
OWN = {"managed_by", "version", "created_at", "updated_at", "slug", "paused"}


@pytest.fixture
def export(run, tmp_path):
    """`export(event_id)` writes the file of an event; returns it and what the command did."""

    def call(event_id):
        file = tmp_path / "event.json"
        return file, run("export", "--event", event_id, "-o", file)

    return call


@pytest.fixture
def other_stage():
    with settings.override(stage="test-other"):
        create_tables()
        catalog.invalidate()
        yield
    catalog.invalidate()


def shown(api, event_id):
    reply = api.get(f"/events/{event_id}")
    assert reply.status == 200, reply.json
    tiers = [{name: value for name, value in tier.items() if name not in OWN} for tier in reply.json["tiers"]]
    return {name: value for name, value in reply.json.items() if name not in OWN} | {"tiers": tiers}


def change(api, path, **fields):
    reply = api.patch(path, json=fields, token=builders.admin_token())
    assert reply.status == 200, reply.json


def create_full_event(api, time):
    event_id = builders.create_event(api, status="draft", description="With a view")
    change(
        api,
        f"/events/{event_id}",
        ends_at=clock.iso(time.now + 31 * 86_400),
        timezone="Europe/Madrid",
        city="Madrid",
        capacity=30,
        guests_until=clock.iso(time.now + 20 * 86_400),
        waiting_room={"enabled": True, "wave_size": 7, "wave_seconds": 9},
        waitlist={"enabled": True, "keeps_tickets": False},
        metadata={"stand": "left", "capacity": "four hundred"},
    )
    floor = builders.create_tier(api, event_id, name="Floor", per_user_limit=3)
    change(api, f"/tiers/{floor}", sale_ends_at=clock.iso(time.now + 86_400), admits=2, metadata={"row": "A"})
    change(api, f"/tiers/{floor}", is_sponsorship=True, image_url="https://example.com/floor.jpg")
    options = f"/admin/events/{event_id}/tickets/packages/{floor}/options"
    question = {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"], "is_required": False, "per": "ticket"}
    assert api.post(options, json=question, token=builders.admin_token()).status == 201
    change(api, f"/tiers/{builders.create_tier(api, event_id, name='Open', price_cents=0)}", capacity=None)
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    return event_id


def test_an_event_of_the_api_is_the_same_in_another_stage(api, time, run, export, request):
    event_id = create_full_event(api, time)
    before = shown(api, event_id)
    file, result = export(event_id)
    assert (result.code, result.err.splitlines()[1:]) == (0, [])
    request.getfixturevalue("other_stage")
    planned = run("plan", file)
    assert planned.code == 0
    assert f"+ event {event_id}" in planned.out
    assert api.get(f"/events/{event_id}").status == 404, "a plan changes nothing"
    assert run("apply", file).code == 0
    assert shown(api, event_id) == before
    assert run("apply", file).out == "version 1 is already served; nothing to do\n"
    invariants.check(time.now)


def test_an_event_of_the_file_is_exported_as_the_file_has_it(api, run, write, tree, export, request):
    tree["events"]["fest"] = event("fest", end_date="2026-09-02", capacity=500, on_sale_at="2026-03-01", purchase_limit=9)
    tree["ticket_types"]["fest-other"] = ticket("fest-other", admits=4)
    tree["events"]["elsewhere"] = event("elsewhere")
    tree["ticket_types"]["elsewhere-pass"] = ticket("elsewhere-pass", "elsewhere")
    run("apply", write(tree))
    before = shown(api, "fest")
    file, result = export("fest")
    assert (result.code, list(json.loads(file.read_text())["events"])) == (0, ["fest"])
    stage = settings.current().stage
    assert json.loads(file.read_text())["ticket_types"]["fest-other"]["stripe_price_id"] == {stage: "price_fest-other"}
    request.getfixturevalue("other_stage")
    assert run("apply", file).code == 0
    assert shown(api, "fest") == before


def test_it_joins_the_files_of_a_stage_and_conflicts_are_refused(api, time, run, write, tree, export):
    event_id = create_full_event(api, time)
    file, _ = export(event_id)
    both = (write(tree), file)
    refused = run("apply", *both)
    assert refused.code == 1
    assert event_id in refused.err, "the API manages an event of this id here"
    run("apply", write(tree))
    own, _ = export("fest")
    twice = run("plan", write(tree), own)
    assert twice.code == 1
    assert "$.events.fest" in twice.err


def test_fields_that_a_file_lacks_are_listed(api, export):
    event_id = builders.create_event(api, status="draft")
    tier_id = builders.create_tier(api, event_id)
    change(api, f"/events/{event_id}", category="Rock", hold_seconds=600)
    change(api, f"/tiers/{tier_id}", hidden=True)
    file, result = export(event_id)
    assert result.err.splitlines()[1:] == [
        f"event {event_id}: `category` is left out, because the file does not support it",
        f"event {event_id}: `hold_seconds` is left out, because the file does not support it",
        f"event {event_id}: is a draft, which the file does not support; it is written as `test`, which is not listed",
        f"tier {tier_id}: is hidden, which the file does not support; it is written as `closed`",
    ]
    document = json.loads(file.read_text())
    assert document["events"][event_id]["status"] == "test"
    assert document["ticket_types"][tier_id]["status"] == "closed"


def test_an_event_that_is_not_there_is_refused(api, run):
    assert 'there is no event "feast"' in run("export", "--event", "feast").err
    assert run("export", "--event", "feast", "--version", "1").code == 2


# What a file can say and an export does not write: what a first apply begins with, and what the other stage decides.
NOT_WRITTEN = {"sold_count", "shards"}
NOT_EXPORTED = "An export would leave these out without a word. Add them to bootstrap/event_export.py, and a value to this test"


def declared(model):
    """Values of the declared fields, as the model has them."""
    types = {field.name: field.type for field in msgspec.structs.fields(model)}
    return {name: msgspec.convert(value, types[name]) for name, value in samples(model).items()}


def test_an_export_has_every_field_of_the_file(time):
    event = Event(
        id="fest",
        name="Fest",
        venue="Park",
        starts_at=time.now,
        ends_at=time.now + 60,
        on_sale_at=time.now - 60,
        guests_until=time.now,
        status="active",
        date="2026-06-01",
        managed_by="api",
        display_order=1,
        purchase_limit=2,
        **declared(Event),
    )
    tier = Tier(
        id="floor",
        event_id="fest",
        name="Floor",
        price_cents=100,
        currency="EUR",
        capacity=3,
        status="available",
        stock_id="floor",
        shards=1,
        managed_by="api",
        per_user_limit=2,
        max_per_transaction=2,
        sale_starts_at=time.now,
        sale_ends_at=time.now + 60,
        display_order=1,
        image_url="https://example.com/floor.jpg",
        options=[CustomOption(id="dish", label="Dish", option_type="boolean")],
        stripe_price_id="price_1",
        metadata={"row": "A"},
        **declared(Tier) | {"low_stock_at": 0},
    )
    code = PromoCode(
        event_id="fest",
        code="EARLY",
        discount_type="percentage",
        discount_value=10,
        currency="EUR",
        stock_id="early",
        shards=1,
        created_at=time.now,
        updated_at=time.now,
    )
    tree = to_document(Catalog.build([event], [tier]), event, [code], "dev").tree
    assert set(EventEntry.__struct_fields__) - tree["events"]["fest"].keys() == set(), NOT_EXPORTED
    assert set(TicketEntry.__struct_fields__) - tree["ticket_types"]["floor"].keys() == NOT_WRITTEN, NOT_EXPORTED
    assert tree["ticket_types"]["floor"]["low_stock_at"] == 0
