"""What is left out of a whole event or tier gets the default of the model, also each field that is added later."""

import msgspec
import pytest

from chalicelib.catalog.forms import EventFields, TierFields
from chalicelib.catalog.model import Event, Tier

# Fields of a body that have another name in the model.
STORED = {"position": "display_order", "max_per_order": "max_per_transaction", "on_sale": "status"}
# What a body that leaves it out does not change.
STAYS = {"version", "currency", "promoter_id"}
# What the model has no default for, and a body need not have.
OWN_DEFAULTS = {"venue": "", "starts_at": 0, "status": "available"}


@pytest.mark.parametrize(
    ("fields", "model"),
    [(EventFields(name="Gala"), Event), (TierFields(name="Floor", price_cents=100, capacity=None), Tier)],
    ids=["event", "tier"],
)
def test_a_put_sets_each_field_that_it_leaves_out(fields, model):
    names = {STORED.get(name, name) for name in type(fields).__struct_fields__ if name not in STAYS} - {"name", "price_cents"}
    of_model = {field.name: _default(field) for field in msgspec.structs.fields(model) if not field.required}
    values = fields.values()
    assert {name: values.get(name, "forgotten") for name in names} == {name: {**OWN_DEFAULTS, **of_model}.get(name) for name in names}


def _default(field):
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
