"""A catalog that was applied with the bootstrap command."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.foundation import clock
from tests.bootstrap.conftest import event, ticket


@pytest.fixture
def apply_document(store: Any, time: Any) -> Callable[..., None]:
    """`apply_document([event, ...], [ticket, ...])` applies a bootstrap file with these entries; by default one event with one tier."""

    def apply(events: list[dict] | None = None, tickets: list[dict] | None = None, **more: Any) -> None:
        events = [event("fest")] if events is None else events
        tickets = [ticket("fest-pass")] if tickets is None else tickets
        tree = {
            "version": "1",
            "events": {event["id"]: event for event in events},
            "ticket_types": {ticket["id"]: ticket for ticket in tickets},
        }
        rollout.apply(validate_tree(tree | more), "test", clock.now())

    return apply
