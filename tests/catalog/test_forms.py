"""What is left out of a whole event or tier gets the default of the model, also each field that is added later."""

import msgspec
import pytest

from chalicelib.catalog.forms import EventFields, TierFields
from chalicelib.catalog.model import Event, Tier

# Fields of a body that have another name in the model.
STORED = {"position": "display_order", "max_per_order": "max_per_transaction", "on_sale": "status"}
# What a body that leaves it out does not change.
STAYS = {"version", "currency", "promoter_id"}
FORGOTTEN = "A PUT that leaves these out would keep their old values. Add them to the defaults in chalicelib/catalog/forms.py"

WHOLE = pytest.mark.parametrize(
    ("fields", "model"),
    [(EventFields(name="Gala"), Event), (TierFields(name="Floor", price_cents=100, capacity=None), Tier)],
    ids=["event", "tier"],
)


@WHOLE
def test_a_whole_entry_has_a_value_for_each_field(fields, model):
    values = fields.values()
    names = {STORED.get(name, name) for name in type(fields).__struct_fields__ if name not in STAYS}
    assert sorted(names - values.keys()) == [], FORGOTTEN


@WHOLE
def test_what_is_left_out_is_what_the_model_has_without_it(fields, model):
    values = fields.values()
    of_model = {field.name: _default(field) for field in msgspec.structs.fields(model) if not field.required and field.name in values}
    given = {name: values[name] for name in of_model}
    assert given == of_model


def _default(field):
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
