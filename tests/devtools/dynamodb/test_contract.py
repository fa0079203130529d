"""Another MiniStack must be read before it is used: the engine leans on private things of it."""

import threading

from devtools.dynamodb import ministack_interface
from devtools.dynamodb.engine import Engine


def test_the_installed_ministack_is_the_one_that_was_read():
    """When this fails: read what changed in the names of contract.py, run the tests of the store, then write down the new values."""
    assert ministack_interface.installed_version() == ministack_interface.VERSION
    assert ministack_interface.fingerprint() == ministack_interface.FINGERPRINT


def test_everything_that_is_named_is_there():
    engine = Engine()
    missing = [
        name
        for name in {*ministack_interface.OPERATIONS.values(), *ministack_interface.INTERNALS, *ministack_interface.CACHEABLE}
        if not hasattr(engine._ministack.dynamodb, name)
    ]
    missing += [name for name in ministack_interface.STREAM_OPERATIONS.values() if not hasattr(engine._ministack.streams, name)]
    assert missing == []


def test_engines_start_no_threads_and_share_nothing():
    before = threading.active_count()
    one, other = Engine(), Engine()
    assert threading.active_count() == before
    assert one._ministack.dynamodb._tables is not other._ministack.dynamodb._tables
    assert one._ministack.streams._ddb is one._ministack.dynamodb
