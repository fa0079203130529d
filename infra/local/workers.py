"""Threads that take turns: one works at a time, and the others wait until it waits or has finished.

Python's own lock lets only one thread compute at a time anyway, but many runnable threads slow each other down. Here a thread continues
only in its turn. A thread that keeps its turn for longer than STALL_SECONDS loses it.

No thread waits for the journal while working. A task continues before its writes are on disk, and its result is held back until they are.
So one thread processes task after task, one commit covers many tasks, and observers see the same as if each task had waited for its writes
("Rethink the Sync", E. B. Nightingale and others, OSDI 2006). Before a task sends anything to another program, it waits for its writes.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, wraps
from http.client import HTTPConnection
from smtplib import SMTP
from typing import Any, Generic, TypeVar

from devtools.dynamodb.journal import Journal, WaitEvent

STALL_SECONDS = 0.005  # a task that takes longer is probably waiting, for Stripe or for a lock

Task = TypeVar("Task")
Result = TypeVar("Result")
T = TypeVar("T")

_this = threading.local()
_requester: ContextVar["_Worker"] = ContextVar("requester")  # also in threads that a task starts in its context


class _Worker:
    """A thread. `task` is its current task, with or without the turn. The result is held back until the journal's `entry` is on disk."""

    def __init__(self, workers: "Workers[Any, Any]") -> None:
        self.workers = workers
        self.task: object | None = None
        self.entry = 0
        self.go_on = threading.Lock()
        self.go_on.acquire()


class Workers(Generic[Task, Result]):
    """Threads that process tasks: `receive` returns the next one, or None at the end; `finish` gets what `process` returned.

    `receive` and `finish` are called by one thread at a time, in its turn. A thread that has finished a task receives the next one
    itself, unless its turn was interrupted and another thread has become the receiver. `finish` gets None as the result if the journal
    failed to save the task's writes. `wake` wakes the thread that waits for input (`find_input`).
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
        self.journal: Journal | None = None
        self._held = deque[tuple[int, Task, Result]]()  # results, with the entries that must be on disk before they leave
        self._mutex = threading.Lock()  # protects the attributes below
        self._turn: _Worker | None = None
        self._ready = deque[_Worker]()  # threads that wait for their turn
        self._idle = [_Worker(self) for _ in range(count)]
        self._receiver: _Worker | None = None
        self._has_ended = False
        self._activity = threading.Event()  # set when a task begins while the watch rests
        self._watch_rests = False
        self._threads = [threading.Thread(target=self._work, args=(worker,), name="request", daemon=True) for worker in self._idle]
        self._threads.append(threading.Thread(target=self._watch, name="request-watch", daemon=True))

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

    def hold_back(self, entry: int) -> bool:
        """Hold back the result of the calling thread's task until this entry is on disk. Returns False outside these threads."""
        worker = self._calling_worker()
        if worker is None:
            return False
        worker.entry = max(worker.entry, entry)
        return True

    def new_event(self) -> WaitEvent | None:
        """Return an event that the calling thread may wait for once, while another thread works; None outside these threads."""
        worker = self._calling_worker()
        return None if worker is None else _TurnEvent(self, worker)

    def release(self) -> None:
        """Report that more entries are on disk, so that a waiting thread finishes held results. May be called from any thread."""
        if self._held:
            self._wake()

    def find_input(self, poll: Callable[[bool], T]) -> T:
        """Return the input that `poll` finds; only for `receive`. `poll(False)` does not wait; `poll(True)` waits without the turn."""
        self._finish_held()
        if found := poll(False):
            return found
        with self._mutex:
            worker = self._turn
            assert worker is not None
            self._pass_turn()
        try:
            return poll(True)
        finally:
            self._take_turn(worker)

    def _calling_worker(self) -> _Worker | None:
        worker: _Worker | None = getattr(_this, "worker", None)
        return worker if worker is not None and worker.workers is self else None

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
        entry, me.entry = me.entry, 0
        if self.journal is None or self.journal.durable >= entry:
            self._finish(task, result)
        else:
            self._held.append((entry, task, result))

    def _finish_held(self) -> None:
        """Finish the held tasks whose entries are on disk by now, in the order in which they were held back."""
        journal = self.journal
        if journal is None:
            return
        while self._held and (journal.durable >= self._held[0][0] or journal.failure is not None):
            entry, task, result = self._held.popleft()
            self._finish(task, result if journal.durable >= entry else None)
        journal.commit(only_if_late=True)  # even if nothing is held: a task may be waiting before it calls another program

    def _take_turn(self, me: _Worker) -> None:
        with self._mutex:
            me.task = None
            if self._turn is me:
                return
            if self._turn is None:
                self._turn = me
                return
            self._ready.append(me)
        me.go_on.acquire()

    def _pass_turn(self) -> None:
        """Pass the turn to the next ready thread. Without one, commit the journal."""
        self._turn = self._ready.popleft() if self._ready else None
        if self._turn is not None:
            self._turn.go_on.release()
        elif self.journal is not None:
            self.journal.commit()

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


class _TurnEvent:
    """The event that Workers.new_event returns."""

    def __init__(self, workers: Workers, worker: _Worker) -> None:  # type: ignore[type-arg]
        self._workers, self._worker = workers, worker
        self._is_set = self._is_awaited = False

    def set(self) -> None:
        workers = self._workers
        with workers._mutex:
            self._is_set = True
            if self._is_awaited:
                workers._ready.append(self._worker)
                if workers._turn is None:
                    workers._pass_turn()

    def wait(self) -> None:
        workers = self._workers
        with workers._mutex:
            if self._is_set:
                return
            self._is_awaited = True
            if workers._turn is self._worker:
                workers._interrupt_turn()
            elif workers._turn is None and workers.journal is not None:
                workers.journal.commit()
        self._worker.go_on.acquire()


@cache
def _watch_output() -> None:
    """From now on, make each task wait until its writes are on disk before it sends anything to another program."""
    HTTPConnection.send = _after_writes(HTTPConnection.send)  # type: ignore[method-assign]
    SMTP.send = _after_writes(SMTP.send)  # type: ignore[method-assign]


def _after_writes(send: Callable[..., Any]) -> Any:
    @wraps(send)
    def wait_and_send(connection: Any, data: Any) -> None:
        worker = _requester.get(None)
        if worker is not None and worker.workers.journal is not None:
            worker.workers.journal.wait(worker.entry)
        send(connection, data)

    return wait_and_send
