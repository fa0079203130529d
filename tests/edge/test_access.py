"""Who may call a route of each access."""

import pytest

from chalicelib.edge import auth
from chalicelib.edge.auth import Forbidden, Identity, Unauthenticated

CALLERS = {
    "anybody": None,
    "user": Identity("ada", frozenset({"user"})),
    "without_roles": Identity("ada", frozenset()),
    "coordinator": Identity("cleo", frozenset({"user"}), {"gala": "coordinator"}),
    "staff": Identity("door", frozenset({"user", "staff"})),
    "staff_of_event": Identity("door", frozenset({"user"}), {"gala": "staff"}),
    "promoter": Identity("pia", frozenset({"user", "promoter"})),
    "admin": Identity("root", frozenset({"admin"})),
}
ALLOWED = {
    "public": set(CALLERS),
    "user": set(CALLERS) - {"anybody"},
    "door": {"coordinator", "staff", "staff_of_event", "promoter", "admin"},
    "manager": {"coordinator", "promoter", "admin"},
    "admin": {"admin"},
}


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("of", ALLOWED)
def test_each_access_admits_the_callers_of_the_table(of, name):
    if name in ALLOWED[of]:
        auth.check_access(of, CALLERS[name])
    else:
        with pytest.raises(Unauthenticated if name == "anybody" else Forbidden):
            auth.check_access(of, CALLERS[name])
