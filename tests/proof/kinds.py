"""The kinds of fault. Each affects one call of a flow, to the store or to the payment provider."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal

from msgspec import Struct

from tests.faults.kinds import FAULTS
from tests.simulation import provider_faults

Target = Literal["store", "provider"]


class Kind(Struct, frozen=True):
    """`inject(number)` is a context manager that breaks call `number` (from 1) to the target."""

    target: Target
    inject: Callable[[int], AbstractContextManager[Any]]


KINDS = {name: Kind("store", inject) for name, inject in FAULTS.items()}
KINDS["crash before the provider's answer"] = Kind("provider", provider_faults.crash_after_provider_call)
