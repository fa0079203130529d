"""The kinds of fault that a store call can have: name -> a function of the call's number that is a context manager."""

from functools import partial

from tests.simulation import faults

FAULTS = {
    "crash before the call": faults.crash_before,
    "crash before the answer": faults.crash_after,
    "throttled": partial(faults.fail, error=faults.throttled),
    "conflict": partial(faults.fail, error=faults.conflict),
    "timeout of the call": partial(faults.fail, error=faults.timeout),
    "timeout of the answer": faults.lose_answer,
    "internal error after the call": partial(faults.lose_answer, error=faults.internal_error),
    "repeated by the SDK": partial(faults.lose_answer, repeated=True),
}
