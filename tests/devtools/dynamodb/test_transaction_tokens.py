"""Tokens of transactions."""

import pytest
from botocore.exceptions import ClientError

from tests.devtools.dynamodb.conftest import create_table


def add_in_transaction(client, token: str, amount: str) -> None:
    item = {"TableName": "things", "Key": {"id": {"S": "sum"}}, "UpdateExpression": "ADD amount :n"}
    items = [{"Update": {**item, "ExpressionAttributeValues": {":n": {"N": amount}}}}]
    client.transact_write_items(TransactItems=items, ClientRequestToken=token)


def test_a_repeated_transaction_is_not_made_again_after_a_restart(open_on_disk, clock):
    def total() -> str:
        return client.get_item(TableName="things", Key={"id": {"S": "sum"}})["Item"]["amount"]["N"]

    with open_on_disk() as client:
        create_table(client)
        add_in_transaction(client, "token", "1.0")
        add_in_transaction(client, "token", "1.0")
        assert total() == "1"
    with open_on_disk() as client:
        add_in_transaction(client, "token", "1.0")
        assert total() == "1"
        with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
            add_in_transaction(client, "token", "2")
        clock.now += 601
        add_in_transaction(client, "token", "1.0")
        assert total() == "2"
