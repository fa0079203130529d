"""Faults on request: errors, lost responses, delays, and requests that are held until a test releases them."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal["status", "close", "hang", "slow", "hold"]


@dataclass
class HeldRequest:
    """`arrived` is set when the request is being held; it goes on after `release`."""

    arrived: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self._released.set()

    def wait(self) -> None:
        self.arrived.set()
        self._released.wait()


@dataclass
class RequestFault:
    """What goes wrong with the next `remaining` requests that match. `execute`: the request is executed before the fault strikes."""

    kind: FaultKind
    method: str
    pattern: re.Pattern[str]
    remaining: int
    status: int = 0
    seconds: float = 0
    execute: bool = False
    should_retry: bool | None = None
    held: HeldRequest | None = None


class FaultQueue:
    """Each request takes the first fault that matches it, if there is one; a fault with no requests remaining is removed."""

    def __init__(self, sleep: Callable[[float], object]) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._faults: list[RequestFault] = []

    def add(self, kind: FaultKind, method: str, path: str, times: int, **more: object) -> RequestFault:
        """`path` may have `*` in place of one part, as in /v1/payment_intents/*/confirm."""
        pattern = re.compile("[^/]+".join(re.escape(part) for part in path.split("*")))
        fault = RequestFault(kind, method.upper(), pattern, times, **more)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, method: str, path: str) -> RequestFault | None:
        with self._lock:
            for fault in self._faults:
                if fault.method in (method, "*") and fault.pattern.fullmatch(path):
                    fault.remaining -= 1
                    if fault.remaining == 0:
                        self._faults.remove(fault)
                    return fault
        return None

    def delay(self, fault: RequestFault) -> None:
        """Sleep, or wait for the release, if the fault says so. Callers hold no lock."""
        if fault.kind == "slow":
            self._sleep(fault.seconds)
        elif fault.held is not None:
            fault.held.wait()

    def clear(self) -> None:
        """Remove all faults, and release the requests that would have been held."""
        with self._lock:
            for fault in self._faults:
                if fault.held is not None:
                    fault.held.release()
            self._faults.clear()
