"""What the roles allow, and that the tests hold every call of a function against it."""

import pytest

from chalicelib.addons.messages.jobs import send_messages
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import secret_settings
from chalicelib.notifications import providers
from infra.local.schedules import scheduled_event
from infra.template import policies
from tests import builders, store_calls
from tests.accounts.conftest import register


def test_a_call_that_a_role_does_not_allow_fails(store):
    key = {"id": {"S": "anything"}}
    with store_calls.made_by("sweep"):
        dynamo.client().get_item(TableName=dynamo.table_name("sweep"), Key=key)
        with pytest.raises(store_calls.AccessRefused, match="sweep may not GetItem accounts"):
            dynamo.client().get_item(TableName=dynamo.table_name("accounts"), Key=key)
        written = {"Put": {"TableName": dynamo.table_name("sessions"), "Item": key}}
        with pytest.raises(store_calls.AccessRefused, match="sweep may not PutItem sessions"):
            dynamo.client().transact_write_items(TransactItems=[written])
        with pytest.raises(store_calls.AccessRefused, match="sweep may not Query tickets/index/code"):
            dynamo.client().query(
                TableName=dynamo.table_name("tickets"),
                IndexName="code",
                KeyConditionExpression="code = :c",
                ExpressionAttributeValues={":c": {"S": "x"}},
            )
    dynamo.client().get_item(TableName=dynamo.table_name("accounts"), Key=key)  # of no function


def test_reading_secrets_and_sending_mails_need_their_rights():
    with store_calls.made_by("sweep"):
        secret_settings.secret("ticket_keys")
        with pytest.raises(store_calls.AccessRefused, match="sweep may not SendEmail mails"):
            providers.find_provider()
    with store_calls.made_by("project_reports"), pytest.raises(store_calls.AccessRefused, match="may not GetSecretValue secret"):
        secret_settings.secret("ticket_keys")


def test_requests_and_the_job_of_mails_look_for_what_sends_them(api):
    """Other tests put a fake in its place, which asks for no right."""
    assert register(api).status in (200, 201, 202)
    send_messages(scheduled_event(), None)
    assert {("api_handler", "SendEmail", "mails"), ("send_messages", "SendEmail", "mails")} <= store_calls.made


def test_unused_rights_are_found(monkeypatch):
    monkeypatch.setattr(policies, "TABLES", {"sweep": {"sweep": "GetItem PutItem", "catalog": "Query"}})
    monkeypatch.setattr(policies, "FILES", {})
    monkeypatch.setattr(policies, "READS_SECRETS", ("sweep",))
    monkeypatch.setattr(policies, "SENDS_MAILS", ())
    monkeypatch.setattr(policies, "READS_METRICS", ())
    store_calls.permitted.cache_clear()
    try:
        assert store_calls.unused([("sweep", "GetItem", "sweep")]) == [
            ("sweep", "GetSecretValue", "secret"),
            ("sweep", "PutItem", "sweep"),
        ]
    finally:
        store_calls.permitted.cache_clear()


def test_calls_are_those_of_the_function_that_makes_them(shop, monkeypatch):
    monkeypatch.setattr(store_calls, "made", set())
    shop.pay(shop.open_checkout())
    shop.fake.deliver()
    builders.run_sweep()
    assert ("api_handler", "UpdateItem", "inventory") in store_calls.made
    assert ("webhooks", "PutItem", "provider-events") in store_calls.made
    assert ("sweep", "GetItem", "sweep") in store_calls.made
    assert {function for function, _, _ in store_calls.made} == {"api_handler", "webhooks", "sweep"}
