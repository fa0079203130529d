"""Runs these tests on moto, which answers before botocore sends a request, and on the local store, which answers before the signing."""

import pytest


@pytest.fixture(params=["chosen engine", "local store"])
def store(request, store, store_engine):
    return store if request.param == "chosen engine" or store_engine == "local" else request.getfixturevalue("threaded_store")
