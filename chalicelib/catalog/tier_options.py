"""Create, change and delete the custom options of a tier: each is a change of the tier, with its own entry in the audit log."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from chalicelib.catalog.custom_options import MAX_OPTIONS, CustomOption, check_option
from chalicelib.catalog.model import Catalog, Tier
from chalicelib.catalog.revisions import ANY_VERSION, CatalogChange, Expected, commit
from chalicelib.catalog.tier_management import change_tier, get_changeable_tier
from chalicelib.foundation.errors import ApiError, NotFound


class TooManyOptions(ApiError):
    code: ClassVar[str] = "too_many_options"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = f"A package can ask at most {MAX_OPTIONS} questions. Delete one first."


def create_option(tier_id: str, new: CustomOption, actor: str, now: int) -> CustomOption:
    """Add an option to a tier. If its id exists, it is returned unchanged.

    Raises InvalidInput, NotFound, ManagedByBootstrap and TooManyOptions.
    """

    def add(options: list[CustomOption]) -> list[CustomOption]:
        if any(option.id == new.id for option in options):
            return options
        if len(options) >= MAX_OPTIONS:
            raise TooManyOptions()
        check_option(new)
        return [*options, new]

    return _get_option(_change_options(tier_id, add, actor, now), new.id)


def update_option(
    tier_id: str, option_id: str, values: Mapping[str, Any], actor: str, now: int, expected: Expected = ANY_VERSION
) -> CustomOption:
    """Change fields of an option. Answers that buyers have given stay as they were asked for. Raises what `create_option` raises.

    Also raises those of `expected`, which is a version of the tier.
    """

    def change(options: list[CustomOption]) -> list[CustomOption]:
        changed = [replace(option, **values) if option.id == option_id else option for option in options]
        for option in changed:
            check_option(option)
        return changed

    return _get_option(_change_options(tier_id, change, actor, now, expected), option_id)


def delete_option(tier_id: str, option_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Delete an option; answers that buyers have given stay. Repeated, it changes nothing. Raises as `update_option`."""

    def drop(options: list[CustomOption]) -> list[CustomOption]:
        return [option for option in options if option.id != option_id]

    _change_options(tier_id, drop, actor, now, expected)


def _change_options(
    tier_id: str,
    change: Callable[[list[CustomOption]], list[CustomOption]],
    actor: str,
    now: int,
    expected: Expected = ANY_VERSION,
) -> Tier:
    def build(catalog: Catalog) -> CatalogChange[Tier]:
        before = get_changeable_tier(catalog, tier_id)
        expected.check(before)
        return change_tier(before, replace(before, options=change(before.options)), "tier.options_changed", actor, now)

    return commit(build)[1]


def _get_option(tier: Tier, option_id: str) -> CustomOption:
    for option in tier.options:
        if option.id == option_id:
            return option
    raise NotFound("This package has no option with this id.", option_id=option_id)
