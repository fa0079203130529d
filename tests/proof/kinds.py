"""The kinds of fault. Each affects one call of a flow, to the store or to the payment provider."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from tests.simulation import faults, provider_faults

Target = Literal["store", "provider"]


class Kind(Struct, frozen=True):
    """`inject(number)` is a context manager that breaks call `number` (from 1) to the target."""

    target: Target
    inject: Callable[[int], AbstractContextManager[Any]]


KINDS = {
    "crash before the call": Kind("store", faults.crash_before),
    "crash before the answer": Kind("store", faults.crash_after),
    "throttled": Kind("store", partial(faults.fail, error=faults.throttled)),
    "conflict": Kind("store", partial(faults.fail, error=faults.conflict)),
    "timeout of the call": Kind("store", partial(faults.fail, error=faults.timeout)),
    "timeout of the answer": Kind("store", faults.lose_answer),
    "internal error after the call": Kind("store", partial(faults.lose_answer, error=faults.internal_error)),
    "repeated by the SDK": Kind("store", partial(faults.lose_answer, repeated=True)),
    "crash before the provider's answer": Kind("provider", provider_faults.crash_after_provider_call),
}
