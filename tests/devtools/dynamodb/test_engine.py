"""Engines are independent of each other."""

import threading

from devtools.dynamodb.engine import Engine


def test_engines_start_no_threads_and_share_nothing():
    before = threading.active_count()
    one, other = Engine(), Engine()
    assert threading.active_count() == before
    assert one._ministack.dynamodb._tables is not other._ministack.dynamodb._tables
    assert one._ministack.streams._ddb is one._ministack.dynamodb
