"""A catalog to read, as the bootstrap command makes it."""

from collections.abc import Callable
from typing import Any

import pytest

from bootstrap import rollout
from bootstrap.validation import validate_tree
from chalicelib import clock
from tests.bootstrap.conftest import event, ticket


@pytest.fixture
def serve(store: Any, time: Any) -> Callable[..., None]:
    """`serve([event, ...], [ticket, ...])`: what a bootstrap file with these entries makes; one event and tier when silent."""

    def apply(events: list[dict] | None = None, tickets: list[dict] | None = None, **more: Any) -> None:
        events = [event("fest")] if events is None else events
        tickets = [ticket("fest-pass")] if tickets is None else tickets
        tree = {"version": "1", "events": {one["id"]: one for one in events}, "ticket_types": {one["id"]: one for one in tickets}}
        rollout.apply(validate_tree(tree | more), "test", clock.now())

    return apply
