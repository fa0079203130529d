"""Threads that take turns: one works at a time, and none can stop the others."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

import pytest

from infra.local.workers import Workers

SECONDS = 30
Step = Callable[[], object]


class Desk:
    """Workers whose tasks are functions. `results` gets what they return, in the order in which they were finished."""

    def __init__(self, count: int) -> None:
        self.tasks: SimpleQueue[Step | None] = SimpleQueue()
        self.results: SimpleQueue[object] = SimpleQueue()
        self.inside = 0  # threads that receive or finish; only one may
        self.overlaps = 0
        self.workers = Workers[Step, object](count, self._receive, lambda task: task(), self._finish)
        self.workers.start()

    def _receive(self) -> Step | None:
        with self._exclusively():
            pass
        task = self.workers.find_input(self._next_tasks).pop()
        with self._exclusively():
            if task is None:
                self.tasks.put(None)  # for those that come later
        return task

    def _next_tasks(self, waits: bool) -> list[Step | None]:
        try:
            return [self.tasks.get(block=waits)]
        except Empty:
            return []

    def _finish(self, task: Step, result: object) -> None:
        with self._exclusively():
            self.results.put(result)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        self.inside += 1
        for _ in range(5):
            self.overlaps += self.inside > 1
            os.sched_yield()  # so that another thread that may go on does so
        yield
        self.inside -= 1

    def next_result(self) -> object:
        return self.results.get(timeout=SECONDS)

    def stop(self) -> None:
        self.tasks.put(None)
        self.workers.join(SECONDS)
        assert self.overlaps == 0


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk(4)
    yield desk
    desk.stop()
    assert not any(thread.is_alive() for thread in desk.workers._threads)


def test_tasks_that_do_not_wait_are_processed_by_one_thread_in_order(desk):
    for number in range(1000):
        desk.tasks.put(lambda number=number: (number, threading.get_ident()))
    found = [desk.next_result() for _ in range(1000)]
    assert [number for number, _ in found] == list(range(1000))
    assert len({thread for _, thread in found}) == 1


def test_while_a_task_waits_at_an_event_others_are_processed(desk):
    events = SimpleQueue()

    def wait(number: int) -> int:
        event = desk.workers.new_event()
        events.put(event)
        event.wait()
        return number

    for number in range(3):
        desk.tasks.put(lambda number=number: wait(number))
    waiting = [events.get(timeout=SECONDS) for _ in range(3)]
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    for event in reversed(waiting):
        event.set()
    assert [desk.next_result() for _ in range(3)] == [2, 1, 0]  # those that were woken go on in this order


def test_an_event_that_is_already_set_is_not_waited_for(desk):
    def wait() -> str:
        event = desk.workers.new_event()
        event.set()
        event.wait()
        return "went on"

    desk.tasks.put(wait)
    assert desk.next_result() == "went on"


def test_tasks_that_wait_for_anything_else_lose_their_turn(desk):
    locks = [threading.Lock() for _ in range(3)]
    for lock in locks:
        lock.acquire()
        desk.tasks.put(lambda lock=lock: lock.acquire(timeout=SECONDS))
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    for lock in locks:
        lock.release()
    assert [desk.next_result() for _ in range(3)] == [True, True, True]


def test_when_all_threads_wait_the_first_that_has_finished_goes_on(desk):
    lock = threading.Semaphore(0)
    for _ in range(4):
        desk.tasks.put(lambda: lock.acquire(timeout=SECONDS))
    desk.tasks.put(lambda: "other")
    lock.release()
    assert [desk.next_result(), desk.next_result()] == [True, "other"]
    lock.release(3)
    assert [desk.next_result() for _ in range(3)] == [True, True, True]


def test_many_tasks_that_wait_are_all_finished_one_at_a_time():
    desk = Desk(8)

    def work(number: int) -> int:
        for _ in range(5):
            event = desk.workers.new_event()
            threading.Thread(target=event.set).start()
            event.wait()
        return number

    for number in range(200):
        desk.tasks.put(lambda number=number: work(number))
    assert sorted(desk.next_result() for _ in range(200)) == list(range(200))
    desk.stop()


def test_other_threads_have_no_event(desk):
    assert desk.workers.new_event() is None


def test_it_is_said_when_no_thread_can_go_on(desk):
    waiting = SimpleQueue()

    def wait() -> str:
        event = desk.workers.new_event()
        waiting.put(event)
        event.wait()
        return "went on"

    # Nobody but the one who is told this lets the tasks go on. There are more of them than threads.
    desk.workers.on_pause = lambda only_if_late=False: None if only_if_late or waiting.empty() else threads.put(waiting.get())
    threads = SimpleQueue()
    threading.Thread(target=lambda: [threads.get(timeout=SECONDS).set() for _ in range(10)]).start()
    for _ in range(10):
        desk.tasks.put(wait)
    assert [desk.next_result() for _ in range(10)] == ["went on"] * 10


def test_it_is_said_also_when_a_task_that_lost_its_turn_waits(desk):
    told, began = SimpleQueue(), threading.Semaphore(0)

    def wait() -> str:
        began.release()
        lock.acquire(timeout=SECONDS)  # loses its turn here
        event = desk.workers.new_event()
        desk.workers.on_pause = lambda only_if_late=False: told.put(event)
        event.wait()
        return "went on"

    lock = threading.Lock()
    lock.acquire()
    desk.tasks.put(wait)
    assert began.acquire(timeout=SECONDS)
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    while desk.workers._turn is not None:  # until the receiver waits for input
        os.sched_yield()
    lock.release()
    told.get(timeout=SECONDS).set()
    assert desk.next_result() == "went on"
