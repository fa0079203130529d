"""Changes are undone when a call fails."""

import pytest
from botocore.exceptions import ClientError

from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import attached_client, create_table, put

TABLE = {"TableName": "things"}


class Interrupted(BaseException):
    """As KeyboardInterrupt, which a test can't raise without ending all of them."""


@pytest.mark.parametrize("fault", [RuntimeError, Interrupted])
def test_a_transaction_that_fails_in_the_middle_is_undone(fault, clients, tmp_path, monkeypatch):
    """MiniStack fails where it must not: neither the tables nor the journal keep half of it."""
    store = open_store(tmp_path)
    with attached_client(store, clients) as client:
        create_table(client, stream=True)
        put(client, "old", a="before")
        emit = store.engine._ministack.dynamodb._emit_stream_event

        def fail(name, event, old, new):
            emit(name, event, old, new)
            if new["id"]["S"] == "second":
                raise fault("in the middle")

        monkeypatch.setattr(store.engine._ministack.dynamodb, "_emit_stream_event", fail)
        items = [{"Put": {**TABLE, "Item": {"id": {"S": key}, "a": {"S": "after"}}}} for key in ("old", "new", "second", "third")]
        with pytest.raises((ClientError, Interrupted), match="in the middle"):
            client.transact_write_items(TransactItems=items)
        assert client.scan(**TABLE)["Items"] == [{"id": {"S": "old"}, "a": {"S": "before"}}]
        assert len(store.stream_records(store.stream_arns()["things"], "", 100)) == 1
    with attached_client(open_store(tmp_path), clients) as client:
        assert client.scan(**TABLE)["Count"] == 1


def test_a_transaction_does_not_write_inside_of_a_text(clients, tmp_path):
    store = open_store(tmp_path)
    with attached_client(store, clients) as client:
        create_table(client, stream=True)
        put(client, "text", a="before")
        into_text = {
            **TABLE,
            "Key": {"id": {"S": "text"}},
            "UpdateExpression": "SET a.b = :v",
            "ExpressionAttributeValues": {":v": {"S": "x"}},
        }
        first = {**TABLE, "Item": {"id": {"S": "first"}}}
        with pytest.raises(ClientError, match="ValidationError"):
            client.transact_write_items(TransactItems=[{"Put": first}, {"Update": into_text}])
        assert client.scan(**TABLE)["Items"] == [{"id": {"S": "text"}, "a": {"S": "before"}}]
        assert len(store.stream_records(store.stream_arns()["things"], "", 100)) == 1
