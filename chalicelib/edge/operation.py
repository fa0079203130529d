"""Operations: what each route declares for `edge.routes.route` and the OpenAPI document."""

import inspect
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from chalicelib.edge.auth import Access
from chalicelib.edge.error_replies import READING_METHODS
from chalicelib.foundation.errors import ApiError

# Resolvers turn a name in a path, such as an event's slug, into an id. Features provide the resolvers, and `app.py` registers them.

_resolvers = dict[str, Callable[[str], str]]()


def register_resolver(parameter: str, resolve: Callable[[str], str]) -> None:
    """Pass `resolve(text)` to handlers as the path parameter of this name. `resolve` must return unknown texts unchanged."""
    _resolvers[parameter] = resolve


def resolve_id(parameter: str, text: str) -> str:
    """Return the id that the text of a path parameter refers to."""
    resolver = _resolvers.get(parameter)
    return text if resolver is None else resolver(text)


class Header(Struct, frozen=True):
    """A header that a route reads, with the type of its values (`shape`) and the errors that it can cause."""

    name: str
    description: str
    shape: Any = str
    required: bool = False
    errors: tuple[type[ApiError], ...] = ()


class FormFile(Struct, frozen=True):
    """A file that a route accepts as a part of a form (multipart/form-data). `too_large` is the error for a file above `max_bytes`."""

    name: str
    media_types: tuple[str, ...]
    max_bytes: int
    too_large: type[ApiError]


class Operation(Struct, frozen=True, kw_only=True):
    """A route. `body` and `query` are the types of the handler's parameters with these names, or None if it has no such parameter.

    `statuses` are the statuses of successful replies. `errors` are the errors that only this handler can raise, not the errors that every
    route has or that follow from its access, path ids, body, query and headers. `media_types` are the types of replies that are not JSON.
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

    @property
    def takes_api_keys(self) -> bool:
        """Whether an API key may call the route. Software must not do what every user may do, such as buy tickets, but it may read."""
        return self.access not in ("public", "user") or self.method in READING_METHODS

    @property
    def has_optional_body(self) -> bool:
        """Whether the body may be empty: only the handler's parameter `body` may have a default."""
        return bool(getattr(inspect.unwrap(self.handler), "__defaults__", None))


IF_MATCH = Header("If-Match", "The `version` that you have seen, in quotes: the change is refused if there is a newer version.")
IF_NONE_MATCH = Header("If-None-Match", "The `ETag` of the reply that you have: if it is still current, the reply is 304 without a body.")
