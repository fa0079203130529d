"""The bed's own tests run on moto, which answers before botocore sends, and on the local store, which answers before it signs."""

import pytest


@pytest.fixture(params=["chosen", "in process"])
def store(request, store):
    already = request.config.getoption("--store") == "local"
    return store if request.param == "chosen" or already else request.getfixturevalue("threaded_store")
