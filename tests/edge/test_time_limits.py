"""How long a request may take: the setting, or what Lambda leaves it."""

import json

import pytest

from chalicelib.edge import scheduled
from chalicelib.foundation import settings
from infra.local.gateway import Gateway
from tests.edge.conftest import app


def test_a_request_has_as_long_as_the_setting_says(edge, time):
    with settings.override(request_seconds=9):
        assert edge.get("/time-left").json["seconds"] == 9


@pytest.mark.parametrize(("lambda_seconds", "expected"), [(20, 14), (12, 12 - scheduled.RESERVE_SECONDS), (900, 14)])
def test_a_request_ends_before_lambda_would_end_it(edge, time, manual_lambda, lambda_seconds, expected):
    event = Gateway(app()).proxy_event("GET", "/api/v1/time-left", [("Accept", "*/*")])
    response = app()(event, manual_lambda(lambda_seconds))
    assert json.loads(response["body"])["seconds"] == expected


def test_the_default_fits_into_the_timeout_of_the_deployed_function():
    with open(".chalice/config.json", encoding="utf-8") as file:
        timeout = json.load(file)["lambda_timeout"]
    assert settings.Settings().request_seconds + scheduled.RESERVE_SECONDS < timeout
