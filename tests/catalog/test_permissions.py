"""Who manages an event, and who admits people to it."""

import pytest

from chalicelib.catalog import permissions
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.foundation.errors import NotFound
from tests import builders


def caller(user_id, *roles, **events):
    return Identity(user_id, frozenset(roles), events)


def test_admins_and_coordinators_manage_an_event_and_staff_its_door(api, time):
    event_id = builders.create_event(api)
    admin, promoter = caller("root", "admin"), caller("pia", "user", "promoter")
    coordinator, staff = Identity("cleo", frozenset(), {event_id: "coordinator"}), Identity("door", frozenset(), {event_id: "staff"})
    elsewhere = Identity("cleo", frozenset({"user", "staff"}), {f"{event_id}x": "coordinator"})
    assert [permissions.may_manage(who, event_id) for who in (admin, coordinator, staff, promoter, elsewhere)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert [permissions.may_admit(who, event_id) for who in (admin, coordinator, staff, promoter, elsewhere)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert permissions.require_manager(coordinator, event_id).id == permissions.require_door(staff, event_id).id == event_id
    with pytest.raises(Forbidden):
        permissions.require_manager(staff, event_id)
    with pytest.raises(Forbidden):
        permissions.require_door(elsewhere, event_id)
    with pytest.raises(NotFound):
        permissions.require_manager(admin, "unknown")
