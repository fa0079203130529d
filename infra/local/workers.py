"""Threads that take turns: one works at a time, and the others wait until it waits or has finished.

Python's own lock lets only one thread compute at a time anyway, but many runnable threads slow each other down. Here a thread continues
only in its turn. A thread that keeps its turn for longer than STALL_SECONDS loses it.

No thread waits for the disk while working. A task continues before its changes are on disk, and its result is held back until they are.
So one thread processes task after task, one write of the journal covers many tasks, and observers see the same as if each task had waited
("Rethink the Sync", E. B. Nightingale and others, OSDI 2006). Before a task sends anything to another program, it waits for its changes.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, wraps
from http.client import HTTPConnection
from queue import SimpleQueue
from smtplib import SMTP
from typing import Any, Generic, TypeVar

from devtools.dynamodb.engine import Engine, Pending

STALL_SECONDS = 0.005  # a task that takes longer is probably waiting, for Stripe or for a lock
MAX_DELAY_SECONDS = 0.005  # while there is work, the disk is asked at most this often, because waking its thread takes long

Task = TypeVar("Task")
Result = TypeVar("Result")
T = TypeVar("T")

_this = threading.local()
_requester: ContextVar["_Worker"] = ContextVar("requester")  # also in threads that a task starts in its context


class _Worker:
    """A thread. `task` is its current task, with or without the turn, and `changes` are what the task has read and written."""

    def __init__(self, workers: "Workers[Any, Any]") -> None:
        self.workers = workers
        self.task: object | None = None
        self.changes: list[Pending] = []  # those that were not on disk at the time
        self.go_on = threading.Lock()
        self.go_on.acquire()


class Workers(Generic[Task, Result]):
    """Threads that process tasks: `receive` returns the next one, or None at the end; `finish` gets what `process` returned.

    `receive` and `finish` are called by one thread at a time, in its turn. A thread that has finished a task receives the next one
    itself, unless its turn was interrupted and another thread has become the receiver. `finish` gets None as the result if the task's
    changes could not be saved. `wake` wakes the thread that waits for input (`find_input`).
    """

    def __init__(
        self,
        count: int,
        receive: Callable[[], Task | None],
        process: Callable[[Task], Result],
        finish: Callable[[Task, Result | None], None],
        wake: Callable[[], None],
    ) -> None:
        self._receive, self._process, self._finish, self._wake = receive, process, finish, wake
        self._engine: Engine | None = None
        self._held: list[tuple[list[Pending], Task, Result]] = []  # results that wait for the disk, since `_held_since`
        self._held_since = 0.0
        self._unsaved = SimpleQueue[list[tuple[list[Pending], Task, Result]] | None]()  # those that the saver has; None at the end
        self._saved = deque[tuple[Task, Result | None]]()  # results that may leave
        self._mutex = threading.Lock()  # protects the attributes below
        self._turn: _Worker | None = None
        self._ready = deque[_Worker]()  # threads that wait for their turn
        self._idle = [_Worker(self) for _ in range(count)]
        self._receiver: _Worker | None = None
        self._has_ended = False
        self._activity = threading.Event()  # set when a task begins while the watch rests
        self._watch_rests = False
        self._threads = [threading.Thread(target=self._work, args=(worker,), name="request", daemon=True) for worker in self._idle]
        self._threads += [
            threading.Thread(target=target, name=f"request-{name}", daemon=True)
            for name, target in (("watch", self._watch), ("saver", self._save))
        ]

    def start(self) -> None:
        _watch_output()
        for thread in self._threads:
            thread.start()
        with self._mutex:
            self._appoint_receiver()
            self._pass_turn()

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` until all threads have ended. They end after `receive` has returned None."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))

    def hold_back_for(self, engine: Engine) -> None:
        """From now on, tasks continue before their changes of this engine are on disk."""
        self._engine, others = engine, engine.hold_back
        engine.hold_back = lambda change: self._hold_back(change) or (others is not None and others(change))

    def find_input(self, poll: Callable[[bool], T]) -> T:
        """Return the input that `poll` finds; only for `receive`. `poll(False)` does not wait; `poll(True)` waits without the turn."""
        self._finish_held()
        if found := poll(False):
            return found
        self._save_held()
        with self._mutex:
            worker = self._turn
            assert worker is not None
            self._pass_turn()
        try:
            return poll(True)
        finally:
            self._take_turn(worker)

    def await_disk(self, worker: _Worker) -> None:
        """Return when the changes of the worker's task are on disk; others work in the meantime. Its task's threads may call it too."""
        has_turn = worker.changes and getattr(_this, "worker", None) is worker
        if has_turn:
            with self._mutex:
                if self._turn is worker:
                    self._interrupt_turn()
        try:
            for change in list(worker.changes):
                change.waiter()
        finally:
            if has_turn:
                self._take_turn(worker)

    def _hold_back(self, change: Pending) -> bool:
        """The engine asks whether the calling thread can go on before this change is on disk."""
        worker: _Worker | None = getattr(_this, "worker", None)
        if worker is None or worker.workers is not self or worker.task is None:
            return False
        worker.changes.append(change)
        return True

    def _work(self, me: _Worker) -> None:
        _this.worker = me
        _requester.set(me)
        while True:
            me.go_on.acquire()
            while self._receiver is me:
                task = self._receive()
                if task is None:
                    self._end()
                    break
                me.task = task
                if self._watch_rests:
                    self._watch_rests = False
                    self._activity.set()
                result = self._process(task)
                me.task = None
                self._take_turn(me)
                self._finish_or_hold(me, task, result)
                self._finish_held()
                if self._receiver is None:
                    self._receiver = me
            with self._mutex:
                if self._has_ended:
                    self._pass_turn()
                    return
                self._idle.append(me)
                self._pass_turn()

    def _finish_or_hold(self, me: _Worker, task: Task, result: Result) -> None:
        changes, me.changes = me.changes, []
        if not changes:
            self._finish(task, result)
            return
        now = time.monotonic()
        if not self._held:
            self._held_since = now
        self._held.append((changes, task, result))
        if now > self._held_since + MAX_DELAY_SECONDS:
            self._save_held()

    def _save_held(self) -> None:
        """Wake the saver. Before that, nobody waits for the disk."""
        if self._held:
            self._unsaved.put(self._held)
            self._held = []

    def _finish_held(self) -> None:
        """Finish the held tasks whose changes are on disk by now, in the order in which they were held back."""
        while self._saved:
            self._finish(*self._saved.popleft())

    def _save(self) -> None:
        """A thread of its own: wait for the changes of held tasks. One write of the journal covers all that have come by then."""
        while held := self._unsaved.get():
            assert self._engine is not None
            for changes, task, result in held:
                saved: Result | None = result
                try:
                    for change in changes:
                        self._engine.settle(change)
                except Exception:
                    saved = None
                self._saved.append((task, saved))
                if len(self._saved) == 1:  # otherwise, the thread that was woken for the first result finishes this one too
                    self._wake()

    def _take_turn(self, me: _Worker) -> None:
        with self._mutex:
            if self._turn is me:
                return
            if self._turn is None:
                self._turn = me
                return
            self._ready.append(me)
        me.go_on.acquire()

    def _pass_turn(self) -> None:
        """Pass the turn to the next ready thread, if there is one."""
        self._turn = self._ready.popleft() if self._ready else None
        if self._turn is None:
            self._save_held()
        else:
            self._turn.go_on.release()

    def _interrupt_turn(self) -> None:
        """Pass the turn on in the middle of a task. If its thread is the receiver, an idle thread becomes the receiver."""
        if self._receiver is self._turn:
            self._appoint_receiver()
        self._pass_turn()

    def _appoint_receiver(self) -> None:
        self._receiver = None
        if self._idle:
            self._receiver = self._idle.pop()
            self._ready.append(self._receiver)

    def _end(self) -> None:
        with self._mutex:
            self._has_ended = True
            self._receiver = None
            self._ready.extend(self._idle)
            self._idle.clear()
        self._activity.set()
        self._save_held()
        self._unsaved.put(None)

    def _watch(self) -> None:
        """Take the turn from a thread that keeps it for too long."""
        pause, seen = threading.Event(), None
        while not self._has_ended:
            pause.wait(STALL_SECONDS)
            with self._mutex:
                task = self._turn.task if self._turn is not None else None
                if task is not None and task is seen:
                    self._interrupt_turn()
                seen = task
                self._watch_rests = task is None
            if task is None:
                self._activity.wait(1)
                self._activity.clear()


@cache
def _watch_output() -> None:
    """From now on, make each task wait until its changes are on disk before it sends anything to another program."""
    HTTPConnection.send = _when_on_disk(HTTPConnection.send)  # type: ignore[method-assign]
    SMTP.send = _when_on_disk(SMTP.send)  # type: ignore[method-assign]


def _when_on_disk(send: Callable[..., Any]) -> Any:
    @wraps(send)
    def wait_and_send(connection: Any, data: Any) -> None:
        worker = _requester.get(None)
        if worker is not None:
            worker.workers.await_disk(worker)
        send(connection, data)

    return wait_and_send
