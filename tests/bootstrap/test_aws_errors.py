"""Errors of AWS, and what people can do about them."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ProfileNotFound

from bootstrap.aws_errors import advice, store_failure
from chalicelib.foundation import settings


def refused(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetItem")


@pytest.mark.parametrize(
    "error", [NoCredentialsError(), ProfileNotFound(profile="work"), refused("ExpiredTokenException"), refused("InvalidSignatureException")]
)
def test_an_anonymous_visitor_is_asked_to_log_in(error):
    assert advice(error).startswith("Log in to AWS (for example: aws sso login)")


def test_a_stage_without_tables_and_a_silent_region_are_named():
    with settings.override(stage="dev", region="eu-central-1"):
        assert advice(refused("ResourceNotFoundException")).startswith("Stage dev has no tables in eu-central-1.")
    assert "that the region exists" in advice(EndpointConnectionError(endpoint_url="https://dynamodb.moon-1.example"))


def test_other_errors_speak_for_themselves():
    assert advice(refused("InternalServerError")) == advice(OSError("away")) == ""
    assert store_failure(OSError("away.")) == "the store failed: away. Check the stage and the region, then run the command again."
