"""Another MiniStack must be read before it is used: the engine leans on private things of it."""

import threading

from devtools.dynamodb import contract
from devtools.dynamodb.engine import Engine


def test_the_installed_ministack_is_the_one_that_was_read():
    """When this fails: read what changed in the names of contract.py, run the tests of the store, then write down the new values."""
    assert contract.installed() == contract.VERSION
    assert contract.fingerprint() == contract.FINGERPRINT


def test_everything_that_is_named_is_there():
    engine = Engine()
    missing = [name for name in {*contract.OPERATIONS.values(), *contract.INTERNALS, *contract.PURE} if not hasattr(engine._ddb, name)]
    missing += [name for name in contract.STREAM_OPERATIONS.values() if not hasattr(engine._streams, name)]
    assert missing == []


def test_engines_start_no_threads_and_share_nothing():
    before = threading.active_count()
    one, other = Engine(), Engine()
    assert threading.active_count() == before
    assert one._ddb._tables is not other._ddb._tables
    assert one._streams._ddb is one._ddb
