"""The metadata of objects."""

from devtools.stripe.objects import StripeObject


def updated_metadata(current: StripeObject, changes: StripeObject) -> StripeObject:
    """The metadata after an update: an empty value removes its key, and {"": ""} removes all keys."""
    if changes == {"": ""}:
        return {}
    return {name: value for name, value in {**current, **changes}.items() if value != ""}
