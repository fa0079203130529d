"""The tables of the ledger and the audit: every write is a put with a condition that refuses to replace an entry."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.audit import service as audit
from chalicelib.audit.store import AuditRow
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.ledger.model import SIGNS
from chalicelib.ledger.store import LedgerRow
from tests import builders
from tests.ledger.entries import write_entry
from tests.payment_pages import DECLINED, REFUNDS_FAIL
from tests.simulation.interception import Listener, StoreCall, feature_of, intercept

APPEND_ONLY = {LedgerRow.feature, AuditRow.feature}
CONDITIONS = ("ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues")

Write = tuple[str, str, dict[str, Any]]


class _WriteLog(Listener):
    """The writes to append-only tables: kind of write, feature of the table, arguments."""

    rank = 95  # next to the store

    def __init__(self) -> None:
        self.writes: list[Write] = []

    def before(self, call: StoreCall) -> None:
        self.writes += [write for write in _writes(call) if write[1] in APPEND_ONLY]


def _writes(call: StoreCall) -> Iterator[Write]:
    if call.operation in ("PutItem", "UpdateItem", "DeleteItem"):
        yield call.operation.removesuffix("Item"), feature_of(call.request["TableName"]), call.request
    elif call.operation == "TransactWriteItems":
        for item in call.request["TransactItems"]:
            for kind, arguments in item.items():
                yield kind, feature_of(arguments["TableName"]), arguments
    elif call.operation == "BatchWriteItem":
        for table, requests in call.request["RequestItems"].items():
            for request in requests:
                for kind, arguments in request.items():
                    yield kind, feature_of(table), arguments


@contextmanager
def record_writes() -> Iterator[list[Write]]:
    with intercept(log := _WriteLog()):
        yield log.writes


def replaceable(writes: list[Write]) -> list[Write]:
    """Return the writes that could change an entry: writes other than puts, and puts that could overwrite a changed entry."""
    return [write for write in writes if write[0] != "Put" or not _refuses_replacement(write[2])]


def _refuses_replacement(put: dict[str, Any]) -> bool:
    """Whether the put is refused for its own key, now that the entry exists."""
    condition = {name: put[name] for name in CONDITIONS if name in put}
    client = dynamo.client()
    item = {**put["Item"], "details": {"S": '{"changed":true}'}}
    try:
        client.put_item(TableName=put["TableName"], Item=item, **condition)
    except client.exceptions.ConditionalCheckFailedException:
        return True
    return False


def decline(shop):
    session = shop.open_checkout("bob", 1)
    shop.pay(session, DECLINED, expect="declined")
    shop.fake.deliver()
    return session


def use_admin_routes(api, event_id):
    token = builders.admin_token()
    paths = [f"/admin/events/{event_id}/pause", f"/admin/events/{event_id}/resume", "/admin/catalog/invalidate"]
    assert [api.post(path, token=token).status for path in paths] == [200, 200, 200]


def test_no_write_of_the_ledger_or_the_audit_replaces_an_entry(shop, api):
    with record_writes() as writes:
        builders.create_shop(api)
        use_admin_routes(api, shop.event_id)
        builders.create_promoted_shop("mia")
        use_admin_routes(api, "fest")
        order_id = shop.buy()
        shop.close_dispute(shop.create_dispute(order_id), won=True)
        assert builders.refund(api, order_id).status == 201
        api.delete(f"/reservations/{decline(shop)['id']}", user="bob")
        refused = shop.buy("cleo", 1, REFUNDS_FAIL)
        assert builders.refund(api, refused).status == 201
        shop.time.advance(10)  # the bank takes that long to return it
        shop.fake.deliver()
        with settings.override(application_fee_cents=100):
            shop.connect_account()
            assert builders.refund(api, shop.buy("dan", 1)).status == 201
        assert api.delete(f"/admin/events/{shop.event_id}/orders", token=builders.admin_token()).status == 200
    kinds = {arguments["Item"]["entry"]["S"].split("#")[1] for _, table, arguments in writes if table == LedgerRow.feature}
    assert kinds == SIGNS.keys()
    actions = {arguments["Item"]["action"]["S"] for _, table, arguments in writes if table == AuditRow.feature}
    assert actions >= {"event.created", "tier.created", "event.paused", "catalog.applied", "order.refunded", "orders.undone"}
    assert replaceable(writes) == []


@pytest.mark.parametrize("condition", [None, LedgerRow.details.does_not_exist() | LedgerRow.amount_cents.exists()], ids=["none", "weak"])
def test_a_put_that_could_replace_an_entry_is_found(store, time, condition):
    row = LedgerRow("ev#1", "A#captured#pi_1", amount_cents=1, currency="EUR", provider="stripe", at=time.now, details={})
    with record_writes() as writes:
        dynamo.transact([dynamo.transact_put(row, condition), audit.entry_item("event#a", "step", "root", time.now, {})])
    assert [table for _, table, _ in replaceable(writes)] == [LedgerRow.feature]


def test_a_write_that_can_have_no_condition_is_found(store, time):
    write_entry()
    (entry,) = LedgerRow.scan()
    with record_writes() as writes:
        dynamo.batch_put([entry])
        entry.delete()
    assert [kind for kind, _, _ in replaceable(writes)] == ["PutRequest", "Delete"]
