"""A new version of MiniStack must be read before it is used: the engine relies on its private names."""

from devtools.dynamodb import ministack_interface
from devtools.dynamodb.engine import Engine


def test_the_installed_version_is_the_one_that_was_read():
    """When this fails: read what changed in the names of contract.py, run the tests of the store, then write down the new values."""
    assert ministack_interface.installed_version() == ministack_interface.VERSION
    assert ministack_interface.fingerprint() == ministack_interface.FINGERPRINT


def test_all_names_exist():
    engine = Engine()
    missing = [
        name
        for name in {*ministack_interface.OPERATIONS.values(), *ministack_interface.INTERNALS, *ministack_interface.CACHEABLE}
        if not hasattr(engine._ministack.dynamodb, name)
    ]
    missing += [name for name in ministack_interface.STREAM_OPERATIONS.values() if not hasattr(engine._ministack.streams, name)]
    assert missing == []
