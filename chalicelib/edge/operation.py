"""A route as the OpenAPI document describes it. `edge.http.route` makes one of each route, and the document is made of nothing else."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from chalicelib.edge.auth import Forbidden, Identity, Unauthenticated, require_user
from chalicelib.foundation.errors import ApiError

# Who may call a route: the one table of roles. Every route names its access, so a route without a decision cannot exist.
#
# What a caller may do with one event is decided by `catalog.permissions`, because promoters, coordinators and staff have rights for given
# events only.

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


# Names that stand for ids in paths, such as the slug of an event. Features resolve them; `app.py` registers their functions.

_resolvers = dict[str, Callable[[str], str]]()


def register_resolver(parameter: str, resolve: Callable[[str], str]) -> None:
    """Let handlers get `resolve(text)` as the path parameter of this name. It returns the text itself for what it does not know."""
    _resolvers[parameter] = resolve


def resolve(parameter: str, text: str) -> str:
    """The id that the text stands for as a path parameter of this name."""
    resolver = _resolvers.get(parameter)
    return text if resolver is None else resolver(text)


class Header(Struct, frozen=True):
    """A header that a route reads, the type of its values (`shape`), and the errors that it can cause."""

    name: str
    description: str
    shape: Any = str
    required: bool = False
    errors: tuple[type[ApiError], ...] = ()


class FormFile(Struct, frozen=True):
    """A file that a route takes as a part of a form (multipart/form-data): its name there, its types, and the error if it is larger."""

    name: str
    media_types: tuple[str, ...]
    max_bytes: int
    too_large: type[ApiError]


class Operation(Struct, frozen=True, kw_only=True):
    """A route. `body` and `query` are the types of the handler's parameters of these names, None without them; `file` describes that one.

    `statuses` are those of its replies, errors apart. `errors` are those that the handler can raise. Those that follow from the rest
    (access, ids in the path, body, query, headers) and those of every route are not among them. `media_types` are those of replies
    that are not JSON.
    """

    method: str
    path: str
    access: Access
    handler: Callable[..., Any]
    statuses: tuple[int, ...] = (200,)
    body: Any = None
    query: Any = None
    file: FormFile | None = None
    headers: tuple[Header, ...] = ()
    errors: tuple[type[ApiError], ...] = ()
    media_types: tuple[str, ...] = ()


IF_MATCH = Header("If-Match", "The `version` that you have seen, in quotes: the change is refused if there is a newer one.")
IF_NONE_MATCH = Header("If-None-Match", "The `ETag` of the reply that you have: if it is still right, the reply is 304 without a body.")
