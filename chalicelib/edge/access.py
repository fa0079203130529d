"""Who may call a route: the one table of roles. Every route names its access, so a route without a decision cannot exist.

What a caller may do with one event is decided by `catalog.permissions`, because promoters, coordinators and staff have rights for given
events only.
"""

from typing import Literal

from chalicelib.edge.auth import Forbidden, Identity, Unauthenticated, require_user

# `public`: anybody. `user`: anybody who is known. `door`: who admits people at some event. `manager`: who manages some event. `admin`.
Access = Literal["public", "user", "door", "manager", "admin"]

_ROLES = {
    "door": frozenset({"admin", "promoter", "staff"}),
    "manager": frozenset({"admin", "promoter"}),
    "admin": frozenset({"admin"}),
}
_EVENT_ROLES = {"door": frozenset({"coordinator", "staff"}), "manager": frozenset({"coordinator"}), "admin": frozenset[str]()}
_DENIALS = {
    "door": "Only people who work at an event may do this.",
    "manager": "Only promoters, coordinators of an event and admins may do this.",
    "admin": "This request needs the role `admin`. Send the access token of a user who has it.",
}


def check(access: Access, identity: Identity | None) -> None:
    """Raises Unauthenticated, UserRequired or Forbidden if the caller may not call a route with this access."""
    if access == "public":
        return
    if access == "user":
        require_user(identity)
        return
    if identity is None:
        raise Unauthenticated()
    if not (identity.roles & _ROLES[access] or _EVENT_ROLES[access].intersection(identity.events.values())):
        raise Forbidden(_DENIALS[access])
