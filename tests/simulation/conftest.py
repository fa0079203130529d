"""These tests run on moto, which answers before botocore sends a request, and on the local store, which answers before it signs one."""

import pytest

from tests.conftest import is_on_moto


@pytest.fixture(params=["chosen engine", "local store"])
def store(request, store):
    return store if request.param == "chosen engine" or not is_on_moto(request) else request.getfixturevalue("threaded_store")
