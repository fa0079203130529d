"""Tables and catalogs of a local run: what is missing is made, what is there stays."""

from collections.abc import Callable

from chalicelib import dynamo
from infra import tables


def fill(first_day: int, say: Callable[[str], None]) -> None:  # noqa: ARG001
    """Create the tables; repeated runs change nothing."""
    if tables.create_all(dynamo.client()):
        say("Created the tables.")
