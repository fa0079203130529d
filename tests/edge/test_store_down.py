"""A store that is down, throttled or contended is a 503 that says when to come back."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from chalicelib import dynamo, log
from chalicelib.edge import idempotency

THROTTLED = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
    "ServiceUnavailable",
]


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "PutItem")


FAULTS = {code: _client_error(code) for code in THROTTLED} | {
    "unreachable": EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    "slow connection": ConnectTimeoutError(endpoint_url="http://127.0.0.1:1"),
    "slow answer": ReadTimeoutError(endpoint_url="http://127.0.0.1:1"),
    "contended": dynamo.StoreUnavailable("collided"),
}


@pytest.fixture
def fault(request, monkeypatch):
    def fail(*args):
        raise FAULTS[request.param]

    monkeypatch.setattr(idempotency.dynamo, "put_if", fail)


def ask(edge):
    return edge.post("/once", json={}, user="ada", headers={"Idempotency-Key": "k"})


@pytest.mark.parametrize("fault", FAULTS, indirect=True)
@pytest.mark.usefixtures("fault")
def test_it_is_a_503_with_retry_after(edge, execution):
    before = log.registry.get_sample_value("fairgate_store_unavailable_total")
    reply = ask(edge)
    assert (reply.status, reply.json["error"]) == (503, "service_unavailable")
    assert reply.headers["retry-after"] == str(reply.json["retryAfterSeconds"])
    assert execution.ids == []
    assert log.registry.get_sample_value("fairgate_store_unavailable_total") == before + 1


def test_pynamodbs_errors_count_too(edge, execution, store):
    store.delete_table(TableName=idempotency.IdempotencyRow.name())
    assert ask(edge).status == 500  # a table that is missing is our fault, and coming back does not help


def test_health_needs_no_store(edge, api, store, monkeypatch):
    monkeypatch.setattr(dynamo, "client", None)
    assert api.get("/health").status == 200
