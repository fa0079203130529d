"""The bed's own tests run on the engine that `--store` chose, which is called over HTTP or by moto, and on one in this process."""

import pytest


@pytest.fixture(params=["chosen", "in process"])
def store(request, store):
    return store if request.param == "chosen" else request.getfixturevalue("threaded_store")
