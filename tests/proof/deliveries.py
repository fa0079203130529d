"""Faults of deliveries, counted from 1: batches of changes that a stream passes to a function, and Stripe's webhooks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from devtools.event_source_mapping import EventSourceMapping, StreamPoller
from tests.stripe_shop import StripeShop

Batch = list[dict[str, Any]]


@contextmanager
def record_deliveries() -> Iterator[list[str]]:
    with _deliveries(0) as made:
        yield made


@contextmanager
def deliver_twice(number: int) -> Iterator[list[str]]:
    """Make delivery `number` two times in a row."""
    with _deliveries(
        number, webhook=lambda post: (post(), post())[1], batch=lambda call, records: (call(records), call(records))[1]
    ) as made:
        yield made


@contextmanager
def deliver_out_of_order(number: int) -> Iterator[list[str]]:
    """Let webhook `number` fail, so that it comes after later webhooks; or reverse the order of the items in batch `number`."""
    with _deliveries(number, webhook=lambda _: SimpleNamespace(status=503), batch=lambda call, records: call(_reordered(records))) as made:
        yield made


def _reordered(records: Batch) -> Batch:
    """Return the records with the item last that came first. DynamoDB keeps the order of an item's changes only."""
    by_item: dict[str, Batch] = {}
    for record in records:
        by_item.setdefault(repr(record["dynamodb"]["Keys"]), []).append(record)
    return [record for item in reversed(by_item.values()) for record in item]


@contextmanager
def _deliveries(
    number: int,
    webhook: Callable[[Callable[[], Any]], Any] | None = None,
    batch: Callable[[Callable[[Batch], int], Batch], int] | None = None,
) -> Iterator[list[str]]:
    made: list[str] = []
    post_webhook, invoke = StripeShop.post_webhook, StreamPoller._invoke

    def post(shop: StripeShop, *arguments: Any) -> Any:
        made.append("webhook")
        if webhook is None or len(made) != number:
            return post_webhook(shop, *arguments)
        return webhook(lambda: post_webhook(shop, *arguments))

    def pass_on(poller: StreamPoller, mapping: EventSourceMapping, stream: str, after: str, records: Batch) -> int:
        made.append(mapping.name)
        if batch is None or len(made) != number:
            return invoke(poller, mapping, stream, after, records)
        return batch(lambda again: invoke(poller, mapping, stream, after, again), records)

    with mock.patch.object(StripeShop, "post_webhook", post), mock.patch.object(StreamPoller, "_invoke", pass_on):
        yield made
