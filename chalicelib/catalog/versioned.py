"""What has a version, over HTTP: the one that a caller expects, and the reply that says which one it is."""

from typing import Protocol, TypeVar

from msgspec import UnsetType

from chalicelib.catalog.revisions import Expected, Versioned
from chalicelib.edge.http import Reply, RequestContext

V = TypeVar("V", bound=Versioned)


class Changes(Protocol):
    @property
    def version(self) -> int | UnsetType: ...


def expected_version(request: RequestContext, changes: Changes | None = None) -> Expected:
    """The version that a change is made to: that of the body, or of If-Match."""
    version = changes.version if changes is not None and isinstance(changes.version, int) else None
    return Expected(version, request.header("if-match"))


def versioned_reply(view: V, status: int = 200) -> Reply[V]:
    """A reply whose ETag can be sent back as If-Match."""
    return Reply(view, status, {"ETag": f'"{view.version}"'})
