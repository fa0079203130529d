"""Deprecated names: replies have them beside the new names, and then say when they will be removed."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from chalicelib.edge import deprecations


def assert_deprecated(reply):
    deprecated, sunset = reply.headers["deprecation"], parsedate_to_datetime(reply.headers["sunset"])
    assert datetime.fromtimestamp(int(deprecated.removeprefix("@")), UTC) == deprecations.DEPRECATED_AT
    assert sunset == deprecations.SUNSET_AT
    assert 'rel="deprecation"' in reply.headers["link"]
    assert {"Deprecation", "Sunset", "Link"} <= set(reply.headers["access-control-expose-headers"].split(", "))


def assert_current(reply):
    assert not {"deprecation", "sunset", "link"} & {name.lower() for name in reply.headers}


def test_details_of_an_error_have_both_names(edge):
    reply = edge.get("/fails/busy")
    assert reply.json["retry_after_seconds"] == reply.json["retryAfterSeconds"] == int(reply.headers["retry-after"])
    assert_deprecated(reply)


@pytest.mark.parametrize("path", ["/fails/refused", "/fails/not-found", "/fails/bug", "/small", "/fresh"])
def test_a_reply_without_a_deprecated_name_does_not_mention_deprecation(edge, path):
    assert_current(edge.get(path))
