"""A template that botocore's signature does not confirm is not used; what templates sign is compared in test_dynamo_client."""

from types import SimpleNamespace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from chalicelib.dynamodb.request_signing import RequestTemplate

CREDENTIALS = SimpleNamespace(access_key="AKIDEXAMPLE", secret_key="secret", token=None)
HEADERS = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0", "User-Agent": "test"}


def signed(**more: str):
    request = AWSRequest("POST", "https://dynamodb.eu-west-1.amazonaws.com/", {**HEADERS, **more}, b"{}")
    request.context = {}
    SigV4Auth(CREDENTIALS, "dynamodb", "eu-west-1").add_auth(request)
    request.headers["amz-sdk-invocation-id"], request.headers["amz-sdk-request"] = "id", "attempt=1"
    return request.prepare()


def test_a_request_of_botocore_is_confirmed():
    template = RequestTemplate.from_botocore(signed(), CREDENTIALS)
    assert template is not None
    assert template.url == "https://dynamodb.eu-west-1.amazonaws.com/"


@pytest.mark.parametrize("more", [{"X-Amz-Unknown": "signed too"}, {"Host": "elsewhere"}])
def test_a_request_with_other_headers_is_not(more):
    assert RequestTemplate.from_botocore(signed(**more), CREDENTIALS) is None


def test_another_signature_is_not():
    other = SimpleNamespace(access_key="AKIDEXAMPLE", secret_key="another", token=None)
    assert RequestTemplate.from_botocore(signed(), other) is None


def test_another_kind_of_signature_is_not():
    request = signed()
    request.headers["Authorization"] = "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20261120/eu-west-1/dynamodb/aws4_request, x"
    assert RequestTemplate.from_botocore(request, CREDENTIALS) is None
