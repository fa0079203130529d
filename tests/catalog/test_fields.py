"""Each field that the model declares: requests, replies, the bootstrap file and its export have it, without a line of their own."""

import msgspec
import pytest
from msgspec import inspect

from bootstrap.event_export import to_document
from chalicelib.bootstrap_file import validation
from chalicelib.catalog.fields import declared_fields
from chalicelib.catalog.model import Catalog, Event, Tier
from tests import builders
from tests.catalog.requests import get

# Samples of fields whose types do not say which values are valid.
GIVEN = {"timezone": "Europe/Madrid", "waiting_room": {"wave_size": 7}, "waitlist": {"keeps_tickets": False}}
GIVEN["returns"] = {"policy": "refund", "until": "2026-06-20T10:00:00Z", "fee_percent": 10}
GIVEN["names"], GIVEN["descriptions"] = {"es": "Noche", "de": "Nacht"}, {"es": "Una noche"}
GIVEN["transfers"] = "none"
GIVEN["seating"] = "wheelchair"
GIVEN["tax"] = {"percent": "0", "exempt_because": "A charity"}
GIVEN["included_fee"] = {"percent": "5"}
GIVEN["country"], GIVEN["region"] = "ES", "CN"
GIVEN["dates"] = [
    {"id": "friday", "starts_at": "2026-07-15T19:00:00Z", "ends_at": "2026-07-15T22:00:00Z", "name": "Opening", "venue": "Arena"}
    | {"capacity": 500, "names": {"es": "Estreno"}}
]
GIVEN["date_ids"] = ["friday"]
GIVEN["holdbacks"] = [{"id": "press", "reason": "press", "quantity": 2, "label": "Radio", "release_at": "2026-06-20T10:00:00Z"}]


def samples(model):
    """A value for each declared field that is not its default, as a request has it."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(model)}
    return {name: GIVEN.get(name, _sample(field.type, defaults[name])) for name, field in declared_fields(model).items()}


def names_of(model, **properties):
    found = declared_fields(model).items()
    return {name for name, field in found if all(getattr(field, key) == value for key, value in properties.items())}


def _sample(field_type, default):
    kind = inspect.type_info(field_type)
    for member in kind.types if isinstance(kind, inspect.UnionType) else [kind]:
        while isinstance(member, inspect.Metadata):
            member = member.type
        match member:
            case inspect.BoolType():
                return not default
            case inspect.IntType():
                return (member.ge or 0) + 1
            case inspect.StrType():
                return "Some words"
    return None


@pytest.mark.parametrize("model", [Event, Tier], ids=["event", "tier"])
def test_managers_change_it_and_others_see_it_if_it_is_public(api, store, time, model):
    event_id = builders.create_event(api, status="draft")
    if model is Tier:
        api.patch(f"/events/{event_id}", json={"dates": GIVEN["dates"]}, token=builders.admin_token())
    tier_id = builders.create_tier(api, event_id)
    path = f"/events/{event_id}" if model is Event else f"/tiers/{tier_id}"
    sent = samples(model)
    changed = api.patch(path, json=sent, token=builders.admin_token())
    assert changed.status == 200, changed.json
    assert {name: changed.json[name] for name in sent} == sent
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    assert {name: get(api, path).json[name] for name in sent} == sent
    assert api.get(path).json.keys() & sent.keys() == names_of(model, seen_by="public")


def test_a_file_has_it_and_an_export_writes_it(time):
    sent = {model: {name: samples(model)[name] for name in names_of(model, in_file="entry")} for model in (Event, Tier)}
    event = {"id": "fest", "name": "Fest", "date": "2026-07-01", "venue": "Park"}
    ticket = {"id": "floor", "event_id": "fest", "name": "Floor", "price_cents": 100, "max_quantity": 9}
    tree = {"version": "1", "events": {"fest": event | sent[Event]}, "ticket_types": {"floor": ticket | sent[Tier]}}
    valid = validation.validate_tree(tree)
    catalog = Catalog.build(validation.to_events(valid).values(), validation.to_tiers(valid).values())
    exported = to_document(catalog, catalog.events["fest"], [], "test").tree
    assert exported["events"]["fest"].items() >= sent[Event].items()
    assert exported["ticket_types"]["floor"].items() >= sent[Tier].items()
