"""The add-ons of this process: what each add-on declares, and the hooks through which the core uses the enabled add-ons.

An add-on is a package in `chalicelib/addons` whose `__init__.py` declares it as `ADDON` (decision 111). The core imports no add-on: it
finds an add-on's modules by name, so an add-on that is off is never imported. The environment is read once, at the first use, because the
routes of a process cannot change later. An add-on that is off has no routes: `app.py` leaves them out, so they answer 404.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from msgspec import Struct

from chalicelib.foundation import settings

PACKAGE = "chalicelib.addons"


class Addon(Struct, frozen=True, kw_only=True):
    """What an add-on adds. Its modules and their objects are named relative to its package, for example `api` or `service.follow`.

    `routes` and `jobs` are modules with a blueprint `bp`: the routes below /v1, and Lambda functions, which may
    also be among the routes. `functions` names these functions, and a function that serves some of the routes instead of the API's
    function. `routes_with` are modules with routes that also need another add-on, keyed by the name of that add-on. Tables need no entry:
    they belong to the add-on whose package has their model. `infra/tables.py` and `infra/template/functions.py` leave out the tables and
    functions of the add-ons that a stage's FAIRGATE_ADDONS does not name.

    The other fields are hooks; the core skips empty hooks. `changes.jobs` calls `follow_changes` with all changes in a batch; it handles
    the changes that concern the add-on, and may be called again with the same batch. `reconciliation.records` calls `catch_up` with orders
    that the daily pass of the reconciliation has read; it makes up for lost changes to these orders, and returns roughly how many items it
    has read. `personal_items` is a `PersonalItems` that describes the data that the add-on keeps about people. `sale_figures` takes an
    event's id and returns figures about the event's purchases and money. `revenue_totals` takes an event's id and returns its
    `RevenueTotals` by provider and currency, a few seconds old. `prepare_release` takes the catalog, an event, a tier and a `ReleaseTo`; it
    is called before and after a released holdback's tickets are added to the stock, and lets them go to the people whom the `ReleaseTo`
    names. `waiting_count` takes an event's id and returns the number of people who wait for its tickets, up to a minute old. `setup_errors`
    takes the time and returns the names of errors in the add-on's settings, such as an expired certificate, for `GET /health`; it must not
    call the store.
    """

    routes: str = ""
    routes_with: dict[str, str] = {}
    jobs: str = ""
    functions: tuple[str, ...] = ()
    follow_changes: str = ""
    catch_up: str = ""
    personal_items: str = ""
    sale_figures: str = ""
    revenue_totals: str = ""
    prepare_release: str = ""
    waiting_count: str = ""
    setup_errors: str = ""


class PersonalItems(Struct, frozen=True):
    """Personal data in an add-on's tables. In the export of a person's data, `field` is a list of views of type `view`.

    `read` returns a user's items. `show(item, now)` returns the view of an item. `delete(items, user_id, now)` deletes a user's items and
    can be repeated.
    """

    field: str
    view: type
    read: Callable[[str], Sequence[Any]]
    show: Callable[[Any, int], Any]
    delete: Callable[[Sequence[Any], str, int], None]


@cache
def enabled() -> dict[str, Addon]:
    """Return the add-ons that are on, by name. Raises SettingsError if FAIRGATE_ADDONS is malformed."""
    return declared(settings.addons_of_process())


def declared(names: Sequence[str]) -> dict[str, Addon]:
    """Return the declarations of these add-ons, by name."""
    return {name: import_module(f"{PACKAGE}.{name}").ADDON for name in names}


def is_on(name: str) -> bool:
    return name in enabled()


def import_route_modules() -> list[Any]:
    """Return the modules with the routes of the enabled add-ons."""
    return [import_module(name) for name in route_module_names(enabled())]


def route_module_names(addons: Mapping[str, Addon]) -> list[str]:
    """Return the names of the modules with the routes of these add-ons."""
    modules = []
    for name, addon in addons.items():
        shared = [module for other, module in addon.routes_with.items() if other in addons]
        modules += [f"{PACKAGE}.{name}.{module}" for module in (addon.routes, *shared)]
    return modules


def import_job_modules() -> list[Any]:
    """Return the modules with the functions of the enabled add-ons."""
    return [_module(name, addon.jobs) for name, addon in enabled().items() if addon.jobs]


def hooks(hook: str) -> list[Any]:
    """Return the objects that the enabled add-ons declare for a hook."""
    declarations = ((name, getattr(addon, hook).rpartition(".")) for name, addon in enabled().items())
    return [getattr(_module(name, module), attribute) for name, (module, _, attribute) in declarations if attribute]


Found = list[tuple[PersonalItems, Sequence[Any]]]  # each kind with the items that were read


def read_personal_items(user_id: str) -> Found:
    """Return the items about a user in the add-ons' tables. All tables are read at the same time."""
    from chalicelib.foundation import parallel  # imported here because few functions need it

    kinds: list[PersonalItems] = hooks("personal_items")
    return list(zip(kinds, parallel.call_each(lambda kind: kind.read(user_id), kinds), strict=True))


def delete_personal_items(found: Found, user_id: str, now: int) -> None:
    """Delete these items from all tables at the same time. Can be repeated after a crash."""
    from chalicelib.foundation import parallel  # imported here because few functions need it

    parallel.call_each(lambda each: each[0].delete(each[1], user_id, now), found)


def _module(addon: str, name: str) -> Any:
    return import_module(f"{PACKAGE}.{addon}.{name}")
