"""Threads that take turns: one works at a time, and the others wait until it waits or has finished.

Python's own lock lets one thread compute at a time anyway, but threads that all want to go on at once push each other aside: each commit
of the journal would wake all whose entries it has, and they would compete with the thread that reads requests. Here a thread goes on when
it is its turn. Who waits for the journal gives its turn away (`new_event`); from who keeps it for too long, it is taken (`STALL_SECONDS`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from devtools.dynamodb.journal import WaitEvent

STALL_SECONDS = 0.005  # a task that takes so long probably waits, for Stripe or for a lock

Task = TypeVar("Task")
Result = TypeVar("Result")
T = TypeVar("T")


class _Worker:
    """A thread. `task` is the one that it is processing, with or without the turn."""

    def __init__(self) -> None:
        self.task: object | None = None
        self.go_on = threading.Lock()
        self.go_on.acquire()


class Workers(Generic[Task, Result]):
    """Threads that process tasks: `receive` returns the next one, or None at the end; `finish` gets what `process` returned.

    `receive` and `finish` are called by one thread at a time, in its turn. A thread that has finished a task receives the next one
    itself, unless its turn was interrupted and another thread has become the receiver.
    """

    def __init__(
        self, count: int, receive: Callable[[], Task | None], process: Callable[[Task], Result], finish: Callable[[Task, Result], None]
    ) -> None:
        self._receive, self._process, self._finish = receive, process, finish
        self._mutex = threading.Lock()  # protects what follows
        self._turn: _Worker | None = None
        self._ready = deque[_Worker]()  # may go on when it is their turn
        self._idle = [_Worker() for _ in range(count)]
        self._receiver: _Worker | None = None
        self._has_ended = False
        self._this = threading.local()
        self._activity = threading.Event()  # set when a task begins while the watch rests
        self._watch_rests = False
        # Called when no thread can go on, and with only_if_late=True from time to time.
        self.on_pause: Callable[..., None] = lambda **_: None
        self._threads = [threading.Thread(target=self._work, args=(worker,), name="request", daemon=True) for worker in self._idle]
        self._threads.append(threading.Thread(target=self._watch, name="request-watch", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        with self._mutex:
            self._appoint_receiver()
            self._pass_turn()

    def join(self, seconds: float) -> None:
        """Wait until all threads have ended, which they do after `receive` has returned None, but not for longer than this."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))

    def new_event(self) -> WaitEvent | None:
        """An event that the calling thread may wait for once, while another one works; None if it is not one of these threads."""
        worker: _Worker | None = getattr(self._this, "worker", None)
        return None if worker is None else _TurnEvent(self, worker)

    def find_input(self, poll: Callable[[bool], T]) -> T:
        """What `poll` finds, only for `receive`: `poll(False)` looks for input, `poll(True)` waits for it outside of this thread's turn."""
        if found := poll(False):
            self.on_pause(only_if_late=True)
            return found
        with self._mutex:
            worker = self._turn
            assert worker is not None
            self._pass_turn()
        try:
            return poll(True)
        finally:
            self._take_turn(worker)

    def _work(self, me: _Worker) -> None:
        self._this.worker = me
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
                self._finish(task, result)
                if self._receiver is None:
                    self._receiver = me
            with self._mutex:
                if self._has_ended:
                    self._pass_turn()
                    return
                self._idle.append(me)
                self._pass_turn()

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
        """Give the turn of the one who has it to the next."""
        self._turn = self._ready.popleft() if self._ready else None
        if self._turn is not None:
            self._turn.go_on.release()
        else:
            self.on_pause()

    def _interrupt_turn(self) -> None:
        """The same in the middle of a task: if the one who has the turn is the receiver, an idle thread receives from now on."""
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
        """Take the turn from those who keep it for too long."""
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
    """See Workers.new_event."""

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
            elif workers._turn is None:
                workers.on_pause()
        self._worker.go_on.acquire()
