"""A route as the OpenAPI document describes it. `edge.http.route` makes one of each route, and the document is made of nothing else."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from chalicelib.edge.access import Access
from chalicelib.foundation.errors import ApiError


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
