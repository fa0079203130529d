"""Faults on request: refusals, lost answers, slowness, and calls that are held until a test lets them go."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["status", "close", "hang", "slow", "hold"]


@dataclass
class Held:
    """`arrived` is set when the call is inside; it goes on after `release`."""

    arrived: threading.Event = field(default_factory=threading.Event)
    _gone: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self._gone.set()

    def wait(self) -> None:
        self.arrived.set()
        self._gone.wait()


@dataclass
class Fault:
    """`effect`: the call does its work before the fault strikes."""

    kind: Kind
    method: str
    pattern: re.Pattern[str]
    left: int
    status: int = 0
    seconds: float = 0
    effect: bool = False
    retry: bool | None = None
    held: Held | None = None


class Faults:
    """The first fault that fits a call and is not used up strikes it, and is used once."""

    def __init__(self, sleep: Callable[[float], object]) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, kind: Kind, method: str, path: str, times: int, **more: object) -> Fault:
        """`path`: with `*` for one part, like /v1/payment_intents/*/confirm."""
        pattern = re.compile("[^/]+".join(re.escape(part) for part in path.split("*")))
        fault = Fault(kind, method.upper(), pattern, times, **more)  # type: ignore[arg-type]
        with self._lock:
            self._waiting.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if fault.method in (method, "*") and fault.pattern.fullmatch(path):
                    fault.left -= 1
                    if fault.left == 0:
                        self._waiting.remove(fault)
                    return fault
        return None

    def delay(self, fault: Fault) -> None:
        """Outside of all locks."""
        if fault.kind == "slow":
            self._sleep(fault.seconds)
        elif fault.held is not None:
            fault.held.wait()

    def clear(self) -> None:
        with self._lock:
            for fault in self._waiting:
                if fault.held is not None:
                    fault.held.release()
            self._waiting.clear()
