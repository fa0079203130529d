"""Where coverage is not measured, its tracer is really away: it nearly doubles the time of a test."""

import sys
from threading import Thread

import pytest


@pytest.mark.no_cover
def test_nothing_traces_a_test_that_is_not_measured_nor_its_threads():
    tracers = [sys.gettrace()]
    thread = Thread(target=lambda: tracers.append(sys.gettrace()))
    thread.start()
    thread.join()
    assert not [tracer for tracer in tracers if type(tracer).__module__.startswith("coverage")]
